//! The cap on requests: never exceeded, and the table still becomes complete.
//!
//! The server puts every day of a window on separate pages, so a window of five days takes five (or more) requests. The
//! totals of the days read are requested before them and count like any other request.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use chrono::NaiveDate;
use serde_json::Value;

use crate::support::cost_explorer::{DAILY, after, day, page};
use crate::support::done::Done;
use crate::support::lake::{column, files};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Asked, Reply, Script};

/// November 1 to 5 are due.
const NOW: &str = "2026-11-06T06:00:00Z";

/// Answers page `n` of a window: each day has `pages_of(day)` pages with a group on each.
fn answer(asked: &Asked, pages_of: impl Fn(&str) -> usize) -> Reply {
    let question = asked.json();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let (mut start, end) = (text(&question["TimePeriod"]["Start"]), text(&question["TimePeriod"]["End"]));
    let mut pages = Vec::new();
    while start.parse::<NaiveDate>().expect("a day") < end.parse().expect("a day") {
        pages.extend((0..pages_of(&start)).map(|part| (start.clone(), format!("service {part}"))));
        start = after(&start);
    }
    let number: usize = question["NextPageToken"].as_str().map_or(0, |token| token.parse().expect("a token"));
    let (date, service) = &pages[number];
    let next = (number + 1 < pages.len()).then(|| (number + 1).to_string());
    Reply::good(&page(&[day(date, &[(service, "1")])], next.as_deref()))
}

fn house(budget: &str, pages_of: fn(&str) -> usize) -> (Script, Lakehouse) {
    let script = Script::answering(move |asked| answer(asked, pages_of));
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", &format!("{DAILY}\n[budget]\n{budget}\n"));
    (script, house)
}

/// Requests since the previous call, totals included.
fn sent(script: &Script) -> usize {
    script.take_asked().len() + script.take_totals_asked().len()
}

/// One run; the requests that the server counted must equal those reported and be within the cap.
#[track_caller]
fn run_within(script: &Script, house: &Lakehouse, cap: u64) -> Done {
    let done = house.json(&["run"]);
    let sent = sent(script) as u64;
    assert!(sent <= cap, "{sent} requests were sent: {done}");
    assert_eq!(done.report()["asked"]["requests"], sent, "{done}");
    done
}

fn days_in(house: &Lakehouse) -> usize {
    let rows = house.rows("costs");
    let mut days = column(&rows, "usage_date");
    days.dedup();
    days.len()
}

#[test]
fn a_window_is_shortened_to_what_the_cap_allows() {
    let (script, mut house) = house("max_requests_per_run = 4", |_| 1);
    let done = run_within(&script, &house, 4);
    assert_eq!(days_in(&house), 3, "{done}");
    done.exits(4).says("shortened to 3 of 5 days").says("budget.max_requests_per_run");
    house.set("COSTLAKE_NOW", "2026-11-06T07:00:00Z");
    let missing = house.json(&["backfill", "costs", "--from", "2026-11-01", "--to", "2026-11-05", "--missing"]);
    missing.exits(0);
    assert_eq!(sent(&script), 3, "only what is missing is read, and its totals: {missing}");
    assert_eq!(days_in(&house), 5);
}

#[test]
fn runs_in_a_row_get_through() {
    let (script, house) = house("max_requests_per_run = 4", |_| 2);
    let first = run_within(&script, &house, 4);
    first.exits(4).says("cap of 4 requests").says("budget.max_requests_per_run");
    assert!(house.objects().is_empty(), "nothing of a stopped fetch is written: {first}");
    let (mut days, mut runs) = (0, 0);
    while days < 5 {
        runs += 1;
        assert!(runs < 12, "the runs do not get through: {days} days");
        let done = house.json(&["backfill", "costs", "--from", "2026-11-01", "--to", "2026-11-05", "--missing"]);
        let sent = sent(&script);
        assert!(sent <= 4, "{sent} requests were sent: {done}");
        let now = days_in(&house);
        assert!(now >= days, "days were lost: {done}");
        assert!(done.code == Some(4) || now == 5, "days are left over without a word: {done}");
        days = now;
    }
    assert_eq!(house.rows("costs").len(), 10);
}

#[test]
fn nightly_runs_get_through_although_days_are_read_again() {
    let (script, mut house) = house("max_requests_per_run = 4", |_| 1);
    for night in 6..=12 {
        house.set("COSTLAKE_NOW", &format!("2026-11-{night:02}T06:00:00Z"));
        run_within(&script, &house, 4);
    }
    assert_eq!(days_in(&house), 11, "days never read come before days that are read again");
}

#[test]
fn a_day_larger_than_the_cap_names_the_cap_it_needs() {
    let (script, house) = house("max_requests_per_run = 4", |_| 7);
    for _ in 0..5 {
        run_within(&script, &house, 4).exits(4);
    }
    let last = run_within(&script, &house, 0);
    last.exits(4).says("the smallest step needs at least").says("raise budget.max_requests_per_run to that or more");
    assert!(house.objects().is_empty());
    house.job("costs", &format!("{DAILY}\n[budget]\nmax_requests_per_run = 40\n"));
    house.run_well();
    assert_eq!(days_in(&house), 5);
}

#[test]
fn a_plan_says_that_the_cap_is_too_small_for_the_smallest_step() {
    let (script, house) = house("max_requests_per_run = 1", |_| 1);
    // One request for the totals of a day, one for its page.
    for command in [
        &["run"][..],
        &["plan"],
        &["check", "--online"],
        &["backfill", "costs", "--from", "2026-11-01", "--to", "2026-11-02"],
    ] {
        let done = house.json(command);
        done.exits(4).says("the smallest step needs at least 2 requests").says("raise budget.max_requests_per_run");
    }
    assert_eq!(sent(&script), 0, "and nothing was asked for it");
    house.job("costs", &format!("{DAILY}\n[budget]\nmax_requests_per_run = 2\n"));
    house.json(&["plan"]).exits(0);
    house.json(&["check", "--online"]).exits(0);
    run_within(&script, &house, 2).exits(4);
    assert_eq!(days_in(&house), 1);
}

#[test]
fn a_large_day_does_not_keep_the_days_before_it_out() {
    let (script, house) = house("max_requests_per_run = 5", |day| if day == "2026-11-03" { 9 } else { 1 });
    for _ in 0..7 {
        run_within(&script, &house, 5).exits(4);
    }
    run_within(&script, &house, 5).exits(4).says("raise budget.max_requests_per_run to that or more");
    assert!(days_in(&house) >= 2, "the days before the large one are small: {} days", days_in(&house));
}

#[test]
fn what_a_fetch_set_aside_and_did_not_need_is_there_for_the_next() {
    let pages = Arc::new(AtomicUsize::new(3));
    let told = Arc::clone(&pages);
    let script = Script::answering(move |asked| answer(asked, |_| told.load(Ordering::Relaxed)));
    let house = Lakehouse::new(script.url(), NOW);
    let job = |cap: u64| {
        let since = DAILY.replace("2026-11-01", "2026-10-31");
        house.job("costs", &format!("{since}fetches_in_flight = 2\n[budget]\nmax_requests_per_run = {cap}\n"));
    };
    let range = ["backfill", "costs", "--from", "2026-10-31", "--to", "2026-11-01"];
    job(100);
    house.json(&range).exits(0);
    assert_eq!(sent(&script), 1 + 3 + 3);
    // Enough for either month, and for one of them only.
    job(1 + 3);
    house.json(&range).exits(4).says("cap of 4 requests").hides("needs at least");
    assert_eq!(sent(&script), 1 + 3);
    // Three requests are reserved for the first month, which leaves one for the second until the first is done.
    pages.store(1, Ordering::Relaxed);
    job(1 + 4);
    house.json(&range).exits(0);
    assert_eq!(sent(&script), 1 + 1 + 1);
}

#[test]
fn failing_requests_count() {
    let (script, house) = house("max_requests_per_run = 3", |_| 1);
    script.then([Reply::new(500, ""), Reply::new(500, "")]);
    let done = run_within(&script, &house, 3);
    done.exits(4).says("cap of 3 requests");
    assert!(house.objects().is_empty());
}

#[test]
fn the_months_dollars_are_counted_over_runs() {
    let (script, mut house) = house("max_usd_per_month = 0.08", |_| 1);
    run_within(&script, &house, 6).exits(0);
    let second = run_within(&script, &house, 2);
    second.exits(4).says("budget.max_usd_per_month");
    let third = run_within(&script, &house, 0);
    third.exits(4).says("have spent 0.08 USD").says("budget.max_usd_per_month").says("next month");
    house.set("COSTLAKE_NOW", "2026-12-01T06:00:00Z");
    let december = run_within(&script, &house, 8);
    assert_eq!(december.exits(4).report()["asked"]["requests"], 8, "a new month has its own dollars: {december}");
}

#[test]
fn a_month_that_is_read_again_does_not_keep_the_new_one_out() {
    let script = Script::answering(|asked| answer(asked, |_| 1));
    let mut house = Lakehouse::new(script.url(), NOW);
    let job = DAILY.replace("2026-11-01", "2026-10-01") + "fetches_in_flight = 1\n";
    house.job("costs", &job);
    house.set("COSTLAKE_NOW", "2026-11-02T06:00:00Z");
    house.run_well();
    assert_eq!((sent(&script), days_in(&house)), (33, 32));
    house.job("costs", &format!("{job}\n[budget]\nmax_requests_per_run = 11\n"));
    for night in 3..=6 {
        house.set("COSTLAKE_NOW", &format!("2026-11-{night:02}T06:00:00Z"));
        run_within(&script, &house, 11).exits(4);
    }
    assert_eq!(days_in(&house), 36, "October takes the whole cap every night and November gets nothing");
}

/// What each start record in the lake reserves.
fn reserved(lake: &Path) -> Vec<u64> {
    let found = files(lake).into_iter().filter(|path| path.to_string_lossy().contains(".started"));
    let read = |path: PathBuf| serde_json::from_slice::<Value>(&fs::read(path).expect("a file")).expect("a record");
    found.map(|path| read(path)["reserved"].as_u64().expect("a number")).collect()
}

#[test]
fn a_lake_that_cannot_be_written_is_found_before_anything_is_paid() {
    let (script, house) = house("max_requests_per_run = 40", |_| 1);
    let runs = house.lake().join("_costlake/costs/runs");
    fs::create_dir_all(&runs).expect("a folder");
    fs::write(runs.join("2026-11-06"), "in the way").expect("a file");
    let done = house.json(&["run"]);
    assert_ne!(done.code, Some(0), "{done}");
    done.says("2026-11-06");
    assert_eq!(sent(&script), 0, "{done}");
}

#[test]
fn what_a_killed_run_reserved_stays_spent() {
    let (script, mut house) = house("max_usd_per_month = 0.02", |_| 1);
    house.set("COSTLAKE_CRASH", "started_written:1:die");
    assert_eq!(house.json(&["run"]).code, None, "it did not die");
    assert_eq!((sent(&script), reserved(&house.lake())), (0, vec![2]), "the plan, within the month's dollars");
    house.unset("COSTLAKE_CRASH");
    let next = run_within(&script, &house, 0);
    next.exits(4)
        .says("have spent 0.02 USD")
        .says("0.02 USD of it are reserved by runs that have not ended, or were killed");
    house.set("COSTLAKE_NOW", "2026-12-01T06:00:00Z");
    assert_eq!(run_within(&script, &house, 2).report()["asked"]["requests"], 2, "a new month has its own dollars");
}

#[test]
fn the_record_of_a_run_that_ended_replaces_what_it_reserved() {
    let (script, house) = house("max_usd_per_month = 0.03", |_| 1);
    script.then([Reply::new(400, r#"{"__type":"AccessDeniedException","message":"no"}"#)]);
    let first = house.json(&["run"]);
    assert_eq!(first.report()["asked"]["charged_pages"], 1, "the totals alone were answered: {first}");
    assert!(reserved(&house.lake()).iter().sum::<u64>() > 1, "{first}");
    sent(&script);
    assert_eq!(run_within(&script, &house, 2).report()["asked"]["requests"], 2, "what was not spent comes back");
}

#[test]
fn more_is_reserved_before_more_is_sent() {
    let lake: Arc<OnceLock<PathBuf>> = Arc::default();
    let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (place, held) = (Arc::clone(&lake), Arc::clone(&seen));
    let script = Script::answering(move |asked| {
        held.lock().expect("no panic").push(reserved(place.get().expect("a lake")).iter().sum());
        answer(asked, |_| 3)
    });
    let house = Lakehouse::new(script.url(), NOW);
    house.job("costs", DAILY);
    lake.set(house.lake()).expect("the first");
    house.run_well();
    let seen = seen.lock().expect("no panic");
    let (totals, pages) = seen.split_at(15);
    assert_eq!(pages.len(), 15, "the server adds its answers up for the totals, and then gives them");
    assert!(totals[0] >= 1, "the totals were asked before anything was reserved: {seen:?}");
    for (number, reserved) in (2..).zip(pages) {
        assert!(number <= *reserved, "request {number} was sent when {reserved} were reserved: {seen:?}");
    }
    assert!(reserved(&house.lake()).len() > 1, "one record reserved it all: {seen:?}");
}

#[test]
fn a_run_that_pays_nothing_writes_no_start_record() {
    let (script, mut house) = house("max_requests_per_run = 40", |_| 1);
    house.set("COSTLAKE_NOW", "2026-10-30T06:00:00Z");
    house.json(&["run"]).exits(0);
    assert_eq!((sent(&script), reserved(&house.lake())), (0, vec![]));
}
