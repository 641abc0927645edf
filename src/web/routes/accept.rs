//! Acceptance of held figures from the page: shows what it takes, and starts it through the scheduler. It does what
//! `costlake run --accept JOB:YYYY-MM` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Form, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use maud::Markup;
use serde::Deserialize;

use super::actions::{bad, refused};
use super::html::{Failed, Named, find, no_such_job};
use crate::job::Job;
use crate::ledger::Ledger;
use crate::pipeline::totals::Prices;
use crate::pipeline::{Context, plan_job};
use crate::plan::Ask;
use crate::web::cache::Shared;
use crate::web::page;
use crate::web::view::{AcceptFacts, held_of};
use crate::window::parse_month;

/// The fields of the form.
#[derive(Deserialize)]
pub(in crate::web) struct Wanted {
    #[serde(flatten)]
    named: Named,
    /// `2026-10`.
    month: String,
}

/// The first day of the month, if something of it is held.
fn month_of(job: &Job, ledger: &Ledger, text: &str) -> Result<NaiveDate, Failed> {
    let Some(month) = parse_month(text) else {
        let words = "field month: not a month; write it as 2026-10";
        return Err(Failed(StatusCode::BAD_REQUEST, words.to_owned()));
    };
    if held_of(ledger, month).is_empty() {
        let words = format!("nothing of {} is held for review in {}", month.format("%Y-%m"), job.unit);
        return Err(Failed(StatusCode::CONFLICT, words));
    }
    Ok(month)
}

/// Shows what an acceptance takes.
pub(in crate::web) async fn plan(Given(state): Given<Shared>, Form(wanted): Form<Wanted>) -> Result<Markup, Failed> {
    let facts = state.page_of(&wanted.named.unit()).await.ok_or_else(no_such_job)?;
    let job = find(&facts, &wanted.named.unit())?;
    let month = month_of(&job.job, &job.ledger, &wanted.month)?;
    let (clock, ask) = (state.scheduler.clock(), Ask::Due);
    let accepted = Arc::new(BTreeSet::from([(job.job.unit.clone(), month)]));
    let context = Context { clock, accepted, ..state.scheduler.context().clone() };
    let mut prices = Prices::of(std::slice::from_ref(&*job.job), clock.now(), ask);
    let (plan, _) = plan_job(&context, &job.job, ask, &mut prices).await.map_err(|error| bad(&error))?;
    let mut notes = plan.notes.clone();
    if job.live.is_some() {
        notes.push("a run of this job goes on: accept when it has ended".to_owned());
    }
    let requests = plan.expected_requests();
    let price = job.job.entry.provider.price_of(requests);
    Ok(page::accept(&facts, job, &AcceptFacts { month, requests, price, notes }))
}

/// Starts the run that takes the held figures.
pub(in crate::web) async fn start(Given(state): Given<Shared>, Form(wanted): Form<Wanted>) -> Result<Response, Failed> {
    let facts = state.page_of(&wanted.named.unit()).await.ok_or_else(no_such_job)?;
    let job = find(&facts, &wanted.named.unit())?;
    if let Some(error) = &job.lake_error {
        return Err(Failed(StatusCode::SERVICE_UNAVAILABLE, error.clone()));
    }
    let month = month_of(&job.job, &job.ledger, &wanted.month)?;
    match state.scheduler.accept(&job.job.unit, month) {
        Ok(()) => Ok(Redirect::to(&job.job.unit.page()).into_response()),
        Err(refusal) => Err(refused(&refusal, "accept when it has ended")),
    }
}
