//! A lake in a local folder.
//!
//! A local disk has no conditional write, so a lock and a comparison take its place:
//!
//! ```text
//!  lock _costlake/<unit>/lock ─► compare the object with the one observed ─► write _costlake/tmp/<unit>-… ─► fsync
//!      ─► rename over the object ─► fsync the folder ─► unlock
//! ```
//! The kernel holds the lock and releases it with the process, also after kill -9. The tag of an object is its size and
//! the SHA-256 of its last 64 KiB, where the footer holds the epoch and the digest of every day. Symbolic links inside
//! a lake are refused, as they lead out of it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::text::hex;
use crate::unit::{STATE, split_key};

use super::folders::{Folders, make_one, sync};
use super::{Condition, Listed, Object, Put, Tag, check_size};

const TAG_BYTES: u64 = 64 << 10;

/// Bytes per write call. A MiB or more in one call took up to ten times the CPU in the kernel.
const PIECE: usize = 64 << 10;

/// An open folder.
#[derive(Debug, Clone)]
pub struct LocalLake {
    root: Arc<PathBuf>,
    folders: Arc<Folders>,
}

static STAGED: AtomicU64 = AtomicU64::new(0);

impl LocalLake {
    /// The lake in `root`, which the first write creates.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        Self { root: Arc::new(root), folders: Arc::default() }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T> + Send + 'static) -> Result<T> {
        let lake = self.clone();
        let done = tokio::task::spawn_blocking(move || work(&lake)).await;
        done.unwrap_or_else(|error| Err(Error::new(Kind::Internal, "work on the disk broke off").because(error)))
    }

    pub(super) async fn suffix(&self, key: &str, length: u64) -> Result<Option<Object>> {
        let key = key.to_owned();
        self.blocking(move |lake| lake.read_end(&key, Some(length))).await
    }

    pub(super) async fn read(&self, key: &str, tag: Option<&Tag>) -> Result<Option<Object>> {
        let (key, tag) = (key.to_owned(), tag.cloned());
        self.blocking(move |lake| {
            let object = lake.read_end(&key, None)?;
            match (&object, tag) {
                (Some(object), Some(tag)) if object.tag != tag => {
                    Err(Error::new(Kind::Superseded, "the object was replaced since it was observed").at("key", &key))
                }
                _ => Ok(object),
            }
        })
        .await
    }

    pub(super) async fn put(&self, key: &str, bytes: Bytes, condition: Condition<'_>) -> Result<Put> {
        let (key, wanted) = (
            key.to_owned(),
            match condition {
                Condition::Absent => None,
                Condition::Still(tag) => Some(tag.clone()),
            },
        );
        self.blocking(move |lake| lake.replace(&key, &bytes, wanted.as_ref())).await
    }

    pub(super) async fn list(&self, folder: &str) -> Result<Vec<Listed>> {
        let folder = folder.to_owned();
        self.blocking(move |lake| {
            let mut found = Vec::new();
            lake.walk(&lake.path(&folder)?, &folder, &mut found)?;
            Ok(found)
        })
        .await
    }

    pub(super) async fn folders(&self, folder: &str) -> Result<Vec<String>> {
        let folder = folder.to_owned();
        self.blocking(move |lake| {
            let path = lake.path(&folder)?;
            let entries = match fs::read_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries.map_err(|error| failed("cannot list", &path, error))?,
            };
            let mut names = Vec::new();
            for entry in entries {
                let entry = entry.map_err(|error| failed("cannot list", &path, error))?;
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    names.push(entry.file_name().to_string_lossy().into_owned());
                }
            }
            Ok(names)
        })
        .await
    }

    pub(super) async fn remove(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.blocking(move |lake| {
            let path = lake.path(&key)?;
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("cannot remove", &path, error)),
                _ => Ok(()),
            }
        })
        .await
    }

    pub(super) async fn make_durable(&self, key: &str) -> Result<()> {
        let key = key.to_owned();
        self.blocking(move |lake| lake.path(&key)?.parent().map_or(Ok(()), sync)).await
    }

    /// The path of a key; an error if any part of it is a symbolic link.
    fn path(&self, key: &str) -> Result<PathBuf> {
        let mut path = self.root.as_ref().clone();
        for part in key.split('/').filter(|part| !part.is_empty()) {
            if part == "." || part == ".." {
                return Err(Error::new(Kind::Internal, "a key may not leave the lake").at("key", key));
            }
            path.push(part);
            if fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_symlink()) {
                return Err(Error::new(Kind::Store, "there is a symbolic link inside the lake")
                    .at("path", path.display())
                    .advise("costlake does not follow links inside a lake: make it a real folder, or point --lake at the target"));
            }
        }
        Ok(path)
    }

    fn read_end(&self, key: &str, length: Option<u64>) -> Result<Option<Object>> {
        let path = self.path(key)?;
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("cannot open", &path, error)),
        };
        if length.is_none() {
            check_size(key, file.metadata().map_or(0, |meta| meta.len()))?;
        }
        let read = |file: &mut File| -> io::Result<Object> {
            let meta = file.metadata()?;
            let (size, modified) = (meta.len(), meta.modified()?.into());
            let wanted = length.unwrap_or(size).max(TAG_BYTES).min(size);
            file.seek(SeekFrom::Start(size - wanted))?;
            let mut bytes = Vec::new();
            file.take(wanted).read_to_end(&mut bytes)?;
            let tag = tag_of(&bytes, size);
            let surplus = bytes.len().saturating_sub(usize::try_from(length.unwrap_or(size)).unwrap_or(usize::MAX));
            Ok(Object { bytes: Bytes::from(bytes).slice(surplus..), tag, size, modified, etag: Some(etag_of(&meta)) })
        };
        read(&mut file).map(Some).map_err(|error| failed("cannot read", &path, error))
    }

    fn replace(&self, key: &str, bytes: &[u8], observed: Option<&Tag>) -> Result<Put> {
        let (unit, _) = split_key(key.strip_prefix("_costlake/").unwrap_or(key));
        let _lock = self.lock(unit)?;
        failpoint::point("lock_taken");
        let current = self.read_end(key, Some(0))?.map(|object| object.tag);
        let target = self.path(key)?;
        let folder = target.parent().unwrap_or(&target);
        if current.as_ref() != observed {
            // The process that put another object there may have died before it was durable, and the caller will rely
            // on it.
            return if current.is_some() { sync(folder).map(|()| Put::Refused) } else { Ok(Put::Refused) };
        }
        let staging = self.path(&format!("{STATE}/tmp"))?;
        if !staging.is_dir() {
            make_one(&staging)?;
        }
        let owner = unit.replace('/', "+");
        self.sweep(&staging, &owner);
        let name = format!("{owner}-{}-{}", std::process::id(), STAGED.fetch_add(1, Ordering::Relaxed));
        let staged = staging.join(name);
        let written = write_durably(&staged, bytes)
            .map_err(|error| failed("cannot write", &staged, error))
            .and_then(|()| if observed.is_none() { self.folders.make(&self.root, folder) } else { Ok(()) })
            .and_then(|()| fs::rename(&staged, &target).map_err(|error| failed("cannot put in place", &target, error)));
        if let Err(error) = written {
            let _ = fs::remove_file(&staged);
            return Err(error);
        }
        failpoint::point("renamed_dir_unsynced");
        sync(folder)?;
        let meta = fs::metadata(&target).map_err(|error| failed("cannot look at", &target, error))?;
        Ok(Put::Done(Some(etag_of(&meta))))
    }

    /// Takes the lock of a unit; it is released when the file is dropped.
    fn lock(&self, unit: &str) -> Result<File> {
        let folder = self.path(&format!("{STATE}/{unit}"))?;
        self.folders.make(&self.root, &folder)?;
        let path = folder.join("lock");
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(|error| failed("cannot open", &path, error))?;
        file.lock().map_err(|error| {
            failed("cannot lock", &path, error)
                .advise("the file system must support locks; network file systems often do not")
        })?;
        Ok(file)
    }

    /// Removes staged files that a killed process of this owner left behind; the caller holds its lock.
    fn sweep(&self, staging: &Path, owner: &str) {
        let Ok(entries) = fs::read_dir(staging) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let ours = name.to_str().and_then(|name| name.rsplitn(3, '-').nth(2)).is_some_and(|name| name == owner);
            if ours {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn walk(&self, folder: &Path, key: &str, found: &mut Vec<Listed>) -> Result<()> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("cannot list", folder, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed("cannot list", folder, error))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let key = format!("{key}/{name}");
            let meta = entry.metadata().map_err(|error| failed("cannot look at", &entry.path(), error))?;
            if meta.is_dir() {
                self.walk(&entry.path(), &key, found)?;
            } else {
                let modified = meta.modified().map_err(|error| failed("cannot look at", &entry.path(), error))?;
                let etag = Some(etag_of(&meta));
                found.push(Listed { key, size: meta.len(), modified: modified.into(), etag });
            }
        }
        Ok(())
    }
}

fn tag_of(end: &[u8], size: u64) -> Tag {
    let last = &end[end.len().saturating_sub(usize::try_from(TAG_BYTES).unwrap_or(usize::MAX))..];
    let hash = hex(&Sha256::digest(last)[..16]);
    Tag(format!("{size:x}-{hash}"))
}

/// The identity of a file: a replacement has another inode, and the change time (ctime) advances with every write and
/// cannot be set back.
fn etag_of(meta: &fs::Metadata) -> String {
    format!("{:x}-{:x}.{:x}-{:x}.{:x}", meta.ino(), meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec())
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create_new(true).write(true).open(path)?;
    failpoint::point("tmp_created");
    for piece in bytes.chunks(PIECE) {
        file.write_all(piece)?;
    }
    failpoint::point("tmp_written_unsynced");
    file.sync_all()?;
    failpoint::point("tmp_synced");
    Ok(())
}

pub(super) fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some room on the disk and run again: nothing is half written"
        }
        io::ErrorKind::PermissionDenied => "give the user that runs costlake the right to read and write the lake",
        io::ErrorKind::ReadOnlyFilesystem => {
            "the file system is mounted read-only: remount it, or choose another --lake"
        }
        io::ErrorKind::CrossesDevices => {
            "costlake writes beside the tables and renames: keep the whole lake, _costlake included, on one file system"
        }
        io::ErrorKind::NotADirectory => {
            "a file stands where a folder is needed: move it away, or choose another --lake"
        }
        _ => "look at the path and the disk, then run again: the objects in the lake are as they were",
    };
    Error::new(Kind::Store, what.to_owned()).at("path", path.display()).because(error).advise(advice)
}

#[cfg(test)]
mod tests {
    use super::{Condition, LocalLake, Put};
    use crate::error::Kind;
    use bytes::Bytes;

    #[tokio::test]
    async fn a_write_needs_its_condition_to_hold() {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = LocalLake::new(folder.path().join("not/yet/made"));
        let put = |bytes: &'static str, condition| lake.put("t/p/data.parquet", Bytes::from(bytes), condition);
        assert!(put("one", Condition::Absent).await.expect("a write").is_done());
        assert_eq!(put("two", Condition::Absent).await.expect("an answer"), Put::Refused);
        let seen = lake.suffix("t/p/data.parquet", 2).await.expect("a read").expect("an object");
        assert_eq!((&seen.bytes[..], seen.size), (&b"ne"[..], 3));
        assert!(put("two", Condition::Still(&seen.tag)).await.expect("a write").is_done());
        assert_eq!(put("three", Condition::Still(&seen.tag)).await.expect("an answer"), Put::Refused);
        let listed = lake.list("t").await.expect("a listing");
        assert_eq!(listed.len(), 1, "nothing is staged beside data: {listed:?}");
    }

    #[tokio::test]
    async fn what_cannot_be_removed_is_told_and_what_is_gone_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = LocalLake::new(folder.path().to_owned());
        std::fs::create_dir(folder.path().join("a")).expect("a folder");
        lake.remove("nothing").await.expect("what is not there is gone");
        let error = lake.remove("a").await.expect_err("a folder is no file");
        assert!(error.report().contains("cannot remove"), "{}", error.report());
    }

    #[tokio::test]
    async fn an_object_is_read_as_observed_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = LocalLake::new(folder.path().to_owned());
        let put = |bytes: &'static str, condition| lake.put("t/p/data.parquet", Bytes::from(bytes), condition);
        assert!(put("one", Condition::Absent).await.expect("a write").is_done());
        let seen = lake.suffix("t/p/data.parquet", 2).await.expect("a read").expect("an object");
        let whole = lake.read("t/p/data.parquet", Some(&seen.tag)).await.expect("a read").expect("an object");
        assert_eq!(&whole.bytes[..], b"one");
        assert!(put("two", Condition::Still(&seen.tag)).await.expect("a write").is_done());
        let replaced = lake.read("t/p/data.parquet", Some(&seen.tag)).await.expect_err("another object");
        assert_eq!(replaced.kind(), Kind::Superseded);
        assert!(lake.read("t/p/nothing", Some(&seen.tag)).await.expect("a read").is_none());
    }

    #[tokio::test]
    async fn a_file_where_a_folder_should_be_is_no_empty_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = LocalLake::new(folder.path().to_owned());
        std::fs::write(folder.path().join("t"), "a file").expect("a file");
        assert!(lake.list("t").await.is_err(), "a file has no listing");
        assert!(lake.suffix("t/p", 8).await.is_err(), "nothing lies below a file");
        assert!(lake.list("u").await.expect("a listing").is_empty());
        assert!(lake.suffix("u/p", 8).await.expect("a read").is_none());
    }

    #[tokio::test]
    async fn what_a_killed_process_left_is_swept() {
        let folder = tempfile::tempdir().expect("a folder");
        let lake = LocalLake::new(folder.path().to_owned());
        let tmp = folder.path().join("_costlake/tmp");
        std::fs::create_dir_all(&tmp).expect("a folder");
        std::fs::write(tmp.join("t-1-0"), "half").expect("a file");
        std::fs::write(tmp.join("t_other-1-0"), "half").expect("a file");
        lake.put("t/p/data.parquet", Bytes::from("x"), Condition::Absent).await.expect("a write");
        assert!(!tmp.join("t-1-0").exists());
        assert!(tmp.join("t_other-1-0").exists(), "another table's file may be in flight");
    }

    #[tokio::test]
    async fn links_inside_the_lake_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let outside = tempfile::tempdir().expect("a folder");
        std::os::unix::fs::symlink(outside.path(), folder.path().join("t")).expect("a link");
        let lake = LocalLake::new(folder.path().to_owned());
        let refused = lake.put("t/p/data.parquet", Bytes::from("x"), Condition::Absent).await;
        assert!(refused.is_err_and(|error| error.message().contains("symbolic link")));
        assert_eq!(std::fs::read_dir(outside.path()).expect("a folder").count(), 0);
    }
}
