//! Datadog Cloud Cost Management: budgets beside actual and forecast costs, as of each day.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#list-budgets>
//!
//! ```text
//!  GET /api/v2/cost/budgets                                             all budgets, without costs
//!       └─► GET /api/v2/cost/budget/<id>?actual=true&forecast=true      for every budget: a row per entry
//! ```
//! An entry is a month and, for a budget by tags, the values of its tags. The daily snapshots tell what was expected
//! when, which Datadog does not keep.
//!
//! | in the answer | is |
//! |---|---|
//! | `data: null` of the list | no budget |
//! | a budget without entries | no row, and a note |
//! | `meta.error` beside a budget (status 200), status 400 | a failed read: exit 1, with the rows of the others |
//! | `costs` of an entry | its columns; its `amount` again, and `costs` of the whole budget, are in `extra` |
//! | `custom_forecast: null` | none is set; 0 is one |
//! | who created or changed a budget | left out, also from the kept raw answers, see `datadog/people.rs` |

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Kind, Result};
use crate::job::section::Section;
use crate::request::{Answer, Call, Purpose, Request};
use crate::sources::datadog::resources::{Resource, Wire, read_list};
use crate::sources::datadog::{Object, as_call, bad_answer, is_not_found, is_safe, read_json, refusal, unit_name};
use crate::sources::list::{self, Endpoint, Fields, Page, Reduce, Row, people, read_table, row};
use crate::sources::provider::{DATADOG, DATADOG_STATE};
use crate::sources::{Entry, Learnt, Source, Watched};
use crate::window::Window;

const SCHEMA: &str = include_str!("../../../schemas/datadog_budgets.json");
const LIST: &str = "/api/v2/cost/budgets";
/// Documented members without a column.
const KEPT: [&str; 5] = ["org_id", "costs", "costs_period_start", "costs_period_end", "costs_amount"];
/// Columns of an entry, which no attribute of its budget may fill.
const OF_ENTRY: [&str; 5] = ["amount", "actual", "forecast", "ootb_forecast", "custom_forecast"];

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_budgets",
    summary: "Datadog's budgets by month, with actual and forecast costs, as of today",
    operations: &["GET /api/v2/cost/budgets", "GET /api/v2/cost/budget/<id>"],
    row: "budget, month and tags",
    night: "nothing",
    schema: SCHEMA,
    provider: &DATADOG,
    rules: &DATADOG_STATE,
    keys: &[],
    values: None,
    jobs: &[("datadog_budgets", include_str!("../../../jobs/datadog_budgets.toml"))],
    build,
};

fn build(section: &Section<'_>) -> Option<Arc<dyn Source>> {
    Some(list::snapshot(Budgets, read_table(section, SCHEMA)?))
}

#[derive(Debug)]
struct Budgets;

#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow, default)]
    data: Option<Object<Wire<'a>>>,
    #[serde(default)]
    meta: Option<Value>,
}

impl Endpoint for Budgets {
    /// The ids that were listed.
    type State = BTreeSet<String>;

    fn watched(&self) -> Watched {
        Watched { units: &[("amount", "unit"), ("actual", "unit"), ("forecast", "unit")], ratios: &[] }
    }

    fn expected_requests(&self, _windows: &[Window], learnt: &Learnt) -> u64 {
        // A budget has about a row for each month of a year.
        1 + learnt.slot_rows.div_ceil(12)
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        windows.iter().map(|window| get(*window, "budgets".to_owned(), LIST.to_owned(), Vec::new())).collect()
    }

    fn read<'a>(&self, listed: &mut Self::State, request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let call = as_call(request)?;
        if call.path == LIST { read_budgets(listed, call, answer) } else { read_budget(listed, call, answer) }
    }

    fn leaves_out(&self, _request: &Request) -> Option<Reduce> {
        Some(people::without)
    }
}

fn get(window: Window, subject: String, path: String, query: Vec<(String, String)>) -> Request {
    let purpose = Purpose { window, subject };
    Request::Call(Call { path, query, body: None, also_answers: &[], purpose })
}

/// Reads the list and requests each budget.
fn read_budgets<'a>(listed: &mut BTreeSet<String>, call: &Call, answer: &Answer) -> Result<Page<'a>> {
    let mut page = Page::default();
    for Resource { id, .. } in read_list(answer)? {
        if !is_safe(&id) {
            return Err(bad_answer("the `id` of a budget cannot be part of a path").at("id", id));
        }
        if !listed.insert(id.clone()) {
            return Err(bad_answer("a budget is listed twice").at("id", id));
        }
        let asked = ["actual", "forecast"].map(|name| (name.to_owned(), "true".to_owned()));
        let (subject, path) = (format!("budget/{id}"), format!("/api/v2/cost/budget/{id}"));
        let Request::Call(detail) = get(call.purpose.window, subject, path, asked.to_vec()) else { continue };
        page.next.push(Request::Call(Call { also_answers: &[400, 404], ..detail }));
    }
    Ok(page)
}

/// Reads one budget: a row per entry.
fn read_budget<'a>(listed: &BTreeSet<String>, call: &Call, answer: &'a Answer) -> Result<Page<'a>> {
    let id = call.purpose.subject.strip_prefix("budget/").filter(|id| listed.contains(*id));
    let id = id.ok_or_else(|| Error::new(Kind::Internal, "an answer about a budget that was not listed"))?;
    if is_not_found(answer)? {
        let mut page = Page::default();
        let (one, several) = ("budget is gone since it was listed", "budgets are gone since they were listed");
        page.remarks.name(one, several, [id.to_owned()]);
        return Ok(page);
    }
    let failed = |said: String| {
        let text: String = said.chars().take(300).collect();
        let what = format!("Datadog could not get the costs of a budget: {text} (budget {id})");
        Page { incomplete: vec![(call.purpose.window.start(), what)], ..Page::default() }
    };
    if let Some(said) = refusal(answer)? {
        return Ok(failed(said));
    }
    let detail: Detail<'a> = read_json(answer)?;
    let said = detail.meta.as_ref().and_then(|meta| meta.get("error")).filter(|said| !is_nothing(said));
    if let Some(said) = said {
        return Ok(failed(said.as_str().map_or_else(|| said.to_string(), str::to_owned)));
    }
    let data = detail.data.ok_or_else(|| bad_answer("the answer has no `data`"))?;
    let mut budget = data.0.checked()?;
    if !budget.id.eq_ignore_ascii_case(id) {
        return Err(bad_answer("the answer is about another budget").at("id", budget.id));
    }
    let entries = budget.attributes.remove("entries").filter(|raw| raw.get() != "null");
    let entries: Vec<Fields<'a>> = match entries.map(|raw| serde_json::from_str(raw.get())).transpose() {
        Ok(entries) => entries.unwrap_or_default(),
        Err(error) => return Err(bad_answer("`entries` is not a list of JSON objects").because(error)),
    };
    let mut page = Page::default();
    if entries.is_empty() {
        let (one, several) = ("budget has no entries and so no rows", "budgets have no entries and so no rows");
        page.remarks.name(one, several, [id.to_owned()]);
    }
    let unit = budget.attributes.remove("costs_unit").and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let unit = unit.as_ref().and_then(unit_name);
    let mut met = BTreeSet::new();
    for (index, entry) in entries.into_iter().enumerate() {
        let (key, row) = read_entry(&budget.attributes, entry).map_err(|error| error.at("item", index))?;
        if !met.insert(key) {
            return Err(bad_answer("a month and its tags are there twice in a budget").at("item", index));
        }
        let row = row.labelled("budget", id).day("usage_date", call.purpose.window.start());
        page.rows.push(row.give("budget_id", id.to_owned()).give("unit", unit.clone()));
    }
    Ok(page)
}

fn is_nothing(said: &Value) -> bool {
    matches!(said, Value::Null | Value::Bool(false)) || said.as_str().is_some_and(|text| text.trim().is_empty())
}

/// Month and tags of an entry, and its row.
fn read_entry<'a>(attributes: &Fields<'a>, mut entry: Fields<'a>) -> Result<((NaiveDate, String), Row<'a>)> {
    let mut fields = attributes.clone();
    for name in OF_ENTRY {
        if let Some(raw) = fields.remove(name) {
            fields.insert(format!("budget_{name}"), raw);
        }
    }
    let month = entry.remove("month").and_then(month_of);
    let month = month.ok_or_else(|| bad_answer("the month of an entry is not a number such as 202611"))?;
    let tag_filters = canonical_list(entry.remove("tag_filters"))?;
    let costs = entry.remove("costs").filter(|raw| raw.get() != "null");
    let costs: Option<Fields<'a>> = costs
        .map(|raw| serde_json::from_str(raw.get()))
        .transpose()
        .map_err(|error| bad_answer("the `costs` of an entry are not a JSON object").because(error))?;
    fields.extend(entry.into_iter().map(|(name, raw)| match name.as_str() {
        "amount" => (name, raw),
        _ => (format!("entry_{name}"), raw),
    }));
    fields.extend(costs.unwrap_or_default().into_iter().map(|(name, raw)| match name.as_str() {
        "actual" | "forecast" | "ootb_forecast" | "custom_forecast" => (name, raw),
        _ => (format!("costs_{name}"), raw),
    }));
    let mut row = Row::new(fields).keeping(&KEPT).day("month", month).give("tag_filters", tag_filters.clone());
    for name in ["start_month", "end_month"] {
        // Anything but a month stays for `extra`.
        if let Some(month) = row.fields.get(name).copied().and_then(month_of) {
            row.fields.remove(name);
            row = row.day(name, month);
        }
    }
    Ok(((month, tag_filters), row))
}

/// The first day of a month such as 202611.
fn month_of(raw: &RawValue) -> Option<NaiveDate> {
    let number: i32 = row::text(raw.get())?.parse().ok().filter(|number| (100_001..=999_912).contains(number))?;
    NaiveDate::from_ymd_opt(number / 100, u32::try_from(number % 100).ok()?, 1)
}

/// A JSON list with sorted items, and sorted keys in them; `[]` for none.
fn canonical_list(raw: Option<&RawValue>) -> Result<String> {
    let Some(raw) = raw.filter(|raw| raw.get() != "null") else { return Ok("[]".to_owned()) };
    let read: std::result::Result<Vec<Value>, _> = serde_json::from_str(raw.get());
    let items = read.map_err(|error| bad_answer("the `tag_filters` of an entry are not a list").because(error))?;
    let mut texts: Vec<String> = items.iter().map(Value::to_string).collect();
    texts.sort_unstable();
    Ok(format!("[{}]", texts.join(",")))
}

#[cfg(test)]
mod tests;
