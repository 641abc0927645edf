//! Which days a run reads without being told: the rules of the table in [`super`], one function each.

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::job::{Job, Refresh};
use crate::ledger::{DayState, Ledger, PartitionState};
use crate::sources::Provider;
use crate::sums::Sums;
use crate::totals::{Totals, are_unlike};
use crate::window::{days_before, month_start};

use super::{SlotState, read_state, settles_on, span};

/// A refreshed day is stale when it was not looked at for so long: two nightly runs were missed.
const STALE_HOURS: i64 = 48;

/// The days that are due, in order; those that are older than the API's history are noted.
pub(super) fn slots(
    job: &Job,
    ledger: &Ledger,
    now: DateTime<Utc>,
    totals: Option<&Totals>,
    notes: &mut Vec<String>,
) -> Vec<NaiveDate> {
    let Some(span) = span(job, now) else { return Vec::new() };
    let grain = job.source.grain();
    let mut out_of_reach = Vec::new();
    let mut due = Vec::new();
    for slot in grain.slots(span) {
        match read_state(job, ledger, slot, now) {
            SlotState::OutOfReach => out_of_reach.push(slot),
            SlotState::Missing => due.push(slot),
            _ if is_due_again(job, ledger, slot, now, totals) => due.push(slot),
            _ => {}
        }
    }
    if let (Some(first), Some(last)) = (out_of_reach.first(), out_of_reach.last()) {
        let count = out_of_reach.len();
        notes.push(format!("{first} to {last}: {count} out of reach, older than the API's documented history"));
    }
    due
}

/// Whether a day that has been read is read again: see the table of [`super`].
fn is_due_again(job: &Job, ledger: &Ledger, slot: NaiveDate, now: DateTime<Utc>, totals: Option<&Totals>) -> bool {
    if ledger.unsettled.contains_key(&slot) {
        return true;
    }
    if let Some(held) = ledger.quarantined.get(&slot) {
        return match job.window.refresh {
            Refresh::Probe => differs(job, slot, totals, (&held.totals, held.currency.as_ref(), held.estimated)),
            // What is asked for nothing is asked until it is taken back.
            _ => job.entry.provider == Provider::Datadog || slot >= refresh_start(job, now),
        };
    }
    let partition = ledger.partitions.get(&job.source.grain().partition_of(slot).to_string());
    let day = partition.and_then(|partition| partition.days.get(&slot));
    day.is_some_and(|day| needs_refresh(job, partition, day, slot, now, totals))
}

/// Whether one of the rules of the job wants the day again.
fn needs_refresh(
    job: &Job,
    partition: Option<&PartitionState>,
    day: &DayState,
    slot: NaiveDate,
    now: DateTime<Utc>,
    totals: Option<&Totals>,
) -> bool {
    if job.entry.snapshot || is_left_behind(job, day, slot, now) {
        return true;
    }
    if job.window.refresh != Refresh::Probe {
        return slot >= refresh_start(job, now);
    }
    let today = now.date_naive();
    let settles = settles_on(job, slot);
    let settled_since = today > settles && day.read_at.date_naive() <= settles;
    let facts = &day.facts;
    differs(job, slot, totals, (&facts.totals, facts.currency.as_ref(), facts.estimated))
        || settled_since
        || (today <= settles && is_full_read_due(job, partition, today))
}

/// Whether the API's total of any of the job's metrics, its currency or the estimate flag is another one than what is
/// known. A currency that only one side knows says nothing.
fn differs(job: &Job, slot: NaiveDate, totals: Option<&Totals>, known: (&Sums, Option<&String>, bool)) -> bool {
    let (sums, currency, estimated) = known;
    let now = totals.and_then(|totals| totals.narrowed(job.source.table(), slot));
    now.is_some_and(|now| {
        now.estimated != estimated || now.sums != *sums || are_unlike(now.currency.as_ref(), currency)
    })
}

/// Whether some day of the month was last read so long ago that the whole month is read again.
fn is_full_read_due(job: &Job, partition: Option<&PartitionState>, today: NaiveDate) -> bool {
    let oldest = partition.and_then(|state| state.days.values().map(|day| day.read_at.date_naive()).min());
    oldest.is_some_and(|oldest| days_before(today, job.window.full_read_every_days) >= oldest)
}

/// An estimate that was last read before its month settled, and the month has settled since.
fn is_left_behind(job: &Job, day: &DayState, slot: NaiveDate, now: DateTime<Utc>) -> bool {
    let settles = settles_on(job, slot);
    day.facts.estimated && now.date_naive() > settles && day.read_at.date_naive() <= settles
}

/// First slot that is read again by the refresh rule.
fn refresh_start(job: &Job, now: DateTime<Utc>) -> NaiveDate {
    let today = now.date_naive();
    match job.window.refresh {
        Refresh::Probe | Refresh::BillingClose => {
            let months = if today.day() <= job.window.settle_day { -1 } else { 0 };
            month_start(today, months)
        }
        Refresh::Days(count) => job.source.grain().slot_of(days_before(today, count)),
    }
}

/// Whether what is in the lake is known to be out of date: an estimate whose month has settled since it was read, or a
/// day that the refresh rule should have looked at by now and did not for two days.
#[must_use]
pub fn is_stale(job: &Job, ledger: &Ledger, slot: NaiveDate, now: DateTime<Utc>) -> bool {
    if ledger.out_of_place(slot).is_some() {
        return true;
    }
    let Some(day) = ledger.day(&job.source.grain().partition_of(slot).to_string(), slot) else { return false };
    let looked_at = match job.window.refresh {
        Refresh::Probe => ledger.probed_at.map_or(day.read_at, |probed| probed.max(day.read_at)),
        _ => day.read_at,
    };
    let begun = job.window.begin.is_none_or(|begin| slot >= begin);
    let overdue =
        begun && !job.entry.snapshot && slot >= refresh_start(job, now) && (now - looked_at).num_hours() >= STALE_HOURS;
    overdue || is_left_behind(job, day, slot, now)
}
