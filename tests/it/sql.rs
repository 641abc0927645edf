//! The SQL printed for query engines.

mod definitions;

mod views;
