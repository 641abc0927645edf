//! `costlake show`: sums of the lake's rows, and what it says of the days they are of.

use std::fs;

use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, NOW, day, page};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

/// A table with the costs of November 1 and 2.
fn house() -> (Script, Lakehouse) {
    let script = Script::new();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", DAILY);
    let days = [
        day("2026-11-01", &[("EC2", "0.1"), ("S3", "0.25"), ("A,\"B", "-3.0000000001")]),
        day("2026-11-02", &[("EC2", "0.2"), ("S3", "1000000.5")]),
    ];
    script.then(vec![Reply::good(&page(&days, None))]);
    house.run_well();
    (script, house)
}

fn document(house: &Lakehouse, arguments: &[&str]) -> Value {
    let done = house.json(&[&["show", "costs"], arguments].concat());
    done.exits(0).document()
}

#[test]
fn sums_are_exact_and_never_floats() {
    let (_script, house) = house();
    let found = document(&house, &["--by", "service", "--top", "1"]);
    let section = &found["sections"][0];
    assert_eq!(section["of"], json!({ "currency": "USD" }));
    assert_eq!(section["total"], "999998.0499999999");
    assert_eq!(section["groups"][0]["key"]["service"], "S3");
    assert_eq!((&section["groups"][0]["sum"], &section["shown"]), (&json!("1000000.75"), &json!("1000000.75")));
    assert_eq!((&section["rest"]["groups"], &section["rest"]["sum"]), (&json!(2), &json!("-2.7000000001")));
    assert_eq!(section["days"], json!({ "2026-11-01": "-2.6500000001", "2026-11-02": "1000000.7" }));
    assert_eq!((&found["from"], &found["to"]), (&json!("2026-11-01"), &json!("2026-11-02")));
    assert_eq!(found["days"], json!({ "estimated": ["2026-11-01", "2026-11-02"] }));
    assert_eq!(found["read_at"]["oldest"], found["read_at"]["newest"]);
}

#[test]
fn an_earlier_range_and_one_value_of_a_column() {
    let (_script, house) = house();
    let found = document(&house, &["--from", "2026-11-02", "--against", "previous", "--where", "service=EC2"]);
    let section = &found["sections"][0];
    assert_eq!((&section["total"], &section["previous_total"]), (&json!("0.2"), &json!("0.1")));
    assert_eq!(found["previous"], json!({ "from": "2026-11-01", "to": "2026-11-01" }));
    assert_eq!(found["previous_days"], json!({ "estimated": ["2026-11-01"] }));
}

#[test]
fn days_that_were_never_read_are_said() {
    let (script, house) = house();
    house.job("costs", &DAILY.replace("2026-11-01", "2026-10-30"));
    script.then(Vec::new());
    let found = document(&house, &["--from", "2026-10-30"]);
    assert_eq!(found["days"]["missing"], json!(["2026-10-30", "2026-10-31"]));
    let done = house.costlake(&["show", "costs", "--from", "2026-10-30"]);
    done.exits(0).says("2 days missing (2026-10-30 to 2026-10-31)");
}

#[test]
fn text_fits_the_screen_and_csv_is_quoted() {
    let (_script, house) = house();
    for arguments in
        [&["--by", "service"][..], &["--by", "service,day"], &["--by", "service", "--against", "last-year"]]
    {
        let done = house.costlake(&[&["show", "costs"], arguments].concat());
        done.exits(0).says("999,998.05").says("2 days estimated");
        let longest = done.stdout.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(80), "{done}");
    }
    let done = house.costlake(&["show", "costs", "--by", "service", "--output", "csv"]);
    let wanted = "service,currency,unblended_cost,rows,others\n\
                  S3,USD,1000000.75,2,\nEC2,USD,0.3,2,\n\"A,\"\"B\",USD,-3.0000000001,1,\n";
    assert_eq!(done.stdout, wanted);
    assert!(done.stderr.contains("2 days estimated"), "{done}");
    let done = house.costlake(&["show", "costs", "--by", "service", "--top", "2", "--output", "csv"]);
    assert!(done.stdout.ends_with("\n,USD,-3.0000000001,1,1\n"), "the others have no name, but a number: {done}");
    house.costlake(&["status", "--output", "csv"]).exits(2).says("csv is for `show` alone");
}

#[test]
fn groups_in_time_are_in_its_order_unless_the_largest_are_asked_for() {
    let (_script, house) = house();
    let days = |arguments: &[&str]| {
        let found = document(&house, arguments);
        let groups = found["sections"][0]["groups"].as_array().expect("groups").clone();
        let days: Vec<String> = groups.iter().map(|group| group["key"]["day"].to_string()).collect();
        (days.concat(), found["notes"].to_string().contains("the order of time"))
    };
    let (first, second) = ("\"2026-11-01\"", "\"2026-11-02\"");
    assert_eq!(days(&["--by", "day"]), (format!("{first}{second}"), false));
    assert_eq!(days(&["--by", "day", "--top", "3"]), (format!("{second}{first}"), true));
    let done = house.costlake(&["show", "costs", "--by", "day", "--top", "1"]);
    done.exits(0).says("--top shows the largest first; without it they are in the order of time");
    house.costlake(&["show", "costs", "--by", "service", "--top", "1"]).exits(0).hides("the order of time");
}

#[test]
fn what_cannot_be_answered_is_an_error_that_says_what_can() {
    let (_script, house) = house();
    for (arguments, words) in [
        (&["show", "cost"][..], "did you mean `costs`?"),
        (&["show", "costs", "--by", "servise"], "did you mean `service`?"),
        (&["show", "costs", "--metric", "BlendedCost"], "there is no metric `BlendedCost`"),
        (&["show", "costs", "--from", "2026-11-02", "--to", "2026-11-01"], "2026-11-02 is after 2026-11-01"),
        (&["show", "costs", "--top", "0"], "no group would be shown"),
        (&["show", "costs", "--by", "day", "--against", "previous"], "have no earlier figures"),
        (&["show", "costs", "--from", "2026-11-20"], "the table ends on 2026-11-02"),
        (&["show", "costs", "--from", "2026-13"], "is not a date"),
        (&["show", "costs", "--from", "0001-01"], "is longer than a hundred years"),
    ] {
        house.costlake(arguments).exits(2).says(words);
    }
    house.job("young", DAILY);
    house.costlake(&["show", "young"]).exits(0).says("no data yet: `costlake run young` fills it");
}

#[test]
fn a_shipped_table_needs_no_job_file() {
    let (_script, house) = house();
    let bill = "aws_cost_by_service";
    house.costlake(&["show", bill]).exits(2).says("there is no job `aws_cost_by_service`");
    let shipped = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/jobs/datadog_cloud_accounts.toml"));
    let (api, name) = (Script::new(), "datadog_cloud_accounts");
    let none = r#"{"data":[],"meta":{}}"#;
    api.then((0..9).map(|_| Reply::new(200, none)));
    let house = Lakehouse::new(api.url(), NOW);
    house.job(name, &shipped.expect("a shipped job"));
    house.costlake(&["run"]).exits(0);
    fs::remove_file(house.folder().join("jobs").join(format!("{name}.toml"))).expect("removed");
    house.costlake(&["show", name]).exits(0).says("rows, 2026-11-03");
}

#[test]
fn a_job_that_does_not_fit_its_table_is_refused() {
    let (_script, house) = house();
    house.job("costs", &DAILY.replace("\"SERVICE\"", "\"REGION\""));
    house.costlake(&["show", "costs"]).exits(2).says("no longer matches its table");
}

#[test]
fn an_object_in_the_place_of_another_is_not_counted_twice() {
    let (_script, house) = house();
    house.job("costs", &DAILY.replace("begin = \"2026-11-01\"", "begin = \"2026-10-01\""));
    let (from, to) = ("costs/billing_period=2026-11", "costs/billing_period=2026-10");
    fs::create_dir_all(house.lake().join(to)).expect("a folder");
    fs::rename(house.lake().join(from).join("data.parquet"), house.lake().join(to).join("data.parquet"))
        .expect("moved");
    house.costlake(&["show", "costs"]).exits(1);
}

#[test]
fn figures_that_are_newer_than_their_ledger_are_said() {
    let (script, mut house) = house();
    let days = [day("2026-11-01", &[("EC2", "0.5")]), day("2026-11-02", &[("EC2", "0.7")])];
    script.then(vec![Reply::good(&page(&days, None))]);
    house.set("COSTLAKE_CRASH", "before_ledger:1:die");
    let died = house.costlake(&["backfill", "costs", "--from", "2026-11-01", "--to", "2026-11-02", "--yes"]);
    assert!(died.stderr.contains("crash point before_ledger"), "{died}");
    house.unset("COSTLAKE_CRASH");
    let found = document(&house, &[]);
    assert_eq!(found["sections"][0]["total"], "1.2", "the object is what every reader sees");
    assert_eq!(found["days"]["displaced"], json!(["2026-11-01", "2026-11-02"]));
    house.costlake(&["show", "costs"]).exits(0).says("2 days with newer figures than their states");
}

#[test]
fn a_damaged_or_missing_object_is_no_answer() {
    let (_script, house) = house();
    let object = house.lake().join("costs/billing_period=2026-11/data.parquet");
    let whole = fs::read(&object).expect("an object");
    fs::write(&object, &whole[..whole.len() - 9]).expect("written");
    house.costlake(&["show", "costs"]).exits(1).says("the object in the lake cannot be read");
    fs::remove_file(&object).expect("removed");
    house.costlake(&["show", "costs"]).exits(1).says("an object of the table is gone").says("costlake verify costs");
}
