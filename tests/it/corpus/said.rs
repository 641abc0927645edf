//! The program's output in each case, compared with the expected output.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use crate::support::done::Done;
use crate::support::figures::gather;
use crate::support::lakehouse::Lakehouse;

/// A lakehouse that logs warnings and has no AWS configuration files.
pub(super) fn house(url: &str, now: &str) -> Lakehouse {
    let mut house = Lakehouse::new(url, now);
    house.set("AWS_CONFIG_FILE", "/dev/null");
    house.set("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    house.set("COSTLAKE_LOG", "warn");
    house
}

/// Parses a file of the corpus.
pub(super) fn read<T: DeserializeOwned>(kind: &str) -> T {
    let path = path(kind, "toml");
    let text = fs::read_to_string(&path).expect("a file of the corpus");
    toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn path(kind: &str, extension: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(format!("{kind}.{extension}"))
}

/// The entries of one kind, in the order of its cases.
#[derive(Default)]
pub(super) struct Said {
    text: String,
    names: Vec<String>,
}

impl Said {
    /// Records the result of a case; `written`: whether a data object was written.
    pub(super) fn note(&mut self, name: &str, house: &Lakehouse, done: &Done, written: bool) {
        assert!(!self.names.iter().any(|known| known == name), "two cases are called `{name}`");
        self.names.push(name.to_owned());
        let code = done.code.map_or("a signal".to_owned(), |code| code.to_string());
        let objects = if written { "objects written" } else { "no object written" };
        let _ = writeln!(self.text, "=== {name}\nexit {code}{}, {objects}", kinds(done));
        let _ = writeln!(self.text, "{}\n", plain(house, done));
        assert!(!done.stderr.contains("panicked"), "{name}: {done}");
        let driving = done.stderr.chars().chain(done.stdout.chars()).find(|c| c.is_control() && *c != '\n');
        assert!(driving.is_none(), "{name}: {driving:?} reaches the terminal: {done}");
    }

    /// Compares all entries with the file of expected output, or writes that file.
    pub(super) fn settle(self, kind: &str) {
        println!("{kind}: {} cases", self.names.len());
        gather("corpus", |counts| {
            counts.add("cases", self.names.len() as u64);
            counts.add("kinds", 1);
            format!("{} cases of {} kinds; 0 writes on a refusal", counts.of("cases"), counts.of("kinds"))
        });
        let path = path(kind, "expected");
        if std::env::var_os("COSTLAKE_BLESS").is_some() {
            fs::write(&path, &self.text).expect("a file of expectations");
            return;
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        let entries = |text: &str| text.split("=== ").map(str::to_owned).collect::<Vec<_>>();
        let (wanted, found) = (entries(&expected), entries(&self.text));
        for entry in &found {
            assert!(wanted.contains(entry), "{kind}: not as expected (COSTLAKE_BLESS=1 takes it over):\n=== {entry}");
        }
        assert_eq!(wanted.len(), found.len(), "{kind}: the file of expectations has entries without a case");
    }
}

/// The failure kinds in a run's JSON document.
fn kinds(done: &Done) -> String {
    let Ok(document) = serde_json::from_str::<serde_json::Value>(&done.stdout) else { return String::new() };
    let jobs = document["jobs"].as_array().into_iter().flatten();
    let failures = jobs.flat_map(|job| {
        let fetches = job["fetches"].as_array().into_iter().flatten().map(|fetch| &fetch["failure"]);
        fetches.chain([&job["failure"]]).cloned().collect::<Vec<_>>()
    });
    let mut kinds: Vec<String> =
        failures.chain([document["error"].clone()]).filter_map(|f| f["kind"].as_str().map(str::to_owned)).collect();
    kinds.dedup();
    kinds.iter().map(|kind| format!(", {kind}")).collect()
}

/// Stderr without text that differs from run to run: folders, ports, log times, waits.
fn plain(house: &Lakehouse, done: &Done) -> String {
    let here = house.folder().to_string_lossy().into_owned();
    let mut text = String::new();
    for line in done.stderr.lines().filter(|line| !line.starts_with("clock: ")) {
        let mut line = line.replace(&here, "<here>");
        // A log line starts with its time; keep the level and the message.
        if line.starts_with("20") && line.get(10..11) == Some("T") {
            line = line.split_once(' ').map_or(String::new(), |(_, rest)| rest.trim_start().to_owned());
        }
        for (before, mask) in
            [("127.0.0.1:", "<port>"), ("wait_ms=", "<wait>"), ("retrying in ", "<wait>"), (" run=", "<run>")]
        {
            line = masked(&line, before, mask);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text.trim_end().to_owned()
}

/// Replaces the letters, digits and dashes that follow `before` by `mask`.
fn masked(text: &str, before: &str, mask: &str) -> String {
    let mut parts = text.split(before);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '-');
        let _ = write!(masked, "{before}{mask}{rest}");
    }
    masked
}
