//! The answer of `commitment-list`: six variants without a discriminator, read as one flat record.
//!
//! The variants overlap (an Azure VM reservation is also a valid Azure Savings Plan), so parsing follows the table's
//! columns, not the variant. Values that fit no column are kept in `extra`:
//!
//! | column | value | becomes |
//! |---|---|---|
//! | any | absent, `null` | null |
//! | string | text; `""` | the text; null |
//! | string | number, true, false | its JSON text |
//! | double | number | the nearest double |
//! | boolean | true, false | the same |
//! | any | anything else | null, and the value under its name in `extra` |
//! | none | anything | the value under its name in `extra` |

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::request::{Answer, Get};
use crate::sources::datadog::{Cell, bad_answer, number, present, read_json, unit_name};
use crate::table::{Column, ColumnType};

/// The answer, with its items still unparsed.
#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    commitments: Option<Option<Vec<&'a RawValue>>>,
    #[serde(default)]
    meta: Value,
}

/// The answer's items and the unit of their hourly spend.
pub(super) struct Page<'a> {
    pub(super) items: Vec<Item<'a>>,
    pub(super) spend_unit: Option<String>,
}

/// One commitment.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) id: Cow<'a, str>,
    fields: BTreeMap<String, &'a RawValue>,
}

/// Reads the answer to `get`.
pub(super) fn read<'a>(get: &Get, answer: &'a Answer) -> Result<Page<'a>> {
    let list: List<'a> = read_json(get, answer)?;
    let Some(commitments) = list.commitments else {
        return Err(bad_answer(get, "the answer has no `commitments`"));
    };
    let items = commitments.unwrap_or_default();
    let items = items.into_iter().enumerate().map(|(index, raw)| read_item(get, index, raw));
    let spend_unit = list.meta.get("committed_spend_unit").and_then(unit_name);
    Ok(Page { items: items.collect::<Result<_>>()?, spend_unit })
}

fn read_item<'a>(get: &Get, index: usize, raw: &'a RawValue) -> Result<Item<'a>> {
    let bad = |message: &str| bad_answer(get, message).at("item", index);
    let mut fields: BTreeMap<String, &'a RawValue> =
        serde_json::from_str(raw.get()).map_err(|error| bad("a commitment is not a JSON object").because(error))?;
    let id = fields.remove("commitment_id").and_then(|raw| text(raw.get()));
    match id.filter(|id| !id.trim().is_empty()) {
        Some(id) => Ok(Item { id, fields }),
        None => Err(bad("a commitment has no `commitment_id`")),
    }
}

/// Text unchanged; numbers and booleans as their JSON text; anything else is `None`.
fn text(raw: &str) -> Option<Cow<'_, str>> {
    match raw.bytes().next()? {
        b'"' => serde_json::from_str::<Cow<'_, str>>(raw).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(Cow::Borrowed(raw)),
    }
}

/// A value of an item in the type of its column.
#[derive(Debug, PartialEq)]
pub(super) enum Field<'a> {
    Null,
    Text(Cow<'a, str>),
    Double(f64),
    Boolean(bool),
}

impl<'a> Field<'a> {
    pub(super) fn cell(&'a self) -> Cell<'a> {
        match self {
            Self::Null => Cell::Null,
            Self::Text(text) => Cell::Text(text),
            Self::Double(number) => Cell::Double(*number),
            Self::Boolean(flag) => Cell::Boolean(*flag),
        }
    }
}

impl<'a> Item<'a> {
    /// Removes the value of `column` from the item; a value that does not fit stays for [`Item::extra`].
    pub(super) fn take(&mut self, get: &Get, column: &Column) -> Result<Field<'a>> {
        let Some(raw) = self.fields.get(&column.name).map(|raw| raw.get()) else { return Ok(Field::Null) };
        let value = match (column.kind, raw) {
            (_, "null" | "\"\"") => Some(Field::Null),
            (ColumnType::String, _) => text(raw).map(Field::Text),
            (ColumnType::Boolean, "true" | "false") => Some(Field::Boolean(raw == "true")),
            (ColumnType::Double, _) if raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) => {
                let too_large = || bad_answer(get, format!("`{}` is too large for a double", column.name));
                Some(Field::Double(number(raw).ok_or_else(|| too_large().at("commitment", &self.id))?))
            }
            _ => None,
        };
        if value.is_some() {
            self.fields.remove(&column.name);
        }
        Ok(value.unwrap_or(Field::Null))
    }

    /// The names of the fields that were not taken.
    pub(super) fn left(&self) -> impl Iterator<Item = &String> {
        self.fields.keys()
    }

    /// The fields that were not taken, as the text of one JSON object with sorted keys at every depth.
    pub(super) fn extra(&self, get: &Get) -> Result<Option<String>> {
        if self.fields.is_empty() {
            return Ok(None);
        }
        let mut extra = String::from("{");
        for (index, (name, raw)) in self.fields.iter().enumerate() {
            let unreadable =
                |error| bad_answer(get, format!("`{name}` cannot be read")).at("commitment", &self.id).because(error);
            if index > 0 {
                extra.push(',');
            }
            extra.push_str(&Value::from(name.as_str()).to_string());
            extra.push(':');
            if raw.get().starts_with(['{', '[', '"']) {
                let value: Value = serde_json::from_str(raw.get()).map_err(unreadable)?;
                extra.push_str(&value.to_string());
            } else {
                extra.push_str(raw.get());
            }
        }
        extra.push('}');
        Ok(Some(extra))
    }
}
