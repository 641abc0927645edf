//! Shared by the sources of AWS Cost Explorer.

use crate::error::{Error, Kind, Result};
use crate::request::{Operation, Request};

/// The operation of a request; Cost Explorer sources never receive an answer to any other kind.
pub(super) fn as_operation(request: &Request) -> Result<&Operation> {
    match request {
        Request::Operation(operation) => Ok(operation),
        Request::Call(_) => Err(Error::new(Kind::Internal, "a Cost Explorer source was given an answer of Datadog")),
    }
}
