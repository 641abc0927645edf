//! One line of a unit: how well it is, and how many of its days are in which state.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::job::Job;
use crate::ledger::Ledger;
use crate::plan::{STALE, Slot, SlotState, begins_on};
use crate::report::{Failure, JobReport};
use crate::text::count;
use crate::unit::Unit;

use super::{about, last_failure};

/// How well a table is; the order is that of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Its last run failed, or every run is refused.
    Failed,
    /// Days are missing, stale, held or wrong.
    Gaps,
    /// Nothing has been read yet.
    Empty,
    /// Nothing is missing or out of date.
    Current,
}

/// A unit in a line.
#[derive(Debug, Clone)]
pub struct Line {
    /// The table, or the part of an account in it.
    pub unit: Unit,
    /// Its source.
    pub source: &'static str,
    /// How well it is.
    pub health: Health,
    /// The newest day (or month) with rows.
    pub newest: Option<NaiveDate>,
    /// When its last run began, or else when a day was last read.
    pub last: Option<DateTime<Utc>>,
    /// Its state in words.
    pub state: String,
    /// How many days (or months) are in each state; `stale` is one.
    pub days: BTreeMap<&'static str, u64>,
    /// Notes on it.
    pub notes: Vec<String>,
}

/// What a line is made of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The job as it writes its table.
    pub job: &'a Job,
    /// The slots of the table.
    pub slots: &'a [Slot],
    /// Its ledger.
    pub ledger: &'a Ledger,
    /// Notes from reading it.
    pub notes: &'a [String],
    /// Why every run would be refused.
    pub refused: Option<&'a Failure>,
    /// Its last run.
    pub last: Option<&'a JobReport>,
}

impl Line {
    /// The line of a table at `now`.
    #[must_use]
    pub fn of(facts: Facts<'_>, now: DateTime<Utc>) -> Self {
        let Facts { job, slots, ledger, notes, last, .. } = facts;
        let read = slots.iter().filter_map(|slot| Some(slot.known.as_ref()?.read_at)).max();
        let (health, state) = state(facts, now);
        let mut days = BTreeMap::new();
        for slot in slots {
            *days.entry(if slot.gap() == Some(STALE) { STALE } else { slot.state.word() }).or_default() += 1;
        }
        Self {
            unit: job.unit.clone(),
            source: job.entry.name,
            health,
            newest: slots.iter().filter(|slot| slot.known.is_some()).map(|slot| slot.day).max(),
            last: last.map(|run| run.started_at).or(read),
            state,
            days,
            notes: notes.iter().cloned().chain(about(job, ledger, now)).collect(),
        }
    }

    /// The line for machines, without notes.
    #[must_use]
    pub fn document(&self) -> Value {
        json!({ "account": self.unit.account, "state": self.state, "days": self.days })
    }
}

fn state(facts: Facts<'_>, now: DateTime<Utc>) -> (Health, String) {
    let Facts { job, slots, refused, last, .. } = facts;
    let gaps = counted(slots);
    let but = |health: Health, words: String| {
        (health, if gaps.is_empty() { words } else { format!("{words}; {}", gaps.join(", ")) })
    };
    if let Some(refused) = refused {
        return but(Health::Failed, format!("refused: {}", refused.words()));
    }
    if let Some(failed) = last_failure(last) {
        return but(Health::Failed, failed.words());
    }
    if slots.iter().any(|slot| slot.gap().is_some()) {
        let is_empty = slots.iter().all(|slot| slot.known.is_none());
        if is_empty && last.is_none() {
            return (Health::Empty, "not read yet".to_owned());
        }
        return (Health::Gaps, gaps.join(", "));
    }
    but(Health::Current, begins_on(job, now).map_or_else(|| "current".to_owned(), |first| format!("begins on {first}")))
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

/// The document of a table with accounts: how many days of all of them are in each state, and its accounts that are
/// not current, at most `listed` of them; how many more there are is said.
#[must_use]
pub fn document_of_accounts(lines: &[&Line], listed: usize) -> Value {
    let mut days: BTreeMap<&str, u64> = BTreeMap::new();
    lines.iter().flat_map(|line| &line.days).for_each(|(state, count)| *days.entry(state).or_default() += count);
    let unwell: Vec<&&Line> = lines.iter().filter(|line| line.health != Health::Current).collect();
    let notes: BTreeSet<&String> = lines.iter().flat_map(|line| &line.notes).collect();
    let first = lines.first();
    let mut document = json!({
        "table": first.map(|line| &line.unit.table), "source": first.map(|line| line.source), "accounts": lines.len(),
        "days": days, "not_current": unwell.iter().take(listed).map(|line| line.document()).collect::<Vec<_>>(),
        "notes": notes.iter().take(listed).collect::<Vec<_>>(),
    });
    if let Some(more) = unwell.len().checked_sub(listed).filter(|more| *more > 0) {
        document["not_current_left_out"] = json!(more);
    }
    document
}
