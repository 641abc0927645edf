//! Datadog Cloud Cost Management: how much of the usage was covered by commitments, in cost and in hours, day by day.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#get-commitments-coverage-timeseries>
//!
//! Two metrics by series (`on_demand_only`, `ri`, `sp` and `spot_only` in the API's example), see `datadog/timeseries.rs`. The
//! coverage of a day is (ri + sp) / the sum of its series, which is not stored.

use crate::sources::datadog::timeseries::{self, Metrics, Spec};
use crate::sources::datadog::{CommitmentType, QUERIES};
use crate::sources::provider::{DATADOG, DATADOG_DAYS};
use crate::sources::{Entry, Watched};

static SPEC: Spec = Spec {
    schema: include_str!("../../../schemas/datadog_commitment_coverage.json"),
    path: "/api/v2/cost/commitments/coverage/timeseries",
    commitment_type: CommitmentType::Refused,
    metrics: Metrics::Members(&["cost", "hours"]),
    watched: Watched { units: &[("cost", "cost_unit"), ("hours", "hours_unit")], ratios: &[] },
};

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_commitment_coverage",
    summary: "Datadog's daily coverage by cloud commitments: cost and hours, on demand, reserved, spot",
    operations: &["GET /api/v2/cost/commitments/coverage/timeseries"],
    row: "day and series",
    night: "nothing",
    schema: SPEC.schema,
    provider: &DATADOG,
    rules: &DATADOG_DAYS,
    keys: QUERIES,
    values: None,
    jobs: &[("datadog_commitment_coverage", include_str!("../../../jobs/datadog_commitment_coverage.toml"))],
    build: |section| timeseries::build(&SPEC, section),
};

#[cfg(test)]
mod tests;
