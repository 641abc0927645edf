//! Reads a ledger snapshot from untrusted bytes.

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::generation::footer::LAST_EPOCH;

use super::{FORMAT, GROWN, Ledger};

/// The layout version of a snapshot; all other fields are ignored.
#[derive(Deserialize)]
struct Layout {
    #[serde(default)]
    format: u64,
}

impl Ledger {
    /// Reads a snapshot; `None` if `text` is not one.
    ///
    /// # Errors
    /// [`Kind::Config`] when its layout is newer than [`GROWN`].
    pub fn parse(text: &[u8]) -> Result<Option<Self>> {
        // The layout version is read first and alone: a JSON tree of the whole snapshot would take many times its size.
        let Ok(Layout { format }) = serde_json::from_slice(text) else { return Ok(None) };
        if format > u64::from(GROWN) {
            let newer = format!("the ledger is of layout {format}, newer than this costlake reads");
            return Err(Error::new(Kind::Config, newer).advise("update costlake"));
        }
        let read: Option<Self> = serde_json::from_slice(text).ok();
        let is_sound = |ledger: &Self| ledger.partitions.values().all(|state| (1..=LAST_EPOCH).contains(&state.epoch));
        Ok(read.filter(is_sound).map(|mut ledger| {
            ledger.date_notes();
            ledger.format = ledger.format.max(FORMAT);
            ledger
        }))
    }
}
