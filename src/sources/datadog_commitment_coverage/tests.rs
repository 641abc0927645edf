use std::sync::Arc;

use super::ENTRY;
use crate::error::Kind;
use crate::sources::Source;
use crate::sources::datadog::testing::{error, fetch, lines, shown, source, window};

fn one() -> Arc<dyn Source> {
    source(&ENTRY, r#"queries = [{ provider = "aws", product = "ec2" }]"#)
}

#[test]
fn a_query_has_no_commitment_type() {
    assert_eq!(
        shown(&one().requests(&[window("2026-11-19", "2026-11-20")])),
        ["aws/ec2: /api/v2/cost/commitments/coverage/timeseries?provider=aws&product=ec2&start=1795046400000\
          &end=1795219200000"]
    );
    assert_eq!(one().table().sort_key(), [0, 1, 2, 3]);
}

#[test]
fn cost_and_hours_of_a_series_are_one_row() {
    let body = include_str!("fixtures/coverage.json");
    let fetched =
        fetch(one().as_ref(), &[window("2026-11-19", "2026-11-20")], |_| (200, body.to_owned())).expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            "2026-11-19|aws|ec2|on_demand_only|100.5|48|dollar|-|-",
            "2026-11-19|aws|ec2|ri|360|-|dollar|-|-",
            "2026-11-19|aws|ec2|spot_only|-|12|dollar|-|-",
            "2026-11-19|aws|ec2|sp|40|-|dollar|-|-",
            "2026-11-20|aws|ec2|on_demand_only|90.25|47.5|dollar|-|-",
            "2026-11-20|aws|ec2|ri|370|-|dollar|-|-",
            "2026-11-20|aws|ec2|spot_only|-|-|dollar|-|-",
            "2026-11-20|aws|ec2|sp|41|-|dollar|-|-",
        ]
    );
    assert_eq!(fetched.notes, [""; 0]);
}

#[test]
fn another_metric_goes_to_extra() {
    let body = r#"{"cost":null,"hours":{"series":{"ri":[1]},"times":[1795046400],"unit":{"name":"hour"}},
        "vcpu":{"series":{"ri":[2.5]},"times":[1795046400]},"note":"x"}"#;
    let fetched =
        fetch(one().as_ref(), &[window("2026-11-19", "2026-11-19")], |_| (200, body.to_owned())).expect("rows");
    assert_eq!(lines(&fetched), [r#"2026-11-19|aws|ec2|ri|-|1|-|hour|{"vcpu":2.5}"#]);
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    for (body, wanted) in [
        ("", "the answer is not a JSON object"),
        ("<html>", "the answer is not a JSON object"),
        (r#"{"cost":null}"#, "the answer lacks a metric"),
        (r#"{"cost":null,"hours":[]}"#, "the answer is not the JSON that the API documents"),
        (r#"{"cost":null,"hours":{"#, "the answer is not the JSON that the API documents"),
        (
            r#"{"cost":null,"hours":{"series":{"ri":[1]},"times":[1795046400,1795132800]}}"#,
            "a series has 1 value for 2 times",
        ),
    ] {
        let error = error(one().as_ref(), &[window("2026-11-19", "2026-11-20")], body);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{body}");
    }
}
