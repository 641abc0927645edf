//! Lists of Cost Explorer: their pages, refusals for want of data, and services that a job no longer names.

use std::sync::{Arc, Mutex};

use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Asked, Reply, Script};

const NOW: &str = "2026-11-06T06:00:00Z";
const EC2: &str = "Amazon Elastic Compute Cloud - Compute";
const RDS: &str = "Amazon Relational Database Service";
const CACHE: &str = "Amazon ElastiCache";

/// Answers `GetReservationCoverage`: a row a day, `per_page` of them on a page.
fn answer(asked: &Asked, per_page: usize) -> Reply {
    let question = asked.json();
    let day =
        |name: &str| -> NaiveDate { question["TimePeriod"][name].as_str().expect("text").parse().expect("a day") };
    let (start, end) = (day("Start"), day("End"));
    let days: Vec<NaiveDate> = start.iter_days().take_while(|day| *day < end).collect();
    let from: usize = question["NextPageToken"].as_str().map_or(0, |token| token.parse().expect("a token"));
    let row = |day: &NaiveDate| {
        json!({
            "TimePeriod": { "Start": day.to_string(), "End": (*day + Days::new(1)).to_string() },
            "Groups": [],
            "Total": { "CoverageHours": { "OnDemandHours": "1", "ReservedHours": "3", "TotalRunningHours": "4",
                "CoverageHoursPercentage": "75" } },
        })
    };
    let rows: Vec<Value> = days[from..].iter().take(per_page).map(row).collect();
    let mut answer = json!({ "CoveragesByTime": rows });
    if from + per_page < days.len() {
        answer["NextPageToken"] = json!((from + per_page).to_string());
    }
    Reply::good(&answer)
}

fn job(services: &[&str], more: &str) -> String {
    format!(
        "[source]\ntype = \"aws_reservation_coverage\"\nservices = {services:?}\n[window]\nbegin = \"2026-09-01\"\n{more}"
    )
}

fn days_in(house: &Lakehouse, service: &str) -> usize {
    house.rows("covered").iter().filter(|row| row["service"] == service).count()
}

#[test]
fn pages_of_a_list_are_counted_once_they_were_seen() {
    let script = Script::answering(|asked| answer(asked, 10));
    let house = Lakehouse::new(script.url(), NOW);
    house.job("covered", &job(&[EC2, RDS], ""));
    let words = "assuming one request per list, which is the least";
    house.costlake(&["plan"]).exits(0).says("at least 6 requests, 0.06 USD").says(words);
    assert_eq!(house.json(&["plan"]).exits(0).document()["jobs"][0]["at_least"], true);
    let sent = house.run_well()["asked"]["requests"].clone();
    assert_eq!(sent, 2 * (3 + 4 + 1), "30, 31 and 5 days, 10 on a page");
    let again = ["plan", "--from", "2026-09-01", "--to", "2026-11-05"];
    house.costlake(&again).exits(0).says("expected: 16 requests, 0.16 USD").hides(words);
}

#[test]
fn a_cap_below_the_pages_of_a_list_is_got_through_night_by_night() {
    let script = Script::answering(|asked| answer(asked, 10));
    let mut house = Lakehouse::new(script.url(), NOW);
    let budget = "[budget]\nmax_requests_per_run = 2\n";
    house.job("covered", &job(&[EC2], budget).replace("2026-09-01", "2026-10-01"));
    let mut known = 0;
    for night in 6..16 {
        house.set("COSTLAKE_NOW", &format!("2026-11-{night:02}T06:00:00Z"));
        let report = house.json(&["run"]).report();
        assert!(report["asked"]["requests"].as_u64().expect("a number") <= 2, "{report}");
        known = days_in(&house, EC2);
    }
    assert!(known >= 31, "{known} days in ten nights");
}

#[test]
fn a_refusal_for_want_of_data_is_believed_and_asked_again_within_reach() {
    let has_data = Arc::new(Mutex::new(false));
    let given = Arc::clone(&has_data);
    let script = Script::answering(move |asked| {
        if *given.lock().expect("no panic") {
            return answer(asked, 40);
        }
        Reply::new(400, r#"{"__type":"DataUnavailableException","message":"Data is unavailable."}"#)
    });
    let mut house = Lakehouse::new(script.url(), NOW);
    house.job("covered", &job(&[EC2], ""));
    let first = house.json(&["run"]);
    first.exits(0).says("no row, or nothing but zeros, in 66 days that were read");
    assert_eq!((first.report()["asked"]["requests"].as_u64(), days_in(&house, EC2)), (Some(3), 0), "one each");
    *has_data.lock().expect("no panic") = true;
    house.set("COSTLAKE_NOW", "2026-11-07T06:00:00Z");
    house.json(&["run"]).exits(0).hides("nothing but zeros");
    assert_eq!(days_in(&house, EC2), 40, "from September 28 to November 6");
    house.json(&["backfill", "covered", "--from", "2026-09-01", "--to", "2026-09-27", "--yes"]).exits(0);
    assert_eq!(days_in(&house, EC2), 67);
    *has_data.lock().expect("no panic") = false;
    house.set("COSTLAKE_NOW", "2026-11-08T06:00:00Z");
    house.json(&["run"]).exits(1).says("quarantined, the old rows stay");
    assert_eq!(days_in(&house, EC2), 67, "rows are not given up for a refusal");
}

#[test]
fn a_service_with_rows_is_not_taken_out_of_a_job() {
    let script = Script::answering(|asked| {
        if asked.body.contains(CACHE) { Reply::good(&json!({ "CoveragesByTime": [] })) } else { answer(asked, 40) }
    });
    let mut house = Lakehouse::new(script.url(), NOW);
    house.job("covered", &job(&[EC2, RDS, CACHE], ""));
    house.json(&["run"]).exits(0);
    let before = (house.objects(), days_in(&house, RDS));
    assert_eq!(before.1, 66);
    house.set("COSTLAKE_NOW", "2026-11-07T06:00:00Z");
    house.job("covered", &job(&[EC2], ""));
    let words = "has rows of what source.services does not name: Amazon Relational Database Service";
    for command in ["plan", "run"] {
        house.costlake(&[command]).exits(2).says(words).says("name it again").hides(CACHE);
    }
    assert_eq!(house.objects(), before.0);
    // One that never had a row may go, and new ones may come.
    house.job("covered", &job(&[EC2, RDS, "Amazon Redshift"], ""));
    house.json(&["run"]).exits(0);
    assert_eq!(days_in(&house, RDS), 67);
}
