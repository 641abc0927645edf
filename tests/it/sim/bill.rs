//! The answers of an API without faults, now and at every earlier time.
//!
//! Time is a count of events, so no two things happen at once.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use fastrand::Rng;

/// Units per dollar: the API's amounts have ten decimals.
pub(super) const DOLLAR: i64 = 10_000_000_000;
/// Services that may cost something.
pub(super) const SERVICES: u8 = 5;

/// One day as the API returns it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Day {
    /// By service, in units of 10^-10 dollars.
    pub(super) costs: BTreeMap<u8, i64>,
    pub(super) estimated: bool,
}

impl Day {
    pub(super) fn total(&self) -> i64 {
        self.costs.values().sum()
    }
}

/// The state of a day from one event on.
#[derive(Debug, Clone)]
struct State {
    from: u64,
    day: Day,
}

/// The bill with its history.
#[derive(Debug, Default)]
pub(super) struct Bill {
    days: BTreeMap<NaiveDate, Vec<State>>,
    /// No day is ever flagged as estimated.
    plain: bool,
    /// Whether rows ever changed while their total did not, which no probe can detect.
    pub(super) moved_unseen: bool,
}

/// The kind of a restatement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Edit {
    Amount,
    Move,
    Appear,
    Vanish,
    Empty,
    Flag,
    Revert,
}

const EDITS: [Edit; 9] = [
    Edit::Amount,
    Edit::Amount,
    Edit::Move,
    Edit::Appear,
    Edit::Vanish,
    Edit::Empty,
    Edit::Flag,
    Edit::Revert,
    Edit::Revert,
];

fn amount(rng: &mut Rng) -> i64 {
    // Refunds and amounts with all ten decimals.
    rng.i64(-20 * DOLLAR..10_000 * DOLLAR)
}

/// An amount in the API's format.
pub(super) fn text(amount: i64) -> String {
    let (sign, size) = (if amount < 0 { "-" } else { "" }, amount.unsigned_abs());
    let unit = DOLLAR.unsigned_abs();
    format!("{sign}{}.{:010}", size / unit, size % unit)
}

impl Bill {
    /// A bill for every day of `first..=last`; the busy ones have several services.
    pub(super) fn new(rng: &mut Rng, first: NaiveDate, last: NaiveDate, busy: usize) -> Self {
        let mut bill = Self::default();
        for (index, day) in first.iter_days().take_while(|day| *day <= last).enumerate() {
            let services = if index < busy { rng.u8(0..=4) } else { 1 };
            let costs = (0..services).map(|service| (service, amount(rng))).collect();
            bill.days.insert(day, vec![State { from: 0, day: Day { costs, estimated: true } }]);
        }
        bill
    }

    /// The same bill from an API that flags no day as estimated.
    pub(super) fn without_flags(mut self) -> Self {
        self.plain = true;
        self.days.values_mut().flatten().for_each(|state| state.day.estimated = false);
        self
    }

    /// Sets a day from `event` on.
    pub(super) fn put(&mut self, day: NaiveDate, event: u64, told: Day) {
        self.days.entry(day).or_default().push(State { from: event, day: told });
    }

    /// The day as the API returns it now.
    pub(super) fn now(&self, day: NaiveDate) -> Day {
        self.days.get(&day).and_then(|states| states.last()).map(|state| state.day.clone()).unwrap_or_default()
    }

    /// The spans of events in which the day had this content; the current one ends at `u64::MAX`.
    pub(super) fn spans(&self, day: NaiveDate, content: &Day) -> Vec<(u64, u64)> {
        let states = self.days.get(&day).map(Vec::as_slice).unwrap_or_default();
        let until = |index: usize| states.get(index + 1).map_or(u64::MAX, |next: &State| next.from);
        let same = states.iter().enumerate().filter(|(_, state)| state.day == *content);
        same.map(|(index, state)| (state.from, until(index))).collect()
    }

    /// Changes the first day by a dollar, or reverts that.
    pub(super) fn there_and_back(&mut self, event: u64) -> Option<NaiveDate> {
        let (day, states) = self.days.iter_mut().next()?;
        let mut new = states.last()?.day.clone();
        let back = states.len().checked_sub(2).map(|before| states[before].day.clone());
        *new.costs.entry(0).or_default() += DOLLAR;
        states.push(State { from: event, day: back.unwrap_or(new) });
        Some(*day)
    }

    /// Changes one of the busy days at `event`; `None` if the draw changes nothing.
    pub(super) fn restate(&mut self, rng: &mut Rng, busy: usize, event: u64) -> Option<(NaiveDate, Edit)> {
        let (day, states) = self.days.iter_mut().nth(rng.usize(0..busy))?;
        let edit = EDITS[rng.usize(0..EDITS.len())];
        let old = states.last()?.day.clone();
        let mut new = old.clone();
        let known: Vec<u8> = old.costs.keys().copied().collect();
        match edit {
            Edit::Amount => *new.costs.get_mut(known.get(rng.usize(0..known.len().max(1)))?)? += amount(rng),
            Edit::Move => {
                let [first, .., last] = known[..] else { return None };
                let moved = rng.i64(1..DOLLAR);
                *new.costs.get_mut(&first)? -= moved;
                *new.costs.get_mut(&last)? += moved;
            }
            Edit::Appear => _ = new.costs.insert(rng.u8(0..SERVICES), amount(rng)),
            Edit::Vanish => _ = new.costs.remove(known.last()?),
            Edit::Empty => new.costs.clear(),
            Edit::Flag if self.plain => return None,
            Edit::Flag => new.estimated = !new.estimated,
            Edit::Revert => new = states.get(states.len().checked_sub(2)?)?.day.clone(),
        }
        if new == old {
            return None;
        }
        self.moved_unseen |= new.total() == old.total() && new.estimated == old.estimated;
        states.push(State { from: event, day: new });
        Some((*day, edit))
    }
}
