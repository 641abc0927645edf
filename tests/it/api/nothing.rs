//! An empty bill differs from a filter that matches nothing, and a table exists independently of its job. Lakes
//! that are not there, or were copied to where they are.

use std::fs;
use std::path::Path;

use crate::support::bucket::{bucket, bucket_but};
use crate::support::cost_explorer::{DAILY, NOW, day, page, two_days};
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::{Reply, Script};

const FILTER: &str = "filter = { Dimensions = { Key = \"REGION\", Values = [\"eu-wst-1\"] } }\n[window]";

#[test]
fn a_question_that_fits_nothing_is_told() {
    let empty = page(&[day("2026-11-01", &[]), day("2026-11-02", &[])], None);
    let zeros = page(&[day("2026-11-01", &[("EC2", "0")]), day("2026-11-02", &[])], None);
    let filtered = DAILY.replace("[window]", FILTER);
    for (job, answer, look) in [
        (&*filtered, &empty, "look whether source.filter fits anything"),
        (&*filtered, &zeros, "look whether source.filter fits anything"),
        (DAILY, &empty, "look whether the account is the one that has costs"),
    ] {
        let api = Script::new();
        let house = Lakehouse::new(api.url(), NOW);
        house.job("costs", job);
        api.then([Reply::good(answer)]);
        let said = format!("no row, or nothing but zeros, in 2 days that were read: {look}");
        house.costlake(&["run"]).exits(0).says(&said);
        house.costlake(&["status"]).exits(0).says(&said);
        let document = house.json(&["status"]).exits(0).document();
        assert!(document["tables"][0]["notes"].to_string().contains(&said), "{document}");
        api.then([Reply::good(&two_days())]);
        house.costlake(&["run"]).exits(0).hides("nothing but zeros");
        house.costlake(&["status"]).exits(0).hides("nothing but zeros");
    }
}

#[test]
fn what_was_never_read_is_not_called_empty() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    house.job("costs", DAILY);
    house.costlake(&["status"]).exits(0).hides("nothing but zeros");
}

/// Runs a job, then deletes its file.
fn left_alone(house: &Lakehouse, api: &Script, lake: &str) {
    house.job("left", DAILY);
    api.then([Reply::good(&two_days())]);
    house.costlake(&["run", "--lake", lake]).exits(0);
    fs::remove_file(house.folder().join("jobs/left.toml")).expect("a file");
    house.job("costs", DAILY);
}

#[test]
fn a_table_without_a_job_is_named() {
    for lake in ["lake", "s3://bucket/bills"] {
        let (api, store) = (Script::new(), bucket());
        let mut house = Lakehouse::new(api.url(), NOW);
        house.set("AWS_ENDPOINT_URL_S3", store.url());
        left_alone(&house, &api, lake);
        house.costlake(&["status", "--lake", lake]).exits(0).says("left  without a job: nothing brings it up to date");
        let document = house.json(&["status", "--lake", lake]).exits(0).document();
        assert_eq!(document["without_job"], serde_json::json!(["left"]), "{document}");
        house.costlake(&["status", "costs", "--lake", lake]).exits(0).hides("without a job");
        // A broken job file still counts as the table's job.
        house.job("left", "");
        house.costlake(&["status", "--lake", lake]).exits(2).hides("without a job");
    }
}

#[test]
fn a_table_that_never_held_a_row_may_be_given_another_definition() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    let filtered = |service: &str| {
        DAILY
            .replace(
                "[window]",
                &format!("filter = {{ Dimensions = {{ Key = \"SERVICE\", Values = [\"{service}\"] }} }}\n[window]"),
            )
            .replace("begin = \"2026-11-01\"", "begin = \"2026-10-20\"")
    };
    house.job("costs", &filtered("No such service"));
    house.json(&["run"]).exits(0).says("no row, or nothing but zeros");
    let empty = house.objects();
    assert_eq!((empty.len(), house.rows("costs").len()), (2, 0));

    // Another grouping, another metric, and a filter that matches something.
    let other = filtered("Amazon Simple Storage Service").replace("\"SERVICE\" }]", "\"REGION\" }]");
    let other = other.replace("[\"UnblendedCost\"]", "[\"UnblendedCost\", \"AmortizedCost\"]");
    house.job("costs", &other);
    let words = "the table was of another definition, and never held a row: it is of the job's from now on";
    let planned = house.json(&["plan"]);
    let fetches = planned.exits(0).says(words).document()["jobs"][0]["fetches"].clone();
    assert_eq!(fetches.as_array().map(Vec::len), Some(2), "everything is due again: {planned}");
    house.json(&["check", "--online"]).exits(0);
    assert_eq!(house.objects(), empty);
    house.json(&["run"]).exits(0).says(words).hides("no row, or nothing");
    assert!(!house.rows("costs").is_empty());
    assert_eq!(house.objects().len(), 2, "in the place of the empty ones");
    house.json(&["verify", "--full"]).exits(0);
    house.json(&["status", "--check"]).exits(0);
    house.json(&["run"]).exits(0).hides(words);

    house.job("costs", &filtered("Amazon Simple Storage Service"));
    let before = house.objects();
    for command in ["plan", "run"] {
        house.json(&[command]).exits(2).says("no longer matches its table");
    }
    assert_eq!(house.objects(), before);
}

#[test]
fn a_query_without_a_row_and_a_tag_without_a_value_are_told_until_there_is_one() {
    let query = "no row yet for the query azure/cosmosdb: look whether this account has such commitments";
    let tag = "no row has a value in tag_team yet: look whether the tag exists, it is spelt as on the resources";
    let sandbox = SandboxServer::new("2026-11-10T06:00:00Z", 1_000);
    let mut house = Lakehouse::new(&sandbox.url(), "2026-11-10T06:00:00Z");
    let savings = |queries: &str| {
        format!(
            "[source]\ntype = \"datadog_savings\"\nqueries = [{queries}]\n[window]\nbegin = \"2026-11-01\"\n[limits]\nrequests_per_second = 1000\n"
        )
    };
    let (ec2, azure) =
        ("{ provider = \"aws\", product = \"ec2\" }", "{ provider = \"azure\", product = \"cosmosdb\" }");
    house.job("savings", &savings(ec2));
    house.json(&["run"]).exits(0).hides("no row yet");
    house.job("savings", &savings(&format!("{ec2}, {azure}")));
    house.json(&["run"]).exits(0).says(query).hides("query aws/ec2");
    house.costlake(&["status"]).exits(0).says(query);
    house.job("savings", &savings(ec2));
    house.json(&["run"]).exits(0).hides(query);
    std::fs::remove_file(house.folder().join("jobs/savings.toml")).expect("a file");

    let api = Script::new();
    house.set("AWS_ENDPOINT_URL_COST_EXPLORER", api.url());
    house.set("COSTLAKE_NOW", NOW);
    house.job("tags", &DAILY.replace("dimension = \"SERVICE\"", "tag = \"team\""));
    let answer = |value: &str| {
        let mut page = page(&[day("2026-11-01", &[(value, "1")]), day("2026-11-02", &[("team$", "2")])], None);
        page["GroupDefinitions"] = serde_json::json!([{ "Type": "TAG", "Key": "team" }]);
        Reply::good(&page)
    };
    api.then([answer("team$")]);
    house.json(&["run"]).exits(0).says(tag);
    house.costlake(&["status", "--check"]).exits(0).says(tag);
    api.then([answer("team$web")]);
    house.json(&["run"]).exits(0).hides(tag);
    api.then([answer("team$")]);
    house.json(&["run"]).exits(0).hides(tag);
    house.costlake(&["status"]).exits(0).hides(tag);
}

#[test]
fn a_table_of_days_never_becomes_one_of_months_by_another_definition() {
    let sandbox = SandboxServer::new("2026-11-10T06:00:00Z", 1_000);
    let house = Lakehouse::new(&sandbox.url(), "2026-11-10T06:00:00Z");
    let hourly = DAILY.replace("DAILY", "HOURLY").replace("refresh = \"billing-close\"", "refresh = \"3 days\"");
    house.job("costs", &hourly);
    house.json(&["run"]).exits(0);
    let before = house.objects();
    for lost in [true, false] {
        if lost {
            fs::remove_dir_all(house.lake().join("_costlake/costs/ledger")).expect("a folder");
        }
        house.job("costs", DAILY);
        for command in ["plan", "run"] {
            house.json(&[command]).exits(2).says("no longer matches its table");
        }
        assert_eq!(house.objects(), before, "{lost}");
        house.job("costs", &hourly);
        house.json(&["run"]).exits(0);
    }
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &place);
        } else {
            fs::write(place, fs::read(entry.path()).expect("a file")).expect("a file");
        }
    }
}

#[test]
fn a_lake_that_was_copied_is_told_why_it_is_stale() {
    let script = Script::new();
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", DAILY);
    script.then([Reply::good(&two_days()), Reply::good(&two_days())]);
    house.run_well();
    let words = "1 file is not the one that the ledger knows by size and ETag (the lake was copied";
    house.costlake(&["status"]).exits(0).hides(words);
    copy(&house.lake(), &house.folder().join("copied"));
    let there = ["--lake", "copied"];
    let status = house.costlake(&[&["status", "costs"], &there[..]].concat());
    status.exits(0).says("! stale 2").says(words).says("until the next run has looked again");
    house.costlake(&[&["run"], &there[..]].concat()).exits(0);
    house.costlake(&[&["status", "costs"], &there[..]].concat()).exits(0).hides("stale");
}

#[test]
fn a_bucket_that_is_not_there_is_said_not_to_be() {
    let none = "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>";
    let store = bucket_but(move |_| Some(Reply::new(404, none)));
    let mut house = Lakehouse::new("http://127.0.0.1:9", NOW);
    house.set("AWS_ENDPOINT_URL_S3", store.url());
    house.job("costs", DAILY);
    for command in [&["run"][..], &["status"], &["status", "costs"], &["plan"], &["show", "costs"], &["verify"]] {
        let done = house.costlake(&[command, &["--lake", "s3://bills/x"]].concat());
        done.exits(2).says("the bucket bills does not exist (lake s3://bills/x");
        done.says("create it first (aws s3 mb s3://bills), or correct --lake").hides("all current");
    }
}
