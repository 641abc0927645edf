//! `status`: a calendar of every table, a line per month and a cell per day.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use anstyle::Style;
use chrono::{DateTime, Datelike, Utc};

use crate::clients::Clients;
use crate::error::{Kind, Result, combined_exit_code};
use crate::job::{BrokenJob, Job};
use crate::lake::Lake;
use crate::ledger_store::{LedgerStore, TableRecord, last_run};
use crate::pipeline::{Look, look};
use crate::plan::{STALE, Slot, SlotState, calendar};
use crate::report::{Failure, JobReport};
use crate::status;
use crate::window::{Grain, Window, first_of_month, month_start};

use super::args::{Global, Output};
use super::screen::{self, BOLD, DIM, GREEN, RED, YELLOW, plural};
use super::{client_config, clock, open_lake, progress, select, shown, tell_broken, tell_clock};

/// `costlake status`.
pub(super) async fn status(global: &Global, names: &[String], check: bool) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let clock = clock()?;
    tell_clock(clock);
    let now = clock.now();
    let (location, lake) = open_lake(global).await?;
    let clients = Clients::new(client_config(global));
    let mut codes = vec![tell_broken(&broken)];
    let mut documents = Vec::new();
    for job in &jobs {
        let Read { job, store, notes, refused, last } = match read(&lake, &clients, job, now).await {
            Ok(found) => found,
            Err(error) => {
                let error = error.at("job", &job.name);
                screen::error(&error);
                codes.push(error.kind().exit_code());
                continue;
            }
        };
        let job = job.as_ref();
        let slots = calendar(job, &store.ledger, now);
        let gaps: Vec<&Slot> = slots.iter().filter(|slot| slot.gap().is_some()).collect();
        if check && !gaps.is_empty() {
            codes.push(Kind::Gap.exit_code());
            screen::failure(&gap_text(job, &gaps));
        }
        let failed = status::last_failure(last.as_ref());
        let refusal = refused.as_ref().map(|failure| (failure, "runs of this job are refused"));
        let told = refusal.or_else(|| failed.as_ref().map(|failure| (failure, "its last run failed")));
        if let Some((failure, what)) = told.filter(|_| check) {
            codes.push(Kind::Gap.exit_code());
            screen::failure(&format!("{}: {what}: {}", job.name, failure.text));
        }
        match global.output {
            Output::Text | Output::Csv => {
                let notes: Vec<String> = notes.into_iter().chain(status::about(job, &store.ledger)).collect();
                print(job, &slots, &notes, last.as_ref().zip(failed.as_ref()));
            }
            Output::Json => documents.push(status::table(job, &slots, &store.ledger, &notes, last.as_ref())),
        }
    }
    // If the lake could not be read, do not list its other tables.
    let is_readable = codes.iter().all(|code| [0, Kind::Gap.exit_code(), Kind::Config.exit_code()].contains(code));
    let is_whole = names.is_empty() && is_readable;
    let without_job = if is_whole { without_job(&lake, &jobs, &broken).await } else { Ok(Vec::new()) };
    let without_job = without_job.unwrap_or_else(|error| {
        screen::error(&error);
        codes.push(error.kind().exit_code());
        Vec::new()
    });
    let code = combined_exit_code(codes);
    match global.output {
        Output::Json => {
            let location = location.to_string();
            screen::json(&status::document(clock, &location, &documents, &without_job, &broken, code))?;
        }
        Output::Text | Output::Csv => without_job.iter().for_each(|name| {
            screen::out(&format!("{BOLD}{name}{BOLD:#}  without a job: nothing brings it up to date"));
        }),
    }
    Ok(code)
}

/// The ledger, notes and last run of a job's table.
struct Read<'j> {
    /// The job as it writes its table.
    job: Cow<'j, Job>,
    store: LedgerStore,
    notes: Vec<String>,
    /// Why every run would be refused.
    refused: Option<Failure>,
    last: Option<JobReport>,
}

/// Reads the ledger, the notes and the last run of a job's table.
async fn read<'j>(lake: &Arc<Lake>, clients: &Clients, job: &'j Job, now: DateTime<Utc>) -> Result<Read<'j>> {
    let (store, mut notes) = LedgerStore::open_to_show(lake.clone(), &job.name, job.source.grain(), now).await?;
    notes.extend(job.aws.note());
    let record = TableRecord::kept(lake, &job.name).await?;
    let Look { origin, refused } = look(clients, job, &store, record.as_ref()).await?;
    notes.extend(origin);
    notes.extend(refused.as_ref().map(status::refused));
    let last = last_run(lake, &job.name, now).await?;
    let job = record.as_ref().map_or(Cow::Borrowed(job), |record| record.job_of(job));
    Ok(Read { job, store, notes, refused, last })
}

/// The tables without a job file, not even a broken one.
async fn without_job(lake: &Lake, jobs: &[Job], broken: &[BrokenJob]) -> Result<Vec<String>> {
    let known: Vec<String> =
        jobs.iter().map(|job| job.name.clone()).chain(broken.iter().map(BrokenJob::name)).collect();
    status::without_job(lake, &known).await
}

fn gap_text(job: &Job, gaps: &[&Slot]) -> String {
    let named: Vec<String> =
        gaps.iter().take(10).filter_map(|slot| Some(format!("{} {}", slot.day, slot.gap()?))).collect();
    let more = if gaps.len() > 10 { format!(" and {} more", gaps.len() - 10) } else { String::new() };
    let (held, others): (Vec<&Slot>, Vec<&Slot>) = gaps.iter().partition(|slot| slot.state == SlotState::Held);
    let left: Vec<&Slot> = others.iter().copied().filter(|slot| slot.state == SlotState::NotFinal).collect();
    let run = |slots: &[&Slot]| format!("costlake run {}{}", job.name, acceptance(job, slots));
    let mut advice = Vec::new();
    if !others.is_empty() {
        advice.push(run(&left));
    }
    if !held.is_empty() {
        advice.push(format!("look at the bill; if the new figures are right: {}", run(&held)));
    }
    format!("{}: {}{more}\n  what to do: {}", job.name, named.join(", "), advice.join("; "))
}

/// The `--accept` flags for these days, by month.
fn acceptance(job: &Job, slots: &[&Slot]) -> String {
    let mut months: Vec<String> = slots.iter().map(|slot| slot.day.format("%Y-%m").to_string()).collect();
    months.dedup();
    let more = if months.len() > 10 { " …" } else { "" };
    let flags: Vec<String> = months.iter().take(10).map(|month| format!(" --accept {}:{month}", job.name)).collect();
    format!("{}{more}", flags.concat())
}

fn cell(slot: &Slot) -> (char, Style) {
    match slot.state {
        SlotState::Missing => ('?', RED),
        SlotState::Mismatch => ('≠', RED),
        SlotState::Held => ('Q', RED),
        SlotState::Failed => ('F', RED),
        SlotState::NotFinal => ('⊘', RED),
        _ if slot.gap().is_some() => ('!', RED),
        SlotState::Estimated => ('~', YELLOW),
        SlotState::Final => ('■', GREEN),
        SlotState::Differing => ('≈', YELLOW),
        SlotState::NotAvailable => ('x', DIM),
    }
}

fn print(job: &Job, slots: &[Slot], notes: &[String], failed: Option<(&JobReport, &Failure)>) {
    let rows: u64 = slots.iter().filter_map(|slot| slot.known.as_ref()).map(|day| day.facts.rows).sum();
    let read = slots.iter().filter(|slot| slot.known.is_some()).count() as u64;
    let unit = if job.source.grain() == Grain::Monthly { "month" } else { "day" };
    screen::out(&format!("{BOLD}{}{BOLD:#}  {}, {}", job.name, plural(read, unit), plural(rows, "row")));
    if let Some(last) = slots.iter().filter_map(|slot| slot.known.as_ref()).map(|day| day.read_at).max() {
        screen::out(&format!("  last read {}", shown(last)));
    }
    if let Some((run, failure)) = failed {
        // `--check` and the page of the job show the context and the advice.
        let words = failure.text.lines().next().unwrap_or_default();
        let words = words.split(" (").next().unwrap_or_default();
        screen::out(&format!("  {RED}last run failed{RED:#} {}, exit {}", shown(run.started_at), run.exit_code));
        screen::out(&format!("    {words}"));
    }
    for note in notes {
        screen::out(&format!("  {DIM}note: {note}{DIM:#}"));
    }
    if job.source.grain() == Grain::Monthly {
        print_months(slots)
    } else {
        print_days(slots)
    }
    screen::out(&format!("  {}\n", legend(slots)));
}

fn print_days(slots: &[Slot]) {
    let (Some(first), Some(last)) = (slots.first(), slots.last()) else { return };
    screen::out(&format!("  {DIM}          1    5    10   15   20   25   30{DIM:#}"));
    let mut month = first_of_month(first.day);
    while month <= last.day {
        let mut line = format!("  {}   ", month.format("%Y-%m"));
        for day in Window::new(month, month_start(month, 1)).into_iter().flat_map(|window| window.days()) {
            match slots.binary_search_by_key(&day, |slot| slot.day).ok().and_then(|index| slots.get(index)) {
                Some(slot) => {
                    let (sign, style) = cell(slot);
                    line.push_str(&format!("{style}{sign}{style:#}"));
                }
                None => line.push(' '),
            }
        }
        screen::out(line.trim_end());
        month = month_start(month, 1);
    }
}

fn print_months(slots: &[Slot]) {
    let mut by_year: BTreeMap<i32, Vec<&Slot>> = BTreeMap::new();
    for slot in slots {
        by_year.entry(slot.day.year()).or_default().push(slot);
    }
    screen::out(&format!("  {DIM}      Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec{DIM:#}"));
    for (year, slots) in by_year {
        let mut line = format!("  {year}  ");
        for month in 1..=12 {
            match slots.iter().find(|slot| slot.day.month() == month) {
                Some(slot) => {
                    let (sign, style) = cell(slot);
                    line.push_str(&format!("{style}{sign}{style:#}   "));
                }
                None => line.push_str("    "),
            }
        }
        screen::out(line.trim_end());
    }
}

/// The signs that occur, with their counts.
fn legend(slots: &[Slot]) -> String {
    let states = [
        SlotState::Final,
        SlotState::Estimated,
        SlotState::Mismatch,
        SlotState::Held,
        SlotState::Failed,
        SlotState::Missing,
        SlotState::NotAvailable,
        SlotState::NotFinal,
        SlotState::Differing,
    ];
    let mut parts = Vec::new();
    for state in states {
        let mut of_state = slots.iter().filter(|slot| slot.state == state && slot.gap() != Some(STALE)).peekable();
        if let Some(slot) = of_state.peek() {
            let (sign, style) = cell(slot);
            parts.push(format!("{style}{sign}{style:#} {} {}", state.word(), of_state.count()));
        }
    }
    let stale = slots.iter().filter(|slot| slot.gap() == Some(STALE)).count();
    if stale > 0 {
        parts.push(format!("{RED}!{RED:#} stale {stale}"));
    }
    parts.join("   ")
}
