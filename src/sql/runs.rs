//! `costlake_runs` for Spark: the run records as a table.

use super::Dialect;

/// The fields of a run record that the view reads.
const RECORD: &str = "job string, run_id string, command string, started_at timestamp, duration_ms bigint, exit_code int, \
    asked struct<requests: bigint, pages: bigint, charged_pages: bigint, retries: bigint, throttles: bigint, answer_bytes: bigint>, \
    usd string, `rows` bigint, objects_written bigint, fetches array<struct<failure: struct<kind: string>>>, \
    failure struct<kind: string>";

/// The statements that create `costlake_runs` in Spark; start records in the same folders are left out.
#[must_use]
pub fn spark(lake: &str, has_records: bool) -> Vec<String> {
    let literal = |text: &str| Dialect::Spark.literal(text);
    let records = if has_records {
        let lake = Dialect::Spark.in_pattern(&lake.replacen("s3://", "s3a://", 1));
        let files = format!("{lake}/_costlake/*/runs/*/*.json");
        format!(
            "CREATE OR REPLACE TEMPORARY VIEW costlake_run_records ({RECORD})\nUSING json\nOPTIONS (path {});",
            literal(&files)
        )
    } else {
        format!(
            "CREATE OR REPLACE TEMPORARY VIEW costlake_run_records AS\n  \
             SELECT record.* FROM (SELECT from_json(CAST(NULL AS string), {}) AS record) WHERE false;",
            literal(RECORD)
        )
    };
    vec![records, include_str!("views/runs_spark.sql").trim_end().to_owned()]
}
