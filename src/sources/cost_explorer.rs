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

use super::list::Fields;

pub(super) mod by_time;
pub(super) mod listings;
#[cfg(test)]
pub(super) mod testing;

/// Maximum pages of one list; more is taken for an endless loop.
const MAX_PAGES: usize = 1_000;

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
    serde_json::from_slice(&answer.body)
        .map(Some)
        .map_err(|error| bad_answer("the answer is not the JSON that the API documents").because(error))
}

/// The objects of the list `name` of an answer; `null` is a list of none.
pub(super) fn objects<'a>(members: &Fields<'a>, name: &str) -> Result<Vec<Fields<'a>>> {
    let raw = members.get(name).ok_or_else(|| bad_answer(format!("the answer has no `{name}`")))?;
    let list: Option<Vec<Fields<'a>>> = serde_json::from_str(raw.get())
        .map_err(|error| bad_answer(format!("`{name}` is not a list of objects")).because(error))?;
    Ok(list.unwrap_or_default())
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
    let request = Request::Operation(request.with(token, &next));
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
/// A name that occurs twice is prefixed with the names above it.
pub(super) fn flat<'a>(object: Fields<'a>) -> Result<Fields<'a>> {
    let mut found = Fields::new();
    flatten("", object, &mut found)?;
    Ok(found)
}

fn flatten<'a>(above: &str, object: Fields<'a>, found: &mut Fields<'a>) -> Result<()> {
    for (name, raw) in object {
        let name = snake(&name);
        if is_empty(raw) {
            continue;
        }
        if raw.get().starts_with('{') {
            let inner = serde_json::from_str(raw.get())
                .map_err(|error| bad_answer(format!("`{name}` cannot be read")).because(error))?;
            flatten(&format!("{above}{name}_"), inner, found)?;
        } else if found.contains_key(&name) {
            found.insert(format!("{above}{name}"), raw);
        } else {
            found.insert(name, raw);
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
        assert_eq!(found, ["a_deep_cost=\"2\"", "b_cost=\"3\"", "cost=\"1\"", "list=[1]"]);
    }
}
