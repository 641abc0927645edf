//! costlake as a library: one run of one job, over an API in this process, into a folder.
//!
//! ```sh
//! cargo run --example embed
//! ```
//!
//! A program of your own would take `Clients::new` for the real APIs; everything else is the same.

#![allow(clippy::print_stdout)]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use costlake::clients::{Clients, StubApi};
use costlake::clock::Clock;
use costlake::job::{self, Identity};
use costlake::lake::{Lake, LocalLake};
use costlake::pipeline::{Context, run_job};
use costlake::plan::Ask;
use costlake::request::{Answer, Operation, Request};
use costlake::window::next_day;
use serde_json::{Value, json};

const JOB: &str = r#"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]

[window]
begin = "2026-10-01"
"#;

/// What each service costs every day, in dollars.
const BILL: [(&str, &str); 2] = [("Amazon EC2", "12.5"), ("Amazon S3", "0.25")];

/// The answer of `GetCostAndUsage` for a bill that never changes: by service, or the total where nothing is grouped.
fn answer(operation: &Operation) -> Value {
    let amount = |amount: &str| json!({ "UnblendedCost": { "Amount": amount, "Unit": "USD" } });
    let periods: Vec<Value> = operation
        .purpose
        .window
        .days()
        .map(|day| {
            let groups: Vec<Value> =
                BILL.iter().map(|(service, cost)| json!({ "Keys": [service], "Metrics": amount(cost) })).collect();
            let period = json!({ "Start": day, "End": next_day(day) });
            if operation.body.get("GroupBy").is_none() {
                json!({ "TimePeriod": period, "Total": amount("12.75"), "Groups": [], "Estimated": false })
            } else {
                json!({ "TimePeriod": period, "Total": {}, "Groups": groups, "Estimated": false })
            }
        })
        .collect();
    json!({ "ResultsByTime": periods })
}

fn api() -> StubApi {
    StubApi::by(|request| {
        Box::pin(async move {
            let body = match &request {
                Request::Operation(operation) => answer(operation),
                Request::Call(_) => json!({}),
            };
            Ok(Answer {
                status: 200,
                body: Bytes::from(body.to_string()),
                request_id: None,
                date: None,
                made_up: false,
            })
        })
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).map_or_else(|| std::env::temp_dir().join("costlake-embed"), Into::into);
    let job = job::parse(Path::new("services.toml"), JOB).map_err(|problems| format!("{problems:?}"))?;
    let clients = Clients::in_process(api(), Identity::default());
    let lake = Lake::Local(LocalLake::new(folder.clone()));
    let context = Context::new(Arc::new(clients), Arc::new(lake), Clock::Fixed("2026-11-03T06:00:00Z".parse()?));

    let report = run_job(&context, &job, "run", Ask::Due).await;
    for (partitions, failure) in report.failures() {
        println!("{partitions}: {}", failure.text);
    }
    println!("{} requests, {} rows, exit code {}", report.asked.requests, report.rows, report.exit_code);
    println!("{}/services/*/data.parquet", folder.display());
    if report.exit_code == 0 { Ok(()) } else { Err("the run failed".into()) }
}
