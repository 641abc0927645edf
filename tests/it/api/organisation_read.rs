//! What reads a table with accounts: definitions, the DuckDB script and `show`.

use crate::support::cost_explorer::{DAILY, NOW};
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const PAYERS: [&str; 2] = ["000033334444", "222233334444"];

/// A lake with the tables of these jobs; `costs` has two accounts.
fn filled(jobs: &[&str]) -> (SandboxServer, Lakehouse) {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let mut house = Lakehouse::new(&sandbox.url(), NOW);
    house.set("AWS_ENDPOINT_URL_STS", &sandbox.url());
    for name in jobs {
        house.job(name, &text_of(name));
    }
    house.costlake(&["run"]).exits(0);
    (sandbox, house)
}

fn text_of(name: &str) -> String {
    let accounts = "[accounts]\nlist = [{ id = \"222233334444\" }, { id = \"000033334444\" }]\n\
                    role_arn = \"arn:aws:iam::{id}:role/costs\"\n";
    match name.strip_prefix("costs_") {
        Some(payer) => format!("{DAILY}[aws]\nrole_arn = \"arn:aws:iam::{payer}:role/costs\"\n"),
        None if name == "costs" => format!("{DAILY}{accounts}"),
        None => DAILY.to_owned(),
    }
}

fn csv(house: &Lakehouse, arguments: &[&str]) -> String {
    let done = house.costlake(&[&["show"], arguments, &["--output", "csv"]].concat());
    done.exits(0);
    done.stdout
}

#[test]
fn the_sums_of_all_accounts_are_those_of_one_table_each() {
    let (_sandbox, house) = filled(&["costs", "costs_222233334444", "costs_000033334444"]);
    let of_account = csv(&house, &["costs", "--by", "account"]);
    assert!(of_account.starts_with("account,currency,unblended_cost,rows,others\n"), "{of_account}");
    for payer in PAYERS {
        let alone = csv(&house, &[&format!("costs_{payer}"), "--by", "service"]);
        let filter = format!("account={payer}");
        assert_eq!(csv(&house, &["costs", "--by", "service", "--where", &filter]), alone);
        let total = csv(&house, &[&format!("costs_{payer}")]);
        let sum = total.lines().nth(1).expect("a line");
        assert!(of_account.contains(&format!("{payer},{sum}")), "{of_account}: {sum}");
    }
    let both = csv(
        &house,
        &["costs", "--by", "account", "--where", "account=222233334444", "--where", "account=000033334444"],
    );
    assert_eq!(both, of_account);
    assert_eq!(of_account.lines().count(), 3);
}

#[test]
fn an_answer_says_which_accounts_have_what_days() {
    let (_sandbox, mut house) = filled(&["costs"]);
    house.costlake(&["show", "costs"]).exits(0).says("2 days estimated (2026-11-01 to 2026-11-02) of all 2 accounts");
    let document = house.json(&["show", "costs", "--by", "account"]).document();
    let accounts = document["accounts"].as_array().expect("a list");
    assert_eq!(accounts.iter().map(|one| one["account"].as_str()).collect::<Vec<_>>(), PAYERS.map(Some));
    assert_eq!(document["days"]["estimated"], accounts[0]["days"]["estimated"]);
    house.set("COSTLAKE_NOW", "2026-11-04T06:00:00Z");
    house.costlake(&["run", "--account", PAYERS[0]]).exits(0);
    house.costlake(&["show", "costs"]).exits(0).says("1 day missing (2026-11-03) of 222233334444");
    let more = text_of("costs").replace("list = [", "list = [{ id = \"999900001111\" }, ");
    house.job("costs", &more);
    house.costlake(&["show", "costs"]).exits(0).says("no data yet of 999900001111");
}

#[test]
fn an_account_that_a_table_does_not_have_is_refused() {
    let (_sandbox, house) = filled(&["costs", "plain"]);
    let unknown = house.costlake(&["show", "costs", "--where", "account=33334444"]);
    unknown.exits(2).says("the table has no account `33334444` (did you mean `000033334444`?)");
    house.costlake(&["show", "costs", "--by", "account,account"]).exits(2).says("`account` is named twice");
    house.costlake(&["show", "costs", "--by", "account,service,day,month"]).exits(2).says("3 are the most");
    house.costlake(&["show", "plain", "--by", "account"]).exits(2).says("there is no column `account`");
}

#[test]
fn the_script_reads_only_what_the_lake_has() {
    let lists = |words: &[&str], house: &Lakehouse| {
        let done = house.costlake(&["connect"]);
        done.exits(0);
        words.iter().map(|word| done.stdout.contains(word)).collect::<Vec<_>>()
    };
    let patterns = [
        "/_costlake/*/runs/",
        "/_costlake/*/account=*/runs/",
        "/_costlake/*/ledger/",
        "/_costlake/*/account=*/ledger/",
    ];
    for (jobs, wanted) in [
        (&["costs"][..], [false, true, false, true]),
        (&["plain"], [true, false, true, false]),
        (&["costs", "plain"], [true; 4]),
    ] {
        let (_sandbox, house) = filled(jobs);
        assert_eq!(lists(&patterns, &house), wanted, "{jobs:?}");
    }
}

#[test]
fn a_table_with_accounts_is_defined_with_or_without_its_job_file() {
    let (_sandbox, house) = filled(&["costs"]);
    for dialect in ["duckdb", "clickhouse", "spark", "trino"] {
        let with = house.costlake(&["ddl", "--dialect", dialect]);
        with.exits(0).says("account");
        std::fs::remove_file(house.folder().join("jobs/costs.toml")).expect("a job file");
        let without = house.costlake(&["ddl", "--dialect", dialect]);
        assert_eq!(without.stdout, with.stdout);
        house.job("costs", &text_of("costs"));
    }
    let trino = house.costlake(&["ddl", "--dialect", "trino"]);
    trino.says("partition_projection_values = ARRAY['000033334444', '222233334444']");
    std::fs::remove_dir_all(house.lake().join("_costlake/costs/account=222233334444")).expect("a folder");
    house.costlake(&["connect"]).exits(0).says("/costs/*/*/data.parquet");
}
