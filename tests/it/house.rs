//! The house rules: floors, registry, published schema, README, sizes.
//!
//! | room | keeps honest |
//! |---|---|
//! | [`floors`] | the map in `src/lib.rs`: imports only go down |
//! | [`one_build`] | `cargo run` and `cargo test` share one build of every crate |
//! | [`registry`] | every source has schema, job, fixtures and a line in the README; the published job schema |
//! | [`readme`] | every key, command, flag and job file the README names is real, and none is left out |
//! | [`sizes`] | files and functions stay short, and no file is named after what it is not |

mod floors;
mod one_build;
mod readme;
mod registry;
mod sizes;
mod source;
