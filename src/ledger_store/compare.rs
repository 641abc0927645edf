//! Compares the table's objects with the ledger: the listing vouches for an object whose ETag and size are the known
//! ones; of any other object the footer is read.
//!
//! | an object is | then |
//! |---|---|
//! | listed as known | nothing is read |
//! | the ledger's content under another ETag (a copied lake, a ledger of format 1) | its identity is recorded |
//! | a later generation | it is adopted |
//! | gone, or another one of this table | its days are marked, see [`Ledger::doubted`](crate::ledger::Ledger) |
//! | of another table or account, or unreadable | refused: costlake never overwrites it |

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use futures::StreamExt;

use crate::error::{Error, Kind, Result};
use crate::generation::Footer;
use crate::lake::Listed;
use crate::ledger::{Noted, PartitionState, Standing};
use crate::text::counted;
use crate::unit::Unit;
use crate::window::{Grain, Partition};

use super::{LedgerStore, Look, Observed, data_key, look, partition_of};

/// Footers that are read concurrently.
const SIDE_BY_SIDE: usize = 8;

/// The finding about an object that the listing does not vouch for.
#[derive(Debug)]
pub enum Compared {
    /// It is the object that the ledger knows, or a later generation of it.
    Sound(Observed),
    /// It is gone.
    Gone,
    /// It is another object of this table; the text says how that was found.
    Displaced(Observed, String),
    /// It is empty, and belongs to a definition that the table had while it held no row.
    Former(Observed),
    /// It must not be overwritten.
    Refused(Error),
    /// It could not be read. A fetch of its partition tries again.
    Unseen(Error),
}

/// The owner that an object must have.
#[derive(Debug, Clone, Copy)]
pub struct Owner<'a> {
    /// Fingerprint of the table.
    pub fingerprint: &'a str,
    /// Fingerprints that the table had while it held no row.
    pub former: &'a [String],
    /// AWS account of the table, if known.
    pub account: Option<&'a str>,
}

impl Owner<'_> {
    /// Whether an object is empty and belongs to a definition that the table had while it held no row.
    #[must_use]
    pub fn is_former(&self, footer: &Footer) -> bool {
        self.former.contains(&footer.fingerprint) && footer.days.values().all(|facts| facts.rows == 0)
    }

    /// Checks that a footer belongs to this owner and this partition.
    ///
    /// # Errors
    /// [`Kind::Store`] if it does not; that is no reason to overwrite the object.
    pub fn check(&self, unit: &Unit, partition: Partition, footer: &Footer) -> Result<()> {
        let wrong = |whose: String| {
            Error::new(Kind::Store, format!("the object belongs to {whose}"))
                .at("key", data_key(unit, partition))
                .advise("costlake never overwrites what is not this table's: move it away, then run again")
        };
        if footer.fingerprint != self.fingerprint && !self.is_former(footer) {
            return Err(wrong("another table: its fingerprint is another one".to_owned()));
        }
        if footer.partition != partition.to_string() {
            return Err(wrong(format!("another partition, {}", footer.partition)));
        }
        match (footer.account.as_deref(), self.account) {
            (Some(theirs), Some(ours)) if theirs != ours => {
                Err(wrong(format!("AWS account {theirs}, but the table to {ours}")))
            }
            _ => Ok(()),
        }
    }
}

impl LedgerStore {
    /// The partitions whose object the listing does not vouch for; objects without an ETag in the ledger are included
    /// if `also_unknown` is set.
    pub(super) async fn not_vouched_for(&self, grain: Grain, also_unknown: bool) -> Result<BTreeSet<Partition>> {
        let listed = self.lake.list(&self.unit.folder()).await?;
        let listed: BTreeMap<Partition, &Listed> =
            listed.iter().filter_map(|entry| Some((partition_of(&self.unit, grain, &entry.key)?, entry))).collect();
        let known = &self.ledger.partitions;
        let of_ledger = known.keys().filter_map(|name| grain.parse_partition(name));
        let all: BTreeSet<Partition> = listed.keys().copied().chain(of_ledger).collect();
        let doubtful = |partition: &Partition| match (known.get(&partition.to_string()), listed.get(partition)) {
            (Some(state), Some(entry)) => !is_vouched_for(state, entry) && (also_unknown || state.etag.is_some()),
            (Some(state), None) => !state.days.is_empty(),
            (None, _) => true,
        };
        Ok(all.into_iter().filter(doubtful).collect())
    }

    /// Compares every object of the table with the ledger. If one differs, the newest snapshot is read first: another
    /// run may have committed since this one was opened.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn compare(&mut self, grain: Grain, owner: Owner<'_>) -> Result<BTreeMap<Partition, Compared>> {
        // Entries of a rebuilt ledger that come from objects of another owner are dropped, whatever is stored there by
        // now.
        let of_others = self.rebuilt_from.iter().filter(|(of, footer)| owner.check(&self.unit, **of, footer).is_err());
        for (partition, _) in of_others {
            self.ledger.partitions.remove(&partition.to_string());
        }
        let mut doubtful = self.not_vouched_for(grain, true).await?;
        if !doubtful.is_empty() && self.refresh().await? {
            doubtful = self.not_vouched_for(grain, true).await?;
        }
        let looks = doubtful.into_iter().map(|partition| self.compare_one(partition, owner));
        let looks: Vec<_> = looks.collect();
        let mut found = BTreeMap::new();
        let mut looks = futures::stream::iter(looks).buffered(SIDE_BY_SIDE);
        while let Some(compared) = looks.next().await {
            let (partition, compared) = compared?;
            found.extend(compared.map(|compared| (partition, compared)));
        }
        Ok(found)
    }

    /// Adopts an object that is the one the ledger knows or a later generation of it.
    ///
    /// # Errors
    /// As [`LedgerStore::follow`].
    pub async fn take_over(&mut self, partition: Partition, seen: &Observed, now: DateTime<Utc>) -> Result<()> {
        let is_ahead = self.follow(partition, seen, now).await?;
        let is_new = self.ledger.note_identity(&partition.to_string(), seen.id());
        self.unsaved |= is_ahead || is_new;
        Ok(())
    }

    async fn compare_one(&self, partition: Partition, owner: Owner<'_>) -> Result<(Partition, Option<Compared>)> {
        let known = self.ledger.partitions.get(&partition.to_string());
        let looked = match look(&self.lake, &self.unit, partition).await {
            Err(error) if error.kind() == Kind::Store => {
                return Ok((partition, Some(self.unseen(partition, owner, error))));
            }
            looked => looked?,
        };
        let compared = match looked {
            Look::Absent => known.is_some_and(|known| !known.days.is_empty()).then_some(Compared::Gone),
            Look::Unreadable { error, .. } => Some(Compared::Refused(error)),
            Look::Whole(seen) => Some(match owner.check(&self.unit, partition, &seen.footer) {
                Err(error) => Compared::Refused(error),
                Ok(()) if owner.is_former(&seen.footer) => match known {
                    Some(known) if known.days.values().any(|day| day.facts.rows > 0) => {
                        Compared::Displaced(seen, "it is empty, and of another definition of the table".to_owned())
                    }
                    _ => Compared::Former(seen),
                },
                Ok(()) => match Standing::of(known, &seen.footer) {
                    Standing::Same | Standing::Later { .. } => Compared::Sound(seen),
                    Standing::Other(why) => Compared::Displaced(seen, why),
                },
            }),
        };
        Ok((partition, compared))
    }

    /// The finding about an object that could not be read. A rebuilt ledger's entry for it comes from an earlier read
    /// whose owner was never checked; its footer names that owner.
    fn unseen(&self, partition: Partition, owner: Owner<'_>, error: Error) -> Compared {
        let footer = self.rebuilt_from.get(&partition);
        match footer.map(|footer| owner.check(&self.unit, partition, footer)) {
            Some(Err(not_ours)) => Compared::Refused(not_ours),
            _ => Compared::Unseen(error),
        }
    }

    /// Marks, in memory only, the days whose object according to the listing is not the committed one. Objects without
    /// a known ETag are left as they are. Returns a note on what was marked.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn doubt_what_is_not_listed(&mut self, grain: Grain) -> Result<Option<String>> {
        let mut files = 0;
        for partition in self.not_vouched_for(grain, false).await? {
            let Some(state) = self.ledger.partitions.get(&partition.to_string()) else { continue };
            let why = "the object in the lake is not the one that was committed, or is gone; the next run looks at it";
            let noted = Noted { at: self.ledger.written_at, why: why.to_owned() };
            let days: Vec<NaiveDate> = state.days.keys().copied().collect();
            self.ledger.doubted.extend(days.into_iter().map(|day| (day, noted.clone())));
            files += 1;
        }
        Ok((files > 0).then(|| {
            let (one, several) = ("file is not the one", "files are not those");
            format!(
                "{} that the ledger knows by size and ETag (the lake was copied, or a file replaced or removed): the days \
                 count as stale until the next run has looked again",
                counted(files, one, several)
            )
        }))
    }
}

fn is_vouched_for(known: &PartitionState, listed: &Listed) -> bool {
    known.bytes == listed.size && known.etag.is_some() && known.etag == listed.etag
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use bytes::Bytes;
    use chrono::DateTime;
    use object_store::memory::InMemory;

    use super::{Compared, Owner};
    use crate::error::{Error, Kind};
    use crate::generation::{Footer, encode};
    use crate::job;
    use crate::lake::{Condition, Lake, S3Lake};
    use crate::ledger_store::{LedgerStore, data_key};
    use crate::window::{Grain, Partition};

    /// A lake whose table has no ledger and one object, of account 2.
    async fn lake_of_another_account() -> (Arc<Lake>, Grain, Partition) {
        let text = r#"source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
            window = { begin = "2026-11-01" }"#;
        let job = job::parse(std::path::Path::new("t.toml"), text).expect("a job");
        let (source, grain) = (&job.source, job.source.grain());
        let partition = grain.parse_partition("2026-11").expect("a partition");
        let store = Arc::new(InMemory::new());
        let lake = Arc::new(Lake::S3(S3Lake::new(store.clone(), store, "p", "s3://b/p", "test")));
        let (fingerprint, account, partition_name) = ("f".to_owned(), Some("2".to_owned()), partition.to_string());
        let (days, replaced) = (BTreeMap::new(), BTreeMap::new());
        let footer = Footer { format: 1, epoch: 3, fingerprint, account, partition: partition_name, days, replaced };
        let object = Bytes::from(encode(source.table(), Vec::new(), &footer).expect("an object"));
        lake.put(&data_key(&"t".into(), partition), object, Condition::Absent).await.expect("a write");
        (lake, grain, partition)
    }

    async fn open(lake: &Arc<Lake>, grain: Grain) -> LedgerStore {
        let opened = LedgerStore::open(Arc::clone(lake), &"t".into(), grain, DateTime::UNIX_EPOCH).await;
        opened.expect("store").0
    }

    /// A ledger rebuilt from another account's object keeps nothing of it, even if the second read fails.
    #[tokio::test]
    async fn an_object_that_cannot_be_looked_at_again_is_whose_it_was() {
        let (lake, grain, partition) = lake_of_another_account().await;
        let store = open(&lake, grain).await;
        assert!(store.is_rebuilt());
        for (account, is_refused) in [(Some("1"), true), (Some("2"), false), (None, false)] {
            let owner = Owner { fingerprint: "f", former: &[], account };
            let found = store.unseen(partition, owner, Error::new(Kind::Store, "busy"));
            assert_eq!(matches!(found, Compared::Refused(_)), is_refused, "{account:?}: {found:?}");
        }
    }

    /// A snapshot that another run wrote meanwhile comes from no footer, and stays although the object is refused.
    #[tokio::test]
    async fn a_ledger_that_another_run_wrote_is_not_a_rebuilt_one() {
        let (lake, grain, partition) = lake_of_another_account().await;
        let (mut store, mut theirs) = (open(&lake, grain).await, open(&lake, grain).await);
        theirs.save("theirs", DateTime::UNIX_EPOCH).await.expect("a snapshot");
        assert!(store.is_rebuilt());
        let found = store
            .compare(grain, Owner { fingerprint: "f", former: &[], account: Some("1") })
            .await
            .expect("a comparison");
        assert!(matches!(found.get(&partition), Some(Compared::Refused(_))), "{found:?}");
        assert!(!store.is_rebuilt());
    }
}
