//! `run` and `backfill`; what is typed for `plan`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anstyle::Style;
use chrono::NaiveDate;

use serde_json::json;

use crate::cents::Cents;
use crate::error::{Error, Kind, Result};
use crate::job::{BrokenJob, Job};
use crate::pipeline::totals::{Prices, Shared};
use crate::pipeline::{Context, plan_job, run_job};
use crate::plan::{Ask, range};
use crate::report::{Failure, FetchReport, JobReport, Outcome};
use crate::window::{parse_date_argument, parse_month};

use super::args::{Days, Global, Output};
use super::failures::{Failures, notes};
use super::screen::{self, BOLD, DIM, GREEN, RED, YELLOW, bytes, count, grid, plural};
use super::{client_config, clock, clock_document, context, plan, progress, select, tell_clock};

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
    let reports = run_all(&context, &jobs, "run", Ask::Due).await;
    finish(global, &context, &reports, Failures::of(&broken), &broken)
}

/// `costlake backfill`.
pub(super) async fn backfill(global: &Global, asked: &Backfill<'_>) -> Result<u8> {
    let ask = ask_of(asked.days, asked.missing)?.ok_or_else(|| {
        Error::new(Kind::Config, "which days?")
            .advise("--from and --to name the first and the last, --since 7d the last seven")
    })?;
    if asked.dry_run {
        return plan::show_plans(global, asked.jobs, ask).await;
    }
    let bars = progress::start(global);
    let (jobs, broken) = select(global, asked.jobs)?;
    let failures = Failures::of(&broken);
    if failures.code() != 0 {
        if global.output == Output::Json {
            screen::json(&json!({ "jobs": [], "broken": broken, "exit_code": failures.code() }))?;
        }
        failures.tell();
        return Ok(failures.code());
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
    finish(global, &context, &reports, failures, &[])
}

/// `costlake plan`.
pub(super) async fn plan(global: &Global, names: &[String], days: &Days) -> Result<u8> {
    plan::show_plans(global, names, ask_of(days, false)?.unwrap_or(Ask::Due)).await
}

/// `costlake run --dry-run`.
pub(super) async fn plan_due(global: &Global, names: &[String]) -> Result<u8> {
    plan::show_plans(global, names, Ask::Due).await
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

/// Prints the reports, and what went wrong last; returns the exit code.
pub(super) fn finish(
    global: &Global,
    context: &Context,
    reports: &[JobReport],
    mut failures: Failures,
    broken: &[BrokenJob],
) -> Result<u8> {
    reports.iter().for_each(|report| failures.add_run(report));
    if context.cancel.is_cancelled() {
        failures.add_code(Kind::Interrupted.exit_code());
    }
    let code = failures.code();
    if global.output == Output::Json {
        let document = json!({
            "clock": clock_document(context.clock), "lake": global.lake(), "jobs": reports, "broken": broken, "exit_code": code,
        });
        screen::json(&document)?;
    } else {
        let shown = |report: &&JobReport| report.command != DEMO || report.exit_code != 0;
        reports.iter().filter(shown).for_each(|report| print_report(report, reports.len() == 1));
        print_totals(reports, broken);
        if reports.iter().any(|report| shown(&report)) {
            notes(reports.len(), &reports.iter().filter(shown).flat_map(notes_of).collect::<Vec<_>>());
        }
    }
    failures.tell();
    Ok(code)
}

/// The notes of a run, each with its job.
fn notes_of(report: &JobReport) -> Vec<(String, String)> {
    let all = report.notes.iter().chain(report.fetches.iter().flat_map(|fetch| &fetch.notes));
    all.map(|note| (report.job.clone(), note.clone())).collect()
}

/// The months that were read. A job without any is in the table of all jobs; the only one is told in a sentence.
fn print_report(report: &JobReport, is_only: bool) {
    if !report.fetches.is_empty() {
        let header = ["month", "days read (UTC)", "pages", "rows", "changed", "size", "outcome"];
        let table = grid(&header, &[2, 3, 4, 5], report.fetches.iter().map(fetch_row));
        screen::out(&format!("{BOLD}{}{BOLD:#}\n{table}\n", report.job));
    } else if is_only && report.failure.is_none() {
        let probe = match report.asked.requests {
            0 => String::new(),
            requests => format!(" (checked for changes: {})", plural(requests, "request")),
        };
        screen::out(&screen::titled(&report.job, &format!("{}{probe}\n", report.result())));
    }
}

fn fetch_row(fetch: &FetchReport) -> (Vec<String>, Style) {
    let (outcome, style) = match (fetch.outcome, fetch.epoch) {
        (Outcome::Committed, Some(epoch)) => (format!("generation {epoch}"), GREEN),
        (Outcome::Committed, None) => ("committed".to_owned(), GREEN),
        (Outcome::Unchanged, _) => ("unchanged".to_owned(), DIM),
        (Outcome::Failed, _) => (fetch.failure.as_ref().map_or_else(|| "failed".to_owned(), Failure::words), RED),
        (Outcome::Stopped, _) => ("stopped, nothing written".to_owned(), YELLOW),
        (Outcome::NotStarted, _) => ("not started".to_owned(), YELLOW),
    };
    let cells = vec![
        fetch.partition.clone(),
        spanned(&fetch.windows),
        count(fetch.asked.pages),
        count(fetch.rows),
        count(fetch.changed_days),
        if fetch.object_bytes == 0 { "-".to_owned() } else { bytes(fetch.object_bytes) },
        outcome,
    ];
    (cells, style)
}

/// The days of several ranges: `2026-06-01..2026-06-30`, with `…` between the two where days in between are left out.
fn spanned(windows: &[String]) -> String {
    match windows {
        [] => "-".to_owned(),
        [one] => one.clone(),
        [first, .., last] => {
            let (start, _) = first.split_once("..").unwrap_or((first, first));
            let (_, end) = last.split_once("..").unwrap_or((last, last));
            format!("{start} … {end}")
        }
    }
}

/// A line for each job, and one for each job file that has errors.
fn print_totals(reports: &[JobReport], broken: &[BrokenJob]) {
    if reports.is_empty() {
        return;
    }
    let retried = reports.iter().any(|report| report.asked.retries > 0);
    let mut header = vec!["job", "requests", "USD", "rows", "files", "seconds", "result"];
    if retried {
        header.insert(5, "retries");
    }
    let rows = reports.iter().map(|report| {
        let seconds = Duration::from_millis(report.duration_ms).as_secs_f64();
        let mut cells = vec![
            report.job.clone(),
            count(report.asked.requests),
            report.usd.clone(),
            count(report.rows),
            count(report.objects_written),
            format!("{seconds:.1}"),
            report.result(),
        ];
        if retried {
            cells.insert(5, count(report.asked.retries));
        }
        (cells, if report.exit_code == 0 { GREEN } else { RED })
    });
    let broken = broken.iter().map(|broken| {
        let mut cells = vec!["-".to_owned(); header.len()];
        broken.name().clone_into(&mut cells[0]);
        "errors in file".clone_into(&mut cells[header.len() - 1]);
        (cells, RED)
    });
    let right: Vec<usize> = (1..header.len() - 1).collect();
    screen::out(&grid(&header, &right, rows.chain(broken)));
}

#[cfg(test)]
mod tests {
    use super::spanned;

    #[test]
    fn days_that_are_left_out_are_a_sign() {
        let text = |windows: &[&str]| spanned(&windows.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(text(&[]), "-");
        assert_eq!(text(&["2026-06-01..2026-06-03"]), "2026-06-01..2026-06-03");
        assert_eq!(text(&["2026-06-01..2026-06-03", "2026-06-05", "2026-06-09"]), "2026-06-01 … 2026-06-09");
    }
}
