//! Endpoints whose answers list JSON objects, each of which becomes a row: one source and one reader for all of them.
//!
//! An endpoint says what to request and where the objects are in an answer. Values then go to columns by name and type
//! ([`row`]); what fits no column is kept in the column `extra`, if the table has one, and noted otherwise.
//!
//! ```text
//!  Endpoint::requests ──► answer ──► Endpoint::read ──► rows, further requests, remarks, doubtful days
//!                                                         │
//!                               all read: Endpoint::finish ──► checks over all answers of the fetch
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;

use chrono::NaiveDate;

use crate::error::{Error, Kind, Result};
use crate::job::section::Section;
use crate::request::{Answer, Purpose, Request};
use crate::table::{Table, parse_schema};
use crate::window::{Grain, Window};

use super::{Fetched, Learnt, Reader, Source, Watched};

mod members;
pub(super) mod people;
mod remarks;
pub(super) mod row;
mod rows;

pub(super) use members::{Members, Unique};
pub(super) use remarks::Remarks;
pub(super) use row::{Cell, Fields, Row};
pub(super) use rows::Rows;

/// Ratios are below this; a value above may be a percentage.
const ABOVE_RATIO: f64 = 1.5;

/// Rows that are made one at a time: an answer may hold a million, and a [`Row`] is far larger than its cells.
pub(super) type Stream<'a> = Box<dyn Iterator<Item = Result<Row<'a>>> + 'a>;

/// What one answer holds.
#[derive(Default)]
pub(super) struct Page<'a> {
    pub(super) rows: Vec<Row<'a>>,
    /// Further rows.
    pub(super) stream: Option<Stream<'a>>,
    /// Requests to send next.
    pub(super) next: Vec<Request>,
    pub(super) remarks: Remarks,
    /// Days with contradicting values, and what contradicts.
    pub(super) doubtful: Vec<(NaiveDate, String)>,
    /// What the API could not tell of a day whose other rows are taken.
    pub(super) incomplete: Vec<(NaiveDate, String)>,
    /// Days that were asked for and that the answer does not tell of: they stay unread.
    pub(super) unread: BTreeSet<NaiveDate>,
}

/// An endpoint as configured by one job.
pub(super) trait Endpoint: Debug + Send + Sync + 'static {
    /// What is remembered from one answer of a fetch to the next.
    type State: Default + Send;

    /// See [`Source::fingerprint`].
    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// See [`Source::read_for`].
    fn read_for(&self) -> BTreeSet<String> {
        BTreeSet::new()
    }

    /// See [`Source::kept_list`].
    fn kept_list(&self) -> Option<&'static str> {
        None
    }

    /// See [`Source::watched`].
    fn watched(&self) -> Watched {
        Watched::default()
    }

    /// See [`Source::query_columns`].
    fn query_columns(&self) -> &'static [&'static str] {
        &[]
    }

    /// The first requests of a fetch; for a snapshot, `windows` is one day.
    fn requests(&self, windows: &[Window]) -> Vec<Request>;

    /// Expected number of requests.
    fn expected_requests(&self, windows: &[Window], _learnt: &Learnt) -> u64 {
        self.requests(windows).len() as u64
    }

    /// See [`Source::may_take_more`].
    fn may_take_more(&self, _windows: &[Window], _learnt: &Learnt) -> bool {
        false
    }

    /// Reads one answer.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`] when the answer cannot be trusted.
    fn read<'a>(&self, state: &mut Self::State, request: &'a Request, answer: &'a Answer) -> Result<Page<'a>>;

    /// Checks all answers of a fetch together.
    ///
    /// # Errors
    /// [`Kind::BadAnswer`] when they do not match.
    fn finish(&self, _state: Self::State) -> Result<Remarks> {
        Ok(Remarks::default())
    }

    /// What takes out of the answer to a request what is neither read nor kept: people ([`people::without`]), ids of
    /// credentials.
    fn leaves_out(&self, _request: &Request) -> Option<Reduce> {
        None
    }
}

/// An answer without what is left out of it; `None` if it cannot be read.
pub(super) type Reduce = fn(&[u8]) -> Option<Vec<u8>>;

/// Whether a table keeps values without a column.
pub(super) fn keeps_extra(table: &Table) -> bool {
    table.columns().iter().any(|column| column.name == row::EXTRA)
}

/// Builds the table of a schema file.
pub(super) fn read_table(section: &Section<'_>, schema: &str) -> Option<Arc<Table>> {
    match parse_schema(schema) {
        Ok(columns) => Some(Arc::new(Table::new(columns, &[], &[]))),
        Err(error) => {
            section.note("type", format!("has a built-in schema that cannot be read: {error}"));
            None
        }
    }
}

/// The source of an endpoint.
#[derive(Debug)]
struct Listed<E> {
    endpoint: Arc<E>,
    table: Arc<Table>,
    snapshot: bool,
}

/// The source that fills `table` from an endpoint, day by day.
pub(super) fn by_day<E: Endpoint>(endpoint: E, table: Arc<Table>) -> Arc<dyn Source> {
    Arc::new(Listed { endpoint: Arc::new(endpoint), table, snapshot: false })
}

/// The source that fills `table` with the current state, as of the last day requested.
pub(super) fn snapshot<E: Endpoint>(endpoint: E, table: Arc<Table>) -> Arc<dyn Source> {
    Arc::new(Listed { endpoint: Arc::new(endpoint), table, snapshot: true })
}

impl<E: Endpoint> Listed<E> {
    /// The windows to request.
    fn asked(&self, windows: &[Window]) -> Vec<Window> {
        match windows.last() {
            Some(window) if self.snapshot => vec![Window::day(window.last())],
            _ => windows.to_vec(),
        }
    }
}

impl<E: Endpoint> Source for Listed<E> {
    fn table(&self) -> &Arc<Table> {
        &self.table
    }

    fn grain(&self) -> Grain {
        Grain::Daily
    }

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        self.endpoint.fingerprint()
    }

    fn read_for(&self) -> BTreeSet<String> {
        self.endpoint.read_for()
    }

    fn kept_list(&self) -> Option<&'static str> {
        self.endpoint.kept_list()
    }

    fn watched(&self) -> Watched {
        self.endpoint.watched()
    }

    fn query_columns(&self) -> &'static [&'static str] {
        self.endpoint.query_columns()
    }

    fn expected_requests(&self, windows: &[Window], learnt: &Learnt) -> u64 {
        self.endpoint.expected_requests(&self.asked(windows), learnt)
    }

    fn may_take_more(&self, windows: &[Window], learnt: &Learnt) -> bool {
        self.endpoint.may_take_more(&self.asked(windows), learnt)
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        self.endpoint.requests(&self.asked(windows))
    }

    fn reader(&self, windows: &[Window]) -> Box<dyn Reader> {
        let windows = self.asked(windows);
        let awaited = self.endpoint.requests(&windows).iter().map(name_of).collect();
        Box::new(ListReader {
            endpoint: Arc::clone(&self.endpoint),
            state: E::State::default(),
            ratios: self.endpoint.watched().ratios,
            rows: Rows::new(Arc::clone(&self.table)),
            slots: windows.iter().flat_map(Window::days).collect(),
            awaited,
            met: BTreeSet::new(),
            page_rows: 0,
            full_page: 0,
            remarks: Remarks::default(),
            doubtful: BTreeMap::new(),
            incomplete: BTreeMap::new(),
        })
    }

    fn redact_raw(&self, request: &Request, answer: &Answer) -> Option<Vec<u8>> {
        let reduce = self.endpoint.leaves_out(request)?;
        Some(reduce(&answer.body).unwrap_or_else(|| b"{}".to_vec()))
    }
}

/// What distinguishes a request from the others of its fetch.
type Name = (Window, String);

fn name_of(request: &Request) -> Name {
    let Purpose { window, subject } = request.purpose();
    (*window, subject.clone())
}

struct ListReader<E: Endpoint> {
    endpoint: Arc<E>,
    state: E::State,
    ratios: &'static [&'static str],
    rows: Rows,
    slots: BTreeSet<NaiveDate>,
    /// Requests without an answer.
    awaited: BTreeSet<Name>,
    met: BTreeSet<NaiveDate>,
    page_rows: u64,
    full_page: u64,
    remarks: Remarks,
    doubtful: BTreeMap<NaiveDate, String>,
    incomplete: BTreeMap<NaiveDate, Vec<String>>,
}

impl<E: Endpoint> ListReader<E> {
    fn push(&mut self, request: &Request, row: Row<'_>) -> Result<()> {
        let taken = row.into_cells(self.rows.table()).map_err(|error| placed(error, request))?;
        for (column, cell) in self.rows.table().columns().iter().zip(&taken.cells) {
            let is_above = matches!(cell, Cell::Double(number) if *number > ABOVE_RATIO);
            if is_above && self.ratios.contains(&column.name.as_str()) {
                let words = |rows: &str| {
                    format!("{rows} a {} above 1.5 where a ratio was expected; kept as it came", column.name)
                };
                self.remarks.count(&words("row has"), &words("rows have"), 1);
            }
        }
        if !taken.left.is_empty() {
            let is_kept = keeps_extra(self.rows.table());
            let what = if is_kept { "fields that went to `extra`" } else { "fields without a column" };
            self.remarks.name(&format!("row has {what}"), &format!("rows have {what}"), taken.left);
        }
        if taken.rounded > 0 {
            let (one, several) = (
                "amount has more than 12 decimals and was rounded; its text is in `extra`",
                "amounts have more than 12 decimals and were rounded; their text is in `extra`",
            );
            self.remarks.count(one, several, taken.rounded);
        }
        self.rows.push(&taken.cells).map_err(|error| placed(error, request))
    }
}

/// Adds the query and the days to an error.
fn placed(error: Error, request: &Request) -> Error {
    let Purpose { window, subject } = request.purpose();
    let error = if subject.is_empty() { error } else { error.at("query", subject) };
    error.at("window", window)
}

impl<E: Endpoint> Reader for ListReader<E> {
    fn read(&mut self, request: &Request, answer: &Answer) -> Result<Vec<Request>> {
        if !self.awaited.remove(&name_of(request)) {
            let words = "an answer came twice, or to a request that was not made";
            return Err(placed(Error::new(Kind::Internal, words), request));
        }
        let endpoint = Arc::clone(&self.endpoint);
        let body = endpoint.leaves_out(request).and_then(|reduce| reduce(&answer.body));
        let reduced = body.map(|body| Answer { body: body.into(), ..answer.clone() });
        let answer = reduced.as_ref().unwrap_or(answer);
        let page = endpoint.read(&mut self.state, request, answer).map_err(|error| placed(error, request))?;
        let before = self.rows.count();
        let streamed = page.stream.into_iter().flatten();
        for row in page.rows.into_iter().map(Ok).chain(streamed) {
            self.push(request, row.map_err(|error| placed(error, request))?)?;
        }
        let rows = self.rows.count() - before;
        self.page_rows = self.page_rows.max(rows);
        if page.next.iter().any(|next| name_of(next) == name_of(request)) {
            self.full_page = self.full_page.max(rows).max(1);
        }
        for next in &page.next {
            if !self.awaited.insert(name_of(next)) {
                return Err(placed(Error::new(Kind::BadAnswer, "the answer leads to one request twice"), next));
            }
        }
        self.remarks.merge(page.remarks);
        for (day, why) in page.doubtful {
            self.doubtful.entry(day).or_insert(why);
        }
        for (day, what) in page.incomplete {
            self.incomplete.entry(day).or_default().push(what);
        }
        self.slots.retain(|day| !page.unread.contains(day));
        self.met.extend(request.purpose().window.days());
        Ok(page.next)
    }

    fn rows(&self) -> u64 {
        self.rows.count()
    }

    fn slots_met(&self) -> u64 {
        self.met.len() as u64
    }

    fn finish(self: Box<Self>) -> Result<Fetched> {
        if let Some((window, subject)) = self.awaited.first() {
            let words = "a fetch ended before all its answers were read";
            return Err(Error::new(Kind::Internal, words).at("query", subject).at("window", window));
        }
        if let Some((day, what)) = self.incomplete.first_key_value().filter(|_| self.rows.count() == 0) {
            return Err(Error::new(Kind::BadAnswer, what.join("; ")).at("window", day));
        }
        let mut remarks = self.remarks;
        remarks.merge(self.endpoint.finish(self.state)?);
        Ok(Fetched {
            absent: BTreeSet::new(),
            partial: None,
            rows: self.rows.finish()?,
            slots: self.slots,
            estimated: BTreeSet::new(),
            currencies: BTreeMap::new(),
            doubtful: self.doubtful,
            incomplete: self.incomplete,
            notes: remarks.into_notes(),
            page_rows: self.page_rows,
            full_page: self.full_page,
        })
    }
}
