//! The HTML routes: pages, their style and script, and the login form.

use axum::extract::{Form, Path, Query, State as Given};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use maud::Markup;
use serde::Deserialize;

use super::access::COOKIE;
use super::facts::{JobFacts, PageFacts};
use super::page;
use super::state::Shared;

/// An error page.
pub(super) struct Failed(pub(super) StatusCode, pub(super) String);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (self.0, problem(self.0, &self.1)).into_response()
    }
}

/// An error page, titled with the reason phrase of the status.
pub(super) fn problem(status: StatusCode, text: &str) -> Markup {
    page::problem(status.as_u16(), status.canonical_reason().unwrap_or("Problem"), text)
}

pub(super) async fn overview(Given(state): Given<Shared>) -> Markup {
    page::overview(&state.page_facts().await)
}

#[derive(Deserialize)]
pub(super) struct Selection {
    day: Option<String>,
}

pub(super) async fn job(
    Given(state): Given<Shared>,
    Path(name): Path<String>,
    Query(selection): Query<Selection>,
) -> Result<Markup, Failed> {
    let facts = state.page_facts().await;
    let job = find(&facts, &name)?;
    let day = selection.day.and_then(|day| day.parse::<NaiveDate>().ok());
    Ok(page::job(&facts, job, day))
}

/// The facts of the job `name`.
pub(super) fn find<'f>(facts: &'f PageFacts, name: &str) -> Result<&'f JobFacts, Failed> {
    facts.jobs.iter().find(|facts| facts.job.name == name).ok_or_else(no_such_job)
}

pub(super) fn no_such_job() -> Failed {
    Failed(StatusCode::NOT_FOUND, "there is no such job".to_owned())
}

pub(super) async fn live(Given(state): Given<Shared>, Path(name): Path<String>) -> Result<Markup, Failed> {
    let posted = state.scheduler.board.of(&name, state.now()).ok_or_else(no_such_job)?;
    Ok(page::live(&state.progress(posted).await))
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE).into_response()
}

pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], page::SCRIPT).into_response()
}

pub(super) async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], page::ICON).into_response()
}

pub(super) async fn not_found() -> Response {
    Failed(StatusCode::NOT_FOUND, "there is no such page".to_owned()).into_response()
}

pub(super) async fn ask_for_token() -> Markup {
    page::login(false)
}

#[derive(Deserialize)]
pub(super) struct Shown {
    token: String,
}

/// Checks the token and sets a session cookie.
pub(super) async fn take_token(Given(state): Given<Shared>, Form(shown): Form<Shown>) -> Response {
    let cookie = state.access.cookie_for(shown.token.trim());
    let header = cookie.map(|cookie| format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict"));
    match header.and_then(|header| HeaderValue::from_str(&header).ok()) {
        Some(value) => ([(header::SET_COOKIE, value)], Redirect::to("/")).into_response(),
        None => (StatusCode::UNAUTHORIZED, page::login(true)).into_response(),
    }
}
