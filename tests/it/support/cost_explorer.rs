//! Answers of `GetCostAndUsage` as the tests write them: `UnblendedCost` by `SERVICE`, day by day.

use chrono::NaiveDate;
use serde_json::{Value, json};

/// The job these answers are for.
pub(crate) const DAILY: &str = r#"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-11-01"
refresh = "billing-close"
[limits]
requests_per_second = 1000
"#;

/// An instant at which November 1 and 2 are due.
pub(crate) const NOW: &str = "2026-11-03T06:00:00Z";

/// The day after a day.
pub(crate) fn after(day: &str) -> String {
    let day: NaiveDate = day.parse().expect("a day");
    day.succ_opt().expect("a next day").to_string()
}

/// A metric's value.
pub(crate) fn dollars(amount: &str) -> Value {
    json!({ "Amount": amount, "Unit": "USD" })
}

/// One group.
pub(crate) fn group(service: &str, amount: &str) -> Value {
    json!({ "Keys": [service], "Metrics": { "UnblendedCost": dollars(amount) } })
}

/// One entry of `ResultsByTime` with these groups.
pub(crate) fn result(day: &str, groups: Vec<Value>) -> Value {
    json!({ "TimePeriod": { "Start": day, "End": after(day) }, "Total": {}, "Groups": groups, "Estimated": true })
}

/// A day with pairs of service and amount.
pub(crate) fn day(day: &str, costs: &[(&str, &str)]) -> Value {
    result(day, costs.iter().map(|(service, amount)| group(service, amount)).collect())
}

/// A page of results; the last one has no token.
pub(crate) fn page(results: &[Value], token: Option<&str>) -> Value {
    let mut page = json!({
        "GroupDefinitions": [{ "Type": "DIMENSION", "Key": "SERVICE" }],
        "ResultsByTime": results,
        "DimensionValueAttributes": [],
    });
    if let Some(token) = token {
        page["NextPageToken"] = json!(token);
    }
    page
}

/// The two days that are due at [`NOW`], on one page.
pub(crate) fn two_days() -> Value {
    page(&[day("2026-11-01", &[("EC2", "1.5"), ("S3", "0.25")]), day("2026-11-02", &[("EC2", "2")])], None)
}
