//! Many units on a page: all of them in numbers, and a line for those that need a person. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::job::Job;
use crate::report::JobReport;
use crate::scheduler::glances::Seen;
use crate::scheduler::jobs::JobState;

use super::badge::Badge;
use super::cache::facts_of_line;
use super::view::{AccountsFacts, Beyond, JobFacts, OfAccounts, is_found, last_run, needs_a_person, words};

/// Units that need a person with a line of their own, and others.
const LINES: (usize, usize) = (50, 200);
/// Accounts on a page.
pub(super) const ON_A_PAGE: usize = 100;

/// A unit with its state.
struct Brief {
    current: JobState,
    seen: Seen,
    /// Its state.
    badge: Badge,
    /// Its state whether or not it is being updated.
    standing: Badge,
}

impl Brief {
    /// A unit at `now`.
    fn of((current, seen): (JobState, Seen), now: DateTime<Utc>) -> Self {
        let standing = Badge::of_seen(&seen, last_of(&current, &seen, now));
        let badge = if current.live.is_some() { Badge::Running } else { standing };
        Self { current, seen, badge, standing }
    }

    /// Whether somebody should look at it.
    fn needs_a_person(&self) -> bool {
        needs_a_person(self.badge, self.standing, false)
    }

    fn is_found(&self, search: &str) -> bool {
        is_found(&words(&self.current.job, self.badge, self.standing), search)
    }

    fn line(self, now: DateTime<Utc>) -> JobFacts {
        facts_of_line(self.current, &self.seen, now)
    }
}

/// The last run of a unit: of its records, or one of this process that has none.
pub(super) fn last_of<'a>(current: &'a JobState, seen: &'a Seen, now: DateTime<Utc>) -> Option<&'a JobReport> {
    let recorded = seen.known.as_ref().and_then(|known| known.last.as_deref());
    let ours = current.last.as_deref().and_then(|last| last_run(std::slice::from_ref(last), now));
    recorded.into_iter().chain(ours).max_by(|a, b| a.run_id.cmp(&b.run_id))
}

/// The lines of an overview of units that `search` finds, and all units in numbers.
pub(super) fn overview(units: Vec<(JobState, Seen)>, search: &str, now: DateTime<Utc>) -> (Vec<JobFacts>, Beyond) {
    let (units, unread) = briefs(units, now);
    let mut beyond = Beyond { unread: unread.len() as u64, ..Beyond::default() };
    for unit in &units {
        *beyond.states.entry(unit.badge).or_default() += 1;
        let Some(known) = &unit.seen.known else { continue };
        beyond.spent = beyond.spent + known.usd_this_month;
        known.look.origin.iter().for_each(|note| *beyond.origin.entry(note.clone()).or_default() += 1);
    }
    let mut found: Vec<Brief> = units.into_iter().filter(|unit| unit.is_found(search)).collect();
    beyond.found = found.len() as u64;
    beyond.tables = tables(&found, if search.is_empty() { &unread } else { &[] });
    found.sort_by_key(|unit| unit.standing);
    let (urgent, fine): (Vec<Brief>, Vec<Brief>) = found.into_iter().partition(Brief::needs_a_person);
    // The accounts that are well are in the line of their table.
    let fine: Vec<Brief> = fine.into_iter().filter(|unit| unit.current.job.unit.account.is_none()).collect();
    let left = |all: usize, most: usize| all.saturating_sub(most) as u64;
    beyond.without_line = (left(urgent.len(), LINES.0), left(fine.len(), LINES.1));
    let lines = urgent.into_iter().take(LINES.0).chain(fine.into_iter().take(LINES.1));
    let mut lines: Vec<JobFacts> = lines.map(|unit| unit.line(now)).collect();
    lines.sort_by(|a, b| a.job.unit.cmp(&b.job.unit));
    (lines, beyond)
}

/// The lines of a page of the accounts of a table that `search` finds, those that need a person first; `None` without
/// any account.
pub(super) fn accounts(
    units: Vec<(JobState, Seen)>,
    search: &str,
    page: usize,
    now: DateTime<Utc>,
) -> Option<(Vec<JobFacts>, AccountsFacts)> {
    let (units, unread) = briefs(units, now);
    let all = tables(&units, &unread).pop()?;
    let origin: BTreeSet<String> = units
        .iter()
        .filter_map(|unit| unit.seen.known.as_ref())
        .flat_map(|known| known.look.origin.iter().cloned())
        .collect();
    let mut found: Vec<Brief> = units.into_iter().filter(|unit| unit.is_found(search)).collect();
    found.sort_by_key(|unit| (!unit.needs_a_person(), unit.standing));
    let pages = found.len().div_ceil(ON_A_PAGE).max(1);
    let (number, page) = (found.len() as u64, page.clamp(1, pages));
    let lines = found.into_iter().skip((page - 1) * ON_A_PAGE).take(ON_A_PAGE).map(|unit| unit.line(now)).collect();
    Some((lines, AccountsFacts { all, origin, search: search.to_owned(), found: number, page: (page, pages) }))
}

/// The units of which something is known, and the jobs of the others.
fn briefs(units: Vec<(JobState, Seen)>, now: DateTime<Utc>) -> (Vec<Brief>, Vec<Arc<Job>>) {
    let (unread, read): (Vec<_>, Vec<_>) = units.into_iter().partition(|(_, seen)| seen.is_unread());
    let unread = unread.into_iter().map(|(current, _)| current.job).collect();
    (read.into_iter().map(|unit| Brief::of(unit, now)).collect(), unread)
}

/// The tables with accounts among these units, in numbers and by name.
fn tables(units: &[Brief], unread: &[Arc<Job>]) -> Vec<OfAccounts> {
    let mut tables: BTreeMap<&str, (&Arc<Job>, Vec<&Brief>, u64)> = BTreeMap::new();
    let has_account = |job: &Arc<Job>| job.unit.account.is_some();
    for unit in units.iter().filter(|unit| has_account(&unit.current.job)) {
        let job = &unit.current.job;
        tables.entry(&job.unit.table).or_insert_with(|| (job, Vec::new(), 0)).1.push(unit);
    }
    for job in unread.iter().filter(|job| has_account(job)) {
        tables.entry(&job.unit.table).or_insert_with(|| (job, Vec::new(), 0)).2 += 1;
    }
    tables.into_values().map(|(job, units, unread)| sum(job, &units, unread)).collect()
}

/// A table with accounts in numbers.
fn sum(job: &Arc<Job>, units: &[&Brief], unread: u64) -> OfAccounts {
    let mut states = BTreeMap::new();
    units.iter().for_each(|unit| *states.entry(unit.badge).or_default() += 1);
    let glances = || units.iter().filter_map(|unit| unit.seen.known.as_ref()).map(|known| &known.glance);
    let checked: Option<Vec<DateTime<Utc>>> = glances().map(|glance| glance.checked_at).collect();
    OfAccounts {
        job: Arc::clone(job),
        states,
        unread,
        newest: glances().filter_map(|glance| glance.line.newest).max(),
        checked_at: checked.and_then(|all| all.into_iter().min()),
    }
}
