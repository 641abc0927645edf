//! Values of dimensions, tags, cost categories and product attributes.
//!
//! | key | operation |
//! |---|---|
//! | `SERVICE`, `REGION`, … | `GetDimensionValues` |
//! | `product_attribute.model` | `GetDimensionValues` of `PRODUCT_ATTRIBUTE` |
//! | `tags`; `tag.team` | `GetTags`: all keys; the values of one |
//! | `cost_categories`; `cost_category.Product` | `GetCostCategories`: all names; the values of one |
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetDimensionValues.html>

use serde_json::{Value, json};

use crate::error::Result;
use crate::request::{Answer, Request};
use crate::sources::list::Fields;
use crate::sources::values::{KnownValue, Listing, Listings, ValuesPage};
use crate::window::Window;

use super::{as_operation, bad_answer, next_page, objects, operation, period_of, read_json, text_of};

const TOKEN: &str = "NextPageToken";

/// What can stand in a grouping or a filter of costs.
pub(in crate::sources) static COSTS: Listings = Listings {
    keys: &["SERVICE", "tags", "tag.KEY", "cost_categories", "cost_category.NAME", "product_attribute.KEY"],
    of: of_costs,
};

/// What can stand in `source.services` of reservations.
pub(in crate::sources) static RESERVED_SERVICES: Listings = Listings { keys: &["services"], of: of_reservations };

fn of_costs(key: &str, window: Window) -> Option<Listing> {
    let period = period_of(window);
    let ask = |name: &'static str, body: Value| Some(Listing { first: operation(name, body, window, key), read });
    match key.split_once('.') {
        None if key == "tags" => ask("GetTags", json!({ "TimePeriod": period })),
        None if key == "cost_categories" => ask("GetCostCategories", json!({ "TimePeriod": period })),
        Some(("tag", tag)) => ask("GetTags", json!({ "TimePeriod": period, "TagKey": tag })),
        Some(("cost_category", name)) => {
            ask("GetCostCategories", json!({ "TimePeriod": period, "CostCategoryName": name }))
        }
        Some(("product_attribute", attribute)) => ask(
            "GetDimensionValues",
            json!({ "TimePeriod": period, "Dimension": "PRODUCT_ATTRIBUTE", "DimensionKey": attribute }),
        ),
        None if key.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_') && !key.is_empty() => {
            ask("GetDimensionValues", json!({ "TimePeriod": period, "Dimension": key }))
        }
        _ => None,
    }
}

fn of_reservations(key: &str, window: Window) -> Option<Listing> {
    let body = json!({ "TimePeriod": period_of(window), "Dimension": "SERVICE", "Context": "RESERVATIONS" });
    (key == "services").then(|| Listing { first: operation("GetDimensionValues", body, window, key), read })
}

fn read(request: &Request, answer: &Answer) -> Result<ValuesPage> {
    let asked = as_operation(request)?;
    let Some(members) = read_json(answer)? else { return Ok((Vec::new(), None)) };
    let values = match asked.name {
        "GetDimensionValues" => {
            objects(&members, "DimensionValues")?.iter().map(of_dimension).collect::<Result<_>>()?
        }
        "GetTags" => texts(&members, "Tags")?,
        _ if asked.text("CostCategoryName").is_some() => texts(&members, "CostCategoryValues")?,
        _ => texts(&members, "CostCategoryNames")?,
    };
    // A token that was just used leads in a circle.
    let mut seen = asked.text(TOKEN).map(str::to_owned).into_iter().collect();
    Ok((values, next_page(&members, asked, TOKEN, &mut seen)?))
}

fn of_dimension(object: &Fields<'_>) -> Result<KnownValue> {
    let value = text_of(object, "Value")?.unwrap_or_default();
    let attributes: Option<Fields<'_>> = match object.get("Attributes") {
        None => None,
        Some(raw) => {
            serde_json::from_str(raw.get()).map_err(|error| bad_answer("`Attributes` cannot be read").because(error))?
        }
    };
    let description = attributes.map(|attributes| text_of(&attributes, "description")).transpose()?.flatten();
    Ok(KnownValue { value, description })
}

fn texts(members: &Fields<'_>, name: &str) -> Result<Vec<KnownValue>> {
    let raw = members.get(name).ok_or_else(|| bad_answer(format!("the answer has no `{name}`")))?;
    let list: Option<Vec<String>> = serde_json::from_str(raw.get())
        .map_err(|error| bad_answer(format!("`{name}` is not a list of texts")).because(error))?;
    Ok(list.unwrap_or_default().into_iter().map(|value| KnownValue { value, description: None }).collect())
}

#[cfg(test)]
mod tests {
    use super::{COSTS, RESERVED_SERVICES};
    use crate::sources::cost_explorer::testing::{shown, window};
    use crate::sources::datadog::testing::answer;
    use crate::sources::values::{Listing, Listings};

    fn listing(listings: &Listings, key: &str) -> Option<Listing> {
        (listings.of)(key, window("2026-11-01", "2026-11-30"))
    }

    #[test]
    fn every_key_is_an_operation() {
        let period = r#""TimePeriod":{"End":"2026-12-01","Start":"2026-11-01"}"#;
        for (key, wanted) in [
            ("SERVICE", format!(r#"GetDimensionValues SERVICE: {{"Dimension":"SERVICE",{period}}}"#)),
            ("tags", format!("GetTags tags: {{{period}}}")),
            ("tag.a.b", format!(r#"GetTags tag.a.b: {{"TagKey":"a.b",{period}}}"#)),
            ("cost_categories", format!("GetCostCategories cost_categories: {{{period}}}")),
            (
                "cost_category.Team",
                format!(r#"GetCostCategories cost_category.Team: {{"CostCategoryName":"Team",{period}}}"#),
            ),
            (
                "product_attribute.model",
                format!(
                    r#"GetDimensionValues product_attribute.model: {{"Dimension":"PRODUCT_ATTRIBUTE","DimensionKey":"model",{period}}}"#
                ),
            ),
        ] {
            let listing = listing(&COSTS, key).unwrap_or_else(|| panic!("{key}"));
            assert_eq!(shown(&[listing.first]), [wanted]);
        }
        for key in ["", "service", "Tags", "dimension.SERVICE"] {
            assert!(listing(&COSTS, key).is_none(), "{key}");
        }
        let services = listing(&RESERVED_SERVICES, "services").expect("a listing");
        assert!(shown(&[services.first])[0].contains(r#""Context":"RESERVATIONS","Dimension":"SERVICE""#));
        assert!(listing(&RESERVED_SERVICES, "SERVICE").is_none());
    }

    #[test]
    fn values_are_read_page_by_page() {
        let of = |key: &str, body: &str| {
            let listing = listing(&COSTS, key).expect("a listing");
            (listing.read)(&listing.first, &answer(200, body))
        };
        let (values, next) = of(
            "LINKED_ACCOUNT",
            r#"{"DimensionValues":[{"Value":"000000000123","Attributes":{"description":"payer"}},{"Value":"x","Attributes":{}}],"NextPageToken":"t"}"#,
        )
        .expect("a page");
        assert_eq!(values[0].description.as_deref(), Some("payer"));
        assert_eq!((values[1].value.as_str(), values[1].description.as_ref()), ("x", None));
        assert!(shown(&[next.expect("a next page")])[0].contains(r#""NextPageToken":"t""#));
        let (values, next) = of("tag.team", r#"{"Tags":["","atlas"],"ReturnSize":2}"#).expect("a page");
        assert_eq!(values.iter().map(|known| known.value.as_str()).collect::<Vec<_>>(), ["", "atlas"]);
        assert!(next.is_none());
        for (key, body, wanted) in [
            ("SERVICE", "{}", "the answer has no `DimensionValues`"),
            ("tags", r#"{"Tags":[1]}"#, "`Tags` is not a list of texts"),
            ("cost_categories", r#"{"CostCategoryValues":[]}"#, "the answer has no `CostCategoryNames`"),
            ("tags", "", "the answer is empty"),
        ] {
            assert_eq!(of(key, body).expect_err(body).message(), wanted);
        }
    }

    #[test]
    fn a_page_that_leads_to_itself_is_refused() {
        let listing = listing(&COSTS, "tags").expect("a listing");
        let again = answer(200, r#"{"Tags":[],"NextPageToken":"t"}"#);
        let (_, next) = (listing.read)(&listing.first, &again).expect("a page");
        let error = (listing.read)(&next.expect("a next page"), &again).expect_err("a circle");
        assert_eq!(error.message(), "the answer repeats a NextPageToken: following it would never end");
    }
}
