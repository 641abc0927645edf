//! The routes for machines: probes, the document of `costlake status`, and metrics.

use axum::Json;
use axum::extract::State as Given;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::html::{Asked, page_number};
use crate::error::{Kind, combined_exit_code};
use crate::plan::calendar;
use crate::scheduler::glances::Seen;
use crate::scheduler::jobs::JobState;
use crate::status::{self, line::Line};
use crate::unit::Unit;
use crate::web::cache::Shared;
use crate::web::many::{ON_A_PAGE, last_of};
use crate::web::metrics;

/// Liveness: always `ok`.
pub(in crate::web) async fn healthz() -> &'static str {
    "ok\n"
}

/// Readiness: 503 with the reasons if the process cannot do its work.
pub(in crate::web) async fn readyz(Given(state): Given<Shared>) -> Response {
    let reasons = state.scheduler.health.reasons();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", reasons.join("; "))).into_response()
}

/// What is asked of `/api/status`.
#[derive(Deserialize)]
pub(in crate::web) struct OfStatus {
    table: Option<String>,
    account: Option<String>,
    page: Option<String>,
}

/// What `costlake status --output json` prints, a hundred tables on a page; of one table with accounts a line for each
/// of them, a hundred on a page; of one account its days.
pub(in crate::web) async fn status(Given(state): Given<Shared>, Asked(asked): Asked<OfStatus>) -> Response {
    let page = match page_number(asked.page.as_deref()) {
        Ok(page) => page,
        Err(text) => return refused(StatusCode::BAD_REQUEST, &text),
    };
    let mut current = state.scheduler.jobs.states();
    current.retain(|current| {
        let Unit { table, account } = &current.job.unit;
        asked.table.as_ref().is_none_or(|asked| asked == table)
            && asked.account.as_ref().is_none_or(|asked| Some(asked) == account.as_ref())
    });
    let is_whole = asked.table.is_none() && asked.account.is_none();
    if current.is_empty() && !is_whole {
        return refused(StatusCode::NOT_FOUND, "there is no such table or account");
    }
    state.scheduler.look_at_units().await;
    let units = state.at_a_glance(current);
    let broken = if is_whole { state.scheduler.jobs.broken() } else { Vec::new() };
    let mut codes = vec![if broken.is_empty() { 0 } else { Kind::Config.exit_code() }];
    codes.extend(units.iter().filter_map(|(_, seen)| Some(seen.failed.as_ref()?.1)));
    let without_job = if is_whole { state.without_job().await } else { Ok(Vec::new()) };
    let without_job = without_job.unwrap_or_else(|error| {
        codes.push(error.kind().exit_code());
        Vec::new()
    });
    let clock = state.scheduler.clock();
    let tables: Vec<&[Glimpsed]> = by_table(&units, asked.account.is_some());
    // Of one table with accounts these have the pages, otherwise the tables.
    let accounts = match (tables.as_slice(), &asked.table, &asked.account) {
        ([of_one], Some(_), None) if has_accounts(of_one) => Some(*of_one),
        _ => None,
    };
    let (first, number) = ((page - 1) * ON_A_PAGE, accounts.map_or(tables.len(), <[Glimpsed]>::len));
    let pages = number.div_ceil(ON_A_PAGE).max(1);
    let of_page = tables.iter().skip(if accounts.is_some() { 0 } else { first }).take(ON_A_PAGE);
    let documents: Vec<Value> =
        of_page.filter_map(|table| document_of(table, asked.account.is_some(), clock.now())).collect();
    let code = combined_exit_code(codes);
    let mut document = status::document(clock, &state.lake, &documents, &without_job, &broken, code);
    let unread = units.iter().filter(|(_, seen)| seen.is_unread()).count();
    if unread > 0 {
        document["not_looked_at_yet"] = json!(unread);
    }
    let errors: Vec<Value> = units.iter().filter_map(error_of).take(ON_A_PAGE).collect();
    if !errors.is_empty() {
        document["errors"] = errors.into();
    }
    if let Some(accounts) = accounts {
        document["accounts"] = accounts.iter().skip(first).take(ON_A_PAGE).map(line_of).collect();
    }
    if pages > 1 || accounts.is_some() {
        (document["page"], document["pages"]) = (json!(page), json!(pages));
    }
    Json(document).into_response()
}

/// A unit with what is known of it.
type Glimpsed = (JobState, Seen);

fn has_accounts(units: &[Glimpsed]) -> bool {
    units.iter().any(|(current, _)| current.job.unit.account.is_some())
}

/// The units of each table, or each unit for itself.
fn by_table(units: &[Glimpsed], each: bool) -> Vec<&[Glimpsed]> {
    // While a table gets accounts, a run of what it was may go on.
    let table = |unit: &Glimpsed| (unit.0.job.unit.table.clone(), unit.0.job.unit.account.is_some());
    units.chunk_by(|a, b| !each && table(a) == table(b)).collect()
}

/// The document of a table: with its days if it has no accounts or one of them `is_asked` for. `None` while nothing is
/// known of it.
fn document_of(units: &[Glimpsed], is_asked: bool, now: DateTime<Utc>) -> Option<Value> {
    let (current, seen) = units.first()?;
    if current.job.unit.account.is_some() && !is_asked {
        let lines: Vec<&Line> = units.iter().filter_map(|(_, seen)| Some(&seen.known.as_ref()?.glance.line)).collect();
        let mut document = status::line::document_of_accounts(&lines, ON_A_PAGE);
        (document["table"], document["source"]) = (json!(current.job.unit.table), json!(current.job.entry.name));
        return Some(document);
    }
    let known = seen.known.as_ref()?;
    let ledger = known.ledger().ok()?;
    let slots = calendar(&known.job, &ledger, now);
    Some(status::table(&known.job, &slots, &ledger, &known.all_notes(), last_of(current, seen, now), now))
}

/// Why a unit could not be looked at lately.
fn error_of((current, seen): &Glimpsed) -> Option<Value> {
    let Unit { table, account } = &current.job.unit;
    Some(json!({ "table": table, "account": account, "error": seen.failed.as_ref()?.0 }))
}

/// The line of an account.
fn line_of((current, seen): &Glimpsed) -> Value {
    let known = seen.known.as_ref().map(|known| &known.glance.line);
    let mut line = known.map_or_else(
        || json!({ "account": current.job.unit.account, "state": "not looked at yet" }),
        |line| {
            let mut document = line.document();
            (document["newest"], document["last"]) = (json!(line.newest), json!(line.last));
            document
        },
    );
    if let Some((error, _)) = &seen.failed {
        line["error"] = json!(error);
    }
    line
}

fn refused(status: StatusCode, text: &str) -> Response {
    (status, Json(json!({ "error": text }))).into_response()
}

/// The metrics, for Prometheus.
pub(in crate::web) async fn metrics(Given(state): Given<Shared>) -> Response {
    state.scheduler.look_at_units().await;
    let now = state.now();
    let units = state.at_a_glance(state.scheduler.jobs.states());
    let broken = state.scheduler.jobs.broken().len();
    match metrics::text(&units, broken, state.scheduler.health.reasons().is_empty(), now) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
