//! What a run does before it asks anything: it lets go of accepted quarantines, takes over objects that are ahead of the
//! ledger, and finds out how much it may spend.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use futures::StreamExt;

use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::ledger_store::{LedgerStore, observe};
use crate::plan::{Plan, history_start, not_final, spending_since};
use crate::report::{JobReport, usd};
use crate::sources::Provider;

use super::Context;
use super::budget::{Budget, PER_MONTH, PER_RUN};

/// Lets go of the quarantine of the months a person accepted, so that they are due.
pub(super) fn accept(
    context: &Context,
    job: &Job,
    books: &mut LedgerStore,
    report: &mut JobReport,
) -> BTreeSet<NaiveDate> {
    let months = context.accepted.iter().filter(|(name, _)| *name == job.name).map(|(_, month)| *month);
    let months: BTreeSet<NaiveDate> = months.collect();
    let now = context.clock.now();
    for month in &months {
        let shown = month.format("%Y-%m");
        let beyond = |slot| slot < history_start(job, now.date_naive());
        let left = not_final(job, &books.ledger, *month, now);
        books.accept_slots(&left, now);
        report.notes.push(match books.ledger.accept(*month, now, beyond) {
            0 if !left.is_empty() => {
                format!("{shown} is accepted: {} days that were not final, out of reach, stay as they are", left.len())
            }
            0 => format!("nothing of {shown} was quarantined before; what comes is taken as it is"),
            held => format!("{shown} is accepted: {held} quarantined days are read again and taken as they are"),
        });
    }
    months
}

/// Takes over objects that are ahead of the ledger, so that a run that died between the data and the ledger is neither
/// paid for twice nor forgotten: the API may say by now what it said before that run, and then nothing of it is due.
///
/// Looked at are the objects of the planned partitions, and those that by the listing may not be what the ledger knows.
pub(super) async fn catch_up(
    context: &Context,
    job: &Job,
    books: &mut LedgerStore,
    planned: &Plan,
    fingerprint: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let mut ahead = false;
    let mut partitions = books.not_as_known(job.source.grain()).await?;
    partitions.extend(planned.fetches.iter().map(|fetch| fetch.partition));
    // Collected first: the compiler cannot tell that a future over this closure may move between threads.
    let looks: Vec<_> = partitions.iter().map(|partition| observe(&context.lake, &job.name, *partition)).collect();
    let seen: Vec<_> = futures::stream::iter(looks).buffered(8).collect().await;
    for (partition, seen) in partitions.iter().zip(seen) {
        // An object that cannot be read, or is another table's, is the business of its own fetch.
        let Ok(Some(seen)) = seen else { continue };
        if seen.footer.fingerprint != fingerprint || seen.footer.partition != partition.to_string() {
            continue;
        }
        ahead |= books.follow(*partition, &seen, now).await?;
    }
    Ok(ahead)
}

/// The cap of this run: the job's own, or what the month's dollars leave, whichever is less.
pub(super) async fn budget_of(context: &Context, job: &Job, now: DateTime<Utc>) -> Result<Budget> {
    if context.no_budget || job.entry.provider != Provider::CostExplorer {
        return Ok(Budget::new(None, PER_RUN));
    }
    let per_run = job.budget.max_requests_per_run;
    let Some(cents) = job.budget.max_cents_per_month else { return Ok(Budget::new(per_run, PER_RUN)) };
    let spent = LedgerStore::charged_pages_since(&context.lake, &job.name, spending_since(now)).await?;
    let left = cents.saturating_sub(spent);
    if left == 0 {
        return Err(Error::new(
            Kind::Budget,
            format!("the runs of this month have spent {} USD on requests", usd(spent)),
        )
        .at("key", PER_MONTH)
        .advise("raise budget.max_usd_per_month, or wait for the next month"));
    }
    Ok(if per_run.is_none_or(|cap| left < cap) {
        Budget::new(Some(left), PER_MONTH)
    } else {
        Budget::new(per_run, PER_RUN)
    })
}
