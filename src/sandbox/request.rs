//! A `GetCostAndUsage` request: parsed, checked with the service's error messages, and split into periods.

use std::collections::HashSet;

use chrono::{DateTime, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::attribute::{Attribute, Dimension};
use super::bill::{METRICS, first_of_month, next_month};
use super::expression::{Filter, Wire};
use super::fault::Fault;
use super::product_attributes;

/// The metrics, in the order of the amounts: name in answers, other accepted spelling.
pub(super) const NAMES: [(&str, &str); METRICS] = [
    ("UnblendedCost", "UNBLENDED_COST"),
    ("BlendedCost", "BLENDED_COST"),
    ("AmortizedCost", "AMORTIZED_COST"),
    ("NetUnblendedCost", "NET_UNBLENDED_COST"),
    ("NetAmortizedCost", "NET_AMORTIZED_COST"),
    ("UsageQuantity", "USAGE_QUANTITY"),
    ("NormalizedUsageAmount", "NORMALIZED_USAGE_AMOUNT"),
    ("BilledCost", "BILLED_COST"),
    ("ContractedCost", "CONTRACTED_COST"),
    ("ListCost", "LIST_COST"),
    ("PublicEquivalentBilledCost", "PUBLIC_EQUIVALENT_BILLED_COST"),
    ("PublicOnDemandCost", "PUBLIC_ON_DEMAND_COST"),
];

/// Index into [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Metric(pub(super) usize);

impl Metric {
    pub(super) const UNBLENDED_COST: Self = Self(0);
    pub(super) const AMORTIZED_COST: Self = Self(2);
    pub(super) const USAGE_QUANTITY: Self = Self(5);
    pub(super) const NORMALIZED_USAGE: Self = Self(6);
    pub(super) const PUBLIC_ON_DEMAND_COST: Self = Self(11);

    /// The money metric with the name that the forecast operation uses, such as `UNBLENDED_COST`.
    pub(super) fn of_cost(name: &str) -> Option<Self> {
        let index = NAMES.iter().position(|(_, snake)| *snake == name)?;
        Some(Self(index)).filter(|metric| metric.is_cost())
    }

    pub(super) fn is_cost(self) -> bool {
        self != Self::USAGE_QUANTITY && self != Self::NORMALIZED_USAGE
    }

    pub(super) fn name(self) -> &'static str {
        NAMES.get(self.0).map_or("", |(name, _)| name)
    }

    /// The unit; `shared` is the unit of all lines if they have the same.
    pub(super) fn unit(self, shared: Option<&'static str>) -> &'static str {
        match self {
            _ if self.is_cost() => "USD",
            Self::USAGE_QUANTITY => shared.filter(|unit| !unit.is_empty()).unwrap_or("N/A"),
            _ => "N/A",
        }
    }
}

/// A grouping as received and echoed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Definition {
    #[serde(rename = "Type", default)]
    pub(super) kind: String,
    #[serde(rename = "Key", default)]
    pub(super) key: String,
}

impl Definition {
    fn attribute(&self) -> Result<Attribute, Fault> {
        match self.kind.as_str() {
            "DIMENSION" => Attribute::dimension(&self.key),
            _ if self.key.is_empty() => Err(Fault::validation("GroupBy key should not be empty.")),
            "TAG" => Ok(Attribute::Tag(self.key.clone())),
            "COST_CATEGORY" => Ok(Attribute::Category(self.key.clone())),
            "PRODUCT_ATTRIBUTE" => product_attributes::keyed(&self.key),
            other => Err(Fault::validation(format!("GroupBy type {other} is invalid."))),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
struct WireInterval {
    #[serde(rename = "Start", default)]
    start: String,
    #[serde(rename = "End", default)]
    end: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireRequest {
    time_period: Option<WireInterval>,
    granularity: Option<String>,
    #[serde(default)]
    metrics: Vec<String>,
    #[serde(default)]
    group_by: Vec<Definition>,
    filter: Option<Wire>,
    next_page_token: Option<String>,
    billing_view_arn: Option<String>,
}

/// Length of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Granularity {
    Hourly,
    Daily,
    Monthly,
}

impl Granularity {
    fn read(text: Option<&str>) -> Result<Self, Fault> {
        match text {
            Some("DAILY") => Ok(Self::Daily),
            Some("MONTHLY") => Ok(Self::Monthly),
            Some("HOURLY") => Ok(Self::Hourly),
            _ => Err(Fault::validation("Granularity should be either 'MONTHLY' or 'DAILY' or 'HOURLY'")),
        }
    }
}

/// A checked request.
#[derive(Debug)]
pub(super) struct Request {
    start: NaiveDateTime,
    end: NaiveDateTime,
    pub(super) granularity: Granularity,
    pub(super) metrics: Vec<Metric>,
    pub(super) definitions: Vec<Definition>,
    pub(super) groupings: Vec<Attribute>,
    pub(super) filter: Option<Filter>,
    pub(super) token: Option<String>,
    /// Hash of everything but the token: pages of one query share it.
    pub(super) fingerprint: [u8; 8],
}

/// A half-open period of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) start: NaiveDateTime,
    pub(super) end: NaiveDateTime,
}

impl Request {
    /// Parses and checks a body as of `now`.
    pub(super) fn read(body: &[u8], now: DateTime<Utc>) -> Result<Self, Fault> {
        let mut value: serde_json::Value =
            serde_json::from_slice(body).map_err(|error| Fault::new("SerializationException", error.to_string()))?;
        let wire: WireRequest = serde_json::from_value(value.clone())
            .map_err(|error| Fault::new("SerializationException", error.to_string()))?;
        if let Some(members) = value.as_object_mut() {
            members.remove("NextPageToken");
        }
        wire.checked(now, fingerprint(&value.to_string()))
    }

    /// True for a query that holds only the cost of the services with product attributes.
    pub(super) fn is_by_product(&self) -> bool {
        product_attributes::are_asked(&self.groupings, self.filter.as_ref())
    }

    /// The periods of the answer, clipped to the request.
    pub(super) fn periods(&self) -> Vec<Period> {
        let mut periods = Vec::new();
        let mut start = self.start;
        while start < self.end {
            let end = match self.granularity {
                Granularity::Hourly => start + TimeDelta::hours(1),
                Granularity::Daily => start + TimeDelta::days(1),
                Granularity::Monthly => next_month(start.date()).and_time(start.time()),
            };
            periods.push(Period { start, end: end.min(self.end) });
            start = end;
        }
        periods
    }

    /// The position of the grouping by linked account, if any; the answer then includes the accounts' names.
    pub(super) fn names_accounts(&self) -> Option<usize> {
        self.groupings.iter().position(|grouping| *grouping == Attribute::Dimension(Dimension::LinkedAccount))
    }
}

impl WireRequest {
    fn checked(self, now: DateTime<Utc>, fingerprint: [u8; 8]) -> Result<Request, Fault> {
        let granularity = Granularity::read(self.granularity.as_deref())?;
        let interval = self.time_period.unwrap_or_default();
        let start = moment(&interval.start, granularity)?;
        let end = moment(&interval.end, granularity)?;
        check_window(start, end, granularity, now)?;
        let groupings = groupings(&self.group_by)?;
        let filter = self.filter.map(Wire::checked).transpose()?;
        if product_attributes::are_asked(&groupings, filter.as_ref()) {
            product_attributes::check(filter.as_ref(), start.date())?;
        }
        let view = self.billing_view_arn.as_deref();
        if view.is_some_and(|arn| !arn.contains(":billingview/")) {
            return Err(Fault::validation("BillingViewArn is not the ARN of a billing view."));
        }
        Ok(Request {
            start,
            end,
            granularity,
            metrics: metrics(&self.metrics)?,
            definitions: self.group_by,
            groupings,
            filter,
            token: self.next_page_token.filter(|token| !token.is_empty()),
            fingerprint,
        })
    }
}

fn groupings(definitions: &[Definition]) -> Result<Vec<Attribute>, Fault> {
    if definitions.len() > 2 {
        return Err(Fault::validation("Number of groups should be between 0 and 2."));
    }
    if let [first, second] = definitions
        && first == second
    {
        return Err(Fault::validation("GroupBy should not hold the same definition twice."));
    }
    definitions.iter().map(Definition::attribute).collect()
}

fn metrics(names: &[String]) -> Result<Vec<Metric>, Fault> {
    if names.is_empty() {
        return Err(Fault::validation("Metrics should not be empty."));
    }
    let mut seen = HashSet::new();
    let mut metrics = Vec::new();
    for name in names {
        let index = NAMES.iter().position(|(camel, snake)| name == camel || name == snake).ok_or_else(|| {
            let known: Vec<&str> = NAMES.iter().map(|(_, snake)| *snake).collect();
            Fault::validation(format!("Invalid metric {name}. Metrics should be among: {}", known.join(", ")))
        })?;
        if seen.insert(index) {
            metrics.push(Metric(index));
        }
    }
    Ok(metrics)
}

/// The first bytes of a hash of a request's text.
pub(super) fn fingerprint(text: &str) -> [u8; 8] {
    let digest = Sha256::digest(text.as_bytes());
    std::array::from_fn(|index| digest.get(index).copied().unwrap_or(0))
}

fn moment(text: &str, granularity: Granularity) -> Result<NaiveDateTime, Fault> {
    let parsed = match granularity {
        Granularity::Hourly => NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ")
            .ok()
            .filter(|moment| moment.minute() == 0 && moment.second() == 0),
        Granularity::Daily | Granularity::Monthly if text.len() == 10 => {
            NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().map(NaiveDateTime::from)
        }
        _ => None,
    };
    parsed.ok_or_else(|| {
        let format = if granularity == Granularity::Hourly { "yyyy-MM-dd'T'HH:mm:ss'Z'" } else { "yyyy-MM-dd" };
        Fault::validation(format!("Time {text} is invalid. Valid format is: {format}."))
    })
}

fn check_window(
    start: NaiveDateTime,
    end: NaiveDateTime,
    granularity: Granularity,
    now: DateTime<Utc>,
) -> Result<(), Fault> {
    let today = now.date_naive();
    if start >= end {
        return Err(Fault::validation("Start date (and hour) should be before end date (and hour)"));
    }
    if end > NaiveDateTime::from(next_month(today)) {
        return Err(Fault::validation("end date past the beginning of next month"));
    }
    if start.date() > today {
        return Err(Fault::validation("start date should be no later than the current date"));
    }
    check_history(start.date(), granularity, today)
}

/// Refuses a start before the history that the service keeps.
pub(super) fn check_history(start: NaiveDate, granularity: Granularity, today: NaiveDate) -> Result<(), Fault> {
    let month = first_of_month(today);
    let months_back = |count| month.checked_sub_months(Months::new(count)).unwrap_or(NaiveDate::MIN);
    if start < months_back(38) {
        return Err(Fault::new(
            "BillExpirationException",
            "The requested report expired. Update the date interval and try again.",
        ));
    }
    let hourly_floor = today.checked_sub_days(Days::new(14)).unwrap_or(NaiveDate::MIN);
    if granularity == Granularity::Hourly && start < hourly_floor {
        return Err(Fault::validation(
            "Start date is more than 14 days ago for hourly granularity. Please adjust start date as we support only 14 \
             days of data at hourly granularity.",
        ));
    }
    if start < months_back(13) {
        return Err(Fault::validation("You haven't enabled historical data beyond 14 months."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use crate::sandbox::reader::{NOW, query, refused, service};

    #[test]
    fn refusals_use_the_services_words() {
        let ce = service(1_000);
        let none = json!([]);
        let message = |query: Value| refused(&ce, &query, NOW).1;
        assert!(
            message(query("2026-10-05", "2026-10-05", "DAILY", &none)).starts_with("Start date (and hour) should be")
        );
        assert_eq!(
            message(query("2026-11-05", "2026-12-02", "DAILY", &none)),
            "end date past the beginning of next month"
        );
        assert!(
            message(query("2025-09-30", "2026-10-05", "DAILY", &none)).starts_with("You haven't enabled historical")
        );
        assert!(
            message(query("2026-11-06T00:00:00Z", "2026-11-07T00:00:00Z", "HOURLY", &none)).contains("14 days ago")
        );
        assert!(message(query("2026-10-05", "2026-10-06", "WEEKLY", &none)).starts_with("Granularity should be"));
        let service = json!({ "Type": "DIMENSION", "Key": "SERVICE" });
        assert!(
            message(query("2026-10-05", "2026-10-06", "DAILY", &json!([service, service, service]))).contains("groups")
        );
        let resource = json!([{ "Type": "DIMENSION", "Key": "RESOURCE_ID" }]);
        assert_eq!(
            message(query("2026-10-05", "2026-10-06", "DAILY", &resource)),
            "Dimension RESOURCE_ID is not allowed."
        );
        assert_eq!(refused(&ce, &query("2020-10-05", "2026-10-06", "DAILY", &none), NOW).0, "BillExpirationException");
        let early = query("2025-09-01", "2025-09-02", "DAILY", &none);
        assert_eq!(refused(&ce, &early, "2025-09-03T00:00:00Z").0, "DataUnavailableException");
    }
}
