//! Job states: every job with its next firings, its running task and the results of its runs. Written by the scheduler,
//! read by the page; no I/O, and time is an argument.
//!
//! | a job | runs next |
//! |---|---|
//! | never ran | at once: its owner waits for the first data |
//! | missed firings during downtime or a long run | once, for the newest of them |
//! | is idle and a firing is due | now |
//! | has no schedule | when a user starts it |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use crate::job::{BrokenJob, Job};
use crate::report::JobReport;
use crate::unit::Unit;

use super::counters::Counters;
use super::cron;
use super::progress::Progress;

/// A clock that goes back further than this was wrong before; smaller steps must not repeat a firing.
const CLOCK_STEP: Duration = Duration::minutes(5);

/// Progress of a run: written by the run, read by the page.
pub type SharedLive = Arc<Mutex<Progress>>;

/// Locks `mutex`, poisoned or not: every change under these locks is a single assignment.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Entry {
    job: Arc<Job>,
    /// The job of its file, which it is a unit of.
    file: Arc<Job>,
    file_error: Option<String>,
    /// Its file is gone; the entry is removed when the run ends.
    leaving: bool,
    /// Firings after this are due; `None` until the run records have been read.
    since: Option<DateTime<Utc>>,
    next: Option<DateTime<Utc>>,
    /// A firing that is due and has not run.
    pending: Option<DateTime<Utc>>,
    live: Option<SharedLive>,
    outlasted: Option<DateTime<Utc>>,
    last: Option<Arc<JobReport>>,
    counters: Counters,
    runs_ended: u64,
}

/// The state of one job.
#[derive(Debug, Clone)]
pub struct JobState {
    /// The job in force.
    pub job: Arc<Job>,
    /// What is wrong with the current version of its file.
    pub file_error: Option<String>,
    /// The current run.
    pub live: Option<Progress>,
    /// A firing that passed during a run.
    pub outlasted: Option<DateTime<Utc>>,
    /// The last run that ended.
    pub last: Option<Arc<JobReport>>,
    /// Counters over its runs.
    pub counters: Counters,
    /// Rises with each run that ends.
    pub runs_ended: u64,
}

impl JobState {
    /// Its next firings after `now`, in its time zone.
    #[must_use]
    pub fn next(&self, now: DateTime<Utc>) -> Vec<DateTime<Tz>> {
        self.job.schedule.as_ref().map(|schedule| schedule.next(now, 3)).unwrap_or_default()
    }
}

/// Why a run was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such job.
    Unknown,
    /// It is already running.
    Busy,
    /// The process is shutting down.
    Stopping,
}

/// A run that may begin: its job counts as running until [`JobStates::end`].
#[derive(Debug, Clone)]
pub struct Start {
    /// The job as it is now.
    pub job: Arc<Job>,
    /// Receives its progress.
    pub live: SharedLive,
}

/// All jobs.
#[derive(Debug, Default)]
pub struct JobStates {
    entries: Mutex<BTreeMap<Unit, Entry>>,
    broken: Mutex<Vec<BrokenJob>>,
}

impl JobStates {
    /// Adds the units of a job file or replaces them with a new version; returns them. A new schedule counts from now.
    pub fn place(&self, file: &Arc<Job>, broken: Option<&BrokenJob>, now: DateTime<Utc>) -> BTreeSet<Unit> {
        let mut entries = locked(&self.entries);
        let file_error = broken.map(|broken| broken.lines().join("\n"));
        let is_placed = |entry: &&mut Entry| Arc::ptr_eq(&entry.file, file);
        let mut units: BTreeSet<Unit> = BTreeSet::new();
        for entry in entries.values_mut().filter(is_placed) {
            (entry.file_error, entry.leaving) = (file_error.clone(), false);
            units.insert(entry.job.unit.clone());
        }
        if !units.is_empty() {
            return units;
        }
        let schedule = |job: &Job| job.schedule.as_ref().map(|schedule| (schedule.cron.clone(), schedule.timezone));
        for job in file.units() {
            units.insert(job.unit.clone());
            let new = Entry::new(Arc::new(job), file, file_error.clone());
            let Some(entry) = entries.get_mut(&new.job.unit) else {
                entries.insert(new.job.unit.clone(), new);
                continue;
            };
            if schedule(&entry.job) != schedule(&new.job) {
                (entry.since, entry.next, entry.pending) = (entry.since.map(|since| since.max(now)), None, None);
            }
            (entry.job, entry.file, entry.file_error, entry.leaving) = (new.job, new.file, new.file_error, false);
        }
        units
    }

    /// Removes every job whose unit is not in `units`; a job that is running is removed when its run ends.
    pub fn keep(&self, units: &BTreeSet<Unit>) {
        let mut entries = locked(&self.entries);
        for entry in entries.values_mut() {
            entry.leaving = !units.contains(&entry.job.unit);
        }
        entries.retain(|_, entry| !entry.leaving || entry.live.is_some());
    }

    /// Sets the list of broken files.
    pub fn set_broken(&self, broken: Vec<BrokenJob>) {
        *locked(&self.broken) = broken;
    }

    /// The files that are broken, with and without a last good version.
    #[must_use]
    pub fn broken(&self) -> Vec<BrokenJob> {
        locked(&self.broken).clone()
    }

    /// The jobs whose last run is not known yet.
    #[must_use]
    pub fn forgotten(&self) -> Vec<Unit> {
        let entries = locked(&self.entries);
        entries.iter().filter(|(_, entry)| entry.since.is_none()).map(|(unit, _)| unit.clone()).collect()
    }

    /// Stores the run records of a job: the last run that did what its schedule asked for, and the last run.
    pub fn remember(&self, unit: &Unit, attempt: Option<JobReport>, last: Option<JobReport>, now: DateTime<Utc>) {
        let mut entries = locked(&self.entries);
        let Some(entry) = entries.get_mut(unit).filter(|entry| entry.since.is_none()) else { return };
        if attempt.is_none() && entry.job.schedule.is_some() {
            entry.pending = Some(now);
        }
        entry.since = Some(attempt.as_ref().map_or(now, |report| report.started_at));
        if entry.last.is_none() {
            entry.last = last.map(Arc::new);
        }
    }

    /// Marks every idle job with a due firing as running, and returns these runs.
    pub fn take_due(&self, now: DateTime<Utc>) -> Vec<Start> {
        let mut entries = locked(&self.entries);
        entries.values_mut().filter(|entry| !entry.leaving).filter_map(|entry| entry.take_due(now)).collect()
    }

    /// Marks one job as running.
    ///
    /// # Errors
    /// When there is no such job, or it is already running.
    pub fn take(&self, unit: &Unit, command: &str, now: DateTime<Utc>) -> Result<Start, Refusal> {
        let mut entries = locked(&self.entries);
        let entry = entries.get_mut(unit).filter(|entry| !entry.leaving).ok_or(Refusal::Unknown)?;
        if entry.live.is_some() {
            return Err(Refusal::Busy);
        }
        Ok(entry.start(command, now))
    }

    /// Marks the job as idle and stores the report. Returns the previous report and this one.
    pub fn end(&self, unit: &Unit, report: JobReport) -> (Option<Arc<JobReport>>, Arc<JobReport>) {
        let mut entries = locked(&self.entries);
        let report = Arc::new(report);
        let Some(entry) = entries.get_mut(unit) else { return (None, report) };
        let before = entry.last.replace(report.clone());
        entry.live = None;
        entry.runs_ended += 1;
        entry.counters.add(&report);
        if entry.leaving {
            entries.remove(unit);
        }
        (before, report)
    }

    /// Marks the job as idle after a run that never began.
    pub fn give_back(&self, unit: &Unit) {
        let mut entries = locked(&self.entries);
        if let Some(entry) = entries.get_mut(unit) {
            entry.live = None;
        }
    }

    /// The states of all jobs, by table and account.
    #[must_use]
    pub fn states(&self) -> Vec<JobState> {
        locked(&self.entries).values().map(Entry::state).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn number(&self) -> usize {
        locked(&self.entries).len()
    }

    /// The state of one job.
    #[must_use]
    pub fn of(&self, unit: &Unit) -> Option<JobState> {
        locked(&self.entries).get(unit).map(Entry::state)
    }

    /// The running jobs.
    #[must_use]
    pub fn running(&self) -> Vec<Unit> {
        let entries = locked(&self.entries);
        entries.iter().filter(|(_, entry)| entry.live.is_some()).map(|(unit, _)| unit.clone()).collect()
    }
}

impl Entry {
    fn new(job: Arc<Job>, file: &Arc<Job>, file_error: Option<String>) -> Self {
        Self {
            job,
            file: Arc::clone(file),
            file_error,
            leaving: false,
            since: None,
            next: None,
            pending: None,
            live: None,
            outlasted: None,
            last: None,
            counters: Counters::default(),
            runs_ended: 0,
        }
    }

    fn take_due(&mut self, now: DateTime<Utc>) -> Option<Start> {
        let job = self.job.clone();
        let schedule = job.schedule.as_ref()?;
        let mut since = self.since?;
        if since > now + CLOCK_STEP {
            (since, self.next) = (now, None);
        }
        let next = self.next.or_else(|| cron::next(schedule, since));
        self.next = next;
        self.since = Some(since);
        if next.is_some_and(|next| next <= now) {
            self.pending = cron::due(schedule, since, now).map(|slot| slot.to_utc()).or(self.pending);
            (self.since, self.next) = (Some(now), cron::next(schedule, now));
        }
        let slot = self.pending?;
        if self.live.is_some() {
            if self.outlasted != Some(slot) {
                self.counters.outlasted += 1;
            }
            self.outlasted = Some(slot);
            return None;
        }
        self.pending = None;
        Some(self.start("run", now))
    }

    fn start(&mut self, command: &str, now: DateTime<Utc>) -> Start {
        let live = Arc::new(Mutex::new(Progress::begin(command, now)));
        self.outlasted = None;
        self.live = Some(live.clone());
        Start { job: self.job.clone(), live }
    }

    fn state(&self) -> JobState {
        JobState {
            job: self.job.clone(),
            file_error: self.file_error.clone(),
            live: self.live.as_ref().map(|live| locked(live).clone()),
            outlasted: self.outlasted,
            last: self.last.clone(),
            counters: self.counters.clone(),
            runs_ended: self.runs_ended,
        }
    }
}
