//! A table belongs to one AWS account; credentials of another account never write to it.

use std::fs;

use serde_json::{Value, json};

use super::credentials::{identity, open, role};
use crate::support::cost_explorer::{DAILY, NOW, day, page, two_days};
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::{Reply, Script};

const NEXT_DAY: &str = "2026-11-04T06:00:00Z";
const OURS: &str = "111111111111";
const THEIRS: &str = "222222222222";

fn in_aws(lines: &str) -> String {
    DAILY.replace("[limits]", &format!("[aws]\n{lines}\n[limits]"))
}

/// What is due a day later.
fn three_days() -> Value {
    let days = ["2026-11-01", "2026-11-02", "2026-11-03"].map(|date| day(date, &[("EC2", "2")]));
    page(&days, None)
}

fn kept(house: &Lakehouse, name: &str) -> Option<Value> {
    let text = fs::read(house.lake().join("_costlake/costs").join(name)).ok()?;
    Some(serde_json::from_slice(&text).expect("JSON"))
}

/// A table whose account is recorded by the first run.
fn a_table_of_ours() -> (Script, Script, Lakehouse) {
    let (tokens, api, mut house) = open();
    house.job("costs", DAILY);
    tokens.then([identity(OURS)]);
    api.then([Reply::good(&two_days())]);
    house.run_well();
    assert_eq!(kept(&house, "table.json").expect("a record")["account"], OURS);
    house.set("COSTLAKE_NOW", NEXT_DAY);
    let _ = tokens.take_asked();
    (tokens, api, house)
}

/// The run sends nothing to Cost Explorer and writes to no table.
#[track_caller]
fn ends_before_anything_is_paid(house: &Lakehouse, api: &Script, code: i32, words: &str) {
    let _ = (api.take_asked(), api.take_totals_asked());
    let (before, record) = (house.objects(), kept(house, "account.json"));
    house.costlake(&["run"]).exits(code).says(words);
    assert!(api.take_asked().is_empty() && api.take_totals_asked().is_empty(), "Cost Explorer was asked");
    assert_eq!(house.objects(), before);
    assert_eq!(kept(house, "account.json"), record);
}

#[test]
fn another_accounts_credentials_write_nothing() {
    let (tokens, api, house) = a_table_of_ours();
    tokens.then([identity(THEIRS)]);
    let words = "the table `costs` belongs to AWS account 111111111111, but the credentials to 222222222222";
    ends_before_anything_is_paid(&house, &api, 3, words);
    tokens.then([identity(THEIRS)]);
    house.costlake(&["check", "--online"]).exits(3).says(words);
    tokens.then([identity(OURS)]);
    api.then([Reply::good(&three_days())]);
    house.run_well();
}

#[test]
fn credentials_that_tell_their_account_are_compared_without_asking() {
    let (tokens, api, mut house) = a_table_of_ours();
    house.set("AWS_ACCOUNT_ID", THEIRS);
    ends_before_anything_is_paid(&house, &api, 3, "but the credentials to 222222222222");
    house.unset("AWS_ACCOUNT_ID");
    house.job("costs", &in_aws("role_arn = \"arn:aws:iam::222222222222:role/costs\""));
    tokens.then([role(THEIRS)]);
    ends_before_anything_is_paid(&house, &api, 3, "but the credentials to 222222222222");
    let asked = tokens.take_asked();
    assert!(asked.iter().all(|asked| asked.body.contains("AssumeRole")), "{asked:#?}");
    // The check of the account and the requests use one and the same answer.
    house.job("costs", &in_aws("role_arn = \"arn:aws:iam::111111111111:role/costs\""));
    tokens.then([role(OURS)]);
    api.then([Reply::good(&three_days())]);
    house.run_well();
    assert_eq!(tokens.take_asked().len(), 1);
}

/// Static keys, no configured account, and only Cost Explorer emulated: no one can be asked, which is reported.
#[test]
fn an_account_that_nobody_tells_is_said_to_be_unverified() {
    let api = Script::new();
    let house = Lakehouse::new(api.url(), NOW);
    house.job("costs", DAILY);
    api.then([Reply::good(&two_days())]);
    let done = house.costlake(&["run"]);
    done.exits(0).says("note: account not verified: the credentials do not tell it, and AWS STS is not asked");
    api.then([Reply::good(&two_days())]);
    let notes = house.run_well()["notes"].to_string();
    assert!(notes.contains("account not verified"), "{notes}");
    house.costlake(&["check", "--online"]).exits(0).says("access    account not verified");
    assert_eq!(kept(&house, "account.json"), None);
}

#[test]
fn a_table_without_an_account_is_given_the_first_one_that_is_known() {
    let (tokens, api, mut house) = open();
    house.job("costs", DAILY);
    house.unset("AWS_ENDPOINT_URL_STS");
    api.then([Reply::good(&two_days())]);
    house.run_well();
    assert_eq!(kept(&house, "table.json").expect("a record").get("account"), None);
    house.set("AWS_ENDPOINT_URL_STS", tokens.url());
    tokens.then([identity(OURS)]);
    api.then([Reply::good(&two_days())]);
    house.run_well();
    assert_eq!(kept(&house, "account.json"), Some(json!({ "format": 1, "account": OURS })));
    tokens.then([identity(THEIRS)]);
    ends_before_anything_is_paid(&house, &api, 3, "belongs to AWS account 111111111111");
    // account.json still applies when table.json is missing.
    fs::remove_file(house.lake().join("_costlake/costs/table.json")).expect("a file");
    tokens.then([identity(THEIRS)]);
    ends_before_anything_is_paid(&house, &api, 3, "belongs to AWS account 111111111111");
}

/// The wrong profile is refused by the API and then corrected: a run that read nothing must not record its account.
#[test]
fn credentials_that_never_read_anything_leave_no_account_behind() {
    for is_named in [false, true] {
        let (tokens, api, mut house) = open();
        house.job("costs", DAILY);
        if is_named {
            house.unset("AWS_ENDPOINT_URL_STS");
            api.then([Reply::good(&two_days())]);
            house.run_well();
            house.set("AWS_ENDPOINT_URL_STS", tokens.url());
            house.set("COSTLAKE_NOW", NEXT_DAY);
        }
        tokens.then([identity(THEIRS)]);
        api.then([Reply::fault("AccessDeniedException", "this account may not")]);
        house.costlake(&["run"]).exits(3).says("this account may not");
        assert_eq!(kept(&house, "account.json"), None, "{is_named}");
        tokens.then([identity(OURS)]);
        api.then([Reply::good(&if is_named { three_days() } else { two_days() })]);
        house.run_well();
        let record = if is_named { "account.json" } else { "table.json" };
        assert_eq!(kept(&house, record).expect("a record")["account"], OURS);
        tokens.then([identity(THEIRS)]);
        ends_before_anything_is_paid(&house, &api, 3, "belongs to AWS account 111111111111");
    }
}

/// Replies in place of an account, and the exit code of a run that needs one.
fn refusals() -> Vec<(&'static str, Reply, i32)> {
    let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/x is not \
        authorized to perform: sts:GetCallerIdentity with an explicit deny</Message></Error></ErrorResponse>";
    vec![
        ("denied", Reply::new(403, denied), 3),
        ("hung up", Reply::hang_up(), 1),
        ("busy", Reply::new(503, "<html>busy</html>"), 1),
        ("a page", Reply::new(200, "<html>sign in</html>"), 1),
        ("no account", identity("12345"), 1),
        ("no digits", identity("1234567890ab"), 1),
        ("nothing", identity(""), 1),
    ]
}

#[test]
fn a_table_with_an_account_is_not_written_without_knowing_whose_the_credentials_are() {
    for (what, reply, code) in refusals() {
        let (tokens, api, house) = a_table_of_ours();
        tokens.then([reply.clone()]);
        let words = "so account 111111111111 of the table cannot be verified";
        ends_before_anything_is_paid(&house, &api, code, words);
        tokens.then([reply]);
        house.costlake(&["check", "--online"]).exits(code).says(words).hides("123456789012");
        assert_eq!(tokens.take_asked().len(), 2, "{what}");
    }
}

#[test]
fn a_job_that_names_its_account_is_not_run_without_knowing_whose_the_credentials_are() {
    for (what, reply, code) in refusals() {
        let (tokens, api, house) = open();
        house.job("costs", &in_aws("account_id = \"111111111111\""));
        tokens.then([reply]);
        ends_before_anything_is_paid(
            &house,
            &api,
            code,
            "so aws.account_id (or the id in accounts) cannot be verified",
        );
        assert!(house.objects().is_empty(), "{what}");
    }
}

#[test]
fn a_table_without_an_account_is_written_all_the_same() {
    for (what, reply, _) in refusals() {
        let (tokens, api, house) = open();
        house.job("costs", DAILY);
        tokens.then([reply.clone()]);
        api.then([Reply::good(&two_days())]);
        let notes = house.run_well()["notes"].to_string();
        assert!(notes.contains("account not verified: ") && !notes.contains("123456789012"), "{what}: {notes}");
        assert_eq!((kept(&house, "account.json"), house.objects().len()), (None, 1), "{what}");
        tokens.then([reply]);
        house.costlake(&["check", "--online"]).exits(0).says("access    account not verified: ");
    }
}

#[test]
fn a_job_may_switch_it_off_and_every_output_says_so() {
    let (tokens, api, house) = a_table_of_ours();
    house.job("costs", &in_aws("verify_account = false"));
    let words = "aws.verify_account is false";
    for command in [&["check"][..], &["check", "--online"], &["plan"], &["status"]] {
        for done in [house.costlake(command), house.json(command)] {
            done.exits(0).says("account not verified").says(words);
        }
    }
    api.then([Reply::good(&two_days())]);
    house.costlake(&["run"]).says("account not verified").says(words);
    assert!(tokens.take_asked().is_empty(), "AWS STS was asked");
    // An account from the configuration needs no request and is still compared.
    house.job("costs", &in_aws("verify_account = false\naccount_id = \"222222222222\""));
    house.costlake(&["run"]).exits(3).says("belongs to AWS account 111111111111");
}

#[test]
fn aws_is_asked_once_for_all_jobs_of_a_run() {
    for reply in [identity(OURS), Reply::hang_up()] {
        let (tokens, api, house) = open();
        for (name, more) in [("costs", ""), ("costs_too", ""), ("costs_of_view", "region = \"eu-west-1\"")] {
            house.job(name, &in_aws(more));
            api.then([Reply::good(&two_days())]);
        }
        tokens.then([reply]);
        house.costlake(&["run"]).exits(0);
        assert_eq!(tokens.take_asked().len(), 1);
    }
}

/// An endpoint set for all of AWS is used for STS, too.
#[test]
fn one_endpoint_for_all_of_aws_is_an_endpoint_of_sts() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    for named in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "profile", "services"] {
        let mut house = Lakehouse::new(&sandbox.url(), NOW);
        let config = house.folder().join("config");
        house.set("AWS_CONFIG_FILE", &config.to_string_lossy());
        let url = sandbox.url();
        let profile = match named {
            "profile" => format!("[default]\nendpoint_url = {url}\n"),
            "services" => format!("[default]\nservices = here\n[services here]\nsts =\n  endpoint_url = {url}\n"),
            _ => String::new(),
        };
        fs::write(&config, profile).expect("a file");
        if named.starts_with("AWS_") {
            house.set(named, &url);
        }
        house.job("costs", DAILY);
        house.run_well();
        assert_eq!(kept(&house, "table.json").expect("a record")["account"], "000123456789", "{named}");
    }
}

#[test]
fn keys_are_never_sent_to_sts_by_plain_http() {
    for (url, words) in [
        ("http://192.0.2.1:9", "the AWS STS endpoint is plain http and not on this machine"),
        ("ftp://127.0.0.1/", "the address of AWS STS is no https URL"),
        ("nonsense", "the address of AWS STS is no https URL"),
    ] {
        let (_, api, mut house) = open();
        house.set("AWS_ENDPOINT_URL_STS", url);
        house.job("costs", DAILY);
        ends_before_anything_is_paid(&house, &api, 2, words);
        house.job("costs", &in_aws("role_arn = \"arn:aws:iam::222222222222:role/costs\""));
        ends_before_anything_is_paid(&house, &api, 2, words);
        house.costlake(&["check", "--online"]).exits(2).says(words);
    }
}

/// The check reports keys that AWS does not accept, even if the account is configured along with them.
#[test]
fn an_online_check_tries_keys_that_tell_their_account() {
    let (tokens, _, mut house) = open();
    house.job("costs", DAILY);
    house.set("AWS_ACCOUNT_ID", OURS);
    let refused = "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>";
    tokens.then([Reply::new(403, refused)]);
    house.costlake(&["check", "--online"]).exits(3).says("AWS STS does not accept the credentials");
    tokens.then([identity(THEIRS)]);
    let words = "the credentials say that they are of account 111111111111, AWS that they are of 222222222222";
    house.costlake(&["check", "--online"]).exits(3).says(words);
    tokens.then([identity(OURS)]);
    house.costlake(&["check", "--online"]).exits(0).says("AWS account 111111111111; Cost Explorer itself");
}
