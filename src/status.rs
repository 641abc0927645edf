//! The state of the tables as a document: printed by `costlake status --output json` and served by the status page.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::error::{Kind, Result};
use crate::job::{BrokenJob, Job, is_table_name};
use crate::lake::Lake;
use crate::ledger::{DayState, Ledger};
use crate::ledger_store::{TableRecord, stored_accounts};
use crate::plan::{Slot, begins_late, has_long_been_off, not_begun};
use crate::report::{Failure, JobReport};
use crate::sources::Api;
use crate::text::plural;
use crate::unit::Unit;
use crate::unmatched;
use crate::window::Grain;

pub mod line;

/// Note on a table whose figures a sandbox made up.
pub const MADE_UP: &str = "the figures are made up by a sandbox";

/// Notes on a table besides its days.
#[must_use]
pub fn about(job: &Job, ledger: &Ledger, now: DateTime<Utc>) -> Vec<String> {
    let begins = not_begun(job, now).into_iter().chain(begins_late(job, ledger));
    let notes = advice(ledger).into_iter().chain(begins).chain(grown(job, ledger));
    notes.chain(fits_nothing(job, ledger)).collect()
}

/// Note on the days that were read before the job named all of its metrics.
fn grown(job: &Job, ledger: &Ledger) -> Option<String> {
    if !job.source.grows() {
        return None;
    }
    let added = job.source.read_for();
    let without = || ledger.facts().filter(|(_, facts)| !added.is_subset(&facts.read_for));
    let (first, last) = (without().map(|(slot, _)| slot).min()?, without().map(|(slot, _)| slot).max()?);
    let lacks = |name: &&String| without().any(|(_, facts)| !facts.read_for.contains(*name));
    let names: Vec<&str> = added.iter().filter(lacks).map(String::as_str).collect();
    Some(format!(
        "{first} to {last}: {} were read before the job named {}: what the API still has is read again once, the others \
         have NULL there",
        plural(without().count() as u64, if job.source.grain() == Grain::Monthly { "month" } else { "day" }),
        names.join(", ")
    ))
}

/// Advice on problems that no run can solve.
fn advice(ledger: &Ledger) -> Vec<String> {
    let is_long = |slot: &NaiveDate| has_long_been_off(ledger, *slot);
    let off = ledger.unsettled.iter().filter(|(slot, _)| is_long(slot)).map(|(slot, noted)| {
        let nights = ledger.nights.get(slot).map_or(0, |nights| nights.count);
        format!(
            "{slot} has not added up for {nights} nights and is asked once a night ({}): if the API keeps disagreeing \
             with itself, window.control = \"report\" takes its rows as they are",
            noted.why
        )
    });
    off.collect()
}

/// The first failure of a table's last run that its days do not show: until a run succeeds nothing keeps the table
/// current, whatever its days look like. A run that another one overtook does not count, as that other run succeeded.
#[must_use]
pub fn last_failure(last: Option<&JobReport>) -> Option<Failure> {
    let told = [Kind::Superseded, Kind::Unsettled, Kind::Quarantined, Kind::Displaced];
    let mut failures = last?.failures().into_iter().map(|(_, failure)| failure);
    failures.find(|failure| !told.iter().any(|kind| failure.kind.is(*kind))).cloned()
}

/// Note on a table whose job makes every run fail before it begins.
#[must_use]
pub fn refused(failure: &Failure) -> String {
    format!("every run of this job is refused: {}", failure.text.lines().next().unwrap_or_default())
}

/// One table of the document at `now`; `last` is its last run.
#[must_use]
pub fn table(
    job: &Job,
    slots: &[Slot],
    ledger: &Ledger,
    notes: &[String],
    last: Option<&JobReport>,
    now: DateTime<Utc>,
) -> Value {
    let days: Vec<Value> = slots
        .iter()
        .map(|slot| {
            let mut day = json!({ "day": slot.day, "state": slot.state, "stale": slot.stale });
            if let Some(known) = &slot.known {
                day["read_at"] = json!(known.read_at);
                day["rows"] = json!(known.facts.rows);
                day["estimated"] = json!(known.facts.estimated);
                day["sums"] = json!(known.facts.sums);
                day["totals"] = json!(known.facts.totals);
                day["generation"] = json!(known.facts.epoch);
            }
            if let Some(why) = slot.why(ledger) {
                day["why"] = json!(why);
            }
            day
        })
        .collect();
    let partitions: Vec<Value> = ledger
        .partitions
        .iter()
        .map(|(name, state)| json!({ "partition": name, "generation": state.epoch, "bytes": state.bytes }))
        .collect();
    let notes: Vec<String> = notes.iter().cloned().chain(about(job, ledger, now)).collect();
    let last_run = last.map(|run| {
        let failures: Vec<&str> = run.failures().into_iter().map(|(_, failure)| failure.text.as_str()).collect();
        json!({ "run_id": run.run_id, "started_at": run.started_at, "exit_code": run.exit_code, "failures": failures })
    });
    let mut document = json!({
        "table": job.unit.table, "source": job.entry.name, "partitions": partitions, "days": days, "notes": notes,
        "last_run": last_run,
    });
    if let Some(account) = &job.unit.account {
        document["account"] = json!(account);
    }
    document
}

/// Notes on a table, or a part of what its job requests, that was read and is empty: a filter, a product or an account
/// that matches nothing looks like a bill of zero.
#[must_use]
pub fn fits_nothing(job: &Job, ledger: &Ledger) -> Vec<String> {
    match nothing_found(job, ledger) {
        Some(said) => vec![said],
        None => {
            let notes = unmatched::nothing_of(job.source.as_ref(), ledger).into_iter();
            notes.map(|note| note + &lists(job)).collect()
        }
    }
}

/// The note for the whole table: no row, or zeros only.
fn nothing_found(job: &Job, ledger: &Ledger) -> Option<String> {
    let days = || ledger.partitions.values().flat_map(|partition| partition.days.values());
    let is_zero = |text: &str| text.bytes().all(|byte| matches!(byte, b'0' | b'.' | b'-'));
    let is_nothing = |day: &DayState| {
        let sums = &day.facts.sums;
        day.facts.rows == 0 || !sums.is_empty() && sums.iter().all(|(_, sum)| is_zero(sum))
    };
    if days().next().is_none() || !days().all(is_nothing) {
        return None;
    }
    let is_filtered = job.source.fingerprint().iter().any(|(name, _)| *name == "filter");
    let look = match job.entry.provider.api {
        Api::CostExplorer if is_filtered => "whether source.filter fits anything",
        Api::CostExplorer => {
            "whether the account is the one that has costs (aws.profile, aws.role_arn, aws.billing_view_arn)"
        }
        Api::Datadog if job.entry.keys.iter().any(|key| key.path == "source.aws_account_ids") => {
            "whether this organisation of Datadog has such accounts (datadog.site, source.aws_account_ids)"
        }
        Api::Datadog if job.entry.keys.iter().any(|key| key.path == "source.queries") => {
            "whether source.queries and source.filter_by fit anything that this organisation has"
        }
        Api::Datadog => "whether the settings of [source] fit anything that this organisation has (datadog.site)",
    };
    let read = plural(days().count() as u64, if job.source.grain() == Grain::Monthly { "month" } else { "day" });
    Some(format!("no row, or nothing but zeros, in {read} that were read: look {look}{}", lists(job)))
}

/// The command that lists what can stand in the groupings and filters of a job, if its API has one.
fn lists(job: &Job) -> String {
    let keys = job.entry.values.map(|listings| listings.keys.join(", "));
    keys.map_or_else(String::new, |keys| {
        format!("; `costlake values {}.KEY` lists what there is ({keys})", job.entry.name)
    })
}

/// What of a lake belongs to none of these units, nor to a broken job file, and so is not kept current: tables, and
/// accounts of tables that have others.
///
/// # Errors
/// When the lake cannot be read.
pub async fn without_job(lake: &Lake, units: &BTreeSet<Unit>, broken: &[BrokenJob]) -> Result<Vec<String>> {
    let jobs: BTreeSet<String> =
        units.iter().map(|unit| unit.table.clone()).chain(broken.iter().map(BrokenJob::name)).collect();
    let mut found = Vec::new();
    let with_accounts: BTreeSet<&String> =
        units.iter().filter(|unit| unit.account.is_some()).map(|unit| &unit.table).collect();
    for table in with_accounts {
        let stored = stored_accounts(lake, table).await?.into_iter().map(|account| Unit::of(table, &account));
        found.extend(stored.filter(|unit| !units.contains(unit)).map(|unit| unit.to_string()));
    }
    for name in lake.folders("_costlake").await? {
        if !is_table_name(&name) || jobs.contains(&name) {
            continue;
        }
        match TableRecord::named(lake, &name).await {
            Ok(None) => {}
            Err(error) if error.kind() != Kind::Config => return Err(error),
            _ => found.push(name),
        }
    }
    Ok(found)
}

/// The whole document; `without_job` lists the tables without a job.
#[must_use]
pub fn document(
    clock: Clock,
    lake: &str,
    tables: &[Value],
    without_job: &[String],
    broken: &[BrokenJob],
    exit_code: u8,
) -> Value {
    json!({
        "clock": clock_document(clock), "lake": lake, "tables": tables, "without_job": without_job, "broken": broken,
        "exit_code": exit_code,
    })
}

/// `now` for JSON documents, and whether `COSTLAKE_NOW` fixes it.
#[must_use]
pub fn clock_document(clock: Clock) -> Value {
    json!({ "now": clock.now(), "fixed_by_costlake_now": clock.fixed().is_some() })
}
