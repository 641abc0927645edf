//! The keys of a table's ledger store.

use crate::generation::footer::LAST_EPOCH;
use crate::unit::{STATE, Unit};

/// Highest number of a snapshot; costlake writes no file with a higher one.
const LAST_SNAPSHOT: u64 = LAST_EPOCH;

pub(super) fn record_key(table: &str) -> String {
    format!("{STATE}/{table}/table.json")
}

pub(super) fn account_key(unit: &Unit) -> String {
    unit.beside("account.json")
}

pub(super) fn snapshot_key(unit: &Unit, sequence: u64) -> String {
    unit.beside(&format!("ledger/{sequence:020}.json"))
}

/// The number of the snapshot under `key`; `None` for any other file, and for one in a subfolder.
pub(super) fn sequence_of(unit: &Unit, key: &str) -> Option<u64> {
    let number = key.rsplit('/').next()?.strip_suffix(".json")?.parse().ok()?;
    (number <= LAST_SNAPSHOT && snapshot_key(unit, number) == key).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::{LAST_SNAPSHOT, sequence_of, snapshot_key};

    #[test]
    fn a_number_that_none_can_follow_is_no_snapshots() {
        let number = |key: &str| sequence_of(&"t".into(), key);
        assert_eq!(number(&snapshot_key(&"t".into(), 7)), Some(7));
        assert_eq!(number(&snapshot_key(&"t".into(), LAST_SNAPSHOT)), Some(LAST_SNAPSHOT));
        assert_eq!(number(&snapshot_key(&"t".into(), LAST_SNAPSHOT + 1)), None);
        assert_eq!(number(&snapshot_key(&"t".into(), u64::MAX)), None);
        assert_eq!(number("_costlake/t/ledger/7.json"), None);
        assert_eq!(number("_costlake/t/ledger/+0000000000000000007.json"), None);
        assert_eq!(number("_costlake/t/ledger/backup/00000000000000000007.json"), None);
    }
}
