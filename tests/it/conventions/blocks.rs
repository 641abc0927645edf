//! The documents of the repository, and the code in them.

use std::path::PathBuf;

use costlake::job;

use super::source::{files, read};

/// Markdown at the top of the repository.
const AT_THE_TOP: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"];

/// What a fragment of a job file is completed by: the first one that it fits.
const BASES: [&str; 5] = [
    "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]\n\
     [window]\nbegin = \"2025-11-01\"\n",
    "[source]\ntype = \"datadog_cost\"\nmetric = \"all.cost\"\n[window]\nbegin = \"2025-11-01\"\n",
    "[source]\ntype = \"aws_cost_forecast\"\n",
    "[source]\ntype = \"datadog_commitments\"\nqueries = [{ provider = \"aws\", product = \"ec2\", commitment_type = \"ri\" }]\n\
     [window]\nbegin = \"2025-11-01\"\n",
    "[source]\ntype = \"aws_reservation_coverage\"\nservices = [\"Amazon Redshift\"]\n[window]\nbegin = \"2025-11-01\"\n",
];

/// Every Markdown file of the repository, with its text.
pub(super) fn documents() -> Vec<(PathBuf, String)> {
    let tops = AT_THE_TOP.iter().map(PathBuf::from);
    let below = ["docs", "deploy"].into_iter().flat_map(files);
    let is_markdown = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    tops.chain(below.filter(is_markdown)).map(|path| (path.clone(), read(&path))).collect()
}

/// A piece of code: a line of a block, or a span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece<'t> {
    /// The language of its block; `None` for a span.
    pub(super) language: Option<&'t str>,
    /// A span that goes on in the next line has a space in place of the line's end.
    pub(super) text: String,
    /// The line of the document that it begins in, from 1.
    pub(super) line: usize,
}

/// The pieces of code of a document.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let (mut inside, mut span) = (None, None);
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        if let Some(language) = line.trim_start().strip_prefix("```") {
            inside = if inside.is_some() { None } else { Some(language.trim()) };
            span = None;
        } else if inside.is_some() {
            found.push(Piece { language: inside, text: line.to_owned(), line: number });
        } else {
            spans(line, number, &mut span, &mut found);
        }
    }
    found
}

/// The spans of a line; `open` is one that began before, with its line.
fn spans(line: &str, number: usize, open: &mut Option<(String, usize)>, found: &mut Vec<Piece<'_>>) {
    if line.trim().is_empty() {
        *open = None;
    }
    for (place, part) in line.split('`').enumerate() {
        if place > 0 {
            match open.take() {
                Some((text, line)) => found.push(Piece { language: None, text, line }),
                None => *open = Some((String::new(), number)),
            }
        }
        if let Some((text, _)) = open {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(part.trim_start());
        }
    }
}

/// The code blocks of one language.
pub(super) fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let start = format!("```{language}\n");
    text.split(&start).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

/// Puts what a fragment says into a job.
fn merge(into: &mut toml::Table, fragment: toml::Table) {
    for (name, value) in fragment {
        match (into.get_mut(&name), value) {
            (Some(toml::Value::Table(known)), toml::Value::Table(given)) => merge(known, given),
            (_, value) => {
                into.insert(name, value);
            }
        }
    }
}

/// The problems of a job file; the list of accounts that it names is there.
fn problems_of(text: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a folder");
    let parsed: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    let of = |section: &str, name: &str| parsed.get(section)?.get(name)?.as_str();
    if let Some(list) = of("accounts", "from") {
        let is_datadog = of("source", "type").is_some_and(|name| name.starts_with("datadog"));
        let accounts =
            if is_datadog { "[[accounts]]\nname = \"one\"\n" } else { "[[accounts]]\nid = \"111122223333\"\n" };
        std::fs::write(folder.path().join(list), accounts).expect("a list");
    }
    let parsed = job::parse(&folder.path().join("an_example.toml"), text);
    parsed.map(drop).map_err(|problems| format!("{problems:?}"))
}

/// Whether a TOML text is a job, a part of one, or a list of accounts.
pub(super) fn parses(text: &str) -> Result<(), String> {
    let parsed: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
    if let Some(toml::Value::Array(accounts)) = parsed.get("accounts") {
        let is_account = |one: &toml::Value| one.get("id").or(one.get("name")).is_some_and(toml::Value::is_str);
        return if accounts.iter().all(is_account) { Ok(()) } else { Err(format!("{accounts:?}")) };
    }
    if parsed.contains_key("source") {
        return problems_of(text);
    }
    let mut problems = Vec::new();
    for base in BASES {
        let mut whole: toml::Table = toml::from_str(base).expect("a base");
        merge(&mut whole, parsed.clone());
        match problems_of(&toml::to_string(&whole).expect("TOML")) {
            Ok(()) => return Ok(()),
            Err(found) => problems.push(found),
        }
    }
    Err(problems.remove(0))
}

#[test]
fn spans_and_blocks_are_found() {
    let piece = |language, text: &str, line| Piece { language, text: text.to_owned(), line };
    let text = "a `b` c `d\ne` f\n```sh\ng `h`\n```\n`i`\n";
    let wanted = [piece(None, "b", 1), piece(None, "d e", 1), piece(Some("sh"), "g `h`", 4), piece(None, "i", 6)];
    assert_eq!(pieces(text), wanted);
    assert_eq!(blocks("```toml\na = 1\nb = 2\n```\n```sh\nc\n```\n", "toml"), ["a = 1\nb = 2"]);
}

#[test]
fn a_part_of_a_job_is_judged() {
    for right in
        ["[window]\nrefresh = \"3 days\"\n", "[datadog]\nsite = \"datadoghq.eu\"\n", "[[accounts]]\nid = \"1\"\n"]
    {
        assert_eq!(parses(right), Ok(()), "{right}");
    }
    for wrong in
        ["[window]\nrefersh = \"3 days\"\n", "[window]\nrefresh = \"often\"\n", "a = \n", "[[accounts]]\nx = 1\n"]
    {
        assert!(parses(wrong).is_err(), "{wrong}");
    }
}
