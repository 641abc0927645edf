//! One fetch: the due days of one partition, from the observation to the commit.
//!
//! ```text
//!  observe ─► reserve ─► request ─► read ─► next requests … ─► finish ─► sort, unique ─► same as before? ── yes ─► ledger
//!                                                                                             │ no
//!                                                        raw answers, history ◄───────────────┘
//!                                                              ▼
//!                                                          encode ─► publish ─► ledger
//! ```
//! Nothing is written before the last page. A broken pagination starts the fetch again, at most twice.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use tracing::warn;

use crate::error::{Error, Kind, Result};
use crate::generation::{self, Base, Built, FetchedDays};
use crate::ledger_store::{LedgerStore, Observed, data_key, observe};
use crate::plan::{Fetch, fetch_of, shortened};
use crate::report::{Asked, FetchReport, Outcome};
use crate::request::{Answer, Request};
use crate::sources::{Fetched, Learnt, Stopped};

use super::budget::Allowance;
use super::publish::{Target, publish};
use super::raw;
use super::send::Sender;
use super::{Event, JobRun};

/// Times a fetch starts again after its pagination broke.
const RESTARTS: u32 = 2;
/// Requests one fetch of a free API may send.
const MAX_REQUESTS: u64 = 100_000;

/// Runs one planned fetch; what went wrong is in the report.
pub(super) async fn run(job: &JobRun<'_>, planned: &Fetch) -> FetchReport {
    let mut report = FetchReport {
        partition: planned.partition.to_string(),
        windows: planned.windows.iter().map(ToString::to_string).collect(),
        outcome: Outcome::NotStarted,
        epoch: None,
        rows: 0,
        changed_days: 0,
        object_bytes: 0,
        asked: Asked::default(),
        notes: Vec::new(),
        failure: None,
    };
    if job.halted() {
        return report;
    }
    if let Err(error) = attempt(job, planned, &mut report).await {
        if error.kind() == Kind::Interrupted {
            report.outcome = Outcome::Stopped;
            return report;
        }
        let error = error.at("job", &job.job.name).at("partition", planned.partition);
        job.halt_after(error.kind(), &report.asked);
        // A fetch that the budget shortened has committed its days and still says that days are left.
        if !matches!(report.outcome, Outcome::Committed | Outcome::Unchanged) {
            report.outcome = Outcome::Failed;
        }
        report.failure = Some((&error).into());
    }
    job.answered.fetch_or(report.asked.pages > 0, std::sync::atomic::Ordering::Relaxed);
    job.tell(Event::FetchEnded { partition: report.partition.clone(), outcome: report.outcome });
    report
}

async fn attempt(job: &JobRun<'_>, planned: &Fetch, report: &mut FetchReport) -> Result<()> {
    let read = read_and_publish(job, planned, report).await?;
    if read < planned.slots.len() {
        report.notes.push(format!("shortened to {read} of {} days by the budget", planned.slots.len()));
        return Err(job.budget.reached(None));
    }
    Ok(())
}

/// Reads as much of the fetch as the budget allows and publishes it; the number of slots that were read.
async fn read_and_publish(job: &JobRun<'_>, planned: &Fetch, report: &mut FetchReport) -> Result<usize> {
    let table = &job.job.name;
    let observed_at = Instant::now();
    let observed = observe(&job.context.lake, table, planned.partition).await?;
    let lost_epoch = check_observation(job, planned, observed.as_ref()).await?;
    let (fetch, mut allowance) = fit_budget(job, planned).await?;
    if job.rewrites && fetch.slots.len() < planned.slots.len() {
        // The rows of a broken object cannot be kept: it is read again whole or not at all.
        return Err(job.budget.reached(Some(planned.expected_requests)));
    }
    report.windows = fetch.windows.iter().map(ToString::to_string).collect();
    job.tell(Event::FetchStarted { partition: report.partition.clone(), expected: fetch.expected_requests });

    let (fetched, answers) = read_all(job, &fetch, &mut allowance, report).await?;
    drop(allowance);
    report.rows = fetched.rows.num_rows() as u64;
    report.notes.extend(fetched.notes.iter().cloned());
    let source = &job.job.source;
    let days = generation::describe(source.table(), source.grain(), &fetched, &source.read_for())?;
    let learnt = learn(&fetched, fetch.slots.len() as u64, report.asked.charged_pages);
    job.books.lock().await.claim(&job.record).await?;
    let unchanged = observed.as_ref().filter(|seen| !job.rewrites && generation::is_unchanged(&seen.footer, &days));
    if let Some(seen) = unchanged {
        report.outcome = Outcome::Unchanged;
        report.epoch = Some(seen.footer.epoch);
        enter(job, &seen.footer, seen.size, &fetched.slots, learnt).await?;
        return Ok(fetch.slots.len());
    }
    let base = load_base(job, &fetch, observed.as_ref()).await?;
    raw::keep(job, &fetch, &answers).await?;
    raw::keep_history(job, &fetch, base.as_ref()).await?;
    let built = encode(job, &fetch, base, lost_epoch, days).await?;
    let bytes = Bytes::from(built.bytes);
    let size = bytes.len() as u64;
    let first_wait = job.context.patience.first_wait;
    let target = Target { table, partition: fetch.partition, observed: observed.as_ref(), observed_at, first_wait };
    publish(&job.context.lake, &target, bytes, &built.footer).await?;
    report.outcome = Outcome::Committed;
    report.epoch = Some(built.footer.epoch);
    report.changed_days = built.changed.len() as u64;
    report.object_bytes = size;
    enter(job, &built.footer, size, &fetched.slots, learnt).await?;
    Ok(fetch.slots.len())
}

/// Compares the object with the ledger. An object ahead of it is taken over; one behind it, or gone, would make kept
/// days vanish, unless the fetch reads all of them again: then the epoch goes on from the ledger's.
async fn check_observation(job: &JobRun<'_>, fetch: &Fetch, observed: Option<&Observed>) -> Result<u64> {
    let mut books = job.books.lock().await;
    let name = fetch.partition.to_string();
    let known = books.ledger.partitions.get(&name).map_or(0, |state| state.epoch);
    match observed {
        Some(seen) if seen.footer.fingerprint != job.fingerprint => {
            Err(Error::new(Kind::Config, "the object belongs to another table")
                .at("key", data_key(&job.job.name, fetch.partition)))
        }
        Some(seen) if seen.footer.epoch > known => {
            books.ledger.adopt(&seen.footer, seen.size, &BTreeSet::new(), job.now(), job.now());
            Ok(0)
        }
        Some(seen) if seen.footer.epoch == known => Ok(0),
        None if known == 0 => Ok(0),
        found => {
            let all_read = books
                .ledger
                .partitions
                .get(&name)
                .is_some_and(|state| state.days.keys().all(|slot| fetch.slots.contains(slot)));
            if all_read && (found.is_none() || job.rewrites) {
                return Ok(known);
            }
            let what = found.map_or("the object is gone".to_owned(), |seen| {
                format!("the object is at generation {}", seen.footer.epoch)
            });
            let window = fetch.partition.window();
            let first = job.job.window.begin.map_or(window.start(), |begin| begin.max(window.start()));
            Err(Error::new(Kind::Store, format!("{what}, but the ledger knows generation {known}"))
                .at("key", data_key(&job.job.name, fetch.partition))
                .advise(format!(
                    "costlake never deletes data: restore the object, or move what is there away and run `costlake backfill {} --from {} --to {}`",
                    job.job.name,
                    first,
                    window.last()
                )))
        }
    }
}

/// The fetch as the budget allows it, with its requests reserved. What other fetches have set aside and do not need
/// comes back when they end, so that is waited for.
async fn fit_budget<'j>(job: &'j JobRun<'_>, planned: &Fetch) -> Result<(Fetch, Allowance<'j>)> {
    loop {
        let released = job.budget.released();
        let Some(room) = job.budget.room() else {
            return Ok((planned.clone(), job.budget.reserve(planned.expected_requests)));
        };
        let ledger = job.books.lock().await.ledger.clone();
        let now = fetch_of(job.job, &ledger, planned.partition, &planned.slots);
        if now.expected_requests <= room {
            let allowance = job.budget.reserve(now.expected_requests);
            return Ok((now, allowance));
        }
        if job.budget.reserved() > 0 {
            released.await;
            continue;
        }
        if let Some(fetch) = shortened(job.job, &ledger, &now, room) {
            let allowance = job.budget.reserve(fetch.expected_requests);
            return Ok((fetch, allowance));
        }
        let one_day =
            planned.slots.first().map(|slot| fetch_of(job.job, &ledger, planned.partition, &[*slot]).expected_requests);
        let cap = job.budget.cap().unwrap_or(0);
        return Err(job.budget.reached(one_day.filter(|needed| *needed > cap)));
    }
}

/// Sends every request of the fetch and reads the answers, from the first page again when the pagination broke.
async fn read_all(
    job: &JobRun<'_>,
    fetch: &Fetch,
    allowance: &mut Allowance<'_>,
    report: &mut FetchReport,
) -> Result<(Fetched, Vec<(Request, Answer)>)> {
    let mut restarts = 0;
    loop {
        match read_once(job, fetch, allowance, report).await {
            Err(error) if error.kind() == Kind::Restart && restarts < RESTARTS => {
                restarts += 1;
                warn!(restarts, "{error}; the fetch starts again at its first page");
                report.notes.push(format!("started again at page 1: {}", error.message()));
            }
            Err(error) if error.kind() == Kind::Restart => {
                return Err(error
                    .at("restarts", restarts)
                    .advise("run again later: the API kept losing its own page tokens"));
            }
            other => return other,
        }
    }
}

async fn read_once(
    job: &JobRun<'_>,
    fetch: &Fetch,
    allowance: &mut Allowance<'_>,
    report: &mut FetchReport,
) -> Result<(Fetched, Vec<(Request, Answer)>)> {
    let source = &job.job.source;
    let sender =
        Sender { door: &job.door, budget: &job.budget, patience: job.context.patience, cancel: &job.context.cancel };
    let mut reader = source.reader(&fetch.windows);
    let mut waiting: VecDeque<Request> = source.requests(&fetch.windows).into();
    let mut answers = Vec::new();
    let mut sent = 0;
    while let Some(request) = waiting.pop_front() {
        sent += 1;
        if sent > MAX_REQUESTS {
            return Err(Error::new(Kind::BadAnswer, format!("the fetch asks for more than {MAX_REQUESTS} requests")));
        }
        let answer = match sender.send(&request, allowance, &mut report.asked).await {
            Ok(answer) => answer,
            Err(error) if error.kind() == Kind::Budget => {
                let needed = remember_size(job, fetch, reader.slots_met(), sent).await?;
                return Err(if fetch.slots.len() == 1 { job.budget.reached(Some(needed)) } else { error });
            }
            Err(error) => return Err(error.at("request", &request)),
        };
        let next = reader.read(&request, &answer).map_err(|error| located(error, &request, &answer))?;
        for follower in next.into_iter().rev() {
            waiting.push_front(follower);
        }
        if job.job.keep_raw {
            answers.push((request, answer));
        }
        job.tell(Event::Page { partition: report.partition.clone(), rows: reader.rows(), asked: report.asked });
    }
    let last = answers.last().map(|(request, _)| request.to_string());
    reader.finish().map(|fetched| (fetched, answers)).map_err(|error| match last {
        Some(request) => error.at("request", request),
        None => error,
    })
}

fn located(error: Error, request: &Request, answer: &Answer) -> Error {
    let error = error.at("request", request);
    match &answer.request_id {
        Some(id) => error.at("request id", id),
        None => error,
    }
}

/// Notes how large a fetch that the budget stopped is, so that the next run asks for less at a time. Returns the
/// requests its smallest step needs at least.
async fn remember_size(job: &JobRun<'_>, fetch: &Fetch, slots_met: u64, sent: u64) -> Result<u64> {
    let slots = fetch.slots.len() as u64;
    let met = slots_met.clamp(1, slots);
    // At least twice what was expected: the span halves with each stop, so the next runs get through.
    // A single day cannot be halved: only what was seen of it is known.
    let pages = if slots == 1 { sent } else { sent.max(fetch.expected_requests * 2) };
    let stopped =
        if sent * slots >= pages * met { Stopped { slots: met, pages: sent } } else { Stopped { slots, pages } };
    let mut books = job.books.lock().await;
    books.ledger.stopped.insert(fetch.partition.to_string(), stopped);
    books.save(&job.run_id, job.now()).await?;
    Ok(stopped.pages.div_ceil(stopped.slots.max(1)).max(sent))
}

fn learn(fetched: &Fetched, slots: u64, pages: u64) -> impl FnOnce(&mut Learnt) + use<> {
    let (rows, page_rows) = (fetched.rows.num_rows() as u64, fetched.page_rows);
    move |learnt| {
        // Only a fetch of several pages shows how many rows a page can hold.
        learnt.page_rows = if pages > 1 { page_rows } else { learnt.page_rows.max(page_rows) };
        let slot_rows = rows.div_ceil(slots.max(1));
        learnt.slot_rows = if slots >= 5 { slot_rows } else { learnt.slot_rows.max(slot_rows) };
    }
}

/// The object under the fetch, read only if it is still the observed one, when any of its days is kept or its
/// generation is.
async fn load_base(job: &JobRun<'_>, fetch: &Fetch, observed: Option<&Observed>) -> Result<Option<Base>> {
    let Some(seen) = observed else { return Ok(None) };
    let needs_rows = job.keeps_history() || seen.footer.days.keys().any(|slot| !fetch.slots.contains(slot));
    let bytes = if needs_rows {
        let key = data_key(&job.job.name, fetch.partition);
        let object = job.context.lake.read(&key, Some(&seen.tag)).await?;
        let object = object.ok_or_else(|| {
            Error::new(Kind::Superseded, "the object was removed since it was observed").at("key", &key)
        })?;
        object.bytes
    } else {
        Bytes::new()
    };
    Ok(Some(Base { footer: seen.footer.clone(), bytes }))
}

/// Builds the object away from the threads that wait for answers.
async fn encode(
    job: &JobRun<'_>,
    fetch: &Fetch,
    base: Option<Base>,
    lost_epoch: u64,
    days: FetchedDays,
) -> Result<Built> {
    let source = Arc::clone(&job.job.source);
    let (partition, fingerprint) = (fetch.partition, job.fingerprint.clone());
    let work = move || {
        generation::build(source.table(), source.grain(), partition, &fingerprint, base.as_ref(), lost_epoch, days)
    };
    let built = tokio::task::spawn_blocking(work).await;
    built.unwrap_or_else(|error| Err(Error::new(Kind::Internal, "encoding broke off").because(error)))
}

/// Enters what is in the lake now into the ledger.
async fn enter(
    job: &JobRun<'_>,
    footer: &generation::Footer,
    size: u64,
    read: &BTreeSet<chrono::NaiveDate>,
    learn: impl FnOnce(&mut Learnt),
) -> Result<()> {
    let mut books: tokio::sync::MutexGuard<'_, LedgerStore> = job.books.lock().await;
    books.ledger.adopt(footer, size, read, job.now(), job.now());
    learn(&mut books.ledger.learnt);
    books.ledger.stopped.remove(&footer.partition);
    books.save(&job.run_id, job.now()).await
}
