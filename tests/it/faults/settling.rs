//! The data write is lost, late, refused, denied or raced: the run reads back the outcome and reports it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use costlake::job::Job;
use costlake::report::JobReport;
use object_store::memory::InMemory;
use object_store::path::Path;

use super::failing_store::{Call, Fault, Faults, Verb};
use super::world::{
    Held, LATER, LATEST, World, assert_ledger_agrees, begun, contents, cost_job, data_key, days, everything, failure,
    october, rows_of,
};

/// A run with scripted faults, on a bucket after a first run.
async fn scripted(
    script: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static,
) -> (World, Job, Arc<Faults>, JobReport) {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    let store = Faults::over(&base);
    store.script(script);
    let report = world.run(&store, &job).await;
    (world, job, store, report)
}

fn is_october(call: &Call) -> bool {
    call.puts_data() && call.key.contains("=2026-10/")
}

/// The objects that another run commits at the world's clock, all of October included.
async fn committed_elsewhere(world: &World, job: &Job, base: &InMemory) -> BTreeMap<String, Held> {
    let store = Arc::new(base.fork());
    assert_eq!(world.ask(&store, job, october()).await.exit_code, 0);
    world.run_well(&store, job).await;
    contents(&store, job).await
}

#[tokio::test]
async fn writes_that_never_land_are_given_up_as_unknown() {
    let (world, job, store, report) = scripted(|call| call.puts_data().then_some(Fault::Before)).await;
    assert_eq!(report.exit_code, 7, "{report:#?}");
    let failures = report.failures();
    assert!(failures[0].1.text.contains("whether the write landed could not be told"), "{failures:?}");
    assert!(failures[0].1.text.contains("key cost/billing_period=2026-10/data.parquet"), "{failures:?}");
    let tries = store.calls().iter().filter(|call| is_october(call)).count();
    assert_eq!(tries, 5, "the same write is sent five times");
    let before = contents(&store.inner, &job).await;
    assert_eq!(before["2026-10"].footer.epoch, 1);
    assert_ledger_agrees(&store.inner, &job).await;
    store.heal();
    world.run_well(&store, &job).await;
    assert_eq!(contents(&store.inner, &job).await["2026-10"].footer.epoch, 2);
}

#[tokio::test]
async fn a_write_that_landed_unseen_is_unknown_and_adopted_by_the_next_run() {
    let seen = AtomicBool::new(false);
    let (world, job, store, report) = scripted(move |call| {
        // From the write of October on, every call for October fails.
        if is_october(call) {
            seen.store(true, Ordering::Relaxed);
            return Some(Fault::After);
        }
        let blind = seen.load(Ordering::Relaxed);
        (blind && call.verb == Verb::Get && call.key.contains("=2026-10/")).then_some(Fault::Before)
    })
    .await;
    assert_eq!(report.exit_code, 7, "{report:#?}");
    let landed = contents(&store.inner, &job).await;
    assert_eq!(landed["2026-10"].footer.epoch, 2, "it had landed all the same");
    store.heal();
    world.run_well(&store, &job).await;
    assert_eq!(contents(&store.inner, &job).await["2026-10"], landed["2026-10"], "and is not written again");
    assert_ledger_agrees(&store.inner, &job).await;
}

#[tokio::test]
async fn another_writers_generation_stands() {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    world.set(LATEST);
    let theirs = committed_elsewhere(&world, &job, &base).await;
    for month in ["2026-10", "2026-11"] {
        world.set(LATER);
        let store = Faults::over(&base);
        let (bytes, key) = (theirs[month].bytes.clone(), data_key(&job, month));
        store.script(move |call| (call.verb == Verb::Put && call.key == key).then(|| Fault::Meanwhile(bytes.clone())));
        let report = world.run(&store, &job).await;
        assert_eq!(report.exit_code, 5, "{month}: {report:#?}");
        let text = failure(&report);
        assert!(text.contains("superseded: another writer committed generation"), "{text}");
        assert!(text.contains(&format!("partition {month}")), "{text}");
        assert_eq!(contents(&store.inner, &job).await[month], theirs[month], "theirs stands");
        store.heal();
        world.set(LATEST);
        assert_eq!(world.ask(&store, &job, days("2026-10-30", "2026-11-03")).await.exit_code, 0);
        world.run_well(&store, &job).await;
        assert_eq!(rows_of(&contents(&store.inner, &job).await), rows_of(&theirs), "later runs go on from it");
        assert_ledger_agrees(&store.inner, &job).await;
    }
}

#[tokio::test]
async fn kept_days_are_never_taken_from_another_generation() {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    world.set(LATEST);
    let theirs = committed_elsewhere(&world, &job, &base).await["2026-10"].clone();
    world.set(LATER);
    let store = Faults::over(&base);
    let (bytes, key, gets) = (theirs.bytes.clone(), data_key(&job, "2026-10"), AtomicUsize::new(0));
    // The first read is of the footer; the second is of the rows to keep.
    store.script(move |call| {
        let is_look = call.verb == Verb::Get && call.key == key;
        (is_look && gets.fetch_add(1, Ordering::Relaxed) == 1).then(|| Fault::Meanwhile(bytes.clone()))
    });
    let report = world.run(&store, &job).await;
    assert_eq!(report.exit_code, 5, "{report:#?}");
    assert!(failure(&report).contains("replaced since it was observed"), "{report:#?}");
    assert!(!store.calls().iter().any(is_october), "nothing is laid over it");
    assert_eq!(contents(&store.inner, &job).await["2026-10"], theirs);
}

#[tokio::test]
async fn the_very_same_generation_of_another_run_counts_as_ours() {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    let elsewhere = Arc::new(base.fork());
    world.run_well(&elsewhere, &job).await;
    let twin = contents(&elsewhere, &job).await;
    let store = Faults::over(&base);
    let bytes = twin["2026-10"].bytes.clone();
    store.script(move |call| is_october(call).then(|| Fault::Meanwhile(bytes.clone())));
    let report = world.run(&store, &job).await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert_eq!(contents(&store.inner, &job).await, twin);
    assert_ledger_agrees(&store.inner, &job).await;
}

#[tokio::test]
async fn an_object_deleted_while_fetching_is_not_written_anew() {
    let (_, job, store, report) = scripted(|call| is_october(call).then_some(Fault::Vanish)).await;
    assert_eq!(report.exit_code, 1, "{report:#?}");
    let text = failure(&report);
    assert!(text.contains("the object was deleted while this run was fetching"), "{text}");
    assert!(text.contains("key cost/billing_period=2026-10/data.parquet"), "{text}");
    assert!(!contents(&store.inner, &job).await.contains_key("2026-10"));
}

#[tokio::test]
async fn a_denied_write_is_not_tried_again() {
    let (_, job, store, report) = scripted(|call| call.puts_data().then_some(Fault::Denied)).await;
    assert_eq!(report.exit_code, 3, "{report:#?}");
    assert!(failure(&report).contains("s3:PutObject"), "{report:#?}");
    assert_eq!(store.calls().iter().filter(|call| call.puts_data()).count(), 1);
    assert_eq!(contents(&store.inner, &job).await["2026-10"].footer.epoch, 1);
}

#[tokio::test]
async fn a_write_that_arrives_after_the_run_gave_up_is_adopted() {
    let (world, job, store, report) = scripted(|call| call.puts_data().then_some(Fault::Adrift)).await;
    assert_eq!(report.exit_code, 7, "{report:#?}");
    store.land().await;
    let landed = contents(&store.inner, &job).await;
    assert_eq!(landed["2026-10"].footer.epoch, 2);
    store.heal();
    world.run_well(&store, &job).await;
    assert_eq!(contents(&store.inner, &job).await, landed);
    assert_ledger_agrees(&store.inner, &job).await;
}

#[tokio::test]
async fn a_write_that_arrives_after_a_newer_run_changes_nothing() {
    let (world, job, store, report) = scripted(|call| call.puts_data().then_some(Fault::Adrift)).await;
    assert_eq!(report.exit_code, 7, "{report:#?}");
    store.heal();
    world.set(LATEST);
    assert_eq!(world.ask(&store, &job, october()).await.exit_code, 0);
    world.run_well(&store, &job).await;
    let newer = contents(&store.inner, &job).await;
    store.land().await;
    assert_eq!(contents(&store.inner, &job).await, newer, "both a creation and a replacement were on their way");
    assert_eq!(store.written().len(), 2, "{:?}", store.written());
}

#[tokio::test]
async fn a_look_that_another_run_overtook_is_superseded_and_not_called_a_loss() {
    let (world, base) = begun(&cost_job()).await;
    let elsewhere = Arc::new(base.fork());
    assert_eq!(world.ask(&elsewhere, &cost_job(), october()).await.exit_code, 0);
    let before = everything(&base).await;
    let theirs = everything(&elsewhere).await.into_iter().filter(|(path, bytes)| before.get(path) != Some(bytes));
    // Their snapshot has the number after that of November, which is fetched alone, before the others.
    let renumbered = |path: Path| Path::from(path.as_ref().replace("0000002.json", "0000003.json"));
    let theirs: Vec<_> = theirs.map(|(path, bytes)| (renumbered(path), bytes)).collect();
    let mut job = cost_job();
    job.limits.fetches_in_flight = 2;
    job.window.begin = costlake::window::parse_day("2026-09-30");
    let store = Faults::over(&base);
    let (key, looks) = (data_key(&job, "2026-10"), AtomicUsize::new(0));
    store.script(move |call| {
        let is_look = call.verb == Verb::Get && call.key == key;
        // The listing shows that the object is unchanged, so the first read is the fetch's.
        (is_look && looks.fetch_add(1, Ordering::Relaxed) == 0).then(|| Fault::Overtaken(theirs.clone()))
    });
    let report = world.ask(&store, &job, days("2026-09-30", "2026-11-02")).await;
    assert_eq!(report.exit_code, 5, "{report:#?}");
    assert!(failure(&report).contains("the object was replaced since it was observed"), "{report:#?}");
    assert_ledger_agrees(&store.inner, &job).await;
    assert_eq!(contents(&store.inner, &job).await["2026-10"], contents(&elsewhere, &job).await["2026-10"]);
}

#[tokio::test]
async fn an_object_that_is_behind_the_ledger_is_not_written() {
    let job = cost_job();
    let (world, base) = begun(&job).await;
    let before = contents(&base, &job).await["2026-10"].bytes.clone();
    world.run_well(&base, &job).await;
    let store = Faults::over(&base);
    let key = data_key(&job, "2026-10");
    store.script(move |call| (call.verb == Verb::Get && call.key == key).then(|| Fault::Earlier(before.clone())));
    let report = world.ask(&store, &job, october()).await;
    assert_eq!(report.exit_code, 5, "{report:#?}");
    let text = failure(&report);
    assert!(text.contains("its generation is 1, but 2 was committed") && text.contains("under way"), "{text}");
    assert!(!store.calls().iter().any(Call::puts_data));
    assert_ledger_agrees(&store.inner, &job).await;
}
