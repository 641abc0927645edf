//! Whether a job writes into the table that it means, with credentials of the account that the table is of: before
//! anything is paid or written.

use crate::error::Result;
use crate::job::{Identity, Job};
use crate::ledger_store::{LedgerStore, TableRecord, same_account};

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

/// What a check of the credentials found, in words.
pub(super) fn access(identity: &Identity) -> String {
    let account = match (&identity.aws_account, identity.account_check.note()) {
        (Some(account), _) => format!("AWS account {account}"),
        (None, Some(note)) => note,
        (None, None) => "no AWS account".to_owned(),
    };
    format!("{account}; Cost Explorer itself was not asked (0.01 USD)")
}
