//! Which units of the jobs a command works on, and how many of them side by side.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;

use futures::StreamExt;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::job::section::nearest;

use super::args::{Global, Output, UnitArguments};
use super::failures::Failures;
use super::screen::{self, PLAIN, grid, plural};
use super::select;

/// Part `index` of `count` parts of all units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shard {
    index: u64,
    count: u64,
}

impl Shard {
    /// Reads `I/N`, with I from 0 to N-1.
    pub(super) fn parse(text: &str) -> std::result::Result<Self, String> {
        let wrong = || format!("`{text}` is not I/N with I from 0 to N-1, such as 0/8");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let (index, count) = (index.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
        if index < count { Ok(Self { index, count }) } else { Err(wrong()) }
    }

    /// Whether the units with this shard key are in it: the same on every machine, in every version.
    fn holds(self, key: &str) -> bool {
        let digest = Sha256::digest(key.as_bytes());
        let number = digest.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        number % self.count == self.index
    }
}

impl UnitArguments {
    /// Whether all units are meant.
    pub(super) fn is_all(&self) -> bool {
        self.account.is_empty() && self.shard.is_none()
    }
}

/// The chosen units of the jobs, each as a job, by table and account.
///
/// # Errors
/// [`Kind::Config`] for an account that no job has.
pub(super) fn of(jobs: &[Job], asked: &UnitArguments) -> Result<Vec<Job>> {
    let mut units: Vec<Job> = jobs.iter().flat_map(Job::units).collect();
    let known: BTreeSet<&str> = units.iter().filter_map(account_of).collect();
    if let Some(account) = asked.account.iter().find(|account| !known.contains(account.as_str())) {
        let hint = nearest(account, known.iter().copied());
        return Err(Error::new(Kind::Config, format!("no job has an account `{account}`{hint}"))
            .at("flag", "--account")
            .advise("`costlake units` lists the accounts of the jobs"));
    }
    let is_named = |job: &Job| account_of(job).is_some_and(|own| asked.account.iter().any(|account| account == own));
    units.retain(|job| asked.account.is_empty() || is_named(job));
    units.retain(|job| asked.shard.is_none_or(|shard| shard.holds(job.shard_key())));
    Ok(units)
}

/// The account of a unit, or the only one that its job names.
fn account_of(job: &Job) -> Option<&str> {
    job.unit.account.as_deref().or(job.aws.account_id.as_deref())
}

/// The units by the account that is asked: those of one follow each other, since they share its pace and its probe.
pub(super) fn by_account(units: &[Job]) -> Vec<Vec<&Job>> {
    let mut accounts: Vec<Vec<&Job>> = Vec::new();
    let mut places: HashMap<_, usize> = HashMap::new();
    for job in units {
        let key = (job.entry.provider.api, &job.aws, &job.datadog_site, &job.datadog_keys);
        let place = *places.entry(key).or_insert(accounts.len());
        match accounts.get_mut(place) {
            Some(account) => account.push(job),
            None => accounts.push(vec![job]),
        }
    }
    accounts
}

/// `costlake units`.
///
/// # Errors
/// As [`of`], and when the folder of jobs cannot be read.
pub(super) fn list(global: &Global, names: &[String], asked: &UnitArguments) -> Result<u8> {
    let (jobs, broken) = select(global, names)?;
    let units = of(&jobs, asked)?;
    let failures = Failures::of(&broken);
    if global.output == Output::Json {
        let documents: Vec<_> = units.iter().map(document).collect();
        screen::json(&json!({ "units": documents, "broken": broken, "exit_code": failures.code() }))?;
    } else {
        let or_none = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let row = |job: &Job| {
            let account = job.unit.account.as_deref().unwrap_or_default();
            (vec![job.unit.table.clone(), or_none(account), or_none(job.shard_key())], PLAIN)
        };
        screen::out(&grid(&["table", "account", "shard key"], &[], units.iter().map(row)));
        screen::out(&format!("\n{} of {}", plural(units.len() as u64, "unit"), plural(jobs.len() as u64, "job")));
    }
    failures.tell();
    Ok(failures.code())
}

/// What an engine needs to know of a unit to hand it to a worker.
pub(super) fn document(job: &Job) -> serde_json::Value {
    json!({ "table": job.unit.table, "account": job.unit.account, "shard_key": job.shard_key() })
}

/// Works on units side by side, at most `most` at once; the results are in the order of the units.
pub(super) async fn side_by_side<T, F: Future<Output = T>>(units: impl IntoIterator<Item = F>, most: usize) -> Vec<T> {
    // No closures here: they would not be general enough for a task that a command spawns.
    let mut all = Vec::new();
    for (index, work) in units.into_iter().enumerate() {
        all.push(numbered(index, work));
    }
    let mut done: Vec<(usize, T)> = futures::stream::iter(all).buffer_unordered(most.max(1)).collect().await;
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

async fn numbered<F: Future>(index: usize, work: F) -> (usize, F::Output) {
    (index, work.await)
}

#[cfg(test)]
mod tests {
    use super::Shard;

    #[test]
    fn a_shard_is_one_of_several_parts() {
        for text in ["", "1", "1/", "/1", "1/1", "2/1", "0/0", "-1/2", "0/2/3", "a/b"] {
            assert!(Shard::parse(text).is_err(), "{text}");
        }
        let shards: Vec<Shard> = (0..8).map(|index| Shard::parse(&format!("{index}/8")).expect("a shard")).collect();
        for key in ["", "111122223333", "000000000000", "prod", "/keys/emea"] {
            assert_eq!(shards.iter().filter(|shard| shard.holds(key)).count(), 1, "{key}");
        }
    }

    /// Other programs may deal out units as well: which shard a key is in is fixed.
    #[test]
    fn the_shard_of_a_key_never_changes() {
        let of = |key: &str| (0..8).find(|index| Shard { index: *index, count: 8 }.holds(key));
        assert_eq!([of(""), of("111122223333"), of("222233334444")], [Some(4), Some(4), Some(5)]);
    }
}
