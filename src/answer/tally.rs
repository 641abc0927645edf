//! Adds rows up, a batch at a time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMillisecondType};
use chrono::{DateTime, Datelike, NaiveDate};

use crate::decimal::{self, ONE};
use crate::error::{Error, Kind, Result};
use crate::window::Window;

use super::question::{Filter, Grouping, MOST_GROUPINGS, Measure, Question};

/// Day 0 of Arrow's dates in the count of days of `chrono`.
const EPOCH: i32 = 719_163;
const DAY_MS: i64 = 86_400_000;

/// The exact answer to a question.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answer {
    /// One section for each unit and series, that of the largest total first.
    pub sections: Vec<Section>,
    /// Rows of the range whose value is NULL or no number; they are in no sum.
    pub unknown_rows: u64,
    /// The same of the earlier range.
    pub unknown_before: u64,
}

/// The sums of one unit and series. Amounts are counts of 10^-12, see [`crate::decimal`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// The values of the columns that are kept apart, such as the currency, in the order of the question.
    pub of: Vec<Option<String>>,
    /// The sum over all rows of the range.
    pub total: i128,
    /// The same of the earlier range.
    pub before: i128,
    /// The groups that are shown, in order.
    pub groups: Vec<Group>,
    /// All other groups together, and their number.
    pub rest: Option<(u64, Group)>,
    /// The sum of each day of the range that has rows (of a MONTHLY table: of the 1st).
    pub days: BTreeMap<NaiveDate, i128>,
}

impl Section {
    /// The sum of the groups that are shown.
    #[must_use]
    pub fn shown(&self) -> i128 {
        self.total - self.rest.as_ref().map_or(0, |(_, rest)| rest.sum)
    }
}

/// One group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// The value of each grouping; `None` for NULL.
    pub key: Vec<Option<String>>,
    /// The sum over its rows of the range.
    pub sum: i128,
    /// The same of the earlier range.
    pub before: i128,
    /// Its rows in the range.
    pub rows: u64,
}

/// The order of groups, and how many of them are shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order {
    /// In the order of their keys, instead of by size with the largest first.
    pub by_key: bool,
    /// Groups that are shown; the others are added up as one.
    pub most: Option<usize>,
}

/// Most columns that are kept apart, a unit and a series, and the groupings after them.
const KEY: usize = 2 + MOST_GROUPINGS;
type Key = [u32; KEY];

#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    now: i128,
    before: i128,
    rows: u64,
}

/// The sums of the rows added so far.
#[derive(Debug)]
pub struct Tally {
    question: Question,
    columns: Vec<usize>,
    account: String,
    now: Window,
    before: Option<Window>,
    labels: [Labels; KEY],
    kept: Vec<Labels>,
    sums: HashMap<Key, Sums>,
    days: HashMap<([u32; 2], i32), i128>,
    unknown_rows: u64,
    unknown_before: u64,
}

impl Tally {
    /// A tally without rows: of `question` over the days of `now`, and beside them those of `before`.
    #[must_use]
    pub fn new(question: &Question, now: Window, before: Option<Window>) -> Self {
        Self {
            question: question.clone(),
            columns: question.columns(),
            account: String::new(),
            now,
            before,
            labels: Default::default(),
            kept: question.filters.iter().map(|_| Labels::default()).collect(),
            sums: HashMap::new(),
            days: HashMap::new(),
            unknown_rows: 0,
            unknown_before: 0,
        }
    }

    /// Says of which account the rows are that are added from now on.
    pub fn set_account(&mut self, account: &str) {
        account.clone_into(&mut self.account);
    }

    /// Positions of the columns to add, ascending.
    #[must_use]
    pub fn columns(&self) -> &[usize] {
        &self.columns
    }

    /// Whether some of these days are in the range, or in the earlier one.
    #[must_use]
    pub fn touches(&self, days: Window) -> bool {
        let is_in = |span: Window| days.start() < span.end() && span.start() < days.end();
        is_in(self.now) || self.before.is_some_and(is_in)
    }

    /// Adds the rows of the days of `within`; `columns` are those at [`Tally::columns`], in that order.
    ///
    /// # Errors
    /// [`Kind::Store`] when a row is of another day: it would be counted twice.
    /// [`Kind::Internal`] when a column has another type than its schema says, [`Kind::BadAnswer`] when a sum exceeds
    /// 8.5 × 10^25.
    pub fn add(&mut self, within: Window, columns: &[ArrayRef]) -> Result<()> {
        let at = |index: usize| -> Result<Cells<'_>> {
            let place = self.columns.iter().position(|column| *column == index);
            place.and_then(|place| Cells::of(columns.get(place)?)).ok_or_else(unlike)
        };
        let times = at(self.question.time)?;
        let values = match self.question.measure {
            Measure::Rows => Values::One,
            Measure::Column(index) => {
                let place = self.columns.iter().position(|column| *column == index);
                place.and_then(|place| Values::of(columns.get(place)?)).ok_or_else(unlike)?
            }
        };
        let apart: Vec<Cells<'_>> = self.question.apart.iter().map(|index| at(*index)).collect::<Result<_>>()?;
        let filters: Vec<(&Filter, Cells<'_>)> =
            self.question.filters.iter().map(|filter| Ok((filter, at(filter.column)?))).collect::<Result<_>>()?;
        let by: Vec<Option<Cells<'_>>> = self
            .question
            .by
            .iter()
            .map(|grouping| match grouping {
                Grouping::Column(index) => at(*index).map(Some),
                _ => Ok(None),
            })
            .collect::<Result<_>>()?;
        let (within, now, before) = (span(within), span(self.now), self.before.map(span));
        for row in 0..columns.first().map_or(0, |column| column.len()) {
            let Some(day) = times.day(row) else { return Err(unlike()) };
            if !within.contains(&day) {
                let what = format!("the object holds rows of {}, which belong in another one", day_text(day.into()));
                return Err(Error::new(Kind::Store, what));
            }
            let (is_now, is_before) = (now.contains(&day), before.as_ref().is_some_and(|span| span.contains(&day)));
            if !(is_now || is_before) {
                continue;
            }
            let mut kept = filters.iter().zip(&mut self.kept);
            if !kept.all(|((filter, cells), labels)| labels.allows(cells, row, filter)) {
                continue;
            }
            let Some(value) = values.get(row)? else {
                self.unknown_rows += u64::from(is_now);
                self.unknown_before += u64::from(is_before);
                continue;
            };
            let mut key = Key::default();
            for ((place, labels), cells) in key.iter_mut().zip(&mut self.labels).zip(&apart) {
                *place = labels.of(cells, row);
            }
            let groups = self.question.by.iter().zip(&by);
            for ((place, labels), (grouping, cells)) in key.iter_mut().zip(&mut self.labels).skip(2).zip(groups) {
                *place = match cells {
                    Some(cells) => labels.of(cells, row),
                    None if *grouping == Grouping::Account => labels.of_text(&self.account),
                    None => labels.of_number(i64::from(first_of(*grouping, day)), |day| time_text(*grouping, day)),
                };
            }
            let sums = self.sums.entry(key).or_default();
            if is_now {
                sums.now = plus(sums.now, value)?;
                sums.rows += 1;
                let of_day = self.days.entry(([key[0], key[1]], day)).or_default();
                *of_day = plus(*of_day, value)?;
            }
            if is_before {
                sums.before = plus(sums.before, value)?;
            }
        }
        Ok(())
    }

    /// The answer.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`] when a sum exceeds 8.5 × 10^25.
    pub fn finish(self, order: Order) -> Result<Answer> {
        let mut sections: BTreeMap<[u32; 2], Section> = BTreeMap::new();
        let apart = self.question.apart.len();
        for (key, sums) in &self.sums {
            let of = [key[0], key[1]];
            let section = sections.entry(of).or_default();
            section.total = plus(section.total, sums.now)?;
            section.before = plus(section.before, sums.before)?;
            let places = self.labels.iter().zip(key).skip(2).take(self.question.by.len());
            let key = places.map(|(labels, place)| labels.text(*place)).collect();
            section.groups.push(Group { key, sum: sums.now, before: sums.before, rows: sums.rows });
        }
        for ((of, day), sum) in &self.days {
            if let (Some(section), Some(day)) =
                (sections.get_mut(of), NaiveDate::from_num_days_from_ce_opt(day + EPOCH))
            {
                section.days.insert(day, *sum);
            }
        }
        let mut found = Vec::new();
        for (of, mut section) in sections {
            section.of = self.labels.iter().zip(of).take(apart).map(|(labels, place)| labels.text(place)).collect();
            section.groups.sort_by(|a, b| {
                let by_size = Reverse(a.sum).cmp(&Reverse(b.sum));
                let by_name = a.key.cmp(&b.key);
                if order.by_key { by_name } else { by_size.then(by_name) }
            });
            cut(&mut section, order.most)?;
            found.push(section);
        }
        found.sort_by(|a, b| b.total.unsigned_abs().cmp(&a.total.unsigned_abs()).then_with(|| a.of.cmp(&b.of)));
        Ok(Answer { sections: found, unknown_rows: self.unknown_rows, unknown_before: self.unknown_before })
    }
}

/// Leaves the first `most` groups and adds up the others.
fn cut(section: &mut Section, most: Option<usize>) -> Result<()> {
    let Some(most) = most.filter(|most| *most < section.groups.len()) else { return Ok(()) };
    let others = section.groups.split_off(most);
    let mut rest = Group::default();
    for group in &others {
        rest.sum = plus(rest.sum, group.sum)?;
        rest.before = plus(rest.before, group.before)?;
        rest.rows += group.rows;
    }
    section.rest = Some((others.len() as u64, rest));
    Ok(())
}

fn unlike() -> Error {
    Error::new(Kind::Internal, "a column is not as its schema says")
}

fn plus(sum: i128, value: i128) -> Result<i128> {
    // Half of what fits, so that the difference of two sums fits too.
    const LIMIT: u128 = i128::MAX.unsigned_abs() / 2;
    sum.checked_add(value)
        .filter(|sum| sum.unsigned_abs() < LIMIT)
        .ok_or_else(|| Error::new(Kind::BadAnswer, "a sum is too large").advise("ask for fewer days, or other groups"))
}

/// The days of a window, as Arrow counts them.
fn span(window: Window) -> std::ops::Range<i32> {
    let number = |day: NaiveDate| day.num_days_from_ce() - EPOCH;
    number(window.start())..number(window.end())
}

/// The first day of the day, week or month of `day`.
fn first_of(grouping: Grouping, day: i32) -> i32 {
    match grouping {
        // Day 0, 1970-01-01, is a Thursday.
        Grouping::Week => day - (day + 3).rem_euclid(7),
        Grouping::Month => NaiveDate::from_num_days_from_ce_opt(day + EPOCH)
            .and_then(|date| day.checked_sub(i32::try_from(date.day0()).ok()?))
            .unwrap_or(day),
        Grouping::Day | Grouping::Account | Grouping::Column(_) => day,
    }
}

fn time_text(grouping: Grouping, day: i64) -> String {
    let text = day_text(day);
    if grouping == Grouping::Month { text.chars().take(7).collect() } else { text }
}

fn day_text(day: i64) -> String {
    let days = i32::try_from(day).ok().and_then(|day| day.checked_add(EPOCH));
    let date = days.and_then(NaiveDate::from_num_days_from_ce_opt);
    date.map_or_else(|| day.to_string(), |date| date.to_string())
}

/// The values of the measure.
enum Values<'a> {
    /// Each row is one.
    One,
    Decimal(&'a arrow::array::Decimal128Array),
    Double(&'a arrow::array::Float64Array),
    Int(&'a arrow::array::Int32Array),
    Bigint(&'a arrow::array::Int64Array),
}

impl<'a> Values<'a> {
    fn of(array: &'a ArrayRef) -> Option<Self> {
        let decimals = array.as_primitive_opt::<Decimal128Type>().map(Self::Decimal);
        let doubles = || array.as_primitive_opt::<Float64Type>().map(Self::Double);
        let ints = || array.as_primitive_opt::<Int32Type>().map(Self::Int);
        let bigints = || array.as_primitive_opt::<Int64Type>().map(Self::Bigint);
        decimals.or_else(doubles).or_else(ints).or_else(bigints)
    }

    /// The value of a row as a count of 10^-12; `None` if it is NULL or no number.
    fn get(&self, row: usize) -> Result<Option<i128>> {
        Ok(match self {
            Self::One => Some(ONE),
            Self::Decimal(values) => values.is_valid(row).then(|| values.value(row)),
            Self::Int(values) => values.is_valid(row).then(|| i128::from(values.value(row)) * ONE),
            Self::Bigint(values) => values.is_valid(row).then(|| i128::from(values.value(row)) * ONE),
            Self::Double(values) => match values.is_valid(row).then(|| values.value(row)) {
                Some(value) if value.is_finite() => Some(of_double(value)?),
                _ => None,
            },
        })
    }
}

/// A double as its shortest decimal, rounded to 12 decimals.
fn of_double(value: f64) -> Result<i128> {
    decimal::parse_rounded(&value.to_string()).map_err(|fault| {
        Error::new(Kind::BadAnswer, format!("the value {value:e} {fault}")).advise("ask for a range without that row")
    })
}

/// A column of groups.
enum Cells<'a> {
    Text(&'a StringArray),
    Date(&'a arrow::array::Date32Array),
    Time(&'a arrow::array::TimestampMillisecondArray),
    Flag(&'a arrow::array::BooleanArray),
    Int(&'a arrow::array::Int32Array),
    Bigint(&'a arrow::array::Int64Array),
}

impl<'a> Cells<'a> {
    fn of(array: &'a ArrayRef) -> Option<Self> {
        let texts = array.as_string_opt::<i32>().map(Self::Text);
        let dates = || array.as_primitive_opt::<Date32Type>().map(Self::Date);
        let times = || array.as_primitive_opt::<TimestampMillisecondType>().map(Self::Time);
        let flags = || array.as_boolean_opt().map(Self::Flag);
        let ints = || array.as_primitive_opt::<Int32Type>().map(Self::Int);
        let bigints = || array.as_primitive_opt::<Int64Type>().map(Self::Bigint);
        texts.or_else(dates).or_else(times).or_else(flags).or_else(ints).or_else(bigints)
    }

    /// The day of a column of time, as Arrow counts days.
    fn day(&self, row: usize) -> Option<i32> {
        match self {
            Self::Date(days) => days.is_valid(row).then(|| days.value(row)),
            Self::Time(times) => {
                times.is_valid(row).then(|| times.value(row).div_euclid(DAY_MS)).and_then(|day| i32::try_from(day).ok())
            }
            _ => None,
        }
    }

    /// The value of a row that is no text as a number.
    fn number(&self, row: usize) -> Option<i64> {
        match self {
            Self::Text(_) => None,
            Self::Date(values) => values.is_valid(row).then(|| values.value(row).into()),
            Self::Time(values) => values.is_valid(row).then(|| values.value(row)),
            Self::Flag(values) => values.is_valid(row).then(|| values.value(row).into()),
            Self::Int(values) => values.is_valid(row).then(|| values.value(row).into()),
            Self::Bigint(values) => values.is_valid(row).then(|| values.value(row)),
        }
    }

    fn text_of(&self, number: i64) -> String {
        match self {
            Self::Date(_) => day_text(number),
            Self::Time(_) => DateTime::from_timestamp_millis(number)
                .map_or_else(|| number.to_string(), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
            Self::Flag(_) => (number != 0).to_string(),
            _ => number.to_string(),
        }
    }
}

/// The different values of a column, numbered; 0 is NULL.
#[derive(Debug, Default)]
struct Labels {
    texts: Vec<Arc<str>>,
    by_text: HashMap<Arc<str>, u32>,
    by_number: HashMap<i64, u32>,
    /// The last value, which the next row often repeats.
    last: u32,
    last_number: i64,
    /// For a filter: whether the value of each number is kept.
    allowed: Vec<bool>,
}

impl Labels {
    /// The number of a row's value.
    fn of(&mut self, cells: &Cells<'_>, row: usize) -> u32 {
        match cells {
            Cells::Text(texts) if texts.is_valid(row) => self.of_text(texts.value(row)),
            Cells::Text(_) => 0,
            others => others.number(row).map_or(0, |number| self.of_number(number, |number| others.text_of(number))),
        }
    }

    fn of_text(&mut self, text: &str) -> u32 {
        if self.last > 0 && self.texts.get(self.last as usize - 1).is_some_and(|last| **last == *text) {
            return self.last;
        }
        self.last = match self.by_text.get(text) {
            Some(known) => *known,
            None => {
                let text: Arc<str> = text.into();
                self.texts.push(Arc::clone(&text));
                let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
                self.by_text.insert(text, number);
                number
            }
        };
        self.last
    }

    fn of_number(&mut self, number: i64, text: impl Fn(i64) -> String) -> u32 {
        if self.last > 0 && self.last_number == number {
            return self.last;
        }
        self.last_number = number;
        if let Some(known) = self.by_number.get(&number) {
            self.last = *known;
            return self.last;
        }
        self.of_text(&text(number));
        self.by_number.insert(number, self.last);
        self.last
    }

    fn text(&self, number: u32) -> Option<String> {
        let index = (number as usize).checked_sub(1)?;
        self.texts.get(index).map(ToString::to_string)
    }

    /// Whether a filter keeps a row.
    fn allows(&mut self, cells: &Cells<'_>, row: usize, filter: &Filter) -> bool {
        let number = self.of(cells, row) as usize;
        while self.allowed.len() <= number {
            let next = u32::try_from(self.allowed.len()).unwrap_or(u32::MAX);
            self.allowed.push(filter.values.contains(self.text(next).as_deref().unwrap_or_default()));
        }
        self.allowed.get(number).copied().unwrap_or(false)
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
