//! The folders of a local lake, and that their names outlast a power cut.
//!
//! fsync of a folder makes the entries in it durable, not its own entry in the folder above. So nothing is put into a
//! folder before its own entry is durable, and then, by induction, so is every entry above it:
//!
//! | the folder | what is done |
//! |---|---|
//! | is missing | the same for the folder above; it is made; the folder above is synced |
//! | is there | the folder above is synced, once in a process: who made it may have died before that |
//! | is the lake's own or above it, was there, and the folder above is of another disk or cannot be read | nothing: who mounted it or gave it to the lake answers for its name |

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::crash;
use crate::error::Result;

use super::local::failed;

/// What to do when the disk fails after the object stands in place.
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
        let Some(above) = folder.parent() else { return Ok(()) };
        if !is_there {
            self.make(root, above)?;
            make_one(folder)?;
            crash::point("folder_made_unsynced");
        }
        if !is_there || !is_given(root, folder, above) {
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

/// Whether the entry of a folder that is there is not for this process to confirm.
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
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| failed("cannot make durable", folder, error).advise(UNSYNCED))
}
