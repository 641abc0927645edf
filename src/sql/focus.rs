//! The columns of a Cost Explorer table under FOCUS 1.2 names. Only exact matches get a FOCUS name; all others begin
//! with `x_`. `docs/focus.md` documents the mapping.

use crate::job::Job;
use crate::sql::Dialect;
use crate::table::Column;
use crate::unit::ACCOUNT;
use crate::window::Grain;

/// Columns that match a FOCUS column without conversion.
const SAME: [(&str, &str); 9] = [
    ("unblended_cost", "BilledCost"),
    ("amortized_cost", "EffectiveCost"),
    ("list_cost", "ListCost"),
    ("contracted_cost", "ContractedCost"),
    ("currency", "BillingCurrency"),
    ("payer_account", "BillingAccountId"),
    ("linked_account", "SubAccountId"),
    ("linked_account_name", "SubAccountName"),
    ("service", "ServiceName"),
];

/// Columns that match except for the API's values that mean "none", which become NULL.
const BUT_FOR: [(&str, &str, &[&str]); 2] =
    [("region", "RegionId", &["NoRegion", "global", ""]), ("az", "AvailabilityZone", &["NoAZ", ""])];

/// Record types with an unambiguous FOCUS charge category; others have none.
const CATEGORIES: [(&str, &[&str]); 4] = [
    ("Usage", &["Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"]),
    ("Purchase", &["RIFee", "SavingsPlanRecurringFee", "SavingsPlanUpfrontFee"]),
    ("Tax", &["Tax"]),
    ("Credit", &["Credit"]),
];

/// The select list, one column per line.
pub(super) fn columns(dialect: Dialect, job: &Job) -> String {
    let mut list = periods(dialect, job.source.grain());
    for column in job.source.table().columns() {
        list.extend(one(dialect, column));
    }
    list.extend(job.accounts.iter().map(|_| (dialect.identifier(ACCOUNT), extension(ACCOUNT))));
    let lines: Vec<String> =
        list.into_iter().map(|(from, name)| format!("  {from} AS {}", dialect.identifier(&name))).collect();
    lines.join(",\n")
}

/// Charge and billing periods, both with exclusive ends.
fn periods(dialect: Dialect, grain: Grain) -> Vec<(String, String)> {
    let instant = match dialect {
        Dialect::Clickhouse => "DateTime64(3, 'UTC')",
        Dialect::Duckdb => "timestamp",
        Dialect::Spark => "timestamp_ntz",
        Dialect::Athena | Dialect::Trino => "timestamp(3)",
    };
    let day = dialect.identifier("usage_date");
    let (start, step) = match grain {
        Grain::Hourly => (dialect.identifier("period_start"), "HOUR"),
        Grain::Daily => (format!("CAST({day} AS {instant})"), "DAY"),
        Grain::Monthly => (format!("CAST({day} AS {instant})"), "MONTH"),
    };
    let month = format!("substr({}, 1, 7)", dialect.identifier(grain.partition_column()));
    let billing = format!("CAST(CAST(concat({month}, '-01') AS date) AS {instant})");
    [
        (start.clone(), "ChargePeriodStart"),
        (format!("{start} + INTERVAL '1' {step}"), "ChargePeriodEnd"),
        (billing.clone(), "BillingPeriodStart"),
        (format!("{billing} + INTERVAL '1' MONTH"), "BillingPeriodEnd"),
    ]
    .map(|(from, name)| (from, name.to_owned()))
    .into()
}

/// The FOCUS columns of a column, as expression and name; two where the API's text is kept as well.
fn one(dialect: Dialect, column: &Column) -> Vec<(String, String)> {
    let own = dialect.identifier(&column.name);
    if matches!(column.name.as_str(), "usage_date" | "period_start") {
        return Vec::new();
    }
    if let Some((_, name)) = SAME.iter().find(|(known, _)| *known == column.name) {
        return vec![(own, (*name).to_owned())];
    }
    let extension = (own.clone(), extension(&column.name));
    if let Some((_, name, none)) = BUT_FOR.iter().find(|(known, _, _)| *known == column.name) {
        let from = format!("CASE WHEN {own} NOT IN ({}) THEN {own} END", texts(dialect, none));
        return vec![(from, (*name).to_owned()), extension];
    }
    if column.name == "record_type" {
        let cases: Vec<String> = CATEGORIES
            .iter()
            .map(|(name, types)| format!("WHEN {own} IN ({}) THEN {}", texts(dialect, types), dialect.literal(name)))
            .collect();
        return vec![(format!("CASE {} END", cases.join(" ")), "ChargeCategory".to_owned()), extension];
    }
    vec![extension]
}

fn texts(dialect: Dialect, list: &[&str]) -> String {
    list.iter().map(|text| dialect.literal(text)).collect::<Vec<_>>().join(", ")
}

/// The extension name of a column: `usage_type` becomes `x_UsageType`.
fn extension(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
    };
    format!("x_{}", name.split('_').map(capital).collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::columns;
    use crate::job;
    use crate::sql::Dialect;

    #[test]
    fn costs_have_the_names_that_focus_gives_them_and_others_begin_with_x() {
        let text = r#"
            source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost", "AmortizedCost", "BilledCost", "ContractedCost", "ListCost", "PublicOnDemandCost"], group_by = [{ product_attribute = "model" }] }
            window = { begin = "2026-09-01" }
        "#;
        let job = job::parse(Path::new("t.toml"), text).expect("a job");
        let list = columns(Dialect::Duckdb, &job);
        for (column, name) in [
            ("unblended_cost", "BilledCost"),
            ("amortized_cost", "EffectiveCost"),
            ("billed_cost", "x_BilledCost"),
            ("contracted_cost", "ContractedCost"),
            ("list_cost", "ListCost"),
            ("public_on_demand_cost", "x_PublicOnDemandCost"),
            ("product_attribute_model", "x_ProductAttributeModel"),
        ] {
            assert!(list.contains(&format!("\"{column}\" AS \"{name}\"")), "{column}: {list}");
        }
    }
}
