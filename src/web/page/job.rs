//! The page of one job.

use maud::{Markup, html};

use crate::job::Refresh;
use crate::plan::{Slot, calendar as slots_of};
use crate::scheduler::glances::checked_at;
use crate::status;
use crate::text::{bytes, count, plural};
use crate::web::badge::Badge;
use crate::web::calendar::calendar;
use crate::web::format;
use crate::web::view::{JobFacts, PageFacts, Selected};
use crate::window::Grain;

use super::card::breakable;
use super::layout::frame;
use super::{backfill, charts, costs, day, progress, runs};

/// The page.
pub(super) fn page(facts: &PageFacts, job: &JobFacts, selected: &Selected) -> Markup {
    let name = job.job.unit.to_string();
    let grain = job.job.source.grain();
    let slots = slots_of(&job.job, &job.ledger, facts.now);
    let (day, choice) = (selected.day.map(|day| grain.slot_of(day)), &selected.choice);
    let body = html! {
        nav class="crumbs" aria-label="Breadcrumb" {
            a href="/" { "Tables" } " / "
            @match &job.job.unit.account {
                Some(account) => { a href={ "/jobs/" (job.job.unit.table) } { (job.job.unit.table) } " / " (account) }
                None => (name),
            }
        }
        div class="title" {
            h1 { (breakable(&name)) }
            (Badge::of(job, &slots, facts.now).badge())
            @if let Some(description) = &job.job.description { p class="lead" { (format::visible(description)) } }
        }
        @if let Some(error) = &job.file_error {
            section class="panel alert" role="alert" {
                strong { "The job file is broken; its last good version is in use." }
                pre { (format::visible(error)) }
            }
        }
        @if let Some(error) = &job.lake_error {
            section class="panel alert" role="alert" {
                strong { "The table cannot be read; what is shown is older." }
                pre { (format::visible(error)) }
            }
        }
        @if let Some(failure) = &job.look.refused {
            section class="panel alert" role="alert" {
                strong { "Every run of this job is refused." }
                pre { (format::visible(&failure.text)) }
            }
        }
        @for note in job.look.origin.iter().chain(&job.notes).cloned().chain(status::about(&job.job, &job.ledger, facts.now)) {
            p class="note" { (format::visible(&note)) }
        }
        p class="hidden" role="status" data-status {}
        div data-live={ (job.job.unit.page()) "/live" } class="panel running" { (progress::fragment(job, facts.now)) }
        (at_a_glance(facts, job, &slots))
        @if let Some(costs) = &selected.costs { (costs::section(costs, choice)) }
        section class="panel" aria-labelledby="calendar" {
            h2 id="calendar" { "Calendar" }
            (calendar(grain, &slots, choice, day))
            (day::section(facts, job, &slots, choice, day))
        }
        (charts::section(job, choice, selected.summary.as_deref()))
        (runs::section(facts, job))
        (backfill::form(facts, job))
        (definition(job))
    };
    frame(&name, Some(facts), &body)
}

/// The main figures of the job.
fn at_a_glance(facts: &PageFacts, job: &JobFacts, slots: &[Slot]) -> Markup {
    let rows: u64 = slots.iter().filter_map(|slot| slot.known.as_ref()).map(|known| known.facts.rows).sum();
    let size: u64 = job.ledger.partitions.values().map(|partition| partition.bytes).sum();
    html! {
        dl class="figures wide panel" {
            div {
                dt { "Last checked" }
                dd { @match checked_at(&job.ledger) {
                    Some(at) => { time datetime=(format::machine(at)) { (format::ago(at, facts.now)) } small { (format::instant(at)) " UTC" } }
                    None => "never",
                } }
            }
            div {
                dt { "Next run" }
                dd { @match job.next.first() {
                    Some(at) => { (format::ago(at.to_utc(), facts.now)) small { (at.format("%Y-%m-%d %H:%M %Z")) } }
                    None => { "by hand" small { "the job has no schedule" } }
                } }
            }
            div {
                dt { "Rows" }
                dd { (count(rows)) small { (plural(job.ledger.partitions.len() as u64, "object")) ", " (bytes(size)) } }
            }
            div {
                dt { "API cost this month" }
                dd { (job.usd_this_month) " USD" small { (budget(job)) } }
            }
        }
    }
}

fn budget(job: &JobFacts) -> String {
    match job.job.budget.max_usd_per_month {
        Some(cents) => format!("of {cents} USD a month"),
        None if job.job.budget.max_requests_per_run.is_none() => "this API is free".to_owned(),
        None => "no monthly budget".to_owned(),
    }
}

/// The settings of the job file.
fn definition(job: &JobFacts) -> Markup {
    let queries = job.job.source.read_for();
    html! {
        section class="panel" aria-labelledby="definition" {
            h2 id="definition" { "Definition" }
            dl class="definition" {
                div { dt { "Source" } dd { code { (job.job.entry.name) } ": " (job.job.entry.summary) } }
                @for (name, value) in job.job.source.fingerprint() {
                    div { dt { (spoken(name)) } dd { (format::visible(&readable(&value))) } }
                }
                @if !queries.is_empty() {
                    div { dt { (if job.job.source.grows() { "Metrics added later" } else { "Queries" }) } dd { ul { @for query in queries { li { (format::visible(&query)) } } } } }
                }
                @if let Some(begin) = job.job.window.begin { div { dt { "Begins" } dd { (begin) } } }
                div { dt { "Refresh" } dd { (refresh_rule(job)) } }
                div { dt { "Schedule" } dd { (schedule(job)) } }
                div { dt { "Requests in a run" } dd { @match job.job.budget.max_requests_per_run { Some(most) => { "at most " (count(most)) } None => "no limit" } } }
                div { dt { "File" } dd { code { (format::visible(&job.job.file.display().to_string())) } } }
            }
        }
    }
}

/// The name of a field of the fingerprint as a heading.
fn spoken(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A value of the fingerprint as text: a JSON list of strings without its syntax, anything else with spaced commas.
fn readable(value: &str) -> String {
    match serde_json::from_str::<Vec<String>>(value) {
        Ok(list) if list.is_empty() => "none: totals".to_owned(),
        Ok(list) => list.iter().map(|text| text.replacen(':', " ", 1)).collect::<Vec<_>>().join(", then "),
        Err(_) => value.replace(',', ", "),
    }
}

fn refresh_rule(job: &JobFacts) -> String {
    let rules = &job.job.window;
    if job.job.entry.rules.snapshot {
        return "today's state, every run".to_owned();
    }
    let unit = if job.job.source.grain() == Grain::Monthly { "months" } else { "days" };
    match rules.refresh {
        Refresh::Probe => format!(
            "{unit} whose total changed; current month in full every {}; each month once more after day {} of the next",
            plural(rules.full_read_every_days, "day"),
            rules.settle_day
        ),
        Refresh::BillingClose => {
            format!(
                "from the 1st of the previous month through day {}, then from the 1st of this month",
                rules.settle_day
            )
        }
        Refresh::Days(number) => format!("the last {}", plural(number, "day")),
    }
}

fn schedule(job: &JobFacts) -> Markup {
    html! {
        @match &job.job.schedule {
            None => "by hand only",
            Some(schedule) => {
                (schedule.parsed.describe().trim_end_matches('.')) ", " (schedule.timezone.name()) " (" code { (schedule.cron) } ")"
                @if !job.next.is_empty() {
                    ol class="next" {
                        @for at in &job.next { li { time datetime=(at.format("%Y-%m-%dT%H:%M:%S%:z")) { (at.format("%a %Y-%m-%d %H:%M %Z")) } } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{readable, spoken};

    #[test]
    fn definitions_are_words() {
        assert_eq!(readable(r#"["DIMENSION:SERVICE","TAG:a:b"]"#), "DIMENSION SERVICE, then TAG a:b");
        assert_eq!(readable("[]"), "none: totals");
        assert_eq!(readable("UnblendedCost,UsageQuantity"), "UnblendedCost, UsageQuantity");
        assert_eq!(spoken("group_by"), "Group by");
    }
}
