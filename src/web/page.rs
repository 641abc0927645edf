//! The pages as HTML: plain ones.

use chrono::NaiveDate;
use maud::{DOCTYPE, Markup, html};

use super::facts::{JobFacts, PageFacts, PlanFacts};

/// The style sheet, served at [`STYLE_PATH`].
pub const STYLE: &str = "body { font-family: sans-serif }\n";
/// Where the pages look for [`STYLE`].
pub const STYLE_PATH: &str = "/style.css";
/// The script, served at [`SCRIPT_PATH`].
pub const SCRIPT: &str = "";
/// Where the pages look for [`SCRIPT`].
pub const SCRIPT_PATH: &str = "/live.js";
/// The icon, an SVG, served at [`ICON_PATH`].
pub const ICON: &str = "<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
/// Where the pages look for [`ICON`].
pub const ICON_PATH: &str = "/icon.svg";

fn frame(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                title { (title) }
                link rel="stylesheet" href=(STYLE_PATH);
                script src=(SCRIPT_PATH) defer {}
            }
            body { (body) }
        }
    }
}

/// All jobs.
#[must_use]
pub fn overview(facts: &PageFacts) -> Markup {
    let body = html! {
        h1 { "costlake " (facts.lake) }
        ul {
            @for job in &facts.jobs {
                li { a href={ "/jobs/" (job.job.name) } { (job.job.name) } " " (job.job.description.as_deref().unwrap_or_default()) }
            }
        }
        @for broken in &facts.broken { pre { (broken.lines().join("\n")) } }
    };
    frame("costlake", &body)
}

/// One job.
#[must_use]
pub fn job(facts: &PageFacts, job: &JobFacts, _selected: Option<NaiveDate>) -> Markup {
    let body = html! {
        h1 { (job.job.name) }
        @if let Some(error) = &job.file_error { pre { (error) } }
        (live(job))
        @for run in job.runs.iter() {
            p { (run.started_at) " " (run.command) " exit " (run.exit_code) }
            @for (_, failure) in run.failures() { pre { (failure.text) } }
        }
        @if facts.actions {
            form method="post" action="/backfill/plan" {
                input type="hidden" name="job" value=(job.job.name);
                label { "from " input name="from"; }
                label { "to " input name="to"; }
                label { "missing only " input type="checkbox" name="missing"; }
                button { "plan" }
            }
        }
    };
    frame(&job.job.name, &body)
}

/// What a run has done so far.
#[must_use]
pub fn live(job: &JobFacts) -> Markup {
    html! {
        @match &job.live {
            Some(live) => p { (live.command) " since " (live.started_at) ": " (live.fetches_done) " of " (live.fetches.unwrap_or(0)) }
            None => p { "nothing runs" }
        }
    }
}

/// A backfill to confirm.
#[must_use]
pub fn plan(_facts: &PageFacts, job: &JobFacts, plan: &PlanFacts) -> Markup {
    let body = html! {
        h1 { "backfill " (job.job.name) }
        p { (plan.from) " to " (plan.to) ": " (plan.plan.expected_requests()) " requests, " (plan.usd) " USD" }
        form method="post" action="/backfill" {
            input type="hidden" name="job" value=(job.job.name);
            input type="hidden" name="from" value=(plan.from);
            input type="hidden" name="to" value=(plan.to);
            @if plan.missing { input type="hidden" name="missing" value="on"; }
            button { "start" }
        }
    };
    frame("backfill", &body)
}

/// The form that takes the token.
#[must_use]
pub fn login(failed: bool) -> Markup {
    let body = html! {
        @if failed { p { "that is not the token" } }
        form method="post" action="/login" { label { "token " input type="password" name="token"; } button { "go" } }
    };
    frame("costlake", &body)
}

/// A page that says what went wrong.
#[must_use]
pub fn problem(status: u16, title: &str, text: &str) -> Markup {
    frame(title, &html! { h1 { (status) " " (title) } pre { (text) } })
}
