//! Where the data of an account begin. An account that is younger than a table's `begin` gets answers without its first
//! periods: the first day with data is learnt, and the days before it are out of reach.
//!
//! | an answer leaves out its first periods, and | then |
//! |---|---|
//! | nothing is known of these days, nor of any before them | the data begin with the first period that is there, if a second answer leaves out as much |
//! | the ledger or the API's totals have one of them | the answer is not to be trusted, and is refused |
//! | it has no period at all | these days are out of reach once another answer shows a later first day; until then it is refused |
//! | it is refused, because the API has no data of its first days | they are looked for by halves; a table with days is left alone |
//!
//! Hours that are left out at the beginning of the first day have to be left out of its totals, too. Periods that are left
//! out anywhere else are refused by the reader. An answer with earlier days moves the first day back.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::NaiveDate;

use crate::error::{Error, Kind, Result};
use crate::ledger::Ledger;
use crate::plan::{Fetch, Plan, fetch_of};
use crate::report::{FetchReport, JobReport, Outcome};
use crate::sources::Fetched;
use crate::totals::Totals;
use crate::window::Window;

use super::JobRun;
use super::totals;

/// The totals of the part of `window` that the API has data of, where it refuses the whole because it has none of its
/// first days: by halves, in some ten questions, of which the refusal that counts is heard twice. Whoever has no data at
/// all, not of the newest day either, gets the `error` back after one question more.
pub(super) async fn search(
    run: &JobRun<'_>,
    window: Window,
    error: Error,
    report: &mut JobReport,
) -> Result<(Window, Option<Arc<Totals>>)> {
    let slots: Vec<NaiveDate> = run.job.source.grain().slots(window).collect();
    let is_known = run.books.lock().await.ledger.partitions.values().any(|state| !state.days.is_empty());
    if !error.is_of_no_data() || is_known || slots.len() < 2 {
        return Err(error);
    }
    let (mut refused, mut begun) = (0, slots.len() - 1);
    let Some(mut found) = from(run, window, slots[begun], report).await? else { return Err(error) };
    while begun - refused > 1 {
        let middle = refused.midpoint(begun);
        match from(run, window, slots[middle], report).await? {
            Some(more) => (begun, found) = (middle, more),
            None => refused = middle,
        }
    }
    if let Some(more) = from(run, window, slots[refused], report).await? {
        (begun, found) = (refused, more);
    }
    run.books.lock().await.ledger.first_day = Some(slots[begun]);
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
    let mut allowance = run.budget.reserve(1);
    let metrics = run.job.source.metrics();
    match totals::ask(run, &metrics, inside, &mut allowance, &mut report.totals_asked).await {
        Err(error) if error.is_of_no_data() => Ok(None),
        told => told.map_err(|error| error.at("window", inside)),
    }
}

/// Whether an answer whose first day is `first` would move the first day of the data to a later one than is known.
pub(super) async fn is_news(run: &JobRun<'_>, window: Window, first: NaiveDate) -> bool {
    let known = run.books.lock().await.ledger.first_day;
    run.job.source.grain().slot_of(window.start()) < first && known.is_none_or(|known| known < first)
}

/// Learns from the totals of `window`, and takes the days before the first one out of a plan.
pub(super) async fn of_totals(run: &JobRun<'_>, window: Window, found: &Totals, planned: &mut Plan) -> Result<()> {
    let told = found.0.keys().copied().filter(|slot| window.contains(*slot));
    let told: BTreeSet<NaiveDate> = told.collect();
    let asked = run.job.source.grain().slots(window);
    let absent: BTreeSet<NaiveDate> = asked.take_while(|slot| !told.contains(slot)).collect();
    let mut books = run.books.lock().await;
    learn(&mut books.ledger, &absent, told.first().copied())?;
    let Some(first) = books.ledger.first_day else { return Ok(()) };
    let is_before = |slot: &NaiveDate| *slot < first && !found.0.contains_key(slot);
    let later = |fetch: &Fetch| {
        let slots: Vec<NaiveDate> = fetch.slots.iter().filter(|slot| !is_before(slot)).copied().collect();
        (!slots.is_empty()).then(|| fetch_of(run.job, &books.ledger, fetch.partition, &slots))
    };
    if planned.fetches.iter().any(|fetch| fetch.slots.iter().any(is_before)) {
        planned.notes.push(format!("the API has no data before {first}: the days before it are left out"));
        planned.fetches = planned.fetches.iter().filter_map(later).collect();
    }
    Ok(())
}

/// Learns from the rows of a fetch; its totals, where there are any, have to agree.
pub(super) async fn of_fetch(run: &JobRun<'_>, planned: &Fetch, fetched: &Fetched) -> Result<()> {
    let told = run.totals.lock().await.clone();
    let of_total = fetched.absent.iter().find(|slot| told.as_ref().is_some_and(|told| told.0.contains_key(slot)));
    if let Some(slot) = of_total {
        return Err(refused(*slot));
    }
    // Of a day without its first hours the totals have to have as many.
    if let Some((slot, periods)) = fetched.partial {
        let told = told.as_ref().and_then(|told| told.0.get(&slot));
        if told.is_none_or(|told| told.periods != periods) {
            return Err(refused(format_args!("{slot}T00:00:00Z")));
        }
    }
    let mut books = run.books.lock().await;
    let learnt = learn(&mut books.ledger, &fetched.absent, fetched.slots.first().copied());
    if learnt.is_err() && fetched.slots.is_empty() {
        run.absent.lock().await.insert(planned.partition.to_string(), planned.slots.clone());
    }
    learnt
}

/// Takes back the failures of fetches that had no period at all, where another one has shown that the data begin later.
pub(super) async fn settle(run: &JobRun<'_>, reports: &mut [FetchReport]) {
    let absent = run.absent.lock().await;
    let mut books = run.books.lock().await;
    let Some(first) = books.ledger.first_day else { return };
    for report in reports.iter_mut() {
        let Some(slots) = absent.get(&report.partition).filter(|slots| slots.iter().all(|slot| *slot < first)) else {
            continue;
        };
        books.ledger.failed.retain(|slot, _| !slots.contains(slot));
        report.failure = None;
        report.outcome = Outcome::Unchanged;
        report.notes.push(format!("the API has no data before {first}: these days are out of reach"));
    }
}

/// Takes over that the days in `absent` were left out of an answer whose first day is `first`.
fn learn(ledger: &mut Ledger, absent: &BTreeSet<NaiveDate>, first: Option<NaiveDate>) -> Result<()> {
    let known = ledger.first_day;
    let Some(last) = absent.last() else {
        ledger.first_day = known.map(|known| first.map_or(known, |first| first.min(known)));
        return Ok(());
    };
    let days = ledger.partitions.values().flat_map(|state| state.days.keys());
    let is_older = days.min().is_some_and(|oldest| oldest <= last);
    let is_before = known.is_some_and(|known| *last < known);
    match first {
        _ if is_older => Err(refused(*absent.first().unwrap_or(last))),
        None if is_before => Ok(()),
        None => Err(refused(*absent.first().unwrap_or(last)).advise(
            "if the account is younger than this, let window.begin of the job begin with its first day; else run again",
        )),
        Some(first) => {
            ledger.first_day = Some(known.map_or(first, |known| known.min(first)));
            Ok(())
        }
    }
}

/// The error of an answer without a period that has to be there.
pub(super) fn refused(slot: impl fmt::Display) -> Error {
    Error::new(Kind::BadAnswer, format!("the answer has no period for {slot}, which was asked for"))
}
