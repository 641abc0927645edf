//! Restores a partition whose object is not the committed one: from the days that were read again, and for the others
//! from any place that holds exactly the rows that the ledger knows.
//!
//! | of a day that was not read again | taken from |
//! |---|---|
//! | the object in place holds the committed rows | there |
//! | a kept generation, or a copy of a displaced object, holds them | there |
//! | stored raw responses yield them | there |
//! | none of these | the object in place, if it has the day: the rows stay, and stay displaced |
//!
//! The base of the new generation is what the ledger knows and not the object in place, so that its footer describes
//! the change from the committed rows, and the next run adopts it like any other if this run dies before it saves the
//! ledger.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::NaiveDate;

use crate::error::{Error, Kind, Result};
use crate::generation::{self, Base, DayFacts, FetchedDays, Footer, digest, footer, rows};
use crate::ledger_store::{Kept, Look, Observed, data_key, kept_generations, look_at};
use crate::window::Partition;

use super::JobRun;
use super::archive;
use super::replay::{Wanted, replay};

/// The days of a partition that were not read, and the base of the new generation.
pub(super) struct Restored {
    /// What the ledger knows of the days that the new generation has.
    pub(super) base: Base,
    /// Rows of days that were not read.
    pub(super) days: FetchedDays,
    /// Days whose rows are not the committed ones, or are missing.
    pub(super) left: BTreeSet<NaiveDate>,
    /// Which days were restored from where.
    pub(super) notes: Vec<String>,
}

impl Restored {
    /// Whether the committed rows of any day are restored.
    pub(super) fn any(&self) -> bool {
        self.days.keys().any(|slot| !self.left.contains(slot))
    }
}

/// Restores the days of `partition` that are not in `read`.
pub(super) async fn restore(
    run: &JobRun<'_>,
    partition: Partition,
    observed: Option<&Observed>,
    read: &FetchedDays,
) -> Result<Restored> {
    let committed = committed(run, partition).await;
    let mut wanted = committed.days.clone();
    wanted.extend(lost(run, partition).await);
    wanted.retain(|slot, _| !read.contains_key(slot));
    let mut notes = Vec::new();
    let mut days = FetchedDays::new();
    let in_place = match observed {
        Some(seen) if run.owner().is_former(&seen.footer) => BTreeMap::new(),
        Some(seen) => rows_of(run, &data_key(&run.job.unit, partition), seen).await?,
        None => BTreeMap::new(),
    };
    take(&mut days, &mut wanted, &in_place, "the object in place", &mut notes);
    from_history(run, partition, &mut days, &mut wanted, &mut notes).await?;
    from_answers(run, partition, &mut days, &mut wanted, &mut notes).await?;
    let mut left: BTreeSet<NaiveDate> = wanted.into_keys().collect();
    for (slot, found) in in_place {
        if !read.contains_key(&slot) && !days.contains_key(&slot) {
            days.insert(slot, found);
            left.insert(slot);
        }
    }
    let epoch = committed.epoch.max(observed.map_or(0, |seen| seen.footer.epoch));
    let known = committed.days.into_iter().filter(|(slot, _)| read.contains_key(slot) || days.contains_key(slot));
    let base = Base { footer: Footer { epoch, days: known.collect(), ..committed }, bytes: Bytes::new() };
    Ok(Restored { base, days, left, notes })
}

/// What the ledger knows of a partition, as the footer of the object that should be there.
pub(super) async fn committed(run: &JobRun<'_>, partition: Partition) -> Footer {
    let store = run.store.lock().await;
    let state = store.ledger.partitions.get(&partition.to_string());
    let days = state.into_iter().flat_map(|state| &state.days);
    Footer {
        format: footer::FORMAT,
        epoch: state.map_or(0, |state| state.epoch),
        fingerprint: run.meant.fingerprint().to_owned(),
        account: run.account.clone(),
        partition: partition.to_string(),
        days: days.map(|(slot, day)| (*slot, day.facts.clone())).collect(),
        replaced: BTreeMap::new(),
    }
}

/// The committed facts of days of a partition whose rows were replaced by others, or are missing.
async fn lost(run: &JobRun<'_>, partition: Partition) -> Vec<(NaiveDate, DayFacts)> {
    let store = run.store.lock().await;
    let of_partition = |slot: &NaiveDate| run.job.source.grain().partition_of(*slot) == partition;
    let lost = store.ledger.committed.iter().filter(|(slot, _)| of_partition(slot));
    lost.map(|(slot, facts)| (*slot, facts.clone())).collect()
}

/// Takes the days whose content is exactly the wanted one.
fn take(
    days: &mut FetchedDays,
    wanted: &mut BTreeMap<NaiveDate, DayFacts>,
    found: &BTreeMap<NaiveDate, (RecordBatch, DayFacts)>,
    from: &str,
    notes: &mut Vec<String>,
) {
    let same = |slot: &NaiveDate, facts: &DayFacts| wanted.get(slot).is_some_and(|known| known.same_content(facts));
    let taken: Vec<NaiveDate> =
        found.iter().filter(|(slot, (_, facts))| same(slot, facts)).map(|(slot, _)| *slot).collect();
    for slot in &taken {
        if let (Some(facts), Some((batch, _))) = (wanted.remove(slot), found.get(slot)) {
            days.insert(*slot, (batch.clone(), facts));
        }
    }
    if let (Some(first), Some(last)) = (taken.first(), taken.last()) {
        let days = match taken.len() {
            1 => format!("{first} is"),
            many => format!("{many} days from {first} to {last} are"),
        };
        notes.push(format!("{days} restored from {from}"));
    }
}

/// The rows of an object by day, each day checked against its digest in the footer; days that differ are left out.
async fn rows_of(run: &JobRun<'_>, key: &str, seen: &Observed) -> Result<BTreeMap<NaiveDate, (RecordBatch, DayFacts)>> {
    let object = run.context.lake.read(key, Some(&seen.tag)).await?;
    let object = object
        .ok_or_else(|| Error::new(Kind::Superseded, "the object was removed while it was read").at("key", key))?;
    let (source, footer) = (std::sync::Arc::clone(&run.job.source), seen.footer.clone());
    let work = move || {
        let table = source.table();
        let Ok(whole) = generation::decode(table, object.bytes) else { return BTreeMap::new() };
        let Ok(mut days) = rows::split_by_slot(table, source.grain(), &whole) else { return BTreeMap::new() };
        let mut sound = BTreeMap::new();
        for (slot, facts) in footer.days {
            let batch = days.remove(&slot).unwrap_or_else(|| whole.slice(0, 0));
            if digest::of_rows(table, &batch, &facts.read_for).is_ok_and(|found| found == facts.digest) {
                sound.insert(slot, (batch, facts));
            }
        }
        sound
    };
    // A decoder that panics on damaged bytes counts like one that returns an error.
    Ok(tokio::task::spawn_blocking(work).await.unwrap_or_default())
}

async fn from_history(
    run: &JobRun<'_>,
    partition: Partition,
    days: &mut FetchedDays,
    wanted: &mut BTreeMap<NaiveDate, DayFacts>,
    notes: &mut Vec<String>,
) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let lake = &run.context.lake;
    let kept = kept_generations(lake, &run.job.unit, run.job.source.grain()).await?;
    let of_partition = |kept: &Kept| kept.generation.is_some_and(|(of, _)| of == partition);
    for kept in kept.into_iter().filter(of_partition).rev() {
        let Look::Whole(seen) = look_at(lake, &kept.key).await? else { continue };
        let has_some = seen
            .footer
            .days
            .iter()
            .any(|(slot, facts)| wanted.get(slot).is_some_and(|known| known.same_content(facts)));
        if has_some && run.owner().check(&run.job.unit, partition, &seen.footer).is_ok() {
            take(days, wanted, &rows_of(run, &kept.key, &seen).await?, &kept.key, notes);
        }
    }
    Ok(())
}

async fn from_answers(
    run: &JobRun<'_>,
    partition: Partition,
    days: &mut FetchedDays,
    wanted: &mut BTreeMap<NaiveDate, DayFacts>,
    notes: &mut Vec<String>,
) -> Result<()> {
    if wanted.is_empty() || !run.job.keep_raw {
        return Ok(());
    }
    let files = run.context.lake.list(&format!("{}/{partition}", archive::folder(&run.job.unit))).await?;
    let known = wanted.clone();
    let of = Wanted { source: &run.job.source, partition, fingerprint: run.meant.fingerprint(), known: &known };
    let replayed = replay(&run.context.lake, &of, files).await?;
    take(days, wanted, &replayed.days, "kept raw answers", notes);
    Ok(())
}
