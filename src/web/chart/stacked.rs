//! Amounts by day, stacked by group: positive ones upwards from zero, negative ones downwards.

use std::fmt::Write;

use maud::{Markup, html};

use crate::text::counted;
use crate::web::chart_data::{Band, Stacked};
use crate::web::choice::Choice;
use crate::web::format;

use super::scale::{Scale, compact};
use super::{Axis, Key, MOST_BARS, Place, Plot, legend, letter, px, table};

/// The two edges of a group's band on one day, as exact sums.
type Edges = (i128, i128);

/// The chart of a table's amounts.
pub(in crate::web) fn stacked(place: Place<'_>, figures: &Stacked, id: &str) -> Markup {
    let axis = Axis::new(place.step, figures.days.keys().copied());
    let empty = vec![0; figures.groups.len()];
    let rows: Vec<&Vec<i128>> = axis.slots().iter().map(|day| figures.days.get(day).unwrap_or(&empty)).collect();
    let bands = bands(&rows, figures.groups.len());
    let (highs, lows) = extremes(&bands, rows.len());
    let scale = Scale::cut(&highs, &lows);
    let keys = keys(place, figures);
    let beyond = beyond(&scale, &highs, &lows);
    let mut title = title(place, figures);
    if !beyond.is_empty() {
        let cut =
            counted(beyond.len() as u64, "bar is cut, with its value above", "bars are cut, with their values above");
        title = format!("{title}; {cut}");
    }
    let plot = Plot {
        id,
        title: &title,
        description: describe(figures),
        axis: &axis,
        scale: &scale,
        tick: compact,
        letters: letters(&bands, &scale),
        beyond,
    };
    let name = |index: usize| axis.slots().get(index).map(|slot| axis.name(*slot)).unwrap_or_default();
    let told = |index: usize| told(figures, &name(index), rows.get(index).map_or(&[], |row| row.as_slice()));
    let cell = |index: usize, column: usize| {
        written(figures, rows.get(index).and_then(|row| row.get(column)).copied().unwrap_or(0))
    };
    html! {
        figure class="chart" {
            figcaption { (title) }
            (textures())
            (plot.frame(place, &drawn(&bands, &scale), told))
            (legend(&keys, if figures.is_count { "Newest:" } else { "Total over the period:" }, swatch))
            (table(place, &axis, &title, &keys, cell))
        }
    }
}

/// `Unblended cost by service per day, USD`.
fn title(place: Place<'_>, figures: &Stacked) -> String {
    let of = match (&place.choice.group, figures.groups.first()) {
        (Some(_), Some(band)) => format!(" of {}", format::label(&band.name)),
        _ => figures.grouping.as_ref().map(|name| format!(" by {}", words_of(name))).unwrap_or_default(),
    };
    let unit = format::unit(&figures.unit);
    let unit = if unit.is_empty() { unit } else { format!(", {unit}") };
    capital(&format!("{}{of} per {}{unit}", words_of(&figures.measure), place.step.key()))
}

/// Groups that the text of a slot names.
const NAMED: usize = 3;

/// A slot as text: `2026-11-03: 1,234.50 USD (AmazonEC2 900.00, AmazonRDS 334.50)`.
fn told(figures: &Stacked, slot: &str, row: &[i128]) -> String {
    let sum = written(figures, row.iter().sum());
    let mut largest: Vec<(&str, i128)> =
        figures.groups.iter().zip(row).map(|(band, amount)| (band.name.as_str(), *amount)).collect();
    largest.retain(|(_, amount)| *amount != 0);
    largest.sort_by_key(|(_, amount)| std::cmp::Reverse(amount.unsigned_abs()));
    let named: Vec<String> = largest
        .iter()
        .take(NAMED)
        .map(|(name, amount)| format!("{} {}", format::label(name), written(figures, *amount)))
        .collect();
    let groups =
        if figures.groups.len() > 1 && !named.is_empty() { format!(" ({})", named.join(", ")) } else { String::new() };
    format!("{slot}: {sum} {}{groups}", format::unit(&figures.unit))
}

/// The slots that reach beyond the scale, each with where it ends.
fn beyond(scale: &Scale, highs: &[f64], lows: &[f64]) -> Vec<(usize, f64)> {
    let end = |high: f64, low: f64| if scale.is_beyond(high) { high } else { low };
    let ends = highs.iter().zip(lows).map(|(high, low)| end(*high, *low));
    ends.enumerate().filter(|(_, end)| scale.is_beyond(*end)).collect()
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

/// The legend: a group links to its own days.
fn keys(place: Place<'_>, figures: &Stacked) -> Vec<Key> {
    let can_link = figures.grouping.is_some() && !figures.is_count && place.choice.group.is_none();
    let link = |group: &Option<String>| {
        let group = group.clone().filter(|_| can_link)?;
        Some(Choice { group: Some(group), ..place.choice.clone() }.link("", "figures"))
    };
    let key = |(index, band): (usize, &Band)| Key {
        letter: letter(index),
        name: band.name.clone(),
        figure: written(figures, whole(figures, index)),
        link: link(&band.id),
    };
    figures.groups.iter().enumerate().map(key).collect()
}

/// A short description for screen readers.
fn describe(figures: &Stacked) -> String {
    let (Some(first), Some(last)) = (figures.days.keys().next(), figures.days.keys().next_back()) else {
        return "There are no figures yet.".to_owned();
    };
    let all: i128 = (0..figures.groups.len()).map(|group| whole(figures, group)).sum();
    let names: Vec<String> = figures.groups.iter().take(3).map(|band| format::label(&band.name)).collect();
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
    use super::{Edges, bands, outline, units};
    use crate::web::chart::Place;
    use crate::web::chart::scale::Scale;
    use crate::web::chart_data::{Band, Stacked};
    use crate::web::choice::{Choice, Step};
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

    fn band(name: &str) -> Band {
        Band { id: Some(name.to_owned()), name: name.to_owned() }
    }

    fn stacked(figures: &Stacked, choice: &Choice) -> String {
        super::stacked(Place { step: Step::Day, choice }, figures, "cost").into_string()
    }

    fn figures(days: u64) -> Stacked {
        let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap_or_default();
        Stacked {
            measure: "unblended_cost".to_owned(),
            grouping: Some("service".to_owned()),
            unit: "USD".to_owned(),
            groups: ["<script>alert(1)</script>", "\"quoted\" \u{202e}"].map(band).into(),
            days: (0..days).map(|day| (first + Days::new(day), vec![ONE, 2 * ONE])).collect(),
            is_count: false,
        }
    }

    #[test]
    fn one_day_and_many_are_drawn_and_names_are_escaped() {
        for days in [1, 2, 70, 71, 400] {
            let html = stacked(&figures(days), &Choice::default());
            assert_eq!(html.matches("class=\"hit\"").count() as u64, days);
            assert!(html.contains(&format!("{}.00 USD in all", 3 * days).replace("1200", "1,200")), "{html}");
            assert!(!html.contains("<script") && !html.contains('\u{202e}') && !html.contains("style="));
        }
    }

    #[test]
    fn a_point_tells_its_value_and_leads_to_its_day() {
        let html = stacked(&figures(3), &Choice { group: Some("x".to_owned()), ..Choice::default() });
        let point = "<a class=\"hit\" href=\"?group=x&amp;day=2026-01-03#day\" aria-label=\"2026-01-03: 3.00 USD (";
        assert!(html.contains(point), "{html}");
        assert_eq!(html.matches("tabindex=\"0\"").count(), 2, "the newest point, and the table");
        let legend = stacked(&figures(3), &Choice::default());
        assert!(legend.contains("href=\"?group=%3Cscript%3Ealert%281%29%3C%2Fscript%3E#figures\""), "{legend}");
    }

    #[test]
    fn a_first_of_the_month_is_cut_and_says_its_value() {
        let mut spiked = figures(40);
        assert!(!stacked(&spiked, &Choice::default()).contains("class=\"cut\""));
        let first = NaiveDate::from_ymd_opt(2026, 2, 1).unwrap_or_default();
        spiked.days.insert(first, vec![5_000 * ONE, 2 * ONE]);
        let html = stacked(&spiked, &Choice::default());
        assert_eq!(html.matches("class=\"cut\"").count(), 1);
        assert!(html.contains(">5k</text>") && html.contains("2026-02-01: 5,002.00 USD"), "{html}");
        assert!(html.contains("per day, USD; 1 bar is cut, with its value above"), "{html}");
        spiked.days.insert(first, vec![-5_000 * ONE, 0]);
        assert!(stacked(&spiked, &Choice::default()).contains("▼"), "so is a refund");
    }

    #[test]
    fn what_is_counted_does_not_add_up_over_days() {
        let html = stacked(&Stacked { is_count: true, ..figures(5) }, &Choice::default());
        assert!(html.contains(": 3 USD on the last day.") && html.contains("Newest:"), "{html}");
        assert!(html.contains("<td>1</td>") && !html.contains(".00 USD"), "{html}");
    }
}
