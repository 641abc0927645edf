//! Summarises an error body in one line: the API has several error formats, its edge and proxies have more.
//!
//! | body | line |
//! |---|---|
//! | `{"errors":["a","b"]}` | `a; b` |
//! | `{"errors":[{"title":"T","detail":"D","source":{"parameter":"p"}}]}` | `T: D (p)` |
//! | `{"status":"error","code":403,"errors":["Forbidden"]}` | `Forbidden` |
//! | `{"error":"E"}`, `{"message":"M"}`, `{"detail":"D"}` | the text |
//! | other JSON | unchanged |
//! | HTML | its title, else the beginning of its text |
//! | anything else | its beginning |
//! | empty | `(empty body)` |
//!
//! A successful response may also contain errors, alone or beside incomplete data: [`beside_data`].

use serde::Deserialize;
use serde_json::Value;

/// How many bytes of a body are parsed.
const LOOKED_AT: usize = 64 * 1024;
/// Longest summary, in characters.
const SAID: usize = 300;

/// Summarises `body` in at most 300 characters; accepts any bytes.
#[must_use]
pub fn summarise(body: &[u8]) -> String {
    let body = body.get(..LOOKED_AT).unwrap_or(body);
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let said = match serde_json::from_str::<Value>(text) {
        Ok(json) => of_json(&json).unwrap_or_else(|| text.to_owned()),
        Err(_) if text.starts_with('<') => of_html(text),
        Err(_) => text.to_owned(),
    };
    let line = one_line(&said);
    if line.is_empty() { "(empty body)".to_owned() } else { line }
}

/// Summarises the `errors` of a successful response; `None` if there are none.
#[must_use]
pub fn beside_data(body: &[u8]) -> Option<String> {
    const MEMBER: &[u8] = b"\"errors\"";
    #[derive(Deserialize)]
    struct Said {
        #[serde(default)]
        errors: Value,
    }
    // Cheap checks first: bodies are long, and errors in them rare. Serde would also read the struct from an array.
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    if !is_object || !body.windows(MEMBER.len()).any(|part| part == MEMBER) {
        return None;
    }
    let errors = serde_json::from_slice::<Said>(body).ok()?.errors;
    let is_nothing = match &errors {
        Value::Null => true,
        Value::Bool(is_error) => !is_error,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.iter().all(Value::is_null),
        Value::Object(fields) => fields.is_empty(),
        Value::Number(_) => false,
    };
    (!is_nothing).then(|| summarise(serde_json::json!({ "errors": errors }).to_string().as_bytes()))
}

fn of_json(json: &Value) -> Option<String> {
    let found = match json {
        Value::String(text) => text.clone(),
        Value::Array(items) => join(items),
        Value::Object(fields) => {
            let errors = fields.get("errors").map(|errors| match errors {
                Value::Array(items) => join(items),
                other => item(other).unwrap_or_default(),
            });
            let others = ["error", "message", "detail", "title"].into_iter();
            errors
                .filter(|text| !text.is_empty())
                .or_else(|| others.filter_map(|name| item(fields.get(name)?)).next())?
        }
        _ => return None,
    };
    Some(found).filter(|text| !text.trim().is_empty())
}

fn join(items: &[Value]) -> String {
    items.iter().filter_map(item).collect::<Vec<_>>().join("; ")
}

/// One error: text, or an object of unknown shape.
fn item(value: &Value) -> Option<String> {
    let Value::Object(fields) = value else {
        return match value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
            other => Some(other.to_string()),
        };
    };
    let text = |name: &str| fields.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let words: Vec<&str> = ["title", "detail", "message"].into_iter().filter_map(text).collect();
    if words.is_empty() {
        return text("status").map(str::to_owned).or_else(|| Some(value.to_string()));
    }
    let source = fields.get("source").and_then(Value::as_object);
    let place =
        source.and_then(|source| ["parameter", "pointer", "header"].iter().find_map(|n| source.get(*n)?.as_str()));
    Some(words.join(": ") + &place.map(|place| format!(" ({place})")).unwrap_or_default())
}

fn of_html(html: &str) -> String {
    let lower = html.to_ascii_lowercase();
    let title = lower.find("<title").and_then(|at| {
        let start = at + lower.get(at..)?.find('>')? + 1;
        let end = start + lower.get(start..)?.find("</title")?;
        html.get(start..end)
    });
    let title = title.map(str::trim).filter(|title| !title.is_empty());
    title.map_or_else(|| without_tags(html), str::to_owned)
}

fn without_tags(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    if text.trim().is_empty() { "(a page without text)".to_owned() } else { text }
}

/// Collapses white space and control characters into single spaces, and truncates.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut line = String::new();
    let mut length = 0;
    for word in spaced.split_whitespace() {
        if length > SAID {
            break;
        }
        let gap = usize::from(!line.is_empty());
        line.extend(std::iter::repeat_n(' ', gap));
        line.push_str(word);
        length += gap + word.chars().count();
    }
    if length <= SAID {
        return line;
    }
    let mut cut: String = line.chars().take(SAID - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::{beside_data, summarise};

    #[test]
    fn every_shape_becomes_one_line() {
        for (body, wanted) in [
            (r#"{"errors":["API key required"]}"#, "API key required"),
            (r#"{"errors":["a", "b"]}"#, "a; b"),
            (r#"{"errors":[{"status":"404","title":"Not Found"}]}"#, "Not Found"),
            (
                r#"{"errors":[{"status":"400","title":"Invalid Parameter","detail":"bad \"id\"","source":{"parameter":"id"}}]}"#,
                "Invalid Parameter: bad \"id\" (id)",
            ),
            (r#"{"errors":[null,"a",{"detail":"d"},{"status":"500"},{"meta":{}},7]}"#, r#"a; d; 500; {"meta":{}}; 7"#),
            (r#"{"status":"error","code":403,"errors":["Forbidden"],"statuspage":"http://x"}"#, "Forbidden"),
            (r#"{"errors":"broken"}"#, "broken"),
            (r#"{"errors":[],"message":"slow down"}"#, "slow down"),
            (r#"{"errors":[]}"#, r#"{"errors":[]}"#),
            (r#"{"error":{"message":"m"}}"#, "m"),
            (r#"["x",{"title":"y"}]"#, "x; y"),
            (r#""just text""#, "just text"),
            ("null", "null"),
            ("<!DOCTYPE html><html><head><TITLE>502\n Bad Gateway</TITLE></head>", "502 Bad Gateway"),
            ("<html><body><h1>Forbidden</h1><p>by the edge</p></body></html>", "Forbidden by the edge"),
            ("<html><title>cut of", "cut of"),
            ("<br>", "(a page without text)"),
            ("upstream connect error\r\n\x1b[31mreset", "upstream connect error [31mreset"),
            ("\u{feff}  {\"errors\":[\"bom\"]}", "bom"),
            ("{\"errors\":[\"cut", "{\"errors\":[\"cut"),
            (" \n", "(empty body)"),
            ("", "(empty body)"),
        ] {
            assert_eq!(summarise(body.as_bytes()), wanted, "{body}");
        }
    }

    #[test]
    fn errors_beside_data_are_found() {
        for (body, wanted) in [
            (r#"{"errors":["no access","to this"]}"#, Some("no access; to this")),
            (r#"{"commitments":[],"errors":[{"title":"Timeout","detail":"of a part"}]}"#, Some("Timeout: of a part")),
            (r#"{"data":[{"errors":["of an item"]}]}"#, None),
            (r#"{"data":["errors"],"errors":"broken"}"#, Some("broken")),
            (r#"{"errors":{"message":"m"}}"#, Some("m")),
            (
                r#"{"data":{"attributes":{"series":[],"times":[],"values":[]}},"errors":"the query timed out"}"#,
                Some("the query timed out"),
            ),
            (r#"{"errors":true}"#, Some("true")),
            (r#"{"commitments":[],"errors":[]}"#, None),
            (r#"{"commitments":[],"errors":[null]}"#, None),
            (r#"{"commitments":[],"errors":null}"#, None),
            (r#"{"commitments":[],"errors":""}"#, None),
            (r#"{"commitments":[],"errors":{}}"#, None),
            (r#"["errors"]"#, None),
            (r#"{"errors":["cut"#, None),
            ("", None),
        ] {
            assert_eq!(beside_data(body.as_bytes()).as_deref(), wanted, "{body}");
        }
    }

    #[test]
    fn nothing_is_too_odd_or_too_large() {
        assert_eq!(summarise(b"\xff\xfe oops"), "\u{fffd}\u{fffd} oops");
        for body in [vec![b'['; 10 << 20], vec![b'<'; 10 << 20], vec![0; 1 << 20], "é ".repeat(1 << 20).into_bytes()] {
            assert!(summarise(&body).chars().count() <= 300);
        }
        let long = summarise(format!("{{\"errors\":[\"{}\"]}}", "word ".repeat(100)).as_bytes());
        assert!(long.ends_with('…') && long.chars().count() == 300, "{long}");
    }
}
