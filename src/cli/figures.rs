//! Sums as a table for the screen: names, amounts, shares and bars; or amounts, earlier amounts and changes.

use anstyle::Style;
use chrono::{Datelike, NaiveDate};
use unicode_width::UnicodeWidthStr;

use crate::answer::{Group, Measure, Question, Section};
use crate::decimal;
use crate::error::printable;
use crate::job::Job;
use crate::table::{ColumnType, Table};
use crate::text::plural;
use crate::window::{Grain, Window};

use super::fit::{self, cut};
use super::screen::{self, BOLD, DIM, PLAIN};

/// Characters of a bar, the least that tell something, and of a line of bars for the days.
const BAR: usize = 14;
const LEAST_BAR: usize = 4;
const SPARKS: usize = 56;
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
    let mut rows: Vec<(Vec<String>, Style)> = Vec::new();
    let row = |names: Vec<String>, cells: Vec<String>| names.into_iter().chain(cells).collect::<Vec<String>>();
    if !question.by.is_empty() {
        let line =
            |group: &Group| (row(names(&group.key), cells(group, share(group), bar(group.sum, largest, BAR))), PLAIN);
        rows.extend(section.groups.iter().map(line));
    }
    if let Some((count, rest)) = &section.rest {
        let name = named(&plural(*count, "other"), question.by.len());
        rows.push((row(name, cells(rest, share(rest), String::new())), DIM));
    }
    let total = Group { sum: section.total, before: section.before, ..Group::default() };
    let name = named("total", question.by.len().max(1));
    rows.push((row(name, cells(&total, String::new(), String::new())), BOLD));
    let after: &[&str] = match before {
        Some(_) => &["earlier", "change", "%"],
        None if question.by.is_empty() => &[],
        None => &["share", ""],
    };
    let by = question.by_names(table);
    let by = if by.is_empty() { vec![""] } else { by };
    let unit = cut(&unit(question, table, section), HEAD);
    let header: Vec<&str> = by.iter().copied().chain([unit.as_str()]).chain(after.iter().copied()).collect();
    let bars: Option<Vec<i128>> =
        (after == ["share", ""]).then(|| section.groups.iter().map(|group| group.sum).collect());
    let text = laid_out(header, by.len(), rows, bars.as_deref(), screen::width());
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
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

/// The table. Its bars, the last column, give their room to the names.
fn laid_out(
    mut header: Vec<&str>,
    by: usize,
    mut rows: Vec<(Vec<String>, Style)>,
    bars: Option<&[i128]>,
    width: usize,
) -> String {
    if let Some(sums) = bars {
        let last = header.len() - 1;
        let of_column = |index: usize| {
            let cells = rows.iter().filter_map(|(cells, _)| cells.get(index)).map(|cell| cell.width());
            cells.chain(header.get(index).map(|head| head.width())).max().unwrap_or(0)
        };
        let others: Vec<usize> = (0..last).map(of_column).collect();
        let with = |bar: usize, gap: usize| fit::taken(&others, gap) + gap + bar;
        let room = if with(BAR, 3) <= width { BAR } else { (BAR + width).saturating_sub(with(BAR, 2)).min(BAR) };
        if room < LEAST_BAR {
            header.pop();
            rows.iter_mut().for_each(|(cells, _)| cells.truncate(last));
        } else if room < BAR {
            let largest = sums.iter().copied().max().unwrap_or(0);
            for ((cells, _), sum) in rows.iter_mut().zip(sums) {
                cells.truncate(last);
                cells.push(bar(*sum, largest, room));
            }
        }
    }
    let right: Vec<usize> = (by..header.len()).filter(|index| !header[*index].is_empty()).collect();
    fit::table(&fit::Shape { header: &header, right: &right, paints_last: false, width }, &rows)
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

/// A bar of a part of the largest, which has `most` characters.
fn bar(part: i128, largest: i128, most: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = part.max(0).checked_mul(8 * most as i128).and_then(|part| part.checked_div(largest));
    let eighths = usize::try_from(eighths.unwrap_or(0)).unwrap_or(0).min(8 * most);
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
    // A first bar of fewer days is drawn as high as its days would be in a whole one.
    let first = i128::try_from(count - (bars - 1) * each).unwrap_or(1);
    let whole = i128::try_from(each).unwrap_or(1);
    if let Some(Some(sum)) = sums.first_mut() {
        *sum = sum.saturating_mul(whole) / first.max(1);
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
    use unicode_width::UnicodeWidthStr;

    use super::{PLAIN, bar, change, laid_out, sparks};
    use crate::answer::Section;
    use crate::window::{Grain, parse_day};

    #[test]
    fn bars_and_shares_are_of_the_largest_and_the_whole() {
        assert_eq!(
            [bar(4, 4, 14).chars().count(), bar(2, 4, 14).chars().count(), bar(0, 4, 14).len(), bar(-1, 4, 14).len()],
            [14, 7, 0, 0]
        );
        assert_eq!(bar(1, 0, 14), "");
        for (by, before, wanted) in [(1, 3, "+33.3 %"), (-1, 3, "-33.3 %"), (1, -2, "+50.0 %"), (1, 0, "")] {
            assert_eq!(change(by, before), wanted);
        }
    }

    #[test]
    fn every_month_has_a_bar_and_a_first_one_of_fewer_days_is_as_high_as_its_days() {
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
        assert_eq!((bars.chars().count(), bars.chars().next(), bars.chars().last()), (29, Some('█'), Some('█')));
    }

    #[test]
    fn bars_make_room_for_names() {
        let laid = |name: &str| {
            let row = [name, name, "1,234.00", "50.0 %", &bar(1, 1, 14)].map(str::to_owned).to_vec();
            let text = laid_out(vec!["a", "b", "USD", "share", ""], 2, vec![(row, PLAIN)], Some(&[1]), 80);
            let text = anstream::adapter::strip_str(&text).to_string();
            assert!(text.lines().all(|line| line.width() <= 80), "{text}");
            (text.matches('█').count(), text.matches(name).count())
        };
        assert_eq!(laid("short"), (14, 2));
        assert_eq!(laid(&"x".repeat(25)), (7, 2), "shorter bars");
        assert_eq!(laid(&"x".repeat(29)), (0, 2), "no bars");
        assert_eq!(laid(&"x".repeat(40)), (0, 0), "names are cut last");
    }
}
