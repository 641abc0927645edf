//! The source's two answers, in JSON:API envelopes: the AWS accounts, and one account's export configuration.
//!
//! | answer | content | means |
//! |---|---|---|
//! | accounts | `data: []`, `data: null` | no account |
//! | accounts | an account without `id` or `attributes.aws_account_id` | a bad answer |
//! | configuration | 404 with a JSON object that has `errors`, no or `null` `data`'s `attributes`, no, `null` or empty `data_export_configs` | not configured |
//! | configuration | `data.id` of another account | a bad answer |
//! | configuration | any other 404, such as a proxy's page | a bad answer |
//! | either | no `data` | a bad answer |
//!
//! An account's other attributes hold ids of credentials (`auth_config`). [`Accounts`] has no fields for them, so
//! serializing it again yields the answer without them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::Result;
use crate::request::Answer;
use crate::sources::datadog::{Object, bad_answer, is_not_found, is_safe, present, read_json};

/// The list of accounts, with the fields that are read and stored.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Accounts {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    data: Option<Option<Vec<Object<Account>>>>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Account {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    attributes: Option<Object<AccountAttributes>>,
}

#[derive(Debug, Deserialize, Serialize)]
struct AccountAttributes {
    #[serde(default)]
    aws_account_id: Option<String>,
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(default, deserialize_with = "present")]
    data: Option<Option<Object<ConfigurationData>>>,
}

#[derive(Deserialize, Default)]
struct ConfigurationData {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    attributes: Option<Object<ConfigurationAttributes>>,
}

#[derive(Deserialize, Default)]
struct ConfigurationAttributes {
    #[serde(default)]
    data_export_configs: Option<Vec<BTreeMap<String, Value>>>,
}

/// Reads the list of accounts: pairs of Datadog's id and the AWS account id.
pub(super) fn read_accounts(answer: &Answer) -> Result<Vec<(String, String)>> {
    let accounts: Accounts = read_json(answer)?;
    let data = accounts.data.ok_or_else(|| bad_answer("the answer has no `data`"))?;
    let mut found = Vec::new();
    for (index, Object(account)) in data.unwrap_or_default().into_iter().enumerate() {
        let bad = |message: &str| bad_answer(message).at("item", index);
        let id = account.id.ok_or_else(|| bad("an account has no `id`"))?;
        if !is_safe(&id) {
            return Err(bad("the `id` of an account cannot be part of a path").at("id", id));
        }
        let aws_account_id = account.attributes.and_then(|attributes| attributes.0.aws_account_id);
        let aws_account_id = aws_account_id.filter(|id| !id.trim().is_empty());
        found.push((id, aws_account_id.ok_or_else(|| bad("an account has no `attributes.aws_account_id`"))?));
    }
    Ok(found)
}

/// The list of accounts reduced to the two ids; `None` for what is no such list.
pub(super) fn only_ids(body: &[u8]) -> Option<Vec<u8>> {
    serde_json::to_vec(&serde_json::from_slice::<Object<Accounts>>(body).ok()?).ok()
}

/// One data export; a field that is absent, `null` or empty is `None`.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Export {
    pub(super) report_name: Option<String>,
    /// Kept even if empty: its slashes are part of the S3 keys below it.
    pub(super) report_prefix: Option<String>,
    pub(super) report_type: Option<String>,
    pub(super) bucket_name: Option<String>,
    pub(super) bucket_region: Option<String>,
}

impl Export {
    /// Where the export is delivered. Parts are joined literally: a doubled slash is a different S3 key.
    pub(super) fn uri(&self) -> Option<String> {
        let (bucket, name) = (self.bucket_name.as_deref()?, self.report_name.as_deref()?);
        let prefix = self.report_prefix.as_ref().map(|prefix| format!("{prefix}/"));
        Some(format!("s3://{bucket}/{}{name}/", prefix.unwrap_or_default()))
    }
}

/// Reads the configuration of the account `id`: its exports and the names of the fields that were not read.
pub(super) fn read_configuration(id: &str, answer: &Answer) -> Result<(Vec<Export>, Vec<String>)> {
    if is_not_found(answer)? {
        return Ok((Vec::new(), Vec::new()));
    }
    let configuration: Configuration = read_json(answer)?;
    let data = configuration.data.ok_or_else(|| bad_answer("the answer has no `data`"))?.unwrap_or_default().0;
    if let Some(other) = data.id.filter(|other| !other.eq_ignore_ascii_case(id)) {
        return Err(bad_answer("the answer is about another account").at("id", other));
    }
    let exports = data.attributes.unwrap_or_default().0.data_export_configs.unwrap_or_default();
    let mut odd = Vec::new();
    Ok((exports.into_iter().map(|fields| read_export(fields, &mut odd)).collect(), odd))
}

fn read_export(mut fields: BTreeMap<String, Value>, odd: &mut Vec<String>) -> Export {
    let mut text = |name: &str| match fields.remove(name)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        plain @ (Value::Number(_) | Value::Bool(_)) => Some(plain.to_string()),
        _ => {
            odd.push(name.to_owned());
            None
        }
    };
    let report_prefix = text("report_prefix");
    let mut filled = |name: &str| text(name).filter(|text| !text.is_empty());
    let export = Export {
        report_prefix,
        report_name: filled("report_name"),
        report_type: filled("report_type"),
        bucket_name: filled("bucket_name"),
        bucket_region: filled("bucket_region"),
    };
    odd.extend(fields.into_keys());
    export
}
