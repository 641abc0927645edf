//! Quarantine: answers that are well formed, agree with the API's totals, and are still so unlike what was known that a
//! person should look before they replace it.
//!
//! | what came | held |
//! |---|---|
//! | no rows for a day that had costs (Datadog: rows) | that day |
//! | a settled month whose sum of a cost metric changes by more than `window.quarantine_share` | the days of it that changed |
//!
//! A day counts as settled when it was last read after its month had settled: what was read before is expected to move.
//! The old rows stay until somebody says `--accept JOB:YYYY-MM`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use crate::decimal;
use crate::generation::{DayFacts, FetchedDays, Footer};
use crate::job::Job;
use crate::ledger::Ledger;
use crate::plan::{Moment, settles_on};
use crate::sources::Provider;
use crate::window::first_of_month;

/// A whole, in the unit of `quarantine_millionths`.
const WHOLE: i128 = 1_000_000;

/// The fetched slots that need a person's word, each with the reason; `known` is what the lake holds of the partition.
/// Months in `accepted` have it already.
#[must_use]
pub fn judge(
    job: &Job,
    ledger: &Ledger,
    known: &Footer,
    fetched: &FetchedDays,
    accepted: &BTreeSet<NaiveDate>,
    now: DateTime<Utc>,
) -> BTreeMap<NaiveDate, String> {
    let mut held = BTreeMap::new();
    if job.entry.snapshot {
        return held;
    }
    let changed: Vec<Change<'_>> = fetched
        .iter()
        .filter(|(slot, _)| !accepted.contains(&first_of_month(**slot)))
        .filter_map(|(slot, (_, new))| Some(Change { slot: *slot, old: known.days.get(slot)?, new }))
        .filter(|change| change.old.digest != change.new.digest)
        .collect();
    for change in &changed {
        if change.new.rows == 0 && had_costs(job, change.old) {
            held.insert(change.slot, format!("the answer is empty, but the day had {}", rows(change.old.rows)));
        }
    }
    if job.entry.provider == Provider::CostExplorer {
        hold_settled_months(job, ledger, known, &changed, now, &mut held);
    }
    held
}

/// A slot whose content differs from the known one.
struct Change<'a> {
    slot: NaiveDate,
    old: &'a DayFacts,
    new: &'a DayFacts,
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// Whether there was anything to lose: rows whose costs do not all add up to nothing.
fn had_costs(job: &Job, old: &DayFacts) -> bool {
    let sums = || costs(job).filter_map(|column| amount(old, column));
    old.rows > 0 && (sums().next().is_none() || sums().any(|sum| sum != 0))
}

/// The columns that are money and add up.
fn costs(job: &Job) -> impl Iterator<Item = &str> {
    job.source.controlled().into_iter()
}

fn amount(facts: &DayFacts, column: &str) -> Option<i128> {
    decimal::parse(facts.sums.get(column)?).ok()
}

fn hold_settled_months(
    job: &Job,
    ledger: &Ledger,
    known: &Footer,
    changed: &[Change<'_>],
    now: DateTime<Utc>,
    held: &mut BTreeMap<NaiveDate, String>,
) {
    let partition = known.partition.as_str();
    let was_settled = |slot: NaiveDate, facts: &DayFacts| {
        let settles = settles_on(job, slot);
        let read_on = ledger.day(partition, slot).and_then(|day| Moment::from(now).read_on(day));
        !facts.estimated && now.date_naive() > settles && read_on.is_some_and(|read| read > settles)
    };
    let settled: Vec<&Change<'_>> = changed.iter().filter(|change| was_settled(change.slot, change.old)).collect();
    let months: BTreeSet<NaiveDate> = settled.iter().map(|change| first_of_month(change.slot)).collect();
    for month in months {
        let of_month = || settled.iter().filter(|change| first_of_month(change.slot) == month);
        let days = known.days.iter().filter(|(slot, _)| first_of_month(**slot) == month);
        let days: Vec<&DayFacts> = days.map(|(_, facts)| facts).collect();
        let reason = costs(job).find_map(|column| {
            let before: i128 = days.iter().filter_map(|facts| amount(facts, column)).sum();
            let change: i128 = of_month().filter_map(|c| Some(amount(c.new, column)? - amount(c.old, column)?)).sum();
            exceeds(change, before, job.window.quarantine_millionths).then(|| {
                format!(
                    "{column} of the settled month {} was {} and would be {}, a change of more than {} %",
                    month.format("%Y-%m"),
                    decimal::text(before),
                    decimal::text(before + change),
                    percent(job.window.quarantine_millionths)
                )
            })
        });
        for change in of_month() {
            if let Some(reason) = &reason {
                held.entry(change.slot).or_insert_with(|| reason.clone());
            }
        }
    }
}

/// Whether `change` is more than the share of `before`; of nothing, every change is.
fn exceeds(change: i128, before: i128, millionths: u64) -> bool {
    let allowed = before.unsigned_abs().checked_mul(u128::from(millionths));
    let moved = change.unsigned_abs().checked_mul(WHOLE.unsigned_abs());
    match (moved, allowed) {
        (Some(moved), Some(allowed)) => moved > allowed,
        // Sums too large to compare exactly are compared coarsely.
        _ => change.unsigned_abs() > before.unsigned_abs() / WHOLE.unsigned_abs() * u128::from(millionths),
    }
}

fn percent(millionths: u64) -> String {
    decimal::text(i128::from(millionths) * 10_i128.pow(decimal::SCALE - 4))
}

#[cfg(test)]
mod tests {
    use super::{exceeds, percent};

    #[test]
    fn a_share_is_compared_exactly() {
        assert!(!exceeds(20, 100, 200_000), "a fifth is not more than a fifth");
        assert!(exceeds(21, 100, 200_000) && exceeds(-21, 100, 200_000) && exceeds(-21, -100, 200_000));
        assert!(exceeds(1, 0, 200_000), "any change of nothing");
        assert!(!exceeds(0, 0, 0) && exceeds(1, i128::MAX, 0));
        assert!(!exceeds(i128::MAX / 10, i128::MAX, 200_000) && exceeds(i128::MAX / 4, i128::MAX, 200_000));
    }

    #[test]
    fn shares_are_shown_as_percent() {
        assert_eq!([percent(200_000), percent(5_000), percent(1_000_000)], ["20", "0.5", "100"]);
    }
}
