//! The scheduler of `serve`: runs each job when its schedule fires.
//!
//! ```text
//!  tick, once a second ─► file watcher (job files) ─► job states: due firings of idle jobs
//!                                                       │
//!                              run records ─────────────┤ last run, so that downtime costs one run
//!                                                       ▼
//!                              a task per run: pipeline::run_job ─► events to the job's progress
//!                                                       ▼
//!                              job states: report, counters, idle again ─► notifications to the webhook
//! ```
//! A run is a separate task inside another one, so that a panic ends that run alone and is reported as its failure.
//! Jobs that fire at the same tick share the requests for totals. [`Scheduler::tick`] takes the clock as an argument,
//! so that tests can advance it by weeks.
//!
//! With a clock fixed by `COSTLAKE_NOW`, due jobs run once; no later firing ever comes.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::NaiveDate;
use futures::StreamExt;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::job::{BrokenJob, Job};
use crate::ledger_store::{LedgerStore, TableRecord, last_attempt, last_run};
use crate::pipeline::totals::Shared;
use crate::pipeline::{Context, Listener, new_run_id, run_job};
use crate::plan::Ask;
use crate::report::JobReport;
use crate::unit::Unit;

pub mod bill;
pub mod counters;
pub mod cron;
pub mod glances;
pub mod health;
pub mod jobs;
pub mod notify;
pub mod progress;
mod stale;
pub mod tick;
pub mod watcher;

use glances::Glances;
use health::Health;
use jobs::{JobStates, Refusal, Start, locked};
use notify::Notifier;
use watcher::Watcher;

/// Concurrent runs; further ones wait.
const SIDE_BY_SIDE: usize = 8;
/// How often the jobs folder is scanned.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Delay before run records are read again after the lake failed.
const ASK_AGAIN: Duration = Duration::from_secs(15);

/// The scheduler. It acts only at a tick, or when a user starts a run.
pub struct Scheduler {
    context: Context,
    /// Job states, readable by every route.
    pub jobs: JobStates,
    /// Every unit at a glance.
    pub glances: Glances,
    /// Health of the process, for `/readyz`.
    pub health: Health,
    watcher: Mutex<Watcher>,
    looked: Mutex<Option<Instant>>,
    remembered: Mutex<Option<Instant>>,
    remembering: AtomicBool,
    look_now: AtomicBool,
    clock: Mutex<Clock>,
    turns: Arc<Semaphore>,
    /// The runs. Shutdown waits for these only, because nothing else writes.
    tasks: TaskTracker,
    notifier: Option<Notifier>,
    stale: stale::Watch,
}

/// What a run is to do.
struct Wanted {
    /// The command that its record names.
    command: &'static str,
    ask: Ask,
    /// Requests for totals that it shares with other runs.
    totals: Arc<Shared>,
    /// Records of tables with accounts that it shares with them.
    records: Arc<tokio::sync::Mutex<HashMap<String, TableRecord>>>,
    /// Unit and first day of each month whose held figures it takes.
    accepted: Arc<BTreeSet<(Unit, NaiveDate)>>,
}

impl Wanted {
    fn of(command: &'static str, ask: Ask) -> Self {
        Self { command, ask, totals: Arc::default(), records: Arc::default(), accepted: Arc::default() }
    }
}

impl Scheduler {
    /// A scheduler of the job files in `folder`. Runs get `context` with a separate listener, which forwards to the one
    /// in `context`.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn new(context: Context, folder: &Path, notifier: Option<Notifier>) -> Result<Arc<Self>> {
        let clock = context.clock;
        let scheduler = Self {
            context,
            jobs: JobStates::default(),
            glances: Glances::default(),
            health: Health::default(),
            watcher: Mutex::new(Watcher::new(folder)),
            looked: Mutex::default(),
            remembered: Mutex::default(),
            remembering: AtomicBool::new(false),
            look_now: AtomicBool::new(false),
            clock: Mutex::new(clock),
            turns: Arc::new(Semaphore::new(SIDE_BY_SIDE)),
            tasks: TaskTracker::new(),
            notifier,
            stale: stale::Watch::default(),
        };
        scheduler.look(clock, true)?;
        Ok(Arc::new(scheduler))
    }

    /// The clock of the last tick.
    #[must_use]
    pub fn clock(&self) -> Clock {
        *locked(&self.clock)
    }

    /// The context shared by all runs.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Reloads all job files at the next tick.
    pub fn look_again(&self) {
        self.look_now.store(true, Ordering::Relaxed);
    }

    /// Scans the job files and updates the job states with the changes.
    fn look(&self, clock: Clock, all: bool) -> Result<()> {
        let mut watcher = locked(&self.watcher);
        if !watcher.look(all)? {
            return Ok(());
        }
        let files = watcher.files();
        let mut units = BTreeSet::new();
        for entry in files.values() {
            if let Some(job) = &entry.job {
                units.extend(self.jobs.place(job, entry.broken.as_ref(), clock.now()));
            }
            for line in entry.broken.iter().flat_map(BrokenJob::lines) {
                tracing::warn!("{line}");
            }
        }
        self.jobs.keep(&units);
        self.jobs.set_broken(files.values().filter_map(|entry| entry.broken.clone()).collect());
        Ok(())
    }

    /// One tick: job files, run records, due firings. Returns at once; the work continues in tasks.
    pub fn tick(self: &Arc<Self>, clock: Clock) {
        if self.context.cancel.is_cancelled() {
            return;
        }
        *locked(&self.clock) = clock;
        let all = self.look_now.swap(false, Ordering::Relaxed);
        if all || is_time(&self.looked, LOOK_EVERY) {
            self.health.note_folder(self.look(clock, all).err().map(|error| error.report()));
        }
        self.remember(clock);
        self.health.look_at_lake(&self.context.lake);
        let due = self.jobs.take_due(clock.now());
        if !due.is_empty() {
            let jobs: Vec<Job> = due.iter().map(|start| Job::clone(&start.job)).collect();
            let (totals, records) = (Arc::new(Shared::of(&jobs, clock.now(), Ask::Due)), Arc::default());
            for start in due {
                let (totals, records) = (Arc::clone(&totals), Arc::clone(&records));
                self.spawn(start, Wanted { totals, records, ..Wanted::of("run", Ask::Due) }, clock);
            }
        }
        self.stale.look(self);
        self.health.note_beat();
    }

    /// Reads the last run of jobs from the lake, for jobs whose last run is unknown.
    fn remember(self: &Arc<Self>, clock: Clock) {
        let units = self.jobs.forgotten();
        let free = || !self.remembering.swap(true, Ordering::Relaxed);
        let again = self.health.lake_is_well() || is_time(&self.remembered, ASK_AGAIN);
        if units.is_empty() || !again || !free() {
            return;
        }
        let scheduler = self.clone();
        tokio::spawn(async move {
            let remember = async |unit: Unit| {
                let (lake, now) = (&scheduler.context.lake, clock.now());
                let found = tokio::try_join!(last_attempt(lake, &unit, now), last_run(lake, &unit, now));
                match found {
                    Ok((attempt, last)) => scheduler.jobs.remember(&unit, attempt, last, now),
                    Err(error) => {
                        tracing::warn!("{}", unit.names(error));
                        scheduler.health.note_lake(false);
                    }
                }
            };
            futures::stream::iter(units).for_each_concurrent(SIDE_BY_SIDE, remember).await;
            scheduler.remembering.store(false, Ordering::Relaxed);
        });
    }

    /// Starts a backfill or an unscheduled run.
    ///
    /// # Errors
    /// When there is no such job, it is already running, or the process is shutting down.
    pub fn start(self: &Arc<Self>, unit: &Unit, command: &'static str, ask: Ask) -> Result<(), Refusal> {
        self.start_wanted(unit, Wanted::of(command, ask))
    }

    /// Starts the run of `costlake run --accept JOB:YYYY-MM`: the held figures of a month, given by its first day, are
    /// taken, and whatever else is due is read.
    ///
    /// # Errors
    /// As for [`Scheduler::start`].
    pub fn accept(self: &Arc<Self>, unit: &Unit, month: NaiveDate) -> Result<(), Refusal> {
        let accepted = Arc::new(BTreeSet::from([(unit.clone(), month)]));
        self.start_wanted(unit, Wanted { accepted, ..Wanted::of("run", Ask::Due) })
    }

    fn start_wanted(self: &Arc<Self>, unit: &Unit, wanted: Wanted) -> Result<(), Refusal> {
        if self.context.cancel.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let clock = self.clock();
        let start = self.jobs.take(unit, wanted.command, clock.now())?;
        self.spawn(start, wanted, clock);
        Ok(())
    }

    fn spawn(self: &Arc<Self>, start: Start, wanted: Wanted, clock: Clock) {
        let Wanted { command, ask, totals, records, accepted } = wanted;
        let scheduler = self.clone();
        self.tasks.spawn(async move {
            let turn = scheduler.turns.clone().acquire_owned().await;
            if turn.is_err() || scheduler.context.cancel.is_cancelled() {
                scheduler.jobs.give_back(&start.job.unit);
                return;
            }
            let context = Context {
                listener: Some(scheduler.listener(&start)),
                totals,
                records,
                accepted,
                clock,
                elsewhere: Arc::default(),
                ..scheduler.context.clone()
            };
            let job = start.job.clone();
            let clients = Arc::clone(&context.clients);
            clients.reserve(&job).await;
            let ran = tokio::spawn(async move { run_job(&context, &job, command, ask).await }).await;
            clients.release(&start.job).await;
            let report = match ran {
                Ok(report) => report,
                Err(broken) => scheduler.broke_off(&start, command, clock, broken).await,
            };
            let (before, report) = scheduler.jobs.end(&start.job.unit, report);
            for (_, failure) in report.failures() {
                tracing::error!(job = %report.unit(), run = %report.run_id, exit_code = failure.exit_code, "{}", failure.text);
            }
            if let Some(notifier) = &scheduler.notifier
                && let Some(text) = notify::of_run(before.as_deref(), &report)
            {
                notifier.tell(&report.unit(), text);
            }
        });
    }

    fn listener(&self, start: &Start) -> Listener {
        let (live, next) = (start.live.clone(), self.context.listener.clone());
        Arc::new(move |event| {
            locked(&live).hear(&event);
            if let Some(next) = &next {
                next(event);
            }
        })
    }

    /// The report of a run that panicked.
    async fn broke_off(&self, start: &Start, command: &str, clock: Clock, broken: tokio::task::JoinError) -> JobReport {
        let (unit, started) = (&start.job.unit, locked(&start.live).started_at);
        let mut report = JobReport::begin(unit, &new_run_id(started), command, started, clock.fixed().is_some());
        let error = unit
            .names(Error::new(Kind::Internal, "the run crashed; this is a bug in costlake"))
            .because(panic_text(broken))
            .advise("what was committed is safe, and the next run goes on from there; please report this text");
        report.failure = Some((&error).into());
        report.close();
        if let Err(error) = LedgerStore::record_run(&self.context.lake, &report).await {
            tracing::warn!("{error}");
        }
        report
    }

    /// Waits for all runs to end, at most `grace`; returns whether they did. Cancel the context first.
    pub async fn ended(&self, grace: Duration) -> bool {
        self.tasks.close();
        tokio::time::timeout(grace, self.tasks.wait()).await.is_ok()
    }
}

fn panic_text(broken: tokio::task::JoinError) -> String {
    let Ok(panic) = broken.try_into_panic() else { return "its task was cancelled".to_owned() };
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without text").to_owned()
}

/// Whether `every` has passed since this last returned true.
fn is_time(last: &Mutex<Option<Instant>>, every: Duration) -> bool {
    let now = Instant::now();
    let mut last = locked(last);
    let come = last.is_none_or(|last| now.duration_since(last) >= every);
    if come {
        *last = Some(now);
    }
    come
}
