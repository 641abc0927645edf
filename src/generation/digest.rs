//! The digest of a day: SHA-256 over its rows in sort order, so that "nothing changed" is a comparison of 64 letters.
//!
//! Each row contributes its columns in table order, those outside the digest left out: a tag byte (absent or present)
//! and the value, fixed-width little-endian or length and bytes. The column names and types go in first.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::table::{ColumnType, Table};

/// Digest of `rows`, which are sorted, as 64 hexadecimal digits.
///
/// # Errors
/// [`Kind::Internal`] when the batch does not have the table's columns.
pub fn of_rows(table: &Table, rows: &RecordBatch) -> Result<String> {
    let mut hash = Sha256::new();
    let columns: Vec<(ColumnType, &dyn Array)> = table
        .columns()
        .iter()
        .enumerate()
        .filter(|(index, _)| !table.outside_digest().contains(index))
        .map(|(index, column)| {
            hash.update(column.name.as_bytes());
            hash.update([0]);
            (column.kind, rows.column(index).as_ref())
        })
        .collect();
    let mut row_bytes = Vec::with_capacity(256);
    for row in 0..rows.num_rows() {
        row_bytes.clear();
        for (kind, array) in &columns {
            push_value(*kind, *array, row, &mut row_bytes)?;
        }
        hash.update(&row_bytes);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn push_value(kind: ColumnType, array: &dyn Array, row: usize, out: &mut Vec<u8>) -> Result<()> {
    if array.is_null(row) {
        out.push(0);
        return Ok(());
    }
    out.push(1);
    let misfit = || Error::new(Kind::Internal, "a column does not have the type of its table");
    match kind {
        ColumnType::Boolean => out.push(u8::from(array.as_boolean_opt().ok_or_else(misfit)?.value(row))),
        ColumnType::Int => {
            out.extend(array.as_primitive_opt::<Int32Type>().ok_or_else(misfit)?.value(row).to_le_bytes())
        }
        ColumnType::Bigint => {
            out.extend(array.as_primitive_opt::<Int64Type>().ok_or_else(misfit)?.value(row).to_le_bytes())
        }
        ColumnType::Double => {
            out.extend(array.as_primitive_opt::<Float64Type>().ok_or_else(misfit)?.value(row).to_le_bytes())
        }
        ColumnType::Date => {
            out.extend(array.as_primitive_opt::<Date32Type>().ok_or_else(misfit)?.value(row).to_le_bytes())
        }
        ColumnType::Timestamp => {
            out.extend(
                array.as_primitive_opt::<TimestampMillisecondType>().ok_or_else(misfit)?.value(row).to_le_bytes(),
            );
        }
        ColumnType::Decimal => {
            out.extend(array.as_primitive_opt::<Decimal128Type>().ok_or_else(misfit)?.value(row).to_le_bytes())
        }
        ColumnType::String => {
            let text = array.as_string_opt::<i32>().ok_or_else(misfit)?.value(row);
            out.extend((text.len() as u64).to_le_bytes());
            out.extend(text.as_bytes());
        }
    }
    Ok(())
}
