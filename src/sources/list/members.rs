//! The members of a JSON object: all of them in their order, or each there once.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Fields;

/// Names and values in their order, duplicates included.
#[derive(Debug)]
pub(in crate::sources) struct Members<V>(pub(in crate::sources) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Members<V> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Pairs<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Pairs<V> {
            type Value = Members<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Members(pairs))
            }
        }
        input.deserialize_map(Pairs(PhantomData))
    }
}

/// Members by name; an object that has one twice is refused: nobody can say which of the two is right.
#[derive(Debug, Default)]
pub(in crate::sources) struct Unique<'a>(pub(in crate::sources) Fields<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for Unique<'a> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let mut members = Fields::new();
        for (name, raw) in Members::<&RawValue>::deserialize(input)?.0 {
            if members.insert(name.clone(), raw).is_some() {
                return Err(D::Error::custom(format_args!("the member `{name}` is there twice")));
            }
        }
        Ok(Self(members))
    }
}
