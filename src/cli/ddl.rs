//! `ddl`: definitions of the tables and their views for a query engine. They are printed, never executed.

use crate::error::Result;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger_store::{TableRecord, as_kept, partition_of, record_keys};
use crate::sql::ddl::{Place, table};
use crate::sql::views::{Subject, api_spend, views};
use crate::sql::{Dialect, runs};

use super::args::Global;
use super::connect::base_of;
use super::{clock, open_lake, progress, screen, select, tell_broken};

/// `costlake ddl`.
pub(super) async fn ddl(global: &Global, names: &[String], dialect: Dialect, with_views: bool) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let code = tell_broken(&broken);
    let (location, lake) = open_lake(global).await?;
    let jobs = as_they_write(jobs, &lake).await?;
    let base = base_of(&location, &lake);
    let mut statements = vec![format!("-- costlake ddl --dialect {}: {}", dialect.name(), how_to_use(dialect))];
    for job in &jobs {
        let place = place_of(job, &lake, &base).await?;
        statements.push(table(dialect, job, &place).map_err(|error| error.at("job", &job.name))?);
    }
    if with_views {
        statements.extend(view_statements(dialect, &jobs, &lake).await?);
        if dialect == Dialect::Spark {
            statements.extend(run_statements(&jobs, &lake, &base).await?);
        }
    }
    screen::out(&statements.join("\n\n"));
    Ok(code)
}

/// The jobs as they write their tables: some columns of a table that has gained metrics may be NULL.
pub(super) async fn as_they_write(jobs: Vec<Job>, lake: &Lake) -> Result<Vec<Job>> {
    let mut found = Vec::new();
    for job in jobs {
        found.push(as_kept(lake, &job).await?.into_owned());
    }
    Ok(found)
}

/// The views over the tables of these jobs.
pub(super) async fn view_statements(dialect: Dialect, jobs: &[Job], lake: &Lake) -> Result<Vec<String>> {
    let mut subjects = Vec::new();
    for job in jobs {
        let kept = TableRecord::kept(lake, &job.name).await?.and_then(|record| record.account);
        subjects.push(Subject { job, account: kept.or_else(|| job.aws.account_id.clone()) });
    }
    Ok(views(dialect, &subjects).into_iter().map(|view| view.statement).collect())
}

/// Spark's `costlake_runs`, and the cost of requests.
async fn run_statements(jobs: &[Job], lake: &Lake, base: &str) -> Result<Vec<String>> {
    let mut has_records = false;
    for job in jobs {
        has_records = has_records || has_runs(lake, &job.name).await?;
    }
    let mut statements = runs::spark(base.trim_end_matches('/'), has_records);
    statements.extend(api_spend(Dialect::Spark).map(|view| view.statement));
    Ok(statements)
}

/// Whether a table has any run record.
pub(super) async fn has_runs(lake: &Lake, table: &str) -> Result<bool> {
    Ok(!record_keys(lake, table).await?.is_empty())
}

fn how_to_use(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Athena => "run each statement once; new months and days appear by themselves",
        Dialect::Duckdb => "views; `costlake connect` has them too, with access to a bucket and more views",
        Dialect::Spark => "temporary views for spark-sql -i; make them anew when a month has begun",
        Dialect::Trino => "run each statement once in a schema of the Hive connector",
    }
}

/// The location of a job's table and its first partition.
pub(super) async fn place_of(job: &Job, lake: &Lake, base: &str) -> Result<Place> {
    let grain = job.source.grain();
    let listed = lake.list(&job.name).await?;
    let there = listed.iter().filter_map(|entry| partition_of(&job.name, grain, &entry.key));
    let begin = job.window.begin.map_or_else(|| clock().map(|clock| clock.now().date_naive()), Ok)?;
    let oldest = there.clone().map(|partition| partition.to_string()).min();
    let first = grain.partition_of(begin).to_string();
    Ok(Place {
        lake: base.trim_end_matches('/').to_owned(),
        first_partition: oldest.map_or(first.clone(), |oldest| oldest.min(first)),
        has_objects: there.count() > 0,
    })
}
