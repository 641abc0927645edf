//! Tests of the log of restatements.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{day, facts, now, restated_job, sound_job};
use crate::generation::Changes;
use crate::sums::Sums;
use crate::web::page::restatements;
use crate::web::restated;
use crate::web::view::JobFacts;

#[test]
fn the_log_lists_what_was_restated_newest_first() {
    let jobs = vec![
        restated_job("costs"),
        sound_job("quiet"),
        JobFacts { lake_error: Some("torn".into()), ..sound_job("lost") },
    ];
    let all = facts(jobs);
    let log = restated::log(&all.jobs, now(), false);
    assert_eq!((log.total, log.tables, log.entries.len()), (2, 1, 2), "what is older than 90 days is left out");
    let html = restatements(&all, &log).into_string();
    let places = ["1,234.50 USD", "1,240.75 USD", "+6.25 (+0.5 %)", "10.00 USD", "10.00 USD", "-0.001"];
    let mut from = 0;
    for part in places {
        from += html[from..].find(part).unwrap_or_else(|| panic!("{part} after {from}: {html}")) + part.len();
    }
    for part in [
        "2 restatements in 1 table in the last 90 days.",
        "href=\"/jobs/costs?day=2026-11-01#day\"",
        "estimate, now final",
        "1 table could not be read",
        "lost: torn",
    ] {
        assert!(html.contains(part), "{part}: {html}");
    }
    let kept = restated::log(&all.jobs, now(), true);
    assert_eq!(kept.entries.iter().map(|entry| entry.slot).collect::<Vec<_>>(), [day("2026-11-01")]);
    let nothing = restatements(&all, &restated::log(&[], now(), true)).into_string();
    assert!(nothing.contains("Nothing was restated in the last 90 days, counting only days"), "{nothing}");
}

#[test]
fn the_log_is_bounded_and_says_so() {
    let jobs: Vec<JobFacts> = (0..120).map(|number| restated_job(&format!("t{number:03}"))).collect();
    let log = restated::log(&jobs, now(), false);
    assert_eq!((log.total, log.entries.len(), log.tables), (240, restated::MOST, 120));
    let html = restatements(&facts(Vec::new()), &log).into_string();
    assert!(html.contains("240 restatements in 120 tables in the last 90 days; the newest 200 are shown."), "{html}");
}

#[test]
fn a_table_without_sums_is_logged_by_its_rows() {
    let mut job = restated_job("costs");
    let mut ledger = (*job.ledger).clone();
    let history = &mut ledger.partitions.get_mut("2026-11").unwrap().history;
    for revision in history.revisions.values_mut().flat_map(BTreeMap::values_mut) {
        (revision.sums_before, revision.sums) = (Sums::default(), Sums::default());
        revision.changes = Some(Changes { added: 1, removed: 0, changed: 1_200 });
    }
    job.ledger = Arc::new(ledger);
    let html = restatements(&facts(Vec::new()), &restated::log(&[job], now(), false)).into_string();
    assert!(html.contains(">rows<") && html.contains("1 added, 1,200 changed"), "{html}");
}

#[test]
fn another_currency_is_not_compared() {
    let mut job = restated_job("costs");
    let mut ledger = (*job.ledger).clone();
    let history = &mut ledger.partitions.get_mut("2026-11").unwrap().history;
    history.revisions.values_mut().flat_map(BTreeMap::values_mut).for_each(|of| of.currency = Some("EUR".to_owned()));
    job.ledger = Arc::new(ledger);
    let html = restatements(&facts(Vec::new()), &restated::log(&[job], now(), false)).into_string();
    assert!(html.contains("1,240.75 EUR") && html.contains("another currency") && !html.contains("+6.25"), "{html}");
}
