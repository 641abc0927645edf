//! Shared by the three Datadog sources: a job's list of queries, times, and tolerant parsers for parts of answers.
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

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Kind, Result};
use crate::job::section::Section;
use crate::request::{Answer, Get, Request};
use crate::table::{Table, parse_schema};
use crate::window::Window;

mod query;
mod rows;
mod unit;

pub(super) use query::{CommitmentType, Queries, Query};
pub(super) use rows::{Cell, Rows};
pub(super) use unit::unit_name;
pub use unit::{SCALES, scale_of};

/// Builds the table of a schema file; `sort_key` orders and identifies its rows.
pub(super) fn read_table(section: &Section<'_>, schema: &str, sort_key: &[&str]) -> Option<Arc<Table>> {
    match parse_schema(schema) {
        Ok(columns) => Some(Arc::new(Table::new(columns, sort_key, &[]))),
        Err(error) => {
            section.note("type", format!("has a built-in schema that cannot be read: {error}"));
            None
        }
    }
}

/// The GET of a request; Datadog readers never receive any other kind.
pub(super) fn as_get(request: &Request) -> Result<&Get> {
    match request {
        Request::Get(get) => Ok(get),
        Request::CostAndUsage(_) => {
            Err(Error::new(Kind::Internal, "a Datadog source was given an answer of Cost Explorer"))
        }
    }
}

/// A `BadAnswer` error about the answer to `get`.
pub(super) fn bad_answer(get: &Get, message: impl Into<String>) -> Error {
    Error::new(Kind::BadAnswer, message).at("query", &get.purpose.subject).at("window", get.purpose.window)
}

/// Parses an answer, which must be a JSON object.
pub(super) fn read_json<'a, T: Deserialize<'a>>(get: &Get, answer: &'a Answer) -> Result<T> {
    let first = answer.body.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'{') {
        let begins: String = String::from_utf8_lossy(&answer.body).trim().chars().take(60).collect();
        return Err(bad_answer(get, "the answer is not a JSON object")
            .at("begins", format!("`{begins}`"))
            .advise("see whether a proxy or a custom COSTLAKE_DATADOG_URL answers in the API's place"));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|error| bad_answer(get, "the answer is not the JSON that the API documents").because(error))
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

/// The requests of a fetch that have no answer yet.
#[derive(Debug, Default)]
pub(super) struct Awaited(BTreeSet<(Window, String)>);

impl Awaited {
    /// Adds `requests` to those without an answer.
    pub(super) fn add(&mut self, requests: &[Request]) {
        for get in requests.iter().filter_map(|request| as_get(request).ok()) {
            self.0.insert((get.purpose.window, get.purpose.subject.clone()));
        }
    }

    /// Marks `get` as answered; an error if it was not requested or is answered already.
    pub(super) fn arrived(&mut self, get: &Get) -> Result<()> {
        if self.0.remove(&(get.purpose.window, get.purpose.subject.clone())) {
            return Ok(());
        }
        Err(bad_answer(get, "an answer came twice, or to a request that was not made").into_kind(Kind::Internal))
    }

    /// Checks that every request was answered.
    pub(super) fn finish(&self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some((window, subject)) => {
                Err(Error::new(Kind::Internal, "a fetch ended before all its answers were read")
                    .at("query", subject)
                    .at("window", window))
            }
        }
    }
}

/// The double nearest to the text of a JSON number; `None` if it is not a number or is too large.
///
/// `serde_json` parses doubles fast, but the last digit can be wrong; here the text is parsed exactly.
pub(super) fn number(text: &str) -> Option<f64> {
    let starts_right = text.bytes().next().is_some_and(|byte| byte == b'-' || byte.is_ascii_digit());
    text.parse::<f64>().ok().filter(|number| starts_right && number.is_finite())
}

/// The first eight of `names`, for a note.
pub(super) fn some_of(names: &BTreeSet<String>) -> String {
    let mut text = names.iter().take(8).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > 8 {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
