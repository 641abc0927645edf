//! Time series of commitments: an answer is one metric or several, each with its own times, a map of series and a unit.
//!
//! ```text
//!  GET <path>?provider=aws&product=ec2&start=<midnight>&end=<midnight>[&commitmentType=ri][&filterBy=…]
//!
//!  actual_cost               times t1 t2 t3   series total: a1 a2 a3 ─┐
//!  on_demand_equivalent_cost times t1 t2      series total: o1 o2     ├─► a row per (day, series), NULL where a
//!  …                                                                  ┘   metric has no point
//! ```
//! One request per query and window. It is not documented whether `end` is inclusive, and old days may no longer exist:
//! points outside the window are dropped and counted, and a day without points is an empty day. The metrics need not
//! share their times or series. The checks of a metric:
//!
//! | what | must be |
//! |---|---|
//! | the metric | present; `null` is a metric without points, as are `null` or empty `series` and `times` |
//! | a time | a whole number: seconds, or milliseconds from 10^11 on; it counts for its UTC day |
//! | the times | in any order |
//! | a series | named once, as long as the times; a series that is `null` has no points |
//! | the points of a day | one value; a day with two is doubtful, keeps the last one and needs a user's decision |
//! | a value | a number, or `null` for a day without a value |

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::job::section::Section;
use crate::request::{Answer, Call, Request};
use crate::sources::list::row::{EXTRA, number};
use crate::sources::list::{self, Cell, Endpoint, Fields, Members, Page, Row, Unique, keeps_extra, read_table};
use crate::sources::{Source, Watched};
use crate::text::plural;
use crate::window::Window;

use super::{CommitmentType, Object, QUERY_COLUMNS, Queries, Query, as_call, bad_answer, read_json, unit_name};

/// Times from this value on are milliseconds; as seconds it would be in the year 5138.
const FIRST_MILLISECONDS: f64 = 1e11;

/// Where the metrics are in an answer. The value of a metric is in the column of its name, its unit in `<metric>_unit`.
#[derive(Debug)]
pub(in crate::sources) enum Metrics {
    /// Members of the answer.
    Members(&'static [&'static str]),
    /// The answer itself.
    Whole(&'static str),
}

/// What one endpoint differs in.
#[derive(Debug)]
pub(in crate::sources) struct Spec {
    pub(in crate::sources) schema: &'static str,
    pub(in crate::sources) path: &'static str,
    pub(in crate::sources) commitment_type: CommitmentType,
    pub(in crate::sources) metrics: Metrics,
    pub(in crate::sources) watched: Watched,
}

/// Reads `[source]` of a job; problems are noted in it.
pub(in crate::sources) fn build(spec: &'static Spec, section: &Section<'_>) -> Option<Arc<dyn Source>> {
    let table = read_table(section, spec.schema);
    let queries = Queries::read(section, spec.commitment_type)?;
    let table = table?;
    Some(list::by_day(Timeseries { spec, queries, has_extra: keeps_extra(&table) }, table))
}

#[derive(Debug)]
struct Timeseries {
    spec: &'static Spec,
    queries: Queries,
    /// Whether the table keeps metrics without a column.
    has_extra: bool,
}

impl Endpoint for Timeseries {
    type State = ();

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        self.queries.fingerprint()
    }

    fn read_for(&self) -> BTreeSet<String> {
        self.queries.names()
    }

    fn watched(&self) -> Watched {
        self.spec.watched
    }

    fn query_columns(&self) -> &'static [&'static str] {
        QUERY_COLUMNS
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let of_window = |window: &Window| {
            let window = *window;
            self.queries.queries.iter().map(move |query| self.queries.request(self.spec.path, query, window))
        };
        windows.iter().flat_map(of_window).collect()
    }

    fn read<'a>(&self, (): &mut (), request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let call = as_call(request)?;
        let query = self.queries.find(call)?;
        let metrics = self.spec.metrics.read(answer, self.has_extra)?;
        let mut page = Page::default();
        for metric in &metrics {
            let (one, several) = (
                "point was not at a UTC midnight and counts for its UTC day",
                "points were not at a UTC midnight and count for their UTC day",
            );
            page.remarks.count(one, several, metric.moved);
            let told =
                metric.doubtful.iter().map(|(day, why)| (*day, format!("{} of {}: {why}", metric.name, query.name())));
            page.doubtful.extend(told);
        }
        let (rows, dropped) = join(call, &metrics);
        let words = |what: &str| format!("{what} dropped ({} {})", call.purpose.subject, call.purpose.window);
        let one = words("point outside the days asked for was");
        page.remarks.count(&one, &words("points outside the days asked for were"), dropped);
        page.rows = rows.into_iter().map(|(key, values)| row_of(query, key, &values, &metrics)).collect();
        Ok(page)
    }
}

/// The values of one row, in the order of the metrics.
type RowValues = Vec<Option<f64>>;

/// Joins the metrics by day and series; the number of points outside the window, which are dropped.
fn join(call: &Call, metrics: &[Metric]) -> (BTreeMap<(NaiveDate, String), RowValues>, u64) {
    let window = call.purpose.window;
    let (mut rows, mut dropped) = (BTreeMap::new(), 0);
    for (index, metric) in metrics.iter().enumerate() {
        for (series, values) in &metric.series {
            for (day, value) in metric.days.iter().zip(values) {
                if !window.contains(*day) {
                    dropped += 1;
                    continue;
                }
                let row = rows.entry((*day, series.clone())).or_insert_with(|| vec![None; metrics.len()]);
                row[index] = *value;
            }
        }
    }
    (rows, dropped)
}

fn row_of<'a>(query: &Query, (day, series): (NaiveDate, String), values: &RowValues, metrics: &[Metric]) -> Row<'a> {
    let mut row = Row::default()
        .day("usage_date", day)
        .give("provider", query.provider.clone())
        .give("product", query.product.clone())
        .give("commitment_type", query.commitment_type.clone())
        .give("series", series);
    let mut extra = serde_json::Map::new();
    for (metric, value) in metrics.iter().zip(values) {
        if metric.has_column {
            row = row.give(metric.name.clone(), *value).give(format!("{}_unit", metric.name), metric.unit.clone());
        } else if let Some(value) = value {
            extra.insert(metric.name.clone(), (*value).into());
        }
    }
    row.give(EXTRA, if extra.is_empty() { Cell::Null } else { Value::from(extra).to_string().into() })
}

#[derive(Deserialize, Default)]
struct Wire<'a> {
    #[serde(borrow, default)]
    series: Option<Members<Values<'a>>>,
    #[serde(borrow, default)]
    times: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    unit: Value,
}

/// The values of one series by its name.
type Values<'a> = Option<Vec<Option<&'a RawValue>>>;

/// One metric of an answer.
#[derive(Debug)]
struct Metric {
    name: String,
    /// Whether the table has a column for it; the value of any other goes to `extra`.
    has_column: bool,
    unit: Option<String>,
    days: Vec<NaiveDate>,
    /// Name and values, one per day.
    series: Vec<(String, Vec<Option<f64>>)>,
    /// Points that were not at a UTC midnight.
    moved: u64,
    /// Days with two values.
    doubtful: Vec<(NaiveDate, String)>,
}

impl Metrics {
    /// The metrics of an answer: those with a column, then, for `extra`, whatever else has the form of one.
    fn read(&self, answer: &Answer, has_extra: bool) -> Result<Vec<Metric>> {
        let members = read_json::<Unique<'_>>(answer)?.0;
        let (mut metrics, own): (Vec<Metric>, &[&str]) = match self {
            Self::Whole(_) if !members.contains_key("series") => return Err(bad_answer("the answer has no `series`")),
            Self::Whole(name) => (vec![Metric::read(name, true, read_json(answer)?)?], &["series", "times", "unit"]),
            Self::Members(names) => {
                let read = names.iter().map(|name| Metric::of_member(&members, name));
                (read.collect::<Result<_>>()?, names)
            }
        };
        let others = members.iter().filter(|(name, _)| has_extra && !own.contains(&name.as_str()));
        for (name, raw) in others {
            let wire = serde_json::from_str::<Object<Wire<'_>>>(raw.get()).ok().map(|wire| wire.0);
            if let Some(wire) = wire.filter(|wire| wire.series.is_some()) {
                metrics.push(Metric::read(name, false, wire)?);
            }
        }
        Ok(metrics)
    }
}

impl Metric {
    /// The metric of a member that must be there.
    fn of_member(members: &Fields<'_>, name: &str) -> Result<Self> {
        let bad = |message: &str| bad_answer(message).at("metric", name);
        let raw = members.get(name).ok_or_else(|| bad("the answer lacks a metric"))?;
        let wire: Option<Object<Wire<'_>>> = serde_json::from_str(raw.get())
            .map_err(|error| bad("the answer is not the JSON that the API documents").because(error))?;
        Self::read(name, true, wire.unwrap_or_default().0)
    }

    fn read(name: &str, has_column: bool, wire: Wire<'_>) -> Result<Self> {
        let bad = |message: String| bad_answer(message).at("metric", name);
        let times = wire.times.unwrap_or_default();
        let read =
            times.iter().map(|time| read_time(time.get()).map_err(|message| bad(message).at("time", time.get())));
        let times = read.collect::<Result<Vec<_>>>()?;
        let moved = times.iter().filter(|at| at.time() != NaiveTime::MIN).count() as u64;
        let days: Vec<NaiveDate> =
            times.iter().map(DateTime::date_naive).collect::<BTreeSet<_>>().into_iter().collect();
        if let Some(step) = step_of(&days) {
            return Err(bad(format!("the points are {step} days apart: each may be the sum of several days")));
        }
        let mut doubtful = Vec::new();
        let mut names = HashSet::new();
        let mut series: Vec<(String, Vec<Option<f64>>)> = Vec::new();
        for (name, values) in wire.series.map(|series| series.0).unwrap_or_default() {
            if !names.insert(name.clone()) {
                return Err(bad("a series is there twice".to_owned()).at("series", name));
            }
            let Some(values) = values else { continue };
            if values.len() != times.len() {
                let message = format!(
                    "a series has {} for {}",
                    plural(values.len() as u64, "value"),
                    plural(times.len() as u64, "time")
                );
                return Err(bad(message).at("series", name));
            }
            let read = values.into_iter().map(|value| value.map(|value| read_value(value.get())).transpose());
            let values =
                read.collect::<Result<Vec<_>, String>>().map_err(|message| bad(message).at("series", &name))?;
            let (by_day, two) = by_day(&times, values);
            doubtful.extend(two.into_iter().map(|(day, why)| (day, format!("{name} {why}"))));
            series.push((name, days.iter().map(|day| by_day.get(day).copied()).collect()));
        }
        let unit = unit_name(&wire.unit);
        Ok(Self { name: name.to_owned(), has_column, unit, days, series, moved, doubtful })
    }
}

/// The days between points that are evenly spaced and further apart than one day; three points make a pattern.
fn step_of(days: &[NaiveDate]) -> Option<i64> {
    let mut steps = days.windows(2).map(|pair| (pair[1] - pair[0]).num_days());
    let first = steps.next().filter(|step| *step > 1)?;
    (days.len() >= 3 && steps.all(|step| step == first)).then_some(first)
}

/// The latest value of each day that has one, and the days with points of different values.
fn by_day(times: &[DateTime<Utc>], values: Vec<Option<f64>>) -> (BTreeMap<NaiveDate, f64>, Vec<(NaiveDate, String)>) {
    let mut points: Vec<(&DateTime<Utc>, f64)> =
        times.iter().zip(values).filter_map(|(at, value)| Some((at, value?))).collect();
    points.sort_by_key(|(at, _)| **at);
    let (mut found, mut met, mut two) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (at, value) in points {
        let day = at.date_naive();
        let again = met.insert(day, *at).is_some_and(|before| before != *at);
        let before = found.insert(day, value);
        if let Some(before) = before.filter(|before| again || *before != value) {
            two.push((day, format!("has two values for this day, {before} and {value}")));
        }
    }
    (found, two)
}

/// An instant in seconds, or in milliseconds from 10^11 on.
pub(in crate::sources) fn read_time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = number(text).filter(|time| time.fract() == 0.0).ok_or("a time is not a whole number")?;
    let milliseconds = if time.abs() < FIRST_MILLISECONDS { time * 1000.0 } else { time };
    // A whole number, far below 2^53 if chrono can hold it; beyond that the cast saturates to a value chrono refuses.
    #[allow(clippy::cast_possible_truncation)]
    DateTime::from_timestamp_millis(milliseconds as i64).ok_or_else(|| "a time is beyond the calendar".to_owned())
}

/// A value as the nearest double.
pub(in crate::sources) fn read_value(text: &str) -> Result<f64, String> {
    number(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("a value is not a number that a double holds: {shown}")
    })
}
