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
    let (mut documents, mut open) = (Vec::new(), Vec::new());
    let checks = units.iter().map(|job| check(&context, job, depth, asked.repair)).collect::<Vec<_>>();
    let checks = side_by_side(checks, asked.units.parallel.into()).await;
    for (job, checked) in units.iter().zip(checks) {
        let Some(checked) = checked else {
            failures.add_code(Kind::Interrupted.exit_code());
            continue;
        };
        if global.output == Output::Text
            && let Ok(checked) = &checked
        {
            print(checked);
        }
        match &checked {
            Ok(checked) => {
                checked.runs.iter().for_each(|run| failures.add_run(run));
                open.extend(open_of(checked));
            }
            Err(error) => failures.add(&job.unit, error),
        }
        documents.push(document(job, &checked));
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

fn print(checked: &TableCheck) {
    let what = if checked.full { ", every row compared" } else { "" };
    let wrong = checked.open().count() as u64;
    let mended = checked.findings.len() as u64 - wrong;
    let mut line = String::new();
    if checked.right == 0 && checked.findings.is_empty() {
        line.push_str("no data yet");
    } else {
        let right = format!("{} OK, {}{what}", plural(checked.right, "file"), plural(checked.rows, "row"));
        line.push_str(&format!("{GREEN}{right}{GREEN:#}"));
    }
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
