//! Sources: the cost data that jobs fetch. A source builds requests and parses answers; it does no I/O.
//!
//! | where | what |
//! |---|---|
//! | [`provider`] | the APIs and the rules of their data: price, history, defaults |
//! | `cost_explorer`, [`datadog`] | what several endpoints of one API share |
//! | `list` | one source and one reader for all endpoints whose answers list objects |
//! | the others | one folder per endpoint: its [`Entry`], its keys of a job file, its requests, its answers |
//!
//! To add one: its folder, a line in [`REGISTRY`], `schemas/<name>.json` and a job.
//!
//! ```text
//!  windows ──► Source::requests ──► API client ──► Answer ──► Reader::read ──► more requests, or none
//!                                                                │
//!                                                   all read: Reader::finish ──► rows + slots + notes
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::RecordBatch;
use chrono::NaiveDate;

use crate::error::Result;
use crate::job::keys::{DAYS, FIRST, Key, LAST, TOTALS, WINDOW};
use crate::job::section::Section;
use crate::request::{Answer, Request};
use crate::table::Table;
use crate::window::{Grain, Window};

pub mod aws_cost_and_usage;
pub mod aws_cost_anomalies;
pub mod aws_cost_forecast;
pub mod aws_reservation_coverage;
pub mod aws_reservation_utilization;
pub mod aws_savings_plans_coverage;
pub mod aws_savings_plans_utilization;
mod cost_explorer;
pub mod datadog;
pub mod datadog_budgets;
pub mod datadog_ccm_config;
pub mod datadog_cloud_accounts;
pub mod datadog_commitment_coverage;
pub mod datadog_commitment_utilization;
pub mod datadog_commitments;
pub mod datadog_cost;
pub mod datadog_cost_anomalies;
pub mod datadog_on_demand_hot_spots;
pub mod datadog_savings;
pub mod keys;
mod list;
pub mod provider;
pub mod values;

pub use provider::{Api, History, Provider, Review, Rules};

/// A source's entry in the registry.
#[derive(Debug)]
pub struct Entry {
    /// `source.type` in a job file and the stem of the schema file.
    pub name: &'static str,
    /// One-line description.
    pub summary: &'static str,
    /// The operations or paths of the API that it asks.
    pub operations: &'static [&'static str],
    /// What a row is about.
    pub row: &'static str,
    /// What keeping the table up to date costs on a usual night.
    pub night: &'static str,
    /// `schemas/<name>.json`.
    pub schema: &'static str,
    /// The API behind it.
    pub provider: &'static Provider,
    /// How its data behave.
    pub rules: &'static Rules,
    /// Its own keys of a job file.
    pub keys: &'static [Key],
    /// Questions for what can stand in its groupings and filters.
    pub values: Option<&'static values::Listings>,
    /// The jobs in `jobs/` that show it: name and text.
    pub jobs: &'static [(&'static str, &'static str)],
    /// Parses `[source]` of a job file; problems are noted in the section, `None` means no source can be built.
    pub build: fn(&Section<'_>) -> Option<Arc<dyn Source>>,
}

impl Entry {
    /// Every key that a job of this source may have, in the usual order of a job file.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> {
        let Rules { snapshot, has_totals, .. } = *self.rules;
        let days = if snapshot { &[] } else { DAYS };
        let totals = if has_totals { TOTALS } else { &[] };
        let parts = [FIRST, self.keys, days, totals, WINDOW, self.provider.keys, LAST];
        parts.into_iter().flatten()
    }
}

/// All sources.
pub static REGISTRY: &[&Entry] = &[
    &aws_cost_and_usage::ENTRY,
    &aws_savings_plans_utilization::ENTRY,
    &aws_savings_plans_coverage::ENTRY,
    &aws_reservation_utilization::ENTRY,
    &aws_reservation_coverage::ENTRY,
    &aws_cost_forecast::ENTRY,
    &aws_cost_anomalies::ENTRY,
    &datadog_commitments::ENTRY,
    &datadog_savings::ENTRY,
    &datadog_ccm_config::ENTRY,
    &datadog_commitment_utilization::ENTRY,
    &datadog_commitment_coverage::ENTRY,
    &datadog_on_demand_hot_spots::ENTRY,
    &datadog_cost::ENTRY,
    &datadog_budgets::ENTRY,
    &datadog_cost_anomalies::ENTRY,
    &datadog_cloud_accounts::ENTRY,
];

/// Sizes learnt from earlier answers: rows per page, and rows per day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Learnt {
    /// Most rows seen on one page.
    pub page_rows: u64,
    /// Rows per slot in the last complete fetch, rounded up.
    pub slot_rows: u64,
    /// Most rows on a page that the same list went on after, in the last fetch that had one; 0 if none did.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub full_page: u64,
    /// A fetch that the budget stopped: its slots need more than this many pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives references")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A fetch that did not fit the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stopped {
    /// Slots requested.
    pub slots: u64,
    /// Minimum number of pages they need.
    pub pages: u64,
}

impl Learnt {
    /// Expected pages for `slots` days (or months) in one pagination; one page each while nothing is known.
    ///
    /// ```
    /// use costlake::sources::Learnt;
    ///
    /// assert_eq!(Learnt::default().pages(31), 31);
    /// assert_eq!(Learnt { page_rows: 5_000, slot_rows: 2_000, ..Learnt::default() }.pages(30), 12);
    /// ```
    #[must_use]
    pub fn pages(&self, slots: u64) -> u64 {
        let from_rows = if self.page_rows == 0 || self.slot_rows == 0 {
            if self.page_rows == 0 { slots } else { 1 }
        } else {
            (slots * self.slot_rows).div_ceil(self.page_rows)
        };
        from_rows.max(self.pages_of_stopped(slots)).max(1)
    }

    /// Expected pages of `lists` lists of up to `rows` rows each, about `slots` days; one page each while none went on.
    #[must_use]
    pub fn pages_of_lists(&self, lists: u64, rows: u64, slots: u64) -> u64 {
        let each = rows.checked_div(self.full_page).map_or(1, |_| rows.div_ceil(self.full_page).max(1));
        (lists * each).max(self.pages_of_stopped(slots))
    }

    fn pages_of_stopped(&self, slots: u64) -> u64 {
        self.stopped.map_or(0, |stop| (slots * stop.pages).div_ceil(stop.slots.max(1)))
    }
}

/// Columns checked for implausible changes of well-formed values: see [`crate::quarantine`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Watched {
    /// Columns of amounts, each with the column of its unit.
    pub units: &'static [(&'static str, &'static str)],
    /// Columns that are ratios, whatever their unit says.
    pub ratios: &'static [&'static str],
}

/// A source as configured by one job.
pub trait Source: Send + Sync + Debug {
    /// The table this job writes.
    fn table(&self) -> &Arc<Table>;

    /// The grain of its rows.
    fn grain(&self) -> Grain;

    /// The settings that must never change for a table: pairs of name and canonical text.
    fn fingerprint(&self) -> Vec<(&'static str, String)>;

    /// What must all have been fetched for a day to count as read: the queries of a job that has several, or the metrics
    /// that a table gained after it was made.
    fn read_for(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// Whether [`Source::read_for`] is what the table gained, which a job may not take away again; queries may go.
    fn grows(&self) -> bool {
        false
    }

    /// The key of the job that lists what [`Source::read_for`] holds, if rows of what it no longer lists would be missed:
    /// they are gone where days are read again.
    fn kept_list(&self) -> Option<&'static str> {
        None
    }

    /// The same source for a table that was made with less, by the pairs of its fingerprint; `None` if it was not.
    fn grown_from(&self, _made_with: &[(String, String)]) -> Option<Arc<dyn Source>> {
        None
    }

    /// The same source as it was when [`Source::read_for`] was only this; `None` if it never was.
    fn as_read_for(&self, _read_for: &BTreeSet<String>) -> Option<Arc<dyn Source>> {
        None
    }

    /// The first day for which the API has what the job asks for, if that is later than its history.
    fn first_day(&self) -> Option<NaiveDate> {
        None
    }

    /// The API's own totals of its rows, where the API has any.
    fn totals(&self) -> Option<&dyn ApiTotals> {
        None
    }

    /// The values to compare with those they replace, where there are no totals to check against.
    fn watched(&self) -> Watched {
        Watched::default()
    }

    /// The columns that together name the query a row belongs to, see [`Source::read_for`]; none where that is not queries.
    fn query_columns(&self) -> &'static [&'static str] {
        &[]
    }

    /// Expected number of requests for `windows`, estimated from earlier answers.
    fn expected_requests(&self, windows: &[Window], learnt: &Learnt) -> u64;

    /// Whether nothing is known yet of how much of `windows` fits on a page, so that what is expected is the least.
    fn may_take_more(&self, _windows: &[Window], _learnt: &Learnt) -> bool {
        false
    }

    /// The first requests of a fetch, one per pagination; `windows` are the runs of due days of one partition.
    fn requests(&self, windows: &[Window]) -> Vec<Request>;

    /// A reader for the answers of one fetch.
    fn reader(&self, windows: &[Window]) -> Box<dyn Reader>;

    /// Redacts a raw response before it is stored; `None` keeps the bytes as they are.
    fn redact_raw(&self, _request: &Request, _answer: &Answer) -> Option<Vec<u8>> {
        None
    }
}

/// Totals that an API reports for the rows of a source: control sums, and what the probe compares.
pub trait ApiTotals {
    /// Jobs of one account with the same key share one request for totals.
    fn key(&self) -> String;

    /// The metrics of the rows, by their API names.
    fn metrics(&self) -> BTreeSet<String>;

    /// The same request without grouping, for these metrics; `None` if it cannot be built.
    fn request(&self, metrics: &BTreeSet<String>) -> Option<Arc<dyn Source>>;

    /// Whether the rows are the totals themselves, so that there is nothing to sum.
    fn are_the_rows(&self) -> bool;

    /// Columns whose rows must add up to the totals; other amounts are compared and reported.
    fn enforced(&self) -> Vec<&'static str>;
}

/// Reads the answers of one fetch in the order they arrive and holds the rows until the last one is in.
pub trait Reader: Send {
    /// Reads one answer and returns the requests to send next.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`](crate::error::Kind::BadAnswer) when the answer cannot be trusted.
    fn read(&mut self, request: &Request, answer: &Answer) -> Result<Vec<Request>>;

    /// Rows read so far, for progress.
    fn rows(&self) -> u64;

    /// Days seen so far, from which the size of a fetch is estimated if the budget stops it.
    fn slots_met(&self) -> u64;

    /// Checks the whole fetch (coverage of the windows, echo, units) and returns its rows, unsorted.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`](crate::error::Kind::BadAnswer) when the pages together do not match the request.
    fn finish(self: Box<Self>) -> Result<Fetched>;
}

/// The result of one fetch: rows, slots and notes.
#[derive(Debug)]
pub struct Fetched {
    /// Requested slots at the start that the answers omit, as the API does before an account's first day.
    pub absent: BTreeSet<NaiveDate>,
    /// The first slot, if the answers omit some of its periods.
    pub partial: Option<NaiveDate>,
    /// Rows in the columns of the table, in any order.
    pub rows: RecordBatch,
    /// Slots that count as read after this fetch, including those without rows.
    pub slots: BTreeSet<NaiveDate>,
    /// Slots the API still marks as estimates.
    pub estimated: BTreeSet<NaiveDate>,
    /// The currency of each slot whose costs name one.
    pub currencies: BTreeMap<NaiveDate, String>,
    /// Slots with contradicting values in one answer, and what contradicts; a user must decide.
    pub doubtful: BTreeMap<NaiveDate, String>,
    /// Slots whose rows lack what the API could not tell, and what that is.
    pub incomplete: BTreeMap<NaiveDate, Vec<String>>,
    /// Notes for the user that are not errors: dropped points, unknown fields.
    pub notes: Vec<String>,
    /// Most rows on one page.
    pub page_rows: u64,
    /// Most rows on a page that the same list went on after; 0 if none did, or if the source does not tell.
    pub full_page: u64,
}

/// Finds a source by `source.type`.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    REGISTRY.iter().find(|entry| entry.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::{Learnt, Stopped};

    #[test]
    fn a_day_is_a_page_until_more_is_known() {
        assert_eq!(Learnt::default().pages(31), 31);
        assert_eq!(Learnt { page_rows: 5000, slot_rows: 2000, ..Learnt::default() }.pages(30), 12);
        assert_eq!(Learnt { page_rows: 5000, slot_rows: 0, ..Learnt::default() }.pages(30), 1);
    }

    #[test]
    fn a_stopped_fetch_is_expected_to_be_large_next_time() {
        let learnt = Learnt { stopped: Some(Stopped { slots: 10, pages: 40 }), ..Learnt::default() };
        assert_eq!((learnt.pages(5), learnt.pages_of_lists(1, 5, 5)), (20, 20));
    }

    #[test]
    fn a_list_is_a_page_until_one_went_on() {
        let of = |full_page| Learnt { full_page, page_rows: 31, ..Learnt::default() };
        assert_eq!([0, 20, 31, 40].map(|page| of(page).pages_of_lists(3, 31, 31)), [3, 6, 3, 3]);
        assert_eq!(of(20).pages_of_lists(1, 0, 0), 1);
    }
}
