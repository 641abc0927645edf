//! The Datadog client: one GET or POST, one response, one attempt. Waits and retries are the request loop's.
//!
//! | response | kind | retried |
//! |---|---|---|
//! | 200; 404 where that is a valid response | an [`Answer`] | |
//! | 401, 403 | `Auth` | no |
//! | 429 | `Throttled`, with the API's requested wait | yes |
//! | 408, 5xx | `Unavailable`, with the API's requested wait, if any | yes |
//! | no connection, a timeout, a truncated response | `Unavailable` | yes |
//! | 3xx | `Refused`: redirects are not followed, so the keys never reach another host | no |
//! | other 4xx | `Refused`, with the API's message | no |
//! | 200 with `errors` in it, other 2xx, more than 16 MiB | `BadAnswer` | no |
//!
//! The content type is ignored: the API sends errors as `text/plain` and JSON as `application/vnd.api+json`.

use std::fmt;

use bytes::{Bytes, BytesMut};
use chrono::Utc;
use reqwest::header::{ACCEPT, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Response, StatusCode, Url, redirect};
use secrecy::{ExposeSecret, SecretString};

use crate::clients::trust::{Authorities, NO_AUTHORITIES};
use crate::clients::{Deadlines, proxy};
use crate::error::{Error, Kind, Result};
use crate::redact;
use crate::request::{Answer, Call, FIGURES_HEADER};
use crate::unreached::Unreached;

pub mod errors;
mod keys;
pub mod retry_after;
mod site;

pub use errors::summarise;
pub use keys::{Keys, read_key_files, read_keys};
pub use retry_after::{LONGEST_WAIT, wait_from};
pub use site::{base_url, elsewhere};

/// How many bytes of an error body are read.
const ERROR_BODY: usize = 64 * 1024;

/// The endpoint and the keys.
#[derive(Debug)]
pub struct Settings {
    /// The result of [`base_url`].
    pub base_url: String,
    /// The setting that named it, for advice.
    pub named_by: &'static str,
    /// `DD-API-KEY`.
    pub api_key: SecretString,
    /// `DD-APPLICATION-KEY`.
    pub app_key: SecretString,
    /// `costlake/<version>`.
    pub user_agent: String,
}

/// Largest decompressed response body: the process stays below 256 MiB whatever the server sends.
const MAX_BODY: usize = 16 << 20;

#[derive(Debug, Clone, Copy)]
struct Limits {
    deadlines: Deadlines,
    body: usize,
}

/// The client, with its keys and its connection pool.
pub struct DatadogClient {
    base_url: String,
    named_by: &'static str,
    host: String,
    /// Whether a proxy may be used; not for loopback hosts.
    by_proxy: bool,
    keys: Keys,
    client: reqwest::Client,
    limits: Limits,
}

impl fmt::Debug for DatadogClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatadogClient").field("base_url", &self.base_url).finish_non_exhaustive()
    }
}

impl DatadogClient {
    /// Creates the client.
    ///
    /// # Errors
    /// [`Kind::Config`] for an unusable address or proxy, [`Kind::Auth`] for a key that is no valid header value.
    pub fn new(settings: Settings, deadlines: Deadlines) -> Result<Self> {
        Self::with_limits(settings, Limits { deadlines, body: MAX_BODY })
    }

    fn with_limits(settings: Settings, limits: Limits) -> Result<Self> {
        let Settings { base_url, named_by, api_key, app_key, user_agent } = settings;
        let keys = Keys { api: api_key, app: app_key };
        redact::remember(keys.api.expose_secret());
        redact::remember(keys.app.expose_secret());
        let base_url = base_url.trim_end_matches('/').to_owned();
        let url = Url::parse(&base_url)
            .map_err(|error| Error::new(Kind::Config, "the Datadog address is not a URL").because(error))?;
        let trusted = Authorities::of_environment(|name| std::env::var(name).ok())?;
        let mut builder = trusted
            .trusted_by(reqwest::Client::builder())
            .user_agent(user_agent)
            .default_headers(headers(&keys)?)
            .redirect(redirect::Policy::none())
            .referer(false)
            .gzip(true)
            .https_only(url.scheme() == "https")
            .connect_timeout(limits.deadlines.connect)
            .timeout(limits.deadlines.answer);
        let by_proxy = !super::is_loopback(&url);
        if by_proxy {
            proxy::check()?;
        } else {
            builder = builder.no_proxy();
        }
        let client = builder.build().map_err(|error| {
            Error::new(Kind::Config, "cannot set up the HTTP client for Datadog").because(error).advise(NO_AUTHORITIES)
        })?;
        let host = url.host_str().unwrap_or_default().to_owned();
        Ok(Self { base_url, named_by, host, by_proxy, keys, client, limits })
    }

    /// Sends `call` once.
    ///
    /// # Errors
    /// See the table of the [module](self).
    pub async fn send(&self, call: &Call) -> Result<Answer> {
        let url = format!("{}{}", self.base_url, call.path);
        let request = match &call.body {
            None => self.client.get(url),
            Some(body) => self.client.post(url).header(CONTENT_TYPE, "application/json").body(body.to_string()),
        };
        let sent = request.query(&call.query).send().await;
        let response = sent.map_err(|error| self.placed(call, self.no_answer(error)))?;
        let status = response.status();
        let request_id = request_id(response.headers());
        let date = super::date_of(response.headers().get(DATE).and_then(|date| date.to_str().ok()));
        let made_up = response.headers().contains_key(FIGURES_HEADER);
        let is_answer = status == StatusCode::OK || call.also_answers.contains(&status.as_u16());
        let read = if is_answer { self.read_body(response).await } else { Err(self.refusal(call, response).await) };
        let read = read.and_then(|body| if status == StatusCode::OK { self.believed(body) } else { Ok(body) });
        match read {
            Ok(body) => Ok(Answer { status: status.as_u16(), body, request_id, date, made_up }),
            Err(error) => {
                let error = self.placed(call, error.at("status", status.as_u16()));
                Err(request_id.iter().fold(error, |error, id| error.at("request id", id)))
            }
        }
    }

    /// The base URL.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.base_url
    }

    fn placed(&self, call: &Call, error: Error) -> Error {
        error
            .at("host", &self.host)
            .at("path", &call.path)
            .at("query", &call.purpose.subject)
            .at("window", call.purpose.window)
    }

    /// The error of a request without a complete response.
    fn no_answer(&self, error: reqwest::Error) -> Error {
        if error.is_connect() {
            return self.unreached(error);
        }
        let (kind, message) = if error.is_builder() {
            (Kind::Config, "the request to Datadog cannot be built".to_owned())
        } else if error.is_timeout() {
            let limit = self.limits.deadlines.answer.as_secs_f64();
            (Kind::Unavailable, format!("Datadog did not answer in full within {limit} s"))
        } else {
            (Kind::Unavailable, "the connection to Datadog broke off".to_owned())
        };
        Error::new(kind, message).because(error.without_url())
    }

    fn unreached(&self, error: reqwest::Error) -> Error {
        let proxy = self.by_proxy.then(|| proxy::on_the_way_to(&self.base_url)).flatten();
        let unreached = Unreached::new(&self.base_url, proxy, error.without_url());
        let said = unreached.error("cannot connect to Datadog");
        let said = if unreached.is_final() {
            said
        } else {
            let named_by = self.named_by;
            said.advise(format!(
                "check the network and any proxy (HTTPS_PROXY), and that {named_by} names the right host"
            ))
        };
        said.because(unreached)
    }

    /// Reads the decompressed body; an error if it exceeds the limit.
    async fn read_body(&self, mut response: Response) -> Result<Bytes> {
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.no_answer(error))? {
            if body.len() + chunk.len() > self.limits.body {
                let cap = format!("the answer is larger than {} MiB", self.limits.body >> 20);
                return Err(Error::new(Kind::BadAnswer, cap)
                    .advise("narrow what the job asks for, such as by a filter of its source"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    /// The body of a 200, unless it contains errors: its data may then be incomplete.
    fn believed(&self, body: Bytes) -> Result<Bytes> {
        let Some(said) = errors::beside_data(&body) else { return Ok(body) };
        let said = self.keys.redact(said);
        Err(Error::new(Kind::BadAnswer, format!("Datadog answers with errors: {said}"))
            .advise("nothing of the answer is taken; the words after the colon are the API's: run again, or correct what they name"))
    }

    /// The error for an unsuccessful status.
    async fn refusal(&self, call: &Call, mut response: Response) -> Error {
        let status = response.status();
        if status.is_redirection() {
            return self.redirected(response.headers());
        }
        let wait = wait_from(response.headers(), Utc::now()).map(|wait| wait.min(LONGEST_WAIT));
        let mut body = BytesMut::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() >= ERROR_BODY {
                break;
            }
        }
        let said = self.keys.redact(summarise(&body));
        match status.as_u16() {
            401 | 403 => {
                Error::new(Kind::Auth, format!("Datadog refuses the keys: {said}")).advise(self.advice(&call.path))
            }
            429 => Error::new(Kind::Throttled, format!("Datadog asks to slow down: {said}")).retry_after(wait),
            408 | 500..=599 => {
                Error::new(Kind::Unavailable, format!("Datadog is not available: {said}")).retry_after(wait)
            }
            200..=299 => Error::new(Kind::BadAnswer, "Datadog answered with a status that carries no data".to_owned()),
            _ => Error::new(Kind::Refused, format!("Datadog refuses the request: {said}")),
        }
    }

    fn advice(&self, path: &str) -> String {
        let Self { host, named_by, .. } = self;
        let permissions = permissions(path);
        format!(
            "check that {named_by} leads to the Datadog of your organisation: {host} was asked; that DD_API_KEY \
             and DD_APP_KEY (or DD_API_KEY_FILE and DD_APP_KEY_FILE) are keys of it and not revoked; and that the \
             application key may use {permissions}"
        )
    }

    fn redirected(&self, headers: &HeaderMap) -> Error {
        let target = headers.get(LOCATION).and_then(|location| location.to_str().ok());
        let host = target.and_then(|target| Url::parse(target).ok()).and_then(|url| url.host_str().map(str::to_owned));
        let error = Error::new(Kind::Refused, "Datadog's address redirects, and redirects are not followed")
            .advise(format!("let {} name the final host; the keys are sent to no other", self.named_by));
        match host {
            Some(host) => error.at("redirects to", host),
            None => error,
        }
    }
}

/// What an application key must be allowed to use for requests of a path.
fn permissions(path: &str) -> &'static str {
    if path.starts_with("/api/v2/query/") {
        "`timeseries_query` and `cloud_cost_management_read`"
    } else if path.starts_with("/api/v2/integration/aws/") {
        "`aws_configuration_read`"
    } else {
        "`cloud_cost_management_read`"
    }
}

fn headers(keys: &Keys) -> Result<HeaderMap> {
    let secret = |key: &SecretString, name: &str| {
        let value = HeaderValue::from_str(key.expose_secret());
        let mut value = value
            .map_err(|_| Error::new(Kind::Auth, format!("the {name} holds characters that no header can carry")))?;
        value.set_sensitive(true);
        Ok::<_, Error>(value)
    };
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(HeaderName::from_static("dd-api-key"), secret(&keys.api, "API key")?);
    headers.insert(HeaderName::from_static("dd-application-key"), secret(&keys.app, "application key")?);
    Ok(headers)
}

/// The API's request id, if it sends one.
fn request_id(headers: &HeaderMap) -> Option<String> {
    let known = ["x-request-id", "dd-request-id", "x-datadog-request-id"].into_iter();
    let mut texts = known.filter_map(|name| headers.get(name)?.to_str().ok());
    texts.find(|text| !text.is_empty()).map(|text| text.chars().take(128).collect())
}

#[cfg(test)]
mod tests;
