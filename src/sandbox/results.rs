//! The result of a query before pagination: for every period, the sums of its groups.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta, Timelike};

use super::bill::{Bill, Item};
use super::request::{Granularity, Metric, Period, Request};

/// Sums of one group in one period.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// Index into [`Results::keys`].
    pub(super) group: usize,
    /// One sum per requested metric.
    pub(super) sums: Vec<i128>,
    /// The unit of all lines; `None` if they have different ones.
    pub(super) unit: Option<&'static str>,
}

/// All periods with their groups; an ungrouped query has one group with no keys.
#[derive(Debug)]
pub(super) struct Results {
    pub(super) keys: Vec<Vec<String>>,
    pub(super) periods: Vec<(Period, Vec<Cell>)>,
}

impl Results {
    /// Computes a query over the bill as of `today`.
    pub(super) fn of(request: &Request, bill: &Bill, today: NaiveDate) -> Self {
        let (keys, group_of_line) = groups(request, bill);
        let periods = request.periods().into_iter().map(|period| {
            let mut sums = Sums::new(keys.len(), &request.metrics);
            for day in days(period) {
                let items = bill.day(day, today);
                match request.granularity {
                    Granularity::Hourly => sums.add(&hour_of(&items, period.start, today), bill, &group_of_line),
                    Granularity::Daily | Granularity::Monthly => sums.add(&items, bill, &group_of_line),
                }
            }
            (period, sums.cells())
        });
        let periods = periods.collect();
        Self { keys, periods }
    }
}

/// The possible groups of a query, unsorted as in the real service, and each line's group.
fn groups(request: &Request, bill: &Bill) -> (Vec<Vec<String>>, Vec<Option<usize>>) {
    let mut index = HashMap::new();
    let mut keys: Vec<Vec<String>> = Vec::new();
    let by_product = request.is_by_product();
    let group_of_line = bill.lines.iter().map(|line| {
        if by_product && line.model.is_none() {
            return None;
        }
        if request.filter.as_ref().is_some_and(|filter| !filter.takes(line)) {
            return None;
        }
        let key: Vec<String> = request.groupings.iter().map(|grouping| grouping.group_key(line)).collect();
        Some(*index.entry(key.clone()).or_insert_with(|| {
            keys.push(key);
            keys.len() - 1
        }))
    });
    let group_of_line = group_of_line.collect();
    (keys, group_of_line)
}

fn days(period: Period) -> impl Iterator<Item = NaiveDate> {
    let last = period.end - TimeDelta::seconds(1);
    period.start.date().iter_days().take_while(move |day| *day <= last.date())
}

/// Relative weights of the hours of a day; they need not sum to 1,000.
const HOURS: [i64; 24] =
    [28, 26, 25, 25, 26, 30, 36, 44, 52, 57, 58, 57, 55, 56, 57, 56, 53, 49, 45, 42, 39, 36, 33, 30];

/// The part of a day's items in the hour at `start`. Differences of cumulative shares make the hours add up exactly.
fn hour_of(items: &Arc<Vec<Item>>, start: NaiveDateTime, today: NaiveDate) -> Arc<Vec<Item>> {
    // Today has data for its first 5 hours only.
    let known = if start.date() == today { 5 } else { 24 };
    let hour = start.hour() as usize;
    if hour >= known {
        return Arc::default();
    }
    let before: i64 = HOURS.iter().take(hour).sum();
    let after: i64 = HOURS.iter().take(hour + 1).sum();
    let whole: i64 = HOURS.iter().take(known).sum();
    let part = |amount: i64| super::amount::share(amount, after, whole) - super::amount::share(amount, before, whole);
    Arc::new(items.iter().map(|item| Item { line: item.line, amounts: item.amounts.map(part) }).collect())
}

struct Sums<'a> {
    metrics: &'a [Metric],
    cells: Vec<Option<Cell>>,
}

impl<'a> Sums<'a> {
    fn new(groups: usize, metrics: &'a [Metric]) -> Self {
        Self { metrics, cells: vec![None; groups] }
    }

    fn add(&mut self, items: &[Item], bill: &Bill, group_of_line: &[Option<usize>]) {
        for item in items {
            let Some(group) = group_of_line.get(item.line).copied().flatten() else {
                continue;
            };
            let (Some(slot), Some(line)) = (self.cells.get_mut(group), bill.lines.get(item.line)) else {
                continue;
            };
            let cell =
                slot.get_or_insert_with(|| Cell { group, sums: vec![0; self.metrics.len()], unit: Some(line.unit) });
            for (sum, metric) in cell.sums.iter_mut().zip(self.metrics) {
                *sum += item.amounts.get(metric.0).copied().map_or(0, i128::from);
            }
            cell.unit = cell.unit.filter(|unit| *unit == line.unit);
        }
    }

    fn cells(self) -> Vec<Cell> {
        self.cells.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use serde_json::json;

    use crate::sandbox::reader::{NOW, ask, by_period, day, query, read, service};

    #[test]
    fn every_grouping_adds_up_to_the_totals() {
        let ce = service(100);
        let totals = by_period(&read(&ce, &query("2026-10-28", "2026-11-22", "DAILY", &json!([])), NOW), 10);
        assert_eq!(totals.len(), 25);
        for group_by in [
            json!([{ "Type": "DIMENSION", "Key": "SERVICE" }, { "Type": "DIMENSION", "Key": "USAGE_TYPE" }]),
            json!([{ "Type": "DIMENSION", "Key": "LINKED_ACCOUNT" }, { "Type": "DIMENSION", "Key": "RECORD_TYPE" }]),
            json!([{ "Type": "TAG", "Key": "team" }, { "Type": "DIMENSION", "Key": "SERVICE" }]),
            json!([{ "Type": "COST_CATEGORY", "Key": "Product" }]),
            json!([{ "Type": "TAG", "Key": "nobody-set-this" }, { "Type": "DIMENSION", "Key": "AZ" }]),
        ] {
            let sums = read(&ce, &query("2026-10-28", "2026-11-22", "DAILY", &group_by), NOW);
            assert_eq!(by_period(&sums, 10), totals, "{group_by}");
        }
    }

    #[test]
    fn months_are_sums_of_days_and_days_sums_of_hours() {
        let ce = service(50);
        let by_service = json!([{ "Type": "DIMENSION", "Key": "SERVICE" }]);
        let monthly = read(&ce, &query("2026-09-15", "2026-11-22", "MONTHLY", &by_service), NOW);
        let daily = read(&ce, &query("2026-09-15", "2026-11-22", "DAILY", &by_service), NOW);
        assert_eq!(by_period(&monthly, 7), by_period(&daily, 7));
        let hourly = query("2026-11-10T00:00:00Z", "2026-11-22T00:00:00Z", "HOURLY", &by_service);
        let of_days = read(&ce, &query("2026-11-10", "2026-11-22", "DAILY", &by_service), NOW);
        assert_eq!(by_period(&read(&ce, &hourly, NOW), 10), by_period(&of_days, 10));
        let clipped = ask(&ce, &query("2026-09-15", "2026-11-22", "MONTHLY", &json!([])), NOW);
        assert_eq!(clipped["ResultsByTime"][0]["TimePeriod"], json!({ "Start": "2026-09-15", "End": "2026-10-01" }));
        assert_eq!(clipped["ResultsByTime"][0]["Estimated"], json!(false));
        assert_eq!(clipped["ResultsByTime"][2]["Estimated"], json!(true));
    }

    #[test]
    fn the_bill_is_believable() {
        let ce = service(1_000);
        let totals = read(&ce, &query("2025-10-01", "2026-11-01", "MONTHLY", &json!([])), NOW);
        for (month, figures) in by_period(&totals, 7) {
            let dollars = figures["UnblendedCost"] / 10_000_000_000;
            assert!((150_000..500_000).contains(&dollars), "{month}: {dollars} USD");
        }
        let items = ce.bill.day(day("2026-10-14"), day("2026-11-21"));
        assert!((150..=450).contains(&items.len()), "{} items", items.len());
        let by_type = json!([{ "Type": "DIMENSION", "Key": "RECORD_TYPE" }]);
        let sums = read(&ce, &query("2026-07-01", "2026-11-01", "MONTHLY", &by_type), NOW);
        let types: BTreeSet<&str> = sums.keys().map(|(_, keys)| keys[0].as_str()).collect();
        for expected in
            ["Usage", "DiscountedUsage", "SavingsPlanNegation", "Credit", "Tax", "RIFee", "Support", "Refund"]
        {
            assert!(types.contains(expected), "{expected} missing in {types:?}");
        }
    }
}
