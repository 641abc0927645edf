//! The items of one day of the bill, as of another day.
//!
//! The sandbox exists to restate days, so how much of a day is known is a small value, [`Stage`], derived from the day
//! and today alone. Equal stages mean equal amounts; a day is restated exactly when its stage changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{Datelike, Days, Months, NaiveDate};

use super::catalog::Account;
use super::charges;
use super::dice::{between, mix};
use super::lines::{Charge, Line, draw};
use super::organisations::Payer;

/// Number of Cost Explorer's metrics.
pub(super) const METRICS: usize = 12;

/// Amounts of one line on one day, in the order of [`super::request::Metric`].
pub(super) type Amounts = [i64; METRICS];

/// One line's amounts on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) line: usize,
    pub(super) amounts: Amounts,
}

/// How much of a day is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Stage {
    /// Percent of the day's usage that has arrived.
    pub(super) arrived: i64,
    /// Permille of the month's tax and unused reservation fees accrued; 0 on all days but the 1st.
    pub(super) accrued: i64,
    /// The support plan has been billed (first week only).
    pub(super) support: bool,
    /// The late credit has been granted (one day a month).
    pub(super) late_credit: bool,
    /// The tag correction has been made.
    pub(super) corrected: bool,
    /// The refund has been paid (one day a quarter).
    pub(super) refund: bool,
}

impl Stage {
    /// The stage of `day` as of `today`; `None` for a future day.
    pub(super) fn of(seed: u64, day: NaiveDate, today: NaiveDate) -> Option<Self> {
        let age = (today - day).num_days();
        let arrived = match age {
            ..0 => return None,
            0 => 20,
            1 => 55,
            2 => 90,
            _ => 100,
        };
        let month = first_of_month(day);
        let closing_reached = |day_of_month: u64| {
            next_month(month).checked_add_days(Days::new(day_of_month - 1)).is_some_and(|due| today >= due)
        };
        Some(Self {
            arrived,
            accrued: if day == month { accrued(month, today) } else { 0 },
            support: day.day() <= 7 && closing_reached(6),
            late_credit: day.day() == late_credit_day(seed, month) && closing_reached(9),
            corrected: closing_reached(12),
            refund: month.month().is_multiple_of(3) && day.day() == refund_day(seed, month) && closing_reached(20),
        })
    }
}

/// The 1st of the month of `day`.
pub(super) fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

/// The 1st of the month after that of `day`.
pub(super) fn next_month(day: NaiveDate) -> NaiveDate {
    first_of_month(day).checked_add_months(Months::new(1)).unwrap_or(day)
}

/// True while the month of `day` is open: its figures are estimates until the 6th of the next month.
pub(super) fn estimated(day: NaiveDate, today: NaiveDate) -> bool {
    next_month(day).checked_add_days(Days::new(5)).is_some_and(|closing| today < closing)
}

fn accrued(month: NaiveDate, today: NaiveDate) -> i64 {
    let days = (next_month(month) - month).num_days() + 3;
    let elapsed = ((today - month).num_days() + 1).min(days);
    elapsed * 1_000 / days
}

fn late_credit_day(seed: u64, month: NaiveDate) -> u32 {
    u32::try_from(between(mix(&[seed, 31, month_number(month)]), 12, 18)).unwrap_or(15)
}

fn refund_day(seed: u64, month: NaiveDate) -> u32 {
    u32::try_from(between(mix(&[seed, 32, month_number(month)]), 20, 27)).unwrap_or(21)
}

fn month_number(month: NaiveDate) -> u64 {
    u64::from(month.year().unsigned_abs()) * 12 + u64::from(month.month0())
}

/// Items by day and stage.
type KnownDays = HashMap<(NaiveDate, Stage), Arc<Vec<Item>>>;

/// The accounts and lines of an organisation, and the days computed so far.
#[derive(Debug)]
pub(super) struct Bill {
    pub(super) seed: u64,
    pub(super) first_day: NaiveDate,
    /// The first one pays.
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) lines: Vec<Line>,
    kept_days: usize,
    days: Mutex<KnownDays>,
}

/// Maximum cached days, more than any query covers; a full cache is cleared.
const KEPT_DAYS: usize = 2_000;
/// The same of another organisation than the company: there may be many.
const KEPT_DAYS_OF_OTHERS: usize = 100;

impl Bill {
    /// The company's bill.
    pub(super) fn new(seed: u64, first_day: NaiveDate) -> Self {
        Self::of(&Payer::company(), seed, first_day)
    }

    /// The bill of the organisation of a payer account: the company's lines, with other amounts.
    pub(super) fn of(payer: &Payer, seed: u64, first_day: NaiveDate) -> Self {
        let accounts = payer.accounts();
        let mut lines = draw(seed, &accounts);
        let own_seed = payer.seed(seed);
        let is_company = *payer == Payer::company();
        if !is_company {
            lines.iter_mut().for_each(|line| line.salt = mix(&[line.salt, own_seed]));
        }
        let kept_days = if is_company { KEPT_DAYS } else { KEPT_DAYS_OF_OTHERS };
        Self { seed: own_seed, first_day, accounts, lines, kept_days, days: Mutex::default() }
    }

    /// The id of the account that pays.
    pub(super) fn payer(&self) -> &str {
        self.accounts.first().map_or("", |account| &account.id)
    }

    /// The items of `day` as of `today`; empty before the first day and after today.
    pub(super) fn day(&self, day: NaiveDate, today: NaiveDate) -> Arc<Vec<Item>> {
        let stage = Stage::of(self.seed, day, today).filter(|_| day >= self.first_day);
        let Some(stage) = stage else {
            return Arc::default();
        };
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        if days.len() >= self.kept_days {
            days.clear();
        }
        Arc::clone(days.entry((day, stage)).or_insert_with(|| Arc::new(self.items(day, stage))))
    }

    /// Sums of a day's items as of `today`, over the lines that `takes` takes.
    pub(super) fn sum(&self, day: NaiveDate, today: NaiveDate, takes: impl Fn(&Line) -> bool) -> [i128; METRICS] {
        let mut sums = [0; METRICS];
        for item in self.day(day, today).iter() {
            if self.lines.get(item.line).is_some_and(&takes) {
                for (sum, amount) in sums.iter_mut().zip(item.amounts) {
                    *sum += i128::from(amount);
                }
            }
        }
        sums
    }

    fn items(&self, day: NaiveDate, stage: Stage) -> Vec<Item> {
        let own = self.lines.iter().enumerate().filter(|(_, line)| !line.correction);
        own.filter_map(|(index, line)| {
            let amounts = match line.charge {
                Charge::PlanFee(plan) => charges::plan_fee(&self.lines, plan, day),
                _ => charges::amounts(line, day, stage)?,
            };
            let line = line.corrected.filter(|_| stage.corrected).unwrap_or(index);
            Some(Item { line, amounts })
        })
        .collect()
    }
}

/// True for charges that are computed from the usage of machines or meters.
pub(super) fn is_usage(charge: Charge) -> bool {
    use Charge::{PlanCovered, PlanNegation, Reserved, Usage};
    matches!(charge, Usage | PlanCovered | PlanNegation | Reserved)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use super::Stage;
    use crate::sandbox::cost_explorer::CostExplorer;
    use crate::sandbox::reader::{day, query, read, service};

    /// Days of a range whose totals differ between two clocks.
    fn restated(ce: &CostExplorer, group_by: &Value, before: &str, after: &str) -> Vec<String> {
        let query = query("2026-08-01", "2026-11-01", "DAILY", group_by);
        let (before, after) = (read(ce, &query, before), read(ce, &query, after));
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let days: BTreeSet<String> =
            keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).map(|key| key.0.clone()).collect();
        days.into_iter().collect()
    }

    #[test]
    fn moving_the_clock_restates_the_expected_days_only() {
        let ce = service(1_000);
        let nothing = json!([]);
        let quiet = restated(&ce, &nothing, "2026-10-25T00:00:00Z", "2026-10-25T23:00:00Z");
        assert!(quiet.is_empty(), "{quiet:?}");
        let night = restated(&ce, &nothing, "2026-10-25T08:00:00Z", "2026-10-26T08:00:00Z");
        assert_eq!(night, ["2026-10-01", "2026-10-23", "2026-10-24", "2026-10-25", "2026-10-26"]);
        let support = restated(&ce, &nothing, "2026-11-05T00:00:00Z", "2026-11-06T00:00:00Z");
        assert_eq!(support, (1..=7).map(|d| format!("2026-10-0{d}")).collect::<Vec<_>>());
        let credit = restated(&ce, &nothing, "2026-11-08T00:00:00Z", "2026-11-09T00:00:00Z");
        assert!(credit.len() == 1 && ("2026-10-12".."2026-10-19").contains(&&*credit[0]), "{credit:?}");
        let correction = ("2026-11-11T00:00:00Z", "2026-11-12T00:00:00Z");
        assert!(restated(&ce, &nothing, correction.0, correction.1).is_empty(), "a correction keeps the totals");
        let team = json!([{ "Type": "TAG", "Key": "team" }]);
        assert_eq!(restated(&ce, &team, correction.0, correction.1).len(), 31);
        let refund = restated(&ce, &nothing, "2026-10-19T00:00:00Z", "2026-10-20T00:00:00Z");
        assert!(refund.iter().filter(|day| day.starts_with("2026-09")).count() == 1, "{refund:?}");
    }

    #[test]
    fn a_stage_is_a_function_of_the_days() {
        let stage = |today: &str| Stage::of(42, day("2026-10-30"), day(today));
        assert_eq!(stage("2026-10-29"), None);
        let arrived = ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"].map(|t| stage(t).unwrap().arrived);
        assert_eq!(arrived, [20, 55, 90, 100]);
    }
}
