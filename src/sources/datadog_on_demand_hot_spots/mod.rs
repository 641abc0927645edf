//! Datadog Cloud Cost Management: where on-demand cost is highest, over the 30 days before a snapshot.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#get-commitments-on-demand-hot-spots-scalar>
//!
//! ```text
//!  GET …/commitments/on-demand-hot-spots/scalar?provider=aws&product=ec2&start=<30 days before>&end=<midnight>
//!
//!  columns   group  service         ["ec2"]  ["rds"]   ┐
//!            group  region          ["eu"]   ["us"]    ├─► a row per index: dimensions {"region":"eu","service":"ec2"}
//!            number on_demand_cost  1500.0   20.5      ┘
//!  total     number on_demand_cost  1520.5               compared with the sum of the rows
//! ```
//! One request per query. Which columns there are differs by product and is not documented: group columns together are
//! the key of a row, those below also have a column each, and numbers without a column go to `extra`. The checks:
//!
//! | what | must be |
//! |---|---|
//! | `columns` | a list, or `null` for no rows; all of one length, each named once |
//! | a value of a `number` column | a number or `null` |
//! | a value of a `group` column | anything: a list of one text is that text |
//! | the groups of a row | not those of another row |
//! | `total` | absent, `null` or as `columns`; another total of the cost than the rows' is a note |
//!
//! A note and no refusal: whether the rows are all there is, or only the highest, is not documented.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::job::section::Section;
use crate::request::{Answer, Request};
use crate::sources::datadog::timeseries::read_value;
use crate::sources::datadog::{
    CommitmentType, Object, QUERIES, QUERY_COLUMNS, Queries, as_call, bad_answer, present, range_before, read_json,
    unit_name,
};
use crate::sources::list::{self, Endpoint, Fields, Page, Row, read_table};
use crate::sources::provider::{DATADOG, DATADOG_RANGE};
use crate::sources::{Entry, Source, Watched};
use crate::window::Window;

const SCHEMA: &str = include_str!("../../../schemas/datadog_on_demand_hot_spots.json");
const PATH: &str = "/api/v2/cost/commitments/on-demand-hot-spots/scalar";
const COST: &str = "on_demand_cost";
/// Groups with a column of their own.
const GROUPS: [&str; 6] = ["service", "region", "instance_family", "instance_type", "database_engine", "cache_engine"];
/// Numbers with a column for their unit.
const WITH_UNIT: [&str; 2] = [COST, "coverage"];
/// The filter by which the API found the rows.
const FILTERS: &str = "on_demand_filters";
/// How many days a snapshot is about.
const DAYS: u64 = 30;
/// Largest relative difference of a total that is not worth a note.
const ALIKE: f64 = 1e-6;

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_on_demand_hot_spots",
    summary: "Datadog's on-demand hot spots: where the last 30 days' on-demand cost could be committed to",
    operations: &["GET /api/v2/cost/commitments/on-demand-hot-spots/scalar"],
    row: "group",
    night: "nothing",
    schema: SCHEMA,
    provider: &DATADOG,
    rules: &DATADOG_RANGE,
    keys: QUERIES,
    values: None,
    jobs: &[("datadog_on_demand_hot_spots", include_str!("../../../jobs/datadog_on_demand_hot_spots.toml"))],
    build,
};

fn build(section: &Section<'_>) -> Option<Arc<dyn Source>> {
    let table = read_table(section, SCHEMA);
    let queries = Queries::read(section, CommitmentType::Refused);
    Some(list::snapshot(HotSpots(queries?), table?))
}

#[derive(Debug)]
struct HotSpots(Queries);

#[derive(Deserialize)]
struct Scalars<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    columns: Option<Option<Vec<Object<Column<'a>>>>>,
    #[serde(borrow, default)]
    total: Option<Vec<Object<Column<'a>>>>,
    #[serde(borrow, default)]
    meta: Option<Fields<'a>>,
}

#[derive(Deserialize)]
struct Column<'a> {
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(borrow, default)]
    values: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    meta: Option<&'a RawValue>,
}

impl Endpoint for HotSpots {
    type State = ();

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        self.0.fingerprint()
    }

    fn read_for(&self) -> BTreeSet<String> {
        self.0.names()
    }

    fn watched(&self) -> Watched {
        Watched { units: &[(COST, "on_demand_cost_unit"), ("coverage", "coverage_unit")], ratios: &["coverage"] }
    }

    fn query_columns(&self) -> &'static [&'static str] {
        QUERY_COLUMNS
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let of_day = |day: &Window| {
            let (day, range) = (*day, range_before(day.start(), DAYS));
            self.0.queries.iter().map(move |query| self.0.request_over(PATH, query, day, range))
        };
        windows.iter().flat_map(of_day).collect()
    }

    fn read<'a>(&self, (): &mut (), request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let call = as_call(request)?;
        let query = self.0.find(call)?;
        let day = call.purpose.window.start();
        let scalars: Scalars<'a> = read_json(answer)?;
        let columns = scalars.columns.ok_or_else(|| bad_answer("the answer has no `columns`"))?;
        let columns = checked(columns.unwrap_or_default())?;
        let mut page = Page::default();
        if let Some(total) = scalars.total {
            let (rows, total) = (sum(&columns)?, sum(&checked(total)?)?);
            let is_other = |(rows, total): (f64, f64)| (rows - total).abs() > ALIKE * rows.abs().max(total.abs());
            if let Some((rows, total)) = rows.zip(total).filter(|both| is_other(*both)) {
                let words = format!("the on-demand cost of {} is {rows} in rows and {total} in total", query.name());
                page.remarks.say(words);
            }
        }
        let meta = scalars.meta.unwrap_or_default();
        let mut met = BTreeSet::new();
        for index in 0..columns.first().map_or(0, |(_, column)| column.values.iter().flatten().count()) {
            let (dimensions, row) = row_at(index, &columns, &meta)?;
            if !met.insert(dimensions.clone()) {
                return Err(bad_answer("a group is there twice").at("group", dimensions));
            }
            let row = row.day("usage_date", day).give("dimensions", dimensions);
            let row = row.give("provider", query.provider.clone()).give("product", query.product.clone());
            let range = range_before(day, DAYS);
            page.rows.push(row.day("period_start", range.start()).day("period_end", range.last()));
        }
        Ok(page)
    }
}

/// The columns by name, of which each must be there once and as long as the others.
fn checked(columns: Vec<Object<Column<'_>>>) -> Result<Vec<(String, Column<'_>)>> {
    let mut named: Vec<(String, Column<'_>)> = Vec::with_capacity(columns.len());
    for (index, Object(mut column)) in columns.into_iter().enumerate() {
        let no_name = || bad_answer("a column has no `name`").at("item", index);
        let name = column.name.take().filter(|name| !name.trim().is_empty()).ok_or_else(no_name)?;
        let length = |column: &Column<'_>| column.values.iter().flatten().count();
        if let Some((first, other)) = named.first().filter(|(_, other)| length(other) != length(&column)) {
            let message =
                format!("the columns {first} and {name} have {} and {} values", length(other), length(&column));
            return Err(bad_answer(message));
        }
        if named.iter().any(|(other, _)| *other == name) {
            return Err(bad_answer("a column is there twice").at("column", name));
        }
        named.push((name, column));
    }
    Ok(named)
}

/// The sum of the on-demand cost, if there is such a column.
fn sum(columns: &[(String, Column<'_>)]) -> Result<Option<f64>> {
    let Some((_, column)) = columns.iter().find(|(name, _)| name == COST) else { return Ok(None) };
    let values = column.values.iter().flatten().filter(|raw| raw.get() != "null").map(|raw| number(COST, raw));
    values.sum::<Result<f64>>().map(Some)
}

fn number(name: &str, raw: &RawValue) -> Result<f64> {
    read_value(raw.get()).map_err(|message| bad_answer(message).at("column", name))
}

/// The groups and the row at an index.
fn row_at<'a>(index: usize, columns: &[(String, Column<'a>)], meta: &Fields<'a>) -> Result<(String, Row<'a>)> {
    let (mut groups, mut row) = (BTreeMap::new(), Row::default());
    for (name, column) in columns {
        let Some(raw) = column.values.as_deref().and_then(|values| values.get(index)).copied() else { continue };
        match column.kind.as_deref() {
            Some("group") => {
                let value = group(name, raw)?;
                if GROUPS.contains(&name.as_str()) {
                    row = row.give(name.clone(), value.as_str().filter(|text| !text.is_empty()).map(str::to_owned));
                }
                groups.insert(name.as_str(), value);
            }
            Some("number") => {
                if raw.get() != "null" {
                    number(name, raw)?;
                }
                row.fields.insert(name.clone(), raw);
                if WITH_UNIT.contains(&name.as_str()) {
                    row = row.give(format!("{name}_unit"), column.meta.and_then(unit_of));
                } else {
                    row.fields.extend(column.meta.map(|meta| (format!("{name}_meta"), meta)));
                }
            }
            _ => {
                row.fields.insert(name.clone(), raw);
            }
        }
    }
    for (name, raw) in meta {
        let name = if name == FILTERS { name.clone() } else { format!("meta_{name}") };
        row.fields.insert(name, raw);
    }
    Ok((serde_json::to_string(&groups).unwrap_or_default(), row))
}

/// The name of the unit in the `meta` of a column.
fn unit_of(meta: &RawValue) -> Option<String> {
    serde_json::from_str::<Value>(meta.get()).ok()?.get("unit").and_then(unit_name)
}

/// A value of a group column: a list of one is its item.
fn group(name: &str, raw: &RawValue) -> Result<Value> {
    let unreadable = |error| bad_answer("a group cannot be read").at("column", name).because(error);
    let value: Value = serde_json::from_str(raw.get()).map_err(unreadable)?;
    Ok(match value {
        Value::Array(mut items) if items.len() == 1 => items.remove(0),
        Value::Array(items) if items.is_empty() => Value::Null,
        other => other,
    })
}

#[cfg(test)]
mod tests;
