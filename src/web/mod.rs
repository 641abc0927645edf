//! The status page of `serve`, and its endpoints for machines.
//!
//! ```text
//!  connection (server: limit, timeouts) ─► middleware (auth: Host, token, origin) ─► routes
//!      html ── page               api ── metrics, status          actions ── scheduler
//!                     └─────────── view ── cache, many ──► glances (every unit, in memory) ──► job states, lake
//!                    Parquet ─► chart_data (sums by day) ──────────────┘
//! ```
//! [`router`] needs no socket. No route reads a static file from disk, and everything shown is escaped. The pages are
//! pure functions of [`view`], served under a content security policy that allows styles, scripts and images from this
//! server only: no page has a `style` attribute, an inline script or the address of another host.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

pub mod auth;
pub mod badge;
mod bills;
pub mod cache;
mod calendar;
mod chart;
pub mod chart_data;
pub mod choice;
pub mod costs;
mod format;
mod many;
pub mod metrics;
mod middleware;
pub mod page;
pub mod restated;
mod routes;
pub mod server;
pub mod view;

use cache::State;
use routes::{accept, actions, api, html};

/// Largest request body, in bytes.
const BODY_BYTES: usize = 16 << 10;

/// All routes.
pub fn router(state: Arc<State>) -> axum::Router {
    axum::Router::new()
        .route("/", get(html::overview))
        .route("/live", get(html::running))
        .route("/tables/live", get(html::tables))
        .route("/restatements", get(html::restatements))
        .route("/jobs/{name}", get(html::job))
        .route("/jobs/{name}/live", get(html::live))
        .route("/jobs/{name}/account/{account}", get(html::job))
        .route("/jobs/{name}/account/{account}/live", get(html::live))
        .route(page::STYLE_PATH, get(html::style))
        .route(page::SCRIPT_PATH, get(html::script))
        .route(page::ICON_PATH, get(html::icon))
        .route("/login", get(html::ask_for_token).post(html::take_token))
        .route("/backfill/plan", post(actions::plan))
        .route("/backfill", post(actions::start))
        .route("/accept/plan", post(accept::plan))
        .route("/accept", post(accept::start))
        .route("/healthz", get(api::healthz))
        .route("/readyz", get(api::readyz))
        .route("/metrics", get(api::metrics))
        .route("/api/status", get(api::status))
        .fallback(html::not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), middleware::guard))
        .with_state(state)
}
