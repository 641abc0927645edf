//! `connect`: a DuckDB script with all tables, the run records, and the views that answer questions about them. It is
//! printed, never executed.

use crate::error::Result;
use crate::lake::{Lake, Location};
use crate::sql::Dialect;
use crate::sql::ddl::table;
use crate::sql::views::{api_spend, changed_since};

use super::args::Global;
use super::ddl::{self, place_of};
use super::{open_lake, progress, run_records, screen, select, tell_broken};

/// `costlake connect`.
pub(super) async fn connect(global: &Global) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, &[])?;
    let code = tell_broken(&broken);
    let (location, lake) = open_lake(global).await?;
    let mut script = vec![
        "-- costlake connect: tables, runs and views of both. Use it as: duckdb -init <(costlake connect)".to_owned(),
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
        script.push(table(Dialect::Duckdb, job, &place_of(job, &lake, &base).await?)?);
    }
    script.push(run_records::view(&base, has_runs));
    script.extend(ddl::view_statements(Dialect::Duckdb, &jobs, &lake).await?);
    script.extend(api_spend(Dialect::Duckdb).map(|view| view.statement));
    // DuckDB binds a macro when it is made, so what it reads has to be there before.
    if script.iter().any(|statement| statement.starts_with("CREATE OR REPLACE VIEW cost_revisions")) {
        script.push(changed_since().statement);
    }
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

/// A SQL string.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::literal;

    #[test]
    fn hostile_names_stay_inside_their_quotes() {
        assert_eq!(literal("it's"), "'it''s'");
    }
}
