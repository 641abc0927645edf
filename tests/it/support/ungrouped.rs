//! The API's totals of the pages that it is about to send.

use std::collections::BTreeMap;

use chrono::{DateTime, Months, NaiveDate, TimeDelta};
use costlake::decimal;
use serde_json::{Value, json};

use super::cost_explorer::dollars;

/// The costs of a period by metric, and whether they are estimates.
#[derive(Default)]
struct Period {
    amounts: BTreeMap<String, i128>,
    /// Unit of each metric; the last one if there are several.
    units: BTreeMap<String, String>,
    estimated: bool,
}

/// Pages in the order in which they are sent, added up by period. A later pagination over the same period replaces an
/// earlier one.
#[derive(Default)]
pub(crate) struct Sums {
    whole: BTreeMap<String, Period>,
    series: BTreeMap<String, Period>,
}

impl Sums {
    /// Adds a page; anything that is not a page, and any invalid amount, counts as zero.
    pub(crate) fn add(&mut self, page: &Value) {
        for result in page["ResultsByTime"].as_array().into_iter().flatten() {
            let Some(start) = result["TimePeriod"]["Start"].as_str() else { continue };
            let period = self.series.entry(start.to_owned()).or_default();
            period.estimated = result["Estimated"] == true;
            for group in result["Groups"].as_array().into_iter().flatten() {
                for (metric, value) in group["Metrics"].as_object().into_iter().flatten() {
                    let amount = value["Amount"].as_str().and_then(|text| decimal::parse(text).ok());
                    *period.amounts.entry(metric.clone()).or_default() += amount.unwrap_or(0);
                    if let Some(unit) = value["Unit"].as_str() {
                        period.units.insert(metric.clone(), unit.to_owned());
                    }
                }
            }
        }
        if page["NextPageToken"].as_str().unwrap_or_default().is_empty() {
            self.whole.append(&mut self.series);
        }
    }

    /// Discards the unfinished pagination: its next page is refused.
    pub(crate) fn start_again(&mut self) {
        self.series.clear();
    }

    /// The answer to an ungrouped request; a period that is on no page costs zero.
    pub(crate) fn answer(&self, question: &Value) -> Value {
        let metrics: Vec<&str> =
            question["Metrics"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let result = |(start, end): (String, String)| {
            let period = self.whole.get(&start);
            let amount = |metric: &str| period.and_then(|p| p.amounts.get(metric)).copied().unwrap_or(0);
            let value = |metric: &str| {
                let mut value = dollars(&decimal::text(amount(metric)));
                if let Some(unit) = period.and_then(|period| period.units.get(metric)) {
                    value["Unit"] = json!(unit);
                }
                value
            };
            let total: serde_json::Map<String, Value> =
                metrics.iter().map(|metric| ((*metric).to_owned(), value(metric))).collect();
            json!({
                "TimePeriod": { "Start": start, "End": end }, "Total": total, "Groups": [],
                "Estimated": period.is_none_or(|period| period.estimated),
            })
        };
        let results: Vec<Value> = periods(question).into_iter().map(result).collect();
        json!({ "ResultsByTime": results, "DimensionValueAttributes": [] })
    }
}

/// The periods of a request.
pub(crate) fn periods(question: &Value) -> Vec<(String, String)> {
    let text = |name: &str| question["TimePeriod"][name].as_str().expect("a period").to_owned();
    let (mut start, end) = (text("Start"), text("End"));
    let mut found = Vec::new();
    while start < end {
        let next = following(&start, question["Granularity"].as_str());
        found.push((start, next.clone()));
        start = next;
    }
    found
}

fn following(start: &str, granularity: Option<&str>) -> String {
    if granularity == Some("HOURLY") {
        let at: DateTime<chrono::Utc> = start.parse().expect("an hour");
        return (at + TimeDelta::hours(1)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    }
    let day: NaiveDate = start.parse().expect("a day");
    match granularity {
        Some("MONTHLY") => day.checked_add_months(Months::new(1)),
        _ => day.succ_opt(),
    }
    .expect("a later day")
    .to_string()
}
