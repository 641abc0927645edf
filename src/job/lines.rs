//! On which lines of a job file its keys stand, so that a problem says where it is.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::section::Problem;

/// Adds the line to every problem whose key, or at least its section, stands in the `text`.
pub(super) fn number(text: &str, problems: &mut [Problem]) {
    if problems.is_empty() {
        return;
    }
    let Ok(root) = DeTable::parse(text) else { return };
    for problem in problems.iter_mut().filter(|problem| problem.line.is_none()) {
        problem.line = in_table(root.get_ref(), &problem.key).map(|at| line_at(text, at));
    }
}

/// The line of a byte of the text, from 1.
pub(super) fn line_at(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// Where a dotted key stands in a table, or the innermost part of it that is there.
fn in_table(table: &DeTable<'_>, path: &str) -> Option<usize> {
    let found = table.iter().filter_map(|(key, value)| {
        let rest = path.strip_prefix(key.get_ref().as_ref())?;
        (rest.is_empty() || rest.starts_with(['.', '['])).then_some((rest, key.span().start, value))
    });
    // A key may hold dots itself: the longest that fits.
    let (rest, at, value) = found.min_by_key(|(rest, ..)| rest.len())?;
    Some(in_value(value, rest.strip_prefix('.').unwrap_or(rest)).unwrap_or(at))
}

fn in_value(value: &Spanned<DeValue<'_>>, path: &str) -> Option<usize> {
    match value.get_ref() {
        DeValue::Table(table) => in_table(table, path),
        DeValue::Array(list) => {
            let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
            let entry = list.get(index.parse::<usize>().ok()?)?;
            Some(in_value(entry, rest.strip_prefix('.').unwrap_or(rest)).unwrap_or(entry.span().start))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::number;
    use crate::job::section::Problem;

    #[test]
    fn a_problem_has_the_line_of_the_innermost_key_that_is_there() {
        let text =
            "# x\n[source]\ntype = \"x\"\ngroup_by = [\n  { a = 1 },\n  { b = { \"c.d\" = 2 } },\n]\n\n[window]\n";
        for (key, line) in [
            ("source.type", Some(3)),
            ("source.group_by", Some(4)),
            ("source.group_by[0].a", Some(5)),
            ("source.group_by[1].b.c.d", Some(6)),
            ("source.group_by[1].other", Some(6)),
            ("source.group_by[7]", Some(4)),
            ("window.begin", Some(9)),
            ("windows.begin", None),
            ("", None),
        ] {
            let mut problems = [Problem::new(key, "is wrong")];
            number(text, &mut problems);
            assert_eq!(problems[0].line, line, "{key}");
        }
    }
}
