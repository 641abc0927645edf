//! Product attributes: what a charge was for within its service, such as the AI model. Amazon Bedrock is the only
//! service that has them so far, and an answer that groups or filters by one holds only the costs of such services.
//!
//! | rule | the API on it |
//! |---|---|
//! | a key is letters and digits, the first one a letter | documented |
//! | the known keys are [`KNOWN`]; case matters | another key is no error: all costs fall into the empty value |
//! | data begin on [`FIRST_DAY`] | periods that begin earlier are refused |
//! | a filter of SERVICE binds the whole request and is never inside Not | anything else is refused |
//!
//! Which services may be named in such a filter is left to the API: their list grows.

use chrono::NaiveDate;

use crate::job::section::{Problems, nearest};

use super::query::{Expression, Grouping, GroupingKind, Values};

/// The known keys.
const KNOWN: [&str; 4] = ["feature", "inferenceType", "model", "provider"];

/// The first day with data.
const FIRST_DAY: Option<NaiveDate> = NaiveDate::from_ymd_opt(2026, 9, 1);

/// Checks a key: one that cannot be is a problem, one that is not known a warning.
pub(super) fn check_key(path: &str, key: &str, problems: &Problems) {
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic()) && key.bytes().all(|b| b.is_ascii_alphanumeric());
    if !is_key {
        problems.note(path, format!("\"{key}\" is no product attribute: letters and digits, the first one a letter"));
    } else if !KNOWN.contains(&key) {
        let hint = nearest(key, KNOWN);
        let message = format!(
            "\"{key}\" is no product attribute that is known{hint}; the API takes any key, and of a wrong one (case \
             matters) every value is empty"
        );
        problems.warn(path, message);
    }
}

/// Checks the services of a request with product attributes.
pub(super) fn check_services(path: &str, groupings: &[Grouping], filter: Option<&Expression>, problems: &Problems) {
    let Some(filter) = filter.filter(|_| is_used(groupings, filter)) else { return };
    if is_negated(filter) {
        problems.note(path, "has SERVICE inside Not, which the API refuses with product attributes");
    } else if mentions(filter, is_service) && !binds(filter) {
        problems.note(
            path,
            "must bind the whole request to services, which the API demands with product attributes: SERVICE in an And \
             at the top, or in every operand of an Or",
        );
    }
}

/// The first day with data of a request; `None` where it has no product attributes.
pub(super) fn first_day(groupings: &[Grouping], filter: Option<&Expression>) -> Option<NaiveDate> {
    FIRST_DAY.filter(|_| is_used(groupings, filter))
}

/// The filter that keeps an ungrouped request to the costs that the groupings are of.
///
/// Without it the totals would be those of the whole account. The API's description does not say how to ask for the
/// total of the services that have product attributes; it says that any filter of them restricts the answer to these
/// services. So the request asks for the costs without a value of the key or with one, which is all of them. Not known
/// is whether some costs are in neither half: then the rows miss the total, and their days are unsettled instead of
/// wrong (`window.control = "report"` takes them as they are).
pub(super) fn scope(groupings: &[Grouping], filter: Option<&Expression>) -> Option<Expression> {
    let grouping = groupings.iter().find(|grouping| grouping.kind == GroupingKind::ProductAttribute);
    let Some(grouping) = grouping else { return filter.cloned() };
    let absent = || {
        let (key, match_options) = (grouping.key.clone(), vec!["ABSENT".to_owned()]);
        Expression::ProductAttributes(Values { key, values: Vec::new(), match_options })
    };
    let any = Expression::Or(vec![absent(), Expression::Not(Box::new(absent()))]);
    Some(match filter {
        Some(filter) => Expression::And(vec![filter.clone(), any]),
        None => any,
    })
}

fn is_used(groupings: &[Grouping], filter: Option<&Expression>) -> bool {
    groupings.iter().any(|grouping| grouping.kind == GroupingKind::ProductAttribute)
        || filter.is_some_and(|filter| mentions(filter, |leaf| matches!(leaf, Expression::ProductAttributes(_))))
}

fn is_service(leaf: &Expression) -> bool {
    matches!(leaf, Expression::Dimensions(values) if values.key == "SERVICE")
}

/// Whether any leaf of an expression is one that is looked for.
fn mentions(expression: &Expression, is_wanted: fn(&Expression) -> bool) -> bool {
    match expression {
        Expression::And(list) | Expression::Or(list) => list.iter().any(|one| mentions(one, is_wanted)),
        Expression::Not(inner) => mentions(inner, is_wanted),
        leaf => is_wanted(leaf),
    }
}

/// Whether a Not holds a leaf of SERVICE.
fn is_negated(expression: &Expression) -> bool {
    match expression {
        Expression::And(list) | Expression::Or(list) => list.iter().any(is_negated),
        Expression::Not(inner) => mentions(inner, is_service),
        _ => false,
    }
}

/// Whether everything that matches is of services that the expression names.
fn binds(expression: &Expression) -> bool {
    match expression {
        Expression::And(list) => list.iter().any(binds),
        Expression::Or(list) => list.iter().all(binds),
        leaf => is_service(leaf),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use serde_json::json;

    use crate::job::{Job, parse};
    use crate::request::Request;
    use crate::sources::{ApiTotals, Source};
    use crate::window::{Window, parse_day};

    fn read(rest: &str) -> Result<Job, String> {
        let text = format!(
            "source = {{ type = \"aws_cost_and_usage\", granularity = \"DAILY\", metrics = [\"UnblendedCost\"], {rest} }}\n\
             window = {{ begin = \"2026-09-01\" }}\n"
        );
        let said = |list: Vec<crate::job::section::Problem>| {
            list.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        parse(Path::new("t.toml"), &text).map_err(said)
    }

    /// The body of the request for the totals.
    fn asked_for_totals(job: &Job) -> serde_json::Value {
        let day = |text| parse_day(text).expect("a day");
        let window = Window::new(day("2026-09-01"), day("2026-09-03")).expect("a window");
        let totals = job.source.totals().expect("totals");
        let source: Arc<dyn Source> = totals.request(&totals.metrics()).expect("a request");
        let [Request::Operation(asked)] = &source.requests(&[window])[..] else { panic!("one request") };
        asked.body.clone()
    }

    const BY_MODEL: &str = r#"group_by = [{ product_attribute = "model" }]"#;

    #[test]
    fn the_totals_of_such_a_job_are_of_the_same_services_and_no_other_job_shares_them() {
        let any = json!({ "Or": [
            { "ProductAttributes": { "Key": "model", "MatchOptions": ["ABSENT"] } },
            { "Not": { "ProductAttributes": { "Key": "model", "MatchOptions": ["ABSENT"] } } },
        ] });
        let by_model = read(BY_MODEL).expect("a job");
        let asked = asked_for_totals(&by_model);
        assert_eq!((&asked["Filter"], asked.get("GroupBy")), (&any, None));
        let region = r#"filter = { Dimensions = { Key = "REGION", Values = ["eu-west-1"] } }"#;
        let filtered = read(&format!("{BY_MODEL}, {region}")).expect("a job");
        let wanted = json!({ "And": [{ "Dimensions": { "Key": "REGION", "Values": ["eu-west-1"] } }, any] });
        assert_eq!(asked_for_totals(&filtered)["Filter"], wanted);
        let plain = read(region).expect("a job");
        let keys: Vec<String> =
            [&by_model, &filtered, &plain].map(|job| job.source.totals().map(ApiTotals::key).expect("totals")).into();
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2], "{keys:?}");
        let own = r#"group_by = [{ dimension = "SERVICE" }]"#;
        let whole = read(own).expect("a job");
        assert_eq!(asked_for_totals(&whole).get("Filter"), None);
        assert_ne!(keys[0], whole.source.totals().map(ApiTotals::key).expect("totals"));
    }

    #[test]
    fn the_history_of_a_request_with_product_attributes_begins_with_them() {
        let first = |rest: &str| read(rest).expect("a job").source.first_day().map(|day| day.to_string());
        let by_one = r#"filter = { ProductAttributes = { Key = "provider", Values = ["Anthropic"] } }"#;
        for (rest, wanted) in [
            (BY_MODEL, Some("2026-09-01")),
            (by_one, Some("2026-09-01")),
            (r#"group_by = [{ dimension = "SERVICE" }]"#, None),
        ] {
            assert_eq!(first(rest).as_deref(), wanted, "{rest}");
        }
    }

    #[test]
    fn an_odd_key_is_a_problem_and_an_unknown_one_a_warning() {
        for key in ["", "1st", "in-ference", "a b", "größe"] {
            let said = read(&format!(r#"group_by = [{{ product_attribute = "{key}" }}]"#)).expect_err(key);
            assert!(said.contains("source.group_by[0].product_attribute"), "{said}");
        }
        let warned = |key: &str| -> Vec<String> {
            let job = read(&format!(
                r#"group_by = [{{ product_attribute = "{key}" }}], filter = {{ ProductAttributes = {{ Key = "{key}", Values = ["x"] }} }}"#
            ));
            job.expect(key).warnings.iter().map(ToString::to_string).collect()
        };
        for known in super::KNOWN {
            assert_eq!(warned(known), Vec::<String>::new(), "{known}");
        }
        let said = warned("Model");
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("source.group_by[0].product_attribute: \"Model\" is no product"), "{said:?}");
        assert!(said[1].starts_with("source.filter.ProductAttributes.Key"), "{said:?}");
        assert!(said[1].contains("did you mean `model`?"), "{said:?}");
    }

    #[test]
    fn services_bind_the_whole_request_or_are_not_named_at_all() {
        let service = r#"{ Dimensions = { Key = "SERVICE", Values = ["Amazon Bedrock"] } }"#;
        let region = r#"{ Dimensions = { Key = "REGION", Values = ["eu-west-1"] } }"#;
        for (filter, wanted) in [
            (service.to_owned(), ""),
            (region.to_owned(), ""),
            (format!("{{ And = [{region}, {service}] }}"), ""),
            (format!("{{ Or = [{service}, {{ And = [{region}, {service}] }}] }}"), ""),
            (format!("{{ Or = [{service}, {region}] }}"), "source.filter: must bind the whole request"),
            (format!("{{ And = [{region}, {{ Or = [{service}, {region}] }}] }}"), "source.filter: must bind"),
            (format!("{{ Not = {service} }}"), "source.filter: has SERVICE inside Not"),
            (format!("{{ And = [{service}, {{ Not = {service} }}] }}"), "source.filter: has SERVICE inside Not"),
        ] {
            let said = read(&format!("{BY_MODEL}, filter = {filter}")).err().unwrap_or_default();
            assert!(said.starts_with(wanted) && said.is_empty() == wanted.is_empty(), "{filter}: {said}");
            let without = read(&format!("filter = {filter}"));
            assert!(without.is_ok(), "{filter}: {without:?}");
        }
    }
}
