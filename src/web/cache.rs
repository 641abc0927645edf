//! State of the pages. What lists and sums show is at hand ([`crate::scheduler::glances`]); a unit whose own page is
//! looked at is read again after 2 s, whatever the number of clients, and its charts and runs are kept for a while.
//!
//! Requests for the same unit wait for one read. Run records never change, so each is read once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex as Lock};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use futures::StreamExt;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cents::Cents;
use crate::error::{Error, Result};
use crate::job::BrokenJob;
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::ledger_store::read_record;
use crate::pipeline::Look;
use crate::report::JobReport;
use crate::scheduler::Scheduler;
use crate::scheduler::glances::{FEW, FRESH, Known, SHOWN_RUNS, Seen, pace};
use crate::scheduler::jobs::{JobState, locked};
use crate::status;
use crate::unit::Unit;

use super::auth::Access;
use super::chart_data::{self, Drawn, Summary};
use super::costs::{self, Costs};
use super::many;
use super::restated::{self, Briefs, Log};
use super::view::{AccountsFacts, JobFacts, PageFacts};

/// The same for an overview that is open and asks again by itself.
const FRESH_WHILE_OPEN: Duration = Duration::from_secs(60);
/// Seconds after which an overview that is open is made again even if nothing ran.
const MADE_AGAIN: i64 = 300;
/// Concurrent reads of run records.
const READ_AT_ONCE: usize = 8;
/// Units whose charts and runs are kept; the one that was looked at longest ago makes room for another one.
const KEPT_UNITS: usize = FEW + 8;

/// The state as every route gets it.
pub(super) type Shared = Arc<State>;

/// State shared by all routes.
pub struct State {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) access: Access,
    pub(super) lake: String,
    shown: Lock<HashMap<Unit, (Instant, Place)>>,
    without_job: Mutex<Option<(Instant, Vec<String>)>>,
    costs: Lock<HashMap<Unit, ReadCosts>>,
    charts: Mutex<Vec<ReadCharts>>,
    restated: Mutex<Briefs>,
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

/// Where what is shown of a unit is kept; read by one request at a time.
type Place = Arc<Mutex<Option<Shown>>>;

/// What the page of a unit shows besides what is known of it.
#[derive(Debug, Clone)]
struct Shown {
    /// What it was made for; `None` if a part of it could not be read.
    version: Option<u64>,
    ledger: Arc<Ledger>,
    runs: Arc<Vec<JobReport>>,
    reports: BTreeMap<String, JobReport>,
    summary: Option<Arc<Summary>>,
}

impl State {
    /// State for `scheduler`, whose lake is named `lake`.
    #[must_use]
    pub fn new(scheduler: Arc<Scheduler>, access: Access, lake: String) -> Arc<Self> {
        Arc::new(Self {
            scheduler,
            access,
            lake,
            shown: Lock::default(),
            without_job: Mutex::default(),
            costs: Lock::default(),
            charts: Mutex::default(),
            restated: Mutex::default(),
        })
    }

    /// The current time of the scheduler's clock.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.scheduler.clock().now()
    }

    /// The facts of a unit, from a look at most `age` old. Where the lake cannot be read they say so.
    async fn facts_of(&self, current: JobState, age: Duration) -> JobFacts {
        let mut seen = self.scheduler.seen(&current, age).await;
        let mut shown = None;
        if let Some(known) = seen.known.clone() {
            match self.shown(&known).await {
                Ok((found, None)) => shown = Some(found),
                Ok((found, Some(error))) => {
                    seen.failed.get_or_insert((error.report(), error.kind().exit_code()));
                    shown = Some(found);
                }
                Err(error) => _ = seen.failed.get_or_insert((error.report(), error.kind().exit_code())),
            }
        }
        facts(current, &seen, shown, self.now())
    }

    /// What a unit's page shows, made again when what is known of it has changed. Runs and charts that cannot be read are
    /// those of before, and are read again by the next request; the error is that of the runs.
    async fn shown(&self, known: &Known) -> Result<(Shown, Option<Error>)> {
        let unit = &known.job.unit;
        let place = {
            let mut all = locked(&self.shown);
            let (used, place) = all.entry(unit.clone()).or_insert_with(|| (Instant::now(), Arc::default()));
            *used = Instant::now();
            let place = Arc::clone(place);
            if all.len() > KEPT_UNITS
                && let Some(oldest) = all.iter().min_by_key(|(_, (used, _))| *used).map(|(unit, _)| unit.clone())
            {
                all.remove(&oldest);
                locked(&self.costs).remove(&oldest);
            }
            place
        };
        let mut place = place.lock().await;
        if let Some(shown) = place.as_ref().filter(|shown| shown.version == Some(known.version)) {
            return Ok((shown.clone(), None));
        }
        let before = place.clone();
        let ledger = known.ledger()?;
        let ledger = match &before {
            Some(before) if *before.ledger == ledger => Arc::clone(&before.ledger),
            _ => Arc::new(ledger),
        };
        let lake = &self.scheduler.context().lake;
        let (charts, mut reports) = before.map(|before| (before.summary, before.reports)).unwrap_or_default();
        let unread = read_reports(lake, &known.records, &mut reports).await.err();
        let runs = known.records.iter().filter_map(|key| reports.get(key).cloned()).collect();
        let drawn = chart_data::refresh(lake, &known.job, &ledger, charts.clone()).await;
        let version = (unread.is_none() && drawn.is_ok()).then_some(known.version);
        let shown = Shown { version, ledger, runs: Arc::new(runs), reports, summary: drawn.ok().or(charts) };
        *place = Some(shown.clone());
        Ok((shown, unread))
    }

    /// The tables without a job.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub(super) async fn without_job(&self) -> Result<Vec<String>> {
        let mut kept = self.without_job.lock().await;
        let states = &self.scheduler.jobs;
        let age = pace(states.number());
        if let Some((_, names)) = kept.as_ref().filter(|(at, _)| at.elapsed() < age) {
            return Ok(names.clone());
        }
        let units = states.states().into_iter().map(|current| current.job.unit.clone()).collect();
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

    /// What every page shows, without any unit.
    pub(super) fn frame(&self, current: &[JobState]) -> PageFacts {
        let clock = self.scheduler.clock();
        let broken = self.scheduler.jobs.broken();
        let mark = self.mark(current, &broken);
        // The pages of few units show what is wrong with a file beside each of them.
        let is_shown =
            |file: &std::path::Path| current.len() <= FEW && current.iter().any(|current| current.job.file == file);
        PageFacts {
            now: clock.now(),
            clock_is_fixed: clock.fixed().is_some(),
            lake: self.lake.clone(),
            jobs: Vec::new(),
            beyond: None,
            broken: broken.into_iter().filter(|broken| !is_shown(&broken.file)).collect(),
            actions: self.access.actions(),
            mark,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// The facts of one unit's page; `None` if there is no such unit.
    pub(super) async fn page_of(&self, unit: &Unit) -> Option<PageFacts> {
        let current = self.scheduler.jobs.of(unit)?;
        let frame = self.frame(std::slice::from_ref(&current));
        Some(PageFacts { jobs: vec![self.facts_of(current, FRESH).await], ..frame })
    }

    /// The facts of the overview, or of what `search` finds. An overview that is `open` and asks again by itself has them
    /// from looks up to 60 s old at units without a run since.
    pub(super) async fn overview(&self, search: &str, open: bool) -> PageFacts {
        let current = self.scheduler.jobs.states();
        self.forget_but(&current);
        let frame = self.frame(&current);
        if current.len() <= FEW {
            let age = if open { FRESH_WHILE_OPEN } else { FRESH };
            let jobs = current.into_iter().map(|current| self.facts_of(current, age));
            return PageFacts { jobs: futures::future::join_all(jobs).await, ..frame };
        }
        self.scheduler.look_at_units().await;
        let units = self.at_a_glance(current);
        let (jobs, beyond) = many::overview(units, search, frame.now);
        PageFacts { jobs, beyond: Some(beyond), ..frame }
    }

    /// The accounts of a table, a page of them; `None` if there is no such table, or if it has none.
    pub(super) async fn accounts(&self, table: &str, search: &str, page: usize) -> Option<(PageFacts, AccountsFacts)> {
        let current = self.of_accounts(table);
        let frame = self.frame(&current);
        if current.is_empty() {
            return None;
        }
        self.scheduler.look_at_units().await;
        let (jobs, accounts) = many::accounts(self.at_a_glance(current), search, page, frame.now)?;
        Some((PageFacts { jobs, ..frame }, accounts))
    }

    /// The units of a table with accounts.
    fn of_accounts(&self, table: &str) -> Vec<JobState> {
        let mut current = self.scheduler.jobs.states();
        current.retain(|current| current.job.unit.table == table && current.job.unit.account.is_some());
        current
    }

    /// Units with what is known of them.
    pub(super) fn at_a_glance(&self, current: Vec<JobState>) -> Vec<(JobState, Seen)> {
        let with_seen = |current: JobState| {
            let seen = self.scheduler.glances.of(&current.job.unit);
            (current, seen)
        };
        current.into_iter().map(with_seen).collect()
    }

    /// What was restated lately, in all units.
    pub(super) async fn restated(&self, only_final: bool) -> Log {
        let (current, now) = (self.scheduler.jobs.states(), self.now());
        if current.len() <= FEW {
            let jobs = current.into_iter().map(|current| self.facts_of(current, FRESH));
            return restated::log(&futures::future::join_all(jobs).await, now, only_final);
        }
        self.scheduler.look_at_units().await;
        let units = self.at_a_glance(current);
        self.restated.lock().await.log(&units, now, only_final).await
    }

    /// A text that changes when an overview that is open is out of date: with every run that begins or ends, with every
    /// look that found something else, with every job file, and every five minutes, since days become stale with time.
    /// Nothing is read for it.
    pub(super) fn mark(&self, current: &[JobState], broken: &[BrokenJob]) -> String {
        let mut hasher = DefaultHasher::new();
        for state in current {
            let of_job = (&state.job.unit, Arc::as_ptr(&state.job) as usize, &state.file_error);
            (of_job, state.runs_ended, state.live.is_some()).hash(&mut hasher);
        }
        for broken in broken {
            broken.lines().hash(&mut hasher);
        }
        if current.len() > FEW {
            self.scheduler.glances.state().hash(&mut hasher);
        }
        (self.now().timestamp() / MADE_AGAIN).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    fn forget_but(&self, current: &[JobState]) {
        let units: BTreeSet<&Unit> = current.iter().map(|current| &current.job.unit).collect();
        locked(&self.shown).retain(|unit, _| units.contains(unit));
        locked(&self.costs).retain(|unit, _| units.contains(unit));
    }
}

/// The recorded runs, plus the last run if it has no record because its clock or the lake was refused.
fn with_last(runs: Arc<Vec<JobReport>>, last: Option<&JobReport>) -> Arc<Vec<JobReport>> {
    let is_newer = |last: &&JobReport| runs.first().is_none_or(|first| first.run_id < last.run_id);
    let Some(last) = last.filter(is_newer) else { return runs };
    Arc::new(std::iter::once(last).chain(runs.iter()).take(SHOWN_RUNS).cloned().collect())
}

/// The facts of a unit. One that cannot be read shows the error instead and does not affect the others.
fn facts(current: JobState, seen: &Seen, shown: Option<Shown>, now: DateTime<Utc>) -> JobFacts {
    let known = seen.known.as_deref();
    let (ledger, runs, summary) = match shown {
        Some(shown) => (shown.ledger, shown.runs, shown.summary),
        None => (Arc::new(Ledger::empty(&current.job.unit.table)), Arc::default(), None),
    };
    JobFacts {
        job: known.map_or_else(|| Arc::clone(&current.job), |known| Arc::clone(&known.job)),
        ledger,
        notes: known.map(|known| known.notes.clone()).unwrap_or_default(),
        look: known.map_or_else(Look::default, |known| known.look.clone()),
        runs: with_last(runs, current.last.as_deref()),
        next: current.next(now),
        live: current.live,
        outlasted: current.outlasted,
        file_error: current.file_error,
        lake_error: seen.failed.as_ref().map(|(text, _)| text.clone()),
        summary,
        usd_this_month: known.map_or(Cents::ZERO, |known| known.usd_this_month),
    }
}

/// The facts of a unit for a line of a list: without charts and times to come, and of its runs the last. What is wrong
/// with its file stands above the list.
pub(super) fn facts_of_line(mut current: JobState, seen: &Seen, now: DateTime<Utc>) -> JobFacts {
    current.file_error = None;
    let known = seen.known.as_deref();
    let ledger = known.and_then(|known| known.ledger().ok());
    let runs = known.and_then(|known| known.last.as_deref()).into_iter().cloned().collect();
    let (ledger, runs) = (ledger.unwrap_or_else(|| Ledger::empty(&current.job.unit.table)), Arc::new(runs));
    let shown = Shown { version: None, ledger: Arc::new(ledger), runs, reports: BTreeMap::new(), summary: None };
    facts(current, seen, Some(shown), now)
}

/// Reads the records of these keys that are not at hand, and drops all others.
async fn read_reports(lake: &Lake, keys: &[String], at_hand: &mut BTreeMap<String, JobReport>) -> Result<()> {
    at_hand.retain(|key, _| keys.contains(key));
    let new: Vec<&String> = keys.iter().filter(|key| !at_hand.contains_key(*key)).collect();
    let reads: Vec<_> = new.iter().map(|key| read_record(lake, key)).collect();
    let found: Vec<_> = futures::stream::iter(reads).buffered(READ_AT_ONCE).collect().await;
    for (key, report) in new.into_iter().zip(found) {
        if let Some(report) = report? {
            at_hand.insert(key.clone(), report);
        }
    }
    Ok(())
}
