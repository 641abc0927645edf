//! The bill itself in `/metrics`: what the newest day and its month cost, per table and currency, exact to the last digit.
//!
//! | metric | is |
//! |---|---|
//! | `costlake_cost_newest_day` | the cost of the newest day that has been read and has ended |
//! | `costlake_cost_newest_day_timestamp_seconds` | when that day began, in UTC: an old figure shows as old |
//! | `costlake_cost_month_to_date` | the cost of its month from the 1st up to that day, with it; of a MONTHLY table that of its newest month |
//! | `costlake_cost_month_timestamp_seconds` | when that month began |
//! | `costlake_cost_accounts_left_out` | accounts that have not read that day, or have not been looked at yet: nothing of them is in the sums |
//!
//! The accounts of a table are added up, for the day that is the newest one of most of them: in the middle of a night this
//! is the day before until half of them are read. Written by hand, because the library's values are floats. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{NaiveDate, NaiveTime};

use crate::decimal;
use crate::scheduler::bill::Bill;
use crate::scheduler::glances::Seen;
use crate::scheduler::jobs::JobState;
use crate::window::first_of_month;

use super::metrics::help;

/// Currencies of a table that have a series; the first ones by name.
const MOST_CURRENCIES: usize = 8;

/// What is said of one table.
#[derive(Debug, Default, PartialEq, Eq)]
struct TableBill {
    table: String,
    metric: String,
    is_monthly: bool,
    slot: NaiveDate,
    left_out: usize,
    /// Cost of the day and of the month, by currency.
    costs: BTreeMap<String, (i128, i128)>,
}

/// The families of the bill as Prometheus text, without the end mark; `tables` are in order of their tables.
pub(super) fn text(tables: &[(JobState, Seen)]) -> String {
    let of_table = tables.chunk_by(|a, b| a.0.job.unit.table == b.0.job.unit.table);
    let bills: Vec<TableBill> = of_table.filter_map(table_bill).collect();
    let daily = || bills.iter().filter(|bill| !bill.is_monthly);
    let mut text = String::new();
    family(&mut text, "cost_newest_day", daily().flat_map(|bill| amounts(bill, |(day, _)| *day)));
    family(
        &mut text,
        "cost_newest_day_timestamp_seconds",
        daily().map(|bill| (labels(&[("table", &bill.table)]), began(bill.slot))),
    );
    family(&mut text, "cost_month_to_date", bills.iter().flat_map(|bill| amounts(bill, |(_, month)| *month)));
    family(
        &mut text,
        "cost_month_timestamp_seconds",
        bills.iter().map(|bill| (labels(&[("table", &bill.table)]), began(first_of_month(bill.slot)))),
    );
    family(
        &mut text,
        "cost_accounts_left_out",
        bills.iter().map(|bill| (labels(&[("table", &bill.table)]), bill.left_out.to_string())),
    );
    text
}

/// The bill of the units of one table; `None` if it has no costs or no day yet.
fn table_bill(units: &[(JobState, Seen)]) -> Option<TableBill> {
    let bills: Vec<&Bill> = units.iter().filter_map(|(_, seen)| seen.known.as_ref()?.glance.bill.as_ref()).collect();
    added_up(&units.first()?.0.job.unit.table, units.len(), &bills)
}

/// The bills of those of a table's `units` of which something is known, added up.
fn added_up(table: &str, units: usize, bills: &[&Bill]) -> Option<TableBill> {
    let (first, slot) = (bills.first()?, newest_of_most(bills)?);
    let with_slot: Vec<&&Bill> = bills.iter().filter(|bill| bill.slots.contains(&slot)).collect();
    let mut costs: BTreeMap<String, (i128, i128)> = BTreeMap::new();
    for cost in with_slot.iter().flat_map(|bill| &bill.costs).filter(|cost| cost.slot == slot) {
        let sums = costs.entry(cost.currency.as_deref().unwrap_or_default().to_owned()).or_default();
        *sums = (sums.0.saturating_add(cost.day), sums.1.saturating_add(cost.month));
    }
    Some(TableBill {
        table: table.to_owned(),
        metric: first.metric.clone(),
        is_monthly: first.is_monthly,
        slot,
        left_out: units - with_slot.len(),
        costs: costs.into_iter().take(MOST_CURRENCIES).collect(),
    })
}

/// The slot that is the newest one of most units; of several the latest.
fn newest_of_most(bills: &[&Bill]) -> Option<NaiveDate> {
    let mut counts: BTreeMap<NaiveDate, usize> = BTreeMap::new();
    for newest in bills.iter().filter_map(|bill| bill.slots.last()) {
        *counts.entry(*newest).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(slot, count)| (*count, *slot)).map(|(slot, _)| slot)
}

fn amounts(bill: &TableBill, of: impl Fn(&(i128, i128)) -> i128) -> impl Iterator<Item = (String, String)> {
    bill.costs.iter().map(move |(currency, sums)| {
        let labels = labels(&[("table", &bill.table), ("currency", currency), ("metric", &bill.metric)]);
        (labels, decimal::text(of(sums)))
    })
}

fn began(day: NaiveDate) -> String {
    day.and_time(NaiveTime::MIN).and_utc().timestamp().to_string()
}

fn labels(pairs: &[(&str, &str)]) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    pairs.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect::<Vec<_>>().join(",")
}

fn family(text: &mut String, name: &str, values: impl Iterator<Item = (String, String)>) {
    let help = help(name);
    for (index, (labels, value)) in values.enumerate() {
        // Writing to a String never fails.
        if index == 0 {
            let _ = writeln!(text, "# HELP costlake_{name} {help}.\n# TYPE costlake_{name} gauge");
        }
        let _ = writeln!(text, "costlake_{name}{{{labels}}} {value}");
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::{Bill, MOST_CURRENCIES, TableBill, added_up, amounts, newest_of_most};
    use crate::scheduler::bill::Cost;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    fn bill(slots: &[&str]) -> Bill {
        let slots = slots.iter().map(|text| day(text)).collect();
        Bill { metric: "unblended_cost".to_owned(), is_monthly: false, slots, costs: Vec::new() }
    }

    fn with_cost(mut bill: Bill, slot: &str, currency: Option<&str>, of_day: i128, month: i128) -> Bill {
        bill.costs.push(Cost { slot: day(slot), currency: currency.map(Into::into), day: of_day, month });
        bill
    }

    #[test]
    fn the_day_is_the_newest_one_of_most_accounts() {
        let (late, on_time, early) =
            (bill(&["2026-11-03"]), bill(&["2026-11-08", "2026-11-09"]), bill(&["2026-11-09", "2026-11-10"]));
        let (before, after) = (Some(day("2026-11-09")), Some(day("2026-11-10")));
        assert_eq!(newest_of_most(&[&late, &on_time, &on_time]), before, "one that fails for good holds nothing back");
        assert_eq!(newest_of_most(&[&on_time, &on_time, &early]), before, "before half of a night is done");
        assert_eq!(newest_of_most(&[&on_time, &early]), after, "of two the later one");
        assert_eq!(newest_of_most(&[&bill(&[])]), None);
    }

    #[test]
    fn accounts_are_added_up_for_one_day_and_the_others_counted() {
        let both = ["2026-11-08", "2026-11-09"];
        let one = with_cost(bill(&both), "2026-11-09", Some("USD"), 5, 50);
        let one = with_cost(one, "2026-11-08", Some("USD"), 1_000, 1_000);
        let two = with_cost(bill(&both), "2026-11-09", Some("USD"), 7, 70);
        let two = with_cost(two, "2026-11-09", Some("GBP"), 0, 3);
        let late = with_cost(bill(&["2026-11-03"]), "2026-11-03", Some("USD"), 1_000, 1_000);
        let unread = 2;
        let found = added_up("costs", 3 + unread, &[&one, &two, &late]).expect("a bill");
        let costs = [("GBP".to_owned(), (0, 3)), ("USD".to_owned(), (12, 120))];
        assert_eq!((found.slot, found.left_out, found.costs), (day("2026-11-09"), 1 + unread, costs.into()));
        assert_eq!(added_up("costs", 2, &[]), None);
        assert_eq!(added_up("costs", 2, &[&bill(&[])]), None);
    }

    #[test]
    fn a_table_has_so_many_currencies_and_no_more() {
        let names: Vec<String> = (b'A'..=b'Z').map(|letter| format!("XX{}", char::from(letter))).collect();
        let one = |all: Bill, name: &String| with_cost(all, "2026-11-09", Some(name), 1, 1);
        let many = names.iter().fold(bill(&["2026-11-09"]), one);
        let found = added_up("costs", 1, &[&many]).expect("a bill").costs;
        assert!(found.into_keys().eq(names.into_iter().take(MOST_CURRENCIES)));
    }

    #[test]
    fn labels_and_amounts_are_written_as_they_are() {
        let bill = TableBill {
            table: "costs".to_owned(),
            metric: "unblended_cost".to_owned(),
            costs: [("U\"S\\D\n".to_owned(), (-1, 123_456_789_012_345_678_901))].into(),
            ..TableBill::default()
        };
        let written: Vec<_> = amounts(&bill, |(_, month)| *month).chain(amounts(&bill, |(day, _)| *day)).collect();
        let labels = r#"table="costs",currency="U\"S\\D\n",metric="unblended_cost""#.to_owned();
        let expected = [(labels.clone(), "123456789.012345678901".to_owned()), (labels, "-0.000000000001".to_owned())];
        assert_eq!(written, expected);
    }
}
