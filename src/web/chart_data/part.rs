//! The sums by day of one object, small enough to be cached.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{Decimal128Type, Float64Type};
use chrono::NaiveDate;

use crate::decimal;
use crate::error::{Error, Kind, Result};
use crate::generation::rows::split_by_slot;
use crate::job::Job;
use crate::sources::datadog::scale_of;
use crate::table::{self, Chart, Column, Table};
use crate::totals::CURRENCY;
use crate::window::Grain;

use super::SavingsDay;

/// 1, in units of 10^-12.
pub(super) const ONE: i128 = 10_i128.pow(decimal::SCALE);
/// Groups of one object that are kept separately. A grouping by resource has tens of thousands, of which the smallest
/// cannot be among the few that are drawn; they are merged into one.
const KEPT_GROUPS: usize = 500;

/// The kind of chart of a table, with the columns it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// An exact amount, by the first grouping if there is one.
    Amounts {
        /// Column of the amount.
        column: String,
        /// Column of its unit.
        unit: String,
        /// Column of the group.
        grouping: Option<String>,
    },
    /// Actual cost, on-demand equivalent and savings.
    Savings,
    /// Utilization of commitments.
    Utilization,
    /// Accounts with and without an export.
    Accounts,
    /// Nothing to draw.
    Nothing,
}

impl Shape {
    /// The shape of a job's table, derived from its columns.
    pub(super) fn of(job: &Job) -> Self {
        let table = job.source.table();
        // Columns that the table gained later are not drawn: older days do not have them.
        let at_first = BTreeSet::new();
        let amounts = || {
            let columns = table.amounts(&at_first).map(|index| &table.columns()[index]);
            columns.filter(|column| column.sums != Some(table::Sums::Never))
        };
        let is_drawn = |column: &&Column| column.chart.is_some_and(|chart| chart != Chart::Amount);
        let others = table.columns().iter().find(is_drawn);
        let drawn = amounts().find(|column| column.chart.is_some()).or_else(|| amounts().next()).or(others);
        match drawn.map(|column| (column, column.chart.unwrap_or(Chart::Amount))) {
            Some((column, Chart::Amount)) => Self::amounts(table, column),
            Some((_, Chart::Savings)) => Self::Savings,
            Some((_, Chart::Utilization)) => Self::Utilization,
            Some((_, Chart::Accounts)) => Self::Accounts,
            None => Self::Nothing,
        }
    }

    fn amounts(table: &Table, column: &Column) -> Self {
        let own = format!("{}_unit", column.name);
        let has_own = table.columns().iter().any(|column| column.name == own);
        let unit = if has_own { own } else { CURRENCY.to_owned() };
        let grouping = table.sort_key().get(1).map(|index| table.columns()[*index].name.clone());
        Self::Amounts { column: column.name.clone(), unit, grouping }
    }
}

/// The sums of one object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    /// Its generation.
    pub(super) epoch: u64,
    /// Unit of the amounts, if the rows have one.
    pub(super) unit: Option<String>,
    /// Currency of each day that has one; a day has at most one.
    pub(super) currencies: BTreeMap<NaiveDate, String>,
    /// Display names of groups, by id.
    pub(super) names: BTreeMap<String, String>,
    /// The sums.
    pub(super) days: Days,
}

/// Sums by day.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Days {
    /// By group; `None` is the sum of the groups that are too small to be kept.
    Amounts(BTreeMap<NaiveDate, BTreeMap<Option<String>, i128>>),
    /// By base unit, to which the amounts are converted.
    Savings(BTreeMap<NaiveDate, BTreeMap<String, SavingsDay>>),
    /// By kind the sum of the ratios and their number.
    Utilization(BTreeMap<NaiveDate, BTreeMap<String, (f64, u32)>>),
}

/// Sums the rows of an object.
pub(super) fn read(shape: &Shape, table: &Table, grain: Grain, rows: &RecordBatch, epoch: u64) -> Result<Part> {
    let slots = split_by_slot(table, grain, rows)?;
    let days = Days::Amounts(BTreeMap::new());
    let mut part = Part { epoch, unit: None, currencies: BTreeMap::new(), names: BTreeMap::new(), days };
    match shape {
        Shape::Amounts { column, unit, grouping } => {
            part.unit = first_text(rows, unit);
            part.names = account_names(rows, grouping.as_deref());
            if unit == CURRENCY {
                let of_day = |(day, rows): (&NaiveDate, &RecordBatch)| Some((*day, first_text(rows, unit)?));
                part.currencies = slots.iter().filter_map(of_day).collect();
            }
            let days = by_day(slots, |batch| amounts_by_group(batch, column, grouping.as_deref()))?;
            part.days = Days::Amounts(fold(days));
        }
        Shape::Savings => {
            part.days = Days::Savings(by_day(slots, savings)?);
        }
        Shape::Utilization => part.days = Days::Utilization(by_day(slots, utilization)?),
        Shape::Accounts => part.days = Days::Amounts(by_day(slots, accounts)?),
        Shape::Nothing => {}
    }
    Ok(part)
}

fn by_day<T>(
    slots: BTreeMap<NaiveDate, RecordBatch>,
    read: impl Fn(&RecordBatch) -> Result<T>,
) -> Result<BTreeMap<NaiveDate, T>> {
    slots.into_iter().map(|(day, batch)| read(&batch).map(|sums| (day, sums))).collect()
}

fn texts<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a StringArray> {
    rows.column_by_name(name).and_then(|column| column.as_string_opt::<i32>()).ok_or_else(|| unlike(name))
}

fn floats<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a Float64Array> {
    rows.column_by_name(name).and_then(|column| column.as_primitive_opt::<Float64Type>()).ok_or_else(|| unlike(name))
}

fn unlike(name: &str) -> Error {
    Error::new(Kind::Internal, format!("the column `{name}` is not as its schema says"))
}

fn first_text(rows: &RecordBatch, name: &str) -> Option<String> {
    let column = rows.column_by_name(name)?.as_string_opt::<i32>()?;
    column.iter().flatten().find(|text| !text.is_empty()).map(str::to_owned)
}

/// The names of accounts by their ids, where the rows are grouped by account.
fn account_names(rows: &RecordBatch, grouping: Option<&str>) -> BTreeMap<String, String> {
    let (Some("linked_account"), Ok(ids), Ok(names)) =
        (grouping, texts(rows, "linked_account"), texts(rows, "linked_account_name"))
    else {
        return BTreeMap::new();
    };
    let known = ids.iter().flatten().zip(names.iter()).filter_map(|(id, name)| Some((id, name?)));
    known.filter(|(_, name)| !name.is_empty()).map(|(id, name)| (id.to_owned(), name.to_owned())).collect()
}

fn amounts_by_group(
    rows: &RecordBatch,
    column: &str,
    grouping: Option<&str>,
) -> Result<BTreeMap<Option<String>, i128>> {
    let amounts = rows.column_by_name(column).and_then(|column| column.as_primitive_opt::<Decimal128Type>());
    let amounts = amounts.ok_or_else(|| unlike(column))?;
    let groups = grouping.map(|name| texts(rows, name)).transpose()?;
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for (row, amount) in amounts.iter().enumerate() {
        let group = groups.filter(|groups| groups.is_valid(row)).map_or("", |groups| groups.value(row));
        let sum = sums.entry(group).or_default();
        *sum = sum.checked_add(amount.unwrap_or(0)).ok_or_else(|| {
            Error::new(Kind::BadAnswer, format!("the sum of {column} of one day is too large to be drawn"))
        })?;
    }
    Ok(sums.into_iter().map(|(group, sum)| (Some(group.to_owned()), sum)).collect())
}

type Sums = BTreeMap<NaiveDate, BTreeMap<Option<String>, i128>>;

/// The share of a chart that each group takes: the sum of its absolute daily amounts.
pub(super) fn weights<'a>(
    days: impl Iterator<Item = &'a BTreeMap<Option<String>, i128>>,
) -> BTreeMap<&'a String, u128> {
    let mut weights: BTreeMap<&String, u128> = BTreeMap::new();
    for (group, sum) in days.flatten().filter_map(|(group, sum)| Some((group.as_ref()?, sum))) {
        let weight = weights.entry(group).or_default();
        *weight = weight.saturating_add(sum.unsigned_abs());
    }
    weights
}

/// The same days with no more than [`KEPT_GROUPS`] groups.
fn fold(days: Sums) -> Sums {
    let mut ranked: Vec<(u128, String)> =
        weights(days.values()).into_iter().map(|(group, weight)| (weight, group.clone())).collect();
    if ranked.len() <= KEPT_GROUPS {
        return days;
    }
    ranked.sort_by(|a, b| b.cmp(a));
    let kept: BTreeSet<String> = ranked.into_iter().take(KEPT_GROUPS).map(|(_, group)| group).collect();
    let fold_day = |sums: BTreeMap<Option<String>, i128>| {
        let mut folded = BTreeMap::new();
        for (group, sum) in sums {
            *folded.entry(group.filter(|group| kept.contains(group))).or_insert(0) += sum;
        }
        folded
    };
    days.into_iter().map(|(day, sums)| (day, fold_day(sums))).collect()
}

/// A column of amounts with the column of its unit.
struct Amounts<'a> {
    amounts: &'a Float64Array,
    units: &'a StringArray,
}

impl<'a> Amounts<'a> {
    fn of(rows: &'a RecordBatch, name: &str) -> Result<Self> {
        Ok(Self { amounts: floats(rows, name)?, units: texts(rows, &format!("{name}_unit"))? })
    }

    fn unit(&self, row: usize) -> Option<&'a str> {
        self.units.is_valid(row).then(|| self.units.value(row))
    }

    /// Adds the amount of a row, converted to `base`; an amount in a different base unit is skipped.
    fn add(&self, sum: &mut Option<f64>, row: usize, unit: &str, base: &str) {
        let (scale, own) = scale_of(self.unit(row).unwrap_or(unit));
        if self.amounts.is_valid(row) && own == base {
            *sum = Some(sum.unwrap_or(0.0) + self.amounts.value(row) * scale);
        }
    }
}

/// Sums the series `total` of all products, or every series if there is none of that name. An amount without a unit has
/// the unit of the actual cost in its row, or else dollars.
fn savings(rows: &RecordBatch) -> Result<BTreeMap<String, SavingsDay>> {
    let series = texts(rows, "series")?;
    let [actual, on_demand, realized] = ["actual_cost", "on_demand_equivalent_cost", "realized_savings"];
    let (actual, on_demand) = (Amounts::of(rows, actual)?, Amounts::of(rows, on_demand)?);
    let realized = Amounts::of(rows, realized)?;
    let has_total = series.iter().any(|name| name == Some("total"));
    let mut days: BTreeMap<String, SavingsDay> = BTreeMap::new();
    for row in (0..rows.num_rows()).filter(|row| !has_total || series.value(*row) == "total") {
        let unit = actual.unit(row).unwrap_or("dollar");
        let own = [Some(unit), on_demand.unit(row), realized.unit(row)];
        for base in own.into_iter().flatten().map(|unit| scale_of(unit).1).collect::<BTreeSet<_>>() {
            let day = days.entry(base.to_owned()).or_default();
            actual.add(&mut day.actual, row, unit, base);
            on_demand.add(&mut day.on_demand, row, unit, base);
            realized.add(&mut day.realized, row, unit, base);
        }
    }
    Ok(days)
}

fn utilization(rows: &RecordBatch) -> Result<BTreeMap<String, (f64, u32)>> {
    let names = [texts(rows, "provider")?, texts(rows, "product")?, texts(rows, "commitment_type")?];
    let ratios = floats(rows, "utilization")?;
    let mut kinds: BTreeMap<String, (f64, u32)> = BTreeMap::new();
    for row in (0..rows.num_rows()).filter(|row| ratios.is_valid(*row)) {
        let kind = names.map(|column| column.value(row)).join(" ");
        let (sum, count) = kinds.entry(kind).or_default();
        (*sum, *count) = (*sum + ratios.value(row), *count + 1);
    }
    Ok(kinds)
}

/// Accounts with an export, and without.
fn accounts(rows: &RecordBatch) -> Result<BTreeMap<Option<String>, i128>> {
    let ids = texts(rows, "aws_account_id")?;
    let configured: &BooleanArray = rows
        .column_by_name("configured")
        .and_then(|column| column.as_boolean_opt())
        .ok_or_else(|| unlike("configured"))?;
    let mut known: BTreeMap<&str, bool> = BTreeMap::new();
    for row in 0..rows.num_rows() {
        *known.entry(ids.value(row)).or_default() |= configured.value(row);
    }
    let with = known.values().filter(|configured| **configured).count();
    let sum = |count: usize| i128::try_from(count).unwrap_or(0) * ONE;
    Ok(BTreeMap::from([
        (Some("with an export".to_owned()), sum(with)),
        (Some("without an export".to_owned()), sum(known.len() - with)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::{KEPT_GROUPS, ONE, fold};
    use chrono::NaiveDate;
    use std::collections::BTreeMap;

    #[test]
    fn small_groups_are_kept_as_one_and_nothing_is_lost() {
        let sums: BTreeMap<_, _> = (0..2_000_i128).map(|index| (Some(format!("r{index}")), index * ONE)).collect();
        let folded = fold(BTreeMap::from([(NaiveDate::MIN, sums.clone())]));
        let day = &folded[&NaiveDate::MIN];
        assert_eq!(day.len(), KEPT_GROUPS + 1);
        assert_eq!(day.values().sum::<i128>(), sums.values().sum::<i128>());
        assert!(day.contains_key(&Some("r1999".to_owned())) && !day.contains_key(&Some("r1".to_owned())));
    }
}
