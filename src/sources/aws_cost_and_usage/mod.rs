//! AWS Cost Explorer `GetCostAndUsage`: costs and usage by up to two groupings.
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html>
//!
//! The API pages by group, not by day: a day can be split over pages and reappear on a later one. The reader
//! therefore holds all rows of a fetch and checks them when the last page is in:
//!
//! | what | must be |
//! |---|---|
//! | the returned periods | exactly those of the requested windows, none missing, none extra |
//! | a (period, keys) pair | unique |
//! | `GroupDefinitions` | the requested grouping |
//! | the unit of the cost metrics | one currency per day |
//! | a key of a tag, cost category or product attribute | begins with the requested key and `$` |
//! | `NextPageToken` | never one that was seen before; at most 1,000 pages |
//! | every amount | text that `DECIMAL(38,12)` holds exactly |
//!
//! A grouped answer for a day without costs has no groups and a `Total` of zeros: the request, never the answer,
//! decides whether rows come from `Groups` or from `Total`.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;

use crate::job::keys::{Key, Shape, key};
use crate::request::Request;
use crate::sources::provider::{AWS_COSTS, COST_EXPLORER};
use crate::sources::{ApiTotals, Entry, Learnt, Reader, Source, cost_explorer};
use crate::table::Table;
use crate::window::{Grain, Window};

mod decode;
mod dimensions;
pub mod filter;
pub mod params;
mod product_attributes;
pub mod query;
mod read;
#[cfg(test)]
mod tests;

pub use decode::compare::read_both;
use query::{Expression, Grouping};

const SCHEMA: &str = include_str!("../../../schemas/aws_cost_and_usage.json");

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "aws_cost_and_usage",
    summary: "AWS Cost Explorer costs and usage, by up to two of dimension, tag, cost category and product attribute",
    operations: &["GetCostAndUsage"],
    row: "period and group",
    night: "0.01 USD for all jobs of an account and filter, and 0.01 USD for each page of days that moved",
    schema: SCHEMA,
    provider: &COST_EXPLORER,
    rules: &AWS_COSTS,
    keys: KEYS,
    values: Some(&cost_explorer::listings::COSTS),
    jobs: &[
        ("aws_cost_by_service", include_str!("../../../jobs/aws_cost_by_service.toml")),
        ("aws_cost_by_account", include_str!("../../../jobs/aws_cost_by_account.toml")),
        ("aws_cost_by_team", include_str!("../../../jobs/aws_cost_by_team.toml")),
        ("aws_ai_cost_by_model", include_str!("../../../jobs/aws_ai_cost_by_model.toml")),
        ("aws_savings_by_service", include_str!("../../../jobs/aws_savings_by_service.toml")),
        ("aws_cost_monthly", include_str!("../../../jobs/aws_cost_monthly.toml")),
    ],
    build: |section| params::read(section).map(|params| Arc::new(CostAndUsage(params)) as Arc<dyn Source>),
};

static KEYS: &[Key] = &[
    key("source.granularity", Shape::OneOf(&["DAILY", "MONTHLY", "HOURLY"]), "required", "how fine the rows are"),
    key(
        "source.metrics",
        Shape::Texts,
        "required",
        "one or more metrics, as the API names them: `UnblendedCost`, `AmortizedCost`, `UsageQuantity`, …",
    ),
    key(
        "source.group_by",
        Shape::Tables,
        "none: totals",
        "up to two of `{ dimension = … }`, `{ tag = … }`, `{ cost_category = … }`, `{ product_attribute = … }`; a product attribute is of Amazon Bedrock only, from 2026-09-01 on",
    ),
    key("source.filter", Shape::Table, "none", "the API's `Expression`, same names, checked offline"),
    key("aws.billing_view_arn", Shape::Text, "none", "billing view to read"),
];

/// The parameters of a job.
#[derive(Debug, Clone)]
pub struct Params {
    /// `granularity`.
    pub grain: Grain,
    /// `metrics`, in column order.
    pub metrics: Vec<&'static params::Metric>,
    /// The metrics that the table was made with, if the job has named more since.
    pub made_with: Option<Vec<&'static params::Metric>>,
    /// `group_by`.
    pub groupings: Vec<Grouping>,
    /// `filter`.
    pub filter: Option<Expression>,
    /// `aws.billing_view_arn`.
    pub billing_view_arn: Option<String>,
    /// The table with the resulting columns.
    pub table: Arc<Table>,
}

#[derive(Debug)]
struct CostAndUsage(Params);

impl CostAndUsage {
    /// The filter of the request for the totals.
    fn scope(&self) -> Option<Expression> {
        product_attributes::scope(&self.0.groupings, self.0.filter.as_ref())
    }
}

impl Source for CostAndUsage {
    fn table(&self) -> &Arc<Table> {
        &self.0.table
    }

    fn grain(&self) -> Grain {
        self.0.grain
    }

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        let params = &self.0;
        let groupings: Vec<String> = params.groupings.iter().map(|g| format!("{}:{}", g.kind.name(), g.key)).collect();
        let at_first = params.made_with.as_ref().unwrap_or(&params.metrics);
        let metrics: Vec<&str> = at_first.iter().map(|metric| metric.name).collect();
        let mut pairs = vec![
            ("granularity", params.grain.name().to_owned()),
            (params::FINGERPRINT, metrics.join(",")),
            ("group_by", serde_json::Value::from(groupings).to_string()),
        ];
        let filter = params.filter.as_ref().and_then(|filter| serde_json::to_string(filter).ok());
        pairs.extend(filter.map(|filter| ("filter", filter)));
        pairs.extend(params.billing_view_arn.clone().map(|arn| ("billing_view_arn", arn)));
        pairs
    }

    fn read_for(&self) -> BTreeSet<String> {
        let Some(at_first) = &self.0.made_with else { return BTreeSet::new() };
        let added = self.0.metrics.iter().filter(|metric| !at_first.contains(metric));
        added.map(|metric| metric.name.to_owned()).collect()
    }

    fn grows(&self) -> bool {
        true
    }

    fn grown_from(&self, made_with: &[(String, String)]) -> Option<Arc<dyn Source>> {
        let at_first = params::metrics_of(made_with)?;
        let is_more = at_first.len() < self.0.metrics.len();
        let is_grown = is_more && at_first.iter().all(|metric| self.0.metrics.contains(metric));
        let grown = is_grown.then(|| params::grown(&self.0, at_first))?;
        grown.ok().map(|params| Arc::new(Self(params)) as Arc<dyn Source>)
    }

    fn as_read_for(&self, read_for: &BTreeSet<String>) -> Option<Arc<dyn Source>> {
        let Params { grain, metrics, made_with, groupings, filter, billing_view_arn, .. } = self.0.clone();
        let at_first = made_with?;
        let was_read = |metric: &&params::Metric| at_first.contains(metric) || read_for.contains(metric.name);
        let metrics = metrics.into_iter().filter(was_read).collect();
        let narrow = params::assemble(grain, metrics, groupings, filter, billing_view_arn);
        narrow.ok().map(|params| Arc::new(Self(params)) as Arc<dyn Source>)
    }

    fn first_day(&self) -> Option<NaiveDate> {
        product_attributes::first_day(&self.0.groupings, self.0.filter.as_ref())
    }

    fn totals(&self) -> Option<&dyn ApiTotals> {
        Some(self)
    }

    fn expected_requests(&self, windows: &[Window], learnt: &Learnt) -> u64 {
        let slots = |window: &Window| self.0.grain.slots(*window).count() as u64;
        windows.iter().map(|window| learnt.pages(slots(window))).sum()
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        windows.iter().map(|window| query::first_page(&self.0, *window)).collect()
    }

    fn reader(&self, windows: &[Window]) -> Box<dyn Reader> {
        Box::new(read::PageReader::new(&self.0, windows))
    }
}

impl ApiTotals for CostAndUsage {
    fn metrics(&self) -> BTreeSet<String> {
        self.0.metrics.iter().map(|metric| metric.name.to_owned()).collect()
    }

    /// The request of [`ApiTotals::request`] apart from its metrics: jobs share it only if it is the same.
    fn key(&self) -> String {
        let own = [params::FINGERPRINT, "group_by"];
        let scoped = Self(Params { filter: self.scope(), ..self.0.clone() });
        let shared: Vec<String> = scoped
            .fingerprint()
            .into_iter()
            .filter(|(name, _)| !own.contains(name))
            .map(|(name, text)| format!("{name}={text}"))
            .collect();
        shared.join("\n")
    }

    fn request(&self, metrics: &BTreeSet<String>) -> Option<Arc<dyn Source>> {
        let metrics = params::METRICS.iter().filter(|metric| metrics.contains(metric.name)).collect();
        let params = params::assemble(self.0.grain, metrics, Vec::new(), self.scope(), self.0.billing_view_arn.clone());
        params.ok().map(|params| Arc::new(Self(params)) as Arc<dyn Source>)
    }

    fn are_the_rows(&self) -> bool {
        self.0.groupings.is_empty()
    }

    fn enforced(&self) -> Vec<&'static str> {
        self.0
            .metrics
            .iter()
            .filter(|metric| metric.unit_column == params::CURRENCY)
            .map(|metric| metric.column)
            .collect()
    }
}
