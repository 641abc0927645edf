//! Amounts by day, stacked by group: positive ones upwards from zero, negative ones downwards.

use std::fmt::Write;

use maud::{Markup, html};

use crate::text::plural;
use crate::web::chart_data::Stacked;
use crate::web::format;
use crate::window::Grain;

use super::scale::{Scale, compact};
use super::{Axis, Key, MOST_BARS, Plot, legend, letter, px, table};

/// The two edges of a group's band on one day, as exact sums.
type Edges = (i128, i128);

/// The chart of a table's amounts.
pub(in crate::web) fn stacked(grain: Grain, figures: &Stacked, id: &str) -> Markup {
    let axis = Axis::new(grain, figures.days.keys().copied());
    let empty = vec![0; figures.groups.len()];
    let rows: Vec<&Vec<i128>> = axis.slots().iter().map(|day| figures.days.get(day).unwrap_or(&empty)).collect();
    let bands = bands(&rows, figures.groups.len());
    let (highs, lows) = extremes(&bands, rows.len());
    let scale = Scale::cut(&highs, &lows);
    let keys = keys(figures);
    let measure = words_of(&figures.measure);
    let per = if grain == Grain::Monthly { "month" } else { "day" };
    let unit = format::unit(&figures.unit);
    let unit = if unit.is_empty() { unit } else { format!(", {unit}") };
    let by = figures.grouping.as_ref().map(|name| format!(" by {}", words_of(name))).unwrap_or_default();
    let title = capital(&format!("{measure}{by} per {per}{unit}"));
    let over: Vec<usize> = (0..highs.len()).filter(|index| scale.is_over(highs[*index])).collect();
    let plot = Plot {
        id,
        title: &title,
        description: describe(figures),
        axis: &axis,
        scale: &scale,
        tick: compact,
        letters: letters(&bands, &scale),
        over: over.clone(),
    };
    let sum = |index: usize| rows.get(index).map_or(0, |row| row.iter().sum::<i128>());
    let name = |index: usize| axis.slots().get(index).map(|slot| axis.name(*slot)).unwrap_or_default();
    let told = |index: usize| format!("{}: {} {unit}", name(index), written(figures, sum(index)));
    let cell = |index: usize, column: usize| {
        written(figures, rows.get(index).and_then(|row| row.get(column)).copied().unwrap_or(0))
    };
    html! {
        figure class="chart" {
            figcaption { (title) }
            (textures())
            (plot.frame(&drawn(&bands, &scale), told))
            @if let Some(highest) = over.iter().max_by_key(|index| sum(**index)) {
                p class="fine" {
                    "▲ " (plural(over.len() as u64, per)) " beyond the scale, the highest " (name(*highest)) ": "
                    (format::amount(sum(*highest))) " " (unit) "."
                }
            }
            (legend(&keys, if figures.is_count { "Newest:" } else { "Sum of all:" }, swatch))
            (table(&axis, &title, &keys, cell))
        }
    }
}

/// The bands of all groups, from the bottom: per group the edges of each day.
fn bands(rows: &[&Vec<i128>], groups: usize) -> Vec<Vec<Edges>> {
    let mut tops = vec![(0_i128, 0_i128); rows.len()];
    let mut bands = Vec::with_capacity(groups);
    for group in 0..groups {
        let edges = rows.iter().zip(&mut tops).map(|(row, (below, above))| {
            let amount = row.get(group).copied().unwrap_or(0);
            let edge = if amount < 0 { below } else { above };
            let from = *edge;
            *edge = from.saturating_add(amount);
            (from, *edge)
        });
        bands.push(edges.collect());
    }
    bands
}

/// How far each day reaches up and down.
fn extremes(bands: &[Vec<Edges>], days: usize) -> (Vec<f64>, Vec<f64>) {
    let reach = |index: usize, of: fn(i128, i128) -> i128| {
        units(bands.iter().filter_map(|edges| edges.get(index)).map(|(_, to)| *to).fold(0, of))
    };
    ((0..days).map(|index| reach(index, i128::max)).collect(), (0..days).map(|index| reach(index, i128::min)).collect())
}

/// An exact amount as a float, for positions only.
fn units(pico: i128) -> f64 {
    pico as f64 / 1e12
}

fn drawn(bands: &[Vec<Edges>], scale: &Scale) -> Markup {
    html! {
        @for (index, edges) in bands.iter().enumerate() {
            @let path = outline(edges, scale);
            @if !path.is_empty() {
                path class={ "s" (index) } d=(path) {}
                @if let Some(texture) = texture(index) { path fill={ "url(#" (texture) ")" } d=(path) {} }
            }
        }
    }
}

/// The outline of a band: bars for up to 70 days, else one stepped shape. Days without an amount have none.
fn outline(edges: &[Edges], scale: &Scale) -> String {
    let mut path = String::new();
    let y = |pico: i128| px(scale.y(units(pico)));
    if edges.len() <= MOST_BARS {
        for (index, (from, to)) in edges.iter().enumerate().filter(|(_, (from, to))| from != to) {
            let _ = write!(path, "M{index}.1 {}V{}H{index}.9V{}z", y(*from), y(*to), y(*from));
        }
        return path;
    }
    let mut index = 0;
    while index < edges.len() {
        let run = edges[index..].iter().take_while(|(from, to)| from != to).count();
        if run > 0 {
            let of_run = &edges[index..index + run];
            let _ = write!(path, "M{index} {}", y(of_run[0].1));
            for (offset, (_, to)) in of_run.iter().enumerate() {
                let _ = write!(path, "V{}H{}", y(*to), index + offset + 1);
            }
            for (offset, (from, _)) in of_run.iter().enumerate().rev() {
                let _ = write!(path, "V{}H{}", y(*from), index + offset);
            }
            path.push('z');
        }
        index += run.max(1);
    }
    path
}

/// Letters at the right end of the bands that are high enough for one (9 px).
fn letters(bands: &[Vec<Edges>], scale: &Scale) -> Vec<(f64, char)> {
    let ends = bands.iter().enumerate().filter_map(|(index, edges)| Some((index, edges.last()?)));
    let placed = ends.filter_map(|(index, (from, to))| {
        let (a, b) = (scale.y(units(*from)), scale.y(units(*to)));
        ((a - b).abs() >= 9.0).then_some(((a + b) / 2.0, letter(index)))
    });
    placed.collect()
}

/// Horizontal lines over two of three bands; stretching the plot does not change them.
fn texture(index: usize) -> Option<&'static str> {
    [None, Some("lines-wide"), Some("lines-close")][index % 3]
}

fn textures() -> Markup {
    html! {
        svg class="defs" width="0" height="0" aria-hidden="true" {
            defs {
                @for (id, height) in [("lines-wide", "7"), ("lines-close", "3")] {
                    pattern id=(id) width="8" height=(height) patternUnits="userSpaceOnUse" {
                        rect class="texture" width="8" height="1" {}
                    }
                }
            }
        }
    }
}

fn swatch(index: usize) -> Markup {
    html! {
        rect class={ "s" (index) } width="16" height="12" rx="2" {}
        @if let Some(texture) = texture(index) { rect fill={ "url(#" (texture) ")" } width="16" height="12" {} }
    }
}

/// The sum over all days, or the count on the newest one.
fn whole(figures: &Stacked, group: usize) -> i128 {
    let mut of_days = figures.days.values().filter_map(|row| row.get(group).copied());
    if figures.is_count { of_days.next_back().unwrap_or(0) } else { of_days.sum() }
}

/// An amount as text; counts have no decimals.
fn written(figures: &Stacked, pico: i128) -> String {
    let text = format::amount(pico);
    if figures.is_count { text.trim_end_matches(".00").to_owned() } else { text }
}

fn keys(figures: &Stacked) -> Vec<Key> {
    let figure = |group: usize| written(figures, whole(figures, group));
    let named = figures.groups.iter().enumerate();
    named.map(|(index, name)| Key { letter: letter(index), name: name.clone(), figure: figure(index) }).collect()
}

/// A short description for screen readers.
fn describe(figures: &Stacked) -> String {
    let (Some(first), Some(last)) = (figures.days.keys().next(), figures.days.keys().next_back()) else {
        return "There are no figures yet.".to_owned();
    };
    let all: i128 = (0..figures.groups.len()).map(|group| whole(figures, group)).sum();
    let names: Vec<String> = figures.groups.iter().take(3).map(|name| format::label(name)).collect();
    format!(
        "From {first} to {last}: {} {} {}. Largest: {}.",
        written(figures, all),
        format::unit(&figures.unit),
        if figures.is_count { "on the last day" } else { "in all" },
        names.join("; ")
    )
}

/// The text with its first letter in upper case.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A column's name as words.
pub(in crate::web) fn words_of(column: &str) -> String {
    column.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::{Edges, bands, outline, stacked, units};
    use crate::web::chart::scale::Scale;
    use crate::web::chart_data::Stacked;
    use crate::window::Grain;
    use chrono::{Days, NaiveDate};
    use proptest::{prop_assert_eq, proptest};

    const ONE: i128 = 1_000_000_000_000;

    #[test]
    fn heights_are_proportional_to_amounts() {
        let rows = [vec![100 * ONE, 300 * ONE, -100 * ONE]];
        let bands = bands(&rows.iter().collect::<Vec<_>>(), 3);
        let scale = Scale::new([-100.0, 400.0].into_iter());
        let height = |(from, to): Edges| (scale.y(units(from)) - scale.y(units(to))).abs();
        let heights: Vec<f64> = bands.iter().map(|edges| height(edges[0])).collect();
        assert!((heights[1] / heights[0] - 3.0).abs() < 1e-9, "{heights:?}");
        assert!((heights[2] - heights[0]).abs() < 1e-9);
        assert_eq!(bands[2][0], (0, -100 * ONE), "a credit hangs from zero");
    }

    proptest! {
        #[test]
        fn stacks_add_up(amounts in proptest::collection::vec(-ONE..ONE, 1..9)) {
            let rows = [amounts.clone()];
            let bands = bands(&rows.iter().collect::<Vec<_>>(), amounts.len());
            let top = bands.iter().map(|edges| edges[0].1).max().unwrap_or(0).max(0);
            let bottom = bands.iter().map(|edges| edges[0].1).min().unwrap_or(0).min(0);
            prop_assert_eq!(top + bottom, amounts.iter().sum::<i128>());
            prop_assert_eq!(top, amounts.iter().filter(|amount| **amount > 0).sum::<i128>());
        }
    }

    #[test]
    fn few_days_are_bars_and_many_one_outline() {
        let scale = Scale::new([10.0].into_iter());
        let bars = outline(&[(0, 5 * ONE), (0, 0), (0, 10 * ONE)], &scale);
        assert_eq!(bars, "M0.1 240V120H0.9V240zM2.1 240V0H2.9V240z");
        let many: Vec<Edges> = (0..100).map(|day| (0, if day == 50 { 0 } else { 5 * ONE })).collect();
        let outline = outline(&many, &scale);
        assert_eq!(outline.matches('z').count(), 2, "a day without an amount parts the shape");
    }

    fn figures(days: u64) -> Stacked {
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
        Stacked {
            measure: "unblended_cost".to_owned(),
            grouping: Some("service".to_owned()),
            unit: "USD".to_owned(),
            groups: vec!["<script>alert(1)</script>".to_owned(), "\"quoted\" \u{202e}".to_owned()],
            days: (0..days).map(|day| (first + Days::new(day), vec![ONE, 2 * ONE])).collect(),
            is_count: false,
        }
    }

    #[test]
    fn one_day_and_many_are_drawn_and_names_are_escaped() {
        for days in [1, 2, 70, 71, 400] {
            let html = stacked(Grain::Daily, &figures(days), "cost").into_string();
            assert_eq!(html.matches("class=\"hit\"").count() as u64, days);
            assert!(html.contains(&format!("{}.00 USD in all", 3 * days).replace("1200", "1,200")), "{html}");
            assert!(!html.contains("<script") && !html.contains('\u{202e}') && !html.contains("style="));
        }
    }
    #[test]
    fn what_is_counted_does_not_add_up_over_days() {
        let html = stacked(Grain::Daily, &Stacked { is_count: true, ..figures(5) }, "cost").into_string();
        assert!(html.contains(": 3 USD on the last day.") && html.contains("Newest:"), "{html}");
        assert!(html.contains("<td>1</td>") && !html.contains(".00 USD"), "{html}");
    }
}
