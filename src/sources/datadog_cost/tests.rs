use std::path::Path;
use std::sync::Arc;

use super::ENTRY;
use crate::error::{Kind, Result};
use crate::job::{Refresh, parse};
use crate::request::{Call, Request};
use crate::sources::datadog::testing::{column, error, fetch, lines, source, window};
use crate::sources::{Fetched, Source};
use crate::window::Window;

const BY_TEAM: &str = include_str!("fixtures/by_team.json");
const SUM: &str = include_str!("fixtures/total.json");

fn totals() -> Arc<dyn Source> {
    source(&ENTRY, "metric = \"all.cost\"")
}

fn by_team() -> Arc<dyn Source> {
    source(&ENTRY, "metric = \"all.cost\"\ngroup_by = [\"Team\", \"env\"]\nfilter = \"env:*\"")
}

fn days() -> [Window; 1] {
    [window("2026-11-19", "2026-11-20")]
}

/// The days that an answer is about: one, unless it has two times.
fn days_of(body: &str) -> [Window; 1] {
    let is_short = !body.contains("1795132800") && body.contains("1795046400");
    if is_short { [window("2026-11-19", "2026-11-19")] } else { days() }
}

/// A fetch by tags: the answer with groups, and the one without.
fn both(groups: &str, total: &str) -> Result<Fetched> {
    fetch(by_team().as_ref(), &days_of(total), |call| {
        (200, if call.purpose.subject == "groups" { groups.to_owned() } else { total.to_owned() })
    })
}

/// An answer with these series, times and values.
fn with(series: &str, times: &str, values: &str) -> String {
    format!(r#"{{"data":{{"attributes":{{"series":[{series}],"times":[{times}],"values":[{values}]}}}}}}"#)
}

#[test]
fn a_window_is_asked_with_tags_and_without() {
    let requests = by_team().requests(&[window("2026-10-31", "2026-10-31"), days()[0]]);
    let call = |request: &Request| match request {
        Request::Call(call) => call.clone(),
        Request::Operation(_) => panic!("no call"),
    };
    let calls: Vec<Call> = requests.iter().map(call).collect();
    let subjects: Vec<&str> = calls.iter().map(|call| call.purpose.subject.as_str()).collect();
    assert_eq!(subjects, ["groups", "total", "groups", "total"]);
    assert_eq!((calls[2].method(), calls[2].path.as_str()), ("POST", "/api/v2/query/timeseries"));
    let body = calls[2].body.as_ref().expect("a body");
    assert_eq!(body["data"]["type"], "timeseries_request");
    let attributes = &body["data"]["attributes"];
    assert_eq!(
        (&attributes["from"], &attributes["to"], &attributes["interval"]),
        (&1_795_046_400_000_i64.into(), &1_795_219_200_000_i64.into(), &86_400_000.into())
    );
    assert_eq!(attributes["queries"][0]["data_source"], "cloud_cost");
    assert_eq!(attributes["queries"][0]["query"], "sum:all.cost{env:*} by {Team,env}.rollup(sum, daily)");
    let total = calls[3].body.as_ref().expect("a body");
    assert_eq!(total["data"]["attributes"]["queries"][0]["query"], "sum:all.cost{env:*}.rollup(sum, daily)");
    assert_eq!(totals().requests(&days()).len(), 1, "no groups, no second question");
}

#[test]
fn metric_tags_and_filter_are_the_tables_own() {
    assert_eq!(
        by_team().fingerprint(),
        [
            ("metric", "all.cost".to_owned()),
            ("group_by", r#"["Team","env"]"#.to_owned()),
            ("filter", "env:*".to_owned()),
        ]
    );
    let names = |source: Arc<dyn Source>| -> Vec<String> {
        source.table().columns().iter().map(|column| column.name.clone()).collect()
    };
    assert_eq!(names(totals()), ["usage_date", "cost", "unit", "group_tags", "extra"]);
    assert_eq!(names(by_team()), ["usage_date", "tag_team", "tag_env", "cost", "unit", "group_tags", "extra"]);
    assert_eq!(by_team().table().sort_key(), [0, 1, 2, 5]);
}

#[test]
fn tags_are_read_again_for_longer() {
    for (group_by, days) in [("", 40), ("group_by = [\"team\"]\n", 95)] {
        let text = format!(
            "[source]\ntype = \"datadog_cost\"\nmetric = \"all.cost\"\n{group_by}[window]\nbegin = \"2026-01-01\"\n"
        );
        let job = parse(Path::new("costs.toml"), &text).expect("a job");
        assert_eq!(job.window.refresh, Refresh::Days(days));
    }
}

#[test]
fn a_group_without_a_tag_is_empty_or_what_datadog_writes() {
    let fetched = both(BY_TEAM, SUM).expect("rows");
    assert_eq!(
        lines(&fetched),
        [
            r#"2026-11-19|N/A|prod|0.25|dollar|["env:prod","team:N/A"]|-"#,
            r#"2026-11-19|web|prod|10.5|dollar|["env:prod","team:web"]|-"#,
            r#"2026-11-20|web|prod|11|dollar|["env:prod","team:web"]|-"#,
            r#"2026-11-20||test|-1.5|-|["env:test"]|{"sketch":{"a":[],"b":1.5}}"#,
        ]
    );
    assert_eq!(fetched.notes, ["1 row has fields that went to `extra`: sketch"]);
}

#[test]
fn groups_that_do_not_add_up_are_refused_with_day_and_figures() {
    for (total, wanted) in [
        ("10.75,9.50001", "the groups of 2026-11-20 add up to 9.5, and the total is 9.50001"),
        ("10.75,null", "the groups of 2026-11-20 add up to 9.5, and the total is 0"),
        ("11,9.5", "the groups of 2026-11-19 add up to 10.75, and the total is 11"),
    ] {
        let error = both(BY_TEAM, &with("{}", "1795046400,1795132800", &format!("[{total}]"))).expect_err(total);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted));
        assert!(error.to_string().contains("by {Team,env}"), "{error}");
    }
    let none = both(&with("", "", ""), &with("{}", "1795046400", "[1]")).expect_err("no groups");
    assert_eq!(none.message(), "the groups of 2026-11-19 add up to 0, and the total is 1");
    let huge = both(
        &with(r#"{"group_tags":["team:a"]},{}"#, "1795046400", "[1e308],[1e308]"),
        &with("{}", "1795046400", "[1]"),
    );
    assert_eq!(huge.expect_err("infinite").kind(), Kind::BadAnswer);
}

#[test]
fn rounding_is_not_a_difference() {
    let groups = with(r#"{"group_tags":["team:a"]},{"group_tags":["team:b"]}"#, "1795046400", "[1000000],[-1000000]");
    assert!(both(&groups, &with("{}", "1795046400", "[0.0019]")).is_ok(), "relative to what was added");
    assert!(both(&groups, &with("{}", "1795046400", "[0.0021]")).is_err());
    let tiny = with(r#"{"group_tags":["team:a"]}"#, "1795046400", "[0]");
    assert!(both(&tiny, &with("{}", "1795046400", "[9e-10]")).is_ok(), "absolute near zero");
    assert!(both(&tiny, &with("{}", "1795046400", "[2e-9]")).is_err());
}

#[test]
fn days_without_a_value_have_no_row() {
    for body in [
        with("", "", ""),
        r#"{"data":{"attributes":{}}}"#.to_owned(),
        r#"{"data":{"attributes":{"series":null,"times":null,"values":null}}}"#.to_owned(),
        with("{}", "", "null"),
        with("{}", "", "[]"),
        with("{}", "1795046400,1795132800", "[null,null]"),
    ] {
        let fetched = fetch(totals().as_ref(), &days(), |_| (200, body.clone())).expect(&body);
        assert_eq!((fetched.rows.num_rows(), fetched.slots.len()), (0, 2), "{body}");
    }
    let seconds = with(r#"{"unit":{"name":"euro"},"group_tags":null,"query_index":null}"#, "1795132800", "[5]");
    let day = [window("2026-11-20", "2026-11-20")];
    let fetched = fetch(totals().as_ref(), &day, |_| (200, seconds.clone())).expect("rows");
    assert_eq!(lines(&fetched), ["2026-11-20|5|euro|[]|-"], "seconds, one day, a unit alone");
}

#[test]
fn an_answer_that_cannot_be_trusted_is_refused() {
    let json = "the answer is not the JSON that the API documents";
    let midnight = "a time is not a UTC midnight: the costs are not by UTC day";
    let step = "a time is not one day after the time before";
    let outside = "a time is outside the days asked for";
    for (body, wanted) in [
        (String::new(), "the answer is not a JSON object"),
        ("<html>".to_owned(), "the answer is not a JSON object"),
        ("[]".to_owned(), "the answer is not a JSON object"),
        ("{}".to_owned(), "the answer has no `data.attributes`"),
        (r#"{"data":{"attributes":null}}"#.to_owned(), "the answer has no `data.attributes`"),
        (r#"{"data":{"attributes":[]}}"#.to_owned(), json),
        (r#"{"data":{"attributes":{"series":["#.to_owned(), json),
        (with("[]", "", "[]"), json),
        (with("{}", "1795046400", "7"), json),
        (with("{}", "1795046400", ""), "the answer has 1 series and values of 0"),
        (with("", "1795046400", "[1]"), "the answer has 0 series and values of 1"),
        (with("{}", "1795046400", "[1,2]"), "a series has 2 values for 1 time"),
        (with("{}", "1795046401", "[1]"), midnight),
        (with("{}", "1795086000000", "[1]"), midnight),
        (with("{}", "1795132800,1795046400", "[1,2]"), step),
        (with("{}", "1795046400,1795046400", "[1,2]"), step),
        (with("{}", "1795046400,1795219200", "[1,2]"), step),
        (with("{}", "1794960000", "[1]"), outside),
        (with("{}", "1795132800,1795219200", "[1,2]"), outside),
        (with("{}", "\"1795046400\"", "[1]"), "a time is not a whole number"),
        (with("{}", "1795046400", "[\"1\"]"), "a value is not a number that a double holds: \"1\""),
        (with("{}", "1795046400", "[1e400]"), "a value is not a number that a double holds: 1e400"),
        (with("{\"query_index\":1}", "1795046400", "[1]"), "a series belongs to another query"),
        (with("{\"group_tags\":\"a\"}", "1795046400", "[1]"), "`group_tags` is not a list of texts"),
        (with("{\"group_tags\":[1]}", "1795046400", "[1]"), "`group_tags` is not a list of texts"),
        (with("{},{\"group_tags\":[]}", "1795046400", "[1],[2]"), "a group is there twice"),
    ] {
        let error = error(totals().as_ref(), &days_of(&body), &body);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{body}");
        assert!(error.to_string().contains("query total, window 2026-11-19"), "{error}");
    }
    let two = with(r#"{"group_tags":["team:a","TEAM:b"]}"#, "1795046400", "[1]");
    assert_eq!(both(&two, &two).expect_err("two").message(), "a group has two values of one tag");
}

#[test]
fn days_that_the_answer_does_not_tell_of_stay_unread() {
    let short = with("{}", "1795046400,1795132800", "[1,2]");
    let fetched = fetch(totals().as_ref(), &[window("2026-11-18", "2026-11-22")], |_| (200, short.clone()));
    let fetched = fetched.expect("rows");
    let read: Vec<String> = fetched.slots.iter().map(ToString::to_string).collect();
    assert_eq!(read, ["2026-11-19", "2026-11-20"]);
    assert_eq!(
        fetched.notes,
        ["1 answer does not cover the days asked for; these stay unread: 2026-11-18, 2026-11-21, 2026-11-22"]
    );
    let lump = with("{}", "1795046400", "[3000]");
    let error = error(totals().as_ref(), &days(), &lump);
    assert_eq!(error.message(), "the answer has one time for 2 days: it may be the sum of all of them");
    let grouped = with(r#"{"group_tags":["team:a"]}"#, "1795046400,1795132800", "[1,2]");
    let error = crate::sources::datadog::testing::error(totals().as_ref(), &days(), &grouped);
    assert_eq!(error.message(), "the answer has groups, and none were asked for");
}

#[test]
fn values_keep_their_colons_and_odd_tags_stay_in_the_list() {
    let groups = with(r#"{"group_tags":["team:a:b","plain","other:x"]}"#, "1795046400", "[1]");
    let fetched = both(&groups, &with("{}", "1795046400", "[1]")).expect("rows");
    assert_eq!(column(&fetched, "tag_team"), ["a:b"]);
    assert_eq!(column(&fetched, "tag_env"), [""]);
    assert_eq!(column(&fetched, "group_tags"), [r#"["other:x","plain","team:a:b"]"#]);
}
