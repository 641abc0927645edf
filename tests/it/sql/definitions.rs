//! Table definitions against golden files that were reviewed by hand and are parsed by the engines' grammars in the
//! checks against real peers. `COSTLAKE_BLESS=1` rewrites the files.

use std::path::{Path, PathBuf};

use costlake::job::{Job, parse};
use costlake::sql::Dialect;
use costlake::sql::ddl::{Place, table};

/// Every text in it tries to break out of its quotes.
const HOSTILE: &str = r#"
description = "it's \"quoted\" `ticked` \\ ; -- DROP TABLE costs; /* */ ${partition}\nand goes on"
[source]
type = "aws_cost_and_usage"
granularity = "DAILY"
metrics = ["UnblendedCost", "UsageQuantity"]
group_by = [{ tag = "Bob's `team\"; --" }, { dimension = "LINKED_ACCOUNT" }]
filter = { Tags = { Key = "a'b\\", Values = ["');--"] } }
[window]
begin = "2025-11-05"
"#;

const HOURLY: &str = r#"
[source]
type = "aws_cost_and_usage"
granularity = "HOURLY"
metrics = ["UnblendedCost"]
group_by = [{ dimension = "SERVICE" }]
[window]
begin = "2026-11-05"
"#;

const COMMITMENTS: &str = r#"
[source]
type = "datadog_commitments"
queries = [{ provider = "aws", product = "ec2", commitment_type = "ri" }]
[window]
begin = "2025-11-01"
"#;

fn job(name: &str, text: &str) -> Job {
    parse(Path::new(&format!("{name}.toml")), text).expect("a sound job")
}

fn place(job: &Job, lake: &str, has_objects: bool) -> Place {
    let begin = job.window.begin.expect("a first day");
    let first_partition = job.source.grain().partition_of(begin).to_string();
    Place { lake: lake.to_owned(), first_partition, has_objects, http: None }
}

fn definitions(dialect: Dialect) -> String {
    let jobs = [job("hostile", HOSTILE), job("hourly", HOURLY), job("commitments", COMMITMENTS)];
    let mut statements = Vec::new();
    for (job, has_objects) in jobs.iter().zip([true, true, false]) {
        let lake = match dialect {
            Dialect::Duckdb => "/lakes/it's \"here\"",
            Dialect::Clickhouse => "s3://bucket/it's/$here",
            Dialect::Athena | Dialect::Spark | Dialect::Trino => "s3://bucket/it's/${here}",
        };
        statements.push(table(dialect, job, &place(job, lake, has_objects)).expect("a definition"));
    }
    statements.join("\n\n") + "\n"
}

#[test]
fn definitions_are_what_was_looked_at() {
    for dialect in Dialect::ALL {
        let file =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/sql/golden/{}.sql", dialect.name()));
        let now = definitions(dialect);
        if std::env::var_os("COSTLAKE_BLESS").is_some() {
            std::fs::write(&file, &now).expect("a written file");
        }
        let known = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(now, known, "{}: look at the difference; COSTLAKE_BLESS=1 takes it", dialect.name());
    }
}

#[test]
fn athena_is_refused_for_a_folder() {
    let job = job("hourly", HOURLY);
    let error = table(Dialect::Athena, &job, &place(&job, "/lake", true)).expect_err("no bucket");
    assert!(error.report().contains("--lake s3://"), "{}", error.report());
}

#[test]
fn a_path_that_an_engine_would_take_for_a_pattern_is_refused() {
    let job = job("hourly", HOURLY);
    for (dialect, path) in [
        (Dialect::Clickhouse, "/a*b"),
        (Dialect::Clickhouse, "/a?b"),
        (Dialect::Clickhouse, "/{a,b}"),
        (Dialect::Clickhouse, "/a.zip :: b"),
        (Dialect::Duckdb, "/a\\b"),
    ] {
        let error = table(dialect, &job, &place(&job, path, true)).expect_err("a pattern");
        assert!(error.report().contains("cannot read a path with"), "{}", error.report());
        assert!(table(Dialect::Spark, &job, &place(&job, path, true)).is_ok(), "{path}");
    }
}
