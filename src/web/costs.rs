//! The costs of a table for its page: the newest month against the same days of the one before, the month before it,
//! what moved most, and what was restated this week. Sums are those of `costlake show`.

use std::collections::BTreeSet;

use chrono::{DateTime, Days, Utc};

use crate::answer::{Against, Answer, Group, Measure, Order, Question, Section, first_grouping};
use crate::ask::{Range, Reply, ask_each};
use crate::error::Result;
use crate::job::Job;
use crate::lake::Lake;
use crate::ledger::Ledger;
use crate::table::ColumnType;
use crate::window::{Grain, Window, first_of_month, month_start};

use super::chart_data::can_filter;
use super::restated;

/// Groups listed for each direction.
const MOVERS: usize = 3;

/// What the panel shows. Amounts are counts of 10^-12.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Costs {
    /// The grouping of the movers, if the table has one.
    pub grouping: Option<String>,
    /// Whether the charts of the table can show one group of it.
    pub has_days: bool,
    /// Whether the slots of the table are months.
    pub is_monthly: bool,
    /// One entry for each currency or unit, that of the largest total first.
    pub units: Vec<UnitCosts>,
}

/// The costs of one currency or unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UnitCosts {
    /// Its name, if the rows have one.
    pub unit: Option<String>,
    /// The month of the newest day, up to that day, and the same days of the month before.
    pub month: Option<Compared>,
    /// The month before it, and the one before that.
    pub full: Option<Compared>,
    /// Groups that grew most in the newest month, the largest first.
    pub up: Vec<Mover>,
    /// Groups that fell most.
    pub down: Vec<Mover>,
    /// Days (or months) restated in the last seven days, and by how much all of them together; `None` where the ledger
    /// keeps no sums, which it does of decimals alone.
    pub restated: Option<(usize, i128)>,
}

/// A range beside an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    /// The range.
    pub window: Window,
    /// Its sum.
    pub sum: i128,
    /// The earlier range and its sum, if the table has all of its days and both are of the same length.
    pub earlier: Option<(Window, i128)>,
}

/// A group that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mover {
    /// Its name; `None` for NULL.
    pub name: Option<String>,
    /// Its sum in the range.
    pub sum: i128,
    /// What it grew by.
    pub by: i128,
}

/// The question whose answers are the costs of a table; `None` for a table that has none.
fn question(job: &Job) -> Option<Question> {
    if job.entry.rules.snapshot { None } else { Question::of_costs(job.source.table()) }
}

/// Reads the costs of a table; `None` if it is no table of costs or has no day yet.
///
/// # Errors
/// When an object cannot be read.
pub(super) async fn read(lake: &Lake, job: &Job, ledger: &Ledger, now: DateTime<Utc>) -> Result<Option<Costs>> {
    let Some(question) = question(job) else { return Ok(None) };
    let Some(newest) = ledger.facts().map(|(slot, _)| job.source.grain().slot_window(slot).last()).max() else {
        return Ok(None);
    };
    let month = first_of_month(newest);
    let range = |from, to| Range { from: Some(from), to: Some(to), against: Some(Against::Previous) };
    let order = Order::default();
    let last = range(month_start(month, -1), month.pred_opt().unwrap_or(month));
    let replies = ask_each(lake, job, ledger, now, &question, &[range(month, newest), last], order).await?;
    let [this, full] = &replies[..] else { return Ok(None) };
    let names: BTreeSet<Option<String>> = [&this.answer, &full.answer].into_iter().flat_map(units).collect();
    let mut found: Vec<UnitCosts> = names
        .into_iter()
        .map(|unit| {
            let of = |reply: &Reply| reply.answer.sections.iter().find(|section| unit_of(section) == unit).cloned();
            let section = of(this).unwrap_or_default();
            let month = compared(job, this, &section, now);
            let moved = month.is_some_and(|month| month.earlier.is_some());
            let (up, down) = movers(if moved { &section.groups } else { &[] });
            let full = compared(job, full, &of(full).unwrap_or_default(), now);
            UnitCosts { month, full, up, down, restated: restated(job, &question, ledger, unit.as_deref(), now), unit }
        })
        .collect();
    let size = |of: &UnitCosts| of.month.map_or(0, |month| month.sum.unsigned_abs());
    found.sort_by_key(|of| std::cmp::Reverse(size(of)));
    let table = job.source.table();
    let is_monthly = job.source.grain() == Grain::Monthly;
    Ok(Some(Costs { grouping: first_grouping(table), has_days: can_filter(job), is_monthly, units: found }))
}

fn unit_of(section: &Section) -> Option<String> {
    section.of.first().cloned().flatten()
}

fn units(answer: &Answer) -> Vec<Option<String>> {
    answer.sections.iter().map(unit_of).collect()
}

/// The sums of a range, if the table has a day of it. A month that has not ended is not compared with a whole one.
fn compared(job: &Job, reply: &Reply, section: &Section, now: DateTime<Utc>) -> Option<Compared> {
    let window = reply.window.filter(|_| reply.slots.iter().any(|slot| slot.known.is_some()))?;
    let is_running = job.source.grain() == Grain::Monthly && window.end() > now.date_naive();
    let is_whole = reply.absent_before.is_empty() && reply.slots_before.iter().all(|slot| slot.known.is_some());
    let earlier = reply.before.filter(|_| is_whole && !is_running).map(|before| (before, section.before));
    Some(Compared { window, sum: section.total, earlier })
}

/// The groups that grew and fell most.
fn movers(groups: &[Group]) -> (Vec<Mover>, Vec<Mover>) {
    let mover = |group: &Group| {
        let name = group.key.first().cloned().flatten();
        Mover { name, sum: group.sum, by: group.sum - group.before }
    };
    let mut all: Vec<Mover> = groups.iter().filter(|group| !group.key.is_empty()).map(mover).collect();
    all.sort_by(|a, b| b.by.cmp(&a.by).then_with(|| a.name.cmp(&b.name)));
    let up = all.iter().filter(|mover| mover.by > 0).take(MOVERS).cloned().collect();
    let down = all.iter().rev().filter(|mover| mover.by < 0).take(MOVERS).cloned().collect();
    (up, down)
}

/// Slots whose figures were restated in the last seven days, and the sum of what they changed by.
fn restated(
    job: &Job,
    question: &Question,
    ledger: &Ledger,
    unit: Option<&str>,
    now: DateTime<Utc>,
) -> Option<(usize, i128)> {
    let table = job.source.table();
    let is_decimal =
        matches!(question.measure, Measure::Column(index) if table.columns()[index].kind == ColumnType::Decimal);
    let since = now.checked_sub_days(Days::new(7)).filter(|_| is_decimal)?;
    let measure = question.measure_name(table);
    let sum = |sums: &crate::sums::Sums| restated::sum(sums, measure);
    let (mut slots, mut change) = (BTreeSet::new(), 0_i128);
    for (_, slot, revision) in restated::since(ledger, since) {
        let is_of_unit = [&revision.currency, &revision.currency_before].map(|of| of.as_deref() == unit);
        if let (true, Some(before), Some(after)) =
            (is_of_unit == [true, true], sum(&revision.sums_before), sum(&revision.sums))
        {
            slots.insert(slot);
            change = change.saturating_add(after.saturating_sub(before));
        }
    }
    Some((slots.len(), change))
}

#[cfg(test)]
mod tests {
    use super::{Mover, movers};
    use crate::answer::Group;

    #[test]
    fn movers_are_the_largest_changes_either_way() {
        let group = |name: &str, sum: i128, before: i128| Group {
            key: vec![Some(name.to_owned())],
            sum,
            before,
            ..Group::default()
        };
        let groups = [("a", 5, 1), ("b", 9, 9), ("c", 0, 7), ("d", 3, 2), ("e", 8, 2), ("f", 4, 3)];
        let (up, down) = movers(&groups.map(|(name, sum, before)| group(name, sum, before)));
        let names = |movers: &[Mover]| {
            movers.iter().map(|mover| format!("{:?} {}", mover.name.as_deref(), mover.by)).collect::<Vec<_>>()
        };
        assert_eq!(
            names(&up),
            [r#"Some("e") 6"#, r#"Some("a") 4"#, r#"Some("d") 1"#],
            "of two equal ones the first name"
        );
        assert_eq!(names(&down), [r#"Some("c") -7"#]);
    }
}
