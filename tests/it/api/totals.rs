//! The API's totals: as the probe they show which days have changed, as control sums which rows may be committed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, after, day, dollars, page, two_days};
use crate::support::lake::sum;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::{Reply, Script};

const NOW: &str = "2026-11-03T06:00:00Z";
const FIRST: &str = "2026-11-01";
const SECOND: &str = "2026-11-02";

/// An ungrouped answer.
fn totals(days: &[(&str, &str)]) -> Value {
    let results: Vec<Value> = days
        .iter()
        .map(|(day, amount)| {
            json!({
                "TimePeriod": { "Start": day, "End": after(day) }, "Groups": [], "Estimated": true,
                "Total": { "UnblendedCost": dollars(amount) },
            })
        })
        .collect();
    json!({ "ResultsByTime": results, "DimensionValueAttributes": [] })
}

fn right_totals() -> Value {
    totals(&[(FIRST, "1.75"), (SECOND, "2")])
}

/// A lakehouse with one job that uses the probe.
fn house(control: &str) -> (Script, Lakehouse) {
    let script = Script::new().with_totals();
    let mut house = Lakehouse::new(script.url(), NOW);
    house.set("COSTLAKE_TEST_TIMEOUT_MS", "60000");
    let probing = format!("refresh = \"probe\"\ncontrol = \"{control}\"");
    house.job("costs", &DAILY.replace("refresh = \"billing-close\"", &probing));
    (script, house)
}

fn grouped(bodies: &[Value]) -> Vec<Reply> {
    bodies.iter().map(Reply::good).collect()
}

#[test]
fn nothing_due_is_one_question_and_no_object() {
    let (script, house) = house("enforce");
    script.then(grouped(&[right_totals(), two_days()]));
    assert_eq!(house.run_well()["asked"]["requests"], 2, "the probe and one page");
    let before = house.objects();
    script.then([Reply::good(&right_totals())]);
    let report = house.run_well();
    assert_eq!(
        (&report["asked"]["requests"], &report["usd"], report["fetches"].as_array().map(Vec::len)),
        (&json!(1), &json!("0.01"), Some(0))
    );
    assert_eq!(house.objects(), before);
    house.json(&["status", "--check"]).exits(0);
}

#[test]
fn only_the_day_whose_total_moved_is_read_again() {
    let (script, house) = house("enforce");
    script.then(grouped(&[right_totals(), two_days()]));
    house.run_well();
    let moved = page(&[day(SECOND, &[("EC2", "2"), ("Tax", "0.5")])], None);
    script.then(grouped(&[totals(&[(FIRST, "1.75"), (SECOND, "2.5")]), moved]));
    let report = house.run_well();
    assert_eq!(report["fetches"][0]["windows"], json!([SECOND]), "{report}");
    assert_eq!(house.rows("costs").len(), 4);
}

#[test]
fn an_estimate_flag_that_changes_is_a_move() {
    let (script, house) = house("enforce");
    script.then(grouped(&[right_totals(), two_days()]));
    house.run_well();
    let (mut probe, mut first) = (right_totals(), day(FIRST, &[("EC2", "1.5"), ("S3", "0.25")]));
    probe["ResultsByTime"][0]["Estimated"] = json!(false);
    first["Estimated"] = json!(false);
    script.then(grouped(&[probe, page(&[first], None)]));
    assert_eq!(house.run_well()["fetches"][0]["windows"], json!([FIRST]));
}

/// Rows that do not add up are requested three times, the totals four times; the day that agrees is committed.
#[track_caller]
fn is_refused(first_day: &[(&str, &str)]) {
    let (script, house) = house("enforce");
    let bad = page(&[day(FIRST, first_day), day(SECOND, &[("EC2", "2")])], None);
    script.then(grouped(&[right_totals()]));
    for _ in 0..3 {
        script.then(grouped(&[bad.clone(), totals(&[(FIRST, "1.75")])]));
    }
    let done = house.json(&["run"]);
    done.exits(1).says("2026-11-01 unblended_cost: the rows add up to").says("the API's total is 1.75");
    let days: BTreeSet<String> = house.rows("costs").iter().map(|row| row["usage_date"].clone()).collect();
    assert_eq!(days, BTreeSet::from([SECOND.to_owned()]), "only the day that agrees");
    let status = house.json(&["status"]).exits(0).document();
    assert_eq!(status["tables"][0]["days"][0]["state"], "unsettled", "{status}");
    script.then(grouped(&[right_totals(), page(&[day(FIRST, &[("EC2", "1.5"), ("S3", "0.25")])], None)]));
    house.run_well();
    let status = house.json(&["status"]).exits(0).document();
    assert_eq!(status["tables"][0]["days"][0]["state"], "estimated", "{status}");
}

#[test]
fn rows_that_are_dropped_are_refused() {
    is_refused(&[("EC2", "1.5")]);
}

#[test]
fn rows_that_are_doubled_are_refused() {
    is_refused(&[("EC2", "1.5"), ("S3", "0.25"), ("S4", "0.25")]);
}

#[test]
fn a_day_that_came_without_its_rows_is_refused() {
    is_refused(&[]);
}

#[test]
fn rows_that_moved_between_days_are_refused_although_the_sum_is_right() {
    let (script, house) = house("enforce");
    let bad = page(&[day(FIRST, &[("EC2", "1.5")]), day(SECOND, &[("EC2", "2"), ("S3", "0.25")])], None);
    script.then(grouped(&[right_totals()]));
    for _ in 0..3 {
        script.then(grouped(&[bad.clone(), right_totals()]));
    }
    house.json(&["run"]).exits(1).says("2026-11-01").says("2026-11-02");
    assert!(house.objects().is_empty(), "nothing agrees, nothing is written");
}

#[test]
fn data_that_moved_between_the_two_calls_are_taken_when_the_totals_follow() {
    let (script, house) = house("enforce");
    let newer = page(&[day(FIRST, &[("EC2", "1.5"), ("S3", "0.5")]), day(SECOND, &[("EC2", "2")])], None);
    script.then(grouped(&[right_totals(), newer, totals(&[(FIRST, "2")])]));
    house.run_well();
    assert_eq!(sum(&house.rows("costs"), "unblended_cost"), 4_000_000_000_000);
    script.then([Reply::good(&totals(&[(FIRST, "2"), (SECOND, "2")]))]);
    assert_eq!(house.run_well()["asked"]["requests"], 1, "the newer total is what the ledger knows");
}

#[test]
fn control_report_takes_the_rows_and_says_so() {
    let (script, house) = house("report");
    let bad = page(&[day(FIRST, &[("EC2", "1.5")]), day(SECOND, &[("EC2", "2")])], None);
    script.then(grouped(&[right_totals(), bad]));
    let report = house.run_well();
    assert!(report["fetches"][0]["notes"].to_string().contains("the API's total is 1.75"), "{report}");
    assert_eq!(house.rows("costs").len(), 2);
}

#[test]
fn jobs_of_one_account_share_the_question() {
    let sandbox = SandboxServer::new("2026-11-10T06:00:00Z", 1_000);
    let house = Lakehouse::new(&sandbox.url(), "2026-11-10T06:00:00Z");
    let job = |key: &str, metric: &str| {
        format!(
            "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\nmetrics = [\"{metric}\"]\n\
             group_by = [{{ dimension = \"{key}\" }}]\n[window]\nbegin = \"2026-11-01\"\n[limits]\nrequests_per_second = 1000\n"
        )
    };
    house.job("by_account", &job("LINKED_ACCOUNT", "UnblendedCost"));
    house.job("by_service", &job("SERVICE", "AmortizedCost"));
    let asked = || {
        let document = house.json(&["run"]).exits(0).document();
        document["jobs"]
            .as_array()
            .expect("jobs")
            .iter()
            .map(|job| job["asked"]["requests"].as_u64())
            .collect::<Vec<_>>()
    };
    let plan = house.json(&["plan"]).exits(0).document();
    let questions: Vec<_> =
        plan["jobs"].as_array().expect("jobs").iter().map(|job| job["totals_requests"].as_u64()).collect();
    assert_eq!(questions, [Some(1), Some(0)], "the plan prices the one question once");
    assert_eq!(asked(), [Some(2), Some(1)]);
    assert_eq!(asked(), [Some(1), Some(0)], "nothing due is one question for both");
}

/// If the API refuses the shared request of a run's jobs, each job sends its own: only the job with the refused metric
/// fails.
#[test]
fn a_refused_metric_fails_only_the_job_that_asks_for_it() {
    let script = Script::answering(|asked| match asked.json() {
        question if question["Metrics"].to_string().contains("NetUnblendedCost") => {
            Reply::fault("ValidationException", "NetUnblendedCost is not available here.")
        }
        _ if asked.is_for_totals() => Reply::good(&right_totals()),
        _ => Reply::good(&two_days()),
    })
    .with_totals();
    let house = Lakehouse::new(script.url(), NOW);
    let job = |metric: &str| {
        let job = DAILY.replace("refresh = \"billing-close\"", "refresh = \"probe\"");
        job.replace("[\"UnblendedCost\"]", &format!("[\"{metric}\"]"))
    };
    for (name, metric) in [("a_good", "UnblendedCost"), ("b_refused", "NetUnblendedCost"), ("c_good", "UnblendedCost")]
    {
        house.job(name, &job(metric));
    }
    let done = house.json(&["run"]);
    let document = done.exits(1).says("NetUnblendedCost is not available here.").document();
    let requests: Vec<_> = document["jobs"]
        .as_array()
        .expect("jobs")
        .iter()
        .map(|job| (job["job"].as_str().expect("a name").to_owned(), job["totals_asked"]["requests"].as_u64()))
        .collect();
    let totals: u64 = requests.iter().filter_map(|(_, count)| *count).sum();
    assert_eq!(totals, 3, "together, then once for each set of metrics: {document}");
    assert_eq!((house.rows("a_good").len(), house.rows("c_good").len()), (3, 3));
    assert_eq!(house.json(&["status", "a_good", "c_good", "--check"]).code, Some(0));
    let asked = script.take_asked();
    let metrics: Vec<_> =
        asked.iter().filter(|asked| asked.is_for_totals()).map(|asked| asked.json()["Metrics"].to_string()).collect();
    assert!(metrics[0].contains("NetUnblendedCost") && metrics[0].contains("\"UnblendedCost\""), "{metrics:?}");
}

/// A job's own request is charged, too: it is not sent beyond the budget.
#[test]
fn asking_alone_after_a_refusal_stays_within_the_budget() {
    let refuse = Reply::fault("ValidationException", "NetUnblendedCost is not available here.");
    let script = Script::new().with_totals();
    let house = Lakehouse::new(script.url(), NOW);
    let probing = DAILY.replace("refresh = \"billing-close\"", "refresh = \"probe\"");
    house.job("costs", &probing.replace("[limits]", "[budget]\nmax_requests_per_run = 1\n[limits]"));
    house.job("other", &probing.replace("[\"UnblendedCost\"]", "[\"NetUnblendedCost\"]"));
    script.then([refuse.clone(), refuse]);
    house.json(&["run"]).exits(4).says("the smallest step needs at least 2 requests: raise budget");
    assert_eq!(script.take_asked().len(), 2, "the one of both, and the other job's own");
}

/// Jobs without the probe share one request for control sums, with all their metrics; the plan and the run count it
/// once.
#[test]
fn jobs_that_probe_nothing_share_their_control_sums() {
    let sandbox = SandboxServer::new("2026-11-10T06:00:00Z", 1_000);
    let house = Lakehouse::new(&sandbox.url(), "2026-11-10T06:00:00Z");
    for (name, metric) in [("amortized", "AmortizedCost"), ("unblended", "UnblendedCost")] {
        let job = DAILY.replace("[\"UnblendedCost\"]", &format!("[\"{metric}\"]"));
        house.job(name, &job.replace("billing-close", "3 days"));
    }
    let numbers = |document: &Value, name: &str| -> Vec<Option<u64>> {
        document["jobs"].as_array().expect("jobs").iter().map(|job| job[name].as_u64()).collect()
    };
    let range = ["--from", "2026-11-01", "--to", "2026-11-09"];
    for arguments in [vec!["plan"], [&["backfill", "amortized", "unblended", "--dry-run"], &range[..]].concat()] {
        let plan = house.json(&arguments).exits(0).document();
        assert_eq!(numbers(&plan, "totals_requests"), [Some(1), Some(0)], "{plan}");
    }
    house.costlake(&["plan", "unblended"]).exits(0).says("totals to check them against");
    for arguments in [vec!["run"], [&["backfill", "amortized", "unblended"], &range[..]].concat()] {
        let before = sandbox.requests().cost_explorer;
        let done = house.json(&arguments).exits(0).document();
        let totals: Vec<_> =
            done["jobs"].as_array().expect("jobs").iter().map(|job| job["totals_asked"]["requests"].as_u64()).collect();
        assert_eq!(totals, [Some(1), Some(0)], "{done}");
        assert_eq!(sandbox.requests().cost_explorer - before, 3, "the totals, and a page each");
    }
}

/// Days that the API no longer has fail with the API's message; the days that it still has are read.
#[test]
fn days_beyond_the_history_fail_alone() {
    let sandbox = SandboxServer::new("2026-11-10T06:00:00Z", 1_000);
    let house = Lakehouse::new(&sandbox.url(), "2026-11-10T06:00:00Z");
    house.job("costs", &DAILY.replace("begin = \"2026-11-01\"", "begin = \"2025-08-01\""));
    let done = house.json(&["backfill", "costs", "--from", "2025-09-28", "--to", "2025-10-03"]);
    let report = done.exits(1).says("no totals of the days before 2025-10-01").report();
    let outcomes: Vec<_> = report["fetches"].as_array().expect("fetches").iter().map(|f| &f["outcome"]).collect();
    assert_eq!(outcomes, ["failed", "committed"], "{report}");
    house.json(&["verify", "--full"]).exits(0);
    let status = house.json(&["status"]).exits(0).document();
    let state = |day: &str| {
        let days = status["tables"][0]["days"].as_array().expect("days");
        days.iter().find(|found| found["day"] == day).expect("the day")["state"].clone()
    };
    assert_eq!(state("2025-09-28"), "out_of_reach", "asking for it does not make it a gap");
    assert_eq!(state("2025-10-02"), "settled");
}

/// Days before the history are refused for every metric, so no job requests them separately before the other days.
#[test]
fn days_beyond_the_history_are_not_asked_again_for_each_job() {
    let sandbox = SandboxServer::new("2026-11-10T06:00:00Z", 1_000);
    let house = Lakehouse::new(&sandbox.url(), "2026-11-10T06:00:00Z");
    let job = DAILY.replace("begin = \"2026-11-01\"", "begin = \"2025-08-01\"");
    house.job("amortized", &job.replace("[\"UnblendedCost\"]", "[\"AmortizedCost\"]"));
    house.job("unblended", &job);
    let done = house.json(&["backfill", "amortized", "unblended", "--from", "2025-09-28", "--to", "2025-10-03"]);
    let document = done.exits(1).document();
    assert_eq!(document["jobs"][0]["totals_asked"]["requests"], 2, "all days, then those inside: {document}");
}

/// The refused request is charged, too, so the next run needs budget for it.
#[test]
fn a_refused_question_for_totals_counts_in_what_a_run_needs() {
    let sandbox = SandboxServer::new("2026-11-10T06:00:00Z", 1_000);
    let house = Lakehouse::new(&sandbox.url(), "2026-11-10T06:00:00Z");
    let job = DAILY.replace("begin = \"2026-11-01\"", "begin = \"2025-08-01\"");
    let range = ["backfill", "costs", "--from", "2025-09-28", "--to", "2025-10-03"];
    let capped = |cap: u64| {
        house.job("costs", &job.replace("[limits]", &format!("[budget]\nmax_requests_per_run = {cap}\n[limits]")));
        house.costlake(&range)
    };
    capped(2).exits(4).says("the smallest step needs at least 3 requests: raise");
    assert_eq!((sandbox.requests().cost_explorer, house.objects().len()), (1, 0));
    capped(4).exits(4).says("shortened to 1 of 3 days");
    assert_eq!(house.objects().len(), 1, "two for totals, one for the refused days, one for the others");
}
