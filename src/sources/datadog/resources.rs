//! Objects in JSON:API envelopes, `{"id": …, "type": …, "attributes": {…}}`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::Result;
use crate::request::Answer;
use crate::sources::list::Fields;
use crate::sources::list::row::text;

use super::{Object, bad_answer, present, read_json};

/// One object: its id and its attributes, none if the answer has none.
#[derive(Debug)]
pub(in crate::sources) struct Resource<'a> {
    pub(in crate::sources) id: String,
    pub(in crate::sources) attributes: Fields<'a>,
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    data: Option<Option<Vec<Object<Wire<'a>>>>>,
}

/// An object of an envelope, not yet checked.
#[derive(Deserialize)]
pub(in crate::sources) struct Wire<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    attributes: Option<Fields<'a>>,
}

impl<'a> Wire<'a> {
    /// The object, which must have an id: text or a number.
    pub(in crate::sources) fn checked(self) -> Result<Resource<'a>> {
        let id = self.id.and_then(|raw| text(raw.get())).filter(|id| !id.trim().is_empty());
        let id = id.ok_or_else(|| bad_answer("an object has no `id`"))?.into_owned();
        Ok(Resource { id, attributes: self.attributes.unwrap_or_default() })
    }
}

/// Reads the objects of a list; `"data": null` is an empty one.
pub(in crate::sources) fn read_list(answer: &Answer) -> Result<Vec<Resource<'_>>> {
    let list: List<'_> = read_json(answer)?;
    let data = list.data.ok_or_else(|| bad_answer("the answer has no `data`"))?.unwrap_or_default();
    let checked = data.into_iter().enumerate();
    checked.map(|(index, Object(wire))| wire.checked().map_err(|error| error.at("item", index))).collect()
}
