//! `[source]` of a `datadog_ccm_config` job: the accounts, unless all of them, and the columns.

use std::sync::Arc;

use crate::job::section::Section;
use crate::sources::datadog::read_table;
use crate::table::Table;

use super::SCHEMA;

/// The parameters of a job.
#[derive(Debug)]
pub(super) struct Params {
    /// The AWS accounts to look up; empty for all accounts in Datadog.
    pub(super) aws_account_ids: Vec<String>,
    pub(super) table: Arc<Table>,
}

const SORT_KEY: [&str; 6] =
    ["usage_date", "aws_account_id", "aws_account_config_id", "report_name", "report_prefix", "bucket_name"];

/// Parses the section; problems are noted in it.
pub(super) fn read(section: &Section<'_>) -> Option<Params> {
    let table = read_table(section, SCHEMA, &SORT_KEY);
    if section.value("aws_account_ids").is_none() {
        return Some(Params { aws_account_ids: Vec::new(), table: table? });
    }
    let ids = section.texts("aws_account_ids")?;
    if ids.is_empty() {
        section.note("aws_account_ids", "is empty: leave it out to look at every account");
    }
    for (index, id) in ids.iter().enumerate() {
        if id.len() != 12 || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            section.note("aws_account_ids", format!("must hold ids of twelve digits in quotes, not \"{id}\""));
        } else if ids[..index].contains(id) {
            section.note("aws_account_ids", format!("names {id} twice"));
        }
    }
    Some(Params { aws_account_ids: ids, table: table? })
}

#[cfg(test)]
mod tests {
    use crate::job::section::{Problems, Section};

    fn problems_of(toml: &str) -> Vec<String> {
        let table: toml::Table = toml.parse().expect("toml");
        let problems = Problems::default();
        let _ = super::read(&Section::new("source", Some(&table), &problems));
        problems.into_list().into_iter().map(|p| format!("{} {}", p.key, p.message)).collect()
    }

    #[test]
    fn account_ids_are_checked() {
        for (toml, wanted) in [
            ("", vec![]),
            (r#"aws_account_ids = ["000000000123", "123456789012"]"#, vec![]),
            ("aws_account_ids = []", vec!["source.aws_account_ids is empty: leave it out to look at every account"]),
            ("aws_account_ids = [123456789012]", vec!["source.aws_account_ids must be a list of texts, not a list"]),
            (
                r#"aws_account_ids = ["123", "000000000123", "000000000123"]"#,
                vec![
                    "source.aws_account_ids must hold ids of twelve digits in quotes, not \"123\"",
                    "source.aws_account_ids names 000000000123 twice",
                ],
            ),
        ] {
            assert_eq!(problems_of(toml), wanted, "{toml}");
        }
    }
}
