//! The Cost Explorer client: the AWS SDK handles credentials, signing and endpoints; the raw response body is kept.
//!
//! An interceptor captures the body of a successful response before the SDK parses it, and substitutes `{}`. The SDK's
//! typed output would cost three times the CPU, reads an empty 200 as "no data" and loses the amounts' text.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use aws_config::SdkConfig;
use aws_sdk_costexplorer::Client;
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
use chrono::{DateTime, Utc};
use http_body::{Body, Frame};

use crate::error::{Error, Kind, Result};
use crate::request::{Answer, CostQuery, Expression, FIGURES_HEADER, Values};

use super::endpoints;
use crate::clients::is_https_or_loopback;

mod denied;
pub mod errors;

use errors::explain;

/// Largest response body: pages of some thousand groups are a few megabytes, and the process stays below 256 MiB
/// whatever the server sends.
const MAX_BODY: usize = 32 << 20;
/// How many bytes of an error body are read.
const MAX_REFUSAL: usize = 64 << 10;
/// How many characters of a request id are kept.
const LONGEST_ID: usize = 128;
/// Largest buffer preallocated from `Content-Length`.
const MAX_RESERVED: usize = 8 << 20;

/// The client.
#[derive(Debug)]
pub struct CostExplorerClient {
    client: Client,
    allow_http: bool,
}

impl CostExplorerClient {
    /// A client of this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig, allow_http: bool) -> Self {
        let mut settings = aws_sdk_costexplorer::config::Builder::from(config);
        settings.set_endpoint_url(endpoints::of_cost_explorer(config));
        Self { client: Client::from_conf(settings.build()), allow_http }
    }

    /// Sends one page's request once.
    ///
    /// # Errors
    /// See the table of [`errors`].
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

/// What the interceptor captured from one response.
#[derive(Debug, Default)]
struct Taken {
    body: Vec<u8>,
    request_id: Option<String>,
    date: Option<DateTime<Utc>>,
    made_up: bool,
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
            date: taken.date.take(),
            made_up: taken.made_up,
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
        Err(errors::PLAIN_HTTP.into())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response_mut();
        let id = response.headers().get("x-amzn-requestid").map(|id| id.chars().take(LONGEST_ID).collect());
        let date = crate::clients::date_of(response.headers().get("date"));
        let made_up = response.headers().get(FIGURES_HEADER).is_some();
        let length = response.headers().get("content-length").and_then(|text| text.parse::<usize>().ok());
        {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            taken.request_id = id;
            taken.date = date;
            taken.made_up = made_up;
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

/// A body that captures the frames of another body and yields `{}` instead.
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

/// A body cut off after `left` bytes: the SDK itself would read an error body of any length.
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
