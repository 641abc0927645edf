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
            r#"GetCostForecast DAILY UnblendedCost of 90 days at 80 %: {"Granularity":"DAILY","Metric":"UNBLENDED_COST","PredictionIntervalLevel":80,"TimePeriod":{"End":"2027-02-18","Start":"2026-11-20"}}"#,
        ),
        (
            "metric = \"NetAmortizedCost\"\ngranularity = \"MONTHLY\"\nhorizon_days = 30\nlevel = 95",
            r#"GetCostForecast MONTHLY NetAmortizedCost of 30 days at 95 %: {"Granularity":"MONTHLY","Metric":"NET_AMORTIZED_COST","PredictionIntervalLevel":95,"TimePeriod":{"End":"2027-01-01","Start":"2026-11-20"}}"#,
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
fn periods_that_were_not_asked_for_or_come_twice_are_refused() {
    let second = |start: &str, end: &str| {
        DAYS.replace("2026-11-22", end).replacen(
            "\"2026-11-21\",\n        \"End\"",
            &format!("\"{start}\",\n        \"End\""),
            1,
        )
    };
    for (toml, answer, wanted) in [
        ("", second("2026-11-20", "2026-11-21"), "the forecast has the period 2026-11-20 twice"),
        (
            "",
            second("2026-11-19", "2026-11-20"),
            "the forecast has a period from 2026-11-19 to 2026-11-20, which was not asked for",
        ),
        (
            "",
            second("2026-11-21", "2026-12-01"),
            "the forecast has a period from 2026-11-21 to 2026-12-01, which was not asked for",
        ),
        (
            "horizon_days = 1",
            second("2026-11-21", "2026-11-22"),
            "the forecast has a period from 2026-11-21 to 2026-11-22, which was not asked for",
        ),
    ] {
        let error = error(source(&ENTRY, toml).as_ref(), &[window("2026-11-20", "2026-11-20")], &answer);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{answer}");
    }
    let months = source(&ENTRY, "granularity = \"MONTHLY\"");
    for start in ["2026-11-20", "2026-11-01"] {
        let month = format!(
            r#"{{"ForecastResultsByTime":[{{"TimePeriod":{{"Start":"{start}","End":"2026-12-01"}},"MeanValue":"1"}}]}}"#
        );
        let fetched = fetch(months.as_ref(), &[window("2026-11-20", "2026-11-20")], |_| month.clone()).expect(start);
        assert_eq!(fetched.rows.num_rows(), 1);
    }
}

#[test]
fn problems_are_named_with_their_key() {
    for (toml, wanted) in [
        (
            "metric = \"UnblendedCosts\"",
            "source.metric: `UnblendedCosts` cannot be predicted (did you mean `UnblendedCost`?); the API predicts UnblendedCost, BlendedCost, AmortizedCost, NetUnblendedCost, NetAmortizedCost",
        ),
        ("granularity = \"HOURLY\"", "source.granularity: must be \"DAILY\" or \"MONTHLY\", not \"HOURLY\""),
        ("horizon_days = 91", "source.horizon_days: must be a whole number from 1 to 90, not 91"),
        ("level = 100", "source.level: must be a whole number from 51 to 99, not 100"),
    ] {
        assert_eq!(problems(&ENTRY, toml), [wanted], "{toml}");
    }
}
