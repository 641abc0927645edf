//! `costlake_tables`: the grouping of every table, and which of its columns may be summed over rows.

use crate::job::Job;
use crate::table::{ColumnType, Sums};
use crate::text::plural;
use crate::unit::ACCOUNT;

use super::views::{Subject, View, begin};
use super::{Dialect, ddl};

const NAME: &str = "costlake_tables";

/// The view, one row per table.
pub(super) fn view(dialect: Dialect, subjects: &[Subject<'_>]) -> Option<View> {
    let rows: Vec<String> = subjects.iter().map(|subject| row(dialect, subject)).collect();
    let words = begin(dialect, NAME).with("rows", rows.join("\nUNION ALL\n"));
    (!rows.is_empty()).then(|| super::views::view("tables", NAME, &words, include_str!("views/tables.sql")))
}

/// One value of a table's fingerprint.
pub(super) fn fingerprint(job: &Job, name: &str) -> Option<String> {
    job.source.fingerprint().into_iter().find(|(known, _)| *known == name).map(|(_, text)| text)
}

/// A string literal, or a `NULL` of type string.
pub(super) fn text(dialect: Dialect, text: Option<&str>) -> String {
    text.map_or_else(|| dialect.typed_null(ColumnType::String), |text| dialect.literal(text))
}

fn row(dialect: Dialect, subject: &Subject<'_>) -> String {
    let job = subject.job;
    let key = ddl::key(job);
    let of_account = job.accounts.iter().map(|_| ACCOUNT);
    let by: Vec<&str> = of_account.chain(key.iter().skip(1).map(String::as_str)).collect();
    let by = (!by.is_empty()).then(|| by.join(", "));
    let accounts = job.accounts.as_ref().map(|accounts| plural(accounts.names().count() as u64, "account"));
    let list = |sums: Sums| {
        let columns = job.source.table().columns().iter().filter(|column| column.sums == Some(sums));
        let names: Vec<&str> = columns.map(|column| column.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let values = [
        (Some(job.unit.table.clone()), "table_name"),
        (Some(job.entry.name.to_owned()), "source"),
        (Some(job.source.grain().name().to_owned()), "granularity"),
        (by, "grouping_columns"),
        (fingerprint(job, "filter").or_else(|| fingerprint(job, "filter_by")), "filter"),
        (accounts.or_else(|| subject.account.clone()), "account"),
        (list(Sums::Rows), "adds_up"),
        (list(Sums::Unit), "adds_up_within_one_unit"),
        (list(Sums::Never), "never_adds_up"),
    ];
    let list: Vec<String> = values
        .iter()
        .map(|(value, name)| format!("{} AS {}", text(dialect, value.as_deref()), dialect.identifier(name)))
        .collect();
    format!("SELECT {}", list.join(", "))
}
