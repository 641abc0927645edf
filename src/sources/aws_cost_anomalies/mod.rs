//! AWS Cost Anomaly Detection `GetAnomalies`: what was odd in the last 90 days, as of today.
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetAnomalies.html>
//!
//! A snapshot: an open anomaly changes every day, and the API lists only those that ended within 90 days. All amounts
//! are JSON doubles, so they are estimates beside the bill and never added to it. The checks of an answer:
//!
//! | what | must be |
//! |---|---|
//! | an anomaly | has an `AnomalyId`, which is listed once |
//! | `NextPageToken` | never one that was seen before |

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::json;

use crate::error::Result;
use crate::job::section::Section;
use crate::request::{Answer, Request};
use crate::sources::cost_explorer::{
    as_operation, bad_answer, flat, next_page, objects, operation, read_json, text_of,
};
use crate::sources::list::{self, Endpoint, Page, Row, read_table};
use crate::sources::provider::{AWS_STATE, COST_EXPLORER};
use crate::sources::{Entry, Learnt, Source};
use crate::window::{Window, days_before};

const SCHEMA: &str = include_str!("../../../schemas/aws_cost_anomalies.json");
const TOKEN: &str = "NextPageToken";
/// Days that are listed, today among them; the API refuses more than 90.
const DAYS: u64 = 90;
/// Anomalies on one page; neither the default nor the maximum is documented.
const PAGE: u64 = 100;

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "aws_cost_anomalies",
    summary: "AWS cost anomalies of the last 90 days with their root causes, as of each day",
    operations: &["GetAnomalies"],
    row: "anomaly",
    night: "0.01 USD for each 100 anomalies",
    schema: SCHEMA,
    provider: &COST_EXPLORER,
    rules: &AWS_STATE,
    keys: &[],
    values: None,
    jobs: &[("aws_cost_anomalies", include_str!("../../../jobs/aws_cost_anomalies.toml"))],
    build,
};

fn build(section: &Section<'_>) -> Option<Arc<dyn Source>> {
    Some(list::snapshot(Anomalies, read_table(section, SCHEMA)?))
}

#[derive(Debug)]
struct Anomalies;

/// Ids and page tokens of a fetch.
#[derive(Debug, Default)]
struct Seen {
    ids: BTreeSet<String>,
    tokens: Vec<String>,
}

impl Endpoint for Anomalies {
    type State = Seen;

    fn expected_requests(&self, _windows: &[Window], learnt: &Learnt) -> u64 {
        let rows = learnt.slot_rows;
        learnt.pages_of_lists(1, rows, 1).max(rows.div_ceil(PAGE))
    }

    fn may_take_more(&self, _windows: &[Window], learnt: &Learnt) -> bool {
        learnt.page_rows == 0
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let request = |window: &Window| {
            let today = window.start();
            let first = days_before(today, DAYS - 1);
            let interval = json!({ "StartDate": first.to_string(), "EndDate": today.to_string() });
            operation("GetAnomalies", json!({ "DateInterval": interval, "MaxResults": PAGE }), *window, "")
        };
        windows.iter().map(request).collect()
    }

    fn read<'a>(&self, seen: &mut Seen, request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let asked = as_operation(request)?;
        let mut page = Page::default();
        let Some(members) = read_json(answer)? else { return Ok(page) };
        for anomaly in objects(&members, "Anomalies")? {
            let id = text_of(&anomaly, "AnomalyId")?.ok_or_else(|| bad_answer("an anomaly has no `AnomalyId`"))?;
            if !seen.ids.insert(id.clone()) {
                return Err(bad_answer("an anomaly is listed twice").at("anomaly", id));
            }
            let row = Row::new(flat(anomaly)?).labelled("anomaly", &id);
            page.rows
                .push(row.day("usage_date", asked.purpose.window.start()).give_json("root_causes", "root_causes")?);
        }
        page.next.extend(next_page(&members, asked, TOKEN, &mut seen.tokens)?);
        Ok(page)
    }
}

#[cfg(test)]
mod tests;
