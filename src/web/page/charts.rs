//! The charts of a table, with the links that choose what is drawn.

use maud::{Markup, html};

use crate::text::count;
use crate::web::chart::{About, Axis, Line, Place, lines, stacked};
use crate::web::chart_data::{Figures, MOST_POINTS, Savings, SavingsDay, Shown, Summary, Utilization, metrics};
use crate::web::choice::{Choice, Range, Step, steps};
use crate::web::format;
use crate::web::view::JobFacts;

/// Charts of one table: a usage in fifty units would be fifty.
const CHARTS: usize = 4;
/// Units that are named where there are more than charts.
const NAMED: usize = 12;

/// The section.
pub(super) fn section(job: &JobFacts, choice: &Choice, summary: Option<&Summary>) -> Markup {
    let grain = job.job.source.grain();
    html! {
        section class="panel" aria-labelledby="figures" {
            h2 id="figures" { "Figures" }
            @match summary {
                None if job.summary.is_some() => p class="empty" { "These figures cannot be read now." },
                None => p class="empty" { "The figures are being read from the lake." },
                Some(summary) => {
                    @let shown = summary.figures.shown(grain, choice);
                    (choices(job, choice, &summary.figures, shown.step))
                    @if let Some(group) = &choice.group { (only(job, choice, group)) }
                    (drawn(choice, &shown))
                    @for note in &summary.notes { p class="note pre" { "Left out: " (format::visible(note)) } }
                }
            }
        }
    }
}

fn drawn(choice: &Choice, shown: &Shown) -> Markup {
    let place = Place { step: shown.step, choice };
    html! {
        @match &shown.figures {
            Figures::Nothing if choice.group.is_some() => p class="empty" { "This group has no rows in this range." },
            Figures::Nothing => p class="empty" { "There is nothing to draw yet." },
            Figures::Stacked(all) if all.is_empty() => p class="empty" { "There are no rows to draw." },
            Figures::Stacked(all) => {
                @for (index, figures) in all.iter().take(CHARTS).enumerate() { (stacked(place, figures, &id("cost", index))) }
                @if all.len() > CHARTS {
                    p class="note" {
                        (count((all.len() - CHARTS) as u64)) " more units are not drawn: "
                        (all.iter().skip(CHARTS).take(NAMED).map(|of| format::unit(&of.unit)).collect::<Vec<_>>().join(", "))
                        @if all.len() > CHARTS + NAMED { ", …" }
                    }
                }
            }
            Figures::Savings(all) => {
                @for (index, figures) in all.iter().enumerate() { (savings(place, figures, index)) }
            }
            Figures::Utilization(figures) => (utilization(place, figures)),
        }
        @if shown.is_coarser {
            p class="fine" { "More than " (count(MOST_POINTS as u64)) " points: drawn by " (shown.step.key()) "." }
        }
    }
}

/// The links: metric, range and step; nothing where there is nothing to choose.
fn choices(job: &JobFacts, choice: &Choice, figures: &Figures, step: Step) -> Markup {
    if *figures == Figures::Nothing && choice.group.is_none() && choice.range == Range::default() {
        return html! {};
    }
    let grain = job.job.source.grain();
    let offered = metrics(&job.job);
    let metric = choice.metric.as_ref().or(offered.first());
    let with_metric = |name: &String| Choice {
        metric: Some(name.clone()).filter(|name| offered.first() != Some(name)),
        ..choice.clone()
    };
    let with_step = |step: Step| Choice { step: Some(step).filter(|step| *step != grain.into()), ..choice.clone() };
    html! {
        nav class="choices" aria-label="What is drawn" {
            @if offered.len() > 1 {
                (row("Metric", offered.iter().map(|name| (name.replace('_', " "), with_metric(name), metric == Some(name)))))
            }
            (row("Range", Range::of(grain).iter().map(|range| {
                (range.name().to_owned(), Choice { range: *range, ..choice.clone() }, *range == choice.range)
            })))
            @if steps(grain).len() > 1 && figures.adds_up() {
                (row("By", steps(grain).iter().map(|known| (known.key().to_owned(), with_step(*known), *known == step))))
            }
        }
    }
}

fn row(name: &str, links: impl Iterator<Item = (String, Choice, bool)>) -> Markup {
    html! {
        p {
            span class="what" { (name) }
            @for (text, choice, is_current) in links {
                " " a href=(choice.link("", "figures")) aria-current=[is_current.then_some("true")] { (text) }
            }
        }
    }
}

/// What it is filtered by, and the way back.
fn only(job: &JobFacts, choice: &Choice, group: &str) -> Markup {
    let grouping = job.job.source.table().sort_key().get(1).map(|index| &job.job.source.table().columns()[*index].name);
    let all = Choice { group: None, ..choice.clone() };
    html! {
        p class="note" {
            "Only " @if let Some(name) = grouping { (name.replace('_', " ")) " " }
            strong { @if group.is_empty() { "without a value" } @else { bdi { (format::label(group)) } } }
            ". " a href=(all.link("", "figures")) { "Show all" }
        }
    }
}

/// The id of one of several charts.
fn id(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}-{}", index + 1) }
}

fn savings(place: Place<'_>, figures: &Savings, index: usize) -> Markup {
    let axis = Axis::new(place.step, figures.days.keys().copied());
    let line = |name: &str, value: fn(&SavingsDay) -> Option<f64>| Line {
        name: name.to_owned(),
        values: axis.slots().iter().map(|day| figures.days.get(day).and_then(value)).collect(),
    };
    let costs = [line("on-demand equivalent", |day| day.on_demand), line("actual cost", |day| day.actual)];
    let rate = [line("effective savings rate", SavingsDay::rate)];
    let (unit, step) = (format::unit(&figures.unit), place.step.key());
    let title = format!("What was paid, and what it would have cost on demand, {unit} per {step}");
    let (id_of_costs, id_of_rate) = (id("savings", index), id("rate", index));
    let paid = About { id: &id_of_costs, title: &title, ratios: false, band: true };
    let share = "Realized savings as a share of the on-demand equivalent";
    let rates = About { id: &id_of_rate, title: share, ratios: true, band: false };
    html! { (lines(place, &paid, &axis, &costs)) (lines(place, &rates, &axis, &rate)) }
}

fn utilization(place: Place<'_>, figures: &Utilization) -> Markup {
    let axis = Axis::new(place.step, figures.days.keys().copied());
    let values = |index: usize| {
        let of = |day| figures.days.get(day).and_then(|ratios: &Vec<Option<f64>>| ratios.get(index).copied().flatten());
        axis.slots().iter().map(of).collect()
    };
    let kinds: Vec<Line> = figures
        .kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| Line { name: kind.clone(), values: values(index) })
        .collect();
    let about = About { id: "utilization", title: figures.title, ratios: true, band: false };
    lines(place, &about, &axis, &kinds)
}
