//! Datadog Cloud Cost Management: which AWS accounts have a data export configured, and where it is delivered.
//!
//! <https://docs.datadoghq.com/api/latest/aws-integration/#get-aws-ccm-config>
//!
//! A snapshot: the API returns the current state, so the only day is the one the job runs on.
//!
//! ```text
//!  GET /api/v2/integration/aws/accounts[?aws_account_id=…]     all accounts, or one request per listed account
//!       └─► GET /api/v2/integration/aws/accounts/<id>/ccm_config     for every account found
//! ```
//!
//! | an account | rows |
//! |---|---|
//! | with data exports | one per export, `configured` |
//! | without, or 404 | one, not `configured` |
//! | listed in the job, but not integrated | one, not `configured`, without `aws_account_config_id`, and a note |
//!
//! The accounts' answer holds ids of credentials; only the two ids of each account are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::error::{Error, Kind, Result};
use crate::request::{Answer, Get, Purpose, Request};
use crate::sources::datadog::{self, Awaited, Cell, Rows, bad_answer};
use crate::sources::provider::DATADOG;
use crate::sources::{Entry, Fetched, Learnt, Reader, Source};
use crate::table::Table;
use crate::window::{Grain, Window};

mod params;
mod wire;

use params::Params;
use wire::Export;

const SCHEMA: &str = include_str!("../../../schemas/datadog_ccm_config.json");
const ACCOUNTS: &str = "/api/v2/integration/aws/accounts";

/// The registry entry.
pub const ENTRY: Entry = Entry {
    name: "datadog_ccm_config",
    summary: "Datadog's AWS accounts and the data export each has configured, as of today",
    schema: SCHEMA,
    provider: &DATADOG,
    snapshot: true,
    build: |section| params::read(section).map(|params| Arc::new(CcmConfig(params)) as Arc<dyn Source>),
};

#[derive(Debug)]
struct CcmConfig(Params);

/// The day of a snapshot: the last one requested.
fn day_of(windows: &[Window]) -> Option<Window> {
    windows.last().map(|window| Window::day(window.last()))
}

impl Source for CcmConfig {
    fn table(&self) -> &Arc<Table> {
        &self.0.table
    }

    fn grain(&self) -> Grain {
        Grain::Daily
    }

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn expected_requests(&self, _windows: &[Window], learnt: &Learnt) -> u64 {
        match self.0.aws_account_ids.len() as u64 {
            // A day has about one row per account.
            0 => 1 + learnt.slot_rows,
            listed => 2 * listed,
        }
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let Some(window) = day_of(windows) else { return Vec::new() };
        let get = |subject: String, query: Vec<(String, String)>| {
            let purpose = Purpose { window, subject };
            Request::Get(Get { path: ACCOUNTS.to_owned(), query, not_found_is_an_answer: false, purpose })
        };
        if self.0.aws_account_ids.is_empty() {
            return vec![get("accounts".to_owned(), Vec::new())];
        }
        let listed = self.0.aws_account_ids.iter();
        listed.map(|id| get(format!("accounts/{id}"), vec![("aws_account_id".to_owned(), id.clone())])).collect()
    }

    fn reader(&self, windows: &[Window]) -> Box<dyn Reader> {
        let mut awaited = Awaited::default();
        awaited.add(&self.requests(windows));
        Box::new(ConfigReader {
            slots: day_of(windows).map(|window| window.start()).into_iter().collect(),
            rows: Rows::new(self.0.table.clone()),
            awaited,
            accounts: BTreeMap::new(),
            met: BTreeSet::new(),
            page_rows: 0,
            notes: Vec::new(),
            odd_fields: BTreeSet::new(),
        })
    }

    fn redact_raw(&self, request: &Request, answer: &Answer) -> Option<Vec<u8>> {
        match request {
            Request::Get(get) if get.path == ACCOUNTS => Some(wire::redacted_accounts(answer)),
            _ => None,
        }
    }
}

struct ConfigReader {
    slots: BTreeSet<NaiveDate>,
    rows: Rows,
    awaited: Awaited,
    /// AWS account ids by Datadog's id.
    accounts: BTreeMap<String, String>,
    met: BTreeSet<NaiveDate>,
    page_rows: u64,
    notes: Vec<String>,
    odd_fields: BTreeSet<String>,
}

impl ConfigReader {
    /// Reads the accounts and requests the configuration of each.
    fn read_accounts(&mut self, get: &Get, answer: &Answer) -> Result<Vec<Request>> {
        let listed = get.query.iter().find(|(name, _)| name == "aws_account_id").map(|(_, id)| id.as_str());
        let all = wire::read_accounts(get, answer)?;
        let count = all.len();
        let found: Vec<_> = all.into_iter().filter(|(_, account)| listed.is_none_or(|id| id == account)).collect();
        if found.len() < count {
            self.notes.push(format!("{} accounts that were not asked for were left out", count - found.len()));
        }
        let mut next = Vec::new();
        for (id, account) in &found {
            if self.accounts.insert(id.clone(), account.clone()).is_some() {
                return Err(bad_answer(get, "an account is listed twice").at("id", id));
            }
            next.push(Request::Get(Get {
                path: format!("{ACCOUNTS}/{id}/ccm_config"),
                query: Vec::new(),
                not_found_is_an_answer: true,
                purpose: Purpose { window: get.purpose.window, subject: format!("ccm_config/{id}") },
            }));
        }
        match listed {
            Some(account) if found.is_empty() => {
                self.notes.push(format!("AWS account {account} is listed in the job and not integrated with Datadog"));
                self.push(get, None, account, None)?;
            }
            None if found.is_empty() => self.notes.push("no AWS account is integrated with Datadog".to_owned()),
            _ => {}
        }
        self.awaited.add(&next);
        Ok(next)
    }

    /// Reads the configuration of one account.
    fn read_configuration(&mut self, get: &Get, answer: &Answer) -> Result<()> {
        let known = get.purpose.subject.strip_prefix("ccm_config/").and_then(|id| self.accounts.get_key_value(id));
        let unknown = || Error::new(Kind::Internal, "a configuration of an account that was not listed");
        let (id, account) = known.map(|(id, account)| (id.clone(), account.clone())).ok_or_else(unknown)?;
        let (exports, odd) = wire::read_configuration(get, &id, answer)?;
        self.odd_fields.extend(odd);
        self.page_rows = self.page_rows.max(exports.len().max(1) as u64);
        if exports.is_empty() {
            return self.push(get, Some(&id), &account, None);
        }
        let mut met = BTreeSet::new();
        for export in &exports {
            if !met.insert((&export.report_name, &export.report_prefix, &export.bucket_name)) {
                let name = export.report_name.as_deref().unwrap_or("without a name");
                return Err(bad_answer(get, "a data export is configured twice").at("report", name));
            }
            self.push(get, Some(&id), &account, Some(export))?;
        }
        Ok(())
    }

    fn push(&mut self, get: &Get, id: Option<&str>, account: &str, export: Option<&Export>) -> Result<()> {
        let (configured, blank) = (export.is_some(), Export::default());
        let export = export.unwrap_or(&blank);
        let uri = export.uri();
        self.rows.push(&[
            Cell::Day(get.purpose.window.start()),
            id.into(),
            Cell::Text(account),
            Cell::Boolean(configured),
            export.report_name.as_deref().into(),
            export.report_prefix.as_deref().into(),
            export.report_type.as_deref().into(),
            export.bucket_name.as_deref().into(),
            export.bucket_region.as_deref().into(),
            uri.as_deref().into(),
        ])
    }
}

impl Reader for ConfigReader {
    fn read(&mut self, request: &Request, answer: &Answer) -> Result<Vec<Request>> {
        let get = datadog::as_get(request)?;
        self.awaited.arrived(get)?;
        self.met.insert(get.purpose.window.start());
        if get.path == ACCOUNTS {
            return self.read_accounts(get, answer);
        }
        self.read_configuration(get, answer).map(|()| Vec::new())
    }

    fn rows(&self) -> u64 {
        self.rows.count()
    }

    fn slots_met(&self) -> u64 {
        self.met.len() as u64
    }

    fn finish(self: Box<Self>) -> Result<Fetched> {
        self.awaited.finish()?;
        let mut notes = self.notes;
        if !self.odd_fields.is_empty() {
            notes.push(format!("fields of data exports without a column: {}", datadog::some_of(&self.odd_fields)));
        }
        Ok(Fetched {
            absent: BTreeSet::new(),
            partial: None,
            rows: self.rows.finish()?,
            slots: self.slots,
            estimated: BTreeSet::new(),
            currencies: BTreeMap::new(),
            doubtful: BTreeMap::new(),
            notes,
            page_rows: self.page_rows,
        })
    }
}

#[cfg(test)]
mod tests;
