//! Iteration counts of the long tests. `cargo test` uses the quick ones, so that it is always cheap to run;
//! `COSTLAKE_TESTS=whole` uses the whole ones, as `.ci/run` does with an optimised build. Each can be set separately:
//!
//! | variable | counts | quick | whole |
//! |---|---|---|---|
//! | `COSTLAKE_SIM_SCHEDULES` | schedules of the simulation | 500 | 100,000 |
//! | `COSTLAKE_CRASH_SEEDS` | crashes at each place, over all kinds of tables | 1 | 36 |
//! | `COSTLAKE_RACE_ROUNDS` | races of two processes on a disk | 20 | 700 |
//! | `COSTLAKE_KILL_ROUNDS` | runs stopped by a signal at any instant | 6 | 80 |
//! | `COSTLAKE_CALL_FAULTS` | faults tried at each call of an API | 3 | 14, which are all |
//! | `COSTLAKE_FUZZED_INPUTS` | mutated inputs for each fuzz target | 200 | 1,000 |
//! | `COSTLAKE_ANSWER_MIB` | size of each answer in a month of large ones, in MiB | 1 | 10 |
//!
//! The model of the commit protocol (`tests/model`) visits the variants of at most 150,000 states in a quick run, and
//! all 1.6 million states of its largest variants in a whole run. Whether enough happened for a test to prove something
//! is asserted at the whole numbers only.

#![allow(dead_code, reason = "each test binary uses some of it")]

/// An iteration count that is smaller in a quick run than in a whole one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    variable: &'static str,
    quick: u64,
    whole: u64,
}

pub(crate) const SCHEDULES: Size = Size { variable: "COSTLAKE_SIM_SCHEDULES", quick: 500, whole: 100_000 };
pub(crate) const CRASH_SEEDS: Size = Size { variable: "COSTLAKE_CRASH_SEEDS", quick: 1, whole: 36 };
pub(crate) const RACE_ROUNDS: Size = Size { variable: "COSTLAKE_RACE_ROUNDS", quick: 20, whole: 700 };
pub(crate) const KILL_ROUNDS: Size = Size { variable: "COSTLAKE_KILL_ROUNDS", quick: 6, whole: 80 };
pub(crate) const CALL_FAULTS: Size = Size { variable: "COSTLAKE_CALL_FAULTS", quick: 3, whole: 14 };
pub(crate) const FUZZED_INPUTS: Size = Size { variable: "COSTLAKE_FUZZED_INPUTS", quick: 200, whole: 1_000 };
pub(crate) const ANSWER_MIB: Size = Size { variable: "COSTLAKE_ANSWER_MIB", quick: 1, whole: 10 };

/// Whether this is a whole run.
pub(crate) fn is_whole() -> bool {
    match std::env::var("COSTLAKE_TESTS").as_deref() {
        Ok("whole") => true,
        Ok("quick") | Err(_) => false,
        Ok(other) => panic!("COSTLAKE_TESTS is quick or whole, not {other}"),
    }
}

/// The value of an environment variable, if it is set.
pub(crate) fn setting(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

impl Size {
    /// The count for this run.
    pub(crate) fn get(self) -> u64 {
        setting(self.variable).unwrap_or(if is_whole() { self.whole } else { self.quick })
    }

    /// Whether it is large enough to assert that rare events happened.
    pub(crate) fn proves(self) -> bool {
        self.get() >= self.whole
    }
}
