//! `connect`: a DuckDB script with a view per table, a time-travel macro per table, and views over revisions, runs and
//! common cost questions. It is printed, never executed.

use crate::error::Result;
use crate::lake::{BucketAddress, Lake, Location};
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
    if let (Location::Bucket { bucket, prefix }, Lake::S3(s3)) = (&location, &*lake)
        && let Some(address) = s3.address()
    {
        script.extend(bucket_access(bucket, prefix, address));
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

/// The path or URL of the lake in SQL.
pub(super) fn base_of(location: &Location, lake: &Lake) -> String {
    match lake {
        Lake::Local(local) => local.root().display().to_string(),
        Lake::S3(_) => location.to_string(),
    }
}

/// Credentials come from DuckDB's own AWS credential chain; none are printed.
fn bucket_access(bucket: &str, prefix: &str, address: &BucketAddress) -> Vec<String> {
    let mut options = vec!["TYPE s3".to_owned(), "PROVIDER credential_chain".to_owned()];
    let scope = if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") };
    options.push(format!("SCOPE {}", Dialect::Duckdb.literal(&scope)));
    let literal = |text: &str| Dialect::Duckdb.literal(text);
    if let Some((scheme, host)) = address.url.as_deref().and_then(|url| url.split_once("://")) {
        options.push(format!("ENDPOINT {}", literal(host.trim_end_matches('/'))));
        options.push(format!("USE_SSL {}", scheme == "https"));
    }
    if address.by_path {
        options.push("URL_STYLE 'path'".to_owned());
    }
    options.push(format!("REGION {}", literal(&address.region)));
    vec![
        "INSTALL httpfs; LOAD httpfs;".to_owned(),
        "INSTALL aws; LOAD aws;".to_owned(),
        format!("CREATE OR REPLACE SECRET costlake ({});", options.join(", ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::bucket_access;
    use crate::lake::BucketAddress;

    fn secret(url: Option<&str>, by_path: bool) -> String {
        let region = "cn-north-1".to_owned();
        let address = BucketAddress { region, url: url.map(str::to_owned), is_own: true, by_path };
        bucket_access("bills", "it's", &address).pop().expect("a statement")
    }

    #[test]
    fn duckdb_is_told_where_the_bucket_is() {
        let begin = "CREATE OR REPLACE SECRET costlake (TYPE s3, PROVIDER credential_chain, SCOPE 's3://bills/it''s', ";
        for (url, by_path, wanted) in [
            (None, false, "REGION 'cn-north-1');"),
            (None, true, "URL_STYLE 'path', REGION 'cn-north-1');"),
            (
                Some("https://s3.cn-north-1.amazonaws.com.cn"),
                false,
                "ENDPOINT 's3.cn-north-1.amazonaws.com.cn', USE_SSL true, REGION 'cn-north-1');",
            ),
            (
                Some("http://127.0.0.1:9000/"),
                true,
                "ENDPOINT '127.0.0.1:9000', USE_SSL false, URL_STYLE 'path', REGION 'cn-north-1');",
            ),
        ] {
            assert_eq!(secret(url, by_path), format!("{begin}{wanted}"));
        }
    }
}
