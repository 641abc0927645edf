//! The calendar of a table: every slot it has or should have, with its state.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::job::Job;
use crate::ledger::{DayState, Ledger};

use super::{SlotState, is_stale, span, state_of};

/// One slot of the calendar.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The day, or the 1st of the month.
    pub day: NaiveDate,
    /// Its state.
    pub state: SlotState,
    /// Whether its rows in the lake are known to be out of date.
    pub stale: bool,
    /// Its ledger entry, once it has been read.
    pub known: Option<DayState>,
}

/// The word for a slot that is in the lake and known to be out of date.
pub const STALE: &str = "stale";

impl SlotState {
    /// The word for people; JSON documents and metrics have names of their own.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Final => "final",
            Self::Estimated => "estimated",
            Self::Mismatch => "mismatch",
            Self::Held => "held for review",
            Self::Failed => "failed",
            Self::Missing => "missing",
            Self::NotAvailable => "not available",
            Self::NotFinal => "not final, not available",
            Self::Differing => "differing",
        }
    }
}

impl Slot {
    /// Why the slot is not complete and current; `None` when it is.
    #[must_use]
    pub fn gap(&self) -> Option<&'static str> {
        match self.state {
            SlotState::Estimated | SlotState::Final | SlotState::Differing | SlotState::NotAvailable => {
                self.stale.then_some(STALE)
            }
            state => Some(state.word()),
        }
    }

    /// The message recorded by the run that found the problem.
    #[must_use]
    pub fn why<'a>(&self, ledger: &'a Ledger) -> Option<&'a str> {
        match self.state {
            SlotState::Mismatch => ledger.unsettled.get(&self.day).map(|noted| noted.why.as_str()),
            SlotState::Held => ledger.quarantined.get(&self.day).map(|held| held.why.as_str()),
            SlotState::Failed => ledger.failed.get(&self.day).map(|noted| noted.why.as_str()),
            SlotState::Differing => ledger.differing.get(&self.day).map(|found| found.why.as_str()),
            _ => ledger.out_of_place(self.day).map(|noted| noted.why.as_str()),
        }
    }
}

/// Every slot that the table has or should have at `now`, in date order.
#[must_use]
pub fn calendar(job: &Job, ledger: &Ledger, now: DateTime<Utc>) -> Vec<Slot> {
    let grain = job.source.grain();
    let mut known: BTreeMap<NaiveDate, &DayState> = BTreeMap::new();
    for partition in ledger.partitions.values() {
        known.extend(partition.days.iter().map(|(slot, day)| (*slot, day)));
    }
    let mut days: Vec<NaiveDate> = known.keys().copied().collect();
    days.extend(ledger.displaced.keys().chain(ledger.doubted.keys()));
    days.extend(span(job, now).into_iter().flat_map(|span| grain.slots(span)));
    days.sort_unstable();
    days.dedup();
    let slot = |day: NaiveDate| Slot {
        day,
        state: state_of(job, ledger, day, now),
        stale: is_stale(job, ledger, day, now),
        known: known.get(&day).map(|found| (*found).clone()),
    };
    days.into_iter().map(slot).collect()
}
