//! Views over tables that answer common questions about a bill, in each dialect. The text of a view is a template in
//! `views/`; which tables have it follows from their columns.
//!
//! Differences and sums are computed on exact decimals, cast to `decimal(37, 12)`: Spark keeps twelve decimals of a
//! difference only if its operands have fewer than 38 digits.

use std::collections::BTreeSet;

use crate::job::{AwsSettings, Job};
use crate::table::{ColumnType, Sums};
use crate::window::Grain;

use super::template::Words;
use super::{Dialect, agreement, commitments, focus, forecast, tables_view};

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

/// What the names of product attributes begin with.
pub(super) const ATTRIBUTE: &str = "product_attribute_";

/// What makes ClickHouse read a view as the other engines do: an alias does not hide the column of its name, a cast keeps
/// NULL, and so does a side of a join that has no row.
const CLICKHOUSE_SETTINGS: &str = "prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1";

/// Names of the program's views and macros.
const OWN: [&str; 4] = ["costlake_runs", "costlake_run_records", "cost_revisions", "costlake_generations"];

/// Every view that these tables have columns for: first those of one table, then those over several. A view whose name
/// is taken is replaced by a comment that says so.
#[must_use]
pub fn views(dialect: Dialect, subjects: &[Subject<'_>]) -> Vec<View> {
    let dialect = dialect.of_queries();
    let mut found: Vec<View> = subjects.iter().flat_map(|subject| of_table(dialect, subject.job)).collect();
    found.extend(commitments::views(dialect, subjects));
    found.extend(forecast::views(dialect, subjects));
    found.extend(agreement::view(dialect, subjects));
    found.extend(tables_view::view(dialect, subjects));
    let mut taken: BTreeSet<String> = OWN.iter().map(|name| (*name).to_owned()).collect();
    taken.extend(subjects.iter().map(|subject| subject.job.unit.table.clone()));
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
        Dialect::Athena | Dialect::Clickhouse | Dialect::Trino => return None,
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

/// Whose the rows of a table are, as far as two tables can be compared by it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whose<'a> {
    /// Of this account.
    Account(&'a str),
    /// Of an account that is not known, but for the way to it.
    Unknown(&'a AwsSettings),
    /// Of the account in a column.
    Column,
}

/// Whose the rows of a table are.
pub(super) fn whose<'a>(subject: &'a Subject<'_>) -> Whose<'a> {
    match subject.account.as_deref() {
        _ if subject.job.accounts.is_some() => Whose::Column,
        Some(account) => Whose::Account(account),
        None => Whose::Unknown(&subject.job.aws),
    }
}

/// Joins of the templates that in tables with accounts hold within one account only, with the aliases of both sides.
const WITHIN_ACCOUNT: [(&str, &str, &str); 6] = [
    ("of_months_n", "n", "e"),
    ("of_months_p", "p", "c"),
    ("of_days_d", "d", "c"),
    ("of_days_p", "p", "c"),
    ("of_saved", "s", "u"),
    ("of_actuals", "a", "f"),
];

/// Adds the account to what rows are grouped and joined by, if the tables have accounts.
pub(super) fn by_account(words: Words, has_accounts: bool) -> Words {
    let only = |text: String| if has_accounts { text } else { String::new() };
    let words = words.when("accounts", has_accounts).with("of_account", only("account, ".to_owned()));
    WITHIN_ACCOUNT.iter().fold(words, |words, (word, one, other)| {
        words.with(word, only(format!("{one}.account = {other}.account AND ")))
    })
}

/// The words that all templates share.
pub(super) fn begin(dialect: Dialect, name: &str) -> Words {
    let create = match dialect {
        Dialect::Spark => "CREATE OR REPLACE TEMPORARY VIEW",
        Dialect::Athena | Dialect::Clickhouse | Dialect::Duckdb | Dialect::Trino => "CREATE OR REPLACE VIEW",
    };
    let (open, close) = match dialect {
        Dialect::Clickhouse => ("\nSELECT * FROM (", format!("\n)\nSETTINGS {CLICKHOUSE_SETTINGS};")),
        Dialect::Athena | Dialect::Duckdb | Dialect::Spark | Dialect::Trino => ("", ";".to_owned()),
    };
    Words::default()
        .with("create", create)
        .with("open", open)
        .with("close", close)
        .with("any", any_true(dialect))
        .with("view", dialect.identifier(name))
        .with("text", dialect.type_name(ColumnType::String))
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

impl Shape {
    /// The groupings that are product attributes, such as the model of an AI service.
    fn attributes(&self) -> Vec<&String> {
        self.groups.iter().filter(|name| name.starts_with(ATTRIBUTE)).collect()
    }
}

/// Exact costs that every row of a job's table has: not those that the table gained later.
pub(super) fn costs(job: &Job) -> Vec<String> {
    let (table, at_first) = (job.source.table(), BTreeSet::new());
    let whole = table.amounts(&at_first).map(|index| &table.columns()[index]);
    whole.filter(|column| column.sums == Some(Sums::Rows)).map(|column| column.name.clone()).collect()
}

/// The number of days from one date to another.
pub(super) fn days_between(dialect: Dialect, from: &str, to: &str) -> String {
    match dialect {
        Dialect::Spark => format!("date_diff({to}, {from})"),
        Dialect::Athena | Dialect::Clickhouse | Dialect::Duckdb | Dialect::Trino => {
            format!("date_diff('day', {from}, {to})")
        }
    }
}

/// The aggregate that is true if any value is.
pub(super) fn any_true(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Clickhouse => "max",
        Dialect::Athena | Dialect::Duckdb | Dialect::Spark | Dialect::Trino => "bool_or",
    }
}

/// The date that a text begins with, NULL if it is none. ClickHouse reads month 13 as some other day.
fn date_of(dialect: Dialect, text: &str) -> String {
    let day = format!("substr({text}, 1, 10)");
    match dialect {
        Dialect::Clickhouse => format!("if(toString(toDate32OrNull({day})) = {day}, toDate32OrNull({day}), NULL)"),
        Dialect::Athena | Dialect::Duckdb | Dialect::Spark | Dialect::Trino => format!("TRY_CAST({day} AS date)"),
    }
}

/// Whether a table has all these columns.
pub(super) fn has(job: &Job, names: &[&str]) -> bool {
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
    let shape = shape(job);
    let mut kinds: Vec<(&'static str, &'static str)> = Vec::new();
    if has(job, &["currency", "estimated"]) && !shape.costs.is_empty() {
        kinds.extend(of_costs(job, &shape));
    }
    if has(job, &["commitment_id", "expiration_date", "utilization"]) {
        kinds.push(("expiring", include_str!("views/expiring.sql")));
    }
    if has(job, &["budget_id", "month", "amount", "actual", "forecast", "ootb_forecast", "custom_forecast"]) {
        kinds.push(("against_actual", include_str!("views/against_actual.sql")));
    }
    let made = kinds.into_iter().map(|(kind, template)| {
        let name = format!("{}_{kind}", job.unit.table);
        view(kind, &name, &words(dialect, job, &shape, &name), template)
    });
    made.collect()
}

/// The views of a table of costs, by the suffix of their names.
fn of_costs(job: &Job, shape: &Shape) -> Vec<(&'static str, &'static str)> {
    let mut kinds = vec![("by_month", include_str!("views/by_month.sql"))];
    if job.source.grain() == Grain::Daily && !shape.groups.is_empty() {
        kinds.push(("movers", include_str!("views/movers.sql")));
    }
    if shape.key.is_some() {
        kinds.push(("unallocated", include_str!("views/unallocated.sql")));
    }
    if ["unblended_cost", "amortized_cost"].iter().all(|name| shape.costs.iter().any(|cost| cost == name)) {
        kinds.push(("amortized", include_str!("views/amortized.sql")));
    }
    if has(job, &["unblended_cost"]) {
        kinds.push(("focus_1_2", include_str!("views/focus.sql")));
    }
    if has(job, &["usage_date", "amortized_cost", "public_on_demand_cost"]) {
        kinds.push(("savings_rate", include_str!("views/savings_rate.sql")));
    }
    if !shape.attributes().is_empty() && has(job, &["usage_quantity", "usage_quantity_unit"]) {
        kinds.push(("tokens", include_str!("views/tokens.sql")));
    }
    kinds
}

/// The words of a view over one table.
fn words(dialect: Dialect, job: &Job, shape: &Shape, name: &str) -> Words {
    let grain = job.source.grain();
    let preferred = shape.costs.iter().find(|cost| *cost == "unblended_cost").or(shape.costs.first());
    let day = if grain == Grain::Hourly { grain.partition_column() } else { "usage_date" };
    let named = |name: Option<&String>| name.map(|name| dialect.identifier(name)).unwrap_or_default();
    let attributes: Vec<String> = shape.attributes().iter().map(|column| dialect.identifier(column)).collect();
    by_account(begin(dialect, name), job.accounts.is_some())
        .with("table", dialect.identifier(&job.unit.table))
        .with("partition", dialect.identifier(grain.partition_column()))
        .with("day", dialect.identifier(day))
        .with("group", named(shape.groups.first()))
        .with("cost", named(preferred))
        .with("key", named(shape.key.as_ref()))
        .with("label", shape.key.clone().unwrap_or_default())
        .with("attributes", attributes.join(", "))
        .with("columns", focus::columns(dialect, job))
        .with("expires", date_of(dialect, "c.expiration_date"))
        .with("days_left", days_between(dialect, "usage_date", "expires"))
        .when("grouped", !shape.groups.is_empty())
        .when("daily", grain == Grain::Daily)
        .when("monthly", grain == Grain::Monthly)
}
