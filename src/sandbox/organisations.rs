//! The organisations: the company, and one like it for every other payer account that is asked about.
//!
//! Another organisation has the company's services and one account of each unit, with ids, names and amounts of its own,
//! all of them functions of its payer account. A few are cached; a thousand of them cost time, but no memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::NaiveDate;

use super::bill::Bill;
use super::catalog::{Account, COMPANY, UNITS};
use super::cost_explorer::CostExplorer;
use super::dice::{between, mix, of_text};

/// Number of cached organisations besides the company.
const KEPT: usize = 12;

/// An account that pays the bill of an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Payer(String);

impl Payer {
    pub(super) fn company() -> Self {
        Self(COMPANY.to_owned())
    }

    /// The account with an id; `None` if it is not 12 digits.
    pub(super) fn of_account(id: &str) -> Option<Self> {
        (id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_digit())).then(|| Self(id.to_owned()))
    }

    /// The payer of the Datadog organisation of an API key: that of the account that the key `sandbox-<name>` names, or
    /// one drawn from the name; the company's with any other key.
    pub(super) fn of_key(key: &str) -> Self {
        match key.strip_prefix("sandbox-").filter(|name| !name.is_empty()) {
            Some(name) => Self::of_account(name).unwrap_or_else(|| Self(drawn(&[of_text(name), 87]))),
            None => Self::company(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.0
    }

    /// The seed of its organisation in a sandbox with `seed`.
    pub(super) fn seed(&self, seed: u64) -> u64 {
        if self.0 == COMPANY { seed } else { mix(&[seed, 88, of_text(&self.0)]) }
    }

    /// The accounts of its organisation; the first one is the payer.
    pub(super) fn accounts(&self) -> Vec<Arc<Account>> {
        let company = self.0 == COMPANY;
        let hash = of_text(&self.0);
        let permille = if company { 1_000 } else { between(mix(&[hash, 89]), 300, 1_700) };
        let accounts = UNITS.iter().enumerate().map(|(place, unit)| {
            let id = match place {
                0 => self.0.clone(),
                _ if company => unit.id.to_owned(),
                _ => drawn(&[hash, 90, place as u64]),
            };
            let name = if company { unit.name.to_owned() } else { format!("{} of {}", unit.name, self.0) };
            Arc::new(Account { id, name, payer: self.0.clone(), weight: unit.weight * permille / 1_000, unit })
        });
        accounts.collect()
    }
}

/// The id of an account.
fn drawn(words: &[u64]) -> String {
    format!("{:012}", mix(words) % 1_000_000_000_000)
}

/// All organisations of a sandbox.
#[derive(Debug)]
pub(super) struct Organisations {
    pub(super) seed: u64,
    first_day: NaiveDate,
    page_groups: usize,
    company: Arc<CostExplorer>,
    /// The most recently used ones first.
    others: Mutex<VecDeque<(Payer, Arc<CostExplorer>)>>,
}

impl Organisations {
    pub(super) fn new(seed: u64, first_day: NaiveDate, page_groups: usize) -> Self {
        let company = Arc::new(CostExplorer::new(Bill::new(seed, first_day), page_groups));
        Self { seed, first_day, page_groups, company, others: Mutex::default() }
    }

    /// The organisation of a payer account.
    pub(super) fn of(&self, payer: &Payer) -> Arc<CostExplorer> {
        if payer.id() == COMPANY {
            return Arc::clone(&self.company);
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let known = others.iter().position(|(known, _)| known == payer).and_then(|place| others.remove(place));
        let (payer, found) = known.unwrap_or_else(|| {
            let bill = Bill::of(payer, self.seed, self.first_day);
            (payer.clone(), Arc::new(CostExplorer::new(bill, self.page_groups)))
        });
        others.push_front((payer, Arc::clone(&found)));
        others.truncate(KEPT);
        found
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::{Value, json};

    use super::{KEPT, Organisations, Payer};
    use crate::sandbox::cost_explorer::CostExplorer;
    use crate::sandbox::reader::{NOW, day, performed, query, read};

    /// The documented ones, and some that are next to each other.
    const PAYERS: [&str; 7] = [
        "000123456789",
        "222233334444",
        "000033334444",
        "000000000000",
        "000000000001",
        "000000000002",
        "999999999999",
    ];

    fn organisations() -> Organisations {
        Organisations::new(42, day("2025-10-01"), 1_000)
    }

    fn grouped(ce: &CostExplorer, keys: &[&str]) -> BTreeMap<(String, Vec<String>), BTreeMap<String, i128>> {
        let group_by: Vec<Value> = keys.iter().map(|key| json!({ "Type": "DIMENSION", "Key": key })).collect();
        read(ce, &query("2026-10-01", "2026-11-01", "MONTHLY", &json!(group_by)), NOW)
    }

    #[test]
    fn every_payer_has_other_totals_and_accounts_of_its_own_and_the_same_services() {
        let all = organisations();
        let (mut totals, mut accounts, mut services) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for id in PAYERS {
            let ce = all.of(&Payer::of_account(id).unwrap());
            let sums = grouped(&ce, &[]).into_values().next().unwrap();
            assert!(totals.insert(sums["UnblendedCost"]) && totals.insert(sums["UsageQuantity"]), "{id}");
            let dollars = sums["UnblendedCost"] / 10_000_000_000;
            assert!((30_000..1_000_000).contains(&dollars), "{id}: {dollars} USD");
            let own: BTreeSet<String> =
                grouped(&ce, &["LINKED_ACCOUNT"]).into_keys().map(|(_, mut k)| k.remove(0)).collect();
            assert!(own.len() == 8 && own.contains(id) && own.iter().all(|id| id.len() == 12), "{own:?}");
            assert!(own.iter().all(|id| accounts.insert(id.clone())), "{id} shares an account");
            let payers: Vec<_> = grouped(&ce, &["PAYER_ACCOUNT"]).into_keys().map(|(_, keys)| keys).collect();
            assert_eq!(payers, [[id]]);
            services.insert(grouped(&ce, &["SERVICE", "RECORD_TYPE"]).into_keys().collect::<Vec<_>>());
        }
        assert_eq!(services.len(), 1, "other services");
    }

    #[test]
    fn an_organisation_is_the_same_again_after_it_was_forgotten() {
        let all = organisations();
        let question =
            json!({ "TimePeriod": { "Start": "2026-10-01", "End": "2026-11-01" }, "Granularity": "MONTHLY" });
        let of = |id: &str| {
            let ce = all.of(&Payer::of_account(id).unwrap());
            performed(&ce, "GetSavingsPlansUtilization", &question, NOW).unwrap()
        };
        let first = of("222233334444");
        for number in 0..=KEPT {
            assert_ne!(of(&format!("{number:012}")), first);
        }
        assert_eq!(all.others.lock().unwrap().len(), KEPT);
        assert_eq!(of("222233334444"), first);
    }

    #[test]
    fn names_and_arns_are_of_the_organisation() {
        let ce = organisations().of(&Payer::of_account("000033334444").unwrap());
        let question = json!({
            "TimePeriod": { "Start": "2026-10-01", "End": "2026-11-01" }, "Dimension": "LINKED_ACCOUNT",
        });
        let values = performed(&ce, "GetDimensionValues", &question, NOW).unwrap();
        let values = values["DimensionValues"].as_array().unwrap().clone();
        assert!(values.iter().any(|value| value["Value"] == "000033334444"
            && value["Attributes"]["description"] == "harbor-payer of 000033334444"));
        let anomalies = json!({ "DateInterval": { "StartDate": "2026-09-01" } });
        let anomalies = performed(&ce, "GetAnomalies", &anomalies, NOW).unwrap().to_string();
        assert!(anomalies.contains("arn:aws:ce::000033334444:anomalymonitor/") && !anomalies.contains("000123456789"));
    }

    #[test]
    fn a_key_of_datadog_names_its_organisation() {
        for key in ["sandbox", "sandbox-", "k", "sandbox-000123456789"] {
            assert_eq!(Payer::of_key(key), Payer::company(), "{key}");
        }
        assert_eq!(Payer::of_key("sandbox-222233334444").id(), "222233334444");
        let [web, data] = ["sandbox-web", "sandbox-data"].map(Payer::of_key);
        assert!(web != data && web != Payer::company() && web.id().len() == 12);
    }
}
