//! `check`: validates the job files and, with `--online`, the credentials.

use serde_json::json;

use crate::clients::Clients;
use crate::error::Result;
use crate::job::Job;
use crate::pipeline::{Context, shown_elsewhere, try_credentials};

use super::args::{Global, Output};
use super::failures::{Failures, notes};
use super::screen::{self, BOLD, DIM, GREEN, YELLOW};
use super::units::side_by_side;
use super::{client_config, clock, clock_document, context, progress, select, tell_clock};

/// How far the second line of a value is indented beyond the first.
const INDENT: usize = 10;

/// Accounts that are tried side by side.
const SIDE_BY_SIDE: usize = 8;

/// `costlake check`.
pub(super) async fn check(global: &Global, names: &[String], online: bool) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let now = clock()?;
    tell_clock(now);
    let mut failures = Failures::of(&broken);
    let context = if online { Some(context(global, client_config(global), None).await?) } else { None };
    let clients = Clients::new(client_config(global));
    let (mut documents, mut told) = (Vec::new(), Vec::new());
    for job in &jobs {
        let access = match &context {
            Some(context) => access(context, job, &mut failures).await,
            None => None,
        };
        let firings: Vec<String> = firings(job, now);
        let of_job: Vec<String> = job.aws.note().into_iter().chain(shown_elsewhere(&clients, job).await).collect();
        if global.output == Output::Text {
            print(job, &firings, access.as_deref());
            told.extend(of_job.iter().map(|note| (job.unit.table.clone(), note.clone())));
        }
        let columns: Vec<&str> = job.source.table().columns().iter().map(|column| column.name.as_str()).collect();
        documents.push(json!({
            "job": job.unit.table, "file": job.file, "source": job.entry.name, "next_firings": firings, "columns": columns, "access": access,
            "notes": of_job,
            "warnings": job.warnings,
        }));
    }
    let code = failures.code();
    match global.output {
        Output::Json => screen::json(&json!({
            "clock": clock_document(now), "jobs": documents, "broken": broken, "exit_code": code,
        }))?,
        Output::Text | Output::Csv => {
            notes(jobs.len(), &told);
            if code == 0 {
                screen::out(&format!("{GREEN}{} OK{GREEN:#}", screen::plural(jobs.len() as u64, "job")));
            }
        }
    }
    failures.tell();
    Ok(code)
}

/// Tries the credentials of a job, or of each of its accounts; the result in words, unless none can be used.
async fn access(context: &Context, job: &Job, failures: &mut Failures) -> Option<String> {
    let units = job.units();
    let tries = units.iter().map(|unit| try_credentials(context, unit)).collect::<Vec<_>>();
    let (mut usable, all) = (Vec::new(), units.len());
    for (unit, tried) in units.iter().zip(side_by_side(tries, SIDE_BY_SIDE).await) {
        match tried {
            Ok(access) => usable.push(access),
            Err(error) => failures.add(&unit.unit, &error),
        }
    }
    match &usable[..] {
        [one] if all == 1 => Some(one.clone()),
        [] => None,
        some => Some(format!("{} of {} can be read", some.len(), screen::plural(all as u64, "account"))),
    }
}

fn firings(job: &Job, now: crate::clock::Clock) -> Vec<String> {
    let next = job.schedule.as_ref().map(|schedule| schedule.next(now.now(), 3));
    next.unwrap_or_default().iter().map(|at| at.format("%Y-%m-%d %H:%M %Z").to_string()).collect()
}

fn print(job: &Job, firings: &[String], access: Option<&str>) {
    let file = job.file.display().to_string();
    let gap = if job.unit.table.len() + 2 + file.len() <= screen::width() { "  " } else { "\n  " };
    screen::out(&format!("{BOLD}{}{BOLD:#}{gap}{DIM}{file}{DIM:#}", job.unit.table));
    if let Some(description) = &job.description {
        screen::folded(&format!("  {description}"), 0);
    }
    let grain = job.source.grain().name().to_lowercase();
    let columns: Vec<&str> = job.source.table().columns().iter().map(|column| column.name.as_str()).collect();
    screen::out(&format!("  source    {}, {grain} rows", job.entry.name));
    screen::folded(&format!("  columns   {}", columns.join(", ")), INDENT);
    let schedule = job.schedule.as_ref().map_or_else(
        || "none: by hand only".to_owned(),
        |schedule| format!("{} ({}), next {}", schedule.cron, schedule.timezone, firings.join(", ")),
    );
    screen::folded(&format!("  schedule  {schedule}"), INDENT);
    if let Some(access) = access {
        screen::folded(&format!("  access    {access}"), INDENT);
    }
    for warning in &job.warnings {
        screen::folded(&format!("  {YELLOW}warning{YELLOW:#}   {warning}"), INDENT);
    }
    screen::out("");
}
