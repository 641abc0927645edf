//! The pages: HTML from facts. No I/O.
//!
//! | page | shows |
//! |---|---|
//! | [`fn@overview`] | every job with its state, and job files that are broken |
//! | [`fn@job`] | one job: calendar, the selected day, charts, runs |
//! | [`live`] | the part of a job's page that the script refreshes |
//! | [`plan`] | what a backfill would do, with the button that starts it |
//! | [`accept`] | what accepting held figures takes, with the button that does it |
//! | [`login`], [`problem`] | the login form; an error |

use maud::Markup;

use super::view::{AcceptFacts, JobFacts, PageFacts, PlanFacts, Selected};

mod backfill;
mod badge;
mod charts;
mod costs;
mod day;
mod held;
mod job;
mod layout;
mod overview;
mod progress;
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

/// `/`: every job at a glance.
#[must_use]
pub fn overview(facts: &PageFacts) -> Markup {
    overview::page(facts)
}

/// `/jobs/<name>`: one job, with the details of the selected day and the chosen charts.
#[must_use]
pub fn job(facts: &PageFacts, job: &JobFacts, selected: &Selected) -> Markup {
    job::page(facts, job, selected)
}

/// `/jobs/<name>/live`: the current run, as an HTML fragment that replaces the previous one.
#[must_use]
pub fn live(job: &JobFacts) -> Markup {
    progress::fragment(job)
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
