//! Tests of filling, merging and querying ledgers.

use super::{DayState, Differing, History, Ledger, Noted, ObjectId, PartitionState, Quarantined, Revision};
use crate::generation::{DayFacts, Footer};
use crate::sums::Sums;
use chrono::{DateTime, NaiveDate, Utc};
use proptest::prelude::{Strategy, any, prop};
use proptest::{prop_assert_eq, proptest};
use std::collections::{BTreeMap, BTreeSet};

/// Generation times, and revisions that two writers may have recorded differently.
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
                        currency_before: None,
                        currency: None,
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

/// A generation has one content: the digest of a day follows from its epoch.
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
                        currency: None,
                        estimated: false,
                        epoch: changed.min(epoch),
                        read_for: BTreeSet::new(),
                        totals: Sums::default(),
                    };
                    let slot = NaiveDate::from_ymd_opt(2026, 1, day + 1).unwrap_or_default();
                    (slot, DayState { read_at: DateTime::from_timestamp(read, 0).unwrap_or_default(), facts })
                });
                (format!("p{name}"), PartitionState { epoch, bytes: 0, etag: None, days: days.collect(), history })
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

fn object(size: u64) -> ObjectId {
    ObjectId { size, etag: None }
}

#[test]
fn a_generation_that_was_seen_earlier_is_not_laid_over_a_later_one() {
    let (slot, at) = (NaiveDate::default(), |second| DateTime::from_timestamp(second, 0).unwrap_or_default());
    let facts = r#"{"rows":1,"digest":"D","sums":{},"estimated":false,"epoch":1,"read_for":[],"totals":{}}"#;
    let footer = |epoch, digest: &str| Footer {
        format: 1,
        epoch,
        fingerprint: String::new(),
        account: None,
        partition: "p".to_owned(),
        days: [(slot, serde_json::from_str(&facts.replace('D', digest)).expect("facts"))].into(),
        replaced: BTreeMap::new(),
    };
    let mut ledger = Ledger::empty("t");
    ledger.adopt(&footer(1, "old"), &object(1), &BTreeSet::new(), at(1), at(1));
    ledger.adopt(&footer(2, "new"), &object(2), &BTreeSet::new(), at(2), at(2));
    let later = ledger.clone();
    ledger.adopt(&footer(1, "old"), &object(1), &[slot].into(), at(9), at(9));
    let totals = BTreeMap::from([(slot, [("cost", "7")].into_iter().collect::<Sums>())]);
    ledger.note_totals(&footer(1, "old"), &totals);
    assert_eq!(ledger, later);
    ledger.note_totals(&footer(2, "new"), &totals);
    assert_eq!(ledger.partitions["p"].days[&slot].facts.totals, totals[&slot]);
    ledger.adopt(&footer(1, "new"), &object(1), &[slot].into(), at(9), at(9));
    assert_eq!((ledger.partitions["p"].epoch, ledger.partitions["p"].days[&slot].read_at), (2, at(9)));
    ledger.take_over(&footer(2, "new"), &object(2), at(12));
    assert_eq!(ledger.partitions["p"].days[&slot].read_at, at(9), "rows that are known were not read for it");
    ledger.take_over(
        &Footer {
            days: [(slot, serde_json::from_str(&facts.replace("\"epoch\":1", "\"epoch\":3")).expect("facts"))].into(),
            ..footer(3, "D")
        },
        &object(2),
        at(12),
    );
    assert_eq!(ledger.partitions["p"].days[&slot].read_at, at(12), "later ones were");
    let mut fresh = Ledger::empty("t");
    fresh.adopt(&footer(2, "new"), &object(2), &BTreeSet::new(), at(2), at(2));
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

/// Two readings of one generation never differ; if they did, both sides of a merge would choose the same one.
#[test]
fn of_two_readings_of_a_generation_the_later_one_stands() {
    let (slot, at) = (NaiveDate::default(), |second| DateTime::from_timestamp(second, 0).unwrap_or_default());
    let ledger = |written: i64, epoch, digest: &str, read| {
        let facts = DayFacts {
            rows: 1,
            digest: digest.to_owned(),
            sums: Sums::default(),
            currency: None,
            estimated: false,
            epoch,
            read_for: BTreeSet::new(),
            totals: Sums::default(),
        };
        let days = [(slot, DayState { read_at: at(read), facts })].into();
        let state = PartitionState { epoch, bytes: 0, etag: None, days, history: History::default() };
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

fn day(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 1, number).unwrap_or_default()
}

fn second(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(second, 0).unwrap_or_default()
}

fn noted(at: i64) -> Noted {
    Noted { at: second(at), why: format!("noted at {at}") }
}

fn held(at: i64) -> Quarantined {
    Quarantined {
        at: second(at),
        since: second(1),
        why: "odd".to_owned(),
        totals: Sums::default(),
        currency: None,
        estimated: false,
        figures: None,
    }
}

/// A ledger written at `written` whose only day was last taken at `read`.
fn read_ledger(written: i64, read: i64) -> Ledger {
    let facts = DayFacts {
        rows: 1,
        digest: "d".to_owned(),
        sums: Sums::default(),
        currency: None,
        estimated: false,
        epoch: 1,
        read_for: BTreeSet::new(),
        totals: Sums::default(),
    };
    let days = [(day(1), DayState { read_at: second(read), facts })].into();
    let state = PartitionState { epoch: 1, bytes: 1, etag: None, days, history: History::default() };
    Ledger { written_at: second(written), partitions: [("p".to_owned(), state)].into(), ..Ledger::empty("t") }
}

/// Whichever of two writers saves last, the ledger holds for each day what either of them learnt last.
#[test]
fn a_merge_keeps_what_is_known_last_of_each_day() {
    type Edit = fn(&mut Ledger);
    let quarantine: Edit = |ledger| _ = ledger.quarantined.insert(day(1), held(5));
    let unsettle: Edit = |ledger| _ = ledger.unsettled.insert(day(1), noted(5));
    let fail: Edit = |ledger| _ = ledger.failed.insert(day(1), noted(5));
    let displace: Edit = |ledger| _ = ledger.displaced.insert(day(1), noted(5));
    let accept: Edit = |ledger| _ = ledger.accepted.insert(day(1), second(5));
    let entries = |ledger: &Ledger| {
        [
            ledger.quarantined.len(),
            ledger.unsettled.len(),
            ledger.failed.len(),
            ledger.displaced.len(),
            ledger.accepted.len(),
        ]
    };
    for (index, edit) in [quarantine, unsettle, fail, displace, accept].into_iter().enumerate() {
        for (own_read, others_read, stays) in [(1, 1, true), (1, 5, true), (1, 6, false)] {
            for (own_written, others_written) in [(7, 8), (8, 7)] {
                let mut own = read_ledger(own_written, own_read);
                edit(&mut own);
                let other = read_ledger(others_written, others_read);
                let merged = own.clone().merge(other.clone());
                assert_eq!(merged, other.merge(own), "the order of writers does not matter");
                assert_eq!(entries(&merged)[index], usize::from(stays), "{index}, read by the other at {others_read}");
            }
        }
    }
    let mut own = read_ledger(7, 1);
    own.quarantined.insert(day(1), held(5));
    let mut other = read_ledger(8, 1);
    other.failed.insert(day(1), noted(6));
    let merged = own.clone().merge(other.clone());
    assert_eq!((merged.quarantined.len(), merged.failed.len()), (1, 1), "a failed read says nothing of the rows");
    other.quarantined.insert(day(1), held(6));
    assert_eq!(own.clone().merge(other).quarantined[&day(1)], held(6), "the later of two");
    let mut accepting = read_ledger(8, 1);
    accepting.accepted.insert(day(1), second(6));
    own.displaced.insert(day(1), noted(5));
    own.committed.insert(day(1), own.partitions["p"].days[&day(1)].facts.clone());
    let (known, merged) = (own.committed.clone(), own.clone().merge(read_ledger(8, 1)));
    assert_eq!((merged.committed, own.clone().merge(accepting.clone()).committed.len()), (known, 0));
    assert!(own.merge(accepting).displaced.is_empty(), "a person has taken it since");
}

#[test]
fn notes_of_format_1_were_made_when_it_was_written() {
    let text = r#"{"format":1,"table":"t","run_id":"r","written_at":"2026-01-05T06:00:00Z","partitions":{},
        "unsettled":{"2026-01-01":"off"},"failed":{"2026-01-02":"broken"},
        "quarantined":{"2026-01-03":{"since":"2026-01-04T00:00:00Z","why":"odd"}}}"#;
    let ledger = Ledger::parse(text.as_bytes()).expect("a ledger").expect("a ledger");
    assert_eq!(ledger.format, 2, "it is written as the format that is written now");
    let times = [ledger.unsettled[&day(1)].at, ledger.failed[&day(2)].at, ledger.quarantined[&day(3)].at];
    assert_eq!(times, [ledger.written_at; 3]);
    assert_eq!(ledger.unsettled[&day(1)].why, "off");
    let again = serde_json::to_vec(&ledger).expect("text");
    assert_eq!(Ledger::parse(&again).expect("a ledger").as_ref(), Some(&ledger));
}

#[test]
fn a_person_takes_what_was_held_and_what_cannot_be_read_again() {
    let month = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
    let mut ledger = read_ledger(1, 1);
    ledger.quarantined.insert(day(3), held(5));
    ledger.displaced.extend([(day(1), noted(5)), (day(2), noted(5))]);
    assert_eq!(ledger.accept(month, second(9), |slot| slot < day(2)), 2);
    assert!(ledger.quarantined.is_empty() && ledger.unsettled.contains_key(&day(3)), "read again");
    assert_eq!(ledger.accepted.keys().collect::<Vec<_>>(), [&day(1)]);
    assert_eq!(ledger.displaced.keys().collect::<Vec<_>>(), [&day(2)], "what can be read again is");
    assert_eq!(ledger.accept(NaiveDate::default(), second(9), |_| true), 0, "another month");
}

#[test]
fn nights_are_counted_by_utc_day_and_only_of_what_is_still_unsettled() {
    let nothing = (BTreeSet::new(), BTreeMap::new());
    let hours = |hours: i64| second(3_600 * hours);
    let off = |slots: &[u32]| slots.iter().map(|slot| (day(*slot), "off".to_owned())).collect::<BTreeMap<_, _>>();
    let mut ledger = read_ledger(1, 1);
    for at in [1, 2, 25, 100] {
        ledger.note_outcome(&nothing.0, &off(&[1, 2]), &nothing.1, hours(at));
    }
    let count = |ledger: &Ledger, slot: u32| ledger.nights.get(&day(slot)).map(|nights| nights.count);
    assert_eq!((count(&ledger, 1), count(&ledger, 2)), (Some(3), Some(3)), "two of them were on one day");
    let mut other = ledger.clone();
    other.note_outcome(&nothing.0, &off(&[1]), &nothing.1, hours(124));
    other.note_outcome(&[day(2)].into(), &BTreeMap::new(), &nothing.1, hours(124));
    assert_eq!((count(&other, 1), count(&other, 2)), (Some(4), None), "the second adds up");
    let merged = ledger.clone().merge(other.clone());
    assert_eq!(count(&merged, 1), Some(4));
    assert_eq!(merged, other.merge(ledger), "the order of writers does not matter");
}

#[test]
fn a_day_that_differs_is_noted_no_earlier_than_it_was_read() {
    let mut ledger = read_ledger(1, 9);
    let found = Differing { at: second(8), since: second(5), tries: 2, why: "off".to_owned() };
    let read: BTreeSet<NaiveDate> = [day(1)].into();
    ledger.note_differing(&read, &[(day(1), found.clone()), (day(2), found.clone())].into());
    assert_eq!(ledger.differing, [(day(1), Differing { at: second(9), ..found.clone() })].into(), "the other is held");
    assert_eq!(ledger.clone().merge(read_ledger(2, 1)).differing.len(), 1, "another writer knew nothing of it");
    assert!(ledger.clone().merge(read_ledger(2, 10)).differing.is_empty(), "another writer has read it since");
    ledger.note_differing(&read, &BTreeMap::new());
    assert!(ledger.differing.is_empty(), "it agrees now");
}

/// An object was removed, and another run wrote a new first generation with other days.
#[test]
fn nothing_vouches_for_a_generation_of_which_two_ledgers_know_other_days() {
    let known = |slot: u32, etag: &str| {
        let mut ledger = read_ledger(7, 1);
        let state = ledger.partitions.get_mut("p").expect("a partition");
        let facts = state.days.remove(&day(1)).expect("a day");
        state.days.insert(day(slot), facts);
        state.etag = Some(etag.to_owned());
        ledger
    };
    for (slot, kept) in [(1, Some("b".to_owned())), (2, None)] {
        let merged = known(1, "a").merge(known(slot, "b"));
        assert_eq!(merged.partitions["p"].etag, kept, "day {slot}");
        assert_eq!(merged, known(slot, "b").merge(known(1, "a")));
    }
}
