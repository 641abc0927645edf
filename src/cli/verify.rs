//! `verify`: compares the objects in the lake with its ledgers, and repairs them on request.

use serde_json::{Value, json};

use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::lake::Location;
use crate::maintenance::repair::repair;
use crate::maintenance::verify::{Depth, Finding, TableCheck, verify as inspect};
use crate::pipeline::Context;

use super::args::{Global, Output, UnitArguments};
use super::failures::Failures;
use super::run::LISTED;
use super::screen::{self, GREEN, RED, count, grid, plural};
use super::units::{self, side_by_side};
use super::{client_config, clock_document, context, missing, progress, select, tell_clock};

/// Findings printed with their advice; further ones are counted.
const SHOWN: usize = 5;

/// The arguments of `verify`.
pub(super) struct Asked<'a> {
    pub(super) jobs: &'a [String],
    pub(super) full: bool,
    pub(super) repair: bool,
    pub(super) units: &'a UnitArguments,
}

/// `costlake verify`.
pub(super) async fn verify(global: &Global, asked: &Asked<'_>) -> Result<u8> {
    let bars = progress::start(global);
    let (jobs, broken) = select(global, asked.jobs)?;
    let units = units::of(&jobs, asked.units)?;
    let context = context(global, client_config(global), bars.map(|bars| bars.listener())).await?;
    tell_clock(context.clock);
    if let Some(missing) = missing(&Location::parse(global.lake())?, "costlake run") {
        screen::tell(&missing);
    }
    let depth = if asked.full { Depth::Rows } else { Depth::Footers };
    let mut failures = Failures::of(&broken);
    let (mut documents, mut open, mut all) = (Vec::new(), Vec::new(), Vec::new());
    let checks = units.iter().map(|job| check(&context, job, depth, asked.repair)).collect::<Vec<_>>();
    let checks = side_by_side(checks, asked.units.parallel.into()).await;
    for (job, checked) in units.iter().zip(checks) {
        let Some(checked) = checked else {
            failures.add_code(Kind::Interrupted.exit_code());
            continue;
        };
        match &checked {
            Ok(checked) => {
                checked.runs.iter().for_each(|run| failures.add_run(run));
                open.extend(open_of(checked));
            }
            Err(error) => failures.add(&job.unit, error),
        }
        documents.push(document(job, &checked));
        all.extend(checked);
    }
    if global.output == Output::Text {
        all.chunk_by(|a, b| a.unit.table == b.unit.table).for_each(print_table);
    }
    if !open.is_empty() {
        failures.add_code(Kind::Gap.exit_code());
    }
    let code = failures.code();
    if global.output == Output::Json {
        let clock = clock_document(context.clock);
        screen::json(&json!({
            "clock": clock, "lake": global.lake(), "tables": documents, "broken": broken, "exit_code": code,
        }))?;
    }
    open.iter().for_each(|text| screen::failure(text));
    failures.tell();
    Ok(code)
}

/// Checks a unit; `None` if a signal came first.
async fn check(context: &Context, job: &Job, depth: Depth, mends: bool) -> Option<Result<TableCheck>> {
    if context.cancel.is_cancelled() {
        return None;
    }
    let checked = if mends { repair(context, job, depth).await } else { inspect(context, job, depth).await };
    Some(checked.map_err(|error| job.unit.names(error)))
}

fn document(job: &Job, checked: &Result<TableCheck>) -> Value {
    match checked {
        Ok(checked) => json!(checked),
        Err(error) => {
            let (kind, text) = (error.kind().name(), error.report());
            let mut document = json!(job.unit);
            document["error"] = json!({ "kind": kind, "text": text });
            document
        }
    }
}

/// The checks of a table. Of many accounts, those with nothing to tell have one line.
fn print_table(checks: &[TableCheck]) {
    let is_quiet = |check: &&TableCheck| {
        checks.len() > LISTED && check.findings.is_empty() && check.runs.is_empty() && check.notes.is_empty()
    };
    let (quiet, others): (Vec<&TableCheck>, Vec<&TableCheck>) = checks.iter().partition(is_quiet);
    if let Some(first) = quiet.first() {
        let sum = |of: &dyn Fn(&TableCheck) -> u64| quiet.iter().map(|check| of(check)).sum();
        let name = format!("{}, {}", first.unit.table, plural(quiet.len() as u64, "account"));
        screen::out(&screen::titled(&name, &right(first.full, sum(&|check| check.right), sum(&|check| check.rows))));
    }
    others.into_iter().for_each(print);
}

/// What is said of files that are as they should be.
fn right(full: bool, files: u64, rows: u64) -> String {
    if files == 0 {
        return "no data yet".to_owned();
    }
    let what = if full { ", every row compared" } else { "" };
    format!("{GREEN}{} OK, {}{what}{GREEN:#}", plural(files, "file"), plural(rows, "row"))
}

fn print(checked: &TableCheck) {
    let wrong = checked.open().count() as u64;
    let mended = checked.findings.len() as u64 - wrong;
    let mut line = match checked.right {
        0 if !checked.findings.is_empty() => format!("{RED}0 files OK{RED:#}"),
        files => right(checked.full, files, checked.rows),
    };
    if mended > 0 {
        line.push_str(&format!(", {} of them repaired", count(mended)));
    }
    if wrong > 0 {
        line.push_str(&format!("; {RED}{} not{RED:#}", plural(wrong, "file")));
    }
    screen::out(&screen::titled(&checked.unit.to_string(), &line));
    if !checked.findings.is_empty() {
        screen::out(&grid(&["file", "is", "", "because"], &[], checked.findings.iter().map(row)));
    }
    for run in &checked.runs {
        let (requests, days) = (run.asked.requests, run.fetches.iter().map(|fetch| fetch.windows.join(", ")));
        let days = days.collect::<Vec<_>>().join(", ");
        screen::folded(&format!("  read again: {days}, {}, {} USD", plural(requests, "request"), run.usd), 2);
    }
    if checked.right > 0 || !checked.findings.is_empty() {
        checked.notes.iter().for_each(|note| screen::note(note));
    }
    if !checked.findings.is_empty() {
        screen::out("");
    }
}

fn row(finding: &Finding) -> (Vec<String>, anstyle::Style) {
    let (state, style) = if finding.repaired { ("repaired", GREEN) } else { ("open", RED) };
    let because = finding.detail.lines().next().unwrap_or_default();
    let cells = [finding.key.as_str(), finding.defect.name(), state, because];
    (cells.map(str::to_owned).to_vec(), style)
}

/// The findings that are open, with what to do about them.
fn open_of(checked: &TableCheck) -> Vec<String> {
    let open: Vec<&Finding> = checked.open().collect();
    let told = open.iter().take(SHOWN).map(|finding| {
        let error = Error::new(Kind::Gap, format!("{}: {}", finding.defect.name(), finding.detail));
        error.at("key", &finding.key).advise(&finding.advice).report()
    });
    let more = open.len().checked_sub(SHOWN).filter(|more| *more > 0);
    let more = more.map(|more| format!("{}: {more} more files are not right: see the result on stdout", checked.unit));
    told.chain(more).collect()
}
