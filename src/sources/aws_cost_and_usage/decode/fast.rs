//! The fast path for an answer: the same traversal as in [`full`](super::full), directly over the text.
//!
//! For a valid answer it yields the same as the slow path. It gives up on anything else: its rows are discarded, and
//! the slow path reads the page from the start and reports the error. So it has no error messages and makes no
//! decisions; a test compares both paths on random answers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::decimal;

use super::columns::{PageEnd, Period, Rows, Wanted};
use super::full::{
    Attributed, Definition, MetricValue, Text, TimePeriod, describe, echo_of, has_total, keep_unit, value_of,
};
use super::scanner::Scan;

/// Reads one page; `None` if it needs the slow path, with `rows` possibly half filled.
pub(super) fn read_page(body: &[u8], wanted: &Wanted<'_>, rows: &mut Rows) -> Option<PageEnd> {
    let mut scan = Scan::new(std::str::from_utf8(body).ok()?);
    let mut end = PageEnd::default();
    scan.object(unknown, |scan, name| {
        match name {
            "NextPageToken" => end.next_token = scan.value::<Option<String>>()?.filter(|token| !token.is_empty()),
            "GroupDefinitions" => end.echo = scan.value::<Option<Vec<Definition>>>()?.map(echo_of),
            "ResultsByTime" => {
                scan.list(|scan| result(scan, wanted, rows))?;
                end.has_results = true;
            }
            "DimensionValueAttributes" => {
                describe(rows, scan.value::<Option<Vec<Attributed>>>()?.unwrap_or_default());
            }
            _ => ignore(scan)?,
        }
        Some(())
    })?;
    scan.is_at_end().then_some(end)
}

/// For objects whose members have no usual order.
fn unknown(_: usize) -> Option<&'static str> {
    None
}

fn ignore(scan: &mut Scan<'_>) -> Option<()> {
    scan.value::<serde::de::IgnoredAny>().map(|_| ())
}

fn result(scan: &mut Scan<'_>, wanted: &Wanted<'_>, rows: &mut Rows) -> Option<()> {
    let first_row = rows.period.len();
    let (mut period, mut estimated, mut seen_total, mut with_total) = (None, false, false, false);
    let grouped = !wanted.groupings.is_empty();
    scan.object(unknown, |scan, name| {
        match name {
            "TimePeriod" => period = scan.value::<Option<TimePeriod>>()?,
            "Estimated" => estimated = scan.value::<Option<bool>>()?.unwrap_or(false),
            "Groups" if grouped => scan.list(|scan| group(scan, wanted, rows))?,
            "Total" if !grouped => {
                metrics(scan, wanted, rows)?;
                rows.period.push(0);
                seen_total = true;
            }
            "Total" => with_total = has_total(&scan.value::<Option<BTreeMap<Text<'_>, MetricValue<'_>>>>()?),
            _ => ignore(scan)?,
        }
        Some(())
    })?;
    let TimePeriod { start: Some(start), end: Some(end) } = period? else { return None };
    if !grouped && !seen_total {
        return None;
    }
    let index = u32::try_from(rows.periods.len()).ok()?;
    let currency = rows.currency.take();
    rows.periods.push(Period { start, end, estimated, has_total: with_total, currency });
    rows.period[first_row..].fill(index);
    Some(())
}

fn group(scan: &mut Scan<'_>, wanted: &Wanted<'_>, rows: &mut Rows) -> Option<()> {
    let (mut has_keys, mut has_metrics) = (false, false);
    let usual = |place| ["Keys", "Metrics"].get(place).copied();
    scan.object(usual, |scan, name| {
        match name {
            "Keys" if !has_keys => {
                keys(scan, wanted, rows)?;
                has_keys = true;
            }
            "Metrics" if !has_metrics => {
                metrics(scan, wanted, rows)?;
                has_metrics = true;
            }
            _ => ignore(scan)?,
        }
        Some(())
    })?;
    rows.period.push(0);
    (has_keys && has_metrics).then_some(())
}

fn keys(scan: &mut Scan<'_>, wanted: &Wanted<'_>, rows: &mut Rows) -> Option<()> {
    let mut count = 0;
    scan.list(|scan| {
        let key = scan.string()?;
        let grouping = wanted.groupings.get(count)?;
        rows.keys[count].push(value_of(grouping, &key)?);
        count += 1;
        Some(())
    })?;
    (count == wanted.groupings.len()).then_some(())
}

fn metrics(scan: &mut Scan<'_>, wanted: &Wanted<'_>, rows: &mut Rows) -> Option<()> {
    let row = rows.period.len();
    // The API returns the metrics in the same order everywhere: the search for each starts after the one before.
    let mut next = 0;
    let usual = |place| wanted.metrics.get(place).map(|(name, _)| *name);
    scan.object(usual, |scan, name| {
        let count = wanted.metrics.len();
        let found = (0..count).map(|step| (next + step) % count).find(|index| wanted.metrics[*index].0 == name);
        let Some(index) = found else { return ignore(scan) };
        next = index + 1;
        if rows.amounts[index].len() > row {
            return None;
        }
        metric(scan, index, rows)
    })?;
    rows.amounts.iter().all(|amounts| amounts.len() == row + 1).then_some(())
}

fn metric(scan: &mut Scan<'_>, index: usize, rows: &mut Rows) -> Option<()> {
    if let Some((number, unit)) = scan.try_read(usual_metric) {
        rows.amounts[index].push(number);
        return keep_unit(rows, index, Some(unit), number).ok();
    }
    let (mut amount, mut unit): (Option<Cow<'_, str>>, Option<Cow<'_, str>>) = (None, None);
    scan.object(unknown, |scan, name| {
        match name {
            "Amount" if amount.is_none() => amount = Some(scan.string()?),
            "Unit" if unit.is_none() => unit = Some(scan.string()?),
            "Amount" | "Unit" => return None,
            _ => ignore(scan)?,
        }
        Some(())
    })?;
    let number = decimal::parse(&amount?).ok()?;
    rows.amounts[index].push(number);
    keep_unit(rows, index, unit.as_deref(), number).ok()
}

/// Amount and unit in the API's usual form: the amount first, no white space, nothing else.
fn usual_metric<'a>(scan: &mut Scan<'a>) -> Option<(i128, &'a str)> {
    let amount = scan.skip(r#"{"Amount":""#).then(|| scan.rest_of_plain())??;
    let unit = scan.skip(r#","Unit":""#).then(|| scan.rest_of_plain())??;
    scan.skip("}").then_some(())?;
    Some((decimal::parse(amount).ok()?, unit))
}
