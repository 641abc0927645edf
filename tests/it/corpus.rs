//! Malformed input of every kind, as a corpus of named edits of good input.
//!
//! `tests/corpus/<kind>.toml` holds the good input and the cases, `tests/corpus/<kind>.expected` what the program must
//! say to each: exit code, kind, whether a data object was written, and every word on stderr. `COSTLAKE_BLESS=1`
//! writes the second file anew; its words are then to be read as somebody would read them who was woken by them.
//!
//! Whatever a case does not end well with must leave the objects as they were, byte for byte and file for file, and
//! the ledger as it was but for the notes of what failed.

mod apis;
mod books;
mod edit;
mod files;
mod said;
