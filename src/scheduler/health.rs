//! Whether the process can do its work: the scheduler ticks, the job files can be read, the lake answers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::lake::Lake;

use super::is_time;
use super::jobs::locked;

/// A tick comes every second; after this long without one the scheduler counts as stopped.
const TICK_ALIVE: Duration = Duration::from_secs(15);
/// How often the lake is probed.
const TRY_LAKE: Duration = Duration::from_secs(30);
/// After this long without an answer the lake counts as unreachable.
const LAKE_ALIVE: Duration = Duration::from_secs(120);
/// A key that need not exist: "not found" is an answer too.
const TRIED_KEY: &str = "_costlake/probe/reachable";

/// Health of the process.
#[derive(Debug, Default)]
pub struct Health {
    tick: Mutex<Option<Instant>>,
    folder: Mutex<Option<String>>,
    lake: Arc<Mutex<Answers>>,
    tried: Mutex<Option<Instant>>,
    trying: Arc<AtomicBool>,
}

/// When the lake last answered, and whether the last attempt succeeded.
#[derive(Debug, Default)]
struct Answers {
    answered: Option<Instant>,
    well: bool,
}

impl Answers {
    fn note(&mut self, well: bool) {
        self.well = well;
        if well {
            self.answered = Some(Instant::now());
        }
    }
}

impl Health {
    /// Records a tick.
    pub fn note_beat(&self) {
        *locked(&self.tick) = Some(Instant::now());
    }

    /// Records a scan of the job files, and its error.
    pub fn note_folder(&self, wrong: Option<String>) {
        *locked(&self.folder) = wrong;
    }

    /// Records whether the lake answered.
    pub fn note_lake(&self, well: bool) {
        locked(&self.lake).note(well);
    }

    /// Whether the last access to the lake succeeded.
    #[must_use]
    pub fn lake_is_well(&self) -> bool {
        locked(&self.lake).well
    }

    /// What is wrong with the folder of job files.
    #[must_use]
    pub fn folder(&self) -> Option<String> {
        locked(&self.folder).clone()
    }

    /// Probes the lake every 30 s.
    pub(super) fn look_at_lake(&self, lake: &Arc<Lake>) {
        if !is_time(&self.tried, TRY_LAKE) || self.trying.swap(true, Ordering::Relaxed) {
            return;
        }
        let (lake, answers, trying) = (lake.clone(), self.lake.clone(), self.trying.clone());
        tokio::spawn(async move {
            let found = tokio::time::timeout(TRY_LAKE, lake.read(TRIED_KEY, None)).await;
            if let Ok(Err(error)) = &found {
                tracing::warn!("{error}");
            }
            locked(&answers).note(matches!(found, Ok(Ok(_))));
            trying.store(false, Ordering::Relaxed);
        });
    }

    /// Why the process is not ready; empty when it is. The reasons contain no data of the lake.
    #[must_use]
    pub fn reasons(&self) -> Vec<&'static str> {
        let lately = |at: &Option<Instant>, within: Duration| at.is_some_and(|at| at.elapsed() < within);
        let mut reasons = Vec::new();
        if !lately(&locked(&self.tick), TICK_ALIVE) {
            reasons.push("the scheduler does not tick");
        }
        if locked(&self.folder).is_some() {
            reasons.push("the job files cannot be read");
        }
        if !lately(&locked(&self.lake).answered, LAKE_ALIVE) {
            reasons.push("the lake has not answered lately");
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::Health;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn health_passes_when_nothing_is_heard() {
        let health = Health::default();
        assert_eq!(health.reasons().len(), 2);
        health.note_beat();
        health.note_lake(true);
        assert!(health.reasons().is_empty());
        health.note_lake(false);
        assert!(health.reasons().is_empty(), "one bad answer is no reason yet");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert_eq!(health.reasons(), ["the scheduler does not tick"]);
        tokio::time::advance(Duration::from_secs(200)).await;
        health.note_beat();
        health.note_folder(Some("gone".to_owned()));
        assert_eq!(health.reasons(), ["the job files cannot be read", "the lake has not answered lately"]);
    }
}
