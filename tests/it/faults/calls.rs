//! Every call to an API fails: call k = 1, 2, … of a run, with every kind of HTTP failure, for one call and for all
//! calls from k on. The real pipeline with its real clients runs over a faulty proxy on loopback.
//!
//! After each such run every partition is old or new, never in between, and the run reports what happened and where;
//! the next run leaves the same bytes as an undisturbed run, and a ledger that agrees.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use costlake::error::Kind;
use costlake::job::Job;
use costlake::report::JobReport;
use costlake::sandbox::Settings;
use futures::StreamExt;
use object_store::memory::InMemory;

use super::world::{
    EARLY, Held, LATER, LONG, World, assert_tells, at, contents, everything, ledger, parse, plain_cost_job,
};
use crate::sizes::CALL_FAULTS;
use crate::support::figures::gather;
use crate::support::line::{Call, Fault, Line};

/// The deadline for an answer that never comes. A real answer arrives sooner or, on a busy machine, at the second
/// retry.
const SHORT: Duration = Duration::from_millis(800);

/// How many calls fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Span {
    Once,
    FromThereOn,
}

/// The transport under test: a proxy, and a world that sends through it.
struct Way {
    line: Line,
    world: World,
    deadline: Duration,
}

/// The state a loop starts from and the state it must end in.
struct Loop {
    sandbox: World,
    job: Job,
    base: Arc<InMemory>,
    old: BTreeMap<String, Held>,
    new: BTreeMap<String, Held>,
    way: Way,
    /// The calls of a run without faults.
    calls: Vec<Call>,
}

fn small_pages(now: &str) -> Settings {
    Settings { page_groups: 16, ..Settings::new(at(now)) }
}

impl Loop {
    /// The first run of a table.
    async fn first(job: Job) -> Self {
        Self::of(job, World::with(small_pages(LATER)).await, Arc::new(InMemory::new())).await
    }

    /// A run after an earlier one, with days restated in between.
    async fn nightly(job: Job) -> Self {
        let sandbox = World::with(small_pages(EARLY)).await;
        let base = Arc::new(InMemory::new());
        sandbox.run_well(&base, &job).await;
        sandbox.set(LATER);
        Self::of(job, sandbox, base).await
    }

    async fn of(job: Job, sandbox: World, base: Arc<InMemory>) -> Self {
        let line = Line::to(sandbox.address.expect("a sandbox")).await;
        let world = sandbox.through(line.url(), LONG);
        let old = contents(&base, &job).await;
        let store = Arc::new(base.fork());
        line.heal();
        world.run_well(&store, &job).await;
        let (calls, new) = (line.heard(), contents(&store, &job).await);
        assert_ne!(old, new, "a run that changes nothing proves nothing");
        Self { sandbox, job, base, old, new, way: Way { line, world, deadline: LONG }, calls }
    }

    /// Fails every call in turn with [`CALL_FAULTS`] of these faults, once and from there on; returns the number of
    /// runs. With fewer than all, the next call is failed with the next faults.
    async fn every_call(&self, faults: &[Fault]) -> usize {
        let (mut runs, each) = (0, usize::try_from(CALL_FAULTS.get()).expect("a number").min(faults.len()));
        for call in &self.calls {
            let turn = faults.iter().cycle().skip(call.number * each % faults.len()).take(each);
            for fault in turn.filter(|fault| is_possible(**fault, call)) {
                for span in [Span::Once, Span::FromThereOn] {
                    self.one_call(&self.way, call, *fault, span).await;
                    runs += 1;
                }
            }
        }
        runs
    }

    /// The same with answers that never come; the runs wait concurrently.
    async fn every_call_is_silent(&self) {
        let each = self.calls.iter().flat_map(|call| [(call, Span::Once), (call, Span::FromThereOn)]);
        futures::stream::iter(each)
            .for_each_concurrent(6, async |(call, span)| {
                let line = self.way.line.another().await;
                let mut world = self.sandbox.through(line.url(), SHORT);
                world.attempts = 3;
                self.one_call(&Way { line, world, deadline: SHORT }, call, Fault::Silent, span).await;
            })
            .await;
    }

    async fn one_call(&self, way: &Way, call: &Call, fault: Fault, span: Span) {
        let what = format!("{fault:?} {span:?} at {call:?}");
        let store = Arc::new(self.base.fork());
        let (first, last) = (call.number, if span == Span::Once { call.number } else { usize::MAX });
        way.line.script(move |number| (first..=last).contains(&number).then_some(fault));
        // A client that is already open has requested the account.
        let fresh = self.calls[0].is_for_account().then(|| way.world.through(way.line.url(), way.deadline));
        let report = fresh.as_ref().unwrap_or(&way.world).run(&store, &self.job).await;
        assert!(way.line.begun() >= call.number, "{what}: there was no such call");
        let (now, old, new) = (objects(&store).await, bytes(&self.old), bytes(&self.new));
        for (partition, found) in &now {
            let whole = new.get(partition) == Some(found) || old.get(partition) == Some(found);
            assert!(whole, "{what}: {partition} is neither old nor new");
        }
        assert!(old.keys().all(|partition| now.contains_key(partition)), "{what}: a partition is gone");
        if span == Span::Once && is_sent_again(fault) && !call.is_for_account() {
            assert_eq!(report.exit_code, 0, "{what}: {report:#?}");
            assert!(now == new, "{what}: ended well without the new rows");
        } else {
            self.says_what_happened(&report, call, fault, &what);
            assert!(now != new, "{what}: failed with all of the new rows");
        }
        // Every request that was sent counts against the budget, received or not.
        let heard = way.line.heard().iter().filter(|call| !call.is_for_account()).count() as u64;
        assert!(heard <= report.asked.requests, "{what}: {heard} calls were heard, {} counted", report.asked.requests);
        self.clean_run(way, &store, &what).await;
    }

    /// Asserts the kind of the error, the exit code and the place.
    fn says_what_happened(&self, report: &JobReport, call: &Call, fault: Fault, what: &str) {
        assert_eq!(report.exit_code, 1, "{what}: {report:#?}");
        let failures = report.failures();
        let of_fetches = failures.iter().filter(|(partition, _)| !partition.is_empty()).count();
        assert_eq!((failures.is_empty(), of_fetches == 0), (false, call.is_for_the_job()), "{what}: {report:#?}");
        let wanted = kind_of(fault, call);
        for (partition, failure) in &failures {
            assert_eq!(failure.kind, wanted.into(), "{what}: {}", failure.text);
            assert!(failure.text.contains(&format!("job {}", self.job.unit.table)), "{what}: {}", failure.text);
            if !partition.is_empty() {
                assert!(failure.text.contains(&format!("partition {partition}")), "{what}: {}", failure.text);
            }
        }
        let text = &failures[0].1.text;
        for words in place_of(call) {
            assert!(failures.iter().any(|(_, failure)| failure.text.contains(&words)), "{what}: no {words}: {text}");
        }
    }

    /// The next run, without faults.
    async fn clean_run(&self, way: &Way, store: &Arc<InMemory>, what: &str) {
        way.line.heal();
        let report = way.world.run(store, &self.job).await;
        assert_eq!(report.exit_code, 0, "{what}: {report:#?}");
        assert!(objects(store).await == bytes(&self.new), "{what}: not what an undisturbed run leaves");
        assert_tells(&ledger(store, &self.job).await, &self.new);
    }
}

/// Every data object by its partition, byte for byte.
async fn objects(store: &Arc<InMemory>) -> BTreeMap<String, Bytes> {
    let all = everything(store).await.into_iter();
    let data = all.filter_map(|(key, bytes)| {
        let (_, partition) = key.as_ref().strip_suffix("/data.parquet")?.rsplit_once('=')?;
        Some((partition.to_owned(), bytes))
    });
    data.collect()
}

fn bytes(held: &BTreeMap<String, Held>) -> BTreeMap<String, Bytes> {
    held.iter().map(|(partition, held)| (partition.clone(), held.bytes.clone())).collect()
}

/// What the errors of a call must name: the window, or the path and the query.
fn place_of(call: &Call) -> Vec<String> {
    if call.is_for_account() {
        return vec!["account".to_owned()];
    }
    if call.path != "/" {
        let path = call.path.split('?').next().unwrap_or_default();
        return vec![format!("GET {path}")];
    }
    let question: serde_json::Value = serde_json::from_str(&call.body).expect("a question");
    let start = question["TimePeriod"]["Start"].as_str().expect("a day");
    let mut words = vec![format!("GetCostAndUsage {start}")];
    if question.get("GroupBy").is_none() {
        words.push("question totals".to_owned());
    }
    words
}

/// Whether this fault is possible for the call.
fn is_possible(fault: Fault, call: &Call) -> bool {
    match fault {
        Fault::TokenLost => call.has_token(),
        Fault::PageNotFound => call.path.ends_with("/ccm_config") || call.is_for_account(),
        Fault::Throttling => call.path == "/" && !call.is_for_account(),
        _ => true,
    }
}

fn is_sent_again(fault: Fault) -> bool {
    !matches!(fault, Fault::Half | Fault::HalfToTheEnd | Fault::Empty | Fault::Page | Fault::PageNotFound)
}

fn kind_of(fault: Fault, call: &Call) -> Kind {
    match fault {
        Fault::Page | Fault::PageNotFound | Fault::Empty if call.is_for_account() => Kind::Unavailable,
        _ if call.is_for_account() && is_sent_again(fault) => Kind::Unavailable,
        Fault::Throttling | Fault::TooMany => Kind::Throttled,
        Fault::TokenLost => Kind::Restart,
        _ if is_sent_again(fault) => Kind::Unavailable,
        _ => Kind::BadAnswer,
    }
}

const FAULTS: [Fault; 14] = [
    Fault::Reset,
    Fault::Lost,
    Fault::Short,
    Fault::ChunksCut,
    Fault::Half,
    Fault::HalfToTheEnd,
    Fault::Empty,
    Fault::Throttling,
    Fault::TooMany,
    Fault::Failed,
    Fault::Unavailable,
    Fault::Page,
    Fault::PageNotFound,
    Fault::TokenLost,
];

fn of_datadog(source: &str) -> Job {
    let window = "window = { begin = \"2026-10-31\", refresh = \"3 days\" }\nlimits = { fetches_in_flight = 1 }";
    parse("table", &format!("source = {{ {source} }}\n{window}"))
}

fn savings() -> Job {
    of_datadog(
        r#"type = "datadog_savings", queries = [{ provider = "aws", product = "ec2" }, { provider = "aws", product = "rds" }]"#,
    )
}

fn commitments() -> Job {
    of_datadog(
        r#"type = "datadog_commitments", queries = [{ provider = "aws", product = "ec2", commitment_type = "sp" }]"#,
    )
}

fn configuration() -> Job {
    // Without stored raw responses: storing them already detects some that are not JSON.
    parse("table", "source = { type = \"datadog_ccm_config\" }\nlake = { keep_raw = false }")
}

/// A job whose credentials are verified: the first call asks AWS which account they belong to.
fn verified() -> Job {
    parse(
        "cost",
        r#"
        source = { type = "aws_cost_and_usage", granularity = "MONTHLY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
        window = { begin = "2026-11-01", refresh = "3 days" }
        aws = { account_id = "123456789012" }
        "#,
    )
}

/// Runs these loops and prints how many runs each took.
async fn survive(what: &str, loops: impl IntoIterator<Item = Loop>) {
    for each in loops {
        let begun = std::time::Instant::now();
        let runs = each.every_call(&FAULTS).await;
        println!("{what}: {} calls, {runs} runs, {:.1} s", each.calls.len(), begun.elapsed().as_secs_f64());
        gather("calls", |counts| {
            counts.add("loops", 1);
            counts.add("calls", each.calls.len() as u64);
            counts.add("runs", runs as u64);
            let (calls, loops) = (counts.of("calls"), counts.of("loops"));
            format!("{} runs over the {calls} calls of {loops} runs, 0 differences", counts.of("runs"))
        });
    }
}

#[tokio::test]
async fn a_first_load_survives_any_call_that_goes_bad() {
    let each = Loop::first(plain_cost_job()).await;
    let said: Vec<_> = each.calls.iter().map(|call| (call.body.contains("GroupBy"), call.has_token())).collect();
    let two_pages = [(true, false), (true, true)];
    assert_eq!(said, [&[(false, false)][..], &two_pages, &two_pages].concat(), "totals, and two pages of each month");
    survive("a first load", [each]).await;
}

#[tokio::test]
async fn a_nightly_run_survives_any_call_that_goes_bad() {
    let each = Loop::nightly(plain_cost_job()).await;
    assert_eq!((each.old.len(), each.new.len()), (1, 2), "October is replaced and November is new");
    assert_ne!(each.old["2026-10"], each.new["2026-10"], "nothing was restated");
    survive("a nightly run", [each]).await;
}

#[tokio::test]
async fn datadog_runs_survive_any_call_that_goes_bad() {
    survive("savings", [Loop::first(savings()).await, Loop::nightly(savings()).await]).await;
    survive("commitments", [Loop::first(commitments()).await, Loop::nightly(commitments()).await]).await;
    survive("configuration", [Loop::first(configuration()).await]).await;
}

#[tokio::test]
async fn a_run_that_asks_whose_the_credentials_are_survives_any_call_that_goes_bad() {
    let each = Loop::first(verified()).await;
    assert!(each.calls[0].is_for_account(), "{:?}", each.calls);
    survive("an account", [each]).await;
}

#[tokio::test]
async fn runs_survive_any_call_that_is_never_answered() {
    for job in [plain_cost_job(), configuration(), verified()] {
        let each = Loop::first(job).await;
        let begun = std::time::Instant::now();
        each.every_call_is_silent().await;
        println!("silence: {} calls, {:.1} s", each.calls.len(), begun.elapsed().as_secs_f64());
    }
}
