//! Reading a part of a job file, noting every problem with its key instead of stopping at the first.

use std::cell::RefCell;

use chrono::NaiveDate;

use crate::window::parse_day;

/// What is wrong with one key of a job file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Dotted key, `window.refresh`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and, where known, what would be right.
    pub message: String,
}

/// Collects the problems of one file.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    /// Notes a problem with `key`.
    pub fn note(&self, key: impl Into<String>, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem { key: key.into(), message: message.into() });
    }

    /// All problems, in the order they were met.
    #[must_use]
    pub fn into_list(self) -> Vec<Problem> {
        self.0.into_inner()
    }

    /// Whether nothing was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }
}

/// One table of a job file, such as `[window]`. Getters note a wrong type and then act as if the key were absent.
#[derive(Debug, Clone, Copy)]
pub struct Section<'a> {
    name: &'a str,
    table: Option<&'a toml::Table>,
    problems: &'a Problems,
}

impl<'a> Section<'a> {
    /// The section `name`, empty when the file does not have it.
    #[must_use]
    pub fn new(name: &'a str, table: Option<&'a toml::Table>, problems: &'a Problems) -> Self {
        Self { name, table, problems }
    }

    /// The raw value of `key`.
    #[must_use]
    pub fn value(&self, key: &str) -> Option<&'a toml::Value> {
        self.table.and_then(|table| table.get(key))
    }

    /// The dotted name of `key`.
    #[must_use]
    pub fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    /// Notes a problem with `key`.
    pub fn note(&self, key: &str, message: impl Into<String>) {
        self.problems.note(self.path(key), message);
    }

    /// The collector, for problems below nested keys.
    #[must_use]
    pub fn problems(&self) -> &'a Problems {
        self.problems
    }

    fn typed<T>(&self, key: &str, wanted: &str, read: impl FnOnce(&'a toml::Value) -> Option<T>) -> Option<T> {
        let value = self.value(key)?;
        let found = read(value);
        if found.is_none() {
            self.note(key, format!("must be {wanted}, not {}", describe(value)));
        }
        found
    }

    /// Text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.typed(key, "text in quotes", toml::Value::as_str)
    }

    /// Text that is there and not blank.
    #[must_use]
    pub fn required_text(&self, key: &str) -> Option<&'a str> {
        if self.value(key).is_none() {
            self.note(key, "is missing");
        }
        let text = self.text(key)?;
        if text.trim().is_empty() {
            self.note(key, "must not be empty");
            return None;
        }
        Some(text)
    }

    /// true or false.
    #[must_use]
    pub fn boolean(&self, key: &str) -> Option<bool> {
        self.typed(key, "true or false", toml::Value::as_bool)
    }

    /// A whole number from `low` to `high`.
    #[must_use]
    pub fn whole(&self, key: &str, low: u64, high: u64) -> Option<u64> {
        let wanted = format!("a whole number from {low} to {high}");
        self.typed(key, &wanted, |value| {
            value.as_integer().and_then(|n| u64::try_from(n).ok()).filter(|n| (low..=high).contains(n))
        })
    }

    /// A number from `low` to `high`.
    #[must_use]
    pub fn number(&self, key: &str, low: f64, high: f64) -> Option<f64> {
        let wanted = format!("a number from {low} to {high}");
        self.typed(key, &wanted, |value| {
            let number = match value {
                toml::Value::Integer(n) => i32::try_from(*n).ok().map(f64::from),
                toml::Value::Float(n) => Some(*n),
                _ => None,
            };
            number.filter(|n| (low..=high).contains(n))
        })
    }

    /// A UTC day, quoted or as a TOML date.
    #[must_use]
    pub fn day(&self, key: &str) -> Option<NaiveDate> {
        self.typed(key, "a UTC day such as \"2025-11-01\"", |value| match value {
            toml::Value::String(text) => parse_day(text),
            toml::Value::Datetime(at) if at.time.is_none() && at.offset.is_none() => parse_day(&at.to_string()),
            _ => None,
        })
    }

    /// A list of texts, none blank.
    #[must_use]
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        self.typed(key, "a list of texts", |value| {
            let list = value.as_array()?;
            list.iter().map(|v| v.as_str().filter(|t| !t.trim().is_empty()).map(str::to_owned)).collect()
        })
    }

    /// A list of tables, such as `queries = [{ … }, { … }]`, each with its own dotted name for problems.
    #[must_use]
    pub fn tables(&self, key: &str) -> Option<Vec<(String, &'a toml::Table)>> {
        let list = self.typed(key, "a list of tables, [{ … }, { … }]", toml::Value::as_array)?;
        let mut found = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = format!("{}[{index}]", self.path(key));
            match value.as_table() {
                Some(table) => found.push((path, table)),
                None => self.problems.note(path, format!("must be a table {{ … }}, not {}", describe(value))),
            }
        }
        Some(found)
    }
}

/// A value as a message names it.
#[must_use]
pub fn describe(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("\"{text}\""),
        toml::Value::Integer(n) => n.to_string(),
        toml::Value::Float(n) => n.to_string(),
        toml::Value::Boolean(b) => b.to_string(),
        toml::Value::Datetime(at) => format!("the date {at}"),
        toml::Value::Array(_) => "a list".to_owned(),
        toml::Value::Table(_) => "a table".to_owned(),
    }
}

/// ` (did you mean `x`?)` when one of `known` is near, else the empty string.
#[must_use]
pub fn nearest<'n>(given: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let fold = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let folded = fold(given);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &fold(name)), name))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3))
        .map_or(String::new(), |(_, name)| format!(" (did you mean `{name}`?)"))
}
