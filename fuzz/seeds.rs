//! The seeds of fuzzing: valid input for every target, written here or made by the product's writers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use chrono::DateTime;
use costlake::generation::{self, Footer, Owned};
use costlake::job::Identity;
use costlake::ledger::{Ledger, ObjectId};
use costlake::ledger_store::TableRecord;
use costlake::report::{FetchReport, JobReport, Outcome};
use costlake::request::Answer;

use super::targets::{COST, NEXT_ANSWER, window};

const COMMITMENTS: [&str; 3] = [
    include_str!("../src/sources/datadog_commitments/fixtures/ec2_ri.json"),
    include_str!("../src/sources/datadog_commitments/fixtures/aws_sp.json"),
    include_str!("../src/sources/datadog_commitments/fixtures/others.json"),
];
const SAVINGS: &str = include_str!("../src/sources/datadog_savings/fixtures/savings.json");
const ACCOUNTS: &str = include_str!("../src/sources/datadog_ccm_config/fixtures/accounts.json");
const CONFIG: &str = include_str!("../src/sources/datadog_ccm_config/fixtures/ccm_config.json");
const HOT_SPOTS: &str = include_str!("../src/sources/datadog_on_demand_hot_spots/fixtures/hot_spots.json");
const BY_TEAM: &str = include_str!("../src/sources/datadog_cost/fixtures/by_team.json");
const TOTAL: &str = include_str!("../src/sources/datadog_cost/fixtures/total.json");
const BUDGETS: &str = include_str!("../src/sources/datadog_budgets/fixtures/budgets.json");
const BUDGET: &str = include_str!("../src/sources/datadog_budgets/fixtures/budget.json");
const OPEN: &str = include_str!("../src/sources/datadog_cost_anomalies/fixtures/open.json");
const DISMISSED: &str = include_str!("../src/sources/datadog_cost_anomalies/fixtures/dismissed.json");
const CLOUD_ACCOUNTS: &str = include_str!("../src/sources/datadog_cloud_accounts/fixtures/cloud_accounts.json");
const CUR: &str = include_str!("../src/sources/datadog_cloud_accounts/fixtures/aws_cur_config.json");
const AZURE: &str = include_str!("../src/sources/datadog_cloud_accounts/fixtures/azure_uc_config.json");
const GCP: &str = include_str!("../src/sources/datadog_cloud_accounts/fixtures/gcp_uc_config.json");
const PAGES: [&str; 3] = [
    include_str!("../src/sources/aws_cost_and_usage/fixtures/by_tag_page_1.json"),
    include_str!("../src/sources/aws_cost_and_usage/fixtures/by_tag_page_2.json"),
    include_str!("../src/sources/aws_cost_and_usage/fixtures/monthly_totals.json"),
];

/// The seeds of a target; one without seeds is fuzzed from empty input.
pub(crate) fn of(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    let joined = |texts: &[&str]| vec![texts.join(&char::from(NEXT_ANSWER).to_string()).into_bytes()];
    match target {
        "cost_explorer_page" => [texts(&PAGES), page_seeds(), vec![totals_page()]].concat(),
        "cost_explorer_fetch" => page_seeds(),
        "cost_explorer_error" => texts(&[
            "ThrottlingException\nRate exceeded",
            "AccessDeniedException\nUser: arn:aws:iam::123456789012:user/x is not authorized",
            "ValidationException\n\u{1b}[31mStart date",
        ]),
        "datadog_commitments" => texts(&COMMITMENTS),
        "datadog_savings" => texts(&[SAVINGS]),
        "datadog_ccm_config" => {
            [joined(&[ACCOUNTS, CONFIG]), joined(&[ACCOUNTS, "4{\"errors\":[\"Not Found\"]}"])].concat()
        }
        "datadog_hot_spots" => texts(&[HOT_SPOTS]),
        "datadog_cost" => joined(&[BY_TEAM, TOTAL]),
        "datadog_budgets" => joined(&[BUDGETS, BUDGET]),
        "datadog_anomalies" => joined(&[OPEN, DISMISSED]),
        "datadog_cloud_accounts" => joined(&[CLOUD_ACCOUNTS, "{\"data\":[]}", CUR, AZURE, GCP]),
        "datadog_error" => texts(&[
            r#"{"errors":["a",{"title":"T","detail":"D","source":{"parameter":"p"}}]}"#,
            "<html><title>502 &amp; more</title><body>Bad <b>Gateway</b></body></html>",
            "2.5",
            "1795000005",
            "Sat, 21 Nov 2026 10:00:00 GMT",
        ]),
        "ledger" => vec![serde_json::to_vec(&known_ledger()).expect("JSON")],
        "records" => {
            let mut report = JobReport::begin(&"fuzzed".into(), "r", "run", DateTime::UNIX_EPOCH, true);
            report.fetches.push(FetchReport::begin("2026-11".to_owned(), Outcome::Unchanged));
            let table = TableRecord::of(&COST, &Identity::default());
            vec![serde_json::to_vec(&report).expect("JSON"), serde_json::to_vec(&table).expect("JSON")]
        }
        "footer" => {
            let built = object();
            // The last possible generation.
            let last = Footer { epoch: u64::MAX, days: BTreeMap::new(), ..built.footer.clone() };
            vec![
                built.bytes,
                serde_json::to_vec(&last).expect("JSON"),
                serde_json::to_vec(&built.footer).expect("JSON"),
            ]
        }
        "parquet" => vec![object().bytes],
        "job_file" => job_files(),
        "schedule" => texts(&["30 6 * * *\nEurope/Berlin", "*/15 1-3 L * MON#2\nAmerica/New_York", "0 0 29 2 5L\nUTC"]),
        "dates" => texts(&["2026-07-01", "2026-07", "yesterday", "-35d", "s3://bucket/a/b", "file:///lake"]),
        "decimal" => texts(&["-12.3450000000", "1.5E-7", "+99999999999999999999999999.999999999999", "0e0"]),
        "access" => texts(&[
            "/start\nhost: 127.0.0.1:8080\nauthorization: Bearer token\norigin: http://127.0.0.1:8080",
            "/login\nhost: [::1]:80\nsec-fetch-site: same-origin\ncookie: costlake_session=0; a=b",
        ]),
        "kept_raw" => texts(&[
            r#"{"format":1,"fingerprint":"f","windows":[{"start":"2026-11-19","end":"2026-11-21"}],"read_for":[],"answers":[{"request":"GET /","asked":"GET /?a=b","status":200,"body":{}}]}"#,
        ]),
        "web_form" => texts(&[
            "login\ntoken=0123456789abcdef",
            "login\ntoken=%30123456789abcdef&token=b",
            "plan\njob=fuzzed&from=2026-11-01&to=yesterday&missing=on",
            "start\njob=fuzzed&from=2026-11-01&to=2026-11-20",
            "plan\njob=%3Cfuzz%3E&from=%3Cfuzz%3E&to=%3Cfuzz%3E",
        ]),
        "cost_explorer_refusal" => texts(&[
            "400 ValidationException:http://internal/\n{\"message\":\"Start date is wrong\"}",
            "400\n{\"__type\":\"com.amazonaws.ce#LimitExceededException\",\"Message\":\"Rate exceeded\"}",
            "400\n{\"__type\":\"AccessDeniedException\",\"Message\":\"User: arn:aws:iam::123456789012:user/x may not\"}",
            "503\n<html>down</html>",
            "200\n{\"ResultsByTime\":[]}",
        ]),
        _ => Vec::new(),
    }
}

fn job_files() -> Vec<Vec<u8>> {
    let everything = r#"description = "all keys"
[schedule]
cron = "30 6 * * *"
timezone = "Europe/Berlin"
[source]
type = "aws_cost_and_usage"
granularity = "HOURLY"
metrics = ["UnblendedCost", "NormalizedUsageAmount"]
group_by = [{ cost_category = "Product" }, { dimension = "LINKED_ACCOUNT" }]
filter = { And = [{ Not = { Dimensions = { Key = "RECORD_TYPE", Values = ["Credit"], MatchOptions = ["EQUALS"] } } }, { Tags = { Key = "a", MatchOptions = ["ABSENT"] } }] }
[window]
begin = "2026-11-01"
refresh = "3 days"
control = "report"
quarantine_share = 0.5
[budget]
max_usd_per_month = 1.5
[aws]
role_arn = "arn:aws:iam::123456789012:role/costs"
account_id = "000000000001"
[lake]
keep_history = true
keep_history_for = "30 days"
"#;
    [
        everything,
        include_str!("../jobs/datadog_savings.toml"),
        include_str!("../jobs/datadog_commitments.toml"),
        include_str!("../jobs/aws_cost_monthly.toml"),
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn page_of(day: u32, keys: &[&str], token: &str) -> String {
    let metric = |name: &str, amount: &str, unit: &str| format!(r#""{name}":{{"Amount":"{amount}","Unit":"{unit}"}}"#);
    let metrics = [
        metric("UnblendedCost", "12.3456789012", "USD"),
        metric("AmortizedCost", "-0.5", "USD"),
        metric("UsageQuantity", "1E-7", "Hrs"),
    ]
    .join(",");
    let group = |key: &&str| format!(r#"{{"Keys":["{key}","team$web"],"Metrics":{{{metrics}}}}}"#);
    let groups: Vec<String> = keys.iter().map(group).collect();
    format!(
        r#"{{"ResultsByTime":[{{"TimePeriod":{{"Start":"2026-11-{day}","End":"2026-11-{}"}},"Total":{{}},"Groups":[{}],"Estimated":true}}],{token}"GroupDefinitions":[{{"Type":"DIMENSION","Key":"SERVICE"}},{{"Type":"TAG","Key":"team"}}]}}"#,
        day + 1,
        groups.join(",")
    )
}

/// A page without groups.
fn totals_page() -> Vec<u8> {
    let page = page_of(19, &["-"], "");
    let (before, rest) =
        page.split_once(r#""Total":{},"Groups":[{"Keys":["-","team$web"],"Metrics":"#).expect("a group");
    let (metrics, after) = rest.split_once("}],").expect("its end");
    format!(r#"{before}"Total":{metrics},"Groups":[],{after}"#).into_bytes()
}

/// Two pages that form a complete fetch.
fn page_seeds() -> Vec<Vec<u8>> {
    let first = page_of(19, &["Amazon Simple Storage Service", "a\\\"b"], r#""NextPageToken":"two","#);
    let second = page_of(20, &["Amazon Simple Storage Service"], "");
    let both = [first.as_bytes(), &[NEXT_ANSWER], second.as_bytes()].concat();
    vec![both, first.into_bytes(), second.into_bytes()]
}

/// An object of two days.
pub(crate) fn object() -> generation::Built {
    let source = &COST.source;
    let mut reader = source.reader(&[window()]);
    let mut requests = source.requests(&[window()]);
    for body in page_seeds()[0].split(|byte| *byte == NEXT_ANSWER) {
        let request = requests.pop().expect("a request");
        let answer =
            Answer { status: 200, body: Bytes::copy_from_slice(body), request_id: None, date: None, made_up: false };
        requests.extend(reader.read(&request, &answer).expect("a sound page"));
    }
    let fetched = reader.finish().expect("a whole fetch");
    let days = generation::describe(source.table(), source.grain(), &fetched, &source.read_for()).expect("days");
    let partition = source.grain().partition_of(window().start());
    generation::build(source.table(), source.grain(), partition, &Owned::default(), None, 6, days).expect("an object")
}

fn known_ledger() -> Ledger {
    let built = object();
    let (size, at) = (built.bytes.len() as u64, DateTime::UNIX_EPOCH);
    let object = ObjectId { size, etag: Some("e".to_owned()) };
    let mut ledger = Ledger::empty("fuzzed");
    ledger.adopt(&built.footer, &object, &BTreeSet::new(), at, at);
    ledger.note_totals(&built.footer, &BTreeMap::from([(window().start(), [("a", "1")].into_iter().collect())]));
    ledger
}
