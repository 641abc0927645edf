//! The current run of a job: an HTML fragment that the script refreshes.

use maud::{Markup, html};

use crate::cents::Cents;
use crate::report::Outcome;
use crate::scheduler::progress::{PartitionProgress, Progress};
use crate::text::{count, plural};
use crate::web::format;
use crate::web::view::JobFacts;

/// The fragment: its first element tells the script whether the job is running.
pub(super) fn fragment(job: &JobFacts) -> Markup {
    html! {
        div class="now" data-running=(if job.live.is_some() { "yes" } else { "no" }) {
            @if let Some(live) = &job.live { (running(job, live)) }
        }
    }
}

fn running(job: &JobFacts, live: &Progress) -> Markup {
    let rows: u64 = live.partitions.values().map(|partition| partition.rows).sum();
    let pages: u64 = live.partitions.values().map(|partition| partition.asked.pages).sum();
    let cost: Cents = live.partitions.values().map(|partition| partition.asked.cost()).sum();
    html! {
        p class="lead" {
            strong { (format::visible(&live.command)) " since " (format::instant(live.started_at)) " UTC" } ": "
            span data-say {
                @match live.fetches {
                    Some(fetches) => { (live.fetches_done) " of " (plural(fetches, "partition")) " done" }
                    None => "planning",
                }
            }
            ", " (plural(pages, "page")) ", " (plural(rows, "row")) ", " (cost) " USD"
        }
        @match live.fetches {
            Some(fetches) if fetches > 0 => progress max=(fetches) value=(live.fetches_done) aria-label="Partitions done" {
                (live.fetches_done) " of " (fetches)
            },
            _ => progress aria-label="Planning" {},
        }
        @if let Some(at) = job.outlasted {
            p class="note" { "It was due again at " (format::instant(at)) " UTC while this run went on; that time was left out." }
        }
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
