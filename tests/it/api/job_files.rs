//! Malformed job files: every problem of every file is reported at once, with file, key and the expected value.

use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

/// File name, text in the good job, its replacement, expected messages.
type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "unknown_key",
        "refresh =",
        "refesh =",
        &["window.refesh: is not a key of a job file (did you mean `window.refresh`?)"],
    ),
    (
        "unknown_section",
        "[window]",
        "[windows]",
        &[":7: windows: is not a section of a job file (did you mean `[window]`?)", ".toml: window.begin: is missing"],
    ),
    (
        "unknown_sections",
        "[limits]",
        "[[limit]]",
        &["limit: is not a section of a job file (did you mean `[limits]`?)"],
    ),
    (
        "key_without_section",
        "[source]",
        "begin = \"2026-11-01\"\n[source]",
        &[":2: begin: is not a key", "`window.begin`"],
    ),
    (
        "wrong_types",
        "\"billing-close\"",
        "7\nsettle_day = \"x\"\ninclude_today = 1",
        &[
            "window.refresh: must be text in quotes, not 7",
            "window.settle_day: must be a whole number from 1 to 28, not \"x\"",
            "window.include_today: must be true or false, not 1",
        ],
    ),
    (
        "section_is_text",
        "[source]",
        "schedule = \"daily\"\n[source]",
        &["schedule: must be a table: write [schedule] on a line of its own"],
    ),
    (
        "six_fields",
        "[limits]",
        "[schedule]\ncron = \"0 30 6 * * *\"\n[limits]",
        &[
            "schedule.cron: \"0 30 6 * * *\" is not a five-field cron expression: it has six fields, and costlake takes five",
        ],
    ),
    (
        "never_fires",
        "[limits]",
        "[schedule]\ncron = \"0 0 31 2 *\"\n[limits]",
        &["schedule.cron: \"0 0 31 2 *\" never fires"],
    ),
    (
        "timezone",
        "[limits]",
        "[schedule]\ntimezone = \"Europe/Berln\"\n[limits]",
        &["schedule.timezone: unknown time zone `Europe/Berln` (did you mean `Europe/Berlin`?)"],
    ),
    (
        "metrics_unknown",
        "[\"UnblendedCost\"]",
        "[\"UnblendedCosts\", \"BlendedCost\", \"BlendedCost\"]",
        &[
            "source.metrics: unknown metric `UnblendedCosts` (did you mean `UnblendedCost`?)",
            "source.metrics: names `BlendedCost` twice",
        ],
    ),
    ("metrics_empty", "[\"UnblendedCost\"]", "[]", &["source.metrics: must name at least one metric"]),
    ("metrics_missing", "metrics = [\"UnblendedCost\"]", "", &["source.metrics: is missing"]),
    (
        "three_groupings",
        "[{ dimension = \"SERVICE\" }]",
        "[{ dimension = \"A\" }, { dimension = \"B\" }, { tag = \"c\" }]",
        &["source.group_by: has more than two groupings"],
    ),
    (
        "same_slug",
        "[{ dimension = \"SERVICE\" }]",
        "[{ tag = \"Cost Center\" }, { tag = \"cost-center\" }]",
        &["source.group_by: both groupings would fill the column `tag_cost_center`"],
    ),
    (
        "taken",
        "[{ dimension = \"SERVICE\" }]",
        "[{ dimension = \"LINKED_ACCOUNT\" }, { dimension = \"LINKED_ACCOUNT_NAME\" }]",
        &[
            "source.group_by[1].dimension: \"LINKED_ACCOUNT_NAME\" would fill the column `linked_account_name`",
            "group by LINKED_ACCOUNT, which brings the name along",
        ],
    ),
    (
        "taken_by_the_lake",
        "\"SERVICE\"",
        "\"BILLING_PERIOD\"",
        &["would fill the column `billing_period`", "leave this grouping out"],
    ),
    (
        "grouping_kind",
        "dimension =",
        "dimensions =",
        &["source.group_by[0]: must be one of", "did you mean `dimension`?"],
    ),
    ("grouping_case", "\"SERVICE\"", "\"Service\"", &["is not a dimension: they are written in capitals"]),
    (
        "filter",
        "[window]",
        "filter = { And = [{ Dimension = { Key = \"SERVICE\", Values = [\"x\"] } }] }\n[window]",
        &["source.filter.And: must be a list of two or more"],
    ),
    (
        "filter_roots",
        "[window]",
        "filter = { Tags = { Key = \"a\" }, Not = {} }\n[window]",
        &["source.filter: must hold exactly one of"],
    ),
    ("no_begin", "begin = \"2026-11-01\"", "", &["window.begin: is missing"]),
    ("bad_begin", "\"2026-11-01\"", "\"2026-11-31\"", &["window.begin: must be a UTC day"]),
    (
        "bad_refresh",
        "\"billing-close\"",
        "\"weekly\"",
        &["window.refresh: must be \"probe\", \"billing-close\" or \"N days\""],
    ),
    ("no_type", "type = \"aws_cost_and_usage\"", "", &["source.type: is missing"]),
    (
        "bad_type",
        "aws_cost_and_usage",
        "aws_cost_usage",
        &["source.type: unknown source `aws_cost_usage` (did you mean `aws_cost_and_usage`?); available: aws_"],
    ),
    (
        "literal_key",
        "[limits]",
        "[aws]\nprofile = \"AKIAIOSFODNN7EXAMPLE\"\n[limits]",
        &["aws.profile: looks like an access key"],
    ),
    (
        "account",
        "[limits]",
        "[aws]\naccount_id = \"123\"\nexternal_id = \"x\"\n[limits]",
        &["aws.account_id: must be twelve digits", "aws.external_id: means nothing without aws.role_arn"],
    ),
    (
        "queries_for_aws",
        "[window]",
        "queries = []\n[window]",
        &["source.queries: only applies to datadog_commitments, datadog_savings"],
    ),
    ("not_toml", "[window]", "[window", &["is not valid TOML"]),
    ("Upper-Case", "", "", &["the file name `Upper-Case` cannot name a table", "; call it upper_case.toml"]),
    ("1-2", "", "", &["the file name `1-2` cannot name a table: it takes a-z first, then a-z, 0-9 and _, 63 at most"]),
    (
        "zone_by_letters",
        "[limits]",
        "[schedule]\ntimezone = \"IST\"\n[limits]",
        &["unknown time zone `IST`: abbreviations are ambiguous; write a region and a city, such as Asia/Kolkata"],
    ),
    (
        "grouping_as_text",
        "[{ dimension = \"SERVICE\" }]",
        "[\"SERVICE\"]",
        &[":6: source.group_by[0]: must look like { dimension = \"SERVICE\" }, not \"SERVICE\""],
    ),
    (
        "grouping_alone",
        "[{ dimension = \"SERVICE\" }]",
        "\"service\"",
        &["source.group_by: must be a list, [{ dimension = \"SERVICE\" }], not \"service\""],
    ),
    (
        "dimension_slip",
        "\"SERVICE\"",
        "\"SERVICES\"",
        &["source.group_by[0].dimension: unknown dimension \"SERVICES\" (did you mean `SERVICE`?)"],
    ),
    (
        "filter_slip",
        "[window]",
        "filter = { Dimensions = { Key = \"REGIN\", Values = [\"x\"] } }\n[window]",
        &["source.filter.Dimensions.Key: unknown dimension \"REGIN\" (did you mean `REGION`?)"],
    ),
    ("days_in_short", "\"billing-close\"", "\"7d\"", &["or \"N days\", not \"7d\": write \"7 days\""]),
    (
        "days_in_short_elsewhere",
        "[limits]",
        "[lake]\nkeep_history_for = \"2 weeks\"\n[limits]",
        &["lake.keep_history_for: must be \"N days\", not \"2 weeks\": write \"14 days\""],
    ),
];

const DATADOG: &[(&str, &str, &[&str])] = &[
    (
        "no_queries",
        "[source]\ntype = \"datadog_savings\"\n[window]\nbegin = \"2026-11-01\"\n",
        &["source.queries: is missing"],
    ),
    (
        "control_for_datadog",
        "[source]\ntype = \"datadog_savings\"\nqueries = [{ provider = \"aws\", product = \"ec2\" }]\n\
         [window]\nbegin = \"2026-11-01\"\ncontrol = \"report\"\nrefresh = \"probe\"\n",
        &[
            "window.control: only applies to aws_cost_and_usage; remove it from this job of datadog_savings",
            "window.refresh: \"probe\" needs",
        ],
    ),
    (
        "query_keys",
        "[source]\ntype = \"datadog_commitments\"\nqueries = [{ provider = \"aws\", prodcut = \"ec2\" }, 3]\n\
         [window]\nbegin = \"2026-11-01\"\n",
        &[
            "source.queries[0].prodcut: is not a key of a query (did you mean `product`?)",
            "source.queries[0].product: is missing",
            "source.queries[0].commitment_type: is missing",
            "source.queries[1]: must look like { … }, not 3",
        ],
    ),
];

#[test]
fn every_problem_of_every_file_is_told_at_once() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    for (name, from, to, _) in CASES {
        assert!(DAILY.contains(from), "{name} changes nothing");
        house.job(name, &DAILY.replacen(from, to, 1));
    }
    for (name, text, _) in DATADOG {
        house.job(name, text);
    }
    house.job("good", DAILY);
    let done = house.costlake(&["check"]);
    done.exits(2);
    let wanted = CASES.iter().map(|(name, _, _, words)| (name, words));
    for (name, words) in wanted.chain(DATADOG.iter().map(|(name, _, words)| (name, words))) {
        let lines: Vec<&str> = done.stderr.lines().filter(|line| line.contains(&format!("/{name}.toml:"))).collect();
        for words in *words {
            assert!(lines.iter().any(|line| line.contains(words)), "{name} does not say `{words}`: {lines:#?}");
        }
    }
    done.says("good").hides("AKIAIOSFODNN7EXAMPLE");
    let document = house.json(&["check"]).exits(2).document();
    assert_eq!(document["broken"].as_array().map(Vec::len), Some(CASES.len() + DATADOG.len()));
    assert_eq!(document["jobs"].as_array().map(Vec::len), Some(1));
    assert!(!house.lake().exists());
}

#[test]
fn a_good_file_shows_what_will_be() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    house.job(
        "good",
        &DAILY.replace("[limits]", "[schedule]\ncron = \"30 6 * * *\"\ntimezone = \"Asia/Tokyo\"\n[limits]"),
    );
    let done = house.json(&["check", "good"]);
    let job = done.exits(0).document()["jobs"][0].clone();
    assert_eq!(job["next_firings"][0], "2026-11-04 06:30 JST", "{done}");
    let columns = ["usage_date", "estimated", "service", "unblended_cost", "currency"];
    assert_eq!(job["columns"], serde_json::json!(columns), "{done}");
    house.costlake(&["check"]).exits(0).says("1 job OK");
}

#[test]
fn an_unknown_dimension_is_a_warning() {
    let api = Script::new();
    let house = Lakehouse::new(api.url(), NOW);
    let filter = "filter = { Dimensions = { Key = \"WEATHER\", Values = [\"wet\"] } }\n[window]";
    house.job("odd", &DAILY.replace("\"SERVICE\"", "\"SHOE_SIZE\"").replace("[window]", filter));
    let grouping = "source.group_by[0].dimension: \"SHOE_SIZE\" is no dimension that is known; the API may refuse it";
    let filtered = "source.filter.Dimensions.Key: \"WEATHER\" is no dimension that is known; the API may refuse it";
    house.costlake(&["check"]).exits(0).says(grouping).says(filtered).says("1 job OK");
    let document = house.json(&["check"]).exits(0).document();
    let warnings = document["jobs"][0]["warnings"].as_array().expect("warnings").clone();
    assert_eq!(warnings.len(), 2, "{document}");
    assert_eq!(warnings[0]["key"], "source.group_by[0].dimension");
    house.costlake(&["plan"]).exits(0).says(grouping).says(filtered);
    let mut page = two_days();
    page["GroupDefinitions"][0]["Key"] = "SHOE_SIZE".into();
    api.then([Reply::good(&page)]);
    house.costlake(&["run"]).exits(0).says(&format!("note: {grouping}"));
}

/// A pipe that nobody writes to holds whoever reads it for ever.
#[test]
fn a_job_that_is_named_needs_no_other_file() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    house.job("bill", DAILY);
    let pipe = house.folder().join("jobs/other.toml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for command in ["plan", "status", "units"] {
        house.costlake(&[command, "bill"]).exits(0);
    }
    std::fs::remove_file(&pipe).expect("a removal");
    house.costlake(&["plan", "bil"]).exits(2).says("bill");
}
