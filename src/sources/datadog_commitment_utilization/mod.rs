//! Datadog Cloud Cost Management: how much of what was committed to was used, day by day.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#get-commitments-utilization-timeseries>
//!
//! One metric by series (`used` and `unused` in the API's example), see `datadog/timeseries.rs`. The utilization of a day is
//! used / (used + unused), which is not stored.

use crate::sources::datadog::timeseries::{self, Metrics, Spec};
use crate::sources::datadog::{CommitmentType, QUERIES};
use crate::sources::provider::{DATADOG, DATADOG_DAYS};
use crate::sources::{Entry, Watched};

static SPEC: Spec = Spec {
    schema: include_str!("../../../schemas/datadog_commitment_utilization.json"),
    path: "/api/v2/cost/commitments/utilization/timeseries",
    commitment_type: CommitmentType::Required,
    metrics: Metrics::Whole("value"),
    watched: Watched { units: &[("value", "value_unit")], ratios: &[] },
};

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_commitment_utilization",
    summary: "Datadog's daily utilization of cloud commitments: spend that was used and unused",
    operations: &["GET /api/v2/cost/commitments/utilization/timeseries"],
    row: "day and series",
    night: "nothing",
    schema: SPEC.schema,
    provider: &DATADOG,
    rules: &DATADOG_DAYS,
    keys: QUERIES,
    values: None,
    jobs: &[("datadog_commitment_utilization", include_str!("../../../jobs/datadog_commitment_utilization.toml"))],
    build: |section| timeseries::build(&SPEC, section),
};

#[cfg(test)]
mod tests;
