//! Many units: told in numbers and pages, from memory.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use costlake::plan::Ask;
use costlake::scheduler::Scheduler;
use costlake::unit::Unit;
use serde_json::Value;

use super::page::{access, ask, page};
use super::world::{COSTS, START, World, settle, tick};

const ACCOUNTS: usize = 130;
const READ: &str = "000123456789";

/// Status and text; the lines of metrics have no order.
async fn get(router: &Router, path: &str) -> (StatusCode, String) {
    let answer = ask(router, "GET", path, &[], "").await;
    let mut lines: Vec<&str> = answer.text.split('\n').collect();
    if path == "/metrics" {
        lines.sort_unstable();
    }
    (answer.status, lines.join("\n"))
}

async fn json(router: &Router, path: &str) -> Value {
    serde_json::from_str(&get(router, path).await.1).expect("JSON")
}

async fn run(scheduler: &Arc<Scheduler>, account: &str) {
    scheduler.start(&Unit::of("costs", account), "run", Ask::Due).expect("a run");
    settle(scheduler).await;
}

/// A table of 130 accounts without a schedule: one has been read, one was denied, the others wait for their first run.
async fn world() -> (World, Arc<Scheduler>, Router) {
    let ids = (0..ACCOUNTS - 1).map(|number| format!("{:012}", 300_000_000_000_u64 + number as u64));
    let ids: Vec<String> =
        std::iter::once(READ.to_owned()).chain(ids).map(|id| format!("{{ id = \"{id}\" }}")).collect();
    let job = COSTS.replace("schedule = { cron = \"30 6 * * *\" }\n", "");
    let world = World::new(&[("costs", &format!("{job}accounts = {{ list = [{}] }}\n", ids.join(", ")))]);
    let scheduler = world.scheduler();
    tick(&scheduler, START).await;
    for account in [READ, "300000000007"] {
        run(&scheduler, account).await;
    }
    let router = page(&scheduler, access(None, false));
    let (found, first) = get(&router, "/jobs/costs").await;
    assert!(found == StatusCode::OK && first.contains("130 accounts: "), "however few are looked at: {first}");
    let state = json(&router, "/api/status").await;
    let (unread, told) = (&state["not_looked_at_yet"], state["tables"][0]["accounts"].as_u64().unwrap_or_default());
    assert_eq!(unread.as_u64().unwrap_or_default() + told, ACCOUNTS as u64, "whatever is known is told: {state}");
    // The first answer comes before all of them are looked at.
    let whole = async {
        while !get(&router, "/metrics").await.1.contains("costlake_not_looked_at_yet{} 0.0") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(20), whole).await.is_err() {
        panic!("not all are looked at: {}", get(&router, "/metrics").await.1);
    }
    (world, scheduler, router)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_accounts_are_told_in_numbers_and_pages() {
    let (_world, _, router) = world().await;
    let (_, html) = get(&router, "/").await;
    for part in ["1 failed, 128 never read, 1 current.", "130 accounts: 1 failed", "300000000007", "And 79 more"] {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert!(html.len() < 100_000, "{} bytes", html.len());
    let accounts = |html: &str| html.matches("/jobs/costs/account/").count();
    let (_, first) = get(&router, "/jobs/costs").await;
    assert_eq!((accounts(&first), first.contains("Page 1 of 2")), (100, true));
    assert!(first.find("300000000007") < first.find("300000000000"), "what failed comes first");
    assert_eq!(accounts(&get(&router, "/jobs/costs?page=2").await.1), 30);
    let (_, found) = get(&router, &format!("/jobs/costs?search={READ}")).await;
    assert!(accounts(&found) == 1 && found.contains("1 of 130 accounts found."), "{found}");
    assert_eq!(get(&router, "/jobs/costs?page=0").await.0, StatusCode::BAD_REQUEST);
    let (_, found) = get(&router, &format!("/?search={READ}")).await;
    assert!(found.contains("1 of 130 tables or accounts found.") && accounts(&found) == 0, "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_status_of_many_accounts_has_pages_and_days_when_asked() {
    let (_world, _, router) = world().await;
    let all = json(&router, "/api/status").await;
    let table = &all["tables"][0];
    assert_eq!((&table["accounts"], &table["days"]["missing"]), (&Value::from(130), &Value::from(129 * 9)), "{table}");
    assert_eq!(table["not_current"].as_array().map(Vec::len), Some(100));
    assert_eq!(table["not_current_left_out"], 29);
    assert!(all["accounts"].is_null() && all["pages"].is_null(), "{all}");
    let second = json(&router, "/api/status?table=costs&page=2").await;
    assert_eq!((&second["page"], &second["pages"]), (&Value::from(2), &Value::from(2)));
    assert_eq!(second["accounts"].as_array().map(Vec::len), Some(30));
    let one = json(&router, &format!("/api/status?table=costs&account={READ}")).await;
    assert_eq!(one["tables"][0]["days"].as_array().map(Vec::len), Some(9), "{one}");
    assert!(one["tables"].as_array().is_some_and(|all| all.len() == 1), "{one}");
    for (path, status) in [
        ("/api/status?table=other", StatusCode::NOT_FOUND),
        ("/api/status?table=costs&account=1", StatusCode::NOT_FOUND),
        ("/api/status?page=x", StatusCode::BAD_REQUEST),
    ] {
        let (found, text) = get(&router, path).await;
        assert!(found == status && text.starts_with("{\"error\":"), "{path}: {text}");
    }
    let (_, metrics) = get(&router, "/metrics").await;
    assert_eq!(metrics.matches("costlake_account_unwell{").count(), 100);
    let bill: Vec<&str> = metrics.lines().filter(|line| line.starts_with("costlake_cost_")).collect();
    assert_eq!(bill.len(), 5, "however many accounts: {bill:?}");
    assert!(bill.contains(&"costlake_cost_accounts_left_out{table=\"costs\"} 129"), "{bill:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_units_are_answered_from_memory_until_a_run_ends() {
    let (world, scheduler, router) = world().await;
    let paths = ["/", "/metrics", "/api/status", "/restatements", "/jobs/costs"];
    let all = async || futures::future::join_all(paths.map(|path| get(&router, path))).await;
    // Asked once before: tables without a job are listed then.
    all().await;
    let before = all().await;
    let (lake, gone) = (world.folder.path().join("lake"), world.folder.path().join("gone"));
    fs::rename(&lake, &gone).expect("a folder");
    for (path, (before, after)) in paths.iter().zip(before.iter().zip(all().await)) {
        assert_eq!((after.0, &after.1), (StatusCode::OK, &before.1), "{path}");
    }
    fs::rename(&gone, &lake).expect("a folder");
    scheduler.start(&Unit::of("costs", READ), "backfill", Ask::Due).expect("a run");
    settle(&scheduler).await;
    assert_ne!(get(&router, "/").await.1, before[0].1, "a run has ended");
}

/// What a look would find if it read the snapshot again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_ledger_is_read_again_only_for_a_newer_snapshot() {
    let world = World::new(&[("costs", COSTS)]);
    let scheduler = world.scheduler();
    world.pass(&scheduler, START).await;
    let router = page(&scheduler, access(None, false));
    let rows = async || json(&router, "/api/status").await["tables"][0]["days"].as_array().map(Vec::len);
    assert_eq!(rows().await, Some(9));
    let folder = world.folder.path().join("lake/_costlake/costs/ledger");
    let newest =
        fs::read_dir(&folder).expect("a folder").map(|file| file.expect("a file").path()).max().expect("a file");
    let kept = fs::read(&newest).expect("a ledger");
    let written = fs::metadata(&newest).and_then(|found| found.modified()).expect("a time");
    let replace = |bytes: &[u8]| {
        fs::write(&newest, bytes).expect("a file");
        fs::File::options().write(true).open(&newest).and_then(|file| file.set_modified(written)).expect("a file");
    };
    replace(b"{\"format\": 999}");
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    assert_eq!(rows().await, Some(9), "the look lists and does not read");
    assert_eq!(json(&router, "/api/status").await["exit_code"], 0);
    replace(&kept);
    world.pass(&scheduler, "2026-11-11T06:30:00Z").await;
    assert_eq!(rows().await, Some(10), "there is a newer one");
}
