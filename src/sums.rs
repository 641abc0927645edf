//! Sums of a slot's amount columns, by column name, as decimal text.
//!
//! A ledger holds two of these for every day of its table. As small maps their nodes and strings would take most of a
//! long ledger's memory, so all names and sums of a slot share one string, which is scanned from the start:
//!
//! ```text
//! blended_cost ␀ 12.5 ␀ unblended_cost ␀ 12.75 ␀
//! ```
//!
//! In JSON it is an object, as a map would be.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Terminates each name and each sum; neither may contain it.
const END: char = '\0';

/// Decimal text by column name, ordered by name; each name once.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sums(Box<str>);

impl Sums {
    /// Whether there are no sums.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and sums, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut parts = self.0.split_terminator(END);
        std::iter::from_fn(move || Some((parts.next()?, parts.next()?)))
    }

    /// The sum of a column.
    #[must_use]
    pub fn get(&self, column: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == column).map(|(_, sum)| sum)
    }

    /// The sums of the columns for which `keeps` is true.
    #[must_use]
    pub fn only(&self, keeps: impl Fn(&str) -> bool) -> Self {
        self.iter().filter(|(name, _)| keeps(name)).collect()
    }
}

/// If a name repeats, the last sum wins. Names are column names and sums are decimal text: neither contains a NUL.
impl<N: Into<String>, S: Into<String>> FromIterator<(N, S)> for Sums {
    fn from_iter<I: IntoIterator<Item = (N, S)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter().map(|(name, sum)| (name.into(), sum.into()));
        let sorted: BTreeMap<String, String> = pairs.collect();
        debug_assert!(
            sorted.iter().all(|(name, sum)| !name.contains(END) && !sum.contains(END)),
            "a NUL in {sorted:?}"
        );
        let mut text = String::with_capacity(sorted.iter().map(|(name, sum)| name.len() + sum.len() + 2).sum());
        for part in sorted.iter().flat_map(|(name, sum)| [name, sum]) {
            text.push_str(part);
            text.push(END);
        }
        Self(text.into_boxed_str())
    }
}

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Sums {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Sums {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Pairs)
    }
}

struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Sums;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of sums by column name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Sums, A::Error> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        while let Some((name, sum)) = map.next_entry::<String, String>()? {
            if name.contains(END) || sum.contains(END) {
                return Err(A::Error::custom("a sum or its column's name has a NUL in it"));
            }
            pairs.push((name, sum));
        }
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::Sums;
    use proptest::collection::{btree_map, vec};
    use proptest::{prop_assert_eq, proptest};
    use std::collections::BTreeMap;

    #[test]
    fn a_name_with_a_nul_is_refused() {
        for text in [r#"{"a\u0000b":"1"}"#, r#"{"a":"1\u00002"}"#] {
            let error = serde_json::from_str::<Sums>(text).expect_err("refused").to_string();
            assert!(error.contains("has a NUL in it"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn it_is_what_a_map_would_be(pairs in vec(("[a-cé]{0,3}", "-?[0-9.]{0,4}"), 0..8), other in "[a-c]{0,3}") {
            let map: BTreeMap<String, String> = pairs.iter().cloned().collect();
            let sums: Sums = pairs.into_iter().collect();
            let json = serde_json::to_string(&map).expect("JSON");
            prop_assert_eq!(serde_json::to_string(&sums).expect("JSON"), json.clone());
            prop_assert_eq!(&serde_json::from_str::<Sums>(&json).expect("sums"), &sums);
            prop_assert_eq!(sums.get(&other), map.get(&other).map(String::as_str));
            prop_assert_eq!(sums.is_empty(), map.is_empty());
            let fewer: BTreeMap<_, _> = map.into_iter().filter(|(name, _)| *name != other).collect();
            prop_assert_eq!(sums.only(|name| name != other), fewer.into_iter().collect());
        }

        #[test]
        fn equal_maps_are_equal_in_whatever_order(map in btree_map("[a-c]{0,2}", "[0-9]{0,2}", 0..6)) {
            let forth: Sums = map.clone().into_iter().collect();
            prop_assert_eq!(forth, map.into_iter().rev().collect());
        }
    }
}
