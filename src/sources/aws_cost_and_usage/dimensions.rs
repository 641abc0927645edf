//! The known dimensions of Cost Explorer. AWS adds new ones, so an unknown dimension is a warning; but a known one that is
//! misspelt is an error.

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

/// Notes a dimension that is a known one with a slip of the pen, and warns about one that is wholly unknown.
pub(super) fn check_key(path: &str, key: &str, problems: &Problems) {
    if KNOWN.contains(&key) {
        return;
    }
    let hint = nearest(key, KNOWN);
    if KNOWN.iter().any(|known| is_slip(key, known)) {
        problems.note(path, format!("unknown dimension \"{key}\"{hint}"));
    } else {
        problems.warn(path, format!("\"{key}\" is no dimension that is known{hint}; the API may refuse it"));
    }
}

/// Whether a name is another with one letter more, less, changed or swapped; two in long names.
fn is_slip(given: &str, known: &str) -> bool {
    let most = if known.len() < 6 { 1 } else { 2 };
    given.len().abs_diff(known.len()) <= most && strsim::damerau_levenshtein(given, known) <= most
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, check_key};
    use crate::job::section::Problems;
    use aws_sdk_costexplorer::types::Dimension;

    #[test]
    fn the_list_is_that_of_the_sdk() {
        let mut sdk = Dimension::values().to_vec();
        sdk.sort_unstable();
        assert_eq!(KNOWN.to_vec(), sdk);
    }

    #[test]
    fn no_known_dimension_is_refused() {
        for known in KNOWN {
            let problems = Problems::default();
            check_key("here", known, &problems);
            assert!(problems.is_empty() && problems.into_warnings().is_empty(), "{known}");
        }
    }

    #[test]
    fn a_slip_is_a_problem_with_the_known_name_and_a_new_dimension_a_warning() {
        for (slip, known) in
            [("SERVCE", "SERVICE"), ("SERVICES", "SERVICE"), ("USAGE_TPYE", "USAGE_TYPE"), ("AS", "AZ")]
        {
            let problems = Problems::default();
            check_key("here", slip, &problems);
            let told: Vec<String> = problems.into_list().iter().map(ToString::to_string).collect();
            assert_eq!(told, [format!("here: unknown dimension \"{slip}\" (did you mean `{known}`?)")]);
        }
        for new in ["QUITE_NEW", "LINKED_ACCOUNT_OWNER", "ID"] {
            let problems = Problems::default();
            check_key("here", new, &problems);
            assert!(problems.is_empty(), "{new}");
            assert_eq!(problems.into_warnings().len(), 1, "{new}");
        }
    }
}
