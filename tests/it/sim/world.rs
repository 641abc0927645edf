//! The shared state of a schedule: random generator, event counter, log, and the state of the other modules.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;

use super::bill::Bill;
use super::store::Objects;
use super::tally::Tally;
use super::watch::Watch;

/// Fault rates of a schedule, per thousand calls.
#[derive(Debug, Clone, Copy)]
pub(super) struct Odds {
    pub(super) api: u32,
    pub(super) store: u32,
    /// The span in which 95 % of the calls to the store fail.
    pub(super) outage: Option<(Duration, Duration)>,
    /// Every other write of an object gets no answer for 30 s.
    pub(super) slow: bool,
    /// Every group is a cent more than in the API's totals.
    pub(super) disagrees: bool,
}

impl Odds {
    /// No faults.
    pub(super) const KIND: Self = Self { api: 0, store: 0, outage: None, slow: false, disagrees: false };

    /// Faults per thousand calls to the store at this elapsed time.
    pub(super) fn of_store(self, elapsed: Duration) -> u32 {
        let out = self.outage.is_some_and(|(begins, ends)| begins <= elapsed && elapsed < ends);
        if out { 950 } else { self.store }
    }
}

/// What each unit has for itself; for all but one it is put aside here.
pub(super) struct Part {
    unit: usize,
    odds: Odds,
    bill: Bill,
    pub(super) watch: Watch,
}

/// The state of a schedule.
pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) odds: Odds,
    pub(super) bill: Bill,
    /// Days of the bill that are restated.
    pub(super) busy: usize,
    pub(super) objects: Objects,
    pub(super) watch: Watch,
    pub(super) tally: Tally,
    /// The unit that `odds`, `bill` and `watch` are of.
    unit: usize,
    /// The other units, if the table has accounts.
    pub(super) others: Vec<Part>,
    events: u64,
    begun: tokio::time::Instant,
    log: Option<Vec<String>>,
}

impl World {
    pub(super) fn new(rng: Rng, odds: Odds, bill: Bill, busy: usize, watch: Watch, log: bool) -> Self {
        Self {
            rng,
            odds,
            bill,
            busy,
            objects: Objects::default(),
            watch,
            tally: Tally::default(),
            unit: 0,
            others: Vec::new(),
            events: 0,
            begun: tokio::time::Instant::now(),
            log: log.then(Vec::new),
        }
    }

    /// Adds the next unit.
    pub(super) fn add_unit(&mut self, odds: Odds, bill: Bill, watch: Watch) {
        self.others.push(Part { unit: self.others.len() + 1, odds, bill, watch });
    }

    pub(super) fn unit(&self) -> usize {
        self.unit
    }

    /// From now on `odds`, `bill` and `watch` are those of this unit.
    pub(super) fn turn_to(&mut self, unit: usize) {
        let Some(part) = self.others.iter_mut().find(|part| part.unit == unit) else { return };
        std::mem::swap(&mut self.unit, &mut part.unit);
        std::mem::swap(&mut self.odds, &mut part.odds);
        std::mem::swap(&mut self.bill, &mut part.bill);
        std::mem::swap(&mut self.watch, &mut part.watch);
    }

    /// The first violation, whichever unit it is of.
    pub(super) fn broken(&mut self) -> Option<String> {
        let of_others = self.others.iter_mut().find_map(|other| other.watch.broken.take());
        self.watch.broken.take().or(of_others)
    }

    /// The number of a new event.
    pub(super) fn event(&mut self) -> u64 {
        self.events += 1;
        self.events
    }

    /// Simulated time since the schedule began.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Adds a line to the log, if one is kept.
    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        let at = self.begun.elapsed();
        let whose = if self.others.is_empty() { String::new() } else { format!("unit {}: ", self.unit) };
        if let Some(log) = &mut self.log {
            log.push(format!("{:>6} {:>9.3} s  {whose}{}", self.events, at.as_secs_f64(), line()));
        }
    }

    pub(super) fn take_log(&mut self) -> Vec<String> {
        self.log.take().unwrap_or_default()
    }

    /// Changes the first day, or reverts the last change.
    pub(super) fn there_and_back(&mut self) {
        let event = self.event();
        let day = self.bill.there_and_back(event);
        self.note(|| format!("the bill of {day:?} goes there or back"));
    }

    /// Restates a random day, if the draw changes anything.
    pub(super) fn restate(&mut self) {
        let event = self.event();
        if let Some((day, edit)) = self.bill.restate(&mut self.rng, self.busy, event) {
            self.tally.count(format!("restated: {edit:?}"));
            self.note(|| format!("the bill of {day} changes: {edit:?}"));
        }
    }
}

/// The world, shared by all tasks of a schedule, as those of one unit see it; they run one at a time.
#[derive(Clone)]
pub(super) struct Shared {
    world: Arc<Mutex<World>>,
    unit: usize,
}

impl Shared {
    pub(super) fn new(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)), unit: 0 }
    }

    /// The same world, as the tasks of another unit see it.
    pub(super) fn of(&self, unit: usize) -> Self {
        Self { world: Arc::clone(&self.world), unit }
    }
}

pub(super) fn lock(world: &Shared) -> MutexGuard<'_, World> {
    let mut locked = world.world.lock().unwrap_or_else(PoisonError::into_inner);
    locked.turn_to(world.unit);
    locked
}

/// Sleeps a random time on the simulated clock, or one time in three not at all.
pub(super) async fn pause(world: &Shared, longest_ms: u64) {
    let ms = {
        let mut world = lock(world);
        if world.rng.u8(0..3) == 0 { 0 } else { world.rng.u64(1..=longest_ms) }
    };
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}
