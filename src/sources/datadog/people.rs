//! Leaves out of answers who did something: ids, names and e-mail addresses of people are no part of a table of costs.
//!
//! | member | is left out |
//! |---|---|
//! | `created_by`, `updated_by` and any other name that ends with `ed_by` | always |
//! | a name with `email` in it | always |
//! | a text that is an e-mail address and nothing else, also in a list | always |
//! | a member whose keys and values are tags | not looked into: people name tags as they like |
//! | anything nested deeper than 64 levels | whole |
//!
//! What stays keeps its text: numbers are not parsed.

use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::sources::list::Fields;

/// Members whose keys and values are tags.
const TAGS: [&str; 3] = ["dimensions", "correlated_tags", "tag_filters"];
/// Deepest level that is looked into.
const DEEPEST: usize = 64;

/// The members of an object in their order, duplicates included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        input.deserialize_map(Pairs).map(Members)
    }
}

/// The JSON text without people; `{}` for what is not JSON.
pub(in crate::sources) fn without(body: &[u8]) -> Vec<u8> {
    let mut text = Text::default();
    let raw = serde_json::from_slice::<&RawValue>(body).ok();
    match raw.and_then(|raw| text.append(raw.get(), 0)) {
        Some(()) => text.json.into_bytes(),
        None => b"{}".to_vec(),
    }
}

/// Removes the fields that are people, and those that hold any.
pub(in crate::sources) fn remove(fields: &mut Fields<'_>) {
    let is_free = |json: &str| {
        let mut text = Text::default();
        text.append(json, 0).is_some() && !text.has_lost
    };
    fields.retain(|name, raw| !is_person(name, raw.get()) && (TAGS.contains(&name.as_str()) || is_free(raw.get())));
}

fn is_person(name: &str, json: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.ends_with("ed_by") || name.contains("email") || is_address(json)
}

/// Whether a JSON text is that of an e-mail address.
fn is_address(json: &str) -> bool {
    let Some(text) = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let Some((user, host)) = text.split_once('@') else { return false };
    let is_part = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || ":/@{}()".contains(c));
    is_part(user) && is_part(host) && host.contains('.')
}

/// JSON text without people.
#[derive(Default)]
struct Text {
    json: String,
    /// Whether anything was left out.
    has_lost: bool,
}

impl Text {
    /// Appends a value; `None` if it is not JSON.
    fn append(&mut self, json: &str, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            self.has_lost = true;
            self.json.push_str("null");
            return Some(());
        }
        match json.as_bytes().first()? {
            b'{' => self.append_members(serde_json::from_str::<Members<'_>>(json).ok()?.0, depth),
            b'[' => self.append_items(serde_json::from_str(json).ok()?, depth),
            _ => {
                self.json.push_str(json);
                Some(())
            }
        }
    }

    fn append_members(&mut self, members: Vec<(String, &RawValue)>, depth: usize) -> Option<()> {
        let mut before = '{';
        for (name, raw) in &members {
            if is_person(name, raw.get()) {
                self.has_lost = true;
                continue;
            }
            self.json.push(before);
            before = ',';
            self.json.push_str(&Value::from(name.as_str()).to_string());
            self.json.push(':');
            if TAGS.contains(&name.as_str()) {
                self.json.push_str(raw.get());
            } else {
                self.append(raw.get(), depth + 1)?;
            }
        }
        self.json.push_str(if before == '{' { "{}" } else { "}" });
        Some(())
    }

    fn append_items(&mut self, items: Vec<&RawValue>, depth: usize) -> Option<()> {
        let mut before = '[';
        for raw in items {
            if is_address(raw.get()) {
                self.has_lost = true;
                continue;
            }
            self.json.push(before);
            before = ',';
            self.append(raw.get(), depth + 1)?;
        }
        self.json.push_str(if before == '[' { "[]" } else { "]" });
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{remove, without};
    use crate::sources::list::Fields;

    #[test]
    fn people_are_left_out_and_everything_else_keeps_its_text() {
        for (body, wanted) in [
            (r#"{"a": 1.10, "created_by":"3ad5","b":[1e400, -0.0]}"#, r#"{"a":1.10,"b":[1e400,-0.0]}"#),
            (r#"{"updated_by":{"name":"Jo"}}"#, "{}"),
            (
                r#"{"x":{"dismissal":{"updated_by":"jo@acme.example","cause":"c"}}}"#,
                r#"{"x":{"dismissal":{"cause":"c"}}}"#,
            ),
            (r#"{"owner":"jo@acme.example","ownerEmail":"?"}"#, "{}"),
            (r#"{"people":["jo@acme.example","b"],"one":["jo@acme.example"]}"#, r#"{"people":["b"],"one":[]}"#),
            (
                r#"{"note":"ask jo@acme.example","q":"a{user:jo@acme.example}"}"#,
                r#"{"note":"ask jo@acme.example","q":"a{user:jo@acme.example}"}"#,
            ),
            (
                r#"{"correlated_tags":{"created_by":["jo@acme.example"]}}"#,
                r#"{"correlated_tags":{"created_by":["jo@acme.example"]}}"#,
            ),
            (r#"{"a":"\u00e9","a":2}"#, r#"{"a":"\u00e9","a":2}"#),
            (r#"["jo@acme.example"]"#, "[]"),
            ("no JSON", "{}"),
            (r#"{"cut":"#, "{}"),
            ("", "{}"),
        ] {
            assert_eq!(String::from_utf8_lossy(&without(body.as_bytes())), wanted, "{body}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(without(deep.as_bytes()).len() < 200);
    }

    #[test]
    fn fields_that_hold_people_are_removed_whole() {
        let raws = [
            ("created_by", r#""3ad5""#),
            ("audit", r#"{"by":{"modified_by":"x"}}"#),
            ("owner", r#""jo@acme.example""#),
            ("list", r#"[ 1 , 2 ]"#),
            ("dimensions", r#"{"team":"jo@acme.example"}"#),
            ("total", "1.10"),
        ]
        .map(|(name, json)| (name, RawValue::from_string(json.to_owned()).expect("JSON")));
        let mut fields: Fields<'_> = raws.iter().map(|(name, raw)| ((*name).to_owned(), raw.as_ref())).collect();
        remove(&mut fields);
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["dimensions", "list", "total"]);
    }
}
