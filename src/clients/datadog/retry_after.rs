//! The wait that the API requests before a retry.
//!
//! | header | value | wait |
//! |---|---|---|
//! | `X-RateLimit-Reset` | `5`, `2.5` | this many seconds |
//! | `X-RateLimit-Reset` | from 10^9 | until that Unix time in seconds (from 10^11 in milliseconds); zero if past |
//! | `Retry-After` | seconds or an HTTP date | the same |
//! | either | anything else | ignored |

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// Upper limit of a wait: during a reset of an hour, requests are retried in between.
pub const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// The wait that response headers request at `now`, not capped; `None` if they request none.
#[must_use]
pub fn wait_from(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |value: &reqwest::header::HeaderValue| value.to_str().map(|text| text.trim().to_owned()).ok();
    let reset = headers.get("x-ratelimit-reset").and_then(text).and_then(|text| from_number(&text, now));
    let retry = || headers.get(RETRY_AFTER).and_then(text);
    reset.or_else(|| retry().and_then(|text| from_number(&text, now).or_else(|| from_date(&text, now))))
}

fn from_number(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    const FIRST_EPOCH: f64 = 1e9;
    const FIRST_MILLISECONDS: f64 = 1e11;
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0)?;
    if number < FIRST_EPOCH {
        return Duration::try_from_secs_f64(number).ok();
    }
    let seconds = if number < FIRST_MILLISECONDS { number } else { number / 1000.0 };
    // The current Unix time is far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let now = now.timestamp_millis() as f64 / 1000.0;
    Duration::try_from_secs_f64((seconds - now).max(0.0)).ok()
}

fn from_date(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let until = DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc);
    Some((until - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::wait_from;
    use chrono::{TimeZone, Utc};
    use reqwest::header::{HeaderMap, HeaderValue};
    use std::time::Duration;

    #[test]
    fn waits_are_understood_in_every_form() {
        let now = Utc.timestamp_opt(1_793_000_000, 0).single().expect("an instant");
        for (reset, retry, wanted) in [
            (None, None, None),
            (Some("0"), None, Some(0)),
            (Some("5"), Some("9"), Some(5_000)),
            (Some(" 2.5 "), None, Some(2_500)),
            (Some("3600"), None, Some(3_600_000)),
            (Some("1793000007"), None, Some(7_000)),
            (Some("1793000007500"), None, Some(7_500)),
            (Some("1792999999"), None, Some(0)),
            (Some("soon"), Some("9"), Some(9_000)),
            (Some("-1"), None, None),
            (Some("NaN"), None, None),
            (Some("1e400"), Some(""), None),
            (None, Some("Mon, 26 Oct 2026 07:33:30 GMT"), Some(10_000)),
            (None, Some("Wed, 21 Oct 2015 07:28:00 GMT"), Some(0)),
            (None, Some("tomorrow"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(reset) = reset {
                headers.insert("X-RateLimit-Reset", HeaderValue::from_static(reset));
            }
            if let Some(retry) = retry {
                headers.insert("Retry-After", HeaderValue::from_static(retry));
            }
            assert_eq!(wait_from(&headers, now), wanted.map(Duration::from_millis), "{reset:?} {retry:?}");
        }
    }
}
