//! How much the long tests do. `cargo test` takes the quick numbers, so that anybody can run it at any time;
//! `COSTLAKE_TESTS=whole` takes the whole ones, as `.ci/run` does with an optimised build. Each can be set alone:
//!
//! | variable | counts | quick | whole |
//! |---|---|---|---|
//! | `COSTLAKE_SIM_SCHEDULES` | schedules of the simulation | 3,000 | 100,000 |
//! | `COSTLAKE_CRASH_SEEDS` | deaths at each place, over all kinds of tables | 3 | 36 |
//! | `COSTLAKE_RACE_ROUNDS` | races of two processes on a disk | 20 | 700 |
//! | `COSTLAKE_KILL_ROUNDS` | runs that a signal stops at any instant | 16 | 80 |
//! | `COSTLAKE_FUZZED_INPUTS` | changed inputs for each fuzz target | 200 | 1,000 |
//! | `COSTLAKE_ANSWER_MIB` | size of one answer of a month of large ones | 2 | 10 |
//!
//! The model of the commit protocol (`tests/model`) visits what has at most 150,000 states in a quick run, and in a whole
//! one all 1.6 million of its largest variants. What must have happened in a test, so that it proves something, is asked of whole numbers only.

#![allow(dead_code, reason = "each test binary uses some of it")]

/// A number that a quick run takes smaller than a whole one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    variable: &'static str,
    quick: u64,
    whole: u64,
}

pub(crate) const SCHEDULES: Size = Size { variable: "COSTLAKE_SIM_SCHEDULES", quick: 3_000, whole: 100_000 };
pub(crate) const CRASH_SEEDS: Size = Size { variable: "COSTLAKE_CRASH_SEEDS", quick: 3, whole: 36 };
pub(crate) const RACE_ROUNDS: Size = Size { variable: "COSTLAKE_RACE_ROUNDS", quick: 20, whole: 700 };
pub(crate) const KILL_ROUNDS: Size = Size { variable: "COSTLAKE_KILL_ROUNDS", quick: 16, whole: 80 };
pub(crate) const FUZZED_INPUTS: Size = Size { variable: "COSTLAKE_FUZZED_INPUTS", quick: 200, whole: 1_000 };
pub(crate) const ANSWER_MIB: Size = Size { variable: "COSTLAKE_ANSWER_MIB", quick: 2, whole: 10 };

/// Whether this is a whole run.
pub(crate) fn is_whole() -> bool {
    match std::env::var("COSTLAKE_TESTS").as_deref() {
        Ok("whole") => true,
        Ok("quick") | Err(_) => false,
        Ok(other) => panic!("COSTLAKE_TESTS is quick or whole, not {other}"),
    }
}

/// The number that a variable is set to.
pub(crate) fn setting(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

impl Size {
    /// The number of this run.
    pub(crate) fn get(self) -> u64 {
        setting(self.variable).unwrap_or(if is_whole() { self.whole } else { self.quick })
    }

    /// Whether it is large enough for what must have happened.
    pub(crate) fn proves(self) -> bool {
        self.get() >= self.whole
    }
}
