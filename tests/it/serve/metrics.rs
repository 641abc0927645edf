//! The bill in `/metrics`, and the names that alerts and the dashboard use.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use axum::Router;
use chrono::NaiveDate;
use costlake::decimal;
use costlake::ledger_store::LedgerStore;
use costlake::window::Grain;

use super::page::{access, ask, page};
use super::world::{CONFIG, COSTS, START, World, at};

async fn metrics(router: &Router) -> String {
    ask(router, "GET", "/metrics", &[], "").await.text
}

/// The lines of the bill, in order.
fn of_bill(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("costlake_cost_")).collect()
}

/// Sums of the ledger of `costs` from `first` on, as text.
async fn sum_since(world: &World, first: &str) -> String {
    let first: NaiveDate = first.parse().expect("a day");
    let opened = LedgerStore::open(world.lake(), &"costs".into(), Grain::Daily, at(START)).await;
    let ledger = opened.expect("a ledger").0.ledger;
    let of =
        |sums: &costlake::sums::Sums| decimal::parse(sums.get("unblended_cost").expect("a sum")).expect("an amount");
    decimal::text(ledger.facts().filter(|(day, _)| *day >= first).map(|(_, facts)| of(&facts.sums)).sum())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_bill_comes_from_the_ledger_and_is_exact() {
    let months = COSTS.replace("DAILY", "MONTHLY");
    let world = World::new(&[("costs", COSTS), ("config", CONFIG), ("months", &months)]);
    let scheduler = world.scheduler();
    world.pass(&scheduler, START).await;
    // No object is there to be read.
    for folder in ["costs", "months"] {
        fs::remove_dir_all(world.folder.path().join("lake").join(folder)).expect("a folder");
    }
    let text = metrics(&page(&scheduler, access(None, false))).await;
    let labels = |table: &str| format!("{{table=\"{table}\",currency=\"USD\",metric=\"unblended_cost\"}}");
    let (day, month) = (sum_since(&world, "2026-11-09").await, sum_since(&world, "2026-11-01").await);
    let known = of_bill(&text);
    for line in [
        format!("costlake_cost_newest_day{} {day}", labels("costs")),
        format!("costlake_cost_month_to_date{} {month}", labels("costs")),
        "costlake_cost_newest_day_timestamp_seconds{table=\"costs\"} 1794182400".to_owned(),
        "costlake_cost_month_timestamp_seconds{table=\"costs\"} 1793491200".to_owned(),
        "costlake_cost_month_timestamp_seconds{table=\"months\"} 1793491200".to_owned(),
        "costlake_cost_accounts_left_out{table=\"costs\"} 0".to_owned(),
    ] {
        assert!(known.contains(&line.as_str()), "{line}\n{text}");
    }
    assert!(known.iter().any(|line| line.starts_with(&format!("costlake_cost_month_to_date{}", labels("months")))));
    assert_eq!(known.len(), 8, "nothing of a month has a day, and nothing of a table of no costs: {known:#?}");
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_account_without_the_day_is_counted_and_has_no_series() {
    let told = async |accounts: &str| {
        let world = World::new(&[("costs", &format!("{COSTS}accounts = {{ list = [{accounts}] }}\n"))]);
        let scheduler = world.scheduler();
        world.pass(&scheduler, START).await;
        metrics(&page(&scheduler, access(None, false))).await
    };
    // The credentials of the sandbox are of the first one.
    let read = "{ id = \"000123456789\" }";
    let (alone, two) = (told(read).await, told(&format!("{read}, {{ id = \"222233334444\" }}")).await);
    let left_out = |count| format!("costlake_cost_accounts_left_out{{table=\"costs\"}} {count}");
    let (mut expected, found) = (of_bill(&alone), of_bill(&two));
    let place = expected.iter().position(|line| *line == left_out(0)).unwrap_or_else(|| panic!("{expected:#?}"));
    let one = left_out(1);
    expected[place] = &one;
    assert_eq!((expected.len(), &expected), (5, &found));
    for (text, count) in [(&alone, "0.0"), (&two, "1.0")] {
        let line = format!("costlake_lagging{{table=\"costs\"}} {count}");
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
}

/// The names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("costlake_")).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn alerts_dashboard_and_docs_name_what_is_there() {
    // One account is read and one is not, so that nothing is left out for want of a value.
    let accounts = "accounts = { list = [{ id = \"000123456789\" }, { id = \"222233334444\" }] }\n";
    let world = World::new(&[("costs", &format!("{COSTS}budget = {{ max_usd_per_month = 5 }}\n{accounts}"))]);
    let scheduler = world.scheduler();
    world.pass(&scheduler, START).await;
    let text = metrics(&page(&scheduler, access(None, false))).await;
    let described = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let known: BTreeSet<String> = described
        .map(|(name, kind)| if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        .collect();
    let file = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a file");
    for path in [
        "deploy/prometheus/alerts.yml",
        "deploy/prometheus/alerts_test.yml",
        "deploy/grafana/costlake.json",
        "docs/deployment/monitoring.md",
    ] {
        let named = names(&file(path));
        let unknown: Vec<&String> = named.difference(&known).collect();
        assert!(named.len() > 5 && unknown.is_empty(), "{path} names {unknown:?}, which /metrics has not");
    }
    let docs = file("docs/reference/metrics.md");
    let rows = docs.lines().filter(|line| line.starts_with("| `costlake_"));
    let listed: BTreeSet<String> = rows.flat_map(|row| names(row.split(" | ").next().unwrap_or_default())).collect();
    assert_eq!(listed, known, "the metrics of docs/reference/metrics.md and those of /metrics");
}
