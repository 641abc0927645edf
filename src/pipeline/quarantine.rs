//! Setting rows aside that a person has to look at: see [`crate::quarantine`] for when.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use tracing::warn;

use crate::error::{Error, Kind};
use crate::generation::Footer;
use crate::ledger::{Ledger, Quarantined};
use crate::quarantine::judge;
use crate::window::first_of_month;

use super::JobRun;
use super::control::Controlled;

/// Reasons that are spelled out.
const SHOWN: usize = 3;

/// Takes the slots out of a fetch that must not replace what `known` holds without a person's word.
pub(super) async fn set_aside(
    job: &JobRun<'_>,
    known: &Footer,
    read: &mut Controlled,
) -> BTreeMap<NaiveDate, Quarantined> {
    let ledger = job.books.lock().await.ledger.clone();
    let reasons = judge(job.job, &ledger, known, &read.days, &job.accepted, job.now());
    let mut held = BTreeMap::new();
    for (slot, why) in reasons {
        warn!(%slot, why, "quarantined");
        let facts = read.days.remove(&slot).map(|(_, facts)| facts);
        read.slots.remove(&slot);
        let since = ledger.quarantined.get(&slot).map_or_else(|| job.now(), |known| known.since);
        let totals = read.totals.remove(&slot).unwrap_or_default();
        let estimated = facts.is_some_and(|facts| facts.estimated);
        held.insert(slot, Quarantined { at: job.now(), since, why, totals, estimated });
    }
    held
}

/// The error of rows that were set aside.
pub(super) fn error(job: &str, held: &BTreeMap<NaiveDate, Quarantined>) -> Error {
    let mut reasons: Vec<(&str, Vec<NaiveDate>)> = Vec::new();
    for (slot, quarantined) in held {
        match reasons.iter_mut().find(|(why, _)| *why == quarantined.why) {
            Some((_, slots)) => slots.push(*slot),
            None => reasons.push((&quarantined.why, vec![*slot])),
        }
    }
    let shown: Vec<String> =
        reasons.iter().take(SHOWN).map(|(why, slots)| format!("{}: {why}", named(slots))).collect();
    let more =
        if reasons.len() > SHOWN { format!("; and {} more reasons", reasons.len() - SHOWN) } else { String::new() };
    let mut months: Vec<String> = held.keys().map(|slot| first_of_month(*slot).format("%Y-%m").to_string()).collect();
    months.dedup();
    let accept: Vec<String> = months.iter().map(|month| format!("--accept {job}:{month}")).collect();
    Error::new(Kind::Quarantined, format!("quarantined, the old rows stay: {}{more}", shown.join("; "))).advise(
        format!(
            "look at the bill; if the new figures are right, take them with `costlake run {job} {}`",
            accept.join(" ")
        ),
    )
}

fn named(slots: &[NaiveDate]) -> String {
    match slots {
        [one] => one.to_string(),
        [first, .., last] => format!("{} days from {first} to {last}", slots.len()),
        [] => String::new(),
    }
}

/// The error of a table with rows that were set aside by earlier runs and still wait, if there are any.
pub(super) fn standing(job: &str, ledger: &Ledger) -> Option<Error> {
    (!ledger.quarantined.is_empty()).then(|| error(job, &ledger.quarantined))
}
