//! `run`, `backfill` and `plan`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anstyle::Style;
use chrono::NaiveDate;

use serde_json::json;

use crate::cents::Cents;
use crate::error::{Error, Kind, Result, combined_exit_code};
use crate::job::Job;
use crate::pipeline::totals::{Prices, Shared};
use crate::pipeline::{Context, plan_job, run_job};
use crate::plan::{Ask, OVER_CAP, Plan, probes, range};
use crate::report::{FetchReport, JobReport, Outcome};
use crate::window::{parse_date_argument, parse_month};

use super::args::{Days, Global, Output};
use super::screen::{self, BOLD, DIM, GREEN, PLAIN, RED, YELLOW, bytes, count, grid, plural};
use super::{client_config, clock, clock_document, context, progress, select, tell_broken, tell_clock};

/// The command whose reports show totals only: its partitions all look the same.
pub(super) const DEMO: &str = "demo";

/// The arguments of `backfill`.
pub(super) struct Backfill<'a> {
    pub(super) jobs: &'a [String],
    pub(super) days: &'a Days,
    pub(super) missing: bool,
    pub(super) accept: &'a [String],
    pub(super) dry_run: bool,
    pub(super) yes: bool,
}

/// `costlake run`.
pub(super) async fn run(global: &Global, names: &[String], accept: &[String], accept_clock: bool) -> Result<u8> {
    let bars = progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let accepted = Arc::new(accepted(&jobs, accept)?);
    let context = context(global, client_config(global), bars.map(|bars| bars.listener())).await?;
    let context = Context { accepted, accept_clock, ..context };
    tell_clock(context.clock);
    let broken_code = tell_broken(&broken);
    let reports = run_all(&context, &jobs, "run", Ask::Due).await;
    finish(global, &context, &reports, broken_code, &json!(broken))
}

/// `costlake backfill`.
pub(super) async fn backfill(global: &Global, asked: &Backfill<'_>) -> Result<u8> {
    let ask = ask_of(asked.days, asked.missing)?.ok_or_else(|| {
        Error::new(Kind::Config, "which days?")
            .advise("--from and --to name the first and the last, --since 7d the last seven")
    })?;
    if asked.dry_run {
        return show_plans(global, asked.jobs, ask).await;
    }
    let bars = progress::start(global);
    let (jobs, broken) = select(global, asked.jobs)?;
    let broken_code = tell_broken(&broken);
    if broken_code != 0 {
        if global.output == Output::Json {
            screen::json(&json!({ "jobs": [], "broken": broken, "exit_code": broken_code }))?;
        }
        return Ok(broken_code);
    }
    let accepted = Arc::new(accepted(&jobs, asked.accept)?);
    let context =
        Context { accepted, ..context(global, client_config(global), bars.map(|bars| bars.listener())).await? };
    tell_clock(context.clock);
    if screen::can_be_asked() && !asked.yes && !confirm(&context, &jobs, ask).await? {
        screen::tell("nothing was asked and nothing was written");
        return Ok(0);
    }
    let reports = run_all(&context, &jobs, "backfill", ask).await;
    finish(global, &context, &reports, 0, &json!([]))
}

/// `costlake plan`.
pub(super) async fn plan(global: &Global, names: &[String], days: &Days) -> Result<u8> {
    show_plans(global, names, ask_of(days, false)?.unwrap_or(Ask::Due)).await
}

/// `costlake run --dry-run`.
pub(super) async fn plan_due(global: &Global, names: &[String]) -> Result<u8> {
    show_plans(global, names, Ask::Due).await
}

/// The range that was typed, if any; without a last day it ends yesterday.
fn ask_of(days: &Days, missing_only: bool) -> Result<Option<Ask>> {
    let today = clock()?.now().date_naive();
    let read = |text: &str, flag| parse_date_argument(text, today).map_err(|error| error.at("flag", flag));
    let first = match (&days.from, &days.since) {
        (Some(from), _) => read(from, "--from")?.0,
        (None, Some(since)) => read(&format!("-{}", since.trim_start_matches('-')), "--since")?.0,
        (None, None) => return Ok(None),
    };
    let (_, last) = read(days.to.as_deref().unwrap_or("yesterday"), "--to")?;
    Ok(Some(Ask::Range { window: range(first, last)?, missing_only }))
}

/// The months of `--accept JOB:YYYY-MM`; each job must be among those that run.
fn accepted(jobs: &[Job], texts: &[String]) -> Result<BTreeSet<(String, NaiveDate)>> {
    let read = |text: &String| {
        let (name, month) = text.split_once(':').filter(|(name, _)| !name.is_empty())?;
        Some((name.to_owned(), parse_month(month)?))
    };
    let wrong = |text: &String, what: &str| {
        Error::new(Kind::Config, format!("`{text}` {what}"))
            .at("flag", "--accept")
            .advise("write job and month, such as --accept aws_cost_by_service:2026-03")
    };
    let mut accepted = BTreeSet::new();
    for text in texts {
        let Some((name, month)) = read(text) else { return Err(wrong(text, "is not JOB:YYYY-MM")) };
        if !jobs.iter().any(|job| job.name == name) {
            return Err(wrong(text, "names a job that is not among those that would run"));
        }
        accepted.insert((name, month));
    }
    Ok(accepted)
}

pub(super) async fn run_all(context: &Context, jobs: &[Job], command: &str, ask: Ask) -> Vec<JobReport> {
    let mut reports = Vec::new();
    let shared = Shared::of(jobs, context.clock.now(), ask);
    let context = &Context { totals: Arc::new(shared), elsewhere: Arc::default(), ..context.clone() };
    for job in jobs {
        if context.cancel.is_cancelled() {
            break;
        }
        reports.push(run_job(context, job, command, ask).await);
    }
    reports
}

/// Shows days and cost of the plan and asks for confirmation.
async fn confirm(context: &Context, jobs: &[Job], ask: Ask) -> Result<bool> {
    let (mut price, mut slots) = (Cents::ZERO, 0);
    let mut prices = Prices::of(jobs, context.clock.now(), ask);
    for job in jobs {
        let (planned, _) = plan_job(context, job, ask, &mut prices).await?;
        price = price + job.entry.provider.price_of(planned.expected_requests());
        slots += planned.slots();
    }
    let dollars = if price > Cents::ZERO { format!(", about {price} USD") } else { String::new() };
    let what = format!("{} of {} will be read{dollars}.", plural(slots, "day"), plural(jobs.len() as u64, "job"));
    Ok(slots == 0 || screen::ask(&format!("{what} Go on?")))
}

async fn show_plans(global: &Global, names: &[String], ask: Ask) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let context = context(global, client_config(global), None).await?;
    tell_clock(context.clock);
    let mut codes = vec![tell_broken(&broken)];
    let (mut plans, mut documents) = (Vec::new(), Vec::new());
    let mut prices = Prices::of(&jobs, context.clock.now(), ask);
    for job in &jobs {
        match plan_job(&context, job, ask, &mut prices).await {
            Ok((mut planned, store)) => {
                planned.notes.extend(job.aws.note());
                planned.notes.extend(planned.page_note(job, &store.ledger.learnt).map(str::to_owned));
                documents.push(plan_document(job, &planned, store.ledger.learnt.page_rows > 0));
                plans.push((job, planned));
            }
            Err(error) => {
                let error = error.at("job", &job.name);
                screen::error(&error);
                codes.push(error.kind().exit_code());
            }
        }
    }
    let code = combined_exit_code(codes);
    match global.output {
        Output::Json => screen::json(&json!({
            "clock": clock_document(context.clock), "lake": global.lake(), "jobs": documents, "broken": broken, "exit_code": code,
        }))?,
        // Where nothing could be planned, the errors are all there is to say.
        _ if plans.is_empty() && code != 0 => {}
        _ => print_plans(&plans, ask),
    }
    Ok(code)
}

fn is_paid(job: &Job) -> bool {
    job.entry.provider.is_paid()
}

fn plan_document(job: &Job, planned: &Plan, learnt: bool) -> serde_json::Value {
    let price = job.entry.provider.price_of(planned.expected_requests());
    let fetches: Vec<_> = planned
        .fetches
        .iter()
        .map(|fetch| {
            let windows: Vec<_> = fetch.windows.iter().map(|w| json!({ "start": w.start(), "end": w.end() })).collect();
            json!({
                "partition": fetch.partition.to_string(), "windows": windows,
                "days": fetch.slots.len(), "expected_requests": fetch.expected_requests,
            })
        })
        .collect();
    json!({
        "job": job.name, "fetches": fetches, "totals_requests": planned.totals_requests(), "expected_requests": planned.expected_requests(), "expected_usd": price.to_string(),
        "at_least": planned.at_least,
        "pages_learnt_from_earlier_runs": learnt, "max_requests_per_run": job.budget.max_requests_per_run, "notes": planned.notes,
    })
}

fn print_plans(plans: &[(&Job, Plan)], ask: Ask) {
    let mut rows = Vec::new();
    for (job, planned) in plans {
        let probe = probes(job, ask);
        if planned.totals.is_some() {
            let what = if probe {
                "totals of every day, to find what has moved"
            } else {
                "totals of the days read, to check them against"
            };
            let cells = [job.name.as_str(), "-", what, "-", "1", &job.entry.provider.price_of(1).to_string()];
            rows.push((cells.map(str::to_owned).to_vec(), PLAIN));
        }
        for fetch in &planned.fetches {
            let windows: Vec<String> = fetch.windows.iter().map(ToString::to_string).collect();
            let provider = job.entry.provider;
            let dollars = if provider.is_paid() {
                provider.price_of(fetch.expected_requests).to_string()
            } else {
                "free".to_owned()
            };
            rows.push((
                vec![
                    job.name.clone(),
                    fetch.partition.to_string(),
                    abbreviated(&windows),
                    fetch.slots.len().to_string(),
                    fetch.expected_requests.to_string(),
                    dollars,
                ],
                PLAIN,
            ));
        }
        if planned.fetches.is_empty() {
            rows.push((
                vec![
                    job.name.clone(),
                    "-".to_owned(),
                    if probe { "nothing else is known to be due" } else { "nothing is due" }.to_owned(),
                    "0".to_owned(),
                    "0".to_owned(),
                    "-".to_owned(),
                ],
                PLAIN,
            ));
        }
    }
    screen::out(&grid(&["job", "partition", "windows (UTC, inclusive)", "days", "requests", "USD"], &[3, 4, 5], rows));
    let price: Cents =
        plans.iter().map(|(job, planned)| job.entry.provider.price_of(planned.expected_requests())).sum();
    let requests: u64 = plans.iter().map(|(_, planned)| planned.expected_requests()).sum();
    let least = if plans.iter().any(|(job, planned)| is_paid(job) && planned.at_least) { "at least " } else { "" };
    screen::out(&format!("\nexpected: {least}{}, {price} USD. Nothing was asked.", plural(requests, "request")));
    for (job, planned) in plans {
        if job.budget.max_requests_per_run.is_some_and(|cap| is_paid(job) && planned.expected_requests() > cap) {
            screen::out(&format!("{}: {OVER_CAP}", job.name));
        }
        for note in &planned.notes {
            screen::out(&format!("{}: {note}", job.name));
        }
    }
}

fn abbreviated(windows: &[String]) -> String {
    match windows {
        [] => "-".to_owned(),
        [one] => one.clone(),
        [first, .., last] if windows.len() > 3 => format!("{first}, … {} more, {last}", windows.len() - 2),
        few => few.join(", "),
    }
}

/// Prints the reports and returns the exit code.
pub(super) fn finish(
    global: &Global,
    context: &Context,
    reports: &[JobReport],
    broken_code: u8,
    broken: &serde_json::Value,
) -> Result<u8> {
    let interrupted = if context.cancel.is_cancelled() { Kind::Interrupted.exit_code() } else { 0 };
    let code = combined_exit_code(reports.iter().map(|report| report.exit_code).chain([broken_code, interrupted]));
    if global.output == Output::Json {
        let document = json!({
            "clock": clock_document(context.clock), "lake": global.lake(), "jobs": reports, "broken": broken, "exit_code": code,
        });
        screen::json(&document)?;
    } else {
        for report in reports.iter().filter(|report| report.command != DEMO || report.exit_code != 0) {
            print_report(report);
        }
        print_totals(reports);
    }
    for report in reports {
        for (partitions, failure) in report.failures() {
            let whole = if partitions.contains(", ") {
                format!("{} (also {partitions})", failure.text)
            } else {
                failure.text.clone()
            };
            screen::failure(&whole);
        }
    }
    Ok(code)
}

fn print_report(report: &JobReport) {
    screen::out(&format!("{BOLD}{}{BOLD:#}", report.job));
    if report.fetches.is_empty() && report.failure.is_none() {
        screen::out("  nothing was due");
    }
    if !report.fetches.is_empty() {
        let header = ["partition", "windows", "pages", "rows", "days changed", "object", "outcome"];
        let table = grid(&header, &[2, 3, 4, 5], report.fetches.iter().map(fetch_row));
        screen::out(&table);
    }
    for note in report.notes.iter().chain(report.fetches.iter().flat_map(|fetch| &fetch.notes)) {
        screen::out(&format!("  {DIM}note: {note}{DIM:#}"));
    }
    screen::out("");
}

fn fetch_row(fetch: &FetchReport) -> (Vec<String>, Style) {
    let (outcome, style) = match (fetch.outcome, fetch.epoch) {
        (Outcome::Committed, Some(epoch)) => (format!("committed, generation {epoch}"), GREEN),
        (Outcome::Committed, None) => ("committed".to_owned(), GREEN),
        (Outcome::Unchanged, _) => ("unchanged".to_owned(), DIM),
        (Outcome::Failed, _) => {
            let kind = fetch.failure.as_ref().map_or("", |failure| failure.kind.name());
            (format!("failed: {}", kind.replace('_', " ")), RED)
        }
        (Outcome::Stopped, _) => ("stopped, nothing written".to_owned(), YELLOW),
        (Outcome::NotStarted, _) => ("not started".to_owned(), YELLOW),
    };
    let cells = vec![
        fetch.partition.clone(),
        abbreviated(&fetch.windows),
        count(fetch.asked.pages),
        count(fetch.rows),
        count(fetch.changed_days),
        if fetch.object_bytes == 0 { "-".to_owned() } else { bytes(fetch.object_bytes) },
        outcome,
    ];
    (cells, style)
}

fn print_totals(reports: &[JobReport]) {
    if reports.is_empty() {
        return;
    }
    let header = ["job", "requests", "USD", "rows", "objects", "retries", "seconds", "result"];
    let rows = reports.iter().map(|report| {
        let (result, style) = match report.exit_code {
            0 if report.objects_written == 0 => ("current".to_owned(), GREEN),
            0 => ("done".to_owned(), GREEN),
            code => (format!("exit {code}"), RED),
        };
        let seconds = Duration::from_millis(report.duration_ms).as_secs_f64();
        let cells = vec![
            report.job.clone(),
            count(report.asked.requests),
            report.usd.clone(),
            count(report.rows),
            count(report.objects_written),
            count(report.asked.retries),
            format!("{seconds:.1}"),
            result,
        ];
        (cells, style)
    });
    screen::out(&grid(&header, &[1, 2, 3, 4, 5, 6], rows));
}
