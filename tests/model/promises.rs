//! The invariants of every state and every step.

use stateright::Property;

use super::state::{DAYS, FOREIGN, Rows, State, Write};
use super::steps::Protocol;

/// The epoch fell or was used twice.
const RISES: u8 = 1;
/// Older source data replaced newer.
const NEWER: u8 = 2;
/// Kept rows were not those of the generation that was replaced.
const WHOLE: u8 = 4;
/// A run reported that it lost although the object was its own generation.
pub(crate) const HONEST: u8 = 8;
/// The newest snapshot knew less than the one before it.
const MONOTONE: u8 = 16;
/// A run found the object behind the ledger, which falsely reports that it was deleted.
pub(crate) const CALM: u8 = 32;

/// A run that began after the tampering used the tampered object as a base.
pub(crate) const UNTOUCHED: u8 = 64;

/// Checks a write that is about to replace the object. A tampered object does not constrain the next generation.
pub(crate) fn judge_landing(state: &mut State, write: &Write) {
    let (object, next) = (state.object, write.next);
    if next.epoch > 0 && next.epoch <= state.top && !state.meddled {
        state.broken |= RISES;
    }
    for day in 0..DAYS {
        let is_kept = write.fetched & (1 << day) == 0;
        let is_older = next.version[day] < state.ledger_version[day] && next.rows[day] != state.ledger_rows[day];
        if write.fresh && is_kept && is_older {
            state.broken |= UNTOUCHED;
        }
        if state.meddled {
            continue;
        }
        if next.version[day] < object.version[day] && next.rows[day] != object.rows[day] {
            state.broken |= NEWER;
        }
        if write.fetched & (1 << day) == 0 && next.rows[day] != object.rows[day] && next.epoch > 0 {
            state.broken |= WHOLE;
        }
    }
}

/// Checks a ledger snapshot that is about to become the newest.
pub(crate) fn judge_snapshot(state: &mut State, epoch: u8) {
    if epoch < state.ledger {
        state.broken |= MONOTONE;
    }
}

/// Checks a run that succeeds with the rows `next` in the lake.
pub(crate) fn judge_end(state: &mut State, fresh: bool, next: &Rows) {
    if fresh && next.contains(&FOREIGN) {
        state.broken |= UNTOUCHED;
    }
}

/// Names of the invariants, in the order they are reported.
pub(crate) const I2: &str = "I2 the epoch only rises";
pub(crate) const I3: &str = "I3 older source data never replaces newer";
pub(crate) const I4: &str = "I4 an acknowledged commit is never undone";
pub(crate) const I5: &str = "I5 the ledger never claims what the object has not reached";
pub(crate) const I12: &str = "I12 a reader sees one generation";
pub(crate) const TOLD: &str = "who committed is not told that it lost";
pub(crate) const LEDGER: &str = "the ledger never knows less than before";
pub(crate) const ALARM: &str = "nobody is sent to look for a deleted object";
pub(crate) const OUTSIDE: &str = "what a hand from outside lays there is never built upon";
/// Not an invariant but evidence that the model reaches this state: a superseded write is in flight.
pub(crate) const LATE: &str = "a write arrives after another generation";

pub(crate) fn properties() -> Vec<Property<Protocol>> {
    vec![
        Property::always(I2, |_, state: &State| state.broken & RISES == 0),
        Property::always(I3, |_, state: &State| state.broken & NEWER == 0),
        Property::always(I4, is_acknowledged),
        Property::always(I5, |_, state: &State| state.ledger <= state.object.epoch || state.meddled),
        Property::always(I12, |_, state: &State| state.broken & WHOLE == 0),
        Property::always(TOLD, |_, state: &State| state.broken & HONEST == 0),
        Property::always(LEDGER, |_, state: &State| state.broken & MONOTONE == 0),
        Property::always(ALARM, |_, state: &State| state.broken & CALM == 0),
        Property::always(OUTSIDE, |_, state: &State| state.broken & UNTOUCHED == 0),
        Property::sometimes(LATE, |_, state: &State| {
            state.writes.iter().any(|write| write.next.epoch > 0 && write.next.epoch < state.object.epoch)
        }),
    ]
}

/// Every day is as new as its newest acknowledged commit, or has the same rows.
fn is_acknowledged(protocol: &Protocol, state: &State) -> bool {
    state.meddled
        || (0..DAYS).all(|day| {
            let rows = protocol.source[usize::from(state.acknowledged[day])][day];
            state.object.version[day] >= state.acknowledged[day] || state.object.rows[day] == rows || state.top == 0
        })
}
