//! The names of a table's books, and what is read of a snapshot before the rest of it.

use serde::Deserialize;

use crate::generation::footer::LAST_EPOCH;

/// Highest number of a snapshot; a file with a higher one is none of costlake's.
const LAST_SNAPSHOT: u64 = LAST_EPOCH;

/// The layout version of a snapshot, whatever else is in it.
#[derive(Deserialize)]
pub(super) struct Layout {
    #[serde(default)]
    pub(super) format: u64,
}

pub(super) fn record_key(table: &str) -> String {
    format!("_costlake/{table}/table.json")
}

pub(super) fn snapshot_key(table: &str, sequence: u64) -> String {
    format!("_costlake/{table}/ledger/{sequence:020}.json")
}

pub(super) fn sequence_of(key: &str) -> Option<u64> {
    key.rsplit('/')
        .next()?
        .strip_suffix(".json")
        .filter(|digits| digits.len() == 20)?
        .parse()
        .ok()
        .filter(|number| *number <= LAST_SNAPSHOT)
}
