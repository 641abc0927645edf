//! Operations that a lake always refuses; and objects that disappear between two reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use costlake::error::Kind;
use costlake::generation::{self, Owned};
use costlake::lake::{Condition, Lake, LocalLake, S3Lake};
use costlake::ledger_store::{LedgerStore, Look, data_key as key_of, look};
use costlake::maintenance::verify::{Depth, verify};
use object_store::memory::InMemory;

use super::failing_store::{Fault, Faults, Verb};
use super::world::{EARLY, LATER, World, at, begun, cost_job, data_key, failure, lake};

async fn lakes() -> Vec<(Lake, Option<tempfile::TempDir>)> {
    let folder = tempfile::tempdir().expect("a folder");
    let local = Lake::Local(LocalLake::new(folder.path().to_owned()));
    let bucket = Arc::new(InMemory::new());
    let whole_bucket = Lake::S3(S3Lake::new(bucket.clone(), bucket, "", "s3://bucket", "test"));
    vec![(lake(&Arc::new(InMemory::new())), None), (whole_bucket, None), (local, Some(folder))]
}

#[tokio::test]
async fn nothing_but_old_snapshots_and_kept_generations_is_ever_removed() {
    let snapshot = "_costlake/cost/ledger/00000000000000000001.json";
    let generation = "_costlake/cost/history/2026-10/00000000000000000001.parquet";
    let others = [
        "cost/billing_period=2026-10/data.parquet",
        "cost/ledger/00000000000000000001.json",
        "_costlake/cost/table.json",
        "_costlake/ledger/runs/2026-11-01/a.json",
        "_costlake/ledger/table.json",
        "_costlake/cost/ledger/1.json",
        "_costlake/cost/ledger/00000000000000000001.parquet",
        "_costlake/cost/history/00000000000000000001.parquet",
        "_costlake/cost/history/2026-10/1.parquet",
        "_costlake/cost/history/2026-10/0000000000000000000x.parquet",
        "_costlake/cost/history/2026-10/00000000000000000001.json",
        "cost/history/2026-10/b/00000000000000000001.parquet",
    ];
    for (lake, _folder) in lakes().await {
        for key in others.iter().chain([&snapshot, &generation]) {
            assert!(lake.put(key, Bytes::from_static(b"x"), Condition::Absent).await.expect("a write").is_done());
        }
        let listed = lake.list("_costlake/cost").await.expect("a listing");
        assert_eq!(listed.iter().filter(|entry| entry.key == snapshot).count(), 1, "{listed:?}");
        for key in others {
            assert!(lake.remove_ledger_snapshot(key).await.is_err(), "{key}");
            assert!(lake.remove_kept_generation(key).await.is_err(), "{key}");
            assert!(lake.read(key, None).await.expect("a read").is_some(), "{key} is gone");
        }
        for key in ["_costlake//ledger/00000000000000000001.json", "_costlake//history/a/00000000000000000001.parquet"]
        {
            assert!(lake.remove_ledger_snapshot(key).await.is_err(), "{key}");
            assert!(lake.remove_kept_generation(key).await.is_err(), "{key}");
        }
        assert!(lake.remove_kept_generation("_costlake/cost/history//00000000000000000001.parquet").await.is_err());
        assert!(lake.remove_kept_generation(snapshot).await.is_err());
        assert!(lake.remove_ledger_snapshot(generation).await.is_err());
        lake.remove_ledger_snapshot(snapshot).await.expect("an old snapshot");
        lake.remove_kept_generation(generation).await.expect("a kept generation");
        assert!(lake.read(snapshot, None).await.expect("a read").is_none());
        assert!(lake.read(generation, None).await.expect("a read").is_none());
    }
}

#[tokio::test]
async fn strange_files_beside_the_snapshots_neither_count_nor_go() {
    let job = cost_job();
    for (lake, _folder) in lakes().await {
        let lake = Arc::new(lake);
        let strange = |number: usize| format!("_costlake/cost/ledger/{}{number:03}", ["a", "9", "z"][number % 3]);
        for number in 0..120 {
            lake.put(&strange(number), Bytes::from_static(b"x"), Condition::Absent).await.expect("a write");
        }
        // Copies that sort before and after all snapshots.
        for number in 0..60 {
            let folder = ["0old", "backup"][number % 2];
            let copy = format!("_costlake/cost/ledger/{folder}/{number:020}.json");
            lake.put(&copy, Bytes::from_static(b"{}"), Condition::Absent).await.expect("a write");
        }
        let (mut store, _) =
            LedgerStore::open(lake.clone(), &job.unit, job.source.grain(), at(LATER)).await.expect("store");
        for _ in 0..30 {
            store.save("run", at(LATER)).await.expect("a snapshot");
        }
        store.prune().await.expect("pruned");
        let listed = lake.list("_costlake/cost/ledger").await.expect("a listing");
        let (snapshots, others): (Vec<_>, Vec<_>) =
            listed.iter().partition(|entry| entry.key.starts_with("_costlake/cost/ledger/000"));
        assert_eq!(others.len(), 180);
        assert!((1..30).contains(&snapshots.len()), "{} snapshots", snapshots.len());
        assert!(
            snapshots.iter().any(|entry| entry.key.ends_with("ledger/00000000000000000030.json")),
            "the newest is gone"
        );
    }
}

#[tokio::test]
async fn no_key_leads_out_of_a_lake_on_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("outside"), "x").expect("a file");
    let lake = Lake::Local(LocalLake::new(folder.path().join("lake")));
    for key in ["../outside", "a/../../outside", "./a", "a/."] {
        assert!(lake.read(key, None).await.is_err(), "{key}");
        assert!(lake.put(key, Bytes::from_static(b"y"), Condition::Absent).await.is_err(), "{key}");
    }
    assert_eq!(std::fs::read(folder.path().join("outside")).expect("a file"), b"x");
}

#[tokio::test]
async fn a_footer_of_any_length_is_seen_in_one_more_read() {
    let job = cost_job();
    let source = &job.source;
    let partition = source.grain().parse_partition("2026-10").expect("a month");
    for length in [10, 60_000, 70_000, 1_000_000] {
        let name = "f".repeat(length);
        let built = generation::build(
            source.table(),
            source.grain(),
            partition,
            &Owned { fingerprint: name, account: None },
            None,
            0,
            Default::default(),
        );
        let built = built.expect("an object without rows");
        let store = Faults::over(&InMemory::new());
        let lake = lake(&store);
        lake.put(&key_of(&"cost".into(), partition), built.bytes.into(), Condition::Absent).await.expect("a write");
        store.heal();
        let seen = look(&lake, &"cost".into(), partition).await.expect("a look");
        assert!(matches!(&seen, Look::Whole(seen) if seen.footer == built.footer), "{length}: {seen:?}");
        assert!(store.calls().len() <= 2, "{length}: {} reads", store.calls().len());
    }
}

/// A bucket after a first run; October's object is deleted at its `at`-th read.
async fn vanishing(base: &Arc<InMemory>, at: usize) -> Arc<Faults> {
    let store = Faults::over(base);
    let (reads, key) = (AtomicUsize::new(0), data_key(&cost_job(), "2026-10"));
    store.script(move |call| {
        let is_it = call.verb == Verb::Get && call.key == key && reads.fetch_add(1, Ordering::Relaxed) + 1 == at;
        is_it.then_some(Fault::Vanish)
    });
    store
}

#[tokio::test]
async fn an_object_that_goes_away_while_its_rows_are_read_is_not_written_without_them() {
    let job = cost_job();
    let source = &job.source;
    let (world, base) = begun(&job).await;
    let mut superseded = 0;
    for nth in 1..5 {
        let store = vanishing(&base, nth).await;
        let report = world.run(&store, &job).await;
        if report.exit_code == 0 {
            break;
        }
        let october = source.grain().parse_partition("2026-10").expect("a month");
        let left = lake(&store).read(&key_of(&"cost".into(), october), None).await.expect("a read");
        assert!(left.is_none(), "{nth}: kept days were written without their rows");
        superseded += usize::from(report.exit_code == 5 && failure(&report).contains("removed since it was observed"));
    }
    assert_eq!(superseded, 1);
}

#[tokio::test]
async fn an_object_that_goes_away_while_it_is_checked_is_missing() {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    for nth in 1..3 {
        let store = vanishing(&base, nth).await;
        let checked = verify(&world.context(lake(&store)), &job, Depth::Rows).await.expect("a check");
        let found: Vec<_> = checked.open().map(|found| format!("{} {}", found.key, found.defect.name())).collect();
        assert_eq!(found, ["cost/billing_period=2026-10/data.parquet missing"], "{nth}");
    }
}

/// Opening the ledger reads all of it, or every footer if there is none: not once per missing partition.
#[tokio::test]
async fn what_is_wrong_is_looked_at_together() {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    let openings = async |missing: u32| {
        let place = Arc::new(lake(&base));
        let (mut store, _) =
            LedgerStore::open(place, &"cost".into(), job.source.grain(), at(EARLY)).await.expect("a ledger");
        let known = store.ledger.partitions["2026-10"].clone();
        for month in 0..missing {
            store.ledger.partitions.insert(format!("{}-{:02}", 2000 + month / 12, month % 12 + 1), known.clone());
        }
        store.save("r", at(EARLY)).await.expect("a ledger");
        let store = Faults::over(&base);
        let checked = verify(&world.context(lake(&store)), &job, Depth::Footers).await.expect("a check");
        assert_eq!(checked.findings.len(), missing as usize);
        store.calls().iter().filter(|call| call.verb == Verb::Get && call.key.contains("/ledger/")).count()
    };
    let of_one = openings(1).await;
    assert_eq!((of_one, openings(240).await), (2, of_one));
}

#[tokio::test]
async fn a_signal_ends_a_check() {
    let job = cost_job();
    let (world, store) = begun(&job).await;
    let context = world.context(lake(&store));
    context.cancel.cancel();
    let ended = verify(&context, &job, Depth::Rows).await.expect_err("a check that went on");
    assert_eq!(ended.kind(), Kind::Interrupted, "{}", ended.report());
}

#[tokio::test]
async fn a_first_run_has_lost_no_ledger() {
    let (job, store) = (cost_job(), Arc::new(InMemory::new()));
    let report = World::start(EARLY).await.run_well(&store, &job).await;
    assert_eq!(report.notes, Vec::<String>::new());
}
