//! Odd but valid answers: accepted, and stored as received.

use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, NOW, day, dollars, group, page, result, two_days};
use crate::support::lake::{Row, column};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

const FIRST: &str = "2026-11-01";
const SECOND: &str = "2026-11-02";

/// The rows written from these pages; a second run over the same pages writes nothing.
#[track_caller]
fn rows_of(job: &str, pages: &[String]) -> Vec<Row> {
    let script = Script::new();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", job);
    let replies = || pages.iter().map(|page| Reply::new(200, page.as_str()));
    script.then(replies());
    house.run_well();
    script.then(replies());
    house.runs_again_without_writing();
    assert_eq!(script.take_asked().len(), 2 * pages.len());
    house.rows("costs")
}

#[track_caller]
fn rows_of_pages(pages: &[Value]) -> Vec<Row> {
    rows_of(DAILY, &pages.iter().map(Value::to_string).collect::<Vec<_>>())
}

#[test]
fn amounts_keep_every_digit() {
    let written =
        ["1.2E-7", "-0", "0.123456789012", "-0.000000000001", "1E+3", "12345678901234567890123456", "+1", ".5"];
    let groups = written.iter().enumerate().map(|(index, amount)| group(&format!("service {index}"), amount)).collect();
    let rows = rows_of_pages(&[page(&[result(FIRST, groups), day(SECOND, &[])], None)]);
    assert_eq!(
        column(&rows, "unblended_cost"),
        [
            "0.000000120000",
            "0.000000000000",
            "0.123456789012",
            "-0.000000000001",
            "1000.000000000000",
            "12345678901234567890123456.000000000000",
            "1.000000000000",
            "0.500000000000",
        ]
    );
    assert!(rows.iter().all(|row| row["currency"] == "USD" && row["usage_date"] == FIRST));
}

#[test]
fn units_of_usage_differ_between_rows() {
    let job = DAILY.replace(r#"["UnblendedCost"]"#, r#"["UsageQuantity", "UnblendedCost"]"#);
    let used = |service: &str, quantity: Value| json!({ "Keys": [service], "Metrics": { "UnblendedCost": dollars("1"), "UsageQuantity": quantity } });
    let groups = vec![
        used("a", json!({ "Amount": "1", "Unit": "Hrs" })),
        used("b", json!({ "Amount": "2", "Unit": "GB-Mo" })),
        used("c", json!({ "Amount": "3", "Unit": "N/A" })),
        used("d", json!({ "Amount": "4" })),
    ];
    let free = json!({ "Keys": ["e"], "Metrics": {
        "UnblendedCost": { "Amount": "0", "Unit": "N/A" }, "UsageQuantity": { "Amount": "5", "Unit": "" },
    } });
    let days = [result(FIRST, groups), result(SECOND, vec![free])];
    let rows = rows_of(&job, &[page(&days, None).to_string()]);
    assert_eq!(column(&rows, "usage_quantity_unit"), ["Hrs", "GB-Mo", "N/A", "NULL", ""]);
    assert_eq!(column(&rows, "currency"), ["USD"; 5]);
}

#[test]
fn tag_values_are_any_text() {
    let values = ["", "$", "a$b", "a=b/c%20\"d\"", "back\\slash", "two\nlines", "😀 naïve", "team$web", "Web", "web"];
    let job = DAILY.replace(r#"{ dimension = "SERVICE" }"#, r#"{ tag = "team" }"#);
    let groups = values.iter().map(|value| group(&format!("team${value}"), "1")).collect();
    let mut answer = page(&[result(FIRST, groups), day(SECOND, &[])], None);
    answer["GroupDefinitions"] = json!([{ "Type": "TAG", "Key": "team" }]);
    let rows = rows_of(&job, &[answer.to_string()]);
    let mut wanted = values.to_vec();
    wanted.sort_unstable();
    assert_eq!(column(&rows, "tag_team"), wanted);
}

#[test]
fn a_tag_key_may_hold_the_separator() {
    let job = DAILY.replace(r#"{ dimension = "SERVICE" }"#, r#"{ tag = "a$b" }, { cost_category = "Product" }"#);
    let cost = |keys: Value| json!({ "Keys": keys, "Metrics": { "UnblendedCost": dollars("1") } });
    let groups = vec![cost(json!(["a$b$c$d", "Product$Tools"])), cost(json!(["a$b$", "Product$"]))];
    let mut answer = page(&[result(FIRST, groups), day(SECOND, &[])], None);
    answer["GroupDefinitions"] =
        json!([{ "Type": "TAG", "Key": "a$b" }, { "Type": "COST_CATEGORY", "Key": "Product" }]);
    let rows = rows_of(&job, &[answer.to_string()]);
    assert_eq!(column(&rows, "tag_a_b"), ["", "c$d"]);
    assert_eq!(column(&rows, "cost_category_product"), ["", "Tools"]);
}

#[test]
fn account_ids_keep_their_zeros() {
    let job = DAILY.replace("\"SERVICE\"", "\"LINKED_ACCOUNT\"");
    let mut answer = page(&[day(FIRST, &[("000000000123", "1"), ("123456789012", "2")]), day(SECOND, &[])], None);
    answer["GroupDefinitions"][0]["Key"] = json!("LINKED_ACCOUNT");
    answer["DimensionValueAttributes"] = json!([{ "Value": "000000000123", "Attributes": { "description": "payer" } }, { "Value": "9", "Attributes": {} }]);
    let rows = rows_of(&job, &[answer.to_string()]);
    assert_eq!(column(&rows, "linked_account"), ["000000000123", "123456789012"]);
    assert_eq!(column(&rows, "linked_account_name"), ["payer", "NULL"]);
}

#[test]
fn members_come_in_any_order() {
    let answer = r#"{"DimensionValueAttributes":null,"ResultsByTime":[
        {"Groups":[{"Metrics":{"UnblendedCost":{"Unit":"USD","Amount":"1"}},"Keys":["EC2"]}],"Estimated":false,
         "TimePeriod":{"End":"2026-11-02","Start":"2026-11-01"}},
        {"Groups":[{"Keys":["S3"],"Metrics":{"UnblendedCost":{"Amount":"2","Unit":"USD"}}}],
         "TimePeriod":{"Start":"2026-11-02","End":"2026-11-03"},"Total":{},"Estimated":true}],
        "GroupDefinitions":[{"Key":"SERVICE","Type":"DIMENSION"}]}"#;
    let rows = rows_of(DAILY, &[answer.to_owned()]);
    assert_eq!(column(&rows, "usage_date"), [FIRST, SECOND]);
    assert_eq!(column(&rows, "service"), ["EC2", "S3"]);
    assert_eq!(column(&rows, "estimated"), ["false", "true"]);
}

#[test]
fn what_is_not_known_is_skipped() {
    let mut answer = two_days();
    answer.as_object_mut().expect("an object").remove("GroupDefinitions");
    let deep = (0..10).fold(json!("junk"), |inner, _| json!({ "x": [inner, { "Groups": 1 }] }));
    answer["Junk"] = deep.clone();
    answer["ResultsByTime"][0]["Junk"] = deep.clone();
    answer["ResultsByTime"][0]["Groups"][0]["Metrics"]["Junk"] = deep.clone();
    answer["ResultsByTime"][0]["Groups"][0]["Metrics"]["UnblendedCost"]["Junk"] = deep;
    assert_eq!(column(&rows_of_pages(&[answer]), "service"), ["EC2", "S3", "EC2"]);
}

#[test]
fn a_day_may_be_spread_over_pages_and_come_back() {
    let pages = [
        page(&[day(FIRST, &[("a", "1"), ("b", "2")])], Some("t1")),
        page(&[day(FIRST, &[("c", "3")]), day(SECOND, &[("a", "4")])], Some("t2")),
        page(&[day(FIRST, &[("d", "5")])], Some("t3")),
        page(&[], None),
    ];
    let rows = rows_of_pages(&pages);
    let keys: Vec<String> = rows.iter().map(|row| format!("{} {}", row["usage_date"], row["service"])).collect();
    assert_eq!(keys, ["2026-11-01 a", "2026-11-01 b", "2026-11-01 c", "2026-11-01 d", "2026-11-02 a"]);
}

#[test]
fn pages_may_be_empty_and_the_last_token_too() {
    let pages = [page(&[], Some("t1")), page(&[], Some("t2")), two_days()];
    assert_eq!(rows_of_pages(&pages).len(), 3);
    let mut last = two_days();
    last["NextPageToken"] = json!("");
    assert_eq!(rows_of_pages(&[last]).len(), 3);
}

#[test]
fn the_token_is_handed_back_and_nothing_else_changes() {
    let script = Script::new();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", DAILY);
    let token = "AB+/=\"\\ 😀";
    script.then([Reply::good(&page(&[], Some(token))), Reply::good(&two_days())]);
    house.run_well();
    let asked = script.take_asked();
    let (first, mut second) = (asked[0].json(), asked[1].json());
    assert_eq!(second.as_object_mut().expect("an object").remove("NextPageToken"), Some(json!(token)));
    assert_eq!(first, second);
    assert_eq!(first["TimePeriod"], json!({ "Start": "2026-11-01", "End": "2026-11-03" }));
    assert_eq!(first["GroupBy"], json!([{ "Type": "DIMENSION", "Key": "SERVICE" }]));
    assert_eq!(asked[0].header("x-amz-target"), Some("AWSInsightsIndexService.GetCostAndUsage"));
}

#[test]
fn a_day_without_costs_is_read_and_empty() {
    let mut quiet = result(SECOND, vec![]);
    quiet["Total"] = json!({ "UnblendedCost": dollars("0") });
    let rows = rows_of_pages(&[page(&[result(FIRST, vec![]), quiet], None)]);
    assert!(rows.is_empty(), "{rows:?}");
}
