//! `ddl`: the definitions of the tables for a query engine. They are printed, never executed.

use crate::error::Result;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger_store::partition_of;
use crate::sql::Dialect;
use crate::sql::ddl::{Place, table};

use super::args::Global;
use super::connect::base_of;
use super::{clock, open_lake, progress, screen, select, tell_broken};

/// `costlake ddl`.
pub(super) async fn ddl(global: &Global, names: &[String], dialect: Dialect) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let code = tell_broken(&broken);
    let (location, lake) = open_lake(global).await?;
    let base = base_of(&location, &lake);
    let mut statements = vec![format!("-- costlake ddl --dialect {}: {}", dialect.name(), how_to_use(dialect))];
    for job in &jobs {
        let place = place_of(job, &lake, &base).await?;
        statements.push(table(dialect, job, &place).map_err(|error| error.at("job", &job.name))?);
    }
    screen::out(&statements.join("\n\n"));
    Ok(code)
}

fn how_to_use(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Athena => "run each statement once; new months and days appear by themselves",
        Dialect::Duckdb => "views; `costlake connect` has them too, with access to a bucket and more views",
        Dialect::Spark => "temporary views for spark-sql -i; make them anew when a month has begun",
        Dialect::Trino => "run each statement once in a schema of the Hive connector",
    }
}

/// Where a job's table is, and from which partition on.
async fn place_of(job: &Job, lake: &Lake, base: &str) -> Result<Place> {
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
