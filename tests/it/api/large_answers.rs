//! Answers are held until a fetch has all of them: a month of them must fit in memory along with its rows.

use serde_json::json;

use super::floods::within_bounds;
use crate::sizes::ANSWER_MIB;
use crate::support::cost_explorer::NOW;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

const JOB: &str = r#"
[source]
type = "datadog_commitments"
queries = [{ provider = "aws", product = "ec2", commitment_type = "ri" }]
[window]
begin = "2026-10-01"
[limits]
requests_per_second = 1000
"#;

/// A commitment row, with `bytes` of other data that no column holds.
fn wide(bytes: usize) -> Reply {
    let row = json!({ "commitment_id": "ri-1", "utilization": 0.5, "region": "eu-central-1" });
    Reply::good(&json!({ "commitments": [row], "meta": "a".repeat(bytes) }))
}

/// Decompressed, the answers of October alone are 310 MiB in a whole run, and their text is as long again.
#[test]
fn a_month_of_large_answers() {
    let bytes = usize::try_from(ANSWER_MIB.get()).expect("a number") << 20;
    let script = Script::answering(move |_| wide(bytes));
    let house = Lakehouse::new(script.url(), NOW);
    house.job("table", JOB);
    within_bounds("a month of large answers", &house, &["run"], 0, "");
    assert_eq!(house.objects().len(), 2);
    house.costlake(&["rebuild", "table"]).exits(0);
}
