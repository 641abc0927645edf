//! The state of the tables as a document: what `costlake status --output json` prints and the status page serves to
//! machines.

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::job::{BrokenJob, Job};
use crate::ledger::Ledger;
use crate::plan::{Slot, has_long_been_off};

/// What helps where no run does, for people.
#[must_use]
pub fn advice(ledger: &Ledger) -> Vec<String> {
    let is_long = |slot: &NaiveDate| has_long_been_off(ledger, *slot);
    let off = ledger.unsettled.iter().filter(|(slot, _)| is_long(slot)).map(|(slot, noted)| {
        let nights = ledger.nights.get(slot).map_or(0, |nights| nights.count);
        format!(
            "{slot} has not added up for {nights} nights and is asked once a night ({}): if the API keeps disagreeing \
             with itself, window.control = \"report\" takes its rows as they are",
            noted.why
        )
    });
    off.collect()
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
            if let Some(why) = slot.why(ledger) {
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
    let notes: Vec<String> = notes.iter().cloned().chain(advice(ledger)).collect();
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
