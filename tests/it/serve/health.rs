//! `costlake health`: the exit code and the one line of a health check.

use std::time::{Duration, Instant};

use super::program::{Served, stuck, token_file};
use super::world::CONFIG;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::{Reply, Script};
use crate::support::tls::Authority;

const NOW: &str = "2026-11-10T06:30:00Z";

fn house() -> Lakehouse {
    Lakehouse::new("http://127.0.0.1:1", NOW)
}

/// Exit code 1, and one line with these words.
#[track_caller]
fn not_ready(house: &Lakehouse, url: &str, words: &str) {
    let done = house.costlake(&["health", url]);
    done.exits(1).says(words);
    assert_eq!((done.stderr.lines().count(), done.stdout.as_str()), (1, ""), "{done}");
    assert!(done.stderr.starts_with("error: not ready: "), "{done}");
}

#[test]
fn a_page_that_is_ready_says_so_without_the_token_and_past_any_proxy() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let mut house = Lakehouse::new(&sandbox.url(), NOW);
    house.job("config", CONFIG);
    let token = token_file(&house, "canaryPageToken0c1d2e\n");
    let served = Served::begin(&house, &["--token-file", &token]);
    served.until("/readyz", "", "200 OK");
    let url = format!("http://{}", served.address);
    house.set("HTTP_PROXY", "http://127.0.0.1:1");
    house.set("SSL_CERT_FILE", "nothing-here");
    house.costlake(&["health", &url]).exits(0).says("ready");
    house.costlake(&["health", &format!("{url}/healthz")]).exits(0).says("ok");
    let document = house.json(&["health", &url]).exits(0).document();
    assert_eq!((&document["said"], &document["address"]), (&"ready".into(), &format!("{url}/readyz").into()));
    // Everything else needs the token.
    not_ready(&house, &format!("{url}/metrics"), "missing or wrong token");
    served.signal("TERM");
    served.end();
    not_ready(&house, &url, &format!("cannot reach {url}: connection refused"));
}

#[test]
fn the_reason_of_a_page_that_is_not_ready_is_told() {
    let (_script, house) = stuck();
    let served = Served::begin(&house, &[]);
    served.until("/jobs/costs/live", "", "running for");
    let url = format!("http://{}", served.address);
    not_ready(&house, &url, "not ready: the lake");
    house.costlake(&["health", &url]).hides("not ready: not ready").says("status 503");
    house.costlake(&["health", &format!("{url}/healthz")]).exits(0);
    served.signal("TERM");
    served.end();
}

#[test]
fn every_other_answer_is_no_readiness() {
    let house = house();
    for (reply, words) in [
        (Reply::new(302, "elsewhere").with("location", "http://127.0.0.1:1/"), "not ready: elsewhere"),
        (Reply::new(204, ""), "no reason is given"),
        (Reply::new(503, "\u{1b}[31mred\nsecond line"), "\\u{1b}[31mred (address"),
        (Reply::new(200, "ready").cut_off(), "the connection broke off"),
        (Reply::hang_up(), "the connection broke off"),
    ] {
        let script = Script::answering(move |_| reply.clone());
        not_ready(&house, script.url(), words);
    }
    let long = "x".repeat(10_000);
    let script = Script::answering(move |_| Reply::new(500, long.clone()));
    assert!(house.costlake(&["health", script.url()]).exits(1).stderr.len() < 500);
}

#[test]
fn a_server_that_is_silent_costs_five_seconds() {
    let house = house();
    let script = Script::answering(|_| Reply::silence());
    let begun = Instant::now();
    not_ready(&house, script.url(), "no answer within 5 s");
    let took = begun.elapsed();
    assert!((Duration::from_secs(5)..Duration::from_secs(15)).contains(&took), "{took:?}");
}

#[test]
fn the_sandbox_is_asked_by_its_own_path() {
    let (sandbox, house) = (SandboxServer::new(NOW, 1_000), house());
    house.costlake(&["health", &format!("{}/healthz", sandbox.url())]).exits(0).says("ok");
    // It has no /readyz.
    not_ready(&house, &sandbox.url(), "status 404");
}

#[test]
fn a_certificate_is_trusted_where_its_authority_is() {
    let (authority, mut house) = (Authority::new(), house());
    let script = Script::answering(|_| Reply::new(200, "ready\n"));
    let url = authority.in_front_of(script.url(), "IP:127.0.0.1,DNS:localhost", None);
    not_ready(&house, &url, "certificate not trusted, its authority is unknown here");
    house.set("AWS_CA_BUNDLE", &authority.file().display().to_string());
    house.costlake(&["health", &url]).exits(0).says("ready");
}

#[test]
fn what_is_no_address_is_refused() {
    let house = house();
    for address in ["127.0.0.1:8080", "localhost:8080", "ftp://127.0.0.1", "http://user:hush@127.0.0.1"] {
        house.costlake(&["health", address]).exits(2).says("such as http://127.0.0.1:8080").hides("hush");
    }
    house.costlake(&["health"]).exits(2).says("<URL>");
}
