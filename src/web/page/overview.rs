//! The overview: every table at a glance, those that need a person first, the others by where they come from.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::cents::Cents;
use crate::job::BrokenJob;
use crate::scheduler::glances::FEW;
use crate::text::{count, counted, plural};
use crate::web::badge::Badge;
use crate::web::format;
use crate::web::view::{OfAccounts, PageFacts, Run, is_found};

use super::card::{Table, card, row, row_of_accounts};
use super::layout::frame;
use super::progress;

/// With more tables than this each is a row instead of a card, and the groups are sources instead of APIs.
const MOST_CARDS: u64 = FEW as u64;
/// A group with more rows than this is folded: nothing in it needs a person.
const MOST_ROWS: usize = 8;
/// Longest text that is searched for, in characters.
const LONGEST: usize = 100;

/// What is shown of the tables, and how.
struct View<'a> {
    facts: &'a PageFacts,
    /// Those that the search finds.
    tables: Vec<Table<'a>>,
    /// Whether each is a row instead of a card.
    is_long: bool,
    is_search: bool,
}

impl View<'_> {
    fn item(&self, table: &Table<'_>) -> Markup {
        html! {
            li data-words=(table.words()) class=[self.is_long.then_some("row")] {
                @if self.is_long { (row(self.facts, table)) } @else { (card(self.facts, table)) }
            }
        }
    }

    fn list(&self, tables: &[&Table<'_>]) -> Markup {
        html! { ul class=(if self.is_long { "rows" } else { "cards" }) { @for table in tables { (self.item(table)) } } }
    }
}

/// The page.
pub(super) fn page(facts: &PageFacts, search: &str) -> Markup {
    let search: String = search.trim().chars().take(LONGEST).collect();
    let runs = facts
        .jobs
        .iter()
        .filter_map(|job| Some(Run { unit: &job.job.unit, live: job.live.as_ref()?, outlasted: job.outlasted }));
    let runs: Vec<Run<'_>> = runs.collect();
    let body = html! {
        div class="title overview" {
            h1 { "Tables" }
            @if !facts.jobs.is_empty() || facts.beyond.is_some() { (search_form("/", ("Find tables", "name, source or state"), &search)) }
        }
        p class="hidden" role="status" data-status {}
        div id="tables" { (within(facts, &search)) }
        div data-live="/live" class="panel running" { (progress::list(&runs, &facts.mark, facts.now)) }
    };
    frame("Tables", Some(facts), &body)
}

/// All tables, as a fragment.
pub(super) fn fragment(facts: &PageFacts, search: &str) -> Markup {
    within(facts, search)
}

/// The form of a search, answered at `action`, with its label and an example.
pub(super) fn search_form(action: &str, (label, example): (&str, &str), search: &str) -> Markup {
    html! {
        form class="search" role="search" method="get" action=(action) {
            label for="search" { (label) }
            input id="search" name="search" type="search" value=(format::visible(search)) autocomplete="off" spellcheck="false"
                placeholder=(example);
            button class="quiet" type="submit" { "Search" }
        }
    }
}

fn within(facts: &PageFacts, search: &str) -> Markup {
    let all: Vec<Table<'_>> = facts.jobs.iter().map(|job| Table::of(job, facts.now)).collect();
    let lead = lead(facts, &all);
    let is_search = !search.is_empty();
    let number =
        facts.beyond.as_ref().map_or(all.len() as u64, |beyond| beyond.states.values().sum::<u64>() + beyond.unread);
    // Of many units those that are not found have no line.
    let is_shown = |table: &Table<'_>| facts.beyond.is_some() || is_found(&table.words(), search);
    let mut tables: Vec<Table<'_>> = all.into_iter().filter(is_shown).collect();
    let found = facts.beyond.as_ref().map_or(tables.len() as u64, |beyond| beyond.found);
    // Sorted by name already.
    tables.sort_by_key(|table| table.standing);
    let view = View { facts, tables, is_long: number > MOST_CARDS || facts.beyond.is_some(), is_search };
    let (urgent, mut fine): (Vec<&Table<'_>>, Vec<&Table<'_>>) =
        view.tables.iter().partition(|table| table.needs_a_person());
    fine.sort_by(|a, b| a.job.job.unit.cmp(&b.job.job.unit));
    let without_line = facts.beyond.as_ref().map_or((0, 0), |beyond| beyond.without_line);
    html! {
        p class="lead" { (lead) }
        p class="found" role="status" data-found data-all=(number) data-part=[is_search.then_some("yes")]
            data-many=[has_more_than_lines(facts).then_some("yes")] {
            @if is_search {
                (count(found)) " of " (so_many(facts, number)) " found. " a href="/" { "Show all" }
            }
        }
        @if !facts.broken.is_empty() { (broken(&facts.broken)) }
        @if number == 0 && facts.broken.is_empty() {
            p class="empty" { "There is no job yet: a file " code { "jobs/<table>.toml" } " makes one." }
        }
        (notes(facts))
        @if !urgent.is_empty() {
            section class="group" aria-labelledby="urgent" data-group {
                @let number = urgent.len() as u64 + without_line.0;
                h2 id="urgent" { (so_many(facts, number)) (if number == 1 { " needs" } else { " need" }) " attention" }
                (view.list(&urgent))
                @if without_line.0 > 0 { (beyond_these(without_line.0)) }
            }
        }
        @if let Some(beyond) = facts.beyond.as_ref().filter(|beyond| !beyond.tables.is_empty()) {
            (of_accounts(facts, &beyond.tables))
        }
        (groups(&view, &fine))
        @if without_line.1 > 0 { (beyond_these(without_line.1)) }
    }
}

/// Whether there are units without a line, so that the lines cannot be searched for them.
fn has_more_than_lines(facts: &PageFacts) -> bool {
    let beyond = facts.beyond.as_ref();
    beyond.is_some_and(|beyond| beyond.without_line != (0, 0) || beyond.unread > 0 || !beyond.tables.is_empty())
}

/// So many tables, or where there are accounts, tables and accounts of tables.
fn so_many(facts: &PageFacts, number: u64) -> String {
    let has_accounts = facts.beyond.as_ref().is_some_and(|beyond| !beyond.tables.is_empty());
    if has_accounts { counted(number, "table or account", "tables or accounts") } else { plural(number, "table") }
}

fn beyond_these(number: u64) -> Markup {
    html! { p class="fine" { "And " (count(number)) " more, without a line here: search for a name, a source or a state." } }
}

/// The tables with accounts, a line each.
fn of_accounts(facts: &PageFacts, tables: &[OfAccounts]) -> Markup {
    html! {
        section class="group" aria-labelledby="with-accounts" data-group {
            div class="head" { h2 id="with-accounts" { "Tables with accounts" } }
            ul class="rows" { @for table in tables { li class="row" { (row_of_accounts(facts, table)) } } }
        }
    }
}

/// `1 failed, 5 current. API cost this month: 0.25 USD.`
fn lead(facts: &PageFacts, tables: &[Table<'_>]) -> String {
    let Some(beyond) = &facts.beyond else {
        let spent: Cents = facts.jobs.iter().map(|job| job.usd_this_month).sum();
        return format!("{}. API cost this month: {spent} USD.", in_words(tables.iter().map(|table| table.badge)));
    };
    format!("{}. API cost this month: {} USD.", states_in_words(&beyond.states, beyond.unread), beyond.spent)
}

/// The number of tables in each standing: `1 failed, 5 current`.
fn in_words(badges: impl Iterator<Item = Badge>) -> String {
    let mut states = BTreeMap::new();
    badges.for_each(|badge| *states.entry(badge).or_default() += 1);
    states_in_words(&states, 0)
}

/// The same from their numbers, with those that have not been looked at.
pub(super) fn states_in_words(states: &BTreeMap<Badge, u64>, unread: u64) -> String {
    let mut parts: Vec<String> =
        states.iter().map(|(badge, number)| format!("{} {}", count(*number), badge.look().1)).collect();
    if unread > 0 {
        parts.push(format!("{} not looked at yet", count(unread)));
    }
    if parts.is_empty() { "No tables".to_owned() } else { parts.join(", ") }
}

fn broken(broken: &[BrokenJob]) -> Markup {
    html! {
        section class="panel alert" aria-labelledby="broken" {
            h2 id="broken" { (plural(broken.len() as u64, "job file")) (if broken.len() == 1 { " has errors" } else { " have errors" }) }
            ul class="problems" {
                @for line in broken.iter().flat_map(BrokenJob::lines) { li class="pre" { (format::visible(&line)) } }
            }
            p { (if broken.len() == 1 { "Fix the file; it is" } else { "Fix the files; they are" }) " reloaded automatically." }
        }
    }
}

/// Where the figures come from, if that is not the API itself: each note once, with its tables.
fn notes(facts: &PageFacts) -> Markup {
    let mut notes: BTreeMap<&str, (u64, String)> = BTreeMap::new();
    let all = match &facts.beyond {
        Some(beyond) => {
            notes.extend(beyond.origin.iter().map(|(note, number)| (note.as_str(), (*number, String::new()))));
            beyond.states.values().sum::<u64>() + beyond.unread
        }
        None => facts.jobs.len() as u64,
    };
    for job in facts.jobs.iter().filter(|_| facts.beyond.is_none()) {
        for note in &job.look.origin {
            let (number, one) = notes.entry(note).or_default();
            (*number, *one) = (*number + 1, job.job.unit.to_string());
        }
    }
    let of = |(number, one): &(u64, String)| match *number {
        1 if !one.is_empty() => one.clone(),
        number if number == all => "all tables".to_owned(),
        some => so_many(facts, some),
    };
    html! {
        @for (note, tables) in &notes { p class="note" { (of(tables)) ": " (format::visible(note)) } }
    }
}

/// The tables that need nobody, by source, or by API where they are few.
fn groups(view: &View<'_>, tables: &[&Table<'_>]) -> Markup {
    let name = |table: &Table<'_>| {
        let entry = table.job.job.entry;
        if view.is_long { entry.name } else { entry.provider.name }
    };
    let mut names: Vec<&'static str> = tables.iter().map(|table| name(table)).collect();
    names.sort_unstable();
    names.dedup();
    html! {
        @for group in names {
            @let of_group: Vec<&Table<'_>> = tables.iter().copied().filter(|table| name(table) == group).collect();
            @let elsewhere = view.tables.iter().filter(|table| name(table) == group).count() - of_group.len();
            (group_of(view, group, &of_group, elsewhere))
        }
    }
}

fn group_of(view: &View<'_>, name: &str, tables: &[&Table<'_>], elsewhere: usize) -> Markup {
    let id = format!("of-{}", name.to_lowercase().replace(' ', "-"));
    let is_folded = view.is_long && !view.is_search && tables.len() > MOST_ROWS;
    let title = html! {
        h2 id=(id) { (name) }
        span class="fine" {
            (in_words(tables.iter().map(|table| table.badge)))
            @if elsewhere > 0 { ", " (count(elsewhere as u64)) " listed above" }
        }
    };
    html! {
        section class="group" aria-labelledby=(id) data-group {
            @if view.is_long {
                details id={ "fold-" (name) } open[!is_folded] data-folded[is_folded] {
                    summary { (title) }
                    (view.list(tables))
                }
            } @else {
                div class="head" { (title) }
                (view.list(tables))
            }
        }
    }
}
