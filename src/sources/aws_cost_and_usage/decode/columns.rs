//! What a decoder fills: the columns of the rows of a fetch, and what ends a page.

use std::collections::BTreeMap;

use crate::sources::aws_cost_and_usage::query::Grouping;

use super::dictionary::Names;

/// The rows of a fetch read so far, column by column.
pub(in crate::sources::aws_cost_and_usage) struct Rows {
    /// Index into [`Rows::periods`] for each row.
    pub(in crate::sources::aws_cost_and_usage) period: Vec<u32>,
    /// Periods read, each with its estimate flag; the same period may be on several pages.
    pub(in crate::sources::aws_cost_and_usage) periods: Vec<Period>,
    /// One per grouping.
    pub(in crate::sources::aws_cost_and_usage) keys: Vec<Names>,
    /// One per metric.
    pub(in crate::sources::aws_cost_and_usage) amounts: Vec<Vec<i128>>,
    /// Units of the metrics with one per row; `None` for the cost metrics.
    pub(in crate::sources::aws_cost_and_usage) units: Vec<Option<Names>>,
    /// The currency of all costs read so far in the current result.
    pub(in crate::sources::aws_cost_and_usage) currency: Option<String>,
    /// `DimensionValueAttributes`: value to description.
    pub(in crate::sources::aws_cost_and_usage) descriptions: BTreeMap<String, String>,
}

impl Rows {
    /// Drops the rows and periods after the given counts.
    pub(super) fn truncate(&mut self, (rows, periods): (usize, usize)) {
        self.period.truncate(rows);
        self.periods.truncate(periods);
        self.keys.iter_mut().chain(self.units.iter_mut().flatten()).for_each(|names| names.truncate(rows));
        self.amounts.iter_mut().for_each(|amounts| amounts.truncate(rows));
        self.currency = None;
    }
}

/// One entry of `ResultsByTime`.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sources::aws_cost_and_usage) struct Period {
    pub(in crate::sources::aws_cost_and_usage) start: String,
    pub(in crate::sources::aws_cost_and_usage) end: String,
    pub(in crate::sources::aws_cost_and_usage) estimated: bool,
    /// Whether a grouped answer has a non-zero total here.
    pub(in crate::sources::aws_cost_and_usage) has_total: bool,
    /// The currency of its costs, if they name one.
    pub(in crate::sources::aws_cost_and_usage) currency: Option<String>,
}

/// The content of a page other than its rows.
#[derive(Debug, Default, PartialEq)]
pub(in crate::sources::aws_cost_and_usage) struct PageEnd {
    pub(in crate::sources::aws_cost_and_usage) next_token: Option<String>,
    pub(in crate::sources::aws_cost_and_usage) echo: Option<Vec<(String, String)>>,
    pub(in crate::sources::aws_cost_and_usage) has_results: bool,
}

/// What to read from an answer.
pub(in crate::sources::aws_cost_and_usage) struct Wanted<'a> {
    pub(in crate::sources::aws_cost_and_usage) groupings: &'a [Grouping],
    /// API names of the metrics and whether their unit is the currency.
    pub(in crate::sources::aws_cost_and_usage) metrics: &'a [(&'static str, bool)],
}
