//! What is kept beside the table on request: raw answers and replaced generations, both create-only and before the PUT.
//!
//! `raw/<partition>/<first day>_<last day>-<digest>.json.zst` holds the answers of one fetch in the order they came,
//! enough to make the rows again without asking. Answers that carry more than they need (account details) are reduced
//! by their source first.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::generation::Base;
use crate::plan::Fetch;
use crate::request::{Answer, Request};

use super::JobRun;

#[derive(Serialize)]
struct RawFetch<'a> {
    format: u32,
    windows: Vec<crate::window::Window>,
    read_for: std::collections::BTreeSet<String>,
    answers: Vec<RawAnswer<'a>>,
}

#[derive(Serialize)]
struct RawAnswer<'a> {
    request: String,
    status: u16,
    body: &'a RawValue,
}

/// Keeps the answers of a fetch, if the job wants them.
pub(super) async fn keep(job: &JobRun<'_>, fetch: &Fetch, answers: &[(Request, Answer)]) -> Result<()> {
    if !job.job.keep_raw || answers.is_empty() {
        return Ok(());
    }
    let failed = |error: serde_json::Error| Error::new(Kind::Internal, "cannot keep a raw answer").because(error);
    let source = &job.job.source;
    let texts: Vec<Vec<u8>> = answers
        .iter()
        .map(|(request, answer)| source.redact_raw(request, answer).unwrap_or_else(|| answer.body.to_vec()))
        .collect();
    let mut kept = Vec::with_capacity(answers.len());
    for ((request, answer), text) in answers.iter().zip(&texts) {
        let body: &RawValue = serde_json::from_slice(text).map_err(failed)?;
        kept.push(RawAnswer { request: request.to_string(), status: answer.status, body });
    }
    let whole = RawFetch { format: 1, windows: fetch.windows.clone(), read_for: source.read_for(), answers: kept };
    let text = serde_json::to_vec(&whole).map_err(failed)?;
    let digest: String = Sha256::digest(&text).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let days = match (fetch.slots.first(), fetch.slots.last()) {
        (Some(first), Some(last)) => format!("{first}_{last}"),
        _ => String::new(),
    };
    let key = format!("_costlake/{}/raw/{}/{days}-{digest}.json.zst", job.job.name, fetch.partition);
    let packed = zstd::bulk::compress(&text, 3)
        .map_err(|error| Error::new(Kind::Internal, "cannot compress a raw answer").because(error))?;
    job.context.lake.create(&key, Bytes::from(packed)).await.map(|_| ())
}

/// Keeps the generation that is about to be replaced under its epoch, if the job wants it.
pub(super) async fn keep_history(job: &JobRun<'_>, fetch: &Fetch, base: Option<&Base>) -> Result<()> {
    let Some(base) = base.filter(|_| job.keeps_history()) else { return Ok(()) };
    let key = format!("_costlake/{}/history/{}/{:020}.parquet", job.job.name, fetch.partition, base.footer.epoch);
    if job.context.lake.create(&key, base.bytes.clone()).await? {
        return Ok(());
    }
    Err(Error::new(Kind::Store, "another object stands where a replaced generation is kept").at("key", key))
}
