//! Leaves out of answers who did something: ids, names and e-mail addresses of people are no part of a table of costs.
//!
//! | member | is left out |
//! |---|---|
//! | `created_by`, `updated_by` and any other name with `ed_by` in it | always |
//! | a name with `email` in it, or that is an address | always |
//! | a text of e-mail addresses and nothing else, also in a list | always |
//! | a member whose keys and values are tags | not looked into: people name tags as they like |
//! | anything nested deeper than 64 levels | whole |
//!
//! What stays keeps its text: numbers are not parsed.

use serde_json::Value;
use serde_json::value::RawValue;

use super::Members;

/// Members whose keys and values are tags.
const TAGS: [&str; 3] = ["dimensions", "correlated_tags", "tag_filters"];
/// Deepest level that is looked into.
const DEEPEST: usize = 64;

/// The JSON text without people; `None` for what is not JSON.
pub(in crate::sources) fn without(body: &[u8]) -> Option<Vec<u8>> {
    let mut text = Text::default();
    let raw = serde_json::from_slice::<&RawValue>(body).ok()?;
    text.append(raw.get(), 0)?;
    Some(text.json.into_bytes())
}

fn is_person(name: &str, json: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("ed_by") || name.contains("email") || is_one_address(&name) || is_address(json)
}

/// Whether a JSON text is that of e-mail addresses and nothing else, with names or without.
fn is_address(json: &str) -> bool {
    let Ok(text) = serde_json::from_str::<String>(json) else { return false };
    let mut parts = text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()).peekable();
    parts.peek().is_some() && parts.all(is_one_address)
}

/// `jo@acme.example`, `mailto:jo@acme.example` or `Jo <jo@acme.example>`.
fn is_one_address(text: &str) -> bool {
    let inner = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')).map_or(text, |(_, inner)| inner);
    let text = inner.trim().trim_start_matches("mailto:");
    let Some((user, host)) = text.split_once('@') else { return false };
    let is_part = |part: &str| !part.is_empty() && !part.contains(|c: char| c.is_whitespace() || ":/@{}()".contains(c));
    is_part(user) && is_part(host) && host.contains('.')
}

/// JSON text without people.
#[derive(Default)]
struct Text {
    json: String,
}

impl Text {
    /// Appends a value; `None` if it is not JSON.
    fn append(&mut self, json: &str, depth: usize) -> Option<()> {
        if depth > DEEPEST {
            self.json.push_str("null");
            return Some(());
        }
        match json.as_bytes().first()? {
            b'{' => self.append_members(serde_json::from_str::<Members<_>>(json).ok()?.0, depth),
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
    use super::without;

    #[test]
    fn people_are_left_out_and_everything_else_keeps_its_text() {
        for (body, wanted) in [
            (r#"{"a": 1.10, "created_by":"3ad5","b":[1e400, -0.0]}"#, r#"{"a":1.10,"b":[1e400,-0.0]}"#),
            (r#"{"updated_by":{"name":"Jo"}}"#, "{}"),
            (
                r#"{"x":{"dismissal":{"updated_by":"jo@acme.example","cause":"c"}}}"#,
                r#"{"x":{"dismissal":{"cause":"c"}}}"#,
            ),
            (r#"{"owner":"jo@acme.example","ownerEmail":"?","updated_by_user":{"h":"Jo"}}"#, "{}"),
            (r#"{"a":"jo\u0040acme.example","b":" x@y.z, Jo <jo@acme.example>;","c":"mailto:x@y.z","x@y.z":1}"#, "{}"),
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
        ] {
            let text = without(body.as_bytes()).expect(body);
            assert_eq!(String::from_utf8_lossy(&text), wanted, "{body}");
            assert_eq!(without(&text).as_ref(), Some(&text), "what is kept reads as what was read");
        }
        for body in ["no JSON", r#"{"cut":"#, ""] {
            assert_eq!(without(body.as_bytes()), None, "{body}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(without(deep.as_bytes()).is_some_and(|text| text.len() < 200));
    }
}
