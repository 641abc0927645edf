//! The pages: HTML from facts. No I/O.
//!
//! | page | shows |
//! |---|---|
//! | [`fn@overview`] | every table with its state, those that need a person first, and job files that are broken |
//! | [`tables`], [`running`] | the parts of it that the script refreshes |
//! | [`restatements`] | what was restated lately, in all tables |
//! | [`fn@accounts`] | the accounts of a table |
//! | [`fn@job`] | one job: calendar, the selected day, charts, runs |
//! | [`live`] | the part of a job's page that the script refreshes |
//! | [`plan`] | what a backfill would do, with the button that starts it |
//! | [`accept`] | what accepting held figures takes, with the button that does it |
//! | [`login`], [`problem`] | the login form; an error |

use chrono::{DateTime, Utc};
use maud::Markup;

use super::restated::Log;
use super::view::{AcceptFacts, AccountsFacts, JobFacts, PageFacts, PlanFacts, Run, Selected};
use crate::scheduler::progress::Progress;

mod accounts;
mod backfill;
mod card;
mod charts;
mod costs;
mod day;
mod held;
mod job;
mod layout;
mod overview;
mod progress;
mod restated;
mod runs;
#[cfg(test)]
mod tests;

/// The style sheet, served at [`STYLE_PATH`].
pub const STYLE: &str = include_str!("style.css");
/// Path of [`STYLE`].
pub const STYLE_PATH: &str = "/style.css";
/// The script, served at [`SCRIPT_PATH`].
pub const SCRIPT: &str = include_str!("live.js");
/// Path of [`SCRIPT`].
pub const SCRIPT_PATH: &str = "/live.js";
/// The icon, an SVG, served at [`ICON_PATH`] as `image/svg+xml`.
pub const ICON: &str = include_str!("icon.svg");
/// Path of [`ICON`].
pub const ICON_PATH: &str = "/icon.svg";

/// `/`: every table at a glance, or those that `search` finds.
#[must_use]
pub fn overview(facts: &PageFacts, search: &str) -> Markup {
    overview::page(facts, search)
}

/// `/tables/live`: the tables of the overview, or those that `search` finds, as an HTML fragment that replaces the previous one.
#[must_use]
pub fn tables(facts: &PageFacts, search: &str) -> Markup {
    overview::fragment(facts, search)
}

/// `/live`: what runs, as an HTML fragment that replaces the previous one; `mark` says whether the tables have changed.
#[must_use]
pub fn running(runs: &[Run<'_>], mark: &str, now: DateTime<Utc>) -> Markup {
    progress::list(runs, mark, now)
}

/// `/restatements`: what was restated lately.
#[must_use]
pub fn restatements(facts: &PageFacts, log: &Log) -> Markup {
    restated::page(facts, log)
}

/// `/jobs/<name>` of a table with accounts: its accounts, a page of them.
#[must_use]
pub fn accounts(facts: &PageFacts, accounts: &AccountsFacts) -> Markup {
    accounts::page(facts, accounts)
}

/// `/jobs/<name>`: one job, with the details of the selected day and the chosen charts.
#[must_use]
pub fn job(facts: &PageFacts, job: &JobFacts, selected: &Selected) -> Markup {
    job::page(facts, job, selected)
}

/// `/jobs/<name>/live`: the current run, as an HTML fragment that replaces the previous one.
#[must_use]
pub fn live(live: Option<&Progress>, outlasted: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Markup {
    progress::of(live, outlasted, now)
}

/// The plan of a requested backfill: what it would do and cost, and the button that starts it.
#[must_use]
pub fn plan(facts: &PageFacts, job: &JobFacts, plan: &PlanFacts) -> Markup {
    backfill::plan(facts, job, plan)
}

/// What accepting held figures takes, and the button that does it.
#[must_use]
pub fn accept(facts: &PageFacts, job: &JobFacts, accept: &AcceptFacts) -> Markup {
    held::confirm(facts, job, accept)
}

/// The login form; `failed` after a wrong token.
#[must_use]
pub fn login(failed: bool) -> Markup {
    layout::login(failed)
}

/// An error page.
#[must_use]
pub fn problem(status: u16, title: &str, text: &str) -> Markup {
    layout::problem(status, title, text)
}
