//! Malformed input of every kind, as a corpus of named edits of good input.
//!
//! `tests/corpus/<kind>.toml` holds the good input and the cases, `tests/corpus/<kind>.expected` the expected result of
//! each: exit code, error kind, whether a data object was written, and all of stderr. `COSTLAKE_BLESS=1` rewrites the
//! second file; review its messages as an on-call engineer would read them.
//!
//! A case that fails must leave the data objects byte for byte and file for file as they were, and the ledger unchanged
//! except for the notes of failures.

mod apis;
mod edit;
mod files;
mod ledger_files;
mod said;
