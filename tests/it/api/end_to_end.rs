//! The four sources over the sandbox: complete, exact, restated as time passes, and nothing written without a change.

use std::collections::BTreeSet;

use crate::support::lake::{Row, column, sum};
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const BY_SERVICE: &str = r#"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost", "AmortizedCost", "NetUnblendedCost"]
group_by = [{ dimension = "SERVICE" }, { dimension = "USAGE_TYPE" }]
[window]
begin = "2026-10-25"
refresh = "billing-close"
[limits]
requests_per_second = 1000
"#;

const COMMITMENTS: &str = r#"
[source]
type = "datadog_commitments"
queries = [
    { provider = "aws", product = "ec2", commitment_type = "ri" },
    { provider = "aws", product = "ec2", commitment_type = "sp" },
]
[window]
begin = "2026-11-01"
refresh = "3 days"
[limits]
requests_per_second = 1000
"#;

const SAVINGS: &str = r#"
[source]
type = "datadog_savings"
queries = [{ provider = "aws", product = "ec2" }, { provider = "aws", product = "rds" }]
[window]
begin = "2026-11-01"
refresh = "3 days"
[limits]
requests_per_second = 1000
"#;

const CONFIG: &str = "[source]\ntype = \"datadog_ccm_config\"\n[limits]\nrequests_per_second = 1000\n";

const TENTH: &str = "2026-11-10T06:00:00Z";
const FOURTEENTH: &str = "2026-11-14T06:00:00Z";

fn open(job: &str, now: &str, page_groups: usize) -> (SandboxServer, Lakehouse) {
    let sandbox = SandboxServer::new(now, page_groups);
    let house = Lakehouse::new(&sandbox.url(), now);
    house.job("table", job);
    (sandbox, house)
}

fn move_clock(sandbox: &SandboxServer, house: &mut Lakehouse, now: &str) {
    sandbox.set_now(now);
    house.set("COSTLAKE_NOW", now);
}

fn days(rows: &[Row]) -> Vec<&str> {
    column(rows, "usage_date").into_iter().collect::<BTreeSet<_>>().into_iter().collect()
}

fn of_days(rows: &[Row], from: &str, to: &str) -> Vec<Row> {
    rows.iter().filter(|row| (from..to).contains(&row["usage_date"].as_str())).cloned().collect()
}

/// Every day of the table adds up to the sandbox's total, digit for digit.
#[track_caller]
fn adds_up(sandbox: &SandboxServer, rows: &[Row]) {
    for (column, metric) in [("unblended_cost", "UnblendedCost"), ("amortized_cost", "AmortizedCost")] {
        for day in days(rows) {
            let end = crate::support::cost_explorer::after(day);
            let total = sandbox.total("DAILY", day, &end, metric);
            assert_eq!(sum(rows.iter().filter(|row| row["usage_date"] == day), column), total, "{metric} of {day}");
            assert_ne!(total, 0);
        }
    }
}

#[test]
fn costs_are_complete_and_exact_and_follow_restatements() {
    let (sandbox, mut house) = open(BY_SERVICE, TENTH, 150);
    let report = house.run_well();
    assert!(report["asked"]["pages"].as_u64() > Some(4), "the sandbox pages unkindly: {report}");
    let before = house.rows("table");
    assert_eq!((days(&before).len(), days(&before)[0], days(&before)[15]), (16, "2026-10-25", "2026-11-09"));
    adds_up(&sandbox, &before);
    house.runs_again_without_writing();

    move_clock(&sandbox, &mut house, FOURTEENTH);
    house.run_well();
    let after = house.rows("table");
    assert_eq!(days(&after).len(), 20);
    adds_up(&sandbox, &after);
    let first = |rows: &[Row]| of_days(rows, "2026-11-01", "2026-11-02");
    assert_ne!(first(&before), first(&after), "tax grows on the 1st");
    house.runs_again_without_writing();
}

#[test]
fn days_that_are_not_read_again_are_kept_exactly() {
    let (sandbox, mut house) = open(&BY_SERVICE.replace("\"billing-close\"", "\"6 days\""), TENTH, 1_000);
    house.run_well();
    let (before, objects) = (house.rows("table"), house.objects());
    house.runs_again_without_writing();
    move_clock(&sandbox, &mut house, FOURTEENTH);
    house.run_well();
    let after = house.rows("table");
    let kept = |rows: &[Row]| of_days(rows, "2026-10-25", "2026-11-08");
    assert_eq!(kept(&before), kept(&after), "days before the refreshed ones are kept");
    assert_ne!(sum(&of_days(&after, "2026-11-01", "2026-11-02"), "unblended_cost"), {
        sandbox.total("DAILY", "2026-11-01", "2026-11-02", "UnblendedCost")
    });
    let restated = |rows: &[Row]| of_days(rows, "2026-11-09", "2026-11-10");
    assert_ne!(restated(&before), restated(&after), "the last day was half known");
    adds_up(&sandbox, &of_days(&after, "2026-11-08", "2026-12-01"));
    let changed = house.objects().into_iter().filter(|(path, object)| objects.get(path) != Some(object)).count();
    assert_eq!(changed, 1, "October is not written again");
    house.runs_again_without_writing();
}

#[test]
fn commitments_have_every_day_and_keep_old_ones() {
    let (sandbox, mut house) = open(COMMITMENTS, TENTH, 1_000);
    house.run_well();
    let before = house.rows("table");
    assert_eq!(days(&before).len(), 9);
    assert_eq!(column(&before, "commitment_type").into_iter().collect::<BTreeSet<_>>(), ["ri", "sp"].into());
    house.runs_again_without_writing();
    move_clock(&sandbox, &mut house, "2026-11-12T06:00:00Z");
    house.run_well();
    let after = house.rows("table");
    assert_eq!(days(&after).len(), 11);
    // The 8th was read on the 10th, a day before it was final, and there was no run the night after.
    let kept = |rows: &[Row]| of_days(rows, "2026-11-01", "2026-11-08");
    assert_eq!(kept(&before), kept(&after));
    house.runs_again_without_writing();
}

#[test]
fn a_query_more_is_read_for_all_days() {
    let (_sandbox, house) = open(COMMITMENTS, TENTH, 1_000);
    house.run_well();
    let more = "    { provider = \"aws\", product = \"rds\", commitment_type = \"ri\" },\n]";
    house.job("table", &COMMITMENTS.replacen("\n]", &format!("\n{more}"), 1));
    house.json(&["status", "--check"]).exits(6);
    house.run_well();
    let rows: Vec<Row> = house.rows("table").into_iter().filter(|row| row["product"] == "rds").collect();
    assert_eq!(days(&rows).len(), 9, "days read without the new query are read again");
    house.runs_again_without_writing();
}

#[test]
fn savings_agree_with_their_parts() {
    let (sandbox, mut house) = open(SAVINGS, TENTH, 1_000);
    house.run_well();
    let before = house.rows("table");
    assert_eq!((before.len(), days(&before).len()), (18, 9));
    for row in &before {
        let number = |name: &str| row[name].parse::<f64>().expect("a number");
        let parts = number("on_demand_equivalent_cost") - number("actual_cost");
        assert!((parts - number("realized_savings")).abs() < 1e-6, "{row:?}");
    }
    house.runs_again_without_writing();
    move_clock(&sandbox, &mut house, "2026-11-12T06:00:00Z");
    house.run_well();
    let after = house.rows("table");
    assert_eq!(days(&after).len(), 11);
    assert_eq!(of_days(&before, "2026-11-01", "2026-11-08"), of_days(&after, "2026-11-01", "2026-11-08"));
    house.runs_again_without_writing();
}

#[test]
fn a_snapshot_adds_a_day_a_day() {
    let (sandbox, mut house) = open(CONFIG, TENTH, 1_000);
    house.run_well();
    let before = house.rows("table");
    assert_eq!(days(&before), ["2026-11-10"]);
    let configured = column(&before, "configured").into_iter().collect::<BTreeSet<_>>();
    assert_eq!(configured, ["false", "true"].into(), "accounts without an export are rows, too");
    house.runs_again_without_writing();
    move_clock(&sandbox, &mut house, FOURTEENTH);
    house.run_well();
    let after = house.rows("table");
    assert_eq!(days(&after), ["2026-11-10", "2026-11-14"]);
    assert_eq!(of_days(&before, "2026-11-10", "2026-11-11"), of_days(&after, "2026-11-10", "2026-11-11"));
    house.json(&["status", "--check"]).exits(0);
    house.runs_again_without_writing();
}
