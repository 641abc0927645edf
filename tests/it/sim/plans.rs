//! The random draws before a schedule begins: the variant of its job and of its runs.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use costlake::job::{self, Job};
use costlake::plan::{Ask, range};
use fastrand::Rng;

use super::accounts::Who;
use super::savings::SOURCE as SAVINGS;
use super::schedule::{day, first_now};

const COSTS: &str = r#"{ type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ dimension = "SERVICE" }] }"#;

/// The special scenario of a schedule, by its seed; it draws no random numbers, so the schedules of other seeds stay
/// the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    /// For a while 95 % of the calls to the store fail.
    Outage,
    /// The job accepts rows that miss their total.
    TakesAll,
    /// One day is restated and reverted under three writers whose object writes are slow.
    ThereAndBack,
    /// The source is Datadog's savings.
    Savings,
    /// The API's groups never add up to its totals.
    Disagrees,
    /// Objects are replaced and removed by outside tampering.
    Hand,
    /// The refresh rule covers four days, and after the first runs the job does not run for longer than that.
    LongOutage,
    /// The first writer's clock is ten days ahead; the others' are right.
    ClockAhead,
    /// Runs have the credentials of two accounts, or of an unknown one.
    Accounts,
    /// Objects of another account are put into the table.
    Foreign,
    /// The table has accounts, and their units are worked on at the same time.
    Units,
}

impl Oddity {
    pub(super) fn of(seed: u64) -> Option<Self> {
        match seed % 16 {
            1 => Some(Self::Disagrees),
            2 => Some(Self::Accounts),
            3 => Some(Self::Outage),
            5 => Some(Self::Hand),
            7 => Some(Self::TakesAll),
            9 => Some(Self::LongOutage),
            10 => Some(Self::Foreign),
            11 => Some(Self::ThereAndBack),
            13 => Some(Self::ClockAhead),
            14 => Some(Self::Units),
            15 => Some(Self::Savings),
            _ => None,
        }
    }
}

/// The variant of a schedule's job.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variant {
    pub(super) takes_all: bool,
    pub(super) savings: bool,
    pub(super) two_months: bool,
    pub(super) probe: bool,
    pub(super) short: bool,
    pub(super) tight: bool,
    pub(super) keeps_all: bool,
}

impl Variant {
    pub(super) fn draw(rng: &mut Rng, oddity: Option<Oddity>) -> Self {
        let savings = oddity == Some(Oddity::Savings);
        let short = oddity == Some(Oddity::LongOutage);
        Self {
            takes_all: oddity == Some(Oddity::TakesAll),
            savings,
            two_months: rng.bool(),
            probe: rng.bool() && !savings && !short,
            short,
            tight: rng.u8(0..8) == 0,
            keeps_all: rng.u8(0..16) == 0,
        }
    }

    pub(super) fn begin(self) -> NaiveDate {
        day(if self.two_months { "2026-10-31" } else { "2026-11-01" })
    }

    /// The request budget of a run, where requests are charged.
    pub(super) fn cap(self) -> Option<u64> {
        let cap = if self.tight { 5 } else { 500 };
        (!self.savings).then_some(cap)
    }

    pub(super) fn job(self) -> Job {
        self.job_with("")
    }

    /// The job of a table with these accounts.
    pub(super) fn job_of(self, accounts: &[&str]) -> Job {
        let list: Vec<String> = accounts.iter().map(|id| format!(r#"{{ id = "{id}" }}"#)).collect();
        self.job_with(&format!("accounts = {{ list = [{}] }}", list.join(", ")))
    }

    fn job_with(self, accounts: &str) -> Job {
        let (source, control) = match (self.savings, self.takes_all) {
            (true, _) => (SAVINGS, ""),
            (false, true) => (COSTS, r#", control = "report""#),
            (false, false) => (COSTS, r#", control = "enforce""#),
        };
        let budget = self.cap().map(|cap| format!("budget = {{ max_requests_per_run = {cap} }}")).unwrap_or_default();
        let text = format!(
            r#"
            source = {source}
            window = {{ begin = "{}", refresh = "{}"{control} }}
            {budget}
            lake = {{ keep_raw = {}, keep_history = {} }}
            {accounts}
            "#,
            self.begin(),
            match (self.probe, self.short) {
                (true, _) => "probe",
                (false, true) => "4 days",
                (false, false) => "40 days",
            },
            self.keeps_all,
            self.keeps_all,
        );
        job::parse(std::path::Path::new("cost.toml"), &text).unwrap_or_else(|problems| panic!("{problems:?}"))
    }
}

/// One run of a schedule.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) starts: Duration,
    pub(super) now: DateTime<Utc>,
    pub(super) ask: Ask,
    /// It is dropped after this many polls.
    pub(super) polls: Option<u32>,
    /// When a signal arrives.
    pub(super) signal: Option<Duration>,
    /// Its credentials.
    pub(super) who: Who,
}

impl Plan {
    pub(super) fn draw(rng: &mut Rng, begin: NaiveDate) -> Self {
        let spread = if rng.u8(0..4) == 0 { 600_000 } else { 8_000 };
        let hours = match rng.u8(0..32) {
            0..=17 => 0,
            18..=21 => 18,
            22..=25 => 24,
            26..=29 => -24,
            30 => 24 * 14,
            _ => 24 * 3,
        };
        let from = begin + chrono::Days::new(rng.u64(0..2));
        let window = range(from, from + chrono::Days::new(rng.u64(0..2))).expect("a range");
        let ask = if rng.u8(0..4) == 0 { Ask::Range { window, missing_only: rng.u8(0..4) == 0 } } else { Ask::Due };
        Self {
            starts: Duration::from_millis(rng.u64(0..spread)),
            now: first_now() + chrono::Duration::hours(hours),
            ask,
            polls: (rng.u8(0..6) == 0).then(|| rng.u32(1..160)),
            signal: (rng.u8(0..14) == 0).then(|| Duration::from_millis(rng.u64(0..10_000))),
            who: Who::default(),
        }
    }

    /// The same with another clock.
    pub(super) fn by(self, now: DateTime<Utc>) -> Self {
        Self { now, ..self }
    }

    /// The first writer may end before the day is restated; the second reads before it is reverted, the third after.
    pub(super) fn around_a_flip(rng: &mut Rng, writer: usize) -> Self {
        let starts = [0, rng.u64(THERE..THERE + 5_000), rng.u64(BACK..BACK + 15_000)][writer];
        let starts = Duration::from_millis(starts);
        Self { starts, now: first_now(), ask: Ask::Due, polls: None, signal: None, who: Who::default() }
    }
}

/// Sets the clocks of a schedule's writers; returns that of the clean run after them.
pub(super) fn set_clocks(rng: &mut Rng, oddity: Option<Oddity>, plans: &mut [Plan]) -> DateTime<Utc> {
    let days = |count: u64| first_now() + chrono::Days::new(count);
    match oddity {
        // No day is final before the outage: the refresh span of the first day ends on the 4th.
        Some(Oddity::LongOutage) => {
            plans.iter_mut().for_each(|plan| *plan = plan.by(plan.now.min(first_now())));
            days(rng.u64(6..=16))
        }
        Some(Oddity::ClockAhead) => {
            plans.iter_mut().for_each(|plan| *plan = plan.by(plan.now.min(first_now())));
            plans.iter_mut().take(1).for_each(|plan| *plan = plan.by(days(10)));
            days(1)
        }
        // The night after: a backfill may have read a day that was not over yet.
        _ => plans.iter().map(|plan| plan.now).max().unwrap_or_else(first_now).max(first_now()) + chrono::Days::new(1),
    }
}

/// When the day is restated and reverted, in milliseconds.
pub(super) const THERE: u64 = 120_000;
pub(super) const BACK: u64 = THERE + 8_000;

/// When the outage of a schedule begins and ends.
pub(super) fn outage(rng: &mut Rng) -> (Duration, Duration) {
    let begins = Duration::from_millis(rng.u64(500..12_000));
    (begins, begins + Duration::from_secs(rng.u64(20..180)))
}
