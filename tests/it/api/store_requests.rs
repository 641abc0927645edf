//! What a night on which nothing is due asks of the store.

use std::fs;

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
    house.set("AWS_ENDPOINT_URL_STS", &sandbox.url());
    house.job("bill", BILL);
    let run = ["run", "--lake", "s3://bucket/lake"];
    house.costlake(&run).exits(0);
    // The first night with rows keeps in the ledger what says whose they are.
    house.costlake(&run).exits(0);
    store.take_asked();
    house.costlake(&run).exits(0);
    // Whether the store honours conditions is asked once for all jobs.
    let of_table = |what: &String| !what.contains("/_costlake/probe/");
    let asked: Vec<String> = store.take_asked().iter().map(said).filter(of_table).collect();
    let wanted = [
        "LIST lake/_costlake/bill/ledger",
        "GET lake/_costlake/bill/ledger",
        "LIST lake/_costlake/bill/runs",
        "LIST lake/bill",
        "PUT lake/_costlake/bill/runs",
        "PUT lake/_costlake/bill/ledger",
        "LIST lake/_costlake/bill/ledger",
        "PUT lake/_costlake/bill/runs",
    ];
    assert_eq!(asked, wanted);
}

/// What a ledger remembers of `table.json` spares a request, and decides about nothing that is written.
#[test]
fn a_run_that_writes_reads_the_record_of_its_table_again() {
    let sandbox = SandboxServer::new("2026-11-12T06:00:00Z", 1_000);
    let mut house = Lakehouse::new(&sandbox.url(), "2026-11-10T06:00:00Z");
    house.job("bill", BILL);
    house.run_well();
    house.run_well();
    let record = house.lake().join("_costlake/bill/table.json");
    let ours = fs::read_to_string(&record).expect("a record");
    let night = |house: &mut Lakehouse, now: &str, record_is: Option<&str>| {
        house.set("COSTLAKE_NOW", now);
        match record_is {
            Some(text) => fs::write(&record, text).expect("a record"),
            None => fs::remove_file(&record).expect("no record"),
        }
        house.costlake(&["run"])
    };
    night(&mut house, "2026-11-10T06:00:00Z", None).exits(0);
    assert!(!record.exists(), "nothing was due, and nothing was written");
    fs::write(&record, &ours).expect("a record");
    night(&mut house, "2026-11-11T06:00:00Z", None).exits(0);
    assert_eq!(fs::read_to_string(&record).expect("a record"), ours, "a run that writes puts it back");
    let theirs = ours.replace("UnblendedCost", "AmortizedCost");
    assert_ne!(theirs, ours);
    let objects = house.objects();
    night(&mut house, "2026-11-12T06:00:00Z", Some(&theirs)).exits(2).says("no longer matches its table");
    assert_eq!(house.objects(), objects);
    house.job("bill", &BILL.replace("UnblendedCost", "AmortizedCost"));
    night(&mut house, "2026-11-11T06:00:00Z", Some(&ours)).exits(2).says("no longer matches its table");
}
