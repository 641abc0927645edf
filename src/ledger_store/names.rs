//! The names of a table's books.

use crate::generation::footer::LAST_EPOCH;

/// Highest number of a snapshot; a file with a higher one is none of costlake's.
const LAST_SNAPSHOT: u64 = LAST_EPOCH;

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

#[cfg(test)]
mod tests {
    use super::{LAST_SNAPSHOT, sequence_of, snapshot_key};

    #[test]
    fn a_number_that_none_can_follow_is_no_snapshots() {
        assert_eq!(sequence_of(&snapshot_key("t", 7)), Some(7));
        assert_eq!(sequence_of(&snapshot_key("t", LAST_SNAPSHOT)), Some(LAST_SNAPSHOT));
        assert_eq!(sequence_of(&snapshot_key("t", LAST_SNAPSHOT + 1)), None);
        assert_eq!(sequence_of(&snapshot_key("t", u64::MAX)), None);
        assert_eq!(sequence_of("_costlake/t/ledger/7.json"), None);
    }
}
