//! A folder with jobs and a lake, and the real binary run in it without this machine's environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::done::Done;
use super::lake::{self, Object, Row};

/// Jobs, lake and environment of one test.
pub(crate) struct Lakehouse {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

impl Lakehouse {
    /// An empty lakehouse whose APIs are at `url` and whose clock is fixed at `now`.
    pub(crate) fn new(url: &str, now: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("jobs")).expect("a folder of jobs");
        let nowhere = folder.path().join("nothing-here").to_string_lossy().into_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let variables = [
            ("PATH", path.as_str()),
            ("HOME", &nowhere),
            ("AWS_CONFIG_FILE", &nowhere),
            ("AWS_SHARED_CREDENTIALS_FILE", &nowhere),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST"),
            ("AWS_SECRET_ACCESS_KEY", "test-secret"),
            ("AWS_ENDPOINT_URL_COST_EXPLORER", url),
            ("DD_API_KEY", "test-api-key"),
            ("DD_APP_KEY", "test-app-key"),
            ("COSTLAKE_DATADOG_URL", url),
            ("COSTLAKE_NOW", now),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Self { folder, variables }
    }

    /// Sets an environment variable of later runs.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Removes an environment variable from later runs.
    pub(crate) fn unset(&mut self, name: &str) {
        self.variables.remove(name);
    }

    /// Writes a job file.
    pub(crate) fn job(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join("jobs").join(format!("{name}.toml")), text).expect("a job file");
    }

    /// The command that runs the binary in this lakehouse.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_costlake"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the binary in the background.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Child {
        self.command(arguments).spawn().expect("the binary runs")
    }

    /// The same with its log in a file.
    pub(crate) fn begin_logging(&self, arguments: &[&str], log: fs::File) -> Child {
        self.command(arguments).stderr(log).spawn().expect("the binary runs")
    }

    /// Runs the binary.
    pub(crate) fn costlake(&self, arguments: &[&str]) -> Done {
        let output = self.command(arguments).output().expect("the binary runs");
        Done {
            arguments: arguments.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    /// Runs `costlake --output json …`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Done {
        self.costlake(&[&["--output", "json"], arguments].concat())
    }

    /// Runs all jobs, which must succeed; returns the report of the only one.
    #[track_caller]
    pub(crate) fn run_well(&self) -> Value {
        let done = self.json(&["run"]);
        done.exits(0).report()
    }

    /// Runs all jobs again at the same instant: they must succeed and write nothing.
    #[track_caller]
    pub(crate) fn runs_again_without_writing(&self) {
        let before = self.objects();
        let done = self.json(&["run"]);
        for job in done.exits(0).document()["jobs"].as_array().expect("jobs") {
            assert_eq!(job["objects_written"], 0, "{done}");
        }
        assert_eq!(self.objects(), before, "the second run wrote a data object: {done}");
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// The data objects in the lake.
    pub(crate) fn objects(&self) -> BTreeMap<PathBuf, Object> {
        lake::objects(&self.lake())
    }

    /// The rows of a table.
    pub(crate) fn rows(&self, table: &str) -> Vec<Row> {
        lake::rows(&self.lake(), table)
    }
}
