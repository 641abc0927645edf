//! The last outcome of a slot, where it is more than "read and taken", and how the entries of two writers are joined:
//! per slot, the latest information wins.
//!
//! | entry | cleared by |
//! |---|---|
//! | unsettled, quarantined, failed, differing | a later answer with any outcome |
//! | displaced | a later read that was taken, or a person's acceptance |
//! | accepted | a later read that was taken |
//!
//! An entry that only one of two ledgers has stays, unless the other one has later information about the slot: a writer
//! that never saw a quarantine says nothing about it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::sums::Sums;

use super::Ledger;

/// A note about a slot. Ledgers of format 1 held the text alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "WrittenNote")]
pub struct Noted {
    /// When it was noted, by the clock of the run; in a ledger of format 1, when the ledger was written.
    pub at: DateTime<Utc>,
    /// The note, as readable text.
    pub why: String,
}

/// A note as formats 1 and 2 write it.
#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenNote {
    Words(String),
    Whole { at: DateTime<Utc>, why: String },
}

impl From<WrittenNote> for Noted {
    fn from(written: WrittenNote) -> Self {
        match written {
            WrittenNote::Words(why) => Self { at: DateTime::UNIX_EPOCH, why },
            WrittenNote::Whole { at, why } => Self { at, why },
        }
    }
}

/// Rows that were read but not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quarantined {
    /// When such rows were last refused.
    #[serde(default)]
    pub at: DateTime<Utc>,
    /// When rows of this slot were first refused.
    pub since: DateTime<Utc>,
    /// What is odd about them.
    pub why: String,
    /// The API's totals of the refused rows: while they stay the same, another read would bring nothing new.
    #[serde(default, skip_serializing_if = "Sums::is_empty")]
    pub totals: Sums,
    /// The currency of these totals, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Whether the API calls them an estimate.
    #[serde(default)]
    pub estimated: bool,
    /// What they hold, beside the rows that stay in the lake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Refused>,
}

/// The figures of refused rows by group, beside those of the rows in the lake. Amounts are decimal text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Refused {
    /// Number of refused rows.
    pub rows: u64,
    /// The summed column; empty for a table whose values do not add up.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub measure: String,
    /// The grouping column, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The groups whose figures differ most, the largest difference first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<RefusedGroup>,
    /// All other groups, one entry for each unit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<RefusedGroup>,
}

/// A group of [`Refused`], or several together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct RefusedGroup {
    /// Its name; `None` for NULL, and for several groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Currency or unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Number of groups.
    pub number: u64,
    /// The sum of the rows in the lake.
    pub before: String,
    /// The sum of the refused rows.
    pub refused: String,
}

/// Rows that were taken although a metric that is only reported does not add up to the API's total.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Differing {
    /// When the slot was last read with this difference.
    pub at: DateTime<Utc>,
    /// When it was first read with this difference.
    pub since: DateTime<Utc>,
    /// How often it was read since.
    pub tries: u32,
    /// How far off it is.
    pub why: String,
}

/// On how many days a slot's rows did not add up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Nights {
    /// The last UTC day on which they did not.
    pub last: NaiveDate,
    /// Number of UTC days on which they did not, consecutive or not.
    pub count: u32,
}

/// A person's declaration that runs dated after `at`, up to `until`, had a wrong clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AcceptedClock {
    /// The latest start time, by the run's own clock, that this covers.
    pub until: DateTime<Utc>,
    /// When it was declared, by a correct clock.
    pub at: DateTime<Utc>,
}

impl AcceptedClock {
    /// Whether a run that began at `time` by its own clock may have had a correct clock.
    #[must_use]
    pub fn believes(&self, time: DateTime<Utc>) -> bool {
        time <= self.at || time > self.until
    }
}

/// When something was noted.
trait Timed: Clone + Ord {
    fn at(&self) -> DateTime<Utc>;
}

impl Timed for Noted {
    fn at(&self) -> DateTime<Utc> {
        self.at
    }
}

impl Timed for Quarantined {
    fn at(&self) -> DateTime<Utc> {
        self.at
    }
}

impl Timed for Differing {
    fn at(&self) -> DateTime<Utc> {
        self.at
    }
}

impl Timed for DateTime<Utc> {
    fn at(&self) -> DateTime<Utc> {
        *self
    }
}

impl Ledger {
    /// When the slot was last read and taken.
    fn taken_at(&self, slot: NaiveDate) -> Option<DateTime<Utc>> {
        self.partitions.values().filter_map(|state| state.days.get(&slot)).map(|day| day.read_at).max()
    }

    /// When a person last accepted the slot as it is, or an answer about it was last taken.
    fn taken_or_accepted_at(&self, slot: NaiveDate) -> Option<DateTime<Utc>> {
        self.taken_at(slot).max(self.accepted.get(&slot).copied())
    }

    /// When an answer about the slot last had an outcome, or a person last accepted it.
    fn answered_at(&self, slot: NaiveDate) -> Option<DateTime<Utc>> {
        let outcomes = [
            self.taken_or_accepted_at(slot),
            self.unsettled.get(&slot).map(|noted| noted.at),
            self.quarantined.get(&slot).map(|held| held.at),
        ];
        outcomes.into_iter().flatten().max()
    }

    /// Merges the outcomes of `older` into this ledger: per slot, the latest information wins.
    pub(super) fn join_outcomes(&mut self, older: &Self) {
        let (mine, theirs) = (&*self, older);
        let unsettled = joined(mine, theirs, |ledger| &ledger.unsettled, Self::answered_at);
        let quarantined = joined(mine, theirs, |ledger| &ledger.quarantined, Self::answered_at);
        let failed = joined(mine, theirs, |ledger| &ledger.failed, Self::answered_at);
        let differing = joined(mine, theirs, |ledger| &ledger.differing, Self::answered_at);
        let displaced = joined(mine, theirs, |ledger| &ledger.displaced, Self::taken_or_accepted_at);
        let accepted = joined(mine, theirs, |ledger| &ledger.accepted, Self::taken_at);
        let mut baselines = older.baselines.clone();
        for (month, own) in &self.baselines {
            let joined = baselines.remove(month).unwrap_or_default().merge(own.clone());
            baselines.insert(*month, joined);
        }
        (self.unsettled, self.quarantined, self.failed) = (unsettled, quarantined, failed);
        (self.differing, self.displaced, self.accepted) = (differing, displaced, accepted);
        for (slot, theirs) in &older.committed {
            let own = self.committed.entry(*slot).or_insert_with(|| theirs.clone());
            if (theirs.epoch, &theirs.digest) < (own.epoch, &own.digest) {
                own.clone_from(theirs);
            }
        }
        self.forget_committed();
        for (slot, theirs) in &older.nights {
            self.nights.entry(*slot).and_modify(|own| *own = (*own).max(*theirs)).or_insert(*theirs);
        }
        let Self { nights, unsettled, .. } = self;
        nights.retain(|slot, _| unsettled.contains_key(slot));
        self.baselines = baselines;
    }

    /// Counts `today` for the slots in `unsettled`, and drops the counts of all other slots in `asked`.
    pub(super) fn count_nights<'a>(
        &mut self,
        asked: &BTreeSet<NaiveDate>,
        unsettled: impl Iterator<Item = &'a NaiveDate>,
        today: NaiveDate,
    ) {
        let mut known: BTreeMap<NaiveDate, Nights> = BTreeMap::new();
        std::mem::swap(&mut known, &mut self.nights);
        let again: Vec<(NaiveDate, Nights)> = unsettled
            .map(|slot| match known.get(slot) {
                Some(nights) if nights.last == today => (*slot, *nights),
                nights => (*slot, Nights { last: today, count: nights.map_or(0, |nights| nights.count) + 1 }),
            })
            .collect();
        known.retain(|slot, _| !asked.contains(slot));
        self.nights = known;
        self.nights.extend(again);
    }

    /// Records which of the slots that were `read` and taken miss the total of a metric that is only reported.
    pub fn note_differing(&mut self, read: &BTreeSet<NaiveDate>, differing: &BTreeMap<NaiveDate, Differing>) {
        self.differing.retain(|slot, _| !read.contains(slot));
        // Never dated before the read itself, which would count as later information and clear the entry.
        let of_read = differing.iter().filter(|(slot, _)| read.contains(slot));
        let found: Vec<_> = of_read
            .map(|(slot, found)| {
                let at = self.taken_at(*slot).map_or(found.at, |taken| taken.max(found.at));
                (*slot, Differing { at, ..found.clone() })
            })
            .collect();
        self.differing.extend(found);
    }

    /// Dates the notes of a ledger of format 1 with the time at which the ledger was written.
    pub(super) fn date_notes(&mut self) {
        let unknown = DateTime::UNIX_EPOCH;
        let written = self.written_at;
        let notes = self.unsettled.values_mut().chain(self.failed.values_mut()).map(|noted| &mut noted.at);
        let held = self.quarantined.values_mut().map(|held| &mut held.at);
        notes.chain(held).filter(|at| **at == unknown).for_each(|at| *at = written);
    }
}

/// Joins one kind of entries of two ledgers; `last_word` returns when a ledger last learnt something that clears such
/// an entry.
fn joined<T: Timed>(
    a: &Ledger,
    b: &Ledger,
    of: impl Fn(&Ledger) -> &BTreeMap<NaiveDate, T>,
    last_word: impl Fn(&Ledger, NaiveDate) -> Option<DateTime<Utc>>,
) -> BTreeMap<NaiveDate, T> {
    let mut both = BTreeMap::new();
    for (from, other) in [(a, b), (b, a)] {
        for (slot, entry) in of(from) {
            let kept = match of(other).get(slot) {
                Some(known) => known.max_by_time(entry),
                None if last_word(other, *slot).is_some_and(|word| word > entry.at()) => continue,
                None => entry.clone(),
            };
            both.insert(*slot, kept);
        }
    }
    both
}

/// The later of two entries; of two with the same time the greater one, whichever ledger holds it.
trait Later: Timed {
    fn max_by_time(&self, other: &Self) -> Self {
        if (self.at(), self) >= (other.at(), other) { self.clone() } else { other.clone() }
    }
}

impl<T: Timed> Later for T {}
