//! Creates the folders of a local lake so that their names survive a power cut.
//!
//! fsync of a folder makes the entries in it durable, but not its own entry in its parent. So nothing durable is put
//! into a folder before the entry of that folder, and every entry above it in the lake, is durable:
//!
//! | the folder | action, once per process |
//! |---|---|
//! | is missing | the same for its parent; it is created; the parent is synced |
//! | exists | the same for its parent; the parent is synced: the process that created the folder may have died before that |
//! | is the lake's root | it is created with all missing parents; the parent is synced |
//! | is the lake's root or above it, and its parent is on another disk or unreadable | not synced: whoever mounted or provided it answers for its name |
//!
//! Staged files need not be durable, so their folder is only created.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::failpoint;

use super::local::failed;

/// Advice when the disk does not confirm an entry; the file or folder it names may be in place by then.
const UNSYNCED: &str = "the disk did not confirm that the folder's newest entry outlasts a power cut: look at the disk, then run again, which looks at what is there first";

/// The folders whose entries this process knows to be durable.
#[derive(Debug, Default)]
pub(super) struct Folders {
    confirmed: Mutex<HashSet<PathBuf>>,
}

impl Folders {
    /// Makes sure that a folder of the lake in `root` exists and that its entry is durable.
    ///
    /// # Errors
    /// When it cannot be created, or the disk does not confirm it.
    pub(super) fn make(&self, root: &Path, folder: &Path) -> Result<()> {
        let is_there = folder.is_dir();
        if is_there && self.known().contains(folder) {
            return Ok(());
        }
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty());
        if let Some(above) = above.filter(|_| !is_there || folder != root && folder.starts_with(root)) {
            self.make(root, above)?;
        }
        if !is_there {
            make_one(folder)?;
            failpoint::point("folder_made_unsynced");
        }
        if let Some(above) = above.filter(|above| !is_given(root, folder, above)) {
            sync(above)?;
        }
        self.known().insert(folder.to_owned());
        Ok(())
    }

    fn known(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.confirmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Creates a folder whose entry need not be durable; it may exist already.
///
/// # Errors
/// When it cannot be created.
pub(super) fn make_one(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("cannot make the folder", folder, error))
        }
        _ => Ok(()),
    }
}

/// Whether making the entry of a folder durable is not up to this process.
fn is_given(root: &Path, folder: &Path, above: &Path) -> bool {
    let disk = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    root.starts_with(folder)
        && (disk(folder) != disk(above)
            || File::open(above).is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied))
}

/// Makes the entries in a folder durable.
///
/// # Errors
/// When the disk does not confirm it.
pub(super) fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| {
        let is_denied = error.kind() == io::ErrorKind::PermissionDenied;
        let error = failed("cannot make durable", folder, error);
        if is_denied { error } else { error.advise(UNSYNCED) }
    })
}
