//! The runs of a job, with their errors in full.

use maud::{Markup, html};

use crate::report::{FetchReport, JobReport};
use crate::text::{bytes, count, counted, plural};
use crate::web::format;
use crate::web::view::{JobFacts, PageFacts};

use super::progress::outcome;

/// The section.
pub(super) fn section(facts: &PageFacts, job: &JobFacts) -> Markup {
    html! {
        section class="panel" aria-labelledby="runs" {
            h2 id="runs" { "Runs" }
            @if job.runs.is_empty() {
                p class="empty" { "It has not run yet." }
            } @else {
                ol class="runs" { @for run in job.runs.iter() { li { (entry(facts, run)) } } }
            }
        }
    }
}

fn entry(facts: &PageFacts, run: &JobReport) -> Markup {
    let (sign, word, class) = verdict(run);
    html! {
        details open[run.exit_code != 0 && is_newest(facts, run)] {
            summary {
                span class={ "badge " (class) } { span aria-hidden="true" { (sign) } " " (word) }
                time datetime=(format::machine(run.started_at)) { (format::instant(run.started_at)) }
                span class="ago" { (format::ago(run.started_at, facts.now)) }
                span class="did" {
                    (format::visible(&run.command)) ", " (plural(run.asked.requests, "request")) ", " (run.usd) " USD, "
                    (plural(run.rows, "row")) ", " (plural(run.objects_written, "object")) " written, " (format::duration(run.duration_ms))
                }
            }
            div class="inside" {
                @for (partitions, failure) in run.failures() {
                    div class="failure" {
                        p { strong { (format::visible(failure.kind.name())) } @if !partitions.is_empty() { " in " (format::visible(&partitions)) } ", exit code " (failure.exit_code) }
                        pre { (format::visible(&failure.text)) }
                    }
                }
                @for note in &run.notes { p class="note pre" { (format::visible(note)) } }
                @if !run.fetches.is_empty() { (fetches(&run.fetches)) }
                p class="fine" {
                    "Run " code { (format::visible(&run.run_id)) } ", exit code " (run.exit_code) ", "
                    (plural(run.asked.pages, "page")) ", " (counted(run.asked.retries, "retry", "retries")) ", " (count(run.asked.throttles)) " throttled, "
                    (bytes(run.asked.answer_bytes)) " received"
                    @if run.clock_is_fixed { ", clock fixed by COSTLAKE_NOW" }
                    "."
                }
            }
        }
    }
}

/// Whether it is the newest run of its job, whose errors are expanded.
fn is_newest(facts: &PageFacts, run: &JobReport) -> bool {
    let of_job = facts.jobs.iter().find(|job| job.job.unit == run.unit());
    of_job.and_then(|job| job.runs.first()).is_some_and(|newest| newest.run_id == run.run_id)
}

/// Sign, words and CSS class of how a run ended; a failure has the words of the command line.
pub(super) fn verdict(run: &JobReport) -> (char, String, &'static str) {
    let (sign, class) = match run.exit_code {
        0 => return ('✓', "ok".to_owned(), "good"),
        4 | 5 | 130 => ('‖', "late"),
        7 => ('?', "late"),
        _ => ('✕', "bad"),
    };
    (sign, format::label(&run.result()), class)
}

fn fetches(fetches: &[FetchReport]) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Partitions of the run" {
            table {
                caption class="hidden" { "Partitions of the run" }
                thead {
                    tr {
                        th scope="col" { "Partition" } th scope="col" { "Days" } th scope="col" { "Outcome" }
                        th scope="col" class="n" { "Generation" } th scope="col" class="n" { "Rows" }
                        th scope="col" class="n" { "Changed" } th scope="col" class="n" { "Pages" }
                    }
                }
                tbody {
                    @for fetch in fetches {
                        tr {
                            th scope="row" { (format::visible(&fetch.partition)) }
                            td class="wrap" { (format::visible(&fetch.windows.join(", "))) }
                            td { (outcome(fetch.outcome)) }
                            td class="n" { @match fetch.epoch { Some(epoch) => (epoch), None => "–" } }
                            td class="n" { (count(fetch.rows)) }
                            td class="n" { (count(fetch.changed_days)) }
                            td class="n" { (count(fetch.asked.pages)) }
                        }
                        @for note in &fetch.notes { tr { td class="note pre" colspan="7" { (format::visible(note)) } } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::verdict;
    use crate::error::{Error, Kind};
    use crate::report::JobReport;

    #[test]
    fn a_run_that_failed_has_the_words_of_the_command_line() {
        for (kind, text, words, class) in [
            (Kind::Auth, "there are no AWS credentials to use", "no credentials", "bad"),
            (Kind::Auth, "AWS denies it", "access denied", "bad"),
            (Kind::Config, "a key", "wrong settings", "bad"),
            (Kind::Budget, "the cap", "budget reached", "late"),
            (Kind::Superseded, "another", "another run was first", "late"),
        ] {
            let mut run = JobReport::begin(&"costs".into(), "id", "run", DateTime::UNIX_EPOCH, false);
            assert_eq!(verdict(&run).1, "ok");
            run.failure = Some((&Error::new(kind, text)).into());
            run.close();
            let (_, said, found) = verdict(&run);
            assert_eq!((said.as_str(), found), (words, class));
            assert_eq!(said, run.result());
        }
    }
}
