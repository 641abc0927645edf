//! Run records as they are read back: the newest first, and the last run of a table.

use chrono::{DateTime, NaiveDateTime, Utc};

use crate::error::Result;
use crate::lake::{Lake, Listed};
use crate::ledger::AcceptedClock;
use crate::report::JobReport;

/// Records that are looked through for the last run; behind so many backfills nobody knows it any more.
const LOOKED_THROUGH: usize = 200;

/// The run records of a table, from one listing.
#[derive(Debug)]
pub struct Records(Vec<Listed>);

impl Records {
    /// Lists them.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn of(lake: &Lake, table: &str) -> Result<Self> {
        let mut listed = lake.list(&format!("_costlake/{table}/runs")).await?;
        listed.retain(|entry| entry.key.ends_with(".json"));
        Ok(Self(listed))
    }

    /// The latest time at which a run began by its own clock, where that may be believed after what a person has
    /// `accepted`.
    #[must_use]
    pub fn newest_time(&self, accepted: Option<AcceptedClock>) -> Option<DateTime<Utc>> {
        let may_be_right = |time: &DateTime<Utc>| accepted.is_none_or(|accepted| accepted.believes(*time));
        let began = self.0.iter().filter_map(|entry| began_at(&entry.key)).filter(may_be_right);
        began.chain(accepted.map(|accepted| accepted.at)).max()
    }

    /// The record that the store took last, whatever time its run went by.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn last(&self, lake: &Lake) -> Result<Option<JobReport>> {
        let mut entries: Vec<&Listed> = self.0.iter().collect();
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse((entry.modified, &entry.key)));
        for entry in entries.into_iter().take(LOOKED_THROUGH) {
            if let Some(record) = read_record(lake, &entry.key).await? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// When the run of a record began: run ids begin with the time.
fn began_at(key: &str) -> Option<DateTime<Utc>> {
    let (time, _) = key.rsplit('/').next()?.split_once('-')?;
    NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").ok().map(|time| time.and_utc())
}

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
