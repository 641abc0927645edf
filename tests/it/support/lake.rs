//! A lake folder as a reader sees it: the objects as files, the rows as text.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, TimestampMillisecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use costlake::decimal;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sha2::{Digest, Sha256};

/// A row by column; NULL has no entry.
pub(crate) type Row = BTreeMap<String, String>;

/// Identity of a file: changes if it is rewritten, even with the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Object {
    inode: u64,
    modified: (i64, i64),
    digest: Vec<u8>,
}

/// Every file below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The data objects of a lake: all files outside the ledger store.
pub(crate) fn objects(lake: &Path) -> BTreeMap<PathBuf, Object> {
    let paths = files(lake).into_iter().filter(|path| !path.starts_with(lake.join("_costlake")));
    let objects = paths.map(|path| {
        let seen = fs::metadata(&path).expect("an object");
        let object = Object {
            inode: seen.ino(),
            modified: (seen.mtime(), seen.mtime_nsec()),
            digest: Sha256::digest(fs::read(&path).expect("an object")).to_vec(),
        };
        (path, object)
    });
    objects.collect()
}

/// All rows of a table in the order of its objects, each with its partition folder as `partition`.
pub(crate) fn rows(lake: &Path, table: &str) -> Vec<Row> {
    objects(&lake.join(table)).keys().flat_map(|path| rows_of(path)).collect()
}

fn rows_of(path: &Path) -> Vec<Row> {
    let file = File::open(path).expect("an object");
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).expect("Parquet").build().expect("a reader");
    let folder = path.parent().and_then(Path::file_name).expect("a partition").to_string_lossy().into_owned();
    let mut rows = Vec::new();
    for batch in reader {
        let batch = batch.expect("a batch");
        let schema = batch.schema();
        let options = FormatOptions::default();
        let shown: Vec<ArrayRef> = batch.columns().iter().map(with_readable_zone).collect();
        let columns: Vec<_> =
            shown.iter().map(|column| ArrayFormatter::try_new(column, &options).expect("a column")).collect();
        for index in 0..batch.num_rows() {
            let filled = (0..columns.len()).filter(|column| batch.column(*column).is_valid(index));
            let mut row: Row = filled
                .map(|column| (schema.field(column).name().clone(), columns[column].value(index).to_string()))
                .collect();
            row.insert("partition".to_owned(), folder.clone());
            rows.push(row);
        }
    }
    rows
}

/// Replaces the zone `UTC` by its offset: Arrow, as built here, does not know zone names.
pub(crate) fn with_readable_zone(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(_, Some(zone)) => {
            assert_eq!(&**zone, "UTC");
            Arc::new(column.as_primitive::<TimestampMillisecondType>().clone().with_timezone("+00:00"))
        }
        _ => Arc::clone(column),
    }
}

/// The exact sum of a column, in units of 10^-12.
pub(crate) fn sum<'r>(rows: impl IntoIterator<Item = &'r Row>, column: &str) -> i128 {
    rows.into_iter().map(|row| decimal::parse(&row[column]).expect("an amount")).sum()
}

/// The values of a column, in the order of the rows.
pub(crate) fn column<'r>(rows: &'r [Row], name: &str) -> Vec<&'r str> {
    rows.iter().map(|row| row.get(name).map_or("NULL", String::as_str)).collect()
}
