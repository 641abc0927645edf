//! Contents of a lake, to compare before and after a case.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::lake::{Object, files, objects};

/// Objects, and the newest ledger without the fields that any run may change, such as its writer and failures.
#[derive(Debug, PartialEq)]
pub(super) struct Held {
    pub(super) objects: BTreeMap<PathBuf, Object>,
    ledgers: BTreeMap<PathBuf, Value>,
    records: BTreeMap<PathBuf, Vec<u8>>,
}

const NOTES: [&str; 12] = [
    "format",
    "run_id",
    "written_at",
    "failed",
    "unsettled",
    "quarantined",
    "differing",
    "nights",
    "baselines",
    "probed_at",
    "learnt",
    "table_record",
];

/// Reads the contents of a lake.
pub(super) fn held(lake: &Path) -> Held {
    let (mut ledgers, mut records) = (BTreeMap::new(), BTreeMap::new());
    for path in files(&lake.join("_costlake")) {
        let Some(folder) = path.parent() else { continue };
        let bytes = fs::read(&path).expect("a file");
        if folder.ends_with("ledger") {
            // The newest snapshot of a table comes last and replaces the older ones.
            let mut ledger = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
            if let Some(fields) = ledger.as_object_mut() {
                NOTES.iter().for_each(|name| drop(fields.remove(*name)));
                // A ledger without generation times gets them at its next write, and the objects of a copied lake have
                // other etags.
                let partitions = fields.get_mut("partitions").and_then(Value::as_object_mut).into_iter().flatten();
                let states = partitions.filter_map(|(_, state)| state.as_object_mut());
                states.for_each(|state| ["history", "etag"].iter().for_each(|name| drop(state.remove(*name))));
            }
            ledgers.insert(folder.to_owned(), ledger);
        } else if path.ends_with("table.json") {
            records.insert(path, bytes);
        }
    }
    Held { objects: objects(lake), ledgers, records }
}

/// Copies a folder recursively.
pub(super) fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let target = to.join(file.strip_prefix(from).expect("a file below the folder"));
        fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        fs::copy(file, target).expect("a copy");
    }
}
