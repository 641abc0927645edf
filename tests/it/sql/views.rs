//! Views: which table has which, what their text must not contain, and the copies in `sql/` for users to read and
//! reuse. `COSTLAKE_BLESS=1` rewrites the copies.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use costlake::job::{Job, load_all, parse};
use costlake::sql::Dialect;
use costlake::sql::views::{Subject, View, api_spend, changed_since, views};

use super::hand_made;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(super) fn job(name: &str, source: &str) -> Job {
    let text = format!("[source]\n{source}\n[window]\nbegin = \"2026-11-01\"\n");
    parse(Path::new(&format!("{name}.toml")), &text).expect("a sound job")
}

pub(super) fn cost(name: &str, rest: &str) -> Job {
    job(name, &format!("type = \"aws_cost_and_usage\"\n{rest}"))
}

pub(super) fn of(dialect: Dialect, jobs: &[Job]) -> Vec<View> {
    let subjects: Vec<Subject<'_>> = jobs.iter().map(|job| Subject { job, account: None }).collect();
    views(dialect, &subjects)
}

pub(super) fn names(views: &[View]) -> Vec<&str> {
    views.iter().map(|view| view.name.as_str()).collect()
}

/// All views of the shipped jobs, by file.
fn shipped() -> BTreeMap<PathBuf, String> {
    let (jobs, broken) = load_all(&root().join("jobs")).expect("jobs");
    assert!(broken.is_empty());
    let mut files: BTreeMap<PathBuf, String> = BTreeMap::new();
    for dialect in Dialect::ALL {
        let more = (dialect == Dialect::Duckdb).then(changed_since);
        for view in of(dialect, &jobs).into_iter().chain(api_spend(dialect)).chain(more) {
            let text = files.entry(PathBuf::from(dialect.name()).join(format!("{}.sql", view.kind))).or_default();
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&view.statement);
            text.push('\n');
        }
    }
    files
}

#[test]
fn the_copies_are_what_the_program_prints() {
    let (folder, now) = (root().join("sql"), shipped());
    if std::env::var_os("COSTLAKE_BLESS").is_some() {
        for (file, text) in &now {
            std::fs::create_dir_all(folder.join(file).parent().expect("a folder")).expect("a folder");
            std::fs::write(folder.join(file), text).expect("a written file");
        }
    }
    for (file, text) in &now {
        let known = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        assert_eq!(*text, known, "{}: look at the difference; COSTLAKE_BLESS=1 takes it", file.display());
    }
    let mut there = BTreeSet::new();
    for dialect in std::fs::read_dir(&folder).expect("a folder") {
        for file in std::fs::read_dir(dialect.expect("an entry").path()).expect("a folder") {
            let path = file.expect("an entry").path();
            there.insert(path.strip_prefix(&folder).expect("below").to_owned());
        }
    }
    assert_eq!(there, now.keys().cloned().collect(), "files that belong to no view");
}

#[test]
fn a_table_has_the_views_it_has_columns_for() {
    let daily = r#"granularity = "DAILY""#;
    let by = r#"group_by = [{ dimension = "SERVICE" }, { tag = "team" }]"#;
    let has = |job: Job| -> Vec<String> {
        let table = job.unit.table.clone();
        let all = of(Dialect::Trino, &[job]);
        names(&all).into_iter().filter_map(|name| name.strip_prefix(&format!("{table}_"))).map(str::to_owned).collect()
    };
    let all = format!("{daily}\nmetrics = [\"UnblendedCost\", \"AmortizedCost\"]\n{by}");
    assert_eq!(has(cost("all", &all)), ["by_month", "movers", "unallocated", "amortized", "focus_1_2"]);
    let usage = format!("{daily}\nmetrics = [\"UsageQuantity\"]\n{by}");
    assert_eq!(has(cost("usage", &usage)), Vec::<String>::new());
    let totals = format!("{daily}\nmetrics = [\"NetAmortizedCost\"]");
    assert_eq!(has(cost("totals", &totals)), ["by_month"]);
    let monthly = format!("granularity = \"MONTHLY\"\nmetrics = [\"UnblendedCost\"]\n{by}");
    assert_eq!(has(cost("monthly", &monthly)), ["by_month", "unallocated", "focus_1_2"]);
    let savings = "type = \"datadog_savings\"\nqueries = [{ provider = \"aws\", product = \"ec2\" }]";
    assert_eq!(has(job("savings", savings)), Vec::<String>::new());
    assert_eq!(has(job("config", "type = \"datadog_ccm_config\"")), Vec::<String>::new());
}

#[test]
fn commitments_meet_every_table_of_savings() {
    let savings = "type = \"datadog_savings\"\nqueries = [{ provider = \"aws\", product = \"ec2\" }]";
    let commitments = "type = \"datadog_commitments\"\nqueries = [{ provider = \"aws\", product = \"ec2\", commitment_type = \"ri\" }]";
    let jobs = [job("a", savings), job("b", savings), job("c", commitments)];
    let all = of(Dialect::Duckdb, &jobs);
    assert_eq!(names(&all), ["c_expiring", "c_and_a", "c_and_b", "costlake_tables"]);
}

#[test]
fn only_tables_of_one_account_and_filter_are_compared() {
    let totals = "granularity = \"DAILY\"\nmetrics = [\"UnblendedCost\", \"BlendedCost\"]";
    let services = format!("{totals}\ngroup_by = [{{ dimension = \"SERVICE\" }}]");
    let filter = r#"{ Dimensions = { Key = "RECORD_TYPE", Values = ["Usage"] } }"#;
    let filtered = format!("{totals}\nfilter = {filter}");
    let monthly = totals.replace("DAILY", "MONTHLY");
    let jobs =
        [cost("totals", totals), cost("services", &services), cost("filtered", &filtered), cost("monthly", &monthly)];
    let compared = |accounts: [Option<&str>; 4]| {
        let subjects = jobs.iter().zip(accounts);
        let subjects: Vec<Subject<'_>> =
            subjects.map(|(job, account)| Subject { job, account: account.map(str::to_owned) }).collect();
        views(Dialect::Duckdb, &subjects).into_iter().find(|view| view.kind == "agreement").map(|view| view.statement)
    };
    let same = compared([None; 4]).expect("a view");
    assert!(same.contains("'totals, services' AS tables") && !same.contains("filtered") && !same.contains("monthly"));
    assert_eq!(same.matches("AS metric").count(), 2, "a part for every metric that both have");
    let known = compared([Some("000000000001"), Some("000000000001"), None, None]).expect("a view");
    assert!(known.contains("'000000000001' AS account"), "{known}");
    assert_eq!(compared([Some("000000000001"), Some("000000000002"), None, None]), None);
    assert_eq!(compared([Some("000000000001"), None, None, None]), None, "whether it is the same account is not known");
}

#[test]
fn a_table_never_loses_its_name_to_a_view() {
    let services = "granularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]\ngroup_by = [{ dimension = \"SERVICE\" }]";
    let jobs = [cost("a", services), cost("a_by_month", services), cost("costlake_tables", services)];
    let all = of(Dialect::Spark, &jobs);
    let left_out: Vec<&str> = all
        .iter()
        .filter(|view| view.statement.ends_with("is left out: the name is taken"))
        .map(|view| view.name.as_str())
        .collect();
    assert_eq!(left_out, ["a_by_month", "costlake_tables"]);
    let made = all.iter().filter(|view| view.statement.contains("CREATE")).count();
    assert_eq!(made, all.len() - 2);
}

#[test]
fn every_hole_is_filled_and_comments_stay_comments() {
    let tags =
        "metrics = [\"UnblendedCost\", \"AmortizedCost\"]\ngroup_by = [{ tag = \"it's; a {table} -- if grouped\" }]";
    let jobs = [
        cost("daily", &format!("granularity = \"DAILY\"\n{tags}")),
        cost("monthly", &format!("granularity = \"MONTHLY\"\n{tags}")),
        cost(
            "hourly",
            &format!(
                "granularity = \"HOURLY\"\n{tags}\nfilter = {{ Tags = {{ Key = \"a'b\", Values = [\"{{view}}\"] }} }}"
            ),
        ),
        cost("totals", "granularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]"),
        cost("again", "granularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]"),
        hand_made::models(),
        hand_made::savings(),
        hand_made::told(),
        hand_made::budgets(),
        job("forecast", "type = \"aws_cost_forecast\""),
        job("plans", "type = \"aws_savings_plans_utilization\""),
        job("plans_coverage", "type = \"aws_savings_plans_coverage\""),
        job("reservations", "type = \"aws_reservation_utilization\"\nservices = [\"Amazon ElastiCache\"]"),
        job("coverage", "type = \"aws_reservation_coverage\"\nservices = [\"Amazon ElastiCache\"]"),
    ];
    for dialect in Dialect::ALL {
        for view in of(dialect, &jobs).into_iter().chain(api_spend(dialect)) {
            let text = view.statement.replace(r#"["{view}"]"#, "");
            let filters = text.matches("AS filter").count()
                + text.matches("AS \"filter\"").count()
                + text.matches("AS `filter`").count();
            assert!(filters > 0 || !text.contains(['{', '}']), "{text}");
            assert!(!text.contains("-- if "), "{text}");
            for line in text.lines().filter(|line| line.trim_start().starts_with("--")) {
                // SQL command lines split a script at semicolons, some of them even inside comments.
                assert!(!line.contains([';', '\'', '"', '`']), "{line}");
            }
            assert!(text.ends_with(';') && text.matches(';').count() == 1, "{text}");
        }
    }
}
