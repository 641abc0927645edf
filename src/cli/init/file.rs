//! The text of a new job file: what was asked for, else what the source's shipped job has, with a comment on every key.

use std::fmt::Write as _;

use chrono::NaiveDate;
use toml::{Table, Value};

use crate::error::{Error, Kind, Result};
use crate::job::keys::{Key, Shape};
use crate::sources::{Entry, History};
use crate::window::{days_before, month_start};

/// Characters of a line.
const WIDTH: usize = 80;

/// What a person asked for; empty lists are filled from the shipped job.
#[derive(Debug, Clone)]
pub(super) struct Wanted<'a> {
    pub(super) entry: &'static Entry,
    pub(super) group_by: &'a [String],
    pub(super) metrics: &'a [String],
    /// Where editors find the schema of job files.
    pub(super) schema: &'a str,
    pub(super) today: NaiveDate,
}

impl Wanted<'_> {
    /// The text of the job file.
    pub(super) fn text(&self) -> Result<String> {
        let example = example(self.entry)?;
        let mut text = format!("#:schema {}\n", self.schema);
        comment(&mut text, &format!("{}.", self.entry.summary));
        if let Some(needs) = needs(self.entry) {
            comment(&mut text, needs);
        }
        let _ = writeln!(text, "description = {}", Value::from(self.description(&example)));
        let mut left = String::new();
        for section in sections(self.entry) {
            let (set, others): (Vec<_>, Vec<_>) = keys_of(self.entry, section)
                .map(|(name, key)| (name, key, self.value(section, name, key, &example)))
                .partition(|(_, _, value)| value.is_some());
            let others: Vec<&str> = others.into_iter().map(|(name, ..)| name).collect();
            if set.is_empty() {
                list(&mut left, &format!("[{section}] "), &others);
                continue;
            }
            let _ = write!(text, "\n[{section}]\n");
            for (name, key, value) in set {
                self.assignment(&mut text, (name, key), &value.unwrap_or(Value::Boolean(false)));
            }
            if !others.is_empty() {
                list(&mut text, "May be set, too: ", &others);
            }
        }
        text.push_str("\n# Other sections; the schema and docs/reference/keys.md explain their keys:\n");
        Ok(text + &left)
    }

    /// The value to write for a key; `None` leaves it out.
    fn value(&self, section: &str, name: &str, key: &Key, example: &Table) -> Option<Value> {
        let shown = || example.get(section)?.get(name).cloned();
        let texts = |texts: &[String]| Value::Array(texts.iter().cloned().map(Value::String).collect());
        match (section, name, key.shape) {
            ("source", "group_by", _) if self.are_totals() => None,
            ("source", "group_by", Shape::Tables) if !self.group_by.is_empty() => {
                Some(Value::Array(self.group_by.iter().map(|text| grouping(text)).collect()))
            }
            ("source", "group_by", _) if !self.group_by.is_empty() => Some(texts(self.group_by)),
            ("source", "metrics", _) if !self.metrics.is_empty() => Some(texts(self.metrics)),
            // The others of the shipped job fit its own grouping: usage adds up by usage type alone.
            ("source", "metrics", _) if !self.group_by.is_empty() => {
                Some(Value::Array(shown()?.as_array()?.iter().take(1).cloned().collect()))
            }
            ("source", "metric", _) if !self.metrics.is_empty() => self.metrics.first().cloned().map(Value::String),
            ("window", "begin", _) => Some(Value::String(self.begin().to_string())),
            ("source", ..) | ("schedule", "cron", _) => shown(),
            _ => None,
        }
    }

    /// Whether there is to be no grouping.
    fn are_totals(&self) -> bool {
        self.group_by == ["none"]
    }

    /// The first day that the API still has.
    fn begin(&self) -> NaiveDate {
        match self.entry.rules.history {
            History::Days(count) => days_before(self.today, count),
            History::Months(count) => month_start(self.today, -count),
        }
    }

    fn description(&self, example: &Table) -> String {
        let shown = example.get("description").and_then(Value::as_str).unwrap_or(self.entry.summary).to_owned();
        match self.group_by {
            [] => shown,
            _ if self.are_totals() => "Daily costs".to_owned(),
            groups => format!("Daily costs by {}", groups.join(" and ")),
        }
    }

    fn assignment(&self, text: &mut String, (name, key): (&str, &Key), value: &Value) {
        let is_given = match name {
            "group_by" => !self.group_by.is_empty(),
            "metric" | "metrics" => !self.metrics.is_empty(),
            _ => false,
        };
        let doc = key.doc.replace('`', "");
        match name {
            "type" => {}
            "begin" => comment(text, &format!("{doc}; {} has no older days.", self.entry.provider.name)),
            "services" | "queries" if !is_given => comment(text, &format!("{doc}. An example: put your own here.")),
            _ => comment(text, &format!("{doc}.")),
        }
        let line = format!("{name} = {value}");
        match value.as_array() {
            Some(entries) if line.chars().count() > WIDTH => {
                let entries: Vec<String> = entries.iter().map(|entry| format!("    {entry},\n")).collect();
                let _ = writeln!(text, "{name} = [\n{}]", entries.concat());
            }
            _ => {
                let _ = writeln!(text, "{line}");
            }
        }
    }
}

/// The first shipped job of a source.
pub(super) fn example(entry: &Entry) -> Result<Table> {
    let text = entry.jobs.first().map(|(_, text)| *text).unwrap_or_default();
    text.parse().map_err(|error| Error::new(Kind::Internal, "a shipped job is broken").because(error))
}

/// What the shipped job has for a key of its source, as a person would type it.
pub(super) fn usual(entry: &Entry, key: &Key) -> Result<String> {
    let example = example(entry)?;
    let name = key.path.trim_start_matches("source.");
    let value = example.get("source").and_then(|source| source.get(name));
    let entries = match value {
        Some(Value::Array(entries)) => entries.iter().map(typed).collect(),
        value => value.iter().map(|value| typed(value)).collect::<Vec<_>>(),
    };
    Ok(if entries.is_empty() { "none".to_owned() } else { entries.join(",") })
}

/// One entry: the reverse of [`grouping`].
fn typed(value: &Value) -> String {
    match value.as_table().and_then(|table| table.iter().next()) {
        Some((kind, key)) if kind == "dimension" => key.as_str().unwrap_or_default().to_lowercase(),
        Some((kind, key)) => format!("{kind}:{}", key.as_str().unwrap_or_default()),
        None => value.as_str().unwrap_or_default().to_owned(),
    }
}

/// What the shipped job says of permissions and keys.
fn needs(entry: &Entry) -> Option<&'static str> {
    let (_, text) = entry.jobs.first()?;
    text.lines().find_map(|line| line.strip_prefix("# ").filter(|rest| rest.starts_with("Needs ")))
}

/// `service`, `tag:team`, `cost_category:Product` or `product_attribute:model` as a table of a job file.
fn grouping(text: &str) -> Value {
    let (kind, key) = text.split_once(':').map_or(("dimension", text), |(kind, key)| (kind.trim(), key));
    let key = key.trim();
    let key = if kind == "dimension" { key.to_uppercase().replace(['-', ' '], "_") } else { key.to_owned() };
    Value::Table(Table::from_iter([(kind.to_owned(), Value::String(key))]))
}

/// The sections that a job of a source may have, in the usual order.
fn sections(entry: &'static Entry) -> Vec<&'static str> {
    let mut found = Vec::new();
    for (section, _) in entry.keys().filter_map(|key| key.path.split_once('.')) {
        if !found.contains(&section) {
            found.push(section);
        }
    }
    found
}

fn keys_of(entry: &'static Entry, section: &str) -> impl Iterator<Item = (&'static str, &'static Key)> {
    let named = entry.keys().filter_map(|key| key.path.split_once('.').map(|(of, name)| (of, name, key)));
    named.filter(move |(of, ..)| *of == section).map(|(_, name, key)| (name, key))
}

/// A comment of one or more lines; its first letter becomes a capital, unless it is part of a name.
fn comment(text: &mut String, words: &str) {
    let mut letters = words.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    wrap(text, "# ", (first + letters.as_str()).split(' '));
}

/// Names after a lead, as a comment.
fn list(text: &mut String, lead: &str, names: &[&str]) {
    let names = names.join(", ");
    wrap(text, "# ", format!("{lead}{names}").split(' '));
}

fn wrap<'a>(text: &mut String, mark: &str, words: impl Iterator<Item = &'a str>) {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() && mark.len() + line.chars().count() + 1 + word.chars().count() > WIDTH {
            let _ = writeln!(text, "{mark}{line}");
            line.clear();
        }
        line.push_str(if line.is_empty() { "" } else { " " });
        line.push_str(word);
    }
    let _ = writeln!(text, "{mark}{line}");
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use chrono::NaiveDate;

    use super::{Wanted, example, grouping, typed, usual};
    use crate::job::parse;
    use crate::sources::REGISTRY;

    fn wanted(entry: &'static crate::sources::Entry) -> Wanted<'static> {
        let today = NaiveDate::from_ymd_opt(2026, 11, 20).expect("a day");
        Wanted { entry, group_by: &[], metrics: &[], schema: "./job.schema.json", today }
    }

    #[test]
    fn the_file_of_every_source_is_right_and_fits_a_terminal() {
        for entry in REGISTRY {
            let text = wanted(entry).text().expect("a text");
            let job = parse(Path::new("a_job.toml"), &text).unwrap_or_else(|list| panic!("{text}\n{list:?}"));
            assert_eq!(job.entry.name, entry.name);
            assert!(text.starts_with("#:schema ./job.schema.json\n"), "{text}");
            let long: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(long.iter().all(|line| line.starts_with("description")), "{long:?}");
            let keys: Vec<String> =
                entry.keys().map(|key| key.path.rsplit('.').next().unwrap_or_default().into()).collect();
            assert!(keys.iter().all(|key| text.contains(key.as_str())), "a key is not named:\n{text}");
            assert!(example(entry).is_ok());
        }
    }

    #[test]
    fn what_is_usual_is_as_typed() {
        let of = |path: &str| {
            let key = REGISTRY[0].keys().find(|key| key.path == path).expect("a key");
            usual(REGISTRY[0], key).expect("a text")
        };
        assert_eq!(of("source.group_by"), "service,usage_type");
        assert!(of("source.metrics").starts_with("UnblendedCost,AmortizedCost"));
        assert_eq!((of("source.granularity"), of("source.filter")), ("DAILY".to_owned(), "none".to_owned()));
        assert_eq!(typed(&grouping("tag:Cost:Center")), "tag:Cost:Center");
    }

    #[test]
    fn what_was_asked_for_is_in_the_file() {
        let (group_by, metrics) =
            (["linked-account".to_owned(), "tag:Cost:Center".to_owned()], ["ListCost".to_owned()]);
        let text = Wanted { group_by: &group_by, metrics: &metrics, ..wanted(REGISTRY[0]) }.text().expect("a text");
        assert!(text.contains("group_by = [{ dimension = \"LINKED_ACCOUNT\" }, { tag = \"Cost:Center\" }]"), "{text}");
        assert!(text.contains("\nmetrics = [\"ListCost\"]\n"), "{text}");
        assert!(text.contains("\nbegin = \"2025-10-01\"\n"), "{text}");
        assert!(text.contains("\ndescription = \"Daily costs by linked-account and tag:Cost:Center\"\n"), "{text}");
        assert!(parse(Path::new("a_job.toml"), &text).is_ok());
        let totals = Wanted { group_by: &["none".to_owned()], ..wanted(REGISTRY[0]) }.text().expect("a text");
        assert!(!totals.contains("group_by =") && totals.contains("\ndescription = \"Daily costs\"\n"), "{totals}");
        assert!(parse(Path::new("a_job.toml"), &totals).is_ok());
        assert_eq!(grouping("cost_category: Product").to_string(), "{ cost_category = \"Product\" }");
    }
}
