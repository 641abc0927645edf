//! A question to all units of a table, whose sums are those of the table. The rows of the units are read one after the
//! other, so that memory is that of one unit and of the groups.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use futures::StreamExt;

use crate::answer::{Answer, Order, Question, Tally};
use crate::error::Result;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::ledger_store::LedgerStore;
use crate::plan::{Slot, calendar};
use crate::window::Window;

use super::{Range, Reply, absent, add_up, before_of, bounds_of, check_times, flags, on_a_thread, window_of};

/// Units whose ledgers are looked at side by side.
const SIDE_BY_SIDE: usize = 8;

/// A first and a last day.
type Bounds = (NaiveDate, NaiveDate);

/// What an answer rests on in one account.
#[derive(Debug)]
pub struct OfAccount {
    /// The account.
    pub account: String,
    /// Whether it has any data yet.
    pub is_filled: bool,
    /// As [`Reply::read_at`].
    pub read_at: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// As [`Reply::flags`].
    pub flags: Vec<(&'static str, Vec<NaiveDate>)>,
    /// As [`Reply::flags_before`].
    pub flags_before: Vec<(&'static str, Vec<NaiveDate>)>,
}

/// Answers from all `units`, which are jobs of one table as they write it. Also returns what is to be said of their
/// ledgers. Each ledger is read twice, because the days of the answer follow from all of them.
///
/// # Errors
/// As for [`super::ask`].
pub async fn ask_units(
    lake: &Arc<Lake>,
    units: &[Job],
    now: DateTime<Utc>,
    question: &Question,
    range: Range,
    order: Order,
) -> Result<(Reply, Vec<String>)> {
    let mut bounds: Option<Bounds> = None;
    let mut notes = Vec::new();
    units.iter().try_for_each(|unit| check_times(unit, question, range))?;
    let looks: Vec<_> = units.iter().map(|unit| look(lake, unit, now)).collect();
    let looks: Vec<_> = futures::stream::iter(looks).buffered(SIDE_BY_SIDE).collect().await;
    for look in looks {
        let (of_unit, told) = look?;
        notes.extend(told);
        if let Some((first, last)) = of_unit {
            bounds = Some(bounds.map_or((first, last), |known| (known.0.min(first), known.1.max(last))));
        }
    }
    let Some(any) = units.first() else { return Ok((nothing(), notes)) };
    let Some(window) = window_of(any, bounds, range)? else { return Ok((nothing(), notes)) };
    let before = before_of(window, range.against)?;
    let mut tally = Tally::new(question, window, before);
    let mut accounts = Vec::new();
    for unit in units {
        let (ledger, _) = open(lake, unit, now).await?;
        tally.set_account(unit.unit.account.as_deref().unwrap_or_default());
        let (tallies, displaced) =
            add_up(lake, unit, &ledger, vec![tally]).await.map_err(|error| unit.unit.names(error))?;
        let Some(added) = tallies.into_iter().next() else { return Ok((nothing(), notes)) };
        tally = added;
        accounts.push(of_account(unit, &calendar(unit, &ledger, now), displaced, window, before));
    }
    let answer = on_a_thread(move || tally.finish(order)).await?;
    Ok((Reply { window: Some(window), before, answer, accounts, ..nothing() }, notes))
}

/// The first and the last day of a unit, and what is to be said of its ledger.
async fn look(lake: &Arc<Lake>, unit: &Job, now: DateTime<Utc>) -> Result<(Option<Bounds>, Vec<String>)> {
    let (ledger, notes) = open(lake, unit, now).await?;
    Ok((bounds_of(unit, &calendar(unit, &ledger, now)), notes))
}

async fn open(lake: &Arc<Lake>, unit: &Job, now: DateTime<Utc>) -> Result<(Ledger, Vec<String>)> {
    let opened = LedgerStore::open_to_show(Arc::clone(lake), &unit.unit, unit.source.grain(), now).await;
    let (store, notes) = opened.map_err(|error| unit.unit.names(error))?;
    let account = unit.unit.account.as_deref().unwrap_or_default();
    let said = |note: String| if account.is_empty() { note } else { format!("{account}: {note}") };
    Ok((store.ledger, notes.into_iter().map(said).collect()))
}

fn of_account(
    unit: &Job,
    slots: &[Slot],
    displaced: Vec<NaiveDate>,
    window: Window,
    before: Option<Window>,
) -> OfAccount {
    let part = |window: Window| Reply {
        slots: slots.iter().filter(|slot| window.contains(slot.day)).cloned().collect(),
        absent: absent(unit, slots, window),
        ..nothing()
    };
    let now = Reply { displaced, ..part(window) };
    OfAccount {
        account: unit.unit.account.clone().unwrap_or_default(),
        is_filled: slots.iter().any(|slot| slot.known.is_some()),
        read_at: now.read_at(),
        flags: now.flags(),
        flags_before: before.map(part).map_or_else(Vec::new, |part| flags(&part.slots, &part.absent)),
    }
}

/// The reply of a table without data.
fn nothing() -> Reply {
    Reply {
        window: None,
        before: None,
        answer: Answer::default(),
        slots: Vec::new(),
        slots_before: Vec::new(),
        absent: Vec::new(),
        absent_before: Vec::new(),
        displaced: Vec::new(),
        accounts: Vec::new(),
    }
}
