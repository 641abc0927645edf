//! All keys of a job file: the check for unknown keys, the published JSON Schema and `docs/reference/keys.md` come
//! from them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::job::keys::{Key, Shape};

use super::{Entry, REGISTRY};

/// Every key of any source, each once, but that sources may explain one path differently.
#[must_use]
pub fn all() -> Vec<&'static Key> {
    let mut keys: Vec<&'static Key> = Vec::new();
    for key in REGISTRY.iter().flat_map(|entry| entry.keys()) {
        if !keys.iter().any(|known| **known == *key) {
            keys.push(key);
        }
    }
    keys
}

/// The sources whose jobs may have a key.
#[must_use]
pub fn sources_of(path: &str) -> Vec<&'static Entry> {
    REGISTRY.iter().filter(|entry| entry.keys().any(|key| key.path == path)).copied().collect()
}

/// Whether a job file may have a section of this name.
#[must_use]
pub fn is_section(name: &str) -> bool {
    sections().contains(name)
}

/// The sections that a job file may have.
#[must_use]
pub fn sections() -> BTreeSet<&'static str> {
    let keys = REGISTRY.iter().flat_map(|entry| entry.keys());
    keys.filter_map(|key| key.path.split_once('.').map(|(section, _)| section)).collect()
}

/// The JSON Schema (draft 2020-12) of a job file, published as `schemas/job.schema.json`.
#[must_use]
pub fn json_schema() -> Value {
    let mut properties = serde_json::Map::new();
    let all = all();
    for key in &all {
        let same: Vec<&Key> = all.iter().filter(|other| other.path == key.path).copied().collect();
        let described = describe(&same);
        match key.path.split_once('.') {
            None => {
                properties.insert(key.path.to_owned(), described);
            }
            Some((section, name)) => {
                let entry = properties
                    .entry(section)
                    .or_insert_with(|| json!({ "type": "object", "additionalProperties": false, "properties": {} }));
                entry["properties"][name] = described;
            }
        }
    }
    properties["source"]["required"] = json!(["type"]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "costlake job",
        "description": "One job file in jobs/; its stem names the table.",
        "type": "object",
        "required": ["source"],
        "additionalProperties": false,
        "properties": properties,
    })
}

/// A key of one path; where sources differ, each says what it is there.
fn describe(keys: &[&Key]) -> Value {
    let docs: Vec<String> = match keys {
        [one] => vec![format!("{}. Default: {}.", one.doc, one.default)],
        several => {
            several.iter().map(|key| format!("{}: {}. Default: {}.", owners(key), key.doc, key.default)).collect()
        }
    };
    let mut shapes: Vec<Value> = Vec::new();
    for key in keys {
        let shape = shape(key.shape);
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    let mut described = if shapes.len() == 1 { shapes.remove(0) } else { json!({ "anyOf": shapes }) };
    described["description"] = json!(docs.join(" "));
    described
}

/// The sources whose key this is.
fn owners(key: &Key) -> String {
    let owns = |entry: &&&Entry| entry.keys().any(|own| *own == *key);
    REGISTRY.iter().filter(owns).map(|entry| entry.name).collect::<Vec<_>>().join(", ")
}

fn shape(shape: Shape) -> Value {
    match shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::OneOf(names) => json!({ "type": "string", "enum": names }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Whole => json!({ "type": "integer" }),
        Shape::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Shape::Tables => json!({ "type": "array", "items": { "type": "object" } }),
        Shape::Table => json!({ "type": "object" }),
    }
}
