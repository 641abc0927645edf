//! What was restated: days and months whose rows a later generation replaced with others, as the ledgers know them.
//! Sums are those of the ledgers, which keep them of decimals alone.

use chrono::{DateTime, Days, NaiveDate, Utc};

use crate::answer::Question;
use crate::decimal;
use crate::generation::Changes;
use crate::ledger::{Ledger, Revision};
use crate::table::{ColumnType, Sums};
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

/// The log of all tables at `now`. Snapshots have no part in it: each is a table as of its day.
#[must_use]
pub fn log(jobs: &[JobFacts], now: DateTime<Utc>, only_final: bool) -> Log {
    let first = now.checked_sub_days(Days::new(DAYS)).unwrap_or(DateTime::UNIX_EPOCH);
    let mut all: Vec<(DateTime<Utc>, NaiveDate, &JobFacts, &Revision)> = Vec::new();
    let mut tables = 0;
    for job in jobs.iter().filter(|job| !job.job.entry.rules.snapshot) {
        let before = all.len();
        let found = since(&job.ledger, first).filter(|(_, _, revision)| !(only_final && revision.estimated_before));
        all.extend(found.map(|(at, slot, revision)| (at, slot, job, revision)));
        tables += usize::from(all.len() > before);
    }
    all.sort_by(|a, b| {
        let key = |of: &(DateTime<Utc>, NaiveDate, &JobFacts, &Revision)| (of.0, of.1);
        key(b).cmp(&key(a)).then_with(|| a.2.job.unit.cmp(&b.2.job.unit))
    });
    let unread = jobs.iter().filter_map(|job| Some((job.job.unit.to_string(), job.lake_error.clone()?)));
    Log {
        total: all.len(),
        entries: all.into_iter().take(MOST).map(|(at, slot, job, revision)| entry(at, slot, job, revision)).collect(),
        tables,
        unread: unread.collect(),
        only_final,
    }
}

fn entry(at: DateTime<Utc>, slot: NaiveDate, job: &JobFacts, revision: &Revision) -> Entry {
    Entry {
        at,
        unit: job.job.unit.clone(),
        grain: job.job.source.grain(),
        slot,
        estimated_before: revision.estimated_before,
        estimated: revision.estimated,
        sums: sums(job, revision),
        rows: (revision.rows_before, revision.rows),
        changes: revision.changes,
    }
}

/// The columns whose sums differ, in the order of the table.
fn sums(job: &JobFacts, revision: &Revision) -> Vec<Restated> {
    let table = job.job.source.table();
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
