//! Job states: every job with its next firings, its running task and the results of its runs. Written by the scheduler,
//! read by the page; no I/O, and time is an argument.
//!
//! | a job | runs next |
//! |---|---|
//! | never ran | at once: its owner waits for the first data |
//! | missed firings during downtime or a long run | once, for the newest of them |
//! | is idle and a firing is due | now |
//! | has no schedule | when a user starts it |

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use crate::job::{BrokenJob, Job};
use crate::report::JobReport;

use super::live::Live;
use super::slots;
use super::tally::Tally;

/// A clock that goes back further than this was wrong before; smaller steps must not repeat a firing.
const CLOCK_STEP: Duration = Duration::minutes(5);

/// Progress of a run: written by the run, read by the page.
pub type SharedLive = Arc<Mutex<Live>>;

/// Locks `mutex`, poisoned or not: every change under these locks is a single assignment.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Seat {
    job: Arc<Job>,
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
    tally: Tally,
    runs_ended: u64,
}

/// The state of one job.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The job in force.
    pub job: Arc<Job>,
    /// What is wrong with the current version of its file.
    pub file_error: Option<String>,
    /// The current run.
    pub live: Option<Live>,
    /// A firing that passed during a run.
    pub outlasted: Option<DateTime<Utc>>,
    /// The last run that ended.
    pub last: Option<Arc<JobReport>>,
    /// The next firings.
    pub next: Vec<DateTime<Tz>>,
    /// Counters over its runs.
    pub tally: Tally,
    /// Rises with each run that ends.
    pub runs_ended: u64,
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

/// A run that may begin: its job counts as running until [`Board::end`].
#[derive(Debug, Clone)]
pub struct Start {
    /// The job as it is now.
    pub job: Arc<Job>,
    /// Receives its progress.
    pub live: SharedLive,
}

/// All jobs.
#[derive(Debug, Default)]
pub struct Board {
    seats: Mutex<BTreeMap<String, Seat>>,
    broken: Mutex<Vec<BrokenJob>>,
}

impl Board {
    /// Adds a job or replaces it with a new version. A new schedule counts from now.
    pub fn place(&self, job: Arc<Job>, broken: Option<&BrokenJob>, now: DateTime<Utc>) {
        let mut seats = locked(&self.seats);
        let file_error = broken.map(|broken| broken.lines().join("\n"));
        let schedule = |job: &Job| job.schedule.as_ref().map(|schedule| (schedule.cron.clone(), schedule.timezone));
        if let Some(seat) = seats.get_mut(&job.name) {
            if schedule(&seat.job) != schedule(&job) {
                (seat.since, seat.next, seat.pending) = (seat.since.map(|since| since.max(now)), None, None);
            }
            (seat.job, seat.file_error, seat.leaving) = (job, file_error, false);
            return;
        }
        let seat = Seat {
            job: job.clone(),
            file_error,
            leaving: false,
            since: None,
            next: None,
            pending: None,
            live: None,
            outlasted: None,
            last: None,
            tally: Tally::default(),
            runs_ended: 0,
        };
        seats.insert(job.name.clone(), seat);
    }

    /// Removes every job that is not in `names`; a job that is running is removed when its run ends.
    pub fn keep(&self, names: &[&str]) {
        let mut seats = locked(&self.seats);
        for seat in seats.values_mut() {
            seat.leaving = !names.contains(&seat.job.name.as_str());
        }
        seats.retain(|_, seat| !seat.leaving || seat.live.is_some());
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
    pub fn forgotten(&self) -> Vec<String> {
        let seats = locked(&self.seats);
        seats.iter().filter(|(_, seat)| seat.since.is_none()).map(|(name, _)| name.clone()).collect()
    }

    /// Stores the run records of a job: the last run that did what its schedule asked for, and the last run.
    pub fn remember(&self, name: &str, attempt: Option<JobReport>, last: Option<JobReport>, now: DateTime<Utc>) {
        let mut seats = locked(&self.seats);
        let Some(seat) = seats.get_mut(name).filter(|seat| seat.since.is_none()) else { return };
        if attempt.is_none() && seat.job.schedule.is_some() {
            seat.pending = Some(now);
        }
        seat.since = Some(attempt.as_ref().map_or(now, |report| report.started_at));
        if seat.last.is_none() {
            seat.last = last.map(Arc::new);
        }
    }

    /// Marks every idle job with a due firing as running, and returns these runs.
    pub fn take_due(&self, now: DateTime<Utc>) -> Vec<Start> {
        let mut seats = locked(&self.seats);
        seats.values_mut().filter(|seat| !seat.leaving).filter_map(|seat| seat.take_due(now)).collect()
    }

    /// Marks one job as running.
    ///
    /// # Errors
    /// When there is no such job, or it is already running.
    pub fn take(&self, name: &str, command: &str, now: DateTime<Utc>) -> Result<Start, Refusal> {
        let mut seats = locked(&self.seats);
        let seat = seats.get_mut(name).filter(|seat| !seat.leaving).ok_or(Refusal::Unknown)?;
        if seat.live.is_some() {
            return Err(Refusal::Busy);
        }
        Ok(seat.start(command, now))
    }

    /// Marks the job as idle and stores the report. Returns the previous report and this one.
    pub fn end(&self, name: &str, report: JobReport) -> (Option<Arc<JobReport>>, Arc<JobReport>) {
        let mut seats = locked(&self.seats);
        let report = Arc::new(report);
        let Some(seat) = seats.get_mut(name) else { return (None, report) };
        let before = seat.last.replace(report.clone());
        seat.live = None;
        seat.runs_ended += 1;
        seat.tally.add(&report);
        if seat.leaving {
            seats.remove(name);
        }
        (before, report)
    }

    /// Marks the job as idle after a run that never began.
    pub fn give_back(&self, name: &str) {
        let mut seats = locked(&self.seats);
        if let Some(seat) = seats.get_mut(name) {
            seat.live = None;
        }
    }

    /// The states of all jobs, by name.
    #[must_use]
    pub fn posted(&self, now: DateTime<Utc>) -> Vec<Posted> {
        locked(&self.seats).values().map(|seat| seat.posted(now)).collect()
    }

    /// The state of one job.
    #[must_use]
    pub fn of(&self, name: &str, now: DateTime<Utc>) -> Option<Posted> {
        locked(&self.seats).get(name).map(|seat| seat.posted(now))
    }

    /// Names of the running jobs.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        let seats = locked(&self.seats);
        seats.iter().filter(|(_, seat)| seat.live.is_some()).map(|(name, _)| name.clone()).collect()
    }
}

impl Seat {
    fn take_due(&mut self, now: DateTime<Utc>) -> Option<Start> {
        let job = self.job.clone();
        let schedule = job.schedule.as_ref()?;
        let mut since = self.since?;
        if since > now + CLOCK_STEP {
            (since, self.next) = (now, None);
        }
        let next = self.next.or_else(|| slots::next(schedule, since));
        self.next = next;
        self.since = Some(since);
        if next.is_some_and(|next| next <= now) {
            self.pending = slots::due(schedule, since, now).map(|slot| slot.to_utc()).or(self.pending);
            (self.since, self.next) = (Some(now), slots::next(schedule, now));
        }
        let slot = self.pending?;
        if self.live.is_some() {
            if self.outlasted != Some(slot) {
                self.tally.outlasted += 1;
            }
            self.outlasted = Some(slot);
            return None;
        }
        self.pending = None;
        Some(self.start("run", now))
    }

    fn start(&mut self, command: &str, now: DateTime<Utc>) -> Start {
        let live = Arc::new(Mutex::new(Live::begin(command, now)));
        self.outlasted = None;
        self.live = Some(live.clone());
        Start { job: self.job.clone(), live }
    }

    fn posted(&self, now: DateTime<Utc>) -> Posted {
        let next = self.job.schedule.as_ref().map(|schedule| schedule.next(now, 3));
        Posted {
            job: self.job.clone(),
            file_error: self.file_error.clone(),
            live: self.live.as_ref().map(|live| locked(live).clone()),
            outlasted: self.outlasted,
            last: self.last.clone(),
            next: next.unwrap_or_default(),
            tally: self.tally.clone(),
            runs_ended: self.runs_ended,
        }
    }
}
