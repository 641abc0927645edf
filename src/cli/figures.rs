//! Sums as a table of at most 80 columns: names, amounts, shares and bars; or amounts, earlier amounts and changes.

use anstyle::Style;
use chrono::NaiveDate;

use crate::answer::{Group, Measure, Question, Section};
use crate::decimal;
use crate::error::printable;
use crate::table::{ColumnType, Table};
use crate::text::plural;
use crate::window::Window;

use super::screen::{BOLD, DIM, PLAIN, grid};

/// Columns of the screen.
const WIDTH: usize = 80;
/// Characters of a bar, and of a line of bars for the days.
const BAR: usize = 14;
const SPARKS: usize = 56;
/// Least characters of a name.
const NARROW: usize = 8;

/// The lines of one section.
pub(super) fn section(question: &Question, table: &Table, section: &Section, before: Option<Window>) -> Vec<String> {
    let unit = unit(question, table, section);
    let decimals = decimals(question, table, section);
    let mut rows: Vec<(Vec<String>, Vec<String>, Style)> = Vec::new();
    let largest = section.groups.iter().map(|group| group.sum).max().unwrap_or(0);
    let cells = |group: &Group| {
        let sum = decimal::shown(group.sum, decimals);
        if before.is_some() {
            let (earlier, by) = (decimal::shown(group.before, decimals), group.sum - group.before);
            let sign = if by > 0 { "+" } else { "" };
            vec![sum, earlier, format!("{sign}{}", decimal::shown(by, decimals)), percent(by, group.before, "+")]
        } else {
            vec![sum, percent(group.sum, section.total, ""), bar(group.sum, largest)]
        }
    };
    if !question.by.is_empty() {
        rows.extend(section.groups.iter().map(|group| (names(&group.key), cells(group), PLAIN)));
    }
    if let Some((count, rest)) = &section.rest {
        let mut others = cells(rest);
        if before.is_none() {
            others.pop();
            others.push(String::new());
        }
        rows.push((named(&plural(*count, "other"), question.by.len()), others, DIM));
    }
    let total = Group { sum: section.total, before: section.before, ..Group::default() };
    let mut totals = cells(&total);
    if before.is_none() {
        totals.truncate(1);
        totals.extend([String::new(), String::new()]);
    }
    rows.push((named("total", question.by.len().max(1)), totals, BOLD));
    let by = question.by_names(table);
    let by = if by.is_empty() { vec![""] } else { by };
    if before.is_none() && question.by.is_empty() {
        rows.iter_mut().for_each(|(_, cells, _)| cells.truncate(1));
    }
    let mut header = header(&by, &unit, before);
    if before.is_none() && question.by.is_empty() {
        header.truncate(2);
    }
    let mut lines: Vec<String> = laid_out(&header, by.len(), rows).lines().map(str::to_owned).collect();
    if !question.is_by_time() && section.days.len() > 1 {
        lines.push(sparks(section));
    }
    lines
}

/// What stands above the amounts: the unit, or the name of the measure if it has none; with the series.
fn unit(question: &Question, table: &Table, section: &Section) -> String {
    let name = || question.measure_name(table).to_owned();
    let of = |index: usize| section.of.get(index).cloned().flatten().map(|text| printable(&text));
    let unit = of(0).unwrap_or_else(name);
    of(1).map_or(unit.clone(), |series| format!("{unit} ({series})"))
}

fn header(by: &[&str], unit: &str, before: Option<Window>) -> Vec<String> {
    let last = match before {
        Some(before) if before.len() == 1 => vec![before.start().to_string(), "change".to_owned(), "%".to_owned()],
        Some(before) => vec![
            format!("{} to {}", before.start().format("%m-%d"), before.last().format("%m-%d")),
            "change".to_owned(),
            "%".to_owned(),
        ],
        None => vec!["share".to_owned(), String::new()],
    };
    by.iter().map(ToString::to_string).chain([unit.to_owned()]).chain(last).collect()
}

/// The table, with its names cut so that it fits the screen.
fn laid_out(header: &[String], by: usize, rows: Vec<(Vec<String>, Vec<String>, Style)>) -> String {
    let width = |index: usize| {
        let of_row = |(names, cells, _): &(Vec<String>, Vec<String>, Style)| {
            let cell = if index < by { names.get(index) } else { cells.get(index - by) };
            cell.map_or(0, |cell| cell.chars().count())
        };
        let heads = header.get(index).map_or(0, |head| head.chars().count());
        rows.iter().map(of_row).max().unwrap_or(0).max(heads)
    };
    let mut widths: Vec<usize> = (0..header.len()).map(width).collect();
    // Each column has a blank at either side, and one stands between two.
    while widths.iter().sum::<usize>() + 3 * widths.len() > WIDTH + 1 {
        let Some(widest) = widths.iter_mut().take(by).max_by_key(|width| **width).filter(|width| **width > NARROW)
        else {
            break;
        };
        *widest -= 1;
    }
    let right: Vec<usize> = (by..header.len()).filter(|index| !header[*index].is_empty()).collect();
    let header: Vec<String> = header.iter().zip(&widths).map(|(head, width)| cut(head, *width)).collect();
    let heads: Vec<&str> = header.iter().map(String::as_str).collect();
    let rows = rows.into_iter().map(|(names, cells, style)| {
        let names = names.iter().zip(&widths).map(|(name, width)| cut(name, *width));
        (names.chain(cells).collect(), style)
    });
    grid(&heads, &right, rows)
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn names(key: &[Option<String>]) -> Vec<String> {
    key.iter()
        .map(|value| match value.as_deref() {
            None => "(null)".to_owned(),
            Some("") => "(empty)".to_owned(),
            Some(text) => printable(text),
        })
        .collect()
}

/// A name in the first of several columns.
fn named(name: &str, columns: usize) -> Vec<String> {
    let mut names = vec![String::new(); columns];
    if let Some(first) = names.first_mut() {
        name.clone_into(first);
    }
    names
}

/// Decimals to show: none of counts, two of amounts, more where all of them are small.
fn decimals(question: &Question, table: &Table, section: &Section) -> u32 {
    let is_count = match question.measure {
        Measure::Rows => true,
        Measure::Column(index) => matches!(table.columns()[index].kind, ColumnType::Int | ColumnType::Bigint),
    };
    let amounts = section.groups.iter().map(|group| group.sum.unsigned_abs().max(group.before.unsigned_abs()));
    let largest = amounts.max().unwrap_or(0);
    if is_count || largest == 0 {
        return if is_count { 0 } else { 2 };
    }
    let digits = largest.ilog10() + 1;
    // Three digits of the largest amount.
    (decimal::SCALE + 3).saturating_sub(digits).clamp(2, decimal::SCALE)
}

/// A part as percent of a whole.
fn percent(part: i128, whole: i128, plus: &str) -> String {
    let thousandths = part.checked_mul(1_000).and_then(|part| part.checked_div(whole.abs()));
    let Some(thousandths) = thousandths else { return String::new() };
    if thousandths.unsigned_abs() > 99_999 {
        return format!("{}>9,999 %", if thousandths < 0 { "-" } else { plus });
    }
    let sign = match thousandths.signum() {
        -1 => "-",
        0 => "",
        _ => plus,
    };
    let size = thousandths.unsigned_abs();
    format!("{sign}{}.{} %", size / 10, size % 10)
}

/// A bar of a part of the largest.
fn bar(part: i128, largest: i128) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = part.max(0).checked_mul(8 * BAR as i128).and_then(|part| part.checked_div(largest));
    let eighths = usize::try_from(eighths.unwrap_or(0)).unwrap_or(0).min(8 * BAR);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// The days of a section as a line of small bars; several days are one bar where they are many.
fn sparks(section: &Section) -> String {
    const SIGNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (Some(first), Some(last)) = (section.days.keys().next(), section.days.keys().last()) else {
        return String::new();
    };
    let gap = section.days.keys().zip(section.days.keys().skip(1)).map(|(a, b)| (*b - *a).num_days()).min();
    // The days of a MONTHLY table are months.
    let step = if gap.is_some_and(|gap| gap >= 28) { 31 } else { 1 };
    let count = usize::try_from((*last - *first).num_days() / step).unwrap_or(0) + 1;
    let each = count.div_ceil(SPARKS);
    let mut sums: Vec<Option<i128>> = vec![None; count.div_ceil(each)];
    let place = |day: NaiveDate| usize::try_from((day - *first).num_days() / step).unwrap_or(0) / each;
    for (day, sum) in &section.days {
        if let Some(sums) = sums.get_mut(place(*day)) {
            *sums = Some(sums.unwrap_or(0) + sum);
        }
    }
    let largest = sums.iter().flatten().max().copied().unwrap_or(0);
    let sign = |sum: &Option<i128>| match sum {
        None => ' ',
        Some(sum) => {
            let level = sum.max(&0).checked_mul(8).and_then(|sum| sum.checked_div(largest)).unwrap_or(0);
            SIGNS[usize::try_from(level).unwrap_or(0).min(7)]
        }
    };
    let line: String = sums.iter().map(sign).collect();
    let what = match (step, each) {
        (31, _) => "by month".to_owned(),
        (_, 1) => "by day".to_owned(),
        (_, each) => format!("by {each} days"),
    };
    format!(" {line} {DIM}{what}{DIM:#}")
}

#[cfg(test)]
mod tests {
    use super::{bar, cut, percent};

    #[test]
    fn bars_and_shares_are_of_the_largest_and_the_whole() {
        assert_eq!(
            [bar(4, 4).chars().count(), bar(2, 4).chars().count(), bar(0, 4).len(), bar(-1, 4).len()],
            [14, 7, 0, 0]
        );
        assert_eq!(bar(1, 0), "");
        for (part, whole, wanted) in
            [(1, 3, "33.3 %"), (-1, 3, "-33.3 %"), (1, -2, "50.0 %"), (1, 0, ""), (500, 1, ">9,999 %")]
        {
            assert_eq!(percent(part, whole, ""), wanted);
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!([cut("abc", 3), cut("abcd", 3), cut("ab cd", 4)], ["abc", "ab…", "ab…"]);
    }
}
