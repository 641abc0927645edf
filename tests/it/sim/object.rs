//! Decodes a data object without trusting its footer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Decimal128Type, Float64Type};
use bytes::Bytes;
use chrono::NaiveDate;
use costlake::decimal;
use costlake::generation::footer::{Suffix, from_suffix};
use costlake::generation::{Footer, decode};
use costlake::sources::Source;

use super::bill::{DOLLAR, Day, SERVICES, text};

/// Units of 10^-12 in one unit of the bill.
const UNIT: i128 = 100;

/// The content of a generation.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) epoch: u64,
    pub(super) days: BTreeMap<NaiveDate, Day>,
    pub(super) digests: BTreeMap<NaiveDate, String>,
}

/// An object's footer and content.
pub(super) type Decoded = Arc<(Footer, Content)>;

/// Reads objects, with a cache by their bytes.
pub(super) struct Decoder {
    source: Arc<dyn Source>,
    read: HashMap<Bytes, Decoded>,
    twins: bool,
}

impl Decoder {
    pub(super) fn new(source: Arc<dyn Source>) -> Self {
        Self { source, read: HashMap::new(), twins: false }
    }

    /// Reads an object; the error is the first inconsistency.
    pub(super) fn read(&mut self, bytes: &Bytes) -> Result<Decoded, String> {
        if let Some(known) = self.read.get(bytes) {
            return Ok(Arc::clone(known));
        }
        let found = Arc::new(read(self.source.as_ref(), bytes.clone())?);
        self.twins |= self.read.values().any(|other| other.0 == found.0);
        self.read.insert(bytes.clone(), Arc::clone(&found));
        Ok(found)
    }

    /// Whether two objects were read with equal footers and different bytes.
    pub(super) fn has_twins(&self) -> bool {
        self.twins
    }
}

fn read(source: &dyn Source, bytes: Bytes) -> Result<(Footer, Content), String> {
    let Ok(Suffix::Whole(footer)) = from_suffix(&bytes) else { return Err("no footer".to_owned()) };
    let batch = decode(source.table(), bytes).map_err(|error| error.report())?;
    let mut days: BTreeMap<NaiveDate, Day> = BTreeMap::new();
    for (day, facts) in &footer.days {
        days.insert(*day, Day { costs: BTreeMap::new(), estimated: facts.estimated });
    }
    let has_totals = batch.column_by_name("unblended_cost").is_some();
    if has_totals {
        fill(&batch, &mut days)?
    } else {
        fill_savings(&batch, &mut days)?
    }
    for (day, facts) in &footer.days {
        let found = &days[day];
        let sum = facts.sums.get("unblended_cost").and_then(|sum| decimal::parse(sum).ok());
        let (rows, summed) = match has_totals {
            true => (found.costs.len() as u64, Some(i128::from(found.total()) * UNIT)),
            false => (u64::from(SERVICES), None),
        };
        if facts.rows != rows || sum != summed {
            return Err(format!("{day}: rows of {}, but the footer says {facts:?}", found.total()));
        }
    }
    let digests = footer.days.iter().map(|(day, facts)| (*day, facts.digest.clone())).collect();
    Ok((*footer.clone(), Content { epoch: footer.epoch, days, digests }))
}

fn column<'b>(batch: &'b RecordBatch, name: &str) -> Result<&'b ArrayRef, String> {
    batch.column_by_name(name).ok_or_else(|| format!("no column {name}"))
}

fn service_of(text: &str) -> Result<u8, String> {
    text.trim_start_matches('S').parse().map_err(|error| format!("{text}: {error}"))
}

fn fill(batch: &RecordBatch, days: &mut BTreeMap<NaiveDate, Day>) -> Result<(), String> {
    let dates = column(batch, "usage_date")?.as_primitive::<Date32Type>();
    let services = column(batch, "service")?.as_string::<i32>();
    let costs = column(batch, "unblended_cost")?.as_primitive::<Decimal128Type>();
    let estimated = column(batch, "estimated")?.as_boolean();
    for row in 0..batch.num_rows() {
        let date = dates.value_as_date(row).ok_or("no date")?;
        let service = service_of(services.value(row))?;
        let amount = costs.value(row);
        let day = days.get_mut(&date).ok_or_else(|| format!("{date} is not in the footer"))?;
        if amount % UNIT != 0 || costs.is_null(row) || estimated.value(row) != day.estimated {
            return Err(format!("{date} S{service}: {amount}, which no answer said"));
        }
        let amount = i64::try_from(amount / UNIT).map_err(|error| error.to_string())?;
        if day.costs.insert(service, amount).is_some() {
            return Err(format!("{date} S{service} is in it twice"));
        }
    }
    Ok(())
}

/// Each cost is the double nearest to the bill's amount; a row with a null cost is a service without one.
fn fill_savings(batch: &RecordBatch, days: &mut BTreeMap<NaiveDate, Day>) -> Result<(), String> {
    let dates = column(batch, "usage_date")?.as_primitive::<Date32Type>();
    let series = column(batch, "series")?.as_string::<i32>();
    let costs = column(batch, "actual_cost")?.as_primitive::<Float64Type>();
    let mut seen = BTreeSet::new();
    for row in 0..batch.num_rows() {
        let date = dates.value_as_date(row).ok_or("no date")?;
        let service = service_of(series.value(row))?;
        let day = days.get_mut(&date).ok_or_else(|| format!("{date} is not in the footer"))?;
        if !seen.insert((date, service)) {
            return Err(format!("{date} S{service} is in it twice"));
        }
        if costs.is_null(row) {
            continue;
        }
        let cost = costs.value(row);
        #[expect(clippy::cast_possible_truncation, reason = "what the bill says is far below 2^53")]
        let amount = (cost * DOLLAR as f64).round() as i64;
        if text(amount).parse() != Ok(cost) {
            return Err(format!("{date} S{service}: {cost}, which no answer said"));
        }
        day.costs.insert(service, amount);
    }
    Ok(())
}
