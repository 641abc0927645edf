//! The clock: the only place that asks what time it is. Everything below takes `now` as an argument.

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
    /// One instant, for demos and tests (`COSTLAKE_NOW`); every output says so.
    Fixed(DateTime<Utc>),
}

impl Clock {
    /// Reads `COSTLAKE_NOW`'s text.
    ///
    /// # Errors
    /// [`Kind::Config`] when it is no UTC instant.
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

    /// The instant it is fixed to, for outputs.
    #[must_use]
    pub fn fixed(self) -> Option<DateTime<Utc>> {
        match self {
            Self::System => None,
            Self::Fixed(at) => Some(at),
        }
    }
}

/// What time it is elsewhere: the `Date` of the newest answer, and how long ago it came.
#[derive(Debug, Default)]
pub struct Elsewhere(Mutex<Option<(DateTime<Utc>, Instant)>>);

impl Elsewhere {
    /// An answer says what time it is where it comes from.
    pub fn note(&self, date: DateTime<Utc>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((date, Instant::now()));
    }

    /// How far the machine's clock is ahead of the one elsewhere, if that is more than clocks may be apart. One that
    /// `COSTLAKE_NOW` has set is meant to be another.
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
