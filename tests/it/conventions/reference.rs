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

use super::source::{read, root};

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
fn rows_and_lines_are_markdown() {
    assert_eq!(head(&["a", "b"]) + &row(&["1", "x|y"]), "| a | b |\n|---|---|\n| 1 | x\\|y |\n");
    assert!(wrapped(&"word ".repeat(100)).lines().all(|line| line.len() <= 120));
    assert_eq!(wrapped("a\n  b\n\nc"), "a b\n\nc\n");
}
