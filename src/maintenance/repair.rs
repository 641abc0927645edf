//! Repair: fixes the defects that `verify` found, where that is safe.
//!
//! | defect | then |
//! |---|---|
//! | ahead | the ledger adopts it; no API is called |
//! | missing, behind, corrupt under a sound footer | every day the ledger has of it is read again, and the object is written under a higher generation, if it is still the observed one |
//! | corrupt with an unreadable footer | left and reported: costlake never overwrites what it cannot read |
//! | foreign | left and reported |
//! | a missing ledger | written again from the footers |
//!
//! Reading again is an ordinary run: the same budget, the same checks, a separate run record. Afterwards the table is
//! verified again.

use std::collections::{BTreeMap, BTreeSet};

use tracing::info;

use crate::error::Result;
use crate::job::Job;
use crate::ledger_store::{LedgerStore, Look, look};
use crate::plan::Ask;
use crate::report::JobReport;
use crate::window::Partition;

use super::verify::{Defect, Depth, TableCheck, open_store, verify};
use crate::pipeline::{Context, clocks, new_run_id, run_job};

/// The command in the records of repair runs.
const COMMAND: &str = "repair";

/// Verifies a job's table, repairs what can be repaired and verifies it again.
///
/// # Errors
/// When the lake cannot be read or the ledger cannot be written; errors of the runs that read days again are in
/// `runs` of the result.
pub async fn repair(context: &Context, job: &Job, depth: Depth) -> Result<TableCheck> {
    let context = &*context.on(&context.lake.encrypted(job.encryption.as_ref())?);
    let mut before = verify(context, job, depth).await?;
    let (mut store, _) = open_store(context, job).await?;
    let mendable: BTreeSet<Partition> =
        before.findings.iter().filter(|finding| finding.replaceable).filter_map(|finding| finding.partition).collect();
    if mendable.is_empty() && !store.is_rebuilt() {
        return Ok(before);
    }
    context.lake.prove_conditions(context.single_writer).await?;
    clocks::refuse(context, job).await?;
    take_over(context, job, &mut store, &mendable).await?;
    let broken: BTreeSet<Partition> = before
        .findings
        .iter()
        .filter(|finding| finding.replaceable && finding.defect != Defect::Ahead)
        .filter_map(|finding| finding.partition)
        .collect();
    before.runs = read_again(context, job, &store, &broken).await;
    let after = verify(context, job, depth).await?;
    Ok(compared(before, after))
}

/// Adopts objects that are ahead of the ledger, and writes a missing ledger.
async fn take_over(
    context: &Context,
    job: &Job,
    store: &mut LedgerStore,
    mendable: &BTreeSet<Partition>,
) -> Result<()> {
    let now = context.clock.now();
    let mut changed = store.is_rebuilt();
    for partition in mendable {
        let Look::Whole(seen) = look(&context.lake, &job.unit, *partition).await? else { continue };
        if store.follow(*partition, &seen, now).await? {
            info!(%partition, epoch = seen.footer.epoch, "taken into the ledger");
            changed = true;
        }
    }
    if changed { store.save(&new_run_id(now), now).await } else { Ok(()) }
}

/// Reads the days of broken partitions again: one run per range of adjacent ones, so that no sound partition is read.
async fn read_again(context: &Context, job: &Job, store: &LedgerStore, broken: &BTreeSet<Partition>) -> Vec<JobReport> {
    let mut runs = Vec::new();
    if job.entry.rules.snapshot {
        return runs;
    }
    for (first, last) in stretches(job, store, broken) {
        if context.cancel.is_cancelled() {
            break;
        }
        runs.push(run_job(context, job, COMMAND, Ask::Known { first, last }).await);
    }
    runs
}

/// The broken partitions as ranges that contain no sound partition of the ledger.
fn stretches(job: &Job, store: &LedgerStore, broken: &BTreeSet<Partition>) -> Vec<(Partition, Partition)> {
    let grain = job.source.grain();
    let known: Vec<Partition> = store.ledger.partitions.keys().filter_map(|name| grain.parse_partition(name)).collect();
    known
        .chunk_by(|a, b| broken.contains(a) == broken.contains(b))
        .filter_map(|chunk| Some((*chunk.first()?, *chunk.last()?)))
        .filter(|(first, _)| broken.contains(first))
        .collect()
}

/// The findings of the first check, each marked as repaired or not, and new ones of the second.
fn compared(before: TableCheck, after: TableCheck) -> TableCheck {
    let mut still: BTreeMap<String, _> =
        after.findings.into_iter().map(|finding| (finding.key.clone(), finding)).collect();
    let mut findings: Vec<_> = before
        .findings
        .into_iter()
        .map(|mut finding| {
            finding.repaired = !still.contains_key(&finding.key);
            still.remove(&finding.key).unwrap_or(finding)
        })
        .collect();
    findings.extend(still.into_values());
    findings.sort_by(|a, b| a.key.cmp(&b.key));
    TableCheck { findings, notes: before.notes, runs: before.runs, ..after }
}
