//! The integration tests, in one binary so that it links once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod api;
mod conventions;
mod corpus;
mod faults;
mod fuzzed;
mod maintenance;
mod page;
mod serve;
mod sim;
mod sizes;
mod sql;
mod support;
