//! Values of APIs without totals to check them against, Datadog's and those of commitments in Cost Explorer: they are
//! compared with earlier rows.
//!
//! | what | compared with | held when |
//! |---|---|---|
//! | the unit of a value | the rows it replaces; for a new day, those of the nearest earlier day | it changes, appears or vanishes |
//! | a ratio | the same | most values are multiplied or divided by 100: a ratio became a percentage, or the reverse |
//! | any other amount | the rows it replaces | most values are multiplied by the same power of ten, whatever their unit |
//! | a value | the rows it replaces | it is null now |
//! | all amounts of a day | the rows they replace | they are zero now |
//! | the rows of a query | the rows they replace; for a snapshot of a list, the previous one | more than `quarantine_share` of them are gone |
//!
//! A list that lacks what the API could not tell is short of that, and said to be; it replaces no rows of its day.
//! A new day may have few rows and no values yet: the refresh rule reads it again. Only queries that the new rows were
//! read for are compared.
//!
//! A utilization that falls to zero is no reason: commitments do go unused, and a figure that an answer does not have is
//! null. The percentages of Cost Explorer are not watched as ratios either: they are documented as 0 to 100, and a real fall
//! from 100 to 1 would look like another scale.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type};
use chrono::NaiveDate;

use crate::error::Result;
use crate::job::Job;
use crate::sources::{Review, Source, Watched};
use crate::table::Table;

use super::{Change, Flaws, Known, Verdict, exceeds, percent};

/// Ratios are below this, percentages mostly above.
const ABOVE_RATIO: f64 = 1.5;

/// Holds the days whose values changed in one of the ways above.
pub(super) fn judge(
    job: &Job,
    known: Known<'_>,
    changes: &[Change<'_>],
    flaws: Flaws<'_>,
    verdict: &mut Verdict,
) -> Result<()> {
    let mut standing: BTreeMap<NaiveDate, &RecordBatch> = known.rows.iter().map(|(slot, rows)| (*slot, rows)).collect();
    standing.extend(known.earlier);
    standing.retain(|_, rows| rows.num_rows() > 0);
    for change in changes {
        let own = standing.get(&change.slot).copied().filter(|_| change.old.is_some_and(|old| old.rows > 0));
        let before = || standing.range(..change.slot).next_back().or_else(|| standing.range(change.slot..).next());
        let is_whole = !flaws.incomplete.contains_key(&change.slot);
        let reason = match own.or_else(|| before().map(|(_, rows)| *rows)) {
            Some(rows) => Pair::of(job, change, rows, own.is_some()).turned(is_whole),
            None => None,
        };
        match reason {
            Some(reason) => {
                verdict.held.insert(change.slot, reason);
            }
            None if change.new.rows > 0 => {
                standing.insert(change.slot, change.rows);
            }
            None => {}
        }
    }
    Ok(())
}

/// Old and new rows of the queries that both were read for.
struct Pair<'a> {
    table: &'a Table,
    watched: Watched,
    share: u64,
    old: Side<'a>,
    new: Side<'a>,
    /// Whether the new rows replace the old ones.
    replaces: bool,
    /// Whether the source is a snapshot whose next list should be about as long.
    is_list: bool,
}

/// Rows by their key.
struct Side<'a> {
    rows: &'a RecordBatch,
    by_key: HashMap<String, usize>,
    /// The query of each row; rows of other queries are not in `by_key`.
    queries: Vec<String>,
}

impl<'a> Side<'a> {
    fn of(source: &dyn Source, rows: &'a RecordBatch, read_for: &BTreeSet<String>) -> Self {
        let table = source.table();
        let texts = |names: &[&str]| -> Vec<&'a StringArray> {
            names.iter().filter_map(|name| rows.column_by_name(name)?.as_string_opt::<i32>()).collect()
        };
        // All rows of a side are of one slot, so the time column tells none from another.
        let key: Vec<&ArrayRef> = table.sort_key().iter().skip(1).map(|index| rows.column(*index)).collect();
        let query = texts(source.query_columns());
        let joined = |columns: &[&StringArray], row: usize, by: &str| {
            let parts = columns.iter().filter(|column| column.is_valid(row)).map(|column| column.value(row));
            parts.collect::<Vec<_>>().join(by)
        };
        let queries: Vec<String> = (0..rows.num_rows()).map(|row| joined(&query, row, "/")).collect();
        let is_asked = |row: &usize| read_for.is_empty() || read_for.contains(&queries[*row]);
        let mut by_key = HashMap::new();
        for row in (0..rows.num_rows()).filter(is_asked) {
            let name = key.iter().filter_map(|column| part_of(column, row)).collect::<Vec<_>>().join(" / ");
            let ordinal = (2..).map(|number| format!("{name} ({number})"));
            let own = std::iter::once(name.clone()).chain(ordinal).find(|name| !by_key.contains_key(name));
            by_key.insert(own.unwrap_or(name), row);
        }
        Self { rows, by_key, queries }
    }

    fn doubles(&self, name: &str) -> Option<&'a Float64Array> {
        self.rows.column_by_name(name)?.as_primitive_opt::<Float64Type>()
    }

    fn is_there(&self, name: &str, row: usize) -> bool {
        self.rows.column_by_name(name).is_some_and(|column| column.is_valid(row))
    }

    /// By query, the units of the values that are not null.
    fn units(&self, value: &str, unit: &str) -> BTreeMap<&str, BTreeSet<&'a str>> {
        let units = self.rows.column_by_name(unit).and_then(|column| column.as_string_opt::<i32>());
        let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for row in self.by_key.values().copied().filter(|row| self.is_there(value, *row)) {
            let unit = units.filter(|units| units.is_valid(row)).map_or("no unit", |units| units.value(row));
            found.entry(&self.queries[row]).or_default().insert(unit);
        }
        found
    }

    /// The number of rows by query.
    fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        self.by_key.values().for_each(|row| *counts.entry(self.queries[*row].as_str()).or_default() += 1);
        counts
    }
}

fn is_amount(column: &ArrayRef) -> bool {
    matches!(column.data_type(), DataType::Float64 | DataType::Decimal128(..))
}

/// Whether an amount is zero; `None` if it is null.
fn is_zero(column: &ArrayRef, row: usize) -> Option<bool> {
    if column.is_null(row) {
        return None;
    }
    let double = || column.as_primitive_opt::<Float64Type>().map(|numbers| numbers.value(row) == 0.0);
    column.as_primitive_opt::<Decimal128Type>().map(|amounts| amounts.value(row) == 0).or_else(double)
}

/// A value of the key, as text; `None` if it is null or of no type that keys have.
fn part_of(column: &ArrayRef, row: usize) -> Option<String> {
    if column.is_null(row) {
        return None;
    }
    let date = || column.as_primitive_opt::<Date32Type>()?.value_as_date(row).map(|day| day.to_string());
    column.as_string_opt::<i32>().map(|texts| texts.value(row).to_owned()).or_else(date)
}

impl<'a> Pair<'a> {
    fn of(job: &'a Job, change: &Change<'a>, old: &'a RecordBatch, replaces: bool) -> Self {
        let (table, read_for) = (job.source.table().as_ref(), &change.new.read_for);
        Self {
            table,
            watched: job.source.watched(),
            share: job.window.quarantine_millionths,
            old: Side::of(job.source.as_ref(), old, read_for),
            new: Side::of(job.source.as_ref(), change.rows, read_for),
            replaces,
            is_list: job.entry.rules.snapshot && job.entry.rules.review == Review::Values,
        }
    }

    /// The reason to hold the new rows, if there is one.
    fn turned(&self, is_whole: bool) -> Option<String> {
        let units = || self.watched.units.iter().find_map(|(value, unit)| self.other_unit(value, unit));
        let ratios = || self.watched.ratios.iter().find_map(|ratio| self.other_ratio(ratio));
        let scales = || self.watched.units.iter().find_map(|(value, _)| self.other_scale(value));
        let lost = || self.lost_value().or_else(|| self.all_zero());
        units().or_else(ratios).or_else(scales).or_else(lost).or_else(|| if is_whole { self.shorter() } else { None })
    }

    fn other_unit(&self, value: &str, unit: &str) -> Option<String> {
        let shown = |units: &BTreeSet<&str>| units.iter().copied().collect::<Vec<_>>().join(" and ");
        let (old, new) = (self.old.units(value, unit), self.new.units(value, unit));
        let other =
            old.iter().find_map(|(query, old)| new.get(query).filter(|new| *new != old).map(|new| (query, old, new)));
        other.map(|(query, old, new)| {
            let of = if query.is_empty() { String::new() } else { format!(" of {query}") };
            format!("{value}{of} was in {} and would be in {}", shown(old), shown(new))
        })
    }

    /// Old and new numbers of the same key, both other than zero.
    fn numbers(&self, column: &str) -> Vec<(f64, f64)> {
        let (Some(old), Some(new)) = (self.old.doubles(column), self.new.doubles(column)) else { return Vec::new() };
        let pairs = self.new.by_key.iter().filter_map(|(key, row)| {
            let before = *self.old.by_key.get(key)?;
            (old.is_valid(before) && new.is_valid(*row)).then(|| (old.value(before), new.value(*row)))
        });
        pairs.filter(|(old, new)| *old != 0.0 && *new != 0.0).collect()
    }

    fn other_ratio(&self, column: &str) -> Option<String> {
        let pairs = self.numbers(column);
        let is_above = |number: f64| number.abs() > ABOVE_RATIO;
        let count =
            |is: &dyn Fn(f64, f64) -> bool| pairs.iter().filter(|(old, new)| is(*old, *new)).count() * 2 > pairs.len();
        let grew = |old: f64, new: f64| {
            let factor = new / old;
            near(factor, 100.0) || (!is_above(old) && is_above(new) && (20.0..=500.0).contains(&factor))
        };
        let (risen, fallen) = (count(&grew), count(&|old, new| grew(new, old)));
        let (was, is) = match (risen, fallen) {
            (true, _) => ("a ratio", "a percentage"),
            (_, true) => ("a percentage", "a ratio"),
            _ => return None,
        };
        let (old, new) = pairs.first()?;
        Some(format!("{column} was {was} and would be {is}, such as {old} and {new}"))
    }

    fn other_scale(&self, column: &str) -> Option<String> {
        let pairs = if self.replaces { self.numbers(column) } else { Vec::new() };
        let mut scales: BTreeMap<i32, usize> = BTreeMap::new();
        for (old, new) in &pairs {
            // Doubles span some 600 powers of ten.
            #[allow(clippy::cast_possible_truncation)]
            let power = (new / old).abs().log10().round().clamp(-700.0, 700.0) as i32;
            if power != 0 && near(new / old, 10_f64.powi(power)) {
                *scales.entry(power).or_default() += 1;
            }
        }
        let (old, new) = pairs.first()?;
        scales.values().any(|count| count * 2 > pairs.len()).then(|| {
            format!("{column} would be what it was times a power of ten, such as {old} and {new}: its unit may be another one")
        })
    }

    /// The reason if values became null.
    fn lost_value(&self) -> Option<String> {
        let units: Vec<&str> = self.watched.units.iter().map(|(_, unit)| *unit).collect();
        let columns = self.table.columns().iter().enumerate().filter(|(index, column)| {
            let name = column.name.as_str();
            !self.table.sort_key().contains(index) && !units.contains(&name) && name != "extra"
        });
        let columns: Vec<&str> = columns.map(|(_, column)| column.name.as_str()).filter(|_| self.replaces).collect();
        let lost = |column: &&str| {
            let mut keys: Vec<&String> = self
                .new
                .by_key
                .iter()
                .filter(|(key, row)| {
                    let before = self.old.by_key.get(*key);
                    before.is_some_and(|before| self.old.is_there(column, *before)) && !self.new.is_there(column, **row)
                })
                .map(|(key, _)| key)
                .collect();
            keys.sort_unstable();
            keys.first().map(|first| {
                let such = if first.is_empty() { String::new() } else { format!(", such as {first}") };
                format!("{column} would be null in {} where it had a value{such}", super::rows(keys.len() as u64))
            })
        };
        columns.iter().find_map(lost)
    }

    /// The reason if nothing but zeros would be left of amounts that were not.
    fn all_zero(&self) -> Option<String> {
        if !self.replaces {
            return None;
        }
        let amounts = |side: &Side<'_>| -> Vec<bool> {
            let columns = side.rows.columns().iter().filter(|column| is_amount(column));
            columns.flat_map(|column| side.by_key.values().filter_map(|row| is_zero(column, *row))).collect()
        };
        let (old, new) = (amounts(&self.old), amounts(&self.new));
        let turned = old.iter().any(|zero| !zero) && !new.is_empty() && new.iter().all(|zero| *zero);
        turned
            .then(|| format!("all amounts of {} would be zero and were not", super::rows(self.new.by_key.len() as u64)))
    }

    /// The reason if too many rows of a list are gone.
    fn shorter(&self) -> Option<String> {
        if !(self.replaces || self.is_list) {
            return None;
        }
        let new = self.new.counts();
        self.old.counts().into_iter().find_map(|(query, old)| {
            let left = new.get(query).copied().unwrap_or(0);
            let gone = i128::try_from(old.saturating_sub(left)).unwrap_or(i128::MAX);
            let of = if query.is_empty() { String::new() } else { format!(" of {query}") };
            exceeds(gone, i128::try_from(old).unwrap_or(i128::MAX), self.share).then(|| {
                format!(
                    "{} were listed{of} and {left} would be, more than {} % fewer",
                    super::rows(old as u64),
                    percent(self.share)
                )
            })
        })
    }
}

/// Whether two factors are equal to within one percent.
fn near(factor: f64, other: f64) -> bool {
    (factor / other - 1.0).abs() < 0.01
}
