//! Named edits that make good JSON malformed.

use serde::Deserialize;
use serde_json::{Value, json};

/// One case.
#[derive(Deserialize, Clone, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    pub(super) name: String,
    /// Index of the good answer that is edited, from 0.
    #[serde(default)]
    pub(super) page: usize,
    /// Values by JSON pointer; a pointer that ends in `-` appends to a list.
    #[serde(default)]
    set: toml::Table,
    /// Pointers whose value becomes `null`.
    #[serde(default)]
    null: Vec<String>,
    /// Pointers whose value is removed.
    #[serde(default)]
    remove: Vec<String>,
    /// Pointers of list elements that are appended once more.
    #[serde(default)]
    again: Vec<String>,
    /// Pairs of text: the first occurrence of one is replaced by the other in the serialized answer.
    #[serde(default)]
    swap: Vec<[String; 2]>,
    /// Replaces the whole body.
    body: Option<String>,
    /// Text before and after the body.
    #[serde(default)]
    before: String,
    #[serde(default)]
    behind: String,
    /// Thousandths of the body that are sent.
    cut: Option<usize>,
    /// `bom`, `utf-16`, `latin-1` or `gzip`.
    coded: Option<String>,
    pub(super) status: Option<u16>,
    #[serde(default)]
    pub(super) headers: std::collections::BTreeMap<String, String>,
    /// How many more times the answer is sent.
    #[serde(default)]
    pub(super) repeat: usize,
}

/// The product of places and edits.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cross {
    places: Vec<String>,
    becomes: Vec<String>,
    #[serde(default)]
    page: usize,
}

impl Cross {
    /// Every edit at every place.
    pub(super) fn edits(&self) -> Vec<Edit> {
        let of = |place: &String| self.becomes.iter().map(|what| self.edit(place, what)).collect::<Vec<_>>();
        self.places.iter().flat_map(of).collect()
    }

    fn edit(&self, place: &str, what: &str) -> Edit {
        let on = if self.page == 0 { String::new() } else { format!(" of answer {}", self.page + 1) };
        let mut edit = Edit { name: format!("{place}{on} is {what}"), page: self.page, ..Edit::default() };
        let value: toml::Value = match what {
            "gone" => {
                edit.remove.push(place.to_owned());
                return edit;
            }
            "null" => {
                edit.null.push(place.to_owned());
                return edit;
            }
            "text" => "oops".into(),
            "empty" => "".into(),
            "a number" => 7.into(),
            "true" => true.into(),
            "a list" => toml::Value::Array(vec!["oops".into()]),
            "an object" => toml::Value::Table([("oops".to_owned(), 1.into())].into_iter().collect()),
            other => panic!("nothing becomes `{other}`"),
        };
        edit.set.insert(place.to_owned(), value);
        edit
    }
}

impl Edit {
    /// The edited body of a good answer.
    pub(super) fn body(&self, good: &str) -> Vec<u8> {
        let text = self.body.clone().unwrap_or_else(|| self.edited(good));
        let mut text = format!("{}{text}{}", self.before, self.behind);
        for [from, to] in &self.swap {
            assert!(text.contains(from.as_str()), "{}: `{from}` is not in {text}", self.name);
            text = text.replacen(from.as_str(), to, 1);
        }
        let mut bytes = match self.coded.as_deref() {
            None => text.into_bytes(),
            Some("bom") => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            Some("utf-16") => [0xfeff_u16].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect(),
            Some("latin-1") => text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect(),
            // A gzip header before plain text: enough for code that checks only the magic bytes.
            Some("gzip") => [b"\x1f\x8b\x08\0\0\0\0\0\0\xff", text.as_bytes()].concat(),
            Some(other) => panic!("there is no coding `{other}`"),
        };
        if let Some(thousandths) = self.cut {
            bytes.truncate(bytes.len() * thousandths / 1_000);
        }
        bytes
    }

    fn edited(&self, good: &str) -> String {
        if self.set.is_empty() && self.null.is_empty() && self.remove.is_empty() && self.again.is_empty() {
            return good.to_owned();
        }
        let mut json: Value = serde_json::from_str(good).expect("a good answer");
        for place in &self.again {
            let value = json.pointer(place).expect("a place").clone();
            let (list, _) = place.rsplit_once('/').expect("a pointer");
            json.pointer_mut(list).and_then(Value::as_array_mut).expect("a list").push(value);
        }
        for place in &self.remove {
            take(&mut json, place);
        }
        let nulls = self.null.iter().map(|place| (place, json!(null)));
        let set = self.set.iter().map(|(place, value)| (place, serde_json::to_value(value).expect("a value")));
        for (place, value) in nulls.chain(set) {
            put(&mut json, place, value);
        }
        json.to_string()
    }
}

fn put(json: &mut Value, place: &str, value: Value) {
    let Some((parent, last)) = place.rsplit_once('/') else { return *json = value };
    match json.pointer_mut(parent) {
        Some(Value::Object(fields)) => drop(fields.insert(last.replace("~1", "/"), value)),
        Some(Value::Array(items)) if last == "-" => items.push(value),
        Some(Value::Array(items)) => items[last.parse::<usize>().expect("an index")] = value,
        _ => panic!("there is nothing at {place}"),
    }
}

fn take(json: &mut Value, place: &str) {
    let (parent, last) = place.rsplit_once('/').expect("a pointer");
    match json.pointer_mut(parent) {
        Some(Value::Object(fields)) => drop(fields.remove(last).unwrap_or_else(|| panic!("nothing at {place}"))),
        Some(Value::Array(items)) => drop(items.remove(last.parse().expect("an index"))),
        _ => panic!("there is nothing at {place}"),
    }
}
