//! Every shipped job, night after night, against a sandbox that restates its data: what changed is found, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{Days, NaiveDate};
use costlake::job::{self, Job, Refresh};
use costlake::sources::REGISTRY;
use serde_json::Value;

use crate::support::lake::Row;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const FIRST: &str = "2026-10-30T09:00:00Z";
/// Usage has arrived; then support, credits and corrected tags of October as well.
const LATER: [&str; 2] = ["2026-11-05T09:00:00Z", "2026-11-13T09:00:00Z"];
const BEGIN: &str = "2026-10-15";

/// Rows by day.
type Table = BTreeMap<NaiveDate, Vec<Row>>;

/// The shipped jobs, from [`BEGIN`] on and without a limit of requests per second.
fn jobs() -> Vec<(Job, String)> {
    let shipped = REGISTRY.iter().flat_map(|entry| entry.jobs);
    let jobs = shipped.map(|(name, text)| {
        let from = text.find("\nbegin = \"").map(|at| at + "\nbegin = \"".len());
        let mut text = (*text).to_owned();
        if let Some(from) = from {
            text.replace_range(from..from + BEGIN.len(), BEGIN);
        }
        text.push_str("\n[limits]\nrequests_per_second = 1000\n");
        let job = job::parse(Path::new(&format!("jobs/{name}.toml")), &text).expect("a shipped job");
        (job, text)
    });
    jobs.collect()
}

fn house(jobs: &[(Job, String)], url: &str, now: &str) -> Lakehouse {
    let house = Lakehouse::new(url, now);
    for (job, text) in jobs {
        house.job(&job.unit.table, text);
    }
    house
}

/// Runs all jobs; returns their reports by name.
#[track_caller]
fn run(house: &Lakehouse) -> BTreeMap<String, Value> {
    let done = house.json(&["run"]);
    let document = done.exits(0).document();
    let reports = document["jobs"].as_array().expect("jobs").iter();
    reports.map(|report| (report["job"].as_str().expect("a name").to_owned(), report.clone())).collect()
}

/// The rows of a table by day, each day's in one order.
fn table(house: &Lakehouse, job: &Job) -> Table {
    let table = job.source.table();
    let time = &table.columns()[table.sort_key()[0]].name;
    let mut days = Table::new();
    for row in house.rows(&job.unit.table) {
        days.entry(row[time][..10].parse().expect("a day")).or_default().push(row);
    }
    days.values_mut().for_each(|rows| rows.sort());
    days
}

/// The first day that a run reads again if it has changed.
fn reach(job: &Job, today: NaiveDate) -> NaiveDate {
    match job.window.refresh {
        _ if job.entry.rules.snapshot => today,
        Refresh::Days(days) => today - Days::new(days),
        Refresh::Probe | Refresh::BillingClose => NaiveDate::MIN,
    }
}

/// Days of `before` whose rows are others in `after`.
fn changed(before: &Table, after: &Table) -> BTreeSet<NaiveDate> {
    before.keys().filter(|day| before.get(*day) != after.get(*day)).copied().collect()
}

/// Whether the state of a snapshot is another one than that of the day before, the day itself aside.
fn has_moved(table: &Table) -> bool {
    let undated = |rows: &[Row]| {
        let mut rows = rows.to_vec();
        rows.iter_mut().for_each(|row| row.retain(|name, _| !["usage_date", "partition"].contains(&&**name)));
        rows
    };
    table.values().zip(table.values().skip(1)).any(|(before, after)| undated(before) != undated(after))
}

/// Compares tables with those of a lake loaded at `now`; returns the names of those that were restated.
fn compared(
    jobs: &[(Job, String)],
    before: &[Table],
    kept: &Lakehouse,
    afresh: &Lakehouse,
    now: &str,
) -> BTreeSet<String> {
    let today: NaiveDate = now[..10].parse().expect("a day");
    let mut followed = BTreeSet::new();
    for ((job, _), before) in jobs.iter().zip(before) {
        let (name, reach, snapshot) = (&job.unit.table, reach(job, today), job.entry.rules.snapshot);
        let (after, fresh) = (table(kept, job), table(afresh, job));
        let since = |table: &Table| -> Table { table.clone().split_off(&reach) };
        assert_eq!(since(&after), since(&fresh), "{name} at {now}: the days that are read again");
        let changed = changed(before, &after);
        // A day that has left the reach was read a last time; a snapshot of the past never changes.
        let is_right = |day: &NaiveDate| !snapshot && after.get(day) == fresh.get(day);
        assert!(changed.iter().all(is_right), "{name} at {now}: {changed:?} changed");
        if !changed.is_empty() || snapshot && has_moved(&after) {
            followed.insert(name.clone());
        }
    }
    followed
}

#[test]
fn every_shipped_table_follows_what_its_api_restates() {
    let jobs = jobs();
    let sandbox = SandboxServer::new(FIRST, 1_000);
    let mut kept = house(&jobs, &sandbox.url(), FIRST);
    run(&kept);
    let before: Vec<Table> = jobs.iter().map(|(job, _)| table(&kept, job)).collect();
    for now in LATER {
        sandbox.set_now(now);
        kept.set("COSTLAKE_NOW", now);
        for (name, report) in run(&kept) {
            assert_ne!(report["objects_written"], 0, "{name} at {now}");
        }
    }
    let afresh = house(&jobs, &sandbox.url(), LATER[1]);
    run(&afresh);
    let followed = compared(&jobs, &before, &kept, &afresh, LATER[1]);
    kept.runs_again_without_writing();
    let still: Vec<_> = jobs.iter().map(|(job, _)| &job.unit.table).filter(|name| !followed.contains(*name)).collect();
    assert!(still.is_empty(), "the sandbox restates nothing of {still:?}");
}
