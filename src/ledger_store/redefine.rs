//! Another definition for a table that never held a row: a first try with a filter that fits nothing, or the wrong
//! grouping, costs no name.
//!
//! The record is replaced on condition that it is the one that was read, and keeps the fingerprints it had. Objects of such
//! a fingerprint are empty; they are read again whole.
//!
//! A run of the old definition may write its first rows meanwhile. As long as a table holds no row, a run looks at the
//! record again before it writes an object and after; who redefines looks at the objects before it writes the record and
//! after. So at least one of the two sees the other: the object stays out of every ledger, or the old record comes back.

use bytes::Bytes;

use crate::error::{Error, Kind, Result};
use crate::lake::{Condition, Listed, Put};
use crate::ledger::PartitionState;
use crate::window::Grain;

use super::names::record_key;
use super::{LedgerStore, TableRecord, partition_of};

impl LedgerStore {
    /// Whether the table may be given another definition, because it never held a row. One with days for partitions never
    /// becomes one with months: objects of both kinds would stand side by side.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn may_be_redefined(&self, grain: Grain) -> Result<bool> {
        let listed = self.lake.list(&self.table).await?;
        let is_of_grain = |entry: &Listed| partition_of(&self.table, grain, &entry.key).is_some();
        Ok(!self.holds_rows() && listed.iter().all(is_of_grain) && self.not_vouched_for(grain, true).await?.is_empty())
    }

    /// Gives a table that never held a row the definition of the record that `ours` gives for its own. Returns the new one.
    ///
    /// # Errors
    /// When the lake cannot be read or written, or another run defines the table at the same time.
    pub async fn redefine<'a>(
        &mut self,
        grain: Grain,
        ours: impl Fn(Option<&TableRecord>) -> &'a TableRecord,
    ) -> Result<TableRecord> {
        let key = record_key(&self.table);
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
        if !self.not_vouched_for(grain, true).await?.is_empty() {
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
