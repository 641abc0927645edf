//! Errors with the messages of the real service.

use serde::Serialize;

/// An error answer of Cost Explorer, sent as HTTP 400 (500 for `InternalServerError`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Fault {
    #[serde(rename = "__type")]
    pub(super) code: &'static str,
    #[serde(rename = "Message")]
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }
}
