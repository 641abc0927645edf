//! Tests of the HTML: every value escaped, nothing inline, usable without sight, mouse or script.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use maud::Markup;

use crate::cents::Cents;
use crate::error::Kind;
use crate::generation::DayFacts;
use crate::job::section::Problem;
use crate::job::{self, BrokenJob};
use crate::ledger::{DayState, History, Ledger, Noted, PartitionState, Quarantined, Refused, RefusedGroup, Revision};
use crate::pipeline::Look;
use crate::plan::{Ask, plan as plan_of, range};
use crate::report::{Failure, FetchReport, JobReport, Outcome, RequestStats};
use crate::scheduler::progress::{PartitionProgress, Progress};
use crate::sums::Sums;
use crate::web::chart_data::{Band, Figures, Stacked, Summary};
use crate::web::choice::{Choice, Range, Step};
use crate::web::restated;
use crate::web::view::{AcceptFacts, JobFacts, PageFacts, PlanFacts, Run, Selected};
use crate::window::parse_day;

use super::{accept, live, login, overview, plan, problem, restatements, running as running_list, tables};
use crate::web::badge::Badge;

mod log;
mod many;

const HOSTILE: &str = "<script>alert(1)</script>\"' onload=x \u{202e}\0 &amp; style=\"x\"";

fn now() -> DateTime<Utc> {
    "2026-11-04T09:00:00Z".parse().unwrap()
}

fn day(text: &str) -> NaiveDate {
    parse_day(text).unwrap()
}

fn known(rows: u64, estimated: bool) -> DayState {
    let sums = [("unblended_cost", "1234.5")].into_iter().collect();
    let read_for = BTreeSet::new();
    let facts = DayFacts {
        rows,
        digest: String::new(),
        sums,
        currency: None,
        estimated,
        epoch: 3,
        read_for,
        totals: Sums::default(),
    };
    DayState { read_at: "2026-11-04T06:31:00Z".parse().unwrap(), facts }
}

/// A job whose texts are all hostile, with two days read and one missing.
fn hostile_job() -> JobFacts {
    let text = format!(
        "description = {description}\n[schedule]\ncron = \"30 6 * * *\"\n[source]\ntype = \"aws_cost_and_usage\"\n\
         granularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]\ngroup_by = [{{ tag = {description} }}]\n\
         [window]\nbegin = \"2026-11-01\"\n",
        description = serde_json::to_string(&HOSTILE.replace('\0', "")).unwrap()
    );
    let job = Arc::new(job::parse(Path::new("jobs/costs.toml"), &text).unwrap());
    let days = BTreeMap::from([(day("2026-11-01"), known(412, true)), (day("2026-11-02"), known(7, false))]);
    let mut ledger = Ledger::empty("costs");
    ledger.partitions.insert(
        "2026-11".to_owned(),
        PartitionState { epoch: 3, bytes: 5_000, etag: None, days, history: History::default() },
    );
    ledger.unsettled.insert(day("2026-11-02"), Noted { at: DateTime::UNIX_EPOCH, why: HOSTILE.to_owned() });
    let mut run = JobReport::begin(&"costs".into(), "r1", HOSTILE, now(), true);
    let failure = Failure { kind: Kind::Refused.into(), text: HOSTILE.repeat(200), exit_code: 1 };
    let fetch = FetchReport {
        notes: vec![HOSTILE.to_owned()],
        windows: vec![HOSTILE.to_owned()],
        failure: Some(failure.clone()),
        ..FetchReport::begin(HOSTILE.to_owned(), Outcome::Failed)
    };
    (run.fetches, run.failure, run.notes) = (vec![fetch], Some(failure.clone()), vec![HOSTILE.to_owned()]);
    run.close();
    let stacked = Stacked {
        measure: "unblended_cost".to_owned(),
        grouping: Some("tag_x".to_owned()),
        unit: HOSTILE.to_owned(),
        groups: vec![Band { id: Some(HOSTILE.to_owned()), name: HOSTILE.repeat(200) }],
        days: BTreeMap::from([(day("2026-11-01"), vec![5_000_000_000_000])]),
        is_count: false,
    };
    let summary = Summary::made_up(Figures::Stacked(vec![stacked]), vec![HOSTILE.to_owned()]);
    JobFacts {
        next: job.schedule.as_ref().map(|schedule| schedule.next(now(), 3)).unwrap_or_default(),
        job,
        ledger: Arc::new(ledger),
        notes: Vec::new(),
        look: Look { origin: vec![HOSTILE.to_owned()], refused: Some(failure) },
        runs: Arc::new(vec![run]),
        live: None,
        outlasted: None,
        file_error: Some(HOSTILE.to_owned()),
        lake_error: None,
        summary: Some(Arc::new(summary)),
        usd_this_month: Cents(123),
    }
}

fn running(mut job: JobFacts) -> JobFacts {
    let mut run = Progress::begin(HOSTILE, now());
    run.fetches = Some(4);
    run.fetches_done = 1;
    let asked = RequestStats { pages: 3, charged_pages: 3, ..RequestStats::default() };
    let partition = PartitionProgress { expected_requests: 9, rows: 1_500, asked, outcome: None };
    run.partitions.insert("2026-11".to_owned(), partition);
    (job.live, job.outlasted) = (Some(run), Some(now()));
    job
}

fn facts(jobs: Vec<JobFacts>) -> PageFacts {
    let problems = vec![Problem::new(HOSTILE, HOSTILE)];
    PageFacts {
        now: now(),
        clock_is_fixed: true,
        lake: HOSTILE.to_owned(),
        jobs,
        beyond: None,
        broken: vec![BrokenJob { file: HOSTILE.into(), problems }],
        actions: true,
        mark: "0".to_owned(),
        version: "1",
    }
}

/// The same facts of a table of another name.
fn renamed(job: &JobFacts, name: &str) -> JobFacts {
    JobFacts { job: Arc::new(job::Job { unit: name.into(), ..(*job.job).clone() }), ..job.clone() }
}

/// A table whose days are final and as they should be, restated twice: a final day yesterday, an estimate before.
fn restated_job(name: &str) -> JobFacts {
    let mut job = sound_job(name);
    let mut ledger = (*job.ledger).clone();
    let history = &mut ledger.partitions.get_mut("2026-11").unwrap().history;
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let generations = [(1, "2026-07-01T07:00:00Z"), (2, "2026-11-02T07:00:00Z"), (3, "2026-11-03T07:00:00Z")];
    history.generations = generations.map(|(epoch, text)| (epoch, at(text))).into();
    let revision = |epoch: u64, before: &str, after: &str, estimated_before| Revision {
        replaced_epoch: epoch - 1,
        rows_before: 7,
        rows: 8,
        sums_before: [("unblended_cost", before)].into_iter().collect(),
        sums: [("unblended_cost", after)].into_iter().collect(),
        currency_before: Some("USD".to_owned()),
        currency: Some("USD".to_owned()),
        estimated_before,
        estimated: false,
        changes: None,
    };
    let old = revision(1, "1", "2", false);
    history.revisions.insert(day("2026-11-01"), [(1, old), (3, revision(3, "1234.5", "1240.75", false))].into());
    history.revisions.insert(day("2026-11-02"), [(2, revision(2, "10", "9.999", true))].into());
    job.ledger = Arc::new(ledger);
    job
}

/// A table without any trouble.
fn sound_job(name: &str) -> JobFacts {
    let mut job = renamed(&hostile_job(), name);
    let mut ledger = (*job.ledger).clone();
    ledger.unsettled.clear();
    let days = &mut ledger.partitions.get_mut("2026-11").unwrap().days;
    *days = ["2026-11-01", "2026-11-02", "2026-11-03"].map(|text| (day(text), known(7, true))).into();
    (job.ledger, job.look, job.file_error, job.runs) = (Arc::new(ledger), Look::default(), None, Arc::default());
    job
}

fn live_of(job: &JobFacts) -> Markup {
    live(job.live.as_ref(), job.outlasted, now())
}

fn run_of(job: &JobFacts) -> Run<'_> {
    Run { unit: &job.job.unit, live: job.live.as_ref().unwrap(), outlasted: job.outlasted }
}

fn a_plan(job: &JobFacts) -> PlanFacts {
    let (from, to) = (day("2026-11-01"), day("2026-11-03"));
    let ask = Ask::Range { window: range(from, to).unwrap(), missing_only: false };
    let plan = plan_of(&job.job, &job.ledger, now(), ask, None).unwrap();
    PlanFacts { from, to, missing: true, plan, price: Cents(4), notes: vec![HOSTILE.to_owned()] }
}

/// One group of a month, by week.
fn chosen(job: &JobFacts) -> Selected {
    let choice =
        Choice { group: Some(HOSTILE.to_owned()), range: Range::Days30, step: Some(Step::Week), ..Choice::default() };
    Selected { choice, ..Selected::usual(job) }
}

/// A hostile job whose first day is held.
fn held_job() -> JobFacts {
    let mut job = hostile_job();
    let mut ledger = (*job.ledger).clone();
    let group = |number| RefusedGroup {
        name: Some(HOSTILE.repeat(20)),
        unit: Some(HOSTILE.to_owned()),
        number,
        before: "100".to_owned(),
        refused: HOSTILE.to_owned(),
    };
    let figures = Refused {
        rows: 3,
        measure: "unblended_cost".to_owned(),
        by: Some(HOSTILE.to_owned()),
        groups: vec![group(1), RefusedGroup { refused: "40.5".to_owned(), ..group(1) }],
        others: vec![group(7)],
    };
    let (at, why) = (now(), HOSTILE.to_owned());
    let held = Quarantined {
        at,
        since: at,
        why,
        totals: Sums::default(),
        currency: None,
        estimated: false,
        figures: Some(figures),
    };
    let old = Quarantined { figures: None, totals: [("unblended_cost", "5")].into_iter().collect(), ..held.clone() };
    ledger.quarantined.extend([(day("2026-11-01"), held), (day("2026-11-02"), old)]);
    job.ledger = Arc::new(ledger);
    job
}

fn acceptance() -> AcceptFacts {
    AcceptFacts { month: day("2026-11-01"), requests: 3, price: Cents(3), notes: vec![HOSTILE.to_owned()] }
}

/// Every page there is, with hostile facts.
fn pages() -> Vec<(&'static str, Markup)> {
    let (idle, busy) = (hostile_job(), running(hostile_job()));
    let all = facts(vec![idle.clone()]);
    let unread = JobFacts { lake_error: Some(HOSTILE.to_owned()), ..hostile_job() };
    vec![
        ("overview", overview(&all, "")),
        ("search", overview(&all, HOSTILE)),
        ("busy overview", overview(&facts(vec![busy.clone()]), "")),
        (
            "long overview",
            overview(&facts((0..30).map(|number| renamed(&unread, &format!("t{number}"))).collect()), ""),
        ),
        ("tables", tables(&all, "")),
        ("running", running_list(&[run_of(&busy)], "0", now())),
        ("restatements", restatements(&all, &restated::log(&[restated_job("costs")], now(), false))),
        ("no restatements", restatements(&all, &restated::log(&[unread], now(), true))),
        ("job", super::job(&all, &idle, &Selected::usual(&idle))),
        ("day", super::job(&all, &idle, &Selected::of_day(&idle, day("2026-11-02")))),
        ("no such day", super::job(&all, &idle, &Selected::of_day(&idle, day("1999-01-01")))),
        ("busy", super::job(&all, &busy, &Selected::usual(&busy))),
        ("live", live_of(&busy)),
        ("plan", plan(&all, &idle, &a_plan(&idle))),
        ("held", super::job(&all, &held_job(), &Selected::of_day(&held_job(), day("2026-11-01")))),
        ("held of old", super::job(&all, &held_job(), &Selected::of_day(&held_job(), day("2026-11-02")))),
        ("chosen", super::job(&all, &idle, &chosen(&idle))),
        ("accept", accept(&all, &held_job(), &acceptance())),
        ("login", login(true)),
        ("problem", problem(404, HOSTILE, HOSTILE)),
    ]
}

/// The tags of a document, without quoted attribute values.
fn tags(html: &str) -> Vec<String> {
    let mut tags = Vec::new();
    for rest in html.split('<').skip(1) {
        let (mut tag, mut quoted) = (String::new(), false);
        for c in rest.chars() {
            match c {
                '"' => quoted = !quoted,
                '>' if !quoted => break,
                _ if !quoted => tag.push(c),
                _ => {}
            }
        }
        tags.push(tag);
    }
    tags
}

#[test]
fn hostile_texts_stay_texts() {
    for (name, page) in pages() {
        let html = page.into_string();
        assert!(!html.contains("<script>alert"), "{name}");
        assert!(!html.contains(['\0', '\u{202e}']), "{name}: what turns or cuts text is made visible");
        for tag in tags(&html) {
            let inline = tag.contains("style=") || tag.split_whitespace().any(|part| part.starts_with("on"));
            assert!(!inline, "{name}: <{tag}>");
            assert!(!tag.starts_with("style"), "{name}");
        }
        for part in html.split("<script").skip(1) {
            assert!(part.starts_with(" src=\"/live.js\" defer></script>"), "{name}: {}", &part[..60.min(part.len())]);
        }
        assert!(!html.contains("//") || name == "none", "{name}: an address of another host");
    }
}

#[test]
fn the_check_for_inline_code_can_fail() {
    assert_eq!(tags("<a href=\"x>y\" onclick=\"z\">b</a>"), ["a href= onclick=", "/a"]);
}

#[test]
fn every_page_has_landmarks_one_heading_and_a_way_past() {
    let is_part = |name: &str| ["live", "tables", "running"].contains(&name);
    for (name, page) in pages().into_iter().filter(|(name, _)| !is_part(name)) {
        let html = page.into_string();
        assert!(html.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{name}");
        for part in ["<main id=\"main\"", "<header", "<footer", "href=\"#main\"", "name=\"viewport\""] {
            assert!(html.contains(part), "{name}: {part}");
        }
        assert_eq!(html.matches("<h1").count(), 1, "{name}");
        let ids: Vec<&str> = html.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{name}: {ids:?}");
        for label in html.split("aria-labelledby=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(label.split(' ').all(|id| ids.contains(&id)), "{name}: {label}");
        }
        assert_eq!(html.matches("<table").count(), html.matches("<caption").count(), "{name}");
    }
}

#[test]
fn a_day_tells_what_is_known_of_it() {
    let job = hostile_job();
    let html = super::job(&facts(vec![job.clone()]), &job, &Selected::of_day(&job, day("2026-11-01"))).into_string();
    for part in [
        "aria-label=\"2026-11-01: estimated, 412 rows, read 2026-11-04 06:31\"",
        "aria-label=\"2026-11-02: mismatch, 7 rows, read 2026-11-04 06:31\"",
        "aria-label=\"2026-11-03: missing\"",
        "aria-current=\"date\"",
        "1,234.5",
        "generation 3",
    ] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn a_run_in_progress_is_told_in_figures() {
    let mut job = running(hostile_job());
    job.live.as_mut().unwrap().started_at = now() - chrono::Duration::minutes(2);
    let html = live_of(&job).into_string();
    for part in [
        "data-running=\"yes\"",
        "running for 2 min",
        "since 2026-11-04 08:58 UTC",
        "1 of 4 partitions done",
        "3 of 9",
        "1,500",
        "0.03 USD",
        "Skipped the run of 2026-11-04 09:00 UTC because this one was still going.",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    assert_eq!(live_of(&hostile_job()).into_string(), "<div class=\"now\" data-running=\"no\"></div>");
}

#[test]
fn actions_are_offered_only_where_they_are_allowed() {
    let job = hostile_job();
    let mut all = facts(vec![job.clone()]);
    assert!(super::job(&all, &job, &Selected::usual(&job)).into_string().contains("action=\"/backfill/plan\""));
    all.actions = false;
    let html = super::job(&all, &job, &Selected::usual(&job)).into_string();
    assert!(!html.contains("method=\"post\"") && !html.contains("/backfill"));
}

#[test]
fn a_held_day_says_why_and_what_it_would_be() {
    let job = held_job();
    let mut all = facts(vec![job.clone()]);
    let html = super::job(&all, &job, &Selected::of_day(&job, day("2026-11-01"))).into_string();
    for part in [
        "Held for review",
        "-59.50 ",
        "7 other groups",
        "action=\"/accept/plan\"",
        "name=\"month\" value=\"2026-11\"",
        "Accept 2 days of 2026-11",
        "2 days of 2026-11 are held; they are accepted together",
        "day=2026-11-02#day",
    ] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    let other = super::job(&all, &job, &Selected::of_day(&job, day("2026-11-02"))).into_string();
    assert!(other.contains("the groups of the refused rows were not kept"), "{other}");
    all.actions = false;
    let html = super::job(&all, &job, &Selected::of_day(&job, day("2026-11-01"))).into_string();
    assert!(html.contains("costlake run costs --accept costs:2026-11") && !html.contains("/accept"), "{html}");
    let confirmed = accept(&all, &job, &acceptance()).into_string();
    for part in ["action=\"/accept\"", "0.03 USD", "Accept 2 held days of 2026-11"] {
        assert!(confirmed.contains(part), "{part}\n{confirmed}");
    }
}

#[test]
fn the_proof_of_a_day_is_a_line_of_three_numbers() {
    let mut job = hostile_job();
    let mut ledger = (*job.ledger).clone();
    let days = ledger.partitions.values_mut().flat_map(|partition| partition.days.values_mut());
    days.for_each(|day| day.facts.totals = [("unblended_cost", "1234.6")].into_iter().collect());
    job.ledger = Arc::new(ledger);
    let html = super::job(&facts(vec![job.clone()]), &job, &Selected::of_day(&job, day("2026-11-01"))).into_string();
    for (label, number) in [("API total", "1,234.6"), ("Our rows", "1,234.5"), ("Difference", "-0.1")] {
        assert!(html.contains(&format!("data-label=\"{label}\">{number}</td>")), "{label}\n{html}");
    }
}

#[test]
fn what_is_drawn_is_chosen_by_links_that_keep_the_rest() {
    let job = hostile_job();
    let html = super::job(&facts(vec![job.clone()]), &job, &chosen(&job)).into_string();
    for part in ["range=30d&amp;by=week", "aria-current=\"true\">30 days", "aria-current=\"true\">week", "Show all"] {
        assert!(html.contains(part), "{part}\n{html}");
    }
    assert!(html.contains("<input type=\"hidden\" name=\"range\" value=\"30d\">"), "the form of a day keeps them");
}

#[test]
fn a_plan_is_confirmed_with_what_it_was_made_of() {
    let job = hostile_job();
    let html = plan(&facts(vec![job.clone()]), &job, &a_plan(&job)).into_string();
    for (name, value) in [("job", "costs"), ("from", "2026-11-01"), ("to", "2026-11-03"), ("missing", "true")] {
        assert!(html.contains(&format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">")), "{name}");
    }
    assert!(html.contains("0.04 USD") && html.contains("2026-11-01..2026-11-03"), "{html}");
}

#[test]
fn a_job_is_told_in_one_word() {
    let word = |job: &JobFacts, at: &str| {
        let at = at.parse().unwrap();
        Badge::of(job, &crate::plan::calendar(&job.job, &job.ledger, at), at).look().1
    };
    let soon = "2026-11-04T09:00:00Z";
    let mut job = JobFacts { look: Look::default(), ..hostile_job() };
    assert_eq!(word(&running(job.clone()), soon), "running");
    assert_eq!(word(&job, soon), "stale", "a day does not add up, and a backfill that failed is no run");
    let mut run = job.runs[0].clone();
    run.command = "run".to_owned();
    let ended = |exit_code| JobReport { exit_code, fetches: Vec::new(), failure: None, ..run.clone() };
    job.runs = Arc::new(vec![ended(0), run.clone()]);
    assert_eq!(word(&job, soon), "stale", "the failure is of an earlier run");
    job.runs = Arc::new(vec![job.runs[0].clone(), run.clone()].into_iter().rev().collect());
    assert_eq!(word(&job, soon), "failed");
    let before = now() - chrono::Duration::hours(3);
    let failed = word(&job, &before.to_rfc3339());
    assert_eq!(failed, "stale", "a run of a clock that was ahead says nothing");
    let mut held = (*job.ledger).clone();
    let (at, why) = (DateTime::UNIX_EPOCH, String::new());
    let first =
        Quarantined { at, since: at, why, totals: Sums::default(), currency: None, estimated: false, figures: None };
    held.quarantined.insert(day("2026-11-01"), first);
    assert_eq!(word(&JobFacts { ledger: Arc::new(held), ..job.clone() }, soon), "held for review");
    job.runs = Arc::default();
    let mut settled = (*job.ledger).clone();
    settled.unsettled.clear();
    job.ledger = Arc::new(settled);
    assert_eq!(word(&job, soon), "current", "yesterday may still be missing for a while");
    assert_eq!(word(&job, "2026-11-06T00:00:00Z"), "stale");
    let refused = Failure { kind: Kind::Config.into(), text: HOSTILE.to_owned(), exit_code: 2 };
    let look = Look { refused: Some(refused), ..Look::default() };
    assert_eq!(word(&JobFacts { look, ..job.clone() }, soon), "failed", "no run could begin");
    let unread = JobFacts { lake_error: Some(HOSTILE.to_owned()), ..job.clone() };
    assert_eq!(word(&unread, soon), "failed", "nothing is known of a table that cannot be read");
    job.ledger = Arc::new(Ledger::empty("costs"));
    assert_eq!(word(&job, soon), "never read");
}

/// The names of the tables on a page, in its order.
#[test]
fn a_table_of_nothing_but_zeros_says_so() {
    let mut job = hostile_job();
    let said = |job: &JobFacts| super::job(&facts(vec![job.clone()]), job, &Selected::usual(job)).into_string();
    assert!(!said(&job).contains("nothing but zeros"));
    let mut ledger = (*job.ledger).clone();
    for day in ledger.partitions.values_mut().flat_map(|partition| partition.days.values_mut()) {
        day.facts.sums = [("unblended_cost", "0.000000000000")].into_iter().collect();
    }
    job.ledger = Arc::new(ledger);
    assert!(said(&job).contains("no row, or nothing but zeros, in 2 days that were read: look whether the account is"));
}

#[test]
fn a_table_without_anything_is_shown_all_the_same() {
    let mut job = hostile_job();
    (job.ledger, job.runs, job.summary) = (Arc::new(Ledger::empty("costs")), Arc::default(), None);
    let html = super::job(&facts(vec![job.clone()]), &job, &Selected::usual(&job)).into_string();
    for part in ["never read", "has not run yet", "being read from the lake", "2026-11-03: missing"] {
        assert!(html.contains(part), "{part}");
    }
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    for text in [super::STYLE, super::SCRIPT] {
        assert!(!["http:", "https:", "url(", "@import", "eval("].iter().any(|word| text.contains(word)));
    }
    assert!(super::STYLE.contains("prefers-color-scheme: dark") && super::STYLE.contains("forced-colors"));
}

/// The colours of a part of the style sheet, by name.
fn colours(css: &str) -> BTreeMap<&str, [f64; 3]> {
    let parts = css.split("--").filter_map(|part| part.split_once(": #"));
    let channel = |hex: &str, at: usize| hex.get(at..at + 2).and_then(|text| u8::from_str_radix(text, 16).ok());
    let colour =
        |hex| Some([channel(hex, 0)?, channel(hex, 2)?, channel(hex, 4)?].map(|value| f64::from(value) / 255.0));
    parts.filter_map(|(name, hex)| Some((name, colour(hex)?))).collect()
}

/// The contrast of two colours as WCAG 2 defines it.
fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
    let linear = |value: f64| if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) };
    let luminance = |[r, g, b]: [f64; 3]| 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
    let (a, b) = (luminance(a) + 0.05, luminance(b) + 0.05);
    a.max(b) / a.min(b)
}

#[test]
fn texts_can_be_read_in_light_and_dark() {
    let (light, rest) = super::STYLE.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let light = colours(light);
    let mut dark = light.clone();
    dark.extend(colours(rest.split_once("*, ::before").unwrap().0));
    let texts = [
        "ink paper",
        "ink panel",
        "quiet paper",
        "quiet panel",
        "quiet wash",
        "accent paper",
        "accent panel",
        "accent wash",
        "on-accent accent",
        "good-ink good-wash",
        "late late-wash",
        "bad bad-wash",
        "bad panel",
        "on-bad bad",
        "on-soft soft",
        "on-far far",
        "ink bad-wash",
    ];
    for (scheme, palette) in [("light", light), ("dark", dark)] {
        let of = |pair: &str| {
            let (front, back) = pair.split_once(' ').unwrap();
            contrast(palette[front], palette[back])
        };
        for pair in texts {
            assert!(of(pair) >= 4.5, "{scheme}: {pair} {:.2}", of(pair));
        }
        for pair in ["edge panel", "good panel"] {
            assert!(of(pair) >= 3.0, "{scheme}: {pair} {:.2}", of(pair));
        }
    }
    assert!(contrast([1.0; 3], [0.0; 3]) > 20.9);
}
