//! Every unit at a glance, in memory: lists, sums and metrics are answered from here, not from the lake.
//!
//! A ledger is read once, and again when the lake has a newer snapshot of it. Whether it has is looked up after
//! [`pace`]; after a run of this process at once. The ledgers are kept compressed: a thousand accounts with a year of
//! days fit into some megabytes, and their states follow the clock without a request.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use futures::StreamExt;
use tokio::time::Instant;

use crate::cents::Cents;
use crate::error::{Error, Kind, Result};
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger::{History, Ledger, Noted};
use crate::ledger_store::{LedgerStore, Snapshot, TableRecord, last_run, read_record, record_keys};
use crate::pipeline::{Context, Look, look};
use crate::plan::{STALE, Slot, SlotState, calendar, spending_since};
use crate::report::JobReport;
use crate::status::line::{Facts, Line};
use crate::status::refused;
use crate::unit::Unit;
use crate::window::{is_ahead, parse_day};

use super::Scheduler;
use super::bill::Bill;
use super::jobs::{JobState, locked};

/// A unit is looked at again after this long, where there are few.
pub const FRESH: Duration = Duration::from_secs(2);
/// More units than this are many.
pub const FEW: usize = 24;
/// One that could not be read is looked at again after this long at most.
const FAILED: Duration = Duration::from_secs(60);
/// Units that are looked at side by side.
const LOOKS: usize = 16;
/// Run records of a unit that are read side by side.
const RECORDS: usize = 4;
/// Days become stale with time: where there are many units, their states are made again after this long.
const MADE_AGAIN: TimeDelta = TimeDelta::minutes(5);
/// How long an answer waits for looks at many units.
const PATIENCE: Duration = Duration::from_millis(150);
/// Run records that are shown of a unit.
pub const SHOWN_RUNS: usize = 50;
/// How far back a restatement counts.
const RESTATED: TimeDelta = TimeDelta::days(7);
/// Hours after its end until a missing day makes its table stale: two nightly runs.
const GRACE_HOURS: i64 = 48;

/// The next version.
static VERSIONS: AtomicU64 = AtomicU64::new(1);

/// How long a look at a unit counts, with so many of them: of many, one a second is looked at.
#[must_use]
pub fn pace(units: usize) -> Duration {
    if units <= FEW { FRESH } else { Duration::from_secs(units as u64) }
}

/// What is known of a unit.
#[derive(Debug, Clone)]
pub struct Known {
    /// The job as it writes its table.
    pub job: Arc<Job>,
    /// Another one for each change of what the lake holds of it; no two units ever have the same.
    pub version: u64,
    /// Notes from reading the ledger.
    pub notes: Vec<String>,
    /// The origin of its figures, and whether a run could begin.
    pub look: Look,
    /// Its last run that says something about the table.
    pub last: Option<Arc<JobReport>>,
    /// Keys of its run records, the newest first.
    pub records: Arc<[String]>,
    /// Cost of the requests of its runs in this calendar month.
    pub usd_this_month: Cents,
    /// What is counted of its days.
    pub glance: Glance,
    ledger: Packed,
    record: Option<Arc<TableRecord>>,
    costs: Arc<BTreeMap<String, Cents>>,
}

/// What is counted of the days of a unit.
#[derive(Debug, Clone)]
pub struct Glance {
    /// When it was counted.
    pub at: DateTime<Utc>,
    /// The unit in a line.
    pub line: Line,
    /// Days (or months) by state, and whether they are stale.
    pub days: BTreeMap<(SlotState, bool), u64>,
    /// Whether a person should look: days are out of date, or have been missing for two nights.
    pub lags: bool,
    /// Days whose rows are out of date.
    pub stale: u64,
    /// When any of its days was last read, or its totals compared.
    pub checked_at: Option<DateTime<Utc>>,
    /// Rows in the lake.
    pub rows: u64,
    /// Bytes of its objects.
    pub bytes: u64,
    /// What its newest days cost; `None` if it is no table of exact costs.
    pub bill: Option<Bill>,
    /// Slots whose rows were replaced by others in the last seven days.
    pub restated: u64,
}

impl Glance {
    fn of(facts: Facts<'_>, now: DateTime<Utc>) -> Self {
        let Facts { job, slots, ledger, .. } = facts;
        let mut days = BTreeMap::new();
        slots.iter().for_each(|slot| *days.entry((slot.state, slot.gap() == Some(STALE))).or_default() += 1);
        Self {
            at: now,
            line: Line::of(facts, now),
            days,
            lags: lags(job, slots, now),
            stale: slots.iter().filter(|slot| slot.stale).count() as u64,
            checked_at: checked_at(ledger),
            rows: ledger.facts().map(|(_, facts)| facts.rows).sum(),
            bytes: ledger.partitions.values().map(|partition| partition.bytes).sum(),
            bill: Bill::of(job, ledger, now),
            restated: if job.entry.rules.snapshot { 0 } else { restated(ledger, now - RESTATED) },
        }
    }

    /// Whether days are held for review.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.days.keys().any(|(state, _)| *state == SlotState::Held)
    }
}

/// Slots that were restated at `since` or later, each once.
fn restated(ledger: &Ledger, since: DateTime<Utc>) -> u64 {
    let in_partition = |history: &History| {
        let is_late = |epoch: &u64| history.generations.get(epoch).is_some_and(|at| *at >= since);
        history.revisions.values().filter(|known| known.keys().any(is_late)).count() as u64
    };
    ledger.partitions.values().map(|partition| in_partition(&partition.history)).sum()
}

/// When any day of a table was last read, or its totals compared.
#[must_use]
pub fn checked_at(ledger: &Ledger) -> Option<DateTime<Utc>> {
    let days = ledger.partitions.values().flat_map(|partition| partition.days.values());
    days.map(|day| day.read_at).chain(ledger.probed_at).max()
}

/// Whether a table lags behind: days are out of date, or missing for more than two nights.
#[must_use]
pub fn lags(job: &Job, slots: &[Slot], now: DateTime<Utc>) -> bool {
    let grain = job.source.grain();
    let overdue = |slot: &Slot| {
        let end = grain.slot_window(slot.day).end().and_time(chrono::NaiveTime::MIN).and_utc();
        slot.state == SlotState::Missing && now - end >= TimeDelta::hours(GRACE_HOURS)
    };
    if job.entry.rules.snapshot {
        let newest = slots.iter().filter_map(|slot| slot.known.as_ref()).map(|known| known.read_at).max();
        return newest.is_some_and(|read| now - read >= TimeDelta::hours(GRACE_HOURS));
    }
    let has_gap = |slot: &Slot| slot.state != SlotState::Missing && slot.gap().is_some();
    slots.iter().any(|slot| has_gap(slot) || overdue(slot))
}

/// A ledger as JSON, compressed; what a look adds to it stands beside it.
#[derive(Debug, Clone)]
struct Packed {
    snapshot: Option<Snapshot>,
    bytes: Arc<[u8]>,
    doubted: BTreeMap<NaiveDate, Noted>,
}

impl Packed {
    fn of(snapshot: Option<Snapshot>, ledger: &Ledger) -> Result<Self> {
        let broken = |error: std::io::Error| Error::new(Kind::Internal, "cannot keep a ledger").because(error);
        let text = serde_json::to_vec(ledger).map_err(|error| broken(error.into()))?;
        let bytes = zstd::encode_all(text.as_slice(), 1).map_err(broken)?;
        Ok(Self { snapshot, bytes: bytes.into(), doubted: ledger.doubted.clone() })
    }

    fn ledger(&self) -> Result<Ledger> {
        let broken = || Error::new(Kind::Internal, "a ledger that was kept cannot be read");
        let text = zstd::decode_all(&*self.bytes).map_err(|error| broken().because(error))?;
        let mut ledger = Ledger::parse(&text)?.ok_or_else(broken)?;
        ledger.date_generations();
        ledger.doubted = self.doubted.clone();
        Ok(ledger)
    }
}

impl Known {
    /// The ledger of its table.
    ///
    /// # Errors
    /// Only for a defect of costlake.
    pub fn ledger(&self) -> Result<Ledger> {
        self.ledger.ledger()
    }

    /// All notes on the table, including the origin of its figures and why runs are refused.
    #[must_use]
    pub fn all_notes(&self) -> Vec<String> {
        all_notes(&self.notes, &self.look)
    }

    /// The same unit with its days counted at another time.
    pub(super) fn at(&self, now: DateTime<Utc>) -> Result<Self> {
        let (ledger, job) = (self.ledger()?, &self.job);
        Ok(Self {
            glance: glance(job, &ledger, &self.all_notes(), &self.look, self.last.as_deref(), now),
            ..self.clone()
        })
    }
}

fn all_notes(notes: &[String], look: &Look) -> Vec<String> {
    notes.iter().chain(&look.origin).cloned().chain(look.refused.as_ref().map(refused)).collect()
}

fn glance(
    job: &Job,
    ledger: &Ledger,
    notes: &[String],
    look: &Look,
    last: Option<&JobReport>,
    now: DateTime<Utc>,
) -> Glance {
    let slots = calendar(job, ledger, now);
    Glance::of(Facts { job, slots: &slots, ledger, notes, refused: look.refused.as_ref(), last }, now)
}

/// What the last look at a unit found.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// What is known of it; `None` if it has never been read.
    pub known: Option<Arc<Known>>,
    /// The error of the last look, with its exit code.
    pub failed: Option<(String, u8)>,
    /// Job and runs of this process that it was looked at for, and when.
    looked: Option<(Instant, u64, Arc<Job>)>,
}

impl Seen {
    /// Whether nothing is known of it yet, not even that it cannot be read.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.known.is_none() && self.failed.is_none()
    }

    fn is_fresh(&self, current: &JobState, age: Duration) -> bool {
        let age = if self.failed.is_some() { age.min(FAILED) } else { age };
        self.looked.as_ref().is_some_and(|(at, runs, job)| {
            at.elapsed() < age && *runs == current.runs_ended && Arc::ptr_eq(job, &current.job)
        })
    }
}

#[derive(Debug, Default)]
struct Entry {
    seen: Seen,
    /// One look at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// All units.
#[derive(Debug, Default)]
pub struct Glances {
    entries: Mutex<BTreeMap<Unit, Entry>>,
    /// Held while many units are looked at: one round at a time.
    round: Arc<tokio::sync::Mutex<()>>,
}

impl Glances {
    /// What is known of a unit.
    #[must_use]
    pub fn of(&self, unit: &Unit) -> Seen {
        locked(&self.entries).get(unit).map(|entry| entry.seen.clone()).unwrap_or_default()
    }

    fn keep(&self, unit: &Unit, seen: Seen) {
        if let Some(entry) = locked(&self.entries).get_mut(unit) {
            entry.seen = seen;
        }
    }

    fn turn(&self, unit: &Unit) -> Arc<tokio::sync::Mutex<()>> {
        locked(&self.entries).entry(unit.clone()).or_default().turn.clone()
    }

    /// What changes with every look that found something else.
    #[must_use]
    pub fn state(&self) -> (u64, u64) {
        let entries = locked(&self.entries);
        let newest = entries.values().filter_map(|entry| Some(entry.seen.known.as_ref()?.version)).max();
        (newest.unwrap_or(0), entries.values().filter(|entry| entry.seen.known.is_some()).count() as u64)
    }

    fn forget_but(&self, units: &BTreeSet<&Unit>) {
        locked(&self.entries).retain(|unit, _| units.contains(unit));
    }
}

impl Scheduler {
    /// What is known of a unit, looked at again if that is older than `age`, or if a run has ended since.
    pub async fn seen(&self, current: &JobState, age: Duration) -> Seen {
        let unit = &current.job.unit;
        let turn = self.glances.turn(unit);
        let _turn = turn.lock().await;
        let before = self.glances.of(unit);
        if before.is_fresh(current, age) {
            return before;
        }
        let known = read(&self.context, current, before.known.as_deref(), self.clock().now()).await;
        let looked = Some((Instant::now(), current.runs_ended, Arc::clone(&current.job)));
        let seen = match known {
            Ok(known) => Seen { known: Some(Arc::new(known)), failed: None, looked },
            Err(error) => {
                Seen { known: before.known, failed: Some((error.report(), error.kind().exit_code())), looked }
            }
        };
        self.glances.keep(unit, seen.clone());
        seen
    }

    /// Looks at every unit whose last look is too long ago. Waits for all of them where there are few; where there are
    /// many, only a moment: what is known answers, and the looks go on.
    pub async fn look_at_units(self: &Arc<Self>) {
        if self.jobs.number() <= FEW {
            return self.look_around().await;
        }
        self.begin_round();
        // The round holds the lock until its end. Where it takes longer, what is known so far answers.
        let _ = tokio::time::timeout(PATIENCE, self.glances.round.lock()).await;
    }

    /// Looks at units that a run of this process has changed since their last look, without waiting for it.
    pub fn look_at_news(self: &Arc<Self>) {
        let is_new = |current: &JobState| {
            let looked = self.glances.of(&current.job.unit).looked;
            looked.is_some_and(|(_, runs, _)| runs != current.runs_ended)
        };
        if self.jobs.states().iter().any(is_new) {
            self.begin_round();
        }
    }

    fn begin_round(self: &Arc<Self>) {
        if let Ok(turn) = Arc::clone(&self.glances.round).try_lock_owned() {
            let scheduler = Arc::clone(self);
            tokio::spawn(async move {
                scheduler.look_around().await;
                drop(turn);
            });
        }
    }

    async fn look_around(&self) {
        let mut states = self.jobs.states();
        self.glances.forget_but(&states.iter().map(|current| &current.job.unit).collect());
        let (age, is_few) = (pace(states.len()), states.len() <= FEW);
        // First what a run of this process has changed.
        let is_old = |current: &JobState| {
            let looked = self.glances.of(&current.job.unit).looked;
            looked.is_none_or(|(_, runs, _)| runs == current.runs_ended)
        };
        states.sort_by_cached_key(is_old);
        let look = async |current: JobState| {
            let age = if is_few { age } else { spread(&current.job.unit, age) };
            let seen = self.seen(&current, age).await;
            if let Some(known) = &seen.known {
                self.count_again(&current.job.unit, known, is_few).await;
            }
            tokio::task::yield_now().await;
        };
        futures::stream::iter(states).for_each_concurrent(LOOKS, look).await;
    }

    /// Counts the days of a unit again, if the last time is too long ago, unless somebody has looked at it meanwhile.
    async fn count_again(&self, unit: &Unit, known: &Arc<Known>, is_few: bool) {
        let now = self.clock().now();
        let since = (now - known.glance.at).abs();
        if since < MADE_AGAIN && !(is_few && since >= TimeDelta::seconds(1)) {
            return;
        }
        let turn = self.glances.turn(unit);
        let _turn = turn.lock().await;
        let seen = self.glances.of(unit);
        if seen.known.as_ref().is_some_and(|newest| Arc::ptr_eq(newest, known)) {
            match known.at(now) {
                Ok(known) => self.glances.keep(unit, Seen { known: Some(Arc::new(known)), ..seen }),
                Err(error) => tracing::warn!("{}", unit.names(error)),
            }
        }
    }
}

/// From half of `age` on, another part of it for each unit: many that were read at once are not looked at again at once.
fn spread(unit: &Unit, age: Duration) -> Duration {
    let mut hasher = DefaultHasher::new();
    unit.hash(&mut hasher);
    let part = u32::try_from(hasher.finish() % 512).unwrap_or_default();
    age / 2 + age / 1024 * part
}

/// Reads what has changed of a unit. During a run an object may briefly be ahead of the ledger, so the two are not
/// compared then.
async fn read(context: &Context, current: &JobState, before: Option<&Known>, now: DateTime<Utc>) -> Result<Known> {
    let (lake, job) = (&context.lake, &current.job);
    let at_hand = |snapshot| before.filter(|known| known.ledger.snapshot == Some(snapshot))?.ledger().ok();
    let opened =
        LedgerStore::open_again(lake.clone(), &job.unit, (job.source.grain(), now), at_hand, current.live.is_none());
    let (store, mut notes) = opened.await?;
    notes.extend(job.aws.note());
    let runs = read_runs(lake, &job.unit, before, now).await?;
    let mut record = before.and_then(|known| known.record.clone());
    let has_new_runs = before.is_none_or(|known| known.records != runs.records);
    let is_missed = record.is_none() && !store.ledger.partitions.is_empty();
    if before.is_none() || has_new_runs || is_missed {
        record = TableRecord::kept(lake, &job.unit).await?.map(Arc::new);
    }
    let writes = match record.as_ref().map(|record| record.job_of(job)) {
        Some(Cow::Owned(grown)) => Arc::new(grown),
        _ => Arc::clone(job),
    };
    let look = look(&context.clients, job, &store, record.as_deref()).await?;
    let ledger = Packed::of(store.opened_from(), &store.ledger)?;
    let is_same = |known: &&Known| {
        known.ledger.bytes == ledger.bytes && known.ledger.doubted == ledger.doubted && known.records == runs.records
    };
    let version =
        before.filter(is_same).map_or_else(|| VERSIONS.fetch_add(1, Ordering::Relaxed), |known| known.version);
    let glance = glance(&writes, &store.ledger, &all_notes(&notes, &look), &look, runs.last.as_deref(), now);
    Ok(Known {
        job: writes,
        version,
        notes,
        look,
        last: runs.last,
        usd_this_month: runs.costs.values().copied().sum(),
        records: runs.records,
        glance,
        ledger,
        record,
        costs: Arc::new(runs.costs),
    })
}

struct Runs {
    records: Arc<[String]>,
    costs: BTreeMap<String, Cents>,
    last: Option<Arc<JobReport>>,
}

/// Reads the records that are new: those of this month for what they cost, and as many as it takes to find the last run
/// that was not interrupted.
async fn read_runs(lake: &Lake, unit: &Unit, before: Option<&Known>, now: DateTime<Utc>) -> Result<Runs> {
    let mut keys = record_keys(lake, unit).await?;
    let month = spending_since(now);
    let known = |key: &String| before.and_then(|known| known.costs.get(key)).copied();
    let of_month: Vec<&String> = keys.iter().filter(|key| is_since(key, month)).collect();
    let mut costs: BTreeMap<String, Cents> =
        of_month.iter().filter_map(|key| Some(((*key).clone(), known(key)?))).collect();
    let new: Vec<&String> = of_month.into_iter().filter(|key| known(key).is_none()).collect();
    let reads: Vec<_> = new.iter().map(|key| read_record(lake, key)).collect();
    let found: Vec<_> = futures::stream::iter(reads).buffered(RECORDS).collect().await;
    let tells = |run: &JobReport| run.command == "run" && !run.was_interrupted();
    let mut last = before.and_then(|known| known.last.clone()).filter(|last| !is_ahead(last.started_at, now));
    for (key, report) in new.into_iter().zip(found) {
        let report = report?;
        // A run whose clock is ahead is looked at again until its time has come.
        if report.as_ref().is_some_and(|report| is_ahead(report.started_at, now)) {
            continue;
        }
        costs.insert(key.clone(), report.as_ref().map_or(Cents::ZERO, |report| report.asked.cost()));
        let is_newer = |run: &JobReport| {
            last.as_ref().is_none_or(|last| (last.started_at, &last.run_id) < (run.started_at, &run.run_id))
        };
        if let Some(report) = report.filter(|run| tells(run) && is_newer(run)) {
            last = Some(Arc::new(report));
        }
    }
    if last.is_none() && before.is_none() {
        last = last_run(lake, unit, now).await?.map(Arc::new);
    }
    keys.truncate(SHOWN_RUNS);
    Ok(Runs { records: keys.into(), costs, last })
}

/// Whether a record's key is dated `first` or later.
fn is_since(key: &str, first: NaiveDate) -> bool {
    key.rsplit('/').nth(1).and_then(parse_day).is_some_and(|day| day >= first)
}
