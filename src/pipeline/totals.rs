//! Asking for totals: once per account, filter and granularity in a run, for all jobs that need them.
//!
//! `run` announces its jobs first, so that the one question carries the metrics and the window of all of them. The
//! first job to need the answer pays for it; the others find it here.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::Mutex;

use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::job::{AwsSettings, Job, Refresh};
use crate::plan::reach;
use crate::report::Asked;
use crate::sources::Source;
use crate::totals::Totals;
use crate::window::Window;

use super::JobRun;
use super::budget::Allowance;
use super::series;

/// Account settings and the source's own key.
pub type Key = (AwsSettings, String);

/// Questions and answers that the jobs of one run share.
#[derive(Debug, Default)]
pub struct Shared {
    wanted: HashMap<Key, (BTreeSet<String>, Window)>,
    answers: Mutex<HashMap<Key, Answered>>,
}

/// An answer that is at hand, and the question it was for.
#[derive(Debug)]
struct Answered {
    metrics: BTreeSet<String>,
    window: Window,
    totals: Totals,
}

impl Shared {
    /// What the probing jobs of a run need together.
    #[must_use]
    pub fn of(jobs: &[Job], now: DateTime<Utc>) -> Self {
        let mut wanted: HashMap<Key, (BTreeSet<String>, Window)> = HashMap::new();
        for job in jobs.iter().filter(|job| job.window.refresh == Refresh::Probe) {
            let (Some(key), Some(window)) = (key_of(job), reach(job, now)) else { continue };
            let entry = wanted.entry(key).or_insert_with(|| (BTreeSet::new(), window));
            entry.0.extend(job.source.metrics());
            entry.1 = hull(entry.1, window);
        }
        Self { wanted, answers: Mutex::default() }
    }
}

/// What jobs share that are answered by one question: account and what is asked, but for metrics and grouping.
#[must_use]
pub fn key_of(job: &Job) -> Option<Key> {
    job.source.totals_key().map(|key| (job.aws.clone(), key))
}

fn hull(a: Window, b: Window) -> Window {
    Window::new(a.start().min(b.start()), a.end().max(b.end())).unwrap_or(a)
}

/// The totals of `window` for a job, from an answer that is at hand or by asking; `None` where the API tells none.
pub(super) async fn of_window(job: &JobRun<'_>, window: Window, asked: &mut Asked) -> Result<Option<Totals>> {
    let Some(key) = key_of(job.job) else { return Ok(None) };
    let own = job.job.source.metrics();
    let mut answers = job.context.totals.answers.lock().await;
    if let Some(known) = answers.get(&key)
        && own.is_subset(&known.metrics)
        && hull(known.window, window) == known.window
    {
        return Ok(Some(known.totals.clone()));
    }
    let (metrics, window) = match job.context.totals.wanted.get(&key) {
        Some((metrics, shared)) => (metrics.union(&own).cloned().collect(), hull(*shared, window)),
        None => (own, window),
    };
    let mut allowance = job.budget.reserve(1);
    let totals = ask(job, &metrics, window, &mut allowance, asked).await?;
    if let Some(totals) = &totals {
        answers.insert(key, Answered { metrics, window, totals: totals.clone() });
    }
    Ok(totals)
}

/// Asks for the totals of `window` now, whatever is at hand.
pub(super) async fn ask(
    job: &JobRun<'_>,
    metrics: &BTreeSet<String>,
    window: Window,
    allowance: &mut Allowance<'_>,
    asked: &mut Asked,
) -> Result<Option<Totals>> {
    let Some(source) = job.job.source.totals(metrics) else { return Ok(None) };
    let source: Arc<dyn Source> = source;
    let fetched = series::of_windows(job, source.as_ref(), &[window], allowance, asked).await?;
    Totals::of(source.table(), source.grain(), &fetched).map(Some)
}
