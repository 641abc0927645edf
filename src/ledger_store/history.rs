//! Kept older generations: their keys, and how the history of a lost ledger is rebuilt from them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::text::hex;
use crate::unit::Unit;
use crate::window::{Grain, Partition};

use super::observe::{Look, look_at};

/// Footers that are read concurrently.
const SIDE_BY_SIDE: usize = 8;

/// An object below a table's folder of older generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its key in the lake.
    pub key: String,
    /// When it was written: just before the generation that replaced it.
    pub modified: DateTime<Utc>,
    /// Partition and epoch according to its name; `None` if costlake did not name it.
    pub generation: Option<(Partition, u64)>,
    /// Whether it is a copy of an object that replaced the committed one from outside: not part of the table's history.
    pub is_displaced: bool,
}

/// The key under which a generation is kept.
#[must_use]
pub fn kept_key(unit: &Unit, partition: Partition, epoch: u64) -> String {
    format!("{}/{partition}/{epoch:020}.parquet", folder(unit))
}

/// The key of the copy of an object that replaced the committed one from outside; `bytes` is the whole object.
#[must_use]
pub fn displaced_key(unit: &Unit, partition: Partition, epoch: u64, bytes: &[u8]) -> String {
    let digest = hex(&Sha256::digest(bytes)[..8]);
    copy_key(unit, partition, epoch, &digest)
}

fn copy_key(unit: &Unit, partition: Partition, epoch: u64, digest: &str) -> String {
    format!("{}/{partition}/{epoch:020}-{digest}.parquet", folder(unit))
}

fn folder(unit: &Unit) -> String {
    unit.beside("history")
}

/// All objects below a table's folder of older generations, by name.
///
/// # Errors
/// When the lake cannot be listed.
pub async fn kept_generations(lake: &Lake, unit: &Unit, grain: Grain) -> Result<Vec<Kept>> {
    let of_key = |key: &str| {
        let mut parts = key.rsplit('/');
        let stem = parts.next()?.strip_suffix(".parquet")?;
        let partition = grain.parse_partition(parts.next()?)?;
        let (epoch, copy) = stem.split_once('-').map_or((stem, None), |(epoch, digest)| (epoch, Some(digest)));
        let epoch = epoch.parse().ok()?;
        let own = match copy {
            None => kept_key(unit, partition, epoch),
            Some(digest) if digest.len() == 16 => copy_key(unit, partition, epoch, digest),
            Some(_) => return None,
        };
        (own == key).then_some(((partition, epoch), copy.is_some()))
    };
    let listed = lake.list(&folder(unit)).await?;
    let kept = listed.into_iter().map(|entry| {
        let named = of_key(&entry.key);
        let (generation, is_displaced) = (named.map(|(generation, _)| generation), named.is_some_and(|(_, copy)| copy));
        Kept { generation, is_displaced, modified: entry.modified, key: entry.key }
    });
    Ok(kept.collect())
}

/// Fills the history of a ledger that was rebuilt from the objects' footers; returns notes on what was left out. A
/// generation was kept just before the next one was committed, which dates the next one.
pub(super) async fn rebuild(
    lake: &Lake,
    unit: &Unit,
    ledger: &mut Ledger,
    grain: Grain,
    now: DateTime<Utc>,
) -> Result<Vec<String>> {
    let kept = kept_generations(lake, unit, grain).await?;
    let kept: Vec<Kept> = kept.into_iter().filter(|kept| !kept.is_displaced).collect();
    let written: BTreeMap<(Partition, u64), DateTime<Utc>> =
        kept.iter().filter_map(|kept| Some((kept.generation?, kept.modified.min(now)))).collect();
    let looks = kept.into_iter().filter_map(|kept| Some((kept.generation?, kept.key)));
    let looks = looks.map(|(generation, key)| async move {
        let look = look_at(lake, &key).await?;
        Ok::<_, crate::error::Error>((generation, key, look))
    });
    let seen: Vec<_> = futures::stream::iter(looks).buffered(SIDE_BY_SIDE).try_collect().await?;
    let mut notes = Vec::new();
    for ((partition, epoch), key, look) in seen {
        match look {
            Look::Whole(seen) if seen.footer.partition == partition.to_string() && seen.footer.epoch == epoch => {
                ledger.note_kept(&seen.footer, written.get(&(partition, epoch.saturating_sub(1))).copied());
            }
            Look::Absent => {}
            _ => notes.push(format!("{key} is left out of the history: it is not the generation it is named for")),
        }
    }
    Ok(notes)
}
