//! What a night on which nothing is due asks of the store.

use crate::support::bucket::bucket;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::Asked;

const BILL: &str = "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]\n\
                    group_by = [{ dimension = \"SERVICE\" }]\n[window]\nbegin = \"2026-11-01\"\n";

/// The method and the place of a request: the folder of a listing, or the key, without what is different each time.
fn said(asked: &Asked) -> String {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
    let place = prefix.map_or_else(|| path.replace("/bucket/", ""), |prefix| prefix.replace("%2F", "/"));
    let parts: Vec<&str> = place.trim_matches('/').split('/').take(4).collect();
    let named = parts.iter().filter(|part| !part.starts_with("2026-") && !part.starts_with("0000"));
    let method = if prefix.is_some() { "LIST" } else { &asked.method };
    format!("{method} {}", named.copied().collect::<Vec<_>>().join("/"))
}

#[test]
fn a_night_with_nothing_due_asks_for_each_thing_once() {
    let sandbox = SandboxServer::new("2026-11-10T06:00:00Z", 1_000);
    let store = bucket();
    let mut house = Lakehouse::new(&sandbox.url(), "2026-11-10T06:00:00Z");
    house.set("AWS_ENDPOINT_URL_S3", store.url());
    house.job("bill", BILL);
    let run = ["run", "--lake", "s3://bucket/lake"];
    house.costlake(&run).exits(0);
    store.take_asked();
    house.costlake(&run).exits(0);
    // Whether the store honours conditions is asked once for all jobs.
    let of_table = |what: &String| !what.contains("/_costlake/probe/");
    let asked: Vec<String> = store.take_asked().iter().map(said).filter(of_table).collect();
    let wanted = [
        "LIST lake/_costlake/bill/ledger",
        "GET lake/_costlake/bill/ledger",
        "GET lake/_costlake/bill/table.json",
        "LIST lake/_costlake/bill/runs",
        "GET lake/_costlake/bill/account.json",
        "LIST lake/bill",
        "PUT lake/_costlake/bill/runs",
        "PUT lake/_costlake/bill/ledger",
        "LIST lake/_costlake/bill/ledger",
        "PUT lake/_costlake/bill/runs",
    ];
    assert_eq!(asked, wanted);
}
