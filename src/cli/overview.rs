//! The tables of a lake, a line each: what is not well first.

use anstyle::Style;
use chrono::{DateTime, TimeDelta, Utc};

use crate::job::BrokenJob;
use crate::plan::{STALE, Slot, SlotState};

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

/// Prints the overview.
pub(super) fn print(tables: &[Table<'_>], without_job: &[String], broken: &[BrokenJob], now: DateTime<Utc>) {
    let mut rows: Vec<_> = tables.iter().map(|table| row(table, now)).collect();
    rows.sort_by_key(|(health, _)| *health);
    let well = rows.iter().filter(|(health, _)| *health == Health::Current).count();
    let other = |name: &str, state: &str| ([name, "-", "-", state].map(str::to_owned).to_vec(), RED);
    let broken = broken.iter().map(|broken| other(&broken.name(), "errors in file"));
    let without_job = without_job.iter().map(|name| other(name, NO_JOB));
    let rows = broken.chain(rows.into_iter().map(|(_, row)| row)).chain(without_job);
    screen::out(&grid(&["table", "newest", "last run", "state"], &[], rows));
    let all = plural(tables.len() as u64, "table");
    let rest = tables.len() - well;
    let counted = if rest == 0 { "all current".to_owned() } else { format!("{well} current, {rest} not") };
    screen::out(&format!("\n{BOLD}{all}{BOLD:#}: {counted}. {DIM}Days: costlake status TABLE, or --calendar{DIM:#}"));
    let told: Vec<(String, String)> = tables
        .iter()
        .flat_map(|table| table.notes().into_iter().map(|note| (table.read.job.name.clone(), note)))
        .collect();
    notes(tables.len(), &told);
}

/// Prints the tables without a job, where calendars are shown.
pub(super) fn print_without_job(names: &[String]) {
    for name in names {
        screen::out(&screen::titled(name, NO_JOB));
    }
}

fn row(table: &Table<'_>, now: DateTime<Utc>) -> (Health, (Vec<String>, Style)) {
    let newest = table.slots.iter().filter(|slot| slot.known.is_some()).map(|slot| slot.day).max();
    let read = table.slots.iter().filter_map(|slot| Some(slot.known.as_ref()?.read_at)).max();
    let last = table.read.last.as_ref().map(|run| run.started_at).or(read);
    let (health, state) = state(table);
    let style = match health {
        Health::Failed | Health::Gaps => RED,
        Health::Empty => YELLOW,
        Health::Current => GREEN,
    };
    let cells = vec![
        table.read.job.name.clone(),
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
