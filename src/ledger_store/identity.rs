//! The identity of a table: the record that defines it, the account of its figures, and whether a job still matches
//! both.
//!
//! | object | holds |
//! |---|---|
//! | `table.json` | the fingerprint of the job that made the table, and the account if it was known when the table was created |
//! | `account.json` | the account, if it became known only later |
//!
//! Both are create-only, so a second writer finds what the first one wrote. `table.json` is replaced only while the
//! table holds no row.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::generation::Footer;
use crate::job::{AccountCheck, Identity, Job};
use crate::lake::Lake;
use crate::text::hex;
use crate::unit::Unit;

use super::LedgerStore;
use super::keys::{account_key, record_key};

/// Name of the fingerprint pair that marks made-up figures.
const FIGURES: &str = "figures";
/// Name of the fingerprint pair that marks a table with accounts.
const ACCOUNTS: &str = "accounts";
/// Names of the pairs that in a table with accounts belong to the account.
const OF_ACCOUNT: [&str; 2] = ["billing_view_arn", "datadog_site"];
/// Maximum number of differences between a table and a job that are shown.
const SHOWN: usize = 10;

/// What may never change for a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRecord {
    /// Layout version.
    pub format: u32,
    /// Name.
    pub table: String,
    /// Pairs of name and text: source, grouping, metrics, filter, granularity, billing view, site.
    pub fingerprint: Vec<(String, String)>,
    /// AWS account, if it was known at the first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether the answers declare their figures made up; `None` in a record of an earlier costlake, which did not
    /// check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_up: Option<bool>,
    /// Fingerprints that the table had before, while it held no row.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<String>,
    /// Of a table with accounts: the parts of the definition that each account has for itself. They are stored with the
    /// account.
    #[serde(skip)]
    pub own: Vec<(String, String)>,
}

impl TableRecord {
    /// The record of a job's table.
    #[must_use]
    pub fn of(job: &Job, identity: &Identity) -> Self {
        let mut pairs = vec![("source".to_owned(), job.entry.name.to_owned())];
        pairs.extend(job.source.fingerprint().into_iter().map(|(name, text)| (name.to_owned(), text)));
        pairs.extend(identity.datadog_site.clone().map(|site| ("datadog_site".to_owned(), site)));
        let (own, mut fingerprint) = pairs
            .into_iter()
            .partition::<Vec<_>, _>(|(name, _)| job.accounts.is_some() && OF_ACCOUNT.contains(&name.as_str()));
        if job.accounts.is_some() {
            fingerprint.push((ACCOUNTS.to_owned(), "a part of the table each".to_owned()));
        }
        let real = Self {
            format: 1,
            table: job.unit.table.clone(),
            fingerprint,
            account: identity.aws_account.clone().or_else(|| job.unit.account.clone()),
            made_up: Some(false),
            former: Vec::new(),
            own,
        };
        if identity.sandbox { real.of_sandbox() } else { real }
    }

    /// The same record for figures that a sandbox makes up.
    #[must_use]
    pub fn of_sandbox(mut self) -> Self {
        self.made_up = Some(true);
        if !self.is_made_up() {
            self.fingerprint.push((FIGURES.to_owned(), "made up by the sandbox of `costlake demo`".to_owned()));
        }
        self
    }

    /// The text of one pair of the fingerprint.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.fingerprint.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    }

    /// Whether the table's figures are made up.
    #[must_use]
    pub fn is_made_up(&self) -> bool {
        self.fingerprint.iter().any(|(name, _)| name == FIGURES)
    }

    /// Whether each account has its own part of the table.
    #[must_use]
    pub fn has_accounts(&self) -> bool {
        self.setting(ACCOUNTS).is_some()
    }

    /// SHA-256 of the fingerprint as 64 hexadecimal digits, for the footers.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, text) in &self.fingerprint {
            hash.update(name.as_bytes());
            hash.update([0]);
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        hex(&hash.finalize())
    }

    /// The stored record of a table, with its account; `None` when there is none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn kept(lake: &Lake, unit: &Unit) -> Result<Option<Self>> {
        let Some(mut record) = Self::named(lake, &unit.table).await? else { return Ok(None) };
        if record.account.is_none() {
            record.account = kept_account(lake, unit).await?.map(|kept| kept.account);
        }
        Ok(Some(record))
    }

    /// `table.json` alone: without an account that became known later.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn named(lake: &Lake, table: &str) -> Result<Option<Self>> {
        let key = record_key(table);
        let Some(object) = lake.read(&key, None).await? else { return Ok(None) };
        Self::parse(&key, &object.bytes).map(Some)
    }

    /// Parses the record stored under `key`.
    ///
    /// # Errors
    /// [`Kind::Config`] when it is not a record, or of a newer format.
    pub fn parse(key: &str, text: &[u8]) -> Result<Self> {
        let record: Self = serde_json::from_slice(text).map_err(|error| {
            Error::new(Kind::Config, "the table's record cannot be read").at("key", key).because(error)
        })?;
        if record.format > 1 {
            let message = format!("the table's record is of layout {}, newer than this costlake reads", record.format);
            return Err(Error::new(Kind::Config, message).at("key", key).advise("update costlake"));
        }
        Ok(record)
    }

    /// Checks that a job still matches this record, as far as possible without asking the API for the account. `site`
    /// is the Datadog site that would be requested, if known.
    ///
    /// # Errors
    /// [`Kind::Config`] when the job requests something else than the table holds.
    pub fn check_offline(&self, job: &Job, site: Option<String>) -> Result<()> {
        self.check(&Self::of(&self.job_of(job), &self.identity(site)))
    }

    /// Whose the table is according to this record; `site` is the Datadog site that would be requested, if known.
    pub(super) fn identity(&self, site: Option<String>) -> Identity {
        Identity {
            aws_account: self.account.clone(),
            datadog_site: self.setting("datadog_site").map(|of_table| site.unwrap_or(of_table.to_owned())),
            account_check: AccountCheck::None,
            sandbox: self.is_made_up(),
        }
    }

    /// What differs in a job: the first few parts of its definition, each before and after.
    fn changes(&self, ours: &Self) -> Vec<String> {
        let of = |record: &Self, name: &str| {
            record
                .fingerprint
                .iter()
                .filter(|(known, _)| known == name)
                .map(|(_, text)| text.clone())
                .collect::<Vec<_>>()
        };
        let names: BTreeSet<&String> = self.fingerprint.iter().chain(&ours.fingerprint).map(|(name, _)| name).collect();
        let changes = names.into_iter().filter_map(|name| {
            let (before, after) = (of(self, name), of(ours, name));
            let only = |these: &[String], others: &[String]| {
                let only: Vec<&str> = these.iter().filter(|text| !others.contains(text)).map(String::as_str).collect();
                only.join(", ")
            };
            let (gone, new) = (only(&before, &after), only(&after, &before));
            match (before == after, gone.is_empty(), new.is_empty()) {
                (true, ..) => None,
                (_, false, false) => Some(format!("{name} changed from {gone} to {new}")),
                (_, false, true) => Some(format!("{name} {gone} was removed")),
                (_, true, false) => Some(format!("{name} {new} was added")),
                (_, true, true) => Some(format!("{name} stands in another order")),
            }
        });
        changes.take(SHOWN).collect()
    }

    /// Refuses a job that would write something else into the table than it holds.
    pub(super) fn check(&self, ours: &Self) -> Result<()> {
        if self.is_made_up() != ours.is_made_up() {
            return Err(if self.is_made_up() {
                Error::new(Kind::Config, format!("the table `{}` holds demo data, made up by a sandbox", self.table))
                    .advise("use another --lake for real data")
            } else {
                Error::new(Kind::Config, format!("the table `{}` holds real data, and a sandbox is asked", self.table))
                    .advise("use another --lake for made-up data")
            });
        }
        if self.fingerprint != ours.fingerprint {
            let changes = self.changes(ours).join("; ");
            let message = format!("job `{}` no longer matches its table: {changes}", self.table);
            return Err(Error::new(Kind::Config, message).advise(
                "give the changed job a new name (a new file in the jobs folder makes a new table), or change the job back",
            ));
        }
        Ok(())
    }
}

/// The account, if it was stored after the table was created.
#[derive(Debug, Serialize, Deserialize)]
struct AccountRecord {
    /// Layout version.
    format: u32,
    account: String,
    /// Of a table with accounts: what the account has for itself of the table's definition.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    definition: Vec<(String, String)>,
}

/// The account in `account.json`; `None` if there is no such object.
async fn kept_account(lake: &Lake, unit: &Unit) -> Result<Option<AccountRecord>> {
    let key = account_key(unit);
    let Some(object) = lake.read(&key, None).await? else { return Ok(None) };
    let record = serde_json::from_slice(&object.bytes).map_err(|error| {
        Error::new(Kind::Config, "the record of the table's account cannot be read")
            .at("key", key)
            .because(error)
            .advise("restore it; if nobody knows what it said, remove it, and the next run writes it anew")
    })?;
    Ok(Some(record))
}

/// Writes `account.json`, unless it exists.
async fn keep_account(lake: &Lake, unit: &Unit, account: &str, definition: &[(String, String)]) -> Result<()> {
    let record = AccountRecord { format: 1, account: account.to_owned(), definition: definition.to_vec() };
    let text = serde_json::to_vec_pretty(&record)
        .map_err(|error| Error::new(Kind::Internal, "cannot write the record of the table's account").because(error))?;
    lake.create(&account_key(unit), Bytes::from(text)).await.map(|_| ())
}

/// Refuses any account but the table's.
///
/// # Errors
/// [`Kind::Auth`] when `now` differs from `theirs`.
pub fn same_account(table: &str, theirs: &str, now: &str) -> Result<()> {
    if theirs == now {
        return Ok(());
    }
    Err(Error::new(
        Kind::Auth,
        format!("the table `{table}` belongs to AWS account {theirs}, but the credentials to {now}"),
    )
    .advise("use the other account's credentials, or give the job a new name"))
}

impl LedgerStore {
    /// The stored record of the table, without the account that became known later; `None` if there is none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn named(&self) -> Result<Option<TableRecord>> {
        TableRecord::named(&self.lake, &self.unit.table).await
    }

    /// The stored record as an earlier run read it, if the job matches it: that of a table that holds rows never
    /// changes. It spares a night on which nothing is due two requests; a run that writes reads the record first.
    pub fn recall(&mut self, job: &Job) -> Option<TableRecord> {
        let text = self.ledger.table_record.as_deref().filter(|_| self.holds_rows())?;
        let known = TableRecord::parse(&record_key(&self.unit.table), text.as_bytes()).ok()?;
        known.check_offline(job, None).ok()?;
        self.recalled = true;
        Some(known)
    }

    /// Puts the stored record of a table that holds rows into the ledger, for [`LedgerStore::recall`].
    pub fn remember(&mut self, named: Option<&TableRecord>) {
        let text = named.filter(|_| self.holds_rows()).and_then(|record| serde_json::to_string(record).ok());
        self.ledger.table_record = text;
    }

    /// Checks that the table, if it exists, is the one the job means.
    ///
    /// # Errors
    /// [`Kind::Config`] when its fingerprint differs, [`Kind::Auth`] when its account does.
    pub async fn check(&mut self, ours: &TableRecord) -> Result<()> {
        let named = self.named().await?;
        self.recalled = false;
        self.check_named(named.as_ref(), ours).await
    }

    /// As [`LedgerStore::check`], for a stored record that was read after the ledger.
    ///
    /// # Errors
    /// As [`LedgerStore::check`].
    pub async fn check_named(&mut self, named: Option<&TableRecord>, ours: &TableRecord) -> Result<()> {
        if let Some(record) = named {
            record.check(ours)?;
        }
        let is_named = named.is_some();
        let stored = self.stored_account(ours).await?;
        if let Some(stored) = &stored {
            let theirs = TableRecord { fingerprint: stored.definition.clone(), ..ours.clone() };
            theirs.check(&TableRecord { fingerprint: ours.own.clone(), ..ours.clone() })?;
        }
        let written = [named.and_then(|record| record.account.clone()), stored.map(|stored| stored.account)];
        let has_account = written.iter().any(Option::is_some);
        let of_ledger = self.ledger.account.clone().filter(|_| !has_account);
        let known: Vec<String> = written.into_iter().chain([of_ledger]).flatten().collect();
        for theirs in &known {
            ours.account.iter().try_for_each(|now| same_account(&self.unit.table, theirs, now))?;
        }
        // Only set here: if the run is refused, its other fetches must be refused as well.
        self.claimed |= is_named && !self.recalled;
        self.has_account = has_account;
        let known = known.into_iter().next();
        // An account that only this run knows stays out of the ledger: a snapshot may be written before any data of the
        // run is.
        self.ledger.account.clone_from(&known);
        self.ledger.has_own_definition = !ours.own.is_empty();
        self.account = known.or_else(|| ours.account.clone());
        self.former = named.map(|record| record.former.clone()).unwrap_or_default();
        Ok(())
    }

    /// `account.json`, which never changes once it is there. A ledger that knows it spares the request, unless the
    /// account has parts of the definition for itself; so does a table of Datadog without accounts, which has none.
    async fn stored_account(&self, ours: &TableRecord) -> Result<Option<AccountRecord>> {
        let is_plain = ours.own.is_empty() && !self.ledger.has_own_definition;
        if self.recalled && is_plain && ours.setting("datadog_site").is_some() {
            return Ok(None);
        }
        let is_spared = is_plain && (self.recalled || self.unit.account.is_some());
        let known = self.ledger.account.clone().filter(|_| is_spared);
        match known {
            Some(account) => Ok(Some(AccountRecord { format: 1, account, definition: Vec::new() })),
            None => kept_account(&self.lake, &self.unit).await,
        }
    }

    /// The account of the table's figures, or the one that this run is the first to know.
    #[must_use]
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Loads the stored account, for commands that do not ask an API for theirs. Entries of a rebuilt ledger that come
    /// from another account's object are dropped.
    ///
    /// # Errors
    /// When the lake cannot be read.
    pub async fn learn_account(&mut self) -> Result<()> {
        let named = TableRecord::named(&self.lake, &self.unit.table).await?.and_then(|record| record.account);
        let written =
            if named.is_some() { named } else { kept_account(&self.lake, &self.unit).await?.map(|kept| kept.account) };
        self.ledger.account = written.or_else(|| self.ledger.account.take());
        let ours = &self.ledger.account;
        let is_others = |footer: &Footer| ours.is_some() && footer.account.is_some() && footer.account != *ours;
        for (partition, _) in self.rebuilt_from.iter().filter(|(_, footer)| is_others(footer)) {
            self.ledger.partitions.remove(&partition.to_string());
        }
        Ok(())
    }

    /// Stores the account of a table that has a record but no account yet.
    ///
    /// # Errors
    /// When the lake cannot be written, or another run has stored another account meanwhile.
    pub async fn keep_account(&mut self, ours: &TableRecord) -> Result<()> {
        let Some(account) = ours.account.as_deref().filter(|_| (self.claimed || self.recalled) && !self.has_account)
        else {
            return Ok(());
        };
        keep_account(&self.lake, &self.unit, account, &ours.own).await?;
        self.check(ours).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::DateTime;
    use object_store::memory::InMemory;

    use super::{LedgerStore, TableRecord};
    use crate::error::{Kind, Result};
    use crate::lake::{Lake, S3Lake};
    use crate::window::Grain;

    fn record(account: Option<&str>) -> TableRecord {
        let account = account.map(str::to_owned);
        let (table, fingerprint, former) = ("t".to_owned(), Vec::new(), Vec::new());
        TableRecord { format: 1, table, fingerprint, account, made_up: None, former, own: Vec::new() }
    }

    fn is_refused(said: Result<()>) -> bool {
        said.is_err_and(|error| error.kind() == Kind::Auth)
    }

    /// The fetches of a run are concurrent, and each reaches this point separately.
    #[tokio::test]
    async fn a_run_that_loses_the_table_to_another_account_loses_it_for_all_its_fetches() {
        for founder in [None, Some(record(None))] {
            let store = Arc::new(InMemory::new());
            let lake = Arc::new(Lake::S3(S3Lake::new(store.clone(), store, "p", "s3://b/p", "test")));
            let open = || async {
                let opened =
                    LedgerStore::open(Arc::clone(&lake), &"t".into(), Grain::Daily, DateTime::UNIX_EPOCH).await;
                opened.expect("store").0
            };
            if let Some(founder) = &founder {
                open().await.claim(founder).await.expect("a new table");
            }
            let (mut first, mut second) = (open().await, open().await);
            let (ours, theirs) = (record(Some("1")), record(Some("2")));
            first.check(&ours).await.expect("nobody's table");
            second.check(&theirs).await.expect("nobody's table");
            first.claim(&ours).await.expect("the first one");
            for _ in 0..3 {
                assert!(is_refused(second.claim(&theirs).await), "{founder:?}");
                assert!(is_refused(second.keep_account(&theirs).await) || !second.claimed, "{founder:?}");
                first.claim(&ours).await.expect("its own");
            }
        }
    }
}
