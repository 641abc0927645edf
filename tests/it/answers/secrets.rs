//! No secret in any output, at the most talkative log there is.

use std::fs;

use crate::support::cost_explorer::DAILY;
use crate::support::done::Done;
use crate::support::lake::files;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::{Reply, Script};

const NOW: &str = "2026-11-03T06:00:00Z";
const CANARIES: [(&str, &str); 4] = [
    ("AWS_SECRET_ACCESS_KEY", "canarySecretKey71fa"),
    ("AWS_SESSION_TOKEN", "canarySessionToken82eb"),
    ("DD_API_KEY", "canaryApiKey93dc"),
    ("DD_APP_KEY", "canaryAppKeyA4cd"),
];
const CONFIG: &str = "[source]\ntype = \"datadog_ccm_config\"\n";

fn with_canaries(url: &str) -> Lakehouse {
    let mut house = Lakehouse::new(url, NOW);
    for (name, canary) in CANARIES {
        house.set(name, canary);
    }
    house.set("COSTLAKE_LOG", "trace");
    house.job("costs", DAILY);
    house.job("config", CONFIG);
    house
}

#[track_caller]
fn nothing_leaked(house: &Lakehouse, done: &Done) {
    for (name, canary) in CANARIES {
        let leaks: Vec<&str> =
            done.stdout.lines().chain(done.stderr.lines()).filter(|line| line.contains(canary)).collect();
        assert!(leaks.is_empty(), "{name} is printed: {:.600}", leaks.join("\n"));
        for path in files(house.folder()) {
            let bytes = fs::read(&path).expect("a file");
            let text = match path.extension() {
                Some(extension) if extension == "zst" => zstd::stream::decode_all(&bytes[..]).expect("a raw answer"),
                _ => bytes,
            };
            let leaked = text.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!leaked, "{name} is in {}", path.display());
        }
    }
}

#[test]
fn a_good_run_leaks_nothing() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = with_canaries(&sandbox.url());
    for output in ["text", "json"] {
        let done = house.costlake(&["--log-format", output, "--output", output, "run"]);
        done.exits(0);
        assert!(done.stderr.contains("TRACE"), "the log is not at its most talkative");
        nothing_leaked(&house, &done);
    }
    for arguments in [&["connect"][..], &["status"], &["plan"], &["check"]] {
        nothing_leaked(&house, house.costlake(arguments).exits(0));
    }
}

#[test]
fn refusals_leak_nothing_even_when_the_api_repeats_the_keys() {
    let script = Script::new();
    let house = with_canaries(script.url());
    let echo = format!("{{\"errors\":[\"bad keys {} and {}\"]}}", CANARIES[2].1, CANARIES[3].1);
    script.then([Reply::new(403, echo), Reply::fault("UnrecognizedClientException", "The security token is invalid")]);
    let done = house.costlake(&["run"]);
    done.exits(3).says("Datadog refuses the keys: bad keys [key] and [key]").says("does not accept the credentials");
    nothing_leaked(&house, &done);
}
