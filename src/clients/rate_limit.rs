//! Rate limiting: one rate limit per account, lowered when the API throttles.
//!
//! Requests are evenly spaced. A throttled request halves the rate; 20 successful responses in a row raise it by 10 %,
//! up to the job's limit. Without a rate limit, a client sends six times as many requests for the same pages.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// The lowest rate that throttling leads to, in requests per second.
const SLOWEST: f64 = 0.1;
/// Successful responses in a row after which the rate rises.
const GOOD_RUN: u32 = 20;

/// The rate limit of one account.
#[derive(Debug)]
pub struct RateLimiter(Mutex<State>);

#[derive(Debug)]
struct State {
    limit: f64,
    rate: f64,
    next: Option<Instant>,
    good: u32,
}

impl RateLimiter {
    /// A rate limit of at most `requests_per_second`.
    #[must_use]
    pub fn new(requests_per_second: f64) -> Self {
        Self(Mutex::new(State { limit: requests_per_second, rate: requests_per_second, next: None, good: 0 }))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the limit of the current job; a rate lowered by throttling is kept.
    pub fn set_limit(&self, requests_per_second: f64) {
        let mut state = self.state();
        let throttled = state.rate < state.limit;
        state.limit = requests_per_second;
        state.rate = if throttled { state.rate.min(state.limit) } else { state.limit };
    }

    /// Waits until the next request may be sent.
    pub async fn turn(&self) {
        let slot = {
            let mut state = self.state();
            let now = Instant::now();
            let slot = state.next.map_or(now, |next| next.max(now));
            state.next = Some(slot + Duration::from_secs_f64(1.0 / state.rate));
            slot
        };
        sleep_until(slot).await;
    }

    /// Records that the API throttled a request.
    pub fn throttled(&self) {
        let mut state = self.state();
        state.rate = (state.rate / 2.0).max(SLOWEST.min(state.limit));
        state.good = 0;
    }

    /// Records a successful response.
    pub fn answered(&self) {
        let mut state = self.state();
        state.good += 1;
        if state.good >= GOOD_RUN {
            state.good = 0;
            state.rate = (state.rate * 1.1).min(state.limit);
        }
    }

    /// The current rate, in requests per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.state().rate
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimiter;
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn requests_leave_at_even_distances() {
        let limiter = RateLimiter::new(5.0);
        let start = Instant::now();
        for _ in 0..11 {
            limiter.turn().await;
        }
        let spent = start.elapsed();
        assert!(spent >= Duration::from_millis(1_990) && spent <= Duration::from_millis(2_050), "{spent:?}");
    }

    #[test]
    fn throttling_halves_and_patience_restores() {
        let limiter = RateLimiter::new(4.0);
        limiter.throttled();
        limiter.throttled();
        assert!((limiter.rate() - 1.0).abs() < 1e-9);
        for _ in 0..20 {
            limiter.answered();
        }
        assert!((limiter.rate() - 1.1).abs() < 1e-9);
        for _ in 0..2_000 {
            limiter.answered();
        }
        assert!((limiter.rate() - 4.0).abs() < 1e-9);
        for _ in 0..50 {
            limiter.throttled();
        }
        assert!(limiter.rate() >= 0.1);
    }
}
