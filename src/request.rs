//! Requests and responses: plain values exchanged between a source and the API clients.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::cents::Cents;
use crate::window::Window;

/// One API call, before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// An operation of Cost Explorer: [`Operation::PRICE`] for each answer.
    Operation(Operation),
    /// An HTTP request to Datadog's API: free.
    Call(Call),
}

impl Request {
    /// Whether the response to this request is charged for.
    #[must_use]
    pub fn is_charged(&self) -> bool {
        matches!(self, Self::Operation(_))
    }

    /// The days and the subject of the request.
    #[must_use]
    pub fn purpose(&self) -> &Purpose {
        match self {
            Self::Operation(operation) => &operation.purpose,
            Self::Call(call) => &call.purpose,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(operation) => write!(f, "{} {}", operation.name, operation.purpose.window),
            Self::Call(call) => write!(f, "{} {}", call.method(), call.path),
        }
    }
}

/// An operation of an AWS service with a JSON protocol: the name goes into the header `X-Amz-Target`.
/// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// Its name, such as `GetCostAndUsage`.
    pub name: &'static str,
    /// The input as a JSON object, in the API's own terms.
    pub body: Value,
    /// Whether `DataUnavailableException` is a valid response instead of an error.
    pub no_data_is_an_answer: bool,
    /// The days and the subject of this request, set by the source.
    pub purpose: Purpose,
}

impl Operation {
    /// Price of each answer, a page.
    pub const PRICE: Cents = Cents(1);

    /// The text of a member of the input, such as a page token.
    #[must_use]
    pub fn text(&self, member: &str) -> Option<&str> {
        self.body.get(member)?.as_str()
    }

    /// The same operation with another text in one member: the request for the next page.
    #[must_use]
    pub fn with(&self, member: &str, text: &str) -> Self {
        let mut next = self.clone();
        next.body[member] = Value::from(text);
        next
    }
}

/// A request of one path of Datadog's API: a POST if it has a body, else a GET.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Absolute path, `/api/v2/…`.
    pub path: String,
    /// Query parameters, not yet percent-encoded.
    pub query: Vec<(String, String)>,
    /// The JSON to send.
    pub body: Option<Value>,
    /// Statuses besides 200 that are valid responses instead of errors.
    pub also_answers: &'static [u16],
    /// The days and the subject of this request, set by the source.
    pub purpose: Purpose,
}

impl Call {
    /// The HTTP method.
    #[must_use]
    pub fn method(&self) -> &'static str {
        if self.body.is_some() { "POST" } else { "GET" }
    }
}

/// The purpose of a [`Request`], so that the parser need not parse its parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// The requested days.
    pub window: Window,
    /// The source's query, or whatever else distinguishes requests of one source.
    pub subject: String,
}

/// One response page as received.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status: 200, or another one where that is a valid response ([`Call::also_answers`]; Cost Explorer: 400).
    pub status: u16,
    /// The decompressed body, byte for byte.
    pub body: Bytes,
    /// The API's own id of the request, for support cases.
    pub request_id: Option<String>,
    /// The server's time: the `Date` header.
    pub date: Option<DateTime<Utc>>,
    /// Whether the response is marked as made-up figures ([`FIGURES_HEADER`]).
    pub made_up: bool,
}

/// The header by which a sandbox marks its figures as made up.
pub const FIGURES_HEADER: &str = "x-costlake-figures";
