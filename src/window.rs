//! Time as costlake plans it: whole UTC days in half-open windows, grouped into partitions.
//!
//! ```text
//!  grain     slot (what a row's time names)   partition (one object)        window of the partition
//!  Daily     one day                          billing_period=2026-11        [2026-11-01, 2026-12-01)
//!  Monthly   the 1st stands for the month     billing_period=2026-11        [2026-11-01, 2026-12-01)
//!  Hourly    one day (24 hours together)      usage_date=2026-11-20         [2026-11-20, 2026-11-21)
//! ```
//! Dates on the command line are inclusive; they become half-open here and stay so.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::fmt;

use crate::error::{Error, Kind, Result};

/// A half-open range `[start, end)` of whole UTC days, never empty.
///
/// ```
/// use costlake::window::{Window, parse_day};
///
/// let day = |text| parse_day(text).unwrap_or_default();
/// let window = Window::new(day("2026-11-01"), day("2026-11-08"));
/// assert_eq!(window.map(|window| (window.len(), window.to_string())), Some((7, "2026-11-01..2026-11-07".to_owned())));
/// assert_eq!(Window::new(day("2026-11-01"), day("2026-11-01")), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    start: NaiveDate,
    end: NaiveDate,
}

impl Window {
    /// The window `[start, end)`; `None` when it would be empty.
    #[must_use]
    pub fn new(start: NaiveDate, end: NaiveDate) -> Option<Self> {
        (start < end).then_some(Self { start, end })
    }

    /// The window of one day.
    #[must_use]
    pub fn day(day: NaiveDate) -> Self {
        Self { start: day, end: next_day(day) }
    }

    /// First day.
    #[must_use]
    pub fn start(&self) -> NaiveDate {
        self.start
    }

    /// The day after the last one.
    #[must_use]
    pub fn end(&self) -> NaiveDate {
        self.end
    }

    /// Last day inside.
    #[must_use]
    pub fn last(&self) -> NaiveDate {
        self.end.pred_opt().unwrap_or(self.start)
    }

    /// Number of days.
    #[must_use]
    pub fn len(&self) -> u64 {
        (self.end - self.start).num_days().unsigned_abs()
    }

    /// Always false: a window holds at least one day.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Whether `day` lies inside.
    #[must_use]
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.start <= day && day < self.end
    }

    /// The days, in order.
    pub fn days(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        let end = self.end;
        self.start.iter_days().take_while(move |day| *day < end)
    }
}

impl fmt::Display for Window {
    /// Inclusive, for people: `2026-11-01..2026-11-20`, or a single day.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len() == 1 { write!(f, "{}", self.start) } else { write!(f, "{}..{}", self.start, self.last()) }
    }
}

/// The day after `day`; the last day of the calendar returns itself.
#[must_use]
pub fn next_day(day: NaiveDate) -> NaiveDate {
    day.succ_opt().unwrap_or(day)
}

/// `day` moved back by `count` days.
#[must_use]
pub fn days_before(day: NaiveDate, count: u64) -> NaiveDate {
    day.checked_sub_days(Days::new(count)).unwrap_or(NaiveDate::MIN)
}

/// `day` moved forward by `count` days.
#[must_use]
pub fn days_after(day: NaiveDate, count: u64) -> NaiveDate {
    day.checked_add_days(Days::new(count)).unwrap_or(NaiveDate::MAX)
}

/// Maximum gap between two clocks, in hours: it allows for hosts without time synchronization and for the duration of a
/// run.
const SKEW_HOURS: i64 = 1;

/// Whether the gap between two clocks is larger than allowed.
#[must_use]
pub fn is_apart(gap: TimeDelta) -> bool {
    gap.abs() > TimeDelta::hours(SKEW_HOURS)
}

/// Whether `time` is so far after `now` that it must come from a wrong clock.
#[must_use]
pub fn is_ahead(time: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    time > now && is_apart(time - now)
}

/// The 1st of the month of `day`.
#[must_use]
pub fn first_of_month(day: NaiveDate) -> NaiveDate {
    day.with_day(1).unwrap_or(day)
}

/// The 1st of the month `count` months after (or, negative, before) the month of `day`.
#[must_use]
pub fn month_start(day: NaiveDate, count: i32) -> NaiveDate {
    let first = first_of_month(day);
    let months = Months::new(count.unsigned_abs());
    let moved = if count < 0 { first.checked_sub_months(months) } else { first.checked_add_months(months) };
    moved.unwrap_or(first)
}

/// The time resolution of a table's rows.
///
/// ```
/// use costlake::window::{Grain, parse_day};
///
/// let day = parse_day("2026-11-20").unwrap_or_default();
/// assert_eq!(Grain::Daily.partition_of(day).to_string(), "2026-11");
/// assert_eq!(Grain::Hourly.partition_of(day).to_string(), "2026-11-20");
/// assert_eq!(Grain::Monthly.slot_of(day).to_string(), "2026-11-01");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Grain {
    /// A row per day and group.
    Daily,
    /// A row per month and group.
    Monthly,
    /// A row per hour and group.
    Hourly,
}

impl Grain {
    /// The name the Cost Explorer API uses.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Daily => "DAILY",
            Self::Monthly => "MONTHLY",
            Self::Hourly => "HOURLY",
        }
    }

    /// The slot a day belongs to: itself, or the 1st of its month.
    #[must_use]
    pub fn slot_of(self, day: NaiveDate) -> NaiveDate {
        if self == Self::Monthly { first_of_month(day) } else { day }
    }

    /// The window of days that a slot covers.
    #[must_use]
    pub fn slot_window(self, slot: NaiveDate) -> Window {
        if self == Self::Monthly { Window { start: slot, end: month_start(slot, 1) } } else { Window::day(slot) }
    }

    /// The slots that begin inside `window`, in order.
    pub fn slots(self, window: Window) -> impl Iterator<Item = NaiveDate> + use<> {
        window.days().filter(move |day| self != Self::Monthly || day.day() == 1)
    }

    /// Adjacent slots, given in order, joined to windows.
    #[must_use]
    pub fn windows(self, slots: impl Iterator<Item = NaiveDate>) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        for slot in slots {
            let own = self.slot_window(slot);
            match windows.last_mut() {
                Some(last) if last.end == own.start => last.end = own.end,
                _ => windows.push(own),
            }
        }
        windows
    }

    /// The partition that holds `day`.
    #[must_use]
    pub fn partition_of(self, day: NaiveDate) -> Partition {
        if self == Self::Hourly { Partition::Date(day) } else { Partition::Month(first_of_month(day)) }
    }

    /// The name of the partition column.
    #[must_use]
    pub fn partition_column(self) -> &'static str {
        if self == Self::Hourly { "usage_date" } else { "billing_period" }
    }

    /// Parses the text after the `=` of a partition folder.
    #[must_use]
    pub fn parse_partition(self, value: &str) -> Option<Partition> {
        match self {
            Self::Hourly => parse_day(value).map(Partition::Date),
            Self::Daily | Self::Monthly => parse_month(value).map(Partition::Month),
        }
    }
}

/// The content of one object: a billing month, or a date of HOURLY data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Partition {
    /// The month that begins on this 1st.
    Month(NaiveDate),
    /// This day.
    Date(NaiveDate),
}

impl Partition {
    /// The days of the partition.
    #[must_use]
    pub fn window(self) -> Window {
        match self {
            Self::Month(first) => Window { start: first, end: month_start(first, 1) },
            Self::Date(day) => Window::day(day),
        }
    }

    /// The folder below the table: `billing_period=2026-11`.
    #[must_use]
    pub fn folder(self) -> String {
        match self {
            Self::Month(_) => format!("billing_period={self}"),
            Self::Date(_) => format!("usage_date={self}"),
        }
    }
}

impl fmt::Display for Partition {
    /// The value of the partition column: `2026-11` or `2026-11-20`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(first) => write!(f, "{}", first.format("%Y-%m")),
            Self::Date(day) => write!(f, "{day}"),
        }
    }
}

/// Parses `YYYY-MM-DD`, and nothing looser.
#[must_use]
pub fn parse_day(text: &str) -> Option<NaiveDate> {
    let digits = |range: std::ops::Range<usize>| text.get(range).filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
    if text.len() != 10 || text.get(4..5) != Some("-") || text.get(7..8) != Some("-") {
        return None;
    }
    NaiveDate::from_ymd_opt(digits(0..4)?.parse().ok()?, digits(5..7)?.parse().ok()?, digits(8..10)?.parse().ok()?)
}

/// Parses `YYYY-MM` as the 1st of that month.
#[must_use]
pub fn parse_month(text: &str) -> Option<NaiveDate> {
    if text.len() == 7 { parse_day(&format!("{text}-01")) } else { None }
}

/// Parses a date of the command line as its inclusive first and last day.
///
/// | text | days |
/// |---|---|
/// | `2026-07-01` | that day |
/// | `2026-07` | 1st to 31st |
/// | `today`, `yesterday` | in UTC |
/// | `-35d` | the day 35 days before today |
///
/// ```
/// # fn main() -> costlake::error::Result<()> {
/// use costlake::window::{parse_date_argument, parse_day};
///
/// let today = parse_day("2026-11-29").unwrap_or_default();
/// let (first, last) = parse_date_argument("2026-02", today)?;
/// assert_eq!((first.to_string(), last.to_string()), ("2026-02-01".to_owned(), "2026-02-28".to_owned()));
/// assert_eq!(parse_date_argument("-35d", today)?.0.to_string(), "2026-10-25");
/// assert!(parse_date_argument("2026-13", today).is_err());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Kind::Config`] for anything else.
pub fn parse_date_argument(text: &str, today: NaiveDate) -> Result<(NaiveDate, NaiveDate)> {
    let single = |day: NaiveDate| (day, day);
    let ago =
        |count: &str| count.parse::<u64>().ok().filter(|count| *count <= 36_525).map(|count| days_before(today, count));
    let found = match text {
        "today" => Some(single(today)),
        "yesterday" => Some(single(days_before(today, 1))),
        _ => parse_day(text).map(single).or_else(|| {
            parse_month(text)
                .map(|first| (first, Partition::Month(first).window().last()))
                .or_else(|| text.strip_prefix('-').and_then(|rest| rest.strip_suffix('d')).and_then(ago).map(single))
        }),
    };
    found.ok_or_else(|| {
        Error::new(Kind::Config, format!("`{text}` is not a date"))
            .advise("write a UTC day as 2026-07-01, a month as 2026-07, or today, yesterday, -35d")
    })
}

#[cfg(test)]
mod tests {
    use super::{Grain, month_start, parse_date_argument, parse_day};
    use chrono::NaiveDate;

    fn day(text: &str) -> NaiveDate {
        parse_day(text).expect("a day")
    }

    #[test]
    fn command_line_dates_are_inclusive() {
        let today = day("2026-11-21");
        let read = |text| parse_date_argument(text, today).map(|(a, b)| format!("{a} {b}")).unwrap_or_default();
        assert_eq!(read("2026-02"), "2026-02-01 2026-02-28");
        assert_eq!(read("2024-02"), "2024-02-01 2024-02-29");
        assert_eq!(read("2026-07-01"), "2026-07-01 2026-07-01");
        assert_eq!(read("yesterday"), "2026-11-20 2026-11-20");
        assert_eq!(read("-35d"), "2026-10-17 2026-10-17");
        for wrong in
            ["", "2026-7-1", "2026-02-30", "2026-13", "-5", "-99999999999999d", "07/01/2026", "+026-01-01", "2026-1é"]
        {
            assert_eq!(read(wrong), "", "{wrong}");
        }
    }

    #[test]
    fn months_step_over_years_and_february() {
        assert_eq!(month_start(day("2026-01-31"), -1), day("2025-12-01"));
        assert_eq!(month_start(day("2026-01-31"), 1), day("2026-02-01"));
        assert_eq!(month_start(day("2024-02-29"), -13), day("2023-01-01"));
    }

    #[test]
    fn partitions_name_their_window() {
        let hourly = Grain::Hourly.partition_of(day("2026-11-20"));
        assert_eq!(hourly.folder(), "usage_date=2026-11-20");
        let monthly = Grain::Monthly.partition_of(day("2026-11-20"));
        assert_eq!(monthly.folder(), "billing_period=2026-11");
        assert_eq!(monthly.window().len(), 30);
        assert_eq!(Grain::Daily.parse_partition("2026-11"), Some(monthly));
        assert_eq!(Grain::Daily.parse_partition("2026-11-20"), None);
    }
}
