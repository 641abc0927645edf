//! `init`: writes a commented job file, from flags or, on a terminal, from answers.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::job::section::{Problem, nearest};
use crate::job::{self, TABLE_NAME_RULE, is_table_name, table_name_like};
use crate::sources::keys::json_schema;
use crate::sources::{self, Entry, REGISTRY};

use super::args::{Global, InitArguments, Output};
use super::screen::{self, DIM};
use super::{clock, tell_clock};

mod file;

use file::Wanted;

/// The schema of job files in a clone of costlake, as its folder of jobs sees it.
const SCHEMA_OF_A_CLONE: &str = "../schemas/job.schema.json";
/// The schema beside the jobs, where there is no clone.
const SCHEMA_BESIDE: &str = "job.schema.json";

/// How often a question is asked until its answer is right.
const MOST_ASKED: usize = 3;

/// The answer to a question as `read` takes it. After a wrong one the question is asked again, with what `near` makes of
/// it as the usual one; the last wrong one is the error.
fn answer<T>(
    question: &str,
    usual: &str,
    near: impl Fn(&str) -> Option<String>,
    mut read: impl FnMut(&str) -> Result<T>,
) -> Result<T> {
    let mut usual = usual.to_owned();
    for _ in 1..MOST_ASKED {
        let answer = screen::ask_text(question, &usual)?;
        match read(&answer) {
            Ok(found) => return Ok(found),
            Err(error) => screen::error(&error),
        }
        usual = near(&answer).unwrap_or(usual);
    }
    read(&screen::ask_text(question, &usual)?)
}

/// `costlake init`.
pub(super) fn init(global: &Global, asked: &InitArguments) -> Result<u8> {
    let now = clock()?;
    tell_clock(now);
    let entry = source(asked.source.as_deref())?;
    let file = |name: &str| global.jobs.join(format!("{name}.toml"));
    let is_free = |name: String| match file(&name) {
        path if path.symlink_metadata().is_ok() && !asked.force => Err(already_there(&path)),
        _ => Ok(name),
    };
    let name = name(entry, asked.name.as_deref().or(asked.named.as_deref()), is_free)?;
    let path = file(&name);
    let is_there = path.symlink_metadata().is_ok();
    // Written through a link, another file would be replaced than the one that is named.
    if path.is_symlink() {
        return Err(Error::new(Kind::Config, "the job file is a link to another file")
            .at("file", path.display())
            .advise("remove the link, or edit the file that it leads to"));
    }
    let is_asking = asked.source.is_none() && screen::can_be_asked();
    let in_a_clone = global.jobs.join(SCHEMA_OF_A_CLONE).is_file();
    let schema = if in_a_clone { SCHEMA_OF_A_CLONE.to_owned() } else { format!("./{SCHEMA_BESIDE}") };
    let today = now.now().date_naive();
    let text_of = |group_by: &[String], metrics: &[String]| {
        let text = Wanted { entry, group_by, metrics, schema: &schema, today }.text()?;
        job::parse(&path, &text).map_err(|problems| refused(&problems)).map(|_| text)
    };
    let group_by = several(entry, &GROUP_BY, &asked.group_by, is_asking, |given| text_of(given, &[]))?;
    let metrics = several(entry, &METRIC, &asked.metrics, is_asking, |given| text_of(&group_by, given))?;
    let text = text_of(&group_by, &metrics)?;
    write(&path, &text, asked.force)?;
    if !in_a_clone {
        write_schema(&global.jobs)?;
    }
    tell(global, entry, &name, &path, is_there)?;
    Ok(0)
}

/// The source of `--source`, or of an answer.
fn source(given: Option<&str>) -> Result<&'static Entry> {
    let first = REGISTRY.first().map(|entry| entry.name).unwrap_or_default();
    match given {
        Some(given) => source_of(given),
        None if screen::can_be_asked() => {
            for (number, entry) in REGISTRY.iter().enumerate() {
                screen::tell(&format!("{:>3} {:<31} {}", number + 1, entry.name, begin_of(entry.summary, 43)));
            }
            answer("Source, by number or name", first, |_| None, source_of)
        }
        None => Err(missing("--source", &format!("a source, such as {first}"))),
    }
}

/// The source of this name or number.
fn source_of(answer: &str) -> Result<&'static Entry> {
    let by_number = answer.parse::<usize>().ok().and_then(|number| REGISTRY.get(number.checked_sub(1)?).copied());
    sources::find(answer).or(by_number).ok_or_else(|| {
        let names: Vec<&str> = REGISTRY.iter().map(|entry| entry.name).collect();
        let hint = nearest(answer, names.iter().copied());
        Error::new(Kind::Config, format!("unknown source `{answer}`{hint}"))
            .at("flag", "--source")
            .advise(format!("available: {}", names.join(", ")))
    })
}

/// The name of the job and its table, if `is_free` takes it.
fn name(entry: &Entry, given: Option<&str>, is_free: impl Fn(String) -> Result<String>) -> Result<String> {
    let shown = entry.jobs.first().map(|(name, _)| *name).unwrap_or(entry.name);
    match given {
        Some(given) => table_name(given.strip_suffix(".toml").unwrap_or(given)).and_then(is_free),
        None if screen::can_be_asked() => {
            let near = |answer: &str| table_name_like(answer).filter(|near| near != answer);
            answer("Name of the job and its table", shown, near, |answer| table_name(answer).and_then(&is_free))
        }
        None => Err(missing("NAME", &format!("the name of the job and its table, such as {shown}"))),
    }
}

/// The name, if it can be one of a table.
fn table_name(name: &str) -> Result<String> {
    if is_table_name(name) {
        return Ok(name.to_owned());
    }
    let error = Error::new(Kind::Config, format!("`{name}` cannot name a table: {TABLE_NAME_RULE}"));
    Err(match table_name_like(name) {
        Some(near) => error.advise(format!("call it {near}")),
        None => error,
    })
}

/// Whole words from the begin of a text, with a sign where more was.
fn begin_of(text: &str, width: usize) -> String {
    let mut begin = String::new();
    for word in text.split(' ') {
        if begin.chars().count() + 1 + word.chars().count() >= width {
            return begin.trim_end_matches([',', ':']).to_owned() + " …";
        }
        begin.push_str(if begin.is_empty() { "" } else { " " });
        begin.push_str(word);
    }
    begin
}

fn missing(flag: &str, what: &str) -> Error {
    Error::new(Kind::Config, format!("{flag} is missing: {what}"))
        .advise("give it, or call `costlake init` on a terminal")
}

/// A list that some sources take.
struct List {
    flag: &'static str,
    keys: [&'static str; 2],
    question: &'static str,
}

const GROUP_BY: List =
    List { flag: "--group-by", keys: ["source.group_by"; 2], question: "Group by, with commas, or none" };
const METRIC: List =
    List { flag: "--metric", keys: ["source.metrics", "source.metric"], question: "Metrics, with commas" };

/// What was given for a list or is answered; empty leaves it as it is in the shipped job. An answer is one of which
/// `text_of` makes a job file.
fn several(
    entry: &'static Entry,
    list: &List,
    given: &[String],
    is_asking: bool,
    text_of: impl Fn(&[String]) -> Result<String>,
) -> Result<Vec<String>> {
    let key = entry.keys().find(|key| list.keys.contains(&key.path));
    let Some(key) = key else {
        return if given.is_empty() {
            Ok(Vec::new())
        } else {
            let message = format!("a job of {} has no `{}`", entry.name, list.keys[0].trim_start_matches("source."));
            Err(Error::new(Kind::Config, message).at("flag", list.flag).advise("leave it out"))
        };
    };
    let checked = |given: Vec<String>| {
        if key.path == "source.metric" && given.len() > 1 {
            let message = format!("a job of {} has one metric", entry.name);
            return Err(Error::new(Kind::Config, message).at("flag", list.flag).advise("make a job for each"));
        }
        Ok(given)
    };
    if !given.is_empty() || !is_asking {
        return checked(given.to_vec());
    }
    answer(
        list.question,
        &file::usual(entry, key)?,
        |_| None,
        |answer| {
            let given = checked(answer.split(',').map(|text| text.trim().to_owned()).collect())?;
            text_of(&given).map(|_| given)
        },
    )
}

fn already_there(path: &Path) -> Error {
    Error::new(Kind::Config, "the job file is already there")
        .at("file", path.display())
        .advise("take another name, or replace the file with --force")
}

fn refused(problems: &[Problem]) -> Error {
    let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
    Error::new(Kind::Config, format!("no job file was written: {}", words.join("; ")))
}

fn write(path: &Path, text: &str, force: bool) -> Result<()> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).create_new(!force);
        options.open(path)?.write_all(text.as_bytes())
    });
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => already_there(path),
        _ => Error::new(Kind::Config, "cannot write the file").at("file", path.display()).because(error),
    })
}

/// Writes the schema beside the jobs, where it is not yet or is an older one.
fn write_schema(jobs: &Path) -> Result<()> {
    let path: PathBuf = jobs.join(SCHEMA_BESIDE);
    let text = format!("{:#}\n", json_schema());
    if fs::read_to_string(&path).is_ok_and(|found| found == text) { Ok(()) } else { write(&path, &text, true) }
}

fn tell(global: &Global, entry: &Entry, name: &str, path: &Path, is_there: bool) -> Result<()> {
    let set = std::env::var_os("COSTLAKE_JOBS").is_some() || global.jobs == Path::new("jobs");
    let folder = if set { String::new() } else { format!(" --jobs {}", global.jobs.display()) };
    let next = ["check", "plan", "run"].map(|command| {
        let online = if command == "check" { " --online" } else { "" };
        format!("costlake {command} {name}{online}{folder}")
    });
    if global.output == Output::Json {
        return screen::json(&json!({
            "file": path, "job": name, "source": entry.name, "replaced": is_there, "next": next, "exit_code": 0,
        }));
    }
    screen::out(&format!("{} {}", if is_there { "replaced" } else { "wrote" }, path.display()));
    screen::out("next:");
    let means = ["test the credentials, for free", "show requests and their price; sends none", "fetch what is due"];
    let width = next.iter().map(String::len).max().unwrap_or_default();
    for (command, means) in next.iter().zip(means) {
        screen::out(&format!("  {command:<width$}  {DIM}# {means}{DIM:#}"));
    }
    Ok(())
}
