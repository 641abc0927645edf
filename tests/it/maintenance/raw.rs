//! Tables rebuilt from stored raw responses, without a request.

use std::fs;

use costlake::job::Job;
use costlake::report::Outcome;

use super::world::{EARLY, LATER, World, commitments_job, config_job, cost_job};

/// Deletes every object of the table and rebuilds it.
async fn comes_back(job: &Job) {
    let world = World::begun(job).await;
    world.set(LATER);
    world.run(job).await;
    let (rows, before) = (world.rows(job), world.ledger(job).await.0.partitions);
    world.remove_all(&job.unit.table);
    let report = world.rebuild(job).await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert!(world.rows(job) == rows, "other rows");
    assert!(report.notes.is_empty(), "{report:#?}");
    assert_eq!((report.command.as_str(), report.asked.requests, report.usd.as_str()), ("rebuild", 0, "0.00"));
    for (month, state) in world.ledger(job).await.0.partitions {
        assert_eq!(state.epoch, before[&month].epoch + 1);
        for (day, known) in state.days {
            assert_eq!(known.read_at, before[&month].days[&day].read_at, "asking was not done again");
        }
    }
    world.assert_right(job).await;
}

#[tokio::test]
async fn a_cost_explorer_table_of_several_pages() {
    comes_back(&cost_job(true)).await;
}

#[tokio::test]
async fn a_datadog_table_of_several_queries() {
    comes_back(&commitments_job(&["ri", "sp"])).await;
}

#[tokio::test]
async fn a_snapshot_with_reduced_account_answers() {
    comes_back(&config_job()).await;
}

#[tokio::test]
async fn nothing_is_written_where_the_object_holds_it_already() {
    let job = cost_job(true);
    let world = World::begun(&job).await;
    let (october, ledger) = (world.bytes(&job, "2026-10"), world.files("_costlake/cost/ledger"));
    let report = world.rebuild(&job).await;
    assert!(report.fetches.iter().all(|fetch| fetch.outcome == Outcome::Unchanged), "{report:#?}");
    assert_eq!(report.fetches.len(), 2);
    assert_eq!(world.bytes(&job, "2026-10"), october);
    assert_eq!(world.files("_costlake/cost/ledger"), ledger);
}

#[tokio::test]
async fn a_broken_object_is_written_anew() {
    let job = cost_job(true);
    let world = World::begun(&job).await;
    let rows = world.rows(&job);
    world.damage(&job, "2026-10", 0.2);
    let report = world.rebuild(&job).await;
    assert_eq!(report.objects_written, 1, "{report:#?}");
    assert!(world.rows(&job) == rows, "other rows");
    world.assert_right(&job).await;
}

#[tokio::test]
async fn without_a_ledger_the_newest_answer_wins() {
    let job = cost_job(true);
    let world = World::begun(&job).await;
    let old = world.rows(&job);
    world.set(LATER);
    world.run(&job).await;
    let rows = world.rows(&job);
    assert_ne!(rows["billing_period=2026-10"], old["billing_period=2026-10"], "the sandbox restates October");
    world.remove_all("cost");
    world.remove_all("_costlake/cost/ledger");
    let report = world.rebuild(&job).await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert!(world.rows(&job) == rows, "other rows");
}

#[tokio::test]
async fn an_answer_that_came_again_wins_over_the_one_in_between() {
    let job = cost_job(true);
    let world = World::begun(&job).await;
    let (first, last) = ("2026-10-20", "2026-10-31");
    let kept = || fs::read_dir(world.path("_costlake/cost/raw/2026-10")).expect("a folder").count();
    world.set(LATER);
    world.backfill(&job, first, last).await;
    world.set(EARLY);
    world.backfill(&job, first, last).await;
    assert_eq!(kept(), 2, "the third answer is the first one");
    let rows = world.rows(&job);
    fs::remove_file(world.object(&job, "2026-10")).expect("removed");
    world.rebuild(&job).await;
    assert!(world.rows(&job) == rows, "other rows");
}

#[tokio::test]
async fn days_without_answers_are_named() {
    let world = World::begun(&cost_job(false)).await;
    let job = cost_job(true);
    world.set(LATER);
    world.run(&job).await;
    let rows = world.rows(&job);
    let report = world.rebuild(&job).await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    assert!(report.notes.join("\n").contains("kept of 2026-10-20..2026-10-26: left as they are"), "{report:#?}");
    assert!(world.rows(&job) == rows, "days without answers stay");

    fs::remove_file(world.object(&job, "2026-10")).expect("removed");
    let report = world.rebuild(&job).await;
    let notes = report.notes.join("\n");
    assert!(notes.contains("kept of 2026-10-20..2026-10-26, and their objects are gone"), "{notes}");
    let of_last_days = |row: &&String| row.as_str() >= "2026-10-27";
    let expected: Vec<_> = rows["billing_period=2026-10"].iter().filter(of_last_days).cloned().collect();
    assert!(!expected.is_empty() && expected.len() < rows["billing_period=2026-10"].len());
    assert_eq!(world.rows(&job)["billing_period=2026-10"], expected);
    let days = &world.ledger(&job).await.0.partitions["2026-10"].days;
    assert_eq!(days.len(), 5, "the ledger does not claim what is gone");
    world.assert_right(&job).await;
}

#[tokio::test]
async fn a_job_without_kept_answers_is_told_so() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let report = world.rebuild(&job).await;
    assert_eq!(report.exit_code, 2);
    assert!(report.failure.is_some_and(|failure| failure.text.contains("lake.keep_raw")));
}

#[tokio::test]
async fn answers_are_never_read_for_another_query() {
    let job = commitments_job(&["ri", "sp"]);
    let world = World::begun(&job).await;
    let rows = world.rows(&job);
    for queries in [["sp", "ri"].as_slice(), &["ri"], &["ri", "sp", "other"]] {
        let changed = commitments_job(queries);
        let report = world.rebuild(&changed).await;
        let notes: Vec<_> = report.fetches.iter().flat_map(|fetch| &fetch.notes).collect();
        assert!(notes.iter().all(|note| note.contains("is left out")) && !notes.is_empty(), "{report:#?}");
        assert!(world.rows(&job) == rows, "other rows");
    }
}

#[tokio::test]
async fn damaged_answers_are_refused_and_their_days_named() {
    let job = cost_job(true);
    let world = World::begun(&job).await;
    for (path, mut bytes) in world.files("_costlake/cost/raw/2026-10") {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        fs::write(path, bytes).expect("a write");
    }
    let report = world.rebuild(&job).await;
    let october = report.fetches.iter().find(|fetch| fetch.partition == "2026-10").expect("a report");
    assert!(october.notes.iter().any(|note| note.contains("damaged")), "{october:#?}");
    assert!(report.notes.iter().any(|note| note.contains("2026-10-20..2026-10-31")), "{report:#?}");
}

#[tokio::test]
async fn an_unreadable_object_is_not_overwritten() {
    let job = cost_job(true);
    let world = World::begun(&job).await;
    world.damage(&job, "2026-10", 0.999);
    let broken = world.bytes(&job, "2026-10");
    let report = world.rebuild(&job).await;
    assert_eq!(report.exit_code, 1, "{report:#?}");
    assert_eq!(world.bytes(&job, "2026-10"), broken);
}
