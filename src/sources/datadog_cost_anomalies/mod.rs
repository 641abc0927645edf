//! Datadog Cloud Cost Management: cost anomalies of the 90 days before a snapshot, open and dismissed.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#list-cost-anomalies>
//!
//! ```text
//!  GET /api/v2/cost/anomalies?start=…&end=…&order_by=start_date&order=asc&limit=200&offset=0&dismissal_cause=none
//!       └─► the next page: offset + anomalies of this page, until `total_count` is reached
//!  the same with dismissal_cause=all: the dismissed ones, which the first view does not list
//! ```
//! An anomaly changes while it lasts and when it is dismissed, so each day has its own rows. The checks of a view:
//!
//! | what | must be |
//! |---|---|
//! | `data.attributes` | has `anomalies`, a list or `null`, and `total_count` |
//! | `total_count` | the same on every page, or the list has moved and is read again from its start |
//! | an anomaly | has a `uuid` that no other page of the view has, or likewise |
//! | the pages together | as many anomalies as `total_count` |
//!
//! An anomaly that is in both views is one row. Who dismissed it is left out, also from the kept raw answers, see
//! `datadog/people.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::job::section::Section;
use crate::request::{Answer, Call, Purpose, Request};
use crate::sources::datadog::queries::milliseconds;
use crate::sources::datadog::{as_call, bad_answer, present, range_before, read_attributes};
use crate::sources::list::{self, Endpoint, Fields, Page, Reduce, Row, people, read_table, row};
use crate::sources::provider::{DATADOG, DATADOG_RANGE};
use crate::sources::{Entry, Learnt, Source};
use crate::window::Window;

const SCHEMA: &str = include_str!("../../../schemas/datadog_cost_anomalies.json");
const PATH: &str = "/api/v2/cost/anomalies";
/// How many days a snapshot is about.
const DAYS: u64 = 90;
/// Anomalies per page, the API's default.
const LIMIT: u64 = 200;
/// Most anomalies of one view; more is taken for a list without an end.
const MOST: u64 = 20_000;
/// Values of `dismissal_cause`: open anomalies, and dismissed ones.
const VIEWS: [&str; 2] = ["none", "all"];

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_cost_anomalies",
    summary: "Datadog's cost anomalies of the last 90 days, open and dismissed, as of today",
    operations: &["GET /api/v2/cost/anomalies"],
    row: "anomaly",
    night: "nothing",
    schema: SCHEMA,
    provider: &DATADOG,
    rules: &DATADOG_RANGE,
    keys: &[],
    values: None,
    jobs: &[("datadog_cost_anomalies", include_str!("../../../jobs/datadog_cost_anomalies.toml"))],
    build,
};

fn build(section: &Section<'_>) -> Option<Arc<dyn Source>> {
    Some(list::snapshot(Anomalies, read_table(section, SCHEMA)?))
}

#[derive(Debug)]
struct Anomalies;

/// What is known of one view.
#[derive(Debug, Default)]
struct View {
    total: Option<u64>,
    ids: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Attributes<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    anomalies: Option<Option<Vec<Fields<'a>>>>,
    #[serde(default)]
    total_count: Option<u64>,
}

impl Endpoint for Anomalies {
    /// By `dismissal_cause`.
    type State = BTreeMap<String, View>;

    fn expected_requests(&self, _windows: &[Window], learnt: &Learnt) -> u64 {
        VIEWS.len() as u64 + learnt.slot_rows / LIMIT
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        windows.iter().flat_map(|window| VIEWS.map(|view| page_at(*window, view, 0))).collect()
    }

    fn read<'a>(&self, views: &mut Self::State, request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let call = as_call(request)?;
        let name = view_of(call)?;
        let attributes: Attributes<'a> = read_attributes(answer)?;
        let anomalies = attributes.anomalies.ok_or_else(|| bad_answer("the answer has no `anomalies`"))?;
        let total = attributes.total_count.ok_or_else(|| bad_answer("the answer has no `total_count`"))?;
        let mut view = views.remove(name).unwrap_or_default();
        if view.total.is_some_and(|before| before != total) {
            return Err(moved("`total_count` changed from one page to the next"));
        }
        view.total = Some(total);
        let (mut page, before) = (Page::default(), view.ids.len());
        for (index, fields) in anomalies.unwrap_or_default().into_iter().enumerate() {
            let (id, row) = read_anomaly(fields).map_err(|error| error.at("item", index))?;
            if !view.ids.insert(id.clone()) {
                return Err(moved("an anomaly is there twice").at("anomaly", id));
            }
            if !views.values().any(|other| other.ids.contains(&id)) {
                page.rows.push(row.day("usage_date", call.purpose.window.start()));
            }
        }
        let met = view.ids.len() as u64;
        if met >= MOST {
            return Err(bad_answer(format!("the answers list more than {MOST} anomalies")));
        }
        if met > total || (met < total && view.ids.len() == before) {
            return Err(moved("the pages do not hold as many anomalies as `total_count` says"));
        }
        if met < total {
            page.next.push(page_at(call.purpose.window, name, met));
        }
        views.insert(name.to_owned(), view);
        Ok(page)
    }

    fn leaves_out(&self, _request: &Request) -> Option<Reduce> {
        Some(people::without)
    }
}

/// The list is not the one whose first page was read.
fn moved(message: &str) -> Error {
    Error::new(Kind::Restart, message)
}

fn page_at(window: Window, view: &str, offset: u64) -> Request {
    let range = range_before(window.start(), DAYS);
    let query = [
        ("start", milliseconds(range.start()).to_string()),
        ("end", milliseconds(range.end()).to_string()),
        ("dismissal_cause", view.to_owned()),
        ("order_by", "start_date".to_owned()),
        ("order", "asc".to_owned()),
        ("limit", LIMIT.to_string()),
        ("offset", offset.to_string()),
    ];
    Request::Call(Call {
        path: PATH.to_owned(),
        query: query.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        body: None,
        also_answers: &[],
        purpose: Purpose { window, subject: format!("{view} from {offset}") },
    })
}

fn view_of(call: &Call) -> Result<&str> {
    let view = call.query.iter().find(|(name, _)| name == "dismissal_cause").map(|(_, view)| view.as_str());
    view.ok_or_else(|| Error::new(Kind::Internal, "a request for anomalies without a view"))
}

/// The id and the row of an anomaly; the members of `dismissal` get that word in front.
fn read_anomaly(mut fields: Fields<'_>) -> Result<(String, Row<'_>)> {
    let id = fields.remove("uuid").and_then(|raw| row::text(raw.get())).filter(|id| !id.trim().is_empty());
    let id = id.ok_or_else(|| bad_answer("an anomaly has no `uuid`"))?.into_owned();
    let dismissal = fields.get("dismissal").and_then(|raw| serde_json::from_str::<Fields<'_>>(raw.get()).ok());
    if let Some(dismissal) = dismissal {
        fields.remove("dismissal");
        let renamed = |name: String| if name == "dismissal_id" { name } else { format!("dismissal_{name}") };
        fields.extend(dismissal.into_iter().map(|(name, raw)| (renamed(name), raw)));
    }
    fields.retain(|name, raw| name != "dismissal" || raw.get() != "null");
    let row = Row::new(fields).labelled("anomaly", &id).give("anomaly_id", id.clone());
    let row = row.give_json("dimensions", "dimensions")?.give_json("correlated_tags", "correlated_tags")?;
    Ok((id, row))
}

#[cfg(test)]
mod tests;
