//! One program for all targets: `COSTLAKE_FUZZ` names the one to run, `COSTLAKE_FUZZ_SEEDS` a folder to write its seeds to.
#![no_main]

#[path = "../seeds.rs"]
mod seeds;
#[path = "../targets.rs"]
mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static CHOSEN: OnceLock<targets::Target> = OnceLock::new();

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
    CHOSEN.set(*target).expect("chosen once");
}

fuzz_target!(init: choose(), |data: &[u8]| {
    if let Some((_, target)) = CHOSEN.get() {
        target(data);
    }
});
