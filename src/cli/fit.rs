//! Text that fits the screen: tables whose names are cut in the middle, and sentences folded at their words.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Least columns of a name, and of text that is folded.
const LEAST_NAME: usize = 5;
const LEAST_TEXT: usize = 14;
/// Columns of text below which names are cut too.
const USUAL_TEXT: usize = 24;

/// What a table looks like.
pub(super) struct Shape<'a> {
    pub(super) header: &'a [&'a str],
    /// Columns of numbers: right-aligned and never cut.
    pub(super) right: &'a [usize],
    /// Whether the style of a row is that of its last cell alone.
    pub(super) paints_last: bool,
    /// Columns of the screen.
    pub(super) width: usize,
}

/// A table with a rule under its header. Where room is short, columns move closer together, names are cut in the
/// middle, and text in the last column goes on below.
pub(super) fn table(shape: &Shape<'_>, rows: &[(Vec<String>, Style)]) -> String {
    let columns = shape.header.len();
    let natural: Vec<usize> = (0..columns)
        .map(|index| {
            let cells = rows.iter().filter_map(|(cells, _)| cells.get(index)).map(|cell| cell.width());
            cells.chain(shape.header.get(index).map(|head| head.width())).max().unwrap_or(0)
        })
        .collect();
    let gap = if taken(&natural, 3) <= shape.width { 3 } else { 2 };
    let widths = fitted(natural, gap, shape);
    let header: Vec<String> = shape.header.iter().map(ToString::to_string).collect();
    let mut lines = row(shape, &widths, gap, &header, Style::new());
    let rule = taken(&widths, gap) + 1;
    lines.push("─".repeat(rule.min(shape.width)));
    for (cells, style) in rows {
        lines.extend(row(shape, &widths, gap, cells, *style));
    }
    lines.join("\n")
}

/// Columns that a table of these widths takes: a blank before each line, and a gap between two columns.
pub(super) fn taken(widths: &[usize], gap: usize) -> usize {
    1 + widths.iter().sum::<usize>() + gap * widths.len().saturating_sub(1)
}

/// The widths of the columns, the widest names made narrower until the table fits.
fn fitted(mut widths: Vec<usize>, gap: usize, shape: &Shape<'_>) -> Vec<usize> {
    let last = widths.len().saturating_sub(1);
    // Text that goes on below loses nothing, so it gives room first.
    while taken(&widths, gap) > shape.width && !shape.right.contains(&last) && widths[last] > USUAL_TEXT {
        widths[last] -= 1;
    }
    while taken(&widths, gap) > shape.width {
        let least = |index: usize| if index == last { LEAST_TEXT } else { LEAST_NAME };
        let elastic = widths
            .iter_mut()
            .enumerate()
            .filter(|(index, width)| !shape.right.contains(index) && **width > least(*index));
        match elastic.max_by_key(|(_, width)| **width) {
            Some((_, widest)) => *widest -= 1,
            None => break,
        }
    }
    widths
}

/// The lines of a row: more than one if its last cell is folded.
fn row(shape: &Shape<'_>, widths: &[usize], gap: usize, cells: &[String], style: Style) -> Vec<String> {
    let last = cells.len().saturating_sub(1);
    let folds = !shape.right.contains(&last) && cells.len() > 1;
    let text = cells.last().map(String::as_str).unwrap_or_default();
    let room = widths.last().copied().unwrap_or(0);
    let pieces = if folds { fold(text, room, 0) } else { vec![text.to_owned()] };
    let mut lines = Vec::new();
    for (number, piece) in pieces.into_iter().enumerate() {
        let mut cells: Vec<String> = if number == 0 { cells.to_vec() } else { vec![String::new(); cells.len()] };
        if let Some(end) = cells.last_mut() {
            end.clone_from(&piece);
        }
        let line = line(shape, widths, gap, &cells);
        let painted = |text: &str| if text.is_empty() { String::new() } else { format!("{style}{text}{style:#}") };
        lines.push(match line.strip_suffix(piece.as_str()) {
            Some(rest) if shape.paints_last => format!("{rest}{}", painted(&piece)),
            _ if shape.paints_last => line,
            _ => painted(&line),
        });
    }
    lines
}

fn line(shape: &Shape<'_>, widths: &[usize], gap: usize, cells: &[String]) -> String {
    let last = widths.len().saturating_sub(1);
    let padded = cells.iter().zip(widths).enumerate().map(|(index, (cell, width))| {
        let cell = if index == last || shape.right.contains(&index) { cell.clone() } else { cut(cell, *width) };
        let pad = " ".repeat(width.saturating_sub(cell.width()));
        if shape.right.contains(&index) { format!("{pad}{cell}") } else { format!("{cell}{pad}") }
    });
    let line = padded.collect::<Vec<_>>().join(&" ".repeat(gap));
    format!(" {line}").trim_end().to_owned()
}

/// A name of at most `width` columns: its beginning and its end where it is longer.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let head = taken_from(text.chars(), room.div_ceil(2));
    let tail: String = taken_from(text.chars().rev(), room / 2).chars().rev().collect();
    format!("{}…{}", head.trim_end(), tail.trim_start())
}

/// The first characters that fit.
fn taken_from(characters: impl Iterator<Item = char>, mut room: usize) -> String {
    let mut kept = String::new();
    for c in characters {
        let Some(left) = room.checked_sub(c.width().unwrap_or(0)) else { break };
        kept.push(c);
        room = left;
    }
    kept
}

/// The lines of a text, broken between words at `width`; what follows a break is indented by `indent` more than the
/// line it belongs to. A command in backticks and a word that is too long are kept whole, so that they can be copied.
pub(super) fn fold(text: &str, width: usize, indent: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| fold_line(line, width, indent)).collect()
}

fn fold_line(line: &str, width: usize, indent: usize) -> Vec<String> {
    if line.width() <= width {
        return vec![line.to_owned()];
    }
    let lead = line.len() - line.trim_start_matches(' ').len();
    let further = " ".repeat(lead + indent);
    let mut lines = Vec::new();
    let mut current = " ".repeat(lead);
    let mut is_empty = true;
    for word in words(line.trim_start_matches(' ')) {
        if !is_empty && current.width() + 1 + word.width() > width {
            lines.push(std::mem::replace(&mut current, further.clone()));
            is_empty = true;
        }
        if !is_empty {
            current.push(' ');
        }
        current.push_str(&word);
        is_empty = false;
    }
    lines.push(current);
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

/// The words of a line; what stands between two backticks is one.
fn words(line: &str) -> Vec<String> {
    let (mut found, mut current, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        is_quoted ^= c == '`';
        if c == ' ' && !is_quoted {
            found.push(std::mem::take(&mut current));
        } else {
            current.push(c);
        }
    }
    found.push(current);
    found
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::super::screen::{BOLD, GREEN, PLAIN};
    use super::{Shape, cut, fold, table};

    #[test]
    fn a_long_name_keeps_its_beginning_and_its_end() {
        let cuts = [cut("abc", 3), cut("abcdef", 5), cut("a bcdefg h", 4), cut("日本語日本語", 7)];
        assert_eq!(cuts, ["abc", "ab…ef", "a…h", "日…語"]);
    }

    #[test]
    fn a_sentence_is_folded_at_its_words_and_a_command_never() {
        assert_eq!(fold("one two three four", 9, 2), ["one two", "  three", "  four"]);
        assert_eq!(fold("  note: a\nb", 80, 2), ["  note: a", "b"]);
        assert_eq!(fold("  because: some reason", 12, 2), ["  because:", "    some", "    reason"]);
        assert_eq!(fold("go: `costlake run a_job` now", 12, 4), ["go:", "    `costlake run a_job`", "    now"]);
        assert_eq!(fold("an unbreakable_word", 6, 0), ["an", "unbreakable_word"]);
    }

    #[test]
    fn a_table_is_no_wider_than_the_screen() {
        let name = "a_name_of_sixty_characters_".repeat(3);
        let cells = |last: &str| vec![name.clone(), "1,234,567".to_owned(), last.to_owned()];
        let rows = [(cells("12 missing, 3 stale, 2 held for review, 19 estimated"), GREEN), (cells("ok"), PLAIN)];
        let shape = Shape { header: &["job", "rows", "state"], right: &[1], paints_last: true, width: 60 };
        let text = table(&shape, &rows);
        let plain = anstream::adapter::strip_str(&text).to_string();
        assert!(plain.lines().all(|line| line.width() <= 60), "{plain}");
        assert!(plain.lines().count() > 4 && plain.contains('…') && plain.contains("1,234,567"), "{plain}");
        for word in ["missing,", "estimated"] {
            assert!(plain.contains(word), "folded, not cut: {plain}");
        }
    }

    #[test]
    fn a_row_is_painted_whole_or_at_its_end() {
        let rows = [(vec!["total".to_owned(), "5".to_owned()], BOLD)];
        let shape = |paints_last| Shape { header: &["", "USD"], right: &[1], paints_last, width: 80 };
        let last = |text: String| text.lines().last().map(str::to_owned);
        assert_eq!(last(table(&shape(false), &rows)), Some(format!("{BOLD} total     5{BOLD:#}")));
        assert_eq!(last(table(&shape(true), &rows)), Some(format!(" total     {BOLD}5{BOLD:#}")));
    }
}
