//! The calendar of a table: thirteen months, a line per month and a cell per day. Every cell links to its day and has a
//! text for what its sign and colour mean.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use maud::{Markup, html};

use crate::plan::{STALE, Slot, SlotState};
use crate::text::{count, plural};
use crate::window::{Grain, Partition, first_of_month, month_start};

use super::chart::slot_name;
use super::choice::Choice;
use super::format;

/// How a state is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Look {
    /// The sign in the cell, the same as in `costlake status`.
    pub(super) symbol: char,
    /// The word.
    pub(super) word: &'static str,
    /// CSS class: `good`, `soft`, `bad`, `held`, `fail`, `late`, `hole`, `left`, `apart` or `far`.
    pub(super) class: &'static str,
}

/// How a state is shown. A new state is one line here.
pub(super) fn look(state: SlotState) -> Look {
    let (symbol, class) = match state {
        SlotState::Final => ('■', "good"),
        SlotState::Estimated => ('~', "soft"),
        SlotState::Mismatch => ('≠', "bad"),
        SlotState::Held => ('Q', "held"),
        SlotState::Failed => ('F', "fail"),
        SlotState::Missing => ('?', "hole"),
        SlotState::NotAvailable => ('x', "far"),
        SlotState::NotFinal => ('⊘', "left"),
        SlotState::Differing => ('≈', "apart"),
    };
    Look { symbol, word: state.word(), class }
}

/// Whether a slot is out of date and has no other defect.
fn is_stale(slot: &Slot) -> bool {
    slot.gap() == Some(STALE)
}

/// How a slot is shown: by its state, or as stale.
pub(super) fn look_of(slot: &Slot) -> Look {
    if is_stale(slot) { Look { symbol: '!', word: STALE, class: "late" } } else { look(slot.state) }
}

/// The looks that occur with their counts, ordered by state; stale ones last.
pub(super) fn tally(slots: &[Slot]) -> Vec<(Look, u64)> {
    let mut counts: BTreeMap<(bool, SlotState), (Look, u64)> = BTreeMap::new();
    for slot in slots {
        let key = if is_stale(slot) { (true, SlotState::Final) } else { (false, slot.state) };
        counts.entry(key).or_insert((look_of(slot), 0)).1 += 1;
    }
    counts.into_values().collect()
}

/// The states that occur as words: `362 final, 20 estimated`.
pub(super) fn tally_words(slots: &[Slot]) -> String {
    let parts: Vec<String> =
        tally(slots).into_iter().rev().map(|(look, number)| format!("{} {}", count(number), look.word)).collect();
    parts.join(", ")
}

/// A slot as text: `2026-11-03: estimated, 412 rows, read 2026-11-20 06:31`.
pub(super) fn words_of(grain: Grain, slot: &Slot) -> String {
    let state = format!("{}: {}", slot_name(grain, slot.day), look_of(slot).word);
    match &slot.known {
        Some(known) => {
            format!("{state}, {}, read {}", plural(known.facts.rows, "row"), format::instant(known.read_at))
        }
        None => state,
    }
}

/// The calendar, with the last thirteen months open and older ones collapsed.
pub(super) fn calendar(grain: Grain, slots: &[Slot], choice: &Choice, selected: Option<NaiveDate>) -> Markup {
    let Some(last) = slots.last() else {
        return html! { p class="empty" { "There is nothing in the table yet." } };
    };
    let first = month_start(last.day, if grain == Grain::Monthly { -24 } else { -12 });
    let (older, recent) = slots.split_at(slots.partition_point(|slot| slot.day < first));
    let table = |slots: &[Slot]| {
        if grain == Grain::Monthly { months(slots, choice, selected) } else { days(grain, slots, choice, selected) }
    };
    html! {
        a class="skip" href="#day" { "Skip the calendar" }
        @if !older.is_empty() {
            details class="older" open[selected.is_some_and(|day| day < first)] {
                summary { "Older: " (tally_words(older)) }
                (table(older))
            }
        }
        (table(recent))
        (legend(slots))
    }
}

fn days(grain: Grain, slots: &[Slot], choice: &Choice, selected: Option<NaiveDate>) -> Markup {
    let by_day: BTreeMap<NaiveDate, &Slot> = slots.iter().map(|slot| (slot.day, slot)).collect();
    let (first, last) = (slots.first().map(|slot| slot.day), slots.last().map(|slot| slot.day));
    let months = std::iter::successors(first.map(first_of_month), |month| Some(month_start(*month, 1)))
        .take_while(|month| Some(*month) <= last);
    html! {
        div class="days-scroll" { table class="calendar days" {
            caption class="hidden" { "State of every day, a row per month" }
            thead {
                tr {
                    th scope="col" { span class="hidden" { "Month" } }
                    @for day in 1..=31 {
                        th scope="col" { span class=[(day != 1 && day % 5 != 0).then_some("hidden")] { (day) } }
                    }
                }
            }
            tbody {
                @for month in months {
                    tr {
                        @let is_turn = month.month() == 1 || Some(month) == first.map(first_of_month);
                        th scope="row" { (month.format("%b")) span.year.turn[is_turn] { (month.format(" %Y")) } }
                        @for day in Partition::Month(month).window().days() {
                            td { @if let Some(slot) = by_day.get(&day) { (cell(grain, slot, choice, selected)) } }
                        }
                    }
                }
            }
        } }
    }
}

fn months(slots: &[Slot], choice: &Choice, selected: Option<NaiveDate>) -> Markup {
    let mut years: BTreeMap<i32, BTreeMap<u32, &Slot>> = BTreeMap::new();
    for slot in slots {
        years.entry(slot.day.year()).or_default().insert(slot.day.month(), slot);
    }
    let names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    html! {
        table class="calendar months" {
            caption class="hidden" { "State of every month, a row per year" }
            thead {
                tr {
                    th scope="col" { span class="hidden" { "Year" } }
                    @for name in names { th scope="col" { (name) } }
                }
            }
            tbody {
                @for (year, months) in years {
                    tr {
                        th scope="row" { (year) }
                        @for month in 1..=12 {
                            td { @if let Some(slot) = months.get(&month) { (cell(Grain::Monthly, slot, choice, selected)) } }
                        }
                    }
                }
            }
        }
    }
}

fn cell(grain: Grain, slot: &Slot, choice: &Choice, selected: Option<NaiveDate>) -> Markup {
    let look = look_of(slot);
    let current = (selected == Some(slot.day)).then_some("date");
    html! {
        a class={ "c " (look.class) } href=(choice.link(&format!("day={}", slot.day), "day")) aria-label=(words_of(grain, slot))
            aria-current=[current] { (look.symbol) }
    }
}

fn legend(slots: &[Slot]) -> Markup {
    html! {
        ul class="legend" {
            @for (look, number) in tally(slots).into_iter().rev() {
                li {
                    span class={ "c " (look.class) } aria-hidden="true" { (look.symbol) }
                    (look.word) " " span class="figure" { (count(number)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{calendar, look, look_of, tally_words};
    use crate::plan::{Slot, SlotState};
    use crate::web::choice::Choice;
    use crate::window::{Grain, parse_day};
    use std::collections::BTreeSet;

    const STATES: [SlotState; 9] = [
        SlotState::Missing,
        SlotState::Estimated,
        SlotState::Mismatch,
        SlotState::Held,
        SlotState::Failed,
        SlotState::Final,
        SlotState::NotAvailable,
        SlotState::NotFinal,
        SlotState::Differing,
    ];

    fn slot(day: &str, state: SlotState, stale: bool) -> Slot {
        Slot { day: parse_day(day).unwrap(), state, stale, known: None }
    }

    #[test]
    fn every_state_has_a_sign_a_word_and_a_class_of_its_own() {
        let mut looks: Vec<_> = STATES.map(look).into();
        looks.push(look_of(&slot("2026-11-01", SlotState::Final, true)));
        let distinct = |of: fn(&super::Look) -> String| looks.iter().map(of).collect::<BTreeSet<_>>().len();
        assert_eq!(distinct(|look| look.symbol.to_string()), looks.len());
        assert_eq!(distinct(|look| look.word.to_owned()), looks.len());
        assert_eq!(distinct(|look| look.class.to_owned()), looks.len());
        let style = include_str!("style.css");
        for look in looks {
            assert!(style.contains(&format!(".c.{}", look.class)), "the style sheet has no `{}`", look.class);
            assert!(style.contains(&format!(".f-{}", look.class)), "the style sheet has no `f-{}`", look.class);
        }
    }

    #[test]
    fn the_calendar_shows_the_states_that_were_made() {
        let days = [
            "2026-10-29",
            "2026-10-30",
            "2026-10-31",
            "2026-11-01",
            "2026-11-02",
            "2026-11-03",
            "2026-11-04",
            "2026-11-05",
            "2026-11-06",
        ];
        let slots: Vec<Slot> = days.iter().zip(STATES).map(|(day, state)| slot(day, state, false)).collect();
        let html = calendar(Grain::Daily, &slots, &Choice::default(), parse_day("2026-11-02")).into_string();
        for (day, state) in days.iter().zip(STATES) {
            let look = look(state);
            let cell =
                format!("class=\"c {}\" href=\"?day={day}#day\" aria-label=\"{day}: {}\"", look.class, look.word);
            assert!(html.contains(&cell), "{cell}\n{html}");
        }
        assert_eq!(html.matches("<tr>").count(), 3, "a head and two months");
        assert_eq!(html.matches("aria-current=\"date\"").count(), 1);
        assert_eq!(html.matches("<td>").count(), 31 + 30);
        assert_eq!(
            tally_words(&slots),
            "1 differing, 1 not final, not available, 1 not available, 1 final, 1 failed, 1 held for review, 1 mismatch, 1 estimated, 1 missing"
        );
    }

    #[test]
    fn a_narrow_screen_shows_each_year_once() {
        let slots = [slot("2025-11-30", SlotState::Final, false), slot("2026-02-01", SlotState::Final, false)];
        let html = calendar(Grain::Daily, &slots, &Choice::default(), None).into_string();
        let shown: Vec<&str> = html.split("<span class=\"year turn\"> ").skip(1).map(|rest| &rest[..4]).collect();
        assert_eq!((shown, html.matches("<span class=\"year\">").count()), (vec!["2025", "2026"], 2));
        let style = include_str!("style.css");
        assert!(style.contains(".calendar .year { display: none; }") && style.contains(".calendar .year.turn {"));
    }

    #[test]
    fn months_are_cells_and_an_empty_table_says_so() {
        let slots = [slot("2025-11-01", SlotState::Final, false), slot("2026-01-01", SlotState::Final, true)];
        let html = calendar(Grain::Monthly, &slots, &Choice::default(), None).into_string();
        assert!(html.contains("aria-label=\"2025-11: final\"") && html.contains("aria-label=\"2026-01: stale\""));
        assert_eq!(html.matches("<td>").count(), 24);
        assert!(
            calendar(Grain::Daily, &[], &Choice::default(), None).into_string().contains("nothing in the table yet")
        );
    }

    #[test]
    fn older_months_are_folded_away() {
        let slots = [slot("2025-01-01", SlotState::Final, false), slot("2026-11-01", SlotState::Final, false)];
        let html = calendar(Grain::Daily, &slots, &Choice::default(), None).into_string();
        assert!(html.contains("<details class=\"older\"><summary>Older: 1 final"), "{html}");
        assert!(calendar(Grain::Daily, &slots, &Choice::default(), Some(slots[0].day)).into_string().contains("open"));
    }
}
