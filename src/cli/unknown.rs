//! Values of `--where` that no row has: which they are, and which values are near.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::answer::{Grouping, Measure, Order, Question};
use crate::ask::{Range, ask};
use crate::error::{Result, printable};
use crate::job::Job;
use crate::job::section::nearest;
use crate::lake::Lake;
use crate::ledger::Ledger;

/// Values of a column that are looked at, and those that are named.
const MOST: usize = 5_000;
const NAMED: usize = 5;
/// Characters of a value that is named.
const LONGEST: usize = 60;

/// A sentence for each filter of a question that no row of its range fits.
pub(super) async fn unknown_values(
    lake: &Arc<Lake>,
    job: &Job,
    ledger: &Ledger,
    now: DateTime<Utc>,
    question: &Question,
    range: Range,
) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for filter in &question.filters {
        let by = vec![Grouping::Column(filter.column)];
        let all = Question { measure: Measure::Rows, by, filters: Vec::new(), apart: Vec::new(), ..question.clone() };
        let order = Order { by_key: false, most: Some(MOST) };
        let range = Range { against: None, ..range };
        let reply = ask(lake, job, ledger, now, &all, range, order).await?;
        let groups = reply.answer.sections.iter().flat_map(|section| &section.groups);
        let known: Vec<&str> = groups.filter_map(|group| group.key.first()?.as_deref()).collect();
        let column = &job.source.table().columns()[filter.column].name;
        let unknown = filter.values.iter().filter(|value| !value.is_empty() && !known.contains(&value.as_str()));
        told.extend(unknown.map(|value| sentence(column, value, &known)));
    }
    Ok(told)
}

fn sentence(column: &str, value: &str, known: &[&str]) -> String {
    let is_short = |name: &&&str| !name.is_empty() && name.chars().count() <= LONGEST;
    let hint = nearest(value, known.iter().copied());
    let folded = value.to_lowercase();
    let near: Vec<&&str> = known.iter().filter(is_short).filter(|name| name.to_lowercase().contains(&folded)).collect();
    let listed = |what: &str, names: &[&&str]| {
        let quoted: Vec<String> = names.iter().take(NAMED).map(|name| format!("`{name}`")).collect();
        format!("; {what} {}", quoted.join(", "))
    };
    let more = if !hint.is_empty() {
        hint
    } else if !near.is_empty() {
        listed("near are", &near)
    } else {
        let largest: Vec<&&str> = known.iter().filter(is_short).collect();
        if largest.is_empty() { String::new() } else { listed("there are", &largest) }
    };
    printable(&format!("no row of these days has {column} `{value}`{more}"))
}

#[cfg(test)]
mod tests {
    use super::sentence;

    #[test]
    fn a_value_that_never_occurs_is_told_with_what_is_near() {
        let known = ["AmazonCloudWatch", "Amazon Simple Storage Service", "Tax", "a", "b", "c", ""];
        for (value, wanted) in [
            (
                "AmazonCloudwatc",
                "no row of these days has service `AmazonCloudwatc` (did you mean `AmazonCloudWatch`?)",
            ),
            ("storage", "no row of these days has service `storage`; near are `Amazon Simple Storage Service`"),
            (
                "nothing alike",
                "no row of these days has service `nothing alike`; there are `AmazonCloudWatch`, \
                 `Amazon Simple Storage Service`, `Tax`, `a`, `b`",
            ),
        ] {
            assert_eq!(sentence("service", value, &known), wanted);
        }
        assert_eq!(sentence("service", "x", &[]), "no row of these days has service `x`");
    }
}
