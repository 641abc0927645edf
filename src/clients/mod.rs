//! Clients of external services. An API client sends a request once; retries, rate limit and budget are the pipeline's.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::{Error, Kind, Result};
use crate::job::{AccountCheck, AwsSettings, Identity, Job, KeyFiles};
use crate::request::{Answer, Request};
use crate::sources::Api;

pub mod aws;
pub mod datadog;
pub mod health;
mod proxy;
pub mod rate_limit;
mod sendable;
mod trust;
pub mod webhook;

use aws::{account, cost_explorer, endpoints};
use rate_limit::RateLimiter;

/// Process-wide settings for external services.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    /// `--allow-http`: allow plain http to hosts other than loopback.
    pub allow_http: bool,
    /// `COSTLAKE_DATADOG_URL`.
    pub datadog_url: Option<String>,
    /// `DD_SITE`.
    pub datadog_site: Option<String>,
    /// Base URL of the built-in sandbox: serves both APIs, with made-up credentials and without a rate limit.
    pub sandbox: Option<String>,
    /// Timeouts of API requests.
    pub deadlines: Deadlines,
}

/// Timeouts of one attempt of a request. The libraries do not limit a whole attempt by default: a server that never
/// answers, or trickles bytes, would block a run forever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// To connect.
    pub connect: Duration,
    /// From the start of the attempt to the last byte of the response.
    pub answer: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), answer: Duration::from_secs(60) }
    }
}

/// An API client with its rate limit.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    /// Rate limit shared by all jobs of the same account; none for the sandbox.
    pub limiter: Option<Arc<RateLimiter>>,
    /// The account it connects to.
    pub identity: Identity,
    /// The endpoint, if it is not the provider's own.
    pub elsewhere: Option<String>,
}

#[derive(Debug, Clone)]
enum Transport {
    CostExplorer(Arc<cost_explorer::CostExplorerClient>),
    Datadog(Arc<datadog::DatadogClient>),
    InProcess(StubApi),
}

/// A transport, its account, and the configuration to query that account with.
type Parts = (Transport, Identity, Option<(SdkConfig, Instant)>);

type AnswerOne = dyn Fn(Request) -> BoxFuture<'static, Result<Answer>> + Send + Sync;

/// An in-process replacement of an API.
#[derive(Clone)]
pub struct StubApi(Arc<AnswerOne>);

impl StubApi {
    /// Answers every request with `answer`.
    pub fn by(answer: impl Fn(Request) -> BoxFuture<'static, Result<Answer>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(answer))
    }
}

impl fmt::Debug for StubApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StubApi")
    }
}

impl Client {
    /// The base URL of Datadog's API, if this is a Datadog client.
    #[must_use]
    pub fn datadog_address(&self) -> Option<&str> {
        match &self.transport {
            Transport::Datadog(client) => Some(client.address()),
            Transport::CostExplorer(_) | Transport::InProcess(_) => None,
        }
    }

    /// Sends `request` once.
    ///
    /// # Errors
    /// The [`Kind`] says whether to retry; nothing is retried here.
    pub async fn send(&self, request: &Request) -> Result<Answer> {
        match (&self.transport, request) {
            (Transport::CostExplorer(client), Request::Operation(operation)) => client.send(operation).await,
            (Transport::Datadog(client), Request::Call(call)) => client.send(call).await,
            (Transport::InProcess(answers), _) => (answers.0)(request.clone()).await,
            _ => Err(Error::new(Kind::Internal, "a request was sent to another API's client")),
        }
    }
}

/// The API clients of a process, created on first use: a Datadog job loads no AWS configuration.
#[derive(Debug)]
pub struct Clients {
    client_config: ClientConfig,
    opened: Mutex<HashMap<ClientKey, Place>>,
    /// What AWS STS answered.
    answers: account::AccountCache,
    in_process: Option<(StubApi, Identity)>,
    /// Cache of [`Clients::elsewhere`], which status displays call repeatedly.
    elsewhere: Mutex<HashMap<(AwsSettings, Api), Option<String>>>,
}

/// The place of a client. It is locked while the client is opened, so that one account does not wait for another.
#[derive(Debug, Clone, Default)]
struct Place {
    client: Arc<Mutex<Option<OpenClient>>>,
    /// How many runs are still to use it.
    wanted: usize,
}

/// What distinguishes clients: jobs with the same settings share one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    aws: AwsSettings,
    /// Empty for AWS.
    site: String,
    keys: Option<KeyFiles>,
}

#[derive(Debug)]
struct OpenClient {
    client: Client,
    /// The configuration to query its account with, and when the account was last checked.
    aws: Option<(SdkConfig, Instant)>,
}

/// The API key sent to the sandbox.
const SANDBOX_KEY: &str = "sandbox";

impl Clients {
    /// Creates no client yet.
    #[must_use]
    pub fn new(client_config: ClientConfig) -> Self {
        Self {
            client_config,
            opened: Mutex::default(),
            answers: account::AccountCache::default(),
            in_process: None,
            elsewhere: Mutex::default(),
        }
    }

    /// Clients that answer in-process: `answers` replaces every API, `identity` is the caller. No network, no
    /// credentials, no rate limit; simulations run the pipeline on them.
    #[must_use]
    pub fn in_process(answers: StubApi, identity: Identity) -> Self {
        Self { in_process: Some((answers, identity)), ..Self::new(ClientConfig::default()) }
    }

    /// The Datadog site of a job, for its fingerprint.
    #[must_use]
    pub fn datadog_site(&self, job: &Job) -> String {
        let site = job.datadog_site.clone().or_else(|| self.client_config.datadog_site.clone());
        site.unwrap_or_else(|| "datadoghq.com".to_owned())
    }

    /// The API client of a job, created on first use.
    ///
    /// # Errors
    /// [`Kind::Auth`] without usable credentials, [`Kind::Config`] for a refused endpoint.
    pub async fn open(&self, job: &Job) -> Result<Client> {
        if let Some((answers, identity)) = &self.in_process {
            return Ok(Client {
                transport: Transport::InProcess(answers.clone()),
                limiter: None,
                identity: identity.clone(),
                elsewhere: None,
            });
        }
        let key = self.key_of(job);
        let opened = Arc::clone(&self.opened.lock().await.entry(key.clone()).or_default().client);
        let mut opened = opened.lock().await;
        if let Some(open) = opened.as_mut() {
            if let Some(limiter) = &open.client.limiter {
                limiter.set_limit(job.limits.requests_per_second);
            }
            self.look_again(open, job).await?;
            return Ok(open.client.clone());
        }
        let (transport, identity, aws) = match job.entry.provider.api {
            Api::CostExplorer => self.open_cost_explorer(job).await?,
            Api::Datadog => self.open_datadog(&key)?,
        };
        let limiter =
            self.client_config.sandbox.is_none().then(|| Arc::new(RateLimiter::new(job.limits.requests_per_second)));
        let elsewhere = self.elsewhere_of(job, aws.as_ref().map(|(config, _)| config)).await?;
        let client = Client { transport, limiter, identity, elsewhere };
        *opened = Some(OpenClient { client: client.clone(), aws });
        Ok(client)
    }

    fn key_of(&self, job: &Job) -> ClientKey {
        let site = if job.entry.provider.api == Api::Datadog { self.datadog_site(job) } else { String::new() };
        ClientKey { aws: job.aws.clone(), site, keys: job.datadog_keys.clone() }
    }

    /// Says that a run of this job will come, so that its client stays open until [`Clients::release`].
    pub async fn reserve(&self, job: &Job) {
        self.opened.lock().await.entry(self.key_of(job)).or_default().wanted += 1;
    }

    /// Says that a run has ended. Returns whether it was the last one of its account: then the client is dropped, so that
    /// memory does not grow with the number of accounts, and keys that change in their files are read by the next run.
    pub async fn release(&self, job: &Job) -> bool {
        let (key, mut opened) = (self.key_of(job), self.opened.lock().await);
        let Some(place) = opened.get_mut(&key) else { return true };
        place.wanted = place.wanted.saturating_sub(1);
        let is_last = place.wanted == 0;
        if is_last {
            opened.remove(&key);
        }
        is_last
    }

    /// Checks the account again once the last check is older than [`account::FRESH`]: credentials of a long-running
    /// process may change.
    async fn look_again(&self, open: &mut OpenClient, job: &Job) -> Result<()> {
        let Some((config, looked_at)) = &mut open.aws else { return Ok(()) };
        if looked_at.elapsed() >= account::FRESH {
            let found = account::find(config, &job.aws, self.client_config.allow_http, &self.answers).await?;
            open.client.identity = aws_identity(&job.aws, found)?;
            *looked_at = Instant::now();
        }
        Ok(())
    }

    /// The endpoint of a job, if it is not the provider's own; sends no request.
    ///
    /// # Errors
    /// [`Kind::Config`] for settings that would prevent any run.
    pub async fn elsewhere(&self, job: &Job) -> Result<Option<String>> {
        if self.in_process.is_some() {
            return Ok(None);
        }
        // A role has no endpoint of its own: the accounts of a job share one answer.
        let AwsSettings { profile, region, .. } = job.aws.clone();
        let place = AwsSettings { profile, region, ..AwsSettings::default() };
        let key = (place.clone(), job.entry.provider.api);
        let mut known = self.elsewhere.lock().await;
        if let Some(found) = known.get(&key) {
            return Ok(found.clone());
        }
        let found = self.elsewhere_of(&Job { aws: place, ..job.clone() }, None).await?;
        known.insert(key, found.clone());
        Ok(found)
    }

    async fn elsewhere_of(&self, job: &Job, known: Option<&SdkConfig>) -> Result<Option<String>> {
        if self.client_config.sandbox.is_some() {
            return Ok(None);
        }
        match (job.entry.provider.api, known) {
            (Api::Datadog, _) => Ok(datadog::elsewhere(self.client_config.datadog_url.as_deref())),
            (Api::CostExplorer, Some(config)) => Ok(account::elsewhere(config).await),
            (Api::CostExplorer, None) => Ok(account::elsewhere(&self.aws_config(job).await?).await),
        }
    }

    async fn aws_config(&self, job: &Job) -> Result<SdkConfig> {
        aws::config::load(&job.aws, self.client_config.sandbox.as_deref(), false, self.client_config.deadlines).await
    }

    async fn open_cost_explorer(&self, job: &Job) -> Result<Parts> {
        let config = self.aws_config(job).await?;
        let sandbox = self.client_config.sandbox.is_some();
        if !sandbox {
            endpoints::check_cost_explorer(&config, job.aws.profile.as_deref(), self.client_config.allow_http)?;
        }
        let client = Transport::CostExplorer(Arc::new(cost_explorer::CostExplorerClient::new(
            &config,
            self.client_config.allow_http,
        )));
        // The sandbox has no account, unless the job names one.
        if sandbox && job.aws.account_id.is_none() {
            return Ok((client, Identity { sandbox, ..Identity::default() }, None));
        }
        if job.aws.role_arn.is_some() {
            account::check_endpoint(&config, &job.aws, self.client_config.allow_http)?;
        }
        let found = account::find(&config, &job.aws, self.client_config.allow_http, &self.answers).await?;
        let identity = Identity { sandbox, ..aws_identity(&job.aws, found)? };
        Ok((client, identity, Some((config, Instant::now()))))
    }

    /// The account of a job's credentials. Even if they come with an account id, AWS STS is called where allowed: it is
    /// the only free way to learn whether they are valid.
    ///
    /// # Errors
    /// [`Kind::Auth`] if AWS rejects the credentials, or reports another account than they come with.
    pub async fn prove(&self, job: &Job) -> Result<Identity> {
        let identity = self.open(job).await?.identity;
        let said = if identity.account_check == AccountCheck::Told { self.ask_all_the_same(job).await? } else { None };
        let check = said.as_ref().map_or(&identity.account_check, |(_, check)| check);
        if let AccountCheck::InVain { kind, why, are_refused: true } = check {
            return Err(Error::new(*kind, why).advise("check the keys or the profile, and this machine's clock"));
        }
        match (&identity.aws_account, said.and_then(|(account, _)| account)) {
            (Some(told), Some(said)) if *told != said => Err(Error::new(
                Kind::Auth,
                format!("the credentials say that they are of account {told}, AWS that they are of {said}"),
            )
            .advise("correct AWS_ACCOUNT_ID, or what else names the account beside the keys")),
            _ => Ok(identity),
        }
    }

    async fn ask_all_the_same(&self, job: &Job) -> Result<Option<account::Found>> {
        let opened = self.opened.lock().await.get(&self.key_of(job)).map(|place| Arc::clone(&place.client));
        let Some(opened) = opened else { return Ok(None) };
        let opened = opened.lock().await;
        let Some((config, _)) = opened.as_ref().and_then(|open| open.aws.as_ref()) else { return Ok(None) };
        if job.aws.unverified || !account::may_be_asked(config, &job.aws).await {
            return Ok(None);
        }
        let credentials = aws::config::credentials(config, &job.aws).await?;
        account::ask(config, &job.aws, credentials.access_key_id(), self.client_config.allow_http, &self.answers)
            .await
            .map(Some)
    }

    fn open_datadog(&self, key: &ClientKey) -> Result<Parts> {
        let site = key.site.as_str();
        let (custom, named_by) = match (&self.client_config.sandbox, &self.client_config.datadog_url) {
            (Some(url), _) => (Some(url.as_str()), "the sandbox"),
            (None, Some(url)) => (Some(url.as_str()), "COSTLAKE_DATADOG_URL"),
            (None, None) => (None, "DD_SITE (or datadog.site)"),
        };
        let base_url = datadog::base_url(Some(site), custom, self.client_config.allow_http)?;
        let keys = if self.client_config.sandbox.is_some() {
            datadog::read_keys(|name| (!name.ends_with("_FILE")).then(|| SANDBOX_KEY.to_owned()))?
        } else if let Some(files) = &key.keys {
            datadog::read_key_files(files)?
        } else {
            datadog::read_keys(|name| std::env::var(name).ok())?
        };
        let user_agent = concat!("costlake/", env!("CARGO_PKG_VERSION")).to_owned();
        let settings = datadog::Settings { base_url, named_by, api_key: keys.api, app_key: keys.app, user_agent };
        let client = datadog::DatadogClient::new(settings, self.client_config.deadlines)?;
        Ok((
            Transport::Datadog(Arc::new(client)),
            Identity {
                datadog_site: Some(site.to_owned()),
                sandbox: self.client_config.sandbox.is_some(),
                ..Identity::default()
            },
            None,
        ))
    }
}

/// The identity of the account that was found; an error if the job names another account.
fn aws_identity(settings: &AwsSettings, (aws_account, account_check): account::Found) -> Result<Identity> {
    let identity = Identity { aws_account, account_check, ..Identity::default() };
    let Some(wanted) = &settings.account_id else { return Ok(identity) };
    match &identity.aws_account {
        Some(found) if found != wanted => Err(Error::new(
            Kind::Auth,
            format!("the credentials belong to account {found}, but the job's account (aws.account_id, or its id in accounts) is {wanted}"),
        )
        .advise("use credentials of the account that the job names (a role or a profile of it), or correct its id")),
        Some(_) => Ok(identity),
        None => identity.unknown_account("aws.account_id (or the id in accounts)").map_or(Ok(identity), Err),
    }
}

/// The instant of a `Date` header; `None` if it is missing or does not parse.
fn date_of(text: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text?).ok().map(|date| date.with_timezone(&Utc))
}

/// Text from AWS without ARNs and account ids, which must not reach logs and records.
#[must_use]
pub fn without_identities(text: &str) -> String {
    let is_account = |word: &str| word.split(|c: char| !c.is_ascii_digit()).any(|run| run.len() == 12);
    let hide = |word: &str| if word.contains("arn:aws") || is_account(word) { "…" } else { word }.to_owned();
    text.split(' ').map(hide).collect::<Vec<_>>().join(" ")
}

/// An error and its causes, without duplicates, ARNs and account ids.
#[must_use]
pub(crate) fn causes(error: &dyn std::error::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = without_identities(&error.to_string());
        if !texts.iter().any(|known| known.contains(&text)) {
            texts.push(text);
        }
        next = error.source();
    }
    texts.join(": ")
}

/// Whether a URL is https, or plain http to a loopback host.
#[must_use]
pub fn is_https_or_loopback(url: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(url) else { return false };
    url.scheme() == "https" || is_loopback(&url)
}

/// Whether the host of a URL is `localhost` or a loopback address.
pub(crate) fn is_loopback(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{date_of, without_identities};

    #[test]
    fn the_date_of_an_answer_is_read_and_nonsense_is_none() {
        let date = date_of(Some("Sun, 29 Nov 2026 06:30:00 GMT")).map(|date| date.to_rfc3339());
        assert_eq!(date.as_deref(), Some("2026-11-29T06:30:00+00:00"));
        assert_eq!((date_of(None), date_of(Some("yesterday")), date_of(Some(""))), (None, None, None));
    }

    #[test]
    fn arns_and_accounts_are_left_out_and_dates_stay() {
        let said = "User: arn:aws:iam::123456789012:user/x of 123456789012, since 2026-11-01T00:00Z";
        assert_eq!(without_identities(said), "User: … of …, since 2026-11-01T00:00Z".replace("…,", "…"));
    }
}
