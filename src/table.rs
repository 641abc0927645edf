//! Tables: the columns a source offers, narrowed by a job.
//!
//! `schemas/<source>.json` is the contract. A job keeps the columns that its grouping and metrics need; the Arrow
//! schema, the documentation and the table definitions of query engines all come from the same list.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use serde::{Deserialize, Serialize};

use crate::decimal;

/// The column types, limited to those that all query engines read the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ColumnType {
    /// true or false.
    #[serde(rename = "boolean")]
    Boolean,
    /// 32-bit integer.
    #[serde(rename = "int")]
    Int,
    /// 64-bit integer.
    #[serde(rename = "bigint")]
    Bigint,
    /// 64-bit float; never for Cost Explorer money.
    #[serde(rename = "double")]
    Double,
    /// UTF-8 text.
    #[serde(rename = "string")]
    String,
    /// A UTC day.
    #[serde(rename = "date")]
    Date,
    /// An instant, milliseconds, UTC.
    #[serde(rename = "timestamp")]
    Timestamp,
    /// An exact amount, see [`decimal`].
    #[serde(rename = "decimal(38,12)")]
    Decimal,
}

impl ColumnType {
    /// The Arrow type of the column.
    #[must_use]
    pub fn arrow(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Int => DataType::Int32,
            Self::Bigint => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::String => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Self::Decimal => DataType::Decimal128(decimal::PRECISION, decimal::SCALE as i8),
        }
    }
}

/// One column of a schema file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Lower-case name.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub kind: ColumnType,
    /// Whether a value may be absent.
    pub nullable: bool,
    /// Place in the key that orders and identifies the rows, the time column first with 1; `None` outside the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<u8>,
    /// Meaning, unit and origin.
    pub doc: String,
    /// Over which rows the values of a number may be added up; `None` for columns that hold no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sums: Option<Sums>,
    /// How the page draws the column; a table without such a column gets the first amount that adds up over all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// Whether people assign the values (tags, cost categories), and may do so afterwards for days that are closed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assigned: bool,
}

/// The charts of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chart {
    /// An amount by day and first grouping.
    Amount,
    /// Actual cost, on-demand equivalent and savings by day.
    Savings,
    /// Utilization of commitments by day: the mean of the commitments of each kind.
    Utilization,
    /// The same from amounts by series: the used ones as a share of the used and the unused.
    UsedShare,
    /// What commitments covered of an amount, as a share of all its series.
    CoveredShare,
    /// Accounts with and without an export by day.
    Accounts,
}

/// Over which rows of one table the values of a column may be added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sums {
    /// Over all rows of one currency.
    Rows,
    /// Over rows of one unit, and of one `series` if the table has that column.
    Unit,
    /// Over none: rates, states, figures per hour.
    Never,
}

/// The columns of one table, in file order, and the key of its rows.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    schema: SchemaRef,
    sort_key: Vec<usize>,
    outside_digest: Vec<usize>,
    /// Whether rows may share their key.
    repeats: bool,
    /// Columns that the table gained after it was made, each with the queries of which any brings it.
    added: Vec<(usize, Vec<String>)>,
}

impl Table {
    /// A table of `columns` whose rows are ordered and identified by `sort_key`, the time column first. If that is
    /// empty, the key is that of the schema file: the columns with a place in it. Columns named in `outside_digest` hold
    /// values looked up at read time; a change in them does not change the row.
    ///
    /// Names that are not among the columns are ignored: a source passes all its candidates.
    #[must_use]
    pub fn new(columns: Vec<Column>, sort_key: &[&str], outside_digest: &[&str]) -> Self {
        let position = |name: &&str| columns.iter().position(|column| column.name == **name);
        let sort_key =
            if sort_key.is_empty() { own_key(&columns) } else { sort_key.iter().filter_map(position).collect() };
        let outside_digest = outside_digest.iter().filter_map(position).collect();
        let fields: Vec<Field> =
            columns.iter().map(|column| Field::new(&column.name, column.kind.arrow(), column.nullable)).collect();
        Self {
            columns,
            schema: Arc::new(Schema::new(fields)),
            sort_key,
            outside_digest,
            repeats: false,
            added: Vec::new(),
        }
    }

    /// The same table, which was made without the columns at these positions: rows hold a value of such a column only if
    /// they were read for one of its queries.
    #[must_use]
    pub fn with_added(self, added: Vec<(usize, Vec<String>)>) -> Self {
        Self { added, ..self }
    }

    /// Whether the table gained columns after it was made.
    #[must_use]
    pub fn has_added(&self) -> bool {
        !self.added.is_empty()
    }

    /// Whether rows that were read for these queries hold values of the column at a position.
    #[must_use]
    pub fn holds(&self, index: usize, read_for: &BTreeSet<String>) -> bool {
        let added = self.added.iter().find(|(position, _)| *position == index);
        added.is_none_or(|(_, queries)| queries.iter().any(|query| read_for.contains(query)))
    }

    /// Positions of the columns that identify the content of rows read for these queries: what they do not hold, and
    /// what is outside the digest, is no part of it.
    pub fn digested<'a>(&'a self, read_for: &'a BTreeSet<String>) -> impl Iterator<Item = usize> + 'a {
        let is_part = |index: &usize| !self.outside_digest.contains(index) && self.holds(*index, read_for);
        (0..self.columns.len()).filter(is_part)
    }

    /// The same table, but rows may share their key: such rows are ordered by all their columns and identified by their
    /// position.
    #[must_use]
    pub fn with_repeats(self) -> Self {
        Self { repeats: true, ..self }
    }

    /// Whether rows may share their key.
    #[must_use]
    pub fn may_repeat(&self) -> bool {
        self.repeats
    }

    /// Positions of the columns that order the rows: the key, followed by all other columns if rows may share a key.
    pub fn order(&self) -> impl Iterator<Item = usize> + '_ {
        let others = (0..self.columns.len()).filter(|index| self.repeats && !self.sort_key.contains(index));
        self.sort_key.iter().copied().chain(others)
    }

    /// The columns in file order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The same as an Arrow schema.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Positions of the columns that order and identify a row; the first is the time column.
    #[must_use]
    pub fn sort_key(&self) -> &[usize] {
        &self.sort_key
    }

    /// Whether a column holds values that people assign.
    #[must_use]
    pub fn has_assigned(&self) -> bool {
        self.columns.iter().any(|column| column.assigned)
    }

    /// Positions of the exact amounts of rows read for these queries, whose sums are kept per day.
    pub fn amounts<'a>(&'a self, read_for: &'a BTreeSet<String>) -> impl Iterator<Item = usize> + 'a {
        let is_amount = |index: &usize| self.columns[*index].kind == ColumnType::Decimal;
        (0..self.columns.len()).filter(is_amount).filter(|index| self.holds(*index, read_for))
    }
}

/// Positions of the columns that a schema file names as the key, in the order of their places.
fn own_key(columns: &[Column]) -> Vec<usize> {
    let mut places: Vec<(u8, usize)> =
        columns.iter().enumerate().filter_map(|(index, column)| Some((column.key?, index))).collect();
    places.sort_unstable();
    places.into_iter().map(|(_, index)| index).collect()
}

/// Reads a schema file.
///
/// # Errors
/// When the text is not a list of columns; the files are compiled in and covered by tests.
pub fn parse_schema(text: &str) -> Result<Vec<Column>, serde_json::Error> {
    serde_json::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::{Table, parse_schema};

    const SCHEMA: &str = r#"[
        {"name": "cost", "type": "double", "nullable": true, "doc": "an amount"},
        {"name": "account", "type": "string", "nullable": false, "key": 3, "doc": "the last of the key"},
        {"name": "day", "type": "date", "nullable": false, "key": 1, "doc": "the first of the key"},
        {"name": "config", "type": "string", "nullable": true, "key": 2, "doc": "the second of the key"}
    ]"#;

    #[test]
    fn the_key_of_rows_is_that_of_the_schema_file_unless_a_source_says_another() {
        for (said, wanted) in [(&[][..], vec![2, 3, 1]), (&["day", "account"], vec![2, 1]), (&["day", "none"], vec![2])]
        {
            let table = Table::new(parse_schema(SCHEMA).unwrap(), said, &[]);
            assert_eq!(table.sort_key(), wanted, "{said:?}");
        }
    }

    #[test]
    fn a_column_outside_the_key_is_written_without_it() {
        let columns = parse_schema(SCHEMA).unwrap();
        assert!(!serde_json::to_string(&columns[0]).unwrap().contains("key"));
        assert!(serde_json::to_string(&columns[1]).unwrap().contains(r#""key":3"#));
    }
}
