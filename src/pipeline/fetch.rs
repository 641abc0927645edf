//! One fetch: the due days of one partition, from the observation to the commit.
//!
//! ```text
//!  observe ─► reserve ─► request ─► read ─► next requests … ─► finish ─► adds up? ─► same as before? ── yes ─► ledger
//!                                                                                        │ no
//!                                                      raw responses, history ◄──────────┘
//!                                                              ▼
//!                                                          encode ─► publish ─► ledger
//! ```
//! Nothing is written before the last page has arrived. A broken pagination restarts the fetch, at most twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::NaiveDate;
use tokio::time::Instant;

use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::generation::{self, Base, Built, FetchedDays, Owned};
use crate::job::AccountCheck;
use crate::ledger::{ObjectId, PartitionState, Quarantined, Standing};
use crate::ledger_store::{Observed, data_key, keeps_metrics, observe};
use crate::plan::{Fetch, fetch_of, is_reachable, least_requests, shortened};
use crate::report::{FetchReport, Outcome};
use crate::sources::{Learnt, Source};
use crate::text::plural;
use crate::window::{Partition, first_of_month};

use super::budget::Meter;
use super::control_sums::{Compared, Sizes};
use super::publish::{Target, publish};
use super::quarantine::SetAside;
use super::{Event, JobRun, account, archive, control_sums, displaced, quarantine, restore};

/// Up to this many rows are encoded inline: too short to delay other tasks, so no blocking thread is needed.
const HANDFUL: u64 = 200;

/// Runs one planned fetch; errors are in the report.
pub(super) async fn run(run: &JobRun<'_>, planned: &Fetch) -> FetchReport {
    let mut report = FetchReport::begin(planned.partition.to_string(), Outcome::NotStarted);
    report.windows = planned.windows.iter().map(ToString::to_string).collect();
    if run.halted() {
        return report;
    }
    if let Err(error) = attempt(run, planned, &mut report).await {
        if error.kind() == Kind::Interrupted {
            report.outcome = Outcome::Stopped;
            return report;
        }
        let error = run.job.unit.names(super::paginate::advised(error)).at("partition", planned.partition);
        run.halt_after(error.kind(), &report.asked);
        run.halted.fetch_or(run.started.has_failed(), std::sync::atomic::Ordering::Relaxed);
        note_failure(run, planned, &error).await;
        // A fetch shortened by the budget has committed its days and still returns an error for the remaining ones.
        if !matches!(report.outcome, Outcome::Committed | Outcome::Unchanged) {
            report.outcome = Outcome::Failed;
        }
        report.failure = Some((&error).into());
    }
    run.answered.fetch_or(report.asked.pages > 0, std::sync::atomic::Ordering::Relaxed);
    run.tell(Event::FetchEnded { partition: report.partition.clone(), outcome: report.outcome });
    report
}

/// Notes in the ledger that the last read of these days failed. The ledger is written when the run ends.
async fn note_failure(run: &JobRun<'_>, planned: &Fetch, error: &Error) {
    let outside_the_days =
        matches!(error.kind(), Kind::Budget | Kind::Superseded | Kind::Unsettled | Kind::Quarantined | Kind::Clock);
    if !outside_the_days {
        run.store.lock().await.note_failure(&planned.slots, error.message(), run.now());
    }
}

async fn attempt(run: &JobRun<'_>, planned: &Fetch, report: &mut FetchReport) -> Result<()> {
    let read = read_and_publish(run, planned, report).await?;
    if read < planned.slots.len() {
        report
            .notes
            .push(format!("shortened to {read} of {} by the budget", plural(planned.slots.len() as u64, "day")));
        return Err(run.budget.reached(None));
    }
    Ok(())
}

/// Reads as much of the fetch as the budget allows and publishes it; returns the number of slots read.
async fn read_and_publish(run: &JobRun<'_>, planned: &Fetch, report: &mut FetchReport) -> Result<usize> {
    let partition = planned.partition;
    // The object cannot be behind what the ledger knew before it was observed. What other fetches of this run meanwhile
    // learn from another run's ledger may be newer than the observation.
    let known = known_state(run, partition).await;
    let observed_at = Instant::now();
    let observed = observe(&run.context.lake, &run.job.unit, partition).await?;
    check_observation(run, partition, observed.as_ref(), known.as_ref()).await?;
    failpoint::point("after_observe");
    let (fetch, mut meter) = fit_budget(run, planned).await?;
    failpoint::point("after_budget");
    report.windows = fetch.windows.iter().map(ToString::to_string).collect();
    run.tell(Event::FetchStarted { partition: report.partition.clone(), expected: fetch.expected_requests });

    let read = control_sums::read(run, &fetch, &mut meter, report).await;
    report.asked = meter.stats;
    drop(meter);
    let mut read = read?;
    failpoint::point("after_control");
    let seen = observed.as_ref();
    let aside = match seen {
        _ if run.heals(partition) => {
            let days = restore::committed(run, partition).await.days;
            quarantine::set_aside(run, partition, &days, None, &mut read).await?
        }
        _ if run.rewrites => SetAside::default(),
        Some(seen) => {
            let days = quarantine::known_days(run, partition, seen).await;
            quarantine::set_aside(run, partition, &days, Some(seen), &mut read).await?
        }
        None => quarantine::set_aside(run, partition, &BTreeMap::new(), None, &mut read).await?,
    };
    failpoint::point("after_verify");
    report.rows = read.sizes.rows;
    let taken = Taken { fetch: &fetch, aside: &aside, seen, observed_at };
    if let Err(error) = take(run, &taken, &mut read, report).await {
        aside.undo(run).await;
        return Err(error);
    }
    conclude(run, &read, &aside.held, report)?;
    Ok(fetch.slots.len())
}

/// Checks the table's record and account, or sets them for a new table.
async fn claim(run: &JobRun<'_>) -> Result<()> {
    let mut store = run.store.lock().await;
    store.claim(run.meant.record()).await?;
    if matches!(run.client.identity.account_check, AccountCheck::InVain { .. }) {
        store.check(run.meant.record()).await?;
    }
    account::must_be_known(run.job, &run.client.identity, store.account())
}

/// Writes what was read into the lake, unless it is there already, and records the outcome in the ledger.
async fn take(run: &JobRun<'_>, taken: &Taken<'_>, read: &mut Compared, report: &mut FetchReport) -> Result<()> {
    let (fetch, seen, partition) = (taken.fetch, taken.seen, taken.fetch.partition);
    // Checked again: for a new table, only the answers may have shown whether its figures are made up.
    seen.map_or(Ok(()), |seen| run.owner().check(&run.job.unit, partition, &seen.footer))?;
    claim(run).await?;
    let unchanged = seen.filter(|_| !run.rewrites && !run.heals(partition));
    let unchanged = unchanged.filter(|seen| generation::is_unchanged(&seen.footer, &read.days));
    if run.heals(partition) {
        replace_whole(run, taken, read, report).await?;
    } else if let Some(seen) = unchanged {
        report.outcome = if read.days.is_empty() { Outcome::Failed } else { Outcome::Unchanged };
        report.epoch = Some(seen.footer.epoch);
        enter(run, Some((&seen.footer, &seen.id())), taken, read, None, report).await?;
    } else if read.days.is_empty() {
        enter(run, None, taken, read, None, report).await?;
    } else {
        let base = load_base(run, fetch, seen).await?;
        archive::keep(run, fetch, &read.answers).await?;
        archive::keep_history(run, fetch, base.as_ref()).await?;
        commit(run, taken, base, read, None, report).await?;
    }
    Ok(())
}

/// A fetch after the quarantine check of its rows.
struct Taken<'a> {
    fetch: &'a Fetch,
    aside: &'a SetAside,
    seen: Option<&'a Observed>,
    observed_at: Instant,
}

/// Merges what was read into `base`, encodes, publishes and records it; `left` are days whose rows are not the
/// committed ones.
async fn commit(
    run: &JobRun<'_>,
    taken: &Taken<'_>,
    base: Option<Base>,
    read: &mut Compared,
    left: Option<&BTreeSet<NaiveDate>>,
    report: &mut FetchReport,
) -> Result<()> {
    let partition = taken.fetch.partition;
    let lost_epoch = run.store.lock().await.ledger.epoch_of(&partition.to_string());
    let days = std::mem::take(&mut read.days);
    let owner = Owned { fingerprint: run.meant.fingerprint().to_owned(), account: run.account.clone() };
    let built = encode(&run.job.source, partition, owner, base, lost_epoch, days).await?;
    let bytes = Bytes::from(built.bytes);
    let target = Target {
        unit: &run.job.unit,
        partition,
        observed: taken.seen,
        observed_at: taken.observed_at,
        first_wait: run.context.retries.first_wait,
    };
    let is_first = !run.store.lock().await.holds_rows();
    let object = publish(&run.context.lake, &target, bytes, &built.footer).await?;
    if is_first {
        run.store.lock().await.check(run.meant.record()).await?;
    }
    report.outcome = Outcome::Committed;
    report.epoch = Some(built.footer.epoch);
    report.changed_days = built.changed.len() as u64;
    report.object_bytes = object.size;
    enter(run, Some((&built.footer, &object)), taken, read, left, report).await
}

/// Replaces an object that is not the committed one, or recreates a missing one: from the days that were read, and for
/// the others from what can be restored. If there is neither, nothing is written, unless a user accepts what is there.
async fn replace_whole(
    run: &JobRun<'_>,
    taken: &Taken<'_>,
    read: &mut Compared,
    report: &mut FetchReport,
) -> Result<()> {
    let partition = taken.fetch.partition;
    let restored = restore::restore(run, partition, taken.seen, &read.days).await?;
    report.notes.extend(restored.notes.iter().cloned());
    let accepted = restored.left.iter().all(|slot| run.accepted.contains(&first_of_month(*slot)));
    let is_taken = accepted && !restored.left.is_empty();
    if is_taken && taken.seen.is_none() && read.days.is_empty() && !restored.any() {
        run.store.lock().await.ledger.forget_days(&partition.to_string(), &restored.left);
        return enter(run, None, taken, read, None, report).await;
    }
    // Days that the API still has are never taken from a displaced object, nor left out: a run that does not read them,
    // or whose rows of them are quarantined or do not add up, writes nothing.
    let may_be_read = restored.left.iter().any(|slot| is_reachable(run.job, *slot, run.now()));
    if may_be_read || read.days.is_empty() && !restored.any() && !is_taken {
        report.outcome = Outcome::Failed;
        // The rows that were read are not committed, so their slots do not count as read.
        read.slots.clear();
        let is_said = !taken.aside.held.is_empty() || !read.unsettled.is_empty();
        if is_said {
            taken.aside.undo(run).await;
            return enter(run, None, taken, read, None, report).await;
        }
        enter(run, None, taken, read, None, report).await?;
        return Err(displaced::lost(&run.job.unit, partition, &restored.left, may_be_read));
    }
    archive::keep(run, taken.fetch, &read.answers).await?;
    read.days.extend(restored.days);
    commit(run, taken, Some(restored.base), read, Some(&restored.left), report).await
}

/// The error of a finished fetch with unsettled, quarantined or incomplete days.
fn conclude(
    run: &JobRun<'_>,
    read: &Compared,
    held: &BTreeMap<NaiveDate, Quarantined>,
    report: &mut FetchReport,
) -> Result<()> {
    let Compared { unsettled, incomplete, slots, .. } = read;
    if !incomplete.is_empty() {
        let error = control_sums::incomplete_error(incomplete, incomplete.keys().any(|slot| slots.contains(slot)));
        if held.is_empty() && unsettled.is_empty() {
            return Err(error);
        }
        report.notes.push(error.message().to_owned());
    }
    if unsettled.is_empty() && held.is_empty() {
        return Ok(());
    }
    if held.is_empty() {
        return Err(control_sums::unsettled_error(unsettled));
    }
    if !unsettled.is_empty() {
        report.notes.push(control_sums::unsettled_error(unsettled).message().to_owned());
    }
    Err(quarantine::error(&run.job.unit, held))
}

/// What the ledger knows of a partition.
async fn known_state(run: &JobRun<'_>, partition: Partition) -> Option<PartitionState> {
    run.store.lock().await.ledger.partitions.get(&partition.to_string()).cloned()
}

/// Compares the object with what was `known` before the observation, and with what the run found at its beginning. A
/// later generation is adopted. Changes from outside since then are left to the next run, which compares again.
async fn check_observation(
    run: &JobRun<'_>,
    partition: Partition,
    observed: Option<&Observed>,
    known: Option<&PartitionState>,
) -> Result<()> {
    let changed = |what: &str| {
        Err(Error::new(Kind::Superseded, format!("the object {what} while this run was under way"))
            .at("key", data_key(&run.job.unit, partition))
            .advise("run again: the next run looks at what is there before it reads anything"))
    };
    if let Some(found) = run.found.displaced.get(&partition) {
        let is_as_found = observed.map(|seen| &seen.tag) == found.as_ref();
        return if is_as_found { Ok(()) } else { changed("was replaced") };
    }
    let Some(seen) = observed else {
        let is_new = known.is_none_or(|known| known.days.is_empty());
        return if is_new { Ok(()) } else { changed("was removed") };
    };
    run.owner().check(&run.job.unit, partition, &seen.footer)?;
    // Another run may have grown the table since this one began.
    keeps_metrics(run.job, seen.footer.days.values())?;
    match Standing::of(known, &seen.footer) {
        Standing::Same => Ok(()),
        Standing::Later { .. } => run.store.lock().await.follow(partition, seen, run.now()).await.map(|_| ()),
        Standing::Other(why) => changed(&format!("was replaced from outside ({why})")),
    }
}

/// The fetch, shortened to the budget if necessary, with its requests reserved. Waits for running fetches first: they
/// return reserved requests that they did not need.
async fn fit_budget<'j>(run: &'j JobRun<'_>, planned: &Fetch) -> Result<(Fetch, Meter<'j>)> {
    if planned.slots.is_empty() {
        return Ok((planned.clone(), run.budget.reserve(0)));
    }
    // The rows of a broken object, or of one that is not the committed one, cannot be kept: all days are read again.
    let whole = run.rewrites || run.heals(planned.partition);
    loop {
        let released = run.budget.released();
        let Some(room) = run.budget.room() else {
            return Ok((planned.clone(), run.budget.reserve(planned.expected_requests)));
        };
        let store = run.store.lock().await;
        let ledger = &store.ledger;
        let now = fetch_of(run.job, ledger, planned.partition, &planned.slots);
        if now.expected_requests <= room {
            let meter = run.budget.reserve(now.expected_requests);
            return Ok((now, meter));
        }
        if run.budget.reserved() > 0 {
            // The fetches waited for need the ledger lock.
            drop(store);
            released.await;
            continue;
        }
        let shorter = if whole { None } else { shortened(run.job, ledger, &now, room) };
        if let Some(fetch) = shorter {
            let meter = run.budget.reserve(fetch.expected_requests);
            return Ok((fetch, meter));
        }
        let needed = least_requests(run.job, ledger, &[now], whole) + run.totals_pages;
        return Err(run.budget.reached(Some(needed)));
    }
}

/// Takes the sizes of a fetch of `slots` days in `pages` pages into what is known.
fn learn(learnt: &mut Learnt, read: &Sizes, slots: u64, pages: u64) {
    // Pages that are longer than a full one show that it is none any more.
    if read.full_page > 0 || read.page_rows > learnt.full_page {
        learnt.full_page = read.full_page;
    }
    // Only a fetch of several pages has a full page.
    learnt.page_rows = if pages > 1 { read.page_rows } else { learnt.page_rows.max(read.page_rows) };
    let slot_rows = read.rows.div_ceil(slots.max(1));
    learnt.slot_rows = if slots >= 5 { slot_rows } else { learnt.slot_rows.max(slot_rows) };
}

/// The object that the fetch replaces, read only if it is still the observed one: for the days that are kept, and to
/// compare the rows of the others. A broken one is not read unless some of its days are kept.
async fn load_base(run: &JobRun<'_>, fetch: &Fetch, observed: Option<&Observed>) -> Result<Option<Base>> {
    let Some(seen) = observed else { return Ok(None) };
    let needs_rows = !run.rewrites || seen.footer.days.keys().any(|slot| !fetch.slots.contains(slot));
    let bytes = if needs_rows {
        let key = data_key(&run.job.unit, fetch.partition);
        let object = run.context.lake.read(&key, Some(&seen.tag)).await?;
        let object = object.ok_or_else(|| {
            Error::new(Kind::Superseded, "the object was removed since it was observed").at("key", &key)
        })?;
        object.bytes
    } else {
        Bytes::new()
    };
    Ok(Some(Base { footer: seen.footer.clone(), bytes }))
}

/// Builds the object, on a blocking thread unless it is small; `lost_epoch` as in [`generation::build`].
pub(crate) async fn encode(
    source: &Arc<dyn Source>,
    partition: Partition,
    owner: Owned,
    base: Option<Base>,
    lost_epoch: u64,
    days: FetchedDays,
) -> Result<Built> {
    let kept = base.as_ref().map_or(0, |base| base.footer.days.values().map(|facts| facts.rows).sum());
    let rows = kept + days.values().map(|(_, facts)| facts.rows).sum::<u64>();
    let source = Arc::clone(source);
    let work =
        move || generation::build(source.table(), source.grain(), partition, &owner, base.as_ref(), lost_epoch, days);
    let built = if rows <= HANDFUL { Ok(work()) } else { tokio::task::spawn_blocking(work).await };
    failpoint::point("after_encode");
    built.unwrap_or_else(|error| Err(Error::new(Kind::Internal, "encoding broke off").because(error)))
}

/// Records in the ledger what is in the lake now, and what was learnt even if nothing was written.
async fn enter(
    run: &JobRun<'_>,
    object: Option<(&generation::Footer, &ObjectId)>,
    taken: &Taken<'_>,
    read: &Compared,
    left: Option<&BTreeSet<NaiveDate>>,
    report: &FetchReport,
) -> Result<()> {
    let mut store = run.store.lock().await;
    if !read.slots.is_empty() {
        store.ledger.note_found(run.job.source.as_ref(), &read.found);
    }
    if let Some((footer, id)) = object {
        if let Some(left) = left {
            store.ledger.keep_committed(&footer.partition, left);
        }
        store.ledger.adopt(footer, id, &read.slots, run.now(), run.now());
        store.ledger.note_totals(footer, &read.totals);
        for (slot, (_, facts)) in &read.days {
            if let Some(currency) = &facts.currency {
                store.ledger.learn_currency(&footer.partition, *slot, currency);
            }
        }
    }
    store.ledger.note_outcome(&read.slots, &read.unsettled, &taken.aside.held, run.now());
    store.ledger.note_differing(&read.slots, &read.differing);
    if let Some(left) = left {
        store.ledger.note_replaced(&taken.fetch.partition.to_string(), left);
    }
    if !taken.fetch.slots.is_empty() {
        let slots = taken.fetch.slots.len() as u64;
        learn(&mut store.ledger.learnt, &read.sizes, slots, report.asked.charged_pages);
    }
    store.ledger.stopped.remove(&taken.fetch.partition.to_string());
    store.save(&run.run_id, run.now()).await
}

#[cfg(test)]
mod tests {
    use super::{Sizes, learn};
    use crate::sources::Learnt;

    #[test]
    fn pages_and_days_teach_how_many_rows_they_hold() {
        let before = Learnt { page_rows: 40, slot_rows: 30, ..Learnt::default() };
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
            learn(&mut learnt, &Sizes { rows, page_rows, full_page: 0 }, slots, pages);
            assert_eq!((learnt.page_rows, learnt.slot_rows), wanted, "{what}");
        }
    }

    #[test]
    fn a_page_that_a_list_went_on_after_is_full_until_a_longer_one_comes() {
        let mut learnt = Learnt::default();
        for (page_rows, full_page, wanted) in
            [(31, 0, 0), (20, 20, 20), (20, 0, 20), (9, 0, 20), (15, 15, 15), (31, 0, 0)]
        {
            learn(&mut learnt, &Sizes { rows: 31, page_rows, full_page }, 31, 1);
            assert_eq!(learnt.full_page, wanted, "{page_rows} {full_page}");
        }
    }
}
