//! Rows of a table: sorted, checked, split by slot and summed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use arrow::array::{
    Array, ArrayRef, AsArray, DynComparator, PrimitiveArray, RecordBatch, UInt32Array, make_comparator,
};
use arrow::compute::{SortOptions, sort_to_indices, take_record_batch};
use arrow::datatypes::{Date32Type, Decimal128Type, TimestampMillisecondType};
use arrow::error::ArrowError;
use arrow::util::display::array_value_to_string;
use chrono::{DateTime, NaiveDate};

use crate::decimal;
use crate::error::{Error, Kind, Result};
use crate::sums::Sums;
use crate::table::Table;
use crate::window::Grain;

/// The rows in the table's order. Most readers return them in this order already, which is checked without copying.
///
/// # Errors
/// [`Kind::Internal`] when a column cannot be ordered.
pub fn sort(table: &Table, rows: &RecordBatch) -> Result<RecordBatch> {
    let neighbours = Neighbours::of(table.order(), rows)?;
    if (1..rows.num_rows()).all(|row| neighbours.compare(row).is_le()) {
        return Ok(rows.clone());
    }
    let ranks: Vec<Vec<u32>> = table.order().map(|index| ranks(rows.column(index))).collect::<Result<_>>()?;
    let mut order: Vec<u32> = (0..rows.num_rows() as u32).collect();
    order.sort_unstable_by(|a, b| {
        let mut columns = ranks.iter().map(|ranks| ranks[*a as usize].cmp(&ranks[*b as usize]));
        columns.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    take_record_batch(rows, &UInt32Array::from(order)).map_err(unordered)
}

fn unordered(error: ArrowError) -> Error {
    Error::new(Kind::Internal, "cannot sort the rows of an answer").because(error)
}

/// The rank of each value among the distinct values of its column, so that the sort compares integers.
fn ranks(column: &ArrayRef) -> Result<Vec<u32>> {
    if let Some(texts) = column.as_string_opt::<i32>() {
        let mut different: Vec<Option<&str>> = texts.iter().collect::<HashSet<_>>().into_iter().collect();
        different.sort_unstable();
        let places: HashMap<Option<&str>, u32> = different.into_iter().zip(0..).collect();
        return Ok(texts.iter().map(|text| places[&text]).collect());
    }
    let order = sort_to_indices(column, Some(SORT), None).map_err(unordered)?;
    let compare = make_comparator(column, column, SORT).map_err(unordered)?;
    let (mut ranks, mut rank, mut before) = (vec![0; column.len()], 0, None);
    for row in order.values().iter().map(|row| *row as usize) {
        rank += u32::from(before.is_some_and(|before| compare(before, row).is_ne()));
        ranks[row] = rank;
        before = Some(row);
    }
    Ok(ranks)
}

const SORT: SortOptions = SortOptions { descending: false, nulls_first: true };

/// Compares each row with the one before it by some columns.
struct Neighbours(Vec<DynComparator>);

impl Neighbours {
    fn of(columns: impl Iterator<Item = usize>, rows: &RecordBatch) -> Result<Self> {
        let of_column = |index: usize| make_comparator(rows.column(index), rows.column(index), SORT);
        let comparators: std::result::Result<_, _> = columns.map(of_column).collect();
        comparators.map(Self).map_err(unordered)
    }

    fn compare(&self, row: usize) -> Ordering {
        let mut columns = self.0.iter().map(|compare| compare(row - 1, row));
        columns.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// Whether a row has the same key as the one before. The last column differs most often, so it is compared first.
    fn is_twice(&self, row: usize) -> bool {
        self.0.iter().rev().all(|compare| compare(row - 1, row).is_eq())
    }
}

/// Checks that no two rows share the sort key, unless the table allows it; `rows` are sorted.
///
/// # Errors
/// [`Kind::BadAnswer`] naming the duplicate key.
pub fn check_unique(table: &Table, rows: &RecordBatch) -> Result<()> {
    let neighbours = Neighbours::of(table.sort_key().iter().copied(), rows)?;
    let twice = (1..rows.num_rows()).find(|row| neighbours.is_twice(*row));
    let Some(row) = twice.filter(|_| !table.may_repeat()) else { return Ok(()) };
    let key: Vec<String> = table.sort_key().iter().map(|index| shown(rows.column(*index), row)).collect();
    Err(Error::new(Kind::BadAnswer, format!("the answer has the row {} twice", key.join(" / ")))
        .advise("run again; if it stays, the API contradicts itself: report it with the request id of the log"))
}

/// A value as text; arrow's display cannot format the named zone `UTC`, only offsets.
fn shown(column: &ArrayRef, row: usize) -> String {
    let hour = column.as_primitive_opt::<TimestampMillisecondType>().filter(|hours| hours.is_valid(row));
    match hour.and_then(|hours| DateTime::from_timestamp_millis(hours.value(row))) {
        Some(at) => at.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        None => array_value_to_string(column, row).unwrap_or_default(),
    }
}

/// Cuts sorted rows into one batch per slot, without copying.
///
/// # Errors
/// [`Kind::Internal`] when the first sort key column is not a time, [`Kind::Store`] when rows are out of order.
pub fn split_by_slot(table: &Table, grain: Grain, rows: &RecordBatch) -> Result<BTreeMap<NaiveDate, RecordBatch>> {
    let no_time = || Error::new(Kind::Internal, "the table has no time column");
    let times = table.sort_key().first().and_then(|index| Days::of(rows.column(*index))).ok_or_else(no_time)?;
    let slot_of = |row: usize| times.day(row).map(|day| grain.slot_of(day)).ok_or_else(no_time);
    let mut days = BTreeMap::new();
    let (mut from, count) = (0, rows.num_rows());
    while from < count {
        let slot = slot_of(from)?;
        let mut to = from + 1;
        // The day number is converted to a date only where it changes.
        while to < count && (times.number(to) == times.number(to - 1) || slot_of(to)? == slot) {
            to += 1;
        }
        if days.insert(slot, rows.slice(from, to - from)).is_some() {
            return Err(Error::new(Kind::Store, format!("the rows of {slot} do not stand together")));
        }
        from = to;
    }
    Ok(days)
}

/// The days of a time column.
enum Days<'a> {
    Dates(&'a PrimitiveArray<Date32Type>),
    Instants(&'a PrimitiveArray<TimestampMillisecondType>),
}

impl<'a> Days<'a> {
    fn of(column: &'a ArrayRef) -> Option<Self> {
        let dates = column.as_primitive_opt::<Date32Type>().map(Self::Dates);
        dates.or_else(|| column.as_primitive_opt::<TimestampMillisecondType>().map(Self::Instants))
    }

    /// Days since 1970-01-01.
    fn number(&self, row: usize) -> i64 {
        match self {
            Self::Dates(days) => i64::from(days.value(row)),
            Self::Instants(millis) => millis.value(row).div_euclid(86_400_000),
        }
    }

    fn day(&self, row: usize) -> Option<NaiveDate> {
        match self {
            Self::Dates(days) => days.value_as_date(row),
            Self::Instants(millis) => DateTime::from_timestamp_millis(millis.value(row)).map(|at| at.date_naive()),
        }
    }
}

/// The sum of every amount column of rows that were read for these queries, as decimal text, by column name.
///
/// # Errors
/// [`Kind::BadAnswer`] when a sum exceeds the range of `DECIMAL(38,12)`.
pub fn sums(table: &Table, rows: &RecordBatch, read_for: &BTreeSet<String>) -> Result<Sums> {
    let sum_of = |index: usize| {
        let name = &table.columns()[index].name;
        let amounts = rows.column(index).as_primitive_opt::<Decimal128Type>();
        let amounts = amounts.ok_or_else(|| Error::new(Kind::Internal, "an amount column is no decimal"))?;
        let sum = amounts.iter().flatten().try_fold(0_i128, i128::checked_add);
        let sum = sum.ok_or_else(|| Error::new(Kind::BadAnswer, format!("the sum of {name} is too large")))?;
        Ok((name.clone(), decimal::text(sum)))
    };
    table.amounts(read_for).map(sum_of).collect()
}

#[cfg(test)]
mod tests {
    use super::{SORT, check_unique, sort};
    use crate::table::{Column, ColumnType, Table};
    use arrow::array::{ArrayRef, Date32Array, RecordBatch, StringArray};
    use arrow::compute::{SortColumn, lexsort_to_indices, take_record_batch};
    use proptest::collection::vec;
    use proptest::{option, prop_assert_eq, proptest};
    use std::sync::Arc;

    fn column(name: &str, kind: ColumnType) -> Column {
        Column {
            name: name.to_owned(),
            kind,
            nullable: true,
            key: None,
            doc: String::new(),
            sums: None,
            chart: None,
            assigned: false,
        }
    }

    type Row = (Option<i32>, Option<String>, Option<String>);

    fn batch(rows: &[Row]) -> (Table, RecordBatch) {
        let columns =
            vec![column("day", ColumnType::Date), column("a", ColumnType::String), column("b", ColumnType::String)];
        let table = Table::new(columns, &["day", "a", "b"], &[]);
        let days: Date32Array = rows.iter().map(|row| row.0).collect();
        let a: StringArray = rows.iter().map(|row| row.1.as_deref()).collect();
        let b: StringArray = rows.iter().map(|row| row.2.as_deref()).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(days), Arc::new(a), Arc::new(b)];
        let batch = RecordBatch::try_new(Arc::clone(table.schema()), columns).expect("a batch");
        (table, batch)
    }

    #[test]
    fn rows_that_share_a_key_are_ordered_by_what_else_they_say() {
        let rows: Vec<Row> = [("x", "2"), ("x", "1"), ("a", "1"), ("x", "1")]
            .map(|(a, b)| (Some(1), Some(a.to_owned()), Some(b.to_owned())))
            .into();
        let columns =
            vec![column("day", ColumnType::Date), column("a", ColumnType::String), column("b", ColumnType::String)];
        let table = Table::new(columns, &["day", "a"], &[]);
        let sorted = |table: &Table, rows: &[Row]| sort(table, &batch(rows).1).expect("order");
        assert!(check_unique(&table, &sorted(&table, &rows)).is_err());
        let table = table.with_repeats();
        let forth = sorted(&table, &rows);
        let back: Vec<Row> = rows.into_iter().rev().collect();
        assert_eq!(forth, sorted(&table, &back));
        check_unique(&table, &forth).expect("no row stands where it may not");
    }

    proptest! {
        #[test]
        fn rows_are_ordered_as_arrow_orders_them(
            rows in vec((option::of(-3..3_i32), option::of("[a-bé]{0,2}"), option::of("[ab]{0,2}")), 0..40),
        ) {
            let (table, batch) = batch(&rows);
            let columns: Vec<SortColumn> =
                batch.columns().iter().map(|c| SortColumn { values: Arc::clone(c), options: Some(SORT) }).collect();
            let order = lexsort_to_indices(&columns, None).expect("an order");
            let wanted = take_record_batch(&batch, &order).expect("rows");
            prop_assert_eq!(sort(&table, &batch).expect("order"), wanted);
        }
    }
}
