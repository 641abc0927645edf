//! Helpers for the tests of the three sources: a job's source, a fetch without an API client, rows as lines.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, TimestampMillisecondType};
use bytes::Bytes;

use crate::error::{Error, Result};
use crate::job::section::{Problems, Section};
use crate::request::{Answer, Call, Request};
use crate::sources::{Entry, Fetched, Source};
use crate::window::{Window, parse_day};

/// The source of a job with this `[source]`.
pub(in crate::sources) fn source(entry: &Entry, toml: &str) -> Arc<dyn Source> {
    let table: toml::Table = toml.parse().expect("toml");
    let problems = Problems::default();
    let source = (entry.build)(&Section::new("source", Some(&table), &problems));
    assert_eq!(problems.into_list(), []);
    source.expect("a source")
}

/// The window from `first` to `last`, both included.
pub(in crate::sources) fn window(first: &str, last: &str) -> Window {
    let day = |text| parse_day(text).expect("a day");
    Window::new(day(first), Window::day(day(last)).end()).expect("a window")
}

/// Requests as `subject: /path?name=value&…`, not URL-encoded.
pub(in crate::sources) fn shown(requests: &[Request]) -> Vec<String> {
    let show = |request: &Request| {
        let call = super::as_call(request).expect("a call");
        let query: Vec<String> = call.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}: {}?{}", call.purpose.subject, call.path, query.join("&"))
    };
    requests.iter().map(show).collect()
}

pub(in crate::sources) fn answer(status: u16, body: &str) -> Answer {
    Answer { status, body: Bytes::copy_from_slice(body.as_bytes()), request_id: None, date: None, made_up: false }
}

/// Runs a fetch whose requests are answered by `api`.
pub(in crate::sources) fn fetch(
    source: &dyn Source,
    windows: &[Window],
    api: impl Fn(&Call) -> (u16, String),
) -> Result<Fetched> {
    let mut reader = source.reader(windows);
    let mut open = source.requests(windows);
    while let Some(request) = open.pop() {
        let (status, body) = api(super::as_call(&request)?);
        open.extend(reader.read(&request, &answer(status, &body))?);
    }
    reader.finish()
}

/// The error of a fetch whose every answer is `body`.
pub(in crate::sources) fn error(source: &dyn Source, windows: &[Window], body: &str) -> Error {
    fetch(source, windows, |_| (200, body.to_owned())).expect_err(body)
}

fn value(column: &dyn Array, row: usize) -> String {
    match column.data_type() {
        _ if column.is_null(row) => "-".to_owned(),
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_string(),
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row).to_string(),
        DataType::Decimal128(..) => crate::decimal::text(column.as_primitive::<Decimal128Type>().value(row)),
        DataType::Timestamp(..) => {
            let at = column.as_primitive::<TimestampMillisecondType>().value_as_datetime(row);
            at.expect("an instant").to_string()
        }
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        DataType::Date32 => {
            let day = column.as_primitive::<Date32Type>().value_as_date(row);
            day.expect("a date").to_string()
        }
        other => panic!("a column of {other}"),
    }
}

/// Rows as `a|b|c`, sorted; an absent value is `-`.
pub(in crate::sources) fn lines(fetched: &Fetched) -> Vec<String> {
    let line = |row| fetched.rows.columns().iter().map(|c| value(c, row)).collect::<Vec<_>>().join("|");
    let mut lines: Vec<String> = (0..fetched.rows.num_rows()).map(line).collect();
    lines.sort();
    lines
}

/// The values of one column, in the order of the rows.
pub(in crate::sources) fn column(fetched: &Fetched, name: &str) -> Vec<String> {
    let column = fetched.rows.column_by_name(name).expect("a column");
    (0..fetched.rows.num_rows()).map(|row| value(column, row)).collect()
}
