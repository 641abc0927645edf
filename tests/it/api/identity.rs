//! One table, one fingerprint: a job whose definition differs from the table's is refused, with the way to fix it.

use serde_json::json;

use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

/// A table that was read once, as account 111111111111.
fn read_once() -> (Script, Lakehouse) {
    let script = Script::new();
    let mut house = Lakehouse::new(script.url(), NOW);
    house.set("AWS_ACCOUNT_ID", "111111111111");
    house.job("costs", DAILY);
    script.then([Reply::good(&two_days())]);
    house.run_well();
    script.take_asked();
    (script, house)
}

/// The next run is refused without a request; the old definition continues to work.
#[track_caller]
fn refused(script: &Script, house: &Lakehouse, code: i32, words: &[&str]) {
    let before = house.objects();
    let done = house.json(&["run"]);
    for words in words {
        done.exits(code).says(words);
    }
    assert!(script.take_asked().is_empty(), "something was asked: {done}");
    assert_eq!(house.objects(), before);
}

#[test]
fn credentials_of_another_account_are_refused() {
    let (script, mut house) = read_once();
    house.set("AWS_ACCOUNT_ID", "222222222222");
    refused(&script, &house, 3, &["belongs to AWS account 111111111111", "222222222222", "what to do:"]);
    house.set("AWS_ACCOUNT_ID", "111111111111");
    script.then([Reply::good(&two_days())]);
    house.runs_again_without_writing();
}

#[test]
fn an_account_that_is_not_told_is_no_other_account() {
    let (script, mut house) = read_once();
    house.unset("AWS_ACCOUNT_ID");
    script.then([Reply::good(&two_days())]);
    house.runs_again_without_writing();
    script.take_asked();
    house.set("AWS_ACCOUNT_ID", "222222222222");
    refused(&script, &house, 3, &["111111111111", "222222222222"]);
}

#[test]
fn an_account_that_is_told_later_is_remembered() {
    let (script, mut house) = (Script::new(), Lakehouse::new("", NOW));
    house.set("AWS_ENDPOINT_URL_COST_EXPLORER", script.url());
    house.job("costs", DAILY);
    for account in [None, Some("111111111111")] {
        if let Some(account) = account {
            house.set("AWS_ACCOUNT_ID", account);
        }
        script.then([Reply::good(&two_days())]);
        house.run_well();
    }
    script.take_asked();
    house.set("AWS_ACCOUNT_ID", "222222222222");
    refused(&script, &house, 3, &["111111111111", "222222222222"]);
}

#[test]
fn a_job_that_asks_for_something_else_is_refused_with_the_way_out() {
    let (script, house) = read_once();
    for (from, to, words) in [
        ("[\"UnblendedCost\"]", "[\"BlendedCost\", \"ListCost\"]", "to BlendedCost,ListCost"),
        ("\"SERVICE\"", "\"REGION\"", "DIMENSION:REGION"),
        ("DAILY", "MONTHLY", "granularity changed from DAILY to MONTHLY"),
        ("[window]", "filter = { Tags = { Key = \"a\", Values = [\"b\"] } }\n[window]", "filter"),
    ] {
        house.job("costs", &DAILY.replacen(from, to, 1));
        let shared = ["no longer matches its table", "give the changed job a new name"];
        let check = house.json(&["status", "--check"]);
        check.exits(6).says("costs: runs of this job are refused: job `costs`").says(shared[1]).says(words);
        assert!(check.document()["tables"][0]["notes"].to_string().contains("every run of this job is refused: job"));
        refused(&script, &house, 2, &[shared[0], shared[1], words]);
    }
    house.job("costs", DAILY);
    house.json(&["status", "--check"]).hides("refused");
    script.then([Reply::good(&two_days())]);
    house.runs_again_without_writing();
}

#[test]
fn the_order_of_metrics_and_the_refresh_rule_are_no_identity() {
    let script = Script::new();
    let house = Lakehouse::new(script.url(), NOW);
    let text = |metrics: &str| DAILY.replace("[\"UnblendedCost\"]", metrics);
    let mut answer = two_days();
    for result in answer["ResultsByTime"].as_array_mut().expect("results") {
        for group in result["Groups"].as_array_mut().expect("groups") {
            group["Metrics"]["BlendedCost"] = json!({ "Amount": "1", "Unit": "USD" });
        }
    }
    house.job("costs", &text("[\"UnblendedCost\", \"BlendedCost\"]"));
    script.then([Reply::good(&answer)]);
    house.run_well();
    house.job("costs", &text("[\"BlendedCost\", \"UnblendedCost\"]").replace("\"billing-close\"", "\"9 days\""));
    script.then([Reply::good(&answer)]);
    house.runs_again_without_writing();
}
