//! Live progress of a running job, built from its events, for the status page.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::pipeline::{Event, Waiting};
use crate::report::{Outcome, RequestStats};

/// Progress of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// `run` or `backfill`.
    pub command: String,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// Planned fetches; `None` before planning.
    pub fetches: Option<u64>,
    /// Requests expected by the plan.
    pub expected_requests: u64,
    /// Fetches that have ended.
    pub fetches_done: u64,
    /// Progress of the partitions read or being read.
    pub partitions: BTreeMap<String, PartitionProgress>,
    /// The wait for the next attempt, if the last one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
}

/// One partition of a running job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartitionProgress {
    /// Requests expected.
    pub expected_requests: u64,
    /// Rows so far.
    pub rows: u64,
    /// Requests, pages and bytes so far.
    pub asked: RequestStats,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
}

impl Progress {
    /// A run that has just begun.
    #[must_use]
    pub fn begin(command: &str, started_at: DateTime<Utc>) -> Self {
        Self {
            command: command.to_owned(),
            started_at,
            fetches: None,
            expected_requests: 0,
            fetches_done: 0,
            partitions: BTreeMap::new(),
            waiting: None,
        }
    }

    /// Applies one event.
    pub fn hear(&mut self, event: &Event) {
        if !matches!(event, Event::FetchStarted { .. }) {
            self.waiting = None;
        }
        match event {
            Event::Waiting(waiting) => self.waiting = Some(waiting.clone()),
            Event::Planned { fetches, expected, .. } => {
                self.fetches = Some(*fetches);
                self.expected_requests = *expected;
            }
            Event::FetchStarted { partition, expected } => {
                self.partitions.entry(partition.clone()).or_default().expected_requests = *expected;
            }
            Event::Page { partition, rows, asked } => {
                let known = self.partitions.entry(partition.clone()).or_default();
                (known.rows, known.asked) = (*rows, *asked);
            }
            Event::FetchEnded { partition, outcome } => {
                self.fetches_done += 1;
                self.partitions.entry(partition.clone()).or_default().outcome = Some(*outcome);
            }
            Event::JobEnded { .. } => {}
        }
    }
}
