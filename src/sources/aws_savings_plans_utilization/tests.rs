use super::ENTRY;
use crate::error::Kind;
use crate::sources::cost_explorer::testing::{error, fetch, lines, no_data, shown, source, window};

const TWO_DAYS: &str = include_str!("fixtures/two_days.json");

#[test]
fn days_are_asked_for_in_one_request_without_pages() {
    let source = source(&ENTRY, "");
    assert_eq!(
        shown(&source.requests(&[window("2026-11-01", "2026-11-20")])),
        [
            r#"GetSavingsPlansUtilization: {"Granularity":"DAILY","TimePeriod":{"End":"2026-11-21","Start":"2026-11-01"}}"#
        ]
    );
    assert!(source.fingerprint().is_empty() && source.read_for().is_empty() && source.totals().is_none());
}

#[test]
fn a_day_is_a_row_and_a_member_that_is_missing_is_null() {
    let fetched = fetch(source(&ENTRY, "").as_ref(), &[window("2026-11-19", "2026-11-21")], |_| TWO_DAYS.to_owned());
    let fetched = fetched.expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            "2026-11-19|240|228.5|11.5|95.2083333333333|61.25|301.25|200|40|240|-",
            r#"2026-11-20|240|240|0|100|72|-|-|-|-|{"net_savings":"72.000000000000004","novel":"1"}"#,
        ]
    );
    assert_eq!(fetched.slots.len(), 3, "a day without an object is an empty day");
    assert_eq!(
        fetched.notes,
        [
            "1 amount has more than 12 decimals and was rounded; its text is in `extra`",
            "1 row has fields that went to `extra`: novel",
        ]
    );
}

#[test]
fn without_data_days_are_empty_and_never_zero() {
    let days = [window("2026-11-19", "2026-11-20")];
    for answer in [
        r#"{"SavingsPlansUtilizationsByTime":[]}"#,
        r#"{"SavingsPlansUtilizationsByTime":null}"#,
        r#"{"SavingsPlansUtilizationsByTime":[{"TimePeriod":{"Start":"2026-11-19","End":"2026-11-20"},"Utilization":{},"Savings":null}]}"#,
    ] {
        let fetched = fetch(source(&ENTRY, "").as_ref(), &days, |_| answer.to_owned()).expect(answer);
        assert_eq!((fetched.rows.num_rows(), fetched.slots.len()), (0, 2), "{answer}");
    }
    let fetched = no_data(source(&ENTRY, "").as_ref(), &days).expect("an answer");
    assert_eq!((fetched.rows.num_rows(), fetched.slots.len()), (0, 2));
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    let of = |period: &str| format!(r#"{{"SavingsPlansUtilizationsByTime":[{period}]}}"#);
    let day = r#"{"TimePeriod":{"Start":"2026-11-19","End":"2026-11-20"},"Utilization":{"TotalCommitment":"1"}}"#;
    for (answer, wanted) in [
        (String::new(), "the answer is empty"),
        ("{".to_owned(), "the answer is not the JSON that the API documents"),
        ("<html>".to_owned(), "the answer is not the JSON that the API documents"),
        ("[]".to_owned(), "the answer is not the JSON that the API documents"),
        ("{}".to_owned(), "the answer has no `SavingsPlansUtilizationsByTime`"),
        (of("3"), "`SavingsPlansUtilizationsByTime` is not a list of objects"),
        (of("{}"), "a period has no `TimePeriod`"),
        (of(r#"{"TimePeriod":{"Start":"soon"}}"#), r#"the period {"Start":"soon"} has no days"#),
        (of(&format!("{day},{day}")), "the answer has the period 2026-11-19 twice"),
        (
            of(&day.replace("2026-11-19", "2026-11-18")),
            "the answer has a period from 2026-11-18 to 2026-11-20, which is not one day",
        ),
        (
            of(&day.replace("11-20", "12-01").replace("11-19", "11-30")),
            "the answer has the period 2026-11-30, which was not asked for",
        ),
        (of(&day.replace("\"1\"", "\"1e40\"")), "`total_commitment` does not fit DECIMAL(38,12)"),
    ] {
        let error = error(source(&ENTRY, "").as_ref(), &[window("2026-11-19", "2026-11-20")], &answer);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{answer}");
        assert!(error.to_string().contains("2026-11-19..2026-11-20"), "{error}");
    }
}

#[test]
fn a_figure_that_is_no_number_is_kept_as_it_came() {
    let answer = TWO_DAYS.replace("\"228.5\"", "\"n/a\"").replace("\"11.5\"", "true");
    let fetched = fetch(source(&ENTRY, "").as_ref(), &[window("2026-11-19", "2026-11-21")], |_| answer.clone());
    let line = &lines(&fetched.expect("rows"))[0];
    assert!(line.starts_with("2026-11-19|240|-|-|95.2"), "{line}");
    assert!(line.ends_with(r#"|{"unused_commitment":true,"used_commitment":"n/a"}"#), "{line}");
}
