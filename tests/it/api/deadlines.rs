//! Slow answers: servers that are mute, or send a byte now and then for ever. Each attempt has one deadline, from its
//! first byte to the answer's last, and arriving bytes do not extend it. The tests shorten the deadline, which is a
//! minute by default, with the test timeout; there are two attempts.

use std::time::Duration;

use super::floods::{Flood, SAVINGS, measured, serving};
use crate::support::bucket::bucket_but;
use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::figures::gather;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

/// The deadline in milliseconds.
const TIMEOUT_MS: &str = "1200";
/// Between two bytes: short enough that a timeout per byte would never expire.
const PAUSE: Duration = Duration::from_millis(100);
/// Far beyond every deadline: a run that waits for the end of the answer fails the test.
const COUNT: usize = 400;

fn drip(send: &mut dyn FnMut(&[u8]) -> bool, head: &str, piece: &str) {
    let _ = send(head.as_bytes())
        && (0..COUNT).all(|_| {
            std::thread::sleep(PAUSE);
            send(piece.as_bytes())
        });
}

fn mute(send: &mut dyn FnMut(&[u8]) -> bool) {
    drip(send, "", "");
}

fn a_head_in_drops(send: &mut dyn FnMut(&[u8]) -> bool) {
    drip(send, "HTTP/1.1 200 OK\r\nx-drops: ", "a");
}

fn headers_in_drops(send: &mut dyn FnMut(&[u8]) -> bool) {
    drip(send, "HTTP/1.1 200 OK\r\n", "x: y\r\n");
}

fn go_on_for_ever(send: &mut dyn FnMut(&[u8]) -> bool) {
    drip(send, "", "HTTP/1.1 100 Continue\r\n\r\n");
}

fn a_body_in_drops(send: &mut dyn FnMut(&[u8]) -> bool) {
    drip(send, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{", " ");
}

fn chunks_in_drops(send: &mut dyn FnMut(&[u8]) -> bool) {
    drip(send, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\n \r\n");
}

fn a_failure_in_drops(send: &mut dyn FnMut(&[u8]) -> bool) {
    drip(send, "HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n", "1\r\n \r\n");
}

const SLOW: [(&str, Flood); 6] = [
    ("nothing at all", mute),
    ("a head in drops", a_head_in_drops),
    ("headers in drops", headers_in_drops),
    ("a hundred times Continue", go_on_for_ever),
    ("a body in drops", a_body_in_drops),
    ("chunks in drops", chunks_in_drops),
];

/// [`measured`], as one of the slow answers that the documents count.
#[track_caller]
fn bounded(what: &str, house: &Lakehouse, arguments: &[&str], code: i32, words: &str) {
    let most = measured(what, house, arguments, code, words);
    gather("deadlines", |counts| {
        counts.add("slow", 1);
        counts.most("most", most);
        format!("{} slow answers ended at the deadline, at most {} MiB", counts.of("slow"), counts.of("most"))
    });
}

fn slow(what: &str, job: &str, flood: Flood, words: &str) {
    let mut house = Lakehouse::new(&serving(flood), NOW);
    house.set("COSTLAKE_TEST_TIMEOUT_MS", TIMEOUT_MS);
    house.job("table", job);
    bounded(what, &house, &["run"], 1, words);
    assert!(house.objects().is_empty(), "{what}: something was written");
}

/// Runs all cases in parallel, because they only wait.
fn all(job: &'static str, words: &'static str, failure: &'static str) {
    std::thread::scope(|scope| {
        for (what, flood) in SLOW {
            scope.spawn(move || slow(what, job, flood, words));
        }
        scope.spawn(|| slow("a failure in drops", job, a_failure_in_drops, failure));
    });
}

#[test]
fn cost_explorer_has_a_minute_for_each_answer() {
    all(DAILY, "Cost Explorer did not answer in time (attempts 2", "Cost Explorer did not answer in time (attempts 2");
}

#[test]
fn datadog_has_a_minute_for_each_answer() {
    all(SAVINGS, "Datadog did not answer in full within 1.2 s", "Datadog is not available");
}

#[test]
fn a_bucket_has_a_minute_for_each_answer() {
    std::thread::scope(|scope| {
        for (what, flood) in SLOW {
            scope.spawn(move || {
                let api = Script::new();
                let mut house = Lakehouse::new(api.url(), NOW);
                house.set("COSTLAKE_TEST_TIMEOUT_MS", "400");
                house.set("AWS_ENDPOINT_URL_S3", &serving(flood));
                house.job("table", DAILY);
                bounded(what, &house, &["--lake", "s3://bucket/x", "run"], 1, "the bucket");
                assert!(api.take_asked().is_empty(), "{what}: the API was asked");
            });
        }
    });
}

/// The rows may have arrived: the bucket is checked before a failure is reported.
#[test]
fn a_write_has_a_minute_for_its_answer() {
    let bucket =
        bucket_but(|asked| (asked.method == "PUT" && asked.path.ends_with("data.parquet")).then(Reply::silence));
    let api = Script::answering(|_| Reply::good(&two_days()));
    let mut house = Lakehouse::new(api.url(), NOW);
    house.set("COSTLAKE_TEST_TIMEOUT_MS", TIMEOUT_MS);
    house.set("AWS_ENDPOINT_URL_S3", bucket.url());
    house.job("table", DAILY);
    bounded(
        "a mute write",
        &house,
        &["--lake", "s3://bucket/x", "run"],
        7,
        "whether the write landed could not be told",
    );
    let asked = bucket.take_asked();
    let of_rows: Vec<_> =
        asked.iter().filter(|asked| asked.path.ends_with("data.parquet")).map(|asked| asked.method.as_str()).collect();
    let written = of_rows.iter().position(|method| *method == "PUT").expect("a write");
    assert!(of_rows[written..].chunks(2).all(|pair| pair == ["PUT", "GET"]), "{of_rows:?}");
}
