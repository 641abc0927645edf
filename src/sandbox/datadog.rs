//! Datadog's cost endpoints: from parameters to an answer, without HTTP.

use std::collections::HashMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use serde_json::{Map, Value, json};

use super::commitments::{Selection, Spend, Window, decimal};
use super::integration::{self, Missing};

/// Query parameters by name.
pub(super) type Parameters = HashMap<String, String>;

/// An error in the JSON:API shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    title: &'static str,
    detail: String,
}

impl Refusal {
    pub(super) fn new(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self { status, title, detail: detail.into() }
    }

    fn invalid(detail: impl Into<String>) -> Self {
        Self::new(400, "Invalid Parameter", detail)
    }

    /// The error's body.
    pub(super) fn body(&self) -> Value {
        json!({ "errors": [{ "status": self.status.to_string(), "title": self.title, "detail": self.detail }] })
    }
}

/// The parameters common to all commitments requests.
#[derive(Debug)]
struct Query<'a> {
    provider: &'a str,
    product: &'a str,
    kind: &'a str,
    window: Window,
}

impl<'a> Query<'a> {
    fn read(parameters: &'a Parameters, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let provider = required(parameters, "provider")?;
        one_of(&["aws", "azure"], "provider", provider)?;
        let kind = parameters.get("commitmentType").map_or("ri", String::as_str);
        one_of(&["ri", "sp"], "commitmentType", kind)?;
        let product = required(parameters, "product")?;
        let start = first_day_at_or_after(required(parameters, "start")?, "start")?;
        let end = first_day_at_or_after(required(parameters, "end")?, "end")?;
        if start >= end {
            return Err(Refusal::invalid("\"start\" must be before \"end\""));
        }
        let window = Window { start, end, today: now.date_naive() };
        Ok(Self { provider, product, kind, window })
    }

    fn selection(&self, kind: Option<&'a str>) -> Selection<'a> {
        Selection { provider: self.provider, product: self.product, kind }
    }
}

fn required<'a>(parameters: &'a Parameters, name: &str) -> Result<&'a str, Refusal> {
    let value = parameters.get(name).map(String::as_str).filter(|value| !value.is_empty());
    value.ok_or_else(|| Refusal::invalid(format!("missing required parameter \"{name}\" in \"query\"")))
}

fn one_of(known: &[&str], name: &str, value: &str) -> Result<(), Refusal> {
    if known.iter().any(|known| known.eq_ignore_ascii_case(value)) {
        return Ok(());
    }
    Err(Refusal::invalid(format!("invalid parameter \"{name}\" in \"query\"; got {value:?}")))
}

/// The first UTC midnight at or after an instant in epoch milliseconds.
fn first_day_at_or_after(text: &str, name: &str) -> Result<NaiveDate, Refusal> {
    let instant = text.parse().ok().and_then(DateTime::from_timestamp_millis);
    let instant = instant.filter(|instant| (1_990..2_200).contains(&chrono::Datelike::year(instant)));
    let instant: DateTime<Utc> = instant.ok_or_else(|| {
        Refusal::invalid(format!("invalid parameter \"{name}\" in \"query\"; expected Unix milliseconds, got {text:?}"))
    })?;
    let day = instant.date_naive();
    let whole = instant.time() == chrono::NaiveTime::MIN;
    Ok(if whole { day } else { day.checked_add_days(Days::new(1)).unwrap_or(day) })
}

/// `commitment-list`.
pub(super) fn commitment_list(seed: u64, parameters: &Parameters, now: DateTime<Utc>) -> Result<Value, Refusal> {
    let query = Query::read(parameters, now)?;
    let list = query.selection(Some(query.kind)).list(seed, query.window);
    let mut answer = json!({ "commitments": list });
    if query.kind.eq_ignore_ascii_case("sp")
        && let Some(members) = answer.as_object_mut()
    {
        members.insert("meta".to_owned(), json!({ "committed_spend_unit": dollars() }));
    }
    Ok(answer)
}

/// `savings/timeseries`.
pub(super) fn savings(seed: u64, parameters: &Parameters, now: DateTime<Utc>) -> Result<Value, Refusal> {
    let query = Query::read(parameters, now)?;
    let selection = query.selection(None);
    let points = points(seed, &selection, query.window);
    let cents = |figure: fn(&Spend) -> i64| metric(&points, "total", |spend| decimal(figure(spend), 100));
    let mut actual = cents(|spend| spend.actual);
    if let Some(members) = actual.as_object_mut() {
        members.insert("unit".to_owned(), dollars());
    }
    let rate = |spend: &Spend| {
        let saved = (spend.on_demand - spend.actual) * 10_000;
        decimal(saved.checked_div(spend.on_demand).unwrap_or(0), 10_000)
    };
    Ok(json!({
        "actual_cost": actual,
        "effective_savings_rate": metric(&points, "total", rate),
        "on_demand_equivalent_cost": cents(|spend| spend.on_demand),
        "realized_savings": cents(|spend| spend.on_demand - spend.actual),
    }))
}

/// `utilization/timeseries`: one bare metric with the series `used` and `unused`.
pub(super) fn utilization(seed: u64, parameters: &Parameters, now: DateTime<Utc>) -> Result<Value, Refusal> {
    let query = Query::read(parameters, now)?;
    let points = points(seed, &query.selection(Some(query.kind)), query.window);
    let used = |spend: &Spend| (spend.used * 10_000).checked_div(spend.actual).unwrap_or(0);
    let mut answer = metric(&points, "used", |spend| decimal(used(spend), 10_000));
    let unused: Vec<f64> = points.iter().map(|(_, spend)| decimal(10_000 - used(spend), 10_000)).collect();
    if let Some(series) = answer.get_mut("series").and_then(Value::as_object_mut)
        && !unused.is_empty()
    {
        series.insert("unused".to_owned(), json!(unused));
    }
    if let Some(members) = answer.as_object_mut() {
        members.insert("unit".to_owned(), unit("percentage", 17, "percent", "percent", "%"));
    }
    Ok(answer)
}

/// The daily points of a window, up to yesterday.
fn points(seed: u64, selection: &Selection<'_>, window: Window) -> Vec<(NaiveDate, Spend)> {
    window.days().filter_map(|day| Some((day, selection.spend(seed, day, window.today)?))).collect()
}

fn metric(points: &[(NaiveDate, Spend)], key: &str, value: impl Fn(&Spend) -> f64) -> Value {
    let mut series = Map::new();
    if !points.is_empty() {
        let values: Vec<f64> = points.iter().map(|(_, spend)| value(spend)).collect();
        series.insert(key.to_owned(), json!(values));
    }
    let times: Vec<i64> =
        points.iter().map(|(day, _)| day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp()).collect();
    json!({ "series": series, "times": times })
}

fn dollars() -> Value {
    unit("money", 1, "dollar", "dollars", "$")
}

fn unit(family: &str, id: i64, name: &str, plural: &str, short_name: &str) -> Value {
    json!({ "family": family, "id": id, "name": name, "plural": plural, "scale_factor": 1.0, "short_name": short_name })
}

/// `integration/aws/accounts`.
pub(super) fn accounts(seed: u64, parameters: &Parameters) -> Value {
    let id = parameters.get("aws_account_id").map(String::as_str).filter(|id| !id.is_empty());
    integration::accounts(seed, id)
}

/// `integration/aws/accounts/{id}/ccm_config`.
pub(super) fn ccm_config(seed: u64, config_id: &str) -> Result<Value, Refusal> {
    integration::ccm_config(seed, config_id).map_err(|missing| match missing {
        Missing::NotAnId => {
            Refusal::invalid("invalid parameter \"aws_account_config_id\" in \"path\"; expected type \"uuid\"")
        }
        Missing::NotFound => Refusal::new(404, "Account not found", "AWS account with provided id is not integrated"),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use crate::sandbox::datadog::{self, Parameters};
    use crate::sandbox::reader::{NOW, at};

    fn parameters(pairs: &[(&str, &str)]) -> Parameters {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// One day, 2026-10-05, in milliseconds.
    const DAY: [(&str, &str); 2] = [("start", "1791158400000"), ("end", "1791244800000")];

    #[test]
    fn all_six_kinds_of_commitments_are_listed() {
        for (provider, product, kind, marker) in [
            ("aws", "ec2", "ri", "offering_class"),
            ("AWS", "RDS", "RI", "database_engine"),
            ("aws", "ElastiCache", "ri", "cache_engine"),
            ("aws", "ec2", "sp", "savings_plan_type"),
            ("azure", "VirtualMachines", "ri", "meter_sub_category"),
            ("azure", "virtualmachines", "sp", "benefit_name"),
        ] {
            let asked = [DAY[0], DAY[1], ("provider", provider), ("product", product), ("commitmentType", kind)];
            let answer = datadog::commitment_list(42, &parameters(&asked), at(NOW)).unwrap();
            let list = answer["commitments"].as_array().unwrap();
            assert!(!list.is_empty() && list.iter().all(|item| item[marker].is_string()), "{product} {kind}: {answer}");
            assert_eq!(answer["meta"].is_object(), kind.eq_ignore_ascii_case("sp"));
        }
    }

    #[test]
    fn savings_follow_from_their_parts() {
        let asked = [("start", "1790812800000"), ("end", "1798761600000"), ("provider", "aws"), ("product", "ec2")];
        let answer = datadog::savings(42, &parameters(&asked), at(NOW)).unwrap();
        let values = |metric: &str| -> Vec<f64> {
            let values = answer[metric]["series"]["total"].as_array().unwrap();
            values.iter().map(|value| value.as_f64().unwrap()).collect()
        };
        let cents = |dollars: f64| (dollars * 100.0).round();
        let (actual, on_demand, saved) =
            (values("actual_cost"), values("on_demand_equivalent_cost"), values("realized_savings"));
        assert_eq!(actual.len(), 51, "from October 1 to yesterday");
        assert!(answer["actual_cost"]["unit"].is_object() && answer["realized_savings"]["unit"].is_null());
        for ((actual, on_demand), saved) in actual.iter().zip(on_demand).zip(saved) {
            assert!((cents(on_demand) - cents(*actual) - cents(saved)).abs() < 0.1);
        }
        let wrong = datadog::savings(42, &parameters(&[("provider", "aws")]), at(NOW)).unwrap_err();
        assert_eq!(wrong.status, 400);
    }

    #[test]
    fn accounts_lead_to_their_exports() {
        let accounts = datadog::accounts(42, &parameters(&[]));
        let ids: Vec<&str> = accounts["data"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap()).collect();
        let found: Vec<u16> =
            ids.iter().map(|id| datadog::ccm_config(42, id).map_or_else(|refusal| refusal.status, |_| 200)).collect();
        assert_eq!((found.len(), found.iter().filter(|status| **status == 404).count()), (8, 2));
        assert_eq!(datadog::ccm_config(42, "not-a-uuid").unwrap_err().status, 400);
        let one = datadog::accounts(42, &parameters(&[("aws_account_id", "000123456789")]));
        assert_eq!(one["data"].as_array().unwrap().len(), 1);
        assert!(one["data"][0]["attributes"]["auth_config"]["external_id"].is_string());
    }
}
