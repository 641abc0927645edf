//! `[source]` of a `datadog_savings` job: the queries, the filter and the columns.

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

const SORT_KEY: [&str; 4] = ["usage_date", "provider", "product", "series"];

/// Parses the section; problems are noted in it.
pub(super) fn read(section: &Section<'_>) -> Option<Params> {
    let table = read_table(section, SCHEMA, &SORT_KEY);
    let asked = Queries::read(section, CommitmentType::Refused).map(Arc::new);
    Some(Params { asked: asked?, table: table? })
}

#[cfg(test)]
mod tests {
    use crate::job::section::{Problems, Section};

    #[test]
    fn a_commitment_type_is_a_problem_and_twins_are_found_without_it() {
        let toml = r#"queries = [
            { provider = "aws", product = "ec2", commitment_type = "ri" },
            { provider = "aws", product = "ec2" },
        ]"#;
        let table: toml::Table = toml.parse().expect("toml");
        let problems = Problems::default();
        assert!(super::read(&Section::new("source", Some(&table), &problems)).is_some());
        let list: Vec<String> = problems.into_list().into_iter().map(|p| format!("{} {}", p.key, p.message)).collect();
        assert_eq!(
            list,
            [
                "source.queries[0].commitment_type must go: the savings endpoint has no commitment type",
                "source.queries[1] asks again for aws/ec2",
            ]
        );
    }
}
