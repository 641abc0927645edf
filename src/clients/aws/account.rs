//! The AWS account of a job's credentials. Some credential providers report it; static keys and instance roles do not.
//! For those, AWS STS is called, which is free, once per credentials and process.
//!
//! STS is not called if Cost Explorer's endpoint is an emulator: AWS does not know such credentials and should not see
//! them. To use an emulator of STS as well, configure its endpoint.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::get_caller_identity::GetCallerIdentityError;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::{Kind, Result, printable};
use crate::job::{AccountCheck, AwsSettings, is_account};
use crate::unreached::{Unreached, address_of};

use super::config::{credentials, is_provider_silent};
use super::cost_explorer::errors::explain_code;
use super::endpoints;
use super::profiles::selected;
use crate::clients::sendable::told_account;
use crate::clients::{causes, without_identities};

/// The account id, if known, and how it was found.
pub(in crate::clients) type Found = (Option<String>, AccountCheck);

/// How long an account is not checked again, and a failed call to STS is not repeated: longer than one run of a few
/// jobs, shorter than a night.
pub(in crate::clients) const FRESH: Duration = Duration::from_secs(300);

const ELSEWHERE: &str = "the credentials do not tell it, and AWS STS is not asked beside an address that is not AWS's own, \
    unless AWS_ENDPOINT_URL_STS names one";
const SWITCHED_OFF: &str = "the credentials do not tell it, and aws.verify_account is false";

/// Cached results of AWS STS, by access key id.
#[derive(Debug, Default)]
pub(in crate::clients) struct AccountCache(Mutex<HashMap<String, Arc<Mutex<Cached>>>>);

/// A result, and when it was found.
type Cached = Option<(Instant, Found)>;

/// The account behind the credentials of `config`.
///
/// # Errors
/// [`Kind::Auth`] without credentials or if their account id is malformed, [`Kind::Config`] for a bad STS endpoint.
pub(in crate::clients) async fn find(
    config: &SdkConfig,
    settings: &AwsSettings,
    allow_http: bool,
    answers: &AccountCache,
) -> Result<Found> {
    let credentials = credentials(config, settings).await?;
    if let Some(id) = told_account(&credentials, &selected(settings.profile.as_deref()))? {
        return Ok((Some(id), AccountCheck::Told));
    }
    if settings.unverified {
        return Ok((None, AccountCheck::NotAsked(SWITCHED_OFF)));
    }
    if !may_be_asked(config, settings).await {
        return Ok((None, AccountCheck::NotAsked(ELSEWHERE)));
    }
    ask(config, settings, credentials.access_key_id(), allow_http, answers).await
}

/// Calls AWS STS, unless the result for these credentials is cached.
pub(in crate::clients) async fn ask(
    config: &SdkConfig,
    settings: &AwsSettings,
    access_key_id: &str,
    allow_http: bool,
    answers: &AccountCache,
) -> Result<Found> {
    // Locked while AWS STS is asked: others with the same key wait for its answer.
    let known = Arc::clone(answers.0.lock().await.entry(access_key_id.to_owned()).or_default());
    let mut known = known.lock().await;
    if let Some((at, found)) = known.as_ref()
        && (found.0.is_some() || at.elapsed() < FRESH)
    {
        return Ok(found.clone());
    }
    check_endpoint(config, settings, allow_http)?;
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let found = match answer {
        Ok(answer) => understood(answer.account()),
        Err(error) => (None, in_vain(&error)),
    };
    *known = Some((Instant::now(), found.clone()));
    Ok(found)
}

fn understood(account: Option<&str>) -> Found {
    match account {
        Some(id) if is_account(id) => (Some(id.to_owned()), AccountCheck::RequestStats),
        said => {
            let said = said.map_or("none".to_owned(), |id| format!("\"{}\"", shorten(id)));
            let why = format!(
                "what answers in the place of AWS STS says an account that is none ({said}): see AWS_ENDPOINT_URL_STS, \
                 AWS_ENDPOINT_URL and any proxy"
            );
            (None, AccountCheck::InVain { kind: Kind::BadAnswer, why, are_refused: false })
        }
    }
}

fn in_vain(error: &SdkError<GetCallerIdentityError>) -> AccountCheck {
    if let Some(unreached) = Unreached::within(error).filter(|unreached| unreached.is_final()) {
        let why = shorten(&unreached.error("AWS STS cannot be asked").report());
        return AccountCheck::InVain { kind: Kind::Config, why, are_refused: false };
    }
    if is_provider_silent(error) {
        let why = format!("AWS STS did not answer ({})", shorten(&causes(error)));
        return AccountCheck::InVain { kind: Kind::Unavailable, why, are_refused: false };
    }
    let code = error.code().unwrap_or_default();
    let words = error.message().map_or_else(|| causes(error), without_identities);
    let are_refused = explain_code("", Some(code), "", 400).kind() == Kind::Auth && !code.starts_with("AccessDenied");
    let what = if are_refused { "does not accept the credentials" } else { "does not say it" };
    let why = format!("AWS STS {what} ({})", shorten(format!("{code}: {words}").trim_start_matches(": ")));
    AccountCheck::InVain { kind: Kind::Auth, why, are_refused }
}

fn shorten(text: &str) -> String {
    let text = printable(text);
    if text.chars().count() <= 200 { text } else { format!("{}…", text.chars().take(200).collect::<String>()) }
}

/// Whether these credentials may be sent to AWS STS.
pub(in crate::clients) async fn may_be_asked(config: &SdkConfig, settings: &AwsSettings) -> bool {
    if settings.account_id.is_some() || endpoints::configured(config, "sts").is_some() {
        return true;
    }
    elsewhere(config).await.is_none()
}

/// The endpoint of Cost Explorer, if it is not AWS's own.
pub(in crate::clients) async fn elsewhere(config: &SdkConfig) -> Option<String> {
    let url = endpoints::of_cost_explorer(config)?;
    let region = config.region().map_or("us-east-1", |region| region.as_ref());
    (!is_of_aws(&url, region).await).then(|| address_of(&url))
}

/// Rejects an STS endpoint that would expose the credentials on the network.
pub(in crate::clients) fn check_endpoint(config: &SdkConfig, settings: &AwsSettings, allow_http: bool) -> Result<()> {
    let Some(url) = endpoints::configured(config, "sts") else { return Ok(()) };
    let named_by = endpoints::named_by(config, "sts", &url, settings.profile.as_deref());
    endpoints::check("AWS STS", &url, &named_by, allow_http)
}

/// Whether a URL's host is AWS's own, by the SDK's DNS suffixes of the region's partition.
async fn is_of_aws(url: &str, region: &str) -> bool {
    let Some(host) = host_of(url) else { return false };
    for dual_stack in [false, true] {
        let params = Params::builder().region(region).use_dual_stack(dual_stack).use_fips(false).build();
        let Ok(params) = params else { return false };
        let Ok(resolved) = DefaultResolver::new().resolve_endpoint(&params).await else { continue };
        let own = host_of(resolved.url()).unwrap_or_default();
        let suffix =
            own.strip_prefix("sts.").and_then(|rest| rest.strip_prefix(region)).filter(|suffix| suffix.len() > 1);
        if suffix.is_some_and(|suffix| host.ends_with(suffix)) {
            return true;
        }
    }
    false
}

fn host_of(url: &str) -> Option<String> {
    let url = reqwest::Url::parse(url).ok()?;
    url.host_str().map(|host| host.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{is_of_aws, understood};

    #[tokio::test]
    async fn aws_is_known_by_the_names_of_its_partition() {
        for (url, region, is_own) in [
            ("https://ce.us-east-1.amazonaws.com", "us-east-1", true),
            ("https://CE.us-east-1.amazonaws.com./", "eu-west-1", true),
            ("https://vpce-0a1b-2c3d.ce.us-east-1.vpce.amazonaws.com", "us-east-1", true),
            ("https://ce.us-east-1.api.aws", "us-east-1", true),
            ("https://ce.cn-northwest-1.amazonaws.com.cn", "cn-north-1", true),
            ("https://ce.us-gov-west-1.amazonaws.com", "us-gov-west-1", true),
            ("https://ce.us-iso-east-1.c2s.ic.gov", "us-iso-east-1", true),
            ("https://ce.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1", true),
            ("https://ce.cn-northwest-1.amazonaws.com.cn", "us-east-1", false),
            ("https://notamazonaws.com", "us-east-1", false),
            ("https://amazonaws.com.example.com", "us-east-1", false),
            ("https://user@amazonaws.com@example.com/.amazonaws.com", "us-east-1", false),
            ("http://127.0.0.1:8090", "us-east-1", false),
            ("http://sandbox:8090", "us-east-1", false),
            ("nonsense", "us-east-1", false),
        ] {
            assert_eq!(is_of_aws(url, region).await, is_own, "{url} from {region}");
        }
    }

    #[test]
    fn an_account_has_twelve_digits() {
        assert_eq!(understood(Some("000123456789")).0.as_deref(), Some("000123456789"));
        for none in
            [None, Some(""), Some("12345678901"), Some("1234567890123"), Some("12345678901x"), Some("١٢٣٤٥٦٧٨٩٠١٢")]
        {
            assert_eq!(understood(none).0, None, "{none:?}");
        }
    }
}
