//! Sets rows aside that a user has to review; [`crate::quarantine`] describes when.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use chrono::NaiveDate;
use tracing::warn;

use crate::error::{Error, Kind, Result};
use crate::generation::{DayFacts, FetchedDays, rows_by_slot};
use crate::lake::Lake;
use crate::ledger::{Ledger, Moves, Quarantined};
use crate::ledger_store::{Observed, data_key};
use crate::quarantine::{Flaws, Known, Verdict, judge, needs_rows};
use crate::sources::Review;
use crate::unit::Unit;
use crate::window::{Partition, first_of_month};

use super::control_sums::Compared;
use super::{JobRun, refused};

/// Reasons that are listed; further ones are counted.
const SHOWN: usize = 3;

impl<'a> Flaws<'a> {
    fn of(read: &'a Compared) -> Self {
        Self { doubtful: &read.doubtful, incomplete: &read.incomplete }
    }
}

/// Slots that were set aside, and the baseline counts of the others.
#[derive(Debug, Default)]
pub(super) struct SetAside {
    pub(super) held: BTreeMap<NaiveDate, Quarantined>,
    /// Changes of the baselines for rows that are about to be committed.
    moves: Moves,
}

impl SetAside {
    /// Reverts these changes, if the rows were not committed.
    pub(super) async fn undo(&self, run: &JobRun<'_>) {
        run.store.lock().await.ledger.take_back(&self.moves);
    }
}

/// Removes from a fetch the slots that must not replace the known `days` before a user accepts them; the old rows are
/// in the `observed` object, if it is the committed one.
pub(super) async fn set_aside(
    run: &JobRun<'_>,
    partition: Partition,
    days: &BTreeMap<NaiveDate, DayFacts>,
    observed: Option<&Observed>,
    read: &mut Compared,
) -> Result<SetAside> {
    for slot in read.incomplete.keys().filter(|slot| days.get(slot).is_some_and(|known| known.rows > 0)) {
        read.days.remove(slot);
        read.slots.remove(slot);
    }
    let (mut rows, earlier) = rows_before(run, partition, observed, days, &read.days).await?;
    let mut store = run.store.lock().await;
    let earlier = earlier.as_ref().map(|(slot, rows)| (*slot, rows));
    let known = Known { ledger: &store.ledger, days, rows: &rows, earlier };
    let Verdict { held: reasons, baselines, moves } =
        judge(run.job, known, &read.days, Flaws::of(read), &run.accepted, run.now())?;
    store.ledger.baselines.extend(baselines);
    if rows.is_empty() && observed.is_some() && !reasons.is_empty() {
        // Only to show them beside the refused ones: what cannot be read is not shown.
        rows = rows_of(&run.context.lake, run, partition, observed).await.unwrap_or_default();
    }
    let mut held = BTreeMap::new();
    for (slot, why) in reasons {
        let old = rows.get(&slot).filter(|_| days.contains_key(&slot));
        let is_unread = old.is_none() && days.get(&slot).is_some_and(|facts| facts.rows > 0);
        let new = read.days.get(&slot).map(|(rows, _)| rows).filter(|_| !is_unread);
        let figures = new.and_then(|new| refused::figures(run.job, slot, old, new));
        held.insert(slot, Quarantined { figures, ..refused(run, &store.ledger, read, slot, why) });
    }
    if run.job.entry.rules.snapshot {
        // A past day cannot be requested again: only today's state can be accepted.
        store.ledger.quarantined.clear();
    }
    Ok(SetAside { held, moves })
}

/// Removes one slot from the fetch.
fn refused(run: &JobRun<'_>, ledger: &Ledger, read: &mut Compared, slot: NaiveDate, why: String) -> Quarantined {
    warn!(%slot, why, "quarantined");
    let facts = read.days.remove(&slot).map(|(_, facts)| facts);
    read.slots.remove(&slot);
    let since = ledger.quarantined.get(&slot).map_or_else(|| run.now(), |known| known.since);
    let totals = read.totals.remove(&slot).unwrap_or_default();
    let estimated = facts.as_ref().is_some_and(|facts| facts.estimated);
    let currency = facts.and_then(|facts| facts.currency);
    Quarantined { at: run.now(), since, why, totals, currency, estimated, figures: None }
}

/// The known facts of the days of a partition: from the ledger, and for other days from the object's footer.
pub(super) async fn known_days(
    run: &JobRun<'_>,
    partition: Partition,
    seen: &Observed,
) -> BTreeMap<NaiveDate, DayFacts> {
    let mut days = seen.footer.days.clone();
    let store = run.store.lock().await;
    if let Some(state) = store.ledger.partitions.get(&partition.to_string()) {
        days.extend(state.days.iter().map(|(slot, day)| (*slot, day.facts.clone())));
    }
    days
}

/// The rows in the lake, by day: those of the partition, and if it has none before its new days, those of the nearest
/// day of another partition.
type Before = (BTreeMap<NaiveDate, RecordBatch>, Option<(NaiveDate, RecordBatch)>);

async fn rows_before(
    run: &JobRun<'_>,
    partition: Partition,
    observed: Option<&Observed>,
    days: &BTreeMap<NaiveDate, DayFacts>,
    fetched: &FetchedDays,
) -> Result<Before> {
    let lake = &run.context.lake;
    let wanted = {
        let store = run.store.lock().await;
        let rows = BTreeMap::new();
        let known = Known { ledger: &store.ledger, days, rows: &rows, earlier: None };
        needs_rows(run.job, known, fetched, &run.accepted, run.now())
    };
    if !wanted {
        return Ok(Before::default());
    }
    let rows = match observed {
        Some(_) => rows_of(lake, run, partition, observed).await?,
        None => BTreeMap::new(),
    };
    let first = fetched.keys().find(|slot| !days.contains_key(slot)).copied();
    let first = first.filter(|first| !rows.range(..*first).any(|(_, rows)| rows.num_rows() > 0));
    let elsewhere = match first.filter(|_| run.job.entry.rules.review != Review::FinalMonths) {
        Some(first) => nearest_elsewhere(&run.store.lock().await.ledger, run, partition, first),
        None => None,
    };
    let Some((slot, other)) = elsewhere else { return Ok((rows, None)) };
    let found = rows_of(lake, run, other, None).await?.remove(&slot).map(|rows| (slot, rows));
    Ok((rows, found))
}

/// The nearest day with rows in another partition than that of `slot`: the last one before, else the first one after.
fn nearest_elsewhere(
    ledger: &Ledger,
    run: &JobRun<'_>,
    own: Partition,
    slot: NaiveDate,
) -> Option<(NaiveDate, Partition)> {
    let grain = run.job.source.grain();
    let others = ledger.partitions.iter().filter(|(name, _)| **name != own.to_string());
    let days = || others.clone().flat_map(|(_, state)| &state.days).filter(|(_, day)| day.facts.rows > 0);
    let before = days().map(|(day, _)| *day).filter(|day| *day < slot).max();
    let found = before.or_else(|| days().map(|(day, _)| *day).filter(|day| *day > slot).min())?;
    Some((found, grain.partition_of(found)))
}

/// The rows of a partition's object (of the one that was `seen`, if given); none if they cannot be read.
async fn rows_of(
    lake: &Lake,
    run: &JobRun<'_>,
    partition: Partition,
    seen: Option<&Observed>,
) -> Result<BTreeMap<NaiveDate, RecordBatch>> {
    let key = data_key(&run.job.unit, partition);
    let object = lake.read(&key, seen.map(|seen| &seen.tag)).await?;
    let Some(object) = object else { return Ok(BTreeMap::new()) };
    let (table, grain) = (run.job.source.table().clone(), run.job.source.grain());
    let work = move || rows_by_slot(&table, grain, object.bytes).unwrap_or_default();
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(Kind::Internal, "reading the old rows broke off").because(error))
}

/// The error of rows that were set aside.
pub(super) fn error(unit: &Unit, held: &BTreeMap<NaiveDate, Quarantined>) -> Error {
    let mut reasons: Vec<(&str, Vec<NaiveDate>)> = Vec::new();
    for (slot, quarantined) in held {
        match reasons.iter_mut().find(|(why, _)| *why == quarantined.why) {
            Some((_, slots)) => slots.push(*slot),
            None => reasons.push((&quarantined.why, vec![*slot])),
        }
    }
    let shown: Vec<String> =
        reasons.iter().take(SHOWN).map(|(why, slots)| format!("{}: {why}", named(slots))).collect();
    let more =
        if reasons.len() > SHOWN { format!("; and {} more reasons", reasons.len() - SHOWN) } else { String::new() };
    let mut months: Vec<String> = held.keys().map(|slot| first_of_month(*slot).format("%Y-%m").to_string()).collect();
    months.dedup();
    let accept: Vec<String> = months.iter().map(|month| format!("--accept {}:{month}", unit.table)).collect();
    Error::new(Kind::Quarantined, format!("quarantined, the old rows stay: {}{more}", shown.join("; "))).advise(
        format!(
            "look at the bill; if the new figures are right, take them with `costlake run {} {}`",
            unit.as_argument(),
            accept.join(" ")
        ),
    )
}

fn named(slots: &[NaiveDate]) -> String {
    match slots {
        [one] => one.to_string(),
        [first, .., last] => format!("{} days from {first} to {last}", slots.len()),
        [] => String::new(),
    }
}

/// The error of a table with rows that earlier runs set aside and no one has accepted, if there are any.
pub(super) fn standing(unit: &Unit, ledger: &Ledger) -> Option<Error> {
    (!ledger.quarantined.is_empty()).then(|| error(unit, &ledger.quarantined))
}
