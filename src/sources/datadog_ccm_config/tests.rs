use super::ENTRY;
use crate::error::{Kind, Result};
use crate::request::{Call, Request};
use crate::sources::datadog::testing::{answer, column, error, fetch, lines, shown, source, window};
use crate::sources::{Fetched, Learnt};
use crate::table::parse_schema;

const ACCOUNTS: &str = include_str!("fixtures/accounts.json");
const CONFIG: &str = include_str!("fixtures/ccm_config.json");
const NOT_FOUND: &str = r#"{"errors":[{"status":"404","title":"Account not found"}]}"#;
const ONE: &str = r#"{"data":[{"id":"a-1","attributes":{"aws_account_id":"000000000123"}}]}"#;

/// A fetch of all accounts: a single one, with this configuration.
fn with(status: u16, config: &str) -> Result<Fetched> {
    fetch(source(&ENTRY, "").as_ref(), &[window("2026-11-20", "2026-11-20")], |get| {
        if get.path.ends_with("/ccm_config") { (status, config.to_owned()) } else { (200, ONE.to_owned()) }
    })
}

#[test]
fn the_schema_is_the_sort_key_and_more() {
    assert!(parse_schema(ENTRY.schema).is_ok_and(|columns| columns.len() == 10));
    assert_eq!(source(&ENTRY, "").table().sort_key(), [0, 2, 1, 4, 5, 7]);
    const { assert!(ENTRY.rules.snapshot) };
}

#[test]
fn accounts_are_asked_for_first() {
    let day = [window("2026-11-20", "2026-11-20")];
    let all = source(&ENTRY, "");
    assert_eq!(shown(&all.requests(&day)), ["accounts: /api/v2/integration/aws/accounts?"]);
    assert_eq!(all.expected_requests(&day, &Learnt::default()), 1);
    assert!(all.requests(&[]).is_empty());
    let listed = source(&ENTRY, r#"aws_account_ids = ["000000000123", "210987654321"]"#);
    assert_eq!(
        shown(&listed.requests(&day)),
        [
            "accounts/000000000123: /api/v2/integration/aws/accounts?aws_account_id=000000000123",
            "accounts/210987654321: /api/v2/integration/aws/accounts?aws_account_id=210987654321",
        ]
    );
    assert_eq!(listed.expected_requests(&day, &Learnt::default()), 4);
    assert!(listed.fingerprint().is_empty() && listed.read_for().is_empty());
}

#[test]
fn every_account_is_followed_by_its_configuration() {
    let source = source(&ENTRY, "");
    let day = [window("2026-11-20", "2026-11-20")];
    let first = source.requests(&day);
    let next = source.reader(&day).read(&first[0], &answer(200, ACCOUNTS)).expect("accounts");
    assert_eq!(
        shown(&next)[0],
        "ccm_config/1c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0001: \
         /api/v2/integration/aws/accounts/1c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0001/ccm_config?"
    );
    assert!(matches!(&next[..], [Request::Call(Call { also_answers: [404], .. }), _, _]));
    let fetched = fetch(source.as_ref(), &day, |get| match &get.path {
        path if path.ends_with("0001/ccm_config") => (200, CONFIG.to_owned()),
        path if path.ends_with("0002/ccm_config") => (200, r#"{"data":{"type":"ccm_config"}}"#.to_owned()),
        path if path.ends_with("/ccm_config") => (404, NOT_FOUND.to_owned()),
        _ => (200, ACCOUNTS.to_owned()),
    })
    .expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            "2026-11-20|1c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0001|000000000123|true|daily-cur|exports/finops|CUR2.0\
             |acme-billing|eu-central-1|s3://acme-billing/exports/finops/daily-cur/",
            "2026-11-20|1c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0001|000000000123|true|focus|cost/|focus1.0\
             |acme-billing|-|s3://acme-billing/cost//focus/",
            "2026-11-20|1c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0002|210987654321|false|-|-|-|-|-|-",
            "2026-11-20|1c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0003|333333333333|false|-|-|-|-|-|-",
        ]
    );
    assert_eq!(fetched.notes, ["1 data export has fields without a column: cadence"]);
    assert_eq!((fetched.page_rows, fetched.slots.len()), (2, 1));
}

#[test]
fn no_export_is_one_row_that_says_so() {
    for (status, config) in [
        (404, NOT_FOUND),
        (200, r#"{"data":null}"#),
        (200, r#"{"data":{}}"#),
        (200, r#"{"data":{"id":"A-1","attributes":null}}"#),
        (200, r#"{"data":{"attributes":{}}}"#),
        (200, r#"{"data":{"attributes":{"data_export_configs":null}}}"#),
        (200, r#"{"data":{"attributes":{"data_export_configs":[]}}}"#),
    ] {
        let fetched = with(status, config).expect(config);
        assert_eq!(lines(&fetched), ["2026-11-20|a-1|000000000123|false|-|-|-|-|-|-"], "{config}");
    }
}

#[test]
fn a_404_that_is_not_the_apis_says_nothing_of_the_account() {
    for (config, wanted) in [
        ("<html>", "the answer is not a JSON object"),
        ("", "the answer is not a JSON object"),
        (r#"{"message":"no route"}"#, "the answer is a 404 without the `errors` that the API documents"),
    ] {
        let error = with(404, config).expect_err(config);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{config}");
    }
}

#[test]
fn the_uri_is_put_together_literally_or_not_at_all() {
    for (export, wanted) in [
        (r#"{"report_name":"r","report_prefix":"/p/q/","bucket_name":"b"}"#, "s3://b//p/q//r/"),
        (r#"{"report_name":"r","report_prefix":"","bucket_name":"b"}"#, "s3://b//r/"),
        (r#"{"report_name":"r","report_prefix":null,"bucket_name":"b"}"#, "s3://b/r/"),
        (r#"{"report_name":2026,"bucket_name":"b"}"#, "s3://b/2026/"),
        (r#"{"report_name":"r","report_prefix":"p"}"#, "-"),
        (r#"{"report_name":"","report_prefix":"p","bucket_name":"b"}"#, "-"),
        (r#"{"report_name":["r"],"bucket_name":"b"}"#, "-"),
    ] {
        let config = format!(r#"{{"data":{{"attributes":{{"data_export_configs":[{export}]}}}}}}"#);
        assert_eq!(column(&with(200, &config).expect(export), "export_uri"), [wanted], "{export}");
    }
}

#[test]
fn a_listed_account_that_is_not_integrated_is_a_row_and_a_note() {
    let source = source(&ENTRY, r#"aws_account_ids = ["000000000123", "999999999999"]"#);
    let fetched = fetch(source.as_ref(), &[window("2026-11-20", "2026-11-20")], |get| {
        // The second answer ignores the parameter; accounts that were not requested are left out.
        if get.path.ends_with("/ccm_config") { (404, NOT_FOUND.to_owned()) } else { (200, ONE.to_owned()) }
    })
    .expect("rows");
    assert_eq!(
        lines(&fetched),
        ["2026-11-20|-|999999999999|false|-|-|-|-|-|-", "2026-11-20|a-1|000000000123|false|-|-|-|-|-|-"]
    );
    assert_eq!(
        fetched.notes,
        [
            "AWS account 999999999999 is listed in the job and not integrated with Datadog",
            "1 account that was not asked for was left out",
        ]
    );
}

#[test]
fn one_aws_account_may_be_integrated_twice_and_none_is_a_note() {
    let source = source(&ENTRY, "");
    let day = [window("2026-11-20", "2026-11-20")];
    let twice = ONE.replace("]}", r#",{"id":"a-2","attributes":{"aws_account_id":"000000000123"}}]}"#);
    let api = |call: &Call| {
        if call.path.ends_with("ccm_config") { (404, NOT_FOUND.to_owned()) } else { (200, twice.clone()) }
    };
    assert_eq!(fetch(source.as_ref(), &day, api).expect("rows").rows.num_rows(), 2);
    for none in [r#"{"data":[]}"#, r#"{"data":null}"#] {
        let fetched = fetch(source.as_ref(), &day, |_| (200, none.to_owned())).expect(none);
        assert_eq!((fetched.rows.num_rows(), fetched.slots.len()), (0, 1));
        assert_eq!(fetched.notes, ["no AWS account is integrated with Datadog"]);
    }
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    let account =
        |id: &str| format!(r#"{{"data":[{{"id":"{id}","attributes":{{"aws_account_id":"000000000123"}}}}]}}"#);
    let path = "the `id` of an account cannot be part of a path";
    for (accounts, wanted) in [
        ("{}".to_owned(), "the answer has no `data`"),
        (account("../../../evil"), path),
        (account("a%2fb"), path),
        (account(""), path),
        (account(&"a".repeat(65)), path),
        (r#"{"data":[{"attributes":{"aws_account_id":"1"}}]}"#.to_owned(), "an account has no `id`"),
        (r#"{"data":[{"id":"a"}]}"#.to_owned(), "an account has no `attributes.aws_account_id`"),
        (
            r#"{"data":[{"id":"a","attributes":{"aws_account_id":""}}]}"#.to_owned(),
            "an account has no `attributes.aws_account_id`",
        ),
        (ONE.replace("[{", r#"[{"id":"a-1","attributes":{"aws_account_id":"1"}},{"#), "an account is listed twice"),
        (r#"{"data":{}}"#.to_owned(), "the answer is not the JSON that the API documents"),
        (r#"{"data":[["a-1",["000000000123"]]]}"#.to_owned(), "the answer is not the JSON that the API documents"),
    ] {
        let error = error(source(&ENTRY, "").as_ref(), &[window("2026-11-20", "2026-11-20")], &accounts);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{accounts}");
        assert!(error.to_string().contains("query accounts, window 2026-11-20"), "{error}");
    }
    let export = r#"{"report_name":"r","bucket_name":"b"}"#;
    for (config, wanted) in [
        ("{}".to_owned(), "the answer has no `data`"),
        (r#"{"data":[]}"#.to_owned(), "the answer is not the JSON that the API documents"),
        (r#"{"data":{"attributes":[]}}"#.to_owned(), "the answer is not the JSON that the API documents"),
        (
            r#"{"data":{"attributes":{"data_export_configs":{}}}}"#.to_owned(),
            "the answer is not the JSON that the API documents",
        ),
        (r#"{"data":{"id":"b-2"}}"#.to_owned(), "the answer is about another account"),
        (
            format!(r#"{{"data":{{"attributes":{{"data_export_configs":[{export},{export}]}}}}}}"#),
            "a data export is configured twice",
        ),
    ] {
        let error = with(200, &config).expect_err(&config);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{config}");
        assert!(error.to_string().contains("query ccm_config/a-1"), "{error}");
    }
}

#[test]
fn what_is_kept_of_the_accounts_are_their_ids() {
    let source = source(&ENTRY, "");
    let day = [window("2026-11-20", "2026-11-20")];
    let first = source.requests(&day);
    let whole = answer(200, ACCOUNTS);
    let kept = source.redact_raw(&first[0], &whole).expect("redacted");
    let kept = String::from_utf8(kept).expect("text");
    assert!(kept.starts_with(
        r#"{"data":[{"id":"1c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0001","attributes":{"aws_account_id":"000000000123"}},"#
    ));
    assert!(!kept.contains("hush"));
    let next = source.reader(&day).read(&first[0], &whole).expect("whole");
    assert_eq!(source.reader(&day).read(&first[0], &answer(200, &kept)).expect("kept"), next);
    assert_eq!(source.redact_raw(&next[0], &answer(200, CONFIG)), None);
    for (body, wanted) in [("hush", "{}"), (r#"{"data":null}"#, r#"{"data":null}"#), (r#"{"data":"hush"}"#, "{}")] {
        assert_eq!(source.redact_raw(&first[0], &answer(200, body)).as_deref(), Some(wanted.as_bytes()), "{body}");
    }
}
