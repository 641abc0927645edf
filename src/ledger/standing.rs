//! Whether an object is the one the ledger knows, judged by its footer's facts of each day, not by its generation
//! number alone: a restored backup, or an object of another lake, may have any number.
//!
//! | the object's generation | its days | verdict |
//! |---|---|---|
//! | the ledger's | are the ledger's, digest by digest | the same |
//! | the ledger's | differ | another object |
//! | lower | any | another object: an older copy was put back |
//! | the next one | unchanged since the ledger's, or replacing exactly what the ledger knows | later |
//! | higher still | unchanged since the ledger's, or changed by a generation that is not known | later, unproven |
//! | higher | contradict the ledger's | another object |

use std::collections::BTreeSet;

use chrono::NaiveDate;

use crate::generation::Footer;

use super::PartitionState;

/// How an object relates to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The object that the ledger knows.
    Same,
    /// A later generation made from the one the ledger knows: its run died before it wrote the ledger, or is about to.
    Later {
        /// Days whose new content cannot be traced to the known generation, as generations in between are not known.
        unproven: BTreeSet<NaiveDate>,
    },
    /// Another object of the same table; the text says how that was found.
    Other(String),
}

impl Standing {
    /// Classifies the object with this footer; `known` is the ledger's state of its partition.
    #[must_use]
    pub fn of(known: Option<&PartitionState>, footer: &Footer) -> Self {
        let Some(known) = known else {
            let unproven = if footer.epoch == 1 { BTreeSet::new() } else { footer.days.keys().copied().collect() };
            return Self::Later { unproven };
        };
        if footer.epoch < known.epoch {
            return Self::Other(format!("its generation is {}, but {} was committed", footer.epoch, known.epoch));
        }
        if let Some(day) = contradicted(known, footer) {
            return Self::Other(format!("of {day} it holds other rows than generation {} had", known.epoch));
        }
        if footer.epoch == known.epoch {
            return Self::Same;
        }
        let later = footer.days.iter().filter(|(_, facts)| facts.epoch > known.epoch).map(|(slot, _)| *slot);
        Self::Later { unproven: if footer.epoch == known.epoch + 1 { BTreeSet::new() } else { later.collect() } }
    }
}

/// The first day whose facts in the footer cannot follow from the ledger's generation.
fn contradicted(known: &PartitionState, footer: &Footer) -> Option<NaiveDate> {
    let gone = known.days.keys().find(|slot| !footer.days.contains_key(slot)).copied();
    let is_next = footer.epoch == known.epoch + 1;
    let other = footer.days.iter().find(|(slot, facts)| match known.days.get(slot) {
        // Changed since: the next generation lists what it replaced.
        Some(day) if facts.epoch > known.epoch => {
            is_next && footer.replaced.get(slot).is_none_or(|replaced| replaced.digest != day.facts.digest)
        }
        Some(day) => !day.facts.same_content(facts),
        None => facts.epoch <= known.epoch,
    });
    gone.into_iter().chain(other.map(|(slot, _)| *slot)).min()
}

#[cfg(test)]
mod tests {
    use super::Standing;
    use crate::generation::{DayFacts, Footer, Replaced};
    use crate::ledger::{Ledger, ObjectId};
    use chrono::{DateTime, NaiveDate};
    use std::collections::{BTreeMap, BTreeSet};

    fn day(number: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, number).unwrap_or_default()
    }

    fn facts(epoch: u64, digest: &str) -> DayFacts {
        let text = r#"{"rows":1,"digest":"D","sums":{},"estimated":false,"epoch":1,"read_for":[],"totals":{}}"#;
        DayFacts { epoch, digest: digest.to_owned(), ..serde_json::from_str(text).expect("facts") }
    }

    /// The footer of generation `epoch`; `days` holds slot, generation that changed it, and digest.
    fn footer(epoch: u64, days: &[(u32, u64, &str)]) -> Footer {
        Footer {
            format: 1,
            epoch,
            fingerprint: String::new(),
            account: None,
            partition: "p".to_owned(),
            days: days.iter().map(|(slot, epoch, digest)| (day(*slot), facts(*epoch, digest))).collect(),
            replaced: BTreeMap::new(),
        }
    }

    fn replacing(slot: u32, digest: &str, footer: Footer) -> Footer {
        Footer { replaced: [(day(slot), Replaced::of(&facts(1, digest)))].into(), ..footer }
    }

    #[test]
    fn an_object_is_judged_by_what_it_holds() {
        let mut ledger = Ledger::empty("t");
        let id = ObjectId { size: 1, etag: None };
        let at = DateTime::UNIX_EPOCH;
        ledger.adopt(&footer(3, &[(1, 1, "a"), (2, 3, "b")]), &id, &BTreeSet::new(), at, at);
        let known = &ledger.partitions["p"];
        let standing = |footer: &Footer| match Standing::of(Some(known), footer) {
            Standing::Same => "same".to_owned(),
            Standing::Later { unproven } if unproven.is_empty() => "later".to_owned(),
            Standing::Later { unproven } => format!("later, unproven: {}", unproven.len()),
            Standing::Other(why) => why,
        };
        for (what, object, wanted) in [
            ("itself", footer(3, &[(1, 1, "a"), (2, 3, "b")]), "same"),
            ("other rows, same number", footer(3, &[(1, 1, "a"), (2, 3, "x")]), "of 2026-01-02 it holds other"),
            ("a day less", footer(3, &[(1, 1, "a")]), "of 2026-01-02 it holds other"),
            ("a day more", footer(3, &[(1, 1, "a"), (2, 3, "b"), (3, 2, "c")]), "of 2026-01-03 it holds other"),
            ("an older copy", footer(2, &[(1, 1, "a")]), "its generation is 2, but 3 was committed"),
            ("a run that died", replacing(2, "b", footer(4, &[(1, 1, "a"), (2, 4, "x"), (3, 4, "c")])), "later"),
            ("another past", replacing(2, "y", footer(4, &[(1, 1, "a"), (2, 4, "x")])), "of 2026-01-02 it holds other"),
            ("no past", footer(4, &[(1, 1, "a"), (2, 4, "x")]), "of 2026-01-02 it holds other"),
            ("an old day differs", footer(4, &[(1, 1, "z"), (2, 3, "b"), (3, 4, "c")]), "of 2026-01-01 it holds other"),
            ("two ahead", footer(5, &[(1, 1, "a"), (2, 5, "x"), (3, 4, "c")]), "later, unproven: 2"),
            ("two ahead, an old day differs", footer(5, &[(1, 2, "z"), (2, 5, "x")]), "of 2026-01-01 it holds other"),
            ("two ahead, a day is gone", footer(5, &[(2, 5, "x")]), "of 2026-01-01 it holds other"),
        ] {
            let found = standing(&object);
            assert!(found.starts_with(wanted), "{what}: {found}");
        }
        assert_eq!(
            Standing::of(None, &footer(1, &[(1, 1, "a")])),
            Standing::Later { unproven: BTreeSet::new() },
            "a first commit whose run died"
        );
        assert_eq!(
            Standing::of(None, &footer(2, &[(1, 1, "a")])),
            Standing::Later { unproven: [day(1)].into() },
            "a second one of which nothing is known"
        );
    }
}
