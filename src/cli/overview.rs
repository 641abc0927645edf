//! The tables of a lake, a line each: what is not well first.

use std::collections::{BTreeMap, BTreeSet};

use anstyle::Style;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::job::BrokenJob;
use crate::plan::{STALE, Slot, SlotState};
use crate::unit::Unit;

use super::failures::notes;
use super::screen::{self, BOLD, DIM, GREEN, RED, YELLOW, count, grid, plural};
use super::status::Table;

const NO_JOB: &str = "without a job: nothing brings it up to date";

/// How well a table is; the order is that of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Health {
    Failed,
    Gaps,
    Empty,
    Current,
}

/// A unit's line, and what of it is kept to be shown.
pub(super) struct Line<'j> {
    unit: Unit,
    source: &'static str,
    health: Health,
    newest: Option<NaiveDate>,
    last: Option<DateTime<Utc>>,
    state: String,
    /// How many days are in each state.
    days: BTreeMap<&'static str, u64>,
    notes: Vec<String>,
    pub(super) document: Option<Value>,
    pub(super) table: Option<Table<'j>>,
}

impl Line<'_> {
    /// The line of a table.
    pub(super) fn of(table: &Table<'_>) -> Self {
        let job = &table.read.job;
        let read = table.slots.iter().filter_map(|slot| Some(slot.known.as_ref()?.read_at)).max();
        let (health, state) = state(table);
        let mut days = BTreeMap::new();
        for slot in &table.slots {
            *days.entry(if slot.gap() == Some(STALE) { STALE } else { slot.state.word() }).or_default() += 1;
        }
        Self {
            unit: job.unit.clone(),
            source: job.entry.name,
            health,
            newest: table.slots.iter().filter(|slot| slot.known.is_some()).map(|slot| slot.day).max(),
            last: table.read.last.as_ref().map(|run| run.started_at).or(read),
            state,
            days,
            notes: table.notes(),
            document: None,
            table: None,
        }
    }

    fn row(&self, now: DateTime<Utc>) -> (Health, Row) {
        row_of(self.unit.to_string(), self.health, self.newest, self.last, self.state.clone(), now)
    }
}

type Row = (Vec<String>, Style);

/// Accounts of a table that are not well and have a line each; more are counted.
const LISTED: usize = 10;

/// The lines of a table: one, or with accounts one for all and one for each that is not well.
fn rows_of(lines: &[Line<'_>], now: DateTime<Utc>) -> Vec<(Health, Row)> {
    let Some(first) = lines.first().filter(|line| line.unit.account.is_some()) else {
        return lines.iter().map(|line| line.row(now)).collect();
    };
    let unwell: Vec<&Line<'_>> = lines.iter().filter(|line| line.health != Health::Current).collect();
    let health = unwell.iter().map(|line| line.health).min().unwrap_or(Health::Current);
    let (newest, last) =
        (lines.iter().filter_map(|line| line.newest).max(), lines.iter().filter_map(|line| line.last).max());
    let well = lines.len() - unwell.len();
    let state = match unwell.len() {
        0 => format!("{}: all current", plural(lines.len() as u64, "account")),
        bad => format!("{}: {well} current, {bad} not", plural(lines.len() as u64, "account")),
    };
    let mut rows = vec![row_of(first.unit.table.clone(), health, newest, last, state, now)];
    rows.extend(unwell.iter().take(LISTED).map(|line| (health, line.row(now).1)));
    if let Some(more) = unwell.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let words = format!("of {} more", plural(more as u64, "account"));
        rows.push((health, (vec![words, "-".to_owned(), "-".to_owned(), "not current".to_owned()], RED)));
    }
    rows
}

fn by_table<'l, 'j>(lines: &'l [Line<'j>]) -> impl Iterator<Item = &'l [Line<'j>]> {
    lines.chunk_by(|a, b| a.unit.table == b.unit.table)
}

/// The documents of the tables: with days those that kept them, and one for all accounts of a table otherwise.
pub(super) fn documents(lines: &[Line<'_>]) -> Vec<Value> {
    let mut documents: Vec<Value> = Vec::new();
    for of_table in by_table(lines) {
        if of_table.iter().all(|line| line.document.is_some()) {
            documents.extend(of_table.iter().filter_map(|line| line.document.clone()));
            continue;
        }
        let mut days: BTreeMap<&str, u64> = BTreeMap::new();
        of_table.iter().flat_map(|line| &line.days).for_each(|(state, count)| *days.entry(state).or_default() += count);
        let unwell = of_table.iter().filter(|line| line.health != Health::Current);
        let unwell: Vec<Value> = unwell
            .map(|line| json!({ "account": line.unit.account, "state": line.state, "days": line.days }))
            .collect();
        let notes: BTreeSet<&String> = of_table.iter().flat_map(|line| &line.notes).collect();
        documents.push(json!({
            "table": of_table[0].unit.table, "source": of_table[0].source, "accounts": of_table.len(), "days": days,
            "not_current": unwell, "notes": notes,
        }));
    }
    documents
}

/// Prints the overview.
pub(super) fn print(lines: &[Line<'_>], without_job: &[String], broken: &[BrokenJob], now: DateTime<Utc>) {
    let mut rows: Vec<_> = by_table(lines).flat_map(|of_table| rows_of(of_table, now)).collect();
    rows.sort_by_key(|(health, _)| *health);
    let tables: Vec<bool> =
        by_table(lines).map(|of_table| of_table.iter().all(|line| line.health == Health::Current)).collect();
    let well = tables.iter().filter(|is_well| **is_well).count();
    let other = |name: &str, state: &str| ([name, "-", "-", state].map(str::to_owned).to_vec(), RED);
    let broken = broken.iter().map(|broken| other(&broken.name(), "errors in file"));
    let without_job = without_job.iter().map(|name| other(name, NO_JOB));
    let rows = broken.chain(rows.into_iter().map(|(_, row)| row)).chain(without_job);
    screen::out(&grid(&["table", "newest", "last run", "state"], &[], rows));
    let all = plural(tables.len() as u64, "table");
    let rest = tables.len() - well;
    let counted = if rest == 0 { "all current".to_owned() } else { format!("{well} current, {rest} not") };
    screen::out(&format!("\n{BOLD}{all}{BOLD:#}: {counted}. {DIM}Days: costlake status TABLE, or --calendar{DIM:#}"));
    let told: Vec<(String, String)> =
        lines.iter().flat_map(|line| line.notes.iter().map(|note| (line.unit.to_string(), note.clone()))).collect();
    notes(lines.len(), &told);
}

/// Prints the tables without a job, where calendars are shown.
pub(super) fn print_without_job(names: &[String]) {
    for name in names {
        screen::out(&screen::titled(name, NO_JOB));
    }
}

fn row_of(
    name: String,
    health: Health,
    newest: Option<NaiveDate>,
    last: Option<DateTime<Utc>>,
    state: String,
    now: DateTime<Utc>,
) -> (Health, Row) {
    let style = match health {
        Health::Failed | Health::Gaps => RED,
        Health::Empty => YELLOW,
        Health::Current => GREEN,
    };
    let cells = vec![
        name,
        newest.map_or_else(|| "-".to_owned(), |day| day.to_string()),
        last.map_or_else(|| "never".to_owned(), |at| age(at, now)),
        state,
    ];
    (health, (cells, style))
}

fn state(table: &Table<'_>) -> (Health, String) {
    let gaps = counted(&table.slots);
    let but = |health: Health, words: String| {
        (health, if gaps.is_empty() { words } else { format!("{words}; {}", gaps.join(", ")) })
    };
    if let Some(refused) = &table.read.refused {
        return but(Health::Failed, format!("refused: {}", refused.words()));
    }
    if let Some(failed) = &table.failed {
        return but(Health::Failed, failed.words());
    }
    if table.slots.iter().any(|slot| slot.gap().is_some()) {
        let is_empty = table.slots.iter().all(|slot| slot.known.is_none());
        if is_empty && table.read.last.is_none() {
            return (Health::Empty, "not read yet".to_owned());
        }
        return (Health::Gaps, gaps.join(", "));
    }
    but(Health::Current, table.begins_on().map_or_else(|| "current".to_owned(), |first| format!("begins on {first}")))
}

/// How many days are not well, or not final: `3 missing, 19 estimated`.
fn counted(slots: &[Slot]) -> Vec<String> {
    let states = [
        SlotState::Missing,
        SlotState::Held,
        SlotState::Mismatch,
        SlotState::Failed,
        SlotState::NotFinal,
        SlotState::Estimated,
    ];
    let stale = slots.iter().filter(|slot| slot.gap() == Some(STALE)).count();
    let of_state =
        |state: SlotState| slots.iter().filter(|slot| slot.state == state && slot.gap() != Some(STALE)).count();
    let mut all: Vec<(usize, &str)> = states.map(|state| (of_state(state), state.word())).to_vec();
    all.insert(1, (stale, STALE));
    all.into_iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{} {word}", count(n as u64))).collect()
}

/// How long ago it was: `5m ago`, `3h ago`, `12d ago`.
fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let age = now - at;
    if age < TimeDelta::zero() {
        at.format("%Y-%m-%d").to_string()
    } else if age < TimeDelta::hours(1) {
        format!("{}m ago", age.num_minutes())
    } else if age < TimeDelta::hours(48) {
        format!("{}h ago", age.num_hours())
    } else {
        format!("{}d ago", age.num_days())
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::age;

    #[test]
    fn an_age_is_short() {
        let at = DateTime::UNIX_EPOCH;
        for (seconds, wanted) in [(59, "0m ago"), (3_599, "59m ago"), (7_300, "2h ago"), (1_000_000, "11d ago")] {
            assert_eq!(age(at, at + TimeDelta::seconds(seconds)), wanted);
        }
        assert_eq!(age(at, at - TimeDelta::seconds(1)), "1970-01-01");
    }
}
