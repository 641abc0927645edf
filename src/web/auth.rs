//! Access control. Decided before routing, from the request's method, path and headers alone.
//!
//! | request | Host | token | other |
//! |---|---|---|---|
//! | `/healthz`, `/readyz` | any: probes use the address | none | contain no data |
//! | `/login`, style, script, icon | allowed | none | contain no data |
//! | other GET | allowed | if one is set | read only |
//! | POST `/login` | allowed | in the form | from the same origin |
//! | other POST | allowed | always | `--allow-actions`, from the same origin |
//!
//! The list of hosts prevents DNS rebinding: a page of another site that points its own name at this machine sends that
//! name as `Host`. A request is same-origin when `Sec-Fetch-Site` says so, or, without that header, when `Origin`
//! matches `Host`. A program that sends the token in `Authorization` needs neither header, because no browser sends
//! `Authorization` for another site.
//!
//! A browser gets a cookie derived from the token, which cannot be used as the token. Tokens and cookies are compared
//! as SHA-256 digests, in constant time.

use std::net::IpAddr;
use std::path::Path;

use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::page::{ICON_PATH, SCRIPT_PATH, STYLE_PATH};
use crate::error::{Error, Kind, Result};
use crate::job::read_text;
use crate::redact;
use crate::text::hex;

/// Minimum length of a token, in characters.
const SHORTEST_TOKEN: usize = 16;
/// Name of the cookie.
pub(super) const COOKIE: &str = "costlake_session";
/// Paths without data, allowed with any `Host`.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];
/// Paths without data, allowed without a token.
const OPEN: [&str; 4] = ["/login", STYLE_PATH, SCRIPT_PATH, ICON_PATH];

type Sum = [u8; 32];

/// The rules of access.
#[derive(Clone)]
pub struct Access {
    token: Option<Sum>,
    cookie: Option<String>,
    hosts: Vec<String>,
    actions: bool,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("hosts", &self.hosts).field("actions", &self.actions).finish_non_exhaustive()
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `Host` is not a name of this server.
    Host,
    /// The token is missing or wrong.
    Token,
    /// The server runs without `--allow-actions`.
    ReadOnly,
    /// Sent by a page of another site.
    CrossSite,
}

impl Refusal {
    /// Status and message.
    pub(super) fn told(self) -> (StatusCode, &'static str) {
        match self {
            Self::Host => (
                StatusCode::MISDIRECTED_REQUEST,
                "this name is not the server's: start it with --allowed-host NAME to be asked by another one",
            ),
            Self::Token => (StatusCode::UNAUTHORIZED, "missing or wrong token"),
            Self::ReadOnly => {
                (StatusCode::FORBIDDEN, "nothing can be started here: serve runs without --allow-actions")
            }
            Self::CrossSite => (StatusCode::FORBIDDEN, "the form was sent by a page of another site"),
        }
    }
}

fn sum(domain: &str, token: &str) -> Sum {
    let mut hash = Sha256::new();
    hash.update(domain.as_bytes());
    hash.update([0]);
    hash.update(token.as_bytes());
    hash.finalize().into()
}

fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

impl Access {
    /// Access with `token`, for the loopback names, `listen` and `names` as `Host`.
    ///
    /// # Errors
    /// [`Kind::Config`] without a token, if `listen` is not a loopback address or `actions` is set.
    pub fn new(token: Option<&str>, listen: IpAddr, names: &[String], actions: bool) -> Result<Self> {
        if token.is_none() && !listen.is_loopback() {
            return Err(Error::new(Kind::Config, "the page would be open to everybody who reaches this address")
                .at("address", listen)
                .advise("give a token with --token-file, or listen on 127.0.0.1"));
        }
        if token.is_none() && actions {
            return Err(Error::new(Kind::Config, "--allow-actions needs a token, so that not everybody spends money")
                .advise("give a token with --token-file"));
        }
        let bare = |name: &str| name.trim_matches(['[', ']']).to_lowercase();
        let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        if !listen.is_unspecified() {
            hosts.push(listen.to_string());
        }
        hosts.extend(names.iter().map(|name| bare(name)));
        let cookie = token.map(|token| hex(&sum("costlake session", token)));
        Ok(Self { token: token.map(|token| sum("costlake token", token)), cookie, hosts, actions })
    }

    /// Whether runs may be started from the page.
    #[must_use]
    pub fn actions(&self) -> bool {
        self.actions
    }

    /// The cookie, if `shown` is the token.
    #[must_use]
    pub(super) fn cookie_for(&self, shown: &str) -> Option<&str> {
        let token = self.token.as_ref()?;
        same(token, &sum("costlake token", shown)).then_some(self.cookie.as_deref()?)
    }

    /// Whether a request may reach its route.
    ///
    /// # Errors
    /// The reason for refusing it.
    pub fn admit(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        if reads && PROBES.contains(&path) {
            return Ok(());
        }
        if !self.is_our_name(headers) {
            return Err(Refusal::Host);
        }
        let by_header = self.shows_token(headers);
        if !OPEN.contains(&path) && self.token.is_some() && !by_header && !self.shows_cookie(headers) {
            return Err(Refusal::Token);
        }
        if reads {
            return Ok(());
        }
        if path != "/login" && !self.actions {
            return Err(Refusal::ReadOnly);
        }
        if !is_same_origin(headers, by_header) { Err(Refusal::CrossSite) } else { Ok(()) }
    }

    fn is_our_name(&self, headers: &HeaderMap) -> bool {
        let mut asked = headers.get_all(header::HOST).iter();
        let (Some(host), None) = (asked.next(), asked.next()) else { return false };
        host.to_str().is_ok_and(|host| self.hosts.contains(&name_of(host)))
    }

    fn shows_token(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.token else { return false };
        let shown = text(headers, &header::AUTHORIZATION).and_then(|text| text.split_once(' '));
        shown.is_some_and(|(scheme, shown)| {
            scheme.eq_ignore_ascii_case("bearer") && same(token, &sum("costlake token", shown.trim()))
        })
    }

    fn shows_cookie(&self, headers: &HeaderMap) -> bool {
        let Some(cookie) = &self.cookie else { return false };
        let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut values = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        values.any(|(name, value)| name == COOKIE && same(value.as_bytes(), cookie.as_bytes()))
    }
}

/// A host without its port, in lower case.
fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.to_lowercase()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn is_same_origin(headers: &HeaderMap, by_header: bool) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin" || site == "none";
    }
    match headers.get(header::ORIGIN) {
        Some(origin) => {
            let asked = text(headers, &header::HOST);
            let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
            origin.is_some_and(|(_, host)| asked.is_some_and(|asked| asked.eq_ignore_ascii_case(host)))
        }
        None => by_header,
    }
}

/// Whether the file is on a read-only mount, as secrets of containers and units are: who mounts it sets its mode.
fn is_mounted_read_only(file: &Path) -> bool {
    rustix::fs::statvfs(file).is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

/// Reads a token file. Returns the token and a warning if others may read the file and its mode can be changed.
///
/// # Errors
/// [`Kind::Config`] when the file cannot be read or does not contain a valid token.
pub fn read_token(file: &Path) -> Result<(String, Option<String>)> {
    use std::os::unix::fs::PermissionsExt;
    let wrong = |message: &str| {
        Error::new(Kind::Config, message.to_owned())
            .at("file", file.display())
            .advise("make one: openssl rand -hex 32 > token && chmod 600 token")
    };
    let text = read_text(file).map_err(|error| wrong("cannot read the token file").because(error))?;
    let token = text.trim_end_matches(['\r', '\n']).to_owned();
    if token.is_empty() {
        return Err(wrong("the token file is empty"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(wrong("the token file holds something else than one line of visible ASCII characters"));
    }
    if token.len() < SHORTEST_TOKEN {
        return Err(wrong(&format!("the token is shorter than {SHORTEST_TOKEN} characters")));
    }
    redact::remember(&token);
    let mode = std::fs::metadata(file).map(|seen| seen.permissions().mode()).unwrap_or(0);
    let open = mode & 0o077 != 0 && !is_mounted_read_only(file);
    let warning = format!("others than its owner may read the token file {}: chmod 600 it", file.display());
    Ok((token, open.then_some(warning)))
}

#[cfg(test)]
mod tests {
    use super::{Access, Refusal, name_of};
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};

    const TOKEN: &str = "0123456789abcdef";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let mut all: HeaderMap = pairs.iter().map(pair).collect();
        all.entry("host").or_insert(HeaderValue::from_static("localhost:8080"));
        all
    }

    fn open() -> Access {
        Access::new(None, "127.0.0.1".parse().unwrap(), &[], false).unwrap()
    }

    fn closed() -> Access {
        Access::new(Some(TOKEN), "0.0.0.0".parse().unwrap(), &["Costs.example".to_owned()], true).unwrap()
    }

    #[test]
    fn only_known_names_are_answered() {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080"] {
            assert_eq!(open().admit(&Method::GET, "/", &headers(&[("host", host)])), Ok(()), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example", "", "127.0.0.2", "costs.example"] {
            assert_eq!(open().admit(&Method::GET, "/", &headers(&[("host", host)])), Err(Refusal::Host), "{host}");
            assert_eq!(open().admit(&Method::GET, "/healthz", &headers(&[("host", host)])), Ok(()));
        }
        let asked = headers(&[("host", "costs.example:80"), ("authorization", "Bearer 0123456789abcdef")]);
        assert_eq!(closed().admit(&Method::GET, "/", &asked), Ok(()));
        let mut twice = headers(&[]);
        twice.append("host", HeaderValue::from_static("localhost"));
        assert_eq!(open().admit(&Method::GET, "/", &twice), Err(Refusal::Host));
        assert_eq!(name_of("[2001:db8::1]:80"), "2001:db8::1");
    }

    #[test]
    fn without_the_token_nothing_is_shown() {
        for path in ["/", "/metrics", "/api/status", "/jobs/x", "/jobs/x/live", "/nothing"] {
            assert_eq!(closed().admit(&Method::GET, path, &headers(&[])), Err(Refusal::Token), "{path}");
        }
        for shown in ["Bearer 0123456789abcdee", "Bearer ", "Basic 0123456789abcdef", "0123456789abcdef"] {
            assert_eq!(closed().admit(&Method::GET, "/", &headers(&[("authorization", shown)])), Err(Refusal::Token));
        }
        for shown in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef"] {
            assert_eq!(closed().admit(&Method::GET, "/", &headers(&[("authorization", shown)])), Ok(()));
        }
        assert_eq!(closed().admit(&Method::GET, "/login", &headers(&[])), Ok(()));
    }

    #[test]
    fn the_cookie_is_not_the_token() {
        let access = closed();
        assert_eq!(access.cookie_for("0123456789abcdee"), None);
        let cookie = access.cookie_for(TOKEN).unwrap().to_owned();
        assert!(!cookie.contains(TOKEN));
        let with = |value: &str| headers(&[("cookie", &format!("a=b; costlake_session={value}"))]);
        assert_eq!(access.admit(&Method::GET, "/", &with(&cookie)), Ok(()));
        for wrong in [TOKEN, "", &cookie[..63]] {
            assert_eq!(access.admit(&Method::GET, "/", &with(wrong)), Err(Refusal::Token));
        }
    }

    #[test]
    fn forms_come_from_the_same_origin() {
        let access = closed();
        let cookie = format!("costlake_session={}", access.cookie_for(TOKEN).unwrap());
        let post = |more: &[(&'static str, &str)]| {
            let all: Vec<_> = [("cookie", cookie.as_str())].iter().chain(more).copied().collect();
            access.admit(&Method::POST, "/backfill", &headers(&all))
        };
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(post(&[("sec-fetch-site", "none")]), Ok(()));
        assert_eq!(post(&[("origin", "http://localhost:8080")]), Ok(()));
        assert_eq!(post(&[("sec-fetch-site", "cross-site")]), Err(Refusal::CrossSite));
        assert_eq!(post(&[("sec-fetch-site", "same-site")]), Err(Refusal::CrossSite));
        assert_eq!(post(&[("origin", "http://localhost:8081")]), Err(Refusal::CrossSite));
        assert_eq!(post(&[("origin", "null")]), Err(Refusal::CrossSite));
        assert_eq!(post(&[]), Err(Refusal::CrossSite));
        let both = [("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8080")];
        assert_eq!(post(&both), Err(Refusal::CrossSite));
        let by_program = headers(&[("authorization", "Bearer 0123456789abcdef")]);
        assert_eq!(access.admit(&Method::POST, "/backfill", &by_program), Ok(()));
        assert_eq!(access.admit(&Method::POST, "/login", &headers(&[])), Err(Refusal::CrossSite));
    }

    #[test]
    fn nothing_is_started_unless_allowed() {
        let same = headers(&[("sec-fetch-site", "same-origin"), ("authorization", "Bearer 0123456789abcdef")]);
        assert_eq!(open().admit(&Method::POST, "/backfill", &same), Err(Refusal::ReadOnly));
        assert_eq!(open().admit(&Method::DELETE, "/", &same), Err(Refusal::ReadOnly));
        let address = "127.0.0.1".parse().unwrap();
        let read_only = Access::new(Some(TOKEN), address, &[], false).unwrap();
        assert_eq!(read_only.admit(&Method::POST, "/backfill", &same), Err(Refusal::ReadOnly));
        assert!(Access::new(None, address, &[], true).is_err(), "actions need a token");
        assert!(Access::new(None, "0.0.0.0".parse().unwrap(), &[], false).is_err(), "other addresses need a token");
    }
}
