//! Findings that are not errors, counted over all answers of a fetch: one note each.

use std::collections::{BTreeMap, BTreeSet};

use crate::text::counted;

/// Most names in one note.
const SHOWN: usize = 8;

/// Counts by what was found, in the words for several.
#[derive(Debug, Default)]
pub(in crate::sources) struct Remarks(BTreeMap<String, Found>);

#[derive(Debug, Default)]
struct Found {
    count: u64,
    /// The words for one.
    one: String,
    names: BTreeSet<String>,
}

impl Remarks {
    /// Adds `count`; the note reads `1 <one>` or `<count> <several>`.
    pub(in crate::sources) fn count(&mut self, one: &str, several: &str, count: u64) {
        if count > 0 {
            self.add(one, several, count);
        }
    }

    /// Adds one; the note reads `1 <one>: <names>` or `<count> <several>: <names>`.
    pub(in crate::sources) fn name(&mut self, one: &str, several: &str, names: impl IntoIterator<Item = String>) {
        self.add(one, several, 1).names.extend(names);
    }

    fn add(&mut self, one: &str, several: &str, count: u64) -> &mut Found {
        let found = self.0.entry(several.to_owned()).or_default();
        found.count += count;
        one.clone_into(&mut found.one);
        found
    }

    /// A note without a count.
    pub(in crate::sources) fn say(&mut self, words: impl Into<String>) {
        self.0.entry(words.into()).or_default();
    }

    pub(in crate::sources) fn merge(&mut self, other: Self) {
        for (words, found) in other.0 {
            let own = self.0.entry(words).or_default();
            own.count += found.count;
            own.one = found.one;
            own.names.extend(found.names);
        }
    }

    pub(in crate::sources) fn into_notes(self) -> Vec<String> {
        self.0.into_iter().map(|(words, found)| note(words, &found)).collect()
    }
}

fn note(words: String, found: &Found) -> String {
    let said = if found.count == 0 { words } else { counted(found.count, &found.one, &words) };
    if found.names.is_empty() {
        return said;
    }
    let names: Vec<&str> = found.names.iter().take(SHOWN).map(String::as_str).collect();
    let more = if found.names.len() > SHOWN { ", …" } else { "" };
    format!("{said}: {}{more}", names.join(", "))
}
