//! `connect`: a DuckDB script with a view per table and one over the run records. It is printed, never executed.

use crate::error::Result;
use crate::job::Job;
use crate::lake::{Lake, Location};
use crate::table::{Column, ColumnType};

use super::args::Global;
use super::{open_lake, progress, run_records, screen, select, tell_broken};

/// `costlake connect`.
pub(super) async fn connect(global: &Global) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, &[])?;
    let code = tell_broken(&broken);
    let (location, lake) = open_lake(global).await?;
    let mut script = vec![
        "-- costlake connect: a view per table, and one over the runs. Use it as: duckdb -init <(costlake connect)"
            .to_owned(),
        "-- A view is right at every instant; a query that meets a replacement on S3 may ask to be run again."
            .to_owned(),
        "SET TimeZone = 'UTC';".to_owned(),
    ];
    if let Location::Bucket { bucket, prefix } = &location {
        script.extend(bucket_access(bucket, prefix));
    }
    let base = base_of(&location, &lake);
    let mut has_runs = false;
    for job in &jobs {
        has_runs = has_runs || run_records::exist(&lake, &job.name).await?;
        let has_objects = lake.list(&job.name).await?.iter().any(|entry| entry.key.ends_with("/data.parquet"));
        script.push(view(job, &base, has_objects));
    }
    script.push(run_records::view(&base, has_runs));
    screen::out(&script.join("\n"));
    Ok(code)
}

/// The lake as SQL names it.
pub(super) fn base_of(location: &Location, lake: &Lake) -> String {
    match lake {
        Lake::Local(local) => local.root().display().to_string(),
        Lake::S3(_) => location.to_string(),
    }
}

/// Credentials come from DuckDB's own walk through the AWS chain; none are printed.
fn bucket_access(bucket: &str, prefix: &str) -> Vec<String> {
    let mut options = vec!["TYPE s3".to_owned(), "PROVIDER credential_chain".to_owned()];
    let scope = if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") };
    options.push(format!("SCOPE {}", literal(&scope)));
    let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").or_else(|_| std::env::var("AWS_ENDPOINT_URL")).ok();
    if let Some((scheme, host)) = endpoint.as_deref().and_then(|url| url.split_once("://")) {
        options.push(format!("ENDPOINT {}", literal(host.trim_end_matches('/'))));
        options.push("URL_STYLE 'path'".to_owned());
        options.push(format!("USE_SSL {}", scheme == "https"));
    }
    if let Ok(region) = std::env::var("AWS_REGION").or_else(|_| std::env::var("AWS_DEFAULT_REGION")) {
        options.push(format!("REGION {}", literal(&region)));
    }
    vec![
        "INSTALL httpfs; LOAD httpfs;".to_owned(),
        "INSTALL aws; LOAD aws;".to_owned(),
        format!("CREATE OR REPLACE SECRET costlake ({});", options.join(", ")),
    ]
}

fn view(job: &Job, base: &str, has_objects: bool) -> String {
    let name = identifier(&job.name);
    let columns = job.source.table().columns();
    let partition = job.source.grain().partition_column();
    let list: Vec<String> =
        columns.iter().map(|column| identifier(&column.name)).chain([identifier(partition)]).collect();
    let body = if has_objects {
        let files = literal(&format!("{}/{}/*/data.parquet", base.trim_end_matches('/'), job.name));
        format!("SELECT {} FROM read_parquet({files}, hive_partitioning = true, union_by_name = true)", list.join(", "))
    } else {
        let typed: Vec<String> =
            columns.iter().map(typed_null).chain([format!("NULL::VARCHAR AS {}", identifier(partition))]).collect();
        format!("SELECT {} WHERE false -- nothing has been read yet", typed.join(", "))
    };
    let comment = job
        .description
        .as_deref()
        .map_or(String::new(), |text| format!("\nCOMMENT ON VIEW {name} IS {};", literal(text)));
    format!("CREATE OR REPLACE VIEW {name} AS\n  {body}\n;{comment}")
}

fn typed_null(column: &Column) -> String {
    let kind = match column.kind {
        ColumnType::Boolean => "BOOLEAN",
        ColumnType::Int => "INTEGER",
        ColumnType::Bigint => "BIGINT",
        ColumnType::Double => "DOUBLE",
        ColumnType::String => "VARCHAR",
        ColumnType::Date => "DATE",
        ColumnType::Timestamp => "TIMESTAMP WITH TIME ZONE",
        ColumnType::Decimal => "DECIMAL(38,12)",
    };
    format!("NULL::{kind} AS {}", identifier(&column.name))
}

/// A SQL identifier.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A SQL string.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::{identifier, literal};

    #[test]
    fn hostile_names_stay_inside_their_quotes() {
        assert_eq!(identifier("a\"; DROP TABLE b"), "\"a\"\"; DROP TABLE b\"");
        assert_eq!(literal("it's"), "'it''s'");
    }
}
