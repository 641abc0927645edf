//! How due days become fetches: one per partition, cut into the windows with the fewest expected pages and shortened to
//! the room that a budget leaves.

use chrono::NaiveDate;

use crate::job::Job;
use crate::ledger::Ledger;
use crate::sources::Learnt;
use crate::window::{Partition, Window};

use super::Fetch;

/// One fetch per partition, oldest first.
pub(super) fn fetches(job: &Job, ledger: &Ledger, slots: &[NaiveDate]) -> Vec<Fetch> {
    let grain = job.source.grain();
    slots
        .chunk_by(|a, b| grain.partition_of(*a) == grain.partition_of(*b))
        .filter_map(|chunk| Some(fetch_of(job, ledger, grain.partition_of(*chunk.first()?), chunk)))
        .collect()
}

/// The fetch of these due slots of one partition.
#[must_use]
pub fn fetch_of(job: &Job, ledger: &Ledger, partition: Partition, due: &[NaiveDate]) -> Fetch {
    let grain = job.source.grain();
    let windows = cheapest_windows(job, &ledger.learnt_of(&partition.to_string()), due);
    let slots = windows.iter().flat_map(|window| grain.slots(*window)).collect();
    let expected_requests = job.source.expected_requests(&windows, &ledger.learnt_of(&partition.to_string()));
    Fetch { partition, slots, windows, expected_requests }
}

/// As many slots of `fetch` as are expected to take at most `room` requests; `None` when not even one slot does.
///
/// Days never read come first, then those with the oldest read: a cap that is too small for everything must not be
/// spent on the same first days every night.
#[must_use]
pub fn shortened(job: &Job, ledger: &Ledger, fetch: &Fetch, room: u64) -> Option<Fetch> {
    let partition = fetch.partition.to_string();
    let mut by_need = fetch.slots.clone();
    by_need.sort_by_key(|slot| (ledger.day(&partition, *slot).map(|day| day.read_at), *slot));
    let fits = |count: usize| {
        let mut part = by_need[..count].to_vec();
        part.sort_unstable();
        let part = fetch_of(job, ledger, fetch.partition, &part);
        (part.expected_requests <= room).then_some(part)
    };
    (1..=fetch.slots.len()).rev().find_map(fits)
}

/// The requests of the smallest step of these fetches: one day, or with `whole` one entire fetch.
#[must_use]
pub fn least_requests(job: &Job, ledger: &Ledger, fetches: &[Fetch], whole: bool) -> u64 {
    let step = |fetch: &Fetch| match fetch.slots.first() {
        Some(slot) if !whole => fetch_of(job, ledger, fetch.partition, &[*slot]).expected_requests,
        _ => fetch.expected_requests,
    };
    fetches.iter().map(step).min().unwrap_or(0)
}

/// The two stages in which fetches run: first those with days never read, then those that only read days again. With
/// `apart` a fetch of both is split, one part per stage, and the second stage begins with the oldest read.
#[must_use]
pub fn stages(job: &Job, ledger: &Ledger, fetches: &[Fetch], apart: bool) -> [Vec<Fetch>; 2] {
    let read_at =
        |fetch: &Fetch, slot: &NaiveDate| ledger.day(&fetch.partition.to_string(), *slot).map(|day| day.read_at);
    let mut stages = [Vec::new(), Vec::new()];
    for fetch in fetches {
        let (again, unread): (Vec<NaiveDate>, Vec<NaiveDate>) =
            fetch.slots.iter().partition(|slot| read_at(fetch, slot).is_some());
        // An object that is not the committed one is read again whole.
        let whole = fetch.slots.iter().any(|slot| ledger.doubted.contains_key(slot));
        match (unread.is_empty(), again.is_empty() || !apart || whole) {
            (true, _) => stages[1].push(fetch.clone()),
            (false, true) => stages[0].push(fetch.clone()),
            (false, false) => {
                stages[0].push(fetch_of(job, ledger, fetch.partition, &unread));
                stages[1].push(fetch_of(job, ledger, fetch.partition, &again));
            }
        }
    }
    if apart {
        stages[1].sort_by_key(|fetch| fetch.slots.iter().filter_map(|slot| read_at(fetch, slot)).min());
    }
    stages
}

/// The windows over `due` with the fewest expected requests; among equals those with the fewest extra days.
///
/// Days in a row stay together, because a window in two never takes fewer requests than one. `best[i]` is the cheapest
/// way to cover the first `i` rows of days; each step adds one window over those from `j` on.
fn cheapest_windows(job: &Job, learnt: &Learnt, due: &[NaiveDate]) -> Vec<Window> {
    let grain = job.source.grain();
    let cost = |window: Window| {
        let requests = job.source.expected_requests(&[window], learnt);
        (requests, grain.slots(window).count())
    };
    let runs = grain.windows(due.iter().copied());
    let mut best: Vec<((u64, usize), usize)> = vec![((0, 0), 0)];
    for i in 1..=runs.len() {
        let options = (0..i).filter_map(|j| {
            let window = Window::new(runs[j].start(), runs[i - 1].end())?;
            let ((requests, slots), (more, read)) = (best[j].0, cost(window));
            Some(((requests + more, slots + read), j))
        });
        best.push(options.min_by_key(|(total, j)| (*total, *j)).unwrap_or(((u64::MAX, 0), i - 1)));
    }
    let mut windows = Vec::new();
    let mut i = runs.len();
    while i > 0 {
        let j = best[i].1;
        windows.extend(Window::new(runs[j].start(), runs[i - 1].end()));
        i = j;
    }
    windows.reverse();
    windows
}

#[cfg(test)]
mod tests {
    use super::cheapest_windows;
    use crate::plan::tests::{GROUPED, day, job};
    use crate::sources::Learnt;
    use crate::window::Window;

    #[test]
    fn windows_are_joined_over_a_gap_where_that_saves_a_request() {
        let job = job(GROUPED, r#"begin = "2026-11-01""#);
        let day = |text: &str| day(&format!("2026-11-{text}"));
        let window = |(from, to)| Window::new(day(from), day(to)).expect("a window");
        let learnt = Learnt { page_rows: 100, slot_rows: 20, ..Learnt::default() };
        for (due, wanted) in [
            (&[][..], &[][..]),
            (&["05"], &[("05", "06")]),
            (&["05", "06", "07"], &[("05", "08")]),
            // Five days on a page: one request instead of two.
            (&["05", "09"], &[("05", "10")]),
            // A page and a half, or two separate days: the same requests, so no extra days are read.
            (&["05", "11"], &[("05", "06"), ("11", "12")]),
            (&["05", "07", "20", "22"], &[("05", "08"), ("20", "23")]),
        ] {
            let due: Vec<_> = due.iter().map(|text| day(text)).collect();
            let wanted: Vec<_> = wanted.iter().map(|pair| window(*pair)).collect();
            assert_eq!(cheapest_windows(&job, &learnt, &due), wanted, "{due:?}");
        }
    }
}
