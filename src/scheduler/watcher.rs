//! The file watcher: polls the folder of job files and decides which version of each is in force.
//!
//! | a file | in force |
//! |---|---|
//! | is new or changed, and valid | the new version |
//! | is changed, and broken | its last good version, with the error shown |
//! | was never valid | nothing, with the error shown |
//! | is gone | nothing |
//! | names a file of accounts that is changed or gone | the same, as if it were changed itself |
//! | is a list of accounts | nothing |
//!
//! A scan lists the folder and reads only files whose modification time, size or inode has changed. A folder that
//! cannot be listed changes nothing: it may be a mount that comes back.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::Result;
use crate::job::{self, BrokenJob, Job};

/// Modification time (s, ns), size and inode; a change means that the file was rewritten.
type Stamp = (i64, i64, u64, u64);

/// One job file.
#[derive(Debug, Clone)]
pub struct Entry {
    stamp: Option<Stamp>,
    /// The stamp of its file of accounts.
    of_accounts: Option<Stamp>,
    /// Its last good version.
    pub job: Option<Arc<Job>>,
    /// What is wrong with its current version.
    pub broken: Option<BrokenJob>,
}

/// The files of a folder.
#[derive(Debug)]
pub struct Watcher {
    folder: PathBuf,
    files: BTreeMap<PathBuf, Entry>,
}

impl Watcher {
    /// A watcher of `folder` before its first scan.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), files: BTreeMap::new() }
    }

    /// The files by path.
    #[must_use]
    pub fn files(&self) -> &BTreeMap<PathBuf, Entry> {
        &self.files
    }

    /// Scans the folder and reloads changed files, or with `all` every file. Returns whether anything changed.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn look(&mut self, all: bool) -> Result<bool> {
        let found = list(&self.folder)?;
        let before = self.files.len();
        self.files.retain(|file, _| found.contains_key(file));
        let mut changed = self.files.len() != before;
        for (file, stamp) in found {
            let known = self.files.get(&file);
            let last_good = known.and_then(|entry| entry.job.clone());
            let of_accounts = last_good.as_deref().and_then(stamp_of_accounts);
            // A file without a stamp (its metadata cannot be read) is loaded each time.
            let is_as_before = |entry: &Entry| entry.stamp == stamp && entry.of_accounts == of_accounts;
            if !all && stamp.is_some() && known.is_some_and(is_as_before) {
                continue;
            }
            let entry = match job::load(&file) {
                Ok(job) => {
                    Entry { stamp, of_accounts: stamp_of_accounts(&job), job: Some(Arc::new(job)), broken: None }
                }
                Err(none) if none.is_list_of_accounts() => Entry { stamp, of_accounts: None, job: None, broken: None },
                Err(broken) => Entry { stamp, of_accounts, job: last_good, broken: Some(broken) },
            };
            self.files.insert(file, entry);
            changed = true;
        }
        Ok(changed)
    }
}

fn list(folder: &Path) -> Result<BTreeMap<PathBuf, Option<Stamp>>> {
    let files = job::files(folder)?;
    Ok(files.into_iter().map(|path| (path.clone(), stamp(&path))).collect())
}

fn stamp(path: &Path) -> Option<Stamp> {
    let seen = std::fs::metadata(path).ok()?;
    Some((seen.mtime(), seen.mtime_nsec(), seen.size(), seen.ino()))
}

fn stamp_of_accounts(job: &Job) -> Option<Stamp> {
    stamp(job.accounts.as_ref()?.file.as_deref()?)
}

#[cfg(test)]
mod tests {
    use super::Watcher;
    use std::fs;

    const GOOD: &str = "source = { type = \"datadog_ccm_config\" }\n";

    #[test]
    fn a_broken_file_keeps_its_last_good_version() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.toml"), folder.path().join("b.toml"));
        fs::write(&a, GOOD).unwrap();
        fs::write(&b, "source = 1\n").unwrap();
        let mut watcher = Watcher::new(folder.path());
        assert!(watcher.look(false).unwrap());
        assert!(!watcher.look(false).unwrap(), "nothing has changed");
        assert!(watcher.files()[&b].job.is_none() && watcher.files()[&b].broken.is_some());

        fs::write(&a, "description = \"now broken\"\n").unwrap();
        assert!(watcher.look(false).unwrap());
        let entry = &watcher.files()[&a];
        assert!(entry.job.as_ref().unwrap().description.is_none() && entry.broken.is_some());

        fs::write(&a, format!("description = \"mended\"\n{GOOD}")).unwrap();
        fs::remove_file(&b).unwrap();
        assert!(watcher.look(false).unwrap());
        let entry = &watcher.files()[&a];
        assert_eq!(entry.job.as_ref().unwrap().description.as_deref(), Some("mended"));
        assert!(entry.broken.is_none() && watcher.files().len() == 1);
    }

    #[test]
    fn accounts_that_vanish_stay_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let (job, accounts) = (folder.path().join("a.toml"), folder.path().join("accounts.toml"));
        let list =
            |names: &[&str]| names.iter().map(|name| format!("[[accounts]]\nname = \"{name}\"\n")).collect::<String>();
        fs::write(&accounts, list(&["web"])).unwrap();
        fs::write(&job, format!("{GOOD}accounts = {{ from = \"accounts.toml\" }}\n")).unwrap();
        let mut watcher = Watcher::new(folder.path());
        watcher.look(false).unwrap();
        let units = |watcher: &Watcher| watcher.files()[&job].job.as_ref().unwrap().units().len();
        assert!(units(&watcher) == 1 && watcher.files()[&accounts].broken.is_none(), "a list is no broken job");

        fs::remove_file(&accounts).unwrap();
        assert!(watcher.look(false).unwrap());
        assert_eq!(units(&watcher), 1);
        assert!(watcher.files()[&job].broken.as_ref().unwrap().lines()[0].contains("accounts.toml cannot be read"));

        fs::write(&accounts, list(&["web", "emea"])).unwrap();
        assert!(watcher.look(false).unwrap());
        assert!(units(&watcher) == 2 && watcher.files()[&job].broken.is_none());
        assert!(!watcher.look(false).unwrap(), "nothing has changed");
    }

    #[test]
    fn a_folder_that_is_gone_ends_no_job() {
        let folder = tempfile::tempdir().unwrap();
        let jobs = folder.path().join("jobs");
        fs::create_dir(&jobs).unwrap();
        fs::write(jobs.join("a.toml"), GOOD).unwrap();
        let mut watcher = Watcher::new(&jobs);
        watcher.look(false).unwrap();
        fs::rename(&jobs, folder.path().join("elsewhere")).unwrap();
        assert!(watcher.look(false).is_err());
        assert_eq!(watcher.files().len(), 1);
    }
}
