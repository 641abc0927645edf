//! Helpers for the tests of Cost Explorer's sources: a fetch without an API client.

use crate::error::{Error, Result};
use crate::job::section::{Problems, Section};
use crate::request::{Operation, Request};
use crate::sources::datadog::testing::answer;
use crate::sources::{Entry, Fetched, Source};
use crate::window::Window;

pub(in crate::sources) use crate::sources::datadog::testing::{lines, source, window};

/// Requests as `operation subject: body`.
pub(in crate::sources) fn shown(requests: &[Request]) -> Vec<String> {
    let show = |request: &Request| {
        let asked = super::as_operation(request).expect("an operation");
        let subject = if asked.purpose.subject.is_empty() { "" } else { " " };
        format!("{}{subject}{}: {}", asked.name, asked.purpose.subject, asked.body)
    };
    requests.iter().map(show).collect()
}

/// Runs a fetch whose requests are answered by `api`, each with this status.
fn answered(source: &dyn Source, windows: &[Window], api: impl Fn(&Operation) -> (u16, String)) -> Result<Fetched> {
    let mut reader = source.reader(windows);
    let mut open = source.requests(windows);
    while let Some(request) = open.pop() {
        let (status, body) = api(super::as_operation(&request)?);
        open.extend(reader.read(&request, &answer(status, &body))?);
    }
    reader.finish()
}

/// Runs a fetch whose requests are answered by `api`.
pub(in crate::sources) fn fetch(
    source: &dyn Source,
    windows: &[Window],
    api: impl Fn(&Operation) -> String,
) -> Result<Fetched> {
    answered(source, windows, |asked| (200, api(asked)))
}

/// Runs a fetch that is refused for want of data.
pub(in crate::sources) fn no_data(source: &dyn Source, windows: &[Window]) -> Result<Fetched> {
    answered(source, windows, |asked| {
        assert!(asked.no_data_is_an_answer);
        (400, r#"{"__type":"DataUnavailableException"}"#.to_owned())
    })
}

/// The error of a fetch whose every answer is `body`.
pub(in crate::sources) fn error(source: &dyn Source, windows: &[Window], body: &str) -> Error {
    fetch(source, windows, |_| body.to_owned()).expect_err(body)
}

/// The problems of a job with this `[source]`.
pub(in crate::sources) fn problems(entry: &Entry, toml: &str) -> Vec<String> {
    let table: toml::Table = toml.parse().expect("toml");
    let problems = Problems::default();
    let _ = (entry.build)(&Section::new("source", Some(&table), &problems));
    problems.into_list().iter().map(ToString::to_string).collect()
}
