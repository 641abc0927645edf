//! What the pages show, as plain values: whoever serves them gathers these, and the pages do nothing else.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use crate::generation::Changes;
use crate::job::{BrokenJob, Job};
use crate::ledger::{Ledger, Revision};
use crate::pipeline::Look;
use crate::plan::Plan;
use crate::report::JobReport;
use crate::scheduler::live::Live;
use crate::sums::Sums;
use crate::window::is_ahead;

use super::summary::Summary;

/// The last run of command `run` that came to its end, by a clock that is not ahead of `now`; `runs` are newest first.
pub(super) fn last_run(runs: &[JobReport], now: DateTime<Utc>) -> Option<&JobReport> {
    runs.iter().find(|run| run.command == "run" && !run.was_interrupted() && !is_ahead(run.started_at, now))
}

/// What the page shows of one job.
#[derive(Debug, Clone)]
pub struct JobFacts {
    /// The job, as its file was when it was last good.
    pub job: Arc<Job>,
    /// What is known of its table.
    pub ledger: Arc<Ledger>,
    /// Things to know about it.
    pub notes: Vec<String>,
    /// Where its figures come from, and whether a run could begin.
    pub look: Look,
    /// Its runs, newest first, at most fifty.
    pub runs: Arc<Vec<JobReport>>,
    /// The run that goes on now.
    pub live: Option<Live>,
    /// The next times it is due, in its own time zone.
    pub next: Vec<DateTime<chrono_tz::Tz>>,
    /// A time it was due that passed while a run went on.
    pub outlasted: Option<DateTime<Utc>>,
    /// What is wrong with its file now, where the last good version is in use.
    pub file_error: Option<String>,
    /// What the charts show, once it has been read.
    pub summary: Option<Arc<Summary>>,
    /// Cents that its runs of this calendar month spent on requests.
    pub usd_this_month: u64,
}

/// What every page shows.
#[derive(Debug, Clone)]
pub struct PageFacts {
    /// Now.
    pub now: DateTime<Utc>,
    /// Whether the clock stands still, because `COSTLAKE_NOW` set it.
    pub clock_is_fixed: bool,
    /// The lake, as it is named on the command line.
    pub lake: String,
    /// The jobs, by name.
    pub jobs: Vec<JobFacts>,
    /// Job files of which no good version is known.
    pub broken: Vec<BrokenJob>,
    /// Whether the page may start a backfill.
    pub actions: bool,
    /// Version of costlake.
    pub version: &'static str,
}

/// A backfill that a person may confirm.
#[derive(Debug, Clone)]
pub struct PlanFacts {
    /// First day.
    pub from: NaiveDate,
    /// Last day, inclusive.
    pub to: NaiveDate,
    /// Whether only days are read that were never read.
    pub missing: bool,
    /// What it would do.
    pub plan: Plan,
    /// What its requests are expected to cost, in dollars.
    pub usd: String,
    /// Things to know before confirming, beside the plan's own notes.
    pub notes: Vec<String>,
}

/// One change of a day that was read before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayRevision {
    /// Generation that brought the change.
    pub epoch: u64,
    /// When, where it is known.
    pub at: Option<DateTime<Utc>>,
    /// Whether the day was an estimate before.
    pub estimated_before: bool,
    /// Whether it was one afterwards.
    pub estimated: bool,
    /// Rows before.
    pub rows_before: u64,
    /// Rows afterwards.
    pub rows: u64,
    /// What became of the rows, where that could be told.
    pub changes: Option<Changes>,
    /// Sum of each amount column before, as decimal text.
    pub totals_before: Sums,
    /// Sum of each amount column afterwards.
    pub totals: Sums,
}

/// The revisions of a slot of the partition, newest first.
pub(super) fn revisions(ledger: &Ledger, partition: &str, slot: NaiveDate) -> Vec<DayRevision> {
    let history = ledger.partitions.get(partition).map(|state| &state.history);
    let known = history.and_then(|history| history.revisions.get(&slot));
    let revision = |(epoch, known): (&u64, &Revision)| DayRevision {
        epoch: *epoch,
        at: history.and_then(|history| history.generations.get(epoch)).copied(),
        estimated_before: known.estimated_before,
        estimated: known.estimated,
        rows_before: known.rows_before,
        rows: known.rows,
        changes: known.changes,
        totals_before: known.sums_before.clone(),
        totals: known.sums.clone(),
    };
    known.into_iter().flatten().rev().map(revision).collect()
}
