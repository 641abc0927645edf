use std::sync::Arc;

use super::ENTRY;
use crate::error::{Kind, Result};
use crate::sources::datadog::testing::{answer, column, error, fetch, lines, shown, source, window};
use crate::sources::{Fetched, Learnt, Source};
use crate::window::Window;

const LIST: &str = include_str!("fixtures/budgets.json");
const BUDGET: &str = include_str!("fixtures/budget.json");

fn all() -> Arc<dyn Source> {
    source(&ENTRY, "")
}

fn day() -> [Window; 1] {
    [window("2026-11-20", "2026-11-20")]
}

/// A fetch of one budget `b-1`.
fn with(detail: &str) -> Result<Fetched> {
    fetch(all().as_ref(), &day(), |get| {
        let list = r#"{"data":[{"id":"b-1"}]}"#.to_owned();
        (200, if get.path.ends_with("/budgets") { list } else { detail.to_owned() })
    })
}

/// A budget `b-1` with these entries.
fn of(entries: &str) -> String {
    format!(r#"{{"data":{{"id":"b-1","attributes":{{"entries":{entries}}}}}}}"#)
}

#[test]
fn every_budget_is_asked_for_with_its_costs() {
    let first = all().requests(&day());
    assert_eq!(shown(&first), ["budgets: /api/v2/cost/budgets?"]);
    let next = all().reader(&day()).read(&first[0], &answer(200, LIST)).expect("a list");
    assert_eq!(
        shown(&next),
        ["budget/5c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0001: \
          /api/v2/cost/budget/5c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0001?actual=true&forecast=true"]
    );
    assert_eq!(all().expected_requests(&day(), &Learnt::default()), 1);
    assert_eq!(all().expected_requests(&day(), &Learnt { slot_rows: 25, ..Learnt::default() }), 4);
    assert_eq!(all().table().sort_key(), [0, 1, 7, 8]);
    const { assert!(ENTRY.rules.snapshot) };
}

#[test]
fn an_entry_is_a_row_beside_what_its_budget_says() {
    let fetched = fetch(all().as_ref(), &day(), |get| {
        (200, if get.path.ends_with("/budgets") { LIST } else { BUDGET }.to_owned())
    })
    .expect("rows");
    let budget = "2026-11-20|5c9a0a52-6e0b-4d6e-9f0a-0d5f2f1f0001|Teams|aws.cost.amortized{*} by {team}\
                  |2026-11-01|2026-12-01|2000";
    let tags = r#"[{"tag_key":"team","tag_value":"web"}]"#;
    let times = "dollar|2026-11-01 09:46:40|2026-11-01 09:46:40";
    let rest = r#""costs_period_end":1798761600000,"costs_period_start":1793491200000"#;
    let costs = r#""costs":{"actual":900.5,"amount":2000,"forecast":1900,"ootb_forecast":1900}"#;
    assert_eq!(
        lines(&fetched),
        [
            format!(
                r#"{budget}|2026-11-01|{tags}|1000.1|900.5|990|990|-|{times}|{{{costs},"costs_amount":1000.10,{rest},"org_id":1234}}"#
            ),
            format!(
                r#"{budget}|2026-12-01|{tags}|1000|-|0|910|0|{times}|{{{costs},"costs_amount":1000,{rest},"entry_pinned":true,"org_id":1234}}"#
            ),
        ]
    );
    assert_eq!(fetched.notes, ["1 row has fields that went to `extra`: entry_pinned"], "only what is not documented");
}

#[test]
fn nobody_is_named_in_rows_or_in_what_is_kept() {
    let read = |list: &str, budget: &str| {
        let read = fetch(all().as_ref(), &day(), |get| {
            (200, if get.path.ends_with("/budgets") { list } else { budget }.to_owned())
        });
        lines(&read.expect("rows"))
    };
    let request = &all().requests(&day())[0];
    let kept = |body: &str| {
        let kept = all().redact_raw(request, &answer(200, body)).expect("redacted");
        String::from_utf8(kept).expect("text")
    };
    let rows = read(LIST, BUDGET);
    assert!(LIST.contains("hush") && BUDGET.contains("hush@acme.example"));
    assert!(!kept(LIST).contains("hush") && !kept(BUDGET).contains("hush"), "{}", kept(BUDGET));
    assert!(kept(BUDGET).contains("\"amount\":1000.10,"), "numbers keep their text");
    assert!(rows.iter().all(|row| !row.contains("hush")), "{rows:?}");
    assert_eq!(read(&kept(LIST), &kept(BUDGET)), rows);
    let hidden = r#"[{"month":202611,"audit":{"changed_by":"hush"},"reviewed_by":"hush"}]"#;
    assert_eq!(column(&with(&of(hidden)).expect("rows"), "extra"), [r#"{"entry_audit":{}}"#]);
}

#[test]
fn no_budget_and_no_entries_are_no_rows() {
    for list in [r#"{"data":[]}"#, r#"{"data":null}"#] {
        let fetched = fetch(all().as_ref(), &day(), |_| (200, list.to_owned())).expect(list);
        assert_eq!((fetched.rows.num_rows(), fetched.slots.len(), fetched.notes.len()), (0, 1, 0));
    }
    for detail in [of("[]"), of("null"), r#"{"data":{"id":"B-1"},"meta":{"error":""}}"#.to_owned()] {
        let fetched = with(&detail).expect(&detail);
        assert_eq!(fetched.notes, ["1 budget has no entries and so no rows: b-1"], "{detail}");
    }
}

#[test]
fn a_budget_that_datadog_cannot_tell_leaves_the_others() {
    let list = r#"{"data":[{"id":"b-1"},{"id":"b-2"},{"id":"b-3"}]}"#;
    let told = |id: &str| of(r#"[{"month":202611}]"#).replace("b-1", id);
    let fetched = fetch(all().as_ref(), &day(), |get| match get.path.rsplit('/').next() {
        Some("budgets") => (200, list.to_owned()),
        Some("b-1") => (200, r#"{"data":null,"meta":{"error":"query failed"}}"#.to_owned()),
        Some("b-2") => {
            (400, r#"{"errors":["bad tags",{"title":"T","detail":"of jo@acme.example"},{"title":"U"},7]}"#.to_owned())
        }
        _ => (200, told("b-3")),
    });
    let fetched = fetched.expect("rows");
    assert_eq!(column(&fetched, "budget_id"), ["b-3"]);
    let what = "Datadog could not get the costs of a budget";
    let wanted = [
        // The last request is answered first here.
        format!("{what}: bad tags; of jo@acme.example; U; 7 (budget b-2)"),
        format!("{what}: query failed (budget b-1)"),
    ];
    assert_eq!(fetched.incomplete.into_values().collect::<Vec<_>>(), [wanted]);
    assert_eq!(fetched.slots.len(), 1);
}

#[test]
fn odd_members_stay_in_extra_and_fill_no_column_of_another() {
    let detail = r#"{"data":{"id":"b-1","attributes":{"forecast":7,"start_month":"soon","end_month":202613,
        "total_amount":"1","costs_unit":[{"name":"euro"},null],
        "entries":[{"month":"202611","amount":null,"tag_filters":null,"costs":null}]}}}"#;
    let fetched = with(detail).expect("a row");
    assert_eq!(column(&fetched, "forecast"), ["-"]);
    assert_eq!(column(&fetched, "unit"), ["euro"]);
    assert_eq!(column(&fetched, "tag_filters"), ["[]"]);
    assert_eq!(
        column(&fetched, "extra"),
        [r#"{"budget_forecast":7,"end_month":202613,"start_month":"soon","total_amount":"1"}"#]
    );
}

#[test]
fn tags_have_one_text_whatever_their_order() {
    let entry = |tags: &str| of(&format!(r#"[{{"month":202611,"tag_filters":{tags}}}]"#));
    let read = |tags: &str| column(&with(&entry(tags)).expect(tags), "tag_filters");
    assert_eq!(
        read(r#"[{"tag_key":"b","tag_value":"1"},{"tag_key":"a","tag_value":"2"}]"#),
        read(r#"[ {"tag_value":"2","tag_key":"a"}, {"tag_value":"1","tag_key":"b"} ]"#)
    );
}

#[test]
fn a_list_that_cannot_be_trusted_is_refused() {
    let path = "the `id` of a budget cannot be part of a path";
    for (list, wanted) in [
        ("", "the answer is not a JSON object"),
        ("<html>", "the answer is not a JSON object"),
        ("{}", "the answer has no `data`"),
        (r#"{"data":[{"id":"b-1""#, "the answer is not the JSON that the API documents"),
        (r#"{"data":{}}"#, "the answer is not the JSON that the API documents"),
        (r#"{"data":[[]]}"#, "the answer is not the JSON that the API documents"),
        (r#"{"data":[{}]}"#, "an object has no `id`"),
        (r#"{"data":[{"id":{}}]}"#, "an object has no `id`"),
        (r#"{"data":[{"id":"../evil"}]}"#, path),
        (r#"{"data":[{"id":"a?b"}]}"#, path),
        (r#"{"data":[{"id":"b-1"},{"id":"b-1"}]}"#, "a budget is listed twice"),
    ] {
        let error = error(all().as_ref(), &day(), list);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{list}");
    }
}

#[test]
fn a_budget_that_cannot_be_trusted_is_refused() {
    let month = "the month of an entry is not a number such as 202611";
    for (detail, wanted) in [
        (String::new(), "the answer is not a JSON object"),
        ("{}".to_owned(), "the answer has no `data`"),
        (r#"{"data":{}}"#.to_owned(), "an object has no `id`"),
        (r#"{"data":{"id":"b-2"}}"#.to_owned(), "the answer is about another budget"),
        (
            r#"{"data":{"id":"b-1"},"meta":{"error":"query failed"}}"#.to_owned(),
            "Datadog could not get the costs of a budget: query failed (budget b-1)",
        ),
        (
            r#"{"data":null,"meta":{"error":{"code":5}}}"#.to_owned(),
            r#"Datadog could not get the costs of a budget: {"code":5} (budget b-1)"#,
        ),
        (of("{}"), "`entries` is not a list of JSON objects"),
        (of("[7]"), "`entries` is not a list of JSON objects"),
        (of("[{}]"), month),
        (of(r#"[{"month":202613}]"#), month),
        (of(r#"[{"month":2026}]"#), month),
        (of(r#"[{"month":"2026-11"}]"#), month),
        (of(r#"[{"month":202611,"costs":7}]"#), "the `costs` of an entry are not a JSON object"),
        (of(r#"[{"month":202611,"tag_filters":{}}]"#), "the `tag_filters` of an entry are not a list"),
        (of(r#"[{"month":202611,"amount":1e400}]"#), "`amount` is too large for a double"),
        (
            of(r#"[{"month":202611},{"month":202611,"tag_filters":[]}]"#),
            "a month and its tags are there twice in a budget",
        ),
    ] {
        let error = with(&detail).expect_err(&detail);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted), "{detail}");
        let place =
            if wanted.ends_with("(budget b-1)") { "window 2026-11-20" } else { "query budget/b-1, window 2026-11-20" };
        assert!(error.to_string().contains(place), "{error}");
    }
}
