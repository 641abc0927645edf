//! Requests and responses: plain values exchanged between a source and the API clients.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::window::{Grain, Window};

/// One API call, before it is sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Cost Explorer `GetCostAndUsage`, one page: 0.01 USD.
    CostAndUsage(Box<CostQuery>),
    /// An HTTP GET on Datadog's API: free.
    Get(Get),
}

impl Request {
    /// Whether the response to this request is charged for (0.01 USD a page).
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
    /// `NextPageToken` of the previous page.
    pub page_token: Option<String>,
}

impl CostQuery {
    /// `TimePeriod.Start` or `.End` of `day` in the API's format for this granularity.
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

/// The kind of a [`Grouping`].
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

/// The API's `Expression`: exactly one root, nested to any depth.
/// <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Expression.html>
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Expression {
    /// All of these match.
    And(Vec<Expression>),
    /// At least one of these matches.
    Or(Vec<Expression>),
    /// This does not match.
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
    /// Values; any of them matches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// `EQUALS`, `ABSENT`, `CASE_SENSITIVE` …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_options: Vec<String>,
}

/// A GET request to Datadog's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Get {
    /// Absolute path, `/api/v2/…`.
    pub path: String,
    /// Query parameters, not yet percent-encoded.
    pub query: Vec<(String, String)>,
    /// Whether a 404 is a valid response instead of an error.
    pub not_found_is_an_answer: bool,
    /// The days and the query this request belongs to, set by the source.
    pub purpose: Purpose,
}

/// The purpose of a [`Get`], so that the parser need not parse the URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// The requested days.
    pub window: Window,
    /// The source's query, or whatever else distinguishes requests of one source.
    pub subject: String,
}

/// One response page as received.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status: 200, or 404 where that is a valid response.
    pub status: u16,
    /// The decompressed body, byte for byte.
    pub body: Bytes,
    /// The API's own id of the request, for support cases.
    pub request_id: Option<String>,
    /// The server's time: the `Date` header.
    pub date: Option<DateTime<Utc>>,
    /// Whether the response is marked as made-up figures ([`FIGURES_HEADER`]).
    pub made_up: bool,
}

/// The header by which a sandbox marks its figures as made up.
pub const FIGURES_HEADER: &str = "x-costlake-figures";
