//! Rows that an answer no longer contains are deleted from the table; days that were not requested again stay.

use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, day, page, two_days};
use crate::support::lake::column;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};
use crate::support::ungrouped::periods;

const NOW: &str = "2026-11-03T06:00:00Z";
const FIRST: &str = "2026-11-01";
const SECOND: &str = "2026-11-02";

/// A table that holds [`two_days`].
fn read_once() -> (Script, Lakehouse) {
    let script = Script::new();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", DAILY);
    script.then([Reply::good(&two_days())]);
    house.run_well();
    (script, house)
}

/// Reads these days in place of the two, twice; the second run writes nothing.
#[track_caller]
fn read_again(script: &Script, house: &Lakehouse, days: &[Value]) -> Value {
    script.then([Reply::good(&page(days, None))]);
    let report = house.run_well();
    script.then([Reply::good(&page(days, None))]);
    house.runs_again_without_writing();
    report["fetches"][0].clone()
}

#[test]
fn groups_that_vanish_are_gone() {
    let (script, house) = read_once();
    let fetch = read_again(&script, &house, &[day(FIRST, &[("EC2", "1.5")]), day(SECOND, &[("EC2", "2")])]);
    assert_eq!((&fetch["outcome"], &fetch["changed_days"]), (&json!("committed"), &json!(1)), "{fetch}");
    assert_eq!(column(&house.rows("costs"), "service"), ["EC2", "EC2"]);
}

#[test]
fn a_table_that_becomes_empty_is_a_file_without_rows() {
    let (script, house) = read_once();
    let nothing = page(&[day(FIRST, &[]), day(SECOND, &[])], None);
    script.then([Reply::good(&nothing)]);
    house.json(&["run", "--accept", "costs:2026-11"]).exits(0);
    script.then([Reply::good(&nothing)]);
    house.runs_again_without_writing();
    assert_eq!((house.objects().len(), house.rows("costs").len()), (1, 0), "objects are never deleted");
    house.json(&["status", "--check"]).exits(0);
}

#[test]
fn an_estimate_that_becomes_final_is_a_change() {
    let (script, house) = read_once();
    let mut days = two_days()["ResultsByTime"].as_array().expect("results").clone();
    for day in &mut days {
        day["Estimated"] = json!(false);
    }
    let fetch = read_again(&script, &house, &days);
    assert_eq!(fetch["changed_days"], 2, "{fetch}");
    assert_eq!(column(&house.rows("costs"), "estimated"), ["false"; 3]);
}

#[test]
fn the_order_of_groups_and_the_form_of_amounts_are_no_change() {
    let (script, house) = read_once();
    let days = [day(SECOND, &[("EC2", "2.000")]), day(FIRST, &[("S3", "25E-2"), ("EC2", "1.50")])];
    let fetch = read_again(&script, &house, &days);
    assert_eq!(fetch["outcome"], "unchanged", "{fetch}");
}

#[test]
fn a_renamed_account_alone_rewrites_nothing() {
    let script = Script::new();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", &DAILY.replace("\"SERVICE\"", "\"LINKED_ACCOUNT\""));
    let named = |name: &str| {
        let mut answer = page(&[day(FIRST, &[("000000000123", "1")]), day(SECOND, &[])], None);
        answer["GroupDefinitions"][0]["Key"] = json!("LINKED_ACCOUNT");
        answer["DimensionValueAttributes"] =
            json!([{ "Value": "000000000123", "Attributes": { "description": name } }]);
        [Reply::good(&answer)]
    };
    script.then(named("before"));
    house.run_well();
    script.then(named("after"));
    house.runs_again_without_writing();
}

/// The windows that a first run requests.
fn windows_asked(granularity: &str, begin: &str, now: &str) -> Vec<String> {
    let script = Script::answering(|asked| {
        let result = |(start, end): (String, String)| {
            let mut result = day(&start, &[("EC2", "1")]);
            result["TimePeriod"]["End"] = json!(end);
            result
        };
        let results: Vec<Value> = periods(&asked.json()).into_iter().map(result).collect();
        Reply::good(&page(&results, None))
    });
    let mut house = Lakehouse::new(script.url(), now);
    house.set("TZ", "Pacific/Kiritimati");
    house.job("costs", &DAILY.replace("DAILY", granularity).replace(FIRST, begin));
    house.run_well();
    let mut windows: Vec<String> = script
        .take_asked()
        .iter()
        .map(|asked| {
            let period = asked.json()["TimePeriod"].clone();
            format!("{} {}", text(&period["Start"]), text(&period["End"]))
        })
        .collect();
    windows.sort_unstable();
    windows
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

#[test]
fn windows_are_whole_utc_days_at_every_edge_of_the_calendar() {
    for (granularity, begin, now, wanted) in [
        ("DAILY", "2026-10-30", "2026-11-01T00:05:00Z", &["2026-10-30 2026-11-01"][..]),
        ("DAILY", "2026-10-30", "2026-11-02T00:00:00Z", &["2026-10-30 2026-11-01", "2026-11-01 2026-11-02"]),
        ("DAILY", "2026-12-31", "2027-01-02T23:59:59Z", &["2026-12-31 2027-01-01", "2027-01-01 2027-01-02"]),
        ("DAILY", "2028-02-28", "2028-03-02T12:00:00Z", &["2028-02-28 2028-03-01", "2028-03-01 2028-03-02"]),
        ("DAILY", "2027-02-28", "2027-03-01T12:00:00Z", &["2027-02-28 2027-03-01"]),
        ("MONTHLY", "2026-10-15", "2026-11-20T12:00:00Z", &["2026-10-01 2026-11-01", "2026-11-01 2026-12-01"]),
        ("MONTHLY", "2026-10-01", "2026-11-01T12:00:00Z", &["2026-10-01 2026-11-01"]),
    ] {
        assert_eq!(windows_asked(granularity, begin, now), wanted, "{granularity} from {begin} at {now}");
    }
}
