//! A lake of format 1 is read and continued. `tests/format_1` holds one: it was made by the program of commit 50c9c61
//! against the sandbox, at the job files beside it, with one run on November 3rd and one on the 6th.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use costlake::ledger::{GROWN, Ledger};
use serde::Deserialize;
use serde_json::Value;

use super::world::World;
use crate::support::lake::{files, rows};

const TABLES: [&str; 2] = ["costs", "commitments"];

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/format_1")
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("below"));
        fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        fs::copy(&file, target).expect("a copy");
    }
}

/// Runs the program on a lake at the world's time; returns the exit code and the JSON document.
async fn run(world: &World, lake: &Path, arguments: &[&str]) -> (i32, Value) {
    let mut command = Command::cargo_bin("costlake").expect("the program");
    command.env_clear().env("COSTLAKE_NOW", world.sandbox.now().to_rfc3339());
    for name in ["AWS_ENDPOINT_URL_COST_EXPLORER", "COSTLAKE_DATADOG_URL"] {
        command.env(name, &world.url);
    }
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "DD_API_KEY", "DD_APP_KEY"] {
        command.env(name, "sandbox");
    }
    command.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("COSTLAKE_JOBS", kept().join("jobs"));
    command.arg("--lake").arg(lake).args(["--output", "json"]).args(arguments);
    let ended = tokio::task::spawn_blocking(move || command.output().expect("an end")).await.expect("a thread");
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    let document = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {ended:?}"));
    (ended.status.code().unwrap_or(-1), document)
}

fn newest_ledger(lake: &Path, table: &str) -> Value {
    let snapshots = files(&lake.join(format!("_costlake/{table}/ledger")));
    let text = fs::read(snapshots.last().expect("a snapshot")).expect("a snapshot");
    serde_json::from_slice(&text).expect("a ledger")
}

#[tokio::test]
async fn a_lake_of_format_1_is_continued() {
    let world = World::start().await;
    let (old, fresh) = (world.path("old"), world.path("fresh"));
    copy(&kept().join("lake"), &old);
    world.set("2026-11-06T07:00:00Z");
    let (code, status) = run(&world, &old, &["status", "costs", "--check"]).await;
    assert_eq!(code, 0, "what an older program wrote is not doubted: {status:#}");
    world.set("2026-11-09T06:00:00Z");
    let (code, ran) = run(&world, &old, &["run"]).await;
    assert_eq!(code, 0, "{ran:#}");
    for job in ran["jobs"].as_array().expect("jobs") {
        assert!(job.get("objects_displaced").is_none(), "its objects are the committed ones: {job:#}");
    }
    assert_eq!(run(&world, &fresh, &["run"]).await.0, 0);
    for table in TABLES {
        assert_eq!(rows(&old, table), rows(&fresh, table), "{table}");
        let ledger = newest_ledger(&old, table);
        assert_eq!(ledger["format"], 2, "{table}");
        let unknown =
            ledger["partitions"].as_object().expect("partitions").values().find(|state| state["etag"].is_null());
        assert_eq!(unknown, None, "{table}: every object is known by now");
    }
    assert!(!files(&old.join("_costlake/costs/history")).is_empty(), "its history stays");
    let (code, verified) = run(&world, &old, &["verify", "--full"]).await;
    assert_eq!(code, 0, "{verified:#}");
}

/// A table of format 1 gains a metric like any other: what its older program wrote keeps its digests.
#[tokio::test]
async fn a_table_of_format_1_gains_a_metric() {
    let world = World::start().await;
    let old = world.path("old");
    copy(&kept().join("lake"), &old);
    let jobs = world.path("jobs");
    fs::create_dir_all(&jobs).expect("a folder");
    let text = fs::read_to_string(kept().join("jobs/costs.toml")).expect("the job");
    let more = text.replacen("metrics = [", "metrics = [\"BlendedCost\", ", 1);
    assert_ne!(text, more);
    fs::write(jobs.join("costs.toml"), more).expect("a job");
    world.set("2026-11-09T06:00:00Z");
    let record = fs::read(old.join("_costlake/costs/table.json")).expect("a record");
    let jobs = jobs.display().to_string();
    for _ in 0..2 {
        let (code, ran) = run(&world, &old, &["--jobs", &jobs, "run"]).await;
        assert_eq!(code, 0, "{ran:#}");
    }
    assert!(rows(&old, "costs").iter().all(|row| row.contains_key("blended_cost")), "all of it is in the API's reach");
    assert_eq!(fs::read(old.join("_costlake/costs/table.json")).expect("a record"), record);
    assert_eq!(newest_ledger(&old, "costs")["format"], GROWN);
    let (code, verified) = run(&world, &old, &["--jobs", &jobs, "verify", "--full", "costs"]).await;
    assert_eq!(code, 0, "{verified:#}");
}

/// The footer as format 1 reads it; from commit 50c9c61.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only whether they can be read counts")]
struct FooterOfFormat1 {
    format: u32,
    epoch: u64,
    fingerprint: String,
    partition: String,
    days: BTreeMap<String, FactsOfFormat1>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "only whether they can be read counts")]
struct FactsOfFormat1 {
    rows: u64,
    digest: String,
    #[serde(default)]
    sums: BTreeMap<String, String>,
    #[serde(default)]
    estimated: bool,
    epoch: u64,
}

/// An older program reads the footers and reports that the ledger is too new: it compares `format` with its own format
/// number, as this one does.
#[tokio::test]
async fn an_older_program_reads_the_footers_and_refuses_the_ledger() {
    let world = World::start().await;
    let lake = world.path("new");
    assert_eq!(run(&world, &lake, &["run"]).await.0, 0);
    for table in TABLES {
        let ledger = newest_ledger(&lake, table);
        let format = ledger["format"].as_u64().expect("a number");
        assert!(format > 1, "format 1 takes what is above it for newer");
        let mut newer = ledger.clone();
        newer["format"] = (GROWN + 1).into();
        let refused = Ledger::parse(newer.to_string().as_bytes()).expect_err("too new");
        assert!(refused.report().contains("newer than this costlake reads"), "{}", refused.report());
        for object in files(&lake.join(table)) {
            let bytes = fs::read(&object).expect("an object");
            let file = parquet::file::reader::SerializedFileReader::new(bytes::Bytes::from(bytes)).expect("Parquet");
            let metadata = parquet::file::reader::FileReader::metadata(&file).file_metadata().key_value_metadata();
            let text = metadata.into_iter().flatten().find(|pair| pair.key == "costlake").expect("a record");
            let footer: FooterOfFormat1 =
                serde_json::from_str(text.value.as_deref().expect("text")).expect("as format 1 reads it");
            assert_eq!(footer.format, 1, "{}", object.display());
        }
    }
}
