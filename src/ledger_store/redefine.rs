//! Redefines a table that never held a row: after a first try with a filter that matches nothing, or the wrong
//! grouping, the table keeps its name.
//!
//! The record is replaced on condition that it is the one that was read, and keeps its earlier fingerprints. Objects
//! with such a fingerprint are empty and are read again in full.
//!
//! A run of the old definition may write its first rows meanwhile. While a table holds no row, a run reads the record
//! before and after it writes an object; a redefinition lists the objects before and after it writes the record. So at
//! least one of the two sees the other: the object stays out of every ledger, or the old record is restored.

use bytes::Bytes;

use crate::error::{Error, Kind, Result};
use crate::lake::{Condition, Listed, Put};
use crate::ledger::PartitionState;
use crate::window::Grain;

use super::keys::record_key;
use super::{LedgerStore, TableRecord, partition_of};

impl LedgerStore {
    /// Whether the table may be redefined, because it never held a row. A table partitioned by day never becomes one
    /// partitioned by month, nor one without accounts one with: it would hold objects of both kinds.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn may_be_redefined(&self, grain: Grain) -> Result<bool> {
        Ok(!self.holds_rows() && self.is_alone(grain).await?)
    }

    /// Whether the table has no object that the ledger does not know, those of other accounts included.
    async fn is_alone(&self, grain: Grain) -> Result<bool> {
        let listed = self.lake.list(&self.unit.table).await?;
        let is_of_grain = |entry: &Listed| partition_of(&self.unit, grain, &entry.key).is_some();
        Ok(listed.iter().all(is_of_grain) && self.not_vouched_for(grain, true).await?.is_empty())
    }

    /// Replaces the definition of a table that never held a row by the one that `ours` returns for the stored record.
    /// Returns the new record.
    ///
    /// # Errors
    /// When the lake cannot be read or written, or another run defines the table at the same time.
    pub async fn redefine<'a>(
        &mut self,
        grain: Grain,
        ours: impl Fn(Option<&TableRecord>) -> &'a TableRecord,
    ) -> Result<TableRecord> {
        let key = record_key(&self.unit.table);
        let gone = || Error::new(Kind::Superseded, "the table's record was removed").at("key", &key);
        let object = self.lake.read(&key, None).await?.ok_or_else(gone)?;
        let kept = TableRecord::parse(&key, &object.bytes)?;
        let ours = ours(Some(&kept));
        let former = kept.former.iter().cloned().chain([kept.digest()]).filter(|digest| *digest != ours.digest());
        let record = TableRecord { account: kept.account.clone(), former: former.collect(), ..ours.clone() };
        let text = serde_json::to_vec_pretty(&record)
            .map_err(|error| Error::new(Kind::Internal, "cannot write the table's record").because(error))?;
        let overtaken = || {
            Error::new(Kind::Superseded, "another run works on the table while it is defined anew")
                .at("key", &key)
                .advise("run again when that one has ended")
        };
        if let Put::Refused = self.lake.put(&key, Bytes::from(text), Condition::Still(&object.tag)).await? {
            return Err(overtaken());
        }
        if !self.is_alone(grain).await? {
            let new = self.lake.read(&key, None).await?.ok_or_else(gone)?;
            self.lake.put(&key, object.bytes, Condition::Still(&new.tag)).await?;
            return Err(overtaken());
        }
        self.ledger.forget_definition();
        self.unsaved = true;
        self.check(ours).await?;
        Ok(record)
    }

    /// Whether the table holds a row, or ever held one, as far as its ledger knows.
    #[must_use]
    pub fn holds_rows(&self) -> bool {
        let is_empty = |state: &PartitionState| {
            let replaced = || state.history.revisions.values().flat_map(|known| known.values());
            state.days.values().all(|day| day.facts.rows == 0)
                && replaced().all(|revision| revision.rows == 0 && revision.rows_before == 0)
        };
        !self.ledger.quarantined.is_empty() || !self.ledger.partitions.values().all(is_empty)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;

    use bytes::Bytes;
    use chrono::DateTime;
    use object_store::memory::InMemory;

    use super::{LedgerStore, TableRecord};
    use crate::error::Kind;
    use crate::lake::{Lake, S3Lake};
    use crate::unit::Unit;
    use crate::window::Grain;

    fn record(source: &str) -> TableRecord {
        let (table, fingerprint) = ("t".to_owned(), vec![("source".to_owned(), source.to_owned())]);
        let (former, own) = (Vec::new(), Vec::new());
        TableRecord { format: 1, table, fingerprint, account: None, made_up: Some(false), former, own }
    }

    /// Another account's first object may land between the look at the table and the new record.
    #[tokio::test]
    async fn a_table_is_not_redefined_under_the_first_rows_of_another_account() {
        for other in [None, Some("t/account=000000000002/billing_period=2026-11/data.parquet")] {
            let store = Arc::new(InMemory::new());
            let lake = Arc::new(Lake::S3(S3Lake::new(store.clone(), store, "p", "s3://b/p", "test")));
            let unit = Unit::of("t", "000000000001");
            let open = LedgerStore::open(Arc::clone(&lake), &unit, Grain::Daily, DateTime::UNIX_EPOCH);
            let mut opened = open.await.unwrap().0;
            opened.claim(&record("old")).await.unwrap();
            if let Some(key) = other {
                assert!(lake.create(key, Bytes::from_static(b"rows")).await.unwrap());
            }
            let new = record("new");
            let said = opened.redefine(Grain::Daily, |_| &new).await;
            let kept = TableRecord::named(&lake, "t").await.unwrap().unwrap();
            match other {
                None => assert_eq!(
                    (said.unwrap().fingerprint, kept.fingerprint),
                    (new.fingerprint.clone(), new.fingerprint)
                ),
                Some(_) => {
                    assert_eq!(said.unwrap_err().kind(), Kind::Superseded);
                    assert_eq!(kept.fingerprint, record("old").fingerprint, "the old record is restored");
                }
            }
        }
    }
}
