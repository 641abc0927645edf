//! The pages: HTML from facts. Nothing here asks, reads or waits.
//!
//! | page | shows |
//! |---|---|
//! | [`overview`] | every job with its state, and job files that are broken |
//! | [`job`] | one job: calendar, the day that was chosen, charts, runs |
//! | [`live`] | the part of a job's page that the script keeps fresh |
//! | [`plan`] | what a backfill would do, with the button that starts it |
//! | [`login`], [`problem`] | a form for the token; what went wrong |

use chrono::NaiveDate;
use maud::Markup;

use super::facts::{JobFacts, PageFacts, PlanFacts};

mod backfill;
mod day;
mod figures;
mod frame;
mod job;
mod overview;
mod progress;
mod runs;
mod standing;
#[cfg(test)]
mod tests;

/// The style sheet, served at [`STYLE_PATH`].
pub const STYLE: &str = include_str!("style.css");
/// Where the pages look for [`STYLE`].
pub const STYLE_PATH: &str = "/style.css";
/// The script, served at [`SCRIPT_PATH`].
pub const SCRIPT: &str = include_str!("live.js");
/// Where the pages look for [`SCRIPT`].
pub const SCRIPT_PATH: &str = "/live.js";
/// The icon, an SVG, served at [`ICON_PATH`] as `image/svg+xml`.
pub const ICON: &str = include_str!("icon.svg");
/// Where the pages look for [`ICON`].
pub const ICON_PATH: &str = "/icon.svg";

/// `/`: every job at a glance.
#[must_use]
pub fn overview(facts: &PageFacts) -> Markup {
    overview::page(facts)
}

/// `/jobs/<name>`: one job, with the details of the day that was chosen.
#[must_use]
pub fn job(facts: &PageFacts, job: &JobFacts, selected: Option<NaiveDate>) -> Markup {
    job::page(facts, job, selected)
}

/// `/jobs/<name>/live`: what runs now, as a piece of HTML that replaces the one before.
#[must_use]
pub fn live(job: &JobFacts) -> Markup {
    progress::fragment(job)
}

/// The answer to a question for a backfill: what it would do and cost, and the button that starts it.
#[must_use]
pub fn plan(facts: &PageFacts, job: &JobFacts, plan: &PlanFacts) -> Markup {
    backfill::plan(facts, job, plan)
}

/// The form for the token; `failed` after a wrong one.
#[must_use]
pub fn login(failed: bool) -> Markup {
    frame::login(failed)
}

/// A page that says what went wrong.
#[must_use]
pub fn problem(status: u16, title: &str, text: &str) -> Markup {
    frame::problem(status, title, text)
}
