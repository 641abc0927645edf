//! What new figures of a settled month are compared with before they are taken: its sums when it settled or when a
//! person last accepted it, and the changes taken since. Small changes accumulate here, so that a sequence of them does
//! not pass as one small change.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::Ledger;

/// The figures of one month.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Baseline {
    /// When the month settled, or when a person last accepted it; after an acceptance `figures` is empty until needed.
    pub at: DateTime<Utc>,
    /// By `column currency`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub figures: BTreeMap<String, Figure>,
}

/// One column in one currency, in counts of 10^-12. Figures compare by how far they moved first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Figure {
    /// Sum of the absolute changes of the groups taken since.
    #[serde(with = "text")]
    pub moved: i128,
    /// Net sum of the changes taken since.
    #[serde(with = "text")]
    pub net: i128,
    /// Sum of the month.
    #[serde(with = "text")]
    pub sum: i128,
    /// Sum of the groups' absolute amounts.
    #[serde(with = "text")]
    pub gross: i128,
}

/// Changes of figures by month and `column currency`.
pub type Moves = BTreeMap<NaiveDate, BTreeMap<String, Figure>>;

/// The largest figure: as many digits as a column of amounts has.
const MOST: i128 = 10_i128.pow(38) - 1;

/// `a + b`, clamped to 38 digits.
#[must_use]
pub fn add(a: i128, b: i128) -> i128 {
    a.saturating_add(b).clamp(-MOST, MOST)
}

impl Figure {
    /// The sum of both, field by field.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            moved: add(self.moved, other.moved),
            net: add(self.net, other.net),
            sum: add(self.sum, other.sum),
            gross: add(self.gross, other.gross),
        }
    }

    /// The same with all signs inverted.
    fn turned(self) -> Self {
        Self { moved: -self.moved, net: -self.net, sum: -self.sum, gross: -self.gross }
    }
}

impl Baseline {
    /// The join of two ledgers' baselines: the later one; of two with the same time, figure by figure the one that
    /// moved further.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        if self.at != other.at {
            return if self.at > other.at { self } else { other };
        }
        let mut figures = self.figures;
        for (key, figure) in other.figures {
            let known = figures.entry(key).or_insert(figure);
            *known = figure.max(*known);
        }
        Self { at: self.at, figures }
    }
}

impl Ledger {
    /// Reverts what was counted for rows that were not committed.
    pub fn take_back(&mut self, moves: &Moves) {
        for (month, figures) in moves {
            let Some(baseline) = self.baselines.get_mut(month) else { continue };
            for (key, moved) in figures {
                if let Some(figure) = baseline.figures.get_mut(key) {
                    *figure = figure.plus(moved.turned());
                }
            }
        }
    }
}

/// A count of 10^-12 as decimal text.
mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::decimal;

    // Serde passes a reference.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn serialize<S: Serializer>(amount: &i128, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&decimal::text(*amount))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i128, D::Error> {
        let text = String::deserialize(deserializer)?;
        decimal::parse(&text).map_err(|fault| D::Error::custom(format!("\"{text}\" {fault}")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Baseline, Figure, MOST, Moves};
    use crate::ledger::Ledger;
    use chrono::{DateTime, NaiveDate};
    use proptest::collection::btree_map;
    use proptest::{prop_assert_eq, proptest};

    fn figure(moved: i128, net: i128) -> Figure {
        Figure { moved, net, sum: 100, gross: 120 }
    }

    fn baseline(at: i64, figures: &[(&str, Figure)]) -> Baseline {
        let figures = figures.iter().map(|(key, figure)| ((*key).to_owned(), *figure)).collect();
        Baseline { at: DateTime::from_timestamp(at, 0).expect("an instant"), figures }
    }

    #[test]
    fn a_persons_word_is_later_than_what_was_counted_and_two_counts_are_joined() {
        let counted = baseline(5, &[("cost USD", figure(7, -3)), ("cost EUR", figure(1, 1))]);
        assert_eq!(counted.clone().merge(baseline(9, &[])), baseline(9, &[]), "accepted since");
        let other = baseline(5, &[("cost USD", figure(9, 0))]);
        let joined = baseline(5, &[("cost USD", figure(9, 0)), ("cost EUR", figure(1, 1))]);
        assert_eq!(counted.merge(other), joined);
    }

    #[test]
    fn figures_are_text_and_the_largest_ones_come_back() {
        let most = Figure { moved: MOST, net: -MOST, sum: 1, gross: 0 }.plus(Figure {
            moved: MOST,
            net: -1,
            sum: 0,
            gross: 0,
        });
        assert_eq!((most.moved, most.net), (MOST, -MOST));
        let text = serde_json::to_string(&most).expect("JSON");
        assert!(text.contains(r#""sum":"0.000000000001""#), "{text}");
        assert_eq!(serde_json::from_str::<Figure>(&text).expect("a figure"), most);
    }

    #[test]
    fn what_was_not_committed_is_taken_back() {
        let month = NaiveDate::from_ymd_opt(2026, 10, 1).expect("a day");
        let mut ledger = Ledger::empty("costs");
        ledger.baselines.insert(month, baseline(5, &[("cost USD", figure(7, -3))]));
        let moves: Moves =
            [(month, [("cost USD".to_owned(), Figure { moved: 3, net: -3, sum: 0, gross: 0 })].into())].into();
        ledger.take_back(&moves);
        assert_eq!(ledger.baselines[&month], baseline(5, &[("cost USD", figure(4, 0))]));
    }

    proptest! {
        #[test]
        fn it_is_a_join(
            a in (0_i64..3, btree_map("[ab]", (0_i128..4, -2_i128..2), 0..3)),
            b in (0_i64..3, btree_map("[ab]", (0_i128..4, -2_i128..2), 0..3)),
            c in (0_i64..3, btree_map("[ab]", (0_i128..4, -2_i128..2), 0..3)),
        ) {
            let [a, b, c] = [a, b, c].map(|(at, figures)| {
                let figures = figures.into_iter().map(|(key, (moved, net))| (key, figure(moved, net))).collect();
                Baseline { at: DateTime::from_timestamp(at, 0).expect("an instant"), figures }
            });
            prop_assert_eq!(a.clone().merge(b.clone()), b.clone().merge(a.clone()));
            prop_assert_eq!(a.clone().merge(a.clone()), a.clone());
            prop_assert_eq!(a.clone().merge(b.clone()).merge(c.clone()), a.merge(b.merge(c)));
        }
    }
}
