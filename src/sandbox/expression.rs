//! The filter expression: exactly one root, checked before it is applied, with the service's own error messages.

use serde::Deserialize;

use super::attribute::Attribute;
use super::fault::Fault;
use super::lines::Line;
use super::product_attributes;

/// The expression as received.
#[derive(Debug, Deserialize)]
pub(super) struct Wire {
    #[serde(rename = "And")]
    and: Option<Vec<Wire>>,
    #[serde(rename = "Or")]
    or: Option<Vec<Wire>>,
    #[serde(rename = "Not")]
    not: Option<Box<Wire>>,
    #[serde(rename = "Dimensions")]
    dimensions: Option<WireValues>,
    #[serde(rename = "Tags")]
    tags: Option<WireValues>,
    #[serde(rename = "CostCategories")]
    cost_categories: Option<WireValues>,
    #[serde(rename = "ProductAttributes")]
    product_attributes: Option<WireValues>,
}

#[derive(Debug, Deserialize)]
struct WireValues {
    #[serde(rename = "Key", default)]
    key: String,
    #[serde(rename = "Values", default)]
    values: Vec<String>,
    #[serde(rename = "MatchOptions", default)]
    match_options: Vec<String>,
}

/// A checked filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    In(Attribute, Vec<String>),
    Absent(Attribute),
}

const ROOTS: &str = "And, Or, Not, Dimensions, Tags, CostCategories, ProductAttributes";

impl Wire {
    /// Checks the expression.
    pub(super) fn checked(self) -> Result<Filter, Fault> {
        let mut roots = Vec::new();
        if let Some(list) = self.and {
            roots.push(Filter::All(operands("And", list)?));
        }
        if let Some(list) = self.or {
            roots.push(Filter::Any(operands("Or", list)?));
        }
        if let Some(inner) = self.not {
            roots.push(Filter::Not(Box::new(inner.checked()?)));
        }
        if let Some(leaf) = self.dimensions {
            let attribute = Attribute::dimension(&leaf.key)?;
            roots.push(leaf.checked(attribute, false)?);
        }
        if let Some(leaf) = self.tags {
            let attribute = Attribute::Tag(leaf.key.clone());
            roots.push(leaf.checked(attribute, true)?);
        }
        if let Some(leaf) = self.cost_categories {
            let attribute = Attribute::Category(leaf.key.clone());
            roots.push(leaf.checked(attribute, true)?);
        }
        if let Some(leaf) = self.product_attributes {
            let attribute = product_attributes::keyed(&leaf.key)?;
            roots.push(leaf.checked(attribute, true)?);
        }
        let root = roots.pop().ok_or_else(|| {
            Fault::validation(format!(
                "Expression has no root. One root operator is needed for each expression: {ROOTS}"
            ))
        })?;
        if roots.is_empty() {
            return Ok(root);
        }
        Err(Fault::validation(format!(
            "Expression has more than one roots. Only one root operator is allowed for each expression: {ROOTS}"
        )))
    }
}

/// Dimensions of a flat expression, each with the values that pass.
pub(super) type Conditions = Vec<(String, Vec<String>)>;

impl Wire {
    /// The conditions of a flat expression: one dimension, or `And` over dimensions.
    pub(super) fn flat(self) -> Result<Conditions, Fault> {
        let list = match self {
            Self {
                and: Some(list), or: None, not: None, dimensions: None, tags: None, cost_categories: None, ..
            } => list,
            single => vec![single],
        };
        list.into_iter().map(Self::condition).collect()
    }

    fn condition(self) -> Result<(String, Vec<String>), Fault> {
        let only = "Only And over Dimensions is supported in the filter of this operation.";
        match self {
            Self {
                and: None,
                or: None,
                not: None,
                dimensions: Some(leaf),
                tags: None,
                cost_categories: None,
                product_attributes: None,
            } if !leaf.key.is_empty() && !leaf.values.is_empty() => Ok((leaf.key, leaf.values)),
            _ => Err(Fault::validation(only)),
        }
    }
}

fn operands(operator: &str, list: Vec<Wire>) -> Result<Vec<Filter>, Fault> {
    if list.is_empty() {
        return Err(Fault::validation(format!("{operator} expression needs at least one operand.")));
    }
    list.into_iter().map(Wire::checked).collect()
}

impl WireValues {
    fn checked(self, attribute: Attribute, may_be_absent: bool) -> Result<Filter, Fault> {
        if self.key.is_empty() {
            return Err(Fault::validation("Key should not be empty in an expression."));
        }
        let mut absent = false;
        for option in &self.match_options {
            match option.as_str() {
                "EQUALS" | "CASE_SENSITIVE" => {}
                "ABSENT" if may_be_absent => absent = true,
                other => {
                    return Err(Fault::validation(format!("Match option {other} is not supported for {}.", self.key)));
                }
            }
        }
        if absent {
            return Ok(Filter::Absent(attribute));
        }
        if self.values.is_empty() {
            return Err(Fault::validation(format!("Values should not be empty for {}.", self.key)));
        }
        Ok(Filter::In(attribute, self.values))
    }
}

impl Filter {
    /// Whether the line passes the filter.
    pub(super) fn takes(&self, line: &Line) -> bool {
        match self {
            Self::All(list) => list.iter().all(|filter| filter.takes(line)),
            Self::Any(list) => list.iter().any(|filter| filter.takes(line)),
            Self::Not(inner) => !inner.takes(line),
            Self::In(attribute, values) => values.iter().any(|value| value == attribute.value(line)),
            Self::Absent(attribute) => attribute.value(line).is_empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeMap;

    use serde_json::json;

    use crate::sandbox::reader::{NOW, ask, by_period, query, read, refused, service};

    #[test]
    fn filters_take_the_lines_they_name() {
        let ce = service(1_000);
        let mut query = query("2026-10-05", "2026-10-06", "DAILY", &json!([{ "Type": "DIMENSION", "Key": "SERVICE" }]));
        let all = read(&ce, &query, NOW);
        let lambda = json!({ "Dimensions": { "Key": "SERVICE", "Values": ["AWS Lambda"] } });
        query["Filter"] = lambda.clone();
        let only = read(&ce, &query, NOW);
        assert_eq!(only.keys().map(|(_, keys)| &*keys[0]).collect::<Vec<_>>(), ["AWS Lambda"]);
        query["Filter"] = json!({ "Not": lambda });
        assert_eq!(read(&ce, &query, NOW).len(), all.len() - 1);
        let untagged = json!({ "Tags": { "Key": "team", "MatchOptions": ["ABSENT"] } });
        query["Filter"] = untagged.clone();
        let without = by_period(&read(&ce, &query, NOW), 10);
        query["Filter"] = json!({ "And": [{ "Not": untagged }, { "Not": { "Dimensions": { "Key": "REGION", "Values": ["mars"] } } }] });
        let with = by_period(&read(&ce, &query, NOW), 10);
        let cost = |sums: &BTreeMap<String, BTreeMap<String, i128>>| sums["2026-10-05"]["UnblendedCost"];
        assert!(cost(&without) != 0 && cost(&with) != 0);
        assert_eq!(cost(&without) + cost(&with), cost(&by_period(&all, 10)));
        query["Filter"] = json!({ "Or": [lambda], "Dimensions": { "Key": "SERVICE", "Values": ["x"] } });
        assert!(refused(&ce, &query, NOW).1.starts_with("Expression has more than one roots."));
        query["Filter"] = json!({ "Tags": { "Key": "team", "Values": ["nobody"] } });
        let empty = ask(&ce, &query, NOW);
        assert_eq!(empty["ResultsByTime"][0]["Groups"], json!([]));
        assert_eq!(empty["ResultsByTime"][0]["Total"]["UnblendedCost"], json!({ "Amount": "0", "Unit": "USD" }));
    }
}
