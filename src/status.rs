//! The state of the tables as a document: what `costlake status --output json` prints and the status page serves to
//! machines.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::job::{BrokenJob, Job};
use crate::ledger::{DayState, Ledger};
use crate::plan::{SlotState, is_stale, span, state_of};

/// One slot as it is shown.
#[derive(Debug, Clone)]
pub struct Slot {
    /// Its first day.
    pub day: NaiveDate,
    /// What is known of it.
    pub state: SlotState,
    /// Whether it is known to be out of date.
    pub stale: bool,
    /// What the ledger has of it, once it has been read.
    pub known: Option<DayState>,
}

/// Every slot from the first one the table has or should have to the last.
#[must_use]
pub fn slots_of(job: &Job, ledger: &Ledger, now: DateTime<Utc>) -> Vec<Slot> {
    let grain = job.source.grain();
    let mut known: BTreeMap<NaiveDate, &DayState> = BTreeMap::new();
    for partition in ledger.partitions.values() {
        known.extend(partition.days.iter().map(|(slot, day)| (*slot, day)));
    }
    let mut days: Vec<NaiveDate> = known.keys().copied().collect();
    days.extend(span(job, now).into_iter().flat_map(|span| grain.slots(span)));
    days.sort_unstable();
    days.dedup();
    days.into_iter()
        .map(|day| {
            let found = known.get(&day).copied();
            Slot {
                day,
                state: state_of(job, ledger, day, now),
                stale: is_stale(job, ledger, day, now),
                known: found.cloned(),
            }
        })
        .collect()
}

/// The word for a day that is in the lake and known to be out of date.
pub const STALE: &str = "stale";

/// What keeps a slot from being called complete and current, if anything does.
#[must_use]
pub fn gap(slot: &Slot) -> Option<&'static str> {
    match slot.state {
        SlotState::Missing => Some("missing"),
        SlotState::Unsettled => Some("unsettled"),
        SlotState::Quarantined => Some("quarantined"),
        SlotState::Failed => Some("failed"),
        SlotState::Estimated | SlotState::Settled | SlotState::OutOfReach => slot.stale.then_some(STALE),
    }
}

/// What is wrong with a slot, in the words of the run that found it.
fn why<'a>(ledger: &'a Ledger, slot: &Slot) -> Option<&'a str> {
    match slot.state {
        SlotState::Unsettled => ledger.unsettled.get(&slot.day).map(String::as_str),
        SlotState::Quarantined => ledger.quarantined.get(&slot.day).map(|held| held.why.as_str()),
        SlotState::Failed => ledger.failed.get(&slot.day).map(String::as_str),
        _ => None,
    }
}

/// One table of the document.
#[must_use]
pub fn table(job: &Job, slots: &[Slot], ledger: &Ledger, notes: &[String]) -> Value {
    let days: Vec<Value> = slots
        .iter()
        .map(|slot| {
            let mut day = json!({ "day": slot.day, "state": slot.state, "stale": slot.stale });
            if let Some(known) = &slot.known {
                day["read_at"] = json!(known.read_at);
                day["rows"] = json!(known.facts.rows);
                day["estimated"] = json!(known.facts.estimated);
                day["sums"] = json!(known.facts.sums);
                day["totals"] = json!(known.facts.totals);
                day["generation"] = json!(known.facts.epoch);
            }
            if let Some(why) = why(ledger, slot) {
                day["why"] = json!(why);
            }
            day
        })
        .collect();
    let partitions: Vec<Value> = ledger
        .partitions
        .iter()
        .map(|(name, state)| json!({ "partition": name, "generation": state.epoch, "bytes": state.bytes }))
        .collect();
    json!({ "table": job.name, "source": job.entry.name, "partitions": partitions, "days": days, "notes": notes })
}

/// The whole document.
#[must_use]
pub fn document(clock: Clock, lake: &str, tables: &[Value], broken: &[BrokenJob], exit_code: u8) -> Value {
    json!({
        "clock": clock_document(clock), "lake": lake, "tables": tables, "broken": broken, "exit_code": exit_code,
    })
}

/// `now` for JSON documents, and whether it was set by hand.
#[must_use]
pub fn clock_document(clock: Clock) -> Value {
    json!({ "now": clock.now(), "fixed_by_costlake_now": clock.fixed().is_some() })
}
