//! Tests of the checker of a table with accounts, as [`super::guards`] are of a table without.

use bytes::Bytes;
use costlake::report::JobReport;
use futures::StreamExt;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore, ObjectStoreExt, PutMode};

use super::history::{Days, History, MONTH, november};
use super::place::{Place, RECORD};
use super::schedule::{assert_true, first_now, judge};
use super::store::{Bucket, lay};
use super::units::ACCOUNTS;
use super::watch::key_of;
use super::world::{Shared, lock};

const DAYS: Days<'static> = &[(1, &[(0, 500), (1, 700)]), (2, &[(0, 900)])];

/// Writes the record of the table as the unit that is looked at.
fn is_made(lake: &mut History, account: Option<&str>) {
    let record = serde_json::json!({ "account": account });
    lay(&mut lake.world, RECORD, record.to_string().into());
}

/// Writes the account of the unit that is looked at.
fn is_of(lake: &mut History, account: &str) {
    let key = lake.world.watch.place.account_key();
    lay(&mut lake.world, &key, serde_json::json!({ "account": account }).to_string().into());
}

/// Fails unless the first promise that the history of two accounts breaks is this one.
#[track_caller]
fn breaks(words: &str, history: impl FnOnce(&mut History)) {
    let mut lake = History::with_accounts();
    history(&mut lake);
    let broken = lake.world.broken();
    assert!(broken.as_ref().is_some_and(|broken| broken.contains(words)), "wanted `{words}`, found {broken:?}");
}

#[test]
fn two_accounts_side_by_side_break_nothing() {
    let mut lake = History::with_accounts();
    is_made(&mut lake, None);
    for unit in [0, 1] {
        lake.turn_to(unit);
        is_of(&mut lake, ACCOUNTS[unit]);
        let first = lake.begins();
        lake.ledger(1, &first, |ledger| ledger.account = Some(ACCOUNTS[unit].to_owned()));
        lake.world.watch_glance();
    }
    for unit in [0, 1] {
        lake.turn_to(unit);
        assert_true(&mut lake.world, november(1), november(2));
    }
    assert_eq!(lake.world.broken(), None);
}

/// What the checker says of one call of a run of the first account.
fn said_of(verb: &str, key: &str) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let world = Shared::new(History::with_accounts().world);
        let bucket = Bucket { world: world.clone(), writer: 0 };
        let path = Path::from(key);
        match verb {
            "put" => drop(bucket.put_opts(&path, "{}".into(), PutMode::Create.into()).await),
            "get" => drop(bucket.get_opts(&path, GetOptions::default()).await),
            "list" => drop(bucket.list(Some(&path)).collect::<Vec<_>>().await),
            _ => drop(bucket.delete(&path).await),
        }
        lock(&world).broken()
    })
}

#[test]
fn i16_a_run_reaches_its_own_account_alone() {
    let [own, other] = [ACCOUNTS[0], ACCOUNTS[1]].map(Place::of);
    let ledger = |place: &Place| format!("{}{:020}.json", place.ledger, 1);
    for (verb, key) in [
        ("put", other.key_of(MONTH)),
        ("get", other.key_of(MONTH)),
        ("delete", other.key_of(MONTH)),
        ("put", key_of(MONTH)),
        ("put", ledger(&other)),
        ("get", ledger(&other)),
        ("delete", ledger(&other)),
        ("put", other.account_key()),
        ("get", other.account_key()),
        ("put", "bill/_costlake/cost/account.json".to_owned()),
        ("list", other.table.trim_end_matches('/').to_owned()),
        ("list", other.ledger.trim_end_matches('/').to_owned()),
        // A listing of the whole table has the other account's objects.
        ("list", "bill/cost".to_owned()),
        ("list", "bill/_costlake/cost".to_owned()),
        ("put", "bill/_costlake/probe/another.json".to_owned()),
        ("delete", RECORD.to_owned()),
    ] {
        let said = said_of(verb, &key).unwrap_or_default();
        let wanted = format!("I16: writer 0 of account Some(\"{}\") {verb}s {key}", ACCOUNTS[0]);
        assert!(said.starts_with(&wanted), "wanted `{wanted}`, found `{said}`");
    }
    for (verb, key) in [
        ("get", RECORD.to_owned()),
        ("put", RECORD.to_owned()),
        ("list", "bill/_costlake/probe".to_owned()),
        ("get", own.key_of(MONTH)),
        ("list", own.table.trim_end_matches('/').to_owned()),
        ("delete", ledger(&own)),
    ] {
        assert_eq!(said_of(verb, &key), None, "{verb} {key}");
    }
}

#[test]
fn i16_nothing_is_of_no_account() {
    for key in [key_of(MONTH), "bill/_costlake/cost/account=999900001111/account.json".to_owned()] {
        breaks(&format!("I16: Some(\"{key}\") is of no account of the table"), |lake| {
            lake.world.objects.add(&key, Bytes::from_static(b"{}"));
            lake.world.watch_glance();
        });
    }
}

#[test]
fn i12_what_an_account_does_leaves_the_others_objects_alone() {
    let theirs = Place::of(ACCOUNTS[1]).key_of(MONTH);
    breaks("I12: the table is not what was committed", |lake| {
        lake.world.objects.add(&theirs, Bytes::from_static(b"other"));
        lake.world.watch_glance();
    });
    breaks("I12: the table is not what was committed", |lake| {
        lake.turn_to(1);
        is_of(lake, ACCOUNTS[1]);
        lake.begins();
        lake.turn_to(0);
        lake.world.objects.held.remove(&theirs);
        lake.world.watch_glance();
    });
}

#[test]
fn i6_the_rows_of_an_account_are_of_its_own_bill() {
    breaks("I6: 2026-11-01 is no state of the bill", |lake| {
        lake.turn_to(1);
        lake.tells(DAYS);
        lake.turn_to(0);
        is_of(lake, ACCOUNTS[0]);
        lake.tells(&[(1, &[(0, 501), (1, 699)]), (2, &[(0, 900)])]);
        let theirs = lake.object(DAYS, None);
        lake.lands(&theirs);
    });
    breaks("the lake is not the bill", |lake| {
        is_of(lake, ACCOUNTS[0]);
        lake.begins();
        lake.turn_to(1);
        lake.tells(DAYS);
        assert_true(&mut lake.world, november(1), november(2));
    });
    breaks("there is no ledger", |lake| {
        for unit in [1, 0] {
            lake.turn_to(unit);
            is_of(lake, ACCOUNTS[unit]);
            let first = lake.begins();
            if unit == 1 {
                lake.ledger(1, &first, |_| {});
            }
        }
        assert_true(&mut lake.world, november(1), november(2));
    });
}

#[test]
fn i17_the_records_name_the_account() {
    breaks("I17: bill/_costlake/cost/table.json names account Some(\"000033334444\")", |lake| {
        is_made(lake, Some(ACCOUNTS[0]));
    });
    breaks("I17: bill/_costlake/cost/account=000033334444/account.json names account Some(\"111122223333\")", |lake| {
        is_of(lake, ACCOUNTS[1]);
    });
    breaks("names None, and account.json names Some(\"000033334444\")", |lake| {
        is_of(lake, ACCOUNTS[0]);
        lake.tells(DAYS);
        let first = lake.object(DAYS, None);
        let first = lake.forged(&first, |footer| footer.account = None);
        lake.lands(&first);
    });
    breaks("names Some(\"111122223333\"), and account.json names Some(\"000033334444\")", |lake| {
        is_of(lake, ACCOUNTS[0]);
        lake.tells(DAYS);
        let first = lake.object(DAYS, None);
        let first = lake.forged(&first, |footer| footer.account = Some(ACCOUNTS[1].to_owned()));
        lake.lands(&first);
    });
    // Rows before the account is written down.
    breaks("names Some(\"000033334444\"), and account.json names None", |lake| drop(lake.begins()));
    breaks("00000000000000000001.json names account Some(\"111122223333\")", |lake| {
        is_of(lake, ACCOUNTS[0]);
        let first = lake.begins();
        lake.ledger(1, &first, |ledger| ledger.account = Some(ACCOUNTS[1].to_owned()));
    });
    breaks("bill/_costlake/cost/table.json is create-only and was replaced", |lake| {
        is_made(lake, None);
        lake.turn_to(1);
        is_made(lake, None);
    });
}

#[test]
fn i18_an_account_that_nothing_happens_to_is_served() {
    let mut failed = JobReport::begin(&"cost".into(), "run", "run", first_now(), true);
    let error = costlake::error::Error::new(costlake::error::Kind::Unavailable, "no answer");
    failed.failure = Some((&error).into());
    failed.close();
    for is_calm in [true, false] {
        let mut lake = History::with_accounts();
        lake.world.watch.is_calm = is_calm;
        judge(&mut lake.world, 0, &failed);
        let said = lake.world.broken().unwrap_or_default();
        assert_eq!(said.contains("I18: writer 0, to whom nothing happened, ends with"), is_calm, "{said}");
    }
}
