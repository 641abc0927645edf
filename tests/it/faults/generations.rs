//! Runs without faults, whose written generations are checked in detail.

use std::collections::BTreeSet;
use std::sync::Arc;

use costlake::generation::{self, Base, FetchedDays, Owned, rows};
use costlake::report::Outcome;
use costlake::sandbox::Settings;
use object_store::memory::InMemory;

use super::failing_store::Faults;
use super::world::{
    EARLY, LATER, World, as_text, assert_ledger_agrees, at, begun, contents, cost_job, held, october, savings_job,
};

#[tokio::test]
async fn the_same_answer_writes_no_data() {
    for job in [cost_job(), savings_job()] {
        let (world, base) = begun(&job).await;
        world.run_well(&base, &job).await;
        let store = Faults::over(&base);
        let before = contents(&store.inner, &job).await;
        store.heal();
        let report = world.run_well(&store, &job).await;
        assert!(report.asked.pages > 0 && !report.fetches.is_empty(), "the days are read again: {report:#?}");
        assert!(report.fetches.iter().all(|fetch| fetch.outcome == Outcome::Unchanged), "{report:#?}");
        assert!(!store.calls().iter().any(|call| call.puts_data()), "{:?}", store.calls());
        assert_eq!(contents(&store.inner, &job).await, before);
        assert_ledger_agrees(&store.inner, &job).await;
    }
}

#[tokio::test]
async fn equal_rows_over_an_equal_object_are_equal_bytes() {
    let job = cost_job();
    let mut lakes = Vec::new();
    for _ in 0..2 {
        let (world, store) = begun(&job).await;
        world.run_well(&store, &job).await;
        lakes.push(contents(&store, &job).await);
    }
    assert_eq!(lakes[0]["2026-10"].footer.epoch, 2);
    assert!(lakes[0] == lakes[1], "two lakes with the same history differ");
}

#[tokio::test]
async fn days_that_are_not_read_again_are_kept_to_the_letter() {
    let job = cost_job();
    let (world, store) = begun(&job).await;
    let before = contents(&store, &job).await["2026-10"].clone();
    world.run_well(&store, &job).await;
    let after = contents(&store, &job).await["2026-10"].clone();
    let (kept, read) = (at(EARLY).date_naive() - chrono::Days::new(2), at(EARLY).date_naive() - chrono::Days::new(1));
    let of = |rows: &[String], day: chrono::NaiveDate| {
        rows.iter().filter(|row| row.starts_with(&day.to_string())).cloned().collect::<Vec<_>>()
    };
    assert!(!of(&before.rows, kept).is_empty());
    assert_eq!(of(&after.rows, kept), of(&before.rows, kept));
    assert_eq!(after.footer.days[&kept], before.footer.days[&kept], "also when it was last changed");
    assert_ne!(of(&after.rows, read), of(&before.rows, read), "the sandbox restates a young day");
    assert_eq!((after.footer.days[&read].epoch, after.footer.epoch), (2, 2));
    let replaced = &after.footer.replaced[&read];
    assert_eq!((replaced.epoch, &replaced.digest), (1, &before.footer.days[&read].digest));
    assert_eq!(after.footer.replaced.keys().collect::<Vec<_>>(), [&read], "what did not change is not named");
}

#[tokio::test]
async fn a_replaced_generation_is_kept_when_the_job_says_so() {
    let job = cost_job();
    let (world, store) = begun(&job).await;
    let before = contents(&store, &job).await["2026-10"].clone();
    world.run_well(&store, &job).await;
    let key = format!("_costlake/cost/history/2026-10/{:020}.parquet", 1);
    let kept = super::world::lake(&store).read(&key, None).await.expect("a read").expect("an object");
    assert_eq!(kept.bytes, before.bytes);
}

#[tokio::test]
async fn a_partition_that_loses_all_rows_becomes_a_file_without_rows() {
    let job = cost_job();
    let (world, store) = begun(&job).await;
    let before = contents(&store, &job).await["2026-10"].clone();
    let emptied = World::with(Settings { first_day: Some(at(LATER).date_naive()), ..Settings::new(at(LATER)) }).await;
    let held = emptied.ask(&store, &job, october()).await;
    assert_eq!((held.exit_code, held.objects_written), (1, 0), "{held:#?}");
    assert_eq!(contents(&store, &job).await["2026-10"], before, "days that come back empty need a person's word");
    let report = emptied.accept(&store, &job, october(), "2026-10-01").await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let empty = contents(&store, &job).await["2026-10"].clone();
    assert_eq!((empty.rows.len(), empty.footer.epoch), (0, before.footer.epoch + 1));
    assert!(empty.footer.days.keys().eq(before.footer.days.keys()), "its days count as read");
    assert!(empty.footer.days.values().all(|facts| facts.rows == 0));
    assert_ledger_agrees(&store, &job).await;
    let again = emptied.ask(&store, &job, october()).await;
    assert_eq!(again.fetches[0].outcome, Outcome::Unchanged, "{again:#?}");
    assert_eq!(world.ask(&store, &job, october()).await.exit_code, 0);
    let back = contents(&store, &job).await["2026-10"].clone();
    assert_eq!(back.footer.epoch, before.footer.epoch + 2);
    assert!(!back.rows.is_empty());
}

#[tokio::test]
async fn building_is_a_function_of_rows_generation_and_base() {
    let job = cost_job();
    let (_, store) = begun(&job).await;
    let old = contents(&store, &job).await["2026-10"].clone();
    let (table, grain) = (job.source.table(), job.source.grain());
    let whole = generation::decode(table, old.bytes.clone()).expect("rows");
    let mut by_day = rows::split_by_slot(table, grain, &whole).expect("days");
    let (last, facts) = old.footer.days.last_key_value().expect("a day");
    let batch = by_day.remove(last).expect("rows");
    let partition = grain.partition_of(*last);
    let build = |batch: &arrow::array::RecordBatch, estimated: bool, base: Option<&Base>, lost: u64| {
        let facts = generation::DayFacts { estimated, ..facts.clone() };
        let fetched: FetchedDays = [(*last, (batch.clone(), facts))].into();
        generation::build(table, grain, partition, &Owned::default(), base, lost, fetched).expect("a generation")
    };
    let base = Base { footer: old.footer.clone(), bytes: old.bytes.clone() };
    let (one, two) = (build(&batch, false, Some(&base), 0), build(&batch, false, Some(&base), 0));
    assert_eq!(one.bytes, two.bytes);
    let built = held(&job, one.bytes.clone().into());
    assert_eq!(built.rows, as_text(&whole), "kept rows and fetched rows, in order");
    let others = [build(&batch, true, Some(&base), 0), build(&batch, false, None, 1), build(&batch, false, None, 2)];
    let distinct: BTreeSet<&[u8]> = others.iter().map(|built| built.bytes.as_slice()).chain([&one.bytes[..]]).collect();
    assert_eq!(distinct.len(), 4, "estimate, base and generation are in the bytes");
    assert_eq!(others[2].footer.epoch, 3, "the generations of a lost object go on");
}

#[tokio::test]
async fn a_job_with_nothing_due_still_leaves_a_record() {
    let job = cost_job();
    let world = World::start("2026-10-30T06:00:00Z").await;
    let store = Arc::new(InMemory::new());
    let report = world.run_well(&store, &job).await;
    assert_eq!((report.fetches.len(), report.asked.requests), (0, 0), "{report:#?}");
    let records = super::world::lake(&store).list("_costlake/cost/runs").await.expect("a listing");
    assert_eq!(records.len(), 1, "{records:?}");
    assert!(contents(&store, &job).await.is_empty());
}

#[tokio::test]
async fn only_a_run_that_pays_reserves_anything() {
    for (job, wanted) in [(cost_job(), 1), (savings_job(), 0)] {
        let world = World::start(LATER).await;
        let store = Arc::new(InMemory::new());
        let report = world.run_well(&store, &job).await;
        assert!(report.asked.pages > 0, "{report:#?}");
        let records =
            super::world::lake(&store).list(&format!("_costlake/{}/runs", job.unit.table)).await.expect("a listing");
        let starts = records.iter().filter(|entry| entry.key.contains(".started")).count();
        assert_eq!((starts, records.len() - starts), (wanted, 1), "{records:?}");
    }
}
