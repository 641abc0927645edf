//! The tables of a lake, a line each: what is not well first.

use anstyle::Style;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::Value;

use crate::job::BrokenJob;
use crate::status::line::{Health, Line, document_of_accounts};

use super::failures::notes;
use super::screen::{self, BOLD, DIM, GREEN, RED, YELLOW, grid, plural};
use super::status::Table;

const NO_JOB: &str = "without a job: nothing brings it up to date";

/// A unit's line, and what of it is kept to be shown.
pub(super) struct Shown<'j> {
    pub(super) line: Line,
    pub(super) document: Option<Value>,
    pub(super) table: Option<Table<'j>>,
}

fn row(line: &Line, now: DateTime<Utc>) -> (Health, Row) {
    row_of(line.unit.to_string(), line.health, line.newest, line.last, line.state.clone(), now)
}

type Row = (Vec<String>, Style);

/// Accounts of a table that are not well and have a line each; more are counted.
const LISTED: usize = 10;

/// The lines of a table: one, or with accounts one for all and one for each that is not well.
fn rows_of(shown: &[Shown<'_>], now: DateTime<Utc>) -> Vec<(Health, Row)> {
    let lines: Vec<&Line> = shown.iter().map(|shown| &shown.line).collect();
    let Some(first) = lines.first().filter(|line| line.unit.account.is_some()) else {
        return lines.iter().map(|line| row(line, now)).collect();
    };
    let unwell: Vec<&&Line> = lines.iter().filter(|line| line.health != Health::Current).collect();
    let health = unwell.iter().map(|line| line.health).min().unwrap_or(Health::Current);
    let (newest, last) =
        (lines.iter().filter_map(|line| line.newest).max(), lines.iter().filter_map(|line| line.last).max());
    let well = lines.len() - unwell.len();
    let state = match unwell.len() {
        0 => format!("{}: all current", plural(lines.len() as u64, "account")),
        bad => format!("{}: {well} current, {bad} not", plural(lines.len() as u64, "account")),
    };
    let mut rows = vec![row_of(first.unit.table.clone(), health, newest, last, state, now)];
    rows.extend(unwell.iter().take(LISTED).map(|line| (health, row(line, now).1)));
    if let Some(more) = unwell.len().checked_sub(LISTED).filter(|more| *more > 0) {
        let words = plural(more as u64, "more account");
        rows.push((health, (vec![words, "-".to_owned(), "-".to_owned(), "not current".to_owned()], RED)));
    }
    rows
}

fn by_table<'l, 'j>(shown: &'l [Shown<'j>]) -> impl Iterator<Item = &'l [Shown<'j>]> {
    shown.chunk_by(|a, b| a.line.unit.table == b.line.unit.table)
}

/// The documents of the tables: with days those that kept them, and one for all accounts of a table otherwise.
pub(super) fn documents(shown: &[Shown<'_>]) -> Vec<Value> {
    let of_table = |of_table: &[Shown<'_>]| -> Vec<Value> {
        let whole: Option<Vec<Value>> = of_table.iter().map(|shown| shown.document.clone()).collect();
        let lines: Vec<&Line> = of_table.iter().map(|shown| &shown.line).collect();
        whole.unwrap_or_else(|| vec![document_of_accounts(&lines, usize::MAX)])
    };
    by_table(shown).flat_map(of_table).collect()
}

/// Prints the overview.
pub(super) fn print(shown: &[Shown<'_>], without_job: &[String], broken: &[BrokenJob], now: DateTime<Utc>) {
    let mut rows: Vec<_> = by_table(shown).flat_map(|of_table| rows_of(of_table, now)).collect();
    rows.sort_by_key(|(health, _)| *health);
    let tables: Vec<bool> =
        by_table(shown).map(|of_table| of_table.iter().all(|shown| shown.line.health == Health::Current)).collect();
    let well = tables.iter().filter(|is_well| **is_well).count();
    let other = |name: &str, state: &str| ([name, "-", "-", state].map(str::to_owned).to_vec(), RED);
    let broken = broken.iter().map(|broken| other(&broken.name(), "errors in file"));
    let without_job = without_job.iter().map(|name| other(name, NO_JOB));
    let rows = broken.chain(rows.into_iter().map(|(_, row)| row)).chain(without_job);
    screen::out(&grid(&["table", "newest", "last run", "state"], &[], rows));
    let all = plural(tables.len() as u64, "table");
    let rest = tables.len() - well;
    let counted = if rest == 0 { "all current".to_owned() } else { format!("{well} current, {rest} not") };
    let has_accounts = shown.iter().any(|shown| shown.line.unit.account.is_some());
    let days = if has_accounts { "Days: --calendar" } else { "Days: costlake status TABLE, or --calendar" };
    screen::out(&format!("\n{BOLD}{all}{BOLD:#}: {counted}. {DIM}{days}{DIM:#}"));
    let told: Vec<(String, String)> = shown
        .iter()
        .flat_map(|shown| shown.line.notes.iter().map(|note| (shown.line.unit.to_string(), note.clone())))
        .collect();
    notes(shown.len(), &told);
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
