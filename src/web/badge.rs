//! How a job is doing, in one word.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::plan::{Slot, SlotState};
use crate::report::JobReport;
use crate::scheduler::glances::{Seen, lags};
use crate::status::last_failure;

use super::view::{JobFacts, last_run};

/// The overall state of a job, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Badge {
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
    pub(in crate::web) fn of(job: &JobFacts, slots: &[Slot], now: DateTime<Utc>) -> Self {
        if job.live.is_some() { Self::Running } else { Self::at_rest(job, slots, now) }
    }

    /// The same, whether or not a run is in progress.
    pub(in crate::web) fn at_rest(job: &JobFacts, slots: &[Slot], now: DateTime<Utc>) -> Self {
        if slots.iter().any(|slot| slot.state == SlotState::Held) {
            return Self::Held;
        }
        let has_error = job.look.refused.is_some() || job.lake_error.is_some();
        let has_failed = has_error || last_failure(last_run(&job.runs, now)).is_some();
        let is_empty = slots.iter().all(|slot| slot.known.is_none());
        Self::at_best(has_failed, is_empty, || lags(&job.job, slots, now))
    }

    /// The same of a unit at a glance; `last` is its last run.
    pub(in crate::web) fn of_seen(seen: &Seen, last: Option<&JobReport>) -> Self {
        let Some(known) = &seen.known else {
            return if seen.failed.is_some() { Self::Failed } else { Self::NeverRead };
        };
        if known.glance.is_held() {
            return Self::Held;
        }
        let has_failed = known.look.refused.is_some() || seen.failed.is_some() || last_failure(last).is_some();
        Self::at_best(has_failed, known.glance.line.newest.is_none(), || known.glance.lags)
    }

    fn at_best(has_failed: bool, is_empty: bool, lags: impl Fn() -> bool) -> Self {
        match (has_failed, is_empty) {
            (true, _) => Self::Failed,
            (_, true) => Self::NeverRead,
            _ if lags() => Self::Stale,
            _ => Self::Current,
        }
    }

    /// Sign, word and CSS class.
    pub(in crate::web) fn look(self) -> (char, &'static str, &'static str) {
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
    pub(in crate::web) fn badge(self) -> Markup {
        let (sign, word, class) = self.look();
        html! { span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (word) } }
    }
}
