//! The members of a JSON object, each there once: of two with one name, nobody can say which is right.

use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::Fields;

/// Members by name; an object that has one twice is refused.
#[derive(Debug, Default)]
pub(in crate::sources) struct Unique<'a>(pub(in crate::sources) Fields<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Unique<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Fields::new();
                while let Some((name, raw)) = map.next_entry::<String, _>()? {
                    if members.insert(name.clone(), raw).is_some() {
                        return Err(A::Error::custom(format_args!("the member `{name}` is there twice")));
                    }
                }
                Ok(members)
            }
        }
        input.deserialize_map(Members).map(Unique)
    }
}
