//! Cost queries as texts, and the sums of the bill they ask for.
//!
//! ```text
//! sum:aws.cost.unblended{team:web,!servicename:Tax} by {servicename,subaccountid}.rollup(sum, daily)
//!     metric             filter                         tags                             periods
//! ```
//!
//! | part | read here |
//! |---|---|
//! | metric | see [`Metric::named`]; any other has no costs |
//! | filter | `*`, `key:value`, `key:value*`, `key IN (a,b)`, `key NOT IN (a,b)`; after `!`, `NOT`; joined by `,`, `AND` |
//! | periods | `daily`, `86400`, `weekly` (from Monday) or `monthly`; without a rollup days |
//!
//! `OR`, inner parentheses, other reducers and functions are refused, where Datadog knows more.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

use crate::sandbox::amount::{ONE, share};
use crate::sandbox::bill::{Bill, Item, first_of_month, is_usage};
use crate::sandbox::lines::{Charge, Line};

use super::{days_before, tags};

/// A cost metric that the bill has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metric {
    /// Position among the amounts of an item.
    Amount(usize),
    /// Usage at its public price.
    OnDemand,
}

impl Metric {
    /// The metric of a name; `None` if the company has no such costs.
    ///
    /// Which cost `all.cost` is, the reference does not say; here it is the amortized one.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "aws.cost.unblended" => Some(Self::Amount(0)),
            "aws.cost.amortized" | "all.cost" => Some(Self::Amount(2)),
            "aws.cost.net.unblended" => Some(Self::Amount(3)),
            "aws.cost.net.amortized" => Some(Self::Amount(4)),
            "aws.cost.ondemand" => Some(Self::OnDemand),
            _ => None,
        }
    }

    fn amount(self, line: &Line, item: &Item) -> Option<i64> {
        match self {
            Self::Amount(position) => item.amounts.get(position).copied(),
            Self::OnDemand if line.charge == Charge::PlanNegation || !is_usage(line.charge) => None,
            Self::OnDemand => line.meter.map(|meter| share(item.amounts[5], meter.price, ONE)),
        }
    }
}

/// Which lines a query takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Not(Box<Filter>),
    /// One of the values; one that ends with `*` takes all that begin so.
    In(String, Vec<String>),
}

impl Filter {
    /// Reads a filter; an error is what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        if text.trim() == "*" {
            return Ok(Self::All(Vec::new()));
        }
        terms(text).into_iter().map(term).collect::<Result<_, _>>().map(Self::All)
    }

    pub(super) fn takes(&self, line: &Line) -> bool {
        match self {
            Self::All(list) => list.iter().all(|filter| filter.takes(line)),
            Self::Not(inner) => !inner.takes(line),
            Self::In(key, values) => {
                let own = tags::value(key, line);
                values.iter().any(|value| value.strip_suffix('*').map_or(own == value, |start| own.starts_with(start)))
            }
        }
    }
}

/// The terms of a filter: its parts between commas and `AND`s outside of parentheses.
fn terms(text: &str) -> Vec<&str> {
    const AND: &str = " AND ";
    let (mut terms, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, character) in text.char_indices() {
        let rest = text.get(at..).unwrap_or_default();
        let length = match character {
            '(' => {
                depth += 1;
                continue;
            }
            ')' => {
                depth = depth.saturating_sub(1);
                continue;
            }
            ',' if depth == 0 => 1,
            ' ' if depth == 0 && rest.get(..AND.len()).is_some_and(|word| word.eq_ignore_ascii_case(AND)) => AND.len(),
            _ => continue,
        };
        terms.extend(text.get(start..at));
        start = at + length;
    }
    terms.extend(text.get(start..));
    terms
}

fn term(text: &str) -> Result<Filter, String> {
    let text = text.trim();
    let negated = text.strip_prefix('!').or_else(|| without_word(text, "NOT "));
    if let Some(inner) = negated {
        return Ok(Filter::Not(Box::new(term(inner)?)));
    }
    let wrong = || format!("could not read the filter {text:?}");
    if let Some((key, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let key = key.trim_end();
        let (key, negated) = match (without_last_word(key, " NOT IN"), without_last_word(key, " IN")) {
            (Some(key), _) => (key, true),
            (None, Some(key)) => (key, false),
            (None, None) => return Err(wrong()),
        };
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        let list = Filter::In(key.trim().to_owned(), values);
        return Ok(if negated { Filter::Not(Box::new(list)) } else { list });
    }
    let (key, value) = text.split_once(':').ok_or_else(wrong)?;
    if key.is_empty() || value.is_empty() || key.contains(['(', ' ']) || value.to_ascii_uppercase().contains(" OR ") {
        return Err(wrong());
    }
    Ok(Filter::In(key.to_owned(), vec![value.to_owned()]))
}

fn without_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let first = text.get(..word.len())?;
    first.eq_ignore_ascii_case(word).then(|| text.get(word.len()..))?
}

fn without_last_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let at = text.len().checked_sub(word.len())?;
    text.get(at..)?.eq_ignore_ascii_case(word).then(|| text.get(..at))?
}

/// The periods that days are summed into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rollup {
    Daily,
    Weekly,
    Monthly,
}

impl Rollup {
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("could not read the rollup {text:?}");
        let inner = text.strip_prefix(".rollup(").and_then(|text| text.strip_suffix(')')).ok_or_else(wrong)?;
        let (reducer, period) = inner.split_once(',').ok_or_else(wrong)?;
        match (reducer.trim(), period.trim()) {
            ("sum", "daily" | "86400") => Ok(Self::Daily),
            ("sum", "weekly") => Ok(Self::Weekly),
            ("sum", "monthly") => Ok(Self::Monthly),
            _ => Err(wrong()),
        }
    }

    /// The first day of the period of a day.
    fn start(self, day: NaiveDate) -> NaiveDate {
        match self {
            Self::Daily => day,
            Self::Weekly => days_before(day, u64::from(day.weekday().num_days_from_monday())),
            Self::Monthly => first_of_month(day),
        }
    }
}

/// A cost query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CostQuery {
    metric: Option<Metric>,
    filter: Filter,
    /// The tag keys that costs are grouped by.
    pub(super) by: Vec<String>,
    rollup: Rollup,
}

impl CostQuery {
    /// Reads a query; an error is what is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let wrong = || format!("could not read the query {text:?}");
        let (head, rest) = text.trim().split_once('{').ok_or_else(wrong)?;
        let metric = match head.split_once(':') {
            None | Some(("sum", _)) => head.trim_start_matches("sum:"),
            Some(_) => return Err(wrong()),
        };
        let (filter, rest) = rest.split_once('}').ok_or_else(wrong)?;
        let (by, rest) = match rest.trim_start().strip_prefix("by") {
            None => (Vec::new(), rest),
            Some(rest) => {
                let (keys, rest) =
                    rest.trim_start().strip_prefix('{').and_then(|r| r.split_once('}')).ok_or_else(wrong)?;
                (keys.split(',').map(|key| key.trim().to_owned()).collect(), rest)
            }
        };
        let rest = rest.trim();
        let rollup = if rest.is_empty() { Rollup::Daily } else { Rollup::read(rest)? };
        Ok(Self { metric: Metric::named(metric.trim()), filter: Filter::read(filter)?, by, rollup })
    }

    /// The sums of some days as of `today`, by group and period.
    pub(super) fn sums(&self, bill: &Bill, days: impl Iterator<Item = NaiveDate>, today: NaiveDate) -> Sums {
        let mut sums = Sums::new();
        let Some(metric) = self.metric else {
            return sums;
        };
        let groups: Vec<Option<Vec<&str>>> = bill.lines.iter().map(|line| self.group(line)).collect();
        for day in days {
            let mut of_day: BTreeMap<&Vec<&str>, i128> = BTreeMap::new();
            for item in bill.day(day, today).iter() {
                let (Some(Some(group)), Some(line)) = (groups.get(item.line), bill.lines.get(item.line)) else {
                    continue;
                };
                if let Some(amount) = metric.amount(line, item) {
                    *of_day.entry(group).or_default() += i128::from(amount);
                }
            }
            for (group, amount) in of_day {
                let group: Vec<String> = group.iter().map(|value| (*value).to_owned()).collect();
                *sums.entry(group).or_default().entry(self.rollup.start(day)).or_default() += amount;
            }
        }
        sums
    }

    /// The values of the group of a line, if the query takes it.
    fn group<'a>(&self, line: &'a Line) -> Option<Vec<&'a str>> {
        let values = || self.by.iter().map(|key| tags::value(key, line)).collect();
        self.filter.takes(line).then(values)
    }
}

/// Amounts in 1e-10 by the values of a group and the first day of a period; a group without costs in a period has none.
pub(super) type Sums = BTreeMap<Vec<String>, BTreeMap<NaiveDate, i128>>;

/// The sums of some amounts over the lines that `takes` does, on one day.
pub(super) fn day_sums<const N: usize>(
    bill: &Bill,
    day: NaiveDate,
    today: NaiveDate,
    takes: impl Fn(&Line) -> bool,
    amounts: [usize; N],
) -> [i128; N] {
    let mut sums = [0; N];
    for item in bill.day(day, today).iter().filter(|item| bill.lines.get(item.line).is_some_and(&takes)) {
        for (sum, position) in sums.iter_mut().zip(amounts) {
            *sum += item.amounts.get(position).copied().map_or(0, i128::from);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::{CostQuery, Filter, Metric, Rollup};
    use crate::sandbox::catalog::ODD_TEAM;
    use crate::sandbox::reader::service;

    #[test]
    fn a_query_is_read_into_its_parts() {
        let text = "sum:aws.cost.net.amortized{aws_product:lambda} by {team, servicename}.rollup(sum, weekly)";
        let query = CostQuery::read(text).unwrap();
        assert_eq!(query.metric, Some(Metric::Amount(4)));
        assert_eq!(query.filter, Filter::All(vec![Filter::In("aws_product".to_owned(), vec!["lambda".to_owned()])]));
        assert_eq!((query.by, query.rollup), (vec!["team".to_owned(), "servicename".to_owned()], Rollup::Weekly));
        let short = CostQuery::read("aws.cost.ondemand{*}").unwrap();
        assert_eq!(
            (short.metric, short.filter, short.rollup),
            (Some(Metric::OnDemand), Filter::All(Vec::new()), Rollup::Daily)
        );
        assert_eq!(CostQuery::read("sum:gcp.cost.amortized{*}.rollup(sum, 86400)").unwrap().metric, None);
        for wrong in [
            "",
            "aws.cost.unblended",
            "avg:aws.cost.unblended{*}",
            "sum:aws.cost.unblended{*",
            "sum:aws.cost.unblended{team}",
            "sum:aws.cost.unblended{team:}",
            "sum:aws.cost.unblended{team:web OR team:data}",
            "sum:aws.cost.unblended{(team:web)}",
            "sum:aws.cost.unblended{team LIKE (web)}",
            "sum:aws.cost.unblended{*} by team",
            "sum:aws.cost.unblended{*}.rollup(avg, daily)",
            "sum:aws.cost.unblended{*}.rollup(sum, hourly)",
            "sum:aws.cost.unblended{*}.rollup(sum)",
            "sum:aws.cost.unblended{*}.as_count()",
        ] {
            assert!(CostQuery::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn filters_take_the_lines_they_name() {
        let lines = service(1_000).bill.lines;
        let taken = |text: &str| {
            let filter = Filter::read(text).unwrap();
            lines.iter().map(|line| filter.takes(line)).collect::<Vec<_>>()
        };
        let wanted = |takes: fn(&crate::sandbox::lines::Line) -> bool| lines.iter().map(takes).collect::<Vec<_>>();
        let lambda = wanted(|line| line.service == "AWS Lambda" && line.team == "web");
        assert!(lambda.contains(&true), "the seed has such a line");
        for text in
            ["servicename:AWS Lambda,team:web", "team:web AND aws_product:lambda", "team:web and service:lambda"]
        {
            assert_eq!(taken(text), lambda, "{text}");
        }
        let others = wanted(|line| line.service != "AWS Lambda");
        for text in
            ["!service:lambda", "NOT service:lambda", "not service IN (lambda)", "service NOT IN (lambda, mars)"]
        {
            assert_eq!(taken(text), others, "{text}");
        }
        assert_eq!(taken("line_item/usage_type:EU-*"), wanted(|line| line.usage_type.starts_with("EU-")));
        assert_eq!(taken("team:N/A"), wanted(|line| line.team.is_empty()));
        assert_eq!(taken(&format!("team:{ODD_TEAM}")), wanted(|line| line.team == ODD_TEAM));
        let usage = wanted(|line| ["Usage", "DiscountedUsage"].contains(&line.record_type()));
        assert_eq!(taken("aws_cost_type IN (Usage,DiscountedUsage)"), usage);
        assert!(!taken("planet:mars").contains(&true));
    }
}
