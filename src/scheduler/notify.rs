//! Notifications to a chat webhook. A job's state is reported when it changes, not on every run.
//!
//! | the last run | this run | message |
//! |---|---|---|
//! | succeeded, or there was none | failed, reached its budget, held figures for review | that, with the error |
//! | failed | failed in another way | that, with the error |
//! | failed | failed in the same way | none |
//! | failed | succeeded | recovered |
//! | any | was stopped by a signal | none; it does not count |
//!
//! Stale days are reported once per job, and again only after the job had none.

use std::collections::BTreeSet;

use tokio::sync::mpsc;

use crate::clients::webhook::Webhook;
use crate::error::Kind;
use crate::report::{FailureKind, JobReport};
use crate::text::{counted, plural};
use crate::unit::Unit;

/// Capacity of the message queue; more are dropped, because no one reads that many.
const WAITING: usize = 64;
/// Characters of an error quoted in a message.
const QUOTED: usize = 600;

/// The kinds of failure of a run; empty for a successful one.
fn troubles(report: &JobReport) -> BTreeSet<&'static str> {
    let failures = report.failures();
    let sort = |kind: &FailureKind| match kind {
        FailureKind::Known(Kind::Budget) => "budget reached",
        FailureKind::Known(Kind::Quarantined) => "held for review",
        _ => "failed",
    };
    failures.iter().map(|(_, failure)| sort(&failure.kind)).collect()
}

/// The message for a run, given the run before it; `None` if the state has not changed.
#[must_use]
pub fn of_run(before: Option<&JobReport>, report: &JobReport) -> Option<String> {
    if report.was_interrupted() {
        return None;
    }
    let (known, found) = (before.map(troubles).unwrap_or_default(), troubles(report));
    if known == found {
        return None;
    }
    if found.is_empty() {
        return Some(format!("costlake: {} recovered", report.unit()));
    }
    let what: Vec<&str> = found.into_iter().collect();
    let text = quoted(report);
    let quoted: String = text.chars().take(QUOTED).collect();
    let more = if quoted.len() < text.len() { "…" } else { "" };
    Some(format!("costlake: {} {}\n{quoted}{more}", report.unit(), what.join(", ")))
}

/// The errors of a run, one of each kind: what a budget or an API says of each of thirteen months is said once.
fn quoted(report: &JobReport) -> String {
    let failures = report.failures();
    let mut kinds: Vec<(&FailureKind, &str, u64)> = Vec::new();
    for (_, failure) in &failures {
        match kinds.iter_mut().find(|(kind, ..)| **kind == failure.kind) {
            Some((.., more)) => *more += 1,
            None => kinds.push((&failure.kind, &failure.text, 0)),
        }
    }
    let said = |(_, text, more): (&FailureKind, &str, u64)| match more {
        0 => text.to_owned(),
        more => format!("{text}\n(and {} like it)", plural(more, "error")),
    };
    kinds.into_iter().map(said).collect::<Vec<_>>().join("\n")
}

/// The message for stale days.
#[must_use]
pub fn of_stale_days(unit: &Unit, days: u64) -> String {
    let days = counted(days, "day is", "days are");
    format!("costlake: {unit} stale\n{days} out of date: the last runs did not look at them")
}

/// The queue to the webhook. Sending never blocks.
#[derive(Debug, Clone)]
pub struct Notifier {
    queue: mpsc::Sender<String>,
    page: Option<String>,
}

impl Notifier {
    /// Starts a task that sends messages to `webhook`, one at a time, each with a link to the job on `page`, the address
    /// of the status page for whoever reads them.
    #[must_use]
    pub fn to(webhook: Webhook, page: Option<&str>) -> Self {
        let (queue, mut waiting) = mpsc::channel::<String>(WAITING);
        tokio::spawn(async move {
            while let Some(text) = waiting.recv().await {
                if let Err(error) = webhook.send(&text).await {
                    tracing::warn!("{error}");
                }
            }
        });
        Self { queue, page: page.map(|page| page.trim_end_matches('/').to_owned()) }
    }

    /// Queues a message about a job; drops it if the queue is full.
    pub fn tell(&self, unit: &Unit, mut text: String) {
        if let Some(page) = &self.page {
            text.push_str(&format!("\n{page}{}", unit.page()));
        }
        if self.queue.try_send(text).is_err() {
            tracing::warn!("too many messages wait for the webhook: one is dropped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::of_run;
    use crate::error::{Error, Kind};
    use crate::report::{FetchReport, JobReport, Outcome};
    use chrono::DateTime;

    fn run(kinds: &[Kind]) -> JobReport {
        let mut report = JobReport::begin(&"costs".into(), "r", "run", DateTime::UNIX_EPOCH, false);
        report.failure = kinds.first().map(|kind| (&Error::new(*kind, "it broke")).into());
        report.close();
        report
    }

    #[test]
    fn a_state_is_told_once() {
        let (well, failed, other, budget) =
            (run(&[]), run(&[Kind::Auth]), run(&[Kind::Unavailable]), run(&[Kind::Budget]));
        assert_eq!(of_run(None, &well), None);
        assert_eq!(of_run(None, &failed).as_deref(), Some("costlake: costs failed\nit broke"));
        assert_eq!(of_run(Some(&failed), &failed), None);
        assert_eq!(of_run(Some(&failed), &other), None);
        assert_eq!(of_run(Some(&failed), &budget).as_deref(), Some("costlake: costs budget reached\nit broke"));
        let held = of_run(Some(&failed), &run(&[Kind::Quarantined]));
        assert_eq!(held.as_deref(), Some("costlake: costs held for review\nit broke"));
        assert_eq!(of_run(Some(&budget), &well).as_deref(), Some("costlake: costs recovered"));
        assert_eq!(of_run(Some(&well), &run(&[Kind::Interrupted])), None);
    }

    #[test]
    fn what_is_said_of_each_month_is_told_once() {
        let mut report = run(&[]);
        let failed = |(month, kind): (&str, Kind)| {
            let failure = Some((&Error::new(kind, "it broke").at("partition", month)).into());
            FetchReport { failure, ..FetchReport::begin(month.to_owned(), Outcome::Failed) }
        };
        let months =
            [("2026-01", Kind::Budget), ("2026-02", Kind::Budget), ("2026-03", Kind::Auth), ("2026-04", Kind::Budget)];
        report.fetches = months.into_iter().map(failed).collect();
        let told = "costlake: costs budget reached, failed\nit broke (partition 2026-01)\n(and 2 errors like it)\n\
                    it broke (partition 2026-03)";
        assert_eq!(of_run(None, &report).as_deref(), Some(told));
    }
}
