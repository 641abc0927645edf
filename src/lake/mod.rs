//! The lake: object storage on local disk or in S3, behind one small interface.
//!
//! ```text
//!  <lake>/<table>/<partition>/data.parquet         replaced in place, only if it is still the one observed
//!  <lake>/_costlake/<table>/table.json             create-only
//!  <lake>/_costlake/<unit>/ledger/<20 digits>.json create-only, numbered
//!  <lake>/_costlake/<unit>/runs|raw|history/…      create-only
//!  <lake>/_costlake/<unit>/lock, _costlake/tmp     local disk only
//!  <lake>/_costlake/probe/…                        what the store was found to honour
//! ```
//! Every write has a condition, and on every answer but [`Put::Done`] the caller reads back to learn the outcome: the
//! write may have succeeded all the same (see the table in `pipeline::publish`). Nothing here deletes or renames an
//! object below a table's folder.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};

use crate::encryption::Encryption;
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::unit::{STATE, split_key};

/// Largest JSON object below `_costlake` that is read: a ledger of ten years is some megabytes.
const MAX_BOOK: u64 = 64 << 20;

/// The parts of a key beside a unit's data, without its folder; none for any other key.
fn beside(key: &str) -> Vec<&str> {
    let below = key.strip_prefix(STATE).and_then(|key| key.strip_prefix('/'));
    let of_unit = below.map(split_key).filter(|(unit, _)| !unit.is_empty() && !unit.starts_with('/'));
    of_unit.map(|(_, rest)| rest.split('/').collect()).unwrap_or_default()
}

/// Whether a file name is 20 digits and `ending`.
fn is_numbered(file: &str, ending: &str) -> bool {
    let digits = file.strip_suffix(ending).unwrap_or_default();
    digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Refuses to read a JSON object below `_costlake` that is too large to be costlake's.
fn check_size(key: &str, size: u64) -> Result<()> {
    let is_book = key.starts_with(STATE) && key.ends_with(".json");
    if !is_book || size <= MAX_BOOK {
        return Ok(());
    }
    let message = format!("the file is longer than {} MiB, which nothing is that costlake writes", MAX_BOOK >> 20);
    Err(Error::new(Kind::Store, message).at("key", key).at("bytes", size).advise(
        "move it away and run again: a missing ledger is rebuilt from the footers of the objects, a missing table.json is written anew",
    ))
}

mod conditions;
mod folders;
mod local;
mod location;
mod s3;

pub use local::LocalLake;
pub use location::Location;
pub use s3::{BucketAddress, OpenEncrypted, S3Lake};

/// Identifies the bytes of an object: an ETag, or its substitute on a local disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(pub String);

/// The bytes of an object, or its last bytes, with its tag, from one answer.
#[derive(Debug, Clone)]
pub struct Object {
    /// The bytes.
    pub bytes: Bytes,
    /// Identity of the whole object.
    pub tag: Tag,
    /// Size of the whole object.
    pub size: u64,
    /// When it was written.
    pub modified: DateTime<Utc>,
    /// Its identity in a listing, see [`Listed::etag`].
    pub etag: Option<String>,
}

/// The condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// Only if there is no such object.
    Absent,
    /// Only if the object is this one.
    Still(&'a Tag),
}

/// The result of a write that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// The object is ours; with its identity in a listing, if the store reports it.
    Done(Option<String>),
    /// The store reports that the condition did not hold. It may be wrong: a retried write can conflict with itself.
    Refused,
}

impl Put {
    /// Whether the object is ours.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }
}

/// One entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Key below the lake.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified: DateTime<Utc>,
    /// Distinguishes the object from any other: its ETag without quotes; for a local file its inode and change times,
    /// which no copy and no restored backup shares.
    pub etag: Option<String>,
}

/// An open lake.
#[derive(Debug)]
pub enum Lake {
    /// A folder.
    Local(LocalLake),
    /// A bucket.
    S3(S3Lake),
}

impl Lake {
    /// The same lake, whose writes name this encryption; a folder has none.
    ///
    /// # Errors
    /// [`Kind::Config`] when the bucket cannot be opened for it.
    pub fn encrypted(self: &Arc<Self>, encryption: Option<&Encryption>) -> Result<Arc<Self>> {
        match (self.as_ref(), encryption) {
            (Self::S3(lake), Some(wanted)) => Ok(Arc::new(Self::S3(lake.encrypted(wanted)?))),
            _ => Ok(Arc::clone(self)),
        }
    }

    /// The last `length` bytes of an object; `None` when there is none.
    ///
    /// # Errors
    /// [`Kind::Store`] or [`Kind::Auth`], naming the key.
    pub async fn suffix(&self, key: &str, length: u64) -> Result<Option<Object>> {
        match self {
            Self::Local(lake) => lake.suffix(key, length).await,
            Self::S3(lake) => lake.get(key, Some(length), None).await,
        }
    }

    /// A whole object; with `tag`, only if it is still that one.
    ///
    /// # Errors
    /// [`Kind::Superseded`] when it is another one by now; else as [`Lake::suffix`].
    pub async fn read(&self, key: &str, tag: Option<&Tag>) -> Result<Option<Object>> {
        match self {
            Self::Local(lake) => lake.read(key, tag).await,
            Self::S3(lake) => lake.get(key, None, tag).await,
        }
    }

    /// Writes an object if `condition` holds.
    ///
    /// # Errors
    /// After any error the outcome is unknown: read the object to learn it.
    pub async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<Put> {
        let put = match self {
            Self::Local(lake) => lake.put(key, bytes, condition).await,
            Self::S3(lake) => lake.put(key, bytes, condition).await,
        };
        failpoint::point("put_sent_no_answer");
        put
    }

    /// Everything below a folder, sorted by key.
    ///
    /// # Errors
    /// As [`Lake::suffix`].
    pub async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let mut listed = match self {
            Self::Local(lake) => lake.list(folder).await?,
            Self::S3(lake) => lake.list(folder).await?,
        };
        listed.sort();
        Ok(listed)
    }

    /// The names of the folders in a folder, sorted; nothing below them is listed.
    ///
    /// # Errors
    /// As [`Lake::suffix`].
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let mut names = match self {
            Self::Local(lake) => lake.folders(folder).await?,
            Self::S3(lake) => lake.folders(folder).await?,
        };
        names.sort();
        Ok(names)
    }

    /// Removes an old ledger snapshot.
    ///
    /// # Errors
    /// [`Kind::Internal`] for any key but `_costlake/<unit>/ledger/<20 digits>.json`.
    pub async fn remove_ledger_snapshot(&self, key: &str) -> Result<()> {
        let is_one = matches!(beside(key)[..], ["ledger", file] if is_numbered(file, ".json"));
        if !is_one {
            return Err(Error::new(Kind::Internal, "only old ledger snapshots are ever removed").at("key", key));
        }
        self.remove(key).await?;
        failpoint::point("snapshot_removed");
        Ok(())
    }

    /// Removes an old lease.
    ///
    /// # Errors
    /// [`Kind::Internal`] for any key but `_costlake/<unit>/lease/<20 digits>.json`.
    pub async fn remove_lease(&self, key: &str) -> Result<()> {
        if !matches!(beside(key)[..], ["lease", file] if is_numbered(file, ".json")) {
            return Err(Error::new(Kind::Internal, "only old leases are ever removed").at("key", key));
        }
        self.remove(key).await
    }

    /// Removes a kept older generation.
    ///
    /// # Errors
    /// [`Kind::Internal`] for any key but `_costlake/<unit>/history/<partition>/<20 digits>[-<16 digits>].parquet`.
    pub async fn remove_kept_generation(&self, key: &str) -> Result<()> {
        let is_one = match beside(key)[..] {
            ["history", partition, file] => {
                let stem = file.strip_suffix(".parquet").unwrap_or_default();
                let (number, copy) = stem.split_once('-').unwrap_or((stem, ""));
                let is_copy = copy.len() == 16 && copy.bytes().all(|digit| digit.is_ascii_hexdigit());
                let is_named = is_numbered(number, "") && (is_copy || number == stem);
                !partition.is_empty() && is_named
            }
            _ => false,
        };
        if !is_one {
            return Err(Error::new(Kind::Internal, "only kept older generations are ever removed").at("key", key));
        }
        self.remove(key).await?;
        failpoint::point("generation_removed");
        Ok(())
    }

    async fn remove(&self, key: &str) -> Result<()> {
        match self {
            Self::Local(lake) => lake.remove(key).await,
            Self::S3(lake) => lake.remove(key).await,
        }
    }

    /// Writes a create-only object and reads back if the outcome is unclear: true when the object holds exactly
    /// `bytes`, false when there is another one.
    ///
    /// # Errors
    /// When neither can be determined.
    pub async fn create(&self, key: &str, bytes: Bytes) -> Result<bool> {
        let mut last = None;
        for _ in 0..3 {
            match self.put(key, bytes.clone(), Condition::Absent).await {
                Ok(Put::Done(_)) => return Ok(true),
                Ok(Put::Refused) => {}
                Err(error) if self.is_final(&error) => return Err(error),
                Err(error) => last = Some(error),
            }
            match self.read(key, None).await {
                Ok(Some(object)) => return Ok(object.bytes == bytes),
                Ok(None) => {}
                Err(error) => last = Some(error),
            }
        }
        Err(last
            .unwrap_or_else(|| Error::new(Kind::Store, "the store refuses to create an object that does not exist"))
            .at("key", key))
    }

    /// Whether reading back after this error of a write is pointless: the store refused the write, or the lake is a
    /// folder. A disk that failed to make a write durable may have lost it by the time it reports success, so it is not
    /// retried.
    pub(crate) fn is_final(&self, error: &Error) -> bool {
        matches!(self, Self::Local(_)) || matches!(error.kind(), Kind::Auth | Kind::Config)
    }

    /// Makes sure that an object that another process put in place survives a power cut, before anything relies on it.
    ///
    /// # Errors
    /// [`Kind::Store`] when the disk does not confirm it.
    pub async fn make_durable(&self, key: &str) -> Result<()> {
        match self {
            Self::Local(lake) => lake.make_durable(key).await,
            Self::S3(_) => Ok(()),
        }
    }

    /// Checks whether the store honours conditional writes; done once per lake, which stores the result.
    ///
    /// # Errors
    /// [`Kind::Config`] when it does not, unless `single_writer` is set.
    pub async fn prove_conditions(&self, single_writer: bool) -> Result<()> {
        match self {
            Self::Local(_) => Ok(()),
            Self::S3(lake) => conditions::prove(lake, single_writer).await,
        }
    }
}
