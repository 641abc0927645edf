//! The first step of a run: compares the lake with the ledger, so that no plan relies on an object that is not the
//! committed one.
//!
//! ```text
//!  listing ─► as in the ledger? ── yes ─► nothing is read
//!                 │ no: its footer
//!                 ├─► the same, or later ──► noted, or adopted
//!                 ├─► another one, or gone ─► copied to history ─► all its days are due
//!                 └─► not ours ────────────► refused: its partition fails, nothing is requested for it
//! ```

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use tracing::warn;

use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::lake::{Lake, Tag};
use crate::ledger::{Ledger, Noted};
use crate::ledger_store::{Compared, LedgerStore, Observed, Owner, data_key, displaced_key};
use crate::plan::{Fetch, is_reachable};
use crate::report::{FetchReport, JobReport, Outcome};
use crate::unit::Unit;
use crate::window::Partition;

use super::Context;

/// What was found at the beginning of a run.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Partitions whose object is not the committed one, with the tag of the object in its place, if any.
    pub(super) displaced: BTreeMap<Partition, Option<Tag>>,
    /// Those of them whose object is empty and has an earlier definition of the table.
    former: BTreeSet<Partition>,
    /// Partitions whose object must not be overwritten.
    pub(super) refused: BTreeMap<Partition, Error>,
    /// Partitions whose object could not be observed.
    unseen: BTreeMap<Partition, Error>,
}

/// Compares the lake with the ledger and records the result in the ledger.
pub(super) async fn compare(
    context: &Context,
    job: &Job,
    store: &mut LedgerStore,
    owner: Owner<'_>,
    report: &mut JobReport,
) -> Result<Found> {
    let mut found = Found::default();
    let now = context.clock.now();
    for (partition, compared) in store.compare(job.source.grain(), owner).await? {
        match compared {
            Compared::Sound(seen) => store.take_over(partition, &seen, now).await?,
            Compared::Gone => {
                let days = days_of(&store.ledger, partition, None);
                doubt(&mut store.ledger, days, now, "its object is gone from the lake");
                report.notes.push(told(job, partition, "is gone"));
                found.displaced.insert(partition, None);
            }
            Compared::Displaced(seen, why) => {
                keep_copy(context, job, partition, &seen).await?;
                let days = days_of(&store.ledger, partition, Some(&seen));
                doubt(&mut store.ledger, days, now, &format!("its object was replaced from outside: {why}"));
                report.notes.push(told(job, partition, &format!("was replaced from outside ({why}); a copy is kept")));
                found.displaced.insert(partition, Some(seen.tag));
            }
            Compared::Former(seen) => {
                let may_be_read = |day: &NaiveDate| is_reachable(job, *day, now);
                let days = days_of(&store.ledger, partition, Some(&seen)).into_iter().filter(may_be_read).collect();
                doubt(&mut store.ledger, days, now, "its object is empty, and of another definition of the table");
                found.displaced.insert(partition, Some(seen.tag));
                found.former.insert(partition);
            }
            Compared::Unseen(error) => {
                found.unseen.insert(partition, job.unit.names(error).at("partition", partition));
            }
            Compared::Refused(error) => {
                let days = days_of(&store.ledger, partition, None);
                doubt(&mut store.ledger, days, now, error.message());
                if store.is_rebuilt() {
                    // A rebuilt ledger has the partition from this very footer.
                    store.ledger.partitions.remove(&partition.to_string());
                }
                found.refused.insert(partition, job.unit.names(error).at("partition", partition));
            }
        }
    }
    report.objects_displaced = (found.displaced.len() + found.refused.len()) as u64;
    Ok(found)
}

fn told(job: &Job, partition: Partition, what: &str) -> String {
    let key = data_key(&job.unit, partition);
    warn!(key, "the object {what}");
    format!("{key} {what}: its days are read again")
}

/// The days of a partition in the ledger or in the object in its place.
fn days_of(ledger: &Ledger, partition: Partition, seen: Option<&Observed>) -> BTreeSet<NaiveDate> {
    let known = ledger.partitions.get(&partition.to_string()).into_iter().flat_map(|state| state.days.keys());
    known.chain(seen.into_iter().flat_map(|seen| seen.footer.days.keys())).copied().collect()
}

fn doubt(ledger: &mut Ledger, days: BTreeSet<NaiveDate>, at: DateTime<Utc>, why: &str) {
    ledger.doubted.extend(days.into_iter().map(|day| (day, Noted { at, why: why.to_owned() })));
}

/// Keeps a copy of an object that will be replaced although costlake did not commit it.
async fn keep_copy(context: &Context, job: &Job, partition: Partition, seen: &Observed) -> Result<()> {
    let key = data_key(&job.unit, partition);
    let object = context.lake.read(&key, Some(&seen.tag)).await?;
    let object = object
        .ok_or_else(|| Error::new(Kind::Superseded, "the object was removed while it was compared").at("key", &key))?;
    keep_bytes(&context.lake, &job.unit, partition, seen.footer.epoch, object.bytes).await
}

/// Keeps the bytes of such an object, whose footer has generation `epoch`.
pub(crate) async fn keep_bytes(lake: &Lake, unit: &Unit, partition: Partition, epoch: u64, bytes: Bytes) -> Result<()> {
    let copy = displaced_key(unit, partition, epoch, &bytes);
    if lake.create(&copy, bytes).await? {
        return Ok(());
    }
    Err(Error::new(Kind::Store, "another object stands where the copy of a replaced one is kept").at("key", copy))
}

impl Found {
    /// Removes the fetches of refused partitions from the plan; reports each refusal, and each object that could not be
    /// observed and that no planned fetch will observe again.
    pub(super) fn refuse(&self, planned: &mut Vec<Fetch>) -> Vec<FetchReport> {
        let of = |fetch: &Fetch| self.refused.contains_key(&fetch.partition);
        planned.retain(|fetch| !of(fetch));
        let is_planned = |partition: &Partition| planned.iter().any(|fetch| fetch.partition == *partition);
        let unseen = self.unseen.iter().filter(|(partition, _)| !is_planned(partition));
        let refusals = self.refused.iter().chain(unseen).map(|(partition, error)| FetchReport {
            failure: Some(error.into()),
            ..FetchReport::begin(partition.to_string(), Outcome::Failed)
        });
        refusals.collect()
    }

    /// Fetches without requests, for displaced partitions without a planned fetch: their days are restored if possible.
    pub(super) fn without_reads(&self, planned: &[Fetch]) -> Vec<Fetch> {
        let is_planned = |partition: &Partition| planned.iter().any(|fetch| fetch.partition == *partition);
        let bare = |partition: &Partition| Fetch {
            partition: *partition,
            slots: Vec::new(),
            windows: Vec::new(),
            expected_requests: 0,
        };
        let others = self.displaced.keys().filter(|partition| !is_planned(partition));
        others.filter(|partition| !self.former.contains(partition)).map(bare).collect()
    }
}

/// Notes of a plan on partitions whose object is not the committed one.
pub(super) fn notes(job: &Job, ledger: &Ledger) -> Vec<String> {
    let grain = job.source.grain();
    let doubted: BTreeMap<Partition, &str> =
        ledger.doubted.iter().map(|(slot, noted)| (grain.partition_of(*slot), noted.why.as_str())).collect();
    doubted.iter().map(|(partition, why)| format!("{partition} is read again whole: {why}")).collect()
}

/// The error of a partition of which nothing could be read again or restored.
pub(super) fn lost(unit: &Unit, partition: Partition, left: &BTreeSet<NaiveDate>, may_be_read: bool) -> Error {
    if may_be_read {
        let message = format!("the committed rows of {} are gone, and this run does not read them again", days(left));
        let error = Error::new(Kind::Displaced, message).at("key", data_key(unit, partition));
        return error.advise(format!("`costlake run {}` reads them again", unit.as_argument()));
    }
    let message = format!("the committed rows are gone, and {} can neither be read again nor restored", days(left));
    Error::new(Kind::Displaced, message).advise(advice(unit, left)).at("key", data_key(unit, partition))
}

fn days(slots: &BTreeSet<NaiveDate>) -> String {
    match (slots.first(), slots.last()) {
        (Some(first), Some(last)) if first != last => format!("{} days from {first} to {last}", slots.len()),
        (Some(day), _) => day.to_string(),
        _ => "no day".to_owned(),
    }
}

fn advice(unit: &Unit, slots: &BTreeSet<NaiveDate>) -> String {
    let months: BTreeSet<String> = slots.iter().map(|slot| slot.format("%Y-%m").to_string()).collect();
    let accept: Vec<String> = months.iter().map(|month| format!("--accept {}:{month}", unit.table)).collect();
    format!(
        "put the committed object back, or take what is there with `costlake run {} {}`",
        unit.as_argument(),
        accept.join(" ")
    )
}

/// The error of a table with rows that are not the committed ones and that only a user can accept or restore, if there
/// are any; `beyond` is true for days that cannot be read again.
pub(super) fn standing(unit: &Unit, ledger: &Ledger, beyond: impl Fn(&NaiveDate) -> bool) -> Option<Error> {
    let slots: BTreeSet<NaiveDate> =
        ledger.displaced.keys().chain(ledger.doubted.keys()).copied().filter(|slot| beyond(slot)).collect();
    let why = ledger.out_of_place(*slots.first()?).map(|noted| noted.why.as_str()).unwrap_or_default();
    let are = if slots.len() == 1 { "is" } else { "are" };
    let message = format!(
        "the rows of {} {are} not those that were committed, and the API no longer tells them: {why}",
        days(&slots)
    );
    Some(Error::new(Kind::Displaced, message).advise(advice(unit, &slots)))
}
