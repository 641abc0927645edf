//! What the newest days of a unit cost, by currency: from the sums that its ledger keeps, so that no object is read. Pure.
//!
//! A ledger keeps the sums of decimals alone: the costs of Datadog, which are doubles, have no bill here.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use crate::answer::{Measure, Question};
use crate::decimal;
use crate::job::Job;
use crate::ledger::Ledger;
use crate::table::ColumnType;
use crate::window::{Grain, first_of_month, month_start};

/// Days (or months) that are kept: accounts of one table may have been read some nights apart.
const KEPT: usize = 8;

/// The newest days of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The column that is added up, as on the page of the table.
    pub metric: String,
    /// Whether a slot is a month, so that nothing is known of a day.
    pub is_monthly: bool,
    /// The newest slots that have been read, oldest first. A day that has not ended is none of them.
    pub slots: Vec<NaiveDate>,
    /// Their costs; none of a slot whose month has no row up to it.
    pub costs: Vec<Cost>,
}

/// The cost of a slot in one currency. Amounts are counts of 10^-12.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// The slot.
    pub slot: NaiveDate,
    /// Its currency, where the rows name one.
    pub currency: Option<Arc<str>>,
    /// What the slot cost.
    pub day: i128,
    /// What its month cost from the 1st up to the slot, with it.
    pub month: i128,
}

/// Currency and sum of each slot.
type Sums = BTreeMap<NaiveDate, (Option<Arc<str>>, i128)>;

impl Bill {
    /// The bill of a unit at `now`; `None` for a table that has no costs, or none with exact sums.
    #[must_use]
    pub fn of(job: &Job, ledger: &Ledger, now: DateTime<Utc>) -> Option<Self> {
        let table = job.source.table();
        let question = Question::of_costs(table).filter(|_| !job.entry.rules.snapshot)?;
        let Measure::Column(index) = question.measure else { return None };
        let column = &table.columns()[index];
        if column.kind != ColumnType::Decimal {
            return None;
        }
        let grain = job.source.grain();
        let is_monthly = grain == Grain::Monthly;
        let has_ended = |slot: NaiveDate| is_monthly || grain.slot_window(slot).end() <= now.date_naive();
        let facts = || ledger.facts().filter(|(slot, _)| has_ended(*slot));
        // The months of all slots that are kept.
        let months = if is_monthly { KEPT } else { 1 };
        let newest = facts().map(|(slot, _)| slot).max();
        let first = newest.map(|newest| month_start(newest, -i32::try_from(months).unwrap_or(0)));
        let mut sums = Sums::new();
        let mut named: Option<Arc<str>> = None;
        for (slot, facts) in facts().filter(|(slot, _)| Some(*slot) >= first) {
            let sum = facts.sums.get(&column.name).and_then(|text| decimal::parse(text).ok()).unwrap_or(0);
            let currency = facts.currency.as_deref().map(|name| match &named {
                Some(known) if **known == *name => Arc::clone(known),
                _ => Arc::clone(named.insert(name.into())),
            });
            sums.insert(slot, (currency, sum));
        }
        let mut slots: Vec<NaiveDate> = sums.keys().rev().take(KEPT).copied().collect();
        slots.reverse();
        let costs = slots.iter().flat_map(|slot| costs(&sums, *slot)).collect();
        Some(Self { metric: column.name.clone(), is_monthly, slots, costs })
    }
}

/// The costs of a slot and of its month up to it. A day without rows has no currency and costs nothing.
fn costs(sums: &Sums, slot: NaiveDate) -> Vec<Cost> {
    let mut found: Vec<Cost> = Vec::new();
    for (day, (currency, sum)) in sums.range(first_of_month(slot)..=slot) {
        if currency.is_none() && *sum == 0 {
            continue;
        }
        let of_slot = if *day == slot { *sum } else { 0 };
        match found.iter_mut().find(|cost| cost.currency == *currency) {
            Some(cost) => {
                cost.month = cost.month.saturating_add(*sum);
                cost.day = of_slot;
            }
            None => found.push(Cost { slot, currency: currency.clone(), day: of_slot, month: *sum }),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::{Sums, costs};

    /// Currency, day and month.
    type Found = (String, i128, i128);

    #[test]
    fn a_month_is_added_up_to_its_day_and_two_currencies_never() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let of = |text: &str, currency: Option<&str>, sum: i128| (day(text), (currency.map(Into::into), sum));
        let sums = Sums::from([
            of("2026-10-31", Some("USD"), 1_000),
            of("2026-11-01", Some("USD"), 5),
            of("2026-11-02", Some("GBP"), 7),
            of("2026-11-03", None, 0),
            of("2026-11-04", Some("USD"), -2),
            of("2026-11-05", Some("USD"), 100),
        ]);
        let found = |text: &str| {
            let costs = costs(&sums, day(text));
            costs.iter().map(|cost| (cost.currency.as_deref().unwrap_or("").to_owned(), cost.day, cost.month)).collect()
        };
        let dollars = |day, month| ("USD".to_owned(), day, month);
        let pounds = |day, month| ("GBP".to_owned(), day, month);
        let all: [(&str, Vec<Found>); 5] = [
            ("2026-11-04", vec![dollars(-2, 3), pounds(0, 7)]),
            ("2026-11-03", vec![dollars(0, 5), pounds(0, 7)]),
            ("2026-11-02", vec![dollars(0, 5), pounds(7, 7)]),
            ("2026-11-01", vec![dollars(5, 5)]),
            ("2026-10-31", vec![dollars(1_000, 1_000)]),
        ];
        for (text, expected) in all {
            let found: Vec<Found> = found(text);
            assert_eq!(found, expected, "{text}");
        }
    }
}
