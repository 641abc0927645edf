//! The clock: the only place that asks what time it is. Everything below takes `now` as an argument.

use chrono::{DateTime, Utc};

use crate::error::{Error, Kind, Result};

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
