//! Which account the credentials belong to: `check --online` and `aws.account_id`, which send only free requests.

use serde_json::json;

use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};

const CONFIG: &str = "[source]\ntype = \"datadog_ccm_config\"\n";

/// The answer of AWS STS to `GetCallerIdentity`.
pub(super) fn identity(account: &str) -> Reply {
    let body = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
         <Arn>arn:aws:iam::{account}:user/x</Arn><UserId>X</UserId><Account>{account}</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    );
    Reply::new(200, body).with("content-type", "text/xml")
}

/// A lakehouse whose STS is the first script and whose APIs are the second.
pub(super) fn open() -> (Script, Script, Lakehouse) {
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
    house.costlake(&["check", "--online"]).exits(0).says(&format!("Datadog at {} answers", api.url()));
    api.then([Reply::new(403, r#"{"errors":["Forbidden"]}"#)]);
    house.costlake(&["check", "--online"]).exits(3).says("Datadog refuses the keys: Forbidden");
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
    done.exits(3).says(
        "belong to account 222222222222, but the job's account (aws.account_id, or its id in accounts) is 111111111111",
    );
    assert!(api.take_asked().is_empty() && house.objects().is_empty());
    tokens.then([identity("111111111111")]);
    api.then([Reply::good(&two_days())]);
    house.run_well();
    tokens.then([identity("111111111111")]);
    api.then([Reply::good(&two_days())]);
    house.runs_again_without_writing();
}

/// The answer of AWS STS to a permitted `AssumeRole`.
pub(super) fn role(account: &str) -> Reply {
    let body = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>\
        <AssumedRoleUser><Arn>arn:aws:sts::111111111111:assumed-role/costs/costlake</Arn>\
        <AssumedRoleId>AROA:costlake</AssumedRoleId></AssumedRoleUser><Credentials>\
        <AccessKeyId>ASIAROLEROLEROLEROLE</AccessKeyId><SecretAccessKey>secret-of-the-role</SecretAccessKey>\
        <SessionToken>token-of-the-role</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration>\
        </Credentials></AssumeRoleResult></AssumeRoleResponse>";
    Reply::new(200, body.replace("111111111111", account)).with("content-type", "text/xml")
}

/// The answer of a container's credential endpoint.
fn container() -> Reply {
    Reply::new(
        200,
        r#"{"AccessKeyId":"ASIACONTAINERCONTAIN","SecretAccessKey":"secret-of-the-container","Token":"token-of-it","Expiration":"2099-01-01T00:00:00Z"}"#,
    )
}

/// Replies in place of credentials from an AWS API that is unreachable, busy, or closes the connection.
fn silences(good: &Reply) -> Vec<(&'static str, Reply)> {
    let busy = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
    vec![
        ("hung up", Reply::hang_up()),
        ("cut off", good.clone().cut_off()),
        ("mute", Reply::silence()),
        ("500", Reply::new(500, "")),
        ("503", Reply::new(503, "<html>busy</html>")),
        ("throttled", Reply::new(400, busy)),
        ("a page", Reply::new(200, "<html>sign in</html>")),
        ("a page with 404", Reply::new(404, "<html>not found</html>")),
    ]
}

/// A run that gets credentials `given` times, then `reply`; and the run after it.
fn credentials_fail(what: &str, house: &Lakehouse, (tokens, api): (&Script, &Script), reply: Reply, good: Reply) {
    // Enough for every retry of the SDK.
    tokens.then(vec![reply; 8]);
    house.costlake(&["run"]).exits(1).says("what gives the AWS credentials did not answer").hides("trust policy");
    assert!(api.take_asked().is_empty() && house.objects().is_empty(), "{what}");
    tokens.clear();
    tokens.then(vec![good; 4]);
    api.then([Reply::good(&two_days())]);
    house.run_well();
}

#[test]
fn a_role_that_cannot_be_asked_for_is_no_missing_permission() {
    let job = DAILY.replace("[limits]", "[aws]\nrole_arn = \"arn:aws:iam::111111111111:role/costs\"\n[limits]");
    for (what, reply) in silences(&role("111111111111")) {
        let (tokens, api, mut house) = open();
        house.set("COSTLAKE_TEST_TIMEOUT_MS", "1200");
        house.job("costs", &job);
        credentials_fail(what, &house, (&tokens, &api), reply, role("111111111111"));
    }
}

#[test]
fn a_role_that_is_denied_is_a_missing_permission() {
    let (tokens, api, house) = open();
    house.job(
        "costs",
        &DAILY.replace("[limits]", "[aws]\nrole_arn = \"arn:aws:iam::111111111111:role/costs\"\n[limits]"),
    );
    let denied = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>User: arn:aws:iam::123456789012:user/x is not \
        authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>";
    tokens.then([Reply::new(403, denied)]);
    let done = house.costlake(&["run"]);
    done.exits(3).says("the role that the job names (role_arn) cannot be assumed").hides("123456789012");
    assert!(api.take_asked().is_empty() && house.objects().is_empty());
}

#[test]
fn a_container_whose_agent_does_not_answer_has_no_missing_permission() {
    for (what, reply) in silences(&container()).into_iter().take(3) {
        let (tokens, api, mut house) = open();
        house.set("COSTLAKE_TEST_TIMEOUT_MS", "1200");
        house.unset("AWS_ACCESS_KEY_ID");
        house.unset("AWS_SECRET_ACCESS_KEY");
        house.set("AWS_CONTAINER_CREDENTIALS_FULL_URI", &format!("{}/credentials", tokens.url()));
        house.job("costs", DAILY);
        credentials_fail(what, &house, (&tokens, &api), reply, container());
    }
}
