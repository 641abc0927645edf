//! What of the machines ran under commitments, and where it did not.
//!
//! | series | cost | hours |
//! |---|---|---|
//! | `on_demand_only`, `spot_only` | the bill's public price of machines without a commitment | the bill's |
//! | `ri`, `sp` | the used spend of the utilization endpoint | the bill's |
//!
//! The bill is of AWS only. At Azure, machines without a commitment are a share of what its commitments would have cost,
//! and the hours under a plan are its public price in hours of other machines.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use serde_json::{Value, json};

use crate::sandbox::amount::{ONE, share};
use crate::sandbox::dice::{between, mix};
use crate::sandbox::lines::{Charge, Line};

use super::commitments::{Query, group, metric, number};
use super::cube::{Filter, day_sums};
use super::spend::Spend;
use super::{Company, Parameters, Refusal, dollars, double, optional, percent};

/// Cost and hours of machines, both in 1e-10.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Machines {
    cost: i128,
    hours: i128,
}

/// The machines of one day by how they were paid.
#[derive(Debug, Clone, Copy, Default)]
struct Covered {
    on_demand: Machines,
    reserved: Machines,
    planned: Machines,
    spot: Machines,
}

/// The services of the bill by product, and the words in the usage types of their machines.
pub(super) const MACHINES: [(&str, &str, &str); 3] = [
    ("ec2", "Amazon Elastic Compute Cloud - Compute", "BoxUsage:"),
    ("rds", "Amazon Relational Database Service", "InstanceUsage:"),
    ("elasticache", "Amazon ElastiCache", "NodeUsage:"),
];

const SPOT: &str = "SpotUsage:";

/// True for machines of the product that are paid by the hour, with `word` in their usage type.
fn is_paid_hourly(line: &Line, service: &str, word: &str) -> bool {
    line.charge == Charge::Usage && line.service == service && line.usage_type.contains(word)
}

fn billed(company: Company<'_>, product: &str, word: Option<&str>, day: NaiveDate) -> Machines {
    let known = MACHINES.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(product));
    let Some((_, service, machines)) = known else {
        return Machines::default();
    };
    let takes = |line: &Line| is_paid_hourly(line, service, word.unwrap_or(machines));
    let [cost, hours] = day_sums(company.bill, day, company.today(), takes, [0, 5]);
    Machines { cost, hours }
}

/// What of the commitments was used.
fn used(spend: &Spend) -> Machines {
    Machines { cost: spend.used.into(), hours: spend.hours.into() }
}

impl Covered {
    /// The machines of a day; `None` if nothing is committed to for the product.
    fn of(company: Company<'_>, query: &Query<'_>, day: NaiveDate) -> Option<Self> {
        let spend = |kind| query.selection(Some(kind)).spend(company.bill, day, query.window.today);
        let (reserved, planned) = (spend("ri"), spend("sp"));
        if reserved.is_none() && planned.is_none() {
            return None;
        }
        let (reserved, planned) = (reserved.unwrap_or_default(), planned.unwrap_or_default());
        if query.is_azure() {
            return Some(Self::of_azure(company, day, &reserved, &planned));
        }
        Some(Self {
            on_demand: billed(company, query.product, None, day),
            reserved: used(&reserved),
            planned: used(&planned),
            spot: billed(company, query.product, Some(SPOT), day),
        })
    }

    /// Without a commitment runs 12 to 25 % of the public price of the others. An hour costs what a reserved one would.
    fn of_azure(company: Company<'_>, day: NaiveDate, reserved: &Spend, planned: &Spend) -> Self {
        let percent = between(mix(&[company.seed(), 74, u64::from(day.num_days_from_ce().unsigned_abs())]), 12, 25);
        let cost = share(reserved.on_demand + planned.on_demand, percent, 100);
        let hours = |cost: i64| i128::from(share(cost, reserved.hours, reserved.on_demand));
        Self {
            on_demand: Machines { cost: cost.into(), hours: hours(cost) },
            reserved: used(reserved),
            planned: Machines { hours: hours(planned.on_demand), ..used(planned) },
            spot: Machines::default(),
        }
    }

    /// Hours of reserved and planned machines, and of all.
    fn hours(&self) -> (i128, i128) {
        let covered = self.reserved.hours + self.planned.hours;
        (covered, covered + self.on_demand.hours + self.spot.hours)
    }
}

fn days(company: Company<'_>, query: &Query<'_>) -> Vec<(NaiveDate, Covered)> {
    query.window.days().filter_map(|day| Some((day, Covered::of(company, query, day)?))).collect()
}

/// `coverage/timeseries`.
pub(super) fn timeseries(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let query = Query::read(parameters, company)?;
    let days = days(company, &query);
    let of = |figure: fn(&Machines) -> i128| {
        metric(
            &days,
            &[
                ("on_demand_only", &|day| double(figure(&day.on_demand))),
                ("ri", &|day| double(figure(&day.reserved))),
                ("sp", &|day| double(figure(&day.planned))),
                ("spot_only", &|day| double(figure(&day.spot))),
            ],
        )
    };
    Ok(json!({ "cost": of(|machines| machines.cost), "hours": of(|machines| machines.hours) }))
}

/// `coverage/scalar`: the covered share of the hours, a ratio.
pub(super) fn scalar(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let query = Query::read(parameters, company)?;
    let hours = days(company, &query).into_iter().map(|(_, day)| day.hours());
    let Some((covered, all)) = hours.reduce(|a, b| (a.0 + b.0, a.1 + b.1)) else {
        return Ok(json!({ "columns": [] }));
    };
    let ratio = double((covered * i128::from(ONE)).checked_div(all).unwrap_or(0));
    let product = query.product.to_ascii_lowercase();
    Ok(json!({ "columns": [group("service", [&*product]), number("hours_coverage", &[ratio], &percent())] }))
}

/// `on-demand-hot-spots/scalar`: the cost of machines without a commitment by region and family, dearest first.
///
/// `filterBy` is read as the filter of a cost query and repeated in `meta`; its real grammar is not documented.
pub(super) fn hot_spots(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let query = Query::read(parameters, company)?;
    let filtered = optional(parameters, "filterBy").unwrap_or("*");
    let filter = Filter::read(filtered)
        .map_err(|words| Refusal::invalid(format!("invalid parameter \"filterBy\" in \"query\"; {words}")))?;
    let spots = spots(company, &query, &filter);
    let costs: Vec<f64> = spots.iter().map(|(_, cost)| double(*cost)).collect();
    let total = double(spots.iter().map(|(_, cost)| cost).sum());
    Ok(json!({
        "columns": [
            group("region", spots.iter().map(|((region, _), _)| *region)),
            group("instance_family", spots.iter().map(|((_, family), _)| *family)),
            number("on_demand_cost", &costs, &dollars()),
        ],
        "total": [number("on_demand_cost", &[total], &dollars())],
        "meta": { "on_demand_filters": filtered },
    }))
}

/// The cost of machines without a commitment by region and family, dearest first.
fn spots<'a>(company: Company<'a>, query: &Query<'_>, filter: &Filter) -> Vec<((&'a str, &'a str), i128)> {
    let product = MACHINES.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(query.product));
    let Some((_, service, word)) = product.filter(|_| !query.is_azure()) else {
        return Vec::new();
    };
    let mut spots: BTreeMap<(&str, &str), i128> = BTreeMap::new();
    for day in query.window.days() {
        for item in company.bill.day(day, query.window.today).iter() {
            let line = company.bill.lines.get(item.line);
            let Some(line) = line.filter(|line| is_paid_hourly(line, service, word) && filter.takes(line)) else {
                continue;
            };
            *spots.entry((line.region, family(&line.usage_type))).or_default() += i128::from(item.amounts[0]);
        }
    }
    let mut spots: Vec<_> = spots.into_iter().collect();
    spots.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
    spots
}

/// The family in a usage type: `m6i` of `EU-BoxUsage:m6i.xlarge`, `r6g` of `InstanceUsage:db.r6g.xlarge`.
fn family(usage_type: &str) -> &str {
    let machine = usage_type.rsplit(':').next().unwrap_or(usage_type);
    machine.rsplit('.').nth(1).unwrap_or(machine)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use super::{family, hot_spots, scalar, timeseries};
    use crate::sandbox::cost_explorer::CostExplorer;
    use crate::sandbox::datadog::Parameters;
    use crate::sandbox::datadog::commitments::utilization;
    use crate::sandbox::datadog::tests::{billed, company, ms, numbers, parameters};
    use crate::sandbox::reader::{NOW, query, service};

    fn october(more: &[(&str, &str)]) -> Parameters {
        let (start, end) = (ms("2026-10-01"), ms("2026-11-01"));
        let mut asked = parameters(&[("start", &start), ("end", &end)]);
        asked.extend(parameters(more));
        asked
    }

    fn of(ce: &CostExplorer, product: &str, now: &str) -> Value {
        timeseries(company(ce, now), &october(&[("provider", "aws"), ("product", product)])).unwrap()
    }

    /// What Cost Explorer says of usage types of a service with a word, by day.
    fn usage(ce: &CostExplorer, service: &str, word: &str, metric: &str) -> Vec<f64> {
        let mut query =
            query("2026-10-01", "2026-11-01", "DAILY", &json!([{ "Type": "DIMENSION", "Key": "USAGE_TYPE" }]));
        query["Filter"] = json!({ "And": [
            { "Dimensions": { "Key": "SERVICE", "Values": [service] } },
            { "Dimensions": { "Key": "RECORD_TYPE", "Values": ["Usage"] } },
        ] });
        let mut days = vec![0.0; 31];
        for ((day, usage_type), amount) in billed(ce, &query, NOW, metric) {
            if usage_type.contains(word) {
                days[day[8..].parse::<usize>().unwrap() - 1] += amount;
            }
        }
        days
    }

    fn assert_near(left: &[f64], right: &[f64]) {
        assert_eq!(left.len(), right.len());
        for (left, right) in left.iter().zip(right) {
            assert!((left - right).abs() < 0.005, "{left} {right}");
        }
    }

    #[test]
    fn machines_without_commitments_are_those_of_the_bill_to_the_cent() {
        let ce = service(1_000);
        for (product, service, word) in [
            ("EC2", "Amazon Elastic Compute Cloud - Compute", "BoxUsage"),
            ("rds", "Amazon Relational Database Service", "InstanceUsage"),
            ("ElastiCache", "Amazon ElastiCache", "NodeUsage"),
        ] {
            let answer = of(&ce, product, NOW);
            let cost = numbers(&answer["cost"]["series"]["on_demand_only"]);
            assert!(cost.iter().sum::<f64>() > 100.0, "{product}");
            assert_near(&cost, &usage(&ce, service, word, "UnblendedCost"));
            let hours = numbers(&answer["hours"]["series"]["on_demand_only"]);
            assert_near(&hours, &usage(&ce, service, word, "UsageQuantity"));
        }
        let spot = of(&ce, "ec2", NOW);
        let billed = usage(&ce, "Amazon Elastic Compute Cloud - Compute", "SpotUsage", "UnblendedCost");
        assert_near(&numbers(&spot["cost"]["series"]["spot_only"]), &billed);
    }

    #[test]
    fn covered_machines_cost_what_was_used_of_the_commitments() {
        let ce = service(1_000);
        for (provider, product) in
            [("aws", "ec2"), ("aws", "rds"), ("aws", "elasticache"), ("azure", "virtualmachines")]
        {
            let asked = october(&[("provider", provider), ("product", product)]);
            let answer = timeseries(company(&ce, NOW), &asked).unwrap();
            let names: Vec<&String> = answer["cost"]["series"].as_object().unwrap().keys().collect();
            assert_eq!(names, ["on_demand_only", "ri", "sp", "spot_only"]);
            assert!(answer["cost"]["unit"].is_null() && answer["hours"]["unit"].is_null(), "{product}");
            assert_eq!(answer["cost"]["times"], answer["hours"]["times"]);
            assert_eq!(answer["cost"]["times"][0], json!(1_790_812_800));
            for kind in ["ri", "sp"] {
                let mut asked = asked.clone();
                asked.extend(parameters(&[("commitmentType", kind)]));
                let used = utilization(company(&ce, NOW), &asked).unwrap()["series"]["used"].clone();
                let used = if used.is_null() { vec![0.0; 31] } else { numbers(&used) };
                assert_near(&numbers(&answer["cost"]["series"][kind]), &used);
            }
            let whole = scalar(company(&ce, NOW), &asked).unwrap();
            let [ri, sp, od, spot] = ["ri", "sp", "on_demand_only", "spot_only"]
                .map(|series| numbers(&answer["hours"]["series"][series]).iter().sum::<f64>());
            let ratio = whole["columns"][1]["values"][0].as_f64().unwrap();
            assert!((ratio - (ri + sp) / (ri + sp + od + spot)).abs() < 1e-6 && ratio > 0.1, "{product}: {ratio}");
        }
    }

    #[test]
    fn a_later_clock_restates_the_last_days() {
        let ce = service(1_000);
        let on_demand = |now: &str| numbers(&of(&ce, "ec2", now)["cost"]["series"]["on_demand_only"]);
        let (early, late) = (on_demand("2026-10-31T12:00:00Z"), on_demand(NOW));
        assert_eq!((early.len(), late.len()), (30, 31));
        assert!(early[28] < late[28] && early[29] < late[29], "{early:?} {late:?}");
        assert_near(&early[..27], &late[..27]);
    }

    #[test]
    fn hot_spots_add_up_to_the_machines_without_commitments() {
        let ce = service(1_000);
        let asked = october(&[("provider", "aws"), ("product", "ec2")]);
        let answer = hot_spots(company(&ce, NOW), &asked).unwrap();
        let [regions, families, costs] =
            [0, 1, 2].map(|column| answer["columns"][column]["values"].as_array().unwrap());
        assert!(regions.len() > 2 && regions.len() == families.len() && families.len() == costs.len());
        assert!(regions.iter().chain(families).all(|value| value[0].is_string()), "{answer}");
        let total = answer["total"][0]["values"][0].as_f64().unwrap();
        let wanted: f64 = numbers(&of(&ce, "ec2", NOW)["cost"]["series"]["on_demand_only"]).iter().sum();
        assert!((total - wanted).abs() < 0.005 && answer["meta"]["on_demand_filters"] == "*", "{total} {wanted}");
        let region = regions[0][0].as_str().unwrap();
        let part = hot_spots(company(&ce, NOW), &{
            let mut asked = asked.clone();
            asked.extend(parameters(&[("filterBy", &format!("regionname:{region}"))]));
            asked
        });
        let part = part.unwrap();
        assert!(part["columns"][0]["values"].as_array().unwrap().iter().all(|value| value[0] == region), "{part}");
        assert!(part["total"][0]["values"][0].as_f64().unwrap() < total);
    }

    #[test]
    fn questions_that_cannot_be_read_are_refused_and_unknown_products_empty() {
        let ce = service(1_000);
        let company = company(&ce, NOW);
        let unknown = october(&[("provider", "aws"), ("product", "redshift")]);
        let empty = timeseries(company, &unknown).unwrap();
        assert_eq!(empty["cost"], json!({ "series": {}, "times": [] }));
        assert_eq!(scalar(company, &unknown).unwrap()["columns"], json!([]));
        assert_eq!(hot_spots(company, &unknown).unwrap()["columns"][2]["values"], json!([]));
        for question in [timeseries, scalar, hot_spots] {
            assert_eq!(question(company, &october(&[("provider", "aws")])).unwrap_err().status, 400);
        }
        let wrong = october(&[("provider", "aws"), ("product", "ec2"), ("filterBy", "region")]);
        assert_eq!(hot_spots(company, &wrong).unwrap_err().status, 400);
        assert_eq!((family("EU-BoxUsage:m6i.xlarge"), family("InstanceUsage:db.r6g.large")), ("m6i", "r6g"));
    }
}
