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
//!
//! In a table with accounts a part is `account=<id>/<partition>`, so that every account has generations of its own.

use crate::job::Job;
use crate::sql::ddl::{data_pattern, of_path, partition_of_file, without_rows};
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
    let name = Dialect::Duckdb.identifier(&format!("{}_as_of", job.unit.table));
    format!("CREATE OR REPLACE MACRO {name}(moment) AS TABLE\n  {body}\n;")
}

/// The exclusive upper bound on the commit time of a generation; a date means the end of that day.
const MOMENT: &str = r"SELECT CASE
      WHEN length(CAST(moment AS VARCHAR)) = 10 THEN (CAST(CAST(moment AS VARCHAR) AS DATE) + INTERVAL 1 DAY) AT TIME ZONE 'UTC'
      WHEN regexp_matches(CAST(moment AS VARCHAR), '(Z|[+-]\d\d(:?\d\d)?)$')
        THEN CAST(CAST(moment AS VARCHAR) AS TIMESTAMP WITH TIME ZONE) + INTERVAL 1 MICROSECOND
      ELSE (CAST(CAST(moment AS VARCHAR) AS TIMESTAMP) + INTERVAL 1 MICROSECOND) AT TIME ZONE 'UTC' END AS before";

/// SQL for the folders of a data file or a kept generation that say what it is, and its name: those of the account, if
/// there are accounts, and of the partition.
fn tail(path: &str, has_accounts: bool) -> String {
    let part = |place: i32| format!("string_split({path}, '/')[{place}]");
    if has_accounts {
        let account = format!("CASE WHEN {} = 'history' THEN {} ELSE {} END", part(-3), part(-4), part(-3));
        format!("concat_ws('/', {account}, {}, {})", part(-2), part(-1))
    } else {
        format!("concat_ws('/', {}, {})", part(-2), part(-1))
    }
}

/// SQL for the part that a data file holds.
fn part_of_file(has_accounts: bool) -> String {
    let partition = partition_of_file("file_name");
    if has_accounts { format!("concat(string_split(file_name, '/')[-3], '/', {partition})") } else { partition }
}

/// SQL for the columns of the path, from a part.
fn columns_of_part(job: &Job) -> Vec<String> {
    let of_account = ["split_part(split_part(chosen.part, '/', 1), '=', 2)", "split_part(chosen.part, '/', 2)"];
    let values: &[&str] = if job.accounts.is_some() { &of_account } else { &["chosen.part"] };
    let text = Dialect::Duckdb.type_name(ColumnType::String);
    let column = |(value, name)| format!("CAST({value} AS {text}) AS {}", Dialect::Duckdb.identifier(name));
    values.iter().zip(of_path(job)).map(column).collect()
}

/// A query for `part, history` of every part that the newest ledger snapshots know.
fn known(base: &str, unit: &str, has: InLake, has_accounts: bool) -> String {
    let of_units = || partitions(base, &[unit.to_owned()]);
    if !has.ledger {
        return "SELECT NULL::VARCHAR AS part, NULL::STRUCT(generations MAP(BIGINT, TIMESTAMP WITH TIME ZONE), \
                known_since TIMESTAMP WITH TIME ZONE) AS history WHERE false"
            .to_owned();
    }
    if has_accounts {
        format!("SELECT concat('account=', account, '/', part) AS part, history FROM (\n    {})", of_units())
    } else {
        of_units()
    }
}

fn body(job: &Job, base: &str, has: InLake) -> String {
    let name = &job.unit.table;
    let column = job.source.grain().partition_column();
    let pattern = Dialect::Duckdb.in_pattern(base);
    let has_accounts = job.accounts.is_some();
    let unit = if has_accounts { format!("{name}/account=*") } else { name.clone() };
    let current = Dialect::Duckdb.literal(&format!("{pattern}/{name}/{}", data_pattern(job)));
    let history = Dialect::Duckdb.literal(&format!("{pattern}/_costlake/{unit}/history/*/*.parquet"));
    let ledger = known(base, &unit, has, has_accounts);
    let (kept, files) = if has.kept {
        (
            format!("SELECT {} AS tail FROM glob({history})", tail("file", has_accounts)),
            format!("[{current}, {history}]"),
        )
    } else {
        ("SELECT NULL::VARCHAR AS tail WHERE false".to_owned(), current.clone())
    };
    let list = job.source.table().columns();
    let identifier = |name: &str| Dialect::Duckdb.identifier(name);
    let part = Dialect::Duckdb.type_name(ColumnType::String);
    let said = list.iter().map(|column| format!("said.{}", identifier(&column.name)));
    let columns: Vec<String> = said.chain(columns_of_part(job)).collect();
    let of_path = of_path(job).into_iter().map(|_| part);
    let types = list.iter().map(|column| Dialect::Duckdb.type_name(column.kind)).chain(of_path);
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
        standing_part = part_of_file(has_accounts),
        choice = choice(name, &data_file(column, has_accounts)),
        kept_tail = "concat(part, '/', lpad(CAST(epoch AS VARCHAR), 20, '0'), '.parquet')",
        columns = columns.join(", "),
        nothing = without_rows(Dialect::Duckdb, job),
        file = Dialect::Duckdb.literal(FILE),
        said_tail = tail(&format!("said.{}", identifier(FILE)), has_accounts),
        guard = guard.join(", "),
    )
}

/// SQL for the current data file of a part.
fn data_file(column: &str, has_accounts: bool) -> String {
    if has_accounts {
        format!("concat(split_part(part, '/', 1), '/{column}=', split_part(part, '/', 2), '/data.parquet')")
    } else {
        format!("concat('{column}=', part, '/data.parquet')")
    }
}

/// SQL for the file with the rows at that moment, or an error that says why there is none.
fn choice(name: &str, current: &str) -> String {
    let lost = |epoch: &str, why: &str| {
        let why = Dialect::Duckdb.literal(&format!(" of {name} {why}"));
        format!("error(concat('costlake: generation ', {epoch}, ' of partition ', part, {why}))")
    };
    format!(
        "CASE
      WHEN later IS NULL AND standing > coalesce(newest, 0) THEN {undated}
      WHEN epoch IS NULL THEN {before}
      WHEN later > epoch + 1 THEN {gap}
      WHEN epoch = standing THEN {current}
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

    #[test]
    fn the_generations_of_an_account_are_its_own() {
        let accounts = "[accounts]\nlist = [{ id = \"000033334444\" }]\nrole_arn = \"arn:aws:iam::{id}:role/x\"\n";
        let text = "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]\n\
                    [window]\nbegin = \"2026-10-30\"\n";
        let job = job::parse(Path::new("cost.toml"), &format!("{text}{accounts}")).expect("a job");
        let all = statement(&job, "/l", InLake { objects: true, ledger: true, kept: true }, "SELECT nothing");
        for path in ["cost/*/*/data.parquet", "_costlake/cost/account=*/history/*/*.parquet"] {
            assert!(all.contains(&format!("'/l/{path}'")), "{path}: {all}");
        }
        assert!(
            all.contains("'/l/_costlake/cost/account=*/ledger/*.json'") && all.contains("AS \"account\", "),
            "{all}"
        );
    }

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
