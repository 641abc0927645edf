//! The costs of a table.

use maud::{Markup, html};

use crate::decimal;
use crate::text::plural;
use crate::web::choice::Choice;
use crate::web::costs::{Compared, Costs, Mover, UnitCosts};
use crate::web::format::{self, signed};
use crate::window::{Window, first_of_month};

/// The panel.
pub(super) fn section(costs: &Costs, choice: &Choice) -> Markup {
    html! {
        section class="panel" aria-labelledby="costs" {
            h2 id="costs" { "Cost" }
            @if costs.units.is_empty() { p class="empty" { "The newest two months have no row." } }
            @for of in &costs.units { (of_unit(costs, choice, of)) }
        }
    }
}

fn of_unit(costs: &Costs, choice: &Choice, of: &UnitCosts) -> Markup {
    let unit = of.unit.as_deref().map(format::unit).unwrap_or_default();
    html! {
        dl class="figures wide" {
            @for compared in of.month.iter().chain(&of.full) { (figure(compared, &unit)) }
            @if let Some((slots, by)) = of.restated {
                div {
                    dt { "Restated this week" }
                    dd {
                        @if slots == 0 { "nothing" } @else {
                            (signed(by)) " " (unit)
                            small { (plural(slots as u64, if costs.is_monthly { "month" } else { "day" })) }
                        }
                    }
                }
            }
        }
        @if let Some(month) = of.month.filter(|_| !(of.up.is_empty() && of.down.is_empty())) {
            div class="movers" {
                (movers(costs, choice, &format!("Up most in {}", title(month.window)), &of.up, &unit))
                (movers(costs, choice, &format!("Down most in {}", title(month.window)), &of.down, &unit))
            }
        }
    }
}

fn figure(of: &Compared, unit: &str) -> Markup {
    html! {
        div {
            dt { (title(of.window)) }
            dd {
                (format::amount(of.sum)) " " (unit)
                small { (days(of.window)) }
                @match of.earlier {
                    Some((window, before)) => {
                        small { (signed(of.sum.saturating_sub(before))) (share(of.sum, before)) " against " (days(window)) }
                    }
                    None => small { "nothing to compare it with" },
                }
            }
        }
    }
}

fn movers(costs: &Costs, choice: &Choice, title: &str, of: &[Mover], unit: &str) -> Markup {
    let Some(grouping) = costs.grouping.as_deref().filter(|_| !of.is_empty()) else { return html! {} };
    html! {
        div class="scroll" { table {
            caption { (title) ", " (unit) }
            thead { tr { th scope="col" { (grouping) } th scope="col" class="n" { "change" } th scope="col" class="n" { "now" } } }
            tbody {
                @for mover in of {
                    tr {
                        th scope="row" { (linked(costs, choice, mover)) }
                        td class="n" { (signed(mover.by)) }
                        td class="n" { (format::amount(mover.sum)) }
                    }
                }
            }
        } }
    }
}

/// The name of a group, with a link to its days where the charts have them.
fn linked(costs: &Costs, choice: &Choice, mover: &Mover) -> Markup {
    let shown = name(mover.name.as_deref());
    if !costs.has_days {
        return html! { (shown) };
    }
    let only = Choice { group: Some(mover.name.clone().unwrap_or_default()), metric: None, ..choice.clone() };
    html! { a href=(only.link("", "figures")) { (shown) } }
}

fn name(name: Option<&str>) -> String {
    match name {
        None => "(null)".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => format::label(text),
    }
}

fn is_month(window: Window) -> bool {
    let (first, next) = (window.start(), window.end());
    first == first_of_month(first) && next == first_of_month(next) && first_of_month(window.last()) == first
}

/// `2026-10`, or `2026-11 so far`.
fn title(window: Window) -> String {
    let month = window.start().format("%Y-%m");
    if is_month(window) { month.to_string() } else { format!("{month} so far") }
}

fn days(window: Window) -> String {
    if is_month(window) {
        window.start().format("%Y-%m").to_string()
    } else {
        format!("{} to {}", window.start(), window.last())
    }
}

/// The change as a share of what was before: ` (+4.1 %)`.
fn share(sum: i128, before: i128) -> String {
    decimal::percent(sum.saturating_sub(before), before.saturating_abs())
        .map_or_else(String::new, |percent| format!(" ({}{percent})", if sum > before { "+" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::{days, share, title};
    use crate::web::format::signed;
    use crate::window::{Window, parse_day};

    #[test]
    fn ranges_and_changes_are_short() {
        let window = |start, end| Window::new(parse_day(start).expect("a day"), parse_day(end).expect("a day"));
        let (whole, part) = (window("2026-10-01", "2026-11-01"), window("2026-11-01", "2026-11-03"));
        let (whole, part) = (whole.expect("a window"), part.expect("a window"));
        assert_eq!((days(whole), title(whole)), ("2026-10".to_owned(), "2026-10".to_owned()));
        assert_eq!((days(part).as_str(), title(part).as_str()), ("2026-11-01 to 2026-11-02", "2026-11 so far"));
        assert_eq!([share(-15, -20), share(1, 0), signed(1_000_000_000_000)], [" (+25.0 %)", "", "+1.00"]);
    }
}
