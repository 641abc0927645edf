//! Shared by the Datadog sources: a job's list of queries, times, and tolerant parsers for parts of answers.
//!
//! The API is a preview: nothing in it is declared nullable, yet related Datadog APIs send `null`, units as pairs,
//! whole numbers for doubles and milliseconds for seconds. So values are parsed by their shape rather than by the
//! specification, and a value that cannot be parsed is an error that names its place:
//!
//! | value | read as |
//! |---|---|
//! | a number `5000`, `1e3`, `-0.0` | the nearest double of its own text |
//! | a number beyond a double, `1e400` | an error |
//! | `NaN`, `Infinity`, in quotes or bare | an error |
//! | a unit `{name, short_name, …}`, `null`, absent, `[unit, null]`, text | its name, else its short name, else nothing; for scales see `datadog/unit.rs` |
//! | `""` where text is expected | absent |

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use chrono::NaiveDate;
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::request::{Answer, Call, Request};
use crate::window::{Window, days_before};

pub(super) mod queries;
pub(super) mod resources;
pub(super) mod tag_keys;
pub(super) mod timeseries;
mod unit;

pub(super) use queries::{CommitmentType, QUERIES, QUERY_COLUMNS, Queries, Query};
pub(super) use unit::unit_name;
pub use unit::{SCALES, scale_of};

/// The call of a request; Datadog sources never receive an answer to any other kind.
pub(super) fn as_call(request: &Request) -> Result<&Call> {
    match request {
        Request::Call(call) => Ok(call),
        Request::Operation(_) => {
            Err(Error::new(Kind::Internal, "a Datadog source was given an answer of Cost Explorer"))
        }
    }
}

/// An error about an answer that cannot be trusted.
pub(super) fn bad_answer(message: impl Into<String>) -> Error {
    Error::new(Kind::BadAnswer, message)
}

/// Parses an answer, which must be a JSON object.
pub(super) fn read_json<'a, T: Deserialize<'a>>(answer: &'a Answer) -> Result<T> {
    let first = answer.body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        let begins: String = String::from_utf8_lossy(&answer.body).trim().chars().take(60).collect();
        return Err(bad_answer("the answer is not a JSON object")
            .at("begins", format!("`{begins}`"))
            .advise("see whether a proxy or a custom COSTLAKE_DATADOG_URL answers in the API's place"));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| bad_answer("the answer is not the JSON that the API documents").because(error))
}

#[derive(Deserialize)]
struct Envelope<A> {
    data: Option<Object<Data<A>>>,
}

#[derive(Deserialize)]
struct Data<A> {
    attributes: Option<Object<A>>,
}

/// Reads what is in `data.attributes` of an answer.
pub(super) fn read_attributes<'a, A: Deserialize<'a>>(answer: &'a Answer) -> Result<A> {
    let attributes = read_json::<Envelope<A>>(answer)?.data.and_then(|data| data.0.attributes);
    attributes.map(|attributes| attributes.0).ok_or_else(|| bad_answer("the answer has no `data.attributes`"))
}

/// The `count` days before `day`, which a snapshot of that day is about.
pub(super) fn range_before(day: NaiveDate, count: u64) -> Window {
    Window::new(days_before(day, count), day).unwrap_or_else(|| Window::day(day))
}

/// Whether an answer is the API's own 404; any other 404, such as a proxy's page, is an error.
pub(super) fn is_not_found(answer: &Answer) -> Result<bool> {
    if answer.status != 404 {
        return Ok(false);
    }
    errors_of(answer).map(|_| true)
}

/// What the API says in its own 400; `None` for any other status. A 400 of something else is an error.
pub(super) fn refusal(answer: &Answer) -> Result<Option<String>> {
    if answer.status != 400 {
        return Ok(None);
    }
    let errors = errors_of(answer)?;
    let member = |error: &Value, name: &str| error.get(name).and_then(Value::as_str).map(str::to_owned);
    let said = |error: &Value| error.as_str().map(str::to_owned).or_else(|| member(error, "detail"));
    let words = |error: &Value| said(error).or_else(|| member(error, "title")).unwrap_or_else(|| error.to_string());
    Ok(Some(errors.as_array().map_or(errors.to_string(), |all| all.iter().map(words).collect::<Vec<_>>().join("; "))))
}

/// The `errors` of an answer that is none of success.
fn errors_of(answer: &Answer) -> Result<Value> {
    let mut said: BTreeMap<String, Value> = read_json(answer)?;
    let strange = || format!("the answer is a {} without the `errors` that the API documents", answer.status);
    said.remove("errors").ok_or_else(|| bad_answer(strange()))
}

/// Whether an id from an answer may become part of a request path: UUIDs, and nothing that changes the path.
pub(super) fn is_safe(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Deserializes a member so that `null` (`Some(None)`) differs from a missing member (`None`).
pub(super) fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(input: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(input).map(Some)
}

/// A `T` that deserializes from a JSON object only; a derived struct would also accept an array of its members.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Members<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        input.deserialize_map(Members(PhantomData)).map(Object)
    }
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
