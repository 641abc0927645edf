//! `rebuild`: rebuilds a table from its stored raw responses.

use crate::error::Result;
use crate::job::Job;
use crate::maintenance::rebuild::rebuild_job;

use super::args::Global;
use super::failures::Failures;
use super::run::finish;
use super::{client_config, context, progress, select, tell_clock};

/// `costlake rebuild`.
pub(super) async fn rebuild(global: &Global, name: &str) -> Result<u8> {
    progress::start(global);
    let (jobs, broken) = select(global, &[name.to_owned()])?;
    let context = context(global, client_config(global), None).await?;
    tell_clock(context.clock);
    let mut reports = Vec::new();
    for job in jobs.iter().flat_map(Job::units) {
        reports.push(rebuild_job(&context, &job).await);
    }
    finish(global, &context, &reports, Failures::of(&broken), &broken)
}
