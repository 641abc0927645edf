//! Sending: the only place that decides on retries.
//!
//! | the attempt ends in | then |
//! |---|---|
//! | an answer | the rate limit may rise |
//! | `Throttled` | the rate limit halves; sent again after the wait the API names, else after a jittered backoff |
//! | `Unavailable` | sent again after a jittered backoff |
//! | anything else | returned to the fetch |
//!
//! No paid request is sent before the lake holds a record that reserves it (`pipeline/started.rs`).
//! Nothing is sent once an answer's `Date` has shown that this machine's clock is wrong (`pipeline/clocks.rs`).
//!
//! At most [`RetryPolicy::attempts`] attempts; waits the API names are honoured up to five minutes. Every attempt counts
//! against the budget. All requests are reads, so sending one again is safe.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, info_span, warn};

use crate::clients::Client;
use crate::clock::{Clock, Elsewhere};
use crate::error::{Error, Kind, Result};
use crate::request::{Answer, Request};

use super::account::Meant;
use super::budget::{Budget, Meter};
use super::clocks;
use super::started::Started;
use super::{Event, Listener, Waiting};

/// The retry policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts per request, the first included.
    pub attempts: u32,
    /// Longest first wait; it doubles with each attempt, and a random part of it (at least a fifth) is waited.
    pub first_wait: Duration,
    /// Longest wait of the backoff.
    pub longest_wait: Duration,
}

/// Longest wait that is honoured when the API names one.
pub const LONGEST_NAMED_WAIT: Duration = Duration::from_secs(300);

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 8, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) }
    }
}

impl RetryPolicy {
    /// The wait before attempt number `next` (2 is the first repetition): "full jitter" over a doubling range.
    #[must_use]
    pub fn wait(&self, next: u32, named: Option<Duration>) -> Duration {
        if let Some(named) = named {
            return named.min(LONGEST_NAMED_WAIT);
        }
        let range = self.first_wait.saturating_mul(1 << next.saturating_sub(2).min(16)).min(self.longest_wait);
        range.mul_f64(0.2 + 0.8 * fastrand::f64())
    }
}

/// Sends the requests of one fetch, or of no run at all.
pub(super) struct Sender<'a> {
    pub(super) client: &'a Client,
    pub(super) retries: RetryPolicy,
    pub(super) cancel: &'a CancellationToken,
    /// `None` outside of a run.
    pub(super) guards: Option<Guards<'a>>,
}

/// What a run asks before each attempt, what it takes from each answer, and who is told of waits.
pub(super) struct Guards<'a> {
    pub(super) budget: &'a Budget,
    pub(super) started: &'a Started<'a>,
    pub(super) meant: &'a Meant,
    pub(super) clock: Clock,
    pub(super) elsewhere: &'a Elsewhere,
    /// Name of the API.
    pub(super) api: &'static str,
    pub(super) listener: Option<&'a Listener>,
}

impl Guards<'_> {
    /// Lets an attempt be sent, once it is reserved and on record if it is charged.
    async fn admit(&self, request: &Request, meter: &mut Meter<'_>) -> Result<()> {
        clocks::compare(self.clock, self.elsewhere)?;
        if request.is_charged() {
            if !meter.take() {
                return Err(self.budget.reached(None));
            }
            self.started.cover(self.budget.sent(), self.budget.cap()).await?;
        }
        Ok(())
    }

    /// Tells that the request is sent again later.
    fn tell(&self, attempt: u32, attempts: u32, wait: Duration) {
        if let Some(listener) = self.listener {
            let until = self.clock.now() + wait;
            listener(Event::Waiting(Waiting { api: self.api, attempt, attempts, until }));
        }
    }

    /// Checks that the answer is of the API that the table is made from, which is `asked` unless it is the usual one.
    fn hear(&self, answer: &Answer, asked: Option<&String>) -> Result<()> {
        let heard = self.meant.hear(answer.made_up);
        heard.map_err(|error| match asked {
            Some(address) => error.at("asked at", address),
            None => error,
        })
    }
}

impl Sender<'_> {
    /// Sends until answered, refused, or out of attempts.
    pub(super) async fn send(&self, request: &Request, meter: &mut Meter<'_>) -> Result<Answer> {
        let mut attempt = 1;
        loop {
            if let Some(limiter) = &self.client.limiter {
                unless_cancelled(self.cancel, limiter.turn()).await?;
            }
            if self.cancel.is_cancelled() {
                return Err(interrupted());
            }
            if let Some(guards) = &self.guards {
                guards.admit(request, meter).await?;
            }
            meter.stats.requests += 1;
            let span = info_span!("request", what = %request, attempt);
            let sent = tokio::select! {
                // An answer that has arrived is returned despite a signal: it may be paid for.
                biased;
                sent = self.client.send(request).instrument(span.clone()) => sent,
                () = self.cancel.cancelled() => return Err(interrupted()),
            };
            let error = match sent {
                Ok(answer) => {
                    self.answered(request, &answer, meter, &span);
                    if let Some(guards) = &self.guards {
                        guards.hear(&answer, self.client.elsewhere.as_ref())?;
                    }
                    return Ok(answer);
                }
                Err(error) => error,
            };
            if error.kind() == Kind::Throttled {
                meter.stats.throttles += 1;
                if let Some(limiter) = &self.client.limiter {
                    limiter.throttled();
                }
            }
            if !error.kind().is_transient() || attempt >= self.retries.attempts {
                return Err(if attempt > 1 { error.at("attempts", attempt) } else { error });
            }
            attempt += 1;
            meter.stats.retries += 1;
            let wait = self.retries.wait(attempt, error.wait_hint());
            if let Some(guards) = &self.guards {
                guards.tell(attempt, self.retries.attempts, wait);
            }
            span.in_scope(|| {
                let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                let attempts = self.retries.attempts;
                warn!(attempt, attempts, wait_ms, "{error}; retrying in {wait_ms} ms");
            });
            unless_cancelled(self.cancel, tokio::time::sleep(wait)).await?;
        }
    }

    fn answered(&self, request: &Request, answer: &Answer, meter: &mut Meter<'_>, span: &tracing::Span) {
        meter.stats.pages += 1;
        meter.stats.charged_pages += u64::from(request.is_charged());
        meter.stats.answer_bytes += answer.body.len() as u64;
        if let Some((guards, date)) = self.guards.as_ref().zip(answer.date) {
            guards.elsewhere.note(date);
        }
        if let Some(limiter) = &self.client.limiter {
            limiter.answered();
        }
        span.in_scope(|| {
            debug!(status = answer.status, bytes = answer.body.len(), request_id = answer.request_id, "answered")
        });
    }
}

/// Sends a request outside of a run, with the same rate limit and retries; no budget and no record.
///
/// # Errors
/// The last attempt's.
pub async fn send_until_answered(
    client: &Client,
    retries: RetryPolicy,
    cancel: &CancellationToken,
    request: &Request,
) -> Result<Answer> {
    let budget = Budget::unlimited();
    let sender = Sender { client, retries, cancel, guards: None };
    sender.send(request, &mut budget.reserve(0)).await.map_err(|error| error.at("request", request))
}

/// Waits for `wait`, unless a signal comes first.
pub(super) async fn unless_cancelled(cancel: &CancellationToken, wait: impl Future<Output = ()>) -> Result<()> {
    tokio::select! {
        biased;
        () = wait => Ok(()),
        () = cancel.cancelled() => Err(interrupted()),
    }
}

/// The error of work that a signal stopped.
#[must_use]
pub(crate) fn interrupted() -> Error {
    Error::new(Kind::Interrupted, "stopped by a signal").advise("nothing is half written: run again to go on")
}

#[cfg(test)]
mod tests {
    use super::RetryPolicy;
    use std::time::Duration;

    #[test]
    fn waits_double_and_are_capped() {
        let retries = RetryPolicy::default();
        for (next, longest) in [(2, 1), (3, 2), (4, 4), (8, 60), (40, 60)] {
            let wait = retries.wait(next, None);
            assert!(
                wait <= Duration::from_secs(longest) && wait >= Duration::from_secs(longest) / 5,
                "{next}: {wait:?}"
            );
        }
        assert_eq!(retries.wait(2, Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(retries.wait(2, Some(Duration::from_secs(86_400))), Duration::from_secs(300));
    }
}
