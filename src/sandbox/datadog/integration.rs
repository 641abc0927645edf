//! Datadog's AWS integration: one configuration per linked account, most of them with a cost export set up.

use serde_json::{Value, json};

use crate::sandbox::catalog::Account;
use crate::sandbox::dice::{hex, mix, of_text, uuid};

use super::{Company, Parameters, Refusal, optional};

/// The units whose accounts are integrated but have no cost export.
pub(super) const WITHOUT_EXPORT: [&str; 2] = ["004400219873", "871265409918"];

fn id(seed: u64, account: &Account) -> String {
    uuid(&hex(mix(&[seed, 81, of_text(&account.id)]), 32))
}

/// `integration/aws/accounts`: all integrated accounts, or the one with the given AWS id.
pub(super) fn accounts(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let id = optional(parameters, "aws_account_id");
    let wanted = company.bill.accounts.iter().filter(|account| id.is_none_or(|id| id == account.id));
    let data: Vec<Value> = wanted.map(|account| account_data(company.seed(), account)).collect();
    Ok(json!({ "data": data }))
}

fn account_data(seed: u64, account: &Account) -> Value {
    let secret = hex(mix(&[seed, 82, of_text(&account.id)]), 32);
    let tags = if account.unit.env.is_empty() { Value::Null } else { json!([format!("env:{}", account.unit.env)]) };
    json!({
        "id": id(seed, account),
        "type": "account",
        "attributes": {
            "account_tags": tags,
            "auth_config": { "role_name": "HarborDatadogRole", "external_id": secret },
            "aws_account_id": account.id,
            "aws_partition": "aws",
            "aws_regions": { "include_only": [account.unit.region.name] },
            "created_at": "2024-03-05T09:41:12.480913Z",
            "modified_at": "2025-06-18T14:02:55.10277Z",
            "logs_config": { "lambda_forwarder": { "lambdas": [], "sources": [] } },
            "metrics_config": { "enabled": true, "automute_enabled": true, "tag_filters": [] },
            "resources_config": { "extended_collection": true },
            "traces_config": { "xray_services": { "include_only": [] } }
        }
    })
}

/// `integration/aws/accounts/{id}/ccm_config`: the cost exports of one account. Finance has a folder for each month.
pub(super) fn ccm_config(company: Company<'_>, config_id: &str, _: &Parameters) -> Result<Value, Refusal> {
    if !is_uuid(config_id) {
        return Err(Refusal::invalid(
            "invalid parameter \"aws_account_config_id\" in \"path\"; expected type \"uuid\"",
        ));
    }
    let seed = company.seed();
    let account = company.bill.accounts.iter().find(|account| id(seed, account).eq_ignore_ascii_case(config_id));
    let account = account
        .filter(|account| !WITHOUT_EXPORT.contains(&account.unit.id))
        .ok_or_else(|| Refusal::new(404, "Account not found", "AWS account with provided id is not integrated"))?;
    let export = |name: &str, prefix: &str, bucket: String| {
        json!({
            "report_name": name,
            "report_prefix": prefix,
            "report_type": "CUR2.0",
            "bucket_name": bucket,
            "bucket_region": account.unit.region.name,
        })
    };
    let mut exports = vec![export("hourly-with-resources", "exports/cur2", format!("harbor-billing-{}", account.id))];
    if account.id == account.payer {
        let folder = format!("exports/finance/{}", company.today().format("%Y-%m"));
        exports.push(export("organization", &folder, "harbor-finance".to_owned()));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{accounts, ccm_config};
    use crate::sandbox::datadog::tests::{company, parameters};
    use crate::sandbox::reader::{NOW, service};

    #[test]
    fn accounts_lead_to_their_exports() {
        let ce = service(1_000);
        let (company, nothing) = (company(&ce, NOW), parameters(&[]));
        let all = accounts(company, &nothing).unwrap();
        let ids: Vec<&str> = all["data"].as_array().unwrap().iter().map(|a| a["id"].as_str().unwrap()).collect();
        let status = |id: &&str| ccm_config(company, id, &nothing).map_or_else(|refusal| refusal.status, |_| 200);
        let found: Vec<u16> = ids.iter().map(status).collect();
        assert_eq!((found.len(), found.iter().filter(|status| **status == 404).count()), (8, 2));
        assert_eq!(ccm_config(company, "not-a-uuid", &nothing).unwrap_err().status, 400);
        let one = accounts(company, &parameters(&[("aws_account_id", "000123456789")])).unwrap();
        assert_eq!(one["data"].as_array().unwrap().len(), 1);
        assert!(one["data"][0]["attributes"]["auth_config"]["external_id"].is_string());
    }
}
