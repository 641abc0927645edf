//! `ddl`: definitions of the tables and their views for a query engine. They are printed, never executed.

use crate::error::Result;
use crate::sql::ddl::table;
use crate::sql::views::{api_spend, views};
use crate::sql::{Dialect, runs};

use super::args::Global;
use super::tables::{Tables, UNREAD};
use super::{progress, screen};

/// `costlake ddl`.
pub(super) async fn ddl(global: &Global, names: &[String], dialect: Dialect, with_views: bool) -> Result<u8> {
    progress::start(global);
    let tables = Tables::find(global, names, false).await?;
    let mut statements = vec![format!("-- costlake ddl --dialect {}: {}", dialect.name(), how_to_use(dialect))];
    if !tables.is_read {
        statements.push(UNREAD.to_owned());
    }
    for known in &tables.found {
        statements
            .push(table(dialect, &known.job, &known.place).map_err(|error| error.at("job", &known.job.unit.table))?);
    }
    if with_views {
        statements.extend(views(dialect, &tables.subjects()).into_iter().map(|view| view.statement));
        if dialect == Dialect::Spark {
            statements.extend(runs::spark(&tables.base, tables.with_runs()));
            statements.extend(api_spend(Dialect::Spark).map(|view| view.statement));
        }
    }
    screen::out(&statements.join("\n\n"));
    Ok(tables.code)
}

fn how_to_use(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Athena => "run each statement once; new months and days appear by themselves",
        Dialect::Clickhouse => "views for clickhouse-client --multiquery; new months appear by themselves",
        Dialect::Duckdb => "views; `costlake connect` has them too, with access to a bucket and more views",
        Dialect::Spark => "temporary views for spark-sql -i; make them anew when a month has begun",
        Dialect::Trino => "run each statement once in a schema of the Hive connector",
    }
}
