//! `check`: validates the job files and, with `--online`, the credentials.

use serde_json::json;

use crate::clients::Clients;
use crate::error::{Result, combined_exit_code};
use crate::job::Job;
use crate::pipeline::{shown_elsewhere, try_credentials};

use super::args::{Global, Output};
use super::screen::{self, BOLD, DIM, GREEN, YELLOW};
use super::{client_config, clock, clock_document, context, progress, select, tell_broken, tell_clock};

/// `costlake check`.
pub(super) async fn check(global: &Global, names: &[String], online: bool) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let now = clock()?;
    tell_clock(now);
    let mut codes = vec![tell_broken(&broken)];
    let context = if online { Some(context(global, client_config(global), None).await?) } else { None };
    let clients = Clients::new(client_config(global));
    let mut documents = Vec::new();
    for job in &jobs {
        let tried = match &context {
            Some(context) => Some(try_credentials(context, job).await),
            None => None,
        };
        if let Some(Err(error)) = &tried {
            screen::failure(&format!("{}: {}", job.name, error.report()));
            codes.push(error.kind().exit_code());
        }
        let firings: Vec<String> = firings(job, now);
        let access = tried.and_then(Result::ok);
        let notes: Vec<String> = job.aws.note().into_iter().chain(shown_elsewhere(&clients, job).await).collect();
        if global.output == Output::Text {
            print(job, &firings, access.as_deref(), &notes);
        }
        let columns: Vec<&str> = job.source.table().columns().iter().map(|column| column.name.as_str()).collect();
        documents.push(json!({
            "job": job.name, "file": job.file, "source": job.entry.name, "next_firings": firings, "columns": columns, "access": access,
            "notes": notes,
            "warnings": job.warnings,
        }));
    }
    let code = combined_exit_code(codes);
    match global.output {
        Output::Json => screen::json(&json!({
            "clock": clock_document(now), "jobs": documents, "broken": broken, "exit_code": code,
        }))?,
        _ if code == 0 => {
            screen::out(&format!("{GREEN}all right{GREEN:#}: {}", screen::plural(jobs.len() as u64, "job")));
        }
        _ => {}
    }
    Ok(code)
}

fn firings(job: &Job, now: crate::clock::Clock) -> Vec<String> {
    let next = job.schedule.as_ref().map(|schedule| schedule.next(now.now(), 3));
    next.unwrap_or_default().iter().map(|at| at.format("%Y-%m-%d %H:%M %Z").to_string()).collect()
}

fn print(job: &Job, firings: &[String], access: Option<&str>, notes: &[String]) {
    screen::out(&format!("{BOLD}{}{BOLD:#}  {DIM}{}{DIM:#}", job.name, job.file.display()));
    if let Some(description) = &job.description {
        screen::out(&format!("  {description}"));
    }
    let grain = job.source.grain().name().to_lowercase();
    let columns: Vec<&str> = job.source.table().columns().iter().map(|column| column.name.as_str()).collect();
    screen::out(&format!("  source    {}, {grain} rows", job.entry.name));
    screen::out(&format!("  columns   {}", columns.join(", ")));
    match &job.schedule {
        Some(schedule) => {
            screen::out(&format!("  schedule  {} ({}), next {}", schedule.cron, schedule.timezone, firings.join(", ")));
        }
        None => screen::out("  schedule  none: by hand only"),
    }
    if let Some(access) = access {
        screen::out(&format!("  access    {access}"));
    }
    for note in notes {
        screen::out(&format!("  {DIM}note: {note}{DIM:#}"));
    }
    for warning in &job.warnings {
        screen::out(&format!("  {YELLOW}warning{YELLOW:#}   {warning}"));
    }
    screen::out("");
}
