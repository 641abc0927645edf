//! docs/reference/ is what the code and the schemas say; `COSTLAKE_BLESS=1` writes it anew.
//!
//! | module | page | from |
//! |---|---|---|
//! | `commands` | commands.md | `costlake COMMAND --help` |
//! | `keys` | keys.md | the registry of sources, its keys and rules |
//! | `columns` | columns.md | `schemas/` |
//! | `sources` | sources.md, prices.md | the registry |
//! | `exit_codes` | exit-codes.md | `src/error.rs` |
//! | `metrics` | metrics.md | the catalog of metrics, `deploy/prometheus/alerts.yml` |
//! | `environment` | environment.md | a list here, which names every variable in `src/` |
//! | `files` | files.md | a list here, which has every place that `src/` writes to |
//! | `http` | http.md | a list here, which has every route |
//! | `permissions` | permissions.md | `deploy/terraform/policies/`, the registry |
//! | `views` | views.md | compared by name; `tests/peers/run.sh views_page` has the columns |

use std::fs;

use super::source::{files, read, root};

mod columns;
mod commands;
mod environment;
mod exit_codes;
mod files;
mod http;
mod keys;
mod metrics;
mod permissions;
mod sources;
pub(super) mod views;

/// The pages, in the order in which one looks for them.
const PAGES: [(&str, &str, &str); 15] = [
    ("commands", "Commands", "every command with its options"),
    ("keys", "Keys of a job file", "every key with its default, and an example of each section"),
    ("sources", "Sources", "every `source.type`: what it is, a row, history, what is asked"),
    ("prices", "Prices", "what requests cost, and what limits them"),
    ("columns", "Columns", "the columns of every source"),
    ("views", "Views", "the views and macros of `connect` and `ddl`, with their columns"),
    ("exit-codes", "Exit codes", "how commands end, and the kinds of errors"),
    ("environment", "Environment variables", "every variable that is read"),
    ("files", "Files of a lake", "what is below a lake"),
    ("permissions", "Permissions", "the policies for AWS, and what Datadog's keys need"),
    ("http", "Paths of `costlake serve`", "what `serve` answers, and to whom"),
    ("metrics", "Metrics", "every Prometheus metric, and the alerts"),
    ("show", "costlake show", "exact sums of a table, without another tool"),
    ("addresses", "Lakes, endpoints, proxies", "where the lake is, whom costlake asks, and by which way"),
    ("sandbox", "The sandbox", "the imitation of both APIs, and its accounts"),
];

/// Compares a page with the one that is there, or writes it.
fn is_kept(name: &str, page: &str) {
    let path = format!("docs/reference/{name}.md");
    if std::env::var_os("COSTLAKE_BLESS").is_some() {
        fs::create_dir_all(root().join("docs/reference")).expect("a folder");
        fs::write(root().join(&path), page).expect("a page");
    }
    assert!(
        read(&path) == page,
        "{path} is old: COSTLAKE_BLESS=1 cargo test --locked --test it -- conventions::reference"
    );
}

/// A row of a table.
fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
}

/// The first two lines of a table.
fn head(cells: &[&str]) -> String {
    format!("{}|{}\n", row(cells), "---|".repeat(cells.len()))
}

/// Names as code, with commas.
fn codes<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Text with lines of at most 120 columns, in paragraphs.
fn wrapped(text: &str) -> String {
    let paragraph = |text: &str| {
        let mut lines = vec![String::new()];
        for word in text.split_whitespace() {
            let line = lines.last_mut().expect("a line");
            if line.is_empty() {
                line.push_str(word);
            } else if line.chars().count() + 1 + word.chars().count() <= 120 {
                line.push(' ');
                line.push_str(word);
            } else {
                lines.push(word.to_owned());
            }
        }
        lines.join("\n")
    };
    format!("{}\n", text.split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n\n"))
}

#[test]
fn the_index_has_every_page() {
    let mut page = format!(
        "# Reference\n\n{}\n",
        wrapped(
            "All but the last three pages are generated from the code, the schemas and the job files; tests keep them equal."
        )
    );
    page += &head(&["page", "has"]);
    for (name, title, about) in PAGES {
        page += &row(&[&format!("[{title}]({name}.md)"), about]);
        let first = format!("# {title}");
        assert_eq!(read(format!("docs/reference/{name}.md")).lines().next(), Some(first.as_str()));
    }
    is_kept("index", &page);
    let files = files("docs/reference").into_iter();
    let mut names: Vec<String> = files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    let mut known: Vec<&str> = PAGES.iter().map(|(name, ..)| *name).chain(["index"]).collect();
    known.sort_unstable();
    assert_eq!(names, known);
}

#[test]
fn rows_and_lines_are_markdown() {
    assert_eq!(head(&["a", "b"]) + &row(&["1", "x|y"]), "| a | b |\n|---|---|\n| 1 | x\\|y |\n");
    assert!(wrapped(&"word ".repeat(100)).lines().all(|line| line.len() <= 120));
    assert_eq!(wrapped("a\n  b\n\nc"), "a b\n\nc\n");
}
