//! `demo`: runs every shipped job against the built-in sandbox, over real HTTP on localhost, in seconds and for free.

use std::path::Path;

use chrono::NaiveDate;

use crate::clients::ClientConfig;
use crate::error::{Error, Kind, Result};
use crate::job::{self, BrokenJob, Job};
use crate::plan::Ask;
use crate::sandbox::{Sandbox, Settings, serve};
use crate::sources::REGISTRY;
use crate::sql::Dialect;
use crate::window::month_start;

use super::args::{Global, Output};
use super::run::{DEMO, finish, run_all};
use super::{context, open_lake, progress, screen, tell_clock};

/// Months of data before the current one.
const MONTHS: i32 = -13;

/// `costlake demo`.
pub(super) async fn demo(global: &Global) -> Result<u8> {
    let bars = progress::start(global);
    let failed = |error: std::io::Error| Error::new(Kind::Store, "cannot listen on this machine").because(error);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let url = format!("http://{}", listener.local_addr().map_err(failed)?);
    let client_config = ClientConfig { sandbox: Some(url.clone()), ..ClientConfig::default() };
    let mut context = context(global, client_config, bars.map(|bars| bars.listener())).await?;
    context.no_budget = true;
    tell_clock(context.clock);
    let now = context.clock.now();
    let first_day = month_start(now.date_naive(), MONTHS);
    let sandbox = Sandbox::new(Settings { first_day: Some(first_day), ..Settings::new(now) });
    let server = tokio::spawn(serve(listener, sandbox, std::future::pending()));
    let jobs = shipped_jobs(first_day)?;
    if global.output == Output::Text {
        screen::tell(&format!(
            "running {} jobs against a sandbox on this machine: the figures are made up\n",
            jobs.len()
        ));
    }
    let reports = run_all(&context, &jobs, DEMO, Ask::Due).await;
    server.abort();
    let code = finish(global, &context, &reports, 0, &serde_json::json!([]))?;
    if code == 0 && global.output == Output::Text {
        let (location, _) = open_lake(global).await?;
        screen::out(&next_steps(&location.to_string()));
    }
    Ok(code)
}

/// The jobs of the `jobs/` folder, built in so that the demo needs no files.
fn shipped_jobs(first_day: NaiveDate) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    for (name, text) in REGISTRY.iter().flat_map(|entry| entry.jobs) {
        let file = Path::new("jobs").join(format!("{name}.toml"));
        let mut job = job::parse(&file, text).map_err(|problems| {
            let lines = BrokenJob { file: file.clone(), problems }.lines().join("; ");
            Error::new(Kind::Internal, format!("a shipped job is broken: {lines}"))
        })?;
        job.window.begin = job.window.begin.map(|_| first_day);
        jobs.push(job);
    }
    Ok(jobs)
}

/// Three queries over the new lake, ready to paste.
fn next_steps(lake: &str) -> String {
    let pattern = Dialect::Duckdb.in_pattern(lake);
    let table = |name: &str| {
        let files = Dialect::Duckdb.literal(&format!("{pattern}/{name}/*/data.parquet"));
        format!("read_parquet({files}, hive_partitioning = false)")
    };
    let queries = [
        (
            "What did each service cost this month and last?",
            format!(
                "SELECT service, sum(unblended_cost) FILTER (date_trunc('month', usage_date) = current_month) AS this_month, \
                 sum(unblended_cost) FILTER (date_trunc('month', usage_date) = current_month - INTERVAL 1 MONTH) AS last_month \
                 FROM {0}, (SELECT date_trunc('month', max(usage_date)) AS current_month FROM {0}) GROUP BY service ORDER BY this_month DESC NULLS LAST LIMIT 10",
                table("aws_cost_by_service")
            ),
        ),
        (
            "How much has no team to pay for it, month by month?",
            format!(
                "SELECT strftime(usage_date, '%Y-%m') AS billing_period, sum(unblended_cost) FILTER (tag_team = '') AS untagged, sum(unblended_cost) AS total \
                 FROM {} GROUP BY billing_period ORDER BY billing_period",
                table("aws_cost_by_team")
            ),
        ),
        (
            "What do commitments save, and what expires next?",
            format!(
                "SELECT s.product, round(sum(s.realized_savings), 2) AS saved, round(sum(s.realized_savings) / sum(s.on_demand_equivalent_cost), 3) AS rate, \
                 (SELECT min(c.expiration_date) FROM {} c WHERE c.product = s.product AND c.expiration_date > cast(max(s.usage_date) AS VARCHAR)) AS next_expiry \
                 FROM {} s GROUP BY s.product ORDER BY saved DESC",
                table("datadog_commitments"),
                table("datadog_savings")
            ),
        ),
    ];
    let mut text =
        format!("\nThe lake is in {lake}. Ask it something (pip install duckdb-cli, or the duckdb of your system):\n");
    for (question, sql) in queries {
        text.push_str(&format!("\n# {question}\nduckdb -c \"{}\"\n", in_double_quotes(&sql)));
    }
    let lake = word(lake);
    text.push_str(&format!(
        "\nAll tables as views:  duckdb -init <(costlake connect --lake {lake})\n\
         Which days are there: costlake status --lake {lake}\n\
         Your own bill next:   edit jobs/aws_cost_by_service.toml, choose a lake of its own (--lake bills), then costlake check, plan, run"
    ));
    text
}

/// Escapes a text for use between double quotes in a shell.
fn in_double_quotes(text: &str) -> String {
    let special = |c: char| matches!(c, '\\' | '"' | '$' | '`');
    text.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// Quotes a text as one shell word.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::next_steps;

    #[test]
    fn what_is_printed_can_be_pasted() {
        let plain = next_steps("lake");
        assert!(
            plain.contains("read_parquet('lake/aws_cost_by_team/*/data.parquet', hive_partitioning = false)"),
            "{plain}"
        );
        assert!(plain.contains("costlake status --lake lake\n"), "{plain}");
        let odd = next_steps("/data/a=b/it's [$x]");
        assert!(odd.contains("read_parquet('/data/a=b/it''s [[]\\$x]/aws_cost_by_team/"), "{odd}");
        assert!(odd.contains("costlake status --lake '/data/a=b/it'\\''s [$x]'\n"), "{odd}");
    }
}
