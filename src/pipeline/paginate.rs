//! Pagination: from the first requests of a fetch to its rows, page after page.
//!
//! One loop serves every source: it sends the follow-up requests of each answer, restarts at the first page when the
//! pagination breaks (at most twice), and notes the size of a fetch that the budget stopped.

use std::collections::VecDeque;

use tracing::warn;

use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::plan::Fetch;
use crate::report::{FetchReport, RequestStats};
use crate::request::{Answer, Request};
use crate::sources::{Fetched, Source, Stopped};
use crate::window::Window;

use super::budget::Meter;
use super::retry::{Guards, Sender};
use super::{Event, JobRun, archive};

/// Restarts of a fetch after its pagination broke.
const RESTARTS: u32 = 2;
/// Most requests of one fetch; free APIs have no other limit.
const MAX_REQUESTS: u64 = 100_000;

/// The rows of a fetch and, if the job keeps them, the raw responses they come from.
pub(super) type Read = (Fetched, Vec<archive::PendingAnswer>);

/// Why a pagination failed, and how far it got.
struct Broken {
    error: Error,
    slots_met: u64,
    sent: u64,
}

/// Sends every request of a fetch and reads the answers.
pub(super) async fn of_fetch(
    run: &JobRun<'_>,
    fetch: &Fetch,
    meter: &mut Meter<'_>,
    report: &mut FetchReport,
) -> Result<Read> {
    let mut restarts = 0;
    let partition = report.partition.clone();
    loop {
        let told = |rows: u64, asked: &RequestStats| {
            run.tell(Event::Page { partition: partition.clone(), rows, asked: *asked })
        };
        match once(run, run.job.source.as_ref(), &fetch.windows, meter, &told).await {
            Ok((fetched, answers)) => {
                report.notes.extend(fetched.notes.iter().cloned());
                return Ok((fetched, answers));
            }
            Err(Broken { error, .. }) if error.kind() == Kind::Restart && restarts < RESTARTS => {
                restarts += 1;
                warn!(restarts, "{error}; the fetch starts again at its first page");
                report.notes.push(format!("started again at page 1: {}", error.message()));
            }
            Err(broken) => return Err(final_error(run, fetch, broken, restarts).await?),
        }
    }
}

/// Reads another source through the same API client, such as for totals.
pub(super) async fn of_windows(
    run: &JobRun<'_>,
    source: &dyn Source,
    windows: &[Window],
    meter: &mut Meter<'_>,
) -> Result<Fetched> {
    let read = once(run, source, windows, meter, &|_, _| {}).await;
    read.map(|(fetched, _)| fetched).map_err(|broken| advised(broken.error).at("question", "totals"))
}

/// Adds the standard advice to errors of untrustworthy answers that have none.
pub(super) fn advised(error: Error) -> Error {
    if error.kind() != Kind::BadAnswer || error.advice().is_some() {
        return error;
    }
    error.advise(
        "nothing was written and the lake is as it was: run again; if the same answer comes again, report it to the \
         API's support or to costlake's authors with the words above",
    )
}

async fn final_error(run: &JobRun<'_>, fetch: &Fetch, broken: Broken, restarts: u32) -> Result<Error> {
    let Broken { error, slots_met, sent } = broken;
    Ok(match error.kind() {
        Kind::Restart => {
            error.at("restarts", restarts).advise("run again later: the API kept losing its own page tokens")
        }
        Kind::Budget => {
            let needed = remember_size(run, fetch, slots_met, sent).await?;
            if fetch.slots.len() == 1 { run.budget.reached(Some(needed + run.totals_pages)) } else { error }
        }
        _ => error,
    })
}

async fn once(
    run: &JobRun<'_>,
    source: &dyn Source,
    windows: &[Window],
    meter: &mut Meter<'_>,
    told: &(dyn Fn(u64, &RequestStats) + Sync),
) -> Result<Read, Broken> {
    let context = run.context;
    let sender = Sender {
        client: &run.client,
        retries: context.retries,
        cancel: &context.cancel,
        guards: Some(Guards {
            budget: &run.budget,
            started: run.started,
            meant: &run.meant,
            clock: context.clock,
            elsewhere: &context.elsewhere,
            api: run.job.entry.provider.name,
            listener: context.listener.as_ref(),
        }),
    };
    let mut reader = source.reader(windows);
    let mut waiting: VecDeque<Request> = source.requests(windows).into();
    let mut answers = Vec::new();
    let mut last = None;
    let mut sent = 0;
    while let Some(request) = waiting.pop_front() {
        sent += 1;
        let broken = |error: Error, slots_met: u64| Broken { error: error.at("request", &request), slots_met, sent };
        if sent > MAX_REQUESTS {
            let error = Error::new(Kind::BadAnswer, format!("the fetch asks for more than {MAX_REQUESTS} requests"));
            return Err(broken(error, reader.slots_met()));
        }
        let answer = match sender.send(&request, meter).await {
            Ok(answer) => answer,
            Err(error) => return Err(broken(error, reader.slots_met())),
        };
        failpoint::point("page_received");
        let next = match reader.read(&request, &answer) {
            Ok(next) => next,
            Err(error) => return Err(broken(with_id(error, &answer), reader.slots_met())),
        };
        for follower in next.into_iter().rev() {
            waiting.push_front(follower);
        }
        told(reader.rows(), &meter.stats);
        last = Some(request.to_string());
        if run.job.keep_raw {
            answers.push(
                archive::set_aside(source, &request, &answer).map_err(|error| broken(error, reader.slots_met()))?,
            );
        }
    }
    failpoint::point("after_last_page");
    reader.finish().map(|fetched| (fetched, answers)).map_err(|error| {
        let error = match last {
            Some(request) => error.at("request", request),
            None => error,
        };
        Broken { error, slots_met: 0, sent }
    })
}

fn with_id(error: Error, answer: &Answer) -> Error {
    match &answer.request_id {
        Some(id) => error.at("request id", id),
        None => error,
    }
}

/// Notes the size of a fetch that the budget stopped, so that the next run requests fewer days at a time. Returns the
/// least number of requests that its smallest step needs.
async fn remember_size(run: &JobRun<'_>, fetch: &Fetch, slots_met: u64, sent: u64) -> Result<u64> {
    let slots = fetch.slots.len() as u64;
    let met = slots_met.clamp(1, slots);
    // At least twice what was expected: the span halves with each stop, so that later runs succeed.
    // A single day cannot be halved: only the requests sent for it are known.
    let pages = if slots == 1 { sent } else { sent.max(fetch.expected_requests * 2) };
    let stopped =
        if sent * slots >= pages * met { Stopped { slots: met, pages: sent } } else { Stopped { slots, pages } };
    let mut store = run.store.lock().await;
    store.ledger.stopped.insert(fetch.partition.to_string(), stopped);
    store.save(&run.run_id, run.now()).await?;
    Ok(stopped.pages.div_ceil(stopped.slots.max(1)).max(sent))
}
