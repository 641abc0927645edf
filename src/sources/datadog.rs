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

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::{Error, Kind, Result};
use crate::request::{Answer, Call, Request};

pub(super) mod queries;
pub(super) mod tag_keys;
pub(super) mod timeseries;
mod unit;

pub(super) use queries::{CommitmentType, QUERIES, Queries, Query};
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
