//! Whether the clock of a run can be trusted.
//!
//! | the clock | then |
//! |---|---|
//! | is set ahead of the machine's by `COSTLAKE_NOW`, and the table's last run was made without it | refused: exit code 2 |
//! | is more than an hour behind the newest run record of the table | days that are final in the ledger are not read again; exit code 1 |
//! | the same, with `--accept-clock` | the user confirms that the records are wrong: read times in the future count as never |
//! | is more than an hour off the `Date` of an answer, and not set by `COSTLAKE_NOW` | nothing more is sent; exit code 1 |
//!
//! The key of a record contains its time, so that the check costs one listing. Only the first line reads a record: the
//! one that the store wrote last, whatever its time.

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::{Clock, Elsewhere};
use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::ledger_store::{LedgerStore, Records};
use crate::plan::{Ask, Moment};
use crate::report::{FetchReport, JobReport};
use crate::window::is_ahead;

use super::Context;

/// The time of a run, and what is wrong with it.
pub(super) struct Timing {
    pub(super) moment: Moment,
    /// The error of a clock that is behind, unless accepted.
    pub(super) behind: Option<Error>,
    /// Start of the table's newest run, if it is ahead of the clock.
    newest: Option<DateTime<Utc>>,
}

/// Compares the clock with the table's records before anything is planned; writes down what the user accepts.
pub(super) async fn judge(
    context: &Context,
    job: &Job,
    store: &mut LedgerStore,
    report: &mut JobReport,
) -> Result<Timing> {
    let timing = foresee(context, job, store).await?;
    let Some(newest) = timing.newest.filter(|_| context.accept_clock) else { return Ok(timing) };
    let now = context.clock.now();
    store.accept_clock(newest, now);
    report
        .notes
        .push(format!("read times after {} are taken for those of a wrong clock, and count as never", shown(now)));
    Ok(Timing { moment: now.into(), behind: None, newest: None })
}

/// The same for a plan, which writes nothing.
pub(super) async fn foresee(context: &Context, job: &Job, store: &LedgerStore) -> Result<Timing> {
    let now = context.clock.now();
    let newest = newest_ahead(&Records::of(&context.lake, &job.unit).await?, store, now);
    let moment = if newest.is_some() { Moment::behind(now) } else { now.into() };
    Ok(Timing { moment, behind: newest.map(|newest| behind(job, now, newest)), newest })
}

/// Start of the newest run of a table, if it is ahead of this clock.
fn newest_ahead(records: &Records, store: &LedgerStore, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    records.newest_time(store.ledger.clock_accepted).filter(|newest| is_ahead(*newest, now))
}

/// Refuses a clock that was set ahead for a table of real runs, before anything is written with its time, which would
/// mislead later runs for years.
pub(crate) async fn refuse(context: &Context, job: &Job) -> Result<()> {
    let real = Clock::System.now();
    let Some(set) = context.clock.fixed().filter(|set| is_ahead(*set, real)) else { return Ok(()) };
    let last = Records::of(&context.lake, &job.unit).await?.last(&context.lake).await?;
    if last.is_none_or(|last| last.clock_is_fixed) {
        return Ok(());
    }
    Err(Error::new(Kind::Config, format!("COSTLAKE_NOW is {}, but it is {}", shown(set), shown(real)))
        .at("table", &job.unit.table)
        .advise("the table's last run was made by the real clock: unset COSTLAKE_NOW, or try it on another --lake"))
}

fn behind(job: &Job, now: DateTime<Utc>, newest: DateTime<Utc>) -> Error {
    Error::new(
        Kind::Clock,
        format!("it is {} by this clock, but the table's newest run was at {}", shown(now), shown(newest)),
    )
    .at("table", &job.unit.table)
    .advise(format!(
        "nothing that was read as final is read again; if this clock is wrong, set it; if that run's was, run `costlake run {} --accept-clock` once",
        job.unit.as_argument()
    ))
}

/// Reports at the end of a run what was wrong with its clock, unless the run failed for another reason.
pub(super) fn conclude(context: &Context, ask: Ask, behind: Option<Error>, report: &mut JobReport) {
    let is_said = |fetch: &FetchReport| fetch.failure.as_ref().is_some_and(|why| why.kind.is(Kind::Clock));
    let off = compare(context.clock, &context.elsewhere).err().filter(|_| !report.fetches.iter().any(is_said));
    // A range named by the user is read whatever the clock says.
    let (failed, noted) = if ask == Ask::Due { (behind, None) } else { (None, behind) };
    report.notes.extend(noted.map(|error| error.message().to_owned()));
    if report.failure.is_none() {
        report.failure = failed.or(off).as_ref().map(Into::into);
    }
}

/// Checks that no answer has shown that the machine's clock is wrong.
///
/// # Errors
/// [`Kind::Clock`], with both times.
pub(super) fn compare(clock: Clock, elsewhere: &Elsewhere) -> Result<()> {
    let Some(gap) = elsewhere.gap(clock) else { return Ok(()) };
    let now = clock.now();
    let side = if gap > TimeDelta::zero() { "ahead of" } else { "behind" };
    Err(Error::new(
        Kind::Clock,
        format!(
            "this machine's clock says {}, {} minutes {side} the API's, which says {}",
            shown(now),
            gap.num_minutes().abs(),
            shown(now - gap)
        ),
    )
    .advise("set the clock (NTP), then run again: days read by a wrong clock would be read too early or too late"))
}

fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
