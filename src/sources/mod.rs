//! Sources: what is read. A source knows its requests and how to read answers, and does no I/O.
//!
//! Each is a folder with the same rooms: `params` (its part of a job file), `wire` (the shape of its answers) and
//! `mod` (requests and reader). Adding one: the folder, a line in [`REGISTRY`], `schemas/<name>.json` and a job.
//!
//! ```text
//!  windows ──► Source::requests ──► door ──► Answer ──► Reader::read ──► more requests, or none
//!                                                          │
//!                                             all read: Reader::finish ──► rows + what was seen
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use chrono::NaiveDate;

use crate::error::Result;
use crate::job::section::Section;
use crate::request::{Answer, Request};
use crate::table::Table;
use crate::window::{Grain, Window};

pub mod aws_cost_and_usage;
pub mod datadog;
pub mod datadog_ccm_config;
pub mod datadog_commitments;
pub mod datadog_savings;

/// Which API a source asks, and so which door, credentials and pacing it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    /// AWS Cost Explorer: 0.01 USD a page.
    CostExplorer,
    /// Datadog: free.
    Datadog,
}

/// One source as the registry knows it.
#[derive(Debug)]
pub struct Entry {
    /// `source.type` in a job file and the stem of the schema file.
    pub name: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// `schemas/<name>.json`.
    pub schema: &'static str,
    /// The API behind it.
    pub provider: Provider,
    /// Whether it tells only today's state, so that there is no past to read.
    pub snapshot: bool,
    /// Reads `[source]` of a job file; problems are noted in the section and `None` comes back when it cannot go on.
    pub build: fn(&Section<'_>) -> Option<Arc<dyn Source>>,
}

/// Every source there is.
pub static REGISTRY: &[Entry] =
    &[aws_cost_and_usage::ENTRY, datadog_commitments::ENTRY, datadog_savings::ENTRY, datadog_ccm_config::ENTRY];

/// What the API's answers taught about their size: rows a page can hold and rows of a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Learnt {
    /// Most rows seen on one page.
    pub page_rows: u64,
    /// Rows per slot in the last complete fetch, rounded up.
    pub slot_rows: u64,
    /// A fetch that was stopped by the budget: its slots needed more than this many pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
}

/// A fetch that did not fit the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stopped {
    /// Slots that were asked for.
    pub slots: u64,
    /// Pages they need at least.
    pub pages: u64,
}

impl Learnt {
    /// Pages that `slots` days (or months) of one request series are expected to take; one each while nothing is known.
    #[must_use]
    pub fn pages(&self, slots: u64) -> u64 {
        let from_rows = if self.page_rows == 0 || self.slot_rows == 0 {
            if self.page_rows == 0 { slots } else { 1 }
        } else {
            (slots * self.slot_rows).div_ceil(self.page_rows)
        };
        let from_stop = self.stopped.map_or(0, |stop| (slots * stop.pages).div_ceil(stop.slots.max(1)));
        from_rows.max(from_stop).max(1)
    }
}

/// Values that may turn while they stay well formed: see [`crate::quarantine`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Watched {
    /// Columns of amounts, each with the column of its unit.
    pub units: &'static [(&'static str, &'static str)],
    /// Columns that are ratios, whatever unit is said.
    pub ratios: &'static [&'static str],
}

/// A source as one job set it up.
pub trait Source: Send + Sync + Debug {
    /// The columns this job keeps.
    fn table(&self) -> &Arc<Table>;

    /// How fine its rows are.
    fn grain(&self) -> Grain;

    /// What may never change for a table: pairs of name and canonical text.
    fn fingerprint(&self) -> Vec<(&'static str, String)>;

    /// The queries a day must have been read with to count as read; empty where a job has only one.
    fn read_for(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// The metrics it asks for, by the API's names.
    fn metrics(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// What two jobs of one account must share to be answered by one question for totals; `None` where the API tells
    /// no totals.
    fn totals_key(&self) -> Option<String> {
        None
    }

    /// The same question without grouping, for these metrics.
    fn totals(&self, _metrics: &BTreeSet<String>) -> Option<Arc<dyn Source>> {
        None
    }

    /// Whether its rows are the totals themselves, so that there is nothing to add up.
    fn is_ungrouped(&self) -> bool {
        false
    }

    /// Columns whose rows must add up to the totals; other amounts are compared and reported.
    fn controlled(&self) -> Vec<&'static str> {
        Vec::new()
    }

    /// Which of its values are compared with those they replace, where there are no totals to add up to.
    fn watched(&self) -> Watched {
        Watched::default()
    }

    /// Requests that `windows` are expected to take, from what was learnt of earlier answers.
    fn expected_requests(&self, windows: &[Window], learnt: &Learnt) -> u64;

    /// The requests that begin the series of a fetch: `windows` are the runs of due days of one partition.
    fn requests(&self, windows: &[Window]) -> Vec<Request>;

    /// A reader for the answers of one fetch.
    fn reader(&self, windows: &[Window]) -> Box<dyn Reader>;

    /// Takes what must not be kept out of a raw answer before it is stored; `None` keeps the bytes as they are.
    fn redact_raw(&self, _request: &Request, _answer: &Answer) -> Option<Vec<u8>> {
        None
    }
}

/// Reads the answers of one fetch in the order they arrive and holds the rows until the last one is in.
pub trait Reader: Send {
    /// Reads one answer; the requests that follow it are sent next.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`](crate::error::Kind::BadAnswer) when the answer cannot be trusted.
    fn read(&mut self, request: &Request, answer: &Answer) -> Result<Vec<Request>>;

    /// Rows read so far, for progress.
    fn rows(&self) -> u64;

    /// Days met so far, for the budget's estimate of a fetch it has to stop.
    fn slots_met(&self) -> u64;

    /// Checks the whole fetch (coverage of the windows, echo, units) and hands over its rows, unsorted.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`](crate::error::Kind::BadAnswer) when the pages together are not what was asked.
    fn finish(self: Box<Self>) -> Result<Fetched>;
}

/// The rows of one fetch and what was noticed while reading them.
#[derive(Debug)]
pub struct Fetched {
    /// Slots at the beginning that were asked for and that the answers leave out, as the API does before the first day of
    /// an account.
    pub absent: BTreeSet<NaiveDate>,
    /// The first slot, where the answers leave out some of its periods.
    pub partial: Option<NaiveDate>,
    /// Rows in the columns of the table, in any order.
    pub rows: RecordBatch,
    /// Days (slots) that count as read with this fetch, also those without a row.
    pub slots: BTreeSet<NaiveDate>,
    /// Slots the API still calls estimates.
    pub estimated: BTreeSet<NaiveDate>,
    /// The currency of the costs of each slot that names one.
    pub currencies: BTreeMap<NaiveDate, String>,
    /// Slots of which one answer says two things, and which; they need a person's word.
    pub doubtful: BTreeMap<NaiveDate, String>,
    /// Things a person should know that are no errors: dropped points, unknown fields.
    pub notes: Vec<String>,
    /// Most rows met on one page.
    pub page_rows: u64,
}

/// Finds a source by `source.type`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    REGISTRY.iter().find(|entry| entry.name == name)
}

#[cfg(test)]
mod tests {
    use super::{Learnt, Stopped};

    #[test]
    fn a_day_is_a_page_until_more_is_known() {
        assert_eq!(Learnt::default().pages(31), 31);
        assert_eq!(Learnt { page_rows: 5000, slot_rows: 2000, stopped: None }.pages(30), 12);
        assert_eq!(Learnt { page_rows: 5000, slot_rows: 0, stopped: None }.pages(30), 1);
    }

    #[test]
    fn a_stopped_fetch_is_expected_to_be_large_next_time() {
        let learnt = Learnt { stopped: Some(Stopped { slots: 10, pages: 40 }), ..Learnt::default() };
        assert_eq!(learnt.pages(5), 20);
    }
}
