//! Every metric of `/metrics`: name, type, labels, unit and help. A metric that is not here cannot be written.

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Goes up and down.
    Gauge,
    /// Begins at 0 with the process and only grows.
    Counter,
}

/// A metric.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name, without the prefix `costlake_` and without the ending `_total` of counters.
    pub name: &'static str,
    /// Its type.
    pub kind: Type,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// What a value counts.
    pub unit: &'static str,
    /// What it tells.
    pub help: &'static str,
}

impl Metric {
    /// The name of its series, as queries have it.
    #[must_use]
    pub fn series(&self) -> String {
        let ending = if self.kind == Type::Counter { "_total" } else { "" };
        format!("costlake_{}{ending}", self.name)
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], unit: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Type::Gauge, labels, unit, help }
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    unit: &'static str,
    help: &'static str,
) -> Metric {
    Metric { name, kind: Type::Counter, labels, unit, help }
}

const TABLE: &[&str] = &["table"];
const COST: &[&str] = &["table", "currency", "metric"];

/// All metrics, in the order of the documentation.
pub static METRICS: &[Metric] = &[
    gauge("cost_newest_day", COST, "currency", "Cost of the newest day that has been read and has ended"),
    gauge("cost_newest_day_timestamp_seconds", TABLE, "Unix seconds", "When that day began, in UTC"),
    gauge(
        "cost_month_to_date",
        COST,
        "currency",
        "Cost of the month of the newest day up to that day; of a MONTHLY table, of its newest month",
    ),
    gauge("cost_month_timestamp_seconds", TABLE, "Unix seconds", "When that month began, in UTC"),
    gauge(
        "cost_accounts_left_out",
        TABLE,
        "accounts",
        "Accounts of which nothing is in the costs, because they have not read that day",
    ),
    gauge(
        "freshness_seconds",
        TABLE,
        "seconds",
        "Time since the table was last read or compared with the API; the greatest of its accounts",
    ),
    gauge(
        "days",
        &["table", "state"],
        "days",
        "Days (or months) by state, named as in JSON; missing and stale are there at 0 too",
    ),
    gauge(
        "lagging",
        TABLE,
        "0 or 1; accounts",
        "Whether days are out of date, missing for two nights, or held; of a table with accounts, in how many of them",
    ),
    gauge("restated_days", TABLE, "days", "Days (or months) whose rows were replaced by others in the last seven days"),
    gauge(
        "account_unwell",
        &["table", "account"],
        "1",
        "Accounts with missing, stale or held days, or whose last run failed; at most 100",
    ),
    gauge("lake_rows", TABLE, "rows", "Rows in the table"),
    gauge("lake_bytes", TABLE, "bytes", "Size of the table's files"),
    gauge(
        "not_looked_at_yet",
        &[],
        "tables",
        "Tables and accounts that have not been looked at since the process began",
    ),
    gauge(
        "last_run_exit_code",
        TABLE,
        "exit code",
        "Exit code of the last run in this process; of accounts, the gravest, 4 and 5 last",
    ),
    gauge(
        "last_run_seconds",
        TABLE,
        "seconds",
        "Duration of the last run in this process; the greatest of its accounts",
    ),
    gauge("running", TABLE, "runs", "Runs that are going on"),
    counter("runs", &["table", "outcome"], "runs", "Runs by how they ended: done or failed"),
    counter(
        "run_failures",
        &["table", "kind"],
        "failures",
        "Failures of runs by kind (unsettled, superseded, outcome_unknown, …), each once a run",
    ),
    counter("run_seconds", TABLE, "seconds", "Duration of all runs"),
    counter("slots_outlasted", TABLE, "times", "Scheduled times that passed while a run went on"),
    gauge("month_spent_usd", TABLE, "USD", "Cost of requests since the 1st of the month, by the run records"),
    gauge(
        "month_budget_usd",
        TABLE,
        "USD",
        "What requests of a month may cost: budget.max_usd_per_month, added up over accounts; absent without it",
    ),
    counter("requests", TABLE, "requests", "Requests sent, failed ones included"),
    counter("spent_usd", TABLE, "USD", "Cost of requests"),
    counter("throttles", TABLE, "requests", "Requests that the API refused for speed"),
    counter("retries", TABLE, "requests", "Requests that were sent again"),
    counter("rows_read", TABLE, "rows", "Rows fetched"),
    counter("answer_bytes", TABLE, "bytes", "Size of answers"),
    counter("objects_written", TABLE, "files", "Files written"),
    counter("object_bytes_written", TABLE, "bytes", "Size of files written"),
    counter(
        "objects_displaced",
        TABLE,
        "files",
        "Files found not to be the committed ones: replaced, put back or removed",
    ),
    gauge("ready", &[], "0 or 1", "Whether /readyz answers 200"),
    gauge("job_files_broken", &[], "files", "Job files that cannot be used as they are"),
    gauge("build_info", &["version"], "1", "Version of costlake"),
];

/// The metric of a name, without prefix and ending.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::METRICS;

    #[test]
    fn each_name_stands_once() {
        assert_eq!(METRICS.iter().map(|metric| metric.name).collect::<BTreeSet<_>>().len(), METRICS.len());
    }
}
