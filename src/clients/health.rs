//! Asks a running `serve` or `sandbox` whether it is ready: one GET without credentials, one answer.
//!
//! | answer | result |
//! |---|---|
//! | 200 | ready |
//! | any other status, redirects too | not ready, with the first line of the answer |
//! | no connection, a timeout, a broken connection | not ready, with the cause |
//!
//! Nothing secret is sent, so plain http is allowed to any host. A proxy is never used for a loopback host.

use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::trust::{Authorities, NO_AUTHORITIES};
use super::{is_loopback, proxy};
use crate::error::{Error, Kind, Result};
use crate::redact::without_credentials;
use crate::unreached::Unreached;

/// From the start of the request to the last byte that is read.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How many bytes of an answer are read.
const BODY: usize = 4 << 10;
/// How many characters of it are shown.
const SHOWN: usize = 300;
/// The path that is asked if the address has none.
const READY: &str = "/readyz";

/// Parses the address; without a path it gets `/readyz`.
///
/// # Errors
/// [`Kind::Config`] if it is no http or https URL, or contains a user or password.
pub fn target(text: &str) -> Result<Url> {
    let wrong = |message: &str| {
        Error::new(Kind::Config, message).advise("give the address of the page, such as http://127.0.0.1:8080")
    };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(mut url) = url else {
        return Err(wrong("the address is no http or https URL").at("address", without_credentials(text)));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("the address contains a user or password, and none is sent"));
    }
    if url.path() == "/" {
        url.set_path(READY);
    }
    Ok(url)
}

/// Asks once; returns the first line of the answer.
///
/// # Errors
/// [`Kind::Unavailable`] if it is not ready, with one line that says why; [`Kind::Config`] for unusable certificates or
/// proxy settings.
pub async fn ask(url: &Url) -> Result<String> {
    let asked = client(url)?.get(url.clone()).send().await;
    let answer = asked.map_err(|error| no_answer(url, error))?;
    let status = answer.status();
    let said = first_line(answer).await.map_err(|error| no_answer(url, error))?;
    if status == StatusCode::OK {
        return Ok(said);
    }
    let reason = match said.strip_prefix("not ready: ").unwrap_or(&said) {
        "" => "no reason is given",
        reason => reason,
    };
    Err(not_ready(reason).at("address", url).at("status", status.as_u16()))
}

fn client(url: &Url) -> Result<Client> {
    let mut builder = Client::builder()
        .user_agent(concat!("costlake/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .timeout(TIMEOUT);
    let is_here = is_loopback(url);
    if is_here {
        builder = builder.no_proxy();
    } else {
        proxy::check()?;
    }
    builder = if is_here && url.scheme() == "http" {
        // No certificate is looked at, so none is read: this is asked every few seconds.
        builder.tls_certs_only([])
    } else {
        Authorities::of_environment(|name| std::env::var(name).ok())?.trusted_by(builder)
    };
    builder.build().map_err(|error| {
        Error::new(Kind::Config, "cannot set up the HTTP client").because(error.without_url()).advise(NO_AUTHORITIES)
    })
}

async fn first_line(mut answer: Response) -> reqwest::Result<String> {
    let mut body = Vec::new();
    while body.len() < BODY {
        let Some(chunk) = answer.chunk().await? else { break };
        body.extend_from_slice(&chunk);
    }
    let text = String::from_utf8_lossy(&body);
    Ok(text.lines().next().unwrap_or_default().trim().chars().take(SHOWN).collect())
}

fn not_ready(reason: impl std::fmt::Display) -> Error {
    Error::new(Kind::Unavailable, format!("not ready: {reason}"))
}

fn no_answer(url: &Url, error: reqwest::Error) -> Error {
    if error.is_connect() {
        let by_proxy = (!is_loopback(url)).then(|| proxy::on_the_way_to(url.as_str())).flatten();
        return not_ready(Unreached::new(url.as_str(), by_proxy, error.without_url()));
    }
    if error.is_timeout() {
        return not_ready(format!("no answer within {} s", TIMEOUT.as_secs())).at("address", url);
    }
    not_ready("the connection broke off").at("address", url)
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn an_address_without_a_path_is_asked_whether_it_is_ready() {
        for (text, wanted) in [
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/readyz"),
            ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/readyz"),
            ("http://127.0.0.1:8090/healthz", "http://127.0.0.1:8090/healthz"),
            ("https://costs.example.org/costlake/readyz", "https://costs.example.org/costlake/readyz"),
            ("http://[::1]:8080", "http://[::1]:8080/readyz"),
        ] {
            assert_eq!(target(text).map(String::from).ok().as_deref(), Some(wanted));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_password() {
        for text in [
            "",
            "127.0.0.1:8080",
            "localhost:8080",
            "ftp://127.0.0.1",
            "http://",
            "http://a:hush@b",
            "http://a@b",
            "http://a:hush@b:99999/",
            "ftp://a:hush@b",
            "a:hush@b:1",
        ] {
            let report = target(text).expect_err(text).report();
            assert!(report.contains("such as http://127.0.0.1:8080") && !report.contains("hush"), "{report}");
        }
    }
}
