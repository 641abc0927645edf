//! What is asked and what comes back: plain values between a source and the doors.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::window::{Grain, Window};

/// One call, before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Cost Explorer `GetCostAndUsage`, one page: 0.01 USD.
    CostAndUsage(Box<CostQuery>),
    /// An HTTP GET on Datadog's API: free.
    Get(Get),
}

impl Request {
    /// Whether an answer to this request is charged for (0.01 USD a page).
    #[must_use]
    pub fn is_charged(&self) -> bool {
        matches!(self, Self::CostAndUsage(_))
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CostAndUsage(query) => write!(f, "GetCostAndUsage {}", query.window),
            Self::Get(get) => write!(f, "GET {}", get.path),
        }
    }
}

/// One page of a `GetCostAndUsage` query, in the API's own terms.
/// <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html>
#[derive(Debug, Clone, PartialEq)]
pub struct CostQuery {
    /// `TimePeriod`, half-open days.
    pub window: Window,
    /// `Granularity`.
    pub grain: Grain,
    /// `Metrics`, CamelCase.
    pub metrics: Vec<String>,
    /// `GroupBy`, at most two.
    pub group_by: Vec<Grouping>,
    /// `Filter`.
    pub filter: Option<Expression>,
    /// `BillingViewArn`.
    pub billing_view_arn: Option<String>,
    /// `NextPageToken` of the page before.
    pub page_token: Option<String>,
}

impl CostQuery {
    /// `TimePeriod.Start` or `.End` of `day` as the API wants it for this granularity.
    #[must_use]
    pub fn instant(&self, day: NaiveDate) -> String {
        if self.grain == Grain::Hourly { format!("{day}T00:00:00Z") } else { day.to_string() }
    }
}

/// One entry of `GroupBy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grouping {
    /// `DIMENSION`, `TAG` or `COST_CATEGORY`.
    #[serde(rename = "Type")]
    pub kind: GroupingKind,
    /// The dimension's name, the tag's key or the cost category's name.
    #[serde(rename = "Key")]
    pub key: String,
}

/// What a grouping groups by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum GroupingKind {
    /// A dimension of Cost Explorer, such as `SERVICE`.
    Dimension,
    /// A cost allocation tag.
    Tag,
    /// A cost category.
    CostCategory,
}

impl GroupingKind {
    /// The API's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dimension => "DIMENSION",
            Self::Tag => "TAG",
            Self::CostCategory => "COST_CATEGORY",
        }
    }
}

/// The API's `Expression`: exactly one root, nested as deep as it needs.
/// <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Expression.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Expression {
    /// All of these.
    And(Vec<Expression>),
    /// Any of these.
    Or(Vec<Expression>),
    /// Not this.
    Not(Box<Expression>),
    /// Values of a dimension.
    Dimensions(Values),
    /// Values of a cost allocation tag.
    Tags(Values),
    /// Values of a cost category.
    CostCategories(Values),
}

/// `Key`, `Values` and `MatchOptions` of a leaf of an [`Expression`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Values {
    /// Dimension name, tag key or cost category name.
    pub key: String,
    /// Values, any of which match.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// `EQUALS`, `ABSENT`, `CASE_SENSITIVE` …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_options: Vec<String>,
}

/// A GET below the base URL of Datadog's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Path from the root, `/api/v2/…`.
    pub path: String,
    /// Query parameters, not yet percent-encoded.
    pub query: Vec<(String, String)>,
    /// Whether a 404 is an answer to read instead of an error.
    pub not_found_is_an_answer: bool,
    /// What the request was made for: the day and query it belongs to, chosen by the source.
    pub purpose: Purpose,
}

/// What a [`Get`] was made for, so that the parser need not take the URL apart again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// The days asked for.
    pub window: Window,
    /// Which of the source's queries, or what else tells requests of one source apart.
    pub subject: String,
}

/// One page as it arrived.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status: 200, or 404 where that is an answer.
    pub status: u16,
    /// The decompressed body, byte for byte.
    pub body: Bytes,
    /// The API's own id of the request, for support cases.
    pub request_id: Option<String>,
    /// What time it was where the answer comes from: its `Date` header.
    pub date: Option<DateTime<Utc>>,
    /// Whether it says of itself that its figures are made up.
    pub made_up: bool,
}

/// The header by which a sandbox says that its figures are made up.
pub const FIGURES_HEADER: &str = "x-costlake-figures";
