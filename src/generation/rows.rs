//! Rows of a table: sorted, checked, split by slot and summed.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, TimestampMillisecondType};
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, NaiveDate};

use crate::decimal;
use crate::error::{Error, Kind, Result};
use crate::table::Table;
use crate::window::Grain;

/// The rows in the order of the table's sort key.
///
/// # Errors
/// [`Kind::Internal`] when a column cannot be ordered.
pub fn sort(table: &Table, rows: &RecordBatch) -> Result<RecordBatch> {
    if rows.num_rows() < 2 {
        return Ok(rows.clone());
    }
    let options = Some(SortOptions { descending: false, nulls_first: true });
    let columns: Vec<SortColumn> =
        table.sort_key().iter().map(|index| SortColumn { values: rows.column(*index).clone(), options }).collect();
    lexsort_to_indices(&columns, None)
        .and_then(|order| take_record_batch(rows, &order))
        .map_err(|error| Error::new(Kind::Internal, "cannot sort the rows of an answer").because(error))
}

/// Checks that no two rows share the sort key; `rows` are sorted.
///
/// # Errors
/// [`Kind::BadAnswer`] naming the key that stands twice.
pub fn check_unique(table: &Table, rows: &RecordBatch) -> Result<()> {
    for row in 1..rows.num_rows() {
        let twice = table.sort_key().iter().rev().all(|index| same(rows.column(*index).as_ref(), row - 1, row));
        if twice {
            let key: Vec<String> = table
                .sort_key()
                .iter()
                .map(|index| array_value_to_string(rows.column(*index), row).unwrap_or_default())
                .collect();
            return Err(Error::new(Kind::BadAnswer, format!("the answer has the row {} twice", key.join(" / ")))
                .advise(
                    "run again; if it stays, the API contradicts itself: report it with the request id of the log",
                ));
        }
    }
    Ok(())
}

fn same(array: &dyn Array, a: usize, b: usize) -> bool {
    if array.is_null(a) || array.is_null(b) {
        return array.is_null(a) && array.is_null(b);
    }
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(a) == array.as_string::<i32>().value(b),
        _ => array.slice(a, 1).to_data() == array.slice(b, 1).to_data(),
    }
}

/// Cuts sorted rows into one batch per slot, without copying.
///
/// # Errors
/// [`Kind::Internal`] when the first column of the sort key is no time, [`Kind::Store`] when rows are out of order.
pub fn split_by_slot(table: &Table, grain: Grain, rows: &RecordBatch) -> Result<BTreeMap<NaiveDate, RecordBatch>> {
    let mut days = BTreeMap::new();
    let mut from = 0;
    for row in 0..rows.num_rows() {
        let slot = slot_of(table, grain, rows, row)?;
        let ends = row + 1 == rows.num_rows() || slot_of(table, grain, rows, row + 1)? != slot;
        if ends {
            if days.insert(slot, rows.slice(from, row + 1 - from)).is_some() {
                return Err(Error::new(Kind::Store, format!("the rows of {slot} do not stand together")));
            }
            from = row + 1;
        }
    }
    Ok(days)
}

fn slot_of(table: &Table, grain: Grain, rows: &RecordBatch, row: usize) -> Result<NaiveDate> {
    let time = table.sort_key().first().map(|index| rows.column(*index));
    let day = time.and_then(|time| {
        let date = time.as_primitive_opt::<Date32Type>().and_then(|days| days.value_as_date(row));
        date.or_else(|| {
            let millis = time.as_primitive_opt::<TimestampMillisecondType>()?.value(row);
            DateTime::from_timestamp_millis(millis).map(|at| at.date_naive())
        })
    });
    day.map(|day| grain.slot_of(day)).ok_or_else(|| Error::new(Kind::Internal, "the table has no time column"))
}

/// The sum of every amount column as decimal text, by column name.
///
/// # Errors
/// [`Kind::BadAnswer`] when a sum leaves the range of `DECIMAL(38,12)`.
pub fn sums(table: &Table, rows: &RecordBatch) -> Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    for index in table.amounts() {
        let name = &table.columns()[index].name;
        let amounts = rows.column(index).as_primitive_opt::<Decimal128Type>();
        let amounts = amounts.ok_or_else(|| Error::new(Kind::Internal, "an amount column is no decimal"))?;
        let sum = amounts.iter().flatten().try_fold(0_i128, i128::checked_add);
        let sum = sum.ok_or_else(|| Error::new(Kind::BadAnswer, format!("the sum of {name} is too large")))?;
        sums.insert(name.clone(), decimal::text(sum));
    }
    Ok(sums)
}
