//! The APIs behind the sources and the rules of their endpoints, as data.

use crate::cents::Cents;
use crate::job::keys::{Key, Shape, key};
use crate::request::Operation;
use crate::table::Table;
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
    /// The same, but rows may come and go: each snapshot is about a range of days that ends with it.
    MovingValues,
}

/// An API: its client, its price, and the keys of its jobs.
#[derive(Debug)]
pub struct Provider {
    /// Its name, for people.
    pub name: &'static str,
    /// Its client.
    pub api: Api,
    /// Price of one request (a page); `None` if the API is free, so that its jobs have no budget.
    pub price: Option<Cents>,
    /// Keys of `[aws]` or `[datadog]`, and of the budget.
    pub keys: &'static [Key],
}

/// AWS Cost Explorer: <https://docs.aws.amazon.com/cost-management/latest/userguide/ce-api.html>.
pub static COST_EXPLORER: Provider =
    Provider { name: "Cost Explorer", api: Api::CostExplorer, price: Some(Operation::PRICE), keys: AWS_KEYS };

/// Datadog Cloud Cost Management: <https://docs.datadoghq.com/api/latest/cloud-cost-management/>.
pub static DATADOG: Provider = Provider { name: "Datadog", api: Api::Datadog, price: None, keys: DATADOG_KEYS };

static AWS_KEYS: &[Key] = &[
    key("budget.max_requests_per_run", Shape::Whole, "500", "requests a run may send, 0.01 USD each; 1 to 1,000,000"),
    key(
        "budget.max_usd_per_month",
        Shape::Number,
        "none",
        "dollars the runs of a calendar month may spend on requests, 0.01 to 1,000,000; what a killed run has reserved counts as spent",
    ),
    key("aws.profile", Shape::Text, "the chain's", "profile of `~/.aws/config` and `~/.aws/credentials`"),
    key("aws.role_arn", Shape::Text, "none", "role to assume before asking"),
    key("aws.external_id", Shape::Text, "none", "external id that the role demands"),
    key("aws.region", Shape::Text, "the chain's, else `us-east-1`", "region; its partition decides the endpoint"),
    key("aws.account_id", Shape::Text, "what the credentials say", "account the table belongs to, verified"),
    key(
        "aws.verify_account",
        Shape::Boolean,
        "true",
        "whether AWS STS is asked for the account where the credentials do not tell it",
    ),
];

static DATADOG_KEYS: &[Key] = &[key("datadog.site", Shape::Text, "`DD_SITE`, else `datadoghq.com`", "Datadog site")];

impl Provider {
    /// Price of so many requests.
    #[must_use]
    pub fn price_of(&self, requests: u64) -> Cents {
        self.price.unwrap_or_default().times(requests)
    }

    /// Whether requests cost money.
    #[must_use]
    pub fn is_paid(&self) -> bool {
        self.price.is_some()
    }
}

/// How the data of an endpoint behave: its history, when its days are read again, and what is reviewed.
#[derive(Debug)]
pub struct Rules {
    /// Whether the API returns only the current state, so that past days cannot be fetched.
    pub snapshot: bool,
    /// Documented history of daily and monthly data.
    pub history: History,
    /// Documented history of hourly data.
    pub hourly_history: History,
    /// Whether the API reports totals that rows must add up to, and by which changed days are found.
    pub has_totals: bool,
    /// Whether the API has data of the current day.
    pub has_today: bool,
    /// Default of `window.refresh` in days; `None` for the probe.
    pub refresh_days: Option<u64>,
    /// The same for hourly data.
    pub hourly_refresh_days: Option<u64>,
    /// The same for tables with values that people assign, such as tags.
    pub assigned_refresh_days: Option<u64>,
    /// Default of `lake.keep_raw`.
    pub keep_raw: bool,
    /// Changes that are held for review.
    pub review: Review,
}

/// Costs of Cost Explorer, with totals.
pub static AWS_COSTS: Rules = Rules {
    snapshot: false,
    history: History::Months(13),
    hourly_history: History::Days(13),
    has_totals: true,
    has_today: true,
    refresh_days: None,
    hourly_refresh_days: Some(2),
    assigned_refresh_days: None,
    keep_raw: false,
    review: Review::FinalMonths,
};

/// Daily data of commitments in Cost Explorer: restated for weeks, never of the current day.
pub static AWS_DAYS: Rules =
    Rules { has_totals: false, has_today: false, refresh_days: Some(40), review: Review::Values, ..AWS_COSTS };

/// Forecasts and lists of Cost Explorer, as of today.
pub static AWS_STATE: Rules = Rules { snapshot: true, review: Review::MovingValues, ..AWS_DAYS };

/// Daily data of Datadog. Its tag pipelines rewrite up to three months.
pub static DATADOG_DAYS: Rules = Rules {
    snapshot: false,
    history: History::Months(15),
    hourly_history: History::Months(15),
    has_totals: false,
    has_today: true,
    refresh_days: Some(7),
    hourly_refresh_days: Some(7),
    assigned_refresh_days: Some(95),
    keep_raw: true,
    review: Review::Values,
};

/// Costs by day at Datadog: allocation rules rewrite a month, tag pipelines three.
pub static DATADOG_COSTS: Rules = Rules { refresh_days: Some(40), ..DATADOG_DAYS };

/// What Datadog says of the days before a snapshot.
pub static DATADOG_RANGE: Rules = Rules { review: Review::MovingValues, ..DATADOG_STATE };

/// The current state of something at Datadog.
pub static DATADOG_STATE: Rules = Rules { snapshot: true, ..DATADOG_DAYS };

impl Rules {
    /// Documented history of data of this grain.
    #[must_use]
    pub fn history_of(&self, grain: Grain) -> History {
        if grain == Grain::Hourly { self.hourly_history } else { self.history }
    }

    /// Default of `window.refresh` for a table, in days; `None` for the probe.
    #[must_use]
    pub fn refresh_days_of(&self, grain: Grain, table: Option<&Table>) -> Option<u64> {
        match grain {
            Grain::Hourly => self.hourly_refresh_days,
            _ if table.is_some_and(Table::has_assigned) => self.assigned_refresh_days,
            _ => self.refresh_days,
        }
    }
}
