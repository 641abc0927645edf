//! Reservations and savings plans: the list, what they save and how far they are used, by day and in all.
//!
//! `filterBy` is accepted and ignored: its grammar is not documented.

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::spend::{Selection, Spend, Window, ratio};
use super::{Company, Parameters, Refusal, dollars, double, milliseconds, missing, one_of, percent, required, window};

/// The parameters common to all commitments requests.
#[derive(Debug)]
pub(super) struct Query<'a> {
    provider: &'a str,
    pub(super) product: &'a str,
    kind: &'a str,
    pub(super) window: Window,
}

impl<'a> Query<'a> {
    pub(super) fn read(parameters: &'a Parameters, company: Company<'_>) -> Result<Self, Refusal> {
        let provider = required(parameters, "provider")?;
        one_of(&["aws", "azure"], "provider", provider)?;
        let kind = parameters.get("commitmentType").map_or("ri", String::as_str);
        one_of(&["ri", "sp"], "commitmentType", kind)?;
        let product = required(parameters, "product")?;
        let (start, end) = window(parameters)?.ok_or_else(|| missing("start"))?;
        let window = Window { start, end, today: company.today() };
        Ok(Self { provider, product, kind, window })
    }

    pub(super) fn is_azure(&self) -> bool {
        self.provider.eq_ignore_ascii_case("azure")
    }

    pub(super) fn selection(&self, kind: Option<&'a str>) -> Selection<'a> {
        Selection { provider: self.provider, product: self.product, kind }
    }
}

/// `commitment-list`.
pub(super) fn list(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let query = Query::read(parameters, company)?;
    let list = query.selection(Some(query.kind)).list(company.bill, query.window);
    let mut answer = json!({ "commitments": list });
    if query.kind.eq_ignore_ascii_case("sp")
        && let Some(members) = answer.as_object_mut()
    {
        members.insert("meta".to_owned(), json!({ "committed_spend_unit": dollars() }));
    }
    Ok(answer)
}

/// `savings/timeseries`.
pub(super) fn savings(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let query = Query::read(parameters, company)?;
    let points = points(company, &query.selection(None), query.window);
    let money = |figure: fn(&Spend) -> i64| metric(&points, &[("total", &|spend| double(figure(spend).into()))]);
    let mut actual = money(|spend| spend.actual);
    if let Some(members) = actual.as_object_mut() {
        members.insert("unit".to_owned(), dollars());
    }
    Ok(json!({
        "actual_cost": actual,
        "effective_savings_rate": metric(&points, &[("total", &savings_rate)]),
        "on_demand_equivalent_cost": money(|spend| spend.on_demand),
        "realized_savings": money(|spend| spend.on_demand - spend.actual),
    }))
}

fn savings_rate(spend: &Spend) -> f64 {
    ratio(spend.on_demand - spend.actual, spend.on_demand)
}

/// `savings/scalar`.
pub(super) fn savings_in_all(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let query = Query::read(parameters, company)?;
    let Some(spend) = in_all(points(company, &query.selection(None), query.window)) else {
        return Ok(json!({ "columns": [] }));
    };
    Ok(json!({ "columns": [
        number("realized_savings", &[double((spend.on_demand - spend.actual).into())], &dollars()),
        number("effective_savings_rate", &[savings_rate(&spend)], &percent()),
    ] }))
}

/// `utilization/timeseries`: one bare metric, the spend that was used and that was not; together the actual cost.
pub(super) fn utilization(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let query = Query::read(parameters, company)?;
    let points = points(company, &query.selection(Some(query.kind)), query.window);
    let mut answer = metric(
        &points,
        &[
            ("unused", &|spend| double((spend.actual - spend.used).into())),
            ("used", &|spend| double(spend.used.into())),
        ],
    );
    if let Some(members) = answer.as_object_mut() {
        members.insert("unit".to_owned(), dollars());
    }
    Ok(answer)
}

/// `utilization/scalar`: a ratio.
pub(super) fn utilization_in_all(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let query = Query::read(parameters, company)?;
    let Some(spend) = in_all(points(company, &query.selection(Some(query.kind)), query.window)) else {
        return Ok(json!({ "columns": [] }));
    };
    let product = query.product.to_ascii_lowercase();
    let utilization = ratio(spend.used, spend.actual);
    Ok(json!({
        "columns": [group("service", [&*product]), number("utilization", &[utilization], &percent())],
        "product_breakdown": [{ "product": product, "utilization": utilization }],
    }))
}

/// The daily points of a window, up to yesterday.
pub(super) fn points(company: Company<'_>, selection: &Selection<'_>, window: Window) -> Vec<(NaiveDate, Spend)> {
    let spend = |day| selection.spend(company.bill, day, window.today);
    window.days().filter_map(|day| Some((day, spend(day)?))).collect()
}

fn in_all(points: Vec<(NaiveDate, Spend)>) -> Option<Spend> {
    points.into_iter().map(|(_, spend)| spend).reduce(|a, b| a + b)
}

/// The name of a series and its value at a point.
type Series<'a, T> = (&'a str, &'a dyn Fn(&T) -> f64);

/// A timeseries: days in seconds, and values by the name of a series.
pub(super) fn metric<T>(points: &[(NaiveDate, T)], values: &[Series<'_, T>]) -> Value {
    let mut series = Map::new();
    for (key, value) in values.iter().filter(|_| !points.is_empty()) {
        let values: Vec<f64> = points.iter().map(|(_, point)| value(point)).collect();
        series.insert((*key).to_owned(), json!(values));
    }
    let times: Vec<i64> = points.iter().map(|(day, _)| milliseconds(*day) / 1_000).collect();
    json!({ "series": series, "times": times })
}

/// A column of texts.
pub(super) fn group<'a>(name: &str, values: impl IntoIterator<Item = &'a str>) -> Value {
    let values: Vec<[&str; 1]> = values.into_iter().map(|value| [value]).collect();
    json!({ "name": name, "type": "group", "values": values })
}

/// A column of numbers.
pub(super) fn number(name: &str, values: &[f64], unit: &Value) -> Value {
    json!({ "name": name, "type": "number", "values": values, "meta": { "unit": unit } })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::Value;

    use super::{list, savings, savings_in_all, utilization, utilization_in_all};
    use crate::sandbox::datadog::Parameters;
    use crate::sandbox::datadog::tests::{company, ms, numbers, parameters};
    use crate::sandbox::reader::{NOW, service};

    fn asked(provider: &str, product: &str, kind: &str, days: (&str, &str)) -> Parameters {
        let (start, end) = (ms(days.0), ms(days.1));
        parameters(&[
            ("provider", provider),
            ("product", product),
            ("commitmentType", kind),
            ("start", &start),
            ("end", &end),
        ])
    }

    /// From October 1 to yesterday: 51 days.
    const AUTUMN: (&str, &str) = ("2026-10-01", "2027-01-01");

    fn are_equal(left: f64, right: f64) -> bool {
        (left - right).abs() < 1e-6
    }

    #[test]
    fn all_six_kinds_of_commitments_are_listed() {
        let ce = service(1_000);
        for (provider, product, kind, marker) in [
            ("aws", "ec2", "ri", "offering_class"),
            ("AWS", "RDS", "RI", "database_engine"),
            ("aws", "ElastiCache", "ri", "cache_engine"),
            ("aws", "ec2", "sp", "savings_plan_type"),
            ("azure", "VirtualMachines", "ri", "meter_sub_category"),
            ("azure", "virtualmachines", "sp", "benefit_name"),
        ] {
            let asked = asked(provider, product, kind, ("2026-10-05", "2026-10-06"));
            let answer = list(company(&ce, NOW), &asked).unwrap();
            let list = answer["commitments"].as_array().unwrap();
            assert!(!list.is_empty() && list.iter().all(|item| item[marker].is_string()), "{product} {kind}: {answer}");
            assert_eq!(answer["meta"].is_object(), kind.eq_ignore_ascii_case("sp"));
        }
    }

    #[test]
    fn savings_follow_from_their_parts() {
        let ce = service(1_000);
        let asked = asked("aws", "ec2", "ri", AUTUMN);
        let answer = savings(company(&ce, NOW), &asked).unwrap();
        let values = |metric: &str| numbers(&answer[metric]["series"]["total"]);
        let (actual, on_demand, saved) =
            (values("actual_cost"), values("on_demand_equivalent_cost"), values("realized_savings"));
        assert_eq!(actual.len(), 51, "from October 1 to yesterday");
        assert!(answer["actual_cost"]["unit"].is_object() && answer["realized_savings"]["unit"].is_null());
        for ((actual, on_demand), saved) in actual.iter().zip(on_demand).zip(&saved) {
            assert!(are_equal(on_demand - actual, *saved));
        }
        let whole = savings_in_all(company(&ce, NOW), &asked).unwrap();
        let in_all = whole["columns"][0]["values"][0].as_f64().unwrap();
        assert!(are_equal(in_all, saved.iter().sum()), "{whole}");
    }

    #[test]
    fn used_and_unused_spend_are_the_actual_cost_of_the_savings() {
        let ce = service(1_000);
        let of = |kind| utilization(company(&ce, NOW), &asked("aws", "ec2", kind, AUTUMN)).unwrap();
        let (reserved, planned) = (of("RI"), of("sp"));
        let keys: Vec<&String> = planned.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["series", "times", "unit"]);
        assert_eq!(planned["unit"]["name"], "dollar");
        let actual = savings(company(&ce, NOW), &asked("aws", "ec2", "ri", AUTUMN)).unwrap();
        let actual = numbers(&actual["actual_cost"]["series"]["total"]);
        let parts = [&reserved, &planned].map(|of| ["used", "unused"].map(|series| numbers(&of["series"][series])));
        for (day, actual) in actual.iter().enumerate() {
            let sum: f64 = parts.iter().flatten().map(|values| values[day]).sum();
            assert!(are_equal(sum, *actual), "day {day}: {sum} of {actual}");
        }
        let whole = utilization_in_all(company(&ce, NOW), &asked("aws", "ec2", "sp", AUTUMN)).unwrap();
        let (used, unused): (f64, f64) = (parts[1][0].iter().sum(), parts[1][1].iter().sum());
        let ratio = whole["product_breakdown"][0]["utilization"].as_f64().unwrap();
        assert!(
            (ratio - used / (used + unused)).abs() < 1e-9 && whole["columns"][0]["values"][0][0] == "ec2",
            "{whole}"
        );
    }

    #[test]
    fn the_last_two_days_of_utilization_are_restated() {
        let ce = service(1_000);
        let of = |now: &str| utilization(company(&ce, now), &asked("aws", "rds", "ri", ("2026-11-01", "2026-11-21")));
        let used = |now: &str| numbers(&of(now).unwrap()["series"]["used"]);
        let (before, after) = (used(NOW), used("2026-11-30T04:00:00Z"));
        let moved: Vec<usize> = (0..20).filter(|day| (before[*day] - after[*day]).abs() > 0.001).collect();
        assert_eq!(moved, [18, 19]);
    }

    #[test]
    fn a_product_without_commitments_has_empty_answers_and_a_wrong_question_none() {
        let ce = service(1_000);
        let company = company(&ce, NOW);
        let nothing = asked("aws", "redshift", "ri", AUTUMN);
        assert_eq!(list(company, &nothing).unwrap()["commitments"], Value::Array(Vec::new()));
        assert_eq!(utilization(company, &nothing).unwrap()["series"], serde_json::json!({}));
        for scalar in [savings_in_all, utilization_in_all] {
            assert_eq!(scalar(company, &nothing).unwrap()["columns"], serde_json::json!([]));
        }
        for question in [list, savings, savings_in_all, utilization, utilization_in_all] {
            assert_eq!(question(company, &parameters(&[("provider", "aws")])).unwrap_err().status, 400);
            assert_eq!(question(company, &asked("gcp", "ec2", "ri", AUTUMN)).unwrap_err().status, 400);
            assert_eq!(question(company, &asked("aws", "ec2", "cud", AUTUMN)).unwrap_err().status, 400);
            let endless = parameters(&[("provider", "aws"), ("product", "ec2")]);
            assert_eq!(question(company, &endless).unwrap_err().status, 400);
        }
    }
}
