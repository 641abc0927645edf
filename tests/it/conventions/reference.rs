//! docs/reference/ is what the code and the schemas say; `COSTLAKE_BLESS=1` writes it anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use costlake::job::keys::Key;
use costlake::sources::{REGISTRY, keys};
use serde_json::Value;

use super::readme::{commands, help};
use super::source::{read, root};

/// Compares a page with the one that is there, or writes it.
fn is_kept(name: &str, page: &str) {
    let path = format!("docs/reference/{name}.md");
    if std::env::var_os("COSTLAKE_BLESS").is_some() {
        fs::create_dir_all(root().join("docs/reference")).expect("a folder");
        fs::write(root().join(&path), page).expect("a page");
    }
    assert_eq!(read(&path), page, "{path} is old: COSTLAKE_BLESS=1 cargo test --test it -- conventions::reference");
}

fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | "))
}

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let mut page = "# Commands\n\nWhat `costlake COMMAND --help` prints. Options that every command takes stand once, at the end.\n".to_owned();
    let of_all = help(&[]);
    const SHARED: &str = "\nOptions of every command:\n";
    let names: Vec<String> = commands().into_keys().filter(|name| name != "help").collect();
    for name in names {
        let text = help(&[&name]);
        let (own, _) = text.split_once(SHARED).expect("options of every command");
        let own: Vec<&str> = own.split("\n\n").filter(|part| !is_everywhere(part)).collect();
        write!(page, "\n## costlake {name}\n\n```text\n{}\n```\n", lines(&own.join("\n\n"))).expect("text");
    }
    let (_, shared) = of_all.split_once(SHARED).expect("options of every command");
    let (shared, codes) = shared.split_once("\nExit codes:").expect("exit codes");
    write!(page, "\n## Options of every command\n\n```text\n{}\n```\n", lines(shared)).expect("text");
    write!(page, "\n## Exit codes and dates\n\n```text\nExit codes:{}\n```\n", lines(codes)).expect("text");
    is_kept("commands", &page);
}

/// Whether a part of a help text is `--help` or `--version`.
fn is_everywhere(part: &str) -> bool {
    ["-h, --help", "-V, --version"].iter().any(|flag| part.trim_start().starts_with(flag))
}

/// The lines without blanks at their ends.
fn lines(text: &str) -> String {
    text.trim_end().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_page_of_keys_is_what_job_files_may_have() {
    let mut page = "# Keys of a job file\n\nUnknown keys are errors that name the nearest key. A key is one of all sources unless the table names \
                    some.\n".to_owned();
    let all = keys::all();
    let section_of = |key: &Key| key.path.split_once('.').map_or("", |(section, _)| section);
    let mut seen = BTreeSet::new();
    for section in all.iter().map(|key| section_of(key)).filter(|section| seen.insert(*section)) {
        let title = if section.is_empty() { "At the top".to_owned() } else { format!("`[{section}]`") };
        write!(page, "\n## {title}\n\n| key | default | sources | meaning |\n|---|---|---|---|\n").expect("text");
        for key in all.iter().filter(|key| section_of(key) == section) {
            let owners: Vec<String> = REGISTRY
                .iter()
                .filter(|entry| entry.keys().any(|own| *own == **key))
                .map(|entry| format!("`{}`", entry.name))
                .collect();
            let owners = if owners.len() == REGISTRY.len() { "all".to_owned() } else { owners.join(", ") };
            page += &row(&[&format!("`{}`", key.path), key.default, &owners, key.doc]);
        }
    }
    is_kept("keys", &page);
}

#[test]
fn the_page_of_columns_is_what_the_schemas_say() {
    let mut page = "# Columns\n\nThe columns of every source, in the order of the files. The folders add a column: `billing_period`, the month \
                    (`usage_date`, the day, for HOURLY), and before it `account` in a table with accounts. `<…>` stands for any number of \
                    columns, named by the job. The fourth column says over which rows values may be added up: all `rows`, those of one `unit`, or `never`.\n"
        .to_owned();
    for entry in REGISTRY {
        write!(
            page,
            "\n## {}\n\n| column | type | null | adds up over | meaning |\n|---|---|---|---|---|\n",
            entry.name
        )
        .expect("text");
        let columns: Vec<Value> =
            serde_json::from_str(&read(format!("schemas/{}.json", entry.name))).expect("a schema");
        for column in columns {
            let text = |name: &str| column[name].as_str().unwrap_or("-").to_owned();
            let null = if column["nullable"] == true { "yes" } else { "no" };
            page += &row(&[&format!("`{}`", text("name")), &text("type"), null, &text("sums"), &text("doc")]);
        }
    }
    is_kept("columns", &page);
}
