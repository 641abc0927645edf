//! Joins the parts of a table's objects into the figures of its charts.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::part::{Days, Part, Shape, Sums, weights};
use super::{Band, Figures, Savings, SavingsDay, Stacked, TOP_GROUPS, Utilization};
use crate::totals::CURRENCY;

/// The figures of all parts together.
pub(super) fn figures<'a>(shape: &Shape, parts: impl Iterator<Item = &'a Part> + Clone) -> Figures {
    let unit = parts.clone().filter_map(|part| part.unit.clone()).last();
    let figures = match shape {
        Shape::Amounts { column, unit, grouping, .. } if unit != CURRENCY => {
            Figures::Stacked(costs(parts, column, grouping.as_ref()))
        }
        Shape::Amounts { column, grouping, .. } => {
            let unit = unit.unwrap_or_default();
            let of_currency = |currency: String| stacked(parts.clone(), column, grouping.clone(), currency);
            Figures::Stacked(currencies(parts.clone(), unit).into_iter().map(of_currency).collect())
        }
        Shape::Accounts => {
            let counts = stacked(parts, "AWS accounts", Some("export".to_owned()), "accounts".to_owned());
            Figures::Stacked(vec![Stacked { is_count: true, ..counts }])
        }
        Shape::Costs { column, grouping, .. } => Figures::Stacked(costs(parts, column, grouping.as_ref())),
        Shape::Savings => Figures::Savings(savings(parts)),
        Shape::Utilization => Figures::Utilization(ratios(parts, "Utilization of commitments: mean of each kind")),
        Shape::Shares(share) => Figures::Utilization(ratios(parts, share.title)),
        Shape::Nothing => Figures::Nothing,
    };
    let is_empty = match &figures {
        Figures::Nothing => true,
        Figures::Stacked(all) => all.iter().all(|stacked| stacked.days.is_empty() || stacked.groups.is_empty()),
        Figures::Savings(savings) => savings.is_empty(),
        Figures::Utilization(utilization) => utilization.days.is_empty(),
    };
    if is_empty { Figures::Nothing } else { figures }
}

/// The currencies of all parts, that of the newest day first; the unit where no day names one.
fn currencies<'a>(parts: impl Iterator<Item = &'a Part>, unit: String) -> Vec<String> {
    let mut newest: BTreeMap<&String, NaiveDate> = BTreeMap::new();
    for (day, currency) in parts.flat_map(|part| &part.currencies) {
        let known = newest.entry(currency).or_insert(*day);
        *known = *day.max(known);
    }
    let mut found: Vec<_> = newest.into_iter().collect();
    found.sort_by_key(|(_, day)| std::cmp::Reverse(*day));
    let found: Vec<String> = found.into_iter().map(|(currency, _)| currency.clone()).collect();
    if found.is_empty() { vec![unit] } else { found }
}

/// All others, where objects have more groups than are kept of each.
const FOLDED: &str = "all others, and what is beyond the 500 largest of its month";

fn stacked<'a>(
    parts: impl Iterator<Item = &'a Part> + Clone,
    measure: &str,
    grouping: Option<String>,
    unit: String,
) -> Stacked {
    // Days without a currency appear in the chart of each currency: they add nothing.
    let is_in_unit = |part: &Part, day: &NaiveDate| part.currencies.get(day).is_none_or(|currency| *currency == unit);
    let amounts: Vec<_> = parts
        .clone()
        .filter_map(|part| if let Days::Amounts(days) = &part.days { Some((part, days)) } else { None })
        .flat_map(|(part, days)| days.iter().filter(move |(day, _)| is_in_unit(part, day)))
        .collect();
    let mut ranked: Vec<(u128, &String)> =
        weights(amounts.iter().map(|(_, sums)| *sums)).into_iter().map(|(group, weight)| (weight, group)).collect();
    ranked.sort_by(|(a, one), (b, other)| b.cmp(a).then(one.cmp(other)));
    let are_folded = amounts.iter().any(|(_, sums)| sums.contains_key(&None));
    let rest = ranked.len() > TOP_GROUPS || are_folded;
    let top: Vec<&String> = ranked.into_iter().take(TOP_GROUPS).map(|(_, group)| group).collect();
    let width = top.len() + usize::from(rest);
    let row = |sums: &BTreeMap<Option<String>, i128>| {
        let mut row = vec![0_i128; width];
        for (group, sum) in sums {
            let place = group.as_ref().and_then(|group| top.iter().position(|known| *known == group));
            row[place.unwrap_or(width - 1)] += sum;
        }
        row
    };
    let days: BTreeMap<NaiveDate, Vec<i128>> = amounts.iter().map(|(day, sums)| (**day, row(sums))).collect();
    let names: BTreeMap<&String, &String> = parts.flat_map(|part| &part.names).collect();
    let mut groups: Vec<Band> = top
        .iter()
        .map(|group| Band { id: Some((*group).clone()), name: name_of(group, grouping.as_deref(), &names) })
        .collect();
    if rest {
        let name = if are_folded { FOLDED } else { "all others" };
        groups.push(Band { id: None, name: name.to_owned() });
    }
    Stacked { measure: measure.to_owned(), grouping, unit, groups, days, is_count: false }
}

/// The label of a group: its name, else its id, else a placeholder where the API has neither.
fn name_of(group: &String, grouping: Option<&str>, names: &BTreeMap<&String, &String>) -> String {
    match (group.as_str(), grouping) {
        ("", None) => "total".to_owned(),
        ("", Some(column)) if column.starts_with("tag_") => "untagged".to_owned(),
        ("", Some(_)) => "without a value".to_owned(),
        (id, _) => names.get(group).map_or_else(|| id.to_owned(), |name| format!("{name} ({id})")),
    }
}

/// Costs, one entry per unit: that of the newest day first, of two the one with more figures.
fn costs<'a>(parts: impl Iterator<Item = &'a Part> + Clone, measure: &str, grouping: Option<&String>) -> Vec<Stacked> {
    let mut by_unit: BTreeMap<&String, Sums> = BTreeMap::new();
    let of_part = |part: &'a Part| if let Days::Costs(units) = &part.days { Some(units) } else { None };
    for (unit, days) in parts.clone().filter_map(of_part).flatten() {
        by_unit.entry(unit).or_default().extend(days.clone());
    }
    let names: BTreeMap<String, String> = parts.flat_map(|part| part.names.clone()).collect();
    let of_unit = |(unit, days): (&String, Sums)| {
        let size = days.values().map(BTreeMap::len).sum::<usize>();
        let part = Part { names: names.clone(), ..Part::of(Days::Amounts(days)) };
        (size, stacked([part].iter(), measure, grouping.cloned(), unit.clone()))
    };
    let mut found: Vec<(usize, Stacked)> = by_unit.into_iter().map(of_unit).collect();
    found.sort_by_key(|(size, stacked)| std::cmp::Reverse((stacked.days.keys().next_back().copied(), *size)));
    found.into_iter().map(|(_, stacked)| stacked).collect()
}

fn savings<'a>(parts: impl Iterator<Item = &'a Part>) -> Vec<Savings> {
    let mut by_unit: BTreeMap<&String, BTreeMap<NaiveDate, SavingsDay>> = BTreeMap::new();
    let of_part = |part: &'a Part| if let Days::Savings(days) = &part.days { Some(days) } else { None };
    for (day, sums) in parts.filter_map(of_part).flatten() {
        for (unit, of_unit) in sums {
            by_unit.entry(unit).or_default().insert(*day, *of_unit);
        }
    }
    let mut found: Vec<Savings> =
        by_unit.into_iter().map(|(unit, days)| Savings { unit: unit.clone(), days }).collect();
    found.sort_by_key(|savings| std::cmp::Reverse(savings.days.keys().next_back().copied()));
    found
}

fn ratios<'a>(parts: impl Iterator<Item = &'a Part>, title: &'static str) -> Utilization {
    let of_part = |part: &'a Part| if let Days::Ratios(days) = &part.days { Some(days) } else { None };
    let all: Vec<_> = parts.filter_map(of_part).flatten().collect();
    let kinds: BTreeSet<&String> = all.iter().flat_map(|(_, ratios)| ratios.keys()).collect();
    let ratio = |ratios: &BTreeMap<String, (f64, f64)>, kind: &String| {
        ratios.get(kind).filter(|(_, whole)| *whole != 0.0).map(|(part, whole)| part / whole)
    };
    let days = all.iter().map(|(day, ratios)| (**day, kinds.iter().map(|kind| ratio(ratios, kind)).collect()));
    Utilization { title, days: days.collect(), kinds: kinds.iter().map(|kind| (*kind).clone()).collect() }
}

#[cfg(test)]
mod tests {
    use super::{figures, stacked};
    use crate::web::chart_data::Figures;
    use crate::web::chart_data::part::{Days, Part, Shape};
    use chrono::NaiveDate;
    use std::collections::BTreeMap;

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, number).unwrap()
    }

    /// A part of one day.
    fn part(number: u32, sums: &[(&str, i128)]) -> Part {
        let sums = sums.iter().map(|(group, sum)| (Some((*group).to_owned()), *sum)).collect();
        let days = Days::Amounts(BTreeMap::from([(day(number), sums)]));
        Part { unit: Some("USD".to_owned()), ..Part::of(days) }
    }

    #[test]
    fn the_largest_groups_are_told_apart_and_nothing_is_lost() {
        let many: Vec<(String, i128)> =
            (0..12).map(|index| (format!("g{index:02}"), 100 - i128::from(index))).collect();
        let many: Vec<(&str, i128)> = many.iter().map(|(group, sum)| (group.as_str(), *sum)).collect();
        let parts = [part(1, &many), part(2, &[("g11", 500), ("credit", -900)])];
        let found = stacked(parts.iter(), "unblended_cost", Some("service".to_owned()), "USD".to_owned());
        assert_eq!(found.groups.len(), 9);
        let named = |index: usize| (found.groups[index].id.as_deref(), found.groups[index].name.as_str());
        assert_eq!(
            [0, 1, 2].map(named),
            ["credit", "g11", "g00"].map(|name| (Some(name), name)),
            "a credit counts by its size"
        );
        assert_eq!(named(8), (None, "all others"));
        assert_eq!(found.total(day(1)), Some(many.iter().map(|(_, sum)| sum).sum()));
        assert_eq!(found.total(day(2)), Some(-400));
        assert_eq!(found.days[&day(2)], [-900, 500, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn amounts_of_two_currencies_are_charts_of_their_own() {
        let of = |number, currency: &str, sum| {
            let currencies = BTreeMap::from([(day(number), currency.to_owned())]);
            Part { currencies, ..part(number, &[("EC2", sum)]) }
        };
        let shape = Shape::Amounts { column: "x".to_owned(), unit: "currency".to_owned(), grouping: None, only: None };
        let parts = [of(1, "USD", 5), of(2, "USD", 6), of(3, "EUR", 7)];
        let Figures::Stacked(found) = figures(&shape, parts.iter()) else { panic!("amounts") };
        let told: Vec<_> = found.iter().map(|s| (s.unit.as_str(), s.days.len(), s.total(day(3)))).collect();
        assert_eq!(told, [("EUR", 1, Some(7)), ("USD", 2, None)]);
    }

    #[test]
    fn costs_of_two_units_are_charts_of_their_own_and_months_are_one_chart() {
        let of = |number, unit: &str, sum| {
            let days = BTreeMap::from([(day(number), BTreeMap::from([(Some("web".to_owned()), sum)]))]);
            Part::of(Days::Costs(BTreeMap::from([(unit.to_owned(), days)])))
        };
        let shape = Shape::Costs { column: "cost".to_owned(), grouping: Some("tag_team".to_owned()), only: None };
        let parts = [of(1, "dollar", 5), of(2, "dollar", 6), of(3, "euro", 7)];
        let Figures::Stacked(found) = figures(&shape, parts.iter()) else { panic!("costs") };
        let told: Vec<_> = found.iter().map(|s| (s.unit.as_str(), s.days.len(), s.total(day(2)))).collect();
        assert_eq!(told, [("euro", 1, None), ("dollar", 2, Some(6))]);
        assert_eq!(found[1].groups.len(), 1);
        assert_eq!(found[1].groups[0].name, "web");
    }

    #[test]
    fn a_share_of_nothing_is_no_share() {
        let days = BTreeMap::from([("a".to_owned(), (0.0, 0.0)), ("b".to_owned(), (0.0, 4.0))]);
        let part = Part::of(Days::Ratios(BTreeMap::from([(day(1), days)])));
        let Figures::Utilization(found) = figures(&Shape::Utilization, [part].iter()) else { panic!("ratios") };
        assert_eq!(
            (&found.kinds[..], &found.days[&day(1)][..]),
            (&["a".to_owned(), "b".to_owned()][..], &[None, Some(0.0)][..])
        );
    }

    #[test]
    fn what_has_no_name_gets_a_word() {
        let names = |grouping: Option<&str>| {
            stacked([part(1, &[("", 1)])].iter(), "x", grouping.map(str::to_owned), String::new()).groups[0]
                .name
                .clone()
        };
        assert_eq!(names(None), "total");
        assert_eq!(names(Some("tag_team")), "untagged");
        assert_eq!(names(Some("service")), "without a value");
    }

    #[test]
    fn an_empty_table_has_nothing_to_draw() {
        let shape = Shape::Amounts { column: "x".to_owned(), unit: "currency".to_owned(), grouping: None, only: None };
        let costs = Shape::Costs { column: "cost".to_owned(), grouping: None, only: None };
        for shape in [shape, costs, Shape::Savings, Shape::Utilization, Shape::Accounts, Shape::Nothing] {
            assert_eq!(figures(&shape, std::iter::empty()), Figures::Nothing);
        }
    }
}
