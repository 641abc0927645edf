//! Parquet out and in.
//!
//! | setting | value | why |
//! |---|---|---|
//! | compression | zstd level 1 | level 3 costs a quarter more CPU for no fewer bytes on this data |
//! | dictionary | keys yes, amounts no | amounts hardly repeat |
//! | amounts | `FIXED_LEN_BYTE_ARRAY(16)`, plain | `BYTE_STREAM_SPLIT` would be smaller, but DuckDB refuses it on decimals |
//! | order | time, then keys, one row group | a row group a day takes twice the CPU to scan a year (29 against 13 ms) and 4% more bytes; key order is faster only for one key over a year (6 against 13 ms) and would need a sort of kept rows |
//! | page index | on | readers skip pages by day |
//! | `created_by` | the layout's version, not the program's | an update of costlake rewrites nothing |
//! | embedded Arrow schema | none | strings are strings everywhere |

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use crate::error::{Error, Kind, Result};
use crate::table::{ColumnType, Table};

use super::footer::{FORMAT, Footer, KEY};

/// Rows of a row group; a partition has one, unless it is very large.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Rows that are handed to the writer at a time: it copies the amounts it is given.
const SLICE_ROWS: usize = 8_192;

/// Encodes the batches, which are in order, as one object.
///
/// # Errors
/// [`Kind::Internal`] when the writer refuses, which a table's own rows never make it do.
pub fn encode(table: &Table, batches: &[RecordBatch], footer: &Footer) -> Result<Vec<u8>> {
    let failed =
        |error: parquet::errors::ParquetError| Error::new(Kind::Internal, "cannot encode Parquet").because(error);
    let record = serde_json::to_string(footer)
        .map_err(|error| Error::new(Kind::Internal, "cannot write the commit record").because(error))?;
    let options = ArrowWriterOptions::new().with_properties(properties(table, record)?).with_skip_arrow_metadata(true);
    let mut writer =
        ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(table.schema()), options).map_err(failed)?;
    for batch in batches {
        for from in (0..batch.num_rows()).step_by(SLICE_ROWS) {
            let rows = SLICE_ROWS.min(batch.num_rows() - from);
            writer.write(&batch.slice(from, rows)).map_err(failed)?;
        }
    }
    writer.into_inner().map_err(failed)
}

fn properties(table: &Table, record: String) -> Result<WriterProperties> {
    let level =
        ZstdLevel::try_new(1).map_err(|error| Error::new(Kind::Internal, "no such zstd level").because(error))?;
    let sorting = table
        .sort_key()
        .iter()
        .filter_map(|index| i32::try_from(*index).ok())
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: true })
        .collect();
    let mut builder = WriterProperties::builder()
        .set_created_by(format!("costlake version {FORMAT}.0.0"))
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_sorting_columns(Some(sorting))
        .set_key_value_metadata(Some(vec![KeyValue::new(KEY.to_owned(), record)]));
    for column in table.columns() {
        if matches!(column.kind, ColumnType::Decimal | ColumnType::Double) {
            builder = builder.set_column_dictionary_enabled(ColumnPath::from(column.name.as_str()), false);
        }
    }
    Ok(builder.build())
}

/// Decodes an object into the columns of `table`; nullable columns that an older object lacks are null.
///
/// # Errors
/// [`Kind::Store`] when the object is damaged or lacks a column that may not be null.
pub fn decode(table: &Table, bytes: Bytes) -> Result<RecordBatch> {
    let damaged = |error: &dyn std::error::Error| {
        Error::new(Kind::Store, "the object in the lake cannot be read").because(error.to_string())
    };
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(|builder| builder.with_batch_size(1 << 16).build())
        .map_err(|error| damaged(&error))?;
    let mut batches = Vec::new();
    for batch in reader {
        batches.push(align(table, &batch.map_err(|error| damaged(&error))?)?);
    }
    concat_batches(table.schema(), &batches).map_err(|error| damaged(&error))
}

/// The batch in the table's column order and schema.
fn align(table: &Table, batch: &RecordBatch) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> = table
        .columns()
        .iter()
        .map(|column| match batch.column_by_name(&column.name) {
            Some(array) => Ok(Arc::clone(array)),
            None if column.nullable => Ok(new_null_array(&column.kind.arrow(), batch.num_rows())),
            None => Err(Error::new(Kind::Store, format!("the object in the lake has no column `{}`", column.name))),
        })
        .collect::<Result<_>>()?;
    RecordBatch::try_new(Arc::clone(table.schema()), columns).map_err(|error| {
        Error::new(Kind::Store, "the object in the lake has other columns than its table").because(error)
    })
}
