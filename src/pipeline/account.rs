//! Whether a job writes into the table that it means, with credentials of the account that the table is of: before
//! anything is paid or written.

use crate::error::Result;
use crate::job::{Identity, Job};
use crate::ledger_store::{LedgerStore, TableRecord, same_account};

use super::Context;

/// The record of the job's table, which fits the one that is kept, if there is one.
///
/// # Errors
/// [`crate::error::Kind::Config`] for another table; [`crate::error::Kind::Auth`] for another account; what kept AWS STS
/// from saying the account where the table has one.
pub(super) async fn same_table(books: &mut LedgerStore, job: &Job, identity: &Identity) -> Result<TableRecord> {
    let record = TableRecord::of(job, identity);
    books.check(&record).await?;
    if let Some(theirs) = books.account() {
        job.aws.account_id.iter().try_for_each(|named| same_account(&job.name, theirs, named))?;
        let of_table = format!("account {theirs} of the table");
        identity.unknown_account(&of_table).map_or(Ok(()), Err)?;
    }
    Ok(record)
}

/// The same as far as it can be told without credentials, for a plan.
///
/// # Errors
/// As [`same_table`].
pub(super) async fn would_be_same(context: &Context, job: &Job) -> Result<()> {
    let Some(record) = TableRecord::kept(&context.lake, &job.name).await? else { return Ok(()) };
    record.check_offline(job, Some(context.doors.datadog_site(job)))?;
    let both = record.account.as_deref().zip(job.aws.account_id.as_deref());
    both.map_or(Ok(()), |(theirs, named)| same_account(&job.name, theirs, named))
}

/// What a check of the credentials found, in words.
pub(super) fn access(identity: &Identity) -> String {
    let account = match (&identity.aws_account, identity.account_check.note()) {
        (Some(account), _) => format!("AWS account {account}"),
        (None, Some(note)) => note,
        (None, None) => "no AWS account".to_owned(),
    };
    format!("{account}; Cost Explorer itself was not asked (0.01 USD)")
}
