//! Totals: what the API says a day costs without any grouping, and whether the rows of a day add up to it.
//!
//! One ungrouped request answers every day of a table (some 400 rows, one page, 0.01 USD; of 14 days of hours, 336).
//! It serves twice:
//!
//! | as | means |
//! |---|---|
//! | the probe | a day whose total or estimate flag differs from the ledger's has moved and is due |
//! | the control sum | rows that do not add up to the total are not committed |
//!
//! Each group is rounded to ten decimals by the API on its own, so sums may differ from the total by
//! `(groups + 1) x 10^-10`. Usage quantities are compared too, but only reported: the API adds them up over units.

use std::collections::BTreeMap;
use std::fmt;

use arrow::array::RecordBatch;
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

/// Totals by slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(pub BTreeMap<NaiveDate, SlotTotals>);

/// What the API says of one slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotTotals {
    /// Sum of each amount column, as decimal text.
    pub sums: Sums,
    /// Whether it is an estimate.
    pub estimated: bool,
    /// Periods that were added up: 24 for a day of hours, else 1.
    pub periods: u64,
}

/// A column whose rows do not add up to the total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The slot.
    pub slot: NaiveDate,
    /// The column.
    pub column: String,
    /// What the rows add up to.
    pub rows: String,
    /// What the API says.
    pub total: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: the rows add up to {}, the API's total is {}", self.slot, self.column, self.rows, self.total)
    }
}

impl Totals {
    /// The totals in an ungrouped answer, whose rows are one per period.
    ///
    /// # Errors
    /// When a sum leaves the range of the column.
    pub fn of(table: &Table, grain: Grain, fetched: &Fetched) -> Result<Self> {
        let sorted = rows::sort(table, &fetched.rows)?;
        let mut found = BTreeMap::new();
        for (slot, batch) in rows::split_by_slot(table, grain, &sorted)? {
            found.insert(slot, slot_totals(table, &batch, fetched.estimated.contains(&slot))?);
        }
        Ok(Self(found))
    }

    /// Takes over newer totals of some slots.
    pub fn update(&mut self, newer: Self) {
        self.0.extend(newer.0);
    }

    /// The totals of `slot` for the amount columns of `table` only.
    #[must_use]
    pub fn narrowed(&self, table: &Table, slot: NaiveDate) -> Option<SlotTotals> {
        let whole = self.0.get(&slot)?;
        let sums = whole.sums.only(|name| table.columns().iter().any(|column| column.name == name));
        Some(SlotTotals { sums, ..*whole })
    }
}

fn slot_totals(table: &Table, batch: &RecordBatch, estimated: bool) -> Result<SlotTotals> {
    Ok(SlotTotals { sums: rows::sums(table, batch)?, estimated, periods: batch.num_rows() as u64 })
}

/// The columns whose rows miss the total by more than rounding explains; a column without a total is not compared.
#[must_use]
pub fn differences(slot: NaiveDate, facts: &DayFacts, totals: &SlotTotals) -> Vec<Difference> {
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
        let totals = SlotTotals { sums: sums(total), estimated: false, periods: 1 };
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
