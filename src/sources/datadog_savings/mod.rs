//! Datadog Cloud Cost Management: the savings from commitments, day by day.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#get-commitments-savings-timeseries>
//!
//! One request per query and window, since the answer is a time series of days:
//!
//! ```text
//!  GET /api/v2/cost/commitments/savings/timeseries?provider=aws&product=ec2&start=<midnight>&end=<midnight>[&filterBy=…]
//!
//!  actual_cost               times t1 t2 t3   series total: a1 a2 a3 ─┐
//!  on_demand_equivalent_cost times t1 t2      series total: o1 o2     ├─► a row per (day, series), NULL where a
//!  realized_savings          …                                        │   metric has no point
//!  effective_savings_rate    …                                        ┘
//! ```
//! It is not documented whether `end` is inclusive, and old days may no longer exist: points outside the window are
//! dropped and counted, and a day without points is an empty day. Ratios stay ratios, whatever their unit says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::error::Result;
use crate::request::{Answer, Get, Request};
use crate::sources::datadog::{self, Awaited, Cell, Queries, Query, Rows};
use crate::sources::provider::DATADOG;
use crate::sources::{Entry, Fetched, Learnt, Reader, Source, Watched};
use crate::table::Table;
use crate::window::{Grain, Window};

mod params;
mod wire;

use params::Params;
use wire::{METRICS, Metric};

const SCHEMA: &str = include_str!("../../../schemas/datadog_savings.json");
const PATH: &str = "/api/v2/cost/commitments/savings/timeseries";

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "datadog_savings",
    summary: "Datadog's daily savings from cloud commitments: actual and on-demand cost, savings and their rate",
    schema: SCHEMA,
    provider: &DATADOG,
    snapshot: false,
    build: |section| params::read(section).map(|params| Arc::new(Savings(params)) as Arc<dyn Source>),
};

#[derive(Debug)]
struct Savings(Params);

impl Source for Savings {
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
        Watched {
            units: &[
                ("actual_cost", "actual_cost_unit"),
                ("on_demand_equivalent_cost", "on_demand_equivalent_cost_unit"),
                ("realized_savings", "realized_savings_unit"),
                ("effective_savings_rate", "effective_savings_rate_unit"),
            ],
            ratios: &["effective_savings_rate"],
        }
    }

    fn expected_requests(&self, windows: &[Window], _learnt: &Learnt) -> u64 {
        windows.len() as u64 * self.0.asked.queries.len() as u64
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let asked = &self.0.asked;
        let of_window = |window: &Window| {
            let window = *window;
            asked.queries.iter().map(move |query| asked.get(PATH, query, window))
        };
        windows.iter().flat_map(of_window).collect()
    }

    fn reader(&self, windows: &[Window]) -> Box<dyn Reader> {
        let mut awaited = Awaited::default();
        awaited.add(&self.requests(windows));
        Box::new(SeriesReader {
            asked: self.0.asked.clone(),
            rows: Rows::new(self.0.table.clone()),
            slots: windows.iter().flat_map(Window::days).collect(),
            awaited,
            met: BTreeSet::new(),
            page_rows: 0,
            dropped: BTreeMap::new(),
            rates_above_ratio: 0,
            moved: 0,
            doubtful: BTreeMap::new(),
        })
    }
}

/// The values of one row, in the order of [`METRICS`].
type Values = [Option<f64>; METRICS.len()];

struct SeriesReader {
    asked: Arc<Queries>,
    rows: Rows,
    slots: BTreeSet<NaiveDate>,
    awaited: Awaited,
    met: BTreeSet<NaiveDate>,
    page_rows: u64,
    /// Points outside the window, by query and window.
    dropped: BTreeMap<String, u64>,
    rates_above_ratio: u64,
    /// Points that were not at a UTC midnight.
    moved: u64,
    doubtful: BTreeMap<NaiveDate, String>,
}

impl SeriesReader {
    /// Joins the metrics by day and series, dropping points outside the window.
    fn join<'m>(&mut self, get: &Get, metrics: &'m [Metric; METRICS.len()]) -> BTreeMap<(NaiveDate, &'m str), Values> {
        let window = get.purpose.window;
        let mut rows: BTreeMap<(NaiveDate, &'m str), Values> = BTreeMap::new();
        let mut dropped = 0;
        for (index, metric) in metrics.iter().enumerate() {
            for (series, values) in &metric.series {
                for (day, value) in metric.days.iter().zip(values) {
                    if !window.contains(*day) {
                        dropped += 1;
                        continue;
                    }
                    let row = rows.entry((*day, series)).or_default();
                    if let Some(cell) = row.get_mut(index) {
                        *cell = *value;
                    }
                }
            }
        }
        if dropped > 0 {
            *self.dropped.entry(format!("{} {window}", get.purpose.subject)).or_default() += dropped;
        }
        rows
    }

    fn push(
        &mut self,
        query: &Query,
        (day, series): (NaiveDate, &str),
        values: &Values,
        units: &[Option<&str>],
    ) -> Result<()> {
        let rate = values.last().copied().flatten();
        self.rates_above_ratio += u64::from(rate.is_some_and(|rate| rate > 1.5));
        let mut cells =
            vec![Cell::Day(day), Cell::Text(&query.provider), Cell::Text(&query.product), Cell::Text(series)];
        cells.extend(values.iter().map(|value| Cell::from(*value)));
        cells.extend(units.iter().map(|unit| Cell::from(*unit)));
        self.rows.push(&cells)
    }
}

impl Reader for SeriesReader {
    fn read(&mut self, request: &Request, answer: &Answer) -> Result<Vec<Request>> {
        let get = datadog::as_get(request)?;
        let asked = self.asked.clone();
        let query = asked.find(get)?;
        self.awaited.arrived(get)?;
        let metrics = wire::read(get, answer)?;
        for (metric, name) in metrics.iter().zip(METRICS) {
            self.moved += metric.moved;
            for (day, why) in &metric.doubtful {
                self.doubtful.entry(*day).or_insert_with(|| format!("{name} of {}: {why}", query.name()));
            }
        }
        let units: Vec<Option<&str>> = metrics.iter().map(|metric| metric.unit.as_deref()).collect();
        let rows = self.join(get, &metrics);
        self.page_rows = self.page_rows.max(rows.len() as u64);
        for (key, values) in &rows {
            self.push(query, *key, values, &units)?;
        }
        self.met.extend(get.purpose.window.days());
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
        let mut notes: Vec<String> = Vec::new();
        for (place, count) in &self.dropped {
            notes.push(format!("{count} points outside the days asked for were dropped ({place})"));
        }
        if self.moved > 0 {
            notes.push(format!("{} points were not at a UTC midnight and count for their UTC day", self.moved));
        }
        if self.rates_above_ratio > 0 {
            let rows = self.rates_above_ratio;
            notes
                .push(format!("{rows} rows have a savings rate above 1.5 where a ratio was expected; kept as it came"));
        }
        Ok(Fetched {
            absent: BTreeSet::new(),
            partial: None,
            rows: self.rows.finish()?,
            slots: self.slots,
            estimated: BTreeSet::new(),
            currencies: BTreeMap::new(),
            doubtful: self.doubtful,
            notes,
            page_rows: self.page_rows,
        })
    }
}

#[cfg(test)]
mod tests;
