//! What is asked of a table: names as people type them, checked against its columns.

use std::collections::BTreeSet;

use crate::error::{Error, Kind, Result};
use crate::job::section::nearest;
use crate::table::{Column, ColumnType, Sums, Table};
use crate::totals::CURRENCY;
use crate::unit::ACCOUNT;

/// Most columns to group by.
pub const MOST_GROUPINGS: usize = 3;

/// The measure that every table has: the number of its rows.
pub const ROWS: &str = "rows";

/// The column that says what a value of Datadog is of; values of two are never added.
const SERIES: &str = "series";

/// What is added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The number of rows.
    Rows,
    /// The column at this position.
    Column(usize),
}

/// What rows are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// The column at this position.
    Column(usize),
    /// The account, which is no column of the rows but of their path.
    Account,
    /// The UTC day of the row's time.
    Day,
    /// The Monday of its week.
    Week,
    /// Its month.
    Month,
}

/// Rows to keep: those whose column has one of these values. The empty text also stands for NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Position of the column.
    pub column: usize,
    /// The values, as text.
    pub values: BTreeSet<String>,
}

/// A question to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is added up.
    pub measure: Measure,
    /// Groups, in order.
    pub by: Vec<Grouping>,
    /// All of these must hold.
    pub filters: Vec<Filter>,
    /// Columns whose values must not be mixed in one sum: of the unit or currency, and of the series.
    pub apart: Vec<usize>,
    /// Position of the column of time.
    pub time: usize,
}

impl Question {
    /// Reads what was typed. A measure may be named as the API names it (`UnblendedCost`); without a name it is what the
    /// page draws of the table, else the first column that adds up, else the number of rows. `filters` are
    /// `column=value`; several of one column are alternatives.
    ///
    /// # Errors
    /// [`Kind::Config`] naming the column that does not exist, cannot be grouped by, or does not add up.
    pub fn parse(table: &Table, measure: Option<&str>, by: &[String], filters: &[String]) -> Result<Self> {
        let measure = measure.map_or_else(|| Ok(usual_measure(table)), |name| find_measure(table, name))?;
        let time = *table.sort_key().first().ok_or_else(|| Error::new(Kind::Internal, "the table has no time"))?;
        let by: Vec<Grouping> = by.iter().map(|name| find_grouping(table, name.trim())).collect::<Result<_>>()?;
        if let Some(twice) = by.iter().enumerate().find(|(place, grouping)| by[..*place].contains(grouping)) {
            let name = Self::by_names_of(table, &[*twice.1]).concat();
            return Err(Error::new(Kind::Config, format!("`{name}` is named twice")).at("flag", "--by"));
        }
        check_count(&by)?;
        let mut found: Vec<Filter> = Vec::new();
        for text in filters {
            let (column, value) = find_filter(table, text)?;
            match found.iter_mut().find(|filter| filter.column == column) {
                Some(filter) => drop(filter.values.insert(value)),
                None => found.push(Filter { column, values: BTreeSet::from([value]) }),
            }
        }
        Ok(Self { measure, by, filters: found, apart: kept_apart(table, measure), time })
    }

    /// As [`Question::parse`], to a table with accounts, which also has the `account` of its rows. Returns the accounts
    /// that the filters name besides; none stands for all.
    ///
    /// # Errors
    /// As for [`Question::parse`].
    pub fn parse_with_accounts(
        table: &Table,
        measure: Option<&str>,
        by: &[String],
        filters: &[String],
    ) -> Result<(Self, BTreeSet<String>)> {
        let is_account = |name: &str| name.trim() == ACCOUNT;
        let (accounts, filters): (Vec<String>, Vec<String>) =
            filters.iter().cloned().partition(|text| text.split_once('=').is_some_and(|(name, _)| is_account(name)));
        let accounts = accounts.iter().filter_map(|text| Some(text.split_once('=')?.1.to_owned())).collect();
        let others: Vec<String> = by.iter().filter(|name| !is_account(name)).cloned().collect();
        let mut question = Self::parse(table, measure, &others, &filters)?;
        if others.len() + 1 < by.len() {
            return Err(Error::new(Kind::Config, format!("`{ACCOUNT}` is named twice")).at("flag", "--by"));
        }
        if let Some(place) = by.iter().position(|name| is_account(name)) {
            question.by.insert(place, Grouping::Account);
            check_count(&question.by)?;
        }
        Ok((question, accounts))
    }

    /// The question whose answers are the costs of a table: its usual measure, if that is an amount of a currency or
    /// unit, by its first grouping that is a text.
    #[must_use]
    pub fn of_costs(table: &Table) -> Option<Self> {
        let usual = Self::parse(table, None, &[], &[]).ok()?;
        let Measure::Column(index) = usual.measure else { return None };
        let column = &table.columns()[index];
        let is_money = match (column.kind, column.sums) {
            (ColumnType::Decimal, Some(Sums::Rows)) => !usual.apart.is_empty(),
            (ColumnType::Double, Some(Sums::Unit)) => usual.apart.len() == 1,
            _ => false,
        };
        let by: Vec<String> = first_grouping(table).into_iter().collect();
        if is_money { Self::parse(table, None, &by, &[]).ok() } else { None }
    }

    /// Positions of the columns to read, ascending.
    #[must_use]
    pub fn columns(&self) -> Vec<usize> {
        let measure = if let Measure::Column(index) = self.measure { Some(index) } else { None };
        let by = self.by.iter().filter_map(|grouping| match grouping {
            Grouping::Column(index) => Some(*index),
            _ => None,
        });
        let filters = self.filters.iter().map(|filter| filter.column);
        let all: BTreeSet<usize> =
            measure.into_iter().chain(by).chain(filters).chain(self.apart.iter().copied()).chain([self.time]).collect();
        all.into_iter().collect()
    }

    /// The name of the measure: a column, or [`ROWS`].
    #[must_use]
    pub fn measure_name<'t>(&self, table: &'t Table) -> &'t str {
        match self.measure {
            Measure::Rows => ROWS,
            Measure::Column(index) => &table.columns()[index].name,
        }
    }

    /// The names of the groupings, in order.
    #[must_use]
    pub fn by_names<'t>(&self, table: &'t Table) -> Vec<&'t str> {
        Self::by_names_of(table, &self.by)
    }

    fn by_names_of<'t>(table: &'t Table, by: &[Grouping]) -> Vec<&'t str> {
        let name = |grouping: &Grouping| match grouping {
            Grouping::Column(index) => table.columns()[*index].name.as_str(),
            Grouping::Account => ACCOUNT,
            Grouping::Day => "day",
            Grouping::Week => "week",
            Grouping::Month => "month",
        };
        by.iter().map(name).collect()
    }

    /// Whether a grouping is by time.
    #[must_use]
    pub fn is_time(&self, grouping: Grouping) -> bool {
        match grouping {
            Grouping::Column(index) => index == self.time,
            Grouping::Account => false,
            Grouping::Day | Grouping::Week | Grouping::Month => true,
        }
    }

    /// Whether the groups are in time first, so that their order is worth more than their size.
    #[must_use]
    pub fn is_by_time(&self) -> bool {
        self.by.first().is_some_and(|grouping| self.is_time(*grouping))
    }
}

fn check_count(by: &[Grouping]) -> Result<()> {
    if by.len() > MOST_GROUPINGS {
        let many = format!("{} groupings; {MOST_GROUPINGS} are the most", by.len());
        return Err(Error::new(Kind::Config, many).at("flag", "--by"));
    }
    Ok(())
}

/// Whether values of a column may be added at all.
fn adds_up(column: &Column) -> bool {
    let is_number =
        matches!(column.kind, ColumnType::Decimal | ColumnType::Double | ColumnType::Int | ColumnType::Bigint);
    is_number && column.sums.is_some_and(|sums| sums != Sums::Never)
}

/// The first grouping of a table, if it is a text.
#[must_use]
pub fn first_grouping(table: &Table) -> Option<String> {
    let column = table.sort_key().get(1).map(|index| &table.columns()[*index])?;
    (column.kind == ColumnType::String).then(|| column.name.clone())
}

fn usual_measure(table: &Table) -> Measure {
    // Columns that the table gained later are NULL on its older days.
    let at_first = BTreeSet::new();
    let is_usual = |(index, column): &(usize, &Column)| adds_up(column) && table.holds(*index, &at_first);
    let columns = || table.columns().iter().enumerate().filter(is_usual);
    let drawn = columns().find(|(_, column)| column.chart.is_some()).or_else(|| columns().next());
    drawn.map_or(Measure::Rows, |(index, _)| Measure::Column(index))
}

/// A name without case and underscores: `UnblendedCost` and `unblended_cost` are one.
fn folded(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

fn find_measure(table: &Table, name: &str) -> Result<Measure> {
    let columns = table.columns();
    let found = columns.iter().position(|column| folded(&column.name) == folded(name));
    let known = || columns.iter().filter(|column| adds_up(column)).map(|column| column.name.as_str()).chain([ROWS]);
    let listed = || known().collect::<Vec<_>>().join(", ");
    match found {
        Some(index) if adds_up(&columns[index]) => Ok(Measure::Column(index)),
        None if name == ROWS => Ok(Measure::Rows),
        Some(index) => {
            let doc = columns[index].doc.split(". ").next().unwrap_or_default();
            let why = format!("the values of `{}` do not add up ({doc})", columns[index].name);
            Err(Error::new(Kind::Config, why).at("flag", "--metric").advise(format!("what adds up here: {}", listed())))
        }
        None => Err(Error::new(Kind::Config, format!("there is no metric `{name}`{}", nearest(name, known())))
            .at("flag", "--metric")
            .advise(format!("this table has {}", listed()))),
    }
}

/// Whether rows can be grouped or filtered by a column.
fn can_group(column: &Column) -> bool {
    !matches!(column.kind, ColumnType::Decimal | ColumnType::Double)
}

fn find_column(table: &Table, name: &str, flag: &'static str) -> Result<usize> {
    let columns = table.columns();
    let known = || columns.iter().filter(|column| can_group(column)).map(|column| column.name.as_str());
    let what = match columns.iter().position(|column| column.name == name) {
        Some(index) if can_group(&columns[index]) => return Ok(index),
        Some(_) => format!("`{name}` is a number: rows cannot be grouped by it"),
        None => format!("there is no column `{name}`{}", nearest(name, known())),
    };
    let listed = known().collect::<Vec<_>>().join(", ");
    Err(Error::new(Kind::Config, what).at("flag", flag).advise(format!("this table has {listed}")))
}

fn find_grouping(table: &Table, name: &str) -> Result<Grouping> {
    if table.columns().iter().any(|column| column.name == name) {
        return find_column(table, name, "--by").map(Grouping::Column);
    }
    match name {
        "day" => Ok(Grouping::Day),
        "week" => Ok(Grouping::Week),
        "month" | "billing_period" => Ok(Grouping::Month),
        _ => find_column(table, name, "--by").map(Grouping::Column),
    }
}

fn find_filter(table: &Table, text: &str) -> Result<(usize, String)> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(Error::new(Kind::Config, format!("`{text}` is not COLUMN=VALUE"))
            .at("flag", "--where")
            .advise("write it as --where service=AmazonS3; --where tag_team= finds what has no value"));
    };
    Ok((find_column(table, name.trim(), "--where")?, value.to_owned()))
}

/// The columns whose values must not be mixed in one sum of a measure.
fn kept_apart(table: &Table, measure: Measure) -> Vec<usize> {
    let Measure::Column(index) = measure else { return Vec::new() };
    let columns = table.columns();
    let position = |name: &str| columns.iter().position(|column| column.name == name);
    let column = &columns[index];
    let own = position(&format!("{}_unit", column.name));
    match column.sums {
        Some(Sums::Unit) => own.or_else(|| position("unit")).into_iter().chain(position(SERIES)).collect(),
        _ => own.or_else(|| position(CURRENCY)).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Grouping, Measure, Question};
    use crate::job;
    use crate::sources::REGISTRY;
    use std::path::Path;

    fn table(name: &str) -> std::sync::Arc<crate::table::Table> {
        let jobs = REGISTRY.iter().flat_map(|entry| entry.jobs);
        let (_, text) = jobs.clone().find(|(job, _)| *job == name).expect("a shipped job");
        let job = job::parse(&Path::new("jobs").join(format!("{name}.toml")), text).expect("a job");
        std::sync::Arc::clone(job.source.table())
    }

    fn parse(name: &str, measure: Option<&str>, by: &[&str], filters: &[&str]) -> Result<Question, String> {
        let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        Question::parse(&table(name), measure, &texts(by), &texts(filters)).map_err(|error| error.report())
    }

    #[test]
    fn a_metric_has_the_name_of_its_column_or_of_the_api() {
        let bill = table("aws_cost_by_service");
        for name in ["amortized_cost", "AmortizedCost", "amortizedcost"] {
            let question = parse("aws_cost_by_service", Some(name), &[], &[]).expect("a question");
            assert_eq!(question.measure_name(&bill), "amortized_cost");
        }
        let usual = parse("aws_cost_by_service", None, &["service", "month"], &[]).expect("a question");
        assert_eq!((usual.measure_name(&bill), usual.by_names(&bill)), ("unblended_cost", vec!["service", "month"]));
        assert_eq!(usual.by[1], Grouping::Month);
        let snapshot = parse("datadog_cloud_accounts", None, &["cloud"], &[]).expect("a question");
        assert_eq!(snapshot.measure, Measure::Rows, "nothing of it adds up");
    }

    #[test]
    fn what_cannot_be_asked_is_refused_with_what_can() {
        for (table, measure, by, filters, words) in [
            ("datadog_savings", Some("effective_savings_rate"), &[][..], &[][..], "do not add up"),
            ("aws_cost_by_service", Some("UnblendedCosts"), &[], &[], "did you mean `unblended_cost`"),
            ("aws_cost_by_service", None, &["servise"], &[], "did you mean `service`"),
            ("aws_cost_by_service", None, &["unblended_cost"], &[], "is a number"),
            ("aws_cost_by_service", None, &[], &["service"], "is not COLUMN=VALUE"),
            ("aws_cost_by_service", None, &[], &["nothing=1"], "there is no column `nothing`"),
            ("aws_cost_by_service", None, &["service", "day", "week", "month"], &[], "3 are the most"),
            ("aws_cost_by_service", None, &["month", "service", "billing_period"], &[], "`month` is named twice"),
        ] {
            let error = parse(table, measure, by, filters).expect_err("refused");
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn values_of_one_column_are_alternatives() {
        let question = parse("aws_cost_by_team", None, &[], &["tag_team=", "tag_team=a=b"]).expect("a question");
        assert_eq!(question.filters.len(), 1);
        assert_eq!(question.filters[0].values.iter().map(String::as_str).collect::<Vec<_>>(), ["", "a=b"]);
    }

    #[test]
    fn units_and_series_are_kept_apart_where_the_schema_says_so() {
        for (name, measure, apart) in [
            ("aws_cost_by_service", "unblended_cost", &["currency"][..]),
            ("aws_cost_by_service", "usage_quantity", &["usage_quantity_unit"]),
            ("datadog_savings", "actual_cost", &["actual_cost_unit", "series"]),
            ("datadog_cost", "cost", &["unit"]),
            ("aws_savings_plans_utilization", "used_commitment", &[]),
        ] {
            let (question, table) = (parse(name, Some(measure), &[], &[]).expect("a question"), table(name));
            let names: Vec<&str> = question.apart.iter().map(|index| table.columns()[*index].name.as_str()).collect();
            assert_eq!(names, apart, "{name}.{measure}");
        }
    }
}
