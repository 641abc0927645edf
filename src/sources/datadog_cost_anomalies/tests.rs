use std::sync::Arc;

use super::ENTRY;
use crate::error::{Error, Kind, Result};
use crate::request::Call;
use crate::sources::datadog::testing::{answer, column, error, fetch, lines, shown, source, window};
use crate::sources::{Fetched, Learnt, Source};
use crate::window::Window;

const OPEN: &str = include_str!("fixtures/open.json");
const DISMISSED: &str = include_str!("fixtures/dismissed.json");

fn all() -> Arc<dyn Source> {
    source(&ENTRY, "")
}

fn day() -> [Window; 1] {
    [window("2026-11-20", "2026-11-20")]
}

fn parameter<'c>(call: &'c Call, name: &str) -> &'c str {
    call.query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// A page of anomalies with these ids.
fn page(ids: &[&str], total: u64) -> String {
    let items: Vec<String> = ids.iter().map(|id| format!(r#"{{"uuid":"{id}"}}"#)).collect();
    format!(r#"{{"data":{{"attributes":{{"anomalies":[{}],"total_count":{total}}}}}}}"#, items.join(","))
}

/// A fetch whose open anomalies come in pages by their offset; none are dismissed.
fn paged(pages: &[(&str, String)]) -> Result<Fetched> {
    fetch(all().as_ref(), &day(), |call| {
        let is_open = parameter(call, "dismissal_cause") == "none";
        let found = pages.iter().find(|(offset, _)| is_open && *offset == parameter(call, "offset"));
        (200, found.map_or_else(|| page(&[], 0), |(_, body)| body.clone()))
    })
}

#[test]
fn open_and_dismissed_anomalies_of_90_days_are_asked_for() {
    // 2026-08-22 to 2026-11-20, which is not included.
    let query = |view: &str| {
        format!(
            "{view} from 0: /api/v2/cost/anomalies?start=1787356800000&end=1795132800000&dismissal_cause={view}\
             &order_by=start_date&order=asc&limit=200&offset=0"
        )
    };
    assert_eq!(shown(&all().requests(&day())), [query("none"), query("all")]);
    assert_eq!(all().expected_requests(&day(), &Learnt { slot_rows: 450, ..Learnt::default() }), 4);
    assert_eq!(all().table().sort_key(), [0, 1]);
    const { assert!(ENTRY.rules.snapshot) };
}

#[test]
fn an_anomaly_is_a_row_and_nobody_is_named() {
    let read = |open: &str, dismissed: &str| {
        fetch(all().as_ref(), &day(), |call| {
            (200, if parameter(call, "dismissal_cause") == "none" { open } else { dismissed }.to_owned())
        })
        .expect("rows")
    };
    let fetched = read(OPEN, DISMISSED);
    assert_eq!(
        lines(&fetched),
        [
            r#"2026-11-20|a-1|aws|sum:aws.cost.amortized{aws_product:ec2}.rollup(sum, daily)|2026-11-17 00:00:00|2026-11-19 00:00:00|420.5|300|250.25|{"aws_product":"ec2","region":"eu-central-1"}|{"created_by":["sam@acme.example"],"team":["web","data"]}|-|-|-|-|{"severity":{"a":2,"b":1.5}}"#,
            "2026-11-20|a-2|gcp|q|2026-11-17 00:00:00|2026-11-18 00:00:00|7|5|7|-|-|-|-|-|-|-",
            r#"2026-11-20|a-3|aws|q|2026-11-17 00:00:00|2026-11-18 00:00:00|9.5|5|9.5|{"aws_product":"s3"}|-|expected|d-1|a migration, ask hush|2026-11-18 11:06:40|{"dismissal_ticket":"OPS-1"}"#,
        ]
    );
    assert_eq!(fetched.notes, ["2 rows have fields that went to `extra`: dismissal_ticket, severity"]);
    let request = &all().requests(&day())[0];
    let kept =
        |body: &str| String::from_utf8(all().redact_raw(request, &answer(200, body)).expect("redacted")).expect("text");
    assert!(DISMISSED.contains("hush@acme.example") && !kept(DISMISSED).contains("hush@acme.example"));
    assert!(kept(OPEN).contains("\"actual_cost\":420.50,"), "numbers keep their text");
    assert_eq!(lines(&read(&kept(OPEN), &kept(DISMISSED))), lines(&fetched));
}

#[test]
fn pages_follow_until_all_are_there() {
    let fetched = paged(&[("0", page(&["a", "b"], 3)), ("2", page(&["c"], 3))]).expect("rows");
    assert_eq!(column(&fetched, "anomaly_id"), ["a", "b", "c"]);
    assert_eq!(paged(&[]).expect("none").rows.num_rows(), 0);
    let null = r#"{"data":{"attributes":{"anomalies":null,"total_count":0}}}"#.to_owned();
    assert_eq!(paged(&[("0", null)]).expect("none").slots.len(), 1);
}

#[test]
fn an_anomaly_in_both_views_is_one_row() {
    let fetched = fetch(all().as_ref(), &day(), |_| (200, page(&["a"], 1))).expect("rows");
    assert_eq!(column(&fetched, "anomaly_id"), ["a"]);
}

#[test]
fn a_list_that_moves_between_pages_is_read_again() {
    let short = "the pages do not hold as many anomalies as `total_count` says";
    let restart = |pages: &[(&str, String)]| -> Error { paged(pages).expect_err("moved") };
    for (pages, wanted) in [
        (vec![("0", page(&["a"], 2)), ("1", page(&["b"], 3))], "`total_count` changed from one page to the next"),
        (vec![("0", page(&["a"], 2)), ("1", page(&["a"], 2))], "an anomaly is there twice"),
        (vec![("0", page(&["a"], 2)), ("1", page(&[], 2))], short),
        (vec![("0", page(&["a", "b"], 1))], short),
    ] {
        let error = restart(&pages);
        assert_eq!((error.kind(), error.message()), (Kind::Restart, wanted));
    }
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    let json = "the answer is not the JSON that the API documents";
    let with = |anomaly: &str| format!(r#"{{"data":{{"attributes":{{"anomalies":[{anomaly}],"total_count":1}}}}}}"#);
    for (body, wanted) in [
        (String::new(), "the answer is not a JSON object"),
        ("<html>".to_owned(), "the answer is not a JSON object"),
        ("{}".to_owned(), "the answer has no `data.attributes`"),
        (r#"{"data":{"attributes":{"total_count":0}}}"#.to_owned(), "the answer has no `anomalies`"),
        (r#"{"data":{"attributes":{"anomalies":[]}}}"#.to_owned(), "the answer has no `total_count`"),
        (r#"{"data":{"attributes":{"anomalies":[],"total_count":-1}}}"#.to_owned(), json),
        (r#"{"data":{"attributes":{"anomalies":{},"total_count":0}}}"#.to_owned(), json),
        (r#"{"data":{"attributes":{"anomalies":[{"#.to_owned(), json),
        (with("7"), json),
        (with("{}"), "an anomaly has no `uuid`"),
        (with(r#"{"uuid":" "}"#), "an anomaly has no `uuid`"),
        (with(r#"{"uuid":"a","max_cost":1e400}"#), "`max_cost` is too large for a double"),
    ] {
        let error = error(all().as_ref(), &day(), &body);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{body}");
    }
}

#[test]
fn odd_values_stay_in_extra() {
    let body = r#"{"data":{"attributes":{"anomalies":[{"uuid":"a","max_cost":"1","dismissal":"gone","dimensions":"d",
        "anomaly_start":"soon"}],"total_count":1}}}"#;
    let fetched = paged(&[("0", body.to_owned())]).expect("a row");
    assert_eq!(column(&fetched, "extra"), [r#"{"anomaly_start":"soon","dismissal":"gone","max_cost":"1"}"#]);
    assert_eq!(column(&fetched, "dimensions"), [r#""d""#]);
    let null = r#"{"data":{"attributes":{"anomalies":[{"uuid":"a","dismissal":null}],"total_count":1}}}"#;
    assert_eq!(column(&paged(&[("0", null.to_owned())]).expect("a row"), "extra"), ["-"]);
}
