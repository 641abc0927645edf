//! AWS configuration: the default credential chain (environment, profiles, SSO, web identity, container, instance) and
//! an assumed role on top. Used by the Cost Explorer client and the S3 lake.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::{BackoffConfig, ClientOptions, CredentialProvider, ObjectStore, RetryConfig};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tracing::instrument::WithSubscriber;

use crate::encryption::Encryption;
use crate::error::{Error, Kind, Result};
use crate::job::AwsSettings;
use crate::lake::{BucketAddress, S3Lake};
use crate::redact;
use crate::unreached::Unreached;

use super::bucket::BucketConnector;
use super::cost_explorer::errors::explain_code;
use super::http;
use super::profiles::{ProfileRegion, but_files};
use super::{endpoints, origin, profiles, sso};
use crate::clients::sendable::{self, Unsendable};
use crate::clients::trust::{Authorities, NO_AUTHORITIES};
use crate::clients::{Deadlines, causes, proxy};

/// The longest time in which credentials have to come: a program that gives them may ask a person.
const LONGEST_WAIT: Duration = Duration::from_secs(120);
/// The default region.
const USUAL_REGION: &str = "us-east-1";
const OF_INSTANCE: &str = "the region that the instance tells";

/// Loads the configuration of a job; `sandbox` replaces endpoint and credentials, `ask_instance` falls back to the
/// region of the EC2 instance; `deadlines` apply to each call to AWS.
///
/// # Errors
/// [`Kind::Config`] for an invalid region or proxy, or if the certificates of `AWS_CA_BUNDLE` cannot be read;
/// [`Kind::Auth`] for keys that are no valid header values.
pub async fn load(
    settings: &AwsSettings,
    sandbox: Option<&str>,
    ask_instance: bool,
    deadlines: Deadlines,
) -> Result<SdkConfig> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut region = None;
    if sandbox.is_none() {
        proxy::check()?;
        sendable::check_variables(variable)?;
        region = named_region(settings, variable).await?;
    }
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(deadlines.connect)
        .operation_attempt_timeout(deadlines.answer)
        .operation_timeout(deadlines.answer)
        .build();
    let trusted = authorities(settings, sandbox).await?;
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http::client(&trusted))
        .timeout_config(timeouts)
        .retry_config(aws_config::retry::RetryConfig::disabled());
    if let Some(profile) = &settings.profile {
        loader = loader.profile_name(profile);
    }
    // Cost Explorer has one endpoint per AWS partition: querying the instance's region is not worth a request.
    if let Some(region) = region.or_else(|| (!ask_instance).then(|| USUAL_REGION.to_owned())) {
        loader = loader.region(Region::new(region));
    }
    if let Some(url) = sandbox {
        let made_up = Credentials::for_tests();
        loader = loader.endpoint_url(url).region(Region::new("us-east-1")).credentials_provider(made_up);
    }
    let config = loader.load().with_subscriber(but_files()).await;
    let config = match config.region() {
        Some(region) => {
            one_region(OF_INSTANCE, region.as_ref())?;
            config
        }
        None => config.into_builder().region(Region::new(USUAL_REGION)).build(),
    };
    let config = remembering(config);
    let (Some(role), None) = (&settings.role_arn, sandbox) else { return Ok(config) };
    let mut assumed = AssumeRoleProvider::builder(role).session_name("costlake").configure(&config);
    if let Some(id) = &settings.external_id {
        redact::remember(id);
        assumed = assumed.external_id(id);
    }
    let provider = SharedCredentialsProvider::new(Assumed { role: assumed.build().await, held: Mutex::default() });
    Ok(remembering(config.into_builder().credentials_provider(provider).build()))
}

/// The region of the job, else of the environment, else of the profile.
async fn named_region(settings: &AwsSettings, variable: impl Fn(&str) -> Option<String>) -> Result<Option<String>> {
    let of_profile = profiles::region(settings.profile.as_deref()).await;
    if let Some(region) = &settings.region {
        return one_region("aws.region", region).map(Some);
    }
    if let Some(region) = region_of_environment(variable)? {
        return Ok(Some(region));
    }
    let Some(ProfileRegion { profile, region }) = of_profile else { return Ok(None) };
    one_region(&format!("region of the AWS profile `{profile}`"), &region).map(Some)
}

fn region_of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Option<String>> {
    let set = ["AWS_REGION", "AWS_DEFAULT_REGION"].into_iter().find_map(|name| Some((name, variable(name)?)));
    set.map(|(name, region)| one_region(name, &region)).transpose()
}

/// The region without trailing line ends, which files and secrets often add.
///
/// Rejects an empty value: ignoring it would select another region than intended. Rejects characters that no region's
/// name contains: a dependency panics on those that are invalid in a host name.
fn one_region(named_by: &str, region: &str) -> Result<String> {
    let refused = |what: &str| {
        let advice = match named_by {
            OF_INSTANCE => "set AWS_REGION to a region such as us-east-1".to_owned(),
            _ => format!("set {named_by} to a region such as us-east-1, or unset it"),
        };
        Err(Error::new(Kind::Config, format!("{named_by} {what}")).advise(advice))
    };
    let region = region.trim_end_matches(['\r', '\n']);
    let is_odd = |c: &char| !(c.is_ascii_alphanumeric() || *c == '-');
    match (region.trim().is_empty(), region.chars().find(is_odd)) {
        (true, _) => refused("is empty"),
        (false, Some('\n' | '\r')) => refused("holds a line end, which is in no region's name"),
        (false, Some(odd)) => refused(&format!("holds {odd:?}, which is in no region's name")),
        (false, None) => Ok(region.to_owned()),
    }
}

/// Certificate authorities trusted besides the platform's; none for the sandbox, which does not use TLS.
async fn authorities(settings: &AwsSettings, sandbox: Option<&str>) -> Result<Authorities> {
    if sandbox.is_some() {
        return Ok(Authorities::default());
    }
    Authorities::of_profile(settings.profile.as_deref()).await
}

/// The same configuration, with its credentials, current and renewed, redacted from all output.
fn remembering(config: SdkConfig) -> SdkConfig {
    let Some(provider) = config.credentials_provider() else { return config };
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(Remembering(provider))).build()
}

/// Whether credentials are still good for a while.
fn last_long(credentials: &Credentials) -> bool {
    let soon = std::time::SystemTime::now() + RENEW_BEFORE;
    credentials.expiry().is_none_or(|expiry| expiry > soon)
}

/// The check of the account and the first request follow each other: of a thousand accounts each would ask AWS STS twice.
#[derive(Debug)]
struct Assumed {
    role: AssumeRoleProvider,
    held: Mutex<Option<Credentials>>,
}

impl ProvideCredentials for Assumed {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            let mut held = self.held.lock().await;
            if let Some(credentials) = held.as_ref().filter(|held| last_long(held)) {
                return Ok(credentials.clone());
            }
            let fresh = self.role.provide_credentials().await?;
            *held = Some(fresh.clone());
            Ok(fresh)
        })
    }
}

#[derive(Debug)]
struct Remembering(SharedCredentialsProvider);

impl ProvideCredentials for Remembering {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async {
            sso::remember();
            let provided = match timeout(LONGEST_WAIT, self.0.provide_credentials()).await {
                Ok(provided) => provided,
                Err(_) => Err(CredentialsError::provider_timed_out(LONGEST_WAIT)),
            };
            // A token may have been renewed meanwhile.
            sso::remember();
            if let Ok(credentials) = &provided {
                redact::remember(credentials.secret_access_key());
                credentials.session_token().into_iter().for_each(redact::remember);
            }
            provided.and_then(sendable::checked)
        })
    }
}

pub(in crate::clients) async fn credentials(config: &SdkConfig, settings: &AwsSettings) -> Result<Credentials> {
    let Some(provider) = config.credentials_provider() else { return Err(missing(settings, None).await) };
    // Variables come first in the chain; if they are set, profiles are not used.
    if std::env::var("AWS_ACCESS_KEY_ID").map_or(true, |id| id.trim().is_empty()) {
        profiles::check(settings.profile.as_deref()).await?;
    }
    let error = match provider.provide_credentials().await {
        Ok(credentials) => return Ok(credentials),
        Err(error) => error,
    };
    let unsendable: Option<&Unsendable> = links(&error).find_map(|link| link.downcast_ref());
    if let Some(unsendable) = unsendable {
        return Err(unsendable.told());
    }
    if let Some(wrong) = origin::certain(settings.profile.as_deref()).await {
        return Err(wrong);
    }
    let told = match credentials_unreachable(&error) {
        Some(unreachable) => unreachable,
        None => missing(settings, Some(&error)).await,
    };
    Err(told.because(origin::plain(causes(&error))))
}

/// The error for credentials that did not come, or for a role that is not given for them.
async fn missing(settings: &AwsSettings, error: Option<&CredentialsError>) -> Error {
    // The caller's own credentials fail below the role's.
    let is_of_caller = error.is_some_and(|error| links(error).skip(1).any(|link| link.is::<CredentialsError>()));
    if settings.role_arn.is_some() && !is_of_caller {
        return Error::new(Kind::Auth, "the role that the job names (role_arn) cannot be assumed")
            .advise("check that the role's trust policy names the caller, and that external_id fits it");
    }
    let profile = settings.profile.as_deref();
    let is_refused = |link: &(dyn StdError + 'static)| {
        matches!(link.downcast_ref::<SdkError<AssumeRoleError>>(), Some(SdkError::ServiceError(_)))
    };
    if error.is_some_and(|error| links(error).any(is_refused)) {
        return origin::refused_role(profile);
    }
    origin::missing(profile, &error.map(|error| causes(error)).unwrap_or_default()).await
}

/// The error if the provider of credentials could not be reached; `None` if the credentials may be at fault.
pub(in crate::clients) fn credentials_unreachable(error: &(dyn StdError + 'static)) -> Option<Error> {
    if let Some(unreached) = Unreached::within(error).filter(|unreached| unreached.is_final()) {
        return Some(unreached.error("cannot ask for the AWS credentials"));
    }
    is_provider_silent(error).then(provider_silent)
}

/// The error for a provider of credentials that did not answer; the credentials may be valid.
pub(in crate::clients) fn provider_silent() -> Error {
    Error::new(Kind::Unavailable, "what gives the AWS credentials did not answer, or not in full")
        .advise("run again; check the network and any proxy between here and there")
}

/// Whether a request failed because its credentials could not be obtained.
pub(in crate::clients) fn is_for_credentials(error: &(dyn StdError + 'static)) -> bool {
    links(error).any(|link| link.is::<CredentialsError>())
}

/// Whether a provider of credentials, or AWS STS, gave no verdict on the credentials: it could not be reached, the
/// connection broke, or it was busy. The failed call may be nested deep in the causes.
pub(in crate::clients) fn is_provider_silent(error: &(dyn StdError + 'static)) -> bool {
    let nobody_was_asked = |link: &(dyn StdError + 'static)| {
        matches!(link.downcast_ref(), Some(CredentialsError::CredentialsNotLoaded(_)))
    };
    !links(error).any(nobody_was_asked) && links(error).any(is_silent_link)
}

/// An error and its causes.
fn links<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |link: &&'e (dyn StdError + 'static)| (*link).source())
}

fn is_silent_link(link: &(dyn StdError + 'static)) -> bool {
    // The SDK also reports a failed connection if the request's own credentials failed.
    let is_lost = |_: &ConnectorError| !links(link).any(|cause| cause.is::<CredentialsError>());
    let from_agent: Option<&SdkError<CredentialsError>> = link.downcast_ref();
    matches!(link.downcast_ref(), Some(CredentialsError::ProviderTimedOut(_)))
        || matches!(from_agent, Some(SdkError::TimeoutError(_) | SdkError::ResponseError(_)))
        || link.downcast_ref().is_some_and(is_lost)
        || link.downcast_ref().is_some_and(has_no_answer::<GetCallerIdentityError>)
        || link.downcast_ref().is_some_and(has_no_answer::<AssumeRoleError>)
        || link.downcast_ref().is_some_and(has_no_answer::<AssumeRoleWithWebIdentityError>)
}

fn has_no_answer<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    match error {
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(answered) => {
            let status = answered.raw().status().as_u16();
            // An error with a status below 300, or without an error code, does not come from AWS.
            let code = answered.err().code();
            // All AWS APIs share the codes for throttling and unavailability.
            let later = matches!(explain_code("", code, "", status).kind(), Kind::Throttled | Kind::Unavailable);
            status < 300 || later || code.is_none()
        }
        _ => false,
    }
}

/// Opens `s3://bucket/prefix` with the default chain's credentials.
///
/// # Errors
/// [`Kind::Auth`] without credentials, [`Kind::Config`] for a refused endpoint.
pub async fn open_bucket(
    bucket: &str,
    prefix: &str,
    encryption: Option<Encryption>,
    allow_http: bool,
    deadlines: Deadlines,
) -> Result<S3Lake> {
    let config = load(&AwsSettings::default(), None, true, deadlines).await?;
    credentials(&config, &AwsSettings::default()).await?;
    let address = endpoints::of_bucket(&config, bucket, allow_http).await?;
    let trusted = Authorities::of_profile(None).await?;
    let provider =
        config.credentials_provider().ok_or_else(|| Error::new(Kind::Auth, "there are no AWS credentials to use"))?;
    let bridge = Arc::new(Bridge { provider, held: Mutex::default() });
    let name = if prefix.is_empty() { format!("s3://{bucket}") } else { format!("s3://{bucket}/{prefix}") };
    let store = if address.is_own { "aws" } else { address.url.as_deref().unwrap_or("aws") }.to_owned();
    let access = Access { bucket: bucket.to_owned(), address: address.clone(), bridge, deadlines, trusted };
    let (reads, writes) = (access.open(READ_RETRIES, None)?, access.open(WRITE_RETRIES, encryption.as_ref())?);
    let again = move |encryption: &Encryption| access.open(WRITE_RETRIES, Some(encryption));
    Ok(S3Lake::new(reads, writes, prefix, &name, &store).at(address).opened_by(Arc::new(again)))
}

/// How a bucket is reached.
struct Access {
    bucket: String,
    address: BucketAddress,
    bridge: Arc<Bridge>,
    deadlines: Deadlines,
    trusted: Authorities,
}

impl Access {
    fn open(&self, retries: usize, encryption: Option<&Encryption>) -> Result<Arc<dyn ObjectStore>> {
        let Self { bucket, address, .. } = self;
        let retry = RetryConfig {
            max_retries: retries,
            retry_timeout: Duration::from_secs(60),
            backoff: BackoffConfig::default(),
        };
        // The connector sets the timeouts; plain http is allowed here because `endpoints` has checked the address.
        let client = ClientOptions::new().with_allow_http(true);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&address.region)
            .with_credentials(self.bridge.clone())
            .with_retry(retry)
            .with_client_options(client)
            .with_http_connector(BucketConnector { deadlines: self.deadlines, trusted: self.trusted.clone() });
        if let Some(url) = address.of(bucket) {
            builder = builder.with_endpoint(url).with_virtual_hosted_style_request(!address.by_path);
        } else if bucket.ends_with(ALIAS_OF_ACCESS_POINT) {
            // Such an alias is no name in a path.
            builder = builder.with_virtual_hosted_style_request(true);
        }
        let headers = encryption.iter().flat_map(|encryption| {
            let key = encryption.kms_key.as_deref().map(|key| ("aws_sse_kms_key_id", key));
            [Some(("aws_server_side_encryption", encryption.algorithm)), key].into_iter().flatten()
        });
        for (name, value) in headers {
            let name: AmazonS3ConfigKey = name.parse().map_err(|error| unopened(bucket, error))?;
            builder = builder.with_config(name, value);
        }
        Ok(Arc::new(builder.build().map_err(|error| unopened(bucket, error))?))
    }
}

fn unopened(bucket: &str, error: object_store::Error) -> Error {
    let unopened = Error::new(Kind::Config, "cannot open the bucket").at("bucket", bucket);
    let is_of_client = matches!(&error, object_store::Error::Generic { source, .. } if source.is::<reqwest::Error>());
    let unopened = unopened.because(error);
    if is_of_client { unopened.advise(NO_AUTHORITIES) } else { unopened }
}

/// Passes the chain's credentials to `object_store`, which supports neither profiles nor SSO.
#[derive(Debug)]
struct Bridge {
    provider: SharedCredentialsProvider,
    held: Mutex<Option<(Credentials, Arc<AwsCredential>)>>,
}

/// How the alias of an access point ends, which stands for a bucket
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-naming.html>).
const ALIAS_OF_ACCESS_POINT: &str = "-s3alias";

/// How often a read of the bucket is sent again.
const READ_RETRIES: usize = 4;
/// A write is never sent again by the store's client: the pipeline first looks whether it landed.
const WRITE_RETRIES: usize = 0;

/// Credentials are renewed this long before they expire.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

#[async_trait]
impl CredentialProvider for Bridge {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        let mut held = self.held.lock().await;
        if let Some((_, ready)) = held.as_ref().filter(|(credentials, _)| last_long(credentials)) {
            return Ok(ready.clone());
        }
        let fresh = self.provider.provide_credentials().await;
        let fresh = fresh.map_err(|error| object_store::Error::Generic { store: "S3", source: Box::new(error) })?;
        let ready = Arc::new(AwsCredential {
            key_id: fresh.access_key_id().to_owned(),
            secret_key: fresh.secret_access_key().to_owned(),
            token: fresh.session_token().map(str::to_owned),
        });
        *held = Some((fresh, ready.clone()));
        Ok(ready)
    }
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::error::CredentialsError;
    use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};

    use super::{Remembering, is_provider_silent, one_region, region_of_environment};
    use crate::error::Kind;

    /// A program that waits for a person who has gone home.
    #[derive(Debug)]
    struct Never;

    impl ProvideCredentials for Never {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::new(std::future::pending())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn credentials_that_never_come_are_not_waited_for() {
        let error =
            Remembering(SharedCredentialsProvider::new(Never)).provide_credentials().await.expect_err("no keys");
        assert!(matches!(error, CredentialsError::ProviderTimedOut(_)) && is_provider_silent(&error), "{error:?}");
    }

    #[test]
    fn a_region_that_no_host_name_holds_is_named_with_where_it_stands() {
        let named = |variable: &'static str, region: &str| {
            let region = region.to_owned();
            region_of_environment(move |name| (name == variable).then(|| region.clone()))
        };
        for (region, wanted) in [
            ("", "AWS_REGION is empty"),
            (" ", "AWS_REGION is empty"),
            ("\n", "AWS_REGION is empty"),
            ("us-\neast-1", "AWS_REGION holds a line end"),
            ("us east-1", "AWS_REGION holds ' '"),
            ("us-east-1\u{e9}", "AWS_REGION holds 'é'"),
            ("us_east_1", "AWS_REGION holds '_'"),
            ("us-east-1.evil.example/", "AWS_REGION holds '.'"),
        ] {
            let error = named("AWS_REGION", region).expect_err(wanted);
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.report().starts_with(wanted), "{}", error.report());
        }
        let default = named("AWS_DEFAULT_REGION", "x\t");
        assert!(default.is_err_and(|error| error.report().starts_with("AWS_DEFAULT_REGION holds '\\t'")));
        assert_eq!(named("AWS_REGION", "eu-west-1\r\n").expect("a region").as_deref(), Some("eu-west-1"));
        assert_eq!(named("OTHER", "eu-west-1").expect("none"), None);
        assert_eq!(one_region("aws.region", "us-iso-east-1").expect("a region"), "us-iso-east-1");
    }
}
