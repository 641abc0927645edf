//! Turns the pages of one fetch into rows.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, RecordBatch, StringArray, TimestampMillisecondArray,
};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

use crate::decimal;
use crate::error::{Error, Kind, Result};
use crate::request::{Answer, Request};
use crate::sources::{Fetched, Reader, cost_explorer};
use crate::table::Table;
use crate::window::{Grain, Window, parse_day};

use super::Params;
use super::decode::{Names, PageEnd, Rows, Wanted, read_page};
use super::params::{CURRENCY, column_of};
use super::query::{Grouping, GroupingKind, TOKEN};

/// Maximum pages of one fetch; more is taken for an endless loop.
const MAX_PAGES: u64 = 1_000;

pub(super) struct PageReader {
    table: Arc<Table>,
    grain: Grain,
    groupings: Vec<Grouping>,
    metrics: Vec<(&'static str, bool)>,
    columns: Vec<(&'static str, &'static str)>,
    windows: Vec<Window>,
    rows: Rows,
    tokens: HashSet<String>,
    pages: u64,
    page_rows: u64,
}

impl PageReader {
    pub(super) fn new(params: &Params, windows: &[Window]) -> Self {
        let metrics: Vec<_> = params.metrics.iter().map(|m| (m.name, m.unit_column == CURRENCY)).collect();
        let rows = Rows {
            period: Vec::new(),
            periods: Vec::new(),
            keys: params.groupings.iter().map(|_| Names::default()).collect(),
            amounts: metrics.iter().map(|_| Vec::new()).collect(),
            units: metrics.iter().map(|(_, is_cost)| (!is_cost).then(Names::default)).collect(),
            currency: None,
            descriptions: std::collections::BTreeMap::new(),
        };
        Self {
            table: Arc::clone(&params.table),
            grain: params.grain,
            groupings: params.groupings.clone(),
            metrics,
            columns: params.metrics.iter().map(|m| (m.column, m.unit_column)).collect(),
            windows: windows.to_vec(),
            rows,
            tokens: HashSet::new(),
            pages: 0,
            page_rows: 0,
        }
    }

    fn check_page(&mut self, end: &PageEnd) -> Result<()> {
        if !end.has_results {
            return Err(bad("the answer has no ResultsByTime"));
        }
        if let Some(echo) = end.echo.as_ref().filter(|echo| !echo.is_empty()) {
            let asked: Vec<(String, String)> =
                self.groupings.iter().map(|g| (g.kind.name().to_owned(), g.key.clone())).collect();
            if *echo != asked {
                return Err(bad(format!("the answer is grouped by {}, not as asked", shown(echo))));
            }
        }
        if let Some(token) = &end.next_token
            && !self.tokens.insert(token.clone())
        {
            return Err(bad("the answer repeats a NextPageToken: following it would never end"));
        }
        if self.pages >= MAX_PAGES && end.next_token.is_some() {
            return Err(bad(format!("the fetch has more than {MAX_PAGES} pages")));
        }
        Ok(())
    }

    /// The start of each period, checked against the windows: none missing after the first one, none extra, each one
    /// slot (or hour) long.
    fn check_coverage(&self) -> Result<Vec<Start>> {
        let mut starts = Vec::with_capacity(self.rows.periods.len());
        for period in &self.rows.periods {
            let start = Start::read(self.grain, &period.start, &period.end).ok_or_else(|| {
                bad(format!(
                    "the answer has a period \"{}\" to \"{}\", which is not one {} period",
                    period.start,
                    period.end,
                    self.grain.name()
                ))
            })?;
            if !self.windows.iter().any(|window| window.contains(start.day)) {
                return Err(bad(format!("the answer has the period {}, which was not asked for", period.start)));
            }
            starts.push(start);
        }
        self.check_totals(&starts)?;
        let met: HashSet<i64> = starts.iter().map(|start| start.millis).collect();
        let first = starts.iter().map(|start| start.millis).min().unwrap_or(i64::MAX);
        let is_lost = |millis: &i64| *millis > first && !met.contains(millis);
        for window in &self.windows {
            for slot in self.grain.slots(*window) {
                if let Some(missing) = slot_instants(self.grain, slot).find(is_lost) {
                    let what = DateTime::from_timestamp_millis(missing).map_or(String::new(), |at| match self.grain {
                        Grain::Hourly => at.format("%Y-%m-%dT%H:00:00Z").to_string(),
                        _ => at.date_naive().to_string(),
                    });
                    return Err(bad(format!("the answer has no period for {what}, which was asked for")));
                }
            }
        }
        self.check_flags(&starts)?;
        Ok(starts)
    }

    /// A period on two pages must be an estimate on both or on neither; otherwise it changed while it was read, and its
    /// rows would contradict each other.
    fn check_flags(&self, starts: &[Start]) -> Result<()> {
        let mut flags = HashMap::new();
        let told = self.rows.periods.iter().zip(starts);
        let torn = told
            .into_iter()
            .find(|(period, start)| *flags.entry(start.millis).or_insert(period.estimated) != period.estimated);
        torn.map_or(Ok(()), |(period, _)| {
            let words =
                format!("{} is an estimate on one page and not on another: it changed while it was read", period.start);
            Err(Error::new(Kind::Restart, words))
        })
    }

    /// The currency of each slot that names one. All pages and hours of a day have the same currency; days may differ.
    fn currencies(&self, starts: &[Start]) -> Result<BTreeMap<NaiveDate, String>> {
        let mut found: BTreeMap<NaiveDate, String> = BTreeMap::new();
        for (period, start) in self.rows.periods.iter().zip(starts) {
            let Some(currency) = &period.currency else { continue };
            let known = found.entry(start.day).or_insert_with(|| currency.clone());
            if known != currency {
                let words = format!(
                    "the costs of {} are in {known} and in {currency}, but one day has one currency",
                    start.day
                );
                return Err(bad(words));
            }
        }
        Ok(found)
    }

    /// A day without a group on any page must have a total of zero.
    fn check_totals(&self, starts: &[Start]) -> Result<()> {
        let with_rows: HashSet<i64> = self.rows.period.iter().map(|index| starts[*index as usize].millis).collect();
        let lost = self
            .rows
            .periods
            .iter()
            .zip(starts)
            .find(|(period, start)| period.has_total && !with_rows.contains(&start.millis));
        match lost {
            Some((period, _)) if !self.groupings.is_empty() => {
                Err(bad(format!("the answer has a total but no groups for {}", period.start)))
            }
            _ => Ok(()),
        }
    }

    fn column(&mut self, name: &str, starts: &[Start], currencies: &BTreeMap<NaiveDate, String>) -> Result<ArrayRef> {
        if let Some(index) = self.columns.iter().position(|(column, _)| *column == name) {
            let amounts = std::mem::take(&mut self.rows.amounts[index]);
            let array = Decimal128Array::from(amounts)
                .with_precision_and_scale(decimal::PRECISION, decimal::SCALE as i8)
                .map_err(|error| Error::new(Kind::Internal, "cannot build an amount column").because(error))?;
            return Ok(Arc::new(array));
        }
        if let Some(index) = self.groupings.iter().position(|grouping| column_of(grouping) == name) {
            return Ok(Arc::new(self.rows.keys[index].column()));
        }
        let periods = self.rows.period.iter().map(|index| *index as usize);
        Ok(match name {
            "usage_date" => {
                Arc::new(Date32Array::from_iter_values(periods.map(|index| Date32Days::of(starts[index].day))))
            }
            "period_start" => Arc::new(
                TimestampMillisecondArray::from_iter_values(periods.map(|index| starts[index].millis))
                    .with_timezone("UTC"),
            ),
            "estimated" => {
                Arc::new(periods.map(|index| Some(self.rows.periods[index].estimated)).collect::<BooleanArray>())
            }
            "linked_account_name" => self.account_names()?,
            CURRENCY => {
                let of_period: Vec<Option<&str>> =
                    starts.iter().map(|start| currency_of(currencies, start.day)).collect();
                Arc::new(periods.map(|index| of_period[index]).collect::<StringArray>())
            }
            _ => match self.columns.iter().position(|(_, unit)| *unit == name) {
                Some(index) => match self.rows.units[index].take() {
                    Some(units) => Arc::new(units.column()),
                    None => return Err(unknown_column(name)),
                },
                None => return Err(unknown_column(name)),
            },
        })
    }

    fn account_names(&self) -> Result<ArrayRef> {
        let by_account = |g: &Grouping| g.kind == GroupingKind::Dimension && g.key == "LINKED_ACCOUNT";
        let index = self.groupings.iter().position(by_account).ok_or_else(|| unknown_column("linked_account_name"))?;
        let names = |id: &str| self.rows.descriptions.get(id).map(String::as_str);
        Ok(Arc::new(self.rows.keys[index].mapped(names)))
    }
}

impl Reader for PageReader {
    fn read(&mut self, request: &Request, answer: &Answer) -> Result<Vec<Request>> {
        let operation = cost_explorer::as_operation(request)?;
        if operation.text(TOKEN).is_none() {
            // Tokens are compared within one pagination only: two paginations may share a token.
            self.tokens.clear();
        }
        self.pages += 1;
        let before = self.rows.period.len();
        let wanted = Wanted { groupings: &self.groupings, metrics: &self.metrics };
        if answer.body.is_empty() {
            return Err(bad("the answer is empty").at("page", self.pages));
        }
        let end = read_page(&answer.body, &wanted, &mut self.rows)
            .map_err(|error| bad("the answer cannot be read").at("page", self.pages).because(error))?;
        self.page_rows = self.page_rows.max((self.rows.period.len() - before) as u64);
        self.check_page(&end).map_err(|error| error.at("page", self.pages))?;
        Ok(end.next_token.map(|token| Request::Operation(operation.with(TOKEN, &token))).into_iter().collect())
    }

    fn rows(&self) -> u64 {
        self.rows.period.len() as u64
    }

    fn slots_met(&self) -> u64 {
        let starts: BTreeSet<&str> =
            self.rows.periods.iter().map(|period| period.start.get(..10).unwrap_or_default()).collect();
        starts.len() as u64
    }

    fn finish(mut self: Box<Self>) -> Result<Fetched> {
        let starts = self.check_coverage()?;
        let first = starts.iter().map(|start| start.day).min().unwrap_or(NaiveDate::MAX);
        let asked = self.windows.iter().flat_map(|window| self.grain.slots(*window));
        let of_first: BTreeSet<i64> =
            starts.iter().filter(|start| start.day == first).map(|start| start.millis).collect();
        let whole = slot_instants(self.grain, first).count();
        let partial = (!of_first.is_empty() && of_first.len() < whole).then_some(first);
        let (absent, slots) = asked.partition(|slot| *slot < first);
        let estimated: BTreeSet<NaiveDate> = self
            .rows
            .periods
            .iter()
            .zip(&starts)
            .filter(|(period, _)| period.estimated)
            .map(|(_, start)| start.day)
            .collect();
        let table = Arc::clone(&self.table);
        let currencies = self.currencies(&starts)?;
        let columns: Vec<ArrayRef> = table
            .columns()
            .iter()
            .map(|column| self.column(&column.name, &starts, &currencies))
            .collect::<Result<_>>()?;
        let rows = RecordBatch::try_new(Arc::clone(table.schema()), columns).map_err(|error| {
            Error::new(Kind::Internal, "the columns of an answer do not fit the table").because(error)
        })?;
        let (doubtful, incomplete, notes) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let page_rows = self.page_rows;
        Ok(Fetched {
            absent,
            partial,
            rows,
            slots,
            estimated,
            currencies,
            doubtful,
            incomplete,
            notes,
            page_rows,
            full_page: 0,
        })
    }
}

/// The currency of a slot; if it names none, that of the nearest earlier slot that does, else of the first later one.
fn currency_of(currencies: &BTreeMap<NaiveDate, String>, slot: NaiveDate) -> Option<&str> {
    let before = currencies.range(..=slot).next_back().or_else(|| currencies.first_key_value());
    before.map(|(_, currency)| currency.as_str())
}

/// When a period begins.
#[derive(Debug, Clone, Copy)]
struct Start {
    day: NaiveDate,
    millis: i64,
}

impl Start {
    /// Reads `Start` and `End`, which must be exactly one slot (or hour) apart.
    fn read(grain: Grain, start: &str, end: &str) -> Option<Self> {
        let day = parse_day(start.get(..10)?)?;
        if grain == Grain::Hourly {
            let instant = |text: &str| {
                NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%SZ").ok().map(|at| at.and_utc().timestamp_millis())
            };
            let (from, to) = (instant(start)?, instant(end)?);
            return (from % HOUR_MS == 0 && to - from == HOUR_MS).then_some(Self { day, millis: from });
        }
        let slot = grain.slot_window(day);
        let exact = start.len() == 10 && grain.slot_of(day) == day && parse_day(end) == Some(slot.end());
        exact.then_some(Self { day, millis: midnight(day) })
    }
}

const HOUR_MS: i64 = 3_600_000;

fn midnight(day: NaiveDate) -> i64 {
    day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis()
}

/// The starts of the periods that make up one slot.
fn slot_instants(grain: Grain, slot: NaiveDate) -> impl Iterator<Item = i64> {
    let hours = if grain == Grain::Hourly { 24 } else { 1 };
    (0..hours).map(move |hour| midnight(slot) + hour * HOUR_MS)
}

/// Days since 1970-01-01, as Arrow's `Date32` counts.
struct Date32Days;

impl Date32Days {
    fn of(day: NaiveDate) -> i32 {
        arrow::datatypes::Date32Type::from_naive_date(day)
    }
}

fn bad(message: impl Into<String>) -> Error {
    Error::new(Kind::BadAnswer, message)
}

fn unknown_column(name: &str) -> Error {
    Error::new(Kind::Internal, format!("no part of an answer fills the column `{name}`"))
}

fn shown(echo: &[(String, String)]) -> String {
    echo.iter().map(|(kind, key)| format!("{kind} {key}")).collect::<Vec<_>>().join(" and ")
}
