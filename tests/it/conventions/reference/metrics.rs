//! The page of metrics: the catalog of the program, and the alerts of deploy/prometheus.

use costlake::web::metrics::catalog::{METRICS, Type};

use super::{codes, head, is_kept, row, wrapped};
use crate::conventions::source::read;

/// An alert: its name, what it says, its expression, and how long that has to hold.
#[derive(Debug, Default, PartialEq, Eq)]
struct Alert {
    name: String,
    summary: String,
    condition: String,
    after: String,
}

/// A part of a summary behind `{{ $`, with `N` for the value and the name of a label for what it says.
fn filled(part: &str) -> String {
    let Some((variable, rest)) = part.split_once(" }}") else { return part.to_owned() };
    let name = variable.split(' ').next().unwrap_or_default();
    let label = name.strip_prefix("labels.").map_or_else(|| "N".to_owned(), str::to_uppercase);
    label + rest
}

/// The alerts of a file of rules.
fn alerts(text: &str) -> Vec<Alert> {
    let mut found: Vec<Alert> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("- alert: ") {
            found.push(Alert { name: name.to_owned(), ..Alert::default() });
        }
        let Some(last) = found.last_mut() else { continue };
        let begun = line.strip_prefix("expr: ").map(|text| text.trim_start_matches(">-"));
        if let Some(text) =
            begun.or((last.after.is_empty() && !line.contains(": ") && !line.starts_with('#')).then_some(line))
        {
            last.condition = format!("{} {text}", last.condition).trim().to_owned();
        }
        if let Some(after) = line.strip_prefix("for: ") {
            last.after = after.replace('m', " min");
        }
        if let Some(summary) = line.strip_prefix("summary: ") {
            let said = summary.trim_matches('"');
            last.summary = said.split("{{ $").map(filled).collect();
        }
    }
    found
}

const INTRODUCTION: &str = "`costlake serve` answers `/metrics` in the OpenMetrics text format, from memory: a scrape asks neither \
    the lake nor an API. How to scrape it is in [deployment](../deployment/monitoring.md).\n\n\
    Counters, whose names end in `_total`, begin at 0 with the process. In a table with accounts all values are sums over its \
    accounts unless the meaning says otherwise; only `costlake_account_unwell` names accounts. A metric without a value is left \
    out: a table without a budget has no `costlake_month_budget_usd`.";

const ABOUT_COSTS: &str = "The newest day is yesterday once the night's run is done; its timestamp shows an old figure as old. A \
    table has at most eight currencies, the first by name. Tables of Datadog have no `costlake_cost_…` metrics: their amounts are \
    doubles, of which the ledger keeps no sums. Values are written to the last digit; Prometheus keeps the nearest double.";

#[test]
fn the_page_of_metrics_is_what_is_scraped() {
    let mut page = format!("# Metrics\n\n{}\n", wrapped(INTRODUCTION));
    page += &head(&["metric", "type", "labels", "unit", "meaning"]);
    for metric in METRICS {
        let kind = if metric.kind == Type::Counter { "counter" } else { "gauge" };
        let labels = codes(metric.labels.iter().copied());
        page += &row(&[&format!("`{}`", metric.series()), kind, &labels, metric.unit, metric.help]);
    }
    page += &format!("\n{}\n## Alerts\n\n", wrapped(ABOUT_COSTS));
    page += &wrapped(
        "[deploy/prometheus/alerts.yml](../../deploy/prometheus/alerts.yml) has these rules. Each has a description that says \
         what to do.",
    );
    page += "\n";
    page += &head(&["alert", "says", "when", "for"]);
    for alert in alerts(&read("deploy/prometheus/alerts.yml")) {
        page += &row(&[&format!("`{}`", alert.name), &alert.summary, &format!("`{}`", alert.condition), &alert.after]);
    }
    is_kept("metrics", &page);
}

#[test]
fn an_alert_is_read() {
    let text = "- alert: A\n  # why: so\n  expr: >-\n    a\n    > 1\n  for: 5m\n  annotations:\n    \
                summary: \"{{ $labels.table }} is {{ $value | long }} old\"\n    description: >-\n      x\n- alert: B\n";
    let found = alerts(text);
    assert_eq!(
        (found.len(), &*found[0].summary, &*found[0].after, &*found[1].name),
        (2, "TABLE is N old", "5 min", "B")
    );
    assert_eq!(found[0].condition, "a > 1");
}
