//! Advice for access-denied errors: the API has one code for all of them, so the advice depends on the message.
//!
//! | message | what to do |
//! |---|---|
//! | an explicit deny, in any policy | have that policy changed: an allow elsewhere does not help |
//! | an action that is not allowed, by a kind of policy | allow that action there |
//! | an opt-in feature: hourly or resource-level data | opt in as the payer, or read days |
//! | Cost Explorer is not enabled | open Cost Explorer once in the console |
//! | a linked account has no access | allow access in the management account |
//! | a billing view | have it shared, and allow reading it |
//! | anything else, or nothing | the usual permissions |

use crate::error::{Error, Kind};

/// Kinds of policies, in AWS's terms.
const POLICIES: [&str; 7] = [
    "service control policy",
    "resource control policy",
    "resource-based policy",
    "permissions boundary",
    "session policy",
    "VPC endpoint policy",
    "identity-based policy",
];

/// The error of an operation that was denied with this message, already stripped of ARNs and account ids.
pub(super) fn denied(operation: &str, words: &str) -> Error {
    let own_action = format!("ce:{operation}");
    let text = words.to_lowercase();
    let has = |part: &str| text.contains(part);
    let policy = POLICIES.iter().find(|policy| has(&policy.to_lowercase())).copied();
    let refused = |what: &str| {
        Error::new(Kind::Auth, if words.is_empty() { what.to_owned() } else { format!("{what}: {words}") })
    };
    if has("explicit deny") || has("explicitly denied") {
        let policy = policy.unwrap_or("policy");
        return refused("a policy denies the request").advise(format!(
            "have the {policy} changed that denies {}: allowing it anywhere else does not help",
            action(words).unwrap_or(&own_action)
        ));
    }
    if let Some(action) = action(words) {
        let place = match policy {
            None | Some("identity-based policy") => "a policy of the user or role".to_owned(),
            Some(policy) => format!("the {policy}, which does not allow it"),
        };
        return refused(&format!("the credentials may not call {action}"))
            .advise(format!("add {action} on * to {place}, and check service control policies"));
    }
    if has("opt-in") || has("opt in") || has("opted in") {
        return refused("Cost Explorer denies data that have to be opted in to").advise(
            "opt in to hourly or resource-level data as the management (payer) account in the preferences of Cost \
             Management, which AWS charges for; data come within two days; or set source.granularity = \"DAILY\" under a new name",
        );
    }
    if has("linked account") || has("member account") {
        return refused("Cost Explorer denies the request of this account").advise(
            "allow linked account access in the Cost Management preferences of the management account, or use the \
             credentials of that account",
        );
    }
    if has("cost explorer")
        && ["not enabled", "isn't enabled", "not activated", "disabled", "enable cost explorer"]
            .iter()
            .any(|part| has(part))
    {
        return refused("Cost Explorer is not enabled for this account").advise(
            "open Cost Explorer once in the console of the management account; for a member account allow linked account access in its preferences; data come within a day",
        );
    }
    if has("billing view") || has("billingview") {
        return refused("the billing view may not be read").advise(
            "check aws.billing_view_arn, have the view shared with this account, and allow {own_action} and \
             billing:GetBillingViewData on it",
        );
    }
    if words.is_empty() || has("not authorized") || has("access denied") {
        return refused(&format!("the credentials may not call {own_action}"))
            .advise(format!("add {own_action} on * to the role's policy, and check service control policies"));
    }
    refused("Cost Explorer denies the request").advise(format!(
        "the words after the colon are the API's: do what they ask for; else see that {own_action} is allowed, that Cost \
         Explorer is enabled, and that no service control policy denies it"
    ))
}

/// The action that the message says is not allowed.
fn action(words: &str) -> Option<&str> {
    let (_, rest) = words.split_once("perform: ").or_else(|| words.split_once("permission to perform "))?;
    let name = rest.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '-'))).next()?;
    name.split_once(':').filter(|(service, call)| !service.is_empty() && !call.is_empty()).map(|_| name)
}

#[cfg(test)]
mod tests {
    use super::denied;
    use crate::error::Kind;

    #[test]
    fn the_words_are_kept_and_the_advice_fits_them() {
        let user = "User: … is not authorized to perform:";
        for (words, advice) in [
            (format!("{user} ce:GetCostAndUsage on resource: … because no identity-based policy allows the ce:GetCostAndUsage action"), "add ce:GetCostAndUsage on * to a policy of the user or role"),
            (format!("{user} billing:GetBillingViewData on resource: …"), "add billing:GetBillingViewData on *"),
            (format!("{user} ce:GetCostAndUsage because no service control policy allows the action"), "to the service control policy"),
            (format!("{user} ce:GetCostAndUsage because no VPC endpoint policy allows the action"), "to the VPC endpoint policy"),
            (format!("{user} ce:GetCostAndUsage on resource: … with an explicit deny in a service control policy"), "have the service control policy changed that denies ce:GetCostAndUsage"),
            (format!("{user} ce:GetCostAndUsage with an explicit deny in a permissions boundary"), "have the permissions boundary changed"),
            (format!("{user} ce:GetCostAndUsage with an explicit deny"), "have the policy changed"),
            ("Hourly data granularity is an opt-in only feature. You can enable this feature from the PAYER account's Cost Explorer Settings page.".to_owned(), "opt in to hourly"),
            ("Resource-level data is an opt-in only feature.".to_owned(), "opt in to hourly or resource-level"),
            ("User not enabled for cost explorer access".to_owned(), "open Cost Explorer once"),
            ("Cost Explorer is not activated for this account".to_owned(), "open Cost Explorer once"),
            ("Linked account doesn't have access to cost explorer.".to_owned(), "linked account access"),
            ("User does not have access to the billing view".to_owned(), "aws.billing_view_arn"),
            ("Access denied".to_owned(), "add ce:GetCostAndUsage on *"),
            ("The moon stands wrong.".to_owned(), "do what they ask for"),
        ] {
            let error = denied("GetCostAndUsage", &words);
            assert_eq!(error.kind(), Kind::Auth, "{words}");
            assert!(error.message().ends_with(&words), "the words are gone: {}", error.report());
            assert!(error.report().contains(advice), "{}", error.report());
        }
        assert_eq!(denied("GetCostAndUsage", "").message(), "the credentials may not call ce:GetCostAndUsage");
    }
}
