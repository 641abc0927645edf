//! Datadog Cloud Cost Management: the cloud accounts whose costs it reads, and how well, as of each day.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#list-cloud-accounts>
//!
//! | `kind` | request, below `/api/v2/cost/` | objects |
//! |---|---|---|
//! | `cloud_accounts` | `cloud_accounts?filter[cloud]=aws_cur2`, and `oci` | accounts |
//! | `aws_cur_config` | `aws_cur_config` | accounts with the older reports of AWS |
//! | `azure_uc_config` | `azure_uc_config` | pairs, with `configs` of actual and amortized costs: a row each |
//! | `gcp_uc_config` | `gcp_uc_config` | accounts of Google Cloud |
//!
//! | in an answer | is |
//! |---|---|
//! | 404 with `errors` | an empty list, and a note |
//! | any other 404, such as a proxy's page | a bad answer |
//! | a pair without `configs` | one row |
//! | an object that is listed again | a row each time, and a note |
//! | an account of a cloud that was not asked for | left out, and a note |
//! | `error_messages` absent, `null` or empty | `[]` |
//! | a time without an offset | UTC |

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::job::section::Section;
use crate::request::{Answer, Call, Purpose, Request};
use crate::sources::datadog::resources::{Resource, read_list};
use crate::sources::datadog::{as_call, bad_answer, is_not_found};
use crate::sources::list::{self, Endpoint, Fields, Page, Reduce, Row, people, read_table, row};
use crate::sources::provider::{DATADOG, DATADOG_STATE};
use crate::sources::{Entry, Source};
use crate::window::Window;

const SCHEMA: &str = include_str!("../../../schemas/datadog_cloud_accounts.json");
const ERRORS: &str = "error_messages";
/// Documented fields without a column.
const KEPT: [&str; 17] = [
    "account_filters",
    "bucket_name",
    "bucket_region",
    "client_id",
    "dataset",
    "export_name",
    "export_path",
    "export_prefix",
    "export_project_name",
    "id",
    "months",
    "project_id",
    "report_name",
    "report_prefix",
    "scope",
    "storage_account",
    "storage_container",
];

/// One list.
#[derive(Debug)]
struct Kinds {
    kind: &'static str,
    /// Where the objects do not name it.
    cloud: &'static str,
    /// `filter[cloud]`.
    filter: Option<&'static str>,
}

static LISTS: [Kinds; 5] = [
    Kinds { kind: "cloud_accounts", cloud: "aws_cur2", filter: Some("aws_cur2") },
    Kinds { kind: "cloud_accounts", cloud: "oci", filter: Some("oci") },
    Kinds { kind: "aws_cur_config", cloud: "aws", filter: None },
    Kinds { kind: "azure_uc_config", cloud: "azure", filter: None },
    Kinds { kind: "gcp_uc_config", cloud: "gcp", filter: None },
];

impl Kinds {
    fn subject(&self) -> String {
        self.filter.map_or_else(|| self.kind.to_owned(), |filter| format!("{}/{filter}", self.kind))
    }
}

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_cloud_accounts",
    summary: "Datadog's configured cloud accounts of AWS, Azure, Google Cloud and OCI, and their state, as of today",
    operations: &[
        "GET /api/v2/cost/cloud_accounts",
        "GET /api/v2/cost/aws_cur_config",
        "GET /api/v2/cost/azure_uc_config",
        "GET /api/v2/cost/gcp_uc_config",
    ],
    row: "configuration",
    night: "nothing",
    schema: SCHEMA,
    provider: &DATADOG,
    rules: &DATADOG_STATE,
    keys: &[],
    values: None,
    jobs: &[("datadog_cloud_accounts", include_str!("../../../jobs/datadog_cloud_accounts.toml"))],
    build,
};

fn build(section: &Section<'_>) -> Option<Arc<dyn Source>> {
    let table = read_table(section, SCHEMA)?;
    // A pair may be listed several times under one id.
    Some(list::snapshot(CloudAccounts, Arc::new(Arc::unwrap_or_clone(table).with_repeats())))
}

#[derive(Debug)]
struct CloudAccounts;

impl Endpoint for CloudAccounts {
    type State = ();

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let of_day = |window: &Window| LISTS.each_ref().map(|list| request(list, *window));
        windows.iter().flat_map(of_day).collect()
    }

    fn read<'a>(&self, (): &mut (), request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let call = as_call(request)?;
        let list = LISTS.iter().find(|list| list.subject() == call.purpose.subject);
        let list = list.ok_or_else(|| Error::new(Kind::Internal, "an answer to a list of another source"))?;
        let mut page = Page::default();
        if is_not_found(answer)? {
            let (one, several) =
                ("list is not there (404) and counts as empty", "lists are not there (404) and count as empty");
            page.remarks.name(one, several, [list.kind.to_owned()]);
            return Ok(page);
        }
        let mut met = BTreeSet::new();
        for (index, resource) in read_list(answer)?.into_iter().enumerate() {
            let id = resource.id.clone();
            for fields in configs(resource).map_err(|error| error.at("item", index))? {
                add(&mut page, list, &id, fields, &mut met)?;
            }
        }
        let day = call.purpose.window.start();
        page.rows = page.rows.into_iter().map(|row| row.day("usage_date", day)).collect();
        Ok(page)
    }

    fn leaves_out(&self, _request: &Request) -> Option<Reduce> {
        Some(people::without)
    }
}

fn request(list: &Kinds, window: Window) -> Request {
    let query = list.filter.map(|filter| ("filter[cloud]".to_owned(), filter.to_owned()));
    Request::Call(Call {
        path: format!("/api/v2/cost/{}", list.kind),
        query: query.into_iter().collect(),
        body: None,
        also_answers: &[404],
        purpose: Purpose { window, subject: list.subject() },
    })
}

/// The configurations of an object: itself, or each of a pair with what else the pair has.
fn configs(mut resource: Resource<'_>) -> Result<Vec<Fields<'_>>> {
    let configs = resource.attributes.remove("configs").filter(|raw| raw.get() != "null");
    let read = configs.map(|raw| serde_json::from_str::<Vec<Fields<'_>>>(raw.get())).transpose();
    let read = read.map_err(|error| bad_answer("`configs` is not a list of JSON objects").because(error))?;
    let configs = read.unwrap_or_default();
    if configs.is_empty() {
        return Ok(vec![resource.attributes]);
    }
    let pair = resource.attributes;
    Ok(configs.into_iter().map(|config| pair.clone().into_iter().chain(config).collect()).collect())
}

/// Adds the row of a configuration, unless it is of another cloud.
fn add<'a>(
    page: &mut Page<'a>,
    list: &Kinds,
    id: &str,
    mut fields: Fields<'a>,
    met: &mut BTreeSet<(String, String)>,
) -> Result<()> {
    let text = |fields: &Fields<'a>, name: &str| fields.get(name).and_then(|raw| row::text(raw.get()));
    let cloud = text(&fields, "cloud").filter(|cloud| !cloud.is_empty());
    if let Some(filter) = list.filter
        && cloud.as_ref().is_some_and(|cloud| !cloud.eq_ignore_ascii_case(filter))
    {
        let (one, several) = (
            "account of a cloud that was not asked for was left out",
            "accounts of a cloud that was not asked for were left out",
        );
        page.remarks.count(one, several, 1);
        return Ok(());
    }
    let cloud = cloud.map_or_else(|| list.cloud.to_owned(), std::borrow::Cow::into_owned);
    let dataset = text(&fields, "dataset_type").unwrap_or_default().into_owned();
    if !met.insert((id.to_owned(), dataset)) {
        let (one, several) = (
            "configuration is listed again in one answer, each time as a row",
            "configurations are listed again in one answer, each time as a row",
        );
        page.remarks.name(one, several, [id.to_owned()]);
    }
    fields.remove("cloud");
    let row = Row::new(fields).keeping(&KEPT).labelled("configuration", id).give("kind", list.kind);
    let row = row.give("cloud", cloud).give("config_id", id.to_owned());
    // A list that is empty is no value that is lost: an account recovers.
    let has_errors = row.fields.get(ERRORS).is_some_and(|raw| !matches!(raw.get(), "null" | "[]" | "{}"));
    let row = row.give_json(ERRORS, ERRORS)?;
    page.rows.push(if has_errors { row } else { row.give(ERRORS, "[]") });
    Ok(())
}

#[cfg(test)]
mod tests;
