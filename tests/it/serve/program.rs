//! The real binary: where it listens, how it exits, and which secrets it must not print.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command};
use std::time::{Duration, Instant};

use super::world::{CONFIG, COSTS};
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::{Reply, Script};

const NOW: &str = "2026-11-10T06:30:00Z";
const TOKEN: &str = "canaryPageToken0c1d2e";

/// A running `serve`.
pub(super) struct Served {
    child: Child,
    pub(super) address: String,
    /// The child's stdout.
    lines: BufReader<ChildStdout>,
    said: String,
}

impl Served {
    pub(super) fn begin(house: &Lakehouse, arguments: &[&str]) -> Self {
        Self::of(house.begin(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat()))
    }

    /// With its log in a file.
    fn begin_logging(house: &Lakehouse, arguments: &[&str], log: &Path) -> Self {
        let log = fs::File::create(log).expect("a file");
        Self::of(house.begin_logging(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat(), log))
    }

    fn of(mut child: Child) -> Self {
        let mut lines = BufReader::new(child.stdout.take().expect("stdout"));
        let mut said = String::new();
        lines.read_line(&mut said).expect("a line");
        let address = said.strip_prefix("page: http://").and_then(|rest| rest.split('/').next());
        let address = address.unwrap_or_else(|| panic!("{said}{}", rest_of(&mut child))).to_owned();
        Self { child, address, lines, said }
    }

    fn get(&self, path: &str, more: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{more}\r\n", self.address);
        stream.write_all(head.as_bytes()).expect("a socket");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    pub(super) fn until(&self, path: &str, more: &str, words: &str) -> String {
        let mut text = String::new();
        for _ in 0..600 {
            text = self.get(path, more);
            if text.contains(words) {
                return text;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("{path} never said {words}: {text}");
    }

    pub(super) fn signal(&self, name: &str) {
        let done = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.child.id())]).status();
        assert!(done.expect("a shell").success());
    }

    /// Waits for the exit; returns the exit code and all output.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let mut rest = rest_of(&mut self.child);
        self.lines.read_to_string(&mut rest).expect("text");
        let code = self.child.wait().expect("an end").code();
        (code, format!("{}{rest}", self.said))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

fn rest_of(child: &mut Child) -> String {
    let mut text = String::new();
    if let Some(stderr) = &mut child.stderr {
        let _ = stderr.read_to_string(&mut text);
    }
    text
}

pub(super) fn token_file(house: &Lakehouse, text: &str) -> String {
    let path = house.folder().join("token");
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("a file");
    path.to_str().expect("text").to_owned()
}

#[test]
fn it_runs_what_is_due_serves_and_ends_well() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    house.job("costs", COSTS);
    house.job("config", CONFIG);
    let served = Served::begin(&house, &[]);
    served.until("/readyz", "", "200 OK");
    for name in ["costs", "config"] {
        served.until("/metrics", "", &format!("costlake_runs_total{{table=\"{name}\",outcome=\"done\"}} 1.0"));
    }
    house.job("later", CONFIG);
    served.signal("HUP");
    served.until("/metrics", "", "costlake_runs_total{table=\"later\",outcome=\"done\"} 1.0");
    served.signal("TERM");
    let (code, said) = served.end();
    assert_eq!(code, Some(0), "{said}");
    for words in ["next 2026-11-11 06:30 UTC", "costs", "the clock stands still", "fixed to 2026-11-10"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let status = house.json(&["status", "--check"]);
    status.exits(0);
}

#[test]
fn a_request_in_flight_does_not_keep_it() {
    let script = Script::answering(|_| Reply::silence()).with_totals();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", COSTS);
    let served = Served::begin(&house, &[]);
    served.until("/metrics", "", "costlake_running{table=\"costs\"} 1.0");
    served.signal("INT");
    let begun = Instant::now();
    let (code, said) = served.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{said}");
}

/// An empty lake that never answers a request for an object: runs start and do not end.
pub(super) fn stuck() -> (Script, Lakehouse) {
    const NOTHING: &str = "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>lake</Name>\
                           <KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>";
    let script = Script::answering(|asked| {
        if asked.path.contains("list-type=2") {
            return Reply::new(200, NOTHING);
        }
        Reply::silence()
    });
    let mut house = Lakehouse::new(script.url(), NOW);
    house.set("AWS_ENDPOINT_URL_S3", script.url());
    house.set("COSTLAKE_LAKE", "s3://lake/bills");
    house.job("costs", COSTS);
    (script, house)
}

#[test]
fn a_lake_that_never_answers_does_not_keep_it() {
    let (_script, house) = stuck();
    let served = Served::begin(&house, &[]);
    served.until("/jobs/costs/live", "", "running for");
    assert!(served.get("/readyz", "").contains("503"));
    served.signal("TERM");
    let begun = Instant::now();
    let (code, said) = served.end();
    assert_eq!(code, Some(0), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{said}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (_script, house) = stuck();
    let mut served = Served::begin(&house, &[]);
    served.until("/jobs/costs/live", "", "running for");
    served.signal("TERM");
    let mut lines = BufReader::new(served.child.stderr.take().expect("stderr"));
    let mut line = String::new();
    while !line.contains("stopping") {
        line.clear();
        assert!(lines.read_line(&mut line).expect("a line") > 0, "it ended before it said so");
    }
    assert!(served.child.try_wait().expect("a state").is_none(), "the lake keeps it for a while");
    let begun = Instant::now();
    served.signal("TERM");
    let code = served.child.wait().expect("an end").code();
    assert_eq!(code, Some(0));
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[test]
fn wrong_settings_are_refused_before_anything_runs() {
    let house = Lakehouse::new("http://127.0.0.1:1", NOW);
    house.job("costs", COSTS);
    let refused = |arguments: &[&str], words: &str| {
        let done = house.costlake(&[&["serve"], arguments].concat());
        done.exits(2).says(words);
    };
    refused(&["--listen", "nowhere"], "cannot listen");
    refused(&["--listen", "0.0.0.0:0"], "--token-file");
    refused(&["--listen", "127.0.0.1:0", "--allow-actions"], "--allow-actions needs a token");
    refused(&["--listen", "127.0.0.1:0", "--token-file", "nowhere"], "cannot read the token file");
    let empty = token_file(&house, "\n");
    refused(&["--listen", "127.0.0.1:0", "--token-file", &empty], "is empty");
    let short = token_file(&house, "short\n");
    refused(&["--listen", "127.0.0.1:0", "--token-file", &short], "shorter than 16");
    let two = token_file(&house, "first-line-of-it\nsecond-line-of-it\n");
    refused(&["--listen", "127.0.0.1:0", "--token-file", &two], "one line");
    refused(&["--listen", "127.0.0.1:0", "--jobs", "nowhere"], "cannot read the folder of jobs");
    assert!(!house.lake().exists());
}

#[test]
fn no_route_and_no_log_tells_a_secret() {
    const CANARIES: [(&str, &str); 4] = [
        ("AWS_SECRET_ACCESS_KEY", "canarySecretKey71fa"),
        ("DD_API_KEY", "canaryApiKey93dc"),
        ("DD_APP_KEY", "canaryAppKeyA4cd"),
        ("COSTLAKE_WEBHOOK_URL", "http://127.0.0.1:1/services/canaryHook5e6f"),
    ];
    let sandbox = SandboxServer::new(NOW, 1_000);
    let mut house = Lakehouse::new(&sandbox.url(), NOW);
    for (name, canary) in CANARIES {
        house.set(name, canary);
    }
    house.set("COSTLAKE_LOG", "trace");
    // Fails, so that the webhook is called, without success.
    house.job("costs", &(COSTS.to_owned() + "budget = { max_requests_per_run = 1 }\n"));
    house.job("config", CONFIG);
    let file = token_file(&house, &format!("{TOKEN}\n"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("a file");
    let log = house.folder().join("log");
    // To a file: output at this level would fill a pipe that is not read.
    let mut served = Served::begin_logging(&house, &["--token-file", &file, "--allow-actions"], &log);
    let shows = format!("Authorization: Bearer {TOKEN}\r\n");
    served.until("/metrics", &shows, "costlake_run_failures_total{table=\"costs\",kind=\"budget\"} 1.0");
    let mut said = String::new();
    for path in [
        "/",
        "/jobs/costs",
        "/jobs/config",
        "/jobs/costs/live",
        "/?search=costs",
        "/live",
        "/tables/live",
        "/restatements",
        "/jobs/nothing",
        "/style.css",
        "/live.js",
        "/login",
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/status",
        "/nothing",
        "/backfill",
    ] {
        let answer = served.get(path, &shows);
        assert!(answer.starts_with("HTTP/1.1 "), "{path}: {answer}");
        said.push_str(&answer);
        said.push_str(&served.get(path, "Authorization: Bearer wrong\r\n"));
    }
    served.signal("TERM");
    assert_eq!(served.child.wait().expect("an end").code(), Some(0));
    said.push_str(&fs::read_to_string(&log).expect("a log"));
    assert!(said.contains("TRACE") && said.contains("chmod 600"), "the log is not at its most talkative");
    for (name, canary) in CANARIES.into_iter().chain([("the token", TOKEN), ("the webhook", "canaryHook5e6f")]) {
        let leaks: Vec<&str> = said.lines().filter(|line| line.contains(canary)).collect();
        assert!(leaks.is_empty(), "{name} is told: {:.600}", leaks.join("\n"));
    }
}

#[test]
fn a_run_that_ends_before_its_first_request_is_seen_everywhere() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let mut house = Lakehouse::new(&sandbox.url(), NOW);
    house.job("costs", COSTS);
    house.job("config", CONFIG);
    house.json(&["run"]).exits(0);
    house.json(&["status", "--check"]).exits(0);
    // Another definition for one table, no key for the other one.
    house.job("costs", &COSTS.replace("SERVICE", "REGION"));
    house.unset("DD_API_KEY");
    house.set("COSTLAKE_NOW", "2026-11-11T07:00:00Z");
    let asked = sandbox.requests();
    let served = Served::begin(&house, &[]);
    for (name, kind) in [("costs", "config"), ("config", "auth")] {
        served.until("/metrics", "", &format!("costlake_run_failures_total{{table=\"{name}\",kind=\"{kind}\"}} 1.0"));
        served.until(&format!("/jobs/{name}"), "", "✕</span> failed");
    }
    served.signal("TERM");
    let (code, said) = served.end();
    assert_eq!((code, sandbox.requests()), (Some(0), asked), "{said}");
    for words in ["ERROR", "no longer matches its table", "give the changed job a new name", "DD_API_KEY"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let check = house.json(&["status", "--check"]);
    check
        .exits(6)
        .says("costs: runs of this job are refused: job `costs` no longer matches its table")
        .says("DD_API_KEY");
    house
        .costlake(&["status"])
        .exits(0)
        .says("no credentials")
        .says("refused: job does not fit its table")
        .hides("exit 3");
    let tables = check.document()["tables"].clone();
    assert_eq!((&tables[0]["last_run"]["exit_code"], &tables[1]["last_run"]["exit_code"]), (&3.into(), &2.into()));
    // After a fix and a restart, the jobs run without waiting for the next firing.
    house.job("costs", COSTS);
    house.set("DD_API_KEY", "sandbox");
    let served = Served::begin(&house, &[]);
    for name in ["costs", "config"] {
        served.until("/metrics", "", &format!("costlake_runs_total{{table=\"{name}\",outcome=\"done\"}} 1.0"));
    }
    served.signal("TERM");
    served.end();
    house.json(&["status", "--check"]).exits(0);
}
