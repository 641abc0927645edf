//! A job that names more metrics has the same table, grown: what the API still has is read again once, older days have
//! NULL in the new columns, and what was kept stays what it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::cost_explorer::after;
use crate::support::lake::{Row, files};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};
use crate::support::ungrouped::periods;

/// In the first days of the table.
const EARLY: &str = "2025-11-06T06:00:00Z";
/// More than thirteen months later, when November 2025 is out of the API's reach.
const LATE: &str = "2027-01-10T06:00:00Z";

fn job(metrics: &str) -> String {
    format!(
        r#"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = [{metrics}]
group_by = [{{ dimension = "SERVICE" }}]
[window]
begin = "2025-11-01"
refresh = "1 days"
[limits]
requests_per_second = 1000
"#
    )
}

const FEW: &str = r#""UnblendedCost""#;
const MORE: &str = r#""UnblendedCost", "ListCost", "UsageQuantity""#;

/// An answer with the metrics that were asked for: a day costs its number for each of two services, at twice that list.
fn answer(question: &Value) -> Reply {
    let metrics: Vec<&str> = question["Metrics"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let day = |(start, _): (String, String)| {
        let number: u32 = start[8..10].parse().expect("a day");
        let costs = |services: u32| -> serde_json::Map<String, Value> {
            let value = |name: &&str| match *name {
                "ListCost" => json!({ "Amount": (2 * services * number).to_string(), "Unit": "USD" }),
                "UsageQuantity" => json!({ "Amount": services.to_string(), "Unit": "Hrs" }),
                _ => json!({ "Amount": (services * number).to_string(), "Unit": "USD" }),
            };
            metrics.iter().map(|name| ((*name).to_owned(), value(name))).collect()
        };
        let group = |name: &str| json!({ "Keys": [name], "Metrics": costs(1) });
        let mut result = json!({ "TimePeriod": { "Start": start, "End": after(&start) }, "Estimated": false });
        if question["GroupBy"].is_null() {
            result["Total"] = json!(costs(2));
        } else {
            result["Groups"] = json!([group("EC2"), group("S3")]);
        }
        result
    };
    Reply::good(&json!({ "ResultsByTime": periods(question).into_iter().map(day).collect::<Vec<_>>() }))
}

/// A table with five days of November 2025, December 2025 and what followed until January 2027.
fn world(more_keys: &str) -> (Script, Lakehouse) {
    let script = Script::answering(|asked| answer(&asked.json())).with_totals();
    let mut house = Lakehouse::new(script.url(), EARLY);
    house.job("costs", &format!("{}{more_keys}", job(FEW)));
    house.run_well();
    house.set("COSTLAKE_NOW", LATE);
    house.run_well();
    script.take_asked();
    (script, house)
}

/// The windows of rows that were asked for since the last call.
fn windows(script: &Script) -> Vec<String> {
    let asked: Vec<Value> = script.take_asked().iter().map(|asked| asked.json()).collect();
    let of_rows = asked.iter().filter(|question| !question["GroupBy"].is_null());
    let mut windows: Vec<String> = of_rows
        .map(|question| {
            let text = |name: &str| question["TimePeriod"][name].as_str().expect("a day").to_owned();
            format!("{}..{}", text("Start"), text("End"))
        })
        .collect();
    windows.sort();
    windows
}

/// The newest ledger snapshot.
fn ledger(house: &Lakehouse) -> Value {
    let snapshots = files(&house.lake().join("_costlake/costs/ledger"));
    serde_json::from_slice(&fs::read(snapshots.last().expect("a snapshot")).expect("a snapshot")).expect("a ledger")
}

/// By day what the ledger says of its content.
fn digests(house: &Lakehouse) -> BTreeMap<String, String> {
    let ledger = ledger(house);
    let partitions = ledger["partitions"].as_object().expect("partitions").values();
    let days = partitions.flat_map(|state| state["days"].as_object().expect("days"));
    days.map(|(day, facts)| (day.clone(), facts["digest"].as_str().expect("a digest").to_owned())).collect()
}

/// The rows without what the table gained.
fn at_first(rows: &[Row]) -> Vec<Row> {
    let gained = ["list_cost", "usage_quantity", "usage_quantity_unit"];
    rows.iter()
        .map(|row| row.clone().into_iter().filter(|(name, _)| !gained.contains(&name.as_str())).collect())
        .collect()
}

/// Whether exactly the rows from this day on have all columns, with the right values.
fn is_grown_from(rows: &[Row], first: &str) -> bool {
    let is_right = |row: &Row| {
        let list = row.get("list_cost").map(|text| text.parse::<f64>().expect("a number"));
        let cost = row["unblended_cost"].parse::<f64>().expect("a number");
        if row["usage_date"].as_str() >= first {
            list == Some(2.0 * cost) && row.get("usage_quantity_unit").map(String::as_str) == Some("Hrs")
        } else {
            list.is_none() && !row.contains_key("usage_quantity") && !row.contains_key("usage_quantity_unit")
        }
    };
    rows.iter().all(is_right)
}

#[test]
fn a_table_gains_metrics_and_what_the_api_still_has_is_read_again_once() {
    let (script, house) = world("");
    let (before, kept) = (house.rows("costs"), digests(&house));
    let record = fs::read(house.lake().join("_costlake/costs/table.json")).expect("a record");
    house.job("costs", &job(MORE));
    house.costlake(&["plan"]).exits(0).says("2025-12");
    let planned = house.json(&["plan"]).exits(0).document();
    assert_eq!(planned["jobs"][0]["fetches"].as_array().map(Vec::len), Some(14), "{planned:#}");
    let said = "2025-11-01 to 2027-01-09: 410 days were read before the job named ListCost, UsageQuantity";
    house.costlake(&["status"]).exits(0).says(said);
    house.costlake(&["status", "--check"]).exits(6).says("2025-12-01 stale").hides("2025-11-05 stale");
    house.run_well();
    let asked = windows(&script);
    assert_eq!((asked.len(), asked[0].as_str()), (14, "2025-12-01..2026-01-01"), "one page for each month");
    let rows = house.rows("costs");
    assert_eq!(at_first(&rows), before);
    assert!(is_grown_from(&rows, "2025-12-01"), "{:?}", rows.first());
    let now = digests(&house);
    let same: Vec<&String> = kept.iter().filter(|(day, digest)| now[*day] == **digest).map(|(day, _)| day).collect();
    assert_eq!((same.len(), same[4].as_str()), (5, "2025-11-05"), "days out of reach are what they were");
    assert_eq!(fs::read(house.lake().join("_costlake/costs/table.json")).expect("a record"), record);
    assert_eq!(ledger(&house)["format"], 3, "an older costlake refuses it");
    house.costlake(&["status", "--check"]).exits(0).says("2025-11-01 to 2025-11-05: 5 days were read before");
    house.costlake(&["verify", "--full"]).exits(0);
    house.runs_again_without_writing();
    assert_eq!(windows(&script), ["2027-01-09..2027-01-10"], "only what the rule reads again every night");
}

/// Days of one file are read in two steps: those that are kept have NULL and their old digests.
#[test]
fn a_file_may_hold_days_with_and_without_the_new_metrics() {
    let (script, house) = world("");
    let kept = digests(&house);
    house.job("costs", &job(MORE));
    house.costlake(&["backfill", "costs", "--from", "2026-12-20", "--to", "2026-12-31", "--yes"]).exits(0);
    let december: Vec<Row> =
        house.rows("costs").into_iter().filter(|row| row["usage_date"].starts_with("2026-12")).collect();
    assert_eq!(december.len(), 62);
    assert!(is_grown_from(&december, "2026-12-20"), "{december:?}");
    let now = digests(&house);
    let is_read_again = |day: &str| ("2026-12-20".."2027").contains(&day);
    assert!(kept.iter().all(|(day, digest)| (now[day] != *digest) == is_read_again(day)));
    house.costlake(&["verify", "--full"]).exits(0);
    script.take_asked();
    house.run_well();
    let asked = windows(&script);
    assert!(asked.contains(&"2026-12-01..2026-12-20".to_owned()), "{asked:?}");
    assert!(is_grown_from(&house.rows("costs"), "2025-12-01"));
    house.costlake(&["verify", "--full"]).exits(0);
}

#[test]
fn a_metric_is_not_taken_away_and_a_grouping_not_changed() {
    let (script, house) = world("");
    house.job("costs", &job(MORE));
    house.run_well();
    script.take_asked();
    let before = house.objects();
    for (text, said) in [
        (job(FEW), "has metrics that the job does not name: ListCost, UsageQuantity"),
        (job(r#""UnblendedCost", "ListCost""#), "has metrics that the job does not name: UsageQuantity"),
        (job(r#""ListCost", "UsageQuantity""#), "no longer matches its table"),
        (job(MORE).replace("SERVICE", "REGION"), "no longer matches its table"),
    ] {
        house.job("costs", &text);
        for command in [
            &["run"][..],
            &["plan"],
            &["verify"],
            &["backfill", "costs", "--from", "2026-12-01", "--to", "2026-12-02", "--yes"],
        ] {
            let done = house.costlake(command);
            assert_eq!(done.code, Some(2), "{done}");
            done.says(said).says("a new file in the jobs folder makes a new table");
        }
        house.costlake(&["status", "--check"]).exits(6).says(said);
    }
    assert_eq!(script.take_asked().len(), 0, "nothing is paid for");
    assert_eq!(house.objects(), before);
    house.job("costs", &job(r#""UnblendedCost", "ListCost", "AmortizedCost", "UsageQuantity""#));
    house.run_well();
    let rows = house.rows("costs");
    assert!(is_grown_from(&rows, "2025-12-01") && rows.last().expect("rows").contains_key("amortized_cost"));
    house.costlake(&["verify", "--full"]).exits(0);
}

#[test]
fn a_growth_that_was_interrupted_continues() {
    let (script, house) = world("");
    // One month after another: side by side, the last ones would share what is left of the budget.
    let capped = format!("{}fetches_in_flight = 1\n[budget]\nmax_requests_per_run = 6\n", job(MORE));
    house.job("costs", &capped);
    let mut asked = Vec::new();
    for _ in 0..2 {
        house.costlake(&["run"]).exits(4);
        house.costlake(&["verify", "--full"]).exits(0);
        asked.extend(windows(&script));
        house.job("costs", &job(FEW));
        house.costlake(&["run"]).exits(2).says("has metrics that the job does not name");
        house.job("costs", &capped);
    }
    house.costlake(&["run"]).exits(0);
    asked.extend(windows(&script));
    asked.retain(|window| !window.starts_with("2027-01"));
    let once: std::collections::BTreeSet<&String> = asked.iter().collect();
    assert_eq!((asked.len(), once.len()), (13, 13), "every month is paid for once: {asked:?}");
    assert!(is_grown_from(&house.rows("costs"), "2025-12-01"));
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("below"));
        fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        fs::copy(&file, target).expect("a copy");
    }
}

/// A run of the old job began before the table grew: its ledger says nothing of it, but the objects do.
#[test]
fn a_run_of_the_old_job_leaves_objects_that_have_grown_alone() {
    let (script, house) = world("");
    let (ledger, kept) = (house.lake().join("_costlake/costs/ledger"), house.folder().join("ledger"));
    copy(&ledger, &kept);
    house.job("costs", &job(MORE));
    house.run_well();
    fs::remove_dir_all(&ledger).expect("the ledger");
    copy(&kept, &ledger);
    let before = house.objects();
    house.job("costs", &job(FEW));
    script.take_asked();
    house.costlake(&["run"]).exits(2).says("has metrics that the job does not name: ListCost, UsageQuantity");
    assert_eq!(house.objects(), before);
    house.job("costs", &job(MORE));
    house.run_well();
    assert!(is_grown_from(&house.rows("costs"), "2025-12-01"));
    house.costlake(&["verify", "--full"]).exits(0);
}

/// Kept answers of before and after make the same rows again, and so does a ledger that is made from footers.
#[test]
fn a_grown_table_is_rebuilt() {
    let (_script, house) = world("[lake]\nkeep_raw = true\nkeep_history = true\n");
    house.job("costs", &format!("{}[lake]\nkeep_raw = true\nkeep_history = true\n", job(MORE)));
    house.run_well();
    let rows = house.rows("costs");
    house.costlake(&["verify", "--full"]).exits(0);
    for partition in ["2025-11", "2026-12"] {
        fs::remove_file(house.lake().join(format!("costs/billing_period={partition}/data.parquet")))
            .expect("an object");
    }
    house.costlake(&["rebuild", "costs"]).exits(0);
    assert_eq!(house.rows("costs"), rows);
    house.costlake(&["verify", "--full"]).exits(0);
    fs::remove_dir_all(house.lake().join("_costlake/costs/ledger")).expect("the ledger");
    house.costlake(&["verify", "--full"]).exits(0);
    house.job("costs", &job(FEW));
    house.costlake(&["rebuild", "costs"]).exits(2).says("has metrics that the job does not name");
    house.job("costs", &job(MORE));
    house.run_well();
    assert_eq!(house.rows("costs"), rows);
    assert_eq!(ledger(&house)["format"], 3);
}
