//! Tables grouped by a product attribute: their totals are of the same services, and begin when the attributes did.

use serde_json::{Value, json};

use crate::support::cost_explorer::{after, dollars};
use crate::support::lake::column;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};
use crate::support::ungrouped::periods;

const NOW: &str = "2026-09-03T06:00:00Z";
const BY_MODEL: &str = r#"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ product_attribute = "model" }]
[window]
begin = "2026-08-30"
[limits]
requests_per_second = 1000
"#;

/// An account whose models cost 3 a day, and everything else 97.
fn answer(question: &Value) -> Value {
    let is_scoped = question["Filter"].to_string().contains("ProductAttributes");
    let cost = |amount: &str| json!({ "UnblendedCost": dollars(amount) });
    let grouped = !question["GroupBy"].is_null();
    let day = |(start, _): (String, String)| {
        let mut result = json!({ "TimePeriod": { "Start": start, "End": after(&start) }, "Estimated": true });
        if grouped {
            result["Groups"] = json!([
                { "Keys": ["model$"], "Metrics": cost("1") },
                { "Keys": ["model$Claude $ 5"], "Metrics": cost("2") },
            ]);
        } else {
            result["Total"] = cost(if is_scoped { "3" } else { "100" });
        }
        result
    };
    let results: Vec<Value> = periods(question).into_iter().map(day).collect();
    json!({ "ResultsByTime": results, "GroupDefinitions": question.get("GroupBy").unwrap_or(&json!([])) })
}

fn world() -> (Script, Lakehouse) {
    let script = Script::answering(|asked| {
        let question = asked.json();
        if question["TimePeriod"]["Start"].as_str().is_some_and(|start| start < "2026-09-01") {
            return Reply::fault("DataUnavailableException", "The requested data is unavailable.");
        }
        Reply::good(&answer(&question))
    })
    .with_totals();
    let house = Lakehouse::new(script.url(), NOW);
    (script, house)
}

#[test]
fn the_rows_add_up_to_the_totals_of_their_own_services() {
    let (script, house) = world();
    house.job("models", BY_MODEL);
    let report = house.run_well();
    assert_eq!(report["rows"], 4, "{report}");
    let rows = house.rows("models");
    assert_eq!(column(&rows, "product_attribute_model"), ["", "Claude $ 5", "", "Claude $ 5"]);
    let asked = script.take_asked();
    let starts: Vec<Value> = asked.iter().map(|asked| asked.json()["TimePeriod"]["Start"].clone()).collect();
    assert!(starts.iter().all(|start| start == "2026-09-01"), "{starts:?}");
    let status = house.json(&["status", "--check"]).exits(0).document();
    let states: Vec<&Value> =
        status["tables"][0]["days"].as_array().expect("days").iter().map(|day| &day["state"]).collect();
    assert_eq!(states, ["out_of_reach", "out_of_reach", "estimated", "estimated"]);
    house.runs_again_without_writing();
}

/// A table of the whole account is run in the same go: each gets the totals that it needs.
#[test]
fn its_totals_are_not_those_of_the_account() {
    let (script, house) = world();
    house.job("models", BY_MODEL);
    let whole = BY_MODEL.replace("group_by = [{ product_attribute = \"model\" }]\n", "");
    house.job("totals", &whole.replace("2026-08-30", "2026-09-01"));
    house.json(&["run"]).exits(0);
    assert_eq!(column(&house.rows("totals"), "unblended_cost"), ["100.000000000000", "100.000000000000"]);
    assert_eq!(house.rows("models").len(), 4);
    let scoped = script.take_asked().iter().filter(|asked| asked.json().get("Filter").is_some()).count();
    assert_eq!(scoped, 1, "only the totals of the models are restricted");
}

/// A misspelt key is no error of the API: everything falls into the empty value.
#[test]
fn an_attribute_without_any_value_is_said() {
    let one = |question: &Value| {
        let mut page = answer(question);
        for day in page["ResultsByTime"].as_array_mut().expect("days") {
            if day.get("Groups").is_some() {
                day["Groups"] = json!([{ "Keys": ["Model$"], "Metrics": { "UnblendedCost": dollars("3") } }]);
            }
        }
        Reply::good(&page)
    };
    let script = Script::answering(move |asked| one(&asked.json())).with_totals();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("models", &BY_MODEL.replace("\"model\"", "\"Model\"").replace("2026-08-30", "2026-09-01"));
    house.costlake(&["check"]).exits(0).says("\"Model\" is no product attribute that is known (did you mean `model`?)");
    house.costlake(&["run"]).exits(0).says("no row has a value in product_attribute_model yet");
}

#[test]
fn days_before_the_attributes_are_refused_in_the_apis_words_and_the_others_are_read() {
    let (_script, house) = world();
    house.job("models", BY_MODEL);
    house
        .costlake(&["backfill", "models", "--from", "2026-08-31", "--to", "2026-09-01", "--yes"])
        .exits(1)
        .says("2026-08-31 is older than the API's documented history: it is asked all the same")
        .says("The requested data is unavailable.");
    assert_eq!(house.rows("models").len(), 2, "September 1 is there");
}
