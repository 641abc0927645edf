//! The planner: which days are read now, in which fetches, and what that is expected to cost. Pure; `now` is an
//! argument.
//!
//! Coverage is a set of days, each with what it was read for; there is no high-water mark. A day is due when one of
//! these holds:
//!
//! | rule | days |
//! |---|---|
//! | never read | between `begin` and yesterday, inside the API's documented history |
//! | read for less | the job has a query that the day was not read with |
//! | `billing-close` | through `settle_day`: from the 1st of the previous month; later: from the 1st of this month |
//! | `N days` | the last N days |
//! | estimate left behind | still an estimate although its month has settled since it was last read |
//! | snapshot | today, always |
//! | `probe`: moved | the API's total of the day (any metric) or its estimate flag differs from the ledger's |
//! | `probe`: full read | an open month whose oldest read is `full_read_every` ago: tags move rows under equal totals |
//! | `probe`: settled | the month has settled since the day was last read, once |
//! | unsettled | its rows did not add up to the totals last time |
//!
//! A backfill replaces the rules by its range. Due days of one partition are one fetch; they become the request series
//! with the fewest expected pages: a page costs the same however full it is, so small gaps are read through.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use serde::Serialize;

mod calendar;
mod sizing;

pub use calendar::{Slot, calendar};
pub use sizing::{fetch_of, shortened, stages};

use crate::error::{Error, Kind, Result};
use crate::job::{Job, Refresh};
use crate::ledger::{DayState, Ledger, PartitionState};
use crate::sources::Provider;
use crate::totals::Totals;
use crate::window::{Grain, Partition, Window, days_before, first_of_month, month_start, next_day};

/// What is asked of the planner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// What is due by the job's own rules.
    Due,
    /// Every day of a range, or of these only the ones never read.
    Range {
        /// The days.
        window: Window,
        /// Only days never read.
        missing_only: bool,
    },
    /// Every day the ledger knows of some partitions, so that their objects are written anew whatever is in them.
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
    /// The same as request series.
    pub windows: Vec<Window>,
    /// Requests it is expected to take.
    pub expected_requests: u64,
}

/// What a run will do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Fetches, oldest partition first.
    pub fetches: Vec<Fetch>,
    /// Requests for totals that come before the fetches; a probe may find more days due.
    pub totals_requests: u64,
    /// Things to know about the plan.
    pub notes: Vec<String>,
}

impl Plan {
    /// Requests the plan is expected to take.
    #[must_use]
    pub fn expected_requests(&self) -> u64 {
        self.totals_requests + self.fetches.iter().map(|fetch| fetch.expected_requests).sum::<u64>()
    }

    /// The window from the first to the last day it reads.
    #[must_use]
    pub fn hull(&self) -> Option<Window> {
        let windows = || self.fetches.iter().flat_map(|fetch| &fetch.windows);
        Window::new(windows().map(Window::start).min()?, windows().map(Window::end).max()?)
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
    /// Its rows did not add up to the API's totals when last asked; what is in the lake is from before.
    Unsettled,
    /// Read, and its month has settled.
    Settled,
    /// Never read, and older than the API's documented history.
    OutOfReach,
}

/// Days of history each API documents.
fn history_start(job: &Job, today: NaiveDate) -> NaiveDate {
    match (job.entry.provider, job.source.grain()) {
        (Provider::CostExplorer, Grain::Hourly) => days_before(today, 13),
        (Provider::CostExplorer, _) => month_start(today, -13),
        (Provider::Datadog, _) => month_start(today, -15),
    }
}

/// The window a table spans at `now`: from its first slot to yesterday (or today); `None` while nothing is in it.
#[must_use]
pub fn span(job: &Job, now: DateTime<Utc>) -> Option<Window> {
    let today = now.date_naive();
    if job.entry.snapshot {
        return Some(Window::day(today));
    }
    let last = if job.window.include_today { today } else { days_before(today, 1) };
    let grain = job.source.grain();
    Window::new(job.window.begin?, grain.slot_window(grain.slot_of(last)).end())
}

/// The day from which the month of `slot` counts as settled.
fn settles_on(job: &Job, slot: NaiveDate) -> NaiveDate {
    let next = month_start(slot, 1);
    next.with_day(job.window.settle_day).unwrap_or(next)
}

/// The part of the table's span that a run asks about: what the API documents to have.
#[must_use]
pub fn reach(job: &Job, now: DateTime<Utc>) -> Option<Window> {
    let span = span(job, now)?;
    Window::new(span.start().max(history_start(job, now.date_naive())), span.end())
}

/// The state of `slot` at `now`.
#[must_use]
pub fn state_of(job: &Job, ledger: &Ledger, slot: NaiveDate, now: DateTime<Utc>) -> SlotState {
    let today = now.date_naive();
    if ledger.unsettled.contains_key(&slot) {
        return SlotState::Unsettled;
    }
    match ledger.day(&job.source.grain().partition_of(slot).to_string(), slot) {
        Some(day) if is_complete(job, day) => {
            let open = day.facts.estimated || (!job.entry.snapshot && today <= settles_on(job, slot));
            if open { SlotState::Estimated } else { SlotState::Settled }
        }
        _ if slot < history_start(job, today) => SlotState::OutOfReach,
        _ => SlotState::Missing,
    }
}

/// Whether the day was read with every query the job has now.
fn is_complete(job: &Job, day: &DayState) -> bool {
    job.source.read_for().is_subset(&day.facts.read_for)
}

/// Plans a job at `now`.
///
/// # Errors
/// [`Kind::Config`] for a range that cannot be asked.
///
/// `totals` are the probe's, where it was asked; without them a `probe` job's moved days are not known yet.
pub fn plan(job: &Job, ledger: &Ledger, now: DateTime<Utc>, ask: Ask, totals: Option<&Totals>) -> Result<Plan> {
    let mut notes = Vec::new();
    let slots = match ask {
        Ask::Due => due_slots(job, ledger, now, totals, &mut notes),
        Ask::Range { window, missing_only } => {
            let slots = range_slots(job, window, now, &mut notes)?;
            let missing = |slot: &NaiveDate| {
                let partition = job.source.grain().partition_of(*slot).to_string();
                ledger.day(&partition, *slot).is_none_or(|day| !is_complete(job, day))
            };
            slots.into_iter().filter(|slot| !missing_only || missing(slot)).collect()
        }
        Ask::Known { first, last } => known_slots(job, ledger, first, last)?,
    };
    let fetches = sizing::fetches(job, ledger, &slots);
    let asks_totals =
        totals.is_none() && job.window.refresh == Refresh::Probe && (ask == Ask::Due || !fetches.is_empty());
    Ok(Plan { fetches, totals_requests: u64::from(asks_totals), notes })
}

/// The days the ledger knows of the partitions from `first` to `last`.
fn known_slots(job: &Job, ledger: &Ledger, first: Partition, last: Partition) -> Result<Vec<NaiveDate>> {
    if job.entry.snapshot {
        let message = format!("{} tells only today's state: past days cannot be read again", job.entry.name);
        return Err(Error::new(Kind::Config, message).at("job", &job.name));
    }
    let known = ledger.partitions.range(first.to_string()..=last.to_string()).map(|(_, state)| state);
    Ok(known.flat_map(|state| state.days.keys().copied()).collect())
}

fn due_slots(
    job: &Job,
    ledger: &Ledger,
    now: DateTime<Utc>,
    totals: Option<&Totals>,
    notes: &mut Vec<String>,
) -> Vec<NaiveDate> {
    let Some(span) = span(job, now) else { return Vec::new() };
    let grain = job.source.grain();
    let mut out_of_reach = Vec::new();
    let mut due = Vec::new();
    for slot in grain.slots(span) {
        let partition = grain.partition_of(slot).to_string();
        match (state_of(job, ledger, slot, now), ledger.day(&partition, slot)) {
            (SlotState::OutOfReach, _) => out_of_reach.push(slot),
            (SlotState::Missing | SlotState::Unsettled, _) => due.push(slot),
            (_, Some(day)) if needs_refresh(job, ledger.partitions.get(&partition), day, slot, now, totals) => {
                due.push(slot)
            }
            _ => {}
        }
    }
    if let (Some(first), Some(last)) = (out_of_reach.first(), out_of_reach.last()) {
        let count = out_of_reach.len();
        notes.push(format!("{first} to {last}: {count} out of reach, older than the API's documented history"));
    }
    due
}

/// Whether a day that has been read is read again: see the table of the [module](self).
fn needs_refresh(
    job: &Job,
    partition: Option<&PartitionState>,
    day: &DayState,
    slot: NaiveDate,
    now: DateTime<Utc>,
    totals: Option<&Totals>,
) -> bool {
    if job.entry.snapshot || is_left_behind(job, day, slot, now) {
        return true;
    }
    if job.window.refresh != Refresh::Probe {
        return slot >= refresh_start(job, now);
    }
    let today = now.date_naive();
    let settles = settles_on(job, slot);
    let settled_since = today > settles && day.read_at.date_naive() <= settles;
    has_moved(job, day, slot, totals) || settled_since || (today <= settles && is_full_read_due(job, partition, today))
}

/// Whether the API's total of any of the job's metrics, or the estimate flag, is another one than when it was read.
fn has_moved(job: &Job, day: &DayState, slot: NaiveDate, totals: Option<&Totals>) -> bool {
    let now = totals.and_then(|totals| totals.narrowed(job.source.table(), slot));
    now.is_some_and(|now| now.estimated != day.facts.estimated || now.sums != day.facts.totals)
}

/// Whether some day of the month was last read so long ago that the whole month is read again.
fn is_full_read_due(job: &Job, partition: Option<&PartitionState>, today: NaiveDate) -> bool {
    let oldest = partition.and_then(|state| state.days.values().map(|day| day.read_at.date_naive()).min());
    oldest.is_some_and(|oldest| days_before(today, job.window.full_read_every_days) >= oldest)
}

/// An estimate that was last read before its month settled, and the month has settled since.
fn is_left_behind(job: &Job, day: &DayState, slot: NaiveDate, now: DateTime<Utc>) -> bool {
    let settles = settles_on(job, slot);
    day.facts.estimated && now.date_naive() > settles && day.read_at.date_naive() <= settles
}

/// First slot that is read again by the refresh rule.
fn refresh_start(job: &Job, now: DateTime<Utc>) -> NaiveDate {
    let today = now.date_naive();
    match job.window.refresh {
        Refresh::Probe | Refresh::BillingClose => {
            let months = if today.day() <= job.window.settle_day { -1 } else { 0 };
            month_start(today, months)
        }
        Refresh::Days(count) => job.source.grain().slot_of(days_before(today, count)),
    }
}

fn range_slots(job: &Job, window: Window, now: DateTime<Utc>, notes: &mut Vec<String>) -> Result<Vec<NaiveDate>> {
    let wrong = |message: String| Err(Error::new(Kind::Config, message).at("job", &job.name));
    if job.entry.snapshot {
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

/// The inclusive dates of the command line as a window.
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

/// Whether what is in the lake is known to be out of date: an estimate whose month has settled since it was read, or a
/// day that the refresh rule should have looked at by now and did not for two days.
#[must_use]
pub fn is_stale(job: &Job, ledger: &Ledger, slot: NaiveDate, now: DateTime<Utc>) -> bool {
    let Some(day) = ledger.day(&job.source.grain().partition_of(slot).to_string(), slot) else { return false };
    let looked_at = match job.window.refresh {
        Refresh::Probe => ledger.probed_at.map_or(day.read_at, |probed| probed.max(day.read_at)),
        _ => day.read_at,
    };
    let begun = job.window.begin.is_none_or(|begin| slot >= begin);
    let overdue =
        begun && !job.entry.snapshot && slot >= refresh_start(job, now) && (now - looked_at).num_hours() >= STALE_HOURS;
    overdue || is_left_behind(job, day, slot, now)
}

/// A refreshed day is stale when it was not looked at for so long: two nightly runs were missed.
const STALE_HOURS: i64 = 48;
