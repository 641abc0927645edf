//! One binary for all targets: `COSTLAKE_FUZZ` names the target to run, `COSTLAKE_FUZZ_SEEDS` a folder for its seeds.
#![no_main]

#[path = "../outside.rs"]
mod outside;
#[path = "../seeds.rs"]
mod seeds;
#[path = "../targets.rs"]
mod targets;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<targets::Target> = OnceLock::new();
/// Longest time that an input may take.
const LONGEST: Duration = Duration::from_secs(1);
/// Microseconds.
static SLOWEST: AtomicU64 = AtomicU64::new(0);

fn choose() {
    let name = std::env::var("COSTLAKE_FUZZ").expect("COSTLAKE_FUZZ names a target");
    let target = targets::TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name");
    if let Ok(folder) = std::env::var("COSTLAKE_FUZZ_SEEDS") {
        for (number, seed) in seeds::of(&name).iter().enumerate() {
            std::fs::write(format!("{folder}/seed-{number}"), seed).expect("a seed");
        }
    }
    if name == "parquet" {
        // This decoder may panic where the panic is caught; without this hook the first panic would end the program.
        std::panic::set_hook(Box::new(|_| {}));
    }
    // One-time initialisation must not count as time of an input.
    seeds::of(&name).iter().for_each(|seed| target.1(seed));
    CHOSEN.set(*target).expect("chosen once");
}

/// CPU time of this thread: waiting on a busy machine must not count.
fn computed() -> Duration {
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(spent).expect("a time")
}

/// Prints the time of an input that took over 10 % longer than all before it; each must take less than [`LONGEST`].
fn note_time(took: Duration) {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if micros > SLOWEST.load(Ordering::Relaxed) / 10 * 11 {
        SLOWEST.store(micros, Ordering::Relaxed);
        eprintln!("slowest: {}.{:03}ms", micros / 1_000, micros % 1_000);
    }
    assert!(took < LONGEST, "the input takes {took:?}");
}

fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some((_, target)) = CHOSEN.get() {
        let begun = computed();
        target(data);
        note_time(computed() - begun);
    }
});
