use serde_json::{Value, json};

use crate::sandbox::reader::{NOW, amount_at, billed, performed, refusal, service, units};

const OCTOBER: (&str, &str) = ("2026-10-01", "2026-11-01");
const EC2: &str = "Amazon Elastic Compute Cloud - Compute";
const RDS: &str = "Amazon Relational Database Service";
const CACHE: &str = "Amazon ElastiCache";

fn of_services(services: &[&str]) -> Value {
    json!({ "Dimensions": { "Key": "SERVICE", "Values": services } })
}

fn daily(window: (&str, &str), services: &[&str]) -> Value {
    json!({
        "TimePeriod": { "Start": window.0, "End": window.1 }, "Granularity": "DAILY", "MaxResults": 100,
        "Filter": of_services(services),
    })
}

fn bill(ce: &crate::sandbox::cost_explorer::CostExplorer, service: &str, record_type: &str, metric: &str) -> i128 {
    let kind = json!({ "Dimensions": { "Key": "RECORD_TYPE", "Values": [record_type] } });
    billed(ce, OCTOBER, metric, &json!({ "And": [of_services(&[service]), kind] }), "2026-12-20T00:00:00Z")
}

#[test]
fn utilization_agrees_with_the_bill() {
    let ce = service(1_000);
    for service in [EC2, RDS, CACHE] {
        let question = daily(OCTOBER, &[service]);
        let answer = performed(&ce, "GetReservationUtilization", &question, "2026-12-20T00:00:00Z").unwrap();
        let days = answer["UtilizationsByTime"].as_array().unwrap();
        assert_eq!(days.len(), 31);
        assert_eq!(days[0]["Groups"], json!([]));
        let total = answer["Total"].as_object().unwrap();
        assert!(total.len() == 17 && total.values().all(Value::is_string), "{total:?}");
        let figure = |name: &str| amount_at(&answer, &format!("/Total/{name}"));
        let of_days: i128 = days.iter().map(|day| amount_at(day, "/Total/PurchasedHours")).sum();
        assert_eq!(of_days, figure("PurchasedHours"));
        assert_eq!(figure("TotalActualHours"), bill(&ce, service, "DiscountedUsage", "UsageQuantity"));
        assert_eq!(figure("TotalActualUnits"), bill(&ce, service, "DiscountedUsage", "NormalizedUsageAmount"));
        let on_demand = bill(&ce, service, "DiscountedUsage", "PublicOnDemandCost");
        let used = bill(&ce, service, "DiscountedUsage", "AmortizedCost");
        let unused = bill(&ce, service, "RIFee", "AmortizedCost");
        assert_eq!(figure("OnDemandCostOfRIHoursUsed"), on_demand);
        assert_eq!(figure("RICostForUnusedHours"), unused);
        assert_eq!(figure("TotalAmortizedFee"), used + unused);
        assert_eq!(figure("AmortizedUpfrontFee") + figure("AmortizedRecurringFee"), used + unused);
        assert_eq!(figure("AmortizedRecurringFee"), bill(&ce, service, "RIFee", "UnblendedCost"));
        assert_eq!(figure("NetRISavings"), on_demand - used - unused);
        assert_eq!(figure("RealizedSavings") + figure("UnrealizedSavings"), figure("TotalPotentialRISavings"));
        assert_eq!(figure("PurchasedHours"), figure("TotalActualHours") + figure("UnusedHours"));
        assert!(unused > 0);
    }
}

#[test]
fn reservations_add_up_and_come_with_attributes() {
    let ce = service(1_000);
    let mut question = daily(OCTOBER, &[RDS]);
    let total = performed(&ce, "GetReservationUtilization", &question, NOW).unwrap()["Total"].clone();
    question.as_object_mut().unwrap().remove("Granularity");
    question["GroupBy"] = json!([{ "Type": "DIMENSION", "Key": "SUBSCRIPTION_ID" }]);
    question["MaxResults"] = json!(4);
    let first = performed(&ce, "GetReservationUtilization", &question, NOW).unwrap();
    assert_eq!(first["Total"], total);
    question["NextPageToken"] = first["NextPageToken"].clone();
    let second = performed(&ce, "GetReservationUtilization", &question, NOW).unwrap();
    let groups = [&first, &second].map(|page| page["UtilizationsByTime"][0]["Groups"].as_array().unwrap().clone());
    let groups = groups.concat();
    let hours: i128 = groups.iter().map(|group| amount_at(group, "/Utilization/PurchasedHours")).sum();
    assert_eq!(hours, units(total["PurchasedHours"].as_str().unwrap()));
    for group in &groups {
        let id = group["Value"].as_str().unwrap();
        assert!(id.len() == 10 && id.bytes().all(|digit| digit.is_ascii_digit()), "{id}");
        assert_eq!(group["Attributes"]["subscriptionId"], group["Value"]);
        assert!(group["Attributes"]["leaseId"].as_str().unwrap().starts_with("ri-rds-"));
    }
    let idle = groups.iter().filter(|group| group["Utilization"]["UtilizationPercentage"] == "0").count();
    assert_eq!(idle, 1, "one account has reserved what it does not use");
    question["NextPageToken"] = json!("");
    question["Filter"] = json!({ "And": [
        of_services(&[RDS]), { "Dimensions": { "Key": "SUBSCRIPTION_ID", "Values": [groups[0]["Value"]] } },
    ] });
    let one = performed(&ce, "GetReservationUtilization", &question, NOW).unwrap();
    assert_eq!(one["UtilizationsByTime"][0]["Groups"], json!([groups[0]]));
}

#[test]
fn a_service_without_reservations_has_none_and_without_a_service_it_is_machines() {
    let ce = service(1_000);
    for operation in ["GetReservationUtilization", "GetReservationCoverage"] {
        let member = if operation.ends_with("Coverage") { "CoveragesByTime" } else { "UtilizationsByTime" };
        let mut question = daily(OCTOBER, &["AWS Lambda"]);
        assert_eq!(performed(&ce, operation, &question, NOW).unwrap()[member], json!([]));
        let machines = performed(&ce, operation, &daily(OCTOBER, &[EC2]), NOW).unwrap();
        assert_eq!(machines[member].as_array().unwrap().len(), 31);
        question.as_object_mut().unwrap().remove("Filter");
        assert_eq!(performed(&ce, operation, &question, NOW).unwrap(), machines, "machines alone");
    }
}

#[test]
fn coverage_agrees_with_the_bill_and_groups_add_up() {
    let ce = service(1_000);
    let mut question = daily(OCTOBER, &[RDS, CACHE]);
    question["Metrics"] = json!(["Hour", "Unit", "Cost"]);
    let answer = performed(&ce, "GetReservationCoverage", &question, "2026-12-20T00:00:00Z").unwrap();
    assert_eq!(answer["CoveragesByTime"].as_array().unwrap().len(), 31);
    let reserved: i128 = [RDS, CACHE].iter().map(|name| bill(&ce, name, "DiscountedUsage", "UsageQuantity")).sum();
    assert_eq!(amount_at(&answer, "/Total/CoverageHours/ReservedHours"), reserved);
    assert!(amount_at(&answer, "/Total/CoverageCost/OnDemandCost") > 0);
    let percent = answer["Total"]["CoverageNormalizedUnits"]["CoverageNormalizedUnitsPercentage"].as_str().unwrap();
    assert!(("30".."80").contains(&percent), "{percent}");
    question.as_object_mut().unwrap().remove("Granularity");
    question["Metrics"] = json!([]);
    for (key, name) in [("REGION", "region"), ("INSTANCE_TYPE", "instanceType"), ("LINKED_ACCOUNT", "linkedAccount")] {
        question["GroupBy"] = json!([{ "Type": "DIMENSION", "Key": key }]);
        let grouped = performed(&ce, "GetReservationCoverage", &question, "2026-12-20T00:00:00Z").unwrap();
        let groups = grouped["CoveragesByTime"][0]["Groups"].as_array().unwrap();
        let sum: i128 = groups.iter().map(|group| amount_at(group, "/Coverage/CoverageHours/ReservedHours")).sum();
        assert_eq!(sum, reserved, "{key}");
        assert!(groups.iter().all(|group| group["Attributes"][name].is_string()), "{groups:?}");
        assert!(groups[0]["Coverage"].get("CoverageCost").is_none(), "hours alone by default");
    }
}

#[test]
fn a_later_clock_restates_use_but_not_what_was_purchased() {
    let ce = service(1_000);
    let day = daily(("2026-11-19", "2026-11-20"), &[RDS]);
    let read = |now: &str| performed(&ce, "GetReservationUtilization", &day, now).unwrap();
    let (early, late) = (read("2026-11-20T00:00:00Z"), read(NOW));
    let of = |answer: &Value, name: &str| amount_at(answer, &format!("/Total/{name}"));
    assert_eq!(of(&early, "PurchasedHours"), of(&late, "PurchasedHours"));
    assert!(of(&early, "TotalActualHours") < of(&late, "TotalActualHours"));
    assert!(of(&early, "RICostForUnusedHours") > of(&late, "RICostForUnusedHours"));
}

#[test]
fn refusals_of_reservations() {
    let ce = service(1_000);
    let mut both = daily(OCTOBER, &[RDS]);
    both["GroupBy"] = json!([{ "Type": "DIMENSION", "Key": "SUBSCRIPTION_ID" }]);
    let mut region = daily(OCTOBER, &[RDS]);
    region["GroupBy"] = json!([{ "Type": "DIMENSION", "Key": "REGION" }]);
    let cases = [
        (both, "ValidationException", "Granularity is not supported when specifying groupBy"),
        (region, "ValidationException", "GroupBy REGION is invalid"),
        (daily(OCTOBER, &[RDS, CACHE]), "ValidationException", "The number of values of SERVICE should not exceed 1"),
        (daily(("2026-11-01", "2026-11-22"), &[RDS]), "DataUnavailableException", "Data is not available"),
    ];
    for (question, code, words) in cases {
        let (met, message) = refusal(&ce, "GetReservationUtilization", &question, NOW);
        assert!(met == code && message.starts_with(words), "{met}: {message}");
    }
    let mut metric = daily(OCTOBER, &[RDS]);
    metric["Metrics"] = json!(["Second"]);
    assert!(refusal(&ce, "GetReservationCoverage", &metric, NOW).1.starts_with("Metric Second is invalid"));
    let three = daily(OCTOBER, &[RDS, CACHE, "Amazon Redshift"]);
    assert!(refusal(&ce, "GetReservationCoverage", &three, NOW).1.contains("should not exceed 2"));
}
