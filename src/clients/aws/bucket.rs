//! The HTTP client of S3. `object_store`'s own follows redirects, and removes only `Authorization` on a redirect to
//! another host: the session token in `x-amz-security-token` would be sent along. It also reads listings and error
//! bodies of any length. Otherwise the defaults are the same: HTTP/1, and no retries below `object_store`, which knows
//! which requests are safe to retry.

use std::io;

use async_trait::async_trait;
use http_body_util::{BodyExt, Limited};
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
    HttpService,
};
use reqwest::{Client, Method, header, redirect, retry};

use crate::unreached::Unreached;

use crate::clients::trust::Authorities;
use crate::clients::{Deadlines, proxy};

/// Largest response other than a whole object: a page of a listing, a footer of 16 MiB, an error body.
const MAX_PART: usize = 32 << 20;

/// Creates clients that do not follow redirects.
#[derive(Debug, Clone)]
pub(in crate::clients) struct BucketConnector {
    pub(in crate::clients) deadlines: Deadlines,
    pub(in crate::clients) trusted: Authorities,
}

impl HttpConnector for BucketConnector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        // No compression in transit: the length would differ from the object's.
        let client = self
            .trusted
            .trusted_by(Client::builder())
            .user_agent(concat!("costlake/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_gzip()
            .http1_only()
            .retry(retry::never())
            .connect_timeout(self.deadlines.connect)
            .timeout(self.deadlines.answer)
            .build()
            .map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        Ok(HttpClient::new(BucketClient(client)))
    }
}

#[derive(Debug)]
struct BucketClient(Client);

#[async_trait]
impl HttpService for BucketClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let is_for_whole_object = request.method() == Method::GET
            && !request.headers().contains_key(header::RANGE)
            && !request.uri().query().is_some_and(|query| query.contains("list-type="));
        let url = request.uri().to_string();
        let answer = self.0.call(request).await.map_err(|error| unreached(&url, error))?;
        if is_for_whole_object && answer.status().is_success() {
            return Ok(answer);
        }
        Ok(answer.map(bounded))
    }
}

/// Adds the address to the error, and marks it as not retryable if a retry would fail the same way.
fn unreached(url: &str, error: HttpError) -> HttpError {
    let kind = error.kind();
    if !matches!(kind, HttpErrorKind::Connect | HttpErrorKind::Timeout) {
        return error;
    }
    let unreached = Unreached::new(url, proxy::on_the_way_to(url), error);
    HttpError::new(if unreached.is_final() { HttpErrorKind::Unknown } else { kind }, unreached)
}

fn bounded(body: HttpResponseBody) -> HttpResponseBody {
    let too_long = || io::Error::other(format!("the answer is longer than {} MiB", MAX_PART >> 20));
    HttpResponseBody::new(Limited::new(body, MAX_PART).map_err(move |error| match error.downcast::<HttpError>() {
        Ok(error) => *error,
        Err(_) => HttpError::new(HttpErrorKind::Decode, too_long()),
    }))
}
