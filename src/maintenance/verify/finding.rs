//! What a check finds: an object with a defect, and the result for one table.

use serde::Serialize;

use crate::report::JobReport;
use crate::unit::Unit;
use crate::window::Partition;

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Listing and footers.
    Footers,
    /// Every row, with digests and sums.
    Rows,
}

/// The defect of an object: see the table of the [module](super).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Defect {
    /// The ledger has it, and it is gone.
    Missing,
    /// Older than the ledger's generation.
    Behind,
    /// Newer than the ledger's generation.
    Ahead,
    /// Differs from its footer or from the ledger.
    Corrupt,
    /// Not costlake's.
    Foreign,
}

impl Defect {
    /// Its name in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Behind => "behind",
            Self::Ahead => "ahead",
            Self::Corrupt => "corrupt",
            Self::Foreign => "foreign",
        }
    }
}

/// An object with a defect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its key in the lake.
    pub key: String,
    /// The defect.
    #[serde(rename = "trouble")]
    pub defect: Defect,
    /// The same in detail.
    pub detail: String,
    /// What to do about it.
    pub advice: String,
    /// Whether `--repair` has repaired it.
    pub repaired: bool,
    /// Its partition, if it is at a partition's key.
    #[serde(skip)]
    pub(in crate::maintenance) partition: Option<Partition>,
    /// Whether costlake may write over it: its footer is one of this table's, or nothing is there.
    #[serde(skip)]
    pub(in crate::maintenance) replaceable: bool,
}

/// The result for one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TableCheck {
    /// What was checked.
    #[serde(flatten)]
    pub unit: Unit,
    /// Objects that are right.
    pub right: u64,
    /// Rows in them, according to their footers.
    pub rows: u64,
    /// Whether every row was read.
    pub full: bool,
    /// Objects with defects.
    pub findings: Vec<Finding>,
    /// Notes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Runs that read broken days again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<JobReport>,
}

impl TableCheck {
    /// Defects that are not repaired.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| !finding.repaired)
    }
}
