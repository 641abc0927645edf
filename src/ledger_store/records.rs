//! Reads run records: the newest first, the last run of a table, and what the runs have spent.
//!
//! | object in `runs/<date>/` | written | content |
//! |---|---|---|
//! | `<run id>.json` | when the run ends | what it did and paid |
//! | `<run id>.started.json` | before its first paid request | how many requests it has reserved |
//! | `<run id>.started-2.json`, … | before it sends more than that | how many more it has reserved |

use std::collections::BTreeMap;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::lake::{Lake, Listed};
use crate::ledger::AcceptedClock;
use crate::report::JobReport;
use crate::unit::Unit;
use crate::window::is_ahead;

/// Maximum number of records searched for the last run; if more backfills came since, it is not found.
const LOOKED_THROUGH: usize = 200;

/// The paid requests that a run reserves before it sends them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRecord {
    /// The job.
    pub job: String,
    /// Its account, if the job has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The run.
    pub run_id: String,
    /// When the run began.
    pub started_at: DateTime<Utc>,
    /// 1 for the first of the run.
    pub number: u64,
    /// Requests that this record reserves, on top of those before.
    pub reserved: u64,
}

impl StartRecord {
    /// Writes the record.
    ///
    /// # Errors
    /// When the lake cannot be written, or another object has its key.
    pub async fn write(&self, lake: &Lake) -> Result<()> {
        let place = if self.number == 1 { String::new() } else { format!("-{}", self.number) };
        let unit = Unit { table: self.job.clone(), account: self.account.clone() };
        let stem = stem_of(&unit, &self.run_id, self.started_at);
        let key = format!("{stem}.started{place}.json");
        let text = serde_json::to_vec(self)
            .map_err(|error| Error::new(Kind::Internal, "cannot write the start record").because(error))?;
        if lake.create(&key, Bytes::from(text)).await? {
            return Ok(());
        }
        Err(Error::new(Kind::Store, "another object stands where the start record of this run belongs").at("key", key))
    }
}

/// The key of a run's record without its extension.
pub(super) fn stem_of(unit: &Unit, run_id: &str, started_at: DateTime<Utc>) -> String {
    unit.beside(&format!("runs/{}/{run_id}", started_at.date_naive()))
}

/// Whether a key is that of a start record.
fn is_start(key: &str) -> bool {
    key.rsplit('/').next().is_some_and(|file| file.contains(".started"))
}

/// Whether a key is that of the record of a run's end.
fn is_record(key: &str) -> bool {
    key.ends_with(".json") && !is_start(key)
}

/// Paid requests of the runs of a month.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Pages charged by runs with a record of their end.
    pub charged: u64,
    /// Requests reserved by runs without one.
    pub reserved: u64,
}

impl Spent {
    /// The spending of all runs since `first`, the first day of the month.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn since(lake: &Lake, unit: &Unit, first: NaiveDate) -> Result<Self> {
        let listed = lake.list(&unit.beside("runs")).await?;
        let mut runs: BTreeMap<&str, (Option<&str>, Vec<&str>)> = BTreeMap::new();
        for entry in &listed {
            let mut parts = entry.key.rsplit('/');
            let (file, day) = (parts.next(), parts.next().and_then(crate::window::parse_day));
            let Some(file) = file.filter(|_| day.is_some_and(|day| day >= first)) else { continue };
            let Some((run, _)) = file.split_once('.') else { continue };
            let (record, starts) = runs.entry(run).or_default();
            if is_start(file) {
                starts.push(&entry.key);
            } else {
                *record = Some(&entry.key);
            }
        }
        let mut spent = Self::default();
        for (record, starts) in runs.into_values() {
            let ended = match record {
                Some(key) => read_record(lake, key).await?,
                None => None,
            };
            if let Some(report) = ended {
                spent.charged += report.asked.charged_pages;
                continue;
            }
            for key in starts {
                spent.reserved += reserved_in(lake, key).await?;
            }
        }
        Ok(spent)
    }

    /// Charged and reserved together.
    #[must_use]
    pub fn total(self) -> u64 {
        self.charged.saturating_add(self.reserved)
    }
}

/// The requests that a start record reserves; 0 if it is gone or cannot be parsed.
async fn reserved_in(lake: &Lake, key: &str) -> Result<u64> {
    let object = lake.read(key, None).await?;
    let record = object.and_then(|object| serde_json::from_slice::<StartRecord>(&object.bytes).ok());
    Ok(record.map_or(0, |record| record.reserved))
}

/// The run records of a table, start records included, from one listing.
#[derive(Debug)]
pub struct Records(Vec<Listed>);

impl Records {
    /// Lists them.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn of(lake: &Lake, unit: &Unit) -> Result<Self> {
        let mut listed = lake.list(&unit.beside("runs")).await?;
        listed.retain(|entry| entry.key.ends_with(".json"));
        Ok(Self(listed))
    }

    /// The latest start time of a run by its own clock, without those that a person declared wrong in `accepted`.
    #[must_use]
    pub fn newest_time(&self, accepted: Option<AcceptedClock>) -> Option<DateTime<Utc>> {
        let may_be_right = |time: &DateTime<Utc>| accepted.is_none_or(|accepted| accepted.believes(*time));
        let began = self.0.iter().filter_map(|entry| began_at(&entry.key)).filter(may_be_right);
        began.chain(accepted.map(|accepted| accepted.at)).max()
    }

    /// The record that was stored last, by the store's clock and not the run's.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn last(&self, lake: &Lake) -> Result<Option<JobReport>> {
        let mut entries: Vec<&Listed> = self.0.iter().filter(|entry| is_record(&entry.key)).collect();
        entries.sort_unstable_by_key(|entry| std::cmp::Reverse((entry.modified, &entry.key)));
        for entry in entries.into_iter().take(LOOKED_THROUGH) {
            if let Some(record) = read_record(lake, &entry.key).await? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// When the run of a record began: run ids start with the time.
fn began_at(key: &str) -> Option<DateTime<Utc>> {
    let (time, _) = key.rsplit('/').next()?.split_once('-')?;
    NaiveDateTime::parse_from_str(time, "%Y%m%dT%H%M%SZ").ok().map(|time| time.and_utc())
}

/// Keys of all records of a table except start records, the newest first: days and run ids start with the time.
///
/// # Errors
/// When the lake cannot be listed.
pub async fn record_keys(lake: &Lake, unit: &Unit) -> Result<Vec<String>> {
    let listed = lake.list(&unit.beside("runs")).await?;
    let mut keys: Vec<String> = listed.into_iter().map(|entry| entry.key).filter(|key| is_record(key)).collect();
    keys.sort_unstable_by(|a, b| b.cmp(a));
    Ok(keys)
}

/// One record; `None` when it is gone or cannot be parsed.
///
/// # Errors
/// When the lake cannot be read.
pub async fn read_record(lake: &Lake, key: &str) -> Result<Option<JobReport>> {
    let object = lake.read(key, None).await?;
    Ok(object.and_then(|object| serde_json::from_slice(&object.bytes).ok()))
}

/// The record of a run that began at `started_at`, and when the store took it; `None` until the run has ended.
///
/// # Errors
/// When the lake cannot be read.
pub async fn record_of(
    lake: &Lake,
    unit: &Unit,
    run_id: &str,
    started_at: DateTime<Utc>,
) -> Result<Option<(JobReport, DateTime<Utc>)>> {
    let object = lake.read(&format!("{}.json", stem_of(unit, run_id, started_at)), None).await?;
    Ok(object.and_then(|object| Some((serde_json::from_slice(&object.bytes).ok()?, object.modified))))
}

/// The newest record of the command `run` that was not interrupted: a run that a signal stopped says nothing about the
/// table, nor does one whose clock was ahead of `now`.
///
/// # Errors
/// When the lake cannot be read.
pub async fn last_run(lake: &Lake, unit: &Unit, now: DateTime<Utc>) -> Result<Option<JobReport>> {
    newest_run(lake, unit, now, |record| !record.was_interrupted()).await
}

/// As [`last_run`], without runs that failed for credentials or configuration before their first request: they have not
/// done their scheduled work and are retried as soon as possible.
///
/// # Errors
/// When the lake cannot be read.
pub async fn last_attempt(lake: &Lake, unit: &Unit, now: DateTime<Utc>) -> Result<Option<JobReport>> {
    newest_run(lake, unit, now, |record| !record.was_interrupted() && !record.never_began()).await
}

/// The newest record that `counts`; of runs that began in the same second, the one stored last.
async fn newest_run(
    lake: &Lake,
    unit: &Unit,
    now: DateTime<Utc>,
    counts: impl Fn(&JobReport) -> bool,
) -> Result<Option<JobReport>> {
    let Records(mut entries) = Records::of(lake, unit).await?;
    let is_believed = |entry: &Listed| began_at(&entry.key).is_none_or(|time| !is_ahead(time, now));
    entries.retain(|entry| is_record(&entry.key) && is_believed(entry));
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse((began_at(&entry.key), entry.modified)));
    for entry in entries.iter().take(LOOKED_THROUGH) {
        let record = read_record(lake, &entry.key).await?;
        if let Some(record) = record.filter(|record| record.command == "run" && counts(record)) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Records, Spent, StartRecord, last_attempt, last_run, record_keys};
    use crate::lake::{Lake, LocalLake};
    use crate::ledger_store::LedgerStore;
    use crate::report::JobReport;
    use crate::window::parse_day;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn start(run_id: &str, number: u64, reserved: u64) -> StartRecord {
        let (job, run_id) = ("costs".to_owned(), run_id.to_owned());
        StartRecord { job, account: None, run_id, started_at: at("2026-11-06T06:00:00Z"), number, reserved }
    }

    #[tokio::test]
    async fn a_start_record_is_no_run_and_counts_until_there_is_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = Lake::Local(LocalLake::new(folder.path().to_owned()));
        let (killed, ended) = ("20261106T060000Z-00000001", "20261106T050000Z-00000002");
        for record in [start(killed, 1, 3), start(killed, 2, 4), start(ended, 1, 5)] {
            record.write(&lake).await.expect("a start record");
        }
        let spent =
            async |day| Spent::since(&lake, &"costs".into(), parse_day(day).expect("a day")).await.expect("a sum");
        assert_eq!(spent("2026-11-01").await, Spent { charged: 0, reserved: 12 });
        assert!(record_keys(&lake, &"costs".into()).await.expect("a listing").is_empty());
        let mut report = JobReport::begin(&"costs".into(), ended, "run", at("2026-11-06T06:00:00Z"), true);
        (report.asked.requests, report.asked.charged_pages) = (1, 1);
        LedgerStore::record_run(&lake, &report).await.expect("a record");
        assert_eq!(spent("2026-11-01").await, Spent { charged: 1, reserved: 7 });
        assert_eq!(spent("2026-12-01").await, Spent::default());
        assert_eq!(record_keys(&lake, &"costs".into()).await.expect("a listing").len(), 1);
        assert_eq!(
            last_run(&lake, &"costs".into(), at("2026-11-08T06:00:00Z"))
                .await
                .expect("a look")
                .expect("a record")
                .run_id,
            ended
        );
        let records = Records::of(&lake, &"costs".into()).await.expect("a listing");
        assert_eq!(records.newest_time(None), Some(at("2026-11-06T06:00:00Z")), "a run that began counts as one");
        assert_eq!(records.last(&lake).await.expect("a look").expect("a record").run_id, ended);
        report.run_id = "20261107T060000Z-00000003".to_owned();
        report.asked.requests = 0;
        report.exit_code = 3;
        LedgerStore::record_run(&lake, &report).await.expect("a record");
        assert_eq!(
            last_run(&lake, &"costs".into(), at("2026-11-08T06:00:00Z"))
                .await
                .expect("a look")
                .expect("a record")
                .run_id,
            report.run_id
        );
        let attempt =
            last_attempt(&lake, &"costs".into(), at("2026-11-08T06:00:00Z")).await.expect("a look").expect("a record");
        assert_eq!(attempt.run_id, ended, "a run without credentials has not done its slot");
        assert!(start(killed, 1, 9).write(&lake).await.is_err(), "another object stands there");
    }
}
