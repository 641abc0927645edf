//! Invalid answers: each is refused with a message that names the defect and its position, nothing of it is written,
//! the lake stays unchanged, and the next good answer completes the table.

use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, NOW, after, day, dollars, group, page, result, two_days};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

const FIRST: &str = "2026-11-01";
const SECOND: &str = "2026-11-02";

/// Serves the bad answers to an empty lake, then a good one, then the bad ones again.
#[track_caller]
fn refused(replies: &[Reply], code: i32, words: &[&str]) {
    let script = Script::new();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", DAILY);
    let play = || {
        script.then(replies.iter().cloned());
        let done = house.json(&["run"]);
        script.take_asked();
        for words in words {
            done.exits(code).says(words);
        }
        assert_eq!(done.report()["fetches"][0]["outcome"], "failed", "{done}");
        done.says("partition 2026-11");
    };
    play();
    assert!(house.objects().is_empty(), "a bad answer left data behind");
    script.then([Reply::good(&two_days())]);
    assert_eq!(house.run_well()["rows"], 3);
    let (objects, rows) = (house.objects(), house.rows("costs"));
    assert_eq!((objects.len(), rows.len()), (1, 3));
    play();
    assert_eq!(house.objects(), objects, "a bad answer touched good data");
    script.then([Reply::good(&two_days())]);
    house.runs_again_without_writing();
}

/// One answer in place of the good one.
#[track_caller]
fn refused_page(answer: &Value, words: &[&str]) {
    refused(&[Reply::good(answer)], 1, words);
}

/// A page for both days on which the first day has this group.
fn with_group(group: Value) -> Value {
    page(&[result(FIRST, vec![group]), day(SECOND, &[("EC2", "2")])], None)
}

fn with_amount(amount: Value) -> Value {
    with_group(json!({ "Keys": ["EC2"], "Metrics": { "UnblendedCost": { "Amount": amount, "Unit": "USD" } } }))
}

#[test]
fn bodies_that_are_no_answer() {
    let whole = two_days().to_string();
    for (body, words) in [
        (&whole[..whole.len() / 2], "the answer cannot be read"),
        ("", "the answer is empty"),
        ("{}", "the answer has no ResultsByTime"),
        ("<html><title>Sign in</title></html>", "the answer cannot be read"),
    ] {
        refused(&[Reply::new(200, body)], 1, &[words, "page 1", "2026-11-01..2026-11-02"]);
    }
}

#[test]
fn bodies_of_another_shape() {
    for body in ["null", "[]", "\"OK\"", &format!("{} {{}}", two_days())] {
        refused(&[Reply::new(200, body)], 1, &["the answer cannot be read", "page 1"]);
    }
    refused(&[Reply::new(200, r#"{"ResultsByTime":[{"Groups":[]}]}"#)], 1, &["a result has no TimePeriod"]);
    refused(&[Reply::new(200, r#"{"ResultsByTime":null}"#)], 1, &["no period for 2026-11-01"]);
}

#[test]
fn days_that_are_missing() {
    let first = day(FIRST, &[("EC2", "1")]);
    refused_page(&page(std::slice::from_ref(&first), None), &["has no period for 2026-11-02, which was asked for"]);
    refused_page(&page(&[], None), &["has no period for 2026-11-01"]);
    let replies = [Reply::good(&page(&[first], Some("next"))), Reply::good(&page(&[], None))];
    refused(&replies, 1, &["has no period for 2026-11-02", "2026-11-01..2026-11-02"]);
}

#[test]
fn days_that_were_not_asked_for() {
    let (first, second) = (day(FIRST, &[("EC2", "1")]), day(SECOND, &[("EC2", "1")]));
    let late = day("2026-11-03", &[("EC2", "1")]);
    refused_page(
        &page(&[first.clone(), second.clone(), late], None),
        &["has the period 2026-11-03, which was not asked for"],
    );
    let early = day("2026-10-31", &[("EC2", "1")]);
    refused_page(&page(&[early, first, second], None), &["has the period 2026-10-31, which was not asked for"]);
}

#[test]
fn periods_of_a_wrong_length() {
    let mut long = day(FIRST, &[("EC2", "1")]);
    long["TimePeriod"]["End"] = json!(after(SECOND));
    let second = day(SECOND, &[("EC2", "1")]);
    refused_page(
        &page(&[long, second.clone()], None),
        &["a period \"2026-11-01\" to \"2026-11-03\"", "not one DAILY period"],
    );
    let mut timed = day(FIRST, &[("EC2", "1")]);
    timed["TimePeriod"] = json!({ "Start": "2026-11-01T00:00:00Z", "End": "2026-11-02T00:00:00Z" });
    refused_page(&page(&[timed, second], None), &["not one DAILY period"]);
}

#[test]
fn a_group_that_comes_twice() {
    let first = page(&[day(FIRST, &[("EC2", "1")])], Some("next"));
    let second = page(&[day(SECOND, &[("EC2", "1")]), day(FIRST, &[("EC2", "1")])], None);
    refused(&[Reply::good(&first), Reply::good(&second)], 1, &["2026-11-01", "EC2", "twice"]);
    refused_page(&page(&[day(FIRST, &[("EC2", "1"), ("EC2", "2")]), day(SECOND, &[])], None), &["EC2", "twice"]);
}

#[test]
fn tokens_that_never_end() {
    let first = page(&[day(FIRST, &[("EC2", "1")])], Some("again"));
    let second = page(&[day(SECOND, &[("EC2", "1")])], Some("again"));
    let replies = [Reply::good(&first), Reply::good(&second)];
    refused(&replies, 1, &["repeats a NextPageToken", "page 2", "2026-11-01..2026-11-02"]);
}

#[test]
fn the_answer_to_another_question() {
    let mut other = two_days();
    other["GroupDefinitions"][0]["Key"] = json!("USAGE_TYPE");
    refused_page(&other, &["grouped by DIMENSION USAGE_TYPE, not as asked", "page 1"]);
    let mut tag = two_days();
    tag["GroupDefinitions"][0]["Type"] = json!("TAG");
    refused_page(&tag, &["grouped by TAG SERVICE"]);
    refused_page(
        &with_group(json!({ "Keys": ["EC2", "x"], "Metrics": { "UnblendedCost": dollars("1") } })),
        &["a group has 2 keys, but 1 was grouped by"],
    );
    refused_page(&with_group(json!({ "Keys": [], "Metrics": { "UnblendedCost": dollars("1") } })), &["0 keys"]);
}

#[test]
fn amounts_that_cannot_be_kept_exactly() {
    for (amount, words) in [
        ("0.1234567890123", "has more than 12 decimals, which would have to be rounded"),
        ("NaN", "\"NaN\" is not a decimal number"),
        ("1,5", "\"1,5\" is not a decimal number"),
        (" 1", "is not a decimal number"),
        ("", "is not a decimal number"),
        ("123456789012345678901234567", "does not fit DECIMAL(38,12)"),
    ] {
        refused_page(&with_amount(json!(amount)), &["UnblendedCost", words, "page 1"]);
    }
}

#[test]
fn amounts_that_are_not_there() {
    refused_page(&with_amount(json!(null)), &["UnblendedCost has no Amount"]);
    refused_page(&with_amount(json!(1.5)), &["the answer cannot be read", "page 1"]);
    let unit_alone = json!({ "Keys": ["EC2"], "Metrics": { "UnblendedCost": { "Unit": "USD" } } });
    refused_page(&with_group(unit_alone), &["UnblendedCost has no Amount"]);
    let other_metric = json!({ "Keys": ["EC2"], "Metrics": { "BlendedCost": dollars("1") } });
    refused_page(&with_group(other_metric), &["a group has no UnblendedCost, which was asked for"]);
    refused_page(&with_group(json!({ "Keys": ["EC2"] })), &["a group has no Keys or no Metrics"]);
}

#[test]
fn two_currencies_in_one_answer() {
    let yuan = json!({ "Keys": ["S3"], "Metrics": { "UnblendedCost": { "Amount": "1", "Unit": "CNY" } } });
    let both = page(&[result(FIRST, vec![group("EC2", "1"), yuan]), day(SECOND, &[])], None);
    refused_page(&both, &["costs are in USD and in CNY", "page 1"]);
}
