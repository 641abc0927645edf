//! Encoding and decoding of Parquet.
//!
//! | setting | value | why |
//! |---|---|---|
//! | compression | zstd level 1 | level 3 costs a quarter more CPU for no fewer bytes on this data |
//! | dictionary | keys yes, amounts no | amounts hardly repeat |
//! | amounts | `FIXED_LEN_BYTE_ARRAY(16)`, plain | `BYTE_STREAM_SPLIT` would be smaller, but DuckDB refuses it on decimals |
//! | order | time, then keys, one row group | a row group a day takes twice the CPU to scan a year (29 against 13 ms) and 4% more bytes; key order is faster only for one key over a year (6 against 13 ms) and would need a sort of kept rows |
//! | statistics | keys yes, amounts no | every page has small and large amounts, so that no reader could skip one |
//! | page index | on | readers skip pages by day |
//! | `created_by` | the layout's version, not the program's | an update of costlake rewrites nothing |
//! | embedded Arrow schema | none | strings are strings everywhere |

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, new_null_array};
use arrow::compute::concat_batches;
use bytes::Bytes;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::{ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::{ArrowSchemaConverter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::Result as ParquetResult;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;

use crate::error::{Error, Kind, Result};
use crate::table::{Column, ColumnType, Table};

use super::footer::{self, FORMAT, Footer, KEY};
use super::pages;

/// Most rows of a row group; a partition has one row group unless it is very large.
const ROW_GROUP_ROWS: usize = 1 << 20;

/// Rows passed to the writer at a time: it copies the amounts it is given.
const SLICE_ROWS: usize = 8_192;

/// Encodes the batches, which are in order, as one object. Columns are written and freed one after the other, so that
/// the writer buffers only one at a time.
///
/// # Errors
/// [`Kind::Internal`] when the writer fails, which does not happen with rows of the table's schema.
pub fn encode(table: &Table, batches: Vec<RecordBatch>, footer: &Footer) -> Result<Vec<u8>> {
    let record = serde_json::to_string(footer)
        .map_err(|error| Error::new(Kind::Internal, "cannot write the commit record").because(error))?;
    let properties = Arc::new(properties(table, record)?);
    write(table, batches, properties)
        .map_err(|error| Error::new(Kind::Internal, "cannot encode Parquet").because(error))
}

fn write(table: &Table, batches: Vec<RecordBatch>, properties: WriterPropertiesPtr) -> ParquetResult<Vec<u8>> {
    let schema = ArrowSchemaConverter::new().with_coerce_types(properties.coerce_types()).convert(table.schema())?;
    let mut file = SerializedFileWriter::new(Vec::new(), schema.root_schema_ptr(), properties)?;
    let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(table.schema()));
    for (index, slices) in row_groups(batches).into_iter().enumerate() {
        let mut columns: Vec<Vec<ArrayRef>> = table.columns().iter().map(|_| Vec::new()).collect();
        for slice in slices {
            let arrays = slice.into_parts().1;
            columns.iter_mut().zip(arrays).for_each(|(column, array)| column.push(array));
        }
        let writers = factory.create_column_writers(index)?;
        let mut row_group = file.next_row_group()?;
        for ((column, field), mut writer) in columns.into_iter().zip(table.schema().fields()).zip(writers) {
            for array in column {
                for leaf in compute_leaves(field, &array)? {
                    writer.write(&leaf)?;
                }
            }
            writer.close()?.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
    }
    file.into_inner()
}

/// Cuts the batches into the slices of each row group, without copying.
fn row_groups(batches: Vec<RecordBatch>) -> Vec<Vec<RecordBatch>> {
    let mut groups: Vec<Vec<RecordBatch>> = Vec::new();
    let mut room = 0;
    for batch in batches {
        let mut from = 0;
        while from < batch.num_rows() {
            if room == 0 {
                groups.push(Vec::new());
                room = ROW_GROUP_ROWS;
            }
            let rows = SLICE_ROWS.min(batch.num_rows() - from).min(room);
            groups.last_mut().into_iter().for_each(|group| group.push(batch.slice(from, rows)));
            (from, room) = (from + rows, room - rows);
        }
    }
    groups
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
            let path = ColumnPath::from(column.name.as_str());
            builder = builder
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_statistics_enabled(path, EnabledStatistics::None);
        }
    }
    Ok(builder.build())
}

/// Decodes an object into the columns of `table`; nullable columns missing from an older object are null.
///
/// # Errors
/// [`Kind::Store`] when the object is damaged or lacks a column that may not be null.
pub fn decode(table: &Table, bytes: Bytes) -> Result<RecordBatch> {
    let reader = open(bytes)?.with_batch_size(1 << 16).build().map_err(damaged)?;
    let mut batches = Vec::new();
    for batch in reader {
        batches.push(align(table, &batch.map_err(damaged)?)?);
    }
    concat_batches(table.schema(), &batches).map_err(damaged)
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::new(Kind::Store, "the object in the lake cannot be read").because(error.to_string())
}

/// A reader of an object, once its footer and the heads of its pages are known to be of plausible sizes.
fn open(bytes: Bytes) -> Result<ParquetRecordBatchReaderBuilder<Bytes>> {
    if !footer::is_bounded(&bytes) {
        return Err(damaged("its footer is damaged"));
    }
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes.clone()).map_err(damaged)?;
    if !pages::are_bounded(builder.metadata(), &bytes) {
        return Err(damaged("its pages are damaged"));
    }
    Ok(builder)
}

/// Decodes some columns of an object, a batch at a time: those at these ascending positions of `table`, in that order;
/// nullable columns missing from an older object are null.
///
/// # Errors
/// [`Kind::Store`] when the object is damaged or lacks a column that may not be null; those of `each`.
pub fn scan(
    table: &Table,
    bytes: Bytes,
    columns: &[usize],
    mut each: impl FnMut(&[ArrayRef]) -> Result<()>,
) -> Result<()> {
    let builder = open(bytes)?;
    let wanted: Vec<&Column> = columns.iter().filter_map(|index| table.columns().get(*index)).collect();
    let fields = builder.parquet_schema().root_schema().get_fields();
    let is_wanted = |name: &str| wanted.iter().any(|column| column.name == name);
    let places = fields.iter().enumerate().filter(|(_, field)| is_wanted(field.name())).map(|(place, _)| place);
    let mask = ProjectionMask::roots(builder.parquet_schema(), places);
    let reader = builder.with_projection(mask).with_batch_size(SLICE_ROWS).build().map_err(damaged)?;
    for batch in reader {
        let batch = batch.map_err(damaged)?;
        let arrays: Vec<ArrayRef> = wanted.iter().map(|column| column_of(column, &batch)).collect::<Result<_>>()?;
        each(&arrays)?;
    }
    Ok(())
}

/// A column of a batch; a nullable one that it does not have is null.
fn column_of(column: &Column, batch: &RecordBatch) -> Result<ArrayRef> {
    match batch.column_by_name(&column.name) {
        Some(array) if *array.data_type() != column.kind.arrow() => {
            Err(damaged(format!("its column `{}` is of another type than the table's", column.name)))
        }
        Some(array) => Ok(Arc::clone(array)),
        None if column.nullable => Ok(new_null_array(&column.kind.arrow(), batch.num_rows())),
        None => Err(Error::new(Kind::Store, format!("the object in the lake has no column `{}`", column.name))),
    }
}

/// The batch in the table's column order and schema; nullable columns that it does not have are null.
///
/// # Errors
/// [`Kind::Store`] when it lacks a column that may not be null.
pub fn align(table: &Table, batch: &RecordBatch) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> =
        table.columns().iter().map(|column| column_of(column, batch)).collect::<Result<_>>()?;
    RecordBatch::try_new(Arc::clone(table.schema()), columns).map_err(|error| {
        Error::new(Kind::Store, "the object in the lake has other columns than its table").because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::{ROW_GROUP_ROWS, SLICE_ROWS, row_groups};
    use arrow::array::{BooleanArray, RecordBatch};
    use std::sync::Arc;

    #[test]
    fn a_row_group_is_full_before_the_next_one_begins() {
        let batch = |rows: usize| {
            let column = Arc::new(BooleanArray::from(vec![true; rows]));
            RecordBatch::try_from_iter([("a", column as _)]).expect("a batch")
        };
        let rows = |sizes: &[usize]| -> Vec<usize> {
            let groups = row_groups(sizes.iter().map(|rows| batch(*rows)).collect());
            assert!(groups.iter().flatten().all(|slice| (1..=SLICE_ROWS).contains(&slice.num_rows())));
            groups.iter().map(|slices| slices.iter().map(RecordBatch::num_rows).sum()).collect()
        };
        assert_eq!(rows(&[]), [0; 0]);
        assert_eq!(rows(&[0, 3, 0, SLICE_ROWS + 1]), [SLICE_ROWS + 4]);
        assert_eq!(rows(&[7, ROW_GROUP_ROWS, 5]), [ROW_GROUP_ROWS, 12]);
    }
}
