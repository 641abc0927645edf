//! The HTML routes: pages, their style and script, and the login form.

use axum::extract::{Form, FromRequestParts, Path, Query, State as Given};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::Markup;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::unit::Unit;
use crate::web::auth::COOKIE;
use crate::web::cache::Shared;
use crate::web::choice::{Choice, Words};
use crate::web::page;
use crate::web::view::{JobFacts, PageFacts, Run, Selected};

/// Longest text that is searched for, in characters.
const LONGEST: usize = 100;

/// An error page.
pub(in crate::web) struct Failed(pub(in crate::web) StatusCode, pub(in crate::web) String);

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (self.0, problem(self.0, &self.1)).into_response()
    }
}

/// An error page, titled with the reason phrase of the status.
pub(in crate::web) fn problem(status: StatusCode, text: &str) -> Markup {
    page::problem(status.as_u16(), status.canonical_reason().unwrap_or("Problem"), text)
}

/// What the query string of an address asks for.
pub(in crate::web) struct Asked<T>(pub(in crate::web) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(refused) => {
                let twice = repeated(parts.uri.query().unwrap_or_default());
                let text = twice.map(|key| format!("{key}: is in the address more than once"));
                Err(Failed(StatusCode::BAD_REQUEST, text.unwrap_or_else(|| refused.body_text())))
            }
        }
    }
}

/// The first key of a query string that it has already had.
fn repeated(query: &str) -> Option<&str> {
    let keys: Vec<&str> = query.split('&').map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key)).collect();
    (1..keys.len()).find(|place| keys[..*place].contains(&keys[*place])).map(|place| keys[place])
}

#[derive(Deserialize)]
pub(in crate::web) struct Searched {
    #[serde(default)]
    search: String,
}

pub(in crate::web) async fn overview(Given(state): Given<Shared>, Asked(asked): Asked<Searched>) -> Markup {
    let search = short(&asked.search);
    page::overview(&state.overview(&search, false).await, &search)
}

/// The part of the overview that the script puts in the place of the old one.
pub(in crate::web) async fn tables(Given(state): Given<Shared>, Asked(asked): Asked<Searched>) -> Markup {
    let search = short(&asked.search);
    page::tables(&state.overview(&search, true).await, &search)
}

/// What the script asks for again and again: what runs, and whether the tables have changed. Reads nothing of the lake.
pub(in crate::web) async fn running(Given(state): Given<Shared>) -> Markup {
    let now = state.now();
    state.scheduler.look_at_news();
    let current = state.scheduler.jobs.states();
    let runs = current.iter().filter_map(|state| {
        Some(Run { unit: &state.job.unit, live: state.live.as_ref()?, outlasted: state.outlasted })
    });
    page::running(&runs.collect::<Vec<_>>(), &state.mark(&current, &state.scheduler.jobs.broken()), now)
}

#[derive(Deserialize)]
pub(in crate::web) struct Kept {
    only: Option<String>,
}

pub(in crate::web) async fn restatements(Given(state): Given<Shared>, Asked(kept): Asked<Kept>) -> Markup {
    let log = state.restated(kept.only.as_deref() == Some("final")).await;
    page::restatements(&state.frame(&[]), &log)
}

/// What is asked of the page of a job.
#[derive(Deserialize)]
pub(in crate::web) struct OfJob {
    #[serde(flatten)]
    words: Words,
    search: Option<String>,
    page: Option<String>,
}

pub(in crate::web) async fn job(
    Given(state): Given<Shared>,
    Path(named): Path<Named>,
    Asked(asked): Asked<OfJob>,
) -> Result<Markup, Failed> {
    let unit = named.unit();
    let bad = |text| Failed(StatusCode::BAD_REQUEST, text);
    let Some(facts) = state.page_of(&unit).await else {
        // A table with accounts has a page for each of them.
        let table = if unit.account.is_none() { unit.table } else { String::new() };
        let page = page_number(asked.page.as_deref()).map_err(bad)?;
        let search = asked.search.unwrap_or_default();
        let accounts = state.accounts(&table, &short(&search), page).await;
        return accounts.map(|(facts, accounts)| page::accounts(&facts, &accounts)).ok_or_else(no_such_job);
    };
    let job = find(&facts, &unit)?;
    let day = asked.words.selected().map_err(bad)?;
    let choice = Choice::read(&job.job, &asked.words).map_err(bad)?;
    let summary = state.charts(job, &choice.drawn()).await;
    let selected = Selected { day, summary, costs: state.costs(job).await, choice };
    Ok(page::job(&facts, job, &selected))
}

/// The page that an address asks for.
pub(super) fn page_number(asked: Option<&str>) -> Result<usize, String> {
    let number = asked.map_or(Ok(1), str::parse);
    number.ok().filter(|number| *number > 0).ok_or_else(|| "page: must be a whole number from 1 on".to_owned())
}

/// What is searched for, of bounded length.
fn short(search: &str) -> String {
    search.trim().chars().take(LONGEST).collect()
}

/// What a path or a form is about.
#[derive(Deserialize)]
pub(in crate::web) struct Named {
    #[serde(alias = "job")]
    name: String,
    account: Option<String>,
}

impl Named {
    pub(super) fn unit(&self) -> Unit {
        Unit { table: self.name.clone(), account: self.account.clone() }
    }
}

/// The facts of a unit.
pub(in crate::web) fn find<'f>(facts: &'f PageFacts, unit: &Unit) -> Result<&'f JobFacts, Failed> {
    facts.jobs.iter().find(|facts| facts.job.unit == *unit).ok_or_else(no_such_job)
}

pub(in crate::web) fn no_such_job() -> Failed {
    Failed(StatusCode::NOT_FOUND, "there is no such table, or no such account of it".to_owned())
}

pub(in crate::web) async fn live(Given(state): Given<Shared>, Path(named): Path<Named>) -> Result<Markup, Failed> {
    let current = state.scheduler.jobs.of(&named.unit()).ok_or_else(no_such_job)?;
    Ok(page::live(current.live.as_ref(), current.outlasted, state.now()))
}

pub(in crate::web) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], page::STYLE).into_response()
}

pub(in crate::web) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], page::SCRIPT).into_response()
}

pub(in crate::web) async fn icon() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], page::ICON).into_response()
}

pub(in crate::web) async fn not_found() -> Response {
    Failed(StatusCode::NOT_FOUND, "there is no such page".to_owned()).into_response()
}

pub(in crate::web) async fn ask_for_token() -> Markup {
    page::login(false)
}

#[derive(Deserialize)]
pub(in crate::web) struct Shown {
    token: String,
}

/// Checks the token and sets a session cookie.
pub(in crate::web) async fn take_token(Given(state): Given<Shared>, Form(shown): Form<Shown>) -> Response {
    let cookie = state.access.cookie_for(shown.token.trim());
    let header = cookie.map(|cookie| format!("{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict"));
    match header.and_then(|header| HeaderValue::from_str(&header).ok()) {
        Some(value) => ([(header::SET_COOKIE, value)], Redirect::to("/")).into_response(),
        None => (StatusCode::UNAUTHORIZED, page::login(true)).into_response(),
    }
}
