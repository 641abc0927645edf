//! Counters over the runs of a job since the process started, for `/metrics`.

use std::collections::BTreeMap;

use crate::report::{JobReport, RequestStats};

/// Counters of one job; they only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    /// Requests, pages and bytes of all runs.
    pub asked: RequestStats,
    /// Rows fetched.
    pub rows: u64,
    /// Objects written.
    pub objects_written: u64,
    /// Objects that were found to differ from the committed ones.
    pub objects_displaced: u64,
    /// Size of the objects written, in bytes.
    pub object_bytes: u64,
    /// Runs by how they ended: `done` or `failed`.
    pub runs: BTreeMap<&'static str, u64>,
    /// Failures by the name of their kind, each counted once per run.
    pub failures: BTreeMap<String, u64>,
    /// Duration of all runs, in milliseconds.
    pub duration_ms: u64,
    /// Firings that passed during a run and were made up for by a later one.
    pub outlasted: u64,
}

impl Counters {
    /// Adds one run.
    pub fn add(&mut self, report: &JobReport) {
        self.asked.add(&report.asked);
        self.rows += report.rows;
        self.objects_written += report.objects_written;
        self.objects_displaced += report.objects_displaced;
        self.object_bytes += report.fetches.iter().map(|fetch| fetch.object_bytes).sum::<u64>();
        self.duration_ms += report.duration_ms;
        *self.runs.entry(if report.exit_code == 0 { "done" } else { "failed" }).or_default() += 1;
        for (_, failure) in report.failures() {
            *self.failures.entry(failure.kind.name().to_owned()).or_default() += 1;
        }
    }
}
