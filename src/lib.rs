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
//! Modules in floor order: each imports only from floors below it, and on its own floor from those named before it,
//! but for a job, which builds the source it names (`tests/it/house/floors.rs` keeps this true).
//!
//! | floor | modules |
//! |---|---|
//! | 0 nouns: pure values | [`secrets`], [`error`], [`reach`], [`words`], [`decimal`], [`sums`], [`window`], [`table`], [`request`] |
//! | 1 the seam | [`job`], [`sources`], [`generation`], [`totals`], [`ledger`], [`plan`], [`quarantine`], [`fits`], [`report`], [`sql`] |
//! | 2 clients and lake: each hides one outside thing | [`clock`], [`crash`], [`lake`], [`clients`], [`ledger_store`], [`status`] |
//! | 3 the flow, the only room where source, clients, lake and ledger meet | [`pipeline`] |
//! | 4 drivers | [`sandbox`], [`scheduler`], [`web`], [`cli`] |

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)
)]

pub mod decimal;
pub mod error;
pub mod reach;
pub mod request;
pub mod secrets;
pub mod sums;
pub mod table;
pub mod window;
pub mod words;

pub mod fits;
pub mod generation;
pub mod job;
pub mod ledger;
pub mod plan;
pub mod quarantine;
pub mod report;
pub mod sources;
pub mod sql;
pub mod totals;

pub mod clients;
pub mod clock;
pub mod crash;
pub mod lake;
pub mod ledger_store;
pub mod status;

pub mod pipeline;

/// The built-in imitation of both APIs, for `demo`, tests and docker-compose.
pub mod sandbox;

pub mod scheduler;
pub mod web;

pub mod cli;
