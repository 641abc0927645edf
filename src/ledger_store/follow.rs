//! The ledger follows the objects: a generation that another run committed, or one that died before its ledger.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::window::Partition;

use super::{LedgerStore, Observed, data_key};

impl LedgerStore {
    /// Takes over a partition's object if its generation is later than the one the ledger knows; whether it was. Nobody
    /// can have written it later than `now`, whatever the clock of the store says.
    ///
    /// The object is made durable first: its writer may have died before that, and what a ledger names must not be gone
    /// after a power cut.
    ///
    /// # Errors
    /// When the object cannot be made durable; the ledger then is as before.
    pub async fn follow(&mut self, partition: Partition, seen: &Observed, now: DateTime<Utc>) -> Result<bool> {
        let is_ahead = seen.footer.epoch > self.ledger.epoch_of(&seen.footer.partition);
        if is_ahead {
            self.lake.make_durable(&data_key(&self.table, partition)).await?;
            self.ledger.take_over(&seen.footer, &seen.id(), seen.modified.min(now));
        }
        Ok(is_ahead)
    }
}
