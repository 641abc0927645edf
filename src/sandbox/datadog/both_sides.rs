//! AWS and Datadog say the same of commitments: of every day, however much of it has arrived, and for several seeds.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use chrono::Days;
use serde_json::{Value, json};

use super::tests::{company, ms, numbers, parameters};
use super::{Company, Parameters, Refusal, commitments, coverage, double};
use crate::sandbox::bill::Bill;
use crate::sandbox::cost_explorer::CostExplorer;
use crate::sandbox::reader::{amount_at, billed, day, performed};

const EC2: &str = "Amazon Elastic Compute Cloud - Compute";
const PRODUCTS: [(&str, &str); 3] =
    [("ec2", EC2), ("rds", "Amazon Relational Database Service"), ("elasticache", "Amazon ElastiCache")];

/// Seeds, days and clocks: settled days with a renewed plan, a turn of the year, and days that are still arriving.
const CASES: [(u64, (&str, &str), &str); 5] = [
    (42, ("2026-10-01", "2026-10-20"), "2026-11-21T04:00:00Z"),
    (42, ("2026-11-10", "2026-11-21"), "2026-11-21T04:00:00Z"),
    (42, ("2026-11-10", "2026-11-21"), "2026-11-23T23:00:00Z"),
    (7, ("2026-04-25", "2026-05-10"), "2026-05-11T00:00:00Z"),
    (1_234, ("2025-12-22", "2026-01-10"), "2026-01-11T12:00:00Z"),
];

struct Sides {
    ce: CostExplorer,
    days: (&'static str, &'static str),
    now: &'static str,
}

type Endpoint = fn(Company<'_>, &Parameters) -> Result<Value, Refusal>;

impl Sides {
    fn each() -> impl Iterator<Item = Self> {
        CASES.into_iter().map(|(seed, days, now)| {
            let ce = CostExplorer::new(Bill::new(seed, day("2025-10-01")), 1_000);
            Self { ce, days, now }
        })
    }

    /// What Datadog answers.
    fn datadog(&self, endpoint: Endpoint, product: &str, kind: &str) -> Value {
        let (start, end) = (ms(self.days.0), ms(self.days.1));
        let asked = [("provider", "aws"), ("product", product), ("commitmentType", kind), ("start", &start)];
        let asked = [&asked[..], &[("end", &end)]].concat();
        endpoint(company(&self.ce, self.now), &parameters(&asked)).unwrap()
    }

    /// What AWS answers for the dimension's value; by day if it is not grouped.
    fn aws(&self, operation: &str, filter: Option<(&str, &str)>, group_by: Option<&str>) -> Value {
        let mut question = json!({ "TimePeriod": { "Start": self.days.0, "End": self.days.1 } });
        if let Some((key, value)) = filter {
            question["Filter"] = json!({ "Dimensions": { "Key": key, "Values": [value] } });
        }
        match group_by {
            Some(key) => question["GroupBy"] = json!([{ "Type": "DIMENSION", "Key": key }]),
            None => question["Granularity"] = json!("DAILY"),
        }
        if operation.starts_with("GetReservation") {
            question["MaxResults"] = json!(100);
        }
        if operation == "GetReservationCoverage" {
            question["Metrics"] = json!(["Hour", "Cost"]);
        }
        performed(&self.ce, operation, &question, self.now).unwrap()
    }

    /// A figure of AWS of the savings plans, by day.
    fn plans(&self, path: &str) -> Vec<i128> {
        by_day(&self.aws("GetSavingsPlansUtilization", None, None), "SavingsPlansUtilizationsByTime", path)
    }

    /// A figure of AWS of the reservations of a service, by day.
    fn reserved(&self, service: &str, figure: &str) -> Vec<i128> {
        let answer = self.aws("GetReservationUtilization", Some(("SERVICE", service)), None);
        by_day(&answer, "UtilizationsByTime", &format!("/Total/{figure}"))
    }
}

fn by_day(answer: &Value, rows: &str, path: &str) -> Vec<i128> {
    answer[rows].as_array().unwrap().iter().map(|row| amount_at(row, path)).collect()
}

/// The doubles are those nearest to the exact amounts.
fn assert_same(doubles: &[f64], exact: &[i128], what: &str) {
    let exact: Vec<f64> = exact.iter().map(|amount| double(*amount)).collect();
    assert_eq!(doubles, exact, "{what}");
}

fn sums(left: &[i128], right: &[i128]) -> Vec<i128> {
    assert_eq!(left.len(), right.len());
    left.iter().zip(right).map(|(left, right)| left + right).collect()
}

/// `utilization/timeseries` against the utilization of plans and of reservations.
#[test]
fn used_and_unused_commitments_are_those_of_aws() {
    for sides in Sides::each() {
        let answer = sides.datadog(commitments::utilization, "ec2", "sp");
        let of = |series: &str| numbers(&answer["series"][series]);
        assert_same(&of("used"), &sides.plans("/Utilization/UsedCommitment"), "used of plans");
        assert_same(&of("unused"), &sides.plans("/Utilization/UnusedCommitment"), "unused of plans");
        for (product, service) in PRODUCTS {
            let answer = sides.datadog(commitments::utilization, product, "ri");
            let of = |series: &str| numbers(&answer["series"][series]);
            let unused = sides.reserved(service, "RICostForUnusedHours");
            let fee = sides.reserved(service, "TotalAmortizedFee");
            let used: Vec<i128> = fee.iter().zip(&unused).map(|(fee, unused)| fee - unused).collect();
            assert!(used.iter().sum::<i128>() > 0, "{product} {}", sides.now);
            assert_same(&of("used"), &used, product);
            assert_same(&of("unused"), &unused, product);
        }
    }
}

/// `savings/timeseries` has plans and reservations in one.
#[test]
fn savings_are_those_of_aws() {
    for sides in Sides::each() {
        for (product, service) in PRODUCTS {
            let answer = sides.datadog(commitments::savings, product, "ri");
            for (metric, of_plans, of_reservations) in [
                ("actual_cost", "/Utilization/TotalCommitment", "TotalAmortizedFee"),
                ("on_demand_equivalent_cost", "/Savings/OnDemandCostEquivalent", "OnDemandCostOfRIHoursUsed"),
                ("realized_savings", "/Savings/NetSavings", "NetRISavings"),
            ] {
                let reserved = sides.reserved(service, of_reservations);
                let exact = if product == "ec2" { sums(&sides.plans(of_plans), &reserved) } else { reserved };
                assert_same(&numbers(&answer[metric]["series"]["total"]), &exact, metric);
            }
        }
    }
}

/// `coverage/timeseries` against the coverage by reservations and the bill.
#[test]
fn coverage_is_that_of_aws() {
    for sides in Sides::each() {
        for (product, service) in PRODUCTS {
            let answer = sides.datadog(coverage::timeseries, product, "ri");
            let aws = sides.aws("GetReservationCoverage", Some(("SERVICE", service)), None);
            let of = |path: &str| by_day(&aws, "CoveragesByTime", &format!("/Total/{path}"));
            let hours = |series: &str| numbers(&answer["hours"]["series"][series]);
            let cost = |series: &str| numbers(&answer["cost"]["series"][series]);
            assert_same(&hours("on_demand_only"), &of("CoverageHours/OnDemandHours"), product);
            assert_same(&hours("ri"), &of("CoverageHours/ReservedHours"), product);
            assert_same(&cost("on_demand_only"), &of("CoverageCost/OnDemandCost"), product);
            if product == "ec2" {
                assert_same(&cost("sp"), &sides.plans("/Utilization/UsedCommitment"), "sp");
                let covered = json!({ "Dimensions": { "Key": "RECORD_TYPE", "Values": ["SavingsPlanCoveredUsage"] } });
                let billed = billed(&sides.ce, sides.days, "UsageQuantity", &covered, sides.now);
                assert!((hours("sp").iter().sum::<f64>() - double(billed)).abs() < 1e-6);
            } else {
                assert!(cost("sp").iter().chain(&hours("sp")).all(|figure| *figure == 0.0));
            }
        }
        let spots = sides.datadog(coverage::hot_spots, "ec2", "ri");
        let plans = sides.aws("GetSavingsPlansCoverage", Some(("SERVICE", EC2)), None);
        let on_demand: i128 = by_day(&plans, "SavingsPlansCoverages", "/Coverage/OnDemandCost").iter().sum();
        assert_eq!(spots["total"][0]["values"][0], double(on_demand), "what plans could cover");
    }
}

/// The list has the plans and leases of AWS, as large and as far used as AWS says.
#[test]
fn the_list_is_what_aws_bills() {
    for sides in Sides::each() {
        let days = (day(sides.days.1) - day(sides.days.0)).num_days();
        let plans = sides.datadog(commitments::list, "ec2", "sp");
        let plans: Vec<&Value> = active(&plans, sides.days);
        for plan in plans {
            let arn = plan["commitment_id"].as_str().unwrap();
            let aws = sides.aws("GetSavingsPlansUtilization", Some(("SAVINGS_PLAN_ARN", arn)), None);
            for total in by_day(&aws, "SavingsPlansUtilizationsByTime", "/Utilization/TotalCommitment") {
                let hourly = plan["committed_spend_per_hour"].as_f64().unwrap();
                assert!((hourly * 24.0 - double(total)).abs() < 1e-8, "{arn}");
            }
            assert_percent(plan, &aws["Total"]["Utilization"]["UtilizationPercentage"]);
        }
        for (product, service) in PRODUCTS {
            let grouped = sides.aws("GetReservationUtilization", Some(("SERVICE", service)), Some("SUBSCRIPTION_ID"));
            let groups = grouped["UtilizationsByTime"][0]["Groups"].as_array().unwrap();
            let lease = |group: &Value| group["Attributes"]["leaseId"].as_str().unwrap().to_owned();
            let leases: BTreeMap<String, &Value> = groups.iter().map(|group| (lease(group), group)).collect();
            let list = sides.datadog(commitments::list, product, "ri");
            let mut found = 0;
            for item in active(&list, sides.days) {
                let group = leases[item["commitment_id"].as_str().unwrap()];
                found += 1;
                assert_eq!(item["instance_type"], group["Attributes"]["instanceType"]);
                assert_eq!(item["purchase_option"], group["Attributes"]["subscriptionType"]);
                let bought = amount_at(group, "/Utilization/PurchasedHours");
                let count = item["number_of_reservations"].as_i64().unwrap();
                assert_eq!(double(bought), double(i128::from(count * 24 * days) * 10_000_000_000), "{item}");
                assert_percent(item, &group["Utilization"]["UtilizationPercentage"]);
            }
            assert!(found > 0, "{product} {}", sides.now);
        }
    }
}

/// The items whose term has all days of the window.
fn active<'a>(list: &'a Value, days: (&str, &str)) -> Vec<&'a Value> {
    let last = day(days.1).checked_sub_days(Days::new(1)).unwrap();
    let date = |item: &Value, field: &str| day(&item[field].as_str().unwrap()[..10]);
    let all = list["commitments"].as_array().unwrap().iter();
    all.filter(|item| date(item, "start_date") <= day(days.0) && last < date(item, "expiration_date")).collect()
}

fn assert_percent(item: &Value, percent: &Value) {
    let percent: f64 = percent.as_str().unwrap().parse().unwrap();
    let utilization = item["utilization"].as_f64().unwrap();
    assert!((utilization * 100.0 - percent).abs() < 1e-7, "{percent} {item}");
}

/// `utilization/scalar` is the ratio that AWS has as a percentage.
#[test]
fn ratios_are_the_percentages_of_aws() {
    for sides in Sides::each() {
        let whole = sides.datadog(commitments::utilization_in_all, "ec2", "sp");
        let aws = sides.aws("GetSavingsPlansUtilization", None, None);
        let item = json!({ "utilization": whole["product_breakdown"][0]["utilization"] });
        assert_percent(&item, &aws["Total"]["Utilization"]["UtilizationPercentage"]);
    }
}

/// The same days a little later: what was used has grown on both sides alike, what was committed to has not.
#[test]
fn days_that_arrive_later_move_on_both_sides() {
    let sides: Vec<Sides> = Sides::each().skip(1).take(2).collect();
    let of = |sides: &Sides, product: &str, kind: &str| {
        let answer = sides.datadog(commitments::utilization, product, kind);
        ["used", "unused"].map(|series| numbers(&answer["series"][series]))
    };
    let kinds = [("ec2", "sp"), ("ec2", "ri"), ("rds", "ri"), ("elasticache", "ri")];
    for (product, kind) in kinds {
        let [[used, unused], [used_later, unused_later]] = [&sides[0], &sides[1]].map(|side| of(side, product, kind));
        let moved: Vec<usize> = (0..used.len()).filter(|day| used[*day] < used_later[*day]).collect();
        assert_eq!(moved, [9, 10], "{product} {kind}");
        for day in 0..used.len() {
            let (before, after) = (used[day] + unused[day], used_later[day] + unused_later[day]);
            assert!((before - after).abs() < 1e-8, "{product} {kind} {day}");
        }
    }
}
