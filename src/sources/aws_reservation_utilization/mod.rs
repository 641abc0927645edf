//! AWS Cost Explorer `GetReservationUtilization`: how much of the reservations of each service is used, day by day.
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetReservationUtilization.html>
//!
//! See `cost_explorer/by_time.rs` for the checks and for what a day without data is.

use crate::sources::Entry;
use crate::sources::cost_explorer::by_time::{self, Spec};
use crate::sources::cost_explorer::listings::RESERVED_SERVICES;
use crate::sources::provider::{AWS_DAYS, COST_EXPLORER};

static SPEC: Spec = Spec {
    schema: include_str!("../../../schemas/aws_reservation_utilization.json"),
    operation: "GetReservationUtilization",
    list: "UtilizationsByTime",
    token: Some("NextPageToken"),
    metrics: &[],
    by_service: true,
};

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "aws_reservation_utilization",
    summary: "AWS reservations day by day and service: used and unused hours, savings, fees",
    operations: &[SPEC.operation],
    row: "day and service",
    night: by_time::NIGHT_OF_SERVICES,
    schema: SPEC.schema,
    provider: &COST_EXPLORER,
    rules: &AWS_DAYS,
    keys: by_time::SERVICES,
    values: Some(&RESERVED_SERVICES),
    jobs: &[("aws_reservation_utilization", include_str!("../../../jobs/aws_reservation_utilization.toml"))],
    build: |section| by_time::build(&SPEC, section),
};

#[cfg(test)]
mod tests;
