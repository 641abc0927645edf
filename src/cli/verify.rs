//! `verify`: compares the objects in the lake with its ledgers, and repairs them on request.

use serde_json::{Value, json};

use crate::error::{Error, Kind, Result, combined_exit_code};
use crate::job::Job;
use crate::maintenance::repair::repair;
use crate::maintenance::verify::{Depth, Finding, TableCheck, verify as inspect};

use super::args::{Global, Output};
use super::screen::{self, BOLD, DIM, GREEN, RED, count, grid, plural};
use super::{client_config, clock_document, context, progress, select, tell_broken, tell_clock};

/// Findings printed with their advice; further ones are counted.
const SHOWN: usize = 5;

/// `costlake verify`.
pub(super) async fn verify(global: &Global, names: &[String], full: bool, mend: bool) -> Result<u8> {
    let bars = progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let context = context(global, client_config(global), bars.map(|bars| bars.listener())).await?;
    tell_clock(context.clock);
    let depth = if full { Depth::Rows } else { Depth::Footers };
    let mut codes = vec![tell_broken(&broken)];
    let mut documents = Vec::new();
    for job in &jobs {
        if context.cancel.is_cancelled() {
            codes.push(Kind::Interrupted.exit_code());
            break;
        }
        let checked = if mend { repair(&context, job, depth).await } else { inspect(&context, job, depth).await };
        let checked = checked.map_err(|error| error.at("job", &job.name));
        codes.extend(codes_of(&checked));
        if global.output == Output::Text
            && let Ok(checked) = &checked
        {
            print(checked);
        }
        tell(job, &checked);
        documents.push(document(job, &checked));
    }
    let code = combined_exit_code(codes);
    if global.output == Output::Json {
        let clock = clock_document(context.clock);
        screen::json(&json!({
            "clock": clock, "lake": global.lake(), "tables": documents, "broken": broken, "exit_code": code,
        }))?;
    }
    Ok(code)
}

fn codes_of(checked: &Result<TableCheck>) -> Vec<u8> {
    match checked {
        Err(error) => vec![error.kind().exit_code()],
        Ok(checked) => {
            let found = checked.open().next().map(|_| Kind::Gap.exit_code());
            checked.runs.iter().map(|run| run.exit_code).chain(found).collect()
        }
    }
}

fn document(job: &Job, checked: &Result<TableCheck>) -> Value {
    match checked {
        Ok(checked) => json!(checked),
        Err(error) => {
            let (kind, text) = (error.kind().name(), error.report());
            json!({ "table": job.name, "error": { "kind": kind, "text": text } })
        }
    }
}

fn print(checked: &TableCheck) {
    let what = if checked.full { ", every row compared" } else { "" };
    let right = format!("{} right, {}{what}", plural(checked.right, "object"), plural(checked.rows, "row"));
    let wrong = checked.open().count() as u64;
    let mended = checked.findings.len() as u64 - wrong;
    let mut line = format!("{BOLD}{}{BOLD:#}  {GREEN}{right}{GREEN:#}", checked.table);
    if mended > 0 {
        line.push_str(&format!(", {} of them repaired", count(mended)));
    }
    if wrong > 0 {
        line.push_str(&format!("; {RED}{} not{RED:#}", plural(wrong, "object")));
    }
    screen::out(&line);
    if !checked.findings.is_empty() {
        screen::out(&grid(&["object", "is", "because", ""], &[], checked.findings.iter().map(row)));
    }
    for run in &checked.runs {
        let (requests, days) = (run.asked.requests, run.fetches.iter().map(|fetch| fetch.windows.join(", ")));
        let days = days.collect::<Vec<_>>().join(", ");
        screen::out(&format!("  read again: {days}, {}, {} USD", plural(requests, "request"), run.usd));
    }
    for note in &checked.notes {
        screen::out(&format!("  {DIM}note: {note}{DIM:#}"));
    }
    screen::out("");
}

fn row(finding: &Finding) -> (Vec<String>, anstyle::Style) {
    let (state, style) = if finding.repaired { ("repaired", GREEN) } else { ("open", RED) };
    let cells = vec![
        finding.key.clone(),
        finding.defect.name().to_owned(),
        finding.detail.lines().next().unwrap_or_default().to_owned(),
        state.to_owned(),
    ];
    (cells, style)
}

/// Prints the findings and their advice on stderr.
fn tell(job: &Job, checked: &Result<TableCheck>) {
    let checked = match checked {
        Ok(checked) => checked,
        Err(error) => return screen::error(error),
    };
    for (_, failure) in checked.runs.iter().flat_map(|run| run.failures()) {
        screen::failure(&failure.text);
    }
    let open: Vec<&Finding> = checked.open().collect();
    for finding in open.iter().take(SHOWN) {
        let error = Error::new(Kind::Gap, format!("{}: {}", finding.defect.name(), finding.detail));
        screen::error(&error.at("key", &finding.key).advise(&finding.advice));
    }
    if open.len() > SHOWN {
        let more = open.len() - SHOWN;
        screen::failure(&format!("{}: {more} more objects are not right: see the result on stdout", job.name));
    }
}
