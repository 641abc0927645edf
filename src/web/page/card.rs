//! One table on the overview: a card where there are few, a row where there are many.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::plan::{Slot, SlotState, calendar as slots_of};
use crate::status::last_failure;
use crate::text::{count, plural};
use crate::web::calendar::{tally_words, words_of};
use crate::web::chart::{slot_name, sparkline, strip};
use crate::web::format;
use crate::web::view::{JobFacts, OfAccounts, PageFacts, last_run, needs_a_person, words};
use crate::window::{Grain, month_start};

use super::overview::states_in_words;
use super::runs::verdict;
use crate::scheduler::glances::checked_at;
use crate::web::badge::Badge;

/// Minimum number of values for a sparkline.
const FEWEST: usize = 7;
/// Months before the newest one in a card's strip, and in a row's.
const MONTHS: (i32, i32) = (-12, -2);

/// A table with its state.
pub(super) struct Table<'a> {
    /// Its facts.
    pub(super) job: &'a JobFacts,
    slots: Vec<Slot>,
    /// Its state.
    pub(super) badge: Badge,
    /// Its state whether or not it is being updated.
    pub(super) standing: Badge,
}

impl<'a> Table<'a> {
    /// The state of a job's table at `now`.
    pub(super) fn of(job: &'a JobFacts, now: DateTime<Utc>) -> Self {
        let slots = slots_of(&job.job, &job.ledger, now);
        let (badge, standing) = (Badge::of(job, &slots, now), Badge::at_rest(job, &slots, now));
        Self { job, slots, badge, standing }
    }

    /// Whether somebody should look at it.
    pub(super) fn needs_a_person(&self) -> bool {
        needs_a_person(self.badge, self.standing, self.job.file_error.is_some())
    }

    /// The words by which a search finds it, in lower case.
    pub(super) fn words(&self) -> String {
        words(&self.job.job, self.badge, self.standing)
    }

    /// Errors that concern the whole table, each with what to call it.
    fn errors(&self, now: DateTime<Utc>) -> Vec<(&'static str, String)> {
        let job = self.job;
        let file =
            job.file_error.clone().map(|text| ("The job file is broken; its last good version is in use.", text));
        let lake = job.lake_error.clone().map(|text| ("The table cannot be read; what is shown is older.", text));
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        let run = match &job.look.refused {
            Some(failure) => Some(("Every run of this job is refused.", first(&failure.text))),
            None => {
                last_failure(last_run(&job.runs, now)).map(|failure| ("The last run failed.", first(&failure.text)))
            }
        };
        file.into_iter().chain(lake).chain(run).collect()
    }

    fn newest(&self) -> Option<&Slot> {
        self.slots.iter().rev().find(|slot| slot.known.is_some())
    }

    /// The slots of the newest one's month and so many months before it.
    fn since(&self, months: i32) -> &[Slot] {
        let first = self.slots.last().map(|last| month_start(last.day, months));
        let start = self.slots.partition_point(|slot| first.is_some_and(|first| slot.day < first));
        &self.slots[start..]
    }

    /// The days that are wrong: `3 held for review, 2 missing`.
    fn gaps(&self) -> String {
        let is_wrong = |slot: &&Slot| slot.gap().is_some() || slot.state == SlotState::Held;
        tally_words(&self.slots.iter().filter(is_wrong).cloned().collect::<Vec<_>>())
    }
}

/// A card.
pub(super) fn card(facts: &PageFacts, table: &Table<'_>) -> Markup {
    let job = table.job;
    html! {
        article class="panel card" aria-labelledby={ "job-" (job.job.unit.folder()) } {
            header { h3 { (link(job)) } (table.badge.badge()) }
            @if let Some(description) = &job.job.description { p class="what" { (format::visible(description)) } }
            @for (title, text) in table.errors(facts.now) {
                p class="alert pre" { strong { (title) " " } (format::visible(&text)) }
            }
            (glance(table))
            (figures(facts, table))
        }
    }
}

/// A row: name, what is wrong or what it holds, state, its newest months, how old it is.
pub(super) fn row(facts: &PageFacts, table: &Table<'_>) -> Markup {
    let name = html! {
        h3 { (link(table.job)) }
        @if let Some(description) = &table.job.job.description { p class="what" { (format::visible(description)) } }
    };
    row_named(facts, table, &name)
}

/// The same of an account among others of its table.
pub(super) fn row_of_account(facts: &PageFacts, table: &Table<'_>) -> Markup {
    let unit = &table.job.job.unit;
    let name = unit.account.as_deref().unwrap_or(&unit.table);
    row_named(facts, table, &html! { h3 { a id={ "job-" (unit.folder()) } href=(unit.page()) { (name) } } })
}

fn row_named(facts: &PageFacts, table: &Table<'_>, name: &Markup) -> Markup {
    let (job, grain) = (table.job, table.job.job.source.grain());
    let recent = table.since(if grain == Grain::Monthly { MONTHS.0 } else { MONTHS.1 });
    html! {
        div class="name" { (name) }
        (table.badge.badge())
        div class="recent" title=(tally_words(recent)) { (strip(grain, recent)) }
        p class="age" {
            @match table.newest() {
                Some(slot) => { span { (slot_name(grain, slot.day)) } " " }
                None => span { "no " (unit(grain)) " yet" },
            }
            @if checked_at(&job.ledger).is_some() { span { "checked " (checked(facts, job)) } }
        }
        @if table.needs_a_person() { (wrong(facts, table)) }
    }
}

/// The row of a table with accounts: name, how its accounts are, its newest day, and when the account that waits longest
/// was checked.
pub(super) fn row_of_accounts(facts: &PageFacts, table: &OfAccounts) -> Markup {
    let (job, grain) = (&table.job, table.job.source.grain());
    let worst = table.states.keys().next().copied().unwrap_or(Badge::NeverRead);
    html! {
        div class="name" {
            h3 { a id={ "accounts-" (job.unit.table) } href={ "/jobs/" (job.unit.table) } { (breakable(&job.unit.table)) } }
            p class="what" { (plural(table.states.values().sum::<u64>() + table.unread, "account")) ": " (states_in_words(&table.states, table.unread)) }
        }
        (worst.badge())
        div class="recent" {}
        p class="age" {
            @match table.newest {
                Some(day) => { span { (slot_name(grain, day)) } " " }
                None => span { "no " (unit(grain)) " yet" },
            }
            @match table.checked_at {
                Some(at) => span { "all checked since " (format::ago(at, facts.now)) },
                None => span { "not all checked yet" },
            }
        }
    }
}

fn wrong(facts: &PageFacts, table: &Table<'_>) -> Markup {
    let (errors, gaps) = (table.errors(facts.now), table.gaps());
    html! {
        div class="wrong" {
            @for (title, text) in errors { p { strong { (title) " " } (format::visible(&text)) } }
            @if !gaps.is_empty() { p { (unit_of_many(table)) ": " (gaps) } }
        }
    }
}

fn unit(grain: Grain) -> &'static str {
    if grain == Grain::Monthly { "month" } else { "day" }
}

fn unit_of_many(table: &Table<'_>) -> &'static str {
    if table.job.job.source.grain() == Grain::Monthly { "Months" } else { "Days" }
}

fn link(job: &JobFacts) -> Markup {
    let unit = &job.job.unit;
    html! { a id={ "job-" (unit.folder()) } href=(unit.page()) { (breakable(&unit.to_string())) } }
}

/// A name that may wrap after an underscore.
pub(super) fn breakable(name: &str) -> Markup {
    html! { @for (index, part) in name.split('_').enumerate() { @if index > 0 { "_" wbr; } (part) } }
}

/// The last thirteen months as a sparkline and a strip.
fn glance(table: &Table<'_>) -> Markup {
    let (grain, recent) = (table.job.job.source.grain(), table.since(MONTHS.0));
    let (Some(first), Some(last)) = (recent.first(), recent.last()) else { return html! {} };
    let line = table.job.summary.as_ref().map(|summary| summary.figures.line()).unwrap_or_default();
    html! {
        div class="glance" {
            @if line.len() >= FEWEST { (sparkline(grain, recent, &line)) }
            (strip(grain, recent))
            p class="range" aria-hidden="true" {
                span { (slot_name(grain, first.day)) }
                span { (slot_name(grain, last.day)) }
            }
        }
        p class="states" { (tally_words(&table.slots)) }
    }
}

fn figures(facts: &PageFacts, table: &Table<'_>) -> Markup {
    let (job, grain) = (table.job, table.job.job.source.grain());
    let rows: u64 = table.slots.iter().filter_map(|slot| slot.known.as_ref()).map(|known| known.facts.rows).sum();
    html! {
        dl class="figures" {
            div { dt { "Last checked" } dd { (checked(facts, job)) } }
            div { dt { "Next run" } dd { (next(facts, job)) } }
            div {
                dt { "Newest " (unit(grain)) }
                dd { @match table.newest() {
                    Some(slot) => span title=(words_of(grain, slot)) { (slot_name(grain, slot.day)) },
                    None => "none",
                } }
            }
            div { dt { "Rows" } dd { (count(rows)) } }
            div { dt { "API cost this month" } dd { (job.usd_this_month) " USD" } }
            div { dt { "Last run" } dd { (ran(facts, job)) } }
        }
    }
}

fn checked(facts: &PageFacts, job: &JobFacts) -> Markup {
    html! {
        @match checked_at(&job.ledger) {
            Some(at) => time datetime=(format::machine(at)) title={ (format::instant(at)) " UTC" } {
                (format::ago(at, facts.now))
            },
            None => "never",
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

fn ran(facts: &PageFacts, job: &JobFacts) -> Markup {
    html! {
        @match job.runs.first() {
            Some(run) => {
                (format::ago(run.started_at, facts.now))
                small { (verdict(run).1) }
            }
            None => "none",
        }
    }
}
