//! The commit record in the Parquet footer of every object, as one JSON value under the key [`KEY`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, Result};
use crate::sums::Sums;

use super::changes::Changes;
use super::thrift;

/// Key of the footer's JSON among the file's key-value metadata.
pub const KEY: &str = "costlake";
/// Version of the footer's layout.
pub const FORMAT: u32 = 1;
/// What to do about an object of a newer layout; nothing is wrong with it.
pub const UPDATE: &str = "update costlake";
/// Version of the footer of a table that gained columns: the digest of a day covers the columns that it was read for. A
/// costlake that knows only [`FORMAT`] refuses it.
pub const GROWN: u32 = 2;
/// Longest footer accepted; a month needs some ten kilobytes.
pub const MAX_BYTES: usize = 16 << 20;

/// Highest generation number: exact in every JSON reader, and not reached in centuries of one commit a microsecond.
pub const LAST_EPOCH: u64 = 1 << 53;

/// The commit record inside an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footer {
    /// Layout version, [`FORMAT`] or [`GROWN`].
    pub format: u32,
    /// Number of the generation; incremented by every commit.
    pub epoch: u64,
    /// Fingerprint of the table.
    pub fingerprint: String,
    /// AWS account the rows were read for, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Partition value, such as `2026-11`.
    pub partition: String,
    /// Every slot that has been read, including those without rows.
    pub days: BTreeMap<NaiveDate, DayFacts>,
    /// The replaced content of the slots that this generation changed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replaced: BTreeMap<NaiveDate, Replaced>,
}

/// The facts of one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayFacts {
    /// Rows.
    pub rows: u64,
    /// Digest of the rows, see [`super::digest`].
    pub digest: String,
    /// Sum of each amount column, as decimal text.
    #[serde(default, skip_serializing_if = "Sums::is_empty")]
    pub sums: Sums,
    /// Currency of its costs; none if it has no costs or was written by a version that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Whether the API calls it an estimate.
    #[serde(default)]
    pub estimated: bool,
    /// Generation that last changed the content.
    pub epoch: u64,
    /// Queries it was read for, or metrics that the table gained; empty if the job has only one query and the table gained
    /// no metric.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub read_for: BTreeSet<String>,
    /// The API's totals at the time of the read, if it has any; they are not part of the content.
    #[serde(default, skip_serializing_if = "Sums::is_empty")]
    pub totals: Sums,
}

impl DayFacts {
    /// Whether both describe the same content.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.digest == other.digest && self.estimated == other.estimated && self.read_for == other.read_for
    }
}

/// A slot's content before it was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// Generation that wrote it.
    pub epoch: u64,
    /// Rows.
    pub rows: u64,
    /// Digest.
    pub digest: String,
    /// Sums.
    #[serde(default, skip_serializing_if = "Sums::is_empty")]
    pub sums: Sums,
    /// Currency of its costs, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Whether it was an estimate.
    #[serde(default)]
    pub estimated: bool,
    /// How its rows changed; none if they could not be read or were written by a version that did not compare them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
}

impl Replaced {
    /// The record of `before` being replaced, without `changes`.
    #[must_use]
    pub fn of(before: &DayFacts) -> Self {
        Self {
            epoch: before.epoch,
            rows: before.rows,
            digest: before.digest.clone(),
            sums: before.sums.clone(),
            currency: before.currency.clone(),
            estimated: before.estimated,
            changes: None,
        }
    }
}

/// The result of reading the last bytes of an object.
#[derive(Debug)]
pub enum Suffix {
    /// The footer.
    Whole(Box<Footer>),
    /// The footer is longer: this many last bytes of the object are needed.
    Longer(u64),
}

/// Reads the footer from the last bytes of an object.
///
/// # Errors
/// [`Kind::Store`] when the bytes are not the end of an object written by costlake.
pub fn from_suffix(bytes: &[u8]) -> Result<Suffix> {
    let foreign = |why: &str| {
        Error::new(Kind::Store, format!("the object is not one of costlake's: {why}"))
            .advise("costlake never overwrites what it did not write: move the object away, or use another table name")
    };
    let (body, tail) = bytes.split_at_checked(bytes.len().saturating_sub(8)).ok_or_else(|| foreign("it is empty"))?;
    let (length, magic) = tail.split_at_checked(4).ok_or_else(|| foreign("it is too short"))?;
    if magic != b"PAR1" {
        return Err(foreign("it is no Parquet file, or it is cut short"));
    }
    let length = u32::from_le_bytes(length.try_into().unwrap_or_default()) as usize;
    if length > MAX_BYTES {
        return Err(foreign("its footer is too long"));
    }
    let Some(start) = body.len().checked_sub(length) else {
        return Ok(Suffix::Longer(length as u64 + 8));
    };
    if !thrift::is_bounded(&body[start..]) {
        return Err(foreign("its footer cannot be read").because("its metadata are not as long as they say"));
    }
    let metadata = ParquetMetaDataReader::decode_metadata(&body[start..])
        .map_err(|error| foreign("its footer cannot be read").because(error))?;
    from_metadata(&metadata).map(|footer| Suffix::Whole(Box::new(footer)))
}

/// Reads the footer from a file's metadata.
///
/// # Errors
/// [`Kind::Store`] when there is none, it is damaged, or it has a newer layout.
pub fn from_metadata(metadata: &ParquetMetaData) -> Result<Footer> {
    let pairs = metadata.file_metadata().key_value_metadata();
    let text = pairs.and_then(|pairs| pairs.iter().find(|pair| pair.key == KEY)).and_then(|pair| pair.value.as_deref());
    let Some(text) = text else {
        return Err(Error::new(Kind::Store, "the object is not one of costlake's: its footer has no commit record")
            .advise(
                "costlake never overwrites what it did not write: move the object away, or use another table name",
            ));
    };
    let footer: Footer = serde_json::from_str(text).map_err(|error| {
        Error::new(Kind::Store, "the commit record in the object's footer cannot be read").because(error)
    })?;
    if !(1..=LAST_EPOCH).contains(&footer.epoch) {
        return Err(Error::new(
            Kind::Store,
            "the commit record in the object's footer names a generation that cannot be",
        )
        .at("generation", footer.epoch));
    }
    if footer.format > GROWN {
        return Err(Error::new(
            Kind::Store,
            format!("the object was written in layout {}, newer than this costlake reads", footer.format),
        )
        .advise(UPDATE));
    }
    Ok(footer)
}

/// Whether the last bytes of an object are those of a valid Parquet file without a commit record: another program's.
#[must_use]
pub fn is_without_record(bytes: &[u8]) -> bool {
    let Some(metadata) = metadata_of(bytes).filter(|metadata| thrift::is_bounded(metadata)) else { return false };
    ParquetMetaDataReader::decode_metadata(metadata).is_ok_and(|metadata| {
        let pairs = metadata.file_metadata().key_value_metadata();
        pairs.is_none_or(|pairs| pairs.iter().all(|pair| pair.key != KEY))
    })
}

/// Whether a whole file ends in metadata that the parser reads in bounded time.
pub(super) fn is_bounded(bytes: &[u8]) -> bool {
    metadata_of(bytes).is_some_and(thrift::is_bounded)
}

/// The metadata at the end of a file.
fn metadata_of(bytes: &[u8]) -> Option<&[u8]> {
    let (body, [a, b, c, d, b'P', b'A', b'R', b'1']) = bytes.split_last_chunk()? else { return None };
    let length = u32::from_le_bytes([*a, *b, *c, *d]) as usize;
    body.get(body.len().checked_sub(length)?..)
}
