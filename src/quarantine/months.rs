//! Settled months: holds changes too far from the month's figures at the time it settled or was last accepted.
//!
//! | rule | tables | held when |
//! |---|---|---|
//! | net | all | net change above `quarantine_share` of the month's sum |
//! | gross | those without tag or cost category, whose edits move costs under equal sums | gross change above `quarantine_share` of the sum of the groups' absolute amounts |
//! | currency | all | the currency changes |
//!
//! Both changes are computed per cost metric and currency, accumulate over all commits since then, and are held only
//! above `quarantine_floor`: neither small steps nor opposite moves pass, and tiny amounts are ignored. The gross
//! change compares the groups of each day (hour, month), so costs that move to another day count. Days whose rows are
//! in another object or cannot be read are compared by day, not by group.
//!
//! The ledger keeps the baseline figures of a month from its first change on; until then they are its current figures.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use crate::decimal;
use crate::error::Result;
use crate::generation::{DayFacts, changes};
use crate::job::Job;
use crate::ledger::{Baseline, DayState, Figure, Ledger, add};
use crate::plan::{settles_on, was_read_as_final};
use crate::totals::{CURRENCY, are_unlike};
use crate::window::{first_of_month, next_day};

use super::{Change, Known, Verdict, amount, costs, exceeds, percent};

/// Whether a change is of a day of a settled month whose last read was final: after its month had settled, or at the
/// end of its span by the job's rule.
pub(super) fn is_of_settled(job: &Job, ledger: &Ledger, change: &Change<'_>, now: DateTime<Utc>) -> bool {
    let settles = settles_on(job, change.slot);
    let partition = job.source.grain().partition_of(change.slot).to_string();
    // The API's estimate flag is ignored once the month has settled: it may come and go. A read time in the future
    // comes from a wrong clock, which is no reason to skip the check.
    let was_final = |day: &DayState| day.read_at.date_naive() > settles || was_read_as_final(job, day, change.slot);
    change.old.is_some() && now.date_naive() > settles && ledger.day(&partition, change.slot).is_some_and(was_final)
}

/// Holds the changed days of each settled month that moved too far, and adds the other changes to the baselines.
pub(super) fn judge(
    job: &Job,
    known: Known<'_>,
    changes: &[Change<'_>],
    now: DateTime<Utc>,
    verdict: &mut Verdict,
) -> Result<()> {
    let months: BTreeSet<NaiveDate> = changes.iter().map(|change| first_of_month(change.slot)).collect();
    for month in months {
        let (settled, others) = changes
            .iter()
            .filter(|change| first_of_month(change.slot) == month)
            .partition::<Vec<_>, _>(|change| is_of_settled(job, known.ledger, change, now));
        let court = Court { job, known, month, settled, others };
        match court.judge()? {
            Err(reason) => {
                let held = court.settled.iter().map(|change| (change.slot, reason.clone()));
                verdict.held.extend(held);
            }
            Ok(figures) if figures.is_empty() => {}
            Ok(figures) => {
                let settled_at = next_day(settles_on(job, month)).and_time(NaiveTime::MIN).and_utc();
                let begun = Baseline { at: settled_at, figures: BTreeMap::new() };
                let mut baseline = known.ledger.baselines.get(&month).cloned().unwrap_or(begun);
                let moves = figures.iter().map(|(key, (_, moved))| (key.clone(), *moved)).collect();
                baseline.figures.extend(figures.into_iter().map(|(key, (before, moved))| (key, before.plus(moved))));
                verdict.baselines.insert(month, baseline);
                verdict.moves.insert(month, moves);
            }
        }
    }
    Ok(())
}

/// The comparison of one month.
struct Court<'a> {
    job: &'a Job,
    known: Known<'a>,
    month: NaiveDate,
    /// Changes of days that had settled.
    settled: Vec<&'a Change<'a>>,
    /// Days that are new, or were last read before the month settled.
    others: Vec<&'a Change<'a>>,
}

/// By `column currency`: a month's figure before, and its change.
type Figures = BTreeMap<String, (Figure, Figure)>;

impl Court<'_> {
    /// The figures of the month, or the reason for which its changes are held.
    fn judge(&self) -> Result<std::result::Result<Figures, String>> {
        if let Some(reason) = self.other_currency() {
            return Ok(Err(reason));
        }
        let mut figures = Figures::new();
        for column in costs(self.job) {
            for currency in self.currencies() {
                let key = format!("{column} {currency}");
                let Some(before) = self.before(column, &currency, &key)? else { continue };
                let change = self.change(column, &currency)?;
                if let Some(reason) = self.too_far(column, &currency, before, change) {
                    return Ok(Err(reason));
                }
                figures.insert(key, (before, change));
            }
        }
        Ok(Ok(figures))
    }

    fn other_currency(&self) -> Option<String> {
        let is_other = |change: &&&Change<'_>| {
            let known = change.old.and_then(|old| self.currency_of(change.slot, old));
            are_unlike(known.as_ref(), change.new.currency.as_ref())
        };
        let change = self.settled.iter().find(is_other)?;
        let known = change.old.and_then(|old| self.currency_of(change.slot, old)).unwrap_or_default();
        let new = change.new.currency.as_deref().unwrap_or_default();
        let month = self.month.format("%Y-%m");
        Some(format!("the costs of the settled month {month} were in {known} and would be in {new}"))
    }

    /// The currency of known rows, from the facts or else from the rows.
    fn currency_of(&self, slot: NaiveDate, facts: &DayFacts) -> Option<String> {
        facts.currency.clone().or_else(|| {
            let column = self.known.rows.get(&slot)?.column_by_name(CURRENCY)?.as_string_opt::<i32>()?;
            column.iter().flatten().next().map(str::to_owned)
        })
    }

    /// The currency of a changed day: the new one, else the old one.
    fn currency(&self, change: &Change<'_>) -> String {
        let old = || change.old.and_then(|old| self.currency_of(change.slot, old));
        change.new.currency.clone().or_else(old).unwrap_or_default()
    }

    fn currencies(&self) -> BTreeSet<String> {
        self.settled.iter().chain(&self.others).map(|change| self.currency(change)).collect()
    }

    /// The month's figure before the changes: the ledger's baseline, else the sum over its known days. `None` if the
    /// month has no baseline and no settled day changes.
    fn before(&self, column: &str, currency: &str, key: &str) -> Result<Option<Figure>> {
        let kept = self.known.ledger.baselines.get(&self.month).and_then(|baseline| baseline.figures.get(key));
        if kept.is_some() || !self.settled.iter().any(|change| self.currency(change) == currency) {
            return Ok(kept.copied());
        }
        let ledger = &self.known.ledger.partitions;
        let days = ledger.values().flat_map(|state| &state.days).map(|(slot, day)| (*slot, &day.facts));
        let mut days: BTreeMap<NaiveDate, &DayFacts> =
            days.filter(|(slot, _)| first_of_month(*slot) == self.month).collect();
        days.extend(
            self.known.days.iter().filter(|(slot, _)| first_of_month(**slot) == self.month).map(|(s, f)| (*s, f)),
        );
        let mut figure = Figure::default();
        for (slot, facts) in days {
            let is_other = self.currency_of(slot, facts).is_some_and(|known| known != *currency);
            let Some(sum) = amount(facts, column).filter(|_| !is_other) else { continue };
            figure.sum = add(figure.sum, sum);
            figure.gross = add(figure.gross, gross_of(self.known.rows.get(&slot), column, sum)?);
        }
        Ok(Some(figure))
    }

    /// The change: how far settled days moved, and what the other days add to the month, and so do settled ones of which
    /// the column was not known, because the table gained it later.
    fn change(&self, column: &str, currency: &str) -> Result<Figure> {
        let mut figure = Figure::default();
        let in_currency = |change: &&&Change<'_>| self.currency(change) == currency;
        for change in self.settled.iter().filter(in_currency) {
            let Some(new) = amount(change.new, column) else { continue };
            let Some(old) = change.old.and_then(|old| amount(old, column)) else {
                let gross = changes::gross(change.rows, column)?;
                figure = figure.plus(Figure { sum: new, gross, ..Figure::default() });
                continue;
            };
            let net = add(new, -old);
            let moved = match self.known.rows.get(&change.slot) {
                Some(rows) => changes::moved(self.job.source.table(), rows, change.rows, column)?,
                None if change.old.is_some_and(|old| old.rows == 0) => changes::gross(change.rows, column)?,
                None => net.saturating_abs(),
            };
            figure = figure.plus(Figure { moved, net, ..Figure::default() });
        }
        for change in self.others.iter().filter(in_currency) {
            let old = change.old.and_then(|old| amount(old, column)).unwrap_or(0);
            let Some(new) = amount(change.new, column) else { continue };
            let before = gross_of(self.known.rows.get(&change.slot).filter(|_| change.old.is_some()), column, old)?;
            let gross = add(changes::gross(change.rows, column)?, -before);
            figure = figure.plus(Figure { sum: add(new, -old), gross, ..Figure::default() });
        }
        Ok(figure)
    }

    fn too_far(&self, column: &str, currency: &str, before: Figure, change: Figure) -> Option<String> {
        let share = self.job.window.quarantine_millionths;
        let is_too_far = |moved: i128, of: i128| {
            moved.unsigned_abs() > self.job.window.quarantine_floor.unsigned_abs() && exceeds(moved, of, share)
        };
        let after = before.plus(change);
        let (month, percent) = (self.month.format("%Y-%m"), percent(share));
        if change.net != 0 && is_too_far(after.net, after.sum) {
            let (was, would) = (decimal::text(after.sum), decimal::text(add(after.sum, after.net)));
            return Some(format!(
                "{column} of the settled month {month} was {was} and would be {would}, a change of more than {percent} %"
            ));
        }
        (change.moved != 0 && !self.moves_under_equal_sums() && is_too_far(after.moved, after.gross)).then(|| {
            let (moved, gross) = (decimal::text(after.moved), decimal::text(after.gross));
            format!(
                "{column} of the settled month {month} would have moved between its groups and days by {moved} {currency} \
                 in all, more than {percent} % of {gross}, although its sum stays near what it was"
            )
        })
    }

    /// Whether the table groups by tag or cost category, whose edits may move costs between groups at any time.
    fn moves_under_equal_sums(&self) -> bool {
        self.job.source.table().has_assigned()
    }
}

/// The sum of the groups' absolute amounts; without rows, the absolute sum of the day.
fn gross_of(rows: Option<&RecordBatch>, column: &str, sum: i128) -> Result<i128> {
    rows.map_or(Ok(sum.saturating_abs()), |rows| changes::gross(rows, column))
}
