//! A small client for the tests: reads all pages of an answer, without HTTP, and asserts that no group comes twice.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::bill::Bill;
use super::cost_explorer::CostExplorer;
use super::fault::Fault;
use super::operations::Operation;

/// Amounts in 1e-10 by metric name, by period start and keys.
pub(super) type Sums = BTreeMap<(String, Vec<String>), BTreeMap<String, i128>>;

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn service(page_groups: usize) -> CostExplorer {
    CostExplorer::new(Bill::new(42, day("2025-10-01")), page_groups)
}

pub(super) fn units(amount: &str) -> i128 {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    format!("{whole}{fraction:0<10}").parse().unwrap()
}

pub(super) fn query(start: &str, end: &str, granularity: &str, group_by: &Value) -> Value {
    json!({
        "TimePeriod": { "Start": start, "End": end },
        "Granularity": granularity,
        "Metrics": ["UnblendedCost", "AMORTIZED_COST", "UsageQuantity", "NetAmortizedCost"],
        "GroupBy": group_by,
    })
}

pub(super) fn ask(ce: &CostExplorer, query: &Value, now: &str) -> Value {
    let answer = ce.answer(query.to_string().as_bytes(), at(now)).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

pub(super) fn refused(ce: &CostExplorer, query: &Value, now: &str) -> (String, String) {
    let fault = ce.answer(query.to_string().as_bytes(), at(now)).unwrap_err();
    (fault.code.to_owned(), fault.message)
}

pub(super) fn pages(ce: &CostExplorer, query: &Value, now: &str) -> Vec<Value> {
    let mut query = query.clone();
    let mut pages = Vec::new();
    loop {
        let page = ask(ce, &query, now);
        let token = page["NextPageToken"].clone();
        pages.push(page);
        if token.is_null() {
            return pages;
        }
        query["NextPageToken"] = token;
    }
}

pub(super) fn figures(metrics: &Value) -> BTreeMap<String, i128> {
    let metrics = metrics.as_object().unwrap();
    metrics.iter().map(|(name, figure)| (name.clone(), units(figure["Amount"].as_str().unwrap()))).collect()
}

pub(super) fn texts(keys: &Value) -> Vec<String> {
    keys.as_array().unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect()
}

/// All groups of all pages, or the totals with empty keys; asserts that no group or total comes twice.
pub(super) fn read(ce: &CostExplorer, query: &Value, now: &str) -> Sums {
    let grouped = !query["GroupBy"].as_array().unwrap().is_empty();
    let mut sums = Sums::new();
    for page in pages(ce, query, now) {
        for period in page["ResultsByTime"].as_array().unwrap() {
            let start = period["TimePeriod"]["Start"].as_str().unwrap().to_owned();
            if !grouped {
                assert!(sums.insert((start, Vec::new()), figures(&period["Total"])).is_none());
                continue;
            }
            for group in period["Groups"].as_array().unwrap() {
                let key = (start.clone(), texts(&group["Keys"]));
                assert!(sums.insert(key.clone(), figures(&group["Metrics"])).is_none(), "{key:?} came twice");
            }
        }
    }
    sums
}

/// Sums per period, with period starts truncated to `prefix` characters.
pub(super) fn by_period(sums: &Sums, prefix: usize) -> BTreeMap<String, BTreeMap<String, i128>> {
    let mut periods: BTreeMap<String, BTreeMap<String, i128>> = BTreeMap::new();
    for ((start, _), figures) in sums {
        let period = periods.entry(start.get(..prefix).unwrap_or(start).to_owned()).or_default();
        for (name, amount) in figures {
            *period.entry(name.clone()).or_default() += amount;
        }
    }
    periods
}

/// The answer of any operation.
pub(super) fn performed(ce: &CostExplorer, operation: &str, question: &Value, now: &str) -> Result<Value, Fault> {
    let target = Operation::of_target(&format!("AWSInsightsIndexService.{operation}")).unwrap();
    let answer = ce.perform(target, question.to_string().as_bytes(), at(now))?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

/// The code and message of a refusal of any operation.
pub(super) fn refusal(ce: &CostExplorer, operation: &str, question: &Value, now: &str) -> (&'static str, String) {
    let fault = performed(ce, operation, question, now).unwrap_err();
    (fault.code, fault.message)
}

/// A text of an answer as an amount in 1e-10; `path` is a JSON pointer.
pub(super) fn amount_at(answer: &Value, path: &str) -> i128 {
    units(answer.pointer(path).and_then(Value::as_str).unwrap())
}

/// The bill's sum of one metric over a window, restricted by a filter.
pub(super) fn billed(ce: &CostExplorer, window: (&str, &str), metric: &str, filter: &Value, now: &str) -> i128 {
    let mut query = query(window.0, window.1, "DAILY", &json!([]));
    query["Metrics"] = json!([metric]);
    query["Filter"] = filter.clone();
    read(ce, &query, now).values().map(|sums| sums.values().sum::<i128>()).sum()
}

/// The simulated time of most tests.
pub(super) const NOW: &str = "2026-11-21T04:00:00Z";
