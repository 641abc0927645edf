use super::ENTRY;
use crate::error::Kind;
use crate::sources::cost_explorer::testing::{error, fetch, lines, no_data, problems, shown, source, window};

const DAYS: &str = include_str!("fixtures/days.json");

#[test]
fn the_forecast_begins_today_and_months_are_whole() {
    let today = [window("2026-11-18", "2026-11-20")];
    for (toml, wanted) in [
        (
            "",
            r#"GetCostForecast: {"Granularity":"DAILY","Metric":"UNBLENDED_COST","PredictionIntervalLevel":80,"TimePeriod":{"End":"2027-02-18","Start":"2026-11-20"}}"#,
        ),
        (
            "metric = \"NetAmortizedCost\"\ngranularity = \"MONTHLY\"\nhorizon_days = 30\nlevel = 95",
            r#"GetCostForecast: {"Granularity":"MONTHLY","Metric":"NET_AMORTIZED_COST","PredictionIntervalLevel":95,"TimePeriod":{"End":"2027-01-01","Start":"2026-11-20"}}"#,
        ),
    ] {
        assert_eq!(shown(&source(&ENTRY, toml).requests(&today)), [wanted], "{toml}");
    }
    let fingerprint = source(&ENTRY, "").fingerprint();
    assert_eq!(fingerprint, [("granularity", "DAILY".to_owned()), ("metric", "UnblendedCost".to_owned())]);
}

#[test]
fn a_period_is_a_row_and_a_bound_that_is_missing_is_null() {
    let fetched = fetch(source(&ENTRY, "").as_ref(), &[window("2026-11-20", "2026-11-20")], |_| DAYS.to_owned());
    assert_eq!(
        lines(&fetched.expect("rows")),
        [
            r#"2026-11-20|2026-11-20|DAILY|UnblendedCost|650.125|600.5|699.75|80|USD|{"mean":"650.1250000000000321"}"#,
            "2026-11-20|2026-11-21|DAILY|UnblendedCost|650.375|-|-|80|USD|-",
        ]
    );
}

#[test]
fn an_account_that_is_too_young_has_a_day_without_rows_and_a_note() {
    let fetched = no_data(source(&ENTRY, "").as_ref(), &[window("2026-11-20", "2026-11-20")]).expect("an answer");
    assert_eq!((fetched.rows.num_rows(), fetched.slots.len()), (0, 1));
    assert_eq!(fetched.notes, ["AWS has no forecast: it needs about a month of costs"]);
}

#[test]
fn periods_before_today_or_twice_are_refused() {
    for answer in [DAYS.replace("2026-11-21\",", "2026-11-20\","), DAYS.replace("\"2026-11-20\"", "\"2026-11-19\"")] {
        let error = error(source(&ENTRY, "").as_ref(), &[window("2026-11-20", "2026-11-20")], &answer);
        assert_eq!(error.kind(), Kind::BadAnswer, "{error}");
    }
}

#[test]
fn problems_are_named_with_their_key() {
    for (toml, wanted) in [
        (
            "metric = \"UnblendedCosts\"",
            "source.metric `UnblendedCosts` cannot be predicted (did you mean `UnblendedCost`?); the API predicts UnblendedCost, BlendedCost, AmortizedCost, NetUnblendedCost, NetAmortizedCost",
        ),
        ("granularity = \"HOURLY\"", "source.granularity must be \"DAILY\" or \"MONTHLY\", not \"HOURLY\""),
        ("horizon_days = 91", "source.horizon_days must be a whole number from 1 to 90, not 91"),
        ("level = 100", "source.level must be a whole number from 51 to 99, not 100"),
    ] {
        assert_eq!(problems(&ENTRY, toml), [wanted], "{toml}");
    }
}
