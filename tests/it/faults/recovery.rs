//! The ledger or an object is not as the last run left it: adopted, rebuilt, or refused with advice.

use std::sync::Arc;

use bytes::Bytes;
use costlake::generation::{decode, encode};
use costlake::job::Job;
use costlake::lake::Lake;
use costlake::plan::Ask;
use costlake::report::JobReport;
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;

use super::failing_store::Faults;
use super::world::{
    EARLY, LATER, LATEST, World, assert_ledger_agrees, begun, contents, cost_job, data_key, days, failure, lake,
    ledger, october, parse, put, rows_of,
};

fn ledger_folder(job: &Job) -> String {
    format!("_costlake/{}/ledger", job.unit.table)
}

/// Removes every ledger snapshot of the table but the oldest `kept`.
async fn forget(store: &Arc<InMemory>, job: &Job, kept: usize) {
    let lake = lake(store);
    for entry in lake.list(&ledger_folder(job)).await.expect("a listing").into_iter().skip(kept) {
        lake.remove_ledger_snapshot(&entry.key).await.expect("a removal");
    }
}

async fn snapshots(lake: &Lake, job: &Job) -> usize {
    lake.list(&ledger_folder(job)).await.expect("a listing").len()
}

/// A bucket after two runs, and how many ledger snapshots the first of them left.
async fn two_runs(job: &Job) -> (World, Arc<InMemory>, usize) {
    let (world, store) = begun(job).await;
    let of_first = snapshots(&lake(&store), job).await;
    world.run_well(&store, job).await;
    (world, store, of_first)
}

/// A run at `now` on objects that are ahead of their ledger, and the same run with an intact ledger.
async fn run_ahead(now: &str) -> (JobReport, JobReport) {
    let job = cost_job();
    let (world, store, of_first) = two_runs(&job).await;
    let intact = Arc::new(store.fork());
    forget(&store, &job, of_first).await;
    assert!(!ledger(&store, &job).await.partitions.contains_key("2026-11"), "the ledger is behind now");
    world.set(now);
    let reports = (world.run_well(&store, &job).await, world.run_well(&intact, &job).await);
    if now == LATER {
        assert!(contents(&store, &job).await == contents(&intact, &job).await);
        assert_ledger_agrees(&store, &job).await;
    }
    reports
}

#[tokio::test]
async fn objects_ahead_of_the_ledger_are_taken_over_and_not_paid_twice() {
    let windows =
        |report: &JobReport| report.fetches.iter().flat_map(|fetch| fetch.windows.clone()).collect::<Vec<_>>();
    let (ahead, intact) = run_ahead(LATER).await;
    assert_eq!((ahead.objects_written, windows(&ahead)), (0, windows(&intact)), "{ahead:#?}");
    // By now the first day of November is due only to a ledger that does not know it; the second was read before
    // it was final, but an adopted object counts as read when it was written, by the store's (later) clock.
    let (ahead, intact) = run_ahead("2026-11-06T06:00:00Z").await;
    assert_eq!(windows(&ahead), ["2026-11-03..2026-11-05"], "{ahead:#?}");
    assert_eq!(windows(&intact), ["2026-11-02..2026-11-05"], "{intact:#?}");
}

#[tokio::test]
async fn a_lost_ledger_is_rebuilt_from_the_footers() {
    let job = cost_job();
    let (world, store, _) = two_runs(&job).await;
    let (before, known) = (contents(&store, &job).await, ledger(&store, &job).await);
    forget(&store, &job, 0).await;
    let rebuilt = ledger(&store, &job).await;
    let facts = |ledger: &costlake::ledger::Ledger| {
        let days = ledger.partitions.values().flat_map(|state| &state.days);
        days.map(|(day, state)| (*day, state.facts.clone())).collect::<Vec<_>>()
    };
    assert_eq!(facts(&rebuilt), facts(&known), "every day is known again");
    world.set(LATEST);
    let report = world.run_well(&store, &job).await;
    assert!(report.notes.iter().any(|note| note.contains("rebuilt from the footers of 2 objects")), "{report:#?}");
    let after = contents(&store, &job).await;
    assert_eq!(after["2026-11"].footer.epoch, before["2026-11"].footer.epoch + 1, "the generations go on");
    assert_ledger_agrees(&store, &job).await;
}

#[tokio::test]
async fn in_place_of_a_damaged_snapshot_the_one_before_it_is_used() {
    let job = cost_job();
    let (world, store, _) = two_runs(&job).await;
    let snapshots = lake(&store).list(&ledger_folder(&job)).await.expect("a listing");
    assert!(snapshots.len() > 1, "{snapshots:?}");
    // First only the newest, then all of them: only then must the footers be used.
    for (damaged, told) in [(1, "snapshot is damaged: an older one is used"), (99, "snapshot is damaged: rebuilt")] {
        let snapshots = lake(&store).list(&ledger_folder(&job)).await.expect("a listing");
        let newest = snapshots.last().expect("a snapshot").key.clone();
        for snapshot in snapshots.iter().rev().take(damaged) {
            put(&store, &format!("{}/{}", super::world::PREFIX, snapshot.key), "{\"format\":1,\"table\":\"co").await;
        }
        let report = world.run_well(&store, &job).await;
        assert!(report.notes.iter().any(|note| note.contains(told)), "{told}: {report:#?}");
        assert_ledger_agrees(&store, &job).await;
        let kept = lake(&store).read(&newest, None).await.expect("a read").expect("an object");
        assert!(kept.bytes.ends_with(b"co"), "snapshots are create-only");
    }
}

#[tokio::test]
async fn a_ledger_of_a_newer_layout_is_left_alone() {
    let job = cost_job();
    let (world, store) = begun(&job).await;
    let before = contents(&store, &job).await;
    let key = format!("{}/{}/{:020}.json", super::world::PREFIX, ledger_folder(&job), 99);
    let newer = format!(r#"{{"format":{},"something":"else"}}"#, costlake::ledger::GROWN + 1);
    put(&store, &key, newer).await;
    let report = world.run(&store, &job).await;
    assert_eq!((report.exit_code, report.asked.requests), (2, 0), "{report:#?}");
    assert!(failure(&report).contains("newer than this costlake reads"), "{report:#?}");
    assert_eq!(contents(&store, &job).await, before);
}

/// A Parquet file that costlake did not write.
fn foreign_parquet(job: &Job) -> Bytes {
    let table = job.source.table();
    let mut writer = parquet::arrow::ArrowWriter::try_new(Vec::new(), table.schema().clone(), None).expect("a writer");
    writer.write(&arrow::array::RecordBatch::new_empty(table.schema().clone())).expect("a write");
    writer.into_inner().expect("a file").into()
}

#[tokio::test]
async fn a_foreign_object_is_never_overwritten() {
    let job = cost_job();
    let month = days("2026-11-01", "2026-11-02");
    let lists = [Bytes::from("service,cost\nEC2,1\n"), Bytes::new(), Bytes::from("PAR1"), foreign_parquet(&job)];
    for (foreign, ask) in lists.iter().flat_map(|foreign| [(foreign, Ask::Due), (foreign, month)]) {
        let (world, store) = begun(&job).await;
        let key = data_key(&job, "2026-11");
        put(&store, &key, foreign.clone()).await;
        let report = world.ask(&store, &job, ask).await;
        let asked = report.fetches.iter().find(|fetch| fetch.partition == "2026-11").expect("the month").asked.requests;
        assert_eq!((report.exit_code, asked), (1, 0), "{report:#?}");
        let text = failure(&report);
        assert!(text.contains("not one of costlake's") && text.contains("billing_period=2026-11"), "{text}");
        let found = store.get(&key.clone().into()).await.expect("an object").bytes().await.expect("bytes");
        assert_eq!(&found, foreign, "untouched");
    }
}

#[tokio::test]
async fn an_object_of_another_table_is_refused() {
    let (job, other) = (cost_job(), parse("cost", &OTHER_METRIC.replace("UnblendedCost", "AmortizedCost")));
    let (world, store) = begun(&job).await;
    let elsewhere = Arc::new(InMemory::new());
    world.run_well(&elsewhere, &other).await;
    let theirs = contents(&elsewhere, &other).await["2026-11"].bytes.clone();
    put(&store, &data_key(&job, "2026-11"), theirs.clone()).await;
    let report = world.run(&store, &job).await;
    assert_eq!(report.exit_code, 1, "{report:#?}");
    assert!(failure(&report).contains("the object belongs to another table"), "{report:#?}");
    let key = data_key(&job, "2026-11");
    let found = store.get(&key.into()).await.expect("an object").bytes().await.expect("bytes");
    assert_eq!(found, theirs, "untouched");
    let report = world.run(&store, &other).await;
    assert_eq!(report.exit_code, 2, "the table's own record refuses the other job: {report:#?}");
    assert!(failure(&report).contains("no longer matches its table"), "{report:#?}");
}

const OTHER_METRIC: &str = r#"
    source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
    window = { begin = "2026-10-30" }
"#;

/// Deletes the object of `month`; a run at `now` that would read only some of its days reads all of them again.
async fn delete_and_restore(month: &str, now: &str, ask: Ask) {
    let job = cost_job();
    let (world, store, _) = two_runs(&job).await;
    let before = contents(&store, &job).await;
    store.delete(&data_key(&job, month).into()).await.expect("a deletion");
    world.set(now);
    let report = world.ask(&store, &job, ask).await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let key = format!("cost/billing_period={month}/data.parquet is gone");
    assert!(report.notes.iter().any(|note| note.contains(&key)), "{report:#?}");
    let after = contents(&store, &job).await;
    assert_eq!(after[month].footer.epoch, before[month].footer.epoch + 1, "the generations go on");
    let days: Vec<_> = before[month].footer.days.keys().collect();
    assert!(days.iter().all(|day| after[month].footer.days.contains_key(day)), "{days:?}");
    assert_ledger_agrees(&store, &job).await;
}

#[tokio::test]
async fn a_deleted_object_of_the_first_month_comes_back_whole() {
    delete_and_restore("2026-10", LATER, days("2026-10-31", "2026-10-31")).await;
}

#[tokio::test]
async fn a_deleted_object_of_this_month_comes_back_whole() {
    delete_and_restore("2026-11", "2026-11-06T06:00:00Z", Ask::Due).await;
}

#[tokio::test]
async fn a_deleted_object_all_of_whose_days_are_read_anyway_comes_back() {
    let job = cost_job();
    let (world, store, _) = two_runs(&job).await;
    let intact = Arc::new(store.fork());
    assert_eq!(world.ask(&intact, &job, october()).await.exit_code, 0);
    store.delete(&data_key(&job, "2026-10").into()).await.expect("a deletion");
    assert_eq!(world.ask(&store, &job, october()).await.exit_code, 0);
    let (after, intact) = (contents(&store, &job).await, contents(&intact, &job).await);
    assert_eq!(after["2026-10"].rows, intact["2026-10"].rows);
    assert_eq!(after["2026-10"].footer.epoch, 3, "two generations had been there");
    assert_ledger_agrees(&store, &job).await;
}

#[tokio::test]
async fn an_object_behind_its_ledger_is_replaced_whole() {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    let newest = Arc::new(base.fork());
    world.run_well(&newest, &job).await;
    let old = contents(&base, &job).await["2026-10"].clone();
    for ask in [days("2026-10-31", "2026-10-31"), october()] {
        let store = Arc::new(newest.fork());
        put(&store, &data_key(&job, "2026-10"), old.bytes.clone()).await;
        assert_eq!(world.ask(&store, &job, ask).await.exit_code, 0);
        let (after, intact) = (contents(&store, &job).await, Arc::new(newest.fork()));
        assert_eq!(world.ask(&intact, &job, october()).await.exit_code, 0);
        assert_eq!(after["2026-10"].rows, contents(&intact, &job).await["2026-10"].rows);
        assert_eq!(after["2026-10"].footer.epoch, 3, "above what the ledger knows");
        assert_ledger_agrees(&store, &job).await;
    }
}

/// The run at [`LATER`] would keep October 30th from this object, which the last run did not write.
async fn run_over_damaged(damage: impl Fn(&Job, &[u8]) -> Vec<u8>) -> String {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    let key = data_key(&job, "2026-10");
    let damaged = Bytes::from(damage(&job, &contents(&base, &job).await["2026-10"].bytes));
    put(&base, &key, damaged.clone()).await;
    let store = Faults::over(&base);
    let report = world.run(&store, &job).await;
    assert_eq!(report.exit_code, 1, "{report:#?}");
    let found = store.get(&key.into()).await.expect("an object").bytes().await.expect("bytes");
    assert_eq!(found, damaged, "a damaged object is not written over");
    let text = failure(&report);
    assert!(text.contains("partition 2026-10"), "{text}");
    text
}

#[tokio::test]
async fn a_flipped_bit_in_a_kept_day_is_found() {
    for byte in [8, 40, 200] {
        let text = run_over_damaged(|_, bytes| {
            let mut bytes = bytes.to_vec();
            bytes[byte] ^= 0x10;
            bytes
        })
        .await;
        assert!(text.contains("cannot be read") || text.contains("does not hold what its footer says"), "{text}");
    }
}

#[tokio::test]
async fn rows_that_are_not_what_the_footer_promises_are_found() {
    let text = run_over_damaged(|job, bytes| {
        let table = job.source.table();
        let whole = decode(table, Bytes::copy_from_slice(bytes)).expect("rows");
        let footer = super::world::held(job, Bytes::copy_from_slice(bytes)).footer;
        encode(table, vec![whole.slice(1, whole.num_rows() - 1)], &footer).expect("an object")
    })
    .await;
    assert!(text.contains("does not hold what its footer says"), "{text}");
    assert!(text.contains("day 2026-10-30") && text.contains("what to do:"), "{text}");
}

/// A run died between its object and the ledger, and the API went back to its earlier figures: by the ledger nothing is
/// due, but the lake holds figures that the API no longer returns.
#[tokio::test]
async fn an_object_ahead_of_the_ledger_is_seen_where_nothing_is_due() {
    let job = parse(
        "cost",
        r#"
        source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
        window = { begin = "2026-10-30", refresh = "probe" }
        "#,
    );
    let (world, store) = begun(&job).await;
    let said = contents(&store, &job).await;
    let died = Arc::new(store.fork());
    world.set(LATER);
    world.run_well(&died, &job).await;
    let ahead = contents(&died, &job).await["2026-10"].clone();
    assert_ne!(rows_of(&said)["2026-10"], ahead.rows, "a restatement that changes nothing proves nothing");
    put(&store, &data_key(&job, "2026-10"), ahead.bytes).await;

    world.set(EARLY);
    world.run_well(&store, &job).await;
    let now = contents(&store, &job).await;
    assert_eq!(rows_of(&now)["2026-10"], rows_of(&said)["2026-10"]);
    assert_eq!(now["2026-10"].footer.epoch, ahead.footer.epoch + 1);
    assert_ledger_agrees(&store, &job).await;
}
