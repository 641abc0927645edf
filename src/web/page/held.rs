//! Figures that are held for review: why, what they are beside those in the lake, and the button that accepts them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use maud::{Markup, html};

use crate::decimal;
use crate::ledger::{Quarantined, Refused, RefusedGroup};
use crate::text::{count, plural};
use crate::web::choice::Choice;
use crate::web::format;
use crate::web::view::{AcceptFacts, JobFacts, PageFacts, held_of};
use crate::window::{Grain, first_of_month};

use super::backfill::named;
use super::layout::frame;

/// The panel of a held day (or month); nothing for any other.
pub(super) fn panel(facts: &PageFacts, job: &JobFacts, choice: &Choice, day: NaiveDate) -> Markup {
    let Some(held) = job.ledger.quarantined.get(&day) else { return html! {} };
    let month = first_of_month(day);
    let all = held_of(&job.ledger, month);
    html! {
        section class="held" aria-labelledby="held" {
            h4 id="held" { "Held for review" }
            p { (format::visible(&held.why)) "." }
            p class="fine" {
                "The figures in the lake stay until the new ones are accepted. First refused "
                (format::instant(held.since)) " UTC, last " (format::instant(held.at)) " UTC."
            }
            (figures(job, held, day))
            @if all.len() > 1 { (others(job, choice, &all, day)) }
            (accept(facts, job, month, &all))
        }
    }
}

/// The form that leads to the confirmation; without actions, the command.
fn accept(facts: &PageFacts, job: &JobFacts, month: NaiveDate, all: &BTreeMap<NaiveDate, &Quarantined>) -> Markup {
    let (name, shown) = (&job.job.unit, month.format("%Y-%m").to_string());
    if !facts.actions {
        return html! {
            p { "If the new figures are right: " code { "costlake run " (name.as_argument()) " --accept " (name.table) ":" (shown) } }
        };
    }
    html! {
        form class="row" method="post" action="/accept/plan" {
            (named(name))
            input type="hidden" name="month" value=(shown);
            button type="submit" { "Accept" @if job.job.source.grain() != Grain::Monthly { " " (plural(all.len() as u64, "day")) " of" } " " (shown) }
            span class="fine" { "The next page shows what that takes; nothing is sent before you confirm." }
        }
    }
}

/// Old and refused figures by group; the API's totals where the groups are not known.
fn figures(job: &JobFacts, held: &Quarantined, day: NaiveDate) -> Markup {
    match &held.figures {
        Some(refused) if !refused.measure.is_empty() => by_group(refused),
        _ if !held.totals.is_empty() => totals(job, held, day),
        Some(refused) => html! { p { "The refused answer has " (plural(refused.rows, "row")) "." } },
        None => html! { p class="empty" { "The refused figures were not kept." } },
    }
}

fn by_group(refused: &Refused) -> Markup {
    let by = refused.by.as_deref().map_or_else(|| "Total".to_owned(), |name| format::label(&name.replace('_', " ")));
    let title = format!("{}, largest differences first", format::label(&refused.measure.replace('_', " ")));
    let several = |of: &RefusedGroup| plural(of.number, "other group");
    let totals = totals_of(refused);
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(title) {
            table class="stacks" {
                caption { (title) }
                (head(&by))
                tbody {
                    @for group in &refused.groups { (line(&html! { bdi { (name(refused, group)) } }, group.unit.as_deref(), amounts(group))) }
                    @for of in &refused.others { (line(&html! { (several(of)) }, of.unit.as_deref(), amounts(of))) }
                }
                @if refused.by.is_some() {
                    tfoot { @for (unit, sums) in &totals { (line(&html! { "All groups" }, unit.as_deref(), Some(*sums))) } }
                }
            }
        }
    }
}

fn head(first: &str) -> Markup {
    html! {
        thead { tr {
            th scope="col" { (first) } th scope="col" class="n" { "In the lake" }
            th scope="col" class="n" { "Refused" } th scope="col" class="n" { "Difference" }
        } }
    }
}

/// A line; amounts that cannot be read are shown as a dash.
fn line(name: &Markup, unit: Option<&str>, amounts: Option<(i128, i128)>) -> Markup {
    let unit = unit.map(format::unit).unwrap_or_default();
    let shown = |of: fn((i128, i128)) -> i128| amounts.map(|both| format::amount(of(both)));
    let difference = amounts.map(|(before, refused)| format::signed(refused.saturating_sub(before)));
    let cell = |label: &str, text: Option<String>| {
        html! { td class="n" data-label=(label) { @match text { Some(text) => { (text) " " (unit) } None => "–" } } }
    };
    html! {
        tr {
            th scope="row" class="wrap" { (name) }
            (cell("In the lake", shown(|(before, _)| before)))
            (cell("Refused", shown(|(_, refused)| refused)))
            (cell("Difference", difference))
        }
    }
}

fn name(refused: &Refused, group: &RefusedGroup) -> String {
    match group.name.as_deref() {
        _ if refused.by.is_none() => "total".to_owned(),
        None | Some("") => "without a value".to_owned(),
        Some(text) => format::label(text),
    }
}

fn amounts(of: &RefusedGroup) -> Option<(i128, i128)> {
    decimal::parse(&of.before).ok().zip(decimal::parse(&of.refused).ok())
}

/// The sums of all groups by unit.
fn totals_of(refused: &Refused) -> BTreeMap<Option<String>, (i128, i128)> {
    let mut sums: BTreeMap<Option<String>, (i128, i128)> = BTreeMap::new();
    for group in refused.groups.iter().chain(&refused.others) {
        let (before, new) = amounts(group).unwrap_or_default();
        let sum = sums.entry(group.unit.clone()).or_default();
        *sum = (sum.0.saturating_add(before), sum.1.saturating_add(new));
    }
    sums
}

/// The API's totals of the refused rows beside the sums in the lake.
fn totals(job: &JobFacts, held: &Quarantined, day: NaiveDate) -> Markup {
    let partition = job.job.source.grain().partition_of(day).to_string();
    let known = job.ledger.day(&partition, day);
    let amount = |text: &str| decimal::parse(text).ok();
    let before = |column: &str| known.and_then(|known| amount(known.facts.sums.get(column)?));
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Totals of the refused rows" {
            table class="stacks" {
                caption { "Totals; the groups of the refused rows were not kept" }
                (head("Column"))
                tbody {
                    @for (column, total) in held.totals.iter() {
                        (line(&html! { code { (format::label(column)) } }, held.currency.as_deref(), before(column).zip(amount(total))))
                    }
                }
            }
        }
    }
}

/// The other held days of the month: they are accepted together.
fn others(job: &JobFacts, choice: &Choice, all: &BTreeMap<NaiveDate, &Quarantined>, day: NaiveDate) -> Markup {
    if job.job.source.grain() == Grain::Monthly {
        return html! {};
    }
    html! {
        details {
            summary { (plural(all.len() as u64, "day")) " of " (day.format("%Y-%m")) " are held; they are accepted together" }
            (days(Some(choice), all))
        }
    }
}

/// Held days with their sums.
fn days(choice: Option<&Choice>, all: &BTreeMap<NaiveDate, &Quarantined>) -> Markup {
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Held days" {
            table class="stacks" {
                caption class="hidden" { "Held days" }
                (head("Day"))
                tbody {
                    @for (day, held) in all {
                        @let name = html! { @match choice {
                            Some(choice) => a href=(choice.link(&format!("day={day}"), "day")) { (day) },
                            None => (day),
                        } };
                        @let sums = held.figures.as_ref().map(totals_of).unwrap_or_default();
                        @for (unit, sums) in &sums { (line(&name, unit.as_deref(), Some(*sums))) }
                        @if sums.is_empty() { (line(&name, None, None)) }
                    }
                }
            }
        }
    }
}

/// The page that confirms an acceptance.
pub(super) fn confirm(facts: &PageFacts, job: &JobFacts, accept: &AcceptFacts) -> Markup {
    let (name, month) = (&job.job.unit, accept.month.format("%Y-%m").to_string());
    let all = held_of(&job.ledger, accept.month);
    let title = format!("Accept {month} of {name}");
    let body = html! {
        nav class="crumbs" aria-label="Breadcrumb" { a href="/" { "Tables" } " / " a href=(name.page()) { (name) } " / Accept" }
        section class="panel" aria-labelledby="accept" {
            h1 id="accept" { (title) }
            p class="lead" {
                "A run reads the held figures again and takes them, with whatever else is due: about "
                (plural(accept.requests, "request")) ", " strong { (accept.price) " USD" } ". "
                "Later figures of the month are compared with the accepted ones."
            }
            @for note in &accept.notes { p class="note pre" { (format::visible(note)) } }
            @if job.job.source.grain() == Grain::Monthly {
                @for (day, held) in &all { (figures(job, held, *day)) }
            } @else {
                (days(None, &all))
            }
            p class="fine" {
                "Refused rows are not kept: the API is asked again, and may answer with other figures than these. "
                "That is what " code { "costlake run " (name.as_argument()) " --accept " (name.table) ":" (month) } " does."
            }
            form class="row" method="post" action="/accept" {
                (named(name))
                input type="hidden" name="month" value=(month);
                button type="submit" { "Accept " (count(all.len() as u64)) (held_word(job, all.len())) " of " (month) }
                a class="quiet" href=(name.page()) { "Cancel" }
            }
        }
    };
    frame(&title, Some(facts), &body)
}

fn held_word(job: &JobFacts, number: usize) -> &'static str {
    match (job.job.source.grain(), number) {
        (Grain::Monthly, _) => " held month",
        (_, 1) => " held day",
        _ => " held days",
    }
}

#[cfg(test)]
mod tests {
    use super::{by_group, totals_of};
    use crate::ledger::{Refused, RefusedGroup};

    fn group(name: Option<&str>, number: u64, before: &str, refused: &str) -> RefusedGroup {
        RefusedGroup {
            name: name.map(str::to_owned),
            unit: Some("USD".to_owned()),
            number,
            before: before.to_owned(),
            refused: refused.to_owned(),
        }
    }

    fn refused() -> Refused {
        Refused {
            rows: 30,
            measure: "unblended_cost".to_owned(),
            by: Some("service".to_owned()),
            groups: vec![group(Some("<b>EC2"), 1, "1000", "250.5"), group(None, 1, "0", "3")],
            others: vec![group(None, 12, "7", "8")],
        }
    }

    #[test]
    fn groups_stand_beside_each_other_with_their_difference() {
        let html = by_group(&refused()).into_string();
        for part in [
            "&lt;b&gt;EC2",
            "1,000.00 USD",
            "-749.50 USD",
            "without a value",
            "+3.00 USD",
            "12 other groups",
            "1,007.00 USD",
            "261.50 USD",
        ] {
            assert!(html.contains(part), "{part}\n{html}");
        }
    }

    #[test]
    fn an_amount_that_cannot_be_read_is_a_dash() {
        let mut odd = refused();
        odd.groups[0].before = "<script>".to_owned();
        let html = by_group(&odd).into_string();
        assert!(html.contains("data-label=\"In the lake\">–</td>") && !html.contains("<script>"), "{html}");
        assert_eq!(totals_of(&odd).len(), 1);
    }
}
