//! Middleware of every route: authentication, timeout, headers.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use super::auth::Refusal;
use super::cache::Shared;
use super::routes::html;

/// Timeout of a response.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The headers of every response. `same-origin`, not `no-referrer`: under the latter, browsers send `Origin: null` with
/// the page's own forms.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The middleware.
pub(super) async fn guard(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let admitted = state.access.admit(request.method(), request.uri().path(), request.headers());
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    // The script inserts a fragment into the page: it must not receive the login form in its place.
    let is_piece = request.uri().path().ends_with("/live");
    let wants_page = !is_piece && accept.is_some_and(|accept| accept.contains("text/html"));
    let mut answer = match admitted {
        Ok(()) => tokio::time::timeout(ANSWER_WITHIN, next.run(request))
            .await
            .unwrap_or_else(|_| (StatusCode::SERVICE_UNAVAILABLE, "the answer took too long").into_response()),
        Err(Refusal::Token) if wants_page && request.method() == Method::GET => Redirect::to("/login").into_response(),
        Err(refusal) => {
            let (status, words) = refusal.told();
            let mut answer = match wants_page {
                true => (status, html::problem(status, words)).into_response(),
                false => (status, words).into_response(),
            };
            if refusal == Refusal::Token {
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            answer
        }
    };
    for (name, value) in HEADERS {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}
