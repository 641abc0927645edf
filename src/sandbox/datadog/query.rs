//! Cost by day and tag: `query/timeseries` and `query/scalar` with the data source `cloud_cost`.
//!
//! | in the answer | |
//! |---|---|
//! | `series` | the group tags as `key:value`, the place of the formula or query, and a pair of units |
//! | `times` | milliseconds, one list for all series: the periods in which any of them has costs |
//! | `values` | a list for each series, null where it has no costs |
//!
//! A formula can only be the name of a query, and a scalar only a sum.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cube::{CostQuery, Sums};
use super::{Company, Refusal, dollars, double, first_day_at_or_after, milliseconds};

#[derive(Debug, Deserialize)]
struct Body {
    data: Data,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(rename = "type")]
    kind: String,
    attributes: Attributes,
}

#[derive(Debug, Deserialize)]
struct Attributes {
    from: i64,
    to: i64,
    queries: Vec<Query>,
    #[serde(default)]
    formulas: Vec<Formula>,
}

#[derive(Debug, Deserialize)]
struct Query {
    data_source: String,
    query: String,
    name: Option<String>,
    aggregator: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Formula {
    formula: String,
    limit: Option<Limit>,
}

#[derive(Debug, Deserialize)]
struct Limit {
    count: Option<usize>,
    order: Option<String>,
}

/// A query as it is answered.
struct Asked {
    name: String,
    query: CostQuery,
    sums: Sums,
    limit: Option<Limit>,
}

fn refused(words: impl std::fmt::Display) -> Refusal {
    Refusal::plain(format!("API input validation failed: {words}"))
}

/// The queries of a body of the wanted type, with their sums, in the order in which they are answered.
fn read(company: Company<'_>, body: &[u8], wanted: &str) -> Result<Vec<Asked>, Refusal> {
    let Data { kind, attributes } = serde_json::from_slice::<Body>(body).map_err(refused)?.data;
    if kind != wanted {
        return Err(refused(format_args!("Invalid type. Expected \"{wanted}\".")));
    }
    let Attributes { from, to, queries, formulas } = attributes;
    let (Some(start), Some(end)) = (first_day_at_or_after(from), first_day_at_or_after(to)) else {
        return Err(refused("Invalid time range. Expected Unix milliseconds."));
    };
    if from >= to {
        return Err(refused("Invalid time range. \"from\" must be before \"to\"."));
    }
    if wanted == "scalar_request" && queries.iter().any(|query| query.aggregator.as_deref() != Some("sum")) {
        return Err(refused("Invalid aggregator. The sandbox knows \"sum\" only."));
    }
    let of = |place: usize, limit: Option<Limit>| {
        let query = queries.get(place).ok_or_else(|| refused("Invalid query."))?;
        let asked = asked(company, query, start, end)?;
        let name = query.name.clone().unwrap_or_else(|| format!("query{place}"));
        Ok(Asked { name, limit, ..asked })
    };
    if formulas.is_empty() {
        return (0..queries.len()).map(|place| of(place, None)).collect();
    }
    let places = formulas.into_iter().map(|Formula { formula, limit }| {
        let place = queries.iter().position(|query| query.name.as_deref() == Some(formula.trim()));
        of(place.ok_or_else(|| refused(format_args!("Invalid formula {formula:?}.")))?, limit)
    });
    places.collect()
}

fn asked(company: Company<'_>, query: &Query, start: NaiveDate, end: NaiveDate) -> Result<Asked, Refusal> {
    if query.data_source != "cloud_cost" {
        return Err(refused(format_args!(
            "Invalid data_source {:?}. The sandbox knows \"cloud_cost\".",
            query.data_source
        )));
    }
    let query = CostQuery::read(&query.query).map_err(refused)?;
    let today = company.today();
    let days = start.max(company.bill.first_day).iter_days().take_while(|day| *day < end && *day <= today);
    let sums = query.sums(company.bill, days, today);
    Ok(Asked { name: String::new(), query, sums, limit: None })
}

/// `query/timeseries`.
pub(super) fn timeseries(company: Company<'_>, body: &[u8]) -> Result<Value, Refusal> {
    let asked = read(company, body, "timeseries_request")?;
    let periods: BTreeSet<NaiveDate> =
        asked.iter().flat_map(|asked| asked.sums.values()).flat_map(|sums| sums.keys().copied()).collect();
    let (mut series, mut values) = (Vec::new(), Vec::new());
    for (place, asked) in asked.iter().enumerate() {
        for (group, sums) in &asked.sums {
            let tags = asked.query.by.iter().zip(group).map(|(key, value)| format!("{key}:{value}"));
            let tags: Vec<String> = tags.collect();
            series.push(json!({ "group_tags": tags, "query_index": place, "unit": [dollars(), Value::Null] }));
            let points = periods.iter().map(|period| sums.get(period).map(|sum| double(*sum)));
            values.push(points.collect::<Vec<Option<f64>>>());
        }
    }
    let times: Vec<i64> = periods.into_iter().map(milliseconds).collect();
    let attributes = json!({ "series": series, "times": times, "values": values });
    Ok(json!({ "data": { "id": "0", "type": "timeseries_response", "attributes": attributes } }))
}

/// `query/scalar`: a column for each tag that any query groups by, and one of sums for each query.
pub(super) fn scalar(company: Company<'_>, body: &[u8]) -> Result<Value, Refusal> {
    let asked = read(company, body, "scalar_request")?;
    let keys = asked.first().map_or(&[][..], |asked| &asked.query.by);
    if asked.iter().any(|asked| asked.query.by != keys) {
        return Err(refused("Queries must group by the same tags."));
    }
    let totals = |asked: &Asked| {
        let sums = asked.sums.iter().map(|(group, sums)| (group.clone(), sums.values().sum::<i128>()));
        let mut sums: Vec<(Vec<String>, i128)> = sums.collect();
        if let Some(limit) = &asked.limit {
            let ascending = limit.order.as_deref() == Some("asc");
            sums.sort_by_key(|(_, sum)| if ascending { *sum } else { -sum });
            sums.truncate(limit.count.unwrap_or(usize::MAX));
        }
        sums
    };
    let totals: Vec<Vec<(Vec<String>, i128)>> = asked.iter().map(totals).collect();
    let mut groups: Vec<&Vec<String>> = Vec::new();
    for (group, _) in totals.iter().flatten() {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    let group_columns = keys.iter().enumerate().map(|(place, key)| {
        let values: Vec<Value> = groups.iter().map(|group| json!([group.get(place)])).collect();
        json!({ "type": "group", "name": key, "values": values })
    });
    let number_columns = asked.iter().zip(&totals).map(|(asked, totals)| {
        let of = |group: &&Vec<String>| totals.iter().find(|(known, _)| known == *group).map(|(_, sum)| double(*sum));
        let values: Vec<Option<f64>> = groups.iter().map(of).collect();
        json!({ "type": "number", "name": asked.name, "values": values, "meta": { "unit": [dollars(), Value::Null] } })
    });
    let columns: Vec<Value> = group_columns.chain(number_columns).collect();
    Ok(json!({ "data": { "type": "scalar_response", "attributes": { "columns": columns } } }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::{scalar, timeseries};
    use crate::sandbox::cost_explorer::CostExplorer;
    use crate::sandbox::datadog::tests::{billed, company};
    use crate::sandbox::reader::{NOW, query, service};

    const OCTOBER: (i64, i64) = (1_790_812_800_000, 1_793_491_200_000);

    fn body(kind: &str, queries: &Value) -> Value {
        let attributes = json!({ "from": OCTOBER.0, "to": OCTOBER.1, "interval": 86_400_000, "queries": queries });
        json!({ "data": { "type": kind, "attributes": attributes } })
    }

    fn ask(ce: &CostExplorer, text: &str, now: &str) -> Value {
        let body = body("timeseries_request", &json!([{ "data_source": "cloud_cost", "query": text, "name": "a" }]));
        timeseries(company(ce, now), body.to_string().as_bytes()).unwrap()["data"]["attributes"].clone()
    }

    /// All values by day and the values of the tags.
    fn by_day(answer: &Value) -> BTreeMap<(String, String), f64> {
        let times = answer["times"].as_array().unwrap().iter().map(|time| {
            let instant = chrono::DateTime::from_timestamp_millis(time.as_i64().unwrap()).unwrap();
            instant.date_naive().to_string()
        });
        let times: Vec<String> = times.collect();
        let mut found = BTreeMap::new();
        for (series, values) in answer["series"].as_array().unwrap().iter().zip(answer["values"].as_array().unwrap()) {
            let tags = series["group_tags"].as_array().unwrap().iter();
            let tags: Vec<&str> = tags.map(|tag| tag.as_str().unwrap().split_once(':').unwrap().1).collect();
            let values = values.as_array().unwrap();
            assert_eq!(values.len(), times.len());
            for (day, value) in times.iter().zip(values).filter(|(_, value)| !value.is_null()) {
                found.insert((day.clone(), tags.join("|")), value.as_f64().unwrap());
            }
        }
        found
    }

    fn dimensions(keys: &[&str]) -> Value {
        keys.iter().map(|key| json!({ "Type": "DIMENSION", "Key": key })).collect()
    }

    #[test]
    fn costs_are_those_of_cost_explorer_to_the_last_digit() {
        let ce = service(1_000);
        for (metric, amount, tags, keys) in [
            ("aws.cost.unblended", "UnblendedCost", "servicename", &["SERVICE"][..]),
            ("aws.cost.amortized", "AmortizedCost", "subaccountid,aws_cost_type", &["LINKED_ACCOUNT", "RECORD_TYPE"]),
            ("all.cost", "AmortizedCost", "servicename", &["SERVICE"]),
            ("aws.cost.net.amortized", "NetAmortizedCost", "line_item/usage_type", &["USAGE_TYPE"]),
        ] {
            let query = query("2026-10-01", "2026-11-01", "DAILY", &dimensions(keys));
            for now in [NOW, "2026-10-20T08:00:00Z"] {
                let answer = ask(&ce, &format!("sum:{metric}{{*}} by {{{tags}}}.rollup(sum, daily)"), now);
                let wanted = billed(&ce, &query, now, amount);
                assert!(wanted.len() > 200, "{metric}");
                assert_eq!(by_day(&answer), wanted, "{metric} at {now}");
            }
        }
    }

    #[test]
    fn an_ungrouped_query_is_one_series_and_months_are_sums_of_days() {
        let ce = service(1_000);
        let days = ask(&ce, "sum:aws.cost.unblended{*}", NOW);
        assert_eq!(
            (days["series"][0]["group_tags"].clone(), days["series"][0]["query_index"].clone()),
            (json!([]), json!(0))
        );
        assert_eq!(days["series"][0]["unit"][0]["name"], "dollar");
        assert!(days["series"][0]["unit"][1].is_null() && days["series"][0]["unit"].as_array().unwrap().len() == 2);
        assert_eq!((days["times"][0].clone(), days["times"].as_array().unwrap().len()), (json!(OCTOBER.0), 31));
        let month = ask(&ce, "sum:aws.cost.unblended{*}.rollup(sum, monthly)", NOW);
        let query = query("2026-10-01", "2026-11-01", "MONTHLY", &json!([]));
        let wanted = billed(&ce, &query, NOW, "UnblendedCost").into_values().collect::<Vec<f64>>();
        assert_eq!((month["times"].clone(), month["values"].clone()), (json!([OCTOBER.0]), json!([wanted])));
        let weeks = ask(&ce, "sum:aws.cost.unblended{*}.rollup(sum, weekly)", NOW);
        assert_eq!(
            (weeks["times"].as_array().unwrap().len(), weeks["times"][0].clone()),
            (5, json!(1_790_553_600_000_i64))
        );
    }

    #[test]
    fn a_group_without_costs_on_a_day_has_null_there() {
        let ce = service(1_000);
        let answer = ask(&ce, "sum:aws.cost.unblended{*} by {servicename}", NOW);
        let series = answer["series"].as_array().unwrap();
        let tax = series.iter().position(|series| series["group_tags"][0] == "servicename:Tax").unwrap();
        assert!(answer["values"][tax][0].is_f64() && answer["values"][tax][1].is_null());
    }

    #[test]
    fn public_prices_are_above_what_was_paid_for_covered_machines_only() {
        let ce = service(1_000);
        let sums = |metric: &str| {
            by_day(&ask(&ce, &format!("sum:{metric}{{*}} by {{aws_cost_type}}.rollup(sum, monthly)"), NOW))
        };
        let (public, paid) = (sums("aws.cost.ondemand"), sums("aws.cost.amortized"));
        let of = |sums: &BTreeMap<(String, String), f64>, kind: &str| sums[&("2026-10-01".to_owned(), kind.to_owned())];
        assert!((of(&public, "Usage") - of(&paid, "Usage")).abs() < 0.005);
        for covered in ["SavingsPlanCoveredUsage", "DiscountedUsage"] {
            assert!(of(&public, covered) > of(&paid, covered) * 1.3, "{covered}");
        }
        assert_eq!(public.len(), 3, "taxes, fees and credits have no public price: {public:?}");
    }

    #[test]
    fn the_tag_correction_of_a_closed_month_reaches_the_teams() {
        let ce = service(1_000);
        let team = |now: &str| by_day(&ask(&ce, "sum:aws.cost.unblended{team:platform} by {team}", now));
        let (before, after) = (team("2026-11-11T00:00:00Z"), team("2026-11-12T00:00:00Z"));
        assert!(before.len() == 31 && before.iter().all(|(day, cost)| after[day] > *cost));
    }

    #[test]
    fn several_queries_and_formulas_are_told_apart() {
        let ce = service(1_000);
        let queries = json!([
            { "data_source": "cloud_cost", "query": "sum:aws.cost.unblended{*}", "name": "a" },
            { "data_source": "cloud_cost", "query": "sum:aws.cost.amortized{*}", "name": "b" },
        ]);
        let mut body = body("timeseries_request", &queries);
        let ask = |body: &Value| timeseries(company(&ce, NOW), body.to_string().as_bytes()).unwrap();
        let both = ask(&body)["data"]["attributes"].clone();
        assert_eq!(
            (both["series"][0]["query_index"].clone(), both["series"][1]["query_index"].clone()),
            (json!(0), json!(1))
        );
        body["data"]["attributes"]["formulas"] = json!([{ "formula": "b" }]);
        let one = ask(&body)["data"]["attributes"].clone();
        assert_eq!((one["values"].as_array().unwrap().len(), &one["values"][0]), (1, &both["values"][1]));
        body["data"]["attributes"]["formulas"] = json!([{ "formula": "a + b" }]);
        assert_eq!(timeseries(company(&ce, NOW), body.to_string().as_bytes()).unwrap_err().status, 400);
    }

    #[test]
    fn a_scalar_is_the_sum_of_the_window_and_may_be_limited() {
        let ce = service(1_000);
        let query = "sum:aws.cost.unblended{*} by {servicename}";
        let queries = json!([{ "data_source": "cloud_cost", "query": query, "name": "a", "aggregator": "sum" }]);
        let mut body = body("scalar_request", &queries);
        let ask = |body: &Value| scalar(company(&ce, NOW), body.to_string().as_bytes());
        let answer = ask(&body).unwrap()["data"]["attributes"]["columns"].clone();
        let of_month = super::super::tests::billed(
            &ce,
            &crate::sandbox::reader::query("2026-10-01", "2026-11-01", "MONTHLY", &dimensions(&["SERVICE"])),
            NOW,
            "UnblendedCost",
        );
        let services = answer[0]["values"].as_array().unwrap().iter().zip(answer[1]["values"].as_array().unwrap());
        let found: BTreeMap<(String, String), f64> = services
            .map(|(name, sum)| (("2026-10-01".to_owned(), name[0].as_str().unwrap().to_owned()), sum.as_f64().unwrap()))
            .collect();
        assert_eq!((found, &answer[1]["meta"]["unit"][1]), (of_month, &Value::Null));
        body["data"]["attributes"]["formulas"] = json!([{ "formula": "a", "limit": { "count": 2, "order": "desc" } }]);
        let top = ask(&body).unwrap()["data"]["attributes"]["columns"].clone();
        assert_eq!(top[0]["values"].as_array().unwrap().len(), 2);
        body["data"]["attributes"]["queries"][0]["aggregator"] = json!("avg");
        assert_eq!(ask(&body).unwrap_err().status, 400);
    }

    #[test]
    fn an_unknown_metric_has_no_series_and_a_wrong_body_a_text() {
        let ce = service(1_000);
        let empty = ask(&ce, "sum:gcp.cost.amortized{*} by {servicename}", NOW);
        assert_eq!(empty, json!({ "series": [], "times": [], "values": [] }));
        let good = body("timeseries_request", &json!([{ "data_source": "cloud_cost", "query": "sum:all.cost{*}" }]));
        for (path, wrong) in [
            ("/data/type", json!("timeseries_rquest")),
            ("/data/attributes/to", json!(OCTOBER.0)),
            ("/data/attributes/from", json!("2026-10-01")),
            ("/data/attributes/from", json!(1)),
            ("/data/attributes/queries", json!(null)),
            ("/data/attributes/queries/0/data_source", json!("metrics")),
            ("/data/attributes/queries/0/query", json!("avg:all.cost{*}")),
        ] {
            let mut body = good.clone();
            *body.pointer_mut(path).unwrap() = wrong;
            let refusal = timeseries(company(&ce, NOW), body.to_string().as_bytes()).unwrap_err();
            assert_eq!(refusal.status, 400);
            assert!(
                refusal.body()["errors"][0].as_str().unwrap().starts_with("API input validation failed: "),
                "{path}"
            );
        }
        assert_eq!(timeseries(company(&ce, NOW), b"{").unwrap_err().status, 400);
    }
}
