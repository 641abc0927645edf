//! Start records: a run writes one to the lake before its first paid request, and a further one before it sends more
//! requests than it has reserved.
//!
//! So an unwritable lake is detected before anything is paid, and the spending of a killed run is on record.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use tokio::sync::Mutex;

use crate::error::Result;
use crate::failpoint;
use crate::lake::Lake;
use crate::ledger_store::StartRecord;
use crate::unit::Unit;

/// The start records of one run.
#[derive(Debug)]
pub(super) struct Started<'a> {
    lake: &'a Lake,
    unit: &'a Unit,
    run_id: &'a str,
    at: DateTime<Utc>,
    state: Mutex<State>,
    failed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    records: u64,
    reserved: u64,
    expected: u64,
    /// Requests reserved by the first record; later ones reserve as many again.
    step: u64,
}

impl State {
    /// How many requests the next record reserves, so that `sent` are covered; a run may send `cap` at most.
    fn next(&self, sent: u64, cap: Option<u64>) -> u64 {
        let planned = self.expected.saturating_sub(self.reserved);
        let more = if planned > 0 { planned } else { self.step };
        let room = cap.map_or(u64::MAX, |cap| cap.saturating_sub(self.reserved));
        more.min(room).max(sent - self.reserved)
    }
}

impl<'a> Started<'a> {
    /// The start records of a run that began `at`; nothing is written yet.
    pub(super) fn new(lake: &'a Lake, unit: &'a Unit, run_id: &'a str, at: DateTime<Utc>) -> Self {
        Self { lake, unit, run_id, at, state: Mutex::default(), failed: AtomicBool::new(false) }
    }

    /// Sets how many requests the whole run is expected to send.
    pub(super) async fn expect(&self, requests: u64) {
        self.state.lock().await.expected = requests;
    }

    /// Whether a start record could not be written, so that nothing more may be paid.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }

    /// Writes a record if `sent` requests are not covered yet; a run may send `cap` at most.
    ///
    /// # Errors
    /// When the lake cannot be written.
    pub(super) async fn cover(&self, sent: u64, cap: Option<u64>) -> Result<()> {
        let mut state = self.state.lock().await;
        if sent <= state.reserved {
            return Ok(());
        }
        let record = StartRecord {
            job: self.unit.table.clone(),
            account: self.unit.account.clone(),
            run_id: self.run_id.to_owned(),
            started_at: self.at,
            number: state.records + 1,
            reserved: state.next(sent, cap),
        };
        if let Err(error) = record.write(self.lake).await {
            self.failed.store(true, Ordering::Relaxed);
            return Err(error);
        }
        state.records = record.number;
        state.reserved += record.reserved;
        if record.number == 1 {
            state.step = record.reserved;
        }
        failpoint::point("started_written");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn a_record_reserves_what_is_planned_and_then_as_much_again() {
        let state = |reserved, expected, step| State { records: 0, reserved, expected, step };
        for (what, state, sent, cap, wanted) in [
            ("the plan", state(0, 7, 0), 1, None, 7),
            ("within the cap", state(0, 7, 0), 1, Some(4), 4),
            ("a plan of nothing", state(0, 0, 0), 1, Some(4), 1),
            ("a plan that grew", state(1, 7, 1), 2, None, 6),
            ("as much again", state(7, 7, 7), 8, None, 7),
            ("what the cap leaves", state(7, 7, 7), 8, Some(9), 2),
            ("what is sent at once", state(1, 1, 1), 5, None, 4),
        ] {
            assert_eq!(state.next(sent, cap), wanted, "{what}");
        }
    }
}
