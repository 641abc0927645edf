//! The planner: which days to read now, in which fetches, and how many requests that is expected to take. Pure: `now`
//! is an argument.
//!
//! Coverage is a set of days, each with the queries it was read for; there is no high-water mark. A day is due when one
//! of these rules holds:
//!
//! | rule | days |
//! |---|---|
//! | never read | between `begin` and yesterday, inside the API's documented history |
//! | query added | the job has a query that the day was not read with |
//! | metric added | the job has a metric that the day was not read with: once, and its rows stay until then |
//! | `billing-close` | through `settle_day`: from the 1st of the previous month; later: from the 1st of this month |
//! | `N days` | the last N days |
//! | not final | not read yet at or after the end of its span, see `plan/finality.rs` |
//! | snapshot | today, always |
//! | `probe`: moved | the API's total of the day (any metric), its currency or estimate flag differs from the ledger's |
//! | `probe`: full read | an open month whose oldest read is `full_read_every` ago: tags move rows under equal totals |
//! | settled month | the month whose oldest read is `full_read_settled_every` ago; at most one month a day, see `plan/settled.rs` |
//! | differing | its rows miss the total of a metric that is only reported: once a UTC day, three times |
//! | unsettled | its rows did not add up to the totals last time |
//! | failed | its last read failed in the last seven days, and nothing else of its partition is due |
//! | out of place | its object was replaced or removed by another program, see [`Ledger::doubted`] |
//! | quarantined | the API's totals differ from those of the refused rows; without a probe, inside the refresh rule's days; Datadog's always |
//!
//! A read time in the future counts as never read ([`Moment`]). Days older than the API's history are not requested.
//! A backfill replaces the rules by its range. The due days of one partition form one fetch, cut into the windows with
//! the fewest expected pages: a page costs the same however full it is, so windows span small gaps.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::Serialize;

mod api_history;
mod calendar;
mod due;
mod finality;
mod settled;
mod sizing;

pub use api_history::{begins_on, history_start, not_begun, reach, span};
pub use calendar::{STALE, Slot, calendar};
pub use due::is_stale;
pub use finality::{Moment, was_read_as_final};
pub use sizing::{fetch_of, least_requests, shortened, stages};

use crate::error::{Error, Kind, Result};
use crate::job::{Job, Refresh};
use crate::ledger::{DayState, Ledger};
use crate::sources::Learnt;
use crate::totals::Totals;
use crate::window::{Grain, Partition, Window, first_of_month, month_start, next_day};

use api_history::is_out_of_reach;
use finality::owed_since;

/// Which days to plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What is due by the job's own rules.
    Due,
    /// Every day of a range, or only its days that were never read.
    Range {
        /// The days.
        window: Window,
        /// Only days never read.
        missing_only: bool,
    },
    /// Every day in the ledger of a range of partitions, so that their objects are rewritten whatever they hold.
    Known {
        /// The first partition.
        first: Partition,
        /// The last one.
        last: Partition,
    },
}

/// The due slots of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// The object it is for.
    pub partition: Partition,
    /// Slots that are read, in order; small gaps included.
    pub slots: Vec<NaiveDate>,
    /// The same as windows, each read with one pagination.
    pub windows: Vec<Window>,
    /// Requests it is expected to take.
    pub expected_requests: u64,
}

/// What a run will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Fetches, oldest partition first.
    pub fetches: Vec<Fetch>,
    /// The window whose totals are requested before the fetches, in one request; a probe may find more days due.
    pub totals: Option<Window>,
    /// Whether the expected requests are the least: how much fits on a page is not learnt yet.
    pub at_least: bool,
    /// Notes for the user.
    pub notes: Vec<String>,
}

/// Note on a plan whose expected requests are a guess.
const PAGE_UNKNOWN: &str =
    "page size unknown until the first run: assuming one request per day, usually a large overestimate";
/// The same where a list is one request, or more.
const PAGES_AT_LEAST: &str = "page size unknown until the first run: assuming one request per list, which is the least";
/// Note on a plan that needs more requests than one run may send.
pub const OVER_CAP: &str = "more than budget.max_requests_per_run allows; it may take several runs";

impl Plan {
    /// Requests for totals, sent before the fetches.
    #[must_use]
    pub fn totals_requests(&self) -> u64 {
        u64::from(self.totals.is_some())
    }

    /// Requests the plan is expected to take.
    #[must_use]
    pub fn expected_requests(&self) -> u64 {
        self.totals_requests() + self.fetches.iter().map(|fetch| fetch.expected_requests).sum::<u64>()
    }

    /// The note on requests that are a guess, for a job of which no page has been read, or none so long.
    #[must_use]
    pub fn page_note(&self, job: &Job, learnt: &Learnt) -> Option<&'static str> {
        if !job.entry.provider.is_paid() {
            None
        } else if self.at_least {
            Some(PAGES_AT_LEAST)
        } else {
            (job.entry.rules.has_totals && learnt.page_rows == 0).then_some(PAGE_UNKNOWN)
        }
    }

    /// Slots the plan reads.
    #[must_use]
    pub fn slots(&self) -> u64 {
        self.fetches.iter().map(|fetch| fetch.slots.len() as u64).sum()
    }
}

/// The state of one slot of a table, as `status` shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotState {
    /// Never read, and the API still has it.
    Missing,
    /// Read, but the API calls it an estimate or its month has not settled yet.
    Estimated,
    /// The rows of its last read did not add up to the API's totals; the lake holds those of an earlier read.
    #[serde(rename = "unsettled")]
    Mismatch,
    /// Its newest rows differ too much from the old ones and wait for `--accept`; the lake holds the old ones.
    #[serde(rename = "quarantined")]
    Held,
    /// Its last read failed; the lake holds the rows of an earlier read, if any.
    Failed,
    /// Read, and its month has settled.
    #[serde(rename = "settled")]
    Final,
    /// Never read, and older than the API's documented history or than the account's first day with data.
    #[serde(rename = "out_of_reach")]
    NotAvailable,
    /// Read before it was final, and by now older than the API's documented history: its rows stay.
    NotFinal,
    /// Read, and its rows keep missing the API's total of a metric that is only reported.
    Differing,
}

/// The day from which the month of `slot` counts as settled.
#[must_use]
pub fn settles_on(job: &Job, slot: NaiveDate) -> NaiveDate {
    let next = month_start(slot, 1);
    next.with_day(job.window.settle_day).unwrap_or(next)
}

/// Whether the API's documented history holds `slot` at `now`; a snapshot source has only today.
#[must_use]
pub fn is_reachable(job: &Job, slot: NaiveDate, now: DateTime<Utc>) -> bool {
    let today = now.date_naive();
    if job.entry.rules.snapshot { slot == today } else { !is_out_of_reach(job, slot, today) }
}

/// The state of `slot` at `now`.
#[must_use]
pub fn state_of(job: &Job, ledger: &Ledger, slot: NaiveDate, now: DateTime<Utc>) -> SlotState {
    let state = read_state(job, ledger, slot, now.into());
    let is_far = is_out_of_reach(job, slot, now.date_naive());
    let is_taken = ledger.accepted.contains_key(&slot) && is_far;
    match state {
        _ if ledger.quarantined.contains_key(&slot) && !ledger.unsettled.contains_key(&slot) => SlotState::Held,
        // A slot the API no longer has stays out of reach, whatever a backfill recorded for it.
        SlotState::NotFinal | SlotState::NotAvailable => state,
        _ if is_taken => state,
        _ if ledger.unsettled.contains_key(&slot) => SlotState::Mismatch,
        _ if ledger.failed.contains_key(&slot) && !is_far => SlotState::Failed,
        SlotState::Estimated | SlotState::Final if differs_for_good(ledger, slot) => SlotState::Differing,
        _ => state,
    }
}

/// The state of `slot` by its reads alone, without the ledger's records of failures and differences.
fn read_state(job: &Job, ledger: &Ledger, slot: NaiveDate, moment: Moment) -> SlotState {
    let today = moment.today();
    let is_far = is_out_of_reach(job, slot, today);
    match ledger.day(&job.source.grain().partition_of(slot).to_string(), slot) {
        Some(day) if is_complete(job, day) || job.source.grows() => {
            let open = day.facts.estimated || (!job.entry.rules.snapshot && today <= settles_on(job, slot));
            if is_far && is_not_final(job, ledger, day, slot, moment) {
                SlotState::NotFinal
            } else if open {
                SlotState::Estimated
            } else {
                SlotState::Final
            }
        }
        _ if is_far || is_before_data(ledger, slot) => SlotState::NotAvailable,
        _ => SlotState::Missing,
    }
}

/// Whether the slot is before the account's first day with data. Not if another writer has read an older day, or if a
/// read of this slot failed.
fn is_before_data(ledger: &Ledger, slot: NaiveDate) -> bool {
    let is_before = ledger.first_day.is_some_and(|first| slot < first && !is_older(ledger, first));
    is_before && !ledger.failed.contains_key(&slot)
}

/// Whether the ledger has days before this one.
fn is_older(ledger: &Ledger, first: NaiveDate) -> bool {
    ledger.oldest_day().is_some_and(|oldest| oldest < first)
}

/// Note on a table that begins before its account has data.
#[must_use]
pub fn begins_late(job: &Job, ledger: &Ledger) -> Option<String> {
    let is_late = |first: &NaiveDate| job.window.begin.is_some_and(|begin| begin < *first) && !is_older(ledger, *first);
    let first = ledger.first_day.filter(is_late)?;
    Some(format!(
        "the API has no data before {first}: the days before it are not available; `costlake backfill` asks again"
    ))
}

/// Whether a slot that can no longer be read lacks its final read or did not add up, and was not accepted as it is.
fn is_not_final(job: &Job, ledger: &Ledger, day: &DayState, slot: NaiveDate, moment: Moment) -> bool {
    let begun = job.window.begin.is_some_and(|begin| slot >= begin);
    let owed = ledger.unsettled.contains_key(&slot) || owed_since(job, day, slot, moment).is_some();
    begun && owed && !ledger.accepted.contains_key(&slot)
}

/// The slots of the month that begins on `month` that were read before they were final and can no longer be read.
#[must_use]
pub fn not_final(job: &Job, ledger: &Ledger, month: NaiveDate, now: DateTime<Utc>) -> Vec<NaiveDate> {
    let known = ledger.partitions.values().flat_map(|state| state.days.keys().copied());
    let of_month = known.filter(|slot| first_of_month(*slot) == month);
    of_month.filter(|slot| state_of(job, ledger, *slot, now) == SlotState::NotFinal).collect()
}

/// Nights after which a day that does not add up is requested only once a night.
const PATIENT_NIGHTS: u32 = 3;

/// Whether a slot has not added up to the API's totals for three nights, so that it is requested only once a night.
#[must_use]
pub fn has_long_been_off(ledger: &Ledger, slot: NaiveDate) -> bool {
    ledger.nights.get(&slot).is_some_and(|nights| nights.count >= PATIENT_NIGHTS)
}

/// Whether the rows of a slot still miss the total of a metric that is only reported, after the last retry.
#[must_use]
pub fn differs_for_good(ledger: &Ledger, slot: NaiveDate) -> bool {
    ledger.differing.get(&slot).is_some_and(|found| found.tries >= due::DIFFERING_TRIES)
}

/// Whether the day was read with every query or metric the job has now.
fn is_complete(job: &Job, day: &DayState) -> bool {
    job.source.read_for().is_subset(&day.facts.read_for)
}

/// Plans a job at a [`Moment`].
///
/// # Errors
/// [`Kind::Config`] for a range that cannot be requested.
///
/// `totals` are the probe's, if it has run; without them a `probe` job's moved days are not known yet.
pub fn plan(job: &Job, ledger: &Ledger, at: impl Into<Moment>, ask: Ask, totals: Option<&Totals>) -> Result<Plan> {
    let moment = at.into();
    let now = moment.now;
    let mut notes = job.warnings.iter().map(ToString::to_string).collect();
    let slots = match ask {
        Ask::Due => due::slots(job, ledger, moment, totals, &mut notes),
        Ask::Range { window, missing_only } => {
            let slots = range_slots(job, window, now, &mut notes)?;
            let missing = |slot: &NaiveDate| {
                let partition = job.source.grain().partition_of(*slot).to_string();
                let is_there = ledger.day(&partition, *slot).is_some_and(|day| is_complete(job, day));
                !is_there || ledger.out_of_place(*slot).is_some()
            };
            slots.into_iter().filter(|slot| !missing_only || missing(slot)).collect()
        }
        Ask::Known { first, last } => known_slots(job, ledger, first, last, now)?,
    };
    let slots = with_displaced(job, ledger, now, ask, slots);
    let fetches = sizing::fetches(job, ledger, &slots);
    let totals = if totals.is_none() { totals_window(job, ledger, now, ask, &fetches) } else { None };
    let is_guess =
        |fetch: &Fetch| job.source.may_take_more(&fetch.windows, &ledger.learnt_of(&fetch.partition.to_string()));
    let at_least = fetches.iter().any(is_guess);
    Ok(Plan { fetches, totals, at_least, notes })
}

/// Adds the days whose rows are not the committed ones and can be read again: those of the whole table, or of the
/// partitions that are read anyway. Uncommitted rows are kept beside new ones only where they cannot be read again.
fn with_displaced(job: &Job, ledger: &Ledger, now: DateTime<Utc>, ask: Ask, slots: Vec<NaiveDate>) -> Vec<NaiveDate> {
    let grain = job.source.grain();
    let touched: BTreeSet<Partition> = slots.iter().map(|slot| grain.partition_of(*slot)).collect();
    let is_wanted = |slot: &NaiveDate| ask == Ask::Due || touched.contains(&grain.partition_of(*slot));
    // Days that were read since and are quarantined need not be read again.
    let is_held = |slot: &NaiveDate, at| ledger.quarantined.get(slot).is_some_and(|held| held.at >= at);
    let displaced = ledger.displaced.iter().filter(|(slot, noted)| !is_held(slot, noted.at)).map(|(slot, _)| *slot);
    let out_of_place = displaced.chain(ledger.doubted.keys().copied());
    let may_be_asked = |slot: &NaiveDate| is_reachable(job, *slot, now) && *slot <= now.date_naive();
    let added = out_of_place.filter(may_be_asked).filter(is_wanted);
    added.chain(slots.iter().copied()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Whether the totals decide which days are due; otherwise they are control sums only.
#[must_use]
pub fn probes(job: &Job, ask: Ask) -> bool {
    job.window.refresh == Refresh::Probe && ask == Ask::Due
}

/// The window whose totals a plan needs: a probe's covers everything in reach, control sums cover the fetches, from the
/// first day read to the last. A job without grouping requests no control sums: its own request is identical to the one
/// for totals, so the check would compare an answer with itself and pay for it twice. Data that move between the two
/// calls are no error of its rows; the refresh rule finds them. It requests totals all the same if days older than all
/// it has could not be read: the account may be younger than they are.
fn totals_window(job: &Job, ledger: &Ledger, now: DateTime<Utc>, ask: Ask, fetches: &[Fetch]) -> Option<Window> {
    let totals = job.source.totals()?;
    let is_older = |slot: &NaiveDate| ledger.oldest_day().is_none_or(|oldest| *slot < oldest);
    let is_young = fetches.iter().flat_map(|fetch| &fetch.slots).any(|s| ledger.failed.contains_key(s) && is_older(s));
    let probed = if probes(job, ask) { reach(job, now) } else { None };
    let read = fetches.iter().flat_map(|fetch| &fetch.windows).filter(|_| !totals.are_the_rows() || is_young);
    // Days of an object that is not the committed one may lie outside of the probe's window.
    let windows: Vec<&Window> = read.chain(&probed).collect();
    Window::new(windows.iter().map(|window| window.start()).min()?, windows.iter().map(|window| window.end()).max()?)
}

/// The ledger's days of the partitions from `first` to `last`. If an object is not the committed one, its days that can
/// no longer be requested are skipped and keep their rows.
fn known_slots(
    job: &Job,
    ledger: &Ledger,
    first: Partition,
    last: Partition,
    now: DateTime<Utc>,
) -> Result<Vec<NaiveDate>> {
    if job.entry.rules.snapshot {
        let message = format!("{} tells only today's state: past days cannot be read again", job.entry.name);
        return Err(Error::new(Kind::Config, message).at("job", &job.unit.table));
    }
    let known = ledger.partitions.range(first.to_string()..=last.to_string()).map(|(_, state)| state);
    let may_be_asked = |slot: &NaiveDate| !ledger.doubted.contains_key(slot) || is_reachable(job, *slot, now);
    Ok(known.flat_map(|state| state.days.keys().copied()).filter(may_be_asked).collect())
}

fn range_slots(job: &Job, window: Window, now: DateTime<Utc>, notes: &mut Vec<String>) -> Result<Vec<NaiveDate>> {
    let wrong = |message: String| Err(Error::new(Kind::Config, message).at("job", &job.unit.table));
    if job.entry.rules.snapshot {
        return wrong(format!("{} tells only today's state: there is no history to backfill", job.entry.name));
    }
    let today = now.date_naive();
    let grain = job.source.grain();
    if let Some(begin) = job.window.begin
        && window.start() < begin
    {
        return wrong(format!("the range begins on {}, before the table's begin {begin}", window.start()));
    }
    if window.end() > month_start(today, 1) {
        return wrong(format!(
            "the range ends on {}, but nothing can be asked past the end of this month",
            window.last()
        ));
    }
    if grain == Grain::Monthly && (window.start().day() != 1 || window.end().day() != 1) {
        return wrong(format!("the range {window} is not whole months, which a MONTHLY table needs"));
    }
    if window.start() > today {
        return wrong(format!("the range {window} has not begun yet"));
    }
    if window.start() < history_start(job, today) {
        notes.push(format!("{} is older than the API's documented history: it is asked all the same", window.start()));
    }
    let end = grain.slot_window(grain.slot_of(today)).end();
    if window.end() > end {
        notes.push(format!("the range is read up to {today}: later days have not happened yet"));
    }
    let window = Window::new(window.start(), window.end().min(end));
    Ok(window.map(|window| grain.slots(window).collect()).unwrap_or_default())
}

/// The window of the command line's dates, both inclusive.
///
/// # Errors
/// [`Kind::Config`] when the range is empty.
pub fn range(from: NaiveDate, to: NaiveDate) -> Result<Window> {
    Window::new(from, next_day(to)).ok_or_else(|| {
        Error::new(Kind::Config, format!("the range from {from} to {to} is empty"))
            .advise("--from must not be after --to; both are inclusive")
    })
}

/// The first day of the calendar month of `now`, from which spending is counted.
#[must_use]
pub fn spending_since(now: DateTime<Utc>) -> NaiveDate {
    first_of_month(now.date_naive())
}

#[cfg(test)]
mod tests;
