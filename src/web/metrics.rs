//! `/metrics`: job states and ledgers as Prometheus text. Pure: every scrape is built from the current state, and
//! counters start with the process.
//!
//! The format defines values as floating-point numbers, dollars too; the exact ones are in the run records. The bill
//! itself is written digit for digit, see `bills.rs`.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;

use chrono::{DateTime, Utc};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::cents::Cents;
use crate::error::{Kind, combined_exit_code};
use crate::plan::{STALE, SlotState};
use crate::scheduler::glances::{Glance, Seen};
use crate::scheduler::jobs::JobState;
use crate::status::last_failure;
use crate::status::line::Health;

use super::bills;
use super::many::last_of;

pub mod catalog;

/// Content type of the text.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge<f64, AtomicU64>>;
type Counters = Family<Labels, Counter<f64, AtomicU64>>;

/// Accounts with a series of their own.
const MOST_UNWELL: usize = 100;

/// A table, or the part of an account in it, and what is known of it.
type TableFacts = (JobState, Seen);

struct Page {
    registry: Registry,
}

impl Page {
    /// A gauge of which the accounts of a table have one value together: the greatest.
    fn gauge(&mut self, name: &str, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Gauges::default();
        for (labels, value) in values {
            let gauge = family.get_or_create(&declared(name, labels));
            gauge.set(gauge.get().max(value));
        }
        self.registry.register(name, help(name), family);
    }

    /// A gauge of which the accounts of a table have one value together: the sum.
    fn total(&mut self, name: &str, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Gauges::default();
        for (labels, value) in values {
            family.get_or_create(&declared(name, labels)).inc_by(value);
        }
        self.registry.register(name, help(name), family);
    }

    fn counter(&mut self, name: &str, values: impl IntoIterator<Item = (Labels, f64)>) {
        let family = Counters::default();
        for (labels, value) in values {
            family.get_or_create(&declared(name, labels)).inc_by(value);
        }
        self.registry.register(name, help(name), family);
    }
}

/// What the catalog says of a metric.
pub(super) fn help(name: &str) -> &'static str {
    debug_assert!(catalog::find(name).is_some(), "{name} is not in the catalog");
    catalog::find(name).map_or("", |metric| metric.help)
}

/// Labels, which are those of the catalog.
fn declared(name: &str, labels: Labels) -> Labels {
    let is_declared = |metric: &catalog::Metric| metric.labels.iter().eq(labels.iter().map(|(label, _)| label));
    debug_assert!(catalog::find(name).is_some_and(is_declared), "the labels of {name}: {labels:?}");
    labels
}

/// Counts fit a float exactly up to 2^53.
#[allow(clippy::cast_precision_loss)]
fn number(count: u64) -> f64 {
    count as f64
}

fn of_table(table: &TableFacts) -> Labels {
    vec![("table", table.0.job.unit.table.clone())]
}

/// The text of one scrape.
pub(super) fn text(
    tables: &[TableFacts],
    broken_files: usize,
    ready: bool,
    now: DateTime<Utc>,
) -> Result<String, std::fmt::Error> {
    let mut page = Page { registry: Registry::with_prefix("costlake") };
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    page.gauge("build_info", [(version, 1.0)]);
    page.gauge("ready", [(vec![], f64::from(u8::from(ready)))]);
    page.gauge("job_files_broken", [(vec![], number(broken_files as u64))]);
    of_ledgers(&mut page, tables, now);
    of_runs(&mut page, tables);
    of_requests(&mut page, tables);
    of_budgets(&mut page, tables);
    let mut text = String::new();
    encode_registry(&mut text, &page.registry)?;
    text.push_str(&bills::text(tables));
    encode_eof(&mut text)?;
    Ok(text)
}

fn of_ledgers(page: &mut Page, tables: &[TableFacts], now: DateTime<Utc>) {
    let known = || tables.iter().filter_map(|table| Some((table, &table.1.known.as_ref()?.glance)));
    let seconds = |at: DateTime<Utc>| number((now - at).num_seconds().max(0).unsigned_abs());
    page.gauge(
        "freshness_seconds",
        known().filter_map(|(table, glance)| Some((of_table(table), seconds(glance.checked_at?)))),
    );
    page.total("days", known().flat_map(|(table, glance)| days(table, glance)));
    page.total("lagging", known().map(|(table, glance)| (of_table(table), f64::from(u8::from(glance.lags)))));
    page.total("restated_days", known().map(|(table, glance)| (of_table(table), number(glance.restated))));
    page.gauge("account_unwell", unwell(tables, now));
    page.total("lake_rows", known().map(|(table, glance)| (of_table(table), number(glance.rows))));
    page.total("lake_bytes", known().map(|(table, glance)| (of_table(table), number(glance.bytes))));
    page.gauge(
        "not_looked_at_yet",
        [(vec![], number(tables.iter().filter(|(_, seen)| seen.is_unread()).count() as u64))],
    );
}

/// The accounts that are not well, each with 1: a series for every account would be too many.
fn unwell(tables: &[TableFacts], now: DateTime<Utc>) -> impl Iterator<Item = (Labels, f64)> {
    let is_unwell = move |(current, seen): &TableFacts| {
        let has_failed = seen.failed.is_some() || last_failure(last_of(current, seen, now)).is_some();
        has_failed || seen.known.as_ref().is_some_and(|known| known.glance.line.health != Health::Current)
    };
    let with_account = tables.iter().filter_map(|table| Some((table, table.0.job.unit.account.clone()?)));
    let found = with_account.filter(move |(table, _)| is_unwell(table));
    found.take(MOST_UNWELL).map(|(table, account)| {
        let mut labels = of_table(table);
        labels.push(("account", account));
        (labels, 1.0)
    })
}

/// Number of slots in each state; `missing` and `stale` are present also at 0, for alerts.
fn days(table: &TableFacts, glance: &Glance) -> Vec<(Labels, f64)> {
    let mut found = BTreeMap::from([(name_of(SlotState::Missing), 0), (STALE.to_owned(), 0)]);
    for ((state, is_stale), number) in &glance.days {
        let name = if *is_stale { STALE.to_owned() } else { name_of(*state) };
        *found.entry(name).or_default() += number;
    }
    let labels = |state: String| vec![("table", table.0.job.unit.table.clone()), ("state", state)];
    found.into_iter().map(|(state, count)| (labels(state), number(count))).collect()
}

fn name_of(state: SlotState) -> String {
    serde_json::to_value(state).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

fn of_runs(page: &mut Page, tables: &[TableFacts]) {
    let all = || tables.iter();
    let counters = |table: &TableFacts| table.0.counters.clone();
    let seconds = |ms: u64| number(ms) / 1000.0;
    let runs = all().flat_map(|table| {
        ["done", "failed"].map(|outcome| {
            let labels = vec![("table", table.0.job.unit.table.clone()), ("outcome", outcome.to_owned())];
            (labels, number(counters(table).runs.get(outcome).copied().unwrap_or(0)))
        })
    });
    page.counter("runs", runs);
    let failures = all().flat_map(|table| {
        let failures = counters(table).failures;
        let name = table.0.job.unit.table.clone();
        failures.into_iter().map(move |(kind, count)| (vec![("table", name.clone()), ("kind", kind)], number(count)))
    });
    page.counter("run_failures", failures);
    page.counter("run_seconds", all().map(|table| (of_table(table), seconds(counters(table).duration_ms))));
    let last = || all().filter_map(|table| Some((table, table.0.last.as_ref()?)));
    page.gauge("last_run_seconds", last().map(|(table, report)| (of_table(table), seconds(report.duration_ms))));
    let mut codes: BTreeMap<Labels, Vec<u8>> = BTreeMap::new();
    for (table, report) in last() {
        codes.entry(of_table(table)).or_default().push(report.exit_code);
    }
    let values = codes.into_iter().map(|(labels, codes)| (labels, f64::from(gravest(&codes))));
    page.gauge("last_run_exit_code", values);
    let running = |table: &TableFacts| f64::from(u8::from(table.0.live.is_some()));
    page.total("running", all().map(|table| (of_table(table), running(table))));
    page.counter("slots_outlasted", all().map(|table| (of_table(table), number(counters(table).outlasted))));
}

/// The exit code of a table with accounts: a budget that is reached and a run that was overtaken end by themselves, and
/// hide no account of which a person has to know.
fn gravest(codes: &[u8]) -> u8 {
    let is_passing = |code: &u8| [Kind::Budget, Kind::Superseded].iter().any(|kind| kind.exit_code() == *code);
    match combined_exit_code(codes.iter().copied().filter(|code| !is_passing(code))) {
        0 => combined_exit_code(codes.iter().copied()),
        code => code,
    }
}

/// What the requests of this calendar month cost, by the run records, and what they may cost.
fn of_budgets(page: &mut Page, tables: &[TableFacts]) {
    let dollars = |cents: Cents| number(cents.0) / 100.0;
    let known = || tables.iter().filter_map(|table| Some((table, table.1.known.as_ref()?)));
    page.total("month_spent_usd", known().map(|(table, known)| (of_table(table), dollars(known.usd_this_month))));
    let budget = |table: &TableFacts| table.0.job.budget.max_usd_per_month;
    page.total("month_budget_usd", tables.iter().filter_map(|table| Some((of_table(table), dollars(budget(table)?)))));
}

fn of_requests(page: &mut Page, tables: &[TableFacts]) {
    let mut counter = |name: &str, value: &dyn Fn(&TableFacts) -> f64| {
        page.counter(name, tables.iter().map(|table| (of_table(table), value(table))));
    };
    counter("requests", &|t| number(t.0.counters.asked.requests));
    counter("spent_usd", &|t| number(t.0.counters.asked.cost().0) / 100.0);
    counter("throttles", &|t| number(t.0.counters.asked.throttles));
    counter("retries", &|t| number(t.0.counters.asked.retries));
    counter("rows_read", &|t| number(t.0.counters.rows));
    counter("answer_bytes", &|t| number(t.0.counters.asked.answer_bytes));
    counter("objects_written", &|t| number(t.0.counters.objects_written));
    counter("objects_displaced", &|t| number(t.0.counters.objects_displaced));
    counter("object_bytes_written", &|t| number(t.0.counters.object_bytes));
}

#[cfg(test)]
mod tests {
    use super::gravest;

    #[test]
    fn an_account_that_a_person_has_to_look_at_is_hidden_by_no_other() {
        for (codes, wanted) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[0, 4], 4),
            (&[5, 4, 0], 4),
            (&[1, 4], 1),
            (&[5, 1, 0], 1),
            (&[3, 4, 5], 3),
            (&[4, 2, 1], 2),
        ] {
            assert_eq!(gravest(codes), wanted, "{codes:?}");
        }
    }
}
