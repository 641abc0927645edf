//! Control sums under every refresh rule and granularity: requested once before the fetches, and what happens to the
//! days whose rows do not add up to them.

use std::collections::BTreeSet;
use std::sync::Arc;

use costlake::job::Job;
use costlake::plan::Ask;
use costlake::report::JobReport;
use object_store::memory::InMemory;
use serde_json::{Value, json};

use super::world::{World, days, failure, ledger, parse};
use crate::support::cost_explorer::{dollars, group, page};
use crate::support::script::{Asked, Reply, Script};
use crate::support::ungrouped::periods;

const NOW: &str = "2026-11-03T06:00:00Z";
const OCTOBER: &str = "2026-10-31";
const FIRST: &str = "2026-11-01";
const SECOND: &str = "2026-11-02";

/// Costs by service of each day.
type Bill = &'static [(&'static str, &'static [(&'static str, &'static str)])];

const RIGHT: Bill =
    &[(OCTOBER, &[("EC2", "1")]), (FIRST, &[("EC2", "1.5"), ("S3", "0.25")]), (SECOND, &[("EC2", "2")])];
const DROPPED: Bill = &[(OCTOBER, &[("EC2", "1")]), (FIRST, &[("EC2", "1.5")]), (SECOND, &[("EC2", "2")])];
const DOUBLED: Bill = &[
    (OCTOBER, &[("EC2", "1")]),
    (FIRST, &[("EC2", "1.5"), ("S3", "0.25"), ("S4", "0.25")]),
    (SECOND, &[("EC2", "2")]),
];
const MOVED: Bill =
    &[(OCTOBER, &[("EC2", "1")]), (FIRST, &[("EC2", "1.5")]), (SECOND, &[("EC2", "2"), ("S3", "0.25")])];
const TOTALS: [(&str, &str); 3] = [(OCTOBER, "1"), (FIRST, "1.75"), (SECOND, "2")];

fn job(granularity: &str, group_by: &str, window: &str) -> Job {
    let text = format!(
        "source = {{ type = \"aws_cost_and_usage\", granularity = \"{granularity}\", metrics = [\"UnblendedCost\"], group_by = [{group_by}] }}\n\
         window = {{ begin = \"{OCTOBER}\", {window} }}\n\
         limits = {{ fetches_in_flight = 1, requests_per_second = 1000 }}"
    );
    parse("costs", &text)
}

fn by_service(granularity: &str, window: &str) -> Job {
    job(granularity, "{ dimension = \"SERVICE\" }", window)
}

/// Whether the period that begins at `start` holds all costs of the day: the day itself, or its eighth hour.
fn holds(start: &str, day: &str) -> bool {
    start == day || start == format!("{day}T07:00:00Z")
}

fn result(period: &(String, String), groups: Vec<Value>, total: Value) -> Value {
    let (start, end) = period;
    json!({ "TimePeriod": { "Start": start, "End": end }, "Groups": groups, "Total": total, "Estimated": true })
}

/// The answer to a request grouped by service.
fn rows(asked: &Asked, bill: Bill) -> Reply {
    let of_period = |period: &(String, String)| {
        let costs = bill.iter().filter(|(day, _)| holds(&period.0, day)).flat_map(|(_, costs)| *costs);
        result(period, costs.map(|(service, amount)| group(service, amount)).collect(), json!({}))
    };
    let results: Vec<Value> = periods(&asked.json()).iter().map(of_period).collect();
    Reply::good(&page(&results, None))
}

/// The results of a request for totals.
fn totals(asked: &Asked) -> Vec<Value> {
    let of_period = |period: &(String, String)| {
        let amount = TOTALS.iter().find(|(day, _)| holds(&period.0, day)).map_or("0", |(_, amount)| amount);
        result(period, vec![], json!({ "UnblendedCost": dollars(amount) }))
    };
    periods(&asked.json()).iter().map(of_period).collect()
}

fn answer(asked: &Asked, bill: Bill) -> Reply {
    if asked.is_for_totals() { Reply::good(&json!({ "ResultsByTime": totals(asked) })) } else { rows(asked, bill) }
}

/// A table and the server it is fetched from.
struct Table {
    job: Job,
    store: Arc<InMemory>,
    script: Script,
    now: &'static str,
}

impl Table {
    fn new(job: Job, bill: Bill) -> Self {
        Self::answered(job, move |asked| answer(asked, bill))
    }

    fn answered(job: Job, answer: impl FnMut(&Asked) -> Reply + Send + 'static) -> Self {
        Self { job, store: Arc::default(), script: Script::answering(answer).with_totals(), now: NOW }
    }

    /// The same table; the server returns the right rows from now on.
    fn mended(self) -> Self {
        Self { script: Script::answering(|asked| answer(asked, RIGHT)).with_totals(), ..self }
    }

    async fn ask(&self, ask: Ask) -> JobReport {
        World::over(self.script.url(), self.now).ask(&self.store, &self.job, ask).await
    }

    /// Days that are in the lake, and days that are unsettled.
    async fn days(&self) -> [BTreeSet<String>; 2] {
        let ledger = ledger(&self.store, &self.job).await;
        let held = ledger.partitions.values().flat_map(|partition| partition.days.keys());
        [held.map(ToString::to_string).collect(), ledger.unsettled.keys().map(ToString::to_string).collect()]
    }

    /// The requests since the last call: the periods of those for totals, and the number of others.
    fn asked(&self) -> (Vec<String>, usize) {
        let (ungrouped, others): (Vec<Asked>, Vec<Asked>) =
            self.script.take_asked().into_iter().partition(Asked::is_for_totals);
        let period = |asked: Asked| {
            let period = asked.json()["TimePeriod"].clone();
            format!("{} {}", period["Start"].as_str().expect("text"), period["End"].as_str().expect("text"))
        };
        (ungrouped.into_iter().map(period).collect(), others.len())
    }
}

fn set(days: &[&str]) -> BTreeSet<String> {
    days.iter().map(ToString::to_string).collect()
}

/// Asserts that a run refuses these days of a bill and commits the others; the next run, with the right rows, commits
/// the rest.
async fn is_refused(granularity: &str, window: &str, bill: Bill, off: &[&str]) {
    let what = format!("{granularity} {window} {off:?}");
    let table = Table::new(by_service(granularity, window), bill);
    let report = table.ask(Ask::Due).await;
    assert_eq!(report.exit_code, 1, "{what}: {report:#?}");
    let rest: BTreeSet<String> = &set(&[OCTOBER, FIRST, SECOND]) - &set(off);
    assert_eq!(table.days().await, [rest, set(off)], "{what}");
    let text: String = report.failures().into_iter().map(|(_, failure)| failure.text.clone()).collect();
    for day in off {
        assert!(text.contains(&format!("{day} unblended_cost: the rows add up to")), "{what}: {text}");
    }
    let table = table.mended();
    let report = table.ask(Ask::Due).await;
    assert_eq!(report.exit_code, 0, "{what}: {report:#?}");
    assert_eq!(table.days().await, [set(&[OCTOBER, FIRST, SECOND]), set(&[])], "{what}");
}

#[tokio::test]
async fn hours_that_miss_their_totals_are_refused() {
    for (bill, off) in [(DROPPED, &[FIRST][..]), (DOUBLED, &[FIRST]), (MOVED, &[FIRST, SECOND])] {
        is_refused("HOURLY", "", bill, off).await;
    }
}

#[tokio::test]
async fn days_that_miss_their_totals_are_refused_under_every_rule() {
    for window in ["refresh = \"billing-close\"", "refresh = \"9 days\"", "refresh = \"probe\""] {
        for (bill, off) in [(DROPPED, &[FIRST][..]), (DOUBLED, &[FIRST]), (MOVED, &[FIRST, SECOND])] {
            is_refused("DAILY", window, bill, off).await;
        }
    }
}

#[tokio::test]
async fn a_report_takes_the_hours_and_says_so() {
    let table = Table::new(by_service("HOURLY", "control = \"report\""), DROPPED);
    let report = table.ask(Ask::Due).await;
    assert_eq!(report.exit_code, 0, "{report:#?}");
    let notes: Vec<&String> = report.fetches.iter().flat_map(|fetch| &fetch.notes).collect();
    assert!(notes.len() == 1 && notes[0].contains("the API's total is 1.75"), "{notes:?}");
    assert_eq!(table.days().await, [set(&[OCTOBER, FIRST, SECOND]), set(&[])]);
}

#[tokio::test]
async fn totals_are_asked_once_for_all_partitions_and_never_for_nothing() {
    for (granularity, window, hull, fetches) in [
        ("DAILY", "refresh = \"billing-close\"", "2026-10-31 2026-11-03", 2),
        ("DAILY", "refresh = \"1 days\"", "2026-10-31 2026-11-03", 2),
        ("HOURLY", "", "2026-10-31T00:00:00Z 2026-11-03T00:00:00Z", 3),
    ] {
        let table = Table::new(by_service(granularity, window), RIGHT);
        let report = table.ask(Ask::Due).await;
        assert_eq!((report.exit_code, report.totals_asked.requests), (0, 1), "{report:#?}");
        assert_eq!(table.asked(), (vec![hull.to_owned()], fetches), "{granularity} {window}");
        let Ask::Range { window: all, .. } = days(OCTOBER, SECOND) else { panic!("a range") };
        let report = table.ask(Ask::Range { window: all, missing_only: true }).await;
        assert_eq!((report.exit_code, table.asked()), (0, (vec![], 0)), "nothing is missing: {report:#?}");
    }
    let table = Table::new(by_service("DAILY", "refresh = \"1 days\""), RIGHT);
    table.ask(Ask::Due).await;
    table.asked();
    table.ask(Ask::Due).await;
    assert_eq!(table.asked(), (vec!["2026-11-02 2026-11-03".to_owned()], 1), "only of the days read again");
}

#[tokio::test]
async fn totals_on_two_pages_are_followed() {
    for bill in [RIGHT, DROPPED] {
        let table = Table::answered(by_service("HOURLY", ""), move |asked| {
            let (results, token) = (totals(asked), asked.json()["NextPageToken"].clone());
            match (asked.is_for_totals() && results.len() > 24, token.is_null()) {
                (false, _) => answer(asked, bill),
                (true, true) => Reply::good(&json!({ "ResultsByTime": results[..30], "NextPageToken": "more" })),
                (true, false) => Reply::good(&json!({ "ResultsByTime": results[30..] })),
            }
        });
        let report = table.ask(Ask::Due).await;
        assert_eq!((report.totals_asked.pages, report.exit_code), (2, u8::from(bill != RIGHT)), "{report:#?}");
        let off = if bill == RIGHT { set(&[]) } else { set(&[FIRST]) };
        assert_eq!(table.days().await[1], off);
    }
}

#[tokio::test]
async fn a_budget_of_one_spends_nothing_and_names_what_is_needed() {
    for granularity in ["DAILY", "HOURLY"] {
        let mut job = by_service(granularity, "refresh = \"2 days\"");
        job.budget.max_requests_per_run = Some(1);
        let mut table = Table::new(job, RIGHT);
        let report = table.ask(Ask::Due).await;
        assert_eq!((report.exit_code, table.asked()), (4, (vec![], 0)), "{report:#?}");
        let text = failure(&report);
        assert!(text.contains("budget.max_requests_per_run") && text.contains("at least 2 requests"), "{text}");
        assert_eq!(table.days().await, [set(&[]), set(&[])]);
        table.job.budget.max_requests_per_run = Some(2);
        assert_eq!(table.ask(Ask::Due).await.exit_code, 4);
        assert_eq!((table.days().await[0].len(), table.asked().1), (1, 1), "the advice leads to a day a run");
    }
}

#[tokio::test]
async fn a_probe_on_a_budget_of_one_names_what_is_needed() {
    let mut job = by_service("DAILY", "refresh = \"probe\"");
    job.budget.max_requests_per_run = Some(1);
    let table = Table::new(job, RIGHT);
    let report = table.ask(Ask::Due).await;
    assert_eq!((report.exit_code, table.asked().1), (4, 0), "{report:#?}");
    let texts: Vec<String> = report.failures().into_iter().map(|(_, failure)| failure.text.clone()).collect();
    assert!(texts.iter().all(|text| text.contains("at least 2 requests")), "{texts:?}");
    assert_eq!(table.days().await[0], set(&[]));
}

#[tokio::test]
async fn totals_that_are_refused_fail_the_job_and_nothing_is_written() {
    for (code, exit_code) in [("ValidationException", 1), ("AccessDeniedException", 3)] {
        let table = Table::answered(by_service("HOURLY", ""), move |asked| {
            if asked.is_for_totals() { Reply::fault(code, "not like this") } else { answer(asked, RIGHT) }
        });
        let report = table.ask(Ask::Due).await;
        assert_eq!((report.exit_code, table.asked().1), (exit_code, 0), "{report:#?}");
        let text = failure(&report);
        for words in ["question totals", "window 2026-10-31..2026-11-02", "job costs", "what to do:"] {
            assert!(text.contains(words), "no `{words}` in: {text}");
        }
        assert_eq!(table.days().await, [set(&[]), set(&[])]);
        assert_eq!(table.mended().ask(Ask::Due).await.exit_code, 0);
    }
}

#[tokio::test]
async fn rows_without_grouping_are_the_totals_and_asked_for_once() {
    for window in ["refresh = \"9 days\"", "refresh = \"probe\""] {
        let table = Table::new(job("DAILY", "", window), RIGHT);
        let report = table.ask(days(OCTOBER, SECOND)).await;
        assert_eq!((report.exit_code, report.totals_asked.requests), (0, 0), "{report:#?}");
        assert_eq!(table.asked().0, ["2026-10-31 2026-11-01", "2026-11-01 2026-11-03"], "{window}");
    }
}

/// A backfill records the totals it read in the ledger, so the next probe finds no change.
#[tokio::test]
async fn a_probe_knows_the_totals_of_rows_without_grouping() {
    let table = Table::new(job("DAILY", "", "refresh = \"probe\""), RIGHT);
    table.ask(days(OCTOBER, SECOND)).await;
    table.asked();
    let report = table.ask(Ask::Due).await;
    assert_eq!((report.exit_code, report.fetches.len()), (0, 0), "{report:#?}");
    assert_eq!(table.asked().0, ["2026-10-31 2026-11-03"], "the probe alone");
}

/// After an API has answered once, a failure affects one window only; if it has never answered, the other windows are
/// not requested.
#[tokio::test]
async fn a_window_that_fails_stops_the_others_only_where_nothing_was_answered() {
    for (silent, wanted) in [(FIRST, set(&[OCTOBER, SECOND])), (OCTOBER, set(&[]))] {
        let table = Table::answered(by_service("HOURLY", ""), move |asked| {
            let fails = periods(&asked.json()).iter().any(|period| holds(&period.0, silent));
            if fails && !asked.is_for_totals() { Reply::new(500, "") } else { answer(asked, RIGHT) }
        });
        let report = table.ask(Ask::Due).await;
        assert_eq!((report.exit_code, table.days().await[0].clone()), (1, wanted), "{silent}: {report:#?}");
    }
}

/// A probe compares with the API's total at the last read: rows accepted despite missing their total are no change.
#[tokio::test]
async fn a_probe_knows_the_totals_that_rows_were_reported_to_miss() {
    let table = Table::new(by_service("DAILY", "refresh = \"probe\", control = \"report\""), DROPPED);
    let report = table.ask(Ask::Due).await;
    assert_eq!((report.exit_code, report.fetches.len()), (0, 2), "{report:#?}");
    table.asked();
    let report = table.ask(Ask::Due).await;
    assert_eq!((report.exit_code, report.fetches.len(), table.asked().1), (0, 0, 0), "{report:#?}");
}

/// Fourteen days of hours, with today's: the whole hourly history of the API, and not an hour more.
#[tokio::test]
async fn hours_are_checked_over_all_of_their_history() {
    for (more, count) in [("", 13), (", include_today = true", 14)] {
        let world = World::start("2026-11-20T06:00:00Z").await;
        let store: Arc<InMemory> = Arc::default();
        let report = world.run_well(&store, &by_service("HOURLY", &format!("refresh = \"2 days\"{more}"))).await;
        assert_eq!((report.totals_asked.requests, report.fetches.len()), (1, count), "{report:#?}");
        assert!(report.fetches.iter().all(|fetch| fetch.notes.is_empty()), "{report:#?}");
    }
}
