//! Misplaced objects, and rebuilds that must not happen from incomplete raw responses.

use std::fs;

use costlake::job::Job;
use costlake::maintenance::verify::{Depth, verify};
use costlake::report::{JobReport, Outcome};

use super::damage::forget_since;
use super::world::{EARLY, LATER, World, commitments_job, cost_job, open, parse};

const OCTOBER: &str = "billing_period=2026-10/data.parquet";

/// The cost job with more keys in its TOML tables.
fn job_with(lake: &str, more: &str) -> Job {
    let text = format!(
        r#"
        source = {{ type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost", "UsageQuantity"], group_by = [{{ dimension = "SERVICE" }}] }}
        window = {{ begin = "2026-10-20", refresh = "8 days" }}
        lake = {{ {lake} }}
        {more}
        "#
    );
    parse("cost", &text)
}

fn failures(report: &JobReport) -> String {
    report.failures().iter().map(|(_, failure)| failure.text.clone()).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn answers_are_not_laid_over_another_partitions_object() {
    let job = cost_job(true);
    let world = World::begun(&job).await;
    let october = world.bytes(&job, "2026-10");
    fs::write(world.object(&job, "2026-11"), &october).expect("a write");
    let report = world.rebuild(&job).await;
    assert!(failures(&report).contains("belongs to another table or partition"), "{report:#?}");
    assert_eq!(world.bytes(&job, "2026-11"), october, "nothing is written over it");

    let other = World::begun(&job_with(
        "keep_raw = true",
        "aws = { billing_view_arn = \"arn:aws:billing::000000000001:billingview/x\" }",
    ))
    .await;
    fs::write(world.object(&job, "2026-11"), other.bytes(&job, "2026-11")).expect("a write");
    let report = world.rebuild(&job).await;
    assert!(failures(&report).contains("belongs to another table or partition"), "{report:#?}");
}

#[tokio::test]
async fn a_ledger_that_was_lost_leaves_objects_in_wrong_folders_out() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    fs::create_dir(world.path("cost/billing_period=2026-12")).expect("a folder");
    fs::copy(world.object(&job, "2026-10"), world.object(&job, "2026-12")).expect("a copy");
    fs::write(world.path("cost/readme.txt"), "mine").expect("a file");
    world.remove_all("_costlake/cost/ledger");
    let (ledger, notes) = world.ledger(&job).await;
    assert_eq!(ledger.partitions.keys().collect::<Vec<_>>(), ["2026-10", "2026-11"]);
    let left_out = "cost/billing_period=2026-12/data.parquet is left out of the ledger";
    assert!(notes.iter().any(|note| note.contains(left_out)), "{notes:?}");
}

#[tokio::test]
async fn what_cannot_be_read_and_nobody_knows_is_somebody_elses() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    fs::create_dir(world.path("cost/billing_period=2026-12")).expect("a folder");
    fs::write(world.object(&job, "2026-12"), "no Parquet").expect("a file");
    let checked = world.repair(&job, Depth::Rows).await;
    assert_eq!(open(&checked), ["billing_period=2026-12/data.parquet foreign"], "{checked:#?}");
    assert_eq!(world.bytes(&job, "2026-12"), b"no Parquet");
}

#[tokio::test]
async fn a_datadog_table_without_its_record_is_known_by_its_site() {
    let job = commitments_job(&["ri"]);
    let world = World::begun(&job).await;
    fs::remove_file(world.path("_costlake/commitments/table.json")).expect("removed");
    let checked = world.verify(&job, Depth::Rows).await;
    assert_eq!((open(&checked), checked.right), (Vec::new(), 2), "{checked:#?}");
    let rows: usize = world.rows(&job).values().map(Vec::len).sum();
    assert_eq!((checked.rows, checked.full), (rows as u64, true));
    assert!(!world.verify(&job, Depth::Footers).await.full);
    assert!(checked.notes.iter().any(|note| note.contains("no record of what it holds")), "{checked:#?}");
}

#[tokio::test]
async fn a_broken_object_whose_days_were_not_all_kept_is_left() {
    let world = World::begun(&cost_job(false)).await;
    let job = cost_job(true);
    world.set(LATER);
    world.run(&job).await;
    world.damage(&job, "2026-10", 0.2);
    let broken = world.bytes(&job, "2026-10");
    let report = world.rebuild(&job).await;
    assert!(failures(&report).contains("kept answers do not cover all of its days"), "{report:#?}");
    assert_eq!(world.bytes(&job, "2026-10"), broken);
}

#[tokio::test]
async fn an_object_ahead_of_the_ledger_is_taken_over_before_answers_are_laid_over_it() {
    let job = cost_job(true);
    let world = World::begun(&job).await;
    let ledger = world.files("_costlake/cost/ledger");
    world.set(LATER);
    world.run(&job).await;
    let (rows, known) = (world.rows(&job), world.ledger(&job).await.0.partitions);
    forget_since(&world, &ledger);
    let report = world.rebuild(&job).await;
    assert!(report.fetches.iter().all(|fetch| fetch.outcome == Outcome::Unchanged), "{report:#?}");
    assert!(world.rows(&job) == rows, "other rows");
    for (month, state) in world.ledger(&job).await.0.partitions {
        assert_eq!((state.epoch, state.bytes), (known[&month].epoch, known[&month].bytes), "{month}");
    }
}

#[tokio::test]
async fn what_answers_are_laid_over_is_kept_where_the_job_says_so() {
    let job = job_with("keep_raw = true", "");
    let world = World::begun(&job).await;
    let old = world.bytes(&job, "2026-11");
    world.set(LATER);
    world.run(&job).await;
    let days: Vec<_> = world.footer(&job, "2026-11").days.into_keys().collect();
    fs::write(world.object(&job, "2026-11"), &old).expect("put back");
    world.remove_all("_costlake/cost/ledger");
    let report = world.rebuild(&job_with("keep_raw = true, keep_history = true", "")).await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let footer = world.footer(&job, "2026-11");
    assert_eq!((footer.epoch, footer.days.into_keys().collect()), (2, days), "days that the old object did not have");
    let kept = world.files("_costlake/cost/history/2026-11");
    assert_eq!(kept.into_values().collect::<Vec<_>>(), std::slice::from_ref(&old));

    fs::remove_dir_all(world.path("_costlake/cost/history")).expect("removed");
    fs::write(world.object(&job, "2026-11"), &old).expect("put back");
    world.remove_all("_costlake/cost/ledger");
    assert_eq!(world.rebuild(&job).await.objects_written, 1);
    assert!(!world.path("_costlake/cost/history").exists(), "a job that does not say so keeps nothing");
}

#[tokio::test]
async fn a_kept_generation_under_another_name_is_found_and_not_believed() {
    let job = job_with("keep_history = true", "");
    let world = World::begun(&job).await;
    world.set(LATER);
    world.run(&job).await;
    let name = |epoch: u64| format!("_costlake/cost/history/2026-10/{epoch:020}.parquet");
    let first = fs::read(world.path(&name(1))).expect("the first generation");
    world.assert_right(&job).await;
    fs::write(world.path(&name(7)), &first).expect("a copy");
    // A run that died between keeping a generation and replacing it leaves this.
    fs::copy(world.object(&job, "2026-10"), world.path(&name(2))).expect("a copy");
    fs::create_dir_all(world.path("_costlake/cost/history/2026-11")).expect("a folder");
    fs::write(world.path(&name(1).replace("2026-10", "2026-11")), &first).expect("a copy");
    fs::write(world.path(&name(8)), &first[..first.len() / 2]).expect("a half");
    let checked = world.verify(&job, Depth::Rows).await;
    let found: Vec<_> = checked.open().map(|found| format!("{} {}", found.key, found.defect.name())).collect();
    let eleven = name(1).replace("2026-10", "2026-11");
    let expected = [format!("{} foreign", name(7)), format!("{} corrupt", name(8)), format!("{eleven} foreign")];
    assert_eq!(found, expected, "{checked:#?}");
    world.remove_all("_costlake/cost/ledger");
    let (ledger, notes) = world.ledger(&job).await;
    let left_out: Vec<_> = notes.iter().filter(|note| note.contains("is left out of the history")).collect();
    assert_eq!(left_out.len(), 3, "{notes:?}");
    let history = &ledger.partitions["2026-10"].history;
    assert!(history.generations.keys().all(|epoch| *epoch <= 2), "{history:?}");
}

#[tokio::test]
async fn a_repair_that_the_budget_would_shorten_is_left_undone_and_unpaid() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let rows = world.rows(&job);
    world.damage(&job, "2026-10", 0.2);
    world.damage(&job, "2026-11", 0.2);
    let broken = world.bytes(&job, "2026-10");
    let mut refused = 0;
    for cap in 1..40 {
        let job = job_with("keep_raw = false", &format!("budget = {{ max_requests_per_run = {cap} }}"));
        let checked = world.repair(&job, Depth::Rows).await;
        if open(&checked).is_empty() {
            break;
        }
        if !open(&checked).contains(&format!("{OCTOBER} corrupt")) {
            continue;
        }
        assert_eq!(world.bytes(&job, "2026-10"), broken, "the rows of the other days cannot be kept: {cap}");
        let fetches = checked.runs.iter().flat_map(|run| &run.fetches);
        let paid: u64 =
            fetches.filter(|fetch| fetch.partition == "2026-10").map(|fetch| fetch.asked.charged_pages).sum();
        assert_eq!(paid, 0, "what cannot be committed is not asked for: {cap}");
        refused += 1;
    }
    assert!(refused > 1, "{refused} budgets were too small");
    assert!(world.rows(&job) == rows, "other rows");
    world.assert_right(&job).await;
}

#[tokio::test]
async fn the_demos_bill_and_a_real_one_are_not_laid_over_each_other() {
    let job = cost_job(false);
    let world = World::begun(&job).await;
    let file = world.path("_costlake/cost/table.json");
    let text = fs::read_to_string(&file).expect("a record");
    let mut record: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let pairs = record["fingerprint"].as_array_mut().expect("pairs");
    pairs.retain(|pair| pair[0] != "figures");
    fs::write(&file, record.to_string()).expect("a write");
    world.set(LATER);
    let before = (world.rows(&job), world.sandbox.requests());
    let ask = costlake::plan::Ask::Due;
    let report = costlake::pipeline::run_job(&world.context(), &job, "run", ask).await;
    assert_eq!(report.exit_code, 2, "{report:#?}");
    let text = failures(&report);
    assert!(text.contains("holds real data, and a sandbox is asked") && text.contains("another --lake"), "{text}");
    assert!((world.rows(&job), world.sandbox.requests()) == before, "something was asked or written");
    world.set(EARLY);
    assert!(verify(&world.context(), &job, Depth::Rows).await.is_ok(), "looking costs nothing and is allowed");
}
