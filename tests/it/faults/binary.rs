//! The real program against a sandbox on loopback and a lake on the real disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use costlake::job::Job;
use costlake::lake::{Lake, LocalLake};
use costlake::sandbox::{Sandbox, Settings, serve};
use tempfile::TempDir;

use super::world::{Held, assert_ledger_agrees_in, at, contents_of, parse};

const COST: &str = r#"
    source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
    window = { begin = "2026-07-01", refresh = "90 days" }
"#;
const SAVINGS: &str = r#"
    source = { type = "datadog_savings", queries = [{ provider = "aws", product = "ec2" }] }
    window = { begin = "2026-09-01", refresh = "30 days" }
"#;

/// The environment of the program.
pub(super) struct Stage {
    pub(super) sandbox: Sandbox,
    /// Contains all files of the test.
    pub(super) folder: TempDir,
    url: String,
    /// Requests a second.
    pace: f64,
}

impl Stage {
    /// A sandbox whose clock is at `now`, and two jobs.
    pub(super) fn start(now: &str) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let sandbox = Sandbox::new(Settings::new(at(now)));
        let served = sandbox.clone();
        std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
                serve(listener, served, std::future::pending()).await
            })
        });
        Self::asking(url, sandbox)
    }

    /// The same jobs, with the API at `url`.
    pub(super) fn asking(url: String, sandbox: Sandbox) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let stage = Self { sandbox, folder, url, pace: 1_000.0 };
        fs::create_dir(stage.path("jobs")).expect("a folder");
        stage.write_jobs();
        stage
    }

    /// Rewrites the jobs with this rate limit.
    pub(super) fn set_pace(&mut self, requests_per_second: f64) {
        self.pace = requests_per_second;
        self.write_jobs();
    }

    fn write_jobs(&self) {
        for (name, text) in [("cost", COST), ("savings", SAVINGS)] {
            let text = format!("{text}\nlimits = {{ requests_per_second = {:?} }}\n", self.pace);
            fs::write(self.path(&format!("jobs/{name}.toml")), text).expect("a job");
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Gives `command` only the environment variables a run needs; the clock is the sandbox's.
    pub(super) fn surround(&self, command: &mut Command, lake: &Path) {
        command
            .env_clear()
            .envs(["PATH", "LLVM_PROFILE_FILE"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .envs([("AWS_ACCESS_KEY_ID", "made-up"), ("AWS_SECRET_ACCESS_KEY", "made-up"), ("AWS_REGION", "us-east-1")])
            .envs([("AWS_CONFIG_FILE", "/dev/null"), ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")])
            .envs([("AWS_ENDPOINT_URL_COST_EXPLORER", &self.url), ("COSTLAKE_DATADOG_URL", &self.url)])
            .envs([("DD_API_KEY", "made-up"), ("DD_APP_KEY", "made-up")])
            .env("COSTLAKE_NOW", self.sandbox.now().to_rfc3339())
            .env("COSTLAKE_JOBS", self.path("jobs"))
            .env("COSTLAKE_LAKE", lake)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// `costlake run` on `lake`.
    pub(super) fn command(&self, lake: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_costlake"));
        command.arg("run");
        self.surround(&mut command, lake);
        command
    }

    pub(super) fn run(&self, lake: &Path) -> Output {
        self.command(lake).output().expect("the program")
    }

    pub(super) fn run_well(&self, lake: &Path) {
        let output = self.run(lake);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }

    /// The tables after an uninterrupted run on a copy of `base`, and how long it takes.
    pub(super) fn uninterrupted(&self, base: &Path) -> (Tables, Duration) {
        let lake = self.path("uninterrupted");
        copy(base, &lake);
        let begun = Instant::now();
        self.run_well(&lake);
        (tables(&lake), begun.elapsed())
    }
}

/// stdout and stderr of the program.
pub(super) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(super) type Tables = Vec<BTreeMap<String, Held>>;

fn jobs() -> [Job; 2] {
    [parse("cost", COST), parse("savings", SAVINGS)]
}

/// Both tables of a lake; asserts that every object is whole and that there are no other files.
pub(super) fn tables(lake: &Path) -> Tables {
    tables_of(lake, &jobs())
}

/// Like [`tables`], for the tables of these jobs.
pub(super) fn tables_of(lake: &Path, jobs: &[Job]) -> Tables {
    let opened = Lake::Local(LocalLake::new(lake.to_owned()));
    runtime().block_on(async {
        let mut found = Vec::new();
        for job in jobs {
            found.push(contents_of(&opened, job).await);
        }
        found
    })
}

/// Asserts that every object of `found` equals that of `old` or that of `new`.
pub(super) fn assert_old_or_new(found: &Tables, old: &Tables, new: &Tables, what: &str) {
    for ((found, old), new) in found.iter().zip(old).zip(new) {
        assert!(found.keys().all(|partition| new.contains_key(partition)), "{what}");
        for (partition, new) in new {
            let held = found.get(partition);
            assert!(held == Some(new) || held == old.get(partition), "{what}: {partition} is neither old nor new");
        }
    }
}

pub(super) fn assert_ledgers_agree(lake: &Path) {
    runtime().block_on(async {
        for job in jobs() {
            assert_ledger_agrees_in(Lake::Local(LocalLake::new(lake.to_owned())), &job).await;
        }
    });
}

/// Asserts that no temporary files of unfinished writes are left.
pub(super) fn assert_nothing_staged(lake: &Path) {
    let staged: Vec<_> = fs::read_dir(lake.join("_costlake/tmp")).expect("a folder").flatten().collect();
    assert!(staged.is_empty(), "{staged:?}");
}

pub(super) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Copies a folder recursively.
pub(super) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
