//! Jobs.
pub mod section;
