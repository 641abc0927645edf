//! The page of the keys of a job file: the registry's keys, their defaults by source, and an example per section.

use std::collections::BTreeSet;
use std::fmt::Write;

use costlake::job::keys::{Key, Shape};
use costlake::sources::aws_cost_and_usage::params::METRICS;
use costlake::sources::provider::{COST_EXPLORER, DATADOG};
use costlake::sources::{Entry, REGISTRY, keys};
use costlake::table::parse_schema;
use costlake::window::Grain;

use super::{codes, head, is_kept, row, wrapped};
use crate::conventions::blocks::parses;

/// An example of each section, which parses.
const EXAMPLES: [(&str, &str); 10] = [
    ("", "description = \"Daily cost by service\"\n"),
    ("schedule", "[schedule]\ncron = \"30 6 * * *\"\ntimezone = \"Europe/Berlin\"\n"),
    (
        "source",
        "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\nmetrics = [\"UnblendedCost\", \"UsageQuantity\"]\n\
         group_by = [{ dimension = \"SERVICE\" }, { tag = \"team\" }]\n\
         filter = { Not = { Dimensions = { Key = \"RECORD_TYPE\", Values = [\"Credit\", \"Refund\"] } } }\n\n\
         [window]\nbegin = \"2025-11-01\"\n",
    ),
    (
        "aws",
        "[aws]\nrole_arn = \"arn:aws:iam::111122223333:role/costs\"\nexternal_id = \"example\"\naccount_id = \"111122223333\"\n",
    ),
    (
        "window",
        "[window]\nbegin = \"2025-11-01\"\nrefresh = \"billing-close\"\nsettle_day = 10\nquarantine_share = 0.1\n",
    ),
    ("budget", "[budget]\nmax_requests_per_run = 100\nmax_usd_per_month = 5\n"),
    (
        "accounts",
        "[accounts]\nrole_arn = \"arn:aws:iam::{id}:role/costs\"\nlist = [{ id = \"111122223333\" }, { id = \"444455556666\" }]\n",
    ),
    ("limits", "[limits]\nrequests_per_second = 2\nfetches_in_flight = 2\n"),
    ("lake", "[lake]\nkeep_raw = true\nkeep_history = true\nkeep_history_for = \"90 days\"\n"),
    ("datadog", "[datadog]\nsite = \"datadoghq.eu\"\n"),
];

/// What a value looks like.
fn value(shape: Shape) -> String {
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::OneOf(names) => names.iter().map(|name| format!("`\"{name}\"`")).collect::<Vec<_>>().join(", "),
        Shape::Boolean => "true or false".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Whole => "whole number".to_owned(),
        Shape::Texts => "list of texts".to_owned(),
        Shape::Tables => "list of tables".to_owned(),
        Shape::Table => "table".to_owned(),
    }
}

/// Which sources a key is for.
fn owners(key: &Key) -> String {
    let names = |is_one: &dyn Fn(&Entry) -> bool| -> Vec<&str> {
        REGISTRY.iter().filter(|entry| is_one(entry)).map(|entry| entry.name).collect()
    };
    let own = names(&|entry| entry.keys().any(|own| own == key));
    let groups: [(&str, Vec<&str>); 4] = [
        ("all", names(&|_| true)),
        ("Cost Explorer", names(&|entry| std::ptr::eq(entry.provider, &COST_EXPLORER))),
        ("Datadog", names(&|entry| std::ptr::eq(entry.provider, &DATADOG))),
        ("all but [snapshots](sources.md#history-and-keys)", names(&|entry| !entry.rules.snapshot)),
    ];
    let group = groups.into_iter().find(|(_, names)| *names == own);
    group.map_or_else(|| codes(own), |(name, _)| name.to_owned())
}

/// `"7 days"`, or the probe.
fn days(count: Option<u64>) -> String {
    count.map_or_else(|| "`\"probe\"`".to_owned(), |count| format!("`\"{count} days\"`"))
}

/// The defaults that the rules of a source decide.
fn by_source() -> String {
    let mut text = "\n### Defaults by source\n\n".to_owned();
    text += &head(&["source", "`window.refresh`", "HOURLY", "by tag", "`lake.keep_raw`"]);
    for entry in REGISTRY {
        let rules = entry.rules;
        let has_hours = |key: &Key| matches!(key.shape, Shape::OneOf(names) if names.contains(&"HOURLY"));
        let of = |is: bool, count| if is && !rules.snapshot { days(count) } else { "-".to_owned() };
        let is_assigned = parse_schema(entry.schema).expect("a schema").iter().any(|column| column.assigned);
        text += &row(&[
            &format!("`{}`", entry.name),
            &of(true, rules.refresh_days_of(Grain::Daily, None)),
            &of(entry.keys().any(has_hours), rules.refresh_days_of(Grain::Hourly, None)),
            &of(is_assigned, rules.assigned_refresh_days),
            if rules.keep_raw { "true" } else { "false" },
        ]);
    }
    text
}

fn metrics() -> String {
    let mut text = "\n### Metrics\n\n".to_owned();
    text += &wrapped(
        "What `source.metrics` of `aws_cost_and_usage` may name. A forecast predicts one of the first five. What AWS counts \
         into the five from `BilledCost` on, and since when, is not documented beyond their names.",
    );
    text += "\n";
    text += &head(&["metric", "column", "unit"]);
    for metric in METRICS {
        text += &row(&[metric.name, metric.column, metric.unit_column]
            .map(|name| format!("`{name}`"))
            .each_ref()
            .map(|cell| &**cell));
    }
    text
}

fn section_of(key: &Key) -> &'static str {
    key.path.split_once('.').map_or("", |(section, _)| section)
}

fn section(name: &str, all: &[&'static Key]) -> String {
    let title = if name.is_empty() { "At the top".to_owned() } else { format!("`[{name}]`") };
    let mut text = format!("\n## {title}\n\n");
    text += &head(&["key", "value", "default", "for", "meaning"]);
    for key in all.iter().filter(|key| section_of(key) == name) {
        let default = match key.path {
            "window.refresh" | "lake.keep_raw" => "[by source](#defaults-by-source)",
            _ => key.default,
        };
        text += &row(&[&format!("`{}`", key.path), &value(key.shape), default, &owners(key), key.doc]);
    }
    let (_, example) = EXAMPLES.iter().find(|(section, _)| *section == name).expect("an example of each section");
    write!(text, "\n```toml\n{example}```\n").expect("text");
    text + &match name {
        "source" => metrics(),
        "window" => by_source(),
        _ => String::new(),
    }
}

#[test]
fn the_page_of_keys_is_what_job_files_may_have() {
    let mut page = format!(
        "# Keys of a job file\n\n{}",
        wrapped(
            "A job is a TOML file in the folder of `--jobs`; its name is the table's name. Unknown keys are errors that \
             name the nearest key, and every error names its line. `schemas/job.schema.json` is the same as JSON Schema: \
             the line `#:schema` at the top of a job file tells editors where it is. `costlake init` writes a file with \
             a comment on each key.\n\n\
             A key is for all [sources](sources.md) unless its row names some. A key of another source is an error."
        )
    );
    let all = keys::all();
    let mut seen = BTreeSet::new();
    for name in all.iter().map(|key| section_of(key)).filter(|section| seen.insert(*section)) {
        page += &section(name, &all);
    }
    is_kept("keys", &page);
}

#[test]
fn every_example_of_a_section_is_right() {
    let sections: BTreeSet<&str> = keys::sections();
    let shown: BTreeSet<&str> = EXAMPLES.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
    assert_eq!(shown, sections);
    for (name, text) in EXAMPLES {
        assert_eq!(parses(text), Ok(()), "{name}");
    }
}

/// The bounds that a meaning names are those of the parser.
#[test]
fn the_bounds_of_numbers_are_real() {
    let job = |key: &str, value: &str| {
        let (section, name) = key.split_once('.').expect("a section");
        parses(&format!(
            "[{section}]\n{name} = {value}\n{}",
            if section == "window" { "begin = \"2025-11-01\"\n" } else { "" }
        ))
    };
    let mut seen = 0;
    for key in keys::all().into_iter().filter(|key| !key.path.starts_with("source.")) {
        let words: Vec<&str> = key.doc.split([' ', ';']).collect();
        let Some(at) = words.windows(3).position(|three| three[1] == "to" && three[0].parse::<f64>().is_ok()) else {
            continue;
        };
        let (low, high) = (words[at], words[at + 2].replace(',', ""));
        assert_eq!((job(key.path, low), job(key.path, &high)), (Ok(()), Ok(())), "{}", key.path);
        assert!(job(key.path, &format!("{high}1")).is_err(), "{} has no bound {high}", key.path);
        assert!(job(key.path, "0").is_err(), "{} has no bound {low}", key.path);
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} keys name their bounds");
}
