use std::sync::Arc;

use super::ENTRY;
use crate::error::{Kind, Result};
use crate::request::{Call, Request};
use crate::sources::datadog::testing::{column, error, fetch, lines, shown, source, window};
use crate::sources::{Fetched, Source};
use crate::window::Window;

const NONE: &str = r#"{"data":[]}"#;

fn all() -> Arc<dyn Source> {
    source(&ENTRY, "")
}

fn day() -> [Window; 1] {
    [window("2026-11-20", "2026-11-20")]
}

/// A fetch in which one list has this answer, and the others are empty.
fn with(subject: &str, status: u16, body: &str) -> Result<Fetched> {
    fetch(all().as_ref(), &day(), |call| {
        if call.purpose.subject == subject { (status, body.to_owned()) } else { (200, NONE.to_owned()) }
    })
}

#[test]
fn every_list_is_asked_for_once() {
    let requests = all().requests(&day());
    assert_eq!(
        shown(&requests),
        [
            "cloud_accounts/aws_cur2: /api/v2/cost/cloud_accounts?filter[cloud]=aws_cur2",
            "cloud_accounts/oci: /api/v2/cost/cloud_accounts?filter[cloud]=oci",
            "aws_cur_config: /api/v2/cost/aws_cur_config?",
            "azure_uc_config: /api/v2/cost/azure_uc_config?",
            "gcp_uc_config: /api/v2/cost/gcp_uc_config?",
        ]
    );
    assert!(requests.iter().all(|request| matches!(request, Request::Call(Call { also_answers: [404], .. }))));
    assert_eq!(all().table().sort_key(), [0, 1, 2, 3, 5]);
    assert!(all().table().may_repeat());
    const { assert!(ENTRY.rules.snapshot) };
}

#[test]
fn accounts_of_all_clouds_are_rows() {
    let fetched = fetch(all().as_ref(), &day(), |call| {
        let body = match call.purpose.subject.as_str() {
            "cloud_accounts/aws_cur2" => include_str!("fixtures/cloud_accounts.json"),
            "aws_cur_config" => include_str!("fixtures/aws_cur_config.json"),
            "azure_uc_config" => include_str!("fixtures/azure_uc_config.json"),
            "gcp_uc_config" => include_str!("fixtures/gcp_uc_config.json"),
            _ => NONE,
        };
        (200, body.to_owned())
    })
    .expect("rows");
    let azure = r#"2026-06-29 12:43:36.569|-|-|{"client_id":"app","export_name":"e","id":7,"scope":"s"}"#;
    assert_eq!(
        lines(&fetched),
        [
            r#"2026-11-20|aws_cur_config|aws|100|000000000456|-|error|["no access","late"]|2025-05-01 20:05:41.849|-|2026-11-02 01:02:03|{"account_filters":{"include_new_accounts":null},"bucket_name":"acme-billing","bucket_region":"eu-central-1","months":15,"report_name":"cur","report_prefix":"hourly"}"#
                .to_owned(),
            format!("2026-11-20|azure_uc_config|azure|7|1234abcd-tenant|actual|active|[]|{azure}"),
            format!("2026-11-20|azure_uc_config|azure|7|1234abcd-tenant|amortized|active|[]|{azure}"),
            "2026-11-20|cloud_accounts|aws_cur2|534|000000000123|-|active|[]|2026-01-01 12:00:00|2026-01-02 12:00:00|2026-11-01 12:00:00.250|-"
                .to_owned(),
            r#"2026-11-20|gcp_uc_config|gcp|9|01ABCD-234567-890EFG|-|warn|[]|-|-|-|{"bucket_name":"b","created_at":"2026-06-29","dataset":"billing","export_prefix":"p","export_project_name":"x","project_id":"y","region":"eu"}"#
                .to_owned(),
        ]
    );
    assert_eq!(
        fetched.notes,
        ["1 row has fields that went to `extra`: created_at, region"],
        "only what is not documented"
    );
}

#[test]
fn a_list_that_is_not_there_is_empty_if_the_api_says_so() {
    let fetched = with("gcp_uc_config", 404, r#"{"errors":[{"status":"404","title":"Not Found"}]}"#).expect("rows");
    assert_eq!((fetched.rows.num_rows(), fetched.slots.len()), (0, 1));
    assert_eq!(fetched.notes, ["1 list is not there (404) and counts as empty: gcp_uc_config"]);
    for (body, wanted) in [
        ("<html>", "the answer is not a JSON object"),
        ("", "the answer is not a JSON object"),
        (r#"{"message":"no route"}"#, "the answer is a 404 without the `errors` that the API documents"),
    ] {
        let error = with("gcp_uc_config", 404, body).expect_err(body);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{body}");
    }
}

#[test]
fn what_is_listed_again_is_a_row_each_time_and_other_clouds_are_left_out() {
    let twice = r#"{"data":[{"id":1,"attributes":{"configs":[{"dataset_type":"actual"},{"dataset_type":"amortized"}]}},
        {"id":1,"attributes":{"configs":[{"dataset_type":"actual"}]}},{"id":2,"attributes":{"configs":[]}},{"id":3}]}"#;
    let fetched = with("azure_uc_config", 200, twice).expect("rows");
    assert_eq!(column(&fetched, "config_id"), ["1", "1", "1", "2", "3"]);
    assert_eq!(fetched.notes, ["1 configuration is listed again in one answer, each time as a row: 1"]);
    let both = r#"{"data":[{"id":"1","attributes":{"cloud":"oci"}},{"id":"2","attributes":{"cloud":"AWS_CUR2"}},
        {"id":"3","attributes":{"cloud":null}}]}"#;
    let fetched = with("cloud_accounts/aws_cur2", 200, both).expect("rows");
    assert_eq!(column(&fetched, "config_id"), ["2", "3"]);
    assert_eq!(column(&fetched, "cloud"), ["AWS_CUR2", "aws_cur2"]);
    assert_eq!(fetched.notes, ["1 account of a cloud that was not asked for was left out"]);
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    let json = "the answer is not the JSON that the API documents";
    for (body, wanted) in [
        ("", "the answer is not a JSON object"),
        ("<html>", "the answer is not a JSON object"),
        ("{}", "the answer has no `data`"),
        (r#"{"data":{}}"#, json),
        (r#"{"data":[7]}"#, json),
        (r#"{"data":[{"id":"1""#, json),
        (r#"{"data":[{"id":"1","attributes":[]}]}"#, json),
        (r#"{"data":[{"attributes":{}}]}"#, "an object has no `id`"),
        (r#"{"data":[{"id":"","attributes":{}}]}"#, "an object has no `id`"),
        (r#"{"data":[{"id":"1","attributes":{"configs":{}}}]}"#, "`configs` is not a list of JSON objects"),
    ] {
        let error = error(all().as_ref(), &day(), body);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{body}");
    }
}
