//! The HTTP server of both simulated APIs: AWS and the clock here, Datadog in `datadog::routes`. Headers that clients
//! rely on are sent; credentials are required, but no signature is verified.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use crate::request::FIGURES_HEADER;

use super::Sandbox;
use super::credentials::{Caller, Unusable};
use super::datadog::{Refusal, routes};
use super::dice::{hex, mix, uuid};
use super::fault::Fault;
use super::operations::Operation;
use super::organisations::Payer;
use super::token_service;

/// Serves the sandbox on `listener` until `shutdown` resolves; requests in flight are answered first.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    sandbox: Sandbox,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, sandbox.router()).with_graceful_shutdown(shutdown).await
}

/// The header of the session token of temporary credentials.
const TOKEN_HEADER: &str = "x-amz-security-token";

pub(super) fn router(sandbox: Sandbox) -> Router {
    Router::new()
        .route("/", post(aws))
        .route("/_sandbox/clock", get(read_clock).post(move_clock))
        .route("/healthz", get(async || "ok"))
        .merge(routes::router())
        .fallback(unknown_path)
        .layer(axum::middleware::map_response(async |mut response: Response| {
            response.headers_mut().insert(FIGURES_HEADER, HeaderValue::from_static("made up"));
            response
        }))
        .with_state(sandbox)
}

#[derive(Debug, Serialize, Deserialize)]
struct Clock {
    now: DateTime<Utc>,
}

async fn read_clock(State(sandbox): State<Sandbox>) -> Json<Clock> {
    Json(Clock { now: sandbox.now() })
}

/// Accepts any content type, so that a plain `curl -d` works too.
async fn move_clock(State(sandbox): State<Sandbox>, body: Bytes) -> Response {
    match serde_json::from_slice::<Clock>(&body) {
        Ok(clock) => {
            sandbox.set_now(clock.now);
            tracing::info!(now = %clock.now, "the sandbox clock has been moved");
            Json(clock).into_response()
        }
        Err(error) => {
            let refusal = Refusal::new(400, "Bad Request", format!("expected {{\"now\": \"<UTC instant>\"}}: {error}"));
            (StatusCode::BAD_REQUEST, Json(refusal.body())).into_response()
        }
    }
}

async fn unknown_path() -> Response {
    (StatusCode::NOT_FOUND, Json(Refusal::new(404, "Not Found", "no such path in the sandbox").body())).into_response()
}

pub(super) fn count(counter: &AtomicU64) -> u64 {
    counter.fetch_add(1, Ordering::Relaxed)
}

/// Both AWS services are served at the root path: STS requests are forms, Cost Explorer requests are JSON.
async fn aws(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    let machine_time = crate::clock::Clock::System.now();
    let caller = Caller::of(text(&headers, header::AUTHORIZATION.as_str()), text(&headers, TOKEN_HEADER), machine_time);
    if !text(&headers, header::CONTENT_TYPE.as_str()).starts_with("application/x-www-form-urlencoded") {
        return cost_explorer(&sandbox, &headers, &caller, &body);
    }
    let request_id = uuid(&hex(mix(&[sandbox.seed(), 92]), 32));
    let (status, body) = token_service::answer(&body, &caller, machine_time, &request_id);
    let headers = [(header::CONTENT_TYPE.as_str(), "text/xml"), ("x-amzn-requestid", &*request_id)];
    (status, headers, body).into_response()
}

fn cost_explorer(sandbox: &Sandbox, headers: &HeaderMap, caller: &Result<Caller, Unusable>, body: &Bytes) -> Response {
    let number = count(&sandbox.shared.cost_explorer_requests);
    let answer = checked_target(headers).and_then(|operation| {
        let organisation = sandbox.shared.organisations.of(&payer(caller)?);
        organisation.perform(operation, body, sandbox.now())
    });
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(fault) if fault.code == "InternalServerError" => (StatusCode::INTERNAL_SERVER_ERROR, fault_body(&fault)),
        Err(fault) => (StatusCode::BAD_REQUEST, fault_body(&fault)),
    };
    let request_id = uuid(&hex(mix(&[sandbox.seed(), 91, number]), 32));
    let headers = [(header::CONTENT_TYPE.as_str(), "application/x-amz-json-1.1"), ("x-amzn-requestid", &*request_id)];
    (status, headers, body).into_response()
}

fn fault_body(fault: &Fault) -> Vec<u8> {
    serde_json::to_vec(fault).unwrap_or_default()
}

pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().trim()
}

/// The account whose bill a caller of Cost Explorer reads.
fn payer(caller: &Result<Caller, Unusable>) -> Result<Payer, Fault> {
    let invalid = "The security token included in the request is invalid.";
    match caller {
        Ok(Caller::Nobody) => Err(Fault::new("MissingAuthenticationTokenException", "Missing Authentication Token")),
        Ok(Caller::User) => Ok(Payer::company()),
        Ok(Caller::Role(role)) => Ok(role.account.clone()),
        Err(Unusable::Invalid) => Err(Fault::new("UnrecognizedClientException", invalid)),
        Err(Unusable::Expired) => {
            Err(Fault::new("ExpiredTokenException", "The security token included in the request is expired"))
        }
    }
}

fn checked_target(headers: &HeaderMap) -> Result<Operation, Fault> {
    let target = text(headers, "x-amz-target");
    let json = text(headers, header::CONTENT_TYPE.as_str()).starts_with("application/x-amz-json-1.1");
    Operation::of_target(target)
        .filter(|_| json)
        .ok_or_else(|| Fault::new("UnknownOperationException", format!("The operation {target:?} is not known.")))
}
