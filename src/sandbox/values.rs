//! `GetDimensionValues`, `GetTags` and `GetCostCategories`: the values that the bill has in a window.
//!
//! A search takes the values that contain its text, in any case. Filters and the order of `SortBy` have no effect, but
//! their rules hold: `SortBy` excludes a search and a token.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::attribute::Attribute;
use super::bill::Bill;
use super::fault::Fault;
use super::product_attributes;
use super::question::{Question, with_token};

/// Values per page, if not asked otherwise, and at most.
const LARGEST_PAGE: usize = 1_000;

/// The values of an attribute in the asked window, sorted.
fn found(question: &Question, bill: &Bill, attribute: &Attribute) -> Result<Vec<String>, Fault> {
    let span = question.span()?;
    let by_product = product_attributes::are_asked(std::slice::from_ref(attribute), None);
    let mut lines = BTreeSet::new();
    for day in span.days().filter(|day| *day <= question.today) {
        lines.extend(bill.day(day, question.today).iter().map(|item| item.line));
    }
    let lines = lines.into_iter().filter_map(|index| bill.lines.get(index));
    let lines = lines.filter(|line| !by_product || line.model.is_some());
    let values: BTreeSet<&str> = lines.map(|line| attribute.value(line)).collect();
    searched(question, values.into_iter().map(str::to_owned).collect())
}

fn searched(question: &Question, mut values: Vec<String>) -> Result<Vec<String>, Fault> {
    let search = question.text("SearchString")?.unwrap_or_default().to_lowercase();
    values.retain(|value| value.to_lowercase().contains(&search));
    let sorted = question.member::<Vec<Value>>("SortBy")?.is_some_and(|keys| !keys.is_empty());
    if sorted && (!search.is_empty() || question.text("NextPageToken")?.is_some()) {
        return Err(Fault::validation("SortBy is not supported with SearchString or NextPageToken."));
    }
    if question.member::<i64>("MaxResults")?.is_some_and(|size| size > 1_000) {
        return Err(Fault::validation("MaxResults should be at most 1000."));
    }
    Ok(values)
}

/// A page of values under the name `member`, with its size and the size of all.
fn answer(question: &Question, member: &str, values: Vec<Value>) -> Result<Value, Fault> {
    let total = values.len();
    let (page, token) = question.page(values, LARGEST_PAGE, "NextPageToken")?;
    let answer = json!({ "ReturnSize": page.len(), "TotalSize": total, member: page });
    Ok(with_token(answer, "NextPageToken", token))
}

fn texts(values: Vec<String>) -> Vec<Value> {
    values.into_iter().map(Value::String).collect()
}

/// `GetDimensionValues`; accounts come with their names.
pub(super) fn of_dimension(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    let dimension = question.text("Dimension")?.unwrap_or_default();
    let attribute = if dimension == "PRODUCT_ATTRIBUTE" {
        product_attributes::keyed(&question.text("DimensionKey")?.unwrap_or_default())?
    } else {
        Attribute::dimension(&dimension)?
    };
    let values = found(question, bill, &attribute)?.into_iter().map(|value| {
        let account = bill.accounts.iter().find(|account| dimension == "LINKED_ACCOUNT" && account.id == value);
        let attributes: Map<String, Value> =
            account.map(|account| ("description".to_owned(), json!(account.name))).into_iter().collect();
        json!({ "Value": value, "Attributes": attributes })
    });
    answer(question, "DimensionValues", values.collect())
}

/// `GetTags`: the keys of tags, or the values of one.
pub(super) fn of_tags(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    let values = match question.text("TagKey")? {
        Some(key) => found(question, bill, &Attribute::Tag(key))?,
        None => names(question, &["env", "team"])?,
    };
    answer(question, "Tags", texts(values))
}

/// `GetCostCategories`: the names of categories, or the values of one.
pub(super) fn of_categories(question: &Question, bill: &Bill) -> Result<Value, Fault> {
    match question.text("CostCategoryName")? {
        Some(name) => {
            let values = found(question, bill, &Attribute::Category(name))?;
            answer(question, "CostCategoryValues", texts(values))
        }
        None => answer(question, "CostCategoryNames", texts(names(question, &["Product"])?)),
    }
}

fn names(question: &Question, names: &[&str]) -> Result<Vec<String>, Fault> {
    question.span()?;
    searched(question, names.iter().map(|name| (*name).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use crate::sandbox::catalog::ODD_TEAM;
    use crate::sandbox::reader::{NOW, performed, query, read, refusal, service};

    fn asked(window: (&str, &str), name: &str, value: &str) -> Value {
        json!({ "TimePeriod": { "Start": window.0, "End": window.1 }, name: value })
    }

    const OCTOBER: (&str, &str) = ("2026-10-01", "2026-11-01");

    #[test]
    fn values_are_those_of_the_bill() {
        let ce = service(1_000);
        for dimension in ["SERVICE", "LINKED_ACCOUNT", "RECORD_TYPE", "REGION", "USAGE_TYPE"] {
            let answer = performed(&ce, "GetDimensionValues", &asked(OCTOBER, "Dimension", dimension), NOW).unwrap();
            let values = answer["DimensionValues"].as_array().unwrap();
            let met: BTreeSet<&str> = values.iter().map(|value| value["Value"].as_str().unwrap()).collect();
            let by = json!([{ "Type": "DIMENSION", "Key": dimension }]);
            let sums = read(&ce, &query(OCTOBER.0, OCTOBER.1, "MONTHLY", &by), NOW);
            assert_eq!(met, sums.keys().map(|(_, keys)| keys[0].as_str()).collect(), "{dimension}");
            assert!(answer["ReturnSize"] == values.len() && answer["TotalSize"] == values.len());
            let names = values.iter().filter(|value| value["Attributes"]["description"].is_string()).count();
            assert_eq!(names, if dimension == "LINKED_ACCOUNT" { values.len() } else { 0 });
        }
        let refund = |window| {
            let answer = performed(&ce, "GetDimensionValues", &asked(window, "Dimension", "RECORD_TYPE"), NOW).unwrap();
            answer.to_string().contains("Refund")
        };
        assert!(refund(("2026-09-01", "2026-10-01")) && !refund(OCTOBER), "the window counts");
        let mut model = asked(OCTOBER, "Dimension", "PRODUCT_ATTRIBUTE");
        model["DimensionKey"] = json!("model");
        let models = performed(&ce, "GetDimensionValues", &model, NOW).unwrap().to_string();
        assert!(models.contains("Nova Pro") && models.contains(r#""Value":"""#), "{models}");
    }

    #[test]
    fn tags_and_categories_have_names_and_values() {
        let ce = service(1_000);
        let ask = |operation: &str, name: &str, value: &str| {
            performed(&ce, operation, &asked(OCTOBER, name, value), NOW).unwrap()
        };
        assert_eq!(ask("GetTags", "TagKey", "")["Tags"], json!(["env", "team"]));
        let teams = ask("GetTags", "TagKey", "team");
        let teams = teams["Tags"].as_array().unwrap();
        assert!(teams.contains(&json!(ODD_TEAM)) && teams.contains(&json!("")), "{teams:?}");
        assert_eq!(ask("GetCostCategories", "CostCategoryName", "")["CostCategoryNames"], json!(["Product"]));
        let products = ask("GetCostCategories", "CostCategoryName", "Product");
        assert!(products["CostCategoryValues"].as_array().unwrap().contains(&json!("Storefront")));
        let mut search = asked(OCTOBER, "Dimension", "SERVICE");
        search["SearchString"] = json!("lambda");
        let answer = performed(&ce, "GetDimensionValues", &search, NOW).unwrap();
        assert_eq!(answer["DimensionValues"], json!([{ "Value": "AWS Lambda", "Attributes": {} }]));
    }

    #[test]
    fn values_have_pages_and_refusals() {
        let ce = service(1_000);
        let mut question = asked(OCTOBER, "Dimension", "SERVICE");
        question["MaxResults"] = json!(7);
        let mut met = Vec::new();
        loop {
            let page = performed(&ce, "GetDimensionValues", &question, NOW).unwrap();
            met.extend(page["DimensionValues"].as_array().unwrap().clone());
            let Some(token) = page.get("NextPageToken") else { break };
            assert_eq!(page["ReturnSize"], 7);
            question["NextPageToken"] = token.clone();
        }
        let all = performed(&ce, "GetDimensionValues", &asked(OCTOBER, "Dimension", "SERVICE"), NOW).unwrap();
        assert_eq!(json!(met), all["DimensionValues"]);
        let with = |name: &str, value: Value| {
            let mut question = asked(OCTOBER, "Dimension", "SERVICE");
            question["SortBy"] = json!([{ "Key": "UnblendedCost", "SortOrder": "DESCENDING" }]);
            question[name] = value;
            question
        };
        assert!(performed(&ce, "GetDimensionValues", &with("MaxResults", json!(1_000)), NOW).is_ok());
        for (question, words) in [
            (with("SearchString", json!("x")), "SortBy is not supported"),
            (with("NextPageToken", json!("x")), "SortBy is not supported"),
            (with("MaxResults", json!(1_001)), "MaxResults should be at most 1000"),
            (with("Dimension", json!("NOBODY")), "Dimension NOBODY is invalid"),
            (with("Dimension", json!("PRODUCT_ATTRIBUTE")), "Product attribute key \"\" is invalid"),
            (json!({ "Dimension": "SERVICE" }), "Time  is invalid"),
        ] {
            let (code, message) = refusal(&ce, "GetDimensionValues", &question, NOW);
            assert!(code == "ValidationException" && message.starts_with(words), "{message}");
        }
    }
}
