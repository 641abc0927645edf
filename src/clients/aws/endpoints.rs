//! Endpoints of AWS services, from the environment, the profile and the region.
//!
//! | order | source |
//! |---|---|
//! | 1 | `AWS_ENDPOINT_URL_<SERVICE>` |
//! | 2 | `AWS_ENDPOINT_URL` |
//! | 3 | `endpoint_url` of the service in the profile's `services` section |
//! | 4 | `endpoint_url` of the profile |
//! | 5 | AWS's own host of the region |
//!
//! With `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` or the profile's `ignore_configured_endpoint_urls`, only 5 applies.
//!
//! AWS's own S3 hosts; `<suffix>` is the DNS suffix of the region's partition:
//!
//! | FIPS | dual-stack | host |
//! |---|---|---|
//! | | | `s3.<region>.<suffix>` |
//! | | yes | `s3.dualstack.<region>.<suffix>` |
//! | yes | | `s3-fips.<region>.<suffix>` |
//! | yes | yes | `s3-fips.dualstack.<region>.<suffix>` |

use aws_config::SdkConfig;
use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_types::service_config::ServiceConfigKey;
use reqwest::Url;

use crate::error::{Error, Kind, Result};
use crate::lake::BucketAddress;
use crate::redact::without_credentials;

use super::profiles;

/// DNS suffix of the partition whose hosts `object_store` knows.
const USUAL_SUFFIX: &str = "amazonaws.com";
/// DNS suffix of the partition without FIPS endpoints of S3.
const CHINA: &str = "amazonaws.com.cn";

/// A setting from the environment, else from the profile; `service` selects a service, empty for none.
pub(in crate::clients) fn setting(config: &SdkConfig, service: &str, variable: &str, key: &str) -> Option<String> {
    let key = ServiceConfigKey::builder().service_id(service).env(variable).profile(key).build().ok()?;
    config.service_config()?.load_config(key)
}

/// The configured endpoint of an AWS service, named as in the `services` section; `None` for AWS's own.
pub(in crate::clients) fn configured(config: &SdkConfig, service: &str) -> Option<String> {
    let general = config.endpoint_url();
    if config.get_origin("endpoint_url").is_client_config() {
        return general.map(str::to_owned);
    }
    let found = setting(config, service, "AWS_ENDPOINT_URL", "endpoint_url").or_else(|| general.map(str::to_owned));
    found.filter(|url| !url.is_empty())
}

/// The configured endpoint of Cost Explorer. The documented key in the `services` section is `cost_explorer`; this SDK
/// looks for `cost-explorer`.
pub(in crate::clients) fn of_cost_explorer(config: &SdkConfig) -> Option<String> {
    let documented = configured(config, "cost_explorer");
    let general = config.endpoint_url();
    if documented.as_deref() == general { configured(config, "Cost Explorer") } else { documented }
}

/// The address of a bucket.
///
/// # Errors
/// [`Kind::Config`] for an invalid address, for plain http to another machine without `allow_http`, and for a region
/// without such an endpoint.
pub(in crate::clients) async fn of_bucket(config: &SdkConfig, bucket: &str, allow_http: bool) -> Result<BucketAddress> {
    let region = config.region().map_or("us-east-1", |region| region.as_ref()).to_owned();
    // AWS's wildcard certificates cover only one label, so a bucket with dots goes into the path.
    let by_path = bucket.contains('.');
    if let Some(url) = configured(config, "s3") {
        check("S3", &url, &named_by(config, "s3", &url, None), allow_http)?;
        return Ok(BucketAddress { region, url: Some(url), is_own: false, by_path: true });
    }
    let (fips, dual_stack) = (config.use_fips().unwrap_or(false), config.use_dual_stack().unwrap_or(false));
    let suffix = dns_suffix(&region).await?;
    if suffix == USUAL_SUFFIX && !fips && !dual_stack {
        return Ok(BucketAddress { region, url: None, is_own: true, by_path });
    }
    let url = format!("https://{}", s3_host(&region, &suffix, fips, dual_stack)?);
    Ok(BucketAddress { region, url: Some(url), is_own: true, by_path })
}

/// Rejects a configured endpoint of `what` that is not a valid URL, or is plain http to another machine; `named_by` is
/// the setting it comes from.
///
/// # Errors
/// [`Kind::Config`].
pub(in crate::clients) fn check(what: &str, url: &str, named_by: &str, allow_http: bool) -> Result<()> {
    let wrong = |message: String| Error::new(Kind::Config, message).at("endpoint", without_credentials(url));
    let is_web = Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !is_web {
        return Err(wrong(format!("the address of {what} is no https URL"))
            .advise(format!("write {named_by} as https://host[:port], or unset it")));
    }
    if !allow_http && !crate::clients::is_https_or_loopback(url) {
        return Err(wrong(format!("the {what} endpoint is plain http and not on this machine"))
            .advise(format!("use https in {named_by}, or pass --allow-http")));
    }
    Ok(())
}

/// Rejects an endpoint of Cost Explorer as [`check`] does; `profile` is the job's own.
pub(in crate::clients) fn check_cost_explorer(
    config: &SdkConfig,
    profile: Option<&str>,
    allow_http: bool,
) -> Result<()> {
    let Some(url) = of_cost_explorer(config) else { return Ok(()) };
    check("Cost Explorer", &url, &named_by(config, "cost_explorer", &url, profile), allow_http)
}

/// A variable that is never set, for settings that are read from the profile only.
const NO_VARIABLE: &str = "COSTLAKE_NO_VARIABLE";

/// The setting that gave a service this endpoint, in the order of the module's table.
pub(in crate::clients) fn named_by(config: &SdkConfig, service: &str, url: &str, profile: Option<&str>) -> String {
    let of_service = format!("AWS_ENDPOINT_URL_{}", service.to_uppercase());
    for variable in [&of_service, "AWS_ENDPOINT_URL"] {
        if std::env::var(variable).is_ok_and(|value| value == url) {
            return variable.to_owned();
        }
    }
    let profile = format!("the AWS profile `{}`", profiles::selected(profile));
    let in_profile = |key| setting(config, "", NO_VARIABLE, key);
    match in_profile("services") {
        Some(section) if in_profile("endpoint_url").as_deref() != Some(url) => {
            format!("endpoint_url of {service} in [services {section}] of {profile}")
        }
        _ => format!("endpoint_url of {profile}"),
    }
}

fn s3_host(region: &str, suffix: &str, fips: bool, dual_stack: bool) -> Result<String> {
    if fips && suffix == CHINA {
        return Err(Error::new(Kind::Config, "S3 has no FIPS endpoints in the regions of China")
            .at("region", region)
            .advise("unset AWS_USE_FIPS_ENDPOINT or use_fips_endpoint of the profile, or set another region"));
    }
    let service = if fips { "s3-fips" } else { "s3" };
    let stack = if dual_stack { "dualstack." } else { "" };
    Ok(format!("{service}.{stack}{region}.{suffix}"))
}

/// The DNS suffix of a region's partition, from the table the SDK resolves its own hosts with.
async fn dns_suffix(region: &str) -> Result<String> {
    let unknown = || {
        Error::new(Kind::Config, "the AWS region is none")
            .at("region", region)
            .advise("correct AWS_REGION or the profile's region")
    };
    let params = Params::builder().region(region).use_global_endpoint(false).build().map_err(|_| unknown())?;
    let host = DefaultResolver::new().resolve_endpoint(&params).await.map_err(|_| unknown())?;
    let suffix = host.url().strip_prefix("https://sts.").map(|rest| rest.strip_prefix(region).unwrap_or(rest));
    suffix.map(|suffix| suffix.trim_start_matches('.').to_owned()).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use aws_config::{Region, SdkConfig};

    use super::of_bucket;

    async fn asked(region: &str, fips: bool, dual_stack: bool) -> String {
        let region = Region::new(region.to_owned());
        let config = SdkConfig::builder().region(region).use_fips(fips).use_dual_stack(dual_stack).build();
        match of_bucket(&config, "bills", false).await {
            Ok(address) => address.url.unwrap_or_default(),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn every_partition_has_its_hosts() {
        for (region, suffix) in [
            ("eu-central-1", "amazonaws.com"),
            ("cn-northwest-1", "amazonaws.com.cn"),
            ("us-gov-west-1", "amazonaws.com"),
            ("eusc-de-east-1", "amazonaws.eu"),
            ("us-iso-east-1", "c2s.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "cloud.adc-e.uk"),
            ("us-isof-south-1", "csp.hci.ic.gov"),
        ] {
            let usual = if suffix == "amazonaws.com" { String::new() } else { format!("https://s3.{region}.{suffix}") };
            assert_eq!(asked(region, false, false).await, usual);
            assert_eq!(asked(region, false, true).await, format!("https://s3.dualstack.{region}.{suffix}"));
            if suffix == super::CHINA {
                continue;
            }
            assert_eq!(asked(region, true, false).await, format!("https://s3-fips.{region}.{suffix}"));
            assert_eq!(asked(region, true, true).await, format!("https://s3-fips.dualstack.{region}.{suffix}"));
        }
    }

    #[tokio::test]
    async fn what_does_not_exist_is_refused() {
        for dual_stack in [false, true] {
            let said = asked("cn-north-1", true, dual_stack).await;
            assert_eq!(said, "S3 has no FIPS endpoints in the regions of China (region cn-north-1)");
        }
        assert_eq!(asked("no region", false, false).await, "the AWS region is none (region no region)");
    }

    #[tokio::test]
    async fn a_bucket_with_dots_is_named_in_the_path() {
        for (bucket, by_path) in [("bills", false), ("bills.example.com", true)] {
            for region in ["eu-central-1", "cn-north-1"] {
                let config = SdkConfig::builder().region(Region::new(region)).build();
                assert_eq!(of_bucket(&config, bucket, false).await.expect("an address").by_path, by_path);
            }
        }
    }

    #[tokio::test]
    async fn an_address_of_ones_own_is_taken_or_refused() {
        for (url, wanted) in [
            ("http://127.0.0.1:9000", None),
            ("https://minio.example", None),
            (
                "http://minio.example",
                Some("the S3 endpoint is plain http and not on this machine (endpoint http://minio.example)"),
            ),
            ("minio:9000", Some("the address of S3 is no https URL (endpoint minio:9000)")),
        ] {
            let config = SdkConfig::builder().region(Region::new("cn-north-1")).endpoint_url(url).build();
            let said = of_bucket(&config, "bills", false).await;
            match wanted {
                None => assert_eq!(said.expect(url).url.as_deref(), Some(url)),
                Some(words) => assert_eq!(said.expect_err(url).to_string(), words),
            }
        }
    }
}
