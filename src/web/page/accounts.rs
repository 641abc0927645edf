//! The accounts of a table: those that need a person first, a hundred on a page.

use maud::{Markup, html};

use crate::text::{count, plural};
use crate::web::format;
use crate::web::view::{AccountsFacts, PageFacts};

use super::card::{Table, breakable, row_of_account};
use super::layout::frame;
use super::overview::{search_form, states_in_words};

/// The page.
pub(super) fn page(facts: &PageFacts, accounts: &AccountsFacts) -> Markup {
    let job = &accounts.all.job;
    let (name, all) = (&job.unit.table, accounts.all.states.values().sum::<u64>() + accounts.all.unread);
    let place = format!("/jobs/{name}");
    let tables: Vec<Table<'_>> = facts.jobs.iter().map(|job| Table::of(job, facts.now)).collect();
    let body = html! {
        nav class="crumbs" aria-label="Breadcrumb" { a href="/" { "Tables" } " / " (name) }
        div class="title overview" {
            h1 { (breakable(name)) }
            (search_form(&place, ("Find accounts", "account or state"), &accounts.search))
        }
        @if let Some(description) = &job.description { p class="lead" { (format::visible(description)) } }
        p class="lead" { (plural(all, "account")) ": " (states_in_words(&accounts.all.states, accounts.all.unread)) "." }
        @for note in &accounts.origin { p class="note" { (format::visible(note)) } }
        @if !accounts.search.is_empty() {
            p class="found" role="status" {
                (count(accounts.found)) " of " (plural(all, "account")) " found. " a href=(place) { "Show all" }
            }
        }
        @if !tables.is_empty() {
            section class="group" aria-label="Accounts" {
                ul class="rows" { @for table in &tables { li class="row" { (row_of_account(facts, table)) } } }
            }
        }
        (pages(&place, accounts))
    };
    frame(name, Some(facts), &body)
}

/// Buttons to the pages before and after, which keep what is searched for.
fn pages(place: &str, accounts: &AccountsFacts) -> Markup {
    let (page, pages) = accounts.page;
    let to = |number: usize, words: &str| html! { button class="quiet" name="page" value=(number) { (words) } };
    html! {
        @if pages > 1 {
            form class="row" method="get" action=(place) aria-label="Pages of accounts" {
                input type="hidden" name="search" value=(format::visible(&accounts.search));
                @if page > 1 { (to(page - 1, "Previous")) }
                span { "Page " (page) " of " (pages) }
                @if page < pages { (to(page + 1, "Next")) }
            }
        }
    }
}
