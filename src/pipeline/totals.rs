//! Asking for totals: before the fetches of a job, and once per account, filter and granularity for all jobs of a run.
//!
//! | a job | asks the totals | as |
//! |---|---|---|
//! | with a probe, when it runs | of all it can reach, whether or not anything is known to be due | probe and control sums |
//! | any other, or a backfill | from the first day it reads to the last; none when it reads nothing | control sums |
//! | without grouping | only as a probe: its rows are the totals | probe |
//!
//! A run announces its jobs first, so that one question carries the metrics of all of them and the window of all
//! probes. The first job to need the answer pays for it; the others find it here, as far as it covers their days. Where
//! the API refuses that question, each job asks for its own metrics and days: only the one it refuses them to fails.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use tokio::sync::Mutex;

use chrono::{DateTime, NaiveDate, Utc};

use crate::crash;
use crate::error::{Kind, Result};
use crate::job::{AwsSettings, Job};
use crate::ledger::Ledger;
use crate::plan::{Ask, Plan, history_start, least_requests, plan, probes, reach};
use crate::report::{Asked, JobReport};
use crate::sources::Source;
use crate::totals::Totals;
use crate::window::Window;

use super::JobRun;
use super::beginning;
use super::budget::Allowance;
use super::series;

/// Account settings and the source's own key: what jobs share that are answered by one question.
type Key = (AwsSettings, String);

fn key_of(job: &Job) -> Option<Key> {
    job.source.totals_key().map(|key| (job.aws.clone(), key))
}

/// What is asked in one request for totals, but for the key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Question {
    metrics: BTreeSet<String>,
    window: Window,
}

impl Question {
    /// Whether its answer holds what the job needs of `window`.
    fn covers(&self, job: &Job, window: Window) -> bool {
        job.source.metrics().is_subset(&self.metrics) && hull(self.window, window) == self.window
    }
}

fn hull(a: Window, b: Window) -> Window {
    Window::new(a.start().min(b.start()), a.end().max(b.end())).unwrap_or(a)
}

/// Questions and answers that the jobs of one run share.
#[derive(Debug, Default)]
pub struct Shared {
    wanted: HashMap<Key, (BTreeSet<String>, Option<Window>)>,
    said: Mutex<Vec<Said>>,
    /// First days with data that two answers have told.
    begun: Mutex<Vec<(Key, NaiveDate)>>,
}

/// A question that was asked, and what came of it; none where the API refused it.
#[derive(Debug)]
struct Said {
    key: Key,
    question: Question,
    totals: Option<Arc<Totals>>,
}

impl Shared {
    /// What the jobs of a run may need together.
    #[must_use]
    pub fn of(jobs: &[Job], now: DateTime<Utc>, ask: Ask) -> Self {
        let mut wanted: HashMap<Key, (BTreeSet<String>, Option<Window>)> = HashMap::new();
        for job in jobs.iter().filter(|job| probes(job, ask) || !job.source.is_ungrouped()) {
            let Some(key) = key_of(job) else { continue };
            let (metrics, window) = wanted.entry(key).or_default();
            metrics.extend(job.source.metrics());
            let own = if probes(job, ask) { reach(job, now) } else { None };
            *window = match (*window, own) {
                (Some(window), Some(own)) => Some(hull(window, own)),
                (window, own) => window.or(own),
            };
        }
        Self { wanted, ..Self::default() }
    }

    /// The first day with data that another job of the run has found.
    async fn begun_of(&self, job: &Job) -> Option<NaiveDate> {
        let key = key_of(job)?;
        self.begun.lock().await.iter().filter(|(known, _)| *known == key).map(|(_, first)| *first).min()
    }

    /// Tells the other jobs of the run.
    pub(super) async fn note_begun(&self, job: &Job, first: NaiveDate) {
        self.begun.lock().await.extend(key_of(job).map(|key| (key, first)));
    }

    /// The question of a job that needs the totals of `window`.
    fn question(&self, job: &Job, key: &Key, window: Window) -> Question {
        let mut question = Question { metrics: job.source.metrics(), window };
        if let Some((metrics, shared)) = self.wanted.get(key) {
            question.metrics.extend(metrics.iter().cloned());
            question.window = shared.map_or(window, |shared| hull(shared, window));
        }
        question
    }
}

/// The questions of plans that are shown together, so that a shared one has its price once.
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

    /// Takes the question out of a plan that the question of an earlier one answers.
    pub fn share(&mut self, job: &Job, planned: &mut Plan) {
        let (Some(window), Some(key)) = (planned.totals, key_of(job)) else { return };
        if self.asked.get(&key).is_some_and(|known| known.covers(job, window)) {
            planned.totals = None;
        } else {
            self.asked.insert(key.clone(), self.shared.question(job, &key, window));
        }
    }
}

/// Asks the totals that a plan needs; a probe's say what else is due, so that the job is planned again.
pub(super) async fn before_fetches(
    run: &mut JobRun<'_>,
    planned: Plan,
    ask: Ask,
    report: &mut JobReport,
) -> Result<Plan> {
    let job = run.job;
    let Some(window) = planned.totals else { return Ok(planned) };
    let probes = probes(job, ask);
    // A probe is worth its cent even when the budget then reaches for nothing else: it may find that nothing is due.
    let least =
        if probes { 0 } else { least_requests(job, &run.books.lock().await.ledger, &planned.fetches, run.rewrites) };
    let (window, found) = as_far_as_it_tells(run, window, least, report).await?;
    crash::point("totals_answered");
    let mut planned = planned;
    let found = match found {
        Some(found) => Some(told_twice(run, window, found, report).await?),
        None => None,
    };
    if let Some(found) = &found {
        let told = beginning::of_totals(run, window, found, &mut planned).await;
        told.map_err(|error| series::advised(error).at("question", "totals").at("window", window))?;
    }
    run.totals_pages = report.totals_asked.pages;
    if !job.source.is_ungrouped() {
        run.totals.get_mut().clone_from(&found);
    }
    if !probes {
        return Ok(Plan { totals: None, ..planned });
    }
    let mut books = run.books.lock().await;
    let planned = plan(job, &books.ledger, run.moment, ask, found.as_deref())?;
    learn_currencies(job, &mut books.ledger, found.as_deref());
    books.ledger.probed_at = Some(run.now());
    books.save(&run.run_id, run.now()).await?;
    Ok(Plan { totals: None, ..planned })
}

/// The totals of `window`; where they leave out its first days for the first time, with those that a second answer has:
/// one answer alone might have lost them.
async fn told_twice(
    run: &JobRun<'_>,
    window: Window,
    found: Arc<Totals>,
    report: &mut JobReport,
) -> Result<Arc<Totals>> {
    let first = beginning::whole(run, window, &found).first().copied();
    let (Some(key), Some(first)) = (key_of(run.job), first) else { return Ok(found) };
    let mut begun = run.context.totals.begun.lock().await;
    if !beginning::is_news(run, window, first).await || begun.contains(&(key.clone(), first)) {
        return Ok(found);
    }
    if run.budget.room() == Some(0) {
        return Err(run.budget.reached(Some(report.totals_asked.requests + 1)));
    }
    let mut allowance = run.budget.reserve(1);
    let again = ask(run, &run.job.source.metrics(), window, &mut allowance, &mut report.totals_asked).await?;
    let mut both = Totals::clone(&found);
    for (slot, totals) in again.into_iter().flat_map(|again| again.0) {
        if both.0.get(&slot).is_none_or(|known| known.periods < totals.periods) {
            both.0.insert(slot, totals);
        }
    }
    begun.extend(beginning::whole(run, window, &both).first().map(|first| (key, *first)));
    Ok(Arc::new(both))
}

/// Takes over the currencies of days that were read before it was noted, where nothing else of them changed.
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

/// The totals of `window`, or of the part of it inside the API's history where it refuses the whole: the days before are
/// then refused on their own, and must not take the others with them. Returns the window that was answered.
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
    let mut books = run.books.lock().await;
    // What another job of the run has found holds for this one, unless it has older days.
    if books.ledger.first_day.is_none() && books.ledger.oldest_day().is_none_or(|oldest| shared <= Some(oldest)) {
        books.note_first_day(shared);
    }
    let begun = books.ledger.first_day.unwrap_or(history).max(history);
    drop(books);
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

/// The totals of `window` for a job, from an answer that is at hand or by asking; `None` where the API tells none.
/// What the API refuses to the jobs of a run together is asked again for this one alone.
async fn of_window(
    job: &JobRun<'_>,
    window: Window,
    least: u64,
    report: &mut JobReport,
) -> Result<Option<Arc<Totals>>> {
    let Some(key) = key_of(job.job) else { return Ok(None) };
    // Held while the API is asked: another job waits for the answer instead of asking the same.
    let mut said = job.context.totals.said.lock().await;
    let answers = said.iter().rev().filter(|said| said.key == key && said.question.covers(job.job, window));
    if let Some(totals) = answers.filter_map(|said| said.totals.as_ref()).next() {
        return Ok(Some(Arc::clone(totals)));
    }
    let own = Question { metrics: job.job.source.metrics(), window };
    let shared = job.context.totals.question(job.job, &key, window);
    let is_refused = said.iter().any(|said| said.key == key && said.totals.is_none() && said.question == shared);
    // What is older than the API's history is refused to every metric: the caller asks for the days inside it.
    let is_inside = window.start() >= history_start(job.job, job.now().date_naive());
    if shared != own && !is_refused {
        match put(job, &key, shared, least, &mut said, &mut report.totals_asked).await {
            Err(error) if error.kind() == Kind::Refused && is_inside => report.notes.push(format!(
                "the totals that jobs of this run need together are refused, so this job asks for its own: {}",
                error.message()
            )),
            told => return told,
        }
    }
    put(job, &key, own, least, &mut said, &mut report.totals_asked).await
}

/// Asks a question and keeps what came of it. Nothing is asked when the budget would not reach for the `least` requests
/// that have to follow, or for a second question after a refused one.
async fn put(
    job: &JobRun<'_>,
    key: &Key,
    question: Question,
    least: u64,
    said: &mut Vec<Said>,
    asked: &mut Asked,
) -> Result<Option<Arc<Totals>>> {
    let must_fit = least > 0 || asked.requests > 0;
    if must_fit && job.budget.room().is_some_and(|room| room <= least) {
        return Err(job.budget.reached(Some(asked.requests + 1 + least)));
    }
    let mut allowance = job.budget.reserve(1);
    let answer = ask(job, &question.metrics, question.window, &mut allowance, asked).await;
    let totals = match answer {
        Err(error) if error.kind() != Kind::Refused => return Err(error),
        Err(error) => {
            said.push(Said { key: key.clone(), question, totals: None });
            return Err(error);
        }
        Ok(totals) => totals.map(Arc::new),
    };
    if totals.is_some() {
        said.push(Said { key: key.clone(), question, totals: totals.clone() });
    }
    Ok(totals)
}

/// Asks for the totals of `window` now, whatever is at hand.
pub(super) async fn ask(
    job: &JobRun<'_>,
    metrics: &BTreeSet<String>,
    window: Window,
    allowance: &mut Allowance<'_>,
    asked: &mut Asked,
) -> Result<Option<Totals>> {
    let Some(source) = job.job.source.totals(metrics) else { return Ok(None) };
    let source: Arc<dyn Source> = source;
    let fetched = series::of_windows(job, source.as_ref(), &[window], allowance, asked).await?;
    Totals::of(source.table(), source.grain(), &fetched).map(Some)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Question;
    use crate::job;
    use crate::window::{Window, parse_day};

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
        let own = job.source.metrics();
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
