//! Parts of a job that match nothing: a query without rows, a tag without values. Both would pass as low costs.
//!
//! A product attribute that does not exist is no error of the API: all its values are empty.
//!
//! For each such part the ledger keeps whether any answer ever matched it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch, StringArray};

use crate::ledger::Ledger;
use crate::sources::Source;
use crate::table::Column;

/// What the names of the columns of product attributes begin with.
const OF_PRODUCT: &str = "product_attribute_";

/// The queries of a job.
fn queries_of(source: &dyn Source) -> BTreeSet<String> {
    if source.grows() { BTreeSet::new() } else { source.read_for() }
}

/// By query, and by column of a tag, cost category or product attribute: whether `rows` have any match.
#[must_use]
pub fn found(source: &dyn Source, rows: &RecordBatch) -> BTreeMap<String, bool> {
    let texts = |name: &str| rows.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let parts: Vec<&StringArray> = source.query_columns().iter().filter_map(|name| texts(name)).collect();
    let name_of = |row: usize| parts.iter().map(|column| column.value(row)).collect::<Vec<_>>().join("/");
    let mut found: BTreeMap<String, bool> = queries_of(source).into_iter().map(|query| (query, false)).collect();
    if !found.is_empty() {
        for row in 0..rows.num_rows() {
            found.entry(name_of(row)).and_modify(|any| *any = true);
        }
    }
    let may_be_empty = |column: &&Column| column.assigned || column.name.starts_with(OF_PRODUCT);
    for name in source.table().columns().iter().filter(may_be_empty).map(|column| &column.name) {
        let any = texts(name).is_some_and(|values| values.iter().flatten().any(|value| !value.is_empty()));
        found.insert(name.clone(), any);
    }
    found
}

/// Notes on the queries and columns of the job that never matched anything.
#[must_use]
pub fn nothing_of(source: &dyn Source, ledger: &Ledger) -> Vec<String> {
    let queries = queries_of(source);
    let is_asked =
        |name: &str| queries.contains(name) || source.table().columns().iter().any(|column| column.name == name);
    let fruitless = ledger.found.iter().filter(|(name, any)| !**any && is_asked(name)).map(|(name, _)| name);
    fruitless.map(|name| said(source, name, queries.contains(name))).collect()
}

fn said(source: &dyn Source, name: &str, is_query: bool) -> String {
    if is_query {
        return format!("no row yet for the query {name}: look whether this account has such commitments");
    }
    let (kind, look) = if name.starts_with("cost_category_") {
        ("cost category", "it is spelt as in Billing and Cost Management")
    } else if name.starts_with(OF_PRODUCT) {
        ("product attribute", "it is spelt with the API's capitals, and the account has costs of such a service")
    } else if source.totals().is_none() {
        ("tag", "it is spelt as Datadog lists it")
    } else {
        ("tag", "it is spelt as on the resources, and activated as a cost allocation tag (it begins to count then)")
    };
    format!("no row has a value in {name} yet: look whether the {kind} exists, {look}")
}

impl Ledger {
    /// Records which parts a fetch matched. "No match" is recorded only for a part that was never read before.
    pub fn note_found(&mut self, source: &dyn Source, found: &BTreeMap<String, bool>) {
        let queries = queries_of(source);
        for (name, any) in found {
            let mut days = self.partitions.values().flat_map(|state| state.days.values());
            let is_new = !days.any(|day| !queries.contains(name) || day.facts.read_for.contains(name));
            if *any || is_new {
                *self.found.entry(name.clone()).or_default() |= *any;
            }
        }
    }
}
