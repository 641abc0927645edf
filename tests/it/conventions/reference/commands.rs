//! The page of commands: what `--help` prints.

use std::fmt::Write;

use super::is_kept;
use crate::conventions::readme::{commands, help};

#[test]
fn the_page_of_commands_is_what_the_program_says() {
    let mut page =
        "# Commands\n\nWhat `costlake COMMAND --help` prints. Options that every command takes stand once, at \
                    the end.\nWhat the exit codes mean is on [a page of its own](exit-codes.md), and so are the \
                    [variables](environment.md).\n"
            .to_owned();
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
