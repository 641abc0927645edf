//! One fetch: the due days of one partition, from the observation to the commit.
//!
//! ```text
//!  observe ─► reserve ─► request ─► read ─► next requests … ─► finish ─► adds up? ─► same as before? ── yes ─► ledger
//!                                                                                        │ no
//!                                                        raw answers, history ◄──────────┘
//!                                                              ▼
//!                                                          encode ─► publish ─► ledger
//! ```
//! Nothing is written before the last page. A broken pagination starts the fetch again, at most twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use tokio::time::Instant;

use crate::crash;
use crate::error::{Error, Kind, Result};
use crate::generation::{self, Base, Built, FetchedDays};
use crate::ledger::{Differing, ObjectId, Quarantined};
use crate::ledger_store::{Observed, data_key, observe};
use crate::plan::{Fetch, fetch_of, least_requests, shortened};
use crate::report::{FetchReport, Outcome};
use crate::sources::{Learnt, Source};
use crate::sums::Sums;
use crate::window::Partition;

use super::budget::Allowance;
use super::publish::{Target, publish};
use super::{Event, JobRun, control, quarantine, raw};

/// So many rows are encoded in less time than other work notices, so they are not taken to another thread.
const HANDFUL: u64 = 200;

/// Runs one planned fetch; what went wrong is in the report.
pub(super) async fn run(job: &JobRun<'_>, planned: &Fetch) -> FetchReport {
    let mut report = FetchReport::begin(planned.partition.to_string(), Outcome::NotStarted);
    report.windows = planned.windows.iter().map(ToString::to_string).collect();
    if job.halted() {
        return report;
    }
    if let Err(error) = attempt(job, planned, &mut report).await {
        if error.kind() == Kind::Interrupted {
            report.outcome = Outcome::Stopped;
            return report;
        }
        let error = super::series::advised(error).at("job", &job.job.name).at("partition", planned.partition);
        job.halt_after(error.kind(), &report.asked);
        note_failure(job, planned, &error).await;
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

/// Remembers for the days of a fetch that their last read failed. The ledger is written when the run ends.
async fn note_failure(job: &JobRun<'_>, planned: &Fetch, error: &Error) {
    let outside_the_days =
        matches!(error.kind(), Kind::Budget | Kind::Superseded | Kind::Unsettled | Kind::Quarantined | Kind::Clock);
    if !outside_the_days {
        job.books.lock().await.note_failure(&planned.slots, error.message(), job.now());
    }
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
    // The object cannot be behind what the ledger knew before the look. What other fetches of this run learn from another
    // run's ledger meanwhile may be later than the look.
    let known = known_epoch(job, planned.partition).await;
    let observed_at = Instant::now();
    let observed = observe(&job.context.lake, table, planned.partition).await?;
    let lost_epoch = check_observation(job, planned, observed.as_ref(), known).await?;
    crash::point("after_observe");
    let (fetch, mut allowance) = fit_budget(job, planned).await?;
    crash::point("after_budget");
    report.windows = fetch.windows.iter().map(ToString::to_string).collect();
    job.tell(Event::FetchStarted { partition: report.partition.clone(), expected: fetch.expected_requests });

    let mut read = control::read(job, &fetch, &mut allowance, report).await?;
    drop(allowance);
    crash::point("after_control");
    let held = match observed.as_ref().filter(|_| !job.rewrites) {
        Some(seen) => quarantine::set_aside(job, &seen.footer, &mut read).await,
        // Of a lost or broken object there are no old rows to keep.
        None => BTreeMap::new(),
    };
    crash::point("after_verify");
    report.rows = read.rows;
    let learnt = learn(read.rows, read.page_rows, fetch.slots.len() as u64, report.asked.charged_pages);
    let partition = fetch.partition.to_string();
    let entry = Entry {
        partition: &partition,
        read: &read.slots,
        totals: &read.totals,
        unsettled: &read.unsettled,
        held: &held,
        differing: &read.differing,
    };
    let nothing_new = read.days.is_empty();
    job.books.lock().await.claim(&job.record).await?;
    let unchanged =
        observed.as_ref().filter(|seen| !job.rewrites && generation::is_unchanged(&seen.footer, &read.days));
    if let Some(seen) = unchanged {
        report.outcome = if nothing_new { Outcome::Failed } else { Outcome::Unchanged };
        report.epoch = Some(seen.footer.epoch);
        enter(job, Some((&seen.footer, &seen.id())), &entry, learnt).await?;
    } else if nothing_new {
        enter(job, None, &entry, learnt).await?;
    } else {
        let base = load_base(job, &fetch, observed.as_ref()).await?;
        raw::keep(job, &fetch, &read.answers).await?;
        raw::keep_history(job, &fetch, base.as_ref()).await?;
        let fingerprint = job.fingerprint.clone();
        let built = encode(&job.job.source, fetch.partition, fingerprint, base, lost_epoch, read.days).await?;
        let bytes = Bytes::from(built.bytes);
        let first_wait = job.context.patience.first_wait;
        let target = Target { table, partition: fetch.partition, observed: observed.as_ref(), observed_at, first_wait };
        let object = publish(&job.context.lake, &target, bytes, &built.footer).await?;
        report.outcome = Outcome::Committed;
        report.epoch = Some(built.footer.epoch);
        report.changed_days = built.changed.len() as u64;
        report.object_bytes = object.size;
        enter(job, Some((&built.footer, &object)), &entry, learnt).await?;
    }
    conclude(job, &read.unsettled, &held, report)?;
    Ok(fetch.slots.len())
}

/// What keeps a fetch that has done its work from being called well.
fn conclude(
    job: &JobRun<'_>,
    unsettled: &BTreeMap<NaiveDate, String>,
    held: &BTreeMap<NaiveDate, Quarantined>,
    report: &mut FetchReport,
) -> Result<()> {
    if unsettled.is_empty() && held.is_empty() {
        return Ok(());
    }
    if held.is_empty() {
        return Err(control::unsettled_error(unsettled));
    }
    if !unsettled.is_empty() {
        report.notes.push(control::unsettled_error(unsettled).message().to_owned());
    }
    Err(quarantine::error(&job.job.name, held))
}

/// The generation of a partition that the ledger knows.
async fn known_epoch(job: &JobRun<'_>, partition: Partition) -> u64 {
    job.books.lock().await.ledger.epoch_of(&partition.to_string())
}

/// Compares the object with the generation that was `known` before the look. An object ahead of it is taken over; one
/// behind it, or gone, would make kept days vanish, unless the fetch reads all of them again: then the epoch goes on from
/// the ledger's.
async fn check_observation(job: &JobRun<'_>, fetch: &Fetch, observed: Option<&Observed>, known: u64) -> Result<u64> {
    let mut books = job.books.lock().await;
    let name = fetch.partition.to_string();
    match observed {
        Some(seen) if seen.footer.fingerprint != job.fingerprint => {
            Err(Error::new(Kind::Config, "the object belongs to another table")
                .at("key", data_key(&job.job.name, fetch.partition)))
        }
        Some(seen) if seen.footer.epoch > known => {
            books.follow(fetch.partition, seen, job.now()).await?;
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
        let books = job.books.lock().await;
        let ledger = &books.ledger;
        let now = fetch_of(job.job, ledger, planned.partition, &planned.slots);
        if now.expected_requests <= room {
            let allowance = job.budget.reserve(now.expected_requests);
            return Ok((now, allowance));
        }
        if job.budget.reserved() > 0 {
            // The fetches that are waited for need the books themselves.
            drop(books);
            released.await;
            continue;
        }
        // The rows of a broken object cannot be kept: it is read again whole or not at all.
        let shorter = if job.rewrites { None } else { shortened(job.job, ledger, &now, room) };
        if let Some(fetch) = shorter {
            let allowance = job.budget.reserve(fetch.expected_requests);
            return Ok((fetch, allowance));
        }
        let needed = least_requests(job.job, ledger, &[now], job.rewrites) + job.totals_pages;
        return Err(job.budget.reached(Some(needed)));
    }
}

fn learn(rows: u64, page_rows: u64, slots: u64, pages: u64) -> impl FnOnce(&mut Learnt) + use<> {
    move |learnt| {
        // Only a fetch of several pages shows how many rows a page can hold.
        learnt.page_rows = if pages > 1 { page_rows } else { learnt.page_rows.max(page_rows) };
        let slot_rows = rows.div_ceil(slots.max(1));
        learnt.slot_rows = if slots >= 5 { slot_rows } else { learnt.slot_rows.max(slot_rows) };
    }
}

/// The object under the fetch, read only if it is still the observed one: for the days that are kept, and to tell what
/// became of the rows of the others. A broken one is not read.
async fn load_base(job: &JobRun<'_>, fetch: &Fetch, observed: Option<&Observed>) -> Result<Option<Base>> {
    let Some(seen) = observed else { return Ok(None) };
    let needs_rows = !job.rewrites || seen.footer.days.keys().any(|slot| !fetch.slots.contains(slot));
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

/// Builds the object away from the threads that wait for answers; `lost_epoch` as in [`generation::build`].
pub(super) async fn encode(
    source: &Arc<dyn Source>,
    partition: Partition,
    fingerprint: String,
    base: Option<Base>,
    lost_epoch: u64,
    days: FetchedDays,
) -> Result<Built> {
    let kept = base.as_ref().map_or(0, |base| base.footer.days.values().map(|facts| facts.rows).sum());
    let rows = kept + days.values().map(|(_, facts)| facts.rows).sum::<u64>();
    let source = Arc::clone(source);
    let work = move || {
        generation::build(source.table(), source.grain(), partition, &fingerprint, base.as_ref(), lost_epoch, days)
    };
    let built = if rows <= HANDFUL { Ok(work()) } else { tokio::task::spawn_blocking(work).await };
    crash::point("after_encode");
    built.unwrap_or_else(|error| Err(Error::new(Kind::Internal, "encoding broke off").because(error)))
}

/// What a fetch adds to the ledger beside the object's footer.
struct Entry<'a> {
    partition: &'a str,
    /// Slots that were read and taken.
    read: &'a BTreeSet<NaiveDate>,
    totals: &'a BTreeMap<NaiveDate, Sums>,
    unsettled: &'a BTreeMap<NaiveDate, String>,
    held: &'a BTreeMap<NaiveDate, Quarantined>,
    differing: &'a BTreeMap<NaiveDate, Differing>,
}

/// Enters what is in the lake now into the ledger, and what was learnt without writing anything.
async fn enter(
    job: &JobRun<'_>,
    object: Option<(&generation::Footer, &ObjectId)>,
    entry: &Entry<'_>,
    learn: impl FnOnce(&mut Learnt),
) -> Result<()> {
    let mut books = job.books.lock().await;
    if let Some((footer, id)) = object {
        books.ledger.adopt(footer, id, entry.read, job.now(), job.now());
        books.ledger.note_totals(footer, entry.totals);
    }
    books.ledger.note_outcome(entry.read, entry.unsettled, entry.held, job.now());
    books.ledger.note_differing(entry.read, entry.differing);
    learn(&mut books.ledger.learnt);
    books.ledger.stopped.remove(entry.partition);
    books.save(&job.run_id, job.now()).await
}

#[cfg(test)]
mod tests {
    use super::learn;
    use crate::sources::Learnt;

    #[test]
    fn pages_and_days_teach_how_many_rows_they_hold() {
        let before = Learnt { page_rows: 40, slot_rows: 30, stopped: None };
        for (what, (rows, page_rows, slots, pages), wanted) in [
            ("one page of one day may be a short one", (10, 10, 1, 1), (40, 30)),
            ("one page that is longer", (50, 50, 1, 1), (50, 50)),
            ("of two pages one was full", (35, 20, 1, 2), (20, 35)),
            ("five days are a rule", (50, 20, 5, 3), (20, 10)),
            ("four are none", (44, 20, 4, 3), (20, 30)),
            ("half a row is one", (51, 20, 5, 3), (20, 11)),
            ("no days at all", (0, 0, 0, 1), (40, 30)),
        ] {
            let mut learnt = before;
            learn(rows, page_rows, slots, pages)(&mut learnt);
            assert_eq!((learnt.page_rows, learnt.slot_rows), wanted, "{what}");
        }
    }
}
