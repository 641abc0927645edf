//! Replay: parses stored raw responses with the source that requested them, without any API request.
//!
//! The requests are built again from the stored windows, and each stored response must belong to the next request:
//! otherwise the table would get the figures of another request. Responses that do not match are refused.
//!
//! | several stored fetches of one day | wins |
//! |---|---|
//! | one has the known content of the table | that one: a repeated response is stored only once, under its first time |
//! | none has | the newest by the time it was written, then by name |

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};

use crate::error::{Error, Kind, Result};
use crate::generation::{self, DayFacts, FetchedDays};
use crate::lake::{Lake, Listed};
use crate::request::{Answer, Request};
use crate::sources::{Fetched, Source};
use crate::window::Partition;

use super::archive::{self, KeptAnswer, KeptFetch};

/// The days of one partition according to stored raw responses.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// Rows and facts by day.
    pub(crate) days: FetchedDays,
    /// When the response with each day was stored.
    pub(crate) kept_at: BTreeMap<NaiveDate, DateTime<Utc>>,
    /// Stored fetches that were refused, and why.
    pub(crate) notes: Vec<String>,
}

/// The table and partition to replay.
pub(crate) struct Wanted<'a> {
    pub(crate) source: &'a Arc<dyn Source>,
    pub(crate) partition: Partition,
    /// The table's fingerprint.
    pub(crate) fingerprint: &'a str,
    /// Known content of the table.
    pub(crate) known: &'a BTreeMap<NaiveDate, DayFacts>,
}

/// Replays every stored fetch of a partition, the newest first, and chooses one for each day.
pub(crate) async fn replay(lake: &Lake, wanted: &Wanted<'_>, mut files: Vec<Listed>) -> Result<Replayed> {
    files.sort_by(|a, b| (b.modified, &b.key).cmp(&(a.modified, &a.key)));
    let mut replayed = Replayed::default();
    for file in files {
        let Some(object) = lake.read(&file.key, None).await? else { continue };
        match read_again(wanted, &file.key, object.bytes).await {
            Ok(days) => replayed.choose(wanted, days, file.modified),
            Err(error) => replayed.notes.push(format!("{} is left out: {}", file.key, said(&error))),
        }
    }
    Ok(replayed)
}

fn said(error: &Error) -> String {
    error.report().replace("\n  ", "; ")
}

impl Replayed {
    fn choose(&mut self, wanted: &Wanted<'_>, days: FetchedDays, kept_at: DateTime<Utc>) {
        for (slot, (batch, facts)) in days.into_iter().filter(|(slot, _)| wanted.partition.window().contains(*slot)) {
            let is_known = |facts: &DayFacts| wanted.known.get(&slot).is_some_and(|known| known.same_content(facts));
            let better = match self.days.get(&slot) {
                None => true,
                Some((_, chosen)) => !is_known(chosen) && is_known(&facts),
            };
            if better {
                // Known content keeps its known facts.
                let known = wanted.known.get(&slot).filter(|known| known.same_content(&facts)).cloned();
                self.days.insert(slot, (batch, known.unwrap_or(facts)));
                self.kept_at.insert(slot, kept_at);
            }
        }
    }
}

async fn read_again(wanted: &Wanted<'_>, key: &str, packed: Bytes) -> Result<FetchedDays> {
    let name = key.rsplit('/').next().unwrap_or_default().to_owned();
    let (source, fingerprint) = (Arc::clone(wanted.source), wanted.fingerprint.to_owned());
    let work = move || {
        let kept = archive::unpack(&name, &packed)?;
        let as_asked = source.as_read_for(&kept.read_for).filter(|_| kept.read_for.is_subset(&source.read_for()));
        check_table(source.as_ref(), as_asked.is_some(), &kept, &fingerprint)?;
        let asked = as_asked.as_ref().unwrap_or(&source);
        let fetched = read_answers(asked.as_ref(), &kept)?;
        let mut days = generation::describe(asked.table(), asked.grain(), &fetched, &kept.read_for)?;
        for (batch, _) in days.values_mut() {
            *batch = generation::align(source.table(), batch)?;
        }
        Ok(days)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::new(Kind::Internal, "reading kept answers broke off").because(error)))
}

/// Checks that a stored fetch is of this table; `has_grown` if the source can be what it was when that was stored.
fn check_table(source: &dyn Source, has_grown: bool, kept: &KeptFetch, fingerprint: &str) -> Result<()> {
    if !kept.fingerprint.is_empty() && kept.fingerprint != fingerprint {
        return Err(Error::new(Kind::Config, "it was kept for another table"));
    }
    if kept.read_for != source.read_for() && !has_grown {
        return Err(Error::new(Kind::Config, "it was asked for other queries than the job has now"));
    }
    if kept.read_for.len() > 1 && !source.grows() && kept.answers.iter().any(|answer| answer.asked.is_empty()) {
        return Err(Error::new(Kind::Config, "it does not say which query each answer belongs to"));
    }
    Ok(())
}

fn read_answers(source: &dyn Source, kept: &KeptFetch) -> Result<Fetched> {
    let mut reader = source.reader(&kept.windows);
    let mut waiting: VecDeque<Request> = source.requests(&kept.windows).into();
    for stored in &kept.answers {
        let request = waiting.pop_front().filter(|request| belongs(stored, request));
        let Some(request) = request else {
            return Err(Error::new(Kind::Config, "it holds an answer to another request than the job sends now")
                .at("request", &stored.request));
        };
        let body = Bytes::copy_from_slice(stored.body.get().as_bytes());
        let answer = Answer { status: stored.status, body, request_id: None, date: None, made_up: false };
        for follower in reader.read(&request, &answer)?.into_iter().rev() {
            waiting.push_front(follower);
        }
    }
    match waiting.front() {
        Some(request) => Err(Error::new(Kind::Config, "it lacks an answer").at("request", request)),
        None => reader.finish(),
    }
}

fn belongs(stored: &KeptAnswer, request: &Request) -> bool {
    stored.request == request.to_string() && (stored.asked.is_empty() || stored.asked == archive::asked(request))
}
