//! The known dimensions of Cost Explorer. AWS adds new ones, so an unknown dimension is a warning, not an error.

use crate::job::section::{Problems, nearest};

const KNOWN: [&str; 36] = [
    "AGREEMENT_END_DATE_TIME_AFTER",
    "AGREEMENT_END_DATE_TIME_BEFORE",
    "ANOMALY_TOTAL_IMPACT_ABSOLUTE",
    "ANOMALY_TOTAL_IMPACT_PERCENTAGE",
    "AZ",
    "BILLING_ENTITY",
    "CACHE_ENGINE",
    "DATABASE_ENGINE",
    "DEPLOYMENT_OPTION",
    "INSTANCE_TYPE",
    "INSTANCE_TYPE_FAMILY",
    "INVOICING_ENTITY",
    "LEGAL_ENTITY_NAME",
    "LINKED_ACCOUNT",
    "LINKED_ACCOUNT_NAME",
    "OPERATING_SYSTEM",
    "OPERATION",
    "PAYER_ACCOUNT",
    "PAYMENT_OPTION",
    "PLATFORM",
    "PRODUCT_ATTRIBUTE",
    "PURCHASE_TYPE",
    "RECORD_TYPE",
    "REGION",
    "RESERVATION_ID",
    "RESOURCE_ID",
    "RIGHTSIZING_TYPE",
    "SAVINGS_PLANS_TYPE",
    "SAVINGS_PLAN_ARN",
    "SCOPE",
    "SERVICE",
    "SERVICE_CODE",
    "SUBSCRIPTION_ID",
    "TENANCY",
    "USAGE_TYPE",
    "USAGE_TYPE_GROUP",
];

/// Warns about an unknown dimension and suggests the nearest known one.
pub(super) fn warn_unknown(path: &str, key: &str, problems: &Problems) {
    if !KNOWN.contains(&key) {
        let hint = nearest(key, KNOWN);
        problems.warn(path, format!("\"{key}\" is no dimension that is known{hint}; the API may refuse it"));
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, warn_unknown};
    use crate::job::section::Problems;
    use aws_sdk_costexplorer::types::Dimension;

    #[test]
    fn the_list_is_that_of_the_sdk() {
        let mut sdk = Dimension::values().to_vec();
        sdk.sort_unstable();
        assert_eq!(KNOWN.to_vec(), sdk);
    }

    #[test]
    fn an_unknown_dimension_is_a_warning_with_the_nearest_name() {
        let warned = |key| {
            let problems = Problems::default();
            warn_unknown("here", key, &problems);
            assert!(problems.is_empty());
            problems.into_warnings().into_iter().map(|warning| warning.to_string()).collect::<Vec<_>>()
        };
        for known in KNOWN {
            assert_eq!(warned(known), Vec::<String>::new(), "{known}");
        }
        let odd = |key: &str, hint: &str| {
            format!("here \"{key}\" is no dimension that is known{hint}; the API may refuse it")
        };
        assert_eq!(warned("SERVCE"), [odd("SERVCE", " (did you mean `SERVICE`?)")]);
        assert_eq!(warned("QUITE_NEW"), [odd("QUITE_NEW", "")]);
    }
}
