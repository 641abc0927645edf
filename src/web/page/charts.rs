//! The charts of a table.

use maud::{Markup, html};

use crate::web::chart::{Axis, Line, lines, stacked};
use crate::web::chart_data::{Figures, Savings, SavingsDay, Utilization};
use crate::web::format;
use crate::web::view::JobFacts;
use crate::window::Grain;

/// The section.
pub(super) fn section(job: &JobFacts) -> Markup {
    let grain = job.job.source.grain();
    html! {
        section class="panel" aria-labelledby="figures" {
            h2 id="figures" { "Figures" }
            @match job.summary.as_deref() {
                None => p class="empty" { "The figures are being read from the lake." },
                Some(summary) => {
                    @match &summary.figures {
                        Figures::Nothing => p class="empty" { "There is nothing to draw yet." },
                        Figures::Stacked(all) => {
                            @for (index, figures) in all.iter().enumerate() { (stacked(grain, figures, &id("cost", index))) }
                        }
                        Figures::Savings(all) => {
                            @for (index, figures) in all.iter().enumerate() { (savings(grain, figures, index)) }
                        }
                        Figures::Utilization(figures) => (utilization(grain, figures)),
                    }
                    @for note in &summary.notes { p class="note pre" { "Left out: " (format::visible(note)) } }
                }
            }
        }
    }
}

/// The id of one of several charts.
fn id(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}-{}", index + 1) }
}

fn savings(grain: Grain, figures: &Savings, index: usize) -> Markup {
    let axis = Axis::new(grain, figures.days.keys().copied());
    let line = |name: &str, value: fn(&SavingsDay) -> Option<f64>| Line {
        name: name.to_owned(),
        values: axis.slots().iter().map(|day| figures.days.get(day).and_then(value)).collect(),
    };
    let costs = [line("on-demand equivalent", |day| day.on_demand), line("actual cost", |day| day.actual)];
    let rate = [line("effective savings rate", SavingsDay::rate)];
    let title =
        format!("What was paid, and what it would have cost on demand, {} per day", format::unit(&figures.unit));
    html! {
        (lines(&id("savings", index), &title, &axis, false, true, &costs))
        (lines(&id("rate", index), "Realized savings as a share of the on-demand equivalent", &axis, true, false, &rate))
    }
}

fn utilization(grain: Grain, figures: &Utilization) -> Markup {
    let axis = Axis::new(grain, figures.days.keys().copied());
    let kinds: Vec<Line> = figures
        .kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| Line {
            name: kind.clone(),
            values: axis
                .slots()
                .iter()
                .map(|day| figures.days.get(day).and_then(|ratios| ratios.get(index).copied().flatten()))
                .collect(),
        })
        .collect();
    lines("utilization", figures.title, &axis, true, false, &kinds)
}
