//! What a query can group and filter by (dimensions, tags, cost categories), and their values on a line.

use super::fault::Fault;
use super::lines::Line;

/// An attribute of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attribute {
    /// A dimension that has values in this company's lines.
    Dimension(Dimension),
    /// A known dimension without a value on any line; holds the service's text for that.
    Valueless(String),
    /// A cost allocation tag.
    Tag(String),
    /// A cost category.
    Category(String),
    /// An attribute of an artificial intelligence product: provider, model, inferenceType or feature.
    Product(String),
}

/// The dimensions with values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    Service,
    UsageType,
    LinkedAccount,
    PayerAccount,
    RecordType,
    Region,
    Operation,
}

/// Known dimensions without values here, and the service's text for "none".
const VALUELESS: [(&str, &str); 21] = [
    ("AZ", "NoAZ"),
    ("INSTANCE_TYPE", "NoInstanceType"),
    ("PURCHASE_TYPE", "NoPurchaseType"),
    ("USAGE_TYPE_GROUP", "NoUsageTypeGroup"),
    ("OPERATING_SYSTEM", "NoOperatingSystem"),
    ("TENANCY", "NoTenancy"),
    ("SCOPE", "NoScope"),
    ("PLATFORM", "NoPlatform"),
    ("SUBSCRIPTION_ID", "NoSubscriptionId"),
    ("LEGAL_ENTITY_NAME", "NoLegalEntityName"),
    ("DEPLOYMENT_OPTION", "NoDeploymentOption"),
    ("DATABASE_ENGINE", "NoDatabaseEngine"),
    ("CACHE_ENGINE", "NoCacheEngine"),
    ("INSTANCE_TYPE_FAMILY", "NoInstanceTypeFamily"),
    ("BILLING_ENTITY", "NoBillingEntity"),
    ("RESERVATION_ID", "NoReservationId"),
    ("RIGHTSIZING_TYPE", "NoRightsizingType"),
    ("SAVINGS_PLANS_TYPE", "NoSavingsPlansType"),
    ("SAVINGS_PLAN_ARN", "NoSavingsPlanArn"),
    ("PAYMENT_OPTION", "NoPaymentOption"),
    ("INVOICING_ENTITY", "NoInvoicingEntity"),
];

impl Attribute {
    /// The dimension called `key`.
    pub(super) fn dimension(key: &str) -> Result<Self, Fault> {
        let dimension = match key {
            "SERVICE" => Dimension::Service,
            "USAGE_TYPE" => Dimension::UsageType,
            "LINKED_ACCOUNT" => Dimension::LinkedAccount,
            "PAYER_ACCOUNT" => Dimension::PayerAccount,
            "RECORD_TYPE" => Dimension::RecordType,
            "REGION" => Dimension::Region,
            "OPERATION" => Dimension::Operation,
            "RESOURCE_ID" | "LINKED_ACCOUNT_NAME" | "SERVICE_CODE" => {
                return Err(Fault::validation(format!("Dimension {key} is not allowed.")));
            }
            _ => {
                let known = VALUELESS.iter().find(|(name, _)| *name == key);
                let none = known.ok_or_else(|| Fault::validation(format!("Dimension {key} is invalid.")))?;
                return Ok(Self::Valueless(none.1.to_owned()));
            }
        };
        Ok(Self::Dimension(dimension))
    }

    /// The line's value; empty for an absent tag or category.
    pub(super) fn value<'a>(&'a self, line: &'a Line) -> &'a str {
        match self {
            Self::Dimension(Dimension::Service) => line.service,
            Self::Dimension(Dimension::UsageType) => &line.usage_type,
            Self::Dimension(Dimension::LinkedAccount) => &line.account.id,
            Self::Dimension(Dimension::PayerAccount) => &line.account.payer,
            Self::Dimension(Dimension::RecordType) => line.record_type(),
            Self::Dimension(Dimension::Region) => line.region,
            Self::Dimension(Dimension::Operation) => line.operation,
            Self::Valueless(none) => none,
            Self::Tag(key) if key == "team" => line.team,
            Self::Tag(key) if key == "env" => line.env,
            Self::Category(name) if name == "Product" => line.product,
            Self::Product(key) => line.model.map_or("", |model| model.value(key)),
            Self::Tag(_) | Self::Category(_) => "",
        }
    }

    /// The key of this line's group.
    pub(super) fn group_key(&self, line: &Line) -> String {
        match self {
            Self::Tag(key) | Self::Category(key) | Self::Product(key) => format!("{key}${}", self.value(line)),
            Self::Dimension(_) | Self::Valueless(_) => self.value(line).to_owned(),
        }
    }
}
