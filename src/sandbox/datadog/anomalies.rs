//! `cost/anomalies`: days on which a service of an account cost far more than on the same weekday before.
//!
//! They are found in the bill's usage, so launches and runaway jobs of the bill are met here. Only days whose usage has
//! arrived whole are looked at (those before the last two), and a jump of several days is one anomaly. About a third
//! are dismissed some days after their end, which later clocks see.
//!
//! The causes of a dismissal are not documented; here there are two. Without `dismissal_cause` the open ones are
//! listed.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::sandbox::amount::ONE;
use crate::sandbox::bill::is_usage;
use crate::sandbox::dice::{between, hex, mix, of_text, uuid};
use crate::sandbox::lines::Line;

use super::cube::CostQuery;
use super::{Company, Parameters, Refusal, days_before, double, milliseconds, one_of, optional, window};

const QUERY: &str = "sum:aws.cost.amortized{aws_cost_type IN (Usage,DiscountedUsage,SavingsPlanCoveredUsage)} \
                     by {servicename,subaccountid}.rollup(sum, daily)";

/// The smallest jump: this many dollars, and this many percent above the usual.
const JUMP: (i128, i128) = (5, 20);

/// The longest jump that is followed back before the window.
const LONGEST: u64 = 7;

/// The people who dismiss anomalies, with their causes and messages.
const DISMISSALS: [(&str, &str, &str); 2] = [
    ("maria.keller@harbor.example", "expected", "Load test before the launch."),
    ("jon.okafor@harbor.example", "resolved", "A job ran away; it was stopped."),
];

#[derive(Debug, Clone, PartialEq, Eq)]
struct Anomaly {
    service: String,
    account: String,
    start: NaiveDate,
    /// The day after the last.
    end: NaiveDate,
    actual: i128,
    change: i128,
    max: i128,
}

#[derive(Debug, PartialEq, Eq)]
struct Dismissal {
    at: DateTime<Utc>,
    number: u64,
    by: &'static str,
    cause: &'static str,
    message: &'static str,
}

impl Anomaly {
    fn hash(&self, seed: u64) -> u64 {
        let start = milliseconds(self.start).unsigned_abs();
        mix(&[seed, 95, of_text(&self.service), of_text(&self.account), start])
    }

    /// The dismissal, if it has been made.
    fn dismissal(&self, company: Company<'_>) -> Option<Dismissal> {
        let hash = mix(&[self.hash(company.seed()), 1]);
        if !hash.is_multiple_of(3) {
            return None;
        }
        let minutes = between(mix(&[hash, 2]), 4 * 1_440, 8 * 1_440);
        let at = DateTime::from_timestamp_millis(milliseconds(self.end))? + TimeDelta::minutes(minutes);
        let (by, cause, message) = DISMISSALS[usize::from(hash.is_multiple_of(2))];
        (at <= company.now).then_some(Dismissal { at, number: hash, by, cause, message })
    }

    /// The teams and environments of the lines that make a quarter of the change or more; null if they have none.
    fn correlated(&self, company: Company<'_>) -> Value {
        let [costs, week, fortnight] = [0, 7, 14].map(|ago| self.lines(company, days_before(self.start, ago)));
        let before = |costs: &Lines<'_>, salt| costs.get(&salt).map_or(0, |(cost, _)| *cost);
        let mut tags: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (salt, (cost, line)) in costs {
            let usual = (before(&week, salt) + before(&fortnight, salt)) / 2;
            let has_jumped = (cost - usual) * 4 >= self.change;
            for (key, value) in [("team", line.team), ("env", line.env)] {
                if has_jumped && !value.is_empty() {
                    tags.entry(key).or_default().insert(value);
                }
            }
        }
        if tags.is_empty() { Value::Null } else { json!(tags) }
    }

    fn lines<'a>(&self, company: Company<'a>, day: NaiveDate) -> Lines<'a> {
        let mut lines = Lines::new();
        for item in company.bill.day(day, company.today()).iter() {
            let line = company.bill.lines.get(item.line);
            let own = line.filter(|line| line.service == self.service && line.account.id == self.account);
            if let Some(line) = own.filter(|line| is_usage(line.charge)) {
                lines.entry(line.salt).or_insert((0, line)).0 += i128::from(item.amounts[2]);
            }
        }
        lines
    }

    fn value(&self, company: Company<'_>) -> Value {
        let mut value = json!({
            "uuid": uuid(&hex(self.hash(company.seed()), 32)),
            "provider": "aws",
            "query": QUERY,
            "anomaly_start": milliseconds(self.start),
            "anomaly_end": milliseconds(self.end),
            "actual_cost": double(self.actual),
            "anomalous_cost_change": double(self.change),
            "max_cost": double(self.max),
            "dimensions": { "servicename": self.service, "subaccountid": self.account },
            "correlated_tags": self.correlated(company),
        });
        if let (Some(dismissal), Some(members)) = (self.dismissal(company), value.as_object_mut()) {
            let dismissal = json!({
                "cause": dismissal.cause,
                "dismissal_id": uuid(&hex(dismissal.number, 32)),
                "message": dismissal.message,
                "updated_at": dismissal.at.timestamp_millis(),
                "updated_by": dismissal.by,
            });
            members.insert("dismissal".to_owned(), dismissal);
        }
        value
    }
}

/// Amortized cost by the hash of a line, which it keeps when its tag is corrected.
type Lines<'a> = BTreeMap<u64, (i128, &'a Line)>;

/// The first day whose usage has not arrived whole.
fn unsettled(today: NaiveDate) -> NaiveDate {
    days_before(today, 2)
}

/// The anomalies that overlap a window.
fn found(company: Company<'_>, start: NaiveDate, end: NaiveDate) -> Vec<Anomaly> {
    let Ok(query) = CostQuery::read(QUERY) else {
        return Vec::new();
    };
    let end = end.checked_add_days(Days::new(LONGEST)).unwrap_or(end).min(unsettled(company.today()));
    let from = days_before(start, LONGEST);
    let known = days_before(from, 14).max(company.bill.first_day);
    let sums = query.sums(company.bill, known.iter_days().take_while(|day| *day < end), company.today());
    let mut anomalies = Vec::new();
    for (group, days) in sums {
        let [service, account] = &group[..] else { continue };
        let mut last: Option<Anomaly> = None;
        for (day, cost) in days.range(from.min(end)..end) {
            let Some(change) = jump(&days, *day, *cost) else { continue };
            last = match last {
                Some(before) if before.end == *day => Some(Anomaly {
                    end: day.succ_opt().unwrap_or(*day),
                    actual: before.actual + cost,
                    change: before.change + change,
                    max: before.max.max(*cost),
                    ..before
                }),
                other => {
                    anomalies.extend(other);
                    let (service, account) = (service.clone(), account.clone());
                    let end = day.succ_opt().unwrap_or(*day);
                    Some(Anomaly { service, account, start: *day, end, actual: *cost, change, max: *cost })
                }
            };
        }
        anomalies.extend(last);
    }
    anomalies
}

/// How far the cost of a day is above that of the same weekday in the two weeks before, if that is a jump.
fn jump(days: &BTreeMap<NaiveDate, i128>, day: NaiveDate, cost: i128) -> Option<i128> {
    let usual = (days.get(&days_before(day, 7))? + days.get(&days_before(day, 14))?) / 2;
    let change = cost - usual;
    let (dollars, percent) = JUMP;
    (change >= dollars * i128::from(ONE) && change * 100 >= usual * percent).then_some(change)
}

/// What a request asks for.
struct Asked<'a> {
    start: NaiveDate,
    end: NaiveDate,
    tags: HashMap<String, Vec<String>>,
    least_change: f64,
    least_cost: f64,
    dismissal_cause: &'a str,
    order_by: &'a str,
    ascending: bool,
    limit: usize,
    offset: usize,
    has_aws: bool,
}

const ORDERS: [&str; 6] = ["start_date", "end_date", "duration", "max_cost", "anomalous_cost", "dismissal_date"];

impl<'a> Asked<'a> {
    fn read(company: Company<'_>, parameters: &'a Parameters) -> Result<Self, Refusal> {
        let latest = unsettled(company.today());
        let (start, end) = window(parameters)?.unwrap_or((days_before(latest, 7), latest));
        let order_by = optional(parameters, "order_by").unwrap_or("anomalous_cost");
        one_of(&ORDERS, "order_by", order_by)?;
        let order = optional(parameters, "order").unwrap_or("desc");
        one_of(&["asc", "desc"], "order", order)?;
        let filter = optional(parameters, "filter").unwrap_or("{}");
        let providers = optional(parameters, "provider_ids");
        Ok(Self {
            start,
            end,
            tags: serde_json::from_str(filter).map_err(|_| wrong("filter", filter))?,
            least_change: number(parameters, "min_anomalous_threshold", 1.0)?,
            least_cost: number(parameters, "min_cost_threshold", 0.0)?,
            dismissal_cause: optional(parameters, "dismissal_cause").unwrap_or("none"),
            order_by,
            ascending: order == "asc",
            limit: number(parameters, "limit", 200)?,
            offset: number(parameters, "offset", 0)?,
            has_aws: providers.is_none_or(|ids| ids.split(',').any(|id| id == "aws")),
        })
    }

    fn takes(&self, company: Company<'_>, anomaly: &Anomaly) -> bool {
        let cause = anomaly.dismissal(company).map(|dismissal| dismissal.cause);
        let by_cause = match self.dismissal_cause {
            "none" => cause.is_none(),
            "all" | "*" => cause.is_some(),
            list => cause.is_some_and(|cause| list.split(',').any(|one| one.trim() == cause)),
        };
        let by_cost = double(anomaly.change) >= self.least_change && double(anomaly.actual) >= self.least_cost;
        let is_inside = anomaly.start < self.end && self.start < anomaly.end;
        is_inside && by_cause && by_cost && self.has_aws && self.takes_tags(company, anomaly)
    }

    fn takes_tags(&self, company: Company<'_>, anomaly: &Anomaly) -> bool {
        if self.tags.is_empty() {
            return true;
        }
        let correlated = anomaly.correlated(company);
        self.tags.iter().all(|(key, wanted)| match &**key {
            "servicename" => wanted.contains(&anomaly.service),
            "subaccountid" => wanted.contains(&anomaly.account),
            key => {
                let values = correlated.get(key).and_then(Value::as_array);
                values.is_some_and(|own| own.iter().any(|own| wanted.iter().any(|wanted| own == wanted)))
            }
        })
    }

    fn compare(&self, company: Company<'_>, a: &Anomaly, b: &Anomaly) -> Ordering {
        let dismissed = |anomaly: &Anomaly| anomaly.dismissal(company).map(|dismissal| dismissal.at);
        let order = match self.order_by {
            "start_date" => a.start.cmp(&b.start),
            "end_date" => a.end.cmp(&b.end),
            "duration" => (a.end - a.start).cmp(&(b.end - b.start)),
            "max_cost" => a.max.cmp(&b.max),
            "dismissal_date" => dismissed(a).cmp(&dismissed(b)),
            _ => a.change.cmp(&b.change),
        };
        if self.ascending { order } else { order.reverse() }
    }
}

fn wrong(name: &str, value: &str) -> Refusal {
    Refusal::invalid(format!("invalid parameter \"{name}\" in \"query\"; got {value:?}"))
}

fn number<T: std::str::FromStr>(parameters: &Parameters, name: &str, usual: T) -> Result<T, Refusal> {
    optional(parameters, name).map_or(Ok(usual), |text| text.parse().map_err(|_| wrong(name, text)))
}

/// `cost/anomalies`.
pub(super) fn list(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let asked = Asked::read(company, parameters).map_err(|refusal| Refusal::plain(refusal.words()))?;
    let mut anomalies = found(company, asked.start, asked.end);
    anomalies.retain(|anomaly| asked.takes(company, anomaly));
    anomalies.sort_by(|a, b| asked.compare(company, a, b));
    let changed: i128 = anomalies.iter().map(|anomaly| anomaly.change).sum();
    let days = i128::from((asked.end - asked.start).num_days().max(1));
    let page = anomalies.iter().skip(asked.offset).take(asked.limit);
    let attributes = json!({
        "anomalies": page.map(|anomaly| anomaly.value(company)).collect::<Vec<Value>>(),
        "avg_daily_anomalous_cost": double(changed / days),
        "total_actual_cost": double(anomalies.iter().map(|anomaly| anomaly.actual).sum()),
        "total_anomalous_cost": double(changed),
        "total_count": anomalies.len(),
    });
    Ok(json!({ "data": { "id": "anomalies", "type": "anomalies", "attributes": attributes } }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use super::list;
    use crate::sandbox::cost_explorer::CostExplorer;
    use crate::sandbox::datadog::tests::{billed, company, ms, numbers, parameters};
    use crate::sandbox::reader::{NOW, query, service};

    fn ask(ce: &CostExplorer, now: &str, pairs: &[(&str, &str)]) -> Value {
        list(company(ce, now), &parameters(pairs)).unwrap()["data"]["attributes"].clone()
    }

    fn autumn(ce: &CostExplorer, now: &str, more: &[(&str, &str)]) -> Value {
        let (start, end) = (ms("2026-09-01"), ms("2026-11-21"));
        ask(ce, now, &[&[("start", &*start), ("end", &*end)], more].concat())
    }

    fn items(answer: &Value) -> Vec<Value> {
        answer["anomalies"].as_array().unwrap().clone()
    }

    fn sorted(answer: &Value, field: &str) -> Vec<f64> {
        numbers(&items(answer).iter().map(|anomaly| anomaly[field].clone()).collect())
    }

    #[test]
    fn anomalies_are_jumps_of_the_bill_to_the_last_digit() {
        let ce = service(1_000);
        let all = [autumn(&ce, NOW, &[]), autumn(&ce, NOW, &[("dismissal_cause", "all")])];
        let all: Vec<Value> = all.iter().flat_map(items).collect();
        assert!((4..=60).contains(&all.len()), "{} anomalies", all.len());
        for anomaly in &all {
            let days = [&anomaly["anomaly_start"], &anomaly["anomaly_end"]].map(|at| {
                let instant = chrono::DateTime::from_timestamp_millis(at.as_i64().unwrap()).unwrap();
                instant.date_naive().to_string()
            });
            let mut query = query(&days[0], &days[1], "DAILY", &json!([]));
            let is = |key: &str, values: Value| json!({ "Dimensions": { "Key": key, "Values": values } });
            query["Filter"] = json!({ "And": [
                is("SERVICE", json!([anomaly["dimensions"]["servicename"]])),
                is("LINKED_ACCOUNT", json!([anomaly["dimensions"]["subaccountid"]])),
                is("RECORD_TYPE", json!(["Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"])),
            ] });
            let billed: Vec<f64> = billed(&ce, &query, NOW, "AmortizedCost").into_values().collect();
            let (actual, max) = (anomaly["actual_cost"].as_f64().unwrap(), anomaly["max_cost"].as_f64().unwrap());
            assert!((actual - billed.iter().sum::<f64>()).abs() < 0.005, "{anomaly}");
            assert!(billed.iter().any(|cost| (cost - max).abs() < 0.005), "{anomaly}");
            assert!(anomaly["anomalous_cost_change"].as_f64().unwrap() >= 5.0 && anomaly["query"].is_string());
            assert!(anomaly["correlated_tags"].is_object() || anomaly["correlated_tags"].is_null());
        }
        let ids: std::collections::BTreeSet<String> = all.iter().map(|anomaly| anomaly["uuid"].to_string()).collect();
        assert_eq!(ids.len(), all.len());
        let (start, end) = (ms("2025-11-01"), ms("2026-11-21"));
        let year = items(&ask(&ce, NOW, &[("start", &start), ("end", &end)]));
        assert!(year.iter().any(|anomaly| anomaly["correlated_tags"].is_null()), "one of {} has no tags", year.len());
    }

    #[test]
    fn a_dismissed_one_leaves_the_open_ones_when_the_clock_reaches_it() {
        let ce = service(1_000);
        let dismissed =
            autumn(&ce, NOW, &[("dismissal_cause", "all"), ("order_by", "dismissal_date"), ("order", "asc")]);
        let dismissed = items(&dismissed);
        let first = dismissed.first().expect("one is dismissed");
        assert!(first["dismissal"]["updated_by"].as_str().unwrap().ends_with("@harbor.example"), "{first}");
        let at = chrono::DateTime::from_timestamp_millis(first["dismissal"]["updated_at"].as_i64().unwrap()).unwrap();
        let before = (at - chrono::TimeDelta::minutes(1)).to_rfc3339();
        let (start, end) = (first["anomaly_start"].to_string(), first["anomaly_end"].to_string());
        let open = |now: &str| {
            let open = items(&ask(&ce, now, &[("start", &start), ("end", &end), ("dismissal_cause", "none")]));
            open.iter().any(|anomaly| anomaly["uuid"] == first["uuid"] && anomaly["dismissal"].is_null())
        };
        assert_eq!((open(&before), open(NOW)), (true, false));
        let cause = first["dismissal"]["cause"].as_str().unwrap();
        let of_cause = items(&autumn(&ce, NOW, &[("dismissal_cause", &format!("other,{cause}"))]));
        assert!(!of_cause.is_empty() && of_cause.iter().all(|anomaly| anomaly["dismissal"]["cause"] == cause));
    }

    #[test]
    fn pages_follow_each_other_and_totals_are_of_all() {
        let ce = service(1_000);
        let order = [("order_by", "start_date"), ("order", "asc")];
        let all = autumn(&ce, NOW, &order);
        let count = usize::try_from(all["total_count"].as_u64().unwrap()).unwrap();
        assert_eq!(items(&all).len(), count);
        let mut paged = Vec::new();
        for offset in (0..count + 2).step_by(2) {
            let page = autumn(&ce, NOW, &[&order[..], &[("limit", "2"), ("offset", &offset.to_string())]].concat());
            assert_eq!(page["total_count"], all["total_count"]);
            paged.extend(items(&page));
        }
        assert_eq!(paged, items(&all));
        let starts = sorted(&all, "anomaly_start");
        assert!(starts.is_sorted(), "{starts:?}");
        let changes = sorted(&autumn(&ce, NOW, &[]), "anomalous_cost_change");
        assert!(changes.is_sorted_by(|a, b| a >= b), "{changes:?}");
        assert!((all["total_anomalous_cost"].as_f64().unwrap() - changes.iter().sum::<f64>()).abs() < 0.005);
    }

    #[test]
    fn filters_leave_out_what_they_say() {
        let ce = service(1_000);
        let all = items(&autumn(&ce, NOW, &[]));
        let service = all[0]["dimensions"]["servicename"].as_str().unwrap();
        let filtered = items(&autumn(&ce, NOW, &[("filter", &json!({ "servicename": [service] }).to_string())]));
        assert!(!filtered.is_empty() && filtered.iter().all(|anomaly| anomaly["dimensions"]["servicename"] == service));
        let nobody = autumn(&ce, NOW, &[("filter", r#"{"team":["nobody"]}"#)]);
        assert_eq!((nobody["anomalies"].clone(), nobody["total_count"].clone()), (json!([]), json!(0)));
        let tagged = all.iter().find(|anomaly| anomaly["correlated_tags"]["team"].is_array()).unwrap();
        let team = &tagged["correlated_tags"]["team"][0];
        let of_team = items(&autumn(&ce, NOW, &[("filter", &json!({ "team": [team] }).to_string())]));
        assert!(of_team.contains(tagged));
        assert!(items(&autumn(&ce, NOW, &[("min_anomalous_threshold", "100000")])).is_empty());
        assert!(items(&autumn(&ce, NOW, &[("min_cost_threshold", "100000")])).is_empty());
        assert!(items(&autumn(&ce, NOW, &[("provider_ids", "gcp,azure")])).is_empty());
        assert_eq!(items(&autumn(&ce, NOW, &[("provider_ids", "gcp,aws")])), all);
    }

    #[test]
    fn only_whole_days_are_looked_at_and_a_window_does_not_change_what_is_found() {
        let ce = service(1_000);
        let all = items(&autumn(&ce, NOW, &[]));
        let newest = all.iter().map(|anomaly| anomaly["anomaly_end"].as_i64().unwrap()).max().unwrap();
        assert!(newest <= ms("2026-11-19").parse().unwrap());
        for anomaly in &all {
            let (start, end) = (anomaly["anomaly_start"].to_string(), anomaly["anomaly_end"].to_string());
            assert!(items(&ask(&ce, NOW, &[("start", &start), ("end", &end)])).contains(anomaly), "{anomaly}");
        }
        let week = ask(&ce, NOW, &[]);
        let (start, end) = (ms("2026-11-12"), ms("2026-11-19"));
        assert_eq!(week, ask(&ce, NOW, &[("start", &start), ("end", &end)]));
    }

    #[test]
    fn wrong_questions_are_refused_in_words() {
        let ce = service(1_000);
        for wrong in [
            ("start", "1"),
            ("order", "up"),
            ("order_by", "name"),
            ("limit", "many"),
            ("filter", "team:web"),
            ("min_cost_threshold", "none"),
        ] {
            let refusal = list(company(&ce, NOW), &parameters(&[wrong])).unwrap_err();
            assert!(refusal.status == 400 && refusal.body()["errors"][0].is_string(), "{wrong:?}");
        }
    }
}
