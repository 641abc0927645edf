//! `plan`: what a run would ask, and what that costs.

use anstyle::Style;
use chrono::NaiveDate;
use serde_json::json;

use crate::cents::Cents;
use crate::error::Result;
use crate::job::{BrokenJob, Job};
use crate::pipeline::totals::Prices;
use crate::pipeline::{Context, plan_job};
use crate::plan::{Ask, Fetch, OVER_CAP, Plan, begins_on, probes};
use crate::window::Grain;

use super::args::{Global, Output, UnitArguments};
use super::failures::{Failures, notes};
use super::screen::{self, BOLD, DIM, PLAIN, RED, grid, plural};
use super::units::{self, side_by_side};
use super::{client_config, clock_document, context, progress, select, tell_clock};

/// Accounts of a table that have a line each; more are added up.
const LISTED: usize = 10;

/// Prints the plans of jobs.
pub(super) async fn show_plans(global: &Global, names: &[String], asked: &UnitArguments, ask: Ask) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let jobs = units::of(&jobs, asked)?;
    let context = context(global, client_config(global), None).await?;
    tell_clock(context.clock);
    let mut failures = Failures::of(&broken);
    let mut plans = Vec::new();
    for (job, planned) in plan_all(&context, &jobs, ask, asked.parallel).await {
        match planned {
            Ok(planned) => plans.push(planned),
            Err(error) => failures.add(&job.unit, &job.unit.names(error)),
        }
    }
    let code = failures.code();
    let documents: Vec<_> = plans.iter().map(plan_document).collect();
    let units: Vec<_> = plans.iter().map(unit_document).collect();
    match global.output {
        Output::Json => screen::json(&json!({
            "clock": clock_document(context.clock), "lake": global.lake(), "jobs": documents, "units": units, "broken": broken, "exit_code": code,
        }))?,
        // Where nothing could be planned, the errors are all there is to say.
        _ if plans.is_empty() && code != 0 => {}
        _ => print(&plans, &broken, ask),
    }
    failures.tell();
    Ok(code)
}

/// The plans of all units, in their order. Those of an account are made one after the other, since a request for totals
/// that they share is counted once.
async fn plan_all<'j>(context: &Context, jobs: &'j [Job], ask: Ask, most: u8) -> Vec<(&'j Job, Result<Planned<'j>>)> {
    let plans = units::by_account(jobs).into_iter().map(|jobs| plan_account(context, jobs, ask));
    let mut plans: Vec<_> = side_by_side(plans, most.into()).await.into_iter().flatten().collect();
    plans.sort_by_key(|(job, _)| &job.unit);
    plans
}

async fn plan_account<'j>(context: &Context, jobs: Vec<&'j Job>, ask: Ask) -> Vec<(&'j Job, Result<Planned<'j>>)> {
    let owned: Vec<Job> = jobs.iter().map(|job| (*job).clone()).collect();
    let mut prices = Prices::of(&owned, context.clock.now(), ask);
    let mut plans = Vec::new();
    for job in jobs {
        plans.push((job, plan_one(context, job, ask, &mut prices).await));
    }
    plans
}

async fn plan_one<'j>(context: &Context, job: &'j Job, ask: Ask, prices: &mut Prices) -> Result<Planned<'j>> {
    let (mut plan, store) = plan_job(context, job, ask, prices).await?;
    let learnt = &store.ledger.learnt;
    plan.notes.extend(job.aws.note());
    plan.notes.extend(plan.page_note(job, learnt).map(str::to_owned));
    let is_most = !plan.at_least && plan.page_note(job, learnt).is_some();
    let begins_on = begins_on(job, context.clock.now());
    Ok(Planned { job, plan, is_most, is_learnt: learnt.page_rows > 0, begins_on })
}

/// A job with its plan.
struct Planned<'j> {
    job: &'j Job,
    plan: Plan,
    /// Whether the expected requests are the most, because how much fits on a page is not learnt yet.
    is_most: bool,
    /// Whether earlier runs have taught how much fits on a page.
    is_learnt: bool,
    /// The table's first day, if it is yet to come.
    begins_on: Option<NaiveDate>,
}

impl Planned<'_> {
    fn price(&self) -> Cents {
        self.job.entry.provider.price_of(self.plan.expected_requests())
    }
}

fn is_paid(job: &Job) -> bool {
    job.entry.provider.is_paid()
}

/// A unit for an engine that deals out work.
fn unit_document(planned: &Planned<'_>) -> serde_json::Value {
    let mut document = units::document(planned.job);
    document["expected_requests"] = json!(planned.plan.expected_requests());
    document["usd"] = json!(planned.price().to_string());
    document
}

fn plan_document(planned: &Planned<'_>) -> serde_json::Value {
    let Planned { job, plan: planned, is_learnt: learnt, .. } = planned;
    let price = job.entry.provider.price_of(planned.expected_requests());
    let fetches: Vec<_> = planned
        .fetches
        .iter()
        .map(|fetch| {
            let windows: Vec<_> = fetch.windows.iter().map(|w| json!({ "start": w.start(), "end": w.end() })).collect();
            json!({
                "partition": fetch.partition.to_string(), "windows": windows,
                "days": fetch.slots.len(), "expected_requests": fetch.expected_requests,
            })
        })
        .collect();
    let mut document = json!({
        "job": job.unit.table, "fetches": fetches, "totals_requests": planned.totals_requests(), "expected_requests": planned.expected_requests(), "expected_usd": price.to_string(),
        "at_least": planned.at_least,
        "pages_learnt_from_earlier_runs": learnt, "max_requests_per_run": job.budget.max_requests_per_run, "notes": planned.notes,
    });
    if let Some(account) = &job.unit.account {
        document["account"] = json!(account);
    }
    document
}

fn print(plans: &[Planned<'_>], broken: &[BrokenJob], ask: Ask) {
    match plans {
        [one] if broken.is_empty() => print_months(one, ask),
        _ => print_jobs(plans, broken, ask),
    }
    let requests = plans.iter().map(|planned| planned.plan.expected_requests()).sum();
    let price: Cents = plans.iter().map(Planned::price).sum();
    let is_least = plans.iter().any(|planned| is_paid(planned.job) && planned.plan.at_least);
    let bound = match (is_least, plans.iter().any(|planned| planned.is_most)) {
        (true, true) => "about",
        (true, false) => "at least",
        (false, true) => "at most",
        (false, false) => "expected:",
    };
    screen::out(&format!("\n{BOLD}{bound} {}, {price} USD{BOLD:#}. No request was sent.", plural(requests, "request")));
    let mut told = Vec::new();
    for Planned { job, plan, .. } in plans {
        if job.budget.max_requests_per_run.is_some_and(|cap| is_paid(job) && plan.expected_requests() > cap) {
            told.push((job.unit.to_string(), OVER_CAP.to_owned()));
        }
        told.extend(plan.notes.iter().map(|note| (job.unit.to_string(), note.clone())));
    }
    notes(plans.len(), &told);
}

/// A line for each job.
fn print_jobs(plans: &[Planned<'_>], broken: &[BrokenJob], ask: Ask) {
    let rows = plans.chunk_by(|a, b| a.job.unit.table == b.job.unit.table).flat_map(|of_table| {
        let is_long = of_table.len() > LISTED;
        let rows =
            if is_long { vec![of_accounts(of_table)] } else { of_table.iter().map(|one| of_job(one, ask)).collect() };
        rows.into_iter()
    });
    let broken = broken
        .iter()
        .map(|broken| (vec![broken.name(), "-".to_owned(), "-".to_owned(), "errors in file".to_owned()], RED));
    screen::out(&grid(&["job", "requests", "USD", "for (UTC days, inclusive)"], &[1, 2], rows.chain(broken)));
}

fn of_job(planned: &Planned<'_>, ask: Ask) -> (Vec<String>, Style) {
    let Planned { job, plan, .. } = planned;
    let requests = plan.expected_requests();
    let cells = vec![job.unit.to_string(), requests.to_string(), dollars(job, requests), what(planned, ask)];
    (cells, if requests == 0 { DIM } else { PLAIN })
}

/// The accounts of a table on one line.
fn of_accounts(plans: &[Planned<'_>]) -> (Vec<String>, Style) {
    let requests: u64 = plans.iter().map(|planned| planned.plan.expected_requests()).sum();
    let days: u64 = plans.iter().map(|planned| planned.plan.slots()).sum();
    let what = format!("{}: {}", plural(plans.len() as u64, "account"), plural(days, "day"));
    let (name, price) =
        plans.first().map_or_else(Default::default, |one| (one.job.unit.table.clone(), dollars(one.job, requests)));
    (vec![name, requests.to_string(), price, what], if requests == 0 { DIM } else { PLAIN })
}

fn dollars(job: &Job, requests: u64) -> String {
    if is_paid(job) { job.entry.provider.price_of(requests).to_string() } else { "free".to_owned() }
}

/// What the requests of a job are for.
fn what(planned: &Planned<'_>, ask: Ask) -> String {
    let Planned { job, plan, begins_on, .. } = planned;
    let slots = || plan.fetches.iter().flat_map(|fetch| &fetch.slots);
    let probe = match (probes(job, ask), plan.totals.is_some()) {
        (true, true) => Some("change probe"),
        (true, false) => Some("shared change probe"),
        (false, true) => Some("totals to check them against"),
        (false, false) => None,
    };
    let Some((first, last)) = slots().min().zip(slots().max()) else {
        if let Some(first) = begins_on.filter(|_| ask == Ask::Due) {
            return format!("begins on {first}");
        }
        return probe.unwrap_or("nothing is due").to_owned();
    };
    let unit = if job.source.grain() == Grain::Monthly { "month" } else { "day" };
    let days = plural(slots().count() as u64, unit);
    let days = format!("{days}, {}", ranged(*first, *last, slots().count() > 1));
    probe.map_or(days.clone(), |probe| format!("{days}; {probe}"))
}

fn ranged(first: NaiveDate, last: NaiveDate, are_many: bool) -> String {
    if are_many { format!("{first}..{last}") } else { first.to_string() }
}

/// The months of the only job.
fn print_months(planned: &Planned<'_>, ask: Ask) {
    let Planned { job, plan, .. } = planned;
    if plan.totals.is_none() && plan.fetches.is_empty() {
        screen::out(&format!("{BOLD}{}{BOLD:#}  {}", job.unit, what(planned, ask)));
        return;
    }
    let totals = plan.totals.map(|_| {
        let what = if probes(job, ask) { "change probe: totals of every day" } else { "totals to check them against" };
        (vec!["-".to_owned(), "-".to_owned(), "1".to_owned(), dollars(job, 1), what.to_owned()], PLAIN)
    });
    let of_month = |fetch: &Fetch| {
        let windows: Vec<String> = fetch.windows.iter().map(ToString::to_string).collect();
        let requests = fetch.expected_requests;
        let days = fetch.slots.len().to_string();
        let cells =
            vec![fetch.partition.to_string(), days, requests.to_string(), dollars(job, requests), windows.join(", ")];
        (cells, PLAIN)
    };
    let rows = totals.into_iter().chain(plan.fetches.iter().map(of_month));
    screen::out(&format!("{BOLD}{}{BOLD:#}", job.unit));
    screen::out(&grid(&["month", "days", "requests", "USD", "for (UTC days, inclusive)"], &[1, 2, 3], rows));
}
