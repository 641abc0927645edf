//! `serve`: firings, scheduler, page, security, metrics, webhook.
//!
//! | module | tests |
//! |---|---|
//! | [`slots`] | every clock change of every time zone |
//! | [`runs`] | the scheduler tick by tick: catching up, no overlap, panics, job files that change |
//! | [`page`] | the routes without a socket: what they show, to whom, and what they start |
//! | [`many`] | many accounts: numbers and pages, from memory |
//! | [`metrics`] | the bill in `/metrics`, and the names that alerts, dashboard and docs use |
//! | [`held`] | figures held for review, and accepting them on the page |
//! | [`news`] | which webhook notifications are sent, and how often |
//! | [`program`] | the real binary: where it listens, how it ends, what it does not reveal |
//! | [`health`] | `costlake health`: its exit code and its one line |
//! | [`connections`] | clients that are too many or too slow |

mod connections;
mod health;
mod held;
mod many;
mod metrics;
mod notify;
mod page;
mod program;
mod runs;
mod slots;
mod world;
