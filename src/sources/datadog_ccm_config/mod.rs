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

use crate::error::{Error, Kind, Result};
use crate::job::keys::{Key, Shape, key};
use crate::job::section::Section;
use crate::request::{Answer, Call, Purpose, Request};
use crate::sources::datadog::{as_call, bad_answer};
use crate::sources::list::{self, Cell, Endpoint, Page, Reduce, Row, read_table};
use crate::sources::provider::{DATADOG, DATADOG_STATE};
use crate::sources::{Entry, Learnt, Source};
use crate::window::Window;

mod params;
mod wire;

use wire::Export;

const SCHEMA: &str = include_str!("../../../schemas/datadog_ccm_config.json");
const ACCOUNTS: &str = "/api/v2/integration/aws/accounts";

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_ccm_config",
    summary: "Datadog's AWS accounts and the data export each has configured, as of today",
    operations: &["GET /api/v2/integration/aws/accounts", "GET /api/v2/integration/aws/accounts/<id>/ccm_config"],
    row: "account and export",
    night: "nothing",
    schema: SCHEMA,
    provider: &DATADOG,
    rules: &DATADOG_STATE,
    keys: KEYS,
    values: None,
    jobs: &[("datadog_ccm_config", include_str!("../../../jobs/datadog_ccm_config.toml"))],
    build,
};

static KEYS: &[Key] =
    &[key("source.aws_account_ids", Shape::Texts, "all", "AWS accounts to look at, twelve digits each")];

fn build(section: &Section<'_>) -> Option<Arc<dyn Source>> {
    let aws_account_ids = params::read(section)?;
    Some(list::snapshot(CcmConfig { aws_account_ids }, read_table(section, SCHEMA)?))
}

#[derive(Debug)]
struct CcmConfig {
    /// The AWS accounts to look up; empty for all accounts in Datadog.
    aws_account_ids: Vec<String>,
}

impl Endpoint for CcmConfig {
    /// AWS account ids by Datadog's id.
    type State = BTreeMap<String, String>;

    fn expected_requests(&self, _windows: &[Window], learnt: &Learnt) -> u64 {
        match self.aws_account_ids.len() as u64 {
            // A day has about one row per account.
            0 => 1 + learnt.slot_rows,
            listed => 2 * listed,
        }
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let Some(window) = windows.last().copied() else { return Vec::new() };
        let get = |subject: String, query: Vec<(String, String)>| {
            let purpose = Purpose { window, subject };
            let path = ACCOUNTS.to_owned();
            Request::Call(Call { path, query, body: None, also_answers: &[], purpose })
        };
        if self.aws_account_ids.is_empty() {
            return vec![get("accounts".to_owned(), Vec::new())];
        }
        let listed = self.aws_account_ids.iter();
        listed.map(|id| get(format!("accounts/{id}"), vec![("aws_account_id".to_owned(), id.clone())])).collect()
    }

    fn read<'a>(&self, known: &mut Self::State, request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let call = as_call(request)?;
        if call.path == ACCOUNTS { read_accounts(known, call, answer) } else { read_configuration(known, call, answer) }
    }

    fn leaves_out(&self, request: &Request) -> Option<Reduce> {
        let is_list = as_call(request).is_ok_and(|call| call.path == ACCOUNTS);
        is_list.then_some(wire::only_ids)
    }
}

/// Reads the accounts and requests the configuration of each.
fn read_accounts<'a>(known: &mut BTreeMap<String, String>, call: &Call, answer: &Answer) -> Result<Page<'a>> {
    let listed = call.query.iter().find(|(name, _)| name == "aws_account_id").map(|(_, id)| id.as_str());
    let all = wire::read_accounts(answer)?;
    let count = all.len() as u64;
    let found: Vec<_> = all.into_iter().filter(|(_, account)| listed.is_none_or(|id| id == account)).collect();
    let mut page = Page::default();
    let (one, several) =
        ("account that was not asked for was left out", "accounts that were not asked for were left out");
    page.remarks.count(one, several, count - found.len() as u64);
    match listed {
        Some(account) if found.is_empty() => {
            page.remarks.say(format!("AWS account {account} is listed in the job and not integrated with Datadog"));
            page.rows.push(row_of(call, None, account, None));
        }
        None if found.is_empty() => page.remarks.say("no AWS account is integrated with Datadog"),
        _ => {}
    }
    for (id, account) in found {
        let path = format!("{ACCOUNTS}/{id}/ccm_config");
        let purpose = Purpose { window: call.purpose.window, subject: format!("ccm_config/{id}") };
        if known.insert(id.clone(), account).is_some() {
            return Err(bad_answer("an account is listed twice").at("id", id));
        }
        page.next.push(Request::Call(Call { path, query: Vec::new(), body: None, also_answers: &[404], purpose }));
    }
    Ok(page)
}

/// Reads the configuration of one account.
fn read_configuration<'a>(known: &BTreeMap<String, String>, call: &Call, answer: &Answer) -> Result<Page<'a>> {
    let found = call.purpose.subject.strip_prefix("ccm_config/").and_then(|id| known.get_key_value(id));
    let unknown = || Error::new(Kind::Internal, "a configuration of an account that was not listed");
    let (id, account) = found.ok_or_else(unknown)?;
    let (exports, odd) = wire::read_configuration(id, answer)?;
    let mut page = Page::default();
    if !odd.is_empty() {
        let (one, several) = ("data export has fields without a column", "data exports have fields without a column");
        page.remarks.name(one, several, odd);
    }
    let mut met = BTreeSet::new();
    for export in &exports {
        if !met.insert((&export.report_name, &export.report_prefix, &export.bucket_name)) {
            let name = export.report_name.as_deref().unwrap_or("without a name");
            return Err(bad_answer("a data export is configured twice").at("report", name));
        }
        page.rows.push(row_of(call, Some(id), account, Some(export)));
    }
    if exports.is_empty() {
        page.rows.push(row_of(call, Some(id), account, None));
    }
    Ok(page)
}

fn row_of<'a>(call: &Call, id: Option<&String>, account: &str, export: Option<&Export>) -> Row<'a> {
    let configured = Cell::Boolean(export.is_some());
    let export = export.cloned().unwrap_or_default();
    let uri = export.uri();
    Row::default()
        .day("usage_date", call.purpose.window.start())
        .give("aws_account_config_id", id.cloned())
        .give("aws_account_id", account.to_owned())
        .give("configured", configured)
        .give("report_name", export.report_name)
        .give("report_prefix", export.report_prefix)
        .give("report_type", export.report_type)
        .give("bucket_name", export.bucket_name)
        .give("bucket_region", export.bucket_region)
        .give("export_uri", uri)
}

#[cfg(test)]
mod tests;
