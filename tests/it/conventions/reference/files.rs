//! The page of what is in a lake: a list here, which has every place that `src/` writes to.

use std::collections::BTreeSet;

use super::{head, is_kept, row, wrapped};
use crate::conventions::source::rust_files;

/// Files of data: path and meaning.
const DATA: [(&str, &str); 3] = [
    ("<table>/billing_period=2026-11/data.parquet", "a month of a table"),
    ("<table>/usage_date=2026-11-20/data.parquet", "a day of a table, with `granularity = \"HOURLY\"`"),
    ("<table>/account=<id>/billing_period=2026-11/data.parquet", "a month of one account, in a table with accounts"),
];

/// Below `_costlake/<unit>/`: path, format, meaning, and when it goes away.
const STATE: [(&str, &str, &str, &str); 9] = [
    (
        "ledger/<20 digits>.json",
        "JSON",
        "what is known of the table: when each day was read, its sums, its files; the highest number counts",
        "when there are twenty newer ones",
    ),
    ("runs/2026-11-20/<run id>.json", "JSON", "what a run did, as `costlake_runs` has it", "never"),
    (
        "runs/2026-11-20/<run id>.started.json",
        "JSON",
        "what a run reserved of its budget before it paid; `.started-2.json` and so on where it reserved again",
        "never",
    ),
    (
        "raw/<month>/<days>-<digest>.json.zst",
        "JSON, zstd",
        "the answers of a fetch, with `lake.keep_raw`; `costlake rebuild` reads them",
        "never",
    ),
    (
        "history/<month>/<20 digits>.parquet",
        "Parquet",
        "a replaced generation, with `lake.keep_history`",
        "after `lake.keep_history_for`",
    ),
    (
        "history/<month>/<20 digits>-<digest>.parquet",
        "Parquet",
        "a copy of a file that replaced the committed one from outside",
        "after `lake.keep_history_for`",
    ),
    (
        "lease/<20 digits>.json",
        "JSON",
        "which worker has the table or account, with `--lease`",
        "the newest twenty stay",
    ),
    ("account.json", "JSON", "the account that the rows belong to", "never"),
    ("lock", "empty", "a lock between processes of one machine; in a folder only", "never"),
];

/// Below `_costlake/`, of no unit alone.
const SHARED: [(&str, &str, &str); 3] = [
    ("<table>/table.json", "JSON", "the record of what the table is: its source, columns and fingerprint"),
    ("probe/<digest>.json", "JSON", "that the store honours conditional writes; in a bucket only"),
    ("tmp/…", "Parquet, JSON", "files that are being written; in a folder only"),
];

/// The first part of every path below `_costlake/<unit>/` that a source text writes to, and of those below `_costlake/`.
fn places(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut found = BTreeSet::new();
    for line in lines {
        for start in ["beside(\"", "beside(&format!(\"", "{STATE}/", "\"_costlake/"] {
            for rest in line.split(start).skip(1) {
                let rest = rest.strip_prefix("{table}/").unwrap_or(rest);
                let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '.')).unwrap_or(rest.len());
                found.insert(rest[..end].to_owned());
            }
        }
    }
    found.remove("");
    found
}

#[test]
fn the_page_of_files_has_every_place_that_is_written() {
    let mut page = format!(
        "# Files of a lake\n\n{}\n",
        wrapped(
            "A lake is a folder or a bucket prefix. Tables are Parquet files that every engine reads; beside them \
             `_costlake` has what costlake itself needs. Query the first and leave the second alone."
        )
    );
    page += &head(&["data", "is"]);
    for (path, meaning) in DATA {
        page += &row(&[&format!("`{path}`"), meaning]);
    }
    page += &format!(
        "\n{}\n",
        wrapped(
            "A data file is replaced as a whole, in one conditional write; its name never changes. Its footer has the \
             key `costlake`: what the file holds by day, with sums, digests and the number of its generation. Columns and \
             types are in [columns](columns.md). costlake never deletes or renames a data file."
        )
    );
    page += &format!(
        "## Below `_costlake`\n\n{}\n",
        wrapped("`<unit>` is `<table>`, or `<table>/account=<id>` in a table with accounts.")
    );
    page += &head(&["`_costlake/<unit>/…`", "format", "is", "deleted"]);
    for (path, format, meaning, end) in STATE {
        page += &row(&[&format!("`{path}`"), format, meaning, end]);
    }
    page += &format!("\n{}", head(&["`_costlake/…`", "format", "is"]));
    for (path, format, meaning) in SHARED {
        page += &row(&[&format!("`{path}`"), format, meaning]);
    }
    page += &format!("\n{}", wrapped("Copy or move a lake as a whole, `_costlake` included."));
    is_kept("files", &page);
}

#[test]
fn every_place_of_the_sources_is_listed() {
    let unit = STATE.iter().map(|(path, ..)| *path);
    let shared = SHARED.iter().map(|(path, ..)| path.trim_start_matches("<table>/"));
    let listed: BTreeSet<&str> = unit.chain(shared).filter_map(|path| path.split('/').next()).collect();
    let sources = rust_files().into_iter().filter(|(path, _)| path.starts_with("src"));
    let found: BTreeSet<String> = sources.flat_map(|(_, text)| places(&text)).collect();
    let left_out: Vec<&String> = found.iter().filter(|place| !listed.contains(place.as_str())).collect();
    assert!(left_out.is_empty(), "docs/reference/files.md leaves out {left_out:?}");
    let made_up: Vec<&&str> = listed.iter().filter(|place| !found.contains(**place)).collect();
    assert!(made_up.iter().all(|place| ***place == *"lock"), "nothing writes to {made_up:?}");
    assert_eq!(places("unit.beside(\"secret\") + &format!(\"{STATE}/{table}/new.json\")").len(), 2, "both are seen");
}
