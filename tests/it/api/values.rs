//! `costlake values`: what can stand in a grouping or a filter.

use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

const NOW: &str = "2026-11-03T06:00:00Z";

fn house(api: &Script) -> Lakehouse {
    Lakehouse::new(api.url(), NOW)
}

#[test]
fn values_of_all_pages_are_listed_once_and_priced() {
    let api = Script::new();
    api.then([Reply::new(200, r#"{"Tags":["b","a"],"NextPageToken":"t"}"#), Reply::new(200, r#"{"Tags":["a",""]}"#)]);
    let house = house(&api);
    let done = house.costlake(&["values", "aws_cost_and_usage.tag.team"]);
    assert_eq!(done.code, Some(0), "{done}");
    assert_eq!(done.stdout, "(empty: without one)\na\nb\n", "{done}");
    assert!(done.stderr.contains("3 values of 2026-10-04..2026-11-02 (2 requests, 0.02 USD)"), "{done}");
    done.says("Cost Explorer is asked for tag.team: 0.01 USD a page, at most 100 pages, which no budget counts.");
    assert!(!house.lake().exists(), "a listing touches no lake");
}

#[test]
fn values_are_json_for_machines() {
    let api = Script::new();
    let body = r#"{"DimensionValues":[{"Value":"000000000123","Attributes":{"description":"payer"}}]}"#;
    api.then([Reply::new(200, body)]);
    let done = house(&api).costlake(&["values", "aws_cost_and_usage.LINKED_ACCOUNT", "--output", "json"]);
    let document: serde_json::Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!(document["values"][0]["value"], "000000000123", "{done}");
    assert_eq!(document["values"][0]["description"], "payer");
    assert_eq!((document["requests"].as_u64(), document["usd"].as_str()), (Some(1), Some("0.01")));
}

#[test]
fn what_cannot_be_listed_is_told_before_anything_is_paid() {
    let api = Script::new();
    for (what, wanted) in [
        ("aws_cost_and_usage", "the key is missing"),
        ("aws_cost_and_usage.service", "aws_cost_and_usage knows no `service`"),
        ("nothing.SERVICE", "unknown source `nothing`"),
        ("datadog_savings.x", "whose values could be listed"),
    ] {
        let done = house(&api).costlake(&["values", what]);
        assert_eq!(done.code, Some(2), "{done}");
        assert!(done.stderr.contains(wanted), "{done}");
    }
    assert!(api.take_asked().is_empty());
}

#[test]
fn a_listing_waits_for_a_busy_api_as_a_run_does() {
    let api = Script::new();
    let page = Reply::new(200, r#"{"Tags":["a"]}"#);
    api.then([Reply::fault("ThrottlingException", "Rate exceeded"), page]);
    let done = house(&api).costlake(&["values", "aws_cost_and_usage.tag.team"]);
    assert_eq!((done.code, done.stdout.as_str(), api.take_asked().len()), (Some(0), "a\n", 2), "{done}");
    api.then([Reply::fault("ValidationException", "no such tag")]);
    let done = house(&api).costlake(&["values", "aws_cost_and_usage.tag.team"]);
    assert!(done.code != Some(0) && done.stderr.contains("request GetTags"), "{done}");
    assert_eq!(api.take_asked().len(), 1, "what is refused is not sent again");
}

#[test]
fn a_listing_sends_no_more_than_a_run_of_the_job_may() {
    let api =
        Script::answering(|_| Reply::new(200, format!(r#"{{"Tags":["a"],"NextPageToken":"{}"}}"#, fastrand::u64(..))));
    let house = house(&api);
    let job = |budget: &str| {
        format!(
            "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]\n[window]\nbegin = \"2026-11-01\"\n[budget]\n{budget}\n"
        )
    };
    for budget in ["max_requests_per_run = 3", "max_usd_per_month = 0.03"] {
        house.job("costs", &job(budget));
        let done = house.costlake(&["values", "aws_cost_and_usage.tag.team"]);
        done.exits(4)
            .says("at most 3 pages")
            .says("there are more values than 3 pages can hold")
            .says("the `budget` of the job");
        assert_eq!(api.take_asked().len(), 3, "{budget}");
    }
}
