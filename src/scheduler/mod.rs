//! The scheduler of `serve`.

pub mod live;
