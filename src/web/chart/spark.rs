//! The small charts of the overview: a sparkline of a table's figures, and a strip of the states of its days.

use std::fmt::Write;

use chrono::NaiveDate;
use maud::{Markup, html};

use crate::plan::Slot;
use crate::web::calendar::look_of;
use crate::window::Grain;

use super::scale::Scale;
use super::{Axis, HEIGHT, px};

/// A sparkline of the figures over `slots`, the same days as the strip below it.
pub(in crate::web) fn sparkline(grain: Grain, slots: &[Slot], line: &[(NaiveDate, f64)]) -> Markup {
    let axis = Axis::new(grain, slots.iter().map(|slot| slot.day));
    let values: Vec<f64> = line.iter().map(|(_, value)| *value).collect();
    let scale = Scale::cut(&values, &values);
    let mut path = String::new();
    for (day, value) in line {
        let Ok(index) = axis.slots().binary_search(day) else { continue };
        let _ = write!(path, "M{index} {}V{}h1V{}z", px(scale.y(0.0)), px(scale.y(*value)), px(scale.y(0.0)));
    }
    let view = format!("0 0 {} {HEIGHT}", axis.slots().len().max(1));
    html! {
        svg class="spark" viewBox=(view) preserveAspectRatio="none" aria-hidden="true" { path d=(path) {} }
    }
}

/// The states of the slots from left to right; states other than settled are lower, so that colour is not the only cue.
pub(in crate::web) fn strip(grain: Grain, slots: &[Slot]) -> Markup {
    let axis = Axis::new(grain, slots.iter().map(|slot| slot.day));
    let mut runs: Vec<(&'static str, usize, usize)> = Vec::new();
    for slot in slots {
        let (Ok(index), class) = (axis.slots().binary_search(&slot.day), look_of(slot).class) else { continue };
        match runs.last_mut() {
            Some((known, start, length)) if *known == class && *start + *length == index => *length += 1,
            _ => runs.push((class, index, 1)),
        }
    }
    let view = format!("0 0 {} 10", axis.slots().len().max(1));
    html! {
        svg class="strip" viewBox=(view) preserveAspectRatio="none" aria-hidden="true" {
            @for (class, start, length) in runs {
                @let (y, height) = if class == "good" { (0, 10) } else { (4, 6) };
                rect class={ "f-" (class) } x=(start) y=(y) width=(length) height=(height) {}
            }
        }
    }
}
