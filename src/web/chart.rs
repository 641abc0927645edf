//! Charts as SVG, drawn on the server.
//!
//! A chart fills its container's width without a script: the plot is stretched (`preserveAspectRatio="none"`), while
//! the axis labels are separate SVGs beside it and keep their size.
//!
//! ```text
//!         the value under the pointer or with the focus, else the newest one
//!  y axis │ plot, one unit wide per slot, 240 px high │ letters
//!         │ x axis: months or days, placed in percent │
//!  legend, and the same figures as a table
//! ```
//! Over the plot lies a link for each slot, whose text is its value: the style sheet shows the one that is pointed at or
//! focused. One of them is in the order of the Tab key; the script moves to the others with the arrow keys.
//!
//! Colour is never the only cue: bands and lines have letters, textures or dashes, and their figures are in the table.

use chrono::{Datelike, NaiveDate};
use maud::{Markup, html};

use crate::window::Grain;

use super::choice::{Choice, Step};
use super::format;

mod lines;
mod scale;
mod spark;
mod stacked;

pub(super) use lines::{About, Line, lines};
pub(super) use spark::{sparkline, strip};
pub(super) use stacked::stacked;

use scale::{Scale, brief};

/// Height of a plot in pixels.
const HEIGHT: f64 = 240.0;
/// Margin above and below the plot, so that lines and labels at its edges are not clipped.
const MARGIN: f64 = 8.0;
/// Minimum number of slots across the width, so that a single day does not fill the plot.
const MIN_SLOTS: usize = 14;
/// Maximum number of slots drawn as bars; more are drawn as one outline.
const MOST_BARS: usize = 70;

/// What the charts of a page share.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    /// What a slot stands for.
    pub(super) step: Step,
    /// What the page shows: links keep it.
    pub(super) choice: &'a Choice,
}

impl Place<'_> {
    /// The link to the details of a slot.
    fn link(&self, slot: NaiveDate) -> String {
        self.choice.link(&format!("day={slot}"), "day")
    }
}

/// The slots of a chart from left to right, without gaps.
pub(super) struct Axis {
    slots: Vec<NaiveDate>,
    step: Step,
}

impl Axis {
    /// Every slot from the first to the last of `days`, which are in order.
    pub(super) fn new(step: impl Into<Step>, mut days: impl DoubleEndedIterator<Item = NaiveDate>) -> Self {
        let step = step.into();
        let first = days.next();
        let last = days.next_back().or(first);
        let slots = std::iter::successors(first.map(|day| step.start(day)), |slot| Some(step.next(*slot)));
        Self { slots: slots.take_while(|slot| Some(*slot) <= last).collect(), step }
    }

    /// The slots.
    pub(super) fn slots(&self) -> &[NaiveDate] {
        &self.slots
    }

    /// Width of the plot in units.
    fn width(&self) -> usize {
        self.slots.len().max(MIN_SLOTS)
    }

    /// The name of a slot.
    fn name(&self, slot: NaiveDate) -> String {
        match self.step {
            Step::Day => slot_name(Grain::Daily, slot),
            Step::Week => format!("week of {slot}"),
            Step::Month => slot_name(Grain::Monthly, slot),
        }
    }

    fn has_january(&self) -> bool {
        self.slots
            .iter()
            .any(|slot| slot.month() == 1 && (slot.day() == 1 || self.step == Step::Week && slot.day() < 8))
    }

    /// Labels below the plot: slot index, text, and whether it is hidden on a narrow screen.
    fn marks(&self) -> Vec<(usize, String, bool)> {
        let is_long = self.slots.len() > MOST_BARS;
        // January labels include the year; without a January, the first label does.
        let dated = |slot: NaiveDate, index: usize| slot.month() == 1 || (index == 0 && !self.has_january());
        let mut marks: Vec<(usize, String, bool)> = Vec::new();
        for (index, slot) in self.slots.iter().enumerate() {
            let begins = slot.day() == 1 || (self.step == Step::Week && slot.day() < 8);
            let text = match self.step {
                Step::Month if dated(*slot, index) => slot.format("%b %y").to_string(),
                Step::Month => slot.format("%b").to_string(),
                _ if is_long && begins && dated(*slot, marks.len()) => slot.format("%b %y").to_string(),
                _ if is_long && begins => slot.format("%b").to_string(),
                Step::Week if !is_long && (index == 0 || index % 4 == 0) => slot.format("%-d %b").to_string(),
                Step::Day if !is_long && (index == 0 || slot.day() % 7 == 1 && slot.day() < 29) => {
                    slot.format("%-d %b").to_string()
                }
                _ => continue,
            };
            // Skip a label that would exceed the plot or touch the previous one.
            let fits = self.slots.len() < 20 || index + self.slots.len() / 40 < self.slots.len();
            let far = marks.last().is_none_or(|(last, _, _)| (index - last) * 20 >= self.width());
            if fits && far {
                let minor = marks.len() % 2 == 1;
                marks.push((index, text, minor));
            }
        }
        marks
    }
}

/// `2026-11-03`, or `2026-11` for a month.
pub(super) fn slot_name(grain: Grain, slot: NaiveDate) -> String {
    slot.format(if grain == Grain::Monthly { "%Y-%m" } else { "%Y-%m-%d" }).to_string()
}

/// An entry of the legend.
struct Key {
    letter: char,
    name: String,
    figure: String,
    /// Where its days are, if anywhere.
    link: Option<String>,
}

/// The letter of the key at `index`.
fn letter(index: usize) -> char {
    u8::try_from(index).map_or('?', |index| char::from(b'A' + index % 26))
}

/// What all charts share: title, description, scale and axis labels.
struct Plot<'a> {
    /// Unique on the page.
    id: &'a str,
    title: &'a str,
    /// What it shows, in a sentence, for screen readers.
    description: String,
    axis: &'a Axis,
    scale: &'a Scale,
    /// Formats a value at the axis.
    tick: fn(f64) -> String,
    /// Vertical positions of the letters at the right end.
    letters: Vec<(f64, char)>,
    /// Slots whose value is beyond the scale, each with its value.
    beyond: Vec<(usize, f64)>,
}

impl Plot<'_> {
    /// The chart around the plot `drawn`; `told` returns the text of a slot.
    fn frame(&self, place: Place<'_>, drawn: &Markup, told: impl Fn(usize) -> String) -> Markup {
        let width = self.axis.width();
        let view = format!("0 {} {width} {}", -MARGIN, HEIGHT + 2.0 * MARGIN);
        let (title_id, text_id) = (format!("{}-title", self.id), format!("{}-text", self.id));
        let newest = self.axis.slots().len().checked_sub(1);
        html! {
            div class="plot" {
                p class="readout" aria-hidden="true" { @if let Some(newest) = newest { (told(newest)) } }
                @if !self.beyond.is_empty() { (self.marks_above()) }
                svg class="y" width="52" height=(HEIGHT + 2.0 * MARGIN) aria-hidden="true" {
                    @for tick in self.scale.ticks() {
                        text x="100%" dx="-6" y=(px(self.scale.y(tick) + MARGIN + 4.0)) text-anchor="end" { ((self.tick)(tick)) }
                    }
                }
                svg class="area" viewBox=(view) preserveAspectRatio="none" role="img"
                    aria-labelledby={ (title_id) " " (text_id) } {
                    title id=(title_id) { (self.title) }
                    desc id=(text_id) { (self.description) }
                    @for tick in self.scale.ticks() {
                        line class=(if tick == 0.0 { "zero" } else { "grid" }) x1="0" x2=(width)
                            y1=(px(self.scale.y(tick))) y2=(px(self.scale.y(tick))) {}
                    }
                    (drawn)
                    @for (index, value) in &self.beyond { path class="cut" d=(torn(*index, *value)) {} }
                }
                div class="points" role="group" aria-label={ "Values of: " (self.title) } data-points {
                    @for (index, slot) in self.axis.slots().iter().enumerate() {
                        a class="hit" href=(place.link(*slot)) aria-label=(told(index))
                            tabindex=(if Some(index) == newest { "0" } else { "-1" }) {}
                    }
                    @for _ in self.axis.slots().len()..width { span {} }
                }
                svg class="ends" width="16" height=(HEIGHT + 2.0 * MARGIN) aria-hidden="true" {
                    @for (y, letter) in apart(&self.letters) { text x="4" y=(px(y + MARGIN + 4.0)) { (letter) } }
                }
                svg class="x" height="20" aria-hidden="true" {
                    @for (index, mark, minor) in self.axis.marks() {
                        text class=[minor.then_some("minor")] x={ (percent_of(index, width)) "%" } y="14" { (mark) }
                    }
                }
            }
        }
    }

    /// A mark over each slot beyond the scale, with its value where there is room for it.
    fn marks_above(&self) -> Markup {
        let width = self.axis.width();
        let mut shown: Vec<(usize, String, bool)> = Vec::new();
        for (index, value) in &self.beyond {
            let is_free = shown.last().is_none_or(|(last, _, _)| (index - last) * 18 >= width);
            if is_free {
                shown.push((*index, brief(*value), !shown.len().is_multiple_of(3)));
            }
        }
        html! {
            svg class="over" height="26" aria-hidden="true" {
                @for (index, value, minor) in &shown {
                    text class=[minor.then_some("minor")] x={ (middle_of(*index, width)) "%" } y="12" text-anchor="middle" { (value) }
                }
                @for (index, value) in &self.beyond {
                    text class="arrow" x={ (middle_of(*index, width)) "%" } y="24" text-anchor="middle" {
                        (if *value < 0.0 { "▼" } else { "▲" })
                    }
                }
            }
        }
    }
}

/// A tear across a bar that is cut: near the top, or near the bottom for a negative one.
fn torn(index: usize, value: f64) -> String {
    let (high, low) = if value < 0.0 { (HEIGHT - 18.0, HEIGHT - 12.0) } else { (12.0, 18.0) };
    format!("M{index} {low}L{index}.25 {high}L{index}.5 {low}L{index}.75 {high}L{} {low}", index + 1)
}

fn middle_of(index: usize, width: usize) -> String {
    format!("{:.2}", (index as f64 + 0.5) * 100.0 / width as f64)
}

/// The letters without those that would overlap an earlier one.
fn apart(letters: &[(f64, char)]) -> Vec<(f64, char)> {
    let mut kept: Vec<(f64, char)> = Vec::new();
    for (y, letter) in letters {
        if kept.iter().all(|(other, _)| (other - y).abs() >= 11.0) {
            kept.push((*y, *letter));
        }
    }
    kept
}

fn percent_of(index: usize, width: usize) -> String {
    format!("{:.2}", index as f64 * 100.0 / width as f64)
}

/// A position as text, to a tenth of a pixel.
fn px(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// The legend of a chart. `figure` is the label of the number beside each key, `swatch` draws its symbol.
fn legend(keys: &[Key], figure: &str, swatch: impl Fn(usize) -> Markup) -> Markup {
    html! {
        ul class="legend" {
            li class="fine" { (figure) }
            @for (index, key) in keys.iter().enumerate() {
                li {
                    svg class="swatch" width="16" height="12" aria-hidden="true" { (swatch(index)) }
                    span class="letter" { (key.letter) }
                    @match &key.link {
                        Some(link) => a href=(link) { bdi { (format::label(&key.name)) } },
                        None => bdi { (format::label(&key.name)) },
                    }
                    span class="figure" { (key.figure) }
                }
            }
        }
    }
}

/// The figures of a chart as a table, newest first.
fn table(place: Place<'_>, axis: &Axis, caption: &str, keys: &[Key], cell: impl Fn(usize, usize) -> String) -> Markup {
    let head = match axis.step {
        Step::Day => "Day",
        Step::Week => "Week",
        Step::Month => "Month",
    };
    html! {
        details class="figures" {
            summary { "The same figures as a table" }
            div class="scroll" tabindex="0" role="region" aria-label=(caption) {
                table {
                    caption { (caption) }
                    thead {
                        tr {
                            th scope="col" { (head) }
                            @for key in keys { th scope="col" class="n" { (key.letter) " " bdi { (format::label(&key.name)) } } }
                        }
                    }
                    tbody {
                        @for (index, slot) in axis.slots().iter().enumerate().rev() {
                            tr {
                                th scope="row" { a href=(place.link(*slot)) { (axis.name(*slot)) } }
                                @for column in 0..keys.len() { td { (cell(index, column)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Axis, apart, px};
    use crate::web::choice::Step;
    use crate::window::Grain;
    use chrono::NaiveDate;

    fn day(text: &str) -> NaiveDate {
        crate::window::parse_day(text).unwrap()
    }

    #[test]
    fn an_axis_has_no_holes() {
        let axis = Axis::new(Grain::Daily, [day("2026-02-27"), day("2026-03-02")].into_iter());
        assert_eq!(axis.slots().len(), 4);
        let axis = Axis::new(Grain::Monthly, [day("2025-11-01"), day("2026-03-01")].into_iter());
        assert_eq!(axis.slots().len(), 5);
        let axis = Axis::new(Grain::Daily, [day("2026-02-27")].into_iter());
        assert_eq!((axis.slots().len(), axis.width()), (1, 14));
        assert!(Axis::new(Grain::Daily, std::iter::empty()).slots().is_empty());
    }

    #[test]
    fn marks_do_not_touch() {
        for days in [1, 5, 30, 62, 90, 200, 396] {
            let first = day("2025-11-01");
            let axis = Axis::new(Grain::Daily, [first, first + chrono::Days::new(days - 1)].into_iter());
            let marks = axis.marks();
            assert!(!marks.is_empty() && marks.len() <= 14, "{days}: {marks:?}");
            for pair in marks.windows(2) {
                assert!((pair[1].0 - pair[0].0) * 20 >= axis.width(), "{days}: {marks:?}");
            }
        }
    }

    #[test]
    fn weeks_have_names_and_marks_of_their_own() {
        let axis = Axis::new(Step::Week, [day("2026-10-07"), day("2026-11-10")].into_iter());
        let names: Vec<String> = axis.slots().iter().map(|slot| axis.name(*slot)).collect();
        assert_eq!(
            (names.len(), names[0].as_str(), names[5].as_str()),
            (6, "week of 2026-10-05", "week of 2026-11-09")
        );
        assert_eq!(axis.marks().iter().map(|(_, text, _)| text.as_str()).collect::<Vec<_>>(), ["5 Oct", "2 Nov"]);
        let long = Axis::new(Step::Week, [day("2024-11-01"), day("2026-11-10")].into_iter());
        assert!(long.marks().iter().any(|(_, text, _)| text == "Jan 25"), "{:?}", long.marks());
    }

    #[test]
    fn letters_never_stand_on_one_another() {
        assert_eq!(apart(&[(10.0, 'A'), (15.0, 'B'), (40.0, 'C')]), [(10.0, 'A'), (40.0, 'C')]);
    }

    #[test]
    fn positions_are_short() {
        assert_eq!([1.0, -0.04, 12.345].map(px), ["1", "0", "12.3"]);
    }
}
