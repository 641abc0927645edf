//! The routes for machines: probes, the document of `costlake status`, and metrics.

use axum::Json;
use axum::extract::State as Given;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::error::{Kind, combined_exit_code};
use crate::plan::calendar;
use crate::status;
use crate::web::cache::Shared;
use crate::web::metrics::{self, TableFacts};

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

/// What `costlake status --output json` prints.
pub(in crate::web) async fn status(Given(state): Given<Shared>) -> Json<Value> {
    let clock = state.scheduler.clock();
    let broken = state.scheduler.jobs.broken();
    let mut codes = vec![if broken.is_empty() { 0 } else { Kind::Config.exit_code() }];
    let mut tables = Vec::new();
    for current in state.scheduler.jobs.states(clock.now()) {
        match state.cached(&current).await {
            Ok(cached) => {
                let job = cached.job_of(&current.job);
                let slots = calendar(&job, &cached.ledger, clock.now());
                let last = cached.last_run(clock.now());
                tables.push(status::table(&job, &slots, &cached.ledger, &cached.all_notes(), last, clock.now()));
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
pub(in crate::web) async fn metrics(Given(state): Given<Shared>) -> Response {
    let now = state.now();
    let mut tables = Vec::new();
    for mut current in state.scheduler.jobs.states(now) {
        let cached = state.cached(&current).await.ok();
        current.job = cached.as_ref().map_or_else(|| current.job.clone(), |cached| cached.job_of(&current.job));
        let ledger = cached.map(|cached| cached.ledger);
        tables.push(TableFacts { current, ledger });
    }
    let broken = state.scheduler.jobs.broken().len();
    match metrics::text(&tables, broken, state.scheduler.health.reasons().is_empty(), now) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
