//! Hours, months, totals, tags and cost categories over the sandbox, each equal to the sandbox's own totals.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::lake::{Row, column, sum};
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const NOW: &str = "2026-11-10T06:00:00Z";

fn job(granularity: &str, group_by: &str, begin: &str) -> String {
    format!(
        "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"{granularity}\"\nmetrics = [\"UnblendedCost\"]\n\
         group_by = [{group_by}]\n[window]\nbegin = \"{begin}\"\nrefresh = \"3 days\"\n\
         [limits]\nrequests_per_second = 1000\n"
    )
}

/// Reads a table twice; returns its sandbox, lakehouse and rows.
#[track_caller]
fn read(granularity: &str, group_by: &str, begin: &str) -> (SandboxServer, Lakehouse, Vec<Row>) {
    let sandbox = SandboxServer::new(NOW, 200);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    house.job("table", &job(granularity, group_by, begin));
    house.run_well();
    let rows = house.rows("table");
    house.runs_again_without_writing();
    (sandbox, house, rows)
}

fn distinct<'r>(rows: &'r [Row], name: &str) -> BTreeSet<&'r str> {
    column(rows, name).into_iter().collect()
}

#[test]
fn hours_are_partitions_of_a_day() {
    let (sandbox, house, rows) = read("HOURLY", "{ dimension = \"SERVICE\" }", "2026-11-07");
    let folders = ["usage_date=2026-11-07", "usage_date=2026-11-08", "usage_date=2026-11-09"];
    assert_eq!(distinct(&rows, "partition"), folders.into());
    let hours = distinct(&rows, "period_start");
    assert_eq!((hours.len(), hours.first().copied()), (72, Some("2026-11-07T00:00:00Z")));
    let total = sandbox.total("HOURLY", "2026-11-07T00:00:00Z", "2026-11-10T00:00:00Z", "UnblendedCost");
    assert_eq!(sum(&rows, "unblended_cost"), total);
    assert_eq!(house.objects().len(), 3);
}

#[test]
fn months_are_read_whole() {
    let (sandbox, mut house, rows) = read("MONTHLY", "{ dimension = \"SERVICE\" }", "2026-09-01");
    assert_eq!(distinct(&rows, "usage_date"), ["2026-09-01", "2026-10-01", "2026-11-01"].into());
    let total = sandbox.total("MONTHLY", "2026-09-01", "2026-12-01", "UnblendedCost");
    assert_eq!(sum(&rows, "unblended_cost"), total);
    let open: Vec<Row> = rows.iter().filter(|row| row["usage_date"] == "2026-11-01").cloned().collect();
    assert_eq!(distinct(&open, "estimated"), ["true"].into());

    sandbox.set_now("2026-11-12T06:00:00Z");
    house.set("COSTLAKE_NOW", "2026-11-12T06:00:00Z");
    house.run_well();
    let after = house.rows("table");
    let settled =
        |rows: &[Row]| rows.iter().filter(|row| row["usage_date"].as_str() < "2026-11").cloned().collect::<Vec<_>>();
    assert_eq!(settled(&rows), settled(&after));
    assert_ne!(rows, after, "the open month grows");
    let november = sandbox.total("MONTHLY", "2026-11-01", "2026-12-01", "UnblendedCost");
    assert_eq!(sum(after.iter().filter(|row| row["usage_date"] == "2026-11-01"), "unblended_cost"), november);
    house.runs_again_without_writing();
}

#[test]
fn totals_are_a_row_a_day() {
    let (sandbox, _house, rows) = read("DAILY", "", "2026-10-30");
    assert_eq!((rows.len(), distinct(&rows, "usage_date").len()), (11, 11));
    assert_eq!(sum(&rows, "unblended_cost"), sandbox.total("DAILY", "2026-10-30", "2026-11-10", "UnblendedCost"));
    let columns: Vec<&str> = rows[0].keys().map(String::as_str).collect();
    assert_eq!(columns, ["currency", "estimated", "partition", "unblended_cost", "usage_date"]);
}

#[test]
fn tags_lose_their_key_and_nothing_else() {
    let (sandbox, _house, rows) = read("DAILY", "{ tag = \"team\" }, { tag = \"env\" }", "2026-11-05");
    let total = sandbox.total("DAILY", "2026-11-05", "2026-11-10", "UnblendedCost");
    assert_eq!(sum(&rows, "unblended_cost"), total);
    for name in ["tag_team", "tag_env"] {
        let values = distinct(&rows, name);
        assert!(values.contains("") && values.len() > 2, "{name}: {values:?}");
        assert!(values.iter().all(|value| !value.starts_with("team$") && !value.starts_with("env$")), "{values:?}");
    }
}

#[test]
fn cost_categories_and_accounts_go_together() {
    let group_by = "{ cost_category = \"Product\" }, { dimension = \"LINKED_ACCOUNT\" }";
    let (sandbox, _house, rows) = read("DAILY", group_by, "2026-11-05");
    let total = sandbox.total("DAILY", "2026-11-05", "2026-11-10", "UnblendedCost");
    assert_eq!(sum(&rows, "unblended_cost"), total);
    assert!(distinct(&rows, "cost_category_product").len() > 2);
    assert!(rows.iter().all(|row| row["linked_account"].len() == 12 && !row["linked_account_name"].is_empty()));
    assert!(rows.iter().any(|row| row["linked_account"].starts_with('0')), "leading zeros are kept");
}

#[test]
fn a_filter_narrows_the_table() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    let filter =
        "filter = { Not = { Dimensions = { Key = \"RECORD_TYPE\", Values = [\"Credit\", \"Refund\", \"Tax\"] } } }";
    let text = job("DAILY", "{ dimension = \"RECORD_TYPE\" }", "2026-11-01");
    house.job("all", &text);
    house.job("some", &text.replace("[window]", &format!("{filter}\n[window]")));
    let done = house.json(&["run"]);
    let codes: Vec<Value> =
        done.exits(0).document()["jobs"].as_array().expect("jobs").iter().map(|job| job["exit_code"].clone()).collect();
    assert_eq!(codes, [0, 0]);
    let (all, some) = (house.rows("all"), house.rows("some"));
    let left_out = ["Credit", "Refund", "Tax"];
    assert!(left_out.iter().any(|kind| distinct(&all, "record_type").contains(kind)));
    let kept: Vec<Row> = all.into_iter().filter(|row| !left_out.contains(&row["record_type"].as_str())).collect();
    assert_eq!(some, kept);
    house.runs_again_without_writing();
}
