//! Repair fixes objects that are missing, behind, ahead or broken, and leaves objects that are not costlake's.

use std::fs;

use costlake::job::Job;
use costlake::maintenance::verify::Depth;

use super::damage::forget_since;
use super::world::{LATER, World, config_job, cost_job, open};

#[tokio::test]
async fn a_missing_object_is_read_again_and_no_other() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let (rows, november) = (world.rows(&job), world.bytes(&job, "2026-11"));
    let (epoch, asked) = (world.footer(&job, "2026-10").epoch, world.sandbox.requests().cost_explorer);
    fs::remove_file(world.object(&job, "2026-10")).expect("removed");
    let checked = world.repair(&job, Depth::Footers).await;
    assert_eq!(open(&checked), Vec::<String>::new(), "{checked:#?}");
    assert!(checked.findings.len() == 1 && checked.findings[0].repaired, "{checked:#?}");
    assert!(world.sandbox.requests().cost_explorer > asked);
    assert!(world.rows(&job) == rows, "other rows");
    assert_eq!(world.footer(&job, "2026-10").epoch, epoch + 1, "epochs only rise");
    assert_eq!(world.bytes(&job, "2026-11"), november);
    world.assert_right(&job).await;
}

#[tokio::test]
async fn a_whole_table_comes_back_in_one_run() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let rows = world.rows(&job);
    world.remove_all("cost");
    let checked = world.repair(&job, Depth::Footers).await;
    assert_eq!((open(&checked).len(), checked.runs.len()), (0, 1), "{checked:#?}");
    assert!(world.rows(&job) == rows, "other rows");
}

#[tokio::test]
async fn what_is_ahead_is_taken_over_without_a_request() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let ledger = world.files("_costlake/cost/ledger");
    world.set(LATER);
    world.run(&job).await;
    let known = world.ledger(&job).await.0.partitions;
    forget_since(&world, &ledger);
    let (asked, rows) = (world.sandbox.requests(), world.rows(&job));
    let checked = world.repair(&job, Depth::Footers).await;
    assert_eq!((open(&checked).len(), checked.findings.len()), (0, 2), "{checked:#?}");
    assert_eq!(world.sandbox.requests(), asked);
    assert!(world.rows(&job) == rows, "other rows");
    for (month, state) in world.ledger(&job).await.0.partitions {
        assert_eq!(state.epoch, known[&month].epoch);
        assert_eq!(state.days.keys().collect::<Vec<_>>(), known[&month].days.keys().collect::<Vec<_>>());
    }
    world.assert_right(&job).await;
}

#[tokio::test]
async fn a_broken_page_is_written_anew_although_the_footer_says_all_is_well() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let (rows, epoch) = (world.rows(&job), world.footer(&job, "2026-10").epoch);
    world.damage(&job, "2026-10", 0.2);
    let checked = world.repair(&job, Depth::Rows).await;
    assert_eq!(open(&checked), Vec::<String>::new(), "{checked:#?}");
    assert!(world.rows(&job) == rows, "other rows");
    assert_eq!(world.footer(&job, "2026-10").epoch, epoch + 1);
    world.assert_right(&job).await;
}

#[tokio::test]
async fn a_broken_page_is_no_generation_to_keep() {
    let text = r#"
        source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
        window = { begin = "2026-10-20" }
        lake = { keep_history = true }
        "#;
    let job = super::world::parse("cost", text);
    let world = World::begun(&job).await;
    world.damage(&job, "2026-10", 0.2);
    assert_eq!(open(&world.repair(&job, Depth::Rows).await), Vec::<String>::new());
    assert!(!world.path("_costlake/cost/history").exists());
}

#[tokio::test]
async fn an_old_copy_is_replaced_above_the_newest_generation() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let old = world.bytes(&job, "2026-10");
    world.set(LATER);
    world.backfill(&job, "2026-10-20", "2026-10-31").await;
    let (rows, epoch) = (world.rows(&job), world.footer(&job, "2026-10").epoch);
    fs::write(world.object(&job, "2026-10"), old).expect("put back");
    let checked = world.repair(&job, Depth::Footers).await;
    assert_eq!(open(&checked), Vec::<String>::new(), "{checked:#?}");
    assert!(world.rows(&job) == rows, "other rows");
    assert_eq!(world.footer(&job, "2026-10").epoch, epoch + 1);
}

#[tokio::test]
async fn an_unreadable_object_is_left_and_mended_once_it_is_out_of_the_way() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let rows = world.rows(&job);
    world.damage(&job, "2026-10", 0.999);
    let (broken, asked) = (world.bytes(&job, "2026-10"), world.sandbox.requests());
    let checked = world.repair(&job, Depth::Footers).await;
    assert_eq!(open(&checked).len(), 1, "{checked:#?}");
    assert_eq!(world.bytes(&job, "2026-10"), broken);
    assert_eq!(world.sandbox.requests(), asked);
    fs::rename(world.object(&job, "2026-10"), world.path("broken.parquet")).expect("moved");
    assert_eq!(open(&world.repair(&job, Depth::Footers).await), Vec::<String>::new());
    assert!(world.rows(&job) == rows, "other rows");
}

#[tokio::test]
async fn foreign_files_are_left_and_everything_else_is_mended() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let second = world.path("cost/billing_period=2026-10/part-0.parquet");
    fs::copy(world.object(&job, "2026-10"), &second).expect("a copy");
    let bytes = fs::read(&second).expect("a file");
    fs::remove_file(world.object(&job, "2026-10")).expect("removed");
    let checked = world.repair(&job, Depth::Footers).await;
    assert_eq!(open(&checked), ["billing_period=2026-10/part-0.parquet foreign"]);
    assert_eq!(fs::read(&second).expect("a file"), bytes);
    assert!(world.object(&job, "2026-10").exists());
}

#[tokio::test]
async fn a_lost_ledger_is_written_again() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    world.remove_all("_costlake/cost/ledger");
    let asked = world.sandbox.requests();
    world.repair(&job, Depth::Footers).await;
    let (ledger, notes) = world.ledger(&job).await;
    assert_eq!((ledger.partitions.len(), notes.len()), (2, 0), "{notes:?}");
    assert_eq!(world.sandbox.requests(), asked);
}

#[tokio::test]
async fn a_broken_object_is_read_again_whole_or_not_at_all() {
    let mut job = cost_job(false);
    let world = World::begun(&job).await;
    job.budget.max_requests_per_run = Some(1);
    world.damage(&job, "2026-10", 0.2);
    let (broken, asked) = (world.bytes(&job, "2026-10"), world.sandbox.requests());
    let checked = world.repair(&job, Depth::Rows).await;
    assert_eq!(open(&checked).len(), 1);
    let advice = &checked.findings[0].advice;
    assert!(advice.contains("--repair") && !advice.contains("rebuild"), "no answers are kept: {advice}");
    assert_eq!(checked.runs.first().map(|run| run.exit_code), Some(4), "{checked:#?}");
    assert_eq!(world.bytes(&job, "2026-10"), broken);
    assert_eq!(world.sandbox.requests(), asked, "nothing is spent on what cannot be finished");
}

/// A table that has learnt the size of its days from October: which fetch of the first run ends last is chance.
async fn begun_with_october_last(job: &Job) -> World {
    let world = World::begun(job).await;
    world.backfill(job, "2026-10-20", "2026-10-31").await;
    world
}

#[tokio::test]
async fn the_room_that_a_broken_object_needs_is_named() {
    let mut job = cost_job(false);
    let world = begun_with_october_last(&job).await;
    world.damage(&job, "2026-10", 0.2);
    // A page of totals and three of rows.
    for cap in 1..4 {
        job.budget.max_requests_per_run = Some(cap);
        let checked = world.repair(&job, Depth::Rows).await;
        let failures = checked.runs[0].failures();
        assert!(failures[0].1.text.contains("at least 4 requests"), "{cap}: {failures:#?}");
    }
    job.budget.max_requests_per_run = Some(4);
    assert_eq!(world.repair(&job, Depth::Rows).await.runs[0].exit_code, 0);
    world.assert_right(&job).await;
}

/// Two broken objects: October takes three pages, November one, and the totals of both one more. If the next run fits
/// into the cap, the error does not suggest raising it.
#[tokio::test]
async fn what_is_left_of_the_budget_mends_one_object_after_the_other() {
    for (cap, words) in [(2, "at least 4 requests"), (4, "the next run goes on from here")] {
        let mut job = cost_job(false);
        let world = begun_with_october_last(&job).await;
        world.damage(&job, "2026-10", 0.2);
        world.damage(&job, "2026-11", 0.2);
        job.limits.fetches_in_flight = 1;
        job.budget.max_requests_per_run = Some(cap);
        let checked = world.repair(&job, Depth::Rows).await;
        let failures = checked.runs[0].failures();
        assert_eq!((checked.runs[0].exit_code, failures.len()), (4, 1), "{cap}: {checked:#?}");
        assert!(failures[0].1.text.contains(words), "{cap}: {:#?}", checked.runs[0]);
        job.budget.max_requests_per_run = Some(5);
        assert_eq!(world.repair(&job, Depth::Rows).await.runs[0].exit_code, 0, "{cap}");
        world.assert_right(&job).await;
    }
}

#[tokio::test]
async fn a_snapshots_past_is_not_asked_for_again() {
    let job = config_job();
    let world = World::begun(&job).await;
    fs::remove_file(world.object(&job, "2026-11")).expect("removed");
    let asked = world.sandbox.requests();
    let checked = world.repair(&job, Depth::Footers).await;
    assert_eq!(open(&checked).len(), 1);
    let advice = &checked.findings[0].advice;
    assert!(advice.contains("costlake rebuild config") && advice.contains("tells only today's state"), "{checked:#?}");
    assert_eq!(world.sandbox.requests(), asked, "today's state is not the past's");
}
