//! What was restated: days and months whose rows a later generation replaced with others, as the ledgers know them.
//! Sums are those of the ledgers, which keep them of decimals alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::answer::Question;
use crate::decimal;
use crate::generation::Changes;
use crate::job::Job;
use crate::ledger::{Ledger, Revision};
use crate::scheduler::glances::{Known, Seen};
use crate::scheduler::jobs::JobState;
use crate::table::{ColumnType, Sums};
use crate::text::counted;
use crate::unit::Unit;
use crate::window::Grain;

use super::view::JobFacts;

/// Days back that the log reaches.
pub const DAYS: u64 = 90;
/// Most restatements in the log.
pub const MOST: usize = 200;

/// The newest restatements of all tables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    /// The newest first, at most [`MOST`].
    pub entries: Vec<Entry>,
    /// How many there are in the last [`DAYS`] days.
    pub total: usize,
    /// In how many tables.
    pub tables: usize,
    /// Tables whose ledger cannot be read, each with the error.
    pub unread: Vec<(String, String)>,
    /// Whether only days are listed that were no estimate before.
    pub only_final: bool,
}

/// One day or month of a table that was restated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When the new rows were committed.
    pub at: DateTime<Utc>,
    /// The table.
    pub unit: Unit,
    /// Whether `slot` is a day or a month.
    pub grain: Grain,
    /// The day, or the 1st of the month.
    pub slot: NaiveDate,
    /// Whether the old rows were an estimate.
    pub estimated_before: bool,
    /// Whether the new rows are one.
    pub estimated: bool,
    /// Sums that changed. Without any, the rows differ otherwise.
    pub sums: Vec<Restated>,
    /// Rows before and since.
    pub rows: (u64, u64),
    /// How many rows changed, if known.
    pub changes: Option<Changes>,
}

/// The sum of a column before and since. Amounts are counts of 10^-12.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restated {
    /// The column.
    pub column: String,
    /// The old sum.
    pub before: i128,
    /// The new one.
    pub after: i128,
    /// Currency of the old sum, if it has one.
    pub unit_before: Option<String>,
    /// Currency of the new one.
    pub unit: Option<String>,
}

/// The revisions of a ledger that were committed at `since` or later: when, of which slot, and what changed.
pub(super) fn since(
    ledger: &Ledger,
    since: DateTime<Utc>,
) -> impl Iterator<Item = (DateTime<Utc>, NaiveDate, &Revision)> {
    ledger.partitions.values().map(|partition| &partition.history).flat_map(move |history| {
        let revisions = history.revisions.iter().flat_map(|(slot, known)| known.iter().map(move |of| (*slot, of)));
        revisions.filter_map(move |(slot, (epoch, revision))| {
            let at = history.generations.get(epoch).copied().filter(|at| *at >= since)?;
            Some((at, slot, revision))
        })
    })
}

/// The sum of a column, if it was kept.
pub(super) fn sum(sums: &crate::sums::Sums, column: &str) -> Option<i128> {
    sums.get(column).and_then(|text| decimal::parse(text).ok())
}

/// What was restated in one unit, in short: the newest as commit time and slot.
#[derive(Debug, Clone, Default)]
struct Brief {
    newest: Vec<(DateTime<Utc>, NaiveDate)>,
    total: usize,
    /// The same of days that were no estimate before.
    newest_final: Vec<(DateTime<Utc>, NaiveDate)>,
    total_final: usize,
}

impl Brief {
    /// Of a ledger, since `first`.
    fn of(ledger: &Ledger, first: DateTime<Utc>) -> Self {
        let newest = |only_final: bool| {
            let found = since(ledger, first).filter(|(_, _, revision)| !(only_final && revision.estimated_before));
            let mut all: Vec<_> = found.map(|(at, slot, _)| (at, slot)).collect();
            all.sort_unstable_by(|a, b| b.cmp(a));
            let total = all.len();
            all.truncate(MOST);
            (all, total)
        };
        let ((newest, total), (newest_final, total_final)) = (newest(false), newest(true));
        Self { newest, total, newest_final, total_final }
    }

    fn found(&self, only_final: bool) -> (&[(DateTime<Utc>, NaiveDate)], usize) {
        if only_final { (&self.newest_final, self.total_final) } else { (&self.newest, self.total) }
    }
}

/// Commit time and slot of a restatement, and the index of its unit.
type Found = (DateTime<Utc>, NaiveDate, usize);

/// The newest of all units, how many there are, and in how many tables.
fn newest_of(briefs: &[(&Unit, &Brief)], only_final: bool) -> (Vec<Found>, usize, usize) {
    let (mut all, mut total, mut tables) = (Vec::new(), 0, BTreeSet::new());
    for (index, (unit, brief)) in briefs.iter().enumerate() {
        let (newest, number) = brief.found(only_final);
        all.extend(newest.iter().map(|(at, slot)| (*at, *slot, index)));
        total += number;
        if number > 0 {
            tables.insert(&unit.table);
        }
    }
    let tables = tables.len();
    all.sort_unstable_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then(a.2.cmp(&b.2)));
    all.truncate(MOST);
    (all, total, tables)
}

/// The beginning of the log at `now`.
fn first_of(now: DateTime<Utc>) -> DateTime<Utc> {
    now.checked_sub_days(Days::new(DAYS)).unwrap_or(DateTime::UNIX_EPOCH)
}

/// The log of some units at `now`, sorted by name. Snapshots have no part in it: each is a table as of its day.
#[must_use]
pub fn log(jobs: &[JobFacts], now: DateTime<Utc>, only_final: bool) -> Log {
    let first = first_of(now);
    let told: Vec<&JobFacts> = jobs.iter().filter(|job| !job.job.entry.rules.snapshot).collect();
    let briefs: Vec<Brief> = told.iter().map(|job| Brief::of(&job.ledger, first)).collect();
    let named: Vec<_> = told.iter().map(|job| &job.job.unit).zip(&briefs).collect();
    let (newest, total, tables) = newest_of(&named, only_final);
    let entry = |(at, slot, index): Found| {
        let job = told.get(index)?;
        entry_of(at, slot, &job.job, &job.ledger)
    };
    let unread = jobs.iter().filter_map(|job| Some((job.job.unit.to_string(), job.lake_error.clone()?)));
    let entries = newest.into_iter().filter_map(entry).collect();
    Log { total, entries, tables, unread: unread.collect(), only_final }
}

/// What was restated in many units, as of the version of each and the day.
#[derive(Debug, Default)]
pub(super) struct Briefs(BTreeMap<Unit, (u64, NaiveDate, Arc<Brief>)>);

impl Briefs {
    /// The log of many units at `now`. The ledgers of those that have changed since the last one are read from memory.
    pub(super) async fn log(&mut self, units: &[(JobState, Seen)], now: DateTime<Utc>, only_final: bool) -> Log {
        let (first, day) = (first_of(now), now.date_naive());
        let known = units.iter().filter_map(|(_, seen)| seen.known.as_ref());
        let told: Vec<&Arc<Known>> = known.filter(|known| !known.job.entry.rules.snapshot).collect();
        let mut briefs = BTreeMap::new();
        for known in &told {
            let unit = &known.job.unit;
            let brief = match self.0.get(unit) {
                Some((version, of, brief)) if (*version, *of) == (known.version, day) => Arc::clone(brief),
                _ => {
                    tokio::task::yield_now().await;
                    Arc::new(known.ledger().map(|ledger| Brief::of(&ledger, first)).unwrap_or_default())
                }
            };
            briefs.insert(unit.clone(), (known.version, day, brief));
        }
        self.0 = briefs;
        let of_unit =
            |known: &&Arc<Known>| self.0.get_key_value(&known.job.unit).map(|(unit, (_, _, brief))| (unit, &**brief));
        let (newest, total, tables) = newest_of(&told.iter().filter_map(of_unit).collect::<Vec<_>>(), only_final);
        let mut ledgers: BTreeMap<usize, Ledger> = BTreeMap::new();
        let mut entries = Vec::new();
        for (at, slot, index) in newest {
            let Some(known) = told.get(index) else { continue };
            if !ledgers.contains_key(&index)
                && let Ok(ledger) = known.ledger()
            {
                ledgers.insert(index, ledger);
            }
            entries.extend(ledgers.get(&index).and_then(|ledger| entry_of(at, slot, &known.job, ledger)));
        }
        let failed =
            |(current, seen): &(JobState, Seen)| Some((current.job.unit.to_string(), seen.failed.as_ref()?.0.clone()));
        let mut unread: Vec<(String, String)> = units.iter().filter_map(failed).take(MOST).collect();
        let waiting = units.iter().filter(|(_, seen)| seen.is_unread()).count() as u64;
        if waiting > 0 {
            let which = counted(waiting, "table or account", "tables or accounts");
            unread.push((which, "not looked at yet since costlake was started".to_owned()));
        }
        Log { total, entries, tables, unread, only_final }
    }
}

/// The entry of a slot that was restated at `at`.
fn entry_of(at: DateTime<Utc>, slot: NaiveDate, job: &Job, ledger: &Ledger) -> Option<Entry> {
    let (_, _, revision) = since(ledger, at).find(|(when, of, _)| (*when, *of) == (at, slot))?;
    Some(Entry {
        at,
        unit: job.unit.clone(),
        grain: job.source.grain(),
        slot,
        estimated_before: revision.estimated_before,
        estimated: revision.estimated,
        sums: sums(job, revision),
        rows: (revision.rows_before, revision.rows),
        changes: revision.changes,
    })
}

/// The columns whose sums differ, in the order of the table.
fn sums(job: &Job, revision: &Revision) -> Vec<Restated> {
    let table = job.source.table();
    let adds_up = |(kind, sums)| kind == ColumnType::Decimal && sums == Some(Sums::Rows);
    let columns = table.columns().iter().filter(|column| adds_up((column.kind, column.sums)));
    let restated = |name: &str| {
        let (before, after) = (sum(&revision.sums_before, name)?, sum(&revision.sums, name)?);
        let has_unit = Question::parse(table, Some(name), &[], &[]).is_ok_and(|question| !question.apart.is_empty());
        let unit = |of: &Option<String>| of.clone().filter(|_| has_unit);
        let (unit_before, unit) = (unit(&revision.currency_before), unit(&revision.currency));
        let differs = before != after || unit_before != unit;
        differs.then(|| Restated { column: name.to_owned(), before, after, unit_before, unit })
    };
    columns.filter_map(|column| restated(&column.name)).collect()
}
