//! Why an address could not be reached: one classification of the errors of three HTTP clients, and one error message.
//!
//! | cause | retried | what to do |
//! |---|---|---|
//! | the certificate is not trusted, has expired or is for another name | no | add the authority to `AWS_CA_BUNDLE` or `SSL_CERT_FILE`; correct the clock or the address |
//! | the proxy asks for a password (407) | no | put it into `HTTPS_PROXY` |
//! | the proxy refuses to connect, or cannot be reached | yes | correct `HTTPS_PROXY`, or name the host in `NO_PROXY` |
//! | the name does not resolve; the connection is refused, times out or breaks | yes | check the address, the network and any proxy |
//!
//! Only failures that may resolve by themselves are retried; an untrusted certificate stays untrusted.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use rustls::CertificateError;

use crate::error::{Error, Kind};
use crate::redact::without_credentials;

type Source = Box<dyn StdError + Send + Sync>;

/// Why the connection failed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cause {
    /// The certificate is signed by an authority that is not trusted here.
    UnknownAuthority,
    /// The certificate has expired or is not valid yet, by this machine's clock.
    WrongTime(&'static str),
    /// The certificate is for another host.
    OtherName,
    /// Any other certificate error.
    Certificate(String),
    /// The TLS handshake failed: the server may not speak TLS.
    Tls(String),
    ProxyWantsPassword,
    ProxyRefuses,
    ProxyUnreached(&'static str),
    /// The network failed between here and the host.
    Network(&'static str),
}

/// An address that could not be reached, the proxy in use, and the cause.
#[derive(Debug)]
pub struct Unreached {
    address: String,
    proxy: Option<String>,
    cause: Cause,
    source: Source,
}

impl Unreached {
    /// Classifies the error of an HTTP client that requested `url`, through `proxy` if there is one.
    pub fn new(url: &str, proxy: Option<String>, source: impl Into<Source>) -> Self {
        let source = source.into();
        let to_proxy = proxy.is_some() && !url.starts_with("https:");
        let cause = cause_of(&*source, to_proxy);
        Self { address: address_of(url), proxy, cause, source }
    }

    /// Finds an [`Unreached`] among an error and its causes.
    #[must_use]
    pub fn within<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e Self> {
        links(error).find_map(|link| link.downcast_ref())
    }

    /// Whether a retry would fail the same way.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self.cause, Cause::Tls(_) | Cause::ProxyRefuses | Cause::ProxyUnreached(_) | Cause::Network(_))
    }

    /// The error to report; `what` says what could not be done.
    #[must_use]
    pub fn error(&self, what: &str) -> Error {
        self.placed(Error::new(self.kind(), what).at("address", &self.address))
    }

    /// As [`Unreached::error`], without the address, which is a secret.
    #[must_use]
    pub fn error_of_secret(&self, what: &str) -> Error {
        self.placed(Error::new(self.kind(), what))
    }

    fn kind(&self) -> Kind {
        if self.is_final() { Kind::Config } else { Kind::Unavailable }
    }

    fn placed(&self, error: Error) -> Error {
        let error = self.proxy.iter().fold(error, |error, proxy| error.at("proxy", proxy));
        error.at("cause", &self.cause).advise(self.advice())
    }

    fn advice(&self) -> &'static str {
        match self.cause {
            Cause::UnknownAuthority => {
                "if a proxy or gateway of your own network signs it, let AWS_CA_BUNDLE (or SSL_CERT_FILE, or ca_bundle of the AWS profile) name a PEM file that holds the certificate of its authority"
            }
            Cause::WrongTime(_) => "check this machine's clock; if it is right, the certificate has to be renewed",
            Cause::OtherName => {
                "another host answers there: check the address, what the name resolves to, and any proxy on the way"
            }
            Cause::Certificate(_) => {
                "check what answers at the address; AWS_CA_BUNDLE or SSL_CERT_FILE name certificate authorities of your own"
            }
            Cause::Tls(_) => "check that https is spoken at the address, and any proxy on the way",
            Cause::ProxyWantsPassword => {
                "put the user and password of the proxy into HTTPS_PROXY (http://user:password@host:port), or name the host in NO_PROXY"
            }
            Cause::ProxyRefuses | Cause::ProxyUnreached(_) => {
                "check HTTPS_PROXY and that the proxy lets this host through, or name the host in NO_PROXY"
            }
            Cause::Network(_) => "check the address, the network and any proxy (HTTPS_PROXY), then run again",
        }
    }
}

impl fmt::Display for Unreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot reach {}", self.address)?;
        if let Some(proxy) = &self.proxy {
            write!(f, " through the proxy {proxy}")?;
        }
        write!(f, ": {}", self.cause)
    }
}

impl StdError for Unreached {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.source)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownAuthority => f.write_str("certificate not trusted, its authority is unknown here"),
            Self::WrongTime(words) => f.write_str(words),
            Self::OtherName => f.write_str("certificate not trusted, it is of another name"),
            Self::Certificate(words) => write!(f, "certificate not trusted, {words}"),
            Self::Tls(words) => write!(f, "TLS failed, {words}"),
            Self::ProxyWantsPassword => f.write_str("the proxy asks for a user and password (407)"),
            Self::ProxyRefuses => f.write_str("the proxy refuses to connect"),
            Self::ProxyUnreached(words) => write!(f, "the proxy cannot be reached, {words}"),
            Self::Network(words) => f.write_str(words),
        }
    }
}

/// Scheme, host and port of a URL.
#[must_use]
pub fn address_of(url: &str) -> String {
    let shown = without_credentials(url).replace("…@", "");
    let (scheme, rest) = shown.split_once("://").unwrap_or(("", &shown));
    let host = rest.split(['/', '?']).next().unwrap_or(rest);
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

/// An error and its causes, including the inner error of an [`io::Error`], which `source` skips.
fn links<'e>(error: &'e (dyn StdError + 'static)) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |link: &&'e (dyn StdError + 'static)| deeper(*link))
}

fn deeper<'e>(link: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    match link.downcast_ref().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => link.source(),
    }
}

fn cause_of(error: &(dyn StdError + 'static), to_proxy: bool) -> Cause {
    if let Some(tls) = links(error).find_map(|link| link.downcast_ref::<rustls::Error>()) {
        return cause_of_tls(tls);
    }
    // The error type of a proxy tunnel is private: only its text identifies it.
    let tunnel = links(error).map(ToString::to_string).find(|text| text.starts_with("tunnel error: "));
    match tunnel.as_deref() {
        Some(text) if text.contains("proxy authorization required") => Cause::ProxyWantsPassword,
        Some(text) if text.contains("underlying connection") => Cause::ProxyUnreached(network(error)),
        Some(_) => Cause::ProxyRefuses,
        None if to_proxy => Cause::ProxyUnreached(network(error)),
        None => Cause::Network(network(error)),
    }
}

fn cause_of_tls(error: &rustls::Error) -> Cause {
    let rustls::Error::InvalidCertificate(certificate) = error else { return Cause::Tls(error.to_string()) };
    match certificate {
        CertificateError::UnknownIssuer => Cause::UnknownAuthority,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Cause::WrongTime("certificate not trusted, it has expired")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Cause::WrongTime("certificate not trusted, it is not valid yet")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Cause::OtherName,
        other => Cause::Certificate(other.to_string()),
    }
}

fn network(error: &(dyn StdError + 'static)) -> &'static str {
    let texts: Vec<String> = links(error).map(ToString::to_string).collect();
    let says = |words: &str| texts.iter().any(|text| text.contains(words));
    if says("dns error") {
        return "its name cannot be resolved (DNS)";
    }
    let kinds: Vec<io::ErrorKind> =
        links(error).filter_map(|link| Some(link.downcast_ref::<io::Error>()?.kind())).collect();
    let is = |kind: io::ErrorKind| kinds.contains(&kind);
    match () {
        () if is(io::ErrorKind::ConnectionRefused) => "connection refused",
        () if is(io::ErrorKind::TimedOut) || says("timed out") || says("timeout occurred") => "timed out",
        () if is(io::ErrorKind::NetworkUnreachable) || is(io::ErrorKind::HostUnreachable) => "there is no way to it",
        () => "the connection broke off",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use rustls::CertificateError;

    use super::{Unreached, address_of};
    use crate::error::Kind;

    fn unreached(error: impl Into<super::Source>, proxy: Option<&str>) -> Unreached {
        Unreached::new("https://user:hush@ce.example:444/x?y=hush", proxy.map(str::to_owned), error)
    }

    fn certificate(error: CertificateError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, rustls::Error::InvalidCertificate(error))
    }

    #[test]
    fn every_cause_has_its_words_and_advice() {
        for (error, words, advice, kind) in [
            (
                certificate(CertificateError::UnknownIssuer),
                "its authority is unknown here",
                "AWS_CA_BUNDLE",
                Kind::Config,
            ),
            (certificate(CertificateError::Expired), "it has expired", "clock", Kind::Config),
            (certificate(CertificateError::NotValidYet), "it is not valid yet", "clock", Kind::Config),
            (certificate(CertificateError::NotValidForName), "it is of another name", "another host", Kind::Config),
            (certificate(CertificateError::BadEncoding), "certificate not trusted", "SSL_CERT_FILE", Kind::Config),
            (io::Error::other(rustls::Error::HandshakeNotComplete), "TLS failed", "https is spoken", Kind::Unavailable),
            (io::ErrorKind::ConnectionRefused.into(), "cause connection refused", "network", Kind::Unavailable),
            (io::ErrorKind::TimedOut.into(), "cause timed out", "network", Kind::Unavailable),
            (io::ErrorKind::HostUnreachable.into(), "there is no way to it", "network", Kind::Unavailable),
            (io::Error::other("dns error"), "its name cannot be resolved (DNS)", "network", Kind::Unavailable),
            (io::ErrorKind::ConnectionReset.into(), "the connection broke off", "network", Kind::Unavailable),
            (
                io::Error::other("tunnel error: proxy authorization required"),
                "asks for a user and password (407)",
                "http://user:password@host:port",
                Kind::Config,
            ),
            (io::Error::other("tunnel error: unsuccessful"), "the proxy refuses", "NO_PROXY", Kind::Unavailable),
            (
                io::Error::other("tunnel error: failed to create underlying connection"),
                "the proxy cannot be reached",
                "HTTPS_PROXY",
                Kind::Unavailable,
            ),
        ] {
            let error = unreached(error, Some("http://proxy:3128")).error("cannot reach Cost Explorer");
            let report = error.report();
            assert!(report.contains(words) && report.contains(advice), "{words}, {advice}: {report}");
            assert!(report.contains("(address https://ce.example:444, proxy http://proxy:3128, cause "), "{report}");
            assert_eq!(error.kind(), kind, "{report}");
            assert!(!report.contains("hush"), "{report}");
        }
    }

    #[test]
    fn it_is_found_however_deep_it_lies() {
        let deep = io::Error::other(io::Error::other(unreached(io::Error::other("x"), None)));
        assert!(Unreached::within(&deep).is_some());
        assert!(Unreached::within(&io::Error::other("x")).is_none());
    }

    #[test]
    fn an_address_is_shown_without_what_it_may_hide() {
        assert_eq!(address_of("http://[::1]:80/a/b?c"), "http://[::1]:80");
        assert_eq!(address_of("http://u:p@proxy:3128/"), "http://proxy:3128");
    }
}
