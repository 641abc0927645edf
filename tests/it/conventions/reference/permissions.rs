//! The page of permissions: the policies of the Terraform module, letter for letter, and the operations of the registry.

use std::collections::BTreeMap;

use costlake::sources::REGISTRY;
use costlake::sources::provider::COST_EXPLORER;

use super::{codes, head, is_kept, row, wrapped};
use crate::conventions::source::read;

/// The policies: file, title, and what to know.
const POLICIES: [(&str, &str, &str); 3] = [
    (
        "costs",
        "Cost Explorer",
        "Enable Cost Explorer once in the console. `sts:GetCallerIdentity` is allowed unless a policy denies it. `aws.role_arn` \
         needs `sts:AssumeRole` on that role.",
    ),
    (
        "lake",
        "The lake in S3",
        "For whoever runs jobs, with `my-bucket` and `bills` replaced by your bucket and prefix. `s3:DeleteObject` is never \
         needed below a table. With a KMS key, add `kms:GenerateDataKey` and `kms:Decrypt` on it. With `--lease`, add \
         `s3:DeleteObject` on `_costlake/*/lease/*` to have old leases removed.",
    ),
    (
        "reader",
        "Asking the lake",
        "For `show`, `status`, `verify`, `connect` and every engine that reads the files. With a KMS key, add `kms:Decrypt` on it.",
    ),
];

/// Permissions of the application key, by source; the first is that of all others.
const DATADOG_PERMISSIONS: [(&str, &str); 3] = [
    ("all but the last", "`cloud_cost_management_read`"),
    ("`datadog_cost`", "the same and `timeseries_query`"),
    ("`datadog_ccm_config`", "`aws_configuration_read`"),
];

fn page(policies: &[String]) -> String {
    let mut page = format!(
        "# Permissions\n\n{}",
        wrapped(
            "The least that costlake needs. The policies are files of the Terraform module, too: \
             [deploy/terraform/policies](../../deploy/terraform/policies)."
        )
    );
    for ((_, title, about), policy) in POLICIES.iter().zip(policies) {
        page += &format!("\n## {title}\n\n{}\n```json\n{policy}```\n", wrapped(about));
        if *title == "Cost Explorer" {
            page += &format!("\n{}\n", wrapped("The other sources need the action of their operation besides:"));
            page += &head(&["action", "for"]);
            page += &actions();
        }
    }
    page += &format!(
        "\n## Datadog\n\n{}\n",
        wrapped(
            "An API key and an application key: `DD_API_KEY` and `DD_APP_KEY`, or files with them \
             ([environment](environment.md#datadog)). The application key needs:"
        )
    );
    page += &head(&["source", "permission"]);
    for (source, permission) in DATADOG_PERMISSIONS {
        page += &row(&[source, permission]);
    }
    page += &format!(
        "\n{}",
        wrapped("Bearer tokens and OAuth are not supported in this version: the AWS integration endpoints take none.")
    );
    page
}

/// The action of each operation of Cost Explorer.
fn actions() -> String {
    let mut actions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in REGISTRY.iter().filter(|entry| std::ptr::eq(entry.provider, &COST_EXPLORER)) {
        for operation in entry.operations {
            actions.entry(operation).or_default().push(entry.name);
        }
    }
    let mut rows = String::new();
    for (operation, names) in actions {
        rows += &row(&[&format!("`ce:{operation}`"), &codes(names)]);
    }
    let listings = ["GetDimensionValues", "GetTags", "GetCostCategories"];
    rows + &row(&[&codes(listings.map(|name| format!("ce:{name}")).iter().map(String::as_str)), "`costlake values`"])
}

/// The policies are kept in the order of the page.
#[test]
fn the_page_of_permissions_has_the_policies_of_the_module() {
    let policies = POLICIES.map(|(name, ..)| read(format!("deploy/terraform/policies/{name}.json")));
    is_kept("permissions", &page(&policies));
    let others = policies.clone().map(|text| text.replace("PutObject", "PutObjectAcl"));
    assert_ne!(page(&others), page(&policies), "another policy is not seen");
}

#[test]
fn every_policy_of_the_module_is_on_the_page() {
    let files = crate::conventions::source::files("deploy/terraform/policies");
    let mut names: Vec<String> = files.iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    let mut known = POLICIES.map(|(name, ..)| name.to_owned());
    known.sort();
    assert_eq!(names, known);
}
