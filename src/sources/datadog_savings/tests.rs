use super::ENTRY;
use crate::error::Kind;
use crate::sources::datadog::testing::{error, fetch, lines, shown, source, window};
use crate::sources::{Learnt, Source};
use crate::table::parse_schema;
use std::sync::Arc;

fn one() -> Arc<dyn Source> {
    source(&ENTRY, r#"queries = [{ provider = "aws", product = "ec2" }]"#)
}

/// An answer with this `actual_cost` and nothing else.
fn with(actual_cost: &str) -> String {
    format!(
        r#"{{"actual_cost":{actual_cost},"on_demand_equivalent_cost":null,"realized_savings":null,"effective_savings_rate":null}}"#
    )
}

#[test]
fn the_schema_is_the_sort_key_and_more() {
    let columns = parse_schema(ENTRY.schema).expect("a schema");
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let super::Metrics::Members(metrics) = super::SPEC.metrics else { panic!("no members") };
    assert_eq!(names[4..8], *metrics);
    assert_eq!(names[8..].to_vec(), metrics.iter().map(|metric| format!("{metric}_unit")).collect::<Vec<_>>());
    assert_eq!(one().table().sort_key(), [0, 1, 2, 3]);
}

#[test]
fn every_query_asks_for_every_window() {
    let source = source(
        &ENTRY,
        r#"queries = [{ provider = "aws", product = "ec2" }, { provider = "azure", product = "virtualmachines" }]"#,
    );
    let windows = [window("2026-10-30", "2026-11-02"), window("2026-11-19", "2026-11-20")];
    let requests = shown(&source.requests(&windows));
    assert_eq!(requests.len() as u64, source.expected_requests(&windows, &Learnt::default()));
    assert_eq!(
        requests[3],
        "azure/virtualmachines: /api/v2/cost/commitments/savings/timeseries?provider=azure&product=virtualmachines\
         &start=1795046400000&end=1795219200000"
    );
    assert!(source.fingerprint().is_empty());
    assert_eq!(source.read_for().into_iter().collect::<Vec<_>>(), ["aws/ec2", "azure/virtualmachines"]);
}

#[test]
fn metrics_are_joined_by_day_and_series() {
    let body = include_str!("fixtures/savings.json").to_owned();
    let fetched = fetch(one().as_ref(), &[window("2026-11-19", "2026-11-21")], |_| (200, body.clone())).expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            "2026-11-19|aws|ec2|ri|100.5|-|-|-|dollar|-|-|percent",
            "2026-11-19|aws|ec2|total|412|597|-|-|dollar|-|-|percent",
            "2026-11-20|aws|ec2|ri|100.5|-|-|-|dollar|-|-|percent",
            "2026-11-20|aws|ec2|total|399.5|591|-|0.31|dollar|-|-|percent",
            "2026-11-21|aws|ec2|ri|100.5|-|-|-|dollar|-|-|percent",
            "2026-11-21|aws|ec2|total|-|600|-|0.325|dollar|-|-|percent",
        ]
    );
    assert_eq!(fetched.notes, ["2 points outside the days asked for were dropped (aws/ec2 2026-11-19..2026-11-21)"]);
    assert_eq!((fetched.page_rows, fetched.slots.len()), (6, 3));
}

#[test]
fn no_points_are_empty_days() {
    for metric in [
        "null",
        "{}",
        r#"{"series":{},"times":[]}"#,
        r#"{"series":null,"times":null,"unit":null}"#,
        r#"{"series":{"total":[]},"times":[]}"#,
        r#"{"series":{"total":null},"times":[1795046400]}"#,
        r#"{"series":{},"times":[1795046400]}"#,
    ] {
        let body = with(metric);
        let fetched =
            fetch(one().as_ref(), &[window("2026-11-19", "2026-11-21")], |_| (200, body.clone())).expect(metric);
        assert_eq!((fetched.rows.num_rows(), fetched.slots.len()), (0, 3), "{metric}");
    }
}

#[test]
fn odd_but_valid_values_are_kept_as_they_are() {
    let body =
        with(r#"{"series":{"":[1e3],"tag:ü|$":[-0.0],"n":[null],"f":[0.30000000000000004]},"times":[1.7950464e9]}"#);
    let fetched = fetch(one().as_ref(), &[window("2026-11-19", "2026-11-19")], |_| (200, body.clone())).expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            "2026-11-19|aws|ec2|f|0.30000000000000004|-|-|-|-|-|-|-",
            "2026-11-19|aws|ec2|n|-|-|-|-|-|-|-|-",
            "2026-11-19|aws|ec2|tag:ü|$|-0|-|-|-|-|-|-|-",
            "2026-11-19|aws|ec2||1000|-|-|-|-|-|-|-",
        ]
    );
}

#[test]
fn a_rate_that_is_no_ratio_is_noted_and_kept() {
    let body = r#"{"actual_cost":null,"on_demand_equivalent_cost":null,"realized_savings":null,
        "effective_savings_rate":{"series":{"total":[33.0]},"times":[1795046400]}}"#;
    let fetched =
        fetch(one().as_ref(), &[window("2026-11-19", "2026-11-19")], |_| (200, body.to_owned())).expect("rows");
    assert_eq!(lines(&fetched), ["2026-11-19|aws|ec2|total|-|-|-|33|-|-|-|-"]);
    assert!(fetched.notes[0].contains("above 1.5"));
}

/// Actual costs by day, the notes, and the doubtful days.
fn costs(metric: &str) -> (Vec<String>, Vec<String>, Vec<String>) {
    let body = with(metric);
    let fetched = fetch(one().as_ref(), &[window("2026-11-19", "2026-11-20")], |_| (200, body.clone())).expect("rows");
    let lines = lines(&fetched);
    let days = lines.iter().map(|line| line.split('|').step_by(4).take(2).collect::<Vec<_>>().join(" "));
    (days.collect(), fetched.notes, fetched.doubtful.into_values().collect())
}

#[test]
fn points_come_in_any_order_and_count_for_their_day() {
    let (days, notes, doubtful) = costs(r#"{"series":{"total":[2,1]},"times":[1795132800,1795046400]}"#);
    assert_eq!(days, ["2026-11-19 1", "2026-11-20 2"]);
    assert!(notes.is_empty() && doubtful.is_empty(), "{notes:?} {doubtful:?}");
    let (days, notes, doubtful) = costs(r#"{"series":{"total":[1,2]},"times":[1795050000,1795132800001]}"#);
    assert_eq!(days, ["2026-11-19 1", "2026-11-20 2"]);
    assert_eq!(notes, ["2 points were not at a UTC midnight and count for their UTC day"]);
    assert!(doubtful.is_empty(), "{doubtful:?}");
}

#[test]
fn a_day_with_two_values_is_doubtful_and_one_value_twice_is_not() {
    let (days, _, doubtful) = costs(r#"{"series":{"total":[3,5,null]},"times":[1795050000,1795046400,1795060000]}"#);
    assert_eq!(days, ["2026-11-19 3"], "the last value");
    assert_eq!(doubtful, ["actual_cost of aws/ec2: total has two values for this day, 5 and 3"]);
    let (days, _, doubtful) = costs(r#"{"series":{"total":[3,3]},"times":[1795046400,1795046400000]}"#);
    assert_eq!((days.as_slice(), doubtful.as_slice()), (["2026-11-19 3".to_owned()].as_slice(), [].as_slice()));
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    let json = "the answer is not the JSON that the API documents";
    for (metric, wanted) in [
        (r#"{"series":{"total":[1]},"times":[1795046400,1795132800]}"#, "a series has 1 value for 2 times"),
        (r#"{"series":{"total":[1,2]},"times":null}"#, "a series has 2 values for 0 times"),
        (r#"{"series":{},"times":[1795046400.5]}"#, "a time is not a whole number"),
        (r#"{"series":{},"times":["1795046400"]}"#, "a time is not a whole number"),
        (r#"{"series":{},"times":[null]}"#, "a time is not a whole number"),
        (r#"{"series":{},"times":[86400e290]}"#, "a time is beyond the calendar"),
        (r#"{"series":{"a":[1],"a":[1]},"times":[1795046400]}"#, "a series is there twice"),
        (r#"{"series":{"a":["NaN"]},"times":[1795046400]}"#, "a value is not a number that a double holds: \"NaN\""),
        (r#"{"series":{"a":[1e400]},"times":[1795046400]}"#, "a value is not a number that a double holds: 1e400"),
        (r#"{"series":{"a":[[1]]},"times":[1795046400]}"#, "a value is not a number that a double holds: [1]"),
        (r#"{"series":{"a":[NaN]},"times":[1795046400]}"#, json),
        (r#"{"series":{"a":1},"times":[1795046400]}"#, json),
        (r#"{"series":[],"times":[1795046400]}"#, json),
        ("[]", json),
    ] {
        let error = error(one().as_ref(), &[window("2026-11-19", "2026-11-20")], &with(metric));
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{metric}");
        assert!(error.to_string().contains("query aws/ec2, window 2026-11-19..2026-11-20"), "{error}");
        assert!(wanted == json || error.to_string().contains("metric actual_cost"), "{error}");
    }
}

#[test]
fn a_missing_metric_is_named() {
    let body = r#"{"actual_cost":null,"on_demand_equivalent_cost":null,"effective_savings_rate":null}"#;
    let error = error(one().as_ref(), &[window("2026-11-19", "2026-11-20")], body);
    assert!(error.to_string().contains("the answer lacks a metric"), "{error}");
    assert!(error.to_string().contains("metric realized_savings"), "{error}");
}
