//! Tests of the checker: hand-made histories, each of which breaks one invariant, and the message that the checker must
//! report. An invariant whose history passes here is one that the simulation does not check.

use bytes::Bytes;
use costlake::report::{JobReport, Outcome};
use costlake::window::Window;
use fastrand::Rng;

use super::accounts::{HOME, Mover, OTHER, Who, judge_account};
use super::history::{History, MONTH, footer_of, november, said};
use super::schedule::first_now;
use super::store::lay;
use super::watch::{ACCEPTED, LEDGER, TABLE, key_of};
use super::world::World;

/// Fails unless the first invariant that the history breaks is this one.
#[track_caller]
fn breaks(words: &str, history: impl FnOnce(&mut History)) {
    let mut lake = History::new();
    history(&mut lake);
    let broken = lake.world.watch.broken.take();
    assert!(broken.as_ref().is_some_and(|broken| broken.contains(words)), "wanted `{words}`, found {broken:?}");
}

#[test]
fn a_history_without_fault_breaks_nothing() {
    let mut lake = History::new();
    lake.world.watch.writers[0].cap = Some(2);
    lake.world.watch.asked(0);
    lake.fetch_begins();
    let first = lake.begins();
    lake.fetch_ends(Outcome::Committed);
    lake.ledger(1, &first, |_| {});
    lake.world.watch.asked(0);
    lake.fetch_begins();
    lake.fetch_ends(Outcome::Unchanged);
    lake.fetch_begins();
    lake.tells(&[(2, &[(0, 901)])]);
    let second = lake.object(&[(2, &[(0, 901)])], Some(&first));
    lake.lands(&second);
    lake.fetch_ends(Outcome::Committed);
    lake.ledger(2, &second, |_| {});
    lake.world.watch.deleted(&format!("{LEDGER}{:020}.json", 1));
    lake.world.watch_glance();
    assert_eq!(lake.world.watch.broken, None);
}

#[test]
fn i1_one_object_a_partition_and_nothing_else() {
    breaks("I1: a stray object bill/cost/billing_period=2026-11/data-1.parquet", |lake| {
        let first = lake.begins();
        lay(&mut lake.world, &format!("{TABLE}billing_period={MONTH}/data-1.parquet"), first);
    });
    breaks("I1: stray objects [\"bill/cost/_tmp\"]", |lake| {
        lake.world.objects.add(&format!("{TABLE}_tmp"), Bytes::from_static(b"debris"));
        lake.begins();
    });
}

#[test]
fn i2_epochs_rise() {
    breaks("I2: generation 1 replaces generation 1", |lake| {
        lake.begins();
        lake.tells(&[(1, &[(0, 501)]), (2, &[(0, 901)])]);
        let again = lake.object(&[(1, &[(0, 501)]), (2, &[(0, 901)])], None);
        lake.lands(&again);
    });
}

#[test]
fn i3_older_data_never_replaces_newer() {
    breaks("I3: 2026-11-02 as the API told it last at event 3, over an object of 4", |lake| {
        lake.tells(&[(1, &[(0, 5)]), (2, &[(0, 800)])]);
        lake.tells(&[(2, &[(0, 850)])]);
        lake.tells(&[(2, &[(0, 900)])]);
        let first = lake.object(&[(1, &[(0, 5)]), (2, &[(0, 900)])], None);
        lake.lands(&first);
        let old = lake.object(&[(2, &[(0, 850)])], Some(&first));
        lake.world.watch.told_total(0, november(2), 850);
        lake.lands(&old);
    });
}

#[test]
fn the_accepted_exception_is_counted_and_breaks_nothing() {
    // A fetch found the object unchanged, and rows from before that fetch began replace it.
    let mut lake = History::new();
    let first = lake.begins();
    lake.tells(&[(2, &[(0, 950)])]);
    lake.tells(&[(2, &[(0, 900)])]);
    lake.fetch_begins();
    lake.fetch_ends(Outcome::Unchanged);
    let between = lake.object(&[(2, &[(0, 950)])], Some(&first));
    lake.world.watch.told_total(0, november(2), 950);
    lake.lands(&between);
    assert_eq!(lake.world.watch.broken, None);
    assert_eq!(lake.world.tally.of(ACCEPTED), 1);
}

#[test]
fn i4_a_reported_commit_is_there() {
    breaks("I4: writer 0 reports a commit of 2026-11 that never landed", |lake| {
        lake.tells(&[(1, &[(0, 500)])]);
        let first = lake.object(&[(1, &[(0, 500)])], None);
        lake.sends(&first);
        lake.fetch_ends(Outcome::Committed);
    });
    breaks("I4: writer 0 reports a commit of 2026-11 that never landed", |lake| {
        lake.fetch_ends(Outcome::Committed);
    });
}

#[test]
fn i5_the_ledger_is_never_ahead() {
    breaks("I5: ", |lake| {
        lake.tells(&[(1, &[(0, 500)])]);
        let first = lake.object(&[(1, &[(0, 500)])], None);
        lake.ledger(1, &first, |_| {});
    });
    breaks("2026-11: the ledger knows 2, the object is 1", |lake| {
        let first = lake.begins();
        lake.ledger(1, &first, |ledger| ledger.partitions.values_mut().for_each(|state| state.epoch = 2));
    });
    breaks("2026-11: the ledger knows 1, the object is 1", |lake| {
        let first = lake.begins();
        lake.ledger(1, &first, |ledger| ledger.partitions.values_mut().for_each(|state| state.bytes += 1));
    });
    breaks("2026-11: the ledger knows 1, the object is 1", |lake| {
        let first = lake.begins();
        lake.ledger(1, &first, |ledger| {
            let days = ledger.partitions.values_mut().flat_map(|state| state.days.values_mut());
            days.for_each(|day| day.facts.digest = "0".repeat(64));
        });
    });
    breaks("is create-only and was replaced", |lake| {
        let first = lake.begins();
        lake.ledger(1, &first, |_| {});
        lake.ledger(1, &first, |ledger| ledger.run_id = "another".to_owned());
    });
    breaks("cannot be read", |lake| {
        lay(&mut lake.world, &format!("{LEDGER}{:020}.json", 1), Bytes::from_static(b"{"));
    });
}

#[test]
fn i6_every_day_is_a_state_of_the_bill_and_what_its_footer_says() {
    breaks("I6: 2026-11-02 is no state of the bill", |lake| {
        lake.tells(&[(1, &[(0, 500)]), (2, &[(0, 900)])]);
        // The sum is right, the rows are not.
        let mixed = lake.object(&[(1, &[(0, 500)]), (2, &[(0, 400), (1, 500)])], None);
        lake.lands(&mixed);
    });
    breaks("but the footer says", |lake| {
        let first = lake.begins();
        let forged = lake.forged(&first, |footer| {
            let facts = footer.days.get_mut(&november(2)).expect("a day");
            facts.sums = [("unblended_cost", "1")].into_iter().collect();
        });
        lake.lands(&forged);
    });
    breaks("I6: bill/cost/billing_period=2026-11/data.parquet: no footer", |lake| {
        lay(&mut lake.world, &key_of(MONTH), Bytes::from_static(b"PAR1"));
    });
}

#[test]
fn i7_every_day_is_in_its_own_object_and_stays_there() {
    breaks("I7: 2026-11-01 is no longer in the object", |lake| {
        let first = lake.begins();
        lake.tells(&[(2, &[(0, 901)])]);
        let alone = lake.object(&[(2, &[(0, 901)])], None);
        let second = lake.forged(&alone, |footer| footer.epoch = footer_of(&first).epoch + 1);
        lake.lands(&second);
    });
    breaks("I7: 2026-11-01 is in another partition", |lake| {
        lake.tells(&[(1, &[(0, 500)])]);
        let first = lake.object(&[(1, &[(0, 500)])], None);
        lay(&mut lake.world, &key_of("2026-10"), first);
    });
}

#[test]
fn i8_nothing_is_deleted_or_changed_behind_the_run() {
    breaks("I8: bill/cost/billing_period=2026-11/data.parquet was deleted", |lake| {
        lake.begins();
        lake.world.watch.deleted(&key_of(MONTH));
    });
    breaks("I8: bill/cost/billing_period=2026-11/data.parquet was changed behind the watch", |lake| {
        let first = lake.begins();
        lake.world.objects.add(&key_of(MONTH), Bytes::from_static(b"other"));
        lake.tells(&[(2, &[(0, 901)])]);
        let second = lake.object(&[(2, &[(0, 901)])], Some(&first));
        lake.lands(&second);
    });
}

#[test]
fn i9_nothing_is_written_before_its_pages_and_its_total() {
    breaks("is written before the last page of", |lake| {
        lake.fetch_begins();
        lake.world.watch.series(0, Window::new(november(1), november(3)).expect("a window"), true);
        lake.begins();
    });
    breaks("has a day that misses its total", |lake| {
        lake.tells(&[(1, &[(0, 500)])]);
        lake.world.watch.told_total(0, november(1), 503);
        let first = lake.object(&[(1, &[(0, 500)])], None);
        lake.lands(&first);
    });
    breaks("told was None", |lake| {
        lake.world.bill.put(november(1), 1, said(&[(0, 500)]));
        let first = lake.object(&[(1, &[(0, 500)])], None);
        lake.lands(&first);
    });
}

#[test]
fn i10_a_table_has_one_fingerprint() {
    breaks("I10: bill/cost/billing_period=2026-11/data.parquet has another fingerprint", |lake| {
        let first = lake.begins();
        lake.tells(&[(2, &[(0, 901)])]);
        let second = lake.object_of("another", &[(2, &[(0, 901)])], Some(&first));
        lake.lands(&second);
    });
}

#[test]
fn i11_a_generation_says_something_new_and_only_one_thing() {
    breaks("I11: a generation that says nothing new", |lake| {
        let first = lake.begins();
        let again = lake.forged(&first, |footer| footer.epoch += 1);
        lake.lands(&again);
    });
    breaks("I11: two objects of 2026-11 have one footer and are not the same bytes", |lake| {
        let first = lake.begins();
        // The same rows and the same footer in a file with different encoding.
        let other = lake.rewritten(&first);
        lake.sends(&other);
    });
}

#[test]
fn i12_a_reader_finds_what_was_committed() {
    let damage: [fn(&mut World); 3] = [
        |world| drop(world.objects.held.remove(&key_of(MONTH))),
        |world| world.objects.add(&key_of(MONTH), Bytes::from_static(b"torn")),
        |world| world.objects.add(&format!("{TABLE}copy.parquet"), Bytes::from_static(b"twice")),
    ];
    for damage in damage {
        breaks("I12: the table is not what was committed", |lake| {
            lake.begins();
            damage(&mut lake.world);
            lake.world.watch_glance();
        });
    }
}

#[test]
fn i13_no_request_beyond_the_budget() {
    breaks("I13: request 3 of a run that may send Some(2)", |lake| {
        lake.world.watch.writers[0].cap = Some(2);
        (0..3).for_each(|_| lake.world.watch.asked(0));
    });
}

/// A report of a successful run.
fn well() -> JobReport {
    JobReport::begin(&"cost".into(), "run", "run", first_now(), true)
}

#[test]
fn i14_a_run_of_another_account_asks_and_writes_nothing() {
    breaks("I14: writer 0 of another account asks", |lake| {
        lake.is_named(Some(HOME));
        lake.world.begins(0, Who::Other);
        lake.world.watch.asked(0);
    });
    breaks("I14: writer 0 of another account asks", |lake| {
        lake.is_named(Some(HOME));
        lake.world.begins(0, Who::InVain);
        lake.world.watch.asked(0);
    });
    for key in [&key_of(MONTH), "bill/_costlake/cost/ledger/00000000000000000001.json"] {
        breaks(&format!("I14: writer 0 of another account writes {key}"), |lake| {
            lake.is_named(Some(HOME));
            lake.world.begins(0, Who::Other);
            let World { watch, tally, .. } = &mut lake.world;
            watch.sent(0, key, &Bytes::from_static(b"{}"), tally);
        });
    }
    breaks("I14: writer 0 of another account writes bill/_costlake/cost/runs/2026-11-03/1.started.json", |lake| {
        lake.is_named(Some(HOME));
        lake.world.begins(0, Who::Other);
        let World { watch, tally, .. } = &mut lake.world;
        watch.sent(0, "bill/_costlake/cost/runs/2026-11-03/1.json", &Bytes::new(), tally);
        watch.sent(0, "bill/_costlake/cost/runs/2026-11-03/1.started.json", &Bytes::new(), tally);
    });
    breaks("I14: writer 0 of another account ends with 0", |lake| {
        lake.is_named(Some(HOME));
        lake.world.begins(0, Who::Other);
        judge_account(&mut lake.world, 0, &well());
    });
}

#[test]
fn i14_a_table_is_of_one_account() {
    breaks("is of account Some(\"444455556666\"), but the table of Some(\"111122223333\")", |lake| {
        lake.is_named(Some(HOME));
        let first = lake.begins();
        lake.tells(&[(2, &[(0, 901)])]);
        let second = lake.object(&[(2, &[(0, 901)])], Some(&first));
        let second = lake.forged(&second, |footer| footer.account = Some(OTHER.to_owned()));
        lake.lands(&second);
    });
    breaks("is of account Some(\"111122223333\"), but the table of None", |lake| {
        lake.is_named(None);
        lake.tells(&[(1, &[(0, 500)])]);
        let first = lake.object(&[(1, &[(0, 500)])], None);
        let first = lake.forged(&first, |footer| footer.account = Some(HOME.to_owned()));
        lake.lands(&first);
    });
    for (account, who, days) in [(HOME, Who::Other, "Some(2026-11-01)"), (OTHER, Who::Home, "Some(2026-11-01)")] {
        breaks(&format!("has rows of another account: {days}, table Some(\"{account}\")"), |lake| {
            lake.is_named(Some(account));
            let told = who.told(said(&[(0, 500)]));
            lake.world.bill.put(november(1), 1, said(&[(0, 500)]));
            lake.world.watch.told_total(0, november(1), told.total());
            let costs: Vec<(u8, i64)> = told.costs.into_iter().collect();
            let first = lake.object(&[(1, &costs)], None);
            lake.lands(&first);
        });
    }
    breaks("I14: a run whose account is known has not written it down", |lake| {
        lake.is_named(None);
        assert_eq!(Who::not_of(&mut lake.world), None);
    });
}

#[test]
fn i15_an_object_of_another_account_is_left_alone() {
    let theirs = |lake: &mut History| {
        let first = lake.object(&[(1, &[(0, 500), (77, 7)])], None);
        let event = lake.world.event();
        lake.world.objects.add(&key_of(MONTH), first.clone());
        lake.world.watch.strange(event, MONTH, first.clone());
        first
    };
    breaks("I15: bill/cost/billing_period=2026-11/data.parquet is written over an object of another account", |lake| {
        theirs(lake);
        lake.begins();
    });
    breaks("I15: bill/cost/billing_period=2026-11/data.parquet takes Some(2026-11-01) from", |lake| {
        let theirs = theirs(lake);
        lake.sends(&theirs);
    });
    breaks("json has Some(2026-11-01) of an object of another account", |lake| {
        let theirs = theirs(lake);
        lake.ledger(1, &theirs, |_| {});
    });
    breaks("I15: nothing is said of [\"2026-11\"]", |lake| {
        let mut mover = Mover::new(Rng::with_seed(1));
        mover.works(&mut lake.world, &lake.job);
        mover.judge_refusal(&mut lake.world, &well());
    });
}
