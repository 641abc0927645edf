//! The proxy on the way to an address, as the environment names it: all HTTP clients here read the same variables.

use hyper::Uri;
use hyper_util::client::proxy::matcher::Matcher;

use crate::reach::address_of;
use crate::secrets::remember_address;

const VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// From now on the passwords of proxies are left out of everything that is printed.
pub(super) fn remember() {
    VARIABLES.iter().filter_map(|name| std::env::var(name).ok()).for_each(|address| remember_address(&address));
}

/// The proxy that is asked for `url`, without its credentials.
pub(super) fn on_the_way_to(url: &str) -> Option<String> {
    let proxy = Matcher::from_env().intercept(&url.parse::<Uri>().ok()?)?;
    Some(address_of(&proxy.uri().to_string()))
}
