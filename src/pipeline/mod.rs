//! The pipeline: the only room where source, doors, lake and ledger meet.
//!
//! ```text
//!  open door ─► open books ─► same table? ─► plan ─► fetches, a few side by side ─► run record
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use futures::StreamExt;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info, info_span};

use crate::clock::Clock;
use crate::doors::{Door, Doors};
use crate::error::{Error, Kind, Result};
use crate::job::{Job, Refresh};
use crate::lake::Lake;
use crate::ledger_store::{LedgerStore, TableRecord, observe};
use crate::plan::{Ask, Fetch, Plan, plan, reach, spending_since, stages};
use crate::report::{Asked, FetchReport, JobReport, Outcome};
use crate::sources::Provider;
use crate::totals::Totals;

pub mod budget;
mod control;
mod fetch;
pub mod publish;
mod raw;
pub mod rebuild;
mod renew;
pub mod repair;
mod replay;
pub mod send;
mod series;
pub mod totals;
pub mod verify;

use budget::Budget;
use send::Patience;

/// What a run tells while it works, for progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The job is planned.
    Planned {
        /// The job.
        job: String,
        /// Fetches ahead.
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
        /// What the fetch asked so far.
        asked: Asked,
    },
    /// A fetch ended.
    FetchEnded {
        /// Its partition.
        partition: String,
        /// How.
        outcome: Outcome,
    },
    /// The job ended.
    JobEnded {
        /// The job.
        job: String,
    },
}

/// Who hears of events.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// What all jobs of a process share.
#[derive(Clone)]
pub struct Context {
    /// Doors to the APIs.
    pub doors: Arc<Doors>,
    /// The lake.
    pub lake: Arc<Lake>,
    /// The clock.
    pub clock: Clock,
    /// How long failing requests are tried.
    pub patience: Patience,
    /// Cancelled by a signal.
    pub cancel: CancellationToken,
    /// `--single-writer`.
    pub single_writer: bool,
    /// Whether budgets count; the sandbox of `demo` charges nobody.
    pub no_budget: bool,
    /// Who hears of events.
    pub listener: Option<Listener>,
    /// Questions for totals that the jobs of a run share.
    pub totals: Arc<totals::Shared>,
}

/// One job while it runs.
pub(crate) struct JobRun<'a> {
    context: &'a Context,
    job: &'a Job,
    door: Door,
    books: Mutex<LedgerStore>,
    budget: Budget,
    fingerprint: String,
    record: TableRecord,
    run_id: String,
    halted: AtomicBool,
    /// Whether any request of the run was answered.
    answered: AtomicBool,
    /// Whether objects are written anew although they may say that they hold what is read: their rows are broken.
    rewrites: bool,
    /// The API's totals of the days that are read, where it tells them.
    totals: Mutex<Option<Totals>>,
}

impl JobRun<'_> {
    fn now(&self) -> DateTime<Utc> {
        self.context.clock.now()
    }

    fn tell(&self, event: Event) {
        if let Some(listener) = &self.context.listener {
            listener(event);
        }
    }

    /// Whether replaced generations are kept; broken ones are not.
    fn keeps_history(&self) -> bool {
        self.job.keep_history && !self.rewrites
    }

    fn halted(&self) -> bool {
        self.halted.load(Ordering::Relaxed) || self.context.cancel.is_cancelled()
    }

    /// After some errors the other fetches of the job have no chance either: an API that never answered anything will
    /// not answer them. One that did may fail for this window alone, so the others go on.
    fn halt_after(&self, kind: Kind, asked: &Asked) {
        let hopeless = matches!(kind, Kind::Auth | Kind::Budget | Kind::Config | Kind::Internal);
        let silent = kind.is_transient() && asked.pages == 0 && !self.answered.load(Ordering::Relaxed);
        if hopeless || silent {
            self.halted.store(true, Ordering::Relaxed);
        }
    }
}

/// A name for a run: its start and eight random digits.
#[must_use]
pub fn new_run_id(now: DateTime<Utc>) -> String {
    format!("{}-{:08x}", now.format("%Y%m%dT%H%M%SZ"), fastrand::u32(..))
}

/// Runs one job and reports; errors are in the report.
pub async fn run_job(context: &Context, job: &Job, command: &str, ask: Ask) -> JobReport {
    let started = context.clock.now();
    let clock = Instant::now();
    let run_id = new_run_id(started);
    let span = info_span!("job", job = %job.name, run = %run_id);
    let mut report = JobReport::begin(&job.name, &run_id, command, started, context.clock.fixed().is_some());
    let worked = work(context, job, &run_id, ask, &mut report).instrument(span.clone()).await;
    if let Err(error) = worked {
        report.failure = Some((&error.at("job", &job.name)).into());
    }
    report.duration_ms = u64::try_from(clock.elapsed().as_millis()).unwrap_or(u64::MAX);
    report.close();
    if report.failure.as_ref().is_none_or(|failure| failure.kind != Kind::Config.name())
        && let Err(error) = LedgerStore::record_run(&context.lake, &report).await
        && report.failure.is_none()
    {
        report.failure = Some((&error).into());
        report.close();
    }
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
        listener(Event::JobEnded { job: job.name.clone() });
    }
    report
}

async fn work(context: &Context, job: &Job, run_id: &str, ask: Ask, report: &mut JobReport) -> Result<()> {
    context.lake.prove_conditions(context.single_writer).await?;
    let door = context.doors.open(job).await?;
    let now = context.clock.now();
    let (mut books, notes) = LedgerStore::open(context.lake.clone(), &job.name, job.source.grain(), now).await?;
    report.notes.extend(notes);
    let record = TableRecord::of(job, &door.identity);
    let mut planned = plan(job, &books.ledger, now, ask, None)?;
    books.check(&record).await?;
    let fingerprint = record.digest();
    if catch_up(context, job, &mut books, &planned, &fingerprint, now).await? {
        planned = plan(job, &books.ledger, now, ask, None)?;
    }
    let budget = budget_of(context, job, now).await?;
    let run = JobRun {
        context,
        job,
        door,
        books: Mutex::new(books),
        budget,
        fingerprint,
        record,
        run_id: run_id.to_owned(),
        halted: AtomicBool::new(false),
        answered: AtomicBool::new(false),
        rewrites: matches!(ask, Ask::Known { .. }),
        totals: Mutex::default(),
    };
    planned = with_totals(&run, planned, ask, report).await?;
    report.notes.extend(planned.notes.iter().cloned());
    run.tell(Event::Planned {
        job: job.name.clone(),
        fetches: planned.fetches.len() as u64,
        expected: planned.expected_requests(),
    });
    report.fetches = run_fetches(&run, &planned).await;
    if context.cancel.is_cancelled() {
        return Err(send::interrupted());
    }
    if let Err(error) = run.books.lock().await.prune().await {
        report.notes.push(format!("old ledger snapshots stay, which harms nothing: {error}"));
    }
    Ok(())
}

/// Asks a probing job's totals: of all it can reach, to decide what is due; of a range, as its control sums.
async fn with_totals(run: &JobRun<'_>, planned: Plan, ask: Ask, report: &mut JobReport) -> Result<Plan> {
    let job = run.job;
    if job.window.refresh != Refresh::Probe {
        return Ok(planned);
    }
    let probes = ask == Ask::Due;
    let window = if probes { reach(job, run.now()) } else { planned.hull() };
    let Some(window) = window else { return Ok(planned) };
    let asked = totals::of_window(run, window, &mut report.totals_asked).await;
    let found = asked.map_err(|error| error.at("window", window))?;
    (*run.totals.lock().await).clone_from(&found);
    if !probes {
        return Ok(Plan { totals_requests: 0, ..planned });
    }
    let mut books = run.books.lock().await;
    let planned = plan(job, &books.ledger, run.now(), ask, found.as_ref())?;
    books.ledger.probed_at = Some(run.now());
    books.save(&run.run_id, run.now()).await?;
    Ok(planned)
}

/// Runs the fetches side by side in two stages: days never read come first, so that days that are only read again
/// cannot use up the budget of the former. Where the budget does not reach for everything, the stages share no fetch,
/// and days are read again in the order of their last read.
async fn run_fetches(run: &JobRun<'_>, planned: &Plan) -> Vec<FetchReport> {
    let ledger = run.books.lock().await.ledger.clone();
    let tight = run.budget.room().is_some_and(|room| planned.expected_requests() > room);
    let stages = stages(run.job, &ledger, &planned.fetches, tight);
    let one = |planned: &Fetch| {
        let span = info_span!("fetch", partition = %planned.partition);
        let planned = planned.clone();
        async move { fetch::run(run, &planned).await }.instrument(span)
    };
    let mut reports = Vec::new();
    for fetches in &stages {
        let running = futures::stream::iter(fetches).map(one).buffer_unordered(run.job.limits.fetches_in_flight);
        reports.extend(running.collect::<Vec<_>>().await);
    }
    reports
}

/// Looks at the objects of the planned partitions and takes over those that are ahead of the ledger, so that a run
/// that died between the data and the ledger is not paid for twice.
async fn catch_up(
    context: &Context,
    job: &Job,
    books: &mut LedgerStore,
    planned: &Plan,
    fingerprint: &str,
    now: DateTime<Utc>,
) -> Result<bool> {
    let mut ahead = false;
    // Collected first: the compiler cannot tell that a future over this closure may move between threads.
    let looks: Vec<_> =
        planned.fetches.iter().map(|fetch| observe(&context.lake, &job.name, fetch.partition)).collect();
    let seen: Vec<_> = futures::stream::iter(looks).buffered(8).collect().await;
    for seen in seen {
        // An object that cannot be read, or is another table's, is the business of its own fetch.
        let Ok(Some(seen)) = seen else { continue };
        if seen.footer.fingerprint != fingerprint {
            continue;
        }
        let known = books.ledger.partitions.get(&seen.footer.partition).map_or(0, |state| state.epoch);
        if seen.footer.epoch > known {
            books.ledger.adopt(&seen.footer, seen.size, &std::collections::BTreeSet::new(), now, now);
            ahead = true;
        }
    }
    Ok(ahead)
}

/// The cap of this run: the job's own, or what the month's dollars leave, whichever is less.
async fn budget_of(context: &Context, job: &Job, now: DateTime<Utc>) -> Result<Budget> {
    const PER_RUN: &str = "budget.max_requests_per_run";
    const PER_MONTH: &str = "budget.max_usd_per_month";
    if context.no_budget || job.entry.provider != Provider::CostExplorer {
        return Ok(Budget::new(None, PER_RUN));
    }
    let per_run = job.budget.max_requests_per_run;
    let Some(cents) = job.budget.max_cents_per_month else { return Ok(Budget::new(per_run, PER_RUN)) };
    let spent = LedgerStore::charged_pages_since(&context.lake, &job.name, spending_since(now)).await?;
    let left = cents.saturating_sub(spent);
    if left == 0 {
        return Err(Error::new(
            Kind::Budget,
            format!("the runs of this month have spent {} USD on requests", crate::report::usd(spent)),
        )
        .at("key", PER_MONTH)
        .advise("raise budget.max_usd_per_month, or wait for the next month"));
    }
    Ok(if per_run.is_none_or(|cap| left < cap) {
        Budget::new(Some(left), PER_MONTH)
    } else {
        Budget::new(per_run, PER_RUN)
    })
}

/// The plan of a job without running it, and the books it rests on.
///
/// # Errors
/// As the run itself would fail before its first request.
pub async fn plan_job(context: &Context, job: &Job, ask: Ask) -> Result<(Plan, LedgerStore)> {
    let now = context.clock.now();
    let (books, _) = LedgerStore::open(context.lake.clone(), &job.name, job.source.grain(), now).await?;
    let planned = plan(job, &books.ledger, now, ask, None)?;
    Ok((planned, books))
}

/// Tries the credentials of a job without sending anything that costs; says what was found.
///
/// Cost Explorer itself is not asked, because even a small question costs 0.01 USD: AWS is asked whose the credentials
/// are, which is free. Datadog is asked the first request of yesterday's window.
///
/// # Errors
/// What a run would meet.
pub async fn try_credentials(context: &Context, job: &Job) -> Result<String> {
    let door = context.doors.open(job).await?;
    if job.entry.provider == Provider::CostExplorer {
        let account = context.doors.aws_account(job).await?;
        return Ok(format!("AWS account {account}; Cost Explorer itself was not asked (0.01 USD)"));
    }
    let day = crate::window::Window::day(crate::window::days_before(context.clock.now().date_naive(), 1));
    if let Some(request) = job.source.requests(&[day]).first() {
        door.send(request).await?;
    }
    Ok(format!("Datadog at {} answers", door.identity.datadog_site.unwrap_or_default()))
}
