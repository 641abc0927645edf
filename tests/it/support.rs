//! Shared test support: a scripted API, the sandbox with a clock, and a lakehouse that runs the real binary.
//!
//! ```text
//!  Script or SandboxServer (127.0.0.1) ◄── costlake (the binary, empty environment) ──► Lakehouse (jobs/, lake/)
//! ```

pub(crate) mod bucket;
pub(crate) mod cost_explorer;
pub(crate) mod done;
pub(crate) mod figures;
pub(crate) mod lake;
pub(crate) mod lakehouse;
pub(crate) mod line;
pub(crate) mod sandbox;
pub(crate) mod script;
pub(crate) mod tls;
pub(crate) mod ungrouped;
