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
//! is part of a row's key. The checks of a day's answer:
//!
//! | what | must be |
//! |---|---|
//! | the answer | a JSON object with `commitments`; `null` and `[]` are a day without rows |
//! | an item | a JSON object with a `commitment_id`; all other fields are optional |
//!
//! An id listed several times in one answer becomes that many rows, distinguished by their order, and a note.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::error::Result;
use crate::request::{Answer, Get, Request};
use crate::sources::datadog::{self, Awaited, Cell, Queries, Query, Rows};
use crate::sources::provider::DATADOG;
use crate::sources::{Entry, Fetched, Learnt, Reader, Source, Watched};
use crate::table::{Column, Table};
use crate::window::{Grain, Window};

mod params;
mod wire;

use params::Params;
use wire::{Field, Item};

const SCHEMA: &str = include_str!("../../../schemas/datadog_commitments.json");
const PATH: &str = "/api/v2/cost/commitments/commitment-list";

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "datadog_commitments",
    summary: "Datadog's list of cloud commitments, reservations and Savings Plans, for every day",
    schema: SCHEMA,
    provider: &DATADOG,
    snapshot: false,
    build: |section| params::read(section).map(|params| Arc::new(Commitments(params)) as Arc<dyn Source>),
};

#[derive(Debug)]
struct Commitments(Params);

impl Source for Commitments {
    fn table(&self) -> &Arc<Table> {
        &self.0.table
    }

    fn grain(&self) -> Grain {
        Grain::Daily
    }

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        self.0.asked.fingerprint()
    }

    fn read_for(&self) -> BTreeSet<String> {
        self.0.asked.names()
    }

    fn watched(&self) -> Watched {
        Watched { units: &[("committed_spend_per_hour", "committed_spend_unit")], ratios: &["utilization"] }
    }

    fn expected_requests(&self, windows: &[Window], _learnt: &Learnt) -> u64 {
        windows.iter().map(Window::len).sum::<u64>() * self.0.asked.queries.len() as u64
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let days = windows.iter().flat_map(Window::days);
        let asked = &self.0.asked;
        days.flat_map(|day| asked.queries.iter().map(move |query| asked.get(PATH, query, Window::day(day)))).collect()
    }

    fn reader(&self, windows: &[Window]) -> Box<dyn Reader> {
        let mut awaited = Awaited::default();
        awaited.add(&self.requests(windows));
        Box::new(ListReader {
            asked: self.0.asked.clone(),
            table: self.0.table.clone(),
            rows: Rows::new(self.0.table.clone()),
            slots: windows.iter().flat_map(Window::days).collect(),
            awaited,
            met: BTreeSet::new(),
            page_rows: 0,
            odd: Odd::default(),
        })
    }
}

/// Findings that are noted but are not errors.
#[derive(Debug, Default)]
struct Odd {
    fields: BTreeSet<String>,
    rows_with_extra: u64,
    utilization_above_ratio: u64,
    /// Commitments listed several times in one answer.
    repeated: BTreeSet<String>,
}

impl Odd {
    fn see(&mut self, column: &Column, field: &Field<'_>) {
        let above = matches!(field, Field::Double(number) if *number > 1.5);
        self.utilization_above_ratio += u64::from(above && column.name == "utilization");
    }

    fn see_extra(&mut self, item: &Item<'_>) {
        self.fields.extend(item.left().cloned());
        self.rows_with_extra += u64::from(item.left().next().is_some());
    }

    fn notes(self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.rows_with_extra > 0 {
            let fields = datadog::some_of(&self.fields);
            notes.push(format!("{} rows have fields that went to `extra`: {fields}", self.rows_with_extra));
        }
        if !self.repeated.is_empty() {
            let (count, ids) = (self.repeated.len(), datadog::some_of(&self.repeated));
            notes.push(format!(
                "{count} commitments are listed more than once in one answer, each time as a row: {ids}"
            ));
        }
        if self.utilization_above_ratio > 0 {
            let rows = self.utilization_above_ratio;
            notes.push(format!("{rows} rows have a utilization above 1.5 where a ratio was expected; kept as it came"));
        }
        notes
    }
}

/// Columns that are not filled from the item's fields; fields of these names go to `extra`.
const GIVEN: [&str; 7] =
    ["usage_date", "provider", "product", "commitment_type", "commitment_id", "committed_spend_unit", "extra"];

struct ListReader {
    asked: Arc<Queries>,
    table: Arc<Table>,
    rows: Rows,
    slots: BTreeSet<NaiveDate>,
    awaited: Awaited,
    met: BTreeSet<NaiveDate>,
    page_rows: u64,
    odd: Odd,
}

impl ListReader {
    fn push(&mut self, get: &Get, query: &Query, spend_unit: Option<&str>, mut item: Item<'_>) -> Result<()> {
        let table = self.table.clone();
        let take = |column: &Column| match GIVEN.contains(&column.name.as_str()) {
            true => Ok(Field::Null),
            false => item.take(get, column),
        };
        let taken: Vec<Field<'_>> = table.columns().iter().map(take).collect::<Result<_>>()?;
        let extra = item.extra(get)?;
        table.columns().iter().zip(&taken).for_each(|(column, field)| self.odd.see(column, field));
        self.odd.see_extra(&item);
        let mut cells = Vec::with_capacity(taken.len());
        for (column, field) in table.columns().iter().zip(&taken) {
            cells.push(match column.name.as_str() {
                "usage_date" => Cell::Day(get.purpose.window.start()),
                "provider" => Cell::Text(&query.provider),
                "product" => Cell::Text(&query.product),
                "commitment_type" => query.commitment_type.as_deref().into(),
                "commitment_id" => Cell::Text(&item.id),
                "committed_spend_unit" => spend_unit.into(),
                "extra" => extra.as_deref().into(),
                _ => field.cell(),
            });
        }
        self.rows.push(&cells)
    }
}

impl Reader for ListReader {
    fn read(&mut self, request: &Request, answer: &Answer) -> Result<Vec<Request>> {
        let get = datadog::as_get(request)?;
        let asked = self.asked.clone();
        let query = asked.find(get)?;
        self.awaited.arrived(get)?;
        let page = wire::read(get, answer)?;
        self.page_rows = self.page_rows.max(page.items.len() as u64);
        let mut ids = HashSet::new();
        for item in page.items {
            if !ids.insert(item.id.to_string()) {
                self.odd.repeated.insert(item.id.to_string());
            }
            self.push(get, query, page.spend_unit.as_deref(), item)?;
        }
        self.met.insert(get.purpose.window.start());
        Ok(Vec::new())
    }

    fn rows(&self) -> u64 {
        self.rows.count()
    }

    fn slots_met(&self) -> u64 {
        self.met.len() as u64
    }

    fn finish(self: Box<Self>) -> Result<Fetched> {
        self.awaited.finish()?;
        Ok(Fetched {
            absent: BTreeSet::new(),
            partial: None,
            rows: self.rows.finish()?,
            slots: self.slots,
            estimated: BTreeSet::new(),
            currencies: BTreeMap::new(),
            doubtful: BTreeMap::new(),
            notes: self.odd.notes(),
            page_rows: self.page_rows,
        })
    }
}

#[cfg(test)]
mod tests;
