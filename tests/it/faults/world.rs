//! The environment of a run: a sandbox on loopback, an in-memory bucket, small jobs, and checks of the lake's contents.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::array_value_to_string;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use costlake::clients::{ClientConfig, Clients, Deadlines};
use costlake::clock::Clock;
use costlake::generation::footer::{Suffix, from_suffix};
use costlake::generation::{Footer, decode, digest, rows};
use costlake::job::{self, Job};
use costlake::lake::{Lake, S3Lake};
use costlake::ledger::Ledger;
use costlake::ledger_store::LedgerStore;
use costlake::pipeline::retry::RetryPolicy;
use costlake::pipeline::{Context, run_job};
use costlake::plan::{Ask, range};
use costlake::report::JobReport;
use costlake::sandbox::{Sandbox, Settings, serve};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::support::lake::with_readable_zone;

/// Longer than any test.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// The prefix of the lake in its bucket.
pub(super) const PREFIX: &str = "bill";

/// Time of the first run: the last days of October are read.
pub(super) const EARLY: &str = "2026-11-01T06:00:00Z";
/// Time of the second run: the last day of October is read again, and two days of November are new.
pub(super) const LATER: &str = "2026-11-03T06:00:00Z";
/// Time of the third run: the last November day is read again, and one is new.
pub(super) const LATEST: &str = "2026-11-04T06:00:00Z";

const COSTS: &str = r#"
    source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
    window = { begin = "2026-10-30", refresh = "2 days" }
    limits = { fetches_in_flight = 1 }
"#;

/// A table with everything a run can write, including raw responses and replaced generations.
pub(super) fn cost_job() -> Job {
    parse("cost", &format!("{COSTS}lake = {{ keep_raw = true, keep_history = true }}"))
}

/// The same table without them.
pub(super) fn plain_cost_job() -> Job {
    parse("cost", COSTS)
}

/// A small Datadog table.
pub(super) fn savings_job() -> Job {
    parse(
        "savings",
        r#"
        source = { type = "datadog_savings", queries = [{ provider = "aws", product = "ec2" }] }
        window = { begin = "2026-10-30", refresh = "3 days" }
        limits = { fetches_in_flight = 1 }
        "#,
    )
}

pub(super) fn parse(name: &str, text: &str) -> Job {
    job::parse(Path::new(&format!("{name}.toml")), text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(super) fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

/// Every day from the first of the table to the end of October.
pub(super) fn october() -> Ask {
    days("2026-10-30", "2026-10-31")
}

pub(super) fn days(from: &str, to: &str) -> Ask {
    let day = |text: &str| costlake::window::parse_day(text).expect("a day");
    Ask::Range { window: range(day(from), day(to)).expect("a range"), missing_only: false }
}

/// The APIs and their clients.
pub(super) struct World {
    pub(super) sandbox: Sandbox,
    clients: Arc<Clients>,
    /// Attempts at a request.
    pub(super) attempts: u32,
    /// Where the sandbox is served; `None` if it only provides the clock.
    pub(super) address: Option<SocketAddr>,
}

impl World {
    /// A sandbox whose clock is at `now`.
    pub(super) async fn start(now: &str) -> Self {
        Self::with(Settings::new(at(now))).await
    }

    pub(super) async fn with(settings: Settings) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let sandbox = Sandbox::new(settings);
        tokio::spawn(serve(listener, sandbox.clone(), std::future::pending()));
        let outside = ClientConfig { sandbox: Some(format!("http://{address}")), ..ClientConfig::default() };
        Self { sandbox, clients: Arc::new(Clients::new(outside)), attempts: 2, address: Some(address) }
    }

    /// Clients of another server; the sandbox only provides the clock.
    pub(super) fn over(url: &str, now: &str) -> Self {
        let outside = ClientConfig { sandbox: Some(url.to_owned()), ..ClientConfig::default() };
        Self {
            sandbox: Sandbox::new(Settings::new(at(now))),
            clients: Arc::new(Clients::new(outside)),
            attempts: 2,
            address: None,
        }
    }

    /// The same world with new clients, which connect to a proxy in front of the sandbox.
    pub(super) fn through(&self, url: &str, answer: Duration) -> Self {
        let deadlines = Deadlines { connect: LONG, answer };
        let outside = ClientConfig { sandbox: Some(url.to_owned()), deadlines, ..ClientConfig::default() };
        Self { sandbox: self.sandbox.clone(), clients: Arc::new(Clients::new(outside)), ..*self }
    }

    pub(super) fn set(&self, now: &str) {
        self.sandbox.set_now(at(now));
    }

    pub(super) fn context(&self, lake: Lake) -> Context {
        let millisecond = Duration::from_millis(1);
        Context {
            retries: RetryPolicy { attempts: self.attempts, first_wait: millisecond, longest_wait: millisecond },
            ..Context::new(self.clients.clone(), Arc::new(lake), Clock::Fixed(self.sandbox.now()))
        }
    }

    pub(super) async fn run<S: ObjectStore>(&self, store: &Arc<S>, job: &Job) -> JobReport {
        self.ask(store, job, Ask::Due).await
    }

    pub(super) async fn ask<S: ObjectStore>(&self, store: &Arc<S>, job: &Job, ask: Ask) -> JobReport {
        run_job(&self.context(lake(store)), job, "run", ask).await
    }

    /// Like [`Self::ask`], with a month's rows accepted.
    pub(super) async fn accept<S: ObjectStore>(&self, store: &Arc<S>, job: &Job, ask: Ask, month: &str) -> JobReport {
        let accepted = Arc::new([(job.unit.clone(), month.parse().expect("a day"))].into());
        run_job(&Context { accepted, ..self.context(lake(store)) }, job, "run", ask).await
    }

    /// A run that must succeed.
    pub(super) async fn run_well<S: ObjectStore>(&self, store: &Arc<S>, job: &Job) -> JobReport {
        let report = self.run(store, job).await;
        assert_eq!(report.exit_code, 0, "{report:#?}");
        report
    }
}

/// A world at [`LATER`], and a bucket after a run at [`EARLY`].
pub(super) async fn begun(job: &Job) -> (World, Arc<InMemory>) {
    let world = World::start(EARLY).await;
    let store = Arc::new(InMemory::new());
    world.run_well(&store, job).await;
    world.set(LATER);
    (world, store)
}

pub(super) fn lake<S: ObjectStore>(store: &Arc<S>) -> Lake {
    Lake::S3(S3Lake::new(store.clone(), store.clone(), PREFIX, "s3://bucket/bill", "test"))
}

/// One data object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Held {
    pub(super) bytes: Bytes,
    pub(super) footer: Footer,
    /// The rows as text, in order.
    pub(super) rows: Vec<String>,
}

/// Every object of the table, or of the job's account in it, by partition; asserts that each matches its footer and that there are no stray objects.
pub(super) async fn contents<S: ObjectStore>(store: &Arc<S>, job: &Job) -> BTreeMap<String, Held> {
    contents_of(&lake(store), job).await
}

pub(super) async fn contents_of(lake: &Lake, job: &Job) -> BTreeMap<String, Held> {
    let mut found = BTreeMap::new();
    let of_unit = job.unit.folder();
    for entry in lake.list(&of_unit).await.expect("a listing") {
        let below = entry.key.strip_prefix(&of_unit).unwrap_or_default();
        let parts: Vec<&str> = below.split('/').collect();
        let ["", folder, "data.parquet"] = parts[..] else { panic!("a stray object: {}", entry.key) };
        let bytes = lake.read(&entry.key, None).await.expect("a read").expect("an object").bytes;
        let held = held(job, bytes);
        let hourly = held.footer.partition.len() == "2026-11-01".len();
        let key = if hourly { "usage_date" } else { "billing_period" };
        assert_eq!(folder, format!("{key}={}", held.footer.partition));
        found.insert(held.footer.partition.clone(), held);
    }
    found
}

/// Reads an object and checks it against its own footer.
pub(super) fn held(job: &Job, bytes: Bytes) -> Held {
    let table = job.source.table();
    let Ok(Suffix::Whole(footer)) = from_suffix(&bytes) else { panic!("no footer") };
    let whole = decode(table, bytes.clone()).expect("rows");
    let by_day = rows::split_by_slot(table, job.source.grain(), &whole).expect("days");
    for (day, facts) in &footer.days {
        let batch = by_day.get(day).cloned().unwrap_or_else(|| whole.slice(0, 0));
        assert_eq!(digest::of_rows(table, &batch, &facts.read_for).expect("a digest"), facts.digest, "{day}");
        assert_eq!(rows::sums(table, &batch, &facts.read_for).expect("sums"), facts.sums, "{day}");
    }
    assert!(by_day.keys().all(|day| footer.days.contains_key(day)), "a day that the footer does not know");
    Held { rows: as_text(&whole), footer: *footer, bytes }
}

pub(super) fn as_text(batch: &RecordBatch) -> Vec<String> {
    let columns: Vec<_> = batch.columns().iter().map(with_readable_zone).collect();
    let cell = |column: usize, row| array_value_to_string(&columns[column], row).expect("a value");
    (0..batch.num_rows())
        .map(|row| (0..batch.num_columns()).map(|column| cell(column, row)).collect::<Vec<_>>().join("|"))
        .collect()
}

pub(super) fn rows_of(contents: &BTreeMap<String, Held>) -> BTreeMap<&str, &[String]> {
    contents.iter().map(|(partition, held)| (partition.as_str(), held.rows.as_slice())).collect()
}

/// The ledger as the next run will open it.
pub(super) async fn ledger<S: ObjectStore>(store: &Arc<S>, job: &Job) -> Ledger {
    ledger_of(Arc::new(lake(store)), job).await
}

pub(super) async fn ledger_of(lake: Arc<Lake>, job: &Job) -> Ledger {
    LedgerStore::open(lake, &job.unit, job.source.grain(), at(LATER)).await.expect("a ledger").0.ledger
}

/// Asserts that the ledger matches the footer of every object and has no other partitions.
pub(super) async fn assert_ledger_agrees<S: ObjectStore>(store: &Arc<S>, job: &Job) {
    assert_ledger_agrees_in(lake(store), job).await;
}

pub(super) async fn assert_ledger_agrees_in(lake: Lake, job: &Job) {
    let contents = contents_of(&lake, job).await;
    assert_tells(&ledger_of(Arc::new(lake), job).await, &contents);
}

/// Asserts that a ledger matches the footer of every object and has no other partitions.
pub(super) fn assert_tells(ledger: &Ledger, contents: &BTreeMap<String, Held>) {
    assert!(ledger.partitions.keys().eq(contents.keys()), "{:?}", ledger.partitions.keys());
    for (partition, held) in contents {
        let known = &ledger.partitions[partition];
        assert_eq!((known.epoch, known.bytes), (held.footer.epoch, held.bytes.len() as u64), "{partition}");
        let facts: Vec<_> = known.days.iter().map(|(day, state)| (day, &state.facts)).collect();
        assert_eq!(facts, held.footer.days.iter().collect::<Vec<_>>(), "{partition}");
    }
}

/// Every object of a bucket.
pub(super) async fn everything(store: &Arc<InMemory>) -> BTreeMap<object_store::path::Path, Bytes> {
    let listed: Vec<_> = store.list(None).try_collect().await.expect("a listing");
    let mut found = BTreeMap::new();
    for entry in listed {
        let bytes = store.get(&entry.location).await.expect("an object").bytes().await.expect("bytes");
        found.insert(entry.location, bytes);
    }
    found
}

pub(super) fn data_key(job: &Job, month: &str) -> String {
    format!("{PREFIX}/{}/billing_period={month}/data.parquet", job.unit.table)
}

pub(super) async fn put<S: ObjectStore>(store: &Arc<S>, key: &str, bytes: impl Into<Bytes>) {
    store.put(&key.into(), bytes.into().into()).await.expect("a write");
}

/// The text of a report's only failure.
pub(super) fn failure(report: &JobReport) -> String {
    let failures = report.failures();
    assert_eq!(failures.len(), 1, "{report:#?}");
    failures[0].1.text.clone()
}
