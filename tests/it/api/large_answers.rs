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

const COSTS: &str = r#"
[source]
type = "datadog_cost"
metric = "aws.cost.amortized"
group_by = ["resource"]
[window]
begin = "2026-10-01"
[limits]
requests_per_second = 1000
fetches_in_flight = 1
"#;

/// As many groups of each day as the question asks for, or their total.
fn costs(groups: usize, question: &serde_json::Value) -> Reply {
    let asked = &question["data"]["attributes"];
    let ms = |name: &str| asked[name].as_u64().expect("a time");
    let times: Vec<u64> = (ms("from")..ms("to")).step_by(86_400_000).collect();
    let by_tag = asked["queries"][0]["query"].as_str().expect("a query").contains(" by {");
    let (count, cost) =
        if by_tag { (groups, 1.25) } else { (1, 1.25 * f64::from(u32::try_from(groups).expect("few"))) };
    let tags = |group: usize| if by_tag { vec![format!("resource:i-{group:017x}")] } else { Vec::new() };
    let series: Vec<_> = (0..count).map(|group| json!({ "group_tags": tags(group), "query_index": 0 })).collect();
    let values = vec![vec![cost; times.len()]; count];
    Reply::good(&json!({ "data": { "attributes": { "series": series, "times": times, "values": values } } }))
}

/// In a whole run, October has half a million rows.
#[test]
fn a_month_of_many_groups() {
    let groups = 1_600 * usize::try_from(ANSWER_MIB.get()).expect("a number");
    let script = Script::answering(move |asked| costs(groups, &asked.json()));
    let house = Lakehouse::new(script.url(), "2026-11-01T06:00:00Z");
    house.job("table", COSTS);
    within_bounds("a month of many groups", &house, &["run"], 0, "");
    assert_eq!(house.objects().len(), 1);
}
