//! The status page of a lake that the program filled from the sandbox.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use costlake::cents::Cents;
use costlake::decimal;
use costlake::error::Kind;
use costlake::job::{self, Job};
use costlake::lake::{Lake, LocalLake};
use costlake::ledger::{Ledger, Noted};
use costlake::ledger_store::LedgerStore;
use costlake::pipeline::Look;
use costlake::plan::{Ask, plan, range};
use costlake::report::{Failure, JobReport, Outcome, RequestStats};
use costlake::scheduler::progress::{PartitionProgress, Progress};
use costlake::web::chart_data::{self, Drawn, Figures, Stacked, Summary};
use costlake::web::page;
use costlake::web::view::{JobFacts, PageFacts, PlanFacts, Selected};

use crate::support::cost_explorer::DAILY;
use crate::support::lake::{files, sum};
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const NOW: &str = "2026-11-21T06:30:00Z";

fn now() -> DateTime<Utc> {
    NOW.parse().expect("an instant")
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a day")
}

fn lake_of(house: &Lakehouse) -> Arc<Lake> {
    Arc::new(Lake::Local(LocalLake::new(house.lake())))
}

async fn ledger_of(lake: &Arc<Lake>, job: &Job) -> Ledger {
    let (store, _) = LedgerStore::open(lake.clone(), &job.unit, job.source.grain(), now()).await.expect("store");
    store.ledger
}

fn runs_of(house: &Lakehouse, job: &Job) -> Vec<JobReport> {
    let kept = files(&house.lake().join("_costlake").join(&job.unit.table).join("runs"));
    let is_record = |path: &&std::path::PathBuf| !path.to_string_lossy().contains(".started");
    kept.iter()
        .rev()
        .filter(is_record)
        .map(|path| serde_json::from_slice(&fs::read(path).expect("a record")).expect("a report"))
        .collect()
}

async fn facts_of(house: &Lakehouse, job: Job) -> JobFacts {
    let lake = lake_of(house);
    let ledger = ledger_of(&lake, &job).await;
    let summary = chart_data::refresh(&lake, &job, &ledger, None).await.expect("a summary");
    JobFacts {
        next: job.schedule.as_ref().map(|schedule| schedule.next(now(), 5)).unwrap_or_default(),
        runs: Arc::new(runs_of(house, &job)),
        notes: Vec::new(),
        look: Look::default(),
        job: Arc::new(job),
        ledger: Arc::new(ledger),
        live: None,
        outlasted: None,
        file_error: None,
        lake_error: None,
        summary: Some(summary),
        usd_this_month: Cents(27),
    }
}

fn page_facts(jobs: Vec<JobFacts>) -> PageFacts {
    PageFacts {
        now: now(),
        clock_is_fixed: true,
        lake: "s3://harbor-billing/lake".to_owned(),
        jobs,
        beyond: None,
        broken: Vec::new(),
        actions: true,
        mark: String::new(),
        version: env!("CARGO_PKG_VERSION"),
    }
}

/// A daily table by service, fetched up to yesterday.
fn house_with_costs(begin: &str) -> (SandboxServer, Lakehouse, Job) {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    house.job(
        "costs",
        &DAILY.replace("begin = \"2026-11-01\"\nrefresh = \"billing-close\"", &format!("begin = \"{begin}\"")),
    );
    house.run_well();
    let (mut jobs, _) = job::load_all(&house.folder().join("jobs")).expect("jobs");
    (sandbox, house, jobs.remove(0))
}

fn stacked(summary: &Summary) -> &Stacked {
    match &summary.figures {
        Figures::Stacked(stacked) if stacked.len() == 1 => &stacked[0],
        other => panic!("no stack: {other:?}"),
    }
}

#[tokio::test]
async fn the_chart_shows_every_cent_of_the_table() {
    let (sandbox, house, job) = house_with_costs("2026-10-20");
    let facts = facts_of(&house, job).await;
    let figures = stacked(facts.summary.as_deref().expect("a summary"));
    let drawn: i128 = figures.days.values().flatten().sum();
    assert_eq!(drawn, sum(&house.rows("costs"), "unblended_cost"));
    let wanted = sandbox.total("DAILY", "2026-10-20", "2026-11-21", "UnblendedCost");
    assert!((drawn - wanted).abs() < decimal::parse("0.000001").expect("an amount"), "{drawn} {wanted}");
    assert_eq!((figures.days.len(), figures.unit.as_str()), (32, "USD"));
    let html =
        page::job(&page_facts(vec![facts.clone()]), &facts, &Selected::of_day(&facts, day("2026-11-03"))).into_string();
    assert_eq!(html.matches("class=\"hit\"").count(), 32);
    let cells = |class: &str| html.matches(&format!("class=\"c {class}\" href")).count();
    assert_eq!((cells("good"), cells("soft")), (12, 20), "October settled on the 15th");
}

#[tokio::test]
async fn a_chosen_metric_and_group_are_drawn_to_the_cent_and_units_are_never_added() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    let metrics = "metrics = [\"UnblendedCost\", \"AmortizedCost\", \"UsageQuantity\"]";
    let job = DAILY.replace("metrics = [\"UnblendedCost\"]", metrics);
    assert!(job.contains(metrics), "{job}");
    house.job("costs", &job);
    house.run_well();
    let (mut jobs, _) = job::load_all(&house.folder().join("jobs")).expect("jobs");
    let job = jobs.remove(0);
    let lake = lake_of(&house);
    let ledger = ledger_of(&lake, &job).await;
    let offered = chart_data::metrics(&job);
    assert_eq!(offered[0], "unblended_cost", "the usual one first: {offered:?}");
    let draw = async |metric: &str, group: Option<&str>| {
        let drawn = Drawn { metric: Some(metric.to_owned()), group: group.map(str::to_owned), ..Drawn::default() };
        let summary = chart_data::refresh_drawn(&lake, &job, &ledger, &drawn, None).await.expect("a summary");
        let Figures::Stacked(all) = &summary.figures else { panic!("{summary:?}") };
        all.clone()
    };
    let rows = house.rows("costs");
    let drawn = |of: &Stacked| of.days.values().flatten().sum::<i128>();
    let amortized = draw("amortized_cost", None).await;
    assert_eq!(drawn(&amortized[0]), sum(&rows, "amortized_cost"));
    let group = amortized[0].groups[1].id.clone().expect("a service");
    let of_group: Vec<_> = rows.iter().filter(|row| row["service"] == group).cloned().collect();
    let only = draw("amortized_cost", Some(&group)).await;
    assert_eq!((drawn(&only[0]), only[0].groups.len()), (sum(&of_group, "amortized_cost"), 1));
    let units = draw("usage_quantity", None).await;
    assert!(units.len() > 1, "{units:?}");
    for of in &units {
        let own =
            |row: &&BTreeMap<String, String>| row.get("usage_quantity_unit").map_or("", String::as_str) == of.unit;
        let of_unit: Vec<_> = rows.iter().filter(own).cloned().collect();
        assert_eq!(drawn(of), sum(&of_unit, "usage_quantity"), "{}", of.unit);
    }
}

#[tokio::test]
async fn only_objects_of_another_generation_are_read_again() {
    let (_sandbox, house, job) = house_with_costs("2026-10-20");
    let lake = lake_of(&house);
    let mut ledger = ledger_of(&lake, &job).await;
    let first = chart_data::refresh(&lake, &job, &ledger, None).await.expect("a summary");
    fs::write(house.lake().join("costs/billing_period=2026-10/data.parquet"), b"no parquet").expect("a file");
    let same = chart_data::refresh(&lake, &job, &ledger, Some(first.clone())).await.expect("a summary");
    assert!(Arc::ptr_eq(&first, &same), "nothing changed, nothing was read");
    ledger.partitions.get_mut("2026-11").expect("November").epoch += 1;
    let again = chart_data::refresh(&lake, &job, &ledger, Some(same)).await.expect("a summary");
    assert_eq!((&again.figures, again.notes.len()), (&first.figures, 0), "October was not read");
    ledger.partitions.get_mut("2026-10").expect("October").epoch += 1;
    let damaged = chart_data::refresh(&lake, &job, &ledger, Some(again)).await.expect("a summary");
    assert_eq!(stacked(&damaged).days.len(), 20, "November is shown all the same");
    assert!(damaged.notes[0].starts_with("2026-10: "), "{:?}", damaged.notes);
}

/// A Datadog job of a few days.
fn datadog_job(kind: &str, rest: &str) -> String {
    format!("[source]\ntype = \"{kind}\"\n{rest}\n[limits]\nrequests_per_second = 100\n")
}

#[tokio::test]
async fn savings_utilization_and_accounts_are_those_of_the_rows() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    let begin = "[window]\nbegin = \"2026-11-14\"";
    let queries = |kind: &str| format!("queries = [{{ provider = \"aws\", product = \"ec2\"{kind} }}]\n{begin}");
    house.job("a_savings", &datadog_job("datadog_savings", &queries("")));
    house.job("b_used", &datadog_job("datadog_commitments", &queries(", commitment_type = \"ri\"")));
    house.job("c_accounts", &datadog_job("datadog_ccm_config", ""));
    house.json(&["run"]).exits(0);
    let (jobs, _) = job::load_all(&house.folder().join("jobs")).expect("jobs");
    let mut found = Vec::new();
    for job in jobs {
        found.push(facts_of(&house, job).await.summary.expect("a summary"));
    }
    let number = |text: &String| text.parse::<f64>().expect("a number");
    let Figures::Savings(all) = &found[0].figures else { panic!("{:?}", found[0]) };
    let [savings] = &all[..] else { panic!("{all:?}") };
    let rows = house.rows("a_savings");
    assert_eq!(savings.days.len(), 7);
    for row in rows.iter().filter(|row| row["series"] == "total") {
        let of_day = savings.days[&day(&row["usage_date"])];
        assert_eq!(
            (of_day.actual, of_day.realized),
            (row.get("actual_cost").map(number), row.get("realized_savings").map(number))
        );
        let (rate, wanted) = (of_day.rate().expect("a rate"), number(&row["effective_savings_rate"]));
        assert!((rate - wanted).abs() < 1e-4, "{rate} {wanted}");
    }
    let Figures::Utilization(used) = &found[1].figures else { panic!("{:?}", found[1]) };
    assert_eq!((used.kinds.as_slice(), used.days.len()), (["aws ec2 ri".to_owned()].as_slice(), 7));
    for (day, ratios) in &used.days {
        let of_day: Vec<f64> = house
            .rows("b_used")
            .iter()
            .filter(|row| row["usage_date"] == day.to_string())
            .filter_map(|row| row.get("utilization").map(number))
            .collect();
        let mean = of_day.iter().sum::<f64>() / of_day.len() as f64;
        assert!((ratios[0].expect("a ratio") - mean).abs() < 1e-9, "{day}");
    }
    let accounts = stacked(&found[2]);
    let names: Vec<&str> = accounts.groups.iter().map(|band| band.name.as_str()).collect();
    assert_eq!(names, ["with an export", "without an export"]);
    let without = house.rows("c_accounts").iter().filter(|row| row["configured"] == "false").count() as i128;
    assert_eq!(accounts.days[&day("2026-11-21")][1], without * 1_000_000_000_000);
}

#[tokio::test]
async fn costs_and_shares_of_datadog_are_those_of_the_rows() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    let begin = "[window]\nbegin = \"2026-11-14\"";
    let queries = |kind: &str| format!("queries = [{{ provider = \"aws\", product = \"ec2\"{kind} }}]\n{begin}");
    let by_provider = format!("metric = \"all.cost\"\ngroup_by = [\"providername\"]\n{begin}");
    house.job("a_cost", &datadog_job("datadog_cost", &by_provider));
    house.job("b_used", &datadog_job("datadog_commitment_utilization", &queries(", commitment_type = \"sp\"")));
    house.job("c_covered", &datadog_job("datadog_commitment_coverage", &queries("")));
    house.json(&["run"]).exits(0);
    let (jobs, _) = job::load_all(&house.folder().join("jobs")).expect("jobs");
    let mut found = Vec::new();
    for job in jobs {
        found.push(facts_of(&house, job).await);
    }
    let summary = |index: usize| found[index].summary.as_deref().expect("a summary");
    let number = |row: &BTreeMap<String, String>, name: &str| row[name].parse::<f64>().expect("a number");
    let costs = stacked(summary(0));
    assert_eq!((costs.unit.as_str(), costs.grouping.as_deref()), ("dollar", Some("tag_providername")));
    for date in costs.days.keys() {
        let rows = house.rows("a_cost").into_iter().filter(|row| row["usage_date"] == date.to_string());
        let wanted: f64 = rows.map(|row| number(&row, "cost")).sum();
        let drawn = costs.total(*date).expect("a day") as f64 / 1e12;
        assert!((drawn - wanted).abs() < 1e-6, "{date}: {drawn} {wanted}");
    }
    for (index, table, column, counted) in
        [(1, "b_used", "value", &["used"][..]), (2, "c_covered", "cost", &["ri", "sp"])]
    {
        let Figures::Utilization(shares) = &summary(index).figures else { panic!("{:?}", summary(index)) };
        assert_eq!((shares.kinds.len(), shares.days.len()), (1, 7), "{shares:?}");
        for (date, ratios) in &shares.days {
            let rows: Vec<_> =
                house.rows(table).into_iter().filter(|row| row["usage_date"] == date.to_string()).collect();
            let sum = |is: &dyn Fn(&str) -> bool| -> f64 {
                rows.iter().filter(|row| is(&row["series"])).map(|row| number(row, column)).sum()
            };
            let wanted = sum(&|name| counted.contains(&name)) / sum(&|_| true);
            assert!((ratios[0].expect("a ratio") - wanted).abs() < 1e-9 && wanted > 0.0, "{table} {date}: {wanted}");
        }
    }
    let html = |index: usize| {
        page::job(&page_facts(found.clone()), &found[index], &Selected::usual(&found[index])).into_string()
    };
    assert!(html(0).contains("Cost by tag providername per day, USD"), "{}", html(0));
    assert!(html(1).contains("the used share of what was paid for") && html(2).contains("their share of the cost"));
}

/// A run in the middle of a backfill.
fn backfill() -> Progress {
    let mut live = Progress::begin("backfill", now());
    (live.fetches, live.expected_requests, live.fetches_done) = (Some(5), 41, 2);
    for (index, name) in ["2026-04", "2026-05", "2026-06", "2026-07"].into_iter().enumerate() {
        let index = index as u64;
        let pages = [9, 8, 5, 1][index as usize];
        let asked = RequestStats { requests: pages, pages, charged_pages: pages, ..RequestStats::default() };
        let outcome = [Some(Outcome::Committed), Some(Outcome::Unchanged), None, None][index as usize];
        let partition = PartitionProgress { expected_requests: 9, rows: pages * 1_000, asked, outcome };
        live.partitions.insert(name.to_owned(), partition);
    }
    live
}

/// A failed run.
fn failed(job: &Job) -> JobReport {
    let mut run = JobReport::begin(&job.unit, "20261121T061500Z-0a1b2c3d", "run", now(), false);
    let text = "Datadog answers 403 Forbidden\n  job: datadog_commitments\n  query: aws ec2 ri\n  what to do: give the \
                application key the permission cloud_cost_management_read";
    run.failure = Some(Failure { kind: Kind::Auth.into(), text: text.to_owned(), exit_code: 3 });
    run.duration_ms = 840;
    run.close();
    assert_eq!(run.exit_code, Kind::Auth.exit_code());
    run
}

fn write(folder: &Path, name: &str, html: &str) {
    let local =
        html.replace("href=\"/style.css\"", "href=\"style.css\"").replace("src=\"/live.js\"", "src=\"live.js\"");
    fs::write(folder.join(name), local).expect("a page");
}

/// Writes the pages of the shipped jobs to files for review: `cargo test --test it -- --ignored every_page`.
#[tokio::test]
#[ignore = "writes files for a person to look at"]
async fn every_page_of_the_shipped_jobs_is_written_for_people() {
    let folder: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("page");
    fs::create_dir_all(&folder).expect("a folder");
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    for path in files(Path::new("jobs")) {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a job");
        house.job(&name, &format!("{text}\n[limits]\nrequests_per_second = 100\n"));
    }
    house.json(&["run"]).exits(0);
    let (jobs, _) = job::load_all(&house.folder().join("jobs")).expect("jobs");
    let mut all = Vec::new();
    for job in jobs {
        all.push(facts_of(&house, job).await);
    }
    for facts in &mut all {
        match facts.job.unit.table.as_str() {
            "aws_cost_by_account" => facts.live = Some(backfill()),
            "datadog_commitments" => facts.runs = Arc::new([vec![failed(&facts.job)], facts.runs.to_vec()].concat()),
            "aws_cost_by_team" => {
                let mut ledger = (*facts.ledger).clone();
                for missing in ["2026-08-14", "2026-08-15", "2026-08-16"] {
                    ledger.partitions.get_mut("2026-08").expect("August").days.remove(&day(missing));
                }
                let why = "the rows add up to 10, the API's total is 12".to_owned();
                ledger.unsettled.insert(day("2026-11-12"), Noted { at: chrono::DateTime::UNIX_EPOCH, why });
                facts.ledger = Arc::new(ledger);
            }
            _ => {}
        }
    }
    let facts = page_facts(all);
    write(&folder, "overview.html", &page::overview(&facts, "").into_string());
    for job in &facts.jobs {
        let day = (job.job.unit.table == "aws_cost_by_service").then(|| day("2026-11-03"));
        let selected = Selected { day, ..Selected::usual(job) };
        write(&folder, &format!("{}.html", job.job.unit.table), &page::job(&facts, job, &selected).into_string());
    }
    let job = facts.jobs.iter().find(|job| job.job.unit.table == "aws_cost_by_service").expect("the job");
    let (from, to) = (day("2026-03-01"), day("2026-05-31"));
    let ask = Ask::Range { window: range(from, to).expect("a range"), missing_only: false };
    let plan = plan(&job.job, &job.ledger, now(), ask, None).expect("a plan");
    let price = job.job.entry.provider.price_of(plan.expected_requests());
    let plan = PlanFacts { from, to, missing: false, plan, price, notes: Vec::new() };
    write(&folder, "plan.html", &page::plan(&facts, job, &plan).into_string());
    write(&folder, "login.html", &page::login(true).into_string());
    write(&folder, "problem.html", &page::problem(404, "No such table", "There is no job `x`.").into_string());
    write(&folder, "style.css", page::STYLE);
    write(&folder, "live.js", page::SCRIPT);
}
