//! Firings: the instants at which a job's schedule is due. Pure; `now` is an argument.
//!
//! The five-field cron expression is evaluated in the job's time zone. When clocks go forward, a fixed time that does
//! not exist that day becomes the first instant that does; when they go back, a fixed time fires once, and an
//! expression that repeats within the hour fires through both hours.
//!
//! Any number of missed firings is one run: [`due`] returns the newest.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use crate::job::Schedule;

/// The newest firing in `(since, now]`; the same run makes up for the earlier ones.
#[must_use]
pub fn due(schedule: &Schedule, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Tz>> {
    // Search near `now` first, so that an every-minute schedule is not walked through a year of downtime.
    let spans = [Duration::hours(1), Duration::days(1), Duration::days(32), Duration::days(400)];
    let starts = spans.iter().map(|span| now - *span).filter(|start| *start > since);
    starts.chain([since]).find_map(|start| firings(schedule, start, now).last())
}

/// The first firing after `after`.
#[must_use]
pub fn next(schedule: &Schedule, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.next(after, 1).first().map(DateTime::to_utc)
}

/// Every firing in `(since, now]`, in order.
pub fn firings(schedule: &Schedule, since: DateTime<Utc>, now: DateTime<Utc>) -> impl Iterator<Item = DateTime<Tz>> {
    let mut at = since.with_timezone(&schedule.timezone);
    std::iter::from_fn(move || {
        let found = schedule.parsed.find_next_occurrence(&at, false).ok().filter(|next| *next <= now && *next > at)?;
        at = found;
        Some(found)
    })
}
