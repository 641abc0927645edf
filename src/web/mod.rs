//! The status page of `serve`, and its endpoints for machines.
//!
//! ```text
//!  connection (listen: limit, timeouts) ─► guard (access: Host, token, origin) ─► route
//!      people ── page (HTML)      machine ── metrics, status      actions ── scheduler
//!                     └─────────── facts ── state (ledgers, read at most every 2 s) ──► job states, lake
//!                    Parquet ─► summary (sums by day, for the charts) ─┘
//! ```
//! [`router`] needs no socket. No route reads a static file from disk, and everything shown is escaped. The pages are
//! pure functions of [`facts`], served under a content security policy that allows styles, scripts and images from this
//! server only: no page has a `style` attribute, an inline script or the address of another host.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

pub mod access;
mod actions;
mod calendar;
mod chart;
pub mod facts;
mod format;
mod guard;
pub mod listen;
mod machine;
mod metrics;
pub mod page;
mod people;
pub mod state;
pub mod summary;

use state::State;

/// Largest request body, in bytes.
const BODY_BYTES: usize = 16 << 10;

/// All routes.
pub fn router(state: Arc<State>) -> axum::Router {
    axum::Router::new()
        .route("/", get(people::overview))
        .route("/jobs/{name}", get(people::job))
        .route("/jobs/{name}/live", get(people::live))
        .route(page::STYLE_PATH, get(people::style))
        .route(page::SCRIPT_PATH, get(people::script))
        .route(page::ICON_PATH, get(people::icon))
        .route("/login", get(people::ask_for_token).post(people::take_token))
        .route("/backfill/plan", post(actions::plan))
        .route("/backfill", post(actions::start))
        .route("/healthz", get(machine::healthz))
        .route("/readyz", get(machine::readyz))
        .route("/metrics", get(machine::metrics))
        .route("/api/status", get(machine::status))
        .fallback(people::not_found)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}
