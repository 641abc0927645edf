//! The calendar of a table: every slot it has or should have, with its state.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::job::Job;
use crate::ledger::{DayState, Ledger};

use super::{SlotState, is_stale, span, state_of};

/// One slot as it is shown.
#[derive(Debug, Clone)]
pub struct Slot {
    /// The day, or the 1st of the month.
    pub day: NaiveDate,
    /// Its state.
    pub state: SlotState,
    /// Whether what is in the lake is known to be out of date.
    pub stale: bool,
    /// What is known of it, once it has been read.
    pub known: Option<DayState>,
}

/// Every slot that the table has or should have at `now`, in order.
#[must_use]
pub fn calendar(job: &Job, ledger: &Ledger, now: DateTime<Utc>) -> Vec<Slot> {
    let grain = job.source.grain();
    let mut known: BTreeMap<NaiveDate, &DayState> = BTreeMap::new();
    for partition in ledger.partitions.values() {
        known.extend(partition.days.iter().map(|(slot, day)| (*slot, day)));
    }
    let mut days: Vec<NaiveDate> = known.keys().copied().collect();
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
