//! Table definitions in each dialect.

use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::table::Column;
use crate::window::Grain;

use super::{Dialect, FILE};

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
        format!("{}/{}", self.lake, job.name)
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
        Dialect::Athena if !place.is_bucket() => {
            return Err(Error::new(Kind::Config, "Athena reads only S3")
                .at("lake", &place.lake)
                .advise("name the lake's bucket: --lake s3://bucket/prefix"));
        }
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
    let what: Vec<String> = [format!("One row per {}", key(job).join(", "))].into_iter().chain(pairs).collect();
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

/// Format and step of a projected partition: a Java date pattern, and the unit of the interval.
fn projection(grain: Grain) -> (&'static str, &'static str) {
    match grain {
        Grain::Hourly => ("yyyy-MM-dd", "DAYS"),
        Grain::Daily | Grain::Monthly => ("yyyy-MM", "MONTHS"),
    }
}

fn athena(job: &Job, place: &Place) -> String {
    let dialect = Dialect::Athena;
    let partition = job.source.grain().partition_column();
    let (format, unit) = projection(job.source.grain());
    let folder = place.folder(job);
    let properties = [
        ("projection.enabled".to_owned(), "true".to_owned()),
        (format!("projection.{partition}.type"), "date".to_owned()),
        (format!("projection.{partition}.format"), format.to_owned()),
        (format!("projection.{partition}.range"), format!("{},NOW", place.first_partition)),
        (format!("projection.{partition}.interval"), "1".to_owned()),
        (format!("projection.{partition}.interval.unit"), unit.to_owned()),
        ("storage.location.template".to_owned(), format!("{folder}/{partition}=${{{partition}}}/")),
    ];
    let properties: Vec<String> = properties
        .iter()
        .map(|(name, value)| format!("  {} = {}", dialect.literal(name), dialect.literal(value)))
        .collect();
    format!(
        "CREATE EXTERNAL TABLE IF NOT EXISTS {} (\n{}\n)\nCOMMENT {}\nPARTITIONED BY ({} string)\nSTORED AS PARQUET\n\
         LOCATION {}\nTBLPROPERTIES (\n{}\n);",
        dialect.identifier(&job.name),
        columns(job, |column| described(dialect, column)),
        dialect.literal(&comment(job)),
        dialect.identifier(partition),
        dialect.literal(&format!("{folder}/")),
        properties.join(",\n")
    )
}

fn trino(job: &Job, place: &Place) -> String {
    let dialect = Dialect::Trino;
    let partition = job.source.grain().partition_column();
    let (format, unit) = projection(job.source.grain());
    let folder = if place.is_bucket() { place.folder(job) } else { format!("file://{}", place.folder(job)) };
    let projected = format!(
        "  {} varchar WITH (\n    partition_projection_type = 'DATE',\n    partition_projection_format = {},\n    \
         partition_projection_range = ARRAY[{}, 'NOW'],\n    partition_projection_interval = 1,\n    \
         partition_projection_interval_unit = '{unit}'\n  )",
        dialect.identifier(partition),
        dialect.literal(format),
        dialect.literal(&place.first_partition),
    );
    let template = format!("{folder}/{partition}=${{{partition}}}/");
    format!(
        "CREATE TABLE IF NOT EXISTS {} (\n{},\n{projected}\n)\nCOMMENT {}\nWITH (\n  external_location = {},\n  \
         format = 'PARQUET',\n  partitioned_by = ARRAY[{}],\n  partition_projection_enabled = true,\n  \
         partition_projection_location_template = {}\n);",
        dialect.identifier(&job.name),
        columns(job, |column| described(dialect, column)),
        dialect.literal(&comment(job)),
        dialect.literal(&format!("{folder}/")),
        dialect.literal(partition),
        dialect.literal(&template),
    )
}

/// The expression of the partition value in a file path. DuckDB prunes files by it as by a partition column.
#[must_use]
pub fn partition_of_file(path: &str) -> String {
    format!("split_part(string_split({path}, '/')[-2], '=', 2)")
}

/// A view with exactly the columns of the schema: one that no object has is NULL. Folders above the table are never
/// read as partition columns.
fn duckdb(job: &Job, place: &Place) -> String {
    let dialect = Dialect::Duckdb;
    let name = dialect.identifier(&job.name);
    let mut body = format!("  {}", without_rows(dialect, job));
    if place.has_objects {
        let files = dialect.literal(&format!("{}/*/data.parquet", dialect.in_pattern(&place.folder(job))));
        let file = dialect.identifier(FILE);
        body.push_str(&format!(
            "\n  UNION ALL BY NAME\n  SELECT * EXCLUDE ({file}), {} AS {}\n  FROM read_parquet({files}, union_by_name = true, hive_partitioning = false, filename = {})",
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
    let name = dialect.identifier(&job.name);
    let partition = dialect.identifier(job.source.grain().partition_column());
    let text = dialect.type_name(crate::table::ColumnType::String);
    let body = if place.has_objects {
        let table = if place.is_bucket() { "s3" } else { "file" };
        let folder = place.http.as_ref().filter(|_| place.is_bucket()).unwrap_or(&place.lake);
        let files = dialect.literal(&format!("{folder}/{}/*/data.parquet", job.name));
        let list = job.source.table().columns().iter();
        let structure: Vec<String> = list
            .map(|column| format!("{} {}", dialect.identifier(&column.name), dialect.type_name(column.kind)))
            .collect();
        format!(
            "SELECT *, splitByChar('=', splitByChar('/', _path)[-2])[2] AS {partition}\nFROM {table}({files}, 'Parquet', {})\n\
             SETTINGS use_hive_partitioning = 0",
            dialect.literal(&structure.join(", ")),
        )
    } else {
        without_rows(dialect, job)
    };
    format!(
        "CREATE OR REPLACE VIEW {name} (\n{},\n  {partition} {text} COMMENT 'partition of the lake'\n) AS\n{body}\nCOMMENT {};",
        columns(job, |column| described(dialect, column)),
        dialect.literal(&comment(job)),
    )
}

fn spark(job: &Job, place: &Place) -> String {
    let dialect = Dialect::Spark;
    let name = dialect.identifier(&job.name);
    if !place.has_objects {
        return format!("CREATE OR REPLACE TEMPORARY VIEW {name} AS\n  {};", without_rows(dialect, job));
    }
    let folder = dialect.in_pattern(&place.folder(job).replacen("s3://", "s3a://", 1));
    let partition = job.source.grain().partition_column();
    format!(
        "CREATE OR REPLACE TEMPORARY VIEW {name} (\n{},\n  {} string COMMENT 'partition of the lake'\n)\nUSING parquet\nOPTIONS (path {});",
        columns(job, |column| described(dialect, column)),
        dialect.identifier(partition),
        dialect.literal(&folder)
    )
}

/// A query with the table's columns and no rows.
#[must_use]
pub fn without_rows(dialect: Dialect, job: &Job) -> String {
    let partition = job.source.grain().partition_column();
    let typed =
        job.source.table().columns().iter().map(|column| (column.name.as_str(), dialect.typed_null(column.kind)));
    let partition = (partition, dialect.typed_null(crate::table::ColumnType::String));
    let list: Vec<String> =
        typed.chain([partition]).map(|(name, null)| format!("{null} AS {}", dialect.identifier(name))).collect();
    format!("SELECT {} WHERE false", list.join(", "))
}
