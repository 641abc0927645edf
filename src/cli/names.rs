//! The names that can stand at the cursor of a half-typed command line, for the scripts of `completions`. Any failure
//! is an empty list: nothing may disturb what a person types.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, Command, CommandFactory};

use crate::job::{files, is_table_name};
use crate::lake::Location;

use super::args::{Arguments, Global};
use super::screen;

/// What can stand at the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    Jobs,
    /// Jobs, and tables of a lake in a folder.
    Tables,
}

/// `costlake names`: `words` are those before the cursor, without the program's own name.
pub(super) fn names(global: &Global, words: &[String]) -> u8 {
    let command = Arguments::command();
    let Some(wanted) = wanted(&command, words) else { return 0 };
    let folder = value_of(words, "--jobs").map_or_else(|| global.jobs.clone(), PathBuf::from);
    let mut found: BTreeSet<String> = files(&folder).unwrap_or_default().iter().filter_map(|file| name(file)).collect();
    if wanted == Names::Tables {
        found.extend(tables(value_of(words, "--lake").unwrap_or_else(|| global.lake())));
    }
    if !found.is_empty() {
        screen::out(&found.into_iter().collect::<Vec<_>>().join("\n"));
    }
    0
}

/// What the command line takes after these words, if it is names.
fn wanted(command: &Command, words: &[String]) -> Option<Names> {
    let mut known = command;
    let mut given = 0;
    let mut rest = words.iter().map(String::as_str);
    while let Some(word) = rest.next() {
        if word == "--" {
            continue;
        }
        let Some(flag) = flag(command, known, word) else {
            match known.find_subcommand(word) {
                Some(found) => known = found,
                None => given += 1,
            }
            continue;
        };
        if flag.get_action().takes_values() && !word.contains('=') && rest.next().is_none() {
            return matches!(flag.get_id().as_str(), "job" | "accept").then_some(Names::Jobs);
        }
    }
    let place = known.get_positionals().find(|place| place.get_id() == "jobs" || given == 0)?;
    match place.get_id().as_str() {
        "jobs" | "job" => Some(Names::Jobs),
        "table" => Some(Names::Tables),
        _ => None,
    }
}

/// The flag that a word names, of a subcommand or for all of them.
fn flag<'c>(all: &'c Command, known: &'c Command, word: &str) -> Option<&'c Arg> {
    let long = word.strip_prefix("--").map(|rest| rest.split('=').next().unwrap_or(rest));
    let short = word.strip_prefix('-').and_then(|rest| rest.chars().next());
    let is_it = |arg: &&Arg| match long {
        Some(long) => arg.get_long() == Some(long),
        None => short.is_some() && arg.get_short() == short,
    };
    known.get_arguments().find(is_it).or_else(|| all.get_arguments().find(is_it))
}

fn value_of<'w>(words: &'w [String], flag: &str) -> Option<&'w str> {
    let apart = words.windows(2).find(|pair| pair[0] == flag).map(|pair| pair[1].as_str());
    apart.or_else(|| words.iter().find_map(|word| word.strip_prefix(flag)?.strip_prefix('=')))
}

fn name(file: &Path) -> Option<String> {
    file.file_stem().and_then(|stem| stem.to_str()).filter(|name| is_table_name(name)).map(str::to_owned)
}

/// The tables of a lake in a folder; a bucket is not asked.
fn tables(lake: &str) -> Vec<String> {
    let Ok(Location::Folder(folder)) = Location::parse(lake) else { return Vec::new() };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().is_dir()).filter_map(|entry| name(&entry.path())).collect()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::args::Arguments;
    use super::{Names, value_of, wanted};

    #[test]
    fn names_are_offered_where_they_can_stand() {
        for (line, names) in [
            ("run", Some(Names::Jobs)),
            ("run a b", Some(Names::Jobs)),
            ("--quiet --lake x status", Some(Names::Jobs)),
            ("run --accept", Some(Names::Jobs)),
            ("run --lake=x", Some(Names::Jobs)),
            ("rebuild", Some(Names::Jobs)),
            ("rebuild a", None),
            ("show", Some(Names::Tables)),
            ("show --by service", Some(Names::Tables)),
            ("show a", None),
            ("show --by", None),
            ("values", None),
            ("values aws.SERVICE --job", Some(Names::Jobs)),
            ("plan --from", None),
            ("plan -v --from 2026-01", Some(Names::Jobs)),
            ("connect", None),
            ("init", None),
            ("fly", None),
            ("", None),
        ] {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            assert_eq!(wanted(&Arguments::command(), &words), names, "{line}");
        }
    }

    #[test]
    fn the_folder_on_the_line_counts() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(value_of(&words("--jobs x run"), "--jobs"), Some("x"));
        assert_eq!(value_of(&words("run --jobs=y"), "--jobs"), Some("y"));
        assert_eq!(value_of(&words("run --jobs"), "--jobs"), None);
    }
}
