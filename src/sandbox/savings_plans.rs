//! Utilization and coverage of the savings plans, from the bill.
//!
//! | figure | of the bill |
//! |---|---|
//! | UsedCommitment | AmortizedCost of SavingsPlanCoveredUsage |
//! | UnusedCommitment | AmortizedCost of SavingsPlanRecurringFee, and of covered usage that has not arrived yet |
//! | OnDemandCostEquivalent, SpendCoveredBySavingsPlans | PublicOnDemandCost of SavingsPlanCoveredUsage |
//! | OnDemandCost | PublicOnDemandCost of usage that plans could cover: machines, Lambda, Fargate |
//!
//! The plans are those that Datadog lists, with the same ARNs. A commitment is known at once, its use arrives over three
//! days. The words of the values of SAVINGS_PLANS_TYPE and of the attributes of a coverage are not documented; these are
//! the sandbox's own.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::amount::{percent, share, text};
use super::bill::Bill;
use super::commitments::{PLANS, Plan};
use super::fault::Fault;
use super::lines::{Charge, Line};
use super::meters::Rhythm;
use super::question::{Question, SMALL_PAGE, Scope, with_token};
use super::request::Metric;

/// Figures of savings plans: in 1e-10 USD, and the covered hours in 1e-10.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Commitment {
    pub(super) total: i64,
    pub(super) used: i64,
    pub(super) on_demand: i64,
    pub(super) used_hours: i64,
    upfront: i64,
}

impl Commitment {
    fn add(&mut self, other: Self) {
        self.total += other.total;
        self.used += other.used;
        self.on_demand += other.on_demand;
        self.used_hours += other.used_hours;
        self.upfront += other.upfront;
    }

    /// A plan's figures of a day.
    pub(super) fn of(bill: &Bill, plan: &Plan, day: NaiveDate, today: NaiveDate) -> Self {
        let known = bill.sum(day, today, |line| plan.covers(line));
        let (total, _) = plan.on(&bill.lines, day);
        Self {
            total,
            used: of(&known, Metric::AMORTIZED_COST),
            on_demand: of(&known, Metric::PUBLIC_ON_DEMAND_COST),
            used_hours: of(&known, Metric::USAGE_QUANTITY),
            upfront: share(total, plan.terms.upfront_percent(), 100),
        }
    }

    fn members(self) -> Value {
        let words = |amount: i64| text(i128::from(amount));
        json!({
            "Utilization": {
                "TotalCommitment": words(self.total),
                "UsedCommitment": words(self.used),
                "UnusedCommitment": words(self.total - self.used),
                "UtilizationPercentage": percent(self.used.into(), self.total.into()),
            },
            "Savings": {
                "NetSavings": words(self.on_demand - self.total),
                "OnDemandCostEquivalent": words(self.on_demand),
            },
            "AmortizedCommitment": {
                "AmortizedRecurringCommitment": words(self.total - self.upfront),
                "AmortizedUpfrontCommitment": words(self.upfront),
                "TotalAmortizedCommitment": words(self.total),
            },
        })
    }
}

fn of(sums: &[i128], metric: Metric) -> i64 {
    sums.get(metric.0).and_then(|sum| i64::try_from(*sum).ok()).unwrap_or(0)
}

/// A day's figures of the plans in scope; `None` if none of them is.
fn in_scope(scope: &Scope, bill: &Bill, day: NaiveDate, today: NaiveDate) -> Option<Commitment> {
    let mut found = None;
    for plan in &PLANS {
        let arn = plan.arn(bill, plan.terms.at(day).0);
        let admitted = scope.admits(|key| match key {
            "SAVINGS_PLAN_ARN" => &arn,
            "SAVINGS_PLANS_TYPE" => plan.kind,
            "PAYMENT_OPTION" => plan.terms.purchase,
            "LINKED_ACCOUNT" => bill.payer(),
            _ => "",
        });
        if admitted {
            found.get_or_insert_with(Commitment::default).add(Commitment::of(bill, plan, day, today));
        }
    }
    found
}

const UTILIZATION_FILTERS: [&str; 6] =
    ["LINKED_ACCOUNT", "SAVINGS_PLAN_ARN", "SAVINGS_PLANS_TYPE", "REGION", "PAYMENT_OPTION", "INSTANCE_TYPE_FAMILY"];

/// `GetSavingsPlansUtilization`, which has no pages.
pub(super) fn utilization(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    let span = question.past_span()?;
    let scope = question.scope(&UTILIZATION_FILTERS)?;
    let mut total = Commitment::default();
    let mut series = Vec::new();
    for period in question.periods(span, false)? {
        let mut of_period = None;
        for day in period.days().filter(|day| *day >= bill.first_day) {
            if let Some(commitment) = in_scope(&scope, bill, day, question.today) {
                of_period.get_or_insert_with(Commitment::default).add(commitment);
            }
        }
        let Some(commitment) = of_period else { continue };
        total.add(commitment);
        let mut row = commitment.members();
        if let Some(members) = row.as_object_mut() {
            members.insert("TimePeriod".to_owned(), period.interval());
        }
        series.push(row);
    }
    Ok(json!({ "SavingsPlansUtilizationsByTime": series, "Total": total.members() }))
}

/// Whether a plan covers the line, or could.
fn is_eligible(line: &Line) -> bool {
    let Some(meter) = line.meter else { return false };
    match line.charge {
        Charge::PlanCovered => true,
        Charge::Usage => {
            let serverless = meter.usage_type == "Lambda-GB-Second" || meter.usage_type.starts_with("Fargate-");
            serverless || matches!(meter.rhythm, Rhythm::Planned(_))
        }
        _ => false,
    }
}

fn value<'a>(line: &'a Line, key: &str) -> &'a str {
    match key {
        "SERVICE" => line.service,
        "REGION" => line.region,
        "LINKED_ACCOUNT" => &line.account.id,
        "INSTANCE_FAMILY" => line.meter.map_or("", |meter| meter.family()),
        _ => "",
    }
}

/// `GetSavingsPlansCoverage`: one row for each period, or for each group of the whole window.
pub(super) fn coverage(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    let span = question.past_span()?;
    let scope = question.scope(&["LINKED_ACCOUNT", "REGION", "SERVICE", "INSTANCE_FAMILY"])?;
    let keys = question.group_keys(&["INSTANCE_FAMILY", "REGION", "SERVICE"])?;
    let metrics: Vec<String> = question.member("Metrics")?.unwrap_or_default();
    if metrics.iter().any(|metric| metric != "SpendCoveredBySavingsPlans") {
        return Err(Fault::validation("The only valid metric is SpendCoveredBySavingsPlans."));
    }
    let mut rows = Vec::new();
    for period in question.periods(span, !keys.is_empty())? {
        // Spend under a plan, and at public prices, by group.
        let mut groups: BTreeMap<Vec<&str>, [i128; 2]> = BTreeMap::new();
        for day in period.days() {
            for item in bill.day(day, question.today).iter() {
                let Some(line) = bill.lines.get(item.line).filter(|line| is_eligible(line)) else { continue };
                if !scope.admits(|key| value(line, key)) {
                    continue;
                }
                let group = groups.entry(keys.iter().map(|key| value(line, key)).collect()).or_default();
                let cost = item.amounts.get(Metric::PUBLIC_ON_DEMAND_COST.0).copied().unwrap_or(0);
                let [covered, on_demand] = group;
                let sum = if line.charge == Charge::Usage { on_demand } else { covered };
                *sum += i128::from(cost);
            }
        }
        rows.extend(groups.into_iter().map(|(group, [covered, on_demand])| {
            let attributes: Map<String, Value> =
                keys.iter().zip(group).map(|(key, value)| (key.clone(), json!(value))).collect();
            json!({
                "Attributes": attributes,
                "Coverage": {
                    "SpendCoveredBySavingsPlans": text(covered),
                    "OnDemandCost": text(on_demand),
                    "TotalCost": text(covered + on_demand),
                    "CoveragePercentage": percent(covered, covered + on_demand),
                },
                "TimePeriod": period.interval(),
            })
        }));
    }
    let (page, token) = question.page(rows, SMALL_PAGE, "NextToken")?;
    Ok(with_token(json!({ "SavingsPlansCoverages": page }), "NextToken", token))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::sandbox::reader::{NOW, amount_at, at, billed, performed, refusal, service, units};

    const OCTOBER: (&str, &str) = ("2026-10-01", "2026-11-01");

    fn asked(window: (&str, &str), granularity: &str) -> Value {
        json!({ "TimePeriod": { "Start": window.0, "End": window.1 }, "Granularity": granularity })
    }

    fn record_type(name: &str) -> Value {
        json!({ "Dimensions": { "Key": "RECORD_TYPE", "Values": [name] } })
    }

    #[test]
    fn utilization_agrees_with_the_bill() {
        let ce = service(1_000);
        let answer = performed(&ce, "GetSavingsPlansUtilization", &asked(OCTOBER, "DAILY"), NOW).unwrap();
        let days = answer["SavingsPlansUtilizationsByTime"].as_array().unwrap();
        assert_eq!(days.len(), 31);
        assert_eq!(days[30]["TimePeriod"], json!({ "Start": "2026-10-31", "End": "2026-11-01" }));
        let bill = |metric, of| billed(&ce, OCTOBER, metric, &record_type(of), NOW);
        let used = bill("AmortizedCost", "SavingsPlanCoveredUsage");
        let unused = bill("AmortizedCost", "SavingsPlanRecurringFee");
        assert_eq!(amount_at(&answer, "/Total/Utilization/UsedCommitment"), used);
        assert_eq!(amount_at(&answer, "/Total/Utilization/UnusedCommitment"), unused);
        assert_eq!(amount_at(&answer, "/Total/AmortizedCommitment/TotalAmortizedCommitment"), used + unused);
        let recurring = bill("UnblendedCost", "SavingsPlanRecurringFee");
        assert_eq!(amount_at(&answer, "/Total/AmortizedCommitment/AmortizedRecurringCommitment"), recurring);
        let on_demand = bill("PublicOnDemandCost", "SavingsPlanCoveredUsage");
        assert_eq!(amount_at(&answer, "/Total/Savings/OnDemandCostEquivalent"), on_demand);
        assert_eq!(amount_at(&answer, "/Total/Savings/NetSavings"), on_demand - used - unused);
        let of_days: i128 = days.iter().map(|day| amount_at(day, "/Utilization/TotalCommitment")).sum();
        assert_eq!(of_days, used + unused);
        let months = performed(&ce, "GetSavingsPlansUtilization", &asked(OCTOBER, "MONTHLY"), NOW).unwrap();
        assert_eq!(months["Total"], answer["Total"]);
        let percent = answer["Total"]["Utilization"]["UtilizationPercentage"].as_str().unwrap();
        assert!(("90".."99").contains(&percent), "{percent}");
    }

    #[test]
    fn plans_add_up_and_a_scope_without_plans_is_empty() {
        let ce = service(1_000);
        let mut question = asked(OCTOBER, "MONTHLY");
        let mut of = |key: &str, value: &str| {
            question["Filter"] = json!({ "Dimensions": { "Key": key, "Values": [value] } });
            performed(&ce, "GetSavingsPlansUtilization", &question, NOW).unwrap()
        };
        let total = |answer: &Value| amount_at(answer, "/Total/Utilization/TotalCommitment");
        let parts =
            ["ComputeSavingsPlans", "EC2InstanceSavingsPlans"].map(|plan| total(&of("SAVINGS_PLANS_TYPE", plan)));
        assert!(parts.iter().all(|part| *part > 0));
        assert_eq!(parts.iter().sum::<i128>(), total(&of("LINKED_ACCOUNT", "000123456789")));
        for (key, value) in
            [("LINKED_ACCOUNT", "210987654321"), ("SAVINGS_PLAN_ARN", "arn:aws:nobody"), ("REGION", "mars")]
        {
            let empty = of(key, value);
            assert_eq!(empty["SavingsPlansUtilizationsByTime"], json!([]), "{key}");
            assert_eq!(total(&empty), 0);
        }
    }

    #[test]
    fn a_later_clock_restates_use_and_coverage_but_not_the_commitment() {
        let ce = service(1_000);
        let day = asked(("2026-11-19", "2026-11-20"), "DAILY");
        let read = |operation: &str, now: &str| performed(&ce, operation, &day, now).unwrap();
        let [early, late] = ["2026-11-20T00:00:00Z", NOW].map(|now| read("GetSavingsPlansUtilization", now));
        let of = |answer: &Value, name: &str| amount_at(answer, &format!("/Total/Utilization/{name}"));
        assert_eq!(of(&early, "TotalCommitment"), of(&late, "TotalCommitment"));
        assert!(of(&early, "UsedCommitment") < of(&late, "UsedCommitment"));
        let [early, late] = ["2026-11-20T00:00:00Z", NOW].map(|now| read("GetSavingsPlansCoverage", now));
        let covered = "/SavingsPlansCoverages/0/Coverage/SpendCoveredBySavingsPlans";
        assert!(amount_at(&early, covered) < amount_at(&late, covered));
    }

    #[test]
    fn coverage_agrees_with_the_bill_and_groups_add_up() {
        let ce = service(1_000);
        let mut question = asked(OCTOBER, "DAILY");
        let first = performed(&ce, "GetSavingsPlansCoverage", &question, NOW).unwrap();
        assert_eq!(first["SavingsPlansCoverages"].as_array().unwrap().len(), 20);
        question["NextToken"] = first["NextToken"].clone();
        let second = performed(&ce, "GetSavingsPlansCoverage", &question, NOW).unwrap();
        assert!(second.get("NextToken").is_none());
        let rows = [&first, &second].map(|page| page["SavingsPlansCoverages"].as_array().unwrap().clone()).concat();
        assert_eq!(rows.len(), 31);
        let sum = |rows: &[Value], name: &str| -> i128 {
            rows.iter().map(|row| units(row["Coverage"][name].as_str().unwrap())).sum()
        };
        let covered = billed(&ce, OCTOBER, "PublicOnDemandCost", &record_type("SavingsPlanCoveredUsage"), NOW);
        assert_eq!(sum(&rows, "SpendCoveredBySavingsPlans"), covered);
        assert!(rows.iter().all(|row| row["Attributes"] == json!({})));
        let mut grouped = json!({ "TimePeriod": { "Start": OCTOBER.0, "End": OCTOBER.1 } });
        for key in ["SERVICE", "REGION", "INSTANCE_FAMILY"] {
            grouped["GroupBy"] = json!([{ "Type": "DIMENSION", "Key": key }]);
            let answer = performed(&ce, "GetSavingsPlansCoverage", &grouped, NOW).unwrap();
            let groups = answer["SavingsPlansCoverages"].as_array().unwrap();
            assert!(groups.len() > 2 && groups.iter().all(|row| row["Attributes"][key].is_string()), "{key}");
            assert_eq!(sum(groups, "TotalCost"), sum(&rows, "TotalCost"), "{key}");
        }
        grouped["Filter"] = json!({ "Dimensions": { "Key": "SERVICE", "Values": ["Amazon Simple Storage Service"] } });
        let answer = performed(&ce, "GetSavingsPlansCoverage", &grouped, NOW).unwrap();
        assert_eq!(answer["SavingsPlansCoverages"], json!([]));
    }

    #[test]
    fn refusals_of_savings_plans() {
        let ce = service(1_000);
        let both = json!({
            "TimePeriod": { "Start": OCTOBER.0, "End": OCTOBER.1 }, "Granularity": "DAILY",
            "GroupBy": [{ "Type": "DIMENSION", "Key": "SERVICE" }],
        });
        let mut metric = asked(OCTOBER, "DAILY");
        metric["Metrics"] = json!(["Hour"]);
        let mut fields = asked(OCTOBER, "DAILY");
        fields["Filter"] = json!({ "Dimensions": { "Key": "USAGE_TYPE", "Values": ["x"] } });
        for (question, code, words) in [
            (both, "ValidationException", "Granularity is not supported when specifying groupBy"),
            (metric, "ValidationException", "The only valid metric"),
            (fields, "ValidationException", "Dimension USAGE_TYPE is not allowed"),
            (asked(("2026-11-01", "2026-11-22"), "DAILY"), "DataUnavailableException", "Data is not available"),
            (asked(("2026-11-01", "2026-11-01"), "DAILY"), "ValidationException", "Start date (and hour)"),
            (asked(("2025-09-30", "2026-11-01"), "DAILY"), "ValidationException", "You haven't enabled"),
        ] {
            let (met, message) = refusal(&ce, "GetSavingsPlansCoverage", &question, NOW);
            assert!(met == code && message.starts_with(words), "{met}: {message}");
        }
        let touching = asked(("2026-11-20", "2026-11-21"), "DAILY");
        assert!(performed(&ce, "GetSavingsPlansUtilization", &touching, NOW).is_ok(), "{}", at(NOW));
    }
}
