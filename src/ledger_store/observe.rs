//! The data objects of a table: their keys, and what is learnt from one read of their end.

use chrono::{DateTime, Utc};

use crate::error::{Error, Kind, Result};
use crate::generation::Footer;
use crate::generation::footer::{self, Suffix};
use crate::lake::{Lake, Object, Tag};
use crate::ledger::ObjectId;
use crate::unit::Unit;
use crate::window::{Grain, Partition};

/// Number of bytes read from the end of an object to get its footer.
const SUFFIX: u64 = 64 << 10;

/// A partition object as seen in one read.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Identity of its bytes.
    pub tag: Tag,
    /// Its size.
    pub size: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// Its identity as a listing shows it.
    pub etag: Option<String>,
    /// Its footer.
    pub footer: Footer,
}

impl Observed {
    /// The identity that the ledger stores.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        ObjectId { size: self.size, etag: self.etag.clone() }
    }
}

/// The key of a partition's object.
#[must_use]
pub fn data_key(unit: &Unit, partition: Partition) -> String {
    format!("{}/{}/data.parquet", unit.folder(), partition.folder())
}

/// What is stored under the key of a partition's object.
#[derive(Debug)]
pub enum Look {
    /// Nothing.
    Absent,
    /// An object with costlake's footer.
    Whole(Observed),
    /// An object whose footer is not a readable footer of costlake.
    Unreadable {
        /// Whether it is a sound Parquet file that another program wrote.
        foreign: bool,
        /// Why.
        error: Error,
    },
}

/// Reads the footer of a partition's object, from one answer.
///
/// # Errors
/// When the lake cannot be read; a missing or unreadable object is not an error here.
pub async fn look(lake: &Lake, unit: &Unit, partition: Partition) -> Result<Look> {
    look_at(lake, &data_key(unit, partition)).await
}

/// Reads the footer of the object under a key, from one answer.
///
/// # Errors
/// As [`look`].
pub async fn look_at(lake: &Lake, key: &str) -> Result<Look> {
    let mut length = SUFFIX;
    for _ in 0..4 {
        let Some(object) = lake.suffix(key, length).await? else { return Ok(Look::Absent) };
        match footer::from_suffix(&object.bytes) {
            Ok(Suffix::Whole(footer)) => {
                let Object { tag, size, modified, etag, .. } = object;
                return Ok(Look::Whole(Observed { tag, size, modified, etag, footer: *footer }));
            }
            // A damaged length may point past the beginning of the object.
            Ok(Suffix::Longer(needed)) if needed <= object.size => length = needed,
            Ok(Suffix::Longer(_)) => {
                let error = Error::new(Kind::Store, "the object is cut short, or its footer is damaged");
                return Ok(Look::Unreadable { foreign: false, error: error.at("key", key) });
            }
            Err(error) => {
                let foreign = footer::is_without_record(&object.bytes);
                return Ok(Look::Unreadable { foreign, error: error.at("key", key) });
            }
        }
    }
    Err(Error::new(Kind::Store, "the object changes faster than it can be read").at("key", key))
}

/// The tag and footer of a partition's object, from one answer, or `None` when there is none.
///
/// # Errors
/// When it cannot be read or is not costlake's.
pub async fn observe(lake: &Lake, unit: &Unit, partition: Partition) -> Result<Option<Observed>> {
    match look(lake, unit, partition).await? {
        Look::Absent => Ok(None),
        Look::Whole(seen) => Ok(Some(seen)),
        Look::Unreadable { error, .. } => Err(error),
    }
}

/// The partition whose object has this key; `None` for any other key.
#[must_use]
pub fn partition_of(unit: &Unit, grain: Grain, key: &str) -> Option<Partition> {
    let (_, value) = key.rsplit('/').nth(1)?.split_once('=')?;
    grain.parse_partition(value).filter(|partition| data_key(unit, *partition) == key)
}
