use std::sync::Arc;

use super::ENTRY;
use crate::error::Kind;
use crate::sources::Source;
use crate::sources::datadog::testing::{error, fetch, lines, shown, source, window};

fn one() -> Arc<dyn Source> {
    source(&ENTRY, r#"queries = [{ provider = "aws", product = "ec2", commitment_type = "sp" }]"#)
}

#[test]
fn a_query_has_a_commitment_type() {
    assert_eq!(
        shown(&one().requests(&[window("2026-11-19", "2026-11-20")])),
        ["aws/ec2/sp: /api/v2/cost/commitments/utilization/timeseries?provider=aws&product=ec2&start=1795046400000\
          &end=1795219200000&commitmentType=sp"]
    );
    assert_eq!(one().table().sort_key(), [0, 1, 2, 3, 4]);
    assert_eq!(one().watched().units, [("value", "value_unit")]);
}

#[test]
fn the_answer_itself_is_the_metric_and_others_are_kept() {
    let body = include_str!("fixtures/utilization.json");
    let fetched =
        fetch(one().as_ref(), &[window("2026-11-19", "2026-11-20")], |_| (200, body.to_owned())).expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            "2026-11-19|aws|ec2|sp|unused|87.5|dollar|-",
            r#"2026-11-19|aws|ec2|sp|used|412.5|dollar|{"hours":24.0}"#,
            "2026-11-20|aws|ec2|sp|unused|-|dollar|-",
            "2026-11-20|aws|ec2|sp|used|398.25|dollar|-",
        ]
    );
    assert_eq!(fetched.notes, ["2 points outside the days asked for were dropped (aws/ec2/sp 2026-11-19..2026-11-20)"]);
}

#[test]
fn units_of_any_shape_and_none_are_kept() {
    for (unit, wanted) in [
        ("null", "-"),
        (r#"[{"name":"cent","scale_factor":0.01},null]"#, "cent"),
        (r#"{"name":"dollar","scale_factor":0.01}"#, "0.01 dollar"),
        (r#"{"short_name":"€","name":7}"#, "€"),
        ("17", "-"),
    ] {
        let body = format!(r#"{{"series":{{"used":[1]}},"times":[1795046400],"unit":{unit}}}"#);
        let fetched =
            fetch(one().as_ref(), &[window("2026-11-19", "2026-11-19")], |_| (200, body.clone())).expect(unit);
        assert_eq!(lines(&fetched), [format!("2026-11-19|aws|ec2|sp|used|1|{wanted}|-")], "{unit}");
    }
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    let json = "the answer is not the JSON that the API documents";
    for (body, wanted) in [
        ("", "the answer is not a JSON object"),
        ("<html>", "the answer is not a JSON object"),
        ("{}", "the answer has no `series`"),
        (r#"{"value":{"series":{},"times":[]}}"#, "the answer has no `series`"),
        (r#"{"series":{"used":[1]"#, json),
        (r#"{"series":[],"times":[]}"#, json),
        (r#"{"series":{"used":[1]},"times":[]}"#, "a series has 1 value for 0 times"),
        (r#"{"series":{"used":[1],"used":[1]},"times":[1795046400]}"#, "a series is there twice"),
        (r#"{"series":{"used":["1"]},"times":[1795046400]}"#, "a value is not a number that a double holds: \"1\""),
    ] {
        let error = error(one().as_ref(), &[window("2026-11-19", "2026-11-20")], body);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{body}");
    }
}
