//! Whether a job writes into the table that it means, with credentials of the account that the table is of: before
//! anything is paid or written.

use std::sync::OnceLock;

use crate::doors::Doors;
use crate::error::{Error, Kind, Result};
use crate::job::{Identity, Job};
use crate::ledger_store::{LedgerStore, TableRecord, same_account};
use crate::report::{Failure, JobReport};
use crate::status::MADE_UP;

use crate::sources::Provider;

/// What the rows of a run are of. Whether their figures are made up, the record of a table says, and of a new one the
/// first answer.
#[derive(Debug)]
pub(super) struct Meant {
    real: (TableRecord, String),
    made_up: (TableRecord, String),
    is_made_up: OnceLock<bool>,
    /// What every answer has to say: what the record or the ledger knows, else what the first one says.
    expected: OnceLock<bool>,
    /// Whether the record does not say it, because an earlier costlake wrote it.
    is_unsaid: OnceLock<()>,
    /// Whether the run is against a sandbox of its own, whatever it says.
    is_demo: bool,
}

impl Meant {
    fn of(job: &Job, identity: &Identity) -> Self {
        let real = TableRecord::of(job, &Identity { sandbox: false, ..identity.clone() });
        let made_up = real.clone().of_sandbox();
        let with_digest = |record: TableRecord| (record.clone(), record.digest());
        let is_made_up = OnceLock::new();
        let _ = identity.sandbox.then(|| is_made_up.set(true));
        Self {
            real: with_digest(real),
            made_up: with_digest(made_up),
            is_made_up,
            expected: OnceLock::new(),
            is_unsaid: OnceLock::new(),
            is_demo: identity.sandbox,
        }
    }

    fn chosen(&self) -> &(TableRecord, String) {
        if self.is_made_up() { &self.made_up } else { &self.real }
    }

    /// Whether the figures are made up, as far as is known.
    pub(super) fn is_made_up(&self) -> bool {
        self.is_made_up.get().copied().unwrap_or(false)
    }

    /// What the answers said of their figures, where there were any.
    pub(super) fn heard(&self) -> Option<bool> {
        self.expected.get().copied().filter(|_| !self.is_demo)
    }

    /// The same where the record of the table does not say it.
    pub(super) fn unsaid(&self) -> Option<bool> {
        self.heard().filter(|_| self.is_unsaid.get().is_some())
    }

    /// The record of the table.
    pub(super) fn record(&self) -> &TableRecord {
        &self.chosen().0
    }

    /// Its fingerprint.
    pub(super) fn fingerprint(&self) -> &str {
        &self.chosen().1
    }

    /// Takes in what an answer says of its figures.
    ///
    /// # Errors
    /// [`Kind::Config`] when the table's are of the other kind.
    pub(super) fn hear(&self, made_up: bool) -> Result<()> {
        if self.is_demo || *self.expected.get_or_init(|| made_up) == made_up {
            self.is_made_up.get_or_init(|| made_up);
            return Ok(());
        }
        let message = if made_up {
            "the figures of the answer are made up by a sandbox, and those of the table are not"
        } else {
            "the figures of the table are made up by a sandbox, and those of the answer are not"
        };
        Err(Error::new(Kind::Config, message).advise(
            "look for AWS_ENDPOINT_URL_COST_EXPLORER, AWS_ENDPOINT_URL and COSTLAKE_DATADOG_URL in the environment, and for \
             endpoint_url in the AWS profile: unset what leads there, or choose another --lake",
        ))
    }
}

/// The record of the job's table, which fits the one that is kept, if there is one. At an address that is none of the
/// API's own, the table says whether its figures are made up; the answers have to agree. A table that never held a row
/// may be of another definition: a `report` says that it gets this one, and it does.
///
/// # Errors
/// [`crate::error::Kind::Config`] for another table; [`crate::error::Kind::Auth`] for another account; what kept AWS STS
/// from saying the account where the table has one.
pub(super) async fn same_table(
    books: &mut LedgerStore,
    job: &Job,
    identity: &Identity,
    is_elsewhere: bool,
    report: Option<&mut JobReport>,
) -> Result<Meant> {
    let meant = Meant::of(job, identity);
    let ours = |kept: Option<&TableRecord>| match kept {
        Some(kept) if is_elsewhere && kept.is_made_up() => &meant.made_up.0,
        _ => meant.record(),
    };
    let kept = match (books.check_as(ours).await, report) {
        (Err(error), report) if error.kind() == Kind::Config => {
            if !books.may_be_redefined(job.source.grain()).await? {
                return Err(error);
            }
            match report {
                Some(report) => {
                    report.notes.push(REDEFINED.to_owned());
                    Some(books.redefine(job.source.grain(), ours).await?)
                }
                None => None,
            }
        }
        (checked, _) => checked?,
    };
    if let Some(kept) = kept {
        let _ = meant.is_made_up.set(kept.is_made_up());
        let is_said = kept.made_up.is_some() || kept.is_made_up();
        let _ =
            if is_said { meant.expected.set(kept.is_made_up()) } else { meant.is_unsaid.set(()).map_err(|()| false) };
        let _ = books.ledger.made_up.filter(|_| !is_said).map(|made_up| meant.expected.set(made_up));
    }
    must_be_known(job, identity, books.account())?;
    Ok(meant)
}

/// Refuses credentials of which nobody could say the account, where the table has one: at the beginning of a run, and
/// before it writes, for another run may have been the first to know it.
pub(super) fn must_be_known(job: &Job, identity: &Identity, of_table: Option<&str>) -> Result<()> {
    let Some(theirs) = of_table else { return Ok(()) };
    job.aws.account_id.iter().try_for_each(|named| same_account(&job.name, theirs, named))?;
    identity.unknown_account(&format!("account {theirs} of the table")).map_or(Ok(()), Err)
}

/// The same as far as it can be told without credentials, for a plan; `kept` is the table's record.
///
/// # Errors
/// As [`same_table`].
pub(super) async fn would_be_same(
    doors: &Doors,
    job: &Job,
    books: &LedgerStore,
    kept: Option<&TableRecord>,
) -> Result<Option<&'static str>> {
    let Some(record) = kept else { return Ok(None) };
    let fits = record.check_offline(job, Some(doors.datadog_site(job)));
    let is_redefined = fits.is_err() && books.may_be_redefined(job.source.grain()).await?;
    if !is_redefined {
        fits?;
    }
    let both = record.account.as_deref().zip(job.aws.account_id.as_deref());
    both.map_or(Ok(()), |(theirs, named)| same_account(&job.name, theirs, named))?;
    Ok(is_redefined.then_some(REDEFINED))
}

/// Said where a table that never held a row gets another definition.
const REDEFINED: &str = "the table was of another definition, and never held a row: it is of the job's from now on";

/// What every output says of an address that is none of the API's own.
pub(super) fn asked_elsewhere(job: &Job, address: &str) -> String {
    match job.entry.provider {
        Provider::CostExplorer => format!("Cost Explorer is asked at {address}, which is not AWS's own address"),
        Provider::Datadog => format!("Datadog is asked at {address}, which is not its own address"),
    }
}

/// The same for whoever only shows a job: settings that no run could begin with are told by the runs.
pub async fn shown_elsewhere(doors: &Doors, job: &Job) -> Option<String> {
    let address = doors.elsewhere(job).await.unwrap_or_default()?;
    Some(asked_elsewhere(job, &address))
}

/// What a look at a table finds that its days do not show.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Said where its figures are made up, or the API is asked at an address that is not its own.
    pub origin: Vec<String>,
    /// Why every run of the job would be refused, whatever the last one did.
    pub refused: Option<Failure>,
}

/// Looks at a table for whoever only shows it; `kept` is its record.
///
/// # Errors
/// When the lake cannot be read.
pub async fn look(doors: &Doors, job: &Job, books: &LedgerStore, kept: Option<&TableRecord>) -> Result<Look> {
    let made_up = kept.filter(|record| record.is_made_up() && !books.ledger.partitions.is_empty());
    let elsewhere = shown_elsewhere(doors, job).await;
    let refused = match would_be_same(doors, job, books, kept).await {
        Err(error) if matches!(error.kind(), Kind::Config | Kind::Auth) => Some(Failure::from(&error)),
        told => told.map(|_| None)?,
    };
    Ok(Look { origin: made_up.map(|_| MADE_UP.to_owned()).into_iter().chain(elsewhere).collect(), refused })
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
