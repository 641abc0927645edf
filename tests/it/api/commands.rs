//! The commands as users and scripts see them: exit codes, JSON documents, and what each command must not change.

use serde_json::{Value, json};

use crate::support::lake::column;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const NOW: &str = "2026-11-10T06:00:00Z";

const COSTS: &str = r#"
description = "what it's for"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-10-20"
refresh = "2 days"
[schedule]
cron = "30 6 * * *"
[limits]
requests_per_second = 1000
"#;

const CONFIG: &str = "[source]\ntype = \"datadog_ccm_config\"\n[limits]\nrequests_per_second = 1000\n";

fn open() -> (SandboxServer, Lakehouse) {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    house.job("costs", COSTS);
    (sandbox, house)
}

fn days_of(house: &Lakehouse) -> Vec<String> {
    let rows = house.rows("costs");
    let mut days: Vec<String> = column(&rows, "usage_date").into_iter().map(str::to_owned).collect();
    days.dedup();
    days
}

const BACKFILL: [&str; 2] = ["backfill", "costs"];

fn backfill<'a>(from: &'a str, to: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&BACKFILL[..], &["--from", from, "--to", to], more].concat()
}

#[test]
fn a_plan_asks_nothing_and_writes_nothing() {
    let (sandbox, house) = open();
    house.job("config", CONFIG);
    let before = sandbox.requests();
    let done = house.json(&["plan"]);
    let jobs = done.exits(0).document()["jobs"].clone();
    assert_eq!(jobs[1]["fetches"][0]["windows"], json!([{ "start": "2026-10-20", "end": "2026-11-01" }]));
    assert_eq!(jobs[1]["fetches"][1]["days"], 9);
    assert_eq!(jobs[1]["expected_requests"], 22, "a page a day, and the totals");
    assert_eq!((&jobs[1]["totals_requests"], &jobs[0]["totals_requests"]), (&json!(1), &json!(0)));
    assert_eq!((&jobs[1]["expected_usd"], &jobs[0]["expected_usd"]), (&json!("0.22"), &json!("0.00")));
    house
        .costlake(&["plan"])
        .exits(0)
        .says("0.22 USD. No request was sent.")
        .says("at most ")
        .says("21 days, 2026-10-20..2026-11-09; totals to check them against")
        .hides("change probe");
    house.costlake(&["plan", "costs"]).exits(0).says("2026-10-20..2026-10-31").says("page size unknown");
    house.json(&["plan", "costs", "--from", "2026-11-01", "--to", "2026-11-02"]).exits(0);
    house.json(&backfill("2026-11", "yesterday", &["--dry-run"])).exits(0);
    assert_eq!(sandbox.requests(), before, "a plan asked something");
    assert!(!house.lake().exists(), "a plan wrote something");
}

#[test]
fn ranges_end_yesterday_unless_they_say_otherwise() {
    let (_sandbox, house) = open();
    let windows = |arguments: &[&str]| {
        let plan = house.json(&[&["plan", "costs"], arguments].concat()).exits(0).document();
        plan["jobs"][0]["fetches"][0]["windows"].clone()
    };
    let wanted = json!([{ "start": "2026-11-03", "end": "2026-11-10" }]);
    assert_eq!(windows(&["--since", "7d"]), wanted);
    assert_eq!(windows(&["--from", "-7d"]), wanted);
    assert_eq!(windows(&["--from", "2026-11-03", "--to", "yesterday"]), wanted);
    house.costlake(&["backfill", "costs", "--since", "7d", "--dry-run"]).exits(0).says("2026-11-03..2026-11-09");
    house.costlake(&["backfill", "costs"]).exits(2).says("which days?");
    house.costlake(&["plan", "costs", "--since", "soon"]).exits(2).says("flag --since");
    assert_eq!(house.json(&["run", "--dry-run"]).stdout, house.json(&["plan"]).stdout);
    assert!(!house.lake().exists(), "a dry run wrote something");
}

#[test]
fn jobs_are_named_by_name_pattern_or_file() {
    let (_sandbox, house) = open();
    house.job("config", CONFIG);
    house.job("other", CONFIG);
    let jobs = |given: &[&str]| {
        let document = house.json(&[&["check"], given].concat()).exits(0).document();
        let names = document["jobs"].as_array().expect("jobs").iter().map(|job| job["job"].to_string());
        names.collect::<Vec<_>>().join(" ").replace('"', "")
    };
    assert_eq!(jobs(&["co*"]), "config costs");
    assert_eq!(jobs(&["jobs/costs.toml", "oth?r"]), "costs other");
    assert_eq!(jobs(&["costs.toml"]), "costs");
    house.costlake(&["check", "aws_*"]).exits(2).says("no job is like `aws_*`");
    house.costlake(&["check", "cost.toml"]).exits(2).says("did you mean `costs`?");
    house.costlake(&["check", "elsewhere/costs.toml"]).exits(2).says("is not in the folder of jobs");
}

#[test]
fn no_flag_that_lifts_a_safeguard_is_advised() {
    let (_sandbox, house) = open();
    for typo in ["--single-writers", "--since", "--allow-https", "--accept-clocks"] {
        house.costlake(&["run", typo]).exits(2).hides("a similar argument exists");
    }
    house.costlake(&["run", "--quite"]).exits(2).says("a similar argument exists: '--quiet'");
}

#[test]
fn a_plan_learns_from_runs() {
    let (_sandbox, house) = open();
    let run = house.run_well();
    let plan = house.json(&["plan", "costs", "--from", "2026-10-20", "--to", "2026-11-09"]).exits(0).document();
    assert_eq!(plan["jobs"][0]["pages_learnt_from_earlier_runs"], true);
    let (expected, pages) = (plan["jobs"][0]["expected_requests"].as_u64(), run["asked"]["pages"].as_u64());
    assert!(expected >= pages && expected <= pages.map(|pages| pages + 2), "21 days took {pages:?} pages: {plan}");
    let due = house.json(&["plan"]).exits(0).document();
    assert_eq!(due["jobs"][0]["fetches"][0]["days"], 2, "only the refreshed days are due: {due}");
}

#[test]
fn a_backfill_reads_its_range_again() {
    let (sandbox, house) = open();
    house.json(&backfill("2026-10-25", "2026-10-27", &[])).exits(0);
    assert_eq!(days_of(&house), ["2026-10-25", "2026-10-26", "2026-10-27"]);
    let before = (house.objects(), sandbox.requests());
    let again = house.json(&backfill("2026-10-25", "2026-10-27", &["--yes"]));
    assert_eq!(again.exits(0).report()["fetches"][0]["outcome"], "unchanged", "{again}");
    assert_eq!(
        sandbox.requests().cost_explorer,
        before.1.cost_explorer + 2,
        "a backfill asks for every day again, and their totals"
    );
    assert_eq!(house.objects(), before.0);
}

#[test]
fn missing_asks_only_for_days_never_read() {
    let (sandbox, house) = open();
    house.json(&backfill("2026-10-25", "2026-10-27", &[])).exits(0);
    let before = sandbox.requests().cost_explorer;
    let none = house.json(&backfill("2026-10-25", "2026-10-27", &["--missing"]));
    assert_eq!(none.exits(0).report()["fetches"], json!([]), "{none}");
    assert_eq!(sandbox.requests().cost_explorer, before);
    let plan = house.json(&backfill("2026-10-26", "2026-10-29", &["--missing", "--dry-run"]));
    assert_eq!(plan.exits(0).document()["jobs"][0]["fetches"][0]["windows"], {
        json!([{ "start": "2026-10-28", "end": "2026-10-30" }])
    });
    house.json(&backfill("2026-10-26", "2026-10-29", &["--missing"])).exits(0);
    assert_eq!(days_of(&house).len(), 5);
    house.run_well();
    assert_eq!(days_of(&house).len(), 21, "the nightly run fills the rest");
}

#[test]
fn ranges_that_cannot_be_asked_are_refused() {
    let (sandbox, house) = open();
    house.job("config", CONFIG);
    let monthly = COSTS.replace("DAILY", "MONTHLY").replace("2026-10-20", "2026-10-01");
    house.job("months", &monthly);
    for (arguments, words) in [
        (backfill("2026-11-05", "2026-11-04", &[]), "the range from 2026-11-05 to 2026-11-04 is empty"),
        (backfill("2026-10-19", "2026-10-21", &[]), "before the table's begin 2026-10-20"),
        (backfill("2026-11-05", "2026-12-01", &[]), "nothing can be asked past the end of this month"),
        (backfill("2026-11-12", "2026-11-13", &[]), "has not begun yet"),
        (backfill("2026-02-30", "2026-11-01", &[]), "2026-02-30"),
        (vec!["backfill", "config", "--from", "2026-11-01", "--to", "2026-11-02"], "no history to backfill"),
        (vec!["backfill", "months", "--from", "2026-11-02", "--to", "2026-11-09"], "not whole months"),
        (vec!["backfill", "cost", "--from", "2026-11-01", "--to", "2026-11-02"], "did you mean `costs`?"),
    ] {
        let done = house.json(&arguments);
        done.exits(2).says(words).document();
    }
    assert_eq!((sandbox.requests().cost_explorer, house.objects().len()), (0, 0));
}

#[test]
fn status_shows_every_day_and_checks_for_gaps() {
    let (_sandbox, mut house) = open();
    house.json(&["status", "--check"]).exits(6).says("the lake lake does not exist yet").says("`costlake run`");
    house.costlake(&["status"]).exits(0).says("does not exist yet").hides("missing");
    house.json(&["status"]).exits(0);
    for output in ["text", "csv", "json"] {
        let done = house.costlake(&["show", "costs", "--output", output]);
        done.exits(2).says("the lake lake does not exist yet: check --lake");
    }
    house.run_well();
    let status = house.json(&["status", "--check"]).exits(0).document();
    let days = status["tables"][0]["days"].as_array().expect("days").clone();
    assert_eq!((days.len(), &days[0]["day"], &days[20]["day"]), (21, &json!("2026-10-20"), &json!("2026-11-09")));
    assert!(days.iter().all(|day| day["state"] == "estimated" && day["rows"].as_u64() > Some(0)), "{status}");
    house.costlake(&["status"]).exits(0).says("2026-10").says("estimated 21");
    house.set("COSTLAKE_NOW", "2026-11-12T06:00:00Z");
    house.costlake(&["status", "--check"]).exits(6).says("2026-11-10 missing, 2026-11-11 missing");
    house.set("COSTLAKE_NOW", "2026-11-20T06:00:00Z");
    let later = house.json(&["status"]).exits(0).document();
    assert_eq!(later["tables"][0]["days"][30]["state"], "missing", "{later}");
}

#[test]
fn connect_prints_a_view_per_job() {
    let (_sandbox, house) = open();
    house.job("config", CONFIG);
    house.json(&["run", "costs"]).exits(0);
    let script = house.costlake(&["connect"]);
    script.exits(0).says("CREATE OR REPLACE VIEW \"costs\" AS").says("CREATE OR REPLACE VIEW \"config\" AS");
    script
        .says(&format!("read_parquet('{}/costs/*/data.parquet'", house.lake().display()))
        .says("'what it''s for. One row per");
    script.says("CAST(NULL AS varchar) AS \"billing_period\" WHERE false;").says("VIEW \"costs_by_month\" AS");
    script.says("VIEW \"costlake_api_spend\" AS").says("MACRO costlake_changed_since(since)");
    script.hides("test-secret").hides("test-api-key");
}

#[test]
fn ddl_prints_tables_and_unless_told_otherwise_views() {
    let (_sandbox, house) = open();
    house.json(&["run", "costs"]).exits(0);
    let script = house.costlake(&["ddl", "--dialect", "spark"]);
    script
        .exits(0)
        .says("VIEW `costs` (")
        .says("VIEW `costs_by_month` AS")
        .says("USING json")
        .says("`costlake_tables`");
    let tables = house.costlake(&["ddl", "--dialect", "spark", "--no-views", "costs"]);
    tables.exits(0).says("VIEW `costs` (").hides("_by_month").hides("costlake_");
}

#[test]
fn documents_are_json_and_tell_the_clock() {
    let (_sandbox, house) = open();
    let broken = "[source]\ntype = \"aws_cost_and_usage\"\n";
    for arguments in [&["check"][..], &["plan"], &["run"], &["status"], &["run", "nobody"], &["status", "--check"]] {
        house.json(arguments).document();
    }
    house.job("broken", broken);
    for arguments in [&["check"][..], &["plan"], &["run"], &["status"]] {
        let done = house.json(arguments);
        let document = done.exits(2).document();
        assert_eq!(document["clock"], json!({ "now": NOW, "fixed_by_costlake_now": true }), "{done}");
        assert_eq!(document["broken"].as_array().map(Vec::len), Some(1), "{done}");
        done.says("clock: fixed to 2026-11-10T06:00:00Z by COSTLAKE_NOW");
    }
    let run: Value = house.json(&["run", "costs"]).exits(0).report();
    assert_eq!((&run["command"], &run["clock_is_fixed"]), (&json!("run"), &json!(true)));
}

#[test]
fn a_broken_job_file_does_not_stop_the_others() {
    let (_sandbox, house) = open();
    house.job("broken", "[source]\ntype = \"aws_cost_and_usage\"\n");
    house.costlake(&["run"]).exits(2).says("broken.toml: window.begin: is missing");
    assert_eq!(days_of(&house).len(), 21, "the good job ran");
}

#[test]
fn wrong_usage_is_exit_2() {
    let (sandbox, house) = open();
    for arguments in [
        &["run", "nobody"][..],
        &["run", "--frequently"],
        &["fly"],
        &[],
        &["backfill", "costs"],
        &["backfill", "--from", "2026-11-01", "--to", "2026-11-02"],
        &["plan", "--to", "2026-11-01"],
        &["--output", "yaml", "run"],
        &["--jobs", "nowhere", "run"],
        &["--lake", "ftp://bucket/lake", "run"],
    ] {
        let done = house.costlake(arguments);
        done.exits(2);
        assert!(done.stdout.is_empty() && !done.stderr.is_empty(), "errors go to stderr: {done}");
    }
    house.costlake(&["run", "cost"]).exits(2).says("there is no job `cost` (did you mean `costs`?)");
    assert_eq!(sandbox.requests().cost_explorer, 0);
}

#[test]
fn a_range_given_to_run_is_told_whose_it_is() {
    let (_sandbox, house) = open();
    for flags in [&["--from", "2026-03"][..], &["--since=7d"], &["--to", "yesterday"], &["--missing"]] {
        let done = house.costlake(&[&["run", "costs"], flags].concat());
        done.exits(2).says("a range is read again with backfill: costlake backfill JOB --from").hides("-- --");
    }
    house.costlake(&["status", "--from", "2026-03"]).exits(2).hides("backfill");
}

#[test]
fn a_table_that_begins_later_is_not_called_up_to_date() {
    let (_sandbox, house) = open();
    let begins = |day: &str| COSTS.replace("2026-10-20", day);
    for (first, is_late) in [("2027-03-01", true), ("2026-11-10", true), ("2026-11-09", false)] {
        house.job("costs", &begins(first));
        house.job("other", &begins("2026-11-09"));
        let note = format!("nothing is due yet: the table begins on {first} (window.begin)");
        for command in ["plan", "run", "status"] {
            for jobs in [&["costs"][..], &[]] {
                let done = house.costlake(&[&[command], jobs].concat());
                let told = done.exits(0).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
                assert_eq!(told.contains(&note), is_late, "{first}: {done}");
                let in_a_cell = told.contains(&format!("begins on {first}")) && !told.contains("costs up to date");
                assert_eq!(in_a_cell, is_late, "{first}: {done}");
            }
        }
        let document = house.json(&["status"]).exits(0).document();
        assert_eq!(document["tables"][0]["notes"].to_string().contains(&note), is_late, "{document}");
        let report = &house.json(&["run", "costs"]).exits(0).report();
        assert_eq!(report["begins_on"] == first, is_late, "{report}");
    }
}

#[test]
fn a_clock_that_is_none_is_refused() {
    let (_sandbox, mut house) = open();
    house.set("COSTLAKE_NOW", "yesterday");
    house.costlake(&["run"]).exits(2).says("COSTLAKE_NOW");
}

#[test]
fn an_empty_folder_of_jobs_is_told() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    for arguments in [&["check"][..], &["run"], &["plan"], &["status"], &["connect"]] {
        house.costlake(arguments).exits(2).says("there are no job files");
    }
}

#[test]
fn help_and_completions_need_nothing() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    house.costlake(&["--help"]).exits(0).says("Exit codes: 0 done");
    house.costlake(&["--version"]).exits(0).says(env!("CARGO_PKG_VERSION"));
    house.costlake(&["completions", "bash"]).exits(0).says("_costlake()");
    assert!(!house.folder().join("lake").exists());
}

#[test]
fn quiet_says_only_what_went_wrong() {
    let (_sandbox, house) = open();
    let quiet = house.costlake(&["--quiet", "run"]);
    quiet.exits(0).hides("INFO").hides("WARN");
    let loud = house.costlake(&["run"]);
    loud.exits(0).says("INFO").says("unchanged");
    assert!(
        !loud.stdout.contains("INFO") && !loud.stdout.contains('\u{1b}'),
        "logs and colours are not results: {loud}"
    );
    house.costlake(&["--quiet", "run", "nobody"]).exits(2).says("there is no job `nobody`");
}

/// If it were treated as unset, the run would use another clock, another server or no key.
#[test]
fn a_variable_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let (sandbox, house) = open();
    let asked = sandbox.requests();
    for name in ["COSTLAKE_NOW", "COSTLAKE_DATADOG_URL", "COSTLAKE_LAKE", "DD_API_KEY", "AWS_REGION"] {
        let value = std::ffi::OsStr::from_bytes(b"secret\xff");
        let done = house.command(&["run"]).env(name, value).output().expect("an answer");
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(&format!("not UTF-8 text (variable {name})")) && !said.contains("secret"), "{said}");
    }
    assert_eq!(sandbox.requests(), asked);
    let other = house.command(&["check"]).env("LS_COLORS", std::ffi::OsStr::from_bytes(b"\xff")).output();
    assert_eq!(other.expect("an answer").status.code(), Some(0), "other programs' variables are theirs");
}

#[test]
fn a_plan_makes_the_checks_of_a_run() {
    let (sandbox, mut house) = open();
    house.run_well();
    let asked = sandbox.requests();
    let refused = |house: &Lakehouse, code: i32, words: &str| {
        for arguments in [
            &["plan"][..],
            &["check", "--online"],
            &["backfill", "costs", "--dry-run", "--from", "2026-11-01", "--to", "2026-11-02"],
        ] {
            house.json(arguments).exits(code).says(words);
        }
    };
    house.job("costs", &COSTS.replace("SERVICE", "REGION"));
    refused(&house, 2, "job `costs` no longer matches its table");
    house.job("costs", &format!("{COSTS}[budget]\nmax_usd_per_month = 0.01\n"));
    refused(&house, 4, "the runs of this month have spent");
    house.job("costs", COSTS);
    house.set("COSTLAKE_NOW", "2026-11-01T06:00:00Z");
    house.json(&["plan"]).exits(0).says("the table's newest run was at 2026-11-10T06:00:00Z");
    assert_eq!(sandbox.requests(), asked);
}
