//! The details of the selected day.

use chrono::NaiveDate;
use maud::{Markup, html};

use crate::decimal;
use crate::ledger::DayState;
use crate::plan::{Slot, SlotState};
use crate::sums::Sums;
use crate::text::{count, plural};
use crate::web::calendar::look_of;
use crate::web::chart::slot_name;
use crate::web::chart_data::{Band, Figures};
use crate::web::choice::Choice;
use crate::web::format;
use crate::web::view::{DayRevision, JobFacts, PageFacts, revisions};

use super::held;

/// The section: the selected day, or a form to select one.
pub(super) fn section(
    facts: &PageFacts,
    job: &JobFacts,
    slots: &[Slot],
    choice: &Choice,
    selected: Option<NaiveDate>,
) -> Markup {
    let grain = job.job.source.grain();
    let ends = slots.first().zip(slots.last()).map(|(first, last)| (first.day, last.day));
    html! {
        section id="day" class="day" tabindex="-1" aria-labelledby="day-title" {
            @match selected {
                None => h3 id="day-title" class="hidden" { "Details of a day" },
                Some(day) => {
                    h3 id="day-title" { (slot_name(grain, day)) }
                    @match slots.iter().find(|slot| slot.day == day) {
                        Some(slot) => (details(facts, job, choice, slot)),
                        None => p class="empty" { "This day is not in the table." },
                    }
                }
            }
            form class="row choose" method="get" action=(job.job.unit.page()) {
                @for (name, value) in choice.fields().into_iter().filter(|(_, value)| format::visible(value) == *value) { input type="hidden" name=(name) value=(value); }
                label for="choose" { "Details of" }
                input id="choose" name="day" type="date" value=[selected] min=[ends.map(|(first, _)| first)] max=[ends.map(|(_, last)| last)] required;
                button type="submit" class="quiet" { "Show" }
            }
        }
    }
}

fn details(facts: &PageFacts, job: &JobFacts, choice: &Choice, slot: &Slot) -> Markup {
    let look = look_of(slot);
    html! {
        p { span class={ "c " (look.class) } aria-hidden="true" { (look.symbol) } " " strong { (look.word) }
            @if let Some(why) = slot.why(&job.ledger).filter(|_| slot.state != SlotState::Held) { ": " (format::visible(why)) }
        }
        (held::panel(facts, job, choice, slot.day))
        @match &slot.known {
            None => p class="empty" { "It has never been read." },
            Some(known) => {
                dl class="figures" {
                    div { dt { "Rows" } dd { (count(known.facts.rows)) } }
                    div {
                        dt { "Read" }
                        dd { time datetime=(format::machine(known.read_at)) { (format::instant(known.read_at)) " UTC" } ", " (format::ago(known.read_at, facts.now)) }
                    }
                    div { dt { "Figures" } dd { (if known.facts.estimated { "estimated" } else { "final" }) " (per " (provider(job)) ")" } }
                    div { dt { "Last changed" } dd { (last_changed(job, slot.day, known.facts.epoch)) } }
                }
                div class="pair" {
                    (sums(known))
                    (groups(job, choice, slot.day))
                }
                @if !known.facts.read_for.is_empty() {
                    p class="fine" { "Read for " (format::visible(&known.facts.read_for.iter().cloned().collect::<Vec<_>>().join("; "))) "." }
                }
            }
        }
        (changes(&revisions(&job.ledger, &job.job.source.grain().partition_of(slot.day).to_string(), slot.day)))
    }
}

/// The generation that changed the rows last, with the date of its commit if that is known.
fn last_changed(job: &JobFacts, day: NaiveDate, epoch: u64) -> Markup {
    let partition = job.ledger.partitions.get(&job.job.source.grain().partition_of(day).to_string());
    let at = partition.and_then(|partition| partition.history.generations.get(&epoch));
    html! { "generation " (epoch) @if let Some(at) = at { small { (at.format("%Y-%m-%d")) } } }
}

fn provider(job: &JobFacts) -> &'static str {
    if job.job.entry.name.starts_with("aws") { "AWS" } else { "Datadog" }
}

/// The exact sums of a day beside the API's own totals.
fn sums(known: &DayState) -> Markup {
    if known.facts.sums.is_empty() {
        return html! {};
    }
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Sums of the day" {
            table class="stacks proof" {
                caption { "Sums of the rows, digit for digit, and the API's own totals" }
                thead { tr {
                    th scope="col" { "Column" } th scope="col" class="n" { "API total" }
                    th scope="col" class="n" { "Our rows" } th scope="col" class="n" { "Difference" }
                } }
                tbody {
                    @for (column, sum) in known.facts.sums.iter() {
                        @let total = known.facts.totals.get(column);
                        tr {
                            th scope="row" { code { (column) } }
                            td class="n" data-label="API total" { @match total { Some(total) => (format::exact(total)), None => "not requested" } }
                            td class="n" data-label="Our rows" { (format::exact(sum)) }
                            td class="n" data-label="Difference" { (total.and_then(|total| difference(sum, total)).unwrap_or_else(|| "–".to_owned())) }
                        }
                    }
                }
            }
        }
    }
}

/// The rows' sum less the API's total, digit for digit.
fn difference(sum: &str, total: &str) -> Option<String> {
    let by = decimal::parse(sum).ok()?.checked_sub(decimal::parse(total).ok()?)?;
    Some(if by == 0 { "0".to_owned() } else { format::exact(&decimal::text(by)) })
}

/// The groups of the chart on this day, largest first.
fn groups(job: &JobFacts, choice: &Choice, day: NaiveDate) -> Markup {
    let Some(Figures::Stacked(all)) = job.summary.as_ref().map(|summary| &summary.figures) else {
        return html! {};
    };
    let Some(figures) = all.iter().find(|figures| figures.days.contains_key(&day)) else { return html! {} };
    let (Some(amounts), Some(grouping)) = (figures.days.get(&day), &figures.grouping) else { return html! {} };
    let mut ranked: Vec<(&Band, i128)> = figures.groups.iter().zip(amounts.iter().copied()).collect();
    ranked.retain(|(_, amount)| *amount != 0);
    ranked.sort_by_key(|(_, amount)| std::cmp::Reverse(*amount));
    let title = format!("{} by {}, {}", figures.measure, grouping, format::unit(&figures.unit)).replace('_', " ");
    html! {
        div class="scroll" tabindex="0" role="region" aria-label=(title) {
            table {
                caption { (title) }
                thead { tr { th scope="col" { "Group" } th scope="col" class="n" { "Amount" } } }
                tbody {
                    @for (band, amount) in ranked {
                        tr { th scope="row" class="wrap" { (group(choice, band)) } td class="n" { (format::amount(amount)) } }
                    }
                }
            }
        }
    }
}

/// A group, with a link to its days.
fn group(choice: &Choice, band: &Band) -> Markup {
    let name = html! { bdi { (format::label(&band.name)) } };
    match &band.id {
        Some(id) => {
            let only = Choice { group: Some(id.clone()), metric: None, ..choice.clone() };
            html! { a href=(only.link("", "figures")) { (name) } }
        }
        None => name,
    }
}

/// The revisions of the day, newest first.
fn changes(revisions: &[DayRevision]) -> Markup {
    if revisions.is_empty() {
        return html! {};
    }
    html! {
        h4 { "Revisions" }
        ol class="revisions" {
            @for revision in revisions {
                li {
                    p {
                        strong { "Generation " (revision.epoch) }
                        @if let Some(at) = revision.at { ", " time datetime=(format::machine(at)) { (format::instant(at)) " UTC" } }
                        @if let Some(rows) = revision.changes {
                            ": " (plural(rows.added, "row")) " added, " (count(rows.removed)) " removed, " (count(rows.changed)) " changed"
                        }
                        @if revision.estimated_before != revision.estimated {
                            "; " (if revision.estimated { "an estimate again" } else { "no estimate any more" })
                        }
                    }
                    (before_and_after(revision))
                }
            }
        }
    }
}

fn before_and_after(revision: &DayRevision) -> Markup {
    let columns: std::collections::BTreeSet<&str> =
        revision.totals_before.iter().chain(revision.totals.iter()).map(|(name, _)| name).collect();
    let shown = |totals: &Sums, column: &str| totals.get(column).map_or_else(|| "–".to_owned(), format::exact);
    html! {
        div class="scroll" tabindex="0" role="region" aria-label={ "Before and after generation " (revision.epoch) } {
            table {
                caption class="hidden" { "Before and after generation " (revision.epoch) }
                thead { tr { th scope="col" { "What" } th scope="col" class="n" { "Before" } th scope="col" class="n" { "After" } } }
                tbody {
                    tr { th scope="row" { "rows" } td class="n" { (count(revision.rows_before)) } td class="n" { (count(revision.rows)) } }
                    @for column in columns {
                        tr {
                            th scope="row" { code { (format::label(column)) } }
                            td class="n" { (shown(&revision.totals_before, column)) } td class="n" { (shown(&revision.totals, column)) }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{changes, difference};
    use crate::generation::Changes;
    use crate::web::view::DayRevision;

    #[test]
    fn revisions_tell_before_and_after() {
        let totals = |text: &str| [("unblended_cost", text)].into_iter().collect();
        let revision = DayRevision {
            epoch: 4,
            estimated_before: true,
            rows_before: 1_200,
            rows: 1_201,
            changes: Some(Changes { added: 1, ..Changes::default() }),
            totals_before: totals("10.5"),
            totals: totals("1234.75"),
            ..DayRevision::default()
        };
        let html = changes(&[revision]).into_string();
        for part in ["Generation 4", "1 row added", "no estimate any more", "1,200", "10.5", "1,234.75"] {
            assert!(html.contains(part), "{part}\n{html}");
        }
        assert!(changes(&[]).into_string().is_empty());
    }

    #[test]
    fn a_difference_is_exact() {
        assert_eq!(difference("12.5000000001", "12.5").as_deref(), Some("0.0000000001"));
        assert_eq!(difference("-3", "-3.0").as_deref(), Some("0"));
        assert_eq!(difference("x", "1"), None);
    }
}
