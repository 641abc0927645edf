//! The answer to a query of costs: series of one value a day, all with the same times.
//!
//! | what | must be |
//! |---|---|
//! | `data.attributes` | there, with lists `series`, `times` and `values`; `null` is an empty list |
//! | `values` | one list per series, as long as `times` |
//! | a time | a UTC midnight in the window, in seconds, or in milliseconds from 10^11 on; one day after the time before |
//! | a value | a number, or `null` for no cost |
//! | `query_index` | 0, absent or `null`: there is only one query |
//! | `group_tags` | texts, absent or `null`; not those of another series, and each tag asked for at most once |
//! | `unit` | of any shape |

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate, NaiveTime};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::request::Answer;
use crate::sources::datadog::timeseries::{read_time, read_value};
use crate::sources::datadog::{bad_answer, read_attributes, unit_name};
use crate::sources::list::Fields;
use crate::text::plural;
use crate::window::Window;

/// The costs of one group.
#[derive(Debug)]
pub(super) struct Series<'a> {
    pub(super) group_tags: Vec<String>,
    pub(super) unit: Option<String>,
    /// Days with a cost.
    pub(super) costs: Vec<(NaiveDate, f64)>,
    /// Other members.
    pub(super) others: Fields<'a>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default)]
    series: Option<Vec<Fields<'a>>>,
    #[serde(borrow, default)]
    times: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    values: Option<Vec<Option<Vec<&'a RawValue>>>>,
}

/// The series of an answer, and the days it does not tell of.
pub(super) type Read<'a> = (Vec<Series<'a>>, BTreeSet<NaiveDate>);

/// Reads the series of an answer about `window`. An answer without times is of days without costs.
pub(super) fn read(answer: &Answer, window: Window) -> Result<Read<'_>> {
    let attributes: Attributes<'_> = read_attributes(answer)?;
    let days = read_days(&attributes.times.unwrap_or_default(), window)?;
    let (series, values) = (attributes.series.unwrap_or_default(), attributes.values.unwrap_or_default());
    if series.len() != values.len() {
        let message = format!("the answer has {} series and values of {}", series.len(), values.len());
        return Err(bad_answer(message));
    }
    let (mut all, mut met) = (Vec::with_capacity(series.len()), BTreeSet::new());
    for (fields, values) in series.into_iter().zip(values) {
        let mut series = read_series(fields)?;
        let group = series.group_tags.join(", ");
        let costs = read_costs(&days, &values.unwrap_or_default());
        series.costs = costs.map_err(|error| error.at("group", &group))?;
        if !met.insert(series.group_tags.clone()) {
            return Err(bad_answer("a group is there twice").at("group", group));
        }
        all.push(series);
    }
    let unread = window.days().filter(|day| !days.is_empty() && !days.contains(day)).collect();
    Ok((all, unread))
}

fn read_days(times: &[&RawValue], window: Window) -> Result<Vec<NaiveDate>> {
    let mut days: Vec<NaiveDate> = Vec::with_capacity(times.len());
    for raw in times {
        let bad = |message: &str| bad_answer(message).at("time", raw.get());
        let at = read_time(raw.get()).map_err(|message| bad(&message))?;
        let day = at.date_naive();
        if at.time() != NaiveTime::MIN {
            return Err(bad("a time is not a UTC midnight: the costs are not by UTC day"));
        }
        if days.last().is_some_and(|before| before.checked_add_days(Days::new(1)) != Some(day)) {
            return Err(bad("a time is not one day after the time before"));
        }
        if !window.contains(day) {
            return Err(bad("a time is outside the days asked for"));
        }
        days.push(day);
    }
    if days.len() == 1 && window.len() > 1 {
        let message = format!("the answer has one time for {} days: it may be the sum of all of them", window.len());
        return Err(bad_answer(message).at("time", days[0]));
    }
    Ok(days)
}

fn read_costs(days: &[NaiveDate], values: &[&RawValue]) -> Result<Vec<(NaiveDate, f64)>> {
    if days.len() != values.len() {
        return Err(bad_answer(format!(
            "a series has {} for {}",
            plural(values.len() as u64, "value"),
            plural(days.len() as u64, "time")
        )));
    }
    let with_value = days.iter().zip(values).filter(|(_, raw)| raw.get() != "null");
    with_value.map(|(day, raw)| Ok((*day, read_value(raw.get()).map_err(bad_answer)?))).collect()
}

fn read_series(mut fields: Fields<'_>) -> Result<Series<'_>> {
    let mut take = |name: &str| fields.remove(name).filter(|raw| raw.get() != "null");
    let (tags, unit, index) = (take("group_tags"), take("unit"), take("query_index"));
    if index.is_some_and(|index| index.get() != "0") {
        return Err(bad_answer("a series belongs to another query"));
    }
    let read = tags.map(|raw| serde_json::from_str(raw.get())).transpose();
    let group_tags: Option<Vec<String>> =
        read.map_err(|error| bad_answer("`group_tags` is not a list of texts").because(error))?;
    // Sorted: the order of tags says nothing, and must not make a row another one.
    let mut group_tags = group_tags.unwrap_or_default();
    group_tags.sort();
    let unit = unit.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()).as_ref().and_then(unit_name);
    Ok(Series { group_tags, unit, costs: Vec::new(), others: fields })
}

/// The value of a tag in the tags of a group; `""` where the group has none.
pub(super) fn value_of<'t>(group_tags: &'t [String], key: &str) -> Result<&'t str> {
    let mut values = group_tags.iter().filter_map(|tag| {
        let (name, value) = tag.split_once(':')?;
        name.eq_ignore_ascii_case(key).then_some(value)
    });
    let value = values.next().unwrap_or_default();
    match values.next() {
        None => Ok(value),
        Some(_) => Err(bad_answer("a group has two values of one tag").at("group", group_tags.join(", "))),
    }
}
