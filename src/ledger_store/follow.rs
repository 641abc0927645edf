//! Brings the ledger up to objects that are ahead of it: another run committed them, or died before it wrote the
//! ledger.

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::ledger::{Noted, Standing};
use crate::window::Partition;

use super::{LedgerStore, Observed, data_key};

impl LedgerStore {
    /// Adopts a partition's object if it is a later generation of the one the ledger knows; returns whether it was.
    /// Days whose content cannot be traced to a known generation are marked displaced, to be read again. The write time
    /// is capped at `now`, whatever the clock of the store says.
    ///
    /// The object is made durable first: its writer may have died before that, and an object that a ledger names must
    /// survive a power cut.
    ///
    /// # Errors
    /// When the object cannot be made durable; the ledger is then unchanged.
    pub async fn follow(&mut self, partition: Partition, seen: &Observed, now: DateTime<Utc>) -> Result<bool> {
        let known = self.ledger.partitions.get(&seen.footer.partition);
        let Standing::Later { unproven } = Standing::of(known, &seen.footer) else { return Ok(false) };
        self.lake.make_durable(&data_key(&self.unit, partition)).await?;
        self.ledger.keep_committed(&seen.footer.partition, &unproven);
        self.ledger.take_over(&seen.footer, &seen.id(), seen.modified.min(now));
        let why = format!("generation {} follows from none that is known", seen.footer.epoch);
        let noted = |day| (day, Noted { at: now, why: why.clone() });
        self.ledger.displaced.extend(unproven.into_iter().map(noted));
        Ok(true)
    }
}
