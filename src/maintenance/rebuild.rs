//! Rebuild: makes a table's objects again from stored raw responses, without paid requests.
//!
//! ```text
//!  stored responses of a partition ─► replay ─► rows by day ─► same as the object's? ── yes ─► nothing is written
//!                                                                   │ no, or the object is gone or broken
//!                                                                   ▼
//!                                      merge into the observed object ─► publish ─► ledger
//! ```
//!
//! | a day | then |
//! |---|---|
//! | has stored responses | its rows are made from them |
//! | has none, but is in a sound object | stays as it is |
//! | has none, and its object is gone | is reported: it is missing from the table until it is read again |
//!
//! No API is called and no API credentials are needed. One partition at a time: `rebuild/partition.rs`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use tokio::time::Instant;

use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::lake::Listed;
use crate::ledger_store::{LedgerStore, as_kept, keeps_metrics};
use crate::report::JobReport;
use crate::window::{Grain, Partition};

use crate::pipeline::retry::interrupted;
use crate::pipeline::{Context, archive, clocks, new_run_id};

use super::verify::{fingerprints, open_store};

mod partition;

use partition::{PartitionRebuild, Uncovered};

/// Rebuilds one job's table and reports; errors are in the report.
pub async fn rebuild_job(context: &Context, job: &Job) -> JobReport {
    let started = context.clock.now();
    let clock = Instant::now();
    let run_id = new_run_id(started);
    let mut report = JobReport::begin(&job.unit, &run_id, "rebuild", started, context.clock.fixed().is_some());
    let lake = match context.lake.encrypted(job.encryption.as_ref()) {
        Ok(lake) => lake,
        Err(error) => {
            report.failure = Some((&error).into());
            report.close();
            return report;
        }
    };
    let context = &*context.on(&lake);
    if let Err(error) = rebuild(context, job, &run_id, &mut report).await {
        report.failure = Some((&job.unit.names(error)).into());
    }
    report.duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    report.close();
    if !report.fetches.is_empty()
        && let Err(error) = LedgerStore::record_run(&context.lake, &report).await
        && report.failure.is_none()
    {
        report.failure = Some((&error).into());
        report.close();
    }
    report
}

async fn rebuild(context: &Context, job: &Job, run_id: &str, report: &mut JobReport) -> Result<()> {
    context.lake.prove_conditions(context.single_writer).await?;
    clocks::refuse(context, job).await?;
    let kept = as_kept(&context.lake, job).await?;
    let job = kept.as_ref();
    let (store, notes) = open_store(context, job).await?;
    report.notes.extend(notes);
    let (fingerprints, note) = fingerprints(context, job).await?;
    keeps_metrics(job, store.ledger.facts().map(|(_, facts)| facts))?;
    report.notes.extend(note);
    let mut files = kept_files(context, job).await?;
    if files.is_empty() {
        return Err(Error::new(
            Kind::Config,
            "no raw answers are kept for this job, so there is nothing to rebuild from",
        )
        .advise("set lake.keep_raw = true to keep them from the next run on; `costlake backfill` reads days again"));
    }
    let grain = job.source.grain();
    let known: Vec<_> = store.ledger.partitions.keys().filter_map(|name| grain.parse_partition(name)).collect();
    let partitions: BTreeSet<Partition> = files.keys().copied().chain(known).collect();
    let mut renewal = PartitionRebuild { context, job, run_id, fingerprints, unsaved: store.is_rebuilt(), store };
    let mut without = Without::default();
    for partition in partitions {
        if context.cancel.is_cancelled() {
            return Err(interrupted());
        }
        let files = files.remove(&partition).unwrap_or_default();
        let (fetch, bare) = renewal.run(partition, files).await;
        report.fetches.extend(fetch);
        without.add(bare);
    }
    report.notes.extend(without.notes(grain));
    if renewal.unsaved { renewal.save().await } else { Ok(()) }
}

/// The stored raw responses by partition.
async fn kept_files(context: &Context, job: &Job) -> Result<BTreeMap<Partition, Vec<Listed>>> {
    let mut files: BTreeMap<Partition, Vec<Listed>> = BTreeMap::new();
    for entry in context.lake.list(&archive::folder(&job.unit)).await? {
        let folder = entry.key.rsplit('/').nth(1);
        if let Some(partition) = folder.and_then(|value| job.source.grain().parse_partition(value)) {
            files.entry(partition).or_default().push(entry);
        }
    }
    Ok(files)
}

/// Days of the table without stored raw responses.
#[derive(Default)]
struct Without {
    stay: BTreeSet<NaiveDate>,
    gone: BTreeSet<NaiveDate>,
}

impl Without {
    fn add(&mut self, bare: Uncovered) {
        if bare.stay { self.stay.extend(bare.days) } else { self.gone.extend(bare.days) }
    }

    fn notes(&self, grain: Grain) -> impl Iterator<Item = String> {
        let stay = shown(grain, &self.stay).map(|days| format!("no raw answers are kept of {days}: left as they are"));
        let gone = shown(grain, &self.gone).map(|days| {
            format!("no raw answers are kept of {days}, and their objects are gone or broken: read them again")
        });
        stay.into_iter().chain(gone)
    }
}

fn shown(grain: Grain, slots: &BTreeSet<NaiveDate>) -> Option<String> {
    let windows: Vec<String> = grain.windows(slots.iter().copied()).iter().map(ToString::to_string).collect();
    (!windows.is_empty()).then(|| windows.join(", "))
}
