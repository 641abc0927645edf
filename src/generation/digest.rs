//! The digest of a day: SHA-256 over its rows in sort order, so that "nothing changed" is a comparison of 64 letters.
//!
//! The column names are hashed first. Each row then contributes its columns in table order, except those outside the
//! digest and those that it does not hold, because the table gained them later: a tag byte (absent or present) and the
//! value, fixed-width little-endian or length and bytes. So the digest of a day stays when its table gains a column.

use std::collections::BTreeSet;

use arrow::array::{ArrayRef, AsArray, BooleanArray, PrimitiveArray, RecordBatch, StringArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::table::{ColumnType, Table};
use crate::text::hex;

/// Bytes hashed at a time.
const CHUNK: usize = 32 << 10;

/// Digest of `rows`, which are sorted and were read for these queries, as 64 hexadecimal digits.
///
/// # Errors
/// [`Kind::Internal`] when the batch does not have the table's columns.
pub fn of_rows(table: &Table, rows: &RecordBatch, read_for: &BTreeSet<String>) -> Result<String> {
    let mut hash = Sha256::new();
    let mut columns = Vec::with_capacity(table.columns().len());
    for index in table.digested(read_for) {
        let column = &table.columns()[index];
        hash.update(column.name.as_bytes());
        hash.update([0]);
        let values = Values::of(column.kind, rows.column(index));
        let misfit = || Error::new(Kind::Internal, "a column does not have the type of its table");
        columns.push((values.ok_or_else(misfit)?, rows.column(index).nulls()));
    }
    let mut bytes = Vec::with_capacity(CHUNK + 1024);
    for row in 0..rows.num_rows() {
        for (values, nulls) in &columns {
            push_value(values, *nulls, row, &mut bytes);
        }
        if bytes.len() >= CHUNK {
            hash.update(&bytes);
            bytes.clear();
        }
    }
    hash.update(&bytes);
    Ok(hex(&hash.finalize()))
}

/// A column by its type, so that the type is matched once per column and not for every value.
enum Values<'a> {
    Boolean(&'a BooleanArray),
    Int(&'a PrimitiveArray<Int32Type>),
    Bigint(&'a PrimitiveArray<Int64Type>),
    Double(&'a PrimitiveArray<Float64Type>),
    Date(&'a PrimitiveArray<Date32Type>),
    Timestamp(&'a PrimitiveArray<TimestampMillisecondType>),
    Decimal(&'a PrimitiveArray<Decimal128Type>),
    String(&'a StringArray),
}

impl<'a> Values<'a> {
    fn of(kind: ColumnType, array: &'a ArrayRef) -> Option<Self> {
        match kind {
            ColumnType::Boolean => array.as_boolean_opt().map(Self::Boolean),
            ColumnType::Int => array.as_primitive_opt().map(Self::Int),
            ColumnType::Bigint => array.as_primitive_opt().map(Self::Bigint),
            ColumnType::Double => array.as_primitive_opt().map(Self::Double),
            ColumnType::Date => array.as_primitive_opt().map(Self::Date),
            ColumnType::Timestamp => array.as_primitive_opt().map(Self::Timestamp),
            ColumnType::Decimal => array.as_primitive_opt().map(Self::Decimal),
            ColumnType::String => array.as_string_opt().map(Self::String),
        }
    }
}

fn push_value(values: &Values<'_>, nulls: Option<&NullBuffer>, row: usize, out: &mut Vec<u8>) {
    if nulls.is_some_and(|nulls| nulls.is_null(row)) {
        out.push(0);
        return;
    }
    match values {
        Values::Boolean(array) => out.extend([1, u8::from(array.value(row))]),
        Values::Int(array) => push_fixed(&array.value(row).to_le_bytes(), out),
        Values::Bigint(array) => push_fixed(&array.value(row).to_le_bytes(), out),
        Values::Double(array) => push_fixed(&array.value(row).to_le_bytes(), out),
        Values::Date(array) => push_fixed(&array.value(row).to_le_bytes(), out),
        Values::Timestamp(array) => push_fixed(&array.value(row).to_le_bytes(), out),
        Values::Decimal(array) => push_fixed(&array.value(row).to_le_bytes(), out),
        Values::String(array) => {
            let text = array.value(row);
            out.push(1);
            out.extend_from_slice(&(text.len() as u64).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn push_fixed(value: &[u8], out: &mut Vec<u8>) {
    out.push(1);
    out.extend_from_slice(value);
}
