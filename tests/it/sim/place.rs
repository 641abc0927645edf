//! Where in the bucket the objects of a table are, or those of one account's part of it.

use super::tally::Tally;
use super::watch::{LEDGER, TABLE};

/// The record of the table, one for all its accounts.
pub(super) const RECORD: &str = "bill/_costlake/cost/table.json";
/// What proves that the store honours conditions, one for all tables.
const PROBE: &str = "bill/_costlake/probe/";

/// The folders of a unit, each with a slash at its end.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// The account, if the table has accounts.
    pub(super) account: Option<&'static str>,
    /// The data.
    pub(super) table: String,
    /// Everything beside the data.
    state: String,
    pub(super) ledger: String,
}

impl Place {
    /// A table without accounts.
    pub(super) fn whole() -> Self {
        let state = "bill/_costlake/cost/".to_owned();
        Self { account: None, table: TABLE.to_owned(), state, ledger: LEDGER.to_owned() }
    }

    /// The part of one account.
    pub(super) fn of(account: &'static str) -> Self {
        let state = format!("bill/_costlake/cost/account={account}/");
        let table = format!("{TABLE}account={account}/");
        Self { account: Some(account), table, ledger: format!("{state}ledger/"), state }
    }

    pub(super) fn key_of(&self, partition: &str) -> String {
        format!("{}billing_period={partition}/data.parquet", self.table)
    }

    /// The partition of a data object; `None` for a key that is none.
    pub(super) fn partition_of<'k>(&self, key: &'k str) -> Option<&'k str> {
        key.strip_prefix(&self.table)?.strip_prefix("billing_period=")?.strip_suffix("/data.parquet")
    }

    /// Whether a key is that of a run's final record, not of its reservation.
    pub(super) fn is_run_record(&self, key: &str) -> bool {
        key.strip_prefix(&self.state).is_some_and(|below| below.starts_with("runs/") && !below.contains(".started"))
    }

    /// The key of the object that names the account.
    pub(super) fn account_key(&self) -> String {
        format!("{}account.json", self.state)
    }

    /// Whether a key or a folder is the unit's own.
    pub(super) fn holds(&self, key: &str) -> bool {
        key.starts_with(&self.table) || key.starts_with(&self.state)
    }

    /// Whether a run of the unit may make this call; runs of a table without accounts have no neighbours.
    pub(super) fn may(&self, verb: &str, key: &str) -> bool {
        let is_shared = match verb {
            "put" => key == RECORD,
            "get" => key == RECORD || key.starts_with(PROBE),
            "list" => key.starts_with(PROBE),
            _ => false,
        };
        self.account.is_none() || self.holds(key) || is_shared
    }
}

/// Whether an object in the bucket belongs to one of these units, or to all of them.
pub(super) fn is_of_any<'p>(mut places: impl Iterator<Item = &'p Place>, key: &str) -> bool {
    key == RECORD || key.starts_with(PROBE) || places.any(|place| place.holds(key))
}

/// Counts who makes the record of a table with accounts.
pub(super) fn count_record(unit: usize, tally: &mut Tally) {
    tally.count(RECORD_BY[unit]);
}

/// Counters, by unit: the record of the table is made by a run of it.
pub(super) const RECORD_BY: [&str; 3] =
    ["units: the first makes table.json", "units: the second makes table.json", "units: the third makes table.json"];
