//! Settled months that are read in full again: costs can move between keys under equal totals long after a month has
//! settled, such as when a tag is backfilled.
//!
//! At most one month a day, the one with the oldest read, so that no night pays for two. None on a day on which a
//! settled month has already been read in full, or is read because it has just settled. Quarantined and unsettled days
//! have separate rules and do not count.

use chrono::NaiveDate;

use crate::job::Job;
use crate::ledger::{Ledger, PartitionState};
use crate::window::{Partition, days_before};

use super::api_history::{is_out_of_reach, span};
use super::finality::{Moment, owed_since};
use super::settles_on;

/// A settled month that may be read in full again.
pub(super) struct SettledMonth {
    partition: Partition,
    oldest: Option<NaiveDate>,
    /// Whether it has days not read since it settled, which are due anyway.
    is_owed: bool,
    /// Its slots that can be read.
    pub(super) slots: Vec<NaiveDate>,
}

impl SettledMonth {
    /// The plan's note on it.
    pub(super) fn note(&self) -> String {
        let last = self.oldest.map_or_else(String::new, |oldest| format!(", the last time on {oldest}"));
        format!("{} has settled and is read in full again (window.full_read_settled_every){last}", self.partition)
    }
}

/// The settled month that is read in full again now, if any.
pub(super) fn month_to_read(job: &Job, ledger: &Ledger, moment: Moment) -> Option<SettledMonth> {
    let limit = days_before(moment.today(), job.window.full_read_settled_every_days?);
    let months = || ledger.partitions.iter().filter_map(|(name, state)| month(job, ledger, moment, name, state));
    if months().any(|month| month.is_owed || month.oldest >= Some(moment.today())) {
        return None;
    }
    months().filter(|month| month.oldest.is_none_or(|oldest| oldest <= limit)).min_by_key(|month| month.oldest)
}

/// A partition as a settled month; `None` if it has not settled or can no longer be requested.
fn month(job: &Job, ledger: &Ledger, moment: Moment, name: &str, state: &PartitionState) -> Option<SettledMonth> {
    let grain = job.source.grain();
    let span = span(job, moment.now)?;
    let is_own = |slot: &NaiveDate| ledger.quarantined.contains_key(slot) || ledger.unsettled.contains_key(slot);
    let may_be_read = |slot: &NaiveDate| {
        span.contains(*slot)
            && moment.today() > settles_on(job, *slot)
            && !is_out_of_reach(job, *slot, moment.today())
            && !is_own(slot)
    };
    let days = || state.days.iter().filter(|(slot, _)| may_be_read(slot));
    let slots: Vec<NaiveDate> = days().map(|(slot, _)| *slot).collect();
    let oldest = days().map(|(_, day)| moment.read_on(day)).min()?;
    let is_owed = days().any(|(slot, day)| owed_since(job, day, *slot, moment).is_some());
    Some(SettledMonth { partition: grain.parse_partition(name)?, oldest, is_owed, slots })
}

#[cfg(test)]
mod tests {
    use crate::ledger::{Ledger, Quarantined};
    use crate::plan::tests::{GROUPED, alike, at, day, days, due, job, read, totals};
    use crate::plan::{Ask, plan};
    use crate::sums::Sums;

    const BY_TAG: &str = r#"type = "aws_cost_and_usage", granularity = "DAILY", metrics = ["UnblendedCost"], group_by = [{ tag = "team" }]"#;
    const WINDOW: &str = r#"begin = "2026-03-01""#;

    /// A ledger of months of which the old ones were last read when the month after the next began.
    fn settled_months() -> (Vec<chrono::NaiveDate>, Ledger) {
        let job = job(BY_TAG, WINDOW);
        let mut known = alike(&job, &days("2026-11-01", "2026-11-19"), "2026-11-19", false);
        known.partitions.extend(alike(&job, &days("2026-10-01", "2026-10-31"), "2026-11-18", false).partitions);
        for (month, last, read_at) in [
            ("2026-03", "2026-03-31", "2026-05-01"),
            ("2026-04", "2026-04-30", "2026-06-01"),
            ("2026-05", "2026-05-31", "2026-07-01"),
            ("2026-06", "2026-06-30", "2026-08-01"),
            ("2026-07", "2026-07-31", "2026-08-21"),
            ("2026-08", "2026-08-31", "2026-10-01"),
            ("2026-09", "2026-09-30", "2026-11-01"),
        ] {
            known.partitions.extend(alike(&job, &days(&format!("{month}-01"), last), read_at, false).partitions);
        }
        (days("2026-03-01", "2026-11-19"), known)
    }

    fn read_on(known: &mut Ledger, month: &str, today: &str) {
        known.partitions.get_mut(month).unwrap().days.values_mut().for_each(|day| *day = read(at(today), false));
    }

    #[test]
    fn a_settled_month_is_read_in_full_again_one_a_day_the_oldest_first() {
        let job = job(BY_TAG, WINDOW);
        let (slots, mut known) = settled_months();
        let told = totals(&slots, "1", false);
        let months = |known: &Ledger, today: &str| -> Vec<String> {
            let planned = plan(&job, known, at(today), Ask::Due, Some(&told)).unwrap();
            let old = planned.fetches.iter().filter(|fetch| fetch.partition.to_string().as_str() < "2026-10");
            old.map(|fetch| format!("{} {}", fetch.partition, fetch.slots.len())).collect()
        };
        assert_eq!(months(&known, "2026-11-20"), ["2026-03 31"]);
        read_on(&mut known, "2026-03", "2026-11-20");
        assert_eq!(months(&known, "2026-11-20"), Vec::<String>::new(), "a second run of the day pays for no other");
        for (month, today) in [
            ("2026-04 30", "2026-11-21"),
            ("2026-05 31", "2026-11-22"),
            ("2026-06 30", "2026-11-23"),
            ("2026-07 31", "2026-11-24"),
        ] {
            assert_eq!(months(&known, today), [month]);
            read_on(&mut known, &month[..7], today);
        }
        assert_eq!(months(&known, "2026-11-25"), Vec::<String>::new(), "August was read 90 days ago or less");
        let planned = plan(&job, &settled_months().1, at("2026-11-20"), Ask::Due, None).unwrap();
        let note = planned.notes.iter().find(|note| note.contains("window.full_read_settled_every")).unwrap();
        assert!(note.starts_with("2026-03 ") && note.contains("2026-05-01"), "{note}");
    }

    #[test]
    fn days_that_wait_for_a_person_hold_nothing_up_and_a_month_that_is_read_anyway_counts() {
        let job = job(BY_TAG, WINDOW);
        let (slots, mut known) = settled_months();
        read_on(&mut known, "2026-03", "2026-11-19");
        let old = known.partitions.get_mut("2026-03").unwrap().days.get_mut(&day("2026-03-05")).unwrap();
        old.read_at = at("2026-05-01");
        let (at, why) = (at("2026-11-19"), "odd".to_owned());
        let held = Quarantined {
            at,
            since: at,
            why,
            totals: Sums::default(),
            currency: None,
            estimated: false,
            figures: None,
        };
        known.quarantined.insert(day("2026-03-05"), Quarantined { totals: crate::plan::tests::sums("1"), ..held });
        let told = totals(&slots, "1", false);
        let wanted = due(&job, &known, "2026-11-20", Some(&told));
        assert!(!wanted.contains(&day("2026-03-05")) && wanted.contains(&day("2026-04-05")), "{wanted:?}");
        let october = known.partitions.get_mut("2026-10").unwrap();
        october.days.values_mut().for_each(|day| day.read_at = crate::plan::tests::at("2026-11-15"));
        let wanted = due(&job, &known, "2026-11-16", Some(&told));
        assert!(wanted.contains(&day("2026-10-05")), "it has just settled");
        assert!(!wanted.contains(&day("2026-04-05")), "and is the month of this night");
    }

    #[test]
    fn how_often_is_the_jobs_to_say() {
        let (slots, known) = settled_months();
        let told = totals(&slots, "1", false);
        for (source, every, wanted) in [
            (BY_TAG, "", true),
            (GROUPED, "", false),
            (BY_TAG, r#", full_read_settled_every = "never""#, false),
            (GROUPED, r#", full_read_settled_every = "200 days""#, true),
            (GROUPED, r#", full_read_settled_every = "400 days""#, false),
            (GROUPED, r#", full_read_settled_every = "200 days", refresh = "5 days""#, true),
        ] {
            let job = job(source, &format!("{WINDOW}{every}"));
            let found = due(&job, &known, "2026-11-20", Some(&told)).contains(&day("2026-03-05"));
            assert_eq!(found, wanted, "{source} {every}");
        }
    }
}
