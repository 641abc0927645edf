//! Well-formed answers that differ so much from known costs that a person must review them: quarantined, reported,
//! accepted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, after, day, dollars, page};
use crate::support::done::Done;
use crate::support::lake::{Row, sum};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Asked, Reply, Script};

/// Days of October are settled, days of November are not.
const NOW: &str = "2026-11-20T06:00:00Z";

/// The API's bill: one dollar of EC2 a day, except for `days`; whether all of it is final; the error with which it
/// refuses grouped requests, if any.
#[derive(Default)]
struct Bill {
    days: BTreeMap<String, Vec<(&'static str, &'static str)>>,
    is_final: bool,
    broken: Option<&'static str>,
    /// A day whose total is a dollar too high.
    off: Option<&'static str>,
}

impl Bill {
    fn answer(&self, asked: &Asked) -> Reply {
        let question = asked.json();
        let grouped = question["GroupBy"].is_array();
        if let Some(why) = self.broken.filter(|_| grouped) {
            return Reply::fault("ValidationException", why);
        }
        let text = |name: &str| question["TimePeriod"][name].as_str().expect("a day").to_owned();
        let (mut at, end, mut results) = (text("Start"), text("End"), Vec::new());
        while at < end {
            let costs = self.days.get(&at).cloned().unwrap_or_else(|| vec![("EC2", "1")]);
            let mut result = day(&at, &costs);
            if !grouped {
                let total: f64 = costs.iter().map(|(_, amount)| amount.parse::<f64>().expect("halves at most")).sum();
                let total = if self.off == Some(at.as_str()) { total + 1.0 } else { total };
                result["Groups"] = json!([]);
                result["Total"] = json!({ "UnblendedCost": dollars(&total.to_string()) });
            }
            result["Estimated"] = json!(!self.is_final && at.as_str() >= "2026-11-01");
            results.push(result);
            at = after(&at);
        }
        if grouped {
            return Reply::good(&page(&results, None));
        }
        Reply::good(&json!({ "ResultsByTime": results, "DimensionValueAttributes": [] }))
    }
}

/// A table that was read in full from October 1 on.
struct World {
    bill: Arc<Mutex<Bill>>,
    script: Script,
    house: Lakehouse,
}

impl World {
    fn new(more: &str) -> Self {
        let bill: Arc<Mutex<Bill>> = Arc::default();
        let answers = Arc::clone(&bill);
        let script = Script::answering(move |asked| answers.lock().expect("the bill").answer(asked)).with_totals();
        let house = Lakehouse::new(script.url(), NOW);
        let world = Self { bill, script, house };
        world.job(more);
        world.house.run_well();
        world
    }

    fn job(&self, more: &str) {
        let begin = "begin = \"2026-11-01\"\nrefresh = \"billing-close\"";
        self.house.job("costs", &DAILY.replace(begin, &format!("begin = \"2026-10-01\"\n{more}")));
    }

    fn set(&self, day: &str, costs: &[(&'static str, &'static str)]) {
        self.bill.lock().expect("the bill").days.insert(day.to_owned(), costs.to_vec());
    }

    fn rows(&self) -> Vec<Row> {
        self.house.rows("costs")
    }

    fn run(&self, more: &[&str]) -> Done {
        self.script.take_asked();
        self.house.json(&[&["run"], more].concat())
    }

    /// The entry of a day in `status`.
    fn status(&self, day: &str) -> Value {
        let status = self.house.json(&["status"]).exits(0).document();
        let days = status["tables"][0]["days"].as_array().expect("days").clone();
        days.into_iter().find(|found| found["day"] == day).expect("the day")
    }
}

#[test]
fn a_settled_month_that_changes_a_lot_waits_for_a_word() {
    let world = World::new("");
    let before = world.rows();
    world.set("2026-10-05", &[("EC2", "10")]);
    let done = world.run(&[]);
    done.exits(1).says("unblended_cost of the settled month 2026-10 was 31 and would be 40").says("more than 20 %");
    done.says("costlake run costs --accept costs:2026-10");
    assert_eq!(done.report()["fetches"][0]["failure"]["kind"], "quarantined");
    assert_eq!(world.rows(), before, "the old rows stay");
    let held = world.status("2026-10-05");
    assert_eq!((&held["state"], &held["rows"]), (&json!("quarantined"), &json!(1)), "{held}");
    assert!(held["why"].to_string().contains("would be 40"), "{held}");
    world
        .house
        .json(&["status", "--check"])
        .exits(6)
        .says("2026-10-05 held for review")
        .says("costlake run costs --accept costs:2026-10");
    world.house.costlake(&["status"]).exits(0).says("Q held for review 1");

    let done = world.run(&[]);
    done.exits(1).says("quarantined, the old rows stay");
    assert_eq!(world.script.take_asked().len(), 1, "what was refused and did not move is not paid for again");

    let done = world.run(&["--accept", "costs:2026-10"]);
    done.exits(0).says("2026-10 is accepted: 1 day that waited for it");
    assert_eq!(sum(&world.rows(), "unblended_cost"), (31 + 9 + 19) * 1_000_000_000_000);
    assert_eq!(world.status("2026-10-05")["state"], "settled");
    world.run(&[]).exits(0);
    assert_eq!(world.script.take_asked().len(), 1, "nothing is left to do");
}

#[test]
fn refused_rows_that_move_on_are_read_and_judged_anew() {
    let world = World::new("");
    let before = world.rows();
    world.set("2026-10-05", &[("EC2", "10")]);
    world.run(&[]).exits(1);
    world.set("2026-10-05", &[("EC2", "11")]);
    world.run(&[]).exits(1).says("would be 41");
    assert_eq!(world.rows(), before);
    world.set("2026-10-05", &[("EC2", "1")]);
    world.run(&[]).exits(0);
    assert_eq!(world.status("2026-10-05")["state"], "settled", "the API took it back");
    assert_eq!(world.rows(), before);
}

#[test]
fn smaller_changes_open_months_and_a_larger_share_are_taken() {
    let world = World::new("");
    world.set("2026-10-05", &[("EC2", "7")]);
    world.set("2026-11-05", &[("EC2", "900")]);
    world.run(&[]).exits(0);
    assert_eq!(sum(&world.rows(), "unblended_cost"), (31 + 6 + 19 + 899) * 1_000_000_000_000);
    let world = World::new("quarantine_share = 0.5");
    world.set("2026-10-05", &[("EC2", "16")]);
    world.run(&[]).exits(0);
    world.set("2026-10-05", &[("EC2", "120")]);
    world.run(&[]).exits(1).says("more than 50 %");
}

#[test]
fn only_days_that_were_read_after_their_month_settled_count_as_settled() {
    let mut world = World::new("");
    world.bill.lock().expect("the bill").is_final = true;
    world.run(&[]).exits(0);
    world.house.set("COSTLAKE_NOW", "2026-12-20T06:00:00Z");
    world.set("2026-11-01", &[("EC2", "50")]);
    world.run(&[]).exits(0);
    world.set("2026-11-02", &[("EC2", "50")]);
    world.run(&[]).exits(1).says("the settled month 2026-11 was 79 and would be 128");
}

#[test]
fn a_day_that_comes_back_empty_is_held_and_the_others_are_taken() {
    let world = World::new("");
    world.set("2026-11-05", &[]);
    world.set("2026-11-06", &[("EC2", "3")]);
    let done = world.run(&[]);
    done.exits(1).says("2026-11-05: the answer is empty, but the day had 1 row");
    let of = |day: &str| world.rows().into_iter().filter(|row| row["usage_date"] == day).collect::<Vec<_>>();
    assert_eq!(sum(&of("2026-11-05"), "unblended_cost"), 1_000_000_000_000);
    assert_eq!(sum(&of("2026-11-06"), "unblended_cost"), 3_000_000_000_000);
    assert_eq!(done.report()["fetches"][0]["outcome"], "committed");
    assert!(done.report()["fetches"][0]["notes"].is_null(), "nothing else is the matter: {done}");
    let range = ["backfill", "costs", "--from", "2026-11-05", "--to", "2026-11-05"];
    world.house.json(&range).exits(1);
    world.house.json(&[&range[..], &["--accept", "costs:2026-11"]].concat()).exits(0);
    assert_eq!(of("2026-11-05").len(), 0);
    world.run(&[]).exits(0);
}

#[test]
fn a_day_that_is_held_and_one_that_misses_its_total_are_both_told() {
    let mut world = World::new("");
    world.house.set("COSTLAKE_TEST_TIMEOUT_MS", "60000");
    world.set("2026-11-05", &[]);
    world.set("2026-11-06", &[("EC2", "3")]);
    world.bill.lock().expect("the bill").off = Some("2026-11-06");
    let done = world.run(&[]);
    done.exits(1).says("quarantined, the old rows stay: 2026-11-05");
    let notes = done.report()["fetches"][0]["notes"].to_string();
    assert!(notes.contains("2026-11-06 unblended_cost: the rows add up to 3, the API's total is 4"), "{done}");
    let unsettled = world.status("2026-11-06");
    assert_eq!(unsettled["state"], "unsettled", "{unsettled}");
    assert!(unsettled["why"].to_string().contains("the API's total is 4"), "{unsettled}");
}

#[test]
fn a_day_that_cost_nothing_may_become_empty() {
    let world = World::new("");
    world.set("2026-11-05", &[("EC2", "0")]);
    world.run(&[]).exits(0);
    world.set("2026-11-05", &[]);
    world.set("2026-11-06", &[("EC2", "2")]);
    let range = ["backfill", "costs", "--from", "2026-11-05", "--to", "2026-11-06"];
    world.house.json(&range).exits(0);
    assert_eq!(world.status("2026-11-05")["rows"], 0);
}

#[test]
fn kept_answers_that_were_refused_are_not_taken_by_a_rebuild() {
    let world = World::new("");
    world.job("[lake]\nkeep_raw = true");
    world.set("2026-11-05", &[]);
    world.set("2026-11-06", &[("EC2", "3")]);
    world.run(&[]).exits(1);
    let before = world.rows();
    let done = world.house.json(&["rebuild", "costs"]);
    done.exits(0).says("2026-11-05: the kept answer was refused when it came").hides("2026-11-06: the kept answer");
    assert_eq!(world.rows(), before);
}

#[test]
fn only_a_job_that_runs_and_a_month_can_be_accepted() {
    let world = World::new("");
    for wrong in ["costs", "costs:2026-13", "costs:2026-10-05", ":2026-10", "other:2026-10"] {
        world.house.json(&["run", "--accept", wrong]).exits(2).says("--accept");
    }
    world.house.json(&["run", "--accept", "costs:2026-10"]).exits(0).says("nothing of 2026-10 was quarantined before");
}

#[test]
fn days_whose_read_failed_say_so_until_they_are_read() {
    let world = World::new("");
    world.set("2026-11-05", &[("EC2", "2")]);
    world.bill.lock().expect("the bill").broken = Some("not today");
    world.run(&[]).exits(1);
    let failed = world.status("2026-11-05");
    assert_eq!((&failed["state"], &failed["rows"]), (&json!("failed"), &json!(1)), "{failed}");
    assert!(failed["why"].to_string().contains("not today"), "{failed}");
    assert_eq!(world.status("2026-11-04")["state"], "estimated", "what was not asked did not fail");
    world.house.json(&["status", "--check"]).exits(6).says("2026-11-05 failed");
    world.house.costlake(&["status"]).exits(0).says("F failed 1");
    world.bill.lock().expect("the bill").broken = Some("nor tomorrow");
    world.run(&[]).exits(1);
    assert!(world.status("2026-11-05")["why"].to_string().contains("nor tomorrow"));
    world.bill.lock().expect("the bill").broken = None;
    world.run(&[]).exits(0);
    assert_eq!(world.status("2026-11-05")["state"], "estimated");
    world.house.json(&["status", "--check"]).exits(0);
}
