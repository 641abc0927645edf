use super::ENTRY;
use crate::sources::cost_explorer::testing::{error, fetch, lines, shown, source, window};

const ANOMALIES: &str = include_str!("fixtures/anomalies.json");

#[test]
fn the_last_ninety_days_are_listed() {
    assert_eq!(
        shown(&source(&ENTRY, "").requests(&[window("2026-11-20", "2026-11-20")])),
        [r#"GetAnomalies: {"DateInterval":{"EndDate":"2026-11-20","StartDate":"2026-08-23"},"MaxResults":100}"#]
    );
}

#[test]
fn an_anomaly_is_a_row_with_its_causes_as_json() {
    let days = [window("2026-11-20", "2026-11-20")];
    let fetched = fetch(source(&ENTRY, "").as_ref(), &days, |_| ANOMALIES.to_owned()).expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            r#"2026-11-20|a-made-up-1|2026-11-14|2026-11-16|Amazon Simple Storage Service|[{"Impact":{"Contribution":41.5},"LinkedAccount":"000000000123","Region":"eu-central-1","Service":"Amazon Simple Storage Service","UsageType":"EUC1-Requests-Tier1"}]|0.91|0.12|60.25|101.7|131.7|30|339|arn:aws:ce::000000000123:anomalymonitor/made-up|NO|-"#,
            r#"2026-11-20|a-made-up-2|-|-|-|-|1|1|5|-|-|-|-|-|-|{"depth":2}"#,
        ]
    );
}

#[test]
fn an_anomaly_without_an_id_or_listed_twice_is_refused() {
    for (answer, wanted) in [
        (ANOMALIES.replace("a-made-up-2", "a-made-up-1"), "an anomaly is listed twice"),
        (ANOMALIES.replace("\"a-made-up-2\"", "null"), "an anomaly has no `AnomalyId`"),
        (ANOMALIES.replace("\"a-made-up-2\"", "5"), "`AnomalyId` is not text"),
        ("{}".to_owned(), "the answer has no `Anomalies`"),
    ] {
        let error = error(source(&ENTRY, "").as_ref(), &[window("2026-11-20", "2026-11-20")], &answer);
        assert_eq!(error.message(), wanted, "{answer}");
    }
}
