//! Tables of docs/reliability.md and docs/performance.md: short rows, links that lead somewhere, figures that are marked.

use super::source::{read, root};

const DOCUMENTS: [&str; 2] = ["docs/reliability.md", "docs/performance.md"];
const ROW: usize = 250;
/// The expectation of `tests/peers/check_outside.py`, whose rows hold all that the program says.
const LONG_ROWS: &str = "## What people meet";

/// The rows of each section, with its heading.
fn rows(text: &str) -> Vec<(&str, &str)> {
    let mut heading = "";
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("## ") {
            heading = line;
        } else if line.starts_with('|') {
            found.push((heading, line));
        }
    }
    found
}

fn too_long<'t>(rows: &[(&str, &'t str)]) -> Vec<&'t str> {
    let is_long = |(heading, row): &&(&str, &str)| *heading != LONG_ROWS && row.chars().count() > ROW;
    rows.iter().filter(is_long).map(|(_, row)| *row).collect()
}

/// The targets of the links in a row.
fn links(row: &str) -> Vec<&str> {
    row.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect()
}

fn leads_somewhere(link: &str) -> bool {
    link.starts_with('#') || root().join("docs").join(link.split('#').next().unwrap_or(link)).exists()
}

#[test]
fn no_row_is_long() {
    for document in DOCUMENTS {
        let text = read(document);
        let rows = rows(&text);
        assert!(rows.len() > 60, "{document}: only {} rows were found", rows.len());
        assert_eq!(too_long(&rows), Vec::<&str>::new(), "{document}: more than {ROW} characters");
    }
    let long = format!("| {} |", "x".repeat(ROW));
    let long = long.as_str();
    assert_eq!(too_long(&[("## A", long), (LONG_ROWS, long), ("## A", "| x |")]), [long]);
}

#[test]
fn every_promise_has_a_test_that_exists() {
    let text = read("docs/reliability.md");
    let promises: Vec<&str> =
        rows(&text).into_iter().filter(|(heading, _)| *heading == "## The table").map(|(_, row)| row).skip(2).collect();
    assert!(promises.len() > 20, "{promises:?}");
    for row in promises {
        let tests = row.split(" | ").nth(2).map(links).unwrap_or_default();
        assert!(!tests.is_empty(), "no link to a test: {row}");
        assert!(tests.iter().all(|link| leads_somewhere(link)), "a link that leads nowhere: {row}");
    }
    assert!(!leads_somewhere("../tests/it/nothing.rs"));
}

#[test]
fn every_link_of_a_table_leads_somewhere() {
    for document in DOCUMENTS {
        let text = read(document);
        for (_, row) in rows(&text) {
            assert!(links(row).into_iter().all(leads_somewhere), "{document}: {row}");
        }
    }
}
