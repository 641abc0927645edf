//! Backfill from the page: shows the plan with its cost, and starts it through the scheduler.

use axum::extract::{Form, State as Given};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use chrono::NaiveDate;
use maud::Markup;
use serde::Deserialize;

use super::html::{Failed, Named, find, no_such_job};
use crate::error::{Error, Kind};
use crate::job::Job;
use crate::pipeline::totals::Prices;
use crate::pipeline::{Context, plan_job};
use crate::plan::{Ask, OVER_CAP, Plan, range};
use crate::scheduler::jobs::Refusal;
use crate::web::cache::{Shared, State};
use crate::web::page;
use crate::web::view::PlanFacts;
use crate::window::parse_date_argument;

/// The fields of the form. Dates have the syntax of the command line.
#[derive(Deserialize)]
pub(in crate::web) struct Wanted {
    #[serde(flatten)]
    named: Named,
    from: String,
    to: String,
    /// A checkbox: any text means ticked, except `false`, `0`, `off` and the empty one.
    missing: Option<String>,
}

/// A validated range with its plan.
struct Checked {
    from: NaiveDate,
    to: NaiveDate,
    missing: bool,
    ask: Ask,
    plan: Plan,
    page_note: Option<&'static str>,
}

/// The error page of what cannot be planned.
pub(super) fn bad(error: &Error) -> Failed {
    let status = match error.kind() {
        Kind::Config => StatusCode::BAD_REQUEST,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    Failed(status, error.report())
}

/// Validates and plans the range of the form, without any API request.
async fn check(state: &State, job: &Job, wanted: &Wanted) -> Result<Checked, Failed> {
    let clock = state.scheduler.clock();
    let today = clock.now().date_naive();
    let (from, _) = parse_date_argument(&wanted.from, today).map_err(|error| bad(&error.at("field", "from")))?;
    let (_, to) = parse_date_argument(&wanted.to, today).map_err(|error| bad(&error.at("field", "to")))?;
    let missing = wanted.missing.as_deref().is_some_and(|text| !matches!(text, "" | "false" | "0" | "off"));
    let window = range(from, to).map_err(|error| bad(&error))?;
    let ask = Ask::Range { window, missing_only: missing };
    let context = Context { clock, ..state.scheduler.context().clone() };
    let mut prices = Prices::of(std::slice::from_ref(job), context.clock.now(), ask);
    let (plan, store) = plan_job(&context, job, ask, &mut prices).await.map_err(|error| bad(&error))?;
    let page_note = plan.page_note(job, &store.ledger.learnt);
    Ok(Checked { from, to, missing, ask, plan, page_note })
}

/// Shows what a backfill would request and cost.
pub(in crate::web) async fn plan(Given(state): Given<Shared>, Form(wanted): Form<Wanted>) -> Result<Markup, Failed> {
    let facts = state.page_of(&wanted.named.unit()).await.ok_or_else(no_such_job)?;
    let job = find(&facts, &wanted.named.unit())?;
    let checked = check(&state, &job.job, &wanted).await?;
    let mut notes: Vec<String> = checked.page_note.map(str::to_owned).into_iter().collect();
    if job.job.budget.max_requests_per_run.is_some_and(|cap| checked.plan.expected_requests() > cap) {
        notes.push(OVER_CAP.to_owned());
    }
    if job.live.is_some() {
        notes.push("a run of this job goes on: start the backfill when it has ended".to_owned());
    }
    let price = job.job.entry.provider.price_of(checked.plan.expected_requests());
    let plan =
        PlanFacts { from: checked.from, to: checked.to, missing: checked.missing, plan: checked.plan, price, notes };
    Ok(page::plan(&facts, job, &plan))
}

/// Starts a backfill.
pub(in crate::web) async fn start(Given(state): Given<Shared>, Form(wanted): Form<Wanted>) -> Result<Response, Failed> {
    let current = state.scheduler.jobs.of(&wanted.named.unit()).ok_or_else(no_such_job)?;
    let checked = check(&state, &current.job, &wanted).await?;
    match state.scheduler.start(&current.job.unit, "backfill", checked.ask) {
        Ok(()) => Ok(Redirect::to(&current.job.unit.page()).into_response()),
        Err(refusal) => Err(refused(&refusal, "start the backfill when it has ended")),
    }
}

/// The error page of a run that could not be started; `then` is what to do while another one goes on.
pub(super) fn refused(refusal: &Refusal, then: &str) -> Failed {
    match refusal {
        Refusal::Unknown => no_such_job(),
        Refusal::Busy => Failed(StatusCode::CONFLICT, format!("a run of this job goes on: {then}")),
        Refusal::Stopping => Failed(StatusCode::SERVICE_UNAVAILABLE, "costlake is about to end".to_owned()),
    }
}
