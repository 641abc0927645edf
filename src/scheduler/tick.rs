//! The tick: `tokio-cron-scheduler` is used only to fire once a second. Due firings are computed in this crate, because
//! that one keeps the UTC offset with which a schedule was created, across changes of daylight saving time.

use std::sync::Arc;

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::error::{Error, Kind, Result};

use super::Scheduler;

/// Every second; `tokio-cron-scheduler` expressions have six fields.
const EVERY_SECOND: &str = "* * * * * *";

/// The running ticker.
pub struct Ticker {
    pulse: JobScheduler,
}

impl Ticker {
    /// Starts ticking `scheduler`, with the first tick at once.
    ///
    /// # Errors
    /// [`Kind::Internal`] when `tokio-cron-scheduler` cannot start.
    pub async fn begin(scheduler: &Arc<Scheduler>) -> Result<Self> {
        let failed = |error: JobSchedulerError| Error::new(Kind::Internal, "the scheduler cannot begin").because(error);
        let ticking = scheduler.clone();
        let job = Job::new(EVERY_SECOND, move |_, _| ticking.tick(ticking.context().clock)).map_err(failed)?;
        let pulse = JobScheduler::new().await.map_err(failed)?;
        pulse.add(job).await.map_err(failed)?;
        pulse.start().await.map_err(failed)?;
        scheduler.tick(scheduler.context().clock);
        Ok(Self { pulse })
    }

    /// Stops the ticker.
    pub async fn end(mut self) {
        if let Err(error) = self.pulse.shutdown().await {
            tracing::warn!("the ticker did not end: {error}");
        }
    }
}
