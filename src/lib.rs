//! costlake keeps a cloud bill as exact, always-current Parquet.
pub mod decimal;
pub mod doors;
pub mod error;
pub mod generation;
pub mod job;
pub mod lake;
pub mod ledger;
pub mod plan;
pub mod request;
pub mod sources;
pub mod table;
pub mod window;
