//! Datadog's budgets of which one cannot be told: the others are taken, and the day is not called done.

use std::sync::{Arc, Mutex};

use serde_json::json;

use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Asked, Reply, Script};

const JOB: &str = "[source]\ntype = \"datadog_budgets\"\n[limits]\nrequests_per_second = 1000\n";

/// Three budgets, of which `b-2` is answered with `troubled`, if there is such an answer.
fn answer(asked: &Asked, troubled: Option<&Reply>) -> Reply {
    let path = asked.path.split('?').next().unwrap_or_default();
    match path.rsplit('/').next().unwrap_or_default() {
        "budgets" => Reply::good(&json!({ "data": [{ "id": "b-1" }, { "id": "b-2" }, { "id": "b-3" }] })),
        "b-2" if troubled.is_some() => troubled.expect("an answer").clone(),
        id => Reply::good(&json!({ "data": { "id": id, "attributes": {
            "costs_unit": { "name": "dollar" },
            "entries": [{ "month": 202_611, "amount": 100, "costs": { "actual": 40, "forecast": 90 } }],
        } } })),
    }
}

#[test]
fn one_budget_that_cannot_be_told_takes_no_other_with_it() {
    let troubled: Arc<Mutex<Option<Reply>>> = Arc::default();
    let given = Arc::clone(&troubled);
    let script = Script::answering(move |asked| answer(asked, given.lock().expect("no panic").as_ref()));
    let set = |reply: Option<Reply>| *troubled.lock().expect("no panic") = reply;
    let without_costs = || Reply::good(&json!({ "data": null, "meta": { "error": "query failed" } }));
    let mut house = Lakehouse::new(script.url(), "2026-11-03T06:00:00Z");
    house.job("budgets", JOB);
    let of_day =
        |house: &Lakehouse, day: &str| house.rows("budgets").iter().filter(|row| row["usage_date"] == day).count();
    house.run_well();
    assert_eq!(of_day(&house, "2026-11-03"), 3);

    house.set("COSTLAKE_NOW", "2026-11-04T06:00:00Z");
    set(Some(without_costs()));
    let done = house.json(&["run"]);
    done.exits(1).says("Datadog could not get the costs of a budget: query failed (budget b-2)");
    done.says("the other rows of the day are taken");
    assert_eq!(of_day(&house, "2026-11-04"), 2, "a third fewer than the day before, and not held");
    house.costlake(&["status", "--check"]).exits(6);

    let before = house.objects();
    house.json(&["run"]).exits(1).says("(budget b-2)").says("the day keeps its rows");
    assert_eq!(house.objects(), before);

    set(None);
    house.json(&["run"]).exits(0);
    assert_eq!(of_day(&house, "2026-11-04"), 3);
    house.costlake(&["status", "--check"]).exits(0);
    house.costlake(&["verify", "--full"]).exits(0);

    set(Some(Reply::new(400, r#"{"errors":["invalid tags"]}"#)));
    let before = house.objects();
    house.json(&["run"]).exits(1).says("invalid tags (budget b-2)").says("the day keeps its rows");
    assert_eq!((house.objects(), of_day(&house, "2026-11-04")), (before, 3));

    set(Some(Reply::new(400, "<html>a proxy</html>")));
    house.json(&["run"]).exits(1).says("the answer is not a JSON object");
    assert_eq!(of_day(&house, "2026-11-04"), 3);
}
