//! A `GetCostAndUsage` query in the API's own terms.
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html>

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::request::{Operation, Purpose, Request};
use crate::window::{Grain, Window};

use super::Params;

/// The member of input and output that continues a list.
pub(super) const TOKEN: &str = "NextPageToken";

/// The request for the first page of `window`.
pub(super) fn first_page(params: &Params, window: Window) -> Request {
    let day = |day: NaiveDate| match params.grain {
        Grain::Hourly => format!("{day}T00:00:00Z"),
        Grain::Daily | Grain::Monthly => day.to_string(),
    };
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("TimePeriod", json!({ "Start": day(window.start()), "End": day(window.end()) }));
    put("Granularity", params.grain.name().into());
    put("Metrics", params.metrics.iter().map(|metric| metric.name).collect());
    if !params.groupings.is_empty() {
        put("GroupBy", json!(params.groupings));
    }
    if let Some(filter) = &params.filter {
        put("Filter", json!(filter));
    }
    if let Some(arn) = &params.billing_view_arn {
        put("BillingViewArn", arn.as_str().into());
    }
    Request::Operation(Operation {
        name: "GetCostAndUsage",
        body: body.into(),
        no_data_is_an_answer: false,
        purpose: Purpose { window, subject: String::new() },
    })
}

/// One entry of `GroupBy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grouping {
    /// `DIMENSION`, `TAG`, `COST_CATEGORY` or `PRODUCT_ATTRIBUTE`.
    #[serde(rename = "Type")]
    pub kind: GroupingKind,
    /// The dimension's name, the tag's key, the cost category's name or the product attribute's key.
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
    /// A product attribute, such as the AI model.
    ProductAttribute,
}

impl GroupingKind {
    /// The API's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dimension => "DIMENSION",
            Self::Tag => "TAG",
            Self::CostCategory => "COST_CATEGORY",
            Self::ProductAttribute => "PRODUCT_ATTRIBUTE",
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
    /// Values of a product attribute.
    ProductAttributes(Values),
}

/// `Key`, `Values` and `MatchOptions` of a leaf of an [`Expression`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Values {
    /// Dimension name, tag key, cost category name or product attribute key.
    pub key: String,
    /// Values; any of them matches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// `EQUALS`, `ABSENT`, `CASE_SENSITIVE` …
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub match_options: Vec<String>,
}
