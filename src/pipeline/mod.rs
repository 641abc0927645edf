//! The pipeline: the only module that uses sources, API clients, lake and ledger together.
//!
//! ```text
//!  open client ─► open ledger store ─► same table? ─► plan ─► fetches, a few in parallel ─► run record
//! ```

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, NaiveDate, Utc};
use futures::StreamExt;
use serde::Serialize;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span};

use crate::clients::{Client, Clients};
use crate::clock::{Clock, Elsewhere};
use crate::error::{Error, Kind, Result};
use crate::failpoint;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger_store::{LedgerStore, Owner, TableRecord, keeps_lists, keeps_metrics};
use crate::plan::{Ask, Fetch, Moment, Plan, begins_on, is_reachable, least_requests, plan, stages};
use crate::report::{FetchReport, JobReport, Outcome, RequestStats};
use crate::sources::Api;
use crate::status;
use crate::totals::Totals;
use crate::unit::Unit;
use crate::window::Partition;

mod account;
pub mod archive;
mod beginning;
pub mod budget;
mod claim;
pub(crate) mod clocks;
mod control_sums;
pub(crate) mod displaced;
pub(crate) mod fetch;
pub mod lease;
mod paginate;
pub mod prepare;
pub mod publish;
mod quarantine;
mod refused;
pub(crate) mod replay;
mod restore;
mod retention;
pub mod retry;
mod started;
pub mod totals;

pub use account::{Look, look, shown_elsewhere};
use budget::Budget;
pub use claim::{Claim, claim};
use lease::Leases;
use retry::RetryPolicy;
use started::Started;

/// Progress events of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The job is planned.
    Planned {
        /// The job.
        job: String,
        /// Planned fetches.
        fetches: u64,
        /// Requests expected.
        expected: u64,
    },
    /// A fetch began.
    FetchStarted {
        /// Its partition.
        partition: String,
        /// Requests expected.
        expected: u64,
    },
    /// A page arrived.
    Page {
        /// Partition of the fetch.
        partition: String,
        /// Rows of the fetch so far.
        rows: u64,
        /// Request counters of the fetch so far.
        asked: RequestStats,
    },
    /// A request is sent again later.
    Waiting(Waiting),
    /// A fetch ended.
    FetchEnded {
        /// Its partition.
        partition: String,
        /// Its outcome.
        outcome: Outcome,
    },
    /// The job ended.
    JobEnded {
        /// The job.
        job: String,
    },
}

/// A wait before a request is sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The API that is waited for.
    pub api: &'static str,
    /// The attempt that comes next.
    pub attempt: u32,
    /// The last attempt.
    pub attempts: u32,
    /// When it comes.
    pub until: DateTime<Utc>,
}

/// Fetches in flight in a process, whatever the number of its jobs and accounts.
const FETCHES_AT_ONCE: usize = 8;

/// Callback that receives events.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// State that all jobs of a process share.
#[derive(Clone)]
pub struct Context {
    /// API clients.
    pub clients: Arc<Clients>,
    /// The lake.
    pub lake: Arc<Lake>,
    /// The clock.
    pub clock: Clock,
    /// The time according to the answers of a run.
    pub elsewhere: Arc<Elsewhere>,
    /// `--accept-clock`: if the clock is behind a table's newest run, that run's clock is taken to be wrong.
    pub accept_clock: bool,
    /// Retry policy of failing requests.
    pub retries: RetryPolicy,
    /// Cancelled by a signal.
    pub cancel: CancellationToken,
    /// `--single-writer`.
    pub single_writer: bool,
    /// Ignore budgets: the sandbox of `demo` charges nothing.
    pub no_budget: bool,
    /// Receives the events.
    pub listener: Option<Listener>,
    /// Bounds the fetches in flight of the whole process.
    pub fetches: Arc<Semaphore>,
    /// Records of tables with accounts that hold rows: they never change, so one run reads them for all.
    pub records: Arc<Mutex<HashMap<String, TableRecord>>>,
    /// `--max-usd`: what all runs of the process may spend together.
    pub spending: Option<Arc<Budget>>,
    /// `--lease`: a unit is skipped while another worker holds it for at most this long.
    pub lease: Option<Leases>,
    /// Requests for totals that the jobs of a run share.
    pub totals: Arc<totals::Shared>,
    /// Unit and first day of each month whose quarantined rows are accepted.
    pub accepted: Arc<BTreeSet<(Unit, NaiveDate)>>,
}

impl Context {
    /// The same context on a lake as a job writes it.
    #[must_use]
    pub fn on(&self, lake: &Arc<Lake>) -> Cow<'_, Self> {
        if Arc::ptr_eq(&self.lake, lake) {
            return Cow::Borrowed(self);
        }
        Cow::Owned(Self { lake: Arc::clone(lake), ..self.clone() })
    }

    /// Runs with these clients on this lake, with everything else as it usually is.
    #[must_use]
    pub fn new(clients: Arc<Clients>, lake: Arc<Lake>, clock: Clock) -> Self {
        Self {
            clients,
            lake,
            clock,
            elsewhere: Arc::default(),
            accept_clock: false,
            retries: RetryPolicy::default(),
            cancel: CancellationToken::new(),
            single_writer: false,
            no_budget: false,
            listener: None,
            fetches: Arc::new(Semaphore::new(FETCHES_AT_ONCE)),
            records: Arc::default(),
            spending: None,
            lease: None,
            totals: Arc::default(),
            accepted: Arc::default(),
        }
    }
}

/// A running job.
pub(crate) struct JobRun<'a> {
    context: &'a Context,
    job: &'a Job,
    client: Client,
    store: Mutex<LedgerStore>,
    budget: Budget,
    started: &'a Started<'a>,
    /// The table's record, for real or for made-up figures.
    meant: account::Meant,
    /// Fingerprints that the table had while it held no row.
    former: Vec<String>,
    /// The AWS account of the table, if known.
    account: Option<String>,
    /// Objects that are not the committed ones.
    found: displaced::Found,
    run_id: String,
    /// Time of the run, and which read times are trusted.
    moment: Moment,
    halted: AtomicBool,
    /// Whether any request of the run was answered.
    answered: AtomicBool,
    /// Objects are rewritten even if their footers match what is read, because their rows are broken.
    rewrites: bool,
    /// Accepted months: their rows are committed however much they differ from the old ones.
    accepted: BTreeSet<NaiveDate>,
    /// The API's totals of the days that are read, if it provides them.
    totals: Mutex<Option<Arc<Totals>>>,
    /// Pages of the request for totals before the first fetch; every run that reads anything needs them, too.
    totals_pages: u64,
}

impl JobRun<'_> {
    /// The owner that the table's objects must have.
    fn owner(&self) -> Owner<'_> {
        Owner { fingerprint: self.meant.fingerprint(), former: &self.former, account: self.account.as_deref() }
    }

    fn now(&self) -> DateTime<Utc> {
        self.context.clock.now()
    }

    fn tell(&self, event: Event) {
        if let Some(listener) = &self.context.listener {
            listener(event);
        }
    }

    /// Whether the object of a partition is not the committed one and has to be restored.
    fn heals(&self, partition: Partition) -> bool {
        self.found.displaced.contains_key(&partition)
    }

    /// Whether replaced generations are kept; broken ones are not.
    fn keeps_history(&self) -> bool {
        self.job.keep_history && !self.rewrites
    }

    fn halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed) || self.context.cancel.is_cancelled()
    }

    /// Stops the job's other fetches after errors that they would meet as well: an API that has not answered once in
    /// this run will not answer them either. If it has, the failure may concern this window alone, so the others go on.
    fn halt_after(&self, kind: Kind, asked: &RequestStats) {
        let hopeless = matches!(kind, Kind::Auth | Kind::Budget | Kind::Config | Kind::Clock | Kind::Internal);
        let silent = kind.is_transient() && asked.pages == 0 && !self.answered.load(Ordering::Relaxed);
        if hopeless || silent {
            self.halted.store(true, Ordering::Relaxed);
        }
    }
}

/// A run id: the start time and eight random hex digits.
#[must_use]
pub fn new_run_id(now: DateTime<Utc>) -> String {
    format!("{}-{:08x}", now.format("%Y%m%dT%H%M%SZ"), fastrand::u32(..))
}

/// Runs one job and reports; errors are in the report.
pub async fn run_job(context: &Context, job: &Job, command: &str, ask: Ask) -> JobReport {
    run_claimed(context, job, command, ask, claim(context, job).await).await
}

/// Runs one job whose unit is claimed.
pub async fn run_claimed(context: &Context, job: &Job, command: &str, ask: Ask, claim: Claim) -> JobReport {
    let clock = Instant::now();
    let Claim { run_id, lake, started, admitted, mut is_recorded } = claim;
    let context = &*context.on(&lake);
    let span = info_span!("job", job = %job.unit, run = %run_id);
    let mut report = JobReport::begin(&job.unit, &run_id, command, started, context.clock.fixed().is_some());
    report.begins_on = begins_on(job, started);
    let spending = Started::new(&context.lake, &job.unit, &run_id, started);
    let worked = match admitted {
        // Nothing was done, so there is nothing to record.
        Ok(Some(lease::Taken::Not(skipped))) => {
            report.notes.push(skipped.note);
            (report.is_held, is_recorded) = (skipped.is_held, false);
            Ok(())
        }
        Ok(_) => work(context, job, &spending, ask, &mut report).instrument(span.clone()).await,
        Err(error) => Err(error),
    };
    if let Err(error) = worked {
        report.failure = Some((&job.unit.names(error)).into());
    }
    report.duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    report.close();
    failpoint::point("before_record");
    if is_recorded
        && let Err(error) = LedgerStore::record_run(&context.lake, &report).await
        && report.failure.is_none()
    {
        report.failure = Some((&error).into());
        report.close();
    }
    failpoint::point("record_written");
    span.in_scope(|| {
        info!(
            requests = report.asked.requests,
            usd = report.usd,
            rows = report.rows,
            exit_code = report.exit_code,
            "job ended"
        );
    });
    if let Some(listener) = &context.listener {
        listener(Event::JobEnded { job: job.unit.to_string() });
    }
    report
}

/// The client of a job. Whoever gives its credentials may be silent for a minute, which a signal does not wait for.
async fn open_client(context: &Context, job: &Job) -> Result<Client> {
    tokio::select! {
        biased;
        () = context.cancel.cancelled() => Err(retry::interrupted()),
        opened = context.clients.open(job) => opened,
    }
}

/// The run itself. It plans three times, and each plan sees more: the first only shows whether there can be one, before
/// anything is written; the second sees days that were displaced or accepted, and names the totals to ask for; the third
/// (`totals::before_fetches`, only after a probe) sees the days whose totals have moved.
async fn work(context: &Context, job: &Job, started: &Started<'_>, ask: Ask, report: &mut JobReport) -> Result<()> {
    let client = open_client(context, job).await?;
    let now = context.clock.now();
    let (mut store, notes) = LedgerStore::open(context.lake.clone(), &job.unit, job.source.grain(), now).await?;
    let told = report.notes.len();
    report.notes.extend(notes);
    let named = record_of_table(context, job, &mut store).await?;
    let was_new = named.is_none();
    failpoint::point("table_looked_up");
    let kept = named.as_ref().map_or(Cow::Borrowed(job), |record| record.job_of(job));
    let job = kept.as_ref();
    let clocks::Timing { moment, behind, .. } = clocks::judge(context, job, &mut store, report).await?;
    plan(job, &store.ledger, moment, ask, None)?;
    let meant =
        account::same_table(&mut store, named.clone(), job, &client.identity, client.elsewhere.is_some(), Some(report))
            .await?;
    keeps_metrics(job, store.ledger.facts().map(|(_, facts)| facts))?;
    keeps_lists(job, &store.ledger)?;
    report.notes.extend(client.identity.account_check.note());
    report.notes.extend(client.elsewhere.as_deref().map(|address| account::asked_elsewhere(job, address)));
    let account = store.account().map(str::to_owned);
    let former = store.former().to_vec();
    let owner = Owner { fingerprint: meant.fingerprint(), former: &former, account: account.as_deref() };
    let found = displaced::compare(context, job, &mut store, owner, report).await?;
    if was_new && !found.refused.is_empty() && store.named().await?.is_some() {
        // Another run has made the table since it was looked up: its objects are to be judged by its record.
        report.notes.truncate(told);
        return Box::pin(work(context, job, started, ask, report)).await;
    }
    store.remember(named.as_ref().filter(|_| job.accounts.is_none()));
    let accepted = prepare::accept(context, job, &mut store, report);
    let mut planned = plan(job, &store.ledger, moment, ask, None)?;
    let budget = prepare::budget_of(context, job, now).await?;
    let mut run = JobRun {
        context,
        job,
        client,
        store: Mutex::new(store),
        budget,
        started,
        meant,
        former,
        account,
        found,
        run_id: report.run_id.clone(),
        moment,
        halted: AtomicBool::new(false),
        answered: AtomicBool::new(false),
        rewrites: matches!(ask, Ask::Known { .. }),
        accepted,
        totals: Mutex::default(),
        totals_pages: 0,
    };
    started.expect(planned.expected_requests()).await;
    planned = totals::before_fetches(&mut run, planned, ask, report).await?;
    started.expect(run.budget.sent() + planned.expected_requests()).await;
    failpoint::point("after_plan");
    report.notes.extend(planned.notes.iter().cloned());
    let refusals = run.found.refuse(&mut planned.fetches);
    planned.fetches.extend(run.found.without_reads(&planned.fetches));
    run.tell(Event::Planned {
        job: job.unit.to_string(),
        fetches: planned.fetches.len() as u64,
        expected: planned.expected_requests(),
    });
    report.fetches = run_fetches(&run, &planned).await;
    report.fetches.extend(refusals);
    close(&run, ask, behind, report).await
}

/// The record of the job's table, read after its ledger. That of a table with accounts is read once for all of them,
/// unless this account has no rows: then the table may still be defined anew. That of any other table may be in its
/// ledger.
async fn record_of_table(context: &Context, job: &Job, store: &mut LedgerStore) -> Result<Option<TableRecord>> {
    if job.accounts.is_none()
        && let Some(known) = store.recall(job)
    {
        return Ok(Some(known));
    }
    let may_be_known = job.accounts.is_some() && store.holds_rows();
    if may_be_known && let Some(known) = context.records.lock().await.get(&job.unit.table) {
        return Ok(Some(known.clone()));
    }
    let named = store.named().await?;
    if let Some(record) = named.as_ref().filter(|_| may_be_known) {
        context.records.lock().await.insert(job.unit.table.clone(), record.clone());
    }
    Ok(named)
}

/// Ends a run after its fetches: saves the ledger, sets the failure and notes of the report, removes expired history;
/// `behind` is the error of a clock that is behind.
async fn close(run: &JobRun<'_>, ask: Ask, behind: Option<Error>, report: &mut JobReport) -> Result<()> {
    let (context, job) = (run.context, run.job);
    let mut store = run.store.lock().await;
    // A probe that leads to no fetch proves the account as well as an answered fetch.
    let has_probed = report.totals_asked.pages > 0 && report.fetches.is_empty();
    if run.answered.load(Ordering::Relaxed) || has_probed {
        store.keep_account(run.meant.record()).await?;
    }
    let is_taken = |fetch: &FetchReport| matches!(fetch.outcome, Outcome::Committed | Outcome::Unchanged);
    let has_taken = report.fetches.iter().any(is_taken);
    if let Some(made_up) = run.meant.unsaid().filter(|_| has_taken && store.ledger.made_up.is_none()) {
        store.note_made_up(made_up);
    }
    if let Err(error) = store.save_notes(&run.run_id, run.now()).await {
        report.notes.push(format!("that days failed could not be written down: {error}"));
    }
    if context.cancel.is_cancelled() {
        return Err(retry::interrupted());
    }
    if ask == Ask::Due && !report.fetches.iter().any(FetchReport::is_quarantined) {
        let held = quarantine::standing(&job.unit, &store.ledger);
        let beyond = |slot: &NaiveDate| !is_reachable(job, *slot, run.now());
        let is_told = report.fetches.iter().any(FetchReport::is_displaced);
        let standing = held.or_else(|| displaced::standing(&job.unit, &store.ledger, beyond).filter(|_| !is_told));
        report.failure = standing.as_ref().map(Into::into);
    }
    clocks::conclude(context, ask, behind, report);
    report.notes.extend(status::fits_nothing(job, &store.ledger));
    report.notes.extend(run.meant.heard().filter(|made_up| *made_up).is_some().then(|| status::MADE_UP.to_owned()));
    let has_committed = report.fetches.iter().any(|fetch| fetch.outcome == Outcome::Committed);
    report.notes.extend(retention::tidy(run, &mut store, has_committed).await);
    Ok(())
}

/// Runs the fetches in parallel, in two stages: days never read come first, so that days to be read again cannot use up
/// their budget. If the budget does not cover everything, the stages share no fetch, and days are read again in the
/// order of their last read.
async fn run_fetches(run: &JobRun<'_>, planned: &Plan) -> Vec<FetchReport> {
    let tight = run.budget.room().is_some_and(|room| planned.expected_requests() > room);
    let stages = stages(run.job, &run.store.lock().await.ledger, &planned.fetches, tight);
    let one = |planned: &Fetch| {
        let span = info_span!("fetch", partition = %planned.partition);
        let planned = planned.clone();
        async move {
            let _turn = run.context.fetches.acquire().await;
            let report = fetch::run(run, &planned).await;
            failpoint::point("between_partitions");
            report
        }
        .instrument(span)
    };
    let mut reports = Vec::new();
    for fetches in &stages {
        let running = futures::stream::iter(fetches).map(one).buffer_unordered(run.job.limits.fetches_in_flight);
        reports.extend(running.collect::<Vec<_>>().await);
    }
    reports
}

/// The plan of a job without running it, and the ledger store it is based on.
///
/// # Errors
/// The errors that a run would meet before its first request, as far as they show without credentials, and a budget
/// that is too small for the smallest step.
pub async fn plan_job(
    context: &Context,
    job: &Job,
    ask: Ask,
    prices: &mut totals::Prices,
) -> Result<(Plan, LedgerStore)> {
    clocks::refuse(context, job).await?;
    let now = context.clock.now();
    let (store, _) = LedgerStore::open_to_show(context.lake.clone(), &job.unit, job.source.grain(), now).await?;
    let kept = TableRecord::kept(&context.lake, &job.unit).await?;
    let job = &*kept.as_ref().map_or(Cow::Borrowed(job), |record| record.job_of(job));
    let redefined = account::would_be_same(&context.clients, job, &store, kept.as_ref()).await?;
    let budget = prepare::budget_of(context, job, now).await?;
    let clocks::Timing { moment, behind, .. } = clocks::foresee(context, job, &store).await?;
    let mut ledger = Cow::Borrowed(&store.ledger);
    if redefined.is_some() {
        ledger.to_mut().forget_definition();
    }
    for (_, month) in context.accepted.iter().filter(|(unit, _)| *unit == job.unit) {
        ledger.to_mut().accept(*month, now, |slot| !is_reachable(job, slot, now));
    }
    let mut planned = plan(job, &ledger, moment, ask, None)?;
    prices.share(job, &mut planned);
    if !planned.fetches.is_empty() {
        budget.covers(planned.totals_requests() + least_requests(job, &ledger, &planned.fetches, false))?;
    }
    planned.notes.extend(redefined.map(str::to_owned));
    let elsewhere = context.clients.elsewhere(job).await?;
    planned.notes.extend(elsewhere.map(|address| account::asked_elsewhere(job, &address)));
    planned.notes.extend(behind.map(|error| error.message().to_owned()));
    planned.notes.extend(displaced::notes(job, &store.ledger));
    Ok((planned, store))
}

/// Tests the credentials of a job without paid requests; returns the result in words.
///
/// Cost Explorer itself is not called, because even a small request costs 0.01 USD: AWS is asked for the account of the
/// credentials, which is free, wherever a run may ask. Datadog gets the first request of yesterday's window.
///
/// # Errors
/// The errors that a run would meet.
pub async fn try_credentials(context: &Context, job: &Job) -> Result<String> {
    claim::admit(context, job).await?;
    let identity = context.clients.prove(job).await?;
    let access = match job.entry.provider.api {
        Api::CostExplorer => account::access(&identity),
        Api::Datadog => ask_datadog(context, job).await?,
    };
    let mut prices = totals::Prices::of(std::slice::from_ref(job), context.clock.now(), Ask::Due);
    let (_, mut store) = plan_job(context, job, Ask::Due, &mut prices).await?;
    let is_elsewhere = context.clients.elsewhere(job).await?.is_some();
    let named = store.named().await?;
    let kept = named.as_ref().map_or(Cow::Borrowed(job), |record| record.job_of(job));
    account::same_table(&mut store, named.clone(), &kept, &identity, is_elsewhere, None).await?;
    Ok(access)
}

async fn ask_datadog(context: &Context, job: &Job) -> Result<String> {
    let client = context.clients.open(job).await?;
    let day = crate::window::Window::day(crate::window::days_before(context.clock.now().date_naive(), 1));
    if let Some(request) = job.source.requests(&[day]).first() {
        client.send(request).await?;
    }
    Ok(format!("Datadog at {} answers", client.datadog_address().unwrap_or_default()))
}
