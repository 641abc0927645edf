//! Datadog's savings over the same bill: one answer per window, without pages and without control sums.
//!
//! Each service is a series. A day without a cost has the value `null`, as the API does when other series have one.

use std::collections::BTreeMap;

use chrono::{NaiveDate, NaiveTime};
use costlake::request::Call;

use super::api::Flaw;
use super::bill::{Bill, Day, SERVICES, text};

/// The job's source.
pub(super) const SOURCE: &str = r#"{ type = "datadog_savings", queries = [{ provider = "aws", product = "ec2" }] }"#;

/// The faults of an API that has neither pages nor totals.
pub(super) fn fits(flaw: Flaw) -> bool {
    use Flaw::{Cut, Denied, LongSilence, RestatedBetween, Silence, Throttled, Unavailable};
    matches!(flaw, Throttled | Unavailable | Silence | LongSilence | Cut | Denied | RestatedBetween)
}

/// The answer to `get`.
pub(super) fn answer(bill: &Bill, get: &Call) -> String {
    told(&get.purpose.window.days().map(|day| (day, bill.now(day))).collect())
}

/// These days as one answer.
pub(super) fn told(days: &BTreeMap<NaiveDate, Day>) -> String {
    let joined = |parts: Vec<String>| parts.join(",");
    let times = joined(days.keys().map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp().to_string()).collect());
    let value = |day: &Day, service: u8| day.costs.get(&service).map_or("null".to_owned(), |amount| text(*amount));
    let values = |service: u8| joined(days.values().map(|day| value(day, service)).collect());
    let series = joined((0..SERVICES).map(|service| format!(r#""S{service}":[{}]"#, values(service))).collect());
    format!(
        r#"{{"actual_cost":{{"times":[{times}],"series":{{{series}}}}},"on_demand_equivalent_cost":null,
        "realized_savings":{{"times":[],"series":{{}}}},"effective_savings_rate":null}}"#
    )
}
