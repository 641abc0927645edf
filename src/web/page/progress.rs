//! Runs in progress: HTML fragments that the script refreshes.

use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::cents::Cents;
use crate::pipeline::Waiting;
use crate::report::Outcome;
use crate::scheduler::progress::{PartitionProgress, Progress};
use crate::text::{count, counted, plural};
use crate::web::format;
use crate::web::view::{JobFacts, Run};

/// Runs listed on the overview.
const LISTED: usize = 8;

/// The fragment of a job's page: its first element tells the script whether the job is running.
pub(super) fn fragment(job: &JobFacts, now: DateTime<Utc>) -> Markup {
    of(job.live.as_ref(), job.outlasted, now)
}

/// The same of a run.
pub(super) fn of(live: Option<&Progress>, outlasted: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Markup {
    html! {
        div class="now" data-running=(if live.is_some() { "yes" } else { "no" }) {
            @if let Some(live) = live { (running(live, outlasted, now)) }
        }
    }
}

/// The fragment of the overview: what runs, and a mark that changes when the tables have changed.
pub(super) fn list(runs: &[Run<'_>], mark: &str, now: DateTime<Utc>) -> Markup {
    let rest = runs.len().saturating_sub(LISTED);
    html! {
        div class="now" data-running=(if runs.is_empty() { "no" } else { "yes" }) data-mark=(mark) {
            @if !runs.is_empty() {
                h2 data-say { (counted(runs.len() as u64, "table is", "tables are")) " being updated" }
                ul class="updates" {
                    @for run in runs.iter().take(LISTED) {
                        li {
                            p { a id={ "run-" (run.unit.folder()) } href=(run.unit.page()) { (run.unit) } " " (words(run.live, now, false)) }
                            (bar(run.live))
                            (left_out(run.outlasted))
                        }
                    }
                }
                @if rest > 0 { p class="fine" { "and " (count(rest as u64)) " more" } }
            }
        }
    }
}

/// `running for 2 min: 3 of 13 partitions done, 4 pages, 9 rows, 0.04 USD`.
fn words(live: &Progress, now: DateTime<Utc>, aloud: bool) -> Markup {
    let rows: u64 = live.partitions.values().map(|partition| partition.rows).sum();
    let pages: u64 = live.partitions.values().map(|partition| partition.asked.pages).sum();
    let cost: Cents = live.partitions.values().map(|partition| partition.asked.cost()).sum();
    let done = match live.fetches {
        Some(fetches) => format!("{} of {} done", live.fetches_done, plural(fetches, "partition")),
        None => "planning".to_owned(),
    };
    let done = match &live.waiting {
        Some(waiting) => format!("{}, {done}", waits(waiting, now)),
        None => done,
    };
    html! {
        strong title={ "since " (format::instant(live.started_at)) " UTC" } {
            @if live.command != "run" { (format::visible(&live.command)) " " }
            "running for " (format::lasting(live.started_at, now))
        } ": "
        span data-say[aloud] { (done) }
        ", " (plural(pages, "page")) ", " (plural(rows, "row")) ", " (cost) " USD"
    }
}

/// `waiting for Cost Explorer (attempt 7 of 8 in 13 s)`.
fn waits(waiting: &Waiting, now: DateTime<Utc>) -> String {
    let seconds = (waiting.until - now).num_seconds().max(0);
    format!("waiting for {} (attempt {} of {} in {seconds} s)", waiting.api, waiting.attempt, waiting.attempts)
}

fn bar(live: &Progress) -> Markup {
    html! {
        @match live.fetches {
            Some(fetches) if fetches > 0 => progress max=(fetches) value=(live.fetches_done) aria-label="Partitions done" {
                (live.fetches_done) " of " (fetches)
            },
            _ => progress aria-label="Planning" {},
        }
    }
}

fn left_out(outlasted: Option<DateTime<Utc>>) -> Markup {
    html! {
        @if let Some(at) = outlasted {
            p class="note" { "Skipped the run of " (format::instant(at)) " UTC because this one was still going." }
        }
    }
}

fn running(live: &Progress, outlasted: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Markup {
    html! {
        p class="lead" { (words(live, now, true)) }
        (bar(live))
        (left_out(outlasted))
        @if !live.partitions.is_empty() {
            div class="scroll parts" tabindex="0" role="region" aria-label="Partitions of this run" {
                table {
                    caption class="hidden" { "Partitions of this run" }
                    thead {
                        tr {
                            th scope="col" { "Partition" } th scope="col" { "Progress" } th scope="col" class="n" { "Pages" }
                            th scope="col" class="n" { "Rows" } th scope="col" { "State" }
                        }
                    }
                    tbody { @for (name, partition) in &live.partitions { (line(name, partition)) } }
                }
            }
        }
    }
}

fn line(name: &str, partition: &PartitionProgress) -> Markup {
    let expected = partition.expected_requests.max(1);
    let done = if partition.outcome.is_some() { expected } else { partition.asked.pages.min(expected) };
    html! {
        tr {
            th scope="row" { (name) }
            td { progress max=(expected) value=(done) aria-label={ "Pages of " (name) } { (done) " of " (expected) } }
            td class="n" { (count(partition.asked.pages)) " of " (count(partition.expected_requests)) }
            td class="n" { (count(partition.rows)) }
            td { (partition.outcome.map_or("reading", outcome)) }
        }
    }
}

/// The outcome of a fetch as text.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Committed => "committed",
        Outcome::Unchanged => "unchanged",
        Outcome::Failed => "failed",
        Outcome::Stopped => "stopped",
        Outcome::NotStarted => "not started",
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::words;
    use crate::pipeline::{Event, Waiting};
    use crate::scheduler::progress::Progress;

    #[test]
    fn a_wait_is_told_until_something_comes() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::minutes(2);
        let mut live = Progress::begin("run", DateTime::UNIX_EPOCH);
        let until = now + TimeDelta::seconds(13);
        live.hear(&Event::Waiting(Waiting { api: "Cost Explorer", attempt: 7, attempts: 8, until }));
        let said = words(&live, now, false).into_string();
        assert!(said.contains("waiting for Cost Explorer (attempt 7 of 8 in 13 s), planning"), "{said}");
        live.hear(&Event::Planned { job: "costs".to_owned(), fetches: 3, expected: 9 });
        let said = words(&live, now, false).into_string();
        assert!(!said.contains("waiting") && said.contains("0 of 3 partitions done"), "{said}");
    }
}
