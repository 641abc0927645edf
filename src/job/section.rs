//! Reading a part of a job file, noting every problem with its key instead of stopping at the first.

use std::cell::{Cell, RefCell};
use std::fmt;

use chrono::NaiveDate;

use crate::window::parse_day;

/// A problem with one key of a job file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// Dotted key, such as `window.refresh`; empty for the file as a whole.
    pub key: String,
    /// What is wrong and, if known, what would be right.
    pub message: String,
    /// The line of the key, or of its section, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

impl Problem {
    /// A problem whose line is not known yet.
    #[must_use]
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), line: None }
    }
}

/// Problems of one file that are reported; further ones are only counted.
const MOST_PROBLEMS: usize = 100;
/// Most characters of a key and of a message, both of which quote the file.
const LONGEST: usize = 1_000;
/// Most entries of a list, since each is compared with the others. No request to an API has this many.
const MOST_ENTRIES: usize = 1_000;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{}{gap}{}", self.key, self.message)
    }
}

/// Collects the problems and warnings of one file.
#[derive(Debug, Default)]
pub struct Problems {
    told: RefCell<Vec<Problem>>,
    more: Cell<usize>,
    warnings: RefCell<Vec<Problem>>,
}

impl Problems {
    /// Notes a problem with `key`.
    pub fn note(&self, key: impl Into<String>, message: impl Into<String>) {
        let mut told = self.told.borrow_mut();
        if told.len() == MOST_PROBLEMS {
            self.more.set(self.more.get() + 1);
        } else {
            told.push(Problem::new(cut(key.into()), cut(message.into())));
        }
    }

    /// Notes a warning about `key`; the file stays usable.
    pub fn warn(&self, key: impl Into<String>, message: impl Into<String>) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < MOST_PROBLEMS {
            warnings.push(Problem::new(cut(key.into()), cut(message.into())));
        }
    }

    /// The first hundred warnings, in the order in which they were noted.
    #[must_use]
    pub fn into_warnings(self) -> Vec<Problem> {
        self.warnings.into_inner()
    }

    /// The first hundred problems, in the order in which they were noted, and the number of further ones.
    #[must_use]
    pub fn into_list(self) -> Vec<Problem> {
        let mut list = self.told.into_inner();
        if self.more.get() > 0 {
            let message = format!("{} more problems are not told; mend these first", self.more.get());
            list.push(Problem::new("", message));
        }
        list
    }

    /// Whether further problems are only counted, so that their messages need not be made.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.told.borrow().len() == MOST_PROBLEMS
    }

    /// Whether no problem was noted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.told.borrow().is_empty()
    }
}

fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
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

    /// Whether the file has it.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.table.is_some()
    }

    /// The keys that are there.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.table.into_iter().flat_map(|table| table.keys().map(String::as_str))
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

    /// The collector, for problems of nested keys.
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

    /// Text that must be present and not blank.
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

    /// The entries of a list of at most [`MOST_ENTRIES`].
    fn entries(&self, key: &str, wanted: &str) -> Option<&'a [toml::Value]> {
        let list = self.typed(key, wanted, toml::Value::as_array)?;
        if list.len() > MOST_ENTRIES {
            self.note(key, format!("has {} entries; {MOST_ENTRIES} are the most", list.len()));
            return None;
        }
        Some(list)
    }

    /// A list of texts, none blank.
    #[must_use]
    pub fn texts(&self, key: &str) -> Option<Vec<String>> {
        let list = self.entries(key, "a list of texts")?;
        self.typed(key, "a list of texts", |_| {
            list.iter().map(|v| v.as_str().filter(|t| !t.trim().is_empty()).map(str::to_owned)).collect()
        })
    }

    /// A list of tables, such as `queries = [{ … }, { … }]`, each with its own dotted name for problems. `form` is the
    /// table that a person means who wrote a text in its place.
    #[must_use]
    pub fn tables(&self, key: &str, form: impl Fn(&str) -> String) -> Option<Vec<(String, &'a toml::Table)>> {
        let meant = |value: &toml::Value| value.as_str().map_or_else(|| "{ … }".to_owned(), &form);
        let wanted = match self.value(key) {
            Some(value @ toml::Value::String(_)) => format!("a list, [{}]", meant(value)),
            _ => "a list of tables, [{ … }, { … }]".to_owned(),
        };
        let list = self.entries(key, &wanted)?;
        let mut found = Vec::new();
        for (index, value) in list.iter().enumerate() {
            let path = format!("{}[{index}]", self.path(key));
            match value.as_table() {
                Some(table) => found.push((path, table)),
                None => self.problems.note(path, format!("must look like {}, not {}", meant(value), describe(value))),
            }
        }
        Some(found)
    }
}

/// A value as shown in messages.
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

/// ` (did you mean `x`?)` when one of `known` is similar, else the empty string.
#[must_use]
pub fn nearest<'n>(given: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let fold = |text: &str| text.to_lowercase().replace(['_', '-', ' '], "");
    let folded = fold(given);
    let length = folded.chars().count();
    known
        .into_iter()
        .map(|name| (2.max(name.len() / 3), fold(name), name))
        // The distance is at least the difference in length; computing it takes time in the product of the lengths.
        .filter(|(most, near, _)| near.chars().count().abs_diff(length) <= *most)
        .map(|(most, near, name)| (strsim::damerau_levenshtein(&folded, &near), most, name))
        .filter(|(distance, most, _)| distance <= most)
        .min_by_key(|(distance, ..)| *distance)
        .map_or(String::new(), |(.., name)| format!(" (did you mean `{name}`?)"))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::{LONGEST, MOST_ENTRIES, MOST_PROBLEMS, Problems, Section, nearest};

    #[test]
    fn a_hint_is_near_for_its_length() {
        let hint = |given, known: &[&'static str]| nearest(given, known.iter().copied());
        assert_eq!(hint("Europe/Berlim", &["Europe/Bern", "Europe/Berlin"]), " (did you mean `Europe/Berlin`?)");
        assert_eq!(hint("win_dow", &["window"]), " (did you mean `window`?)");
        assert_eq!(hint("abcdefghi", &["abcdefghixxx"]), " (did you mean `abcdefghixxx`?)", "three of twelve");
        assert_eq!(hint("abcdefgh", &["abcdefghixxxx"]), "", "five of thirteen");
        assert_eq!(hint("ab", &["ef", "abcd"]), " (did you mean `ef`?)", "of two that are near the first");
        assert_eq!(hint("", &["abc"]), "");
    }

    #[test]
    fn a_name_that_cannot_be_near_is_not_compared() {
        let (done, ended) = mpsc::channel();
        std::thread::spawn(move || {
            let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            done.send(nearest(&"x".repeat(10_000_000), zones))
        });
        // With comparisons it would take minutes.
        assert_eq!(ended.recv_timeout(Duration::from_secs(60)), Ok(String::new()));
    }

    #[test]
    fn long_texts_are_cut_and_many_problems_counted() {
        let problems = Problems::default();
        for number in 0..MOST_PROBLEMS {
            problems.note("é".repeat(LONGEST + number), "m".repeat(LONGEST));
        }
        let list = problems.into_list();
        assert_eq!((list.len(), list[0].key.chars().count()), (MOST_PROBLEMS, LONGEST), "none is left out");
        assert_eq!((list[1].key.chars().count(), list[1].key.chars().last()), (LONGEST + 1, Some('…')));
        assert_eq!(list[1].message.len(), LONGEST);

        let problems = Problems::default();
        (0..=MOST_PROBLEMS).for_each(|_| problems.note("key", "is wrong"));
        let list = problems.into_list();
        assert_eq!(list.len(), MOST_PROBLEMS + 1);
        assert_eq!(list[MOST_PROBLEMS].message, "1 more problems are not told; mend these first");
    }

    #[test]
    fn lists_have_a_most() {
        let list = |length| format!("list = [{}]", "\"a\",".repeat(length)).parse::<toml::Table>().expect("TOML");
        let (table, longer) = (list(MOST_ENTRIES), list(MOST_ENTRIES + 1));
        let problems = Problems::default();
        let texts = |table| Section::new("source", Some(table), &problems).texts("list").map(|texts| texts.len());
        assert_eq!(texts(&table), Some(MOST_ENTRIES));
        assert!(problems.is_empty());
        assert_eq!(texts(&longer), None);
        assert_eq!(problems.into_list()[0].message, "has 1001 entries; 1000 are the most");
    }
}
