//! Nights without a run: days that were read before they were final are read again, or reported as still not final; and
//! costs that move between groups under equal totals long after a month has settled.

use std::sync::{Arc, Mutex};

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, day, page, result};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};
use crate::support::ungrouped::periods;

fn date(text: &str) -> NaiveDate {
    text[..10].parse().expect("a day")
}

/// A bill where each day is one dollar until the third day after it, then two; no day is marked as an estimate.
fn settling(today: &Arc<Mutex<String>>) -> Script {
    let today = Arc::clone(today);
    Script::answering(move |asked| {
        let today = date(&today.lock().expect("a day"));
        let of = |(start, _): (String, String)| {
            let amount = if (today - date(&start)).num_days() <= 2 { "1" } else { "2" };
            let mut told = day(&start, &[("EC2", amount)]);
            told["Estimated"] = json!(false);
            told
        };
        let results: Vec<Value> = periods(&asked.json()).into_iter().map(of).collect();
        Reply::good(&page(&results, None))
    })
}

struct Nights {
    today: Arc<Mutex<String>>,
    house: Lakehouse,
}

impl Nights {
    fn new(window: &str) -> Self {
        let today = Arc::new(Mutex::new(String::new()));
        let script = settling(&today);
        let house = Lakehouse::new(script.url(), "2026-11-20T06:00:00Z");
        house.job("costs", &DAILY.replace("begin = \"2026-11-01\"\nrefresh = \"billing-close\"", window));
        Self { today, house }
    }

    fn on(&mut self, today: &str) {
        today.clone_into(&mut self.today.lock().expect("a day"));
        self.house.set("COSTLAKE_NOW", &format!("{today}T06:00:00Z"));
    }

    /// The days that still hold their first amount.
    fn early(&self) -> Vec<String> {
        let rows = self.house.rows("costs").into_iter();
        rows.filter(|row| row["unblended_cost"].starts_with('1')).map(|row| row["usage_date"].clone()).collect()
    }
}

#[test]
fn an_outage_longer_than_the_window_leaves_no_day_behind() {
    for refresh in ["refresh = \"3 days\"", "refresh = \"billing-close\"", "refresh = \"probe\""] {
        let mut nights = Nights::new(&format!("begin = \"2026-08-01\"\n{refresh}"));
        nights.on("2026-08-10");
        nights.house.run_well();
        assert_eq!(nights.early(), ["2026-08-08", "2026-08-09"], "{refresh}: not final yet");
        for (today, early) in
            [("2026-10-20", ["2026-10-18", "2026-10-19"]), ("2026-11-20", ["2026-11-18", "2026-11-19"])]
        {
            nights.on(today);
            nights.house.json(&["status", "--check"]).exits(6);
            nights.house.run_well();
            assert_eq!(nights.early(), early, "{refresh}: read again as final");
            nights.house.json(&["status", "--check"]).exits(0);
        }
    }
}

#[test]
fn what_left_the_apis_reach_before_it_was_final_is_said_until_somebody_takes_it() {
    let mut nights = Nights::new("begin = \"2025-01-01\"\nrefresh = \"3 days\"");
    nights.on("2025-01-10");
    nights.house.run_well();
    nights.on("2026-11-20");
    let report = nights.house.run_well();
    let note = "2025-01-08 to 2025-01-09: 2 not final, not available";
    assert!(report["notes"].to_string().contains(note), "{report}");
    assert_eq!(nights.early()[..2], ["2025-01-08", "2025-01-09"], "their rows stay");
    let check = nights.house.costlake(&["status", "--check"]);
    check.exits(6).says("2025-01-08 not final, not available").says("--accept costs:2025-01");
    check.says("⊘ not final, not available 2");
    let state = |nights: &Nights| {
        let status = nights.house.json(&["status"]).exits(0).document();
        let days = status["tables"][0]["days"].as_array().expect("days").clone();
        days.into_iter().find(|found| found["day"] == "2025-01-08").expect("the day")["state"].clone()
    };
    assert_eq!(state(&nights), "not_final");
    let done = nights.house.json(&["run", "--accept", "costs:2025-01"]);
    done.exits(0)
        .says("2025-01 is accepted: 2 days that were not final and are not available any more stay as they are");
    nights.house.json(&["status", "--check"]).exits(0);
    assert_eq!(state(&nights), "settled");
    assert_eq!(nights.early()[..2], ["2025-01-08", "2025-01-09"]);
    nights.house.run_well();
    nights.house.json(&["status", "--check"]).exits(0);
}

#[test]
fn keys_that_move_under_equal_totals_in_settled_months_are_found_a_month_a_night() {
    let moved = Arc::new(Mutex::new(false));
    let told = Arc::clone(&moved);
    let script = Script::answering(move |asked| {
        let moved = *told.lock().expect("a bill");
        let of = |(start, _): (String, String)| {
            let key = if moved && start.as_str() < "2026-03-01" { "team$web" } else { "team$" };
            let mut told = result(&start, vec![crate::support::cost_explorer::group(key, "1")]);
            told["Estimated"] = json!(false);
            told
        };
        let results: Vec<Value> = periods(&asked.json()).into_iter().map(of).collect();
        let mut page = page(&results, None);
        page["GroupDefinitions"] = json!([{ "Type": "TAG", "Key": "team" }]);
        Reply::good(&page)
    });
    let mut house = Lakehouse::new(script.url(), "2026-05-20T06:00:00Z");
    let job = DAILY.replace("begin = \"2026-11-01\"\nrefresh = \"billing-close\"", "begin = \"2026-01-01\"");
    house.job("costs", &job.replace("{ dimension = \"SERVICE\" }", "{ tag = \"team\" }"));
    house.run_well();
    for today in ["2026-06-16", "2026-07-16", "2026-08-16", "2026-08-17"] {
        house.set("COSTLAKE_NOW", &format!("{today}T06:00:00Z"));
        house.run_well();
    }
    *moved.lock().expect("a bill") = true;
    let web = |house: &Lakehouse| house.rows("costs").iter().filter(|row| row["tag_team"] == "web").count();
    house.set("COSTLAKE_NOW", "2026-11-20T06:00:00Z");
    house.run_well();
    assert_eq!(web(&house), 0, "that night reads what has settled meanwhile");
    house.set("COSTLAKE_NOW", "2026-11-21T06:00:00Z");
    house
        .costlake(&["plan"])
        .exits(0)
        .says("2026-01 has settled and is read in full again (window.full_read_settled_every)");
    let plan = house.json(&["plan"]).exits(0).document();
    assert!(plan["jobs"][0]["notes"].to_string().contains("2026-01 has settled"), "{plan}");
    assert!(plan["jobs"][0]["fetches"].to_string().contains("\"2026-01\""), "{plan}");
    for (today, found) in [("2026-11-21", 31), ("2026-11-21", 31), ("2026-11-22", 31 + 28)] {
        house.set("COSTLAKE_NOW", &format!("{today}T06:00:00Z"));
        house.run_well();
        assert_eq!(web(&house), found, "{today}");
    }
}
