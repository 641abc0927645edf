//! APIs without totals change their values: another unit, percentages for ratios, nulls, zeros, fewer list elements.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::support::done::Done;
use crate::support::lake::column;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Asked, Reply, Script};

const NOW: &str = "2026-11-28T06:00:00Z";

fn job(source: &str, query: &str) -> String {
    format!(
        "[source]\ntype = \"{source}\"\nqueries = [{{ provider = \"aws\", product = \"ec2\"{query} }}]\n[window]\nbegin = \"2026-11-20\"\n\
         [limits]\nrequests_per_second = 1000\n"
    )
}

/// The midnights at which the requested days begin, in seconds.
fn days(asked: &Asked) -> Vec<i64> {
    let of = |name: &str| -> i64 {
        let text = asked.path.split(['?', '&']).find_map(|pair| pair.strip_prefix(name));
        text.expect("a time").parse::<i64>().expect("a number") / 1000
    };
    (of("start=")..of("end=")).step_by(86_400).collect()
}

/// An answer's values for a day: cost, its unit, the savings rate.
type Said = (Value, Value, f64);
type Words = Box<dyn Fn(String) -> Said + Send>;
type Says = Arc<Mutex<Words>>;

fn date(seconds: i64) -> String {
    DateTime::<Utc>::from_timestamp(seconds, 0).expect("an instant").date_naive().to_string()
}

fn savings(says: &Says) -> (Script, Lakehouse) {
    let says = Arc::clone(says);
    let script = Script::answering(move |asked| {
        let times = days(asked);
        let said: Vec<Said> = times.iter().map(|time| says.lock().expect("words")(date(*time))).collect();
        let unit = said.last().map(|said| said.1.clone()).unwrap_or_default();
        let metric =
            |values: Vec<Value>, unit: Value| json!({ "series": { "total": values }, "times": times, "unit": unit });
        let costs = || said.iter().map(|said| said.0.clone()).collect::<Vec<_>>();
        let rates = said.iter().map(|said| json!(said.2)).collect();
        Reply::good(&json!({
            "actual_cost": metric(costs(), unit.clone()),
            "on_demand_equivalent_cost": metric(costs(), unit.clone()),
            "realized_savings": metric(costs(), unit),
            "effective_savings_rate": metric(rates, json!({ "name": "percent", "scale_factor": 1 })),
        }))
    });
    let mut house = Lakehouse::new(script.url(), NOW);
    house.job("dog", &job("datadog_savings", ""));
    house.unset("AWS_ACCESS_KEY_ID");
    house.unset("AWS_SECRET_ACCESS_KEY");
    (script, house)
}

fn dollars(scale: f64) -> Value {
    json!({ "name": "dollar", "scale_factor": scale })
}

fn turn(says: &Says, of: impl Fn(String) -> Said + Send + 'static) {
    *says.lock().expect("words") = Box::new(of);
}

#[test]
fn values_that_turn_are_held_and_taken_with_a_word() {
    let cents = || json!({ "name": "cent", "scale_factor": 0.01 });
    let cases: [(&str, Words); 7] = [
        (
            "actual_cost of aws/ec2 was in dollar and would be in cent",
            Box::new(move |_| (json!(10_000.0), cents(), 0.3)),
        ),
        ("was in dollar and would be in 0.01 dollar", Box::new(|_| (json!(10_000.0), dollars(0.01), 0.3))),
        ("was in dollar and would be in no unit", Box::new(|_| (json!(101.0), Value::Null, 0.3))),
        (
            "effective_savings_rate was a ratio and would be a percentage",
            Box::new(|_| (json!(101.0), dollars(1.0), 31.0)),
        ),
        ("actual_cost would be null in 1 row where it had a value", Box::new(|_| (Value::Null, dollars(1.0), 0.3))),
        ("times a power of ten", Box::new(|_| (json!(10_000.0), dollars(1.0), 0.3))),
        ("times a power of ten", Box::new(|_| (json!(0.1), dollars(1.0), 0.3))),
    ];
    for (words, turned) in cases {
        let says: Says = Arc::new(Mutex::new(Box::new(|_| (json!(100.0), dollars(1.0), 0.3))));
        let (_script, mut house) = savings(&says);
        house.run_well();
        let before = house.rows("dog");
        turn(&says, turned);
        house.set("COSTLAKE_NOW", "2026-11-28T07:00:00Z");
        let done = house.json(&["run"]);
        done.exits(1).says(words).says("--accept dog:2026-11");
        assert_eq!(house.rows("dog"), before, "{words}");
        house.json(&["status", "--check"]).exits(6).says("quarantined");
        house.json(&["run", "--accept", "dog:2026-11"]).exits(0);
        assert_ne!(house.rows("dog"), before, "{words}");
    }
}

#[test]
fn a_unit_that_turns_with_new_days_does_not_land_beside_the_old_one() {
    for (next, held) in [("2026-11-29T06:00:00Z", "2026-11"), ("2026-12-02T06:00:00Z", "2026-12")] {
        let says: Says = Arc::new(Mutex::new(Box::new(|_| (json!(100.0), dollars(1.0), 0.3))));
        let (_script, mut house) = savings(&says);
        house.job("dog", &job("datadog_savings", "").replace("[limits]", "refresh = \"1 days\"\n[limits]"));
        house.run_well();
        let before = house.rows("dog").len();
        let words = format!("--accept dog:{held}");
        turn(&says, |_| (json!(9_000.0), json!({ "name": "cent" }), 0.3));
        house.set("COSTLAKE_NOW", next);
        house.json(&["run"]).exits(1).says("was in dollar and would be in cent").says(&words);
        assert_eq!(house.rows("dog").len(), before);
        turn(&says, |_| (json!(90.0), dollars(1.0), 0.3));
        house.run_well();
        assert!(house.rows("dog").len() > before, "what comes right again is taken");
    }
}

#[test]
fn values_that_move_as_values_do_are_taken() {
    let says: Says = Arc::new(Mutex::new(Box::new(|_| (json!(100.0), dollars(1.0), 0.3))));
    let (_script, mut house) = savings(&says);
    house.run_well();
    turn(&says, |day| (json!(if day.as_str() < "2026-11-25" { 250.0 } else { 7.5 }), dollars(1.0), -2.0));
    house.set("COSTLAKE_NOW", "2026-11-29T06:00:00Z");
    house.run_well();
}

/// A table of commitments with these ids.
fn commitments(ids: &Arc<Mutex<Vec<Value>>>) -> (Script, Lakehouse) {
    let ids = Arc::clone(ids);
    let script = Script::answering(move |_| {
        Reply::good(
            &json!({ "commitments": *ids.lock().expect("ids"), "meta": { "committed_spend_unit": dollars(1.0) } }),
        )
    });
    let mut house = Lakehouse::new(script.url(), NOW);
    house.job("dog", &job("datadog_commitments", ", commitment_type = \"ri\""));
    house.unset("AWS_ACCESS_KEY_ID");
    house.unset("AWS_SECRET_ACCESS_KEY");
    (script, house)
}

fn items(ids: &[&str]) -> Vec<Value> {
    ids.iter().map(|id| json!({ "commitment_id": id, "utilization": 0.9, "committed_spend_per_hour": 2.0 })).collect()
}

#[test]
fn a_list_that_shrinks_too_much_is_held() {
    let ids = Arc::new(Mutex::new(items(&["a", "b", "c", "d", "e"])));
    let (_script, house) = commitments(&ids);
    house.run_well();
    let before = house.rows("dog");
    *ids.lock().expect("ids") = items(&["a"]);
    house.json(&["run"]).exits(1).says("5 rows were listed of aws/ec2/ri and 1 would be, more than 20 % fewer");
    assert_eq!(house.rows("dog"), before);
    *ids.lock().expect("ids") = items(&["a", "b", "c", "d"]);
    house.run_well();
    let rows = house.rows("dog");
    let left = column(&rows, "commitment_id").into_iter().filter(|id| *id == "e").count();
    assert_eq!(left, 1, "a fifth is not more than a fifth: only the day that is not read again still has it");
}

#[test]
fn a_share_of_the_job_counts_for_lists() {
    let ids = Arc::new(Mutex::new(items(&["a", "b", "c", "d"])));
    let (_script, house) = commitments(&ids);
    let text = job("datadog_commitments", ", commitment_type = \"ri\"");
    house.job("dog", &text.replace("[limits]", "quarantine_share = 0.8\n[limits]"));
    house.run_well();
    *ids.lock().expect("ids") = items(&["a"]);
    house.run_well();
}

#[test]
fn a_utilization_that_turns_is_held() {
    let ids = Arc::new(Mutex::new(items(&["a", "b"])));
    let (_script, house) = commitments(&ids);
    house.run_well();
    for (name, value, words) in [
        ("utilization", json!(90.0), "utilization was a ratio and would be a percentage"),
        ("utilization", Value::Null, "utilization would be null in 2 rows where it had a value"),
        (
            "committed_spend_per_hour",
            json!(200.0),
            "committed_spend_per_hour would be what it was times a power of ten",
        ),
    ] {
        let mut turned = items(&["a", "b"]);
        turned.iter_mut().for_each(|item| item[name] = value.clone());
        *ids.lock().expect("ids") = turned;
        house.json(&["run"]).exits(1).says(words);
    }
}

#[test]
fn a_snapshot_is_as_long_as_the_one_before() {
    let accounts = Arc::new(Mutex::new(5));
    let count = Arc::clone(&accounts);
    let script = Script::answering(move |asked| {
        if asked.path.ends_with("/ccm_config") {
            return Reply::new(404, json!({ "errors": [{ "title": "not configured" }] }).to_string());
        }
        let account = |index: u32| json!({ "id": format!("a-{index}"), "attributes": { "aws_account_id": format!("00000000000{index}") } });
        let all: Vec<Value> = (0..*count.lock().expect("a count")).map(account).collect();
        Reply::good(&json!({ "data": all }))
    });
    let mut house = Lakehouse::new(script.url(), NOW);
    house.job("dog", "[source]\ntype = \"datadog_ccm_config\"\n[limits]\nrequests_per_second = 1000\n");
    house.unset("AWS_ACCESS_KEY_ID");
    house.unset("AWS_SECRET_ACCESS_KEY");
    house.run_well();
    *accounts.lock().expect("a count") = 1;
    for now in ["2026-11-29T06:00:00Z", "2026-11-30T06:00:00Z"] {
        house.set("COSTLAKE_NOW", now);
        house.json(&["run"]).exits(1).says("5 rows were listed and 1 would be, more than 20 % fewer");
        assert_eq!(house.rows("dog").len(), 5);
    }
    house.json(&["run", "--accept", "dog:2026-11"]).exits(0);
    house.run_well();
    assert_eq!(house.rows("dog").len(), 6);
}

#[test]
fn a_snapshot_of_days_that_move_on_may_be_shorter() {
    let open = Arc::new(Mutex::new(5_u32));
    let count = Arc::clone(&open);
    let script = Script::answering(move |asked| {
        let listed = if asked.path.contains("dismissal_cause=none") { *count.lock().expect("a count") } else { 0 };
        let all: Vec<Value> = (0..listed).map(|index| json!({ "uuid": format!("a-{index}") })).collect();
        Reply::good(&json!({ "data": { "attributes": { "anomalies": all, "total_count": listed } } }))
    });
    let mut house = Lakehouse::new(script.url(), NOW);
    house.job("dog", "[source]\ntype = \"datadog_cost_anomalies\"\n[limits]\nrequests_per_second = 1000\n");
    house.unset("AWS_ACCESS_KEY_ID");
    house.unset("AWS_SECRET_ACCESS_KEY");
    house.run_well();
    *open.lock().expect("a count") = 1;
    house.set("COSTLAKE_NOW", "2026-11-29T06:00:00Z");
    house.run_well();
    assert_eq!(house.rows("dog").len(), 6);
}

/// What a Savings Plans answer says of each day: used commitment of 240 and the percentage, or nothing of either.
type Used = Option<(&'static str, &'static str)>;

/// A table of Savings Plans whose days were used to 95.2 % and are told anew as `used`, of a commitment of `total`.
fn plans_turned(total: &'static str, used: Used) -> (Lakehouse, Done) {
    let told: Arc<Mutex<(&str, Used)>> = Arc::new(Mutex::new(("240", Some(("228.5", "95.2")))));
    let says = Arc::clone(&told);
    let script = Script::answering(move |asked| {
        let period = &asked.json()["TimePeriod"];
        let day = |name: &str| -> NaiveDate { period[name].as_str().expect("a day").parse().expect("a day") };
        let (total, used) = *says.lock().expect("words");
        let days = day("Start").iter_days().take_while(|date| *date < day("End")).map(|date| {
            let mut utilization = json!({ "TotalCommitment": total });
            if let Some((used, percentage)) = used {
                utilization["UsedCommitment"] = used.into();
                utilization["UtilizationPercentage"] = percentage.into();
            }
            let period = json!({ "Start": date, "End": date.succ_opt().expect("a day") });
            json!({ "TimePeriod": period, "Utilization": utilization })
        });
        Reply::good(&json!({ "SavingsPlansUtilizationsByTime": days.collect::<Vec<_>>() }))
    });
    let mut house = Lakehouse::new(script.url(), NOW);
    let job = "[source]\ntype = \"aws_savings_plans_utilization\"\n[window]\nbegin = \"2026-11-20\"\n";
    house.job("plans", &format!("{job}[limits]\nrequests_per_second = 1000\n"));
    house.run_well();
    *told.lock().expect("words") = (total, used);
    house.set("COSTLAKE_NOW", "2026-11-29T07:00:00Z");
    let done = house.json(&["run"]);
    (house, done)
}

/// A plan that nobody uses any more is what the table is for. A figure that is gone is not a zero, and a whole day of zeros
/// is no answer about a commitment.
#[test]
fn a_utilization_of_zero_is_taken_and_one_that_is_gone_is_held() {
    let (house, done) = plans_turned("240", Some(("0", "0")));
    done.exits(0);
    let rows = house.rows("plans");
    let percentages = column(&rows, "utilization_percentage");
    assert!(percentages.iter().all(|percentage| percentage.parse() == Ok(0.0)), "{percentages:?}");
    for (total, used, words) in [
        ("240", None, "would be null in 1 row where it had a value"),
        ("0", Some(("0", "0")), "all amounts of 1 row would be zero and were not"),
    ] {
        let (house, done) = plans_turned(total, used);
        done.exits(1).says(words);
        let rows = house.rows("plans");
        let held: Vec<_> = rows.iter().filter(|row| row["usage_date"].as_str() < "2026-11-28").collect();
        assert_eq!(held.len(), 8, "{words}");
        assert!(held.iter().all(|row| row["used_commitment"].starts_with("228.5")), "{words}: {held:?}");
    }
}
