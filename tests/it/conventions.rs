//! Checks of the repository itself: module layers, registry, published schema, README, sizes.
//!
//! | module | checks |
//! |---|---|
//! | [`deploy`] | the image and the manifests have the version of the program |
//! | [`documents`] | what the documents quote is what the program says |
//! | [`layers`] | the layer table in `src/lib.rs`: imports only go down |
//! | [`one_build`] | `cargo run` and `cargo test` share one build of every crate |
//! | [`policies`] | the policies of the README are those of the Terraform module |
//! | [`registry`] | every source has schema, job, fixtures and a line in the README; the published job schema is current |
//! | [`readme`] | every key, command, flag and job file that the README names exists, and none is missing |
//! | [`reference`] | docs/reference/ is what the code and the schemas say |
//! | [`sizes`] | files and functions stay short, and no file has a catch-all name |
//! | [`tables`] | the tables of docs/reliability.md and docs/performance.md have short rows, and links that lead somewhere |

mod deploy;
mod documents;
mod layers;
mod one_build;
mod policies;
mod readme;
mod reference;
mod registry;
mod sizes;
mod source;
mod tables;
