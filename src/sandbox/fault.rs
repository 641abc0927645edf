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

    /// The answer for days that the service does not have.
    pub(super) fn no_data() -> Self {
        Self::new(
            "DataUnavailableException",
            "Data is not available. Please try to adjust the time period. If just enabled Cost Explorer, data might not be \
             ingested yet",
        )
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }
}
