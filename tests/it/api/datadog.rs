//! Datadog's refusals and oddities, through the binary: keys, waits, redirects, and stored raw responses.

use std::fs;
use std::sync::Arc;

use costlake::clients::{ClientConfig, Clients};
use costlake::clock::Clock;
use costlake::job::parse;
use costlake::lake::{Lake, LocalLake};
use costlake::pipeline::{Context, run_job};
use costlake::plan::Ask;
use costlake::window::{Window, parse_day};
use serde_json::json;

use crate::support::lake::{column, files};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

const SAVINGS: &str = r#"
[source]
type = "datadog_savings"
queries = [{ provider = "aws", product = "ec2" }]
[window]
begin = "2026-11-01"
[limits]
requests_per_second = 1000
"#;

const ACCOUNTS: &str = "[source]\ntype = \"datadog_ccm_config\"\n[limits]\nrequests_per_second = 1000\n";

/// Commitments of one kind.
const COMMITMENTS: &str = r#"
[source]
type = "datadog_commitments"
queries = [{ provider = "aws", product = "ec2", commitment_type = "ri" }]
[window]
begin = "2026-11-01"
"#;

const NOW: &str = "2026-11-03T06:00:00Z";

fn house(script: &Script, job: &str) -> Lakehouse {
    let mut house = Lakehouse::new(script.url(), NOW);
    house.job("dog", job);
    house.unset("AWS_ACCESS_KEY_ID");
    house.unset("AWS_SECRET_ACCESS_KEY");
    house
}

/// Savings of November 1 and 2.
fn savings() -> Reply {
    let metric = |values: [f64; 2]| json!({ "series": { "total": values }, "times": [1_793_491_200, 1_793_577_600] });
    Reply::good(&json!({
        "actual_cost": metric([10.5, 11.0]),
        "effective_savings_rate": metric([0.5, 0.25]),
        "on_demand_equivalent_cost": metric([21.0, 22.0]),
        "realized_savings": metric([10.5, 11.0]),
    }))
}

#[test]
fn keys_go_into_headers_and_nowhere_else() {
    let script = Script::new();
    let house = house(&script, SAVINGS);
    script.then([savings()]);
    let done = house.json(&["run"]);
    assert_eq!(done.exits(0).report()["rows"], 2, "{done}");
    let asked = script.take_asked();
    assert_eq!(asked[0].header("dd-api-key"), Some("test-api-key"));
    assert_eq!(asked[0].header("dd-application-key"), Some("test-app-key"));
    assert_eq!(
        asked[0].path,
        "/api/v2/cost/commitments/savings/timeseries?provider=aws&product=ec2&start=1793491200000&end=1793664000000"
    );
    done.hides("test-api-key").hides("test-app-key");
    assert_eq!(column(&house.rows("dog"), "actual_cost"), ["10.5", "11.0"]);
    script.then([savings()]);
    house.runs_again_without_writing();
}

/// A run that ends at the first answer with this message.
#[track_caller]
fn given_up(reply: Reply, exit_code: i32, words: &[&str]) {
    let script = Script::new();
    let house = house(&script, SAVINGS);
    script.then([reply]);
    let done = house.json(&["run"]);
    for words in words {
        done.exits(exit_code).says(words);
    }
    done.says("aws/ec2").says("2026-11-01..2026-11-02");
    assert_eq!(script.take_asked().len(), 1, "{done}");
    assert!(house.objects().is_empty());
    script.then([savings()]);
    house.run_well();
}

#[test]
fn refused_keys_say_where_to_look() {
    let reply = Reply::new(403, r#"{"status":"error","code":403,"errors":["Forbidden"]}"#);
    let asked = "check that COSTLAKE_DATADOG_URL leads to the Datadog of your organisation: 127.0.0.1 was asked";
    given_up(reply, 3, &["Datadog refuses the keys: Forbidden", asked, "cloud_cost_management_read"]);
    given_up(Reply::new(401, r#"{"errors":["Unauthorized"]}"#), 3, &["Unauthorized"]);
}

#[test]
fn errors_are_told_in_the_apis_words_whatever_their_shape() {
    let detailed = json!({ "errors": [{ "title": "Invalid Parameter", "detail": "no product ec2", "status": "400" }] });
    given_up(Reply::new(400, detailed.to_string()), 1, &["Invalid Parameter: no product ec2", "status 400"]);
    given_up(Reply::new(404, "<html><title>404 not here</title></html>"), 1, &["404 not here"]);
    given_up(Reply::new(422, ""), 1, &["(empty body)"]);
    given_up(Reply::new(400, "plain words"), 1, &["plain words"]);
}

#[test]
fn answers_that_are_none_are_refused() {
    for body in ["", "<html>Sign in</html>", "{\"actual_cost\":", "[]"] {
        given_up(Reply::new(200, body), 1, &["the answer is not"]);
    }
    given_up(Reply::new(204, ""), 1, &["status 204"]);
}

#[test]
fn a_redirect_is_not_followed() {
    let stranger = Script::new();
    let target = format!("{}/elsewhere", stranger.url().replace("127.0.0.1", "localhost"));
    given_up(
        Reply::new(302, "").with("location", &target),
        1,
        &["redirects are not followed", "redirects to localhost"],
    );
    assert!(stranger.take_asked().is_empty(), "the keys were carried to another host");
}

#[test]
fn the_wait_that_is_asked_for_is_waited() {
    let script = Script::new();
    let house = house(&script, SAVINGS);
    let begun = std::time::Instant::now();
    script.then([Reply::new(429, r#"{"errors":["Too many requests"]}"#).with("x-ratelimit-reset", "2"), savings()]);
    let done = house.json(&["run"]);
    let asked = done.exits(0).report()["asked"].clone();
    assert_eq!((&asked["retries"], &asked["throttles"]), (&json!(1), &json!(1)), "{done}");
    assert!(begun.elapsed() >= std::time::Duration::from_secs(2), "the API asked for two seconds");
    assert_eq!(house.rows("dog").len(), 2);
}

#[test]
fn a_failing_edge_is_asked_again() {
    let script = Script::new();
    let house = house(&script, SAVINGS);
    script.then([Reply::new(502, "<html><title>502 Bad Gateway</title></html>"), savings().cut_off(), savings()]);
    let done = house.json(&["run"]);
    done.exits(0).says("502 Bad Gateway").says("broke off");
    let asked = done.report()["asked"].clone();
    assert_eq!((&asked["retries"], &asked["requests"]), (&json!(2), &json!(3)), "{done}");
    assert_eq!(done.report()["usd"], "0.00", "Datadog is free");
    assert_eq!(house.rows("dog").len(), 2);
}

#[test]
fn missing_keys_are_named_and_nothing_is_asked() {
    let script = Script::new();
    let mut house = house(&script, SAVINGS);
    house.unset("DD_APP_KEY");
    house.costlake(&["run"]).exits(3).says("neither DD_APP_KEY nor DD_APP_KEY_FILE is set").hides("test-api-key");
    house.unset("DD_API_KEY");
    house.costlake(&["run"]).exits(3).says("there are no Datadog keys");
    assert!(script.take_asked().is_empty() && house.objects().is_empty());
}

#[test]
fn plain_http_to_another_host_is_refused() {
    let script = Script::new();
    let mut house = house(&script, SAVINGS);
    house.set("COSTLAKE_DATADOG_URL", "http://192.0.2.1:9");
    house.costlake(&["run"]).exits(2).says("plain http would show the Datadog keys").says("--allow-http");
}

#[test]
fn an_unknown_site_is_not_asked() {
    let script = Script::new();
    let mut house = house(&script, SAVINGS);
    house.unset("COSTLAKE_DATADOG_URL");
    house.set("DD_SITE", "us1.datadoghq.com");
    house.costlake(&["run"]).exits(2).says("US1 is `datadoghq.com`");
}

#[test]
fn of_accounts_only_their_ids_are_kept() {
    let script = Script::new();
    let house = house(&script, ACCOUNTS);
    let secret = "external-id-4f1e";
    let account = json!({ "id": "aaaa-1", "type": "account", "attributes": {
        "aws_account_id": "000000000123",
        "auth_config": { "role_name": "DatadogRole", "external_id": secret },
    } });
    let replies = || {
        let config = json!({ "errors": [{ "status": "404", "title": "Account not found" }] });
        [Reply::good(&json!({ "data": [account] })), Reply::new(404, config.to_string())]
    };
    script.then(replies());
    let done = house.json(&["run"]);
    done.exits(0).hides(secret);
    assert_eq!(script.take_asked()[1].path, "/api/v2/integration/aws/accounts/aaaa-1/ccm_config");
    let rows = house.rows("dog");
    assert_eq!(column(&rows, "aws_account_id"), ["000000000123"]);
    assert_eq!(column(&rows, "configured"), ["false"]);
    let mut raw = 0;
    for path in files(&house.lake()) {
        let bytes = std::fs::read(&path).expect("a file");
        let text = if path.extension().is_some_and(|extension| extension == "zst") {
            raw += 1;
            zstd::stream::decode_all(&bytes[..]).expect("a raw answer")
        } else {
            bytes
        };
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(!text.contains(secret) && !text.contains("auth_config"), "{} holds it", path.display());
    }
    assert_eq!(raw, 1, "the raw answers are kept");
    script.then(replies());
    house.runs_again_without_writing();
}

#[test]
fn days_that_come_back_empty_are_held_for_a_person() {
    let script = Script::new();
    let house = house(&script, SAVINGS);
    script.then([savings()]);
    house.run_well();
    let metric = || json!({ "series": {}, "times": [] });
    let names = ["actual_cost", "effective_savings_rate", "on_demand_equivalent_cost", "realized_savings"];
    let nothing = || {
        Reply::good(&json!(
            names.map(|name| (name, metric())).into_iter().collect::<std::collections::BTreeMap<_, _>>()
        ))
    };
    script.then([nothing()]);
    house.json(&["run"]).exits(1).says("the answer is empty, but the day had 1 row").says("--accept dog:2026-11");
    assert_eq!(column(&house.rows("dog"), "actual_cost"), ["10.5", "11.0"]);
    script.then([savings()]);
    house.run_well();
    script.then([nothing()]);
    house.json(&["run", "--accept", "dog:2026-11"]).exits(0);
    assert!(house.rows("dog").is_empty());
}

/// Status 200 with errors in the body: the API's message is kept, and the data in the same body count as incomplete.
#[test]
fn errors_with_a_good_status_are_said_and_nothing_is_taken() {
    let words = json!([{ "title": "Timeout", "detail": "a part is missing" }]);
    for (job, body) in [
        (SAVINGS, json!({ "errors": words })),
        (ACCOUNTS, json!({ "data": [], "errors": words })),
        (COMMITMENTS, json!({ "commitments": [], "errors": words })),
    ] {
        let script = Script::answering(move |_| Reply::good(&body));
        let house = Lakehouse::new(script.url(), NOW);
        house.job("table", job);
        let done = house.costlake(&["run"]);
        done.exits(1).says("Datadog answers with errors: Timeout: a part is missing").says("status 200");
        assert!(house.objects().is_empty());
        house.costlake(&["check", "--online"]).exits(1).says("Timeout: a part is missing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_change_in_their_files_are_used_from_the_next_run_on() {
    let script = Script::new();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |api: &str, app: &str| {
        fs::write(folder.path().join("api"), api).expect("a file");
        fs::write(folder.path().join("app"), app).expect("a file");
    };
    let list = "[accounts]\nlist = [{ name = \"acme\", api_key_file = \"api\", app_key_file = \"app\" }]\n";
    let job = parse(&folder.path().join("dog.toml"), &format!("{SAVINGS}{list}")).expect("a job").units().remove(0);
    let outside = ClientConfig { datadog_url: Some(script.url().to_owned()), ..ClientConfig::default() };
    let lake = Lake::Local(LocalLake::new(folder.path().join("lake")));
    let context =
        Context::new(Arc::new(Clients::new(outside)), Arc::new(lake), Clock::Fixed(NOW.parse().expect("a time")));
    for (api, app, sent) in [
        ("first-api", "first-app\n", ["first-api", "first-app"]),
        ("first-api", "first-app", ["first-api", "first-app"]),
        ("second-api\n", "second-app\n", ["second-api", "second-app"]),
        ("third-api", "third-app", ["third-api", "third-app"]),
    ] {
        write(api, app);
        script.then([savings()]);
        let range = Ask::Range { window: Window::day(parse_day("2026-11-01").expect("a day")), missing_only: false };
        // As `serve` and `run` do.
        context.clients.reserve(&job).await;
        let report = run_job(&context, &job, "backfill", range).await;
        assert!(context.clients.release(&job).await, "the client is kept, and its keys with it");
        assert_eq!(report.exit_code, 0, "{report:?}");
        let asked = script.take_asked();
        assert_eq!(["dd-api-key", "dd-application-key"].map(|name| asked[0].header(name)), sent.map(Some));
    }
}
