//! One schedule: a few runs of one job on one lake while the bill is restated, then a clean run without faults.
//!
//! ```text
//!  seed ─► odds, bill, job ─► writers side by side: late starts, other clocks, backfills, crashes, signals
//!                                      │ the bill is restated now and then
//!                                      ▼
//!          heal ─► a clean run ─► late writes arrive ─► the lake is the bill, and the ledger agrees
//! ```
//! With two accounts, runs that must not touch the objects precede and follow the clean one.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as Waker, Poll};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use costlake::clients::Clients;
use costlake::clock::Clock;
use costlake::error::Kind;
use costlake::job::{Identity, Job};
use costlake::lake::{Lake, S3Lake};
use costlake::ledger::Ledger;
use costlake::pipeline::retry::RetryPolicy;
use costlake::pipeline::{Context, run_job};
use costlake::plan::{Ask, range};
use costlake::report::JobReport;
use fastrand::Rng;
use futures::future::join_all;
use object_store::memory::InMemory;
use tokio::sync::OnceCell;

use super::accounts::{Mover, Who, cast, judge_account};
use super::api::answers;
use super::bill::Bill;
use super::place::Place;
use super::plans::{BACK, Oddity, Plan, THERE, Variant, outage, set_clocks};
use super::store::{Bucket, LATE, deliver};
use super::tally::Tally;
use super::units;
use super::watch::{Rules, Watch};
use super::world::{Odds, Shared, World, lock};

const PREFIX: &str = "bill";
const NAME: &str = "s3://bucket/bill";
const ENDPOINT: &str = "simulated";

/// The clock of the first runs.
pub(super) fn first_now() -> DateTime<Utc> {
    "2026-11-03T06:00:00Z".parse().expect("an instant")
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

/// A future that is dropped with all its state after a number of polls, which simulates the crash of a process.
struct Mortal<F> {
    inner: Option<Pin<Box<F>>>,
    polls: Option<u32>,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, waker: &mut Waker<'_>) -> Poll<Self::Output> {
        match &mut self.polls {
            Some(0) => self.inner = None,
            Some(left) => *left -= 1,
            None => {}
        }
        match &mut self.inner {
            Some(inner) => inner.as_mut().poll(waker).map(Some),
            None => Poll::Ready(None),
        }
    }
}

/// The record of a store whose probe found that it honours conditions. The probe has separate tests, and it names its
/// objects by the time of day, so running it here would not be deterministic.
pub(super) async fn proof() -> &'static (String, Bytes) {
    static PROOF: OnceCell<(String, Bytes)> = OnceCell::const_new();
    PROOF
        .get_or_init(|| async {
            let store = Arc::new(InMemory::new());
            let lake = Lake::S3(S3Lake::new(store.clone(), store, PREFIX, NAME, ENDPOINT));
            lake.prove_conditions(false).await.expect("an honest store");
            let listed = lake.list("_costlake/probe").await.expect("a listing");
            let record = listed.iter().find(|entry| entry.key.ends_with(".json")).expect("a record");
            let object = lake.read(&record.key, None).await.expect("a read").expect("a record");
            (format!("{PREFIX}/{}", record.key), object.bytes)
        })
        .await
}

fn context(world: &Shared, writer: usize, now: DateTime<Utc>, identity: Identity) -> Context {
    let bucket = Arc::new(Bucket { world: world.clone(), writer });
    let listening = world.clone();
    Context {
        retries: RetryPolicy { attempts: 3, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) },
        listener: Some(Arc::new(move |told| {
            let mut world = lock(&listening);
            let event = world.event();
            world.note(|| format!("writer {writer}: {told:?}"));
            let World { watch, tally, .. } = &mut *world;
            watch.heard(event, writer, &told, tally);
        })),
        ..Context::new(
            Arc::new(Clients::in_process(answers(world, writer), identity)),
            Arc::new(Lake::S3(S3Lake::new(bucket.clone(), bucket, PREFIX, NAME, ENDPOINT))),
            Clock::Fixed(now),
        )
    }
}

/// A run of a process that has the runs of other units, too, if there are any.
pub(super) async fn write(world: &Shared, writer: usize, job: &Job, plan: Plan, process: Option<&Context>) {
    tokio::time::sleep(plan.starts).await;
    let who = lock(world).begins(writer, plan.who);
    let context = context(world, writer, plan.now, who.identity(&job.unit));
    let context = match process.cloned() {
        Some(Context { elsewhere, fetches, records, totals, .. }) => {
            Context { elsewhere, fetches, records, totals, ..context }
        }
        None => context,
    };
    lock(world).note(|| format!("writer {writer} begins: {plan:?}"));
    let cancel = context.cancel.clone();
    let run = Mortal { inner: Some(Box::pin(run_job(&context, job, "run", plan.ask))), polls: plan.polls };
    let mut run = std::pin::pin!(run);
    let ended = match plan.signal {
        None => run.await,
        Some(after) => tokio::select! {
            biased;
            ended = &mut run => ended,
            () = tokio::time::sleep(after) => {
                lock(world).tally.count("writers that a signal stops");
                cancel.cancel();
                run.await
            }
        },
    };
    let mut world = lock(world);
    match &ended {
        None => world.tally.count("writers that crash"),
        Some(report) => judge(&mut world, writer, report),
    }
}

/// Checks the report of a run.
pub(super) fn judge(world: &mut World, writer: usize, report: &JobReport) {
    world.tally.count(format!("runs with exit code {}", report.exit_code));
    world.note(|| format!("writer {writer} ends with {}", report.exit_code));
    let mut failures: Vec<(String, String)> = Vec::new();
    for failure in report.failure.iter().chain(report.fetches.iter().filter_map(|fetch| fetch.failure.as_ref())) {
        failures.push((failure.kind.name().to_owned(), failure.text.clone()));
    }
    for (kind, text) in &failures {
        world.tally.count(format!("failures: {kind}"));
        world.note(|| format!("writer {writer} says {kind}: {}", text.replace('\n', "; ")));
        if matches!(kind.as_str(), "internal" | "config") {
            world.watch.breaks(format!("writer {writer} fails with {kind}: {text}"));
        }
    }
    if (report.exit_code == 0) != failures.is_empty() {
        world.watch.breaks(format!("writer {writer} ends with {}, but failed with {failures:?}", report.exit_code));
    }
    if world.watch.is_calm && report.exit_code != 0 {
        world.watch.breaks(format!("I18: writer {writer}, to whom nothing happened, ends with {}", report.exit_code));
    }
    judge_account(world, writer, report);
}

/// The result of a schedule.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) broken: Option<String>,
    pub(super) tally: Tally,
    pub(super) log: Vec<String>,
    /// How often the invariants were checked.
    pub(super) looks: u64,
    pub(super) simulated: Duration,
}

/// Runs the schedule of a seed.
pub(super) fn run(seed: u64, log: bool) -> Ended {
    // The pipeline's random generator: run ids and the jitter of waits.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(play(seed, log))
}

async fn play(seed: u64, log: bool) -> Ended {
    let oddity = Oddity::of(seed);
    if oddity == Some(Oddity::Units) {
        return units::play(seed, log).await;
    }
    let (key, record) = proof().await;
    let mut rng = Rng::with_seed(seed);
    let variant = Variant::draw(&mut rng, oddity);
    let job = variant.job();
    let writers = [1, 2, 2, 3][rng.usize(0..4)];
    let writers = match oddity {
        Some(Oddity::ThereAndBack | Oddity::Accounts) => 3,
        _ => writers,
    };
    let rates = [0, 10, 40, 150];
    let odds = Odds {
        api: rates[rng.usize(0..4)],
        store: rates[rng.usize(0..4)],
        outage: None,
        slow: oddity == Some(Oddity::ThereAndBack),
        disagrees: oddity == Some(Oddity::Disagrees),
    };
    let bill = Bill::new(&mut rng, variant.begin(), day("2026-11-20"), 4);
    let bill = if variant.savings { bill.without_flags() } else { bill };
    let mut plans: Vec<Plan> = (0..writers).map(|_| Plan::draw(&mut rng, variant.begin())).collect();
    if oddity == Some(Oddity::ThereAndBack) {
        plans.iter_mut().enumerate().for_each(|(writer, plan)| *plan = Plan::around_a_flip(&mut rng, writer));
    }
    // A separate random generator, so that the draws of the other stay the same.
    let mut mover = Mover::new(Rng::with_seed(!seed));
    cast(&mut mover.rng, oddity, &mut plans);
    let night_after = set_clocks(&mut rng, oddity, &mut plans);
    let restatements: Vec<Duration> = (0..rng.usize(0..6)).map(|_| Duration::from_millis(rng.u64(0..15_000))).collect();
    let odds = match oddity {
        Some(Oddity::Outage) => Odds { outage: Some(outage(&mut rng)), ..odds },
        Some(Oddity::ThereAndBack) => Odds { slow: true, ..Odds::KIND },
        _ => odds,
    };
    let flips = if oddity == Some(Oddity::ThereAndBack) { &[THERE, BACK][..] } else { &[] };
    let flips: Vec<Duration> = flips.iter().copied().map(Duration::from_millis).collect();
    let rules = Rules { takes_all: variant.takes_all, without_totals: variant.savings };
    let mut watch = Watch::new(job.source.clone(), writers + 1, rules, Place::whole());
    watch.writers[..writers].iter_mut().for_each(|writer| writer.cap = variant.cap());
    let world = Shared::new(World::new(rng, odds, bill, 4, watch, log));
    lock(&world).objects.add(key, record.clone());
    if variant.savings {
        lock(&world).tally.count("tables of savings");
    }
    if let Some(oddity @ (Oddity::LongOutage | Oddity::ClockAhead)) = oddity {
        lock(&world).tally.count(format!("odd: {oddity:?}"));
    }
    let restating = at_times(&world, restatements, World::restate);
    let flipping = at_times(&world, flips, World::there_and_back);
    let meddling = at_times(&world, meddlings(&world, oddity), |world| world.meddle(&job.source));
    let running = join_all(plans.iter().enumerate().map(|(writer, plan)| write(&world, writer, &job, *plan, None)));
    let moving = mover.works_at_times(&world, oddity, &job);
    tokio::join!(running, restating, flipping, meddling, moving);
    meddle_at_last(&world, oddity, &job);
    lock(&world).odds = Odds::KIND;
    let last = Last { world: &world, job: &job, variant, writer: writers, now: night_after };
    last.finish(oddity, &mut mover).await;
    conclude(&world)
}

/// Calls `does` at each of these times.
pub(super) async fn at_times(world: &Shared, times: Vec<Duration>, does: impl Fn(&mut World)) {
    join_all(times.iter().map(|after| async {
        tokio::time::sleep(*after).await;
        does(&mut lock(world));
    }))
    .await;
}

/// The times of outside tampering.
fn meddlings(world: &Shared, oddity: Option<Oddity>) -> Vec<Duration> {
    if oddity != Some(Oddity::Hand) {
        return Vec::new();
    }
    let mut world = lock(world);
    (0..world.rng.usize(1..4)).map(|_| Duration::from_millis(world.rng.u64(0..30_000))).collect()
}

/// With probability one half, tampers once more after all runs have ended.
fn meddle_at_last(world: &Shared, oddity: Option<Oddity>, job: &Job) {
    let mut world = lock(world);
    if oddity == Some(Oddity::Hand) && world.rng.bool() {
        world.meddle(&job.source);
    }
}

/// The last runs, on a store and an API without faults.
pub(super) struct Last<'a> {
    pub(super) world: &'a Shared,
    pub(super) job: &'a Job,
    pub(super) variant: Variant,
    pub(super) writer: usize,
    pub(super) now: DateTime<Utc>,
}

impl Last<'_> {
    /// A clean run, and the checks after it.
    pub(super) async fn finish(&self, oddity: Option<Oddity>, mover: &mut Mover) {
        let Self { world, variant, .. } = *self;
        lock(world).note(|| "the store and the API work again".to_owned());
        let last = self.now.date_naive() - chrono::Days::new(1);
        if oddity == Some(Oddity::Foreign) {
            self.leave_alone(mover).await;
        }
        let landed = || lock(world).tally.of(LATE);
        let before = landed();
        let mut report = self.run(Who::last(world, oddity)).await;
        // A write still in flight landed first: it is kept, and the next run must succeed.
        let came_second = [Kind::Superseded, Kind::Auth].map(Kind::exit_code).contains(&report.exit_code);
        if came_second && landed() > before {
            report = self.run(Who::last(world, oddity)).await;
        }
        if report.exit_code != 0 {
            lock(world).watch.breaks(format!("the clean run ends with {}: {report:#?}", report.exit_code));
        }
        assert_true(&mut lock(world), variant.begin(), last);
        if matches!(oddity, Some(Oddity::Accounts | Oddity::Foreign)) {
            self.keep_out().await;
        }
        let mut world = lock(world);
        deliver(&mut world, true);
        world.watch_glance();
        assert_true(&mut world, variant.begin(), last);
    }

    async fn run(&self, who: Who) -> JobReport {
        let Self { world, job, variant, writer, now } = *self;
        let who = lock(world).begins(writer, who);
        // Only reading them again finds rows that changed under equal totals, which a probe does not do; nor does it
        // read again rows that were accepted despite missing their total.
        let unseen = variant.probe && (variant.takes_all || lock(world).bill.moved_unseen);
        let window = range(variant.begin(), now.date_naive() - chrono::Days::new(1)).expect("a range");
        let ask = if unseen { Ask::Range { window, missing_only: false } } else { Ask::Due };
        let accepted = ["2026-10-01", "2026-11-01"].map(|month| (job.unit.clone(), day(month)));
        // If a clock was ahead, a user has confirmed it; otherwise there is nothing to accept.
        let context = context(world, writer, now, who.identity(&job.unit));
        let context = Context { no_budget: true, accept_clock: true, accepted: Arc::new(accepted.into()), ..context };
        run_job(&context, job, "run", ask).await
    }

    /// Runs while objects of another account are in the table, then moves these away.
    async fn leave_alone(&self, mover: &mut Mover) {
        mover.works_at_last(&mut lock(self.world), self.job);
        if !mover.standing().is_empty() {
            let report = self.run(Who::Home).await;
            mover.judge_refusal(&mut lock(self.world), &report);
            mover.moves_all_away(&mut lock(self.world));
        }
    }

    /// The table has an account now, and keeps the other one out.
    async fn keep_out(&self) {
        let Some(other) = Who::not_of(&mut lock(self.world)) else { return };
        let report = self.run(other).await;
        judge_account(&mut lock(self.world), self.writer, &report);
    }
}

/// Asserts that the lake equals the bill and that the newest ledger matches every object.
pub(super) fn assert_true(world: &mut World, begin: NaiveDate, last: NaiveDate) {
    // A clock that was ahead has read days in the future: they are read again once they are over.
    let found: BTreeMap<_, _> = world.watch.days().into_iter().filter(|(day, _)| *day <= last).collect();
    let days = begin.iter_days().take_while(|day| *day <= last);
    let who = Who::of_rows(world);
    let wanted: BTreeMap<_, _> = days.map(|day| (day, who.told(world.bill.now(day)))).collect();
    if found != wanted {
        let off = wanted.iter().find(|(day, now)| found.get(day) != Some(now));
        world.watch.breaks(format!("the lake is not the bill: {off:?} is {:?}", off.map(|(day, _)| found.get(day))));
    }
    let folder = &world.watch.place.ledger;
    let newest = world.objects.held.range(folder.clone()..).take_while(|(key, _)| key.starts_with(folder)).last();
    let Some(ledger) = newest.and_then(|(_, object)| serde_json::from_slice::<Ledger>(&object.bytes).ok()) else {
        return world.watch.breaks("there is no ledger");
    };
    let known: Vec<_> =
        ledger.partitions.iter().map(|(name, state)| (name.clone(), state.epoch, state.bytes)).collect();
    let there: Vec<_> =
        world.watch.contents().map(|(name, size, content)| (name.clone(), content.epoch, size)).collect();
    if known != there {
        world.watch.breaks(format!("the ledger knows {known:?}, but there is {there:?}"));
    }
}

pub(super) fn conclude(world: &Shared) -> Ended {
    let mut world = lock(world);
    Ended {
        broken: world.broken(),
        tally: std::mem::take(&mut world.tally),
        looks: world.watch.looks + world.others.iter().map(|other| other.watch.looks).sum::<u64>(),
        simulated: world.elapsed(),
        log: world.take_log(),
    }
}
