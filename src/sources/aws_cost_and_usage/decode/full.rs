//! The answer of `GetCostAndUsage`, parsed in one pass from its bytes into column builders.
//!
//! No intermediate tree: strings go from the answer's bytes into the builders, amounts from text to integers. Members
//! may come in any order (AWS's own examples show `Groups` before `TimePeriod`), so the period of a result's rows is
//! filled in after them. Unknown members are skipped; `null` counts as absent.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::decimal;
use crate::sources::aws_cost_and_usage::query::Grouping;
use crate::text::{counted, plural};

use super::columns::{PageEnd, Period, Rows, Wanted};

/// The slow path: reads any valid answer, and reports what is wrong with any other.
pub(super) fn read_page(body: &[u8], wanted: &Wanted<'_>, rows: &mut Rows) -> serde_json::Result<PageEnd> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let end = PageSeed { wanted, rows }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(end)
}

/// Implements a seed that reads a JSON object member by member.
macro_rules! object_seed {
    ($seed:ident -> $value:ty, $what:literal, |$this:ident, $map:ident| $body:block) => {
        impl<'de> DeserializeSeed<'de> for $seed<'_, '_> {
            type Value = $value;
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<$value, D::Error> {
                deserializer.deserialize_map(self)
            }
        }
        impl<'de> Visitor<'de> for $seed<'_, '_> {
            type Value = $value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($what)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<$value, A::Error> {
                let $this = self;
                $body
            }
        }
    };
}

/// Implements a seed that reads a JSON list, each element with another seed; `null` is the empty list.
macro_rules! list_seed {
    ($seed:ident, $what:literal, |$this:ident, $seq:ident| $body:block) => {
        impl<'de> DeserializeSeed<'de> for $seed<'_, '_> {
            type Value = ();
            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_any(self)
            }
        }
        impl<'de> Visitor<'de> for $seed<'_, '_> {
            type Value = ();
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($what)
            }
            fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
                Ok(())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut $seq: A) -> Result<(), A::Error> {
                let $this = self;
                $body
            }
        }
    };
}

struct PageSeed<'a, 'w> {
    wanted: &'a Wanted<'w>,
    rows: &'a mut Rows,
}

object_seed!(PageSeed -> PageEnd, "a GetCostAndUsage answer", |page, map| {
    let mut end = PageEnd::default();
    while let Some(name) = map.next_key::<Text<'de>>()? {
        match &*name.0 {
            "NextPageToken" => end.next_token = map.next_value::<Option<String>>()?.filter(|token| !token.is_empty()),
            "GroupDefinitions" => end.echo = map.next_value::<Option<Vec<Definition>>>()?.map(echo_of),
            "ResultsByTime" => {
                map.next_value_seed(ResultsSeed { wanted: page.wanted, rows: &mut *page.rows })?;
                end.has_results = true;
            }
            "DimensionValueAttributes" => {
                describe(page.rows, map.next_value::<Option<Vec<Attributed>>>()?.unwrap_or_default());
            }
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    Ok(end)
});

/// `GroupDefinitions` as pairs of type and key.
pub(super) fn echo_of(list: Vec<Definition>) -> Vec<(String, String)> {
    list.into_iter().map(|d| (d.kind.unwrap_or_default(), d.key.unwrap_or_default())).collect()
}

/// Stores the descriptions of `DimensionValueAttributes`; rows use no other attribute.
pub(super) fn describe(rows: &mut Rows, list: Vec<Attributed>) {
    for entry in list {
        if let (Some(value), Some(Attributes { description: Some(description) })) = (entry.value, entry.attributes) {
            rows.descriptions.insert(value, description);
        }
    }
}

#[derive(Deserialize)]
#[serde(expecting = "a grouping")]
pub(super) struct Definition {
    #[serde(rename = "Type")]
    kind: Option<String>,
    #[serde(rename = "Key")]
    key: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a value with its attributes")]
pub(super) struct Attributed {
    value: Option<String>,
    attributes: Option<Attributes>,
}

#[derive(Deserialize)]
#[serde(expecting = "attributes")]
struct Attributes {
    description: Option<String>,
}

struct ResultsSeed<'a, 'w> {
    wanted: &'a Wanted<'w>,
    rows: &'a mut Rows,
}

list_seed!(ResultsSeed, "a list of results by time", |results, seq| {
    while seq.next_element_seed(ResultSeed { wanted: results.wanted, rows: &mut *results.rows })?.is_some() {}
    Ok(())
});

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a period with Start and End")]
pub(super) struct TimePeriod {
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
}

struct ResultSeed<'a, 'w> {
    wanted: &'a Wanted<'w>,
    rows: &'a mut Rows,
}

object_seed!(ResultSeed -> (), "one result by time", |result, map| {
    let first_row = result.rows.period.len();
    let (mut period, mut estimated, mut seen_total, mut with_total) = (None, false, false, false);
    let grouped = !result.wanted.groupings.is_empty();
    while let Some(name) = map.next_key::<Text<'de>>()? {
        match &*name.0 {
            "TimePeriod" => period = map.next_value::<Option<TimePeriod>>()?,
            "Estimated" => estimated = map.next_value::<Option<bool>>()?.unwrap_or(false),
            "Groups" if grouped => map.next_value_seed(GroupsSeed { wanted: result.wanted, rows: &mut *result.rows })?,
            "Total" if !grouped => {
                map.next_value_seed(MetricsSeed { wanted: result.wanted, rows: &mut *result.rows })?;
                result.rows.period.push(0);
                seen_total = true;
            }
            "Total" => with_total = has_total(&map.next_value::<Option<BTreeMap<Text<'de>, MetricValue<'de>>>>()?),
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    let (Some(start), Some(end)) = period.map_or((None, None), |period| (period.start, period.end)) else {
        return Err(A::Error::custom("a result has no TimePeriod with Start and End"));
    };
    if !grouped && !seen_total {
        return Err(A::Error::custom(format!("the result of {start} has no Total")));
    }
    let index = u32::try_from(result.rows.periods.len()).map_err(A::Error::custom)?;
    let currency = result.rows.currency.take();
    result.rows.periods.push(Period { start, end, estimated, has_total: with_total, currency });
    result.rows.period[first_row..].fill(index);
    Ok(())
});

/// Whether the `Total` of a grouped answer is not zero.
pub(super) fn has_total(total: &Option<BTreeMap<Text<'_>, MetricValue<'_>>>) -> bool {
    let mut amounts = total.iter().flatten().filter_map(|(_, value)| value.amount.as_ref());
    amounts.any(|amount| decimal::parse(&amount.0) != Ok(0))
}

struct GroupsSeed<'a, 'w> {
    wanted: &'a Wanted<'w>,
    rows: &'a mut Rows,
}

list_seed!(GroupsSeed, "a list of groups", |groups, seq| {
    while seq.next_element_seed(GroupSeed { wanted: groups.wanted, rows: &mut *groups.rows })?.is_some() {}
    Ok(())
});

struct GroupSeed<'a, 'w> {
    wanted: &'a Wanted<'w>,
    rows: &'a mut Rows,
}

object_seed!(GroupSeed -> (), "one group", |group, map| {
    let (mut has_keys, mut has_metrics) = (false, false);
    while let Some(name) = map.next_key::<Text<'de>>()? {
        match &*name.0 {
            "Keys" if !has_keys => {
                map.next_value_seed(KeysSeed { wanted: group.wanted, rows: &mut *group.rows })?;
                // `null` is read as the empty list, which has no key.
                has_keys = group.rows.keys.iter().all(|names| names.len() > group.rows.period.len());
            }
            "Metrics" if !has_metrics => {
                map.next_value_seed(MetricsSeed { wanted: group.wanted, rows: &mut *group.rows })?;
                has_metrics = true;
            }
            _ => {
                map.next_value::<IgnoredAny>()?;
            }
        }
    }
    if !(has_keys && has_metrics) {
        return Err(A::Error::custom("a group has no Keys or no Metrics"));
    }
    group.rows.period.push(0);
    Ok(())
});

struct KeysSeed<'a, 'w> {
    wanted: &'a Wanted<'w>,
    rows: &'a mut Rows,
}

list_seed!(KeysSeed, "a list of keys", |keys, seq| {
    let mut count = 0;
    while let Some(key) = seq.next_element::<Text<'de>>()? {
        if let Some(grouping) = keys.wanted.groupings.get(count) {
            keys.rows.keys[count]
                .push(value_of(grouping, &key.0).ok_or_else(|| A::Error::custom(not_of(grouping, &key.0)))?);
        }
        count += 1;
    }
    if count == keys.wanted.groupings.len() {
        return Ok(());
    }
    let wanted = counted(keys.wanted.groupings.len() as u64, "was", "were");
    Err(A::Error::custom(format!("a group has {}, but {wanted} grouped by", plural(count as u64, "key"))))
});

/// The value in a group's key: `web` for `team$web`. Only the requested key and its `$` are stripped, because values
/// may contain `$` themselves. A key with any other prefix, even one that differs only in case, belongs to another tag
/// or category: `None`.
pub(super) fn value_of<'k>(grouping: &Grouping, key: &'k str) -> Option<&'k str> {
    use crate::sources::aws_cost_and_usage::query::GroupingKind::Dimension;
    if grouping.kind == Dimension {
        return Some(key);
    }
    key.strip_prefix(grouping.key.as_str()).and_then(|rest| rest.strip_prefix('$'))
}

fn not_of(grouping: &Grouping, key: &str) -> String {
    let (kind, asked) = (grouping.kind.name(), &grouping.key);
    format!("the group \"{}\" is not of the {kind} asked for: its key does not begin with \"{asked}$\"", shorten(key))
}

struct MetricsSeed<'a, 'w> {
    wanted: &'a Wanted<'w>,
    rows: &'a mut Rows,
}

object_seed!(MetricsSeed -> (), "the metrics of a group", |metrics, map| {
    let row = metrics.rows.period.len();
    while let Some(name) = map.next_key::<Text<'de>>()? {
        let Some(index) = metrics.wanted.metrics.iter().position(|(wanted, _)| *wanted == name.0) else {
            map.next_value::<IgnoredAny>()?;
            continue;
        };
        let name = metrics.wanted.metrics[index].0;
        if metrics.rows.amounts[index].len() > row {
            return Err(A::Error::custom(format!("{name} stands twice in one group")));
        }
        let value = map.next_value::<MetricValue<'de>>()?;
        let amount = value.amount.ok_or_else(|| A::Error::custom(format!("{name} has no Amount")))?;
        let number = decimal::parse(&amount.0).map_err(|fault| A::Error::custom(format!("{name} \"{}\" {fault}", shorten(&amount.0))))?;
        metrics.rows.amounts[index].push(number);
        keep_unit(metrics.rows, index, value.unit.as_ref().map(|unit| &*unit.0), number).map_err(A::Error::custom)?;
    }
    for (index, (name, _)) in metrics.wanted.metrics.iter().enumerate() {
        if metrics.rows.amounts[index].len() != row + 1 {
            return Err(A::Error::custom(format!("a group has no {name}, which was asked for")));
        }
    }
    Ok(())
});

/// Stores the unit of a usage amount, or checks that a cost has the same currency as the rest of its result.
pub(super) fn keep_unit(rows: &mut Rows, index: usize, unit: Option<&str>, amount: i128) -> Result<(), String> {
    if let Some(units) = &mut rows.units[index] {
        units.push_option(unit);
        return Ok(());
    }
    match (unit, &rows.currency) {
        (None, _) => Ok(()),
        (Some("N/A"), _) if amount == 0 => Ok(()),
        (Some(unit), None) => {
            rows.currency = Some(unit.to_owned());
            Ok(())
        }
        (Some(unit), Some(known)) if unit == known => Ok(()),
        (Some(unit), Some(known)) => {
            Err(format!("costs are in {known} and in {}, but one period has one currency", shorten(unit)))
        }
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 60 {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(60).collect::<String>())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "an amount with its unit")]
pub(super) struct MetricValue<'a> {
    #[serde(borrow)]
    amount: Option<Text<'a>>,
    #[serde(borrow)]
    unit: Option<Text<'a>>,
}

/// Text, borrowed from the answer if it has no escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
