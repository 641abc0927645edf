//! The figures of rows that were set aside, by group beside those of the rows that stay: what a person looks at before
//! accepting them.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use chrono::NaiveDate;

use crate::answer::{Answer, Order, Question, Tally};
use crate::decimal;
use crate::error::Result;
use crate::job::Job;
use crate::ledger::{Refused, RefusedGroup};
use crate::window::Window;

/// Groups that are kept separately; all others are one entry for each unit.
const GROUPS: usize = 20;
/// Longest name that is kept, in characters: that of a resource may be 2,048 long.
const NAME: usize = 200;

/// By unit and name of the group: the sum of the old rows, and of the new ones.
type Sums = BTreeMap<(Option<String>, Option<String>), (i128, i128)>;

/// The figures of a slot's refused rows beside its old ones; `None` if the rows cannot be summed.
pub(super) fn figures(job: &Job, slot: NaiveDate, old: Option<&RecordBatch>, new: &RecordBatch) -> Option<Refused> {
    let rows = new.num_rows() as u64;
    let question = Question::of_costs(job.source.table()).filter(|_| !job.entry.rules.snapshot);
    let Some(question) = question else { return Some(Refused { rows, ..Refused::default() }) };
    let within = job.source.grain().slot_window(slot);
    let mut sums = Sums::new();
    for (batch, is_new) in old.map(|old| (old, false)).into_iter().chain([(new, true)]) {
        enter(&mut sums, &sum(&question, within, batch).ok()?, is_new);
    }
    let table = job.source.table();
    let by = question.by_names(table).first().map(|name| (*name).to_owned());
    let (groups, others) = ranked(sums);
    Some(Refused { rows, measure: question.measure_name(table).to_owned(), by, groups, others })
}

fn sum(question: &Question, within: Window, rows: &RecordBatch) -> Result<Answer> {
    let mut tally = Tally::new(question, within, None);
    let columns: Vec<_> =
        tally.columns().iter().filter_map(|index| rows.columns().get(*index)).map(std::sync::Arc::clone).collect();
    tally.add(within, &columns)?;
    tally.finish(Order::default())
}

fn enter(sums: &mut Sums, answer: &Answer, is_new: bool) {
    for section in &answer.sections {
        let unit = section.of.first().cloned().flatten();
        for group in &section.groups {
            let (before, refused) = sums.entry((unit.clone(), group.key.first().cloned().flatten())).or_default();
            *(if is_new { refused } else { before }) = group.sum;
        }
    }
}

/// The groups that differ most, and the others added up by unit.
fn ranked(sums: Sums) -> (Vec<RefusedGroup>, Vec<RefusedGroup>) {
    let mut all: Vec<_> = sums.into_iter().collect();
    all.sort_by_key(|(_, (before, refused))| std::cmp::Reverse(before.abs_diff(*refused)));
    let differing = all.iter().take_while(|(_, (before, refused))| before != refused).count();
    let rest = all.split_off(differing.min(GROUPS));
    let mut others: BTreeMap<Option<String>, (u64, i128, i128)> = BTreeMap::new();
    for ((unit, _), (before, refused)) in rest {
        let (number, all_before, all_refused) = others.entry(unit).or_default();
        *number += 1;
        (*all_before, *all_refused) = (all_before.saturating_add(before), all_refused.saturating_add(refused));
    }
    let entry = |name: Option<String>, unit, number, before, refused| RefusedGroup {
        name: name.map(|name| name.chars().take(NAME).collect()),
        unit,
        number,
        before: decimal::text(before),
        refused: decimal::text(refused),
    };
    let groups = all.into_iter().map(|((unit, name), (before, refused))| entry(name, unit, 1, before, refused));
    let others = others.into_iter().map(|(unit, (number, before, refused))| entry(None, unit, number, before, refused));
    (groups.collect(), others.collect())
}

#[cfg(test)]
mod tests {
    use super::{GROUPS, Sums, ranked};
    use crate::decimal::ONE;

    #[test]
    fn the_largest_differences_come_first_and_nothing_is_lost() {
        let key = |unit: &str, name: String| (Some(unit.to_owned()), Some(name));
        let mut sums: Sums =
            (0..30_i128).map(|index| (key("USD", format!("g{index:02}")), (ONE, ONE + index * ONE))).collect();
        sums.insert(key("EUR", "gone".to_owned()), (100 * ONE, 0));
        let (groups, others) = ranked(sums);
        let named = |index: usize| groups[index].name.as_deref();
        assert_eq!((groups.len(), named(0), named(1)), (GROUPS, Some("gone"), Some("g29")));
        assert_eq!((groups[0].before.as_str(), groups[0].refused.as_str()), ("100", "0"));
        let [rest] = &others[..] else { panic!("{others:?}") };
        assert_eq!((rest.number, rest.unit.as_deref(), rest.before.as_str()), (11, Some("USD"), "11"));
        assert_eq!(rest.refused, (11 + (0..11).sum::<i128>()).to_string());
    }

    #[test]
    fn groups_that_do_not_change_are_among_the_others() {
        let same = (None, Some("same".to_owned()));
        let (groups, others) = ranked(Sums::from([((None, None), (ONE, 2 * ONE)), (same, (ONE, ONE))]));
        assert_eq!((groups.len(), others.len(), others[0].number), (1, 1, 1));
        let (groups, others) = ranked(Sums::from([((None, None), (ONE, 2 * ONE))]));
        assert_eq!((groups.len(), others.len()), (1, 0));
    }
}
