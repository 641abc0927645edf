//! Groupings and filters by product attribute: which services they reach, from which day, and what may stand beside.
//!
//! Only Amazon Bedrock has product attributes. A query that groups or filters by one holds the cost of that service
//! alone. A filter by service may stand beside it if it binds the whole request and names no other service.

use chrono::NaiveDate;

use super::attribute::{Attribute, Dimension};
use super::bedrock::{FIRST_DAY, SERVICE};
use super::expression::Filter;
use super::fault::Fault;

/// The attribute with this key; a wrong key is no error, but it has to be letters and digits.
pub(super) fn keyed(key: &str) -> Result<Attribute, Fault> {
    let begins = key.chars().next().is_some_and(|first| first.is_ascii_alphabetic());
    if begins && key.chars().all(|each| each.is_ascii_alphanumeric()) {
        return Ok(Attribute::Product(key.to_owned()));
    }
    Err(Fault::validation(format!("Product attribute key {key:?} is invalid.")))
}

/// True for a query that groups or filters by product attribute.
pub(super) fn are_asked(groupings: &[Attribute], filter: Option<&Filter>) -> bool {
    let is_product = |attribute: &Attribute| matches!(attribute, Attribute::Product(_));
    groupings.iter().any(is_product) || filter.is_some_and(|filter| any_leaf(filter, &is_product))
}

/// Checks a query for which [`are_asked`] is true.
pub(super) fn check(filter: Option<&Filter>, start: NaiveDate) -> Result<(), Fault> {
    if start < FIRST_DAY {
        return Err(Fault::new(
            "DataUnavailableException",
            format!("Data is not available. Product attributes begin on {FIRST_DAY}."),
        ));
    }
    let Some(filter) = filter.filter(|filter| any_leaf(filter, &is_service)) else {
        return Ok(());
    };
    if binds(filter) && names_supported(filter) {
        return Ok(());
    }
    Err(Fault::validation(format!(
        "With product attributes, a filter by SERVICE should bind the whole request and name only: {SERVICE}"
    )))
}

fn is_service(attribute: &Attribute) -> bool {
    *attribute == Attribute::Dimension(Dimension::Service)
}

fn any_leaf(filter: &Filter, found: &dyn Fn(&Attribute) -> bool) -> bool {
    match filter {
        Filter::All(list) | Filter::Any(list) => list.iter().any(|filter| any_leaf(filter, found)),
        Filter::Not(inner) => any_leaf(inner, found),
        Filter::In(attribute, _) | Filter::Absent(attribute) => found(attribute),
    }
}

/// True if whatever passes the filter passes a filter by service in it.
fn binds(filter: &Filter) -> bool {
    match filter {
        Filter::All(list) => list.iter().any(binds),
        Filter::Any(list) => list.iter().all(binds),
        Filter::In(attribute, _) => is_service(attribute),
        Filter::Not(_) | Filter::Absent(_) => false,
    }
}

/// True if no filter by service names another service or stands inside `Not`.
fn names_supported(filter: &Filter) -> bool {
    match filter {
        Filter::All(list) | Filter::Any(list) => list.iter().all(names_supported),
        Filter::Not(inner) => !any_leaf(inner, &is_service),
        Filter::In(attribute, values) => !is_service(attribute) || values.iter().all(|value| value == SERVICE),
        Filter::Absent(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::sandbox::reader::{NOW, ask, by_period, query, read, refused, service};

    fn by_model() -> Value {
        json!([{ "Type": "PRODUCT_ATTRIBUTE", "Key": "model" }, { "Type": "PRODUCT_ATTRIBUTE", "Key": "inferenceType" }])
    }

    #[test]
    fn groups_by_model_add_up_to_the_service() {
        let ce = service(1_000);
        let grouped = read(&ce, &query("2026-09-01", "2026-11-01", "DAILY", &by_model()), NOW);
        let mut only = query("2026-09-01", "2026-11-01", "DAILY", &json!([]));
        for filter in [
            json!({ "Dimensions": { "Key": "SERVICE", "Values": ["Amazon Bedrock"] } }),
            json!({ "Not": { "ProductAttributes": { "Key": "nobody", "Values": ["x"] } } }),
            json!({ "ProductAttributes": { "Key": "nobody", "MatchOptions": ["ABSENT"] } }),
        ] {
            only["Filter"] = filter;
            assert_eq!(by_period(&grouped, 10), by_period(&read(&ce, &only, NOW), 10));
        }
        let keys: Vec<&Vec<String>> = grouped.keys().map(|(_, keys)| keys).collect();
        assert!(keys.iter().any(|keys| **keys == ["model$Claude Sonnet 5", "inferenceType$Output tokens"]));
        assert!(keys.iter().any(|keys| **keys == ["model$", "inferenceType$"]), "the guardrail is no model");
        let wrong =
            query("2026-09-01", "2026-09-02", "DAILY", &json!([{ "Type": "PRODUCT_ATTRIBUTE", "Key": "Model" }]));
        let wrong = read(&ce, &wrong, NOW);
        assert_eq!(wrong.keys().map(|(_, keys)| &*keys[0]).collect::<Vec<_>>(), ["Model$"]);
    }

    #[test]
    fn tokens_have_a_unit_and_a_filter_takes_one_model() {
        let ce = service(1_000);
        let mut query = query("2026-10-05", "2026-10-06", "DAILY", &by_model());
        query["Filter"] =
            json!({ "ProductAttributes": { "Key": "model", "Values": ["Nova Pro"], "MatchOptions": ["EQUALS"] } });
        let answer = ask(&ce, &query, NOW);
        let groups = answer["ResultsByTime"][0]["Groups"].as_array().cloned().unwrap_or_default();
        assert!(groups.len() == 2 && groups.iter().all(|group| group["Keys"][0] == "model$Nova Pro"), "{groups:?}");
        assert!(groups.iter().all(|group| group["Metrics"]["UsageQuantity"]["Unit"] == "1K tokens"));
    }

    #[test]
    fn refusals_of_product_attributes() {
        let ce = service(1_000);
        let early = query("2026-08-31", "2026-10-01", "DAILY", &by_model());
        assert_eq!(refused(&ce, &early, NOW).0, "DataUnavailableException");
        let mut query = query("2026-09-01", "2026-10-01", "DAILY", &by_model());
        let bedrock = json!({ "Dimensions": { "Key": "SERVICE", "Values": ["Amazon Bedrock"] } });
        let lambda = json!({ "Dimensions": { "Key": "SERVICE", "Values": ["Amazon Bedrock", "AWS Lambda"] } });
        let region = json!({ "Dimensions": { "Key": "REGION", "Values": ["eu-west-1"] } });
        for (filter, accepted) in [
            (bedrock.clone(), true),
            (json!({ "And": [bedrock, region] }), true),
            (json!({ "Or": [bedrock, { "And": [region, bedrock] }] }), true),
            (region.clone(), true),
            (json!({ "Or": [bedrock, region] }), false),
            (json!({ "Not": bedrock }), false),
            (json!({ "And": [bedrock, { "Not": bedrock }] }), false),
            (lambda, false),
        ] {
            query["Filter"] = filter.clone();
            let answer = ce.answer(query.to_string().as_bytes(), crate::sandbox::reader::at(NOW));
            assert_eq!(answer.is_ok(), accepted, "{filter}");
            assert!(answer.err().is_none_or(|fault| fault.code == "ValidationException"));
        }
        query["Filter"] = json!({ "ProductAttributes": { "Key": "not a key", "Values": ["x"] } });
        assert_eq!(refused(&ce, &query, NOW).0, "ValidationException");
    }
}
