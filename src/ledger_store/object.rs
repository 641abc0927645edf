//! The objects the books are about: their keys, and what one look at them tells.

use chrono::{DateTime, Utc};

use crate::error::{Error, Kind, Result};
use crate::generation::Footer;
use crate::generation::footer::{self, Suffix};
use crate::lake::{Lake, Object, Tag};
use crate::ledger::ObjectId;
use crate::window::{Grain, Partition};

/// Last bytes of an object that are read to see its footer.
const SUFFIX: u64 = 64 << 10;

/// A partition object as it was seen in one read.
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
    /// What the ledger remembers it by.
    #[must_use]
    pub fn id(&self) -> ObjectId {
        ObjectId { size: self.size, etag: self.etag.clone() }
    }
}

/// The key of a partition's object.
#[must_use]
pub fn data_key(table: &str, partition: Partition) -> String {
    format!("{table}/{}/data.parquet", partition.folder())
}

/// What stands where a partition's object belongs.
#[derive(Debug)]
pub enum Look {
    /// Nothing.
    Absent,
    /// An object with costlake's footer.
    Whole(Observed),
    /// Something whose footer cannot be read as costlake's.
    Unreadable {
        /// Whether it is a sound Parquet file that somebody else wrote.
        foreign: bool,
        /// Why.
        error: Error,
    },
}

/// Looks at what stands where a partition's object belongs, from one answer.
///
/// # Errors
/// When the lake cannot be read; what the object itself is like is no error here.
pub async fn look(lake: &Lake, table: &str, partition: Partition) -> Result<Look> {
    look_at(lake, &data_key(table, partition)).await
}

/// Looks at the object under a key, from one answer.
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

/// Looks at a partition's object: its tag and footer from one answer, or `None` when there is none.
///
/// # Errors
/// When it cannot be read or is not costlake's.
pub async fn observe(lake: &Lake, table: &str, partition: Partition) -> Result<Option<Observed>> {
    match look(lake, table, partition).await? {
        Look::Absent => Ok(None),
        Look::Whole(seen) => Ok(Some(seen)),
        Look::Unreadable { error, .. } => Err(error),
    }
}

/// The partition whose object has this key; `None` for any other key.
#[must_use]
pub fn partition_of(table: &str, grain: Grain, key: &str) -> Option<Partition> {
    let (_, value) = key.split('/').nth(1)?.split_once('=')?;
    grain.parse_partition(value).filter(|partition| data_key(table, *partition) == key)
}
