//! The history of a partition: when each generation was committed, and what it changed.
//!
//! | per partition | keyed by | source |
//! |---|---|---|
//! | generations | epoch | the clock of the run that committed it, or the object's write time |
//! | revisions | slot and epoch of the newer generation | the footer of that generation, which says what it replaced |
//!
//! Unchanged content and first reads are not revisions: a footer lists neither.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::generation::{Changes, Footer, Replaced};
use crate::sums::Sums;

/// The known history of a partition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// When each generation was committed, by its epoch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub generations: BTreeMap<u64, DateTime<Utc>>,
    /// Even the first generation may have existed before this instant: set where an older costlake kept no times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_since: Option<DateTime<Utc>>,
    /// By slot, and by the epoch of the generation that changed it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revisions: BTreeMap<NaiveDate, BTreeMap<u64, Revision>>,
}

/// One change of a slot that had been committed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Revision {
    /// Generation that had written the replaced rows.
    pub replaced_epoch: u64,
    /// Rows before.
    pub rows_before: u64,
    /// Rows since.
    pub rows: u64,
    /// Sum of each amount column before, as decimal text.
    #[serde(default, skip_serializing_if = "Sums::is_empty")]
    pub sums_before: Sums,
    /// Sum of each amount column since.
    #[serde(default, skip_serializing_if = "Sums::is_empty")]
    pub sums: Sums,
    /// Currency before, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency_before: Option<String>,
    /// Currency since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Whether it was an estimate before.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated_before: bool,
    /// Whether it is an estimate since.
    #[serde(default, skip_serializing_if = "is_false")]
    pub estimated: bool,
    /// How its rows changed, if that could be determined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
}

// Serde passes a reference.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl History {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a footer's generation, with its commit time if known, and what it replaced. Entries that are already known
    /// stay.
    pub fn note(&mut self, footer: &Footer, committed: Option<DateTime<Utc>>) {
        let earlier = self.generations.range(..footer.epoch).next_back().map(|(_, at)| *at);
        if let Some(at) = committed {
            // A generation is never dated before the one it replaced, even if two clocks disagree.
            self.generations.entry(footer.epoch).or_insert(earlier.map_or(at, |earlier| earlier.max(at)));
        }
        for (slot, before) in &footer.replaced {
            if let Some(facts) = footer.days.get(slot) {
                let Replaced { epoch, rows, sums, currency, estimated, changes, .. } = before.clone();
                let revision = Revision {
                    replaced_epoch: epoch,
                    rows_before: rows,
                    rows: facts.rows,
                    sums_before: sums,
                    sums: facts.sums.clone(),
                    currency_before: currency,
                    currency: facts.currency.clone(),
                    estimated_before: estimated,
                    estimated: facts.estimated,
                    changes,
                };
                self.revisions.entry(*slot).or_default().entry(footer.epoch).or_insert(revision);
            }
        }
    }

    /// Dates the current generation if an older costlake kept no time: it existed at `at`, perhaps earlier.
    pub fn date(&mut self, epoch: u64, at: DateTime<Utc>) {
        if let Entry::Vacant(vacant) = self.generations.entry(epoch) {
            vacant.insert(at);
            self.known_since = Some(at);
        }
    }

    /// When a generation was replaced, if the time of its successor is known.
    #[must_use]
    pub fn replaced_at(&self, epoch: u64) -> Option<DateTime<Utc>> {
        self.generations.get(&(epoch + 1)).copied()
    }

    /// Forgets generations and revisions that were replaced before `limit`; returns whether there were any.
    pub fn forget(&mut self, limit: DateTime<Utc>) -> bool {
        let before = (self.generations.len(), self.revisions.values().map(BTreeMap::len).sum::<usize>());
        let since = |epoch: u64| self.generations.range(epoch..).next().map(|(_, at)| *at);
        for epochs in self.revisions.values_mut() {
            epochs.retain(|epoch, _| since(*epoch).is_none_or(|at| at >= limit));
        }
        self.revisions.retain(|_, epochs| !epochs.is_empty());
        let stays = |epoch: u64| since(epoch + 1).is_none_or(|replaced| replaced >= limit);
        let kept =
            self.generations.iter().filter(|(epoch, _)| stays(**epoch)).map(|(epoch, at)| (*epoch, *at)).collect();
        self.generations = kept;
        before != (self.generations.len(), self.revisions.values().map(BTreeMap::len).sum())
    }

    /// The join of two snapshots' histories; of two times of one generation the earlier is nearer to its commit.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        for (epoch, at) in other.generations {
            let known = self.generations.entry(epoch).or_insert(at);
            *known = at.min(*known);
        }
        for (slot, epochs) in other.revisions {
            let known = self.revisions.entry(slot).or_default();
            for (epoch, revision) in epochs {
                let joined = known.remove(&epoch).map_or(revision.clone(), |known| known.max(revision));
                known.insert(epoch, joined);
            }
        }
        self.known_since = self.known_since.min(other.known_since);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::{History, Revision};
    use crate::generation::{DayFacts, Footer, Replaced};
    use crate::sums::Sums;
    use chrono::{DateTime, NaiveDate, Utc};
    use std::collections::{BTreeMap, BTreeSet};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).expect("an instant")
    }

    fn slot(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 7, day).expect("a day")
    }

    /// A generation that changed day 1 and holds day 2 from its first read.
    fn footer(epoch: u64) -> Footer {
        let facts = |rows| DayFacts {
            rows,
            digest: format!("{epoch}"),
            sums: Sums::default(),
            currency: None,
            estimated: false,
            epoch,
            read_for: BTreeSet::new(),
            totals: Sums::default(),
        };
        let before = DayFacts { epoch: epoch - 1, ..facts(epoch - 1) };
        Footer {
            format: 1,
            epoch,
            fingerprint: String::new(),
            account: None,
            partition: "2026-07".to_owned(),
            days: [(slot(1), facts(epoch)), (slot(2), facts(1))].into(),
            replaced: if epoch > 1 { [(slot(1), Replaced::of(&before))].into() } else { BTreeMap::new() },
        }
    }

    fn three() -> History {
        let mut history = History::default();
        for epoch in 1..=3 {
            history.note(&footer(epoch), Some(at(epoch.cast_signed() * 10)));
        }
        history
    }

    #[test]
    fn a_first_read_is_no_revision() {
        let history = three();
        assert_eq!(history.revisions.keys().collect::<Vec<_>>(), [&slot(1)]);
        assert_eq!(history.revisions[&slot(1)].keys().collect::<Vec<_>>(), [&2, &3]);
        let Revision { replaced_epoch, rows_before, rows, .. } = history.revisions[&slot(1)][&3];
        assert_eq!((replaced_epoch, rows_before, rows), (2, 2, 3));
    }

    #[test]
    fn what_is_known_is_not_noted_anew_and_time_goes_on() {
        let mut history = three();
        history.note(&footer(3), Some(at(99)));
        assert_eq!(history, three());
        history.note(&footer(4), Some(at(5)));
        assert_eq!(history.generations[&4], at(30), "not before the generation it replaced");
    }

    #[test]
    fn what_was_replaced_long_ago_is_forgotten_and_the_current_generation_never() {
        let mut history = three();
        assert!(!history.forget(at(20)), "replaced at that very instant is not before it");
        assert_eq!(history, three());
        assert!(history.forget(at(21)));
        assert_eq!(history.generations.keys().collect::<Vec<_>>(), [&2, &3]);
        assert_eq!(history.revisions[&slot(1)].keys().collect::<Vec<_>>(), [&3]);
        assert!(history.forget(at(1000)));
        assert_eq!(history.generations.keys().collect::<Vec<_>>(), [&3]);
        assert!(history.revisions.is_empty());
    }

    #[test]
    fn the_first_generation_of_an_old_ledger_may_have_been_there_before() {
        let mut history = History::default();
        history.date(1, at(7));
        assert_eq!((history.generations[&1], history.known_since), (at(7), Some(at(7))));
        let mut dated = three();
        dated.date(3, at(99));
        assert_eq!(dated, three());
    }

    #[test]
    fn it_is_compact_and_an_empty_one_is_nothing() {
        let text = serde_json::to_string(&three()).expect("text");
        assert!(text.contains(r#""3":{"replaced_epoch":2,"rows_before":2,"rows":3}"#), "{text}");
        assert_eq!(serde_json::from_str::<History>(&text).expect("a history"), three());
        assert!(serde_json::from_str::<History>("{}").expect("a history").is_empty());
    }
}
