//! Compares the fast and the slow decoder on one answer; used by the tests and by fuzzing.

use std::collections::BTreeMap;

use crate::sources::aws_cost_and_usage::query::{Grouping, GroupingKind};

use super::columns::{PageEnd, Period, Rows, Wanted};
use super::dictionary::Names;
use super::{full, read_page};

pub(super) const METRICS: [(&str, bool); 3] =
    [("UnblendedCost", true), ("AmortizedCost", true), ("UsageQuantity", false)];

pub(super) fn groupings(grouped: bool) -> Vec<Grouping> {
    let by = |kind, key: &str| Grouping { kind, key: key.to_owned() };
    let both = [by(GroupingKind::Dimension, "SERVICE"), by(GroupingKind::Tag, "team")];
    if grouped { both.to_vec() } else { Vec::new() }
}

pub(super) fn empty_rows(groupings: usize) -> Rows {
    Rows {
        period: Vec::new(),
        periods: Vec::new(),
        keys: (0..groupings).map(|_| Names::default()).collect(),
        amounts: METRICS.iter().map(|_| Vec::new()).collect(),
        units: METRICS.iter().map(|(_, is_cost)| (!is_cost).then(Names::default)).collect(),
        currency: None,
        descriptions: BTreeMap::new(),
    }
}

/// One row as plain values: start of the period, keys, amounts, unit of the usage.
pub(super) type Row = (String, Vec<String>, Vec<i128>, Option<String>);

fn plain(rows: &Rows) -> Vec<Row> {
    let texts =
        |names: &Names| -> Vec<Option<String>> { names.column().iter().map(|text| text.map(str::to_owned)).collect() };
    let keys: Vec<Vec<_>> = rows.keys.iter().map(texts).collect();
    let units: Vec<Option<String>> = rows.units.iter().flatten().flat_map(texts).collect();
    let of_row = |row: usize| {
        let start = rows.periods[rows.period[row] as usize].start.clone();
        // `"Keys": null` is read as no keys, which leaves a column too short; the fetch is refused at its end.
        let keys = keys.iter().map(|column| column.get(row).cloned().flatten().unwrap_or_default()).collect();
        (start, keys, rows.amounts.iter().map(|amounts| amounts[row]).collect(), units[row].clone())
    };
    (0..rows.period.len()).map(of_row).collect()
}

/// Everything a decoder yields for a page and the pages before it.
pub(super) type Seen = (PageEnd, Vec<Row>, Vec<Period>, BTreeMap<String, String>);

pub(super) fn seen(end: PageEnd, rows: &Rows) -> Seen {
    (end, plain(rows), rows.periods.clone(), rows.descriptions.clone())
}

/// Reads `body` after the page `first` with both decoders; an error holds both results.
///
/// # Errors
/// When they differ in a row, a period, the page's end or an error message.
pub fn read_both(first: &[u8], body: &[u8], grouped: bool) -> Result<(), String> {
    let groupings = groupings(grouped);
    let wanted = Wanted { groupings: &groupings, metrics: &METRICS };
    // An earlier page may have filled `rows`: giving up must not change its rows.
    let read = |read: &dyn Fn(&[u8], &mut Rows) -> serde_json::Result<PageEnd>| {
        let mut rows = empty_rows(groupings.len());
        if !first.is_empty() {
            full::read_page(first, &wanted, &mut rows).map_err(|error| error.to_string())?;
        }
        let end = read(body, &mut rows).map_err(|error| error.to_string())?;
        Ok::<_, String>(seen(end, &rows))
    };
    let quickly = read(&|text, rows| read_page(text, &wanted, rows));
    let at_length = read(&|text, rows| full::read_page(text, &wanted, rows));
    if quickly == at_length { Ok(()) } else { Err(format!("quickly: {quickly:?}\nat length: {at_length:?}")) }
}
