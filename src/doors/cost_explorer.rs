//! The door to Cost Explorer: the AWS SDK for credentials, signing and endpoints, the raw answer for us.
//!
//! An interceptor takes the body of a good answer aside before the SDK parses it and leaves `{}` in its place. The
//! SDK's typed output would cost three times the CPU, takes an empty 200 for "no data" and loses the amounts' text.
//!
//! | the API says | kind | what to do |
//! |---|---|---|
//! | LimitExceeded, Throttling… | `Throttled` | sent again, slower |
//! | InvalidNextToken, RequestChanged | `Restart` | the fetch starts again at page 1 |
//! | AccessDenied, "not enabled for cost explorer" | `Auth` | activate Cost Explorer, allow member access |
//! | AccessDenied | `Auth` | allow `ce:GetCostAndUsage` |
//! | expired or unknown keys | `Auth` | renew them |
//! | DataUnavailable | `Refused` | wait a day after enabling, or move the begin |
//! | BillExpiration | `Refused` | the days are too old |
//! | Validation… | `Refused` | the API's own words |

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use aws_config::SdkConfig;
use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_costexplorer::operation::get_cost_and_usage::GetCostAndUsageError;
use aws_sdk_costexplorer::types::{
    CostCategoryValues, DateInterval, Dimension, DimensionValues, Expression as SdkExpression, Granularity,
    GroupDefinition, GroupDefinitionType, MatchOption, TagValues,
};
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use http_body::{Body, Frame};

use crate::error::{Error, Kind, Result, printable};
use crate::request::{Answer, CostQuery, Expression, Values};

use super::{causes, is_https_or_loopback, without_identities};

/// Largest answer that is read: pages of some thousand groups are a few megabytes, and a process stays below 256 MiB
/// whatever is sent.
const MAX_BODY: usize = 32 << 20;
/// What is read of the body of a refusal.
const MAX_REFUSAL: usize = 64 << 10;
/// What is kept of a request's id.
const LONGEST_ID: usize = 128;
/// Most room that is made for an answer on the word of its head alone.
const MAX_RESERVED: usize = 8 << 20;

/// An open client.
#[derive(Debug)]
pub struct CostExplorerDoor {
    client: Client,
    allow_http: bool,
}

impl CostExplorerDoor {
    /// A client of this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig, allow_http: bool) -> Self {
        Self { client: Client::new(config), allow_http }
    }

    /// Sends one page's request once.
    ///
    /// # Errors
    /// See the table of the [module](self).
    pub async fn send(&self, query: &CostQuery) -> Result<Answer> {
        let capture = Capture { taken: Arc::default(), allow_http: self.allow_http };
        let misbuilt = |error: aws_smithy_types::error::operation::BuildError| {
            Error::new(Kind::Internal, "cannot build the request").because(error)
        };
        let period =
            DateInterval::builder().start(query.instant(query.window.start())).end(query.instant(query.window.end()));
        let groups = query.group_by.iter().map(|group| {
            GroupDefinition::builder().r#type(GroupDefinitionType::from(group.kind.name())).key(&group.key).build()
        });
        let request = self
            .client
            .get_cost_and_usage()
            .time_period(period.build().map_err(misbuilt)?)
            .granularity(Granularity::from(query.grain.name()))
            .set_filter(query.filter.as_ref().map(expression))
            .set_metrics(Some(query.metrics.clone()))
            .set_group_by((!query.group_by.is_empty()).then(|| groups.collect()))
            .set_billing_view_arn(query.billing_view_arn.clone())
            .set_next_page_token(query.page_token.clone());
        match request.customize().interceptor(capture.clone()).send().await {
            Ok(_) => capture.into_answer(),
            Err(error) => Err(explain(&error)),
        }
    }
}

fn expression(given: &Expression) -> SdkExpression {
    let builder = SdkExpression::builder();
    let options = |values: &Values| {
        (!values.match_options.is_empty())
            .then(|| values.match_options.iter().map(|o| MatchOption::from(o.as_str())).collect())
    };
    let texts = |values: &Values| (!values.values.is_empty()).then(|| values.values.clone());
    match given {
        Expression::And(list) => builder.set_and(Some(list.iter().map(expression).collect())),
        Expression::Or(list) => builder.set_or(Some(list.iter().map(expression).collect())),
        Expression::Not(inner) => builder.not(expression(inner)),
        Expression::Dimensions(values) => builder.dimensions(
            DimensionValues::builder()
                .key(Dimension::from(values.key.as_str()))
                .set_values(texts(values))
                .set_match_options(options(values))
                .build(),
        ),
        Expression::Tags(values) => builder.tags(
            TagValues::builder().key(&values.key).set_values(texts(values)).set_match_options(options(values)).build(),
        ),
        Expression::CostCategories(values) => builder.cost_categories(
            CostCategoryValues::builder()
                .key(&values.key)
                .set_values(texts(values))
                .set_match_options(options(values))
                .build(),
        ),
    }
    .build()
}

/// What an interceptor took aside from one answer.
#[derive(Debug, Default)]
struct Taken {
    body: Vec<u8>,
    request_id: Option<String>,
    too_large: bool,
}

#[derive(Debug, Clone)]
struct Capture {
    taken: Arc<Mutex<Taken>>,
    allow_http: bool,
}

impl Capture {
    fn into_answer(self) -> Result<Answer> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.too_large {
            return Err(Error::new(Kind::BadAnswer, format!("the answer is larger than {} MiB", MAX_BODY >> 20)));
        }
        Ok(Answer {
            status: 200,
            body: Bytes::from(std::mem::take(&mut taken.body)),
            request_id: taken.request_id.take(),
        })
    }
}

#[dyn_dispatch_hint]
impl Intercept for Capture {
    fn name(&self) -> &'static str {
        "costlake raw answer"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let uri = context.request().uri();
        if self.allow_http || is_https_or_loopback(uri) {
            return Ok(());
        }
        Err(PLAIN_HTTP.into())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let id = response.headers().get("x-amzn-requestid").map(|id| id.chars().take(LONGEST_ID).collect());
        let length = response.headers().get("content-length").and_then(|text| text.parse::<usize>().ok());
        {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.request_id = id;
            taken.body.reserve_exact(length.unwrap_or_default().min(MAX_RESERVED));
        }
        let is_answer = response.status().is_success();
        let inner = std::mem::replace(response.body_mut(), SdkBody::taken());
        *response.body_mut() = if is_answer {
            SdkBody::from_body_1_x(Divert { inner, taken: self.taken.clone(), finished: false })
        } else {
            SdkBody::from_body_1_x(Beginning { inner, left: MAX_REFUSAL })
        };
        Ok(())
    }
}

const PLAIN_HTTP: &str = "the Cost Explorer endpoint is plain http and not on this machine";

/// A body that keeps the frames of another one and shows `{}` instead.
struct Divert {
    inner: SdkBody,
    taken: Arc<Mutex<Taken>>,
    finished: bool,
}

impl Body for Divert {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        loop {
            match Body::poll_frame(Pin::new(&mut self.inner), cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
                    if taken.body.len() + data.len() > MAX_BODY {
                        taken.too_large = true;
                        break;
                    }
                    taken.body.extend_from_slice(&data);
                }
                Poll::Ready(None) => break,
            }
        }
        self.finished = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"{}")))))
    }
}

/// The first bytes of a body: the SDK itself would read a refusal of any length.
struct Beginning {
    inner: SdkBody,
    left: usize,
}

impl Body for Beginning {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let frame = match Body::poll_frame(Pin::new(&mut self.inner), cx) {
            Poll::Ready(Some(Ok(frame))) => frame,
            other => return other,
        };
        let Ok(mut data) = frame.into_data() else { return Poll::Ready(None) };
        data.truncate(self.left);
        self.left -= data.len();
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}

type SendError = SdkError<GetCostAndUsageError, aws_smithy_runtime_api::client::orchestrator::HttpResponse>;

fn explain(error: &SendError) -> Error {
    let whole = causes(error);
    match error {
        SdkError::ServiceError(context) => {
            let raw = context.raw();
            let id: String =
                raw.headers().get("x-amzn-requestid").unwrap_or_default().chars().take(LONGEST_ID).collect();
            let answered =
                explain_code(context.err().code(), context.err().message().unwrap_or_default(), raw.status().as_u16());
            if id.is_empty() { answered } else { answered.at("request id", id) }
        }
        SdkError::TimeoutError(_) => Error::new(Kind::Unavailable, "Cost Explorer did not answer in time"),
        SdkError::ResponseError(_) => {
            Error::new(Kind::Unavailable, "the answer of Cost Explorer broke off").because(shorten(&whole))
        }
        _ if whole.contains(PLAIN_HTTP) => {
            Error::new(Kind::Config, PLAIN_HTTP).advise("use https, or pass --allow-http")
        }
        // The SDK's own words would show the whole request.
        _ if whole.contains("failed to apply endpoint") || whole.contains("unsupported scheme") => {
            Error::new(Kind::Config, "the address of Cost Explorer is no https URL")
                .advise("correct AWS_ENDPOINT_URL_COST_EXPLORER or AWS_ENDPOINT_URL, or unset it")
        }
        _ if whole.contains("`region`") => Error::new(Kind::Config, "the AWS region is none")
            .advise("correct AWS_REGION, aws.region or the profile's region"),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            Error::new(Kind::Unavailable, "cannot reach Cost Explorer").because(shorten(&whole))
        }
        SdkError::DispatchFailure(_) if whole.to_lowercase().contains("credential") => {
            Error::new(Kind::Auth, "the AWS credentials cannot be used")
                .because(shorten(&whole))
                .advise("renew them: `aws sso login`, or new keys; then run again")
        }
        SdkError::DispatchFailure(_) => {
            Error::new(Kind::Unavailable, "cannot reach Cost Explorer").because(shorten(&whole))
        }
        _ => Error::new(Kind::Internal, "the request could not be built").because(shorten(&whole)),
    }
}

/// What an error code of the API means; `message` is the API's own text.
#[must_use]
pub fn explain_code(code: Option<&str>, message: &str, status: u16) -> Error {
    let words = shorten(&without_identities(message));
    let refused = |what: &str| Error::new(Kind::Refused, format!("{what}: {words}"));
    match code.unwrap_or_default() {
        "LimitExceededException" | "ThrottlingException" | "Throttling" | "ThrottledException" | "TooManyRequestsException"
        | "RequestLimitExceeded" | "RequestThrottled" | "SlowDown" => Error::new(Kind::Throttled, "Cost Explorer asks to slow down")
            .advise("lower limits.requests_per_second in the job, or run at another hour"),
        "InvalidNextTokenException" => Error::new(Kind::Restart, "Cost Explorer no longer knows the page token"),
        "RequestChangedException" => Error::new(Kind::Restart, "Cost Explorer says that the request changed between pages"),
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" if words.to_lowercase().contains("not enabled for cost explorer") => {
            Error::new(Kind::Auth, "Cost Explorer is not enabled for this account").advise(
                "open Cost Explorer once in the console of the management account; for a member account allow linked account access in its preferences; data come within a day",
            )
        }
        // The API's text names the caller's ARN and account: it stays out of logs.
        "AccessDeniedException" | "AccessDenied" | "UnauthorizedOperation" => Error::new(Kind::Auth, "the credentials may not call ce:GetCostAndUsage")
            .advise("add ce:GetCostAndUsage on * to the role's policy, and check service control policies"),
        "ExpiredTokenException" | "ExpiredToken" | "RequestExpired" => Error::new(Kind::Auth, "the AWS credentials have expired")
            .advise("renew them: `aws sso login`, or a new session; also check this machine's clock"),
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidSignatureException" | "SignatureDoesNotMatch"
        | "IncompleteSignatureException" | "MissingAuthenticationTokenException" => {
            Error::new(Kind::Auth, "AWS does not accept the credentials").advise("check the keys or the profile, and this machine's clock")
        }
        "DataUnavailableException" => refused("Cost Explorer has no data for this window")
            .advise("after enabling Cost Explorer data come within a day; for older days move window.begin to the first day that has data"),
        "BillExpirationException" => refused("the days are older than Cost Explorer keeps them")
            .advise("move window.begin or --from to a later day; MONTHLY data reach further back where multi-year data is enabled"),
        "ValidationException" => refused("Cost Explorer refuses the request").advise("correct the job's source or the range; the words after the colon are the API's"),
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
            let error = explain_code(Some(code), message, status);
            assert_eq!(error.kind(), kind, "{code}");
            assert!(error.report().contains(words), "{code}: {}", error.report());
            assert!(!error.report().contains("123456789012"), "{code} tells the caller's account");
        }
    }

    #[test]
    fn an_error_code_of_any_length_makes_a_short_line() {
        let report = explain_code(Some(&"x".repeat(9_000)), "", 400).report();
        assert!(report.chars().count() < 500, "{report}");
    }
}
