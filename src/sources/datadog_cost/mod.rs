//! Datadog Cloud Cost Management: costs of all clouds by day and up to four tags.
//!
//! <https://docs.datadoghq.com/api/latest/metrics/#query-timeseries-data-across-multiple-products>
//!
//! ```text
//!  POST /api/v2/query/timeseries, data_source cloud_cost, from <midnight> to <midnight> (not included)
//!       sum:<metric>{<filter>} by {team,env}.rollup(sum, daily)     ──► a row per day and group with a cost
//!       sum:<metric>{<filter>}.rollup(sum, daily)                   ──► must be the sums of the groups, day by day
//! ```
//! The API has neither pages nor a documented maximum of series: that the groups add up to the second answer shows that
//! none was cut. Both are sums of doubles, so they may differ by a billionth. A job without `group_by` sends only the
//! second request, and its answer is the rows. For the checks of an answer see `wire.rs`.
//!
//! A group without a tag has the value `N/A` or lacks the tag; which one is not documented. The column has what came:
//! `N/A`, or the empty string.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::error::Result;
use crate::job::section::Section;
use crate::request::{Answer, Call, Purpose, Request};
use crate::sources::datadog::queries::milliseconds;
use crate::sources::datadog::tag_keys::TAG_KEYS;
use crate::sources::datadog::{as_call, bad_answer};
use crate::sources::list::{self, Endpoint, Page, Remarks, Row};
use crate::sources::provider::{DATADOG, DATADOG_COSTS};
use crate::sources::{Entry, Source, Watched};
use crate::window::Window;

mod params;
mod wire;

use params::Params;
use wire::Series;

const SCHEMA: &str = include_str!("../../../schemas/datadog_cost.json");
const PATH: &str = "/api/v2/query/timeseries";
/// A day in milliseconds.
const INTERVAL: u64 = 86_400_000;
/// Subject of the request by tags.
const GROUPS: &str = "groups";
/// Subject of the request without tags.
const TOTAL: &str = "total";
/// Largest difference of a day's two sums, relative to the amounts that were added.
const ALIKE: f64 = 1e-9;
/// The same in units of the cost, for sums near zero.
const NEARLY_ZERO: f64 = 1e-9;

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_cost",
    summary: "Datadog's costs of all clouds by day, by up to four tags",
    operations: &["POST /api/v2/query/timeseries"],
    row: "day and group",
    night: "nothing",
    schema: SCHEMA,
    provider: &DATADOG,
    rules: &DATADOG_COSTS,
    keys: params::KEYS,
    values: Some(&TAG_KEYS),
    jobs: &[("datadog_cost", include_str!("../../../jobs/datadog_cost.toml"))],
    build,
};

fn build(section: &Section<'_>) -> Option<Arc<dyn Source>> {
    let params = params::read(section)?;
    let table = params.table(section)?;
    Some(list::by_day(Cost(params), table))
}

#[derive(Debug)]
struct Cost(Params);

/// Sums of one day.
#[derive(Debug, Default)]
struct Sums {
    groups: f64,
    total: f64,
    /// Of absolute amounts: what rounding is relative to.
    added: f64,
}

impl Endpoint for Cost {
    type State = BTreeMap<NaiveDate, Sums>;

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        let Params { metric, tags, filter } = &self.0;
        let keys: Vec<&str> = tags.iter().map(|(key, _)| key.as_str()).collect();
        vec![("metric", metric.clone()), ("group_by", Value::from(keys).to_string()), ("filter", filter.clone())]
    }

    fn watched(&self) -> Watched {
        Watched { units: &[("cost", "unit")], ratios: &[] }
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let subjects: &[&str] = if self.0.tags.is_empty() { &[TOTAL] } else { &[GROUPS, TOTAL] };
        windows.iter().flat_map(|window| subjects.iter().map(|subject| self.request(*window, subject))).collect()
    }

    fn read<'a>(&self, state: &mut Self::State, request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let call = as_call(request)?;
        let by_tags = call.purpose.subject == GROUPS;
        let (all, unread) = wire::read(answer, call.purpose.window)?;
        if self.0.tags.is_empty() && all.iter().any(|series| !series.group_tags.is_empty()) {
            return Err(bad_answer("the answer has groups, and none were asked for"));
        }
        let mut page = Page::default();
        if !unread.is_empty() {
            let (one, several) = (
                "answer does not cover the days asked for; these stay unread",
                "answers do not cover the days asked for; these stay unread",
            );
            page.remarks.name(one, several, unread.iter().map(NaiveDate::to_string));
        }
        page.unread = unread;
        for (day, cost) in all.iter().flat_map(|series| &series.costs) {
            let sums = state.entry(*day).or_default();
            sums.added += cost.abs();
            *(if by_tags { &mut sums.groups } else { &mut sums.total }) += cost;
        }
        if by_tags || self.0.tags.is_empty() {
            let tags = self.0.tags.clone();
            page.stream = Some(Box::new(all.into_iter().flat_map(move |series| rows_of(series, &tags))));
        }
        Ok(page)
    }

    fn finish(&self, state: Self::State) -> Result<Remarks> {
        for (day, Sums { groups, total, added }) in state {
            let is_same = added.is_finite() && (groups - total).abs() <= ALIKE * added + NEARLY_ZERO;
            if !is_same && !self.0.tags.is_empty() {
                let message = format!("the groups of {day} add up to {groups}, and the total is {total}");
                return Err(bad_answer(message)
                    .at("query", self.0.query(true))
                    .advise("groups may have been cut: narrow source.filter or group by fewer tags; or the costs moved between the two answers: run again"));
            }
        }
        Ok(Remarks::default())
    }
}

impl Cost {
    fn request(&self, window: Window, subject: &str) -> Request {
        let body = json!({ "data": { "type": "timeseries_request", "attributes": {
            "from": milliseconds(window.start()),
            "to": milliseconds(window.end()),
            "interval": INTERVAL,
            "queries": [{ "data_source": "cloud_cost", "name": "cost", "query": self.0.query(subject == GROUPS) }],
            "formulas": [{ "formula": "cost" }],
        } } });
        Request::Call(Call {
            path: PATH.to_owned(),
            query: Vec::new(),
            body: Some(body),
            also_answers: &[],
            purpose: Purpose { window, subject: subject.to_owned() },
        })
    }
}

/// A row for each day of a group with a cost.
fn rows_of<'a>(series: Series<'a>, tags: &[(String, String)]) -> impl Iterator<Item = Result<Row<'a>>> + use<'a> {
    let group_tags = Value::from(series.group_tags.clone()).to_string();
    let value =
        |(key, column): &(String, String)| Ok((column.clone(), wire::value_of(&series.group_tags, key)?.to_owned()));
    let values: Result<Vec<(String, String)>> = tags.iter().map(value).collect();
    let (values, failed) = values.map_or_else(|error| (Vec::new(), Some(error)), |values| (values, None));
    let Series { unit, costs, others, .. } = series;
    let row = move |(day, cost)| {
        let row = Row::new(others.clone()).day("usage_date", day).give("cost", cost);
        let row = row.give("unit", unit.clone()).give("group_tags", group_tags.clone());
        Ok(values.iter().fold(row, |row, (column, value)| row.give(column.clone(), value.clone())))
    };
    let costs = if failed.is_some() { Vec::new() } else { costs };
    failed.map(Err).into_iter().chain(costs.into_iter().map(row))
}

#[cfg(test)]
mod tests;
