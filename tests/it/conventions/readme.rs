//! The commands of the program, and the lines of the README that a newcomer types.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use super::blocks::blocks;
use super::source::read;

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

/// The long flags that a text names.
pub(super) fn flags(text: &str) -> BTreeSet<String> {
    let split = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let is_flag = |word: &&str| word.starts_with("--") && word.len() > 2 && !word.starts_with("---");
    text.split(split).filter(is_flag).map(str::to_owned).collect()
}

#[test]
fn the_two_lines_a_newcomer_types_are_there() {
    let readme = read("README.md");
    let typed: Vec<&str> = blocks(&readme, "sh").into_iter().flat_map(str::lines).collect();
    for line in ["cargo run -- demo", "cargo test --locked"] {
        assert!(typed.contains(&line), "`{line}` stands in no code block");
    }
}

#[test]
fn commands_and_flags_are_read_from_the_help() {
    assert!(!commands().contains_key("fly"));
    assert!(commands()["run"].contains("--dry-run") && !commands()["run"].contains("--high"));
    assert_eq!(flags("x --one-two=3, `--four` --- -v"), BTreeSet::from(["--one-two".to_owned(), "--four".to_owned()]));
}
