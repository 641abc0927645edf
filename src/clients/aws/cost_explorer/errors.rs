//! Maps errors of Cost Explorer and of its SDK client to a kind, a message and advice.
//!
//! | the API says | kind | what to do |
//! |---|---|---|
//! | LimitExceeded, Throttling… | `Throttled` | retried at a lower rate |
//! | InvalidNextToken, RequestChanged | `Restart` | the fetch restarts at page 1 |
//! | AccessDenied | `Auth` | depends on the message: see `denied.rs` |
//! | expired or unknown keys | `Auth` | renew them |
//! | DataUnavailable | `Refused` | wait a day after enabling Cost Explorer, or move `window.begin` |
//! | BillExpiration | `Refused` | the days are too old |
//! | Validation… | `Refused` | see the API's message |

use aws_sdk_costexplorer::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_costexplorer::operation::get_cost_and_usage::GetCostAndUsageError;

use super::LONGEST_ID;
use super::denied::denied;
use crate::clients::aws::config::{credentials_unreachable, is_for_credentials};
use crate::clients::{causes, without_identities};
use crate::error::{Error, Kind, printable};
use crate::unreached::Unreached;

/// The error for a plain-http endpoint, raised before anything is sent.
pub(super) const PLAIN_HTTP: &str = "the Cost Explorer endpoint is plain http and not on this machine";

pub(super) type SendError = SdkError<GetCostAndUsageError, aws_smithy_runtime_api::client::orchestrator::HttpResponse>;

/// Explains why `operation` has no answer.
pub(super) fn explain(error: &SendError, operation: &str) -> Error {
    let whole = causes(error);
    match error {
        SdkError::ServiceError(context) => {
            let raw = context.raw();
            let id: String =
                raw.headers().get("x-amzn-requestid").unwrap_or_default().chars().take(LONGEST_ID).collect();
            let (code, message) = (context.err().code(), context.err().message().unwrap_or_default());
            let answered = explain_code(operation, code, message, raw.status().as_u16());
            if id.is_empty() { answered } else { answered.at("request id", id) }
        }
        SdkError::TimeoutError(_) => Error::new(Kind::Unavailable, "Cost Explorer did not answer in time"),
        SdkError::ResponseError(_) => {
            Error::new(Kind::Unavailable, "the answer of Cost Explorer broke off").because(shorten(&whole))
        }
        _ if whole.contains(PLAIN_HTTP) => {
            Error::new(Kind::Config, PLAIN_HTTP).advise("use https, or pass --allow-http")
        }
        // The SDK's own message would show the whole request.
        _ if whole.contains("failed to apply endpoint") || whole.contains("unsupported scheme") => {
            Error::new(Kind::Config, "the address of Cost Explorer is no https URL")
                .advise("correct AWS_ENDPOINT_URL_COST_EXPLORER or AWS_ENDPOINT_URL, or unset it")
        }
        _ if whole.contains("`region`") => Error::new(Kind::Config, "the AWS region is none")
            .advise("correct AWS_REGION, aws.region or the profile's region"),
        SdkError::DispatchFailure(_) => undelivered(error, &whole).because(shorten(&whole)),
        _ => Error::new(Kind::Internal, "the request could not be built").because(shorten(&whole)),
    }
}

/// The error for a request that was not delivered: no connection, or no credentials, which the SDK obtains per request.
fn undelivered(error: &SendError, whole: &str) -> Error {
    let unreached = Unreached::within(error);
    if is_for_credentials(error) || unreached.is_none() && whole.to_lowercase().contains("credential") {
        return no_credentials(error);
    }
    let what = "cannot reach Cost Explorer";
    unreached.map_or_else(|| Error::new(Kind::Unavailable, what), |unreached| unreached.error(what))
}

fn no_credentials(error: &SendError) -> Error {
    credentials_unreachable(error).unwrap_or_else(|| {
        Error::new(Kind::Auth, "the AWS credentials cannot be used")
            .advise("renew them: `aws sso login`, or new keys; then run again")
    })
}

/// Maps an error code that `operation` was answered with; `message` is the API's own text.
#[must_use]
pub fn explain_code(operation: &str, code: Option<&str>, message: &str, status: u16) -> Error {
    let words = shorten(&without_identities(message));
    let refused = |what: &str| Error::new(Kind::Refused, format!("{what}: {words}"));
    match code.unwrap_or_default() {
        "LimitExceededException" | "ThrottlingException" | "Throttling" | "ThrottledException" | "TooManyRequestsException"
        | "RequestLimitExceeded" | "RequestThrottled" | "SlowDown" => Error::new(Kind::Throttled, "Cost Explorer asks to slow down")
            .advise("lower limits.requests_per_second in the job, or run at another hour"),
        "InvalidNextTokenException" => Error::new(Kind::Restart, "Cost Explorer no longer knows the page token"),
        "RequestChangedException" => Error::new(Kind::Restart, "Cost Explorer says that the request changed between pages"),
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" | "OptInRequired"
        | "SubscriptionRequiredException" => denied(operation, &words),
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => Error::new(Kind::Auth, "the AWS credentials have expired")
            .advise("renew them: `aws sso login`, or a new session; also check this machine's clock"),
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidSignatureException" | "SignatureDoesNotMatch"
        | "IncompleteSignatureException" | "MissingAuthenticationTokenException" => {
            Error::new(Kind::Auth, "AWS does not accept the credentials").advise("check the keys or the profile, and this machine's clock")
        }
        "DataUnavailableException" => refused("Cost Explorer has no data for this window").of_no_data()
            .advise("after enabling Cost Explorer data come within a day; for older days move window.begin to the first day that has data"),
        "BillExpirationException" => refused("the days are older than Cost Explorer keeps them")
            .advise("move window.begin or --from to a later day; MONTHLY data reach further back where multi-year data is enabled"),
        "ValidationException" => refused("Cost Explorer refuses the request").advise("fix `source` or the date range (the text above is AWS's own message)"),
        "ResourceNotFoundException" | "BillingViewHealthStatusException" => {
            refused("the billing view cannot be read").advise("check aws.billing_view_arn and that the view is healthy")
        }
        _ if status == 429 => Error::new(Kind::Throttled, "Cost Explorer asks to slow down"),
        _ if status == 408 || status >= 500 => Error::new(Kind::Unavailable, format!("Cost Explorer failed with HTTP {status}")).because(words),
        "" => Error::new(Kind::Refused, format!("HTTP {status} came in place of an answer, without an error code of Cost Explorer"))
            .advise("see whether a proxy, or what AWS_ENDPOINT_URL_COST_EXPLORER or AWS_ENDPOINT_URL names, answers in the API's place"),
        code => {
            let code = shorten(&without_identities(code));
            Error::new(Kind::Refused, format!("Cost Explorer refuses the request with HTTP {status} {code}: {words}"))
        }
    }
}

fn shorten(text: &str) -> String {
    let text = printable(text);
    if text.chars().count() <= 300 { text } else { format!("{}…", text.chars().take(300).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::explain_code;
    use crate::error::Kind;

    #[test]
    fn each_refusal_has_its_own_kind_and_advice() {
        for (code, message, status, kind, words) in [
            ("LimitExceededException", "Rate limit exceeded", 400, Kind::Throttled, "slow down"),
            ("InvalidNextTokenException", "", 400, Kind::Restart, "page token"),
            ("AccessDeniedException", "User not enabled for cost explorer access", 400, Kind::Auth, "not enabled"),
            (
                "AccessDeniedException",
                "User: arn:aws:iam::123456789012:user/x is not authorized",
                400,
                Kind::Auth,
                "ce:GetCostAndUsage",
            ),
            ("ExpiredTokenException", "", 400, Kind::Auth, "expired"),
            ("DataUnavailableException", "Data is not available.", 400, Kind::Refused, "Data is not available."),
            ("BillExpirationException", "", 400, Kind::Refused, "older"),
            ("ValidationException", "Start date", 400, Kind::Refused, "Start date"),
            ("", "oops", 503, Kind::Unavailable, "503"),
            ("", "", 418, Kind::Refused, "HTTP 418 came"),
        ] {
            let error = explain_code("GetCostAndUsage", Some(code), message, status);
            assert_eq!(error.kind(), kind, "{code}");
            assert!(error.report().contains(words), "{code}: {}", error.report());
            assert!(!error.report().contains("123456789012"), "{code} tells the caller's account");
        }
    }

    #[test]
    fn an_error_code_of_any_length_makes_a_short_line() {
        let report = explain_code("GetCostAndUsage", Some(&"x".repeat(9_000)), "", 400).report();
        assert!(report.chars().count() < 500, "{report}");
    }
}
