//! What the pages show, as plain values: `state` collects them and the pages only render them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};

use crate::cents::Cents;
use crate::generation::Changes;
use crate::job::{BrokenJob, Job};
use crate::ledger::{Ledger, Quarantined, Revision};
use crate::pipeline::Look;
use crate::plan::Plan;
use crate::report::JobReport;
use crate::scheduler::progress::Progress;
use crate::sums::Sums;
use crate::unit::Unit;
use crate::window::{first_of_month, is_ahead};

use super::badge::Badge;
use super::chart_data::Summary;
use super::choice::Choice;
use super::costs::Costs;
use super::format;

/// The last run of command `run` that was not interrupted and did not start after `now`; `runs` are newest first.
pub(super) fn last_run(runs: &[JobReport], now: DateTime<Utc>) -> Option<&JobReport> {
    runs.iter().find(|run| run.command == "run" && !run.was_interrupted() && !is_ahead(run.started_at, now))
}

/// The words by which a search finds a unit, in lower case.
pub(super) fn words(job: &Job, badge: Badge, standing: Badge) -> String {
    let description = format::visible(job.description.as_deref().unwrap_or_default());
    let states = [badge.look().1, standing.look().1];
    let state = if states[0] == states[1] { states[0].to_owned() } else { states.join(" ") };
    format!("{} {} {} {} {state}", job.unit, job.entry.name, job.entry.provider.name, description).to_lowercase()
}

/// Whether these words have all that is searched for.
pub(super) fn is_found(words: &str, search: &str) -> bool {
    search.to_lowercase().split_whitespace().all(|word| words.contains(word))
}

/// Whether somebody should look at a unit. One that is read for the first time needs nobody.
pub(super) fn needs_a_person(badge: Badge, standing: Badge, file_is_broken: bool) -> bool {
    match standing {
        Badge::NeverRead => badge != Badge::Running || file_is_broken,
        standing => standing < Badge::Running || file_is_broken,
    }
}

/// What the pages show of one job.
#[derive(Debug, Clone)]
pub struct JobFacts {
    /// The last good version of the job.
    pub job: Arc<Job>,
    /// The ledger of its table.
    pub ledger: Arc<Ledger>,
    /// Notes on its table.
    pub notes: Vec<String>,
    /// The origin of its figures, and whether a run could begin.
    pub look: Look,
    /// Its runs, newest first, at most 50.
    pub runs: Arc<Vec<JobReport>>,
    /// The current run.
    pub live: Option<Progress>,
    /// Its next firings, in its time zone.
    pub next: Vec<DateTime<chrono_tz::Tz>>,
    /// A firing that passed during a run.
    pub outlasted: Option<DateTime<Utc>>,
    /// The error in its file, while the last good version is in use.
    pub file_error: Option<String>,
    /// Why its table could not be read: what is shown is older, or nothing.
    pub lake_error: Option<String>,
    /// What the charts show; `None` until it has been read.
    pub summary: Option<Arc<Summary>>,
    /// Cost of the requests of its runs in this calendar month.
    pub usd_this_month: Cents,
}

/// What every page shows.
#[derive(Debug, Clone)]
pub struct PageFacts {
    /// The current time.
    pub now: DateTime<Utc>,
    /// Whether `COSTLAKE_NOW` has fixed the clock.
    pub clock_is_fixed: bool,
    /// The lake as named on the command line.
    pub lake: String,
    /// The units that are shown, by table and account.
    pub jobs: Vec<JobFacts>,
    /// Where there are many units: all of them in numbers, since `jobs` are those alone that have a line of their own.
    pub beyond: Option<Beyond>,
    /// Broken job files without a last good version.
    pub broken: Vec<BrokenJob>,
    /// Whether the page may start a backfill.
    pub actions: bool,
    /// What the overview was made of, a hash of its runs and job files.
    pub mark: String,
    /// Version of costlake.
    pub version: &'static str,
}

/// Many units in numbers.
#[derive(Debug, Clone, Default)]
pub struct Beyond {
    /// The units that have been looked at, by state.
    pub states: BTreeMap<Badge, u64>,
    /// Those of them that the search finds.
    pub found: u64,
    /// Units that have not been looked at since the process began.
    pub unread: u64,
    /// Units of `found` that need a person, and those that do not, without a line of their own.
    pub without_line: (u64, u64),
    /// Cost of the requests of all runs in this calendar month.
    pub spent: Cents,
    /// Notes on where the figures come from, with the number of units of each.
    pub origin: BTreeMap<String, u64>,
    /// The tables with accounts.
    pub tables: Vec<OfAccounts>,
}

/// A table with accounts, in numbers.
#[derive(Debug, Clone)]
pub struct OfAccounts {
    /// The job of one of its accounts.
    pub job: Arc<Job>,
    /// Its accounts that have been looked at, by state.
    pub states: BTreeMap<Badge, u64>,
    /// Those that have not since the process began.
    pub unread: u64,
    /// The newest day (or month) of any of them.
    pub newest: Option<NaiveDate>,
    /// When the account that waits longest was last compared with its API; `None` if one never was.
    pub checked_at: Option<DateTime<Utc>>,
}

/// A page of the accounts of a table.
#[derive(Debug, Clone)]
pub struct AccountsFacts {
    /// All of them in numbers.
    pub all: OfAccounts,
    /// Where the figures come from, if that is not the API itself.
    pub origin: BTreeSet<String>,
    /// What is searched for.
    pub search: String,
    /// Accounts that the search finds.
    pub found: u64,
    /// The page that is shown, from 1, and how many there are.
    pub page: (usize, usize),
}

/// A run in progress.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// What it writes.
    pub unit: &'a Unit,
    /// Its progress.
    pub live: &'a Progress,
    /// A firing that passed since it began.
    pub outlasted: Option<DateTime<Utc>>,
}

/// A backfill to confirm.
#[derive(Debug, Clone)]
pub struct PlanFacts {
    /// First day.
    pub from: NaiveDate,
    /// Last day, inclusive.
    pub to: NaiveDate,
    /// Whether only days are read that have never been read.
    pub missing: bool,
    /// What it would do.
    pub plan: Plan,
    /// What its requests are expected to cost.
    pub price: Cents,
    /// Notes to show before confirming, in addition to those of the plan.
    pub notes: Vec<String>,
}

/// An acceptance of held figures to confirm.
#[derive(Debug, Clone)]
pub struct AcceptFacts {
    /// The first day of the month.
    pub month: NaiveDate,
    /// Requests that its run is expected to send.
    pub requests: u64,
    /// What they are expected to cost.
    pub price: Cents,
    /// Notes to show before confirming.
    pub notes: Vec<String>,
}

/// What is selected on the page of a job.
#[derive(Debug, Clone, Default)]
pub struct Selected {
    /// The day (or month) whose details are shown.
    pub day: Option<NaiveDate>,
    /// What the charts show.
    pub choice: Choice,
    /// Its figures; `None` if they are not the usual ones and cannot be read.
    pub summary: Option<Arc<Summary>>,
    /// The costs of the table, if it is one of costs.
    pub costs: Option<Arc<Costs>>,
}

impl Selected {
    /// What is shown of a job where nothing is selected.
    #[must_use]
    pub fn usual(job: &JobFacts) -> Self {
        Self { summary: job.summary.clone(), ..Self::default() }
    }

    /// The same with the details of a day.
    #[must_use]
    pub fn of_day(job: &JobFacts, day: NaiveDate) -> Self {
        Self { day: Some(day), ..Self::usual(job) }
    }
}

/// The held slots of a month.
pub(super) fn held_of(ledger: &Ledger, month: NaiveDate) -> BTreeMap<NaiveDate, &Quarantined> {
    let of_month = ledger.quarantined.iter().filter(|(slot, _)| first_of_month(**slot) == month);
    of_month.map(|(slot, held)| (*slot, held)).collect()
}

/// One revision of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayRevision {
    /// Generation that introduced the revision.
    pub epoch: u64,
    /// When it was committed, if known.
    pub at: Option<DateTime<Utc>>,
    /// Whether the day was an estimate before.
    pub estimated_before: bool,
    /// Whether the day was an estimate afterwards.
    pub estimated: bool,
    /// Rows before.
    pub rows_before: u64,
    /// Rows afterwards.
    pub rows: u64,
    /// How the rows changed, if known.
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
