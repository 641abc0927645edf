//! Daily series of commitments: one object per day, once for the account or once per service.
//!
//! ```text
//!  <operation> { TimePeriod, Granularity: DAILY, [Filter: SERVICE], [Metrics], [MaxResults] }
//!      └─► <list>: [{ TimePeriod, <objects of figures> }] ─► a row per day, a column per figure
//! ```
//!
//! | what | must be |
//! |---|---|
//! | a period | one day of the window, once per service |
//! | a day without an object, or whose object has no figures | an empty day, never 0 % |
//! | a refusal for want of data | the same for all days of the request; it is believed at once |
//! | a figure that is not in the object | NULL |
//! | the page token | never one that was seen before |
//!
//! A refusal for want of data is what an account without such commitments gets every night, so it is not paid for twice:
//! days that `window.refresh` covers are read again anyway, others by `costlake backfill`. One in place of rows is held
//! for review, as any answer without them is.
//!
//! Granularity and grouping exclude each other in these operations, so a service is a request of its own; without a
//! service the API answers for EC2 alone. Windows end before today. Pages hold 20 objects unless more are requested.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;
use serde_json::{Value, json};

use crate::error::Result;
use crate::job::keys::{Key, Shape, key};
use crate::job::section::Section;
use crate::request::{Answer, Request};
use crate::sources::list::{self, Endpoint, Page, Row, read_table};
use crate::sources::{Learnt, Source};
use crate::window::Window;

use super::{as_operation, bad_answer, flat, next_page, objects, operation, period_of, read_json, take_period};

/// The page size of these operations unless they are told another.
const USUAL_PAGE: u64 = 20;

/// What one operation differs in.
#[derive(Debug)]
pub(in crate::sources) struct Spec {
    pub(in crate::sources) schema: &'static str,
    /// The operation.
    pub(in crate::sources) operation: &'static str,
    /// The member that lists the days.
    pub(in crate::sources) list: &'static str,
    /// The member that continues the list; `None` if the operation has no pages.
    pub(in crate::sources) token: Option<&'static str>,
    /// `Metrics` to ask for; none if the operation has no such member.
    pub(in crate::sources) metrics: &'static [&'static str],
    /// Whether a service has to be named.
    pub(in crate::sources) by_service: bool,
}

/// The key of the sources that are asked once per service.
pub(in crate::sources) static SERVICES: &[Key] = &[key(
    "source.services",
    Shape::Texts,
    "required",
    "AWS services by their display names, one request each: without a name the API answers for EC2 alone; \
     services may be added, but not taken away once they have rows",
)];

/// What a night costs.
pub(in crate::sources) const NIGHT: &str = "0.01 USD for each month of the last 40 days: 0.02, at times 0.03";
/// What a night costs of a source that is asked once per service.
pub(in crate::sources) const NIGHT_OF_SERVICES: &str =
    "0.01 USD for each month of the last 40 days and each of `source.services`";

/// Reads `[source]` of a job; problems are noted in it.
pub(in crate::sources) fn build(spec: &'static Spec, section: &Section<'_>) -> Option<Arc<dyn Source>> {
    let table = read_table(section, spec.schema);
    let services = if spec.by_service { read_services(section)? } else { Vec::new() };
    Some(list::by_day(ByTime { spec, services }, table?))
}

fn read_services(section: &Section<'_>) -> Option<Vec<String>> {
    let example = "[\"Amazon Elastic Compute Cloud - Compute\", \"Amazon Relational Database Service\"]";
    if section.value("services").is_none() {
        section.note("services", format!("is missing: a list such as {example}"));
    }
    let services = section.texts("services")?;
    if services.is_empty() {
        section.note("services", format!("must name at least one service, such as {example}"));
    }
    for (index, service) in services.iter().enumerate() {
        if service.trim().is_empty() || service.trim() != service {
            section.note("services", format!("must hold names without spaces around them, not \"{service}\""));
        }
        if services[..index].contains(service) {
            section.note("services", format!("names \"{service}\" twice"));
        }
    }
    Some(services)
}

#[derive(Debug)]
struct ByTime {
    spec: &'static Spec,
    /// Empty for operations that answer for the whole account.
    services: Vec<String>,
}

/// What has been read of a fetch.
#[derive(Debug, Default)]
pub(in crate::sources) struct Seen {
    days: BTreeSet<(String, NaiveDate)>,
    /// Page tokens by service and window.
    tokens: BTreeMap<(String, Window), Vec<String>>,
}

impl ByTime {
    fn request(&self, window: Window, service: &str) -> Request {
        let mut body = json!({ "TimePeriod": period_of(window), "Granularity": "DAILY" });
        if self.spec.by_service {
            body["Filter"] = json!({ "Dimensions": { "Key": "SERVICE", "Values": [service] } });
        }
        if !self.spec.metrics.is_empty() {
            body["Metrics"] = json!(self.spec.metrics);
        }
        if self.spec.token.is_some() {
            body["MaxResults"] = Value::from(window.len().max(USUAL_PAGE));
        }
        operation(self.spec.operation, body, window, service)
    }
}

impl Endpoint for ByTime {
    type State = Seen;

    fn read_for(&self) -> BTreeSet<String> {
        self.services.iter().cloned().collect()
    }

    fn kept_list(&self) -> Option<&'static str> {
        self.spec.by_service.then_some("source.services")
    }

    fn query_columns(&self) -> &'static [&'static str] {
        &["service"]
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let whole = [String::new()];
        let services = if self.spec.by_service { self.services.as_slice() } else { &whole };
        let of_window = |window: &Window| {
            let window = *window;
            services.iter().map(move |service| self.request(window, service))
        };
        windows.iter().flat_map(of_window).collect()
    }

    fn expected_requests(&self, windows: &[Window], learnt: &Learnt) -> u64 {
        let lists = self.services.len().max(1) as u64;
        windows.iter().map(|window| learnt.pages_of_lists(lists, window.len(), window.len() * lists)).sum()
    }

    fn may_take_more(&self, windows: &[Window], learnt: &Learnt) -> bool {
        let longest = windows.iter().map(Window::len).max().unwrap_or(0);
        self.spec.token.is_some() && learnt.full_page == 0 && longest > learnt.page_rows.max(USUAL_PAGE)
    }

    fn read<'a>(&self, seen: &mut Seen, request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let asked = as_operation(request)?;
        let (window, service) = (asked.purpose.window, asked.purpose.subject.as_str());
        let Some(members) = read_json(answer)? else { return Ok(Page::default()) };
        let mut page = Page::default();
        for mut object in objects(&members, self.spec.list)? {
            let (day, end) = take_period(&mut object)?;
            if end != Window::day(day).end() {
                return Err(bad_answer(format!("the answer has a period from {day} to {end}, which is not one day")));
            }
            if !window.contains(day) {
                return Err(bad_answer(format!("the answer has the period {day}, which was not asked for")));
            }
            if !seen.days.insert((service.to_owned(), day)) {
                return Err(bad_answer(format!("the answer has the period {day} twice")));
            }
            let fields = flat(object)?;
            if !fields.is_empty() {
                let row = Row::new(fields).numbers_are_texts().labelled("day", &day.to_string());
                page.rows.push(row.day("usage_date", day).give("service", service));
            }
        }
        if let Some(token) = self.spec.token {
            let tokens = seen.tokens.entry((service.to_owned(), window)).or_default();
            page.next.extend(next_page(&members, asked, token, tokens)?);
        }
        Ok(page)
    }
}
