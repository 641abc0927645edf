//! Datadog Cloud Cost Management: the savings from commitments, day by day.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#get-commitments-savings-timeseries>
//!
//! Four metrics by series, see `datadog/timeseries.rs`. Ratios stay ratios, whatever their unit says.

use crate::sources::datadog::timeseries::{self, Metrics, Spec};
use crate::sources::datadog::{CommitmentType, QUERIES};
use crate::sources::provider::{DATADOG, DATADOG_DAYS};
use crate::sources::{Entry, Watched};

static SPEC: Spec = Spec {
    schema: include_str!("../../../schemas/datadog_savings.json"),
    path: "/api/v2/cost/commitments/savings/timeseries",
    commitment_type: CommitmentType::Refused,
    metrics: Metrics::Members(&[
        "actual_cost",
        "on_demand_equivalent_cost",
        "realized_savings",
        "effective_savings_rate",
    ]),
    watched: Watched {
        units: &[
            ("actual_cost", "actual_cost_unit"),
            ("on_demand_equivalent_cost", "on_demand_equivalent_cost_unit"),
            ("realized_savings", "realized_savings_unit"),
            ("effective_savings_rate", "effective_savings_rate_unit"),
        ],
        ratios: &["effective_savings_rate"],
    },
};

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "datadog_savings",
    summary: "Datadog's daily savings from cloud commitments: actual and on-demand cost, savings and their rate",
    operations: &["GET /api/v2/cost/commitments/savings/timeseries"],
    row: "day and series",
    night: "nothing",
    schema: SPEC.schema,
    provider: &DATADOG,
    rules: &DATADOG_DAYS,
    keys: QUERIES,
    values: None,
    jobs: &[("datadog_savings", include_str!("../../../jobs/datadog_savings.toml"))],
    build: |section| timeseries::build(&SPEC, section),
};

#[cfg(test)]
mod tests;
