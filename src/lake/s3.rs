//! A lake in S3, or in a store that speaks its protocol.
//!
//! Reads are retried by `object_store`. Writes are sent once by a handle without retries, because a retried conditional
//! write can meet itself and report a conflict with its own earlier success: on every answer but "done" the caller
//! reads back.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, UpdateVersion};
use tokio::time::timeout;

use crate::encryption::Encryption;
use crate::error::{Error, Kind, Result};
use crate::unreached::Unreached;

use super::{Condition, Listed, Object, Put, Tag, check_size};

/// Status text in errors of `object_store` for which it has no error variant.
const DENIED: [&str; 2] = ["status code: 401 ", "status code: 403 "];

/// Maximum number of objects listed in one folder: a hundred a day for 13 years, and some 150 MiB.
const MAX_LISTED: usize = 500_000;

/// Maximum time for all pages of a listing: pages may be empty and the listing still continue.
const LONGEST_LISTING: Duration = Duration::from_secs(600);

/// The address of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    /// Region that requests are signed for.
    pub region: String,
    /// URL of the store without the bucket, if it is not the default one of the region.
    pub url: Option<String>,
    /// Whether the store is AWS's own.
    pub is_own: bool,
    /// Whether the bucket is in the path, not in the host name.
    pub by_path: bool,
}

impl BucketAddress {
    /// The base URL of the bucket's requests; with path-style addressing it does not include the bucket.
    #[must_use]
    pub fn of(&self, bucket: &str) -> Option<String> {
        let url = self.url.as_deref()?;
        Some(if self.by_path { url.to_owned() } else { url.replacen("://", &format!("://{bucket}."), 1) })
    }
}

/// Opens a bucket for writes that name an encryption.
pub type OpenEncrypted = Arc<dyn Fn(&Encryption) -> Result<Arc<dyn ObjectStore>> + Send + Sync>;

#[derive(Clone)]
struct Encrypted {
    open: OpenEncrypted,
    opened: Arc<Mutex<HashMap<Encryption, Arc<dyn ObjectStore>>>>,
}

/// An open bucket.
#[derive(Clone)]
pub struct S3Lake {
    reads: Arc<dyn ObjectStore>,
    writes: Arc<dyn ObjectStore>,
    prefix: String,
    name: String,
    address: Option<BucketAddress>,
    /// Identifies the store in the probe's record.
    endpoint: String,
    /// Some stores (Ceph before 17) match an ETag on PUT only without its quotes.
    bare_tags: Arc<AtomicBool>,
    /// Opens the bucket for writes that name an encryption, and what was opened so far.
    encrypted: Option<Encrypted>,
    /// Whether conditions are left out: `--single-writer` on a store that does not support them.
    unconditional: Arc<AtomicBool>,
}

impl fmt::Debug for S3Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Lake").field("name", &self.name).finish_non_exhaustive()
    }
}

impl S3Lake {
    /// A lake over two handles of one bucket: `reads` may retry, `writes` must not.
    #[must_use]
    pub fn new(
        reads: Arc<dyn ObjectStore>,
        writes: Arc<dyn ObjectStore>,
        prefix: &str,
        name: &str,
        endpoint: &str,
    ) -> Self {
        Self {
            reads,
            writes,
            prefix: prefix.to_owned(),
            name: name.to_owned(),
            address: None,
            endpoint: endpoint.to_owned(),
            bare_tags: Arc::default(),
            unconditional: Arc::default(),
            encrypted: None,
        }
    }

    /// The same lake, which `open` opens again for writes that name an encryption.
    #[must_use]
    pub fn opened_by(self, open: OpenEncrypted) -> Self {
        Self { encrypted: Some(Encrypted { open, opened: Arc::default() }), ..self }
    }

    /// The same lake, whose writes name this encryption.
    ///
    /// # Errors
    /// [`Kind::Config`] when the bucket cannot be opened for it.
    pub fn encrypted(&self, encryption: &Encryption) -> Result<Self> {
        let Some(Encrypted { open, opened }) = &self.encrypted else { return Ok(self.clone()) };
        let mut opened = opened.lock().unwrap_or_else(PoisonError::into_inner);
        let writes = match opened.get(encryption) {
            Some(writes) => Arc::clone(writes),
            None => {
                let writes = open(encryption)?;
                opened.insert(encryption.clone(), Arc::clone(&writes));
                writes
            }
        };
        Ok(Self { writes, ..self.clone() })
    }

    /// The same lake with its address.
    #[must_use]
    pub fn at(self, address: BucketAddress) -> Self {
        Self { address: Some(address), ..self }
    }

    /// The address, if known.
    #[must_use]
    pub fn address(&self) -> Option<&BucketAddress> {
        self.address.as_ref()
    }

    pub(super) fn endpoint(&self) -> String {
        format!("{} {}", self.endpoint, self.name)
    }

    pub(super) fn use_bare_tags(&self, yes: bool) {
        self.bare_tags.store(yes, Ordering::Relaxed);
    }

    pub(super) fn send_no_conditions(&self) {
        self.unconditional.store(true, Ordering::Relaxed);
    }

    fn path(&self, key: &str) -> Result<Path> {
        let whole = if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) };
        Path::parse(whole)
            .map_err(|error| Error::new(Kind::Config, "the key is not one S3 takes").at("key", key).because(error))
    }

    pub(super) async fn get(&self, key: &str, last: Option<u64>, tag: Option<&Tag>) -> Result<Option<Object>> {
        let path = self.path(key)?;
        let options = GetOptions {
            if_match: tag.map(|tag| self.spelled(tag)),
            range: last.map(GetRange::Suffix),
            ..GetOptions::default()
        };
        let answer = match self.reads.get_opts(&path, options).await {
            Ok(answer) => answer,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(object_store::Error::Precondition { source, .. }) => {
                return Err(Error::new(Kind::Superseded, "the object was replaced since it was observed")
                    .at("key", key)
                    .because(source));
            }
            Err(error) => return Err(self.failed("cannot read from the bucket", key, error)),
        };
        let (tag, size, modified) = (answer.meta.e_tag.clone(), answer.meta.size, answer.meta.last_modified);
        let etag = tag.as_deref().map(bare);
        if last.is_none() {
            check_size(key, size)?;
        }
        let bytes = answer.bytes().await.map_err(|error| self.failed("cannot read from the bucket", key, error))?;
        let tag = tag.ok_or_else(|| {
            Error::new(Kind::Store, "the store answers no ETag, which commits rest on").at("key", key)
        })?;
        Ok(Some(Object { bytes, tag: Tag(tag), size, modified, etag }))
    }

    fn spelled(&self, tag: &Tag) -> String {
        if self.bare_tags.load(Ordering::Relaxed) { tag.0.trim_matches('"').to_owned() } else { tag.0.clone() }
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<Put> {
        let path = self.path(key)?;
        let mode = match condition {
            _ if self.unconditional.load(Ordering::Relaxed) => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            Condition::Still(tag) => PutMode::Update(UpdateVersion { e_tag: Some(self.spelled(tag)), version: None }),
        };
        match self.writes.put_opts(&path, PutPayload::from(bytes), PutOptions::from(mode)).await {
            Ok(put) => Ok(Put::Done(put.e_tag.as_deref().map(bare))),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                Ok(Put::Refused)
            }
            Err(error) => Err(self.failed("cannot write to the bucket", key, error)),
        }
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let path = self.path(folder)?;
        let strip = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        let entry = |meta: object_store::ObjectMeta| Listed {
            key: meta.location.as_ref().get(strip..).unwrap_or_default().to_owned(),
            size: meta.size,
            modified: meta.last_modified,
            etag: meta.e_tag.as_deref().map(bare),
        };
        let listing = self.reads.list(Some(&path)).map_ok(entry).take(MAX_LISTED + 1).try_collect();
        let listed: Vec<_> = self
            .in_time(folder, listing)
            .await?
            .map_err(|error| self.failed("cannot list the bucket", folder, error))?;
        if listed.len() > MAX_LISTED {
            let message = format!("the bucket lists more than {MAX_LISTED} objects");
            return Err(Error::new(Kind::Store, message).at("lake", &self.name).at("key", folder).advise(
                "no table of costlake has so many: check the endpoint (AWS_ENDPOINT_URL_S3), and move what is not costlake's away from there",
            ));
        }
        Ok(listed)
    }

    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let path = self.path(folder)?;
        let listing = self.reads.list_with_delimiter(Some(&path));
        let listed = self.in_time(folder, listing).await?;
        let listed = listed.map_err(|error| self.failed("cannot list the bucket", folder, error))?;
        Ok(listed.common_prefixes.iter().filter_map(|path| path.filename().map(str::to_owned)).collect())
    }

    /// The result of a listing, or an error if it takes longer than [`LONGEST_LISTING`].
    async fn in_time<T>(&self, folder: &str, listing: impl Future<Output = T>) -> Result<T> {
        timeout(LONGEST_LISTING, listing).await.map_err(|_| {
            let message = format!("the bucket's listing goes on after {} minutes", LONGEST_LISTING.as_secs() / 60);
            Error::new(Kind::Store, message)
                .at("lake", &self.name)
                .at("key", folder)
                .advise("check the endpoint (AWS_ENDPOINT_URL_S3), then run again")
        })
    }

    pub(super) async fn remove(&self, key: &str) -> Result<()> {
        match self.reads.delete(&self.path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("cannot remove from the bucket", key, error)),
        }
    }

    fn failed(&self, what: &str, key: &str, error: object_store::Error) -> Error {
        if let Some(unreached) = Unreached::within(&error) {
            let kind = if unreached.is_final() { Kind::Config } else { Kind::Store };
            let said = unreached.error(what).into_kind(kind);
            return said.at("lake", &self.name).at("key", key).because(error);
        }
        let text = error.to_string();
        // `object_store` reports a denied listing as a generic error; only its text has the status.
        let denied =
            matches!(error, object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. })
                || DENIED.iter().any(|status| text.contains(status));
        if !denied && text.contains("NoSuchBucket") {
            return self.no_bucket(error);
        }
        let kind = if denied { Kind::Auth } else { Kind::Store };
        let advice = match kind {
            Kind::Auth if text.contains("explicit deny") => {
                "a policy denies it, so that allowing more does not help: ask whoever keeps the bucket's policy; where that \
                 demands a header of encryption, lake.sse in the job file or --lake-sse sends it"
            }
            Kind::Auth => {
                "the credentials need s3:GetObject and s3:PutObject below the prefix, and s3:ListBucket on the bucket"
            }
            _ => {
                "check the bucket's region (AWS_REGION), the endpoint (AWS_ENDPOINT_URL_S3) and the network, then run again"
            }
        };
        Error::new(kind, what.to_owned()).at("lake", &self.name).at("key", key).because(error).advise(advice)
    }

    /// The error for a bucket that the store does not have.
    fn no_bucket(&self, error: object_store::Error) -> Error {
        let bucket = self.name.trim_start_matches("s3://").split('/').next().unwrap_or_default();
        Error::new(Kind::Config, format!("the bucket {bucket} does not exist"))
            .at("lake", &self.name)
            .because(error)
            .advise(format!("create it first (aws s3 mb s3://{bucket}), or correct --lake (COSTLAKE_LAKE)"))
    }
}

/// An ETag without its quotes: stores disagree on whether the quotes are part of it.
fn bare(etag: &str) -> String {
    etag.trim_start_matches("W/").trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::S3Lake;
    use crate::error::Kind;

    #[test]
    fn a_denied_listing_and_a_missing_bucket_are_no_failures_of_the_store() {
        let store = Arc::new(InMemory::new());
        let lake = S3Lake::new(store.clone(), store, "p", "s3://b/p", "test");
        let kind_of = |status: &str| {
            let source =
                format!("Error performing GET http://s: Server returned non-2xx status code: {status}: <Error>");
            let error = lake.failed(
                "cannot list the bucket",
                "t",
                object_store::Error::Generic { store: "S3", source: source.into() },
            );
            assert_eq!(error.report().contains("s3:ListBucket"), error.kind() == Kind::Auth, "{}", error.report());
            error.kind()
        };
        assert_eq!(kind_of("403 Forbidden"), Kind::Auth);
        assert_eq!(kind_of("401 Unauthorized"), Kind::Auth);
        assert_eq!(kind_of("500 Internal Server Error"), Kind::Store);
        assert_eq!(kind_of("404 Not Found: <Error><Code>NoSuchBucket</Code></Error>"), Kind::Config);
        let error = lake.failed(
            "cannot read",
            "t",
            object_store::Error::Generic { store: "S3", source: "NoSuchBucket".into() },
        );
        assert!(error.report().starts_with("the bucket b does not exist (lake s3://b/p)"), "{}", error.report());
        assert!(error.report().contains("create it first (aws s3 mb s3://b)"), "{}", error.report());
        let source = "not authorized to perform: s3:PutObject with an explicit deny in a resource-based policy".into();
        let error = object_store::Error::PermissionDenied { path: "t".to_owned(), source };
        let error = lake.failed("cannot write", "t", error);
        assert!(
            error.kind() == Kind::Auth && error.report().contains("lake.sse in the job file or --lake-sse sends it"),
            "{}",
            error.report()
        );
    }
}
