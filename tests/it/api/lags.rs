//! Rows that lag behind the totals, or never reach them. A metric that is only reported is retried for three days,
//! then shown. Costs are requested once a night after three nights.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::cost_explorer::{DAILY, after, dollars};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};
use crate::support::ungrouped::periods;

/// The day whose usage the totals and the rows do not agree on.
const ODD: &str = "2026-09-05";

/// Usage of the odd day by the API's totals and by its rows; every other day has three hours in both.
#[derive(Clone, Copy)]
struct Usage {
    total: &'static str,
    rows: &'static str,
    /// The cost of its rows; the total is a dollar.
    cost: &'static str,
}

struct World {
    usage: Arc<Mutex<Usage>>,
    script: Script,
    house: Lakehouse,
}

impl World {
    fn new(window: &str, now: &str, usage: Usage) -> Self {
        let usage = Arc::new(Mutex::new(usage));
        let told = Arc::clone(&usage);
        let script = Script::answering(move |asked| {
            let (question, usage) = (asked.json(), *told.lock().expect("the usage"));
            let grouped = question["GroupBy"].is_array();
            let of = |(start, _): (String, String)| {
                let odd = if grouped { usage.rows } else { usage.total };
                let hours = if start == ODD { odd } else { "3" };
                let cost = if start == ODD && grouped { usage.cost } else { "1" };
                let metrics =
                    json!({ "UnblendedCost": dollars(cost), "UsageQuantity": { "Amount": hours, "Unit": "Hrs" } });
                let (total, groups) = if grouped {
                    (json!({}), json!([{ "Keys": ["EC2"], "Metrics": metrics }]))
                } else {
                    (metrics, json!([]))
                };
                let period = json!({ "Start": start, "End": after(&start) });
                json!({ "TimePeriod": period, "Total": total, "Groups": groups, "Estimated": false })
            };
            let results: Vec<Value> = periods(&question).into_iter().map(of).collect();
            let definitions = json!([{ "Type": "DIMENSION", "Key": "SERVICE" }]);
            let definitions = if grouped { definitions } else { json!([]) };
            Reply::good(&json!({
                "ResultsByTime": results, "GroupDefinitions": definitions, "DimensionValueAttributes": [],
            }))
        })
        .with_totals();
        let mut house = Lakehouse::new(script.url(), &format!("{now}T06:00:00Z"));
        house.set("COSTLAKE_TEST_TIMEOUT_MS", "60000");
        let job = DAILY.replace("[\"UnblendedCost\"]", "[\"UnblendedCost\", \"UsageQuantity\"]");
        house.job("costs", &job.replace("begin = \"2026-11-01\"\nrefresh = \"billing-close\"", window));
        Self { usage, script, house }
    }

    /// Runs on a day; returns the windows read.
    fn on(&mut self, today: &str, usage: Usage) -> Value {
        *self.usage.lock().expect("the usage") = usage;
        self.house.set("COSTLAKE_NOW", &format!("{today}T06:00:00Z"));
        self.script.take_asked();
        let report = self.house.run_well();
        report["fetches"].as_array().expect("fetches").iter().map(|fetch| fetch["windows"].clone()).collect()
    }

    fn usage(&self) -> String {
        let rows = self.house.rows("costs").into_iter().find(|row| row["usage_date"] == ODD);
        rows.expect("the day")["usage_quantity"].trim_end_matches(['0', '.']).to_owned()
    }

    fn state(&self) -> Value {
        let status = self.house.json(&["status"]).exits(0).document();
        let days = status["tables"][0]["days"].as_array().expect("days").clone();
        days.into_iter().find(|found| found["day"] == ODD).expect("the day")
    }
}

const AGREED: Usage = Usage { total: "3", rows: "3", cost: "1" };
const LAGGING: Usage = Usage { total: "9", rows: "3", cost: "1" };
const WINDOW: &str = "begin = \"2026-09-01\"\nfull_read_every = \"1000 days\"";

#[test]
fn rows_that_lag_behind_a_reported_total_are_read_again_until_they_agree() {
    let mut world = World::new(WINDOW, "2026-11-05", AGREED);
    world.house.run_well();
    assert_eq!(world.on("2026-11-06", LAGGING)[0], json!([ODD]), "its total moved");
    assert_eq!(world.usage(), "3");
    assert_eq!(world.on("2026-11-06", LAGGING), json!([]), "one try a day");
    assert_eq!(world.on("2026-11-07", LAGGING)[0], json!([ODD]));
    assert_eq!(world.on("2026-11-08", Usage { total: "9", rows: "9", cost: "1" })[0], json!([ODD]));
    assert_eq!(world.usage(), "9");
    let next = world.on("2026-11-09", Usage { total: "9", rows: "9", cost: "1" }).to_string();
    assert!(!next.contains(ODD), "nothing is left: {next}");
    assert_eq!(world.state()["state"], "settled");
}

#[test]
fn after_three_tries_a_day_is_shown_as_differing_and_not_asked_again() {
    let mut world = World::new(WINDOW, "2026-11-05", AGREED);
    world.house.run_well();
    for today in ["2026-11-06", "2026-11-07", "2026-11-08", "2026-11-09"] {
        assert_eq!(world.on(today, LAGGING)[0], json!([ODD]), "{today}");
    }
    let later = world.on("2026-11-10", LAGGING);
    assert!(!later.to_string().contains(ODD), "{later}");
    let state = world.state();
    assert_eq!(state["state"], "differing");
    assert!(state["why"].to_string().contains("usage_quantity: the rows add up to 3, the API's total is 9"), "{state}");
    world.house.costlake(&["status", "--check"]).exits(0).says("≈ differing 1");
    world.house.costlake(&["verify", "--full"]).exits(0).says("differing since 2026-11-06").says(ODD);
    let moved = Usage { total: "12", rows: "3", cost: "1" };
    assert_eq!(world.on("2026-11-11", moved)[0], json!([ODD]), "the total moved on");
    assert_eq!(world.on("2026-11-12", moved)[0], json!([ODD]), "and gives it new tries");
    assert_eq!(world.on("2026-11-13", Usage { total: "12", rows: "12", cost: "1" })[0], json!([ODD]));
    assert_eq!((world.usage(), world.state()["state"].clone()), ("12".to_owned(), json!("settled")));
}

#[test]
fn a_first_read_of_settled_days_that_differ_triggers_nothing_and_one_of_an_open_month_does() {
    let mut world = World::new(WINDOW, "2026-11-05", LAGGING);
    world.house.run_well();
    let next = world.on("2026-11-06", LAGGING);
    assert!(!next.to_string().contains(ODD), "{next}");
    assert_eq!(world.state()["state"], "settled");
    let mut world = World::new(WINDOW, "2026-09-20", LAGGING);
    world.house.run_well();
    for (today, tried) in [("2026-09-21", true), ("2026-09-22", true), ("2026-09-23", true), ("2026-09-24", false)] {
        let read = world.on(today, LAGGING).to_string();
        assert_eq!(read.contains(ODD), tried, "{today}: {read}");
    }
    assert_eq!(world.state()["state"], "differing");
    world.house.json(&["status", "--check"]).exits(0);
}

#[test]
fn a_day_that_never_adds_up_is_asked_once_a_night_after_three_and_status_says_what_helps() {
    let mut world = World::new(WINDOW, "2026-11-05", AGREED);
    world.house.run_well();
    *world.usage.lock().expect("the usage") = Usage { cost: "0.5", total: "4", ..AGREED };
    let mut requests = Vec::new();
    for today in ["2026-11-06", "2026-11-07", "2026-11-07", "2026-11-08", "2026-11-09", "2026-11-10"] {
        world.house.set("COSTLAKE_NOW", &format!("{today}T06:00:00Z"));
        world.script.take_asked();
        world.house.json(&["run"]).exits(1).says("2026-09-05 unblended_cost: the rows add up to 0.5");
        let asked = world.script.take_asked();
        let of_the_day = asked.iter().filter(|asked| asked.json()["TimePeriod"]["Start"] == ODD);
        requests.push(of_the_day.count());
        let is_said = world.house.costlake(&["status"]).exits(0).stdout.contains("window.control = \"report\"");
        assert_eq!(is_said, today >= "2026-11-08", "{today}");
    }
    assert_eq!(requests, [6, 6, 6, 6, 1, 1], "rows and totals three times, then the rows once");
    let status = world.house.json(&["status"]).exits(0).document();
    assert!(status["tables"][0]["notes"].to_string().contains("2026-09-05 has not added up for 5 nights"), "{status}");
    world.on("2026-11-11", Usage { total: "4", ..AGREED });
    world.house.costlake(&["status"]).exits(0).hides("window.control");
    *world.usage.lock().expect("the usage") = Usage { cost: "0.5", total: "5", ..AGREED };
    world.house.set("COSTLAKE_NOW", "2026-11-12T06:00:00Z");
    world.script.take_asked();
    world.house.json(&["run"]).exits(1);
    let asked = world.script.take_asked();
    let of_the_day = asked.iter().filter(|asked| asked.json()["TimePeriod"]["Start"] == ODD);
    assert_eq!(of_the_day.count(), 6, "it is a new disagreement");
}
