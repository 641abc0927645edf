//! `costlake_runs` for Spark: the run records as a table.

use super::{Dialect, Having};

/// The fields of a run record that the view reads.
const RECORD: &str = "job string, account string, run_id string, command string, started_at timestamp, duration_ms bigint, exit_code int, \
    asked struct<requests: bigint, pages: bigint, charged_pages: bigint, retries: bigint, throttles: bigint, answer_bytes: bigint>, \
    usd string, `rows` bigint, objects_written bigint, fetches array<struct<failure: struct<kind: string>>>, \
    failure struct<kind: string>";

/// The statements that create `costlake_runs` in Spark; start records in the same folders are left out.
#[must_use]
pub fn spark(lake: &str, records: Having) -> Vec<String> {
    let literal = |text: &str| Dialect::Spark.literal(text);
    let records = if records.any() {
        let lake = Dialect::Spark.in_pattern(&lake.replacen("s3://", "s3a://", 1));
        let units = match &records.units()[..] {
            [one] => (*one).to_owned(),
            several => format!("{{{}}}", several.join(",")),
        };
        let files = format!("{lake}/_costlake/{units}/runs/*/*.json");
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

#[cfg(test)]
mod tests {
    use super::{Having, spark};

    #[test]
    fn the_records_of_all_units_are_read() {
        for (plain, of_accounts, wanted) in [
            (true, false, "/l/_costlake/*/runs/*/*.json"),
            (false, true, "/l/_costlake/*/account=*/runs/*/*.json"),
            (true, true, "/l/_costlake/{*,*/account=*}/runs/*/*.json"),
        ] {
            let statements = spark("/l", Having { plain, of_accounts });
            assert!(statements[0].contains(&format!("'{wanted}'")), "{statements:?}");
        }
        assert!(spark("/l", Having::default())[0].contains("WHERE false"));
    }
}
