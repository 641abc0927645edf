//! `health`: asks a running `serve` or `sandbox` whether it is ready, for health checks of containers.

use serde_json::json;

use crate::clients::health::{ask, target};
use crate::error::Result;

use super::args::{Global, Output};
use super::screen;

/// `costlake health`.
pub(super) async fn health(global: &Global, address: &str) -> Result<u8> {
    let url = target(address)?;
    let said = ask(&url).await?;
    match global.output {
        Output::Json => screen::json(&json!({ "address": url.as_str(), "said": said, "exit_code": 0 }))?,
        Output::Text | Output::Csv => screen::out(if said.is_empty() { "ready" } else { &said }),
    }
    Ok(0)
}
