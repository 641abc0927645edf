//! Row-by-row column builders.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder, Int64Builder, RecordBatch,
    StringBuilder, TimestampMillisecondBuilder,
};
use arrow::datatypes::{DataType, Date32Type};

use crate::error::{Error, Kind, Result};
use crate::table::{ColumnType, Table};

use super::Cell;

#[derive(Debug)]
enum Builder {
    Day(Date32Builder),
    Text(StringBuilder),
    Double(Float64Builder),
    Boolean(BooleanBuilder),
    Whole(Int64Builder),
    Amount(Decimal128Builder),
    Instant(TimestampMillisecondBuilder),
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
            ColumnType::Int | ColumnType::Bigint => Builder::Whole(Int64Builder::new()),
            ColumnType::Decimal => Builder::Amount(Decimal128Builder::new().with_data_type(kind.arrow())),
            ColumnType::Timestamp => {
                let zoned: DataType = kind.arrow();
                Builder::Instant(TimestampMillisecondBuilder::new().with_data_type(zoned))
            }
            ColumnType::String => Builder::Text(StringBuilder::new()),
        };
        let builders = table.columns().iter().map(|column| builder(column.kind)).collect();
        Self { table, builders, count: 0 }
    }

    pub(in crate::sources) fn table(&self) -> &Arc<Table> {
        &self.table
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
                (Builder::Whole(numbers), Cell::Whole(number)) => numbers.append_value(*number),
                (Builder::Amount(amounts), Cell::Amount(amount)) => amounts.append_value(*amount),
                (Builder::Instant(instants), Cell::Instant(instant)) => instants.append_value(*instant),
                (builder, Cell::Null) if column.nullable => builder.append_null(),
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
        let columns: Vec<ArrayRef> = self.builders.iter_mut().map(Builder::finish).collect();
        RecordBatch::try_new(self.table.schema().clone(), columns)
            .map_err(|error| Error::new(Kind::Internal, "the rows read do not fit their table").because(error))
    }
}

impl Builder {
    fn append_null(&mut self) {
        match self {
            Self::Day(days) => days.append_null(),
            Self::Text(texts) => texts.append_null(),
            Self::Double(numbers) => numbers.append_null(),
            Self::Boolean(flags) => flags.append_null(),
            Self::Whole(numbers) => numbers.append_null(),
            Self::Amount(amounts) => amounts.append_null(),
            Self::Instant(instants) => instants.append_null(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Day(days) => Arc::new(days.finish()),
            Self::Text(texts) => Arc::new(texts.finish()),
            Self::Double(numbers) => Arc::new(numbers.finish()),
            Self::Boolean(flags) => Arc::new(flags.finish()),
            Self::Whole(numbers) => Arc::new(numbers.finish()),
            Self::Amount(amounts) => Arc::new(amounts.finish()),
            Self::Instant(instants) => Arc::new(instants.finish()),
        }
    }
}
