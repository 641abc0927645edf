//! Leases: workers that share no list of work do not pay for each other's units.
//!
//! | the newest `lease/<20 digits>.json` of the unit | a worker with `--lease D` |
//! |---|---|
//! | is missing, or older than D by the store's clock | takes the unit: it creates the next number |
//! | is of a run that has its record | the same, unless that run ended after this worker began and was well: then it skips the unit |
//! | is of a run without a record | skips the unit |
//! | is followed by one that another worker creates first | skips the unit: it has lost |
//!
//! A lease saves money and nothing else: without one, or with a clock that is wrong, two runs of a unit are what they
//! always are, and one of them is superseded.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::ledger_store::record_of;
use crate::unit::Unit;

use super::Context;

/// Leases that are kept, for people.
const KEPT: usize = 20;

/// What `--lease D` asks for.
#[derive(Debug, Clone, Copy)]
pub struct Leases {
    /// D: how long a worker may hold a unit.
    pub longest: Duration,
    /// When this worker began, by the machine's clock: what others have done since need not be done again.
    pub since: DateTime<Utc>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Lease {
    format: u32,
    run_id: String,
    started_at: DateTime<Utc>,
}

/// What came of taking a unit.
pub(super) enum Taken {
    /// It is ours, by the lease with this number.
    Number(u64),
    /// It is not.
    Not(Skipped),
}

/// Why a unit is skipped.
pub(super) struct Skipped {
    pub(super) note: String,
    /// Whether another worker is still at it.
    pub(super) is_held: bool,
}

impl Skipped {
    fn held(note: impl Into<String>) -> Self {
        Self { note: note.into(), is_held: true }
    }
}

/// Takes the unit for a run, unless another worker holds it or has done it; `None` where nobody takes leases.
///
/// # Errors
/// When the lake cannot be read or written.
pub(super) async fn take(
    context: &Context,
    unit: &Unit,
    run_id: &str,
    started_at: DateTime<Utc>,
) -> Result<Option<Taken>> {
    let Some(leases) = context.lease else { return Ok(None) };
    let mut known: Vec<(u64, DateTime<Utc>)> = context
        .lake
        .list(&unit.beside("lease"))
        .await?
        .into_iter()
        .filter_map(|entry| Some((number_of(unit, &entry.key)?, entry.modified)))
        .collect();
    known.sort_unstable();
    if let Some((number, at)) = known.last()
        && is_younger(*at, context.clock.now(), leases.longest)
        && let Some(skipped) = held(context, unit, *number, *at, leases.since).await?
    {
        return Ok(Some(Taken::Not(skipped)));
    }
    let next = known.last().map_or(1, |(number, _)| number.saturating_add(1));
    let lease = Lease { format: 1, run_id: run_id.to_owned(), started_at };
    let text = serde_json::to_vec(&lease)
        .map_err(|error| Error::new(Kind::Internal, "cannot write the lease").because(error))?;
    if !context.lake.create(&key_of(unit, next), Bytes::from(text)).await? {
        let skipped = Skipped::held("skipped: another worker has taken it at the same moment");
        return Ok(Some(Taken::Not(skipped)));
    }
    for (number, _) in known.iter().rev().skip(KEPT) {
        if let Err(error) = context.lake.remove_lease(&key_of(unit, *number)).await {
            tracing::warn!("an old lease stays, which harms nothing: {error}");
            break;
        }
    }
    Ok(Some(Taken::Number(next)))
}

/// Gives a unit back that was taken and is not run after all, so that nobody waits for it.
pub(super) async fn give_back(context: &Context, unit: &Unit, number: u64) {
    if let Err(error) = context.lake.remove_lease(&key_of(unit, number)).await {
        tracing::warn!("a lease stays until it is over, because it cannot be removed: {error}");
    }
}

/// Whether another worker holds the unit, or has done it since this one began; `None` if the unit is free.
async fn held(
    context: &Context,
    unit: &Unit,
    number: u64,
    at: DateTime<Utc>,
    since: DateTime<Utc>,
) -> Result<Option<Skipped>> {
    let object = context.lake.read(&key_of(unit, number), None).await?;
    let lease = object.and_then(|object| serde_json::from_slice::<Lease>(&object.bytes).ok());
    let Some(lease) = lease else { return Ok(None) };
    if let Some((record, ended)) = record_of(&context.lake, unit, &lease.run_id, lease.started_at).await? {
        let is_done = record.exit_code == 0 && ended >= since;
        let note = || format!("skipped: the run {} of another worker has just done it", lease.run_id);
        return Ok(is_done.then(|| Skipped { note: note(), is_held: false }));
    }
    let since = at.format("%Y-%m-%dT%H:%M:%SZ");
    let note = format!("skipped: the run {} of another worker has held it since {since}", lease.run_id);
    Ok(Some(Skipped::held(note)))
}

fn is_younger(at: DateTime<Utc>, now: DateTime<Utc>, longest: Duration) -> bool {
    (now - at).to_std().unwrap_or_default() < longest
}

fn key_of(unit: &Unit, number: u64) -> String {
    unit.beside(&format!("lease/{number:020}.json"))
}

fn number_of(unit: &Unit, key: &str) -> Option<u64> {
    let number = key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()?;
    (key_of(unit, number) == key).then_some(number)
}
