//! Everything the README names exists, and everything that exists is in the README.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use costlake::job;
use costlake::sources::REGISTRY;
use costlake::sources::keys;

use super::source::{read, root};

/// The words of a line of code.
fn words(line: &str) -> Vec<&str> {
    line.split([' ', '(', ')', '`', '|', ',']).filter(|word| !word.is_empty()).collect()
}

/// Pieces of code: the lines of code blocks, and code spans elsewhere.
fn code_pieces(readme: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = !inside;
        } else if inside {
            pieces.push(line.split(" #").next().unwrap_or(line));
        } else {
            pieces.extend(line.split('`').skip(1).step_by(2));
        }
    }
    pieces
}

/// The code blocks of one language.
fn blocks<'a>(readme: &'a str, language: &str) -> Vec<&'a str> {
    let start = format!("```{language}\n");
    readme.split(&start).skip(1).filter_map(|rest| rest.split("\n```").next()).collect()
}

pub(super) fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_costlake")).args(arguments).arg("--help").env_clear().output();
    String::from_utf8(output.expect("the program").stdout).expect("text")
}

/// The subcommands, each with the flags its help names.
pub(super) fn commands() -> BTreeMap<String, BTreeSet<String>> {
    let all = help(&[]);
    let list = all.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of commands");
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .filter_map(|line| line.split_whitespace().next())
        .map(|name| (name.to_owned(), flags(&help(&[name]))))
        .collect()
}

fn flags(text: &str) -> BTreeSet<String> {
    let split = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let is_flag = |word: &&str| word.starts_with("--") && word.len() > 2;
    text.split(split).filter(is_flag).map(str::to_owned).collect()
}

/// The word after `costlake` if this piece of code is a command.
fn called(piece: &str) -> Option<&str> {
    let words = words(piece);
    let at = words.iter().position(|word| matches!(*word, "costlake" | "--"))?;
    let is_call = match words[at] {
        "--" => words[0] == "cargo",
        _ => at == 0 || words[at - 1] == "<",
    };
    is_call.then(|| words.get(at + 1).copied()).flatten()
}

#[test]
fn commands_and_flags_are_real() {
    let (readme, commands) = (read("README.md"), commands());
    let mut seen = BTreeSet::new();
    for piece in code_pieces(&readme) {
        let Some(name) = called(piece) else { continue };
        let Some(known) = commands.get(name) else { panic!("`{piece}`: there is no command {name}") };
        seen.insert(name.to_owned());
        let ours = piece.split(" -- ").last().unwrap_or(piece);
        let unknown: Vec<String> = flags(ours).difference(known).cloned().collect();
        assert!(unknown.is_empty(), "`{piece}`: {name} does not take {unknown:?}");
    }
    let left_out: Vec<&String> = commands.keys().filter(|name| *name != "help" && !seen.contains(*name)).collect();
    assert!(left_out.is_empty(), "the README leaves out {left_out:?}");
}

#[test]
fn flags_beside_a_command_are_its_own() {
    let (readme, commands) = (read("README.md"), commands());
    let all: BTreeSet<String> = commands.values().flatten().cloned().collect();
    for line in readme.lines().filter(|line| !line.starts_with("    ")) {
        let of_others = ["cargo ", "docker ", "systemctl "].iter().any(|other| line.contains(other));
        let own = line.strip_prefix("| `costlake ").and_then(|rest| rest.split('`').next());
        let known = own.map_or(&all, |name| &commands[name]);
        let unknown: Vec<String> =
            code_pieces(line).into_iter().flat_map(flags).filter(|flag| !of_others && !known.contains(flag)).collect();
        assert!(unknown.is_empty(), "{line}\n{unknown:?}");
    }
}

#[test]
fn the_two_lines_a_newcomer_types_are_there() {
    let readme = read("README.md");
    let typed: Vec<&str> = blocks(&readme, "sh").into_iter().flat_map(str::lines).collect();
    for line in ["cargo run -- demo", "cargo test --locked"] {
        assert!(typed.contains(&line), "`{line}` stands in no code block");
    }
}

/// Rows of the table of keys: the keys of the first cell, and the default.
fn key_rows(readme: &str) -> Vec<(Vec<&str>, &str)> {
    let section = readme.split("## Every key of a job file").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = section.expect("the table of keys").lines().filter(|line| line.starts_with("| `"));
    rows.filter_map(|row| row.trim_start_matches("| ").split_once(" | "))
        .map(|(keys, rest)| (words(keys), rest.split(" | ").next().unwrap_or_default()))
        .collect()
}

#[test]
fn every_key_is_in_the_readme_and_no_other() {
    let readme = read("README.md");
    let rows = key_rows(&readme);
    let named: BTreeSet<&str> = rows.iter().flat_map(|(keys, _)| keys.iter().copied()).collect();
    let known: BTreeSet<&str> = keys::all().iter().map(|key| key.path).collect();
    assert_eq!(named, known);
    for (of, default) in rows.iter().filter(|(of, _)| of.len() == 1) {
        let key = keys::all().into_iter().filter(|key| key.path == of[0]);
        let defaults: Vec<&str> = key.map(|key| key.default).collect();
        assert!(defaults.contains(default), "the default of {}: {default} is none of {defaults:?}", of[0]);
    }
}

#[test]
fn every_source_is_in_the_readme() {
    let readme = read("README.md");
    for entry in REGISTRY {
        let row = format!("| `{}` | ", entry.name);
        assert!(readme.lines().any(|line| line.starts_with(&row)), "no row tells of {}", entry.name);
    }
}

#[test]
fn job_files_and_paths_of_the_readme_are_right() {
    let readme = read("README.md");
    let jobs: Vec<&str> = blocks(&readme, "toml");
    assert!(!jobs.is_empty());
    for text in jobs {
        let parsed = job::parse(std::path::Path::new("an_example.toml"), text);
        assert!(parsed.is_ok(), "{:?}\n{text}", parsed.err());
    }
    for piece in code_pieces(&readme) {
        let is_ours = ["src/", "jobs/", "schemas/", "tests/"].iter().any(|folder| piece.starts_with(folder));
        if is_ours && !piece.contains(['<', '*', ' ']) {
            assert!(root().join(piece).exists(), "`{piece}` is not there");
        }
    }
}

#[test]
fn the_checks_can_fail() {
    assert_eq!(called("costlake fly --high"), Some("fly"));
    assert_eq!(called("duckdb -init <(costlake connect)"), Some("connect"));
    assert_eq!(called("cargo run -- demo"), Some("demo"));
    assert_eq!(called("docker compose up costlake costlake"), None);
    assert!(!commands().contains_key("fly"));
    assert_eq!(code_pieces("a `b` c\n```sh\nd # e\n```\n"), ["b", "d"]);
    assert_eq!(key_rows("## Every key of a job file\n| `a.b`, `c` | none | x |\n"), [(vec!["a.b", "c"], "none")]);
}
