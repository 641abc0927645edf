//! The sandbox's organisations: payer accounts whose roles are assumed, and a Datadog organisation of its own key.

use std::collections::BTreeSet;

use crate::support::cost_explorer::{DAILY, NOW};
use crate::support::lake::Row;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

/// The documented payer accounts; the first one is that of all other credentials.
const PAYERS: [&str; 3] = ["000123456789", "222233334444", "000033334444"];

fn open() -> (SandboxServer, Lakehouse) {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let mut house = Lakehouse::new(&sandbox.url(), NOW);
    house.set("AWS_ENDPOINT_URL_STS", &sandbox.url());
    (sandbox, house)
}

fn assuming(account: &str, role: &str, more: &str) -> String {
    let by_account = DAILY.replace("\"SERVICE\"", "\"LINKED_ACCOUNT\"");
    let aws = format!("[aws]\nrole_arn = \"arn:aws:iam::{account}:role/{role}\"\n{more}\n[limits]");
    by_account.replace("[limits]", &aws)
}

/// Sums of a table by linked account.
fn sums(house: &Lakehouse, job: &str) -> String {
    let done = house.costlake(&["show", job, "--by", "linked_account", "--output", "csv"]);
    done.exits(0).says("linked_account");
    done.stdout
}

#[test]
fn each_payer_whose_role_is_assumed_has_another_bill_and_accounts_of_its_own() {
    let (sandbox, house) = open();
    for payer in PAYERS {
        house.job(&format!("costs_{payer}"), &assuming(payer, "costs", ""));
    }
    house.job("costs", &DAILY.replace("\"SERVICE\"", "\"LINKED_ACCOUNT\""));
    house.costlake(&["run"]).exits(0);
    let of = PAYERS.map(|payer| sums(&house, &format!("costs_{payer}")));
    for (payer, bill) in PAYERS.iter().zip(&of) {
        assert!(bill.contains(payer), "{bill}");
        assert_eq!(of.iter().filter(|other| other.contains(payer)).count(), 1, "{payer} is in another bill");
    }
    assert_eq!(of[0], sums(&house, "costs"), "the bill of any other credentials");
    let table = house.lake().join("_costlake/costs_000033334444/table.json");
    let record = std::fs::read_to_string(table).expect("a record");
    assert!(record.contains("\"000033334444\""), "{record}");
    assert!(sandbox.requests().cost_explorer >= 4);
}

#[test]
fn roles_that_are_denied_end_a_run_before_anything_is_asked() {
    let (sandbox, house) = open();
    let refused = |role: &str, more: &str| {
        house.job("costs", &assuming(PAYERS[1], role, more));
        house.costlake(&["run"]).exits(3).says("the role that the job names (role_arn) cannot be assumed");
        assert!(house.objects().is_empty() && sandbox.requests().cost_explorer == 0, "{role}");
    };
    refused("costlake-denied", "");
    refused("costs-external", "");
    refused("costs-external", "external_id = \"of-somebody-else\"");
    house.job("costs", &assuming(PAYERS[1], "costs-external", "external_id = \"sandbox-external-id\""));
    house.run_well();
}

#[test]
fn another_key_of_datadog_reads_other_budgets() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let budgets = |key: &str| {
        let mut house = Lakehouse::new(&sandbox.url(), NOW);
        house.set("DD_API_KEY", key);
        house.job("budgets", "[source]\ntype = \"datadog_budgets\"\n");
        house.run_well();
        house.rows("budgets")
    };
    let of = ["sandbox", "sandbox-web", "sandbox-222233334444"].map(budgets);
    assert_eq!(of[0], budgets("any-other-key"));
    for (place, one) in of.iter().enumerate() {
        let ids = |rows: &[Row]| rows.iter().map(|row| row["budget_id"].clone()).collect::<BTreeSet<_>>();
        let amounts = |rows: &[Row]| rows.iter().map(|row| row["amount"].clone()).collect::<BTreeSet<_>>();
        assert!(!one.is_empty());
        for other in &of[..place] {
            assert!(ids(one).is_disjoint(&ids(other)) && amounts(one) != amounts(other), "{place}");
        }
    }
}
