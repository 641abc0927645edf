//! How a job is doing, in one word.

use chrono::{DateTime, Duration, Utc};
use maud::{Markup, html};

use crate::plan::{Slot, SlotState};
use crate::status::last_failure;
use crate::web::view::{JobFacts, last_run};

/// Hours after its end until a missing day makes its table stale: two nightly runs.
const GRACE_HOURS: i64 = 48;

/// The overall state of a job, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Badge {
    /// The last run failed, the next one could not begin, or the table cannot be read.
    Failed,
    /// Days are held for review by a person.
    Held,
    /// Days are missing or out of date.
    Stale,
    /// Nothing has been read yet.
    NeverRead,
    /// A run is in progress.
    Running,
    /// Nothing is missing or out of date.
    Current,
}

impl Badge {
    /// The standing of a job with these slots at `now`.
    pub(super) fn of(job: &JobFacts, slots: &[Slot], now: DateTime<Utc>) -> Self {
        if job.live.is_some() { Self::Running } else { Self::at_rest(job, slots, now) }
    }

    /// The same, whether or not a run is in progress.
    pub(super) fn at_rest(job: &JobFacts, slots: &[Slot], now: DateTime<Utc>) -> Self {
        if slots.iter().any(|slot| slot.state == SlotState::Held) {
            return Self::Held;
        }
        let has_error = job.look.refused.is_some() || job.lake_error.is_some();
        if has_error || last_failure(last_run(&job.runs, now)).is_some() {
            return Self::Failed;
        }
        if slots.iter().all(|slot| slot.known.is_none()) {
            return Self::NeverRead;
        }
        if is_stale(job, slots, now) { Self::Stale } else { Self::Current }
    }

    /// Sign, word and CSS class.
    pub(super) fn look(self) -> (char, &'static str, &'static str) {
        match self {
            Self::Failed => ('✕', "failed", "bad"),
            Self::Held => ('‖', "held for review", "bad"),
            Self::Stale => ('!', "stale", "late"),
            Self::NeverRead => ('○', "never read", "far"),
            Self::Running => ('▶', "running", "busy"),
            Self::Current => ('✓', "current", "good"),
        }
    }

    /// The word with its sign.
    pub(super) fn badge(self) -> Markup {
        let (sign, word, class) = self.look();
        html! { span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (word) } }
    }
}

fn is_stale(job: &JobFacts, slots: &[Slot], now: DateTime<Utc>) -> bool {
    let grain = job.job.source.grain();
    let overdue = |slot: &&Slot| {
        let end = grain.slot_window(slot.day).end().and_time(chrono::NaiveTime::MIN).and_utc();
        slot.state == SlotState::Missing && now - end >= Duration::hours(GRACE_HOURS)
    };
    if job.job.entry.rules.snapshot {
        let newest = slots.iter().filter_map(|slot| slot.known.as_ref()).map(|known| known.read_at).max();
        return newest.is_some_and(|read| now - read >= Duration::hours(GRACE_HOURS));
    }
    let has_gap = |slot: &Slot| slot.state != SlotState::Missing && slot.gap().is_some();
    slots.iter().any(|slot| has_gap(slot) || overdue(&slot))
}

/// When the table was last compared with the API: read, or found unchanged by its totals.
pub(super) fn checked_at(job: &JobFacts) -> Option<DateTime<Utc>> {
    let days = job.ledger.partitions.values().flat_map(|partition| partition.days.values());
    days.map(|day| day.read_at).chain(job.ledger.probed_at).max()
}
