//! `run` and `backfill`; what is typed for `plan`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anstyle::Style;
use chrono::NaiveDate;
use indicatif::ProgressBar;

use serde_json::json;

use crate::cents::Cents;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::job::{BrokenJob, Job};
use crate::pipeline::budget::{Budget, OF_PROCESS};
use crate::pipeline::lease::Leases;
use crate::pipeline::totals::{Prices, Shared};
use crate::pipeline::{Claim, Context, claim, plan_job, run_claimed};
use crate::plan::{Ask, range};
use crate::report::{Failure, FetchReport, JobReport, Outcome, Retry};
use crate::request::Operation;
use crate::unit::Unit;
use crate::window::{parse_date_argument, parse_month};

use super::args::{Days, FleetArguments, Global, Output, UnitArguments};
use super::failures::{Failures, notes};
use super::progress::Bars;
use super::screen::{self, BOLD, DIM, GREEN, RED, YELLOW, bytes, count, grid, plural};
use super::units::{self, side_by_side};
use super::{client_config, clock, clock_document, context, plan, progress, select, tell_clock};

/// The command whose reports show totals only: its partitions all look the same.
pub(super) const DEMO: &str = "demo";

/// The arguments of `run`.
pub(super) struct Run<'a> {
    pub(super) jobs: &'a [String],
    pub(super) accept: &'a [String],
    pub(super) accept_clock: bool,
    pub(super) units: &'a UnitArguments,
    pub(super) fleet: &'a FleetArguments,
}

/// The arguments of `backfill`.
pub(super) struct Backfill<'a> {
    pub(super) jobs: &'a [String],
    pub(super) days: &'a Days,
    pub(super) missing: bool,
    pub(super) units: &'a UnitArguments,
    pub(super) accept: &'a [String],
    pub(super) dry_run: bool,
    pub(super) yes: bool,
}

/// `costlake run`.
pub(super) async fn run(global: &Global, asked: &Run<'_>) -> Result<u8> {
    let bars = progress::start(global);
    let (jobs, broken) = select(global, asked.jobs)?;
    let jobs = units::of(&jobs, asked.units)?;
    let accepted = Arc::new(accepted(&jobs, asked.accept, asked.units)?);
    let context = context(global, client_config(global), None).await?;
    let spending = asked.fleet.max_usd.map(|most| {
        let requests = most.requests_at(Operation::PRICE);
        Arc::new(Budget::new(Some(requests), Operation::PRICE, OF_PROCESS))
    });
    let lease = asked.fleet.lease.map(|longest| Leases { longest, since: Clock::System.now() });
    let context = Context { accepted, accept_clock: asked.accept_clock, spending, lease, ..context };
    tell_clock(context.clock);
    let reports = run_all(
        &Runs { context: &context, bars: bars.as_ref(), command: "run", ask: Ask::Due },
        &jobs,
        asked.units.parallel,
    )
    .await;
    let code = finish(global, &context, &reports, Failures::of(&broken), &broken)?;
    if asked.fleet.exit_detail {
        screen::out(&exit_detail(&jobs, &reports, code).to_string());
    }
    Ok(code)
}

/// What became of each unit, for an engine that decides what to run again; one that has not begun may be.
fn exit_detail(jobs: &[Job], reports: &[JobReport], code: u8) -> serde_json::Value {
    let reports: BTreeMap<Unit, &JobReport> = reports.iter().map(|report| (report.unit(), report)).collect();
    let units = jobs.iter().map(|job| {
        let mut unit = json!(job.unit);
        let report = reports.get(&job.unit);
        unit["exit_code"] = json!(report.map_or(Kind::Interrupted.exit_code(), |report| report.exit_code));
        unit["retry"] = json!(report.map_or(Retry::Yes, |report| report.retry()));
        unit
    });
    json!({ "units": units.collect::<Vec<_>>(), "exit_code": code })
}

/// `costlake backfill`.
pub(super) async fn backfill(global: &Global, asked: &Backfill<'_>) -> Result<u8> {
    let ask = ask_of(asked.days, asked.missing)?.ok_or_else(|| {
        Error::new(Kind::Config, "which days?")
            .advise("--from and --to name the first and the last, --since 7d the last seven")
    })?;
    if asked.dry_run {
        return plan::show_plans(global, asked.jobs, asked.units, ask).await;
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
    let jobs = units::of(&jobs, asked.units)?;
    let accepted = Arc::new(accepted(&jobs, asked.accept, asked.units)?);
    let context = Context { accepted, ..context(global, client_config(global), None).await? };
    tell_clock(context.clock);
    if screen::can_be_asked() && !asked.yes && !confirm(&context, &jobs, ask).await? {
        screen::tell("nothing was asked and nothing was written");
        return Ok(0);
    }
    let reports = run_all(
        &Runs { context: &context, bars: bars.as_ref(), command: "backfill", ask },
        &jobs,
        asked.units.parallel,
    )
    .await;
    finish(global, &context, &reports, failures, &[])
}

/// `costlake plan`.
pub(super) async fn plan(global: &Global, names: &[String], days: &Days, units: &UnitArguments) -> Result<u8> {
    plan::show_plans(global, names, units, ask_of(days, false)?.unwrap_or(Ask::Due)).await
}

/// `costlake run --dry-run`.
pub(super) async fn plan_due(global: &Global, names: &[String], units: &UnitArguments) -> Result<u8> {
    plan::show_plans(global, names, units, Ask::Due).await
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

/// The months of `--accept JOB:YYYY-MM`; each job must be among those that run. On a table with accounts it is about
/// the accounts that were named, and some must be.
fn accepted(jobs: &[Job], texts: &[String], units: &UnitArguments) -> Result<BTreeSet<(Unit, NaiveDate)>> {
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
        let mut of_job = jobs.iter().filter(|job| job.unit.table == name).map(|job| &job.unit).peekable();
        match of_job.peek() {
            None => return Err(wrong(text, "names a job that is not among those that would run")),
            Some(unit) if unit.account.is_some() && units.account.is_empty() => {
                let what = "is a month of every account of this table: whose figures were looked at?";
                return Err(wrong(text, what).advise("name the accounts with --account ID"));
            }
            Some(_) => accepted.extend(of_job.map(|unit| (unit.clone(), month))),
        }
    }
    Ok(accepted)
}

/// What runs of many units have in common.
pub(super) struct Runs<'a> {
    pub(super) context: &'a Context,
    pub(super) bars: Option<&'a Bars>,
    pub(super) command: &'a str,
    pub(super) ask: Ask,
}

/// Runs the units, at most `most` side by side; those that have not begun when a signal comes are left out.
pub(super) async fn run_all(runs: &Runs<'_>, jobs: &[Job], most: u8) -> Vec<JobReport> {
    let shared = Shared::of(jobs, runs.context.clock.now(), runs.ask);
    let context = &Context { totals: Arc::new(shared), elsewhere: Arc::default(), ..runs.context.clone() };
    let runs = &Runs { context, ..*runs };
    let mut accounts = units::by_account(jobs);
    // Workers that share no list of work begin at different accounts.
    if context.lease.is_some() && !accounts.is_empty() {
        let first = fastrand::usize(..accounts.len());
        accounts.rotate_left(first);
    }
    let of_all = runs.bars.filter(|_| most > 1).and_then(|bars| bars.of_all(jobs.len()));
    let mut reports = Vec::new();
    // What was put off in the first round is taken up in the second one, and put off no more.
    for round in [1, 2] {
        let begun = std::mem::take(&mut accounts).into_iter();
        let begun: Vec<_> = begun.map(|account| run_account(runs, of_all.as_ref(), account, round == 1)).collect();
        for (done, put_off) in side_by_side(begun, most.into()).await {
            reports.extend(done);
            accounts.push(put_off);
        }
        accounts.retain(|put_off| !put_off.is_empty());
    }
    of_all.inspect(ProgressBar::finish_and_clear);
    reports.sort_by_cached_key(JobReport::unit);
    reports
}

/// Runs the units of one account. They share a client and a probe, which are dropped then. With leases all units are taken
/// before the first is run: two workers in one account would each pay for a probe. Where another worker holds the first of
/// them, the others are put off if they `may_wait`.
async fn run_account<'j>(
    runs: &Runs<'_>,
    of_all: Option<&ProgressBar>,
    mut jobs: Vec<&'j Job>,
    may_wait: bool,
) -> (Vec<JobReport>, Vec<&'j Job>) {
    let context = runs.context;
    let (mut claims, mut put_off) = (VecDeque::new(), Vec::new());
    if context.lease.is_some() {
        for job in &jobs {
            claims.push_back(claim(context, job).await);
            if may_wait && claims.front().is_some_and(Claim::is_held) {
                put_off = jobs.split_off(1);
                break;
            }
        }
    }
    for job in &jobs {
        context.clients.reserve(job).await;
    }
    let mut reports = Vec::new();
    for job in jobs {
        match claims.pop_front() {
            Some(claimed) if context.cancel.is_cancelled() => claimed.give_back(context, &job.unit).await,
            None if context.cancel.is_cancelled() => {}
            claimed => reports.push(run_one(runs, job, claimed).await),
        }
        of_all.inspect(|bar| bar.inc(1));
        if context.clients.release(job).await {
            context.totals.forget(job).await;
        }
    }
    (reports, put_off)
}

/// Runs one unit, which is claimed first if it is not yet.
async fn run_one(runs: &Runs<'_>, job: &Job, claimed: Option<Claim>) -> JobReport {
    let own = runs.bars.map(|bars| Context { listener: Some(bars.beside().listener()), ..runs.context.clone() });
    let context = own.as_ref().unwrap_or(runs.context);
    let claimed = match claimed {
        Some(claimed) => claimed,
        None => claim(context, job).await,
    };
    // In a box: the state of a run takes memory only while it goes on, of thousands that wait none.
    Box::pin(run_claimed(context, job, runs.command, runs.ask, claimed)).await
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
    let tables: BTreeSet<&str> = jobs.iter().map(|job| job.unit.table.as_str()).collect();
    let accounts: BTreeSet<&String> = jobs.iter().filter_map(|job| job.unit.account.as_ref()).collect();
    let of = match accounts.len() as u64 {
        0 => plural(tables.len() as u64, "job"),
        some => format!("{} in {}", plural(tables.len() as u64, "job"), plural(some, "account")),
    };
    let what = format!("{} of {of} will be read{dollars}.", plural(slots, "day"));
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
        let in_full = |report: &&JobReport| shown(report) && (report.exit_code != 0 || !is_of_many(report, reports));
        reports.iter().filter(in_full).for_each(|report| print_report(report, reports.len() == 1));
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
    all.map(|note| (report.unit().to_string(), note.clone())).collect()
}

/// Accounts of a table that have their own lines; of more, those alone that did not end well.
pub(super) const LISTED: usize = 12;

/// Whether a run is one of those of a table with many accounts.
fn is_of_many(report: &JobReport, reports: &[JobReport]) -> bool {
    report.account.is_some() && reports.iter().filter(|other| other.job == report.job).take(LISTED + 1).count() > LISTED
}

/// The months that were read. A job without any is in the table of all jobs; the only one is told in a sentence.
fn print_report(report: &JobReport, is_only: bool) {
    if !report.fetches.is_empty() {
        let header = ["month", "days read (UTC)", "pages", "rows", "changed", "size", "outcome"];
        let table = grid(&header, &[2, 3, 4, 5], report.fetches.iter().map(fetch_row));
        screen::out(&format!("{BOLD}{}{BOLD:#}\n{table}\n", report.unit()));
    } else if is_only && report.failure.is_none() {
        let probe = match report.asked.requests {
            0 => String::new(),
            requests => format!(" (checked for changes: {})", plural(requests, "request")),
        };
        screen::out(&screen::titled(&report.unit().to_string(), &format!("{}{probe}\n", report.result())));
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

/// How several runs that ended well did so: `12 done, 1 skipped`.
fn results(reports: &[&JobReport]) -> String {
    let number = |of: &dyn Fn(&JobReport) -> bool| reports.iter().filter(|report| of(report)).count() as u64;
    let (done, skipped) = (number(&|report| report.objects_written > 0), number(&|report| report.is_held));
    let parts = [(done, "done"), (skipped, "skipped")].into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, word)| format!("{} {word}", count(number))).collect();
    if parts.is_empty() { "up to date".to_owned() } else { parts.join(", ") }
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
    let row = |name: String, reports: &[&JobReport], result: String| {
        let sum = |of: &dyn Fn(&JobReport) -> u64| count(reports.iter().map(|report| of(report)).sum());
        let spent: Cents = reports.iter().map(|report| report.asked.cost()).sum();
        let seconds = |report: &JobReport| format!("{:.1}", Duration::from_millis(report.duration_ms).as_secs_f64());
        let mut cells = vec![
            name,
            sum(&|report| report.asked.requests),
            spent.to_string(),
            sum(&|report| report.rows),
            sum(&|report| report.objects_written),
            // Of several, which ran side by side, a sum would be no time of anybody's.
            if let [one] = reports { seconds(one) } else { "-".to_owned() },
            result,
        ];
        if retried {
            cells.insert(5, sum(&|report| report.asked.retries));
        }
        (cells, if reports.iter().all(|report| report.exit_code == 0) { GREEN } else { RED })
    };
    let one = |report: &JobReport| row(report.unit().to_string(), &[report], report.result());
    let rows = reports.chunk_by(|a, b| a.job == b.job).flat_map(|of_table| {
        let is_well = |report: &&JobReport| report.exit_code == 0 && is_of_many(report, of_table);
        let (mut well, mut others): (Vec<&JobReport>, Vec<&JobReport>) = of_table.iter().partition(is_well);
        if well.len() == 1 {
            others.append(&mut well);
        }
        let many = well.first().map(|first| {
            let name = format!("{}, {}", first.job, plural(well.len() as u64, "account"));
            row(name, &well, results(&well))
        });
        many.into_iter().chain(others.into_iter().map(one)).collect::<Vec<_>>()
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
