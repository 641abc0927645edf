//! `costlake_runs`: a DuckDB view over the run records, so that "what did requests cost this month" is a query.

use crate::sql::{Dialect, Having, files};
use crate::unit::ACCOUNT;

/// Name of the view.
const NAME: &str = "costlake_runs";

/// Column, type, and the expression over a record.
const COLUMNS: [(&str, &str, &str); 18] = [
    ("job", "VARCHAR", "job"),
    (ACCOUNT, "VARCHAR", ACCOUNT),
    ("run_id", "VARCHAR", "run_id"),
    ("command", "VARCHAR", "command"),
    ("started_at", "TIMESTAMP WITH TIME ZONE", "started_at"),
    ("duration_ms", "BIGINT", "duration_ms"),
    ("exit_code", "INTEGER", "exit_code"),
    ("requests", "BIGINT", "asked.requests"),
    ("pages", "BIGINT", "asked.pages"),
    ("charged_pages", "BIGINT", "asked.charged_pages"),
    ("usd", "DECIMAL(10,2)", "usd"),
    ("rows", "BIGINT", "rows"),
    ("objects_written", "BIGINT", "objects_written"),
    ("answer_bytes", "BIGINT", "asked.answer_bytes"),
    ("retries", "BIGINT", "asked.retries"),
    ("throttles", "BIGINT", "asked.throttles"),
    ("outcome", "VARCHAR", "CASE WHEN exit_code = 0 THEN 'done' ELSE 'failed' END"),
    (
        "error_kind",
        "VARCHAR",
        "coalesce(failure.kind, [f.failure.kind FOR f IN fetches IF f.failure.kind IS NOT NULL][1])",
    ),
];

/// The fields of a record that the view reads, typed because DuckDB would infer types from the first records only.
const RECORD: [(&str, &str); 12] = [
    ("job", "VARCHAR"),
    (ACCOUNT, "VARCHAR"),
    ("run_id", "VARCHAR"),
    ("command", "VARCHAR"),
    ("started_at", "TIMESTAMP WITH TIME ZONE"),
    ("duration_ms", "BIGINT"),
    ("exit_code", "INTEGER"),
    (
        "asked",
        "STRUCT(requests BIGINT, pages BIGINT, charged_pages BIGINT, retries BIGINT, throttles BIGINT, answer_bytes BIGINT)",
    ),
    ("usd", "DECIMAL(10,2)"),
    ("rows", "BIGINT"),
    ("objects_written", "BIGINT"),
    ("fetches", "STRUCT(failure STRUCT(kind VARCHAR))[]"),
];

/// The statement that creates the view.
#[must_use]
pub fn view(base: &str, records: Having) -> String {
    let body = if records.any() { over_records(base, records) } else { empty() };
    format!(
        "CREATE OR REPLACE VIEW {NAME} AS\n  {body}\n;\n\
         COMMENT ON VIEW {NAME} IS 'Every run of every job, and what asking cost';"
    )
}

fn over_records(base: &str, records: Having) -> String {
    let columns: Vec<String> = COLUMNS.iter().map(|(name, _, from)| format!("{from} AS \"{name}\"")).collect();
    let read: Vec<String> = RECORD
        .iter()
        .chain([&("failure", "STRUCT(kind VARCHAR)")])
        .map(|(name, kind)| format!("{}: {}", Dialect::Duckdb.literal(name), Dialect::Duckdb.literal(kind)))
        .collect();
    let base = Dialect::Duckdb.in_pattern(base.trim_end_matches('/'));
    let all = records.units().into_iter().map(|unit| format!("{base}/_costlake/{unit}/runs/*/*.json"));
    let files = files(&all.collect::<Vec<_>>());
    format!(
        "SELECT {}\n  FROM read_json({files}, format = 'unstructured', hive_partitioning = false, columns = {{{}}})\n  \
         -- A start record has none.\n  WHERE exit_code IS NOT NULL",
        columns.join(", "),
        read.join(", ")
    )
}

fn empty() -> String {
    let typed: Vec<String> = COLUMNS.iter().map(|(name, kind, _)| format!("NULL::{kind} AS \"{name}\"")).collect();
    format!("SELECT {} WHERE false -- nothing has been run yet", typed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{COLUMNS, view};
    use crate::sql::Having;

    const PLAIN: Having = Having { plain: true, of_accounts: false };

    #[test]
    fn both_views_have_the_same_columns() {
        for (name, kind, _) in COLUMNS {
            let column = format!("\"{name}\"");
            assert!(view("/lake", PLAIN).contains(&format!(" AS {column}")), "{name}");
            assert!(view("/lake", Having::default()).contains(&format!("NULL::{kind} AS {column}")), "{name}");
        }
    }

    #[test]
    fn a_hostile_folder_stays_inside_its_quotes() {
        assert!(view("/a'b/", PLAIN).contains("read_json('/a''b/_costlake/*/runs/*/*.json'"));
    }

    #[test]
    fn only_records_that_are_there_are_read() {
        let (plain, of_accounts) = ("'/l/_costlake/*/runs/*/*.json'", "'/l/_costlake/*/account=*/runs/*/*.json'");
        let both = view("/l", Having { plain: true, of_accounts: true });
        assert!(both.contains(&format!("read_json([{plain}, {of_accounts}],")), "{both}");
        let one = view("/l", Having { plain: false, of_accounts: true });
        assert!(one.contains(&format!("read_json({of_accounts},")), "{one}");
    }
}
