//! `connect`: a DuckDB script with a view per table, a time-travel macro per table, and views over revisions, runs and
//! common cost questions. It is printed or written to a file, never executed.

use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::lake::Location;
use crate::sql::Dialect;
use crate::sql::ddl::{table, without_rows};
use crate::sql::duckdb::as_of;
use crate::sql::duckdb::init::{self, Bucket};
use crate::sql::duckdb::{revisions, run_records};
use crate::sql::views::{api_spend, changed_since, views};

use super::args::Global;
use super::tables::{Tables, UNREAD};
use super::{missing, progress, screen};

/// What else is not known of a lake that could not be read.
const NOT_KEPT: &str = "-- Kept generations are not looked for: _as_of knows the newest one only. Print it again where the lake is in reach.";

/// `costlake connect`.
pub(super) async fn connect(global: &Global, out: Option<&Path>) -> Result<u8> {
    progress::start(global);
    let tables = Tables::find(global, &[], true).await?;
    if let Some(missing) = missing(&tables.location, "costlake run") {
        screen::tell(&missing);
    }
    let script = script(&tables)?;
    match out {
        Some(file) => write(file, &script)?,
        None => screen::out(&script),
    }
    Ok(tables.code)
}

fn script(tables: &Tables) -> Result<String> {
    let mut script = init::opening();
    if !tables.is_read {
        script.extend([UNREAD, NOT_KEPT].map(str::to_owned));
    }
    if let Location::Bucket { bucket, prefix } = &tables.location {
        let address = tables.address.as_ref();
        script.extend(init::bucket_access(Bucket {
            name: bucket,
            prefix,
            region: address.map(|address| address.region.as_str()),
            url: address.and_then(|address| address.url.as_deref()),
            by_path: address.is_some_and(|address| address.by_path),
        }));
    }
    for known in &tables.found {
        script.push(table(Dialect::Duckdb, &known.job, &known.place)?);
        let empty = without_rows(Dialect::Duckdb, &known.job);
        script.push(as_of::statement(&known.job, &tables.base, known.has, &empty));
    }
    script.push(run_records::view(&tables.base, tables.with_runs()));
    script.extend(revisions::views(&tables.base, tables.with_ledgers()));
    script.push(changed_since().statement);
    script.extend(views(Dialect::Duckdb, &tables.subjects()).into_iter().map(|view| view.statement));
    script.extend(api_spend(Dialect::Duckdb).map(|view| view.statement));
    Ok(script.join("\n"))
}

/// Writes the script as UTF-8, which not every shell's `>` does.
fn write(file: &Path, script: &str) -> Result<()> {
    std::fs::write(file, format!("{script}\n"))
        .map_err(|error| Error::new(Kind::Config, "cannot write the script").at("file", file.display()).because(error))
}
