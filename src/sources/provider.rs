//! The APIs behind the sources, as data: what all sources of one API share.

use crate::window::Grain;

/// Which API client sends the requests, with whose credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// AWS Cost Explorer.
    CostExplorer,
    /// Datadog.
    Datadog,
}

/// How far back an API's documented history reaches.
#[derive(Debug, Clone, Copy)]
pub enum History {
    /// The last N days.
    Days(u64),
    /// The last N months, and this one.
    Months(i32),
}

/// Which changes of well-formed answers are held for review.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Review {
    /// Sums of final months: the API restates days that are closed.
    FinalMonths,
    /// Values beside those they replace, and beside the day before: the API has no totals to check against.
    Values,
}

/// An API: its price, its history, and the defaults of its jobs.
#[derive(Debug)]
pub struct Provider {
    /// Its client.
    pub api: Api,
    /// Price of one request (a page), in US cents; `None` if the API is free, so that its jobs have no budget.
    pub price: Option<u64>,
    /// Documented history of daily and monthly data.
    pub history: History,
    /// Documented history of hourly data.
    pub hourly_history: History,
    /// Whether it reports totals that rows must add up to, and by which changed days are found.
    pub has_totals: bool,
    /// Default of `window.refresh` in days; `None` for the probe.
    pub refresh_days: Option<u64>,
    /// The same for hourly data.
    pub hourly_refresh_days: Option<u64>,
    /// Default of `lake.keep_raw`.
    pub keep_raw: bool,
    /// Changes that are held for review.
    pub review: Review,
}

/// AWS Cost Explorer: <https://docs.aws.amazon.com/cost-management/latest/userguide/ce-api.html>.
pub static COST_EXPLORER: Provider = Provider {
    api: Api::CostExplorer,
    price: Some(1),
    history: History::Months(13),
    hourly_history: History::Days(13),
    has_totals: true,
    refresh_days: None,
    hourly_refresh_days: Some(2),
    keep_raw: false,
    review: Review::FinalMonths,
};

/// Datadog Cloud Cost Management: <https://docs.datadoghq.com/api/latest/cloud-cost-management/>.
pub static DATADOG: Provider = Provider {
    api: Api::Datadog,
    price: None,
    history: History::Months(15),
    hourly_history: History::Months(15),
    has_totals: false,
    refresh_days: Some(7),
    hourly_refresh_days: Some(7),
    keep_raw: true,
    review: Review::Values,
};

impl Provider {
    /// Price of so many requests, in US cents.
    #[must_use]
    pub fn cents(&self, requests: u64) -> u64 {
        self.price.unwrap_or(0).saturating_mul(requests)
    }

    /// Whether requests cost money.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.price.is_some()
    }

    /// Documented history of data of this grain.
    #[must_use]
    pub fn history_of(&self, grain: Grain) -> History {
        if grain == Grain::Hourly { self.hourly_history } else { self.history }
    }

    /// Default of `window.refresh` for data of this grain, in days; `None` for the probe.
    #[must_use]
    pub fn refresh_days_of(&self, grain: Grain) -> Option<u64> {
        if grain == Grain::Hourly { self.hourly_refresh_days } else { self.refresh_days }
    }
}
