//! A sandbox on loopback, a lake on disk, and ways to damage it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::util::display::array_value_to_string;
use costlake::clients::{ClientConfig, Clients};
use costlake::clock::Clock;
use costlake::generation::footer::{Suffix, from_suffix};
use costlake::generation::{Footer, decode};
use costlake::job::{self, Job};
use costlake::lake::{Lake, LocalLake};
use costlake::ledger::Ledger;
use costlake::ledger_store::LedgerStore;
use costlake::maintenance::rebuild::rebuild_job;
use costlake::maintenance::repair::repair;
use costlake::maintenance::verify::{Depth, TableCheck, verify};
use costlake::pipeline::retry::RetryPolicy;
use costlake::pipeline::{Context, run_job};
use costlake::plan::{Ask, range};
use costlake::report::JobReport;
use costlake::sandbox::{Sandbox, Settings, serve};
use costlake::window::parse_day;
use tempfile::TempDir;

/// The first run: October and one day of November, or less.
pub(super) const EARLY: &str = "2026-11-03T06:00:00Z";
/// The second run: the last days are restated, and there are new ones.
pub(super) const LATER: &str = "2026-11-06T06:00:00Z";

pub(super) fn cost_job(keep_raw: bool) -> Job {
    parse(
        "cost",
        &format!(
            r#"
            source = {{ type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost", "UsageQuantity"], group_by = [{{ dimension = "SERVICE" }}] }}
            window = {{ begin = "2026-10-20", refresh = "8 days" }}
            lake = {{ keep_raw = {keep_raw} }}
            "#
        ),
    )
}

pub(super) fn commitments_job(queries: &[&str]) -> Job {
    let query = |kind: &&str| format!(r#"{{ provider = "aws", product = "ec2", commitment_type = "{kind}" }}"#);
    let queries: Vec<String> = queries.iter().map(query).collect();
    parse(
        "commitments",
        &format!(
            r#"
            source = {{ type = "datadog_commitments", queries = [{}] }}
            window = {{ begin = "2026-10-28" }}
            "#,
            queries.join(", ")
        ),
    )
}

pub(super) fn config_job() -> Job {
    parse("config", r#"source = { type = "datadog_ccm_config" }"#)
}

pub(super) fn parse(name: &str, text: &str) -> Job {
    job::parse(Path::new(&format!("{name}.toml")), text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The APIs, a lake and the clock.
pub(super) struct World {
    pub(super) sandbox: Sandbox,
    pub(super) url: String,
    pub(super) folder: TempDir,
    clients: Arc<Clients>,
}

impl World {
    /// A sandbox whose clock is at [`EARLY`], with pages small enough that a fetch takes several.
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let sandbox = Sandbox::new(Settings { page_groups: 60, ..Settings::new(EARLY.parse().expect("an instant")) });
        tokio::spawn(serve(listener, sandbox.clone(), std::future::pending()));
        let outside = ClientConfig { sandbox: Some(url.clone()), ..ClientConfig::default() };
        let folder = tempfile::tempdir().expect("a folder");
        Self { sandbox, url, folder, clients: Arc::new(Clients::new(outside)) }
    }

    /// The same after a first run of `job`, whose result is checked.
    pub(super) async fn begun(job: &Job) -> Self {
        let world = Self::start().await;
        world.run(job).await;
        world.assert_right(job).await;
        world
    }

    pub(super) fn set(&self, now: &str) {
        self.sandbox.set_now(now.parse().expect("an instant"));
    }

    pub(super) fn context(&self) -> Context {
        let millisecond = Duration::from_millis(1);
        Context {
            retries: RetryPolicy { attempts: 2, first_wait: millisecond, longest_wait: millisecond },
            ..Context::new(
                self.clients.clone(),
                Arc::new(Lake::Local(LocalLake::new(self.folder.path().to_owned()))),
                Clock::Fixed(self.sandbox.now()),
            )
        }
    }

    /// A run that must succeed.
    pub(super) async fn run(&self, job: &Job) -> JobReport {
        let report = run_job(&self.context(), job, "run", Ask::Due).await;
        assert_eq!(report.exit_code, 0, "{report:#?}");
        report
    }

    pub(super) async fn backfill(&self, job: &Job, from: &str, to: &str) -> JobReport {
        let day = |text| parse_day(text).expect("a day");
        let ask = Ask::Range { window: range(day(from), day(to)).expect("a range"), missing_only: false };
        let report = run_job(&self.context(), job, "backfill", ask).await;
        assert_eq!(report.exit_code, 0, "{report:#?}");
        report
    }

    pub(super) async fn verify(&self, job: &Job, depth: Depth) -> TableCheck {
        verify(&self.context(), job, depth).await.expect("a check")
    }

    pub(super) async fn repair(&self, job: &Job, depth: Depth) -> TableCheck {
        repair(&self.context(), job, depth).await.expect("a check")
    }

    /// Rebuilds without a single request.
    pub(super) async fn rebuild(&self, job: &Job) -> JobReport {
        let before = self.sandbox.requests();
        let report = rebuild_job(&self.context(), job).await;
        assert_eq!(self.sandbox.requests(), before, "rebuild asked the API");
        report
    }

    pub(super) async fn assert_right(&self, job: &Job) {
        let checked = self.verify(job, Depth::Rows).await;
        assert!(checked.right > 0 && checked.findings.is_empty(), "{checked:#?}");
    }

    pub(super) async fn ledger(&self, job: &Job) -> (Ledger, Vec<String>) {
        let context = self.context();
        let opened = LedgerStore::open(context.lake, &job.unit, job.source.grain(), context.clock.now()).await;
        let (store, notes) = opened.expect("a ledger");
        (store.ledger, notes)
    }

    pub(super) fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join(key)
    }

    pub(super) fn object(&self, job: &Job, month: &str) -> PathBuf {
        self.path(&format!("{}/billing_period={month}/data.parquet", job.unit.table))
    }

    pub(super) fn bytes(&self, job: &Job, month: &str) -> Vec<u8> {
        fs::read(self.object(job, month)).expect("an object")
    }

    pub(super) fn footer(&self, job: &Job, month: &str) -> Footer {
        match from_suffix(&self.bytes(job, month)) {
            Ok(Suffix::Whole(footer)) => *footer,
            other => panic!("{other:?}"),
        }
    }

    /// Every row of every object as text, by month.
    pub(super) fn rows(&self, job: &Job) -> BTreeMap<String, Vec<String>> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(self.path(&job.unit.table)).expect("a folder").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let bytes = fs::read(entry.path().join("data.parquet")).expect("an object");
            let rows = decode(job.source.table(), bytes.into()).expect("rows");
            let cell = |column: usize, row| array_value_to_string(rows.column(column), row).expect("a value");
            let line = |row| (0..rows.num_columns()).map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
            found.insert(name, (0..rows.num_rows()).map(line).collect());
        }
        found
    }

    /// Changes 8 bytes of an object at the fraction `at` (0 to 1) of its length.
    pub(super) fn damage(&self, job: &Job, month: &str, at: f64) {
        let mut bytes = self.bytes(job, month);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let from = (bytes.len() as f64 * at) as usize;
        for byte in &mut bytes[from..from + 8] {
            *byte ^= 0x5a;
        }
        fs::write(self.object(job, month), bytes).expect("a write");
    }

    pub(super) fn remove_all(&self, key: &str) {
        fs::remove_dir_all(self.path(key)).expect("a folder");
    }

    /// Files below a folder, by name, with their bytes.
    pub(super) fn files(&self, key: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let entries = fs::read_dir(self.path(key)).expect("a folder").flatten();
        entries.map(|entry| (entry.path(), fs::read(entry.path()).expect("a file"))).collect()
    }
}

/// Keys below the table, each with its defect: `billing_period=2026-10/data.parquet missing`.
pub(super) fn open(checked: &TableCheck) -> Vec<String> {
    let prefix = format!("{}/", checked.unit.folder());
    checked.open().map(|f| format!("{} {}", f.key.trim_start_matches(&prefix), f.defect.name())).collect()
}
