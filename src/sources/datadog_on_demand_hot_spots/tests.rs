use std::sync::Arc;

use super::ENTRY;
use crate::error::Kind;
use crate::sources::datadog::testing::{column, error, fetch, lines, shown, source, window};
use crate::sources::{Fetched, Source};
use crate::window::Window;

fn one() -> Arc<dyn Source> {
    source(&ENTRY, r#"queries = [{ provider = "aws", product = "ec2" }]"#)
}

fn day() -> [Window; 1] {
    [window("2026-11-20", "2026-11-20")]
}

fn read(body: &str) -> Fetched {
    fetch(one().as_ref(), &day(), |_| (200, body.to_owned())).expect(body)
}

#[test]
fn a_snapshot_asks_for_the_30_days_before_it() {
    // 2026-10-21 to 2026-11-20, which is not included.
    assert_eq!(
        shown(&one().requests(&[window("2026-11-01", "2026-11-20")])),
        ["aws/ec2: /api/v2/cost/commitments/on-demand-hot-spots/scalar?provider=aws&product=ec2&start=1792540800000\
          &end=1795132800000"]
    );
    assert!(one().requests(&[]).is_empty());
    assert_eq!(one().table().sort_key(), [0, 1, 2, 3]);
    assert_eq!(one().read_for().into_iter().collect::<Vec<_>>(), ["aws/ec2"]);
    const { assert!(ENTRY.rules.snapshot) };
}

#[test]
fn columns_become_rows_by_their_index() {
    let fetched = read(include_str!("fixtures/hot_spots.json"));
    let places = "2026-10-21|2026-11-19";
    assert_eq!(
        lines(&fetched),
        [
            format!(
                r#"2026-11-20|aws|ec2|{{"region":"eu-central-1","service":"ec2","tenancy":"default"}}|{places}|ec2|eu-central-1|-|-|-|-|1500.25|dollar|0.78|percent|region:*|{{"meta_version":2,"normalized_units":96.50,"normalized_units_meta":{{"unit":{{"name":"unit"}}}}}}"#
            ),
            format!(
                r#"2026-11-20|aws|ec2|{{"region":"us-east-1","service":"ec2","tenancy":["default","host"]}}|{places}|ec2|us-east-1|-|-|-|-|20|dollar|0|percent|region:*|{{"meta_version":2,"normalized_units":8,"normalized_units_meta":{{"unit":{{"name":"unit"}}}}}}"#
            ),
            format!(
                r#"2026-11-20|aws|ec2|{{"region":"us-east-1","service":null,"tenancy":null}}|{places}|-|us-east-1|-|-|-|-|-|dollar|-|percent|region:*|{{"meta_version":2,"normalized_units":0,"normalized_units_meta":{{"unit":{{"name":"unit"}}}}}}"#
            ),
        ]
    );
    assert_eq!(
        fetched.notes,
        ["3 rows have fields that went to `extra`: meta_version, normalized_units, normalized_units_meta"]
    );
}

#[test]
fn no_columns_are_no_rows_and_no_groups_are_one_row() {
    for body in [r#"{"columns":[]}"#, r#"{"columns":null,"total":null,"meta":null}"#] {
        assert_eq!((read(body).rows.num_rows(), read(body).slots.len()), (0, 1), "{body}");
    }
    let fetched = read(r#"{"columns":[{"name":"on_demand_cost","type":"number","values":[1]}]}"#);
    assert_eq!(column(&fetched, "dimensions"), ["{}"]);
    let fetched = read(
        r#"{"columns":[{"name":"x","values":[{"b":1.5,"a":2}]},{"name":"provider","type":"number","values":[3]}]}"#,
    );
    assert_eq!(column(&fetched, "extra"), [r#"{"provider":3,"x":{"a":2,"b":1.5}}"#], "a type of its own, a name taken");
}

#[test]
fn a_total_that_differs_is_noted() {
    let with = |total: &str| {
        let body = format!(
            r#"{{"columns":[{{"name":"on_demand_cost","type":"number","values":[1000000]}}],
                "total":[{{"name":"on_demand_cost","type":"number","values":[{total}]}}]}}"#
        );
        read(&body).notes
    };
    assert_eq!(with("1000000.9"), [""; 0]);
    assert_eq!(with("1000001.1"), ["the on-demand cost of aws/ec2 is 1000000 in rows and 1000001.1 in total"]);
    let without = r#"{"columns":[{"name":"on_demand_cost","type":"number","values":[1]}],"total":[{"name":"x"}]}"#;
    assert!(read(without).notes.is_empty());
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    let json = "the answer is not the JSON that the API documents";
    let with = |columns: &str| format!(r#"{{"columns":[{columns}]}}"#);
    for (body, wanted) in [
        (String::new(), "the answer is not a JSON object"),
        ("<html>".to_owned(), "the answer is not a JSON object"),
        ("{}".to_owned(), "the answer has no `columns`"),
        (r#"{"columns":[{"name":"a""#.to_owned(), json),
        (r#"{"columns":{}}"#.to_owned(), json),
        (r#"{"columns":[],"total":7}"#.to_owned(), json),
        (r#"{"columns":[],"meta":7}"#.to_owned(), json),
        (with("[]"), json),
        (with("{}"), "a column has no `name`"),
        (with(r#"{"name":" "}"#), "a column has no `name`"),
        (with(r#"{"name":"a"},{"name":"a"}"#), "a column is there twice"),
        (with(r#"{"name":"a","values":[1]},{"name":"b","values":[]}"#), "the columns a and b have 1 and 0 values"),
        (with(r#"{"name":"a","type":"group","values":[["x"],"x"]}"#), "a group is there twice"),
        (
            with(r#"{"name":"on_demand_cost","type":"number","values":["1"]}"#),
            "a value is not a number that a double holds: \"1\"",
        ),
        (
            with(r#"{"name":"x","type":"number","values":[1e400]}"#),
            "a value is not a number that a double holds: 1e400",
        ),
    ] {
        let error = error(one().as_ref(), &day(), &body);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{body}");
        assert!(error.to_string().contains("query aws/ec2, window 2026-11-20"), "{error}");
    }
    let deep =
        with(&format!(r#"{{"name":"a","type":"group","values":[{}{}]}}"#, "[".repeat(50_000), "]".repeat(50_000)));
    assert_eq!(error(one().as_ref(), &day(), &deep).message(), "a group cannot be read");
}
