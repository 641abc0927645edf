//! Answers a question from the objects of a table, and says what the answer rests on: which days it covers, when they
//! were read, and which of them are missing, stale, held, estimated or unsettled.
//!
//! Objects are read one after the other, and only the columns that the question needs; memory is that of one partition
//! and of the groups. Nothing is written and no API is asked.

mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};

use crate::answer::{Against, Answer, Grouping, Order, Question, Tally, earlier};
use crate::error::{Error, Kind, Result};
use crate::generation::footer::{self, Suffix};
use crate::generation::scan;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::ledger_store::data_key;
use crate::plan::{Slot, SlotState, calendar};
use crate::table::Table;
use crate::text::plural;
use crate::window::{Grain, Partition, Window, next_day};

pub use units::{OfAccount, ask_units};

/// The days of an answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Range {
    /// First day; without one the table's first day, of a snapshot its newest.
    pub from: Option<NaiveDate>,
    /// Last day; without one the table's last day.
    pub to: Option<NaiveDate>,
    /// The earlier range to compare with, if any.
    pub against: Option<Against>,
}

/// An answer, and what it rests on.
#[derive(Debug)]
pub struct Reply {
    /// The days that were asked for; `None` if the table holds none yet.
    pub window: Option<Window>,
    /// The earlier range beside them.
    pub before: Option<Window>,
    /// The sums.
    pub answer: Answer,
    /// The days of the range, with their states.
    pub slots: Vec<Slot>,
    /// The same of the earlier range.
    pub slots_before: Vec<Slot>,
    /// Days of the range that the table does not have: before it begins, or to come.
    pub absent: Vec<NaiveDate>,
    /// The same of the earlier range.
    pub absent_before: Vec<NaiveDate>,
    /// Days whose object is of another generation than the ledger knows: their figures are not those of `slots`. A run
    /// is between its object and its ledger, or ended there.
    pub displaced: Vec<NaiveDate>,
    /// Of a table with accounts: what the answer rests on, for each account. `slots` and the like are empty then.
    pub accounts: Vec<OfAccount>,
}

impl Reply {
    /// When the day of the range was read that was read longest ago, and the one that was read last.
    #[must_use]
    pub fn read_at(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let times = || self.slots.iter().filter_map(|slot| Some(slot.known.as_ref()?.read_at));
        let of_accounts = || self.accounts.iter().filter_map(|account| account.read_at);
        let oldest = times().chain(of_accounts().map(|(oldest, _)| oldest)).min();
        oldest.zip(times().chain(of_accounts().map(|(_, newest)| newest)).max())
    }

    /// The days of the range that are not final and current, by the word for what they are, the worst first.
    #[must_use]
    pub fn flags(&self) -> Vec<(&'static str, Vec<NaiveDate>)> {
        if !self.accounts.is_empty() {
            return of_any(self.accounts.iter().flat_map(|account| &account.flags));
        }
        let mut found = flags(&self.slots, &self.absent);
        let displaced = |slot: &&Slot| self.displaced.contains(&slot.day);
        let days: Vec<NaiveDate> = self.slots.iter().filter(displaced).map(|slot| slot.day).collect();
        if !days.is_empty() {
            found.insert(0, ("displaced", days));
        }
        found
    }

    /// The same of the earlier range.
    #[must_use]
    pub fn flags_before(&self) -> Vec<(&'static str, Vec<NaiveDate>)> {
        if !self.accounts.is_empty() {
            return of_any(self.accounts.iter().flat_map(|account| &account.flags_before));
        }
        flags(&self.slots_before, &self.absent_before)
    }
}

/// The states that are said of days, by their names in JSON documents.
const STATES: [(&str, SlotState); 8] = [
    ("missing", SlotState::Missing),
    ("held", SlotState::Held),
    ("unsettled", SlotState::Mismatch),
    ("failed", SlotState::Failed),
    ("not_final", SlotState::NotFinal),
    ("differing", SlotState::Differing),
    ("estimated", SlotState::Estimated),
    ("out_of_reach", SlotState::NotAvailable),
];

/// The place of a flag among the others, the worst first.
#[must_use]
pub fn rank(flag: &str) -> usize {
    let others = ["displaced", "not_in_table", "missing", "stale"].into_iter();
    let all = others.chain(STATES.iter().skip(1).map(|(name, _)| *name));
    all.take_while(|name| *name != flag).count()
}

/// The days that have a flag in any account.
fn of_any<'a>(all: impl Iterator<Item = &'a (&'static str, Vec<NaiveDate>)>) -> Vec<(&'static str, Vec<NaiveDate>)> {
    let mut found: BTreeMap<(usize, &'static str), BTreeSet<NaiveDate>> = BTreeMap::new();
    for (flag, days) in all {
        found.entry((rank(flag), flag)).or_default().extend(days);
    }
    found.into_iter().map(|((_, flag), days)| (flag, days.into_iter().collect())).collect()
}

/// The names of the flags in JSON documents, each with the days that have it.
fn flags(slots: &[Slot], absent: &[NaiveDate]) -> Vec<(&'static str, Vec<NaiveDate>)> {
    let days = |is: &dyn Fn(&Slot) -> bool| slots.iter().filter(|slot| is(slot)).map(|slot| slot.day).collect();
    let stale = ("stale", days(&|slot| slot.stale));
    let mut found: Vec<(&str, Vec<NaiveDate>)> =
        STATES.into_iter().map(|(name, state)| (name, days(&|slot| slot.state == state))).collect();
    found.insert(1, stale);
    found.insert(0, ("not_in_table", absent.to_vec()));
    found.retain(|(_, days)| !days.is_empty());
    found
}

/// Reads the objects of a table and answers. `job` is as it writes its table.
///
/// # Errors
/// [`Kind::Config`] when the range is no range of this table, [`Kind::Store`] when an object is gone or damaged.
pub async fn ask(
    lake: &Lake,
    job: &Job,
    ledger: &Ledger,
    now: DateTime<Utc>,
    question: &Question,
    range: Range,
    order: Order,
) -> Result<Reply> {
    let replies = ask_each(lake, job, ledger, now, question, &[range], order).await?;
    replies.into_iter().next().ok_or_else(|| Error::new(Kind::Internal, "a question had no answer"))
}

/// The same question over several ranges, one answer each: every object is read once.
///
/// # Errors
/// As for [`ask`].
pub async fn ask_each(
    lake: &Lake,
    job: &Job,
    ledger: &Ledger,
    now: DateTime<Utc>,
    question: &Question,
    ranges: &[Range],
    order: Order,
) -> Result<Vec<Reply>> {
    let slots = calendar(job, ledger, now);
    let mut spans = Vec::new();
    for range in ranges {
        check_times(job, question, *range)?;
        spans.push(match window_of(job, bounds_of(job, &slots), *range)? {
            Some(window) => Some((window, before_of(window, range.against)?)),
            None => None,
        });
    }
    let new = |(window, before): &(Window, Option<Window>)| Tally::new(question, *window, *before);
    let tallies = spans.iter().flatten().map(new).collect();
    let (tallies, displaced) = add_up(lake, job, ledger, tallies).await?;
    let answers = on_a_thread(move || tallies.into_iter().map(|tally| tally.finish(order)).collect::<Result<_>>());
    let mut answers = Vec::into_iter(answers.await?);
    let reply = |span: Option<(Window, Option<Window>)>| match span {
        Some((window, before)) => {
            let of = |window: Window| slots.iter().filter(|slot| window.contains(slot.day)).cloned().collect();
            let absent = |window: Window| absent(job, &slots, window);
            Reply {
                window: Some(window),
                before,
                answer: answers.next().unwrap_or_default(),
                absent: absent(window),
                absent_before: before.map(absent).unwrap_or_default(),
                slots_before: before.map(of).unwrap_or_default(),
                slots: of(window),
                displaced: displaced.clone(),
                accounts: Vec::new(),
            }
        }
        None => Reply {
            window: None,
            before: None,
            answer: Answer::default(),
            slots: slots.clone(),
            slots_before: Vec::new(),
            absent: Vec::new(),
            absent_before: Vec::new(),
            displaced: Vec::new(),
            accounts: Vec::new(),
        },
    };
    Ok(spans.into_iter().map(reply).collect())
}

/// The earlier range beside a window.
fn before_of(window: Window, against: Option<Against>) -> Result<Option<Window>> {
    let Some(against) = against else { return Ok(None) };
    let none = || Error::new(Kind::Config, format!("there is no earlier range to compare {window} with"));
    earlier(window, against).ok_or_else(none).map(Some)
}

/// The days of a window that the table does not have.
fn absent(job: &Job, slots: &[Slot], window: Window) -> Vec<NaiveDate> {
    let is_absent = |day: &NaiveDate| slots.binary_search_by_key(day, |slot| slot.day).is_err();
    job.source.grain().slots(window).filter(is_absent).collect()
}

/// Adds every object up that one of the tallies has days of; also returns the days of objects that are of another
/// generation than the ledger knows.
async fn add_up(
    lake: &Lake,
    job: &Job,
    ledger: &Ledger,
    mut tallies: Vec<Tally>,
) -> Result<(Vec<Tally>, Vec<NaiveDate>)> {
    let mut displaced = Vec::new();
    for partition in partitions(job.source.grain(), ledger) {
        if !tallies.iter().any(|tally| tally.touches(partition.window())) {
            continue;
        }
        let Some(object) = lake.read(&data_key(&job.unit, partition), None).await? else {
            return Err(Error::new(Kind::Store, "an object of the table is gone")
                .at("table", &job.unit.table)
                .at("partition", partition)
                .advise(way_out(job)));
        };
        if !is_of_ledger(ledger, partition, &object.bytes) {
            displaced.extend(partition.window().days());
        }
        let read = add(Arc::clone(job.source.table()), object.bytes, partition.window(), tallies).await;
        tallies =
            read.map_err(|error| error.at("table", &job.unit.table).at("partition", partition).advise(way_out(job)))?;
    }
    Ok((tallies, displaced))
}

/// Whether the object is of the generation that the ledger knows of its partition.
fn is_of_ledger(ledger: &Ledger, partition: Partition, bytes: &[u8]) -> bool {
    let known = ledger.partitions.get(&partition.to_string()).map(|state| state.epoch);
    !matches!(footer::from_suffix(bytes), Ok(Suffix::Whole(footer)) if Some(footer.epoch) != known)
}

fn way_out(job: &Job) -> String {
    format!("costlake verify {} shows the damage, --repair reads the days again", job.unit.as_argument())
}

/// Adds the rows of an object, on a blocking thread; the tallies are of one question. A decoder that panics on damaged
/// bytes is one that fails.
async fn add(table: Arc<Table>, bytes: Bytes, within: Window, mut tallies: Vec<Tally>) -> Result<Vec<Tally>> {
    let columns = tallies.first().map(|tally| tally.columns().to_vec()).unwrap_or_default();
    let work = move || {
        let enter = |arrays: &[_]| tallies.iter_mut().try_for_each(|tally| tally.add(within, arrays));
        scan(&table, bytes, &columns, enter).map(|()| tallies)
    };
    on_a_thread(work).await
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Error::new(Kind::Store, "the object in the lake cannot be decoded")))
}

/// Refuses groups in time that would stand for other days than they say.
fn check_times(job: &Job, question: &Question, range: Range) -> Result<()> {
    let has = |grouping: &Grouping| question.by.contains(grouping);
    if job.source.grain() == Grain::Monthly && (has(&Grouping::Day) || has(&Grouping::Week)) {
        return Err(Error::new(Kind::Config, format!("{} is by month: it has no days or weeks", job.unit.table))
            .at("flag", "--by")
            .advise("group by month"));
    }
    if range.against.is_some() && question.by.iter().any(|grouping| question.is_time(*grouping)) {
        return Err(Error::new(
            Kind::Config,
            "groups in time are of one range: they have no earlier figures beside them",
        )
        .at("flag", "--against")
        .advise("group by another column, or leave --against out"));
    }
    Ok(())
}

fn partitions(grain: Grain, ledger: &Ledger) -> Vec<Partition> {
    let mut found: Vec<Partition> = ledger.partitions.keys().filter_map(|name| grain.parse_partition(name)).collect();
    found.sort_unstable();
    found
}

/// Days of the longest range: each day that the table does not have is said.
const LONGEST: u64 = 36_525;

/// The first and the last day of a table; `None` if it holds none yet.
fn bounds_of(job: &Job, slots: &[Slot]) -> Option<(NaiveDate, NaiveDate)> {
    let is_snapshot = job.entry.rules.snapshot;
    if slots.iter().all(|slot| slot.known.is_none()) {
        return None;
    }
    // Days that are missing at either end are of the table too, and are said. A snapshot has the days that it was taken.
    let is_of_table = |slot: &&Slot| slot.known.is_some() || !is_snapshot && slot.state != SlotState::NotAvailable;
    let days = || slots.iter().filter(is_of_table).map(|slot| slot.day);
    days().min().zip(days().max())
}

/// The days to answer for: those asked for, or all that the table has between its first and last day.
fn window_of(job: &Job, bounds: Option<(NaiveDate, NaiveDate)>, range: Range) -> Result<Option<Window>> {
    let (grain, is_snapshot) = (job.source.grain(), job.entry.rules.snapshot);
    let Some((first, last)) = bounds else { return Ok(None) };
    let last = grain.slot_window(last).last();
    let to = range.to.unwrap_or(last);
    let from = range.from.unwrap_or(if is_snapshot { range.to.unwrap_or(last) } else { first });
    let Some(window) = Window::new(from, next_day(to)) else {
        let what = if range.to.is_some() { format!("{from} is after {to}") } else { format!("the table ends on {to}") };
        return Err(Error::new(Kind::Config, what)
            .at("table", &job.unit.table)
            .advise(format!("ask for days from {first} to {last}")));
    };
    if window.len() > LONGEST {
        return Err(Error::new(Kind::Config, format!("{window} is longer than a hundred years"))
            .at("table", &job.unit.table)
            .advise(format!("ask for days from {first} to {last}")));
    }
    if is_snapshot && window.len() > 1 {
        let error =
            Error::new(Kind::Config, format!("{} holds a state of each day: days are not added up", job.unit.table));
        return Err(error.at("range", window).advise(format!("ask for one day, such as --from {last} --to {last}")));
    }
    let is_whole = |day: NaiveDate| grain.slot_of(day) == day;
    if !(is_whole(window.start()) && is_whole(window.end())) {
        let error =
            Error::new(Kind::Config, format!("{} is by month, and {window} is not whole months", job.unit.table));
        return Err(error.advise("write months, such as --from 2026-10 --to 2026-11"));
    }
    Ok(Some(window))
}

/// A sentence on days that are not final and current: `3 days estimated (2026-11-26 to 2026-11-28)`.
#[must_use]
pub fn sentence(grain: Grain, flag: &str, days: &[NaiveDate]) -> String {
    let words = match flag {
        "held" => "held for review: earlier figures are shown",
        "unsettled" => "unsettled: earlier figures are shown",
        "not_final" => "not final, and no longer available",
        "not_in_table" => "not in the table",
        "out_of_reach" => "not available from the API",
        "failed" => "failed when last read",
        "differing" => "differing from the API's totals",
        "displaced" => "with newer figures than their states: a run is writing, or ended early",
        other => other,
    };
    let unit = if grain == Grain::Monthly { "month" } else { "day" };
    let runs = grain.windows(days.iter().copied());
    let shown: Vec<String> = runs.iter().take(RUNS).map(|run| said(grain, *run)).collect();
    let more = if runs.len() > RUNS { format!(" and {} more", runs.len() - RUNS) } else { String::new() };
    format!("{} {words} ({}{more})", plural(days.len() as u64, unit), shown.join(", "))
}

/// Runs of days that a sentence names.
const RUNS: usize = 3;

fn said(grain: Grain, run: Window) -> String {
    let text = |day: NaiveDate| day.format(if grain == Grain::Monthly { "%Y-%m" } else { "%Y-%m-%d" }).to_string();
    let (first, last) = (text(run.start()), text(run.last()));
    if first == last { first } else { format!("{first} to {last}") }
}
