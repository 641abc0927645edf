//! A built-in simulation of both APIs: Cost Explorer (JSON 1.1) and Datadog's cost endpoints for one seeded company,
//! and for any number of other organisations like it, plus the AWS STS calls that accompany the former.
//!
//! `demo`, tests and docker-compose need bills that are believable, restated as time passes, and paginated as awkwardly
//! as the real ones, without credentials or a network. Everything served is a pure function of the seed, the requested
//! day, the simulated clock and the account or key that asks; the system clock is read only after
//! `Sandbox::follow_the_clock`, and for the hour that temporary credentials are valid.
//!
//! ```text
//! server ─┬─ organisations ── operations ─┬─ cost_explorer ── request, expression, product_attributes ── results ── paging
//!         │                               ├─ savings_plans, reservations, forecast, anomalies, values ── question
//!         │                               └─ bill ── lines, charges, commitments ── catalog, meters, bedrock
//!         ├─ token_service ── credentials
//!         └─ datadog ── bill, catalog; its own modules are listed there
//! ```

mod amount;
mod anomalies;
mod attribute;
mod bedrock;
mod bill;
mod catalog;
mod charges;
mod commitments;
mod cost_explorer;
mod credentials;
mod datadog;
mod dice;
mod expression;
mod fault;
mod forecast;
mod lines;
mod meters;
mod operations;
mod organisations;
mod paging;
mod product_attributes;
mod question;
#[cfg(test)]
mod reader;
mod request;
mod reservations;
mod results;
mod savings_plans;
mod server;
mod token_service;
mod values;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Months, NaiveDate, Utc};

use crate::clock::Clock;

use bill::first_of_month;
use organisations::Organisations;

pub use server::serve;

/// Settings of a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The simulated time at the start.
    pub now: DateTime<Utc>,
    /// Seed of all data: the same seed gives the same company.
    pub seed: u64,
    /// Groups per Cost Explorer page.
    pub page_groups: usize,
    /// First day with data; by default the 1st of the month 13 months before `now`'s.
    pub first_day: Option<NaiveDate>,
}

impl Settings {
    /// Settings with the default seed (42) and page size (1,000 groups), starting at `now`.
    #[must_use]
    pub fn new(now: DateTime<Utc>) -> Self {
        Self { now, seed: 42, page_groups: 1_000, first_day: None }
    }
}

/// Number of requests received, including refused ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// Requests to Cost Explorer.
    pub cost_explorer: u64,
    /// Requests to Datadog.
    pub datadog: u64,
}

/// The simulation of both APIs; clones share one state.
#[derive(Debug, Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: RwLock<Clock>,
    organisations: Organisations,
    cost_explorer_requests: AtomicU64,
    datadog_requests: AtomicU64,
}

impl Sandbox {
    /// A sandbox with the data of `settings`.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let this_month = first_of_month(settings.now.date_naive());
        let usual = this_month.checked_sub_months(Months::new(13)).unwrap_or(this_month);
        let first_day = settings.first_day.unwrap_or(usual);
        Self {
            shared: Arc::new(Shared {
                clock: RwLock::new(Clock::Fixed(settings.now)),
                organisations: Organisations::new(settings.seed, first_day, settings.page_groups),
                cost_explorer_requests: AtomicU64::new(0),
                datadog_requests: AtomicU64::new(0),
            }),
        }
    }

    /// Makes the simulated clock follow the system clock, until it is next set.
    pub fn follow_the_clock(&self) {
        *self.shared.clock.write().unwrap_or_else(PoisonError::into_inner) = Clock::System;
    }

    /// Sets the simulated clock; the bill is restated accordingly.
    pub fn set_now(&self, now: DateTime<Utc>) {
        *self.shared.clock.write().unwrap_or_else(PoisonError::into_inner) = Clock::Fixed(now);
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.shared.clock.read().unwrap_or_else(PoisonError::into_inner).now()
    }

    /// Requests received so far.
    #[must_use]
    pub fn requests(&self) -> Requests {
        Requests {
            cost_explorer: self.shared.cost_explorer_requests.load(Ordering::Relaxed),
            datadog: self.shared.datadog_requests.load(Ordering::Relaxed),
        }
    }

    /// All routes, both APIs on one port.
    pub fn router(&self) -> axum::Router {
        server::router(self.clone())
    }

    fn seed(&self) -> u64 {
        self.shared.organisations.seed
    }
}
