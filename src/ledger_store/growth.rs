//! A table may gain metrics: a job that names all of its table's metrics and more has the same table, grown.
//!
//! | what | is |
//! |---|---|
//! | the table's record | what the table was made with, for ever: it is created once |
//! | the fingerprint in footers | that of the record |
//! | which metrics a day has | [`DayFacts::read_for`], in footer and ledger: those it was read with besides |
//! | a day that lacks some | due once, if the API still has it; else its new columns stay NULL |
//! | a job that no longer names what any day has | refused |
//!
//! What a job lists under [`Source::kept_list`] may grow as well; rows of what it no longer lists would be lost.
//!
//! A costlake that does not know of grown metrics refuses the layout of such footers and ledgers.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::generation::DayFacts;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::sources::Source;

use super::TableRecord;

impl TableRecord {
    /// The job as it writes this table: with more metrics than the table was made with, its source is the grown one. A job
    /// that differs in anything else is left as it is, for [`TableRecord::check_offline`] to refuse.
    #[must_use]
    pub fn job_of<'j>(&self, job: &'j Job) -> Cow<'j, Job> {
        let grown = job.source.grown_from(&self.fingerprint);
        let is_whole = |source: &Arc<dyn Source>| {
            let own = Job { source: Arc::clone(source), ..job.clone() };
            self.check(&Self::of(&own, &self.identity(None))).is_ok()
        };
        match grown.filter(is_whole) {
            Some(source) => Cow::Owned(Job { source, ..job.clone() }),
            None => Cow::Borrowed(job),
        }
    }
}

/// The job as it writes its table, if that has grown since it was made.
///
/// # Errors
/// When the table's record cannot be read.
pub async fn as_kept<'j>(lake: &Lake, job: &'j Job) -> Result<Cow<'j, Job>> {
    let record = if job.source.grows() { TableRecord::named(lake, &job.unit.table).await? } else { None };
    Ok(record.map_or(Cow::Borrowed(job), |record| record.job_of(job)))
}

/// Refuses a job that no longer names a metric that any of these days of its table was read with.
///
/// # Errors
/// [`Kind::Config`] naming the metrics.
pub fn keeps_metrics<'f>(job: &Job, days: impl IntoIterator<Item = &'f DayFacts>) -> Result<()> {
    if !job.source.grows() {
        return Ok(());
    }
    let asked = job.source.read_for();
    let read = days.into_iter().flat_map(|facts| &facts.read_for);
    let lost: BTreeSet<&str> = read.filter(|metric| !asked.contains(*metric)).map(String::as_str).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let names = lost.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!("the table `{}` has metrics that the job does not name: {names}", job.unit.table);
    Err(Error::new(Kind::Config, message).advise(
        "name them in source.metrics again, since a table may gain metrics but not lose them; or give the changed job a new \
         name (a new file in the jobs folder makes a new table)",
    ))
}

/// Refuses a job that no longer lists what its table has rows of: they would be gone where days are read again.
///
/// # Errors
/// [`Kind::Config`] naming what is missing.
pub fn keeps_lists(job: &Job, ledger: &Ledger) -> Result<()> {
    let Some(key) = job.source.kept_list() else { return Ok(()) };
    let asked = job.source.read_for();
    let has_rows = |name: &&String| ledger.found.get(*name).is_none_or(|any| *any);
    let read = ledger.facts().flat_map(|(_, facts)| &facts.read_for).filter(has_rows);
    let lost: BTreeSet<&str> = read.filter(|name| !asked.contains(*name)).map(String::as_str).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let names = lost.into_iter().collect::<Vec<_>>().join(", ");
    let message = format!("the table `{}` has rows of what {key} does not name: {names}", job.unit.table);
    Err(Error::new(Kind::Config, message).advise(
        "name it again, since its rows would be lost where days are read again; or give the changed job a new name (a new \
         file in the jobs folder makes a new table)",
    ))
}
