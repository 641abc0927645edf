//! TLS in front of a scripted server, with a certificate authority that the `openssl` command creates for the test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The configuration of `openssl ca`.
const BOOKS: &str = "[ca]\ndefault_ca = here\n[here]\ndatabase = issued\nnew_certs_dir = .\ndefault_md = sha256\n\
    rand_serial = yes\nunique_subject = no\npolicy = any\n[any]\ncommonName = optional\n";

/// An untrusted certificate authority, and the certificates it signed.
pub(crate) struct Authority {
    folder: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let made = Self { folder: tempfile::tempdir().expect("a folder") };
        made.write("books", BOOKS);
        made.write("issued", "");
        made.openssl("req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=Example -keyout ca.key -out ca.pem");
        made
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join(name), text).expect("a file");
    }

    fn openssl(&self, words: &str) {
        let done = Command::new("openssl").args(words.split(' ')).current_dir(self.folder.path()).output();
        let done = done.expect("openssl runs");
        assert!(done.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// The file with its certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Starts a TLS proxy in front of the server at `url` and returns its address. The certificate is for `name` (as in
    /// `DNS:localhost`), valid for `span` or for 30 days from now.
    pub(crate) fn in_front_of(&self, url: &str, name: &str, span: Option<(&str, &str)>) -> String {
        self.write("names", &format!("subjectAltName={name}\n"));
        self.openssl("req -newkey rsa:2048 -nodes -subj /CN=leaf -keyout leaf.key -out leaf.csr");
        let span = span.map_or("-days 30".to_owned(), |(since, until)| format!("-startdate {since} -enddate {until}"));
        let files = "-cert ca.pem -keyfile ca.key -in leaf.csr -extfile names -out leaf.pem";
        self.openssl(&format!("ca -batch -notext -config books {span} {files}"));
        serve(self.folder.path(), url)
    }
}

/// Terminates TLS and forwards to the plain server at `url`; returns its address.
fn serve(folder: &Path, url: &str) -> String {
    let chain =
        CertificateDer::pem_file_iter(folder.join("leaf.pem")).expect("a file").map(|one| one.expect("a certificate"));
    let key = PrivateKeyDer::from_pem_file(folder.join("leaf.key")).expect("a key");
    let config =
        ServerConfig::builder_with_provider(Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_single_cert(chain.collect(), key).expect("a pair")));
    let behind = url.trim_start_matches("http://").to_owned();
    let (told, tell) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            told.send(listener.local_addr().expect("an address")).expect("told");
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    // A client that does not trust the certificate closes the connection.
                    let Ok(mut outside) = acceptor.accept(stream).await else { return };
                    let mut inside = TcpStream::connect(behind).await.expect("the server behind");
                    let _ = copy_bidirectional(&mut outside, &mut inside).await;
                });
            }
        });
    });
    format!("https://{}", tell.recv().expect("an address"))
}
