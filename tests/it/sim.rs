//! Simulation: the real pipeline, whole runs of it, over a bucket and an API in this process that go wrong at random.
//!
//! Everything is drawn from one seed: the bill and how it is restated, the job, one to three writers with clocks of
//! their own, crashes between any two steps, signals, and what goes wrong with each call. Time is simulated and there
//! is one thread, so that a seed always does the same. After every call to the store the promises are looked at.
//!
//! | room | what it holds |
//! |---|---|
//! | [`schedule`] | one seed from its dice to its end |
//! | [`plans`] | its dice: the job, the runs, and what is odd about them |
//! | [`bill`] | the truth, and everything that was the truth before |
//! | [`api`], [`savings`] | Cost Explorer over the bill, Datadog's savings over the same, and their flaws |
//! | [`store`] | the bucket, and its faults |
//! | [`hand`] | somebody who puts objects back, removes them and lays others in their place |
//! | [`accounts`] | whose credentials runs have, and objects of another account |
//! | [`watch`] | the promises |
//! | [`object`] | what is in a data object |
//! | [`guards`], [`history`] | the promises broken by hand, to see that the watch finds each |
//! | [`regressions`] | seeds that once failed |
//! | [`tally`], [`world`] | counts, and what the others share |
//!
//! ```text
//! COSTLAKE_SIM_SCHEDULES=1000000 cargo test --locked --test it sim -- --nocapture   more of them
//! COSTLAKE_SIM_FROM=1000000                                                         other ones
//! COSTLAKE_SIM_SEED=7 cargo test --locked --test it sim::one -- --nocapture         one of them, with its log
//! ```

mod accounts;
mod api;
mod bill;
mod guards;
mod hand;
mod history;
mod object;
mod plans;
mod regressions;
mod savings;
mod schedule;
mod store;
mod tally;
mod watch;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use schedule::{Ended, run};
use tally::Tally;

use crate::sizes::{SCHEDULES, setting};

/// Every so many schedules one is run twice, to see that it does the same.
const TWICE_EVERY: u64 = 500;
/// Schedules that a thread takes at a time.
const SHARE: u64 = 100;

/// What many schedules came to.
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

/// Fails with everything that is needed to see it again.
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

/// Runs so many schedules on all cores.
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

/// What has to have happened in a whole run, or they prove nothing.
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
    let others = others.into_iter().chain(accounts::COUNTED);
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
    if SCHEDULES.proves() {
        must_have_happened(&sum.tally);
    }
}

#[test]
fn seeds_that_once_failed() {
    for (seed, why) in regressions::SEEDS {
        assert_eq!(run(*seed, false).broken, None, "seed {seed}, which once failed: {why}");
    }
}

/// The schedule of `COSTLAKE_SIM_SEED`, with its log.
#[test]
fn one() {
    let seed = setting("COSTLAKE_SIM_SEED").unwrap_or(1);
    let ended = run(seed, true);
    println!("{}\n{}", ended.log.join("\n"), ended.tally);
    assert_eq!(ended.broken, None, "seed {seed}");
}
