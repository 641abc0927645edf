//! Checks of the repository itself: module layers, registry, published schema, documents, sizes.
//!
//! | module | checks |
//! |---|---|
//! | [`blocks`] | finds the documents, and the code in them |
//! | [`deploy`] | the image and the manifests have the version of the program |
//! | [`documents`] | what the documents quote is what the program says, and their job files parse |
//! | [`layers`] | the layer table in `src/lib.rs`: imports only go down |
//! | [`links`] | every relative link and its anchor leads somewhere |
//! | [`names`] | every command, flag, key, metric, view, source and path that a document names exists |
//! | [`one_build`] | `cargo run` and `cargo test` share one build of every crate |
//! | [`registry`] | every source has schema, job and fixtures; the published job schema is current |
//! | [`readme`] | the commands of the program, and the lines that a newcomer types |
//! | [`reference`] | docs/reference/ is what the code and the schemas say |
//! | [`sizes`] | files and functions stay short, and no file has a catch-all name |
//! | [`tables`] | the tables of docs/reliability.md and docs/performance.md have short rows, and links that lead somewhere |

mod blocks;
mod deploy;
mod documents;
mod layers;
mod links;
mod names;
mod one_build;
mod readme;
mod reference;
mod registry;
mod sizes;
mod source;
mod tables;
