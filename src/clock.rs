//! The clock: the only place that decides what time it is for a bill. Everything below takes `now` as an argument.
//!
//! The machine's own clock is read elsewhere only for what is the machine's: how long a server asks to wait, when
//! credentials expire, and the name of a probe object.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{Error, Kind, Result};
use crate::window::is_apart;

/// Where "now" comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A fixed instant, for demos and tests (`COSTLAKE_NOW`); every output notes it.
    Fixed(DateTime<Utc>),
}

impl Clock {
    /// Parses the value of `COSTLAKE_NOW`.
    ///
    /// # Errors
    /// [`Kind::Config`] if it is not a UTC instant.
    pub fn from_text(text: Option<&str>) -> Result<Self> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(Self::System) };
        let at = DateTime::parse_from_rfc3339(text).map_err(|error| {
            Error::new(Kind::Config, format!("COSTLAKE_NOW is `{text}`, which is no instant"))
                .because(error)
                .advise("write it as 2026-11-21T06:30:00Z, or unset it")
        })?;
        Ok(Self::Fixed(at.with_timezone(&Utc)))
    }

    /// Now.
    #[must_use]
    pub fn now(self) -> DateTime<Utc> {
        match self {
            Self::System => Utc::now(),
            Self::Fixed(at) => at,
        }
    }

    /// The fixed instant, for outputs.
    #[must_use]
    pub fn fixed(self) -> Option<DateTime<Utc>> {
        match self {
            Self::System => None,
            Self::Fixed(at) => Some(at),
        }
    }
}

/// The clock of the remote servers: the `Date` of the latest response, and when it was received.
#[derive(Debug, Default)]
pub struct Elsewhere(Mutex<Option<(DateTime<Utc>, Instant)>>);

impl Elsewhere {
    /// Records the `Date` of a response.
    pub fn note(&self, date: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((date, Instant::now()));
    }

    /// How far the machine's clock is ahead of the remote one, if they differ by more than the tolerated skew. `None`
    /// for a clock fixed by `COSTLAKE_NOW`, which differs on purpose.
    #[must_use]
    pub fn gap(&self, clock: Clock) -> Option<TimeDelta> {
        if clock.fixed().is_some() {
            return None;
        }
        let (date, heard) = (*self.0.lock().unwrap_or_else(PoisonError::into_inner))?;
        let there = date + TimeDelta::from_std(heard.elapsed()).ok()?;
        Some(clock.now() - there).filter(|gap| is_apart(*gap))
    }
}

#[cfg(test)]
mod tests {
    use super::{Clock, Elsewhere};
    use chrono::{TimeDelta, Utc};

    #[test]
    fn a_clock_is_compared_with_the_newest_answer_unless_it_was_set() {
        let elsewhere = Elsewhere::default();
        assert_eq!(elsewhere.gap(Clock::System), None, "nothing is known of another clock");
        for (minutes, off) in [(0, false), (58, false), (-58, false), (62, true), (-62, true)] {
            elsewhere.note(Utc::now() + TimeDelta::minutes(minutes));
            let gap = elsewhere.gap(Clock::System);
            assert_eq!(gap.is_some(), off, "{minutes} minutes: {gap:?}");
            assert_eq!(elsewhere.gap(Clock::Fixed(Utc::now())), None);
        }
        assert!(elsewhere.gap(Clock::System).is_some_and(|gap| gap > TimeDelta::minutes(61)), "ahead by so much");
    }
}
