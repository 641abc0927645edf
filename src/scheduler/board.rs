//! The board: every job with its slots, its gate and what came of its runs. The scheduler writes it and the page reads
//! it; it does no I/O, and time is an argument.
//!
//! | a job | runs next |
//! |---|---|
//! | never ran | at once: that something has landed is what its owner waits for |
//! | missed slots while nobody watched, or while a run went on | once, for the newest of them |
//! | has an open gate and a slot that has come | now |
//! | has no schedule | when somebody says so |

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use crate::job::{BrokenJob, Job};
use crate::report::JobReport;

use super::live::Live;
use super::slots;
use super::tally::Tally;

/// A clock that goes back further than this was wrong before; smaller steps must not repeat a slot.
const CLOCK_STEP: Duration = Duration::minutes(5);

/// Progress that the run writes and the page reads.
pub type SharedLive = Arc<Mutex<Live>>;

/// Locks what a panicking thread may have left: every change of it is a single assignment.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Seat {
    job: Arc<Job>,
    file_error: Option<String>,
    /// Its file is gone; the seat goes when the run has ended.
    leaving: bool,
    /// Slots after this are due; unknown until the run records have told.
    since: Option<DateTime<Utc>>,
    next: Option<DateTime<Utc>>,
    /// A slot that has come and has not been run.
    pending: Option<DateTime<Utc>>,
    live: Option<SharedLive>,
    outlasted: Option<DateTime<Utc>>,
    last: Option<Arc<JobReport>>,
    tally: Tally,
    runs_ended: u64,
}

/// What the board says of one job.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The job in force.
    pub job: Arc<Job>,
    /// What is wrong with its file as it is now.
    pub file_error: Option<String>,
    /// The run that goes on.
    pub live: Option<Live>,
    /// A slot that passed while a run went on.
    pub outlasted: Option<DateTime<Utc>>,
    /// The last run that ended.
    pub last: Option<Arc<JobReport>>,
    /// The slots to come.
    pub next: Vec<DateTime<Tz>>,
    /// What its runs added up to.
    pub tally: Tally,
    /// Rises with each run that ends.
    pub runs_ended: u64,
}

/// Why a run was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such job.
    Unknown,
    /// A run of it goes on.
    Busy,
    /// The program is about to end.
    Stopping,
}

/// A run that may begin: its gate is closed until [`Board::end`].
#[derive(Debug, Clone)]
pub struct Start {
    /// The job as it is now.
    pub job: Arc<Job>,
    /// Where its progress goes.
    pub live: SharedLive,
}

/// All jobs.
#[derive(Debug, Default)]
pub struct Board {
    seats: Mutex<BTreeMap<String, Seat>>,
    broken: Mutex<Vec<BrokenJob>>,
}

impl Board {
    /// Puts a job up, or another version of it. A new schedule counts from now.
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

    /// Takes down every job that is not in `names`; a run that goes on is let finish.
    pub fn keep(&self, names: &[&str]) {
        let mut seats = locked(&self.seats);
        for seat in seats.values_mut() {
            seat.leaving = !names.contains(&seat.job.name.as_str());
        }
        seats.retain(|_, seat| !seat.leaving || seat.live.is_some());
    }

    /// Puts up which files are broken.
    pub fn set_broken(&self, broken: Vec<BrokenJob>) {
        *locked(&self.broken) = broken;
    }

    /// The files that are broken, with and without a last good version.
    #[must_use]
    pub fn broken(&self) -> Vec<BrokenJob> {
        locked(&self.broken).clone()
    }

    /// The jobs of which nobody knows yet when they last ran.
    #[must_use]
    pub fn forgotten(&self) -> Vec<String> {
        let seats = locked(&self.seats);
        seats.iter().filter(|(_, seat)| seat.since.is_none()).map(|(name, _)| name.clone()).collect()
    }

    /// Takes over what the run records tell of a job: the last run that did what its schedule asked for, and the last run.
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

    /// Closes the gates of all jobs whose slot has come and whose gate is open.
    pub fn take_due(&self, now: DateTime<Utc>) -> Vec<Start> {
        let mut seats = locked(&self.seats);
        seats.values_mut().filter(|seat| !seat.leaving).filter_map(|seat| seat.take_due(now)).collect()
    }

    /// Closes the gate of one job.
    ///
    /// # Errors
    /// When there is no such job, or a run of it goes on.
    pub fn take(&self, name: &str, command: &str, now: DateTime<Utc>) -> Result<Start, Refusal> {
        let mut seats = locked(&self.seats);
        let seat = seats.get_mut(name).filter(|seat| !seat.leaving).ok_or(Refusal::Unknown)?;
        if seat.live.is_some() {
            return Err(Refusal::Busy);
        }
        Ok(seat.start(command, now))
    }

    /// Opens the gate again. The report before this one, and this one.
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

    /// Opens the gate of a run that never began.
    pub fn give_back(&self, name: &str) {
        let mut seats = locked(&self.seats);
        if let Some(seat) = seats.get_mut(name) {
            seat.live = None;
        }
    }

    /// Everything the board says, by name.
    #[must_use]
    pub fn posted(&self, now: DateTime<Utc>) -> Vec<Posted> {
        locked(&self.seats).values().map(|seat| seat.posted(now)).collect()
    }

    /// What it says of one job.
    #[must_use]
    pub fn of(&self, name: &str, now: DateTime<Utc>) -> Option<Posted> {
        locked(&self.seats).get(name).map(|seat| seat.posted(now))
    }

    /// Runs that go on.
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
