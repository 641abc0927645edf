//! Views over tables that answer common questions about a bill, in each dialect. The text of a view is a template in
//! `views/`; which tables have it follows from their columns.
//!
//! Differences and sums are computed on exact decimals, cast to `decimal(37, 12)`: Spark keeps twelve decimals of a
//! difference only if its operands have fewer than 38 digits.

use std::collections::BTreeSet;

use crate::job::Job;
use crate::table::{ColumnType, Sums};
use crate::window::Grain;

use super::template::Words;
use super::{Dialect, agreement, focus, tables_view, units};

/// A table to create views for.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// Its job.
    pub job: &'a Job,
    /// The AWS account it belongs to, when known.
    pub account: Option<String>,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Which question it answers: the name of its template.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// The statement that creates it, ended by a semicolon.
    pub statement: String,
}

/// Names of the program's views and macros.
const OWN: [&str; 4] = ["costlake_runs", "costlake_run_records", "cost_revisions", "costlake_generations"];

/// Every view that these tables have columns for: first those of one table, then those over several. A view whose name
/// is taken is replaced by a comment that says so.
#[must_use]
pub fn views(dialect: Dialect, subjects: &[Subject<'_>]) -> Vec<View> {
    let dialect = dialect.of_queries();
    let mut found: Vec<View> = subjects.iter().flat_map(|subject| of_table(dialect, subject.job)).collect();
    for (commitments, savings) in pairs(subjects) {
        found.push(commitments_and_savings(dialect, commitments, savings));
    }
    found.extend(agreement::view(dialect, subjects));
    found.extend(tables_view::view(dialect, subjects));
    let mut taken: BTreeSet<String> = OWN.iter().map(|name| (*name).to_owned()).collect();
    taken.extend(subjects.iter().map(|subject| subject.job.name.clone()));
    for view in &mut found {
        if !taken.insert(view.name.clone()) {
            view.statement = format!("-- {} is left out: the name is taken", view.name);
        }
    }
    found
}

/// API spending by month and job, over `costlake_runs`; `None` if the dialect does not have that.
#[must_use]
pub fn api_spend(dialect: Dialect) -> Option<View> {
    let month = match dialect {
        Dialect::Duckdb => "strftime(started_at AT TIME ZONE 'UTC', '%Y-%m')",
        Dialect::Spark => "date_format(to_utc_timestamp(started_at, current_timezone()), 'yyyy-MM')",
        Dialect::Athena | Dialect::Trino => return None,
    };
    let words = begin(dialect, "costlake_api_spend").with("run_month", month);
    Some(view("api_spend", "costlake_api_spend", &words, include_str!("views/api_spend.sql")))
}

/// Changes since an instant: a DuckDB macro over `cost_revisions`, which must be created first.
#[must_use]
pub fn changed_since() -> View {
    let words = begin(Dialect::Duckdb, "costlake_changed_since");
    view("changed_since", "costlake_changed_since", &words, include_str!("views/changed_since.sql"))
}

/// The words that all templates share.
pub(super) fn begin(dialect: Dialect, name: &str) -> Words {
    let create = match dialect {
        Dialect::Spark => "CREATE OR REPLACE TEMPORARY VIEW",
        Dialect::Athena | Dialect::Duckdb | Dialect::Trino => "CREATE OR REPLACE VIEW",
    };
    Words::default().with("create", create).with("view", dialect.identifier(name))
}

/// A view from its template.
pub(super) fn view(kind: &'static str, name: &str, words: &Words, template: &str) -> View {
    View { kind, name: name.to_owned(), statement: words.fill(template) }
}

/// The columns of a table by their role in views.
struct Shape {
    /// Exact costs, in the order of the columns.
    costs: Vec<String>,
    /// The columns that rows are grouped by, besides the period.
    groups: Vec<String>,
    /// The grouping column whose empty text means "unallocated": a tag or cost category.
    key: Option<String>,
}

/// Exact costs of a job's table.
pub(super) fn costs(job: &Job) -> Vec<String> {
    let columns = job.source.table().columns();
    let costs = columns.iter().filter(|column| column.kind == ColumnType::Decimal && column.sums == Some(Sums::Rows));
    costs.map(|column| column.name.clone()).collect()
}

/// Whether a table has all these columns.
fn has(job: &Job, names: &[&str]) -> bool {
    names.iter().all(|name| job.source.table().columns().iter().any(|column| column.name == *name))
}

fn shape(job: &Job) -> Shape {
    let groups: Vec<String> = super::ddl::key(job).into_iter().skip(1).collect();
    let columns = job.source.table().columns();
    let is_assigned = |name: &&String| columns.iter().any(|column| column.assigned && column.name == **name);
    let key = groups.iter().find(is_assigned).cloned();
    Shape { costs: costs(job), groups, key }
}

fn of_table(dialect: Dialect, job: &Job) -> Vec<View> {
    let mut found = Vec::new();
    let grain = job.source.grain();
    let shape = shape(job);
    let words = |suffix: &str| words(dialect, job, &shape, suffix);
    let mut add = |kind: &'static str, suffix: &str, template: &str, words: Words| {
        found.push(view(kind, &format!("{}{suffix}", job.name), &words, template));
    };
    if has(job, &["currency", "estimated"]) && !shape.costs.is_empty() {
        add("by_month", "_by_month", include_str!("views/by_month.sql"), words("_by_month"));
        if grain == Grain::Daily && !shape.groups.is_empty() {
            add("movers", "_movers", include_str!("views/movers.sql"), words("_movers"));
        }
        if shape.key.is_some() {
            add("unallocated", "_unallocated", include_str!("views/unallocated.sql"), words("_unallocated"));
        }
        if has(job, &["unblended_cost", "amortized_cost"]) {
            add("amortized", "_amortized", include_str!("views/amortized.sql"), words("_amortized"));
        }
        if has(job, &["unblended_cost"]) {
            let words = words("_focus_1_2").with("columns", focus::columns(dialect, job));
            add("focus_1_2", "_focus_1_2", include_str!("views/focus.sql"), words);
        }
    }
    if has(job, &["commitment_id", "expiration_date", "utilization"]) {
        let days_left = match dialect {
            Dialect::Spark => "date_diff(expires, usage_date)",
            Dialect::Athena | Dialect::Duckdb | Dialect::Trino => "date_diff('day', usage_date, expires)",
        };
        add(
            "expiring",
            "_expiring",
            include_str!("views/expiring.sql"),
            words("_expiring").with("days_left", days_left),
        );
    }
    found
}

/// The words of a view over one table.
fn words(dialect: Dialect, job: &Job, shape: &Shape, suffix: &str) -> Words {
    let grain = job.source.grain();
    let preferred = shape.costs.iter().find(|cost| *cost == "unblended_cost").or(shape.costs.first());
    let day = if grain == Grain::Hourly { grain.partition_column() } else { "usage_date" };
    let named = |name: Option<&String>| name.map(|name| dialect.identifier(name)).unwrap_or_default();
    begin(dialect, &format!("{}{suffix}", job.name))
        .with("table", dialect.identifier(&job.name))
        .with("partition", dialect.identifier(grain.partition_column()))
        .with("day", dialect.identifier(day))
        .with("group", named(shape.groups.first()))
        .with("cost", named(preferred))
        .with("key", named(shape.key.as_ref()))
        .with("label", shape.key.clone().unwrap_or_default())
        .when("grouped", !shape.groups.is_empty())
        .when("monthly", grain == Grain::Monthly)
}

/// Every pair of a commitments table and a savings table.
fn pairs<'a>(subjects: &'a [Subject<'_>]) -> Vec<(&'a Job, &'a Job)> {
    let with = |columns: &[&str]| -> Vec<&'a Job> {
        subjects.iter().map(|subject| subject.job).filter(|job| has(job, columns)).collect()
    };
    let commitments = with(&["commitment_id", "utilization", "number_of_nfus", "committed_spend_per_hour"]);
    let savings = with(&["series", "realized_savings", "on_demand_equivalent_cost"]);
    commitments.iter().flat_map(|left| savings.iter().map(|right| (*left, *right))).collect()
}

fn commitments_and_savings(dialect: Dialect, commitments: &Job, savings: &Job) -> View {
    let name = format!("{}_and_{}", commitments.name, savings.name);
    let words = begin(dialect, &name)
        .with("table", dialect.identifier(&commitments.name))
        .with("savings", dialect.identifier(&savings.name))
        .with("spend_scale", units::scale(dialect, "committed_spend_unit"))
        .with("spend_unit", units::base(dialect, "committed_spend_unit"))
        .with("actual_scale", units::scale(dialect, "actual_cost_unit"))
        .with("actual_unit", units::base(dialect, "actual_cost_unit"))
        .with("on_demand_scale", units::scale(dialect, "on_demand_equivalent_cost_unit"))
        .with("on_demand_unit", units::base(dialect, "on_demand_equivalent_cost_unit"))
        .with("realized_scale", units::scale(dialect, "realized_savings_unit"))
        .with("realized_unit", units::base(dialect, "realized_savings_unit"));
    view("commitments_and_savings", &name, &words, include_str!("views/commitments_and_savings.sql"))
}
