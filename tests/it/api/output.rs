//! Output: a full disk gives an exit code and a message on stderr; a closed pipe gives neither.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("the disk that is always full")
}

fn open() -> (Script, Lakehouse) {
    let api = Script::new();
    let house = Lakehouse::new(api.url(), NOW);
    house.job("costs", DAILY);
    api.then([Reply::good(&two_days()), Reply::good(&two_days())]);
    (api, house)
}

fn on_a_full_disk(house: &Lakehouse, arguments: &[&str]) -> Output {
    house.command(arguments).stdout(full()).output().expect("the binary runs")
}

#[test]
fn every_command_says_that_its_output_is_lost() {
    let (_api, house) = open();
    let commands: [&[&str]; 13] = [
        &["run"],
        &["--output", "json", "run"],
        &["status"],
        &["--output", "json", "status"],
        &["check"],
        &["plan"],
        &["verify"],
        &["connect"],
        &["ddl", "--dialect", "duckdb"],
        &["completions", "bash"],
        &["--help"],
        &["help", "run"],
        &["--version"],
    ];
    for arguments in commands {
        let done = on_a_full_disk(&house, arguments);
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(1), "{arguments:?}: {said}");
        assert_eq!(said.matches("what was printed is lost").count(), 1, "{arguments:?}: {said}");
        assert!(said.contains("No space left on device"), "{arguments:?}: {said}");
    }
    // The command still did its work, and a more specific exit code is kept.
    assert_eq!(house.objects().len(), 1);
    house.costlake(&["status", "--check"]).exits(0);
    house.job("broken", "");
    assert_eq!(on_a_full_disk(&house, &["check"]).status.code(), Some(2));
}

#[test]
fn a_retry_is_logged_with_its_attempt_and_wait() {
    let (api, house) = open();
    api.clear();
    api.then([Reply::fault("ThrottlingException", "Rate exceeded"), Reply::good(&two_days())]);
    let done = house.costlake(&["--log-format", "json", "run"]);
    let lines = done.exits(0).stderr.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let retries: Vec<Value> =
        lines.map(|line| line["fields"].clone()).filter(|fields| fields["attempts"].is_number()).collect();
    assert_eq!(retries.len(), 1, "{done}");
    assert_eq!((&retries[0]["attempt"], &retries[0]["attempts"]), (&2.into(), &8.into()), "{done}");
    assert!(retries[0]["wait_ms"].as_u64().is_some_and(|wait| (200..=1_000).contains(&wait)), "{done}");
}

#[test]
fn words_that_are_lost_are_an_exit_code() {
    let (_api, house) = open();
    let done = house.command(&["run"]).stderr(full()).output().expect("the binary runs");
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(house.objects().len(), 1);
}

#[test]
fn a_reader_that_went_away_is_no_failure() {
    let (_api, house) = open();
    for arguments in [&["run"][..], &["status"], &["connect"], &["--help"], &["completions", "bash"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut child = house.command(arguments).stdout(Stdio::from(writer)).spawn().expect("the binary runs");
        let mut said = String::new();
        child.stderr.take().expect("words").read_to_string(&mut said).expect("text");
        assert_eq!(child.wait().expect("an end").code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("lost"), "{arguments:?}: {said}");
    }
}
