//! The Cost Explorer client: the AWS SDK handles credentials, signing and endpoints; requests and responses stay JSON.
//!
//! All operations of the service are POSTs of a JSON object to one path, with their name in `X-Amz-Target`. So one
//! operation of the SDK carries them all: an interceptor puts name and body of the [`Operation`] into its request before
//! it is signed, captures the body of a successful response, and substitutes `{}` for the SDK to parse. The SDK's typed
//! output would cost three times the CPU, reads an empty 200 as "no data" and loses the amounts' text.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use aws_config::SdkConfig;
use aws_sdk_costexplorer::Client;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http_body::{Body, Frame};

use crate::error::{Error, Kind, Result};
use crate::request::{Answer, FIGURES_HEADER, Operation};

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
/// What the names of operations are prefixed with in `X-Amz-Target`.
const SERVICE: &str = "AWSInsightsIndexService";
/// The answer to an operation that has no data.
const NO_DATA: &[u8] = br#"{"__type":"DataUnavailableException"}"#;

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

    /// Sends `operation` once.
    ///
    /// # Errors
    /// See the table of [`errors`].
    pub async fn send(&self, operation: &Operation) -> Result<Answer> {
        let exchange = Exchange {
            target: format!("{SERVICE}.{}", operation.name),
            body: Bytes::from(operation.body.to_string()),
            taken: Arc::default(),
            allow_http: self.allow_http,
        };
        let carrier = self.client.get_cost_and_usage().customize().interceptor(exchange.clone());
        match carrier.send().await {
            Ok(_) => exchange.into_answer(),
            Err(error) => match explain(&error, operation.name) {
                error if operation.no_data_is_an_answer && error.is_of_no_data() => Ok(exchange.without_data()),
                error => Err(error),
            },
        }
    }
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

/// One operation on its way through the SDK.
#[derive(Debug, Clone)]
struct Exchange {
    target: String,
    body: Bytes,
    taken: Arc<Mutex<Taken>>,
    allow_http: bool,
}

impl Exchange {
    /// The answer in place of a refusal for want of data.
    fn without_data(self) -> Answer {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        Answer {
            status: 400,
            body: Bytes::from_static(NO_DATA),
            request_id: taken.request_id.take(),
            date: taken.date.take(),
            made_up: taken.made_up,
        }
    }

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
impl Intercept for Exchange {
    fn name(&self) -> &'static str {
        "costlake operation"
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().try_insert("x-amz-target", self.target.clone())?;
        request.headers_mut().try_insert("content-length", self.body.len().to_string())?;
        *request.body_mut() = SdkBody::from(self.body.clone());
        Ok(())
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
