//! `[source]` of an `aws_cost_and_usage` job: granularity, metrics, grouping, filter and the resulting columns.

use std::sync::Arc;

use crate::job::section::{Section, nearest};
use crate::table::{Column, ColumnType, Table, parse_schema};
use crate::text::slug;
use crate::window::Grain;

use super::query::{Expression, Grouping, GroupingKind};
use super::{Params, SCHEMA};
use super::{dimensions, filter, product_attributes};

/// A metric of `GetCostAndUsage` and the column that holds it.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// The API's name, CamelCase as in every answer.
    pub name: &'static str,
    /// Column of the amount.
    pub column: &'static str,
    /// Column of the unit; costs share `currency`.
    pub unit_column: &'static str,
}

const fn metric(name: &'static str, column: &'static str, unit_column: &'static str) -> Metric {
    Metric { name, column, unit_column }
}

/// All metrics, in column order.
pub static METRICS: &[Metric] = &[
    metric("UnblendedCost", "unblended_cost", CURRENCY),
    metric("BlendedCost", "blended_cost", CURRENCY),
    metric("AmortizedCost", "amortized_cost", CURRENCY),
    metric("NetUnblendedCost", "net_unblended_cost", CURRENCY),
    metric("NetAmortizedCost", "net_amortized_cost", CURRENCY),
    metric("BilledCost", "billed_cost", CURRENCY),
    metric("ContractedCost", "contracted_cost", CURRENCY),
    metric("ListCost", "list_cost", CURRENCY),
    metric("PublicEquivalentBilledCost", "public_equivalent_billed_cost", CURRENCY),
    metric("PublicOnDemandCost", "public_on_demand_cost", CURRENCY),
    metric("UsageQuantity", "usage_quantity", "usage_quantity_unit"),
    metric("NormalizedUsageAmount", "normalized_usage_amount", "normalized_usage_amount_unit"),
];

/// The column of the cost metrics' unit.
pub const CURRENCY: &str = "currency";

/// Parses the section; problems are noted in it.
#[must_use]
pub fn read(section: &Section<'_>) -> Option<Params> {
    let grain = read_grain(section);
    let metrics = read_metrics(section);
    let groupings = read_groupings(section);
    let filter =
        section.value("filter").and_then(|value| filter::read(&section.path("filter"), value, section.problems()));
    let billing_view_arn = section.text("billing_view_arn").map(str::to_owned);
    if let Some(arn) = &billing_view_arn
        && !(arn.starts_with("arn:aws") && arn.contains(":billing::") && arn.contains(":billingview/"))
    {
        section.problems().note("aws.billing_view_arn", format!("\"{arn}\" is not the ARN of a billing view"));
    }
    let (grain, metrics, groupings) = (grain?, metrics?, groupings?);
    product_attributes::check_services(&section.path("filter"), &groupings, filter.as_ref(), section.problems());
    let assembled = assemble(grain, metrics, groupings, filter, billing_view_arn);
    if let Err(error) = &assembled {
        section.note("", format!("the built-in schema cannot be read: {error}"));
    }
    assembled.ok()
}

/// Builds the parameters, with the table that follows from them.
///
/// # Errors
/// When the built-in schema cannot be parsed, which a test rules out.
pub fn assemble(
    grain: Grain,
    metrics: Vec<&'static Metric>,
    groupings: Vec<Grouping>,
    filter: Option<Expression>,
    billing_view_arn: Option<String>,
) -> serde_json::Result<Params> {
    let table = Arc::new(table(columns(grain, &metrics, &groupings)?, grain, &groupings));
    Ok(Params { grain, metrics, made_with: None, groupings, filter, billing_view_arn, table })
}

/// The parameters of a job whose table was made with fewer metrics: the columns of the others are nullable.
///
/// # Errors
/// As [`assemble`].
pub fn grown(params: &Params, made_with: Vec<&'static Metric>) -> serde_json::Result<Params> {
    let Params { grain, groupings, .. } = params;
    let at_first = columns(*grain, &made_with, groupings)?;
    let mut columns = columns(*grain, &params.metrics, groupings)?;
    let mut added = Vec::new();
    for (index, column) in columns.iter_mut().enumerate() {
        if at_first.iter().any(|known| known.name == column.name) {
            continue;
        }
        let brings = |metric: &&&Metric| metric.column == column.name || metric.unit_column == column.name;
        added.push((index, params.metrics.iter().filter(brings).map(|metric| metric.name.to_owned()).collect()));
        column.nullable = true;
    }
    let table = Arc::new(table(columns, *grain, groupings).with_added(added));
    Ok(Params { made_with: Some(made_with), table, ..params.clone() })
}

/// The metrics that a fingerprint names; `None` if it names one that is not known.
#[must_use]
pub fn metrics_of(fingerprint: &[(String, String)]) -> Option<Vec<&'static Metric>> {
    let (_, names) = fingerprint.iter().find(|(name, _)| name == FINGERPRINT)?;
    names.split(',').map(|name| METRICS.iter().find(|metric| metric.name == name)).collect()
}

/// The name of the metrics in a fingerprint.
pub const FINGERPRINT: &str = "metrics";

fn table(columns: Vec<Column>, grain: Grain, groupings: &[Grouping]) -> Table {
    let mut sort_key = vec![if grain == Grain::Hourly { "period_start" } else { "usage_date" }];
    let group_columns: Vec<String> = groupings.iter().map(column_of).collect();
    sort_key.extend(group_columns.iter().map(String::as_str));
    Table::new(columns, &sort_key, &["linked_account_name"])
}

fn read_grain(section: &Section<'_>) -> Option<Grain> {
    let text = section.required_text("granularity")?;
    let grain = [Grain::Daily, Grain::Monthly, Grain::Hourly].into_iter().find(|grain| grain.name() == text);
    if grain.is_none() {
        section.note("granularity", format!("must be \"DAILY\", \"MONTHLY\" or \"HOURLY\", not \"{text}\""));
    }
    grain
}

fn read_metrics(section: &Section<'_>) -> Option<Vec<&'static Metric>> {
    if section.value("metrics").is_none() {
        section.note("metrics", "is missing: a list such as [\"UnblendedCost\", \"UsageQuantity\"]");
    }
    let names = section.texts("metrics")?;
    if names.is_empty() {
        section.note("metrics", "must name at least one metric");
    }
    for (index, name) in names.iter().enumerate() {
        if !METRICS.iter().any(|metric| metric.name == name) {
            let hint = nearest(name, METRICS.iter().map(|metric| metric.name));
            section.note("metrics", format!("names an unknown metric `{name}`{hint}"));
        }
        if names[..index].contains(name) {
            section.note("metrics", format!("names `{name}` twice"));
        }
    }
    Some(METRICS.iter().filter(|metric| names.iter().any(|name| name == metric.name)).collect())
}

fn read_groupings(section: &Section<'_>) -> Option<Vec<Grouping>> {
    if section.value("group_by").is_none() {
        return Some(Vec::new());
    }
    let tables = section.tables("group_by")?;
    if tables.len() > 2 {
        section.note("group_by", "has more than two groupings, which the API does not allow; make a second job");
    }
    let schema = parse_schema(SCHEMA).unwrap_or_default();
    let found: Vec<Grouping> =
        tables.iter().filter_map(|(path, table)| read_grouping(section, &schema, path, table)).collect();
    if found.len() == 2 && column_of(&found[0]) == column_of(&found[1]) {
        section.note("group_by", format!("both groupings would fill the column `{}`", column_of(&found[0])));
    }
    (found.len() == tables.len()).then_some(found)
}

fn read_grouping(section: &Section<'_>, schema: &[Column], path: &str, table: &toml::Table) -> Option<Grouping> {
    const KINDS: [(&str, GroupingKind); 4] = [
        ("dimension", GroupingKind::Dimension),
        ("tag", GroupingKind::Tag),
        ("cost_category", GroupingKind::CostCategory),
        ("product_attribute", GroupingKind::ProductAttribute),
    ];
    let problems = section.problems();
    let wanted = "must be one of { dimension = \"…\" }, { tag = \"…\" }, { cost_category = \"…\" }, \
                  { product_attribute = \"…\" }";
    let mut entries = table.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        problems.note(path, wanted);
        return None;
    };
    let Some((_, kind)) = KINDS.into_iter().find(|(known, _)| known == name) else {
        problems.note(path, format!("{wanted}{}", nearest(name, KINDS.iter().map(|(known, _)| *known))));
        return None;
    };
    let key = value.as_str().filter(|key| !key.trim().is_empty() && key.len() <= 1024);
    let Some(key) = key else {
        problems.note(format!("{path}.{name}"), "must be text in quotes, 1 to 1024 bytes");
        return None;
    };
    let is_dimension = key.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if kind == GroupingKind::Dimension && !is_dimension {
        problems.note(
            format!("{path}.{name}"),
            format!("\"{key}\" is not a dimension: they are written in capitals, such as SERVICE"),
        );
        return None;
    }
    let grouping = Grouping { kind, key: key.to_owned() };
    let column = column_of(&grouping);
    if is_taken(schema, &column) {
        let instead = instead_of(&column);
        problems.note(
            format!("{path}.{name}"),
            format!("\"{key}\" would fill the column `{column}`, which tables keep for themselves: {instead}"),
        );
        return None;
    }
    match kind {
        GroupingKind::Dimension => dimensions::warn_unknown(&format!("{path}.{name}"), key, problems),
        GroupingKind::ProductAttribute => product_attributes::check_key(&format!("{path}.{name}"), key, problems),
        GroupingKind::Tag | GroupingKind::CostCategory => {}
    }
    Some(grouping)
}

/// Whether a column is reserved and no grouping may fill it: the schema file uses it for something else, or it names
/// the lake's folders.
fn is_taken(schema: &[Column], column: &str) -> bool {
    let is_folder = [Grain::Daily, Grain::Hourly].iter().any(|grain| grain.partition_column() == column);
    is_folder || column == "account" || schema.iter().any(|known| known.name == column && !is_group(known))
}

/// Advice for a grouping whose column is taken.
fn instead_of(column: &str) -> &'static str {
    match column {
        "linked_account_name" => "group by LINKED_ACCOUNT, which brings the name along",
        "account" => "group by LINKED_ACCOUNT or PAYER_ACCOUNT",
        "usage_date" | "period_start" | "billing_period" => {
            "leave this grouping out, every row has its period anyway (source.granularity)"
        }
        _ => "leave this grouping out",
    }
}

/// Whether a column of the schema file is there for a grouping.
fn is_group(column: &Column) -> bool {
    column.kind == ColumnType::String && !column.nullable
}

/// The column a grouping fills: `service`, `tag_team`, `cost_category_product`, `product_attribute_model`.
#[must_use]
pub fn column_of(grouping: &Grouping) -> String {
    match grouping.kind {
        GroupingKind::Dimension => grouping.key.to_lowercase(),
        GroupingKind::Tag => format!("tag_{}", slug(&grouping.key)),
        GroupingKind::CostCategory => format!("cost_category_{}", slug(&grouping.key)),
        GroupingKind::ProductAttribute => format!("product_attribute_{}", slug(&grouping.key)),
    }
}

/// The columns of the schema file that this grouping and these metrics need, in the file's order.
fn columns(grain: Grain, metrics: &[&'static Metric], groupings: &[Grouping]) -> serde_json::Result<Vec<Column>> {
    let schema = parse_schema(SCHEMA)?;
    let time = if grain == Grain::Hourly { "period_start" } else { "usage_date" };
    let by_account = groupings.iter().any(|g| g.kind == GroupingKind::Dimension && g.key == "LINKED_ACCOUNT");
    let wanted = |name: &str| {
        name == time
            || name == "estimated"
            || (name == "linked_account_name" && by_account)
            || metrics.iter().any(|metric| metric.column == name || metric.unit_column == name)
    };
    let mut columns: Vec<Column> = Vec::new();
    for column in &schema {
        if wanted(&column.name) {
            columns.push(column.clone());
        }
        if column.name == "estimated" {
            columns.extend(groupings.iter().filter_map(|grouping| {
                let name = column_of(grouping);
                let template = schema
                    .iter()
                    .filter(|c| is_group(c))
                    .find(|c| c.name == name || c.name == template_of(grouping.kind))?;
                let doc = match grouping.kind {
                    GroupingKind::Dimension if template.name == name => template.doc.clone(),
                    _ => format!("{} ({})", template.doc, grouping.key),
                };
                Some(Column { name, doc, ..template.clone() })
            }));
        }
    }
    Ok(columns)
}

fn template_of(kind: GroupingKind) -> &'static str {
    match kind {
        GroupingKind::Dimension => "<dimension>",
        GroupingKind::Tag => "tag_<slug>",
        GroupingKind::CostCategory => "cost_category_<slug>",
        GroupingKind::ProductAttribute => "product_attribute_<slug>",
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::job::parse;

    #[test]
    fn a_grouping_fills_no_column_that_tables_keep_for_themselves() {
        let problems = |grouping: String| {
            let text = format!(
                "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]\n\
                 group_by = [{{ {grouping} }}]\n[window]\nbegin = \"2026-11-01\"\n"
            );
            parse(Path::new("t.toml"), &text).map_or_else(|list| list[0].to_string(), |_| String::new())
        };
        for column in [
            "billing_period",
            "usage_date",
            "account",
            "period_start",
            "estimated",
            "linked_account_name",
            "currency",
            "blended_cost",
            "usage_quantity",
            "usage_quantity_unit",
            "normalized_usage_amount_unit",
        ] {
            let said = problems(format!("dimension = \"{}\"", column.to_uppercase()));
            assert!(said.contains(&format!("would fill the column `{column}`, which tables keep")), "{column}: {said}");
            assert_eq!(problems(format!("tag = \"{column}\"")), "");
            assert_eq!(problems(format!("cost_category = \"{column}\"")), "");
        }
        for free in ["SERVICE", "LINKED_ACCOUNT", "PAYER_ACCOUNT", "TAG_X", "COST"] {
            assert_eq!(problems(format!("dimension = \"{free}\"")), "");
        }
    }
}
