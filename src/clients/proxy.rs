//! HTTP proxies from the environment. All HTTP clients here read the same variables by the same rules, and silently
//! ignore a proxy that they cannot parse.
//!
//! | for | the first of these that is set; `ALL_PROXY` or `all_proxy` if it is unset or empty |
//! |---|---|
//! | `https://…` | `HTTPS_PROXY`, `https_proxy` |
//! | `http://…` | `HTTP_PROXY`, `http_proxy` |
//!
//! | value | clients use |
//! |---|---|
//! | `proxy.corp`, `proxy.corp:3128`, `user:password@proxy.corp:3128` | the same with `http://` prepended |
//! | `http://proxy.corp`, `https://proxy.corp:443/any/path` | the same without the path |
//! | `socks5://…` | HTTP, which a SOCKS proxy does not understand |
//! | `http://user:pass#word@proxy`, `http://proxy:99999` | another host or port than intended |
//! | `proxy.corp:3128/`, `http://bad host:3128`, `ftp://…`, surrounding white space | no proxy |

use std::ffi::OsString;

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use super::sendable::flaw_of_key;
use crate::error::{Error, Kind, Result};
use crate::redact::remember_address;
use crate::unreached::address_of;

const VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Redacts the passwords of proxies from all output from now on.
pub(super) fn remember() {
    VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).for_each(|address| remember_address(&address));
}

/// Rejects a proxy variable that clients would ignore, or read as another proxy than intended.
///
/// # Errors
/// [`Kind::Config`] with the variable's name, never its value, which may contain a password.
pub(super) fn check() -> Result<()> {
    remember();
    check_variables(|name| std::env::var_os(name))
}

fn check_variables(lookup: impl Fn(&str) -> Option<OsString>) -> Result<()> {
    // The first that is set wins; if it is empty, there is none.
    let first = |names: [&'static str; 2]| {
        let set = names.into_iter().find_map(|name| Some((name, lookup(name)?)));
        set.filter(|(_, value)| !value.to_string_lossy().trim().is_empty())
    };
    let all = || first(["ALL_PROXY", "all_proxy"]);
    for names in [["HTTPS_PROXY", "https_proxy"], ["HTTP_PROXY", "http_proxy"]] {
        if let Some((name, value)) = first(names).or_else(all)
            && let Some(flaw) = value.to_str().map_or_else(|| Some(format!("is no text: {PAST}")), flaw)
        {
            return Err(Error::new(Kind::Config, format!("{name} {flaw}")).advise(format!(
                "write {name} as http://host:port or http://user:password@host:port (in a password %40 for @, %3A for \
                     :, %2F for /, %23 for #, %25 for %), or unset it"
            )));
        }
    }
    Ok(())
}

/// Why clients could not use this proxy; `None` if they can.
fn flaw(value: &str) -> Option<String> {
    if let Some(flaw) = flaw_of_key(value) {
        return Some(format!("holds {flaw}, which is in no address of a proxy: {PAST}"));
    }
    let anywhere = Uri::from_static("http://anywhere.invalid/");
    let Some(proxy) = Matcher::builder().all(value).build().intercept(&anywhere) else {
        return Some(format!("is no address of a proxy: {PAST}"));
    };
    let after_host = proxy.uri().authority().map_or("", |authority| {
        let host = authority.host();
        authority.as_str().strip_prefix(host).unwrap_or_default()
    });
    match proxy.uri().scheme_str() {
        Some("http" | "https") if after_host.is_empty() || proxy.uri().port_u16().is_some() => None,
        Some("http" | "https") => Some("has no port that a proxy could have".to_owned()),
        _ => Some("names a SOCKS proxy, and only HTTP proxies can be asked".to_owned()),
    }
}

/// What clients do if the proxy is unusable.
const PAST: &str = "requests would go past it";

/// The proxy used for `url`, without its credentials.
pub(super) fn on_the_way_to(url: &str) -> Option<String> {
    let proxy = Matcher::from_env().intercept(&url.parse::<Uri>().ok()?)?;
    Some(address_of(&proxy.uri().to_string()))
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::check_variables;
    use crate::error::Kind;

    fn said(set: &[(&str, &str)]) -> String {
        let value = |name: &str| set.iter().find(|(set, _)| *set == name).map(|(_, value)| OsString::from(value));
        let Err(error) = check_variables(value) else { return String::new() };
        assert_eq!(error.kind(), Kind::Config);
        assert!(error.report().contains("write ") && !error.report().contains("hush"), "{}", error.report());
        error.message().to_owned()
    }

    #[test]
    fn a_proxy_that_no_client_would_ask_is_refused() {
        for (value, words) in [
            ("http://bad host:3128", "HTTPS_PROXY holds a space"),
            ("http://proxy.corp:3128\n", "HTTPS_PROXY holds a line end"),
            (" http://proxy.corp:3128", "HTTPS_PROXY holds a space"),
            ("http://pröxy:3128", "HTTPS_PROXY holds a character that is not ASCII"),
            ("::::", "HTTPS_PROXY is no address of a proxy"),
            ("http://", "HTTPS_PROXY is no address of a proxy"),
            ("/proxy", "HTTPS_PROXY is no address of a proxy"),
            ("proxy.corp:3128/", "HTTPS_PROXY is no address of a proxy"),
            ("htp://somebody:hush@proxy.corp:3128", "HTTPS_PROXY is no address of a proxy"),
            ("http://somebody:hush#1@proxy.corp:3128", "HTTPS_PROXY has no port"),
            ("http://somebody:hush/1@proxy.corp:3128", "HTTPS_PROXY has no port"),
            ("http://proxy.corp:99999", "HTTPS_PROXY has no port"),
            ("socks5h://somebody:hush@proxy.corp:1080", "HTTPS_PROXY names a SOCKS proxy"),
        ] {
            assert!(said(&[("HTTPS_PROXY", value)]).starts_with(words), "{value}: {}", said(&[("HTTPS_PROXY", value)]));
        }
    }

    #[test]
    fn what_people_write_and_clients_understand_is_taken() {
        for value in [
            "",
            " ",
            "proxy.corp",
            "proxy.corp:3128",
            "10.0.0.1:3128",
            "[::1]:3128",
            "somebody:hush@proxy.corp:3128",
            "http://proxy.corp",
            "HTTP://proxy.corp:3128/",
            "http://somebody:hu%40sh@proxy.corp:3128/path",
            "https://somebody@proxy.corp",
            "http://[fe80::1]:3128",
        ] {
            assert_eq!(said(&[("HTTPS_PROXY", value), ("all_proxy", value)]), "", "{value}");
        }
    }

    #[test]
    fn the_variable_that_is_read_is_the_one_that_is_told() {
        let (good, bad) = ("http://proxy:3128", "::::");
        for (set, wanted) in [
            (&[("https_proxy", bad)][..], "https_proxy"),
            (&[("http_proxy", bad)], "http_proxy"),
            (&[("ALL_PROXY", bad)], "ALL_PROXY"),
            (&[("HTTPS_PROXY", good), ("https_proxy", bad)], ""),
            (&[("HTTPS_PROXY", ""), ("all_proxy", bad)], "all_proxy"),
            (&[("HTTPS_PROXY", good), ("HTTP_PROXY", bad)], "HTTP_PROXY"),
            (&[("HTTPS_PROXY", good), ("HTTP_PROXY", good), ("ALL_PROXY", "socks://proxy:1080")], ""),
            (&[], ""),
        ] {
            assert_eq!(said(set).split(' ').next(), Some(wanted), "{set:?}");
        }
    }
}
