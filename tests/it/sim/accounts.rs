//! The credentials of each run, the bill of a second account, and objects of that account in place of a partition's.
//!
//! Two accounts share the bill, except for one service that only the second has: it shows whose rows an object has.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use chrono::NaiveDate;
use costlake::error::Kind;
use costlake::generation::{Owned, build, describe};
use costlake::job::{AccountCheck, Identity, Job};
use costlake::ledger_store::TableRecord;
use costlake::report::JobReport;
use costlake::request::Answer;
use costlake::unit::Unit;
use costlake::window::{Window, first_of_month};
use fastrand::Rng;

use super::api::told;
use super::bill::{DOLLAR, Day};
use super::history::footer_of;
use super::place::{Place, RECORD};
use super::plans::{Oddity, Plan};
use super::schedule::first_now;
use super::store::Objects;
use super::watch::key_of;
use super::world::{Shared, World, lock};

/// The account of most runs.
pub(super) const HOME: &str = "111122223333";
/// The second account.
pub(super) const OTHER: &str = "444455556666";
/// The service and cost that only the second account has.
const ALONE: (u8, i64) = (77, 7 * DOLLAR);

/// The credentials of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Who {
    /// [`HOME`]'s; the account is neither configured nor requested.
    #[default]
    Unnamed,
    /// [`HOME`]'s; the request to AWS STS failed.
    InVain,
    /// [`HOME`]'s, which is known.
    Home,
    /// [`HOME`]'s, which is known unless the table has its account when the run begins.
    Quiet,
    /// [`OTHER`]'s, which is known.
    Other,
    /// Those of the unit's account, which is known, in a table with accounts.
    Unit,
}

impl Who {
    /// The credentials of this account.
    pub(super) fn of(account: &str) -> Self {
        if account == OTHER { Self::Other } else { Self::Home }
    }

    /// The credentials of the table's account, by its records.
    pub(super) fn of_rows(world: &World) -> Self {
        of_table(&world.objects, &world.watch.place).map_or(Self::Home, |account| Self::of(&account))
    }

    /// The credentials of the last run: those of the table's account.
    pub(super) fn last(world: &Shared, oddity: Option<Oddity>) -> Self {
        match oddity {
            Some(Oddity::Accounts | Oddity::Foreign) => Self::of_rows(&lock(world)),
            Some(Oddity::Units) => Self::Unit,
            _ => Self::default(),
        }
    }

    /// The credentials of the account that does not own the table; the table must have an account by now.
    pub(super) fn not_of(world: &mut World) -> Option<Self> {
        let Some(table) = of_table(&world.objects, &world.watch.place) else {
            world.watch.breaks("I14: a run whose account is known has not written it down");
            return None;
        };
        Some(if Self::of(&table) == Self::Other { Self::Home } else { Self::Other })
    }

    fn account(self) -> Option<&'static str> {
        match self {
            Self::Unnamed | Self::InVain | Self::Quiet | Self::Unit => None,
            Self::Home => Some(HOME),
            Self::Other => Some(OTHER),
        }
    }

    /// What a run of this unit learns of its credentials.
    pub(super) fn identity(self, unit: &Unit) -> Identity {
        let in_vain = AccountCheck::InVain { kind: Kind::Auth, why: "denied".to_owned(), are_refused: false };
        let account_check = match self {
            Self::Unnamed => AccountCheck::None,
            Self::Quiet => AccountCheck::NotAsked("nobody asked"),
            Self::InVain => in_vain,
            Self::Home | Self::Other | Self::Unit => AccountCheck::Told,
        };
        let of_unit = unit.account.clone().filter(|_| self == Self::Unit);
        let aws_account = self.account().map(str::to_owned).or(of_unit);
        Identity { aws_account, account_check, ..Identity::default() }
    }

    /// The day as the API returns it to these credentials.
    pub(super) fn told(self, mut day: Day) -> Day {
        if self == Self::Other {
            day.costs.insert(ALONE.0, ALONE.1);
        }
        day
    }

    /// Whether a run with these credentials must not touch a table of that account.
    fn is_kept_out(self, table: &str) -> bool {
        self == Self::InVain || self.account().is_some_and(|own| own != table)
    }

    /// Whether its rows may get into a table of that account, or of none, undetected.
    fn is_unverified(self, table: Option<&str>) -> bool {
        match self {
            Self::Unnamed => true,
            Self::InVain => table.is_none(),
            Self::Quiet | Self::Home | Self::Other | Self::Unit => false,
        }
    }
}

/// The owner of these rows, and the part that both accounts share.
pub(super) fn whose(day: &Day) -> (Who, Day) {
    let mut rest = day.clone();
    if rest.costs.get(&ALONE.0) == Some(&ALONE.1) {
        rest.costs.remove(&ALONE.0);
        return (Who::Other, rest);
    }
    (Who::Home, rest)
}

/// The account recorded for the table.
pub(super) fn of_table(objects: &Objects, place: &Place) -> Option<String> {
    let written = |key: &str| {
        let object = objects.held.get(key)?;
        let record: serde_json::Value = serde_json::from_slice(&object.bytes).expect("a record");
        record.get("account").and_then(|account| account.as_str().map(str::to_owned))
    };
    written(RECORD).or_else(|| written(&place.account_key()))
}

/// The timing of the runs of a schedule with two accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    AsDrawn,
    /// One after another, so that the table has its account before the later ones begin.
    Apart,
    /// Concurrently on a new table.
    SideBySide,
    /// Concurrently on a table created by a run of unknown account.
    Founded,
}

const ORDERS: [Order; 4] = [Order::AsDrawn, Order::Apart, Order::SideBySide, Order::Founded];

/// Assigns credentials to each run, and start times to some.
pub(super) fn cast(rng: &mut Rng, oddity: Option<Oddity>, plans: &mut [Plan]) {
    match oddity {
        Some(Oddity::Accounts) => cast_two(rng, plans),
        Some(Oddity::Foreign) => {
            plans.iter_mut().for_each(|plan| plan.who = [Who::Home, Who::Quiet][rng.usize(0..2)]);
        }
        _ => {}
    }
}

fn cast_two(rng: &mut Rng, plans: &mut [Plan]) {
    let order = ORDERS[rng.usize(0..ORDERS.len())];
    let known = [Who::Home, Who::Other, Who::Home, Who::Other];
    let any = [Who::Home, Who::Other, Who::Unnamed, Who::InVain];
    let is_side_by_side = matches!(order, Order::SideBySide | Order::Founded);
    let crew = if is_side_by_side || rng.bool() { known } else { any };
    for (at, plan) in (0..).zip(plans) {
        plan.who = crew[rng.usize(0..crew.len())];
        plan.starts = match order {
            Order::AsDrawn => plan.starts,
            Order::Apart => plan.starts + Duration::from_secs(120 * at),
            Order::SideBySide => Duration::from_millis(rng.u64(0..3_000)),
            Order::Founded if at == 0 => {
                plan.who = Who::Unnamed;
                Duration::ZERO
            }
            Order::Founded => Duration::from_millis(60_000 + rng.u64(0..3_000)),
        };
    }
}

/// The other account's object of these days of one partition, with the same job and so the same fingerprint, as the
/// generation following `after`.
fn object(job: &Job, days: &BTreeMap<NaiveDate, Day>, after: u64) -> Bytes {
    let (source, table, grain) = (&job.source, job.source.table(), job.source.grain());
    let first = *days.keys().next().expect("a day");
    let windows = [Window::new(first, first + chrono::Days::new(days.len() as u64)).expect("a window")];
    let mut reader = source.reader(&windows);
    let answer = Answer { status: 200, body: Bytes::from(told(days)), request_id: None, date: None, made_up: false };
    reader.read(&source.requests(&windows)[0], &answer).expect("a good answer");
    let rows = describe(table, grain, &reader.finish().expect("a whole answer"), &source.read_for()).expect("days");
    let fingerprint = TableRecord::of(job, &Identity::default()).digest();
    let owner = Owned { fingerprint, account: Some(OTHER.to_owned()) };
    build(table, grain, grain.partition_of(first), &owner, None, after, rows).expect("an object").bytes.into()
}

/// The random generator and state of outside tampering with objects of the other account.
pub(super) struct Mover {
    pub(super) rng: Rng,
    /// By partition: the object that one of the other account replaced.
    before: BTreeMap<String, Option<Bytes>>,
}

impl Mover {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, before: BTreeMap::new() }
    }

    /// Tampers at random times; does nothing in schedules without it.
    pub(super) async fn works_at_times(&mut self, world: &Shared, oddity: Option<Oddity>, job: &Job) {
        let times = if oddity == Some(Oddity::Foreign) { self.rng.usize(0..4) } else { 0 };
        for _ in 0..times {
            tokio::time::sleep(Duration::from_millis(self.rng.u64(0..12_000))).await;
            self.works(&mut lock(world), job);
        }
    }

    /// With probability one half, tampers once more after all runs have ended.
    pub(super) fn works_at_last(&mut self, world: &mut World, job: &Job) {
        if self.standing().is_empty() && self.rng.bool() {
            self.works(world, job);
        }
    }

    /// Puts an object of the other account in place of a partition's, or moves one away that is there.
    pub(super) fn works(&mut self, world: &mut World, job: &Job) {
        let begin = job.window.begin.expect("a first day");
        let today = first_now().date_naive();
        let reached: Vec<NaiveDate> = begin.iter_days().take_while(|day| *day < today).collect();
        let month = first_of_month(reached[self.rng.usize(0..reached.len())]);
        let partition = month.format("%Y-%m").to_string();
        if self.before.contains_key(&partition) {
            return self.moves_away(world, &partition);
        }
        let days: BTreeMap<NaiveDate, Day> = reached
            .into_iter()
            .filter(|day| first_of_month(*day) == month)
            .map(|day| (day, Who::Other.told(world.bill.now(day))))
            .collect();
        let now = world.objects.held.get(&key_of(&partition)).map(|object| object.bytes.clone());
        let epoch = now.as_ref().map_or(0, |bytes| footer_of(bytes).epoch);
        // A lower generation than the current one, the same, or the next.
        let after = epoch.saturating_sub(self.rng.u64(0..3)) + self.rng.u64(0..2);
        let bytes = object(job, &days, after);
        let event = world.event();
        world.note(|| format!("a hand lays an object of another account into {partition}"));
        world.tally.count(if now.is_some() { OVER } else { INTO });
        world.objects.add(&key_of(&partition), bytes.clone());
        world.watch.strange(event, &partition, bytes);
        self.before.insert(partition, now);
    }

    /// Checks the report of a run that finds such objects.
    pub(super) fn judge_refusal(&self, world: &mut World, report: &JobReport) {
        let is_said = |partition: &String| {
            let of_it = report.fetches.iter().filter(|fetch| fetch.partition == *partition);
            of_it.filter_map(|fetch| fetch.failure.as_ref()).any(|failure| {
                failure.text.contains(&format!("the object belongs to AWS account {OTHER}"))
                    && failure.text.contains("move it away")
            })
        };
        let unsaid: Vec<String> = self.standing().into_iter().filter(|partition| !is_said(partition)).collect();
        if report.exit_code != Kind::Store.exit_code() || !unsaid.is_empty() {
            world.watch.breaks(format!("I15: nothing is said of {unsaid:?}: {report:#?}"));
        }
        world.tally.count(NOT_OVERWRITTEN);
    }

    /// A user follows the error's advice: moves the object away and, in half of the cases, puts the original back.
    fn moves_away(&mut self, world: &mut World, partition: &str) {
        let Some(before) = self.before.remove(partition) else { return };
        let before = before.filter(|_| self.rng.bool());
        let event = world.event();
        world.note(|| format!("a hand moves it away from {partition}, put back: {}", before.is_some()));
        match &before {
            Some(bytes) => world.objects.add(&key_of(partition), bytes.clone()),
            None => _ = world.objects.held.remove(&key_of(partition)),
        }
        world.watch.meddled(event, partition, before);
    }

    /// Partitions whose object is currently one of the other account.
    pub(super) fn standing(&self) -> Vec<String> {
        self.before.keys().cloned().collect()
    }

    pub(super) fn moves_all_away(&mut self, world: &mut World) {
        for partition in self.standing() {
            self.moves_away(world, &partition);
        }
    }
}

/// Names of counters.
const OVER: &str = "another account: its object over the table's";
const INTO: &str = "another account: its object in an empty place";
pub(super) const KEPT_OUT: &str = "another account: runs that are kept out";
pub(super) const TAKES_ON: &str = "another account: tables that take their account on later";
pub(super) const LOSES: &str = "another account: runs that lose a new table to it";
pub(super) const NOT_OVERWRITTEN: &str = "another account: runs that leave its object alone";
pub(super) const COUNTED: [&str; 6] = [OVER, INTO, KEPT_OUT, TAKES_ON, LOSES, NOT_OVERWRITTEN];

impl World {
    /// Called when a run begins with these credentials.
    pub(super) fn begins(&mut self, writer: usize, who: Who) -> Who {
        // The part of an account is the account's from the beginning.
        let own = self.watch.place.account.map(str::to_owned);
        let table = own.or_else(|| of_table(&self.objects, &self.watch.place));
        let who = if who == Who::Quiet && table.is_none() { Who::Home } else { who };
        let is_kept_out = table.as_deref().is_some_and(|table| who.is_kept_out(table));
        if is_kept_out {
            self.tally.count(KEPT_OUT);
        }
        self.watch.begins(writer, who, is_kept_out, who.is_unverified(table.as_deref()));
        who
    }

    /// The day as the API returns it to a writer now.
    pub(super) fn tells(&self, writer: usize, day: NaiveDate) -> Day {
        self.watch.writers[writer].who.told(self.bill.now(day))
    }
}

/// Checks the report of a run that is kept out, or that loses a new table to another account. Faults of its store calls
/// may come first.
pub(super) fn judge_account(world: &mut World, writer: usize, report: &JobReport) {
    let said = report.failure.as_ref().filter(|failure| failure.kind.is(Kind::Auth));
    let of_account = |text: &str| text.contains("belongs to AWS account") || text.contains("cannot be verified");
    let is_told = said.is_some_and(|failure| of_account(&failure.text));
    let (is_kept_out, faults) = (world.watch.writers[writer].is_kept_out, world.watch.writers[writer].faults);
    let is_told = is_told && report.exit_code == Kind::Auth.exit_code();
    // A signal may come before anybody knows whose credentials they are.
    if is_kept_out && faults == 0 && !is_told && !report.was_interrupted() {
        world.watch.breaks(format!("I14: writer {writer} of another account ends with {}", report.exit_code));
    }
    let all = report.failure.iter().chain(report.fetches.iter().filter_map(|fetch| fetch.failure.as_ref()));
    if !is_kept_out && all.into_iter().any(|failure| failure.text.contains("but the credentials to")) {
        world.tally.count(LOSES);
    }
}
