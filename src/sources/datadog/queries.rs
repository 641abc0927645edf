//! `source.queries` of a job: which commitments to fetch, and the requests for them.

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveTime};

use crate::error::{Error, Kind, Result};
use crate::job::keys::{Key, Shape, key};
use crate::job::section::{Section, describe, nearest};
use crate::request::{Call, Purpose, Request};
use crate::window::Window;

/// The keys of the sources that take a list of queries.
pub(in crate::sources) static QUERIES: &[Key] = &[
    key(
        "source.queries",
        Shape::Tables,
        "required",
        "list of `{ provider = …, product = … }`, for commitments and utilization with `commitment_type`; passed through as written",
    ),
    key("source.filter_by", Shape::Text, "none", "Datadog's `filterBy`, passed through"),
];

/// The columns of a row that hold its query.
pub(in crate::sources) const QUERY_COLUMNS: &[&str] = &["provider", "product", "commitment_type"];

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
        let tables = section.tables("queries", |product| example.replace("\"ec2\"", &format!("\"{product}\"")))?;
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
    pub(in crate::sources) fn find(&self, call: &Call) -> Result<&Query> {
        let found = self.queries.iter().find(|query| query.name() == call.purpose.subject);
        found.ok_or_else(|| Error::new(Kind::Internal, "an answer to a query of another job").at("request", &call.path))
    }

    /// One GET on `path` for `query` and `window`, half-open days as Unix milliseconds.
    pub(in crate::sources) fn request(&self, path: &str, query: &Query, window: Window) -> Request {
        self.request_over(path, query, window, window)
    }

    /// The same for `window`, but asking for the days of `range`.
    pub(in crate::sources) fn request_over(&self, path: &str, query: &Query, window: Window, range: Window) -> Request {
        let mut parameters = vec![
            ("provider".to_owned(), query.provider.clone()),
            ("product".to_owned(), query.product.clone()),
            ("start".to_owned(), milliseconds(range.start()).to_string()),
            ("end".to_owned(), milliseconds(range.end()).to_string()),
        ];
        parameters.extend(query.commitment_type.iter().map(|kind| ("commitmentType".to_owned(), kind.clone())));
        parameters.extend(self.filter_by.iter().map(|filter| ("filterBy".to_owned(), filter.clone())));
        Request::Call(Call {
            path: path.to_owned(),
            query: parameters,
            body: None,
            also_answers: &[],
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
            problems.note(format!("{path}.{key}"), "must go: this endpoint has no commitment type");
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
pub(in crate::sources) fn milliseconds(day: NaiveDate) -> i64 {
    day.and_time(NaiveTime::MIN).and_utc().timestamp_millis()
}

#[cfg(test)]
mod tests {
    use crate::job::section::{Problems, Section};

    use super::{CommitmentType, Queries};

    /// Every problem of a section as `key message`.
    fn problems_of(toml: &str) -> Vec<String> {
        problems_with(toml, CommitmentType::Required)
    }

    fn problems_with(toml: &str, commitment_type: CommitmentType) -> Vec<String> {
        let table: toml::Table = toml.parse().expect("toml");
        let problems = Problems::default();
        let read = Queries::read(&Section::new("source", Some(&table), &problems), commitment_type);
        let list: Vec<String> = problems.into_list().into_iter().map(|p| p.to_string()).collect();
        assert_eq!(
            read.is_none(),
            list.iter().any(|line| !["asks again", "not a key", "must go"].iter().any(|mild| line.contains(mild)))
        );
        list
    }

    #[test]
    fn queries_pass_any_text_through() {
        assert!(
            problems_of(r#"queries = [{ provider = "gcp", product = "Ünïcode/x", commitment_type = "CUD" }]"#)
                .is_empty()
        );
    }

    #[test]
    fn every_problem_is_named_with_its_key() {
        let example = r#"{ provider = "aws", product = "ec2", commitment_type = "ri" }"#;
        for (toml, wanted) in [
            ("", vec![format!("source.queries: is missing: a list such as [{example}]")]),
            ("queries = []", vec![format!("source.queries: must hold at least one query, such as {example}")]),
            ("queries = [1]", vec!["source.queries[0]: must look like { … }, not 1".to_owned()]),
            (
                r#"queries = [{ provider = " ", product = 5, comitment_type = "ri" }]"#,
                vec![
                    "source.queries[0].comitment_type: is not a key of a query (did you mean `commitment_type`?)"
                        .to_owned(),
                    "source.queries[0].provider: must not be empty".to_owned(),
                    "source.queries[0].product: must be text in quotes, not 5".to_owned(),
                    "source.queries[0].commitment_type: is missing".to_owned(),
                ],
            ),
            (
                r#"queries = [{ provider = "aws", product = "ec2 ", commitment_type = "ri" }]"#,
                vec!["source.queries[0].product: must not begin or end with a space: \"ec2 \"".to_owned()],
            ),
            (
                &format!(r#"queries = [{example}, {{ provider = "aws", product = "EC2", commitment_type = "RI" }}]"#),
                vec!["source.queries[1]: asks again for aws/ec2/ri".to_owned()],
            ),
        ] {
            assert_eq!(problems_of(toml), wanted, "{toml}");
        }
    }

    #[test]
    fn a_blank_filter_is_a_problem() {
        let query = r#"{ provider = "aws", product = "ec2", commitment_type = "ri" }"#;
        let table: toml::Table = format!("filter_by = \" \"\nqueries = [{query}]").parse().expect("toml");
        let problems = Problems::default();
        let section = Section::new("source", Some(&table), &problems);
        assert!(Queries::read(&section, CommitmentType::Required).is_some());
        assert_eq!(problems.into_list()[0].key, "source.filter_by");
    }

    #[test]
    fn a_commitment_type_is_a_problem_where_there_is_none_and_twins_are_found_without_it() {
        let toml = r#"queries = [
            { provider = "aws", product = "ec2", commitment_type = "ri" },
            { provider = "aws", product = "ec2" },
        ]"#;
        assert_eq!(
            problems_with(toml, CommitmentType::Refused),
            [
                "source.queries[0].commitment_type: must go: this endpoint has no commitment type",
                "source.queries[1]: asks again for aws/ec2",
            ]
        );
    }
}
