//! Datadog's AWS integration: one configuration per linked account, most of them with a cost export set up.

use serde_json::{Value, json};

use super::catalog::{ACCOUNTS, Account};
use super::commitments::uuid;
use super::dice::{hex, mix, of_text};

/// Accounts that are integrated but have no cost export.
const WITHOUT_EXPORT: [&str; 2] = ["004400219873", "871265409918"];

fn id(seed: u64, account: &Account) -> String {
    uuid(&hex(mix(&[seed, 81, of_text(account.id)]), 32))
}

/// All integrated accounts, or the one with the given AWS id.
pub(super) fn accounts(seed: u64, aws_account_id: Option<&str>) -> Value {
    let wanted = ACCOUNTS.iter().filter(|account| aws_account_id.is_none_or(|id| id == account.id));
    let data: Vec<Value> = wanted.map(|account| account_data(seed, account)).collect();
    json!({ "data": data })
}

fn account_data(seed: u64, account: &Account) -> Value {
    let secret = hex(mix(&[seed, 82, of_text(account.id)]), 32);
    let tags = if account.env.is_empty() { Value::Null } else { json!([format!("env:{}", account.env)]) };
    json!({
        "id": id(seed, account),
        "type": "account",
        "attributes": {
            "account_tags": tags,
            "auth_config": { "role_name": "HarborDatadogRole", "external_id": secret },
            "aws_account_id": account.id,
            "aws_partition": "aws",
            "aws_regions": { "include_only": [account.region.name] },
            "created_at": "2024-03-05T09:41:12.480913Z",
            "modified_at": "2025-06-18T14:02:55.10277Z",
            "logs_config": { "lambda_forwarder": { "lambdas": [], "sources": [] } },
            "metrics_config": { "enabled": true, "automute_enabled": true, "tag_filters": [] },
            "resources_config": { "extended_collection": true },
            "traces_config": { "xray_services": { "include_only": [] } }
        }
    })
}

/// Why there is no cost configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The id in the path is not a UUID.
    NotAnId,
    /// No such account, or no export set up for it.
    NotFound,
}

/// The cost export of one account.
pub(super) fn ccm_config(seed: u64, config_id: &str) -> Result<Value, Missing> {
    if !is_uuid(config_id) {
        return Err(Missing::NotAnId);
    }
    let account = ACCOUNTS.iter().find(|account| id(seed, account).eq_ignore_ascii_case(config_id));
    let account = account.filter(|account| !WITHOUT_EXPORT.contains(&account.id)).ok_or(Missing::NotFound)?;
    let export = |name: &str, prefix: &str, bucket: String| {
        json!({
            "report_name": name,
            "report_prefix": prefix,
            "report_type": "CUR2.0",
            "bucket_name": bucket,
            "bucket_region": account.region.name,
        })
    };
    let mut exports = vec![export("hourly-with-resources", "exports/cur2", format!("harbor-billing-{}", account.id))];
    if account.id == ACCOUNTS[0].id {
        exports.push(export("organization", "exports/finance/monthly", "harbor-finance".to_owned()));
    }
    Ok(json!({
        "data": {
            "id": id(seed, account),
            "type": "ccm_config",
            "attributes": { "data_export_configs": exports }
        }
    }))
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}
