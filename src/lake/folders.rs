//! The folders of a local lake, and that their names outlast a power cut.
//!
//! fsync of a folder makes the entries in it durable, not its own entry in the folder above. So nothing that is to last is
//! put into a folder before its own entry is durable, and every entry above it in the lake:
//!
//! | the folder | what is done, once in a process |
//! |---|---|
//! | is missing | the same for the folder above; it is made; the folder above is synced |
//! | is there | the same for the folder above; that is synced: who made this one may have died before that |
//! | is the lake's own | it is made with all that is missing above it; the folder above is synced |
//! | is the lake's own or above it, and the folder above is of another disk or cannot be read | not synced: who mounted it or gave it to the lake answers for its name |
//!
//! Staged files do not last, so the folder they are in is only made.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::crash;
use crate::error::Result;

use super::local::failed;

/// What to do when the disk does not confirm an entry; what it names may stand in place by then.
const UNSYNCED: &str = "the disk did not confirm that the folder's newest entry outlasts a power cut: look at the disk, then run again, which looks at what is there first";

/// The folders whose entries this process knows to be durable.
#[derive(Debug, Default)]
pub(super) struct Folders {
    confirmed: Mutex<HashSet<PathBuf>>,
}

impl Folders {
    /// Makes sure that a folder of the lake in `root` is there and that its entry is durable.
    ///
    /// # Errors
    /// When it cannot be made, or the disk does not confirm it.
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
            crash::point("folder_made_unsynced");
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

/// Makes a folder whose entry need not outlast a power cut; it may be there.
///
/// # Errors
/// When it cannot be made.
pub(super) fn make_one(folder: &Path) -> Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(failed("cannot make the folder", folder, error))
        }
        _ => Ok(()),
    }
}

/// Whether the entry of a folder is not for this process to confirm.
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
