//! AWS Cost Explorer `GetSavingsPlansUtilization`: how much of the Savings Plans is used, day by day.
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetSavingsPlansUtilization.html>
//!
//! See `cost_explorer/by_time.rs` for the checks and for what a day without data is.

use crate::sources::Entry;
use crate::sources::cost_explorer::by_time::{self, Spec};
use crate::sources::provider::{AWS_DAYS, COST_EXPLORER};

static SPEC: Spec = Spec {
    schema: include_str!("../../../schemas/aws_savings_plans_utilization.json"),
    operation: "GetSavingsPlansUtilization",
    list: "SavingsPlansUtilizationsByTime",
    token: None,
    metrics: &[],
    by_service: false,
};

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "aws_savings_plans_utilization",
    summary: "AWS Savings Plans day by day: commitment, used and unused part, savings",
    operations: &[SPEC.operation],
    row: "day",
    night: by_time::NIGHT,
    schema: SPEC.schema,
    provider: &COST_EXPLORER,
    rules: &AWS_DAYS,
    keys: &[],
    values: None,
    jobs: &[("aws_savings_plans_utilization", include_str!("../../../jobs/aws_savings_plans_utilization.toml"))],
    build: |section| by_time::build(&SPEC, section),
};

#[cfg(test)]
mod tests;
