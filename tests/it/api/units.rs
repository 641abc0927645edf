//! One table for many accounts: units, workers that share them out, and what goes wrong with one of them.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

use crate::support::bucket::bucket;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::Asked;

const NOW: &str = "2026-11-10T06:00:00Z";
const DAILY: &str = "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]\n\
                     group_by = [{ dimension = \"SERVICE\" }]\n[window]\nbegin = \"2026-11-01\"\n";
const ONE: &str = "222233334444";
/// Its zeros are easily lost.
const TWO: &str = "000033334444";
const ROLES: &str = "role_arn = \"arn:aws:iam::{id}:role/costs\"";

fn open() -> (SandboxServer, Lakehouse) {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let mut house = Lakehouse::new(&sandbox.url(), NOW);
    house.set("AWS_ENDPOINT_URL_STS", &sandbox.url());
    (sandbox, house)
}

fn with_accounts(accounts: &str) -> String {
    format!("{DAILY}\n[accounts]\n{accounts}\n")
}

fn listed(ids: &[&str]) -> String {
    let list: Vec<String> = ids.iter().map(|id| format!("{{ id = \"{id}\" }}")).collect();
    with_accounts(&format!("list = [{}]\n{ROLES}", list.join(", ")))
}

fn jobs(done: &crate::support::done::Done) -> Vec<Value> {
    done.document()["jobs"].as_array().expect("jobs").clone()
}

#[test]
fn each_account_has_its_part_of_the_table_and_one_that_fails_stops_no_other() {
    let (_sandbox, house) = open();
    let denied = "444455556666";
    let list = format!(
        "list = [{{ id = \"{ONE}\" }}, {{ id = \"{TWO}\" }}, {{ id = \"{denied}\", role_arn = \"arn:aws:iam::{denied}:role/costlake-denied\" }}]\n{ROLES}"
    );
    house.job("costs", &with_accounts(&list));
    let done = house.json(&["run"]);
    done.exits(3).says(&format!("account {denied}"));
    let codes: Vec<(Value, Value)> =
        jobs(&done).into_iter().map(|job| (job["account"].clone(), job["exit_code"].clone())).collect();
    assert_eq!(codes, [(TWO.into(), 0.into()), (ONE.into(), 0.into()), (denied.into(), 3.into())]);

    let state = house.lake().join("_costlake/costs");
    let record = fs::read_to_string(state.join("table.json")).expect("a record");
    assert!(!record.contains(ONE) && !record.contains(TWO), "the record is of all accounts: {record}");
    for account in [ONE, TWO] {
        assert!(house.lake().join(format!("costs/account={account}/billing_period=2026-11/data.parquet")).exists());
        let of = state.join(format!("account={account}"));
        assert!(fs::read_to_string(of.join("account.json")).expect("an account").contains(account));
        assert!(of.join("ledger").is_dir() && of.join("runs").is_dir() && !state.join("ledger").exists());
    }
    assert!(!house.lake().join(format!("costs/account={denied}")).exists());

    let checked = house.costlake(&["check", "--online"]);
    checked.exits(3).says("2 of 3 accounts can be read").says("costs of 444455556666").hides("bug");

    house.costlake(&["verify", "--full", "--account", ONE, "--account", TWO]).exits(0).says("costs of 000033334444");
    house.costlake(&["status", "--check"]).exits(6).says("not").says(denied);
    let status = house.json(&["status", "--account", ONE]);
    assert_eq!(status.exits(0).document()["tables"][0]["account"], ONE);
    let status = house.json(&["status"]).document();
    assert_eq!(status["tables"][0]["accounts"], 3);
    assert_eq!(status["tables"][0]["not_current"][0]["account"], denied);
}

#[test]
fn tables_of_an_account_share_its_probe_and_a_rerun_pays_for_nothing_else() {
    let (sandbox, house) = open();
    let by_region = listed(&[ONE, TWO]).replace("\"SERVICE\"", "\"REGION\"");
    house.job("by_service", &listed(&[ONE, TWO]));
    house.job("by_region", &by_region);
    house.costlake(&["run"]).exits(0);
    let first = sandbox.requests().cost_explorer;
    let again = house.json(&["run"]);
    again.exits(0);
    assert_eq!(sandbox.requests().cost_explorer - first, 2, "a probe for each account: {again}");
    let paid: u64 = jobs(&again).iter().map(|job| job["asked"]["requests"].as_u64().expect("a count")).sum();
    assert_eq!(paid, 2);
}

#[test]
fn accounts_in_a_file_beside_the_jobs_are_no_job() {
    let (_sandbox, house) = open();
    let file = house.folder().join("jobs/accounts.toml");
    fs::write(&file, format!("[[accounts]]\nid = \"{ONE}\"\n\n[[accounts]]\nid = \"{TWO}\"\nbegin = \"2026-11-05\"\n"))
        .expect("a file");
    house.job("costs", &with_accounts(&format!("from = \"accounts.toml\"\n{ROLES}")));
    house.costlake(&["check"]).exits(0);
    let units = house.json(&["units"]).exits(0).document();
    let wanted = serde_json::json!([
        { "table": "costs", "account": TWO, "shard_key": TWO }, { "table": "costs", "account": ONE, "shard_key": ONE },
    ]);
    assert_eq!(units["units"], wanted);
    house.costlake(&["run"]).exits(0);
    let plan = house.json(&["plan"]).exits(0).document();
    assert_eq!(plan["units"][0]["usd"], "0.01", "{plan}");
    assert_eq!(plan["units"][1]["expected_requests"], 1);
    let days = |account: &str| {
        let status = house.json(&["status", "--account", account]).document();
        status["tables"][0]["days"].as_array().expect("days").len()
    };
    assert!(days(TWO) < days(ONE), "an account may begin later");

    // An account that is taken from the list keeps its data, and is said to have no job.
    fs::write(&file, format!("[[accounts]]\nid = \"{ONE}\"\n")).expect("a file");
    house.costlake(&["status"]).exits(0).says("costs of 000033334444").says("without a job");
    assert!(house.lake().join(format!("costs/account={TWO}")).is_dir());
}

#[test]
fn shards_deal_out_every_unit_once_and_an_account_as_a_whole() {
    let (_sandbox, house) = open();
    let ids: Vec<String> = (0..40).map(|n| format!("{:012}", 100_000_000_000_u64 + n)).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    house.job("a", &listed(&ids));
    house.job("b", &listed(&ids));
    let mut seen = BTreeSet::new();
    for index in 0..4 {
        let units = house.json(&["units", "--shard", &format!("{index}/4")]).exits(0).document();
        let units = units["units"].as_array().expect("units").clone();
        let tables = |name: &str| {
            let of = units.iter().filter(|unit| unit["table"] == name).map(|unit| unit["account"].to_string());
            of.collect::<BTreeSet<_>>()
        };
        assert_eq!(tables("a"), tables("b"), "the tables of an account are in one shard");
        for unit in units {
            assert!(seen.insert(unit.to_string()), "{unit} is in two shards");
        }
    }
    assert_eq!(seen.len(), 80);
    let values = house.costlake(&["values", "aws_cost_and_usage.SERVICE", "--job", "a", "--yes"]);
    values.exits(0).says("Amazon");
    house.costlake(&["units", "--shard", "4/4"]).exits(2).says("I from 0 to N-1");
    house.costlake(&["run", "--account", "100000000041"]).exits(2).says("no job has an account");
}

#[test]
fn what_is_wrong_with_accounts_is_said_with_its_place() {
    let (_sandbox, house) = open();
    for (accounts, wanted) in [
        (
            "list = [{ id = \"222233334444\" }, { id = \"222233334444\" }]",
            "is account 222233334444 again, as accounts.list[0] is",
        ),
        ("list = [{ id = \"22223333444\" }]", "must be twelve digits in quotes, not \"22223333444\""),
        ("list = [{ id = 222233334444 }]", "must be text in quotes"),
        ("list = [{ name = \"emea\" }]", "is not a key of an account"),
        ("list = []", "has 0 accounts"),
        ("list = [\"222233334444\"]", "must be a list of accounts"),
        ("list = [{ id = \"222233334444\" }]\nrole_arn = \"arn:aws:iam::222233334444:role/costs\"", "must hold {id}"),
        (
            "list = [{ id = \"222233334444\" }]\nrole_arn = \"role/{id}\"",
            "must be as \"arn:aws:iam::{id}:role/costlake\"",
        ),
        (
            "list = [{ id = \"222233334444\", role_arn = \"costs\" }]",
            "must be as \"arn:aws:iam::222233334444:role/costlake\"",
        ),
        ("list = [{ id = \"222233334444\" }]\nfrom = \"accounts.toml\"", "keep one of the two"),
        ("from = \"nowhere.toml\"", "nowhere.toml cannot be read"),
        ("", "is missing: the file with the accounts"),
    ] {
        house.job("costs", &with_accounts(accounts));
        house.costlake(&["check"]).exits(2).says(wanted);
    }
    // A list in place of the section would be a table without accounts; a list and more is no file of accounts.
    house.job("costs", &format!("{DAILY}[[accounts]]\nid = \"{ONE}\"\n"));
    house.costlake(&["check"]).exits(2).says("accounts: must be a table: write [accounts]");
    house.job("costs", "[schedule]\ncron = \"0 6 * * *\"\n[[accounts]]\nid = \"222233334444\"\n");
    house.costlake(&["check"]).exits(2).says("source.type: is missing");
    for (key, wanted) in [
        ("profile = \"AKIATESTTESTTESTTEST\"", "looks like an access key"),
        ("external_id = \"a\\nb\"", "a control character"),
    ] {
        house.job("costs", &with_accounts(&format!("list = [{{ id = \"{ONE}\", {key} }}]")));
        house.costlake(&["check"]).exits(2).says(wanted);
    }
    fs::write(
        house.folder().join("jobs/accounts.toml"),
        "[[accounts]]\nid = \"222233334444\"\n[[accounts]]\nid = \"x\"\n",
    )
    .expect("a file");
    house.job("costs", &with_accounts("from = \"accounts.toml\""));
    house.costlake(&["check"]).exits(2).says("accounts.toml:4: accounts[1].id: must be twelve digits");
    let datadog = "[source]\ntype = \"datadog_ccm_config\"\n[accounts]\n";
    house.job("costs", &format!("{datadog}list = [{{ name = \"EMEA\" }}]\n"));
    house.costlake(&["check"]).exits(2).says("cannot name a folder of the table");
    house.job("costs", &format!("{datadog}list = [{{ name = \"emea\" }}]\n{ROLES}\n"));
    house.costlake(&["check"]).exits(2).says("means nothing at Datadog");
    house.job("costs", &format!("{datadog}list = [{{ name = \"emea\", api_key_file = \"a\" }}]\n"));
    house.costlake(&["check"]).exits(2).says("app_key_file").says("is missing");
    house.job("costs", &with_accounts(&format!("list = [{{ id = \"{ONE}\" }}]\n[aws]\naccount_id = \"{ONE}\"")));
    house.costlake(&["check"]).exits(2).says("name it in [accounts], for each account");
}

#[test]
fn a_table_does_not_get_accounts_later_nor_lose_them() {
    let (_sandbox, house) = open();
    house.job("costs", DAILY);
    house.costlake(&["run"]).exits(0);
    let before = house.objects();
    house.job("costs", &listed(&[ONE]));
    house.costlake(&["run"]).exits(2).says("no longer matches its table").says("accounts");
    assert_eq!(house.objects(), before);

    house.job("other", &listed(&[ONE]));
    house.costlake(&["run", "other"]).exits(0);
    house.job("other", DAILY);
    house.costlake(&["run", "other"]).exits(2).says("no longer matches its table");
}

#[test]
fn held_figures_are_accepted_for_named_accounts_alone() {
    let (_sandbox, house) = open();
    house.job("costs", &listed(&[ONE, TWO]));
    house
        .costlake(&["run", "--accept", "costs:2026-10"])
        .exits(2)
        .says("whose figures were looked at?")
        .says("--account");
    let done = house.json(&["run", "--accept", "costs:2026-10", "--account", TWO]);
    let jobs = jobs(done.exits(0));
    assert_eq!(jobs.len(), 1);
    assert!(jobs[0]["notes"].to_string().contains("2026-10"), "{done}");
}

#[test]
fn organisations_of_datadog_have_keys_of_their_own() {
    let (_sandbox, house) = open();
    for name in ["web", "emea"] {
        fs::write(house.folder().join(format!("jobs/{name}.api")), format!("sandbox-{name}\n")).expect("a key");
        fs::write(house.folder().join(format!("jobs/{name}.app")), "app\n").expect("a key");
    }
    let of =
        |name: &str| format!("{{ name = \"{name}\", api_key_file = \"{name}.api\", app_key_file = \"{name}.app\" }}");
    let text = |list: &str| format!("[source]\ntype = \"datadog_budgets\"\n[accounts]\nlist = [{list}]\n");
    house.job("budgets", &text(&format!("{}, {}", of("web"), of("emea"))));
    house.costlake(&["run"]).exits(0);
    let bytes = |name: &str| {
        fs::read(house.lake().join(format!("budgets/account={name}/billing_period=2026-11/data.parquet")))
            .expect("an object")
    };
    assert_ne!(bytes("web"), bytes("emea"));
    let sums = || house.costlake(&["show", "budgets", "--by", "account", "--metric", "rows", "--output", "csv"]).stdout;
    let before = sums();
    fs::remove_file(house.lake().join("budgets/account=web/billing_period=2026-11/data.parquet")).expect("an object");
    house.costlake(&["rebuild", "budgets"]).exits(0);
    assert_eq!(sums(), before, "made again from the stored answers of its organisation");
    house.costlake(&["verify", "--full"]).exits(0).says("budgets of web");
    house.job("budgets", &text(&of("web").replace(" }", ", site = \"datadoghq.eu\" }")));
    house.costlake(&["run"]).exits(2).says("datadog_site changed from datadoghq.com to datadoghq.eu");
    fs::remove_file(house.folder().join("jobs/web.api")).expect("a key");
    house.job("budgets", &text(&of("web")));
    house
        .costlake(&["run"])
        .exits(3)
        .says("cannot read the file that api_key_file of the account names")
        .says("web.api");
}

/// The report of the unit of an account.
fn of_account(done: &crate::support::done::Done, account: &str) -> Value {
    jobs(done).into_iter().find(|job| job["account"] == account).expect("a unit")
}

#[test]
fn a_unit_that_another_worker_holds_is_skipped_until_its_run_has_ended() {
    let (sandbox, house) = open();
    house.job("costs", &listed(&[ONE, TWO]));
    house.costlake(&["run", "--lease", "2h"]).exits(0);
    let first = sandbox.requests().cost_explorer;
    let state = house.lake().join(format!("_costlake/costs/account={ONE}"));
    assert!(state.join("lease/00000000000000000001.json").exists());
    let runs = state.join("runs/2026-11-10");
    let aside = house.folder().join("aside");
    // Without its record, the run that took the lease has not ended.
    fs::rename(&runs, &aside).expect("records");
    let done = house.json(&["run", "--lease", "2h"]);
    let detail = house.costlake(&["run", "--lease", "2h", "--exit-detail"]);
    let line = detail.exits(0).stdout.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
    let retry: Vec<Value> =
        line.expect("a line")["units"].as_array().expect("units").iter().map(|unit| unit["retry"].clone()).collect();
    assert_eq!(
        retry.iter().filter(|retry| *retry == "later").count(),
        1,
        "the one that another worker holds: {retry:?}"
    );
    let held = of_account(&done, ONE);
    assert!(held["notes"].to_string().contains("of another worker has held it since"), "{done}");
    assert_eq!((&held["asked"]["requests"], &held["exit_code"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(sandbox.requests().cost_explorer, first + 2, "the other unit is run, each time");
    assert!(!runs.exists(), "a run that skips leaves no record");
    fs::rename(&aside, &runs).expect("records");
    house.costlake(&["run", "--lease", "2h"]).exits(0);
    assert!(state.join("lease/00000000000000000002.json").exists());
    // A run that ended after this worker began, and was well, has done the work.
    let asked = sandbox.requests().cost_explorer;
    let later = SystemTime::now() + Duration::from_secs(600);
    for record in fs::read_dir(&runs).expect("records").map(|record| record.expect("a record").path()) {
        fs::File::options().write(true).open(record).expect("a record").set_modified(later).expect("a time");
    }
    let done = house.json(&["run", "--lease", "2h"]);
    assert!(of_account(&done, ONE)["notes"].to_string().contains("of another worker has just done it"), "{done}");
    assert_eq!(sandbox.requests().cost_explorer, asked + 1, "the other unit is run");
    // Without the flag nobody looks at leases.
    house.costlake(&["run"]).exits(0);
    assert!(!state.join("lease/00000000000000000003.json").exists());
}

/// The unit's only lease, and when it was taken.
fn lease_of(house: &Lakehouse, table: &str) -> Option<SystemTime> {
    let lease = format!("_costlake/{table}/account={ONE}/lease/00000000000000000001.json");
    fs::metadata(house.lake().join(lease)).and_then(|lease| lease.modified()).ok()
}

#[test]
fn all_units_of_an_account_are_taken_before_the_first_is_run() {
    let (_sandbox, house) = open();
    house.job("costs", &listed(&[ONE]));
    house.job("costs_too", &listed(&[ONE]));
    house.costlake(&["run", "--lease", "2h"]).exits(0);
    let record = fs::metadata(house.lake().join("_costlake/costs/table.json")).expect("a record");
    let (first, second) = (lease_of(&house, "costs"), lease_of(&house, "costs_too"));
    assert!(first.is_some() && second.is_some());
    assert!(second <= record.modified().ok(), "the second table was taken after the first had begun");
}

#[test]
fn a_unit_that_was_taken_and_not_begun_is_given_back_at_a_signal() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut house = Lakehouse::new(&format!("http://{}", silent.local_addr().expect("an address")), NOW);
    house.set("AWS_ENDPOINT_URL_STS", &format!("http://{}", silent.local_addr().expect("an address")));
    house.job("costs", &listed(&[ONE]));
    house.job("costs_too", &listed(&[ONE]));
    let mut child = house.begin(&["run", "--lease", "2h", "--exit-detail"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    while lease_of(&house, "costs_too").is_none() {
        assert!(Instant::now() < deadline, "both tables are taken");
        thread::sleep(Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let signalled = Instant::now();
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(signalled.elapsed() < Duration::from_secs(20), "it waited for AWS STS: {:?}", signalled.elapsed());
    assert!(lease_of(&house, "costs").is_some(), "the run that had begun has its record instead");
    assert!(lease_of(&house, "costs_too").is_none(), "nobody is to wait for a run that never began");
}

#[test]
fn a_process_spends_no_more_than_it_may_and_says_what_to_run_again() {
    let (sandbox, house) = open();
    let denied = format!(
        "list = [{{ id = \"{ONE}\" }}, {{ id = \"{TWO}\" }}, {{ id = \"444455556666\", role_arn = \"arn:aws:iam::444455556666:role/costlake-denied\" }}]\n{ROLES}"
    );
    house.job("costs", &with_accounts(&denied));
    let done = house.costlake(&["run", "--max-usd", "0.02", "--exit-detail"]);
    done.exits(3).says("--max-usd");
    assert!(sandbox.requests().cost_explorer <= 2, "{:?}", sandbox.requests());
    let last: Value = serde_json::from_str(done.stdout.trim_end().lines().last().expect("a line")).expect("JSON");
    let retry = |account: &str| {
        let units = last["units"].as_array().expect("units");
        units.iter().find(|unit| unit["account"] == account).expect("a unit")["retry"].clone()
    };
    assert_eq!(retry("444455556666"), "no", "{last}");
    assert!([retry(ONE), retry(TWO)].contains(&"later".into()), "{last}");
    assert_eq!(last["exit_code"], 3);
    let done = house.costlake(&["run", "--account", ONE, "--exit-detail"]);
    let last: Value =
        serde_json::from_str(done.exits(0).stdout.trim_end().lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["units"], serde_json::json!([{ "table": "costs", "account": ONE, "exit_code": 0, "retry": "no" }]));
}

/// The method and the place of a request of a unit, without what is different each time.
fn said(asked: &Asked) -> String {
    let (path, query) = asked.path.split_once('?').unwrap_or((&asked.path, ""));
    let prefix = query.split('&').find_map(|pair| pair.strip_prefix("prefix="));
    let place = prefix.map_or_else(|| path.to_owned(), |prefix| prefix.replace("%2F", "/").replace("%3D", "="));
    let below = place
        .replace("%3D", "=")
        .rsplit("account=000033334444")
        .next()
        .unwrap_or_default()
        .trim_matches('/')
        .to_owned();
    let first = below.split('/').next().unwrap_or_default().to_owned();
    format!("{} {first}", if prefix.is_some() { "LIST" } else { &asked.method })
}

#[test]
fn a_night_with_nothing_due_asks_eight_things_of_the_store_for_an_account() {
    let (_sandbox, mut house) = open();
    let store = bucket();
    house.set("AWS_ENDPOINT_URL_S3", store.url());
    house.job("costs", &listed(&[ONE, TWO]));
    let run = ["run", "--lake", "s3://bucket/lake"];
    house.costlake(&run).exits(0);
    store.take_asked();
    house.costlake(&run).exits(0);
    let asked = store.take_asked();
    let of_unit: Vec<String> = asked.iter().filter(|asked| asked.path.contains(TWO)).map(said).collect();
    let wanted =
        ["LIST ledger", "GET ledger", "LIST runs", "LIST ", "PUT runs", "PUT ledger", "LIST ledger", "PUT runs"];
    assert_eq!(of_unit, wanted);
    let records = asked.iter().filter(|asked| asked.path.ends_with("table.json")).count();
    assert!(records <= 2, "the record of the table is read once, or by two units at the same moment: {records}");
}
