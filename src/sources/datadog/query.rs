//! `source.queries` of a job: which commitments to fetch, and the requests for them.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveTime};

use crate::error::{Error, Kind, Result};
use crate::job::section::{Section, describe, nearest};
use crate::request::{Get, Purpose, Request};
use crate::window::Window;

/// One entry of `source.queries`. The texts go to the API and into the rows unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sources) struct Query {
    pub(in crate::sources) provider: String,
    pub(in crate::sources) product: String,
    /// `None` where the endpoint has no such parameter.
    pub(in crate::sources) commitment_type: Option<String>,
}

impl Query {
    /// `aws/ec2/ri`: identifies the query a day was read for, and is the subject of a request.
    pub(in crate::sources) fn name(&self) -> String {
        let kind = self.commitment_type.iter().map(|kind| format!("/{kind}"));
        format!("{}/{}{}", self.provider, self.product, kind.collect::<String>())
    }
}

/// Whether an endpoint takes `commitmentType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sources) enum CommitmentType {
    Required,
    Refused,
}

/// The settings of the sources that take a list of queries.
#[derive(Debug)]
pub(in crate::sources) struct Queries {
    pub(in crate::sources) queries: Vec<Query>,
    pub(in crate::sources) filter_by: Option<String>,
}

impl Queries {
    /// Reads `source.queries` and `source.filter_by`; problems are noted in the section.
    pub(in crate::sources) fn read(section: &Section<'_>, commitment_type: CommitmentType) -> Option<Self> {
        let filter_by = section.value("filter_by").and_then(|_| section.required_text("filter_by"));
        let example = match commitment_type {
            CommitmentType::Required => r#"{ provider = "aws", product = "ec2", commitment_type = "ri" }"#,
            CommitmentType::Refused => r#"{ provider = "aws", product = "ec2" }"#,
        };
        if section.value("queries").is_none() {
            section.note("queries", format!("is missing: a list such as [{example}]"));
        }
        let tables = section.tables("queries")?;
        if section.value("queries").and_then(toml::Value::as_array).is_some_and(Vec::is_empty) {
            section.note("queries", format!("must hold at least one query, such as {example}"));
        }
        let mut queries: Vec<Query> = Vec::new();
        for (path, table) in &tables {
            let Some(query) = read_query(section, path, table, commitment_type) else { continue };
            // Datadog's own tools use both casings: queries that differ in case alone would return the same rows twice.
            let twin = queries.iter().find(|other| other.name().eq_ignore_ascii_case(&query.name()));
            if let Some(twin) = twin {
                section.problems().note(path, format!("asks again for {}", twin.name()));
            }
            queries.push(query);
        }
        (!queries.is_empty() && queries.len() == tables.len())
            .then(|| Self { queries, filter_by: filter_by.map(str::to_owned) })
    }

    /// The names of the queries, which record what a day was read for.
    pub(in crate::sources) fn names(&self) -> BTreeSet<String> {
        self.queries.iter().map(Query::name).collect()
    }

    /// The filter is part of the table's fingerprint, the queries are not.
    pub(in crate::sources) fn fingerprint(&self) -> Vec<(&'static str, String)> {
        self.filter_by.iter().map(|filter| ("filter_by", filter.clone())).collect()
    }

    /// The query a request was made for.
    pub(in crate::sources) fn find(&self, get: &Get) -> Result<&Query> {
        let found = self.queries.iter().find(|query| query.name() == get.purpose.subject);
        found.ok_or_else(|| Error::new(Kind::Internal, "an answer to a query of another job").at("request", &get.path))
    }

    /// One GET on `path` for `query` and `window`, half-open days as Unix milliseconds.
    pub(in crate::sources) fn get(&self, path: &str, query: &Query, window: Window) -> Request {
        let mut parameters = vec![
            ("provider".to_owned(), query.provider.clone()),
            ("product".to_owned(), query.product.clone()),
            ("start".to_owned(), milliseconds(window.start()).to_string()),
            ("end".to_owned(), milliseconds(window.end()).to_string()),
        ];
        parameters.extend(query.commitment_type.iter().map(|kind| ("commitmentType".to_owned(), kind.clone())));
        parameters.extend(self.filter_by.iter().map(|filter| ("filterBy".to_owned(), filter.clone())));
        Request::Get(Get {
            path: path.to_owned(),
            query: parameters,
            not_found_is_an_answer: false,
            purpose: Purpose { window, subject: query.name() },
        })
    }
}

fn read_query(
    section: &Section<'_>,
    path: &str,
    table: &toml::Table,
    commitment_type: CommitmentType,
) -> Option<Query> {
    const KEYS: [&str; 3] = ["provider", "product", "commitment_type"];
    let problems = section.problems();
    for key in table.keys() {
        if !KEYS.contains(&key.as_str()) {
            let hint = nearest(key, KEYS);
            problems.note(format!("{path}.{key}"), format!("is not a key of a query{hint}"));
        } else if key == KEYS[2] && commitment_type == CommitmentType::Refused {
            problems.note(format!("{path}.{key}"), "must go: the savings endpoint has no commitment type");
        }
    }
    let text = |key: &str| {
        let at = format!("{path}.{key}");
        match table.get(key) {
            None => problems.note(at, "is missing"),
            Some(toml::Value::String(text)) if text.trim().is_empty() => problems.note(at, "must not be empty"),
            Some(toml::Value::String(text)) if text.trim() != text => {
                problems.note(at, format!("must not begin or end with a space: \"{text}\""));
            }
            Some(toml::Value::String(text)) => return Some(text.clone()),
            Some(other) => problems.note(at, format!("must be text in quotes, not {}", describe(other))),
        }
        None
    };
    let (provider, product) = (text(KEYS[0]), text(KEYS[1]));
    let kind = match commitment_type {
        CommitmentType::Required => Some(text(KEYS[2])),
        CommitmentType::Refused => None,
    };
    let (provider, product) = (provider?, product?);
    match kind {
        None => Some(Query { provider, product, commitment_type: None }),
        Some(kind) => Some(Query { provider, product, commitment_type: Some(kind?) }),
    }
}

/// Midnight (UTC) of `day` in Unix milliseconds, as the API expects it.
pub(super) fn milliseconds(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}
