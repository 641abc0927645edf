//! The schedule of a table with accounts: runs of two or three of its units at the same time in one bucket.
//!
//! Each unit has its own bill, restatements, writers, clocks, crashes, signals and rates of faults. In some schedules
//! nothing at all happens to one of them: it has to be served whatever happens to the others. In some all begin together
//! on an empty lake, where each may be the first to make the table's one `table.json`. The first runs of all units may be
//! those of one process, which reads that record once and keeps the answers of its accounts apart.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use costlake::clients::{Clients, StubApi};
use costlake::clock::Clock;
use costlake::job::{Identity, Job};
use costlake::lake::{Lake, S3Lake};
use costlake::pipeline::Context;
use costlake::plan::Ask;
use fastrand::Rng;
use futures::future::join_all;
use object_store::memory::InMemory;

use super::accounts::{HOME, Mover, Who};
use super::bill::Bill;
use super::place::{Place, RECORD_BY};
use super::plans::{Oddity, Plan, Variant, outage, set_clocks};
use super::schedule::{Ended, Last, assert_true, at_times, conclude, day, first_now, proof, write};
use super::watch::{Rules, Watch};
use super::world::{Odds, Shared, World, lock};

/// The accounts of the table, in the order of their units.
pub(super) const ACCOUNTS: [&str; 3] = ["000033334444", HOME, "222233334444"];

/// Names of counters.
pub(super) const SECOND: &str = "units: table.json is there already, made by another unit's run";
pub(super) const SEVERAL: &str = "units: schedules that committed in several of them";
pub(super) const CALM: &str = "units: one that nothing happens to, beside others";
const TOGETHER: &str = "units: runs of one process";
const STRAY: &str = "units: runs with the credentials of another account";
const COUNTED: [&str; 5] = [SECOND, SEVERAL, CALM, TOGETHER, STRAY];

/// Everything that must have been counted.
pub(super) fn counted() -> impl Iterator<Item = &'static str> {
    COUNTED.into_iter().chain(RECORD_BY)
}

/// What is drawn for one unit.
struct Cast {
    job: Job,
    plans: Vec<Plan>,
    odds: Odds,
    bill: Bill,
    restatements: Vec<Duration>,
    is_calm: bool,
    night_after: DateTime<Utc>,
}

impl Cast {
    fn draw(rng: &mut Rng, variant: Variant, job: Job) -> Self {
        let rates = [0, 10, 40, 150];
        let odds = Odds { api: rates[rng.usize(0..4)], store: rates[rng.usize(0..4)], ..Odds::KIND };
        let odds = Odds { outage: (rng.u8(0..8) == 0).then(|| outage(rng)), ..odds };
        let bill = Bill::new(rng, variant.begin(), day("2026-11-20"), 4);
        let writers = rng.usize(1..3);
        let plans = (0..writers).map(|_| Plan { who: Who::Unit, ..Plan::draw(rng, variant.begin()) }).collect();
        let restatements = (0..rng.usize(0..4)).map(|_| Duration::from_millis(rng.u64(0..15_000))).collect();
        Self { job, plans, odds, bill, restatements, is_calm: false, night_after: first_now() }
    }

    /// From now on nothing happens to it.
    fn calm_down(&mut self) {
        let Some(Plan { starts, .. }) = self.plans.first().copied() else { return };
        let who = Who::Unit;
        self.plans = vec![Plan { starts, now: first_now(), ask: Ask::Due, polls: None, signal: None, who }];
        (self.odds, self.is_calm) = (Odds::KIND, true);
        self.restatements.clear();
    }

    fn watch(&self, variant: Variant, unit: usize) -> Watch {
        let writers = self.plans.len();
        let place = Place::of(ACCOUNTS[unit]);
        let mut watch = Watch::new(self.job.source.clone(), writers + 1, Rules::default(), place);
        watch.writers[..writers].iter_mut().for_each(|writer| writer.cap = variant.cap());
        watch.is_calm = self.is_calm;
        watch
    }
}

/// All units of a schedule; the second value says whether their first runs are those of one process.
fn draw(rng: &mut Rng, variant: Variant) -> (Vec<Cast>, bool) {
    let count = [2, 2, 3][rng.usize(0..3)];
    let jobs = variant.job_of(&ACCOUNTS[..count]).units();
    let mut casts: Vec<Cast> = jobs.into_iter().map(|job| Cast::draw(rng, variant, job)).collect();
    if rng.bool() {
        casts.iter_mut().for_each(|cast| cast.plans[0].starts = Duration::from_millis(rng.u64(0..2_000)));
    }
    for (unit, cast) in casts.iter_mut().enumerate().filter(|_| rng.u8(0..8) == 0) {
        let neighbour = if ACCOUNTS[unit] == HOME { Who::Other } else { Who::Home };
        cast.plans.iter_mut().skip(1).for_each(|plan| plan.who = neighbour);
    }
    if rng.bool() && !variant.tight {
        casts[rng.usize(0..count)].calm_down();
    }
    let is_one_process = rng.bool() && casts.iter().all(|cast| cast.plans[0].polls.is_none());
    if is_one_process {
        casts.iter_mut().for_each(|cast| cast.plans[0].now = first_now());
    }
    for cast in &mut casts {
        cast.night_after = set_clocks(rng, None, &mut cast.plans);
    }
    (casts, is_one_process)
}

/// What the runs of one process share; each of them has its own API and bucket.
fn process() -> Context {
    let store = Arc::new(InMemory::new());
    let lake = Lake::S3(S3Lake::new(store.clone(), store, "", "nowhere", "nowhere"));
    let nobody = StubApi::by(|_| Box::pin(async { unreachable!("each run has its own API") }));
    let clients = Clients::in_process(nobody, Identity::default());
    Context::new(Arc::new(clients), Arc::new(lake), Clock::Fixed(first_now()))
}

pub(super) async fn play(seed: u64, log: bool) -> Ended {
    let (key, record) = proof().await;
    let mut rng = Rng::with_seed(seed);
    let variant = Variant::draw(&mut rng, Some(Oddity::Units));
    let (mut casts, is_one_process) = draw(&mut rng, variant);
    let mut parts = casts.iter_mut().enumerate().map(|(unit, cast)| {
        let watch = cast.watch(variant, unit);
        (cast.odds, std::mem::take(&mut cast.bill), watch)
    });
    let (odds, bill, watch) = parts.next().expect("a unit");
    let mut world = World::new(rng, odds, bill, 4, watch, log);
    parts.for_each(|(odds, bill, watch)| world.add_unit(odds, bill, watch));
    world.objects.add(key, record.clone());
    let world = Shared::new(world);
    let seen: Vec<Shared> = (0..casts.len()).map(|unit| world.of(unit)).collect();
    let process = is_one_process.then(process);
    count_kinds(&mut lock(&world), &casts, is_one_process);

    let of_unit = |unit: usize| {
        let (cast, world, process) = (&casts[unit], &seen[unit], process.as_ref());
        let run = move |writer: usize| {
            let process = process.filter(|_| writer == 0);
            write(world, writer, &cast.job, cast.plans[writer], process)
        };
        let restating = at_times(world, cast.restatements.clone(), World::restate);
        async move { tokio::join!(join_all((0..cast.plans.len()).map(run)), restating) }
    };
    join_all((0..casts.len()).map(of_unit)).await;
    let begun = seen.iter().filter(|unit| !lock(unit).watch.partitions().is_empty()).count();
    if begun > 1 {
        lock(&world).tally.count(SEVERAL);
    }

    seen.iter().for_each(|unit| lock(unit).odds = Odds::KIND);
    let end = |(cast, world): (&Cast, &Shared)| {
        let (world, job, writer, now) = (world.clone(), cast.job.clone(), cast.plans.len(), cast.night_after);
        async move {
            let mut mover = Mover::new(Rng::with_seed(!seed));
            let last = Last { world: &world, job: &job, variant, writer, now };
            last.finish(Some(Oddity::Units), &mut mover).await;
        }
    };
    join_all(casts.iter().zip(&seen).map(end)).await;
    for (cast, unit) in casts.iter().zip(&seen) {
        assert_true(&mut lock(unit), variant.begin(), cast.night_after.date_naive() - chrono::Days::new(1));
    }
    conclude(&world)
}

fn count_kinds(world: &mut World, casts: &[Cast], is_one_process: bool) {
    if casts.iter().any(|cast| cast.is_calm) {
        world.tally.count(CALM);
    }
    if is_one_process {
        world.tally.count(TOGETHER);
    }
    let stray = casts.iter().flat_map(|cast| &cast.plans).filter(|plan| plan.who != Who::Unit).count();
    (0..stray).for_each(|_| world.tally.count(STRAY));
}
