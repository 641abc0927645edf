//! AWS Cost Explorer `GetSavingsPlansCoverage`: how much of the usage that Savings Plans can cover is covered, day by day.
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetSavingsPlansCoverage.html>
//!
//! See `cost_explorer/by_time.rs` for the checks and for what a day without data is.

use crate::sources::Entry;
use crate::sources::cost_explorer::by_time::{self, Spec};
use crate::sources::provider::{AWS_DAYS, COST_EXPLORER};

static SPEC: Spec = Spec {
    schema: include_str!("../../../schemas/aws_savings_plans_coverage.json"),
    operation: "GetSavingsPlansCoverage",
    list: "SavingsPlansCoverages",
    token: Some("NextToken"),
    metrics: &[],
    by_service: false,
};

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "aws_savings_plans_coverage",
    summary: "AWS usage that Savings Plans cover, and what stays on demand, day by day",
    operations: &[SPEC.operation],
    row: "day",
    night: by_time::NIGHT,
    schema: SPEC.schema,
    provider: &COST_EXPLORER,
    rules: &AWS_DAYS,
    keys: &[],
    values: None,
    jobs: &[("aws_savings_plans_coverage", include_str!("../../../jobs/aws_savings_plans_coverage.toml"))],
    build: |section| by_time::build(&SPEC, section),
};

#[cfg(test)]
mod tests;
