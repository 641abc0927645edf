//! `cost_revisions` and `costlake_generations`: DuckDB views over the newest ledger snapshot of every table, so that
//! "what changed, when and by how much" is a query.

use crate::sql::{Dialect, Having, files};
use crate::unit::ACCOUNT;

const REVISIONS: &str = "cost_revisions";
const GENERATIONS: &str = "costlake_generations";

/// The fields of a partition that the views read, typed because DuckDB would infer types from the first snapshots only.
const PARTITION: &str = "STRUCT(epoch BIGINT, history STRUCT(generations MAP(BIGINT, TIMESTAMP WITH TIME ZONE), \
                         known_since TIMESTAMP WITH TIME ZONE, revisions MAP(DATE, MAP(BIGINT, STRUCT(\
                         replaced_epoch BIGINT, rows_before BIGINT, \"rows\" BIGINT, \
                         sums_before MAP(VARCHAR, DECIMAL(38,12)), sums MAP(VARCHAR, DECIMAL(38,12)), \
                         currency_before VARCHAR, currency VARCHAR, \
                         estimated_before BOOLEAN, estimated BOOLEAN, \
                         changes STRUCT(added BIGINT, removed BIGINT, changed BIGINT))))))";

/// Column, type, and the expression over [`LINES`].
const REVISION_COLUMNS: [(&str, &str, &str); 19] = [
    ("job", "VARCHAR", "job"),
    (ACCOUNT, "VARCHAR", ACCOUNT),
    ("billing_period", "VARCHAR", "part"),
    ("day", "DATE", "slot"),
    ("generation", "BIGINT", "epoch"),
    ("replaced_generation", "BIGINT", "r.replaced_epoch"),
    ("committed_at", "TIMESTAMP WITH TIME ZONE", "map_extract(history.generations, epoch)[1]"),
    ("estimated_before", "BOOLEAN", "coalesce(r.estimated_before, false)"),
    ("estimated", "BOOLEAN", "coalesce(r.estimated, false)"),
    ("rows_before", "BIGINT", "r.rows_before"),
    ("rows", "BIGINT", "r.\"rows\""),
    ("rows_added", "BIGINT", "r.changes.added"),
    ("rows_removed", "BIGINT", "r.changes.removed"),
    ("rows_changed", "BIGINT", "r.changes.changed"),
    ("metric", "VARCHAR", "metric"),
    ("total_before", "DECIMAL(38,12)", "map_extract(r.sums_before, metric)[1]"),
    ("total", "DECIMAL(38,12)", "map_extract(r.sums, metric)[1]"),
    ("currency_before", "VARCHAR", "r.currency_before"),
    ("currency", "VARCHAR", "r.currency"),
];

const GENERATION_COLUMNS: [(&str, &str, &str); 5] = [
    ("job", "VARCHAR", "job"),
    (ACCOUNT, "VARCHAR", ACCOUNT),
    ("billing_period", "VARCHAR", "part"),
    ("generation", "BIGINT", "generation.key"),
    ("committed_at", "TIMESTAMP WITH TIME ZONE", "generation.value"),
];

/// A row per revision and amount column; a table without amounts has one row per revision, without a metric.
const LINES: &str = "(
    SELECT *, unnest(CASE WHEN len(metrics) = 0 THEN [NULL] ELSE metrics END) AS metric
    FROM (
      SELECT *, list_sort(list_distinct(list_concat(coalesce(map_keys(r.sums_before), []), coalesce(map_keys(r.sums), [])))) AS metrics
      FROM (
        SELECT * EXCLUDE (change), change.key AS epoch, change.value AS r
        FROM (SELECT * EXCLUDE (changed), changed.key AS slot, unnest(map_entries(changed.value)) AS change
              FROM (SELECT *, unnest(map_entries(history.revisions)) AS changed FROM partitions)))))";

/// The account of a ledger snapshot by its path, NULL of a table without accounts.
const ACCOUNT_OF_FILE: &str = "CASE WHEN string_split(filename, '/')[-3] LIKE 'account=%' THEN split_part(string_split(filename, '/')[-3], '=', 2) END";

/// A query for `job, account, part, history` of every partition in the newest snapshot of each unit below these folders
/// of `_costlake`.
pub(super) fn partitions(base: &str, units: &[String]) -> String {
    let base = Dialect::Duckdb.in_pattern(base.trim_end_matches('/'));
    let all: Vec<String> = units.iter().map(|unit| format!("{base}/_costlake/{unit}/ledger/*.json")).collect();
    let columns = format!(
        "{{'table': 'VARCHAR', 'partitions': {}}}",
        Dialect::Duckdb.literal(&format!("MAP(VARCHAR, {PARTITION})"))
    );
    format!(
        "SELECT job, account, entry.key AS part, entry.value.history AS history\n    \
         FROM (SELECT \"table\" AS job, {ACCOUNT_OF_FILE} AS account,\n            \
         unnest(map_entries(arg_max(partitions, filename))) AS entry\n          \
         FROM read_json({}, format = 'unstructured', hive_partitioning = false, filename = true, columns = {columns})\n          \
         GROUP BY 1, 2)",
        files(&all)
    )
}

/// The statements that create both views.
#[must_use]
pub fn views(base: &str, ledgers: Having) -> Vec<String> {
    let generations = "(SELECT *, unnest(map_entries(history.generations)) AS generation FROM partitions)";
    vec![
        view(REVISIONS, &REVISION_COLUMNS, LINES, base, ledgers),
        format!(
            "COMMENT ON VIEW {REVISIONS} IS 'Every change of a committed day, a line per metric: the rows_ columns are \
             of the day as a whole, so do not add them up over metrics';"
        ),
        view(GENERATIONS, &GENERATION_COLUMNS, generations, base, ledgers),
        format!("COMMENT ON VIEW {GENERATIONS} IS 'When each state of each partition was committed';"),
    ]
}

fn view(name: &str, columns: &[(&str, &str, &str)], lines: &str, base: &str, ledgers: Having) -> String {
    let body = if ledgers.any() {
        let list: Vec<String> = columns.iter().map(|(name, _, from)| format!("{from} AS \"{name}\"")).collect();
        let units: Vec<String> = ledgers.units().into_iter().map(str::to_owned).collect();
        format!("WITH partitions AS (\n    {})\n  SELECT {}\n  FROM {lines}", partitions(base, &units), list.join(", "))
    } else {
        let list: Vec<String> = columns.iter().map(|(name, kind, _)| format!("NULL::{kind} AS \"{name}\"")).collect();
        format!("SELECT {} WHERE false -- there is no ledger yet", list.join(", "))
    };
    format!("CREATE OR REPLACE VIEW {name} AS\n  {body}\n;")
}

#[cfg(test)]
mod tests {
    use super::{GENERATION_COLUMNS, PARTITION, REVISION_COLUMNS, views};
    use crate::generation::Changes;
    use crate::ledger::Revision;
    use crate::sql::Having;

    const PLAIN: Having = Having { plain: true, of_accounts: false };

    #[test]
    fn the_views_have_the_same_columns_with_and_without_a_ledger() {
        let (with, without) = (views("/lake", PLAIN).join("\n"), views("/lake", Having::default()).join("\n"));
        for (name, kind, _) in REVISION_COLUMNS.iter().chain(&GENERATION_COLUMNS) {
            assert!(with.contains(&format!(" AS \"{name}\"")), "{name}");
            assert!(without.contains(&format!("NULL::{kind} AS \"{name}\"")), "{name}");
        }
    }

    #[test]
    fn what_the_views_read_is_what_the_ledger_writes() {
        let revision = Revision {
            replaced_epoch: 1,
            rows_before: 1,
            rows: 1,
            sums_before: [("a", "1")].into_iter().collect(),
            sums: [("a", "1")].into_iter().collect(),
            currency_before: Some("USD".to_owned()),
            currency: Some("EUR".to_owned()),
            estimated_before: true,
            estimated: true,
            changes: Some(Changes::default()),
        };
        let written = serde_json::to_value(revision).expect("JSON");
        let keys = written.as_object().expect("keys").keys();
        for key in keys.chain(written["changes"].as_object().expect("keys").keys()) {
            assert!(PARTITION.contains(&format!("{key} ")) || PARTITION.contains(&format!("\"{key}\" ")), "{key}");
        }
    }

    #[test]
    fn a_hostile_folder_stays_inside_its_quotes() {
        assert!(views("/a'b/", PLAIN)[0].contains("read_json('/a''b/_costlake/*/ledger/*.json'"));
    }

    #[test]
    fn only_ledgers_that_are_there_are_read() {
        let (plain, of_accounts) = ("'/l/_costlake/*/ledger/*.json'", "'/l/_costlake/*/account=*/ledger/*.json'");
        let both = views("/l", Having { plain: true, of_accounts: true }).join("\n");
        assert!(both.contains(&format!("read_json([{plain}, {of_accounts}],")), "{both}");
        let one = views("/l", Having { plain: false, of_accounts: true }).join("\n");
        assert!(one.contains(&format!("read_json({of_accounts},")), "{one}");
    }
}
