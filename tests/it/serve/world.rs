//! A scheduler in this process whose clock the test sets, over the sandbox and a lake on disk.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use costlake::clients::{ClientConfig, Clients};
use costlake::clock::Clock;
use costlake::lake::{Lake, LocalLake};
use costlake::pipeline::retry::RetryPolicy;
use costlake::pipeline::{Context, Listener};
use costlake::report::JobReport;
use costlake::scheduler::Scheduler;
use costlake::scheduler::jobs::JobState;
use tempfile::TempDir;

use crate::support::sandbox::SandboxServer;

/// Cost by service, with the probe, nightly.
pub(super) const COSTS: &str = r#"
schedule = { cron = "30 6 * * *" }
source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
window = { begin = "2026-11-01" }
"#;
/// A small free job, nightly.
pub(super) const CONFIG: &str = r#"
schedule = { cron = "30 6 * * *" }
source = { type = "datadog_ccm_config" }
"#;

pub(super) const START: &str = "2026-11-10T06:30:00Z";

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// Sandbox, jobs and lake of a test.
pub(super) struct World {
    pub(super) folder: TempDir,
    pub(super) sandbox: SandboxServer,
}

impl World {
    pub(super) fn new(jobs: &[(&str, &str)]) -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a folder"), sandbox: SandboxServer::new(START, 1_000) };
        fs::create_dir(world.folder.path().join("jobs")).expect("a folder");
        for (name, text) in jobs {
            world.job(name, text);
        }
        world
    }

    pub(super) fn job(&self, name: &str, text: &str) {
        fs::write(self.job_file(name), text).expect("a job file");
    }

    pub(super) fn job_file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("jobs/{name}.toml"))
    }

    pub(super) fn lake(&self) -> Arc<Lake> {
        Arc::new(Lake::Local(LocalLake::new(self.folder.path().join("lake"))))
    }

    pub(super) fn context(&self, listener: Option<Listener>) -> Context {
        let outside = ClientConfig { sandbox: Some(self.sandbox.url()), ..ClientConfig::default() };
        Context {
            retries: RetryPolicy { attempts: 1, ..RetryPolicy::default() },
            listener,
            ..Context::new(Arc::new(Clients::new(outside)), self.lake(), Clock::Fixed(at(START)))
        }
    }

    /// A scheduler before its first tick.
    pub(super) fn scheduler(&self) -> Arc<Scheduler> {
        self.scheduler_heard_by(None)
    }

    pub(super) fn scheduler_heard_by(&self, listener: Option<Listener>) -> Arc<Scheduler> {
        Scheduler::new(self.context(listener), &self.folder.path().join("jobs"), None).expect("a scheduler")
    }

    /// Sets the clock to `now` and waits until everything due has run.
    pub(super) async fn pass(&self, scheduler: &Arc<Scheduler>, now: &str) {
        self.sandbox.set_now(now);
        tick(scheduler, now).await;
        settle(scheduler).await;
    }
}

/// Ticks at `now`, waits until every job's last run is known, and ticks once more.
pub(super) async fn tick(scheduler: &Arc<Scheduler>, now: &str) {
    scheduler.tick(Clock::Fixed(at(now)));
    until(|| scheduler.jobs.forgotten().is_empty()).await;
    scheduler.tick(Clock::Fixed(at(now)));
}

/// Waits until nothing runs.
pub(super) async fn settle(scheduler: &Scheduler) {
    until(|| scheduler.jobs.running().is_empty()).await;
}

/// Waits until a condition holds.
#[track_caller]
pub(super) fn until(mut so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        for _ in 0..6_000 {
            if so() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{caller}: it never came to be");
    }
}

pub(super) fn job_state(scheduler: &Scheduler, name: &str) -> JobState {
    scheduler.jobs.of(&name.into()).expect("a job")
}

pub(super) fn last(scheduler: &Scheduler, name: &str) -> Arc<JobReport> {
    job_state(scheduler, name).last.expect("a run")
}

/// The run records of a table, newest first.
pub(super) async fn records(world: &World, table: &str) -> Vec<JobReport> {
    let lake = world.lake();
    let mut found = Vec::new();
    for key in costlake::ledger_store::record_keys(&lake, &table.into()).await.expect("a listing") {
        found.extend(costlake::ledger_store::read_record(&lake, &key).await.expect("a record"));
    }
    found
}
