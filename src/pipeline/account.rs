//! Checks, before anything is paid or written, that a job fits its table and that the credentials are of the table's
//! account.

use std::sync::OnceLock;

use crate::clients::Clients;
use crate::error::{Error, Kind, Result};
use crate::job::{Identity, Job};
use crate::ledger_store::{LedgerStore, TableRecord, keeps_lists, keeps_metrics, same_account};
use crate::report::{Failure, JobReport};
use crate::status::MADE_UP;

use crate::sources::Api;

/// The record of the table that a job writes, for real and for made-up figures. Which one applies is known from the
/// stored record, or for a new table from the first answer.
#[derive(Debug)]
pub(super) struct Meant {
    real: (TableRecord, String),
    made_up: (TableRecord, String),
    is_made_up: OnceLock<bool>,
    /// Whether every answer must be made up: from the record or the ledger, else from the first answer.
    expected: OnceLock<bool>,
    /// Set if the record does not say it, because an older costlake wrote it.
    is_unsaid: OnceLock<()>,
    /// Whether the run starts its own sandbox, so that answers are not checked.
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

    /// Whether the figures are made up, as far as known.
    pub(super) fn is_made_up(&self) -> bool {
        self.is_made_up.get().copied().unwrap_or(false)
    }

    /// The same from the record, the ledger or the first answer; `None` if unknown, or with its own sandbox.
    pub(super) fn heard(&self) -> Option<bool> {
        self.expected.get().copied().filter(|_| !self.is_demo)
    }

    /// The same, if the record of the table does not say it.
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

    /// Notes whether the figures of an answer are made up.
    ///
    /// # Errors
    /// [`Kind::Config`] when those of the table are of the other kind.
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

/// The record of the job's table, checked against the stored one, if there is one. At an address that is not the API's
/// own, the stored record says whether the figures are made up; the answers have to agree. A table that never held a
/// row may have another definition: with a `report`, it gets the job's, and the report notes that. `named` is the stored
/// record, read after the ledger: a table that is defined anew changes its record first.
///
/// # Errors
/// [`crate::error::Kind::Config`] for another table; [`crate::error::Kind::Auth`] for another account; the error of AWS
/// STS, if the table has an account and the one of the credentials is unknown.
pub(super) async fn same_table(
    store: &mut LedgerStore,
    named: Option<TableRecord>,
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
    let kept = match (store.check_named(named.as_ref(), ours(named.as_ref())).await, report) {
        (Err(error), report) if error.kind() == Kind::Config => {
            if !store.may_be_redefined(job.source.grain()).await? {
                return Err(error);
            }
            match report {
                Some(report) => {
                    report.notes.push(REDEFINED.to_owned());
                    Some(store.redefine(job.source.grain(), ours).await?)
                }
                None => None,
            }
        }
        (checked, _) => checked.map(|()| named)?,
    };
    if let Some(kept) = kept {
        let _ = meant.is_made_up.set(kept.is_made_up());
        let is_said = kept.made_up.is_some() || kept.is_made_up();
        let _ =
            if is_said { meant.expected.set(kept.is_made_up()) } else { meant.is_unsaid.set(()).map_err(|()| false) };
        let _ = store.ledger.made_up.filter(|_| !is_said).map(|made_up| meant.expected.set(made_up));
    }
    must_be_known(job, identity, store.account())?;
    Ok(meant)
}

/// Refuses credentials of unknown account, if the table has one: at the beginning of a run, and again before it writes,
/// because another run may have been the first to record it.
pub(super) fn must_be_known(job: &Job, identity: &Identity, of_table: Option<&str>) -> Result<()> {
    let Some(theirs) = of_table else { return Ok(()) };
    job.aws.account_id.iter().try_for_each(|named| same_account(&job.unit.table, theirs, named))?;
    identity.unknown_account(&format!("account {theirs} of the table")).map_or(Ok(()), Err)
}

/// [`same_table`] as far as it can be checked without credentials, for a plan; `kept` is the table's record.
///
/// # Errors
/// As [`same_table`].
pub(super) async fn would_be_same(
    clients: &Clients,
    job: &Job,
    store: &LedgerStore,
    kept: Option<&TableRecord>,
) -> Result<Option<&'static str>> {
    let Some(record) = kept else { return Ok(None) };
    let fits = record.check_offline(job, Some(clients.datadog_site(job)));
    let is_redefined = fits.is_err() && store.may_be_redefined(job.source.grain()).await?;
    if !is_redefined {
        fits?;
        keeps_metrics(&record.job_of(job), store.ledger.facts().map(|(_, facts)| facts))?;
        keeps_lists(job, &store.ledger)?;
    }
    let both = record.account.as_deref().zip(job.aws.account_id.as_deref());
    both.map_or(Ok(()), |(theirs, named)| same_account(&job.unit.table, theirs, named))?;
    Ok(is_redefined.then_some(REDEFINED))
}

/// Note when a table that never held a row gets another definition.
const REDEFINED: &str = "the table was of another definition, and never held a row: it is of the job's from now on";

/// The note on an address that is not the API's own.
pub(super) fn asked_elsewhere(job: &Job, address: &str) -> String {
    match job.entry.provider.api {
        Api::CostExplorer => format!("Cost Explorer is asked at {address}, which is not AWS's own address"),
        Api::Datadog => format!("Datadog is asked at {address}, which is not its own address"),
    }
}

/// The same for commands that only show a job; invalid settings are left to the runs to report.
pub async fn shown_elsewhere(clients: &Clients, job: &Job) -> Option<String> {
    let address = clients.elsewhere(job).await.unwrap_or_default()?;
    Some(asked_elsewhere(job, &address))
}

/// Facts about a table that its days do not show.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Notes if its figures are made up, or the API address is not the API's own.
    pub origin: Vec<String>,
    /// Why every run of the job would be refused, whatever the outcome of the last one.
    pub refused: Option<Failure>,
}

/// Collects these facts for commands that only show a table; `kept` is its record.
///
/// # Errors
/// When the lake cannot be read.
pub async fn look(clients: &Clients, job: &Job, store: &LedgerStore, kept: Option<&TableRecord>) -> Result<Look> {
    let made_up = kept.filter(|record| record.is_made_up() && !store.ledger.partitions.is_empty());
    let elsewhere = shown_elsewhere(clients, job).await;
    let refused = match would_be_same(clients, job, store, kept).await {
        Err(error) if matches!(error.kind(), Kind::Config | Kind::Auth) => Some(Failure::from(&error)),
        told => told.map(|_| None)?,
    };
    Ok(Look { origin: made_up.map(|_| MADE_UP.to_owned()).into_iter().chain(elsewhere).collect(), refused })
}

/// The result of a credentials check, in words.
pub(super) fn access(identity: &Identity) -> String {
    let account = match (&identity.aws_account, identity.account_check.note()) {
        (Some(account), _) => format!("AWS account {account}"),
        (None, Some(note)) => note,
        (None, None) => "no AWS account".to_owned(),
    };
    format!("{account}; Cost Explorer itself was not asked (0.01 USD)")
}
