//! The tags by which costs can be grouped: `costlake values datadog_cost.<metric>`.
//!
//! <https://docs.datadoghq.com/api/latest/cloud-cost-management/#list-cost-tag-keys>

use serde::Deserialize;

use crate::error::Result;
use crate::request::{Answer, Call, Purpose, Request};
use crate::sources::values::{KnownValue, Listing, Listings, ValuesPage};
use crate::window::Window;

use super::{Object, bad_answer, read_json};

/// The tags of a metric, such as `all.cost`.
pub(in crate::sources) static TAG_KEYS: Listings = Listings { keys: &["all.cost", "aws.cost.amortized"], of };

#[derive(Deserialize)]
struct Keys {
    data: Option<Vec<Object<Key>>>,
}

#[derive(Deserialize)]
struct Key {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    attributes: Option<Object<Attributes>>,
}

#[derive(Deserialize, Default)]
struct Attributes {
    #[serde(default)]
    value: Option<String>,
    #[serde(default)]
    details: Option<Object<Details>>,
}

#[derive(Deserialize, Default)]
struct Details {
    #[serde(default)]
    description: Option<String>,
}

fn of(metric: &str, window: Window) -> Option<Listing> {
    let first = Request::Call(Call {
        path: "/api/v2/cost/tag_keys".to_owned(),
        query: vec![("filter[metric]".to_owned(), metric.to_owned())],
        body: None,
        also_answers: &[],
        purpose: Purpose { window, subject: metric.to_owned() },
    });
    (!metric.trim().is_empty()).then_some(Listing { first, read })
}

fn read(_request: &Request, answer: &Answer) -> Result<ValuesPage> {
    let keys: Keys = read_json(answer)?;
    let mut found = Vec::new();
    for Object(key) in keys.data.ok_or_else(|| bad_answer("the answer has no `data`"))? {
        let Attributes { value, details } = key.attributes.unwrap_or_default().0;
        let value = value.or(key.id).filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| bad_answer("a tag has neither a value nor an id"))?;
        found.push(KnownValue { value, description: details.and_then(|details| details.0.description) });
    }
    Ok((found, None))
}

#[cfg(test)]
mod tests {
    use super::TAG_KEYS;
    use crate::sources::datadog::testing::{answer, shown, window};

    #[test]
    fn the_tags_of_a_metric_are_listed_and_an_answer_without_a_list_is_refused() {
        let listing = (TAG_KEYS.of)("all.cost", window("2026-11-01", "2026-11-30")).expect("a listing");
        assert_eq!(
            shown(std::slice::from_ref(&listing.first)),
            ["all.cost: /api/v2/cost/tag_keys?filter[metric]=all.cost"]
        );
        let read = |body: &str| (listing.read)(&listing.first, &answer(200, body));
        let body = r#"{"data":[{"id":"team","type":"cost_tag_key","attributes":{"value":"team","sources":["aws"],"details":{"description":"who pays"}}},{"id":"env"}]}"#;
        let (values, next) = read(body).expect("values");
        assert_eq!(values.iter().map(|known| known.value.as_str()).collect::<Vec<_>>(), ["team", "env"]);
        assert_eq!((values[0].description.as_deref(), next), (Some("who pays"), None));
        for (body, wanted) in [
            ("{}", "the answer has no `data`"),
            (r#"{"data":null}"#, "the answer has no `data`"),
            (r#"{"data":[{}]}"#, "a tag has neither a value nor an id"),
            ("<html>", "the answer is not a JSON object"),
        ] {
            assert_eq!(read(body).expect_err(body).message(), wanted);
        }
        assert!((TAG_KEYS.of)(" ", window("2026-11-01", "2026-11-30")).is_none());
    }
}
