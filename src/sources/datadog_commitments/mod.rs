//! Datadog Cloud Cost Management: the list of commitments (reservations and Savings Plans), day by day.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#get-commitments-list>
//!
//! The list has no timestamps: it holds the commitments of the requested range, each with one utilization. So each
//! day is a separate request, once per query of the job:
//!
//! ```text
//!  GET /api/v2/cost/commitments/commitment-list
//!      ?provider=aws&product=ec2&start=<midnight>&end=<next midnight>&commitmentType=ri[&filterBy=…]
//! ```
//! Times are Unix milliseconds. There is no pagination. Several queries may return the same commitment, so the query
//! is part of a row's key. The items have six variants without a discriminator, which overlap (an Azure VM reservation
//! is also a valid Azure Savings Plan): they are read as one flat record. The checks of a day's answer:
//!
//! | what | must be |
//! |---|---|
//! | the answer | a JSON object with `commitments`; `null` and `[]` are a day without rows |
//! | an item | a JSON object with a `commitment_id`; all other fields are optional |
//!
//! An id listed several times in one answer becomes that many rows, distinguished by their order, and a note.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::job::section::Section;
use crate::request::{Answer, Request};
use crate::sources::datadog::{
    CommitmentType, QUERIES, QUERY_COLUMNS, Queries, as_call, bad_answer, present, read_json, unit_name,
};
use crate::sources::list::{self, Endpoint, Fields, Page, Row, read_table, row};
use crate::sources::provider::{DATADOG, DATADOG_DAYS};
use crate::sources::{Entry, Source, Watched};
use crate::window::Window;

const SCHEMA: &str = include_str!("../../../schemas/datadog_commitments.json");
const PATH: &str = "/api/v2/cost/commitments/commitment-list";

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_commitments",
    summary: "Datadog's list of cloud commitments, reservations and Savings Plans, for every day",
    operations: &["GET /api/v2/cost/commitments/commitment-list"],
    row: "day and commitment",
    night: "nothing",
    schema: SCHEMA,
    provider: &DATADOG,
    rules: &DATADOG_DAYS,
    keys: QUERIES,
    values: None,
    jobs: &[("datadog_commitments", include_str!("../../../jobs/datadog_commitments.toml"))],
    build,
};

fn build(section: &Section<'_>) -> Option<Arc<dyn Source>> {
    let table = read_table(section, SCHEMA);
    let queries = Queries::read(section, CommitmentType::Required);
    // The API may list one id several times.
    let table = Arc::new(Arc::unwrap_or_clone(table?).with_repeats());
    Some(list::by_day(Commitments(queries?), table))
}

#[derive(Debug)]
struct Commitments(Queries);

/// The answer, with its items still unparsed.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    commitments: Option<Option<Vec<&'a RawValue>>>,
    #[serde(default)]
    meta: Value,
}

impl Endpoint for Commitments {
    type State = ();

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        self.0.fingerprint()
    }

    fn read_for(&self) -> BTreeSet<String> {
        self.0.names()
    }

    fn watched(&self) -> Watched {
        Watched { units: &[("committed_spend_per_hour", "committed_spend_unit")], ratios: &["utilization"] }
    }

    fn query_columns(&self) -> &'static [&'static str] {
        QUERY_COLUMNS
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let days = windows.iter().flat_map(Window::days);
        days.flat_map(|day| self.0.queries.iter().map(move |query| self.0.request(PATH, query, Window::day(day))))
            .collect()
    }

    fn read<'a>(&self, (): &mut (), request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let call = as_call(request)?;
        let query = self.0.find(call)?;
        let list: List<'a> = read_json(answer)?;
        let items = list.commitments.ok_or_else(|| bad_answer("the answer has no `commitments`"))?.unwrap_or_default();
        let unit = list.meta.get("committed_spend_unit").and_then(unit_name);
        let (mut page, mut ids) = (Page::default(), HashSet::new());
        for (index, raw) in items.into_iter().enumerate() {
            let (id, row) = read_item(index, raw)?;
            page.rows.push(
                row.day("usage_date", call.purpose.window.start())
                    .give("provider", query.provider.clone())
                    .give("product", query.product.clone())
                    .give("commitment_type", query.commitment_type.clone())
                    .give("committed_spend_unit", unit.clone()),
            );
            if !ids.insert(id.clone()) {
                let (one, several) = (
                    "commitment is listed again in one answer, each time as a row",
                    "commitments are listed again in one answer, each time as a row",
                );
                page.remarks.name(one, several, [id]);
            }
        }
        Ok(page)
    }
}

/// The id and the row of one commitment.
fn read_item(index: usize, raw: &RawValue) -> Result<(String, Row<'_>)> {
    let bad = |message: &str| bad_answer(message).at("item", index);
    let mut fields: Fields<'_> =
        serde_json::from_str(raw.get()).map_err(|error| bad("a commitment is not a JSON object").because(error))?;
    let id = fields.remove("commitment_id").and_then(|raw| row::text(raw.get()));
    let id = id.filter(|id| !id.trim().is_empty()).ok_or_else(|| bad("a commitment has no `commitment_id`"))?;
    let row = Row::new(fields).labelled("commitment", &id).give("commitment_id", id.clone().into_owned());
    Ok((id.into_owned(), row))
}

#[cfg(test)]
mod tests;
