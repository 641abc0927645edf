//! AWS: configuration and credentials, whose account they are of, the HTTP stack of the SDK, Cost Explorer and the bucket.

pub(in crate::clients) mod account;
mod bucket;
pub mod config;
pub mod cost_explorer;
pub(in crate::clients) mod endpoints;
mod http;
mod origin;
pub(in crate::clients) mod profiles;
mod sso;

pub use config::open_bucket;
