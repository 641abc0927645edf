//! Backfill from the page: the form, and the plan to confirm.

use maud::{Markup, html};

use crate::plan::{Fetch, span};
use crate::text::{count, plural};
use crate::unit::Unit;
use crate::web::format;
use crate::web::view::{JobFacts, PageFacts, PlanFacts};

use super::layout::frame;

/// The form of a job's page; empty if actions are not allowed, or the source has no past to read.
pub(super) fn form(facts: &PageFacts, job: &JobFacts) -> Markup {
    if !facts.actions || job.job.entry.rules.snapshot {
        return html! {};
    }
    let (first, last) = span(&job.job, facts.now).map_or((None, None), |span| (Some(span.start()), Some(span.last())));
    html! {
        section class="panel" aria-labelledby="backfill" {
            h2 id="backfill" { "Backfill" }
            p { "Reads every day of a range again. The next page shows what that takes and costs; nothing is sent before you confirm." }
            form class="row" method="post" action="/backfill/plan" {
                (named(&job.job.unit))
                div { label for="from" { "From" } input id="from" name="from" type="date" required min=[first] max=[last]; }
                div { label for="to" { "To, inclusive" } input id="to" name="to" type="date" required min=[first] max=[last]; }
                div class="check" {
                    input id="missing" name="missing" type="checkbox" value="true";
                    label for="missing" { "only days never read" }
                }
                button type="submit" { "Show the plan" }
            }
        }
    }
}

/// The fields that name what a form is about.
pub(super) fn named(unit: &Unit) -> Markup {
    html! {
        input type="hidden" name="job" value=(unit.table);
        @if let Some(account) = &unit.account { input type="hidden" name="account" value=(account); }
    }
}

/// The page.
pub(super) fn plan(facts: &PageFacts, job: &JobFacts, plan: &PlanFacts) -> Markup {
    let name = &job.job.unit;
    let requests = plan.plan.expected_requests();
    let title = format!("Backfill {name}");
    let body = html! {
        nav class="crumbs" aria-label="Breadcrumb" { a href="/" { "Tables" } " / " a href=(name.page()) { (name) } " / Backfill" }
        section class="panel" aria-labelledby="plan" {
            h1 id="plan" { (title) }
            p class="lead" {
                (plan.from) " to " (plan.to) @if plan.missing { ", only days never read" } ": "
                (plural(plan.plan.slots(), slot_word(job))) " in " (plural(plan.plan.fetches.len() as u64, "partition")) ", "
                "about " (plural(requests, "request")) ", " strong { (plan.price) " USD" } "."
            }
            @for note in plan.plan.notes.iter().chain(&plan.notes) { p class="note pre" { (format::visible(note)) } }
            @if plan.plan.fetches.is_empty() {
                p class="empty" { "Nothing would be read." }
                p { a href=(name.page()) { "Back to the table" } }
            } @else {
                (windows(plan))
                form class="row" method="post" action="/backfill" {
                    (named(name))
                    input type="hidden" name="from" value=(plan.from);
                    input type="hidden" name="to" value=(plan.to);
                    @if plan.missing { input type="hidden" name="missing" value="true"; }
                    button type="submit" { "Read " (plural(plan.plan.slots(), slot_word(job))) " for about " (plan.price) " USD" }
                    a class="quiet" href=(name.page()) { "Cancel" }
                }
            }
        }
    };
    frame(&title, Some(facts), &body)
}

fn slot_word(job: &JobFacts) -> &'static str {
    if job.job.source.grain() == crate::window::Grain::Monthly { "month" } else { "day" }
}

fn windows(plan: &PlanFacts) -> Markup {
    let days = |fetch: &Fetch| fetch.windows.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="What would be read" {
            table {
                caption class="hidden" { "What would be read" }
                thead { tr { th scope="col" { "Partition" } th scope="col" { "Days" } th scope="col" class="n" { "Requests" } } }
                tbody {
                    @if plan.plan.totals_requests() > 0 {
                        tr { th scope="row" { "all" } td { "the API's totals, as control sums" } td class="n" { (count(plan.plan.totals_requests())) } }
                    }
                    @for fetch in &plan.plan.fetches {
                        tr { th scope="row" { (fetch.partition) } td class="wrap" { (days(fetch)) } td class="n" { (count(fetch.expected_requests)) } }
                    }
                }
                tfoot { tr { th scope="row" { "Together" } td {} td class="n" { (count(plan.plan.expected_requests())) } } }
            }
        }
    }
}
