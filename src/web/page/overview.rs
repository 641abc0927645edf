//! The overview: every job at a glance.

use maud::{Markup, html};

use crate::cents::Cents;
use crate::job::BrokenJob;
use crate::plan::{Slot, calendar as slots_of};
use crate::text::{count, plural};
use crate::web::calendar::{tally_words, words_of};
use crate::web::chart::{slot_name, sparkline, strip};
use crate::web::format;
use crate::web::view::{JobFacts, PageFacts};
use crate::window::{Grain, month_start};

use super::badge::{Badge, checked_at};
use super::layout::frame;
use super::progress;
use super::runs::verdict;

/// Minimum number of values for a sparkline.
const FEWEST: usize = 7;

/// The page.
pub(super) fn page(facts: &PageFacts) -> Markup {
    let jobs: Vec<(&JobFacts, Vec<Slot>, Badge)> = facts
        .jobs
        .iter()
        .map(|job| {
            let slots = slots_of(&job.job, &job.ledger, facts.now);
            let badge = Badge::of(job, &slots, facts.now);
            (job, slots, badge)
        })
        .collect();
    let spent: Cents = facts.jobs.iter().map(|job| job.usd_this_month).sum();
    let body = html! {
        div class="title" {
            h1 { "Tables" }
            p class="lead" { (in_words(&jobs)) ". " (spent) " USD spent on requests this month." }
        }
        @if !facts.broken.is_empty() { (broken(&facts.broken)) }
        @if jobs.is_empty() && facts.broken.is_empty() {
            p class="empty" { "There is no job yet: a file " code { "jobs/<table>.toml" } " makes one." }
        }
        ul class="cards" {
            @for (job, slots, badge) in &jobs { li { (card(facts, job, slots, *badge)) } }
        }
    };
    frame("Tables", Some(facts), &body)
}

/// The number of jobs in each standing: `5 current, 1 failed`.
fn in_words(jobs: &[(&JobFacts, Vec<Slot>, Badge)]) -> String {
    let mut badges: Vec<Badge> = jobs.iter().map(|(_, _, badge)| *badge).collect();
    badges.sort_unstable();
    let parts: Vec<String> = badges
        .chunk_by(|a, b| a == b)
        .filter_map(|group| group.first().map(|badge| format!("{} {}", group.len(), badge.look().1)))
        .collect();
    if parts.is_empty() { "No jobs".to_owned() } else { parts.join(", ") }
}

fn broken(broken: &[BrokenJob]) -> Markup {
    html! {
        section class="panel alert" aria-labelledby="broken" {
            h2 id="broken" { (plural(broken.len() as u64, "job file")) " cannot be used" }
            ul class="problems" {
                @for line in broken.iter().flat_map(BrokenJob::lines) { li class="pre" { (format::visible(&line)) } }
            }
            p { "Each is read again as soon as it changes." }
        }
    }
}

fn card(facts: &PageFacts, job: &JobFacts, slots: &[Slot], badge: Badge) -> Markup {
    let name = &job.job.name;
    html! {
        article class="panel card" aria-labelledby={ "job-" (name) } {
            header {
                h2 id={ "job-" (name) } { a href={ "/jobs/" (name) } { (breakable(name)) } }
                (badge.badge())
            }
            @if let Some(description) = &job.job.description { p class="what" { (format::visible(description)) } }
            @if let Some(error) = &job.file_error {
                p class="alert pre" { strong { "The job file is broken; its last good version is in use. " } (format::visible(error)) }
            }
            @for note in &job.look.origin { p class="note" { (format::visible(note)) } }
            (glance(job, slots))
            (figures(facts, job, slots))
            div data-live={ "/jobs/" (name) "/live" } class="brief" { (progress::fragment(job)) }
        }
    }
}

/// A name that may wrap after an underscore.
pub(super) fn breakable(name: &str) -> Markup {
    html! { @for (index, part) in name.split('_').enumerate() { @if index > 0 { "_" wbr; } (part) } }
}

/// The last thirteen months as a sparkline and a strip.
fn glance(job: &JobFacts, slots: &[Slot]) -> Markup {
    let grain = job.job.source.grain();
    let Some(last) = slots.last() else { return html! {} };
    let first = month_start(last.day, -12);
    let recent = &slots[slots.partition_point(|slot| slot.day < first)..];
    let line = job.summary.as_ref().map(|summary| summary.figures.line()).unwrap_or_default();
    html! {
        div class="glance" {
            @if line.len() >= FEWEST { (sparkline(grain, recent, &line)) }
            (strip(grain, recent))
            p class="range" aria-hidden="true" {
                span { (recent.first().map(|slot| slot_name(grain, slot.day)).unwrap_or_default()) }
                span { (slot_name(grain, last.day)) }
            }
        }
        p class="states" { (tally_words(slots)) }
    }
}

fn figures(facts: &PageFacts, job: &JobFacts, slots: &[Slot]) -> Markup {
    let rows: u64 = slots.iter().filter_map(|slot| slot.known.as_ref()).map(|known| known.facts.rows).sum();
    let grain = job.job.source.grain();
    let newest = slots.iter().rev().find(|slot| slot.known.is_some());
    html! {
        dl class="figures" {
            div {
                dt { "Checked" }
                dd { @match checked_at(job) {
                    Some(at) => time datetime=(format::machine(at)) title={ (format::instant(at)) " UTC" } { (format::ago(at, facts.now)) },
                    None => "never",
                } }
            }
            div {
                dt { "Next run" }
                dd { (next(facts, job)) }
            }
            div {
                dt { "Newest " (if grain == Grain::Monthly { "month" } else { "day" }) }
                dd { @match newest {
                    Some(slot) => span title=(words_of(grain, slot)) { (slot_name(grain, slot.day)) },
                    None => "none",
                } }
            }
            div { dt { "Rows" } dd { (count(rows)) } }
            div { dt { "This month" } dd { (job.usd_this_month) " USD" } }
            div { dt { "Last run" } dd { (last_run(facts, job)) } }
        }
    }
}

fn next(facts: &PageFacts, job: &JobFacts) -> Markup {
    html! {
        @match job.next.first() {
            Some(at) => time datetime=(at.format("%Y-%m-%dT%H:%M:%S%:z")) title=(at.format("%Y-%m-%d %H:%M %Z")) {
                (format::ago(at.to_utc(), facts.now))
            },
            None => "by hand",
        }
    }
}

fn last_run(facts: &PageFacts, job: &JobFacts) -> Markup {
    html! {
        @match job.runs.first() {
            Some(run) => {
                (format::ago(run.started_at, facts.now))
                small { (verdict(run.exit_code).1) }
            }
            None => "none",
        }
    }
}
