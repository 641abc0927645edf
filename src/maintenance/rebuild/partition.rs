//! Rebuilds one partition from stored raw responses: from the observation to the commit like a fetch, without requests.
//!
//! | the object is | and stored responses cover | then |
//! |---|---|---|
//! | sound | any days | these days replace its own, unless it holds them already |
//! | gone | any days | a new object of these days, under a higher generation |
//! | broken or behind the ledger | every day of it | rewritten under a higher generation |
//! | broken or behind the ledger | not every day | refused: the rows of the others cannot be kept |
//! | not readable as costlake's | | refused: costlake never overwrites what it cannot read |

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::NaiveDate;
use tokio::time::Instant;

use crate::error::{Error, Kind, Result};
use crate::generation::{self, Base, DayFacts, FetchedDays, Footer, Owned};
use crate::job::Job;
use crate::lake::Listed;
use crate::ledger::Standing;
use crate::ledger_store::{LedgerStore, Look, Observed, Owner, data_key, look};
use crate::report::{FetchReport, Outcome};
use crate::window::Partition;

use crate::maintenance::verify::rows::compare_rows;
use crate::pipeline::displaced::keep_bytes;
use crate::pipeline::fetch::encode;
use crate::pipeline::publish::{Target, publish};
use crate::pipeline::replay::{Replayed, Wanted, replay};
use crate::pipeline::{Context, archive};

/// The rebuild of one table.
pub(super) struct PartitionRebuild<'a> {
    pub(super) context: &'a Context,
    pub(super) job: &'a Job,
    pub(super) run_id: &'a str,
    /// Fingerprints an object of the table may have.
    pub(super) fingerprints: Vec<String>,
    pub(super) store: LedgerStore,
    /// Whether the ledger has unsaved changes.
    pub(super) unsaved: bool,
}

/// Days of a partition without a stored response, and whether they are in the lake nevertheless.
#[derive(Debug, Default)]
pub(super) struct Uncovered {
    pub(super) days: BTreeSet<NaiveDate>,
    pub(super) stay: bool,
}

/// The object before the rebuild.
struct Found {
    seen: Observed,
    bytes: Bytes,
    /// Whether its rows match its footer.
    sound: bool,
}

/// A partition during its rebuild.
struct Part {
    partition: Partition,
    observed_at: Instant,
    found: Option<Found>,
    /// Generation in the ledger.
    epoch: u64,
    /// Whether the object is that generation.
    is_committed: bool,
    fingerprint: String,
}

impl Part {
    fn footer(&self) -> Option<&Footer> {
        self.found.as_ref().map(|found| &found.seen.footer)
    }

    /// Whether the object is the committed one and its rows are sound.
    fn is_sound(&self) -> bool {
        self.is_committed && self.found.as_ref().is_some_and(|found| found.sound)
    }
}

impl PartitionRebuild<'_> {
    /// Rebuilds one partition; no report if there is nothing to rebuild it from.
    pub(super) async fn run(&mut self, partition: Partition, files: Vec<Listed>) -> (Option<FetchReport>, Uncovered) {
        let mut report = FetchReport::begin(partition.to_string(), Outcome::Failed);
        let has_files = !files.is_empty();
        let mut bare = Uncovered::default();
        if let Err(error) = self.attempt(partition, files, &mut report, &mut bare).await {
            report.failure = Some((&self.job.unit.names(error).at("partition", partition)).into());
        }
        ((has_files || report.failure.is_some()).then_some(report), bare)
    }

    async fn attempt(
        &mut self,
        partition: Partition,
        files: Vec<Listed>,
        report: &mut FetchReport,
        bare: &mut Uncovered,
    ) -> Result<()> {
        let part = self.open(partition).await?;
        let known = self.known(partition);
        let source = &self.job.source;
        let wanted = Wanted { source, partition, fingerprint: &part.fingerprint, known: &known };
        let mut replayed = replay(&self.context.lake, &wanted, files).await?;
        report.notes.append(&mut replayed.notes);
        self.leave_out_held(&known, &mut replayed, report);
        let slots = replayed.days.keys().copied();
        report.windows = source.grain().windows(slots).iter().map(ToString::to_string).collect();
        report.rows = replayed.days.values().map(|(rows, _)| rows.num_rows() as u64).sum();
        let days = known.keys().copied().filter(|slot| !replayed.days.contains_key(slot)).collect();
        *bare = Uncovered { days, stay: part.is_sound() };
        if replayed.days.is_empty() || (part.is_sound() && holds(part.footer(), &replayed.days)) {
            report.outcome = Outcome::Unchanged;
            report.epoch = part.footer().map(|footer| footer.epoch);
            return Ok(());
        }
        if part.found.is_some() && !part.is_sound() && !bare.days.is_empty() {
            return Err(Error::new(Kind::Store, "the object is broken, and kept answers do not cover all of its days")
                .at("key", data_key(&self.job.unit, partition))
                .advise(format!(
                    "restore it, or run `costlake verify {} --repair`, which asks the API again",
                    self.job.unit.as_argument()
                )));
        }
        self.commit(part, replayed, report).await
    }

    /// Leaves out stored responses whose rows are quarantined or unsettled, unless they are the known rows.
    fn leave_out_held(&self, known: &BTreeMap<NaiveDate, DayFacts>, replayed: &mut Replayed, report: &mut FetchReport) {
        let ledger = &self.store.ledger;
        let refused = |slot: &NaiveDate| ledger.quarantined.contains_key(slot) || ledger.unsettled.contains_key(slot);
        let was_taken = |slot: &NaiveDate, facts: &DayFacts| known.get(slot).is_some_and(|k| k.same_content(facts));
        replayed.days.retain(|slot, (_, facts)| {
            let stays = !refused(slot) || was_taken(slot, facts);
            if !stays {
                report.notes.push(format!("{slot}: the kept answer was refused when it came, and still is"));
            }
            stays
        });
    }

    /// Observes the object and reads all of it; the ledger adopts it if it is ahead.
    async fn open(&mut self, partition: Partition) -> Result<Part> {
        let observed_at = Instant::now();
        let found = self.find(partition).await?;
        if let Some(found) = &found {
            self.unsaved |= self.store.follow(partition, &found.seen, self.context.clock.now()).await?;
        }
        let own = found.as_ref().map(|found| &found.seen.footer.fingerprint);
        let fingerprint = own.or(self.fingerprints.first()).cloned().unwrap_or_default();
        let epoch = self.store.ledger.epoch_of(&partition.to_string());
        let known = self.store.ledger.partitions.get(&partition.to_string());
        let standing = |found: &Found| Standing::of(known, &found.seen.footer);
        let is_committed = found.as_ref().is_some_and(|found| standing(found) == Standing::Same);
        Ok(Part { partition, observed_at, found, epoch, is_committed, fingerprint })
    }

    async fn find(&self, partition: Partition) -> Result<Option<Found>> {
        let key = data_key(&self.job.unit, partition);
        let seen = match look(&self.context.lake, &self.job.unit, partition).await? {
            Look::Absent => return Ok(None),
            Look::Unreadable { error, .. } => {
                return Err(error.advise(
                    "costlake never overwrites what it cannot read: move the object out of the lake and rebuild again",
                ));
            }
            Look::Whole(seen) => seen,
        };
        if !self.fingerprints.contains(&seen.footer.fingerprint) || seen.footer.partition != partition.to_string() {
            return Err(Error::new(Kind::Config, "the object belongs to another table or partition").at("key", key));
        }
        let account = self.store.ledger.account.as_deref();
        Owner { fingerprint: &seen.footer.fingerprint, former: &[], account }.check(
            &self.job.unit,
            partition,
            &seen.footer,
        )?;
        let object = self.context.lake.read(&key, Some(&seen.tag)).await?;
        let object = object.ok_or_else(|| {
            Error::new(Kind::Superseded, "the object was removed since it was observed").at("key", key)
        })?;
        let sound = compare_rows(&self.job.source, object.bytes.clone(), &seen.footer).await.is_ok();
        Ok(Some(Found { seen, bytes: object.bytes, sound }))
    }

    /// What the ledger knows of a partition's days.
    fn known(&self, partition: Partition) -> BTreeMap<NaiveDate, DayFacts> {
        let state = self.store.ledger.partitions.get(&partition.to_string());
        let days = state.into_iter().flat_map(|state| &state.days);
        days.map(|(slot, day)| (*slot, day.facts.clone())).collect()
    }

    async fn commit(&mut self, part: Part, replayed: Replayed, report: &mut FetchReport) -> Result<()> {
        let (lake, unit) = (&self.context.lake, &self.job.unit);
        let known = self.store.ledger.partitions.get(&part.partition.to_string());
        let (observed, base) = match part.found {
            Some(Found { seen, bytes, sound }) => {
                if matches!(Standing::of(known, &seen.footer), Standing::Other(_)) {
                    keep_bytes(lake, unit, part.partition, seen.footer.epoch, bytes.clone()).await?;
                }
                let base = Base { footer: seen.footer.clone(), bytes: if sound { bytes } else { Bytes::new() } };
                if self.job.keep_history && sound {
                    archive::keep_generation(lake, self.job, part.partition, &base).await?;
                }
                (Some(seen), Some(base))
            }
            None => (None, None),
        };
        let kept_at = replayed.kept_at;
        let owner = Owned { fingerprint: part.fingerprint, account: self.store.ledger.account.clone() };
        let built = encode(&self.job.source, part.partition, owner, base, part.epoch, replayed.days).await?;
        let bytes = Bytes::from(built.bytes);
        let first_wait = self.context.retries.first_wait;
        let (partition, observed, observed_at) = (part.partition, observed.as_ref(), part.observed_at);
        let target = Target { unit, partition, observed, observed_at, first_wait };
        let object = publish(lake, &target, bytes, &built.footer).await?;
        report.outcome = Outcome::Committed;
        report.epoch = Some(built.footer.epoch);
        report.changed_days = built.changed.len() as u64;
        report.object_bytes = object.size;
        let before = self.known(partition);
        let now = self.context.clock.now();
        self.store.ledger.adopt(&built.footer, &object, &BTreeSet::new(), now, now);
        let state = self.store.ledger.partitions.get_mut(&built.footer.partition);
        for (slot, day) in state.into_iter().flat_map(|state| &mut state.days) {
            // The read time of a day that the ledger had lost is the time at which its response was stored.
            if let (None, Some(at)) = (before.get(slot), kept_at.get(slot)) {
                day.read_at = *at;
            }
        }
        self.save().await
    }

    /// Writes the ledger.
    pub(super) async fn save(&mut self) -> Result<()> {
        self.unsaved = false;
        self.store.save(self.run_id, self.context.clock.now()).await
    }
}

fn holds(footer: Option<&Footer>, days: &FetchedDays) -> bool {
    footer.is_some_and(|footer| generation::is_unchanged(footer, days))
}
