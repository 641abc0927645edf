//! Settled months that change by small steps, in opposite directions, or by amounts near zero.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::cost_explorer::{DAILY, after, day, dollars, page};
use crate::support::done::Done;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

/// The costs of every day of October, as services and cents; November does not change.
type Bill = Arc<Mutex<Vec<(&'static str, i64)>>>;

fn euros(cents: i64) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100)
}

struct World {
    bill: Bill,
    /// The costs of October 5 instead.
    fifth: Bill,
    house: Lakehouse,
    night: u32,
}

impl World {
    /// A table from October 1 on, read in full on November 20; `from` in the job file is replaced by `to`.
    fn new(costs: &[(&'static str, i64)], from: &str, to: &str) -> Self {
        let (bill, fifth): (Bill, Bill) = (Arc::new(Mutex::new(costs.to_vec())), Bill::default());
        let (answers, exception) = (Arc::clone(&bill), Arc::clone(&fifth));
        let script = Script::answering(move |asked| {
            let question = asked.json();
            let grouped = question["GroupBy"].is_array();
            let by_tag = question["GroupBy"][0]["Type"] == "TAG";
            let text = |name: &str| question["TimePeriod"][name].as_str().expect("a day").to_owned();
            let (mut at, end, mut results) = (text("Start"), text("End"), Vec::new());
            let (costs, fifth) = (answers.lock().expect("a bill").clone(), exception.lock().expect("a bill").clone());
            while at < end {
                let of_day = match at.as_str() {
                    "2026-10-05" if !fifth.is_empty() => fifth.clone(),
                    october if october.starts_with("2026-10") => costs.clone(),
                    _ => vec![("EC2", 100)],
                };
                let key = |name: &str| if by_tag { format!("team${name}") } else { name.to_owned() };
                let named: Vec<(String, String)> = of_day.iter().map(|(name, c)| (key(name), euros(*c))).collect();
                let groups: Vec<(&str, &str)> = named.iter().map(|(name, c)| (name.as_str(), c.as_str())).collect();
                let mut result = day(&at, &groups);
                if !grouped {
                    result["Groups"] = json!([]);
                    result["Total"] =
                        json!({ "UnblendedCost": dollars(&euros(of_day.iter().map(|(_, cents)| cents).sum())) });
                }
                result["Estimated"] = json!(at.as_str() >= "2026-11-01");
                results.push(result);
                at = after(&at);
            }
            if grouped {
                let mut page = page(&results, None);
                page["GroupDefinitions"] = question["GroupBy"].clone();
                return Reply::good(&page);
            }
            Reply::good(&json!({ "ResultsByTime": results, "DimensionValueAttributes": [] }))
        })
        .with_totals();
        let house = Lakehouse::new(script.url(), "2026-11-20T06:00:00Z");
        let begin = "begin = \"2026-11-01\"\nrefresh = \"billing-close\"";
        let job = DAILY.replace(begin, "begin = \"2026-10-01\"\n").replace(from, to);
        house.job("costs", &job);
        house.run_well();
        Self { bill, fifth, house, night: 20 }
    }

    /// The next night, with these costs on every day of October.
    fn night(&mut self, costs: &[(&'static str, i64)], more: &[&str]) -> Done {
        *self.bill.lock().expect("a bill") = costs.to_vec();
        self.night += 1;
        self.house.set("COSTLAKE_NOW", &format!("2026-11-{}T06:00:00Z", self.night));
        self.house.json(&[&["run"], more].concat())
    }

    /// The next night, with these costs on October 5 alone.
    fn fifth(&mut self, costs: &[(&'static str, i64)]) -> Done {
        *self.fifth.lock().expect("a bill") = costs.to_vec();
        let same = self.bill.lock().expect("a bill").clone();
        self.night(&same, &[])
    }

    /// The cost of all of October, in cents.
    fn october(&self) -> i64 {
        let rows = self.house.rows("costs").into_iter();
        let rows: Vec<_> = rows.filter(|row| row["usage_date"].to_string().contains("2026-10")).collect();
        i64::try_from(crate::support::lake::sum(&rows, "unblended_cost") / 10_i128.pow(10)).expect("cents")
    }
}

#[test]
fn small_steps_add_up() {
    let mut world = World::new(&[("EC2", 10_000)], "", "");
    world.night(&[("EC2", 8_100)], &[]).exits(0);
    let done = world.night(&[("EC2", 6_561)], &[]);
    done.exits(1).says("was 3100 and would be 2033.91, a change of more than 20 %");
    for cents in [5_314, 4_305, 3_487, 2_824] {
        world.night(&[("EC2", cents)], &[]).exits(1);
    }
    assert_eq!(world.october(), 31 * 8_100);
    world.night(&[("EC2", 2_824)], &["--accept", "costs:2026-10"]).exits(0);
    assert_eq!(world.october(), 31 * 2_824);
    world.night(&[("EC2", 2_400)], &[]).exits(0);
    world.night(&[("EC2", 2_200)], &[]).exits(1).says("was 875.44 and would be 682");
}

#[test]
fn opposite_moves_of_services_are_moves() {
    let mut world = World::new(&[("EC2", 5_000), ("S3", 5_000)], "", "");
    let done = world.night(&[("EC2", 9_850), ("S3", 150)], &[]);
    done.exits(0);
    // With equal totals nothing is requested; with a cent more the day is read.
    let done = world.night(&[("EC2", 9_851), ("S3", 150)], &[]);
    done.exits(1).says("would have moved between its groups and days by 3007.31 USD in all, more than 20 % of 3100");
    assert_eq!(world.october(), 31 * 10_000);
}

#[test]
fn opposite_moves_by_small_steps_add_up_and_those_of_tags_do_not_count() {
    for (from, to, exit_code) in [("", "", 1), ("{ dimension = \"SERVICE\" }", "{ tag = \"team\" }", 0)] {
        let mut world = World::new(&[("a", 5_000), ("b", 5_000)], from, to);
        world.night(&[("a", 5_901), ("b", 4_100)], &[]).exits(0);
        world.night(&[("a", 6_802), ("b", 3_200)], &[]).exits(exit_code);
    }
}

#[test]
fn costs_that_go_to_another_day_have_moved() {
    let mut world = World::new(&[("EC2", 100)], "group_by = [{ dimension = \"SERVICE\" }]", "");
    world.fifth(&[("EC2", 500)]).exits(0);
    // 4 dollars of 31 moved to one day; their leaving another day must not cancel that out.
    *world.bill.lock().expect("a bill") = vec![("EC2", 88)];
    world.fifth(&[("EC2", 500)]).exits(1).says("moved between its groups and days");
}

#[test]
fn dust_is_no_change_and_more_than_the_floor_is() {
    let mut world = World::new(&[("EC2", 1_000), ("Credit", -1_000)], "", "");
    assert_eq!(world.october(), 0);
    world.fifth(&[("EC2", 1_001), ("Credit", -1_000)]).exits(0);
    world.fifth(&[("EC2", 1_100), ("Credit", -1_000)]).exits(0);
    assert_eq!(world.october(), 100, "a dollar is not above the floor of one");
    world.fifth(&[("EC2", 1_101), ("Credit", -1_000)]).exits(1).says("was 0 and would be 1.01");
}

#[test]
fn a_floor_of_the_job_is_in_the_currency_of_the_rows() {
    let share = "refresh = \"probe\"\nquarantine_floor = 0.5\n[limits]";
    let mut world = World::new(&[("EC2", 10), ("Credit", -10)], "[limits]", share);
    world.fifth(&[("EC2", 60), ("Credit", -10)]).exits(0);
    world.fifth(&[("EC2", 61), ("Credit", -10)]).exits(1).says("was 0 and would be 0.51");
}

#[test]
fn a_month_of_credits_is_held_by_its_size() {
    let mut world = World::new(&[("Credit", -1_000)], "", "");
    world.night(&[("Credit", -1_190)], &[]).exits(0);
    world.night(&[("Credit", -1_210)], &[]).exits(1).says("was -310 and would be -375.1");
}

#[test]
fn what_comes_back_to_what_is_known_is_never_held() {
    let mut world = World::new(&[("EC2", 10_000)], "", "");
    world.night(&[("EC2", 5_000)], &[]).exits(1);
    world.night(&[("EC2", 10_000)], &[]).exits(0);
    world.house.json(&["status", "--check"]).exits(0);
}
