//! The fuzz targets: one function per decoder of untrusted bytes. It may refuse its input and must not panic.
//!
//! The same functions are run by cargo-fuzz (`tests/long/fuzz.sh`) and, over the seeds and simple mutations of them, by
//! `cargo test`.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::str::from_utf8;
use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use costlake::clients::aws::cost_explorer::errors::explain_code;
use costlake::clients::datadog::{errors::summarise, retry_after::wait_from};
use costlake::generation::footer::{from_suffix, is_without_record};
use costlake::generation::{self, Base, Footer, Owned, digest, footer::Suffix, rows};
use costlake::job::{self, Job};
use costlake::lake::Location;
use costlake::ledger::Ledger;
use costlake::ledger_store::TableRecord;
use costlake::pipeline::archive;
use costlake::report::JobReport;
use costlake::request::Answer;
use costlake::web::auth::Access;
use costlake::window::{Grain, Window, parse_date_argument, parse_day, parse_month};
use costlake::{decimal, sources};
use sha2::{Digest, Sha256};

use super::outside::{cost_explorer_refusal, web_form};

/// A named decoder.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// Every target.
pub(crate) const TARGETS: &[Target] = &[
    ("cost_explorer_page", cost_explorer_page),
    ("cost_explorer_fetch", |data| fetch(&COST, data)),
    ("cost_explorer_error", cost_explorer_error),
    ("datadog_commitments", |data| fetch(&COMMITMENTS, data)),
    ("datadog_savings", |data| fetch(&SAVINGS, data)),
    ("datadog_ccm_config", |data| fetch(&CONFIG, data)),
    ("datadog_hot_spots", |data| fetch(&HOT_SPOTS, data)),
    ("datadog_cost", |data| fetch(&COST_BY_TAG, data)),
    ("datadog_budgets", |data| fetch(&BUDGETS, data)),
    ("datadog_anomalies", |data| fetch(&ANOMALIES, data)),
    ("datadog_cloud_accounts", |data| fetch(&CLOUD_ACCOUNTS, data)),
    ("datadog_error", datadog_error),
    ("ledger", ledger),
    ("records", records),
    ("footer", footer),
    ("parquet", parquet),
    ("job_file", job_file),
    ("schedule", schedule),
    ("dates", dates),
    ("decimal", decimal_text),
    ("access", access),
    ("kept_raw", kept_raw),
    ("web_form", web_form),
    ("cost_explorer_refusal", cost_explorer_refusal),
];

/// Separates the answers of one fetch.
pub(crate) const NEXT_ANSWER: u8 = 0x1e;

/// The table whose November objects are fuzzed.
pub(crate) static COST: LazyLock<Job> = LazyLock::new(|| {
    known_job(
        r#"type = "aws_cost_and_usage"
        granularity = "DAILY"
        metrics = ["UnblendedCost", "AmortizedCost", "UsageQuantity"]
        group_by = [{ dimension = "SERVICE" }, { tag = "team" }]"#,
    )
});
static COMMITMENTS: LazyLock<Job> = LazyLock::new(|| {
    known_job(
        r#"type = "datadog_commitments"
        queries = [{ provider = "aws", product = "ec2", commitment_type = "ri" }]"#,
    )
});
static SAVINGS: LazyLock<Job> =
    LazyLock::new(|| known_job("type = \"datadog_savings\"\nqueries = [{ provider = \"aws\", product = \"ec2\" }]"));
static CONFIG: LazyLock<Job> = LazyLock::new(|| known_job("type = \"datadog_ccm_config\""));
static HOT_SPOTS: LazyLock<Job> = LazyLock::new(|| {
    known_job("type = \"datadog_on_demand_hot_spots\"\nqueries = [{ provider = \"aws\", product = \"ec2\" }]")
});
static COST_BY_TAG: LazyLock<Job> =
    LazyLock::new(|| known_job("type = \"datadog_cost\"\nmetric = \"all.cost\"\ngroup_by = [\"team\", \"env\"]"));
static BUDGETS: LazyLock<Job> = LazyLock::new(|| known_job("type = \"datadog_budgets\""));
static ANOMALIES: LazyLock<Job> = LazyLock::new(|| known_job("type = \"datadog_cost_anomalies\""));
static CLOUD_ACCOUNTS: LazyLock<Job> = LazyLock::new(|| known_job("type = \"datadog_cloud_accounts\""));

fn known_job(source: &str) -> Job {
    let text = format!("[source]\n{source}\n[window]\nbegin = \"2026-11-01\"\n");
    job::parse(Path::new("fuzzed.toml"), &text).expect("a job")
}

/// The days that the answers are for.
pub(crate) fn window() -> Window {
    let day = |day| NaiveDate::from_ymd_opt(2026, 11, day).expect("a day");
    Window::new(day(19), day(21)).expect("two days")
}

/// The time of every read.
pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_000_000, 0).expect("an instant")
}

fn cost_explorer_page(data: &[u8]) {
    const FIRST: &[u8] = br#"{"ResultsByTime":[{"TimePeriod":{"Start":"2026-11-19","End":"2026-11-20"},"Total":{},
        "Groups":[{"Keys":["a","team$b"],"Metrics":{"UnblendedCost":{"Amount":"1.5","Unit":"USD"},
        "AmortizedCost":{"Amount":"1","Unit":"USD"},"UsageQuantity":{"Amount":"2","Unit":"Hrs"}}}]}]}"#;
    for (first, grouped) in [(FIRST, true), (b"", false)] {
        let alike = sources::aws_cost_and_usage::read_both(first, data, grouped);
        assert!(alike.is_ok(), "the two decoders differ: {}", alike.unwrap_err());
    }
}

/// Decodes the answers of a fetch, builds a generation of the rows and decodes it again.
fn fetch(job: &Job, data: &[u8]) {
    let source = &job.source;
    let windows = [window()];
    let mut reader = source.reader(&windows);
    let mut requests = source.requests(&windows);
    requests.reverse();
    let mut bodies = data.split(|byte| *byte == NEXT_ANSWER);
    let mut last: &[u8] = b"";
    for _ in 0..64 {
        let Some(request) = requests.pop() else { break };
        last = bodies.next().unwrap_or(last);
        let (status, body) = match last.split_first() {
            Some((b'4', body)) => (404, body),
            _ => (200, last),
        };
        let answer =
            Answer { status, body: Bytes::copy_from_slice(body), request_id: None, date: None, made_up: false };
        source.redact_raw(&request, &answer);
        match reader.read(&request, &answer) {
            Ok(more) => requests.extend(more),
            Err(error) => return assert!(!error.report().is_empty()),
        }
    }
    let Ok(fetched) = reader.finish() else { return };
    let count = fetched.rows.num_rows();
    let (table, grain) = (source.table(), source.grain());
    let Ok(days) = generation::describe(table, grain, &fetched, &source.read_for()) else { return };
    let partition = grain.partition_of(window().start());
    let built = generation::build(table, grain, partition, &Owned::default(), None, 0, days)
        .expect("rows that were read are written");
    let again = generation::decode(table, Bytes::from(built.bytes)).expect("what was written is read");
    assert_eq!(again.num_rows(), count, "rows read back");
}

fn cost_explorer_error(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (code, message) = text.split_once('\n').unwrap_or((&text, ""));
    let status = data.first().map_or(400, |byte| 400 + u16::from(*byte));
    let report = explain_code("GetCostAndUsage", Some(code), message, status).report();
    assert!(!report.contains('\u{1b}') && report.len() < 6_000, "{report:?}");
}

fn datadog_error(data: &[u8]) {
    let line = summarise(data);
    assert!(line.chars().count() <= 300 && !line.chars().any(char::is_control), "{line:?}");
    for name in ["x-ratelimit-reset", "retry-after"] {
        if let Ok(value) = HeaderValue::from_bytes(data) {
            let _ = wait_from(&HeaderMap::from_iter([(HeaderName::from_static(name), value)]), now());
        }
    }
}

fn ledger(data: &[u8]) {
    let Ok(Some(read)) = Ledger::parse(data) else { return };
    let text = serde_json::to_vec(&read).expect("a ledger is JSON");
    let again = Ledger::parse(&text).expect("our own layout").expect("our own text");
    assert_eq!(again, read, "written and read");
    assert_eq!(read.clone().merge(read.clone()), read, "merged with itself");
    let mut aged = read;
    aged.forget_history(now());
    aged.date_generations();
    aged.accept(window().start(), now(), |_| true);
}

fn records(data: &[u8]) {
    if let Ok(record) = TableRecord::parse("table.json", data) {
        let _ = record.digest();
        let _ = record.check_offline(&COST, None);
        let _ = record.check_offline(&SAVINGS, None);
    }
    if let Ok(mut report) = serde_json::from_slice::<JobReport>(data) {
        report.close();
        let _ = report.failures();
        serde_json::to_vec(&report).expect("a record is JSON");
    }
}

fn footer(data: &[u8]) {
    let _ = is_without_record(data);
    if let Ok(Suffix::Longer(needed)) = from_suffix(data) {
        assert!(needed > data.len() as u64, "{needed} bytes asked of {}", data.len());
    }
    if let Ok(footer) = serde_json::from_slice::<Footer>(data) {
        over(Base { footer, bytes: Bytes::new() });
    }
}

/// Merges no rows into an object, as a fetch of other days would.
fn over(base: Base) {
    let (table, grain) = (COST.source.table(), COST.source.grain());
    let (epoch, partition) = (base.footer.epoch, grain.partition_of(window().start()));
    if let Ok(built) = generation::build(table, grain, partition, &Owned::default(), Some(&base), 0, Default::default())
    {
        assert!(built.footer.epoch > epoch, "the generation after {epoch} is {}", built.footer.epoch);
    }
}

/// Rows of an object. The decoder may panic on damaged bytes; the product catches that everywhere, as this does.
fn parquet(data: &[u8]) {
    let (table, grain, read_for) = (COST.source.table(), COST.source.grain(), COST.source.read_for());
    let bytes = Bytes::copy_from_slice(data);
    let decoded = std::panic::catch_unwind(|| generation::decode(table, bytes.clone()));
    if let Ok(Ok(whole)) = decoded {
        let _ = rows::sort(table, &whole).map(|sorted| rows::check_unique(table, &sorted));
        let _ = rows::sums(table, &whole, &read_for);
        let _ = rows::split_by_slot(table, grain, &whole)
            .map(|days| days.values().map(|day| digest::of_rows(table, day, &read_for)).collect::<Vec<_>>());
    }
    if let Ok(Suffix::Whole(footer)) = from_suffix(data) {
        over(Base { footer: *footer, bytes });
    }
}

fn job_file(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    match job::parse(Path::new("fuzzed.toml"), text) {
        Ok(job) => {
            job.source.fingerprint();
            job.source.totals().map(|totals| totals.key());
            job.source.requests(&[window()]);
            job.schedule.iter().for_each(|schedule| drop(schedule.next(now(), 2)));
        }
        Err(problems) => assert!(!problems.is_empty(), "refused without a word"),
    }
}

fn schedule(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    let (cron, zone) = text.split_once('\n').unwrap_or((text, "UTC"));
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let file = format!(
        "[schedule]\ncron = {}\ntimezone = {}\n[source]\ntype = \"datadog_ccm_config\"\n",
        quoted(cron),
        quoted(zone)
    );
    let Ok(job) = job::parse(Path::new("fuzzed.toml"), &file) else { return };
    let slots = job.schedule.expect("a schedule").next(now(), 3);
    assert!(slots.windows(2).all(|pair| pair[0] < pair[1]), "{slots:?}");
}

fn dates(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok((first, last)) = parse_date_argument(text, now().date_naive()) {
        assert!(first <= last, "{first} {last}");
    }
    assert!(parse_day(text).is_none_or(|day| day.to_string() == text), "{text}");
    assert!(parse_month(text).is_none_or(|day| day.format("%Y-%m").to_string() == text), "{text}");
    for grain in [Grain::Daily, Grain::Hourly, Grain::Monthly] {
        assert!(grain.parse_partition(text).is_none_or(|partition| partition.to_string() == text), "{text}");
    }
    let _ = Location::parse(text);
}

fn decimal_text(data: &[u8]) {
    let Ok(text) = from_utf8(data) else { return };
    if let Ok(value) = decimal::parse(text) {
        let written = decimal::text(value);
        assert_eq!(decimal::parse(&written).ok(), Some(value), "{text} is written as {written}");
    }
}

fn access(data: &[u8]) {
    let access =
        Access::new(Some("token"), IpAddr::V4(Ipv4Addr::LOCALHOST), &["[::2]".to_owned()], true).expect("access");
    let mut lines = data.split(|byte| *byte == b'\n');
    let path = lines.next().and_then(|line| from_utf8(line).ok()).unwrap_or("/");
    let mut headers = HeaderMap::new();
    for line in lines.take(32) {
        let Some(at) = line.iter().position(|byte| *byte == b':') else { continue };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(line[at + 1..].trim_ascii()))
        {
            headers.append(name, value);
        }
    }
    let _ = access.admit(&Method::GET, path, &headers);
    let admitted = access.admit(&Method::POST, path, &headers).is_ok();
    let shown = |name: &str| headers.get_all(name).iter().any(|value| !value.is_empty());
    assert!(!admitted || shown("host"), "admitted without a host");
    assert!(!admitted || path == "/login" || shown("authorization") || shown("cookie"), "admitted without a token");
}

fn kept_raw(data: &[u8]) {
    let _ = archive::unpack("a-0.json.zst", data);
    let digest: String = Sha256::digest(data).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let packed = zstd::bulk::compress(data, 1).expect("packed");
    if let Err(error) = archive::unpack(&format!("2026-11-01_2026-11-02-{digest}.json.zst"), &packed) {
        assert!(!error.report().contains("unpack to more"), "{}", error.report());
    }
}
