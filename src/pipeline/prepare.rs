//! The first steps of a run, before any request: it releases the quarantine of accepted months and computes its budget.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};

use crate::cents::Cents;
use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::ledger_store::{LedgerStore, Spent};
use crate::plan::{is_reachable, not_final, spending_since};
use crate::report::JobReport;
use crate::text::counted;

use super::Context;
use super::budget::{Budget, PER_MONTH, PER_RUN};

/// Releases the quarantine of the months that the user accepted, so that their days are due.
pub(super) fn accept(
    context: &Context,
    job: &Job,
    store: &mut LedgerStore,
    report: &mut JobReport,
) -> BTreeSet<NaiveDate> {
    let months = context.accepted.iter().filter(|(unit, _)| *unit == job.unit).map(|(_, month)| *month);
    let months: BTreeSet<NaiveDate> = months.collect();
    let now = context.clock.now();
    for month in &months {
        let shown = month.format("%Y-%m");
        let beyond = |slot| !is_reachable(job, slot, now);
        let left = not_final(job, &store.ledger, *month, now);
        store.accept_slots(&left, now);
        report.notes.push(match store.ledger.accept(*month, now, beyond) {
            0 if !left.is_empty() => {
                let days = counted(
                    left.len() as u64,
                    "day that was not final and is not available any more stays as it is",
                    "days that were not final and are not available any more stay as they are",
                );
                format!("{shown} is accepted: {days}")
            }
            0 => format!("nothing of {shown} was quarantined before; what comes is taken as it is"),
            held => {
                let (one, several) =
                    ("day that waited for it is taken as it is", "days that waited for it are taken as they are");
                format!("{shown} is accepted: {}", counted(held as u64, one, several))
            }
        });
    }
    months
}

/// The cap of this run: the job's cap per run, or what is left of the month's dollars, whichever is less.
///
/// # Errors
/// When nothing is left of the month's dollars, or the records of its runs cannot be read.
pub async fn budget_of(context: &Context, job: &Job, now: DateTime<Utc>) -> Result<Budget> {
    let paid = job.entry.provider.price.filter(|_| !context.no_budget);
    let Some(price) = paid else { return Ok(Budget::unlimited()) };
    let per_run = job.budget.max_requests_per_run;
    let within = |budget: Budget| budget.within(context.spending.clone());
    let Some(most) = job.budget.max_usd_per_month else { return Ok(within(Budget::new(per_run, price, PER_RUN))) };
    let spent = Spent::since(&context.lake, &job.unit, spending_since(now)).await?;
    let left = most.less(price.times(spent.total())).requests_at(price);
    if left == 0 {
        return Err(used_up(spent, price));
    }
    Ok(within(if per_run.is_none_or(|cap| left < cap) {
        Budget::new(Some(left), price, PER_MONTH)
    } else {
        Budget::new(per_run, price, PER_RUN)
    }))
}

/// The error when the month's dollars are used up.
fn used_up(spent: Spent, price: Cents) -> Error {
    let mut said = format!("the runs of this month have spent {} USD on requests", price.times(spent.total()));
    if spent.reserved > 0 {
        let reserved = price.times(spent.reserved);
        said.push_str(&format!("; {reserved} USD of it are reserved by runs that have not ended, or were killed"));
    }
    Error::new(Kind::Budget, said)
        .at("key", PER_MONTH)
        .advise("raise budget.max_usd_per_month, or wait for the next month")
}
