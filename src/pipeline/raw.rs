//! What is kept beside the table on request: raw answers and replaced generations, both create-only and before the PUT.
//!
//! `raw/<partition>/<first day>_<last day>-<digest>.json.zst` holds the answers of one fetch in the order they came,
//! enough to make the rows again without asking ([`super::rebuild`]). Answers that carry more than they need (account
//! details) are reduced by their source first.

use std::collections::BTreeSet;
use std::io::Read;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::crash;
use crate::error::{Error, Kind, Result};
use crate::generation::Base;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger_store::kept_key;
use crate::plan::Fetch;
use crate::request::{Answer, Request};
use crate::window::{Partition, Window};

use super::JobRun;

/// Version of the layout.
const FORMAT: u32 = 1;
const SUFFIX: &str = ".json.zst";

#[derive(Serialize)]
struct RawFetch<'a> {
    format: u32,
    fingerprint: &'a str,
    windows: Vec<Window>,
    read_for: BTreeSet<String>,
    answers: Vec<RawAnswer<'a>>,
}

#[derive(Serialize)]
struct RawAnswer<'a> {
    request: String,
    asked: String,
    status: u16,
    body: &'a RawValue,
}

/// The answers of one fetch as they are kept.
#[derive(Debug, Deserialize)]
pub struct KeptFetch {
    format: u32,
    /// Fingerprint of the table.
    #[serde(default)]
    pub(super) fingerprint: String,
    /// The request series.
    pub(super) windows: Vec<Window>,
    /// Queries that were asked.
    pub(super) read_for: BTreeSet<String>,
    /// The answers, in the order of their requests.
    pub(super) answers: Vec<KeptAnswer>,
}

/// One kept answer.
#[derive(Debug, Deserialize)]
pub(super) struct KeptAnswer {
    /// The request as it is shown.
    pub(super) request: String,
    /// The request as it was asked, with its parameters; empty where an older costlake did not write it.
    #[serde(default)]
    pub(super) asked: String,
    /// HTTP status.
    pub(super) status: u16,
    /// The answer.
    pub(super) body: Box<RawValue>,
}

/// A request with all that tells it from its neighbours.
pub(super) fn asked(request: &Request) -> String {
    match request {
        Request::Get(get) => {
            let pairs: Vec<String> = get.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("GET {}?{}", get.path, pairs.join("&"))
        }
        Request::CostAndUsage(_) => request.to_string(),
    }
}

/// The folder of a partition's kept answers.
pub(super) fn folder(table: &str) -> String {
    format!("_costlake/{table}/raw")
}

/// Bytes that kept answers may unpack to, whatever their size; more is for more packed bytes only.
const UNPACKED: u64 = 64 << 20;
/// Times that answers may be smaller packed. Chosen to be far above what JSON of costs should reach, which has not been
/// measured; a made-up object of zeros is some ten thousand times smaller.
const SMALLER: u64 = 300;

/// Reads a kept fetch: `name` holds the digest of its text.
///
/// # Errors
/// [`Kind::Store`] when the bytes are not what was kept under that name, or of a newer layout.
pub fn unpack(name: &str, packed: &[u8]) -> Result<KeptFetch> {
    let damaged = || Error::new(Kind::Store, "the kept answers are damaged");
    let most = UNPACKED + packed.len() as u64 * SMALLER;
    let mut text = Vec::new();
    zstd::stream::Decoder::with_buffer(packed)
        .and_then(|unpacked| unpacked.take(most + 1).read_to_end(&mut text))
        .map_err(|error| damaged().because(error))?;
    if text.len() as u64 > most {
        return Err(damaged().because(format!("{} bytes unpack to more than {most}", packed.len())));
    }
    let digest = name.strip_suffix(SUFFIX).and_then(|stem| stem.rsplit('-').next());
    if digest != Some(digest_of(&text).as_str()) {
        return Err(damaged());
    }
    let kept: KeptFetch = serde_json::from_slice(&text).map_err(|error| damaged().because(error))?;
    if kept.format > FORMAT {
        return Err(Error::new(Kind::Store, "the kept answers are of a newer layout than this costlake reads"));
    }
    Ok(kept)
}

fn digest_of(text: &[u8]) -> String {
    Sha256::digest(text).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
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
        kept.push(RawAnswer { request: request.to_string(), asked: asked(request), status: answer.status, body });
    }
    let windows = fetch.windows.clone();
    let fingerprint = job.fingerprint.as_str();
    let whole = RawFetch { format: FORMAT, fingerprint, windows, read_for: source.read_for(), answers: kept };
    let text = serde_json::to_vec(&whole).map_err(failed)?;
    let digest = digest_of(&text);
    let days = match (fetch.slots.first(), fetch.slots.last()) {
        (Some(first), Some(last)) => format!("{first}_{last}"),
        _ => String::new(),
    };
    let key = format!("{}/{}/{days}-{digest}{SUFFIX}", folder(&job.job.name), fetch.partition);
    let packed = zstd::bulk::compress(&text, 3)
        .map_err(|error| Error::new(Kind::Internal, "cannot compress a raw answer").because(error))?;
    job.context.lake.create(&key, Bytes::from(packed)).await?;
    crash::point("raw_kept");
    Ok(())
}

/// Keeps the generation that is about to be replaced under its epoch, if the job wants it.
pub(super) async fn keep_history(job: &JobRun<'_>, fetch: &Fetch, base: Option<&Base>) -> Result<()> {
    match base.filter(|_| job.keeps_history()) {
        Some(base) => keep_generation(&job.context.lake, job.job, fetch.partition, base).await,
        None => Ok(()),
    }
}

/// Keeps a generation under its epoch.
pub(super) async fn keep_generation(lake: &Lake, job: &Job, partition: Partition, base: &Base) -> Result<()> {
    let key = kept_key(&job.name, partition, base.footer.epoch);
    if lake.create(&key, base.bytes.clone()).await? {
        crash::point("history_kept");
        return Ok(());
    }
    Err(Error::new(Kind::Store, "another object stands where a replaced generation is kept").at("key", key))
}

#[cfg(test)]
mod tests {
    use super::{SMALLER, SUFFIX, UNPACKED, digest_of, unpack};

    /// A text of zeros is ten thousand times smaller packed: without a bound a small object fills the memory.
    #[test]
    fn a_small_object_unpacks_to_no_more_than_a_bounded_text() {
        let zeros = vec![b'0'; UNPACKED as usize + (4 << 20)];
        let packed = zstd::bulk::compress(&zeros, 3).unwrap();
        assert!(packed.len() as u64 * SMALLER < 4 << 20, "{} bytes", packed.len());
        let refused = unpack(&format!("a-{}{SUFFIX}", digest_of(&zeros)), &packed).unwrap_err().report();
        assert!(refused.contains("unpack to more than"), "{refused}");
    }
}
