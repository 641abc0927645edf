//! The answer of `savings/timeseries`: four metrics, each with its own times, a map of series and an optional unit.
//!
//! The metrics need not share their times or series, so each is parsed to separate points that are joined by day and
//! series afterwards. The checks of a metric:
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
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Result};
use crate::request::{Answer, Get};
use crate::sources::datadog::{Object, bad_answer, number, present, read_json, unit_name};

/// The metrics, in the order of their columns; a metric's unit is in the column `<metric>_unit`.
pub(super) const METRICS: [&str; 4] =
    ["actual_cost", "on_demand_equivalent_cost", "realized_savings", "effective_savings_rate"];

/// Times from this value on are milliseconds; as seconds it would be in the year 5138.
const FIRST_MILLISECONDS: f64 = 1e11;

#[derive(Deserialize)]
struct Savings<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    actual_cost: Option<Option<Object<Wire<'a>>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    on_demand_equivalent_cost: Option<Option<Object<Wire<'a>>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    realized_savings: Option<Option<Object<Wire<'a>>>>,
    #[serde(borrow, default, deserialize_with = "present")]
    effective_savings_rate: Option<Option<Object<Wire<'a>>>>,
}

#[derive(Deserialize, Default)]
struct Wire<'a> {
    #[serde(borrow, default)]
    series: Option<Series<'a>>,
    #[serde(borrow, default)]
    times: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    unit: Value,
}

/// The values of one series by its name.
type Values<'a> = Option<Vec<Option<&'a RawValue>>>;

/// A map that keeps duplicate names, so that they can be refused.
struct Series<'a>(Vec<(String, Values<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Series<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(String, Values<'de>)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map of series")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        input.deserialize_map(Pairs).map(Series)
    }
}

/// One metric of an answer.
#[derive(Debug, Default)]
pub(super) struct Metric {
    pub(super) unit: Option<String>,
    pub(super) days: Vec<NaiveDate>,
    /// Name and values, one per day.
    pub(super) series: Vec<(String, Vec<Option<f64>>)>,
    /// Points that were not at a UTC midnight.
    pub(super) moved: u64,
    /// Days with two values.
    pub(super) doubtful: Vec<(NaiveDate, String)>,
}

/// Reads the answer to `get`: one metric for each of [`METRICS`].
pub(super) fn read(get: &Get, answer: &Answer) -> Result<[Metric; 4]> {
    let savings: Savings<'_> = read_json(get, answer)?;
    let metric = |index: usize, wire: Option<Option<Object<Wire<'_>>>>| {
        let name = METRICS.get(index).copied().unwrap_or_default();
        let bad = |message: String| bad_answer(get, message).at("metric", name);
        let wire = wire.ok_or_else(|| bad("the answer lacks a metric".to_owned()))?;
        read_metric(wire.unwrap_or_default().0, &bad)
    };
    Ok([
        metric(0, savings.actual_cost)?,
        metric(1, savings.on_demand_equivalent_cost)?,
        metric(2, savings.realized_savings)?,
        metric(3, savings.effective_savings_rate)?,
    ])
}

fn read_metric(wire: Wire<'_>, bad: &dyn Fn(String) -> Error) -> Result<Metric> {
    let times = wire.times.unwrap_or_default();
    let read = times.iter().map(|time| read_time(time.get()).map_err(|message| bad(message).at("time", time.get())));
    let times = read.collect::<Result<Vec<_>>>()?;
    let moved = times.iter().filter(|at| at.time() != NaiveTime::MIN).count() as u64;
    let days: Vec<NaiveDate> = times.iter().map(DateTime::date_naive).collect::<BTreeSet<_>>().into_iter().collect();
    let mut doubtful = Vec::new();
    let mut names = HashSet::new();
    let mut series: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    for (name, values) in wire.series.map(|series| series.0).unwrap_or_default() {
        if !names.insert(name.clone()) {
            return Err(bad("a series is there twice".to_owned()).at("series", name));
        }
        let Some(values) = values else { continue };
        if values.len() != times.len() {
            let message = format!("a series has {} values for {} times", values.len(), times.len());
            return Err(bad(message).at("series", name));
        }
        let read = values.into_iter().map(|value| value.map(|value| read_value(value.get())).transpose());
        let values = read.collect::<Result<Vec<_>, String>>().map_err(|message| bad(message).at("series", &name))?;
        let (by_day, two) = by_day(&times, values);
        doubtful.extend(two.into_iter().map(|(day, why)| (day, format!("{name} {why}"))));
        series.push((name, days.iter().map(|day| by_day.get(day).copied()).collect()));
    }
    Ok(Metric { unit: unit_name(&wire.unit), days, series, moved, doubtful })
}

/// The latest value of each day that has one, and the days with points of different values.
fn by_day(times: &[DateTime<Utc>], values: Vec<Option<f64>>) -> (BTreeMap<NaiveDate, f64>, Vec<(NaiveDate, String)>) {
    let mut points: Vec<(&DateTime<Utc>, f64)> =
        times.iter().zip(values).filter_map(|(at, value)| Some((at, value?))).collect();
    points.sort_by_key(|(at, _)| **at);
    let (mut found, mut two) = (BTreeMap::new(), Vec::new());
    for (at, value) in points {
        let day = at.date_naive();
        if let Some(before) = found.insert(day, value).filter(|before| *before != value) {
            two.push((day, format!("has two values for this day, {before} and {value}")));
        }
    }
    (found, two)
}

fn read_time(text: &str) -> Result<DateTime<Utc>, String> {
    let time = number(text).filter(|time| time.fract() == 0.0).ok_or("a time is not a whole number")?;
    let milliseconds = if time.abs() < FIRST_MILLISECONDS { time * 1000.0 } else { time };
    // A whole number, far below 2^53 if chrono can hold it; beyond that the cast saturates to a value chrono refuses.
    #[allow(clippy::cast_possible_truncation)]
    DateTime::from_timestamp_millis(milliseconds as i64).ok_or_else(|| "a time is beyond the calendar".to_owned())
}

fn read_value(text: &str) -> Result<f64, String> {
    number(text).ok_or_else(|| {
        let shown: String = text.chars().take(40).collect();
        format!("a value is not a number that a double holds: {shown}")
    })
}
