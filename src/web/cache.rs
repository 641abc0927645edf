//! State of the pages: the scheduler's job states and the ledger of every table, read from the lake at most once every
//! 2 s, regardless of the number of clients.
//!
//! Requests for the same table wait for one read. Run records never change, so each is read once; for those that are
//! not shown only the cost is kept.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex as Lock};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use futures::StreamExt;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cents::Cents;
use crate::error::Result;
use crate::job::{BrokenJob, Job};
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::ledger_store::{LedgerStore, TableRecord, read_record, record_keys};
use crate::pipeline::{Context, Look, look};
use crate::plan::spending_since;
use crate::report::JobReport;
use crate::scheduler::Scheduler;
use crate::scheduler::jobs::{JobState, locked};
use crate::status;
use crate::unit::Unit;

use super::auth::Access;
use super::chart_data::{self, Drawn, Summary};
use super::costs::{self, Costs};
use super::view::{JobFacts, PageFacts, last_run};

/// A ledger is read again after this long.
const FRESH: Duration = Duration::from_secs(2);
/// The same for an overview that is open and asks again by itself.
const FRESH_WHILE_OPEN: Duration = Duration::from_secs(60);
/// Seconds after which an overview that is open is made again even if nothing ran.
const MADE_AGAIN: i64 = 300;
/// Run records shown per job.
const SHOWN_RUNS: usize = 50;
/// Concurrent reads of run records.
const READ_AT_ONCE: usize = 8;

/// The state as every route gets it.
pub(super) type Shared = Arc<State>;

/// State shared by all routes.
pub struct State {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) access: Access,
    pub(super) lake: String,
    tables: Lock<BTreeMap<Unit, Arc<Mutex<Table>>>>,
    without_job: Mutex<Option<(Instant, Vec<String>)>>,
    costs: Lock<HashMap<Unit, ReadCosts>>,
    charts: Mutex<Vec<ReadCharts>>,
}

/// Charts of a choice that are kept; the one that was asked for longest ago makes room for another one.
const KEPT_CHARTS: usize = 16;

/// The charts of a choice, with the ledger that they were read for.
#[derive(Debug, Clone)]
struct ReadCharts {
    unit: Unit,
    drawn: Drawn,
    ledger: Arc<Ledger>,
    summary: Arc<Summary>,
}

/// The costs of a table, with the ledger and the day that they were read for.
#[derive(Debug, Clone)]
struct ReadCosts {
    ledger: Arc<Ledger>,
    day: NaiveDate,
    costs: Option<Arc<Costs>>,
}

/// A consistent snapshot of what the pages show of a table.
#[derive(Debug, Clone)]
pub(super) struct CachedTable {
    /// The table's record, once it has objects.
    record: Option<Arc<TableRecord>>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) notes: Vec<String>,
    look: Look,
    runs: Arc<Vec<JobReport>>,
    summary: Option<Arc<Summary>>,
    usd_this_month: Cents,
    /// The error of the last attempt to refresh it.
    failed: Option<String>,
}

impl CachedTable {
    /// A job as it writes this table.
    pub(super) fn job_of(&self, job: &Arc<Job>) -> Arc<Job> {
        match self.record.as_ref().map(|record| record.job_of(job)) {
            Some(Cow::Owned(grown)) => Arc::new(grown),
            _ => Arc::clone(job),
        }
    }

    /// The last recorded run that was not interrupted, among those shown.
    pub(super) fn last_run(&self, now: DateTime<Utc>) -> Option<&JobReport> {
        last_run(&self.runs, now)
    }

    /// All notes on the table, including the origin of its figures and why runs are refused.
    pub(super) fn all_notes(&self) -> Vec<String> {
        let refused = self.look.refused.as_ref().map(status::refused);
        self.notes.iter().chain(&self.look.origin).cloned().chain(refused).collect()
    }
}

#[derive(Debug, Default)]
struct Table {
    cached: Option<CachedTable>,
    read_at: Option<Instant>,
    /// Number of ended runs at the last read.
    runs_ended: u64,
    /// The table's record, read again when a new run record appears.
    identity: Option<Arc<TableRecord>>,
    records: HashMap<String, Record>,
    shown: Vec<String>,
}

/// The cached part of a run record.
#[derive(Debug)]
struct Record {
    cost: Cents,
    report: Option<JobReport>,
}

impl State {
    /// State for `scheduler`, whose lake is named `lake`.
    #[must_use]
    pub fn new(scheduler: Arc<Scheduler>, access: Access, lake: String) -> Arc<Self> {
        Arc::new(Self {
            scheduler,
            access,
            lake,
            tables: Lock::default(),
            without_job: Mutex::default(),
            costs: Lock::default(),
            charts: Mutex::default(),
        })
    }

    /// The current time of the scheduler's clock.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.scheduler.clock().now()
    }

    /// The snapshot of a job's table.
    ///
    /// # Errors
    /// When the lake cannot be read and there is no earlier snapshot.
    pub(super) async fn cached(&self, current: &JobState) -> Result<CachedTable> {
        self.cached_within(current, FRESH).await
    }

    async fn cached_within(&self, current: &JobState, age: Duration) -> Result<CachedTable> {
        let table = locked(&self.tables).entry(current.job.unit.clone()).or_default().clone();
        let mut table = table.lock().await;
        // Read at once after a run has ended: its user reloads the page to see the result.
        let age = if table.runs_ended == current.runs_ended { age } else { Duration::ZERO };
        if let Some(cached) = &table.cached
            && table.read_at.is_some_and(|at| at.elapsed() < age)
        {
            return Ok(cached.clone());
        }
        let read = table.read(self.scheduler.context(), current, self.now()).await;
        table.read_at = Some(Instant::now());
        table.runs_ended = current.runs_ended;
        let cached = match (read, table.cached.take()) {
            (Ok(cached), _) => cached,
            (Err(error), Some(old)) => CachedTable { failed: Some(error.report()), ..old },
            (Err(error), None) => return Err(error),
        };
        table.cached = Some(cached.clone());
        Ok(cached)
    }

    /// The tables without a job.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub(super) async fn without_job(&self) -> Result<Vec<String>> {
        let mut kept = self.without_job.lock().await;
        if let Some((_, names)) = kept.as_ref().filter(|(at, _)| at.elapsed() < FRESH) {
            return Ok(names.clone());
        }
        let states = &self.scheduler.jobs;
        let units = states.states(self.now()).into_iter().map(|current| current.job.unit.clone()).collect();
        let names = status::without_job(&self.scheduler.context().lake, &units, &states.broken()).await?;
        *kept = Some((Instant::now(), names.clone()));
        Ok(names)
    }

    /// The costs of a job's table for its page, read again when the ledger has changed or a day has passed. Where an
    /// object cannot be read, they are those of before, and the next page tries again.
    pub(super) async fn costs(&self, facts: &JobFacts) -> Option<Arc<Costs>> {
        let (unit, now) = (&facts.job.unit, self.now());
        let known = locked(&self.costs).get(unit).cloned();
        if let Some(known) = &known
            && Arc::ptr_eq(&known.ledger, &facts.ledger)
            && known.day == now.date_naive()
        {
            return known.costs.clone();
        }
        let lake = &self.scheduler.context().lake;
        let Ok(costs) = costs::read(lake, &facts.job, &facts.ledger, now).await else {
            return known.and_then(|known| known.costs);
        };
        let costs = costs.map(Arc::new);
        let read = ReadCosts { ledger: Arc::clone(&facts.ledger), day: now.date_naive(), costs: costs.clone() };
        locked(&self.costs).insert(unit.clone(), read);
        costs
    }

    /// The figures of a table for a choice of charts. The usual ones are at hand; others are read one choice at a time,
    /// again when the ledger has changed, and of the changed objects only. `None` if they cannot be read.
    pub(super) async fn charts(&self, facts: &JobFacts, drawn: &Drawn) -> Option<Arc<Summary>> {
        if *drawn == Drawn::default() {
            return facts.summary.clone();
        }
        let unit = &facts.job.unit;
        let mut kept = self.charts.lock().await;
        let place = kept.iter().position(|read| read.unit == *unit && read.drawn == *drawn);
        let known = place.map(|place| kept.remove(place));
        let read = match known {
            Some(known) if Arc::ptr_eq(&known.ledger, &facts.ledger) => known,
            known => {
                let lake = &self.scheduler.context().lake;
                let previous = known.map(|known| known.summary);
                let read = chart_data::refresh_drawn(lake, &facts.job, &facts.ledger, drawn, previous).await;
                let summary = read.ok()?;
                let ledger = Arc::clone(&facts.ledger);
                ReadCharts { unit: unit.clone(), drawn: drawn.clone(), ledger, summary }
            }
        };
        let summary = Arc::clone(&read.summary);
        if kept.len() >= KEPT_CHARTS {
            kept.remove(0);
        }
        kept.push(read);
        Some(summary)
    }

    /// What every page shows.
    pub(super) async fn page_facts(&self) -> PageFacts {
        self.facts_within(FRESH).await
    }

    /// The same for an overview that is open, from snapshots up to 60 s old of tables without a run since.
    pub(super) async fn overview_facts(&self) -> PageFacts {
        self.facts_within(FRESH_WHILE_OPEN).await
    }

    async fn facts_within(&self, age: Duration) -> PageFacts {
        let clock = self.scheduler.clock();
        let current = self.scheduler.jobs.states(clock.now());
        self.forget_but(&current);
        let broken = self.scheduler.jobs.broken();
        let mark = mark(&current, &broken, clock.now());
        let read = async |current: JobState| {
            let cached = self.cached_within(&current, age).await;
            facts_of(current, cached)
        };
        let jobs = futures::future::join_all(current.into_iter().map(read)).await;
        let in_use = |file: &std::path::Path| jobs.iter().any(|facts| facts.job.file == file);
        PageFacts {
            now: clock.now(),
            clock_is_fixed: clock.fixed().is_some(),
            lake: self.lake.clone(),
            broken: broken.into_iter().filter(|broken| !in_use(&broken.file)).collect(),
            jobs,
            actions: self.access.actions(),
            mark,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    fn forget_but(&self, current: &[JobState]) {
        let units: BTreeSet<&Unit> = current.iter().map(|current| &current.job.unit).collect();
        locked(&self.tables).retain(|unit, _| units.contains(unit));
        locked(&self.costs).retain(|unit, _| units.contains(unit));
    }
}

/// A text that changes when an overview that is open is out of date: with every run that begins or ends, with every
/// job file, and every five minutes, since days become stale with time. Nothing is read for it.
pub(super) fn mark(current: &[JobState], broken: &[BrokenJob], now: DateTime<Utc>) -> String {
    let mut hasher = DefaultHasher::new();
    for state in current {
        let of_job = (&state.job.unit, Arc::as_ptr(&state.job) as usize, &state.file_error);
        (of_job, state.runs_ended, state.live.is_some()).hash(&mut hasher);
    }
    for broken in broken {
        broken.lines().hash(&mut hasher);
    }
    (now.timestamp() / MADE_AGAIN).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// The recorded runs, plus the last run if it has no record because its clock or the lake was refused.
fn with_last(runs: Arc<Vec<JobReport>>, last: Option<&JobReport>) -> Arc<Vec<JobReport>> {
    let is_newer = |last: &&JobReport| runs.first().is_none_or(|first| first.run_id < last.run_id);
    let Some(last) = last.filter(is_newer) else { return runs };
    Arc::new(std::iter::once(last).chain(runs.iter()).take(SHOWN_RUNS).cloned().collect())
}

/// The facts of one job. A table that cannot be read shows the error instead and does not affect the others.
fn facts_of(current: JobState, cached: Result<CachedTable>) -> JobFacts {
    let cached = cached.unwrap_or_else(|error| CachedTable {
        record: None,
        ledger: Arc::new(Ledger::empty(&current.job.unit.table)),
        notes: Vec::new(),
        look: Look::default(),
        runs: Arc::default(),
        summary: None,
        usd_this_month: Cents::ZERO,
        failed: Some(error.report()),
    });
    let job = cached.job_of(&current.job);
    JobFacts {
        job,
        ledger: cached.ledger,
        notes: cached.notes,
        look: cached.look,
        runs: with_last(cached.runs, current.last.as_deref()),
        live: current.live,
        next: current.next,
        outlasted: current.outlasted,
        file_error: current.file_error,
        lake_error: cached.failed,
        summary: cached.summary,
        usd_this_month: cached.usd_this_month,
    }
}

impl Table {
    /// Reads the table. During a run an object may briefly be ahead of the ledger, so the two are not compared then.
    async fn read(&mut self, context: &Context, current: &JobState, now: DateTime<Utc>) -> Result<CachedTable> {
        let Context { lake, clients, .. } = context;
        let (job, lake_of, grain) = (&current.job, lake.clone(), current.job.source.grain());
        let opened = if current.live.is_some() {
            LedgerStore::open(lake_of, &job.unit, grain, now).await
        } else {
            LedgerStore::open_to_show(lake_of, &job.unit, grain, now).await
        };
        let (store, mut notes) = opened?;
        notes.extend(job.aws.note());
        let runs = self.read_runs(lake, &job.unit, spending_since(now)).await?;
        let has_new_runs = self.cached.as_ref().is_none_or(|cached| !Arc::ptr_eq(&cached.runs, &runs));
        if (self.identity.is_none() || has_new_runs) && !store.ledger.partitions.is_empty() {
            self.identity = TableRecord::kept(lake, &job.unit).await?.map(Arc::new);
        }
        let record = self.identity.clone();
        let grown = record.as_ref().map_or(Cow::Borrowed(job.as_ref()), |record| record.job_of(job));
        let look = look(clients, job, &store, record.as_deref()).await?;
        let ledger = match &self.cached {
            Some(cached) if *cached.ledger == store.ledger => cached.ledger.clone(),
            _ => Arc::new(store.ledger),
        };
        let known = self.cached.as_ref().and_then(|cached| cached.summary.clone());
        let summary = chart_data::refresh(lake, &grown, &ledger, known.clone()).await.ok().or(known);
        let usd_this_month = self.records.iter().filter(|(key, _)| is_since(key, spending_since(now)));
        let usd_this_month = usd_this_month.map(|(_, record)| record.cost).sum();
        Ok(CachedTable { record, ledger, notes, look, runs, summary, usd_this_month, failed: None })
    }

    /// Reads new run records; returns those that are shown, newest first.
    async fn read_runs(&mut self, lake: &Lake, unit: &Unit, month: NaiveDate) -> Result<Arc<Vec<JobReport>>> {
        let keys = record_keys(lake, unit).await?;
        let shown: Vec<String> = keys.iter().take(SHOWN_RUNS).cloned().collect();
        let wanted = |index: usize, key: &str| index < SHOWN_RUNS || is_since(key, month);
        let keys: Vec<String> =
            keys.into_iter().enumerate().filter(|(index, key)| wanted(*index, key)).map(|(_, key)| key).collect();
        let new: Vec<_> = keys.iter().filter(|key| !self.records.contains_key(*key)).cloned().collect();
        let reads: Vec<_> = new.iter().map(|key| read_record(lake, key)).collect();
        let found: Vec<_> = futures::stream::iter(reads).buffered(READ_AT_ONCE).collect().await;
        for (key, report) in new.into_iter().zip(found) {
            let report = report?;
            let cost = report.as_ref().map_or(Cents::ZERO, |report| report.asked.cost());
            self.records.insert(key, Record { cost, report });
        }
        self.records.retain(|key, _| keys.binary_search_by(|known| key.cmp(known)).is_ok());
        for (key, record) in &mut self.records {
            if shown.binary_search_by(|known| key.cmp(known)).is_err() {
                record.report = None;
            }
        }
        if let Some(cached) = self.cached.as_ref().filter(|_| self.shown == shown) {
            return Ok(cached.runs.clone());
        }
        let reports = shown.iter().filter_map(|key| self.records.get(key)?.report.clone()).collect();
        self.shown = shown;
        Ok(Arc::new(reports))
    }
}

/// Whether a record's key is dated `first` or later.
fn is_since(key: &str, first: NaiveDate) -> bool {
    key.rsplit('/').nth(1).and_then(crate::window::parse_day).is_some_and(|day| day >= first)
}
