//! Line charts over days: savings, rates and utilization.

use std::fmt::Write;

use maud::{Markup, html};

use crate::web::format;

use super::scale::{Scale, compact};
use super::{Axis, Key, Place, Plot, legend, letter, px, table};

/// One line; days without a value are gaps in it.
pub(in crate::web) struct Line {
    /// Its name in the legend.
    pub(in crate::web) name: String,
    /// A value per slot of the axis.
    pub(in crate::web) values: Vec<Option<f64>>,
}

/// Formats a number.
type Writer = fn(f64) -> String;

/// How lines are drawn.
pub(in crate::web) struct About<'a> {
    /// Unique on the page.
    pub(in crate::web) id: &'a str,
    /// What is drawn.
    pub(in crate::web) title: &'a str,
    /// Whether values are formatted as percent.
    pub(in crate::web) ratios: bool,
    /// Whether the area between the first two lines is filled.
    pub(in crate::web) band: bool,
}

/// A line chart.
pub(in crate::web) fn lines(place: Place<'_>, about: &About<'_>, axis: &Axis, lines: &[Line]) -> Markup {
    let About { id, title, ratios, band } = *about;
    let (tick, value): (Writer, Writer) =
        if ratios { (percent_tick, format::percent) } else { (compact, format::float) };
    let full = if ratios { Some(1.0) } else { None };
    let scale = Scale::new(lines.iter().flat_map(|line| line.values.iter().flatten().copied()).chain(full));
    let shown = |known: Option<f64>| known.map_or_else(|| "–".to_owned(), value);
    let at = |line: &Line, index: usize| line.values.get(index).copied().flatten();
    let keys: Vec<Key> = lines
        .iter()
        .enumerate()
        .map(|(index, line)| Key {
            letter: letter(index),
            name: line.name.clone(),
            figure: shown(last(line)),
            link: None,
        })
        .collect();
    let plot = Plot {
        id,
        title,
        description: describe(&keys),
        axis,
        scale: &scale,
        tick,
        letters: lines
            .iter()
            .enumerate()
            .filter_map(|(index, line)| Some((scale.y(last(line)?), letter(index))))
            .collect(),
        beyond: Vec::new(),
    };
    let told = |index: usize| {
        let slot = axis.slots().get(index).map(|slot| axis.name(*slot)).unwrap_or_default();
        let parts = lines.iter().map(|line| format!("{} {}", format::label(&line.name), shown(at(line, index))));
        format!("{slot}: {}", parts.collect::<Vec<_>>().join(", "))
    };
    html! {
        figure class="chart" {
            figcaption { (title) }
            (plot.frame(place, &drawn(lines, band, &scale), told))
            (legend(&keys, "Newest:", swatch))
            (table(place, axis, title, &keys, |index, column| shown(lines.get(column).and_then(|line| at(line, index)))))
        }
    }
}

/// The newest value.
fn last(line: &Line) -> Option<f64> {
    line.values.iter().rev().flatten().next().copied()
}

fn percent_tick(ratio: f64) -> String {
    format!("{} %", compact((ratio * 1e6).round() / 1e4))
}

fn describe(keys: &[Key]) -> String {
    let newest = keys.iter().map(|key| format!("{} {}", format::label(&key.name), key.figure));
    format!("Newest values: {}.", newest.collect::<Vec<_>>().join("; "))
}

fn drawn(lines: &[Line], band: bool, scale: &Scale) -> Markup {
    html! {
        @if let [one, other, ..] = lines {
            @if band { path class="band" d=(between(one, other, scale)) {} }
        }
        @for (index, line) in lines.iter().enumerate() { path class={ "line l" (index % 9) } d=(path(line, scale)) {} }
    }
}

/// The runs of consecutive days with a value, each with its start index.
fn runs<T>(values: impl Iterator<Item = Option<T>>) -> Vec<(usize, Vec<T>)> {
    let mut runs: Vec<(usize, Vec<T>)> = Vec::new();
    let mut open = false;
    for (index, value) in values.enumerate() {
        let Some(value) = value else {
            open = false;
            continue;
        };
        match runs.last_mut().filter(|_| open) {
            Some((_, run)) => run.push(value),
            None => runs.push((index, vec![value])),
        }
        open = true;
    }
    runs
}

fn path(line: &Line, scale: &Scale) -> String {
    let mut path = String::new();
    for (start, run) in runs(line.values.iter().copied()) {
        if let [only] = run[..] {
            let _ = write!(path, "M{start} {}h1", px(scale.y(only)));
            continue;
        }
        for (offset, value) in run.iter().enumerate() {
            let _ = write!(path, "{}{}.5 {}", if offset == 0 { 'M' } else { 'L' }, start + offset, px(scale.y(*value)));
        }
    }
    path
}

/// The area between two lines, on the days on which both have a value.
fn between(one: &Line, other: &Line, scale: &Scale) -> String {
    let mut path = String::new();
    for (start, run) in runs(one.values.iter().zip(&other.values).map(|(one, other)| one.zip(*other))) {
        let there = run.iter().enumerate().map(|(offset, (one, _))| (start + offset, *one));
        let back = run.iter().enumerate().rev().map(|(offset, (_, other))| (start + offset, *other));
        for (number, (index, value)) in there.chain(back).enumerate() {
            let _ = write!(path, "{}{index}.5 {}", if number == 0 { 'M' } else { 'L' }, px(scale.y(value)));
        }
        path.push('z');
    }
    path
}

fn swatch(index: usize) -> Markup {
    html! { path class={ "line l" (index % 9) } d="M0 6H16" {} }
}

#[cfg(test)]
mod tests {
    use super::{About, Line, lines, path, runs};
    use crate::web::chart::scale::Scale;
    use crate::web::chart::{Axis, Place};
    use crate::web::choice::{Choice, Step};
    use crate::window::Grain;
    use chrono::{Days, NaiveDate};

    #[test]
    fn holes_part_a_line() {
        assert_eq!(runs([Some(1), None, Some(2), Some(3)].into_iter()), [(0, vec![1]), (2, vec![2, 3])]);
        let scale = Scale::new([4.0].into_iter());
        let line = Line { name: String::new(), values: vec![Some(2.0), None, Some(0.0), Some(4.0)] };
        assert_eq!(path(&line, &scale), "M0 120h1M2.5 240L3.5 0");
    }

    #[test]
    fn ratios_reach_to_a_hundred_percent_and_names_are_escaped() {
        let first = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap_or_default();
        let axis = Axis::new(Grain::Daily, (0..3).map(|day| first + Days::new(day)));
        let hostile = Line { name: "<script>\0\"".to_owned(), values: vec![Some(0.25), None, Some(0.5)] };
        let place = Place { step: Step::Day, choice: &Choice::default() };
        let about = About { id: "x", title: "Rate", ratios: true, band: false };
        let html = lines(place, &about, &axis, &[hostile]).into_string();
        assert!(html.contains(">100 %</text>") && html.contains("50.0 %"), "{html}");
        assert!(!html.contains("<script>") && !html.contains('\0') && !html.contains("style="));
    }
}
