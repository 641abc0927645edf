//! Columns that a document names with their table, source or view: `costlake_runs.account`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use costlake::job;
use costlake::sources::REGISTRY;
use costlake::table::parse_schema;

use super::{faults, faults_in};
use crate::conventions::blocks::{Piece, documents};
use crate::conventions::source::{read, root};

/// The columns of the sources, of the shipped jobs' tables, and of the views and macros that have one name.
fn columns() -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (jobs, _) = job::load_all(&root().join("jobs")).expect("the jobs");
    for job in jobs {
        let names = job.source.table().columns().iter().map(|column| column.name.clone());
        found.entry(job.unit.table.clone()).or_default().extend(names.chain(["billing_period".to_owned()]));
    }
    for entry in REGISTRY {
        let of_schema = parse_schema(entry.schema).expect("a schema").into_iter().map(|column| column.name);
        let of_values = entry.values.iter().flat_map(|listings| listings.keys).map(|key| (*key).to_owned());
        found.entry(entry.name.to_owned()).or_default().extend(of_schema.chain(of_values));
    }
    for section in read("docs/reference/views.md").split("\n## ") {
        let Some(name) = section.lines().find_map(|line| line.strip_prefix('`')?.split('`').next()) else { continue };
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        found.entry(name.to_owned()).or_default().extend(rows.map(str::to_owned));
    }
    found
}

#[test]
fn columns_of_tables_are_real() {
    let known = columns();
    assert!(known["costlake_runs"].contains("job"), "{:?}", known["costlake_runs"]);
    let check = |_: &Path, piece: &Piece<'_>| {
        let (table, column) = piece.text.split_once('.').filter(|_| piece.language.is_none())?;
        let is_name = column.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let is_wrong = is_name && column != "toml" && !known.get(table)?.contains(column);
        is_wrong.then(|| format!("{table} has no column {column}"))
    };
    assert_eq!(faults(&documents(), &check), Vec::<String>::new());
    for (text, number) in [
        ("`costlake_runs.acount`", 1),
        ("`aws_cost_by_service.servce` and `datadog_budgets.bugdet_id`", 2),
        ("`costlake_runs.account`, `aws_cost_and_usage.SERVICE`, `other.column`, `aws_cost_by_service.toml`", 0),
    ] {
        assert_eq!(faults_in(text, &check), number, "{text}");
    }
}
