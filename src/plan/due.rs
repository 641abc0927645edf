//! Which days a scheduled run reads: the rules of the table in [`super`], one function each.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDate, Utc};

use crate::job::{Job, Refresh};
use crate::ledger::{DayState, Ledger, PartitionState};
use crate::sums::Sums;
use crate::totals::{Totals, are_unlike};
use crate::window::{days_before, month_start};

use super::api_history::{is_out_of_reach, not_begun, span};
use super::finality::{Moment, is_final_by_rule, is_left_behind, midnight, owed_since};
use super::{SlotState, begins_late, is_before_data, is_complete, read_state, settled, settles_on};

/// Hours after which a day under the refresh rule is stale if it was not checked: two missed nightly runs.
const STALE_HOURS: i64 = 48;
/// Days for which a day whose last read failed is retried.
const FAILED_DAYS: u64 = 7;
/// Number of UTC days on which a slot is read again because its rows miss the total of a metric that is only reported.
pub(super) const DIFFERING_TRIES: u32 = 3;

/// The due days in date order; days older than the API's history go to `notes`.
pub(super) fn slots(
    job: &Job,
    ledger: &Ledger,
    moment: Moment,
    totals: Option<&Totals>,
    notes: &mut Vec<String>,
) -> Vec<NaiveDate> {
    let Some(span) = span(job, moment.now) else {
        notes.extend(not_begun(job, moment.now));
        return Vec::new();
    };
    let (mut out_of_reach, mut not_final) = (Vec::new(), Vec::new());
    let mut due = Vec::new();
    for slot in job.source.grain().slots(span) {
        match read_state(job, ledger, slot, moment) {
            SlotState::NotAvailable if is_before_data(ledger, slot) => {}
            SlotState::NotAvailable => out_of_reach.push(slot),
            SlotState::NotFinal => not_final.push(slot),
            SlotState::Missing => due.push(slot),
            _ if is_due_again(job, ledger, slot, moment, totals) => due.push(slot),
            _ => {}
        }
    }
    due.extend(failed(job, ledger, moment, &due));
    due.sort_unstable();
    if let Some(month) = settled::month_to_read(job, ledger, moment) {
        notes.push(month.note());
        due.extend(month.slots);
        due.sort_unstable();
        due.dedup();
    }
    notes.extend(begins_late(job, ledger));
    notes.extend(range_note(&out_of_reach, "not available, older than the API's documented history"));
    notes.extend(range_note(
        &not_final,
        "not final, not available: read before the end of their span, and by now older than the API's documented \
         history; `--accept JOB:YYYY-MM` takes a month as it is",
    ));
    due
}

/// The days whose last read failed within [`FAILED_DAYS`], in partitions where nothing else is due: a day that the API
/// keeps refusing neither fails other days with it nor costs requests forever.
fn failed(job: &Job, ledger: &Ledger, moment: Moment, due: &[NaiveDate]) -> Vec<NaiveDate> {
    let grain = job.source.grain();
    let touched: BTreeSet<_> = due.iter().map(|slot| grain.partition_of(*slot)).collect();
    let since = days_before(moment.today(), FAILED_DAYS);
    let lately = ledger.failed.iter().filter(|(_, noted)| noted.at.date_naive() >= since).map(|(slot, _)| *slot);
    let is_known = |slot: &NaiveDate| ledger.day(&grain.partition_of(*slot).to_string(), *slot).is_some();
    let may_be_read = |slot: &NaiveDate| !is_out_of_reach(job, *slot, moment.today()) && *slot <= moment.today();
    let apart = |slot: &NaiveDate| !touched.contains(&grain.partition_of(*slot));
    lately.filter(|slot| is_known(slot) && may_be_read(slot) && apart(slot)).collect()
}

fn range_note(slots: &[NaiveDate], what: &str) -> Option<String> {
    let (first, last) = (slots.first()?, slots.last()?);
    Some(format!("{first} to {last}: {} {what}", slots.len()))
}

/// Whether a day that has been read is read again: see the table of [`super`].
fn is_due_again(job: &Job, ledger: &Ledger, slot: NaiveDate, moment: Moment, totals: Option<&Totals>) -> bool {
    if is_out_of_reach(job, slot, moment.today()) {
        return false;
    }
    if ledger.unsettled.contains_key(&slot) || is_tried_again(ledger, slot, moment) {
        return true;
    }
    if let Some(held) = ledger.quarantined.get(&slot) {
        return match job.window.refresh {
            Refresh::Probe => differs(job, slot, totals, (&held.totals, held.currency.as_ref(), held.estimated)),
            // Where requests are free, a quarantined day is read until it is released.
            _ => !job.entry.provider.is_paid() || slot >= refresh_start(job, moment.now),
        };
    }
    let partition = ledger.partitions.get(&job.source.grain().partition_of(slot).to_string());
    let day = partition.and_then(|partition| partition.days.get(&slot));
    day.is_some_and(|day| needs_refresh(job, partition, day, slot, moment, totals))
}

/// Whether the rows of the slot miss the total of a metric that is only reported, with tries left and none used today.
fn is_tried_again(ledger: &Ledger, slot: NaiveDate, moment: Moment) -> bool {
    let tried_today = |at| moment.believed(at).is_some_and(|at| at.date_naive() >= moment.today());
    ledger.differing.get(&slot).is_some_and(|found| found.tries < DIFFERING_TRIES && !tried_today(found.at))
}

/// Whether one of the job's rules requires the day to be read again.
fn needs_refresh(
    job: &Job,
    partition: Option<&PartitionState>,
    day: &DayState,
    slot: NaiveDate,
    moment: Moment,
    totals: Option<&Totals>,
) -> bool {
    if job.entry.rules.snapshot || !is_complete(job, day) || owed_since(job, day, slot, moment).is_some() {
        return true;
    }
    let today = moment.today();
    if job.window.refresh != Refresh::Probe {
        // A clock that is behind does not re-read final days; on the last night of its span a day may be read twice.
        let was_read_later = moment.read_on(day).is_some_and(|read| read > today);
        return slot >= refresh_start(job, moment.now) && !(was_read_later && is_final_by_rule(job, day, slot, moment));
    }
    let facts = &day.facts;
    differs(job, slot, totals, (&facts.totals, facts.currency.as_ref(), facts.estimated))
        || (today <= settles_on(job, slot) && is_full_read_due(job, partition, moment))
}

/// Whether the API's total of any of the job's metrics, the currency or the estimate flag differs from the known one.
/// A currency known on only one side is not compared.
fn differs(job: &Job, slot: NaiveDate, totals: Option<&Totals>, known: (&Sums, Option<&String>, bool)) -> bool {
    let (sums, currency, estimated) = known;
    let now = totals.and_then(|totals| totals.narrowed(job.source.table(), slot));
    now.is_some_and(|now| {
        now.estimated != estimated || now.sums != *sums || are_unlike(now.currency.as_ref(), currency)
    })
}

/// Whether any day of the month was last read at least `full_read_every` ago, so that the whole month is read again.
fn is_full_read_due(job: &Job, partition: Option<&PartitionState>, moment: Moment) -> bool {
    let limit = days_before(moment.today(), job.window.full_read_every_days);
    // A day that counts as never read is already due.
    let days = partition.into_iter().flat_map(|state| state.days.values());
    days.filter_map(|day| moment.read_on(day)).any(|read| read <= limit)
}

/// First slot covered by the refresh rule.
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

/// Whether a slot's rows in the lake are known to be out of date and a run would read them again: its object was
/// replaced from outside, it is an estimate whose month has settled since the read, its final read is two days overdue,
/// or the refresh rule covers it and it was not checked for two days.
#[must_use]
pub fn is_stale(job: &Job, ledger: &Ledger, slot: NaiveDate, now: DateTime<Utc>) -> bool {
    if ledger.out_of_place(slot).is_some() {
        return true;
    }
    let Some(day) = ledger.day(&job.source.grain().partition_of(slot).to_string(), slot) else { return false };
    let moment = Moment::from(now);
    let is_past = span(job, now).is_some_and(|span| span.contains(slot));
    if job.entry.rules.snapshot || !is_past || is_out_of_reach(job, slot, moment.today()) {
        return false;
    }
    let is_long_ago = |time: DateTime<Utc>| (now - time).num_hours() >= STALE_HOURS;
    let probed_at = ledger.probed_at.filter(|_| job.window.refresh == Refresh::Probe);
    let looked_at = probed_at.and_then(|probed| moment.believed(probed)).max(moment.believed(day.read_at));
    let overdue = slot >= refresh_start(job, now) && looked_at.is_none_or(is_long_ago);
    let owed = owed_since(job, day, slot, moment).is_some_and(|since| is_long_ago(midnight(since)));
    let lacks = job.source.grows() && !is_complete(job, day);
    overdue || owed || lacks || is_left_behind(job, day, slot, moment)
}
