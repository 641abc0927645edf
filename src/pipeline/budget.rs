//! The cap on requests: reserved before a fetch begins, taken one by one, never exceeded.
//!
//! Every request that is sent counts, retries included. A fetch reserves its expected requests; any further ones come
//! from the unreserved rest. A run may share a second cap with the other runs of the process (`run --max-usd`): a request
//! needs room in both.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::cents::Cents;
use crate::error::{Error, Kind, Result};
use crate::report::RequestStats;
use crate::text::plural;

/// The key that caps one run.
pub const PER_RUN: &str = "budget.max_requests_per_run";
/// The key that caps a month; what is left of its dollars is the cap of a run.
pub const PER_MONTH: &str = "budget.max_usd_per_month";

/// The flag that caps all runs of a process together.
pub const OF_PROCESS: &str = "--max-usd";

/// The cap of one run.
#[derive(Debug)]
pub struct Budget {
    /// The cap that it shares with other runs.
    shared: Option<Arc<Budget>>,
    cap: Option<u64>,
    /// Price of a request.
    price: Cents,
    /// The key of the job file that set the cap.
    key: &'static str,
    state: Mutex<State>,
    released: Notify,
}

#[derive(Debug, Default)]
struct State {
    sent: u64,
    reserved: u64,
}

impl Budget {
    /// A cap of this many requests of a `price`, set by the job's `key`.
    #[must_use]
    pub fn new(cap: Option<u64>, price: Cents, key: &'static str) -> Self {
        Self { shared: None, cap, price, key, state: Mutex::default(), released: Notify::new() }
    }

    /// No cap, such as for free APIs.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::new(None, Cents::ZERO, PER_RUN)
    }

    /// The same cap, within another one that all runs of the process share.
    #[must_use]
    pub fn within(self, shared: Option<Arc<Self>>) -> Self {
        Self { shared, ..self }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that are neither sent nor reserved; `None` without a cap.
    #[must_use]
    pub fn room(&self) -> Option<u64> {
        let state = self.state();
        let own = self.cap.map(|cap| cap.saturating_sub(state.sent + state.reserved));
        let shared = self.shared.as_ref().and_then(|shared| shared.room());
        own.into_iter().chain(shared).min()
    }

    /// Requests that are reserved and not sent yet.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        self.state().reserved
    }

    /// Completes when a reservation ends after this call.
    pub fn released(&self) -> Notified<'_> {
        self.released.notified()
    }

    /// Most requests the run may send; `None` without a cap.
    #[must_use]
    pub fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// Requests sent so far.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.state().sent
    }

    /// Reserves `count` requests, or as many as are left.
    pub fn reserve(&self, count: u64) -> Meter<'_> {
        let mut state = self.state();
        let room = self.cap.map_or(count, |cap| cap.saturating_sub(state.sent + state.reserved));
        // Locked from the run to the process, always.
        let left = self.shared.as_ref().map_or(count.min(room), |shared| shared.set_aside(count.min(room)));
        state.reserved += left;
        Meter { budget: self, left, stats: RequestStats::default() }
    }

    /// Reserves `count` requests, or as many as are left, and returns how many.
    fn set_aside(&self, count: u64) -> u64 {
        let mut state = self.state();
        let left = count.min(self.cap.map_or(count, |cap| cap.saturating_sub(state.sent + state.reserved)));
        state.reserved += left;
        left
    }

    /// Takes one request that is not reserved; false when the cap does not allow it.
    fn take_one(&self) -> bool {
        let mut state = self.state();
        let is_free = self.cap.is_none_or(|cap| state.sent + state.reserved < cap);
        state.sent += u64::from(is_free);
        is_free
    }

    /// Checks that a whole run may send `needed` requests, the fewest with which it makes progress.
    ///
    /// # Errors
    /// [`Kind::Budget`] if it may not.
    pub fn covers(&self, needed: u64) -> Result<()> {
        if self.cap.is_some_and(|cap| needed > cap) { Err(self.reached(Some(needed))) } else { Ok(()) }
    }

    /// The error of a run that reached the cap; `needed` is the number of requests of the smallest step, if known. If
    /// that is within the cap of a whole run, the next run continues without a change of the job.
    #[must_use]
    pub fn reached(&self, needed: Option<u64>) -> Error {
        let own = {
            let state = self.state();
            state.sent + state.reserved
        };
        let has_own_room = self.cap.is_none_or(|cap| own.max(needed.unwrap_or(own + 1)) <= cap);
        if let Some(shared) = self.shared.as_ref().filter(|shared| has_own_room && shared.cap.is_some()) {
            return shared.reached(None);
        }
        let cap = self.cap.unwrap_or(0);
        let (requests, price) = (plural(cap, "request"), self.price.times(cap));
        let place = if self.key == OF_PROCESS { "flag" } else { "key" };
        let error =
            Error::new(Kind::Budget, format!("the cap of {requests}, {price} USD, is reached")).at(place, self.key);
        match needed.filter(|needed| *needed > cap) {
            Some(needed) if self.key == PER_MONTH => error.advise(format!(
                "the smallest step needs at least {}, and the month's dollars leave fewer: raise {}, or wait for the next month",
                plural(needed, "request"),
                self.key
            )),
            Some(needed) => error.advise(format!(
                "the smallest step needs at least {}: raise {} to that or more",
                plural(needed, "request"),
                self.key
            )),
            None => error.advise(format!(
                "finished partitions are kept and the next run goes on from here; raise {} to get through faster",
                self.key
            )),
        }
    }
}

/// What one fetch, or one question for totals, may send and has sent.
#[derive(Debug)]
pub struct Meter<'a> {
    budget: &'a Budget,
    /// Requests that are reserved and not sent yet.
    left: u64,
    /// Its requests and answers so far.
    pub stats: RequestStats,
}

impl Meter<'_> {
    /// Takes one request; false when the cap does not allow it.
    pub fn take(&mut self) -> bool {
        let mut state = self.budget.state();
        if self.left > 0 {
            self.left -= 1;
            state.reserved -= 1;
            if let Some(shared) = &self.budget.shared {
                let mut of_all = shared.state();
                of_all.reserved -= 1;
                of_all.sent += 1;
            }
        } else if self.budget.cap.is_some_and(|cap| state.sent + state.reserved >= cap)
            || self.budget.shared.as_ref().is_some_and(|shared| !shared.take_one())
        {
            return false;
        }
        state.sent += 1;
        true
    }
}

impl Drop for Meter<'_> {
    fn drop(&mut self) {
        self.budget.state().reserved -= self.left;
        if let Some(shared) = &self.budget.shared {
            shared.state().reserved -= self.left;
        }
        self.budget.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Budget, OF_PROCESS, PER_MONTH, PER_RUN};
    use crate::cents::Cents;

    #[test]
    fn no_more_is_sent_than_the_cap_allows() {
        let budget = Budget::new(Some(5), Cents(1), PER_RUN);
        let mut first = budget.reserve(3);
        let mut second = budget.reserve(3);
        assert_eq!(budget.room(), Some(0));
        assert!(second.take() && second.take() && !second.take(), "the other's reservation is not taken");
        assert!(first.take());
        drop(first);
        assert_eq!(budget.room(), Some(2), "what was not used comes back");
        assert!(second.take() && second.take() && !second.take());
        assert_eq!(budget.sent(), 5);
    }

    #[test]
    fn a_months_dollars_are_raised_or_waited_for() {
        let advice = |key| Budget::new(Some(1), Cents(1), key).reached(Some(2)).report();
        let words = "the smallest step needs at least 2 requests";
        assert!(advice(PER_RUN).contains(words) && advice(PER_RUN).contains("to that or more"), "{}", advice(PER_RUN));
        let monthly = advice(PER_MONTH);
        assert!(monthly.contains(words) && monthly.contains("wait for the next month"), "{monthly}");
    }

    #[test]
    fn a_cap_is_shown_in_requests_and_in_dollars() {
        for (cap, price, shown) in
            [(1, 1, "1 request, 0.01 USD"), (150, 1, "150 requests, 1.50 USD"), (3, 25, "0.75 USD")]
        {
            let said = Budget::new(Some(cap), Cents(price), PER_RUN).reached(None).report();
            assert!(said.contains(shown), "{said}");
        }
    }

    #[test]
    fn room_that_the_next_run_has_is_not_asked_for() {
        let report = |needed| Budget::new(Some(5), Cents(1), PER_RUN).reached(needed).report();
        assert!(report(Some(6)).contains("needs at least 6 requests"), "{}", report(Some(6)));
        for needed in [Some(5), None] {
            assert!(report(needed).contains("the next run goes on from here"), "{}", report(needed));
        }
    }

    #[test]
    fn runs_of_a_process_share_a_cap() {
        let of_all = Arc::new(Budget::new(Some(5), Cents(1), OF_PROCESS));
        let run = || Budget::new(Some(4), Cents(1), PER_RUN).within(Some(Arc::clone(&of_all)));
        let (first, second) = (run(), run());
        let mut one = first.reserve(3);
        let mut other = second.reserve(4);
        assert_eq!((first.room(), second.room()), (Some(0), Some(0)));
        assert!(other.take() && other.take() && !other.take(), "three of the five are reserved");
        let said = second.reached(None).report();
        assert!(said.contains("5 requests, 0.05 USD") && said.contains("--max-usd"), "{said}");
        assert!(one.take());
        drop(one);
        assert_eq!((first.room(), second.room()), (Some(2), Some(2)));
        assert!(other.take() && other.take() && !other.take());
        assert!(second.reached(None).report().contains(PER_RUN), "its own cap is reached as well");
        drop(other);
        assert_eq!((of_all.sent(), of_all.reserved()), (5, 0));
    }

    #[test]
    fn a_free_api_has_no_cap() {
        let budget = Budget::unlimited();
        let mut meter = budget.reserve(1);
        assert!((0..1_000).all(|_| meter.take()));
    }
}
