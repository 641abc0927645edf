//! Findings that are not errors, counted over all answers of a fetch: one note each.

use std::collections::{BTreeMap, BTreeSet};

/// Most names in one note.
const SHOWN: usize = 8;

/// Counts by what was found.
#[derive(Debug, Default)]
pub(in crate::sources) struct Remarks(BTreeMap<String, Found>);

#[derive(Debug, Default)]
struct Found {
    count: u64,
    names: BTreeSet<String>,
}

impl Remarks {
    /// Adds `count`; the note reads `<count> <words>`.
    pub(in crate::sources) fn count(&mut self, words: impl Into<String>, count: u64) {
        if count > 0 {
            self.0.entry(words.into()).or_default().count += count;
        }
    }

    /// Adds one; the note reads `<count> <words>: <names>`.
    pub(in crate::sources) fn name(&mut self, words: impl Into<String>, names: impl IntoIterator<Item = String>) {
        let found = self.0.entry(words.into()).or_default();
        found.count += 1;
        found.names.extend(names);
    }

    /// A note without a count.
    pub(in crate::sources) fn say(&mut self, words: impl Into<String>) {
        self.0.entry(words.into()).or_default();
    }

    pub(in crate::sources) fn merge(&mut self, other: Self) {
        for (words, found) in other.0 {
            let own = self.0.entry(words).or_default();
            own.count += found.count;
            own.names.extend(found.names);
        }
    }

    pub(in crate::sources) fn into_notes(self) -> Vec<String> {
        self.0.into_iter().map(|(words, found)| note(words, &found)).collect()
    }
}

fn note(words: String, found: &Found) -> String {
    let counted = if found.count == 0 { words } else { format!("{} {words}", found.count) };
    if found.names.is_empty() {
        return counted;
    }
    let names: Vec<&str> = found.names.iter().take(SHOWN).map(String::as_str).collect();
    let more = if found.names.len() > SHOWN { ", …" } else { "" };
    format!("{counted}: {}{more}", names.join(", "))
}
