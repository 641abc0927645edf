//! Run records as they are read back: the newest first, and the last run of a table.

use crate::error::Result;
use crate::lake::Lake;
use crate::report::JobReport;

/// Records that are looked through for the last run; behind so many backfills nobody knows it any more.
const LOOKED_THROUGH: usize = 200;

/// Keys of all records of a table, the newest first: days and run ids begin with the time.
///
/// # Errors
/// When the lake cannot be listed.
pub async fn record_keys(lake: &Lake, table: &str) -> Result<Vec<String>> {
    let listed = lake.list(&format!("_costlake/{table}/runs")).await?;
    let mut keys: Vec<String> =
        listed.into_iter().map(|entry| entry.key).filter(|key| key.ends_with(".json")).collect();
    keys.sort_unstable_by(|a, b| b.cmp(a));
    Ok(keys)
}

/// One record; `None` when it is gone or cannot be understood.
///
/// # Errors
/// When the lake cannot be read.
pub async fn read_record(lake: &Lake, key: &str) -> Result<Option<JobReport>> {
    let object = lake.read(key, None).await?;
    Ok(object.and_then(|object| serde_json::from_slice(&object.bytes).ok()))
}

/// The newest record of command `run` that came to its end: one that a signal stopped has not done its slot.
///
/// # Errors
/// When the lake cannot be read.
pub async fn last_run(lake: &Lake, table: &str) -> Result<Option<JobReport>> {
    for key in record_keys(lake, table).await?.iter().take(LOOKED_THROUGH) {
        let record = read_record(lake, key).await?;
        if let Some(record) = record.filter(|record| record.command == "run" && !record.was_interrupted()) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}
