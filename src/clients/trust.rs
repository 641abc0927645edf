//! Trusted certificate authorities: the platform's (replaced by `SSL_CERT_FILE` and `SSL_CERT_DIR` if set), which the
//! HTTP clients read themselves, plus those in `AWS_CA_BUNDLE`. The `ca_bundle` of an AWS profile applies to AWS only,
//! and only if the variable is not set.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use reqwest::{Certificate, ClientBuilder};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use crate::error::{Error, Kind, Result};

use super::aws::endpoints::setting;

const VARIABLE: &str = "AWS_CA_BUNDLE";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// How many bytes of a bundle are read.
const LARGEST: u64 = 16 << 20;

/// Certificate authorities trusted besides the platform's; may be empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Authorities(Vec<Authority>);

#[derive(Debug, Clone)]
struct Authority {
    pem: String,
    der: CertificateDer<'static>,
}

impl Authorities {
    /// Those of `AWS_CA_BUNDLE`; `lookup` reads the environment.
    ///
    /// # Errors
    /// [`Kind::Config`] if the file cannot be read or contains no certificate, or if `SSL_CERT_FILE` and `SSL_CERT_DIR`
    /// replace the platform's authorities by none.
    pub(super) fn of_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        check_platform(&lookup)?;
        let path = lookup(VARIABLE).filter(|path| !path.trim().is_empty());
        let Some(path) = path else { return Ok(Self::default()) };
        read(Path::new(path.trim()), VARIABLE)
    }

    /// Those of `AWS_CA_BUNDLE`, else of the profile's `ca_bundle`.
    ///
    /// # Errors
    /// As [`Authorities::of_environment`].
    pub(super) async fn of_profile(profile: Option<&str>) -> Result<Self> {
        if std::env::var_os(VARIABLE).is_some() {
            return Self::of_environment(|name| std::env::var(name).ok());
        }
        check_platform(|name| std::env::var(name).ok())?;
        // Reads the files only: no request for a region or credentials.
        let mut files = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .no_credentials()
            .retry_config(RetryConfig::disabled())
            .region(Region::new("us-east-1"));
        if let Some(profile) = profile {
            files = files.profile_name(profile);
        }
        // Warnings about the files are logged when the configuration is loaded.
        let files = files.load().with_subscriber(NoSubscriber::default()).await;
        let path = setting(&files, "", VARIABLE, "ca_bundle").filter(|path| !path.is_empty());
        let Some(path) = path else { return Ok(Self::default()) };
        read(&at_home(&path), "ca_bundle of the AWS profile")
    }

    /// The TLS context of the SDK's client. `None` for the platform's authorities alone, which the client reads on
    /// first use: a machine without any can still use its own sandbox.
    pub(super) fn for_sdk(&self) -> Option<TlsContext> {
        if self.0.is_empty() {
            return None;
        }
        let platform = TrustStore::default();
        let store = self.0.iter().fold(platform, |store, one| store.with_pem_certificate(one.pem.as_bytes()));
        Some(TlsContext::builder().with_trust_store(store).build().unwrap_or_default())
    }

    /// Adds these authorities to a client.
    pub(super) fn trusted_by(&self, client: ClientBuilder) -> ClientBuilder {
        // Invalid certificates were dropped when the file was read.
        client.tls_certs_merge(self.0.iter().filter_map(|one| Certificate::from_der(&one.der).ok()))
    }
}

/// Advice if there are no trusted authorities at all.
pub(super) const NO_AUTHORITIES: &str = "install the certificate authorities of the platform (the package ca-certificates), or let SSL_CERT_FILE name a PEM file of them";

/// Rejects `SSL_CERT_FILE` and `SSL_CERT_DIR` without any valid certificate: no client could be built, and its error
/// would not name the path. One valid certificate is enough, in the file or in the folders.
fn check_platform(lookup: impl Fn(&str) -> Option<String>) -> Result<()> {
    let (file, folders) = (lookup("SSL_CERT_FILE"), lookup("SSL_CERT_DIR").unwrap_or_default());
    let mut paths = std::env::split_paths(&folders).filter(|path| !path.as_os_str().is_empty()).peekable();
    let (has_folders, from_file) = (paths.peek().is_some(), file.as_deref().map(Path::new));
    if from_file.is_some_and(holds_one) || (from_file.is_none() && !has_folders) {
        return Ok(());
    }
    let entries = paths.filter_map(|folder| std::fs::read_dir(folder).ok()).flatten();
    if entries.flatten().any(|entry| holds_one(&entry.path())) {
        return Ok(());
    }
    match from_file {
        Some(file) if !has_folders => read(file, "SSL_CERT_FILE").map(|_| ()),
        _ => Err(Error::new(Kind::Config, "SSL_CERT_DIR names no folder with certificates")
            .at("folder", folders)
            .advise("let it name folders of PEM files, or unset it")),
    }
}

/// Expands a leading `~/` of a path in the AWS configuration.
fn at_home(path: &str) -> PathBuf {
    let home = path.strip_prefix("~/").and_then(|rest| Some(std::env::home_dir()?.join(rest)));
    home.unwrap_or_else(|| PathBuf::from(path))
}

fn read(path: &Path, named_by: &'static str) -> Result<Authorities> {
    let wrong = |message: &str| {
        Error::new(Kind::Config, format!("{named_by} {message}"))
            .at("file", path.display())
            .advise("let it name a PEM file with the certificates of your authorities, or unset it")
    };
    let text = text_of(path).map_err(|error| wrong("names a file that cannot be read").because(error))?;
    let mut found = Authorities::default();
    for part in text.split(BEGIN).skip(1) {
        let one =
            certificate(part).ok_or_else(|| wrong("names a file with a certificate that is cut off or damaged"))?;
        // Old bundles contain certificates that no modern verifier accepts as an authority.
        if one.is_authority() {
            found.0.push(one);
        }
    }
    if found.0.is_empty() { Err(wrong("names a file that holds no certificate")) } else { Ok(found) }
}

impl Authority {
    fn is_authority(&self) -> bool {
        RootCertStore::empty().add(self.der.clone()).is_ok()
    }
}

fn holds_one(path: &Path) -> bool {
    let Ok(text) = text_of(path) else { return false };
    text.split(BEGIN).skip(1).filter_map(certificate).any(|one| one.is_authority())
}

fn text_of(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Parses the certificate that follows a `BEGIN` line.
fn certificate(part: &str) -> Option<Authority> {
    let (inside, _) = part.split_once(END)?;
    let pem = format!("{BEGIN}{inside}{END}\n");
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    Some(Authority { pem, der })
}

#[cfg(test)]
mod tests {
    use super::Authorities;
    use crate::error::Kind;

    /// A certificate authority made for tests.
    const AUTHORITY: &str = include_str!("trust/authority.pem");

    fn named(text: &[u8]) -> Result<usize, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ca.pem");
        std::fs::write(&path, text).expect("a file");
        let found = Authorities::of_environment(|name| (name == "AWS_CA_BUNDLE").then(|| path.display().to_string()));
        found.map(|found| found.0.len()).map_err(|error| {
            assert_eq!(error.kind(), Kind::Config);
            error.report()
        })
    }

    #[test]
    fn a_bundle_may_hold_several_and_words_between_them() {
        assert_eq!(named(AUTHORITY.as_bytes()), Ok(1));
        let more = format!("# Größe\r\n{AUTHORITY}\nsome words\n{}", AUTHORITY.replace('\n', "\r\n"));
        assert_eq!(named(more.as_bytes()), Ok(2));
        let latin = [b"caf\xe9\n".as_slice(), AUTHORITY.as_bytes()].concat();
        assert_eq!(named(&latin), Ok(1));
    }

    #[test]
    fn what_stands_in_the_platforms_place_is_looked_at() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(path("none")).expect("a folder");
        std::fs::create_dir(path("some")).expect("a folder");
        let half = format!("-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n{AUTHORITY}");
        for (name, text) in [
            ("ca.pem", AUTHORITY),
            ("half.pem", &half),
            ("empty.pem", ""),
            ("some/a.pem", AUTHORITY),
            ("none/b", "words"),
        ] {
            std::fs::write(path(name), text).expect("a file");
        }
        for (file, folder, wanted) in [
            (None, None, ""),
            (Some("ca.pem"), None, ""),
            (Some("ca.pem"), Some("nowhere"), ""),
            (Some("empty.pem"), Some("some"), ""),
            (None, Some("some"), ""),
            (Some("empty.pem"), None, "SSL_CERT_FILE names a file that holds no certificate"),
            (Some("nowhere"), None, "SSL_CERT_FILE names a file that cannot be read"),
            (Some("half.pem"), None, ""),
            (None, Some(""), ""),
            (Some("nowhere"), Some(""), "SSL_CERT_FILE names a file that cannot be read"),
            (None, Some("none"), "SSL_CERT_DIR names no folder with certificates"),
            (Some("empty.pem"), Some("nowhere"), "SSL_CERT_DIR names no folder with certificates"),
        ] {
            let lookup = |bundle: Option<String>| {
                Authorities::of_environment(|name| match name {
                    "AWS_CA_BUNDLE" => bundle.clone(),
                    "SSL_CERT_FILE" => file.map(path),
                    _ => folder.map(|name| if name.is_empty() { String::new() } else { path(name) }),
                })
            };
            for bundle in [None, Some(path("ca.pem"))] {
                let told = lookup(bundle).map_or_else(|error| error.report(), |_| String::new());
                assert!(
                    told.starts_with(wanted) && told.is_empty() == wanted.is_empty(),
                    "{file:?} {folder:?}: {told}"
                );
            }
        }
    }

    #[test]
    fn what_is_no_bundle_is_said() {
        let odd = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (text, wanted) in [
            ("", "holds no certificate"),
            ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "holds no certificate"),
            (odd, "holds no certificate"),
            (&AUTHORITY[..AUTHORITY.len() / 2], "cut off or damaged"),
            (&AUTHORITY.replace("MII", "M_I"), "cut off or damaged"),
        ] {
            let report = named(text.as_bytes()).expect_err(wanted);
            assert!(report.contains(wanted) && report.contains("AWS_CA_BUNDLE"), "{report}");
        }
        assert_eq!(named(format!("{odd}{AUTHORITY}").as_bytes()), Ok(1));
        let bundle = |text: &'static str| move |name: &str| (name == "AWS_CA_BUNDLE").then(|| text.to_owned());
        let nowhere = Authorities::of_environment(bundle("/nowhere/at/all")).expect_err("no file");
        assert!(nowhere.report().contains("names a file that cannot be read (file /nowhere/at/all)"), "{nowhere}");
        assert_eq!(Authorities::of_environment(bundle(" ")).expect("none").0.len(), 0);
    }
}
