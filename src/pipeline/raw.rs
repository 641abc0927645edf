//! What is kept beside the table on request: raw answers and replaced generations, both create-only and before the PUT.
//!
//! `raw/<partition>/<first day>_<last day>-<digest>.json.zst` holds the answers of one fetch in the order they came,
//! enough to make the rows again without asking ([`super::rebuild`]). Answers that carry more than they need (account
//! details) are reduced by their source first.

use std::collections::BTreeSet;

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

/// Reads a kept fetch: `name` holds the digest of its text.
///
/// # Errors
/// [`Kind::Store`] when the bytes are not what was kept under that name, or of a newer layout.
pub fn unpack(name: &str, packed: &[u8]) -> Result<KeptFetch> {
    let damaged = || Error::new(Kind::Store, "the kept answers are damaged");
    let digest = name.strip_suffix(SUFFIX).and_then(|stem| stem.rsplit('-').next());
    // Unpacked into nothing first: a damaged file may be a thousand times as large as it looks.
    let mut sink = Sink::default();
    let unpacked = zstd::stream::copy_decode(packed, &mut sink);
    unpacked.map_err(|error| damaged().because(error))?;
    if digest != Some(hex(&sink.hash.finalize()).as_str()) {
        return Err(damaged());
    }
    let text = zstd::stream::decode_all(packed).map_err(|error| damaged().because(error))?;
    let kept: KeptFetch = serde_json::from_slice(&text).map_err(|error| damaged().because(error))?;
    if kept.format > FORMAT {
        return Err(Error::new(Kind::Store, "the kept answers are of a newer layout than this costlake reads"));
    }
    Ok(kept)
}

fn digest_of(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Most bytes a kept fetch may unpack to.
const MAX_UNPACKED: u64 = 1 << 30;

/// Hashes what is written to it and keeps none of it.
#[derive(Default)]
struct Sink {
    hash: Sha256,
    bytes: u64,
}

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes += bytes.len() as u64;
        if self.bytes > MAX_UNPACKED {
            let message = format!("they unpack to more than {} MiB", MAX_UNPACKED >> 20);
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, message));
        }
        self.hash.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
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
