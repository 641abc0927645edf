//! What a table is: the record that names it, and whether a job still means it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::job::{Identity, Job};
use crate::lake::Lake;

use super::names::record_key;

/// Name of the pair that marks made-up figures.
const FIGURES: &str = "figures";
/// Differences between a table and a job that are told.
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
    /// AWS account, when it was known at the first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

impl TableRecord {
    /// The record of a job's table.
    #[must_use]
    pub fn of(job: &Job, identity: &Identity) -> Self {
        let mut pairs = vec![("source".to_owned(), job.entry.name.to_owned())];
        pairs.extend(job.source.fingerprint().into_iter().map(|(name, text)| (name.to_owned(), text)));
        pairs.extend(identity.datadog_site.clone().map(|site| ("datadog_site".to_owned(), site)));
        if identity.sandbox {
            pairs.push((FIGURES.to_owned(), "made up by the sandbox of `costlake demo`".to_owned()));
        }
        Self { format: 1, table: job.name.clone(), fingerprint: pairs, account: identity.aws_account.clone() }
    }

    /// The fingerprint as 64 hexadecimal digits, for the footers.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (name, text) in &self.fingerprint {
            hash.update(name.as_bytes());
            hash.update([0]);
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The record that is kept of a table; `None` when it has none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn kept(lake: &Lake, table: &str) -> Result<Option<Self>> {
        let key = record_key(table);
        let Some(object) = lake.read(&key, None).await? else { return Ok(None) };
        Self::parse(&key, &object.bytes).map(Some)
    }

    /// Reads the record that stands under `key`.
    ///
    /// # Errors
    /// [`Kind::Config`] when it is not one.
    pub fn parse(key: &str, text: &[u8]) -> Result<Self> {
        serde_json::from_slice(text).map_err(|error| {
            Error::new(Kind::Config, "the table's record cannot be read").at("key", key).because(error)
        })
    }

    /// Makes sure that a job still fits this record, as far as that can be told without asking the API who it is.
    ///
    /// # Errors
    /// [`Kind::Config`] when the job asks for something else than the table holds.
    pub fn check_offline(&self, job: &Job) -> Result<()> {
        let text = |name: &str| self.fingerprint.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
        let identity = Identity {
            aws_account: self.account.clone(),
            datadog_site: text("datadog_site"),
            sandbox: text(FIGURES).is_some(),
        };
        self.check(&Self::of(job, &identity), None)
    }

    /// Refuses a job that would write something else into the table than is in it.
    pub(super) fn check(&self, ours: &Self, known_account: Option<&str>) -> Result<()> {
        let shown = |record: &Self, other: &Self| {
            let both: BTreeSet<_> = other.fingerprint.iter().collect();
            let own = record.fingerprint.iter().filter(|pair| !both.contains(pair));
            let pairs: Vec<String> = own.take(SHOWN).map(|(name, text)| format!("{name} {text}")).collect();
            if pairs.is_empty() { "nothing of it".to_owned() } else { pairs.join(", ") }
        };
        let figures = |record: &Self| record.fingerprint.iter().any(|(name, _)| name == FIGURES);
        let way_out = if figures(self) != figures(ours) {
            "one of the two is the demo's made-up bill: choose another --lake"
        } else {
            "give the changed job a new name (a new file in the jobs folder makes a new table), or change the job back"
        };
        if self.fingerprint != ours.fingerprint {
            return Err(Error::new(
                Kind::Config,
                format!("the table `{}` holds something else than the job asks for", self.table),
            )
            .at("table has", shown(self, ours))
            .at("job asks for", shown(ours, self))
            .advise(way_out));
        }
        match (self.account.as_deref().or(known_account), ours.account.as_deref()) {
            (Some(theirs), Some(now)) if theirs != now => Err(Error::new(
                Kind::Config,
                format!("the table `{}` belongs to AWS account {theirs}, but the credentials to {now}", self.table),
            )
            .advise("use the other account's credentials, or give the job a new name")),
            _ => Ok(()),
        }
    }
}
