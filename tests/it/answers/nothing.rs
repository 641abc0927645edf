//! A bill of nothing is not the same as a question that fits nothing, and a table is not the same as its job.

use std::fs;

use crate::support::bucket::bucket;
use crate::support::cost_explorer::{DAILY, NOW, day, page, two_days};
use crate::support::lakehouse::Lakehouse;
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

/// Runs a job, and takes its file away.
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
        // A job whose file is broken is still its job.
        house.job("left", "");
        house.costlake(&["status", "--lake", lake]).exits(2).hides("without a job");
    }
}
