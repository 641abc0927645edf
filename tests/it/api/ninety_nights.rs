//! Many nights in a row against the sandbox, whose bill is restated like a real one.

use chrono::{Days, NaiveDate};

use crate::support::cost_explorer::DAILY;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const FIRST: &str = "2026-08-22";

fn night(count: u64) -> String {
    let first: NaiveDate = FIRST.parse().expect("a day");
    format!("{}T06:30:00Z", first + Days::new(count))
}

/// Three month ends: a table kept up to date by the probe always equals one that is read afresh, every day is in a
/// valid state, and the lake passes every check.
#[test]
fn ninety_nights_keep_the_table_that_a_first_load_reads() {
    let sandbox = SandboxServer::new(&night(0), 1_000);
    let mut house = Lakehouse::new(&sandbox.url(), &night(0));
    let job = DAILY.replace("begin = \"2026-11-01\"\nrefresh = \"billing-close\"", "begin = \"2026-07-01\"");
    house.job("costs", &job);
    let mut requests = 0;
    for count in 0..90 {
        sandbox.set_now(&night(count));
        house.set("COSTLAKE_NOW", &night(count));
        let done = house.json(&["run", "costs"]);
        requests += done.exits(0).report()["asked"]["requests"].as_u64().expect("a number");
        if count % 30 == 17 {
            let name = format!("afresh_{count}");
            house.job(&name, &job);
            house.json(&["run", &name]).exits(0);
            assert_eq!(house.rows("costs"), house.rows(&name), "night {count}");
        }
    }
    house.json(&["status", "costs", "--check"]).exits(0);
    house.json(&["verify", "costs", "--full"]).exits(0);
    let status = house.json(&["status", "costs"]).exits(0).document();
    let days = status["tables"][0]["days"].as_array().expect("days");
    assert_eq!(days.len(), 141, "July 1st to the day before the last night");
    for day in days {
        let settled = day["day"].as_str().expect("a day") < "2026-11-01";
        assert_eq!(day["state"], if settled { "settled" } else { "estimated" }, "{day}");
    }
    assert!(requests < 400, "{requests} requests in 90 nights");
}
