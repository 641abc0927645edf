//! costlake keeps a cloud bill as exact, always-current Parquet: one table per job, in S3 or a local folder.
//!
//! ```text
//!  cron / run / backfill
//!         │ job + ledger + now
//!         ▼
//!       plan ──► fetches ──► client (AWS SDK │ HTTP) ──► bytes ──► parse (pure) ──► rows
//!                              ▲                                   │
//!                              └────────── next requests ◄─────────┘
//!                                          last page in
//!                                               ▼
//!       verify ──► rows of the partition = kept days + fetched days, sorted
//!                                               ▼
//!       Parquet bytes ──► conditional PUT (only if the object is still the one observed) ──► ledger
//! ```
//!
//! A job and an empty ledger say what a first run will ask, without a file, a client or a lake:
//!
//! ```
//! use std::path::Path;
//!
//! use costlake::ledger::Ledger;
//! use costlake::plan::{Ask, plan};
//!
//! let job = costlake::job::parse(
//!     Path::new("bill.toml"),
//!     r#"
//!     [source]
//!     type = "aws_cost_and_usage"
//!     granularity = "DAILY"
//!     metrics = ["UnblendedCost"]
//!     group_by = [{ dimension = "SERVICE" }]
//!
//!     [window]
//!     begin = "2026-10-01"
//!     "#,
//! )
//! .map_err(|problems| format!("{problems:?}"))?;
//! let now: chrono::DateTime<chrono::Utc> = "2026-11-03T06:00:00Z".parse()?;
//!
//! let planned = plan(&job, &Ledger::empty("bill"), now, Ask::Due, None)?;
//! let months: Vec<String> = planned.fetches.iter().map(|fetch| fetch.partition.to_string()).collect();
//! assert_eq!(months, ["2026-10", "2026-11"]);
//! assert_eq!(planned.fetches[0].slots.len(), 31);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! `examples/embed.rs` goes on from there: a whole run, over an API in the same process, into a folder.
//!
//! Modules in layer order: each imports only from layers below it, and in its own layer from those named before it,
//! but for a job, which builds the source it names (`tests/it/conventions/layers.rs` keeps this true).
//!
//! | layer | modules |
//! |---|---|
//! | 0 values | [`redact`], [`error`], [`unreached`], [`text`], [`decimal`], [`cents`], [`sums`], [`window`], [`table`], [`request`], [`unit`](mod@unit), [`encryption`] |
//! | 1 pure rules | [`job`], [`sources`], [`generation`], [`totals`], [`ledger`], [`plan`], [`quarantine`], [`unmatched`], [`report`], [`sql`], [`answer`] |
//! | 2 the outside: each module hides one thing of it | [`clock`], [`failpoint`], [`lake`], [`clients`], [`ledger_store`], [`status`] |
//! | 3 the flow of a run, maintenance, and answers: the only modules where source, clients, lake and ledger meet | [`pipeline`], [`maintenance`], [`ask`] |
//! | 4 programs | [`sandbox`], [`scheduler`], [`web`], [`cli`] |

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)
)]

pub mod cents;
pub mod decimal;
pub mod encryption;
pub mod error;
pub mod redact;
pub mod request;
pub mod sums;
pub mod table;
pub mod text;
pub mod unit;
pub mod unreached;
pub mod window;

pub mod answer;
pub mod generation;
pub mod job;
pub mod ledger;
pub mod plan;
pub mod quarantine;
pub mod report;
pub mod sources;
pub mod sql;
pub mod totals;
pub mod unmatched;

pub mod clients;
pub mod clock;
pub mod failpoint;
pub mod lake;
pub mod ledger_store;
pub mod status;

pub mod ask;
pub mod maintenance;
pub mod pipeline;

/// The built-in imitation of both APIs, for `demo`, tests and docker-compose.
pub mod sandbox;

pub mod scheduler;
pub mod web;

pub mod cli;
