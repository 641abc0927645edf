//! The real binary: exit codes, the JSON document, and the text output.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

use super::world::{EARLY, World};

const JOB: &str = r#"
source = { type = "datadog_savings", queries = [{ provider = "aws", product = "ec2" }] }
window = { begin = "2026-10-25" }
"#;

struct Program<'a> {
    world: &'a World,
    jobs: tempfile::TempDir,
}

impl<'a> Program<'a> {
    fn new(world: &'a World) -> Self {
        let jobs = tempfile::tempdir().expect("a folder");
        fs::write(jobs.path().join("savings.toml"), JOB).expect("a job");
        Self { world, jobs }
    }

    /// Exit code, stdout and stderr.
    async fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("costlake").expect("the program");
        command.env_clear().env("COSTLAKE_NOW", EARLY).env("COSTLAKE_DATADOG_URL", &self.world.url);
        command.env("DD_API_KEY", "0123456789abcdef0123456789abcdef").env("DD_APP_KEY", "0123456789abcdef01234567");
        command.arg("--lake").arg(self.world.folder.path()).arg("--jobs").arg(self.jobs.path()).args(arguments);
        let ended = tokio::task::spawn_blocking(move || command.output().expect("an end")).await.expect("a thread");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (ended.status.code().unwrap_or(-1), text(ended.stdout), text(ended.stderr))
    }

    async fn json(&self, arguments: &[&str]) -> (i32, Value) {
        let (code, out, err) = self.run(&[arguments, &["--output", "json"]].concat()).await;
        (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out} {err}")))
    }
}

#[tokio::test]
async fn verify_repair_and_rebuild_from_the_command_line() {
    let world = World::start().await;
    let program = Program::new(&world);
    assert_eq!(program.run(&["run"]).await.0, 0);
    let (code, out, _) = program.run(&["verify"]).await;
    assert!(code == 0 && out.contains("2 files OK"), "{code}: {out}");

    let object = world.path("savings/billing_period=2026-10/data.parquet");
    let bytes = fs::read(&object).expect("an object");
    fs::remove_file(&object).expect("removed");
    let (code, document) = program.json(&["verify", "savings"]).await;
    assert_eq!((code, &document["exit_code"]), (6, &Value::from(6)));
    let finding = &document["tables"][0]["findings"][0];
    assert_eq!(finding["trouble"], "missing");
    assert_eq!(finding["key"], "savings/billing_period=2026-10/data.parquet");
    assert_eq!(finding["repaired"], false);
    let (code, _, err) = program.run(&["verify"]).await;
    assert!(code == 6 && err.contains("what to do: restore it, or run `costlake rebuild savings`"), "{err}");

    let (code, document) = program.json(&["verify", "--repair"]).await;
    assert_eq!((code, &document["tables"][0]["findings"][0]["repaired"]), (0, &Value::from(true)));
    assert_ne!(fs::read(&object).expect("an object"), bytes, "a higher generation");

    fs::remove_file(&object).expect("removed");
    let asked = world.sandbox.requests();
    let (code, document) = program.json(&["rebuild", "savings"]).await;
    assert_eq!((code, &document["jobs"][0]["objects_written"]), (0, &Value::from(1)), "{document:#}");
    assert_eq!(world.sandbox.requests(), asked);
    assert_eq!(program.run(&["verify", "--full"]).await.0, 0);
}

#[tokio::test]
async fn foreign_files_fail_also_with_repair() {
    let world = World::start().await;
    let program = Program::new(&world);
    assert_eq!(program.run(&["run"]).await.0, 0);
    let stray = world.path("savings/billing_period=2026-10/mine.parquet");
    fs::write(&stray, "mine").expect("a write");
    for arguments in [["verify"].as_slice(), &["verify", "--repair"]] {
        let (code, _, err) = program.run(arguments).await;
        assert!(code == 6 && err.contains("mine.parquet") && err.contains("never touches"), "{code}: {err}");
    }
    assert_eq!(fs::read(&stray).expect("a file"), b"mine");
}

#[tokio::test]
async fn status_of_a_lost_ledger_shows_when_objects_were_written() {
    let world = World::start().await;
    let program = Program::new(&world);
    assert_eq!(program.run(&["run"]).await.0, 0);
    world.remove_all("_costlake/savings/ledger");
    let (code, out, _) = program.run(&["status"]).await;
    assert!(code == 0 && out.contains("last read 20") && !out.contains("1970"), "{out}");
    assert!(out.contains("there is no ledger: rebuilt from the footers of 2 objects"), "{out}");
}

#[tokio::test]
async fn connect_has_a_view_of_runs_typed_also_before_the_first() {
    let world = World::start().await;
    let program = Program::new(&world);
    let (_, empty, _) = program.run(&["connect"]).await;
    assert!(empty.contains("CREATE OR REPLACE VIEW costlake_runs AS\n  SELECT NULL::VARCHAR AS \"job\""), "{empty}");
    program.run(&["run"]).await;
    let (_, script, _) = program.run(&["connect"]).await;
    let files = Path::new(world.folder.path()).join("_costlake/*/runs/*/*.json");
    assert!(script.contains(&format!("read_json('{}'", files.display())), "{script}");
    assert!(script.contains("WHERE exit_code IS NOT NULL"), "start records are no runs: {script}");
}

/// A lake that a newer costlake went on with is not broken, and nothing of it is to be moved away.
#[tokio::test]
async fn an_object_of_a_newer_costlake_is_nothing_to_mend() {
    let world = World::start().await;
    let program = Program::new(&world);
    assert_eq!(program.run(&["run"]).await.0, 0);
    let object = world.folder.path().join("savings/billing_period=2026-10/data.parquet");
    let bytes = fs::read(&object).expect("an object");
    let at = bytes.windows(12).position(|window| window == b"{\"format\":1,").expect("a footer") + 10;
    let newer: Vec<u8> = [&bytes[..at], b"9", &bytes[at + 1..]].concat();
    fs::write(&object, &newer).expect("a newer object");
    for arguments in [&["verify"][..], &["verify", "--repair"]] {
        let (code, out, err) = program.run(arguments).await;
        let said = format!("{out}{err}").replace("\n  ", " ");
        assert_eq!(code, 1, "{said}");
        assert!(
            said.contains("layout 9, newer than this costlake reads") && said.contains("update costlake"),
            "{said}"
        );
        assert!(!said.contains("move it"), "{said}");
        assert_eq!(fs::read(&object).expect("an object"), newer);
    }
}
