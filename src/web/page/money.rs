//! The money of a cost table.

use maud::{Markup, html};

use crate::text::plural;
use crate::web::format;
use crate::web::money::{Compared, Money, Mover, OfUnit};
use crate::web::view::JobFacts;
use crate::window::{Window, first_of_month};

/// The panel; nothing for a table that is not of costs.
pub(super) fn section(job: &JobFacts) -> Markup {
    let Some(money) = job.money.as_deref().filter(|money| !money.units.is_empty()) else { return html! {} };
    html! {
        section class="panel" aria-labelledby="money" {
            h2 id="money" { "Cost" }
            @for of in &money.units { (of_unit(money, of)) }
        }
    }
}

fn of_unit(money: &Money, of: &OfUnit) -> Markup {
    let unit = of.unit.as_deref().map(format::unit).unwrap_or_default();
    html! {
        dl class="figures wide" {
            @if let Some(month) = &of.month { (compared("This month so far", month, &unit)) }
            @if let Some(full) = &of.full { (compared("Last full month", full, &unit)) }
            div {
                dt { "Restated this week" }
                dd {
                    @match of.restated {
                        Some((days, by)) => { (signed(by)) " " (unit) small { (plural(days as u64, "day")) } }
                        None => "nothing",
                    }
                }
            }
        }
        @if !(of.up.is_empty() && of.down.is_empty()) {
            div class="movers" {
                (movers(money, "Up most", &of.up, &unit))
                (movers(money, "Down most", &of.down, &unit))
            }
        }
    }
}

fn compared(title: &str, of: &Compared, unit: &str) -> Markup {
    let by = of.sum - of.before;
    html! {
        div {
            dt { (title) }
            dd {
                (format::amount(of.sum)) " " (unit)
                small { (days(of.window)) }
                small { (signed(by)) @if let Some(share) = share(by, of.before) { " (" (share) ")" } " against " (days(of.earlier)) }
            }
        }
    }
}

fn movers(money: &Money, title: &str, of: &[Mover], unit: &str) -> Markup {
    let Some(grouping) = money.grouping.as_deref().filter(|_| !of.is_empty()) else { return html! {} };
    html! {
        div class="scroll" { table {
            caption { (title) " this month, " (unit) }
            thead { tr { th scope="col" { (grouping) } th scope="col" class="n" { "change" } th scope="col" class="n" { "now" } } }
            tbody {
                @for mover in of {
                    tr {
                        th scope="row" { (name(mover.name.as_deref())) }
                        td class="n" { (signed(mover.by)) }
                        td class="n" { (format::amount(mover.sum)) }
                    }
                }
            }
        } }
    }
}

fn name(name: Option<&str>) -> String {
    match name {
        None => "(null)".to_owned(),
        Some("") => "(empty)".to_owned(),
        Some(text) => format::label(text),
    }
}

fn days(window: Window) -> String {
    let (first, last) = (window.start(), window.last());
    let is_month = first == first_of_month(first) && window.end() == first_of_month(window.end());
    if is_month && first_of_month(last) == first {
        return first.format("%Y-%m").to_string();
    }
    format!("{first} to {last}")
}

fn signed(amount: i128) -> String {
    format!("{}{}", if amount > 0 { "+" } else { "" }, format::amount(amount))
}

fn share(by: i128, before: i128) -> Option<String> {
    let thousandths = by.checked_mul(1_000)?.checked_div(before.abs())?;
    let sign = if by < 0 { "-" } else { "+" };
    Some(format!("{sign}{}.{} %", thousandths.unsigned_abs() / 10, thousandths.unsigned_abs() % 10))
}

#[cfg(test)]
mod tests {
    use super::{days, share, signed};
    use crate::window::{Window, parse_day};

    #[test]
    fn ranges_and_changes_are_short() {
        let window = |start, end| Window::new(parse_day(start).expect("a day"), parse_day(end).expect("a day"));
        assert_eq!(days(window("2026-10-01", "2026-11-01").expect("a window")), "2026-10");
        assert_eq!(days(window("2026-11-01", "2026-11-03").expect("a window")), "2026-11-01 to 2026-11-02");
        assert_eq!(share(5, -20).as_deref(), Some("+25.0 %"));
        assert_eq!((share(1, 0), signed(1_000_000_000_000)), (None, "+1.00".to_owned()));
    }
}
