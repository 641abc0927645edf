//! The budgets of the year: what was planned for each month, what the bill says, and what is expected.
//!
//! | figure | is |
//! |---|---|
//! | `amount` | planned from the costs of the first month of the year, or of the first whole month of the bill |
//! | `actual` | the bill's sum of the month as of the clock; null for a month that has not begun |
//! | `ootb_forecast` | in a month that is not over: what is settled, and an ordinary day for each day left |
//! | `custom_forecast` | null, but for one budget's December |
//! | `forecast` | the custom forecast, or the other one |
//!
//! Months that are over have no forecast. Whether Datadog sums forecasts of the whole period or of the months ahead is
//! not documented; here `costs.forecast` is the sum over the entries that have one.

use std::collections::BTreeMap;

use chrono::{Datelike, Months, NaiveDate};
use serde_json::{Value, json};

use crate::sandbox::amount::ONE;
use crate::sandbox::bill::{first_of_month, next_month};
use crate::sandbox::dice::{hex, mix, uuid};

use super::cube::CostQuery;
use super::{Company, Parameters, Refusal, days_before, dollars, double, milliseconds, optional, window};

/// One budget.
#[derive(Debug)]
struct Budget {
    name: &'static str,
    metric: &'static str,
    /// The tag it is about, and its values; the whole bill without one.
    tag: Option<(&'static str, &'static [&'static str])>,
    /// What is planned for the first month, in permille of its costs.
    plan: i64,
}

static BUDGETS: [Budget; 4] = [
    Budget { name: "AWS in all", metric: "aws.cost.unblended", tag: None, plan: 1_040 },
    Budget { name: "Compute", metric: "aws.cost.amortized", tag: Some(("aws_product", &["ec2"])), plan: 1_010 },
    Budget { name: "Data team", metric: "aws.cost.amortized", tag: Some(("team", &["data"])), plan: 970 },
    Budget { name: "Apps", metric: "aws.cost.amortized", tag: Some(("team", &["web", "mobile"])), plan: 1_000 },
];

/// The budget whose team `web` has a forecast of its own for December.
const SEASONAL: usize = 3;

/// One month of one tag value.
#[derive(Debug)]
struct Entry {
    month: NaiveDate,
    value: Option<&'static str>,
    amount: i128,
    actual: Option<i128>,
    forecast: Option<i128>,
    custom: Option<i128>,
}

impl Budget {
    fn id(company: Company<'_>, index: usize) -> String {
        let year = u64::from(company.today().year().unsigned_abs());
        uuid(&hex(mix(&[company.seed(), 83, index as u64, year]), 32))
    }

    fn metrics_query(&self) -> String {
        match self.tag {
            None => format!("{}{{*}}", self.metric),
            Some((key, [value])) => format!("{}{{{key}:{value}}} by {{{key}}}", self.metric),
            Some((key, values)) => format!("{}{{{key} IN ({})}} by {{{key}}}", self.metric, values.join(",")),
        }
    }

    /// The bill of the budget as of `today`, by tag value and day.
    fn days(&self, company: Company<'_>, start: NaiveDate, end: NaiveDate, today: NaiveDate) -> Days {
        let Ok(query) = CostQuery::read(&self.metrics_query()) else {
            return Days::new();
        };
        let days = start.max(company.bill.first_day).iter_days().take_while(|day| *day < end && *day <= today);
        let sums = query.sums(company.bill, days, today).into_iter();
        sums.map(|(mut group, days)| (group.pop().unwrap_or_default(), days)).collect()
    }

    fn entries(&self, index: usize, company: Company<'_>) -> Vec<Entry> {
        let today = company.today();
        let january = first_of_month(today).with_month(1).unwrap_or(today);
        let first_day = company.bill.first_day;
        let whole = if first_day.day() == 1 { first_day } else { next_month(first_day) };
        let model = january.max(whole);
        let settled = model.checked_add_months(Months::new(6)).unwrap_or(model);
        let planned = self.days(company, model, next_month(model), settled);
        let known = self.days(company, days_before(january, 40), next_month(today), today);
        let values: Vec<Option<&'static str>> =
            self.tag.map_or_else(|| vec![None], |(_, values)| values.iter().map(|value| Some(*value)).collect());
        let of = |days: &Days, value: Option<&str>| days.get(value.unwrap_or_default()).cloned().unwrap_or_default();
        let mut entries = Vec::new();
        for place in 0..12 {
            let month = january.checked_add_months(Months::new(place)).unwrap_or(january);
            for value in &values {
                let growth = 1_000 + i128::from(place) * 15;
                let amount = of(&planned, *value).values().sum::<i128>() * i128::from(self.plan) * growth / 1_000_000;
                let amount = in_hundreds(amount);
                let costs = of(&known, *value);
                let is_custom = index == SEASONAL && *value == Some("web") && place == 11;
                let is_over = next_month(month) <= today;
                entries.push(Entry {
                    month,
                    value: *value,
                    amount,
                    actual: (month <= today).then(|| sum(&costs, month, next_month(month))),
                    forecast: (!is_over).then(|| forecast(&costs, month, today)),
                    custom: (is_custom && !is_over).then_some(amount * 5 / 4),
                });
            }
        }
        entries
    }

    /// The members of the list and of one budget alike.
    fn attributes(&self, company: Company<'_>, entries: &[Entry]) -> Value {
        let year = company.today().year();
        let user = uuid(&hex(mix(&[company.seed(), 84]), 32));
        let made = NaiveDate::from_ymd_opt(year - 1, 12, 9).map_or(0, milliseconds) + 37_512_000;
        let total = entries.iter().map(|entry| entry.amount).sum::<i128>();
        json!({
            "name": self.name,
            "metrics_query": self.metrics_query(),
            "org_id": 1_000_042 + company.number(),
            "start_month": year * 100 + 1,
            "end_month": year * 100 + 12,
            "total_amount": whole(total),
            "created_at": made,
            "created_by": user,
            "updated_at": made + 86_400_000,
            "updated_by": user,
        })
    }
}

/// Amounts in 1e-10 by tag value and day.
type Days = BTreeMap<String, BTreeMap<NaiveDate, i128>>;

fn sum(days: &BTreeMap<NaiveDate, i128>, start: NaiveDate, end: NaiveDate) -> i128 {
    if start < end { days.range(start..end).map(|(_, amount)| amount).sum() } else { 0 }
}

/// The costs of a month that is not over: of settled days as they are, of each other day as on an ordinary day, and of
/// the 1st, when fees and taxes are booked, as on the last 1st. Ordinary are the last 28 settled days but for a 1st.
fn forecast(days: &BTreeMap<NaiveDate, i128>, month: NaiveDate, today: NaiveDate) -> i128 {
    let settled = days_before(today, 2);
    let recent = days.range(days_before(settled, 28)..settled).filter(|(day, _)| day.day() != 1);
    let (count, costs) = recent.fold((0, 0), |(count, costs), (_, amount)| (count + 1, costs + amount));
    let ordinary = costs.checked_div(count).unwrap_or(0);
    let known_until = settled.clamp(month, next_month(month));
    let left = (next_month(month) - known_until).num_days();
    if known_until > month {
        return sum(days, month, known_until) + ordinary * i128::from(left);
    }
    let last_first =
        days.range(..settled).rev().find(|(day, _)| day.day() == 1).map_or(ordinary, |(_, amount)| *amount);
    last_first + ordinary * i128::from(left - 1)
}

/// To whole hundreds of dollars, at least one.
fn in_hundreds(amount: i128) -> i128 {
    let hundred = i128::from(ONE) * 100;
    ((amount + hundred / 2) / hundred).max(1) * hundred
}

/// An amount of whole dollars as an integer: doubles without a fraction are written so.
fn whole(amount: i128) -> i64 {
    i64::try_from(amount / i128::from(ONE)).unwrap_or(i64::MAX)
}

/// `cost/budgets`: all of them without their months.
pub(super) fn list(company: Company<'_>, _: &Parameters) -> Result<Value, Refusal> {
    let data = BUDGETS.iter().enumerate().map(|(index, budget)| {
        let attributes = budget.attributes(company, &budget.entries(index, company));
        json!({ "id": Budget::id(company, index), "type": "budget", "attributes": attributes })
    });
    Ok(json!({ "data": data.collect::<Vec<Value>>() }))
}

/// `cost/budget/{id}`: one with its months, and their costs if asked for.
pub(super) fn one(company: Company<'_>, id: &str, parameters: &Parameters) -> Result<Value, Refusal> {
    let (actual, forecast) = (is_true(parameters, "actual")?, is_true(parameters, "forecast")?);
    let window = window(parameters)?;
    let found = BUDGETS.iter().enumerate().find(|(index, _)| Budget::id(company, *index) == id);
    let (index, budget) = found.ok_or_else(Refusal::not_found)?;
    let entries = budget.entries(index, company);
    let is_inside =
        |entry: &&Entry| window.is_none_or(|(start, end)| start < next_month(entry.month) && entry.month < end);
    let shown: Vec<&Entry> = entries.iter().filter(is_inside).collect();
    let mut attributes = budget.attributes(company, &entries);
    if let Some(members) = attributes.as_object_mut() {
        let values = shown.iter().map(|entry| entry_of(budget, entry, actual, forecast));
        members.insert("entries".to_owned(), values.collect());
        if actual || forecast {
            let first = entries.first().map_or(company.today(), |entry| entry.month);
            let (start, end) = window.unwrap_or((first, first.checked_add_months(Months::new(12)).unwrap_or(first)));
            members.insert("costs".to_owned(), costs(&shown, actual, forecast));
            members.insert("costs_period_start".to_owned(), json!(milliseconds(start)));
            members.insert("costs_period_end".to_owned(), json!(milliseconds(end)));
            members.insert("costs_unit".to_owned(), dollars());
        }
    }
    Ok(json!({ "data": { "id": id, "type": "budget", "attributes": attributes } }))
}

fn is_true(parameters: &Parameters, name: &str) -> Result<bool, Refusal> {
    match optional(parameters, name).unwrap_or("false") {
        text if text.eq_ignore_ascii_case("true") => Ok(true),
        text if text.eq_ignore_ascii_case("false") => Ok(false),
        text => Err(Refusal::invalid(format!("invalid parameter \"{name}\" in \"query\"; got {text:?}"))),
    }
}

fn entry_of(budget: &Budget, entry: &Entry, actual: bool, forecast: bool) -> Value {
    let tags: Vec<Value> =
        budget.tag.iter().map(|(key, _)| json!({ "tag_key": key, "tag_value": entry.value })).collect();
    let month = entry.month.year() * 100 + i32::try_from(entry.month.month()).unwrap_or(1);
    let mut value = json!({ "month": month, "amount": whole(entry.amount), "tag_filters": tags });
    if let Some(members) = value.as_object_mut().filter(|_| actual || forecast) {
        let mut costs = costs(&[entry], actual, forecast);
        if let Some(costs) = costs.as_object_mut().filter(|_| forecast) {
            costs.insert("custom_forecast".to_owned(), json!(entry.custom.map(double)));
        }
        members.insert("costs".to_owned(), costs);
    }
    value
}

/// The sums over some entries; null where none of them has the figure.
fn costs(entries: &[&Entry], actual: bool, forecast: bool) -> Value {
    let sum = |figure: fn(&Entry) -> Option<i128>| {
        json!(entries.iter().filter_map(|entry| figure(entry)).reduce(|a, b| a + b).map(double))
    };
    let mut costs = json!({ "amount": sum(|entry| Some(entry.amount)) });
    if let Some(members) = costs.as_object_mut() {
        if actual {
            members.insert("actual".to_owned(), sum(|entry| entry.actual));
        }
        if forecast {
            members.insert("forecast".to_owned(), sum(|entry| entry.custom.or(entry.forecast)));
            members.insert("ootb_forecast".to_owned(), sum(|entry| entry.forecast));
        }
    }
    costs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use super::{BUDGETS, list, one};
    use crate::sandbox::cost_explorer::CostExplorer;
    use crate::sandbox::datadog::tests::{billed, company, ms, parameters};
    use crate::sandbox::reader::{NOW, query, service};

    /// The attributes of the budget with an index, with all costs.
    fn budget(ce: &CostExplorer, index: usize, now: &str) -> Value {
        let all = list(company(ce, now), &parameters(&[])).unwrap();
        let id = all["data"][index]["id"].as_str().unwrap();
        let asked = parameters(&[("actual", "true"), ("forecast", "True")]);
        one(company(ce, now), id, &asked).unwrap()["data"]["attributes"].clone()
    }

    fn entries(budget: &Value) -> Vec<Value> {
        budget["entries"].as_array().unwrap().clone()
    }

    #[test]
    fn the_list_has_the_year_and_no_months() {
        let ce = service(1_000);
        let all = list(company(&ce, NOW), &parameters(&[])).unwrap();
        let all = all["data"].as_array().unwrap();
        assert_eq!(all.len(), BUDGETS.len());
        for (index, item) in all.iter().enumerate() {
            let attributes = &item["attributes"];
            assert_eq!((&item["type"], &attributes["start_month"]), (&json!("budget"), &json!(202_601)));
            assert_eq!((&attributes["end_month"], &attributes["entries"]), (&json!(202_612), &Value::Null));
            let months = entries(&budget(&ce, index, NOW));
            let amounts: i64 = months.iter().map(|entry| entry["amount"].as_i64().unwrap()).sum();
            assert!(attributes["total_amount"] == json!(amounts) && amounts >= 1_200, "{attributes}");
            assert!(attributes["created_at"].as_i64() < attributes["updated_at"].as_i64());
        }
        assert_eq!(all[1]["attributes"]["metrics_query"], "aws.cost.amortized{aws_product:ec2} by {aws_product}");
    }

    #[test]
    fn what_was_spent_is_the_bill_of_the_month() {
        let ce = service(1_000);
        let compute =
            json!({ "Dimensions": { "Key": "SERVICE", "Values": ["Amazon Elastic Compute Cloud - Compute"] } });
        let team = |name: &str| json!({ "Tags": { "Key": "team", "Values": [name] } });
        for (index, metric, filters) in [
            (0, "UnblendedCost", vec![Value::Null]),
            (1, "AmortizedCost", vec![compute]),
            (2, "AmortizedCost", vec![team("data")]),
            (3, "AmortizedCost", vec![team("web"), team("mobile")]),
        ] {
            for (now, end) in [(NOW, "2026-12-01"), ("2026-10-09T08:00:00Z", "2026-11-01")] {
                let entries = entries(&budget(&ce, index, now));
                assert_eq!(entries.len(), 12 * filters.len());
                for (place, filter) in filters.iter().enumerate() {
                    let mut query = query("2026-01-01", end, "MONTHLY", &json!([]));
                    if !filter.is_null() {
                        query["Filter"] = filter.clone();
                    }
                    for ((month, _), amount) in billed(&ce, &query, now, metric) {
                        let month = month.replace('-', "")[..6].parse::<i64>().unwrap();
                        let entry = entries.iter().filter(|entry| entry["month"] == month).nth(place).unwrap();
                        let actual = entry["costs"]["actual"].as_f64().unwrap_or(0.0);
                        assert_eq!(actual, amount, "{index} {month} at {now}");
                    }
                }
            }
        }
    }

    #[test]
    fn forecasts_are_for_months_that_are_not_over_and_near_what_comes() {
        let ce = service(1_000);
        for index in 0..BUDGETS.len() {
            let now = entries(&budget(&ce, index, NOW));
            let later = entries(&budget(&ce, index, "2026-12-31T12:00:00Z"));
            for (entry, later) in now.iter().zip(&later) {
                let (month, costs) = (entry["month"].as_i64().unwrap(), &entry["costs"]);
                assert_eq!(
                    (month >= 202_611, month <= 202_611),
                    (costs["forecast"].is_f64(), costs["actual"].is_f64())
                );
                assert_eq!(entry["amount"].as_i64(), later["amount"].as_i64());
                if month == 202_611 {
                    let (expected, came) =
                        (costs["ootb_forecast"].as_f64().unwrap(), later["costs"]["actual"].as_f64().unwrap());
                    assert!((expected / came - 1.0).abs() < 0.2, "{index}: {expected} expected, {came} came");
                    assert!(expected > costs["actual"].as_f64().unwrap());
                }
            }
        }
    }

    #[test]
    fn one_month_has_a_forecast_of_its_own_which_is_the_forecast() {
        let ce = service(1_000);
        for index in 0..BUDGETS.len() {
            let budget = budget(&ce, index, NOW);
            let entries = entries(&budget);
            assert!(entries.iter().all(|entry| entry["costs"].as_object().unwrap().contains_key("custom_forecast")));
            let own: Vec<&Value> =
                entries.iter().filter(|entry| entry["costs"]["custom_forecast"].is_number()).collect();
            assert_eq!(own.len(), usize::from(index == 3));
            for entry in own {
                assert_eq!((&entry["month"], &entry["tag_filters"][0]["tag_value"]), (&json!(202_612), &json!("web")));
                assert_eq!(entry["costs"]["forecast"], entry["costs"]["custom_forecast"]);
                assert_ne!(entry["costs"]["forecast"], entry["costs"]["ootb_forecast"]);
            }
            let figures = |name: &str| entries.iter().filter_map(|entry| entry["costs"][name].as_f64()).sum::<f64>();
            for name in ["amount", "actual", "forecast", "ootb_forecast"] {
                assert!((budget["costs"][name].as_f64().unwrap() - figures(name)).abs() < 0.005, "{name}");
            }
            assert_eq!(
                (budget["costs_period_start"].to_string(), budget["costs_period_end"].to_string()),
                (ms("2026-01-01"), ms("2027-01-01"))
            );
        }
    }

    #[test]
    fn a_window_and_the_absence_of_questions_leave_things_out() {
        let ce = service(1_000);
        let company = company(&ce, NOW);
        let id = list(company, &parameters(&[])).unwrap()["data"][3]["id"].as_str().unwrap().to_owned();
        let plain = one(company, &id, &parameters(&[])).unwrap()["data"]["attributes"].clone();
        assert!(plain["costs"].is_null() && plain["entries"][0]["costs"].is_null());
        let (start, end) = (ms("2026-10-01"), ms("2026-12-01"));
        let asked = parameters(&[("actual", "true"), ("start", &start), ("end", &end)]);
        let part = one(company, &id, &asked).unwrap()["data"]["attributes"].clone();
        assert_eq!(part["entries"].as_array().unwrap().len(), 4);
        let costs = part["entries"][0]["costs"].as_object().unwrap();
        assert_eq!(costs.keys().collect::<Vec<_>>(), ["actual", "amount"]);
        assert_eq!(part["total_amount"], plain["total_amount"]);
        for wrong in [vec![("actual", "perhaps")], vec![("start", &*start)], vec![("start", &*end), ("end", &*start)]] {
            assert_eq!(one(company, &id, &parameters(&wrong)).unwrap_err().status, 400, "{wrong:?}");
        }
        let unknown = one(company, "9d055d22-0a0a-4a0a-aa0a-0a0a0a0a0a0a", &parameters(&[])).unwrap_err();
        assert_eq!(unknown.body(), json!({ "errors": [{ "status": "404", "title": "Not Found" }] }));
    }

    #[test]
    fn a_bill_that_began_late_still_has_plans() {
        let ce =
            CostExplorer::new(crate::sandbox::bill::Bill::new(7, crate::sandbox::reader::day("2026-11-10")), 1_000);
        for index in 0..BUDGETS.len() {
            let entries = entries(&budget(&ce, index, NOW));
            assert!(entries.iter().all(|entry| entry["amount"].as_i64().unwrap() >= 100), "{index}");
            assert_eq!(entries[0]["costs"]["actual"], json!(0.0));
        }
    }
}
