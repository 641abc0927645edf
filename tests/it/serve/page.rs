//! The HTTP routes, called without a socket.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use costlake::pipeline::{Event, Listener};
use costlake::scheduler::Scheduler;
use costlake::web::auth::Access;
use costlake::web::cache::State;
use costlake::web::router;
use serde_json::Value;
use tower::ServiceExt;

use super::world::{CONFIG, COSTS, START, World, job_state, last, records, settle, until};
use crate::support::lakehouse::Lakehouse;

pub(super) const TOKEN: &str = "canary-token-5f1e77aa";
pub(super) const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
pub(super) const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
pub(super) const BEARER: (&str, &str) = ("authorization", "Bearer canary-token-5f1e77aa");

/// Every route that shows data.
const PAGES: [&str; 11] = [
    "/",
    "/live",
    "/tables/live",
    "/restatements",
    "/jobs/costs",
    "/jobs/costs/live",
    "/jobs/nothing",
    "/metrics",
    "/api/status",
    "/nothing",
    "/backfill",
];

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

pub(super) async fn ask(router: &Router, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body.to_owned())).expect("a request");
    let answer = router.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(body, 64 << 20).await.expect("a body");
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).expect("text") }
}

async fn get(router: &Router, path: &str) -> Answer {
    ask(router, "GET", path, &[], "").await
}

pub(super) fn access(token: Option<&str>, actions: bool) -> Access {
    Access::new(token, "127.0.0.1".parse().expect("an address"), &[], actions).expect("access")
}

pub(super) fn page(scheduler: &Arc<Scheduler>, access: Access) -> Router {
    router(State::new(scheduler.clone(), access, "lake".to_owned()))
}

async fn ran(world: &World) -> Arc<Scheduler> {
    let scheduler = world.scheduler();
    world.pass(&scheduler, START).await;
    scheduler
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_token_this_machine_may_look_and_nothing_else() {
    let world = World::new(&[("costs", COSTS)]);
    let router = page(&ran(&world).await, access(None, false));
    for path in [
        "/",
        "/?search=costs",
        "/live",
        "/tables/live",
        "/restatements",
        "/jobs/costs",
        "/jobs/costs/live",
        "/metrics",
        "/api/status",
        "/healthz",
        "/style.css",
        "/live.js",
        "/icon.svg",
    ] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(answer.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
    }
    assert_eq!(get(&router, "/jobs/nothing").await.status, StatusCode::NOT_FOUND);
    for path in ["/nothing", "/jobs/..%2f..%2fetc%2fpasswd", "/../Cargo.toml", "/lake/costs"] {
        assert_eq!(get(&router, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/backfill", "/backfill/plan", "/accept", "/accept/plan", "/", "/jobs/costs"] {
        let answer = ask(&router, "POST", path, &[FORM, SAME], "job=costs&from=yesterday&to=yesterday").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(records(&world, "costs").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_name_is_refused() {
    let world = World::new(&[]);
    let router = page(&world.scheduler(), access(None, false));
    let request = |host: &str| Request::builder().uri("/").header("host", host).body(Body::empty()).expect("a request");
    for (host, wanted) in [("127.0.0.1:8080", 200), ("rebound.example", 421), ("127.0.0.1.evil.example", 421)] {
        let answer = router.clone().oneshot(request(host)).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), wanted, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_a_token_everything_but_the_probes_asks_for_it() {
    let world = World::new(&[("costs", COSTS)]);
    let scheduler = ran(&world).await;
    let router = page(&scheduler, access(Some(TOKEN), true));
    for path in PAGES {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(!answer.text.contains("costs"), "{path}");
        if path.ends_with("/live") {
            let piece = ask(&router, "GET", path, &[("accept", "text/html")], "").await;
            assert_eq!(piece.status, StatusCode::UNAUTHORIZED, "the script shows no form in the middle of the page");
            continue;
        }
        let to_people = ask(&router, "GET", path, &[("accept", "text/html")], "").await;
        assert_eq!(
            (to_people.status, &to_people.headers["location"]),
            (StatusCode::SEE_OTHER, &"/login".parse().expect("a header"))
        );
        assert_ne!(ask(&router, "GET", path, &[BEARER], "").await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // However long the pages took, the scheduler is alive.
    super::world::tick(&scheduler, START).await;
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/login", 200), ("/style.css", 200), ("/live.js", 200)]
    {
        until_ready(&router, path, status).await;
    }
    let wrong = ask(&router, "POST", "/login", &[FORM, SAME], "token=canary-token-5f1e77ab").await;
    assert_eq!((wrong.status, wrong.headers.get(header::SET_COOKIE)), (StatusCode::UNAUTHORIZED, None));
    let cross =
        ask(&router, "POST", "/login", &[FORM, ("origin", "http://evil.example")], &format!("token={TOKEN}")).await;
    assert_eq!((cross.status, cross.headers.get(header::SET_COOKIE)), (StatusCode::FORBIDDEN, None));

    let right = ask(&router, "POST", "/login", &[FORM, SAME], &format!("token={TOKEN}")).await;
    assert_eq!(right.status, StatusCode::SEE_OTHER);
    let cookie = right.headers[header::SET_COOKIE].to_str().expect("text").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(TOKEN), "{cookie}");
    let shown = ("cookie", cookie.split(';').next().expect("a pair"));
    assert_eq!(ask(&router, "GET", "/", &[shown], "").await.status, StatusCode::OK);
    // The cookie alone does not let another site start a run.
    let form = "job=costs&from=2026-11-02&to=2026-11-03";
    for origin in [("sec-fetch-site", "cross-site"), ("origin", "http://evil.example"), ("x-nothing", "")] {
        let answer = ask(&router, "POST", "/backfill", &[FORM, shown, origin], form).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin:?}");
    }
    assert_eq!(records(&world, "costs").await.len(), 1);
}

async fn until_ready(router: &Router, path: &str, status: u16) {
    let mut seen = None;
    for _ in 0..500 {
        seen = Some(get(router, path).await);
        if seen.as_ref().is_some_and(|seen| seen.status.as_u16() == status) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{path}: {:?}", seen.map(|seen| (seen.status, seen.text)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readiness_says_what_is_missing() {
    let world = World::new(&[("costs", COSTS)]);
    let router = page(&world.scheduler(), access(None, false));
    let before = get(&router, "/readyz").await;
    assert_eq!(before.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(before.text.contains("does not tick") && before.text.contains("lake"), "{}", before.text);
    assert_eq!(get(&router, "/healthz").await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backfill_is_planned_confirmed_and_done() {
    let world = World::new(&[("costs", COSTS), ("config", CONFIG)]);
    let scheduler = ran(&world).await;
    let router = page(&scheduler, access(Some(TOKEN), true));
    let post = async |path: &str, form: &str| ask(&router, "POST", path, &[FORM, SAME, BEARER], form).await;
    let form = "job=costs&from=2026-11-02&to=2026-11-03";

    let planned = post("/backfill/plan", form).await;
    assert_eq!(planned.status, StatusCode::OK, "{}", planned.text);
    for words in ["2026-11-02", "2026-11-03", "0.02 USD"] {
        assert!(planned.text.contains(words), "{words}: {}", planned.text);
    }
    assert_eq!(records(&world, "costs").await.len(), 1, "a plan does nothing");

    let started = post("/backfill", form).await;
    assert_eq!(
        (started.status, &started.headers["location"]),
        (StatusCode::SEE_OTHER, &"/jobs/costs".parse().expect("a header"))
    );
    settle(&scheduler).await;
    let done = last(&scheduler, "costs");
    assert_eq!((done.command.as_str(), done.exit_code), ("backfill", 0));
    assert_eq!(done.fetches[0].windows, ["2026-11-02..2026-11-03"]);

    for (form, status) in [
        ("job=nothing&from=2026-11-02&to=2026-11-03", 404),
        ("job=costs&from=2026-11-03&to=2026-11-02", 400),
        ("job=costs&from=2026-10-01&to=2026-10-02", 400),
        ("job=costs&from=<script>&to=x", 400),
        ("job=config&from=2026-11-02&to=2026-11-03", 400),
        ("job=costs", 422),
    ] {
        for path in ["/backfill/plan", "/backfill"] {
            let answer = post(path, form).await;
            assert_eq!(answer.status.as_u16(), status, "{path} {form}: {}", answer.text);
            assert!(!answer.text.contains("<script>"), "{form}");
        }
    }
    let large = format!("{form}&missing={}", "x".repeat(17 << 10));
    assert_eq!(post("/backfill", &large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    for path in ["/backfill", "/backfill/plan"] {
        assert_eq!(ask(&router, "GET", path, &[BEARER], "").await.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
    }
    assert_eq!(records(&world, "costs").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backfill_waits_for_nobody() {
    let world = World::new(&[("costs", COSTS)]);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let listener: Listener = Arc::new(move |event| {
        if matches!(event, Event::Planned { .. }) {
            let _ = tokio::task::block_in_place(|| held.lock().expect("a lock").recv());
        }
    });
    let scheduler = world.scheduler_heard_by(Some(listener));
    super::world::tick(&scheduler, START).await;
    until(|| job_state(&scheduler, "costs").live.is_some()).await;
    let router = page(&scheduler, access(Some(TOKEN), true));
    let form = "job=costs&from=2026-11-02&to=2026-11-03";
    let answer = ask(&router, "POST", "/backfill", &[FORM, SAME, BEARER], form).await;
    assert_eq!(answer.status, StatusCode::CONFLICT, "{}", answer.text);
    drop(release);
    settle(&scheduler).await;
    assert_eq!(records(&world, "costs").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn api_status_is_the_document_of_the_command() {
    let world = World::new(&[("costs", COSTS), ("config", CONFIG)]);
    world.job("broken", "source = 1\n");
    let scheduler = world.scheduler();
    world.pass(&scheduler, START).await;
    let served: Value =
        serde_json::from_str(&get(&page(&scheduler, access(None, false)), "/api/status").await.text).expect("JSON");
    let mut house = Lakehouse::new(&world.sandbox.url(), START);
    // The page's process uses its sandbox without these endpoint variables.
    ["AWS_ENDPOINT_URL_COST_EXPLORER", "COSTLAKE_DATADOG_URL"].iter().for_each(|name| house.unset(name));
    let (jobs, lake) = (world.folder.path().join("jobs"), world.folder.path().join("lake"));
    let (jobs, lake) = (jobs.to_str().expect("text"), lake.to_str().expect("text"));
    let done = house.json(&["status", "--jobs", jobs, "--lake", lake]);
    let mut printed = done.document();
    assert_eq!(printed["lake"], lake);
    printed["lake"] = served["lake"].clone();
    assert_eq!(served, printed);
    assert!(served["tables"][1]["days"].as_array().is_some_and(|days| days.len() == 9), "{served}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_costs_of_a_page_are_those_of_show() {
    let world = World::new(&[("costs", COSTS), ("config", CONFIG)]);
    let scheduler = ran(&world).await;
    let router = page(&scheduler, access(None, false));
    let html = get(&router, "/jobs/costs").await.text;
    let panel = html.split("id=\"costs\"").nth(1).and_then(|rest| rest.split("</section>").next()).expect("a panel");
    let house = Lakehouse::new(&world.sandbox.url(), START);
    let (jobs, lake) = (world.folder.path().join("jobs"), world.folder.path().join("lake"));
    let (jobs, lake) = (jobs.to_str().expect("text"), lake.to_str().expect("text"));
    let month = &START[..7];
    let first = format!("{month}-01");
    let shown = house.costlake(&["show", "costs", "--from", &first, "--jobs", jobs, "--lake", lake]);
    let total = shown.exits(0).stdout.lines().find(|line| line.contains("total")).map(str::to_owned).expect("a total");
    let total = total.split_whitespace().last().expect("an amount").to_owned();
    assert!(panel.contains(&total) && total.contains('.'), "{total} is not in {panel}");
    assert!(panel.contains(&format!("{month} so far")), "{panel}");
    assert!(!get(&router, "/jobs/config").await.text.contains("id=\"costs\""), "a table of no costs has no panel");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn charts_are_chosen_by_the_address_and_nothing_else_is_drawn() {
    let world = World::new(&[("costs", COSTS), ("config", CONFIG)]);
    let router = page(&ran(&world).await, access(None, false));
    let html = get(&router, "/jobs/costs").await.text;
    let link = html.split("href=\"?group=").nth(1).and_then(|rest| rest.split('#').next()).expect("a group's link");
    let points = |html: &str| html.matches("class=\"hit\"").count();
    assert_eq!(points(&html), 9, "a link for each day");
    for (query, wanted, words) in [
        (format!("group={link}"), 9, "Only service"),
        ("by=week".to_owned(), 3, "Unblended cost by service per week"),
        ("by=month&range=30d".to_owned(), 1, "per month"),
        ("range=all".to_owned(), 9, "per day"),
        ("group=no%20such%20service".to_owned(), 0, "This group has no rows in this range."),
        ("day=2026-11-03&day2=x".to_owned(), 9, "2026-11-03"),
    ] {
        let answer = get(&router, &format!("/jobs/costs?{query}")).await;
        assert_eq!((answer.status, points(&answer.text)), (StatusCode::OK, wanted), "{query}: {}", answer.text);
        assert!(answer.text.contains(words), "{query}: {words}");
    }
    let long = format!("group={}", "x".repeat(3_000));
    for query in ["metric=blended_cost", "range=5y", "by=hour", "range=%3Cscript%3E", &long] {
        let answer = get(&router, &format!("/jobs/costs?{query}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
        assert!(!answer.text.contains("<script>"), "{query}");
    }
    for (path, words) in [
        ("/jobs/costs?day=2026-11-03&day=2026-11-04", "day: is in the address more than once"),
        ("/jobs/costs?by=week&range=all&by=week", "by: is in the address more than once"),
        ("/?search=a&search=b", "search: is in the address more than once"),
        ("/restatements?only=final&only=x", "only: is in the address more than once"),
        ("/jobs/costs?day=tomorrow", "day: `tomorrow` is not a date; write it as 2026-11-01"),
        ("/jobs/costs?day=2026-02-30", "day: `2026-02-30` is not a date"),
        ("/jobs/costs?day=", "day: `` is not a date"),
    ] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.text.contains(words) && answer.text.contains("<h1>"), "{path}: {}", answer.text);
    }
    let grouped = get(&router, "/jobs/config?group=x").await;
    assert!(grouped.status == StatusCode::BAD_REQUEST, "a table without groups");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn metrics_have_their_names() {
    let world = World::new(&[("costs", COSTS), ("config", CONFIG)]);
    let scheduler = ran(&world).await;
    let router = page(&scheduler, access(None, false));
    let text = get(&router, "/metrics").await.text;
    let report = last(&scheduler, "costs");
    let rows = report.rows;
    for line in [
        "costlake_freshness_seconds{table=\"costs\"} 0.0".to_owned(),
        "costlake_days{table=\"costs\",state=\"estimated\"} 9.0".to_owned(),
        "costlake_days{table=\"costs\",state=\"missing\"} 0.0".to_owned(),
        "costlake_days{table=\"costs\",state=\"stale\"} 0.0".to_owned(),
        format!("costlake_requests_total{{table=\"costs\"}} {}.0", report.asked.requests),
        format!("costlake_spent_usd_total{{table=\"costs\"}} {}", report.usd),
        "costlake_spent_usd_total{table=\"config\"} 0.0".to_owned(),
        "costlake_throttles_total{table=\"costs\"} 0.0".to_owned(),
        "costlake_retries_total{table=\"costs\"} 0.0".to_owned(),
        format!("costlake_rows_read_total{{table=\"costs\"}} {rows}.0"),
        format!("costlake_lake_rows{{table=\"costs\"}} {rows}.0"),
        format!("costlake_answer_bytes_total{{table=\"costs\"}} {}.0", report.asked.answer_bytes),
        "costlake_objects_written_total{table=\"costs\"} 1.0".to_owned(),
        "costlake_runs_total{table=\"costs\",outcome=\"done\"} 1.0".to_owned(),
        "costlake_runs_total{table=\"costs\",outcome=\"failed\"} 0.0".to_owned(),
        "costlake_running{table=\"costs\"} 0.0".to_owned(),
        "costlake_last_run_exit_code{table=\"costs\"} 0.0".to_owned(),
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    for name in ["costlake_ready{", "costlake_last_run_seconds{", "costlake_run_seconds_total{", "costlake_lake_bytes{"]
    {
        assert!(text.contains(name), "{name}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn accounts_have_pages_of_their_own_and_metrics_together() {
    // The credentials of the sandbox are of the first one.
    let accounts = "accounts = { list = [{ id = \"000123456789\" }, { id = \"222233334444\" }] }\n";
    let world = World::new(&[("costs", &(COSTS.to_owned() + accounts))]);
    let scheduler = ran(&world).await;
    let router = page(&scheduler, access(None, false));
    let text = get(&router, "/metrics").await.text;
    for line in [
        "costlake_days{table=\"costs\",state=\"estimated\"} 9.0",
        "costlake_days{table=\"costs\",state=\"missing\"} 9.0",
        "costlake_runs_total{table=\"costs\",outcome=\"done\"} 1.0",
        "costlake_runs_total{table=\"costs\",outcome=\"failed\"} 1.0",
        "costlake_last_run_exit_code{table=\"costs\"} 3.0",
        "costlake_account_unwell{table=\"costs\",account=\"222233334444\"} 1.0",
    ] {
        assert!(text.lines().any(|known| known == line), "{line}\n{text}");
    }
    assert!(!text.contains("account=\"000123456789\""), "{text}");
    for account in ["000123456789", "222233334444"] {
        let answer = get(&router, &format!("/jobs/costs/account/{account}")).await;
        assert!(answer.status == StatusCode::OK && answer.text.contains(account), "{account}");
    }
    let html = get(&router, "/jobs/costs").await.text;
    for part in
        ["2 accounts: 1 failed, 1 current.", "/jobs/costs/account/000123456789", "/jobs/costs/account/222233334444"]
    {
        assert!(html.contains(part), "{part}: {html}");
    }
    assert_eq!(get(&router, "/jobs/other").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn failures_are_counted_by_kind() {
    let world = World::new(&[("costs", &(COSTS.to_owned() + "budget = { max_requests_per_run = 1 }\n"))]);
    let scheduler = ran(&world).await;
    let text = get(&page(&scheduler, access(None, false)), "/metrics").await.text;
    let line = "costlake_run_failures_total{table=\"costs\",kind=\"budget\"} 1.0";
    assert!(text.contains(line), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hostile_words_stay_words() {
    let hostile = format!("description = \"<script>alert(1)</script>\"\n{COSTS}");
    let world = World::new(&[("costs", &hostile)]);
    world.job("broken", "\"<img src=x>\" = 1\n");
    let router = page(&ran(&world).await, access(None, false));
    for path in ["/", "/jobs/costs", "/jobs/%3Cscript%3E"] {
        let text = get(&router, path).await.text;
        assert!(!text.contains("<script>alert") && !text.contains("<img src=x>"), "{path}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_table_that_cannot_be_read_hides_no_other() {
    let world = World::new(&[("costs", COSTS), ("config", CONFIG)]);
    let scheduler = ran(&world).await;
    let newer = world.folder.path().join(format!("lake/_costlake/costs/ledger/{:020}.json", 1_000));
    std::fs::write(newer, "{\"format\": 999}").expect("a ledger");
    let router = page(&scheduler, access(None, false));
    for path in ["/", "/restatements", "/jobs/config", "/jobs/costs"] {
        let answer = get(&router, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
    }
    let log = get(&router, "/restatements").await.text;
    assert!(log.contains("1 table could not be read") && log.contains("costs: "), "{log}");
    assert!(get(&router, "/jobs/costs").await.text.contains("newer than this costlake reads"));
    let status: Value = serde_json::from_str(&get(&router, "/api/status").await.text).expect("JSON");
    assert_eq!((status["exit_code"].as_u64(), &status["tables"][0]["table"]), (Some(2), &Value::from("config")));
    assert!(get(&router, "/metrics").await.text.contains("costlake_lake_rows{table=\"config\"} 9.0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_lake_is_read_once_for_all_clients() {
    let world = World::new(&[("costs", COSTS)]);
    let router = page(&ran(&world).await, access(None, false));
    let first = get(&router, "/jobs/costs").await.text;
    // The page is cached for two seconds: the lake is not read meanwhile.
    std::fs::rename(world.folder.path().join("lake"), world.folder.path().join("gone")).expect("a folder");
    let again = futures::future::join_all((0..20).map(|_| get(&router, "/jobs/costs"))).await;
    assert!(again.iter().all(|answer| answer.text == first));
}

fn mark(html: &str) -> String {
    let mark = html.split("data-mark=\"").nth(1).and_then(|rest| rest.split('"').next());
    mark.unwrap_or_else(|| panic!("no mark in {html}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_small_answer_tells_whether_any_table_has_changed() {
    let world = World::new(&[("costs", COSTS), ("config", CONFIG)]);
    let scheduler = ran(&world).await;
    let router = page(&scheduler, access(None, false));
    let first = mark(&get(&router, "/").await.text);
    // Nothing of the lake is read for it.
    let (lake, gone) = (world.folder.path().join("lake"), world.folder.path().join("gone"));
    std::fs::rename(&lake, &gone).expect("a folder");
    let answer = get(&router, "/live").await;
    assert_eq!((answer.status, mark(&answer.text)), (StatusCode::OK, first.clone()), "nothing ran");
    assert!(answer.text.len() < 200, "{}", answer.text);
    std::fs::rename(&gone, &lake).expect("a folder");
    world.pass(&scheduler, "2026-11-11T06:30:00Z").await;
    let second = mark(&get(&router, "/live").await.text);
    assert_ne!(second, first, "both jobs ran");
    let tables = get(&router, "/tables/live").await.text;
    assert!(tables.contains("job-config") && tables.contains("2026-11-10") && !tables.contains("<html"), "{tables}");
    world.job("another", CONFIG);
    scheduler.look_again();
    world.pass(&scheduler, "2026-11-11T06:31:00Z").await;
    assert_ne!(mark(&get(&router, "/live").await.text), second, "there is another job");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_search_is_answered_by_the_server() {
    let world = World::new(&[("costs", COSTS), ("config", CONFIG)]);
    let router = page(&ran(&world).await, access(None, false));
    let html = get(&router, "/?search=datadog").await.text;
    assert!(html.contains("id=\"job-config\"") && !html.contains("id=\"job-costs\""), "{html}");
    assert!(html.contains("1 of 2 tables found."), "{html}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn restatements_of_all_tables_are_listed() {
    let world = World::new(&[("costs", COSTS), ("config", CONFIG)]);
    let scheduler = ran(&world).await;
    let router = page(&scheduler, access(None, false));
    assert!(get(&router, "/restatements").await.text.contains("Nothing was restated in the last 90 days."));
    world.pass(&scheduler, "2026-11-11T06:30:00Z").await;
    let html = get(&router, "/restatements").await.text;
    assert!(html.contains("href=\"/jobs/costs?day=2026-11-09#day\""), "an estimate of yesterday moved: {html}");
    assert!(html.contains("unblended_") && !html.contains("/jobs/config?day"), "{html}");
    assert!(get(&router, "/restatements?only=final").await.text.contains("counting only days that were no estimate"));
}
