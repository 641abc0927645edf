//! Ledgers that are filled, merged and asked.

use super::{DayState, History, Ledger, PartitionState, Revision};
use crate::generation::{DayFacts, Footer};
use crate::sums::Sums;
use chrono::{DateTime, NaiveDate};
use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert_eq, proptest};
use std::collections::{BTreeMap, BTreeSet};

/// Times of generations, and revisions that two writers may have understood differently.
fn histories() -> impl Strategy<Value = History> {
    let at = |second| DateTime::from_timestamp(second, 0).unwrap_or_default();
    let revisions = prop::collection::btree_map(0_u32..2, prop::collection::btree_map(2_u64..4, 0_u64..3, 1..3), 0..2);
    let times = prop::collection::btree_map(1_u64..4, 0_i64..5, 0..4);
    (times, revisions, prop::option::of(0_i64..3)).prop_map(move |(times, revisions, since)| History {
        generations: times.into_iter().map(|(epoch, second)| (epoch, at(second))).collect(),
        known_since: since.map(at),
        revisions: revisions
            .into_iter()
            .map(|(day, epochs)| {
                let slot = NaiveDate::from_ymd_opt(2026, 1, day + 1).unwrap_or_default();
                let revision = |(epoch, rows): (u64, u64)| {
                    let (sums_before, sums) = (Sums::default(), Sums::default());
                    let revision = Revision {
                        replaced_epoch: epoch - 1,
                        rows_before: 1,
                        rows,
                        sums_before,
                        sums,
                        estimated_before: false,
                        estimated: false,
                        changes: None,
                    };
                    (epoch, revision)
                };
                (slot, epochs.into_iter().map(revision).collect())
            })
            .collect(),
    })
}

/// A generation is one content: the digest of a day follows from its epoch.
fn ledgers() -> impl Strategy<Value = Ledger> {
    let days = prop::collection::btree_map(0_u32..4, (0_i64..5, 0_u64..3), 0..4);
    (prop::collection::btree_map(0_u8..3, (1_u64..4, days, histories()), 0..3), 0_i64..4, any::<bool>()).prop_map(
        |(parts, at, first)| {
            let partitions = parts.into_iter().map(|(name, (epoch, days, history))| {
                let days = days.into_iter().map(|(day, (read, changed))| {
                    let facts = DayFacts {
                        rows: 1,
                        digest: format!("{:?}", changed.min(epoch)),
                        sums: Sums::default(),
                        estimated: false,
                        epoch: changed.min(epoch),
                        read_for: BTreeSet::new(),
                        totals: Sums::default(),
                    };
                    let slot = NaiveDate::from_ymd_opt(2026, 1, day + 1).unwrap_or_default();
                    (slot, DayState { read_at: DateTime::from_timestamp(read, 0).unwrap_or_default(), facts })
                });
                (format!("p{name}"), PartitionState { epoch, bytes: 0, days: days.collect(), history })
            });
            Ledger {
                run_id: if first { "a" } else { "b" }.to_owned(),
                written_at: DateTime::from_timestamp(at, 0).unwrap_or_default(),
                partitions: partitions.collect(),
                ..Ledger::empty("t")
            }
        },
    )
}

fn without_origin(ledger: Ledger) -> BTreeMap<String, PartitionState> {
    ledger.partitions
}

proptest! {
    #[test]
    fn merging_is_commutative_and_idempotent(a in ledgers(), b in ledgers()) {
        prop_assert_eq!(without_origin(a.clone().merge(b.clone())), without_origin(b.merge(a.clone())));
        prop_assert_eq!(without_origin(a.clone().merge(a.clone())), without_origin(a));
    }

    #[test]
    fn merging_never_lowers_an_epoch(a in ledgers(), b in ledgers()) {
        let merged = a.clone().merge(b);
        for (name, state) in a.partitions {
            assert!(merged.partitions[&name].epoch >= state.epoch);
        }
    }

    #[test]
    fn merging_forgets_no_generation_and_no_revision(a in ledgers(), b in ledgers()) {
        let merged = a.clone().merge(b);
        for (name, state) in a.partitions {
            let known = &merged.partitions[&name].history;
            assert!(state.history.generations.keys().all(|epoch| known.generations.contains_key(epoch)));
            for (slot, epochs) in state.history.revisions {
                assert!(epochs.keys().all(|epoch| known.revisions[&slot].contains_key(epoch)));
            }
        }
    }
}

#[test]
fn a_generation_that_was_seen_earlier_is_not_laid_over_a_later_one() {
    let (slot, at) = (NaiveDate::default(), |second| DateTime::from_timestamp(second, 0).unwrap_or_default());
    let facts = r#"{"rows":1,"digest":"D","sums":{},"estimated":false,"epoch":1,"read_for":[],"totals":{}}"#;
    let footer = |epoch, digest: &str| Footer {
        format: 1,
        epoch,
        fingerprint: String::new(),
        partition: "p".to_owned(),
        days: [(slot, serde_json::from_str(&facts.replace('D', digest)).expect("facts"))].into(),
        replaced: BTreeMap::new(),
    };
    let mut ledger = Ledger::empty("t");
    ledger.adopt(&footer(1, "old"), 1, &BTreeSet::new(), at(1), at(1));
    ledger.adopt(&footer(2, "new"), 2, &BTreeSet::new(), at(2), at(2));
    let later = ledger.clone();
    ledger.adopt(&footer(1, "old"), 1, &[slot].into(), at(9), at(9));
    let totals = BTreeMap::from([(slot, [("cost", "7")].into_iter().collect::<Sums>())]);
    ledger.note_totals(&footer(1, "old"), &totals);
    assert_eq!(ledger, later);
    ledger.note_totals(&footer(2, "new"), &totals);
    assert_eq!(ledger.partitions["p"].days[&slot].facts.totals, totals[&slot]);
    ledger.adopt(&footer(1, "new"), 1, &[slot].into(), at(9), at(9));
    assert_eq!((ledger.partitions["p"].epoch, ledger.partitions["p"].days[&slot].read_at), (2, at(9)));
    ledger.take_over(&footer(2, "new"), 2, at(12));
    assert_eq!(ledger.partitions["p"].days[&slot].read_at, at(9), "rows that are known were not read for it");
    ledger.take_over(
        &Footer {
            days: [(slot, serde_json::from_str(&facts.replace("\"epoch\":1", "\"epoch\":3")).expect("facts"))].into(),
            ..footer(3, "D")
        },
        2,
        at(12),
    );
    assert_eq!(ledger.partitions["p"].days[&slot].read_at, at(12), "later ones were");
    let mut fresh = Ledger::empty("t");
    fresh.adopt(&footer(2, "new"), 2, &BTreeSet::new(), at(2), at(2));
    fresh.partitions.get_mut("p").expect("a partition").history = History::default();
    for (epoch, noted) in [(3, 0), (2, 0), (1, 1)] {
        fresh.note_kept(&footer(epoch, "kept"), Some(at(1)));
        assert_eq!(
            fresh.partitions["p"].history.generations.len(),
            noted,
            "a kept generation {epoch} under the second"
        );
    }
}

/// Two readings of one generation never differ; should they, both sides of a merge choose the same.
#[test]
fn of_two_readings_of_a_generation_the_later_one_stands() {
    let (slot, at) = (NaiveDate::default(), |second| DateTime::from_timestamp(second, 0).unwrap_or_default());
    let ledger = |written: i64, epoch, digest: &str, read| {
        let facts = DayFacts {
            rows: 1,
            digest: digest.to_owned(),
            sums: Sums::default(),
            estimated: false,
            epoch,
            read_for: BTreeSet::new(),
            totals: Sums::default(),
        };
        let days = [(slot, DayState { read_at: at(read), facts })].into();
        let state = PartitionState { epoch, bytes: 0, days, history: History::default() };
        Ledger { written_at: at(written), partitions: [("p".to_owned(), state)].into(), ..Ledger::empty("t") }
    };
    let days_of = |ledger: Ledger| ledger.partitions["p"].days.len();
    let with_another_day = |mut ledger: Ledger| {
        let days = &mut ledger.partitions.get_mut("p").expect("a partition").days;
        days.extend(days.first_key_value().map(|(day, state)| (day.succ_opt().expect("a day"), state.clone())));
        ledger
    };
    assert_eq!(days_of(with_another_day(ledger(1, 1, "a", 5)).merge(ledger(2, 1, "a", 5))), 2);
    assert_eq!(
        days_of(with_another_day(ledger(1, 1, "a", 5)).merge(ledger(2, 2, "a", 5))),
        1,
        "days of another generation"
    );
    for (first, second, wanted) in [
        ((1, "a", 5), (1, "b", 6), ("b", 6)),
        ((1, "b", 5), (1, "a", 6), ("a", 6)),
        ((1, "a", 6), (1, "b", 6), ("b", 6)),
        ((2, "a", 5), (1, "b", 6), ("a", 5)),
        ((1, "a", 5), (1, "a", 6), ("a", 6)),
    ] {
        for (one, other) in [(first, second), (second, first)] {
            let merged = ledger(1, one.0, one.1, one.2).merge(ledger(2, other.0, other.1, other.2));
            assert_eq!(merged.written_at, at(2), "all else is the newer one's");
            let day = &merged.partitions["p"].days[&slot];
            assert_eq!((day.facts.digest.as_str(), day.read_at), (wanted.0, at(wanted.1)), "{first:?} {second:?}");
        }
    }
}
