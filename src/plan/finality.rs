//! When a day is final: it has been read once at or after the end of its span. Until then it stays due, however many
//! runs were missed.
//!
//! | rule | the span of a day ends at 00:00 UTC of |
//! |---|---|
//! | `N days` | the day N days after its last one: the last night on which the rule covers it |
//! | `billing-close` | `settle_day` of the next month: the same |
//! | `probe` | the day after `settle_day` of the next month |
//! | an estimate, under every rule | the day after `settle_day` of the next month, if the API still has the day then |
//!
//! No span ends after the last day on which the API's documented history still holds the day. A day that leaves the
//! history before its final read keeps its rows and is not requested again: [`super::SlotState::NotFinal`].

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

use crate::job::{Job, Refresh};
use crate::ledger::DayState;
use crate::window::{days_after, is_ahead, next_day};

use super::api_history::last_in_reach;
use super::settles_on;

/// The current time, and whether read times in the future are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now: DateTime<Utc>,
    /// Whether read times in the future are trusted; otherwise such a day counts as never read.
    believing: bool,
}

impl From<DateTime<Utc>> for Moment {
    /// Assumes a correct clock: a read time in the future comes from a wrong one and is not trusted.
    fn from(now: DateTime<Utc>) -> Self {
        Self { now, believing: false }
    }
}

impl Moment {
    /// Assumes a clock that may be behind: a read time in the future is trusted.
    #[must_use]
    pub fn behind(now: DateTime<Utc>) -> Self {
        Self { now, believing: true }
    }

    /// The UTC day.
    #[must_use]
    pub fn today(self) -> NaiveDate {
        self.now.date_naive()
    }

    /// The time; `None` if it lies in the future and such times are not trusted.
    #[must_use]
    pub fn believed(self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        (self.believing || !is_ahead(time, self.now)).then_some(time)
    }

    /// The day on which a slot was last read; `None` when it counts as never read.
    #[must_use]
    pub fn read_on(self, day: &DayState) -> Option<NaiveDate> {
        self.believed(day.read_at).map(|time| time.date_naive())
    }
}

/// The first day on which a read of the slot is final by the job's rule.
fn rule_ends(job: &Job, slot: NaiveDate) -> NaiveDate {
    let ends = match job.window.refresh {
        Refresh::Days(count) => days_after(job.source.grain().slot_window(slot).last(), count),
        Refresh::BillingClose => settles_on(job, slot),
        Refresh::Probe => next_day(settles_on(job, slot)),
    };
    ends.min(last_in_reach(job, slot))
}

/// The same for an estimate, whose month must settle first; `None` if it settles out of the API's reach.
fn estimate_ends(job: &Job, slot: NaiveDate) -> Option<NaiveDate> {
    let ends = next_day(settles_on(job, slot));
    (ends <= last_in_reach(job, slot)).then_some(ends)
}

/// Whether the slot has been read at or after the end of its span by the job's rule.
pub(super) fn is_final_by_rule(job: &Job, day: &DayState, slot: NaiveDate, moment: Moment) -> bool {
    moment.read_on(day).is_some_and(|read| read >= rule_ends(job, slot))
}

/// The same by the recorded read time, even if it lies in the future.
#[must_use]
pub fn was_read_as_final(job: &Job, day: &DayState, slot: NaiveDate) -> bool {
    day.read_at.date_naive() >= rule_ends(job, slot)
}

/// Whether the slot is an estimate that was last read before its month settled, and the month has settled since.
pub(super) fn is_left_behind(job: &Job, day: &DayState, slot: NaiveDate, moment: Moment) -> bool {
    let ends = estimate_ends(job, slot).filter(|_| day.facts.estimated);
    ends.is_some_and(|ends| moment.today() >= ends && moment.read_on(day).is_none_or(|read| read < ends))
}

/// The day since which another read of the slot is overdue; `None` when none is. A slot that counts as never read is
/// overdue since its end.
pub(super) fn owed_since(job: &Job, day: &DayState, slot: NaiveDate, moment: Moment) -> Option<NaiveDate> {
    if job.entry.rules.snapshot {
        return None;
    }
    let Some(read) = moment.read_on(day) else { return Some(job.source.grain().slot_window(slot).end()) };
    let ends = [Some(rule_ends(job, slot)), estimate_ends(job, slot).filter(|_| day.facts.estimated)];
    ends.into_iter().flatten().filter(|end| *end <= moment.today() && read < *end).min()
}

/// The instant at which a UTC day begins.
pub(super) fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::Moment;
    use crate::ledger::{Ledger, Noted};
    use crate::plan::tests::{GROUPED, HOURLY, MONTHLY, alike, at, day, days, due, job, totals};
    use crate::plan::{Ask, SlotState, calendar, is_stale, not_final, plan, state_of};

    /// Whether a day last read at `read_at` is due, and whether it is stale, on `today`.
    fn looked(source: &str, window: &str, slot: &str, read_at: &str, today: &str) -> (bool, bool) {
        let job = job(source, window);
        let slot = day(slot);
        let mut known = alike(&job, &days("2026-10-01", "2026-11-19"), today, false);
        for (known, state) in known.partitions.values_mut().flat_map(|state| &mut state.days) {
            state.facts.read_for = job.source.read_for();
            state.read_at = if *known == slot { at(read_at) } else { state.read_at };
        }
        (due(&job, &known, today, None).contains(&slot), is_stale(&job, &known, slot, at(today)))
    }

    #[test]
    fn a_day_stays_due_until_it_was_read_at_the_end_of_its_span() {
        let three = r#"begin = "2026-10-01", refresh = "3 days""#;
        let close = r#"begin = "2026-10-01", refresh = "billing-close""#;
        let savings = r#"type = "datadog_savings", queries = [{ provider = "aws", product = "ec2" }]"#;
        for (source, window, slot, before, at_the_end) in [
            (GROUPED, three, "2026-10-10", "2026-10-12", "2026-10-13"),
            (MONTHLY, three, "2026-10-01", "2026-11-02", "2026-11-03"),
            (HOURLY, three, "2026-11-10", "2026-11-12", "2026-11-13"),
            (savings, r#"begin = "2026-10-01""#, "2026-10-10", "2026-10-16", "2026-10-17"),
            (GROUPED, close, "2026-10-10", "2026-11-14", "2026-11-15"),
            (GROUPED, r#"begin = "2026-10-01""#, "2026-10-10", "2026-11-15", "2026-11-16"),
        ] {
            let of = |read_at| looked(source, window, slot, read_at, "2026-11-20");
            assert_eq!(of(before), (true, true), "{source} {window}: no run came by");
            assert_eq!(of(at_the_end), (false, false), "{source} {window}");
        }
        let of = |read_at, today| looked(GROUPED, three, "2026-10-10", read_at, today);
        assert!(of("2026-10-13", "2026-10-13").0, "a second run of the last night reads it again");
        assert_eq!(of("2026-10-12", "2026-10-15"), (true, true), "two nights did not come");
        assert_eq!(of("2026-10-12", "2026-10-14"), (true, false), "one did not");
    }

    #[test]
    fn a_day_that_left_the_apis_reach_before_it_was_final_says_so_until_somebody_takes_it() {
        let now = "2026-11-10";
        for (source, window, slot, early, late) in [
            (GROUPED, r#"begin = "2025-01-01", refresh = "3 days""#, "2025-09-01", "2025-09-03", "2025-09-04"),
            (GROUPED, r#"begin = "2025-01-01""#, "2025-08-01", "2025-09-15", "2025-09-16"),
            (HOURLY, r#"begin = "2026-10-01""#, "2026-10-20", "2026-10-21", "2026-10-22"),
            (HOURLY, r#"begin = "2026-10-01", refresh = "20 days""#, "2026-10-20", "2026-11-01", "2026-11-02"),
        ] {
            let job = job(source, window);
            let slot = day(slot);
            let state = |known: &Ledger| state_of(&job, known, slot, at(now));
            let known = alike(&job, &[slot], early, false);
            assert_eq!(state(&known), SlotState::NotFinal, "{window}");
            let planned = plan(&job, &known, at(now), Ask::Due, None).unwrap();
            assert!(!planned.fetches.iter().any(|fetch| fetch.slots.contains(&slot)), "{window}: it is not asked");
            assert!(planned.notes.iter().any(|note| note.contains("1 not final, not available")), "{planned:?}");
            let shown = calendar(&job, &known, at(now)).into_iter().find(|found| found.day == slot).unwrap();
            assert_eq!((shown.gap(), shown.stale), (Some("not final, not available"), false), "{window}");
            assert_eq!(not_final(&job, &known, day(&format!("{}-01", &slot.to_string()[..7])), at(now)), [slot]);
            assert_ne!(state(&alike(&job, &[slot], late, false)), SlotState::NotFinal, "{window}: it was read in time");
            let mut taken = known.clone();
            taken.accepted.insert(slot, at(now));
            taken.unsettled.insert(slot, Noted { at: at(early), why: "off".to_owned() });
            assert_ne!(state(&taken), SlotState::NotFinal, "{window}: somebody took it");
            assert_ne!(state(&taken), SlotState::Mismatch, "{window}: somebody took it");
            taken.accepted.clear();
            assert_eq!(state(&taken), SlotState::NotFinal, "{window}");
        }
    }

    #[test]
    fn hours_stay_estimates_without_a_word_because_their_month_settles_out_of_reach() {
        let job = job(HOURLY, r#"begin = "2026-10-01""#);
        let known = alike(&job, &[day("2026-10-20")], "2026-10-22", true);
        assert_eq!(state_of(&job, &known, day("2026-10-20"), at("2026-11-20")), SlotState::Estimated);
        assert!(!is_stale(&job, &known, day("2026-10-20"), at("2026-11-20")));
    }

    #[test]
    fn what_was_read_in_the_future_was_never_read_unless_the_clock_is_behind() {
        let slots = days("2026-09-01", "2026-09-30");
        for window in [
            r#"begin = "2026-09-01""#,
            r#"begin = "2026-09-01", refresh = "3 days""#,
            r#"begin = "2026-09-01", refresh = "billing-close""#,
        ] {
            let job = job(GROUPED, window);
            let told = totals(&slots, "1", false);
            let read_in = |moment: Moment, hours: i64| {
                let mut known = alike(&job, &slots, "2026-10-31", false);
                known.probed_at = Some(at("2026-10-31"));
                let later = moment.now + chrono::TimeDelta::hours(hours);
                known.partitions.get_mut("2026-09").unwrap().days.get_mut(&slots[4]).unwrap().read_at = later;
                let planned = plan(&job, &known, moment, Ask::Due, Some(&told)).unwrap();
                let stale = is_stale(&job, &known, slots[4], moment.now);
                (planned.fetches.iter().any(|fetch| fetch.slots.contains(&slots[4])), stale)
            };
            let now = at("2026-11-01");
            assert_eq!(read_in(now.into(), 24 * 900), (true, true), "{window}");
            assert_eq!(read_in(now.into(), 2), (true, true), "{window}");
            assert_eq!(read_in(now.into(), 1), (false, false), "{window}: clocks may be so far apart");
            assert!(!read_in(Moment::behind(now), 24 * 900).0, "{window}: it is final by the ledger");
        }
    }

    #[test]
    fn a_clock_that_is_behind_reads_what_is_not_final() {
        let job = job(GROUPED, r#"begin = "2026-11-01", refresh = "5 days""#);
        let known = alike(&job, &days("2026-11-01", "2026-11-08"), "2026-11-09", false);
        let planned = plan(&job, &known, Moment::behind(at("2026-11-07")), Ask::Due, None).unwrap();
        let slots: Vec<_> = planned.fetches.iter().flat_map(|fetch| fetch.slots.clone()).collect();
        assert_eq!(slots, days("2026-11-05", "2026-11-06"), "of its last five days only these were not read as final");
    }
}
