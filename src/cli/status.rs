//! `status`: a line for each table, or its calendar: a line per month and a cell per day.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use anstyle::Style;
use chrono::{DateTime, Datelike, Utc};

use crate::clients::Clients;
use crate::error::{Kind, Result};
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger_store::{LedgerStore, TableRecord, last_run};
use crate::pipeline::{Look, look};
use crate::plan::{STALE, Slot, SlotState, calendar};
use crate::report::{Failure, JobReport};
use crate::status;
use crate::status::line::{Facts, Line};
use crate::window::{Grain, Window, first_of_month, month_start};

use super::args::{Global, Output, UnitArguments};
use super::failures::Failures;
use super::screen::{self, BOLD, DIM, GREEN, RED, YELLOW, plural};
use super::units::{self, side_by_side};
use super::{client_config, clock, missing, open_lake, overview, progress, select, shown, tell_clock};

/// The arguments of `status`.
pub(super) struct Asked<'a> {
    pub(super) jobs: &'a [String],
    pub(super) check: bool,
    pub(super) calendar: bool,
    pub(super) units: &'a UnitArguments,
}

/// `costlake status`.
pub(super) async fn status(global: &Global, asked: &Asked<'_>) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, asked.jobs)?;
    let units = units::of(&jobs, asked.units)?;
    let clock = clock()?;
    tell_clock(clock);
    let now = clock.now();
    let (location, lake) = open_lake(global).await?;
    let nowhere = missing(&location, "costlake run");
    let clients = Clients::new(client_config(global));
    let mut failures = Failures::of(&broken);
    let kept = asked.keeps(global, units.len());
    let told = units.iter().map(|job| tell(&lake, &clients, job, now, kept, asked.check));
    let told = side_by_side(told.collect::<Vec<_>>(), asked.units.parallel.into()).await;
    let mut lines = Vec::new();
    for (job, told) in units.iter().zip(told) {
        match told {
            Ok((line, gaps)) => {
                for text in gaps {
                    let text = nowhere.clone().unwrap_or(text);
                    failures.add_text(&job.unit.to_string(), text, Kind::Gap);
                }
                lines.push(line);
            }
            Err(error) => failures.add(&job.unit, &job.unit.names(error)),
        }
    }
    // If the lake could not be read, do not list its other tables.
    let is_readable = [0, Kind::Gap.exit_code(), Kind::Config.exit_code()].contains(&failures.code());
    let is_whole = asked.jobs.is_empty() && asked.units.is_all() && is_readable;
    let known = units.iter().map(|job| job.unit.clone()).collect();
    let without_job = if is_whole { status::without_job(&lake, &known, &broken).await } else { Ok(Vec::new()) };
    let without_job = without_job.unwrap_or_else(|error| {
        failures.add_text("", error.report(), error.kind());
        Vec::new()
    });
    let code = failures.code();
    match (global.output, nowhere) {
        (Output::Json, _) => {
            let location = location.to_string();
            let documents = overview::documents(&lines);
            screen::json(&status::document(clock, &location, &documents, &without_job, &broken, code))?;
        }
        (_, Some(nowhere)) => screen::folded(&nowhere, 2),
        // Where no table could be read, the errors are all there is to say.
        _ if lines.is_empty() && !is_readable => {}
        _ if kept == Kept::Days => {
            lines.iter().filter_map(|line| line.table.as_ref()).for_each(Table::print);
            overview::print_without_job(&without_job);
        }
        _ => overview::print(&lines, &without_job, &broken, now),
    }
    failures.tell();
    Ok(code)
}

/// What is kept of each unit until it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    /// Everything, for its calendar.
    Days,
    /// The document with its days.
    Document,
    /// Its line, and of a table without accounts the document.
    Line,
}

impl Asked<'_> {
    /// Days of a table with accounts are told when they are asked for: a thousand accounts have a million of them.
    fn keeps(&self, global: &Global, units: usize) -> Kept {
        let is_chosen = self.calendar || !self.units.account.is_empty();
        match global.output {
            Output::Json if is_chosen => Kept::Document,
            Output::Json => Kept::Line,
            _ if self.calendar || units == 1 => Kept::Days,
            _ => Kept::Line,
        }
    }
}

/// The line of a unit, what of it is kept besides, and what `check` finds.
async fn tell<'j>(
    lake: &Arc<Lake>,
    clients: &Clients,
    job: &'j Job,
    now: DateTime<Utc>,
    kept: Kept,
    check: bool,
) -> Result<(overview::Shown<'j>, Vec<String>)> {
    let table = Table::of(read(lake, clients, job, now).await?, now);
    let gaps = if check { table.gaps() } else { Vec::new() };
    let has_document = kept == Kept::Document || kept == Kept::Line && job.unit.account.is_none();
    let document = has_document.then(|| table.document());
    Ok((overview::Shown { line: table.line(), document, table: (kept == Kept::Days).then_some(table) }, gaps))
}

/// What is known of a table.
pub(super) struct Table<'j> {
    pub(super) read: Read<'j>,
    pub(super) slots: Vec<Slot>,
    /// The failure of its last run, if that is not over.
    pub(super) failed: Option<Failure>,
    now: DateTime<Utc>,
}

impl<'j> Table<'j> {
    fn of(read: Read<'j>, now: DateTime<Utc>) -> Self {
        let slots = calendar(&read.job, &read.store.ledger, now);
        let failed = status::last_failure(read.last.as_ref());
        Self { read, slots, failed, now }
    }

    /// What `--check` finds.
    fn gaps(&self) -> Vec<String> {
        let job = &self.read.job;
        let gaps: Vec<&Slot> = self.slots.iter().filter(|slot| slot.gap().is_some()).collect();
        let mut found = Vec::new();
        if !gaps.is_empty() {
            found.push(gap_text(job, &gaps));
        }
        let refused = self.read.refused.as_ref().map(|failure| (failure, "runs of this job are refused"));
        if let Some((failure, what)) =
            refused.or_else(|| self.failed.as_ref().map(|failure| (failure, "its last run failed")))
        {
            found.push(format!("{}: {what}: {}", job.unit, failure.text));
        }
        found
    }

    fn document(&self) -> serde_json::Value {
        let Read { job, store, notes, last, .. } = &self.read;
        status::table(job, &self.slots, &store.ledger, notes, last.as_ref(), self.now)
    }

    fn line(&self) -> Line {
        let Read { job, store, notes, refused, last } = &self.read;
        let (ledger, refused, last) = (&store.ledger, refused.as_ref(), last.as_ref());
        Line::of(Facts { job, slots: &self.slots, ledger, notes, refused, last }, self.now)
    }

    fn print(&self) {
        let failed = self.read.last.as_ref().zip(self.failed.as_ref());
        print(&self.read.job, &self.slots, &self.line().notes, failed);
    }
}

/// The ledger, notes and last run of a job's table.
pub(super) struct Read<'j> {
    /// The job as it writes its table.
    pub(super) job: Cow<'j, Job>,
    pub(super) store: LedgerStore,
    pub(super) notes: Vec<String>,
    /// Why every run would be refused.
    pub(super) refused: Option<Failure>,
    pub(super) last: Option<JobReport>,
}

/// Reads the ledger, the notes and the last run of a job's table.
async fn read<'j>(lake: &Arc<Lake>, clients: &Clients, job: &'j Job, now: DateTime<Utc>) -> Result<Read<'j>> {
    let (store, mut notes) = LedgerStore::open_to_show(lake.clone(), &job.unit, job.source.grain(), now).await?;
    notes.extend(job.aws.note());
    let record = TableRecord::kept(lake, &job.unit).await?;
    let Look { origin, refused } = look(clients, job, &store, record.as_ref()).await?;
    notes.extend(origin);
    notes.extend(refused.as_ref().map(status::refused));
    let last = last_run(lake, &job.unit, now).await?;
    let job = record.as_ref().map_or(Cow::Borrowed(job), |record| record.job_of(job));
    Ok(Read { job, store, notes, refused, last })
}

fn gap_text(job: &Job, gaps: &[&Slot]) -> String {
    let named: Vec<String> =
        gaps.iter().take(10).filter_map(|slot| Some(format!("{} {}", slot.day, slot.gap()?))).collect();
    let more = if gaps.len() > 10 { format!(" and {} more", gaps.len() - 10) } else { String::new() };
    let (held, others): (Vec<&Slot>, Vec<&Slot>) = gaps.iter().partition(|slot| slot.state == SlotState::Held);
    let left: Vec<&Slot> = others.iter().copied().filter(|slot| slot.state == SlotState::NotFinal).collect();
    let run = |slots: &[&Slot]| format!("costlake run {}{}", job.unit.as_argument(), acceptance(job, slots));
    let mut advice = Vec::new();
    if !others.is_empty() {
        advice.push(run(&left));
    }
    if !held.is_empty() {
        advice.push(format!("look at the bill; if the new figures are right: {}", run(&held)));
    }
    format!("{}: {}{more}\n  what to do: {}", job.unit, named.join(", "), advice.join("; "))
}

/// The `--accept` flags for these days, by month.
fn acceptance(job: &Job, slots: &[&Slot]) -> String {
    let mut months: Vec<String> = slots.iter().map(|slot| slot.day.format("%Y-%m").to_string()).collect();
    months.dedup();
    let more = if months.len() > 10 { " …" } else { "" };
    let flags: Vec<String> =
        months.iter().take(10).map(|month| format!(" --accept {}:{month}", job.unit.table)).collect();
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
    screen::out(&format!("{BOLD}{}{BOLD:#}  {}, {}", job.unit, plural(read, unit), plural(rows, "row")));
    if let Some(last) = slots.iter().filter_map(|slot| slot.known.as_ref()).map(|day| day.read_at).max() {
        screen::out(&format!("  last read {}", shown(last)));
    }
    if let Some((run, failure)) = failed {
        // `--check` and the page of the job show the context and the advice.
        let words = failure.text.lines().next().unwrap_or_default();
        let words = words.split(" (").next().unwrap_or_default();
        screen::out(&format!("  {RED}last run failed{RED:#} {}: {}", shown(run.started_at), failure.words()));
        screen::folded(&format!("    {words}"), 0);
    }
    notes.iter().for_each(|note| screen::note(note));
    if job.source.grain() == Grain::Monthly {
        print_months(slots)
    } else {
        print_days(slots)
    }
    for line in legend(slots) {
        screen::out(&format!("  {line}"));
    }
    screen::out("");
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

/// Signs on a line of the legend.
const SIGNS: usize = 4;

/// The signs that occur, with their counts.
fn legend(slots: &[Slot]) -> Vec<String> {
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
    parts.chunks(SIGNS).map(|parts| parts.join("   ")).collect()
}
