//! `<table>_as_of('2026-07-05')`: a DuckDB macro for the rows of a table at the end of a UTC day, or at an instant.
//!
//! ```text
//!  ledger: when each generation was committed ──┐
//!  footers: the epoch of each current object ───┼─► the generation of each partition at that moment ─► its rows
//!  names of kept generations ───────────────────┘                     │ not kept, or unknown
//!                                                                      ▼
//!                                                                    error
//! ```
//! The generations are chosen in a materialized CTE. A second branch, which never returns a row, refers to it with
//! values that no statistics can rule out: without it, a filter that removes all rows would also remove the error. All
//! kept generations are listed and opened, because DuckDB cannot take a list of files from a query.

use crate::job::Job;
use crate::sql::ddl::{partition_of_file, without_rows};
use crate::sql::{Dialect, FILE};
use crate::table::ColumnType;

use super::revisions::partitions;

/// The parts of a table that exist in the lake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InLake {
    /// Data objects.
    pub objects: bool,
    /// Ledger snapshots.
    pub ledger: bool,
    /// Kept older generations.
    pub kept: bool,
}

/// The statement that creates the macro; `empty` is a query that returns the table's columns and no rows.
#[must_use]
pub fn statement(job: &Job, base: &str, has: InLake, empty: &str) -> String {
    let body = if has.objects { body(job, base.trim_end_matches('/'), has) } else { empty.to_owned() };
    let name = Dialect::Duckdb.identifier(&format!("{}_as_of", job.name));
    format!("CREATE OR REPLACE MACRO {name}(moment) AS TABLE\n  {body}\n;")
}

/// The exclusive upper bound on the commit time of a generation; a date means the end of that day.
const MOMENT: &str = r"SELECT CASE
      WHEN length(CAST(moment AS VARCHAR)) = 10 THEN (CAST(CAST(moment AS VARCHAR) AS DATE) + INTERVAL 1 DAY) AT TIME ZONE 'UTC'
      WHEN regexp_matches(CAST(moment AS VARCHAR), '(Z|[+-]\d\d(:?\d\d)?)$')
        THEN CAST(CAST(moment AS VARCHAR) AS TIMESTAMP WITH TIME ZONE) + INTERVAL 1 MICROSECOND
      ELSE (CAST(CAST(moment AS VARCHAR) AS TIMESTAMP) + INTERVAL 1 MICROSECOND) AT TIME ZONE 'UTC' END AS before";

/// SQL for the last two parts of a path: the partition's folder and the file's name.
fn tail(path: &str) -> String {
    format!("concat_ws('/', string_split({path}, '/')[-2], string_split({path}, '/')[-1])")
}

fn body(job: &Job, base: &str, has: InLake) -> String {
    let name = &job.name;
    let column = job.source.grain().partition_column();
    let pattern = Dialect::Duckdb.in_pattern(base);
    let current = Dialect::Duckdb.literal(&format!("{pattern}/{name}/*/data.parquet"));
    let history = Dialect::Duckdb.literal(&format!("{pattern}/_costlake/{name}/history/*/*.parquet"));
    let ledger = if has.ledger {
        partitions(base, name)
    } else {
        "SELECT NULL::VARCHAR AS part, NULL::STRUCT(generations MAP(BIGINT, TIMESTAMP WITH TIME ZONE), \
         known_since TIMESTAMP WITH TIME ZONE) AS history WHERE false"
            .to_owned()
    };
    let (kept, files) = if has.kept {
        (format!("SELECT {} AS tail FROM glob({history})", tail("file")), format!("[{current}, {history}]"))
    } else {
        ("SELECT NULL::VARCHAR AS tail WHERE false".to_owned(), current.clone())
    };
    let list = job.source.table().columns();
    let identifier = |name: &str| Dialect::Duckdb.identifier(name);
    let part = Dialect::Duckdb.type_name(ColumnType::String);
    let said = list.iter().map(|column| format!("said.{}", identifier(&column.name)));
    let columns: Vec<String> = said.chain([format!("CAST(chosen.part AS {part}) AS {}", identifier(column))]).collect();
    let types = list.iter().map(|column| Dialect::Duckdb.type_name(column.kind)).chain([part]);
    let guard: Vec<String> = types.map(|kind| format!("CAST(nullif(tail, tail) AS {kind})")).collect();
    format!(
        "WITH known AS (
    {ledger}),
  objects AS (
    SELECT {standing_part} AS part,
      CAST(json_extract_string(decode(value), '$.epoch') AS BIGINT) AS epoch
    FROM parquet_kv_metadata({current}) WHERE decode(key) = 'costlake'),
  asked AS (
    {MOMENT}),
  seen AS (
    SELECT part, min(g.key) AS first, max(g.key) AS newest, max(g.key) FILTER (WHERE g.value < before) AS epoch,
      min(g.key) FILTER (WHERE g.value >= before) AS later
    FROM (SELECT part, unnest(map_entries(history.generations)) AS g FROM known), asked GROUP BY part),
  parts AS (
    SELECT coalesce(known.part, objects.part) AS part, known.history.known_since AS known_since,
      objects.epoch AS standing, first, newest, seen.epoch AS epoch, later
    FROM known FULL JOIN objects ON known.part = objects.part LEFT JOIN seen ON seen.part = known.part),
  kept AS (
    {kept}),
  chosen AS MATERIALIZED (
    SELECT part, {choice} AS tail
    FROM parts LEFT JOIN kept ON kept.tail = {kept_tail}
    WHERE NOT (epoch IS NULL AND coalesce(first = 1, false) AND known_since IS NULL))
  SELECT {columns}
  FROM (
    {nothing}
    UNION ALL BY NAME
    SELECT * FROM read_parquet({files}, hive_partitioning = false, union_by_name = true, filename = {file})) AS said
  JOIN chosen ON chosen.tail = {said_tail}
  UNION ALL
  SELECT {guard} FROM chosen WHERE tail IS NULL",
        standing_part = partition_of_file("file_name"),
        choice = choice(name, column),
        kept_tail = "concat(part, '/', lpad(CAST(epoch AS VARCHAR), 20, '0'), '.parquet')",
        columns = columns.join(", "),
        nothing = without_rows(Dialect::Duckdb, job),
        file = Dialect::Duckdb.literal(FILE),
        said_tail = tail(&format!("said.{}", identifier(FILE))),
        guard = guard.join(", "),
    )
}

/// SQL for the file with the rows at that moment, or an error that says why there is none.
fn choice(name: &str, column: &str) -> String {
    let lost = |epoch: &str, why: &str| {
        let why = Dialect::Duckdb.literal(&format!(" of {name} {why}"));
        format!("error(concat('costlake: generation ', {epoch}, ' of partition ', part, {why}))")
    };
    format!(
        "CASE
      WHEN later IS NULL AND standing > coalesce(newest, 0) THEN {undated}
      WHEN epoch IS NULL THEN {before}
      WHEN later > epoch + 1 THEN {gap}
      WHEN epoch = standing THEN concat('{column}=', part, '/data.parquet')
      WHEN kept.tail IS NOT NULL THEN kept.tail
      ELSE {unkept} END",
        undated = lost(
            "standing",
            &format!(
                "is not in the ledger, so when it was committed is not known: run costlake verify {name} --repair"
            ),
        ),
        before = lost("coalesce(first, 1) - 1", "is not known, or no longer (lake.keep_history_for)"),
        gap = lost("later - 1", "is not known: the ledger has a gap there"),
        unkept = lost("epoch", "was not kept, or is no longer (lake.keep_history, lake.keep_history_for)"),
    )
}

#[cfg(test)]
mod tests {
    use super::{InLake, statement};
    use crate::job::{self, Job};
    use std::path::Path;

    fn job() -> Job {
        let text = r#"
            source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"] }
            window = { begin = "2026-10-30" }
        "#;
        job::parse(Path::new("cost.toml"), text).expect("a job")
    }

    #[test]
    fn only_what_is_there_is_read() {
        let of = |objects, ledger, kept| {
            statement(&job(), "s3://bucket/a'b/", InLake { objects, ledger, kept }, "SELECT nothing")
        };
        let all = of(true, true, true);
        for path in ["cost/*/data.parquet", "_costlake/cost/history/*/*.parquet", "_costlake/cost/ledger/*.json"] {
            assert!(all.contains(&format!("'s3://bucket/a''b/{path}'")), "{path}: {all}");
        }
        assert!(!of(true, true, false).contains("/history/"));
        assert!(!of(true, false, true).contains("/ledger/"));
        assert!(of(false, false, false).contains("AS TABLE\n  SELECT nothing\n;"));
    }
}
