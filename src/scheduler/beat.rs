//! The beat: `tokio-cron-scheduler` says once a second that a second has passed, and nothing else. Which slots have come
//! is worked out here, because that crate holds on to the UTC offset a schedule was made with, across changes of the
//! clock.

use std::sync::Arc;

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::error::{Error, Kind, Result};

use super::Scheduler;

/// Every second; the crate's expressions have six fields.
const EVERY_SECOND: &str = "* * * * * *";

/// The running beat.
pub struct Beat {
    pulse: JobScheduler,
}

impl Beat {
    /// Lets `scheduler` beat from now on.
    ///
    /// # Errors
    /// [`Kind::Internal`] when the crate cannot begin.
    pub async fn begin(scheduler: &Arc<Scheduler>) -> Result<Self> {
        let failed = |error: JobSchedulerError| Error::new(Kind::Internal, "the scheduler cannot begin").because(error);
        let beating = scheduler.clone();
        let job = Job::new(EVERY_SECOND, move |_, _| beating.beat(beating.context().clock)).map_err(failed)?;
        let pulse = JobScheduler::new().await.map_err(failed)?;
        pulse.add(job).await.map_err(failed)?;
        pulse.start().await.map_err(failed)?;
        scheduler.beat(scheduler.context().clock);
        Ok(Self { pulse })
    }

    /// Ends the beat.
    pub async fn end(mut self) {
        if let Err(error) = self.pulse.shutdown().await {
            tracing::warn!("the beat did not end: {error}");
        }
    }
}
