//! `demo`: runs every shipped job against the built-in sandbox, over real HTTP on localhost, in seconds and for free.

use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use clap::Parser;

use crate::clients::ClientConfig;
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::job::{self, BrokenJob, Job};
use crate::pipeline::Context;
use crate::plan::Ask;
use crate::report::JobReport;
use crate::sandbox::{Sandbox, Settings, serve};
use crate::sources::{Api, REGISTRY};
use crate::window::{days_before, month_start};

use super::args::{Arguments, Command, Global, Output};
use super::failures::Failures;
use super::fit;
use super::progress::Bars;
use super::run::{DEMO, Runs, finish, run_all};
use super::screen::{BOLD, DIM};
use super::{context, open_lake, progress, screen, show, tell_clock};

/// The lake of the demo: its made-up figures must not be where real ones go.
const LAKE: &str = "demo-lake";
/// Months of data before the current one.
const MONTHS: i32 = -13;

/// `costlake demo`.
pub(super) async fn demo(global: &Global) -> Result<u8> {
    let lake = global.given_lake.clone().unwrap_or_else(|| LAKE.to_owned());
    let global = &Global { given_lake: Some(lake), ..global.clone() };
    let bars = progress::start(global);
    let failed = |error: std::io::Error| Error::new(Kind::Store, "cannot listen on this machine").because(error);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let url = format!("http://{}", listener.local_addr().map_err(failed)?);
    let client_config = ClientConfig { sandbox: Some(url.clone()), ..ClientConfig::default() };
    let mut context = context(global, client_config, None).await?;
    context.no_budget = true;
    tell_clock(context.clock);
    let now = context.clock.now();
    let first_day = month_start(now.date_naive(), MONTHS);
    let sandbox = Sandbox::new(Settings { first_day: Some(first_day), ..Settings::new(now) });
    let server = tokio::spawn(serve(listener, sandbox, std::future::pending()));
    let jobs = shipped_jobs(first_day)?;
    if global.output == Output::Text {
        screen::tell(&format!(
            "running {} jobs against a sandbox on this machine: the figures are made up\n",
            jobs.len()
        ));
    }
    let reports = run_side_by_side(&context, bars.as_ref(), &jobs).await?;
    server.abort();
    let code = finish(global, &context, &reports, Failures::default(), &[])?;
    if code == 0 && global.output == Output::Text {
        answers(global, &jobs, context.clock).await?;
    }
    Ok(code)
}

/// Runs the jobs of both APIs side by side, those of one API one after the other, as they share its totals; the reports
/// are in the order of the jobs.
async fn run_side_by_side(context: &Context, bars: Option<&Bars>, jobs: &[Job]) -> Result<Vec<JobReport>> {
    let lane = |api: Api| {
        let jobs: Vec<Job> = jobs.iter().filter(|job| job.entry.provider.api == api).cloned().collect();
        let (context, bars) = (context.clone(), bars.cloned());
        tokio::spawn(async move {
            run_all(&Runs { context: &context, bars: bars.as_ref(), command: DEMO, ask: Ask::Due }, &jobs, 1).await
        })
    };
    let (aws, datadog) = tokio::join!(lane(Api::CostExplorer), lane(Api::Datadog));
    let failed = |error| Error::new(Kind::Internal, "a run of the demo ended early").because(error);
    let mut reports: Vec<JobReport> = aws.map_err(failed)?.into_iter().chain(datadog.map_err(failed)?).collect();
    reports.sort_by_key(|report| jobs.iter().position(|job| job.unit.table == report.job));
    Ok(reports)
}

/// The jobs of the `jobs/` folder, built in so that the demo needs no files.
pub(super) fn shipped_jobs(first_day: NaiveDate) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for (name, text) in REGISTRY.iter().flat_map(|entry| entry.jobs) {
        let file = Path::new("jobs").join(format!("{name}.toml"));
        let mut job = job::parse(&file, text).map_err(|problems| {
            let lines = BrokenJob { file: file.clone(), problems }.lines().join("; ");
            Error::new(Kind::Internal, format!("a shipped job is broken: {lines}"))
        })?;
        job.window.begin = job.window.begin.map(|_| first_day);
        jobs.push(job);
    }
    Ok(jobs)
}

/// Questions that the demo answers at its end: a title, and the arguments of `show`.
fn questions(now: DateTime<Utc>) -> [(&'static str, Vec<String>); 3] {
    let text = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let month = days_before(now.date_naive(), 1).format("%Y-%m");
    let last = month_start(now.date_naive(), -1).format("%Y-%m");
    [
        (
            "What does each service cost this month, and what did it cost in the same days of the last?",
            text(&format!("aws_cost_by_service --by service --from {month} --against previous --top 8")),
        ),
        (
            "How much has no team to pay for it?",
            text(&format!("aws_cost_by_team --by tag_team --from {last} --to {last} --top 6")),
        ),
        ("What do commitments save?", text("datadog_savings --by product --where series=total")),
    ]
}

/// Prints the answers, each below the command that gives it.
async fn answers(global: &Global, jobs: &[Job], clock: Clock) -> Result<()> {
    let (location, lake) = open_lake(global).await?;
    let lake_flag = word(&location.to_string());
    for (question, words) in questions(clock.now()) {
        let line = format!("costlake show {} --lake {lake_flag}", words.join(" "));
        screen::out("");
        for part in fit::fold(question, screen::width(), 0) {
            screen::out(&format!("{BOLD}{part}{BOLD:#}"));
        }
        // Broken where a shell goes on reading.
        for part in fit::fold(&format!("$ {line}"), screen::width() - 2, 2).join(" \\\n").lines() {
            screen::out(&format!("{DIM}{part}{DIM:#}"));
        }
        let typed = ["costlake".to_owned(), "show".to_owned()].into_iter().chain(words);
        let Ok(Arguments { command: Command::Show(typed), .. }) = Arguments::try_parse_from(typed) else { continue };
        let job = jobs.iter().find(|job| job.unit.table == typed.table);
        let job = job.ok_or_else(|| Error::new(Kind::Internal, format!("{} is no shipped job", typed.table)))?;
        screen::out(&show::in_text(&lake, job, &typed, clock.now()).await?);
    }
    screen::out(&next_steps(&lake_flag));
    Ok(())
}

fn next_steps(lake: &str) -> String {
    format!(
        "\nThe lake is in {lake}. What next:\n\
         Day by day:     costlake show aws_cost_by_service --by day --lake {lake}\n\
         All in DuckDB:  costlake connect --lake {lake} > lake.sql\n\
         {indent}duckdb -init lake.sql\n\
         Your own bill:  costlake init; costlake check; costlake plan; costlake run",
        indent = " ".repeat(16)
    )
}

/// Quotes a text as one shell word.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Arguments, Command, next_steps, questions, word};

    #[test]
    fn the_questions_are_commands() {
        let now = "2026-12-01T06:00:00Z".parse().expect("an instant");
        for (_, words) in questions(now) {
            let typed = ["costlake", "show"].map(str::to_owned).into_iter().chain(words);
            let read = Arguments::try_parse_from(typed).expect("a command");
            assert!(matches!(read.command, Command::Show(_)));
        }
        let [(_, first), ..] = questions(now);
        assert!(first.contains(&"2026-11".to_owned()), "on the 1st the month that has ended: {first:?}");
    }

    #[test]
    fn what_is_printed_can_be_pasted() {
        let odd = next_steps(&word("/data/a=b/it's [$x]"));
        assert!(odd.contains("costlake show aws_cost_by_service --by day --lake '/data/a=b/it'\\''s [$x]'\n"), "{odd}");
    }
}
