//! Whose credentials these are: `check --online` and `aws.account_id`, which ask what is free and nothing that costs.

use serde_json::json;

use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

const CONFIG: &str = "[source]\ntype = \"datadog_ccm_config\"\n";

/// What AWS's token service says to whoever has these credentials.
fn identity(account: &str) -> Reply {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{account}:user/x</Arn><UserId>X</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    Reply::new(200, body).with("content-type", "text/xml")
}

/// A house whose token service is the first script and whose APIs are the second.
fn open() -> (Script, Script, Lakehouse) {
    let (tokens, api) = (Script::new(), Script::new());
    let mut house = Lakehouse::new(api.url(), NOW);
    house.set("AWS_ENDPOINT_URL_STS", tokens.url());
    (tokens, api, house)
}

#[test]
fn an_online_check_asks_only_what_is_free() {
    let (tokens, api, house) = open();
    house.job("costs", DAILY);
    tokens.then([identity("111111111111")]);
    let done = house.json(&["check", "--online"]);
    let access = done.exits(0).document()["jobs"][0]["access"].clone();
    assert_eq!(access, "AWS account 111111111111; Cost Explorer itself was not asked (0.01 USD)", "{done}");
    assert_eq!((tokens.take_asked().len(), api.take_asked().len()), (1, 0));
    assert!(house.objects().is_empty());
}

#[test]
fn an_online_check_tries_datadogs_keys() {
    let (_tokens, api, house) = open();
    house.job("config", CONFIG);
    api.then([Reply::good(&json!({ "data": [] }))]);
    house.costlake(&["check", "--online"]).exits(0).says("Datadog at datadoghq.com answers");
    api.then([Reply::new(403, r#"{"errors":["Forbidden"]}"#)]);
    house.costlake(&["check", "--online"]).exits(3).says("config: Datadog refuses the keys: Forbidden");
    assert_eq!(api.take_asked().len(), 2);
}

#[test]
fn credentials_that_are_refused_are_told() {
    let (tokens, api, house) = open();
    house.job("costs", DAILY);
    tokens.then([Reply::new(403, "<ErrorResponse><Error><Code>InvalidClientTokenId</Code></Error></ErrorResponse>")]);
    house.json(&["check", "--online"]).exits(3).document();
    assert!(api.take_asked().is_empty());
}

#[test]
fn an_account_that_the_job_names_is_verified() {
    let (tokens, api, house) = open();
    house.job("costs", &DAILY.replace("[limits]", "[aws]\naccount_id = \"111111111111\"\n[limits]"));
    tokens.then([identity("222222222222")]);
    let done = house.json(&["run"]);
    done.exits(3).says("belong to account 222222222222, but aws.account_id is 111111111111");
    assert!(api.take_asked().is_empty() && house.objects().is_empty());
    tokens.then([identity("111111111111")]);
    api.then([Reply::good(&two_days())]);
    house.run_well();
    tokens.then([identity("111111111111")]);
    api.then([Reply::good(&two_days())]);
    house.runs_again_without_writing();
}
