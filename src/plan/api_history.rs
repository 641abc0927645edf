//! How far back an API's documented history reaches, and the days a table spans.

use chrono::{DateTime, NaiveDate, Utc};

use crate::job::Job;
use crate::sources::History;
use crate::window::{Window, days_after, days_before, month_start};

fn documented(job: &Job) -> History {
    job.entry.rules.history_of(job.source.grain())
}

/// The first day of the API's documented history of what the job asks for.
#[must_use]
pub fn history_start(job: &Job, today: NaiveDate) -> NaiveDate {
    let kept = match documented(job) {
        History::Days(count) => days_before(today, count),
        History::Months(count) => month_start(today, -count),
    };
    job.source.first_day().map_or(kept, |first| first.max(kept))
}

/// The last day on which the API's documented history holds a slot.
pub(super) fn last_in_reach(job: &Job, slot: NaiveDate) -> NaiveDate {
    match documented(job) {
        History::Days(count) => days_after(slot, count),
        History::Months(count) => days_before(month_start(slot, count + 1), 1),
    }
}

/// Whether the API's documented history no longer holds a slot.
pub(super) fn is_out_of_reach(job: &Job, slot: NaiveDate, today: NaiveDate) -> bool {
    slot < history_start(job, today)
}

/// The window a table spans at `now`: from its first slot to yesterday (or today); `None` while it is empty.
#[must_use]
pub fn span(job: &Job, now: DateTime<Utc>) -> Option<Window> {
    let today = now.date_naive();
    if job.entry.rules.snapshot {
        return Some(Window::day(today));
    }
    let last = if job.window.include_today { today } else { days_before(today, 1) };
    let grain = job.source.grain();
    Window::new(job.window.begin?, grain.slot_window(grain.slot_of(last)).end())
}

/// The first day of a table that begins later, so that none of its days can be read yet.
#[must_use]
pub fn begins_on(job: &Job, now: DateTime<Utc>) -> Option<NaiveDate> {
    job.window.begin.filter(|_| span(job, now).is_none())
}

/// Note on a table that begins later.
#[must_use]
pub fn not_begun(job: &Job, now: DateTime<Utc>) -> Option<String> {
    begins_on(job, now).map(|first| format!("nothing is due yet: the table begins on {first} (window.begin)"))
}

/// The part of the table's span that lies within the API's documented history.
#[must_use]
pub fn reach(job: &Job, now: DateTime<Utc>) -> Option<Window> {
    let span = span(job, now)?;
    Window::new(span.start().max(history_start(job, now.date_naive())), span.end())
}
