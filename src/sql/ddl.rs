//! Table definitions in each dialect.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::job::accounts::Accounts;
use crate::table::Column;
use crate::unit::ACCOUNT;
use crate::window::Grain;

use super::{Dialect, FILE, glue_comment};

/// Most accounts that a definition names; of more a query must name the one it is of.
const MOST_NAMED: usize = 100;

/// What a definition needs besides the job.
#[derive(Debug, Clone)]
pub struct Place {
    /// The lake: an absolute folder or `s3://bucket/prefix`, without a slash at the end.
    pub lake: String,
    /// The partition value that projections begin with, such as `2025-11`.
    pub first_partition: String,
    /// Whether the table has any object yet.
    pub has_objects: bool,
    /// The address of a bucket's lake over HTTP, without a slash at the end, if it is known.
    pub http: Option<String>,
}

impl Place {
    fn is_bucket(&self) -> bool {
        self.lake.starts_with("s3://")
    }

    fn folder(&self, job: &Job) -> String {
        format!("{}/{}", self.lake, job.unit.table)
    }
}

/// The statement that defines a job's table, ended by a semicolon.
///
/// # Errors
/// [`Kind::Config`] for Athena if the lake is not a bucket, and for a path that the engine cannot read as it is.
pub fn table(dialect: Dialect, job: &Job, place: &Place) -> Result<String> {
    if let Some(sign) = dialect.no_pattern(&place.lake) {
        return Err(Error::new(Kind::Config, format!("{} cannot read a path with `{sign}` in it", dialect.name()))
            .at("lake", &place.lake)
            .advise(format!("move the lake to a folder without `{sign}` in its path")));
    }
    Ok(match dialect {
        Dialect::Athena if !place.is_bucket() => return Err(only_s3(place)),
        Dialect::Clickhouse => clickhouse(job, place),
        Dialect::Athena => athena(job, place),
        Dialect::Trino => trino(job, place),
        Dialect::Duckdb => duckdb(job, place),
        Dialect::Spark => spark(job, place),
    })
}

/// The table comment: its grouping and request, since tables of different groupings must not be added up.
#[must_use]
pub fn comment(job: &Job) -> String {
    let description = job.description.as_deref().map(|text| format!("{text}. ")).unwrap_or_default();
    let pairs: Vec<String> =
        job.source.fingerprint().into_iter().map(|(name, text)| format!("{name} {text}")).collect();
    let account = if job.accounts.is_some() { "account, " } else { "" };
    let what: Vec<String> =
        [format!("One row per {account}{}", key(job).join(", "))].into_iter().chain(pairs).collect();
    format!("{description}{}. Never add it up with a table of another grouping.", what.join("; "))
}

/// The columns that identify a row.
#[must_use]
pub fn key(job: &Job) -> Vec<String> {
    let table = job.source.table();
    table.sort_key().iter().filter_map(|index| table.columns().get(*index)).map(|column| column.name.clone()).collect()
}

fn columns(job: &Job, one: impl Fn(&Column) -> String) -> String {
    job.source.table().columns().iter().map(|column| format!("  {}", one(column))).collect::<Vec<_>>().join(",\n")
}

/// Name, type and comment of a column.
fn described(dialect: Dialect, column: &Column) -> String {
    format!(
        "{} {} COMMENT {}",
        dialect.identifier(&column.name),
        dialect.type_name(column.kind),
        dialect.column_comment(&column.doc)
    )
}

/// The columns that are in the path of a file, in the order of the path: the account if the table has some, and the
/// partition.
#[must_use]
pub fn of_path(job: &Job) -> Vec<&'static str> {
    job.accounts.iter().map(|_| ACCOUNT).chain([job.source.grain().partition_column()]).collect()
}

/// The accounts of a table as its projection names them; `None` if they are too many, or none yet.
fn named(accounts: &Accounts) -> Option<Vec<&str>> {
    let mut names: Vec<&str> = accounts.names().collect();
    names.sort_unstable();
    (1..=MOST_NAMED).contains(&names.len()).then_some(names)
}

/// A comment on a table whose queries must name the account.
fn injected_note(job: &Job) -> &'static str {
    match job.accounts.as_deref().map(named) {
        Some(None) => {
            "-- The accounts are not named here: every query must say WHERE account = '...'. docs/accounts.md has the ways \
             round it.\n"
        }
        _ => "",
    }
}

/// The folders of a file below the table, with `${column}` for their values.
fn path_template(job: &Job) -> String {
    of_path(job).into_iter().map(|column| format!("{column}=${{{column}}}/")).collect()
}

/// Format and step of a projected partition: a Java date pattern, and the unit of the interval.
fn projection(grain: Grain) -> (&'static str, &'static str) {
    match grain {
        Grain::Hourly => ("yyyy-MM-dd", "DAYS"),
        Grain::Daily | Grain::Monthly => ("yyyy-MM", "MONTHS"),
    }
}

/// The properties of a table in Athena, in order: how its partitions are projected.
fn projected(job: &Job, place: &Place) -> Vec<(String, String)> {
    let partition = job.source.grain().partition_column();
    let (format, unit) = projection(job.source.grain());
    let mut properties = vec![("projection.enabled".to_owned(), "true".to_owned())];
    if let Some(accounts) = &job.accounts {
        let named = named(accounts);
        let kind = if named.is_some() { "enum" } else { "injected" };
        properties.push((format!("projection.{ACCOUNT}.type"), kind.to_owned()));
        properties.extend(named.map(|names| (format!("projection.{ACCOUNT}.values"), names.join(","))));
    }
    properties.extend([
        (format!("projection.{partition}.type"), "date".to_owned()),
        (format!("projection.{partition}.format"), format.to_owned()),
        (format!("projection.{partition}.range"), format!("{},NOW", place.first_partition)),
        (format!("projection.{partition}.interval"), "1".to_owned()),
        (format!("projection.{partition}.interval.unit"), unit.to_owned()),
        ("storage.location.template".to_owned(), format!("{}/{}", place.folder(job), path_template(job))),
    ]);
    properties
}

fn athena(job: &Job, place: &Place) -> String {
    let dialect = Dialect::Athena;
    let properties: Vec<String> = projected(job, place)
        .iter()
        .map(|(name, value)| format!("  {} = {}", dialect.literal(name), dialect.literal(value)))
        .collect();
    let partitions: Vec<String> =
        of_path(job).into_iter().map(|column| format!("{} string", dialect.identifier(column))).collect();
    format!(
        "{}CREATE EXTERNAL TABLE IF NOT EXISTS {} (\n{}\n)\nCOMMENT {}\nPARTITIONED BY ({})\nSTORED AS PARQUET\n\
         LOCATION {}\nTBLPROPERTIES (\n{}\n);",
        injected_note(job),
        dialect.identifier(&job.unit.table),
        columns(job, |column| described(dialect, column)),
        dialect.literal(&comment(job)),
        partitions.join(", "),
        dialect.literal(&format!("{}/", place.folder(job))),
        properties.join(",\n")
    )
}

/// The same table as the Glue catalog has it, for tools that write into the catalog without a statement.
///
/// # Errors
/// [`Kind::Config`] if the lake is not a bucket.
pub fn glue(job: &Job, place: &Place) -> Result<Value> {
    if !place.is_bucket() {
        return Err(only_s3(place));
    }
    let columns = job.source.table().columns().iter().map(|column| {
        let kind = Dialect::Athena.type_name(column.kind);
        json!({ "name": column.name, "type": kind, "comment": glue_comment(&column.doc) })
    });
    let partitions = of_path(job).into_iter().map(|column| json!({ "name": column, "type": "string" }));
    let parameters: BTreeMap<String, String> = projected(job, place).into_iter().collect();
    Ok(json!({
        "name": job.unit.table,
        "comment": comment(job),
        "location": format!("{}/", place.folder(job)),
        "columns": columns.collect::<Vec<_>>(),
        "partition_keys": partitions.collect::<Vec<_>>(),
        "parameters": parameters,
    }))
}

fn only_s3(place: &Place) -> Error {
    Error::new(Kind::Config, "Athena reads only S3")
        .at("lake", &place.lake)
        .advise("name the lake's bucket: --lake s3://bucket/prefix")
}

/// The column of the account in Trino, with its projection.
fn trino_account(accounts: &Accounts) -> String {
    let dialect = Dialect::Trino;
    let projected = match named(accounts) {
        Some(names) => {
            let names: Vec<String> = names.into_iter().map(|name| dialect.literal(name)).collect();
            format!("'ENUM',\n    partition_projection_values = ARRAY[{}]", names.join(", "))
        }
        None => "'INJECTED'".to_owned(),
    };
    format!("  {} varchar WITH (\n    partition_projection_type = {projected}\n  ),\n", dialect.identifier(ACCOUNT))
}

fn trino(job: &Job, place: &Place) -> String {
    let dialect = Dialect::Trino;
    let partition = job.source.grain().partition_column();
    let (format, unit) = projection(job.source.grain());
    let folder = if place.is_bucket() { place.folder(job) } else { format!("file://{}", place.folder(job)) };
    let account = job.accounts.as_deref().map(trino_account).unwrap_or_default();
    let projected = format!(
        "{account}  {} varchar WITH (\n    partition_projection_type = 'DATE',\n    partition_projection_format = {},\n    \
         partition_projection_range = ARRAY[{}, 'NOW'],\n    partition_projection_interval = 1,\n    \
         partition_projection_interval_unit = '{unit}'\n  )",
        dialect.identifier(partition),
        dialect.literal(format),
        dialect.literal(&place.first_partition),
    );
    let template = format!("{folder}/{}", path_template(job));
    let partitions: Vec<String> = of_path(job).into_iter().map(|column| dialect.literal(column)).collect();
    format!(
        "{}CREATE TABLE IF NOT EXISTS {} (\n{},\n{projected}\n)\nCOMMENT {}\nWITH (\n  external_location = {},\n  \
         format = 'PARQUET',\n  partitioned_by = ARRAY[{}],\n  partition_projection_enabled = true,\n  \
         partition_projection_location_template = {}\n);",
        injected_note(job),
        dialect.identifier(&job.unit.table),
        columns(job, |column| described(dialect, column)),
        dialect.literal(&comment(job)),
        dialect.literal(&format!("{folder}/")),
        partitions.join(", "),
        dialect.literal(&template),
    )
}

/// The expression of the partition value in a file path. DuckDB prunes files by it as by a partition column.
#[must_use]
pub fn partition_of_file(path: &str) -> String {
    format!("split_part(string_split({path}, '/')[-2], '=', 2)")
}

/// The pattern of a table's data files below its folder.
#[must_use]
pub fn data_pattern(job: &Job) -> &'static str {
    if job.accounts.is_some() { "*/*/data.parquet" } else { "*/data.parquet" }
}

/// The expression of the account in a file path of a table with accounts, always a text.
fn account_of_file(path: &str) -> String {
    format!("split_part(string_split({path}, '/')[-3], '=', 2)")
}

/// A view with exactly the columns of the schema: one that no object has is NULL. Folders above the table are never
/// read as partition columns.
fn duckdb(job: &Job, place: &Place) -> String {
    let dialect = Dialect::Duckdb;
    let name = dialect.identifier(&job.unit.table);
    let mut body = format!("  {}", without_rows(dialect, job));
    if place.has_objects {
        let files = dialect.literal(&format!("{}/{}", dialect.in_pattern(&place.folder(job)), data_pattern(job)));
        let file = dialect.identifier(FILE);
        let account =
            job.accounts.as_ref().map(|_| format!("{} AS {}, ", account_of_file(&file), dialect.identifier(ACCOUNT)));
        body.push_str(&format!(
            "\n  UNION ALL BY NAME\n  SELECT * EXCLUDE ({file}), {}{} AS {}\n  FROM read_parquet({files}, union_by_name = true, hive_partitioning = false, filename = {})",
            account.unwrap_or_default(),
            partition_of_file(&file),
            dialect.identifier(job.source.grain().partition_column()),
            dialect.literal(FILE),
        ));
    }
    let mut statements = vec![
        format!("CREATE OR REPLACE VIEW {name} AS\n{body};"),
        format!("COMMENT ON VIEW {name} IS {};", dialect.literal(&comment(job))),
    ];
    for column in job.source.table().columns() {
        let column_name = dialect.identifier(&column.name);
        statements.push(format!("COMMENT ON COLUMN {name}.{column_name} IS {};", dialect.literal(&column.doc)));
    }
    statements.join("\n")
}

/// A view with the columns of the schema: one that no object has is NULL, one that only objects have is not there. The
/// partition comes from the path, because folders above the lake may look like partitions.
fn clickhouse(job: &Job, place: &Place) -> String {
    let dialect = Dialect::Clickhouse;
    let name = dialect.identifier(&job.unit.table);
    let partition = dialect.identifier(job.source.grain().partition_column());
    let text = dialect.type_name(crate::table::ColumnType::String);
    let body = if place.has_objects {
        let table = if place.is_bucket() { "s3" } else { "file" };
        let folder = place.http.as_ref().filter(|_| place.is_bucket()).unwrap_or(&place.lake);
        let files = dialect.literal(&format!("{folder}/{}/{}", job.unit.table, data_pattern(job)));
        let account = job.accounts.as_ref().map(|_| "splitByChar('=', splitByChar('/', _path)[-3])[2] AS `account`, ");
        let list = job.source.table().columns().iter();
        let structure: Vec<String> = list
            .map(|column| format!("{} {}", dialect.identifier(&column.name), dialect.type_name(column.kind)))
            .collect();
        format!(
            "SELECT *, {}splitByChar('=', splitByChar('/', _path)[-2])[2] AS {partition}\nFROM {table}({files}, 'Parquet', {})\n\
             SETTINGS use_hive_partitioning = 0",
            account.unwrap_or_default(),
            dialect.literal(&structure.join(", ")),
        )
    } else {
        without_rows(dialect, job)
    };
    format!(
        "CREATE OR REPLACE VIEW {name} (\n{},\n{}\n) AS\n{body}\nCOMMENT {};",
        columns(job, |column| described(dialect, column)),
        partition_columns(job, dialect, text),
        dialect.literal(&comment(job)),
    )
}

/// The columns of the path, each with its type and comment. Spark takes the type that is said and does not infer one.
fn partition_columns(job: &Job, dialect: Dialect, text: &str) -> String {
    let line = |column| format!("  {} {text} COMMENT 'partition of the lake'", dialect.identifier(column));
    of_path(job).into_iter().map(line).collect::<Vec<_>>().join(",\n")
}

fn spark(job: &Job, place: &Place) -> String {
    let dialect = Dialect::Spark;
    let name = dialect.identifier(&job.unit.table);
    if !place.has_objects {
        return format!("CREATE OR REPLACE TEMPORARY VIEW {name} AS\n  {};", without_rows(dialect, job));
    }
    let folder = dialect.in_pattern(&place.folder(job).replacen("s3://", "s3a://", 1));
    format!(
        "CREATE OR REPLACE TEMPORARY VIEW {name} (\n{},\n{}\n)\nUSING parquet\nOPTIONS (path {});",
        columns(job, |column| described(dialect, column)),
        partition_columns(job, dialect, "string"),
        dialect.literal(&folder)
    )
}

/// A query with the table's columns and no rows.
#[must_use]
pub fn without_rows(dialect: Dialect, job: &Job) -> String {
    let typed =
        job.source.table().columns().iter().map(|column| (column.name.as_str(), dialect.typed_null(column.kind)));
    let of_path = of_path(job).into_iter().map(|name| (name, dialect.typed_null(crate::table::ColumnType::String)));
    let list: Vec<String> =
        typed.chain(of_path).map(|(name, null)| format!("{null} AS {}", dialect.identifier(name))).collect();
    format!("SELECT {} WHERE false", list.join(", "))
}
