//! Row-by-row column builders for the four column types of the Datadog tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, RecordBatch, StringBuilder};
use arrow::datatypes::Date32Type;
use chrono::NaiveDate;

use crate::error::{Error, Kind, Result};
use crate::table::{ColumnType, Table};

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sources) enum Cell<'a> {
    Null,
    Day(NaiveDate),
    Text(&'a str),
    Double(f64),
    Boolean(bool),
}

impl<'a> From<Option<&'a str>> for Cell<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<Option<f64>> for Cell<'_> {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Null, Self::Double)
    }
}

#[derive(Debug)]
enum Builder {
    Day(Date32Builder),
    Text(StringBuilder),
    Double(Float64Builder),
    Boolean(BooleanBuilder),
}

/// A growing set of rows of one table.
#[derive(Debug)]
pub(in crate::sources) struct Rows {
    table: Arc<Table>,
    builders: Vec<Builder>,
    count: u64,
}

impl Rows {
    pub(in crate::sources) fn new(table: Arc<Table>) -> Self {
        let builder = |kind: ColumnType| match kind {
            ColumnType::Date => Builder::Day(Date32Builder::new()),
            ColumnType::Double => Builder::Double(Float64Builder::new()),
            ColumnType::Boolean => Builder::Boolean(BooleanBuilder::new()),
            _ => Builder::Text(StringBuilder::new()),
        };
        let builders = table.columns().iter().map(|column| builder(column.kind)).collect();
        Self { table, builders, count: 0 }
    }

    /// Adds a row: one cell for each column, in the table's order.
    pub(in crate::sources) fn push(&mut self, cells: &[Cell<'_>]) -> Result<()> {
        if cells.len() != self.builders.len() {
            return Err(Error::new(Kind::Internal, "a row does not have the columns of its table"));
        }
        for ((builder, cell), column) in self.builders.iter_mut().zip(cells).zip(self.table.columns()) {
            match (builder, cell) {
                (Builder::Day(days), Cell::Day(day)) => days.append_value(Date32Type::from_naive_date(*day)),
                (Builder::Text(texts), Cell::Text(text)) => texts.append_value(text),
                (Builder::Double(numbers), Cell::Double(number)) => numbers.append_value(*number),
                (Builder::Boolean(flags), Cell::Boolean(flag)) => flags.append_value(*flag),
                (Builder::Day(days), Cell::Null) => days.append_null(),
                (Builder::Text(texts), Cell::Null) => texts.append_null(),
                (Builder::Double(numbers), Cell::Null) => numbers.append_null(),
                (Builder::Boolean(flags), Cell::Null) => flags.append_null(),
                _ => {
                    return Err(
                        Error::new(Kind::Internal, "a value does not fit its column").at("column", &column.name)
                    );
                }
            }
        }
        self.count += 1;
        Ok(())
    }

    pub(in crate::sources) fn count(&self) -> u64 {
        self.count
    }

    /// The rows as one batch.
    pub(in crate::sources) fn finish(mut self) -> Result<RecordBatch> {
        let columns: Vec<ArrayRef> = self
            .builders
            .iter_mut()
            .map(|builder| match builder {
                Builder::Day(days) => Arc::new(days.finish()) as ArrayRef,
                Builder::Text(texts) => Arc::new(texts.finish()) as ArrayRef,
                Builder::Double(numbers) => Arc::new(numbers.finish()) as ArrayRef,
                Builder::Boolean(flags) => Arc::new(flags.finish()) as ArrayRef,
            })
            .collect();
        RecordBatch::try_new(self.table.schema().clone(), columns)
            .map_err(|error| Error::new(Kind::Internal, "the rows read do not fit their table").because(error))
    }
}
