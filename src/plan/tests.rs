//! Plans of small tables, one test per rule of the table in [`super`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};

use super::{
    Ask, Plan, SlotState, calendar, history_start, is_stale, least_requests, plan, range, settles_on, shortened, span,
    stages, state_of,
};
use crate::generation::DayFacts;
use crate::job::{self, Job};
use crate::ledger::{DayState, Differing, Ledger, Noted, PartitionState, Quarantined};
use crate::sums::Sums;
use crate::totals::{SlotTotals, Totals};
use crate::window::Window;

pub(super) const GROUPED: &str = r#"type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }]"#;
pub(super) const MONTHLY: &str = r#"type = "aws_cost_and_usage", granularity = "MONTHLY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }]"#;
pub(super) const UNGROUPED: &str = r#"type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"]"#;
pub(super) const HOURLY: &str = r#"type = "aws_cost_and_usage", granularity = "HOURLY", metrics = ["UnblendedCost"]"#;
pub(super) const SNAPSHOT: &str = r#"type = "datadog_ccm_config""#;

pub(super) fn job(source: &str, window: &str) -> Job {
    let text = format!("source = {{ {source} }}\nwindow = {{ {window} }}\n");
    job::parse(Path::new("cost.toml"), &text).unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// Six in the morning of a day.
pub(super) fn at(text: &str) -> DateTime<Utc> {
    format!("{text}T06:00:00Z").parse().unwrap()
}

fn noted(why: &str) -> Noted {
    Noted { at: DateTime::UNIX_EPOCH, why: why.to_owned() }
}

pub(super) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(super) fn days(first: &str, last: &str) -> Vec<NaiveDate> {
    day(first).iter_days().take_while(|slot| *slot <= day(last)).collect()
}

pub(super) fn sums(total: &str) -> Sums {
    [("unblended_cost", total)].into_iter().collect()
}

/// The ledger's state of a day that was read.
pub(super) fn read(read_at: DateTime<Utc>, estimated: bool) -> DayState {
    let facts = DayFacts {
        rows: 1,
        digest: String::new(),
        sums: Sums::default(),
        currency: None,
        estimated,
        epoch: 1,
        read_for: BTreeSet::new(),
        totals: sums("1"),
    };
    DayState { read_at, facts }
}

/// A ledger of days that were read.
pub(super) fn ledger(job: &Job, known: impl IntoIterator<Item = (NaiveDate, DayState)>) -> Ledger {
    let mut ledger = Ledger::empty("cost");
    for (slot, state) in known {
        let partition = ledger.partitions.entry(job.source.grain().partition_of(slot).to_string());
        let empty =
            PartitionState { epoch: 1, bytes: 1, etag: None, days: BTreeMap::new(), history: Default::default() };
        partition.or_insert(empty).days.insert(slot, state);
    }
    ledger
}

/// The same, with one state for all days.
pub(super) fn alike(job: &Job, slots: &[NaiveDate], read_at: &str, estimated: bool) -> Ledger {
    ledger(job, slots.iter().map(|slot| (*slot, read(at(read_at), estimated))))
}

/// The API's totals of days, the same for each.
pub(super) fn totals(slots: &[NaiveDate], total: &str, estimated: bool) -> Totals {
    let told = SlotTotals { sums: sums(total), currency: None, estimated, periods: 1 };
    Totals(slots.iter().map(|slot| (*slot, told.clone())).collect())
}

fn slots(plan: &Plan) -> Vec<NaiveDate> {
    plan.fetches.iter().flat_map(|fetch| fetch.slots.clone()).collect()
}

pub(super) fn due(job: &Job, ledger: &Ledger, today: &str, totals: Option<&Totals>) -> Vec<NaiveDate> {
    slots(&plan(job, ledger, at(today), Ask::Due, totals).unwrap())
}

#[test]
fn days_never_read_are_due_from_the_begin_to_yesterday() {
    let empty = Ledger::empty("cost");
    let job = self::job(GROUPED, r#"begin = "2026-11-05""#);
    assert_eq!(due(&job, &empty, "2026-11-08", None), days("2026-11-05", "2026-11-07"));
    assert_eq!(due(&job, &empty, "2026-11-05", None), []);
    let with_today = self::job(GROUPED, r#"begin = "2026-11-05", include_today = true"#);
    assert_eq!(due(&with_today, &empty, "2026-11-08", None), days("2026-11-05", "2026-11-08"));
    let months = self::job(MONTHLY, r#"begin = "2026-09-01""#);
    assert_eq!(due(&months, &empty, "2026-11-01", None), [day("2026-09-01"), day("2026-10-01")]);
    assert_eq!(span(&months, at("2026-11-02")), Window::new(day("2026-09-01"), day("2026-12-01")));
}

#[test]
fn days_before_the_apis_history_are_out_of_reach() {
    let job = self::job(GROUPED, r#"begin = "2025-01-01""#);
    let planned = plan(&job, &Ledger::empty("cost"), at("2026-11-10"), Ask::Due, None).unwrap();
    assert_eq!(slots(&planned), days("2025-10-01", "2026-11-09"));
    assert_eq!(planned.notes.len(), 1);
    assert!(planned.notes[0].starts_with("2025-01-01 to 2025-09-30: 273 not available"), "{:?}", planned.notes);
    assert_eq!(planned.totals, Window::new(day("2025-10-01"), day("2026-11-10")), "the probe is of what can be asked");
    let today = day("2026-11-10");
    assert_eq!(history_start(&self::job(HOURLY, r#"begin = "2026-11-01""#), today), day("2026-10-28"));
    assert_eq!(history_start(&self::job(SNAPSHOT, ""), today), day("2025-08-01"));
    let state = |ledger: &Ledger| state_of(&job, ledger, day("2025-09-30"), at("2026-11-10"));
    let mut failed = Ledger::empty("cost");
    failed.failed.insert(day("2025-09-30"), noted("refused"));
    assert_eq!((state(&Ledger::empty("cost")), state(&failed)), (SlotState::NotAvailable, SlotState::NotAvailable));
    assert_eq!(state_of(&job, &failed, day("2025-10-01"), at("2026-11-10")), SlotState::Missing);
}

#[test]
fn days_before_the_sources_first_day_are_out_of_reach() {
    const BY_MODEL: &str = r#"type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ product_attribute = "model" }]"#;
    let empty = Ledger::empty("cost");
    let job = self::job(BY_MODEL, r#"begin = "2026-08-01""#);
    let planned = plan(&job, &empty, at("2026-09-04"), Ask::Due, None).unwrap();
    assert_eq!(slots(&planned), days("2026-09-01", "2026-09-03"));
    assert_eq!(planned.totals, Window::new(day("2026-09-01"), day("2026-09-04")));
    assert!(planned.notes[0].starts_with("2026-08-01 to 2026-08-31: 31 not available"), "{:?}", planned.notes);
    let states = calendar(&job, &empty, at("2026-09-04"));
    let beyond = states.iter().filter(|slot| slot.state == SlotState::NotAvailable && slot.gap().is_none()).count();
    assert_eq!((beyond, states.len()), (31, 34));
    let (asked, notes) = asked(&job, &empty, "2026-08-31", "2026-09-01").unwrap();
    assert_eq!(asked, days("2026-08-31", "2026-09-01"), "a backfill asks all the same");
    assert!(notes.contains("2026-08-31 is older than the API's documented history"), "{notes}");
    assert_eq!(history_start(&job, day("2028-01-05")), day("2026-12-01"), "the API's own history ends later by then");
    assert_eq!(due(&job, &empty, "2026-08-20", None), [], "nothing is there yet");
}

#[test]
fn a_refresh_of_days_reads_the_last_ones_again() {
    let job = self::job(GROUPED, r#"begin = "2026-10-01", refresh = "3 days""#);
    let known = alike(&job, &days("2026-10-01", "2026-11-09"), "2026-11-09", false);
    let planned = plan(&job, &known, at("2026-11-10"), Ask::Due, None).unwrap();
    assert_eq!(slots(&planned), days("2026-11-07", "2026-11-09"));
    assert_eq!(planned.totals, Window::new(day("2026-11-07"), day("2026-11-10")), "control sums of what is read");
    let ungrouped = self::job(UNGROUPED, r#"begin = "2026-10-01", refresh = "3 days""#);
    assert_eq!(plan(&ungrouped, &known, at("2026-11-10"), Ask::Due, None).unwrap().totals, None);
    let none = self::job(GROUPED, r#"begin = "2026-11-10", refresh = "3 days""#);
    let notes = vec!["nothing is due yet: the table begins on 2026-11-10 (window.begin)".to_owned()];
    assert_eq!(plan(&none, &known, at("2026-11-10"), Ask::Due, None).unwrap(), Plan { notes, ..Plan::default() });
}

#[test]
fn until_a_month_settles_billing_close_reads_it_again() {
    let job = self::job(GROUPED, r#"begin = "2026-09-01", refresh = "billing-close""#);
    for (today, first, last) in [
        ("2026-11-01", "2026-10-01", "2026-10-31"),
        ("2026-11-15", "2026-10-01", "2026-11-14"),
        ("2026-11-16", "2026-11-01", "2026-11-15"),
    ] {
        let known = alike(&job, &days("2026-09-01", last), last, false);
        assert_eq!(due(&job, &known, today, None), days(first, last), "{today}");
    }
    assert_eq!(settles_on(&job, day("2026-12-31")), day("2027-01-15"));
}

#[test]
fn an_estimate_is_read_once_more_when_its_month_has_settled() {
    let job = self::job(GROUPED, r#"begin = "2026-09-30", refresh = "1 days""#);
    let of = |read_at, estimated, today: &str| {
        let mut known = alike(&job, &days("2026-10-01", "2026-10-31"), "2026-10-31", false);
        let state = read(at(read_at), estimated);
        known.partitions.extend(ledger(&job, [(day("2026-09-30"), state)]).partitions);
        let stale = is_stale(&job, &known, day("2026-09-30"), at(today));
        (due(&job, &known, today, None).contains(&day("2026-09-30")), stale)
    };
    assert_eq!(of("2026-10-10", true, "2026-10-15"), (false, false), "its month is still open");
    assert_eq!(of("2026-10-10", true, "2026-10-16"), (true, true));
    assert_eq!(of("2026-10-15", true, "2026-10-16"), (true, true));
    assert_eq!(of("2026-10-16", true, "2026-10-17"), (false, false), "it was read since");
    assert_eq!(of("2026-10-10", false, "2026-10-16"), (false, false), "it is no estimate");
}

#[test]
fn a_probe_reads_what_moved() {
    let job = self::job(GROUPED, r#"begin = "2026-11-01""#);
    let slots = days("2026-11-01", "2026-11-09");
    let known = alike(&job, &slots, "2026-11-09", true);
    let now = |moved: &str, total, estimated| {
        let mut now = totals(&slots, "1", true);
        now.0.extend(totals(&[day(moved)], total, estimated).0);
        due(&job, &known, "2026-11-10", Some(&now))
    };
    assert_eq!(now("2026-11-04", "1", true), []);
    assert_eq!(now("2026-11-04", "2", true), [day("2026-11-04")]);
    assert_eq!(now("2026-11-04", "1", false), [day("2026-11-04")]);
    assert_eq!(due(&job, &known, "2026-11-10", None), [], "nothing is known to have moved");
    assert_eq!(plan(&job, &known, at("2026-11-10"), Ask::Due, Some(&totals(&slots, "1", true))).unwrap().totals, None);
}

#[test]
fn an_open_month_is_read_whole_now_and_then_and_once_when_it_has_settled() {
    let job = self::job(GROUPED, r#"begin = "2026-11-01""#);
    let slots = days("2026-11-01", "2026-11-09");
    let of = |oldest: &str, today| {
        let mut known = alike(&job, &slots, "2026-11-09", false);
        known.partitions.get_mut("2026-11").unwrap().days.insert(day("2026-11-05"), read(at(oldest), false));
        due(&job, &known, today, Some(&totals(&slots, "1", false)))
    };
    assert_eq!(of("2026-11-04", "2026-11-10"), []);
    assert_eq!(of("2026-11-03", "2026-11-10"), slots, "a day was read seven days ago");
    let whole = days("2026-11-01", "2026-11-30");
    let settled = |read_at, today| {
        let known = alike(&job, &whole, read_at, false);
        due(&job, &known, today, Some(&totals(&whole, "1", false))).contains(&day("2026-11-30"))
    };
    assert!(!settled("2026-12-14", "2026-12-15"), "the month settles after this day");
    assert!(settled("2026-12-15", "2026-12-16"));
    assert!(!settled("2026-12-16", "2026-12-17"), "it was read since");
    assert!(!settled("2026-12-16", "2027-02-01"), "a settled month is not read whole again");
}

#[test]
fn days_that_did_not_add_up_are_due_and_quarantined_ones_when_there_is_something_new() {
    let (first, last) = ("2026-10-01", "2026-11-09");
    let slots = days(first, last);
    let held = Quarantined {
        at: at(last),
        since: at(last),
        why: "odd".to_owned(),
        totals: sums("5"),
        currency: None,
        estimated: false,
        figures: None,
    };
    let slot = day("2026-10-20");
    for (window, now, quarantined) in [
        (r#"begin = "2026-10-01""#, "5", false),
        (r#"begin = "2026-10-01""#, "6", true),
        (r#"begin = "2026-10-01", refresh = "21 days""#, "5", true),
        (r#"begin = "2026-10-01", refresh = "20 days""#, "5", false),
    ] {
        let job = self::job(GROUPED, window);
        let mut known = alike(&job, &slots, last, false);
        let mut told = totals(&slots, "1", false);
        told.0.extend(totals(&[slot], now, false).0);
        known.quarantined.insert(slot, held.clone());
        assert_eq!(due(&job, &known, "2026-11-10", Some(&told)).contains(&slot), quarantined, "{window} {now}");
        assert_eq!(state_of(&job, &known, slot, at("2026-11-10")), SlotState::Held);
        known.unsettled.insert(slot, noted("off"));
        assert!(due(&job, &known, "2026-11-10", Some(&told)).contains(&slot), "{window}");
        assert_eq!(state_of(&job, &known, slot, at("2026-11-10")), SlotState::Mismatch);
    }
}

#[test]
fn a_total_in_another_currency_has_moved() {
    let job = self::job(GROUPED, r#"begin = "2026-10-01""#);
    let slot = day("2026-11-05");
    let is_due = |known: Option<&str>, told: Option<&str>| {
        let mut ledger = alike(&job, &days("2026-10-01", "2026-11-09"), "2026-11-09", false);
        for state in ledger.partitions.values_mut() {
            state.days.values_mut().for_each(|day| day.facts.currency = known.map(str::to_owned));
        }
        let mut totals = totals(&days("2026-10-01", "2026-11-09"), "1", false);
        totals.0.values_mut().for_each(|total| total.currency = told.map(str::to_owned));
        due(&job, &ledger, "2026-11-10", Some(&totals)).contains(&slot)
    };
    assert!(is_due(Some("USD"), Some("EUR")), "the number is the same, what it counts is not");
    assert!(!is_due(Some("USD"), Some("USD")));
    assert!(!is_due(None, Some("EUR")) && !is_due(Some("USD"), None), "what is not known is no other currency");
}

#[test]
fn a_day_that_misses_a_reported_total_is_tried_once_a_day_three_times() {
    let job = self::job(GROUPED, r#"begin = "2026-09-01""#);
    let (slot, slots) = (day("2026-09-05"), days("2026-09-01", "2026-11-09"));
    let found = |tries, tried: &str| {
        let mut known = alike(&job, &slots, "2026-11-09", false);
        let why = "usage_quantity: the rows add up to 9, the API's total is 90".to_owned();
        known.differing.insert(slot, Differing { at: at(tried), since: at("2026-11-07"), tries, why });
        let due = due(&job, &known, "2026-11-10", Some(&totals(&slots, "1", false))).contains(&slot);
        let shown = calendar(&job, &known, at("2026-11-10")).into_iter().find(|shown| shown.day == slot).unwrap();
        (due, shown.state == SlotState::Differing, shown.gap(), shown.why(&known).is_some())
    };
    assert_eq!(found(0, "2026-11-09"), (true, false, None, false));
    assert_eq!(found(2, "2026-11-09"), (true, false, None, false));
    assert_eq!(found(2, "2026-11-10"), (false, false, None, false), "today has had its try");
    assert_eq!(found(2, "2027-11-10"), (true, false, None, false), "a try of a wrong clock is none");
    assert_eq!(found(3, "2026-11-09"), (false, true, None, true), "shown, and no gap");
}

#[test]
fn a_state_follows_from_what_was_read_and_when() {
    let job = self::job(GROUPED, r#"begin = "2026-10-01""#);
    let of = |estimated, today| {
        let known = alike(&job, &days("2026-10-05", "2026-10-05"), "2026-11-20", estimated);
        state_of(&job, &known, day("2026-10-05"), at(today))
    };
    assert_eq!(of(false, "2026-11-15"), SlotState::Estimated, "its month has not settled");
    assert_eq!(of(false, "2026-11-16"), SlotState::Final);
    assert_eq!(of(true, "2026-11-16"), SlotState::Estimated);
    let mut known = alike(&job, &days("2026-10-05", "2026-10-05"), "2026-11-20", false);
    known.failed.insert(day("2026-10-05"), noted("cut"));
    assert_eq!(state_of(&job, &known, day("2026-10-05"), at("2026-11-16")), SlotState::Failed);
    let snapshot = self::job(SNAPSHOT, "");
    let known = alike(&snapshot, &days("2026-11-10", "2026-11-10"), "2026-11-10", false);
    assert_eq!(state_of(&snapshot, &known, day("2026-11-10"), at("2026-11-10")), SlotState::Final);
    assert_eq!(due(&snapshot, &known, "2026-11-10", None), [day("2026-11-10")], "a snapshot is always of today");
    let why = |slot: &super::Slot| slot.why(&known).map(str::to_owned);
    assert_eq!(calendar(&snapshot, &known, at("2026-11-11")).iter().map(why).collect::<Vec<_>>(), [None, None]);
}

#[test]
fn a_day_is_complete_with_every_query_of_the_job() {
    let query = |kinds: &str| format!(r#"type = "datadog_savings", queries = [{kinds}]"#);
    let (aws, gcp) = (r#"{ provider = "aws", product = "ec2" }"#, r#"{ provider = "gcp", product = "compute" }"#);
    let window = r#"begin = "2026-11-01", refresh = "1 days""#;
    let (one, both) = (job(&query(aws), window), job(&query(&format!("{aws}, {gcp}")), window));
    let state = |job: &Job| {
        let mut state = read(at("2026-11-09"), false);
        state.facts.read_for = job.source.read_for();
        state
    };
    let known = ledger(&one, days("2026-11-01", "2026-11-09").into_iter().map(|slot| (slot, state(&one))));
    assert_eq!(due(&one, &known, "2026-11-10", None), [day("2026-11-09")]);
    assert_eq!(due(&both, &known, "2026-11-10", None), days("2026-11-01", "2026-11-09"));
    assert_eq!(state_of(&both, &known, day("2026-11-01"), at("2026-11-10")), SlotState::Missing);
    let known = ledger(&both, days("2026-11-01", "2026-11-09").into_iter().map(|slot| (slot, state(&both))));
    assert_eq!(due(&one, &known, "2026-11-10", None), [day("2026-11-09")], "more than the job asks for is enough");
}

#[test]
fn a_day_is_stale_when_two_nights_passed_it_by() {
    let stale = |window: &str, read_at: &str, probed_at: Option<&str>, slot: &str| {
        let job = self::job(GROUPED, window);
        let mut known = alike(&job, &days("2026-10-01", "2026-11-08"), read_at, false);
        known.probed_at = probed_at.map(at);
        is_stale(&job, &known, day(slot), at("2026-11-10"))
    };
    let three = r#"begin = "2026-10-01", refresh = "3 days""#;
    assert!(stale(three, "2026-11-08", None, "2026-11-07"), "48 hours");
    assert!(!stale(three, "2026-11-09", None, "2026-11-07"));
    assert!(!stale(three, "2026-11-08", None, "2026-11-06"), "the rule does not look at it");
    assert!(!stale(three, "2026-11-08", None, "2026-11-09"), "it is missing, which is told otherwise");
    assert!(
        !stale(r#"begin = "2026-11-08", refresh = "3 days""#, "2026-11-08", None, "2026-11-07"),
        "before the begin"
    );
    let probe = r#"begin = "2026-10-01""#;
    assert!(stale(probe, "2026-11-08", None, "2026-10-01"));
    assert!(stale(probe, "2026-11-07", Some("2026-11-08"), "2026-10-01"));
    assert!(!stale(probe, "2026-11-07", Some("2026-11-09"), "2026-10-01"), "a probe has looked at it");
    assert!(!stale(probe, "2026-11-09", Some("2026-11-01"), "2026-10-01"), "it was read since the probe");
    let snapshot = self::job(SNAPSHOT, "");
    let known = alike(&snapshot, &days("2026-11-01", "2026-11-01"), "2026-11-01", false);
    assert!(!is_stale(&snapshot, &known, day("2026-11-01"), at("2026-11-10")));
}

fn asked(job: &Job, ledger: &Ledger, from: &str, to: &str) -> Result<(Vec<NaiveDate>, String), String> {
    let ask = Ask::Range { window: range(day(from), day(to)).unwrap(), missing_only: false };
    match plan(job, ledger, at("2026-11-10"), ask, None) {
        Ok(plan) => Ok((slots(&plan), plan.notes.join("\n"))),
        Err(error) => Err(error.message().to_owned()),
    }
}

#[test]
fn a_range_is_asked_as_far_as_there_is_something_to_ask() {
    let job = self::job(GROUPED, r#"begin = "2025-01-01""#);
    let empty = Ledger::empty("cost");
    let told = |from, to| asked(&job, &empty, from, to);
    assert_eq!(told("2026-11-01", "2026-11-10"), Ok((days("2026-11-01", "2026-11-10"), String::new())));
    let (read, note) = told("2026-11-09", "2026-11-30").unwrap();
    assert_eq!(read, days("2026-11-09", "2026-11-10"));
    assert!(note.contains("read up to 2026-11-10"), "{note}");
    assert!(told("2026-11-09", "2026-12-01").unwrap_err().contains("past the end of this month"));
    assert!(told("2026-11-11", "2026-11-12").unwrap_err().contains("not begun yet"));
    assert!(told("2024-12-31", "2026-11-01").unwrap_err().contains("before the table's begin"));
    assert!(told("2025-01-01", "2025-01-01").unwrap().1.contains("older than the API's documented history"));
    assert_eq!(told("2025-10-01", "2025-10-01").unwrap().1, "");
    let months = self::job(MONTHLY, r#"begin = "2026-01-01""#);
    for (from, to) in [("2026-10-02", "2026-10-31"), ("2026-10-01", "2026-10-30")] {
        assert!(asked(&months, &empty, from, to).unwrap_err().contains("not whole months"), "{from} {to}");
    }
    assert_eq!(asked(&months, &empty, "2026-10-01", "2026-10-31"), Ok((vec![day("2026-10-01")], String::new())));
    let snapshot = self::job(SNAPSHOT, "");
    assert!(asked(&snapshot, &empty, "2026-11-10", "2026-11-10").unwrap_err().contains("only today's state"));
    assert!(range(day("2026-11-02"), day("2026-11-01")).is_err());
}

#[test]
fn of_a_range_only_what_is_missing_may_be_asked() {
    let job = self::job(GROUPED, r#"begin = "2026-10-01""#);
    let known = alike(&job, &days("2026-10-30", "2026-11-02"), "2026-11-09", false);
    let window = range(day("2026-10-29"), day("2026-11-03")).unwrap();
    let ask = Ask::Range { window, missing_only: true };
    let planned = plan(&job, &known, at("2026-11-10"), ask, None).unwrap();
    assert_eq!(slots(&planned), [day("2026-10-29"), day("2026-11-03")]);
    assert_eq!(planned.totals, Window::new(day("2026-10-29"), day("2026-11-04")));
    assert_eq!((planned.totals_requests(), planned.expected_requests(), planned.slots()), (1, 3, 2));
}

#[test]
fn what_the_ledger_knows_can_be_asked_again_but_for_snapshots() {
    let job = self::job(GROUPED, r#"begin = "2026-08-01""#);
    let known = alike(&job, &days("2026-08-30", "2026-11-02"), "2026-11-09", false);
    let grain = job.source.grain();
    let of = |first, last| Ask::Known { first: grain.partition_of(day(first)), last: grain.partition_of(day(last)) };
    let planned = plan(&job, &known, at("2026-11-10"), of("2026-09-01", "2026-10-01"), None).unwrap();
    assert_eq!(slots(&planned), days("2026-09-01", "2026-10-31"));
    let snapshot = self::job(SNAPSHOT, "");
    let refused = plan(&snapshot, &known, at("2026-11-10"), of("2026-11-01", "2026-11-01"), None).unwrap_err();
    assert!(refused.message().contains("cannot be read again"), "{refused}");
}

#[test]
fn small_gaps_are_read_through_and_a_budget_takes_what_fits() {
    let job = self::job(GROUPED, r#"begin = "2026-11-01""#);
    let mut known = alike(&job, &days("2026-11-01", "2026-11-20"), "2026-11-19", false);
    known.learnt.page_rows = 100;
    known.learnt.slot_rows = 20;
    let mut told = totals(&days("2026-11-01", "2026-11-20"), "1", false);
    told.0.extend(totals(&[day("2026-11-01"), day("2026-11-04"), day("2026-11-12")], "2", false).0);
    let planned = plan(&job, &known, at("2026-11-21"), Ask::Due, Some(&told)).unwrap();
    let [fetch] = &planned.fetches[..] else { panic!("{planned:?}") };
    let windows = [("2026-11-01", "2026-11-05"), ("2026-11-12", "2026-11-13")];
    assert_eq!(fetch.windows, windows.map(|(start, end)| Window::new(day(start), day(end)).unwrap()));
    assert_eq!((fetch.expected_requests, planned.expected_requests()), (2, 2), "five days are a page");
    known.partitions.get_mut("2026-11").unwrap().days.get_mut(&day("2026-11-12")).unwrap().read_at = at("2026-11-15");
    let part = shortened(&job, &known, fetch, 1).unwrap();
    assert!(part.slots.contains(&day("2026-11-12")) && part.expected_requests == 1, "the oldest read comes first");
    assert_eq!(shortened(&job, &known, fetch, 2).unwrap().slots, fetch.slots);
    assert_eq!(shortened(&job, &known, fetch, 0), None);
    let least = |whole| least_requests(&job, &known, &planned.fetches, whole);
    assert_eq!((least(false), least(true), least_requests(&job, &known, &[], true)), (1, 2, 0));
}

#[test]
fn days_never_read_come_before_those_that_are_read_again() {
    let job = self::job(GROUPED, r#"begin = "2026-09-01", refresh = "billing-close""#);
    let older = days("2026-10-01", "2026-10-31").into_iter().map(|slot| (slot, read(at("2026-11-08"), false)));
    let newer = days("2026-11-01", "2026-11-08").into_iter().map(|slot| (slot, read(at("2026-11-07"), false)));
    let mut known = ledger(&job, older.chain(newer));
    known.partitions.extend(alike(&job, &days("2026-09-01", "2026-09-29"), "2026-10-20", false).partitions);
    let planned = plan(&job, &known, at("2026-11-10"), Ask::Due, None).unwrap();
    let of = |apart| {
        let named = |fetches: &Vec<super::Fetch>| {
            let name = |fetch: &super::Fetch| format!("{} {}", fetch.partition, fetch.slots.len());
            fetches.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        stages(&job, &known, &planned.fetches, apart).map(|stage| named(&stage))
    };
    assert_eq!(of(false), ["2026-09 1, 2026-11 9", "2026-10 31"]);
    assert_eq!(of(true), ["2026-09 1, 2026-11 1", "2026-11 8, 2026-10 31"], "the oldest read comes first");
}

#[test]
fn a_first_day_that_another_writer_contradicts_hides_nothing() {
    let job = job(GROUPED, r#"begin = "2026-10-01", refresh = "3 days""#);
    let mut known = alike(&job, &days("2026-11-01", "2026-11-09"), "2026-11-10", false);
    known.first_day = Some(day("2026-11-01"));
    let state = |known: &Ledger, slot: &str| state_of(&job, known, day(slot), at("2026-11-10"));
    assert_eq!(state(&known, "2026-10-20"), SlotState::NotAvailable);
    let noted = Noted { at: at("2026-11-10"), why: "no".to_owned() };
    known.failed.insert(day("2026-10-20"), noted);
    assert_eq!(state(&known, "2026-10-20"), SlotState::Failed);
    assert_eq!(state(&known, "2026-10-21"), SlotState::NotAvailable);
    let older = alike(&job, &[day("2026-10-05")], "2026-11-10", false);
    known.partitions.extend(older.partitions);
    assert_eq!(state(&known, "2026-10-21"), SlotState::Missing);
}

#[test]
fn a_day_whose_read_failed_lately_is_due_where_it_takes_no_other_with_it() {
    let job = job(GROUPED, r#"begin = "2026-09-01", refresh = "3 days""#);
    let mut known = alike(&job, &days("2026-09-01", "2026-11-08"), "2026-11-09", false);
    let noted = |on: &str| Noted { at: at(on), why: "no".to_owned() };
    known.failed.insert(day("2026-09-10"), noted("2026-11-09"));
    known.failed.insert(day("2026-11-02"), noted("2026-11-09"));
    let of = |known: &Ledger, today: &str| due(&job, known, today, None);
    assert!(of(&known, "2026-11-10").contains(&day("2026-09-10")));
    assert!(!of(&known, "2026-11-10").contains(&day("2026-11-02")), "days of its month are due");
    assert!(!of(&known, "2026-11-20").contains(&day("2026-09-10")), "it was refused long enough");
}
