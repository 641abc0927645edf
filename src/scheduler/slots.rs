//! Slots: the instants at which a job's schedule says it runs. Pure; `now` is an argument.
//!
//! The five-field expression is met on the wall clock of the job's own zone. Where that clock is put forward, a fixed
//! time that does not exist that day becomes the first instant that does; where it is put back, a fixed time runs once
//! and an expression that repeats within the hour goes on through both hours.
//!
//! However many slots have passed, they are one run: [`due`] tells the newest of them.

use chrono::{DateTime, Duration, Utc};
use chrono_tz::Tz;

use crate::job::Schedule;

/// The newest slot after `since` and not after `now`; the slots before it are made up for by the same run.
#[must_use]
pub fn due(schedule: &Schedule, since: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Tz>> {
    // After long downtime the newest slot is looked for near `now` first, so that a schedule of every minute is not
    // walked through a year.
    let spans = [Duration::hours(1), Duration::days(1), Duration::days(32), Duration::days(400)];
    let starts = spans.iter().map(|span| now - *span).filter(|start| *start > since);
    starts.chain([since]).find_map(|start| slots(schedule, start, now).last())
}

/// The first slot after `after`.
#[must_use]
pub fn next(schedule: &Schedule, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    schedule.next(after, 1).first().map(DateTime::to_utc)
}

/// Every slot after `since` and not after `now`, in order.
pub fn slots(schedule: &Schedule, since: DateTime<Utc>, now: DateTime<Utc>) -> impl Iterator<Item = DateTime<Tz>> {
    let mut at = since.with_timezone(&schedule.timezone);
    std::iter::from_fn(move || {
        let found = schedule.parsed.find_next_occurrence(&at, false).ok().filter(|next| *next <= now && *next > at)?;
        at = found;
        Some(found)
    })
}
