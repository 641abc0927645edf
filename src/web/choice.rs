//! What is chosen to be drawn on the page of a table: metric, group, range and step, as the query string says it.
//!
//! Every choice is a link, so the page needs no script, and an address shows the same to everybody. Words that are not
//! offered are refused: a chart of something else than was asked for would mislead.

use std::fmt::Write;

use chrono::{Datelike, NaiveDate};

use crate::job::Job;
use crate::window::{Grain, days_before, first_of_month, month_start, parse_day};

use super::chart_data::{Drawn, can_filter, metrics};

/// Longest name of a group in an address, in bytes: that of a resource of AWS is at most 2,048 long.
const LONGEST_GROUP: usize = 2_048;

/// How far back charts reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    /// The newest 30 days.
    Days30,
    /// The newest 90 days.
    Days90,
    /// The month of the newest day and the twelve before it.
    #[default]
    Months13,
    /// Everything in the table.
    All,
}

impl Range {
    /// The ranges that a table of this grain has.
    pub(super) fn of(grain: Grain) -> &'static [Self] {
        if grain == Grain::Monthly {
            return &[Self::Months13, Self::All];
        }
        &[Self::Days30, Self::Days90, Self::Months13, Self::All]
    }

    /// Its word in an address.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Days30 => "30d",
            Self::Days90 => "90d",
            Self::Months13 => "13m",
            Self::All => "all",
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Days30 => "30 days",
            Self::Days90 => "90 days",
            Self::Months13 => "13 months",
            Self::All => "all",
        }
    }

    /// The first day of the range that ends with `newest`.
    fn first(self, newest: NaiveDate) -> NaiveDate {
        match self {
            Self::Days30 => days_before(newest, 29),
            Self::Days90 => days_before(newest, 89),
            Self::Months13 => month_start(newest, -12),
            Self::All => NaiveDate::MIN,
        }
    }
}

/// What one point of a chart stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    /// A day.
    #[default]
    Day,
    /// A week from Monday on.
    Week,
    /// A month.
    Month,
}

impl Step {
    /// Its word in an address, and its name.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The first day of the step that a day is in.
    pub(super) fn start(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => day,
            Self::Week => days_before(day, day.weekday().num_days_from_monday().into()),
            Self::Month => first_of_month(day),
        }
    }

    /// The first day of the next one.
    pub(super) fn next(self, start: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => crate::window::next_day(start),
            Self::Week => crate::window::days_after(start, 7),
            Self::Month => month_start(start, 1),
        }
    }
}

impl From<Grain> for Step {
    fn from(grain: Grain) -> Self {
        if grain == Grain::Monthly { Self::Month } else { Self::Day }
    }
}

/// The words of an address, as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Words {
    /// The selected day.
    pub day: Option<String>,
    /// A column.
    pub metric: Option<String>,
    /// A group; the empty text is the one without a value.
    pub group: Option<String>,
    /// See [`Range`].
    pub range: Option<String>,
    /// See [`Step`].
    pub by: Option<String>,
}

impl Words {
    /// The selected day.
    ///
    /// # Errors
    /// What is no day.
    pub(super) fn selected(&self) -> Result<Option<NaiveDate>, String> {
        let Some(word) = &self.day else { return Ok(None) };
        let wrong = || format!("day: `{}` is not a date; write it as 2026-11-01", super::format::label(word));
        parse_day(word).map(Some).ok_or_else(wrong)
    }
}

/// What is drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The column, if another one than usual.
    pub metric: Option<String>,
    /// The only group.
    pub group: Option<String>,
    /// How far back.
    pub range: Range,
    /// What a point stands for, if another one than a day (or month) of the table.
    pub step: Option<Step>,
}

impl Choice {
    /// Checks the words of an address against a job.
    ///
    /// # Errors
    /// The word that is not offered, and what is.
    pub(super) fn read(job: &Job, words: &Words) -> Result<Self, String> {
        let grain = job.source.grain();
        let range = match &words.range {
            None => Range::default(),
            Some(word) => one_of("range", word, Range::of(grain), |range| range.key())?,
        };
        let step = match &words.by {
            None => None,
            Some(word) => Some(one_of("by", word, steps(grain), |step| step.key())?),
        };
        let offered = metrics(job);
        let metric = match &words.metric {
            None => None,
            Some(word) => Some(one_of("metric", word, &offered, |name| name.as_str())?),
        };
        let metric = metric.filter(|name| offered.first() != Some(name));
        let group = words.group.clone();
        if let Some(group) = &group {
            if group.len() > LONGEST_GROUP {
                return Err(format!("group: longer than {LONGEST_GROUP} bytes"));
            }
            if !can_filter(job) {
                return Err("group: this table is not drawn by group".to_owned());
            }
        }
        Ok(Self { metric, group, range, step: step.filter(|step| *step != Step::from(grain)) })
    }

    /// The step for a table of this grain.
    pub(super) fn step(&self, grain: Grain) -> Step {
        self.step.unwrap_or(grain.into())
    }

    /// What has to be read for it.
    pub(super) fn drawn(&self) -> Drawn {
        Drawn { metric: self.metric.clone(), group: self.group.clone(), is_all: self.range == Range::All }
    }

    /// The first day that is drawn when `newest` is the last one, from the beginning of its step. Nothing is read of the
    /// days before thirteen months: there the first step is the first whole one.
    pub(super) fn first(&self, newest: NaiveDate, step: Step) -> NaiveDate {
        let first = self.range.first(newest);
        let start = step.start(first);
        if start < first && self.range == Range::Months13 { step.next(start) } else { start }
    }

    /// The fields of a form that keeps this choice.
    pub(super) fn fields(&self) -> Vec<(&'static str, String)> {
        let range = (self.range != Range::default()).then(|| self.range.key().to_owned());
        let step = self.step.map(|step| step.key().to_owned());
        let all = [("metric", self.metric.clone()), ("group", self.group.clone()), ("range", range), ("by", step)];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The address of the page with this choice, and with another part after it, such as `day=2026-11-01`.
    pub(super) fn link(&self, rest: &str, place: &str) -> String {
        let mut parts: Vec<String> =
            self.fields().into_iter().map(|(name, value)| format!("{name}={}", encoded(&value))).collect();
        parts.extend((!rest.is_empty()).then(|| rest.to_owned()));
        format!("?{}#{place}", parts.join("&"))
    }
}

/// The steps that a table of this grain has.
pub(super) fn steps(grain: Grain) -> &'static [Step] {
    if grain == Grain::Monthly { &[Step::Month] } else { &[Step::Day, Step::Week, Step::Month] }
}

fn one_of<T: Clone>(key: &str, word: &str, offered: &[T], name: impl Fn(&T) -> &str) -> Result<T, String> {
    offered.iter().find(|known| name(known) == word).cloned().ok_or_else(|| {
        let known = offered.iter().map(&name).collect::<Vec<_>>();
        let known = if known.is_empty() { "nothing to choose here".to_owned() } else { known.join(", ") };
        format!("{key}: there is no `{}`; there is {known}", super::format::label(word))
    })
}

/// A value of a query string.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Choice, Range, Step, Words, encoded};
    use crate::job::{self, Job};
    use crate::window::parse_day;
    use std::path::Path;

    fn job(granularity: &str) -> Job {
        let text = format!(
            "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"{granularity}\"\n\
             metrics = [\"UnblendedCost\", \"AmortizedCost\"]\ngroup_by = [{{ dimension = \"SERVICE\" }}]\n[window]\nbegin = \"2025-11-01\"\n"
        );
        job::parse(Path::new("jobs/costs.toml"), &text).expect("a job")
    }

    fn words(metric: Option<&str>, group: Option<&str>, range: Option<&str>, by: Option<&str>) -> Words {
        let text = |word: Option<&str>| word.map(str::to_owned);
        Words { day: None, metric: text(metric), group: text(group), range: text(range), by: text(by) }
    }

    #[test]
    fn an_address_says_what_is_drawn_and_nothing_else_does() {
        let daily = job("DAILY");
        assert_eq!(Choice::read(&daily, &Words::default()), Ok(Choice::default()));
        let usual = words(Some("unblended_cost"), None, Some("13m"), Some("day"));
        assert_eq!(Choice::read(&daily, &usual), Ok(Choice::default()), "what is usual is not repeated in links");
        let chosen = words(Some("amortized_cost"), Some("A&B #1"), Some("30d"), Some("week"));
        let chosen = Choice::read(&daily, &chosen).expect("a choice");
        assert_eq!((chosen.range, chosen.step), (Range::Days30, Some(Step::Week)));
        assert_eq!(
            chosen.link("day=2026-11-01", "day"),
            "?metric=amortized_cost&group=A%26B%20%231&range=30d&by=week&day=2026-11-01#day"
        );
        for (wrong, said) in [
            (
                words(Some("cost"), None, None, None),
                "metric: there is no `cost`; there is unblended_cost, amortized_cost",
            ),
            (words(None, None, Some("5y"), None), "range: there is no `5y`; there is 30d, 90d, 13m, all"),
            (words(None, None, None, Some("hour")), "by: there is no `hour`; there is day, week, month"),
            (words(None, Some(&"x".repeat(2_049)), None, None), "group: longer than 2048 bytes"),
        ] {
            assert_eq!(Choice::read(&daily, &wrong), Err(said.to_owned()));
        }
        let monthly = Choice::read(&job("MONTHLY"), &words(None, None, Some("30d"), None));
        assert_eq!(monthly, Err("range: there is no `30d`; there is 13m, all".to_owned()));
    }

    #[test]
    fn a_range_begins_with_a_whole_step() {
        let newest = parse_day("2026-11-19").expect("a day");
        let first = |range, step| Choice { range, ..Choice::default() }.first(newest, step).to_string();
        assert_eq!(first(Range::Days30, Step::Day), "2026-10-21");
        assert_eq!(first(Range::Days30, Step::Week), "2026-10-19", "a Monday");
        assert_eq!(first(Range::Days90, Step::Month), "2026-08-01");
        assert_eq!(first(Range::Months13, Step::Day), "2025-11-01");
        assert_eq!(first(Range::Months13, Step::Week), "2025-11-03", "nothing is read of October");
        assert_eq!(encoded("größe/1"), "gr%C3%B6%C3%9Fe%2F1");
    }
}
