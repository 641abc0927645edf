//! Sums as a table for a screen of 80 columns: names, amounts, shares and bars; or amounts, earlier amounts and changes.

use anstyle::Style;
use chrono::{Datelike, NaiveDate};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::answer::{Group, Measure, Question, Section};
use crate::decimal;
use crate::error::printable;
use crate::job::Job;
use crate::table::{ColumnType, Table};
use crate::text::plural;
use crate::window::{Grain, Window};

use super::screen::{BOLD, DIM, PLAIN, grid};

/// Columns of the screen.
const WIDTH: usize = 80;
/// Characters of a bar, and of a line of bars for the days.
const BAR: usize = 14;
const SPARKS: usize = 56;
/// Least characters of a name.
const NARROW: usize = 5;
/// Most characters of the head of an amount.
const HEAD: usize = 18;

/// The lines of one section. After the sum of a row stand the earlier figures, or else, where there are groups, their
/// shares and bars.
pub(super) fn section(question: &Question, job: &Job, section: &Section, before: Option<Window>) -> Vec<String> {
    let table = job.source.table();
    let decimals = decimals(question, table, section);
    let largest = section.groups.iter().map(|group| group.sum).max().unwrap_or(0);
    let share = |group: &Group| decimal::percent(group.sum, section.total).unwrap_or_default();
    let cells = |group: &Group, share: String, bar: String| {
        let sum = decimal::shown(group.sum, decimals);
        if before.is_some() {
            let by = group.sum.saturating_sub(group.before);
            let sign = if by > 0 { "+" } else { "" };
            let by_text = format!("{sign}{}", decimal::shown(by, decimals));
            vec![sum, decimal::shown(group.before, decimals), by_text, change(by, group.before)]
        } else if question.by.is_empty() {
            vec![sum]
        } else {
            vec![sum, share, bar]
        }
    };
    let mut rows: Vec<(Vec<String>, Vec<String>, Style)> = Vec::new();
    if !question.by.is_empty() {
        let row = |group: &Group| (names(&group.key), cells(group, share(group), bar(group.sum, largest)), PLAIN);
        rows.extend(section.groups.iter().map(row));
    }
    if let Some((count, rest)) = &section.rest {
        let name = named(&plural(*count, "other"), question.by.len());
        rows.push((name, cells(rest, share(rest), String::new()), DIM));
    }
    let total = Group { sum: section.total, before: section.before, ..Group::default() };
    rows.push((named("total", question.by.len().max(1)), cells(&total, String::new(), String::new()), BOLD));
    let after: &[&str] = match before {
        Some(_) => &["earlier", "change", "%"],
        None if question.by.is_empty() => &[],
        None => &["share", ""],
    };
    let by = question.by_names(table);
    let by = if by.is_empty() { vec![""] } else { by };
    let unit = cut(&unit(question, table, section), HEAD);
    let header: Vec<String> =
        by.iter().copied().chain([unit.as_str()]).chain(after.iter().copied()).map(str::to_owned).collect();
    let mut lines: Vec<String> = laid_out(&header, by.len(), rows).lines().map(str::to_owned).collect();
    if !question.is_by_time() && section.days.len() > 1 {
        lines.push(sparks(job.source.grain(), section));
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

/// The table, with its names cut so that it fits the screen.
fn laid_out(header: &[String], by: usize, rows: Vec<(Vec<String>, Vec<String>, Style)>) -> String {
    let width = |index: usize| {
        let of_row = |(names, cells, _): &(Vec<String>, Vec<String>, Style)| {
            let cell = if index < by { names.get(index) } else { cells.get(index - by) };
            cell.map_or(0, |cell| cell.width())
        };
        let heads = header.get(index).map_or(0, |head| head.width());
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
    if text.width() <= width {
        return text.to_owned();
    }
    let (mut kept, mut room) = (String::new(), width.saturating_sub(1));
    for c in text.chars() {
        let Some(left) = room.checked_sub(c.width().unwrap_or(0)) else { break };
        kept.push(c);
        room = left;
    }
    format!("{}…", kept.trim_end())
}

fn names(key: &[Option<String>]) -> Vec<String> {
    key.iter()
        .map(|value| match value.as_deref() {
            None => "(null)".to_owned(),
            Some("") => "(empty)".to_owned(),
            Some(text) => printable(text).replace(['\n', '\t'], " "),
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

/// A change as percent of what was before.
fn change(by: i128, before: i128) -> String {
    let percent = decimal::percent(by, before.saturating_abs()).unwrap_or_default();
    let is_more = by > 0 && !percent.is_empty();
    if percent.len() > 10 { "…".to_owned() } else { format!("{}{percent}", if is_more { "+" } else { "" }) }
}

/// A bar of a part of the largest.
fn bar(part: i128, largest: i128) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = part.max(0).checked_mul(8 * BAR as i128).and_then(|part| part.checked_div(largest));
    let eighths = usize::try_from(eighths.unwrap_or(0)).unwrap_or(0).min(8 * BAR);
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

/// The days or months of a section as a line of small bars; several are one bar where they are many.
fn sparks(grain: Grain, section: &Section) -> String {
    const SIGNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let number = |day: NaiveDate| match grain {
        Grain::Monthly => i64::from(day.year()) * 12 + i64::from(day.month0()),
        _ => i64::from(day.num_days_from_ce()),
    };
    let numbers = || section.days.keys().map(|day| number(*day));
    let Some((first, last)) = numbers().min().zip(numbers().max()) else { return String::new() };
    let count = usize::try_from(last - first).unwrap_or(0) + 1;
    let each = count.div_ceil(SPARKS);
    let bars = count.div_ceil(each);
    let mut sums: Vec<Option<i128>> = vec![None; bars];
    for (day, sum) in &section.days {
        // Counted from the last, so that a bar of fewer days is the first one.
        let place = bars - 1 - usize::try_from(last - number(*day)).unwrap_or(0) / each;
        if let Some(sums) = sums.get_mut(place) {
            *sums = Some(sums.unwrap_or(0).saturating_add(*sum));
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
    let unit = if grain == Grain::Monthly { "month" } else { "day" };
    let what = if each == 1 { format!("by {unit}") } else { format!("by {each} {unit}s") };
    format!(" {line} {DIM}{what}{DIM:#}")
}

#[cfg(test)]
mod tests {
    use super::{bar, change, cut, sparks};
    use crate::answer::Section;
    use crate::window::{Grain, parse_day};

    #[test]
    fn bars_and_shares_are_of_the_largest_and_the_whole() {
        assert_eq!(
            [bar(4, 4).chars().count(), bar(2, 4).chars().count(), bar(0, 4).len(), bar(-1, 4).len()],
            [14, 7, 0, 0]
        );
        assert_eq!(bar(1, 0), "");
        for (by, before, wanted) in [(1, 3, "+33.3 %"), (-1, 3, "-33.3 %"), (1, -2, "+50.0 %"), (1, 0, "")] {
            assert_eq!(change(by, before), wanted);
        }
    }

    #[test]
    fn every_month_has_a_bar_and_a_short_one_is_the_first() {
        let line = |grain, days: &[(&str, i128)]| {
            let days = days.iter().map(|(day, sum)| (parse_day(day).expect("a day"), *sum)).collect();
            let line = sparks(grain, &Section { days, ..Section::default() });
            line.split(' ').nth(1).expect("bars").to_owned()
        };
        let months = ["2025-11-01", "2025-12-01", "2026-01-01", "2026-02-01", "2026-03-01"].map(|day| (day, 5));
        assert_eq!(line(Grain::Monthly, &months), "█████");
        let year: Vec<(String, i128)> = (0..57)
            .map(|day| ((parse_day("2026-01-01").expect("a day") + chrono::Days::new(day)).to_string(), 1))
            .collect();
        let year: Vec<(&str, i128)> = year.iter().map(|(day, sum)| (day.as_str(), *sum)).collect();
        let bars = line(Grain::Daily, &year);
        assert_eq!((bars.chars().count(), bars.chars().next(), bars.chars().last()), (29, Some('▅'), Some('█')));
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!([cut("abc", 3), cut("abcd", 3), cut("ab cd", 4), cut("日本語", 5)], ["abc", "ab…", "ab…", "日本…"]);
    }
}
