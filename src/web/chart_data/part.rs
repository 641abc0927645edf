//! The sums by day of one object, small enough to be cached.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, BooleanArray, Decimal128Array, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{Decimal128Type, Float64Type};
use chrono::NaiveDate;

use crate::decimal::ONE;
use crate::error::{Error, Kind, Result};
use crate::generation::rows::split_by_slot;
use crate::job::Job;
use crate::sources::datadog::scale_of;
use crate::table::{self, Chart, Column, ColumnType, Table};
use crate::totals::CURRENCY;
use crate::window::Grain;

use super::{Drawn, SavingsDay};

/// Groups of one object that are kept separately. A grouping by resource has tens of thousands: the others are merged into
/// one, and the chart says so, since one of them may be large in other months.
const KEPT_GROUPS: usize = 500;

/// A share of an amount by series: where it is, and which series count.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// What it is, for people.
    pub(super) title: &'static str,
    column: &'static str,
    /// Columns that together name a line.
    kind: &'static [&'static str],
    counted: &'static [&'static str],
    /// The series that the share is of; none for all.
    whole: &'static [&'static str],
}

static USED: Share = Share {
    title: "Utilization of commitments: the used share of what was paid for",
    column: "value",
    kind: &["provider", "product", "commitment_type"],
    counted: &["used"],
    whole: &["used", "unused"],
};

static COVERED: Share = Share {
    title: "Coverage by commitments: their share of the cost",
    column: "cost",
    kind: &["provider", "product"],
    counted: &["ri", "sp"],
    whole: &[],
};

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
        /// The only group that is summed.
        only: Option<String>,
    },
    /// An amount as a double, by the first grouping that people assign if there is one.
    Costs {
        /// Column of the amount.
        column: String,
        /// Column of the group.
        grouping: Option<String>,
        /// The only group that is summed.
        only: Option<String>,
    },
    /// Actual cost, on-demand equivalent and savings.
    Savings,
    /// Utilization of commitments.
    Utilization,
    /// Shares of an amount by series.
    Shares(&'static Share),
    /// Accounts with and without an export.
    Accounts,
    /// Nothing to draw.
    Nothing,
}

impl Shape {
    /// The shape of a job's table, derived from its columns, with what was chosen of it.
    pub(super) fn of(job: &Job, drawn: &Drawn) -> Self {
        let table = job.source.table();
        let is_drawn = |column: &&Column| column.chart.is_some() && column.kind != ColumnType::Decimal;
        let others = table.columns().iter().find(is_drawn);
        let named = drawn.metric.as_ref().and_then(|name| amounts(table).find(|column| column.name == *name));
        let usual = amounts(table).find(|column| column.chart.is_some()).or_else(|| amounts(table).next()).or(others);
        let shape = match named.or(usual).map(|column| (column, column.chart.unwrap_or(Chart::Amount))) {
            Some((column, Chart::Amount)) if column.kind == ColumnType::Double => Self::costs(table, column),
            Some((column, Chart::Amount)) => Self::amounts(table, column),
            Some((_, Chart::Savings)) => Self::Savings,
            Some((_, Chart::Utilization)) => Self::Utilization,
            Some((_, Chart::UsedShare)) => Self::Shares(&USED),
            Some((_, Chart::CoveredShare)) => Self::Shares(&COVERED),
            Some((_, Chart::Accounts)) => Self::Accounts,
            None => Self::Nothing,
        };
        shape.only(drawn.group.clone())
    }

    /// The same of one group alone.
    fn only(self, group: Option<String>) -> Self {
        match self {
            Self::Amounts { column, unit, grouping: Some(grouping), .. } => {
                Self::Amounts { column, unit, grouping: Some(grouping), only: group }
            }
            Self::Costs { column, grouping: Some(grouping), .. } => {
                Self::Costs { column, grouping: Some(grouping), only: group }
            }
            other => other,
        }
    }

    /// The column whose groups are drawn.
    pub(super) fn grouping(&self) -> Option<&str> {
        match self {
            Self::Amounts { grouping, .. } | Self::Costs { grouping, .. } => grouping.as_deref(),
            _ => None,
        }
    }

    fn costs(table: &Table, column: &Column) -> Self {
        let first = table.sort_key().get(1).map(|index| &table.columns()[*index]);
        let grouping = first.filter(|column| column.assigned).map(|column| column.name.clone());
        Self::Costs { column: column.name.clone(), grouping, only: None }
    }

    fn amounts(table: &Table, column: &Column) -> Self {
        let own = format!("{}_unit", column.name);
        let has_own = table.columns().iter().any(|column| column.name == own);
        let unit = if has_own { own } else { CURRENCY.to_owned() };
        let grouping = table.sort_key().get(1).map(|index| table.columns()[*index].name.clone());
        Self::Amounts { column: column.name.clone(), unit, grouping, only: None }
    }
}

/// The exact amounts of a table that add up. Columns that the table gained later are not drawn: older days do not have
/// them.
pub(super) fn amounts(table: &Table) -> impl Iterator<Item = &Column> {
    static AT_FIRST: BTreeSet<String> = BTreeSet::new();
    let columns = table.amounts(&AT_FIRST).map(|index| &table.columns()[index]);
    columns.filter(|column| column.sums != Some(table::Sums::Never))
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

impl Part {
    /// The sums alone.
    pub(super) fn of(days: Days) -> Self {
        Self { epoch: 0, unit: None, currencies: BTreeMap::new(), names: BTreeMap::new(), days }
    }
}

/// By day the amount of each group; `None` is the sum of the groups that are too small to be kept.
pub(super) type Sums = BTreeMap<NaiveDate, BTreeMap<Option<String>, i128>>;

/// Sums by day.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Days {
    /// By group.
    Amounts(Sums),
    /// By base unit, to which the amounts are converted; otherwise as above.
    Costs(BTreeMap<String, Sums>),
    /// By base unit, to which the amounts are converted.
    Savings(BTreeMap<NaiveDate, BTreeMap<String, SavingsDay>>),
    /// By kind two numbers, of which the first is divided by the second: the sum of ratios and their number, or an
    /// amount and what it is a share of.
    Ratios(BTreeMap<NaiveDate, BTreeMap<String, (f64, f64)>>),
}

/// Sums the rows of an object.
pub(super) fn read(shape: &Shape, table: &Table, grain: Grain, rows: &RecordBatch, epoch: u64) -> Result<Part> {
    let slots = split_by_slot(table, grain, rows)?;
    let mut part = Part { epoch, ..Part::of(Days::Amounts(BTreeMap::new())) };
    match shape {
        Shape::Amounts { column, unit, grouping, only } if unit == CURRENCY => {
            part.unit = first_text(rows, unit);
            part.names = account_names(rows, grouping.as_deref());
            let of_day = |(day, rows): (&NaiveDate, &RecordBatch)| Some((*day, first_text(rows, unit)?));
            part.currencies = slots.iter().filter_map(of_day).collect();
            let days = by_day(slots, |batch| amounts_by_group(batch, column, grouping.as_deref(), only.as_deref()))?;
            part.days = Days::Amounts(fold(days));
        }
        Shape::Amounts { column, unit, grouping, only } => {
            part.names = account_names(rows, grouping.as_deref());
            part.days = Days::Costs(by_unit(slots, column, unit, grouping.as_deref(), only.as_deref())?);
        }
        Shape::Savings => {
            part.days = Days::Savings(by_day(slots, savings)?);
        }
        Shape::Costs { column, grouping, only } => {
            part.days = Days::Costs(costs(slots, column, grouping.as_deref(), only.as_deref())?);
        }
        Shape::Utilization => part.days = Days::Ratios(by_day(slots, utilization)?),
        Shape::Shares(share) => part.days = Days::Ratios(by_day(slots, |rows| shares(rows, share))?),
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

fn too_large(column: &str) -> Error {
    Error::new(Kind::BadAnswer, format!("the sum of {column} of one day is too large to be drawn"))
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

/// The group of each row; the empty text for a row without one.
struct Groups<'a> {
    names: Option<&'a StringArray>,
    only: Option<&'a str>,
}

impl<'a> Groups<'a> {
    fn of(rows: &'a RecordBatch, grouping: Option<&str>, only: Option<&'a str>) -> Result<Self> {
        Ok(Self { names: grouping.map(|name| texts(rows, name)).transpose()?, only })
    }

    /// The group of a row; `None` if another one was asked for.
    fn get(&self, row: usize) -> Option<&'a str> {
        let name = self.names.filter(|names| names.is_valid(row)).map_or("", |names| names.value(row));
        Some(name).filter(|name| self.only.is_none_or(|only| only == *name))
    }
}

fn decimals<'a>(rows: &'a RecordBatch, name: &str) -> Result<&'a Decimal128Array> {
    let column = rows.column_by_name(name).and_then(|column| column.as_primitive_opt::<Decimal128Type>());
    column.ok_or_else(|| unlike(name))
}

fn amounts_by_group(
    rows: &RecordBatch,
    column: &str,
    grouping: Option<&str>,
    only: Option<&str>,
) -> Result<BTreeMap<Option<String>, i128>> {
    let (amounts, groups) = (decimals(rows, column)?, Groups::of(rows, grouping, only)?);
    let mut sums: BTreeMap<&str, i128> = BTreeMap::new();
    for (row, amount) in amounts.iter().enumerate() {
        let Some(group) = groups.get(row) else { continue };
        let sum = sums.entry(group).or_default();
        *sum = sum.checked_add(amount.unwrap_or(0)).ok_or_else(|| too_large(column))?;
    }
    Ok(sums.into_iter().map(|(group, sum)| (Some(group.to_owned()), sum)).collect())
}

/// Sums amounts by the unit of their row: those of two units are never added.
fn by_unit(
    slots: BTreeMap<NaiveDate, RecordBatch>,
    column: &str,
    unit: &str,
    grouping: Option<&str>,
    only: Option<&str>,
) -> Result<BTreeMap<String, Sums>> {
    let mut found: BTreeMap<String, Sums> = BTreeMap::new();
    for (day, rows) in slots {
        let (amounts, units) = (decimals(&rows, column)?, texts(&rows, unit)?);
        let groups = Groups::of(&rows, grouping, only)?;
        for row in (0..rows.num_rows()).filter(|row| amounts.is_valid(*row)) {
            let Some(group) = groups.get(row) else { continue };
            let unit = if units.is_valid(row) { units.value(row) } else { "" };
            enter(&mut found, unit, day, group, amounts.value(row)).ok_or_else(|| too_large(column))?;
        }
    }
    Ok(found.into_iter().map(|(unit, days)| (unit, fold(days))).collect())
}

/// Adds an amount to the sum of its unit, day and group; `None` if that is too large.
fn enter(found: &mut BTreeMap<String, Sums>, unit: &str, day: NaiveDate, group: &str, amount: i128) -> Option<()> {
    if !found.contains_key(unit) {
        found.insert(unit.to_owned(), Sums::new());
    }
    let sum = found.get_mut(unit)?.entry(day).or_default().entry(Some(group.to_owned())).or_default();
    *sum = sum.checked_add(amount)?;
    Some(())
}

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

/// Sums costs by their base unit; a cost without a unit is in a unit without a name.
fn costs(
    slots: BTreeMap<NaiveDate, RecordBatch>,
    column: &str,
    grouping: Option<&str>,
    only: Option<&str>,
) -> Result<BTreeMap<String, Sums>> {
    let mut found: BTreeMap<String, Sums> = BTreeMap::new();
    for (day, rows) in slots {
        let (amounts, units) = (floats(&rows, column)?, texts(&rows, "unit")?);
        let groups = Groups::of(&rows, grouping, only)?;
        for row in (0..rows.num_rows()).filter(|row| amounts.is_valid(*row)) {
            let Some(group) = groups.get(row) else { continue };
            let (scale, unit) = scale_of(if units.is_valid(row) { units.value(row) } else { "" });
            let amount = pico(amounts.value(row) * scale);
            enter(&mut found, unit, day, group, amount).ok_or_else(|| too_large(column))?;
        }
    }
    Ok(found.into_iter().map(|(unit, days)| (unit, fold(days))).collect())
}

/// An amount in units of 10^-12, exact as far as a double is.
fn pico(amount: f64) -> i128 {
    // A double beyond an i128 saturates; the sum of two such is refused.
    #[allow(clippy::cast_possible_truncation)]
    let pico = (amount * ONE as f64).round() as i128;
    pico
}

/// By kind the counted amount and what it is a share of; kinds without an amount are left out.
fn shares(rows: &RecordBatch, share: &Share) -> Result<BTreeMap<String, (f64, f64)>> {
    let names = share.kind.iter().map(|name| texts(rows, name)).collect::<Result<Vec<_>>>()?;
    let (series, amounts) = (texts(rows, "series")?, floats(rows, share.column)?);
    let mut kinds: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for row in (0..rows.num_rows()).filter(|row| amounts.is_valid(*row)) {
        let (name, amount) = (series.value(row), amounts.value(row));
        if !share.whole.is_empty() && !share.whole.contains(&name) {
            continue;
        }
        let kind = names.iter().map(|column| column.value(row)).collect::<Vec<_>>().join(" ");
        let (part, whole) = kinds.entry(kind).or_default();
        *whole += amount;
        if share.counted.contains(&name) {
            *part += amount;
        }
    }
    Ok(kinds)
}

fn utilization(rows: &RecordBatch) -> Result<BTreeMap<String, (f64, f64)>> {
    let names = [texts(rows, "provider")?, texts(rows, "product")?, texts(rows, "commitment_type")?];
    let ratios = floats(rows, "utilization")?;
    let mut kinds: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for row in (0..rows.num_rows()).filter(|row| ratios.is_valid(*row)) {
        let kind = names.map(|column| column.value(row)).join(" ");
        let (sum, count) = kinds.entry(kind).or_default();
        (*sum, *count) = (*sum + ratios.value(row), *count + 1.0);
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
    use super::{COVERED, KEPT_GROUPS, USED, costs, fold, shares};
    use crate::decimal::ONE;
    use arrow::array::{Float64Array, RecordBatch, StringArray};
    use chrono::NaiveDate;
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// Rows of texts, and the numbers of one column.
    fn rows(texts: &[(&str, &[&str])], name: &str, numbers: &[f64]) -> RecordBatch {
        let text = |(name, values): &(&str, &[&str])| -> (String, arrow::array::ArrayRef) {
            let values = values.iter().map(|value| Some(*value).filter(|value| *value != "null"));
            ((*name).to_owned(), Arc::new(values.collect::<StringArray>()))
        };
        let mut columns: Vec<_> = texts.iter().map(text).collect();
        columns.push((name.to_owned(), Arc::new(Float64Array::from(numbers.to_vec()))));
        RecordBatch::try_from_iter(columns).expect("rows")
    }

    #[test]
    fn costs_are_summed_by_unit_after_their_scale() {
        let texts: &[(&str, &[&str])] = &[
            ("unit", &["dollar", "cent", "0.01 dollar", "euro", "null"]),
            ("tag_team", &["web", "web", "data", "web", "web"]),
        ];
        let slots = BTreeMap::from([(NaiveDate::MIN, rows(texts, "cost", &[1.5, 250.0, -100.0, 7.0, 9.0]))]);
        let found = costs(slots.clone(), "cost", Some("tag_team"), None).expect("sums");
        let of = |unit: &str| found[unit][&NaiveDate::MIN].clone();
        let group = |name: &str, sum: i128| (Some(name.to_owned()), sum);
        assert_eq!(of("dollar"), BTreeMap::from([group("data", -ONE), group("web", 4 * ONE)]));
        assert_eq!(
            (of("euro"), of("")),
            (BTreeMap::from([group("web", 7 * ONE)]), BTreeMap::from([group("web", 9 * ONE)]))
        );
        assert_eq!(
            costs(slots, "cost", None, None).expect("sums")["dollar"][&NaiveDate::MIN],
            BTreeMap::from([group("", 3 * ONE)])
        );
        let huge = rows(&[("unit", &["euro", "euro"])], "cost", &[1e300, 1e300]);
        assert!(
            costs(BTreeMap::from([(NaiveDate::MIN, huge)]), "cost", None, None).is_err(),
            "a wrong sum is not drawn"
        );
    }

    #[test]
    fn a_share_is_of_the_series_that_it_names_or_of_all() {
        let names: &[(&str, &[&str])] = &[
            ("provider", &["aws"; 4]),
            ("product", &["ec2"; 4]),
            ("commitment_type", &["sp"; 4]),
            ("series", &["used", "unused", "total", "ri"]),
        ];
        let used = rows(names, "value", &[3.0, 1.0, 4.0, 2.0]);
        assert_eq!(shares(&used, &USED).expect("a share")["aws ec2 sp"], (3.0, 4.0));
        let covered = rows(names, "cost", &[3.0, 1.0, 4.0, 2.0]);
        assert_eq!(shares(&covered, &COVERED).expect("a share")["aws ec2"], (2.0, 10.0));
    }

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
