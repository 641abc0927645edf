//! `source.aws_account_ids` of a `datadog_ccm_config` job.

use crate::job::section::Section;

/// Reads the list; empty if the key is absent. Problems are noted in the section.
pub(super) fn read(section: &Section<'_>) -> Option<Vec<String>> {
    if section.value("aws_account_ids").is_none() {
        return Some(Vec::new());
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
    Some(ids)
}

#[cfg(test)]
mod tests {
    use crate::job::section::{Problems, Section};

    fn problems_of(toml: &str) -> Vec<String> {
        let table: toml::Table = toml.parse().expect("toml");
        let problems = Problems::default();
        let _ = super::read(&Section::new("source", Some(&table), &problems));
        problems.into_list().into_iter().map(|p| p.to_string()).collect()
    }

    #[test]
    fn account_ids_are_checked() {
        for (toml, wanted) in [
            ("", vec![]),
            (r#"aws_account_ids = ["000000000123", "123456789012"]"#, vec![]),
            ("aws_account_ids = []", vec!["source.aws_account_ids: is empty: leave it out to look at every account"]),
            ("aws_account_ids = [123456789012]", vec!["source.aws_account_ids: must be a list of texts, not a list"]),
            (
                r#"aws_account_ids = ["123", "000000000123", "000000000123"]"#,
                vec![
                    "source.aws_account_ids: must hold ids of twelve digits in quotes, not \"123\"",
                    "source.aws_account_ids: names 000000000123 twice",
                ],
            ),
        ] {
            assert_eq!(problems_of(toml), wanted, "{toml}");
        }
    }
}
