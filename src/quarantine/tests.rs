//! Months of one job, read repeatedly: which days are held, and which baselines the ledger keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};

use super::{Flaws, Known, Verdict, exceeds, judge, percent};
use crate::generation::{self, DayFacts, FetchedDays};
use crate::job::{self, Job};
use crate::ledger::{DayState, Ledger, PartitionState};
use crate::request::Answer;
use crate::window::{Window, next_day, parse_day};

/// A day: its date, its currency, and the cost of each service, one amount for all metrics or one for each.
type Day<'a> = (&'a str, &'a str, &'a [(&'a str, &'a [&'a str])]);

struct World {
    job: Job,
    ledger: Ledger,
    rows: BTreeMap<NaiveDate, RecordBatch>,
    metrics: Vec<String>,
}

fn day(text: &str) -> NaiveDate {
    parse_day(text).expect("a day")
}

fn at(text: &str) -> DateTime<Utc> {
    day(text).and_hms_opt(6, 0, 0).expect("an hour").and_utc()
}

impl World {
    fn new(grain: &str, metrics: &[&str], window: &str) -> Self {
        let names = metrics.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let text = format!(
            "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"{grain}\"\nmetrics = [{names}]\n\
             group_by = [{{ dimension = \"SERVICE\" }}]\n[window]\nbegin = \"2026-09-01\"\n{window}"
        );
        let job = job::parse(Path::new("costs.toml"), &text).expect("a job");
        let metrics = metrics.iter().map(|name| (*name).to_owned()).collect();
        Self { job, ledger: Ledger::empty("costs"), rows: BTreeMap::new(), metrics }
    }

    /// The API's answer for these days, as read.
    fn read(&self, days: &[Day<'_>]) -> FetchedDays {
        let source = &self.job.source;
        let mut all = FetchedDays::new();
        for (date, unit, services) in days {
            let window = Window::day(day(date));
            let results = periods(&self.job, day(date)).into_iter().enumerate().map(|(index, (start, end))| {
                let groups = services.iter().filter(|_| index == 0).map(|(name, costs)| {
                    let metrics = self.metrics.iter().enumerate().map(|(metric, name)| {
                        let amount = costs.get(metric).or(costs.first()).expect("an amount");
                        format!(r#""{name}":{{"Amount":"{amount}","Unit":"{unit}"}}"#)
                    });
                    let metrics = metrics.collect::<Vec<_>>().join(",");
                    format!(r#"{{"Keys":["{name}"],"Metrics":{{{metrics}}}}}"#)
                });
                let groups = groups.collect::<Vec<_>>().join(",");
                format!(r#"{{"TimePeriod":{{"Start":"{start}","End":"{end}"}},"Groups":[{groups}],"Estimated":false}}"#)
            });
            let body = format!(r#"{{"ResultsByTime":[{}]}}"#, results.collect::<Vec<_>>().join(","));
            let mut reader = source.reader(&[window]);
            let answer = Answer { status: 200, body: Bytes::from(body), request_id: None, date: None, made_up: false };
            reader.read(&source.requests(&[window])[0], &answer).expect("a page");
            let fetched = reader.finish().expect("rows");
            let read_for = source.read_for();
            all.extend(generation::describe(source.table(), source.grain(), &fetched, &read_for).expect("days"));
        }
        all
    }

    /// Commits days without a check, as read at `read_at`.
    fn take(&mut self, days: FetchedDays, read_at: &str) {
        for (slot, (rows, facts)) in days {
            let partition = self.job.source.grain().partition_of(slot).to_string();
            let empty =
                PartitionState { epoch: 1, bytes: 1, etag: None, days: BTreeMap::new(), history: Default::default() };
            let state = self.ledger.partitions.entry(partition).or_insert(empty);
            state.days.insert(slot, DayState { read_at: at(read_at), facts });
            self.rows.insert(slot, rows);
        }
    }

    fn judged(&self, fetched: &FetchedDays, now: &str) -> Verdict {
        let partition = self.job.source.grain().partition_of(*fetched.keys().next().expect("a day")).to_string();
        let state = self.ledger.partitions.get(&partition);
        let days: BTreeMap<NaiveDate, DayFacts> =
            state.into_iter().flat_map(|state| &state.days).map(|(slot, day)| (*slot, day.facts.clone())).collect();
        // As in the pipeline, only the rows of the same object are available.
        let rows = self.rows.iter().filter(|(slot, _)| days.contains_key(slot));
        let rows = rows.map(|(slot, rows)| (*slot, rows.clone())).collect();
        let known = Known { ledger: &self.ledger, days: &days, rows: &rows, earlier: None };
        let (none, accepted) = (BTreeMap::new(), BTreeSet::new());
        let whole = BTreeMap::new();
        let flaws = Flaws { doubtful: &none, incomplete: &whole };
        judge(&self.job, known, fetched, flaws, &accepted, at(now)).expect("a verdict")
    }

    /// Judges days and commits them unless one is held; returns the reason if one is.
    fn night(&mut self, days: &[Day<'_>], now: &str) -> Option<String> {
        let fetched = self.read(days);
        let verdict = self.judged(&fetched, now);
        if let Some((_, why)) = verdict.held.into_iter().next() {
            return Some(why);
        }
        self.ledger.baselines.extend(verdict.baselines);
        self.take(fetched, now);
        None
    }
}

fn periods(job: &Job, day: NaiveDate) -> Vec<(String, String)> {
    if job.source.grain() != crate::window::Grain::Hourly {
        let window = job.source.grain().slot_window(day);
        return vec![(window.start().to_string(), window.end().to_string())];
    }
    let hour =
        |hour: u32| if hour < 24 { format!("{day}T{hour:02}:00:00Z") } else { format!("{}T00:00:00Z", next_day(day)) };
    (0..24).map(|of| (hour(of), hour(of + 1))).collect()
}

fn october() -> Vec<String> {
    (1..=31).map(|number| format!("2026-10-{number:02}")).collect()
}

#[test]
fn tables_of_days_count_in_months_all_the_same() {
    let mut world = World::new("HOURLY", &["UnblendedCost"], "settle_day = 2");
    for date in october() {
        let days = world.read(&[(&date, "USD", &[("EC2", &["10"])])]);
        world.take(days, "2026-11-04");
    }
    // Each day loses a thirty-first part of the month; the seventh would make it more than a fifth.
    for (number, held) in (20..27).zip([false, false, false, false, false, false, true]) {
        let date = format!("2026-10-{number}");
        let why = world.night(&[(&date, "USD", &[("EC2", &["0.0000000001"])])], "2026-11-05");
        assert_eq!(why.is_some(), held, "{date} {why:?}");
        assert!(why.is_none_or(|why| why.contains("was 310 and would be 240.0000000007")), "{date}");
    }
}

#[test]
fn every_metric_counts_by_itself() {
    let mut world = World::new("DAILY", &["UnblendedCost", "AmortizedCost"], "");
    let days =
        world.read(&[("2026-10-05", "USD", &[("EC2", &["10", "10"])]), ("2026-10-06", "USD", &[("EC2", &["10"])])]);
    world.take(days, "2026-11-20");
    assert_eq!(world.night(&[("2026-10-05", "USD", &[("EC2", &["11", "13"])])], "2026-11-21"), None);
    let why = world.night(&[("2026-10-05", "USD", &[("EC2", &["11", "15"])])], "2026-11-22").expect("held");
    assert!(why.contains("amortized_cost of the settled month 2026-10 was 20 and would be 25"), "{why}");
}

#[test]
fn two_currencies_of_a_month_are_two_sums() {
    let mut world = World::new("DAILY", &["UnblendedCost"], "");
    let days = world.read(&[("2026-10-05", "USD", &[("EC2", &["1000"])]), ("2026-10-06", "EUR", &[("EC2", &["10"])])]);
    world.take(days, "2026-11-20");
    let why = world.night(&[("2026-10-06", "EUR", &[("EC2", &["13"])])], "2026-11-21").expect("held");
    assert!(why.contains("was 10 and would be 13"), "of a thousand dollars nothing is said: {why}");
    assert_eq!(world.night(&[("2026-10-05", "USD", &[("EC2", &["1100"])])], "2026-11-21"), None);
    let keys: Vec<_> = world.ledger.baselines[&day("2026-10-01")].figures.keys().cloned().collect();
    assert_eq!(keys, ["unblended_cost USD"], "what is held is not counted");
}

#[test]
fn days_that_settle_later_belong_to_what_the_month_was() {
    let mut world = World::new("DAILY", &["UnblendedCost"], "");
    let days = world.read(&[("2026-10-05", "USD", &[("EC2", &["10"])])]);
    world.take(days, "2026-11-20");
    assert_eq!(world.night(&[("2026-10-05", "USD", &[("EC2", &["11.5"])])], "2026-11-21"), None);
    // Another day is read for the first time: costing ten times as much is no change.
    assert_eq!(world.night(&[("2026-10-06", "USD", &[("EC2", &["100"])])], "2026-11-22"), None);
    assert_eq!(world.night(&[("2026-10-06", "USD", &[("EC2", &["120"])])], "2026-11-23"), None);
    let why = world.night(&[("2026-10-06", "USD", &[("EC2", &["121"])])], "2026-11-24").expect("held");
    assert!(why.contains("was 110 and would be 132.5"), "{why}");
}

#[test]
fn sums_at_the_end_of_their_range_are_compared_and_do_not_break() {
    let most = "99999999999999999999999999.999999999999";
    let mut world = World::new("DAILY", &["UnblendedCost"], "");
    let days = world.read(&[("2026-10-05", "USD", &[("EC2", &[most])]), ("2026-10-06", "USD", &[("EC2", &[most])])]);
    world.take(days, "2026-11-20");
    let less = format!("-{most}");
    let why = world.night(
        &[("2026-10-05", "USD", &[("EC2", &[&less])]), ("2026-10-06", "USD", &[("S3", &[&less])])],
        "2026-11-21",
    );
    assert!(why.is_some());
}

#[test]
fn without_the_currency_of_old_footers_the_rows_tell_it() {
    let mut world = World::new("DAILY", &["UnblendedCost"], "");
    let mut days = world.read(&[("2026-10-05", "USD", &[("EC2", &["10"])])]);
    days.values_mut().for_each(|(_, facts)| facts.currency = None);
    world.take(days, "2026-11-20");
    let why = world.night(&[("2026-10-05", "EUR", &[("EC2", &["10"])])], "2026-11-21").expect("held");
    assert!(why.contains("were in USD and would be in EUR"), "{why}");
    world.rows.clear();
    assert_eq!(world.night(&[("2026-10-05", "EUR", &[("EC2", &["10"])])], "2026-11-21"), None, "nothing tells it");
}

#[test]
fn a_word_begins_the_count_anew() {
    let mut world = World::new("DAILY", &["UnblendedCost"], "");
    let days = world.read(&[("2026-10-05", "USD", &[("EC2", &["10"])])]);
    world.take(days, "2026-11-20");
    assert_eq!(world.night(&[("2026-10-05", "USD", &[("EC2", &["11.9"])])], "2026-11-21"), None);
    assert!(world.night(&[("2026-10-05", "USD", &[("EC2", &["13"])])], "2026-11-22").is_some());
    world.ledger.accept(day("2026-10-01"), at("2026-11-23"), |_| false);
    assert_eq!(world.night(&[("2026-10-05", "USD", &[("EC2", &["13"])])], "2026-11-23"), None);
    assert!(world.night(&[("2026-10-05", "USD", &[("EC2", &["14.5"])])], "2026-11-24").is_some(), "of 11.9");
}

#[test]
fn a_share_is_compared_exactly() {
    assert!(!exceeds(20, 100, 200_000), "a fifth is not more than a fifth");
    assert!(exceeds(21, 100, 200_000) && exceeds(-21, 100, 200_000) && exceeds(-21, -100, 200_000));
    assert!(exceeds(1, 0, 200_000), "any change of nothing");
    assert!(!exceeds(0, 0, 0) && exceeds(1, i128::MAX, 0));
    assert!(!exceeds(i128::MAX / 10, i128::MAX, 200_000) && exceeds(i128::MAX / 4, i128::MAX, 200_000));
    assert!(!exceeds(i128::MAX, i128::MAX, 1_000_000_000), "a thousandfold of the largest sum");
}

#[test]
fn shares_are_shown_as_percent() {
    assert_eq!([percent(200_000), percent(5_000), percent(1_000_000)], ["20", "0.5", "100"]);
}

/// A settled month whose table gains a metric has moved in nothing; from then on the metric counts like any other.
#[test]
fn a_metric_that_a_table_gains_is_no_change_of_a_settled_month() {
    let few = World::new("DAILY", &["UnblendedCost"], "");
    let mut world = World::new("DAILY", &["UnblendedCost", "ListCost"], "");
    let made_with: Vec<(String, String)> =
        few.job.source.fingerprint().into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
    world.job.source = world.job.source.grown_from(&made_with).expect("a grown source");
    assert_eq!(world.job.source.fingerprint(), few.job.source.fingerprint());
    let at_first = few.read(&[("2026-09-05", "USD", &[("a", &["100"])])]);
    let digest = at_first[&day("2026-09-05")].1.digest.clone();
    let table = world.job.source.table().clone();
    let kept: FetchedDays = at_first
        .into_iter()
        .map(|(slot, (rows, facts))| (slot, (generation::align(&table, &rows).expect("rows"), facts)))
        .collect();
    let (rows, facts) = &kept[&day("2026-09-05")];
    let again = generation::digest::of_rows(&table, rows, &facts.read_for).expect("a digest");
    assert_eq!(again, digest, "a day keeps its digest when its table gains a column");
    let sums = generation::rows::sums(&table, rows, &facts.read_for).expect("sums");
    assert_eq!(sums, facts.sums);
    world.take(kept, "2026-10-20");
    assert_eq!(world.night(&[("2026-09-05", "USD", &[("a", &["100", "300"])])], "2026-11-20"), None);
    assert_eq!(world.night(&[("2026-09-05", "USD", &[("a", &["100", "310"])])], "2026-11-21"), None);
    let held = world.night(&[("2026-09-05", "USD", &[("a", &["100", "900"])])], "2026-11-22").expect("a reason");
    assert!(held.starts_with("list_cost of the settled month 2026-09 was 300"), "{held}");
}
