//! Generations: one committed state of a partition object, as bytes.
//!
//! ```text
//!   fetched rows ─ sort ─ unique? ─ split by day ─┐
//!                                                  ├─► days in order ─► Parquet + footer (epoch, digest per day, …)
//!   kept rows of the days that were not fetched ───┘
//! ```
//! The footer makes the object its own commit record: data and checkpoint cannot disagree. It holds no time and no
//! run id, so the same rows with the same epoch, replacing the same object, encode to the same bytes.
//!
//! A table may gain columns. Its objects get them when they are next written; in the days that are kept they are NULL,
//! and these days keep their digests ([`Table::digested`]).

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use chrono::NaiveDate;

use crate::error::{Error, Kind, Result};
use crate::sources::Fetched;
use crate::sums::Sums;
use crate::table::Table;
use crate::window::{Grain, Partition};

pub mod changes;
pub mod digest;
mod encode;
pub mod footer;
mod pages;
pub mod rows;
mod thrift;

pub use changes::Changes;
pub use encode::{align, decode, encode, scan};
pub use footer::{DayFacts, Footer, Replaced};

/// A generation ready to be published.
#[derive(Debug)]
pub struct Built {
    /// The object.
    pub bytes: Vec<u8>,
    /// Its footer.
    pub footer: Footer,
    /// Slots that are new or differ from the generation before.
    pub changed: Vec<NaiveDate>,
}

/// The generation that a fetch builds on: the one observed before it.
#[derive(Debug)]
pub struct Base {
    /// Its footer.
    pub footer: Footer,
    /// Its object; empty when its rows are known to be damaged.
    pub bytes: bytes::Bytes,
}

/// The owner of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Owned {
    /// Fingerprint of the table.
    pub fingerprint: String,
    /// AWS account of the table, if known.
    pub account: Option<String>,
}

/// Sorted rows and facts of the fetched slots, in day order.
pub type FetchedDays = BTreeMap<NaiveDate, (RecordBatch, DayFacts)>;

/// Sorts the rows of a fetch, checks that no row is duplicated and that each belongs to a fetched slot, and describes
/// every fetched slot, including those without rows.
///
/// # Errors
/// [`Kind::BadAnswer`] naming the duplicate row or the day that was not requested.
pub fn describe(
    table: &Table,
    grain: Grain,
    fetched: &Fetched,
    read_for: &std::collections::BTreeSet<String>,
) -> Result<FetchedDays> {
    let sorted = rows::sort(table, &fetched.rows)?;
    rows::check_unique(table, &sorted)?;
    let mut days = rows::split_by_slot(table, grain, &sorted)?;
    if let Some(day) = days.keys().find(|day| !fetched.slots.contains(day)) {
        return Err(Error::new(Kind::BadAnswer, format!("the answer has rows of {day}, which was not asked for")));
    }
    let empty = sorted.slice(0, 0);
    let mut described = BTreeMap::new();
    for slot in &fetched.slots {
        let batch = days.remove(slot).unwrap_or_else(|| empty.clone());
        let facts = DayFacts {
            rows: batch.num_rows() as u64,
            digest: digest::of_rows(table, &batch, read_for)?,
            sums: rows::sums(table, &batch, read_for)?,
            currency: fetched.currencies.get(slot).cloned(),
            estimated: fetched.estimated.contains(slot),
            epoch: 0,
            read_for: read_for.clone(),
            totals: Sums::default(),
        };
        described.insert(*slot, (batch, facts));
    }
    Ok(described)
}

/// Whether `footer` has every fetched slot with the same content, so that nothing needs to be written.
#[must_use]
pub fn is_unchanged(footer: &Footer, fetched: &FetchedDays) -> bool {
    fetched.iter().all(|(slot, (_, facts))| footer.days.get(slot).is_some_and(|known| known.same_content(facts)))
}

/// Merges the fetched slots into `base` and encodes the next generation; `lost_epoch` is the last known epoch of an
/// object that was removed or restored to an older state (else 0), because epochs only rise.
///
/// # Errors
/// [`Kind::Store`] when the base does not hold what its own footer says, [`Kind::Internal`] when encoding fails.
pub fn build(
    table: &Table,
    grain: Grain,
    partition: Partition,
    owner: &Owned,
    base: Option<&Base>,
    lost_epoch: u64,
    fetched: FetchedDays,
) -> Result<Built> {
    let last = base.map_or(0, |base| base.footer.epoch).max(lost_epoch);
    let epoch = last.checked_add(1).ok_or_else(|| {
        Error::new(Kind::Store, format!("no generation can come after {last}: the object's footer is damaged"))
            .at("partition", partition)
            .advise("restore the object, or move it away and run `costlake backfill` for its days")
    })?;
    let mut parts: BTreeMap<NaiveDate, RecordBatch> = BTreeMap::new();
    let mut days: BTreeMap<NaiveDate, DayFacts> = BTreeMap::new();
    let mut old = BTreeMap::new();
    if let Some(base) = base {
        let keeps_days = base.footer.days.keys().any(|slot| !fetched.contains_key(slot));
        match old_rows(table, grain, base) {
            Ok(rows) => old = rows,
            Err(error) if keeps_days => return Err(error),
            // Without a day to keep, the old rows are needed only to count changes.
            Err(_) => {}
        }
        keep_other_days(table, base, &fetched, &mut old, &mut parts, &mut days)?;
    }
    let (mut changed, mut replaced) = (Vec::new(), BTreeMap::new());
    for (slot, (batch, facts)) in fetched {
        let before = base.and_then(|base| base.footer.days.get(&slot));
        let mut facts = facts;
        match before {
            Some(known) if known.same_content(&facts) => facts.epoch = known.epoch,
            _ => {
                facts.epoch = epoch;
                changed.push(slot);
                if let Some(known) = before {
                    let changes = changes_of(table, known, old.get(&slot), &batch)?;
                    replaced.insert(slot, Replaced { changes, ..Replaced::of(known) });
                }
            }
        }
        parts.insert(slot, batch);
        days.insert(slot, facts);
    }
    let footer = Footer {
        format: if table.has_added() { footer::GROWN } else { footer::FORMAT },
        epoch,
        fingerprint: owner.fingerprint.clone(),
        account: owner.account.clone(),
        partition: partition.to_string(),
        days,
        replaced,
    };
    // Free the replaced rows before the writer allocates.
    drop(old);
    let bytes = encode(table, parts.into_values().collect(), &footer)?;
    Ok(Built { bytes, footer, changed })
}

/// The rows of every slot of the base.
fn old_rows(table: &Table, grain: Grain, base: &Base) -> Result<BTreeMap<NaiveDate, RecordBatch>> {
    let mut by_slot = rows_by_slot(table, grain, base.bytes.clone())?;
    for slot in base.footer.days.keys() {
        by_slot.entry(*slot).or_insert_with(|| RecordBatch::new_empty(table.schema().clone()));
    }
    Ok(by_slot)
}

/// The rows of an object by slot; a slot without rows is absent.
///
/// # Errors
/// [`Kind::Store`] when they cannot be read.
pub fn rows_by_slot(table: &Table, grain: Grain, bytes: bytes::Bytes) -> Result<BTreeMap<NaiveDate, RecordBatch>> {
    // A decoder that panics on damaged bytes is treated as one that returns an error.
    let decoded = std::panic::catch_unwind(|| decode(table, bytes));
    let whole = decoded.unwrap_or_else(|_| Err(Error::new(Kind::Store, "the object in the lake cannot be decoded")))?;
    rows::split_by_slot(table, grain, &whole)
}

/// Whether a slot's rows match the count and digest in the footer.
fn is_as_promised(table: &Table, facts: &DayFacts, batch: &RecordBatch) -> Result<bool> {
    Ok(batch.num_rows() as u64 == facts.rows && digest::of_rows(table, batch, &facts.read_for)? == facts.digest)
}

/// How the rows of a changed slot differ; `None` if the old rows are missing or do not match the footer.
fn changes_of(
    table: &Table,
    known: &DayFacts,
    before: Option<&RecordBatch>,
    after: &RecordBatch,
) -> Result<Option<Changes>> {
    match before {
        Some(before) if is_as_promised(table, known, before)? => {
            changes::between(table, &known.read_for, before, after).map(Some)
        }
        _ => Ok(None),
    }
}

/// Keeps the rows of every day that was not fetched, after checking that they match the footer.
fn keep_other_days(
    table: &Table,
    base: &Base,
    fetched: &FetchedDays,
    old: &mut BTreeMap<NaiveDate, RecordBatch>,
    parts: &mut BTreeMap<NaiveDate, RecordBatch>,
    days: &mut BTreeMap<NaiveDate, DayFacts>,
) -> Result<()> {
    for (slot, facts) in base.footer.days.iter().filter(|(slot, _)| !fetched.contains_key(slot)) {
        let batch = old.remove(slot).filter(|batch| is_as_promised(table, facts, batch).unwrap_or(false));
        let batch = batch.ok_or_else(|| {
            Error::new(Kind::Store, "the object in the lake does not hold what its footer says")
                .at("partition", &base.footer.partition)
                .at("day", slot)
                .advise("the file is damaged: restore it from a backup or version, or move it away and run `costlake backfill` for this month")
        })?;
        parts.insert(*slot, batch);
        days.insert(*slot, facts.clone());
    }
    Ok(())
}
