//! `source.filter`: the API's `Expression`, checked offline.
//!
//! | rule | where it comes from |
//! |---|---|
//! | exactly one of And, Or, Not, Dimensions, Tags, CostCategories, ProductAttributes | the service refuses "more than one roots" |
//! | And and Or have two or more operands | with fewer there is nothing to join |
//! | MatchOptions: EQUALS, CASE_SENSITIVE; for all but Dimensions also ABSENT | documented for `GetCostAndUsage` |
//! | ABSENT takes no Values, everything else at least one | |
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_Expression.html>

use crate::job::section::{Problems, describe, nearest};

use super::query::{Expression, Values};
use super::{dimensions, product_attributes};

const ROOTS: [&str; 7] = ["And", "Or", "Not", "Dimensions", "Tags", "CostCategories", "ProductAttributes"];
const DEPTH: usize = 16;

/// Parses the expression at `path` of the job file; problems are noted.
#[must_use]
pub fn read(path: &str, value: &toml::Value, problems: &Problems) -> Option<Expression> {
    read_at(path, value, problems, 0)
}

fn read_at(path: &str, value: &toml::Value, problems: &Problems, depth: usize) -> Option<Expression> {
    let roots = ROOTS.join(", ");
    if depth > DEPTH {
        problems.note(path, format!("is nested more than {DEPTH} deep"));
        return None;
    }
    let Some(table) = value.as_table() else {
        problems.note(path, format!("must be a table with one of {roots}, not {}", describe(value)));
        return None;
    };
    for name in table.keys().filter(|name| !ROOTS.contains(&name.as_str())) {
        problems.note(format!("{path}.{name}"), format!("is not part of an expression{}", nearest(name, ROOTS)));
    }
    let mut entries = table.iter().filter(|(name, _)| ROOTS.contains(&name.as_str()));
    let (Some((name, inner)), None) = (entries.next(), entries.next()) else {
        problems.note(path, format!("must hold exactly one of {roots}"));
        return None;
    };
    let path = format!("{path}.{name}");
    match name.as_str() {
        "And" => read_list(&path, inner, problems, depth).map(Expression::And),
        "Or" => read_list(&path, inner, problems, depth).map(Expression::Or),
        "Not" => read_at(&path, inner, problems, depth + 1).map(|inner| Expression::Not(Box::new(inner))),
        "Dimensions" => {
            let values = read_values(&path, inner, problems, false)?;
            dimensions::check_key(&format!("{path}.Key"), &values.key, problems);
            Some(Expression::Dimensions(values))
        }
        "Tags" => read_values(&path, inner, problems, true).map(Expression::Tags),
        "CostCategories" => read_values(&path, inner, problems, true).map(Expression::CostCategories),
        _ => {
            let values = read_values(&path, inner, problems, true)?;
            product_attributes::check_key(&format!("{path}.Key"), &values.key, problems);
            Some(Expression::ProductAttributes(values))
        }
    }
}

fn read_list(path: &str, value: &toml::Value, problems: &Problems, depth: usize) -> Option<Vec<Expression>> {
    let list = value.as_array().filter(|list| list.len() >= 2);
    let Some(list) = list else {
        problems.note(path, "must be a list of two or more expressions");
        return None;
    };
    let read: Vec<Option<Expression>> = list
        .iter()
        .enumerate()
        .map(|(index, inner)| read_at(&format!("{path}[{index}]"), inner, problems, depth + 1))
        .collect();
    read.into_iter().collect()
}

fn read_values(path: &str, value: &toml::Value, problems: &Problems, may_be_absent: bool) -> Option<Values> {
    let Some(table) = value.as_table() else {
        problems.note(path, format!("must be a table with Key and Values, not {}", describe(value)));
        return None;
    };
    for name in table.keys().filter(|name| !["Key", "Values", "MatchOptions"].contains(&name.as_str())) {
        problems.note(
            format!("{path}.{name}"),
            format!("is not known here{}", nearest(name, ["Key", "Values", "MatchOptions"])),
        );
    }
    let key = table.get("Key").and_then(toml::Value::as_str).filter(|key| !key.is_empty());
    if key.is_none() {
        problems.note(format!("{path}.Key"), "is missing or not text");
    }
    let values = read_texts(path, table, "Values", problems)?;
    let match_options = read_texts(path, table, "MatchOptions", problems)?;
    let allowed: &[&str] =
        if may_be_absent { &["EQUALS", "CASE_SENSITIVE", "ABSENT"] } else { &["EQUALS", "CASE_SENSITIVE"] };
    for option in match_options.iter().filter(|option| !allowed.contains(&option.as_str())) {
        problems.note(format!("{path}.MatchOptions"), format!("`{option}` is not one of {}", allowed.join(", ")));
    }
    let absent = match_options.iter().any(|option| option == "ABSENT");
    if absent != values.is_empty() {
        let message = if absent { "must be left out with ABSENT" } else { "must hold at least one value" };
        problems.note(format!("{path}.Values"), message);
    }
    Some(Values { key: key?.to_owned(), values, match_options })
}

fn read_texts(path: &str, table: &toml::Table, name: &str, problems: &Problems) -> Option<Vec<String>> {
    let Some(value) = table.get(name) else { return Some(Vec::new()) };
    let texts = value.as_array().and_then(|list| list.iter().map(|v| v.as_str().map(str::to_owned)).collect());
    if texts.is_none() {
        problems.note(format!("{path}.{name}"), format!("must be a list of texts, not {}", describe(value)));
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::job::section::Problems;

    fn problems_of(text: &str) -> Vec<String> {
        let problems = Problems::default();
        let table: toml::Table = text.parse().expect("toml");
        let read = read("filter", &table["filter"], &problems);
        let list: Vec<String> = problems.into_list().into_iter().map(|p| p.to_string()).collect();
        assert!(read.is_some() || !list.is_empty(), "a refused expression must say why");
        list
    }

    #[test]
    fn the_apis_own_examples_pass() {
        for text in [
            "filter = { Dimensions = { Key = 'SERVICE', Values = ['AmazonEC2'], MatchOptions = ['EQUALS'] } }",
            "filter = { Not = { Tags = { Key = 'team', MatchOptions = ['ABSENT'] } } }",
            "filter = { ProductAttributes = { Key = 'model', MatchOptions = ['ABSENT'] } }",
            "filter = { ProductAttributes = { Key = 'model', Values = ['a'], MatchOptions = ['CASE_SENSITIVE'] } }",
            "filter = { And = [{ CostCategories = { Key = 'Product', Values = ['x'] } }, { Or = [{ Dimensions = { Key = 'REGION', Values = ['eu-west-1'] } }, { Tags = { Key = 'a', Values = [''] } }] }] }",
        ] {
            assert!(problems_of(text).is_empty(), "{text}: {:?}", problems_of(text));
        }
    }

    #[test]
    fn mistakes_are_named_where_they_are() {
        for (text, wanted) in [
            ("filter = { And = [], Or = [] }", "filter: must hold exactly one of"),
            ("filter = {}", "filter: must hold exactly one of"),
            (
                "filter = { Dimension = { Key = 'a', Values = ['b'] } }",
                "filter.Dimension: is not part of an expression (did you mean `Dimensions`?)",
            ),
            ("filter = { And = [{ Not = 3 }, { Tags = { Values = ['x'] } }] }", "filter.And[0].Not: must be a table"),
            ("filter = { And = [{ Not = 3 }, { Tags = { Values = ['x'] } }] }", "filter.And[1].Tags.Key: is missing"),
            (
                "filter = { Dimensions = { Key = 'SERVICE', Values = ['x'], MatchOptions = ['ABSENT'] } }",
                "is not one of EQUALS",
            ),
            (
                "filter = { Tags = { Key = 'a', Values = ['x'], MatchOptions = ['ABSENT'] } }",
                "Values: must be left out with ABSENT",
            ),
            (
                "filter = { ProductAttributes = { Key = 'a-b', Values = ['x'] } }",
                "filter.ProductAttributes.Key: \"a-b\" is no product attribute",
            ),
            (
                "filter = { ProductAttributes = { Key = 'model', Values = ['x'], MatchOptions = ['STARTS_WITH'] } }",
                "is not one of EQUALS, CASE_SENSITIVE, ABSENT",
            ),
            ("filter = { Tags = { Key = 'a' } }", "filter.Tags.Values: must hold at least one value"),
        ] {
            let problems = problems_of(text);
            assert!(problems.iter().any(|problem| problem.contains(wanted)), "{text}: {problems:?}");
        }
    }
}
