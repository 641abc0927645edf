//! What only DuckDB gets, in the script of `costlake connect`: the text of its statements.
//!
//! | file | statement |
//! |---|---|
//! | [`init`] | the opening of the script, and the access to a bucket |
//! | [`as_of`] | `<table>_as_of(moment)`, the rows of a table at a moment |
//! | [`revisions`] | `cost_revisions` and `costlake_generations`, over the ledgers |
//! | [`run_records`] | `costlake_runs`, over the run records |

pub mod as_of;
pub mod init;
pub mod revisions;
pub mod run_records;
