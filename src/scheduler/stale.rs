//! Notifies about stale days: once per job, and again only after the job had none.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::unit::Unit;

use super::glances::pace;
use super::jobs::{JobState, locked};
use super::{Scheduler, is_time, notify};

/// How often idle jobs are checked.
const LOOK_EVERY: Duration = Duration::from_secs(15 * 60);

/// The jobs already reported.
#[derive(Debug, Default)]
pub(super) struct Watch {
    looked: Mutex<Option<Instant>>,
    looking: AtomicBool,
    told: Mutex<BTreeSet<Unit>>,
}

impl Watch {
    /// Every 15 min, if a webhook is set: check idle jobs for stale days.
    pub(super) fn look(&self, scheduler: &Arc<Scheduler>) {
        let wanted = scheduler.notifier.is_some() && scheduler.jobs.forgotten().is_empty();
        if !wanted || !is_time(&self.looked, LOOK_EVERY) || self.looking.swap(true, Ordering::Relaxed) {
            return;
        }
        let scheduler = scheduler.clone();
        tokio::spawn(async move {
            for current in scheduler.jobs.states().into_iter().filter(|current| current.live.is_none()) {
                scheduler.look_for_stale_days(&current).await;
            }
            scheduler.stale.looking.store(false, Ordering::Relaxed);
        });
    }
}

impl Scheduler {
    async fn look_for_stale_days(&self, current: &JobState) {
        let (unit, age) = (&current.job.unit, LOOK_EVERY.max(pace(self.jobs.number())));
        let seen = self.seen(current, age).await;
        let Some(known) = seen.known.filter(|_| seen.failed.is_none()) else { return };
        let Ok(known) = known.at(self.clock().now()) else { return };
        let days = known.glance.stale;
        let mut told = locked(&self.stale.told);
        if days == 0 {
            told.remove(unit);
        } else if told.insert(unit.clone())
            && let Some(notifier) = &self.notifier
        {
            notifier.tell(unit, notify::of_stale_days(unit, days));
        }
    }
}
