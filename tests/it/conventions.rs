//! Checks of the repository itself: module layers, registry, published schema, README, sizes.
//!
//! | module | checks |
//! |---|---|
//! | [`deploy`] | the image and the manifests have the version of the program |
//! | [`layers`] | the layer table in `src/lib.rs`: imports only go down |
//! | [`one_build`] | `cargo run` and `cargo test` share one build of every crate |
//! | [`registry`] | every source has schema, job, fixtures and a line in the README; the published job schema is current |
//! | [`readme`] | every key, command, flag and job file that the README names exists, and none is missing |
//! | [`sizes`] | files and functions stay short, and no file has a catch-all name |

mod deploy;
mod layers;
mod one_build;
mod readme;
mod registry;
mod sizes;
mod source;
