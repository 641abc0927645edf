//! AWS Cost Explorer `GetReservationCoverage`: how much of the usage of each service reservations cover, day by day.
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetReservationCoverage.html>
//!
//! See `cost_explorer/by_time.rs` for the checks and for what a day without data is.

use crate::sources::Entry;
use crate::sources::cost_explorer::by_time::{self, Spec};
use crate::sources::cost_explorer::listings::RESERVED_SERVICES;
use crate::sources::provider::{AWS_DAYS, COST_EXPLORER};

static SPEC: Spec = Spec {
    schema: include_str!("../../../schemas/aws_reservation_coverage.json"),
    operation: "GetReservationCoverage",
    list: "CoveragesByTime",
    token: Some("NextPageToken"),
    metrics: &["Hour", "Unit", "Cost"],
    by_service: true,
};

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "aws_reservation_coverage",
    summary: "AWS usage that reservations cover, and what stays on demand, day by day and service",
    operations: &[SPEC.operation],
    row: "day and service",
    night: by_time::NIGHT_OF_SERVICES,
    schema: SPEC.schema,
    provider: &COST_EXPLORER,
    rules: &AWS_DAYS,
    keys: by_time::SERVICES,
    values: Some(&RESERVED_SERVICES),
    jobs: &[("aws_reservation_coverage", include_str!("../../../jobs/aws_reservation_coverage.toml"))],
    build: |section| by_time::build(&SPEC, section),
};

#[cfg(test)]
mod tests;
