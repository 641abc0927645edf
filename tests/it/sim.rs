//! Deterministic simulation: whole runs of the real pipeline over an in-process bucket and API with random faults.
//!
//! Everything is drawn from one seed: the bill and its restatements, the job, one to three writers with separate
//! clocks, crashes between any two steps, signals, and the fault of each call. Time is simulated and there is one
//! thread, so a seed always gives the same result. The invariants are checked after every call to the store.
//!
//! | module | contents |
//! |---|---|
//! | [`schedule`] | the schedule of one seed, from random draws to final checks |
//! | [`plans`] | what is drawn: the job, the runs, and their oddities |
//! | [`bill`] | the true bill, and all its earlier states |
//! | [`api`], [`savings`] | Cost Explorer over the bill, Datadog's savings over the same, and their faults |
//! | [`store`] | the bucket, and its faults |
//! | [`units`], [`place`] | a table with accounts: the units' schedule, and where each has its objects |
//! | [`hand`] | outside tampering: objects are put back, removed and replaced by others |
//! | [`accounts`] | the account of each run's credentials, and objects of another account |
//! | [`watch`] | the checker of the invariants |
//! | [`object`] | decodes a data object |
//! | [`guards`], [`unit_guards`], [`history`] | histories that break each invariant, to test that the checker reports it |
//! | [`regressions`] | seeds that once failed |
//! | [`tally`], [`world`] | counters, and the state that the others share |
//!
//! ```text
//! COSTLAKE_SIM_SCHEDULES=1000000 cargo test --locked --test it sim -- --nocapture   more schedules
//! COSTLAKE_SIM_FROM=1000000                                                         other seeds
//! COSTLAKE_SIM_SEED=7 cargo test --locked --test it sim::one -- --nocapture         one seed, with its log
//! ```

mod accounts;
mod api;
mod bill;
mod guards;
mod hand;
mod history;
mod object;
mod place;
mod plans;
mod regressions;
mod savings;
mod schedule;
mod store;
mod tally;
mod unit_guards;
mod units;
mod watch;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use schedule::{Ended, run};
use tally::Tally;

use crate::sizes::{SCHEDULES, setting};
use crate::support::figures::{note, thousands};

/// One in this many schedules is run twice, to check that it is deterministic. It is odd, so that every kind of schedule
/// is among them.
const TWICE_EVERY: u64 = 499;
/// Schedules that a thread claims at a time.
const SHARE: u64 = 100;

/// The combined results of many schedules.
#[derive(Default)]
struct Sum {
    tally: Tally,
    looks: u64,
    simulated: Duration,
    twice: u64,
}

impl Sum {
    fn take(&mut self, ended: Ended) {
        self.tally.add(ended.tally);
        self.looks += ended.looks;
        self.simulated += ended.simulated;
    }

    fn join(mut self, other: Self) -> Self {
        self.tally.add(other.tally);
        self.looks += other.looks;
        self.simulated += other.simulated;
        self.twice += other.twice;
        self
    }
}

/// Fails with everything needed to reproduce the failure.
fn must_hold(seed: u64, ended: &Ended) {
    let Some(broken) = &ended.broken else { return };
    let log = run(seed, true).log.join("\n");
    panic!("{log}\n{broken}\nCOSTLAKE_SIM_SEED={seed} cargo test --locked --test it sim::one -- --nocapture");
}

fn one_of_many(seed: u64, sum: &mut Sum) {
    let ended = run(seed, false);
    must_hold(seed, &ended);
    if seed.is_multiple_of(TWICE_EVERY) {
        let (first, second) = (run(seed, true), run(seed, true));
        let apart = first.log.iter().zip(&second.log).find(|(first, second)| first != second);
        assert!(first == second, "seed {seed} does not do the same twice: {apart:?}");
        assert_eq!(first.tally, ended.tally, "seed {seed} does something else when its log is kept");
        sum.twice += 1;
    }
    sum.take(ended);
}

/// Runs this many schedules on all cores.
fn many(from: u64, count: u64) -> Sum {
    let next = AtomicU64::new(from);
    let work = || {
        let mut sum = Sum::default();
        loop {
            let first = next.fetch_add(SHARE, Ordering::Relaxed);
            if first >= from + count {
                return sum;
            }
            (first..(first + SHARE).min(from + count)).for_each(|seed| one_of_many(seed, &mut sum));
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let ended = running.into_iter().map(|thread| thread.join());
        ended.map(|sum| sum.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).fold(Sum::default(), Sum::join)
    })
}

/// Events that must have occurred in a whole run; otherwise the simulation proves nothing.
fn must_have_happened(tally: &Tally) {
    let mut never: Vec<String> = Vec::new();
    let flaws = api::FLAWS.iter().map(|flaw| format!("api: {flaw:?}"));
    let faults = store::FAULTS.iter().flat_map(|fault| ["put", "get", "list"].map(|verb| format!("{verb}: {fault:?}")));
    let others = [
        store::LATE,
        "late write: refused",
        "writers that crash",
        "writers that a signal stops",
        "fetches: Committed",
        "fetches: Unchanged",
        "failures: superseded",
        "failures: budget",
        "failures: bad_answer",
        "failures: quarantined",
        "restated: Revert",
        "restated: Move",
        "failures: unsettled",
        "failures: outcome_unknown",
        "runs with exit code 7",
        watch::ACCEPTED,
        watch::TAKEN,
        "tables of savings",
        "odd: LongOutage",
        "odd: ClockAhead",
        "failures: clock",
    ];
    let others = others.into_iter().chain(accounts::COUNTED).chain(units::counted());
    let hands = hand::MEDDLINGS.iter().map(|meddling| format!("hand: {meddling:?}"));
    for what in flaws.chain(faults).chain(hands).chain(others.map(str::to_owned)) {
        if tally.of(&what) == 0 {
            never.push(what);
        }
    }
    assert_eq!(never, Vec::<String>::new(), "never happened");
}

#[test]
fn every_schedule_keeps_every_promise() {
    let count = SCHEDULES.get();
    let from = setting("COSTLAKE_SIM_FROM").unwrap_or(0);
    let begun = Instant::now();
    let sum = many(from, count);
    println!("{}", sum.tally);
    println!(
        "{count} schedules from seed {from}: {} looks at the lake, {} simulated hours, {} run twice, {:.1} s",
        sum.looks,
        sum.simulated.as_secs() / 3_600,
        sum.twice,
        begun.elapsed().as_secs_f64()
    );
    note_figures(count, &sum);
    if SCHEDULES.proves() {
        must_have_happened(&sum.tally);
    }
}

/// The figures of the documents.
fn note_figures(count: u64, sum: &Sum) {
    let tally = &sum.tally;
    let of = |what| thousands(tally.of(what));
    let all = |beginnings: &[&str]| thousands(tally.of_all(beginnings));
    let (schedules, looks, hours) = (thousands(count), thousands(sum.looks), sum.simulated.as_secs() / 3_600);
    let twice = sum.twice;
    note("simulation", &format!("{schedules} schedules, {looks} looks, {} hours, 0 broken", thousands(hours)));
    note("simulation-twice", &format!("{} schedules run twice, with the same events", thousands(twice)));
    let (faults, deaths) = (all(&["api: ", "put: ", "get: ", "list: "]), of("writers that crash"));
    let signals = of("writers that a signal stops");
    note("simulation-faults", &format!("{faults} faults and flaws, {deaths} deaths, {signals} signals"));
    note("simulation-savings", &format!("{} tables of savings", of("tables of savings")));
    note("simulation-hand", &format!("{} objects touched by a hand", all(&["hand: "])));
    note("simulation-accounts", &format!("{} runs of another account kept out", of(accounts::KEPT_OUT)));
    let (side_by_side, calm, second) = (of(units::SEVERAL), of(units::CALM), of(units::SECOND));
    note(
        "simulation-units",
        &format!(
            "{side_by_side} schedules committed in several accounts, {calm} spared one, \
             {second} found another's `table.json`"
        ),
    );
}

#[test]
fn seeds_that_once_failed() {
    for (seed, why) in regressions::SEEDS {
        assert_eq!(run(*seed, false).broken, None, "seed {seed}, which once failed: {why}");
    }
}

/// Runs the schedule of `COSTLAKE_SIM_SEED` and prints its log.
#[test]
fn one() {
    let seed = setting("COSTLAKE_SIM_SEED").unwrap_or(1);
    let ended = run(seed, true);
    println!("{}\n{}", ended.log.join("\n"), ended.tally);
    assert_eq!(ended.broken, None, "seed {seed}");
}
