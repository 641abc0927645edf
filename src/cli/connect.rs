//! `connect`: a DuckDB script with a view per table, a macro for what each said earlier, and views over what changed,
//! what was run, and the questions people open a bill for. It is printed, never executed.

use crate::error::Result;
use crate::lake::{Lake, Location};
use crate::sql::Dialect;
use crate::sql::ddl::{table, without_rows};
use crate::sql::views::{api_spend, changed_since};

use super::args::Global;
use super::ddl::{self, place_of};
use super::{as_of, open_lake, progress, revisions, run_records, screen, select, tell_broken};

/// `costlake connect`.
pub(super) async fn connect(global: &Global) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, &[])?;
    let code = tell_broken(&broken);
    let (location, lake) = open_lake(global).await?;
    let mut script = vec![
        "-- costlake connect: views of tables, revisions and runs. Use it as: duckdb -init <(costlake connect)"
            .to_owned(),
        "-- What a table said at the end of a UTC day, or at an instant: FROM <table>_as_of('2026-07-05')".to_owned(),
        "-- A view is right at every instant; a query that meets a replacement may end with an error: run it again."
            .to_owned(),
        "SET TimeZone = 'UTC';".to_owned(),
    ];
    if let Location::Bucket { bucket, prefix } = &location {
        script.extend(bucket_access(bucket, prefix));
    }
    let base = base_of(&location, &lake);
    let (mut has_runs, mut has_ledgers) = (false, false);
    for job in &jobs {
        has_runs = has_runs || run_records::exist(&lake, &job.name).await?;
        let place = place_of(job, &lake, &base).await?;
        let ledger = revisions::has_ledger(&lake, &job.name).await?;
        has_ledgers = has_ledgers || ledger;
        script.push(table(Dialect::Duckdb, job, &place)?);
        let has = as_of::InLake { objects: place.has_objects, ledger, kept: as_of::has_kept(&lake, job).await? };
        script.push(as_of::statement(job, &base, has, &without_rows(Dialect::Duckdb, job)));
    }
    script.push(run_records::view(&base, has_runs));
    script.extend(revisions::views(&base, has_ledgers));
    script.push(changed_since().statement);
    script.extend(ddl::view_statements(Dialect::Duckdb, &jobs, &lake).await?);
    script.extend(api_spend(Dialect::Duckdb).map(|view| view.statement));
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
    options.push(format!("SCOPE {}", Dialect::Duckdb.literal(&scope)));
    let endpoint = std::env::var("AWS_ENDPOINT_URL_S3").or_else(|_| std::env::var("AWS_ENDPOINT_URL")).ok();
    if let Some((scheme, host)) = endpoint.as_deref().and_then(|url| url.split_once("://")) {
        options.push(format!("ENDPOINT {}", Dialect::Duckdb.literal(host.trim_end_matches('/'))));
        options.push("URL_STYLE 'path'".to_owned());
        options.push(format!("USE_SSL {}", scheme == "https"));
    }
    if let Ok(region) = std::env::var("AWS_REGION").or_else(|_| std::env::var("AWS_DEFAULT_REGION")) {
        options.push(format!("REGION {}", Dialect::Duckdb.literal(&region)));
    }
    vec![
        "INSTALL httpfs; LOAD httpfs;".to_owned(),
        "INSTALL aws; LOAD aws;".to_owned(),
        format!("CREATE OR REPLACE SECRET costlake ({});", options.join(", ")),
    ]
}
