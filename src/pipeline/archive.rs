//! Optional copies beside the table: raw responses and replaced generations, both create-only and before the PUT.
//!
//! `raw/<partition>/<first day>_<last day>-<digest>.json.zst` holds the responses of one fetch in order of arrival,
//! enough to make the rows again without requests ([`crate::maintenance::rebuild`]). The source first removes what is not needed
//! (account details).

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::generation::Base;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger_store::kept_key;
use crate::plan::Fetch;
use crate::request::{Answer, Request};
use crate::sources::Source;
use crate::text::hex;
use crate::unit::Unit;
use crate::window::{Partition, Window};

use super::JobRun;

/// Version of the layout.
const FORMAT: u32 = 1;
const SUFFIX: &str = ".json.zst";

#[derive(Serialize)]
struct RawFetch<'a> {
    format: u32,
    fingerprint: &'a str,
    windows: &'a [Window],
    read_for: BTreeSet<String>,
    answers: Pending<'a>,
}

#[derive(Serialize)]
struct RawAnswer<'a> {
    request: &'a str,
    asked: &'a str,
    status: u16,
    body: &'a RawValue,
}

/// A response held until the end of its fetch, compressed: the responses of a month may be many times as large as its
/// rows.
#[derive(Debug)]
pub(super) struct PendingAnswer {
    request: String,
    asked: String,
    status: u16,
    /// Bytes before compression.
    length: usize,
    packed: Vec<u8>,
}

/// Compresses a response, redacted by its source.
///
/// # Errors
/// [`Kind::Internal`] when the compression fails.
pub(super) fn set_aside(source: &dyn Source, request: &Request, answer: &Answer) -> Result<PendingAnswer> {
    let reduced = source.redact_raw(request, answer);
    let text = reduced.as_deref().unwrap_or(&answer.body);
    // As a stream: a bulk compression would keep a buffer of the size of an incompressible text.
    let packed = zstd::encode_all(text, 1).map_err(cannot_keep)?;
    let (request, asked) = (request.to_string(), asked(request));
    Ok(PendingAnswer { request, asked, status: answer.status, length: text.len(), packed })
}

fn cannot_keep(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Internal, "cannot keep a raw answer").because(error)
}

/// Serializes the responses one by one, so that only one is decompressed at a time.
struct Pending<'a>(&'a [PendingAnswer]);

impl Serialize for Pending<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Unpacked))
    }
}

struct Unpacked<'a>(&'a PendingAnswer);

impl Serialize for Unpacked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let PendingAnswer { request, asked, status, length, packed } = self.0;
        let text = zstd::bulk::decompress(packed, *length).map_err(S::Error::custom)?;
        let body: &RawValue = serde_json::from_slice(&text).map_err(S::Error::custom)?;
        RawAnswer { request, asked, status: *status, body }.serialize(serializer)
    }
}

/// Compresses what is written to it, and hashes the uncompressed bytes.
struct Packer {
    hash: Sha256,
    packed: zstd::stream::write::Encoder<'static, Vec<u8>>,
}

impl std::io::Write for Packer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = self.packed.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.packed.flush()
    }
}

/// The stored raw responses of one fetch.
#[derive(Debug, Deserialize)]
pub struct KeptFetch {
    format: u32,
    /// Fingerprint of the table.
    #[serde(default)]
    pub(super) fingerprint: String,
    /// The windows of its requests.
    pub(super) windows: Vec<Window>,
    /// Queries that were requested.
    pub(super) read_for: BTreeSet<String>,
    /// The responses, in the order of their requests.
    pub(super) answers: Vec<KeptAnswer>,
}

/// One stored raw response.
#[derive(Debug, Deserialize)]
pub(super) struct KeptAnswer {
    /// The request as it is displayed.
    pub(super) request: String,
    /// The request with its parameters; empty if an older costlake did not write it.
    #[serde(default)]
    pub(super) asked: String,
    /// HTTP status.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Box<RawValue>,
}

/// A request with all parameters that distinguish it from others of the fetch.
pub(super) fn asked(request: &Request) -> String {
    match request {
        Request::Call(call) => {
            let pairs: Vec<String> = call.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let body = call.body.iter().map(|body| format!(" {body}")).collect::<String>();
            format!("{} {}?{}{body}", call.method(), call.path, pairs.join("&"))
        }
        Request::Operation(operation) if operation.purpose.subject.is_empty() => request.to_string(),
        Request::Operation(operation) => format!("{request} {}", operation.purpose.subject),
    }
}

/// The folder of a table's stored raw responses.
pub(crate) fn folder(unit: &Unit) -> String {
    unit.beside("raw")
}

/// Reads a stored fetch; `name` contains the digest of its text.
///
/// # Errors
/// [`Kind::Store`] when the bytes do not match that name, or have a newer layout.
pub fn unpack(name: &str, packed: &[u8]) -> Result<KeptFetch> {
    let damaged = || Error::new(Kind::Store, "the kept answers are damaged");
    let digest = name.strip_suffix(SUFFIX).and_then(|stem| stem.rsplit('-').next());
    // First decompressed into a sink: the text of a damaged file may be a thousand times as large as the file.
    let mut sink = Sink::default();
    let unpacked = zstd::stream::copy_decode(packed, &mut sink);
    unpacked.map_err(|error| damaged().because(error))?;
    if digest != Some(hex(&sink.hash.finalize()[..16]).as_str()) {
        return Err(damaged());
    }
    let text = zstd::stream::decode_all(packed).map_err(|error| damaged().because(error))?;
    let kept: KeptFetch = serde_json::from_slice(&text).map_err(|error| damaged().because(error))?;
    if kept.format > FORMAT {
        return Err(Error::new(Kind::Store, "the kept answers are of a newer layout than this costlake reads"));
    }
    Ok(kept)
}

/// Most bytes of a stored fetch after decompression.
const MAX_UNPACKED: u64 = 1 << 30;

/// Hashes and discards what is written to it.
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

/// Stores the raw responses of a fetch, if the job keeps them.
pub(super) async fn keep(run: &JobRun<'_>, fetch: &Fetch, answers: &[PendingAnswer]) -> Result<()> {
    if !run.job.keep_raw || answers.is_empty() {
        return Ok(());
    }
    let whole = RawFetch {
        format: FORMAT,
        fingerprint: run.meant.fingerprint(),
        windows: &fetch.windows,
        read_for: run.job.source.read_for(),
        answers: Pending(answers),
    };
    let packed = zstd::stream::write::Encoder::new(Vec::new(), 3).map_err(cannot_keep)?;
    let mut packer = Packer { hash: Sha256::new(), packed };
    serde_json::to_writer(&mut packer, &whole).map_err(cannot_keep)?;
    let digest = hex(&packer.hash.finalize()[..16]);
    let packed = packer.packed.finish().map_err(cannot_keep)?;
    let days = match (fetch.slots.first(), fetch.slots.last()) {
        (Some(first), Some(last)) => format!("{first}_{last}"),
        _ => String::new(),
    };
    let key = format!("{}/{}/{days}-{digest}{SUFFIX}", folder(&run.job.unit), fetch.partition);
    run.context.lake.create(&key, Bytes::from(packed)).await?;
    failpoint::point("raw_kept");
    Ok(())
}

/// Keeps the generation that is about to be replaced under its epoch, if the job keeps history.
pub(super) async fn keep_history(run: &JobRun<'_>, fetch: &Fetch, base: Option<&Base>) -> Result<()> {
    match base.filter(|_| run.keeps_history()) {
        Some(base) => keep_generation(&run.context.lake, run.job, fetch.partition, base).await,
        None => Ok(()),
    }
}

/// Keeps a generation under its epoch.
pub(crate) async fn keep_generation(lake: &Lake, job: &Job, partition: Partition, base: &Base) -> Result<()> {
    let key = kept_key(&job.unit, partition, base.footer.epoch);
    if lake.create(&key, base.bytes.clone()).await? {
        failpoint::point("history_kept");
        return Ok(());
    }
    Err(Error::new(Kind::Store, "another object stands where a replaced generation is kept").at("key", key))
}
