//! Control sums: the rows of a day are committed only if they add up to the API's totals, in the same currency.
//!
//! ```text
//!  rows read ─► add up? ── yes ─► commit
//!                 │ no
//!                 ▼
//!        request totals once more (the data may have changed between the two calls) ─► add up? ── yes ─► commit
//!                 │ no
//!                 ▼
//!        wait 2 s, then 10 s, reading the fetch again each time ─► still no: the days that agree are committed,
//!                                                                  the others keep their old rows: unsettled
//! ```
//! Days that have not added up for three nights are read once a night from then on, without these retries.
//! If rows and totals are in different currencies, one of the two is mislabelled: whatever `window.control` says, such
//! an answer cannot be trusted, and the fetch fails after the last retry.
//!
//! Metrics that are only reported, such as usage quantity, do not block a commit. If such a total has changed since the
//! rows were read, or the month is still open, the rows may lag behind it: the day stays due, once per UTC day, and is
//! shown as differing after three such days.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use tracing::warn;

use crate::error::{Error, Kind, Result};
use crate::generation::{self, FetchedDays};
use crate::job::Control;
use crate::ledger::{DayState, Differing};
use crate::plan::{Fetch, has_long_been_off, settles_on};
use crate::report::FetchReport;
use crate::sources::{ApiTotals, Fetched};
use crate::sums::Sums;
use crate::totals::{Difference, Totals, differences};
use crate::unmatched;
use crate::window::Window;

use super::JobRun;
use super::archive::PendingAnswer;
use super::budget::Meter;
use super::retry::unless_cancelled;
use super::{beginning, paginate, totals};

/// Multiples of the first wait before the fetch is read again.
const WAITS: [u32; 2] = [2, 10];
/// Differences that are listed; further ones are counted.
const SHOWN: usize = 3;

/// The rows of a fetch that may be committed, and the slots that may not.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) days: FetchedDays,
    /// Slots that were read and agree.
    pub(super) slots: BTreeSet<NaiveDate>,
    /// The API's totals of these slots.
    pub(super) totals: BTreeMap<NaiveDate, Sums>,
    /// Slots that do not agree, and how far off they are.
    pub(super) unsettled: BTreeMap<NaiveDate, String>,
    /// Slots for which the answer contradicts itself.
    pub(super) doubtful: BTreeMap<NaiveDate, String>,
    /// Slots whose rows lack what the API could not tell, and what that is.
    pub(super) incomplete: BTreeMap<NaiveDate, Vec<String>>,
    /// Slots that differ only in metrics that are only reported, where another read may help.
    pub(super) differing: BTreeMap<NaiveDate, Differing>,
    /// What the job requests, and whether the rows have any of it.
    pub(super) found: BTreeMap<String, bool>,
    pub(super) sizes: Sizes,
    pub(super) answers: Vec<PendingAnswer>,
}

/// The rows of a fetch, on its longest page, and on its longest page that a list went on after.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sizes {
    pub(super) rows: u64,
    pub(super) page_rows: u64,
    pub(super) full_page: u64,
}

/// Reads a fetch until its rows add up or the retries are used up.
pub(super) async fn read(
    run: &JobRun<'_>,
    fetch: &Fetch,
    meter: &mut Meter<'_>,
    report: &mut FetchReport,
) -> Result<Compared> {
    if fetch.slots.is_empty() {
        return Ok(Compared::default());
    }
    let source = &run.job.source;
    let mut waits = WAITS.iter();
    loop {
        let (fetched, answers) = paginate::of_fetch(run, fetch, meter, report).await?;
        beginning::check_rows(&fetched)?;
        let days = generation::describe(source.table(), source.grain(), &fetched, &source.read_for())?;
        let mut off = enforced(run, &days).await;
        let is_patient = may_add_up(run, &off).await;
        if is_patient {
            ask_again(run, &off, meter).await?;
            off = enforced(run, &days).await;
        }
        let wait = match (off.is_empty(), is_patient, waits.next()) {
            (false, true, Some(wait)) => run.context.retries.first_wait.saturating_mul(*wait),
            _ => return conclude(run, fetch, days, &fetched, answers, &off, report).await,
        };
        warn!(
            days = off.len(),
            wait_ms = wait.as_millis(),
            "the rows do not add up to the API's totals; reading again"
        );
        unless_cancelled(&run.context.cancel, tokio::time::sleep(wait)).await?;
    }
}

/// Whether a retry is worthwhile: days that have not added up for several nights are read only once per night.
async fn may_add_up(run: &JobRun<'_>, off: &[Difference]) -> bool {
    let ledger = &run.store.lock().await.ledger;
    off.iter().any(|off| !has_long_been_off(ledger, off.slot))
}

/// Differences in the columns that must add up, and in the currency whatever `window.control` is.
async fn enforced(run: &JobRun<'_>, days: &FetchedDays) -> Vec<Difference> {
    let enforce = run.job.window.control == Control::Enforce;
    let controlled =
        if enforce { run.job.source.totals().map(ApiTotals::enforced).unwrap_or_default() } else { Vec::new() };
    let is_enforced = |off: &Difference| off.is_of_currency() || controlled.contains(&off.column.as_str());
    all_differences(run, days).await.into_iter().filter(is_enforced).collect()
}

async fn all_differences(run: &JobRun<'_>, days: &FetchedDays) -> Vec<Difference> {
    let known = run.totals.lock().await;
    let Some(known) = known.as_ref() else { return Vec::new() };
    let of_day = |(slot, (_, facts)): (&NaiveDate, &(_, generation::DayFacts))| {
        known.0.get(slot).map(|totals| differences(*slot, facts, totals)).unwrap_or_default()
    };
    days.iter().flat_map(of_day).collect()
}

/// Requests the totals of the days that do not add up once more.
async fn ask_again(run: &JobRun<'_>, off: &[Difference], meter: &mut Meter<'_>) -> Result<()> {
    let grain = run.job.source.grain();
    let slots: BTreeSet<NaiveDate> = off.iter().map(|off| off.slot).collect();
    let (Some(first), Some(last)) = (slots.first(), slots.last()) else { return Ok(()) };
    let Some(window) = Window::new(*first, grain.slot_window(*last).end()) else { return Ok(()) };
    let metrics = totals::metrics_of(run.job);
    let newer = totals::ask(run, &metrics, window, meter).await?;
    let lost = newer.iter().find_map(|newer| slots.iter().find(|slot| !newer.0.contains_key(slot)));
    if let Some(slot) = lost {
        return Err(beginning::refused(slot));
    }
    if let (Some(known), Some(newer)) = (run.totals.lock().await.as_mut(), newer) {
        Arc::make_mut(known).update(newer);
    }
    Ok(())
}

async fn conclude(
    run: &JobRun<'_>,
    fetch: &Fetch,
    mut days: FetchedDays,
    fetched: &Fetched,
    answers: Vec<PendingAnswer>,
    off: &[Difference],
    report: &mut FetchReport,
) -> Result<Compared> {
    if let Some(currency) = off.iter().find(|off| off.is_of_currency()) {
        return Err(Error::new(Kind::BadAnswer, currency.to_string()));
    }
    let reported: Vec<Difference> =
        all_differences(run, &days).await.into_iter().filter(|d| !off.contains(d)).collect();
    report.notes.extend(reported.iter().take(SHOWN).map(ToString::to_string));
    if reported.len() > SHOWN {
        report.notes.push(format!("and {} more differences from the API's totals", reported.len() - SHOWN));
    }
    let mut unsettled = BTreeMap::new();
    for difference in off {
        days.remove(&difference.slot);
        unsettled.entry(difference.slot).or_insert_with(|| difference.to_string());
    }
    let differing = differing(run, fetch, reported.iter().filter(|off| days.contains_key(&off.slot))).await;
    let known = run.totals.lock().await;
    let source = &run.job.source;
    // Rows without grouping are the totals: the next probe compares with their sums.
    let totals_of = |slot: &NaiveDate, facts: &generation::DayFacts| match known.as_ref() {
        _ if source.totals().is_some_and(ApiTotals::are_the_rows) => Some(facts.sums.clone()),
        known => known.and_then(|known| known.narrowed(source.table(), *slot)).map(|totals| totals.sums),
    };
    let totals: BTreeMap<_, _> =
        days.iter().filter_map(|(slot, (_, facts))| Some((*slot, totals_of(slot, facts)?))).collect();
    for (slot, (_, facts)) in &mut days {
        facts.totals = totals.get(slot).cloned().unwrap_or_default();
    }
    report.notes.extend(currency_note(run, known.as_deref(), &days).await);
    let slots = fetched.slots.iter().filter(|slot| !unsettled.contains_key(slot)).copied().collect();
    let rows = fetched.rows.num_rows() as u64;
    let sizes = Sizes { rows, page_rows: fetched.page_rows, full_page: fetched.full_page };
    let found = unmatched::found(source.as_ref(), &fetched.rows);
    let (doubtful, incomplete) = (fetched.doubtful.clone(), fetched.incomplete.clone());
    Ok(Compared { days, slots, totals, unsettled, doubtful, incomplete, differing, found, sizes, answers })
}

/// The note of days at which the currency of the bill changes, within the fetch or from the day before it.
async fn currency_note(run: &JobRun<'_>, totals: Option<&Totals>, days: &FetchedDays) -> Option<String> {
    let mut told: BTreeMap<NaiveDate, String> = BTreeMap::new();
    let first = *days.keys().next()?;
    let store = run.store.lock().await;
    let states = store.ledger.partitions.values().flat_map(|state| &state.days);
    let known = states.filter_map(|(slot, day)| Some((*slot, day.facts.currency.clone()?)));
    let asked = totals.into_iter().flat_map(|totals| &totals.0);
    let asked = asked.filter_map(|(slot, totals)| Some((*slot, totals.currency.clone()?)));
    told.extend(known.chain(asked).filter(|(slot, _)| *slot < first).max_by_key(|(slot, _)| *slot));
    told.extend(days.iter().filter_map(|(slot, (_, facts))| Some((*slot, facts.currency.clone()?))));
    let turns: Vec<String> = told
        .iter()
        .zip(told.iter().skip(1))
        .filter(|((_, before), (_, after))| before != after)
        .map(|((_, before), (slot, after))| format!("from {before} to {after} on {slot}"))
        .collect();
    let shown = turns.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    (!turns.is_empty())
        .then(|| format!("the bill changes its currency {shown}: amounts of two currencies never add up"))
}

/// Slots that stay due because of differences in metrics that are only reported: those whose total has changed since
/// their rows were read, those whose month has not settled, and those that stayed due before. Settled days that are
/// read for the first time are not read again.
async fn differing(
    run: &JobRun<'_>,
    fetch: &Fetch,
    reported: impl Iterator<Item = &Difference>,
) -> BTreeMap<NaiveDate, Differing> {
    let ledger = &run.store.lock().await.ledger;
    let (now, partition) = (run.now(), fetch.partition.to_string());
    let mut found: BTreeMap<NaiveDate, Differing> = BTreeMap::new();
    for off in reported {
        let moved = ledger.day(&partition, off.slot).is_some_and(|day| has_moved(day, off));
        let before = ledger.differing.get(&off.slot);
        let is_open = now.date_naive() <= settles_on(run.job, off.slot);
        let fresh = Differing { at: now, since: now, tries: 0, why: off.to_string() };
        let entry = match before {
            Some(before) if !moved => {
                let is_another_day = before.at.date_naive() != now.date_naive();
                Differing { since: before.since, tries: before.tries + u32::from(is_another_day), ..fresh }
            }
            None if !moved && !is_open => continue,
            _ => fresh,
        };
        // Of several metrics, the one with the fewest tries so far counts.
        let known = found.entry(off.slot).or_insert_with(|| entry.clone());
        known.tries = known.tries.min(entry.tries);
    }
    found
}

/// Whether the API's total of a metric has changed since the day's rows were read.
fn has_moved(day: &DayState, off: &Difference) -> bool {
    day.facts.totals.get(&off.column).is_some_and(|before| before != off.total)
}

/// The error of days whose rows lack something.
pub(super) fn incomplete_error(incomplete: &BTreeMap<NaiveDate, Vec<String>>, are_taken: bool) -> Error {
    let all: Vec<&str> = incomplete.values().flatten().map(String::as_str).collect();
    let more = if all.len() > SHOWN { format!("; and {} more", all.len() - SHOWN) } else { String::new() };
    let rows = if are_taken { "the other rows of the day are taken" } else { "the day keeps its rows" };
    Error::new(Kind::BadAnswer, format!("{}{more}", all[..all.len().min(SHOWN)].join("; ")))
        .advise(format!("{rows}; run again: if it stays, look at what is named here in the API's own pages"))
}

/// The error of days that did not add up.
pub(super) fn unsettled_error(unsettled: &BTreeMap<NaiveDate, String>) -> Error {
    let shown: Vec<&str> = unsettled.values().take(SHOWN).map(String::as_str).collect();
    let more =
        if unsettled.len() > SHOWN { format!("; and {} more days", unsettled.len() - SHOWN) } else { String::new() };
    Error::new(Kind::Unsettled, format!("{}{more}", shown.join("; "))).advise(
        "these days keep their old rows and are read again by the next run; if it stays, the API disagrees with itself: window.control = \"report\" takes its rows as they are",
    )
}

#[cfg(test)]
mod tests {
    use super::{SHOWN, unsettled_error};
    use chrono::{Days, NaiveDate};

    #[test]
    fn so_many_days_are_named_and_the_others_counted() {
        for (count, more) in
            [(1, None), (SHOWN, None), (SHOWN + 1, Some("; and 1 more days")), (SHOWN + 5, Some("; and 5 more days"))]
        {
            let day = |number: usize| NaiveDate::default() + Days::new(number as u64);
            let days = (0..count).map(|number| (day(number), format!("day {number}"))).collect();
            let message = unsettled_error(&days).message().to_owned();
            assert_eq!(message.matches("day ").count(), count.min(SHOWN), "{message}");
            assert_eq!(
                message.split_once("; and").map(|(_, rest)| format!("; and{rest}")).as_deref(),
                more,
                "{message}"
            );
        }
    }
}
