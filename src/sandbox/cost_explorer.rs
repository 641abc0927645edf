//! `GetCostAndUsage` over the simulated bill: from a request body to an answer body, without HTTP.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::amount;
use super::bill::{Bill, estimated};
use super::catalog::{Account, COMPANY};
use super::fault::Fault;
use super::paging::{Paged, Place, Token};
use super::request::{Definition, Granularity, Metric, Period, Request};
use super::results::{Cell, Results};

/// Number of query results cached for their next pages, and that of another organisation than the company.
const KEPT_QUERIES: usize = 6;
const KEPT_QUERIES_OF_OTHERS: usize = 2;

type QueryKey = ([u8; 8], NaiveDate);

/// The simulated service.
#[derive(Debug)]
pub(super) struct CostExplorer {
    pub(super) bill: Bill,
    page_groups: usize,
    queries: Mutex<VecDeque<(QueryKey, Arc<Paged>)>>,
}

impl CostExplorer {
    pub(super) fn new(bill: Bill, page_groups: usize) -> Self {
        Self { bill, page_groups, queries: Mutex::default() }
    }

    /// Answers one request as of `now`.
    pub(super) fn answer(&self, body: &[u8], now: DateTime<Utc>) -> Result<Vec<u8>, Fault> {
        let request = Request::read(body, now)?;
        let today = now.date_naive();
        if today < self.bill.first_day {
            return Err(Fault::no_data());
        }
        let seed = self.bill.seed;
        let page = request.token.as_deref().map(|token| Token::page(token, request.fingerprint, today, seed));
        let page = page.transpose()?.unwrap_or(0);
        let paged = self.paged(&request, today);
        let more = page + 1 < paged.pages.len();
        let next = u32::try_from(page + 1).ok().filter(|_| more);
        let token = next.map(|page| Token { fingerprint: request.fingerprint, page, today }.text(seed));
        let places = paged.pages.get(page).map_or(&[][..], Vec::as_slice);
        let answer = Answer::new(&request, &paged.results, &self.bill.accounts, places, token, today);
        serde_json::to_vec(&answer).map_err(|error| Fault::new("InternalServerError", error.to_string()))
    }

    fn paged(&self, request: &Request, today: NaiveDate) -> Arc<Paged> {
        let key = (request.fingerprint, today);
        let mut queries = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, paged)) = queries.iter().find(|(known, _)| *known == key) {
            return Arc::clone(paged);
        }
        let grouped = !request.groupings.is_empty();
        let results = Results::of(request, &self.bill, today);
        let paged = Arc::new(Paged::new(results, grouped, self.page_groups, self.bill.seed));
        queries.push_front((key, Arc::clone(&paged)));
        let is_company = self.bill.payer() == COMPANY;
        queries.truncate(if is_company { KEPT_QUERIES } else { KEPT_QUERIES_OF_OTHERS });
        paged
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    group_definitions: Option<&'a [Definition]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
    results_by_time: Vec<PeriodAnswer<'a>>,
    dimension_value_attributes: Vec<ValueAttributes<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct PeriodAnswer<'a> {
    time_period: Interval,
    total: Figures<'a>,
    groups: Vec<GroupAnswer<'a>>,
    estimated: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Interval {
    start: String,
    end: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupAnswer<'a> {
    keys: &'a [String],
    metrics: Figures<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ValueAttributes<'a> {
    value: &'a str,
    attributes: Description<'a>,
}

#[derive(Serialize)]
struct Description<'a> {
    description: &'a str,
}

/// Amount and unit by metric name; zeros without a cell.
struct Figures<'a> {
    metrics: &'a [Metric],
    cell: Option<&'a Cell>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Figure {
    amount: String,
    unit: &'static str,
}

impl Serialize for Figures<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.metrics.len()))?;
        for (index, metric) in self.metrics.iter().enumerate() {
            let sum = self.cell.and_then(|cell| cell.sums.get(index)).copied().unwrap_or(0);
            let unit = metric.unit(self.cell.and_then(|cell| cell.unit));
            map.serialize_entry(metric.name(), &Figure { amount: amount::text(sum), unit })?;
        }
        map.end()
    }
}

impl<'a> Answer<'a> {
    fn new(
        request: &'a Request,
        results: &'a Results,
        accounts: &'a [Arc<Account>],
        places: &[Place],
        token: Option<String>,
        today: NaiveDate,
    ) -> Self {
        let grouped = !request.groupings.is_empty();
        let mut order: Vec<(usize, Vec<&Cell>)> = Vec::new();
        for (period, cell) in places {
            let cell = cell.and_then(|cell| results.periods.get(*period)?.1.get(cell));
            match order.iter_mut().rev().find(|(known, _)| known == period) {
                Some((_, cells)) => cells.extend(cell),
                None => order.push((*period, Vec::from_iter(cell))),
            }
        }
        let results_by_time = order.iter().filter_map(|(period, cells)| {
            let (period, _) = results.periods.get(*period)?;
            Some(period_answer(request, results, *period, cells, today))
        });
        Self {
            group_definitions: grouped.then_some(&*request.definitions),
            next_page_token: token,
            results_by_time: results_by_time.collect(),
            dimension_value_attributes: account_names(request, results, accounts, &order),
        }
    }
}

fn period_answer<'a>(
    request: &'a Request,
    results: &'a Results,
    period: Period,
    cells: &[&'a Cell],
    today: NaiveDate,
) -> PeriodAnswer<'a> {
    let grouped = !request.groupings.is_empty();
    let group = |cell: &&'a Cell| GroupAnswer {
        keys: results.keys.get(cell.group).map_or(&[], Vec::as_slice),
        metrics: Figures { metrics: &request.metrics, cell: Some(cell) },
    };
    // A period with groups has an empty total; one without has a total of zeros, even if the query is grouped.
    let total = if grouped && !cells.is_empty() { &[][..] } else { &*request.metrics };
    PeriodAnswer {
        time_period: Interval {
            start: label(period.start, request.granularity),
            end: label(period.end, request.granularity),
        },
        total: Figures { metrics: total, cell: cells.first().copied().filter(|_| !grouped) },
        groups: if grouped { cells.iter().map(group).collect() } else { Vec::new() },
        estimated: estimated(period.start.date(), today),
    }
}

fn label(moment: NaiveDateTime, granularity: Granularity) -> String {
    match granularity {
        Granularity::Hourly => moment.format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Granularity::Daily | Granularity::Monthly => moment.format("%Y-%m-%d").to_string(),
    }
}

/// Names of the accounts on this page, if the query groups by account.
fn account_names<'a>(
    request: &Request,
    results: &Results,
    accounts: &'a [Arc<Account>],
    order: &[(usize, Vec<&Cell>)],
) -> Vec<ValueAttributes<'a>> {
    let Some(position) = request.names_accounts() else {
        return Vec::new();
    };
    let seen: std::collections::HashSet<&str> = order
        .iter()
        .flat_map(|(_, cells)| cells)
        .filter_map(|cell| results.keys.get(cell.group)?.get(position).map(String::as_str))
        .collect();
    let named = accounts.iter().filter(|account| seen.contains(&*account.id));
    named
        .map(|account| ValueAttributes { value: &account.id, attributes: Description { description: &account.name } })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::json;

    use crate::sandbox::reader::{NOW, ask, at, query, service};

    #[test]
    fn answers_have_the_members_clients_expect() {
        let ce = service(1_000);
        let by_account = json!([{ "Type": "DIMENSION", "Key": "LINKED_ACCOUNT" }]);
        let request = query("2026-10-05", "2026-10-06", "DAILY", &by_account).to_string();
        let text = String::from_utf8(ce.answer(request.as_bytes(), at(NOW)).unwrap()).unwrap();
        assert!(
            text.starts_with(r#"{"GroupDefinitions":[{"Type":"DIMENSION","Key":"LINKED_ACCOUNT"}],"ResultsByTime":"#)
        );
        let named = r#"{"Value":"000123456789","Attributes":{"description":"harbor-payer"}}"#;
        assert!(text.contains(r#""Total":{},"Groups":[{"Keys":["#) && text.contains(named));
        let mut by_usage_type =
            query("2026-10-05", "2026-10-06", "DAILY", &json!([{ "Type": "DIMENSION", "Key": "USAGE_TYPE" }]));
        by_usage_type["Filter"] =
            json!({ "Dimensions": { "Key": "SERVICE", "Values": ["Amazon Simple Storage Service"] } });
        let units = ask(&ce, &by_usage_type, NOW).to_string();
        assert!(units.contains("GB-Mo") && units.contains("Requests"));
    }
}
