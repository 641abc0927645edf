//! One program for all targets: `COSTLAKE_FUZZ` names the one to run, `COSTLAKE_FUZZ_SEEDS` a folder to write its seeds to.
#![no_main]

#[path = "../outside.rs"]
mod outside;
#[path = "../seeds.rs"]
mod seeds;
#[path = "../targets.rs"]
mod targets;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<targets::Target> = OnceLock::new();
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
        // Here breaking down is allowed where it is caught; without this, the first one would end the program.
        std::panic::set_hook(Box::new(|_| {}));
    }
    // What is made once must not count as time that an input took.
    seeds::of(&name).iter().for_each(|seed| target.1(seed));
    CHOSEN.set(*target).expect("chosen once");
}

/// Tells an input that took clearly longer than every one before it.
fn note_time(begun: Instant) {
    let took = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    if took > SLOWEST.load(Ordering::Relaxed) / 10 * 11 {
        SLOWEST.store(took, Ordering::Relaxed);
        eprintln!("slowest: {}.{:03}ms", took / 1_000, took % 1_000);
    }
}

fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some((_, target)) = CHOSEN.get() {
        let begun = Instant::now();
        target(data);
        note_time(begun);
    }
});
