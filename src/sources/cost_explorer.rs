//! Shared by the sources of AWS Cost Explorer: requests of operations, and JSON objects of answers as fields of rows.
//!
//! Members become columns by their names in snake case, at any depth: `Utilization.TotalCommitment` fills
//! `total_commitment`. Numbers are text in the answers of this API.

use chrono::NaiveDate;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::error::{Error, Kind, Result};
use crate::request::{Answer, Operation, Purpose, Request};
use crate::window::{Window, parse_day};

use super::list::{Fields, Unique};

pub(super) mod by_time;
pub(super) mod listings;
#[cfg(test)]
pub(super) mod testing;

/// Maximum pages of one list; more is taken for an endless loop.
const MAX_PAGES: usize = 1_000;
/// Deepest nesting of the figures of an object; the API documents three levels.
const DEEPEST: usize = 16;

/// The operation of a request; Cost Explorer sources never receive an answer to any other kind.
pub(super) fn as_operation(request: &Request) -> Result<&Operation> {
    match request {
        Request::Operation(operation) => Ok(operation),
        Request::Call(_) => Err(Error::new(Kind::Internal, "a Cost Explorer source was given an answer of Datadog")),
    }
}

/// An error about an answer that cannot be trusted.
pub(super) fn bad_answer(message: impl Into<String>) -> Error {
    Error::new(Kind::BadAnswer, message)
}

/// The request of an operation about `window`; without data the API refuses it, which is an answer.
pub(super) fn operation(name: &'static str, body: Value, window: Window, subject: &str) -> Request {
    let purpose = Purpose { window, subject: subject.to_owned() };
    Request::Operation(Operation { name, body, no_data_is_an_answer: true, purpose })
}

/// `TimePeriod` of whole days, half-open.
pub(super) fn period_of(window: Window) -> Value {
    json!({ "Start": window.start().to_string(), "End": window.end().to_string() })
}

/// The members of an answer; none if the API has no data for the request.
pub(super) fn read_json(answer: &Answer) -> Result<Option<Fields<'_>>> {
    if answer.status != 200 {
        return Ok(None);
    }
    if answer.body.is_empty() {
        return Err(bad_answer("the answer is empty"));
    }
    serde_json::from_slice::<Unique<'_>>(&answer.body)
        .map(|members| Some(members.0))
        .map_err(|error| bad_answer("the answer is not the JSON that the API documents").because(error))
}

/// The objects of the list `name` of an answer; `null` is a list of none.
pub(super) fn objects<'a>(members: &Fields<'a>, name: &str) -> Result<Vec<Fields<'a>>> {
    let raw = members.get(name).ok_or_else(|| bad_answer(format!("the answer has no `{name}`")))?;
    let list: Option<Vec<Unique<'a>>> = serde_json::from_str(raw.get())
        .map_err(|error| bad_answer(format!("`{name}` is not a list of objects")).because(error))?;
    Ok(list.unwrap_or_default().into_iter().map(|object| object.0).collect())
}

/// The text of a member; `None` if it is absent, null or empty.
pub(super) fn text_of(members: &Fields<'_>, name: &str) -> Result<Option<String>> {
    let Some(raw) = members.get(name) else { return Ok(None) };
    let text: Option<String> =
        serde_json::from_str(raw.get()).map_err(|error| bad_answer(format!("`{name}` is not text")).because(error))?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The request for the next page, if the answer names one by the member `token`.
pub(super) fn next_page(
    members: &Fields<'_>,
    request: &Operation,
    token: &str,
    seen: &mut Vec<String>,
) -> Result<Option<Request>> {
    let Some(next) = text_of(members, token)? else { return Ok(None) };
    if seen.contains(&next) {
        return Err(bad_answer(format!("the answer repeats a {token}: following it would never end")));
    }
    if seen.len() >= MAX_PAGES {
        return Err(bad_answer(format!("the fetch has more than {MAX_PAGES} pages")));
    }
    // A list that has begun has data: without a next page it would be cut.
    let request = Request::Operation(Operation { no_data_is_an_answer: false, ..request.with(token, &next) });
    seen.push(next);
    Ok(Some(request))
}

/// The day that `TimePeriod` of an object begins on and the day it ends before; the member is removed.
pub(super) fn take_period(object: &mut Fields<'_>) -> Result<(NaiveDate, NaiveDate)> {
    let raw = object.remove("TimePeriod").ok_or_else(|| bad_answer("a period has no `TimePeriod`"))?;
    let period: Fields<'_> =
        serde_json::from_str(raw.get()).map_err(|error| bad_answer("a `TimePeriod` cannot be read").because(error))?;
    let day = |name: &str| Ok::<_, Error>(text_of(&period, name)?.and_then(|text| parse_day(text.get(..10)?)));
    match (day("Start")?, day("End")?) {
        (Some(start), Some(end)) if start < end => Ok((start, end)),
        _ => Err(bad_answer(format!("the period {} has no days", raw.get()))),
    }
}

/// The members of an object and of the objects in it, by their names in snake case; null and empty ones are left out.
/// Of names that occur twice, each gets the names above it in front: which of them a column means, nobody can say.
pub(super) fn flat<'a>(object: Fields<'a>) -> Result<Fields<'a>> {
    let mut found = Vec::new();
    flatten("", object, 0, &mut found)?;
    let mut fields = Fields::new();
    for (name, path, raw) in &found {
        let is_alone = found.iter().filter(|(other, ..)| other == name).count() == 1;
        let key = if is_alone { name } else { path };
        if fields.insert(key.clone(), *raw).is_some() {
            return Err(bad_answer(format!("`{key}` is there twice")));
        }
    }
    Ok(fields)
}

/// Adds name, path and value of each member.
fn flatten<'a>(
    above: &str,
    object: Fields<'a>,
    depth: usize,
    found: &mut Vec<(String, String, &'a RawValue)>,
) -> Result<()> {
    if depth > DEEPEST {
        return Err(bad_answer(format!("the answer has objects nested more than {DEEPEST} deep")));
    }
    for (name, raw) in object {
        let name = snake(&name);
        let path = format!("{above}{name}");
        if raw.get().starts_with('{') && !is_empty(raw) {
            let inner: Unique<'a> = serde_json::from_str(raw.get())
                .map_err(|error| bad_answer(format!("`{path}` cannot be read")).because(error))?;
            flatten(&format!("{path}_"), inner.0, depth + 1, found)?;
        } else if !is_empty(raw) {
            found.push((name, path, raw));
        }
    }
    Ok(())
}

fn is_empty(raw: &RawValue) -> bool {
    matches!(raw.get(), "null" | "[]" | "{}" | "\"\"")
}

/// A member's name as a column: `OnDemandCostOfRIHoursUsed` is `on_demand_cost_of_ri_hours_used`.
fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (index, c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| chars.get(before));
        let begins_word = before.is_some_and(|before| !before.is_uppercase() && *before != '_')
            || before.is_some() && chars.get(index + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && begins_word && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::{Fields, flat, snake};

    #[test]
    fn members_become_names_of_columns() {
        for (name, wanted) in [
            ("TotalCommitment", "total_commitment"),
            ("OnDemandCostOfRIHoursUsed", "on_demand_cost_of_ri_hours_used"),
            ("NetRISavings", "net_ri_savings"),
            ("RICostForUnusedHours", "ri_cost_for_unused_hours"),
            ("UtilizationPercentageInUnits", "utilization_percentage_in_units"),
            ("AnomalyId", "anomaly_id"),
            ("already_snake", "already_snake"),
            ("X", "x"),
        ] {
            assert_eq!(snake(name), wanted, "{name}");
        }
    }

    #[test]
    fn objects_are_read_at_any_depth_and_no_value_is_lost() {
        let text = r#"{"A":{"Cost":"1","Deep":{"Cost":"2","Empty":{}}},"B":{"Cost":"3"},"None":null,"List":[1]}"#;
        let object: Fields<'_> = serde_json::from_str(text).expect("JSON");
        let found: Vec<String> =
            flat(object).expect("fields").iter().map(|(name, raw)| format!("{name}={raw}")).collect();
        assert_eq!(found, ["a_cost=\"1\"", "a_deep_cost=\"2\"", "b_cost=\"3\"", "list=[1]"]);
        let deep = format!("{{\"a\":{}1{}}}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        let refused = flat(serde_json::from_str(&deep).expect("JSON")).expect_err("too deep");
        assert_eq!(refused.message(), "the answer has objects nested more than 16 deep");
        assert!(flat(serde_json::from_str(r#"{"AB":1,"Ab":2}"#).expect("JSON")).is_err(), "one name for two members");
        let object: Fields<'_> = serde_json::from_str(r#"{"Cost":"1","A":{"Cost":"2"}}"#).expect("JSON");
        let names: Vec<String> = flat(object).expect("fields").into_keys().collect();
        assert_eq!(names, ["a_cost", "cost"], "the outer one has no names above it");
    }
}
