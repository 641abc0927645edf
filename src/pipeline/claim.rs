//! What comes before a run: its name, the lake as its job writes it, leave to write at all, and the lease.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::lake::Lake;
use crate::unit::Unit;

use super::lease::{self, Taken};
use super::{Context, clocks, new_run_id};

/// A run that may begin: what it will be called, and whether it may.
pub struct Claim {
    pub(super) run_id: String,
    /// The lake as the job writes it.
    pub(super) lake: Arc<Lake>,
    pub(super) started: DateTime<Utc>,
    /// The lease, where workers take some; an error before anything was written.
    pub(super) admitted: Result<Option<Taken>>,
    /// Whether the run may leave a record.
    pub(super) is_recorded: bool,
}

impl Claim {
    /// Whether another worker holds the unit.
    #[must_use]
    pub fn is_held(&self) -> bool {
        matches!(&self.admitted, Ok(Some(Taken::Not(skipped))) if skipped.is_held)
    }

    /// Gives the unit back, which will not be run after all.
    pub async fn give_back(self, context: &Context, unit: &Unit) {
        if let Ok(Some(Taken::Number(number))) = self.admitted {
            lease::give_back(context, unit, number).await;
        }
    }
}

/// Claims the unit of a job for a run. Errors are in the report of the run.
pub async fn claim(context: &Context, job: &Job) -> Claim {
    let started = context.clock.now();
    let run_id = new_run_id(started);
    let (lake, mut admitted) = match context.lake.encrypted(job.encryption.as_ref()) {
        Ok(lake) => (lake, Ok(())),
        Err(error) => (Arc::clone(&context.lake), Err(error)),
    };
    let context = context.on(&lake);
    if admitted.is_ok() {
        admitted = admit(&context, job).await;
    }
    let is_recorded = admitted.is_ok();
    let admitted = match admitted {
        Ok(()) => lease::take(&context, &job.unit, &run_id, started).await,
        Err(error) => Err(error),
    };
    Claim { run_id, lake, started, admitted, is_recorded }
}

/// Whether a run may write anything, its own record included: nothing is written to a refused store, nor with a refused
/// clock, whose records would carry a false time.
pub(super) async fn admit(context: &Context, job: &Job) -> Result<()> {
    if job.accounts.is_some() && job.unit.account.is_none() {
        return Err(Error::new(Kind::Internal, "a job with accounts runs for each of them, not as a whole"));
    }
    context.lake.prove_conditions(context.single_writer).await?;
    clocks::refuse(context, job).await
}
