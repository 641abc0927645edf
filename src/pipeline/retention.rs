//! What is deleted at the end of a run: old ledger snapshots and expired history.
//!
//! | what | is deleted when |
//! |---|---|
//! | a ledger snapshot | there are twenty newer ones |
//! | a revision | it was committed longer ago than `lake.keep_history_for` |
//! | the time of a generation, and its kept object | the generation was replaced longer ago than that |
//!
//! Ages are measured by the run's clock or by the store's, whichever is earlier; the store's is the time at which it
//! wrote the newest ledger snapshot. So a clock that is ahead deletes nothing early. For a folder, both are this
//! machine's clock.
//!
//! No data object is ever deleted, and failures to delete are reported as notes; leftovers are harmless.

use chrono::{Datelike, Days};

use crate::error::Result;
use crate::ledger_store::{LedgerStore, kept_generations};

use super::JobRun;

/// Deletes what has expired; returns notes about what could not be deleted.
pub(super) async fn tidy(run: &JobRun<'_>, store: &mut LedgerStore, has_committed: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if let Err(error) = forget(run, store, has_committed).await {
        notes.push(format!("history past its time stays, which harms nothing: {error}"));
    }
    if let Err(error) = store.prune().await {
        notes.push(format!("old ledger snapshots stay, which harms nothing: {error}"));
    }
    notes
}

/// Only a run that committed, or whose ledger knows of expired history, lists the kept objects; on the first of a month any
/// run does, for copies that the ledger does not know of.
async fn forget(run: &JobRun<'_>, store: &mut LedgerStore, has_committed: bool) -> Result<()> {
    let (lake, job) = (&run.context.lake, run.job);
    let Some(now) = store.lake_time().map(|lake| lake.min(run.now())) else { return Ok(()) };
    let Some(limit) = now.checked_sub_days(Days::new(job.keep_history_days)) else { return Ok(()) };
    if !(has_committed || store.ledger.has_expired(limit) || now.day() == 1) {
        return Ok(());
    }
    for kept in kept_generations(lake, &job.unit, job.source.grain()).await? {
        let Some((partition, epoch)) = kept.generation else { continue };
        let state = store.ledger.partitions.get(&partition.to_string()).filter(|_| !kept.is_displaced);
        let replaced_at = state.and_then(|state| state.history.replaced_at(epoch)).unwrap_or(kept.modified);
        if replaced_at < limit {
            lake.remove_kept_generation(&kept.key).await?;
        }
    }
    if store.ledger.forget_history(limit) { store.save(&run.run_id, run.now()).await } else { Ok(()) }
}
