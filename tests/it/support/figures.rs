//! What a test counts, for the tables of `docs/reliability.md`.
//!
//! The file named by `COSTLAKE_FIGURES` gets a line `NAME<TAB>text` for each note; without the variable nothing happens.
//! `docs/figures.py` writes the text into the cells marked with the name. The last line of a name counts: quick runs
//! come before whole ones, and a name that several tests add to gets a line for each of them.

#![allow(dead_code, reason = "each test binary uses some of it")]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

/// What the tests of this process have counted under one name.
#[derive(Default)]
pub(crate) struct Counts(BTreeMap<&'static str, u64>);

impl Counts {
    pub(crate) fn add(&mut self, kind: &'static str, count: u64) {
        *self.0.entry(kind).or_default() += count;
    }

    /// Keeps the largest.
    pub(crate) fn most(&mut self, kind: &'static str, count: u64) {
        let most = self.0.entry(kind).or_default();
        *most = count.max(*most);
    }

    pub(crate) fn of(&self, kind: &str) -> String {
        thousands(self.0.get(kind).copied().unwrap_or(0))
    }
}

static GATHERED: Mutex<BTreeMap<&str, Counts>> = Mutex::new(BTreeMap::new());

/// Adds to what the other tests have counted under this name, and notes the text of all of it.
pub(crate) fn gather(name: &'static str, add: impl FnOnce(&mut Counts) -> String) {
    let mut gathered = GATHERED.lock().unwrap_or_else(PoisonError::into_inner);
    let text = add(gathered.entry(name).or_default());
    note(name, &text);
}

/// Appends a figure in one write, so that lines of other processes stay whole.
pub(crate) fn note(name: &str, text: &str) {
    let Some(path) = std::env::var_os("COSTLAKE_FIGURES") else { return };
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).expect("a file of figures");
    file.write_all(format!("{name}\t{text}\n").as_bytes()).expect("a figure");
}

/// `1735550` as `1,735,550`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let comma = |at: usize| if at > 0 && (digits.len() - at).is_multiple_of(3) { "," } else { "" };
    digits.chars().enumerate().map(|(at, digit)| format!("{}{digit}", comma(at))).collect()
}
