//! Behaviour of the whole, without HTTP: what any client may rely on.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::bill::{Bill, Stage};
use super::cost_explorer::CostExplorer;
use super::datadog::{self, Parameters};

/// Period start and keys to metric name, amount in 1e-10, unit.
type Sums = BTreeMap<(String, Vec<String>), BTreeMap<String, i128>>;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn service(page_groups: usize) -> CostExplorer {
    CostExplorer::new(Bill::new(42, day("2025-10-01")), page_groups)
}

fn units(amount: &str) -> i128 {
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    format!("{whole}{fraction:0<10}").parse().unwrap()
}

fn query(start: &str, end: &str, granularity: &str, group_by: &Value) -> Value {
    json!({
        "TimePeriod": { "Start": start, "End": end },
        "Granularity": granularity,
        "Metrics": ["UnblendedCost", "AMORTIZED_COST", "UsageQuantity", "NetAmortizedCost"],
        "GroupBy": group_by,
    })
}

fn ask(ce: &CostExplorer, query: &Value, now: &str) -> Value {
    let answer = ce.answer(query.to_string().as_bytes(), at(now)).unwrap();
    serde_json::from_slice(&answer).unwrap()
}

fn refused(ce: &CostExplorer, query: &Value, now: &str) -> (String, String) {
    let fault = ce
        .answer(query.to_string().as_bytes(), at(now))
        .unwrap_err();
    (fault.code.to_owned(), fault.message)
}

fn pages(ce: &CostExplorer, query: &Value, now: &str) -> Vec<Value> {
    let mut query = query.clone();
    let mut pages = Vec::new();
    loop {
        let page = ask(ce, &query, now);
        let token = page["NextPageToken"].clone();
        pages.push(page);
        if token.is_null() {
            return pages;
        }
        query["NextPageToken"] = token;
    }
}

fn figures(metrics: &Value) -> BTreeMap<String, i128> {
    let metrics = metrics.as_object().unwrap();
    metrics
        .iter()
        .map(|(name, figure)| (name.clone(), units(figure["Amount"].as_str().unwrap())))
        .collect()
}

fn texts(keys: &Value) -> Vec<String> {
    keys.as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap().to_owned())
        .collect()
}

/// All groups of all pages, or the totals with empty keys; asserts that nothing comes twice.
fn read(ce: &CostExplorer, query: &Value, now: &str) -> Sums {
    let grouped = !query["GroupBy"].as_array().unwrap().is_empty();
    let mut sums = Sums::new();
    for page in pages(ce, query, now) {
        for period in page["ResultsByTime"].as_array().unwrap() {
            let start = period["TimePeriod"]["Start"].as_str().unwrap().to_owned();
            if !grouped {
                assert!(
                    sums.insert((start, Vec::new()), figures(&period["Total"]))
                        .is_none()
                );
                continue;
            }
            for group in period["Groups"].as_array().unwrap() {
                let key = (start.clone(), texts(&group["Keys"]));
                assert!(
                    sums.insert(key.clone(), figures(&group["Metrics"]))
                        .is_none(),
                    "{key:?} came twice"
                );
            }
        }
    }
    sums
}

/// Sums over everything but the period; periods cut to `prefix` characters.
fn by_period(sums: &Sums, prefix: usize) -> BTreeMap<String, BTreeMap<String, i128>> {
    let mut periods: BTreeMap<String, BTreeMap<String, i128>> = BTreeMap::new();
    for ((start, _), figures) in sums {
        let period = periods
            .entry(start.get(..prefix).unwrap_or(start).to_owned())
            .or_default();
        for (name, amount) in figures {
            *period.entry(name.clone()).or_default() += amount;
        }
    }
    periods
}

const NOW: &str = "2026-11-21T04:00:00Z";

#[test]
fn every_grouping_adds_up_to_the_totals() {
    let ce = service(100);
    let totals = by_period(
        &read(
            &ce,
            &query("2026-10-28", "2026-11-22", "DAILY", &json!([])),
            NOW,
        ),
        10,
    );
    assert_eq!(totals.len(), 25);
    for group_by in [
        json!([{ "Type": "DIMENSION", "Key": "SERVICE" }, { "Type": "DIMENSION", "Key": "USAGE_TYPE" }]),
        json!([{ "Type": "DIMENSION", "Key": "LINKED_ACCOUNT" }, { "Type": "DIMENSION", "Key": "RECORD_TYPE" }]),
        json!([{ "Type": "TAG", "Key": "team" }, { "Type": "DIMENSION", "Key": "SERVICE" }]),
        json!([{ "Type": "COST_CATEGORY", "Key": "Product" }]),
        json!([{ "Type": "TAG", "Key": "nobody-set-this" }, { "Type": "DIMENSION", "Key": "AZ" }]),
    ] {
        let sums = read(
            &ce,
            &query("2026-10-28", "2026-11-22", "DAILY", &group_by),
            NOW,
        );
        assert_eq!(by_period(&sums, 10), totals, "{group_by}");
    }
}

#[test]
fn months_are_sums_of_days_and_days_sums_of_hours() {
    let ce = service(50);
    let by_service = json!([{ "Type": "DIMENSION", "Key": "SERVICE" }]);
    let monthly = read(
        &ce,
        &query("2026-09-15", "2026-11-22", "MONTHLY", &by_service),
        NOW,
    );
    let daily = read(
        &ce,
        &query("2026-09-15", "2026-11-22", "DAILY", &by_service),
        NOW,
    );
    assert_eq!(by_period(&monthly, 7), by_period(&daily, 7));
    let hourly = query(
        "2026-11-10T00:00:00Z",
        "2026-11-22T00:00:00Z",
        "HOURLY",
        &by_service,
    );
    let of_days = read(
        &ce,
        &query("2026-11-10", "2026-11-22", "DAILY", &by_service),
        NOW,
    );
    assert_eq!(
        by_period(&read(&ce, &hourly, NOW), 10),
        by_period(&of_days, 10)
    );
    let clipped = ask(
        &ce,
        &query("2026-09-15", "2026-11-22", "MONTHLY", &json!([])),
        NOW,
    );
    assert_eq!(
        clipped["ResultsByTime"][0]["TimePeriod"],
        json!({ "Start": "2026-09-15", "End": "2026-10-01" })
    );
    assert_eq!(clipped["ResultsByTime"][0]["Estimated"], json!(false));
    assert_eq!(clipped["ResultsByTime"][2]["Estimated"], json!(true));
}

#[test]
fn pages_cut_days_bring_days_back_and_lose_nothing() {
    let group_by = json!([{ "Type": "DIMENSION", "Key": "SERVICE" }, { "Type": "DIMENSION", "Key": "USAGE_TYPE" }]);
    let query = query("2026-08-01", "2026-11-01", "DAILY", &group_by);
    let (small, large) = (service(97), service(100_000));
    assert_eq!(read(&small, &query, NOW), read(&large, &query, NOW));
    assert_eq!(pages(&large, &query, NOW).len(), 1);
    let starts: Vec<Vec<String>> = pages(&small, &query, NOW)
        .iter()
        .map(|page| {
            let periods = page["ResultsByTime"].as_array().unwrap();
            assert!(
                periods
                    .iter()
                    .map(|p| p["Groups"].as_array().unwrap().len())
                    .sum::<usize>()
                    <= 97
            );
            periods
                .iter()
                .map(|p| p["TimePeriod"]["Start"].as_str().unwrap().to_owned())
                .collect()
        })
        .collect();
    assert!(
        starts
            .windows(2)
            .any(|pair| pair[0].last() == pair[1].first()),
        "no day is cut over pages"
    );
    let late = |(number, page): (usize, &Vec<String>)| {
        page.iter().any(|day| {
            starts[..number.saturating_sub(1)]
                .iter()
                .any(|earlier| earlier.contains(day))
        })
    };
    assert!(
        starts.iter().enumerate().any(late),
        "no day comes back later"
    );
}

#[test]
fn the_bill_is_believable() {
    let ce = service(1_000);
    let totals = read(
        &ce,
        &query("2025-10-01", "2026-11-01", "MONTHLY", &json!([])),
        NOW,
    );
    for (month, figures) in by_period(&totals, 7) {
        let dollars = figures["UnblendedCost"] / 10_000_000_000;
        assert!(
            (150_000..500_000).contains(&dollars),
            "{month}: {dollars} USD"
        );
    }
    let items = ce.bill.day(day("2026-10-14"), day("2026-11-21"));
    assert!((150..=450).contains(&items.len()), "{} items", items.len());
    let by_type = json!([{ "Type": "DIMENSION", "Key": "RECORD_TYPE" }]);
    let sums = read(
        &ce,
        &query("2026-07-01", "2026-11-01", "MONTHLY", &by_type),
        NOW,
    );
    let types: BTreeSet<&str> = sums.keys().map(|(_, keys)| keys[0].as_str()).collect();
    for expected in [
        "Usage",
        "DiscountedUsage",
        "SavingsPlanNegation",
        "Credit",
        "Tax",
        "RIFee",
        "Support",
        "Refund",
    ] {
        assert!(types.contains(expected), "{expected} missing in {types:?}");
    }
}

/// Days of a range whose totals differ between two clocks.
fn restated(ce: &CostExplorer, group_by: &Value, before: &str, after: &str) -> Vec<String> {
    let query = query("2026-08-01", "2026-11-01", "DAILY", group_by);
    let (before, after) = (read(ce, &query, before), read(ce, &query, after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let days: BTreeSet<String> = keys
        .into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| key.0.clone())
        .collect();
    days.into_iter().collect()
}

#[test]
fn moving_the_clock_restates_the_expected_days_only() {
    let ce = service(1_000);
    let nothing = json!([]);
    let quiet = restated(
        &ce,
        &nothing,
        "2026-10-25T00:00:00Z",
        "2026-10-25T23:00:00Z",
    );
    assert!(quiet.is_empty(), "{quiet:?}");
    let night = restated(
        &ce,
        &nothing,
        "2026-10-25T08:00:00Z",
        "2026-10-26T08:00:00Z",
    );
    assert_eq!(
        night,
        [
            "2026-10-01",
            "2026-10-23",
            "2026-10-24",
            "2026-10-25",
            "2026-10-26"
        ]
    );
    let support = restated(
        &ce,
        &nothing,
        "2026-11-05T00:00:00Z",
        "2026-11-06T00:00:00Z",
    );
    assert_eq!(
        support,
        (1..=7).map(|d| format!("2026-10-0{d}")).collect::<Vec<_>>()
    );
    let credit = restated(
        &ce,
        &nothing,
        "2026-11-08T00:00:00Z",
        "2026-11-09T00:00:00Z",
    );
    assert!(
        credit.len() == 1 && ("2026-10-12".."2026-10-19").contains(&&*credit[0]),
        "{credit:?}"
    );
    let correction = ("2026-11-11T00:00:00Z", "2026-11-12T00:00:00Z");
    assert!(
        restated(&ce, &nothing, correction.0, correction.1).is_empty(),
        "a correction keeps the totals"
    );
    let team = json!([{ "Type": "TAG", "Key": "team" }]);
    assert_eq!(restated(&ce, &team, correction.0, correction.1).len(), 31);
    let refund = restated(
        &ce,
        &nothing,
        "2026-10-19T00:00:00Z",
        "2026-10-20T00:00:00Z",
    );
    assert!(
        refund
            .iter()
            .filter(|day| day.starts_with("2026-09"))
            .count()
            == 1,
        "{refund:?}"
    );
}

#[test]
fn a_stage_is_a_function_of_the_days() {
    let stage = |today: &str| Stage::of(42, day("2026-10-30"), day(today));
    assert_eq!(stage("2026-10-29"), None);
    let arrived =
        ["2026-10-30", "2026-10-31", "2026-11-01", "2026-11-02"].map(|t| stage(t).unwrap().arrived);
    assert_eq!(arrived, [20, 55, 90, 100]);
}

#[test]
fn filters_take_the_lines_they_name() {
    let ce = service(1_000);
    let mut query = query(
        "2026-10-05",
        "2026-10-06",
        "DAILY",
        &json!([{ "Type": "DIMENSION", "Key": "SERVICE" }]),
    );
    let all = read(&ce, &query, NOW);
    let lambda = json!({ "Dimensions": { "Key": "SERVICE", "Values": ["AWS Lambda"] } });
    query["Filter"] = lambda.clone();
    let only = read(&ce, &query, NOW);
    assert_eq!(
        only.keys().map(|(_, keys)| &*keys[0]).collect::<Vec<_>>(),
        ["AWS Lambda"]
    );
    query["Filter"] = json!({ "Not": lambda });
    assert_eq!(read(&ce, &query, NOW).len(), all.len() - 1);
    let untagged = json!({ "Tags": { "Key": "team", "MatchOptions": ["ABSENT"] } });
    query["Filter"] = untagged.clone();
    let without = by_period(&read(&ce, &query, NOW), 10);
    query["Filter"] = json!({ "And": [{ "Not": untagged }, { "Not": { "Dimensions": { "Key": "REGION", "Values": ["mars"] } } }] });
    let with = by_period(&read(&ce, &query, NOW), 10);
    let cost =
        |sums: &BTreeMap<String, BTreeMap<String, i128>>| sums["2026-10-05"]["UnblendedCost"];
    assert!(cost(&without) != 0 && cost(&with) != 0);
    assert_eq!(cost(&without) + cost(&with), cost(&by_period(&all, 10)));
    query["Filter"] =
        json!({ "Or": [lambda], "Dimensions": { "Key": "SERVICE", "Values": ["x"] } });
    assert!(
        refused(&ce, &query, NOW)
            .1
            .starts_with("Expression has more than one roots.")
    );
    query["Filter"] = json!({ "Tags": { "Key": "team", "Values": ["nobody"] } });
    let empty = ask(&ce, &query, NOW);
    assert_eq!(empty["ResultsByTime"][0]["Groups"], json!([]));
    assert_eq!(
        empty["ResultsByTime"][0]["Total"]["UnblendedCost"],
        json!({ "Amount": "0", "Unit": "USD" })
    );
}

#[test]
fn answers_have_the_members_clients_expect() {
    let ce = service(1_000);
    let by_account = json!([{ "Type": "DIMENSION", "Key": "LINKED_ACCOUNT" }]);
    let request = query("2026-10-05", "2026-10-06", "DAILY", &by_account).to_string();
    let text = String::from_utf8(ce.answer(request.as_bytes(), at(NOW)).unwrap()).unwrap();
    assert!(text.starts_with(
        r#"{"GroupDefinitions":[{"Type":"DIMENSION","Key":"LINKED_ACCOUNT"}],"ResultsByTime":"#
    ));
    let named = r#"{"Value":"000123456789","Attributes":{"description":"harbor-payer"}}"#;
    assert!(text.contains(r#""Total":{},"Groups":[{"Keys":["#) && text.contains(named));
    let mut by_usage_type = query(
        "2026-10-05",
        "2026-10-06",
        "DAILY",
        &json!([{ "Type": "DIMENSION", "Key": "USAGE_TYPE" }]),
    );
    by_usage_type["Filter"] =
        json!({ "Dimensions": { "Key": "SERVICE", "Values": ["Amazon Simple Storage Service"] } });
    let units = ask(&ce, &by_usage_type, NOW).to_string();
    assert!(units.contains("GB-Mo") && units.contains("Requests"));
}

#[test]
fn refusals_use_the_services_words() {
    let ce = service(1_000);
    let none = json!([]);
    let message = |query: Value| refused(&ce, &query, NOW).1;
    assert!(
        message(query("2026-10-05", "2026-10-05", "DAILY", &none))
            .starts_with("Start date (and hour) should be")
    );
    assert_eq!(
        message(query("2026-11-05", "2026-12-02", "DAILY", &none)),
        "end date past the beginning of next month"
    );
    assert!(
        message(query("2025-09-30", "2026-10-05", "DAILY", &none))
            .starts_with("You haven't enabled historical")
    );
    assert!(
        message(query(
            "2026-11-06T00:00:00Z",
            "2026-11-07T00:00:00Z",
            "HOURLY",
            &none
        ))
        .contains("14 days ago")
    );
    assert!(
        message(query("2026-10-05", "2026-10-06", "WEEKLY", &none))
            .starts_with("Granularity should be")
    );
    let service = json!({ "Type": "DIMENSION", "Key": "SERVICE" });
    assert!(
        message(query(
            "2026-10-05",
            "2026-10-06",
            "DAILY",
            &json!([service, service, service])
        ))
        .contains("groups")
    );
    let resource = json!([{ "Type": "DIMENSION", "Key": "RESOURCE_ID" }]);
    assert_eq!(
        message(query("2026-10-05", "2026-10-06", "DAILY", &resource)),
        "Dimension RESOURCE_ID is not allowed."
    );
    assert_eq!(
        refused(&ce, &query("2020-10-05", "2026-10-06", "DAILY", &none), NOW).0,
        "BillExpirationException"
    );
    let early = query("2025-09-01", "2025-09-02", "DAILY", &none);
    assert_eq!(
        refused(&ce, &early, "2025-09-03T00:00:00Z").0,
        "DataUnavailableException"
    );
}

#[test]
fn tokens_belong_to_one_query_on_one_day() {
    let ce = service(10);
    let group_by = json!([{ "Type": "DIMENSION", "Key": "USAGE_TYPE" }]);
    let mut first = query("2026-10-05", "2026-10-08", "DAILY", &group_by);
    let token = ask(&ce, &first, NOW)["NextPageToken"].clone();
    let mut other = query("2026-10-05", "2026-10-09", "DAILY", &group_by);
    other["NextPageToken"] = token.clone();
    assert_eq!(refused(&ce, &other, NOW).0, "RequestChangedException");
    first["NextPageToken"] = token;
    assert_eq!(
        refused(&ce, &first, "2026-11-22T04:00:00Z").0,
        "RequestChangedException"
    );
    first["NextPageToken"] = json!("C0FFEE");
    assert_eq!(refused(&ce, &first, NOW).0, "InvalidNextTokenException");
}

fn parameters(pairs: &[(&str, &str)]) -> Parameters {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
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
        let asked = [
            DAY[0],
            DAY[1],
            ("provider", provider),
            ("product", product),
            ("commitmentType", kind),
        ];
        let answer = datadog::commitment_list(42, &parameters(&asked), at(NOW)).unwrap();
        let list = answer["commitments"].as_array().unwrap();
        assert!(
            !list.is_empty() && list.iter().all(|item| item[marker].is_string()),
            "{product} {kind}: {answer}"
        );
        assert_eq!(answer["meta"].is_object(), kind.eq_ignore_ascii_case("sp"));
    }
}

#[test]
fn savings_follow_from_their_parts() {
    let asked = [
        ("start", "1790812800000"),
        ("end", "1798761600000"),
        ("provider", "aws"),
        ("product", "ec2"),
    ];
    let answer = datadog::savings(42, &parameters(&asked), at(NOW)).unwrap();
    let values = |metric: &str| -> Vec<f64> {
        let values = answer[metric]["series"]["total"].as_array().unwrap();
        values.iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let cents = |dollars: f64| (dollars * 100.0).round();
    let (actual, on_demand, saved) = (
        values("actual_cost"),
        values("on_demand_equivalent_cost"),
        values("realized_savings"),
    );
    assert_eq!(actual.len(), 51, "from October 1 to yesterday");
    assert!(
        answer["actual_cost"]["unit"].is_object() && answer["realized_savings"]["unit"].is_null()
    );
    for ((actual, on_demand), saved) in actual.iter().zip(on_demand).zip(saved) {
        assert!((cents(on_demand) - cents(*actual) - cents(saved)).abs() < 0.1);
    }
    let wrong = datadog::savings(42, &parameters(&[("provider", "aws")]), at(NOW)).unwrap_err();
    assert_eq!(wrong.status, 400);
}

#[test]
fn accounts_lead_to_their_exports() {
    let accounts = datadog::accounts(42, &parameters(&[]));
    let ids: Vec<&str> = accounts["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| a["id"].as_str().unwrap())
        .collect();
    let found: Vec<u16> = ids
        .iter()
        .map(|id| datadog::ccm_config(42, id).map_or_else(|refusal| refusal.status, |_| 200))
        .collect();
    assert_eq!(
        (
            found.len(),
            found.iter().filter(|status| **status == 404).count()
        ),
        (8, 2)
    );
    assert_eq!(
        datadog::ccm_config(42, "not-a-uuid").unwrap_err().status,
        400
    );
    let one = datadog::accounts(42, &parameters(&[("aws_account_id", "000123456789")]));
    assert_eq!(one["data"].as_array().unwrap().len(), 1);
    assert!(one["data"][0]["attributes"]["auth_config"]["external_id"].is_string());
}
