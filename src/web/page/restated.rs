//! The page of what was restated lately, in all tables.

use maud::{Markup, html};

use crate::decimal;
use crate::generation::Changes;
use crate::text::{count, counted, plural};
use crate::web::chart::slot_name;
use crate::web::format;
use crate::web::restated::{DAYS, Entry, Log, Restated};
use crate::web::view::PageFacts;

use super::card::breakable;
use super::layout::frame;

/// Below half a cent an amount is written in full instead of as zero.
const HALF_A_CENT: u128 = 5_000_000_000;

/// The page.
pub(super) fn page(facts: &PageFacts, log: &Log) -> Markup {
    let body = html! {
        div class="title" {
            h1 { "Restatements" }
            p class="lead" { (lead(log)) }
        }
        nav class="choice" aria-label="Days" {
            a href="/restatements" aria-current=[(!log.only_final).then_some("true")] { "All" }
            a href="/restatements?only=final" aria-current=[log.only_final.then_some("true")] { "Without estimates" }
        }
        @if !log.unread.is_empty() { (unread(&log.unread)) }
        @if !log.entries.is_empty() {
            div class="panel" {
                table class="log" role="table" {
                    caption class="hidden" { "Restatements, the newest first" }
                    thead role="rowgroup" { tr role="row" {
                        @for (name, class) in HEADS { th scope="col" role="columnheader" class=[class] { (name) } }
                    } }
                    tbody role="rowgroup" { @for entry in &log.entries { (lines(facts, entry)) } }
                }
            }
        }
        p class="fine" {
            "A day is restated when a later answer of the API replaced rows that were in the table. Sums are kept of decimal "
            "columns; of others the log has the number of rows. The page of a day has its sums in every digit."
        }
    };
    frame("Restatements", Some(facts), &body)
}

const HEADS: [(&str, Option<&str>); 7] = [
    ("When (UTC)", None),
    ("Table", None),
    ("Day", None),
    ("Column", None),
    ("Before", Some("n")),
    ("Now", Some("n")),
    ("Change", Some("n")),
];

/// `12 restatements in 3 tables in the last 90 days.`
fn lead(log: &Log) -> String {
    let without = if log.only_final { " of days that were no estimate" } else { "" };
    if log.total == 0 {
        return format!("Nothing was restated in the last {DAYS} days{}.", without.replace(" of", ", counting only"));
    }
    let all = plural(log.total as u64, "restatement");
    let told = format!("{all}{without} in {} in the last {DAYS} days", plural(log.tables as u64, "table"));
    if log.total > log.entries.len() {
        format!("{told}; the newest {} are shown.", log.entries.len())
    } else {
        told + "."
    }
}

fn unread(unread: &[(String, String)]) -> Markup {
    html! {
        section class="panel alert" aria-labelledby="unread" {
            h2 id="unread" { (counted(unread.len() as u64, "table", "tables")) " could not be read" }
            ul class="problems" {
                @for (table, error) in unread { li class="pre" { (table) ": " (format::visible(error)) } }
            }
            p { "What is listed of " (if unread.len() == 1 { "it" } else { "them" }) " may be older, or nothing." }
        }
    }
}

fn lines(facts: &PageFacts, entry: &Entry) -> Markup {
    html! {
        @for (index, restated) in entry.sums.iter().enumerate() {
            (line(facts, entry, &restated.column, &amounts(restated), index + 1 == entry.sums.len()))
        }
        @if entry.sums.is_empty() {
            (line(facts, entry, "rows", &[count(entry.rows.0), count(entry.rows.1), by_rows(entry)], true))
        }
    }
}

fn line(facts: &PageFacts, entry: &Entry, column: &str, figures: &[String; 3], is_last: bool) -> Markup {
    let day = slot_name(entry.grain, entry.slot);
    html! {
        tr role="row" class=[is_last.then_some("last")] {
            td role="cell" data-of="When" {
                time datetime=(format::machine(entry.at)) title=(format::ago(entry.at, facts.now)) { (format::instant(entry.at)) }
            }
            td role="cell" class="of" { a href={ (entry.unit.page()) "?day=" (entry.slot) "#day" } { (breakable(&entry.unit.to_string())) } }
            td role="cell" data-of="Day" { span { (day) " " span class="fine" { (state(entry)) } } }
            td role="cell" data-of="Column" { (breakable(column)) }
            td role="cell" class="n" data-of="Before" { (figures[0]) }
            td role="cell" class="n" data-of="Now" { (figures[1]) }
            td role="cell" class="n by" data-of="Change" { (figures[2]) }
        }
    }
}

/// What the old rows were, and the new ones if they are something else.
fn state(entry: &Entry) -> &'static str {
    match (entry.estimated_before, entry.estimated) {
        (true, true) => "estimate",
        (true, false) => "estimate, now final",
        (false, false) => "final",
        (false, true) => "final, now an estimate",
    }
}

/// The old sum, the new one, and by how much it changed; two currencies are not compared.
fn amounts(of: &Restated) -> [String; 3] {
    let with = |amount: i128, unit: &Option<String>| match unit {
        Some(unit) => format!("{} {}", shown(amount), format::unit(unit)),
        None => shown(amount),
    };
    let by = of.after.saturating_sub(of.before);
    let change = if of.unit == of.unit_before {
        let share = decimal::percent(by, of.before.saturating_abs());
        let sign = if by > 0 { "+" } else { "" };
        share.map_or_else(|| format!("{sign}{}", shown(by)), |share| format!("{sign}{} ({sign}{share})", shown(by)))
    } else {
        "another currency".to_owned()
    };
    [with(of.before, &of.unit_before), with(of.after, &of.unit), change]
}

fn shown(amount: i128) -> String {
    if amount != 0 && amount.unsigned_abs() < HALF_A_CENT { decimal::text(amount) } else { format::amount(amount) }
}

/// How the rows changed where no sum tells it.
fn by_rows(entry: &Entry) -> String {
    let Some(Changes { added, removed, changed }) = entry.changes else { return "values changed".to_owned() };
    let parts = [(added, "added"), (removed, "removed"), (changed, "changed")];
    let told: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{} {what}", count(*number)))
        .collect();
    if told.is_empty() { "values changed".to_owned() } else { told.join(", ") }
}
