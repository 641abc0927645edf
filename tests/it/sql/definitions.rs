//! Table definitions against golden files that were reviewed by hand and are parsed by the engines' grammars in the
//! checks against real peers. `COSTLAKE_BLESS=1` rewrites the files.

use std::path::{Path, PathBuf};

use costlake::job::{Job, parse};
use costlake::sql::Dialect;
use costlake::sql::ddl::{Place, glue, table};

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

fn looked_at(name: &str, now: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/sql/golden/{name}.sql"));
    if std::env::var_os("COSTLAKE_BLESS").is_some() {
        std::fs::write(&file, now).expect("a written file");
    }
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(now, known, "{name}: look at the difference; COSTLAKE_BLESS=1 takes it");
}

#[test]
fn definitions_are_what_was_looked_at() {
    for dialect in Dialect::ALL {
        looked_at(dialect.name(), &definitions(dialect));
    }
}

/// A job with this many accounts; the first ids begin with zeros.
fn with_accounts(name: &str, count: usize) -> Job {
    let ids: Vec<String> = (0..count).map(|id| format!("{{ id = \"{:012}\" }}", id * 7_000_000_001)).collect();
    job(
        name,
        &format!("{HOURLY}[accounts]\nlist = [{}]\nrole_arn = \"arn:aws:iam::{{id}}:role/costs\"\n", ids.join(", ")),
    )
}

#[test]
fn definitions_with_accounts_are_what_was_looked_at() {
    let jobs = [with_accounts("two", 2), with_accounts("many", 101), with_accounts("empty", 1)];
    for dialect in Dialect::ALL {
        let one = |(job, has_objects)| table(dialect, job, &place(job, "s3://bucket/lake", has_objects));
        let statements: Vec<String> =
            jobs.iter().zip([true, true, false]).map(|each| one(each).expect("a definition")).collect();
        looked_at(&format!("{}_accounts", dialect.name()), &(statements.join("\n\n") + "\n"));
    }
}

#[test]
fn an_account_is_a_text_with_all_its_zeros_in_every_engine() {
    let (few, many) = (with_accounts("two", 100), with_accounts("many", 101));
    for (dialect, wanted) in [
        (Dialect::Athena, "PARTITIONED BY (`account` string, `usage_date` string)"),
        (Dialect::Clickhouse, "  `account` Nullable(String) COMMENT"),
        (Dialect::Duckdb, "AS \"account\", split_part("),
        (Dialect::Spark, "  `account` string COMMENT"),
        (Dialect::Trino, "  \"account\" varchar WITH ("),
    ] {
        let of = |job: &Job| table(dialect, job, &place(job, "s3://bucket/lake", true)).expect("a definition");
        assert!(of(&few).contains(wanted), "{}", of(&few));
        if matches!(dialect, Dialect::Athena | Dialect::Trino) {
            assert!(of(&few).contains("000000000000") && of(&few).starts_with("CREATE"), "{}", of(&few));
            assert!(of(&many).to_lowercase().contains("'injected'"), "{}", of(&many));
            assert!(!of(&many).contains("000000000000") && of(&many).starts_with("-- The accounts"), "{}", of(&many));
        }
    }
}

#[test]
fn the_glue_catalog_gets_what_the_statement_says() {
    let jobs = [job("hostile", HOSTILE), job("hourly", HOURLY), with_accounts("two", 2), with_accounts("many", 101)];
    for job in &jobs {
        let place = place(job, "s3://bucket/it's/${here}", true);
        let (found, statement) =
            (glue(job, &place).expect("a table"), table(Dialect::Athena, job, &place).expect("a table"));
        let text = |value: &serde_json::Value| value.as_str().expect("a text").to_owned();
        let quoted = |value: &serde_json::Value| Dialect::Athena.literal(&text(value));
        let list = |name: &str| found[name].as_array().expect("a list").clone();
        let columns: Vec<String> = list("columns")
            .iter()
            .map(|of| format!("  `{}` {} COMMENT {}", text(&of["name"]), text(&of["type"]), quoted(&of["comment"])))
            .collect();
        let keys: Vec<String> =
            list("partition_keys").iter().map(|of| format!("`{}` {}", text(&of["name"]), text(&of["type"]))).collect();
        let mut parameters: Vec<String> = found["parameters"]
            .as_object()
            .expect("parameters")
            .iter()
            .map(|(name, value)| format!("  {} = {}", Dialect::Athena.literal(name), quoted(value)))
            .collect();
        let (head, tail) = statement.split_once("TBLPROPERTIES (\n").expect("properties");
        let head = &head[head.find("CREATE").expect("a statement")..];
        assert_eq!(
            head,
            format!(
                "CREATE EXTERNAL TABLE IF NOT EXISTS `{}` (\n{}\n)\nCOMMENT {}\nPARTITIONED BY ({})\nSTORED AS PARQUET\n\
                 LOCATION {}\n",
                text(&found["name"]),
                columns.join(",\n"),
                quoted(&found["comment"]),
                keys.join(", "),
                quoted(&found["location"]),
            )
        );
        let mut said: Vec<String> = tail.trim_end_matches("\n);").split(",\n").map(str::to_owned).collect();
        parameters.sort();
        said.sort();
        assert_eq!(parameters, said);
    }
}

#[test]
fn athena_is_refused_for_a_folder() {
    let job = job("hourly", HOURLY);
    let error = glue(&job, &place(&job, "/lake", true)).expect_err("no bucket");
    assert!(error.report().contains("--lake s3://"), "{}", error.report());
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
