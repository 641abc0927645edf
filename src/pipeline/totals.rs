//! Requests for totals: before the fetches of a job, once per account, filter and granularity for all jobs of a run.
//!
//! | a job | requests the totals | as |
//! |---|---|---|
//! | with a probe, when it runs | of all days in reach, whether or not any is known to be due | probe and control sums |
//! | any other, or a backfill | from the first day it reads to the last; none when it reads nothing | control sums |
//! | without grouping | only as a probe: its rows are the totals | probe |
//!
//! A run registers its jobs first, so that one request has the metrics of all of them and the window of all probes. The
//! first job that needs the answer pays for it; the others reuse it if it covers their days. If the API refuses that
//! request, each job requests its own metrics and days: only a job whose own request is refused fails.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::Mutex;

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::{Kind, Result};
use crate::failpoint;
use crate::job::{AwsSettings, Job};
use crate::ledger::Ledger;
use crate::plan::{Ask, Plan, history_start, least_requests, plan, probes, reach};
use crate::report::{JobReport, RequestStats};
use crate::sources::{Api, ApiTotals, Source};
use crate::totals::Totals;
use crate::window::Window;

use super::JobRun;
use super::beginning;
use super::budget::Meter;
use super::paginate;

/// Account settings and the source's own key: jobs with the same key share one request.
type Key = (AwsSettings, String);

fn key_of(job: &Job) -> Option<Key> {
    job.source.totals().map(|totals| (job.aws.clone(), totals.key()))
}

/// The metrics whose totals a job needs.
pub(super) fn metrics_of(job: &Job) -> BTreeSet<String> {
    job.source.totals().map(ApiTotals::metrics).unwrap_or_default()
}

/// Whether the rows of a job are the totals themselves.
fn are_the_rows(job: &Job) -> bool {
    job.source.totals().is_some_and(ApiTotals::are_the_rows)
}

/// The parameters of one request for totals, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    metrics: BTreeSet<String>,
    window: Window,
}

impl Question {
    /// Whether its answer has what the job needs of `window`.
    fn covers(&self, job: &Job, window: Window) -> bool {
        metrics_of(job).is_subset(&self.metrics) && hull(self.window, window) == self.window
    }
}

fn hull(a: Window, b: Window) -> Window {
    Window::new(a.start().min(b.start()), a.end().max(b.end())).unwrap_or(a)
}

/// Requests and answers that the jobs of one run share.
#[derive(Debug, Default)]
pub struct Shared {
    wanted: HashMap<Key, (BTreeSet<String>, Option<Window>)>,
    /// Answers by key, each locked during a request: the jobs of an account wait for one another, not for other accounts.
    said: Mutex<HashMap<Key, Arc<Mutex<Vec<Said>>>>>,
    /// First days with data, each confirmed by two answers.
    begun: Mutex<HashMap<Key, Arc<Mutex<Vec<NaiveDate>>>>>,
}

/// A request that was sent, and its totals; none if the API refused it.
#[derive(Debug)]
struct Said {
    question: Question,
    totals: Option<Arc<Totals>>,
}

impl Shared {
    /// What the jobs of a run may need in total.
    #[must_use]
    pub fn of(jobs: &[Job], now: DateTime<Utc>, ask: Ask) -> Self {
        let mut wanted: HashMap<Key, (BTreeSet<String>, Option<Window>)> = HashMap::new();
        for job in jobs.iter().filter(|job| probes(job, ask) || !are_the_rows(job)) {
            let Some(key) = key_of(job) else { continue };
            let (metrics, window) = wanted.entry(key).or_default();
            metrics.extend(metrics_of(job));
            let own = if probes(job, ask) { reach(job, now) } else { None };
            *window = match (*window, own) {
                (Some(window), Some(own)) => Some(hull(window, own)),
                (window, own) => window.or(own),
            };
        }
        Self { wanted, ..Self::default() }
    }

    async fn begun_at(&self, key: &Key) -> Arc<Mutex<Vec<NaiveDate>>> {
        Arc::clone(self.begun.lock().await.entry(key.clone()).or_default())
    }

    async fn said_of(&self, key: &Key) -> Arc<Mutex<Vec<Said>>> {
        Arc::clone(self.said.lock().await.entry(key.clone()).or_default())
    }

    /// Drops the answers that only jobs of this one's account need: none of them runs any more. Jobs of other APIs have
    /// the same AWS settings, none, and need none of the answers.
    pub async fn forget(&self, job: &Job) {
        if job.entry.provider.api != Api::CostExplorer {
            return;
        }
        self.said.lock().await.retain(|(aws, _), _| *aws != job.aws);
        self.begun.lock().await.retain(|(aws, _), _| *aws != job.aws);
    }

    /// The first day with data that another job of the run has found.
    async fn begun_of(&self, job: &Job) -> Option<NaiveDate> {
        let key = key_of(job)?;
        let begun = self.begun_at(&key).await;
        begun.lock().await.iter().min().copied()
    }

    /// Shares the first day with data with the other jobs of the run.
    pub(super) async fn note_begun(&self, job: &Job, first: NaiveDate) {
        let Some(key) = key_of(job) else { return };
        self.begun_at(&key).await.lock().await.push(first);
    }

    /// The request of a job that needs the totals of `window`, widened to what all jobs of its key need.
    fn question(&self, job: &Job, key: &Key, window: Window) -> Question {
        let mut question = Question { metrics: metrics_of(job), window };
        if let Some((metrics, shared)) = self.wanted.get(key) {
            question.metrics.extend(metrics.iter().cloned());
            question.window = shared.map_or(window, |shared| hull(shared, window));
        }
        question
    }
}

/// The requests for totals of plans that are shown together, so that a shared one is counted once.
#[derive(Debug)]
pub struct Prices {
    shared: Shared,
    asked: HashMap<Key, Question>,
}

impl Prices {
    /// The prices of the plans of these jobs.
    #[must_use]
    pub fn of(jobs: &[Job], now: DateTime<Utc>, ask: Ask) -> Self {
        Self { shared: Shared::of(jobs, now, ask), asked: HashMap::new() }
    }

    /// Removes the request from a plan if that of an earlier plan covers it.
    pub fn share(&mut self, job: &Job, planned: &mut Plan) {
        let (Some(window), Some(key)) = (planned.totals, key_of(job)) else { return };
        if self.asked.get(&key).is_some_and(|known| known.covers(job, window)) {
            planned.totals = None;
        } else {
            self.asked.insert(key.clone(), self.shared.question(job, &key, window));
        }
    }
}

/// Requests the totals that a plan needs. Those of a probe show what else is due, so the job is planned again.
pub(super) async fn before_fetches(
    run: &mut JobRun<'_>,
    planned: Plan,
    ask: Ask,
    report: &mut JobReport,
) -> Result<Plan> {
    let job = run.job;
    let Some(window) = planned.totals else { return Ok(planned) };
    let probes = probes(job, ask);
    // A probe is worth its cent even if the budget covers nothing else: it may find that nothing is due.
    let least =
        if probes { 0 } else { least_requests(job, &run.store.lock().await.ledger, &planned.fetches, run.rewrites) };
    let (window, found) = as_far_as_it_tells(run, window, least, report).await?;
    failpoint::point("totals_answered");
    let mut planned = planned;
    let found = match found {
        Some(found) => Some(told_twice(run, window, found, report).await?),
        None => None,
    };
    if let Some(found) = &found {
        let told = beginning::of_totals(run, window, found, &mut planned).await;
        told.map_err(|error| paginate::advised(error).at("question", "totals").at("window", window))?;
    }
    run.totals_pages = report.totals_asked.pages;
    if !are_the_rows(job) {
        run.totals.get_mut().clone_from(&found);
    }
    if !probes {
        return Ok(Plan { totals: None, ..planned });
    }
    let mut store = run.store.lock().await;
    let planned = plan(job, &store.ledger, run.moment, ask, found.as_deref())?;
    learn_currencies(job, &mut store.ledger, found.as_deref());
    store.ledger.probed_at = Some(run.now());
    store.save(&run.run_id, run.now()).await?;
    Ok(Plan { totals: None, ..planned })
}

/// The totals of `window`. If they lack its first days for the first time, the days of a second answer are added,
/// because a single answer might have lost them.
async fn told_twice(
    run: &JobRun<'_>,
    window: Window,
    found: Arc<Totals>,
    report: &mut JobReport,
) -> Result<Arc<Totals>> {
    let first = beginning::whole(run, window, &found).first().copied();
    let (Some(key), Some(first)) = (key_of(run.job), first) else { return Ok(found) };
    let begun = run.context.totals.begun_at(&key).await;
    let mut begun = begun.lock().await;
    if !beginning::is_news(run, window, first).await || begun.contains(&first) {
        return Ok(found);
    }
    if run.budget.room() == Some(0) {
        return Err(run.budget.reached(Some(report.totals_asked.requests + 1)));
    }
    let again = ask_once(run, &metrics_of(run.job), window, &mut report.totals_asked).await?;
    let mut both = Totals::clone(&found);
    for (slot, totals) in again.into_iter().flat_map(|again| again.0) {
        if both.0.get(&slot).is_none_or(|known| known.periods < totals.periods) {
            both.0.insert(slot, totals);
        }
    }
    begun.extend(beginning::whole(run, window, &both).first());
    Ok(Arc::new(both))
}

/// Adds the currency to days that were read by a version that did not record it, if their totals have not changed.
fn learn_currencies(job: &Job, ledger: &mut Ledger, found: Option<&Totals>) {
    let Some(found) = found else { return };
    for slot in found.0.keys() {
        let Some(told) = found.narrowed(job.source.table(), *slot) else { continue };
        let partition = job.source.grain().partition_of(*slot).to_string();
        let is_same = ledger.day(&partition, *slot).is_some_and(|day| day.facts.totals == told.sums);
        if let Some(currency) = told.currency.filter(|_| is_same) {
            ledger.learn_currency(&partition, *slot, &currency);
        }
    }
}

/// The totals of `window`, or if the API refuses it, of the part within the API's history: the days before are refused
/// separately, and must not fail the others. Returns the window that was answered.
async fn as_far_as_it_tells(
    run: &JobRun<'_>,
    window: Window,
    least: u64,
    report: &mut JobReport,
) -> Result<(Window, Option<Arc<Totals>>)> {
    let error = match of_window(run, window, least, report).await {
        Ok(found) => return Ok((window, found)),
        Err(error) => error.at("window", window),
    };
    let history = history_start(run.job, run.now().date_naive());
    let shared = run.context.totals.begun_of(run.job).await;
    let mut store = run.store.lock().await;
    // The first day that another job of the run has found applies to this one too, unless it has older days.
    if store.ledger.first_day.is_none() && store.ledger.oldest_day().is_none_or(|oldest| shared <= Some(oldest)) {
        store.note_first_day(shared);
    }
    let begun = store.ledger.first_day.unwrap_or(history).max(history);
    drop(store);
    if error.kind() != Kind::Refused || window.start() >= begun {
        return beginning::search(run, window, error, report).await;
    }
    report.notes.push(format!("no totals of the days before {begun}: {}", error.message()));
    let Some(inside) = Window::new(begun, window.end()) else { return Ok((window, None)) };
    match of_window(run, inside, least, report).await {
        Ok(found) => Ok((inside, found)),
        Err(error) => beginning::search(run, inside, error.at("window", inside), report).await,
    }
}

/// The totals of `window` for a job, from a shared answer or by a request; `None` if the API has none. If the API
/// refuses the shared request, this job's own is sent.
async fn of_window(
    run: &JobRun<'_>,
    window: Window,
    least: u64,
    report: &mut JobReport,
) -> Result<Option<Arc<Totals>>> {
    let Some(key) = key_of(run.job) else { return Ok(None) };
    // Locked during the request: another run waits for the answer instead of requesting the same.
    let said = run.context.totals.said_of(&key).await;
    let mut said = said.lock().await;
    let answers = said.iter().rev().filter(|said| said.question.covers(run.job, window));
    if let Some(totals) = answers.filter_map(|said| said.totals.as_ref()).next() {
        return Ok(Some(Arc::clone(totals)));
    }
    let own = Question { metrics: metrics_of(run.job), window };
    let shared = run.context.totals.question(run.job, &key, window);
    let is_refused = said.iter().any(|said| said.totals.is_none() && said.question == shared);
    // Days older than the API's history are refused for every metric: the caller requests the days within it.
    let is_inside = window.start() >= history_start(run.job, run.now().date_naive());
    if shared != own && !is_refused {
        match put(run, shared, least, &mut said, &mut report.totals_asked).await {
            Err(error) if error.kind() == Kind::Refused && is_inside => report.notes.push(format!(
                "the totals that jobs of this run need together are refused, so this run asks for its own: {}",
                error.message()
            )),
            told => return told,
        }
    }
    put(run, own, least, &mut said, &mut report.totals_asked).await
}

/// Sends a request and keeps its result. Nothing is sent if the budget does not cover the `least` requests that have to
/// follow, or a second request after a refused one.
async fn put(
    run: &JobRun<'_>,
    question: Question,
    least: u64,
    said: &mut Vec<Said>,
    asked: &mut RequestStats,
) -> Result<Option<Arc<Totals>>> {
    let must_fit = least > 0 || asked.requests > 0;
    if must_fit && run.budget.room().is_some_and(|room| room <= least) {
        return Err(run.budget.reached(Some(asked.requests + 1 + least)));
    }
    let answer = ask_once(run, &question.metrics, question.window, asked).await;
    let totals = match answer {
        Err(error) if error.kind() != Kind::Refused => return Err(error),
        Err(error) => {
            said.push(Said { question, totals: None });
            return Err(error);
        }
        Ok(totals) => totals.map(Arc::new),
    };
    if totals.is_some() {
        said.push(Said { question, totals: totals.clone() });
    }
    Ok(totals)
}

/// Requests the totals of `window` outside of any fetch, and adds what it took to `asked`.
pub(super) async fn ask_once(
    run: &JobRun<'_>,
    metrics: &BTreeSet<String>,
    window: Window,
    asked: &mut RequestStats,
) -> Result<Option<Totals>> {
    let mut meter = run.budget.reserve(1);
    let answer = ask(run, metrics, window, &mut meter).await;
    asked.add(&meter.stats);
    answer
}

/// Requests the totals of `window`, whatever answers are at hand.
pub(super) async fn ask(
    run: &JobRun<'_>,
    metrics: &BTreeSet<String>,
    window: Window,
    meter: &mut Meter<'_>,
) -> Result<Option<Totals>> {
    let Some(source) = run.job.source.totals().and_then(|totals| totals.request(metrics)) else { return Ok(None) };
    let source: Arc<dyn Source> = source;
    let fetched = paginate::of_windows(run, source.as_ref(), &[window], meter).await?;
    Totals::of(source.table(), source.grain(), &fetched).map(Some)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Question, Said, Shared, key_of, metrics_of};
    use crate::job;
    use crate::window::{Window, parse_day};

    #[tokio::test]
    async fn what_datadog_s_jobs_end_costs_no_account_of_aws_its_answers() {
        let parse = |text: &str| job::parse(Path::new("costs.toml"), text).expect("a job");
        let aws = parse(
            "window = { begin = \"2026-11-01\" }\n[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\n\
             metrics = [\"UnblendedCost\"]\ngroup_by = [{ dimension = \"SERVICE\" }]\n",
        );
        let datadog = parse("source = { type = \"datadog_ccm_config\" }");
        assert_eq!(aws.aws, datadog.aws, "the settings alone do not tell them apart");
        let (shared, key) = (Shared::default(), key_of(&aws).expect("a key"));
        let day = parse_day("2026-11-01").expect("a day");
        let question = Question { metrics: metrics_of(&aws), window: Window::day(day) };
        shared.said_of(&key).await.lock().await.push(Said { question, totals: None });
        let mut kept = Vec::new();
        for ended in [&datadog, &aws] {
            shared.forget(ended).await;
            kept.push(shared.said_of(&key).await.lock().await.len());
        }
        assert_eq!(kept, [1, 0]);
    }

    #[test]
    fn an_answer_serves_a_job_with_its_metrics_and_its_days() {
        let text = r#"
            source = { type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }
            window = { begin = "2026-11-01" }
        "#;
        let job = job::parse(Path::new("costs.toml"), text).expect("a job");
        let window = |from, to| {
            let day = |text| parse_day(text).expect("a day");
            Window::new(day(from), day(to)).expect("a window")
        };
        let days = window("2026-11-02", "2026-11-05");
        let own = metrics_of(&job);
        for (metrics, asked, serves) in [
            (own.clone(), days, true),
            (own.clone(), window("2026-11-03", "2026-11-05"), false),
            (own.clone(), window("2026-11-02", "2026-11-04"), false),
            (["UsageQuantity".to_owned()].into(), days, false),
        ] {
            let question = Question { metrics, window: asked };
            assert_eq!(question.covers(&job, days), serves, "{question:?}");
        }
    }
}
