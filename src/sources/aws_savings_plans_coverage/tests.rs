use super::ENTRY;
use crate::error::Kind;
use crate::sources::cost_explorer::testing::{error, fetch, lines, shown, source, window};

const PAGES: [&str; 2] = [include_str!("fixtures/page_1.json"), include_str!("fixtures/page_2.json")];

#[test]
fn a_page_holds_all_days_and_the_next_is_asked_for_by_its_token() {
    let source = source(&ENTRY, "");
    let days = [window("2026-11-19", "2026-11-20")];
    assert_eq!(
        shown(&source.requests(&[window("2026-10-01", "2026-10-31")])),
        [
            r#"GetSavingsPlansCoverage: {"Granularity":"DAILY","MaxResults":31,"TimePeriod":{"End":"2026-11-01","Start":"2026-10-01"}}"#
        ]
    );
    let fetched = fetch(source.as_ref(), &days, |asked| match asked.text("NextToken") {
        None => PAGES[0].to_owned(),
        Some("made-up-token") => PAGES[1].to_owned(),
        other => panic!("{other:?}"),
    })
    .expect("rows");
    assert_eq!(lines(&fetched), ["2026-11-19|228.5|90.25|318.75|71.68627450980392|-", "2026-11-20|240|0|240|100|-"]);
}

#[test]
fn a_token_that_comes_again_ends_the_fetch() {
    let days = [window("2026-11-19", "2026-11-20")];
    for (answer, wanted) in [
        (PAGES[0], "the answer has the period 2026-11-19 twice"),
        (
            r#"{"SavingsPlansCoverages":[],"NextToken":"again"}"#,
            "the answer repeats a NextToken: following it would never end",
        ),
    ] {
        let error = error(source(&ENTRY, "").as_ref(), &days, answer);
        assert_eq!((error.kind(), error.message()), (Kind::BadAnswer, wanted));
    }
}
