//! costlake keeps a cloud bill as exact, always-current Parquet.
pub mod decimal;
pub mod error;
pub mod job;
pub mod request;
pub mod sources;
pub mod table;
pub mod window;
