//! Amounts with a unit, converted to one scale: [`scale_of`](crate::sources::datadog::scale_of) in SQL.

use crate::sources::datadog::SCALES;

use super::Dialect;

/// The expression of the factor from a unit to its base unit; 1 if the unit is unknown.
pub(super) fn scale(dialect: Dialect, column: &str) -> String {
    let cases = SCALES.iter().filter(|(_, scale, _)| (*scale - 1.0).abs() > f64::EPSILON);
    let cases = cases.map(|(name, scale, _)| format!("WHEN {} THEN {scale:e}", dialect.literal(name)));
    let known = SCALES.iter().map(|(name, ..)| dialect.literal(name)).collect::<Vec<_>>().join(", ");
    let (factor, name) = (factor(dialect, column), name(dialect, column));
    format!(
        "(CASE WHEN {name} IN ({known}) THEN coalesce({factor}, 1) ELSE 1 END * CASE {name} {} ELSE 1e0 END)",
        cases.collect::<Vec<_>>().join(" ")
    )
}

/// The expression of the base unit, in which the scaled amount is.
pub(super) fn base(dialect: Dialect, column: &str) -> String {
    let cases = SCALES.map(|(name, _, base)| format!("WHEN {} THEN {}", dialect.literal(name), dialect.literal(base)));
    format!("CASE {} {} ELSE {column} END", name(dialect, column), cases.join(" "))
}

/// The expression of the number before the unit's name, NULL if there is none.
fn factor(dialect: Dialect, column: &str) -> String {
    let first = first(dialect, column);
    match dialect {
        Dialect::Clickhouse => format!("toFloat64OrNull({first})"),
        Dialect::Athena | Dialect::Duckdb | Dialect::Spark | Dialect::Trino => format!("TRY_CAST({first} AS double)"),
    }
}

/// The expression of the text before the first space.
fn first(dialect: Dialect, column: &str) -> String {
    match dialect {
        Dialect::Clickhouse => format!("substringIndex({column}, ' ', 1)"),
        Dialect::Athena | Dialect::Duckdb | Dialect::Spark | Dialect::Trino => format!("split_part({column}, ' ', 1)"),
    }
}

fn name(dialect: Dialect, column: &str) -> String {
    let (factor, first) = (factor(dialect, column), first(dialect, column));
    format!("CASE WHEN {factor} IS NULL THEN {column} ELSE substr({column}, length({first}) + 2) END")
}
