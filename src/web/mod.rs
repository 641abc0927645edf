//! The status page of `serve`.
