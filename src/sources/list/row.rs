//! A JSON object on its way to a row: values go to the columns of their names, everything else to `extra`.
//!
//! | column | value | becomes |
//! |---|---|---|
//! | any | absent, `null`, `""` | null |
//! | string | text | the text |
//! | string | number, true, false | its JSON text |
//! | double | number | the nearest double |
//! | bigint | whole number | the same |
//! | boolean | true, false | the same |
//! | date | `2026-11-29`, alone or before a time | the day |
//! | timestamp | whole number of milliseconds, or text as RFC 3339; without an offset it is UTC | the instant |
//! | decimal | number, or its text | the exact amount |
//! | decimal | more than 12 decimals | the amount rounded to 12, half away from zero; its text also in `extra` |
//! | any | anything else | null, and the value under its name in `extra` |
//! | none | anything | the value under its name in `extra` |
//!
//! AWS writes numbers as text: [`Row::numbers_are_texts`] reads them as numbers for double and bigint columns, too.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::decimal::{self, Fault};
use crate::error::{Error, Kind, Result};
use crate::table::{Column, ColumnType, Table};
use crate::window::parse_day;

/// The column of values without a column.
pub(in crate::sources) const EXTRA: &str = "extra";

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sources) enum Cell<'a> {
    Null,
    Day(NaiveDate),
    Text(Cow<'a, str>),
    Double(f64),
    Boolean(bool),
    Whole(i64),
    /// A count of 10^-12.
    Amount(i128),
    /// Unix milliseconds.
    Instant(i64),
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Cell<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<f64> for Cell<'_> {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The members of a JSON object, their values as they came.
pub(in crate::sources) type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// One row: cells that the endpoint gives, and the fields that go to the columns of their names.
#[derive(Debug, Default)]
pub(in crate::sources) struct Row<'a> {
    /// Kind and name of the object, for errors.
    label: Option<(&'static str, String)>,
    given: BTreeMap<Cow<'a, str>, Cell<'a>>,
    pub(in crate::sources) fields: Fields<'a>,
    texts_are_numbers: bool,
    /// Documented fields without a column.
    kept: &'static [&'static str],
}

/// The cells of a row, in the order of the columns.
pub(super) struct Taken<'a> {
    pub(super) cells: Vec<Cell<'a>>,
    /// Names of fields without a column that are not documented.
    pub(super) left: Vec<String>,
    /// Amounts that were rounded.
    pub(super) rounded: u64,
}

impl<'a> Row<'a> {
    pub(in crate::sources) fn new(fields: Fields<'a>) -> Self {
        Self { fields, ..Self::default() }
    }

    /// Names the object in errors, such as `commitment ri-1`.
    pub(in crate::sources) fn labelled(self, kind: &'static str, name: &str) -> Self {
        Self { label: Some((kind, name.to_owned())), ..self }
    }

    /// Reads numbers from texts, too.
    pub(in crate::sources) fn numbers_are_texts(self) -> Self {
        Self { texts_are_numbers: true, ..self }
    }

    /// Names documented fields that go to `extra`, so that they are no news.
    pub(in crate::sources) fn keeping(self, kept: &'static [&'static str]) -> Self {
        Self { kept, ..self }
    }

    /// Fills a column; a field of the same name goes to `extra`.
    pub(in crate::sources) fn give(mut self, column: impl Into<Cow<'a, str>>, cell: impl Into<Cell<'a>>) -> Self {
        self.given.insert(column.into(), cell.into());
        self
    }

    /// Fills a column with a day.
    pub(in crate::sources) fn day(self, column: &'static str, day: NaiveDate) -> Self {
        self.give(column, Cell::Day(day))
    }

    /// Moves a field to the column `column` as JSON text with sorted keys; nothing for null and for an empty list or map.
    pub(in crate::sources) fn give_json(mut self, field: &str, column: &'static str) -> Result<Self> {
        let raw = self.fields.remove(field).filter(|raw| !matches!(raw.get(), "null" | "[]" | "{}"));
        let text = raw.map(|raw| self.canonical(field, raw.get())).transpose()?;
        Ok(self.give(column, text))
    }

    fn error(&self, message: String) -> Error {
        let error = Error::new(Kind::BadAnswer, message);
        match &self.label {
            Some((kind, name)) => error.at(kind, name),
            None => error,
        }
    }

    /// JSON text with sorted keys at every depth; a number at the top keeps its text.
    fn canonical(&self, name: &str, raw: &str) -> Result<String> {
        if !raw.starts_with(['{', '[', '"']) {
            return Ok(raw.to_owned());
        }
        let value: Value =
            serde_json::from_str(raw).map_err(|error| self.error(format!("`{name}` cannot be read")).because(error))?;
        Ok(value.to_string())
    }

    /// The cells for the columns of `table`.
    pub(super) fn into_cells(mut self, table: &Table) -> Result<Taken<'a>> {
        let mut cells = Vec::with_capacity(table.columns().len());
        let (mut extra_at, mut rounded) = (None, Vec::new());
        for column in table.columns() {
            let cell = match self.given.remove(column.name.as_str()) {
                Some(cell) => cell,
                None if column.name == EXTRA => {
                    extra_at = Some(cells.len());
                    Cell::Null
                }
                None => self.take(column, &mut rounded)?,
            };
            cells.push(cell);
        }
        let is_news = |name: &&String| !self.kept.contains(&name.as_str());
        let left: Vec<String> = self.fields.keys().filter(is_news).cloned().collect();
        let count = rounded.len() as u64;
        self.fields.extend(rounded);
        if let Some(cell) = extra_at.and_then(|at| cells.get_mut(at)) {
            *cell = self.extra()?.into();
        }
        Ok(Taken { cells, left, rounded: count })
    }

    /// Removes the value of `column`; a value that does not fit stays for `extra`.
    fn take(&mut self, column: &Column, rounded: &mut Vec<(String, &'a RawValue)>) -> Result<Cell<'a>> {
        let Some(raw) = self.fields.get(&column.name).copied() else { return Ok(Cell::Null) };
        let value = match raw.get() {
            "null" | "\"\"" => Some(Cell::Null),
            json => self.fitting(column, json)?,
        };
        if column.kind == ColumnType::Decimal && value.is_some() && exact(raw.get()) == Err(Fault::TooManyDecimals) {
            rounded.push((column.name.clone(), raw));
        }
        if value.is_some() {
            self.fields.remove(&column.name);
        }
        Ok(value.unwrap_or(Cell::Null))
    }

    fn fitting(&self, column: &Column, json: &'a str) -> Result<Option<Cell<'a>>> {
        let digits = if self.texts_are_numbers { unquoted(json) } else { json };
        let is_number = digits.starts_with(|c: char| c == '-' || c.is_ascii_digit());
        Ok(match column.kind {
            ColumnType::String => text(json).map(Cell::Text),
            ColumnType::Boolean => matches!(json, "true" | "false").then(|| Cell::Boolean(json == "true")),
            ColumnType::Double if is_number => match number(digits) {
                Some(number) => Some(Cell::Double(number)),
                // Text that only begins like a number stays for `extra`.
                None if digits.parse::<f64>().is_err() => None,
                None => return Err(self.error(format!("`{}` is too large for a double", column.name))),
            },
            ColumnType::Bigint => digits.parse().ok().map(Cell::Whole),
            ColumnType::Decimal => match rounded(json) {
                Ok(amount) => Some(Cell::Amount(amount)),
                Err(Fault::TooLarge) => {
                    return Err(self.error(format!("`{}` {}", column.name, Fault::TooLarge)).at("value", json));
                }
                Err(_) => None,
            },
            ColumnType::Date => unquoted(json).get(..10).and_then(parse_day).map(Cell::Day),
            ColumnType::Timestamp => instant(json).map(Cell::Instant),
            ColumnType::Double | ColumnType::Int => None,
        })
    }

    /// The fields that were not taken, as the text of one JSON object with sorted keys at every depth.
    fn extra(&self) -> Result<Option<String>> {
        if self.fields.is_empty() {
            return Ok(None);
        }
        let mut extra = String::from("{");
        for (index, (name, raw)) in self.fields.iter().enumerate() {
            if index > 0 {
                extra.push(',');
            }
            extra.push_str(&Value::from(name.as_str()).to_string());
            extra.push(':');
            extra.push_str(&self.canonical(name, raw.get())?);
        }
        extra.push('}');
        Ok(Some(extra))
    }
}

/// Text unchanged; numbers and booleans as their JSON text; anything else is `None`.
pub(in crate::sources) fn text(json: &str) -> Option<Cow<'_, str>> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(json).ok().map(Cow::Owned),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(json)),
    }
}

/// The text of a JSON text without escapes, or the JSON as it is.
fn unquoted(json: &str) -> &str {
    json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json)
}

fn exact(json: &str) -> std::result::Result<i128, Fault> {
    decimal::parse(unquoted(json))
}

/// The amount of a number or its text, rounded to 12 decimals.
fn rounded(json: &str) -> std::result::Result<i128, Fault> {
    decimal::parse_rounded(unquoted(json))
}

/// Times below this are seconds; as milliseconds it would be in March 1973.
const FIRST_MILLISECONDS: i64 = 100_000_000_000;

/// Unix milliseconds of a whole number, or of text as RFC 3339 with or without an offset.
fn instant(json: &str) -> Option<i64> {
    let text = unquoted(json);
    let of_text = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis());
    let of_utc = || NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f").ok();
    let of_utc = || of_utc().map(|at| at.and_utc().timestamp_millis());
    let is_there = |millis: &i64| DateTime::from_timestamp_millis(*millis).is_some();
    let whole = json.parse::<i64>().ok();
    let whole = whole.map(|time| if time.abs() < FIRST_MILLISECONDS { time.saturating_mul(1_000) } else { time });
    whole.filter(is_there).or_else(of_text).or_else(of_utc)
}

/// The double nearest to the text of a JSON number; `None` if it is not a number or is too large.
///
/// `serde_json` parses doubles fast, but the last digit can be wrong; here the text is parsed exactly.
pub(in crate::sources) fn number(text: &str) -> Option<f64> {
    let starts_right = text.bytes().next().is_some_and(|byte| byte == b'-' || byte.is_ascii_digit());
    text.parse::<f64>().ok().filter(|number| starts_right && number.is_finite())
}
