//! Redirects are never followed, so an endless one ends at once and no key reaches a host that is not configured.

use serde_json::json;

use super::floods::SAVINGS;
use crate::support::bucket::bucket_but;
use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::figures::gather;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Asked, Reply, Script};

const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

fn redirecting(status: u16, to: Option<String>) -> Script {
    let there = move |asked: &Asked| {
        let host = asked.header("host").unwrap_or_default();
        let target = to.clone().unwrap_or_else(|| format!("http://{host}{}", asked.path));
        Reply::new(status, "elsewhere").with("location", &target)
    };
    Script::answering(there).with_totals()
}

/// Counts a redirect that was not followed.
fn count() {
    gather("redirects", |counts| {
        counts.add("redirects", 1);
        format!("{} redirects, none followed", counts.of("redirects"))
    });
}

fn run(url: &str, job: &str, words: &str) {
    let house = Lakehouse::new(url, NOW);
    house.job("table", job);
    house.costlake(&["run"]).exits(1).says(words);
    assert!(house.objects().is_empty());
}

#[test]
fn a_redirect_without_an_end_is_asked_once() {
    for (job, words) in [(DAILY, "came in place of an answer"), (SAVINGS, "redirects are not followed")] {
        for status in STATUSES {
            let round = redirecting(status, None);
            run(round.url(), job, words);
            assert_eq!(round.take_asked().len(), 1, "{status}");
            count();
        }
    }
}

#[test]
fn another_host_is_never_asked() {
    for (job, words) in [(DAILY, "came in place of an answer"), (SAVINGS, "redirects are not followed")] {
        for status in STATUSES {
            let other = Script::new();
            let first = redirecting(status, Some(format!("{}/other", other.url())));
            run(first.url(), job, words);
            assert_eq!(first.take_asked().len(), 1, "{status}");
            assert!(other.take_asked().is_empty(), "{status}: the other host was asked");
            count();
        }
    }
}

/// S3 requests carry the session token in a header that HTTP clients do not strip as a secret on a redirect.
#[test]
fn a_bucket_that_redirects_is_not_followed() {
    for status in STATUSES {
        let other = Script::new();
        let first = redirecting(status, Some(format!("{}/other", other.url())));
        let mut house = Lakehouse::new("http://127.0.0.1:9", NOW);
        house.set("AWS_ENDPOINT_URL_S3", first.url());
        house.set("AWS_SESSION_TOKEN", "token-of-a-session");
        house.job("table", DAILY);
        let done = house.costlake(&["--lake", "s3://bucket/x", "status"]);
        assert_ne!(done.code, Some(0), "{done}");
        assert!(!first.take_asked().is_empty(), "{done}");
        assert!(other.take_asked().is_empty(), "{status}: the other host was asked");
        count();
    }
}

#[test]
fn rows_that_a_bucket_sends_elsewhere_are_not_written() {
    for status in STATUSES {
        let other = Script::new();
        let there = format!("{}/other", other.url());
        let bucket = bucket_but(move |asked| {
            let is_write = asked.method == "PUT" && asked.path.ends_with("data.parquet");
            is_write.then(|| Reply::new(status, "elsewhere").with("location", &there))
        });
        let api = Script::answering(|_| Reply::good(&two_days()));
        let mut house = Lakehouse::new(api.url(), NOW);
        house.set("COSTLAKE_TEST_TIMEOUT_MS", "60000");
        house.set("AWS_ENDPOINT_URL_S3", bucket.url());
        house.job("table", DAILY);
        // The target of a redirect is unknown.
        house.costlake(&["--lake", "s3://bucket/x", "run"]).exits(7).says("cannot write to the bucket");
        let written: Vec<_> = bucket.take_asked().into_iter().filter(|asked| asked.method == "PUT").collect();
        let mut snapshots = written.iter().filter(|asked| asked.path.contains("/ledger/"));
        assert!(snapshots.all(|asked| asked.json()["partitions"] == json!({})), "{status}: the ledger tells of rows");
        assert!(other.take_asked().is_empty(), "{status}: the other host was asked");
        count();
    }
}
