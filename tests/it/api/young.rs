//! Accounts that are younger than a table's `begin`: the API leaves out the days before their first one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, day, page};
use crate::support::done::Done;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};
use crate::support::ungrouped::periods;

const NOW: &str = "2026-11-10T06:00:00Z";

/// An API that returns a dollar a day from its first day on, and leaves out the days before it.
struct World {
    script: Script,
    house: Lakehouse,
    first: Arc<Mutex<&'static str>>,
    refuses: Arc<AtomicBool>,
}

impl World {
    fn new(job: &str) -> Self {
        let first = Arc::new(Mutex::new("2026-10-20"));
        let refuses = Arc::new(AtomicBool::new(false));
        let (told, refused) = (Arc::clone(&first), Arc::clone(&refuses));
        let script = Script::answering(move |asked| {
            let (question, first) = (asked.json(), *told.lock().expect("a day"));
            let is_early = question["TimePeriod"]["Start"].as_str().is_some_and(|start| start < first);
            if is_early && refused.load(Ordering::Relaxed) {
                return Reply::fault("DataUnavailableException", "The requested data is unavailable.");
            }
            answer(&question, first)
        })
        .with_totals();
        let house = Lakehouse::new(script.url(), NOW);
        house.job("costs", job);
        Self { script, house, first, refuses }
    }

    fn begins(&self, first: &'static str) {
        *self.first.lock().expect("a day") = first;
    }

    /// The start days of all requests since the previous call.
    fn asked(&self) -> Vec<String> {
        let asked = self.script.take_asked();
        asked.iter().map(|asked| asked.json()["TimePeriod"]["Start"].as_str().expect("a day").to_owned()).collect()
    }

    fn states(&self, state: &str) -> Vec<String> {
        let status = self.house.json(&["status"]).exits(0).document();
        let days = status["tables"][0]["days"].as_array().expect("days").clone();
        let named = days.iter().filter(|day| day["state"] == state);
        named.map(|day| day["day"].as_str().expect("a day").to_owned()).collect()
    }
}

fn answer(question: &Value, first: &str) -> Reply {
    let told = periods(question).into_iter().filter(|(start, _)| start.as_str() >= first);
    let ungrouped = question["GroupBy"].is_null();
    let results: Vec<Value> = told
        .map(|(start, end)| {
            let mut result = day(&start[..10], &[("EC2", "1")]);
            result["TimePeriod"] = json!({ "Start": start, "End": end });
            if ungrouped {
                result["Groups"] = json!([]);
                result["Total"] = json!({ "UnblendedCost": { "Amount": "1", "Unit": "USD" } });
            }
            result
        })
        .collect();
    let mut page = page(&results, None);
    if ungrouped {
        page["GroupDefinitions"] = json!([]);
    }
    Reply::good(&page)
}

fn job(window: &str) -> String {
    DAILY.replace("begin = \"2026-11-01\"\nrefresh = \"billing-close\"", window)
}

fn ungrouped(window: &str) -> String {
    job(window).replace("group_by = [{ dimension = \"SERVICE\" }]\n", "")
}

fn is_current(done: &Done) {
    done.exits(0).says("the API has no data before 2026-10-20");
}

const WINDOWS: [&str; 3] = [
    "begin = \"2026-08-01\"",
    "begin = \"2026-08-01\"\nrefresh = \"billing-close\"",
    "begin = \"2026-08-01\"\nrefresh = \"3 days\"",
];

#[test]
fn the_first_day_with_data_is_learnt_and_the_days_before_it_are_out_of_reach() {
    for window in WINDOWS {
        for job in [job(window), ungrouped(window)] {
            let world = World::new(&job);
            if world.house.json(&["run"]).code == Some(1) {
                // Without grouping, only rows are requested until some of them could not be read.
                assert!(!job.contains("group_by"), "{job}");
                is_current(&world.house.json(&["run"]));
            }
            assert_eq!(world.house.objects().len(), 2, "{job}");
            let beyond = world.states("out_of_reach");
            assert_eq!((beyond.len(), beyond.last().map(String::as_str)), (80, Some("2026-10-19")), "{job}");
            world.house.json(&["status", "--check"]).exits(0).says("the API has no data before 2026-10-20");
            world.asked();
            is_current(&world.house.json(&["run"]));
            let again = world.asked();
            assert!(!again.iter().any(|start| start.starts_with("2026-09")), "{again:?} {job}");
            world.house.json(&["verify", "--full"]).exits(0);
        }
    }
}

#[test]
fn a_first_day_that_comes_to_be_earlier_is_taken_back_by_a_probe_and_by_a_backfill() {
    let world = World::new(&job(WINDOWS[0]));
    world.house.json(&["run"]).exits(0);
    world.begins("2026-09-25");
    world.house.json(&["run"]).exits(0).says("the API has no data before 2026-09-25");
    assert_eq!(world.states("out_of_reach").last().map(String::as_str), Some("2026-09-24"));

    let world = World::new(&job(WINDOWS[2]));
    world.house.json(&["run"]).exits(0);
    world.begins("2026-09-25");
    world.house.json(&["run"]).exits(0).says("the API has no data before 2026-10-20");
    let days = ["backfill", "costs", "--from", "2026-09-01", "--to", "2026-10-19"];
    world.house.json(&days).exits(0).says("the API has no data before 2026-09-25");
    assert_eq!(world.states("out_of_reach").last().map(String::as_str), Some("2026-09-24"));
    assert!(world.states("missing").is_empty());
}

#[test]
fn days_that_are_known_are_never_taken_for_days_before_the_data() {
    for window in WINDOWS {
        for job in [job(window), ungrouped(window)] {
            let world = World::new(&job);
            world.begins("2026-01-01");
            world.house.json(&["run"]).exits(0);
            let rows = world.house.rows("costs").len();
            world.begins("2026-11-09");
            let days = ["backfill", "costs", "--from", "2026-10-01", "--to", "2026-11-09"];
            let done = world.house.json(&days);
            done.exits(1).says("the answer has no period for 2026-").says("which was asked for");
            assert_eq!(world.house.rows("costs").len(), rows, "{job}");
            assert!(world.states("out_of_reach").is_empty(), "{job}");
        }
    }
}

#[test]
fn rows_that_leave_out_days_with_a_total_are_refused() {
    let script = Script::answering(|asked| {
        let question = asked.json();
        answer(&question, if question["GroupBy"].is_null() { "2026-01-01" } else { "2026-11-05" })
    })
    .with_totals();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", &job("begin = \"2026-11-01\""));
    house.json(&["run"]).exits(1).says("the answer has no period for 2026-11-01, which was asked for");
    assert!(house.objects().is_empty());
}

#[test]
fn an_account_without_any_data_yet_is_told_what_to_do() {
    for job in [job(WINDOWS[0]), ungrouped(WINDOWS[2])] {
        let world = World::new(&job);
        world.begins("2027-01-01");
        let nights = if job.contains("group_by") { 1 } else { 2 };
        let runs: Vec<Done> = (0..nights).map(|_| world.house.json(&["run"])).collect();
        let done = runs.last().expect("a night");
        done.exits(1).says("has no period for 2026-08-01").says("let window.begin of the job begin with its first day");
        world.begins("2026-10-20");
        is_current(&world.house.json(&["run"]));
        world.house.json(&["status", "--check"]).exits(0);
    }
}

#[test]
fn an_api_that_refuses_what_begins_before_its_data_is_asked_by_halves() {
    for window in WINDOWS {
        let world = World::new(&job(window));
        world.refuses.store(true, Ordering::Relaxed);
        let done = world.house.json(&["run", "costs"]);
        is_current(&done);
        let asked = world.asked().len();
        assert!(asked <= 13, "{asked} requests: {done}");
        assert_eq!(world.states("out_of_reach").last().map(String::as_str), Some("2026-10-19"), "{window}");
        is_current(&world.house.json(&["run", "costs"]));
        assert!(world.asked().len() <= 5, "{window}");
        world.house.json(&["status", "costs", "--check"]).exits(0);
    }
}

#[test]
fn an_api_without_any_data_is_asked_for_the_newest_day_and_no_more() {
    let world = World::new(&job(WINDOWS[0]));
    world.begins("2027-01-01");
    world.refuses.store(true, Ordering::Relaxed);
    world.house.json(&["run"]).exits(1).says("Cost Explorer has no data for this window");
    assert_eq!(world.asked().len(), 2);
}

#[test]
fn what_one_job_has_found_holds_for_the_others_and_is_found_again_when_the_ledger_is_lost() {
    for window in WINDOWS {
        let world = World::new(&job(window));
        world.house.job("others", &job(window).replace("[limits]", "quarantine_share = 0.3\n[limits]"));
        world.refuses.store(true, Ordering::Relaxed);
        for _ in 0..2 {
            is_current(&world.house.json(&["run"]));
        }
        std::fs::remove_dir_all(world.house.lake().join("_costlake/costs/ledger")).expect("a folder");
        is_current(&world.house.json(&["run"]));
        // Move the table's `begin` even earlier.
        world.house.job("costs", &job(&window.replace("2026-08-01", "2026-07-01")));
        is_current(&world.house.json(&["run"]));
        world.house.json(&["status", "--check"]).exits(0);
        assert_eq!(world.house.rows("costs").len(), 21, "{window}");
    }
}

#[test]
fn a_search_that_is_told_two_things_finds_nothing() {
    let mut number = 0;
    let script = Script::answering(move |asked| {
        number += 1;
        if [1, 3].contains(&number) {
            return Reply::fault("DataUnavailableException", "The requested data is unavailable.");
        }
        answer(&asked.json(), "2026-01-01")
    })
    .with_totals();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", &job(WINDOWS[2]));
    house.json(&["run"]).exits(1).says("Cost Explorer has no data for this window");
    house.json(&["run"]).exits(0).hides("no data before");
    assert_eq!(house.rows("costs").len(), 101);
}

#[test]
fn a_search_without_the_budget_for_it_pays_for_nothing_more() {
    let world = World::new(&format!("{}[budget]\nmax_requests_per_run = 6\n", job(WINDOWS[0])));
    world.refuses.store(true, Ordering::Relaxed);
    world.house.json(&["run"]).exits(4).says("max_requests_per_run");
    assert_eq!(world.asked().len(), 1);
}

#[test]
fn hours_that_are_left_out_are_refused_whatever_the_totals_say() {
    let window = "begin = \"2026-11-01\"\nrefresh = \"4 days\"";
    let hourly = job(window).replace("DAILY", "HOURLY");
    let world = World::new(&hourly);
    world.begins("2026-01-01");
    world.house.json(&["run"]).exits(0);
    let before = world.house.rows("costs").len();
    world.begins("2026-11-06T05:00:00Z");
    let done = world.house.json(&["run"]);
    done.exits(1).says("the answer has no period for 2026-11-06");
    assert_eq!(world.house.rows("costs").len(), before);
    let days = ["backfill", "costs", "--from", "2026-11-06", "--to", "2026-11-09"];
    world.house.json(&days).exits(1);
    assert_eq!(world.house.rows("costs").len(), before);

    // If an account began at five o'clock, its first day is skipped.
    let world = World::new(&hourly);
    world.begins("2026-11-06T05:00:00Z");
    world.house.json(&["run"]).exits(0).says("the API has no data before 2026-11-07");
    assert_eq!(world.house.rows("costs").len(), 3 * 24);
}
