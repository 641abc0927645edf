//! How the rows of a slot changed: how many were added, removed and changed.
//!
//! ```text
//!  before, in key order ──┐
//!                         ├─► merge walk ─► only after: added │ only before: removed │ in both, other values: changed
//!  after, in key order  ──┘
//! ```
//! Columns outside the digest are ignored, and those that the rows before do not hold: a row that differs only there is
//! unchanged.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, RecordBatch};
use arrow::compute::SortOptions;
use arrow::datatypes::Decimal128Type;
use arrow::error::ArrowError;
use arrow::row::{RowConverter, Rows, SortField};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::table::Table;

/// How the rows of a slot differ from those they replaced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Changes {
    /// Rows whose key is new.
    pub added: u64,
    /// Rows whose key is gone.
    pub removed: u64,
    /// Rows of the same key with another value in a column the digest covers.
    pub changed: u64,
}

/// Compares the rows of one slot; both batches are in the order of the table's sort key, without duplicate keys. Those
/// before were read for these queries.
///
/// # Errors
/// [`Kind::Internal`] when a column cannot be compared.
pub fn between(
    table: &Table,
    read_for: &BTreeSet<String>,
    before: &RecordBatch,
    after: &RecordBatch,
) -> Result<Changes> {
    let digested: Vec<usize> = table.digested(read_for).collect();
    let (old_keys, new_keys) = comparable(table, table.sort_key(), before, after)?;
    let (old_rows, new_rows) = comparable(table, &digested, before, after)?;
    let (mut old, mut new) = (0, 0);
    let mut changes = Changes::default();
    while old < before.num_rows() || new < after.num_rows() {
        let order = match (old < before.num_rows(), new < after.num_rows()) {
            (true, true) => old_keys.row(old).cmp(&new_keys.row(new)),
            (true, false) => Ordering::Less,
            _ => Ordering::Greater,
        };
        match order {
            Ordering::Less => changes.removed += 1,
            Ordering::Greater => changes.added += 1,
            Ordering::Equal => changes.changed += u64::from(old_rows.row(old) != new_rows.row(new)),
        }
        old += usize::from(order.is_le());
        new += usize::from(order.is_ge());
    }
    Ok(changes)
}

/// How far an amount column of one slot moved: the sum of the absolute differences of its rows, where a missing row
/// counts as zero; batches as for [`between`].
///
/// # Errors
/// [`Kind::Internal`] when a column cannot be compared.
pub fn moved(table: &Table, before: &RecordBatch, after: &RecordBatch, column: &str) -> Result<i128> {
    let (old_keys, new_keys) = comparable(table, table.sort_key(), before, after)?;
    let (old_amounts, new_amounts) = (amounts(before, column)?, amounts(after, column)?);
    let (mut old, mut new, mut sum) = (0, 0, 0_i128);
    while old < before.num_rows() || new < after.num_rows() {
        let order = match (old < before.num_rows(), new < after.num_rows()) {
            (true, true) => old_keys.row(old).cmp(&new_keys.row(new)),
            (true, false) => Ordering::Less,
            _ => Ordering::Greater,
        };
        let amount_before = if order.is_le() { amount(old_amounts, old) } else { 0 };
        let amount_after = if order.is_ge() { amount(new_amounts, new) } else { 0 };
        sum = sum.saturating_add(amount_after.saturating_sub(amount_before).saturating_abs());
        old += usize::from(order.is_le());
        new += usize::from(order.is_ge());
    }
    Ok(sum)
}

/// The sum of the absolute amounts of a column.
///
/// # Errors
/// [`Kind::Internal`] when the column is not a decimal.
pub fn gross(rows: &RecordBatch, column: &str) -> Result<i128> {
    let amounts = amounts(rows, column)?;
    let sizes = (0..rows.num_rows()).map(|row| amount(amounts, row).saturating_abs());
    Ok(sizes.fold(0_i128, i128::saturating_add))
}

fn amounts<'a>(rows: &'a RecordBatch, column: &str) -> Result<&'a Decimal128Array> {
    let amounts = rows.column_by_name(column).and_then(|column| column.as_primitive_opt::<Decimal128Type>());
    amounts.ok_or_else(|| Error::new(Kind::Internal, "an amount column is no decimal").at("column", column))
}

fn amount(amounts: &Decimal128Array, row: usize) -> i128 {
    if amounts.is_valid(row) { amounts.value(row) } else { 0 }
}

/// Some columns of both batches, as bytes that compare like the values.
fn comparable(table: &Table, columns: &[usize], before: &RecordBatch, after: &RecordBatch) -> Result<(Rows, Rows)> {
    let failed =
        |error: ArrowError| Error::new(Kind::Internal, "cannot compare the rows of two generations").because(error);
    let options = SortOptions { descending: false, nulls_first: true };
    let fields = columns
        .iter()
        .map(|index| SortField::new_with_options(table.columns()[*index].kind.arrow(), options))
        .collect();
    let converter = RowConverter::new(fields).map_err(failed)?;
    let rows = |batch: &RecordBatch| {
        let arrays: Vec<ArrayRef> = columns.iter().map(|index| batch.column(*index).clone()).collect();
        converter.convert_columns(&arrays).map_err(failed)
    };
    Ok((rows(before)?, rows(after)?))
}

#[cfg(test)]
mod tests {
    use super::{Changes, between};
    use crate::generation::{digest, rows};
    use crate::table::{Column, ColumnType, Table};
    use arrow::array::{ArrayRef, Date32Array, Decimal128Array, RecordBatch, StringArray};
    use proptest::prelude::{Strategy, any, prop};
    use proptest::{prop_assert_eq, proptest};
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    const ALL: &BTreeSet<String> = &BTreeSet::new();

    /// By service: name (outside the digest) and amount.
    type Content = BTreeMap<String, (Option<u8>, Option<i8>)>;

    fn table() -> Table {
        let column = |name: &str, kind| Column {
            name: name.to_owned(),
            kind,
            nullable: true,
            key: None,
            doc: "a column".to_owned(),
            sums: None,
            chart: None,
            assigned: false,
        };
        let columns = vec![
            column("usage_date", ColumnType::Date),
            column("service", ColumnType::String),
            column("name", ColumnType::String),
            column("cost", ColumnType::Decimal),
        ];
        Table::new(columns, &["usage_date", "service"], &["name"])
    }

    fn batch(table: &Table, content: &Content) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Date32Array::from(vec![20_000; content.len()])),
            Arc::new(StringArray::from_iter_values(content.keys())),
            Arc::new(content.values().map(|(name, _)| name.map(|name| name.to_string())).collect::<StringArray>()),
            Arc::new(
                content
                    .values()
                    .map(|(_, cost)| cost.map(i128::from))
                    .collect::<Decimal128Array>()
                    .with_precision_and_scale(38, 12)
                    .expect("a decimal"),
            ),
        ];
        let batch = RecordBatch::try_new(table.schema().clone(), columns).expect("a batch");
        rows::sort(table, &batch).expect("sorted")
    }

    fn of(before: &[(&str, i8)], after: &[(&str, i8)]) -> (u64, u64, u64) {
        let content = |rows: &[(&str, i8)]| {
            rows.iter().map(|(service, cost)| ((*service).to_owned(), (None, Some(*cost)))).collect::<Content>()
        };
        let table = table();
        let Changes { added, removed, changed } =
            between(&table, ALL, &batch(&table, &content(before)), &batch(&table, &content(after))).expect("changes");
        (added, removed, changed)
    }

    #[test]
    fn rows_are_added_removed_and_changed() {
        assert_eq!(of(&[], &[]), (0, 0, 0));
        assert_eq!(of(&[], &[("a", 1), ("b", 2)]), (2, 0, 0));
        assert_eq!(of(&[("a", 1), ("b", 2)], &[]), (0, 2, 0));
        assert_eq!(of(&[("a", 1), ("b", 2), ("d", 4)], &[("a", 1), ("c", 3), ("d", 5)]), (1, 1, 1));
        assert_eq!(of(&[("b", 1)], &[("a", 1), ("b", 1), ("c", 1)]), (2, 0, 0));
    }

    #[test]
    fn an_absent_value_is_not_zero() {
        let table = table();
        let content = |cost| batch(&table, &[("a".to_owned(), (None, cost))].into());
        assert_eq!(between(&table, ALL, &content(None), &content(Some(0))).expect("changes").changed, 1);
        assert_eq!(between(&table, ALL, &content(None), &content(None)).expect("changes").changed, 0);
    }

    fn contents() -> impl Strategy<Value = Content> {
        prop::collection::btree_map("[ab]{0,2}", (any::<Option<u8>>(), prop::option::of(0_i8..2)), 0..8)
    }

    proptest! {
        #[test]
        fn it_is_what_looking_up_every_key_tells(before in contents(), after in contents()) {
            let table = table();
            let (old, new) = (batch(&table, &before), batch(&table, &after));
            let found = between(&table, ALL, &old, &new).expect("changes");
            let count = |rows: &Content, is: &dyn Fn(&String, &Option<i8>) -> bool| {
                rows.iter().filter(|(key, (_, cost))| is(key, cost)).count() as u64
            };
            let expected = Changes {
                added: count(&after, &|key, _| !before.contains_key(key)),
                removed: count(&before, &|key, _| !after.contains_key(key)),
                changed: count(&after, &|key, cost| before.get(key).is_some_and(|(_, old)| old != cost)),
            };
            prop_assert_eq!(found, expected);
            let digest = |rows: &RecordBatch| digest::of_rows(&table, rows, ALL).expect("a digest");
            let same = digest(&old) == digest(&new);
            prop_assert_eq!(found == Changes::default(), same, "no change, and the same digest, are one thing");
            let back = between(&table, ALL, &new, &old).expect("changes");
            prop_assert_eq!((back.added, back.removed, back.changed), (found.removed, found.added, found.changed));
        }
    }
}
