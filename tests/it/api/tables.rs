//! What `connect` and `ddl` print the tables from: job files, the lake, or one of them alone.

use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const NOW: &str = "2026-11-10T06:00:00Z";

const COSTS: &str = r#"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }, { tag = "team" }]
filter = { Not = { Dimensions = { Key = "RECORD_TYPE", Values = ["Credit"] } } }
[window]
begin = "2026-10-20"
[limits]
requests_per_second = 1000
"#;

const CONFIG: &str = "[source]\ntype = \"datadog_ccm_config\"\n[limits]\nrequests_per_second = 1000\n";

/// A lake of two tables.
fn filled() -> (SandboxServer, Lakehouse) {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    house.job("costs", COSTS);
    house.job("config", CONFIG);
    house.costlake(&["run"]).exits(0);
    (sandbox, house)
}

const SCRIPTS: [&[&str]; 5] = [
    &["connect"],
    &["ddl", "--dialect", "duckdb"],
    &["ddl", "--dialect", "spark"],
    &["ddl", "--dialect", "trino"],
    &["ddl", "--dialect", "clickhouse"],
];

#[test]
fn without_job_files_the_lake_says_what_its_tables_are() {
    let (_sandbox, house) = filled();
    for arguments in SCRIPTS {
        let with = house.costlake(arguments).exits(0).stdout.clone();
        let nowhere = [arguments, &["--jobs", "nowhere"]].concat();
        let without = house.costlake(&nowhere).exits(0).stdout.clone();
        // Trino's projection begins with the job's first day, which no record has: here the oldest partition is the same.
        assert_eq!(with, without, "{arguments:?}");
    }
    let chosen = house.costlake(&["ddl", "--dialect", "trino", "--jobs", "nowhere", "--no-views", "c*g"]);
    chosen.exits(0).says("TABLE IF NOT EXISTS \"config\"").hides("\"costs\"");
    house
        .costlake(&["ddl", "--dialect", "trino", "--jobs", "nowhere", "cost"])
        .exits(2)
        .says("there is no job `cost` (did you mean `costs`?)");
}

#[test]
fn a_table_that_gained_a_metric_has_it_without_job_files_too() {
    let (_sandbox, house) = filled();
    house.job("costs", &COSTS.replace("\"UnblendedCost\"", "\"UnblendedCost\", \"NetUnblendedCost\""));
    house.costlake(&["run"]).exits(0);
    let script = house.costlake(&["ddl", "--dialect", "trino", "--jobs", "nowhere", "--no-views"]);
    script.exits(0).says("\"net_unblended_cost\" decimal(38,12)");
    assert_eq!(house.costlake(&["ddl", "--dialect", "trino", "--no-views"]).stdout, script.stdout);
}

#[test]
fn with_neither_there_is_an_error_that_names_both() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    for arguments in [&["connect"][..], &["ddl", "--dialect", "duckdb"]] {
        let nowhere = [arguments, &["--jobs", "nowhere"]].concat();
        house.costlake(&nowhere).exits(2).says("cannot read the folder of jobs").says("which has no table");
        house.costlake(arguments).exits(2).says("there are no job files").says("which has no table");
        let bucket = [arguments, &["--lake", "s3://bills/x"]].concat();
        house.costlake(&bucket).exits(1).says("cannot list the bucket").says("there are no job files");
    }
}

/// A house whose bucket nobody answers for.
fn unreachable() -> Lakehouse {
    let mut house = Lakehouse::new("", NOW);
    house.set("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9");
    house.set("COSTLAKE_LAKE", "s3://bills/x");
    house.job("costs", COSTS);
    house
}

#[test]
fn job_files_are_enough_where_the_bucket_cannot_be_read() {
    let house = unreachable();
    let athena = house.costlake(&["ddl", "--dialect", "athena"]);
    athena.exits(0).says("LOCATION 's3://bills/x/costs/'").says("2026-10,NOW").says("VIEW \"costs_by_month\"");
    athena.says("-- The lake could not be read when this was printed").says("the lake could not be read: ");
    let catalog = house.json(&["ddl", "--dialect", "athena"]).exits(0).document();
    assert_eq!((&catalog["lake"], &catalog["tables"][0]["name"]), (&"s3://bills/x".into(), &"costs".into()));
    assert_eq!(catalog["tables"][0]["location"], "s3://bills/x/costs/");
    house.json(&["ddl", "--dialect", "spark"]).exits(2).says("--output json is for --dialect athena alone");
    let click = house.costlake(&["ddl", "--dialect", "clickhouse"]);
    click.exits(0).says("FROM s3('http://127.0.0.1:9/bills/x/costs/*/data.parquet', 'Parquet'");
    let connect = house.costlake(&["connect"]);
    connect.exits(0).says("read_parquet('s3://bills/x/costs/*/data.parquet'").says("CREATE OR REPLACE SECRET");
    connect.says("-- Kept generations are not looked for");
    for script in [&athena.stdout, &connect.stdout] {
        let told = script.lines().find(|line| line.contains("could not be read")).expect("a comment");
        assert!(told.starts_with("--") && !told.contains([';', '\'']), "{told}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_told_and_the_other_tables_are_printed() {
    let (_sandbox, house) = filled();
    let record = house.lake().join("_costlake/costs/table.json");
    std::fs::write(record, "{").expect("a file");
    for arguments in [&["ddl", "--dialect", "duckdb"][..], &["ddl", "--dialect", "duckdb", "--jobs", "nowhere"]] {
        house
            .costlake(arguments)
            .exits(2)
            .says("record cannot be read")
            .says("VIEW \"config\"")
            .hides("VIEW \"costs\"");
    }
}

#[test]
fn connect_writes_its_script_to_a_file() {
    let (_sandbox, house) = filled();
    let file = house.folder().join("lake.sql");
    let path = file.display().to_string();
    let done = house.costlake(&["connect", "--out", &path]);
    assert_eq!(done.exits(0).stdout, "");
    let written = std::fs::read_to_string(&file).expect("UTF-8");
    assert_eq!(written, house.costlake(&["connect"]).stdout);
    house.costlake(&["connect", "-o", "/no/such/folder/lake.sql"]).exits(2).says("cannot write the script");
}
