//! The cloud accounts whose costs are read, and the health of their exports.
//!
//! Accounts with a CUR 2.0 export are those that the integration has a configuration for. One account still has an old
//! export. The Azure export cannot be read, so there are commitments of Azure but no costs; there is no Google Cloud.

use chrono::Weekday;
use serde_json::{Value, json};

use crate::sandbox::catalog::Account;
use crate::sandbox::dice::{hex, mix, uuid};

use super::integration::WITHOUT_EXPORT;
use super::{Company, Parameters, Refusal, one_of, optional};

/// The unit whose account has an export of the old kind.
const OLD_EXPORT: &str = "871265409918";
/// The unit whose account's export came late.
const LATE_EXPORT: &str = "640018273645";

fn number(company: Company<'_>, account: &Account) -> u64 {
    let place = company.bill.accounts.iter().position(|known| **known == *account).unwrap_or(0);
    534 + 7 * place as u64 + 56 * company.number()
}

/// `cost/cloud_accounts`: the accounts with a CUR 2.0 export. The late one is found late anew each Monday.
pub(super) fn cloud_accounts(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let cloud = optional(parameters, "filter[cloud]").unwrap_or("aws_cur2");
    one_of(&["aws_cur2", "oci"], "filter[cloud]", cloud)?;
    let monday = company.today().week(Weekday::Mon).first_day();
    let accounts = company.bill.accounts.iter().filter(|account| !WITHOUT_EXPORT.contains(&account.unit.id));
    let data = accounts.filter(|_| cloud.eq_ignore_ascii_case("aws_cur2")).map(|account| {
        let late = account.unit.id == LATE_EXPORT;
        let since = if late { format!("{monday}T05:12:47Z") } else { "2025-09-01T05:12:47Z".to_owned() };
        let errors: &[&str] = if late { &["No new report version for more than 24 hours."] } else { &[] };
        json!({
            "id": number(company, account).to_string(),
            "type": "cloud_account",
            "attributes": {
                "account_id": account.id,
                "cloud": "aws_cur2",
                "created_at": "2025-02-11T08:30:04Z",
                "error_messages": errors,
                "status": if late { "warn" } else { "active" },
                "status_updated_at": since,
                "updated_at": "2025-09-01T05:12:47Z",
            },
        })
    });
    Ok(json!({ "data": data.collect::<Vec<Value>>() }))
}

/// `cost/aws_cur_config`: the accounts with an export of the old kind.
pub(super) fn aws_cur_config(company: Company<'_>, _: &Parameters) -> Result<Value, Refusal> {
    let data = company.bill.accounts.iter().filter(|account| account.unit.id == OLD_EXPORT).map(|account| {
        json!({
            "id": number(company, account).to_string(),
            "type": "aws_cur_config",
            "attributes": {
                "account_filters": { "include_new_accounts": null },
                "account_id": account.id,
                "bucket_name": format!("harbor-billing-{}", account.id),
                "bucket_region": account.unit.region.name,
                "report_name": "hourly-legacy",
                "report_prefix": "cur",
                "months": 15,
                "created_at": "2024-03-05T10:02:51.307114",
                "updated_at": "2024-06-18T16:44:09.851270",
                "status": "active",
                "status_updated_at": "2025-11-03T02:15:38.094463",
                "error_messages": null,
            },
        })
    });
    Ok(json!({ "data": data.collect::<Vec<Value>>() }))
}

/// `cost/azure_uc_config`: one pair of exports with one id.
pub(super) fn azure_uc_config(company: Company<'_>, _: &Parameters) -> Result<Value, Refusal> {
    let id = |what: u64| uuid(&hex(mix(&[company.seed(), 85, what]), 32));
    let config = |dataset: &str| {
        json!({
            "id": "611",
            "account_id": id(1),
            "client_id": id(2),
            "dataset_type": dataset,
            "export_name": format!("harbor-{dataset}"),
            "export_path": format!("exports/{dataset}"),
            "scope": format!("/subscriptions/{}", id(3)),
            "storage_account": "harborcosts",
            "storage_container": "billing",
            "months": 15,
            "created_at": "2025-01-20T11:26:33.640915",
            "updated_at": "2025-01-20T11:26:33.640915",
            "status": "error",
            "status_updated_at": "2025-10-07T04:40:12.118206",
            "error_messages": [format!("The container has no export named harbor-{dataset}.")],
        })
    };
    let attributes = json!({ "id": "611", "configs": [config("actual"), config("amortized")] });
    Ok(json!({ "data": [{ "id": "611", "type": "azure_uc_configs", "attributes": attributes }] }))
}

/// `cost/gcp_uc_config`: none.
pub(super) fn gcp_uc_config(_: Company<'_>, _: &Parameters) -> Result<Value, Refusal> {
    Ok(json!({ "data": [] }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::{Value, json};

    use super::{aws_cur_config, azure_uc_config, cloud_accounts, gcp_uc_config};
    use crate::sandbox::datadog::integration::{accounts, ccm_config};
    use crate::sandbox::datadog::tests::{company, parameters};
    use crate::sandbox::reader::{NOW, service};

    #[test]
    fn cloud_accounts_are_those_with_an_export_in_the_integration() {
        let ce = service(1_000);
        let (company, nothing) = (company(&ce, NOW), parameters(&[]));
        let integrated = accounts(company, &nothing).unwrap()["data"].as_array().unwrap().clone();
        let with_export =
            integrated.iter().filter(|a| ccm_config(company, a["id"].as_str().unwrap(), &nothing).is_ok());
        let with_export: Vec<&Value> = with_export.map(|a| &a["attributes"]["aws_account_id"]).collect();
        for pairs in [vec![], vec![("filter[cloud]", "AWS_CUR2")]] {
            let listed = cloud_accounts(company, &parameters(&pairs)).unwrap()["data"].as_array().unwrap().clone();
            let ids: Vec<&Value> = listed.iter().map(|a| &a["attributes"]["account_id"]).collect();
            assert_eq!(ids, with_export);
            for account in &listed {
                let attributes = &account["attributes"];
                assert!(account["id"].is_string() && account["type"] == "cloud_account");
                let has_errors = !attributes["error_messages"].as_array().unwrap().is_empty();
                assert_eq!(attributes["status"], if has_errors { "warn" } else { "active" });
            }
            assert_eq!(listed.iter().filter(|a| a["attributes"]["status"] == "warn").count(), 1);
        }
        let later = cloud_accounts(crate::sandbox::datadog::tests::company(&ce, "2026-11-23T04:00:00Z"), &nothing);
        assert_ne!(later.unwrap(), cloud_accounts(company, &nothing).unwrap(), "a Monday later");
        let none = cloud_accounts(company, &parameters(&[("filter[cloud]", "oci")])).unwrap();
        assert_eq!(none, json!({ "data": [] }));
        assert_eq!(cloud_accounts(company, &parameters(&[("filter[cloud]", "gcp")])).unwrap_err().status, 400);
    }

    #[test]
    fn other_exports_are_an_old_one_a_broken_pair_and_none() {
        let ce = service(1_000);
        let (company, nothing) = (company(&ce, NOW), parameters(&[]));
        let old = aws_cur_config(company, &nothing).unwrap();
        assert_eq!(old["data"].as_array().unwrap().len(), 1);
        assert!(old["data"][0]["attributes"]["error_messages"].is_null());
        assert!(old["data"][0]["attributes"]["account_filters"]["include_new_accounts"].is_null());
        let azure = azure_uc_config(company, &nothing).unwrap();
        let configs = azure["data"][0]["attributes"]["configs"].as_array().unwrap();
        assert_eq!([&configs[0]["id"], &configs[1]["id"]], [&azure["data"][0]["id"]; 2]);
        assert_eq!([&configs[0]["dataset_type"], &configs[1]["dataset_type"]], ["actual", "amortized"]);
        assert!(configs.iter().all(|config| config["status"] == "error" && config["error_messages"][0].is_string()));
        assert_eq!(gcp_uc_config(company, &nothing).unwrap(), json!({ "data": [] }));
    }
}
