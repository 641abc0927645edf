//! The job of a table without a job file. A table's record does not hold all that a job says (not its schedule, nor the
//! queries whose rows it collects), but everything its columns, its grouping and its views follow from.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use toml::{Table, Value};

use crate::clock::Clock;
use crate::error::{Error, Kind, Result};
use crate::job::accounts::Accounts;
use crate::job::{self, BrokenJob, Job};
use crate::lake::Lake;
use crate::ledger_store::{LedgerStore, TableRecord};
use crate::sources::{Entry, REGISTRY};
use crate::unit::{STATE, account_in};

/// The settings of `[source]` that a record holds, or that are not set.
const IDENTITY: [&str; 6] = ["granularity", "metric", "metrics", "group_by", "filter", "filter_by"];

/// A job for every table of the lake that has a record, in the order of their names: enough to define the tables and
/// their views, never to be run. Also returns why a table has none: its record is damaged, or another costlake made it.
///
/// # Errors
/// When the lake cannot be read.
pub async fn recorded_jobs(lake: &Arc<Lake>, clock: Clock) -> Result<(Vec<Job>, Vec<Error>)> {
    let mut names = lake.folders("_costlake").await?;
    names.sort_unstable();
    let (mut jobs, mut unknown) = (Vec::new(), Vec::new());
    for name in names {
        match recorded_job(lake, &name, clock).await {
            Ok(job) => jobs.extend(job),
            Err(error) if error.kind() == Kind::Config => unknown.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok((jobs, unknown))
}

async fn recorded_job(lake: &Arc<Lake>, name: &str, clock: Clock) -> Result<Option<Job>> {
    let Some(record) = TableRecord::named(lake, name).await? else { return Ok(None) };
    let mut job = job_of(&record, &BTreeSet::new())?;
    if record.has_accounts() {
        job.accounts = Some(Arc::new(Accounts::named(stored_accounts(lake, name).await?)));
    }
    let more = if job.source.grows() { read_besides(lake, &job, clock).await? } else { BTreeSet::new() };
    let job = if more.is_empty() { job } else { Job { accounts: job.accounts, ..job_of(&record, &more)? } };
    Ok(Some(record.job_of(&job).into_owned()))
}

/// The accounts of a table that has any in the lake, whether or not a job still names them.
///
/// # Errors
/// When the lake cannot be read.
pub async fn stored_accounts(lake: &Lake, table: &str) -> Result<Vec<String>> {
    let folders = lake.folders(&format!("{STATE}/{table}")).await?;
    Ok(folders.iter().filter_map(|folder| account_in(folder)).map(str::to_owned).collect())
}

/// The metrics that the table has gained since its record was made.
async fn read_besides(lake: &Arc<Lake>, job: &Job, clock: Clock) -> Result<BTreeSet<String>> {
    let mut metrics = BTreeSet::new();
    for unit in job.units() {
        let (store, _) =
            LedgerStore::open_to_show(Arc::clone(lake), &unit.unit, job.source.grain(), clock.now()).await?;
        metrics.extend(store.ledger.facts().flat_map(|(_, facts)| facts.read_for.clone()));
    }
    Ok(metrics)
}

/// The shipped job of the source, with the settings of the record in place of its own.
fn job_of(record: &TableRecord, more: &BTreeSet<String>) -> Result<Job> {
    let unknown = |why: String| {
        Error::new(Kind::Config, format!("the table `{}` cannot be told from its record: {why}", record.table))
            .advise("name the folder of its job file with --jobs, or use the costlake that made it")
    };
    let source = record.setting("source").unwrap_or_default();
    let entry = REGISTRY.iter().find(|entry| entry.name == source);
    let entry = entry.ok_or_else(|| unknown(format!("there is no source `{source}`")))?;
    let document = document(entry, record, more).ok_or_else(|| unknown("a setting is not understood".to_owned()))?;
    let file = Path::new(&record.table).with_extension("toml");
    let mut job = job::parse(&file, &document.to_string()).map_err(|problems| {
        let lines = BrokenJob { file: file.clone(), problems }.lines();
        unknown(lines.join("; "))
    })?;
    (job.description, job.window.begin) = (None, None);
    if record.has_accounts() {
        job.accounts = Some(Arc::new(Accounts::named(Vec::new())));
    }
    let with_all = record.job_of(&job);
    let ours = TableRecord::of(&with_all, &record.identity(None));
    if ours.fingerprint == record.fingerprint { Ok(job) } else { Err(unknown("it has other settings".to_owned())) }
}

fn document(entry: &Entry, record: &TableRecord, more: &BTreeSet<String>) -> Option<Table> {
    let (_, text) = entry.jobs.first()?;
    let shipped: Table = text.parse().ok()?;
    let mut document = Table::new();
    let mut source = shipped.get("source")?.as_table()?.clone();
    source.retain(|key, _| !IDENTITY.contains(&key));
    for key in IDENTITY {
        if let Some(text) = record.setting(key).filter(|text| !text.is_empty()) {
            source.insert(key.to_owned(), value_of(key, text, more)?);
        }
    }
    if let Some(arn) = record.setting("billing_view_arn") {
        let own = Table::from_iter([("billing_view_arn".to_owned(), Value::from(arn))]);
        document.insert("aws".to_owned(), own.into());
    }
    document.insert("source".to_owned(), source.into());
    document.extend(shipped.get("window").map(|window| ("window".to_owned(), window.clone())));
    Some(document)
}

/// A setting as a job file has it.
fn value_of(key: &str, text: &str, more: &BTreeSet<String>) -> Option<Value> {
    match key {
        "metrics" => {
            let at_first = text.split(',').map(str::to_owned).collect::<Vec<_>>();
            let added = more.iter().filter(|name| !at_first.contains(name)).cloned().collect::<Vec<_>>();
            Some(Value::from([at_first, added].concat()))
        }
        "group_by" => {
            let names: Vec<String> = serde_json::from_str(text).ok()?;
            Some(Value::Array(names.iter().map(|name| grouping(name)).collect()))
        }
        "filter" => match serde_json::from_str::<serde_json::Value>(text) {
            Ok(expression) if expression.is_object() => Value::try_from(expression).ok(),
            _ => Some(Value::from(text)),
        },
        _ => Some(Value::from(text)),
    }
}

/// `TAG:team` is `{ tag = "team" }`; a name without a kind is a text.
fn grouping(name: &str) -> Value {
    match name.split_once(':') {
        Some((kind, key)) if kind.chars().all(|c| c.is_ascii_uppercase() || c == '_') => {
            Table::from_iter([(kind.to_ascii_lowercase(), Value::from(key))]).into()
        }
        _ => Value::from(name),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::job_of;
    use crate::job::{self, AccountCheck, Identity, Job};
    use crate::ledger_store::TableRecord;
    use crate::sources::REGISTRY;
    use crate::sql::Dialect;
    use crate::sql::ddl::comment;
    use crate::sql::views::{Subject, views};

    fn record(job: &Job) -> TableRecord {
        let identity = Identity {
            aws_account: None,
            datadog_site: job.entry.name.starts_with("datadog").then(|| "datadoghq.eu".to_owned()),
            account_check: AccountCheck::None,
            sandbox: true,
        };
        TableRecord::of(job, &identity)
    }

    fn parse(name: &str, text: &str) -> Job {
        job::parse(Path::new(&format!("{name}.toml")), text).expect("a job")
    }

    #[test]
    fn the_record_of_every_shipped_job_says_all_that_its_table_and_views_follow_from() {
        let shipped: Vec<Job> =
            REGISTRY.iter().flat_map(|entry| entry.jobs).map(|(name, text)| parse(name, text)).collect();
        assert!(shipped.len() > 15);
        let told: Vec<Job> = shipped.iter().map(|job| job_of(&record(job), &BTreeSet::new()).expect("a job")).collect();
        for (job, told) in shipped.iter().zip(&told) {
            assert_eq!(job.source.table().columns(), told.source.table().columns(), "{}", job.unit.table);
            assert_eq!(job.source.grain(), told.source.grain(), "{}", job.unit.table);
            let own = job.description.as_ref().map_or(String::new(), |text| format!("{text}. "));
            assert_eq!(comment(job).trim_start_matches(&own), comment(told), "{}", job.unit.table);
        }
        let text = |jobs: &[Job]| {
            let subjects: Vec<Subject<'_>> = jobs.iter().map(|job| Subject { job, account: None }).collect();
            views(Dialect::Trino, &subjects)
        };
        assert_eq!(text(&shipped), text(&told));
    }

    #[test]
    fn a_table_that_gained_metrics_has_them_all() {
        let source = |metrics: &str| {
            let grouping = "group_by = [{ cost_category = \"a:b\" }, { dimension = \"SERVICE\" }]";
            format!(
                "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"HOURLY\"\nmetrics = [{metrics}]\n{grouping}\n[window]\nbegin = \"2026-11-01\""
            )
        };
        let first = record(&parse("t", &source("\"UnblendedCost\"")));
        let told = job_of(&first, &["NetUnblendedCost".to_owned()].into()).expect("a job");
        let names: Vec<&str> = told.source.table().columns().iter().map(|column| column.name.as_str()).collect();
        assert!(names.contains(&"net_unblended_cost") && names.contains(&"cost_category_a_b"), "{names:?}");
        let known = parse("t", &source("\"UnblendedCost\", \"NetUnblendedCost\""));
        assert_eq!(first.job_of(&told).source.table().columns(), first.job_of(&known).source.table().columns());
    }

    #[test]
    fn what_a_record_does_not_tell_is_an_error_that_names_the_way_out() {
        let mut odd = record(&parse("t", REGISTRY[0].jobs[0].1));
        odd.fingerprint.push(("colour".to_owned(), "red".to_owned()));
        for (record, why) in [(odd.clone(), "other settings"), (renamed(odd, "aws_tides"), "no source `aws_tides`")] {
            let report = job_of(&record, &BTreeSet::new()).expect_err("an error").report();
            assert!(report.contains(why) && report.contains("--jobs"), "{report}");
        }
    }

    fn renamed(mut record: TableRecord, source: &str) -> TableRecord {
        record.fingerprint[0].1 = source.to_owned();
        record
    }
}
