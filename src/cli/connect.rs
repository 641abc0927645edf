//! `connect`: a DuckDB script with a view per table, a time-travel macro per table, and views over revisions, runs and
//! common cost questions. It is printed, never executed.

use crate::error::Result;
use crate::job::Job;
use crate::lake::{Lake, Location};
use crate::ledger_store::kept_generations;
use crate::sql::Dialect;
use crate::sql::ddl::{table, without_rows};
use crate::sql::duckdb::as_of::{self, InLake};
use crate::sql::duckdb::init::{self, Bucket};
use crate::sql::duckdb::{revisions, run_records};
use crate::sql::views::{api_spend, changed_since};

use super::args::Global;
use super::ddl::{self, place_of};
use super::{open_lake, progress, screen, select, tell_broken};

/// `costlake connect`.
pub(super) async fn connect(global: &Global) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, &[])?;
    let code = tell_broken(&broken);
    let (location, lake) = open_lake(global).await?;
    let jobs = ddl::as_they_write(jobs, &lake).await?;
    let mut script = init::opening();
    if let (Location::Bucket { bucket, prefix }, Lake::S3(s3)) = (&location, &*lake)
        && let Some(address) = s3.address()
    {
        script.extend(init::bucket_access(Bucket {
            name: bucket,
            prefix,
            region: &address.region,
            url: address.url.as_deref(),
            by_path: address.by_path,
        }));
    }
    let base = base_of(&location, &lake);
    let (mut has_runs, mut has_ledgers) = (false, false);
    for job in &jobs {
        has_runs = has_runs || ddl::has_runs(&lake, &job.name).await?;
        let place = place_of(job, &lake, &base).await?;
        let ledger = has_ledger(&lake, &job.name).await?;
        has_ledgers = has_ledgers || ledger;
        script.push(table(Dialect::Duckdb, job, &place)?);
        let has = InLake { objects: place.has_objects, ledger, kept: has_kept(&lake, job).await? };
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

/// Whether a table has any ledger snapshot.
async fn has_ledger(lake: &Lake, table: &str) -> Result<bool> {
    let listed = lake.list(&format!("_costlake/{table}/ledger")).await?;
    Ok(listed.iter().any(|entry| entry.key.ends_with(".json")))
}

/// Whether any older generation of a table is kept.
async fn has_kept(lake: &Lake, job: &Job) -> Result<bool> {
    let kept = kept_generations(lake, &job.name, job.source.grain()).await?;
    Ok(kept.iter().any(|kept| kept.generation.is_some() && !kept.is_displaced))
}
