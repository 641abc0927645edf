//! The ledger store of a table: fingerprint, ledger snapshots and run records, all create-only objects in the lake.
//!
//! A snapshot is written under the next number. If another writer took that number, its snapshot is merged in and the
//! next number is tried: the result of the join does not depend on the order. Data objects are written first and the
//! ledger second, so a crash in between leaves the ledger behind, never ahead.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};

use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::generation::Footer;
use crate::lake::Lake;
use crate::ledger::{AcceptedClock, Ledger, Noted, ObjectId};
use crate::report::JobReport;
use crate::text::plural;
use crate::unit::Unit;
use crate::window::{Grain, Partition};

use keys::{record_key, sequence_of, snapshot_key};

mod compare;
mod follow;
mod growth;
mod history;
mod identity;
mod keys;
mod observe;
mod recorded;
mod records;
mod redefine;

pub use compare::{Compared, Owner};
pub use growth::{as_kept, keeps_lists, keeps_metrics};
pub use history::{Kept, displaced_key, kept_generations, kept_key};
pub use identity::{TableRecord, same_account};
pub use observe::{Look, Observed, data_key, look, look_at, observe, partition_of};
pub use recorded::{recorded_jobs, stored_accounts};
pub use records::{Records, Spent, StartRecord, last_attempt, last_run, read_record, record_keys, record_of};

/// Number of snapshots that are kept; the newest suffices, the others are for people.
const KEPT_SNAPSHOTS: usize = 20;
/// Maximum number of attempts to find a free number.
const MAX_CLASHES: u32 = 100;

/// Number of a snapshot and when it was written, by the store's clock. Its content never changes.
pub type Snapshot = (u64, DateTime<Utc>);

/// The open ledger store of one table.
#[derive(Debug)]
pub struct LedgerStore {
    lake: Arc<Lake>,
    unit: Unit,
    sequence: u64,
    /// When the newest known snapshot was written, by the store's clock.
    lake_time: Option<DateTime<Utc>>,
    /// Whether the table's record exists and is ours.
    claimed: bool,
    /// Whether the table's record was taken from the ledger, and is read before anything is written.
    recalled: bool,
    /// Whether the table's account is stored in the lake.
    has_account: bool,
    /// The account of the table, or the one that this run is the first to know.
    account: Option<String>,
    rebuilt: bool,
    /// Fingerprints that the table had before, while it held no row.
    former: Vec<String>,
    /// The footers that the ledger was rebuilt from, without their days: they name the owner of each object.
    rebuilt_from: BTreeMap<Partition, Footer>,
    /// Whether the ledger has changes that are in no snapshot.
    unsaved: bool,
    /// Numbers of the snapshots in the lake when this store last wrote one.
    stored: Vec<u64>,
    /// The snapshot that the ledger was opened from.
    read_from: Option<Snapshot>,
    /// The state as last read or written, with all changes since.
    pub ledger: Ledger,
}

impl LedgerStore {
    /// Reads the newest sound snapshot; if there is none, rebuilds the ledger from the objects' footers. Also returns
    /// notes for the user.
    ///
    /// # Errors
    /// When the lake cannot be read, or the snapshot is of a newer layout.
    pub async fn open(lake: Arc<Lake>, unit: &Unit, grain: Grain, now: DateTime<Utc>) -> Result<(Self, Vec<String>)> {
        Self::open_from(lake, unit, grain, now, |_| None).await
    }

    /// As [`LedgerStore::open`]; `at_hand` gives the ledger of a snapshot, by number and time, that need not be read.
    async fn open_from(
        lake: Arc<Lake>,
        unit: &Unit,
        grain: Grain,
        now: DateTime<Utc>,
        at_hand: impl Fn(Snapshot) -> Option<Ledger>,
    ) -> Result<(Self, Vec<String>)> {
        let mut store = Self {
            lake,
            unit: unit.clone(),
            sequence: 0,
            lake_time: None,
            claimed: false,
            recalled: false,
            has_account: false,
            account: None,
            rebuilt: false,
            former: Vec::new(),
            rebuilt_from: BTreeMap::new(),
            unsaved: false,
            stored: Vec::new(),
            read_from: None,
            ledger: Ledger::empty(&unit.table),
        };
        let snapshots = store.snapshots().await?;
        if let Some((sequence, written)) = snapshots.last() {
            (store.sequence, store.lake_time) = (*sequence, Some(*written));
        }
        for (sequence, written) in snapshots.iter().rev() {
            store.ledger = match at_hand((*sequence, *written)) {
                Some(ledger) => ledger,
                None => {
                    let Some(mut ledger) = store.read(*sequence).await? else { continue };
                    ledger.date_generations();
                    ledger
                }
            };
            store.read_from = Some((*sequence, *written));
            let note = format!(
                "the newest ledger snapshot is damaged: an older one is used, of {}; what was noted since is lost, what \
                 was committed since is taken from the objects",
                written.format("%Y-%m-%dT%H:%M:%SZ")
            );
            let notes = if *sequence == store.sequence { Vec::new() } else { vec![note] };
            return Ok((store, notes));
        }
        let why = if !snapshots.is_empty() { "the newest ledger snapshot is damaged" } else { "there is no ledger" };
        let notes = store.rebuild(why, grain, now).await?;
        store.rebuilt = !notes.is_empty();
        Ok((store, notes))
    }

    /// As [`LedgerStore::open`], for display: days whose object the listing does not vouch for are [`Ledger::doubted`].
    ///
    /// # Errors
    /// As [`LedgerStore::open`].
    pub async fn open_to_show(
        lake: Arc<Lake>,
        unit: &Unit,
        grain: Grain,
        now: DateTime<Utc>,
    ) -> Result<(Self, Vec<String>)> {
        let (mut store, mut notes) = Self::open(lake, unit, grain, now).await?;
        notes.extend(store.doubt_what_is_not_listed(grain).await?);
        Ok((store, notes))
    }

    /// The same for whoever kept the ledger of an earlier look: `at_hand` gives it if it is of the snapshot that is asked
    /// for, which is then not read again. During a run objects may be ahead of the ledger and are not to be `compared`.
    ///
    /// # Errors
    /// As [`LedgerStore::open`].
    pub async fn open_again(
        lake: Arc<Lake>,
        unit: &Unit,
        (grain, now): (Grain, DateTime<Utc>),
        at_hand: impl Fn(Snapshot) -> Option<Ledger>,
        compared: bool,
    ) -> Result<(Self, Vec<String>)> {
        let (mut store, mut notes) = Self::open_from(lake, unit, grain, now, at_hand).await?;
        store.ledger.doubted.clear();
        if compared {
            notes.extend(store.doubt_what_is_not_listed(grain).await?);
        }
        Ok((store, notes))
    }

    /// The snapshot that the ledger was opened from; `None` if it was rebuilt.
    #[must_use]
    pub fn opened_from(&self) -> Option<Snapshot> {
        self.read_from
    }

    /// Number of each snapshot and when it was written by the store's clock, in ascending order.
    async fn snapshots(&self) -> Result<Vec<Snapshot>> {
        let listed = self.lake.list(&self.unit.beside("ledger")).await?;
        let numbered = listed.iter().filter_map(|entry| Some((sequence_of(&self.unit, &entry.key)?, entry.modified)));
        let mut numbered: Vec<_> = numbered.collect();
        numbered.sort_unstable();
        Ok(numbered)
    }

    /// Reads the newest snapshot if it is newer than the one held; returns whether it was read.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub(super) async fn refresh(&mut self) -> Result<bool> {
        let newest = self.snapshots().await?.last().copied().filter(|(newest, _)| *newest > self.sequence);
        let Some((newest, written)) = newest else { return Ok(false) };
        let Some(mut ledger) = self.read(newest).await? else { return Ok(false) };
        ledger.date_generations();
        ledger.account = ledger.account.or(self.ledger.account.take());
        (self.sequence, self.lake_time, self.ledger) = (newest, Some(written), ledger);
        self.rebuilt = false;
        Ok(true)
    }

    /// Fingerprints that the table had while it held no row.
    #[must_use]
    pub fn former(&self) -> &[String] {
        &self.former
    }

    /// Whether the ledger was rebuilt from the footers, because no snapshot could be read.
    #[must_use]
    pub fn is_rebuilt(&self) -> bool {
        self.rebuilt
    }

    async fn read(&self, sequence: u64) -> Result<Option<Ledger>> {
        let key = snapshot_key(&self.unit, sequence);
        let Some(object) = self.lake.read(&key, None).await? else { return Ok(None) };
        Ledger::parse(&object.bytes).map_err(|error| error.at("key", key))
    }

    /// Fills the ledger from the footers and returns notes on what they lack; none when there is no object. Days count
    /// as read when their object was written, though never later than `now`.
    async fn rebuild(&mut self, why: &str, grain: Grain, now: DateTime<Utc>) -> Result<Vec<String>> {
        let (mut found, mut notes) = (0, Vec::new());
        for entry in self.lake.list(&self.unit.folder()).await? {
            let Some(partition) = partition_of(&self.unit, grain, &entry.key) else { continue };
            match look(&self.lake, &self.unit, partition).await? {
                Look::Absent => {}
                Look::Whole(seen) if seen.footer.partition == partition.to_string() => {
                    self.follow(partition, &seen, now).await?;
                    // Only a run can check the owner: without an ETag nothing vouches for the object until then.
                    self.ledger.note_identity(&partition.to_string(), ObjectId { etag: None, ..seen.id() });
                    let (days, replaced) = Default::default();
                    self.rebuilt_from.insert(partition, Footer { days, replaced, ..seen.footer });
                    found += 1;
                }
                Look::Whole(_) | Look::Unreadable { .. } => {
                    notes.push(format!("{} is left out of the ledger: it is not the partition's object", entry.key));
                }
            }
        }
        // Without a ledger, no object can contradict it.
        self.ledger.displaced.clear();
        self.ledger.committed.clear();
        if found > 0 {
            notes.extend(history::rebuild(&self.lake, &self.unit, &mut self.ledger, grain, now).await?);
        }
        if found > 0 || !notes.is_empty() {
            notes.insert(0, format!("{why}: rebuilt from the footers of {}", plural(found as u64, "object")));
            notes.push(
                "gone with the ledger: when each day was last read (shown is when its object was written), what answers \
                 taught about their size, objects that are gone as well, and older revisions than those of the objects \
                 and of their kept generations"
                    .to_owned(),
            );
        }
        Ok(notes)
    }

    /// Writes the ledger as the next snapshot, merged with what other writers saved meanwhile.
    ///
    /// # Errors
    /// When the lake cannot be written.
    pub async fn save(&mut self, run_id: &str, now: DateTime<Utc>) -> Result<()> {
        for _ in 0..MAX_CLASHES {
            run_id.clone_into(&mut self.ledger.run_id);
            self.ledger.written_at = now;
            self.unsaved = false;
            let next = self.sequence + 1;
            let text = serde_json::to_vec(&self.ledger)
                .map_err(|error| Error::new(Kind::Internal, "cannot write the ledger").because(error))?;
            failpoint::point("before_ledger");
            let created = self.lake.create(&snapshot_key(&self.unit, next), Bytes::from(text)).await?;
            failpoint::point("ledger_written");
            // A writer that was suspended may find its number free because it was pruned: only the newest snapshot
            // counts.
            let found = self.snapshots().await?;
            self.stored = found.iter().map(|(sequence, _)| *sequence).collect();
            let newest = found.last().map_or(next, |(sequence, _)| *sequence);
            self.sequence = newest.max(next);
            self.lake_time = found.last().map(|(_, written)| *written).or(self.lake_time);
            if created && newest <= next {
                return Ok(());
            }
            if let Some(theirs) = self.read(self.sequence).await? {
                let doubted = std::mem::take(&mut self.ledger.doubted);
                self.ledger = Ledger { doubted, ..self.ledger.clone().merge(theirs) };
            }
        }
        Err(Error::new(Kind::Store, "others write the ledger faster than this run can").at("table", &self.unit))
    }

    /// Records that the last read of `slots` failed; [`LedgerStore::save_notes`] saves it.
    pub fn note_failure(&mut self, slots: &[NaiveDate], why: &str, at: DateTime<Utc>) {
        let fresh = |slot: &&NaiveDate| self.ledger.failed.get(slot).is_none_or(|known| known.why != why);
        let fresh: Vec<NaiveDate> = slots.iter().filter(fresh).copied().collect();
        self.unsaved |= !fresh.is_empty();
        self.ledger.failed.extend(fresh.into_iter().map(|slot| (slot, Noted { at, why: why.to_owned() })));
    }

    /// Records that a person declared, at `at`, the clock of the runs up to `newest` wrong; [`LedgerStore::save_notes`]
    /// saves it.
    pub fn accept_clock(&mut self, newest: DateTime<Utc>, at: DateTime<Utc>) {
        let until = self.ledger.clock_accepted.map_or(newest, |known| known.until.max(newest));
        self.ledger.clock_accepted = Some(AcceptedClock { until, at });
        self.unsaved = true;
    }

    /// Records the first day for which the API has data; [`LedgerStore::save_notes`] saves it.
    pub fn note_first_day(&mut self, first: Option<NaiveDate>) {
        self.unsaved |= self.ledger.first_day != first;
        self.ledger.first_day = first;
    }

    /// Records whether the answers declare their figures made up; [`LedgerStore::save_notes`] saves it.
    pub fn note_made_up(&mut self, made_up: bool) {
        self.unsaved |= self.ledger.made_up != Some(made_up);
        self.ledger.made_up = Some(made_up);
    }

    /// Records that a person accepted slots as they are that cannot be read again; [`LedgerStore::save_notes`] saves
    /// it.
    pub fn accept_slots(&mut self, slots: &[NaiveDate], at: DateTime<Utc>) {
        self.ledger.accepted.extend(slots.iter().map(|slot| (*slot, at)));
        self.unsaved |= !slots.is_empty();
    }

    /// When the newest known snapshot was written, by the store's own clock.
    #[must_use]
    pub fn lake_time(&self) -> Option<DateTime<Utc>> {
        self.lake_time
    }

    /// Writes a snapshot if the ledger changed since the last one.
    ///
    /// # Errors
    /// As [`LedgerStore::save`].
    pub async fn save_notes(&mut self, run_id: &str, now: DateTime<Utc>) -> Result<()> {
        if self.unsaved { self.save(run_id, now).await } else { Ok(()) }
    }

    /// Removes all but the newest 20 snapshots that were there when this store last wrote one. Other files in the folder
    /// are neither counted nor removed.
    ///
    /// # Errors
    /// When an old snapshot cannot be removed.
    pub async fn prune(&self) -> Result<()> {
        for sequence in self.stored.iter().rev().skip(KEPT_SNAPSHOTS) {
            self.lake.remove_ledger_snapshot(&snapshot_key(&self.unit, *sequence)).await?;
        }
        Ok(())
    }

    /// Creates the table's record if the table is new. This waits until there is something to write, so that a job that
    /// never got an answer can still be corrected.
    ///
    /// # Errors
    /// As [`LedgerStore::check`]; another run may have created the record meanwhile.
    pub async fn claim(&mut self, ours: &TableRecord) -> Result<()> {
        if self.claimed {
            // While the table holds no row, another process may have redefined it.
            if !self.holds_rows() {
                self.check(ours).await?;
            }
            return self.keep_account(ours).await;
        }
        // The account of a table with accounts is stored with the account.
        let account = ours.account.clone().filter(|_| self.unit.account.is_none());
        let text = serde_json::to_vec_pretty(&TableRecord { account, ..ours.clone() })
            .map_err(|error| Error::new(Kind::Internal, "cannot write the table's record").because(error))?;
        self.lake.create(&record_key(&self.unit.table), Bytes::from(text)).await?;
        failpoint::point("table_named");
        self.check(ours).await?;
        self.keep_account(ours).await
    }

    /// Writes the record of a run.
    ///
    /// # Errors
    /// When the lake cannot be written.
    pub async fn record_run(lake: &Lake, report: &JobReport) -> Result<()> {
        let key = format!("{}.json", records::stem_of(&report.unit(), &report.run_id, report.started_at));
        let text = serde_json::to_vec(report)
            .map_err(|error| Error::new(Kind::Internal, "cannot write the run record").because(error))?;
        lake.create(&key, Bytes::from(text)).await.map(|_| ())
    }
}
