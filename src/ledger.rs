//! The ledger: the state of a table, as a value with pure transitions.
//!
//! Snapshots are numbered and create-only; the newest one suffices. Two writers may each hold a ledger:
//! [`Ledger::merge`] joins them so that the order of writing does not matter (it is commutative and idempotent, and
//! epochs only rise).
//!
//! | per partition | kept |
//! |---|---|
//! | the epochs differ | the higher epoch; a day that is the same in both keeps its later read time |
//! | the epochs are equal | per day, the later read time |
//! | in either case | every generation and revision that either of them knows |
//! | outcome of a day | the latest known one, see `ledger/outcome.rs` |
//!
//! Everything that the objects' footers hold can be rebuilt from them: [`Ledger::adopt`].

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::generation::{DayFacts, Footer, footer};
use crate::sources::{Learnt, Stopped};
use crate::sums::Sums;
use crate::window::first_of_month;

mod baseline;
mod history;
mod outcome;
mod read;
mod standing;

pub use baseline::{Baseline, Figure, Moves, add};
pub use history::{History, Revision};
pub use outcome::{AcceptedClock, Differing, Nights, Noted, Quarantined, Refused, RefusedGroup};
pub use standing::Standing;

/// Version of the snapshot layout. Format 1 had no object identities, and notes without a time; it can be read. A
/// costlake of format 1 refuses format 2.
pub const FORMAT: u32 = 2;
/// Version of the layout of a table that gained columns. A costlake of format 2 refuses it: it would not know that the
/// digest of a day covers the columns that the day was read for.
pub const GROWN: u32 = 3;

/// The state of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// Layout version, [`FORMAT`] or [`GROWN`].
    pub format: u32,
    /// Name of the table.
    pub table: String,
    /// Run that wrote the snapshot.
    pub run_id: String,
    /// When it was written; where two snapshots differ in anything but facts of days, the newer one wins.
    pub written_at: DateTime<Utc>,
    /// AWS account of the rows, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether the account of a table with accounts has parts of the definition for itself, such as a billing view; they
    /// are stored with the account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_own_definition: bool,
    /// The text of `table.json` as a run read it while the table held rows, since when it cannot have changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_record: Option<String>,
    /// What earlier answers showed about the size of answers.
    #[serde(default)]
    pub learnt: Learnt,
    /// By partition value: fetches that the budget stopped.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stopped: BTreeMap<String, Stopped>,
    /// By partition value.
    pub partitions: BTreeMap<String, PartitionState>,
    /// When the API's totals of the whole table were last compared with the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probed_at: Option<DateTime<Utc>>,
    /// Slots whose rows did not add up to the API's totals when last requested, and by how much they were off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unsettled: BTreeMap<NaiveDate, Noted>,
    /// For each unsettled slot, the number of nights on which it did not add up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nights: BTreeMap<NaiveDate, Nights>,
    /// Slots whose newest rows wait for a person to accept them; the old rows stay.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quarantined: BTreeMap<NaiveDate, Quarantined>,
    /// Slots whose last read failed, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failed: BTreeMap<NaiveDate, Noted>,
    /// Slots whose rows are not the committed ones, because the object was replaced or removed from outside and they
    /// could not be read again since.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub displaced: BTreeMap<NaiveDate, Noted>,
    /// The committed facts of displaced slots, as far as they are known: the object holds other rows by now.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub committed: BTreeMap<NaiveDate, DayFacts>,
    /// Slots whose object in the lake was found not to be the committed one. Never saved: every reader of the ledger
    /// compares for itself.
    #[serde(skip)]
    pub doubted: BTreeMap<NaiveDate, Noted>,
    /// Slots whose rows miss the API's total of a metric that is only reported.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub differing: BTreeMap<NaiveDate, Differing>,
    /// Slots that a person accepted as they are although they cannot be read again, and since when.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accepted: BTreeMap<NaiveDate, DateTime<Utc>>,
    /// By query, and by column of a tag or cost category: whether any answer ever contained data for it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<String, bool>,
    /// Whether the answers declare their figures made up; only for a table whose record does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_up: Option<bool>,
    /// The first day for which the API has data, if an answer omitted the days before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_day: Option<NaiveDate>,
    /// A person's declaration that some run records were dated by a wrong clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_accepted: Option<AcceptedClock>,
    /// By first day of the month: what new figures of a settled month are compared with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub baselines: BTreeMap<NaiveDate, Baseline>,
}

/// The state of one partition object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionState {
    /// Generation.
    pub epoch: u64,
    /// Size of the object in bytes.
    pub bytes: u64,
    /// Identity of the object in a listing (its ETag; for a local file its inode and times), if known. A listing that
    /// shows this identity and size vouches for the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Slots that have been read.
    pub days: BTreeMap<NaiveDate, DayState>,
    /// Earlier generations and revisions.
    #[serde(default, skip_serializing_if = "History::is_empty")]
    pub history: History,
}

/// Distinguishes an object from any other one under the same key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectId {
    /// Its size in bytes.
    pub size: u64,
    /// Its identity in a listing, if known.
    pub etag: Option<String>,
}

/// The state of one slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayState {
    /// When it was last read from the API.
    pub read_at: DateTime<Utc>,
    /// The facts that the object's footer holds of it.
    #[serde(flatten)]
    pub facts: DayFacts,
}

impl Ledger {
    /// The ledger of a table about which nothing is known.
    #[must_use]
    pub fn empty(table: &str) -> Self {
        Self {
            format: FORMAT,
            table: table.to_owned(),
            run_id: String::new(),
            written_at: DateTime::<Utc>::UNIX_EPOCH,
            account: None,
            has_own_definition: false,
            table_record: None,
            learnt: Learnt::default(),
            stopped: BTreeMap::new(),
            partitions: BTreeMap::new(),
            probed_at: None,
            unsettled: BTreeMap::new(),
            nights: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            failed: BTreeMap::new(),
            displaced: BTreeMap::new(),
            committed: BTreeMap::new(),
            doubted: BTreeMap::new(),
            differing: BTreeMap::new(),
            accepted: BTreeMap::new(),
            found: BTreeMap::new(),
            first_day: None,
            made_up: None,
            clock_accepted: None,
            baselines: BTreeMap::new(),
        }
    }

    /// What is known of the size of answers for one partition: from all answers, and whether the budget stopped its own
    /// last fetch.
    #[must_use]
    pub fn learnt_of(&self, partition: &str) -> Learnt {
        Learnt { stopped: self.stopped.get(partition).copied(), ..self.learnt }
    }

    /// The state of a slot in the partition named `partition`.
    #[must_use]
    pub fn day(&self, partition: &str, slot: NaiveDate) -> Option<&DayState> {
        self.partitions.get(partition)?.days.get(&slot)
    }

    /// The facts of every slot that has been read.
    pub fn facts(&self) -> impl Iterator<Item = (NaiveDate, &DayFacts)> {
        self.partitions.values().flat_map(|state| &state.days).map(|(slot, day)| (*slot, &day.facts))
    }

    /// The oldest slot that has been read.
    #[must_use]
    pub fn oldest_day(&self) -> Option<NaiveDate> {
        // Partitions are named by date, so the map is in order of time.
        self.partitions.values().find_map(|state| state.days.keys().next()).copied()
    }

    /// The known generation of a partition; 0 when there is none.
    #[must_use]
    pub fn epoch_of(&self, partition: &str) -> u64 {
        self.partitions.get(partition).map_or(0, |state| state.epoch)
    }

    /// Enters the footer of an object that another run committed at `written`. Days whose rows are newer than the known
    /// ones were read for that commit, so they count as read at that time.
    pub fn take_over(&mut self, footer: &Footer, object: &ObjectId, written: DateTime<Utc>) {
        let known = |slot| self.partitions.get(&footer.partition).and_then(|state| state.days.get(slot));
        let is_later = |slot, facts: &DayFacts| known(slot).is_some_and(|day| day.facts.epoch < facts.epoch);
        let later = footer.days.iter().filter(|(slot, facts)| is_later(*slot, facts)).map(|(slot, _)| *slot).collect();
        self.adopt(footer, object, &later, written, written);
    }

    /// Enters an object's footer, including what it replaced. Slots in `read` were read at `now`; others keep the known
    /// read time, or get the time at which the object was `written`, which is when it was committed. A later generation
    /// that is already known stays: another run's ledger may have been merged in since the object was seen.
    pub fn adopt(
        &mut self,
        footer: &Footer,
        object: &ObjectId,
        read: &BTreeSet<NaiveDate>,
        now: DateTime<Utc>,
        written: DateTime<Utc>,
    ) {
        if footer.format >= footer::GROWN {
            self.format = GROWN;
        }
        let before = self.partitions.remove(&footer.partition);
        let known = |slot: &NaiveDate| before.as_ref().and_then(|p| p.days.get(slot));
        let days = footer
            .days
            .iter()
            .map(|(slot, facts)| {
                let read_at = if read.contains(slot) { now } else { known(slot).map_or(written, |day| day.read_at) };
                // Footers of an older costlake name no currency: one learnt since stays.
                let learnt = known(slot).filter(|day| day.facts.digest == facts.digest);
                let currency = facts.currency.clone().or_else(|| learnt?.facts.currency.clone());
                (*slot, DayState { read_at, facts: DayFacts { currency, ..facts.clone() } })
            })
            .collect();
        let mut history = before.as_ref().map(|state| state.history.clone()).unwrap_or_default();
        history.note(footer, Some(written.min(now)));
        let ObjectId { size: bytes, etag } = object.clone();
        let seen = PartitionState { epoch: footer.epoch, bytes, etag, days, history };
        let newest = match before {
            Some(later) if later.epoch > seen.epoch => merge_partition(later, seen),
            _ => seen,
        };
        self.partitions.insert(footer.partition.clone(), newest);
    }

    /// Adds the history in the footer of a kept older generation, with its commit time if known.
    pub fn note_kept(&mut self, footer: &Footer, committed: Option<DateTime<Utc>>) {
        if let Some(state) = self.partitions.get_mut(&footer.partition)
            && footer.epoch < state.epoch
        {
            state.history.note(footer, committed);
        }
    }

    /// Dates the current generations of a ledger that kept no times: the earliest read time among the days that the
    /// generation changed, at which it is known to have existed.
    pub fn date_generations(&mut self) {
        for state in self.partitions.values_mut() {
            let changed = state.days.values().filter(|day| day.facts.epoch == state.epoch);
            if let Some(at) = changed.map(|day| day.read_at).min() {
                state.history.date(state.epoch, at);
            }
        }
    }

    /// Whether anything was replaced before `limit`.
    #[must_use]
    pub fn has_expired(&self, limit: DateTime<Utc>) -> bool {
        self.partitions.values().any(|state| state.history.clone().forget(limit))
    }

    /// Forgets what was replaced before `limit`; returns whether there was anything. Current content always stays.
    pub fn forget_history(&mut self, limit: DateTime<Utc>) -> bool {
        let forgot = self.partitions.values_mut().filter_map(|state| state.history.forget(limit).then_some(()));
        forgot.count() > 0
    }

    /// Records the API's totals of slots that have just been read into the generation of `footer`, also where the rows
    /// did not change. They are ignored if the ledger has another generation by now.
    pub fn note_totals(&mut self, footer: &Footer, totals: &BTreeMap<NaiveDate, Sums>) {
        let state = self.partitions.get_mut(&footer.partition).filter(|state| state.epoch == footer.epoch);
        let Some(state) = state else { return };
        for (slot, sums) in totals {
            if let Some(day) = state.days.get_mut(slot) {
                day.facts.totals.clone_from(sums);
            }
        }
    }

    /// Records the currency of a slot whose rows were written before currencies were recorded.
    pub fn learn_currency(&mut self, partition: &str, slot: NaiveDate, currency: &str) {
        let day = self.partitions.get_mut(partition).and_then(|state| state.days.get_mut(&slot));
        if let Some(day) = day.filter(|day| day.facts.currency.is_none()) {
            day.facts.currency = Some(currency.to_owned());
        }
    }

    /// Records the outcome at `at` of a fetch's slots: those in `read` were taken, the others keep their old rows.
    pub fn note_outcome(
        &mut self,
        read: &BTreeSet<NaiveDate>,
        unsettled: &BTreeMap<NaiveDate, String>,
        held: &BTreeMap<NaiveDate, Quarantined>,
        at: DateTime<Utc>,
    ) {
        let asked: BTreeSet<NaiveDate> = read.iter().chain(unsettled.keys()).chain(held.keys()).copied().collect();
        self.unsettled.retain(|slot, _| !asked.contains(slot));
        self.quarantined.retain(|slot, _| !asked.contains(slot));
        self.failed.retain(|slot, _| !asked.contains(slot));
        self.displaced.retain(|slot, _| !read.contains(slot));
        self.committed.retain(|slot, _| !read.contains(slot));
        self.accepted.retain(|slot, _| !read.contains(slot));
        self.count_nights(&asked, unsettled.keys(), at.date_naive());
        self.unsettled.extend(unsettled.iter().map(|(slot, why)| (*slot, Noted { at, why: why.clone() })));
        self.quarantined.extend(held.clone());
    }

    /// Saves the committed facts of a partition's slots before facts of other rows replace them.
    pub fn keep_committed(&mut self, partition: &str, slots: &BTreeSet<NaiveDate>) {
        let Some(state) = self.partitions.get(partition) else { return };
        for (slot, day) in state.days.iter().filter(|(slot, _)| slots.contains(slot)) {
            self.committed.entry(*slot).or_insert_with(|| day.facts.clone());
        }
    }

    /// Drops the saved committed facts of slots that are no longer displaced.
    fn forget_committed(&mut self) {
        let Self { committed, displaced, .. } = self;
        committed.retain(|slot, _| displaced.contains_key(slot));
    }

    /// Records that a partition's object is the committed one again, except for the rows of `left`, which could be
    /// neither read nor restored. Call [`Ledger::keep_committed`] before entering their facts.
    pub fn note_replaced(&mut self, partition: &str, left: &BTreeSet<NaiveDate>) {
        let days = self.partitions.get(partition).into_iter().flat_map(|state| state.days.keys());
        let whole: BTreeSet<NaiveDate> = days.chain(left).copied().collect();
        for slot in whole {
            let Some(doubt) = self.doubted.remove(&slot) else { continue };
            if !left.contains(&slot) {
                self.failed.remove(&slot);
                if self.committed.contains_key(&slot) {
                    self.displaced.remove(&slot);
                }
            } else if !self.accepted.contains_key(&slot) {
                self.displaced.insert(slot, doubt);
            }
        }
        self.forget_committed();
    }

    /// Forgets days of a partition whose object is gone and that a person accepted to do without; its generation stays
    /// known.
    pub fn forget_days(&mut self, partition: &str, days: &BTreeSet<NaiveDate>) {
        if let Some(state) = self.partitions.get_mut(partition) {
            state.days.retain(|slot, _| !days.contains(slot));
        }
        self.doubted.retain(|slot, _| !days.contains(slot));
    }

    /// Forgets what was learnt under an earlier definition of a table that never held a row. The generations of its
    /// objects stay known, but not their ETags, so that nothing vouches for them.
    pub fn forget_definition(&mut self) {
        let emptied = |(name, state): (String, PartitionState)| {
            (name, PartitionState { etag: None, days: BTreeMap::new(), ..state })
        };
        let partitions = std::mem::take(&mut self.partitions).into_iter().map(emptied).collect();
        let (account, clock_accepted) = (self.account.take(), self.clock_accepted);
        *self = Self { account, partitions, clock_accepted, ..Self::empty(&self.table) };
    }

    /// Why the rows of a slot in the lake are missing or not the committed ones, if they are.
    #[must_use]
    pub fn out_of_place(&self, slot: NaiveDate) -> Option<&Noted> {
        self.doubted.get(&slot).or_else(|| self.displaced.get(&slot))
    }

    /// Records the identity of a partition's object; returns whether it is new.
    pub fn note_identity(&mut self, partition: &str, object: ObjectId) -> bool {
        let Some(state) = self.partitions.get_mut(partition) else { return false };
        let is_new = state.etag != object.etag || state.bytes != object.size;
        (state.bytes, state.etag) = (object.size, object.etag);
        is_new
    }

    /// Records that a person accepted, at `at`, the month that begins on `month`; returns the number of slots that
    /// waited for it. Quarantined slots become unsettled until they are read again; those that are `beyond` the API's
    /// reach by now stay as they are, as do displaced days `beyond` its reach.
    pub fn accept(&mut self, month: NaiveDate, at: DateTime<Utc>, beyond: impl Fn(NaiveDate) -> bool) -> usize {
        let of_month = |slot: &NaiveDate| first_of_month(*slot) == month;
        let held: Vec<NaiveDate> = self.quarantined.keys().copied().filter(of_month).collect();
        for slot in &held {
            if let Some(known) = self.quarantined.remove(slot) {
                if beyond(*slot) {
                    self.accepted.insert(*slot, at);
                    continue;
                }
                self.unsettled.insert(*slot, Noted { at, why: format!("accepted after {}", known.why) });
            }
        }
        let out_of_place = self.displaced.keys().chain(self.doubted.keys()).copied();
        let left: BTreeSet<NaiveDate> = out_of_place.filter(|slot| of_month(slot) && beyond(*slot)).collect();
        for slot in &left {
            self.displaced.remove(slot);
            self.failed.remove(slot);
            self.accepted.insert(*slot, at);
        }
        self.forget_committed();
        // Later figures are compared with the month as accepted.
        if let Some(baseline) = self.baselines.get_mut(&month) {
            *baseline = Baseline { at, figures: BTreeMap::new() };
        }
        held.len() + left.len()
    }

    /// The join of two snapshots of the same table.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        let key = |ledger: &Self| (ledger.written_at, ledger.run_id.clone());
        let (newer, older) = if key(&self) >= key(&other) { (self, other) } else { (other, self) };
        let mut newer = newer;
        newer.join_outcomes(&older);
        for (name, any) in &older.found {
            *newer.found.entry(name.clone()).or_default() |= any;
        }
        let mut partitions = older.partitions;
        for (name, state) in std::mem::take(&mut newer.partitions) {
            let joined = match partitions.remove(&name) {
                None => state,
                Some(known) => merge_partition(known, state),
            };
            partitions.insert(name, joined);
        }
        let clock_accepted = newer.clock_accepted.max(older.clock_accepted);
        let format = newer.format.max(older.format);
        let first_day = newer.first_day.into_iter().chain(older.first_day).min();
        // `false` wins: real figures can be lost to made-up ones, not the other way round.
        let made_up = newer.made_up.into_iter().chain(older.made_up).min();
        Self {
            format,
            account: newer.account.or(older.account),
            has_own_definition: newer.has_own_definition || older.has_own_definition,
            table_record: newer.table_record.filter(|text| older.table_record.as_ref() == Some(text)),
            partitions,
            clock_accepted,
            first_day,
            made_up,
            ..newer
        }
    }
}

/// The identity of an object that two ledgers have under one epoch. If they do not mean the same object, which has the
/// same days with the same content, nothing vouches for either: the next run reads the footer of the object in the
/// lake.
fn identity_of(a: &PartitionState, b: &PartitionState) -> (u64, Option<String>) {
    let is_same = |(slot, day): (&NaiveDate, &DayState)| {
        b.days.get(slot).is_some_and(|other| other.facts.same_content(&day.facts))
    };
    let (bytes, etag) = (a.bytes, a.etag.clone()).max((b.bytes, b.etag.clone()));
    (bytes, etag.filter(|_| a.days.len() == b.days.len() && a.days.iter().all(is_same)))
}

fn merge_partition(a: PartitionState, b: PartitionState) -> PartitionState {
    let same_epoch = a.epoch == b.epoch;
    let identity = identity_of(&a, &b);
    let (mut higher, lower) = if a.epoch >= b.epoch { (a, b) } else { (b, a) };
    higher.history = higher.history.merge(lower.history);
    if same_epoch {
        (higher.bytes, higher.etag) = identity;
    }
    for (slot, day) in lower.days {
        match higher.days.get_mut(&slot) {
            Some(known) if known.facts.same_content(&day.facts) => known.read_at = known.read_at.max(day.read_at),
            Some(known) if same_epoch && (day.read_at, &day.facts.digest) > (known.read_at, &known.facts.digest) => {
                *known = day
            }
            None if same_epoch => {
                higher.days.insert(slot, day);
            }
            _ => {}
        }
    }
    higher
}

#[cfg(test)]
mod tests;
