//! Quarantine: answers that are well formed and agree with the API's totals, but differ so much from the known rows
//! that a person should review them before they replace those.
//!
//! | answer | held |
//! |---|---|
//! | no rows for a day that had costs (Datadog: rows) | that day |
//! | a settled month whose figures change too much, or whose currency changes: see `quarantine/months.rs` | its changed days |
//! | a slot for which one answer contradicts itself | that slot |
//! | Datadog values in another unit, null instead of a value, fewer rows of a list: see `quarantine/values.rs` | the affected days |
//!
//! A day counts as settled when it was last read after its month had settled: rows read earlier are expected to change.
//! The old rows stay until a user passes `--accept JOB:YYYY-MM`. Rows equal to the last known ones are never held.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use chrono::{DateTime, NaiveDate, Utc};

use crate::decimal;
use crate::error::Result;
use crate::generation::{DayFacts, FetchedDays};
use crate::job::Job;
use crate::ledger::{Baseline, Ledger, Moves};
use crate::sources::{ApiTotals, Review};
use crate::text::plural;
use crate::window::first_of_month;

mod months;
mod values;

/// A share of 1 in the unit of `quarantine_millionths`.
const WHOLE: i128 = 1_000_000;

/// The known state that new rows are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The ledger.
    pub ledger: &'a Ledger,
    /// Facts of the known days of the partition.
    pub days: &'a BTreeMap<NaiveDate, DayFacts>,
    /// The known rows of the partition by day, as far as they can be read.
    pub rows: &'a BTreeMap<NaiveDate, RecordBatch>,
    /// The newest day before the partition that has rows, if it was looked up.
    pub earlier: Option<(NaiveDate, &'a RecordBatch)>,
}

/// What the answers of a fetch say of themselves.
#[derive(Debug, Clone, Copy)]
pub struct Flaws<'a> {
    /// Slots for which one answer contradicts itself, and what contradicts.
    pub doubtful: &'a BTreeMap<NaiveDate, String>,
    /// Slots whose rows lack what the API could not tell.
    pub incomplete: &'a BTreeMap<NaiveDate, Vec<String>>,
}

/// The verdict on the rows of a fetch.
#[derive(Debug, Default)]
pub struct Verdict {
    /// The slots that need `--accept`, each with the reason.
    pub held: BTreeMap<NaiveDate, String>,
    /// The baselines of months with changes that are not held, these changes included.
    pub baselines: BTreeMap<NaiveDate, Baseline>,
    /// These changes alone, to be subtracted again if the rows are not committed.
    pub moves: Moves,
}

/// A slot that is new or whose content differs from the known one.
struct Change<'a> {
    slot: NaiveDate,
    old: Option<&'a DayFacts>,
    new: &'a DayFacts,
    rows: &'a RecordBatch,
}

/// Judges the slots of a fetch; slots of the months in `accepted` are never held.
///
/// # Errors
/// When the rows are not those of the job's table.
pub fn judge(
    job: &Job,
    known: Known<'_>,
    fetched: &FetchedDays,
    flaws: Flaws<'_>,
    accepted: &BTreeSet<NaiveDate>,
    now: DateTime<Utc>,
) -> Result<Verdict> {
    let mut changes = changes(known.days, fetched, accepted);
    let mut verdict = Verdict::default();
    for change in &changes {
        if let Some(why) = flaws.doubtful.get(&change.slot) {
            verdict.held.insert(change.slot, why.clone());
        }
        let Some(old) = change.old else { continue };
        if change.new.rows == 0 && had_costs(job, old) {
            verdict.held.insert(change.slot, format!("the answer is empty, but the day had {}", rows(old.rows)));
        }
    }
    changes.retain(|change| !verdict.held.contains_key(&change.slot));
    match job.entry.rules.review {
        Review::FinalMonths => months::judge(job, known, &changes, now, &mut verdict)?,
        Review::Values | Review::MovingValues => values::judge(job, known, &changes, flaws, &mut verdict)?,
    }
    Ok(verdict)
}

/// Whether old rows are needed to judge a fetch; without them amounts are compared only by day.
#[must_use]
pub fn needs_rows(
    job: &Job,
    known: Known<'_>,
    fetched: &FetchedDays,
    accepted: &BTreeSet<NaiveDate>,
    now: DateTime<Utc>,
) -> bool {
    let changes = changes(known.days, fetched, accepted);
    match job.entry.rules.review {
        Review::FinalMonths => changes.iter().any(|change| {
            let is_counted = known.ledger.baselines.contains_key(&first_of_month(change.slot));
            months::is_of_settled(job, known.ledger, change, now) || (is_counted && change.old.is_some())
        }),
        Review::Values | Review::MovingValues => !changes.is_empty(),
    }
}

fn changes<'a>(
    known: &'a BTreeMap<NaiveDate, DayFacts>,
    fetched: &'a FetchedDays,
    accepted: &BTreeSet<NaiveDate>,
) -> Vec<Change<'a>> {
    fetched
        .iter()
        .filter(|(slot, _)| !accepted.contains(&first_of_month(**slot)))
        .map(|(slot, (rows, new))| Change { slot: *slot, old: known.get(slot), new, rows })
        .filter(|change| change.old.is_none_or(|old| old.digest != change.new.digest))
        .collect()
}

fn rows(count: u64) -> String {
    plural(count, "row")
}

/// Whether the old rows had costs: some cost column does not sum to zero. Without cost columns, any row counts.
fn had_costs(job: &Job, old: &DayFacts) -> bool {
    let sums = || costs(job).filter_map(|column| amount(old, column));
    old.rows > 0 && (sums().next().is_none() || sums().any(|sum| sum != 0))
}

/// The cost columns, whose rows add up.
fn costs(job: &Job) -> impl Iterator<Item = &'static str> {
    job.source.totals().map(ApiTotals::enforced).unwrap_or_default().into_iter()
}

fn amount(facts: &DayFacts, column: &str) -> Option<i128> {
    decimal::parse(facts.sums.get(column)?).ok()
}

/// Whether `change` is more than the share of `before`; if `before` is zero, every change is.
fn exceeds(change: i128, before: i128, millionths: u64) -> bool {
    let allowed = before.unsigned_abs().checked_mul(u128::from(millionths));
    let moved = change.unsigned_abs().checked_mul(WHOLE.unsigned_abs());
    match (moved, allowed) {
        (Some(moved), Some(allowed)) => moved > allowed,
        // Sums too large to compare exactly are compared coarsely.
        _ => change.unsigned_abs() > (before.unsigned_abs() / WHOLE.unsigned_abs()).saturating_mul(millionths.into()),
    }
}

fn percent(millionths: u64) -> String {
    decimal::text(i128::from(millionths) * 10_i128.pow(decimal::SCALE - 4))
}

#[cfg(test)]
mod tests;
