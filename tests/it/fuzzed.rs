//! The cargo-fuzz targets, run over their seeds and simple mutations of them: truncation, duplication, concatenation,
//! inserted bytes and words.
//!
//! This finds less than hours of coverage-guided fuzzing, but it runs with every `cargo test`.

use fastrand::Rng;

use crate::sizes::FUZZED_INPUTS;
use crate::support::figures::{note, thousands};

#[path = "../../fuzz/outside.rs"]
mod outside;
#[path = "../../fuzz/seeds.rs"]
mod seeds;
#[path = "../../fuzz/targets.rs"]
mod targets;

/// Tokens that decoders treat specially.
const WORDS: [&str; 24] = [
    "null",
    "{}",
    "[]",
    "\"\"",
    "-1",
    "1e999",
    "18446744073709551615",
    "9223372036854775808",
    "true",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{202e}",
    "NaN",
    "0001-01-01",
    "9999-12-31",
    "+262142-12-31",
    "\"data\":",
    "\"Groups\":",
    "\"Keys\":null",
    ",",
    "\\",
    "é",
    "\u{10ffff}",
];

/// A range of `bytes` that is all alphanumeric, or all not.
fn token(dice: &mut Rng, bytes: &[u8]) -> std::ops::Range<usize> {
    let at = dice.usize(..bytes.len().max(1));
    let Some(kind) = bytes.get(at).map(u8::is_ascii_alphanumeric) else { return 0..0 };
    let alike = |byte: &u8| byte.is_ascii_alphanumeric() == kind;
    let before = bytes[..at].iter().rev().take_while(|byte| alike(byte)).count();
    at - before..at + bytes[at..].iter().take_while(|byte| alike(byte)).count()
}

fn changed(dice: &mut Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let any = |dice: &mut Rng| seeds.get(dice.usize(..seeds.len().max(1))).cloned().unwrap_or_default();
    let mut bytes = any(dice);
    for _ in 0..=dice.usize(..4) {
        let at = dice.usize(..=bytes.len());
        let to = dice.usize(at..=bytes.len().min(at + 40));
        match dice.u32(..12) {
            8.. => {
                let other = any(dice);
                let (here, there) = (token(dice, &bytes), token(dice, &other));
                drop(bytes.splice(here, other[there].iter().copied()));
            }
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..to)),
            2 => drop(bytes.splice(at..at, bytes[at..to].to_vec())),
            3 => drop(bytes.splice(at.., any(dice).into_iter().skip(at))),
            4 | 5 => drop(bytes.splice(at..to, WORDS[dice.usize(..WORDS.len())].bytes())),
            _ if at < bytes.len() => {
                bytes[at] = if dice.bool() { dice.u8(..) } else { bytes[at] ^ (1 << dice.u32(..8)) }
            }
            _ => bytes.push(dice.u8(..)),
        }
    }
    bytes
}

#[test]
fn no_decoder_breaks_down() {
    for (name, target) in targets::TARGETS {
        let seeds = seeds::of(name);
        seeds.iter().for_each(|seed| target(seed));
        for number in 0..FUZZED_INPUTS.get() {
            let input = changed(&mut Rng::with_seed(number), &seeds);
            let broke = std::panic::catch_unwind(|| target(&input));
            assert!(broke.is_ok(), "{name} breaks down over input {number}: {:?}", String::from_utf8_lossy(&input));
        }
    }
    let count = targets::TARGETS.len();
    let inputs = thousands(FUZZED_INPUTS.get() * count as u64);
    note("fuzzed", &format!("{inputs} inputs over {count} targets, 0 panics"));
}

#[test]
fn every_target_has_sound_seeds() {
    for (name, _) in targets::TARGETS {
        assert!(!seeds::of(name).is_empty(), "{name} has no seed");
    }
    assert!(seeds::object().footer.days.values().map(|day| day.rows).sum::<u64>() > 2, "the object has no rows");
}
