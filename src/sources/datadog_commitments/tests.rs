use super::ENTRY;
use crate::error::Kind;
use crate::sources::datadog::testing::{answer, column, error, fetch, lines, shown, source, window};
use crate::sources::{Learnt, Source};
use crate::table::parse_schema;
use std::sync::Arc;

const TWO: &str = r#"
    queries = [
        { provider = "aws", product = "ec2", commitment_type = "ri" },
        { provider = "aws", product = "ec2", commitment_type = "sp" },
    ]
"#;

fn one() -> Arc<dyn Source> {
    source(&ENTRY, r#"queries = [{ provider = "aws", product = "rds", commitment_type = "RI" }]"#)
}

#[test]
fn the_schema_is_the_sort_key_and_more() {
    assert!(parse_schema(ENTRY.schema).is_ok_and(|columns| columns.len() == 27));
    assert_eq!(one().table().sort_key(), [0, 1, 2, 3, 4]);
}

#[test]
fn every_query_asks_for_every_day() {
    let text = format!("filter_by = \"env:prod a&b\"\n{TWO}");
    let source = source(&ENTRY, &text);
    let windows = [window("2026-10-31", "2026-11-01"), window("2026-11-03", "2026-11-03")];
    let requests = shown(&source.requests(&windows));
    assert_eq!(requests.len() as u64, source.expected_requests(&windows, &Learnt::default()));
    assert_eq!(requests.len(), 6);
    assert_eq!(
        requests[3],
        "aws/ec2/sp: /api/v2/cost/commitments/commitment-list?provider=aws&product=ec2&start=1793491200000\
         &end=1793577600000&commitmentType=sp&filterBy=env:prod a&b"
    );
    assert_eq!(source.fingerprint(), [("filter_by", "env:prod a&b".to_owned())]);
    assert_eq!(source.read_for().into_iter().collect::<Vec<_>>(), ["aws/ec2/ri", "aws/ec2/sp"]);
}

#[test]
fn reservations_and_savings_plans_share_the_columns() {
    let source = source(&ENTRY, TWO);
    let fetched = fetch(source.as_ref(), &[window("2026-11-20", "2026-11-20")], |get| {
        let is_sp = get.purpose.subject.ends_with("/sp");
        (
            200,
            if is_sp { include_str!("fixtures/aws_sp.json") } else { include_str!("fixtures/ec2_ri.json") }.to_owned(),
        )
    })
    .expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            "2026-11-20|aws|ec2|ri|arn:aws:ec2:eu-central-1:000000000123:reserved-instances/0b5e|t3.nano|-|-|standard\
             |Windows|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|{\"scope\":{\"a\":[true,null],\"z\":1},\"tenancy\":\"dedicated\"}",
            "2026-11-20|aws|ec2|ri|ri-00000000000000001|m6i.2xlarge|eu-central-1|No Upfront|convertible|Linux|-|-|-|-|-\
             |-|-|eu-central-1b|48|3|-|2026-03-14T00:00:00.36622588Z|2027-03-14T00:00:00Z|1|0.9375|-|-",
            "2026-11-20|aws|ec2|sp|arn:aws:savingsplans::000000000123:savingsplan/7d1c|-|-|Partial Upfront|-|-|-|-|-\
             |ComputeSavingsPlans|-|-|-|-|-|-|4.2|2025-01-01|2028-01-01|3|1|dollar|-",
        ]
    );
    assert_eq!(fetched.page_rows, 2);
    assert_eq!(fetched.slots.len(), 1);
    assert_eq!(fetched.notes, ["1 row has fields that went to `extra`: scope, tenancy"]);
}

#[test]
fn every_variant_fits_and_its_shape_decides_nothing() {
    let body = include_str!("fixtures/others.json").to_owned();
    let fetched = fetch(one().as_ref(), &[window("2026-11-20", "2026-11-20")], |_| (200, body.clone())).expect("rows");
    assert_eq!(column(&fetched, "is_multi_az"), ["true", "-", "-", "-"]);
    assert_eq!(column(&fetched, "status"), ["-", "-", "pending", "-"]);
    assert_eq!(column(&fetched, "expiration_date"), ["-", "-", "1893456000", "-"]);
    assert_eq!(column(&fetched, "committed_spend_per_hour"), ["-", "-", "-", "-0"]);
    assert_eq!(column(&fetched, "commitment_type"), ["RI"; 4]);
    assert_eq!(column(&fetched, "extra"), ["-"; 4]);
}

#[test]
fn what_fits_no_column_is_kept() {
    let body = r#"{"new": 1, "commitments": [{
        "commitment_id": 42, "provider": "other", "extra": "x", "region": ["a"], "is_multi_az": "yes",
        "term_length": "3", "utilization": 85.0, "status": true, "ünknown\n": 1.10, "number_of_nfus": 1e3
    }]}"#;
    let fetched =
        fetch(one().as_ref(), &[window("2026-11-20", "2026-11-20")], |_| (200, body.to_owned())).expect("rows");
    assert_eq!(column(&fetched, "commitment_id"), ["42"]);
    assert_eq!(column(&fetched, "provider"), ["aws"]);
    assert_eq!(column(&fetched, "status"), ["true"]);
    assert_eq!(column(&fetched, "number_of_nfus"), ["1000"]);
    assert_eq!(
        column(&fetched, "extra"),
        [r#"{"extra":"x","is_multi_az":"yes","provider":"other","region":["a"],"term_length":"3","ünknown\n":1.10}"#]
    );
    assert_eq!(fetched.notes.len(), 2, "{:?}", fetched.notes);
}

#[test]
fn a_day_without_commitments_is_an_empty_day() {
    let days = window("2026-11-19", "2026-11-20");
    for body in [r#"{"commitments":[]}"#, r#"{"commitments":null,"meta":{}}"#, r#"{"commitments":[],"meta":null}"#] {
        let fetched = fetch(one().as_ref(), &[days], |_| (200, body.to_owned())).expect(body);
        assert_eq!((fetched.rows.num_rows(), fetched.slots.len(), fetched.notes.len()), (0, 2, 0));
    }
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    for (body, wanted) in [
        ("{}", "the answer has no `commitments`"),
        (r#"{"commitments":[{"commitment_id":"a"},{"region":"b"}]}"#, "a commitment has no `commitment_id`"),
        (r#"{"commitments":[{"commitment_id":null}]}"#, "a commitment has no `commitment_id`"),
        (r#"{"commitments":[{"commitment_id":" "}]}"#, "a commitment has no `commitment_id`"),
        (r#"{"commitments":[{"commitment_id":{}}]}"#, "a commitment has no `commitment_id`"),
        (r#"{"commitments":["a"]}"#, "a commitment is not a JSON object"),
        (r#"{"commitments":[null]}"#, "a commitment is not a JSON object"),
        (r#"{"commitments":[{"commitment_id":"a","utilization":1e400}]}"#, "`utilization` is too large for a double"),
        (r#"{"commitments":{}}"#, "the answer is not the JSON that the API documents"),
        (
            r#"{"commitments":[{"commitment_id":"a","utilization":NaN}]}"#,
            "the answer is not the JSON that the API documents",
        ),
        (r#"{"commitments":[{"commitment_id":"a""#, "the answer is not the JSON that the API documents"),
        ("[]", "the answer is not a JSON object"),
        ("", "the answer is not a JSON object"),
        ("<html>", "the answer is not a JSON object"),
    ] {
        let error = error(one().as_ref(), &[window("2026-11-20", "2026-11-20")], body);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{body}");
        assert!(error.to_string().contains("query aws/rds/RI, window 2026-11-20"), "{error}");
    }
    let body = r#"{"commitments":[{"commitment_id":"a"},{}]}"#;
    let error = error(one().as_ref(), &[window("2026-11-20", "2026-11-20")], body);
    assert!(error.to_string().contains("item 1"), "{error}");
}

#[test]
fn an_id_that_is_listed_several_times_is_as_many_rows() {
    let body =
        r#"{"commitments":[{"commitment_id":"a","utilization":0.5},{"commitment_id":"a"},{"commitment_id":"b"}]}"#;
    let fetched =
        fetch(one().as_ref(), &[window("2026-11-20", "2026-11-20")], |_| (200, body.to_owned())).expect("rows");
    assert_eq!(fetched.rows.num_rows(), 3);
    assert_eq!(fetched.notes, ["1 commitment is listed again in one answer, each time as a row: a"]);
    assert!(one().table().may_repeat());
}

#[test]
fn a_fetch_is_whole_or_nothing() {
    let source = source(&ENTRY, TWO);
    let windows = [window("2026-11-20", "2026-11-20")];
    let requests = source.requests(&windows);
    let mut reader = source.reader(&windows);
    let empty = answer(200, r#"{"commitments":[]}"#);
    reader.read(&requests[0], &empty).expect("read");
    assert_eq!(reader.read(&requests[0], &empty).expect_err("twice").kind(), Kind::Internal);
    assert_eq!((reader.rows(), reader.slots_met()), (0, 1));
    assert_eq!(reader.finish().expect_err("half").kind(), Kind::Internal);
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let body =
        format!(r#"{{"commitments":[{{"commitment_id":"a","x":{}{}}}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(error(one().as_ref(), &[window("2026-11-20", "2026-11-20")], &body).kind(), Kind::BadAnswer);
}
