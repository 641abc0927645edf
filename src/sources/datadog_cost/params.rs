//! `[source]` of a `datadog_cost` job: the metric, up to four tags, a filter, and the resulting columns.

use std::sync::Arc;

use crate::job::keys::{Key, Shape, key};
use crate::job::section::Section;
use crate::table::{Column, Table, parse_schema};
use crate::text::slug;

use super::SCHEMA;

/// The keys of a job.
pub(super) static KEYS: &[Key] = &[
    key("source.metric", Shape::Text, "required", "Datadog's cost metric, such as `all.cost` or `aws.cost.amortized`"),
    key("source.group_by", Shape::Texts, "none: totals", "up to four tag keys, such as `[\"team\", \"env\"]`"),
    key(
        "source.filter",
        Shape::Text,
        "`\"*\"`",
        "what stands in the braces of a Datadog query, such as `\"env:prod\"`",
    ),
];

/// The placeholder in the schema for the column of a tag.
const PLACEHOLDER: &str = "tag_<slug>";
/// Most tags of a job.
const MOST_TAGS: usize = 4;

/// What a job asks for.
#[derive(Debug)]
pub(super) struct Params {
    pub(super) metric: String,
    /// Tag keys and their columns.
    pub(super) tags: Vec<(String, String)>,
    pub(super) filter: String,
}

impl Params {
    /// The query, by tags or not.
    pub(super) fn query(&self, by_tags: bool) -> String {
        let tags: Vec<&str> = self.tags.iter().filter(|_| by_tags).map(|(key, _)| key.as_str()).collect();
        let by = if tags.is_empty() { String::new() } else { format!(" by {{{}}}", tags.join(",")) };
        format!("sum:{}{{{}}}{by}.rollup(sum, daily)", self.metric, self.filter)
    }

    /// The table: the schema with a column for each tag.
    pub(super) fn table(&self, section: &Section<'_>) -> Option<Arc<Table>> {
        let columns = match parse_schema(SCHEMA) {
            Ok(columns) => columns,
            Err(error) => {
                section.note("type", format!("has a built-in schema that cannot be read: {error}"));
                return None;
            }
        };
        let of_tag = |column: &Column, (key, name): &(String, String)| {
            let doc = format!("{} ({key})", column.doc);
            Column { name: name.clone(), doc, ..column.clone() }
        };
        let all = columns.into_iter().flat_map(|column| {
            if column.name == PLACEHOLDER {
                self.tags.iter().map(|tag| of_tag(&column, tag)).collect()
            } else {
                vec![column]
            }
        });
        let mut sort_key = vec!["usage_date"];
        sort_key.extend(self.tags.iter().map(|(_, column)| column.as_str()));
        sort_key.push("group_tags");
        Some(Arc::new(Table::new(all.collect(), &sort_key, &[])))
    }
}

/// Reads the section; problems are noted in it.
pub(super) fn read(section: &Section<'_>) -> Option<Params> {
    let metric = section.required_text("metric").filter(|metric| {
        let is_name = metric.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'));
        if !is_name {
            section
                .note("metric", format!("must be the name of a metric alone, such as \"all.cost\", not \"{metric}\""));
        }
        is_name
    });
    let tags = read_tags(section);
    let filter = match section.value("filter") {
        None => Some("*"),
        Some(_) => section.required_text("filter").map(str::trim).filter(|filter| {
            let is_sound = !filter.contains(|c: char| matches!(c, '{' | '}') || c.is_control());
            if !is_sound {
                section
                    .note("filter", "must be what stands in the braces of a query, on one line and without the braces");
            }
            is_sound
        }),
    };
    Some(Params { metric: metric?.to_owned(), tags: tags?, filter: filter?.to_owned() })
}

fn read_tags(section: &Section<'_>) -> Option<Vec<(String, String)>> {
    if section.value("group_by").is_none() {
        return Some(Vec::new());
    }
    let keys = section.texts("group_by")?;
    if keys.is_empty() {
        section.note("group_by", "is empty: leave it out for totals");
    }
    if keys.len() > MOST_TAGS {
        section.note("group_by", format!("has {} tags; {MOST_TAGS} are the most", keys.len()));
    }
    let mut tags: Vec<(String, String)> = Vec::new();
    for key in keys {
        if key.contains(|c: char| c.is_whitespace() || c.is_control() || "{}(),:\"".contains(c)) {
            section.note("group_by", format!("must hold tag keys alone, such as \"team\", not \"{key}\""));
        }
        let column = format!("tag_{}", slug(&key));
        if let Some((other, _)) = tags.iter().find(|(_, taken)| *taken == column) {
            section.note("group_by", format!("`{other}` and `{key}` would both fill the column `{column}`"));
        }
        tags.push((key, column));
    }
    Some(tags)
}

#[cfg(test)]
mod tests {
    use crate::job::section::{Problems, Section};

    /// The queries with and without tags, or the problems.
    fn said(toml: &str) -> Vec<String> {
        let table: toml::Table = toml.parse().expect("toml");
        let problems = Problems::default();
        let params = super::read(&Section::new("source", Some(&table), &problems));
        let list: Vec<String> = problems.into_list().into_iter().map(|p| p.to_string()).collect();
        match params.filter(|_| list.is_empty()) {
            Some(params) => vec![params.query(true), params.query(false)],
            None => list,
        }
    }

    #[test]
    fn a_job_becomes_two_queries() {
        for (toml, wanted) in [
            ("metric = \"all.cost\"", ["sum:all.cost{*}.rollup(sum, daily)"; 2]),
            (
                "metric = \"aws.cost.net.amortized\"\ngroup_by = [\"team\", \"line_item/resource_id\"]\n\
                 filter = \" env:prod AND aws_product IN (ec2,rds) \"",
                [
                    "sum:aws.cost.net.amortized{env:prod AND aws_product IN (ec2,rds)} by {team,line_item/resource_id}\
                     .rollup(sum, daily)",
                    "sum:aws.cost.net.amortized{env:prod AND aws_product IN (ec2,rds)}.rollup(sum, daily)",
                ],
            ),
        ] {
            assert_eq!(said(toml), wanted, "{toml}");
        }
    }

    #[test]
    fn what_would_change_the_query_or_share_a_column_is_a_problem() {
        let metric = "metric = \"all.cost\"\n";
        for (toml, wanted) in [
            ("", vec!["source.metric: is missing"]),
            ("metric = \" \"", vec!["source.metric: must not be empty"]),
            (
                "metric = \"all.cost{*}\"",
                vec!["source.metric: must be the name of a metric alone, such as \"all.cost\", not \"all.cost{*}\""],
            ),
            (&format!("{metric}group_by = []"), vec!["source.group_by: is empty: leave it out for totals"]),
            (&format!("{metric}group_by = \"team\""), vec!["source.group_by: must be a list of texts, not \"team\""]),
            (
                &format!("{metric}group_by = [{{ tag = \"team\" }}]"),
                vec!["source.group_by: must be a list of texts, not a list"],
            ),
            (
                &format!("{metric}group_by = [\"a\", \"b\", \"c\", \"d\", \"e\"]"),
                vec!["source.group_by: has 5 tags; 4 are the most"],
            ),
            (
                &format!("{metric}group_by = [\"team:a\"]"),
                vec!["source.group_by: must hold tag keys alone, such as \"team\", not \"team:a\""],
            ),
            (
                &format!("{metric}group_by = [\"cost-center\", \"Cost_Center\"]"),
                vec!["source.group_by: `cost-center` and `Cost_Center` would both fill the column `tag_cost_center`"],
            ),
            (
                &format!("{metric}filter = \"{{env:prod}}\""),
                vec!["source.filter: must be what stands in the braces of a query, on one line and without the braces"],
            ),
            (&format!("{metric}filter = \"\""), vec!["source.filter: must not be empty"]),
            (&format!("{metric}filter = {{ }}"), vec!["source.filter: must be text in quotes, not a table"]),
        ] {
            assert_eq!(said(toml), wanted, "{toml}");
        }
    }
}
