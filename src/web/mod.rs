//! The status page of `serve`: pure functions from [`facts`] to HTML, and the [`summary`] of a table that its charts show.
//!
//! ```text
//!  facts (jobs, ledgers, runs, plans) ─┐
//!                                      ├─► page ─► frame + calendar + chart (SVG) ─► HTML, one style sheet, one script
//!  Parquet ─► summary (sums by day) ───┘
//! ```
//! The pages are served under a content security policy that takes styles, scripts and images from this server alone,
//! so that nothing here writes a `style` attribute, an inline script or the address of another host.

mod calendar;
mod chart;
pub mod facts;
pub mod page;
pub mod summary;
mod text;
