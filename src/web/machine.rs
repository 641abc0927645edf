//! The routes for machines: probes, the document of `costlake status`, and metrics.

use axum::Json;
use axum::extract::State as Given;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::metrics::{self, TableFacts};
use super::state::Shared;
use crate::error::{Kind, combined_exit_code};
use crate::plan::calendar;
use crate::status;

/// Liveness: always `ok`.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Readiness: 503 with the reasons if the process cannot do its work.
pub(super) async fn readyz(Given(state): Given<Shared>) -> Response {
    let reasons = state.scheduler.health.reasons();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", reasons.join("; "))).into_response()
}

/// What `costlake status --output json` prints.
pub(super) async fn status(Given(state): Given<Shared>) -> Json<Value> {
    let clock = state.scheduler.clock();
    let broken = state.scheduler.board.broken();
    let mut codes = vec![if broken.is_empty() { 0 } else { Kind::Config.exit_code() }];
    let mut tables = Vec::new();
    for posted in state.scheduler.board.posted(clock.now()) {
        match state.books(&posted).await {
            Ok(books) => {
                let slots = calendar(&posted.job, &books.ledger, clock.now());
                let last = books.last_run(clock.now());
                tables.push(status::table(&posted.job, &slots, &books.ledger, &books.all_notes(), last));
            }
            Err(error) => codes.push(error.kind().exit_code()),
        }
    }
    let without_job = state.without_job().await.unwrap_or_else(|error| {
        codes.push(error.kind().exit_code());
        Vec::new()
    });
    Json(status::document(clock, &state.lake, &tables, &without_job, &broken, combined_exit_code(codes)))
}

/// The metrics, for Prometheus.
pub(super) async fn metrics(Given(state): Given<Shared>) -> Response {
    let now = state.now();
    let mut tables = Vec::new();
    for posted in state.scheduler.board.posted(now) {
        let ledger = state.books(&posted).await.ok().map(|books| books.ledger);
        tables.push(TableFacts { posted, ledger });
    }
    let broken = state.scheduler.board.broken().len();
    match metrics::text(&tables, broken, state.scheduler.health.reasons().is_empty(), now) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
