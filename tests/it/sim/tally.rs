//! Counters of the events in the schedules, by name: a simulation without any faults proves nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Counts by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally(BTreeMap<Cow<'static, str>, u64>);

impl Tally {
    pub(super) fn count(&mut self, what: impl Into<Cow<'static, str>>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: Self) {
        for (what, count) in other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// The sum of all whose names begin with one of these.
    pub(super) fn of_all(&self, beginnings: &[&str]) -> u64 {
        let is_one = |what: &str| beginnings.iter().any(|beginning| what.starts_with(beginning));
        self.0.iter().filter(|(what, _)| is_one(what)).map(|(_, count)| count).sum()
    }

    pub(super) fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, count)| writeln!(f, "{count:>12}  {what}"))
    }
}
