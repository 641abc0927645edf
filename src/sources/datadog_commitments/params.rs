//! `[source]` of a `datadog_commitments` job: the queries, the filter and the columns.

use std::sync::Arc;

use crate::job::section::Section;
use crate::sources::datadog::{CommitmentType, Queries, read_table};
use crate::table::Table;

use super::SCHEMA;

/// The parameters of a job.
#[derive(Debug)]
pub(super) struct Params {
    pub(super) asked: Arc<Queries>,
    pub(super) table: Arc<Table>,
}

const SORT_KEY: [&str; 5] = ["usage_date", "provider", "product", "commitment_type", "commitment_id"];

/// Parses the section; problems are noted in it.
pub(super) fn read(section: &Section<'_>) -> Option<Params> {
    let table = read_table(section, SCHEMA, &SORT_KEY);
    // The API may list one id several times.
    let table = table.map(|table| Arc::new(Arc::unwrap_or_clone(table).with_repeats()));
    let asked = Queries::read(section, CommitmentType::Required).map(Arc::new);
    Some(Params { asked: asked?, table: table? })
}

#[cfg(test)]
mod tests {
    use crate::job::section::{Problems, Section};

    /// Every problem of a section as `key message`.
    fn problems_of(toml: &str) -> Vec<String> {
        let table: toml::Table = toml.parse().expect("toml");
        let problems = Problems::default();
        let read = super::read(&Section::new("source", Some(&table), &problems));
        let list: Vec<String> = problems.into_list().into_iter().map(|p| format!("{} {}", p.key, p.message)).collect();
        assert_eq!(read.is_none(), list.iter().any(|line| !line.contains("asks again") && !line.contains("not a key")));
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
            ("", vec![format!("source.queries is missing: a list such as [{example}]")]),
            ("queries = []", vec![format!("source.queries must hold at least one query, such as {example}")]),
            ("queries = [1]", vec!["source.queries[0] must be a table { … }, not 1".to_owned()]),
            (
                r#"queries = [{ provider = " ", product = 5, comitment_type = "ri" }]"#,
                vec![
                    "source.queries[0].comitment_type is not a key of a query (did you mean `commitment_type`?)"
                        .to_owned(),
                    "source.queries[0].provider must not be empty".to_owned(),
                    "source.queries[0].product must be text in quotes, not 5".to_owned(),
                    "source.queries[0].commitment_type is missing".to_owned(),
                ],
            ),
            (
                r#"queries = [{ provider = "aws", product = "ec2 ", commitment_type = "ri" }]"#,
                vec!["source.queries[0].product must not begin or end with a space: \"ec2 \"".to_owned()],
            ),
            (
                &format!(r#"queries = [{example}, {{ provider = "aws", product = "EC2", commitment_type = "RI" }}]"#),
                vec!["source.queries[1] asks again for aws/ec2/ri".to_owned()],
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
        assert!(super::read(&Section::new("source", Some(&table), &problems)).is_some());
        assert_eq!(problems.into_list()[0].key, "source.filter_by");
    }
}
