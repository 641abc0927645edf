//! `ddl`: definitions of the tables and their views for a query engine. They are printed, never executed.

use serde_json::json;

use crate::error::{Error, Kind, Result};
use crate::sql::ddl::{glue, table};
use crate::sql::views::{api_spend, views};
use crate::sql::{Dialect, runs};

use super::args::{Global, Output};
use super::tables::{Known, Tables, UNREAD};
use super::{progress, screen};

/// `costlake ddl`.
pub(super) async fn ddl(global: &Global, names: &[String], dialect: Dialect, with_views: bool) -> Result<u8> {
    progress::start(global);
    let tables = Tables::find(global, names, false).await?;
    if global.output == Output::Json {
        return catalog(&tables, dialect);
    }
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

/// The tables as one document, for tools such as Terraform that write into the Glue catalog.
fn catalog(tables: &Tables, dialect: Dialect) -> Result<u8> {
    if dialect != Dialect::Athena {
        return Err(Error::new(Kind::Config, format!("{} takes statements, not a document", dialect.name()))
            .at("flag", "--output")
            .advise("--output json is for --dialect athena alone; leave it out"));
    }
    let of_glue =
        |known: &Known| glue(&known.job, &known.place).map_err(|error| error.at("job", &known.job.unit.table));
    let found = tables.found.iter().map(of_glue).collect::<Result<Vec<_>>>()?;
    screen::json(&json!({ "exit_code": tables.code, "lake": tables.base, "tables": found }))?;
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
