//! Where the data of an account begin. If an account is younger than a table's `begin`, answers lack the first periods:
//! the first day with data is learnt, and the days before it are not available.
//!
//! | totals | then |
//! |---|---|
//! | lack the first days, and the ledger has none of these nor any earlier one | the data begin with the first complete day, if a second answer lacks the same days |
//! | lack a day that the ledger has, or a later one | the answer cannot be trusted, and is refused |
//! | have no day at all | refused |
//! | are refused, because the API has no data of the first days | the first day is found by bisection; it may not be later than the oldest day of the ledger |
//!
//! Rows must have every requested period, or are refused: days before the first day are no longer requested. A job
//! without grouping requests totals when days that are older than all it has could not be read. An answer with earlier
//! days moves the first day back.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;

use crate::error::{Error, Kind, Result};
use crate::ledger::Ledger;
use crate::plan::{Fetch, Plan, fetch_of};
use crate::report::JobReport;
use crate::sources::Fetched;
use crate::totals::Totals;
use crate::window::{Grain, Window};

use super::JobRun;
use super::totals;

/// The totals of the part of `window` that the API has data of, found by bisection after it refused the whole because
/// it has none of the first days. Returns `error` if it refuses the newest day as well (or the oldest one of the
/// ledger), which takes one more request, or if it finally answers what it refused before.
pub(super) async fn search(
    run: &JobRun<'_>,
    window: Window,
    error: Error,
    report: &mut JobReport,
) -> Result<(Window, Option<Arc<Totals>>)> {
    let oldest = run.store.lock().await.ledger.oldest_day();
    let slots: Vec<NaiveDate> = run.job.source.grain().slots(window).collect();
    let last = slots.iter().rposition(|slot| oldest.is_none_or(|oldest| *slot <= oldest)).unwrap_or(0);
    if !error.is_of_no_data() || last == 0 {
        return Err(error);
    }
    let needed = u64::from(last.ilog2()) + 3;
    if run.budget.room().is_some_and(|room| room < needed) {
        return Err(run.budget.reached(Some(report.totals_asked.requests + needed)));
    }
    let (mut refused, mut begun) = (0, last);
    let Some(mut found) = from(run, window, slots[begun], report).await? else { return Err(error) };
    while begun - refused > 1 {
        let middle = refused.midpoint(begun);
        match from(run, window, slots[middle], report).await? {
            Some(more) => (begun, found) = (middle, more),
            None => refused = middle,
        }
    }
    if from(run, window, slots[refused], report).await?.is_some() {
        return Err(error);
    }
    let mut store = run.store.lock().await;
    store.note_first_day(Some(slots[begun]));
    store.save(&run.run_id, run.now()).await?;
    run.context.totals.note_begun(run.job, slots[begun]).await;
    let inside = Window::new(slots[begun], window.end()).unwrap_or(window);
    Ok((inside, Some(Arc::new(found))))
}

/// The totals from `start` to the end of `window`; `None` where the API has no data of a part of it.
async fn from(run: &JobRun<'_>, window: Window, start: NaiveDate, report: &mut JobReport) -> Result<Option<Totals>> {
    let Some(inside) = Window::new(start, window.end()) else { return Ok(None) };
    if run.budget.room() == Some(0) {
        return Err(run.budget.reached(Some(report.totals_asked.requests + 1)));
    }
    let metrics = totals::metrics_of(run.job);
    match totals::ask_once(run, &metrics, inside, &mut report.totals_asked).await {
        Err(error) if error.is_of_no_data() => Ok(None),
        told => told.map_err(|error| error.at("window", inside)),
    }
}

/// Whether an answer that begins with `first` would set the first day of the data, or move it to a later day.
pub(super) async fn is_news(run: &JobRun<'_>, window: Window, first: NaiveDate) -> bool {
    let known = run.store.lock().await.ledger.first_day;
    run.job.source.grain().slot_of(window.start()) < first && known.is_none_or(|known| known < first)
}

/// The days of `window` whose totals are complete.
pub(super) fn whole(run: &JobRun<'_>, window: Window, found: &Totals) -> BTreeSet<NaiveDate> {
    let periods = if run.job.source.grain() == Grain::Hourly { 24 } else { 1 };
    let told = found.0.iter().filter(|(slot, totals)| window.contains(**slot) && totals.periods >= periods);
    told.map(|(slot, _)| *slot).collect()
}

/// Learns the first day of the data from the totals of `window`, and removes the days before it from a plan.
pub(super) async fn of_totals(run: &JobRun<'_>, window: Window, found: &Totals, planned: &mut Plan) -> Result<()> {
    let told = whole(run, window, found);
    let asked = run.job.source.grain().slots(window);
    let absent: BTreeSet<NaiveDate> = asked.take_while(|slot| !told.contains(slot)).collect();
    let mut store = run.store.lock().await;
    let first = first_day(&store.ledger, &absent, told.first().copied())?;
    store.note_first_day(first);
    let Some(first) = first else { return Ok(()) };
    let is_before = |slot: &NaiveDate| *slot < first && !told.contains(slot);
    store.ledger.failed.retain(|slot, _| !absent.contains(slot));
    let later = |fetch: &Fetch| {
        let slots: Vec<NaiveDate> = fetch.slots.iter().filter(|slot| !is_before(slot)).copied().collect();
        (!slots.is_empty()).then(|| fetch_of(run.job, &store.ledger, fetch.partition, &slots))
    };
    if planned.fetches.iter().any(|fetch| fetch.slots.iter().any(is_before)) {
        planned.notes.push(format!("the API has no data before {first}: the days before it are left out"));
        planned.fetches = planned.fetches.iter().filter_map(later).collect();
    }
    Ok(())
}

/// Refuses rows that lack a requested period.
pub(super) fn check_rows(fetched: &Fetched) -> Result<()> {
    match (fetched.absent.first(), fetched.partial) {
        (Some(slot), _) => Err(refused(slot)),
        (None, Some(slot)) => Err(refused(format_args!("{slot}T00:00:00Z"))),
        (None, None) => Ok(()),
    }
}

/// The first day with data, after an answer that lacks the days in `absent` and whose earliest day is `first`.
fn first_day(ledger: &Ledger, absent: &BTreeSet<NaiveDate>, first: Option<NaiveDate>) -> Result<Option<NaiveDate>> {
    let known = ledger.first_day;
    let Some(last) = absent.last() else { return Ok(known.map(|known| first.map_or(known, |first| first.min(known)))) };
    let lost = || refused(absent.first().unwrap_or(last));
    match first {
        _ if ledger.oldest_day().is_some_and(|oldest| oldest <= *last) => Err(lost()),
        None if known.is_some_and(|known| *last < known) => Ok(known),
        None => Err(lost().advise(
            "if the account is younger than this, let window.begin of the job begin with its first day; else run again",
        )),
        Some(first) => Ok(Some(known.map_or(first, |known| known.min(first)))),
    }
}

/// The error of an answer that lacks a required period.
pub(super) fn refused(slot: impl fmt::Display) -> Error {
    Error::new(Kind::BadAnswer, format!("the answer has no period for {slot}, which was asked for"))
}
