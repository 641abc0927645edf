//! What the runs of a job added up to since the process began: the counters of `/metrics`.

use std::collections::BTreeMap;

use crate::report::{Asked, JobReport};

/// Counters of one job; they only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Everything asked.
    pub asked: Asked,
    /// Rows fetched.
    pub rows: u64,
    /// Objects written.
    pub objects_written: u64,
    /// Objects that were found not to be the committed ones.
    pub objects_displaced: u64,
    /// Bytes of objects written.
    pub object_bytes: u64,
    /// Runs by how they ended: `done` or `failed`.
    pub runs: BTreeMap<&'static str, u64>,
    /// Failures by the name of their kind, each once a run.
    pub failures: BTreeMap<String, u64>,
    /// Milliseconds of all runs.
    pub duration_ms: u64,
    /// Slots that were made up for by a later run, because one was still going on.
    pub outlasted: u64,
}

impl Tally {
    /// Takes in one run.
    pub fn add(&mut self, report: &JobReport) {
        self.asked.add(&report.asked);
        self.rows += report.rows;
        self.objects_written += report.objects_written;
        self.objects_displaced += report.objects_displaced;
        self.object_bytes += report.fetches.iter().map(|fetch| fetch.object_bytes).sum::<u64>();
        self.duration_ms += report.duration_ms;
        *self.runs.entry(if report.exit_code == 0 { "done" } else { "failed" }).or_default() += 1;
        for (_, failure) in report.failures() {
            *self.failures.entry(failure.kind.clone()).or_default() += 1;
        }
    }
}
