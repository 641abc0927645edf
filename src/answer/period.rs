//! The range that an answer is compared with.

use chrono::{Months, NaiveDate};

use crate::window::{Window, first_of_month, month_start, next_day};

/// What a range is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// The range before it, see [`earlier`].
    Previous,
    /// The same days a year before.
    LastYear,
}

/// The earlier range that `window` is compared with.
///
/// | range | previous |
/// |---|---|
/// | whole months | as many whole months before: 2026-10 with 2026-09 |
/// | from the 1st to a day of the same month | the same days of the month before, if it has them: 1 to 28 November with 1 to 28 October |
/// | any other | as many days right before it |
#[must_use]
pub fn earlier(window: Window, against: Against) -> Option<Window> {
    let (start, end) = (window.start(), window.end());
    let is_first = |day: NaiveDate| day == first_of_month(day);
    match against {
        Against::LastYear => {
            let back = |day: NaiveDate| day.checked_sub_months(Months::new(12));
            // A range that ends with a month ends with that month a year before, whatever day that is.
            let end = if is_first(end) { back(end)? } else { next_day(back(window.last())?) };
            Window::new(back(start)?, end)
        }
        Against::Previous if is_first(start) && is_first(end) => {
            let months = (1..).find(|count| month_start(start, *count) >= end)?;
            Window::new(month_start(start, -months), start)
        }
        Against::Previous if is_first(start) && end < month_start(start, 1) => {
            let from = month_start(start, -1);
            Window::new(from, start.min(from + (end - start)))
        }
        Against::Previous => Window::new(start.checked_sub_signed(end - start)?, start),
    }
}

#[cfg(test)]
mod tests {
    use super::{Against, earlier};
    use crate::window::{Window, parse_day};

    fn window(text: &str) -> Window {
        let (start, end) = text.split_once("..").expect("two days");
        Window::new(parse_day(start).expect("a day"), parse_day(end).expect("a day")).expect("a window")
    }

    #[test]
    fn a_range_is_compared_with_what_is_like_it() {
        for (given, previous, last_year) in [
            ("2026-10-01..2026-11-01", "2026-09-01..2026-10-01", "2025-10-01..2025-11-01"),
            ("2026-09-01..2026-11-01", "2026-07-01..2026-09-01", "2025-09-01..2025-11-01"),
            ("2026-11-01..2026-11-29", "2026-10-01..2026-10-29", "2025-11-01..2025-11-29"),
            ("2026-03-01..2026-03-31", "2026-02-01..2026-03-01", "2025-03-01..2025-03-31"),
            ("2026-11-09..2026-11-16", "2026-11-02..2026-11-09", "2025-11-09..2025-11-16"),
            ("2026-01-01..2026-01-02", "2025-12-01..2025-12-02", "2025-01-01..2025-01-02"),
            ("2024-02-29..2024-03-01", "2024-02-28..2024-02-29", "2023-02-28..2023-03-01"),
            ("2024-02-01..2024-02-29", "2024-01-01..2024-01-29", "2023-02-01..2023-03-01"),
            ("2024-02-28..2024-02-29", "2024-02-27..2024-02-28", "2023-02-28..2023-03-01"),
            ("2025-02-01..2025-03-01", "2025-01-01..2025-02-01", "2024-02-01..2024-03-01"),
        ] {
            assert_eq!(earlier(window(given), Against::Previous), Some(window(previous)), "{given}");
            assert_eq!(earlier(window(given), Against::LastYear), Some(window(last_year)), "{given}");
        }
    }
}
