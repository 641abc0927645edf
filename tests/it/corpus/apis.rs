//! Answers of both APIs: good answers fill a lake, then each case gives bad answers to the same requests.

use serde::Deserialize;

use super::edit::{Cross, Edit};
use super::ledger_files::{copy, held};
use super::said::{self, Said, read};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    now: String,
    job: String,
    /// Good answers, in the order in which they are requested.
    good: Vec<String>,
    /// Whether the first of them answers the request for totals.
    #[serde(default)]
    with_totals: bool,
    #[serde(default)]
    case: Vec<Edit>,
    #[serde(default)]
    every: Vec<Cross>,
}

fn open(script: &Script, answers: &Answers) -> Lakehouse {
    let house = said::house(script.url(), &answers.now);
    house.job("costs", &answers.job);
    house
}

fn script(answers: &Answers) -> Script {
    if answers.with_totals { Script::new().with_totals() } else { Script::new() }
}

fn good(answers: &Answers) -> Vec<Reply> {
    answers.good.iter().map(|body| Reply::new(200, body.as_str())).collect()
}

fn replies(answers: &Answers, edit: &Edit) -> Vec<Reply> {
    let mut replies = good(answers);
    let body = edit.body(&answers.good[edit.page]);
    let reply = Reply::new(edit.status.unwrap_or(200), body);
    let reply = edit.headers.iter().fold(reply, |reply, (name, value)| reply.with(name, value));
    replies.splice(edit.page..=edit.page, std::iter::repeat_n(reply, edit.repeat + 1));
    replies
}

fn play(kind: &str) {
    let answers: Answers = read(kind);
    let source = script(&answers);
    let base = open(&source, &answers);
    source.then(good(&answers));
    base.run_well();
    let mut said = Said::default();
    for edit in answers.every.iter().flat_map(Cross::edits).chain(answers.case.clone()) {
        let script = script(&answers);
        let house = open(&script, &answers);
        copy(&base.lake(), &house.lake());
        let before = held(&house.lake());
        script.then(replies(&answers, &edit));
        let done = house.json(&["run"]);
        let after = held(&house.lake());
        let written = after.objects != before.objects;
        said.note(&edit.name, &house, &done, written);
        if done.code != Some(0) {
            assert_eq!(after, before, "{kind}: {}: the lake was touched: {done}", edit.name);
        }
    }
    said.settle(kind);
}

#[test]
fn groups_by_day() {
    play("groups");
}

#[test]
fn totals_by_day() {
    play("totals");
}

#[test]
fn control_sums() {
    play("control_sums");
}

#[test]
fn hours() {
    play("hours");
}

#[test]
fn months() {
    play("months");
}

#[test]
fn refusals_of_cost_explorer() {
    play("refusals");
}

#[test]
fn savings_plans() {
    play("savings_plans");
}

#[test]
fn reservations() {
    play("reservations");
}

#[test]
fn forecasts() {
    play("forecast");
}

#[test]
fn anomalies() {
    play("anomalies");
}

#[test]
fn commitments() {
    play("commitments");
}

#[test]
fn savings() {
    play("savings");
}

#[test]
fn exports() {
    play("exports");
}

#[test]
fn utilization_of_commitments() {
    play("utilization");
}

#[test]
fn coverage_by_commitments() {
    play("coverage");
}

#[test]
fn hot_spots() {
    play("hot_spots");
}

#[test]
fn costs_by_tag() {
    play("costs");
}

#[test]
fn budgets() {
    play("budgets");
}

#[test]
fn datadog_anomalies() {
    play("datadog_anomalies");
}

#[test]
fn cloud_accounts() {
    play("cloud_accounts");
}
