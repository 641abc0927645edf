//! `plan`: what a run would ask, and what that costs.

use chrono::NaiveDate;
use serde_json::json;

use crate::cents::Cents;
use crate::error::Result;
use crate::job::{BrokenJob, Job};
use crate::pipeline::plan_job;
use crate::pipeline::totals::Prices;
use crate::plan::{Ask, Fetch, OVER_CAP, Plan, begins_on, probes};
use crate::window::Grain;

use super::args::{Global, Output};
use super::failures::{Failures, notes};
use super::screen::{self, BOLD, DIM, PLAIN, RED, grid, plural};
use super::{client_config, clock_document, context, progress, select, tell_clock};

/// Prints the plans of jobs.
pub(super) async fn show_plans(global: &Global, names: &[String], ask: Ask) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, names)?;
    let context = context(global, client_config(global), None).await?;
    tell_clock(context.clock);
    let mut failures = Failures::of(&broken);
    let (mut plans, mut documents) = (Vec::new(), Vec::new());
    let mut prices = Prices::of(&jobs, context.clock.now(), ask);
    for job in &jobs {
        match plan_job(&context, job, ask, &mut prices).await {
            Ok((mut planned, store)) => {
                let learnt = &store.ledger.learnt;
                planned.notes.extend(job.aws.note());
                planned.notes.extend(planned.page_note(job, learnt).map(str::to_owned));
                documents.push(plan_document(job, &planned, learnt.page_rows > 0));
                let is_most = !planned.at_least && planned.page_note(job, learnt).is_some();
                let begins_on = begins_on(job, context.clock.now());
                plans.push(Planned { job, plan: planned, is_most, begins_on });
            }
            Err(error) => failures.add(&job.name, &error.at("job", &job.name)),
        }
    }
    let code = failures.code();
    match global.output {
        Output::Json => screen::json(&json!({
            "clock": clock_document(context.clock), "lake": global.lake(), "jobs": documents, "broken": broken, "exit_code": code,
        }))?,
        // Where nothing could be planned, the errors are all there is to say.
        _ if plans.is_empty() && code != 0 => {}
        _ => print(&plans, &broken, ask),
    }
    failures.tell();
    Ok(code)
}

/// A job with its plan.
struct Planned<'j> {
    job: &'j Job,
    plan: Plan,
    /// Whether the expected requests are the most, because how much fits on a page is not learnt yet.
    is_most: bool,
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

fn plan_document(job: &Job, planned: &Plan, learnt: bool) -> serde_json::Value {
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
    json!({
        "job": job.name, "fetches": fetches, "totals_requests": planned.totals_requests(), "expected_requests": planned.expected_requests(), "expected_usd": price.to_string(),
        "at_least": planned.at_least,
        "pages_learnt_from_earlier_runs": learnt, "max_requests_per_run": job.budget.max_requests_per_run, "notes": planned.notes,
    })
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
            told.push((job.name.clone(), OVER_CAP.to_owned()));
        }
        told.extend(plan.notes.iter().map(|note| (job.name.clone(), note.clone())));
    }
    notes(plans.len(), &told);
}

/// A line for each job.
fn print_jobs(plans: &[Planned<'_>], broken: &[BrokenJob], ask: Ask) {
    let rows = plans.iter().map(|planned| {
        let Planned { job, plan, .. } = planned;
        let requests = plan.expected_requests();
        let cells = vec![job.name.clone(), requests.to_string(), dollars(job, requests), what(planned, ask)];
        (cells, if requests == 0 { DIM } else { PLAIN })
    });
    let broken = broken
        .iter()
        .map(|broken| (vec![broken.name(), "-".to_owned(), "-".to_owned(), "errors in file".to_owned()], RED));
    screen::out(&grid(&["job", "requests", "USD", "for (UTC days, inclusive)"], &[1, 2], rows.chain(broken)));
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
        screen::out(&format!("{BOLD}{}{BOLD:#}  {}", job.name, what(planned, ask)));
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
    screen::out(&format!("{BOLD}{}{BOLD:#}", job.name));
    screen::out(&grid(&["month", "days", "requests", "USD", "for (UTC days, inclusive)"], &[1, 2, 3], rows));
}
