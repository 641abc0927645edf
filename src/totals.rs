//! Totals: the cost of a day by the API, without any grouping, and whether the rows of the day add up to it.
//!
//! One ungrouped request returns every day of a table (some 400 rows, one page, 0.01 USD; for 14 days of hours, 336).
//! It has two uses:
//!
//! | as | means |
//! |---|---|
//! | the probe | a day whose total, its currency or estimate flag differs from the ledger's has moved and is due |
//! | the control sum | rows that do not add up to the total, or are in another currency, are not committed |
//!
//! The API rounds each group to ten decimals, so sums may differ from the total by `(groups + 1) x 10^-10`. Usage
//! quantities are compared too, but only reported: the API adds them up across units.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::NaiveDate;

use crate::decimal;
use crate::error::Result;
use crate::generation::{DayFacts, rows};
use crate::sources::Fetched;
use crate::sums::Sums;
use crate::table::Table;
use crate::window::Grain;

/// One unit in the last place of an API amount, as a count of 10^-12.
const ROUNDING: i128 = 100;

/// Name of the currency column.
pub const CURRENCY: &str = "currency";

/// Totals by slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(pub BTreeMap<NaiveDate, SlotTotals>);

/// The API's totals of one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotTotals {
    /// Sum of each amount column, as decimal text.
    pub sums: Sums,
    /// Currency of the costs, if the answer names one.
    pub currency: Option<String>,
    /// Whether it is an estimate.
    pub estimated: bool,
    /// Periods that were added up: 24 for a day of hours, else 1.
    pub periods: u64,
}

/// A column whose rows do not add up to the total, or [`CURRENCY`] if their currency differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The slot.
    pub slot: NaiveDate,
    /// The column.
    pub column: String,
    /// The sum of the rows.
    pub rows: String,
    /// The API's total.
    pub total: String,
}

impl Difference {
    /// Whether the rows are in another currency than the total, so that their amounts cannot be compared.
    #[must_use]
    pub fn is_of_currency(&self) -> bool {
        self.column == CURRENCY
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slot, column, rows, total } = self;
        if self.is_of_currency() {
            return write!(f, "{slot}: the rows are in {rows}, the API's total is in {total}");
        }
        write!(f, "{slot} {column}: the rows add up to {rows}, the API's total is {total}")
    }
}

impl Totals {
    /// The totals of an ungrouped answer, which has one row per period.
    ///
    /// # Errors
    /// When a sum exceeds the range of the column.
    pub fn of(table: &Table, grain: Grain, fetched: &Fetched) -> Result<Self> {
        let sorted = rows::sort(table, &fetched.rows)?;
        let mut found = BTreeMap::new();
        for (slot, batch) in rows::split_by_slot(table, grain, &sorted)? {
            let sums = rows::sums(table, &batch, &BTreeSet::new())?;
            let (currency, estimated) = (fetched.currencies.get(&slot).cloned(), fetched.estimated.contains(&slot));
            found.insert(slot, SlotTotals { sums, currency, estimated, periods: batch.num_rows() as u64 });
        }
        Ok(Self(found))
    }

    /// Replaces the totals of some slots with newer ones.
    pub fn update(&mut self, newer: Self) {
        self.0.extend(newer.0);
    }

    /// The totals of `slot` for the amount columns of `table` only.
    #[must_use]
    pub fn narrowed(&self, table: &Table, slot: NaiveDate) -> Option<SlotTotals> {
        let whole = self.0.get(&slot)?;
        let sums = whole.sums.only(|name| table.columns().iter().any(|column| column.name == name));
        Some(SlotTotals { sums, ..whole.clone() })
    }
}

/// Whether two currencies are both known and differ.
#[must_use]
pub fn are_unlike(a: Option<&String>, b: Option<&String>) -> bool {
    a.zip(b).is_some_and(|(a, b)| a != b)
}

/// The columns whose rows miss the total by more than rounding explains; a column without a total is not compared. If
/// the currencies differ, that is the only difference returned.
#[must_use]
pub fn differences(slot: NaiveDate, facts: &DayFacts, totals: &SlotTotals) -> Vec<Difference> {
    if let (Some(rows), Some(total)) = (&facts.currency, &totals.currency)
        && rows != total
    {
        let (rows, total) = (rows.clone(), total.clone());
        return vec![Difference { slot, column: CURRENCY.to_owned(), rows, total }];
    }
    let tolerance = i128::from(facts.rows + totals.periods.max(1)) * ROUNDING;
    let beyond = |(column, rows): (&str, &str)| {
        let total = totals.sums.get(column)?;
        let gap = decimal::parse(rows).ok()?.checked_sub(decimal::parse(total).ok()?)?;
        (gap.abs() > tolerance).then(|| Difference {
            slot,
            column: column.to_owned(),
            rows: rows.to_owned(),
            total: total.to_owned(),
        })
    };
    facts.sums.iter().filter_map(beyond).collect()
}

#[cfg(test)]
mod tests {
    use super::{SlotTotals, differences};
    use crate::generation::DayFacts;
    use crate::sums::Sums;
    use chrono::NaiveDate;
    use std::collections::BTreeSet;

    fn gap(rows: u64, sum: &str, total: &str) -> usize {
        let sums = |text: &str| [("unblended_cost", text)].into_iter().collect();
        let facts = DayFacts {
            rows,
            digest: String::new(),
            sums: sums(sum),
            currency: None,
            estimated: false,
            epoch: 1,
            read_for: BTreeSet::new(),
            totals: Sums::default(),
        };
        let totals = SlotTotals { sums: sums(total), currency: None, estimated: false, periods: 1 };
        differences(NaiveDate::default(), &facts, &totals).len()
    }

    #[test]
    fn rounding_of_the_groups_is_no_difference_and_a_cent_is() {
        assert_eq!(gap(2, "1", "1.0000000003"), 0, "three roundings explain it");
        assert_eq!(gap(2, "1", "1.0000000004"), 1);
        assert_eq!(gap(2, "1", "1.01"), 1);
        assert_eq!(gap(0, "0", "0"), 0);
        assert_eq!(gap(0, "0", "12.5"), 1, "rows that are missing altogether are found");
    }
}
