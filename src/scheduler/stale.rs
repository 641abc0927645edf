//! Notifies about stale days: once per job, and again only after the job had none.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::job::Job;
use crate::ledger_store::{LedgerStore, as_kept};
use crate::plan::calendar;
use crate::unit::Unit;

use super::jobs::locked;
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
            let now = scheduler.clock().now();
            for current in scheduler.jobs.states(now).into_iter().filter(|current| current.live.is_none()) {
                scheduler.look_for_stale_days(&current.job).await;
            }
            scheduler.stale.looking.store(false, Ordering::Relaxed);
        });
    }
}

impl Scheduler {
    async fn look_for_stale_days(&self, job: &Job) {
        let now = self.clock().now();
        let opened = LedgerStore::open_to_show(self.context.lake.clone(), &job.unit, job.source.grain(), now).await;
        let (Ok((store, _)), Ok(job)) = (opened, as_kept(&self.context.lake, job).await) else { return };
        let days = calendar(&job, &store.ledger, now).iter().filter(|slot| slot.stale).count();
        let mut told = locked(&self.stale.told);
        if days == 0 {
            told.remove(&job.unit);
        } else if told.insert(job.unit.clone())
            && let Some(notifier) = &self.notifier
        {
            notifier.tell(&job.unit, notify::of_stale_days(&job.unit, days));
        }
    }
}
