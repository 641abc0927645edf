//! The base URL of Datadog's API: from `DD_SITE` in any common spelling, or from a custom address.
//!
//! | value | base URL |
//! |---|---|
//! | nothing | `https://api.datadoghq.com` |
//! | `datadoghq.eu`, `https://app.datadoghq.eu/`, `api.datadoghq.eu` | `https://api.datadoghq.eu` |
//! | `us3.datadoghq.com`, and any other region of Datadog's own domains | `https://api.us3.datadoghq.com` |
//! | `acme.datadoghq.com`, `example.org`, a path, a port, plain http | an error that names `COSTLAKE_DATADOG_URL` |
//! | a custom address (`COSTLAKE_DATADOG_URL`) | itself; plain http for loopback hosts, or when allowed |
//!
//! A site outside Datadog's domains is rejected: a typo would send the keys to a stranger.

use reqwest::Url;

use crate::error::{Error, Kind, Result};
use crate::job::section::nearest;
use crate::redact::without_credentials;
use crate::unreached::address_of;

/// Datadog's documented sites, for spelling hints; other regions of the same domains are accepted as well.
const SITES: [&str; 9] = [
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
    "ddog-gov.com",
    "us2.ddog-gov.com",
];

const OWN_ADDRESS: &str = "set COSTLAKE_DATADOG_URL=https://… for any other host, such as one of your organisation";

/// The base URL of the API: `override_url` unchanged, else that of `site`, else that of US1.
///
/// # Errors
/// [`Kind::Config`] for the errors in the module's table.
pub fn base_url(site: Option<&str>, override_url: Option<&str>, allow_http: bool) -> Result<String> {
    match given(override_url) {
        Some(url) => custom(url, allow_http),
        None => given(site).map_or_else(|| Ok("https://api.datadoghq.com".to_owned()), of_site),
    }
}

/// The custom address, if it is not Datadog's own.
#[must_use]
pub fn elsewhere(override_url: Option<&str>) -> Option<String> {
    let url = given(override_url)?;
    let host = Url::parse(url).ok()?.host_str()?.to_lowercase();
    (!host.strip_prefix("api.").is_some_and(is_site)).then(|| address_of(url))
}

fn given(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn of_site(written: &str) -> Result<String> {
    let wrong = |message: String| {
        Error::new(Kind::Config, message).at("site", without_credentials(written)).advise(OWN_ADDRESS)
    };
    let lower = written.to_lowercase();
    if lower.starts_with("http://") {
        return Err(wrong("a Datadog site is not reached by plain http".to_owned()));
    }
    let host = lower.strip_prefix("https://").unwrap_or(&lower).trim_end_matches('/');
    let site = host.strip_prefix("api.").or_else(|| host.strip_prefix("app.")).unwrap_or(host);
    if is_site(site) {
        return Ok(format!("https://api.{site}"));
    }
    let hint = match site {
        "us1.datadoghq.com" => " (US1 is `datadoghq.com`)".to_owned(),
        "eu1.datadoghq.com" | "eu.datadoghq.com" | "eu1.datadoghq.eu" => " (EU1 is `datadoghq.eu`)".to_owned(),
        _ => nearest(site, SITES),
    };
    Err(wrong(format!("this is not a Datadog site{hint}")))
}

/// One of [`SITES`], or a region newer than this list.
fn is_site(site: &str) -> bool {
    let region =
        ["datadoghq.com", "ddog-gov.com"].iter().find_map(|domain| site.strip_suffix(domain)?.strip_suffix('.'));
    let is_region = |region: &str| {
        let name = region.trim_end_matches(|c: char| c.is_ascii_digit());
        name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_lowercase()) && (3..=4).contains(&region.len())
    };
    let other_name = matches!(site, "us1.datadoghq.com" | "eu1.datadoghq.com");
    SITES.contains(&site) || (region.is_some_and(is_region) && !other_name)
}

fn custom(written: &str, allow_http: bool) -> Result<String> {
    let wrong = |message: &str| Error::new(Kind::Config, message);
    let url = Url::parse(written).map_err(|error| {
        wrong("the Datadog address is not a URL").because(error).advise("write it as https://host[:port][/path]")
    })?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the Datadog address must not hold a user name or a password"));
    }
    let placed = |message: &str| wrong(message).at("url", without_credentials(written));
    if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
        return Err(placed("the Datadog address must begin with https://"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(placed("the Datadog address must end with its host or path"));
    }
    if url.scheme() == "http" && !allow_http && !crate::clients::is_loopback(&url) {
        return Err(placed("plain http would show the Datadog keys to the network")
            .advise("use https, or --allow-http where the network is your own"));
    }
    Ok(written.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{SITES, base_url};
    use crate::error::Kind;

    #[test]
    fn every_site_has_its_host() {
        for site in SITES {
            assert_eq!(base_url(Some(site), None, false).expect(site), format!("https://api.{site}"));
        }
        assert_eq!(base_url(None, None, false).expect("default"), "https://api.datadoghq.com");
        assert_eq!(base_url(Some(" "), Some(""), false).expect("default"), "https://api.datadoghq.com");
    }

    #[test]
    fn sites_are_understood_as_people_write_them() {
        for written in ["https://app.datadoghq.eu", "app.datadoghq.eu", "API.datadoghq.eu/", " datadoghq.eu// "] {
            assert_eq!(base_url(Some(written), None, false).expect(written), "https://api.datadoghq.eu", "{written}");
        }
        assert_eq!(base_url(Some("us9.datadoghq.com"), None, false).expect("new"), "https://api.us9.datadoghq.com");
    }

    #[test]
    fn other_hosts_are_refused_with_the_way_out() {
        for (written, wanted) in [
            ("datadog.com", "this is not a Datadog site (did you mean `datadoghq.com`?)"),
            ("us1.datadoghq.com", "this is not a Datadog site (US1 is `datadoghq.com`)"),
            ("eu.datadoghq.com", "this is not a Datadog site (EU1 is `datadoghq.eu`)"),
            ("http://datadoghq.com", "a Datadog site is not reached by plain http"),
            ("https://evil.example/datadoghq.com", "this is not a Datadog site"),
            ("evildatadoghq.com", "this is not a Datadog site (did you mean `datadoghq.com`?)"),
            ("acme-corp-of-all.datadoghq.com", "this is not a Datadog site"),
            ("datadoghq.com:8443", "this is not a Datadog site"),
        ] {
            let error = base_url(Some(written), None, true).expect_err(written);
            assert_eq!(
                (error.kind(), error.message().split(" (did").next()),
                (Kind::Config, wanted.split(" (did").next())
            );
            assert!(error.advice().unwrap_or_default().contains("COSTLAKE_DATADOG_URL"));
        }
    }

    #[test]
    fn plain_http_is_for_this_machine() {
        for own in ["http://127.0.0.1:8126", "http://[::1]:1/", "http://localhost:80/x/", "https://dd.example/api"] {
            assert_eq!(base_url(Some("nonsense"), Some(own), false).expect(own), own.trim_end_matches('/'));
        }
        for wrong in
            ["http://10.0.0.1", "http://localhost.example", "http://127.0.0.1.example", "ftp://x", "x", "https://a?b"]
        {
            assert_eq!(base_url(None, Some(wrong), false).expect_err(wrong).kind(), Kind::Config);
        }
        assert!(base_url(None, Some("http://10.0.0.1"), true).is_ok());
        let error = base_url(None, Some("https://user:hush@dd.example"), true).expect_err("credentials");
        assert!(!error.report().contains("hush"));
    }
}
