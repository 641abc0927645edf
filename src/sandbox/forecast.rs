//! `GetCostForecast`: the bill's recent level, carried on with its weekly shape.
//!
//! A day's forecast is the mean of the same weekday over the 28 days that have arrived completely; on the 1st of a month
//! what the bill adds once a month (taxes, fees, support, refunds) is added as it was in the last whole month. A bound
//! widens with the distance of the day and with the level of the prediction interval.

use chrono::{Datelike, Days, Months, NaiveDate};
use serde_json::{Map, Value, json};

use super::amount::text;
use super::bill::{Bill, first_of_month, next_month};
use super::expression::Filter;
use super::fault::Fault;
use super::lines::{Charge, Line};
use super::question::{Question, Span, months_after};
use super::request::{Granularity, Metric};

/// The level of a bill, in 1e-10 USD.
#[derive(Debug)]
struct Level {
    /// Mean of each weekday, from Monday.
    weekdays: [i128; 7],
    /// What a month adds once.
    monthly: i128,
}

fn is_monthly(line: &Line) -> bool {
    use Charge::{LateCredit, Refund, ReservationFee, Support, Tax};
    matches!(line.charge, Tax | ReservationFee { .. } | Support | LateCredit | Refund)
}

impl Level {
    fn of(bill: &Bill, today: NaiveDate, metric: Metric, filter: Option<&Filter>) -> Self {
        let sum = |day: NaiveDate, monthly: bool| {
            let takes = |line: &Line| is_monthly(line) == monthly && filter.is_none_or(|filter| filter.takes(line));
            bill.sum(day, today, takes).get(metric.0).copied().unwrap_or(0)
        };
        let mut weekdays = [(0_i128, 0_i128); 7];
        let recent = today.iter_days().rev().skip(3).take(28).filter(|day| *day >= bill.first_day);
        for day in recent {
            let (total, days) = &mut weekdays[day.weekday().num_days_from_monday() as usize];
            *total += sum(day, false);
            *days += 1;
        }
        let this_month = first_of_month(today);
        let last_month = this_month.checked_sub_months(Months::new(1)).unwrap_or(this_month);
        let last_month = Span { start: last_month, end: this_month };
        Self {
            weekdays: weekdays.map(|(total, days)| total.checked_div(days).unwrap_or(0)),
            monthly: last_month.days().map(|day| sum(day, true)).sum(),
        }
    }

    fn at(&self, day: NaiveDate) -> i128 {
        let weekday = self.weekdays[day.weekday().num_days_from_monday() as usize];
        if day.day() == 1 { weekday + self.monthly } else { weekday }
    }
}

/// Half the width of the interval of a forecast `ahead` days ahead.
fn half_width(mean: i128, ahead: i64, level: i64) -> i128 {
    let permille = i128::from(30 + ahead / 2) * i128::from(level);
    mean.abs() * permille / 80_000
}

/// Answers the operation.
pub(super) fn forecast(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    let today = question.today;
    let span = question.span()?;
    let granularity = question.granularity()?.ok_or_else(|| Fault::validation("Granularity should not be empty."))?;
    check(span, granularity, today)?;
    let name = question.text("Metric")?.unwrap_or_default();
    let metric = Metric::of_cost(&name).ok_or_else(|| Fault::validation(format!("Metric {name:?} is invalid.")))?;
    let level: Option<i64> = question.member("PredictionIntervalLevel")?;
    if level.is_some_and(|level| !(51..=99).contains(&level)) {
        return Err(Fault::validation("PredictionIntervalLevel should be between 51 and 99."));
    }
    let filter = question.filter()?;
    if months_after(bill.first_day, 1) > today {
        return Err(Fault::new(
            "DataUnavailableException",
            "Insufficient amount of historical data to generate forecast.",
        ));
    }
    let known = Level::of(bill, today, metric, filter.as_ref());
    let mut total = 0;
    let series = span.periods(Some(granularity)).into_iter().map(|period| {
        let (mut mean, mut half) = (0, 0);
        for day in period.days() {
            let of_day = known.at(day);
            mean += of_day;
            half += half_width(of_day, (day - today).num_days(), level.unwrap_or(0));
        }
        total += mean;
        let mut row = Map::new();
        row.insert("TimePeriod".to_owned(), period.interval());
        row.insert("MeanValue".to_owned(), json!(text(mean)));
        if level.is_some() {
            row.insert("PredictionIntervalLowerBound".to_owned(), json!(text(mean - half)));
            row.insert("PredictionIntervalUpperBound".to_owned(), json!(text(mean + half)));
        }
        Value::Object(row)
    });
    let series: Vec<Value> = series.collect();
    Ok(json!({ "Total": { "Amount": text(total), "Unit": "USD" }, "ForecastResultsByTime": series }))
}

/// Refuses a window in the past, or too far ahead: 3 months of days, 18 months.
fn check(span: Span, granularity: Granularity, today: NaiveDate) -> Result<(), Fault> {
    if span.start < today {
        return Err(Fault::validation(format!(
            "Requested Start: {} should be equal to or later than today: {today}",
            span.start
        )));
    }
    let furthest = match granularity {
        Granularity::Monthly => {
            let day_before = today.checked_sub_days(Days::new(1)).unwrap_or(today);
            next_month(months_after(day_before, 18))
        }
        Granularity::Daily | Granularity::Hourly => months_after(today, 3),
    };
    if span.end > furthest {
        return Err(Fault::validation(format!("Requested End: {} should not be later than {furthest}", span.end)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use crate::sandbox::reader::{NOW, amount_at, billed, performed, refusal, service, units};

    fn asked(window: (&str, &str), granularity: &str) -> Value {
        json!({
            "TimePeriod": { "Start": window.0, "End": window.1 },
            "Granularity": granularity,
            "Metric": "UNBLENDED_COST",
        })
    }

    #[test]
    fn the_forecast_is_near_what_the_bill_becomes() {
        let ce = service(1_000);
        let december = ("2026-12-01", "2027-01-01");
        let days = performed(&ce, "GetCostForecast", &asked(december, "DAILY"), NOW).unwrap();
        let rows = days["ForecastResultsByTime"].as_array().unwrap();
        assert_eq!(rows.len(), 31);
        let sum: i128 = rows.iter().map(|row| amount_at(row, "/MeanValue")).sum();
        assert_eq!(sum, amount_at(&days, "/Total/Amount"));
        assert_eq!(days["Total"]["Unit"], "USD");
        assert!(rows[0].get("PredictionIntervalLowerBound").is_none(), "no level, no bounds");
        let month = performed(&ce, "GetCostForecast", &asked(december, "MONTHLY"), NOW).unwrap();
        assert_eq!(month["Total"], days["Total"]);
        let everything = json!({ "Not": { "Dimensions": { "Key": "SERVICE", "Values": ["x"] } } });
        let actual = billed(&ce, december, "UnblendedCost", &everything, "2027-02-20T00:00:00Z");
        assert!((sum - actual).abs() * 100 < actual * 7, "{sum} is not near {actual}");
        let weekday = |at: usize| amount_at(&rows[at], "/MeanValue");
        assert!(weekday(5) < weekday(4), "2026-12-05 is a Saturday");
    }

    #[test]
    fn bounds_widen_and_filters_and_clocks_reach_the_forecast() {
        let ce = service(1_000);
        let mut question = asked(("2026-11-21", "2027-02-21"), "DAILY");
        let mut width = |level: i64| {
            question["PredictionIntervalLevel"] = json!(level);
            let answer = performed(&ce, "GetCostForecast", &question, NOW).unwrap();
            let rows = answer["ForecastResultsByTime"].as_array().unwrap().clone();
            let of = |row: &Value| {
                let bound = |side: &str| units(row[format!("PredictionInterval{side}Bound")].as_str().unwrap());
                assert!(bound("Lower") < amount_at(row, "/MeanValue"));
                bound("Upper") - bound("Lower")
            };
            (of(&rows[2]), of(&rows[65]))
        };
        let (narrow, wide) = (width(60), width(95));
        assert!(narrow.0 < wide.0 && narrow.0 < narrow.1, "{narrow:?} {wide:?}");
        let months = asked(("2026-11-21", "2028-06-01"), "MONTHLY");
        let total = |question: &Value, now: &str| {
            amount_at(&performed(&ce, "GetCostForecast", question, now).unwrap(), "/Total/Amount")
        };
        let all = total(&months, NOW);
        let service = |not: bool| {
            let mut question = months.clone();
            let only = json!({ "Dimensions": { "Key": "SERVICE", "Values": ["Tax"] } });
            question["Filter"] = if not { json!({ "Not": only }) } else { only };
            total(&question, NOW)
        };
        let parts = service(true) + service(false);
        assert!(service(false) > 0 && (all - parts).abs() < 10_000, "{all} {parts}");
        let thursday = asked(("2026-12-03", "2026-12-04"), "DAILY");
        assert_ne!(total(&thursday, NOW), total(&thursday, "2026-11-22T04:00:00Z"), "Thursday the 19th has arrived");
    }

    #[test]
    fn refusals_of_forecasts() {
        let ce = service(1_000);
        let good = asked(("2026-11-21", "2026-12-01"), "DAILY");
        let with = |name: &str, value: Value| {
            let mut question = good.clone();
            question[name] = value;
            question
        };
        for (question, words) in [
            (asked(("2026-11-20", "2026-12-01"), "DAILY"), "Requested Start: 2026-11-20"),
            (asked(("2026-11-21", "2027-02-22"), "DAILY"), "Requested End: 2027-02-22"),
            (asked(("2026-11-21", "2028-06-02"), "MONTHLY"), "Requested End: 2028-06-02"),
            (asked(("2026-11-21", "2026-11-21"), "DAILY"), "Start date"),
            (with("Metric", json!("USAGE_QUANTITY")), "Metric \"USAGE_QUANTITY\" is invalid"),
            (with("Metric", Value::Null), "Metric \"\" is invalid"),
            (with("Granularity", Value::Null), "Granularity should not be empty"),
            (with("PredictionIntervalLevel", json!(50)), "PredictionIntervalLevel"),
            (with("PredictionIntervalLevel", json!(100)), "PredictionIntervalLevel"),
        ] {
            let (code, message) = refusal(&ce, "GetCostForecast", &question, NOW);
            assert!(code == "ValidationException" && message.starts_with(words), "{message}");
        }
        let young = asked(("2025-10-31", "2025-11-30"), "DAILY");
        let (code, message) = refusal(&ce, "GetCostForecast", &young, "2025-10-31T00:00:00Z");
        assert!(code == "DataUnavailableException" && message.starts_with("Insufficient amount of historical data"));
        assert!(
            performed(&ce, "GetCostForecast", &asked(("2025-11-01", "2025-11-30"), "DAILY"), "2025-11-01T00:00:00Z")
                .is_ok()
        );
    }
}
